"""Baselines by penalised least squares, for many spectra at once.

Each iteration solves (W + λ D'D) z = W y for every spectrum, D being second differences (P. H. C. Eilers,
Anal. Chem. 75 (2003) 3631). The matrix has five diagonals. It is factorised point by point, for all spectra
of a piece side by side: one pass over 1000 points then costs some ten microseconds a spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled

Curves = NDArray[np.float64]
"""(k, n): one spectrum a column, so that all values of one point lie side by side."""


def penalty(period_cm: float, axis: NDArray[np.float64]) -> float:
    """Give λ for which waves of a period in cm-1 are halved.

    A Whittaker smoother with second differences passes waves of ω rad per point by the factor
    1 / (1 + λ (2 sin ω/2)⁴), here about 1 / (1 + λ ω⁴) (Eilers 2003): λ = (period / (2 π spacing))⁴.
    In this way a setting means the same on every axis.
    """
    spacing = float(np.median(np.diff(axis)))
    return (period_cm / (2 * math.pi * spacing)) ** 4


def solve(y: Curves, weights: Curves, penalties: NDArray[np.float64]) -> Curves:
    """Solve (W + λ D'D) z = W y for every column.

    Parameters
    ----------
    y, weights
        (k, n), k >= 3; weights >= 0, at least two of a column above zero.
    penalties
        (n,), λ of each column.

    Returns
    -------
    (k, n), z.
    """
    k, n = y.shape
    # Divided by λ, everything off the diagonal is a constant; with L D L' and m_i = d_i l1_i:
    # d_i = a_i - m_(i-1) l1_(i-1) - 1/d_(i-2),  m_i = b_i - l1_(i-1),  l1_i = m_i / d_i,  l2_i = 1 / d_i.
    scaled = weights / penalties
    z = scaled * y
    diagonal, beside = _second_difference_bands(k)
    scaled += diagonal[:, None]
    inverse = np.empty((k, n))
    lower = np.empty((k, n))
    middle, product = np.empty(n), np.empty(n)
    multiply, subtract, divide = np.multiply, np.subtract, np.divide
    for i in range(k):
        d = scaled[i]
        if i:
            multiply(middle, lower[i - 1], out=product)
            subtract(d, product, out=d)
            multiply(z[i - 1], lower[i - 1], out=product)
            subtract(z[i], product, out=z[i])
        if i > 1:
            subtract(d, inverse[i - 2], out=d)
            multiply(z[i - 2], inverse[i - 2], out=product)
            subtract(z[i], product, out=z[i])
        divide(1.0, d, out=inverse[i])
        if i + 1 < k:
            if i:
                subtract(beside[i], lower[i - 1], out=middle)
            else:
                middle[:] = beside[0]
            multiply(middle, inverse[i], out=lower[i])
    z *= inverse
    for i in range(k - 2, -1, -1):
        multiply(z[i + 1], lower[i], out=product)
        subtract(z[i], product, out=z[i])
        if i + 2 < k:
            multiply(z[i + 2], inverse[i], out=product)
            subtract(z[i], product, out=z[i])
    return z


def _second_difference_bands(k: int) -> tuple[NDArray[np.float64], list[float]]:
    """Give the diagonal and the first band beside it of D'D; the second band is all ones."""
    diagonal = np.zeros(k)
    beside = np.zeros(k - 1)
    for row in (slice(0, k - 2), slice(2, k)):
        diagonal[row] += 1
    diagonal[1 : k - 1] += 4
    beside[: k - 2] -= 2
    beside[1:] -= 2
    return diagonal, beside.tolist()


Reweight = Callable[[Curves, Curves, int, NDArray[np.int64]], tuple[Curves, NDArray[np.bool_]]]
"""``(residuals, weights, iteration, columns) -> (new weights, converged)``, for the columns not yet done."""


def iterate(
    y: Curves,
    penalties: NDArray[np.float64],
    reweight: Reweight,
    max_iterations: int,
    weights: Curves | None = None,
    cancelled: Cancelled = never_cancelled,
) -> tuple[Curves, Curves]:
    """Solve and reweight until every column has converged; those that have are left alone.

    ``weights`` are those to start with, ones by default.

    Returns
    -------
    baselines, weights
        (k, n) each.
    """
    k, n = y.shape
    result, final = np.empty((k, n)), np.empty((k, n))
    active = np.arange(n)
    if weights is None:
        weights = np.ones((k, n))
    for iteration in range(1, max_iterations + 1):
        checkpoint(cancelled)
        z = solve(y, weights, penalties)
        new, converged = reweight(y - z, weights, iteration, active)
        if iteration == max_iterations:
            converged = np.ones_like(converged)
        if converged.any():
            result[:, active[converged]] = z[:, converged]
            final[:, active[converged]] = new[:, converged]
            going = ~converged
            active, y, penalties, new = active[going], y[:, going], penalties[going], new[:, going]
            if not active.size:
                break
        weights = new
    return result, final


def arpls(
    y: Curves,
    penalties: NDArray[np.float64],
    max_iterations: int = 50,
    weights: Curves | None = None,
    tolerance: float = 1e-3,
    cancelled: Cancelled = never_cancelled,
) -> tuple[Curves, Curves]:
    """Asymmetrically reweighted penalised least squares.

    S.-J. Baek, A. Park, Y.-J. Ahn, J. Choo, Analyst 140 (2015) 250: weights are a logistic function of the
    residual, centred at 2 σ - μ of the negative ones; stops when they change by less than
    ``tolerance``, relative to their norm.

    Returns
    -------
    baselines, weights
        (k, n) each; a weight near 1 marks a point without a band.
    """

    def reweight(
        residuals: Curves, weights: Curves, iteration: int, columns: NDArray[np.int64]
    ) -> tuple[Curves, NDArray[np.bool_]]:
        return _arpls_weights(residuals, weights, tolerance)

    return iterate(y, penalties, reweight, max_iterations, weights, cancelled)


def _arpls_weights(residuals: Curves, weights: Curves, tolerance: float) -> tuple[Curves, NDArray[np.bool_]]:
    """Overwrite the residuals with the new weights, some rows at a time, which then stay in the cache."""
    n = residuals.shape[1]
    count, total, squares, largest = np.zeros((4, n))
    for rows in _blocks(residuals):
        block = residuals[rows]
        below = np.minimum(block, 0.0)
        count += np.count_nonzero(below, axis=0)
        total += below.sum(axis=0)
        squares += np.einsum("kn,kn->n", below, below)
        np.maximum(largest, block.max(axis=0), out=largest)
    count = np.maximum(count, 1)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    # Exact baselines leave no deviation to compare with: then all is said.
    flat = deviation <= 1e-12 * np.maximum(largest - mean, 1e-300)
    deviation[flat] = 1.0
    slope, shift = 2 / deviation, 2 * (2 * deviation - mean) / deviation
    moved, size = np.zeros((2, n))
    for rows in _blocks(residuals):
        block, old = residuals[rows], weights[rows]
        block *= slope
        block -= shift
        np.minimum(block, 60.0, out=block)
        np.exp(block, out=block)
        block += 1
        np.divide(1.0, block, out=block)
        change = block - old
        moved += np.einsum("kn,kn->n", change, change)
        size += np.einsum("kn,kn->n", old, old)
    return residuals, (moved < tolerance**2 * size) | flat


def _blocks(curves: Curves) -> Iterator[slice]:
    rows = max(1, 32768 // max(curves.shape[1], 1))
    for start in range(0, curves.shape[0], rows):
        yield slice(start, start + rows)


def airpls(
    y: Curves,
    penalties: NDArray[np.float64],
    max_iterations: int = 50,
    cancelled: Cancelled = never_cancelled,
) -> tuple[Curves, Curves]:
    """Adaptive iteratively reweighted penalised least squares.

    Z.-M. Zhang, S. Chen, Y.-Z. Liang, Analyst 135 (2010) 1138: points above the baseline get no weight,
    those below exp(t |residual| / Σ|negative residuals|) in iteration t; stops when what lies below is less
    than 1 in 1000 of the spectrum.

    Returns
    -------
    baselines, weights
        (k, n) each.
    """
    size = np.maximum(np.abs(y).sum(axis=0), 1e-300)

    def reweight(
        residuals: Curves, weights: Curves, iteration: int, columns: NDArray[np.int64]
    ) -> tuple[Curves, NDArray[np.bool_]]:
        below = np.maximum(-residuals, 0.0)
        total = below.sum(axis=0)
        share = below * (iteration / np.maximum(total, 1e-300))
        new: Curves = np.where(residuals < 0, np.exp(share), 0.0)
        return new, total < 1e-3 * size[columns]

    return iterate(y, penalties, reweight, max_iterations, None, cancelled)
