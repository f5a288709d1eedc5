"""Training in the window: real processes and clicks; only the samples come at once instead of in minutes."""

from __future__ import annotations

import dataclasses
import multiprocessing
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QSpinBox
from pytestqt.qtbot import QtBot

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.tem.networks import make
from nanoai_gui.core.tem.networks.corrections import Correction, save_corrections
from nanoai_gui.core.tem.networks.library import list_models, model_path, save_user_model
from nanoai_gui.core.tem.networks.model import load_tem_model
from nanoai_gui.core.tem.networks.samples import Samples
from nanoai_gui.core.tem.networks.training import PAR_NODES
from nanoai_gui.core.tem.sizing import METHOD_MODULES
from nanoai_gui.core.tem.sizing import ann as ann_module
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.tem.model_tools import ModelTools
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.training_dialog import TrainingDialog, in_words
from nanoai_gui.gui.tem.training_plots import AreaPlot, ConfusionMatrix, LossPlot
from nanoai_gui.gui.theme import DARK, LIGHT, palette_of
from nanoai_gui.gui.widgets.network_picture import NetworkPicture
from nanoai_gui.gui.widgets.notice import NoticeArea
from nanoai_gui.gui.widgets.numbers import grouped
from tests.networks_made import QUICK, plain_samples, quick_model, quick_training

LEFT = Qt.MouseButton.LeftButton
SOON = 60_000


def made_at_once(*args: object) -> Samples:
    return plain_samples(feature_set=str(args[1]))


def made_never(*args: object) -> Samples:
    """Makes samples until it is cancelled, as the real one would."""
    progress, cancelled = args[-2:]
    while not cancelled():  # type: ignore[operator]
        progress(0.25, "2500 of 10000 agglomerates made")  # type: ignore[operator]
        time.sleep(0.01)
    raise OperationCancelled


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "gather_samples", made_at_once)
    monkeypatch.setitem(METHOD_MODULES, "ann", ann_module.__name__)


@pytest.fixture
def runner() -> Iterator[JobRunner]:
    runner = JobRunner()
    yield runner
    runner.close()


@pytest.fixture
def dialog(qtbot: QtBot, runner: JobRunner) -> Iterator[TrainingDialog]:
    dialog = TrainingDialog(runner)
    qtbot.addWidget(dialog)
    dialog.settings.set_values(dataclasses.replace(QUICK, epochs=5))
    dialog.show()
    qtbot.waitExposed(dialog)
    yield dialog
    dialog.shut_down()
    dialog.close()


def click(widget: object) -> None:
    QTest.mouseClick(widget, LEFT)  # type: ignore[call-overload]


def train(dialog: TrainingDialog, qtbot: QtBot) -> None:
    click(dialog.start_button)
    assert dialog.is_running and dialog.start_button.text() == "Stop"
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=SOON)


def test_training_from_the_first_click_to_a_saved_model(dialog: TrainingDialog, qtbot: QtBot) -> None:
    assert not dialog.save_button.isEnabled()
    assert not dialog.tabs.isTabEnabled(1) and not dialog.tabs.isTabEnabled(2)
    train(dialog, qtbot)
    # Curves of every network can be chosen, and those of the last are shown.
    assert dialog.network.count() == 1 + 2 + 5 * (len(PAR_NODES) + 1)
    dialog.tabs.setCurrentIndex(0)
    dialog.network.setCurrentIndex(dialog.network.findData("PNC"))
    assert dialog.loss.points == 5
    matrix = dialog.confusion.matrix
    assert matrix is not None and matrix.shape == (5, 5) and matrix.sum() > 50
    assert "The number of particles is right for" in dialog.words.text()
    assert "13-h-1" not in dialog.layer_text.text()  # what was chosen is known now
    dialog.name.selectAll()
    QTest.keyClicks(dialog.name, "Silica, 80 kV")
    with qtbot.waitSignal(dialog.model_saved, timeout=SOON) as saved:
        click(dialog.save_button)
    assert saved.args == ["Silica, 80 kV", "region-13", True]
    model = load_tem_model(model_path("Silica, 80 kV"))
    assert model.card["name"] == "Silica, 80 kV"
    assert model.pnc.layer_sizes == (13, QUICK.pnc_nodes, 5)
    assert model.card["measured"]["confusion"] == matrix.tolist()
    # It is kept once.
    assert not dialog.save_button.isEnabled()


def test_corrected_agglomerates_join_the_training(
    dialog: TrainingDialog, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, x = np.indices((40, 40))
    disc = np.hypot(x - 20, y - 20) <= 12
    contrast = np.where(disc, 0.6, 0.0).astype(np.float32)
    made = [
        Correction(f"{i}.tif", 1, None, 200 - 100 * contrast, contrast, disc, np.array([[20.0, 20.0, 12.0]]))
        for i in range(8)
    ]
    save_corrections(tmp_path / "mine.npz", made, "ann")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(tmp_path / "mine.npz")], ""))
    for _ in range(2):
        click(dialog.corrections.add_button)
    assert dialog.corrections.label.text() == "mine.npz"
    assert dialog.plan.corrections == (tmp_path / "mine.npz",)
    train(dialog, qtbot)
    assert "6 corrected agglomerates in the training, each shown" in dialog.words.text()
    assert "2 kept aside" in dialog.words.text()
    click(dialog.corrections.clear_button)
    assert not dialog.corrections.files and dialog.corrections.label.text() == "none"


