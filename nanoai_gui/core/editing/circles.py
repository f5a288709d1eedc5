"""Edits of primary particles. Each function looks at a document and gives an edit, or ``None``."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing.covering import covered_by, doubles_of, not_held, place_taken
from nanoai_gui.core.editing.document import ImageDocument, add_method_patch
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.labels import several
from nanoai_gui.core.editing.patches import MethodPatch, ParticlePatch, Patch, ValuePatch
from nanoai_gui.core.editing.rows import is_in, join_particles, take_result
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.tem.particles import Particles, Status

OUTLINE_POINTS = 64
"""Points of the outline of an ellipse: its area is that of the ellipse to a few parts in ten thousand."""
SMALLEST_RADIUS_PX = 0.5


@dataclass(frozen=True, slots=True)
class Ellipse:
    """A circle or an ellipse in the image.

    Parameters
    ----------
    x, y
        Centre in px.
    a, b
        Half axes in px, ``a`` along ``angle``.
    angle
        Of ``a`` from the x axis towards y (downwards), in radians.
    """

    x: float
    y: float
    a: float
    b: float
    angle: float = 0.0

    @property
    def is_circle(self) -> bool:
        """Whether both axes are the same (to a thousandth)."""
        return abs(self.a - self.b) <= 1e-3 * max(self.a, self.b)

    @property
    def area_px(self) -> float:
        """Area in px."""
        return math.pi * self.a * self.b

    def outline(self, n: int = OUTLINE_POINTS) -> NDArray[np.float32]:
        """(n, 2) x, y of points on it; the polygon has the ellipse's area."""
        t = np.linspace(0, 2 * np.pi, n, endpoint=False)
        # A polygon in an ellipse is a little smaller: enlarged to the same area.
        grow = math.sqrt(2 * np.pi / n / math.sin(2 * np.pi / n))
        u, v = grow * self.a * np.cos(t), grow * self.b * np.sin(t)
        c, s = math.cos(self.angle), math.sin(self.angle)
        points: NDArray[np.float32] = np.stack(
            [self.x + c * u - s * v, self.y + s * u + c * v], axis=1
        ).astype(np.float32)
        return points


def ellipse_of(particles: Particles, row: int) -> Ellipse:
    """Give the ellipse of a particle: its circle, or that of its area with the moments of its outline."""
    x, y, area = float(particles.x[row]), float(particles.y[row]), float(particles.area_px[row])
    radius = math.sqrt(area / math.pi)
    outline = particles.outlines[row].astype(np.float64)
    if len(outline) < 3:
        return Ellipse(x, y, radius, radius)
    cx, cy, xx, yy, xy = _moments(outline)
    angle = 0.5 * math.atan2(2 * xy, xx - yy)
    spread = math.hypot(xx - yy, 2 * xy)
    large, small = (xx + yy + spread) / 2, max((xx + yy - spread) / 2, 1e-12)
    ratio = math.sqrt(large / small) if large > 0 else 1.0
    return Ellipse(cx, cy, radius * math.sqrt(ratio), radius / math.sqrt(ratio), angle)


