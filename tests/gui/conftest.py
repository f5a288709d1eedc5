"""Window tests run without a screen, with real events, and may leave nothing behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Iterator

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication


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
