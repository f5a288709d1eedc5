from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.distribution import describe, pool
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.histogram_data import HistogramComputer, HistogramRequest
from nanoai_gui.gui.tem.histogram_panel import HistogramPanel, Scope
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.diameter_axis import DiameterAxis
from tests.gui.made import analyse_image, made_analysis, show_image

METHOD = "watershed"


@pytest.fixture
def session() -> TemSession:
    return TemSession()


@pytest.fixture
def panel(qtbot: QtBot, session: TemSession) -> Iterator[HistogramPanel]:
    jobs = JobRunner()
    panel = HistogramPanel(session, jobs)
    qtbot.addWidget(panel)
    panel.resize(820, 240)
    panel.show()
    qtbot.waitExposed(panel)
    yield panel
    jobs.close()


def update(qtbot: QtBot, panel: HistogramPanel) -> None:
    with qtbot.waitSignal(panel.updated):
        panel.refresh()


def analysed(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession, names: str = "a", n: int = 41
) -> list[int]:
    keys = []
    for i, name in enumerate(names):
        keys.append(show_image(session, f"{name}.tif"))
        analyse_image(session, keys[-1], n, seed=i)
    update(qtbot, panel)
    return keys


def pixel(panel: HistogramPanel, bar: int) -> QPoint:
    return panel.plot.bar_centre(bar).toPoint()


def fullest_bar(panel: HistogramPanel) -> int:
    assert panel.plot.state is not None
    return int(np.argmax(panel.plot.state.curves[0].histogram.counts))


def unit_shown(panel: HistogramPanel) -> str:
    assert panel.plot.state is not None
    return panel.plot.state.unit


def diameters_selected(session: TemSession) -> list[float]:
    analysis = session.current_analysis
    assert analysis is not None and analysis.calibration.nm_per_px is not None
    particles = analysis.results[session.shown_method].particles
    chosen = np.isin(particles.ids, list(session.selection.particles))
    return sorted((particles.diameter_px[chosen] * analysis.calibration.nm_per_px).tolist())


def test_says_what_to_do_before_anything_is_measured(panel: HistogramPanel) -> None:
    assert not panel.plot.isVisible()


