"""Prepares in a thread what a widget shows; only what was asked for last is delivered."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal, Slot

from nanoai_gui.core.callbacks import Cancelled, OperationCancelled


class NewestOnly(QObject):
    """Runs ``work(cancelled)`` in a thread of its own that ends with it.

    Meant for widgets that must work without the rest of the program, for array arithmetic of some tenths of
    a second (which lets the window's thread run).
    """

    finished = Signal(object)
    """The result of the newest request, in the thread this object lives in."""
    _came = Signal(int, object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._ticket = 0
        self._threads: list[threading.Thread] = []
        self._came.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def submit(self, work: Callable[[Cancelled], object]) -> None:
        """Ask for a result; the one asked for before is no longer wanted."""
        self._ticket += 1
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._run, args=(work, self._ticket), name=self._name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def cancel(self) -> None:
        """Want nothing any more."""
        self._ticket += 1

    def close(self, timeout: float = 5.0) -> None:
        """Want nothing any more, and wait until nothing runs."""
        self.cancel()
        for thread in self._threads:
            thread.join(timeout)
        self._threads.clear()

    def _run(self, work: Callable[[Cancelled], object], ticket: int) -> None:
        try:
            result = work(lambda: ticket != self._ticket)
        except OperationCancelled:
            return
        try:
            self._came.emit(ticket, result)
        except RuntimeError:
            return  # the widget was deleted meanwhile

    @Slot(int, object)
    def _deliver(self, ticket: int, result: object) -> None:
        if ticket == self._ticket:
            self.finished.emit(result)
