"""Bring the spectra to an evenly spaced axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.spectra.spectral_set import SpectralSet

NAME = "resample"
TITLE = "Resample"
SUMMARY = "Interpolates onto evenly spaced Raman shifts, so that spectra of several instruments fit together."
LARGEST_POINTS = 1 << 16


@dataclass(frozen=True, slots=True)
class Parameters:
    """The new axis: ``low``, ``low + spacing`` ... up to ``high``."""

    low: float = parameter(120.0, "From", unit="cm⁻¹", minimum=-5000, maximum=10000, step=10)
    high: float = parameter(2740.0, "To", unit="cm⁻¹", minimum=-5000, maximum=10000, step=10)
    spacing: float = parameter(
        2.0, "Spacing", unit="cm⁻¹", minimum=0.01, maximum=100, step=0.5,
        help="No finer than the spectrometer's own, as interpolation adds nothing.",
    )  # fmt: skip


def apply(
    intensities: NDArray[np.float32], axis: NDArray[np.float64], parameters: Parameters
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Interpolate linearly; nothing is extrapolated.

    Raises
    ------
    ParameterError
        If the range is empty or the points are too many.
    AxisError
        If the new axis reaches beyond the spectra.
    """
    steps = (parameters.high - parameters.low) / parameters.spacing
    if not 1 <= steps < LARGEST_POINTS:
        raise ParameterError(
            f"An axis from {parameters.low:g} to {parameters.high:g} cm⁻¹ in steps of"
            f" {parameters.spacing:g} cm⁻¹ is not possible.",
            "Choose a wider range or another spacing.",
        )
    # A hair more than the whole steps, as 0.1 and its like are rounded.
    new = parameters.low + parameters.spacing * np.arange(math.floor(steps + 1e-9) + 1)
    made = SpectralSet(intensities, axis).resample(np.asarray(new, np.float64))
    return made.intensities, made.axis
