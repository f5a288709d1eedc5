"""Baselines that are polynomials, or clipped peaks; for many spectra at once."""

from __future__ import annotations

import numpy as np

from nanoai_gui.core.spectra.preprocessing.whittaker import Curves


def modpoly(y: Curves, order: int, max_iterations: int = 250, tolerance: float = 1e-3) -> Curves:
    """Fit a polynomial, cut off whatever stands above it, and fit the rest again, until nothing changes.

    Modified polynomial fit: C. A. Lieber, A. Mahadevan-Jansen, Appl. Spectrosc. 57 (2003) 1363;
    stops when the polynomial changes by less than 1 in 1000.

    Parameters
    ----------
    y
        (k, n), one spectrum a column, k > order.
    order
        Of the polynomial.

    Returns
    -------
    (k, n), the polynomials.
    """
    return _clip_and_fit(y, order, max_iterations, tolerance, with_noise=False)


def imodpoly(y: Curves, order: int, max_iterations: int = 250, tolerance: float = 1e-3) -> Curves:
    """As :func:`modpoly`, but only what stands above the polynomial by more than the noise is cut off.

    J. Zhao, H. Lui, D. I. McLean, H. Zeng, Appl. Spectrosc. 61 (2007) 1225: the noise is the standard
    deviation of the residuals; this keeps the baseline in the middle of the noise instead of below it. Their
    separate treatment of strong bands in the first round is left out.

    Returns
    -------
    (k, n), the polynomials.
    """
    return _clip_and_fit(y, order, max_iterations, tolerance, with_noise=True)


def _clip_and_fit(
    y: Curves, order: int, max_iterations: int, tolerance: float, *, with_noise: bool
) -> Curves:
    # So few at a time that the rounds stay in the cache.
    n = max(1, 65536 // y.shape[0])
    if y.shape[1] > n:
        pieces = [
            _clip_and_fit(y[:, i : i + n], order, max_iterations, tolerance, with_noise=with_noise)
            for i in range(0, y.shape[1], n)
        ]
        return np.concatenate(pieces, axis=1)
    k = y.shape[0]
    # An orthonormal basis: fitting is two products, and high orders stay well conditioned.
    basis, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, k), order + 1, increasing=True))
    result = np.empty_like(y)
    active = np.arange(y.shape[1])
    current = y
    fitted = basis @ (basis.T @ y)
    for iteration in range(max_iterations):
        margin = (current - fitted).std(axis=0) if with_noise else 0.0
        current = np.minimum(current, fitted + margin)
        new = basis @ (basis.T @ current)
        change = np.linalg.norm(new - fitted, axis=0)
        converged = change <= tolerance * np.linalg.norm(fitted, axis=0)
        if iteration == max_iterations - 1:
            converged[:] = True
        if converged.any():
            result[:, active[converged]] = new[:, converged]
            going = ~converged
            active, current, new = active[going], current[:, going], new[:, going]
            if not active.size:
                break
        fitted = new
    return result


def snip(y: Curves, half_window: int) -> Curves:
    """Statistics-sensitive non-linear iterative peak clipping.

    C. G. Ryan et al., Nucl. Instrum. Methods B 34 (1988) 396, with the window shrinking from ``half_window``
    to 1 as M. Morháč et al., Nucl. Instrum. Methods A 401 (1997) 113, advise. Counts are compressed by
    log(log(sqrt(y + 1) + 1) + 1) first, so that weak bands are clipped as well as strong ones.

    Parameters
    ----------
    y
        (k, n), one spectrum a column; shifted up where it is negative.
    half_window
        In points: structures narrower than twice that are taken for bands.

    Returns
    -------
    (k, n), the baselines.
    """
    lowest = np.minimum(y.min(axis=0), 0.0)
    v = np.log(np.log(np.sqrt(y - lowest + 1) + 1) + 1)
    k = y.shape[0]
    for p in range(min(half_window, (k - 1) // 2), 0, -1):
        chord = v[2 * p :] + v[: k - 2 * p]
        chord *= 0.5
        # The right-hand side is complete before v changes: each round sees the round before.
        v[p : k - p] = np.minimum(v[p : k - p], chord)
    root: Curves = np.exp(np.exp(v) - 1) - 1
    back: Curves = root**2 - 1 + lowest
    return back
