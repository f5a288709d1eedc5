"""Leads through the agglomerates that are worth correcting, and keeps their list up to date."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from nanoai_gui.core.editing import labels
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.selecting import of_agglomerates
from nanoai_gui.gui.tem.session import TemSession

if TYPE_CHECKING:
    from nanoai_gui.core.tem.review import Cache, Candidate

Place = tuple[int, int]
"""Key of an image, and id of an agglomerate in it."""
DELAY_MS = 30


class Reviewing(QObject):
    """The list, the one that is looked at, and what a person does with it.

    It works while it is switched on; nothing is computed before.
    """

    listed = Signal()
    """``candidates`` are new, or in another order."""
    place_changed = Signal()
    """Another one is looked at."""
    shown = Signal(object)
    """y0, x0, y1, x1 of the agglomerate that is to be seen now: the view goes there."""

    def __init__(self, session: TemSession, jobs: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self.candidates: list[Candidate] = []
        self.place: Place | None = None
        self.is_on = False
        self.is_listed = False
        self._skipped: dict[Place, None] = {}
        self._row = 0
        self._waits_for: Place | None = None
        self._cache: Cache = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self._ask)
        session.entry_changed.connect(self._timer_start)
        session.edited.connect(self._timer_start)
        session.entries_removed.connect(self._timer_start)
        session.shown_method_changed.connect(self._other_method)
        # After everything else that follows another image: showing it whole is one of these.
        self._arrival = QTimer(self)
        self._arrival.setSingleShot(True)
        self._arrival.timeout.connect(self._arrived)
        session.labels_changed.connect(self._arrival.start)
        session.current_changed.connect(self._arrival.start)

    # ------------------------------------------------------------------ on and off

    def set_on(self, is_on: bool) -> None:
        """Begin, or end; what was skipped is offered again the next time."""
        if is_on == self.is_on:
            return
        self.is_on = is_on
        self._skipped.clear()
        self._row = 0
        self._waits_for = None
        self.place = None
        if is_on:
            self._ask()
        else:
            self._timer.stop()
            self._arrival.stop()
            self._jobs.cancel(self)
            self.candidates, self.is_listed = [], False
            self._cache.clear()

    def _timer_start(self) -> None:
        if self.is_on:
            self._timer.start()

    def _other_method(self) -> None:
        self._skipped.clear()
        self._row, self.place = 0, None
        self._timer_start()

    # ------------------------------------------------------------------ the list

    @property
    def n_reviewed(self) -> int:
        """Agglomerates that a person has found right, in all images."""
        return sum(len(entry.document.reviewed()) for entry in self._session.entries())

    @property
    def is_method_measured(self) -> bool:
        """Whether the method on show has measured any image."""
        method = self._session.shown_method
        return any(method in entry.document.results for entry in self._session.entries())

    @property
    def n_skipped(self) -> int:
        """Those at the end of the list that were skipped."""
        return sum(_place(candidate) in self._skipped for candidate in self.candidates)

    def _ask(self) -> None:
        from nanoai_gui.core.tem.review import rank

        entries = [entry for entry in self._session.entries() if entry.analysis is not None]
        settled = {entry.key: entry.document.reviewed() for entry in entries}
        # In a thread: it is NumPy's work, and an edit has usually changed one image only.
        self._jobs.run_in_thread(
            rank, [entry.analysis for entry in entries], self._session.shown_method,
            [entry.key for entry in entries], settled, self._cache, on_done=self._take, key=self,
        )  # fmt: skip

    def _take(self, candidates: list[Candidate]) -> None:
        if not self.is_on:
            return
        skipped = self._skipped
        self.candidates = sorted(candidates, key=lambda c: _place(c) in skipped)
        self.is_listed = True
        rows = {_place(candidate): row for row, candidate in enumerate(self.candidates)}
        row = rows.get(self.place) if self.place is not None else None
        if row is not None:
            self._row = row
            self.listed.emit()
            return
        # Accepted, deleted or skipped: the next one has moved into its row.
        self.listed.emit()
        self._look_at(min(self._row, max(len(self.candidates) - 1 - self.n_skipped, 0)))

    # ------------------------------------------------------------------ going through it

    @property
    def is_coming(self) -> bool:
        """Whether what is to be looked at is not to be seen yet: nobody can judge it."""
        return self._waits_for is not None

    def go(self, row: int) -> None:
        """Look at the agglomerate in a row of the list."""
        if 0 <= row < len(self.candidates):
            self._look_at(row)

    def next(self) -> None:
        """Look at the following one; this one stays in the list."""
        self.go((self._row + 1) % max(len(self.candidates), 1))

    def accept(self) -> None:
        """Mark the agglomerate as found right, and go on."""
        if self.place is None or self.is_coming or self.place[0] not in self._session:
            return
        key, ident = self.place
        document = self._session.entry(key).document
        self.place = None
        self._session.commit(key, labels.accept(document, [ident]))
        self._ask()

    def skip(self) -> None:
        """Put the agglomerate at the end of the list, and go on."""
        if self.place is None or self.is_coming:
            return
        self._skipped.pop(self.place, None)
        self._skipped[self.place] = None
        self.place = None
        self._ask()

    def _look_at(self, row: int) -> None:
        self._row = row
        self.place = _place(self.candidates[row]) if row < len(self.candidates) else None
        self._waits_for = self.place
        self.place_changed.emit()
        if self.place is not None:
            if self._session.wanted != self.place[0]:
                self._session.set_current(self.place[0])
            self._arrived()

    def _arrived(self) -> None:
        """Select what is looked at, once its image is shown."""
        session = self._session
        if self._waits_for is None or not self.is_on:
            return
        key, ident = self._waits_for
        entry = session.current_entry
        if session.current != key or session.labels is None or entry is None or entry.analysis is None:
            return
        self._waits_for = None
        result = entry.analysis.results.get(session.shown_method)
        particles = Particles.empty() if result is None else result.particles
        session.select(of_agglomerates(particles, [ident]))
        table = entry.analysis.agglomerates
        for box in table.boxes[table.ids == ident].tolist():
            self.shown.emit(tuple(box))


def _place(candidate: Candidate) -> Place:
    return int(candidate.image), candidate.agglomerate  # type: ignore[call-overload]


def share_of_next(candidates: Iterable[Candidate], n: int = 10) -> float:
    """Give the part of all doubt that lies in the next few agglomerates."""
    return sum(candidate.share for candidate in list(candidates)[:n])
