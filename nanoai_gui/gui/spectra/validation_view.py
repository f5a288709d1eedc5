"""What a model is worth: random beside grouped folds, where it errs, and how honest its probabilities are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from nanoai_gui.core.files.spectra_figures import ConfusionChart, ReliabilityChart
from nanoai_gui.gui.spectra.figures import Figures, figure_button
from nanoai_gui.gui.spectra.text_table import TableColumn, TextTable
from nanoai_gui.gui.spectra.training_charts import ClassConfusion, ReliabilityPlot
from nanoai_gui.gui.spectra.words import wordy_label
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.numbers import DASH, count
from nanoai_gui.gui.widgets.section import Section
from nanoai_gui.gui.widgets.warning import set_warning

Report = Mapping[str, Any]
KINDS = {"grouped_folds": "Grouped", "random_folds": "Random"}


class ValidationView(QWidget):
    """Shows the report of a training (the JSON of ``train spectra --report``)."""

    spectra_chosen = Signal(list)
    """Rows of the training table that a person selected among those left out."""

    def __init__(self, figures: Figures, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._figures = figures
        self._report: Report | None = None
        self.sentence = wordy_label()
        font = self.sentence.font()
        font.setBold(True)
        self.sentence.setFont(font)
        self.facts = wordy_label()
        self.notes = wordy_label()
        self.numbers = _NumberGrid()
        self.confusion_box = QComboBox()
        self.confusion_box.setObjectName("confusionOf")
        self.confusion_box.setToolTip("Which answers the matrix counts")
        self.confusion_box.currentIndexChanged.connect(self._show_confusion)
        self.confusion = ClassConfusion()
        self.confusion_button = figure_button("The matrix", "confusionFigure")
        self.confusion_button.clicked.connect(
            lambda: figures.ask(self, "confusion matrix", self.confusion_chart())
        )
        self.reliability_button = figure_button("The curve", "reliabilityFigure")
        self.reliability_button.clicked.connect(
            lambda: figures.ask(self, "reliability", self.reliability_chart())
        )
        self.reliability: ReliabilityPlot | None = None
        self.calibration = wordy_label()
        self._reliability_place = QWidget()
        self._reliability_layout = column(self._reliability_place, spacing=HALF)
        self._reliability_layout.addWidget(self.calibration)
        self.groups = TextTable("perGroup")
        self.groups_title = wordy_label()
        self.dropped = TextTable("leftOut", height=150)
        self.dropped_title = wordy_label()
        self.dropped.rows_chosen.connect(self._choose_dropped)

        layout = column(self, spacing=GRID)
        for widget in (self.sentence, self.numbers, self.facts, self.notes):
            layout.addWidget(widget)
        line = row(spacing=HALF)
        line.addWidget(self.confusion_box, 1)
        line.addWidget(self.confusion_button)
        matrix = QWidget()
        inside = column(matrix, spacing=HALF)
        inside.addLayout(line)
        inside.addWidget(self.confusion)
        layout.addWidget(Section("Where it errs", matrix))
        self._groups_section = Section("Per group", _below(self.groups_title, self.groups))
        layout.addWidget(self._groups_section)
        layout.addWidget(Section("Are its probabilities honest?", self._reliability_place))
        layout.addWidget(Section("Left out of training", _below(self.dropped_title, self.dropped)))

    @property
    def report(self) -> Report | None:
        """What is shown."""
        return self._report

    def set_report(self, report: Report) -> None:
        """Show the report of a training."""
        self._report = report
        self.sentence.setText(_sentence(report))
        self.numbers.set_report(report)
        self.facts.setText(_facts(report))
        self.notes.setText("\n".join(f"⚠ {text}" for text in report["notes"]))
        self.notes.setVisible(bool(report["notes"]))
        set_warning(self.notes, bool(report["notes"]))
        self._offer_confusions(report)
        self._show_groups(report)
        self._show_calibration(report["calibration"])
        self._show_dropped(report["dropped"])

    def _offer_confusions(self, report: Report) -> None:
        box = self.confusion_box
        box.blockSignals(True)
        box.clear()
        for key, name in KINDS.items():
            if report[key] is not None:
                box.addItem(f"Spectra, {name.lower()} folds", (key, "confusion"))
        if report["grouped_folds"] is not None:
            word = _group_word(report)
            box.addItem(f"One answer per {word}", ("grouped_folds", "per_group_confusion"))
        box.blockSignals(False)
        self._show_confusion()

    def _show_confusion(self) -> None:
        chosen = self.confusion_box.currentData()
        if self._report is not None and chosen is not None:
            kind, name = chosen
            self.confusion.set_matrix(self._report["classes"], self._report[kind][name])

    def confusion_chart(self) -> ConfusionChart | None:
        """Give the matrix that is shown, to be written."""
        matrix = self.confusion.matrix
        if self._report is None or matrix is None:
            return None
        return ConfusionChart(tuple(self._report["classes"]), matrix, self.confusion_box.currentText())

    def reliability_chart(self) -> ReliabilityChart | None:
        """Give both curves of reliability, to be written."""
        if self._report is None:
            return None
        found = self._report["calibration"]
        return ReliabilityChart(
            {"with temperature": found["reliability"], "as trained": found["reliability_before"]},
            f"{found['folds']} folds: ECE {100 * found['ece']:.1f} points, Brier score {found['brier']:.3f}",
        )

    def _show_groups(self, report: Report) -> None:
        grouped = report["grouped_folds"]
        self._groups_section.setVisible(grouped is not None)
        if grouped is None:
            return
        groups: Sequence[Report] = grouped["groups"]
        wrong = sum(item["label"] != item["predicted"] for item in groups)
        word = _group_word(report)
        self.groups_title.setText(
            f"The mean probability over all spectra of a {word} names the right class for "
            f"{len(groups) - wrong} of {len(groups)}."
        )
        right = [item["probabilities"][item["label"]] for item in groups]
        self._groups_section.set_title(f"Per {word}")
        self.groups.set_columns(
            [
                TableColumn(word.capitalize(), np.array([item["group"] for item in groups])),
                TableColumn("True", np.array([item["label"] for item in groups])),
                TableColumn("Found", np.array([_marked(item) for item in groups]), tip="✗: not the true one"),
                TableColumn("p true", np.array(right), _percent, "Mean probability of the true class"),
                TableColumn("n", np.array([item["n"] for item in groups]), tip="Spectra"),
            ]
        )

    def _show_calibration(self, found: Report) -> None:
        if self.reliability is None:
            # Only now, as it is not needed before there is a result.
            self.reliability = ReliabilityPlot()
            self._reliability_layout.addWidget(self.reliability)
            self._reliability_layout.addWidget(self.reliability_button, 0, Qt.AlignmentFlag.AlignRight)
        self.reliability.set_curves(found["reliability"], found["reliability_before"])
        self.calibration.setText(
            f"Expected calibration error {100 * found['ece']:.1f} points "
            f"({100 * found['ece_before']:.1f} before the temperature of {found['temperature']:.2f}), "
            f"Brier score {found['brier']:.3f} ({found['brier_before']:.3f}); {found['folds']} folds. "
            "Points below the dashed line: more certain than right."
        )

    def _show_dropped(self, items: Sequence[Report]) -> None:
        n = count(len(items), "spectrum", "spectra")
        self.dropped_title.setText(
            f"{n} left out of the final training; every fold chooses anew among those it trains on, and is "
            "tested on all."
            if items
            else "Nothing was left out."
        )
        self.dropped.setVisible(bool(items))
        self.dropped.set_columns(
            [
                TableColumn("Spectrum", np.array([item["row"] for item in items], np.int64)),
                TableColumn("Label", np.array([item.get("label", "") for item in items], np.str_)),
                TableColumn("Reason", np.array([item["reason"] for item in items], np.str_)),
                TableColumn("Source", np.array([_source(item) for item in items], np.str_)),
            ]
        )

    def _choose_dropped(self, rows: list[int]) -> None:
        if self._report is not None:
            self.spectra_chosen.emit([int(self._report["dropped"][row]["row"]) for row in rows])


class _NumberGrid(QWidget):
    """Measures by row, grouped and random folds by column."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GRID)
        self._grid.setVerticalSpacing(HALF)
        self._grid.setColumnStretch(0, 1)
        self._labels: list[QLabel] = []
        self._rows: list[tuple[str, ...]] = []

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """What is written, row by row, the titles first."""
        return self._rows

    def set_report(self, report: Report) -> None:
        """Write the numbers of a report."""
        for label in self._labels:
            self._grid.removeWidget(label)
            label.hide()
            label.deleteLater()
        self._labels.clear()
        kinds = [key for key in KINDS if report[key] is not None]
        self._rows = [("", *(f"{KINDS[key]} folds" for key in kinds))]
        self._rows += _measure_rows(report, kinds)
        for i, texts in enumerate(self._rows):
            for j, text in enumerate(texts):
                label = QLabel(text)
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                if j:
                    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                else:
                    label.setWordWrap(True)
                font = label.font()
                # The lower number is the one to quote.
                font.setBold(i == 0 or (i == 1 and j == 1))
                label.setFont(font)
                self._grid.addWidget(label, i, j)
                self._labels.append(label)