def _moments(points: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    """Centroid and central second moments (per area) of a polygon."""
    origin = points.mean(axis=0)
    x, y = (points - origin).T
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    cross = x * y2 - x2 * y
    area = cross.sum() / 2
    if abs(area) < 1e-9:
        return float(origin[0]), float(origin[1]), 1.0, 1.0, 0.0
    cx, cy = ((x + x2) * cross).sum() / (6 * area), ((y + y2) * cross).sum() / (6 * area)
    xx = ((x * x + x * x2 + x2 * x2) * cross).sum() / (12 * area) - cx * cx
    yy = ((y * y + y * y2 + y2 * y2) * cross).sum() / (12 * area) - cy * cy
    xy = ((x * y2 + 2 * x * y + 2 * x2 * y2 + x2 * y) * cross).sum() / (24 * area) - cx * cy
    return float(origin[0] + cx), float(origin[1] + cy), float(xx), float(yy), float(xy)


def fit_points(points: NDArray[np.floating]) -> Ellipse:
    """Fit a circle to three or four points on an edge, an ellipse to five or more.

    Least squares of the algebraic distance: I. Kasa, IEEE Trans. IM 25 (1976) 8 (circle); A. Fitzgibbon et
    al., IEEE Trans. PAMI 21 (1999) 476, in the stable form of R. Halir and J. Flusser (1998) (ellipse).

    Parameters
    ----------
    points
        (k, 2) of x, y in px.

    Raises
    ------
    ParameterError
        If there are too few points, or they lie on a line.
    """
    xy = np.asarray(points, dtype=np.float64)
    if len(np.unique(xy, axis=0)) < 3:
        raise ParameterError("A circle needs three points.", "Click at least three places on the edge.")
    circle = _fit_circle(xy)
    if len(xy) < 5:
        return circle
    ellipse = _fit_ellipse(xy)
    # Points of a short arc tell little of the other axis: then a circle is the safer guess.
    if ellipse is None or max(ellipse.a, ellipse.b) > 4 * min(ellipse.a, ellipse.b):
        return circle
    return ellipse


def _fit_circle(xy: NDArray[np.float64]) -> Ellipse:
    middle = xy.mean(axis=0)
    x, y = (xy - middle).T
    system = np.stack([x, y, np.ones(len(x))], axis=1)
    (p, q, r), *_, singular = np.linalg.lstsq(system, x * x + y * y, rcond=None)
    radius2 = r + (p * p + q * q) / 4
    size = float(np.abs(xy - middle).max())
    # Points on a line make a circle of any size.
    if singular[-1] < 1e-6 * singular[0] or radius2 <= 0 or math.sqrt(radius2) > 100 * max(size, 1e-9):
        raise ParameterError("The points lie on a line.", "Click places all around the edge.")
    radius = math.sqrt(radius2)
    return Ellipse(float(middle[0] + p / 2), float(middle[1] + q / 2), radius, radius)


def _fit_ellipse(xy: NDArray[np.float64]) -> Ellipse | None:
    middle = xy.mean(axis=0)
    scale = float(np.abs(xy - middle).max()) or 1.0
    x, y = ((xy - middle) / scale).T
    square = np.stack([x * x, x * y, y * y], axis=1)
    linear = np.stack([x, y, np.ones(len(x))], axis=1)
    try:
        t = -np.linalg.solve(linear.T @ linear, linear.T @ square)
        m = square.T @ square + (square.T @ linear) @ t
        m = np.stack([m[2] / 2, -m[1], m[0] / 2])
        _, vectors = np.linalg.eig(m)
    except np.linalg.LinAlgError:
        return None
    vectors = vectors.real
    good = np.flatnonzero(4 * vectors[0] * vectors[2] - vectors[1] ** 2 > 0)
    if not len(good):
        return None
    a, b, c = vectors[:, good[0]]
    d, e, f = t @ vectors[:, good[0]]
    determinant = 4 * a * c - b * b
    cx, cy = (b * e - 2 * c * d) / determinant, (b * d - 2 * a * e) / determinant
    value = f + (d * cx + e * cy) / 2
    eigen, axes = np.linalg.eigh(np.array([[a, b / 2], [b / 2, c]]))
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.sqrt(-value / eigen)
    if not np.isfinite(half).all():
        return None
    along = axes[:, int(np.argmax(half))]
    return Ellipse(
        float(middle[0] + scale * cx),
        float(middle[1] + scale * cy),
        float(scale * half.max()),
        float(scale * half.min()),
        math.atan2(along[1], along[0]),
    )


# ---------------------------------------------------------------------- edits


def add(
    document: ImageDocument,
    method: str,
    shape: Ellipse,
    agglomerate: int | None = None,
    score: float = math.nan,
) -> Edit | None:
    """Add a particle; it belongs to the agglomerate under it unless one is given (0: to none).

    What the method found in its place goes (see :mod:`~nanoai_gui.core.editing.covering`). A method that
    has not measured this image is added with nothing but this particle.
    """
    if min(shape.a, shape.b) < SMALLEST_RADIUS_PX:
        return None
    owner = owner_at(document, shape) if agglomerate is None else agglomerate
    new = _made(document.next_particle(method), owner, shape, Status.ADDED, score)
    first = add_method_patch(document, method)
    found = not_held(document, method)
    gone = found.ids[covered_by(found, new)].tolist()
    title = "Add ellipse" if len(new.outlines[0]) else "Add circle"
    return Edit(title + _in_the_place_of(len(gone)), (*first, _patch(document, method, gone, new, first)))


def _in_the_place_of(n: int) -> str:
    if not n:
        return ""
    return f" in the place of {'a particle' if n == 1 else several(n, 'particle')}"


def taken_away(edit: Edit) -> int:
    """Count the particles whose place others take in an edit: there before, and not after."""
    patches = [patch for patch in edit.patches if isinstance(patch, ParticlePatch)]
    return sum(len(np.setdiff1d(p.before.particles.ids, p.after.particles.ids)) for p in patches)


def owner_at(document: ImageDocument, shape: Ellipse) -> int:
    """Give the agglomerate that covers most of a shape; 0 if there is none under it."""
    from nanoai_gui.core.editing.regions import polygon_box, polygon_mask

    points = shape.outline(32)
    labels = document.labels
    box = polygon_box(points, labels.shape)
    inside = labels[box.slices][polygon_mask(points, box)]
    inside = inside[inside > 0]
    if not len(inside):
        return 0
    ids, counts = np.unique(inside, return_counts=True)
    return int(ids[int(np.argmax(counts))])


def _made(ident: int, owner: int, shape: Ellipse, status: Status, score: float) -> Particles:
    outline = np.empty((0, 2), dtype=np.float32) if shape.is_circle else shape.outline()
    made = Particles.from_areas([owner], [shape.x], [shape.y], [shape.area_px], [score], [outline])
    return replace(made, ids=np.array([ident], dtype=np.int32), status=np.array([status], dtype=np.int8))


def reshape(
    document: ImageDocument, method: str, ident: int, shape: Ellipse, step: Edit | None = None
) -> Edit | None:
    """Give a particle another place and shape; it goes to the agglomerate under it, if there is one.

    Like all that moves or resizes particles, it takes the place of what a method found there. ``step`` is
    the one that the edit will be joined with if it is of the same group
    (:attr:`~nanoai_gui.core.editing.history.History.open_step`).
    """
    particles = document.results[method].particles
    rows = np.flatnonzero(particles.ids == ident)
    if not len(rows) or min(shape.a, shape.b) < SMALLEST_RADIUS_PX:
        return None
    old = particles.select(rows)
    if shape == ellipse_of(old, 0):
        return None
    owner = owner_at(document, shape) or int(old.agglomerate[0])
    new = _made(ident, owner, shape, _touched_status(old), float(old.score[0]))
    return _changed(document, method, "Move particle", old, new, f"particle {method} {ident}", step)


def _touched_status(old: Particles) -> Status:
    return Status.ADDED if old.status[0] == Status.ADDED else Status.EDITED


def move(
    document: ImageDocument,
    method: str,
    ids: Collection[int],
    dx: float,
    dy: float,
    step: Edit | None = None,
) -> Edit | None:
    """Move particles by some px, outlines and all; ``step`` as in :func:`reshape`."""
    old = _chosen(document, method, ids)
    if not len(old) or (dx == 0 and dy == 0):
        return None
    shift = np.array([dx, dy], dtype=np.float32)
    new = replace(
        old,
        x=old.x + dx,
        y=old.y + dy,
        outlines=tuple(outline + shift for outline in old.outlines),
        status=_edited(old),
    )
    new = replace(new, agglomerate=_owners(document, new))
    title = f"Move {several(len(old), 'particle')}"
    return _changed(document, method, title, old, new, _group("move", method, old), step)


def resize(
    document: ImageDocument, method: str, ids: Collection[int], factor: float, step: Edit | None = None
) -> Edit | None:
    """Make particles larger or smaller about their centres; ``factor`` is that of the diameter.

    ``step`` as in :func:`reshape`.
    """
    old = _chosen(document, method, ids)
    smallest = math.pi * SMALLEST_RADIUS_PX**2
    if not len(old) or not factor > 0 or factor == 1 or float(old.area_px.min()) * factor**2 < smallest:
        return None
    centre = np.stack([old.x, old.y], axis=1).astype(np.float32)
    outlines = tuple(
        (centre[i] + np.float32(factor) * (outline - centre[i])).astype(np.float32)
        if len(outline)
        else outline
        for i, outline in enumerate(old.outlines)
    )
    new = replace(old, area_px=old.area_px * factor**2, outlines=outlines, status=_edited(old))
    title = f"Resize {several(len(old), 'particle')}"
    return _changed(document, method, title, old, new, _group("resize", method, old), step)


def _chosen(document: ImageDocument, method: str, ids: Collection[int]) -> Particles:
    result = document.results.get(method)
    return Particles.empty() if result is None else result.particles.select(is_in(result.particles.ids, ids))


def _edited(old: Particles) -> NDArray[np.int8]:
    return np.where(old.status == Status.ADDED, Status.ADDED, Status.EDITED).astype(np.int8)


def _owners(document: ImageDocument, particles: Particles) -> NDArray[np.int32]:
    """Give each the agglomerate under its centre, or the one it had."""
    labels = document.labels
    y = np.rint(particles.y).astype(np.intp)
    x = np.rint(particles.x).astype(np.intp)
    inside = (y >= 0) & (y < labels.shape[0]) & (x >= 0) & (x < labels.shape[1])
    under = np.zeros(len(particles), dtype=np.int32)
    under[inside] = labels[y[inside], x[inside]]
    return np.where(under > 0, under, particles.agglomerate).astype(np.int32)


def _group(verb: str, method: str, particles: Particles) -> str:
    return f"{verb} {method} {particles.ids[0]} {len(particles)}"


def _changed(
    document: ImageDocument,
    method: str,
    title: str,
    old: Particles,
    new: Particles,
    group: str,
    step: Edit | None,
) -> Edit:
    """Put ``new`` in the place of ``old``, and of what a method found where they are now."""
    joins = step if step is not None and step.group == group else None
    gone, back, n_away = place_taken(document, method, old, new, joins)
    into = join_particles(new, back) if len(back) else new
    title += _in_the_place_of(n_away)
    return Edit(title, (_patch(document, method, [*old.ids.tolist(), *gone], into),), group=group)


def delete(document: ImageDocument, method: str, ids: Collection[int], title: str = "") -> Edit | None:
    """Delete particles; the ids of all others stay."""
    old = _chosen(document, method, ids)
    if not len(old):
        return None
    gone = old.ids.tolist()
    patches: list[Patch] = [_patch(document, method, gone, Particles.empty())]
    for ident in gone:
        key = f"accepted/{method}/{ident}"
        if key in document.values:
            patches.append(ValuePatch(key, document.values[key], None))
    return Edit(title or f"Delete {several(len(gone), 'particle')}", tuple(patches))


def reject(document: ImageDocument, method: str, ids: Collection[int]) -> Edit | None:
    """Reject suggestions: particles that a method found are taken away."""
    return delete(document, method, ids, f"Reject {several(len(ids), 'particle')}")


def assign(document: ImageDocument, method: str, ids: Collection[int], agglomerate: int) -> Edit | None:
    """Say to which agglomerate particles belong (0: to none)."""
    old = _chosen(document, method, ids)
    old = old.select(old.agglomerate != agglomerate)
    if not len(old) or (agglomerate and agglomerate not in document.table.ids):
        return None
    new = replace(old, agglomerate=np.full(len(old), agglomerate, dtype=np.int32), status=_edited(old))
    title = f"Assign {several(len(old), 'particle')} to {agglomerate}"
    return Edit(title, (_patch(document, method, old.ids.tolist(), new),))


def accept(document: ImageDocument, method: str, ids: Collection[int], is_right: bool = True) -> Edit | None:
    """Accept suggestions: particles that stay when their agglomerate is measured again, or take that back.

    What can only be the same particle, found twice, goes.
    """
    value = True if is_right else None
    chosen = _chosen(document, method, ids)
    keys = [f"accepted/{method}/{i}" for i in chosen.ids.tolist()]
    values = [ValuePatch(k, document.values.get(k), value) for k in keys if document.values.get(k) != value]
    if not values:
        return None
    gone = doubles_of(document, method, chosen) if is_right else []
    patches: list[Patch] = [*values]
    if gone:
        patches.append(_patch(document, method, gone, Particles.empty()))
    title = f"{'Accept' if is_right else 'No longer accept'} {several(len(values), 'particle')}"
    return Edit(title + _in_the_place_of(len(gone)), tuple(patches), is_by_hand=bool(gone))


def _patch(
    document: ImageDocument,
    method: str,
    out: Collection[int],
    into: Particles,
    first: tuple[MethodPatch, ...] = (),
) -> ParticlePatch:
    """Exchange particles; an agglomerate that was left out and is given some by hand counts as measured."""
    result = document.results[method] if method in document.results else first[0].after
    assert result is not None
    old = result.particles.select(is_in(result.particles.ids, out))
    touched = set(old.agglomerate.tolist()) | set(into.agglomerate.tolist())
    stale = touched & result.stale
    # Where something is still to be measured, all rows stand on both sides (see ParticlePatch).
    bystanders = result.particles.select(
        is_in(result.particles.agglomerate, stale) & ~is_in(result.particles.ids, out)
    )
    before = take_result(result, touched, [*old.ids.tolist(), *bystanders.ids.tolist()])
    given = set(into.agglomerate.tolist())
    excluded = tuple(
        "" if int(i) in given else why for i, why in zip(before.agglomerate_ids, before.excluded, strict=True)
    )
    particles = join_particles(bystanders, into) if len(into) else bystanders
    after = replace(before, particles=particles, excluded=excluded)
    return ParticlePatch(method, before, after)
