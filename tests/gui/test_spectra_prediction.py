from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.spectra.classifier import ClassifierSettings
from nanoai_gui.core.spectra.model import SpectraModel
from nanoai_gui.core.spectra.rejection import NO_SIGNAL, Thresholds
from nanoai_gui.core.spectra.training import TrainingSettings, ValidationSettings, gather, train_spectra
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.figures import Figures
from nanoai_gui.gui.spectra.prediction_panel import NOTHING, PredictionPanel
from nanoai_gui.gui.spectra.session import SpectraSession
from tests.gui.spectra_made import add_set, labelled_set, map_set

LONG = 60_000


@pytest.fixture(scope="module")
def model() -> SpectraModel:
    settings = TrainingSettings(
        classifier=ClassifierSettings(members=1, epochs=60, hidden_1=8, hidden_2=0, learning_rate=0.03),
        validation=ValidationSettings(n_folds=2, n_permutations=0, n_bootstrap=100),
    )
    trained = train_spectra(gather(labelled_set(per_class=10), "label", "dish"), settings)
    return trained.model.with_thresholds(Thresholds(t2=50.0, q=20.0, signal=1.0, probability=0.5))


@pytest.fixture
def session() -> SpectraSession:
    return SpectraSession()


@pytest.fixture
def panel(qtbot: QtBot, session: SpectraSession) -> Iterator[PredictionPanel]:
    jobs = JobRunner(WorkerPool(1))
    area = QScrollArea()
    area.setWidgetResizable(True)
    panel = PredictionPanel(session, jobs, Figures(jobs))
    area.setWidget(panel)
    qtbot.addWidget(area)
    area.resize(392, 1000)
    area.show()
    qtbot.waitExposed(area)
    yield panel
    panel.shut_down()
    jobs.close()


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(12, widget.height() // 2))


def classify(qtbot: QtBot, panel: PredictionPanel, button: QWidget) -> str:
    with qtbot.waitSignal(panel.run.ended, timeout=LONG) as told:
        click(button)
    qtbot.waitUntil(lambda: not panel._is_stale)
    return str(told.args[0])


def type_number(panel: PredictionPanel, name: str, text: str) -> None:
    box = panel.limits.numbers[name]
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, text)
    QTest.keyClick(box, Qt.Key.Key_Return)


def test_needs_a_model_and_a_map(
    session: SpectraSession, panel: PredictionPanel, model: SpectraModel
) -> None:
    assert "No model yet" in panel.card.words.text()
    assert not panel.current_button.isEnabled() and not panel.all_button.isEnabled()
    session.set_model(model)
    assert not panel.current_button.isEnabled()
    add_set(session, map_set(), "map.csv")
    panel._refresh()
    assert panel.current_button.isEnabled()
    assert panel.spectrum_words.text() == NOTHING


def test_classifies_the_map_and_follows_the_spectrum_looked_at(
    qtbot: QtBot, session: SpectraSession, panel: PredictionPanel, model: SpectraModel
) -> None:
    key = add_set(session, map_set(), "map.csv")
    session.set_model(model)
    qtbot.waitUntil(panel.current_button.isEnabled)
    assert "20 spectra of 1 set classified" in classify(qtbot, panel, panel.current_button)
    found = session.predictions(key)
    assert found is not None
    expected = model.predict(map_set())
    assert np.allclose(found.probabilities, expected.probabilities, atol=1e-6)
    assert found.reason[0] == NO_SIGNAL
    session.look_at(1)
    assert panel.spectrum_words.text() == "Spectrum 2: early"
    assert panel.bars.values == pytest.approx(found.probabilities[1].tolist())
    session.look_at(0)
    assert panel.spectrum_words.text() == "Spectrum 1: not classified, signal too weak"
    panel.hover(4)
    assert panel.spectrum_words.text() == "Spectrum 5: late"
    panel.hover(-1)
    assert panel.spectrum_words.text().startswith("Spectrum 1:")
    session.select([1, 2, 4])
    assert panel.spectrum_words.text().startswith("Mean of 3 selected spectra")
    assert panel.bars.values == pytest.approx(found.probabilities[[1, 2, 4]].mean(axis=0).tolist())


def test_limits_move_the_map_without_classifying_again(
    qtbot: QtBot, session: SpectraSession, panel: PredictionPanel, model: SpectraModel
) -> None:
    key = add_set(session, map_set(), "map.csv")
    session.set_model(model)
    qtbot.waitUntil(panel.current_button.isEnabled)
    classify(qtbot, panel, panel.current_button)
    assert panel.limits.total.text().startswith("1 of 20 spectra not classified")
    with qtbot.waitSignal(session.predictions_changed):
        type_number(panel, "q", "0.001")
    found = session.predictions(key)
    assert found is not None and found.rejected.all()
    qtbot.waitUntil(lambda: panel.limits.total.text().startswith("20 of 20"))
    assert session.model is not None and session.model.thresholds.q == 0.001
    click(panel.limits.ticks["q"])
    click(panel.limits.ticks["signal"])
    found = session.predictions(key)
    assert found is not None and session.model.thresholds.q == np.inf
    # A constant spectrum has no signal whatever the limit says.
    assert found.reason[0] == NO_SIGNAL and found.rejected.sum() == 1
    qtbot.waitUntil(panel.reset_button.isEnabled)
    click(panel.reset_button)
    assert session.model.thresholds == model.thresholds
    assert panel.limits.ticks["q"].isChecked()
    assert panel.limits.numbers["q"].value() == 20.0


