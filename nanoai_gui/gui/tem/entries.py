"""What the list of the TEM tab holds: an image, where it stands, and what is selected in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.sizing import get_method


class ImageState(Enum):
    """Where an image stands."""

    NEW = auto()
    QUEUED = auto()
    RUNNING = auto()
    DONE = auto()
    OUTDATED = auto()  # measured, but settings or data bar have changed since
    FAILED = auto()


@dataclass
class ImageEntry:
    """One image of the file strip.

    ``key`` is stable and unique in a session; ``frame``, ``calibration`` and ``data_bar_top`` are a person's
    choices as in :class:`ImageRequest`; ``generation`` counts up with every change. What was found when
    the file was read (``None`` before): ``file_calibration``, ``file_data_bar_top``, ``n_frames``,
    ``shape`` (height and width in px).
    ``error`` is a sentence; ``is_unreadable`` says that it came from reading, not from measuring.
    """

    key: int
    path: Path
    frame: int | None = None
    calibration: Calibration | None = None
    data_bar_top: int | None = None
    generation: int = 0
    state: ImageState = ImageState.NEW
    analysis: ImageAnalysis | None = None
    error: str = ""
    is_unreadable: bool = False
    title: str = ""
    file_calibration: Calibration | None = None
    file_data_bar_top: int | None = None
    n_frames: int | None = None
    shape: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """File name, with the frame where the file holds several."""
        if self.title:
            return self.title
        return self.path.name if self.frame is None else f"{self.path.name} [{self.frame + 1}]"

    @property
    def known_calibration(self) -> Calibration | None:
        """The override, else what the file says; ``None`` while the file has not been read."""
        return self.calibration or self.file_calibration

    def request(self) -> ImageRequest:
        """Say what a worker must do for this image now."""
        return ImageRequest(self.path, self.frame, self.calibration, self.data_bar_top, self.generation)


@dataclass(frozen=True)
class Selection:
    """Selected agglomerates and particles (ids) of the current image; all views share it."""

    agglomerates: frozenset[int] = frozenset()
    particles: frozenset[int] = frozenset()


def covers(analysis: ImageAnalysis, settings: AnalysisSettings) -> bool:
    """Whether an analysis holds what ``settings`` would give (it may hold further methods)."""
    made = analysis.settings
    if made.segmentation != settings.segmentation:
        return False
    return all(
        name in analysis.results and _same_parameters(name, made, settings) for name in settings.methods
    )


def _same_parameters(method: str, one: AnalysisSettings, other: AnalysisSettings) -> bool:
    """Whether both give a method the same parameters; not set means its defaults."""
    first, second = one.method_parameters.get(method), other.method_parameters.get(method)
    if first == second:
        return True
    defaults = get_method(method).Parameters()
    return (first or defaults) == (second or defaults)
