"""Grey levels that part particles from background."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.background import Background, block_means, block_size

_BINS = 1024


def thinned(values: NDArray[Any]) -> NDArray[Any]:
    """Take about a million evenly spread values of an image, or all of a smaller array."""
    step = int(np.sqrt(values.size / 1e6))
    return values[::step, ::step] if values.ndim == 2 and step > 1 else values


def otsu(values: NDArray[Any]) -> float:
    """Level of the largest between-class variance (N. Otsu, IEEE Trans. SMC 9 (1979) 62).

    The brightest and darkest 0.01 % do not stretch the histogram; of a large image, every n-th pixel is
    looked at. Gives the only level of a constant input.
    """
    flat = thinned(values).ravel()
    low, high = (float(v) for v in np.percentile(flat, [0.01, 99.99]))
    if not high > low:
        low, high = float(flat.min()), float(flat.max())
        if not high > low:
            return low
    counts, edges = np.histogram(flat, bins=_BINS, range=(low, high))
    return otsu_of_histogram(counts, edges)


def otsu_of_histogram(counts: NDArray[np.integer], edges: NDArray[np.floating]) -> float:
    """Otsu's level from a histogram: ``counts`` (n,), ``edges`` (n + 1,)."""
    centres = (edges[:-1] + edges[1:]) / 2
    weight = counts.astype(np.float64)
    below = np.cumsum(weight)
    above = below[-1] - below
    moment = np.cumsum(weight * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = moment / below - (moment[-1] - moment) / above
        between = below * above * difference**2
    between[~np.isfinite(between)] = 0
    if between.max() <= 0:
        return float(edges[0])
    # On an empty valley every level is as good: the middle one is taken.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1 + (best[0] + best[-1]) // 2])


def noise_level(contrast: NDArray[np.float32]) -> float:
    """Give the standard deviation of the background of a flattened image (0 = background).

    Only the side away from the particles is looked at, which they cannot widen.
    """
    sample = thinned(contrast)
    negative = sample[sample < 0]
    if negative.size == 0:
        return 0.0
    return float(1.4826 * np.median(-negative))


def typical_radius(contrast: NDArray[np.float32], level: float) -> float:
    """Guess the radius of the particles in px from area and outline of what lies above ``level``.

    A disc has twice its area over its perimeter as radius; a quarter is taken off because particles that
    overlap hide some of their outline and pixels cut the corners of the rest.
    """
    above = contrast > level
    inner = above[1:-1, 1:-1]
    inside = above[:-2, 1:-1] & above[2:, 1:-1]
    inside &= above[1:-1, :-2]
    inside &= above[1:-1, 2:]
    area = int(np.count_nonzero(inner))
    rim = area - int(np.count_nonzero(inner & inside))
    return 1.5 * area / rim if rim else 1.0


def local_threshold(contrast: NDArray[np.float32], level: float, floor: float) -> Background:
    """Threshold surface that follows the mean contrast of the particles nearby.

    Parameters
    ----------
    contrast
        (height, width), 0 = background.
    level
        The threshold that suits the image as a whole.
    floor
        The surface is never lower.
    """
    from scipy import ndimage

    shape = (contrast.shape[0], contrast.shape[1])
    block = block_size(shape)
    weak = contrast > max(floor, 0.4 * level)
    amount = block_means(np.where(weak, contrast, np.float32(0)), block)
    count = block_means(weak, block)
    if not count.any():
        return Background(np.full_like(amount, max(level, floor)), block, shape)
    share = level * count.sum() / amount.sum()
    sigma = max(amount.shape) / 24
    # Far from any particle the surface goes back to the level of the whole image.
    whole = 1e-3 * count.sum() / count.size
    mean = (ndimage.gaussian_filter(amount, sigma) + whole * amount.sum() / count.sum()) / (
        ndimage.gaussian_filter(count, sigma) + whole
    )
    return Background(np.maximum(share * mean, floor), block, shape)
