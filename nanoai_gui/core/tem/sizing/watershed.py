"""Watershed of the distance map: every particle is the part of the silhouette that drains to one summit."""

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
from nanoai_gui.core.tem.sizing.silhouettes import Silhouette, silhouettes
from nanoai_gui.core.tem.sizing.summits import distance_map, find_basins

NAME = "watershed"
TITLE = "Watershed"
SUMMARY = "Cuts the silhouette at its necks, along the watersheds of its distance map."


@dataclass(frozen=True, slots=True)
class WatershedParameters:
    """What a person can set of the watershed."""

    neck: float = parameter(
        0.05, "Neck depth", minimum=0, maximum=0.9, step=0.01,
        help="A neck parts two particles when it is narrower than the smaller one by this share of its "
        "radius. Larger values give fewer, larger particles.",
    )  # fmt: skip
    step_px: float = parameter(
        0.2, "Smallest step", unit="px", minimum=0, maximum=20, step=0.1, advanced=True,
        help="... and by at least this many pixels on either side, against cuts at a ragged outline.",
    )  # fmt: skip
    smoothing_px: float = parameter(
        0.5, "Smooth outline", unit="px", minimum=0, maximum=20, step=0.5, advanced=True,
        help="Width of the smoothing of the distance map.",
    )  # fmt: skip
    minimum_diameter_px: float = parameter(
        4.0, "Smallest particle", unit="px", minimum=1, maximum=10000, step=1,
        help="Area-equivalent diameter below which a part is left out.",
    )  # fmt: skip


Parameters = WatershedParameters


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: WatershedParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> SizingResult:
    """Measure the primary particles by watershed."""
    from scipy import ndimage

    check(parameters)
    owner: list[int] = []
    xs: list[float] = []
    ys: list[float] = []
    areas: list[float] = []
    outlines: list[NDArray[np.float32]] = []
    minimum_area = np.pi / 4 * parameters.minimum_diameter_px**2
    for silhouette in silhouettes(agglomerates, progress, cancelled):
        distance = distance_map(silhouette, agglomerates.threshold)
        if parameters.smoothing_px:
            distance = ndimage.gaussian_filter(distance, parameters.smoothing_px, truncate=3)
        basins = find_basins(distance, silhouette.mask, parameters.neck, parameters.step_px)
        for outline in _outlines(silhouette, basins.labels, agglomerates.threshold):
            area, x, y = _polygon(outline)
            if area < minimum_area:
                continue
            owner.append(silhouette.id)
            xs.append(x + silhouette.x0)
            ys.append(y + silhouette.y0)
            areas.append(area)
            outlines.append(outline + np.array([silhouette.x0, silhouette.y0], dtype=np.float32))
    particles = Particles.from_areas(owner, xs, ys, areas, outlines=outlines)
    return SizingResult.from_particles(NAME, agglomerates, particles)


def _outlines(silhouette: Silhouette, labels: NDArray[np.int32], level: float) -> list[NDArray[np.float32]]:
    """Trace the outline of every part: (k, 2) of x, y in px of the cut-out.

    Against the background it runs where the contrast crosses ``level``, between the pixels; along a cut
    half-way between the pixels of both sides.
    """
    from scipy import ndimage
    from skimage.measure import find_contours

    grey = silhouette.contrast if np.isfinite(level) else None
    out = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        y0, x0 = max(box[0].start - 1, 0), max(box[1].start - 1, 0)
        window = slice(y0, box[0].stop + 1), slice(x0, box[1].stop + 1)
        part = labels[window]
        mine = part == label
        if grey is None:
            field = np.where(mine, np.float32(1), np.float32(-1))
        else:
            above = grey[window] - np.float32(level)
            # Inside always positive, outside always negative; a neighbour mirrors it, so that the
            # zero lies half-way.
            size_of = np.maximum(np.abs(above), np.float32(1e-3 * level))
            field = np.where(mine, size_of, -size_of)
            field[~mine & (part > 0)] = -size_of[~mine & (part > 0)]
        contours = find_contours(field, 0.0)
        longest = max(contours, key=len)
        out.append((longest[:-1, ::-1] + (x0, y0)).astype(np.float32))
    return out


def _polygon(outline: NDArray[np.float32]) -> tuple[float, float, float]:
    """Area and centroid (x, y) of a closed polygon."""
    origin = outline[0].astype(np.float64)
    x, y = outline[:, 0] - origin[0], outline[:, 1] - origin[1]
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    cross = x * y2 - x2 * y
    area = cross.sum() / 2
    if abs(area) < 1e-9:
        return 0.0, float(outline[:, 0].mean()), float(outline[:, 1].mean())
    cx, cy = ((x + x2) * cross).sum() / (6 * area), ((y + y2) * cross).sum() / (6 * area)
    return abs(float(area)), float(cx + origin[0]), float(cy + origin[1])
