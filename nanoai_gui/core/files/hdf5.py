"""HDF5 files: Velox EMD and DM5 are read here with h5py, NCEM's EMD by RosettaSciIO.

Velox files are read here because RosettaSciIO decodes every X-ray event of a spectrum image before it
hands out the images, and opens none of them without a further library; here only the one frame that is
asked for is decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.frames import Frame, PixelSize, check_claimed_size
from nanoai_gui.core.files.hdf5_structure import check_hdf5
from nanoai_gui.core.files.length_units import is_energy
from nanoai_gui.core.files.rosetta import open_rosetta
from nanoai_gui.core.files.tiff_calibration import as_number, from_axes

MAGIC = (b"\x89HDF\r\n\x1a\n",)

_X_RAY_DETECTOR = re.compile(r"super-?x|ultra-?x|dual-?x|eds|edx", re.IGNORECASE)
_SPECTROMETER = re.compile(r"zebra|enfinium|continuum|quantum|gif", re.IGNORECASE)
_BEST_DETECTORS = ("HAADF", "BF", "ADF", "DF")
_SMALLEST_RAW_IMAGE = 16


@contextmanager
def open_hdf5(path: Path) -> Iterator[list[Frame]]:
    """Open an HDF5 file and list its images; they can be decoded until the context ends.

    Raises
    ------
    ReadError
        If it holds no image of particles.
    """
    import h5py

    check_hdf5(path)
    with h5py.File(path, "r") as file:
        reader = None
        if "Data/Image" in file:
            reader = _velox
        elif "Data" in file and "Info" in file:
            raise ReadError(
                f"{path.name} is a Velox file without an image.", "Open the image taken with these spectra."
            )
        elif "ImageList" in file:
            reader = _dm5
        elif not _is_ncem(file):
            reader = _raw
        if reader is not None:
            yield _some(reader(file, path), path)
            return
    with open_rosetta(path, "emd") as frames:
        yield frames


def _some(found: list[Frame | ReadError], path: Path) -> list[Frame]:
    """Keep the images; where there are none, give the first reason why."""
    frames = [frame for frame in found if isinstance(frame, Frame)]
    if not frames:
        reasons = [reason for reason in found if isinstance(reason, ReadError)]
        raise reasons[0] if reasons else ReadError(f"{path.name} holds no image.", "Export it as TIFF.")
    return frames


def _is_ncem(file: Any) -> bool:  # noqa: ANN401 - h5py has no types
    """Whether a group says, as the EMD description asks, that it holds an array."""
    found: list[str] = []

    def visit(name: str, node: Any) -> bool | None:  # noqa: ANN401
        if "emd_group_type" in node.attrs:
            found.append(name)
            return True
        return None

    file.visititems(visit)
    return bool(found)


# Velox


def _velox(file: Any, path: Path) -> list[Frame | ReadError]:  # noqa: ANN401
    titles = _velox_titles(file)
    found: list[tuple[tuple[int, int, str], list[Frame | ReadError]]] = []
    for key, group in file["Data/Image"].items():
        meta = _velox_metadata(group)
        detector = str(_get(meta, "BinaryResult", "Detector") or "")
        title = titles.get(key, detector)
        images: list[Frame | ReadError]
        try:
            images = [*_velox_frames(group, meta, detector, title, path)]
        except ReadError as error:
            images = [error]
        area = int(np.prod(group["Data"].shape[:2]))
        # Images computed from others (DPC, filtered ones) are floats and come after what was recorded.
        rank = _rank(detector, title) + (100 if group["Data"].dtype.kind == "f" else 0)
        found.append(((-area, rank, title), images))
    found.sort(key=lambda entry: entry[0])
    return [image for _, images in found for image in images]


def _rank(detector: str, title: str) -> int:
    """Put the detectors first that show particles best."""
    for rank, name in enumerate(_BEST_DETECTORS):
        if title == name or (detector == name and not title):
            return rank
    return len(_BEST_DETECTORS)


def _velox_frames(group: Any, meta: Any, detector: str, title: str, path: Path) -> list[Frame]:  # noqa: ANN401
    data = group["Data"]
    if data.dtype.names is not None or data.dtype.kind == "c":
        raise ReadError(
            f"{path.name} holds complex numbers (a Fourier transform), not a micrograph.",
            "Open the image it was computed from.",
        )
    if _X_RAY_DETECTOR.search(detector) or _SPECTROMETER.search(detector):
        raise ReadError(
            f"{path.name} holds spectra and element maps, but no electron image.",
            "Open the image that was taken with them.",
        )
    height, width, count = (int(n) for n in data.shape)
    check_claimed_size(path, (height, width))
    binary = _get(meta, "BinaryResult") or {}
    x, y = (as_number(_get(binary, "PixelSize", key)) for key in ("width", "height"))
    units = [str(binary.get(f"PixelUnit{axis}") or "") for axis in "XY"]
    if x is None or y is None:
        size = PixelSize(warnings=("The Velox metadata hold no pixel size.",))
    else:
        size = from_axes((x, units[0]), (y, units[1]), path.name, "Velox metadata")
    facts = _velox_facts(meta, detector)
    return [
        Frame(
            title if count == 1 else f"{title} {i + 1}",
            (height, width),
            partial(_velox_slice, data, i),
            size,
            metadata=facts,
        )
        for i in range(count)
    ]


def _velox_slice(data: Any, index: int) -> NDArray[Any]:  # noqa: ANN401
    return np.asarray(data[:, :, index])


def _velox_metadata(group: Any) -> Any:  # noqa: ANN401
    """Read the JSON text of the first frame, stored as one column of bytes."""
    text = bytes(np.asarray(group["Metadata"][:, 0])).split(b"\0", 1)[0]
    return json.loads(text.decode("utf-8", "replace"))


def _velox_titles(file: Any) -> dict[str, str]:  # noqa: ANN401
    """Name of each image as Velox shows it, from the descriptions of its displays (old and new kind)."""
    titles: dict[str, str] = {}
    for place in ("Presentation/Displays/ImageDisplay", "Displays/ImageDisplay"):
        for node in file.get(place, {}).values():
            entry = _json(node)
            title = str(_get(entry, "display", "label") or _get(entry, "title") or "")
            target = str(_get(entry, "dataPath") or "")
            reference = _get(entry, "data")
            if not target and isinstance(reference, str) and reference in file:
                target = str(_get(_json(file[reference]), "dataPath") or "")
            if title and target:
                titles[target.rsplit("/", 1)[-1]] = unquote(title)
    return titles


def _json(node: Any) -> Any:  # noqa: ANN401
    value = node[()]
    if isinstance(value, np.ndarray):
        value = value.flat[0]
    return json.loads(value)


def _velox_facts(meta: Any, detector: str) -> dict[str, str]:  # noqa: ANN401
    facts = {"Detector": detector} if detector else {}
    voltage = as_number(_get(meta, "Optics", "AccelerationVoltage"))
    if voltage is not None:
        facts["Voltage"] = f"{voltage / 1000:g} kV"
    instrument = _get(meta, "Instrument", "InstrumentModel") or _get(meta, "Instrument", "InstrumentClass")
    if instrument:
        facts["Instrument"] = str(instrument)
    magnification = as_number(_get(meta, "Optics", "NominalMagnification"))
    if magnification is not None:
        facts["Magnification"] = f"{magnification:.0f}"
    return facts


def _get(tree: Any, *keys: str) -> Any:  # noqa: ANN401
    for key in keys:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(key)
    return tree


# DM5: DigitalMicrograph's tags as an HDF5 file


def _dm5(file: Any, path: Path) -> list[Frame | ReadError]:  # noqa: ANN401
    thumbnails = {int(node.attrs["ImageIndex"]) for node in file.get("Thumbnails", {}).values()
                  if "ImageIndex" in node.attrs}  # fmt: skip
    found: list[Frame | ReadError] = []
    for i, group in enumerate(file["ImageList"].values()):
        if i in thumbnails or "ImageData/Data" not in group:
            continue
        try:
            found += _dm5_frames(group, path)
        except ReadError as error:
            found.append(error)
    return found


def _dm5_frames(group: Any, path: Path) -> list[Frame]:  # noqa: ANN401
    data = group["ImageData/Data"]
    dimensions = group.get("ImageData/Calibrations/Dimension", {})
    # Tags count the axes from the fastest one, which is x.
    axes: list[tuple[float | None, str]] = []
    for i in range(data.ndim):
        tags = dimensions.get(f"[{i}]")
        attributes = {} if tags is None else tags.attrs
        axes.append((as_number(attributes.get("Scale")), _text(attributes.get("Units"))))
    tags = group.get("ImageTags/Meta Data")
    kind = _text(tags.attrs.get("Signal")) if tags is not None else ""
    if kind in ("EELS", "EDS", "CL", "XRF", "X-ray") or any(is_energy(unit) for _, unit in axes):
        raise ReadError(
            f"{path.name} holds spectra{f' ({kind})' if kind else ''}, not an image of particles.",
            "Open the image that was taken with them.",
        )
    _check_image_axes(data, path)
    (x, x_unit), (y, y_unit) = axes[0], axes[1]
    size = (
        from_axes((x, x_unit), (y, y_unit), path.name, "DM5 metadata")
        if x is not None and y is not None
        else PixelSize(warnings=("The file holds no pixel size.",))
    )
    name = _text(group.attrs.get("Name")).strip("/")
    return _slices(data, name, size)


def _text(value: Any) -> str:  # noqa: ANN401
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


# HDF5 without a known description


def _raw(file: Any, path: Path) -> list[Frame | ReadError]:  # noqa: ANN401
    """Offer the images of a file that describes nothing, uncalibrated."""
    import h5py

    entry = file.get("entry")
    if entry is not None and _text(entry.attrs.get("NX_class")) == "NXentry":
        raise ReadError(
            f"{path.name} describes a detector's raw patterns (NeXus), not images.",
            "Open an image computed from the scan.",
        )
    warning = "The file does not say what its numbers mean; its pixel size is unknown."
    if any("IsPixelSizeCalibrated" in node.attrs for node in file.values()):
        warning = "The file says itself that its pixel size is not calibrated; it is ignored."
    found: list[Frame | ReadError] = []

    def visit(name: str, node: Any) -> None:  # noqa: ANN401
        if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "biuf":
            return
        if node.ndim == 2 and min(node.shape) >= _SMALLEST_RAW_IMAGE:
            found.extend(_slices(node, name.rsplit("/", 1)[-1], PixelSize(warnings=(warning,))))

    file.visititems(visit)
    return found


def _check_image_axes(data: Any, path: Path) -> None:  # noqa: ANN401
    check_claimed_size(path, data.shape)
    if data.ndim < 2 or min(data.shape[-2:]) < 2:
        raise ReadError(
            f"{path.name} holds a single line of values, not an image.", "Open the image it belongs to."
        )
    if data.ndim > 3:
        raise ReadError(
            f"{path.name} holds data with {data.ndim} axes (a scan of patterns, perhaps), not images.",
            "Export the image you want to measure, for example as TIFF.",
        )


def _slices(data: Any, name: str, size: PixelSize) -> list[Frame]:  # noqa: ANN401
    """Make a frame of each plane of a two- or three-dimensional data set."""
    shape = (int(data.shape[-2]), int(data.shape[-1]))
    if data.ndim == 2:
        return [Frame(name, shape, partial(_plane, data, ()), size)]
    return [
        Frame(f"{name} {i + 1}".strip(), shape, partial(_plane, data, (i,)), size)
        for i in range(data.shape[0])
    ]


def _plane(data: Any, index: tuple[int, ...]) -> NDArray[Any]:  # noqa: ANN401
    return np.asarray(data[index] if index else data[:])
