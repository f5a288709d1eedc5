from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QScrollArea
from pytestqt.qtbot import QtBot

from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.spectra.classifier import ClassifierSettings
from nanoai_gui.core.spectra.rejection import Thresholds
from nanoai_gui.core.spectra.training import (
    TrainedSpectra,
    TrainingSettings,
    ValidationSettings,
    gather,
    train_spectra,
)
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.figures import Figures
from nanoai_gui.gui.spectra.pca_view import PcaView
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.training_data import gather_parts
from tests.gui.spectra_made import add_set, labelled_set

SETTINGS = TrainingSettings(
    classifier=ClassifierSettings(members=1, epochs=3, hidden_1=4, hidden_2=0),
    validation=ValidationSettings(n_folds=2, n_permutations=0, n_bootstrap=100),
)


@pytest.fixture(scope="module")
def trained() -> TrainedSpectra:
    spectra = labelled_set()
    return train_spectra(gather(spectra, "label", "dish"), SETTINGS)


@pytest.fixture
def session() -> SpectraSession:
    session = SpectraSession()
    spectra = labelled_set()
    add_set(session, spectra.select(np.arange(20)), "a.csv")
    add_set(session, spectra.select(np.arange(20, 32)), "b.csv")
    return session


@pytest.fixture
def view(qtbot: QtBot, session: SpectraSession) -> Iterator[PcaView]:
    area = QScrollArea()
    area.setWidgetResizable(True)
    jobs = JobRunner(WorkerPool(1))
    view = PcaView(session, Figures(jobs))
    area.setWidget(view)
    qtbot.addWidget(area)
    area.resize(392, 1000)
    area.show()
    qtbot.waitExposed(area)
    yield view
    jobs.close()


def show(qtbot: QtBot, view: PcaView, session: SpectraSession, trained: TrainedSpectra) -> None:
    session.set_model(trained.model)
    view.set_trained(trained, gather_parts(session, "label"))
    qtbot.waitUntil(lambda: view.scores.isVisible())
    qtbot.wait(50)


def click(view: PcaView, point: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    spot = view.scores.point_position(point).toPoint()
    QTest.mouseClick(view.scores.viewport(), Qt.MouseButton.LeftButton, keys, spot)


def named(label: QLabel) -> list[str]:
    """Give the names of a legend."""
    document = QTextDocument()
    document.setHtml(label.text())
    return [part.replace("\xa0", " ").strip() for part in document.toPlainText().split("●")[1:]]


def lonely(trained: TrainedSpectra, among: np.ndarray) -> int:
    """Give the point that is farthest from its neighbours."""
    places = trained.scores[:, :2]
    distance = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    return int(among[distance.min(axis=1)[among].argmax()])


def test_without_a_model_it_says_what_to_do(view: PcaView) -> None:
    assert "Train a model" in view.words.text()
    assert not view.scree.isVisible()


def test_the_scree_shows_how_many_components_are_needed(
    qtbot: QtBot, view: PcaView, session: SpectraSession, trained: TrainedSpectra
) -> None:
    show(qtbot, view, session, trained)
    components = trained.model.classifier.components
    needed = components.needed_for(0.95)
    assert needed == components.n_components
    assert f"{needed} components hold 95 %" in view.words.text()
    assert view.scree._kept.value() == needed + 0.5
    _, drawn = view.scree._sum.getData()
    assert drawn[needed - 1] >= 95 > drawn[needed - 2]


def test_a_click_on_a_point_shows_its_spectrum_in_its_own_file(
    qtbot: QtBot, view: PcaView, session: SpectraSession, trained: TrainedSpectra
) -> None:
    show(qtbot, view, session, trained)
    first, second = session.keys()
    point = lonely(trained, np.arange(20, 32))
    click(view, point)
    assert session.current == second
    assert session.selected.tolist() == [point - 20]
    assert view.scores.chosen.tolist() == [point]
    assert view.hint.text().split(",")[0] == labelled_set().columns["label"][point]
    other = lonely(trained, np.arange(20))
    click(view, other)
    assert session.current == first
    assert session.selected.tolist() == [other]


def test_a_drag_chooses_all_within_and_other_files_are_named(
    qtbot: QtBot, view: PcaView, session: SpectraSession, trained: TrainedSpectra
) -> None:
    show(qtbot, view, session, trained)
    viewport = view.scores.viewport()
    places = [view.scores.point_position(i).toPoint() for i in range(32)]
    start = QPoint(min(p.x() for p in places) - 6, min(p.y() for p in places) - 6)
    stop = QPoint(max(p.x() for p in places) + 6, max(p.y() for p in places) + 6)
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(viewport, (start + stop) / 2)
    QTest.mouseMove(viewport, stop)
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=stop)
    assert session.current == session.keys()[0]
    assert session.selected.tolist() == list(range(20))
    assert view.scores.chosen.tolist() == list(range(20))
    assert "12 points of other files" in view.hint.text()


def test_ctrl_adds_and_the_session_leads_as_well(
    qtbot: QtBot, view: PcaView, session: SpectraSession, trained: TrainedSpectra
) -> None:
    show(qtbot, view, session, trained)
    a = lonely(trained, np.arange(20))
    b = lonely(trained, np.setdiff1d(np.arange(20), [a]))
    click(view, a)
    click(view, b, Qt.KeyboardModifier.ControlModifier)
    assert session.selected.tolist() == sorted([a, b])
    session.select([3, 4, 5])
    assert view.scores.chosen.tolist() == [3, 4, 5]
    assert view.hint.text() == "3 points chosen"


def test_colours_by_class_or_group_and_other_components(
    qtbot: QtBot, view: PcaView, session: SpectraSession, trained: TrainedSpectra
) -> None:
    show(qtbot, view, session, trained)
    assert named(view.score_legend) == ["early", "late"]
    view.colour_box.setFocus()
    QTest.keyClicks(view.colour_box, "D")
    assert named(view.score_legend) == ["D1", "D2", "D3", "D4"]
    view.up.setFocus()
    QTest.keyClicks(view.up, "PC 3")
    assert named(view.loading_legend) == ["PC 1", "PC 3"]
    x, y = view.loadings._curves[1].getData()
    assert np.allclose(x, trained.model.features_axis)
    assert np.allclose(y, trained.model.classifier.components.loadings()[2])


def test_a_far_point_does_not_squeeze_the_others(
    qtbot: QtBot, view: PcaView, session: SpectraSession, trained: TrainedSpectra
) -> None:
    far = trained.scores.copy()
    far[0, :2] = 1e4
    show(qtbot, view, session, replace(trained, scores=far))
    assert view.scores.n_outside == 1
    assert "1 point outside" in view.hint.text()
    QTest.mouseDClick(view.scores.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(150, 120))
    assert view.scores.n_outside == 0
    assert "outside" not in view.hint.text()


def test_a_model_from_a_file_has_no_scores(
    qtbot: QtBot, view: PcaView, session: SpectraSession, trained: TrainedSpectra
) -> None:
    show(qtbot, view, session, trained)
    session.set_model(trained.model.with_thresholds(Thresholds()))
    assert view.scores.isVisible()
    opened = replace(trained.model, classifier=replace(trained.model.classifier, temperature=2.0))
    session.set_model(opened)
    assert view.scree.isVisible() and view.loadings.isVisible()
    assert not view.scores.isVisible()
    session.set_model(None)
    assert not view.scree.isVisible()
