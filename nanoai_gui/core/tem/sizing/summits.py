"""Distance maps of silhouettes, their summits, and the basins that drain to them.

A particle shows in the distance map as a summit whose height is its radius. Ragged outlines and pixels
make many more summits than there are particles; those that stand hardly above the saddle to a higher
neighbour are joined to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.tem.sizing.silhouettes import Silhouette

RADIUS_KEPT = 20.0
"""Silhouettes are reduced as long as the largest disc in them keeps this radius in px, ..."""
MOST_REDUCED = 4
"""... but not further than this factor, for the sake of small particles beside large ones."""
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True, slots=True)
class SummitParameters:
    """What a person can set of a method that parts silhouettes at the summits of their distance map."""

    neck: float = parameter(
        0.03, "Neck depth", minimum=0, maximum=0.9, step=0.01,
        help="A neck parts two particles when it is narrower than the smaller one by this share of its "
        "radius. Larger values give fewer, larger particles.",
    )  # fmt: skip
    step_px: float = parameter(
        0.35, "Smallest step", unit="px", minimum=0, maximum=20, step=0.05, advanced=True,
        help="... and by at least this many pixels on either side, against cuts at a ragged outline.",
    )  # fmt: skip
    smoothing_px: float = parameter(
        0.5, "Smooth outline", unit="px", minimum=0, maximum=20, step=0.05, advanced=True,
        help="Width of the smoothing of the distance map.",
    )  # fmt: skip
    minimum_diameter_px: float = parameter(
        4.0, "Smallest particle", unit="px", minimum=1, maximum=10000, step=1,
        help="Area-equivalent diameter below which a particle is left out.",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Basins:
    """The parts of a silhouette, one for each summit.

    Parameters
    ----------
    labels
        (h, w) int32, 0 outside, 1..n in the basins.
    x, y
        (n,) float64, position of the summits in px of the cut-out.
    height
        (n,) float64, distance to the outline there in px.
    """

    labels: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    height: NDArray[np.float64]


def part_silhouette(
    silhouette: Silhouette, level: float, parameters: SummitParameters, count: int | None = None
) -> tuple[Silhouette, NDArray[np.float32], Basins]:
    """Part a silhouette at its necks, at the resolution that its particles need.

    ``level`` is that of the outline in the contrast.

    Returns
    -------
    The silhouette (reduced where its particles are large), its distance map and its basins.
    """
    from scipy import ndimage

    factor = int(np.clip(silhouette.largest_radius() / RADIUS_KEPT, 1, MOST_REDUCED))
    reduced = silhouette.reduced(factor)
    if not reduced.mask.any():
        factor, reduced = 1, silhouette
    distance = distance_map(reduced, level)
    height = distance
    if parameters.smoothing_px:
        height = ndimage.gaussian_filter(distance, max(parameters.smoothing_px / factor, 0.5), truncate=3)
    basins = find_basins(height, reduced.mask, parameters.neck, parameters.step_px / factor, count)
    return reduced, distance, basins


def distance_map(silhouette: Silhouette, level: float) -> NDArray[np.float32]:
    """Distance of every pixel of a silhouette to its outline, in px.

    Where grey levels are at hand, the outline is placed between the pixels, where the contrast crosses
    ``level``; else (``level`` NaN, or an outline drawn by hand) half-way between the last pixel inside and
    the first one outside.
    """
    from scipy import ndimage

    mask = silhouette.mask
    nearest = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    y, x = np.nonzero(mask)
    ny, nx = nearest[0][y, x], nearest[1][y, x]
    distance = np.hypot((y - ny).astype(np.float32), (x - nx).astype(np.float32))
    beyond = np.full(len(y), 0.5, dtype=np.float32)
    contrast = silhouette.contrast
    if contrast is not None and np.isfinite(level):
        beyond = _beyond_outline(contrast, np.float32(level), ny, nx)
    distance -= beyond
    if contrast is not None and np.isfinite(level):
        # Beside the outline the nearest background pixel may lie along it: there the own slope tells.
        near = np.flatnonzero(distance < 1.5)
        ahead = (contrast[y[near], x[near]] - np.float32(level)) / np.maximum(
            _slope(contrast, y[near], x[near]), np.float32(1e-12)
        )
        distance[near] = np.where(ahead >= 0, np.minimum(distance[near], ahead), distance[near])
    out = np.zeros(mask.shape, dtype=np.float32)
    out[y, x] = np.maximum(distance, np.float32(0.05))
    return out


def _beyond_outline(
    contrast: NDArray[np.float32], level: np.float32, y: NDArray[np.integer], x: NDArray[np.integer]
) -> NDArray[np.float32]:
    """How far the background pixels (y, x) lie outside the outline, in px, between 0 and 1."""
    slope = _slope(contrast, y, x)
    short = level - contrast[y, x]
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.where(slope > 0, short / slope, np.float32(0.5))
    # Against the grey levels (a filled hole, an outline corrected by hand) the pixels decide.
    beyond[short < 0] = 0.5
    return np.clip(beyond, 0, 1).astype(np.float32)


def _slope(
    contrast: NDArray[np.float32], y: NDArray[np.integer], x: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Length of the gradient at some pixels, per px."""
    h, w = contrast.shape
    gy = contrast[np.minimum(y + 1, h - 1), x] - contrast[np.maximum(y - 1, 0), x]
    gx = contrast[y, np.minimum(x + 1, w - 1)] - contrast[y, np.maximum(x - 1, 0)]
    return np.asarray(np.hypot(gx, gy) / 2, dtype=np.float32)


