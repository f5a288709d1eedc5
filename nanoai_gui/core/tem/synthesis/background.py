"""What lies behind and around the particles: uneven light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.spec import SynthesisSpec


def illumination(
    shape: tuple[int, int], spec: SynthesisSpec, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Light before the specimen, (height, width), mean 1: a slope and a bowl in a random direction."""
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    angle = rng.uniform(0, 2 * np.pi)
    x0, y0 = rng.uniform(-0.5, 0.5, 2)
    slope = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    bowl = (x - np.float32(x0)) ** 2 + (y - np.float32(y0)) ** 2
    field = slope - np.float32(rng.uniform(0, 1)) * bowl
    field -= field.mean()
    field *= spec.gradient_percent / 100 / max(float(np.ptp(field)), 1e-6)
    return np.asarray(1 + field, dtype=np.float32)
