"""The canvas, with real events of mouse, wheel and keyboard."""

import gc
import sys
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QFocusEvent, QImage, QKeyEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget

from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.canvas_items import OutlineLayer
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.overlay import prepare_overlay
from nanoai_gui.gui.tem.tools import Tool, length, snap_to_bar
from nanoai_gui.gui.tem.view import View
from tests.gui.canvas_events import (
    CONTROL,
    MIDDLE,
    NONE,
    SHIFT,
    click,
    double_click,
    drag,
    move,
    press,
    release,
    wheel,
)


def make_micrograph(
    shape: tuple[int, int] = (300, 400), data_bar_top: int | None = None, seed: int = 1
) -> Micrograph:
    pixels = np.random.default_rng(seed).integers(60, 200, shape).astype(np.uint8)
    return Micrograph(pixels, "made", calibration=Calibration.typed(2.0), data_bar_top=data_bar_top)


@pytest.fixture
def canvas(qtbot):
    made = MicrographCanvas()
    qtbot.addWidget(made)
    made.resize(800, 600)
    made.show()
    yield made
    made.shut_down()


@pytest.fixture
def shown(canvas):
    """A canvas with an image at 1 screen px per image px, image (0, 0) at canvas (200, 150)."""
    canvas.set_micrograph(make_micrograph())
    canvas.set_view(View(1.0, 200.0, 150.0))
    assert on_canvas(canvas, 0, 0) == (200, 150)
    return canvas


@pytest.fixture
def measured(shown):
    labels = np.zeros((300, 400), np.int32)
    labels[50:150, 50:150] = 3
    labels[200:250, 300:350] = 8
    particles = Particles.from_circles([3, 3], [80, 120], [80, 120], [15, 12])
    shown.set_overlay(prepare_overlay(labels, [8], particles))
    return shown


def on_canvas(canvas: MicrographCanvas, x: float, y: float) -> tuple[float, float]:
    return canvas.view.to_screen(x, y, canvas.size_f)


def key(
    canvas: MicrographCanvas,
    what: Qt.Key,
    modifiers: Qt.KeyboardModifier = NONE,
    kind: QEvent.Type = QEvent.Type.KeyPress,
) -> bool:
    event = QKeyEvent(kind, what, modifiers)
    QApplication.sendEvent(canvas, event)
    return event.isAccepted()


def let_go(canvas: MicrographCanvas, what: Qt.Key) -> bool:
    return key(canvas, what, kind=QEvent.Type.KeyRelease)


def collect(signal: Any) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    signal.connect(lambda *args: calls.append(args))
    return calls


