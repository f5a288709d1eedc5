"""Trains a model of the labelled spectra: what to learn, how, and what came of it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QWidget,
)

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.files.atomic import write_bytes
from nanoai_gui.core.jobs import Failure, Priority
from nanoai_gui.core.spectra.classifier import ClassifierSettings, Method
from nanoai_gui.core.spectra.degenerate import DegenerateRule
from nanoai_gui.core.spectra.rejection import RejectionSettings
from nanoai_gui.core.spectra.tasks import read_message, train_task
from nanoai_gui.core.spectra.training import (
    TrainedSpectra,
    TrainingSettings,
    ValidationSettings,
)
from nanoai_gui.core.worker import Packed, discard
from nanoai_gui.gui.jobs import JobRunner, Task
from nanoai_gui.gui.spectra.figures import Figures
from nanoai_gui.gui.spectra.model_card import ModelCard
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.training_charts import LossPlot
from nanoai_gui.gui.spectra.training_data import (
    TrainingParts,
    gather_parts,
    join_and_pack,
)
from nanoai_gui.gui.spectra.validation_view import ValidationView
from nanoai_gui.gui.spectra.what_to_learn import WhatToLearn
from nanoai_gui.gui.spectra.words import wordy_label
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button, row
from nanoai_gui.gui.widgets.parameter_form import ParameterForm
from nanoai_gui.gui.widgets.section import Section
from nanoai_gui.gui.widgets.warning import set_warning

REFRESH_MS = 150
SURE_AFTER = 0.05
"""Share of the work after which a guess of the time left is worth showing."""
NETWORK_ONLY = (
    "hidden_1", "hidden_2", "members", "solver", "learning_rate", "epochs", "batch", "weight_decay",
    "averages",
)  # fmt: skip


class TrainingPanel(QWidget):
    """Forms, a live loss curve, and the validation of the model."""

    trained = Signal(object)
    """The :class:`TrainedSpectra`, already in the session; :attr:`places` tells where its spectra are."""
    reported = Signal(object)
    """Path of a report that was written."""
    ended = Signal()
    """A training ended, was cancelled or refused."""

    def __init__(
        self, session: SpectraSession, jobs: JobRunner, figures: Figures, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._jobs = session, jobs
        self._task: Task | None = None
        self._packed: Packed | None = None
        self._began = 0.0
        self._is_stale = True
        self.places: TrainingParts | None = None
        self._all_places: TrainingParts | None = None
        self.result: TrainedSpectra | None = None
        self._timer = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._timer.timeout.connect(self._refresh)

        layout = column(self, spacing=GRID, margin=GRID)
        self.what = WhatToLearn(session)
        self.what.changed.connect(self._describe_data)
        self.what.described.connect(lambda can: self.train_button.setEnabled(can and self._task is None))
        layout.addWidget(Section("What to learn", self.what))
        layout.addWidget(self._make_forms())
        layout.addLayout(self._make_buttons())
        self.problem = wordy_label("problem")
        self.problem.hide()
        self.message = wordy_label("trainingMessage")
        # Room for the longest message, so that nothing below it jumps.
        self.message.setMinimumHeight(3 * self.fontMetrics().lineSpacing())
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.loss: LossPlot | None = None
        self._running = QWidget()
        self._running_layout = column(self._running, spacing=HALF)
        self._running_layout.addWidget(self.bar)
        self._running_layout.addWidget(self.message)
        self._running.hide()
        self.validation = ValidationView(figures)
        self.validation.spectra_chosen.connect(self._select_in_session)
        self.report_button = flat_button("Save report…", "All of it as JSON, like that of the command line")
        self.report_button.clicked.connect(self._ask_for_report)
        self._result = Section("What it is worth", self.validation, self.report_button)
        self._result.hide()
        self.card = ModelCard(session, jobs)
        for widget in (self.problem, self._running, self._result, Section("Model in use", self.card)):
            layout.addWidget(widget)
        layout.addStretch(1)

        for signal in (session.sets_added, session.sets_removed, session.set_changed):
            signal.connect(self._data_changed)
        session.pipeline_changed.connect(self._data_changed)

    # ------------------------------------------------------------------ parts

    def _make_forms(self) -> QWidget:
        def is_network(values: ClassifierSettings) -> bool:
            return values.method is not Method.LDA

        rules = dict.fromkeys(NETWORK_ONLY, is_network)
        rules["variance_percent"] = lambda values: values.n_components == 0
        used = dict.fromkeys(
            ("distance_ratio", "least_signal", "saturation", "duplicates"), lambda values: values.use
        )
        self.classifier = ParameterForm(ClassifierSettings, rules)
        self.rule = ParameterForm(DegenerateRule, used)
        self.validating = ParameterForm(ValidationSettings)
        self.rejecting = ParameterForm(RejectionSettings)
        self.validating.values_changed.connect(self._describe_data)
        forms = QWidget()
        layout = column(forms, spacing=GRID)
        for title, form, is_open in (
            ("Classifier", self.classifier, False),
            ("Degenerate spectra", self.rule, False),
            ("Validation", self.validating, True),
            ("Rejection", self.rejecting, False),
        ):
            section = Section(title, form)
            section.set_open(is_open)
            layout.addWidget(section)
        return forms

    def _make_buttons(self) -> QHBoxLayout:
        line = row()
        self.train_button = QPushButton("Train")
        self.train_button.setObjectName("train")
        self.train_button.setToolTip("Validate in folds, then train on all labelled spectra")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setObjectName("cancelTraining")
        self.cancel_button.setEnabled(False)
        self.train_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        line.addWidget(self.train_button, 1)
        line.addWidget(self.cancel_button)
        return line

    # ------------------------------------------------------------------ what there is to learn from

    def showEvent(self, event: QShowEvent) -> None:
        """Look at the labels now, if they changed while the panel was hidden."""
        super().showEvent(event)
        if self._is_stale:
            self._refresh()

    def _data_changed(self) -> None:
        self._is_stale = True
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def _refresh(self) -> None:
        self._is_stale = False
        self.what.refresh()

    def _describe_data(self) -> None:
        self.what.describe(self.validating.values().n_folds)

    # ------------------------------------------------------------------ a training

    @property
    def is_running(self) -> bool:
        """Whether a training runs."""
        return self._task is not None

    def start(self) -> None:
        """Train in a worker."""
        if self.is_running:
            return
        self._say_problem("")
        try:
            parts = gather_parts(self._session, self.what.label)
            settings = TrainingSettings(
                self.what.pipelines(parts.parts[0].axis),
                self.classifier.values(),
                self.rule.values(),
                self.rejecting.values(),
                self.validating.values(),
            )
        except NanoAIError as error:
            self._say_problem(str(error))
            self.ended.emit()
            return
        self._began = time.monotonic()
        self._show_running(True)
        self._tell_progress(0.0, "Collecting the spectra")
        label, group = self.what.label, self.what.group or None

        def packed(value: Packed) -> None:
            self._packed = value
            self._task = self._jobs.run(
                train_task, value, label, group, settings,
                on_done=lambda result: self._finish(result, parts),
                on_error=self._fail, on_progress=self._on_progress, priority=Priority.BATCH,
            )  # fmt: skip

        self._task = self._jobs.run_in_thread(join_and_pack, parts.parts, on_done=packed, on_error=self._fail)

    def cancel(self) -> None:
        """Stop the training, and drop what it found."""
        if self._task is not None:
            self._task.cancel()
            self._end()

    def shut_down(self) -> None:
        """Stop; nothing may be shown after this."""
        self.cancel()

    def _on_progress(self, fraction: float, message: str) -> None:
        news = read_message(message)
        self._tell_progress(fraction, news.text)
        if self.loss is not None:
            self.loss.set_curve(news.network, news.curve)

    def _tell_progress(self, fraction: float, text: str) -> None:
        self.bar.setValue(round(1000 * fraction))
        if fraction > SURE_AFTER:
            left = (time.monotonic() - self._began) / fraction * (1 - fraction)
            text = f"{text}\n{_duration(left)} left"
        self.message.setText(text)

    def _finish(self, result: TrainedSpectra, parts: TrainingParts) -> None:
        self._end(is_done=True)
        self.result = result
        self.places = replace(
            parts, keys=parts.keys[result.training_set.rows], rows=parts.rows[result.training_set.rows]
        )
        self._all_places = parts
        self.validation.set_report(result.report)
        self._result.show()
        self._session.set_model(result.model)
        self.trained.emit(result)
        self.ended.emit()
        QTimer.singleShot(0, self, self._reveal_result)

    def _reveal_result(self) -> None:
        """Scroll to the result: it lies below all that was asked."""
        parent = self.parentWidget()
        while parent is not None and not isinstance(parent, QScrollArea):
            parent = parent.parentWidget()
        if parent is not None:
            top = self._result.mapTo(self, self._result.rect().topLeft()).y()
            parent.verticalScrollBar().setValue(top - GRID)

    def _fail(self, failure: Failure) -> None:
        self._end(is_done=True)
        if failure.is_known:
            self._say_problem(str(failure))
        else:
            self._jobs.failed.emit(failure)
        self.ended.emit()

    def _end(self, is_done: bool = False) -> None:
        self._task = None
        if self._packed is not None:
            discard(self._packed)
            self._packed = None
        self._show_running(False)
        if not is_done:
            self.ended.emit()

    def _show_running(self, runs: bool) -> None:
        if runs and self.loss is None:
            self.loss = LossPlot()
            self._running_layout.addWidget(self.loss)
        if runs and self.loss is not None:
            self.loss.clear_curves()
        self._running.setVisible(runs)
        self.train_button.setEnabled(not runs)
        self.cancel_button.setEnabled(runs)

    def _say_problem(self, text: str) -> None:
        self.problem.setText(text)
        set_warning(self.problem, bool(text))
        self.problem.setVisible(bool(text))

    def write_report(self, path: Path) -> None:
        """Write the report of the last training as JSON, in a thread."""
        if self.result is None:
            return
        content = json.dumps(self.result.report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self._jobs.run_in_thread(
            write_bytes, path, content.encode(),
            on_done=lambda _: self.reported.emit(path),
            on_error=lambda failure: self._say_problem(str(failure)),
        )  # fmt: skip

    def _ask_for_report(self) -> None:
        file, _ = QFileDialog.getSaveFileName(self, "Save report", "report.json", "JSON (*.json)")
        if file:
            self.write_report(Path(file))

    def _select_in_session(self, rows: list[int]) -> None:
        """Show spectra of the training table where they come from."""
        if self._all_places is None or not rows:
            return
        keys, own = self._all_places.keys[rows], self._all_places.rows[rows]
        key = int(keys[0])
        if key in self._session:
            self._session.set_current(key)
            self._session.select(own[keys == key])


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
