"""Take away fluorescence and other slow backgrounds."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.spectra.preprocessing.polynomials import imodpoly, modpoly, snip
from nanoai_gui.core.spectra.preprocessing.whittaker import Curves, airpls, arpls, penalty

NAME = "baseline"
TITLE = "Take away the baseline"
SUMMARY = "Removes fluorescence and other slow backgrounds, and leaves the bands."
LEAST_POINTS = 5


class Method(enum.Enum):
    """How the baseline is found."""

    AUTO = "auto"
    ARPLS = "arpls"
    AIRPLS = "airpls"
    MODPOLY = "modpoly"
    IMODPOLY = "imodpoly"
    SNIP = "snip"


@dataclass(frozen=True, slots=True)
class Parameters:
    """The method, and how stiff the baseline is."""

    method: Method = parameter(
        Method.AUTO, "Method",
        help="auto: arPLS, as stiff as each spectrum allows; arpls, airpls: penalised least squares; "
        "modpoly, imodpoly: polynomials; snip: clipped peaks.",
    )  # fmt: skip
    period: float = parameter(
        600.0, "Follows waves longer than", unit="cm⁻¹", minimum=20, maximum=20000, step=50,
        help="For arpls, airpls and snip: larger is stiffer. Several times the widest band.",
    )  # fmt: skip
    order: int = parameter(
        5, "Polynomial order", minimum=0, maximum=15, help="For modpoly and imodpoly.", advanced=True
    )


def apply(
    intensities: NDArray[np.float32], axis: NDArray[np.float64], parameters: Parameters
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Subtract the baseline from every spectrum.

    Raises
    ------
    ParameterError
        If the spectra have too few points for a baseline.
    """
    return intensities - estimate(intensities, axis, parameters), axis


def estimate(
    intensities: NDArray[np.float32], axis: NDArray[np.float64], parameters: Parameters
) -> NDArray[np.float32]:
    """Give (n, k), the baselines themselves.

    Raises
    ------
    ParameterError
        As :func:`apply`.
    """
    k = axis.size
    if k < max(LEAST_POINTS, parameters.order + 2):
        raise ParameterError(f"{k} points are too few for a baseline.", "Keep a wider range.")
    y = np.ascontiguousarray(intensities.T, dtype=np.float64)
    return np.ascontiguousarray(_curves(y, axis, parameters).T, dtype=np.float32)


def _curves(y: Curves, axis: NDArray[np.float64], parameters: Parameters) -> Curves:
    method = parameters.method
    if method is Method.MODPOLY:
        return modpoly(y, parameters.order)
    if method is Method.IMODPOLY:
        return imodpoly(y, parameters.order)
    if method is Method.SNIP:
        spacing = float(np.median(np.diff(axis)))
        return snip(y, max(1, round(parameters.period / (4 * spacing))))
    penalties = np.full(y.shape[1], penalty(parameters.period, axis))
    return (airpls if method is Method.AIRPLS else arpls)(y, penalties)[0]