def test_outlines_are_painted_anew_only_when_they_or_the_view_change(
    measured: MicrographCanvas, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[OutlineLayer] = []
    paint = OutlineLayer.paint

    def counted(self: OutlineLayer, *rest: Any) -> None:
        painted.append(self)
        paint(self, *rest)

    monkeypatch.setattr(OutlineLayer, "paint", counted)

    def frame() -> tuple[NDArray[np.int64], int]:
        painted.clear()
        image = measured.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
        return pixels[:, :, :3].astype(np.int64), len(painted)

    measured.set_view(View(1.0, 190.0, 150.0))
    n = frame()[1]
    assert n > 0
    measured.set_view(View(1.0, 200.0, 150.0))
    again, n_again = frame()
    kept, n_kept = frame()  # the second of the same: a picture is made
    last, n_last = frame()
    assert (n_again, n_kept, n_last) == (n, n, 0)
    assert np.array_equal(last, kept)
    assert np.abs(kept - again).max() <= 3  # of 255: blended in another order
    assert measured.picture is not None
    measured.set_overlay(prepare_overlay(measured.picture.labels, [3]))
    changed, n_changed = frame()
    assert n_changed == n and np.abs(changed - last).max() > 50


# ---- zoom and pan ---------------------------------------------------------------------------------------


def test_wheel_zooms_at_the_cursor(shown):
    at = (333.0, 222.0)
    before = shown.view.to_image(*at, shown.size_f)
    told = collect(shown.view_changed)
    wheel(shown, at, 1)
    assert shown.view.scale == pytest.approx(1.25)
    assert shown.view.to_image(*at, shown.size_f) == pytest.approx(before)
    wheel(shown, at, -2)
    assert shown.view.scale == pytest.approx(0.8)
    assert told == [(pytest.approx(1.25),), (pytest.approx(0.8),)]


def test_wheel_without_an_image_does_nothing(canvas):
    wheel(canvas, (10, 10), 3)
    assert canvas.view == View()


@pytest.mark.parametrize("tool", list(Tool))
def test_middle_drag_pans_in_every_tool(shown, tool):
    shown.set_tool(tool)
    drag(shown, (300, 300), (340, 290), MIDDLE)
    assert on_canvas(shown, 0, 0) == pytest.approx((240, 140))


@pytest.mark.parametrize("tool", list(Tool))
def test_space_drag_pans_in_every_tool(shown, tool):
    shown.set_tool(tool)
    assert key(shown, Qt.Key.Key_Space)
    assert shown.cursor().shape() == Qt.CursorShape.OpenHandCursor
    drag(shown, (300, 300), (280, 325))
    let_go(shown, Qt.Key.Key_Space)
    assert on_canvas(shown, 0, 0) == pytest.approx((180, 175))
    assert shown.scale_line is None and shown.data_bar_top is None
    assert not shown.is_space_held


def test_left_drag_pans_and_does_not_click(measured):
    clicks = collect(measured.agglomerate_clicked), collect(measured.particle_clicked)
    drag(measured, on_canvas(measured, 80, 80), on_canvas(measured, 100, 80))
    assert on_canvas(measured, 0, 0) == pytest.approx((220, 150))
    assert clicks == ([], [])


def test_the_image_cannot_be_dragged_away(shown):
    for _ in range(5):
        drag(shown, (10, 10), (790, 590))
    assert (shown.view.x, shown.view.y) == (-0.5, -0.5)


def test_escape_while_dragging_puts_the_image_back(shown):
    before = shown.view
    press(shown, (300, 300))
    move(shown, (400, 350))
    assert shown.view != before
    key(shown, Qt.Key.Key_Escape)
    assert shown.view == before
    release(shown, (400, 350))
    assert shown.view == before


@pytest.mark.parametrize(
    ("what", "modifiers", "factor"),
    [
        (Qt.Key.Key_Plus, CONTROL, 1.5),
        (Qt.Key.Key_Equal, CONTROL, 1.5),
        (Qt.Key.Key_Plus, NONE, 1.5),
        (Qt.Key.Key_Minus, CONTROL, 1 / 1.5),
        (Qt.Key.Key_Minus, NONE, 1 / 1.5),
    ],
)
def test_plus_and_minus_zoom_around_the_middle(shown, what, modifiers, factor):
    assert key(shown, what, modifiers)
    assert (shown.view.scale, shown.view.x, shown.view.y) == pytest.approx((factor, 200.0, 150.0))


def test_control_0_shows_pixel_for_pixel_and_f_fits(shown):
    shown.set_view(View(3.3, 50.0, 60.0))
    key(shown, Qt.Key.Key_0, CONTROL)
    assert shown.view.scale * shown.devicePixelRatioF() == pytest.approx(1.0)
    key(shown, Qt.Key.Key_F)
    x0, y0 = on_canvas(shown, -0.5, -0.5)
    assert x0 >= 0 and y0 >= 0 and shown.view.scale == pytest.approx(min(784 / 400, 584 / 300))


def test_arrows_pan(shown):
    key(shown, Qt.Key.Key_Right)
    key(shown, Qt.Key.Key_Down)
    assert shown.view.x > 200 and shown.view.y > 150


def test_double_click_on_nothing_fits(measured):
    measured.set_view(View(2.0, 200.0, 150.0))
    double_click(measured, on_canvas(measured, 100, 100))
    assert measured.view.scale == 2.0  # on an agglomerate it is a click
    double_click(measured, on_canvas(measured, 250, 100))
    assert measured.view.scale == pytest.approx(min(784 / 400, 584 / 300))


def test_fitted_image_stays_fitted_when_resized_and_another_view_keeps_its_middle(shown):
    shown.fit()
    shown.resize(400, 600)
    assert shown.view.scale == pytest.approx(384 / 400)
    shown.set_view(View(2.0, 111.0, 99.0))
    shown.resize(700, 300)
    assert shown.view == View(2.0, 111.0, 99.0)


def test_keeping_the_view_for_the_next_image_of_the_same_size(shown):
    shown.set_view(View(2.0, 111.0, 99.0))
    shown.set_micrograph(make_micrograph(seed=2), keep_view=True)
    assert shown.view == View(2.0, 111.0, 99.0)
    shown.set_micrograph(make_micrograph((100, 100)), keep_view=True)
    assert (shown.view.scale, shown.view.x, shown.view.y) == pytest.approx((584 / 100, 49.5, 49.5))


# ---- clicks ---------------------------------------------------------------------------------------------


def test_clicks_tell_particle_agglomerate_or_nothing(measured):
    particles, agglomerates = collect(measured.particle_clicked), collect(measured.agglomerate_clicked)
    nothing = collect(measured.background_clicked)
    click(measured, on_canvas(measured, 84, 76))
    click(measured, on_canvas(measured, 60, 140), SHIFT)
    click(measured, on_canvas(measured, 325, 225), CONTROL)
    click(measured, on_canvas(measured, 250, 60))
    assert particles == [(1, NONE)]
    assert agglomerates == [(3, SHIFT), (8, CONTROL)]
    assert nothing == [(NONE,)]


def test_shift_drag_selects_a_rectangle_and_does_not_pan(measured):
    found = collect(measured.selection_rectangle)
    before = measured.view
    drag(measured, on_canvas(measured, 200, 200), on_canvas(measured, 60, 60), modifiers=SHIFT)
    assert found == [(frozenset({3}), frozenset({1, 2}), SHIFT)]
    assert measured.view == before


def test_right_button_does_nothing(measured):
    before = measured.view
    drag(measured, (300, 300), (400, 400), Qt.MouseButton.RightButton)
    assert measured.view == before
    assert measured.contextMenuPolicy() == Qt.ContextMenuPolicy.PreventContextMenu


def test_escape_asks_to_select_nothing(measured):
    nothing = collect(measured.background_clicked)
    key(measured, Qt.Key.Key_Escape)
    assert nothing == [(NONE,)]


def test_revealing_moves_no_more_than_needed(measured):
    measured.set_selection(Selection(frozenset({8})))
    before = measured.view
    measured.reveal_selection()
    assert measured.view == before
    measured.set_view(View(20.0, 60.0, 60.0))
    measured.reveal_selection()
    left, top, right, bottom = measured.view.visible(measured.size_f)
    assert left < 299.5 and right > 349.5 and top < 199.5 and bottom > 249.5


# ---- position under the mouse ---------------------------------------------------------------------------


def test_cursor_is_told_at_most_60_times_a_second_and_last_of_all_truly(shown, qtbot):
    told = collect(shown.cursor_moved)
    for i in range(200):
        move(shown, (220 + i, 180), Qt.MouseButton.NoButton)
    qtbot.waitUntil(lambda: bool(told) and told[-1] == (pytest.approx(219.0), pytest.approx(30.0)))
    assert len(told) < 40  # 200 events within far less than a second
    move(shown, (10, 10), Qt.MouseButton.NoButton)
    qtbot.waitUntil(lambda: told[-1] == (None, None))
    n = len(told)
    QApplication.sendEvent(shown, QEvent(QEvent.Type.Leave))
    assert len(told) == n  # already told


# ---- data bar -------------------------------------------------------------------------------------------


@pytest.fixture
def barred(canvas):
    canvas.set_micrograph(make_micrograph(data_bar_top=250))
    canvas.set_view(View(1.0, 200.0, 150.0))
    return canvas


def test_edge_of_the_data_bar_can_be_dragged_in_select(barred):
    moved = collect(barred.data_bar_moved)
    drag(barred, on_canvas(barred, 100, 249.5), on_canvas(barred, 100, 219.5))
    assert moved == [(220,)]  # once, on release
    assert barred.data_bar_top == 220
    assert barred.view == View(1.0, 200.0, 150.0)


def test_dragging_the_data_bar_out_of_the_image_means_there_is_none(barred):
    moved = collect(barred.data_bar_moved)
    drag(barred, on_canvas(barred, 100, 249.5), on_canvas(barred, 100, 320))
    assert moved == [(-1,)]
    assert barred.data_bar_top is None


def test_tool_sets_a_data_bar_where_there_is_none(shown):
    moved = collect(shown.data_bar_moved)
    shown.set_tool(Tool.DATA_BAR)
    press(shown, on_canvas(shown, 50, 279.5))
    release(shown, on_canvas(shown, 50, 279.5))
    assert moved == [(280,)]


def test_escape_gives_the_data_bar_back(barred):
    moved = collect(barred.data_bar_moved)
    press(barred, on_canvas(barred, 100, 249.5))
    move(barred, on_canvas(barred, 100, 100))
    assert barred.data_bar_top == 101 or barred.data_bar_top == 100
    key(barred, Qt.Key.Key_Escape)
    release(barred, on_canvas(barred, 100, 100))
    assert (barred.data_bar_top, moved) == (250, [])


def test_double_click_on_the_edge_asks_for_what_was_found(barred):
    asked = collect(barred.data_bar_reset)
    moved = collect(barred.data_bar_moved)
    before = barred.view
    double_click(barred, on_canvas(barred, 100, 249.5))
    assert (len(asked), moved, barred.view) == (1, [], before)


def test_cursor_shows_that_the_edge_can_be_moved(barred):
    move(barred, on_canvas(barred, 100, 250), Qt.MouseButton.NoButton)
    assert barred.cursor().shape() == Qt.CursorShape.SplitVCursor
    move(barred, on_canvas(barred, 100, 100), Qt.MouseButton.NoButton)
    assert barred.cursor().shape() == Qt.CursorShape.ArrowCursor


# ---- line over the scale bar ----------------------------------------------------------------------------


@pytest.fixture
def drawing(canvas):
    pixels = make_micrograph().pixels.copy()
    pixels[270:276, 100:221] = 255
    canvas.set_micrograph(Micrograph(pixels, "with a bar"))
    canvas.set_view(View(1.0, 200.0, 150.0))
    canvas.set_tool(Tool.SCALE_LINE)
    return canvas


def test_line_snaps_to_the_burned_in_bar(drawing):
    drawn = collect(drawing.line_drawn)
    drag(drawing, on_canvas(drawing, 103, 272), on_canvas(drawing, 217, 273))
    assert drawn == [(121.0,)]
    assert drawing.scale_line == (99.5, pytest.approx(272.5), 220.5, pytest.approx(272.5))


def test_free_line_keeps_its_length_and_shift_keeps_it_level(drawing):
    drawn = collect(drawing.line_drawn)
    drag(drawing, on_canvas(drawing, 20, 20), on_canvas(drawing, 50, 60))
    drag(drawing, on_canvas(drawing, 200, 20), on_canvas(drawing, 260, 60), modifiers=SHIFT)
    assert [length_px for (length_px,) in drawn] == pytest.approx([50.0, 60.0])
    assert drawing.scale_line == pytest.approx((200, 20, 260, 20))


def test_ends_can_be_moved(drawing):
    drawn = collect(drawing.line_drawn)
    drawing.set_scale_line((20.0, 20.0, 80.0, 20.0))
    drag(drawing, on_canvas(drawing, 81, 20), on_canvas(drawing, 50, 60))
    assert drawing.scale_line == pytest.approx((20, 20, 50, 60))
    drag(drawing, on_canvas(drawing, 20, 20), on_canvas(drawing, 50, 30))
    assert drawing.scale_line == pytest.approx((50, 60, 50, 30))
    assert [length_px for (length_px,) in drawn] == pytest.approx([50.0, 30.0])


def test_a_mere_click_draws_no_line(drawing):
    drawn = collect(drawing.line_drawn)
    click(drawing, (300, 300))
    assert drawing.scale_line is None and drawn == []


def test_escape_gives_up_first_the_drawing_then_the_line_then_the_tool(drawing):
    left, cleared = collect(drawing.tool_left), collect(drawing.line_cleared)
    drawing.set_scale_line((20.0, 20.0, 80.0, 20.0))
    press(drawing, (300, 300))
    move(drawing, (400, 300))
    key(drawing, Qt.Key.Key_Escape)
    assert drawing.scale_line == (20, 20, 80, 20)
    release(drawing, (400, 300))
    key(drawing, Qt.Key.Key_Escape)
    assert drawing.scale_line is None and len(cleared) == 1 and not left
    key(drawing, Qt.Key.Key_Escape)
    assert drawing.tool is Tool.SELECT and len(left) == 1


def test_snapping_leaves_alone_what_is_no_bar():
    pixels = np.full((20, 100), 50, np.uint8)
    line = (20.0, 10.0, 60.0, 10.0)
    assert snap_to_bar(pixels, line, 5.0) == line  # a flat row: no ends
    pixels[10, 10:90] = 200
    assert snap_to_bar(pixels, line, 5.0) == line  # the bar's ends are too far away
    pixels[:] = 50
    pixels[10, 22:58] = 200
    assert snap_to_bar(pixels, line, 5.0) == (21.5, 10.0, 57.5, 10.0)
    assert snap_to_bar(pixels, (60.0, 10.0, 20.0, 10.0), 5.0) == (57.5, 10.0, 21.5, 10.0)
    slanted = (20.0, 2.0, 60.0, 18.0)
    assert snap_to_bar(pixels, slanted, 5.0) == slanted
    assert length((0.0, 0.0, 3.0, 4.0)) == 5.0


# ---- keys -----------------------------------------------------------------------------------------------


def test_x_and_z_toggle_and_tell(measured):
    masks, outlines = collect(measured.masks_toggled), collect(measured.outlines_toggled)
    key(measured, Qt.Key.Key_X)
    key(measured, Qt.Key.Key_Z)
    key(measured, Qt.Key.Key_X)
    assert (masks, outlines) == ([(False,), (True,)], [(False,)])
    assert measured.masks_visible and not measured.outlines_visible


def test_letters_with_control_and_unknown_keys_go_on_to_the_window(measured):
    assert not key(measured, Qt.Key.Key_X, CONTROL)
    assert not key(measured, Qt.Key.Key_Z, CONTROL)  # that is undo
    assert not key(measured, Qt.Key.Key_A)
    assert not key(measured, Qt.Key.Key_PageDown)


@pytest.mark.parametrize("what", [Qt.Key.Key_Tab, Qt.Key.Key_QuoteLeft])
def test_holding_tab_or_backtick_shows_the_bare_image(measured, what):
    key(measured, what)
    assert measured.is_peeking
    let_go(measured, what)
    assert not measured.is_peeking


def test_tab_tapped_moves_the_focus_on_and_shift_tab_back(qtbot):
    window = QWidget()
    layout = QVBoxLayout(window)
    canvas, other = MicrographCanvas(), QWidget()
    other.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    layout.addWidget(canvas)
    layout.addWidget(other)
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    canvas.setFocus()
    qtbot.keyPress(canvas, Qt.Key.Key_Tab)
    states = [canvas.is_peeking]
    assert canvas.hasFocus()
    qtbot.keyRelease(canvas, Qt.Key.Key_Tab)
    states.append(canvas.is_peeking)
    assert other.hasFocus() and states == [True, False]
    qtbot.keyClick(other, Qt.Key.Key_Backtab, SHIFT)
    assert canvas.hasFocus()
    canvas.shut_down()


def test_losing_the_focus_ends_what_keys_held(measured):
    key(measured, Qt.Key.Key_Space)
    key(measured, Qt.Key.Key_QuoteLeft)
    QApplication.sendEvent(measured, QFocusEvent(QEvent.Type.FocusOut))
    assert not measured.is_space_held and not measured.is_peeking


# ---- state ----------------------------------------------------------------------------------------------


def test_another_image_takes_overlay_line_and_preview_along(measured):
    measured.set_scale_line((1.0, 1.0, 9.0, 9.0))
    measured.set_preview(np.ones((300, 400), bool))
    measured.set_micrograph(make_micrograph(seed=5))
    assert measured.picture is None and measured.scale_line is None
    click(measured, on_canvas(measured, 100, 100))  # no hit-testing in what is gone


def test_another_calibration_of_the_same_pixels_keeps_the_overlay(measured):
    picture, view = measured.picture, measured.view
    micrograph = make_micrograph()
    measured.set_micrograph(micrograph)
    measured.set_overlay(picture)
    measured.set_view(view)
    measured.set_micrograph(micrograph.with_calibration(Calibration.typed(5.0)).with_data_bar(200))
    assert measured.picture is picture and measured.view == view and measured.data_bar_top == 200


def test_overlay_and_preview_of_another_size_are_refused(shown):
    with pytest.raises(ValueError, match="does not fit"):
        shown.set_overlay(prepare_overlay(np.zeros((5, 5), np.int32)))
    with pytest.raises(ValueError, match="does not fit"):
        shown.set_preview(np.zeros((5, 5), bool))


def test_drops_are_left_to_the_window(canvas):
    assert not canvas.acceptDrops()


# ---- leaks ----------------------------------------------------------------------------------------------


def test_qt_calls_do_not_eat_none(canvas):
    """PySide6 6.12 drops a reference to None in each call, which kills Python 3.11 after a while."""
    before = sys.getrefcount(None)
    for _ in range(1000):
        canvas.setEnabled(True)
    assert abs(sys.getrefcount(None) - before) < 200


def test_a_deleted_canvas_is_gone(qtbot):
    canvas = MicrographCanvas()
    canvas.set_micrograph(make_micrograph((600, 600)))
    canvas.set_overlay(prepare_overlay(np.ones((600, 600), np.int32)))
    canvas.grab()
    canvas.shut_down()
    canvas.deleteLater()
    alive = weakref.ref(canvas)
    del canvas
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert alive() is None
