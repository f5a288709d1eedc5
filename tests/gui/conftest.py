"""Window tests run without a screen, with real events, and may leave nothing behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

PATIENCE_MS = 60_000
"""How long a test waits at least for what must come.

A machine that has other things to do is no defect of the program, and one that works well never waits so
long. How soon things come is for the benchmarks to measure.
"""


class PatientBot(QtBot):
    """Waits no shorter than :data:`PATIENCE_MS`, whatever a test asks for."""

    def waitUntil(self, callback, *, timeout=PATIENCE_MS):
        """Wait for a condition."""
        super().waitUntil(callback, timeout=max(timeout, PATIENCE_MS))

    def waitSignal(self, signal, *, timeout=PATIENCE_MS, **more):
        """Wait for a signal."""
        return super().waitSignal(signal, timeout=max(timeout, PATIENCE_MS), **more)


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    """Wait patiently."""
    return PatientBot(request)


@pytest.fixture(autouse=True)
def _the_last_try_is_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a window that closes ask for nothing on a machine whose disk is busy with something else."""
    for module in ("naming", "projects"):
        monkeypatch.setattr(f"nanoai_gui.gui.projects.{module}.LAST_TRY_SECONDS", PATIENCE_MS / 1000)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves threads, processes or windows: they crash a later one."""
    before = set(threading.enumerate())
    yield
    application = QApplication.instance()
    if isinstance(application, QApplication):
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        left = [widget for widget in application.topLevelWidgets() if widget.isVisible()]
        assert not left, f"windows are still open: {left}"
    threads = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    assert not threads, f"threads still run: {threads}"
    assert not multiprocessing.active_children(), "processes still run"
