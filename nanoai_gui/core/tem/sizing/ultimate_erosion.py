"""Ultimate erosion: every summit of the distance map is a particle, as large as the map is high there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress
from nanoai_gui.core.parameters import check, parameter
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.core.tem.sizing.silhouettes import silhouettes

NAME = "ultimate-erosion"
TITLE = "Ultimate erosion"
SUMMARY = "Erodes the silhouette until each particle is about to vanish; how long that takes is its radius."


@dataclass(frozen=True, slots=True)
class UltimateErosionParameters:
    """What a person can set of the ultimate erosion."""

    neck: float = parameter(
        0.05, "Neck depth", minimum=0, maximum=0.9, step=0.01,
        help="Two summits of the distance map are two particles when the saddle between them is lower than "
        "the smaller one by this share of its radius.",
    )  # fmt: skip
    smoothing_px: float = parameter(
        1.0, "Smooth outline", unit="px", minimum=0, maximum=20, step=0.5,
        help="Width of the smoothing of the distance map, against summits made by a ragged outline.",
    )  # fmt: skip
    minimum_diameter_px: float = parameter(
        4.0, "Smallest particle", unit="px", minimum=1, maximum=10000, step=1,
    )  # fmt: skip


Parameters = UltimateErosionParameters


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: UltimateErosionParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> SizingResult:
    """Measure the primary particles by ultimate erosion."""
    from scipy import ndimage

    from nanoai_gui.core.tem.sizing.watershed import _summits

    check(parameters)
    owner: list[int] = []
    xs: list[float] = []
    ys: list[float] = []
    radii: list[float] = []
    for silhouette in silhouettes(agglomerates, progress, cancelled):
        distance = ndimage.distance_transform_edt(silhouette.mask).astype(np.float32)
        smooth = ndimage.gaussian_filter(distance, parameters.smoothing_px)
        markers = _summits(smooth, silhouette.mask, parameters.neck)
        for i in range(1, int(markers.max()) + 1):
            y, x = np.nonzero(markers == i)
            best = int(np.argmax(distance[y, x]))
            r = float(distance[y[best], x[best]]) - 0.5
            if 2 * r < parameters.minimum_diameter_px:
                continue
            owner.append(silhouette.id)
            xs.append(float(x.mean()) + silhouette.x0)
            ys.append(float(y.mean()) + silhouette.y0)
            radii.append(r)
    radius: NDArray[np.float64] = np.asarray(radii, dtype=np.float64)
    return SizingResult.from_particles(NAME, agglomerates, Particles.from_circles(owner, xs, ys, radius))
