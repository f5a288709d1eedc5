"""Watershed of the distance map: every particle is the part of the silhouette that drains to one summit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.parameters import check, parameter
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult

NAME = "watershed"
TITLE = "Watershed"
SUMMARY = "Cuts the silhouette at its necks, along the watersheds of its distance map."


@dataclass(frozen=True, slots=True)
class WatershedParameters:
    """What a person can set of the watershed."""

    neck: float = parameter(
        0.10, "Neck depth", minimum=0, maximum=0.9, step=0.01,
        help="A neck parts two particles when it is narrower than the smaller one by this share of its "
        "radius. Larger values give fewer, larger particles.",
    )  # fmt: skip
    smoothing_px: float = parameter(
        1.0, "Smooth outline", unit="px", minimum=0, maximum=20, step=0.5,
        help="Width of the smoothing of the distance map, against splitting at a ragged outline.",
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
    from skimage.measure import find_contours
    from skimage.segmentation import watershed

    check(parameters)
    minimum_area = np.pi / 4 * parameters.minimum_diameter_px**2
    owner: list[int] = []
    xs: list[float] = []
    ys: list[float] = []
    areas: list[float] = []
    outlines: list[NDArray[np.float32]] = []
    for row in np.flatnonzero(agglomerates.measured):
        checkpoint(cancelled)
        progress(row / len(agglomerates), "Parting particles")
        y0, x0, y1, x1 = (int(v) for v in agglomerates.boxes[row])
        mask = np.pad(agglomerates.labels[y0:y1, x0:x1] == agglomerates.ids[row], 1)
        distance = ndimage.distance_transform_edt(mask).astype(np.float32)
        smooth = distance
        if parameters.smoothing_px:
            smooth = ndimage.gaussian_filter(distance, parameters.smoothing_px)
        markers = _summits(smooth, mask, parameters.neck)
        parts = watershed(-smooth, markers, mask=mask)
        for label in range(1, int(parts.max()) + 1):
            region = parts == label
            area = float(region.sum())
            if area < minimum_area:
                continue
            yy, xx = np.nonzero(region)
            contour = max(find_contours(np.pad(region, 1).astype(np.float32), 0.5), key=len)
            owner.append(int(agglomerates.ids[row]))
            xs.append(float(xx.mean()) + x0 - 1)
            ys.append(float(yy.mean()) + y0 - 1)
            areas.append(area)
            outlines.append((contour[:-1, ::-1] - 1 + (x0 - 1, y0 - 1)).astype(np.float32))
    particles = Particles.from_areas(owner, xs, ys, areas, outlines=outlines)
    progress(1.0, "Parting particles")
    return SizingResult.from_particles(NAME, agglomerates, particles)


def _summits(distance: NDArray[np.float32], mask: NDArray[np.bool_], neck: float) -> NDArray[np.int32]:
    """Label the summits of the distance map that stand ``neck`` of their height above the next saddle."""
    from scipy import ndimage
    from skimage.morphology import reconstruction

    # On the logarithm of the distance a share of the radius is a constant height.
    height = np.where(mask, np.log(np.maximum(distance, 0.5)), np.log(0.5)).astype(np.float32)
    lowered = reconstruction(height - np.float32(-np.log1p(-neck) + 1e-4), height)
    level = reconstruction(lowered, lowered + 1e-6)
    tops = (height - lowered) > 0
    del level
    peaks = ndimage.maximum_filter(lowered, size=3) == lowered
    plateau, n = ndimage.label(peaks & tops & mask, np.ones((3, 3)))
    if n == 0:
        plateau = np.zeros(mask.shape, dtype=np.int32)
        plateau.ravel()[int(np.argmax(distance))] = 1
    markers: NDArray[np.int32] = plateau.astype(np.int32)
    return markers
