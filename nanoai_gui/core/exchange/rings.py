"""Closed rings of points: traced around pixels, filled again to the pixel.

Coordinates are NanoAI's: px, x to the right, y down, pixel *centres* at integers. Several rings together
follow the even-odd rule, so that a hole is simply one more ring.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rings = tuple[NDArray[np.float64], ...]

CORNER = 0.5
"""ImageJ and COCO count from the corner of the first pixel: their x is ours plus this."""
_EAST, _SOUTH, _WEST, _NORTH = range(4)


def trace(mask: NDArray[np.bool_], x0: int = 0, y0: int = 0) -> Rings:
    """Trace the outlines of a mask along the edges of its pixels.

    Parameters
    ----------
    mask
        (h, w); pixels that touch at a corner belong together.
    x0, y0
        Where its first pixel lies in the image.

    Returns
    -------
    Rings of (k, 2) x and y, at every corner of the outline; outer ones run clockwise on the screen
    (positive :func:`area`), those around holes the other way. :func:`fill` gives the mask back exactly.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return ()
    x0, y0 = x0 + int(columns[0]), y0 + int(rows[0])
    mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    bits, width = _edges(mask), mask.shape[1] + 1
    step = (1, width, -1, -width)
    rings = []
    for start in [i for i, b in enumerate(bits) if b]:
        while bits[start]:
            direction = (bits[start] & -bits[start]).bit_length() - 1
            first, at, corners = direction, start, []
            while True:
                bits[at] &= ~(1 << direction)
                at += step[direction]
                # Left first: so that two pixels that touch at a corner lie within one outline.
                after = next(
                    (d % 4 for d in (direction + 3, direction, direction + 1) if bits[at] >> d % 4 & 1), None
                )
                if after is None:  # back where it began
                    if first != direction:
                        corners.append(at)
                    break
                if after != direction:
                    corners.append(at)
                direction = after
            y, x = np.divmod(np.array(corners), width)
            rings.append(np.stack([x + (x0 - CORNER), y + (y0 - CORNER)], axis=1))
    return tuple(rings)


def _edges(mask: NDArray[np.bool_]) -> list[int]:
    """Give for every corner of the pixel grid, row by row, the directions in which an edge leaves it.

    Bit d stands for direction d; the inside lies to the right of each edge.
    """
    m = np.pad(mask, 1)
    inside = m[1:-1, 1:-1]
    bits = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), dtype=np.uint8)
    bits[:-1, :-1] |= (inside & ~m[:-2, 1:-1]).astype(np.uint8) << _EAST
    bits[:-1, 1:] |= (inside & ~m[1:-1, 2:]).astype(np.uint8) << _SOUTH
    bits[1:, 1:] |= (inside & ~m[2:, 1:-1]).astype(np.uint8) << _WEST
    bits[1:, :-1] |= (inside & ~m[1:-1, :-2]).astype(np.uint8) << _NORTH
    found: list[int] = bits.ravel().tolist()
    return found


def fill(rings: Sequence[NDArray[np.floating]], shape: tuple[int, int]) -> tuple[int, int, NDArray[np.bool_]]:
    """Fill rings by the even-odd rule: a pixel belongs to them if its centre does.

    Parameters
    ----------
    rings
        Each (k, 2) x and y in px.
    shape
        Height and width of the image; what lies outside of it is cut off.

    Returns
    -------
    y0, x0, mask
        The part of the image that the rings touch, and which of its pixels are inside.
    """
    box = bounds(rings)
    if box is None:
        return 0, 0, np.zeros((0, 0), dtype=bool)
    y0, x0 = max(math.ceil(box[1]), 0), max(math.ceil(box[0]), 0)
    y1, x1 = min(math.floor(box[3]) + 1, shape[0]), min(math.floor(box[2]) + 1, shape[1])
    if y1 <= y0 or x1 <= x0:
        return 0, 0, np.zeros((0, 0), dtype=bool)
    # Every ring that a row crosses flips what lies to the right of the crossing.
    flips = np.zeros((y1 - y0, x1 - x0 + 1), dtype=np.int32)
    for ring in rings:
        a = np.asarray(ring, dtype=np.float64)
        b = np.roll(a, -1, axis=0)
        # Always downwards: the two ways along a seam must give the same crossing.
        up = a[:, 1] > b[:, 1]
        low, high = np.where(up[:, None], b, a), np.where(up[:, None], a, b)
        first = np.clip(np.ceil(low[:, 1]), y0, y1).astype(np.int64)
        stop = np.clip(np.ceil(high[:, 1]), y0, y1).astype(np.int64)
        n = stop - first
        edge = np.repeat(np.arange(len(a)), n)
        if not len(edge):
            continue
        y = np.arange(len(edge)) - np.repeat(np.cumsum(n) - n, n) + first[edge]
        slope = (high[edge, 0] - low[edge, 0]) / (high[edge, 1] - low[edge, 1])
        x = low[edge, 0] + (y - low[edge, 1]) * slope
        np.add.at(flips, (y - y0, np.clip(np.ceil(x), x0, x1).astype(np.int64) - x0), 1)
    return y0, x0, np.cumsum(flips[:, :-1], axis=1) % 2 == 1


