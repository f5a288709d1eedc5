"""Answers as a perfect network would give them, made from the truth about a scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.detection.grid import (
    CENTRE,
    N_CHANNELS,
    RADIAL,
    SHIFT_X,
    SHIFT_Y,
    SPREAD,
    STRIDE,
)
from nanoai_gui.core.tem.synthesis.contours import deepest

SHIFT = (STRIDE - 1) / 2


def perfect_answer(
    x: NDArray[np.float64], y: NDArray[np.float64], radial: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """What should come out for particles in an image of this shape (px)."""
    owner, depth = deepest(x, y, radial, shape, STRIDE)
    answer = np.full((N_CHANNELS, *owner.shape), -8.0, dtype=np.float32)
    answer[SPREAD] = np.log(0.02)
    row, column = np.nonzero(owner >= 0)
    k = owner[row, column]
    likely = np.clip(0.98 * np.exp(-(((1 - depth[row, column]) / 0.25) ** 2)), 1e-4, 0.98)
    answer[CENTRE, row, column] = np.log(likely / (1 - likely))
    answer[SHIFT_X, row, column] = x[k] - (column * STRIDE + SHIFT)
    answer[SHIFT_Y, row, column] = y[k] - (row * STRIDE + SHIFT)
    answer[RADIAL:, row, column] = np.log(radial[k]).T
    return answer
