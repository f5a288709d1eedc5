"""The dialog that picks images out of a file that holds several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon, QPixmap
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
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.widgets.layout import GRID, column
from nanoai_gui.gui.widgets.numbers import count

THUMBNAIL = QSize(64, 64)


class FrameDialog(QDialog):
    """Lists the images of a file; the recommended one, or the one in use, is chosen to begin with.

    Parameters
    ----------
    frames
        What the file holds.
    current
        Index of the image in use, if one is.
    thumbnails
        Gives small pictures, at once or later.
    """

    def __init__(
        self,
        path: Path,
        frames: Sequence[FrameInfo],
        current: int | None = None,
        thumbnails: Thumbnails | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._path = path
        self._thumbnails = thumbnails
        self.setWindowTitle(f"Images in {path.name}")
        self.resize(440, 440)
        question = QLabel(f"{path.name} holds {count(len(frames), 'image')}. Choose one, or several to add.")
        question.setWordWrap(True)
        self.list = QListWidget()
        self.list.setIconSize(THUMBNAIL)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        chosen = current if current is not None else next((f.index for f in frames if f.recommended), 0)
        for frame in frames:
            item = QListWidgetItem(_words(frame, is_one_of_many=len(frames) > 1))
            item.setToolTip(item.text())
            item.setData(Qt.ItemDataRole.UserRole, frame.index)
            # Narrower than the list, which then shortens long names instead of scrolling sideways.
            item.setSizeHint(QSize(2 * THUMBNAIL.width(), THUMBNAIL.height() + GRID))
            self.list.addItem(item)
            self._show_thumbnail(item)
            if frame.index == chosen:
                item.setSelected(True)
                self.list.setCurrentItem(item)
        if thumbnails is not None:
            thumbnails.ready.connect(self._thumbnail_came)
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
        return tuple(_index(self.list.item(row)) for row in rows)

    def _thumbnail_came(self, path: object, frame: object) -> None:
        if path == self._path:
            for row in range(self.list.count()):
                item = self.list.item(row)
                if _index(item) == frame:
                    self._show_thumbnail(item)

    def _show_thumbnail(self, item: QListWidgetItem) -> None:
        picture = None if self._thumbnails is None else self._thumbnails.get(self._path, _index(item))
        if picture is None:
            picture = QPixmap(THUMBNAIL)
            picture.fill(self.palette().midlight().color())
        item.setIcon(QIcon(picture))

    def _update(self) -> None:
        n = len(self.list.selectedItems())
        self.accept_button.setEnabled(n > 0)
        self.accept_button.setText("Use" if n < 2 else f"Use {n} images")


def _words(frame: FrameInfo, is_one_of_many: bool) -> str:
    height, width = frame.shape
    recommended = " · recommended" if frame.recommended and is_one_of_many else ""
    return f"{frame.label or f'Image {frame.index + 1}'}\n{width} × {height} px{recommended}"


def _index(item: QListWidgetItem) -> int:
    return int(item.data(Qt.ItemDataRole.UserRole))
