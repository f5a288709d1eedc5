"""Synthetic micrographs with known primary particles, for tuning, testing and training."""

from __future__ import annotations

from nanoai_gui.core.tem.synthesis.image import SyntheticImage, TrueParticles, make_image
from nanoai_gui.core.tem.synthesis.spec import Aggregation, ContrastKind, SynthesisSpec

__all__ = ["Aggregation", "ContrastKind", "SynthesisSpec", "SyntheticImage", "TrueParticles", "make_image"]
