"""Only what was asked for last is delivered, and nothing runs on."""

import threading
import time

import pytest

from nanoai_gui.core.callbacks import checkpoint
from nanoai_gui.gui.widgets.newest import NewestOnly


@pytest.fixture
def newest(qapp):
    made = NewestOnly("test")
    yield made
    made.close()


def test_result_comes_in_the_window_thread(newest, qtbot):
    came: list[tuple[object, object]] = []
    newest.finished.connect(lambda result: came.append((result, threading.current_thread())))
    newest.submit(lambda cancelled: threading.current_thread())
    qtbot.waitUntil(lambda: bool(came))
    assert came[0][0] is not came[0][1] is threading.main_thread()


def test_overtaken_work_sees_it_and_is_not_delivered(newest, qtbot):
    came: list[object] = []
    stopped = threading.Event()
    newest.finished.connect(came.append)

    def slow(cancelled):
        try:
            while True:
                checkpoint(cancelled)
                time.sleep(0.001)
        finally:
            stopped.set()

    newest.submit(slow)
    newest.submit(lambda cancelled: "new")
    qtbot.waitUntil(lambda: came == ["new"])
    assert stopped.wait(60)


def test_late_result_is_dropped(newest, qtbot):
    came: list[object] = []
    go = threading.Event()
    newest.finished.connect(came.append)
    newest.submit(lambda cancelled: go.wait(60))
    newest.cancel()
    go.set()
    newest.close()
    qtbot.wait(20)  # the queued call comes, and finds that nobody wants it
    assert came == []
