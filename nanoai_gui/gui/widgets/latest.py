"""Computes in a thread what one view shows, and only ever the newest of many requests.

For a widget that must work without the program around it. A request that is overtaken is cancelled, and its
result is never delivered. Work that must not be dropped belongs in the worker pool.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.callbacks import Cancelled, OperationCancelled

Work = Callable[[Cancelled], object]


class _Mailbox:
    """What the window's thread and the working thread share."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.work: Work | None = None
        self.ticket = 0
        self.is_closed = False


class LatestRunner(QObject):
    """Runs the newest piece of work; one thread, started with the first request.

    Parameters
    ----------
    name
        Of the thread, as a debugger shows it.
    """

    finished = Signal(object)
    """The result of the newest request, in the window's thread."""
    failed = Signal(object)
    """The exception of the newest request, in the window's thread."""
    _came_back = Signal(int, object, object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._mailbox = _Mailbox()
        self._thread: threading.Thread | None = None
        self._waiting_for = 0
        self._came_back.connect(self._deliver)

    @property
    def is_busy(self) -> bool:
        """Whether a result is still to come."""
        return self._waiting_for != 0

    def submit(self, work: Work) -> None:
        """Ask for ``work(cancelled)``; whatever was asked for before is no longer wanted."""
        with self._mailbox.condition:
            if self._mailbox.is_closed:
                return
            self._mailbox.ticket += 1
            self._mailbox.work = work
            self._waiting_for = self._mailbox.ticket
            self._mailbox.condition.notify()
        if self._thread is None:
            self._thread = threading.Thread(
                target=_serve, args=(self._mailbox, weakref.ref(self)), name=self._name, daemon=True
            )
            self._thread.start()

    def cancel(self) -> None:
        """Want nothing any more."""
        with self._mailbox.condition:
            self._mailbox.ticket += 1
            self._mailbox.work = None
            self._waiting_for = 0

    def close(self, timeout: float = 2.0) -> None:
        """Stop the thread and wait for it; later requests are ignored."""
        self.cancel()
        with self._mailbox.condition:
            self._mailbox.is_closed = True
            self._mailbox.condition.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    def _deliver(self, ticket: int, result: object, error: object) -> None:
        if ticket != self._waiting_for:
            return
        self._waiting_for = 0
        if error is None:
            self.finished.emit(result)
        else:
            self.failed.emit(error)


def _serve(mailbox: _Mailbox, owner: weakref.ref[LatestRunner]) -> None:
    while True:
        with mailbox.condition:
            while mailbox.work is None and not mailbox.is_closed:
                # Wakes now and then to see whether the window has gone without a word.
                if not mailbox.condition.wait(timeout=5.0) and owner() is None:
                    return
            if mailbox.is_closed:
                return
            work, ticket = mailbox.work, mailbox.ticket
            mailbox.work = None
        assert work is not None
        result: object = None
        error: object = None
        try:
            result = work(lambda ticket=ticket: mailbox.ticket != ticket)  # type: ignore[misc]
        except OperationCancelled:
            continue
        except Exception as caught:  # handed to the window as a value
            error = caught
        runner = owner()
        if runner is None or mailbox.is_closed:
            return
        try:
            runner._came_back.emit(ticket, result, error)
        except RuntimeError:
            return  # Qt deleted the window's half in the meantime.
        del runner, work, result, error
