"""Why the networks judged as they did: only where they say so, and always of the one agglomerate selected."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton, QWidget
from pytestqt.qtbot import QtBot

from nanoai_gui.core.tem.analysis import AnalysisSettings
from nanoai_gui.core.tem.features import FeatureTable, get_feature_set
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import METHOD_MODULES, Description, SizingResult
from nanoai_gui.core.tem.sizing import ann as ann_module
from nanoai_gui.gui.tem.agglomerate_panel import AgglomeratePanel
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.particle_table import UNCERTAINTY, ParticleTable
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.theme import DARK, LIGHT, palette_of
from nanoai_gui.gui.widgets.bars import FeatureRanges, FeatureRow, ProbabilityBars
from nanoai_gui.gui.widgets.layout import column
from tests.gui.made import made_agglomerates, made_analysis, made_result, show_image

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHOD_MODULES, "ann", ann_module.__name__)


def judged(n: int = 6) -> SizingResult:
    """Agglomerate i is most probably of ((i - 1) mod 5) + 1 particles; 4 was left out; the last is cut."""
    agglomerates = made_agglomerates(n)
    plain = made_result("ann", agglomerates, 10.0, 0)
    probabilities = np.full((n, 5), np.nan)
    for row in range(n - 1):
        probabilities[row] = 0.1
        probabilities[row, row % 5] = 0.6
    excluded = list(agglomerates.excluded)
    excluded[3] = "more than 5 particles"
    features = get_feature_set("region-13")
    values = np.tile(np.arange(n - 1, dtype=float)[:, None], (1, 13))
    table = FeatureTable(agglomerates.ids[: n - 1], values, np.ones(n - 1), features)
    return dataclasses.replace(
        plain, probabilities=probabilities, excluded=tuple(excluded),
        description=Description(table, np.full(13, 0.5), np.full(13, 2.5)),
    )  # fmt: skip


@pytest.fixture
def session() -> TemSession:
    session = TemSession()
    key = show_image(session)
    session.set_settings(AnalysisSettings(methods=("ann", "watershed")))
    entry = session.entry(key)
    analysis = made_analysis(entry.request(), session.settings, n=6)
    results = {**analysis.results, "ann": judged()}
    assert session.accept_analysis(key, dataclasses.replace(analysis, results=results))
    session.set_shown_method("ann")
    return session


@pytest.fixture
def panel(qtbot: QtBot, session: TemSession) -> Iterator[AgglomeratePanel]:
    host = QWidget()
    panel = AgglomeratePanel(session)
    column(host).addWidget(panel)
    qtbot.addWidget(host)
    host.resize(360, 400)
    host.show()
    qtbot.waitExposed(host)
    yield panel


def choose(session: TemSession, *agglomerates: int) -> None:
    session.select(Selection(frozenset(agglomerates)))


def test_nothing_is_shown_unless_one_agglomerate_is_selected(
    panel: AgglomeratePanel, session: TemSession
) -> None:
    assert not panel.isVisible()
    choose(session, 2)
    assert panel.isVisible() and panel.number_section.isVisible() and panel.feature_section.isVisible()
    choose(session, 2, 3)
    assert not panel.isVisible()


def test_the_bars_follow_the_selection(panel: AgglomeratePanel, session: TemSession) -> None:
    choose(session, 2)
    assert panel.bars.values == pytest.approx((0.1, 0.6, 0.1, 0.1, 0.1))
    assert "2: 60 %" in panel.bars.toolTip()
    before = panel.bars.grab().toImage()
    choose(session, 3)
    assert panel.bars.values[2] == pytest.approx(0.6)
    assert panel.bars.grab().toImage() != before


def test_a_method_without_probabilities_shows_no_empty_sections(
    panel: AgglomeratePanel, session: TemSession
) -> None:
    session.set_shown_method("watershed")
    choose(session, 2)
    assert not panel.isVisible()
    session.set_shown_method("ann")
    choose(session, 2)
    assert panel.isVisible()


def test_one_at_the_border_was_never_judged(panel: AgglomeratePanel, session: TemSession) -> None:
    choose(session, 6)
    assert not panel.isVisible()


def test_one_left_out_is_shown_as_such(panel: AgglomeratePanel, session: TemSession) -> None:
    choose(session, 4)
    header = panel.number_section.findChild(QToolButton, "sectionHeader")
    assert isinstance(header, QToolButton) and header.text() == "Probability, were it not left out"
    choose(session, 1)
    assert header.text() == "Probability of each number of particles"


def test_features_unfold_by_a_click_and_say_what_is_untypical(
    panel: AgglomeratePanel, session: TemSession
) -> None:
    choose(session, 1)  # every feature is 0, below the range
    header = panel.feature_section.findChild(QToolButton, "sectionHeader")
    assert isinstance(header, QToolButton)
    assert header.text() == "Features (13 of 13 untypical)"
    assert not panel.features.isVisible()
    QTest.mouseClick(header, LEFT)
    assert panel.features.isVisible()
    choose(session, 3)
    assert header.text() == "Features (0 of 13 untypical)"
    first = panel.features.rows[0]
    assert first.name == "major axis" and first.value == 2
    assert "between 0.500 and 2.50" in first.tip and "second moment" in first.tip


def test_hovering_a_feature_explains_it(qtbot: QtBot) -> None:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QHelpEvent
    from PySide6.QtWidgets import QApplication, QToolTip

    ranges = FeatureRanges()
    qtbot.addWidget(ranges)
    ranges.set_rows([FeatureRow("one", 1, 0, 2, "about one"), FeatureRow("two", 5, 0, 2, "about two")])
    ranges.show()
    place = QPoint(10, round(1.5 * ranges.line_height()))
    QApplication.sendEvent(ranges, QHelpEvent(QEvent.Type.ToolTip, place, ranges.mapToGlobal(place)))
    qtbot.waitUntil(lambda: QToolTip.text() == "about two")
    QToolTip.hideText()
    qtbot.waitUntil(lambda: not QToolTip.isVisible())


def test_both_drawings_follow_the_theme(qtbot: QtBot) -> None:
    bars, ranges = ProbabilityBars(), FeatureRanges()
    bars.set_values([0.1, 0.7, 0.2])
    ranges.set_rows([FeatureRow(f"f{i}", v, 0, 1, "") for i, v in enumerate((0.5, -9.0, 9.0))])
    for widget in (bars, ranges):
        qtbot.addWidget(widget)
        pictures = []
        for theme in (LIGHT, DARK):
            widget.setPalette(palette_of(theme))
            pictures.append(widget.grab().toImage())
        assert pictures[0] != pictures[1]


def test_the_table_shows_errors_only_where_a_method_gives_them(qtbot: QtBot) -> None:
    table = ParticleTable()
    qtbot.addWidget(table)
    areas = np.array([100.0, 200.0])
    plain = Particles.from_areas([1, 1], [1, 2], [1, 2], areas)
    sure = Particles.from_areas([1, 1], [1, 2], [1, 2], areas, uncertainty_px=np.array([0.5, 1.25]))
    table.show_particles(plain, 2.0)
    assert table.view.isColumnHidden(UNCERTAINTY)
    assert "±" not in table.model.as_text(np.arange(2))
    table.show_particles(sure, 2.0)
    assert not table.view.isColumnHidden(UNCERTAINTY)
    header = table.view.horizontalHeader()
    assert header.visualIndex(UNCERTAINTY) == header.visualIndex(2) + 1  # beside the diameter
    texts = [str(table.model.data(table.model.index(row, UNCERTAINTY))) for row in range(2)]
    assert texts == ["1.00", "2.50"]
    assert table.model.headerData(UNCERTAINTY, Qt.Orientation.Horizontal) == "± [nm]"
    assert table.model.as_text(np.arange(2)).splitlines()[1].endswith("\t1.00")
