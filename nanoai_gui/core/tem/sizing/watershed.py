"""Watershed of the distance map: every particle is the part of the silhouette that drains to one summit."""

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
from nanoai_gui.core.tem.sizing.outlines import trace_outlines
from nanoai_gui.core.tem.sizing.silhouettes import silhouettes
from nanoai_gui.core.tem.sizing.summits import SummitParameters, part_silhouette

NAME = "watershed"
TITLE = "Watershed"
SUMMARY = "Cuts the silhouette at its necks, along the watersheds of its distance map."


Parameters = SummitParameters


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: SummitParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    counts: Mapping[int, int] | None = None,
) -> SizingResult:
    """Measure the primary particles by watershed."""
    check(parameters)
    minimum_area = np.pi / 4 * parameters.minimum_diameter_px**2
    owner: list[int] = []
    xs: list[NDArray[np.float64]] = []
    ys: list[NDArray[np.float64]] = []
    areas: list[NDArray[np.float64]] = []
    outlines: list[NDArray[np.float32]] = []
    for whole in silhouettes(agglomerates, progress, cancelled):
        silhouette, _, basins = part_silhouette(
            whole, agglomerates.threshold, parameters, (counts or {}).get(whole.id)
        )
        parts = trace_outlines(basins.labels, silhouette.contrast, agglomerates.threshold)
        area = parts.area_px * silhouette.reduction**2
        large = np.flatnonzero(area >= minimum_area)
        x, y = silhouette.to_image(parts.x[large], parts.y[large])
        owner += [silhouette.id] * len(large)
        xs.append(x)
        ys.append(y)
        areas.append(area[large])
        corner = np.array(silhouette.to_image(np.zeros(1), np.zeros(1)), dtype=np.float32).T
        outlines += [parts.vertices[i] * np.float32(silhouette.reduction) + corner for i in large]
    if not owner:
        return SizingResult.from_particles(NAME, agglomerates, Particles.empty())
    particles = Particles.from_areas(
        owner, np.concatenate(xs), np.concatenate(ys), np.concatenate(areas), outlines=outlines
    )
    return SizingResult.from_particles(NAME, agglomerates, particles)
