"""A titled part of a column that folds away."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.gui.widgets.layout import HALF, FoldButton, column, row


class Section(QWidget):
    """A header that folds the widget below it.

    Parameters
    ----------
    title
        Text of the header.
    content
        What is folded.
    corner
        A widget at the right end of the header (a small button, say); stays visible when folded.
    """

    toggled = Signal(bool)

    def __init__(
        self, title: str, content: QWidget, corner: QWidget | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._content = content
        self._button = FoldButton(title, name="sectionHeader", is_open=True)
        font = self._button.font()
        font.setBold(True)
        self._button.setFont(font)
        self._button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._button.folded.connect(self._fold)
        header = row(spacing=HALF)
        header.addWidget(self._button, 1)
        if corner is not None:
            header.addWidget(corner)
        layout = column(self, spacing=HALF)
        layout.addLayout(header)
        layout.addWidget(content)

    @property
    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self._button.is_open

    def set_open(self, is_open: bool) -> None:
        """Fold or unfold."""
        self._button.set_open(is_open)

    def set_title(self, title: str) -> None:
        """Change the text of the header."""
        self._button.setText(title)

    def _fold(self, is_open: bool) -> None:
        self._content.setVisible(is_open)
        self.toggled.emit(is_open)
