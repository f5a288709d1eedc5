"""Classifies maps with the model, and shows and exports what it says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QWidget,
)

from nanoai_gui.core.files.spectra_figures import FractionsChart
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.spectra.fractions import (
    Fractions,
    Grouping,
    class_fractions,
    columns_used,
    group_columns,
    group_spectra,
)
from nanoai_gui.core.spectra.model import Predictions, SpectraModel
from nanoai_gui.core.spectra.rejection import REASONS
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.classification import Classification
from nanoai_gui.gui.spectra.colours import class_colours
from nanoai_gui.gui.spectra.figures import Figures, figure_button
from nanoai_gui.gui.spectra.model_card import ModelCard
from nanoai_gui.gui.spectra.prediction_charts import ClassProbabilities, FractionBars
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.text_table import TableColumn, TextTable
from nanoai_gui.gui.spectra.threshold_form import ThresholdForm
from nanoai_gui.gui.spectra.words import wordy_label
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.section import Section
from nanoai_gui.gui.widgets.warning import set_warning

REFRESH_MS = 40
"""How long the panel waits for further news before it counts anew, while a limit is being moved."""
GROUP_TITLES = {
    "cell": "Cell",
    "dish": "Dish",
    "map": "Map",
    "roi": "Region",
    "source": "File",
    "time_h": "Time",
}
PREFERRED = ("cell", "map", "dish", "roi", "source")
MOST_HEIGHT = 280
MOST_GROUPINGS = 50
NOTHING = "Classify this map to see its classes."

Classified = list[tuple[SpectralSet, Predictions]]


class PredictionPanel(QWidget):
    """Model, run, the spectrum looked at, limits, shares of classes, table, and export."""

    exported = Signal(str, bool)
    """What came of an export in a sentence, and whether it failed."""

    def __init__(
        self, session: SpectraSession, jobs: JobRunner, figures: Figures, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._jobs, self._figures = session, jobs, figures
        self._hovered: int | None = None
        self._original: SpectraModel | None = None
        self._is_stale = True
        # The last few are enough for all maps by one column.
        self._groupings: deque[tuple[tuple[NDArray[Any], ...], Grouping]] = deque(maxlen=MOST_GROUPINGS)
        self._timer = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._timer.timeout.connect(self._refresh)
        self.run = Classification(session, jobs, self)
        self.card = ModelCard(session, jobs)

        layout = column(self, spacing=GRID, margin=GRID)
        layout.addWidget(Section("Model", self.card))
        layout.addWidget(self._make_run())
        layout.addWidget(Section("Spectrum", self._make_spectrum()))
        layout.addWidget(Section("Not classified", self._make_limits()))
        layout.addWidget(Section("Shares of the classes", self._make_shares()))
        layout.addWidget(Section("Spectra of this map", self._make_table()))
        layout.addStretch(1)

        self.run.progressed.connect(self._progressed)
        self.run.ended.connect(self._ended)
        session.model_changed.connect(self._model_changed)
        session.predictions_changed.connect(self._predictions_changed)
        session.selection_changed.connect(self._show_spectrum)
        for signal in (
            session.current_changed,
            session.sets_removed,
            session.sets_added,
            session.set_changed,
        ):
            signal.connect(self._later)
        self._model_changed()

    # ------------------------------------------------------------------ parts

    def _make_run(self) -> QWidget:
        whole = QWidget()
        self.current_button = _button(
            "Classify this map", "classifyCurrent", "The map or series that is shown"
        )
        self.all_button = _button("Classify all", "classifyAll", "Every map and series of the list")
        self.cancel_button = _button("Cancel", "cancelClassify", "Stop; what is done is kept")
        self.current_button.clicked.connect(self._classify_current)
        self.all_button.clicked.connect(self._classify_all)
        self.cancel_button.clicked.connect(self.run.cancel)
        buttons = row(spacing=HALF)
        for button in (self.current_button, self.all_button, self.cancel_button):
            buttons.addWidget(button)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.hide()
        self.message = wordy_label()
        self.message.hide()
        layout = column(whole, spacing=HALF)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.message)
        return whole

    def _make_spectrum(self) -> QWidget:
        whole = QWidget()
        self.spectrum_words = wordy_label()
        self.bars = ClassProbabilities()
        layout = column(whole, spacing=HALF)
        layout.addWidget(self.spectrum_words)
        layout.addWidget(self.bars)
        return whole

    def _make_limits(self) -> QWidget:
        whole = QWidget()
        self.limits = ThresholdForm()
        self.limits.thresholds_changed.connect(self._session.set_thresholds)
        self.reset_button = _button(
            "As trained", "resetLimits", "Go back to the limits that came with the model"
        )
        self.reset_button.clicked.connect(self._reset_limits)
        layout = column(whole, spacing=HALF)
        layout.addWidget(self.limits)
        layout.addWidget(self.reset_button, 0, Qt.AlignmentFlag.AlignLeft)
        return whole

    def _make_shares(self) -> QWidget:
        whole = QWidget()
        self.group_box = QComboBox()
        self.group_box.setObjectName("sharesBy")
        self.group_box.setToolTip("What one bar stands for; bars are in the order of their times")
        self.group_box.currentIndexChanged.connect(self._show_shares)
        self.shares = FractionBars()
        self.tables_button = _button(
            "Tables…", "exportTables", "predictions.csv and summary.json, to a folder"
        )
        self.chart_button = figure_button("This chart", "exportChart")
        self.tables_button.clicked.connect(self._ask_for_tables)
        self.chart_button.clicked.connect(self._ask_for_chart)
        line = row(spacing=HALF)
        line.addWidget(self.group_box, 1)
        line.addWidget(self.tables_button)
        line.addWidget(self.chart_button)
        self.export_words = wordy_label()
        self.export_words.hide()
        layout = column(whole, spacing=HALF)
        layout.addLayout(line)
        layout.addWidget(self.export_words)
        self._shares_area = QScrollArea()
        self._shares_area.setWidget(self.shares)
        self._shares_area.setWidgetResizable(True)
        self._shares_area.setFrameShape(QFrame.Shape.NoFrame)
        self._shares_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout.addWidget(self._shares_area)
        return whole

    def _make_table(self) -> QWidget:
        self.table = TextTable("predictions", height=240)
        self.table.rows_chosen.connect(lambda rows: self._session.select(rows))
        return self.table

    # ------------------------------------------------------------------ running

    def _classify_current(self) -> None:
        if self._session.current is not None:
            self._start([self._session.current])

    def _classify_all(self) -> None:
        self._start([entry.key for entry in self._session.ready()])

    def _start(self, keys: list[int]) -> None:
        self.message.hide()
        self.bar.setValue(0)
        self.run.start(keys)
        self.bar.setVisible(self.run.is_running)
        self._enable()

    def _progressed(self, fraction: float, _: str) -> None:
        self.bar.setValue(round(1000 * fraction))

    def _ended(self, words: str, is_problem: bool) -> None:
        self.bar.hide()
        self.message.setText(words)
        set_warning(self.message, is_problem)
        self.message.show()
        self._enable()

    def shut_down(self) -> None:
        """Stop; nothing may be shown after this."""
        self._timer.stop()
        self.run.cancel()

    # ------------------------------------------------------------------ following the session

    def showEvent(self, event: QShowEvent) -> None:
        """Count now what changed while the panel was hidden."""
        super().showEvent(event)
        if self._is_stale:
            self._refresh()

    def _model_changed(self) -> None:
        model = self._original = self._session.model
        self.bars.set_classes(model.classes if model is not None else ())
        if model is not None:
            self.limits.set_thresholds(model.thresholds)
        self.limits.setEnabled(model is not None)
        self.message.hide()
        self.export_words.hide()
        self._later()
        self._enable()

    def _predictions_changed(self, key: int) -> None:
        self._later()
        if key == self._session.current:
            self._show_spectrum()

    def _later(self) -> None:
        self._is_stale = True
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def _refresh(self) -> None:
        self._is_stale = False
        model = self._session.model
        if model is not None and model.thresholds != self.limits.thresholds:
            self.limits.set_thresholds(model.thresholds)
        classified = self._classified()
        self.limits.set_predictions([predictions for _, predictions in classified])
        self._offer_groups(classified)
        self._show_shares()
        self._show_table()
        self._show_spectrum()
        self._enable()

    def _classified(self) -> Classified:
        """Give all sets that have been classified, with names and labels of their regions."""
        found = []
        for entry in self._session.ready():
            predictions = self._session.predictions(entry.key)
            if predictions is not None and entry.content is not None:
                found.append((entry.content.with_region_columns(), predictions))
        return found

    def _enable(self) -> None:
        session = self._session
        can_run = session.model is not None and not self.run.is_running
        self.current_button.setEnabled(can_run and session.current is not None)
        self.all_button.setEnabled(can_run and bool(session.ready()))
        self.cancel_button.setEnabled(self.run.is_running)
        has_any = any(session.predictions(entry.key) is not None for entry in session.ready())
        for widget in (self.tables_button, self.chart_button, self.group_box):
            widget.setEnabled(has_any)
        self.reset_button.setEnabled(
            session.model is not None
            and self._original is not None
            and session.model.thresholds != self._original.thresholds
        )

    # ------------------------------------------------------------------ one spectrum

    def hover(self, spectrum: int, *_: float) -> None:
        """Show the spectrum under the pointer; -1: the one that is looked at again."""
        hovered = None if spectrum < 0 else spectrum
        if hovered != self._hovered:
            self._hovered = hovered
            self._show_spectrum()

    def _show_spectrum(self) -> None:
        session = self._session
        key, number = session.current, session.spectrum
        predictions = None if key is None else session.predictions(key)
        if self._hovered is not None:
            number = self._hovered
        if predictions is None or number is None or number >= predictions.reason.size:
            self.spectrum_words.setText(NOTHING if session.model is not None else "")
            self.bars.set_values((), True, 0.0)
            return
        rows = session.selected
        reason = int(predictions.reason[number])
        if self._hovered is None and rows.size > 1:
            values = predictions.probabilities[rows].mean(axis=0)
            n = int(predictions.rejected[rows].sum())
            words = f"Mean of {rows.size} selected spectra; {n} of them not classified"
            reason = 0
        else:
            values = predictions.probabilities[number]
            named = predictions.classes[int(predictions.best[number])]
            words = f"Spectrum {number + 1}: " + (f"not classified, {REASONS[reason]}" if reason else named)
        self.spectrum_words.setText(words)
        least = session.model.thresholds.probability if session.model is not None else 0.0
        self.bars.set_values(values.tolist(), reason == 0, least)

    # ------------------------------------------------------------------ all of them

    def _reset_limits(self) -> None:
        if self._original is not None:
            self._session.set_thresholds(self._original.thresholds)
            self.limits.set_thresholds(self._original.thresholds)
            self._enable()

    def _offer_groups(self, classified: Classified) -> None:
        box, chosen = self.group_box, self.group_box.currentData()
        names = group_columns(spectra for spectra, _ in classified)
        if [box.itemData(i) for i in range(box.count())] == names:
            return
        box.blockSignals(True)
        box.clear()
        for name in names:
            box.addItem(f"One bar per {GROUP_TITLES.get(name, name).lower()}", name)
        if chosen not in names:
            chosen = next((name for name in PREFERRED if name in names), None)
        box.setCurrentIndex(max(box.findData(chosen), 0))
        box.blockSignals(False)

    def fractions(self) -> Fractions | None:
        """Give the shares that are shown."""
        classified = self._classified()
        if not classified:
            return None
        column = str(self.group_box.currentData() or "source")
        groupings = [self._grouping(spectra, column) for spectra, _ in classified]
        return class_fractions(classified, column, groupings)

    def _grouping(self, spectra: SpectralSet, column: str) -> Grouping:
        """Group the spectra of a set, once: limits are moved by the step, and cells stay what they are."""
        used = columns_used(spectra, column)
        for known, grouping in self._groupings:
            same = len(known) == len(used) and all(a is b for a, b in zip(known, used, strict=True))
            if same and grouping.place.size == spectra.n_spectra:
                return grouping
        grouping = group_spectra(spectra, column)
        self._groupings.append((used, grouping))
        return grouping

    def _show_shares(self) -> None:
        self.shares.set_fractions(self.fractions())
        # A few bars are shown whole; of many cells a part that scrolls, so that the table stays in reach.
        self._shares_area.setFixedHeight(min(self.shares.sizeHint().height(), MOST_HEIGHT))

    def _show_table(self) -> None:
        key, spectra = self._session.current, self._session.spectra
        predictions = None if key is None else self._session.predictions(key)
        if predictions is None or spectra is None:
            self.table.set_columns([])
            return
        rows = np.arange(spectra.n_spectra)
        columns = [
            TableColumn("#", rows + 1, tip="Number of the spectrum"),
            TableColumn("Class", np.array(predictions.classes)[predictions.best]),
            TableColumn("p", predictions.probabilities.max(axis=1), lambda p: f"{p:.3f}", "Its probability"),
            TableColumn(
                "Not classified",
                predictions.reason,
                lambda r: REASONS[r],
                "Why the class is not to be trusted",
                is_text=True,
            ),
        ]
        for name in ("dish", "cell", "roi", "label"):
            values = spectra.text(name)
            if (values != "").any():
                columns.append(TableColumn(GROUP_TITLES.get(name, name.capitalize()), values))
        self.table.set_columns(columns)

    # ------------------------------------------------------------------ export

    def write_tables(self, folder: Path) -> None:
        """Write predictions.csv and summary.json, in a thread."""
        model = self._session.model
        if model is not None:
            self._export(_write_tables, folder, model, self._classified(), said=f"Written to {folder.name}.")

    def chart(self) -> FractionsChart | None:
        """Give the chart of shares, to be written."""
        fractions = self.fractions()
        return None if fractions is None else FractionsChart(fractions, class_colours(fractions.classes))

    def _export(self, task: Callable[..., None], *args: Any, said: str) -> None:  # noqa: ANN401
        def failed(failure: Failure) -> None:
            self._say_exported(str(failure), True)
            if not failure.is_known:
                self._jobs.failed.emit(failure)

        self._jobs.run_in_thread(
            task, *args, on_done=lambda _: self._say_exported(said, False), on_error=failed
        )

    def _say_exported(self, words: str, is_problem: bool) -> None:
        self.export_words.setText(words)
        set_warning(self.export_words, is_problem)
        self.export_words.show()
        self.exported.emit(words, is_problem)

    def _ask_for_tables(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export predictions to a folder")
        if folder:
            self.write_tables(Path(folder))

    def _ask_for_chart(self) -> None:
        self._figures.ask(self, "classes", self.chart())


def _write_tables(folder: Path, model: SpectraModel, classified: Classified) -> None:
    from nanoai_gui.core.files.predictions import PredictionTables

    with PredictionTables(folder, model, "(model in the window)") as tables:
        for spectra, predictions in classified:
            tables.add(spectra, predictions)


def _button(text: str, name: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tip)
    return button
