"""The dialog that picks images out of a file that holds several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QWidget,
)

from nanoai_gui.core.files.frames import FrameInfo
from nanoai_gui.gui.widgets.layout import GRID, column
from nanoai_gui.gui.widgets.numbers import count

THUMBNAIL = QSize(64, 64)


class FrameDialog(QDialog):
    """Lists the images of a file; the recommended one, or the one in use, is chosen to begin with."""

    def __init__(
        self,
        path: Path,
        frames: Sequence[FrameInfo],
        current: int | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Images in {path.name}")
        self.resize(420, 440)
        question = QLabel(
            f"{path.name} holds {count(len(frames), 'image')}. Choose the ones to add to the list:"
        )
        question.setWordWrap(True)
        self.list = QListWidget()
        self.list.setIconSize(THUMBNAIL)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setUniformItemSizes(True)
        self.list.setAlternatingRowColors(True)
        chosen = current if current is not None else next((f.index for f in frames if f.recommended), 0)
        blank = QPixmap(THUMBNAIL)
        blank.fill(Qt.GlobalColor.transparent)
        for frame in frames:
            height, width = frame.shape
            lines = [frame.label or f"Image {frame.index + 1}", f"{width} × {height} px"]
            if frame.recommended and len(frames) > 1:
                lines[1] += " · recommended"
            item = QListWidgetItem(blank, "\n".join(lines))
            item.setData(Qt.ItemDataRole.UserRole, frame.index)
            self.list.addItem(item)
            if frame.index == chosen:
                item.setSelected(True)
                self.list.setCurrentItem(item)
        self.list.itemSelectionChanged.connect(self._update)
        self.list.itemDoubleClicked.connect(self.accept)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = self.buttons.addButton("Use", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = column(self, spacing=GRID, margin=2 * GRID)
        layout.addWidget(question)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.buttons)
        self._update()

    @property
    def chosen(self) -> tuple[int, ...]:
        """Indices of the images chosen, in the order of the file."""
        rows = sorted(self.list.row(item) for item in self.list.selectedItems())
        return tuple(int(self.list.item(row).data(Qt.ItemDataRole.UserRole)) for row in rows)

    def set_thumbnail(self, index: int, image: QImage) -> None:
        """Show a small picture of one image, once it has been read."""
        for row in range(self.list.count()):
            item = self.list.item(row)
            if item.data(Qt.ItemDataRole.UserRole) == index:
                scaled = image.scaled(THUMBNAIL, Qt.AspectRatioMode.KeepAspectRatio)
                item.setIcon(QPixmap.fromImage(scaled))

    def _update(self) -> None:
        n = len(self.list.selectedItems())
        self.accept_button.setEnabled(n > 0)
        self.accept_button.setText("Use" if n < 2 else f"Use {n} images")
