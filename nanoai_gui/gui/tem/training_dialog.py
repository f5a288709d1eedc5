"""The dialog that trains networks: on what, how it goes, how good they are, and their name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFrame,
    QGridLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QWidget,
)

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.tem.features import FEATURE_SETS, measured_with
from nanoai_gui.core.tem.networks.library import METHOD_OF_FEATURES, check_name, model_path, save_user_model
from nanoai_gui.core.tem.networks.make import LossCurves, TrainingPlan
from nanoai_gui.core.tem.networks.samples import LARGEST_COUNT, TrainingPopulation
from nanoai_gui.core.tem.networks.training import GATE_NODES, TrainingSettings
from nanoai_gui.core.tem.sizing import METHOD_MODULES
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.batch import seconds_in_words
from nanoai_gui.gui.tem.correction_files import CorrectionFiles, corrections_in_words
from nanoai_gui.gui.tem.training_plots import AreaPlot, ConfusionMatrix, LossPlot
from nanoai_gui.gui.tem.training_run import TrainingRun
from nanoai_gui.gui.widgets.count_box import CountBox
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, keep_room, row
from nanoai_gui.gui.widgets.network_picture import NetworkPicture
from nanoai_gui.gui.widgets.numbers import grouped
from nanoai_gui.gui.widgets.parameter_form import ParameterForm
from nanoai_gui.gui.widgets.warning import set_warning

if TYPE_CHECKING:
    from nanoai_gui.core.tem.networks.model import TemModel
    from nanoai_gui.core.tem.networks.training import TrainingReport

FEWEST, MOST, USUAL = 2000, 1_000_000, 20_000
SIDE_WIDTH = 348


class TrainingDialog(QDialog):
    """Trains networks beside the window, which stays free; hidden, it goes on.

    Parameters
    ----------
    runner
        Writes the model.
    """

    model_saved = Signal(str, str, bool)
    """Name, name of its feature set, and whether it is to measure from now on."""
    finished_training = Signal(str)
    """One sentence, when a training has ended by itself."""

    def __init__(self, runner: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._run: TrainingRun | None = None
        self._curves: LossCurves = {}
        self._outcome: tuple[TemModel, TrainingReport] | None = None
        self._is_saved = False
        self.setWindowTitle("Train networks")
        self.setWindowFlag(Qt.WindowType.WindowMinMaxButtonsHint, True)
        layout = column(self, spacing=GRID, margin=2 * GRID)
        across = row(spacing=2 * GRID)
        across.addWidget(self._make_side())
        across.addLayout(self._make_results(), 1)
        layout.addLayout(across, 1)
        layout.addLayout(self._make_foot())
        self.resize(1040, 680)
        self._show_layers()
        self._show_state()

    # ------------------------------------------------------------------ what is chosen

    @property
    def plan(self) -> TrainingPlan:
        """What would be trained."""
        features = str(self.features.currentData())
        return TrainingPlan(
            self.population.values(), self.settings.values(), features, self.number.value(),
            self.corrections.files,
        )  # fmt: skip

    @property
    def is_running(self) -> bool:
        """Whether a training goes on."""
        return self._run is not None

    # ------------------------------------------------------------------ how it is put together

    def _make_side(self) -> QScrollArea:
        self.features = QComboBox()
        self.features.setObjectName("features")
        for features in FEATURE_SETS.values():
            method = METHOD_OF_FEATURES[features.name]
            self.features.addItem(f"{features.title}, for {method}", features.name)
        self.features.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.features.currentIndexChanged.connect(self._show_layers)
        self.number = CountBox()
        self.number.setRange(FEWEST, MOST)
        self.number.setSingleStep(1000)
        self.number.setValue(USUAL)
        self.number.setKeyboardTracking(False)
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.number.setToolTip("Synthetic agglomerates to make: 20 000 for a try, 100 000 for good networks")
        self.population = ParameterForm(TrainingPopulation)
        self.settings = ParameterForm(TrainingSettings)
        self.settings.values_changed.connect(lambda _: self._show_layers())
        self.layers = NetworkPicture()
        self.layer_text = QLabel()
        self.layer_text.setWordWrap(True)
        top = QGridLayout()
        top.setSpacing(HALF)
        top.setHorizontalSpacing(GRID)
        top.setColumnStretch(1, 1)
        top.addWidget(QLabel("Features"), 0, 0)
        top.addWidget(self.features, 0, 1)
        top.addWidget(QLabel("Agglomerates"), 1, 0)
        top.addWidget(self.number, 1, 1)
        self.corrections = CorrectionFiles()
        top.addWidget(QLabel("Corrected"), 2, 0)
        top.addWidget(self.corrections, 2, 1)
        self._inputs = QWidget()
        forms = column(self._inputs)
        forms.addLayout(top)
        forms.addWidget(_title("Agglomerates to learn from"))
        forms.addWidget(self.population)
        forms.addWidget(_title("Training"))
        forms.addWidget(self.settings)
        inside = QWidget()
        layout = column(inside)
        layout.setContentsMargins(0, 0, GRID, 0)
        layout.addWidget(self._inputs)
        layout.addWidget(_title("Layers"))
        layout.addWidget(self.layers)
        layout.addWidget(self.layer_text)
        layout.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        area.setFixedWidth(SIDE_WIDTH)
        return area

    def _make_results(self) -> QGridLayout:
        self.network = QComboBox()
        self.network.setObjectName("network")
        self.network.addItem("The network in training", "")
        self.network.currentIndexChanged.connect(self._show_curve)
        self.curve_name = QLabel()
        self.loss = LossPlot()
        losses = QWidget()
        layout = column(losses, margin=GRID)
        head = row()
        head.addWidget(self.network)
        head.addWidget(self.curve_name, 1)
        layout.addLayout(head)
        layout.addWidget(self.loss, 1)
        self.confusion = ConfusionMatrix()
        self.areas = AreaPlot()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(losses, "Learning")
        self.tabs.addTab(self.confusion, "Numbers")
        self.tabs.addTab(self.areas, "Areas")
        self.tabs.setTabToolTip(1, "True number of particles against that of the network, of the test part")
        self.tabs.setTabToolTip(2, "True areas against those of the networks, of the test part")
        self.words = QLabel()
        self.words.setObjectName("figures")
        self.words.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setMinimumHeight(5 * self.fontMetrics().lineSpacing())
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop)
        grid = QGridLayout()
        grid.setSpacing(GRID)
        grid.addWidget(self.tabs, 0, 0)
        grid.addWidget(self.words, 1, 0)
        grid.setRowStretch(0, 1)
        return grid

    def _make_foot(self) -> QGridLayout:
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(12)
        keep_room(self.bar)
        self.name = QLineEdit()
        self.name.setObjectName("modelName")
        self.name.setAccessibleName("Name of the model")
        self.name.setPlaceholderText("Name of the model")
        self.name.textChanged.connect(self._show_state)
        self.use = QCheckBox("Measure with it")
        self.use.setToolTip("Choose it in the settings of its method, and tick that method")
        self.use.setChecked(True)
        self.save_button = QPushButton("Save model")
        self.save_button.setAutoDefault(False)
        self.save_button.clicked.connect(self._save)
        self.start_button = QPushButton("Train")
        self.start_button.setDefault(True)
        self.start_button.clicked.connect(self._start_or_stop)
        close = QPushButton("Close")
        close.setAutoDefault(False)
        close.setToolTip("A training goes on; open this again to see it")
        close.clicked.connect(self.close)
        saving = row()
        saving.addWidget(self.name, 1)
        saving.addWidget(self.use)
        saving.addWidget(self.save_button)
        buttons = row()
        buttons.addWidget(self.bar, 1)
        buttons.addWidget(close)
        buttons.addWidget(self.start_button)
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.state, 0, 0, 1, 2)
        grid.addLayout(saving, 1, 0)
        grid.addLayout(buttons, 1, 1)
        return grid

    # ------------------------------------------------------------------ training

    def _start_or_stop(self) -> None:
        if self._run is not None:
            self._run.cancel()
            self.start_button.setEnabled(False)
            self._say("Stopping …")
            return
        self._outcome, self._is_saved = None, False
        self._curves = {}
        self._list_networks()
        self.words.clear()
        self.confusion.set_matrix(None)
        self.areas.set_report(None)
        self.tabs.setCurrentIndex(0)
        self._run = run = TrainingRun(self.plan, self)
        run.progressed.connect(self._show_progress)
        run.curves_changed.connect(self._show_curves)
        run.succeeded.connect(self._succeeded)
        run.failed.connect(self._failed)
        run.stopped.connect(lambda: self._end("Stopped."))
        self.bar.setValue(0)
        self._say("Starting …")
        run.start()
        self._show_state()

    def _show_progress(self, fraction: float, message: str, seconds_left: float | None) -> None:
        self.bar.setValue(round(1000 * fraction))
        left = "" if seconds_left is None else f", {seconds_in_words(seconds_left)} left"
        if self._run is not None and self.start_button.isEnabled():
            self._say(f"{message}{left}")

    def _show_curves(self, curves: LossCurves) -> None:
        is_new = curves.keys() != self._curves.keys()
        self._curves = curves
        if is_new:
            self._list_networks()
        self._show_curve()

    def _list_networks(self) -> None:
        """Offer the networks trained so far, the choice unchanged."""
        chosen = self.network.currentData()
        self.network.blockSignals(True)
        while self.network.count() > 1:
            self.network.removeItem(1)
        for name in self._curves:
            self.network.addItem(name, name)
        self.network.setCurrentIndex(max(self.network.findData(chosen), 0))
        self.network.blockSignals(False)
        self._show_curve()

    def _show_curve(self) -> None:
        name = str(self.network.currentData() or next(reversed(self._curves), ""))
        self.curve_name.setText(name if not self.network.currentData() else "")
        self.loss.set_curve(self._curves.get(name, []))

    def _succeeded(self, model: TemModel, report: TrainingReport) -> None:
        self._outcome = model, report
        self._curves = report.losses
        self._list_networks()
        self.confusion.set_matrix(report.confusion)
        self.areas.set_report(report)
        self.words.setText(in_words(report, model.card.get("corrections")))
        self.tabs.setCurrentIndex(1)
        self._show_layers()
        if not self.name.text().strip():
            self.name.setText(_free_name())
        self._end("Trained. Give the networks a name to keep them.")
        self.finished_training.emit(
            f"Networks trained: {100 * report.count_accuracy:.0f} % of the numbers right. Not saved yet."
        )

    def _failed(self, failure: Failure) -> None:
        self._end(str(failure), is_problem=True)
        self.finished_training.emit(f"Training failed: {failure}")
        if not failure.is_known:
            self._runner.failed.emit(failure)

    def _end(self, text: str, is_problem: bool = False) -> None:
        if self._run is not None:
            # Its thread told this last of all: it ends now, with the processes.
            self._run.deleteLater()
            self._run = None
        self.bar.setValue(0)
        self._say(text, is_problem)
        self._show_state()

    # ------------------------------------------------------------------ saving

    def _save(self) -> None:
        if self._outcome is None:
            return
        name, model = check_name(self.name.text()), self._outcome[0]

        def done(_: object) -> None:
            self._is_saved = True
            is_wanted = self.use.isChecked() and self._method() in METHOD_MODULES
            self._say(f"Saved as {name}. Choose it in the settings of the method {self._method()}.")
            self._show_state()
            self.model_saved.emit(name, model.feature_set.name, is_wanted)

        def failed(failure: Failure) -> None:
            self._show_state()
            self._say(str(failure), is_problem=True)

        self.save_button.setEnabled(False)
        self._runner.run_in_thread(save_user_model, name, model, on_done=done, on_error=failed)

    def _method(self) -> str:
        """Name of the method that the trained model is for."""
        features = self.plan.feature_set if self._outcome is None else self._outcome[0].feature_set.name
        return METHOD_OF_FEATURES[features]

    # ------------------------------------------------------------------ state

    def _show_layers(self) -> None:
        """Draw the network that counts, and say the sizes of the others."""
        plan = self.plan
        feature_set = FEATURE_SETS[plan.feature_set]
        n_features, n_measured = len(feature_set.features), len(measured_with(feature_set).features)
        nodes = plan.settings.pnc_nodes
        self.layers.set_layers(
            [("features", n_features), ("hidden (tanh)", nodes), ("numbers (softmax)", LARGEST_COUNT)]
        )
        hidden: tuple[int | str, ...] = ("h",) * LARGEST_COUNT
        if self._outcome is not None and self._outcome[0].feature_set.name == plan.feature_set:
            hidden = self._outcome[1].hidden_nodes
        par = ", ".join(f"{n_features}-{h}-{n}" for n, h in enumerate(hidden, start=1))
        chosen = "" if "h" not in hidden else "; h from 11 to 124 is chosen on the validation part"
        self.layer_text.setText(
            f"PNC-ANN {n_features}-{nodes}-{LARGEST_COUNT}: how many particles.\n"
            f"PAR-ANNs {par}: their areas{chosen}.\n"
            f"Gate {n_measured}-{GATE_NODES}-1: whether there are more, from all that is measured."
        )

    def _show_state(self) -> None:
        is_running = self._run is not None
        self.start_button.setText("Stop" if is_running else "Train")
        self.start_button.setEnabled(True)
        self._inputs.setEnabled(not is_running)
        self.bar.setVisible(is_running)
        can_save = self._outcome is not None and not is_running and not self._is_saved
        for widget in (self.name, self.use):
            widget.setEnabled(can_save)
        problem = ""
        try:
            name = check_name(self.name.text())
            if model_path(name).exists():
                problem = f"There is already a model called {name}."
        except ParameterError as error:
            problem = str(error)
        self.save_button.setEnabled(can_save and not problem)
        self.save_button.setToolTip(problem or "Keep the networks in your folder of models")
        if can_save and self.name.text():
            self._say(problem or "Trained. Give the networks a name to keep them.", bool(problem))
        for tab in (1, 2):
            self.tabs.setTabEnabled(tab, self._outcome is not None)

    def _say(self, text: str, is_problem: bool = False) -> None:
        self.state.setText(text)
        set_warning(self.state, is_problem)

    def shut_down(self) -> None:
        """Stop a training and wait for its processes; nothing comes back after."""
        if self._run is not None:
            self._run.close()
            self._run = None


def in_words(report: TrainingReport, corrections: Mapping[str, Any] | None = None) -> str:
    """Say how good the networks are on agglomerates no decision ever saw, and what corrections did."""
    import numpy as np

    error = np.log(np.maximum(report.area_found, 1e-9) / np.maximum(report.area_true, 1e-9)) / 2
    typical = 100 * float(np.median(np.abs(error))) if len(error) else float("nan")
    return (
        f"Measured on {grouped(report.n[2])} agglomerates kept aside (trained on {grouped(report.n[0])}, "
        f"validated on {grouped(report.n[1])}):\n"
        f"The number of particles is right for {100 * report.count_accuracy:.1f} %. "
        f"The number given, half of the diameters are within {typical:.1f} %; the stated error holds for "
        f"{100 * report.inside_1_sigma:.0f} % (68 % would be exact).\n"
        f"Of the agglomerates of 8 or more particles {100 * report.recall_many:.0f} % are recognised and "
        f"left out; {100 * report.false_exclusions:.1f} % of those of up to 5 are left out by mistake."
        + ("" if corrections is None else f"\n{corrections_in_words(corrections)}")
    )


def _free_name() -> str:
    n = 1
    while model_path(f"My networks {n}").exists():
        n += 1
    return f"My networks {n}"


def _title(text: str) -> QLabel:
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label
