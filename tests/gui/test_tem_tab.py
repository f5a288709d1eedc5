from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QPixmap
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from nanoai_gui.core.files.frames import FrameInfo
from nanoai_gui.core.tem.agglomerates import Polarity
from nanoai_gui.core.tem.analysis import ImageRequest
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.preview import PackedMask, preview_mask
from nanoai_gui.core.tem.segmentation import SegmentationParameters, ThresholdKind
from nanoai_gui.gui.jobs import JobRunner, Task
from nanoai_gui.gui.tem import overlay_feed
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.entries import ImageState, Selection
from nanoai_gui.gui.tem.frame_dialog import FrameDialog
from nanoai_gui.gui.tem.loading import ImageLoader
from nanoai_gui.gui.tem.overlay import OverlayPicture, prepare_overlay
from nanoai_gui.gui.tem.parameter_panel import ParameterPanel
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tem_tab import TemTab
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.tem.tools import Tool
from nanoai_gui.gui.widgets.parameter_form import FractionEditor
from tests.gui.made import SHAPE, analyse_image, made_analysis, show_image

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class NoThumbnails(Thumbnails):
    """Needs no files and no workers."""

    def get(self, path: Path, frame: int | None) -> QPixmap | None:
        return None


@pytest.fixture
def session() -> TemSession:
    return TemSession()


@pytest.fixture
def jobs() -> Iterator[JobRunner]:
    jobs = JobRunner()
    yield jobs
    jobs.close()


@pytest.fixture
def tab(qtbot: QtBot, session: TemSession, jobs: JobRunner) -> Iterator[TemTab]:
    tab = TemTab(session, jobs, NoThumbnails(jobs))
    qtbot.addWidget(tab)
    tab.resize(1280, 700)
    tab.show()
    qtbot.waitExposed(tab)
    yield tab
    tab.shut_down()


def measured(qtbot: QtBot, tab: TemTab, session: TemSession, calibration: Calibration | None = None) -> int:
    key = show_image(session) if calibration is None else show_image(session, calibration=calibration)
    with qtbot.waitSignal(tab.histogram.updated):
        analyse_image(session, key)
    qtbot.waitUntil(lambda: tab.canvas.picture is not None)
    return key


def on_canvas(canvas: MicrographCanvas, x: float, y: float) -> QPoint:
    sx, sy = canvas.view.to_screen(x, y, canvas.size_f)
    return QPoint(round(sx), round(sy))


def rows_selected(tab: TemTab) -> set[int]:
    return set(tab.table.model.ids_at(tab.table.selected_rows().tolist()).tolist())


def share_marked(tab: TemTab) -> float:
    return float(np.sum(tab.histogram.plot._selected.opts["height"]))


# ---------------------------------------------------------------------- the one selection


