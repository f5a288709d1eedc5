"""One number for each spectrum, to colour a map by, and a level that parts such numbers in two."""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled
from nanoai_gui.core.spectra.spectral_set import AxisError, SpectralSet

CHUNK_VALUES = 1 << 21
OTSU_BINS = 256


class Quantity(enum.Enum):
    """What of a band is measured.

    ``AREA`` and ``HEIGHT`` count above the straight line between the ends of the band, so that a slanting
    background does not count; ``TOTAL`` is the plain mean intensity in it.
    """

    AREA = "Band area"
    HEIGHT = "Band height"
    POSITION = "Band position"
    TOTAL = "Mean intensity"

    @property
    def unit(self) -> str:
        """Unit, where there is one worth showing."""
        return "cm⁻¹" if self is Quantity.POSITION else ""


def measure_band(
    spectra: SpectralSet,
    quantity: Quantity,
    band: tuple[float, float] | None = None,
    cancelled: Cancelled = never_cancelled,
) -> NDArray[np.float64]:
    """Measure a band in every spectrum.

    Parameters
    ----------
    spectra
        (n, k) intensities.
    quantity
        What of the band.
    band
        Limits in cm-1; ``None``: the whole range.

    Returns
    -------
    (n,) float64: area in intensity x cm-1, height in intensity, position in cm-1 (NaN where nothing rises
    above the line between the ends), mean in intensity.

    Raises
    ------
    AxisError
        If fewer than three points lie in the band (one for the mean).
    """
    low, high = (-np.inf, np.inf) if band is None else band
    first, last = np.searchsorted(spectra.axis, (low, np.nextafter(high, np.inf)))
    least = 1 if quantity is Quantity.TOTAL else 3
    if last - first < least:
        raise AxisError(
            f"The band from {low:.5g} to {high:.5g} cm⁻¹ holds no {least} points of these spectra.",
            f"They reach from {spectra.axis[0]:.5g} to {spectra.axis[-1]:.5g} cm⁻¹.",
        )
    axis = spectra.axis[first:last]
    found = np.empty(spectra.n_spectra)
    rows = max(1, CHUNK_VALUES // axis.size)
    for start in range(0, spectra.n_spectra, rows):
        checkpoint(cancelled)
        piece = spectra.intensities[start : start + rows, first:last].astype(np.float64)
        found[start : start + rows] = _measure(piece, axis, quantity)
    return found


def _measure(
    values: NDArray[np.float64], axis: NDArray[np.float64], quantity: Quantity
) -> NDArray[np.float64]:
    if quantity is Quantity.TOTAL:
        return np.asarray(values.mean(axis=1))
    # Means over a few channels at the ends: a line through two noisy points would tilt at random.
    m = max(1, min(3, axis.size // 8))
    left, right = values[:, :m].mean(axis=1), values[:, -m:].mean(axis=1)
    share = (axis - axis[:m].mean()) / (axis[-m:].mean() - axis[:m].mean())
    above = values - (left[:, None] + (right - left)[:, None] * share)
    if quantity is Quantity.AREA:
        return np.asarray(np.trapezoid(above, axis, axis=1))
    top = above.argmax(axis=1)
    height = above[np.arange(len(above)), top]
    if quantity is Quantity.HEIGHT:
        return np.asarray(height)
    return np.where(height > 0, axis[top], np.nan)


def otsu(values: NDArray[np.float64]) -> float:
    """Choose the level that parts values into two classes best (N. Otsu, IEEE SMC 9 (1979) 62).

    The level of all-equal or no values is that value, or NaN.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return float("nan")
    low, high = np.percentile(finite, (0.5, 99.5))
    if not high > low:
        return float(low)
    counts, edges = np.histogram(np.clip(finite, low, high), OTSU_BINS, (low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()[:-1]
    above = counts.sum() - below
    sums = (counts * centres).cumsum()
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return float(edges[1:-1][np.nanargmax(between)])
