"""The list of preprocessing steps: add, remove, reorder, set, with presets; what they do is drawn live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QFrame,
    QLabel,
    QListWidget,
    QMenu,
    QToolButton,
    QWidget,
)

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.files.atomic import write_bytes
from nanoai_gui.core.spectra.preprocessing import PRESETS, STEP_MODULES, Pipeline, get_preset, get_step
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button, row
from nanoai_gui.gui.widgets.parameter_form import ParameterForm, Rule
from nanoai_gui.gui.widgets.warning import set_warning

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RULES: dict[str, dict[str, Rule]] = {
    "baseline": {
        "period": lambda values: values.method.value in ("arpls", "airpls", "snip"),
        "order": lambda values: values.method.value in ("modpoly", "imodpoly"),
    },
    "normalise": {
        "low": lambda values: values.method.value == "peak",
        "high": lambda values: values.method.value == "peak",
    },
}
"""Parameters that only matter together with another choice."""
OWN = "Own list"
ROW_HEIGHT = 26


class PreprocessingPanel(QWidget):
    """The steps of the session in order, and the parameters of the one chosen."""

    problem = Signal(str)

    def __init__(self, session: SpectraSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.presets = QComboBox()
        self.presets.setObjectName("presets")
        self.presets.setToolTip("Start from a list of steps for a kind of spectra")
        for preset in PRESETS:
            self.presets.addItem(preset.title, preset.name)
            self.presets.setItemData(self.presets.count() - 1, preset.summary, Qt.ItemDataRole.ToolTipRole)
        self.presets.addItem(OWN, "")
        self.presets.activated.connect(self._preset_chosen)
        self.steps = QListWidget()
        self.steps.setObjectName("steps")
        self.steps.setAccessibleName("Preprocessing steps")
        self.steps.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.steps.setFrameShape(QFrame.Shape.StyledPanel)
        self.steps.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.steps.currentRowChanged.connect(self._chosen)
        self.steps.model().rowsMoved.connect(self._dragged)
        self.add = QToolButton()
        self.add.setText("Add step")
        self.add.setObjectName("addStep")
        self.add.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.add.setToolTip("Add a step below the chosen one")
        self.menu = QMenu(self)
        for name in STEP_MODULES:
            step = get_step(name)
            action = self.menu.addAction(step.TITLE)
            action.setToolTip(step.SUMMARY)
            action.triggered.connect(lambda _=False, name=name: self.add_step(name))
        self.menu.setToolTipsVisible(True)
        self.add.setMenu(self.menu)
        self.up = flat_button("Up", "Do this step earlier", name="stepUp")
        self.down = flat_button("Down", "Do this step later", name="stepDown")
        self.remove = flat_button("Remove", "Take this step away", name="stepRemove")
        self.up.clicked.connect(lambda: self._move(-1))
        self.down.clicked.connect(lambda: self._move(1))
        self.remove.clicked.connect(self._remove)
        self.whole = flat_button(
            "Show all steps",
            "Draw before and after of the whole list, not of the chosen step",
            name="wholeList",
        )
        self.whole.clicked.connect(lambda: session.show_step(None))
        self.load = flat_button("Load…", "Take a list of steps from a file", name="loadSteps")
        self.save = flat_button("Save…", "Write the list of steps to a file", name="saveSteps")
        self.load.clicked.connect(self._ask_to_load)
        self.save.clicked.connect(self._ask_to_save)
        self.summary = QLabel(wordWrap=True)
        self.problem_label = QLabel(wordWrap=True)
        self.problem_label.setObjectName("preprocessingProblem")
        set_warning(self.problem_label, True)
        self.problem_label.hide()
        self.forms: dict[str, ParameterForm] = {}
        self._form_place = column(spacing=0)
        self._lay_out()
        session.pipeline_changed.connect(self._show)
        session.step_changed.connect(self._show_chosen)
        session.current_changed.connect(self._show_chosen)
        self._show()

    def _lay_out(self) -> None:
        layout = column(self, margin=GRID)
        layout.addWidget(self.presets)
        layout.addWidget(self.steps)
        buttons = row(spacing=HALF)
        buttons.addWidget(self.add)
        for button in (self.up, self.down, self.remove):
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout.addLayout(buttons)
        more = row(spacing=HALF)
        more.addWidget(self.whole)
        more.addStretch(1)
        more.addWidget(self.load)
        more.addWidget(self.save)
        layout.addLayout(more)
        layout.addWidget(self.problem_label)
        layout.addWidget(self.summary)
        layout.addLayout(self._form_place)
        layout.addStretch(1)

    # ------------------------------------------------------------------ what a person does

    def add_step(self, name: str) -> None:
        """Add a step below the chosen one, or at the end, and choose it."""
        steps = list(self._session.pipeline.steps)
        place = self.steps.currentRow() + 1 if self.steps.currentRow() >= 0 else len(steps)
        steps.insert(place, (name, get_step(name).Parameters()))
        self._set(steps, place)

    def show_problem(self, sentence: str) -> None:
        """Say why the steps do not work with the spectrum shown, or nothing."""
        self.problem_label.setText(sentence)
        self.problem_label.setVisible(bool(sentence))

    def _preset_chosen(self) -> None:
        name = str(self.presets.currentData())
        if name:
            self._set(list(get_preset(name).pipeline.steps), None)
        else:
            self._show()

    def _move(self, by: int) -> None:
        place = self.steps.currentRow()
        steps = list(self._session.pipeline.steps)
        if 0 <= place < len(steps) and 0 <= place + by < len(steps):
            steps[place], steps[place + by] = steps[place + by], steps[place]
            self._set(steps, place + by)

    def _remove(self) -> None:
        place = self.steps.currentRow()
        steps = list(self._session.pipeline.steps)
        if 0 <= place < len(steps):
            del steps[place]
            self._set(steps, min(place, len(steps) - 1) if steps else None)

    def _dragged(self, _parent: QModelIndex, start: int, _end: int, _into: QModelIndex, to: int) -> None:
        steps = list(self._session.pipeline.steps)
        place = to - 1 if to > start else to
        steps.insert(place, steps.pop(start))
        self._set(steps, place)

    def _edited(self, place: int, values: DataclassInstance) -> None:
        steps = list(self._session.pipeline.steps)
        if 0 <= place < len(steps):
            steps[place] = (steps[place][0], values)
            self._set(steps, place)

    def _set(self, steps: list[tuple[str, DataclassInstance]], place: int | None) -> None:
        try:
            pipeline = Pipeline(tuple(steps))
        except NanoAIError as error:
            self.problem.emit(str(error))
            self._show()
            return
        self._session.set_pipeline(pipeline)
        self._session.show_step(place)
        self._show_chosen()

    def _chosen(self, place: int) -> None:
        self._session.show_step(place if place >= 0 else None)

    def _ask_to_load(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Load steps", "", "Steps (*.json);;All files (*)")
        if file:
            self.load_steps(Path(file))

    def load_steps(self, path: Path) -> None:
        """Take the steps of a file."""
        try:
            pipeline = Pipeline.from_json(path.read_text(encoding="utf-8"))
        except NanoAIError as error:
            self.problem.emit(str(error))
        except (OSError, UnicodeDecodeError) as error:
            self.problem.emit(f"{path.name} cannot be read: {error}.")
        else:
            self._set(list(pipeline.steps), None)

    def _ask_to_save(self) -> None:
        file, _ = QFileDialog.getSaveFileName(self, "Save steps", "preprocessing.json", "Steps (*.json)")
        if file:
            self.save_steps(Path(file))

    def save_steps(self, path: Path) -> None:
        """Write the steps to a file."""
        try:
            write_bytes(path, (self._session.pipeline.to_json() + "\n").encode())
        except NanoAIError as error:
            self.problem.emit(str(error))

    # ------------------------------------------------------------------ following the session

    def _show(self) -> None:
        pipeline = self._session.pipeline
        self.steps.blockSignals(True)
        self.steps.clear()
        for number, (name, _) in enumerate(pipeline.steps, 1):
            self.steps.addItem(f"{number}  {get_step(name).TITLE}")
            self.steps.item(number - 1).setToolTip(get_step(name).SUMMARY)
        self.steps.blockSignals(False)
        rows = max(4, min(8, len(pipeline)))
        self.steps.setFixedHeight(rows * ROW_HEIGHT + 2 * self.steps.frameWidth())
        known = [preset.name for preset in PRESETS if preset.pipeline == pipeline]
        self.presets.setCurrentIndex(self.presets.findData(known[0] if known else ""))
        self._show_chosen()

    def _show_chosen(self) -> None:
        steps = self._session.pipeline.steps
        place = self._session.step_shown
        self.steps.blockSignals(True)
        self.steps.setCurrentRow(-1 if place is None else place)
        if place is None:
            self.steps.clearSelection()
        self.steps.blockSignals(False)
        for form in self.forms.values():
            form.hide()
        chosen = place is not None and place < len(steps)
        self.up.setEnabled(chosen and place != 0)
        self.down.setEnabled(chosen and place != len(steps) - 1)
        self.remove.setEnabled(chosen)
        self.whole.setEnabled(chosen)
        if place is None or place >= len(steps):
            self.summary.setText(
                "Choose a step to set it and to see what it alone does."
                if steps
                else "Spectra are used as measured. Choose a preset, or add steps."
            )
            return
        name, values = steps[place]
        self.summary.setText(get_step(name).SUMMARY + self._window_in_words(place))
        form = self._form(name)
        form.set_values(values)
        form.show()

    def _window_in_words(self, place: int) -> str:
        """Tell how much of the spectra shown a window of points spans, which presets cannot know."""
        steps, spectra = self._session.pipeline.steps, self._session.spectra
        window = getattr(steps[place][1], "window", None)
        resampled = any(name == "resample" for name, _ in steps[:place])
        if window is None or spectra is None or spectra.axis.size < 2 or resampled:
            return ""
        span = window * float(np.median(np.diff(spectra.axis)))
        return f" The window spans {span:.3g} cm⁻¹ here: bands much narrower than that lose height."

    def _form(self, name: str) -> ParameterForm:
        if name not in self.forms:
            form = ParameterForm(get_step(name).Parameters, RULES.get(name))
            form.values_changed.connect(lambda values: self._edited(self.steps.currentRow(), values))
            self.forms[name] = form
            self._form_place.addWidget(form)
        return self.forms[name]
