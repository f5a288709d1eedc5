"""Stand-ins for the analysis that run in real workers: how long they take and what they give is known."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from nanoai_gui.core.callbacks import checkpoint
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest
from tests.gui.made import made_analysis

Progress = Callable[[float, str], None]
Cancelled = Callable[[], bool]


def quick(request: ImageRequest, settings: AnalysisSettings, progress: Progress) -> ImageAnalysis:
    """Give a result at once; names decide what goes wrong."""
    progress(0.5, "Half way")
    if "broken" in request.path.name:
        raise ReadError(f"{request.path.name} is cut off.", "Copy it again.")
    if "defect" in request.path.name:
        raise ZeroDivisionError("a defect of the program")
    return made_analysis(request, settings, n=5)


def endless(
    request: ImageRequest, settings: AnalysisSettings, progress: Progress, cancelled: Cancelled
) -> ImageAnalysis:
    """Compute until cancelled."""
    while True:
        progress(0.4, "Working")
        checkpoint(cancelled)
        time.sleep(0.01)


def until_calibrated(
    request: ImageRequest, settings: AnalysisSettings, progress: Progress, cancelled: Cancelled
) -> ImageAnalysis:
    """Compute until cancelled, unless the request carries a calibration."""
    if request.calibration is None:
        return endless(request, settings, progress, cancelled)
    return made_analysis(request, settings, request.calibration, n=5)


def stubborn(request: ImageRequest, settings: AnalysisSettings, progress: Progress) -> ImageAnalysis:
    """Compute without ever looking whether it is still wanted."""
    progress(0.1, "Stubborn")
    time.sleep(1000)  # longer than any test may take
    raise AssertionError("nobody stopped it")


def lacking(name: str) -> str:
    """Say that a method cannot run on this computer."""
    return f"What {name} needs is not there. Install it."


def able(name: str) -> str:
    """Say that it can."""
    return ""


def dying(name: str) -> str:
    """End as a library does that the processor does not understand."""
    os._exit(4)
