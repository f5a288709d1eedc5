"""Has the agglomerates that an edit touched measured again, in a worker, and completes the edit by it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, QTimer, Signal

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.history import Direction
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
from nanoai_gui.gui.jobs import JobRunner, Task
from nanoai_gui.gui.tem.session import TemSession

GREY_LEVELS = "grey levels for measuring again"
MOST_AT_ONCE = 2
"""Measurements under way: who edits while a slow method is at work need not wait for the end of it."""


@dataclass(eq=False)
class _Run:
    """A measurement under way."""

    key: int
    document: ImageDocument
    revision: int
    ids: frozenset[int]
    task: Task | None = None


class Remeasuring(QObject):
    """Keeps the results of the image shown in step with its labels.

    The grey levels that measuring needs are prepared once for an image, as soon as a person selects
    something or takes up a tool, so that the first edit need not wait for them.
    """

    told = Signal(str)
    """A sentence the person should read."""
    finished = Signal()
    """What an edit touched has been measured again."""
    under_way_changed = Signal()
    """More or fewer agglomerates are being measured again."""

    def __init__(self, session: TemSession, jobs: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._grey_levels: GreyLevels | None = None
        self._for: object = None
        self._awaited: object = None
        self._running: list[_Run] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._measure)
        session.edited.connect(self._on_edit)
        session.labels_changed.connect(self._timer.start)
        session.current_changed.connect(self._timer.start)
        session.selection_changed.connect(self._on_selection)

    @property
    def is_ready(self) -> bool:
        """Whether the first edit need not wait for anything."""
        return self._grey_levels is not None

    @property
    def n_under_way(self) -> int:
        """How many agglomerates are being measured again."""
        return len(frozenset[int]().union(*(run.ids for run in self._running)))

    def is_under_way(self, key: int) -> bool:
        """Whether anything of an image is being measured again."""
        return any(run.key == key for run in self._running)

    def prepare(self) -> None:
        """Have the grey levels made, if they are not there yet."""
        entry = self._session.current_entry
        if entry is None or entry.analysis is None:
            return
        wanted = _basis(entry.key, entry.analysis)
        if wanted in (self._for, self._awaited):
            return
        self._grey_levels, self._for, self._awaited = None, None, wanted
        self._jobs.run_in_thread(_load_libraries)

        def ready(grey_levels: GreyLevels) -> None:
            self._grey_levels, self._for, self._awaited = grey_levels, wanted, None
            self._measure()

        analysis, document = entry.analysis, entry.document

        def failed(failure: Failure) -> None:
            self._awaited = None
            if document.stale():
                self._stop_trying(entry.key, document)
                self._jobs.failed.emit(failure)

        self._jobs.run(
            prepare_grey_levels,
            analysis.request,
            analysis.settings.segmentation,
            on_done=ready,
            on_error=failed,
            key=GREY_LEVELS,
        )

    def _on_edit(self, _key: int, _edit: Edit, direction: Direction) -> None:
        if direction is Direction.DONE:
            self._measure()  # at once: the worker is at it while the window paints
        else:
            self._timer.start()

    def _on_selection(self) -> None:
        if self._session.selection.agglomerates or self._session.selection.particles:
            self.prepare()

    def _measure(self) -> None:
        session = self._session
        entry, micrograph = session.current_entry, session.micrograph
        if entry is None or micrograph is None or session.labels is None or entry.analysis is None:
            return
        document = entry.document
        if not document.stale() or entry.is_stuck:
            return
        self.prepare()
        if self._grey_levels is None or self._for != _basis(entry.key, entry.analysis):
            return
        if self._grey_levels.contrast.shape != document.labels.shape:
            return
        self._forget_outdated()
        running = [run for run in self._running if run.document is document]
        if len(running) >= MOST_AT_ONCE:
            return  # the end of any of them leads here again
        busy = [i for run in running for i in run.ids - document.changed_since(run.revision, run.ids)]
        task = remeasurement(document, micrograph, self._grey_levels, busy)
        if task is None:
            return
        run = _Run(entry.key, document, task.revision, task.agglomerates)
        self._running.append(run)
        run.task = self._jobs.run(
            measure,
            task,
            on_done=lambda found: self._take(run, found),
            on_error=lambda failure: self._fail(run, failure),
        )
        self.under_way_changed.emit()
        if task.agglomerates | set(busy) != frozenset[int]().union(*document.stale().values()):
            self._timer.start()  # there is more than is cut out at a time

    def _forget_outdated(self) -> None:
        """Stop what measures nothing but agglomerates that were changed since, or belongs to what is gone."""
        for run in self._running[:]:
            is_gone = not self._is_there(run.key, run.document)
            if is_gone or run.document.changed_since(run.revision, run.ids) == run.ids:
                self._running.remove(run)
                if run.task is not None:
                    run.task.cancel()
                self.under_way_changed.emit()

    def _take(self, run: _Run, found: Remeasured) -> None:
        self._running.remove(run)
        self.under_way_changed.emit()
        self._timer.start()
        patches = amendment(run.document, found) if self._is_there(run.key, run.document) else ()
        if patches:
            self._session.amend(run.key, patches)
            self._tell_counts(run.document, found)
            self.finished.emit()

    def _is_there(self, key: int, document: ImageDocument) -> bool:
        return key in self._session and self._session.entry(key).document is document

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

    def _fail(self, run: _Run, failure: Failure) -> None:
        self._running.remove(run)
        self.under_way_changed.emit()
        self._stop_trying(run.key, run.document)
        self._jobs.failed.emit(failure)

    def _stop_trying(self, key: int, document: ImageDocument) -> None:
        """Leave an image alone until it is changed: it would fail again."""
        if self._is_there(key, document):
            self._session.entry(key).failed_revision = document.revision
            self._session.entry_changed.emit(key)


def _load_libraries() -> None:
    """Load what edits of labels need, so that the first of them need not wait for it."""
    import scipy.ndimage  # noqa: F401


def _basis(key: int, analysis: ImageAnalysis) -> object:
    """Say what the grey levels depend on."""
    request = replace(analysis.request, calibration=None, generation=0)
    return key, request, analysis.settings.segmentation
