"""The bridge between workers and window: calls arrive in the window's thread, and only wanted ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from pytestqt.qtbot import QtBot

from nanoai_gui.core.callbacks import OperationCancelled, checkpoint
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.jobs import Failure, WorkerPool
from nanoai_gui.gui.jobs import JobRunner, default_workers

SOON = 15_000


def double(x: int) -> int:
    return 2 * x


def count(progress: Callable[[float, str], None]) -> str:
    for i in range(4):
        progress(i / 4, f"step {i}")
        time.sleep(0.06)
    return "counted"


def fail_knowingly() -> None:
    raise ReadError("It is empty.")


def fail() -> None:
    raise KeyError("defect")


def endless(cancelled: Callable[[], bool]) -> None:
    while True:
        checkpoint(cancelled)
        time.sleep(0.01)


@pytest.fixture
def runner(qtbot: QtBot) -> Iterator[JobRunner]:
    made = JobRunner(WorkerPool(1))
    yield made
    made.close()


def test_results_arrive_in_the_windows_thread(runner: JobRunner, qtbot: QtBot) -> None:
    heard: list[tuple[int, threading.Thread]] = []
    runner.run(double, 21, on_done=lambda value: heard.append((value, threading.current_thread())))
    runner.run_in_thread(double, 4, on_done=lambda value: heard.append((value, threading.current_thread())))
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=SOON)
    assert sorted(value for value, _ in heard) == [8, 42]
    assert {thread for _, thread in heard} == {threading.main_thread()}


def test_progress_arrives_before_the_result(runner: JobRunner, qtbot: QtBot) -> None:
    heard: list[object] = []
    runner.run(count, on_done=heard.append, on_progress=lambda fraction, _: heard.append(fraction))
    qtbot.waitUntil(lambda: "counted" in heard, timeout=SOON)
    assert heard == [0.0, 0.25, 0.5, 0.75, "counted"]


def test_tasks_in_threads_tell_and_are_stopped_too(runner: JobRunner, qtbot: QtBot) -> None:
    heard: list[object] = []
    stopped = threading.Event()

    def task(progress: Callable[[float, str], None], cancelled: Callable[[], bool]) -> None:
        progress(0.5, "half")
        while not cancelled():
            time.sleep(0.005)
        stopped.set()
        raise OperationCancelled

    made = runner.run_in_thread(
        task, on_done=heard.append, on_error=heard.append, on_progress=lambda f, text: heard.append((f, text))
    )
    qtbot.waitUntil(lambda: bool(heard), timeout=SOON)
    made.cancel()
    assert stopped.wait(SOON / 1000)
    qtbot.wait(50)
    assert heard == [(0.5, "half")], "nothing is said of what is not wanted any more"


def test_closing_stops_what_runs_in_threads() -> None:
    runner = JobRunner(WorkerPool(1))
    begun = threading.Event()

    def task(cancelled: Callable[[], bool]) -> None:
        begun.set()
        while not cancelled():
            time.sleep(0.005)

    runner.run_in_thread(task)
    assert begun.wait(SOON / 1000)
    runner.close()


def test_failures_go_to_whoever_asked_or_else_to_the_window(runner: JobRunner, qtbot: QtBot) -> None:
    asked: list[Failure] = []
    runner.run(fail_knowingly, on_error=asked.append)
    runner.run_in_thread(fail_knowingly, on_error=asked.append)
    qtbot.waitUntil(lambda: len(asked) == 2, timeout=SOON)
    assert all(failure.is_known and failure.message == "It is empty." for failure in asked)
    for run in (runner.run, runner.run_in_thread):
        with qtbot.waitSignal(runner.failed, timeout=SOON) as heard:
            run(fail)
        assert "KeyError" in heard.args[0].details
    assert len(asked) == 2


def test_a_newer_run_of_the_same_key_overtakes_the_older(runner: JobRunner, qtbot: QtBot) -> None:
    heard: list[object] = []
    runner.run(endless, on_done=heard.append, on_error=heard.append, key="image")
    for i in range(5):
        runner.run(double, i, on_done=heard.append, key="image")
    runner.run(double, 100, on_done=heard.append, key="other")
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=SOON)
    assert heard == [8, 200]


def test_in_the_thread_too_only_the_newest_is_delivered(runner: JobRunner, qtbot: QtBot) -> None:
    heard: list[object] = []
    for i in range(5):
        runner.run_in_thread(double, i, on_done=heard.append, key="labels")
    runner.run_in_thread(double, 50, on_done=heard.append)
    qtbot.waitUntil(lambda: len(heard) >= 2, timeout=SOON)
    qtbot.wait(50)
    assert sorted(heard) == [8, 100]  # type: ignore[type-var]


def test_nothing_is_delivered_after_a_cancel(runner: JobRunner, qtbot: QtBot) -> None:
    heard: list[object] = []
    runner.run(double, 1, on_done=heard.append, key="a")
    runner.cancel("a")
    task = runner.run(double, 2, on_done=heard.append)
    task.cancel()
    runner.run(double, 3, on_done=heard.append)
    qtbot.waitUntil(lambda: bool(heard), timeout=SOON)
    assert heard == [6]


def test_nothing_is_delivered_after_closing(qtbot: QtBot) -> None:
    before = threading.active_count()
    runner = JobRunner(WorkerPool(1))
    heard: list[object] = []
    runner.run_in_thread(double, 1, on_done=heard.append)
    runner.run(endless, on_done=heard.append, on_error=heard.append)
    runner.close()
    runner.close()
    qtbot.wait(50)
    assert heard == []
    assert threading.active_count() == before


def test_a_runner_that_was_never_used_starts_nothing(qtbot: QtBot) -> None:
    before = threading.active_count()
    runner = JobRunner()
    runner.close()
    assert threading.active_count() == before


def test_a_window_keeps_one_process_for_clicks() -> None:
    assert 2 <= default_workers() <= 5
