"""What the window measures with when nobody has chosen, and where that cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tifffile
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QCheckBox
from pytestqt.qtbot import QtBot

from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.sizing import METHOD_MODULES
from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image
from nanoai_gui.gui.jobs import JobRunner, Task
from nanoai_gui.gui.main_window import MainWindow
from nanoai_gui.gui.remembering import restore_methods
from nanoai_gui.gui.settings import Settings, SettingsStore
from nanoai_gui.gui.tem import methods
from nanoai_gui.gui.tem.methods import IN_ORDER, MethodCheck
from nanoai_gui.gui.tem.session import TemSession
from tests.gui import tasks
from tests.gui.made import running, show_image

SOON = 60_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def jobs() -> Iterator[JobRunner]:
    made = JobRunner(WorkerPool(1))
    yield made
    made.close()


@pytest.fixture
def window(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    """The real window of a person who never chose anything."""
    with running(qapp, qtbot, SettingsStore(tmp_path / "settings.json")) as application:
        yield application.window


def test_a_new_window_measures_by_network_and_fit_and_offers_that_first(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    assert window.session.settings.methods == ("fit",) and window.session.shown_method == "fit"
    ticks = [tick for tick in window.tab.parameters.findChildren(QCheckBox) if tick.objectName() in IN_ORDER]
    assert [tick.objectName() for tick in ticks] == list(IN_ORDER) and IN_ORDER[0] == "fit"
    assert sorted(IN_ORDER) == sorted(METHOD_MODULES)
    assert [tick.isChecked() for tick in ticks] == [True] + [False] * (len(ticks) - 1)
    path = tmp_path / "a.tif"
    made = make_image(SynthesisSpec(width_px=200, height_px=200, gmd_px=20), 3)
    tifffile.imwrite(path, made.micrograph.pixels)
    told: list[str] = []
    window.method_check.told.connect(told.append)
    window.open_paths([path])
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    qtbot.waitUntil(window.actions_by_key["analyse_current"].isEnabled, timeout=SOON)
    said: list[str] = []
    window.batch.progress_changed.connect(lambda _: said.append(window.busy.label.text()))
    with qtbot.waitSignal(window.batch.finished, timeout=SOON):
        window.actions_by_key["analyse_current"].trigger()
    analysis = window.session.current_analysis
    assert analysis is not None
    particles = analysis.results["fit"].particles
    assert 0.8 * len(made.truth.x_px) < len(particles) < 1.2 * len(made.truth.x_px)
    assert any(text.startswith("a.tif: ") for text in said), said
    assert window.session.settings.methods == ("fit",) and not told


@pytest.mark.parametrize("task", [tasks.lacking, tasks.dying])
def test_where_it_cannot_run_another_method_does_and_the_window_says_so(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, task: object
) -> None:
    monkeypatch.setattr(methods, "why_unavailable", task)
    show_image(window.session)
    qtbot.waitUntil(lambda: window.session.settings.methods == ("watershed",), timeout=SOON)
    assert window.session.shown_method == "watershed"
    assert window.tab.parameters.method_tick("watershed").isChecked()
    assert not window.tab.parameters.method_tick("fit").isChecked()
    told = "“Network and fit” cannot measure on this computer, so “Watershed” does. "
    (text,) = (text for text in window.notices.texts if text.startswith(told))
    lacks = task is tasks.lacking
    assert ("Install it." in text) == lacks
    # Nothing tries again by itself after a worker that died: the sentence says who can.
    assert text.endswith("Tick “Network and fit” on the right to try it all the same.") != lacks
    assert "try again" not in text


def test_what_nobody_chose_is_no_step_and_leaves_those_to_redo(
    qtbot: QtBot, jobs: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "why_unavailable", tasks.lacking)
    session = TemSession()
    check = MethodCheck(session, jobs)
    session.set_settings(replace(session.settings, methods=("fit",)))
    key = show_image(session)
    session.set_settings(replace(session.settings, methods=("fit", "hough")))
    session.undo(key)
    history = session.history(key)
    assert (history.undo_title, history.redo_title) == ("", "Choose methods")
    with qtbot.waitSignal(check.told, timeout=SOON):
        pass
    assert session.settings.methods == ("watershed",)
    assert (history.undo_title, history.redo_title) == ("", "Choose methods")
    session.redo(key)
    assert list(session.settings.methods) == ["fit", "hough"]


def test_a_person_s_other_methods_stay_where_the_first_choice_cannot_run(
    qtbot: QtBot, jobs: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "why_unavailable", tasks.lacking)
    session = TemSession()
    check = MethodCheck(session, jobs)
    session.set_settings(replace(session.settings, methods=("hough",)))
    show_image(session)
    assert not check._timer.isActive()  # nobody wants it
    session.set_settings(replace(session.settings, methods=("fit", "hough")))
    with qtbot.waitSignal(check.told, timeout=SOON):
        pass
    assert session.settings.methods == ("hough",)


def test_it_is_tried_once_and_what_was_chosen_meanwhile_stands(
    qtbot: QtBot, jobs: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    run = jobs.run

    def noting(*args: Any, **more: Any) -> Task:
        asked.append(args)
        return run(*args, **more)

    monkeypatch.setattr(jobs, "run", noting)
    monkeypatch.setattr(methods, "why_unavailable", tasks.lacking)
    session = TemSession()
    check = MethodCheck(session, jobs)
    told: list[str] = []
    check.told.connect(told.append)
    session.set_settings(replace(session.settings, methods=("fit",)))
    assert not check._timer.isActive()  # no image yet
    show_image(session)
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=SOON)
    session.set_settings(replace(session.settings, methods=("ultimate-erosion",)))
    done: list[str] = []
    jobs.run(tasks.able, "", on_done=done.append)  # behind it in the queue
    qtbot.waitUntil(lambda: bool(done), timeout=SOON)
    assert session.settings.methods == ("ultimate-erosion",) and not told
    show_image(session, "b.tif")
    assert not check._timer.isActive()


def test_methods_of_last_time_come_back_and_unknown_ones_do_not() -> None:
    for before, expected in (
        ([], ("fit",)),
        (["magic"], ("fit",)),
        (["watershed", "fit"], ("fit", "watershed")),
    ):
        session = TemSession()
        restore_methods(session, Settings(methods=list(before)))
        assert session.settings.methods == expected
