"""Derivatives with respect to the Raman shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.spectra.preprocessing.smooth import filter_polynomially

NAME = "derivative"
TITLE = "Derivative"
SUMMARY = "First or second derivative: removes offset and slope, sharpens overlapping bands, raises noise."


@dataclass(frozen=True, slots=True)
class Parameters:
    """Which derivative, and how much it is smoothed."""

    derivative: int = parameter(1, "Derivative", minimum=1, maximum=2)
    window: int = parameter(
        11, "Window", unit="points", minimum=3, maximum=501, step=2,
        help="An odd number; wider is smoother.",
    )  # fmt: skip
    order: int = parameter(3, "Polynomial order", minimum=1, maximum=9)


def apply(
    intensities: NDArray[np.float32], axis: NDArray[np.float64], parameters: Parameters
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Differentiate by sliding polynomials, in units of intensity per cm-1 (or per cm-2).

    The polynomials run over points; the chain rule brings them to the axis, which need not be even:
    dI/dν = I'/ν' and d²I/dν² = (I'' - dI/dν ν'')/ν'², primes denoting derivatives by the point.

    Raises
    ------
    ParameterError
        If the window is even, wider than the spectra, or not larger than the order.
    """
    step = np.gradient(axis)
    first = filter_polynomially(intensities, parameters.window, parameters.order, 1)
    first /= step.astype(np.float32)
    if parameters.derivative == 1:
        return first, axis
    second = filter_polynomially(intensities, parameters.window, parameters.order, 2)
    second -= first * np.gradient(step).astype(np.float32)
    second /= (step**2).astype(np.float32)
    return second, axis
