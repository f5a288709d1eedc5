"""What the histogram panel shows, computed beside the window's thread.

Nothing here knows Qt: a :class:`HistogramRequest` goes into a thread, a :class:`HistogramState` comes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.distribution import (
    Histogram,
    Sample,
    Scale,
    SizeDistribution,
    Unit,
    Weighting,
    bin_edges,
    combine,
    cumulative,
    describe,
    histogram,
    lognormal_density,
    take,
)

CURVE_POINTS = 400
"""More points than the plot has pixels would only cost time."""


@dataclass(frozen=True, eq=False)
class HistogramRequest:
    """Which results to pool, and how to show them.

    Parameters
    ----------
    images
        Key and analysis of each image.
    methods
        In the order of the legend; images without a result of a method are passed over for it.
    epoch
        As long as it stays the same, so do the bars; another one lets them be chosen anew.
    least_score
        Particles of a lower score are left out; those without a score stay.
    """

    images: tuple[tuple[int, ImageAnalysis], ...]
    methods: tuple[str, ...]
    weighting: Weighting = "number"
    scale: Scale = "log"
    epoch: int = 0
    least_score: float = 0.0


@dataclass(frozen=True, eq=False)
class MethodCurve:
    """The distribution that one method found; shares in [0, 1], diameters in the unit of the state.

    Parameters
    ----------
    cumulative
        Diameters and the share of number or volume not larger, at most ``CURVE_POINTS`` of them.
    fit
        Diameters and the share that the lognormal fit puts into a bar there; ``None`` if there is none.
    weights
        (n,) share of each particle of the sample.
    """

    method: str
    sample: Sample
    histogram: Histogram
    cumulative: tuple[NDArray[np.float64], NDArray[np.float64]]
    fit: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    distribution: SizeDistribution
    weights: NDArray[np.float64]

    def rows_of(self, key: int, particle_ids: Iterable[int]) -> NDArray[np.bool_]:
        """Mark the particles of one image that have some ids."""
        wanted = np.fromiter(particle_ids, dtype=np.int64)
        return self._in_image(key) & np.isin(self.sample.particle_ids, wanted)

    def share_per_bar(self, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Share that some particles have in each bar."""
        bars = len(self.histogram.edges) - 1
        return np.bincount(self.histogram.bins[rows], self.weights[rows], minlength=bars).astype(np.float64)

    def ids_in_bars(self, first: int, last: int, key: int) -> NDArray[np.int32]:
        """Ids of the particles of one image that stand in bars ``first`` to ``last``, both included."""
        bins = self.histogram.bins
        return self.sample.particle_ids[self._in_image(key) & (bins >= first) & (bins <= last)]

    def _in_image(self, key: int) -> NDArray[np.bool_]:
        if key not in self.sample.images:
            return np.zeros(len(self.sample), dtype=bool)
        return np.equal(self.sample.image_index, self.sample.images.index(key))


@dataclass(frozen=True, eq=False)
class HistogramState:
    """All that is shown. ``n_uncalibrated`` images are left out because others are in nm."""

    request: HistogramRequest
    unit: Unit
    edges: NDArray[np.float64]
    curves: tuple[MethodCurve, ...]
    n_uncalibrated: int

    def curve(self, method: str) -> MethodCurve | None:
        """Give the curve of one method, if it measured anything here."""
        return next((curve for curve in self.curves if curve.method == method), None)


@dataclass(eq=False)
class HistogramComputer:
    """Computes one state after the other, and remembers what can be used again.

    Bars stay where they are while results grow: the edges chosen once are kept, per unit and scale, until
    the epoch of the requests changes. Used by one thread at a time.
    """

    _epoch: int = 0
    _edges: dict[tuple[Unit, Scale], NDArray[np.float64]] = field(default_factory=dict)
    _samples: dict[tuple[int, str, Unit], tuple[ImageAnalysis, float, Sample]] = field(default_factory=dict)

    def compute(self, request: HistogramRequest) -> HistogramState:
        """Pool and describe; lengths in nm as soon as the pixel size of one image is known."""
        if request.epoch != self._epoch:
            self._epoch = request.epoch
            self._edges.clear()
        known = [analysis.calibration.is_known for _, analysis in request.images]
        unit: Unit = "nm" if any(known) else "px"
        samples = {method: self._pool(request, method, unit) for method in request.methods}
        edges = self._edges.get((unit, request.scale))
        for sample in samples.values():
            if len(sample):
                edges = bin_edges(sample, request.scale, held=edges)
        if edges is None:
            edges = bin_edges(Sample.of_diameters([], unit=unit), request.scale)
        else:
            self._edges[unit, request.scale] = edges
        curves = []
        for method, sample in samples.items():
            if sample.images:
                curves.append(_curve(method, sample, edges, request))
        left_out = known.count(False) if unit == "nm" else 0
        return HistogramState(request, unit, edges, tuple(curves), left_out)

    def _pool(self, request: HistogramRequest, method: str, unit: Unit) -> Sample:
        samples = []
        for key, analysis in request.images:
            if method not in analysis.results:
                continue
            place = key, method, unit
            kept = self._samples.get(place)
            least = request.least_score
            if kept is None or kept[0] is not analysis or kept[1] != least:
                kept = analysis, least, take(analysis, method, unit, key, least)
                self._samples[place] = kept
            samples.append(kept[2])
        present = {key for key, _ in request.images}
        for gone in [place for place in self._samples if place[0] not in present]:
            del self._samples[gone]
        return combine(samples, method, unit)


def _curve(method: str, sample: Sample, edges: NDArray[np.float64], request: HistogramRequest) -> MethodCurve:
    bars = histogram(sample, request.weighting, request.scale, edges)
    diameters, share = cumulative(sample, request.weighting)
    if len(diameters) > CURVE_POINTS:
        keep = np.linspace(0, len(diameters) - 1, CURVE_POINTS).round().astype(np.int64)
        diameters, share = diameters[keep], share[keep]
    weights = sample.diameters ** (3.0 if request.weighting == "volume" else 0.0)
    distribution = describe(sample)
    return MethodCurve(
        method=method,
        sample=sample,
        histogram=bars,
        cumulative=(diameters, share),
        fit=_fit(distribution, edges, request),
        distribution=distribution,
        weights=weights / weights.sum() if len(weights) else weights,
    )


def _fit(
    distribution: SizeDistribution, edges: NDArray[np.float64], request: HistogramRequest
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    if distribution.fit is None:
        return None
    if request.scale == "log":
        diameters = np.geomspace(edges[0], edges[-1], CURVE_POINTS)
        width = float(np.log(edges[1] / edges[0]))
    else:
        diameters = np.linspace(max(edges[0], edges[-1] / 1e4), edges[-1], CURVE_POINTS)
        width = float(edges[1] - edges[0])
    density = lognormal_density(
        diameters, distribution.gmd, distribution.gsd, request.weighting, request.scale
    )
    return diameters, density * width
