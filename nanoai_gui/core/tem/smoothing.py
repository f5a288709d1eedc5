"""Gaussian smoothing, quick on small images: there scipy's own takes longer to prepare than to filter."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray


def smooth(
    image: NDArray[np.float32],
    sigma: float,
    mode: Literal["nearest", "constant"] = "nearest",
    truncate: float = 3.5,
) -> NDArray[np.float32]:
    """Smooth (..., height, width) by a Gaussian of ``sigma`` px along the last two axes.

    Parameters
    ----------
    mode
        What lies beyond the border: the outermost px, or 0.
    truncate
        Standard deviations at which the kernel ends.
    """
    from scipy import ndimage

    kernel = _gaussian(round(sigma, 3), truncate)
    across = ndimage.correlate1d(image, kernel, axis=-2, output=np.float32, mode=mode)
    return np.asarray(ndimage.correlate1d(across, kernel, axis=-1, output=np.float32, mode=mode))


@lru_cache(maxsize=4096)
def _gaussian(sigma: float, truncate: float) -> NDArray[np.float64]:
    reach = math.ceil(truncate * sigma)
    place = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (place / sigma) ** 2)
    return np.asarray(kernel / kernel.sum())
