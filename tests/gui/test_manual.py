"""Measuring by hand: circles drawn with the mouse, image after image, each with its seconds."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from nanoai_gui.core.tem.by_hand import BREAK_SECONDS, read_times, seconds_of
from nanoai_gui.core.tem.particles import Status
from nanoai_gui.gui.exports import Exports
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.tem.entries import ImageState, Selection
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tem_tab import TemTab
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.tem.tools import Tool
from nanoai_gui.gui.widgets.notice import NoticeArea
from tests.gui.canvas_events import click, drag
from tests.gui.made import analyse_image, made_analysis, made_micrograph, show_image

SOON = 10_000
LEFT = Qt.MouseButton.LeftButton


class Loading:
    """Shows images as the loader does, without files."""

    def __init__(self, session: TemSession) -> None:
        self._session = session
        session.wanted_changed.connect(self._load)

    def _load(self) -> None:
        key = self._session.wanted
        if key is not None:
            entry = self._session.entry(key)
            self._session.accept_micrograph(key, made_micrograph(entry.path.name))
            if entry.analysis is not None and self._session.labels is None:
                self._session.accept_labels(key, entry.analysis, entry.document.copy_labels())


class Desk:
    """The tab with a clock that a test can set."""

    def __init__(self, qtbot: QtBot) -> None:
        self.runner = JobRunner()
        self.session = TemSession()
        self.tab = TemTab(self.session, self.runner, Thumbnails(self.runner))
        self.loading = Loading(self.session)
        self.now = 100.0
        self.tab.measuring._now = lambda: self.now
        self.tab.resize(1200, 800)
        qtbot.addWidget(self.tab)
        self.tab.show()

    def tool(self) -> Tool:
        return self.tab.canvas.tool

    def at(self, x: float, y: float) -> tuple[float, float]:
        canvas = self.tab.canvas
        return canvas.view.to_screen(x, y, canvas.size_f)

    def circle(self, x: float, y: float, radius: float, seconds: float = 2.0) -> None:
        self.now += seconds
        drag(self.tab.canvas, self.at(x - radius, y), self.at(x + radius, y))

    def particles(self, key: int) -> list[tuple[float, float, float]]:
        analysis = self.session.entry(key).analysis
        assert analysis is not None
        p = analysis.results["manual"].particles
        assert (p.status == Status.ADDED).all()
        return [tuple(row) for row in np.stack([p.x, p.y, p.diameter_px], axis=1).tolist()]

    def n_coloured(self) -> int:
        """Pixels of the canvas that are not grey: what is drawn over the image."""
        shown = self.tab.canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        channels = np.frombuffer(shown.constBits(), dtype=np.uint8).reshape(-1, 4)[:, :3].astype(int)
        return int(np.count_nonzero(np.ptp(channels, axis=1) > 12))


@pytest.fixture
def desk(qtbot: QtBot) -> Iterator[Desk]:
    made = Desk(qtbot)
    yield made
    made.tab.shut_down()
    made.runner.close()


def test_circles_are_drawn_image_after_image_without_any_analysis(desk: Desk, qtbot: QtBot) -> None:
    first = show_image(desk.session, "a.tif")
    (second,) = desk.session.add_paths([Path("/images/b.tif")])
    desk.tab.measuring.start()
    assert desk.tab.manual_bar.isVisible() and desk.tool() is Tool.CIRCLE
    assert "by hand" in desk.tab.table.message, "no analysis would list any"
    desk.circle(60, 60, 20, seconds=3.0)
    desk.circle(150, 90, 12, seconds=5.0)
    assert desk.particles(first) == [
        pytest.approx((60, 60, 40), abs=1.0), pytest.approx((150, 90, 24), abs=1.0)
    ]  # fmt: skip
    assert "image 1 of 2, 2 particles, 4.0 s each" in desk.tab.manual_bar.state.text()
    desk.now += 30  # reading takes its time: nobody measures meanwhile
    QTest.mouseClick(desk.tab.manual_bar.next_button, LEFT)
    assert desk.session.current == second and desk.tool() is Tool.CIRCLE
    desk.circle(100, 100, 30, seconds=1.0)
    assert "image 2 of 2, 1 particle (3 in all)" in desk.tab.manual_bar.state.text()
    assert not desk.tab.manual_bar.next_button.isEnabled()
    values = desk.session.entry(second).document.values
    assert seconds_of(values, "manual") == {1: pytest.approx(1.0)}
    QTest.mouseClick(desk.tab.manual_bar.finish_button, LEFT)
    assert not desk.tab.manual_bar.isVisible() and desk.tool() is Tool.SELECT
    assert len(desk.particles(first)) == 2 and len(desk.particles(second)) == 1


def test_clicks_on_the_edge_fit_a_circle(desk: Desk) -> None:
    key = show_image(desk.session)
    desk.tab.measuring.start()
    for angle in np.deg2rad([0, 120, 240]):
        click(desk.tab.canvas, desk.at(100 + 25 * np.cos(angle), 120 + 25 * np.sin(angle)))
    QTest.keyClick(desk.tab.canvas, Qt.Key.Key_Return)
    assert desk.particles(key) == [pytest.approx((100, 120, 50), abs=1.0)]


def test_a_break_belongs_to_no_particle_and_undo_takes_the_time_back(desk: Desk) -> None:
    key = show_image(desk.session)
    document = desk.session.entry(key).document
    desk.tab.measuring.start()
    desk.circle(60, 60, 20, seconds=3.0)
    desk.circle(150, 90, 12, seconds=BREAK_SECONDS + 1)
    desk.circle(200, 190, 15, seconds=2.0)
    assert seconds_of(document.values, "manual") == {1: pytest.approx(3.0), 3: pytest.approx(2.0)}
    assert document.analysis is not None and document.analysis.seconds["manual"] == pytest.approx(5.0)
    desk.session.undo(key)
    assert seconds_of(document.values, "manual") == {1: pytest.approx(3.0)}
    assert len(desk.particles(key)) == 2
    desk.session.redo(key)
    assert seconds_of(document.values, "manual") == {1: pytest.approx(3.0), 3: pytest.approx(2.0)}


def test_blind_hides_what_the_automatic_methods_found(desk: Desk, qtbot: QtBot) -> None:
    key = show_image(desk.session)
    bare = desk.n_coloured()
    analyse_image(desk.session, key)
    qtbot.waitUntil(lambda: desk.tab.canvas.picture is not None, timeout=SOON)
    much = bare + 10_000
    assert desk.n_coloured() > much
    desk.tab.measuring.start()
    desk.session.select(Selection(frozenset({3})))
    # A frame around the canvas at most, once the particles of the other method have gone.
    qtbot.waitUntil(lambda: desk.n_coloured() < bare + 1000, timeout=SOON)
    assert not desk.tab.canvas_bar.method.isVisible()
    assert desk.tab.histogram._request().methods == ("manual",)
    QTest.mouseClick(desk.tab.manual_bar.blind, LEFT, pos=QPoint(8, desk.tab.manual_bar.blind.height() // 2))
    assert desk.n_coloured() > much, "agglomerates are shown again"
    assert len(desk.tab.histogram._request().methods) > 1
    QTest.mouseClick(desk.tab.manual_bar.blind, LEFT, pos=QPoint(8, desk.tab.manual_bar.blind.height() // 2))
    assert desk.n_coloured() < bare + 1000
    QTest.mouseClick(desk.tab.manual_bar.finish_button, LEFT)
    assert desk.session.shown_method == "watershed"
    assert desk.n_coloured() > much


def test_who_measures_by_hand_is_shown_no_settings_of_the_automatic_methods(desk: Desk) -> None:
    show_image(desk.session)
    assert desk.tab.parameters.isVisible()
    desk.tab.measuring.start()
    assert not desk.tab.parameters.isVisible()
    desk.tab.show_review()
    desk.tab.show_review(False)
    assert not desk.tab.parameters.isVisible()
    desk.tab.measuring.stop()
    assert desk.tab.parameters.isVisible()


def test_results_by_hand_stand_beside_the_automatic_ones(desk: Desk, qtbot: QtBot, tmp_path: Path) -> None:
    key = show_image(desk.session)
    analyse_image(desk.session, key)
    desk.tab.measuring.start()
    desk.circle(100, 100, 20)
    desk.tab.measuring.stop()
    assert desk.session.shown_method == "manual", "what was drawn stays on show"
    names = [desk.tab.canvas_bar.method.itemText(i) for i in range(desk.tab.canvas_bar.method.count())]
    assert names[-1] == "By hand" and len(names) > 1
    # A new analysis takes nothing of it away.
    entry = desk.session.entry(key)
    again = made_analysis(entry.request(), desk.session.settings, seed=5)
    assert desk.session.accept_analysis(key, again, again.labels.unpack())
    assert len(desk.particles(key)) == 1 and entry.state is ImageState.DONE
    window = QWidget()
    qtbot.addWidget(window)
    notices = NoticeArea(window)
    exports = Exports(desk.session, desk.runner, SettingsStore(tmp_path / "s.json"), notices, window)
    exports.write_tables(tmp_path / "out")
    qtbot.waitUntil(lambda: any("written" in text for text in notices.texts), timeout=SOON)
    with (tmp_path / "out" / "particles.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["method"] == "manual"]
    assert len(rows) == 1 and rows[0]["status"] == "added"
    assert float(rows[0]["diameter_px"]) == pytest.approx(40, abs=1)
    assert read_times(tmp_path / "out" / "manual_times.csv") == {"a.tif": pytest.approx(2.0)}
    notices.clear()


def test_an_analysis_that_comes_meanwhile_disturbs_nobody(desk: Desk) -> None:
    """Images of the batch come in while a person measures, and methods may be ticked."""
    first = show_image(desk.session, "a.tif")
    (second,) = desk.session.add_paths([Path("/images/b.tif")])
    desk.tab.measuring.start()
    analyse_image(desk.session, second)
    settings = desk.session.settings
    desk.session.set_settings(dataclasses.replace(settings, methods=("watershed", "hough")))
    desk.circle(100, 100, 20)
    entry = desk.session.entry(first)
    again = made_analysis(entry.request(), desk.session.settings, seed=5)
    assert desk.session.accept_analysis(first, again, again.labels.unpack())
    assert desk.tab.measuring.is_on and desk.session.shown_method == "manual"
    desk.circle(160, 100, 20)
    assert len(desk.particles(first)) == 2
    assert set(entry.document.results) == {"watershed", "hough", "manual"}


def test_looking_at_another_method_ends_it(desk: Desk) -> None:
    key = show_image(desk.session)
    analyse_image(desk.session, key)
    desk.tab.measuring.start()
    desk.session.set_shown_method("watershed")
    assert not desk.tab.measuring.is_on and not desk.tab.manual_bar.isVisible()
    assert desk.session.shown_method == "watershed"
