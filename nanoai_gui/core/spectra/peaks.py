"""Fit Lorentzian bands to every spectrum: RBM, D, G-, G+, G' of carbon nanotubes, or any others.

Bands that overlap are fitted together, with a straight line below them, within a window. All spectra of a
piece go through the iterations of Levenberg and Marquardt side by side (K. Levenberg, Q. Appl. Math. 2
(1944) 164; D. W. Marquardt, SIAM J. Appl. Math. 11 (1963) 431), which makes whole maps quick.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.spectra.spectral_set import AxisError, MapGrid, SpectralSet

Values = NDArray[np.float64]

QUANTITIES = ("position", "height", "width", "area")
LEAST_SIGNAL = 3.0
"""A band whose height is below this many of its standard errors is not there: its shape means nothing."""
_CHUNK = 512
_MAX_ITERATIONS = 60
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Band:
    """A band to be fitted.

    Parameters
    ----------
    name
        Unique among those fitted together, such as ``G+``.
    low, high
        Where its top may lie, cm-1.
    width
        Usual full width at half maximum, cm-1; the fit allows a quarter to four times of it.
    """

    name: str
    low: float
    high: float
    width: float


@dataclass(frozen=True, slots=True)
class Window:
    """A range that is fitted at once: its bands, and a straight line below them.

    Parameters
    ----------
    low, high
        cm-1.
    bands
        At least one.
    """

    low: float
    high: float
    bands: tuple[Band, ...]


NANOTUBE_WINDOWS = (
    Window(160, 320, (Band("RBM", 215, 245, 9), Band("RBM low", 190, 214, 9), Band("RBM high", 256, 280, 9))),
    Window(1200, 1420, (Band("D", 1280, 1360, 40),)),
    Window(1500, 1660, (Band("G-", 1545, 1580, 16), Band("G+", 1583, 1602, 12))),
    Window(2450, 2720, (Band("G'", 2540, 2680, 38),)),
)
"""Bands of semiconducting nanotubes; D and G' are found for lasers from 514 to 785 nm."""

GRAPHENE_WINDOWS = (
    Window(1200, 1450, (Band("D", 1310, 1380, 40),)),
    Window(1480, 1700, (Band("G", 1560, 1610, 18),)),
    Window(2550, 2850, (Band("2D", 2620, 2760, 35),)),
)
"""Bands of graphene and graphite for lasers from 488 to 633 nm (A. C. Ferrari, D. M. Basko, Nat. Nanotechnol.
8 (2013) 235)."""


@dataclass(frozen=True, eq=False)
class BandFits:
    """What was fitted to n spectra, band by band.

    Parameters
    ----------
    values, errors
        By ``(band, quantity)``, (n,) each, the quantities being ``position`` and ``width`` (full width at
        half maximum) in cm-1, ``height`` in counts, ``area`` in counts cm-1. Errors are standard errors from
        the curvature of the sum of squares and the scatter of the residuals. Position and width, and all
        errors, are NaN where the band is not there (height below 3 standard errors, or a parameter at the
        edge of what is allowed); height and area stay, so that ratios of weak bands are not biased.
    bands
        Names, in order.
    notes
        By band: why it was not fitted, or looked for in a part of its range only.
    """

    values: dict[tuple[str, str], Values]
    errors: dict[tuple[str, str], Values]
    bands: tuple[str, ...]
    notes: dict[str, str] = field(default_factory=dict)

    def ratio(self, above: str = "D", below: str = "G+", quantity: str = "height") -> tuple[Values, Values]:
        """Give the ratio of two bands and its standard error, (n,) each.

        Errors of both bands are taken as independent; NaN where the lower band is not there.
        """
        top, bottom = self.values[above, quantity], self.values[below, quantity]
        there = np.isfinite(self.values[below, "position"]) & (bottom > 0)
        bottom = np.where(there, bottom, np.nan)
        value = top / bottom
        error = np.hypot(self.errors[above, quantity], value * self.errors[below, quantity])
        return value, error / bottom

    def picture(self, grid: MapGrid, band: str, quantity: str) -> Values:
        """Give (n_rows, n_columns), a map of one quantity, NaN where there is no value."""
        return grid.picture(self.values[band, quantity])

    def columns(self) -> dict[str, Values]:
        """Give everything as named columns: ``G+ position``, ``G+ position error`` ... and ``D/G``."""
        result: dict[str, Values] = {}
        for band in self.bands:
            for quantity in QUANTITIES:
                result[f"{band} {quantity}"] = self.values[band, quantity]
                result[f"{band} {quantity} error"] = self.errors[band, quantity]
        if "D" in self.bands and "G+" in self.bands:
            result["D/G"], result["D/G error"] = self.ratio()
        return result


