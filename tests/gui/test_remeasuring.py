"""After an edit a worker measures the agglomerates it touched again; and a box can be segmented again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PySide6.QtWidgets import QInputDialog, QLabel
from pytestqt.qtbot import QtBot

from nanoai_gui.core.editing import labels
from nanoai_gui.core.editing.circles import Ellipse
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.analysis import analyse
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.loading import ImageLoader
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tem_tab import TemTab
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.widgets.numbers import DASH
from tests.core.edited import made_micrograph
from tests.gui import tasks

SOON = 60_000


@pytest.fixture
def tab(qtbot: QtBot, tmp_path: Path) -> Iterator[TemTab]:
    """The tab with a real file that was analysed."""
    path = tmp_path / "made.tif"
    tifffile.imwrite(path, made_micrograph().pixels)
    session = TemSession()
    jobs = JobRunner(WorkerPool(1))
    loader = ImageLoader(session, jobs)
    tab = TemTab(session, jobs, Thumbnails(jobs))
    qtbot.addWidget(tab)
    tab.resize(1300, 850)
    tab.show()
    (key,) = session.add_paths([path])
    qtbot.waitUntil(lambda: session.micrograph is not None, timeout=SOON)
    assert session.accept_analysis(key, analyse(session.entry(key).request(), session.settings))
    qtbot.waitUntil(lambda: tab.canvas.picture is not None, timeout=SOON)
    yield tab
    loader.deleteLater()
    tab.shut_down()
    jobs.close()


def test_what_was_touched_is_measured_again_and_undo_takes_both_back(tab: TemTab, qtbot: QtBot) -> None:
    session, editor = tab._session, tab.editing.editor
    document = session.entry(1).document
    before = document.state_bytes()
    ident = int(document.labels[54, 146])
    n = int(document.results["watershed"].n_particles[document.table.ids == ident].sum())
    session.select(Selection(frozenset({ident})))
    editor.cut(np.array([[133.0, 20], [133, 90]]))
    assert document.stale()
    qtbot.waitUntil(lambda: not document.stale(), timeout=SOON)
    result = document.results["watershed"]
    parts = [int(document.labels[50, 120]), int(document.labels[54, 146])]
    assert len(set(parts)) == 2
    assert int(result.n_particles[np.isin(result.agglomerate_ids, parts)].sum()) == n
    assert session.current_analysis is not None
    assert tab.table.model.particles is result.particles
    after = document.state_bytes()
    assert len(session.history(1).edits) == 1  # the measuring is part of the cut
    editor.undo()
    assert document.state_bytes() == before
    editor.redo()
    assert document.state_bytes() == after


def test_a_count_is_asked_for_and_measured_with(tab: TemTab, qtbot: QtBot) -> None:
    session = tab._session
    document = session.entry(1).document
    ident = int(document.labels[54, 146])
    session.select(Selection(frozenset({ident})))
    tab.editing.ask_for_count()
    dialog = tab.findChild(QInputDialog)
    assert dialog is not None
    assert dialog.intValue() == 3
    dialog.setIntValue(2)
    with qtbot.waitSignal(tab.editing.remeasuring.finished, timeout=SOON):
        dialog.accept()
    result = document.results["watershed"]
    assert int(result.n_particles[result.agglomerate_ids == ident].sum()) == 2
    assert document.counts() == {ident: 2}


def test_numbers_are_faint_while_an_agglomerate_is_measured_again(tab: TemTab, qtbot: QtBot) -> None:
    session, remeasuring = tab._session, tab.editing.remeasuring
    document = session.entry(1).document
    gmd = tab.histogram.statistics.findChild(QLabel, "gmd")
    assert gmd is not None
    remeasuring.prepare()
    qtbot.waitUntil(lambda: remeasuring.is_ready and gmd.text() != DASH, timeout=SOON)
    # The only worker is kept busy meanwhile.
    busy = tab._jobs.run(tasks.endless, None, None)
    under_way: list[int] = []
    remeasuring.under_way_changed.connect(lambda: under_way.append(remeasuring.n_under_way))
    session.commit(1, labels.grow(document, [int(document.labels[54, 146])]))
    qtbot.waitUntil(lambda: not gmd.isEnabled(), timeout=SOON)
    assert under_way == [1]
    busy.cancel()
    qtbot.waitUntil(gmd.isEnabled, timeout=SOON)
    assert under_way == [1, 0] and not document.stale()


def test_numbers_stay_faint_while_another_image_is_looked_at(
    tab: TemTab, qtbot: QtBot, tmp_path: Path
) -> None:
    session, panel = tab._session, tab.histogram
    document = session.entry(1).document
    gmd = panel.statistics.value("gmd")
    tab.editing.remeasuring.prepare()
    qtbot.waitUntil(lambda: tab.editing.remeasuring.is_ready and gmd.text() != DASH, timeout=SOON)
    busy = tab._jobs.run(tasks.endless, None, None)
    session.commit(1, labels.grow(document, [int(document.labels[54, 146])]))
    qtbot.waitUntil(lambda: not gmd.isEnabled(), timeout=SOON)
    (other,) = session.add_paths([tmp_path / "other.tif"])
    session.set_current(other)
    session.accept_micrograph(other, made_micrograph())
    assert session.current == other
    assert panel._caution_timer.isActive()
    qtbot.waitUntil(lambda: not panel._caution_timer.isActive(), timeout=SOON)
    assert document.stale() and not gmd.isEnabled()  # the numbers are of all images
    assert panel.statistics.caution.text() == ""
    busy.cancel()
    qtbot.waitUntil(gmd.isEnabled, timeout=SOON)
    assert not document.stale()


def test_a_file_that_is_gone_fails_once_and_keeps_the_edit(tab: TemTab, qtbot: QtBot) -> None:
    session = tab._session
    document = session.entry(1).document
    session.entry(1).path.unlink()
    told: list[object] = []
    tab._jobs.failed.connect(told.append)
    ident = int(document.labels[54, 146])
    session.commit(1, labels.grow(document, [ident]))
    qtbot.waitUntil(lambda: len(told) == 1, timeout=SOON)
    qtbot.wait(200)
    assert len(told) == 1
    assert document.stale() == {"watershed": frozenset({ident})}
    statistics = tab.histogram.statistics
    advice = "⚠ made.tif could not be measured again: undo the edit or analyse the image anew"
    qtbot.waitUntil(lambda: statistics.caution.text() == advice, timeout=SOON)
    assert not statistics.value("gmd").isEnabled()
    editor = tab.editing.editor
    editor.add_particle(Ellipse(146, 54, 8, 8))  # and one can go on
    editor.undo()
    editor.undo()
    assert not document.stale()
    qtbot.waitUntil(lambda: statistics.caution.text() == "", timeout=SOON)
    assert statistics.value("gmd").isEnabled()


def test_an_image_that_waits_to_be_measured_again_is_named(tab: TemTab, qtbot: QtBot, tmp_path: Path) -> None:
    session, statistics = tab._session, tab.histogram.statistics
    document = session.entry(1).document
    (other,) = session.add_paths([tmp_path / "other.tif"])
    session.set_current(other)
    session.accept_micrograph(other, made_micrograph())
    session.commit(1, labels.grow(document, [int(document.labels[54, 146])]))
    said = "⚠ made.tif will be measured again when shown"
    qtbot.waitUntil(lambda: statistics.caution.text() == said, timeout=SOON)
    session.set_current(1)
    qtbot.waitUntil(lambda: not document.stale() and statistics.caution.text() == "", timeout=SOON)


def test_a_box_is_segmented_again(tab: TemTab, qtbot: QtBot) -> None:
    session = tab._session
    document = session.entry(1).document
    gone = int(document.labels[60, 250])
    session.commit(1, labels.delete(document, [gone]))
    tab.editing.on_canvas.box_drawn.emit(Box(25, 215, 95, 285))
    dialog = tab.editing._box
    assert dialog is not None
    dialog.segment.click()
    qtbot.waitUntil(lambda: document.labels[60, 250] > 0, timeout=SOON)
    assert int(document.labels[60, 250]) != gone  # a new agglomerate
    qtbot.waitUntil(lambda: not document.stale(), timeout=SOON)
    result = document.results["watershed"]
    assert int(result.n_particles[result.agglomerate_ids == document.labels[60, 250]].sum()) == 1
    dialog.reject()
    assert tab.editing._box is None
