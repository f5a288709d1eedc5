"""COCO instance annotations: JSON with images, categories and outlines, as annotation tools exchange them.

Written are polygons, which run along the pixels for agglomerates; a hole is joined to the outline around it
by a seam without width. Read are polygons and run-length masks, plain and compressed. Coordinates count from
the corner of the first pixel. What COCO has no room for stands in ``attributes`` and counts only as long as
the outline has not been changed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any

import numpy as np

import nanoai_gui
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.exchange.rings import CORNER, Rings, bounds, fill, is_sound, measure, trace
from nanoai_gui.core.exchange.seams import join
from nanoai_gui.core.exchange.shapes import LARGEST_ID, Role, Shape, ShapeSet, outline
from nanoai_gui.core.files.atomic import atomic_file, write_error
from nanoai_gui.core.files.frames import LARGEST_PIXEL_COUNT, reading
from nanoai_gui.core.tem.particles import Status

CATEGORIES = {Role.AGGLOMERATE: 1, Role.PARTICLE: 2}
LARGEST_FILE = 512 * 2**20
_ADVICE = "Export the annotations again as COCO instances (JSON)."
_UNCHANGED = 1e-4


class CocoWriter:
    """One JSON file for many images, written image by image; it appears when the ``with`` block is left.

    If the block is left by an exception, what stood there still stands there.

    Raises
    ------
    WriteError
        If the file cannot be written (also by :meth:`add` and on leaving).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._images: list[dict[str, Any]] = []
        self._n_annotations = 0

    def __enter__(self) -> CocoWriter:
        self._file = atomic_file(self.path)
        self._stream = self._file.__enter__()
        head = {
            "info": {"description": "Agglomerates and primary particles", "version": "1.0",
                     "contributor": f"NanoAI {nanoai_gui.__version__}"},
            "licenses": [],
            "categories": [
                {"id": n, "name": str(role), "supercategory": ""} for role, n in CATEGORIES.items()
            ],
        }  # fmt: skip
        self._write(json.dumps(head)[:-1] + ', "annotations": [')
        return self

    def add(
        self, name: str, shape: tuple[int, int], shapes: Sequence[Shape], nm_per_px: float | None = None
    ) -> None:
        """Add an image of ``shape`` (height, width) and what was outlined in it."""
        number = len(self._images) + 1
        image: dict[str, Any] = {"id": number, "file_name": name, "width": shape[1], "height": shape[0]}
        if nm_per_px is not None:
            image["nm_per_px"] = nm_per_px
        self._images.append(image)
        for one in shapes:
            self._n_annotations += 1
            entry = {"id": self._n_annotations, "image_id": number, **_annotation(one)}
            self._write((",\n" if self._n_annotations > 1 else "\n") + json.dumps(entry))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text.encode())
        except OSError as error:
            raise write_error(self.path, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._write('\n], "images": ' + json.dumps(self._images) + "}\n")
            except BaseException as failure:
                self._file.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._file.__exit__(kind, error, trace_)


def write_coco(
    path: Path, name: str, shape: tuple[int, int], shapes: Sequence[Shape], nm_per_px: float | None = None
) -> None:
    """Write the annotations of one image.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    with CocoWriter(path) as writer:
        writer.add(name, shape, shapes, nm_per_px)


def _annotation(shape: Shape) -> dict[str, Any]:
    rings = outline(shape)
    polygons = join(rings) if len(rings) > 1 else list(rings)
    area, x, y = measure(rings)
    box = bounds(rings)
    assert box is not None, "a shape has an outline"
    left, top, right, bottom = box
    role = shape.role or Role.PARTICLE
    attributes: dict[str, Any] = {role.name.lower(): shape.ident}
    if role is Role.PARTICLE:
        attributes |= {"agglomerate": shape.agglomerate, "status": shape.status.name.lower()}
        attributes["drawn"] = [_short(x), _short(y), _short(area)]
        for name in ("area_px", "score", "uncertainty_px"):
            if not math.isnan(value := getattr(shape, name)):
                attributes[name] = value
        if shape.method:
            attributes["method"] = shape.method
        if shape.circle is not None:
            attributes["circle"] = list(shape.circle)
    return {
        "category_id": CATEGORIES[role],
        "segmentation": [[_short(v) for v in (ring + CORNER).ravel().tolist()] for ring in polygons],
        "area": _short(area),
        "bbox": [_short(v) for v in (left + CORNER, top + CORNER, right - left, bottom - top)],
        "iscrowd": 0,
        "attributes": attributes,
    }


def _short(value: float) -> float:
    """Write whole numbers as such, others to a ten-thousandth of a pixel."""
    return int(value) if value == int(value) else round(value, 4)


def read_coco(path: Path, image: str, shape: tuple[int, int]) -> ShapeSet:
    """Read what a file holds for one image.

    Parameters
    ----------
    image
        Name of the image's file; folders and suffix do not matter. Annotations of a single image are taken
        whatever it is called, as long as its size is right.
    shape
        Height and width of the image in px.

    Raises
    ------
    ReadError
        If the file is damaged, no COCO file, about other images or of another size, or holds no outlines.
    """
    with reading(path, _ADVICE):
        if path.stat().st_size > LARGEST_FILE:
            raise ReadError(f"{path.name} is larger than NanoAI reads.", "Split it into smaller files.")
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(content, dict) or not all(
            isinstance(content.get(key), list) for key in ("images", "annotations")
        ):
            raise ReadError(f"{path.name} is no COCO file: it lists no images and annotations.", _ADVICE)
        chosen = _find_image(content["images"], image, shape, path)
        roles = _roles(content.get("categories"))
        shapes: list[Shape] = []
        passed_over = 0
        for entry in content["annotations"]:
            if not isinstance(entry, dict) or entry.get("image_id") != chosen["id"]:
                continue
            one = _to_shape(entry, roles, shape)
            if one is None:
                passed_over += 1
            else:
                shapes.append(one)
    if not shapes:
        raise ReadError(f"{path.name} holds no outlines for {image}.", _ADVICE)
    notes: tuple[str, ...] = ()
    if passed_over:
        n = "1 annotation" if passed_over == 1 else f"{passed_over} annotations"
        notes = (f"{n} without an outline left out.",)
    return ShapeSet(tuple(shapes), notes)


def _find_image(images: list[Any], name: str, shape: tuple[int, int], path: Path) -> Mapping[str, Any]:
    known = [i for i in images if isinstance(i, dict) and "id" in i]
    own = PurePath(name.replace("\\", "/"))
    by_name = [i for i in known if _file(i).name.lower() == own.name.lower()]
    by_name = by_name or [i for i in known if _file(i).stem.lower() == own.stem.lower()]
    if len(by_name) > 1:
        longer = [i for i in by_name if _file(i).as_posix().lower() == own.as_posix().lower()]
        by_name = longer or by_name
    if len(by_name) > 1:
        raise ReadError(
            f"{path.name} holds {len(by_name)} images called {own.name}.",
            "Export the annotations of this image alone.",
        )
    chosen = by_name[0] if by_name else known[0] if len(known) == 1 else None
    if chosen is None:
        names = ", ".join(_file(i).name for i in known[:3]) + (" ..." if len(known) > 3 else "")
        raise ReadError(
            f"{path.name} holds no annotations of {own.name}" + (f", only of {names}." if known else "."),
            "Choose the file that belongs to this image, or give the image its old name.",
        )
    size = (chosen.get("height"), chosen.get("width"))
    if size != (None, None) and size != shape:
        raise ReadError(
            f"{path.name} was made for an image of {size[1]} x {size[0]} px, "
            f"but this one has {shape[1]} x {shape[0]} px.",
            "Choose the annotations of this image, in full size.",
        )
    return chosen


def _file(image: Mapping[str, Any]) -> PurePath:
    return PurePath(str(image.get("file_name", "")).replace("\\", "/"))


def _roles(categories: object) -> dict[Any, Role]:
    roles: dict[Any, Role] = {}
    for category in categories if isinstance(categories, list) else []:
        if not isinstance(category, dict) or not isinstance(category.get("id"), int | str):
            continue
        name = str(category.get("name", "")).lower()
        if "agglomerate" in name or "aggregate" in name:
            roles[category["id"]] = Role.AGGLOMERATE
        elif "particle" in name:
            roles[category["id"]] = Role.PARTICLE
    return roles


def _to_shape(entry: Mapping[str, Any], roles: Mapping[Any, Role], shape: tuple[int, int]) -> Shape | None:
    rings = _segmentation(entry.get("segmentation"), shape)
    if not rings:
        return None
    category = entry.get("category_id")
    role = roles.get(category) if isinstance(category, int | str) else None
    attributes = entry.get("attributes")
    facts: Mapping[str, Any] = attributes if isinstance(attributes, dict) else {}
    ident = _id(facts.get("agglomerate" if role is Role.AGGLOMERATE else "particle"))
    if not ident and not ({"agglomerate", "particle"} & set(facts)):
        ident = _id(entry.get("id"))
    if role is not Role.PARTICLE:
        return Shape(rings, role, ident)
    one = Shape(rings, role, ident, _id(facts.get("agglomerate")))
    area, x, y = measure(rings)
    drawn = _floats(facts.get("drawn"), 3)
    if drawn is None or math.hypot(x - drawn[0], y - drawn[1]) > 0.01:
        return one
    return _with_facts(one, facts) if math.isclose(area, drawn[2], rel_tol=_UNCHANGED) else one


def _with_facts(shape: Shape, facts: Mapping[str, Any]) -> Shape:
    values: dict[str, Any] = {}
    for name in ("area_px", "score", "uncertainty_px"):
        number = _floats([facts.get(name)], 1)
        if number is not None and number[0] >= 0:
            values[name] = number[0]
    status = str(facts.get("status", "")).upper()
    if status in Status.__members__:
        values["status"] = Status[status]
    values["method"] = str(facts.get("method", ""))[:64]
    circle = _floats(facts.get("circle"), 3)
    if circle is not None and circle[2] > 0:
        values |= {"circle": (circle[0], circle[1], circle[2]), "rings": ()}
    return replace(shape, **values)


def _id(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 < value <= LARGEST_ID else 0


def _floats(values: object, n: int) -> list[float] | None:
    if not isinstance(values, list) or len(values) != n:
        return None
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        return None
    return [float(v) for v in values]


# ---------------------------------------------------------------------- outlines


def _segmentation(value: object, shape: tuple[int, int]) -> Rings:
    if isinstance(value, dict):
        return _decode(value, shape)
    rings = []
    for flat in value if isinstance(value, list) else []:
        numbers = _floats(flat, len(flat)) if isinstance(flat, list) else None
        if numbers is not None and len(numbers) % 2 == 0:
            ring = np.array(numbers).reshape(-1, 2) - CORNER
            if is_sound(ring):
                rings.append(ring)
    if len(rings) < 2:
        return tuple(rings)
    # Polygons of one object are joined, and would cancel each other by the even-odd rule.
    box = bounds(rings)
    assert box is not None, "there are rings"
    x0, y0 = max(int(box[0]) - 1, 0), max(int(box[1]) - 1, 0)
    size = (max(min(int(box[3]) + 2, shape[0]) - y0, 0), max(min(int(box[2]) + 2, shape[1]) - x0, 0))
    whole = np.zeros(size, dtype=bool)
    for ring in rings:
        top, left, mask = fill([ring - (x0, y0)], size)
        whole[top : top + mask.shape[0], left : left + mask.shape[1]] |= mask
    return trace(whole, x0, y0)


def _decode(value: Mapping[str, Any], shape: tuple[int, int]) -> Rings:
    """Outline a mask of run lengths: background and object in turn, down the columns of the image."""
    size = value.get("size")
    if not isinstance(size, list) or tuple(size) != shape:
        raise ReadError(
            "A run-length mask is not of the size of the image.",
            "Export the annotations again, or as polygons.",
        )
    counts = value.get("counts")
    runs = _uncompress(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= LARGEST_PIXEL_COUNT for n in runs
    ):
        raise ReadError("A run-length mask is damaged.", _ADVICE)
    if sum(runs) != shape[0] * shape[1]:
        raise ReadError("A run-length mask does not cover the image once.", _ADVICE)
    ends = np.cumsum(np.array(runs, dtype=np.int64))
    first, stop = ends[:-1][::2], ends[1::2]
    first, stop = first[stop > first], stop[stop > first]
    if not len(first):
        return ()
    # Only the columns that the object covers: an image may hold thousands of small ones.
    x0, x1 = int(first[0]) // shape[0], (int(stop[-1]) - 1) // shape[0] + 1
    flips = np.zeros((x1 - x0) * shape[0] + 1, dtype=np.int8)
    flips[first - x0 * shape[0]] += 1
    flips[stop - x0 * shape[0]] -= 1
    columns = np.cumsum(flips[:-1], dtype=np.int8).reshape(x1 - x0, shape[0]) > 0
    return trace(columns.T, x0, 0)


def _uncompress(text: str) -> list[int]:
    """Read COCO's text form: six bits a character from '0', low bits first, the fifth for more.

    From the third run on each is the difference to the run before the last one.
    """
    runs: list[int] = []
    at = 0
    while at < len(text):
        value = shift = 0
        while True:
            bits = ord(text[at]) - 48 if at < len(text) else -1
            if not 0 <= bits < 64 or shift > 30:
                raise ReadError("A run-length mask is damaged.", _ADVICE)
            value |= (bits & 31) << shift
            shift += 5
            at += 1
            if not bits & 32:
                if bits & 16:
                    value -= 1 << shift
                break
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs
