"""How deep the beam goes through a particle, px by px, and how that changes with its place, size and shape.

A particle has six parameters: x, y (px), ln r (r the radius of the circle of its projected area, px), the
strain (q1, q2) that makes an ellipse of that circle without changing its area, and h, the logarithm of how
much more it absorbs than the others. A circle has no strain; with q = |(q1, q2)| the half axes are r exp(q)
and r exp(-q), the long one at the angle atan2(q2, q1) / 2 from x towards y.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

X, Y, LOG_R, Q1, Q2, H = range(6)
N_PARAMETERS = 6
SPHERE = (X, Y, LOG_R)

Image = NDArray[np.float32]

_OPAQUE, _HALF, _NEAREST = np.float32(0.999), np.float32(0.5), np.float32(0.05)
# Steps of a sixth: few classes, little waste.
_HALF_SIZES = np.unique(np.rint(4 * 1.167 ** np.arange(40)).astype(np.intp))


class Kind(StrEnum):
    """What makes particles dark, as far as the fit tells kinds apart."""

    MASS = "mass-thickness"
    """Beer-Lambert absorption along the path through the material."""
    FLAT = "flat silhouette"
    """Every path through material is equally dark."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Some particles in square windows of one size.

    Parameters
    ----------
    rows
        (m,) which particles.
    x0, y0
        (m,) first column and row of each window in the scene.
    depth
        (m, w, w) optical depth.
    slopes
        (m, p, w, w) its derivatives by the parameters asked for; empty (m, 0, w, w) if none were.
    """

    rows: NDArray[np.intp]
    x0: NDArray[np.intp]
    y0: NDArray[np.intp]
    depth: Image
    slopes: Image


def windows(
    parameters: NDArray[np.float64],
    rows: NDArray[np.intp],
    half: int,
    kind: Kind,
    absorption: float,
    columns: tuple[int, ...] = (),
) -> Windows:
    """Compute the optical depth of particles in windows of ``2 half + 1`` px.

    Parameters
    ----------
    parameters
        (n, 6) of all particles.
    rows
        (m,) those wanted.
    absorption
        Optical depth per px of path.
    columns
        Parameters by which derivatives are wanted.
    """
    p = parameters[rows]
    middle = np.rint(p[:, :2]).astype(np.intp) - half
    x0, y0 = middle[:, X], middle[:, Y]
    steps = _steps(half)
    away = (middle - p[:, :2]).astype(np.float32)
    dx, dy = (steps + away[:, X, None])[:, None, :], (steps + away[:, Y, None])[:, :, None]
    r = np.exp(p[:, LOG_R]).astype(np.float32)[:, None, None]
    straight = not p[:, Q1 : Q2 + 1].any()
    if straight:
        u, v = dx, dy
    else:
        # The symmetric matrix exp(-Q), Q = [[q1, q2], [q2, -q1]], turns the ellipse back into its circle.
        q = np.hypot(p[:, Q1], p[:, Q2])
        cosh, ratio = np.cosh(q), np.sinh(q) / np.maximum(q, 1e-12)
        m11, m22, m12 = (
            m.astype(np.float32)[:, None, None]
            for m in (cosh - ratio * p[:, Q1], cosh + ratio * p[:, Q1], -ratio * p[:, Q2])
        )
        u, v = m11 * dx + m12 * dy, m12 * dx + m22 * dy
    d = u * u + v * v
    np.sqrt(d, out=d)
    if kind is Kind.FLAT:
        cover = np.clip(r - d + _HALF, 0, 1)
        depth = -np.log1p(-_OPAQUE * cover)
        if not columns:
            return Windows(rows, x0, y0, depth, _none(depth))
        rim = ((cover > 0) & (cover < 1)).astype(np.float32)
        by_r = rim * _OPAQUE / (1 - _OPAQUE * cover)
        by_d = -by_r
    else:
        scale = (absorption * np.exp(p[:, H])).astype(np.float32)[:, None, None]
        # The path averaged over a px across the edge: what the camera sees, and smooth in r. Step by step in
        # place, which is most of what the fit does.
        square = r * r
        far, near = d + _HALF, d - _HALF
        np.minimum(far, r, out=far)
        np.minimum(near, r, out=near)
        np.maximum(near, -r, out=near)
        high, low = far * far, near * near
        for half_path in (high, low):
            np.subtract(square, half_path, out=half_path)
            np.sqrt(half_path, out=half_path)
        depth, more = far * high, near * low
        depth -= more
        angle = np.divide(far, r, out=far)
        np.arcsin(angle, out=angle)
        np.divide(near, r, out=near)
        angle -= np.arcsin(near, out=near)
        depth += np.multiply(square, angle, out=more)
        np.maximum(depth, 0, out=depth)
        depth *= scale
        if not columns:
            return Windows(rows, x0, y0, depth, _none(depth))
        by_r = np.multiply(scale * 2 * r, angle, out=angle)
        high -= low
        by_d = np.multiply(scale * 2, high, out=high)
    slopes = np.empty((len(rows), len(columns), *depth.shape[1:]), dtype=np.float32)
    by_d /= np.maximum(d, _NEAREST, out=d)
    for k, column in enumerate(columns):
        out = slopes[:, k]
        if column == X:
            np.multiply(by_d, -u if straight else -(m11 * u + m12 * v), out=out)
        elif column == Y:
            np.multiply(by_d, -v if straight else -(m12 * u + m22 * v), out=out)
        elif column == LOG_R:
            np.multiply(by_r, r, out=out)
        elif column == Q1:
            np.multiply(by_d, v * v - u * u, out=out)
        elif column == Q2:
            np.multiply(by_d, -2 * u * v, out=out)
        else:
            out[...] = depth
    return Windows(rows, x0, y0, depth, slopes)


@lru_cache(maxsize=64)
def _steps(half: int) -> Image:
    return np.arange(2 * half + 1, dtype=np.float32)


def _none(depth: Image) -> Image:
    return np.empty((len(depth), 0, *depth.shape[1:]), dtype=np.float32)


def half_sizes(parameters: NDArray[np.float64], reach: float) -> NDArray[np.intp]:
    """Half width (px) of the window that each particle needs with ``reach`` px around it, in few classes."""
    q = np.hypot(parameters[:, Q1], parameters[:, Q2])
    need = np.ceil(np.exp(parameters[:, LOG_R] + q) + reach)
    place = np.searchsorted(_HALF_SIZES, np.minimum(need, _HALF_SIZES[-1]))
    return np.asarray(_HALF_SIZES[place], dtype=np.intp)
