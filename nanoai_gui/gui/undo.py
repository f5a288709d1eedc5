"""The list of steps of the image shown, to go to any of them."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QLabel, QListWidget, QListWidgetItem, QWidget

from nanoai_gui.core.editing.history import History
from nanoai_gui.gui.widgets.layout import GRID, HALF, column

BEGINNING = "As it was found"


class StepsDialog(QDialog):
    """Every step with its time; a click goes there. What was undone is grey, where it stands is bold."""

    chosen = Signal(int)
    """How many steps are to be done."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Tool)
        self.setWindowTitle("Steps")
        self.resize(300, 380)
        self.view = QListWidget()
        self.view.setObjectName("steps")
        self.view.setAccessibleName("Steps of this image")
        self.view.itemClicked.connect(self._choose)
        self.view.itemActivated.connect(self._choose)
        note = QLabel("Click a step to go back to it, or on to it.")
        note.setWordWrap(True)
        layout = column(self, spacing=HALF, margin=GRID)
        layout.addWidget(note)
        layout.addWidget(self.view, 1)
        self._shown: tuple[object, ...] = ()

    def show_history(self, history: History | None, name: str = "") -> None:
        """List the steps of an image; ``None`` lists nothing."""
        self.setWindowTitle(f"Steps of {name}" if name else "Steps")
        shown = () if history is None else (history.position, *(edit.uid for edit in history.edits))
        if shown == self._shown and history is not None:
            return
        self._shown = shown
        self.view.clear()
        if history is None:
            return
        self._add(BEGINNING, 0, history.position)
        for i, edit in enumerate(history.edits, start=1):
            at = f"{datetime.fromtimestamp(edit.time):%H:%M}"
            self._add(f"{at}  {edit.title}", i, history.position)
        self.view.setCurrentRow(history.position)

    def _add(self, text: str, position: int, now: int) -> None:
        item = QListWidgetItem(text)
        item.setData(Qt.ItemDataRole.UserRole, position)
        if position > now:
            item.setForeground(self.palette().placeholderText())
            item.setToolTip("Undone: click to do it again")
        font = item.font()
        font.setBold(position == now)
        item.setFont(font)
        self.view.addItem(item)

    def _choose(self, item: QListWidgetItem) -> None:
        self.chosen.emit(int(item.data(Qt.ItemDataRole.UserRole)))
