"""Take away fluorescence and other slow backgrounds."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, never_cancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.spectra.preprocessing.polynomials import imodpoly, modpoly, snip
from nanoai_gui.core.spectra.preprocessing.whittaker import Curves, airpls, arpls, penalty

NAME = "baseline"
TITLE = "Take away the baseline"
SUMMARY = "Removes fluorescence and other slow backgrounds, and leaves the bands."
TAKES_CANCELLED = True
LEAST_POINTS = 5
LADDER = (150.0, 300.0, 600.0, 1200.0, 2400.0)
"""Periods in cm-1 that the automatic setting tries, from flexible to stiff."""
STILL_GOOD = 0.9
"""A stiffer baseline is taken as long as it keeps this share of the points that the others lie on."""
COARSE = 7.5
"""The automatic setting looks at means over at most this many cm-1: no baseline changes faster."""


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
    intensities: NDArray[np.float32],
    axis: NDArray[np.float64],
    parameters: Parameters,
    cancelled: Cancelled = never_cancelled,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Subtract the baseline from every spectrum.

    Raises
    ------
    ParameterError
        If the spectra have too few points for a baseline.
    """
    return intensities - estimate(intensities, axis, parameters, cancelled), axis


def estimate(
    intensities: NDArray[np.float32],
    axis: NDArray[np.float64],
    parameters: Parameters,
    cancelled: Cancelled = never_cancelled,
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
    return np.ascontiguousarray(_curves(y, axis, parameters, cancelled).T, dtype=np.float32)


def _curves(y: Curves, axis: NDArray[np.float64], parameters: Parameters, cancelled: Cancelled) -> Curves:
    method = parameters.method
    if method is Method.MODPOLY:
        return modpoly(y, parameters.order)
    if method is Method.IMODPOLY:
        return imodpoly(y, parameters.order)
    if method is Method.SNIP:
        spacing = float(np.median(np.diff(axis)))
        # Windows of 1 to m spread as far as a walk of steps 1 to m, the square root of m³/3, does.
        reach = parameters.period / (4 * spacing)
        return snip(y, max(1, round((3 * reach**2) ** (1 / 3))))
    if method is Method.AUTO:
        return _automatic(y, axis, cancelled)
    penalties = np.full(y.shape[1], penalty(parameters.period, axis))
    if method is Method.AIRPLS:
        return airpls(y, penalties, cancelled=cancelled)[0]
    return arpls(y, penalties, cancelled=cancelled)[0]


def _automatic(y: Curves, axis: NDArray[np.float64], cancelled: Cancelled) -> Curves:
    """Find the stiffest arPLS baseline that still lies on the spectrum where there are no bands.

    Too flexible a baseline follows the bands' feet and the noise; too stiff a one parts from the background,
    and then lies on far fewer points (within three standard deviations of the noise). So each spectrum
    climbs the ladder from flexible to stiff and stops before the first rung that loses a tenth of the points.
    """
    n_mean = max(1, int(COARSE / float(np.median(np.diff(axis)))))
    while n_mean > 1 and axis.size // n_mean < 30:
        n_mean -= 1
    coarse_axis, coarse = _means(axis[:, None], n_mean)[:, 0], _means(y, n_mean)
    chosen = np.empty_like(coarse)
    going = np.arange(y.shape[1])
    weights: Curves | None = None
    noise = _noise(coarse)
    most = np.zeros(y.shape[1])
    for period in LADDER:
        data = coarse[:, going]
        penalties = np.full(going.size, penalty(period, coarse_axis))
        # Starting from the weights of the rung below halves the number of iterations. What has not
        # converged by then is mostly on the wrong rung; exact weights would not move the baseline.
        curves, weights = arpls(data, penalties, 15, weights, tolerance=0.02, cancelled=cancelled)
        residuals = np.abs(data - curves)
        if period == LADDER[0]:
            # Smoothed spectra have no noise from point to point, but still one around their baseline.
            noise = np.maximum(noise, 1.4826 * np.median(residuals, axis=0))
        on_it = (residuals <= 3 * noise[going]).mean(axis=0)
        good = on_it >= STILL_GOOD * most[going]
        chosen[:, going[good]] = curves[:, good]
        most[going] = np.maximum(most[going], on_it)
        going, weights = going[good], weights[:, good]
        if not going.size:
            break
    return _between(axis, coarse_axis, chosen)


def _means(y: Curves, n: int) -> Curves:
    """Average n points each; the last of (k // n) takes what is left over."""
    starts = np.arange(0, y.shape[0] - n + 1, n)
    counts = np.diff(np.append(starts, y.shape[0]))
    sums: Curves = np.add.reduceat(y, starts, axis=0)
    return sums / counts[:, None]


def _noise(y: Curves) -> NDArray[np.float64]:
    """Give (n,), the standard deviation of the noise, from second differences (three points; robust)."""
    if y.shape[0] < 3:
        return np.zeros(y.shape[1])
    second = np.abs(y[2:] - 2 * y[1:-1] + y[:-2])
    result: NDArray[np.float64] = 1.4826 * np.median(second, axis=0) / np.sqrt(6.0)
    return result


def _between(axis: NDArray[np.float64], nodes: NDArray[np.float64], values: Curves) -> Curves:
    """Interpolate (m, n) at the nodes linearly to (k, n); beyond the first and last node go straight on."""
    if nodes.size == axis.size:
        return values
    left = np.clip(np.searchsorted(nodes, axis, side="right") - 1, 0, nodes.size - 2)
    weight = ((axis - nodes[left]) / (nodes[left + 1] - nodes[left]))[:, None]
    return values[left] + weight * (values[left + 1] - values[left])
