"""What lies over a micrograph: prepared off the window's thread, then only drawn (no Qt).

:func:`prepare_overlay` turns labels and particles into an :class:`OverlayPicture`. It takes some tenths of
a second for 4096 x 4096 px with thousands of particles, so it runs in a thread or a worker process;
``MicrographCanvas.set_overlay`` then takes the finished picture within a millisecond.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.gui.tem.display import decimated_pyramid
from nanoai_gui.gui.tem.outlines import (
    DETAILS,
    DrawnOutlines,
    Outlines,
    appended,
    circles,
    for_drawing,
    joined,
    redrawn,
    trace,
)

N_COLOURS = 254
"""Label colours; ids that differ by a multiple of it share one (neighbours hardly ever do)."""
EXCLUDED_INDEX = 255
"""Index of everything that is not measured."""
FILL_OPACITY = 0.34
EXCLUDED_OPACITY = 0.22


@dataclass(frozen=True, slots=True)
class Hit:
    """Ids of what lies under a point; 0 is nothing."""

    agglomerate: int = 0
    particle: int = 0

    def __bool__(self) -> bool:
        return bool(self.agglomerate or self.particle)


@dataclass(frozen=True, eq=False)
class OverlayPicture:
    """Labels and particles of one image, ready to be drawn and to be asked what lies where.

    Parameters
    ----------
    labels
        (height, width) integer, 0 is background; kept for hit-testing.
    excluded
        Ids of agglomerates that are not measured.
    fill
        Pyramid of uint8 indices into :func:`fill_colours`, finest first.
    agglomerates, particles
        Outlines; owners are ids. Those of particles stand in the order of the columns below.
    drawn_measured, drawn_excluded, drawn_edited, drawn_particles, drawn_doubtful, drawn_edited_particles
        The same, grouped for drawing; what a person edited or added apart from the rest, and the particles
        that a person should check (doubtful).
    particle_ids, particle_agglomerate, particle_xy, particle_boxes, particle_radius
        Columns for hit-testing: (n,), (n,), (n, 2), (n, 4) as x0, y0, x1, y1, and (n,), in px.
    source
        The particles it was made of.
    """

    labels: NDArray[np.integer]
    excluded: frozenset[int]
    fill: tuple[NDArray[np.uint8], ...]
    agglomerates: Outlines
    particles: Outlines
    drawn_measured: DrawnOutlines
    drawn_excluded: DrawnOutlines
    drawn_edited: DrawnOutlines
    drawn_particles: DrawnOutlines
    drawn_doubtful: DrawnOutlines
    drawn_edited_particles: DrawnOutlines
    particle_ids: NDArray[np.int32]
    particle_agglomerate: NDArray[np.int32]
    particle_xy: NDArray[np.float64]
    particle_boxes: NDArray[np.float32]
    particle_radius: NDArray[np.float64]
    source: Particles

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image it belongs to."""
        return self.labels.shape[0], self.labels.shape[1]

    def hit(self, x: float, y: float) -> Hit:
        """Find the agglomerate and the particle at a point of the image.

        Of several particles that contain the point, the one whose centre is nearest in units of its own
        radius is taken, so that a small particle in front of a large one can be reached. The particle's
        agglomerate counts as hit too, also where a fitted circle reaches beyond it.
        """
        agglomerate = self._label_at(x, y)
        row = self._particle_row(x, y)
        if row is None:
            return Hit(agglomerate, 0)
        return Hit(int(self.particle_agglomerate[row]), int(self.particle_ids[row]))

    def _label_at(self, x: float, y: float) -> int:
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        height, width = self.shape
        if not (0 <= row < height and 0 <= column < width):
            return 0
        return int(self.labels[row, column])

    def _particle_row(self, x: float, y: float) -> int | None:
        boxes = self.particle_boxes
        near = np.flatnonzero(
            (boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])
        )
        starts, points = self.particles.starts, self.particles.points
        found = [row for row in near if contains(points[starts[row] : starts[row + 1]], x, y)]
        if not found:
            return None
        away = np.hypot(self.particle_xy[found, 0] - x, self.particle_xy[found, 1] - y)
        return int(found[int(np.argmin(away / self.particle_radius[found]))])

    def within(self, x0: float, y0: float, x1: float, y1: float) -> tuple[frozenset[int], frozenset[int]]:
        """Agglomerates whose middle, and particles whose centre, lies in a rectangle (ids)."""
        boxes = self.agglomerates.boxes
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        agglomerates = self.agglomerates.owners[_in_rectangle(middle, x0, y0, x1, y1)]
        particles = self.particle_ids[_in_rectangle(self.particle_xy, x0, y0, x1, y1)]
        return frozenset(agglomerates.tolist()), frozenset(particles.tolist())

    def extent(self, agglomerates: Collection[int], particles: Collection[int]) -> tuple[float, ...] | None:
        """Smallest rectangle x0, y0, x1, y1 around some agglomerates and particles; ``None`` if empty."""
        boxes = np.concatenate(
            [
                self.agglomerates.boxes[np.isin(self.agglomerates.owners, list(agglomerates))],
                self.particle_boxes[np.isin(self.particle_ids, list(particles))],
            ]
        )
        if not len(boxes):
            return None
        return (*map(float, boxes[:, :2].min(axis=0)), *map(float, boxes[:, 2:].max(axis=0)))


