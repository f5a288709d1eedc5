"""What to correct next: the list shrinks live, keys go through it, and the view follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from nanoai_gui.core.editing import circles, labels
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.review.review_panel import IMAGE, NOTHING_LEFT, NOTHING_MEASURED, NOTHING_OF_METHOD
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tem_tab import TemTab
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from tests.gui.made import analyse_image, made_analysis, made_micrograph, show_image

SOON = 10_000
LEFT = Qt.MouseButton.LeftButton


class Unpacking:
    """Shows images as the loader does, without files."""

    def __init__(self, session: TemSession) -> None:
        self._session = session
        session.wanted_changed.connect(self._load)

    def _load(self) -> None:
        key = self._session.wanted
        if key is None:
            return
        entry = self._session.entry(key)
        self._session.accept_micrograph(key, made_micrograph(entry.path.name))
        if entry.analysis is not None and self._session.labels is None:
            self._session.accept_labels(key, entry.analysis, entry.document.copy_labels())


@pytest.fixture
def tab(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[TemTab]:
    runner = JobRunner()
    session = TemSession()
    made = TemTab(session, runner, Thumbnails(runner))
    made.loads = Unpacking(session)  # type: ignore[attr-defined]
    made.resize(1100, 760)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.show_review(False)
    made.shut_down()
    runner.close()


def analysed(tab: TemTab, name: str, n: int, seed: int) -> int:
    """Add an image whose methods are not of one mind."""
    session = tab._session
    key = show_image(session, name)
    settings = dataclasses.replace(session.settings, methods=("watershed", "hough"))
    analysis = made_analysis(session.entry(key).request(), settings, n=n, seed=seed)
    hough = analysis.results["hough"]
    keep = np.random.default_rng(seed).random(len(hough.particles)) < 0.7
    fewer = hough.particles.select(keep)
    counts = np.array(
        [np.count_nonzero(fewer.agglomerate == i) for i in hough.agglomerate_ids], dtype=np.int32
    )
    results = {**analysis.results, "hough": dataclasses.replace(hough, particles=fewer, n_particles=counts)}
    analysis = dataclasses.replace(analysis, results=results)
    assert session.accept_analysis(key, analysis, analysis.labels.unpack())
    return key


def ready(tab: TemTab, qtbot: QtBot, n: int) -> None:
    """Wait until so many are listed and one of them is shown."""
    review = tab.reviewing
    qtbot.waitUntil(
        lambda: len(review.candidates) == n and (review.place is not None or n == 0), timeout=SOON
    )
    place = review.place
    if place is not None:
        qtbot.waitUntil(lambda: tab._session.selection.agglomerates == {place[1]}, timeout=SOON)


def test_enter_accepts_and_goes_on_until_nothing_is_left(tab: TemTab, qtbot: QtBot) -> None:
    key = analysed(tab, "a.tif", 5, 1)
    document = tab._session.entry(key).document
    tab.show_review()
    ready(tab, qtbot, 4)
    order = [c.agglomerate for c in tab.reviewing.candidates]
    assert tab.review.view.isColumnHidden(IMAGE)
    assert tab.review.isVisible() and not tab.table.isVisible()
    assert "4 left" in tab.review.state.text()
    for left, ident in zip((3, 2, 1, 0), order, strict=True):
        assert tab.reviewing.place == (key, ident)
        QTest.keyClick(tab.canvas, Qt.Key.Key_Return)
        assert ident in document.reviewed()
        ready(tab, qtbot, left)
    assert tab.review.message.text() == NOTHING_LEFT and tab.review.message.isVisible()
    assert "4 accepted" in tab.review.state.text()
    assert not tab.review.accept_button.isEnabled()
    tab._session.undo(key)
    ready(tab, qtbot, 1)
    assert tab.reviewing.place == (key, order[-1])


def test_the_view_goes_to_each(tab: TemTab, qtbot: QtBot) -> None:
    key = analysed(tab, "a.tif", 30, 2)
    tab.show_review()
    ready(tab, qtbot, 29)
    table = tab._session.entry(key).document.table
    for _ in range(3):
        assert tab.reviewing.place is not None
        ident = tab.reviewing.place[1]
        row = int(np.flatnonzero(table.ids == ident)[0])
        assert (tab.canvas.view.x, tab.canvas.view.y) == pytest.approx((table.x[row], table.y[row]), abs=1)
        assert tab.canvas.view.scale > 1.5
        QTest.keyClick(tab.canvas, Qt.Key.Key_N)
        assert tab.reviewing.place != (key, ident)
    assert not tab._session.entry(key).document.reviewed()


def test_esc_puts_it_at_the_end(tab: TemTab, qtbot: QtBot) -> None:
    analysed(tab, "a.tif", 5, 1)
    tab.show_review()
    ready(tab, qtbot, 4)
    first, second, *rest = [c.agglomerate for c in tab.reviewing.candidates]
    QTest.keyClick(tab.review.view, Qt.Key.Key_Escape)
    qtbot.waitUntil(
        lambda: tab.reviewing.place is not None and tab.reviewing.place[1] == second, timeout=SOON
    )
    assert [c.agglomerate for c in tab.reviewing.candidates] == [second, *rest, first]
    assert "1 skipped" in tab.review.state.text()


def test_a_click_in_the_list_goes_there(tab: TemTab, qtbot: QtBot) -> None:
    analysed(tab, "a.tif", 8, 3)
    tab.show_review()
    ready(tab, qtbot, 7)
    index = tab.review.model.index(3, 0)
    QTest.mouseClick(tab.review.view.viewport(), LEFT, pos=tab.review.view.visualRect(index).center())
    assert tab.reviewing.place is not None
    assert tab.reviewing.place[1] == tab.reviewing.candidates[3].agglomerate
    assert tab._session.selection.agglomerates == {tab.reviewing.place[1]}


def test_other_images_are_shown_when_their_turn_comes(tab: TemTab, qtbot: QtBot) -> None:
    keys = [analysed(tab, f"{name}.tif", 4, seed) for seed, name in enumerate("ab")]
    tab.show_review()
    ready(tab, qtbot, 6)
    assert not tab.review.view.isColumnHidden(IMAGE)
    names = {tab.review.model.index(row, IMAGE).data() for row in range(6)}
    assert names == {"a.tif", "b.tif"}
    seen = set()
    for left in (5, 4, 3, 2, 1, 0):
        assert tab.reviewing.place is not None
        key, ident = tab.reviewing.place
        assert tab._session.current == key
        table = tab._session.entry(key).document.table
        row = int(np.flatnonzero(table.ids == ident)[0])
        centre = pytest.approx((table.x[row], table.y[row]), abs=1)
        qtbot.waitUntil(lambda: (tab.canvas.view.x, tab.canvas.view.y) == centre, timeout=SOON)  # noqa: B023
        seen.add(tab.reviewing.place)
        QTest.mouseClick(tab.review.accept_button, LEFT)
        ready(tab, qtbot, left)
    assert {key for key, _ in seen} == set(keys) and len(seen) == 6


def test_edits_of_any_kind_change_the_list(tab: TemTab, qtbot: QtBot) -> None:
    key = analysed(tab, "a.tif", 6, 4)
    session = tab._session
    document = session.entry(key).document
    tab.show_review()
    ready(tab, qtbot, 5)
    first = tab.reviewing.candidates[0].agglomerate
    session.commit(key, labels.delete(document, [first]))
    ready(tab, qtbot, 4)
    # Without it the mean is another, and so may be the order.
    second = tab.reviewing.candidates[0].agglomerate
    assert tab.reviewing.place == (key, second) and second != first
    result = document.results["watershed"]
    own = result.particles.ids[result.particles.agglomerate == second].tolist()
    before = next(c for c in tab.reviewing.candidates if c.agglomerate == second)
    session.commit(key, circles.delete(document, "watershed", own[:1]))
    qtbot.waitUntil(
        lambda: any(
            c.agglomerate == second and c.n_particles == before.n_particles - 1
            for c in tab.reviewing.candidates
        ),
        timeout=SOON,
    )
    assert tab.reviewing.place == (key, second), "it is still being looked at"


def test_keys_go_through_the_list_after_a_choice_beside_the_image(tab: TemTab, qtbot: QtBot) -> None:
    key = analysed(tab, "a.tif", 5, 1)
    tab.show_review()
    ready(tab, qtbot, 4)
    ids = tab._session.entry(key).document.table.ids.tolist()
    first = tab.reviewing.place
    tab.canvas_bar.method.setFocus()
    QTest.keyClick(tab.canvas_bar.method, Qt.Key.Key_N)
    ready(tab, qtbot, 4)
    assert tab.reviewing.place != first
    assert tab._session.entry(key).document.table.ids.tolist() == ids, "nothing is numbered anew"
    assert first is not None and tab.reviewing.place is not None
    accepted = tab.reviewing.place[1]
    QTest.keyClick(tab.canvas_bar.method, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: tab._session.entry(key).document.reviewed() == {accepted}, timeout=SOON)


def test_keys_mean_what_they_did_once_the_list_is_closed(tab: TemTab, qtbot: QtBot) -> None:
    key = analysed(tab, "a.tif", 5, 1)
    tab.show_review()
    ready(tab, qtbot, 4)
    QTest.mouseClick(tab.review.close_button, LEFT)
    assert not tab.review.isVisible() and tab.table.isVisible()
    QTest.keyClick(tab.canvas, Qt.Key.Key_Escape)
    assert not tab._session.selection.agglomerates
    assert not tab._session.entry(key).document.reviewed()


def test_a_method_that_has_measured_nothing_is_called_so(tab: TemTab, qtbot: QtBot) -> None:
    analyse_image(tab._session, show_image(tab._session))
    tab._session.set_shown_method("manual")
    tab.show_review()
    qtbot.waitUntil(lambda: tab.reviewing.is_listed, timeout=SOON)
    assert tab.review.message.text() == NOTHING_OF_METHOD


def test_nothing_was_measured(tab: TemTab, qtbot: QtBot) -> None:
    show_image(tab._session)
    tab.show_review()
    qtbot.waitUntil(lambda: tab.reviewing.is_listed, timeout=SOON)
    assert tab.review.message.text() == NOTHING_MEASURED
    assert Path("/images/a.tif") == tab._session.entry(1).path
