"""Ultimate erosion: every summit of the distance map is a particle, as large as the map is high there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress
from nanoai_gui.core.parameters import check
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.core.tem.sizing.silhouettes import silhouettes
from nanoai_gui.core.tem.sizing.summits import SummitParameters, part_silhouette

NAME = "ultimate-erosion"
TITLE = "Ultimate erosion"
SUMMARY = "Erodes the silhouette until each particle is about to vanish; how long that takes is its radius."


Parameters = SummitParameters


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: SummitParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    counts: Mapping[int, int] | None = None,
) -> SizingResult:
    """Measure the primary particles by ultimate erosion."""
    check(parameters)
    owner: list[int] = []
    xs: list[NDArray[np.float64]] = []
    ys: list[NDArray[np.float64]] = []
    radii: list[NDArray[np.float64]] = []
    for whole in silhouettes(agglomerates, progress, cancelled):
        silhouette, distance, basins = part_silhouette(
            whole, agglomerates.threshold, parameters, (counts or {}).get(whole.id)
        )
        # The summit itself is blunted by the smoothing: its height is that of the distance map.
        radius = distance[basins.y.astype(np.intp), basins.x.astype(np.intp)].astype(np.float64)
        radius *= silhouette.reduction
        large = 2 * radius >= parameters.minimum_diameter_px
        x, y = silhouette.to_image(basins.x[large], basins.y[large])
        owner += [silhouette.id] * len(x)
        xs.append(x)
        ys.append(y)
        radii.append(radius[large])
    if not owner:
        return SizingResult.from_particles(NAME, agglomerates, Particles.empty())
    particles = Particles.from_circles(owner, np.concatenate(xs), np.concatenate(ys), np.concatenate(radii))
    return SizingResult.from_particles(NAME, agglomerates, particles)
