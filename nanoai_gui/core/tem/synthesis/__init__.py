"""Synthetic micrographs with known primary particles, for tuning, testing and training."""

from __future__ import annotations

from nanoai_gui.core.tem.synthesis.crops import make_crops
from nanoai_gui.core.tem.synthesis.image import make_image
from nanoai_gui.core.tem.synthesis.spec import (
    Aggregation,
    BitDepth,
    Caption,
    ContrastKind,
    Shape,
    SynthesisSpec,
)
from nanoai_gui.core.tem.synthesis.truth import SyntheticImage, TrueParticles

__all__ = [
    "Aggregation",
    "BitDepth",
    "Caption",
    "ContrastKind",
    "Shape",
    "SynthesisSpec",
    "SyntheticImage",
    "TrueParticles",
    "make_crops",
    "make_image",
]