def _in_rectangle(
    points: NDArray[np.floating], x0: float, y0: float, x1: float, y1: float
) -> NDArray[np.bool_]:
    x, y = points[:, 0], points[:, 1]
    inside: NDArray[np.bool_] = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return inside


def contains(polygon: NDArray[np.floating], x: float, y: float) -> bool:
    """Whether a closed polygon (k, 2) contains a point, by the even-odd rule."""
    x1, y1 = polygon[:, 0].astype(np.float64), polygon[:, 1].astype(np.float64)
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    crosses = (y1 > y) != (y2 > y)
    at = x1[crosses] + (y - y1[crosses]) * (x2[crosses] - x1[crosses]) / (y2[crosses] - y1[crosses])
    return bool(np.count_nonzero(at > x) % 2)


def overlay_index(labels: NDArray[np.integer], excluded: Collection[int] = ()) -> NDArray[np.uint8]:
    """Colour index of each pixel: 0 background, 1 + id % 254 measured, 255 excluded.

    Parameters
    ----------
    labels
        (height, width), not negative.
    excluded
        Ids of agglomerates that are not measured.

    Returns
    -------
    ndarray
        (height, width) uint8.
    """
    largest = int(labels.max()) if labels.size else 0
    table: NDArray[np.uint8] = (1 + np.arange(largest + 1) % N_COLOURS).astype(np.uint8)
    table[0] = 0
    table[[i for i in excluded if 0 < i <= largest]] = EXCLUDED_INDEX
    index: NDArray[np.uint8] = table[labels]
    return index


def fill_colours() -> NDArray[np.uint8]:
    """(256, 4) red, green, blue, opacity (not premultiplied) for the indices of :func:`overlay_index`.

    Hues step by the golden ratio, the sequence of lowest discrepancy, so that neighbouring ids differ
    clearly; lightness alternates, so that they also differ to a colour-blind eye.
    """
    table = np.zeros((256, 4), np.uint8)
    i = np.arange(N_COLOURS)
    hue = (0.12 + i * 0.6180339887498949) % 1.0
    value = np.array([1.0, 0.78, 0.9])[i % 3]
    saturation = np.array([0.85, 0.95, 0.6])[i % 3]
    table[1:255, :3] = _rgb(hue, saturation, value)
    table[1:255, 3] = round(255 * FILL_OPACITY)
    table[EXCLUDED_INDEX] = (150, 150, 150, round(255 * EXCLUDED_OPACITY))
    return table


