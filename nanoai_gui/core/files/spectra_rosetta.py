"""Horiba LabSpec .xml and TriVista .tvf, through RosettaSciIO."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.frames import quieten
from nanoai_gui.core.files.raw_spectra import AxisUnit, RawSpectra, check_size, plausible_laser, unit_of
from nanoai_gui.core.spectra.spectral_set import MapGrid

PLUGINS = {".xml": "jobinyvon", ".tvf": "trivista"}
_MARKS = {".xml": b"<LSX", ".tvf": b"<XmlMain"}
"""The root element; both formats are XML like many others."""
LABSPEC_NM_EV = 1240.0
"""LabSpec computes eV as 1240 / nm (measured: its files of one spectrum in nm, cm-1 and eV then agree)."""
_UM = {"nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "mm": 1e3, "m": 1e6}
_SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


def read_xml(path: Path) -> list[RawSpectra]:
    """Read a spectrum, line, map, depth or time series.

    Returns
    -------
    One entry a data set, with ``x_um, y_um, z_um`` (um) or ``time_s`` (s) and, for maps, the grid.

    Raises
    ------
    ReadError
        If it is other XML, or holds no spectra.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip():
        raise ReadError(f"{path.name} is empty.", "Choose another file.")
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise ReadError(f"{path.name} is no file of spectra.", "Choose another file.")
    if _MARKS[suffix] not in head.replace(b"\0", b""):
        raise ReadError(
            f"{path.name} is XML, but not of {'LabSpec' if suffix == '.xml' else 'TriVista'}.",
            "Choose another file.",
        )
    importlib.import_module("rsciio")
    quieten("rsciio")
    signals = importlib.import_module(f"rsciio.{PLUGINS[suffix]}").file_reader(str(path))
    found = [_spectra(signal, path, suffix) for signal in signals if np.ndim(signal["data"]) > 0]
    if not found:
        raise ReadError(f"{path.name} holds no spectra.", "Choose another file.")
    return found


def _spectra(signal: Mapping[str, Any], path: Path, suffix: str) -> RawSpectra:
    *places, spectral = signal["axes"]
    data = signal["data"]
    check_size(path, data.shape)
    values = _values(spectral)
    name, units = str(spectral.get("name") or ""), str(spectral.get("units") or "")
    # "Raman Shift" with "1/cm" is one; but TriVista's axes are called "Wavelength" whatever their unit is.
    unit = (
        AxisUnit.RAMAN_SHIFT
        if "raman" in name.lower()
        else unit_of(units) or unit_of(name) or AxisUnit.UNSAID
    )
    if unit is AxisUnit.EV and suffix == ".xml":
        values, unit = LABSPEC_NM_EV / values, AxisUnit.NM
    metadata = signal.get("metadata", {})
    laser = (metadata.get("Acquisition_instrument", {}).get("Laser") or {}).get("wavelength")
    general = metadata.get("General", {})
    raw = RawSpectra(
        np.ascontiguousarray(data, dtype=np.float32).reshape(-1, data.shape[-1]),
        values,
        unit,
        str(general.get("title") or ""),
        laser_nm=plausible_laser(float(laser)) if laser else None,
        metadata={
            key.capitalize(): str(general[key]) for key in ("title", "date", "time") if general.get(key)
        },
    )
    _add_places(raw, places, data.shape[:-1], path)
    return raw


def _values(axis: Mapping[str, Any]) -> NDArray[np.float64]:
    if "axis" in axis:
        return np.array(axis["axis"], dtype=np.float64)
    steps = np.arange(int(axis["size"]), dtype=np.float64)
    values: NDArray[np.float64] = float(axis.get("offset", 0.0)) + float(axis.get("scale", 1.0)) * steps
    return values


def _add_places(
    raw: RawSpectra, axes: Sequence[Mapping[str, Any]], shape: tuple[int, ...], path: Path
) -> None:
    """Give every spectrum its coordinates; two coordinates of length are a map."""
    if not axes:
        return
    levels: list[tuple[str, NDArray[np.float64]]] = []
    for axis in axes:
        name, unit = str(axis.get("name") or ""), str(axis.get("units") or "")
        values = _values(axis)
        if unit in _UM and name[:1].upper() in "XYZ" and name:
            levels.append((f"{name[0].lower()}_um", values * _UM[unit]))
        elif unit in _SECONDS:
            levels.append(("time_s", values * _SECONDS[unit]))
        else:
            levels.append((name.lower() or "position", values))
        if name.upper() in ("XA", "YA"):
            note = f"The map {path.name} is rotated on the stage; x and y are counted along its own sides."
            raw.warnings = tuple(dict.fromkeys((*raw.warnings, note)))
    mesh = np.meshgrid(*(values for _, values in levels), indexing="ij")
    for (name, _), coordinates in zip(levels, mesh, strict=True):
        raw.columns[name] = coordinates.ravel()
    if [name for name, _ in levels] == ["y_um", "x_um"] and min(shape) > 1:
        (_, y), (_, x) = levels
        index = np.arange(shape[0] * shape[1], dtype=np.int64)
        raw.grid = MapGrid(
            shape[0], shape[1], index, float(x[0]), float(y[0]), float(x[1] - x[0]), float(y[1] - y[0])
        )
