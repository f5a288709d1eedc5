"""Shapes as other programs outline them, and what becomes of them here: labels and particles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.exchange.rings import Rings, bounds, fill, measure, trace
from nanoai_gui.core.tem.particles import Particles, Status

if TYPE_CHECKING:
    from nanoai_gui.core.tem.sizing import SizingResult

LARGEST_ID = 2**31 - 1


class Role(StrEnum):
    """What a shape stands for."""

    AGGLOMERATE = "agglomerate"
    PARTICLE = "primary particle"


@dataclass(frozen=True, eq=False)
class Shape:
    """One outlined object.

    Parameters
    ----------
    rings
        Closed outlines in px (pixel centres at integers, even-odd); empty for a circle.
    role
        ``None`` where the file does not say.
    ident
        Id of the agglomerate or particle, 0 if the file gives none.
    agglomerate
        Of a particle: id of the agglomerate it belongs to, 0 if not known.
    circle
        x, y and radius in px, for a particle that is one.
    area_px
        Projected area as measured; NaN: that of the outline.
    score, uncertainty_px, status, method
        As in :class:`~nanoai_gui.core.tem.particles.Particles`; ``method`` is empty if not known.
    """

    rings: Rings = ()
    role: Role | None = None
    ident: int = 0
    agglomerate: int = 0
    circle: tuple[float, float, float] | None = None
    area_px: float = math.nan
    score: float = math.nan
    uncertainty_px: float = math.nan
    status: Status = Status.ADDED
    method: str = ""


@dataclass(frozen=True, eq=False)
class ShapeSet:
    """What a file holds for one image.

    Parameters
    ----------
    shapes
        In the order of the file.
    notes
        Sentences about what was left out or decided.
    """

    shapes: tuple[Shape, ...]
    notes: tuple[str, ...] = ()

    def of(self, role: Role, default: Role | None = None) -> list[Shape]:
        """Give the shapes of a role; those without any count as ``default``."""
        return [shape for shape in self.shapes if (shape.role or default) is role]


def agglomerate_shapes(
    labels: NDArray[np.int32], ids: Iterable[int], boxes: Iterable[Sequence[int]]
) -> list[Shape]:
    """Outline agglomerates along their pixels.

    Parameters
    ----------
    labels
        (h, w), ids of agglomerates.
    ids, boxes
        Those wanted, and y0, x0, y1, x1 of each.
    """
    shapes = []
    for ident, (y0, x0, y1, x1) in zip(ids, boxes, strict=True):
        mask = labels[y0:y1, x0:x1] == ident
        area = float(np.count_nonzero(mask))
        if area:
            shapes.append(Shape(trace(mask, int(x0), int(y0)), Role.AGGLOMERATE, int(ident), area_px=area))
    return shapes


def particle_shapes(result: SizingResult) -> list[Shape]:
    """Give the particles of a sizing result as shapes."""
    p = result.particles
    shapes = []
    for i in range(len(p)):
        outline = np.asarray(p.outlines[i], dtype=np.float64)
        circle = (float(p.x[i]), float(p.y[i]), float(p.diameter_px[i]) / 2)
        shapes.append(
            Shape(
                rings=(outline,) if len(outline) else (),
                role=Role.PARTICLE,
                ident=int(p.ids[i]),
                agglomerate=int(p.agglomerate[i]),
                circle=None if len(outline) else circle,
                area_px=float(p.area_px[i]),
                score=float(p.score[i]),
                uncertainty_px=float(p.uncertainty_px[i]),
                status=Status(int(p.status[i])),
                method=result.method,
            )
        )
    return shapes


def to_labels(shapes: Sequence[Shape], shape: tuple[int, int]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Fill shapes into a label image; a pixel claimed twice belongs to the first shape.

    Returns
    -------
    labels, notes
        (h, w) int32, and sentences about ids that had to be changed and shapes that were lost.
    """
    labels = np.zeros(shape, dtype=np.int32)
    numbered, notes = _number(shapes, "agglomerate")
    overlap = lost = 0
    for one in numbered:
        y0, x0, mask = fill(_rings(one), shape)
        part = labels[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]]
        free = mask & (part == 0)
        overlap += int(np.count_nonzero(mask)) > int(np.count_nonzero(free))
        if free.any():
            part[free] = one.ident
        else:
            lost += 1
    if overlap:
        notes.append(f"{_n(overlap, 'outline')} lay partly on another one; the first keeps the pixels.")
    if lost:
        notes.append(f"{_n(lost, 'outline')} covered no free pixel of the image and was left out.")
    return labels, tuple(notes)


