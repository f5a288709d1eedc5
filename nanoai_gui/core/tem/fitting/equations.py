"""The normal equations of a fit: their blocks, and the products of particles that see each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.fitting.scene import Image


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """Blocks of the normal equations for p parameters a particle.

    Parameters
    ----------
    gradient
        (n, p): derivative of half the cost, downhill.
    own
        (n, p, p) blocks on the diagonal.
    first, second
        (k,) pairs of rows that see each other.
    shared
        (k, p, p) their blocks.
    border
        (n, p) products with the level of the component.
    ground
        (components,) the level's own element.
    pooled_gradient, pooled_own, pooled_border
        (g,), (g, g), (n, p, g): the same for the shared parameters ln absorption, ln amplitude and blur,
        if asked for (g = 3, else 0); ``pooled_level`` (components, g).
    """

    gradient: NDArray[np.float64]
    own: NDArray[np.float64]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    shared: NDArray[np.float64]
    border: NDArray[np.float64]
    ground: NDArray[np.float64]
    pooled_gradient: NDArray[np.float64]
    pooled_own: NDArray[np.float64]
    pooled_border: NDArray[np.float64]
    pooled_level: NDArray[np.float64]


def products_of_pairs(
    jacobians: Sequence[Image],
    corners: NDArray[np.intp],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    p: int,
) -> NDArray[np.float64]:
    """Multiply the weighted derivatives of pairs of particles where their windows overlap.

    Parameters
    ----------
    jacobians
        One for each particle, (p, w, w).
    corners
        (n, 3): first row, first column and width of each window.
    first, second
        (k,) rows of the pairs.

    Returns
    -------
    (k, p, p) blocks.
    """
    out = np.zeros((len(first), p, p))
    top, left = corners[:, 0], corners[:, 1]
    bottom, right = top + corners[:, 2], left + corners[:, 2]
    y0, x0 = np.maximum(top[first], top[second]), np.maximum(left[first], left[second])
    high = np.minimum(bottom[first], bottom[second]) - y0
    wide = np.minimum(right[first], right[second]) - x0
    table = np.stack([
        np.arange(len(first)), first, second, high, wide, y0 - top[first], x0 - left[first],
        y0 - top[second], x0 - left[second],
    ], axis=1)[(high > 0) & (wide > 0)]  # fmt: skip
    for k, a, b, h, w, ya, xa, yb, xb in table.tolist():
        one = jacobians[a][:, ya : ya + h, xa : xa + w].reshape(p, -1)
        out[k] = one.dot(jacobians[b][:, yb : yb + h, xb : xb + w].reshape(p, -1).T)
    return out
