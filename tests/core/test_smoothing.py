"""Both ways of smoothing agree with scipy's own filter."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy import ndimage

from nanoai_gui.core.tem.smoothing import smooth, smooth_small


@pytest.mark.parametrize("mode", ["nearest", "constant"])
@pytest.mark.parametrize("shape", [(37, 50), (3, 8, 61), (5, 5)])
@pytest.mark.parametrize("sigma", [0.7, 2.5, 6.0])
def test_it_is_a_gaussian(shape: tuple[int, ...], sigma: float, mode: Literal["nearest", "constant"]) -> None:
    image = np.random.default_rng(1).random(shape).astype(np.float32)
    widths = (0.0,) * (len(shape) - 2) + (sigma, sigma)
    expected = ndimage.gaussian_filter(image.astype(np.float64), widths, mode=mode, truncate=6)
    for function in (smooth, smooth_small):
        np.testing.assert_allclose(function(image, sigma, mode, truncate=6), expected, atol=1e-4)
