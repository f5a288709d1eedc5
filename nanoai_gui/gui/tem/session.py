"""What the TEM tab works on: the images, their state, the settings and the one selection.

Views read from the session and listen to its signals; they never talk to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.micrograph import Micrograph


class ImageState(Enum):
    """Where an image stands."""

    NEW = auto()
    QUEUED = auto()
    RUNNING = auto()
    DONE = auto()
    OUTDATED = auto()  # measured, but settings or calibration have changed since
    FAILED = auto()


@dataclass
class ImageEntry:
    """One image of the file strip.

    ``key`` is stable and unique in a session; ``calibration`` and ``data_bar_top`` are a person's
    overrides as in :class:`ImageRequest`; ``generation`` counts up with every change.
    """

    key: int
    path: Path
    frame: int = 0
    calibration: Calibration | None = None
    data_bar_top: int | None = None
    generation: int = 0
    state: ImageState = ImageState.NEW
    analysis: ImageAnalysis | None = None
    error: str = ""

    def request(self) -> ImageRequest:
        """Say what a worker must do for this image now."""
        return ImageRequest(self.path, self.frame, self.calibration, self.data_bar_top, self.generation)


@dataclass(frozen=True)
class Selection:
    """Selected agglomerates and particles (ids) of the current image; all views share it."""

    agglomerates: frozenset[int] = frozenset()
    particles: frozenset[int] = frozenset()


class TemSession(QObject):
    """The model of the TEM tab."""

    entries_added = Signal(list)  # keys
    entries_removed = Signal(list)  # keys
    entry_changed = Signal(int)  # key: state, calibration, analysis or error
    current_changed = Signal()  # another image, or the current one was read (again)
    selection_changed = Signal()
    settings_changed = Signal()
    shown_method_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries: dict[int, ImageEntry] = {}
        self._current: int | None = None
        self._micrograph: Micrograph | None = None
        self._selection = Selection()
        self._settings = AnalysisSettings()
        self._shown_method = self._settings.methods[0]
