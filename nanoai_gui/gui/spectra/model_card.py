"""The model in use: what it is, what it was trained on, how well it did; to open and to save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QLabel, QPushButton, QWidget

from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.spectra.model import SpectraModel, load_spectra_model, save_spectra_model
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.widgets.layout import HALF, column, row
from nanoai_gui.gui.widgets.warning import set_warning

FILTER = "NanoAI model (*.model);;All files (*)"
SUFFIX = ".model"


class ModelCard(QWidget):
    """Shows the card of the session's model."""

    finished = Signal(str)
    """A model was opened or saved, or could not be: a sentence."""

    def __init__(self, session: SpectraSession, jobs: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._jobs = session, jobs
        self.words = _label()
        self.message = _label()
        self.message.hide()
        self.open_button = QPushButton("Open model…")
        self.open_button.setToolTip("Use a model that was saved before; opening one runs no code")
        self.save_button = QPushButton("Save model…")
        self.save_button.setToolTip("Write the model with its axis, preprocessing, thresholds and card")
        self.open_button.clicked.connect(self._ask_to_open)
        self.save_button.clicked.connect(self._ask_to_save)
        buttons = row()
        buttons.addWidget(self.open_button)
        buttons.addWidget(self.save_button)
        buttons.addStretch(1)
        layout = column(self, spacing=HALF)
        layout.addWidget(self.words)
        layout.addLayout(buttons)
        layout.addWidget(self.message)
        session.model_changed.connect(self._show)
        self._show()

    def open_model(self, path: Path) -> None:
        """Read a model in a thread, and use it."""

        def done(model: SpectraModel) -> None:
            self._session.set_model(model)
            self._say(f"{path.name} is in use.")

        self._run(load_spectra_model, path, on_done=done)

    def save_model(self, path: Path) -> None:
        """Write the model in a thread."""
        model = self._session.model
        if model is not None:
            path = path if path.suffix else path.with_suffix(SUFFIX)
            self._run(save_spectra_model, path, model, on_done=lambda _: self._say(f"Saved as {path.name}."))

    def _run(self, task: Callable[..., Any], *args: Any, on_done: Callable[[Any], None]) -> None:  # noqa: ANN401
        self._jobs.run_in_thread(task, *args, on_done=on_done, on_error=self._refuse)

    def _refuse(self, failure: Failure) -> None:
        if failure.is_known:
            self._say(str(failure), is_warning=True)
        else:
            self._jobs.failed.emit(failure)

    def _say(self, text: str, is_warning: bool = False) -> None:
        self.message.setText(text)
        set_warning(self.message, is_warning)
        self.message.show()
        self.finished.emit(text)

    def _show(self) -> None:
        model = self._session.model
        self.save_button.setEnabled(model is not None)
        self.words.setText(describe_model(model))
        self.message.hide()

    def _ask_to_open(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Open model", "", FILTER)
        if file:
            self.open_model(Path(file))

    def _ask_to_save(self) -> None:
        file, _ = QFileDialog.getSaveFileName(self, "Save model", f"spectra{SUFFIX}", FILTER)
        if file:
            self.save_model(Path(file))


def describe_model(model: SpectraModel | None) -> str:
    """Put a card into a few lines; entries that a card lacks are left out."""
    if model is None:
        return "No model yet: train one, or open one that was saved."
    lines = [
        f"Tells apart: {', '.join(model.classes)}",
        f"Looks at {model.axis[0]:.0f} to {model.axis[-1]:.0f} cm⁻¹ after "
        + (f"{len(model.preprocessing)} steps of preprocessing" if len(model.preprocessing) else "no steps"),
    ]
    trained = model.card.get("trained_on", {})
    counts = trained.get("spectra_per_class", {}) if isinstance(trained, dict) else {}
    if counts:
        date = model.card.get("date", "")
        lines.append(f"Trained on {sum(counts.values())} spectra" + (f", {date}" if date else ""))
    measured = model.card.get("measured", {})
    for kind, name in (("grouped_folds", "grouped"), ("random_folds", "random")):
        found = measured.get(kind) if isinstance(measured, dict) else None
        if found:
            lines.append(f"Balanced accuracy, {name} folds: {100 * found['balanced_accuracy']:.1f} %")
    return "\n".join(lines)


def _label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
