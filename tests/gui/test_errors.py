"""What becomes of an exception: a sentence or a dialog, and always a line in the log file."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.jobs import Failure
from nanoai_gui.gui.errors import (
    LOG_BYTES,
    ErrorDialog,
    ErrorReporter,
    ExceptionHooks,
    default_log_path,
    failure_of,
    start_logging,
)


@pytest.fixture
def reporter(qtbot: QtBot) -> ErrorReporter:
    return ErrorReporter()


@pytest.fixture
def hooks(reporter: ErrorReporter) -> Iterator[ExceptionHooks]:
    made = ExceptionHooks(reporter)
    yield made
    made.remove()


def caught(error: Exception) -> Exception:
    try:
        raise error
    except Exception as raised:
        return raised


def test_a_known_error_is_its_sentence() -> None:
    failure = failure_of(caught(ReadError("The file is empty.", "Copy it again.")))
    assert failure.is_known
    assert str(failure) == "The file is empty. Copy it again."


def test_an_unknown_error_names_its_kind_and_has_a_traceback() -> None:
    failure = failure_of(caught(KeyError("abc")))
    assert not failure.is_known
    assert "KeyError: 'abc'" in failure.message
    assert "test_errors.py" in failure.details


def test_uncaught_exceptions_are_reported(
    reporter: ErrorReporter, hooks: ExceptionHooks, qtbot: QtBot, capsys: pytest.CaptureFixture[str]
) -> None:
    error = caught(ZeroDivisionError("nothing"))
    with qtbot.waitSignal(reporter.reported) as heard:
        sys.excepthook(type(error), error, error.__traceback__)
    assert "ZeroDivisionError" in heard.args[0].message
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_uncaught_exceptions_of_threads_are_reported_in_the_windows_thread(
    reporter: ErrorReporter, hooks: ExceptionHooks, qtbot: QtBot, capsys: pytest.CaptureFixture[str]
) -> None:
    heard_in: list[object] = []
    reporter.reported.connect(
        lambda _: heard_in.append(threading.current_thread()), Qt.ConnectionType.QueuedConnection
    )

    def fail() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(heard_in))
    assert "in a thread" in capsys.readouterr().err


def test_hooks_are_put_back(reporter: ErrorReporter) -> None:
    before = sys.excepthook, threading.excepthook
    hooks = ExceptionHooks(reporter)
    assert sys.excepthook != before[0]
    hooks.remove()
    assert (sys.excepthook, threading.excepthook) == before


def test_the_log_file_holds_sentence_and_traceback_and_cannot_grow_without_end(
    reporter: ErrorReporter, tmp_path: Path
) -> None:
    path = tmp_path / "folder" / "nanoai.log"
    stop = start_logging(path)
    reporter.report(Failure("It broke.", "", "Traceback: here", False))
    assert "It broke." in path.read_text()
    assert "Traceback: here" in path.read_text()
    for _ in range(60):
        reporter.report(Failure("Again.", "", "x" * 100_000, False))
    stop()
    files = list(path.parent.iterdir())
    assert 2 <= len(files) <= 4
    assert sum(file.stat().st_size for file in files) < 4.5 * LOG_BYTES
    assert logging.getLogger("nanoai_gui").handlers == []


def test_a_log_folder_that_cannot_be_made_is_survived(reporter: ErrorReporter, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    stop = start_logging(tmp_path / "file" / "nanoai.log")
    reporter.report(Failure("It broke."))
    stop()


def test_the_log_lies_in_the_users_folder(user_folders: Path) -> None:
    assert default_log_path().is_relative_to(user_folders)


def test_the_dialog_collects_failures_and_copies_them(qtbot: QtBot, tmp_path: Path) -> None:
    dialog = ErrorDialog(tmp_path / "nanoai.log")
    qtbot.addWidget(dialog)
    dialog.add(Failure("First thing.", "", "Traceback one"))
    assert dialog.isVisible()
    dialog.add(Failure("Second thing.", "", "Traceback two"))
    text = dialog.details.toPlainText()
    assert "NanoAI" in text
    assert "Traceback one" in text
    assert "Traceback two" in text
    QTest.mouseClick(dialog.copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == text
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    dialog.add(Failure("Third thing.", "", "Traceback three"))
    assert "Traceback one" not in dialog.details.toPlainText()
    dialog.close()