def test_shows_the_statistics_of_the_core_with_units(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    analysed(qtbot, panel, session)
    expected = describe(pool(session.analyses(), METHOD, "nm"))
    text = panel.statistics.value("gmd").text()
    assert text.startswith(f"{expected.gmd:.2f} nm  (")
    assert expected.gmd_ci95 is not None
    assert f"{expected.gmd_ci95[0]:.2f} … {expected.gmd_ci95[1]:.2f}" in text
    assert panel.statistics.value("n").text() == "80 in 40 aggl., 1 image"
    assert "1 touches border" in panel.statistics.excluded.text()
    assert "1 of 41 agglomerates" in panel.statistics.excluded.text()
    assert "⚠" in panel.statistics.value("volume").text()
    assert "Too few particles" in panel.statistics.value("volume").toolTip()
    assert expected.fit is not None
    assert f"{expected.fit.anderson_darling:.3f}" in panel.statistics.value("fit").toolTip()
    assert "⚠" not in text


def test_an_interval_from_a_few_agglomerates_is_flagged(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    analysed(qtbot, panel, session, n=8)
    assert panel.statistics.value("gmd").text().endswith("⚠")
    assert "Too few agglomerates" in panel.statistics.value("gmd").toolTip()
    analyse_image(session, show_image(session), n=4)
    update(qtbot, panel)
    assert "…" not in panel.statistics.value("gmd").text()  # no interval at all


def test_clicking_a_bar_selects_its_particles(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    analysed(qtbot, panel, session)
    state, bar = panel.plot.state, fullest_bar(panel)
    assert state is not None
    QTest.mouseClick(
        panel.plot.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, pixel(panel, bar)
    )
    chosen = diameters_selected(session)
    assert len(chosen) == state.curves[0].histogram.counts[bar]
    assert state.edges[bar] <= chosen[0] and chosen[-1] < state.edges[bar + 1]
    # The agglomerates come along, and the bar is filled to its full height.
    assert session.selection.agglomerates
    _, heights = panel.plot._selected.opts["x0"], panel.plot._selected.opts["height"]
    assert heights[bar] == pytest.approx(100 * state.curves[0].histogram.fraction[bar])
    assert heights.sum() == pytest.approx(heights[bar])


def test_dragging_across_bars_selects_them_all_and_ctrl_takes_one_away(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    analysed(qtbot, panel, session)
    state, bar = panel.plot.state, fullest_bar(panel)
    assert state is not None
    view, none = panel.plot.viewport(), Qt.KeyboardModifier.NoModifier
    # From right to left, and beyond the edge of the plot.
    QTest.mousePress(view, Qt.MouseButton.LeftButton, none, pixel(panel, bar + 1))
    QTest.mouseMove(view, pixel(panel, bar))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, none, pixel(panel, bar))
    counts = state.curves[0].histogram.counts
    assert len(session.selection.particles) == counts[bar] + counts[bar + 1]
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, pixel(panel, bar))
    assert len(session.selection.particles) == counts[bar + 1]


def test_a_bar_of_pooled_images_selects_only_in_the_image_shown(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    analysed(qtbot, panel, session, "ab")
    state, bar = panel.plot.state, fullest_bar(panel)
    assert state is not None
    panel.plot.bars_chosen.emit(bar, bar, Qt.KeyboardModifier.NoModifier)
    own = [d for d in diameters_selected(session) if state.edges[bar] <= d < state.edges[bar + 1]]
    assert own == diameters_selected(session)
    assert 0 < len(own) < state.curves[0].histogram.counts[bar]


def test_bars_stay_while_results_grow(qtbot: QtBot, panel: HistogramPanel, session: TemSession) -> None:
    analysed(qtbot, panel, session, "a", n=80)
    assert panel.plot.state is not None
    before = panel.plot.state.edges
    for i, name in enumerate("bcdef"):
        analyse_image(session, show_image(session, f"{name}.tif"), 80, seed=10 + i)
    update(qtbot, panel)
    state = panel.plot.state
    assert len(state.curves[0].sample) > 800
    first = int(np.argmin(np.abs(state.edges - before[0])))
    np.testing.assert_allclose(state.edges[first : first + len(before)], before)


def test_scope_decides_what_is_pooled(qtbot: QtBot, panel: HistogramPanel, session: TemSession) -> None:
    keys = analysed(qtbot, panel, session, "abc")
    assert panel.scope is Scope.ALL
    assert panel.plot.state is not None and len(panel.plot.state.request.images) == 3
    with qtbot.waitSignal(panel.updated):
        panel.scope_box.setCurrentIndex(list(Scope).index(Scope.CURRENT))
    assert [key for key, _ in panel.plot.state.request.images] == [keys[2]]
    with qtbot.waitSignal(panel.updated):
        panel.scope_box.setCurrentIndex(list(Scope).index(Scope.SELECTED))
    assert not panel.plot.isVisible()  # nothing is selected yet
    assert "Choose" in panel._empty.text()
    with qtbot.waitSignal(panel.updated):
        panel.set_selected_keys(keys[:2])
    assert [key for key, _ in panel.plot.state.request.images] == keys[:2]


def test_axis_and_weighting(qtbot: QtBot, panel: HistogramPanel, session: TemSession) -> None:
    analysed(qtbot, panel, session)
    with qtbot.waitSignal(panel.updated):
        panel.scale_box.setCurrentIndex(1)
    state = panel.plot.state
    assert state is not None
    steps = np.diff(state.edges)
    np.testing.assert_allclose(steps, steps[0])
    number = state.curves[0].histogram.fraction
    with qtbot.waitSignal(panel.updated):
        panel.weighting_box.setCurrentIndex(1)
    assert panel.plot.state is not None
    volume = panel.plot.state.curves[0].histogram.fraction
    centres = state.edges[:-1] + steps / 2
    # Large particles weigh more by volume.
    assert (volume * centres).sum() > 1.05 * (number * centres).sum()


def test_methods_are_compared_in_one_plot(qtbot: QtBot, panel: HistogramPanel, session: TemSession) -> None:
    session.set_settings(dataclasses.replace(session.settings, methods=(METHOD, "hough")))
    analysed(qtbot, panel, session)
    assert panel.plot.state is not None
    assert [curve.method for curve in panel.plot.state.curves] == [METHOD, "hough"]
    assert [entry.name for entry in panel.legend.entries] == ["Watershed", "Hough transform"]
    assert panel.plot.colour(METHOD) != panel.plot.colour("hough")
    first = panel.statistics.value("gmd").text()
    with qtbot.waitSignal(panel.updated):
        session.set_shown_method("hough")
    assert panel.statistics.value("gmd").text() != first


def test_particles_needed_follow_the_precision_wanted(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    analysed(qtbot, panel, session)
    distribution = describe(pool(session.analyses(), METHOD, "nm"))
    assert panel.statistics.needed.text() == str(distribution.particles_needed(0.05))
    box = panel.statistics.precision
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, "20")
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert panel.statistics.needed.text() == f"{distribution.particles_needed(0.20)} ✓"


def test_images_without_pixel_size_are_left_out_and_named(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    key = show_image(session, "a.tif", Calibration.unknown())
    analyse_image(session, key)
    update(qtbot, panel)
    assert unit_shown(panel) == "px"
    assert " px " in panel.statistics.value("gmd").text()
    analyse_image(session, show_image(session, "b.tif"))
    update(qtbot, panel)
    assert unit_shown(panel) == "nm"
    assert panel.statistics.value("n").text().endswith("1 image")
    assert panel.statistics.caution.isVisible() and "1 image" in panel.statistics.caution.text()


def test_a_burst_of_results_is_computed_at_most_ten_times_a_second(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    compute = HistogramComputer.compute

    def counted(self: HistogramComputer, request: HistogramRequest) -> object:
        runs.append(len(request.images))
        return compute(self, request)

    monkeypatch.setattr(HistogramComputer, "compute", counted)
    began = time.monotonic()
    for i in range(30):
        key = show_image(session, f"{i}.tif")
        analyse_image(session, key, seed=i)
        qtbot.wait(5)
    qtbot.waitUntil(lambda: panel.plot.state is not None and len(panel.plot.state.request.images) == 30)
    # Some on the way, as far as the machine has the time for it, and the last one always.
    assert runs[0] < runs[-1] == 30
    assert len(runs) <= 3 + 10 * (time.monotonic() - began)


def test_removing_all_images_empties_the_panel(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    keys = analysed(qtbot, panel, session, "ab")
    with qtbot.waitSignal(panel.updated):
        session.remove(keys)
    assert not panel.plot.isVisible()


def test_a_result_for_images_removed_meanwhile_is_harmless(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    keys = analysed(qtbot, panel, session, "ab")
    panel.plot.bars_chosen.emit(0, 99, Qt.KeyboardModifier.NoModifier)
    session.remove(keys[1:])
    panel.plot.bars_chosen.emit(0, 99, Qt.KeyboardModifier.NoModifier)
    qtbot.wait(200)
    assert panel.plot.state is not None


def test_ticks_are_plain_numbers_at_any_range() -> None:
    axis = DiameterAxis()
    for low, high in ((1, 1000), (10, 100), (20, 60), (40, 45), (0.5, 3)):
        levels = axis.tickValues(np.log10(low), np.log10(high), 400)
        labels = axis.tickStrings(levels[0][1], 1, levels[0][0])
        values = [float(text) for text in labels]
        assert 3 <= len(values) <= 12, (low, high, labels)
        assert all(low * 0.999 <= value <= high * 1.001 for value in values)
        assert values == sorted(set(values))


def test_the_computer_remembers_images_but_not_stale_ones() -> None:
    session = TemSession()
    key = show_image(session)
    computer = HistogramComputer()
    settings = session.settings
    first = made_analysis(session.entry(key).request(), settings, seed=1)
    second = made_analysis(session.entry(key).request(), settings, seed=2)
    one = computer.compute(HistogramRequest(((key, first),), (METHOD,)))
    two = computer.compute(HistogramRequest(((key, second),), (METHOD,)))
    assert not np.array_equal(one.curves[0].sample.diameters, two.curves[0].sample.diameters)
    assert computer.compute(HistogramRequest((), (METHOD,))).curves == ()


def test_pressing_beside_the_plot_selects_nothing(
    qtbot: QtBot, panel: HistogramPanel, session: TemSession
) -> None:
    analysed(qtbot, panel, session)
    heard: list[object] = []
    panel.plot.bars_chosen.connect(lambda *what: heard.append(what))
    outside = QPointF(3, 3).toPoint()
    QTest.mouseClick(
        panel.plot.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, outside
    )
    assert heard == []
