"""A picture that fills its place, or a sentence where there is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID

MOST_MAGNIFIED = 4
"""Small pictures are enlarged by whole factors up to this, so that their pixels stay square."""


class Picture(QWidget):
    """Draws grey values as large as they fit, never distorted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._fitted = QPixmap()
        self._message = ""
        self._is_stale = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 200)

    @property
    def image(self) -> QImage | None:
        """What is shown."""
        return self._image

    @property
    def message(self) -> str:
        """What is said over the picture, or in its place."""
        return self._message

    @property
    def is_stale(self) -> bool:
        """Whether a newer picture is being made."""
        return self._is_stale

    def set_grey(self, grey: NDArray[np.uint8]) -> None:
        """Show grey values (height, width)."""
        height, width = grey.shape
        # A copy: the array may go while the image stays.
        self._image = QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
        self._fitted = QPixmap()
        self._message, self._is_stale = "", False
        self.update()

    def set_message(self, text: str) -> None:
        """Say why there is no picture; the last one stays, dimmed."""
        self._message, self._is_stale = text, False
        self.update()

    def set_stale(self) -> None:
        """Mark the picture as about to be replaced."""
        self._is_stale = True
        self.update()

    def sizeHint(self) -> QSize:
        """Room enough to judge a texture."""
        return QSize(520, 520)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture on the neutral grey of every image."""
        theme = tokens(self.palette())
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.canvas))
        if self._image is not None:
            place = self._place(self._image.size())
            ratio = self.devicePixelRatioF()
            if self._fitted.size() != place.size() * ratio:
                way = Qt.TransformationMode.SmoothTransformation
                if place.width() > self._image.width():
                    way = Qt.TransformationMode.FastTransformation
                self._fitted = QPixmap.fromImage(
                    self._image.scaled(place.size() * ratio, Qt.AspectRatioMode.IgnoreAspectRatio, way)
                )
                self._fitted.setDevicePixelRatio(ratio)
            painter.setOpacity(0.35 if self._message else 1.0)
            painter.drawPixmap(place.topLeft(), self._fitted)
            painter.setOpacity(1.0)
        if self._message:
            painter.setPen(QColor("#FFFFFF"))
            inner = self.rect().adjusted(2 * GRID, 2 * GRID, -2 * GRID, -2 * GRID)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(inner, int(flags), self._message)
        painter.end()

    def _place(self, size: QSize) -> QRect:
        whole = self.rect().adjusted(1, 1, -1, -1)
        factor = min(whole.width() / size.width(), whole.height() / size.height())
        if factor > 1:
            factor = min(int(factor), MOST_MAGNIFIED)
        place = QRect(0, 0, max(round(size.width() * factor), 1), max(round(size.height() * factor), 1))
        place.moveCenter(whole.center())
        return place
