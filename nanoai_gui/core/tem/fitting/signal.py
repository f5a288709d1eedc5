"""The contrast that is fitted, not smoothed, and how noisy each px of it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity
from nanoai_gui.core.tem.background import Background, estimate_background
from nanoai_gui.core.tem.micrograph import Micrograph

Image = NDArray[np.float32]

BLOCK = 4
"""Noise is measured on means of squares of this many px: what its correlation adds is then in it."""
_CLEAR_PX = 6


@dataclass(frozen=True, eq=False)
class Signal:
    """The contrast of a micrograph, taken strip by strip so that no second image need be kept.

    Parameters
    ----------
    noise
        Standard deviation of a px of background, as it acts on anything a few px wide.
    polarity
        ``DARK`` or ``BRIGHT``.
    """

    micrograph: Micrograph
    background: Background
    polarity: Polarity
    noise: float

    def cut(self, y0: int, x0: int, y1: int, x1: int) -> Image:
        """Give the contrast of rows ``y0 <= y < y1`` and columns ``x0 <= x < x1``; 0 is background."""
        level = self.background.rows(y0, y1)[:, x0:x1]
        raw = self.micrograph.field_pixels[y0:y1, x0:x1].astype(np.float32)
        sign = np.float32(1 if self.polarity is Polarity.DARK else -1)
        return np.asarray(sign * (1 - raw / np.maximum(level, np.float32(1e-6))), dtype=np.float32)


def read_signal(micrograph: Micrograph, agglomerates: Agglomerates) -> Signal:
    """Flatten the background and measure its noise where no agglomerate is near."""
    from scipy import ndimage

    polarity = agglomerates.polarity
    background = estimate_background(micrograph.field_pixels, polarity)
    signal = Signal(micrograph, background, polarity, 0.0)
    height, width = micrograph.field_pixels.shape
    # A strip in the middle and as much above and below as a quick look allows.
    sums: list[NDArray[np.float64]] = []
    strip = max(min(height, 4_000_000 // max(width, 1), 512) // BLOCK * BLOCK, 1)
    for y0 in np.unique(np.linspace(0, max(height - strip, 0), min(-(-height // strip), 4)).astype(int)):
        y1 = min(int(y0) + strip, height)
        contrast = signal.cut(int(y0), 0, y1, width)
        taken = ndimage.maximum_filter(agglomerates.labels[int(y0) : y1] != 0, 2 * _CLEAR_PX + 1)
        h, w = contrast.shape[0] // BLOCK, contrast.shape[1] // BLOCK
        if not h or not w:
            continue
        shape = h, BLOCK, w, BLOCK
        mean = contrast[: h * BLOCK, : w * BLOCK].reshape(shape).mean(axis=(1, 3))
        free = ~taken[: h * BLOCK, : w * BLOCK].reshape(shape).any(axis=(1, 3))
        # Neighbours' difference: slow changes of the background are no noise.
        both = free[:, 1:] & free[:, :-1]
        sums.append((mean[:, 1:] - mean[:, :-1])[both].astype(np.float64))
    steps = np.concatenate(sums) if sums else np.empty(0)
    spread = 1.4826 * float(np.median(np.abs(steps))) / np.sqrt(2) if len(steps) > 20 else 0.01
    return Signal(micrograph, background, polarity, max(spread * BLOCK, 1e-3))
