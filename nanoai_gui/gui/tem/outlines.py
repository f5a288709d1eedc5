"""Outlines of labelled regions and of circles as flat arrays (no Qt).

Thousands of outlines are one array of points plus the index where each begins: this is what can be
computed off the window's thread, sent between processes, and drawn as a handful of paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled


@dataclass(frozen=True, eq=False)
class Outlines:
    """Closed polygons.

    Parameters
    ----------
    points
        (n, 2) float32, x and y in px; the last point of a polygon joins its first.
    starts
        (m + 1,) int64: polygon i is ``points[starts[i]:starts[i + 1]]``.
    owners
        (m,) int32: id of the agglomerate or particle. One with holes owns several polygons.
    """

    points: NDArray[np.float32]
    starts: NDArray[np.int64]
    owners: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.owners)

    @classmethod
    def empty(cls) -> Outlines:
        """No outlines."""
        return cls(np.zeros((0, 2), np.float32), np.zeros(1, np.int64), np.zeros(0, np.int32))

    @property
    def boxes(self) -> NDArray[np.float32]:
        """(m, 4): smallest x and y, largest x and y of each polygon."""
        if not len(self):
            return np.zeros((0, 4), np.float32)
        first = self.starts[:-1]
        lowest = np.minimum.reduceat(self.points, first, axis=0)
        highest = np.maximum.reduceat(self.points, first, axis=0)
        return np.concatenate([lowest, highest], axis=1)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Outlines:
        """Return some of the polygons, in the order of ``rows`` (mask or indices)."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        lengths = np.diff(self.starts)[index]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        points = np.repeat(self.starts[index] - starts[:-1], lengths) + np.arange(starts[-1])
        return Outlines(self.points[points], starts, self.owners[index])

    def thinned(self, spacing: float, least: int = 7) -> Outlines:
        """Leave out points that lie closer than ``spacing`` px, but keep about ``least`` of a polygon.

        For drawing at a zoom where the points lie closer than the pixels of the screen.
        """
        if not len(self):
            return self
        lengths, first = np.diff(self.starts), self.starts[:-1]
        after = np.arange(1, len(self.points) + 1)
        after[self.starts[1:] - 1] = first
        ways = np.hypot(*(self.points[after] - self.points).T)
        apart = np.maximum(np.add.reduceat(ways, first) / lengths, 1e-6)
        steps = np.clip(np.minimum(spacing / apart, lengths / least), 1, None).astype(np.int64)
        within = np.arange(len(self.points)) - np.repeat(first, lengths)
        keep = within % np.repeat(steps, lengths) == 0
        kept = np.add.reduceat(keep, first)
        starts = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        return Outlines(self.points[keep], starts, self.owners)


CHUNK = 128
"""Polygons drawn as one path: few enough calls, small enough to leave out what is not on show."""


@dataclass(frozen=True, slots=True)
class Detail:
    """How outlines are simplified for drawing small.

    Parameters
    ----------
    largest_scale
        Device pixels per image pixel up to which it is fine enough: it strays a third of a pixel there.
    spacing
        Least distance of points, in px.
    tolerance
        How far a circle may stray, in px.
    """

    largest_scale: float
    spacing: float
    tolerance: float


DETAILS = (Detail(0.75, 5.0, 0.35), Detail(0.35, 10.0, 0.9))


@dataclass(frozen=True, eq=False)
class DrawnOutlines:
    """Outlines in neighbourhoods, so that drawing a part of the image touches only that part.

    Parameters
    ----------
    levels
        The same polygons in the same order: with all points, then one for each of :data:`DETAILS`.
    chunk_starts
        (c + 1,) int64, polygons of each chunk.
    chunk_boxes
        (c, 4) float32, x0, y0, x1, y1 of each chunk in px.
    paths
        For each level c serialized paths, see :func:`path_bytes`.
    """

    levels: tuple[Outlines, ...]
    chunk_starts: NDArray[np.int64]
    chunk_boxes: NDArray[np.float32]
    paths: tuple[tuple[bytes, ...], ...]

    def level_for(self, scale: float) -> int:
        """Give the coarsest level that is fine enough at a scale (device pixels per image pixel)."""
        return sum(scale <= detail.largest_scale for detail in DETAILS)


