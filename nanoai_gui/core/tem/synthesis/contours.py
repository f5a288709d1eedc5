"""The outlines of bodies as seen along z: distances from a centre to the edge, at equal angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.shapes import Ball, Body

N_ANGLES = 32
"""Directions of a star-shaped outline; a multiple of 8: turns by 90 degrees and mirrors permute them."""
_COARSE, _FINE = 20, 10


def directions(n: int = N_ANGLES) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and sine of n equal angles from 0; with y down they turn clockwise on the screen."""
    angle = 2 * np.pi * np.arange(n) / n
    return np.cos(angle), np.sin(angle)


def star_area(radial: NDArray[np.floating]) -> NDArray[np.float64]:
    """Areas of star-shaped outlines, (n,), from their distances at equal angles, (n, k).

    The rectangle rule, which for a smooth closed curve is as good as exact.
    """
    squares = np.square(radial, dtype=np.float64).sum(axis=-1)
    return np.asarray(squares * (np.pi / radial.shape[-1]))


def contour(body: Body) -> tuple[float, float, NDArray[np.float64]]:
    """Describe the outline of a body: centroid relative to its origin, and distances from there (k,)."""
    if isinstance(body, Ball):
        return 0.0, 0.0, np.full(N_ANGLES, body.radius)
    first = _edge(body, 0.0, 0.0)
    # The centroid of a star is the mean over its triangles, each at two thirds of its edge.
    cosine, sine = directions()
    weights = first**3 / (1.5 * np.square(first).sum())
    x, y = float(weights @ cosine), float(weights @ sine)
    return x, y, _edge(body, x, y)


def _edge(body: Body, x: float, y: float) -> NDArray[np.float64]:
    """Distance at which each direction from a point inside leaves the body for good."""
    cosine, sine = (v[:, None].astype(np.float32) for v in directions())
    rx, ry = body.half_size
    reach = float(np.hypot(rx, ry) + np.hypot(x, y))
    low = np.zeros(N_ANGLES)
    step = reach / _COARSE
    for n in (_COARSE, _FINE):
        r = (low[:, None] + step * np.arange(1, n + 1)).astype(np.float32)
        bottom, top = body.span(np.float32(x) + r * cosine, np.float32(y) + r * sine)
        inside = top > bottom
        last = n - np.argmax(inside[:, ::-1], axis=1)
        low = low + step * np.where(inside.any(axis=1), last, 0)
        step /= _FINE + 1
    return np.maximum(low + 0.5 * step * (_FINE + 1), 1e-3)


def deepest(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radial: NDArray[np.floating],
    shape: tuple[int, int],
    step: int,
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Find, on a grid of every ``step`` px, the particle in whose outline each point lies deepest.

    Depth is 1 in a particle's centre and 0 on its outline, along any direction.

    Returns
    -------
    owner
        (height, width) of the grid, int16; -1 outside of all.
    depth
        The same shape, float32; 0 outside of all.
    """
    rows, columns = shape[0] // step, shape[1] // step
    owner = np.full((rows, columns), -1, dtype=np.int16)
    depth = np.zeros((rows, columns), dtype=np.float32)
    bias = (step - 1) / 2
    per_radian = radial.shape[1] / (2 * np.pi)
    for k in range(len(x)):
        reach = float(radial[k].max())
        top, bottom = _range(y[k], reach, bias, step, rows)
        left, right = _range(x[k], reach, bias, step, columns)
        if bottom <= top or right <= left:
            continue
        dy = (np.arange(top, bottom) * step + bias - y[k]).astype(np.float32)[:, None]
        dx = (np.arange(left, right) * step + bias - x[k]).astype(np.float32)[None, :]
        place = np.arctan2(dy, dx) * np.float32(per_radian)
        below = np.floor(place).astype(np.intp)
        part = place - below
        table = np.append(radial[k], radial[k, :1]).astype(np.float32)
        below %= radial.shape[1]
        edge = table[below] * (1 - part) + table[below + 1] * part
        inside = 1 - np.hypot(dx, dy) / edge
        window = slice(top, bottom), slice(left, right)
        better = inside > depth[window]
        depth[window][better] = inside[better]
        owner[window][better] = k
    return owner, depth


def _range(centre: float, reach: float, bias: float, step: int, n: int) -> tuple[int, int]:
    low = int(np.ceil((centre - reach - bias) / step))
    high = int(np.floor((centre + reach - bias) / step)) + 1
    return max(low, 0), min(high, n)