def test_the_number_of_samples_is_parted_as_all_numbers_are(dialog: TrainingDialog) -> None:
    box = dialog.number
    assert box.text() == grouped(box.value()) and "," not in box.text()
    for typed, value in (("30000", 30_000), ("45 000", 45_000), ("60,000", 60_000), ("70x000", 70_000)):
        box.selectAll()
        QTest.keyClicks(box, typed)
        box.interpretText()  # as leaving it does
        assert box.value() == value and box.text() == grouped(value)
    QTest.keyClick(box, Qt.Key.Key_Up)
    assert box.text() == grouped(71_000)


def test_the_window_lives_while_it_trains(dialog: TrainingDialog, qtbot: QtBot) -> None:
    ticks: list[bool] = []
    clock = QTimer()
    clock.setInterval(5)
    clock.timeout.connect(lambda: ticks.append(dialog.is_running))
    clock.start()
    train(dialog, qtbot)
    clock.stop()
    # How long it stands still at most is for a quiet machine to measure; here, that it does not: in the
    # window's own thread there would be none before the end.
    assert sum(ticks) > 10


def test_stopping_leaves_nothing_behind(
    dialog: TrainingDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "gather_samples", made_never)
    click(dialog.start_button)
    qtbot.waitUntil(lambda: "2500 of 10000" in dialog.state.text(), timeout=SOON)
    assert "left" in dialog.state.text() and 100 < dialog.bar.value() < 300
    assert not dialog.number.isEnabled()
    click(dialog.start_button)
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=SOON)
    assert dialog.state.text() == "Stopped." and dialog.number.isEnabled()
    assert not dialog.save_button.isEnabled()
    qtbot.waitUntil(lambda: not multiprocessing.active_children(), timeout=SOON)
    qtbot.waitUntil(
        lambda: not [t for t in threading.enumerate() if t.name == "nanoai-training"], timeout=SOON
    )


def test_stopping_while_a_worker_trains(dialog: TrainingDialog, qtbot: QtBot) -> None:
    dialog.settings.set_values(dataclasses.replace(QUICK, epochs=5000, patience=1000))
    click(dialog.start_button)
    qtbot.waitUntil(lambda: dialog.loss.points > 3, timeout=SOON)
    assert dialog.curve_name.text() == "PNC"
    click(dialog.start_button)
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=SOON)
    assert dialog.state.text() == "Stopped."


def test_what_cannot_be_trained_says_why(
    dialog: TrainingDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "gather_samples", lambda *_: plain_samples(60))
    with qtbot.waitSignal(dialog.finished_training, timeout=SOON) as told:
        click(dialog.start_button)
    assert "60 agglomerates are too few" in dialog.state.text()
    assert str(told.args[0]).startswith("Training failed")
    assert dialog.start_button.text() == "Train"


def test_names_that_are_taken_or_impossible(dialog: TrainingDialog, qtbot: QtBot) -> None:
    save_user_model("My networks 1", quick_model())
    train(dialog, qtbot)
    assert dialog.name.text() == "My networks 2"  # the first that is free
    assert dialog.save_button.isEnabled()
    for name, problem in (("My networks 1", "already"), ("a/b", "characters"), ("", "needs a name")):
        dialog.name.selectAll()
        QTest.keyClick(dialog.name, Qt.Key.Key_Delete)
        QTest.keyClicks(dialog.name, name)
        assert not dialog.save_button.isEnabled()
        assert problem in dialog.save_button.toolTip()


def test_a_folder_that_cannot_be_written_keeps_the_networks(
    dialog: TrainingDialog, qtbot: QtBot, user_folders: Path
) -> None:
    train(dialog, qtbot)
    model_path("x").parent.parent.parent.mkdir(exist_ok=True)
    model_path("x").parent.parent.write_text("in the way")
    click(dialog.save_button)
    qtbot.waitUntil(lambda: "is a file" in dialog.state.text() or "could not" in dialog.state.text())
    model_path("x").parent.parent.unlink()
    dialog.name.setFocus()
    QTest.keyClicks(dialog.name, "b")
    assert dialog.save_button.isEnabled()


def test_the_layers_are_those_that_would_be_trained(dialog: TrainingDialog) -> None:
    nodes = dialog.settings.editor("pnc_nodes")
    assert isinstance(nodes, QSpinBox)
    nodes.setFocus()
    nodes.selectAll()
    QTest.keyClicks(nodes, "50")
    QTest.keyClick(nodes, Qt.Key.Key_Tab)
    assert [n for _, n in dialog.layers.layers] == [13, 50, 5]
    dialog.features.setFocus()
    QTest.keyClick(dialog.features, Qt.Key.Key_Down)
    n_rich = len(plain_samples(10, "rich").features[0])
    assert [n for _, n in dialog.layers.layers] == [n_rich, 50, 5]
    assert f"{n_rich}-50-5" in dialog.layer_text.text() and f"{n_rich}-h-3" in dialog.layer_text.text()
    assert dialog.plan.feature_set == "rich" and dialog.plan.settings.pnc_nodes == 50


