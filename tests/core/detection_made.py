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
from nanoai_gui.core.tem.synthesis.contours import deepest, star_area

SHIFT = (STRIDE - 1) / 2


def perfect_answer(
    x: NDArray[np.float64], y: NDArray[np.float64], radial: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """What should come out for particles in an image of this shape (px)."""
    owner, _ = deepest(x, y, radial, shape, STRIDE)
    answer = np.full((N_CHANNELS, *owner.shape), -8.0, dtype=np.float32)
    answer[SPREAD] = np.log(0.02)
    row, column = np.nonzero(owner >= 0)
    k = owner[row, column]
    cx, cy = np.rint((x - SHIFT) / STRIDE).astype(int), np.rint((y - SHIFT) / STRIDE).astype(int)
    here = np.flatnonzero((cx >= 0) & (cx < owner.shape[1]) & (cy >= 0) & (cy < owner.shape[0]))
    # The point next to a centre is that particle's, even if it lies deeper in another one.
    row, column, k = np.append(row, cy[here]), np.append(column, cx[here]), np.append(k, here)
    radius = np.sqrt(star_area(radial) / np.pi)[k]
    off = np.hypot(x[k] - (column * STRIDE + SHIFT), y[k] - (row * STRIDE + SHIFT))
    likely = np.clip(0.98 * np.exp(-0.5 * (off / np.maximum(0.2 * radius, 0.7 * STRIDE)) ** 2), 1e-4, 0.98)
    answer[CENTRE, row, column] = np.log(likely / (1 - likely))
    answer[SHIFT_X, row, column] = x[k] - (column * STRIDE + SHIFT)
    answer[SHIFT_Y, row, column] = y[k] - (row * STRIDE + SHIFT)
    answer[RADIAL:, row, column] = np.log(radial[k]).T
    return answer
