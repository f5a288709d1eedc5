from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.particle_table import ParticleTable
from nanoai_gui.gui.tem.selecting import combine, of_agglomerates, of_particles


def some_particles(n: int = 6) -> Particles:
    rng = np.random.default_rng(2)
    radius = rng.permutation(np.arange(1, n + 1)).astype(float)
    score = np.linspace(1, 0, n)
    score[2 % n] = np.nan
    return Particles.from_circles(
        1 + np.arange(n) // 2, np.arange(n) + 0.25, 2.0 * np.arange(n), radius, score
    )


@pytest.fixture
def table(qtbot):
    table = ParticleTable()
    qtbot.addWidget(table)
    table.resize(420, 300)
    table.show()
    qtbot.waitExposed(table)
    return table


def column(table: ParticleTable, i: int) -> list[str]:
    model = table.model
    return [str(model.data(model.index(row, i))) for row in range(model.rowCount())]


def header(table: ParticleTable) -> list[object]:
    return [table.model.headerData(i, Qt.Orientation.Horizontal) for i in range(table.model.columnCount())]


def click_row(
    table: ParticleTable, row: int, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    place = table.view.visualRect(table.model.index(row, 2)).center()
    QTest.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def click_header(table: ParticleTable, section: int) -> None:
    header = table.view.horizontalHeader()
    x = header.sectionViewportPosition(section) + header.sectionSize(section) // 2
    place = QPoint(x, header.height() // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)


def test_lengths_are_in_nm_only_where_the_pixel_size_is_known(table):
    particles = Particles.from_circles([1], [3.0], [4.0], [10.0], [0.5])
    table.show_particles(particles, 0.5)
    assert header(table)[2:4] == ["d [nm]", "Area [nm²]"]
    assert column(table, 2) == ["10.00"]
    assert column(table, 3) == ["78.54"]
    table.show_particles(particles, None)
    assert header(table)[2:4] == ["d [px]", "Area [px²]"]
    assert column(table, 2) == ["20.00"]
    assert column(table, 7) == ["auto"]


def test_clicking_a_header_sorts_and_unknown_scores_come_last(table):
    table.show_particles(some_particles(), None)
    click_header(table, 2)
    ascending = [float(text) for text in column(table, 2)]
    assert ascending == sorted(ascending)
    click_header(table, 2)
    assert [float(text) for text in column(table, 2)] == ascending[::-1]
    for _ in range(2):
        click_header(table, 6)
        assert column(table, 6)[-1] == "–"


def test_clicking_rows_announces_ids_whatever_the_order(table):
    particles = some_particles()
    table.show_particles(particles, None)
    click_header(table, 2)
    heard: list[object] = []
    table.particles_chosen.connect(lambda ids: heard.append(set(ids.tolist())))
    smallest = int(particles.ids[np.argmin(particles.area_px)])
    largest = int(particles.ids[np.argmax(particles.area_px)])
    click_row(table, 0)
    click_row(table, 5, Qt.KeyboardModifier.ControlModifier)
    assert heard == [{smallest}, {smallest, largest}]


def test_a_selection_from_elsewhere_is_silent_and_outlives_sorting(table):
    table.show_particles(some_particles(), None)
    heard: list[object] = []
    table.particles_chosen.connect(heard.append)
    table.select({2, 5})
    click_header(table, 2)
    assert heard == []
    assert set(table.model.ids_at(table.selected_rows().tolist()).tolist()) == {2, 5}
    table.select(set())
    assert len(table.selected_rows()) == 0


def test_another_image_with_fewer_particles_leaves_no_ghost_selection(table):
    table.show_particles(some_particles(6), None)
    table.select({6})
    table.show_particles(some_particles(3), None)
    assert len(table.selected_rows()) == 0


def test_tens_of_thousands_of_rows_are_fast(table):
    rng = np.random.default_rng(3)
    n = 50_000
    particles = Particles.from_circles(np.arange(n) // 5, rng.random(n), rng.random(n), 5 + rng.random(n))
    started = time.thread_time()
    table.show_particles(particles, 0.2)
    table.view.grab()
    click_header(table, 2)
    table.select(range(1, n, 3))
    table.view.grab()
    # About 0.2 s of processor time; a row asked for one at a time would take many seconds.
    assert time.thread_time() - started < 2.0
    assert len(table.selected_rows()) == len(range(1, n, 3))
    # Repainting does not look at every row (header included): 4 ms, and half a second if it did.
    table.select(range(1, n + 1))
    started = time.thread_time()
    table.view.grab()
    assert time.thread_time() - started < 0.06


def test_says_why_there_is_nothing(table):
    table.show_message("Analyse this image to see its particles.")
    assert not table.view.isVisible()


def test_selecting_a_particle_brings_its_agglomerate_and_the_reverse():
    particles = some_particles()
    assert of_particles(particles, [3]) == Selection(frozenset({2}), frozenset({3}))
    assert of_particles(particles, [99]) == Selection()
    assert of_agglomerates(particles, [1]) == Selection(frozenset({1}), frozenset({1, 2}))


def test_modifier_keys_add_and_take_away():
    particles = some_particles()
    first, second = of_agglomerates(particles, [1]), of_agglomerates(particles, [2])
    shift, ctrl = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
    both = Selection(frozenset({1, 2}), frozenset({1, 2, 3, 4}))
    assert combine(first, second, Qt.KeyboardModifier.NoModifier) == second
    assert combine(first, second, shift) == both
    assert combine(first, second, ctrl) == both
    assert combine(both, second, ctrl) == first
    assert combine(both, second, shift) == first


def test_selected_rows_can_be_pasted_into_a_spreadsheet(table):
    particles = Particles.from_circles([1, 2], [3.0, 4.0], [4.0, 5.0], [10.0, 20.0], [0.5, np.nan])
    table.show_particles(particles, None)
    click_row(table, 1)
    QTest.keyClick(table.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:3] == ["Aggl.", "Particle", "d [px]"]
    expected = ["2", "2", "40.00", "1256.6", "4.0", "5.0", "", "auto"]
    assert [line.split("\t") for line in lines[1:]] == [expected]
    table.select([])
    QTest.keyClick(table.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert len(QGuiApplication.clipboard().text().splitlines()) == 3