LARGEST = 1e7
"""No image is so wide: coordinates beyond it are damage."""


def is_sound(ring: NDArray[np.floating]) -> bool:
    """Whether a ring that was read has at least three points at possible places."""
    return len(ring) > 2 and bool((np.abs(ring) < LARGEST).all())


def bounds(rings: Sequence[NDArray[np.floating]]) -> tuple[float, float, float, float] | None:
    """Smallest x and y, largest x and y; ``None`` without any point."""
    points = [ring for ring in rings if len(ring)]
    if not points:
        return None
    both = np.concatenate(points)
    (left, top), (right, bottom) = both.min(axis=0), both.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def area(rings: Sequence[NDArray[np.floating]]) -> float:
    """Area in px: that of the outer ring less that of holes, whichever way they run."""
    return measure(rings)[0]


def measure(rings: Sequence[NDArray[np.floating]]) -> tuple[float, float, float]:
    """Area in px, and the x and y of its centroid.

    A ring within another one counts as a hole of it; rings are taken not to cross.
    """
    total = mx = my = 0.0
    facts = [_ring(ring) for ring in rings if len(ring) > 2]
    for i, (own, x, y, ring) in enumerate(facts):
        # The middle of an edge: corners of rings along pixels may touch those of others.
        middle = (ring[0] + ring[1]) / 2
        around = sum(_contains(other, middle) for j, (_, _, _, other) in enumerate(facts) if j != i)
        sign = -1.0 if around % 2 else 1.0
        total += sign * own
        mx += sign * own * x
        my += sign * own * y
    if total <= 0:
        return 0.0, math.nan, math.nan
    return total, mx / total, my / total


def _ring(ring: NDArray[np.floating]) -> tuple[float, float, float, NDArray[np.float64]]:
    """Area and centroid of one ring (the shoelace formula, about its first point for accuracy)."""
    points = np.asarray(ring, dtype=np.float64)
    a = points - points[0]
    b = np.roll(a, -1, axis=0)
    cross = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
    signed = float(cross.sum()) / 2
    if abs(signed) < 1e-12:
        return 0.0, float(points[0, 0]), float(points[0, 1]), points
    x = float(((a[:, 0] + b[:, 0]) * cross).sum()) / (6 * signed) + float(points[0, 0])
    y = float(((a[:, 1] + b[:, 1]) * cross).sum()) / (6 * signed) + float(points[0, 1])
    return abs(signed), x, y, points


def _contains(ring: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
    a, b = ring, np.roll(ring, -1, axis=0)
    x, y = float(point[0]), float(point[1])
    crossing = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return bool(np.count_nonzero(crossing & (at > x)) % 2)


def ellipse(
    x: float, y: float, half_width: float, half_height: float, angle: float = 0.0, n: int = 72
) -> NDArray[np.float64]:
    """Give a polygon of ``n`` corners with the area and centre of an ellipse; ``angle`` in radians."""
    turn = np.linspace(0, 2 * math.pi, n, endpoint=False)
    # A polygon whose corners lie on the ellipse would be too small by this factor.
    grow = math.sqrt(2 * math.pi / n / math.sin(2 * math.pi / n))
    u, v = grow * half_width * np.cos(turn), grow * half_height * np.sin(turn)
    c, s = math.cos(angle), math.sin(angle)
    return np.stack([x + c * u - s * v, y + s * u + c * v], axis=1)
