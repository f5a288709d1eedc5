"""Files of corrected agglomerates, chosen to train on beside synthetic ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFileDialog, QPushButton, QWidget

from nanoai_gui.core.tem.networks.corrections import MOST_REPEATS, SHARE_PERCENT
from nanoai_gui.gui.widgets.elided_label import ElidedLabel
from nanoai_gui.gui.widgets.layout import HALF, flat_button, row
from nanoai_gui.gui.widgets.numbers import count, grouped

TIP = (
    "Agglomerates that you have put right and exported (File, Export corrected agglomerates). "
    f"Together they make up {SHARE_PERCENT:g} % of the training, each is shown at most {MOST_REPEATS} times."
)


class CorrectionFiles(QWidget):
    """A line that says which files were chosen, with a button to add some and one to take them away."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.files: tuple[Path, ...] = ()
        self.label = ElidedLabel()
        self.add_button = QPushButton("Add...")
        self.add_button.setAutoDefault(False)
        self.add_button.setToolTip(TIP)
        self.add_button.clicked.connect(self._ask)
        self.clear_button = flat_button("✕", "Train without corrected agglomerates", name="clear")
        self.clear_button.clicked.connect(lambda: self._set(()))
        line = row(self, spacing=HALF)
        line.addWidget(self.label, 1)
        line.addWidget(self.clear_button)
        line.addWidget(self.add_button)
        self._set(())

    def add(self, files: Iterable[Path]) -> None:
        """Add files; one that is there already is not added twice."""
        self._set(dict.fromkeys((*self.files, *files)))

    def _ask(self) -> None:
        start = str(self.files[-1].parent) if self.files else ""
        chosen, _ = QFileDialog.getOpenFileNames(
            self, "Corrected agglomerates", start, "Corrected agglomerates (*.npz)"
        )
        self.add(Path(file) for file in chosen)

    def _set(self, files: Iterable[Path]) -> None:
        self.files = tuple(files)
        names = ", ".join(path.name for path in self.files)
        self.label.setText(names or "none")
        self.label.set_tip("\n".join(map(str, self.files)) or TIP)
        self.clear_button.setVisible(bool(self.files))


def corrections_in_words(card: Mapping[str, Any]) -> str:
    """Say what a training did with corrected agglomerates, from the card of the model."""
    n, times = int(card["n_training"]), int(card["shown_each"])
    text = f"{count(n, 'corrected agglomerate')} in the training, each shown {times} times an epoch."
    if "count_accuracy_aside" in card:
        text += (
            f" Of {grouped(int(card['n_aside']))} kept aside the number is right for "
            f"{100 * float(card['count_accuracy_aside']):.0f} %."
        )
    return text