def to_particles(
    shapes: Sequence[Shape], shape: tuple[int, int], labels: NDArray[np.int32] | None = None
) -> tuple[Particles, tuple[str, ...]]:
    """Make particles of shapes.

    Parameters
    ----------
    shapes
        Their ids are kept where they are unique.
    shape
        Height and width of the image; shapes whose centre lies outside of it are left out.
    labels
        Agglomerates of the image: a particle whose agglomerate is not known, or not among them, is given
        to the one below its centre, or else that below most of it, or else to none (0).
    """
    numbered, notes = _number(shapes, "particle")
    known = set() if labels is None else set(np.unique(labels).tolist()) - {0}
    rows: list[tuple[Shape, float, float, float]] = []
    outside = 0
    for one in numbered:
        if one.circle is not None:
            x, y, radius = one.circle
            area = math.pi * radius**2
        else:
            area, x, y = measure(one.rings)
        if not (
            area > 0 and math.isfinite(area) and -0.5 <= x < shape[1] - 0.5 and -0.5 <= y < shape[0] - 0.5
        ):
            outside += 1
            continue
        owner = one.agglomerate
        if labels is not None and owner not in known:
            owner = _below(one, x, y, labels)
        rows.append((replace(one, agglomerate=owner), x, y, area if math.isnan(one.area_px) else one.area_px))
    if outside:
        notes.append(f"{_n(outside, 'shape')} without area or with its centre outside of the image left out.")
    none = np.empty((0, 2), dtype=np.float32)
    outlines = tuple(
        none if s.circle is not None else max(s.rings, key=len).astype(np.float32) for s, *_ in rows
    )
    particles = Particles(
        ids=np.array([s.ident for s, *_ in rows], dtype=np.int32),
        agglomerate=np.array([s.agglomerate for s, *_ in rows], dtype=np.int32),
        x=np.array([x for _, x, _, _ in rows], dtype=np.float64),
        y=np.array([y for _, _, y, _ in rows], dtype=np.float64),
        area_px=np.array([a for *_, a in rows], dtype=np.float64),
        score=np.array([s.score for s, *_ in rows], dtype=np.float64),
        uncertainty_px=np.array([s.uncertainty_px for s, *_ in rows], dtype=np.float64),
        status=np.array([s.status for s, *_ in rows], dtype=np.int8),
        outlines=outlines,
    )
    order = np.argsort(particles.ids, kind="stable")
    return particles.select(order), tuple(notes)


def shapes_of_labels(labels: NDArray[np.int32], role: Role) -> list[Shape]:
    """Outline every id of a label image."""
    ids = np.unique(labels)
    ids = ids[ids > 0]
    if not len(ids):
        return []
    boxes = label_boxes(labels, ids)
    found = agglomerate_shapes(labels, ids.tolist(), boxes.tolist())
    return [replace(shape, role=role) for shape in found]


def label_boxes(labels: NDArray[np.int32], ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """Give the boxes of ids, (n, 4): y0, x0, y1, x1, half open; every id must occur."""
    boxes = np.empty((len(ids), 4), dtype=np.int64)
    y, x = np.nonzero(labels)
    row = np.searchsorted(ids, labels[y, x])
    row_safe = np.clip(row, 0, len(ids) - 1)
    mine = ids[row_safe] == labels[y, x]
    y, x, row = y[mine], x[mine], row[mine]
    boxes[:, :2] = np.iinfo(np.int64).max
    boxes[:, 2:] = -1
    np.minimum.at(boxes[:, 0], row, y)
    np.minimum.at(boxes[:, 1], row, x)
    np.maximum.at(boxes[:, 2], row, y + 1)
    np.maximum.at(boxes[:, 3], row, x + 1)
    return boxes


def particle_labels(
    shapes: Sequence[Shape], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Paint particles into a label image, the largest first, so that small ones in front stay visible."""
    labels = np.zeros(shape, dtype=np.int32)
    shared = 0
    for one in sorted(shapes, key=lambda s: -s.area_px):
        y0, x0, mask = fill(_rings(one), shape)
        part = labels[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]]
        shared += int(np.count_nonzero(part[mask]))
        part[mask] = one.ident
    if not shared:
        return labels, ()
    return labels, (f"Particles share {shared} px; a label image can give each pixel to one of them only.",)


def _rings(shape: Shape) -> Rings:
    if shape.circle is None:
        return shape.rings
    from nanoai_gui.core.exchange.rings import ellipse

    x, y, radius = shape.circle
    return (ellipse(x, y, radius, radius),)


def outline(shape: Shape) -> Rings:
    """Give the rings of a shape, for a circle a polygon of its area."""
    return _rings(shape)


def _number(shapes: Sequence[Shape], what: str) -> tuple[list[Shape], list[str]]:
    """Give a new id to every shape that has none, or one that was taken before."""
    if any(shape.ident < 0 or shape.ident > LARGEST_ID for shape in shapes):
        raise ReadError(f"An id lies outside of 1 to {LARGEST_ID}.", "Number the shapes anew.")
    taken: set[int] = set()
    following = max((shape.ident for shape in shapes), default=0) + 1
    numbered, twice = [], 0
    for shape in shapes:
        ident = shape.ident
        if ident == 0 or ident in taken:
            twice += ident != 0
            if following > LARGEST_ID:
                raise ReadError("There are no ids left to number the shapes with.", "Number them anew.")
            ident, following = following, following + 1
        taken.add(ident)
        numbered.append(replace(shape, ident=ident))
    notes = [f"{_n(twice, what)} had an id that was taken; it was given a new one."] if twice else []
    return numbered, notes


def _below(shape: Shape, x: float, y: float, labels: NDArray[np.int32]) -> int:
    """Id of the agglomerate below a particle, 0 if there is none."""
    own = int(labels[round(y), round(x)])
    if own:
        return own
    y0, x0, mask = fill(_rings(shape), (labels.shape[0], labels.shape[1]))
    beneath = labels[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]][mask]
    ids, counts = np.unique(beneath[beneath > 0], return_counts=True)
    return int(ids[counts.argmax()]) if len(ids) else 0


def check_inside(shapes: Sequence[Shape], shape: tuple[int, int], name: str) -> None:
    """Refuse shapes that were clearly drawn on another image.

    Raises
    ------
    ReadError
        If less than half of them touch the image.
    """
    if not shapes:
        return
    touching = 0
    for one in shapes:
        box = bounds(_rings(one))
        touching += box is not None and box[0] < shape[1] and box[1] < shape[0] and box[2] > 0 and box[3] > 0
    if 2 * touching < len(shapes):
        raise ReadError(
            f"Most outlines of {name} lie outside of this image of {shape[1]} x {shape[0]} px.",
            "They were drawn on another image; show that one first.",
        )


def _n(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
