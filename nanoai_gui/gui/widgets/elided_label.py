"""A label that shortens its text with an ellipsis instead of cutting a letter in half."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget


class ElidedLabel(QLabel):
    """One line of text that may be narrower than it wants; the whole text is then in the tooltip."""

    def __init__(
        self,
        text: str = "",
        parent: QWidget | None = None,
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        super().__init__(text, parent)
        self._mode = mode
        self._own_tip = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setTextFormat(Qt.TextFormat.PlainText)

    def setText(self, text: str) -> None:
        """Show another text."""
        super().setText(text)
        self._update_tip()

    def set_tip(self, tip: str) -> None:
        """Show ``tip`` when the text is not shortened, and below it when it is."""
        self._own_tip = tip
        self._update_tip()

    @property
    def shown_text(self) -> str:
        """What can be read at the present width."""
        return self.fontMetrics().elidedText(self.text(), self._mode, self.contentsRect().width())

    def minimumSizeHint(self) -> QSize:
        """Be content with three letters."""
        return QSize(self.fontMetrics().horizontalAdvance("MM…"), super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text, shortened where it must be."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.contentsRect(), self.alignment(), self.shown_text)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the tooltip in step with what can be read."""
        super().resizeEvent(event)
        self._update_tip()

    def _update_tip(self) -> None:
        shortened = self.shown_text != self.text()
        self.setToolTip("\n".join(part for part in (self.text() if shortened else "", self._own_tip) if part))