def _rgb(
    hue: NDArray[np.floating], saturation: NDArray[np.floating], value: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Hue, saturation and value in [0, 1] to (n, 3) uint8."""
    offset = (np.array([5.0, 3.0, 1.0])[None, :] + 6.0 * hue[:, None]) % 6.0
    ramp = np.clip(np.minimum(offset, 4.0 - offset), 0.0, 1.0)
    rgb = value[:, None] * (1.0 - saturation[:, None] * ramp)
    bytes_: NDArray[np.uint8] = np.round(255 * rgb).astype(np.uint8)
    return bytes_


def particle_outlines(particles: Particles, tolerance: float = 0.1) -> Outlines:
    """One polygon a particle, in the order of the rows; a circle where the method gives no outline."""
    radius = particles.diameter_px / 2
    drawn = circles(particles.x, particles.y, radius, particles.ids, tolerance)
    if all(len(outline) < 3 for outline in particles.outlines):
        return drawn
    polygons = [
        outline if len(outline) >= 3 else drawn.points[drawn.starts[i] : drawn.starts[i + 1]]
        for i, outline in enumerate(particles.outlines)
    ]
    return joined(polygons, particles.ids)


def prepare_overlay(
    labels: NDArray[np.integer],
    excluded: Collection[int] = (),
    particles: Particles | None = None,
    edited: Collection[int] = (),
    cancelled: Cancelled = never_cancelled,
) -> OverlayPicture:
    """Compute everything that drawing needs. Runs anywhere; imports no Qt.

    Parameters
    ----------
    labels
        (height, width) label image; it is kept, not copied. Whoever changes it afterwards, or meanwhile, has
        what changed prepared again by :func:`patch_overlay`.
    excluded
        Ids of agglomerates that are not measured.
    particles
        Primary particles, or ``None`` while there are none.
    edited
        Ids of agglomerates that a person edited or added.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    # All is drawn of one state: ids that come between one look and the next would be in no table.
    seen = labels.copy()
    index = overlay_index(seen, excluded)
    checkpoint(cancelled)
    outlines = trace(seen, cancelled)
    return _assemble(labels, decimated_pyramid(index), outlines, excluded, particles, edited, cancelled)


def patch_overlay(
    picture: OverlayPicture,
    crops: Sequence[tuple[NDArray[np.integer], tuple[int, int], NDArray[np.integer]]],
    touched: Collection[int],
    excluded: Collection[int] = (),
    particles: Particles | None = None,
    edited: Collection[int] = (),
    cancelled: Cancelled = never_cancelled,
) -> OverlayPicture:
    """Prepare again what changed, and keep the rest of a picture (its pyramid too, see :func:`refill`).

    Parameters
    ----------
    picture
        As it was.
    crops
        Copies of the parts of the label image that hold those of ``touched`` that are there; of each its
        place, y0 and x0, and the ids that it holds whole.
    touched
        Ids of the agglomerates that changed, came or went.
    excluded, particles, edited
        As in :func:`prepare_overlay`, of the whole image.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    ids = np.fromiter(touched, dtype=np.int64, count=len(touched))
    particles = Particles.empty() if particles is None else particles
    fresh = Outlines.empty()
    for crop, (y0, x0), own in crops:
        traced = trace(np.where(np.isin(crop, own), crop, 0), cancelled)
        shift = np.array([x0, y0], dtype=np.float32)
        fresh = appended(fresh, Outlines(traced.points + shift, traced.starts, traced.owners))
    old = picture.agglomerates
    outlines = appended(old.select(~np.isin(old.owners, ids)), fresh)
    layers = {}
    of_layer = _agglomerate_layers(fresh, excluded, edited)
    for name, chosen in of_layer.items():
        layers[name] = redrawn(getattr(picture, name), ids, _levels(fresh.select(chosen)))
    checkpoint(cancelled)
    changed = _changed_particles(picture, particles)
    rows = np.isin(particles.ids, changed)
    some = particles.select(rows)
    some_levels = _particle_levels(some)
    for name, chosen in _particle_layers(some).items():
        some_fresh = [level.select(chosen) for level in some_levels]
        layers[name] = redrawn(getattr(picture, name), changed, some_fresh)
    checkpoint(cancelled)
    kept = picture.particles.select(~np.isin(picture.particles.owners, changed))
    shapes = appended(kept, some_levels[0])
    shapes = shapes.select(np.argsort(shapes.owners, kind="stable"))
    return _picture(picture.labels, picture.fill, outlines, shapes, excluded, particles, layers)


def _changed_particles(picture: OverlayPicture, particles: Particles) -> NDArray[np.int64]:
    """Ids of the particles that came, went, or are not what they were."""
    old = picture.source
    both, here, there = np.intersect1d(particles.ids, old.ids, assume_unique=True, return_indices=True)
    same = np.ones(len(both), dtype=bool)
    for name in ("x", "y", "area_px", "status", "flagged", "agglomerate"):
        same &= getattr(particles, name)[here] == getattr(old, name)[there]
    outlines, old_outlines = particles.outlines, old.outlines
    for place in np.flatnonzero(same):
        mine, theirs = outlines[here[place]], old_outlines[there[place]]
        if mine is not theirs and not np.array_equal(mine, theirs):
            same[place] = False
    every = np.union1d(particles.ids, old.ids)
    return every[~np.isin(every, both[same])].astype(np.int64)


def refill(
    picture: OverlayPicture, crop: NDArray[np.integer], corner: tuple[int, int], excluded: Collection[int]
) -> None:
    """Write the colours of a part of the label image, at ``corner`` (y0, x0), into the picture's pyramid."""
    index: NDArray[np.uint8] = (1 + crop % N_COLOURS).astype(np.uint8)
    index[crop == 0] = 0
    if excluded:
        index[np.isin(crop, list(excluded))] = EXCLUDED_INDEX
    y0, x0 = corner
    for level, image in enumerate(picture.fill):
        step = 1 << level
        first_y, first_x = -(-y0 // step), -(-x0 // step)
        part = index[first_y * step - y0 :: step, first_x * step - x0 :: step]
        image[first_y : first_y + part.shape[0], first_x : first_x + part.shape[1]] = part


def recolour(
    picture: OverlayPicture,
    position: NDArray[np.int64],
    ids: NDArray[np.integer],
    excluded: Collection[int],
) -> None:
    """Write the colours of single pixels into the picture's pyramid.

    Parameters
    ----------
    position, ids
        (n,) index in the flattened image, and the agglomerate there (0: none).
    """
    y, x = np.divmod(position, picture.shape[1])
    index: NDArray[np.uint8] = (1 + ids % N_COLOURS).astype(np.uint8)
    index[ids == 0] = 0
    if excluded:
        index[np.isin(ids, list(excluded))] = EXCLUDED_INDEX
    for image in picture.fill:
        image[y, x] = index
        coarser = ((y | x) & 1) == 0
        y, x, index = y[coarser] >> 1, x[coarser] >> 1, index[coarser]


def _assemble(
    labels: NDArray[np.integer],
    fill: tuple[NDArray[np.uint8], ...],
    outlines: Outlines,
    excluded: Collection[int],
    particles: Particles | None,
    edited: Collection[int],
    cancelled: Cancelled,
) -> OverlayPicture:
    particles = Particles.empty() if particles is None else particles
    levels = _levels(outlines)
    checkpoint(cancelled)
    particle_levels = _particle_levels(particles)
    checkpoint(cancelled)
    layers = {}
    for name, chosen in _agglomerate_layers(outlines, excluded, edited).items():
        layers[name] = for_drawing([level.select(chosen) for level in levels])
    for name, chosen in _particle_layers(particles).items():
        layers[name] = for_drawing([level.select(chosen) for level in particle_levels])
    return _picture(labels, fill, outlines, particle_levels[0], excluded, particles, layers)


def _levels(outlines: Outlines) -> list[Outlines]:
    return [outlines, *(outlines.thinned(d.spacing) for d in DETAILS)]


def _particle_levels(particles: Particles) -> list[Outlines]:
    simpler = (particle_outlines(particles, d.tolerance).thinned(d.spacing) for d in DETAILS)
    return [particle_outlines(particles), *simpler]


def _agglomerate_layers(
    outlines: Outlines, excluded: Collection[int], edited: Collection[int]
) -> dict[str, NDArray[np.bool_]]:
    """Say which polygons are drawn in which way."""
    is_excluded = np.isin(outlines.owners, list(excluded))
    is_edited = np.isin(outlines.owners, list(edited)) & ~is_excluded
    return {
        "drawn_measured": ~is_excluded & ~is_edited,
        "drawn_excluded": is_excluded,
        "drawn_edited": is_edited,
    }


def _particle_layers(particles: Particles) -> dict[str, NDArray[np.bool_]]:
    is_changed = particles.status != Status.AUTO
    is_doubtful = particles.flagged & ~is_changed
    return {
        "drawn_particles": ~is_changed & ~is_doubtful,
        "drawn_doubtful": is_doubtful,
        "drawn_edited_particles": is_changed,
    }


def _picture(
    labels: NDArray[np.integer],
    fill: tuple[NDArray[np.uint8], ...],
    outlines: Outlines,
    shapes: Outlines,
    excluded: Collection[int],
    particles: Particles,
    layers: Mapping[str, DrawnOutlines],
) -> OverlayPicture:
    return OverlayPicture(
        labels=labels,
        excluded=frozenset(int(i) for i in excluded),
        fill=fill,
        agglomerates=outlines,
        particles=shapes,
        particle_ids=particles.ids,
        particle_agglomerate=particles.agglomerate,
        particle_xy=np.stack([particles.x, particles.y], axis=1),
        particle_boxes=shapes.boxes,
        particle_radius=np.maximum(particles.diameter_px / 2, 0.5),
        source=particles,
        **layers,
    )
