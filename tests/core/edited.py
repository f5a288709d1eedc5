"""Documents to edit: a made micrograph of overlapping discs, analysed for real by a quick method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.remeasure import GreyLevels
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest, analyse_micrograph
from nanoai_gui.core.tem.background import estimate_background
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.segmentation import SegmentationParameters, segment
from nanoai_gui.core.tem.sizing.edges import noise_steepness

SHAPE = (240, 320)
DISCS = (
    (40, 40, 14), (62, 42, 13),  # two that overlap: agglomerate 1
    (120, 50, 16), (146, 54, 15), (170, 46, 14),  # three in a row
    (250, 60, 18),
    (60, 140, 20), (60, 170, 16),
    (150, 150, 22),
    (220, 160, 12), (238, 170, 12), (230, 186, 13),
    (300, 8, 14),  # at the border
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Made:
    """A micrograph, what was found in it, and the grey levels that measuring again needs."""

    micrograph: Micrograph
    analysis: ImageAnalysis
    grey_levels: GreyLevels

    def document(self) -> ImageDocument:
        """A document of its own."""
        return ImageDocument(self.analysis)


def made_micrograph() -> Micrograph:
    """Dark discs on a bright, noisy ground."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float64)
    depth = np.zeros(SHAPE)
    for cx, cy, r in DISCS:
        depth = np.maximum(depth, 70 * np.clip(r + 0.5 - np.hypot(x - cx, y - cy), 0, 1))
    noise = np.random.default_rng(5).normal(0, 3, SHAPE)
    pixels = (180 - depth + noise).clip(0, 255).astype(np.uint8)
    return Micrograph(pixels, "made.tif", Path("made.tif"))


@lru_cache(maxsize=2)
def made(methods: tuple[str, ...] = ("watershed",)) -> Made:
    """Analyse the made micrograph (once for all tests)."""
    micrograph = made_micrograph()
    settings = AnalysisSettings(SegmentationParameters(), methods)
    analysis = analyse_micrograph(micrograph, ImageRequest(Path("made.tif")), settings)
    found: Agglomerates = segment(micrograph, settings.segmentation)
    assert found.contrast is not None
    background = estimate_background(micrograph.field_pixels, found.polarity)
    return Made(micrograph, analysis, GreyLevels(found.contrast, noise_steepness(found), background))


def do(document: ImageDocument, edit: Edit | None) -> Edit:
    """Apply an edit that must be one."""
    assert edit is not None
    document.apply(edit)
    return edit


def id_at(document: ImageDocument, x: int, y: int) -> int:
    """The agglomerate at a pixel."""
    return int(document.labels[y, x])
