"""The whole road for one image: read, segment, measure. What a worker process runs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import nanoai_gui
from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress, part
from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.tem.agglomerates import Agglomerates, PackedLabels, StoredLabels
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.segmentation import SegmentationParameters, segment
from nanoai_gui.core.tem.sizing import SizingResult, get_method

if TYPE_CHECKING:
    from nanoai_gui.core.tem.micrograph import Micrograph


@dataclass(frozen=True)
class AnalysisSettings:
    """Everything that decides the outcome besides the image itself.

    ``method_parameters`` maps a method's name to its ``Parameters``; missing ones take their defaults.
    """

    segmentation: SegmentationParameters = field(default_factory=SegmentationParameters)
    methods: tuple[str, ...] = ("watershed",)
    method_parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageRequest:
    """One image to analyse.

    Parameters
    ----------
    path, frame
        The file and which image of it; ``None`` takes the one that the file's kind recommends.
    calibration
        Overrides the calibration found in the file; ``None`` keeps it.
    data_bar_top
        Overrides the data bar found: a row, or -1 for "there is none"; ``None`` keeps what is found.
    generation
        Counts up whenever the person changes something; a result of an older generation is dropped.
    """

    path: Path
    frame: int | None = None
    calibration: Calibration | None = None
    data_bar_top: int | None = None
    generation: int = 0


@dataclass(frozen=True, eq=False)
class ImageAnalysis:
    """What was measured in one image, and from what (design: every number can be traced).

    ``agglomerates`` carries an empty label image; the real one is ``labels``, packed. ``n_hand_edits`` counts
    the corrections that a person made since.
    """

    request: ImageRequest
    settings: AnalysisSettings
    version: str
    name: str
    shape: tuple[int, int]
    calibration: Calibration
    data_bar_top: int | None
    agglomerates: Agglomerates
    labels: StoredLabels
    results: Mapping[str, SizingResult]
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]
    n_hand_edits: int = 0


def load(request: ImageRequest) -> Micrograph:
    """Read the image of a request with its overrides applied.

    Raises
    ------
    ReadError
        If the file cannot or should not be read.
    """
    micrograph = read_micrograph(request.path, frame=request.frame)
    if request.calibration is not None:
        micrograph = micrograph.with_calibration(request.calibration)
    if request.data_bar_top is not None:
        micrograph = micrograph.with_data_bar(None if request.data_bar_top < 0 else request.data_bar_top)
    return micrograph


def analyse(
    request: ImageRequest,
    settings: AnalysisSettings,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> ImageAnalysis:
    """Read one image, find its agglomerates and measure their primary particles with every method asked for.

    Raises
    ------
    ReadError
        If the file cannot or should not be read.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    progress(0.0, "Reading")
    micrograph = load(request)
    checkpoint(cancelled)
    return analyse_micrograph(micrograph, request, settings, part(progress, 0.1, 1.0), cancelled)


def analyse_micrograph(
    micrograph: Micrograph,
    request: ImageRequest,
    settings: AnalysisSettings,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> ImageAnalysis:
    """Do the same for an image already in memory."""
    started = time.perf_counter()
    agglomerates = segment(micrograph, settings.segmentation, part(progress, 0.0, 0.3), cancelled)
    return measure(
        micrograph, agglomerates, request, settings, time.perf_counter() - started, progress, cancelled
    )


def measure(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    request: ImageRequest,
    settings: AnalysisSettings,
    segmentation_seconds: float,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> ImageAnalysis:
    """Measure agglomerates (with their contrast) that were found, or given, with every method."""
    results: dict[str, SizingResult] = {}
    seconds: dict[str, float] = {}
    for i, name in enumerate(settings.methods):
        checkpoint(cancelled)
        method = get_method(name)
        parameters = settings.method_parameters.get(name) or method.Parameters()
        share = part(
            progress, 0.3 + 0.7 * i / len(settings.methods), 0.3 + 0.7 * (i + 1) / len(settings.methods)
        )
        started = time.perf_counter()
        results[name] = method.size(micrograph, agglomerates, parameters, share, cancelled)
        seconds[name] = segmentation_seconds + time.perf_counter() - started
    progress(1.0, "Done")
    return ImageAnalysis(
        request=request,
        settings=settings,
        version=nanoai_gui.__version__,
        name=micrograph.name,
        shape=micrograph.shape,
        calibration=micrograph.calibration,
        data_bar_top=micrograph.data_bar_top,
        agglomerates=dataclasses.replace(
            agglomerates, labels=np.zeros((0, 0), dtype=np.int32), contrast=None
        ),
        labels=PackedLabels.pack(agglomerates.labels),
        results=results,
        seconds=seconds,
        warnings=micrograph.warnings,
    )