def for_drawing(levels: Sequence[Outlines]) -> DrawnOutlines:
    """Order outlines by neighbourhood (along a Morton curve) and cut them into chunks.

    ``levels`` are as in :class:`DrawnOutlines`, but in any order of polygons (the same in all).
    """
    boxes = levels[0].boxes
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    cell = np.clip(middle / max(float(middle.max(initial=1.0)), 1.0) * 31, 0, 31).astype(np.int64)
    morton = np.zeros(len(boxes), np.int64)
    for bit in range(5):
        morton |= ((cell[:, 0] >> bit) & 1) << (2 * bit)
        morton |= ((cell[:, 1] >> bit) & 1) << (2 * bit + 1)
    order = np.argsort(morton, kind="stable")
    starts = np.append(np.arange(0, len(order), CHUNK), len(order)).astype(np.int64)
    if len(order):
        boxes = boxes[order]
        lowest = np.minimum.reduceat(boxes[:, :2], starts[:-1], axis=0)
        highest = np.maximum.reduceat(boxes[:, 2:], starts[:-1], axis=0)
        boxes = np.concatenate([lowest, highest], axis=1)
    ordered = tuple(level.select(order) for level in levels)
    chunks = list(pairwise(starts.tolist()))
    paths = tuple(tuple(path_bytes(level, *chunk) for chunk in chunks) for level in ordered)
    return DrawnOutlines(ordered, starts, boxes, paths)


MOST_SPLINTERED = 1.6
"""Chunks are made anew once edits have made so many times as many as there need be."""


def redrawn(drawn: DrawnOutlines, gone: NDArray[np.integer], fresh: Sequence[Outlines]) -> DrawnOutlines:
    """Take some polygons out and put others in; chunks that are not concerned keep their paths.

    Parameters
    ----------
    gone
        Owners whose polygons go.
    fresh
        What comes in their place, for each level.
    """
    first = drawn.levels[0]
    is_gone = np.isin(first.owners, gone)
    n_new = len(fresh[0])
    if not is_gone.any() and not n_new:
        return drawn
    n_chunks = len(drawn.chunk_starts) - 1
    levels = [appended(level.select(~is_gone), more) for level, more in zip(drawn.levels, fresh, strict=True)]
    if n_chunks + 1 > MOST_SPLINTERED * (len(levels[0]) / CHUNK + 2):
        return for_drawing(levels)
    chunk_of = np.repeat(np.arange(n_chunks), np.diff(drawn.chunk_starts))
    left = np.bincount(chunk_of[~is_gone], minlength=n_chunks)
    concerned = np.bincount(chunk_of[is_gone], minlength=n_chunks) > 0
    kept = np.flatnonzero(left)
    counts = np.append(left[kept], n_new) if n_new else left[kept]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    boxes = levels[0].boxes
    paths: list[list[bytes]] = [[] for _ in levels]
    chunk_boxes = []
    for place, (a, b) in enumerate(pairwise(starts.tolist())):
        old = int(kept[place]) if place < len(kept) else None
        if old is not None and not concerned[old]:
            chunk_boxes.append(drawn.chunk_boxes[old])
            for mine, theirs in zip(paths, drawn.paths, strict=True):
                mine.append(theirs[old])
            continue
        chunk_boxes.append(np.concatenate([boxes[a:b, :2].min(axis=0), boxes[a:b, 2:].max(axis=0)]))
        for mine, level in zip(paths, levels, strict=True):
            mine.append(path_bytes(level, a, b))
    around = np.array(chunk_boxes, dtype=np.float32).reshape(-1, 4)
    return DrawnOutlines(tuple(levels), starts, around, tuple(tuple(p) for p in paths))


def appended(outlines: Outlines, more: Outlines) -> Outlines:
    """Put further polygons behind some."""
    if not len(more):
        return outlines
    return Outlines(
        np.concatenate([outlines.points, more.points]),
        np.concatenate([outlines.starts, outlines.starts[-1] + more.starts[1:]]),
        np.concatenate([outlines.owners, more.owners]),
    )


