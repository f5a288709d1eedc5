"""What is really on the screen: pixels of the painted canvas."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QImage, QKeyEvent
from PySide6.QtWidgets import QApplication

from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.canvas_items import to_path
from nanoai_gui.gui.tem.display import ColourMap, Contrast, crop, mean_pyramid
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.outlines import circles, trace
from nanoai_gui.gui.tem.overlay import fill_colours, prepare_overlay
from nanoai_gui.gui.tem.tools import Tool
from nanoai_gui.gui.tem.view import View
from nanoai_gui.gui.theme import LIGHT
from nanoai_gui.gui.widgets.scale_bar import length_text, round_length, scale_bar

SIZE = (400, 300)


@pytest.fixture
def canvas(qtbot):
    made = MicrographCanvas()
    qtbot.addWidget(made)
    made.resize(*SIZE)
    made.show()
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # and so no frame that says so
    yield made
    made.shut_down()


def painted(canvas: MicrographCanvas) -> NDArray[np.uint8]:
    """The canvas as (height, width, 3) uint8."""
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    assert image.width() == canvas.width()
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return raw[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def at(canvas: MicrographCanvas, x: float, y: float) -> list[int]:
    """Colour of the screen pixel that shows an image position."""
    column, row = canvas.view.to_screen(x, y, canvas.size_f)
    colour: list[int] = painted(canvas)[int(row), int(column)].tolist()
    return colour


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64, bool])
def test_magnified_pixels_are_where_they_belong_and_sharp(canvas, dtype):
    scale = 1 if dtype is bool else 100
    pixels = (np.array([[0, 1, 0], [1, 0, 0]]) * scale).astype(dtype)
    canvas.set_micrograph(Micrograph(pixels, "tiny"))
    canvas.set_contrast(Contrast(0, scale))
    canvas.set_view(View(60.0, 1.0, 0.5))
    screen = painted(canvas)
    for y in range(2):
        for x in range(3):
            value = 255 if pixels[y, x] else 0
            left, top = canvas.view.to_screen(x - 0.5, y - 0.5, canvas.size_f)
            block = screen[round(top) + 1 : round(top) + 40, round(left) + 1 : round(left) + 59]
            assert (block == value).all(), (x, y)


def test_the_frame_says_that_keys_go_to_the_canvas(canvas, qtbot):
    canvas.activateWindow()
    qtbot.waitUntil(canvas.isActiveWindow)
    without = painted(canvas)
    canvas.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    canvas.setFocus()
    assert canvas.hasFocus()
    changed = (painted(canvas) != without).any(axis=2)
    assert changed[0].all() and changed[:, -1].all() and not changed[1:-1, 1:-1].any()


def test_surroundings_are_the_neutral_grey_of_both_themes(canvas):
    canvas.set_micrograph(Micrograph(np.zeros((10, 10), np.uint8), "dark"))
    grey = int(LIGHT.canvas[1:3], 16)
    assert painted(canvas)[3, 30].tolist() == [grey] * 3


@pytest.mark.parametrize(
    ("shape", "where"), [((200, 30000), 29000), ((200, 70000), 69000), ((3, 40000), 20000)]
)
def test_very_long_images_show(canvas, qtbot, shape, where):
    pixels = np.full(shape, 40, np.uint8)
    pixels[:, shape[1] // 2 :] = 200
    canvas.set_micrograph(Micrograph(pixels, "long"))
    canvas.set_contrast(Contrast(0, 255))
    for _ in ("before the pyramid is ready", "after"):
        canvas.fit()
        middle = shape[0] / 2 - 0.5
        assert at(canvas, shape[1] * 0.25, middle) == [40] * 3
        assert at(canvas, shape[1] * 0.75, middle) == [200] * 3
        canvas.set_view(View(4.0, where, middle))
        assert at(canvas, where + 3, middle) == [200] * 3
        qtbot.waitUntil(lambda: len(canvas._image._levels) > 1)


def test_small_views_show_averages_not_chance_pixels(canvas, qtbot):
    """A fine checkerboard seen from afar is grey, not black, white or moire."""
    pixels = (np.indices((2048, 2048)).sum(axis=0) % 2 * 255).astype(np.uint8)
    canvas.set_micrograph(Micrograph(pixels, "checks"))
    canvas.set_contrast(Contrast(0, 255))
    qtbot.waitUntil(lambda: len(canvas._image._levels) > 1)
    inner = painted(canvas)[40:200, 120:280]
    assert inner.min() >= 126 and inner.max() <= 129


def test_pyramid_averages_and_keeps_types():
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16, np.float32, np.int32):
        pixels = rng.integers(0, 250, (1031, 1200)).astype(dtype)
        levels = mean_pyramid(pixels)
        assert levels[0] is pixels and [level.shape for level in levels] == [
            (1031, 1200),
            (516, 600),
            (258, 300),
        ]
        exact = pixels[:1030].astype(float).reshape(515, 2, 600, 2).mean(axis=(1, 3))
        assert np.abs(levels[1][:515] - exact).max() <= 0.5
        assert levels[1].dtype == (np.float32 if dtype is np.int32 else dtype)
    assert crop((pixels,), 2, (1, 2, 5, 4)).tolist() == pixels[8:16:4, 4:20:4].tolist()


def test_contrast_changes_what_is_seen_only(canvas):
    pixels = np.array([[10, 100], [200, 250]], np.uint8)
    untouched = pixels.copy()
    canvas.set_micrograph(Micrograph(pixels, "four"))
    canvas.set_view(View(40.0, 0.5, 0.5))
    canvas.set_contrast(Contrast(100, 200))
    assert [at(canvas, x, y)[0] for y in (0, 1) for x in (0, 1)] == [0, 0, 255, 255]
    canvas.set_contrast(Contrast(0, 250, inverted=True))
    assert at(canvas, 1, 1) == [0, 0, 0]
    canvas.set_contrast(Contrast(0, 200, gamma=2.0))
    assert at(canvas, 1, 0)[0] == pytest.approx(255 / 4, abs=1)
    canvas.set_contrast(Contrast(0, 250, colour_map=ColourMap.VIRIDIS))
    assert at(canvas, 1, 1) == [0xFD, 0xE7, 0x24]
    np.testing.assert_array_equal(pixels, untouched)


@pytest.mark.parametrize("colour_map", [ColourMap.VIRIDIS, ColourMap.CIVIDIS])
def test_colour_maps_are_those_everyone_knows(colour_map):
    from matplotlib import colormaps

    expected = colormaps[colour_map.value.lower()](np.arange(256), bytes=True)[:, :3].astype(int)
    colours = Contrast(colour_map=colour_map).colours().astype(int)
    error = np.abs(colours - expected)
    assert error.max() <= 10 and error.mean() < 2
    assert (np.diff(colours[::5] @ [0.2126, 0.7152, 0.0722]) > 0).all()


@pytest.fixture
def measured(canvas):
    micrograph = Micrograph(np.full((300, 400), 128, np.uint8), "grey", calibration=Calibration.typed(1.0))
    canvas.set_micrograph(micrograph)
    canvas.set_contrast(Contrast(0, 255))
    canvas.set_view(View(1.0, 199.5, 149.5))
    labels = np.zeros((300, 400), np.int32)
    labels[50:150, 50:150] = 3
    labels[50:150, 200:300] = 8
    particles = Particles.from_circles([3], [100], [100], [20])
    canvas.set_overlay(prepare_overlay(labels, [8], particles))
    return canvas


def hold(canvas: MicrographCanvas, key: Qt.Key, kind: QEvent.Type = QEvent.Type.KeyPress) -> None:
    QApplication.sendEvent(canvas, QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier))


def test_masks_outlines_and_peeking(measured):
    bare = [128] * 3
    colour = fill_colours()[1 + 3]
    mixed = np.round((1 - colour[3] / 255) * 128 + colour[3] / 255 * colour[:3].astype(float))
    assert at(measured, 60, 60) == pytest.approx(mixed.tolist(), abs=2)
    assert at(measured, 30, 30) == bare
    with_outlines = painted(measured)
    hold(measured, Qt.Key.Key_X)
    assert at(measured, 60, 60) == bare
    assert at(measured, 120, 100) != bare  # rim of the circle
    hold(measured, Qt.Key.Key_Z)
    field = painted(measured)[:240]
    assert (field == 128).all()
    hold(measured, Qt.Key.Key_X)
    hold(measured, Qt.Key.Key_Z)
    np.testing.assert_array_equal(painted(measured), with_outlines)
    hold(measured, Qt.Key.Key_Tab)
    assert (painted(measured)[:240] == 128).all()
    hold(measured, Qt.Key.Key_Tab, QEvent.Type.KeyRelease)
    np.testing.assert_array_equal(painted(measured), with_outlines)


def test_excluded_agglomerates_look_different(measured):
    measured.set_masks_visible(False)
    screen = painted(measured)
    # A solid line along the edge of the measured one, gaps in that of the excluded one.
    solid = screen[98:140, 50].astype(int)
    dashed = screen[55:145, 200].astype(int)
    assert (np.abs(solid - 128).max(axis=1) > 15).all()
    bright = dashed.min(axis=1) > 150
    assert 0 < bright.sum() < len(bright)


def test_selection_is_marked_and_unmarked(measured):
    before = painted(measured)
    measured.set_selection(Selection(frozenset({3}), frozenset({1})))
    marked = painted(measured)
    assert (marked[:, :160] != before[:, :160]).any(axis=2).sum() > 500
    assert (marked[:, 170:] == before[:, 170:]).all()
    measured.set_selection(Selection())
    np.testing.assert_array_equal(painted(measured), before)


def test_many_selected_are_marked_too(canvas):
    canvas.set_micrograph(Micrograph(np.full((300, 400), 128, np.uint8), "grey"))
    canvas.set_view(View(1.0, 199.5, 149.5))
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(15.0, 390, 15), np.arange(15.0, 240, 15)))
    n = len(x)
    assert n > 150
    particles = Particles.from_circles(np.ones(n, int), x, y, np.full(n, 5.0))
    canvas.set_overlay(prepare_overlay(np.zeros((300, 400), np.int32), (), particles))
    before = painted(canvas)
    canvas.set_selection(Selection(frozenset(), frozenset(range(1, n + 1))))
    changed = (painted(canvas) != before).any(axis=2)
    assert changed[:240].sum() > 10 * n


def test_preview_tints_what_a_threshold_takes(canvas):
    canvas.set_micrograph(Micrograph(np.full((300, 400), 128, np.uint8), "grey"))
    canvas.set_view(View(1.0, 199.5, 149.5))
    mask = np.zeros((300, 400), bool)
    mask[40:80, 40:80] = True
    bare = at(canvas, 60, 60)
    canvas.set_preview(mask)
    assert at(canvas, 60, 60) != bare and at(canvas, 100, 60) == bare
    canvas.set_preview(None)
    assert at(canvas, 60, 60) == bare


def test_data_bar_is_shaded(canvas):
    canvas.set_micrograph(Micrograph(np.full((300, 400), 128, np.uint8), "grey", data_bar_top=200))
    canvas.set_view(View(1.0, 199.5, 149.5))
    screen = painted(canvas)
    assert (screen[10:190, 10:300] == screen[10, 10]).all()
    assert (screen[205:280, 5:200] != screen[10, 10]).any(axis=2).all()


def test_empty_canvas_says_how_to_begin(canvas):
    empty = painted(canvas)
    assert len(np.unique(empty[100:200, 100:300].reshape(-1, 3), axis=0)) > 10
    canvas.set_micrograph(Micrograph(np.zeros((4, 4), np.uint8), "something"))
    canvas.set_micrograph(None)
    np.testing.assert_array_equal(painted(canvas), empty)


def test_one_by_one_and_flat_and_not_finite_images_show(canvas):
    for pixels in (
        np.zeros((1, 1), np.uint8),
        np.full((50, 50), 255, np.uint8),
        np.full((50, 50), np.nan, np.float32),
        np.array([[0, np.inf], [1, 2]], np.float32),
    ):
        canvas.set_micrograph(Micrograph(pixels, "odd"))
        assert painted(canvas).shape == (300, 400, 3)


# ---- scale bar ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("longest", "expected"),
    [(1.0, 1.0), (1.99, 1.0), (2.0, 2.0), (4.99, 2.0), (5.0, 5.0), (9.99, 5.0), (10.0, 10.0), (0.3, 0.2),
     (1000.0, 1000.0), (0.7 + 0.1 + 0.2, 1.0)],
)  # fmt: skip
def test_lengths_are_round(longest, expected):
    assert round_length(longest) == pytest.approx(expected)
    with pytest.raises(ValueError, match="positive"):
        round_length(0.0)


def test_units_follow_the_length():
    assert [length_text(nm) for nm in (0.5, 20, 500, 1000, 2000, 50000)] == [
        "0.5 nm", "20 nm", "500 nm", "1 µm", "2 µm", "50 µm",
    ]  # fmt: skip


@pytest.mark.parametrize("scale", [0.01, 0.37, 1.0, 4.4, 64.0])
def test_bar_is_as_long_as_it_says(scale):
    bar = scale_bar(scale, 0.8, 200.0)
    nm = float(bar.text.split()[0]) * (1000 if "µm" in bar.text else 1)
    assert bar.screen_length == pytest.approx(nm / 0.8 * scale)
    assert 200 / 2.5 < bar.screen_length <= 200 * (1 + 1e-6)
    in_px = scale_bar(scale, None, 200.0)
    assert in_px.text.endswith(" px") and in_px.screen_length == pytest.approx(
        float(in_px.text.split()[0]) * scale
    )


def test_uncalibrated_bar_is_in_the_warning_colour(canvas):
    canvas.set_micrograph(Micrograph(np.zeros((300, 400), np.uint8), "no scale"))
    corner = painted(canvas)[230:, 200:].reshape(-1, 3)
    assert (corner == (0xF2, 0xB5, 0x4A)).all(axis=1).any()
    canvas.set_tool(Tool.SCALE_LINE)  # makes room for the burned-in bar
    assert len(np.unique(painted(canvas)[230:, 200:])) == 2
    canvas.set_tool(Tool.SELECT)
    canvas.set_nm_per_px(3.0)
    corner = painted(canvas)[230:, 200:].reshape(-1, 3)
    assert not (corner == (0xF2, 0xB5, 0x4A)).all(axis=1).any()


# ---- paths ----------------------------------------------------------------------------------------------


def test_paths_are_what_the_outlines_say():
    outlines = trace(np.array([[0, 0, 0, 0], [0, 1, 0, 2], [0, 0, 0, 0]]))
    path = to_path(outlines)
    polygons = path.toSubpathPolygons()
    assert len(polygons) == 2
    for polygon, a, b in zip(polygons, outlines.starts[:-1], outlines.starts[1:], strict=True):
        points = [(point.x(), point.y()) for point in polygon.toList()]
        assert points == [*map(tuple, outlines.points[a:b].tolist()), tuple(outlines.points[a].tolist())]
    assert to_path(outlines, 1, 1).isEmpty()


def test_part_of_the_outlines_makes_part_of_the_path():
    outlines = circles(np.arange(5) * 100.0, np.zeros(5), np.full(5, 10.0), np.arange(5, dtype=np.int32))
    box = to_path(outlines, 2, 4).boundingRect()
    assert (box.left(), box.right()) == pytest.approx((190, 310), abs=0.1)
