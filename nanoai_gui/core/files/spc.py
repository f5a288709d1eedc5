"""Galactic (Thermo GRAMS) .spc files.

The format is published: "A Brief Guide to SPC File Format and Using GSPCIO", Galactic Industries (1997): a
header of 512 bytes, optionally an axis, then for each spectrum a header of 32 bytes and the values, as
float32 or as integers with a power of two. The readers on PyPI need pandas (spc-io) or are not kept up.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.raw_spectra import AxisUnit, RawSpectra, check_size, plausible_laser, unit_of
from nanoai_gui.core.files.text_columns import header_facts
from nanoai_gui.core.spectra.places import grid_of

_HEADER_BYTES, _SUBHEADER_BYTES = 512, 32
_SHORTS, _MANY, _LABELS, _OWN_AXES, _AXIS_GIVEN = 0x01, 0x04, 0x20, 0x40, 0x80
_FLOAT = -128
_UNITS = {1: AxisUnit.PER_CM, 3: AxisUnit.NM, 13: AxisUnit.RAMAN_SHIFT, 14: AxisUnit.EV}
_OTHER_AXES = {
    4: "a course over time", 5: "a course over time", 6: "frequencies", 7: "frequencies", 8: "frequencies",
    9: "a mass spectrum", 10: "an NMR spectrum", 11: "a course over time", 12: "a course over time",
}  # fmt: skip
_ABSORPTION = {
    1: "an interferogram", 2: "an absorbance spectrum", 3: "a reflectance spectrum (Kubelka-Munk)",
    10: "an absorbance spectrum", 128: "a transmission spectrum", 129: "a reflectance spectrum",
}  # fmt: skip


@dataclass(frozen=True)
class _Header:
    flags: int
    order: str
    exponent: int
    n_points: int
    first: float
    last: float
    n_spectra: int
    x_code: int
    y_code: int
    z_code: int
    comment: str
    x_label: str
    log_at: int
    n_planes: int
    w_step: float
    z_step: float
    w_code: int


def is_spc(head: bytes) -> bool:
    """Whether a file begins like one of this format, old versions included."""
    return len(head) >= 2 and head[1] in (0x4B, 0x4C, 0x4D)


def read_spc(path: Path) -> list[RawSpectra]:
    """Read one spectrum or many, on one axis or each on its own.

    Returns
    -------
    One entry for spectra on one axis, else one for each. Columns ``time_s`` or ``z_um`` where the file
    gives a time or depth for each spectrum, ``x_um`` and ``y_um`` where it holds a map.

    Raises
    ------
    ReadError
        If it is no Raman spectrum, of the version before 1996, or damaged.
    """
    content = path.read_bytes()
    if len(content) >= 2 and content[1] == 0x4D:
        raise ReadError(
            f"{path.name} is of the old SPC format (LabCalc, before 1996).",
            "Save it again in a current version of GRAMS or as JCAMP-DX.",
        )
    if len(content) < _HEADER_BYTES:
        raise ReadError(f"{path.name} is incomplete: its end is missing.", "Copy it again.")
    header = _header(content)
    unit = _unit(header, path)
    facts = _log(content, header)
    laser = _laser(facts)
    shown = {key: facts[key] for key in ("Laser", "INSTRUMENT", "MODEL") if facts.get(key)}
    if header.comment:
        shown["Comment"] = header.comment
    if header.flags & _OWN_AXES:
        return [
            RawSpectra(y[None], x, unit, laser_nm=laser, metadata=shown)
            for x, y in _on_own_axes(content, header, path)
        ]
    position = _HEADER_BYTES
    if header.flags & _AXIS_GIVEN:
        check_size(path, (1, header.n_points), (len(content) - position) // 4)
        axis = np.frombuffer(content, header.order + "f4", header.n_points, position).astype(np.float64)
        position += 4 * header.n_points
    else:
        check_size(path, (1, header.n_points), len(content) // 2)
        axis = np.linspace(header.first, header.last, header.n_points)
    intensities, times, levels = _values(content, header, position, path)
    raw = RawSpectra(intensities, axis, unit, laser_nm=laser, metadata=shown)
    if header.n_spectra > 1:
        _add_places(raw, header, times, levels)
    return [raw]


def _header(content: bytes) -> _Header:
    order = ">" if content[1] == 0x4C else "<"
    exponent, n_points, first, last, n_spectra = struct.unpack_from(order + "biddi", content, 3)
    x_code, y_code, z_code = content[28:31]
    comment = content[88:218].split(b"\0")[0].decode("latin-1").strip()
    label = content[218:248].split(b"\0")[0].decode("latin-1").strip()
    (log_at,) = struct.unpack_from(order + "i", content, 248)
    z_step, n_planes, w_step, w_code = struct.unpack_from(order + "fifB", content, 312)
    return _Header(
        content[0], order, exponent, n_points, first, last, max(n_spectra, 1), x_code, y_code, z_code,
        comment, label if content[0] & _LABELS else "", log_at, n_planes, w_step, z_step, w_code,
    )  # fmt: skip


def _unit(header: _Header, path: Path) -> AxisUnit:
    """Judge the axis by its label, else its code, and refuse what is no Raman spectrum."""
    kind = _ABSORPTION.get(header.y_code) or _OTHER_AXES.get(header.x_code)
    if kind is not None:
        raise ReadError(f"{path.name} is {kind}, not a Raman spectrum.", "Choose another file.")
    unit = unit_of(header.x_label) or _UNITS.get(header.x_code)
    return unit or AxisUnit.UNSAID  # code 0 is "arbitrary"


def _values(
    content: bytes, header: _Header, position: int, path: Path
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Read spectra that share an axis, with time (or depth) and plane of each."""
    n, k = header.n_spectra, header.n_points
    width = 2 if header.flags & _SHORTS else 4
    room = (len(content) - position - n * _SUBHEADER_BYTES) // width
    check_size(path, (n, k), max(room, 0))
    intensities = np.empty((n, k), np.float32)
    times, levels = np.zeros(n), np.zeros(n)
    for i in range(n):
        exponent, times[i], levels[i], _ = _subheader(content, header, position)
        position += _SUBHEADER_BYTES
        # A file of one spectrum may leave the exponent of its part empty.
        if not header.flags & _MANY:
            exponent = header.exponent
        intensities[i], used = _decode(content, header, position, k, exponent, path)
        position += used
    return intensities, times, levels