_PATH_ELEMENT = np.dtype([("kind", ">i4"), ("x", ">f8"), ("y", ">f8")])


def path_bytes(outlines: Outlines, first: int, last: int) -> bytes:
    """Serialize polygons ``first`` to ``last`` (exclusive) as the bytes of one QPainterPath.

    A call per point would take a thousand times as long. The form is that of QDataStream ("Serializing Qt
    Data Types"): number of elements; kind, x and y of each; index of the first element of the last polygon;
    fill rule (0: even-odd). No polygons give no bytes.
    """
    if last <= first:
        return b""
    starts = outlines.starts[first : last + 1]
    lengths = np.diff(starts)
    # One more element a polygon, which leads back to its first point.
    moves = starts[:-1] - starts[0] + np.arange(last - first)
    n = int(lengths.sum()) + last - first
    source = np.empty(n, np.int64)
    is_closing = np.zeros(n, bool)
    is_closing[moves + lengths] = True
    source[~is_closing] = np.arange(starts[0], starts[-1])
    source[is_closing] = starts[:-1]
    elements = np.empty(n, _PATH_ELEMENT)
    elements["kind"] = 1  # line to
    elements["kind"][moves] = 0  # move to
    elements["x"], elements["y"] = outlines.points[source, 0], outlines.points[source, 1]
    head, tail = np.array([n], ">i4"), np.array([moves[-1], 0], ">i4")
    return head.tobytes() + elements.tobytes() + tail.tobytes()


def joined(polygons: list[NDArray[np.float32]], owners: NDArray[np.int32]) -> Outlines:
    """Put separate polygons, each (k, 2), into one array."""
    if not polygons:
        return Outlines.empty()
    lengths = np.array([len(p) for p in polygons], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Outlines(np.concatenate(polygons).astype(np.float32), starts, owners)


def circles(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    radius: NDArray[np.floating],
    owners: NDArray[np.int32],
    tolerance: float = 0.1,
) -> Outlines:
    """Circles as polygons that stray from the circle by less than ``tolerance`` px."""
    # A chord over the angle 2 pi / n lies r (1 - cos(pi / n)) ~ r pi^2 / (2 n^2) inside the circle.
    r = np.maximum(np.asarray(radius, dtype=np.float64), 0.25)
    corners = np.clip(np.ceil(np.pi * np.sqrt(r / (2 * tolerance))), 8, 128).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(corners)]).astype(np.int64)
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], corners)
    angle = 2 * np.pi * within / np.repeat(corners, corners)
    points = np.empty((starts[-1], 2), np.float32)
    points[:, 0] = np.repeat(x, corners) + np.repeat(r, corners) * np.cos(angle)
    points[:, 1] = np.repeat(y, corners) + np.repeat(r, corners) * np.sin(angle)
    return Outlines(points, starts, np.asarray(owners, dtype=np.int32))


# Directions of travel along the cracks between pixels, the region on the right hand (y points down):
# 0 east along the top edge of a pixel, 1 south along its right edge, 2 west along its bottom edge,
# 3 north along its left edge. For each: the pixel ahead on the left, the pixel ahead on the right.
_OUTSIDE = ((-1, 0), (0, 1), (1, 0), (0, -1))
_AHEAD_LEFT = ((-1, 1), (1, 1), (1, -1), (-1, -1))
_AHEAD_RIGHT = ((0, 1), (1, 0), (0, -1), (-1, 0))
# Middle of the edge relative to the pixel's centre (y, x).
_MIDDLE = np.array([(-0.5, 0), (0, 0.5), (0.5, 0), (0, -0.5)], dtype=np.float32)


