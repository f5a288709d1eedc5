"""Smoothing after Savitzky and Golay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.parameters import parameter

NAME = "smooth"
TITLE = "Smooth (Savitzky-Golay)"
SUMMARY = "Fits a polynomial to a sliding window: takes noise away and keeps the height of wide bands."


@dataclass(frozen=True, slots=True)
class Parameters:
    """Window and order."""

    window: int = parameter(
        9, "Window", unit="points", minimum=3, maximum=501, step=2,
        help="An odd number, about the full width of the narrowest band.",
    )  # fmt: skip
    order: int = parameter(3, "Polynomial order", minimum=0, maximum=9)


def apply(
    intensities: NDArray[np.float32], axis: NDArray[np.float64], parameters: Parameters
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Smooth (A. Savitzky, M. J. E. Golay, Anal. Chem. 36 (1964) 1627); polynomials at the ends too.

    Raises
    ------
    ParameterError
        If the window is even, wider than the spectra, or not larger than the order.
    """
    return filter_polynomially(intensities, parameters.window, parameters.order, 0), axis


def filter_polynomially(
    intensities: NDArray[np.float32], window: int, order: int, derivative: int
) -> NDArray[np.float32]:
    """Give the derivative, per point, of sliding polynomials: (n, k) -> (n, k).

    Raises
    ------
    ParameterError
        As :func:`apply`.
    """
    from scipy.signal import savgol_filter

    k = intensities.shape[1]
    if window % 2 == 0 or window <= order or order < derivative:
        raise ParameterError(
            f"A window of {window} points does not go with a polynomial of order {order}.",
            "The window is an odd number larger than the order.",
        )
    if window > k:
        raise ParameterError(
            f"A window of {window} points is wider than the spectra ({k} points).", "Choose a smaller one."
        )
    if intensities.shape[0] == 0:
        return intensities.copy()
    smoothed = savgol_filter(intensities, window, order, deriv=derivative, axis=1, mode="interp")
    return np.asarray(smoothed, np.float32)
