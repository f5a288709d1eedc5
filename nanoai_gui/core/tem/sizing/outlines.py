"""Outlines of the parts of a label image, between the pixels, all traced at once.

A vertex lies on the line between a pixel of the part and a neighbour outside of it: against the background
where the contrast crosses the threshold, along a cut half-way. These are the vertices of marching squares.
Following one outline after the other would be a Python loop over every pixel edge; instead each edge is
given its successor, and the order along each loop comes from pointer doubling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The four directions in which the outside can lie; each is the next one turned by 90 degrees.
_DY = np.array([-1, 0, 1, 0])
_DX = np.array([0, 1, 0, -1])


@dataclass(frozen=True, eq=False)
class Outlines:
    """The outer outline of every part.

    Parameters
    ----------
    labels
        (n,) int32, ascending: which part.
    vertices
        n arrays (k, 2) float32 of x, y in px, closed implicitly.
    area_px
        (n,) float64, enclosed area.
    x, y
        (n,) float64, centroid of that area in px.
    """

    labels: NDArray[np.int32]
    vertices: tuple[NDArray[np.float32], ...]
    area_px: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


def trace_outlines(
    labels: NDArray[np.int32], contrast: NDArray[np.float32] | None = None, level: float = float("nan")
) -> Outlines:
    """Trace the outer outline of every part of a label image.

    Parameters
    ----------
    labels
        (h, w), 0 on a rim of one pixel. Pixels that touch at a corner belong together.
    contrast, level
        Grey levels, and where the outline against the background (label 0) runs; without them it runs
        half-way between pixels.
    """
    w = labels.shape[1]
    flat = labels.ravel()
    step = _DY * w + _DX
    pixel = np.flatnonzero(flat)
    edge_pixel: list[NDArray[np.intp]] = []
    edge_direction: list[NDArray[np.int8]] = []
    for direction in range(4):
        mine = pixel[flat[pixel] != flat[pixel + step[direction]]]
        edge_pixel.append(mine)
        edge_direction.append(np.full(len(mine), direction, dtype=np.int8))
    at = np.concatenate(edge_pixel)
    towards = np.concatenate(edge_direction).astype(np.intp)
    if not len(at):
        none = np.empty(0)
        return Outlines(np.empty(0, dtype=np.int32), (), none, none, none)
    following = _successors(flat, at, towards, step)
    start, position = _order(following)
    # Loops by part; of several loops of one part (holes) the one around the largest area is the outer one.
    key = np.lexsort((position, start))
    at, towards, start = at[key], towards[key], start[key]
    first = np.flatnonzero(np.r_[True, start[1:] != start[:-1]])
    x, y = _vertices(flat, contrast, level, at, towards, step, w)
    loop = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(at)]))
    area, cx, cy = _areas(x, y, first, loop)
    label = flat[at[first]]
    order = np.lexsort((-np.abs(area), label))
    outer = order[np.r_[True, label[order][1:] != label[order][:-1]]]
    stop = np.r_[first[1:], len(at)]
    points = np.stack([x, y], axis=1).astype(np.float32)
    return Outlines(
        labels=label[outer].astype(np.int32),
        vertices=tuple(points[first[i] : stop[i]] for i in outer),
        area_px=np.abs(area[outer]),
        x=cx[outer],
        y=cy[outer],
    )


def _successors(
    flat: NDArray[np.int32], at: NDArray[np.intp], towards: NDArray[np.intp], step: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Give for every pixel edge the next one along the outline, the inside always on the same hand."""
    ahead = (towards + 1) % 4
    own = flat[at]
    corner = at + step[towards] + step[ahead]
    straight = at + step[ahead]
    turn_out = flat[corner] == own
    go_on = ~turn_out & (flat[straight] == own)
    next_pixel = np.where(turn_out, corner, np.where(go_on, straight, at))
    next_towards = np.where(turn_out, (towards + 3) % 4, np.where(go_on, towards, ahead))
    number = at * 4 + towards
    by_number = np.argsort(number)
    return by_number[np.searchsorted(number[by_number], next_pixel * 4 + next_towards)]


def _order(following: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give every edge the first edge of its loop, and its place along the loop."""
    n = len(following)
    lowest = np.arange(n)
    jump = following.copy()
    while True:
        lower = np.minimum(lowest, lowest[jump])
        jump = jump[jump]
        if np.array_equal(lower, lowest):
            break
        lowest = lower
    # Distance to the first edge of the loop, which is made the end of every chain.
    end = lowest == np.arange(n)
    jump = np.where(end, np.arange(n), following)
    distance = (~end).astype(np.intp)
    while True:
        further = distance[jump]
        if not further.any():
            break
        distance += further
        jump = jump[jump]
    # The end is the first; the farthest from it comes second.
    return lowest, np.where(end, -n - 1, -distance)


def _vertices(
    flat: NDArray[np.int32],
    contrast: NDArray[np.float32] | None,
    level: float,
    at: NDArray[np.intp],
    towards: NDArray[np.intp],
    step: NDArray[np.intp],
    width: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    share = np.full(len(at), 0.5)
    outside = at + step[towards]
    if contrast is not None and np.isfinite(level):
        grey = contrast.ravel()
        inner, outer = grey[at].astype(np.float64), grey[outside].astype(np.float64)
        crossing = (flat[outside] == 0) & (inner > level) & (outer <= level)
        share[crossing] = (inner[crossing] - level) / (inner[crossing] - outer[crossing])
    y, x = np.divmod(at, width)
    return x + share * _DX[towards], y + share * _DY[towards]


def _areas(
    x: NDArray[np.float64], y: NDArray[np.float64], first: NDArray[np.intp], loop: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Signed area and centroid of every loop (the shoelace formula)."""
    following = np.arange(1, len(x) + 1)
    following[np.r_[first[1:], len(x)] - 1] = first
    # About the first vertex of each loop, for accuracy.
    ox, oy = x[first][loop], y[first][loop]
    ax, ay = x - ox, y - oy
    bx, by = x[following] - ox, y[following] - oy
    cross = ax * by - bx * ay
    area = np.add.reduceat(cross, first) / 2
    safe = np.where(np.abs(area) > 1e-9, area, 1.0)
    cx = np.add.reduceat((ax + bx) * cross, first) / (6 * safe) + x[first]
    cy = np.add.reduceat((ay + by) * cross, first) / (6 * safe) + y[first]
    return area, cx, cy
