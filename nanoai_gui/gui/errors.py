"""From an exception to something a person can act on.

A known cause is one sentence and what to do, shown as a notice; an unknown one opens a dialog with details
to copy. Both go to the log file.
"""

from __future__ import annotations

import logging
import logging.handlers
import platform
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, Qt, QUrl, Signal, qVersion
from PySide6.QtGui import QDesktopServices, QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

import nanoai_gui
from nanoai_gui.core.folders import log_folder
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.worker import describe_error

log = logging.getLogger(__name__)

LOG_BYTES = 1_000_000
LOG_FILES = 3


def failure_of(error: BaseException) -> Failure:
    """Turn an exception into plain text."""
    return Failure(*describe_error(error))


class ErrorReporter(QObject):
    """Takes failures from anywhere, any thread, and tells the window."""

    reported = Signal(object)
    """A :class:`Failure`, in the thread of the window."""

    def report(self, failure: Failure) -> None:
        """Log a failure and show it."""
        log.log(logging.WARNING if failure.is_known else logging.ERROR, "%s\n%s", failure, failure.details)
        self.reported.emit(failure)

    def report_error(self, error: BaseException) -> None:
        """Log an exception and show it."""
        self.report(failure_of(error))


class ExceptionHooks:
    """Python's hooks for what nobody caught, led to a reporter; put back by :meth:`remove`."""

    def __init__(self, reporter: ErrorReporter) -> None:
        self._reporter = reporter
        self._before = sys.excepthook, threading.excepthook
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def remove(self) -> None:
        """Put back the hooks that stood before."""
        sys.excepthook, threading.excepthook = self._before

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QGuiApplication.quit()
            return
        sys.__excepthook__(kind, error, trace)
        self._reporter.report_error(error)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            sys.__excepthook__(args.exc_type, args.exc_value, args.exc_traceback)
            self._reporter.report_error(args.exc_value)


def default_log_path() -> Path:
    """Name the log file of this user."""
    return log_folder() / "nanoai-gui.log"


def start_logging(path: Path | None = None) -> Callable[[], None]:
    """Write warnings and errors of NanoAI to a file that cannot grow without end.

    Returns
    -------
    callable
        Stops it and closes the file. Where the folder cannot be written, nothing is logged.
    """
    logger = logging.getLogger("nanoai_gui")
    target = default_log_path() if path is None else path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(
            target, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", delay=True
        )
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)

    def stop() -> None:
        logger.removeHandler(handler)
        handler.close()

    return stop


def environment() -> str:
    """Name the versions a report needs."""
    return (
        f"NanoAI {nanoai_gui.__version__}, Python {platform.python_version()}, Qt {qVersion()}, "
        f"{platform.platform()}"
    )


class ErrorDialog(QDialog):
    """An unexpected failure, with details to copy; further ones are added to the same dialog."""

    def __init__(self, log_path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Something unexpected happened")
        self._log_path = log_path
        self._count = 0
        self._sentence = QLabel()
        self._sentence.setWordWrap(True)
        self._sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        advice = QLabel(
            "This is a defect of NanoAI, not of your data, and the window goes on working. Please copy the "
            "details and send them with a word on what you did."
        )
        advice.setWordWrap(True)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.copy_button = buttons.addButton("Copy details", QDialogButtonBox.ButtonRole.ActionRole)
        self.log_button = buttons.addButton("Show log file", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy_button.clicked.connect(self._copy)
        self.log_button.clicked.connect(self._show_log)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        for widget in (self._sentence, advice, self.details, buttons):
            layout.addWidget(widget)
        self.resize(640, 420)

    def add(self, failure: Failure) -> None:
        """Show a failure, below those already there."""
        if not self.isVisible():
            self._count = 0
            self.details.setPlainText(environment())
        self._count += 1
        more = f" ({self._count} times so far; the newest stands last)" if self._count > 1 else ""
        self._sentence.setText(f"{failure}{more}")
        self.details.appendPlainText(f"\n{failure.message}\n{failure.details}")
        # Not exec: a nested event loop inside of whatever failed invites the next failure.
        self.open()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.details.toPlainText())

    def _show_log(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._log_path.parent)))
