"""What the list of the TEM tab holds: an image, where it stands, and what is selected in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.history import History
from nanoai_gui.core.parameters import describe
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.sizing import get_method

CALIBRATION, DATA_BAR, SETTINGS = "calibration", "data_bar_top", "settings"
"""Values of a document that the window sets."""


class ImageState(Enum):
    """Where an image stands."""

    NEW = auto()
    QUEUED = auto()
    RUNNING = auto()
    DONE = auto()
    OUTDATED = auto()  # measured, but settings or data bar have changed since
    FAILED = auto()


class ImageEntry:
    """One image of the file strip.

    Parameters
    ----------
    key
        Stable and unique in a session.
    path, frame, calibration, data_bar_top
        The file, and a person's choices as in :class:`ImageRequest`.
    generation
        Counts up with every change of these.
    state, analysis, error, is_unreadable
        Where it stands; ``error`` is a sentence, ``is_unreadable`` says that it came from reading, not from
        measuring.
    title, file_calibration, file_data_bar_top, n_frames, shape
        What was found when the file was read (``None`` before); ``shape`` is height and width in px.
    has_changed
        Whether the file is another one than the one that was measured.
    values, history
        What a person set by edits, and the steps that can be undone.
    failed_revision
        The state of the document in which measuring again what an edit had touched has failed.
    """

    def __init__(
        self,
        key: int,
        path: Path,
        frame: int | None = None,
        calibration: Calibration | None = None,
        data_bar_top: int | None = None,
        generation: int = 0,
        state: ImageState = ImageState.NEW,
        analysis: ImageAnalysis | None = None,
        error: str = "",
        is_unreadable: bool = False,
        title: str = "",
        file_calibration: Calibration | None = None,
        file_data_bar_top: int | None = None,
        n_frames: int | None = None,
        shape: tuple[int, int] | None = None,
        values: Mapping[str, Any] | None = None,
        history: History | None = None,
    ) -> None:
        self.key = key
        self.path = path
        self.frame = frame
        self.generation = generation
        self.state = state
        self.error = error
        self.is_unreadable = is_unreadable
        self.title = title
        self.file_calibration = file_calibration
        self.file_data_bar_top = file_data_bar_top
        self.n_frames = n_frames
        self.shape = shape
        self.has_changed = False
        self.failed_revision: int | None = None
        self.document = ImageDocument(analysis)
        self.document.values.update(values or {})
        self.document.set_value(CALIBRATION, calibration)
        self.document.set_value(DATA_BAR, data_bar_top)
        self.history = history or History()
        for edit in self.history.edits:
            self.document.reserve(edit)

    @property
    def analysis(self) -> ImageAnalysis | None:
        """What was measured, hand edits included; ``None`` if nothing was."""
        return self.document.analysis

    @property
    def calibration(self) -> Calibration | None:
        """The pixel size that a person set; ``None``: that of the file."""
        value = self.document.values.get(CALIBRATION)
        return value if isinstance(value, Calibration) else None

    @property
    def data_bar_top(self) -> int | None:
        """First row of the data bar as a person set it; -1: there is none; ``None``: as found."""
        value = self.document.values.get(DATA_BAR)
        return value if isinstance(value, int) else None

    @property
    def is_fresh(self) -> bool:
        """Whether the analysis is one of the image as it is set up now."""
        if self.analysis is None or self.has_changed:
            return False
        # Where the file lies is no property of the image.
        return replace(self.analysis.request, generation=self.generation, path=self.path) == self.request()

    @property
    def is_stuck(self) -> bool:
        """Whether something is to be measured again, and could not be as the image is now."""
        return self.failed_revision == self.document.revision and bool(self.document.stale())

    def follow_calibration(self) -> None:
        """Give the results the pixel size that holds now; nothing needs to be measured again."""
        analysis = self.analysis
        was_fresh = analysis is None or (
            replace(analysis.request, generation=self.generation, calibration=self.calibration)
            == self.request()
        )
        self.generation += 1
        known = self.known_calibration
        if analysis is not None and known is not None:
            request = self.request() if was_fresh else replace(analysis.request, calibration=self.calibration)
            self.document.analysis = replace(analysis, request=request, calibration=known)

    def take_frame(self, frame: int) -> None:
        """Be another image of the same file: nothing that was known of the one before holds."""
        self.frame = frame
        self.file_calibration = self.file_data_bar_top = None
        self.error = self.title = ""
        self.document, self.history = ImageDocument(), History()

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


def settings_title(before: AnalysisSettings, after: AnalysisSettings) -> str:
    """Say in a few words which setting differs."""
    if before.methods != after.methods:
        return "Choose methods"
    changed = _changed_labels(before.segmentation, after.segmentation)
    for method in after.methods:
        default = get_method(method).Parameters()
        one = before.method_parameters.get(method) or default
        other = after.method_parameters.get(method) or default
        changed += _changed_labels(one, other)
    if len(changed) == 1:
        return f"Set {changed[0][0].lower()}{changed[0][1:]}"
    return "Change settings"


def _changed_labels(one: Any, other: Any) -> list[str]:  # noqa: ANN401 - parameter sets
    return [
        spec.label for spec in describe(type(one)) if getattr(one, spec.name) != getattr(other, spec.name)
    ]
