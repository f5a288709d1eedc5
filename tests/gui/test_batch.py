"""The batch with real workers: states, errors, cancel, late results, time left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.batch import Batch, BatchProgress, BatchSummary, seconds_in_words, seconds_left
from nanoai_gui.gui.tem.entries import ImageState
from nanoai_gui.gui.tem.session import TemSession
from tests.gui import tasks

SOON = 15_000


@pytest.fixture
def runner(qtbot: QtBot) -> Iterator[JobRunner]:
    made = JobRunner(WorkerPool(2, reserve=1))
    yield made
    made.close()


@pytest.fixture
def session(qtbot: QtBot) -> TemSession:
    return TemSession()


@pytest.fixture
def batch(session: TemSession, runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> Batch:
    monkeypatch.setattr("nanoai_gui.gui.tem.batch.analyse", tasks.quick)
    return Batch(session, runner)


def states(session: TemSession) -> list[str]:
    return [entry.state.name for entry in session.entries()]


def add(session: TemSession, *names: str) -> list[int]:
    return session.add_paths(Path(f"/images/{name}.tif") for name in names)


def test_every_image_is_measured_and_one_failure_stops_nothing(
    session: TemSession, batch: Batch, qtbot: QtBot
) -> None:
    keys = add(session, "a", "broken", "c", "defect", "e")
    with qtbot.waitSignal(batch.finished, timeout=SOON) as ended:
        batch.start(keys)
        assert states(session) == ["RUNNING"] + 4 * ["QUEUED"]
        assert batch.is_running
    assert states(session) == ["DONE", "FAILED", "DONE", "FAILED", "DONE"]
    summary: BatchSummary = ended.args[0]
    assert summary.n_measured == 3
    assert not summary.was_cancelled
    assert summary.errors[keys[1]] == "broken.tif is cut off. Copy it again."
    assert "ZeroDivisionError" in summary.errors[keys[3]]
    assert session.entry(keys[1]).error == "broken.tif is cut off. Copy it again."
    assert not batch.is_running


def test_results_arrive_one_by_one(session: TemSession, batch: Batch, qtbot: QtBot) -> None:
    keys = add(session, "a", "b", "c")
    seen: list[int] = []
    session.entry_changed.connect(lambda _: seen.append(len(session.analyses())))
    with qtbot.waitSignal(batch.finished, timeout=SOON):
        batch.start(keys)
    assert {1, 2, 3} <= set(seen)


def test_progress_counts_up_to_all_images(session: TemSession, batch: Batch, qtbot: QtBot) -> None:
    told: list[BatchProgress] = []
    batch.progress_changed.connect(told.append)
    with qtbot.waitSignal(batch.finished, timeout=SOON):
        batch.start(add(session, "a", "broken", "c"))
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert told[-1].n_images == 3
    assert told[-1].n_finished >= 2
    assert any("Half way" in progress.message for progress in told)
    assert max(progress.n_failed for progress in told) == 1


def test_an_image_is_not_queued_twice(session: TemSession, batch: Batch, qtbot: QtBot) -> None:
    keys = add(session, "a", "b")
    with qtbot.waitSignal(batch.finished, timeout=SOON) as ended:
        batch.start(keys)
        batch.start(keys[::-1])
    assert ended.args[0].n_measured == 2


@pytest.mark.parametrize("task", [tasks.endless, tasks.stubborn])
def test_cancel_is_seen_and_leaves_results(
    session: TemSession, batch: Batch, runner: JobRunner, qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch, task: object,
) -> None:  # fmt: skip
    first, *rest = add(session, "a", "b", "c")
    with qtbot.waitSignal(batch.finished, timeout=SOON):
        batch.start([first])
    monkeypatch.setattr("nanoai_gui.gui.tem.batch.analyse", task)
    with qtbot.waitSignal(batch.progress_changed, timeout=SOON, check_params_cb=lambda p: bool(p.message)):
        batch.start(rest)
    with qtbot.waitSignal(batch.finished, timeout=SOON) as ended:
        batch.cancel()
    assert ended.args[0].was_cancelled
    assert states(session) == ["DONE", "NEW", "NEW"]
    monkeypatch.setattr("nanoai_gui.gui.tem.batch.analyse", tasks.quick)
    with qtbot.waitSignal(batch.finished, timeout=SOON):
        batch.start(rest)
    assert states(session) == ["DONE", "DONE", "DONE"]


def test_an_image_changed_while_it_is_measured_is_measured_again(
    session: TemSession, batch: Batch, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nanoai_gui.gui.tem.batch.analyse", tasks.until_calibrated)
    (key,) = add(session, "a")
    typed = Calibration.typed(2.0)
    with qtbot.waitSignal(batch.finished, timeout=SOON) as ended:
        with qtbot.waitSignal(
            batch.progress_changed, timeout=SOON, check_params_cb=lambda p: bool(p.message)
        ):
            batch.start([key])
        session.set_calibration(key, typed)
    assert ended.args[0].n_measured == 1
    analysis = session.entry(key).analysis
    assert analysis is not None
    assert analysis.calibration == typed
    assert session.entry(key).state is ImageState.DONE


def test_removing_images_takes_them_out_of_the_batch(
    session: TemSession, batch: Batch, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nanoai_gui.gui.tem.batch.analyse", tasks.endless)
    keys = add(session, "a", "b", "c")
    batch.start(keys)
    monkeypatch.setattr("nanoai_gui.gui.tem.batch.analyse", tasks.quick)
    with qtbot.waitSignal(batch.finished, timeout=SOON) as ended:
        session.remove(keys[:2])
    assert ended.args[0].n_measured == 1
    assert states(session) == ["DONE"]


def test_time_left_is_told_once_it_can_be() -> None:
    assert seconds_left(0.5, 1.0, 10) is None
    assert seconds_left(5.0, 0.1, 10) is None
    assert seconds_left(8.0, 4.0, 10) == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "a few seconds"), (42, "about 40 s"), (150, "about 2 min"), (8000, "about 2.2 h")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert seconds_in_words(seconds) == words
