"""Has the agglomerates that an edit touched measured again, in a worker, and completes the edit by it."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.remeasure import (
    GreyLevels,
    Remeasured,
    amendment,
    measure,
    prepare_grey_levels,
    remeasurement,
)
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.sizing import get_method
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.session import TemSession

GREY_LEVELS, MEASURE = "grey levels for measuring again", "measure again"


class Remeasuring(QObject):
    """Keeps the results of the image shown in step with its labels.

    The grey levels that measuring needs are prepared once for an image, as soon as a person selects
    something or takes up a tool, so that the first edit need not wait for them.
    """

    told = Signal(str)
    """A sentence the person should read."""
    finished = Signal()
    """What an edit touched has been measured again."""

    def __init__(self, session: TemSession, jobs: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._grey_levels: GreyLevels | None = None
        self._for: object = None
        self._awaited: object = None
        self._failed_at: tuple[int, int] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._measure)
        session.edited.connect(self._timer.start)
        session.labels_changed.connect(self._timer.start)
        session.current_changed.connect(self._timer.start)
        session.selection_changed.connect(self._on_selection)

    def prepare(self) -> None:
        """Have the grey levels made, if they are not there yet."""
        entry = self._session.current_entry
        if entry is None or entry.analysis is None:
            return
        wanted = _basis(entry.key, entry.analysis)
        if wanted in (self._for, self._awaited):
            return
        self._grey_levels, self._for, self._awaited = None, None, wanted

        def ready(grey_levels: GreyLevels) -> None:
            self._grey_levels, self._for, self._awaited = grey_levels, wanted, None
            self._measure()

        analysis = entry.analysis
        self._jobs.run(
            prepare_grey_levels,
            analysis.request,
            analysis.settings.segmentation,
            on_done=ready,
            on_error=self._give_up,
            key=GREY_LEVELS,
        )

    def _on_selection(self) -> None:
        if self._session.selection.agglomerates or self._session.selection.particles:
            self.prepare()

    def _measure(self) -> None:
        session = self._session
        entry, micrograph = session.current_entry, session.micrograph
        if entry is None or micrograph is None or session.labels is None or entry.analysis is None:
            return
        document = entry.document
        if not document.stale() or self._failed_at == (entry.key, document.revision):
            return
        self.prepare()
        if self._grey_levels is None or self._for != _basis(entry.key, entry.analysis):
            return
        if self._grey_levels.contrast.shape != document.labels.shape:
            return
        task = remeasurement(document, micrograph, self._grey_levels)
        if task is None:
            return
        key = entry.key
        self._jobs.run(
            measure,
            task,
            on_done=lambda found: self._take(key, document, found),
            on_error=lambda failure: self._fail(key, document, failure),
            key=MEASURE,
        )

    def _take(self, key: int, document: ImageDocument, found: Remeasured) -> None:
        if key not in self._session or self._session.entry(key).document is not document:
            return
        patches = amendment(document, found)
        if not patches:
            self._timer.start()
            return
        self._session.amend(key, patches)
        self._tell_counts(document, found)
        self.finished.emit()

    def _tell_counts(self, document: ImageDocument, found: Remeasured) -> None:
        """Say where a method could not find the number of particles that was set."""
        counts = document.counts()
        for method, rows in found.results.items():
            result = document.results[method]
            for ident in rows.agglomerate_ids.tolist():
                n = int(result.n_particles[result.agglomerate_ids == ident].sum())
                if ident in counts and counts[ident] != n:
                    title = get_method(method).TITLE
                    self.told.emit(
                        f"{title} finds {n} and not {counts[ident]} particles in agglomerate {ident}: add or "
                        "delete circles by hand."
                    )

    def _fail(self, key: int, document: ImageDocument, failure: Failure) -> None:
        self._failed_at = key, document.revision
        self._jobs.failed.emit(failure)

    def _give_up(self, failure: Failure) -> None:
        entry = self._session.current_entry
        self._awaited = None
        if entry is not None:
            self._failed_at = entry.key, entry.document.revision
            if entry.document.stale():
                self._jobs.failed.emit(failure)


def _basis(key: int, analysis: ImageAnalysis) -> object:
    """Say what the grey levels depend on."""
    request = replace(analysis.request, calibration=None, generation=0)
    return key, request, analysis.settings.segmentation
