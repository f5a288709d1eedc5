"""ImageJ regions of interest: one ``.roi`` file, or a set of them as the ROI Manager saves it (``.zip``).

ImageJ counts from the corner of the first pixel, NanoAI from its centre. Names carry ids: ``A12`` is
agglomerate 12, ``P3-A12`` primary particle 3 of it. What ImageJ has no room for (the area as measured, score,
method) stands in the properties of a region, and counts only as long as its outline has not been changed.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.exchange.rings import CORNER, LARGEST, Rings, bounds, ellipse, is_sound, measure
from nanoai_gui.core.exchange.shapes import LARGEST_ID, Role, Shape, ShapeSet
from nanoai_gui.core.files.atomic import write_bytes
from nanoai_gui.core.files.frames import quieten, reading
from nanoai_gui.core.files.zips import LARGEST_ENTRY, entries
from nanoai_gui.core.tem.particles import Status

if TYPE_CHECKING:
    from roifile import ImagejRoi

ROI_SUFFIXES = (".zip", ".roi")
_ADVICE = "Save the regions again with ImageJ's ROI Manager (More > Save)."
_NAME = re.compile(r"(?:A(\d{1,10})|P(\d{1,10})(?:-A(\d{1,10}))?)(?:\.roi)?")
_TAG = "NanoAI"
_AGGLOMERATE_COLOUR, _PARTICLE_COLOUR = b"\xff\xff\xc8\x00", b"\xff\x00\xc8\xff"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNCHANGED = 1e-4


def write_rois(path: Path, shapes: Sequence[Shape]) -> None:
    """Write shapes as a set of ImageJ regions; the same shapes give the same bytes.

    Agglomerates are traced along their pixels; holes and separate parts make a composite region. Circles
    become ovals with their exact place and size, other particles polygons.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for shape in shapes:
            roi = _to_roi(shape)
            entry = zipfile.ZipInfo(f"{roi.name}.roi", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, roi.tobytes())
    write_bytes(path, packed.getvalue())


def _to_roi(shape: Shape) -> ImagejRoi:
    from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

    is_agglomerate = shape.role is Role.AGGLOMERATE
    roi = ImagejRoi()
    roi.name = f"A{shape.ident}" if is_agglomerate else f"P{shape.ident}-A{shape.agglomerate}"
    roi.stroke_color = _AGGLOMERATE_COLOUR if is_agglomerate else _PARTICLE_COLOUR
    if not is_agglomerate:
        roi.props = _properties(shape)
    if shape.circle is not None:
        x, y, radius = shape.circle
        roi.roitype = ROI_TYPE.OVAL
        roi.options = ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        roi.xd, roi.yd = x + CORNER - radius, y + CORNER - radius
        roi.widthd = roi.heightd = 2 * radius
        _set_box(roi, roi.xd, roi.yd, roi.xd + 2 * radius, roi.yd + 2 * radius)
        return roi
    rings = [ring + CORNER for ring in shape.rings]
    box = bounds(rings)
    assert box is not None, "a shape has an outline"
    _set_box(roi, *box)
    if len(rings) > 1:
        roi.roitype = ROI_TYPE.RECT
        roi.multi_coordinates = np.concatenate([_path(ring) for ring in rings])
        roi.shape_roi_size = len(roi.multi_coordinates)
        return roi
    points = rings[0]
    roi.n_coordinates = len(points)
    whole = np.floor(points).astype(np.int32)
    roi.integer_coordinates = whole - np.array([roi.left, roi.top], dtype=np.int32)
    if (points == whole).all() and is_agglomerate:
        roi.roitype = ROI_TYPE.TRACED
    else:
        roi.roitype = ROI_TYPE.POLYGON
        roi.options = ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        roi.subpixel_coordinates = points.astype(np.float32)
    return roi


def _set_box(roi: ImagejRoi, left: float, top: float, right: float, bottom: float) -> None:
    roi.left, roi.top = math.floor(left), math.floor(top)
    roi.right, roi.bottom = math.ceil(right), math.ceil(bottom)


def _path(ring: NDArray[np.float64]) -> NDArray[np.float32]:
    """Write a ring as ImageJ's path: 0 x y moves, 1 x y draws a line, 4 closes."""
    path = np.ones((len(ring), 3), dtype=np.float32)
    path[0, 0] = 0
    path[:, 1:] = ring
    return np.append(path.ravel(), np.float32(4))


