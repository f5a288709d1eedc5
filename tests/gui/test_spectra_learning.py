from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.spectra.classifier import ClassifierSettings
from nanoai_gui.core.spectra.training import ValidationSettings
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.spectra_tab import SpectraTab
from tests.gui.spectra_made import add_set, labelled_set, map_set

LONG = 60_000


@pytest.fixture
def session() -> SpectraSession:
    return SpectraSession()


@pytest.fixture
def tab(qtbot: QtBot, session: SpectraSession) -> Iterator[SpectraTab]:
    jobs = JobRunner(WorkerPool(1))
    tab = SpectraTab(session, jobs)
    qtbot.addWidget(tab)
    tab.resize(1280, 800)
    tab.show()
    qtbot.waitExposed(tab)
    yield tab
    tab.shut_down()
    jobs.close()


def test_from_labels_to_a_coloured_map_with_the_spectrum_under_the_pointer(
    qtbot: QtBot, session: SpectraSession, tab: SpectraTab
) -> None:
    training, prediction = tab.learning.training, tab.learning.prediction
    add_set(session, labelled_set(), "labelled.csv")
    key = add_set(session, map_set(), "map.csv")
    tab.show_panel("Train")
    training.classifier.set_values(ClassifierSettings(members=1, epochs=60, hidden_1=8, hidden_2=0))
    training.validating.set_values(ValidationSettings(n_folds=2, n_permutations=0, n_bootstrap=100))
    qtbot.waitUntil(training.train_button.isEnabled)
    with qtbot.waitSignal(training.ended, timeout=LONG):
        training.train_button.click()
    tab.show_panel("PCA")
    assert tab.learning.components.scores.isVisible()

    session.set_current(key)
    tab.show_panel("Classify")
    qtbot.waitUntil(prediction.current_button.isEnabled)
    with qtbot.waitSignal(prediction.run.ended, timeout=LONG):
        prediction.current_button.click()
    found = session.predictions(key)
    assert found is not None
    assert "p" in prediction.spectrum_words.text()

    plot = tab.map.plot
    qtbot.waitUntil(plot.isVisible)
    qtbot.wait(100)
    grid = map_set().grid
    assert grid is not None
    pixel = 12
    x, y = grid.x0 + grid.dx * (pixel % grid.n_columns), grid.y0 + grid.dy * (pixel // grid.n_columns)
    spot = plot.mapFromScene(plot.getPlotItem().vb.mapViewToScene(QPointF(x, y)))
    QTest.mouseMove(plot.viewport(), spot)
    qtbot.waitUntil(lambda: prediction.spectrum_words.text().startswith("Spectrum 13:"))
    assert prediction.bars.values == pytest.approx(found.probabilities[pixel].tolist())
