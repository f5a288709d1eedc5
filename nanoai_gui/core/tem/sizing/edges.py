"""Edge points of particles, between the pixels, each with the direction in which material begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.sizing.silhouettes import Silhouette

_SMOOTHING_PX = 0.7
_WEAKEST = 0.3
"""An edge is at least this share as steep as the outline of the silhouette typically is."""

_NOISE_FACTOR = 3.5
_TILE = 128


@dataclass(frozen=True, eq=False)
class Edges:
    """Edge points of one silhouette, inner ones (of overlapping particles) included.

    Parameters
    ----------
    x, y
        (n,) float64, position in px of the cut-out.
    gx, gy
        (n,) float64, unit vector towards more material.
    depth
        How far behind the outline of the silhouette the steepest point of an outer edge typically lies, in
        px: the edge of a sphere is steepest a little inside of it.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    gx: NDArray[np.float64]
    gy: NDArray[np.float64]
    depth: float


def noise_steepness(agglomerates: Agglomerates) -> float:
    """Measure the standard deviation of either gradient component that noise makes, in contrast per px.

    Taken from the free background of some tiles spread over the image; 0 without grey levels.
    """
    from scipy import ndimage

    if agglomerates.edge_noise is not None:
        return agglomerates.edge_noise

    contrast, labels = agglomerates.contrast, agglomerates.labels
    if contrast is None:
        return 0.0
    height, width = contrast.shape
    found = []
    for y in np.linspace(0, max(height - _TILE, 0), 4).astype(int):
        for x in np.linspace(0, max(width - _TILE, 0), 4).astype(int):
            window = slice(y, y + _TILE), slice(x, x + _TILE)
            if min(contrast[window].shape) < 5:
                return 0.0
            free = ndimage.minimum_filter(labels[window] == 0, 9)
            # Exactly 0 is no background but a part that is not analysed.
            free &= contrast[window] != 0
            gy, gx = np.gradient(ndimage.gaussian_filter(contrast[window], _SMOOTHING_PX, truncate=3))
            found.append(np.hypot(gx, gy)[free])
    steepness = np.concatenate(found)
    # The length of a vector of two Gaussian components has a median of 1.177 standard deviations.
    return float(np.median(steepness)) / 1.177 if len(steepness) > 100 else 0.0


def find_edges(silhouette: Silhouette, distance: NDArray[np.float32], noise: float = 0.0) -> Edges:
    """Find the points where the gradient is largest along its own direction, and strong enough.

    Parameters
    ----------
    silhouette
        With at least 3 px of background around.
    distance
        (h, w), its distance map.
    noise
        See :func:`noise_steepness`; edges are clearly steeper.
    """
    from scipy import ndimage

    mask = silhouette.mask
    grey = silhouette.contrast if silhouette.contrast is not None else mask.astype(np.float32)
    smooth = ndimage.gaussian_filter(grey, _SMOOTHING_PX, truncate=3)
    gy, gx = np.gradient(smooth)
    steepness = np.hypot(gx, gy)
    rim = mask & (distance < 1.5)
    weakest = _WEAKEST * float(np.median(steepness[rim])) if rim.any() else 0.0
    weakest = max(weakest, _NOISE_FACTOR * noise)
    near = ndimage.maximum_filter(mask, size=5)
    near[[0, -1]] = False
    near[:, [0, -1]] = False
    y, x = np.nonzero(near & (steepness > max(weakest, 1e-12)))
    here = steepness[y, x]
    ux, uy = gx[y, x] / here, gy[y, x] / here
    before = ndimage.map_coordinates(steepness, [y - uy, x - ux], order=1)
    after = ndimage.map_coordinates(steepness, [y + uy, x + ux], order=1)
    top = (here >= before) & (here > after)
    y, x, here, ux, uy, before, after = (v[top] for v in (y, x, here, ux, uy, before, after))
    # The summit of the parabola through the three values.
    shift = np.clip(0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-12), -0.5, 0.5)
    outer = distance[y, x]
    outer = outer[outer < 4]
    return Edges(
        x=(x + shift * ux).astype(np.float64),
        y=(y + shift * uy).astype(np.float64),
        gx=ux.astype(np.float64),
        gy=uy.astype(np.float64),
        depth=float(np.median(outer)) if len(outer) else 0.0,
    )
