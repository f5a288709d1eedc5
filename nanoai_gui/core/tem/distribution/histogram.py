"""Histograms and curves of a size distribution, weighted by number or by volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.distribution.normal import normal_cumulative
from nanoai_gui.core.tem.distribution.sample import Sample, Unit

Weighting = Literal["number", "volume"]
Scale = Literal["log", "linear"]


@dataclass(frozen=True, eq=False)
class Histogram:
    """A histogram that knows which particles stand in which bar.

    Parameters
    ----------
    edges
        (k + 1,) in the unit of the sample, ascending.
    counts
        (k,) int64, number of particles, whatever the weighting.
    fraction
        (k,) float64, share of number or volume; sums to 1 (0 without particles).
    bins
        (n,) int64: the bar of every particle of the sample.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    fraction: NDArray[np.float64]
    bins: NDArray[np.int64]
    weighting: Weighting
    scale: Scale
    unit: Unit

    @property
    def density(self) -> NDArray[np.float64]:
        """Share per natural-log unit of diameter (log scale) or per unit of diameter (linear scale)."""
        widths = np.diff(np.log(self.edges) if self.scale == "log" else self.edges)
        return self.fraction / widths

    def in_bar(self, bar: int) -> NDArray[np.int64]:
        """Rows of the sample that stand in one bar."""
        return np.flatnonzero(self.bins == bar)


def bin_edges(
    sample: Sample, scale: Scale = "log", held: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Choose the edges of a histogram.

    The width is that of Freedman and Diaconis, 2 IQR / n^(1/3) (Z. Wahrscheinlichkeitstheorie 57 (1981)
    453), of ln d or d, rounded to a grid that does not depend on the sample: 5, 10, 20, 40 ... bars a decade
    (every other Renard series of ISO 3) or 1, 2, 5 x 10^k. So bars stay where they are while results grow.

    Parameters
    ----------
    held
        Edges to keep as they are, as long as they can be extended by bars of the same width to hold all
        particles with at most 400 bars.
    """
    d = sample.diameters
    if not len(d):
        return np.array([1.0, 10.0]) if held is None else held
    x = np.log10(d) if scale == "log" else d
    low, high = float(x.min()), float(x.max())
    if held is not None and len(held) > 1:
        grid = np.log10(held) if scale == "log" else held
        step = float(grid[1] - grid[0])
        before = max(0, math.ceil((grid[0] - low) / step))
        after = max(0, math.floor((high - grid[-1]) / step) + 1)
        if before + after == 0:
            return held
        if before + after + len(held) <= 401:
            left = grid[0] - step * np.arange(before, 0, -1)
            right = grid[-1] + step * np.arange(1, after + 1)
            added = np.concatenate([left, grid, right])
            return np.asarray(10.0**added if scale == "log" else added)
    step = _nice_step(x, scale)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    grid = step * np.arange(first, last + 1)
    return np.asarray(10.0**grid if scale == "log" else grid)


def _nice_step(x: NDArray[np.float64], scale: Scale) -> float:
    """Round the width of Freedman and Diaconis to the nearest one of the fixed grids."""
    q25, q75 = np.quantile(x, (0.25, 0.75))
    span = float(np.ptp(x))
    width = 2 * float(q75 - q25) / len(x) ** (1 / 3)
    # Never more than 60 bars (a far outlier), nor fewer than 5 for a sample that has a width at all.
    width = min(max(width, span / 60), span / 5) if span > 0 else 0.0
    if scale == "log":
        steps = 1 / (5.0 * 2.0 ** np.arange(8))
        wanted = width or steps[2]
    else:
        decade = 10.0 ** np.arange(-6, 7)
        steps = np.sort(np.concatenate([decade, 2 * decade, 5 * decade]))
        wanted = width or 0.05 * float(x[0])
    return float(steps[np.argmin(np.abs(np.log(steps / wanted)))])


def histogram(
    sample: Sample,
    weighting: Weighting = "number",
    scale: Scale = "log",
    edges: NDArray[np.float64] | None = None,
) -> Histogram:
    """Count a sample into bars; a diameter on an edge belongs to the bar above it.

    Parameters
    ----------
    weighting
        ``number``: each particle counts once; ``volume``: by d^3, as a sphere (ISO 9276-1).
    scale
        Decides the bars, and what :attr:`Histogram.density` is a density of.
    edges
        From :func:`bin_edges`, which is asked when ``None``. Particles outside are put into the outermost
        bars, so that the fractions always sum to 1.
    """
    if edges is None:
        edges = bin_edges(sample, scale)
    k = len(edges) - 1
    bins = np.clip(np.searchsorted(edges, sample.diameters, side="right") - 1, 0, k - 1)
    counts = np.bincount(bins, minlength=k).astype(np.int64)
    weights = _weights(sample.diameters, weighting)
    fraction = np.bincount(bins, weights, minlength=k).astype(np.float64)
    return Histogram(edges, counts, fraction, bins, weighting, scale, sample.unit)


def cumulative(
    sample: Sample, weighting: Weighting = "number"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cumulative undersize curve (ISO 9276-1): sorted diameters and the share not larger than each."""
    d = np.sort(sample.diameters)
    share = np.cumsum(_weights(d, weighting))
    if len(share):
        share[-1] = 1.0
    return d, share


def _weights(d: NDArray[np.float64], weighting: Weighting) -> NDArray[np.float64]:
    """Share of every particle; sums to 1."""
    if not len(d):
        return d
    w = np.ones_like(d) if weighting == "number" else (d / d.max()) ** 3
    return np.asarray(w / w.sum())


def lognormal_density(
    d: NDArray[np.float64], gmd: float, gsd: float, weighting: Weighting = "number", scale: Scale = "log"
) -> NDArray[np.float64]:
    """Lognormal density on the scale of :attr:`Histogram.density`, dF / d(ln d) or dF / dd.

    Weighted by volume it is again lognormal, with the same GSD and ln GMD + 3 ln^2 GSD (Hatch and Choate,
    J. Franklin Inst. 207 (1929) 369; ISO 9276-5). ``gsd`` must exceed 1.
    """
    z, s = _standardised(d, gmd, gsd, weighting)
    per_ln = np.exp(-0.5 * z**2) / (s * math.sqrt(2 * math.pi))
    return per_ln if scale == "log" else np.asarray(per_ln / d)


def lognormal_cumulative(
    d: NDArray[np.float64], gmd: float, gsd: float, weighting: Weighting = "number"
) -> NDArray[np.float64]:
    """Cumulative lognormal distribution, weighted by number or volume; ``gsd`` must exceed 1."""
    return normal_cumulative(_standardised(d, gmd, gsd, weighting)[0])


def _standardised(
    d: NDArray[np.float64], gmd: float, gsd: float, weighting: Weighting
) -> tuple[NDArray[np.float64], float]:
    s = math.log(gsd)
    if not s > 0:
        raise ValueError("a lognormal curve needs a GSD above 1")
    centre = math.log(gmd) + (3 * s**2 if weighting == "volume" else 0.0)
    return np.asarray((np.log(d) - centre) / s), s
