"""Has images analysed one after the other (or a few at a time) while the window stays free."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.jobs import Failure, Priority
from nanoai_gui.core.tem.analysis import ImageAnalysis, analyse
from nanoai_gui.gui.jobs import JobRunner, Task
from nanoai_gui.gui.tem.entries import ImageState
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.notice import Kind


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    ``fraction`` counts parts of images; ``seconds_left`` is ``None`` until enough is done to tell.
    """

    n_images: int
    n_finished: int
    n_failed: int
    fraction: float
    seconds_left: float | None
    message: str


@dataclass(frozen=True)
class BatchSummary:
    """How a batch ended; ``errors`` gives the sentence for each key that failed."""

    n_measured: int
    errors: dict[int, str]
    was_cancelled: bool
    seconds: float


class Batch(QObject):
    """The queue of images to analyse.

    One image is handed to a worker at a time (for each worker), so that it is analysed with the settings and
    calibration as they are when its turn comes. An image that changes while it is worked on is done again.
    """

    started = Signal()
    progress_changed = Signal(object)  # BatchProgress
    finished = Signal(object)  # BatchSummary

    def __init__(self, session: TemSession, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._waiting: deque[int] = deque()
        self._running: dict[int, Task] = {}
        self._generations: dict[int, int] = {}
        self._fractions: dict[int, float] = {}
        self._errors: dict[int, str] = {}
        self._n_measured = 0
        self._n_images = 0
        self._started_at = 0.0
        self._message = ""
        session.entry_changed.connect(self._on_entry_changed)
        session.entries_removed.connect(self._on_removed)

    @property
    def is_running(self) -> bool:
        """Whether images are waiting or being worked on."""
        return bool(self._waiting or self._running)

    def start(self, keys: Iterable[int]) -> None:
        """Queue images; those that wait or run already are not queued twice."""
        was_running = self.is_running
        new = [key for key in dict.fromkeys(keys) if key not in self._running and key not in self._waiting]
        if not new:
            return
        if not was_running:
            self._errors = {}
            self._n_measured = self._n_images = 0
            self._started_at = time.monotonic()
            self._message = ""
        self._n_images += len(new)
        for key in new:
            self._waiting.append(key)
            self._session.set_state(key, ImageState.QUEUED)
        if not was_running:
            self.started.emit()
        self._fill()
        self._tell()

    def cancel(self) -> None:
        """Stop at once; images that are finished keep their results, the others stand as before."""
        if not self.is_running:
            return
        keys = [*self._running, *self._waiting]
        for task in self._running.values():
            task.cancel()
        self._waiting.clear()
        self._running.clear()
        self._fractions.clear()
        for key in keys:
            self._session.settle(key)
        self._finish(was_cancelled=True)

    def progress(self) -> BatchProgress:
        """Say how far it is."""
        n_finished = self._n_measured + len(self._errors)
        done = n_finished + sum(self._fractions.values())
        left = seconds_left(time.monotonic() - self._started_at, done, self._n_images)
        fraction = done / self._n_images if self._n_images else 1.0
        return BatchProgress(
            self._n_images, n_finished, len(self._errors), min(fraction, 1.0), left, self._message
        )

    # ------------------------------------------------------------------ one image

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._runner.batch_width:
            self._submit(self._waiting.popleft())

    def _submit(self, key: int) -> None:
        entry = self._session.entry(key)
        self._generations[key] = entry.generation
        self._fractions[key] = 0.0
        self._running[key] = self._runner.run(
            analyse,
            entry.request(),
            self._session.settings,
            on_done=lambda analysis: self._on_done(key, analysis),
            on_error=lambda failure: self._on_error(key, failure),
            on_progress=lambda fraction, message: self._on_progress(key, fraction, message),
            priority=Priority.BATCH,
        )
        self._session.set_state(key, ImageState.RUNNING)

    def _on_progress(self, key: int, fraction: float, message: str) -> None:
        if key in self._running:
            self._fractions[key] = fraction
            self._message = f"{self._session.entry(key).name}: {message}"
            self._tell()

    def _on_done(self, key: int, analysis: ImageAnalysis) -> None:
        self._release(key)
        if self._session.accept_analysis(key, analysis):
            self._n_measured += 1
        elif key in self._session:
            self._waiting.appendleft(key)
        self._go_on()

    def _on_error(self, key: int, failure: Failure) -> None:
        self._release(key)
        sentence = str(failure)
        self._errors[key] = sentence
        self._session.fail(key, sentence)
        self._go_on()

    def _release(self, key: int) -> None:
        self._running.pop(key, None)
        self._fractions.pop(key, None)
        self._generations.pop(key, None)

    def _go_on(self) -> None:
        self._fill()
        self._tell()
        if not self.is_running:
            self._finish(was_cancelled=False)

    def _finish(self, was_cancelled: bool) -> None:
        seconds = time.monotonic() - self._started_at
        self.finished.emit(BatchSummary(self._n_measured, dict(self._errors), was_cancelled, seconds))

    def _tell(self) -> None:
        if self.is_running:
            self.progress_changed.emit(self.progress())

    # ------------------------------------------------------------------ changes from outside

    def _on_entry_changed(self, key: int) -> None:
        task = self._running.get(key)
        if task is None or self._generations[key] == self._session.entry(key).generation:
            return
        # What it computes now is no longer wanted: begin again with what the person chose since.
        task.cancel()
        self._release(key)
        self._waiting.appendleft(key)
        self._session.set_state(key, ImageState.QUEUED)
        self._fill()

    def _on_removed(self, keys: list[int]) -> None:
        gone = [key for key in keys if key in self._running or key in self._waiting]
        for key in gone:
            task = self._running.get(key)
            if task is not None:
                task.cancel()
                self._release(key)
            else:
                self._waiting.remove(key)
        self._n_images -= len(gone)
        if gone:
            self._go_on()


def seconds_left(elapsed: float, done: float, total: int) -> float | None:
    """Estimate the seconds to go from ``done`` images in ``elapsed`` seconds; ``None`` if too early."""
    if done < 0.3 or elapsed < 1.0:
        return None
    return elapsed * (total - done) / done


def seconds_in_words(seconds: float) -> str:
    """Say a duration as roughly as it is known."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds / 5) * 5} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


def batch_messages(summary: BatchSummary) -> list[tuple[str, Kind]]:
    """Say what a person should know at the end of a batch: nothing if all went well and fast."""
    n, n_failed = summary.n_measured, len(summary.errors)
    measured = "1 image measured" if n == 1 else f"{n} images measured"
    if summary.was_cancelled:
        return [(f"Stopped: {measured}.", Kind.INFORMATION)]
    if n_failed == 1:
        return [(f"{measured}, 1 failed: {next(iter(summary.errors.values()))}", Kind.WARNING)]
    if n_failed:
        advice = "Each says why in the list on the left."
        return [(f"{measured}, {n_failed} failed. {advice}", Kind.WARNING)]
    return [(f"{measured} in {summary.seconds:.0f} s.", Kind.INFORMATION)] if n > 1 else []
