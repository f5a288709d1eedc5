"""What the window asks of the synthesis: a quick look at a spec, and the spec that resembles an image."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress, part

if TYPE_CHECKING:
    from nanoai_gui.core.tem.analysis import ImageRequest
    from nanoai_gui.core.tem.segmentation import SegmentationParameters
    from nanoai_gui.core.tem.synthesis.spec import SynthesisSpec

LARGEST_LOOK_PX = 1024
"""A larger image is looked at in part: more would take seconds, and no screen shows it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """A synthetic image to look at.

    Parameters
    ----------
    grey
        (height, width) uint8.
    n_agglomerates, n_particles
        How many are in it.
    """

    grey: NDArray[np.uint8]
    n_agglomerates: int
    n_particles: int


def look(
    spec: SynthesisSpec, seed: int, index: int, single: bool = False, cancelled: Cancelled = never_cancelled
) -> Look:
    """Make image ``index`` of the series of ``seed``, no larger than ``LARGEST_LOOK_PX``.

    Where the spec's images are no larger, it is the very image that
    :func:`~nanoai_gui.core.tem.synthesis.write.write_images` writes.

    Raises
    ------
    ParameterError
        If the spec is impossible.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    from nanoai_gui.core.tem.synthesis.crops import make_crops
    from nanoai_gui.core.tem.synthesis.image import make_image
    from nanoai_gui.core.tem.synthesis.write import image_seed

    if single:
        image = next(make_crops(spec, 1, seed, cancelled=cancelled, start=index))
    else:
        width, height = min(spec.width_px, LARGEST_LOOK_PX), min(spec.height_px, LARGEST_LOOK_PX)
        smaller = dataclasses.replace(spec, width_px=width, height_px=height)
        image = make_image(smaller, image_seed(seed, index), cancelled)
    grey = image.micrograph.pixels
    if grey.dtype != np.uint8:
        grey = grey // (int(image.spec.bit_depth.largest) // 255)
    truth = image.truth
    return Look(grey.astype(np.uint8), len(np.unique(truth.agglomerate)), len(truth))


def resemble(
    request: ImageRequest,
    segmentation: SegmentationParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> SynthesisSpec:
    """Read an image and give the spec whose images resemble it.

    Raises
    ------
    ReadError
        If the file cannot be read.
    NanoAIError
        If there is nothing in it to resemble.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    from nanoai_gui.core.tem.analysis import load
    from nanoai_gui.core.tem.segmentation import segment
    from nanoai_gui.core.tem.synthesis.appearance import estimate_appearance

    progress(0.0, "Reading")
    micrograph = load(request)
    agglomerates = segment(micrograph, segmentation, part(progress, 0.1, 0.5), cancelled)
    return estimate_appearance(micrograph, agglomerates, part(progress, 0.5, 1.0), cancelled)
