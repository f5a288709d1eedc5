from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.spectra.classifier import ClassifierSettings
from nanoai_gui.core.spectra.model import load_spectra_model
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.training import ValidationSettings
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.figures import Figures
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.training_charts import ClassConfusion
from nanoai_gui.gui.spectra.training_panel import TrainingPanel
from tests.gui.spectra_made import add_set, labelled_set, map_set

QUICK = ClassifierSettings(members=1, epochs=12, hidden_1=8, hidden_2=0, learning_rate=0.02)
FOLDS = ValidationSettings(n_folds=3, n_permutations=9, n_bootstrap=200)
LONG = 60_000


@pytest.fixture
def session() -> SpectraSession:
    return SpectraSession()


@pytest.fixture
def panel(qtbot: QtBot, session: SpectraSession) -> Iterator[TrainingPanel]:
    jobs = JobRunner(WorkerPool(1))
    area = QScrollArea()
    area.setWidgetResizable(True)
    panel = TrainingPanel(session, jobs, Figures(jobs))
    area.setWidget(panel)
    qtbot.addWidget(area)
    area.resize(392, 800)
    area.show()
    qtbot.waitExposed(area)
    panel.classifier.set_values(QUICK)
    panel.validating.set_values(FOLDS)
    yield panel
    panel.shut_down()
    jobs.close()


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(widget.width() // 2, widget.height() // 2))


def choose(box: QComboBox, text: str) -> None:
    """Type the beginning of an entry, as a person may."""
    box.setFocus()
    QTest.keyClicks(box, text)


def refreshed(qtbot: QtBot, panel: TrainingPanel, text: str) -> None:
    qtbot.waitUntil(lambda: text in panel.what.summary.text())


def train(qtbot: QtBot, panel: TrainingPanel) -> None:
    with qtbot.waitSignal(panel.ended, timeout=LONG):
        click(panel.train_button)


def test_says_what_to_do_when_nothing_is_labelled(
    qtbot: QtBot, session: SpectraSession, panel: TrainingPanel
) -> None:
    assert not panel.train_button.isEnabled()
    assert "No spectrum has a label yet" in panel.what.summary.text()
    add_set(session, map_set(), "map.csv")
    qtbot.wait(250)
    assert not panel.train_button.isEnabled()


def test_proposes_the_group_that_every_class_has_several_of(
    qtbot: QtBot, session: SpectraSession, panel: TrainingPanel
) -> None:
    add_set(session, labelled_set(), "a.csv")
    refreshed(qtbot, panel, "32 spectra of 2 classes: early 16, late 16; 4 groups (dish)")
    assert panel.what.group == "dish"
    assert panel.train_button.isEnabled()
    choose(panel.what.group_box, "(n")
    assert panel.what.group == ""
    assert "recognising dishes" in panel.what.doubts.text()


def test_regions_marked_in_a_map_are_learned_from(
    qtbot: QtBot, session: SpectraSession, panel: TrainingPanel
) -> None:
    add_set(session, map_set(), "map.csv")
    session.add_region(np.arange(5), "soot")
    refreshed(qtbot, panel, "5 spectra of 1 class: soot 5")
    assert "only one class (soot)" in panel.what.doubts.text()
    train(qtbot, panel)
    assert panel.problem.text().startswith("There is only one class (soot)")
    assert session.model is None
    assert not panel.is_running


def test_trains_with_a_live_curve_and_shows_both_kinds_of_folds(
    qtbot: QtBot, session: SpectraSession, panel: TrainingPanel, tmp_path: Path
) -> None:
    key = add_set(session, labelled_set(), "a.csv")
    refreshed(qtbot, panel, "32 spectra")
    seen: list[int] = []
    fractions: list[int] = []
    panel.bar.valueChanged.connect(fractions.append)
    train(qtbot, panel)
    assert panel.loss is not None
    seen = [len(curve) for curve in panel.loss.curves.values()]
    assert max(seen, default=0) > 0
    assert len(set(fractions)) > 2
    assert panel.result is not None and session.model is panel.result.model
    report = panel.result.report
    rows = {row[0]: row[1:] for row in panel.validation.numbers.rows}
    assert rows[""] == ("Grouped folds", "Random folds")
    grouped = report["grouped_folds"]
    assert rows["Balanced accuracy"][0] == f"{100 * grouped['balanced_accuracy']:.1f} %"
    assert rows["Balanced accuracy"][1] == f"{100 * report['random_folds']['balanced_accuracy']:.1f} %"
    assert report["gap"]["explanation"] == panel.validation.sentence.text()
    assert panel.validation.groups.n_rows == len(grouped["groups"]) == 8
    assert panel.validation.confusion.matrix is not None
    assert panel.validation.confusion.matrix.tolist() == grouped["confusion"]
    choose(panel.validation.confusion_box, "One")
    assert panel.validation.confusion.matrix.tolist() == grouped["per_group_confusion"]
    assert "p = " in panel.validation.facts.text()
    assert f"{report['calibration']['brier']:.3f}" in panel.validation.calibration.text()
    assert panel.places is not None
    assert panel.places.keys.tolist() == [key] * 32
    assert "early, late" in panel.card.words.text()

    with qtbot.waitSignal(panel.reported):
        panel.write_report(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report

    file = tmp_path / "m.model"
    with qtbot.waitSignal(panel.card.finished):
        panel.card.save_model(file)
    assert load_spectra_model(file).classes == ("early", "late")
    session.set_model(None)
    assert "No model yet" in panel.card.words.text()
    with qtbot.waitSignal(panel.card.finished):
        panel.card.open_model(file)
    assert session.model is not None
    assert session.model.classes == ("early", "late")
    (tmp_path / "broken.model").write_bytes(b"\x80\x04pickle")
    with qtbot.waitSignal(panel.card.finished) as told:
        panel.card.open_model(tmp_path / "broken.model")
    assert "is not a NanoAI model" in told.args[0]
    assert session.model is not None


def test_fewer_groups_than_folds_are_named_before_and_after(
    qtbot: QtBot, session: SpectraSession, panel: TrainingPanel
) -> None:
    add_set(session, labelled_set(n_dishes=2, per_class=6), "a.csv")
    refreshed(qtbot, panel, "24 spectra")
    assert "'early' comes from 2 groups only" in panel.what.doubts.text()
    train(qtbot, panel)
    assert "2 folds instead of 3" in panel.validation.notes.text()


def test_left_out_spectra_are_listed_with_reasons_and_lead_to_the_spectrum(
    qtbot: QtBot, session: SpectraSession, panel: TrainingPanel
) -> None:
    spectra = labelled_set()
    values = spectra.intensities.copy()
    values[5] = values[4]
    values[20] = 7.0
    key = add_set(session, spectra.with_intensities(values), "a.csv")
    refreshed(qtbot, panel, "32 spectra")
    train(qtbot, panel)
    table = panel.validation.dropped
    reasons = {table.text(row, 0): table.text(row, 2) for row in range(table.n_rows)}
    assert reasons["5"] == "duplicate"
    assert reasons["20"] == "constant"
    place = next(row for row in range(table.n_rows) if table.text(row, 0) == "20")
    spot = table.visualRect(table.model().index(place, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert session.current == key
    assert session.selected.tolist() == [20]


def test_cancel_stops_and_changes_nothing(
    qtbot: QtBot, session: SpectraSession, panel: TrainingPanel
) -> None:
    add_set(session, labelled_set(), "a.csv")
    refreshed(qtbot, panel, "32 spectra")
    panel.classifier.set_values(ClassifierSettings(epochs=5000, members=50))
    click(panel.train_button)
    assert panel.cancel_button.isEnabled() and not panel.train_button.isEnabled()
    loss = panel.loss
    assert loss is not None
    qtbot.waitUntil(lambda: len(loss.curves.get(0, [])) > 3, timeout=LONG)
    with qtbot.waitSignal(panel.ended):
        click(panel.cancel_button)
    assert not panel.is_running and panel.train_button.isEnabled()
    qtbot.wait(200)
    assert session.model is None and panel.result is None


def test_steps_that_suit_the_range_are_suggested_until_a_person_chooses(
    qtbot: QtBot, session: SpectraSession, panel: TrainingPanel
) -> None:
    add_set(session, labelled_set(), "a.csv")
    qtbot.waitUntil(panel.train_button.isEnabled)
    assert panel.what.steps_box.currentData() == "biofluid"
    session.set_pipeline(Pipeline.of("despike"))
    qtbot.waitUntil(lambda: panel.what.steps_box.currentText() == "The step of the list")
    panel.what.steps_box.setCurrentIndex(panel.what.steps_box.findData("none"))
    panel.what.steps_box.activated.emit(panel.what.steps_box.currentIndex())
    session.set_pipeline(Pipeline())
    qtbot.wait(300)
    assert panel.what.steps_box.currentData() == "none"


def test_the_confusion_matrix_names_its_rows_whole_however_short_the_classes(qtbot: QtBot) -> None:
    chart = ClassConfusion()
    qtbot.addWidget(chart)
    chart.set_matrix(("1", "2"), [[5, 1], [0, 7]])
    chart.resize(chart.sizeHint())
    metrics = chart.fontMetrics()
    line = metrics.height()
    picture = chart.grab(QRect(0, 2 * line, chart.width() // 3, line)).toImage()
    paper = picture.pixelColor(0, 0)
    inked = [
        x
        for x in range(picture.width())
        if any(picture.pixelColor(x, y) != paper for y in range(picture.height()))
    ]
    ratio = picture.devicePixelRatio()
    assert len(inked) > 0.5 * ratio * metrics.horizontalAdvance("True class")
