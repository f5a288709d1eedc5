"""From the ideal intensity to grey levels: counting of electrons, the scintillator, read-out, digitising."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.optics import blur
from nanoai_gui.core.tem.synthesis.spec import BitDepth, SynthesisSpec

MANY_ELECTRONS = 30.0
"""Mean count above which a normal deviate stands for a Poisson deviate (ten times as quick)."""


def expose(intensity: NDArray[np.float32], spec: SynthesisSpec, rng: np.random.Generator) -> NDArray[Any]:
    """Record an intensity (1 = mean empty background) as grey levels of the spec's bit depth."""
    electrons = count_electrons(intensity * np.float32(spec.dose), rng)
    electrons = blur(electrons, spec.detector_blur_px)
    if spec.read_noise > 0:
        electrons += np.float32(spec.read_noise) * rng.standard_normal(electrons.shape, dtype=np.float32)
    largest = spec.bit_depth.largest
    electrons *= np.float32(largest * spec.brightness / spec.dose)
    np.rint(electrons, out=electrons)
    np.clip(electrons, 0, largest, out=electrons)
    return electrons.astype(np.uint8 if spec.bit_depth is BitDepth.EIGHT else np.uint16)


def count_electrons(mean: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw Poisson counts of the given means (px-wise)."""
    counts = rng.standard_normal(mean.shape, dtype=np.float32)
    counts *= np.sqrt(np.maximum(mean, 0))
    counts += mean
    few = mean < MANY_ELECTRONS
    if few.any():
        counts[few] = rng.poisson(np.maximum(mean[few], 0))
    return counts
