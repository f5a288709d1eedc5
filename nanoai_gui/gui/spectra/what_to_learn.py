"""Which column names the classes, what is kept together, and what is done to the spectra before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QFormLayout, QWidget

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.spectra.preprocessing import PRESETS, Pipeline
from nanoai_gui.core.spectra.training import default_preset
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.training_data import (
    NO_GROUPS,
    best_group,
    doubts,
    gather_parts,
    summary,
    text_columns,
)
from nanoai_gui.gui.spectra.words import choice_box, wordy_label
from nanoai_gui.gui.widgets.layout import HALF
from nanoai_gui.gui.widgets.warning import set_warning

STEPS, CHOOSE = "steps", "choose"
"""The steps of the list, and a preset that every fold chooses."""


class WhatToLearn(QWidget):
    """Three boxes, what they lead to in a sentence, and doubts about it."""

    changed = Signal()
    """Something else is to be learned; :meth:`describe` says what."""
    described = Signal(bool)
    """Whether there is anything to learn from."""

    def __init__(self, session: SpectraSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._group_was_chosen = self._steps_were_chosen = False
        self.label_box = choice_box("labelColumn", "Column that names the class of a spectrum", 8)
        self.group_box = choice_box(
            "groupColumn",
            "Spectra of one dish, cell or patient are never both learned from and tested on; choose the "
            "highest level there is",
            8,
        )
        self.steps_box = choice_box(
            "trainingSteps", "What is done to the spectra before; it is saved with the model", 8
        )
        self.steps_box.addItem("", STEPS)
        for preset in PRESETS:
            self.steps_box.addItem(preset.title, preset.name)
            place = self.steps_box.count() - 1
            self.steps_box.setItemData(place, preset.summary, Qt.ItemDataRole.ToolTipRole)
        self.steps_box.addItem("Choose a preset within every fold", CHOOSE)
        self.summary = wordy_label("trainingData")
        self.doubts = wordy_label("trainingDoubts")
        set_warning(self.doubts, True)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(HALF)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Class", self.label_box)
        form.addRow("Group", self.group_box)
        form.addRow("Steps", self.steps_box)
        form.addRow(self.summary)
        form.addRow(self.doubts)
        self.label_box.currentIndexChanged.connect(lambda _: self.refresh())
        self.group_box.currentIndexChanged.connect(lambda _: self._group_chosen())
        self.steps_box.activated.connect(lambda _: self._steps_chosen())
        session.pipeline_changed.connect(self._name_steps)
        self._name_steps()

    @property
    def label(self) -> str:
        """The column of the classes."""
        return str(self.label_box.currentData() or "")

    @property
    def group(self) -> str:
        """The column of the groups, empty for none."""
        return str(self.group_box.currentData() or "")

    def pipelines(self, axis: np.ndarray) -> Mapping[str, Pipeline]:
        """Give the lists of steps to train with, of spectra on an axis (k,)."""
        chosen = self.steps_box.currentData()
        if chosen == STEPS:
            return {"steps of the list": self._session.pipeline}
        if chosen != CHOOSE:
            return {preset.title: preset.pipeline for preset in PRESETS if preset.name == chosen}
        fitting = {}
        for preset in PRESETS:
            try:
                preset.pipeline.axis_after(axis)
            except NanoAIError:
                continue
            fitting[preset.title] = preset.pipeline
        return fitting

    def refresh(self) -> None:
        """Offer the columns there are now."""
        columns = text_columns(self._session)
        _offer(self.label_box, [(name, name) for name in columns], self.label or "label")
        groups = [(name, name) for name in columns if name != self.label]
        _offer(self.group_box, [(NO_GROUPS, ""), *groups], self.group)
        self._propose_group()
        self.changed.emit()

    def describe(self, n_folds: int) -> None:
        """Say what there is to learn from, and what is to be feared of so many folds."""
        try:
            parts = gather_parts(self._session, self.label)
        except NanoAIError as error:
            self.summary.setText(str(error))
            self.doubts.hide()
            self.described.emit(False)
            return
        self._propose_steps(parts.parts[0].axis)
        found = doubts(parts, self.label, self.group, n_folds)
        self.summary.setText(summary(parts, self.label, self.group))
        self.doubts.setText("\n".join(f"⚠ {text}" for text in found))
        self.doubts.setVisible(bool(found))
        self.described.emit(True)

    def _group_chosen(self) -> None:
        self._group_was_chosen = True
        self.changed.emit()

    def _propose_group(self) -> None:
        """Until a person has chosen a group, propose the one to keep together."""
        if self._group_was_chosen:
            return
        try:
            parts = gather_parts(self._session, self.label)
        except NanoAIError:
            return
        columns = [str(self.group_box.itemData(i)) for i in range(1, self.group_box.count())]
        proposed = best_group(columns, parts, self.label)
        self.group_box.blockSignals(True)
        self.group_box.setCurrentIndex(max(self.group_box.findData(proposed), 0))
        self.group_box.blockSignals(False)

    def _steps_chosen(self) -> None:
        self._steps_were_chosen = True

    def _propose_steps(self, axis: np.ndarray) -> None:
        """Propose the list of steps or, while it is empty, what suits the range of the spectra."""
        if not self._steps_were_chosen:
            name = STEPS if len(self._session.pipeline) else default_preset(axis)
            self.steps_box.setCurrentIndex(self.steps_box.findData(name))

    def _name_steps(self) -> None:
        n = len(self._session.pipeline)
        one = "The step of the list" if n else "None (as measured)"
        self.steps_box.setItemText(0, f"The {n} steps of the list" if n > 1 else one)


def _offer(box: QComboBox, items: Sequence[tuple[str, str]], chosen: str) -> None:
    """Fill a box, and keep the choice where it is still offered."""
    if [(box.itemText(i), box.itemData(i)) for i in range(box.count())] == list(items):
        return
    box.blockSignals(True)
    box.clear()
    for text, value in items:
        box.addItem(text, value)
    box.setCurrentIndex(max(box.findData(chosen), 0))
    box.blockSignals(False)
