"""Bring all spectra to one scale."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.spectra.spectral_set import AxisError

NAME = "normalise"
TITLE = "Normalise"
SUMMARY = "Divides every spectrum by its own size, so that focus and laser power do not matter."


class Method(enum.Enum):
    """What a spectrum is divided by."""

    VECTOR = "vector"
    SNV = "snv"
    AREA = "area"
    PEAK = "peak"


@dataclass(frozen=True, slots=True)
class Parameters:
    """The measure of size, and the band for the method "peak"."""

    method: Method = parameter(
        Method.VECTOR, "By",
        help="vector: length 1; snv: mean 0, standard deviation 1; area: area 1; peak: a band's top 1.",
    )  # fmt: skip
    low: float = parameter(
        1570.0, "Band from", unit="cm⁻¹", minimum=-5000, maximum=10000, step=10,
        help="Only for peak: the band whose top becomes 1.",
    )  # fmt: skip
    high: float = parameter(1610.0, "Band to", unit="cm⁻¹", minimum=-5000, maximum=10000, step=10)


def apply(
    intensities: NDArray[np.float32], axis: NDArray[np.float64], parameters: Parameters
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Divide every spectrum by its own norm.

    ``vector``: Euclidean length. ``snv``: standard normal variate (R. J. Barnes et al., Appl. Spectrosc. 43
    (1989) 772), with n - 1 degrees of freedom. ``area``: integral of the absolute value over the Raman shift.
    ``peak``: highest value in the band.

    A spectrum without any signal (constant for SNV; zero; a band that does not rise above zero) becomes
    zero everywhere: a finite spectrum, which rejection and the signal-to-noise rule recognise.

    Raises
    ------
    AxisError
        For ``peak``, if the band lies outside of the spectra.
    """
    if parameters.method is Method.SNV:
        centred = intensities - intensities.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        size = centred.std(axis=1, ddof=min(1, axis.size - 1), dtype=np.float64)
        # Rounding of a large constant is no signal.
        rounding = np.abs(intensities).max(axis=1, initial=0.0) * np.finfo(np.float32).eps
        return _divide(centred, np.where(size > rounding, size, 0.0)), axis
    if parameters.method is Method.VECTOR:
        size = np.sqrt(np.einsum("nk,nk->n", intensities, intensities, dtype=np.float64))
    elif parameters.method is Method.AREA:
        width = np.gradient(axis) if axis.size > 1 else np.ones(1)
        size = np.abs(intensities) @ width
    else:
        band = (axis >= parameters.low) & (axis <= parameters.high)
        if not band.any():
            raise AxisError(
                f"The band from {parameters.low:g} to {parameters.high:g} cm⁻¹ is not in the spectra.",
                f"They reach from {axis[0]:.5g} to {axis[-1]:.5g} cm⁻¹.",
            )
        size = intensities[:, band].max(axis=1).astype(np.float64)
    return _divide(intensities, size), axis


def _divide(intensities: NDArray[np.float32], size: NDArray[np.float64]) -> NDArray[np.float32]:
    factor = np.zeros_like(size)
    np.divide(1.0, size, out=factor, where=size > np.finfo(np.float32).tiny)
    return intensities * factor.astype(np.float32)[:, None]
