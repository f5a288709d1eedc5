"""From the ideal intensity to grey levels: blur, counting of electrons, read-out, digitising."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.spec import SynthesisSpec


def expose(
    intensity: NDArray[np.float32], spec: SynthesisSpec, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Record an intensity (1 = mean empty background) as 8-bit grey levels."""
    from scipy import ndimage

    if spec.blur_px > 0:
        intensity = ndimage.gaussian_filter(intensity, spec.blur_px, mode="nearest")
    electrons = rng.poisson(np.maximum(intensity, 0) * spec.dose).astype(np.float32)
    if spec.read_noise > 0:
        electrons += np.float32(spec.read_noise) * rng.standard_normal(electrons.shape, dtype=np.float32)
    levels = electrons * np.float32(255 * spec.brightness / spec.dose)
    grey: NDArray[np.uint8] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return grey