def _properties(shape: Shape) -> str:
    x, y, drawn = _drawn(shape)
    values: dict[str, str] = {f"{_TAG} outline": f"{x:.9g} {y:.9g} {drawn:.9g}"}
    for name in ("area_px", "score", "uncertainty_px"):
        if not math.isnan(value := getattr(shape, name)):
            values[f"{_TAG} {name}"] = repr(value)
    values[f"{_TAG} status"] = shape.status.name.lower()
    if shape.method:
        values[f"{_TAG} method"] = shape.method
    if shape.circle is not None:
        # An oval holds its box in single precision.
        values[f"{_TAG} circle"] = " ".join(map(repr, shape.circle))
    return "".join(f"{key}: {value}\n" for key, value in values.items())


def _drawn(shape: Shape) -> tuple[float, float, float]:
    """Centre and area of what is drawn: by these it is seen later whether a person has changed it."""
    if shape.circle is not None:
        x, y, radius = shape.circle
        return x, y, math.pi * radius**2
    area, x, y = measure(shape.rings)
    return x, y, area


def read_rois(path: Path, frame: int | None = None) -> ShapeSet:
    """Read a region or a set of regions.

    Parameters
    ----------
    path
        ``.roi`` or ``.zip``.
    frame
        Number (from 0) of the image in its stack: regions that belong to other slices are left out, if
        any belongs to this one.

    Raises
    ------
    ReadError
        If the file is damaged, no set of regions, or holds nothing with an area.
    """
    with reading(path, _ADVICE):
        if path.suffix.lower() == ".roi":
            with path.open("rb") as stream:
                files = [(path.stem, stream.read(LARGEST_ENTRY))]
        elif zipfile.is_zipfile(path):
            files = list(entries(path, ".roi"))
        else:
            raise ReadError(f"{path.name} is no archive of ImageJ regions.", _ADVICE)
        if not files:
            raise ReadError(f"{path.name} holds no ImageJ regions.", _ADVICE)
        found = [(name, data, _parse(data, path)) for name, data in files]
        slices = {roi.position for *_, roi in found if roi.position > 0}
        if frame is not None and frame + 1 in slices:
            found = [f for f in found if f[2].position in (0, frame + 1)]
        shapes: list[Shape] = []
        passed_over: Counter[str] = Counter()
        for name, data, roi in found:
            shape = _to_shape(roi, data, name)
            if shape is None:
                passed_over[_kind(roi)] += 1
            else:
                shapes.append(shape)
    if not shapes:
        raise ReadError(
            f"{path.name} holds no outlines, only {_list(passed_over)}.",
            "Draw polygons, freehand outlines, ovals or ellipses in ImageJ.",
        )
    notes = (f"Left out, because they have no area: {_list(passed_over)}.",) if passed_over else ()
    return ShapeSet(tuple(shapes), notes)


def _parse(data: bytes, path: Path) -> ImagejRoi:
    from roifile import ImagejRoi

    quieten("roifile")
    if data[:4] != b"Iout":
        raise ReadError(f"{path.name} holds something that is no ImageJ region.", _ADVICE)
    return ImagejRoi.frombytes(data)


def _to_shape(roi: ImagejRoi, data: bytes, file_name: str) -> Shape | None:
    drawn = _outline(roi, data)
    if drawn is None:
        return None
    rings, circle = drawn
    role, ident, agglomerate = _ids(roi.name or Path(file_name).name)
    shape = Shape(rings, role, ident, agglomerate, circle)
    known = _known(roi.props)
    if known and _is_unchanged(shape, known.get("outline", "")):
        shape = _with_facts(shape, known)
    return shape


