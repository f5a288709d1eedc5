"""The tools that edit, used with mouse and keys; and the failures of other programs that must not happen."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from nanoai_gui.core.editing import labels
from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import ParticlePatch
from nanoai_gui.core.editing.rows import take_result
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.canvas_marks import COLOUR
from nanoai_gui.gui.tem.editing import editor as editor_module
from nanoai_gui.gui.tem.editing.drafts import CutProposal
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tem_tab import TemTab
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.tem.tools import Tool
from nanoai_gui.gui.tem.view import View
from tests.gui.made import analyse_image, show_image

NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CONTROL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
Keys = Qt.KeyboardModifier
SCALE = 3.0
SOON = 10_000
STATUS = 7
"""Column of the table."""


@pytest.fixture
def tab(qtbot: QtBot) -> Iterator[TemTab]:
    """The tab with 41 squares of 16 px, 20 px apart, each measured as two circles; 3 screen px a pixel."""
    session = TemSession()
    jobs = JobRunner(WorkerPool(1))
    tab = TemTab(session, jobs, Thumbnails(jobs))
    qtbot.addWidget(tab)
    tab.resize(1400, 900)
    tab.show()
    key = show_image(session)
    analyse_image(session, key)
    qtbot.waitUntil(lambda: tab.canvas.picture is not None, timeout=10_000)
    tab.canvas.set_view(View(SCALE, 70, 50))
    tab.canvas.setFocus()
    yield tab
    tab.shut_down()
    jobs.close()


def document(tab: TemTab) -> ImageDocument:
    found = tab.editing.editor.document
    assert found is not None
    return found


def particles(tab: TemTab) -> Particles:
    return document(tab).results["watershed"].particles


def place(tab: TemTab, x: float, y: float) -> QPoint:
    at = tab.canvas.view.to_screen(x, y, tab.canvas.size_f)
    return QPoint(round(at[0]), round(at[1]))


def send(
    tab: TemTab, kind: QEvent.Type, x: float, y: float, button: Qt.MouseButton = LEFT, keys: Keys = NONE,
    is_held: bool = True,
) -> None:  # fmt: skip
    at = QPointF(place(tab, x, y))
    none = Qt.MouseButton.NoButton
    pressed = button if is_held and kind is not QEvent.Type.MouseButtonRelease else none
    changed = none if kind is QEvent.Type.MouseMove else button
    event = QMouseEvent(kind, at, tab.canvas.mapToGlobal(at), changed, pressed, keys)
    QApplication.sendEvent(tab.canvas, event)


def press(tab: TemTab, x: float, y: float, button: Qt.MouseButton = LEFT, keys: Keys = NONE) -> None:
    send(tab, QEvent.Type.MouseButtonPress, x, y, button, keys)


def move(tab: TemTab, x: float, y: float, keys: Keys = NONE, is_held: bool = True) -> None:
    send(tab, QEvent.Type.MouseMove, x, y, LEFT, keys, is_held)


def release(tab: TemTab, x: float, y: float, button: Qt.MouseButton = LEFT, keys: Keys = NONE) -> None:
    send(tab, QEvent.Type.MouseButtonRelease, x, y, button, keys)


def click(tab: TemTab, x: float, y: float, keys: Keys = NONE, button: Qt.MouseButton = LEFT) -> None:
    press(tab, x, y, button, keys)
    release(tab, x, y, button, keys)


def drag(tab: TemTab, *points: tuple[float, float], keys: Keys = NONE) -> None:
    press(tab, *points[0], keys=keys)
    for before, after in itertools.pairwise(points):
        for share in np.linspace(0, 1, 6)[1:]:
            x, y = (1 - share) * np.array(before) + share * np.array(after)
            move(tab, float(x), float(y), keys)
    release(tab, *points[-1], keys=keys)


def use(tab: TemTab, tool: Tool) -> None:
    tab.editing.set_tool(tool)


def key(tab: TemTab, what: Qt.Key, keys: Keys = NONE) -> None:
    QTest.keyClick(tab.canvas, what, keys)


def select(tab: TemTab, *ids: int) -> None:
    tab._session.select(Selection(frozenset(ids)))


def is_drawing(tab: TemTab) -> bool:
    return tab.editing.on_canvas.draft is not None


def test_ctrl_click_deletes_the_agglomerate_and_no_other(tab: TemTab) -> None:
    click(tab, 27, 7, CONTROL)
    assert 2 not in document(tab).table.ids
    assert len(document(tab).table.ids) == 40
    tab.editing.editor.undo()
    assert document(tab).labels[7, 27] == 2


def test_ctrl_drag_deletes_all_in_the_rectangle_in_one_step(tab: TemTab) -> None:
    drag(tab, (18.0, -1.0), (58.0, 18.0), keys=CONTROL)
    assert not {2, 3} & set(document(tab).table.ids.tolist())
    assert 1 in document(tab).table.ids and 4 in document(tab).table.ids
    assert len(tab._session.history(1).edits) == 1


def test_delete_takes_the_particle_chosen_by_itself_and_else_the_agglomerate(tab: TemTab) -> None:
    click(tab, 2, 7)  # one of the two circles of agglomerate 1
    n = len(particles(tab))
    tab.editing.delete()
    assert len(particles(tab)) == n - 1
    assert 1 in document(tab).table.ids
    send(tab, QEvent.Type.MouseButtonDblClick, 27, 7)
    release(tab, 27, 7)
    tab.editing.delete()
    assert 2 not in document(tab).table.ids


def test_alt_click_merges_with_what_is_selected(tab: TemTab) -> None:
    select(tab, 1)
    click(tab, 27, 7, ALT)
    assert document(tab).labels[7, 27] == document(tab).labels[7, 7]
    assert tab._session.selection.agglomerates == {int(document(tab).labels[7, 7])}


def test_a_particle_is_given_to_another_agglomerate_by_alt_click(tab: TemTab) -> None:
    click(tab, 2, 7)
    (ident,) = tab._session.selection.particles
    click(tab, 27, 7, ALT)
    row = int(np.flatnonzero(particles(tab).ids == ident)[0])
    assert particles(tab).agglomerate[row] == 2
    assert particles(tab).status[row] == Status.EDITED


def test_the_brush_goes_on_with_the_agglomerate_under_it_and_spares_the_next(tab: TemTab) -> None:
    use(tab, Tool.BRUSH)
    tab.editing.editor.set_brush_radius(4)
    drag(tab, (7, 12), (30, 12))
    assert document(tab).labels[12, 17] == 1  # the gap between both
    assert document(tab).labels[12, 24] == 2
    assert len(tab._session.history(1).edits) == 1  # a stroke of many moves is one step


def test_the_brush_makes_a_new_agglomerate_on_the_background_and_goes_on_with_it(tab: TemTab) -> None:
    use(tab, Tool.BRUSH)
    drag(tab, (60, 100), (80, 100))
    drag(tab, (80, 100), (80, 115))
    new = int(document(tab).labels[100, 60])
    assert new == 42 == document(tab).labels[113, 80]
    assert tab._session.selection.agglomerates == {42}


def test_the_brush_begins_a_new_agglomerate_beside_one_that_is_selected(tab: TemTab) -> None:
    select(tab, 1)
    use(tab, Tool.BRUSH)
    tab.editing.editor.set_brush_radius(3)
    drag(tab, (60, 100), (80, 100))
    assert document(tab).labels[100, 70] == 42
    select(tab, 2)
    tab.editing.editor.set_brush_radius(8)
    drag(tab, (15, 7), (16, 7))  # covers more of 1, but touches the selected one
    assert document(tab).labels[7, 18] == 2


def test_alt_turns_the_brush_into_an_eraser_and_back(tab: TemTab) -> None:
    tab.editing.editor.set_brush_radius(3)
    use(tab, Tool.BRUSH)
    drag(tab, (7, 7), (9, 7), keys=ALT)
    assert document(tab).labels[7, 8] == 0
    use(tab, Tool.ERASER)
    drag(tab, (4, 7), (9, 7), keys=ALT)
    assert document(tab).labels[7, 8] == 1


def test_an_eraser_that_begins_on_one_agglomerate_spares_the_next(tab: TemTab) -> None:
    use(tab, Tool.ERASER)
    tab.editing.editor.set_brush_radius(3)
    drag(tab, (7, 7), (30, 7))
    assert document(tab).labels[7, 7] == 0
    assert document(tab).labels[7, 27] == 2


def test_escape_gives_a_stroke_up_and_nothing_is_left(tab: TemTab) -> None:
    use(tab, Tool.BRUSH)
    before, fill = document(tab).state_bytes(), tab.canvas.picture
    assert fill is not None
    shown = fill.fill[0].copy()
    press(tab, 60, 100)
    move(tab, 80, 100)
    assert (fill.fill[0] != shown).any()  # it is seen while it is drawn
    key(tab, Qt.Key.Key_Escape)
    assert document(tab).state_bytes() == before
    assert np.array_equal(fill.fill[0], shown)
    move(tab, 90, 110)
    release(tab, 90, 110)
    assert document(tab).state_bytes() == before
    drag(tab, (60, 100), (80, 100))  # and the next stroke is not stuck
    assert document(tab).labels[100, 70] == 42


def test_another_tool_or_image_ends_what_is_being_drawn(tab: TemTab) -> None:
    use(tab, Tool.LASSO)
    click(tab, 60, 100)
    click(tab, 80, 100)
    assert is_drawing(tab)
    use(tab, Tool.CUT)
    assert not is_drawing(tab)
    click(tab, 60, 100)
    show_image(tab._session, "b.tif")
    assert not is_drawing(tab)


def test_undo_during_a_stroke_gives_the_stroke_up(tab: TemTab) -> None:
    click(tab, 27, 7, CONTROL)
    use(tab, Tool.BRUSH)
    press(tab, 60, 100)
    move(tab, 80, 100)
    tab.editing.editor.undo()
    release(tab, 80, 100)
    assert document(tab).labels[100, 70] == 0
    assert document(tab).labels[7, 27] == 2


def test_results_that_come_during_a_stroke_do_not_spoil_it(tab: TemTab) -> None:
    use(tab, Tool.BRUSH)
    press(tab, 60, 100)
    move(tab, 80, 100)
    found = document(tab).results["watershed"]
    rows = take_result(found, [1])
    tab._session.amend(1, [ParticlePatch("watershed", rows, rows)])
    release(tab, 80, 100)
    assert document(tab).labels[100, 70] == 42


def test_brackets_and_alt_wheel_size_the_brush(tab: TemTab) -> None:
    use(tab, Tool.BRUSH)
    radius = tab.editing.editor.brush_radius
    key(tab, Qt.Key.Key_BracketRight)
    assert tab.editing.editor.brush_radius > radius
    key(tab, Qt.Key.Key_BracketLeft)
    scale = tab.canvas.view.scale
    at = QPointF(place(tab, 60, 100))
    turn = QWheelEvent(at, at, QPoint(), QPoint(120, 0), Qt.MouseButton.NoButton, ALT,
                       Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QApplication.sendEvent(tab.canvas, turn)
    assert tab.editing.editor.brush_radius > radius
    assert tab.canvas.view.scale == scale


def test_a_polygon_of_clicks_closes_with_enter_and_backspace_takes_a_corner_back(tab: TemTab) -> None:
    use(tab, Tool.LASSO)
    for x, y in ((60, 95), (80, 95), (20, 30)):
        click(tab, x, y)
    key(tab, Qt.Key.Key_Backspace)
    click(tab, 80, 110)
    click(tab, 60, 110)
    key(tab, Qt.Key.Key_Return)
    new = document(tab).labels == 42
    assert int(new.sum()) == pytest.approx(300, abs=40)
    assert document(tab).labels[7, 27] == 2


def test_a_polygon_closes_on_its_start(tab: TemTab) -> None:
    use(tab, Tool.LASSO)
    for x, y in ((60, 95), (80, 95), (80, 110), (60, 110), (60, 95)):
        click(tab, x, y)
    assert document(tab).labels[102, 70] == 42
    assert tab.editing.on_canvas.draft is None


def test_a_lasso_drawn_in_one_go_closes_when_it_is_let_go(tab: TemTab) -> None:
    use(tab, Tool.LASSO)
    drag(tab, (60, 95), (80, 95), (80, 110), (62, 110))
    assert document(tab).labels[100, 72] == 42


def test_right_click_follows_the_mouse_and_closes_back_at_the_start(tab: TemTab) -> None:
    click(tab, 60, 95, button=RIGHT)  # also with the tool Select
    for x, y in ((70, 95), (80, 95), (80, 105), (80, 112), (70, 112), (60, 112), (60, 103), (60, 96)):
        move(tab, x, y, is_held=False)
    assert document(tab).labels[102, 70] == 42
    assert tab.editing.on_canvas.draft is None


def test_a_cut_is_drawn_by_hand_or_by_two_clicks(tab: TemTab) -> None:
    use(tab, Tool.CUT)
    drag(tab, (7, -2), (7, 20))
    assert document(tab).labels[7, 3] != document(tab).labels[7, 12]
    click(tab, 27, -2)
    move(tab, 27, 10, is_held=False)
    click(tab, 27, 20)
    assert document(tab).labels[7, 23] != document(tab).labels[7, 32]
    assert len(tab._session.history(1).edits) == 2


def test_a_cut_through_nothing_says_so(tab: TemTab, qtbot: QtBot) -> None:
    use(tab, Tool.CUT)
    with qtbot.waitSignal(tab.editing.told) as told:
        drag(tab, (60, 100), (80, 100))
    assert "cuts no agglomerate" in told.args[0]


def test_a_proposed_cut_is_accepted_by_enter_and_dropped_by_escape(tab: TemTab) -> None:
    use(tab, Tool.BRUSH)
    tab.editing.editor.set_brush_radius(2)
    drag(tab, (7, 7), (30, 7))  # a bridge between 1 and 2 ...
    tab._session.select(Selection(frozenset({1, 2})))
    tab.editing.editor.merge()  # ... makes one with a neck
    use(tab, Tool.SELECT)
    n = len(document(tab).table.ids)
    tab.editing.on_canvas.propose_cut()
    assert isinstance(tab.editing.on_canvas.draft, CutProposal)
    key(tab, Qt.Key.Key_Escape)
    assert len(document(tab).table.ids) == n
    tab.editing.on_canvas.propose_cut()
    tab.editing.on_canvas.propose_cut()  # a part more
    key(tab, Qt.Key.Key_W, SHIFT)  # and one less
    key(tab, Qt.Key.Key_Return)
    assert len(document(tab).table.ids) == n + 1
    assert document(tab).labels[7, 3] != document(tab).labels[7, 32]


def test_a_circle_is_dragged_from_edge_to_edge(tab: TemTab) -> None:
    use(tab, Tool.CIRCLE)
    drag(tab, (60, 100), (80, 100))
    row = len(particles(tab)) - 1
    assert (particles(tab).x[row], particles(tab).y[row]) == pytest.approx((70, 100), abs=0.5)
    assert particles(tab).diameter_px[row] == pytest.approx(20, abs=0.7)
    assert particles(tab).status[row] == Status.ADDED
    assert tab._session.selection.particles == {int(particles(tab).ids[row])}


def test_three_clicks_on_the_edge_and_enter_add_a_circle(tab: TemTab) -> None:
    use(tab, Tool.CIRCLE)
    n = len(particles(tab))
    for angle in (0.0, 2.1, 4.2):
        click(tab, 70 + 12 * np.cos(angle), 100 + 12 * np.sin(angle))
    assert len(particles(tab)) == n
    key(tab, Qt.Key.Key_Return)
    assert len(particles(tab)) == n + 1
    assert particles(tab).diameter_px[-1] == pytest.approx(24, abs=1.0)


def test_handles_move_and_resize_the_selected_particle(tab: TemTab) -> None:
    use(tab, Tool.CIRCLE)
    drag(tab, (60, 100), (80, 100))
    drag(tab, (70, 100), (75, 103))  # the middle
    assert (particles(tab).x[-1], particles(tab).y[-1]) == pytest.approx((75, 103), abs=0.7)
    drag(tab, (85, 103), (90, 103))  # the right edge
    assert particles(tab).diameter_px[-1] == pytest.approx(30, abs=1.2)
    drag(tab, (90, 103), (84, 103), keys=SHIFT)  # one axis only
    assert len(particles(tab).outlines[-1]) > 2
    assert particles(tab).status[-1] == Status.ADDED


def test_keys_move_and_resize_the_selected_particle_in_one_step_each(tab: TemTab) -> None:
    click(tab, 2, 7)
    (ident,) = tab._session.selection.particles
    row = int(np.flatnonzero(particles(tab).ids == ident)[0])
    x, area = float(particles(tab).x[row]), float(particles(tab).area_px[row])
    for _ in range(3):
        key(tab, Qt.Key.Key_Right, CONTROL)
    key(tab, Qt.Key.Key_BracketRight)
    assert particles(tab).x[row] == pytest.approx(x + 3)
    assert particles(tab).area_px[row] > area
    assert len(tab._session.history(1).edits) == 2


def test_a_press_on_a_handle_and_escape_leave_the_particle(tab: TemTab) -> None:
    use(tab, Tool.CIRCLE)
    drag(tab, (60, 100), (80, 100))
    before = document(tab).state_bytes()
    press(tab, 70, 100)
    move(tab, 90, 110)
    key(tab, Qt.Key.Key_Escape)
    release(tab, 90, 110)
    assert document(tab).state_bytes() == before


def test_enter_accepts_what_is_selected(tab: TemTab) -> None:
    click(tab, 2, 7)
    key(tab, Qt.Key.Key_Return)
    assert document(tab).accepted("watershed") == tab._session.selection.particles
    select(tab, 3)
    key(tab, Qt.Key.Key_Return)
    assert document(tab).reviewed() == {3}


def test_what_was_accepted_has_a_tick_and_says_so_in_the_table(tab: TemTab) -> None:
    click(tab, 2, 7)
    (ident,) = tab._session.selection.particles
    row = int(np.flatnonzero(particles(tab).ids == ident)[0])
    x, y = float(particles(tab).x[row]), float(particles(tab).y[row])
    tab.canvas.set_view(View(6.0, x, y))
    colour = QColor(COLOUR)
    light = np.array([colour.red(), colour.green(), colour.blue()])

    def n_light() -> int:
        picture = tab.canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        pixels = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), -1, 4)
        near = np.abs(pixels[:, :, 2::-1].astype(int) - light).max(axis=2) < 12
        return int(np.count_nonzero(near))

    assert n_light() == 0
    key(tab, Qt.Key.Key_Return)
    assert tab.canvas.ticks.n_ticks == (1, 0)
    assert n_light() > 8
    model = tab.table.model
    texts = [model.data(model.index(r, STATUS)) for r in range(model.rowCount())]
    assert texts.count("accepted") == 1
    select(tab, 3)
    key(tab, Qt.Key.Key_Return)
    assert tab.canvas.ticks.n_ticks == (1, 1)
    tab.editing.editor.undo()
    tab.editing.editor.undo()
    assert n_light() == 0
    assert "accepted" not in [model.data(model.index(r, STATUS)) for r in range(model.rowCount())]


def test_a_drawn_circle_that_takes_the_place_of_a_particle_says_so(tab: TemTab, qtbot: QtBot) -> None:
    n = len(particles(tab))
    p = particles(tab).select(np.array([4]))
    x, y, r = float(p.x[0]), float(p.y[0]), float(p.diameter_px[0]) / 2
    use(tab, Tool.CIRCLE)
    with qtbot.waitSignal(tab.editing.told) as told:
        drag(tab, (x - r, y), (x + r, y))
    assert "takes the place" in told.args[0]
    assert len(particles(tab)) == n
    assert int(p.ids[0]) not in particles(tab).ids
    tab.editing.editor.undo()
    assert int(p.ids[0]) in particles(tab).ids


def test_a_circle_dragged_onto_a_particle_takes_its_place_in_one_step(tab: TemTab, qtbot: QtBot) -> None:
    use(tab, Tool.CIRCLE)
    drag(tab, (60, 100), (76, 100))
    p = particles(tab).select(np.array([4]))
    gone, x, y = int(p.ids[0]), float(p.x[0]), float(p.y[0])
    before, n = document(tab).state_bytes(), len(particles(tab))
    with qtbot.waitSignal(tab.editing.told) as told:
        drag(tab, (68, 100), (x, y))
    assert "takes the place" in told.args[0]
    assert gone not in particles(tab).ids
    assert len(particles(tab)) < n
    assert tab._session.selection.particles == {int(particles(tab).ids[-1])}
    tab.editing.editor.undo()
    assert document(tab).state_bytes() == before


def test_a_circle_moved_by_keys_across_a_particle_gives_it_back(tab: TemTab) -> None:
    n = len(particles(tab))
    p = particles(tab).select(np.array([4]))
    x, y, r = float(p.x[0]), float(p.y[0]), float(p.diameter_px[0]) / 2
    use(tab, Tool.CIRCLE)
    drag(tab, (x - r, y + 4 * r), (x + r, y + 4 * r))
    before = document(tab).state_bytes()
    here, fewest = len(particles(tab)), n
    for _ in range(math.ceil(8 * r)):
        key(tab, Qt.Key.Key_Up, CONTROL)
        fewest = min(fewest, len(particles(tab)))
    assert fewest < here
    assert int(p.ids[0]) in particles(tab).ids
    tab.editing.editor.undo()
    assert document(tab).state_bytes() == before


def test_an_edit_of_many_is_worked_out_beside_the_window(
    tab: TemTab, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editor_module, "MANY", 3)
    before = document(tab).state_bytes()
    select(tab, *document(tab).table.ids.tolist())
    areas = document(tab).table.area_px.sum()
    tab.editing.editor.grow()
    # One that comes meanwhile is not lost: what was worked out for the state before is worked out anew.
    tab._session.commit(1, labels.take_new_id(document(tab), 7))
    qtbot.waitUntil(lambda: len(tab._session.history(1).edits) == 2, timeout=SOON)
    assert document(tab).table.area_px.sum() > areas
    tab._session.jump(1, 0)
    assert document(tab).state_bytes() == before


def test_an_edit_of_many_survives_a_change_under_its_hands(
    tab: TemTab, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editor_module, "MANY", 3)
    changed, grow, calls = threading.Event(), labels.grow, []

    def torn_once(document: ImageDocument, ids: Collection[int], *, protect: bool = True) -> Edit | None:
        calls.append(ids)
        if len(calls) == 1:
            assert changed.wait(SOON / 1000)
            raise AssertionError("an agglomerate is gone whose row was read before")
        return grow(document, ids, protect=protect)

    monkeypatch.setattr(labels, "grow", torn_once)
    failures: list[object] = []
    tab._jobs.failed.connect(failures.append)
    select(tab, *document(tab).table.ids.tolist())
    tab.editing.editor.grow()
    tab._session.commit(1, labels.take_new_id(document(tab), 7))
    changed.set()
    qtbot.waitUntil(lambda: len(tab._session.history(1).edits) == 2, timeout=SOON)
    assert len(calls) == 2
    assert failures == []


def test_a_defect_in_one_edit_of_many_does_not_hold_up_the_next(tab: TemTab, qtbot: QtBot) -> None:
    many, made = tab.editing.editor._many, document(tab)

    def broken(_: bool) -> None:
        raise ZeroDivisionError

    with qtbot.captureExceptions() as caught:
        many.put(made, lambda _: None, broken)
        many.put(made, lambda document: labels.delete(document, [3]), lambda _: None)
        qtbot.waitUntil(lambda: len(tab._session.history(1).edits) == 1, timeout=SOON)
    assert [kind for kind, _, _ in caught] == [ZeroDivisionError]
    assert not many._waiting


def test_edits_of_many_are_made_one_after_the_other_and_only_in_their_image(
    tab: TemTab, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor, session = tab.editing.editor, tab._session
    select(tab, *document(tab).table.ids.tolist())
    for make in (editor.grow, editor.grow, editor.shrink):
        make()
    state, titles = document(tab).state_bytes(), [edit.title for edit in session.history(1).edits]
    session.jump(1, 0)
    monkeypatch.setattr(editor_module, "MANY", 3)
    go_on, grow = threading.Event(), labels.grow

    def slow(*what: Any, **more: Any) -> Edit | None:
        assert go_on.wait(SOON / 1000)
        return grow(*what, **more)

    monkeypatch.setattr(labels, "grow", slow)
    for make in (editor.grow, editor.grow, editor.shrink):
        make()
    assert session.history(1).position == 0
    go_on.set()
    qtbot.waitUntil(lambda: session.history(1).position == 3, timeout=SOON)
    assert [edit.title for edit in session.history(1).edits] == titles
    assert document(tab).state_bytes() == state
    # What was asked for in an image that is no longer shown is given up.
    go_on.clear()
    select(tab, *document(tab).table.ids.tolist())
    editor.grow()
    editor.shrink()
    other = show_image(session, "b.tif")
    analyse_image(session, other)
    before = document(tab).state_bytes()
    go_on.set()
    qtbot.waitUntil(lambda: not editor._many._waiting, timeout=SOON)
    assert session.history(1).position == 3 and document(tab).state_bytes() == before


def test_a_count_for_several_is_one_step(tab: TemTab) -> None:
    select(tab, 3, 5)
    tab.editing.editor.set_count(2)
    assert document(tab).counts() == {3: 2, 5: 2}
    assert len(tab._session.history(1).edits) == 1


def test_the_view_goes_to_what_is_undone(tab: TemTab) -> None:
    click(tab, 27, 7, CONTROL)
    tab.canvas.set_view(View(8.0, 300, 240))
    tab.editing.editor.undo()
    left, top, right, bottom = tab.canvas.view.visible(tab.canvas.size_f)
    assert left <= 20 and right >= 36 and top <= 0 and bottom >= 16


def test_space_and_the_middle_button_move_the_image_in_every_tool(tab: TemTab) -> None:
    for tool in (Tool.BRUSH, Tool.ERASER, Tool.LASSO, Tool.CUT, Tool.CIRCLE, Tool.BOX):
        use(tab, tool)
        before, view = document(tab).state_bytes(), tab.canvas.view
        press(tab, 60, 60, Qt.MouseButton.MiddleButton)
        move(tab, 70, 70)
        release(tab, 70, 70, Qt.MouseButton.MiddleButton)
        assert tab.canvas.view != view
        assert document(tab).state_bytes() == before


def test_without_an_analysis_tools_say_what_to_do(tab: TemTab, qtbot: QtBot) -> None:
    show_image(tab._session, "b.tif")
    use(tab, Tool.BRUSH)
    with qtbot.waitSignal(tab.editing.told) as told:
        press(tab, 60, 60)
    assert "Analyse this image" in told.args[0]
    release(tab, 60, 60)


def test_the_overlay_follows_an_edit_without_being_made_anew(tab: TemTab, qtbot: QtBot) -> None:
    picture = tab.canvas.picture
    assert picture is not None
    click(tab, 27, 7, CONTROL)
    assert picture.fill[0][7, 27] == 0  # its colour goes at once
    qtbot.waitUntil(lambda: tab.canvas.picture is not picture, timeout=10_000)
    now = tab.canvas.picture
    assert now is not None
    assert 2 not in now.agglomerates.owners
    assert now.fill is picture.fill
    assert now.hit(27, 7).agglomerate == 0
    use(tab, Tool.BRUSH)
    drag(tab, (60, 100), (80, 100))
    qtbot.waitUntil(
        lambda: tab.canvas.picture is not None and 42 in tab.canvas.picture.drawn_edited.levels[0].owners,
        timeout=10_000,
    )


def test_the_list_of_steps_jumps(tab: TemTab, qtbot: QtBot) -> None:
    click(tab, 27, 7, CONTROL)
    click(tab, 47, 7, CONTROL)
    tab.editing.open_steps()
    steps = tab.editing._steps
    assert steps is not None
    assert [steps.view.item(i).text()[-6:] for i in range(3)] == [" found", "merate", "merate"]
    steps.view.itemClicked.emit(steps.view.item(0))
    assert {2, 3} <= set(document(tab).table.ids.tolist())
    steps.view.itemClicked.emit(steps.view.item(2))
    assert not {2, 3} & set(document(tab).table.ids.tolist())
    assert steps.view.item(2).font().bold()
    steps.close()


def test_the_tool_bar_shows_the_size_of_the_brush_where_it_matters(tab: TemTab) -> None:
    assert not tab.editing.bar.brush.isVisible()
    use(tab, Tool.BRUSH)
    assert tab.editing.bar.brush.isVisible()
    tab.editing.bar.brush.setValue(30)
    assert tab.editing.editor.brush_radius == 15


def test_corrections_are_counted_where_the_numbers_are(tab: TemTab, qtbot: QtBot) -> None:
    click(tab, 27, 7, CONTROL)
    use(tab, Tool.CIRCLE)
    drag(tab, (60, 100), (80, 100))
    select(tab)
    facts = tab.result.facts()
    assert facts["Corrections by hand"] == "2"
    assert facts["Particles edited or added"] == "1"
    shown = tab.histogram.statistics.by_hand
    qtbot.waitUntil(lambda: "2 steps in 1 image" in shown.text(), timeout=10_000)


def test_an_analysis_that_replaces_corrections_says_so(tab: TemTab, qtbot: QtBot) -> None:
    click(tab, 27, 7, CONTROL)
    with qtbot.waitSignal(tab.editing.told) as told:
        analyse_image(tab._session, 1, seed=4)
    assert "replaced 1 correction by hand" in told.args[0]
    tab.editing.editor.undo()
    assert 2 not in tab._session.entry(1).document.table.ids


def test_a_whole_agglomerate_stays_selected_whole_when_it_is_measured_again(tab: TemTab) -> None:
    send(tab, QEvent.Type.MouseButtonDblClick, 27, 7)
    release(tab, 27, 7)
    found = document(tab).results["watershed"]
    own = found.particles.ids[found.particles.agglomerate == 2].tolist()
    assert tab._session.selection.particles == set(own)
    rows = take_result(found, [2], own)
    new = Particles.from_circles([2], [27.0], [7.0], [8.0])
    new = replace(new, ids=np.array([document(tab).next_particle("watershed")], dtype=np.int32))
    tab._session.amend(1, [ParticlePatch("watershed", rows, replace(rows, particles=new))])
    assert tab._session.selection == Selection(frozenset({2}), frozenset(new.ids.tolist()))
    tab.editing.delete()
    assert 2 not in document(tab).table.ids
