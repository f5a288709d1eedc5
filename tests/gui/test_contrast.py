"""The contrast panel, with real events, alone and with a canvas."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt

from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.display import ColourMap, Contrast, automatic, full_range, grey_statistics
from nanoai_gui.gui.widgets.contrast import ContrastPanel, gamma_to_slider, slider_to_gamma
from tests.gui.canvas_events import double_click, drag


def collect(signal: Any) -> list[Contrast]:
    calls: list[Contrast] = []
    signal.connect(calls.append)
    return calls


@pytest.fixture
def panel(qtbot):
    made = ContrastPanel()
    qtbot.addWidget(made)
    made.resize(300, 240)
    made.show()
    pixels = np.random.default_rng(0).normal(1000, 100, (200, 200)).astype(np.uint16)
    made.set_statistics(grey_statistics(pixels))
    made.set_contrast(Contrast(800, 1200))
    return made


# ---- statistics -----------------------------------------------------------------------------------------


def test_statistics_are_those_of_the_values():
    values = np.random.default_rng(1).normal(0, 1, (300, 400)).astype(np.float32)
    statistics = grey_statistics(values)
    assert statistics.auto_low == pytest.approx(np.percentile(values, 0.35), abs=1e-6)
    assert statistics.auto_high == pytest.approx(np.percentile(values, 99.65), abs=1e-6)
    assert (statistics.minimum, statistics.maximum) == (values.min(), values.max())
    assert statistics.counts.sum() == values.size


def test_data_bar_and_hot_pixels_do_not_spoil_the_automatic_contrast():
    values = np.random.default_rng(1).normal(100, 5, (300, 300)).astype(np.float32)
    alone = grey_statistics(values)
    spoilt = values.copy()
    spoilt[5, 5] = 1e6
    spoilt = np.vstack([spoilt, np.where(np.arange(60 * 300).reshape(60, 300) % 2, 0, 255)]).astype(
        np.float32
    )
    statistics = grey_statistics(spoilt, 300)
    assert statistics.auto_low == pytest.approx(alone.auto_low, abs=0.5)
    assert statistics.auto_high == pytest.approx(alone.auto_high, abs=0.5)
    assert statistics.edges[-1] < 200 and np.count_nonzero(statistics.counts) > 100


def test_whole_numbers_get_bins_of_whole_width():
    values = np.arange(1000, dtype=np.int32).repeat(50).reshape(200, 250)
    statistics = grey_statistics(values)
    width = np.diff(statistics.edges)
    assert (width == width[0]).all() and width[0] == int(width[0]) and len(width) <= 256
    assert len(set(statistics.counts[1:-1].tolist())) == 1  # a flat histogram looks flat


@pytest.mark.parametrize("value", [0, 77, 255])
def test_flat_images_get_a_usable_contrast(value):
    statistics = grey_statistics(np.full((20, 20), value, np.uint8))
    contrast = automatic(statistics, Contrast())
    assert contrast.high > contrast.low
    assert full_range(statistics, Contrast()).high > full_range(statistics, Contrast()).low


def test_values_that_are_not_finite_are_left_out():
    values = np.array([[np.nan, 1, 2], [np.inf, 3, -np.inf]], np.float32)
    statistics = grey_statistics(values)
    assert (statistics.minimum, statistics.maximum) == (1, 3)
    assert np.isfinite([grey_statistics(np.full((3, 3), np.nan)).auto_low]).all()


def test_positions_follow_levels_and_gamma():
    values = np.array([-5, 0, 50, 100, 500])
    assert Contrast(0, 100).positions(values).tolist() == [0, 0, 128, 255, 255]
    assert Contrast(0, 100, gamma=2).positions(values).tolist() == [0, 0, 64, 255, 255]
    assert Contrast(100, 100).positions(np.array([99.0, 101.0])).tolist() == [0, 255]


# ---- panel ----------------------------------------------------------------------------------------------


def test_dragging_a_handle_moves_that_level(panel):
    told = collect(panel.levels_changed)
    histogram = panel.histogram
    y = histogram.height() / 2
    drag(histogram, (histogram.position(800), y), (histogram.position(900), y))
    assert told[-1].low == pytest.approx(900, abs=2) and told[-1].high == 1200
    assert panel.low.value() == pytest.approx(900, abs=2)
    drag(histogram, (histogram.position(1200), y), (histogram.position(1100), y))
    assert told[-1].high == pytest.approx(1100, abs=2)


def test_handles_cannot_cross(panel):
    told = collect(panel.levels_changed)
    histogram = panel.histogram
    drag(histogram, (histogram.position(800), 20), (histogram.width() - 1, 20))
    assert told[-1].low < told[-1].high == 1200


def test_dragging_between_the_handles_moves_both(panel):
    told = collect(panel.levels_changed)
    histogram = panel.histogram
    drag(histogram, (histogram.position(1000), 20), (histogram.position(1050), 20))
    assert [told[-1].low, told[-1].high] == pytest.approx([850, 1250], abs=2)


def test_double_click_and_button_give_the_automatic_contrast(panel, qtbot):
    told = collect(panel.levels_changed)
    qtbot.mouseClick(panel.full, Qt.MouseButton.LeftButton)
    assert told[-1] == full_range(panel.histogram._statistics, Contrast())
    qtbot.mouseClick(panel.auto, Qt.MouseButton.LeftButton)
    automatic_one = told[-1]
    assert automatic_one == automatic(panel.histogram._statistics, Contrast())
    qtbot.mouseClick(panel.full, Qt.MouseButton.LeftButton)
    double_click(panel.histogram, (100, 20))
    assert told[-1] == automatic_one


def test_levels_can_be_typed(panel, qtbot):
    told = collect(panel.levels_changed)
    panel.low.selectAll()
    qtbot.keyClicks(panel.low, "870")
    assert told == []  # not while typing: 8 and 87 are not meant
    qtbot.keyClick(panel.low, Qt.Key.Key_Return)
    assert told == [Contrast(870, 1200)]
    panel.high.selectAll()
    qtbot.keyClicks(panel.high, "500")
    qtbot.keyClick(panel.high, Qt.Key.Key_Return)
    assert told[-1].high == 500 and told[-1].low < 500


def test_gamma_colours_and_inversion(panel, qtbot):
    told = collect(panel.levels_changed)
    panel.gamma.setFocus()
    qtbot.keyClick(panel.gamma, Qt.Key.Key_PageUp)
    assert told[-1].gamma == pytest.approx(2 ** (2 * 5 / 40))
    panel.colour_map.setFocus()
    qtbot.keyClick(panel.colour_map, Qt.Key.Key_Down)
    assert told[-1].colour_map is ColourMap.VIRIDIS
    panel.invert.setFocus()
    qtbot.keyClick(panel.invert, Qt.Key.Key_Space)
    assert told[-1].inverted
    qtbot.mouseClick(panel.auto, Qt.MouseButton.LeftButton)
    assert told[-1].inverted and told[-1].colour_map is ColourMap.VIRIDIS  # Auto is about levels only


def test_gamma_slider_is_symmetric_around_one():
    assert slider_to_gamma(0) == 1.0
    assert slider_to_gamma(40) == 4.0 and slider_to_gamma(-40) == 0.25
    assert all(gamma_to_slider(slider_to_gamma(i)) == i for i in range(-40, 41))


def test_being_told_a_contrast_tells_nobody(panel):
    told = collect(panel.levels_changed)
    panel.set_contrast(Contrast(1, 2, 0.5, True, ColourMap.CIVIDIS))
    assert told == []
    assert panel.invert.isChecked() and panel.colour_map.currentText() == "Cividis"


def test_panel_says_that_it_is_display_only(panel):
    from PySide6.QtWidgets import QLabel

    assert any("analysis sees raw values" in label.text() for label in panel.findChildren(QLabel))


# ---- with a canvas --------------------------------------------------------------------------------------


def make(offset: float) -> Micrograph:
    pixels = np.random.default_rng(2).normal(offset, 10, (80, 80)).astype(np.float32)
    return Micrograph(pixels, "made")


def test_canvas_and_panel_follow_each_other(panel, qtbot):
    canvas = MicrographCanvas()
    qtbot.addWidget(canvas)
    panel.attach(canvas)
    canvas.set_micrograph(make(100))
    assert panel.contrast == canvas.contrast == automatic(canvas.statistics, Contrast())
    qtbot.mouseClick(panel.full, Qt.MouseButton.LeftButton)
    assert canvas.contrast == panel.contrast == full_range(canvas.statistics, Contrast())
    canvas.shut_down()


def test_contrast_is_found_anew_for_each_image_or_kept(panel, qtbot):
    canvas = MicrographCanvas()
    qtbot.addWidget(canvas)
    panel.attach(canvas)
    canvas.set_micrograph(make(100))
    first = canvas.contrast
    canvas.set_micrograph(make(1000))
    assert canvas.contrast.low > first.high
    panel.keep.click()
    second = canvas.contrast
    canvas.set_micrograph(make(100))
    assert canvas.contrast == panel.contrast == second
    canvas.shut_down()