def _measure_rows(report: Report, kinds: Sequence[str]) -> list[tuple[str, ...]]:
    found = [report[key] for key in kinds]
    over = found[0]["ci95_over"]
    rows = [
        ("Balanced accuracy", *(_percent(f["balanced_accuracy"]) for f in found)),
        (f"  95 % over {over}", *(_range(f["ci95"]["balanced_accuracy"]) for f in found)),
        ("  nothing left out", *(_percent(f["without_dropping"]["balanced_accuracy"]) for f in found)),
    ]
    for name in found[0]["baselines"]:
        rows.append(
            (f"  {name} instead", *(_percent(f["baselines"][name]["balanced_accuracy"]) for f in found))
        )
    rows += [
        ("Accuracy", *(_percent(f["accuracy"]) for f in found)),
        (f"  95 % over {over}", *(_range(f["ci95"]["accuracy"]) for f in found)),
    ]
    if report["grouped_folds"] is not None:
        word = _group_word(report)
        own = [f.get("per_group_accuracy") for f in found]
        ends = [f["per_group_ci95"]["accuracy"] if "per_group_ci95" in f else None for f in found]
        rows.append((f"Accuracy per {word}", *(DASH if v is None else _percent(v) for v in own)))
        rows.append(("  95 %", *(_range(pair) for pair in ends)))
    return rows


