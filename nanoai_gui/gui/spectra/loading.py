"""Reads files of spectra in a worker, for the session."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.files.opening import LaserQuestion, read_or_ask
from nanoai_gui.core.jobs import Failure, Priority
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.gui.jobs import JobRunner, Task
from nanoai_gui.gui.spectra.entries import SetState
from nanoai_gui.gui.spectra.session import SpectraSession


class SpectraLoader(QObject):
    """Reads every file of the list, the wanted one before the others.

    A file that cannot be read fails its entry with a sentence and leaves the last good map on show.
    """

    busy_changed = Signal(bool)
    failed = Signal(int, object)
    """Key and :class:`Failure` of a file that could not be read."""
    warned = Signal(int, str)
    """Key and a sentence on a file that was read."""

    def __init__(self, session: SpectraSession, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._tasks: dict[int, Task] = {}
        session.sets_added.connect(self._read_new)
        session.sets_removed.connect(self._forget)
        session.set_changed.connect(self._read_again)

    @property
    def is_busy(self) -> bool:
        """Whether anything is being read."""
        return bool(self._tasks)

    def _read_new(self, keys: list[int]) -> None:
        for key in keys:
            self._read_again(key)

    def _read_again(self, key: int) -> None:
        if key in self._session and key not in self._tasks:
            entry = self._session.entry(key)
            if entry.state is SetState.READING and entry.content is None:
                self._read(key)

    def _read(self, key: int) -> None:
        entry = self._session.entry(key)

        def done(found: tuple[SpectralSet, ...] | LaserQuestion) -> None:
            self._ended(key)
            if isinstance(found, LaserQuestion):
                self._session.fail(key, found.message, needs_laser=True)
                return
            self._session.accept_sets(key, found)
            for sentence in dict.fromkeys(text for part in found for text in part.warnings):
                self.warned.emit(key, sentence)

        def failed(failure: Failure) -> None:
            self._ended(key)
            self._session.fail(key, str(failure))
            self.failed.emit(key, failure)

        priority = Priority.INTERACTIVE if key == self._session.wanted else Priority.BACKGROUND
        self._tasks[key] = self._runner.run(
            read_or_ask, entry.path, entry.laser_nm, on_done=done, on_error=failed, priority=priority
        )
        self.busy_changed.emit(True)

    def _ended(self, key: int) -> None:
        self._tasks.pop(key, None)
        self.busy_changed.emit(self.is_busy)

    def _forget(self, keys: list[int]) -> None:
        for key in keys:
            task = self._tasks.pop(key, None)
            if task is not None:
                task.cancel()
        self.busy_changed.emit(self.is_busy)