def test_all_sets_are_classified_and_one_of_another_range_is_named(
    qtbot: QtBot, session: SpectraSession, panel: PredictionPanel, model: SpectraModel
) -> None:
    first = add_set(session, map_set(time_h=24.0), "late.csv")
    short = add_set(session, labelled_set().crop(900, 1500), "short.csv")
    last = add_set(session, map_set(seed=9, time_h=0.0), "early.csv")
    session.set_model(model)
    qtbot.waitUntil(panel.all_button.isEnabled)
    words = classify(qtbot, panel, panel.all_button)
    assert "40 spectra of 2 sets classified" in words
    assert "short.csv: The spectra reach from" in words
    assert session.predictions(first) is not None and session.predictions(last) is not None
    assert session.predictions(short) is None
    shares = panel.shares.fractions
    assert shares is not None
    assert shares.names == ("0 h · C1", "0 h · C2", "24 h · C1", "24 h · C2")
    assert shares.counts.sum() == 40
    assert shares.counts[0].tolist()[2] == 1  # the dead pixel lies in the first cell
    panel.group_box.setFocus()
    QTest.keyClicks(panel.group_box, "One bar per t")
    assert panel.shares.fractions is not None
    assert panel.shares.fractions.names == ("0 h", "24 h")
    assert "0 h: " in panel.shares.words(0)


def test_the_table_leads_to_the_spectrum(
    qtbot: QtBot, session: SpectraSession, panel: PredictionPanel, model: SpectraModel
) -> None:
    add_set(session, map_set(), "map.csv")
    session.set_model(model)
    qtbot.waitUntil(panel.current_button.isEnabled)
    classify(qtbot, panel, panel.current_button)
    assert panel.table.n_rows == 20
    panel.table.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    assert panel.table.text(0, 0) == "1" and panel.table.text(0, 3) == "signal too weak"
    spot = panel.table.visualRect(panel.table.model().index(0, 1)).center()
    QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert session.selected.tolist() == [0]


def test_exports_are_those_of_the_command_line(
    qtbot: QtBot,
    session: SpectraSession,
    panel: PredictionPanel,
    model: SpectraModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_set(session, map_set(), "map.csv")
    session.set_model(model)
    qtbot.waitUntil(panel.current_button.isEnabled)
    classify(qtbot, panel, panel.current_button)
    with qtbot.waitSignal(panel.exported) as told:
        panel.write_tables(tmp_path / "out")
    assert told.args == ["Written to out.", False]
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 20
    assert rows[0]["rejected"] == "yes" and rows[0]["reason"] == "signal too weak"
    assert all(abs(float(row["p_early"]) + float(row["p_late"]) - 1) < 1e-5 for row in rows)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["n_spectra"] == 20 and summary["n_rejected"] == 1
    figures = panel._figures
    for name, start in (("chart.png", b"\x89PNG"), ("chart.svg", b"<?xml"), ("chart.csv", b"group,n,")):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, name=name: (str(tmp_path / name), ""))
        with qtbot.waitSignal(figures.said, timeout=LONG) as told:
            panel.chart_button.click()
        assert told.args == [f"Written to {name}.", False]
        assert (tmp_path / name).read_bytes().startswith(start)
    assert "not classified" in (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert figures.folder == str(tmp_path)
    kind = "SVG (*.svg)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "bare"), kind))
    with qtbot.waitSignal(figures.said, timeout=LONG):
        panel.chart_button.click()
    assert (tmp_path / "bare.svg").exists(), "the kind that was chosen names the file"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "chart.gif"), ""))
    with qtbot.waitSignal(figures.said, timeout=LONG) as told:
        panel.chart_button.click()
    assert "cannot be written as .gif" in told.args[0] and told.args[1] is True


def test_another_model_forgets_what_the_first_one_said(
    qtbot: QtBot, session: SpectraSession, panel: PredictionPanel, model: SpectraModel
) -> None:
    key = add_set(session, map_set(), "map.csv")
    session.set_model(model)
    qtbot.waitUntil(panel.current_button.isEnabled)
    classify(qtbot, panel, panel.current_button)
    session.set_model(model)
    assert session.predictions(key) is None
    qtbot.waitUntil(lambda: panel.table.n_rows == 0)
    assert panel.shares.fractions is None
    assert not panel.tables_button.isEnabled()