# ---------------------------------------------------------------------- from the window


@pytest.fixture
def tools(qtbot: QtBot, runner: JobRunner, tmp_path: Path) -> Iterator[ModelTools]:
    from PySide6.QtWidgets import QWidget

    window = QWidget()
    qtbot.addWidget(window)
    window.resize(400, 300)
    window.show()
    session = TemSession(window)
    store = SettingsStore(tmp_path / "s.json")
    tools = ModelTools(session, runner, store, NoticeArea(window), lambda _: None, window)
    yield tools
    tools.shut_down()
    window.close()


def test_a_saved_model_measures_from_now_on(tools: ModelTools, qtbot: QtBot) -> None:
    tools.open_training()
    dialog = tools.training
    assert dialog is not None
    dialog.settings.set_values(dataclasses.replace(QUICK, epochs=3))
    train(dialog, qtbot)
    with qtbot.waitSignal(dialog.model_saved, timeout=SOON):
        click(dialog.save_button)
    settings = tools._session.settings
    assert settings.methods == ("watershed", "ann")
    assert settings.method_parameters["ann"].model == "My networks 1" == list_models()[0].name
    assert "measures with “My networks 1”" in "".join(tools._notices.texts)


def test_closing_the_dialog_lets_it_train_on_and_tells_the_end(tools: ModelTools, qtbot: QtBot) -> None:
    tools.open_training()
    dialog = tools.training
    assert dialog is not None
    dialog.settings.set_values(dataclasses.replace(QUICK, epochs=3))
    click(dialog.start_button)
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible() and dialog.is_running
    qtbot.waitUntil(lambda: any("Networks trained" in text for text in tools._notices.texts), timeout=SOON)
    tools.open_training()
    assert tools.training is dialog and dialog.isVisible() and dialog.save_button.isEnabled()


def test_closing_the_window_ends_a_training(tools: ModelTools, qtbot: QtBot) -> None:
    tools.open_training()
    assert tools.training is not None
    tools.training.settings.set_values(dataclasses.replace(QUICK, epochs=5000, patience=1000))
    click(tools.training.start_button)
    dialog = tools.training
    qtbot.waitUntil(lambda: dialog.loss.points > 0, timeout=SOON)
    tools.shut_down()
    assert not multiprocessing.active_children()


# ---------------------------------------------------------------------- drawings


def test_drawings_follow_the_theme(qtbot: QtBot) -> None:
    report = quick_training()[1]
    loss, areas, confusion, layers = LossPlot(), AreaPlot(), ConfusionMatrix(), NetworkPicture()
    loss.set_curve(report.losses["PNC"])
    areas.set_report(report)
    confusion.set_matrix(report.confusion)
    layers.set_layers([("features", 13), ("hidden", 39), ("numbers", 5)])
    for widget in (loss, areas, confusion, layers):
        qtbot.addWidget(widget)
        widget.resize(320, 240)
        pictures = []
        for theme in (LIGHT, DARK):
            widget.setPalette(palette_of(theme))
            pictures.append(widget.grab().toImage())
        assert pictures[0] != pictures[1]
    assert "13-39-5" in layers.accessibleName()
    assert "1 taken for" in confusion.accessibleName()


def test_the_figures_in_words_are_those_of_the_report() -> None:
    report = dataclasses.replace(
        quick_training()[1], n=(700, 150, 1500), count_accuracy=0.812, inside_1_sigma=0.671,
        recall_many=0.965, false_exclusions=0.024,
    )  # fmt: skip
    text = in_words(report)
    for figure in ("1\u202f500 agglomerates", "81.2 %", "67 %", "96 %", "2.4 %"):
        assert figure in text, figure


def test_images_made_are_opened_and_resemble_the_image_shown(
    tools: ModelTools, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nanoai_gui.core.tem.synthesis import SynthesisSpec
    from tests.gui.made import show_image

    opened: list[Path] = []
    monkeypatch.setattr(tools, "_open_paths", opened.extend)
    tools._store.values.export_folder = str(tmp_path)
    tools.open_synthesis()
    dialog = tools.synthesis
    assert dialog is not None and not dialog.resemble_button.isEnabled()
    show_image(tools._session)
    assert dialog.resemble_button.isEnabled()
    dialog.set_spec(SynthesisSpec(width_px=96, height_px=96, gmd_px=10))
    dialog.number.setValue(2)
    click(dialog.make_button)
    qtbot.waitUntil(lambda: len(opened) == 2, timeout=SOON)
    assert opened[0].parent == tmp_path / "synthetic images"
    assert tools._store.values.export_folder == str(tmp_path)
