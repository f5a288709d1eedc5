"""DM3/DM4, NCEM EMD, SER/EMI and JEOL files: RosettaSciIO reads, this module finds the images.

A file may hold spectra, diffraction patterns, maps and images side by side. Only what has two axes of
length (or two axes without any unit) in each frame is offered; a file without any such signal is
refused with the reason that its first signal gives.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.dm_structure import check_dm
from nanoai_gui.core.files.frames import Frame, PixelSize, check_claimed_size, quieten
from nanoai_gui.core.files.length_units import is_energy, is_reciprocal
from nanoai_gui.core.files.tiff_calibration import as_number, diffraction, disagree, from_axes

PLUGINS: Mapping[str, str] = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".emd": "emd",
    ".ser": "tia",
    ".emi": "tia",
}
"""Ending of a file and the RosettaSciIO plugin that reads it."""
JEOL_MAGIC = b"4\0\0\0JED-2200:Li"
"""The endings ``.img`` and ``.map`` are used by many programs; this is how JEOL's begin."""
SER_MAGIC = b"II\x97\x01"

SPECTRA = ("EELS", "EDS_TEM", "EDS_SEM", "EDS", "CL", "Luminescence", "XAS")
_X_RAY_LINE = re.compile(r"^[A-Z][a-z]? [KLM][a-z]?\d*$")
_ONE_METRE = 1e9


@contextmanager
def open_rosetta(path: Path, plugin: str) -> Iterator[list[Frame]]:
    """Open a file through one of RosettaSciIO's plugins and list its images.

    Raises
    ------
    ReadError
        If it holds no image of particles.
    """
    importlib.import_module("rsciio")
    quieten("rsciio")
    reader = importlib.import_module(f"rsciio.{plugin}").file_reader
    if plugin == "jeol":
        signals = reader(str(path))
    else:
        if plugin == "digitalmicrograph":
            check_dm(path)
        try:
            signals = reader(str(path), lazy=True)
        except (NotImplementedError, ValueError):  # colours are read at once or not at all
            signals = reader(str(path))
    frames: list[Frame] = []
    refused: ReadError | None = None
    for signal in signals:
        try:
            frames += _frames(signal, path)
        except ReadError as error:
            refused = refused or error
    if not frames:
        raise refused or _nothing(path)
    yield frames


def _frames(signal: Mapping[str, Any], path: Path) -> list[Frame]:
    """Find the images of one signal."""
    data, axes = signal["data"], list(signal["axes"])
    title = str((signal.get("metadata", {}).get("General") or {}).get("title") or "")
    kind = str((signal.get("metadata", {}).get("Signal") or {}).get("signal_type") or "")
    _refuse_other_kinds(data, axes, kind, title, path)
    transposed = _is_transposed(axes)
    y, x = axes[-2:]
    if transposed:
        y, x = x, y
    height, width = int(y["size"]), int(x["size"])
    original = signal.get("original_metadata") or {}
    size = _with_magnification_check(_claim(x, y, path), original)
    facts = _facts(original)
    if data.ndim == 2:
        load = partial(_compute, data, None, transposed)
        return [Frame(title, (height, width), load, size, metadata=facts)]
    label = f"{title} " if title and len(axes) > 2 else ""
    return [
        Frame(
            f"{label}{i + 1}", (height, width), partial(_compute, data, i, transposed), size, metadata=facts
        )
        for i in range(data.shape[0])
    ]


def _refuse_other_kinds(
    data: Any,  # noqa: ANN401 - a numpy or a dask array
    axes: Sequence[Mapping[str, Any]],
    kind: str,
    title: str,
    path: Path,
) -> None:
    """Refuse what is no image of particles."""
    if kind in SPECTRA or any(is_energy(axis.get("units")) for axis in axes):
        raise ReadError(
            f"{path.name} holds spectra{f' ({kind})' if kind else ''}, not an image of particles.",
            "Open the image that was taken with them.",
        )
    if data.dtype.kind == "c":
        raise ReadError(
            f"{path.name} holds complex numbers (a Fourier transform), not a micrograph.",
            "Open the image it was computed from.",
        )
    if data.dtype.kind == "O":
        raise ReadError(f"{path.name} does not hold numbers.", "Export the image as TIFF.")
    if data.ndim < 2:
        raise ReadError(
            f"{path.name} holds a single line of values, not an image.", "Open the image it belongs to."
        )
    if data.ndim > 3:
        raise ReadError(
            f"{path.name} holds data with {data.ndim} axes (a scan of patterns, perhaps), not images.",
            "Export the image you want to measure, for example as TIFF.",
        )
    for axis in axes[-2:]:
        if is_reciprocal(axis.get("units")):
            raise diffraction(path.name, str(axis["units"]).strip())
    check_claimed_size(path, data.shape)
    if min(data.shape[-2:]) < 2:
        raise ReadError(
            f"{path.name} holds a single line of values, not an image.", "Open the image it belongs to."
        )
    if path.suffix.lower() == ".map" and _X_RAY_LINE.match(title):
        raise ReadError(
            f"{path.name} is an X-ray map ({title}), not a micrograph.",
            "Open the electron image (.img) of the same view.",
        )


