"""Starts the window: everything that exists once in a running program is made here and handed on."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QSettings, Qt, QTimer, Signal
from PySide6.QtGui import QFileOpenEvent, QGuiApplication
from PySide6.QtWidgets import QApplication

import nanoai_gui
from nanoai_gui.core.folders import config_folder, portable_folder
from nanoai_gui.gui.crash import reports_of_crashes, watch_for_crashes
from nanoai_gui.gui.errors import ErrorReporter, ExceptionHooks, start_logging
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.main_window import MainWindow
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.theme import Theme, window_icon

FIRST_PAINT = "NANOAI_FIRST_PAINT"
"""Environment variable: a file for the time of the first paint and the processor's seconds until then."""
SWITCH_SECONDS = 0.001
"""How long a helper thread may hold the interpreter while the window waits for it (Python's own: 5 ms)."""


class Application:
    """The running program.

    Attributes
    ----------
    qt
        The Qt application.
    window
        The main window.
    """

    def __init__(
        self,
        qt: QApplication,
        store: SettingsStore,
        runner: JobRunner,
        hooks: ExceptionHooks | None,
        stop_logging: Callable[[], None] | None,
        reporter: ErrorReporter,
    ) -> None:
        self.qt = qt
        self.store = store
        self.runner = runner
        self.reporter = reporter
        self._hooks = hooks
        self._stop_logging = stop_logging
        self.theme = Theme(qt, store.values.theme)
        self.window = MainWindow(store, runner, self.theme, reporter)

    def show(self, files: Iterable[Path] = ()) -> None:
        """Show the window, and only then begin with files and workers."""
        wanted = list(files)

        def begin() -> None:
            if FIRST_PAINT in os.environ:
                seconds = f"{time.time()} {time.process_time()}"
                Path(os.environ[FIRST_PAINT]).write_text(seconds, encoding="utf-8")
            # What was made so far stays to the end: the garbage collector need not look through it again
            # and again, each time with the window standing still.
            gc.collect()
            gc.freeze()
            gc.enable()
            self.runner.warm_up()
            self.window.begin(wanted)

        if isinstance(self.qt, QtApplication):
            self.qt.file_wanted.connect(lambda name: self.window.open_paths([Path(name)]))
        self._first_paint = FirstPaint(self.window, begin)
        self.window.show()

    def close(self) -> None:
        """Put everything back; the window is closed by then."""
        self.runner.close()
        if self._hooks is not None:
            self._hooks.remove()
        if self._stop_logging is not None:
            self._stop_logging()


class QtApplication(QApplication):
    """Opens what the system asks a running program to open, as macOS does after a double click."""

    file_wanted = Signal(str)

    def event(self, event: QEvent) -> bool:
        """Take such requests; only what is sent to the application itself comes here."""
        if isinstance(event, QFileOpenEvent) and event.file():
            self.file_wanted.emit(event.file())
            return True
        return super().event(event)


class FirstPaint(QObject):
    """Calls back once, when a window has been painted for the first time."""

    def __init__(self, window: QObject, then: Callable[[], None]) -> None:
        super().__init__(window)
        self._then = then
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Wait for the paint event, then for it to be over."""
        if event.type() is QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self, self._then)
        return False


def create_app(
    arguments: Sequence[str] = (),
    *,
    store: SettingsStore | None = None,
    runner: JobRunner | None = None,
    install_hooks: bool = True,
    log_to: Path | None = None,
    with_log: bool = True,
) -> Application:
    """Make the program without showing it.

    Parameters
    ----------
    arguments
        For Qt, such as ``-platform offscreen``; the first is the program's name.
    store, runner
        Settings and workers; the user's own and the default ones if ``None``.
    install_hooks
        Whether uncaught exceptions are shown (and no longer end the program).
    with_log, log_to
        Whether to write a log file, and where (``None``: the user's log folder).
    """
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        qt = existing
    else:
        # Screens set to 125 or 150 % get exactly that; only possible before the application is made.
        QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
        qt = QtApplication(list(arguments) or ["nanoai-gui"])
    qt.setApplicationName("nanoai-gui")
    qt.setApplicationDisplayName("NanoAI")
    qt.setApplicationVersion(nanoai_gui.__version__)
    qt.setDesktopFileName("nanoai-gui")
    qt.setWindowIcon(window_icon())
    if portable_folder() is not None:
        # The file dialog of Qt remembers its folders in a file of its own.
        QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, str(config_folder()))
    stop_logging = start_logging(log_to) if with_log else None
    reporter = ErrorReporter()
    hooks = ExceptionHooks(reporter) if install_hooks else None
    return Application(
        qt, SettingsStore() if store is None else store, runner or JobRunner(), hooks, stop_logging, reporter
    )


def run_window(files: Sequence[Path]) -> int:
    """Open the window on files and stay until it is closed; returns the exit code."""
    sys.setswitchinterval(SWITCH_SECONDS)
    # Nothing that is made for the window is rubbish; looking for some in it took 6 % of the start.
    gc.disable()
    crashes = reports_of_crashes()
    stop_watching = watch_for_crashes()
    application = create_app([sys.argv[0]])
    application.show(files)
    if crashes:
        application.window.helping.tell_of_crash(crashes[-1])
    try:
        return int(application.qt.exec())
    finally:
        application.close()
        stop_watching()