def _on_own_axes(
    content: bytes, header: _Header, path: Path
) -> list[tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """Read spectra that each bring their axis."""
    found = []
    position = _HEADER_BYTES
    for _ in range(header.n_spectra):
        if position + _SUBHEADER_BYTES > len(content):
            raise ReadError(f"{path.name} is incomplete: its end is missing.", "Copy it again.")
        exponent, _, _, n_points = _subheader(content, header, position)
        position += _SUBHEADER_BYTES
        check_size(path, (1, n_points), (len(content) - position) // 4)
        x = np.frombuffer(content, header.order + "f4", n_points, position).astype(np.float64)
        position += 4 * n_points
        y, used = _decode(content, header, position, n_points, exponent, path)
        position += used
        found.append((x, np.array(y, np.float32)))
    return found


def _subheader(content: bytes, header: _Header, position: int) -> tuple[int, float, float, int]:
    """Read exponent, time, plane and number of points of one spectrum."""
    _, exponent, _, time, _, _, n_points, _, level = struct.unpack_from(
        header.order + "BbhfffiIf", content, position
    )
    return exponent, time, level, n_points


def _decode(
    content: bytes, header: _Header, position: int, n_points: int, exponent: int, path: Path
) -> tuple[NDArray[Any], int]:
    """Read the values of one spectrum and tell how many bytes they take."""
    floats = _FLOAT in (header.exponent, exponent)
    kind = "f4" if floats else "i2" if header.flags & _SHORTS else "i4"
    used = n_points * int(kind[1])
    if position + used > len(content):
        raise ReadError(f"{path.name} is incomplete: its end is missing.", "Copy it again.")
    values = np.frombuffer(content, header.order + kind, n_points, position)
    if floats:
        return values, used
    return values * 2.0 ** (exponent - 8 * int(kind[1])), used


def _add_places(
    raw: RawSpectra, header: _Header, times: NDArray[np.float64], levels: NDArray[np.float64]
) -> None:
    """Name the coordinate that runs over the spectra by its unit (codes: 2 um, 4 s, 5 min)."""
    if header.n_planes > 1 and header.z_code == 2 and header.w_code == 2:
        raw.columns.update(x_um=times, y_um=levels)
        raw.grid = grid_of(times, levels)
    elif header.z_code == 2:
        raw.columns["z_um"] = times
    elif header.z_code in (4, 5):
        raw.columns["time_s"] = times * (60.0 if header.z_code == 5 else 1.0)


def _log(content: bytes, header: _Header) -> dict[str, str]:
    """Read the log, lines of ``key=value`` that most instruments append."""
    if not _HEADER_BYTES <= header.log_at <= len(content) - 20:
        return {}
    size, _, text_at = struct.unpack_from(header.order + "3i", content, header.log_at)
    if size <= 0 or text_at < 0:
        return {}
    text = content[header.log_at + text_at : header.log_at + size].decode("latin-1")
    return header_facts(re.split(r"[\r\n\0]+", text))


def _laser(facts: dict[str, str]) -> float | None:
    """Find the laser: LabSpec writes ``EXCIT_LINE`` in nm, Nicolet ``RAMANFREQ`` in cm-1, WiRE a name."""
    from nanoai_gui.core.files.raw_spectra import laser_in

    if "EXCIT_LINE" in facts:
        return laser_in(facts["EXCIT_LINE"])
    if "RAMANFREQ" in facts:
        found = re.match(r"\s*(\d+(\.\d+)?)", facts["RAMANFREQ"])
        return plausible_laser(1e7 / float(found[1])) if found and float(found[1]) > 0 else None
    return laser_in(facts.get("Laser", ""))