def _is_transposed(axes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether rows are called x and columns y.

    NCEM's EMD files name the axes in the order of the array; RosettaSciIO reverses it.
    """
    row, column = (str(axis.get("name") or "").lower() for axis in axes[-2:])
    return row == "x" and column == "y"


def _claim(x: Mapping[str, Any], y: Mapping[str, Any], path: Path) -> PixelSize:
    """Pixel size from the two axes of an image."""
    scales = []
    for axis in (x, y):
        scale, unit = axis.get("scale"), str(axis.get("units") or "")
        number = as_number(scale)
        if number is None:
            return PixelSize(
                warnings=(
                    f"The file claims {scale} {unit} per px, which is not possible.".replace("  ", " "),
                )
            )
        scales.append((number, unit))
    claim = from_axes(scales[0], scales[1], path.name, _detail(path))
    if path.suffix.lower() == ".ser" and claim.x_nm is not None and claim.x_nm > _ONE_METRE:
        # SER files have no units: TIA stores 1/m of a diffraction pattern where metres are expected.
        raise diffraction(path.name)
    return claim


def _detail(path: Path) -> str:
    """Name the place of a pixel size."""
    suffix = path.suffix.lower()
    return "JEOL metadata" if suffix in (".img", ".map") else f"{suffix[1:].upper()} metadata"


def _with_magnification_check(claim: PixelSize, original: Mapping[str, Any]) -> PixelSize:
    """Compare a DigitalMicrograph scale with camera pixel and magnification (TEM only)."""
    tags = _dig(original, "ImageList", "TagGroup0", "ImageTags")
    scope = _dig(tags, "Microscope Info")
    if str(scope.get("Illumination Mode", "")).upper() != "TEM" or claim.x_nm is None:
        return claim
    camera = _dig(tags, "Acquisition", "Frame", "CCD").get("Pixel Size (um)")
    magnification = as_number(scope.get("Actual Magnification"))
    if magnification is None or not isinstance(camera, Sequence) or not camera:
        return claim
    micrometres = as_number(camera[0])
    if micrometres is None:
        return claim
    expected = micrometres * 1e3 / magnification
    if not disagree(claim.x_nm, expected, 0.1):
        return claim
    doubt = (
        f"The file gives {claim.x_nm:.4g} nm per px, but its magnification of {magnification:.6g} means "
        f"{expected:.4g} nm. Check with the scale bar."
    )
    return PixelSize(claim.x_nm, claim.y_nm, claim.detail, (*claim.warnings, doubt))


def _facts(original: Mapping[str, Any]) -> dict[str, str]:
    """Facts of the instrument worth showing (DigitalMicrograph)."""
    scope = _dig(original, "ImageList", "TagGroup0", "ImageTags", "Microscope Info")
    facts = {}
    for key, label in (
        ("Formatted Indicated Mag", "Magnification"),
        ("Formatted Voltage", "Voltage"),
        ("Illumination Mode", "Mode"),
        ("Name", "Instrument"),
    ):
        value = scope.get(key)
        if isinstance(value, str) and value.strip():
            facts[label] = value.strip()
    return facts


def _dig(tree: Any, *keys: str) -> Mapping[str, Any]:  # noqa: ANN401 - metadata of any shape
    """Follow keys down a tree; an empty mapping where one is missing."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree if isinstance(tree, Mapping) else {}


def _compute(data: Any, index: int | None, transposed: bool) -> NDArray[Any]:  # noqa: ANN401
    """Decode one image of a lazy array."""
    part = data if index is None else data[index]
    if hasattr(part, "compute"):
        # A pool of threads would only compete with the other worker processes.
        part = part.compute(scheduler="synchronous")
    pixels = np.asarray(part)
    return pixels.T if transposed else pixels


def _nothing(path: Path) -> ReadError:
    """Say that a file holds no signal at all."""
    if path.suffix.lower() == ".emi":
        return ReadError(
            f"{path.name} belongs to .ser files of the same name that hold the images, and none that can "
            "be read lies beside it.",
            "Copy the .ser files to the same folder, or export the image as TIFF from TIA.",
        )
    return ReadError(f"{path.name} holds no image.", "Export the image as TIFF.")