def _outline(roi: ImagejRoi, data: bytes) -> tuple[Rings, tuple[float, float, float] | None] | None:
    from roifile import ROI_SUBTYPE, ROI_TYPE

    kind = roi.roitype
    if roi.subtype in (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.ARROW, ROI_SUBTYPE.IMAGE):
        return None
    if kind is ROI_TYPE.RECT and roi.composite:
        # Closed rings repeat their first point.
        rings = [np.asarray(c[:-1] if _closes(c) else c, np.float64) - CORNER for c in _paths(roi)]
        rings = [ring for ring in rings if is_sound(ring)]
        return (tuple(rings), None) if rings else None
    if kind in (ROI_TYPE.OVAL, ROI_TYPE.RECT):
        x, y = float(roi.left), float(roi.top)
        width, height = float(roi.right - roi.left), float(roi.bottom - roi.top)
        if roi.subpixelrect:
            x, y, width, height = roi.xd, roi.yd, roi.widthd, roi.heightd
        if not (width > 0 and height > 0 and all(abs(v) < LARGEST for v in (x, y, width, height))):
            return None
        cx, cy = x + width / 2 - CORNER, y + height / 2 - CORNER
        if kind is ROI_TYPE.OVAL:
            if math.isclose(width, height, rel_tol=1e-6):
                return (), (cx, cy, width / 2)
            return (ellipse(cx, cy, width / 2, height / 2),), None
        signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=np.float64)
        return ((cx, cy) + signs * (width / 2, height / 2),), None
    if kind is ROI_TYPE.FREEHAND and roi.subtype is ROI_SUBTYPE.ELLIPSE:
        (aspect,) = struct.unpack(">f", data[52:56])
        length = math.hypot(roi.x2 - roi.x1, roi.y2 - roi.y1)
        if 0 < length < LARGEST and 0 < aspect <= 1 and abs(roi.x1) + abs(roi.y1) < LARGEST:
            angle = math.atan2(roi.y2 - roi.y1, roi.x2 - roi.x1)
            cx, cy = (roi.x1 + roi.x2) / 2 - CORNER, (roi.y1 + roi.y2) / 2 - CORNER
            return (ellipse(cx, cy, length / 2, length * aspect / 2, angle),), None
        return None
    if kind in (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
        points = np.asarray(roi.coordinates(), dtype=np.float64) - CORNER
        return ((points,), None) if is_sound(points) else None
    return None


def _closes(ring: NDArray[Any]) -> bool:
    return len(ring) > 1 and bool((ring[0] == ring[-1]).all())


def _paths(roi: ImagejRoi) -> list[NDArray[Any]]:
    path = roi.multi_coordinates
    if path is None or not np.isfinite(path).all():
        return []
    found: list[NDArray[Any]] = roi.path2coords(path)
    return found


def _ids(name: str) -> tuple[Role | None, int, int]:
    match = _NAME.fullmatch(name.strip())
    if match is None:
        return None, 0, 0
    agglomerate, particle, owner = (int(text or 0) for text in match.groups())
    if max(agglomerate, particle, owner) > LARGEST_ID:
        return None, 0, 0
    return (Role.AGGLOMERATE, agglomerate, 0) if agglomerate else (Role.PARTICLE, particle, owner)


def _known(properties: str) -> Mapping[str, str]:
    """Take what NanoAI wrote out of the properties of a region."""
    found = {}
    for line in properties.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.startswith(f"{_TAG} "):
            found[key.removeprefix(f"{_TAG} ")] = value.strip()
    return found


def _is_unchanged(shape: Shape, text: str) -> bool:
    numbers = _numbers(text)
    if len(numbers) != 3:
        return False
    x, y, area = _drawn(shape)
    before_x, before_y, before = numbers
    near = math.hypot(x - before_x, y - before_y) < 0.01
    return near and math.isclose(area, before, rel_tol=_UNCHANGED)


def _numbers(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split()]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []


def _with_facts(shape: Shape, known: Mapping[str, str]) -> Shape:
    values: dict[str, Any] = {}
    for name in ("area_px", "score", "uncertainty_px"):
        numbers = _numbers(known.get(name, ""))
        if len(numbers) == 1 and numbers[0] >= 0:
            values[name] = numbers[0]
    status = known.get("status", "")
    if status.upper() in Status.__members__:
        values["status"] = Status[status.upper()]
    values["method"] = known.get("method", "")[:64]
    circle = _numbers(known.get("circle", ""))
    if shape.circle is not None and len(circle) == 3:
        values["circle"] = (circle[0], circle[1], circle[2])
    return replace(shape, **values)


def _kind(roi: ImagejRoi) -> str:
    return roi.roitype.name.lower()


def _list(kinds: Counter[str]) -> str:
    return ", ".join(f"{n} x {kind}" for kind, n in sorted(kinds.items()))
