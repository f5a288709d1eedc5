"""Analyses of images whose agglomerates are given: drawn in another program, or none at all."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress, part
from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest, load, measure
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Status
from nanoai_gui.core.tem.segmentation import SegmentationParameters, describe, prepare, threshold_level


def analyse_given(
    request: ImageRequest,
    settings: AnalysisSettings,
    labels: NDArray[np.int32],
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> ImageAnalysis:
    """Measure agglomerates that a person drew elsewhere.

    Parameters
    ----------
    labels
        (height, width), of the size of the image; ids are kept.

    Raises
    ------
    ReadError
        If the image cannot be read.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    started = time.perf_counter()
    progress(0.0, "Reading")
    micrograph = load(request)
    checkpoint(cancelled)
    agglomerates = given_agglomerates(micrograph, settings.segmentation, labels, cancelled)
    seconds = time.perf_counter() - started
    return measure(micrograph, agglomerates, request, settings, seconds, part(progress, 0.2, 1.0), cancelled)


def given_agglomerates(
    micrograph: Micrograph,
    parameters: SegmentationParameters,
    labels: NDArray[np.int32],
    cancelled: Cancelled = never_cancelled,
) -> Agglomerates:
    """Describe given agglomerates as the segmentation describes those it finds.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    prepared = prepare(micrograph, parameters, cancelled=cancelled)
    # Below the data bar there is no image.
    labels = labels.copy()
    labels[prepared.field_shape[0] :] = 0
    ids, compact = np.unique(labels, return_inverse=True)
    # Ids may be as large as they like: what is computed on the way is numbered from 1.
    if ids[0] != 0:
        ids, compact = np.concatenate([[0], ids]), compact + 1
    numbered = compact.reshape(labels.shape).astype(np.int32)
    found = describe(numbered, prepared, parameters, threshold_level(prepared, parameters))
    own = ids[found.ids].astype(np.int32)
    return replace(found, labels=labels, ids=own, status=np.full(len(own), Status.ADDED, dtype=np.int8))


def blank_analysis(
    micrograph: Micrograph, request: ImageRequest, settings: AnalysisSettings
) -> ImageAnalysis:
    """Give an analysis without agglomerates, for measuring by hand what nothing was found in."""
    none = np.empty(0)
    polarity = settings.segmentation.polarity
    agglomerates = Agglomerates(
        labels=np.zeros(micrograph.shape, dtype=np.int32),
        ids=np.empty(0, dtype=np.int32),
        x=none,
        y=none,
        area_px=np.empty(0, dtype=np.int64),
        boxes=np.empty((0, 4), dtype=np.int32),
        excluded=(),
        polarity=Polarity.DARK if polarity is Polarity.AUTO else polarity,
        threshold=float("nan"),
    )
    return measure(micrograph, agglomerates, request, replace(settings, methods=()), 0.0)