def _sentence(report: Report) -> str:
    if report["gap"] is not None:
        return str(report["gap"]["explanation"])
    share = 100 * report["random_folds"]["balanced_accuracy"]
    return (
        f"{share:.1f} % of the spectra are right (balanced accuracy, random folds), but nobody can tell how "
        "the model does on new dishes, cells or patients: no groups kept spectra of one sample together."
    )


def _facts(report: Report) -> str:
    groups = ""
    if report["n_groups"]:
        groups = f" of {report['n_groups']} groups ({report['group_column']})"
    lines = [
        f"{count(report['n_spectra'], 'spectrum', 'spectra')}{groups}; "
        + ", ".join(f"{name} {n}" for name, n in report["spectra_per_class"].items()),
        f"{count(report['n_components'], 'component')} for {100 * report['variance_explained']:.1f} % of the "
        f"variance; {report['seconds']:.0f} s",
    ]
    p = report["permutation_p"]
    if p is not None:
        test = report["permutation_test"]
        chance = "like chance" if p > 0.05 else "better than chance"
        lines.append(
            f"Permutation test: p = {p:.2g}, {chance} (labels shuffled between {test['shuffled_between']}, "
            f"{test['n']} times)"
        )
    rejected = report["rejection"]
    accepted = rejected["accuracy_of_accepted"]
    lines.append(
        f"{100 * rejected['held_out_rejected']:.1f} % of held-out spectra are not classified"
        + ("" if accepted is None else f"; of the others {100 * accepted:.1f} % are right")
    )
    return "\n".join(lines)


def _group_word(report: Report) -> str:
    return str(report["group_column"]) or "group"


def _marked(item: Report) -> str:
    right = item["label"] == item["predicted"]
    return str(item["predicted"]) if right else f"✗ {item['predicted']}"


def _source(item: Report) -> str:
    return f"{item['source']} · {item['index']}" if item.get("source") else ""


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _range(ends: Sequence[float] | None) -> str:
    return DASH if ends is None else f"{100 * ends[0]:.1f} … {100 * ends[1]:.1f} %"


def _below(*widgets: QWidget) -> QWidget:
    whole = QWidget()
    layout: QVBoxLayout = column(whole, spacing=HALF)
    for widget in widgets:
        layout.addWidget(widget)
    return whole
