"""Segmenting a part of an image again with other settings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress
from nanoai_gui.core.editing.regions import clip
from nanoai_gui.core.tem.micrograph import Box, Micrograph
from nanoai_gui.core.tem.segmentation import SegmentationParameters, segment

MARGIN = 0.5
"""Background around the box that is looked at too, as a share of its sides (at least 32 px)."""


def surroundings(micrograph: Micrograph, box: Box) -> tuple[Micrograph, Box]:
    """Cut a box with some of its surroundings out of an image.

    Returns
    -------
    part, inner
        The part of the image, and where the box lies in it.
    """
    field = micrograph.field_of_view
    my, mx = (max(int(MARGIN * side), 32) for side in box.shape)
    outer = clip(Box(box.y0 - my, box.x0 - mx, box.y1 + my, box.x1 + mx), (field.y1, field.x1))
    part = Micrograph(micrograph.pixels[outer.slices].copy(), micrograph.name)
    inner = Box(box.y0 - outer.y0, box.x0 - outer.x0, box.y1 - outer.y0, box.x1 - outer.x0)
    return part, inner


def segment_box(
    part: Micrograph,
    inner: Box,
    parameters: SegmentationParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> NDArray[np.int32]:
    """Find agglomerates in a part of an image, and give those of the box inside (see :func:`surroundings`).

    Returns
    -------
    (h, w) int32 of the size of the box; what reaches out of it, or lies in the data bar, is left out.
    """
    found = segment(part, parameters, progress, cancelled).labels
    whole = np.zeros(inner.shape, dtype=np.int32)
    crop = found[inner.slices]
    whole[: crop.shape[0], : crop.shape[1]] = crop
    outside = found.copy()
    outside[inner.slices] = 0
    whole[np.isin(whole, np.unique(outside))] = 0
    return whole