def test_clicking_a_particle_marks_it_everywhere(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    measured(qtbot, tab, session)
    particles = tab._particles()
    x, y = float(particles.x[10]) - 2, float(particles.y[10])
    QTest.mouseClick(tab.canvas, LEFT, NONE, on_canvas(tab.canvas, x, y))
    agglomerate = int(particles.agglomerate[10])
    assert session.selection == Selection(frozenset({agglomerate}), frozenset({int(particles.ids[10])}))
    assert rows_selected(tab) == {int(particles.ids[10])}
    assert share_marked(tab) == pytest.approx(100 / len(particles))
    assert tab.result.headline.text() == f"Agglomerate {agglomerate}"
    assert tab.result.facts()["Primary particles"] == "2"
    QTest.mouseClick(tab.canvas, LEFT, NONE, on_canvas(tab.canvas, SHAPE[1] - 3, SHAPE[0] - 3))
    assert session.selection == Selection()
    assert rows_selected(tab) == set() and share_marked(tab) == 0


def test_clicking_a_row_marks_it_on_the_canvas_and_in_the_histogram(
    qtbot: QtBot, tab: TemTab, session: TemSession
) -> None:
    measured(qtbot, tab, session)
    place = tab.table.view.visualRect(tab.table.model.index(3, 1)).center()
    QTest.mouseClick(tab.table.view.viewport(), LEFT, NONE, place)
    (chosen,) = session.selection.particles
    assert rows_selected(tab) == {chosen}
    assert tab.canvas._selection == session.selection
    assert share_marked(tab) > 0
    plot = tab.histogram.plot
    (marked,) = plot._marked.opts["height"]  # one particle is too small a share to see in a tall bar
    assert marked in plot._bars.opts["height"]
    QTest.keyClick(tab.table.view, Qt.Key.Key_Escape)
    assert session.selection == Selection()
    assert share_marked(tab) == 0 and len(plot._marked.opts["height"]) == 0


def test_clicking_a_bar_marks_rows(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    measured(qtbot, tab, session)
    plot = tab.histogram.plot
    assert plot.state is not None
    counts = plot.state.curves[0].histogram.counts
    bar = int(np.argmax(counts))
    QTest.mouseClick(plot.viewport(), LEFT, NONE, plot.bar_centre(bar).toPoint())
    assert len(rows_selected(tab)) == counts[bar]
    assert tab.canvas._selection.particles == frozenset(rows_selected(tab))


def test_shift_drag_selects_what_lies_in_a_rectangle(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    measured(qtbot, tab, session)
    shift = Qt.KeyboardModifier.ShiftModifier
    QTest.mousePress(tab.canvas, LEFT, shift, on_canvas(tab.canvas, -2, -2))
    QTest.mouseMove(tab.canvas, on_canvas(tab.canvas, 50, 30))
    end = on_canvas(tab.canvas, 58, 18)
    QTest.mouseMove(tab.canvas, end)
    QTest.mouseRelease(tab.canvas, LEFT, shift, end)
    assert session.selection.agglomerates == frozenset({1, 2, 3})
    assert len(session.selection.particles) == 6


def test_an_agglomerate_left_out_says_why(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    measured(qtbot, tab, session)
    analysis = session.current_analysis
    assert analysis is not None
    last = analysis.agglomerates
    place = on_canvas(tab.canvas, float(last.x[-1]), float(last.y[-1]))
    QTest.mouseClick(tab.canvas, LEFT, NONE, place)
    assert session.selection == Selection(frozenset({int(last.ids[-1])}))
    assert tab.result.reason.isVisible() and "touches border" in tab.result.reason.text()
    assert tab.result.facts()["Primary particles"] == "–"
    assert tab.result.facts()["Projected area"] == "64.00 nm² (256 px²)"


# ---------------------------------------------------------------------- what is shown


def test_without_a_pixel_size_everything_is_in_px(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    measured(qtbot, tab, session, Calibration.unknown())
    assert "px" in tab.calibration_line.text.text()
    assert tab.table.model.headerData(2, Qt.Orientation.Horizontal) == "d [px]"
    assert " px " in tab.histogram.statistics.value("gmd").text()
    key = session.current
    assert key is not None
    with qtbot.waitSignal(tab.histogram.updated):
        session.set_calibration(key, Calibration.typed(2.0))
    assert tab.table.model.headerData(2, Qt.Orientation.Horizontal) == "d [nm]"
    assert " nm " in tab.histogram.statistics.value("gmd").text()


def test_another_method_shows_its_own_particles(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    session.set_settings(dataclasses.replace(session.settings, methods=("watershed", "hough")))
    measured(qtbot, tab, session)
    box = tab.canvas_bar.method
    assert [box.itemText(i) for i in range(box.count())] == ["Watershed", "Hough transform"]
    before = tab.table.model.particles
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert session.shown_method == "hough"
    assert tab.table.model.particles is not before
    qtbot.waitUntil(lambda: _draws(tab, session, "hough"))


def _draws(tab: TemTab, session: TemSession, method: str) -> bool:
    picture, analysis = tab.canvas.picture, session.current_analysis
    if picture is None or analysis is None:
        return False
    radius = analysis.results[method].particles.diameter_px / 2
    return bool(np.array_equal(picture.particle_radius, radius))


def test_the_overlay_of_another_image_never_stays(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    measured(qtbot, tab, session)
    show_image(session, "b.tif")
    assert tab.canvas.picture is None
    assert not tab.table.view.isVisible()
    qtbot.wait(100)
    assert tab.canvas.picture is None


def test_an_overlay_that_comes_too_late_is_dropped(
    qtbot: QtBot, tab: TemTab, session: TemSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*what: Any) -> OverlayPicture:
        begun.set()
        assert go_on.wait(10)
        return prepare_overlay(*what)

    monkeypatch.setattr(overlay_feed, "prepare_overlay", slow)
    shown: list[object] = []
    analyse_image(session, show_image(session))
    qtbot.waitUntil(begun.is_set)
    set_overlay = tab.canvas.set_overlay

    def spy(picture: OverlayPicture | None) -> None:
        shown.append(picture)
        set_overlay(picture)

    monkeypatch.setattr(tab.canvas, "set_overlay", spy)
    show_image(session, "b.tif")  # of the same size
    go_on.set()
    time.sleep(0.2)  # the late picture waits in the queue while the window is still at the click
    qtbot.wait(200)
    assert all(picture is None for picture in shown)
    assert tab.canvas.picture is None


def test_empty_states_say_what_to_do(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    assert "drop images" in tab.table.message.lower()
    assert not tab.calibration_line.button.isEnabled()
    show_image(session)
    assert "Analyse" in tab.table.message
    assert tab.result.headline.text() == "Not analysed yet"


def test_fits_a_small_screen(tab: TemTab) -> None:
    hint = tab.minimumSizeHint()
    # 1280 x 800 less title, menu, toolbar, status bar.
    assert hint.width() <= 1280 and hint.height() <= 640


# ---------------------------------------------------------------------- settings


def test_ticking_methods_and_keeping_at_least_one(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    ticks = {name: tab.parameters.method_tick(name) for name in ("watershed", "hough")}
    QTest.mouseClick(ticks["watershed"], LEFT, NONE, QPoint(8, 8))
    assert list(session.settings.methods) == ["watershed"]
    assert ticks["watershed"].isChecked()
    QTest.mouseClick(ticks["hough"], LEFT, NONE, QPoint(8, 8))
    assert list(session.settings.methods) == ["watershed", "hough"]
    QTest.mouseClick(ticks["watershed"], LEFT, NONE, QPoint(8, 8))
    assert list(session.settings.methods) == ["hough"]
    assert session.shown_method == "hough"


def test_defaults_button_is_on_only_when_it_would_change_something(qtbot: QtBot, session: TemSession) -> None:
    panel = ParameterPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    form = panel.segmentation_form
    reset = panel.reset_button(form)
    assert not reset.isEnabled()
    changed = dataclasses.replace(session.settings.segmentation, denoise_px=3.0)
    session.set_settings(dataclasses.replace(session.settings, segmentation=changed))
    assert form.values().denoise_px == 3.0 and reset.isEnabled()
    QTest.mouseClick(reset, LEFT)
    assert session.settings.segmentation == SegmentationParameters()
    assert not reset.isEnabled()


def test_the_panel_says_what_the_segmentation_found(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    measured(qtbot, tab, session)
    assert "dark on bright (found)" in tab.parameters.found.text()
    assert "0.250" in tab.parameters.found.text()


def test_results_of_other_settings_are_named(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    measured(qtbot, tab, session)
    assert not tab.histogram.statistics.caution.isVisible() and not tab.result.reason.isVisible()
    before = session.settings
    changed = dataclasses.replace(before.segmentation, denoise_px=3.0)
    session.set_settings(dataclasses.replace(before, segmentation=changed))
    qtbot.waitUntil(tab.histogram.statistics.caution.isVisible)
    assert "1 image measured with other settings" in tab.histogram.statistics.caution.text()
    assert "Analyse again" in tab.result.reason.text()
    assert session.current is not None
    session.set_state(session.current, ImageState.RUNNING)  # still the old results that are shown
    assert tab.histogram.statistics.caution.isVisible() and "Analyse again" in tab.result.reason.text()
    session.settle(session.current)
    session.set_settings(before)
    qtbot.waitUntil(lambda: not tab.histogram.statistics.caution.isVisible())
    assert not tab.result.reason.isVisible()


# ---------------------------------------------------------------------- calibration, data bar, frames


def test_calibrating_with_a_line_in_the_image(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    first = show_image(session, "a.tif", Calibration.unknown())
    second = show_image(session, "b.tif", Calibration.unknown())
    QTest.mouseClick(tab.calibration_line.button, LEFT)
    dialog = tab.calibrating.dialog
    assert dialog is not None and dialog.isVisible()
    QTest.mouseClick(dialog.draw_button, LEFT)
    assert not dialog.isVisible()
    assert "scale bar" in tab.canvas_bar.name.text()
    start, end = on_canvas(tab.canvas, 60, 100), on_canvas(tab.canvas, 260, 100)
    QTest.mousePress(tab.canvas, LEFT, NONE, start)
    QTest.mouseMove(tab.canvas, (start + end) / 2)
    QTest.mouseMove(tab.canvas, end)
    QTest.mouseRelease(tab.canvas, LEFT, NONE, end)
    assert dialog.isVisible()
    QTest.keyClicks(dialog.bar_length, "100")
    dialog.scope_box.setCurrentIndex(1)
    QTest.mouseClick(dialog.accept_button, LEFT)
    assert tab.calibrating.dialog is None
    assert tab.canvas.tool is Tool.SELECT
    for key in (first, second):
        calibration = session.entry(key).calibration
        assert calibration is not None and calibration.nm_per_px == pytest.approx(0.5, rel=0.02)


def test_escape_gives_the_line_up_and_brings_the_dialog_back(
    qtbot: QtBot, tab: TemTab, session: TemSession
) -> None:
    show_image(session)
    tab.calibrate()
    dialog = tab.calibrating.dialog
    assert dialog is not None
    QTest.mouseClick(dialog.draw_button, LEFT)
    QTest.keyClick(tab.canvas, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    assert tab.canvas.tool is Tool.SELECT
    show_image(session, "b.tif")  # a dialog about another image would be a trap
    assert tab.calibrating.dialog is None
    assert session.current_entry is not None and session.current_entry.calibration is None


def test_moving_the_data_bar(qtbot: QtBot, tab: TemTab, session: TemSession) -> None:
    key = show_image(session)
    QTest.mouseClick(tab.canvas_bar.data_bar, LEFT)
    place = on_canvas(tab.canvas, 100, 200)
    QTest.mouseClick(tab.canvas, LEFT, NONE, place)
    top = session.entry(key).data_bar_top
    assert top is not None and abs(top - 200) <= 2
    QTest.keyClick(tab.canvas, Qt.Key.Key_Escape)
    assert not tab.canvas_bar.data_bar.isChecked()


FRAMES = (
    FrameInfo(0, "with caption", (100, 120)),
    FrameInfo(1, "clean", (96, 120), recommended=True),
    FrameInfo(2, "", (96, 120)),
)


def test_the_recommended_frame_is_chosen_to_begin_with(qtbot: QtBot) -> None:
    dialog = FrameDialog(Path("stack.tif"), FRAMES)
    qtbot.addWidget(dialog)
    dialog.show()
    assert list(dialog.chosen) == [1]
    assert "recommended" in dialog.list.item(1).text()
    assert dialog.list.item(2).text().startswith("Image 3")
    place = dialog.list.visualItemRect(dialog.list.item(2)).center()
    QTest.mouseClick(dialog.list.viewport(), LEFT, Qt.KeyboardModifier.ControlModifier, place)
    assert list(dialog.chosen) == [1, 2]
    assert dialog.accept_button.text() == "Use 2 images"
    QTest.mouseClick(dialog.list.viewport(), LEFT, NONE, place)
    assert list(dialog.chosen) == [2]
    QTest.mouseClick(dialog.list.viewport(), LEFT, Qt.KeyboardModifier.ControlModifier, place)
    assert not dialog.chosen and not dialog.accept_button.isEnabled()


# ---------------------------------------------------------------------- with files and workers


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Dark discs on a bright background, and a second page."""
    y, x = np.mgrid[:200, :240]
    pixels = np.full((200, 240), 200.0)
    for cx, cy in ((60, 60), (150, 90), (100, 150)):
        pixels -= 120.0 / (1 + np.exp((np.hypot(x - cx, y - cy) - 18) / 1.5))
    pixels += np.random.default_rng(0).normal(0, 3, pixels.shape)
    path = tmp_path / "discs.tif"
    tifffile.imwrite(path, np.stack([pixels, pixels[::-1]]).clip(0, 255).astype(np.uint8))
    return path


def test_a_threshold_by_hand_is_previewed_live(
    qtbot: QtBot, tab: TemTab, session: TemSession, jobs: JobRunner, image: Path
) -> None:
    loader = ImageLoader(session, jobs)
    session.add_paths([image])
    qtbot.waitUntil(lambda: session.micrograph is not None, timeout=20_000)
    masks: list[int | None] = []
    set_preview = tab.canvas.set_preview

    def spy(mask: NDArray[np.bool_] | None) -> None:
        masks.append(None if mask is None else int(mask.sum()))
        set_preview(mask)

    tab.canvas.set_preview = spy  # type: ignore[method-assign]
    form = tab.parameters.segmentation_form
    level = form.editor("level")
    assert isinstance(level, FractionEditor)
    form.editor("threshold").setFocus()
    QTest.keyClick(form.editor("threshold"), Qt.Key.Key_End)
    assert session.settings.segmentation.threshold is ThresholdKind.MANUAL
    qtbot.waitUntil(lambda: bool(masks) and masks[-1] is not None, timeout=20_000)
    at_half = masks[-1]
    # Three discs of radius 18 px.
    assert at_half is not None and at_half == pytest.approx(3 * np.pi * 18**2, rel=0.1)
    asked: list[object] = []
    run = jobs.run

    def counted(task: Any, *rest: Any, **more: Any) -> Task:
        asked.append(task)
        return run(task, *rest, **more)

    jobs.run = counted  # type: ignore[method-assign]
    level.slider.setFocus()
    n = len(masks)
    for _ in range(3):
        QTest.keyClick(level.slider, Qt.Key.Key_PageUp)
    qtbot.waitUntil(lambda: len(masks) > n, timeout=20_000)
    at_080 = masks[-1]
    assert at_080 is not None and at_080 < 0.98 * at_half
    assert asked.count(preview_mask) == 1  # three steps of the slider, one question
    # The next image is previewed too.
    key = session.current
    assert key is not None
    session.add_frames(image, [1])
    session.step(1)
    qtbot.waitUntil(lambda: session.current != key and masks[-1] is not None, timeout=20_000)
    # Measured with these settings: the preview makes room for the result.
    key = session.current
    assert key is not None
    entry = session.entry(key)
    analysis = made_analysis(entry.request(), session.settings)
    assert session.accept_analysis(key, analysis)
    assert masks[-1] is None
    del loader


def test_previews_agree_with_the_segmentation_and_remember_the_image(image: Path) -> None:
    request = ImageRequest(image)

    def area(level: float, polarity: Polarity = Polarity.DARK) -> int:
        parameters = SegmentationParameters(polarity, threshold=ThresholdKind.MANUAL, level=level)
        return int(preview_mask(request, parameters).unpack().sum())

    areas = [area(level) for level in (0.2, 0.5, 0.8)]
    assert areas == sorted(areas, reverse=True) and areas[0] > areas[2]
    # Another polarity is another flattened image.
    assert area(0.5, Polarity.BRIGHT) != areas[1]


def test_a_packed_mask_comes_back_whole() -> None:
    mask = np.random.default_rng(0).random((37, 53)) > 0.7
    np.testing.assert_array_equal(PackedMask.pack(mask).unpack(), mask)


def test_choosing_frames_of_a_stack(
    qtbot: QtBot, tab: TemTab, session: TemSession, jobs: JobRunner, image: Path
) -> None:
    loader = ImageLoader(session, jobs)
    session.add_paths([image])
    qtbot.waitUntil(lambda: session.micrograph is not None, timeout=20_000)
    assert tab.canvas_bar.frames.isVisible()
    assert tab.canvas_bar.frames.text() == "Image 1 of 2…"
    QTest.mouseClick(tab.canvas_bar.frames, LEFT)
    qtbot.waitUntil(lambda: tab.findChild(FrameDialog) is not None, timeout=20_000)
    dialog = tab.findChild(FrameDialog)
    assert dialog is not None and dialog.chosen == (0,)
    place = dialog.list.visualItemRect(dialog.list.item(1)).center()
    QTest.mouseClick(dialog.list.viewport(), LEFT, NONE, place)
    QTest.mouseClick(dialog.accept_button, LEFT)
    qtbot.waitUntil(lambda: session.micrograph is not None and session.micrograph.frame == 1, timeout=20_000)
    assert tab.canvas_bar.frames.text() == "Image 2 of 2…"
    del loader
