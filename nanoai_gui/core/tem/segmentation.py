"""From grey levels to labelled agglomerates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress
from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity
from nanoai_gui.core.tem.micrograph import Micrograph


class ThresholdKind(StrEnum):
    """How the grey level that parts particles from background is found."""

    OTSU = "Otsu"
    LOCAL = "local"
    MANUAL = "by hand"


@dataclass(frozen=True, slots=True)
class SegmentationParameters:
    """What a person can set of the segmentation; every default works untouched on most images."""

    polarity: Polarity = parameter(
        Polarity.AUTO, "Particles are", help="Found from the image when automatic."
    )
    flatten: bool = parameter(True, "Flatten background", help="Take out uneven illumination.")
    denoise_px: float = parameter(
        1.0, "Denoise", unit="px", minimum=0, maximum=20, step=0.5, help="Width of the smoothing; 0 is off."
    )
    threshold: ThresholdKind = parameter(ThresholdKind.OTSU, "Threshold")
    level: float = parameter(
        0.5, "Level", minimum=0, maximum=1, step=0.01,
        help="Only by hand: 0 is the background, 1 the strongest contrast of the image.",
    )  # fmt: skip
    minimum_diameter_px: float = parameter(
        5.0, "Smallest agglomerate", unit="px", minimum=1, maximum=10000, step=1,
        help="Area-equivalent diameter; anything smaller counts as noise.",
    )  # fmt: skip
    fill_holes: bool = parameter(True, "Fill holes")
    include_border: bool = parameter(
        False, "Include agglomerates at the border",
        help="They are cut off, so their particles are not all seen; left out by default.",
    )  # fmt: skip


def segment(
    micrograph: Micrograph,
    parameters: SegmentationParameters | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Agglomerates:
    """Find the agglomerates of a micrograph."""
    raise NotImplementedError