def trace(labels: NDArray[np.integer], cancelled: Cancelled = never_cancelled) -> Outlines:
    """Outlines of all labelled regions (8-connected) at once.

    The corners are the middles of the edges between pixels, which is where marching squares at one half
    puts them for a binary image; points on straight runs are left out. All steps are whole-array ones:
    each pixel edge between a region and something else knows its successor, and the order along each
    closed chain of successors is found by pointer doubling (list ranking; Wyllie 1979), in as many rounds
    as the longest outline has binary digits.

    Parameters
    ----------
    labels
        (height, width), 0 is background.

    Returns
    -------
    Outlines
        Outer boundaries run clockwise on the screen, those of holes counter-clockwise.
    """
    height, width = labels.shape
    if labels.size == 0:
        return Outlines.empty()
    padded = np.zeros((height + 2, width + 2), dtype=labels.dtype)
    padded[1:-1, 1:-1] = labels
    stride = width + 2
    flat = padded.ravel()
    inside = padded[1:-1, 1:-1]
    occupied = inside != 0

    keys = []
    for direction, (dy, dx) in enumerate(_OUTSIDE):
        checkpoint(cancelled)
        neighbour = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        row, column = np.nonzero((inside != neighbour) & occupied)
        keys.append(((row + 1) * stride + column + 1) * 4 + direction)
    key = np.concatenate(keys)
    if key.size == 0:
        return Outlines.empty()
    key.sort()
    checkpoint(cancelled)

    pixel, direction_of = key >> 2, key & 3
    owner = flat[pixel]
    left = np.array([dy * stride + dx for dy, dx in _AHEAD_LEFT])[direction_of] + pixel
    right = np.array([dy * stride + dx for dy, dx in _AHEAD_RIGHT])[direction_of] + pixel
    turns_left = flat[left] == owner
    straight = flat[right] == owner
    next_key = np.where(
        turns_left,
        left * 4 + (direction_of + 3) % 4,
        np.where(straight, right * 4 + direction_of, pixel * 4 + (direction_of + 1) % 4),
    )
    follower = np.searchsorted(key, next_key)
    checkpoint(cancelled)

    chain, place = _rank(follower, cancelled)
    is_head = chain == np.arange(len(key))
    chain_of = (np.cumsum(is_head) - 1)[chain]
    starts = np.concatenate([[0], np.cumsum(np.bincount(chain_of))]).astype(np.int64)
    at = starts[chain_of] + place
    points = np.empty((len(key), 2), np.float32)
    middle = _MIDDLE[direction_of]
    points[at, 0] = pixel % stride - 1 + middle[:, 1]
    points[at, 1] = pixel // stride - 1 + middle[:, 0]
    checkpoint(cancelled)
    return _without_straight_points(Outlines(points, starts, owner[is_head].astype(np.int32)))


def _rank(follower: NDArray[np.int64], cancelled: Cancelled) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each element of closed chains: the smallest element of its chain, and its place after it."""
    n = len(follower)
    chain = np.arange(n)
    jump = follower.copy()
    while True:  # every element learns the smallest one of its chain
        checkpoint(cancelled)
        smaller = np.minimum(chain, chain[jump])
        if np.array_equal(smaller, chain):
            break
        chain = smaller
        jump = jump[jump]
    # Cut each chain just before its head and count the steps to the cut.
    last = follower == chain
    jump = np.where(last, np.arange(n), follower)
    steps = np.where(last, 0, 1)
    while True:
        checkpoint(cancelled)
        add = steps[jump]
        if not add.any():
            break
        steps += add
        jump = jump[jump]
    return chain, steps[chain] - steps


def _without_straight_points(outlines: Outlines) -> Outlines:
    """Leave out the points at which an outline does not turn."""
    first, lengths = outlines.starts[:-1], np.diff(outlines.starts)
    n = len(outlines.points)
    after = np.arange(1, n + 1)
    after[outlines.starts[1:] - 1] = first
    step = outlines.points[after] - outlines.points
    before = np.arange(-1, n - 1)
    before[first] = outlines.starts[1:] - 1
    turns = (step != step[before]).any(axis=1)
    kept = np.add.reduceat(turns, first)
    assert kept.min() > 0 and lengths.min() > 0  # a closed chain turns somewhere
    starts = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    return Outlines(outlines.points[turns], starts, outlines.owners)
