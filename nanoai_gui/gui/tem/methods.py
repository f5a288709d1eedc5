"""Which methods a window measures with before a person has chosen any, and what if the best cannot run."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from nanoai_gui.core.jobs import Failure, Priority
from nanoai_gui.core.tem.sizing import METHOD_MODULES, get_method, why_unavailable
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.session import TemSession

FIRST_CHOICE, INSTEAD = "fit", "watershed"
"""What measures if nobody chose otherwise, and what measures where that cannot run."""
IN_ORDER: tuple[str, ...] = (FIRST_CHOICE, *(name for name in METHOD_MODULES if name != FIRST_CHOICE))
"""Every method that measures by itself, as they are offered in the window."""
CHECK_MS = 400
"""How long after the first image is shown it is tried; that image has been read by then."""


class MethodCheck(QObject):
    """Finds out in a worker, once there is an image, whether the first choice can run on this computer.

    Nobody waits for it, and what the method needs is loaded by then. Where it cannot run, another one takes
    its place, and the person is told so.
    """

    told = Signal(str)
    """A sentence the person should read."""

    def __init__(self, session: TemSession, jobs: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._timer = QTimer(self, singleShot=True, interval=CHECK_MS)
        self._timer.timeout.connect(self._check)
        session.current_changed.connect(self._start)
        session.settings_changed.connect(self._start)

    def stop(self) -> None:
        """Begin nothing any more."""
        self._timer.stop()

    def _start(self) -> None:
        if self._session.current is not None and FIRST_CHOICE in self._session.settings.methods:
            self._session.current_changed.disconnect(self._start)
            self._session.settings_changed.disconnect(self._start)
            self._timer.start()

    def _check(self) -> None:
        self._jobs.run(
            why_unavailable,
            FIRST_CHOICE,
            on_done=self._take,
            on_error=self._give_up,
            priority=Priority.BACKGROUND,
        )

    def _give_up(self, failure: Failure) -> None:
        # What the failure advises is to try again; here that is for the person to do, as nothing else does.
        title = get_method(FIRST_CHOICE).TITLE
        self._take(f"{failure.message} Tick “{title}” on the right to try it all the same.")

    def _take(self, reason: str) -> None:
        settings = self._session.settings
        if not reason or FIRST_CHOICE not in settings.methods:
            return
        others = tuple(name for name in settings.methods if name != FIRST_CHOICE) or (INSTEAD,)
        self._session.set_settings(replace(settings, methods=others), is_step=False)
        wanted, instead = get_method(FIRST_CHOICE).TITLE, get_method(others[0]).TITLE
        self.told.emit(f"“{wanted}” cannot measure on this computer, so “{instead}” does. {reason}")