def find_basins(
    height: NDArray[np.float32],
    mask: NDArray[np.bool_],
    neck: float,
    step_px: float,
    count: int | None = None,
) -> Basins:
    """Part a silhouette into the basins of its summits.

    Every pixel drains along the steepest ascent. A summit is joined to its higher neighbour when the
    saddle between them is lower than the summit by less than the share ``neck`` of its height, or by less
    than ``step_px``.

    Parameters
    ----------
    height
        (h, w), the distance map, smoothed or not.
    mask
        (h, w), false on a rim of one pixel.
    count
        How many basins there shall be, whatever ``neck`` and ``step_px`` say: the shallowest saddles are
        joined first until as many are left (fewer if there are not so many summits).
    """
    h, w = mask.shape
    # A smoothed map may be higher in a notch outside than beside it: nothing drains out of the mask.
    flat_height = np.where(mask, height, np.float32(-1)).ravel()
    pixel = np.flatnonzero(mask)
    if not len(pixel):
        none = np.empty(0)
        return Basins(np.zeros((h, w), dtype=np.int32), none, none, none)
    here = flat_height[pixel]
    steepest = np.zeros(len(pixel), dtype=np.float32)
    target = pixel.copy()
    for dy, dx in _NEIGHBOURS:
        neighbour = pixel + (dy * w + dx)
        slope = flat_height[neighbour] - here
        if dy and dx:
            slope *= np.float32(0.70710678)
        better = slope > steepest
        steepest[better] = slope[better]
        target[better] = neighbour[better]
    place = np.empty(h * w, dtype=np.int32)
    place[pixel] = np.arange(len(pixel), dtype=np.int32)
    uphill = place[target]
    while True:
        further = uphill[uphill]
        if np.array_equal(further, uphill):
            break
        uphill = further
    summit_pixel, basin = np.unique(uphill, return_inverse=True)
    peak = here[summit_pixel].astype(np.float64)
    root = _join(place, pixel, basin.astype(np.int32), here, peak, w, mask, neck, step_px, count)
    kept, number = np.unique(root, return_inverse=True)
    labels = np.zeros(h * w, dtype=np.int32)
    labels[pixel] = number[basin] + 1
    y, x = np.divmod(pixel[summit_pixel[kept]], w)
    return Basins(labels.reshape(h, w), x.astype(np.float64), y.astype(np.float64), peak[kept])


def _join(
    place: NDArray[np.int32],
    pixel: NDArray[np.intp],
    basin: NDArray[np.int32],
    height: NDArray[np.float32],
    peak: NDArray[np.float64],
    width: int,
    mask: NDArray[np.bool_],
    neck: float,
    step_px: float,
    count: int | None,
) -> NDArray[np.intp]:
    """Give for every basin the basin it is joined to in the end (its highest summit)."""
    n = len(peak)
    inside = mask.ravel()
    keys: list[NDArray[np.int64]] = []
    saddles: list[NDArray[np.float32]] = []
    for dy, dx in _NEIGHBOURS[4:]:
        neighbour = pixel + (dy * width + dx)
        mine = np.flatnonzero(inside[neighbour])
        other = place[neighbour[mine]]
        a, b = basin[mine], basin[other]
        apart = a != b
        mine, other, a, b = mine[apart], other[apart], a[apart], b[apart]
        keys.append(np.minimum(a, b).astype(np.int64) * n + np.maximum(a, b))
        saddles.append(np.minimum(height[mine], height[other]))
    key, saddle = np.concatenate(keys), np.concatenate(saddles)
    order = np.lexsort((-saddle, key))
    first = np.ones(len(order), dtype=bool)
    first[1:] = key[order][1:] != key[order][:-1]
    best = order[first]
    best = best[np.argsort(-saddle[best], kind="stable")]
    parent = list(range(n))

    def top(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    left, right = np.divmod(key[best], n)
    if count is not None:
        pairs = list(zip(left.tolist(), right.tolist(), saddle[best].tolist(), strict=True))
        return _join_to(count, pairs, peak)
    for first_basin, second_basin, s in zip(
        left.tolist(), right.tolist(), saddle[best].tolist(), strict=True
    ):
        high, low = top(first_basin), top(second_basin)
        if high == low:
            continue
        if peak[high] < peak[low]:
            high, low = low, high
        if s > (1 - neck) * peak[low] or peak[low] - s < step_px:
            parent[low] = high
    return np.array([top(i) for i in range(n)], dtype=np.intp)


def _join_to(count: int, pairs: list[tuple[int, int, float]], peak: NDArray[np.float64]) -> NDArray[np.intp]:
    """Join basins until ``count`` are left; ``pairs`` of neighbours with their saddle, highest saddle first.

    The persistence of a summit is its height above the saddle where it meets a higher one: the ``count`` of
    the largest persistence stay. Parts that nothing connects are never joined.
    """
    n = len(peak)
    parent = list(range(n))
    persistence = np.full(n, np.inf)
    joined_to = list(range(n))

    def top(i: int, up: list[int]) -> int:
        while up[i] != i:
            up[i] = up[up[i]]
            i = up[i]
        return i

    for a, b, saddle in pairs:
        high, low = top(a, parent), top(b, parent)
        if high != low:
            if peak[high] < peak[low]:
                high, low = low, high
            parent[low] = high
            persistence[low] = peak[low] - saddle
            joined_to[low] = high
    leaving = np.argsort(persistence, kind="stable")[: max(n - count, 0)]
    final = list(range(n))
    for i in leaving.tolist():
        if np.isfinite(persistence[i]):
            final[i] = joined_to[i]
    return np.array([top(i, final) for i in range(n)], dtype=np.intp)
