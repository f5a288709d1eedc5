"""The Spectra tab as a person uses it: real files, real workers, real clicks, drags and keys."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QTreeWidgetItem
from pytestqt.qtbot import QtBot

from nanoai_gui.core.files.spectra import read_spectra
from nanoai_gui.core.files.spectra_labels import Labelling, LabelTable, fill_in
from nanoai_gui.core.files.spectra_table import write_table
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.spectra.model import Predictions
from nanoai_gui.core.spectra.places import grid_of
from nanoai_gui.core.spectra.rejection import Measures
from nanoai_gui.core.spectra.rois import Brush, Lasso, Polygon, Rectangle
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.core.spectra.state import rois_from_bytes, rois_to_bytes, set_from_bytes, set_to_bytes
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.main_window import MainWindow
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.spectra import map_panel, map_work, transfer
from nanoai_gui.gui.spectra.colour_scale import RAMP_WIDTH
from nanoai_gui.gui.spectra.colours import NOT_CLASSIFIED_NAME
from nanoai_gui.gui.spectra.entries import SetContent, SetEntry, SetState
from nanoai_gui.gui.spectra.map_bar import FITTED, LABELS
from nanoai_gui.gui.spectra.map_plot import MapTool
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.spectra_tab import SpectraTab
from nanoai_gui.gui.spectra.spectra_table import WIDEST_COLUMN, SpectraTable
from nanoai_gui.gui.spectra.spectrum_plot import TEXT_MARGIN, Curve, SpectrumPlot
from nanoai_gui.gui.spectra.training_data import gather_parts
from nanoai_gui.gui.tabs import SPECTRA, TEM
from nanoai_gui.gui.widgets.notice import NoticeArea
from tests.gui.made import running

SOON = 30_000
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
ROWS, COLUMNS, STEP = 5, 6, 2.0
AXIS = np.linspace(800.0, 1800.0, 101)
MISSING = 7


def map_of(name: str = "cells") -> SpectralSet:
    """A map of 6 x 5 pixels of 2 um, strong at 1590 cm-1 in its right half; one pixel is missing."""
    rng = np.random.default_rng(3)
    index = np.delete(np.arange(ROWS * COLUMNS), MISSING)
    strength = np.where(index % COLUMNS >= COLUMNS // 2, 100.0, 10.0)
    band = np.exp(-(((AXIS - 1590) / 15) ** 2))
    values = 50 + strength[:, None] * band + rng.normal(0, 0.5, (index.size, AXIS.size))
    columns = {
        "x_um": 10 + STEP * (index % COLUMNS), "y_um": 20 + STEP * (index // COLUMNS),
        "map": np.full(index.size, name), "source": np.full(index.size, f"{name}.csv"),
    }  # fmt: skip
    return SpectralSet(values.astype(np.float32), AXIS, columns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("Spektren ü 1")
    write_table(made / "cells.csv", map_of())
    (made / "broken.wdf").write_bytes(b"WDF1 but cut off")
    series = SpectralSet(map_of().intensities[:3], AXIS)
    write_table(made / "series.csv", series)
    return made


@pytest.fixture
def window(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    with running(qapp, qtbot, SettingsStore(tmp_path / "settings.json")) as application:
        yield application.window


@pytest.fixture
def tab(qtbot: QtBot) -> Iterator[SpectraTab]:
    """The tab alone, with the map read."""
    jobs = JobRunner(WorkerPool(1))
    session = SpectraSession()
    made = SpectraTab(session, jobs)
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    qtbot.waitExposed(made)
    (key,) = session.add_paths([Path("cells.csv")])
    spectra = map_of()
    session.accept_sets(key, (spectra.with_grid(grid_of(spectra.x_um, spectra.y_um)),))
    qtbot.waitUntil(lambda: made.map.values is not None, timeout=SOON)
    yield made
    made.shut_down()
    jobs.close()


def session_of(tab: SpectraTab) -> SpectraSession:
    return tab._session


def at(tab: SpectraTab, column: int, row: int) -> QPoint:
    """Middle of a pixel of the map on the screen."""
    return tab.map.plot.position(10 + STEP * column, 20 + STEP * row).toPoint()


def drag(tab: SpectraTab, points: list[QPoint], modifier: Qt.KeyboardModifier = NONE) -> None:
    port = tab.map.plot.viewport()
    QTest.mousePress(port, LEFT, modifier, points[0])
    for point in points[1:]:
        QTest.mouseMove(port, point)
    QTest.mouseRelease(port, LEFT, modifier, points[-1])


def row_at(column: int, row: int) -> int:
    """Spectrum of a pixel of the map with a hole."""
    pixel = row * COLUMNS + column
    return pixel - (pixel > MISSING)


def first_region(tab: SpectraTab) -> QTreeWidgetItem:
    head = tab.regions.tree.topLevelItem(0)
    assert head is not None
    item = head.child(0)
    assert item is not None
    return item


def pick(tab: SpectraTab, tool: MapTool) -> None:
    QTest.mouseClick(tab.map.bar.tools[tool], LEFT)


# ---------------------------------------------------------------------- files and tabs


def test_spectra_open_in_their_own_tab_and_images_in_theirs(
    window: MainWindow, folder: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    assert window.tabs.current == TEM
    assert window.tabs.stack.count() == 1, "the Spectra tab is made only when it is needed"
    assert window.actions_by_key["analyse_all"].isVisible()
    window.open_paths([folder])
    qtbot.waitUntil(lambda: window.tabs.current == SPECTRA, timeout=SOON)
    part = window.spectra
    assert part is not None
    qtbot.waitUntil(lambda: not part.loader.is_busy and part.session.current is not None, timeout=SOON)
    states = {entry.path.name: entry.state for entry in part.session.entries()}
    assert states == {
        "broken.wdf": SetState.FAILED, "cells.csv": SetState.READY, "series.csv": SetState.READY,
    }  # fmt: skip
    assert any("broken.wdf" in text for text in window.notices.texts)
    assert len(window.session) == 0
    assert not window.actions_by_key["analyse_all"].isVisible()
    qtbot.waitUntil(window.actions_by_key["import_labels"].isEnabled)
    assert window.windowTitle() == "cells.csv - NanoAI"

    QTest.keyClick(part.tab.map.plot, Qt.Key.Key_D)
    assert part.session.current_entry is not None
    assert part.session.current_entry.name == "series.csv"
    assert not part.tab.map.isVisible(), "a series has no map"

    bar = window.tabs.bar
    QTest.mouseClick(bar, LEFT, pos=bar.tabRect(0).center())
    assert window.tabs.current == TEM
    assert window.tab.isVisible()
    assert window.actions_by_key["analyse_all"].isVisible()
    assert not window.actions_by_key["import_labels"].isVisible()


def test_labels_are_imported_and_taken_back_with_a_key(
    window: MainWindow, folder: Path, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("source,index,label,dish\ncells.csv,0,early,D1\ncells.csv,1,late,D1\n")
    window.open_paths([folder / "cells.csv"])
    qtbot.waitUntil(lambda: window.spectra is not None and window.spectra.session.current is not None,
                    timeout=SOON)  # fmt: skip
    part = window.spectra
    assert part is not None
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(table), ""))
    qtbot.waitUntil(window.actions_by_key["import_labels"].isEnabled, timeout=SOON)
    QTest.keyClick(part.tab.map.plot, Qt.Key.Key_I, Qt.KeyboardModifier.ControlModifier)

    def labels() -> list[str]:
        assert part is not None
        assert part.session.spectra is not None
        return [str(text) for text in part.session.spectra.text("label")[:3]]

    qtbot.waitUntil(lambda: labels() == ["early", "late", ""], timeout=SOON)
    assert gather_parts(part.session, "label").rows.size == 2
    qtbot.waitUntil(window.actions_by_key["undo"].isEnabled, timeout=SOON)
    QTest.keyClick(part.tab.map.plot, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert labels() == ["", "", ""]

    out = tmp_path / "out.csv"
    part.transfer.export([part.session.keys()[0]], out)
    qtbot.waitUntil(out.is_file, timeout=SOON)
    qtbot.waitUntil(lambda: any("written to out.csv" in text for text in window.notices.texts), timeout=SOON)
    assert read_spectra(out)[0].n_spectra == ROWS * COLUMNS - 1


def test_a_file_over_nm_asks_for_the_laser_and_is_read_with_it(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    nm = 1e7 / (1e7 / 532.0 - np.linspace(200, 2000, 50))
    text = "\n".join(f"{x:.4f}\t{100 + i}" for i, x in enumerate(nm))
    file = tmp_path / "nm.txt"
    file.write_text(f"#AxisUnit[0]=nm\n{text}\n")
    window.open_paths([file])
    qtbot.waitUntil(lambda: window.spectra is not None and len(window.spectra.session) == 1, timeout=SOON)
    part = window.spectra
    assert part is not None
    entry = part.session.entries()[0]
    qtbot.waitUntil(lambda: entry.state is not SetState.READING, timeout=SOON)
    assert entry.state is SetState.NEEDS_LASER
    view = part.tab.list.view
    QTest.mouseClick(view.viewport(), LEFT, pos=view.visualItemRect(view.item(0)).center())
    dialog = window.findChild(QInputDialog)
    assert dialog is not None
    dialog.setTextValue("532")
    dialog.accept()
    qtbot.waitUntil(lambda: part.session.current is not None, timeout=SOON)
    assert part.session.spectra is not None
    assert part.session.spectra.axis[0] == pytest.approx(200, abs=0.5)


# ---------------------------------------------------------------------- the map


def test_what_is_opened_is_chosen_alone(tab: SpectraTab, qtbot: QtBot) -> None:
    session, view = session_of(tab), tab.list.view
    first = session.keys()[0]
    QTest.mouseClick(view.viewport(), LEFT, pos=view.visualItemRect(view.item(0)).center())
    assert tab.list.chosen_keys() == [first]
    (second,) = session.add_paths([Path("more.csv")])
    session.accept_sets(second, (map_of("more"),))
    session.set_current(second)
    qtbot.waitUntil(lambda: session.current == second, timeout=SOON)
    assert tab.list.chosen_keys() == [second]
    # Several that are chosen stay so when the list grows.
    at = view.visualItemRect(view.item(0)).center()
    QTest.mouseClick(view.viewport(), LEFT, Qt.KeyboardModifier.ControlModifier, at)
    assert tab.list.chosen_keys() == [first, second]
    session.add_paths([Path("third.csv")])
    assert tab.list.chosen_keys() == [first, second]


def test_names_in_the_table_of_spectra_are_whole(tab: SpectraTab) -> None:
    table = tab.findChildren(SpectraTable)[0]
    name = "a cell of a long name"
    cell, roi = (table.model.names.index(column) for column in ("cell", "roi"))

    def fill(text: str) -> None:
        table.value.selectAll()
        QTest.keyClicks(table.value, text)
        QTest.mouseClick(table.fill_button, LEFT)
        assert table.model.data(table.model.index(0, cell)) == text

    table.column.setCurrentText("cell")
    fill(name)
    assert table.view.columnWidth(cell) > table.view.fontMetrics().horizontalAdvance(name)
    assert table.view.columnWidth(roi) < 70
    # What a person made wider or narrower stays so.
    header = table.view.horizontalHeader()
    middle = header.height() // 2

    def widen(by: int) -> int:
        end = header.sectionViewportPosition(cell) + header.sectionSize(cell) - 1
        QTest.mousePress(header.viewport(), LEFT, NONE, QPoint(end, middle))
        QTest.mouseMove(header.viewport(), QPoint(end + by, middle))
        QTest.mouseRelease(header.viewport(), LEFT, NONE, QPoint(end + by, middle))
        return table.view.columnWidth(cell)

    own = widen(90)
    assert own > WIDEST_COLUMN
    fill("b")
    assert table.view.columnWidth(cell) == own
    own = widen(-own + 40)
    assert own < 60
    fill(name)
    assert table.view.columnWidth(cell) == own


def test_pixels_lie_where_the_stage_was_and_a_missing_one_is_transparent(tab: SpectraTab) -> None:
    plot = tab.map.plot
    assert plot.spectrum_at(10 + STEP * 5, 20 + STEP * 4) == row_at(5, 4)
    assert plot.spectrum_at(10 + STEP * (MISSING % COLUMNS), 20 + STEP * (MISSING // COLUMNS)) == -1
    assert plot.spectrum_at(8.9, 20) == -1, "left of the map"
    picture = plot._pixels.image
    assert picture.shape == (ROWS, COLUMNS, 4)
    assert picture[1, 1, 3] == 0
    assert (np.delete(picture[..., 3].ravel(), MISSING) == 255).all()
    # Row 0 is the upper one, as the coordinate rises with the rows.
    assert at(tab, 0, 0).y() < at(tab, 0, 4).y()
    # One um is as long across as along.
    a, b, c = plot.position(10, 20), plot.position(14, 20), plot.position(10, 24)
    assert abs((b.x() - a.x()) - (c.y() - a.y())) <= 2


def test_the_band_first_shown_is_the_one_that_varies_and_dragging_it_changes_the_map(
    tab: SpectraTab, qtbot: QtBot
) -> None:
    session = session_of(tab)
    assert session.band is not None
    assert session.band[0] < 1590 < session.band[1]
    values = tab.map.values
    assert values is not None
    assert values[row_at(5, 0)] > 5 * values[row_at(0, 0)]
    tab.map.bar.low.setValue(1000)
    tab.map.bar.high.setValue(1100)

    def spread() -> float:
        now = tab.map.values
        return np.inf if now is None else float(np.ptp(now))

    qtbot.waitUntil(lambda: spread() < float(np.ptp(values)) / 5, timeout=SOON)


def test_a_click_looks_at_a_spectrum_and_shift_drag_selects(tab: SpectraTab, qtbot: QtBot) -> None:
    session, port = session_of(tab), tab.map.plot.viewport()
    QTest.mouseClick(port, LEFT, NONE, at(tab, 4, 3))
    assert session.spectrum == row_at(4, 3)
    assert tab.table.view.selectionModel().isRowSelected(row_at(4, 3))
    drag(tab, [at(tab, 3, 0) - QPoint(8, 8), at(tab, 4, 0), at(tab, 5, 1)],
         Qt.KeyboardModifier.ShiftModifier)  # fmt: skip
    expected = sorted(row_at(c, r) for c in (3, 4) for r in (0,))
    assert set(expected) <= set(session.selected.tolist())
    QTest.keyClick(tab.map.plot, Qt.Key.Key_Escape)
    assert session.selected.size == 0


def test_the_pointer_reads_place_value_and_label(tab: SpectraTab, qtbot: QtBot) -> None:
    QTest.mouseMove(tab.map.plot.viewport(), at(tab, 2, 2))
    QTest.mouseMove(tab.map.plot.viewport(), at(tab, 5, 4))
    qtbot.waitUntil(lambda: f"spectrum {row_at(5, 4) + 1}" in tab.readout.text())
    assert "x 20.0, y 28.0 µm" in tab.readout.text()


# ---------------------------------------------------------------------- regions


def test_a_rectangle_becomes_a_labelled_region_and_can_be_undone(tab: SpectraTab) -> None:
    session = session_of(tab)
    pick(tab, MapTool.RECTANGLE)
    tab.map.bar.label.setFocus()
    QTest.keyClicks(tab.map.bar.label, "early")
    plot = tab.map.plot
    corner = plot.position(9.2, 19.2).toPoint()
    other = plot.position(14.8, 20.8).toPoint()
    drag(tab, [corner, plot.position(12, 20).toPoint(), other])
    (region,) = session.rois
    assert region.rows.tolist() == [row_at(c, 0) for c in range(3)]
    assert (region.name, region.label) == ("ROI 1", "early")
    assert isinstance(region.shape, Rectangle)
    (table,) = gather_parts(session, "label").parts
    assert table.n_spectra == 3
    assert set(table.text("roi")) == {"ROI 1"}
    head = first_region(tab).parent()
    assert head is not None
    assert head.text(0) == "early"
    session.undo_stack.undo()
    assert len(session.rois) == 0
    assert tab.regions.tree.topLevelItemCount() == 0
    session.undo_stack.redo()
    assert len(session.rois) == 1


def test_a_session_is_put_back_with_its_keys(tab: SpectraTab, qtbot: QtBot) -> None:
    session = session_of(tab)
    session.add_region([0, 1], "early")
    entry = session.current_entry
    assert entry is not None and entry.content is not None
    content = entry.content
    bytes_of = set_to_bytes(content.spectra), rois_to_bytes(content.rois)
    spectra = set_from_bytes(bytes_of[0])
    again = SetContent(spectra, rois_from_bytes(bytes_of[1], spectra.n_spectra))
    session.restore_entries([SetEntry(7, entry.path, SetState.READY, "cells", content=again)], {}, None)
    assert session.keys() == [7] and session.current == 7 and not session.undo_stack.canUndo()
    assert first_region(tab).text(0) == "ROI 1"
    qtbot.waitUntil(lambda: tab.map.values is not None, timeout=SOON)
    assert session.add_paths([Path("other.csv")]) == [8]
    session.restore_entries([], {}, None)
    assert not session.keys()


def test_fitted_bands_colour_the_map_where_the_spectra_reach(tab: SpectraTab, qtbot: QtBot) -> None:
    bar, boxes = tab.map.bar, tab.map.bar.fit
    assert not boxes.isVisible()
    bar.show_what(FITTED)
    assert boxes.isVisible() and not bar.low.isVisible()
    place = {boxes.band.itemText(i): i for i in range(boxes.band.count())}
    can = {title for title, i in place.items() if boxes.band.model().item(i).isEnabled()}  # type: ignore[attr-defined]
    assert {"D/G⁺", "G⁺", "Graphene G"} <= can and not {"RBM", "G′", "Graphene 2D"} & can
    why = boxes.band.itemData(place["RBM"], Qt.ItemDataRole.ToolTipRole)
    assert "the spectra reach from 800 to 1800 cm⁻¹" in why
    assert not boxes.quantity.isVisible(), "a ratio has no width"
    boxes.band.setFocus()
    boxes.band.setCurrentIndex(place["Graphene G"])
    boxes.quantity.setCurrentText("position")
    boxes.changed.emit()
    qtbot.waitUntil(
        lambda: tab.map.scale.scale is not None and tab.map.scale.scale.title == "Graphene G position",
        timeout=SOON,
    )
    assert tab.map.values is not None and np.nanmedian(tab.map.values) == pytest.approx(1590, abs=0.5)
    boxes.band.setCurrentIndex(place["Graphene D"])
    boxes.changed.emit()
    qtbot.waitUntil(lambda: "found in no spectrum" in tab.map.scale.note, timeout=SOON)
    assert tab.map.scale.note.startswith("Graphene D position") and tab.map.scale.scale is None
    session = session_of(tab)
    (key,) = session.add_paths([Path("short.csv")])
    spectra = map_of().crop(1000, 1200)
    session.accept_sets(key, (spectra.with_grid(grid_of(spectra.x_um, spectra.y_um)),))
    session.set_current(key)
    assert bar.what == "Band area" and not boxes.isVisible()
    item = bar.shown.model().item(bar.shown.findText(FITTED))  # type: ignore[attr-defined]
    assert not item.isEnabled() and "reach none of the bands" in item.toolTip()


def test_polygon_and_lasso(tab: SpectraTab) -> None:
    session, plot = session_of(tab), tab.map.plot
    pick(tab, MapTool.POLYGON)
    port = plot.viewport()
    corners = [(9, 27), (14.9, 27), (14.9, 29), (9, 29)]
    for corner in corners:
        QTest.mouseClick(port, LEFT, NONE, plot.position(*corner).toPoint())
    assert plot.is_drawing
    QTest.keyClick(plot, Qt.Key.Key_Return)
    assert session.rois.rois[0].rows.tolist() == [row_at(c, 4) for c in range(3)]
    pick(tab, MapTool.LASSO)
    drag(tab, [plot.position(*corner).toPoint() for corner in [(17, 19), (21, 19), (21, 23), (17, 23)]])
    assert session.rois.rois[1].rows.tolist() == sorted(row_at(c, r) for c in (4, 5) for r in (0, 1))
    assert session.rois.rois[0].colour != session.rois.rois[1].colour
    assert [type(roi.shape) for roi in session.rois] == [Polygon, Lasso]
    around = [(9, 19), (15, 19), (15, 21), (9, 21), (9, 19)]
    drag(tab, [plot.position(*corner).toPoint() for corner in around])
    assert session.rois.rois[2].rows.size == 3, "a lasso may end where it began"
    QTest.keyClick(plot, Qt.Key.Key_Escape)
    assert plot.tool is MapTool.SELECT


def test_the_brush_takes_only_what_is_above_the_threshold(tab: SpectraTab) -> None:
    session = session_of(tab)
    pick(tab, MapTool.BRUSH)
    assert tab.map.bar.threshold.isVisible()
    drag(tab, [at(tab, c, 2) for c in range(COLUMNS)])
    (region,) = session.rois
    columns = {int(pixel) % COLUMNS for pixel in session.spectra.grid.index[region.rows]}  # type: ignore[union-attr]
    assert columns == {3, 4, 5}, "the weak half was painted over, but not taken"
    assert isinstance(region.shape, Brush) and region.shape.quantity.startswith("Band area")
    QTest.mouseClick(tab.map.bar.take, LEFT)
    assert session.rois.rois[1].rows.size == ROWS * 3


def test_more_strokes_add_to_the_chosen_region_or_take_from_it(tab: SpectraTab) -> None:
    session = session_of(tab)
    pick(tab, MapTool.BRUSH)
    tab.map.plot.brush_radius = 0.4
    drag(tab, [at(tab, c, 2) for c in range(COLUMNS)])
    assert session.rois.rois[0].rows.tolist() == [row_at(c, 2) for c in (3, 4, 5)]
    drag(tab, [at(tab, c, 3) for c in (4, 5)], Qt.KeyboardModifier.ShiftModifier)
    (region,) = session.rois
    assert region.rows.tolist() == sorted(row_at(*p) for p in [(3, 2), (4, 2), (5, 2), (4, 3), (5, 3)])
    drag(tab, [at(tab, c, 2) for c in (4, 5)], Qt.KeyboardModifier.AltModifier)
    assert session.rois.rois[0].rows.tolist() == sorted(row_at(*p) for p in [(3, 2), (4, 3), (5, 3)])
    session.undo_stack.undo()
    assert session.rois.rois[0].rows.size == 5
    session.choose_region(None)
    said: list[str] = []
    tab.problem.connect(said.append)
    drag(tab, [at(tab, c, 3) for c in (4, 5)], Qt.KeyboardModifier.ShiftModifier)
    assert len(session.rois) == 1 and "Choose a region" in said[0]


def test_regions_are_put_in_groups_and_names_stay_unique(tab: SpectraTab, qtbot: QtBot) -> None:
    session, tree = session_of(tab), tab.regions.tree
    session.add_region([0, 1, 2], "early")
    session.add_region([2, 3], "late")
    tree.selectAll()
    tab.regions._ask_for_group()
    dialog = tab.regions.findChild(QInputDialog)
    assert dialog is not None
    dialog.setTextValue("cell 3")
    dialog.accept()
    assert [roi.group for roi in session.rois] == ["cell 3", "cell 3"]
    head = tree.topLevelItem(0)
    assert head is not None and tree.topLevelItemCount() == 1
    assert (head.text(0), head.text(1)) == ("cell 3", "4"), "a spectrum of two regions counts once"
    assert [roi.label for roi in session.rois] == ["early", "late"], "labels stay"
    said: list[str] = []
    tab.problem.connect(said.append)
    tab.regions._change([session.rois.rois[0].number], "name", "ROI 2")
    assert "two regions called ROI 2" in said[0]
    assert [roi.name for roi in session.rois] == ["ROI 1", "ROI 2"]
    head = tree.topLevelItem(0)
    assert head is not None
    head.setText(0, "cell 4")
    qtbot.waitUntil(lambda: session.rois.groups == ("cell 4",))


def test_regions_are_renamed_labelled_and_deleted_in_their_list(tab: SpectraTab, qtbot: QtBot) -> None:
    session, tree = session_of(tab), tab.regions.tree
    session.add_region([0, 1, 2])
    session.add_region([10, 11])
    tree.editItem(first_region(tab), 0)
    editor = QApplication.focusWidget()
    assert editor is not None
    QTest.keyClicks(editor, "nucleus")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: session.rois.rois[0].name == "nucleus")
    tree.clearSelection()
    first_region(tab).setSelected(True)
    assert session.selected.tolist() == [0, 1, 2]
    tab.regions.label.setFocus()
    field = tab.regions.label.lineEdit()
    assert field is not None
    field.setText("late")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert session.rois.rois[0].label == "late"
    assert session.label_names() == ["late"]
    tree.setFocus()
    QTest.keyClick(tree, Qt.Key.Key_Delete)
    assert [region.name for region in session.rois] == ["ROI 2"]


# ---------------------------------------------------------------------- spectra, preprocessing, table


def test_steps_are_added_moved_set_and_removed_with_live_before_and_after(
    tab: SpectraTab, qtbot: QtBot
) -> None:
    session, panel, spectrum = session_of(tab), tab.preprocessing, tab.spectrum
    qtbot.waitUntil(lambda: spectrum.shown is not None, timeout=SOON)
    assert not spectrum.after.isVisible()
    panel.menu.actions()[0].trigger()
    panel.menu.actions()[5].trigger()
    assert [name for name, _ in session.pipeline.steps] == ["crop", "normalise"]
    assert session.step_shown == 1
    QTest.mouseClick(panel.up, LEFT)
    assert [name for name, _ in session.pipeline.steps] == ["normalise", "crop"]
    low = panel.forms["crop"].editor("low")
    panel.steps.setCurrentRow(1)
    low.setValue(1000)  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: spectrum.shown is not None and spectrum.shown.axis[0] >= 1000, timeout=SOON)
    assert spectrum.after.isVisible()
    assert float(spectrum.after.curves[0].axis[0]) >= 1000
    assert float(spectrum.before.curves[0].axis[0]) == 800
    QTest.mouseClick(panel.remove, LEFT)
    assert [name for name, _ in session.pipeline.steps] == ["normalise"]
    QTest.mouseClick(panel.whole, LEFT)
    assert session.step_shown is None


def test_a_step_that_does_not_fit_says_why_and_nothing_breaks(tab: SpectraTab, qtbot: QtBot) -> None:
    panel = tab.preprocessing
    panel.add_step("crop")
    panel.forms["crop"].editor("low").setValue(3000)  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: "No spectrum lies between" in panel.problem_label.text(), timeout=SOON)
    assert panel.problem_label.isVisible()
    QTest.mouseClick(panel.remove, LEFT)
    qtbot.waitUntil(lambda: not panel.problem_label.isVisible(), timeout=SOON)


def test_steps_are_saved_and_loaded(tab: SpectraTab, tmp_path: Path) -> None:
    session, panel = session_of(tab), tab.preprocessing
    panel.presets.setCurrentIndex(1)
    panel.presets.activated.emit(1)
    pipeline = session.pipeline
    assert len(pipeline) > 2
    panel.save_steps(tmp_path / "steps.json")
    panel.presets.activated.emit(panel.presets.findData("none"))
    panel.load_steps(tmp_path / "steps.json")
    assert session.pipeline == pipeline
    heard: list[str] = []
    panel.problem.connect(heard.append)
    (tmp_path / "other.json").write_text("{}")
    panel.load_steps(tmp_path / "other.json")
    assert heard == [
        "This is not a list of preprocessing steps. Choose a list of steps that NanoAI has saved."
    ]
    assert session.pipeline == pipeline


def test_averages_of_regions_are_drawn_in_their_colour(tab: SpectraTab, qtbot: QtBot) -> None:
    session = session_of(tab)
    region = session.add_region([row_at(5, 0), row_at(5, 1)])
    assert region is not None

    def drawn() -> list[str]:
        return [curve.name for curve in tab.spectrum.before.curves]

    qtbot.waitUntil(lambda: region.name in drawn(), timeout=SOON)
    curve = next(c for c in tab.spectrum.before.curves if c.name == region.name)
    assert session.spectra is not None
    assert np.allclose(curve.values, session.spectra.intensities[region.rows].mean(axis=0))
    assert curve.colour == region.colour
    tab.spectrum.with_averages.click()
    assert region.name not in drawn()


def test_the_clear_peak_is_labelled(tab: SpectraTab, qtbot: QtBot) -> None:
    session_of(tab).look_at(row_at(5, 0))
    qtbot.waitUntil(lambda: tab.spectrum.before.peaks[0].size == 1, timeout=SOON)
    assert tab.spectrum.before.peaks[0][0] == pytest.approx(1590, abs=6)


def test_a_column_is_filled_for_the_selected_spectra(tab: SpectraTab, qtbot: QtBot) -> None:
    session = session_of(tab)
    tab.show_panel("Table")
    session.select([1, 2, 5])
    tab.table.column.setCurrentText("dish")
    tab.table.value.setFocus()
    QTest.keyClicks(tab.table.value, "D1")
    QTest.keyClick(tab.table.value, Qt.Key.Key_Return)
    assert session.spectra is not None
    assert np.flatnonzero(session.spectra.text("dish") == "D1").tolist() == [1, 2, 5]
    view, model = tab.table.view, tab.table.model
    index = model.index(0, model.names.index("label"))
    view.edit(index)
    editor = QApplication.focusWidget()
    assert editor is not None
    QTest.keyClicks(editor, "early")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: str(session.spectra.text("label")[0]) == "early")  # type: ignore[union-attr]
    session.add_region([0], label="late")
    assert model.data(index) == "late"
    assert not model.flags(index) & Qt.ItemFlag.ItemIsEditable


def test_predictions_colour_the_map_and_rejected_pixels_have_their_own(tab: SpectraTab) -> None:
    session = session_of(tab)
    n = ROWS * COLUMNS - 1
    probabilities = np.full((n, 2), 0.5)
    probabilities[0] = 1.0, 0.0
    probabilities[1] = 0.2, 0.8
    reason = np.zeros(n, np.uint8)
    reason[2] = 3
    measures = Measures(np.zeros(n), np.zeros(n), np.ones(n), probabilities.max(axis=1))
    key = session.current
    assert key is not None
    session.set_predictions(key, Predictions(("early", "late"), probabilities, measures, reason))
    assert tab.map.bar.what == "Class"
    picture = tab.map.plot._pixels.image
    assert picture[0, 0, 3] == 255
    assert 64 <= picture[0, 1, 3] < 255
    assert tuple(picture[0, 2]) == (0, 0, 0, 255)
    assert tuple(picture[0, 0, :3]) != tuple(picture[0, 1, :3])
    scale = tab.map.scale.scale
    assert scale is not None
    assert [name for name, _ in scale.names] == ["early", "late", NOT_CLASSIFIED_NAME]
    session.set_predictions(key, None)
    assert tab.map.bar.what != "Class"


def test_name_and_range_of_a_map_can_be_read_in_a_small_window(tab: SpectraTab) -> None:
    bar = tab.map.bar
    assert bar.name.shown_text == "cells.csv"
    assert bar.range.shown_text == "800 to 1800 cm⁻¹"
    pick(tab, MapTool.BRUSH)
    assert not bar.range.isVisible() and bar.take.isVisible()
    pick(tab, MapTool.SELECT)
    assert bar.range.shown_text == "800 to 1800 cm⁻¹"


def test_numbers_that_come_too_late_leave_what_is_shown_since(
    tab: SpectraTab, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, make_work = threading.Event(), map_work.make_work

    def slow(*what: Any) -> Callable[[], object]:
        work = make_work(*what)
        return lambda: go_on.wait(SOON / 1000) and work()

    monkeypatch.setattr(map_panel, "make_work", slow)
    jobs, bar = tab.map._jobs, tab.map.bar
    tab.map._measure()
    bar.show_what(LABELS)
    shown = tab.map.scale.scale
    assert shown is not None and shown.title == "Label" and tab.map.values is None
    go_on.set()
    qtbot.waitUntil(lambda: not jobs._in_threads, timeout=SOON)
    QApplication.processEvents()
    assert tab.map.values is None and tab.map.scale.scale is shown


def test_labels_are_filled_into_what_a_person_edits_meanwhile(
    tab: SpectraTab, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("source,index,label\ncells.csv,0,early\n")
    session, notices = session_of(tab), NoticeArea(tab)
    key = session.current
    assert key is not None
    edited = threading.Event()

    def slow(spectra: SpectralSet, labels: LabelTable) -> Labelling:
        assert edited.wait(SOON / 1000)
        return fill_in(spectra, labels)

    monkeypatch.setattr(transfer, "fill_in", slow)
    transfer.Transfer(session, tab.map._jobs, notices, tab).import_labels(table)
    session.set_column(key, [1], "label", "late")
    edited.set()
    qtbot.waitUntil(lambda: bool(notices.texts), timeout=SOON)
    assert notices.texts == ["1 spectrum found in labels.csv and filled in."]
    assert session.spectra is not None
    assert session.spectra.text("label")[:3].tolist() == ["early", "late", ""]
    session.undo_stack.undo()
    assert session.spectra.text("label")[:3].tolist() == ["", "late", ""]


def test_the_label_of_the_highest_peak_is_whole_in_a_low_plot(qtbot: QtBot) -> None:
    plot = SpectrumPlot("low", "Preprocessed")
    qtbot.addWidget(plot)
    plot.resize(500, 110)
    plot.show()
    qtbot.waitExposed(plot)
    values = 230 * np.exp(-(((AXIS - 1590) / 15) ** 2))
    plot.set_curves([Curve(AXIS, values)])
    plot.set_peaks(np.array([1590.0]), np.array([230.0]))
    plot.view_box.updateAutoRange()
    (label,) = [item for item in plot.items() if isinstance(item, pg.TextItem)]

    def room() -> float:
        """Screen px between the top of the text and that of the plot."""
        bottom, top = plot.view_box.viewRange()[1]
        above = (top - label.pos().y()) / (top - bottom) * plot.view_box.height()
        return float(above - (1.1 * label.boundingRect().height() - TEXT_MARGIN))

    assert room() >= -0.5
    plot.view_box.setYRange(0, 235, padding=0)
    assert room() >= -0.5 and label.pos().y() < 230
    plot.view_box.setYRange(0, 100, padding=0)
    assert label.pos().y() == 230, "the label of a peak out of sight is out of sight too"


def test_a_smoothing_window_says_what_it_spans(tab: SpectraTab) -> None:
    panel = tab.preprocessing
    panel.add_step("smooth")
    step = float(AXIS[1] - AXIS[0])
    assert f"spans {9 * step:.3g} cm⁻¹" in panel.summary.text()
    panel.add_step("normalise")
    assert "spans" not in panel.summary.text()


def test_the_ramp_of_a_narrow_map_leaves_room_for_its_ends(tab: SpectraTab) -> None:
    scale = tab.map.scale
    assert scale.scale is not None
    scale.set_scale(replace(scale.scale, high=25411.0, unit="cm⁻¹"))
    needed = scale.fontMetrics().horizontalAdvance("25411 cm⁻¹")
    scale.setMinimumWidth(0)
    scale.resize(900, scale.height())
    assert scale.ramp().width() == RAMP_WIDTH
    narrow = round(scale.ramp().left()) + needed + 60
    scale.resize(narrow, scale.height())
    assert 30 < scale.ramp().width() < RAMP_WIDTH
    assert scale.ramp().right() + needed < narrow
