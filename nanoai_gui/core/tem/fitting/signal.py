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
    polarity
        ``DARK`` or ``BRIGHT``.
    scale
        Grey levels that are a contrast of 1; 0 stands for the background itself.
    noise
        Standard deviation of a px of background, as it acts on anything a few px wide.
    """

    micrograph: Micrograph
    background: Background
    polarity: Polarity
    scale: float
    noise: float

    @property
    def sign(self) -> int:
        """1 for dark particles, -1 for bright ones: contrast is sign (1 - brightness)."""
        return 1 if self.polarity is Polarity.DARK else -1

    def cut(self, y0: int, x0: int, y1: int, x1: int) -> Image:
        """Give the contrast of rows ``y0 <= y < y1`` and columns ``x0 <= x < x1``; 0 is background."""
        level = self.background.window(y0, x0, y1, x1)
        raw = self.micrograph.field_pixels[y0:y1, x0:x1].astype(np.float32)
        difference = np.float32(self.sign) * (level - raw)
        return np.asarray(difference / (np.float32(self.scale) if self.scale else level), dtype=np.float32)

    def brightness(self, contrast: Image) -> Image:
        """Intensity as a share of the background: what the counting noise goes with."""
        if self.scale:
            return np.ones_like(contrast)
        return np.clip(1 - self.sign * contrast, np.float32(0.05), np.float32(20))


def read_signal(micrograph: Micrograph, agglomerates: Agglomerates, noise: float | None = None) -> Signal:
    """Flatten the background, and measure its noise, if it is not known, where no agglomerate is near."""
    from scipy import ndimage

    polarity = agglomerates.polarity
    background = agglomerates.background or estimate_background(micrograph.field_pixels, polarity)
    lowest, typical = float(background.grid.min()), float(np.median(background.grid))
    # As in the segmentation: an offset may have been taken off, and a quotient would blow up.
    scale = 0.0
    if not lowest > 0.25 * typical > 0:
        sample = micrograph.field_pixels[:: max(len(micrograph.field_pixels) // 500, 1)]
        scale = max(float(np.ptp(np.percentile(sample, [0.1, 99.9]))), 1e-6)
    signal = Signal(micrograph, background, polarity, scale, noise or 0.0)
    if noise is not None:
        return signal
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
    return Signal(micrograph, background, polarity, scale, max(spread * BLOCK, 1e-3))
