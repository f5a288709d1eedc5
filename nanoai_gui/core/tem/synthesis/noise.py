"""What the empty background tells about dose, detector and film: its autocorrelation, taken apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_LAG = 16
_SIDE = 1024
_GRAINS = np.geomspace(0.7, 12.0, 24)
_DETECTORS = np.arange(0.0, 1.55, 0.05)


@dataclass(frozen=True, slots=True)
class NoiseParts:
    """Variances as shares of the squared background level.

    ``shot`` is the Poisson noise before the detector blurs it (``detector_blur_px``), ``film`` the texture
    of the film with grain ``film_grain_px``.
    """

    shot: float
    detector_blur_px: float
    film: float
    film_grain_px: float


def autocovariance(residual: NDArray[np.float32], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean product of free px at distances 0..:data:`LARGEST_LAG` px along rows and columns.

    Parameters
    ----------
    residual
        (height, width), relative deviation from the background.
    free
        (height, width), where there is nothing but background.
    """
    from scipy import fft

    y0, x0 = (max((n - _SIDE) // 2, 0) for n in residual.shape)
    window = slice(y0, y0 + _SIDE), slice(x0, x0 + _SIDE)
    mask = free[window].astype(np.float32)
    values = residual[window] * mask
    size = tuple(fft.next_fast_len(n + LARGEST_LAG + 1) for n in mask.shape)

    def products(image: NDArray[np.float32]) -> NDArray[np.float64]:
        power = np.abs(fft.rfft2(image, size)) ** 2
        correlation = fft.irfft2(power, size)
        lags = slice(0, LARGEST_LAG + 1)
        return np.asarray(correlation[lags, 0] + correlation[0, lags], dtype=np.float64)

    return products(values) / np.maximum(products(mask), 1.0)


def take_apart(covariance: NDArray[np.float64]) -> NoiseParts:
    """Fit white noise smoothed by a detector plus a film of Gaussian grain to an autocovariance.

    For every detector blur and grain of a grid, the two variances are the non-negative least-squares
    solution; the pair with the least misfit is taken.
    """
    from scipy import optimize

    lags = np.arange(len(covariance))
    best, parts = np.inf, NoiseParts(float(covariance[0]), 0.0, 0.0, 2.0)
    # What varies over more than the lags looked at, such as the film's thickness.
    slow = np.ones(len(lags))
    # The first lags decide between detector and film; far ones carry what flattening left over.
    weight = 1 / (1 + 0.15 * lags)
    for detector in _DETECTORS:
        shot = smoothed_white(detector, len(lags))
        for grain in _GRAINS:
            # A film finer than the detector's own spread could not be told from noise.
            if grain < 1.2 * detector + 0.5:
                continue
            film = np.exp(-(lags**2) / (4 * grain**2))
            columns = np.stack([shot, film, slow], axis=1) * weight[:, None]
            (a, f, _), misfit = optimize.nnls(columns, covariance * weight)
            if misfit < best:
                best = misfit
                parts = NoiseParts(float(a), float(detector), float(f), float(grain))
    return parts


def smoothed_white(sigma: float, n: int) -> NDArray[np.float64]:
    """Autocovariance at lags 0..n-1 of white noise of variance 1 after a Gaussian of ``sigma`` px."""
    result = np.zeros(n)
    if sigma < 0.2:
        result[0] = 1.0
        return result
    place = np.arange(-math.ceil(3.5 * sigma), math.ceil(3.5 * sigma) + 1)
    kernel = np.exp(-0.5 * (place / sigma) ** 2)
    kernel /= kernel.sum()
    along = np.correlate(kernel, kernel, mode="full")[len(kernel) - 1 :]
    used = min(n, len(along))
    # Across the lag the kernel is summed over, too: its whole energy.
    result[:used] = along[:used] * along[0]
    return result