def fit_bands(
    spectra: SpectralSet,
    windows: Sequence[Window] = NANOTUBE_WINDOWS,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> BandFits:
    """Fit the bands of every spectrum.

    Parameters
    ----------
    spectra
        Best without spikes; slow backgrounds need not be removed.
    windows
        What is fitted, as far as the spectra reach, see :func:`within_reach`.
    progress, cancelled
        Called for every 512 spectra and window.

    Raises
    ------
    AxisError
        If the spectra cover none of the windows.
    ParameterError
        If two bands have one name or a band lies outside of its window.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    _check(windows)
    axis = spectra.axis
    covered, notes = within_reach(axis, windows)
    if not covered:
        raise AxisError(
            "The spectra cover none of the bands.",
            f"They reach from {axis[0]:.5g} to {axis[-1]:.5g} cm⁻¹.",
        )
    n = spectra.n_spectra
    bands = tuple(band.name for window in covered for band in window.bands)
    values = {(band, q): np.full(n, np.nan) for band in bands for q in QUANTITIES}
    errors = {(band, q): np.full(n, np.nan) for band in bands for q in QUANTITIES}
    total, done = max(n, 1) * len(covered), 0
    for window in covered:
        inside = (axis >= window.low) & (axis <= window.high)
        for start in range(0, n, _CHUNK):
            checkpoint(cancelled)
            rows = slice(start, min(start + _CHUNK, n))
            y = spectra.intensities[rows][:, inside].astype(np.float64)
            _store(values, errors, rows, window, *_fit(axis[inside], y, window))
            done += rows.stop - rows.start
            progress(done / total, f"Fitting {', '.join(band.name for band in window.bands)}")
    return BandFits(values, errors, bands, notes)


def _check(windows: Sequence[Window]) -> None:
    names = [band.name for window in windows for band in window.bands]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(f"Two bands are called {name}.", "Give every band its own name.")
    for window in windows:
        for band in window.bands:
            if not window.low <= band.low < band.high <= window.high or band.width <= 0:
                raise ParameterError(
                    f"The band {band.name} does not lie in its window from {window.low:g} to"
                    f" {window.high:g} cm⁻¹.",
                    "Choose limits inside of the window, and a width above zero.",
                )


def within_reach(axis: Values, windows: Sequence[Window]) -> tuple[tuple[Window, ...], dict[str, str]]:
    """Cut windows and bands to what can be fitted of them.

    The top of a band must lie at least half a usual width inside the spectra, or it cannot be told from a
    slope. A band of whose range less than half is left is not fitted, nor is a window that holds fewer points
    than parameters and 4 more.

    Parameters
    ----------
    axis
        (k,) Raman shifts, cm-1.

    Returns
    -------
    What can be fitted, and by band a sentence where it cannot, or in a part of its range only.
    """
    kept, notes = [], {}
    ends = f"the spectra reach from {axis[0]:.5g} to {axis[-1]:.5g} cm⁻¹"
    for window in windows:
        bands = []
        for band in window.bands:
            low = max(band.low, float(axis[0]) + band.width / 2)
            high = min(band.high, float(axis[-1]) - band.width / 2)
            if high - low < (band.high - band.low) / 2:
                notes[band.name] = (
                    f"{band.name} lies between {band.low:g} and {band.high:g} cm⁻¹, but {ends}."
                )
                continue
            if (low, high) != (band.low, band.high):
                notes[band.name] = (
                    f"{band.name} is looked for from {low:.0f} to {high:.0f} cm⁻¹ only, as {ends}."
                )
            bands.append(replace(band, low=low, high=high))
        n_points = int(((axis >= window.low) & (axis <= window.high)).sum())
        if bands and n_points < 3 * len(bands) + 2 + 4:
            notes |= {
                band.name: f"The spectra have too few points around {band.name} ({n_points}) to fit it."
                for band in bands
            }
        elif bands:
            kept.append(replace(window, bands=tuple(bands)))
    return tuple(kept), notes


def _fit(axis: Values, y: Values, window: Window) -> tuple[Values, Values, NDArray[np.bool_]]:
    """Fit (n, k) spectra.

    Returns
    -------
    parameters, covariance, at_edge
        (n, p), (n, p, p), (n, p): for each band position, half width, height, in this order; then the value
        of the line at the left end of the window, and its rise over it.
    """
    model = _Model.of(axis, window)
    scale = np.ptp(y, axis=1)
    scale[scale == 0] = 1.0
    level = y.mean(axis=1)
    shown = (y - level[:, None]) / scale[:, None]
    parameters = model.start(shown)
    damping = np.full(y.shape[0], 1e-2)
    values, slopes = model.evaluate(parameters)
    residuals = shown - values
    cost = np.einsum("nk,nk->n", residuals, residuals)
    going = np.arange(y.shape[0])
    for _ in range(_MAX_ITERATIONS):
        active = parameters[going]
        _, slopes = model.evaluate(active)
        normal = np.einsum("nkp,nkq->npq", slopes, slopes, optimize=True)
        gradient = np.einsum("nkp,nk->np", slopes, residuals[going])
        diagonal = np.einsum("npp->np", normal)
        normal_damped = normal.copy()
        np.einsum("npp->np", normal_damped)[:] += damping[going, None] * diagonal + 1e-12
        step = np.linalg.solve(normal_damped, gradient[..., None])[..., 0]
        trial = np.clip(active + step, model.low, model.high)
        trial_residuals = shown[going] - model.evaluate(trial, with_slopes=False)[0]
        trial_cost = np.einsum("nk,nk->n", trial_residuals, trial_residuals)
        better = trial_cost <= cost[going]
        moved = np.abs(trial - active) / model.typical
        improved = cost[going] - trial_cost
        small = (moved.max(axis=1) < _TOLERANCE) | (better & (improved < 1e-7 * cost[going]))
        accepted = going[better]
        parameters[accepted] = trial[better]
        residuals[accepted] = trial_residuals[better]
        cost[accepted] = trial_cost[better]
        damping[going] = np.where(better, damping[going] / 5, damping[going] * 4)
        going = going[~small & (damping[going] < 1e8)]
        if not going.size:
            break
    _, slopes = model.evaluate(parameters)
    at_edge = (parameters <= model.low + 1e-9) | (parameters >= model.high - 1e-9)
    covariance = _covariance(slopes, cost, at_edge, axis.size)
    unit = np.ones_like(parameters)
    unit[:, 2 : model.n_bands * 3 : 3] = scale[:, None]
    unit[:, model.n_bands * 3 :] = scale[:, None]
    parameters = parameters * unit
    parameters[:, -2] += level
    return parameters, covariance * unit[:, :, None] * unit[:, None, :], at_edge


def _covariance(slopes: Values, cost: Values, at_edge: NDArray[np.bool_], k: int) -> Values:
    """Give (n, p, p): s² (J'J)⁻¹, parameters at their limits being held there."""
    p = slopes.shape[2]
    free = slopes * ~at_edge[:, None, :]
    normal = np.einsum("nkp,nkq->npq", free, free, optimize=True)
    diagonal = np.einsum("npp->np", normal)
    diagonal[diagonal <= 0] = 1.0
    # Scaled to ones on the diagonal, so that counts and cm-1 may stand side by side.
    size = np.sqrt(diagonal)
    scaled = normal / (size[:, :, None] * size[:, None, :])
    inverse = np.linalg.pinv(scaled, rcond=1e-12, hermitian=True)
    variance = cost / max(k - p, 1)
    covariance: Values = inverse / (size[:, :, None] * size[:, None, :]) * variance[:, None, None]
    return covariance


@dataclass(frozen=True, eq=False, slots=True)
class _Model:
    """Lorentzians on a line; heights in units of the range of the spectrum."""

    axis: Values
    bands: tuple[Band, ...]
    low: Values
    high: Values
    typical: Values

    @classmethod
    def of(cls, axis: Values, window: Window) -> _Model:
        low, high, typical = [], [], []
        for band in window.bands:
            low += [band.low, band.width / 8, -2.0]
            high += [band.high, band.width * 2, 20.0]
            typical += [band.width, band.width, 0.1]
        low += [-math.inf, -math.inf]
        high += [math.inf, math.inf]
        typical += [0.1, 0.1]
        return cls(axis, window.bands, np.array(low), np.array(high), np.array(typical))

    @property
    def n_bands(self) -> int:
        return len(self.bands)

    @property
    def ramp(self) -> Values:
        """From 0 to 1 over the window."""
        ramp: Values = (self.axis - self.axis[0]) / (self.axis[-1] - self.axis[0])
        return ramp

    def start(self, y: Values) -> Values:
        """Guess (n, p): the highest point of each band's range, above a line through the ends."""
        n, k = y.shape
        ends = max(2, k // 12)
        left, right = np.median(y[:, :ends], axis=1), np.median(y[:, -ends:], axis=1)
        above = y - left[:, None] - (right - left)[:, None] * self.ramp
        parameters = np.empty((n, 3 * self.n_bands + 2))
        for number, band in enumerate(self.bands):
            within = np.nonzero((self.axis >= band.low) & (self.axis <= band.high))[0]
            top = within[np.argmax(above[:, within], axis=1)]
            height = np.maximum(above[np.arange(n), top], 0.02)
            parameters[:, 3 * number] = self.axis[top]
            parameters[:, 3 * number + 1] = band.width / 2
            parameters[:, 3 * number + 2] = height
        parameters[:, -2], parameters[:, -1] = left, right - left
        return np.clip(parameters, self.low + 1e-6, self.high - 1e-6)

    def evaluate(self, parameters: Values, with_slopes: bool = True) -> tuple[Values, Values]:
        """Give the curves (n, k) and, if wanted, their derivatives (n, k, p)."""
        n, p = parameters.shape
        ramp = self.ramp
        values = parameters[:, -2, None] + parameters[:, -1, None] * ramp
        slopes = np.empty((n, self.axis.size, p) if with_slopes else (0, 0, 0))
        if with_slopes:
            slopes[:, :, -2] = 1.0
            slopes[:, :, -1] = ramp
        for number in range(self.n_bands):
            centre, half, height = (parameters[:, 3 * number + i, None] for i in range(3))
            u = (self.axis - centre) / half
            shape = 1 / (1 + u**2)
            values += height * shape
            if with_slopes:
                falling = 2 * height * u * shape**2 / half
                slopes[:, :, 3 * number] = falling
                slopes[:, :, 3 * number + 1] = falling * u
                slopes[:, :, 3 * number + 2] = shape
        return values, slopes


def _store(
    values: dict[tuple[str, str], Values],
    errors: dict[tuple[str, str], Values],
    rows: slice,
    window: Window,
    parameters: Values,
    covariance: Values,
    at_edge: NDArray[np.bool_],
) -> None:
    for number, band in enumerate(window.bands):
        first = 3 * number
        position, half, height = (parameters[:, first + i] for i in range(3))
        deviation = np.sqrt(np.maximum(np.einsum("npp->np", covariance)[:, first : first + 3], 0.0))
        # Area of a Lorentzian: π times half width times height; both are correlated.
        shared = covariance[:, first + 1, first + 2]
        area_variance = (
            (height * deviation[:, 1]) ** 2 + (half * deviation[:, 2]) ** 2 + 2 * height * half * shared
        )
        there = height > LEAST_SIGNAL * deviation[:, 2]
        there &= ~at_edge[:, first : first + 3].any(axis=1)
        results = {
            "position": (position, deviation[:, 0]),
            "height": (height, deviation[:, 2]),
            "width": (2 * half, 2 * deviation[:, 1]),
            "area": (np.pi * half * height, np.pi * np.sqrt(np.maximum(area_variance, 0.0))),
        }
        for quantity, (value, error) in results.items():
            shaped = quantity in ("position", "width")
            values[band.name, quantity][rows] = np.where(there, value, np.nan) if shaped else value
            errors[band.name, quantity][rows] = np.where(there | (not shaped), error, np.nan)
