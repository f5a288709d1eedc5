"""Cut the spectra to a range of Raman shifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.spectra.spectral_set import AxisError

NAME = "crop"
TITLE = "Crop"
SUMMARY = "Keeps the Raman shifts between two limits."


@dataclass(frozen=True, slots=True)
class Parameters:
    """The range kept, limits included."""

    low: float = parameter(
        100.0, "From", unit="cm⁻¹", minimum=-5000, maximum=10000, step=10,
        help="Below this the edge of the laser filter distorts most spectra.",
    )  # fmt: skip
    high: float = parameter(3200.0, "To", unit="cm⁻¹", minimum=-5000, maximum=10000, step=10)


def apply(
    intensities: NDArray[np.float32], axis: NDArray[np.float64], parameters: Parameters
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Keep the points with ``low <= Raman shift <= high``, as a view.

    Raises
    ------
    AxisError
        If fewer than two points are left.
    """
    keep = slice(
        int(np.searchsorted(axis, parameters.low, side="left")),
        int(np.searchsorted(axis, parameters.high, side="right")),
    )
    if keep.stop - keep.start < 2:
        raise AxisError(
            f"No spectrum lies between {parameters.low:g} and {parameters.high:g} cm⁻¹.",
            f"The spectra reach from {axis[0]:.5g} to {axis[-1]:.5g} cm⁻¹.",
        )
    return intensities[:, keep], axis[keep]
