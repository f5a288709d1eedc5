"""A histogram of grey levels with two handles: what is black and what is white on the screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.gui.tem.display import Contrast, GreyStatistics
from nanoai_gui.gui.theme import ThemeTokens, tokens

if TYPE_CHECKING:
    from PySide6.QtGui import QMouseEvent, QPaintEvent

STRIP = 12
"""Height of the strip of colours below the histogram, in device-independent px."""
EDGE = 7
"""Room left and right for the handles."""
GRAB = 9.0


class GreyHistogram(QWidget):
    """Shows a :class:`GreyStatistics` and lets a person drag the two ends of a :class:`Contrast`.

    Dragging between the handles moves both, a double-click asks for the automatic contrast.
    """

    contrast_changed = Signal(object)
    """A :class:`Contrast`, while a handle is dragged."""
    auto_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._statistics = GreyStatistics()
        self._contrast = Contrast()
        self._axis = (0.0, 255.0)
        self._dragged: str | None = None
        self._grabbed_at = 0.0
        self._grabbed = Contrast()
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Histogram of grey levels")
        self.setToolTip("Drag the handles: left of them black, right of them white. Double-click: automatic.")

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(220, 96)

    def minimumSizeHint(self) -> QSize:
        """Still usable."""
        return QSize(120, 72)

    def set_statistics(self, statistics: GreyStatistics) -> None:
        """Show another image's histogram."""
        self._statistics = statistics
        self._update_axis()

    def set_contrast(self, contrast: Contrast) -> None:
        """Move the handles."""
        self._contrast = contrast
        if self._dragged is None:
            self._update_axis()
        self.update()

    @property
    def contrast(self) -> Contrast:
        """Where the handles are."""
        return self._contrast

    def _update_axis(self) -> None:
        edges = self._statistics.edges
        low = min(float(edges[0]), self._contrast.low)
        high = max(float(edges[-1]), self._contrast.high)
        self._axis = (low, high if high > low else low + 1.0)
        self.update()

    # ---- positions ----------------------------------------------------------------------------------

    def position(self, value: float) -> float:
        """Grey level to horizontal position."""
        low, high = self._axis
        return EDGE + (value - low) / (high - low) * (self.width() - 2 * EDGE)

    def value(self, x: float) -> float:
        """Horizontal position to grey level."""
        low, high = self._axis
        return low + (x - EDGE) / max(self.width() - 2 * EDGE, 1) * (high - low)

    def _part_at(self, x: float) -> str | None:
        low, high = self.position(self._contrast.low), self.position(self._contrast.high)
        if min(abs(x - low), abs(x - high)) <= GRAB:
            return "low" if abs(x - low) < abs(x - high) else "high"
        return "both" if low < x < high else None

    # ---- mouse --------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of a handle, or of both."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._dragged = self._part_at(event.position().x())
            self._grabbed_at, self._grabbed = self.value(event.position().x()), self._contrast

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag."""
        if self._dragged is None:
            part = self._part_at(event.position().x())
            shapes = {"low": Qt.CursorShape.SplitHCursor, "high": Qt.CursorShape.SplitHCursor}
            shapes["both"] = Qt.CursorShape.SizeHorCursor
            self.setCursor(shapes.get(part or "", Qt.CursorShape.ArrowCursor))
            return
        by = self.value(min(max(event.position().x(), EDGE), self.width() - EDGE)) - self._grabbed_at
        least = (self._axis[1] - self._axis[0]) / 500
        low, high = self._grabbed.low, self._grabbed.high
        if self._dragged in ("low", "both"):
            low += by
        if self._dragged in ("high", "both"):
            high += by
        if self._dragged == "low":
            low = min(low, high - least)
        elif self._dragged == "high":
            high = max(high, low + least)
        self._contrast = replace(self._contrast, low=low, high=high)
        self.update()
        self.contrast_changed.emit(self._contrast)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if self._dragged is not None:
            self._dragged = None
            self._update_axis()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ask for the automatic contrast."""
        self.auto_asked.emit()

    # ---- painting -----------------------------------------------------------------------------------

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange:
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw histogram, curve, handles and the strip of colours."""
        painter = QPainter(self)
        try:
            self._paint(painter)
        finally:
            # An error that leaves a painter open would end the whole process.
            painter.end()

    def _paint(self, painter: QPainter) -> None:
        theme = tokens(self.palette())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        plot = QRectF(EDGE, 2, self.width() - 2 * EDGE, self.height() - STRIP - 7)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(QColor(theme.base))
        painter.drawRect(plot.adjusted(-0.5, -0.5, 0.5, 0.5))
        self._paint_counts(painter, plot, theme)
        self._paint_handles(painter, plot, theme)

    def _paint_counts(self, painter: QPainter, plot: QRectF, theme: ThemeTokens) -> None:
        counts, edges = self._statistics.counts, self._statistics.edges
        if not counts.any():
            return
        # The root lets a small peak of particles be seen beside a huge one of background.
        heights = np.sqrt(counts / counts.max()) * (plot.height() - 3)
        corners = QPolygonF([QPointF(self.position(float(edges[0])), plot.bottom())])
        for i, height in enumerate(heights):
            for edge in (edges[i], edges[i + 1]):
                corners.append(QPointF(self.position(float(edge)), plot.bottom() - float(height)))
        corners.append(QPointF(self.position(float(edges[-1])), plot.bottom()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.faint_text))
        painter.drawPolygon(corners)

    def _paint_handles(self, painter: QPainter, plot: QRectF, theme: ThemeTokens) -> None:
        low, high = self.position(self._contrast.low), self.position(self._contrast.high)
        shade = QColor(theme.window)
        shade.setAlpha(150)
        painter.fillRect(QRectF(QPointF(plot.left(), plot.top()), QPointF(low, plot.bottom())), shade)
        painter.fillRect(QRectF(QPointF(high, plot.top()), QPointF(plot.right(), plot.bottom())), shade)
        painter.setPen(QPen(QColor(theme.accent), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        at = np.linspace(0, 1, 33)
        curve = at**self._contrast.gamma
        painter.drawPolyline(
            QPolygonF(
                [
                    QPointF(low + float(a) * (high - low), plot.bottom() - float(b) * plot.height())
                    for a, b in zip(at, curve, strict=True)
                ]
            )
        )
        strip = QRectF(plot.left(), plot.bottom() + 3, plot.width(), STRIP - 4)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
        painter.drawImage(strip, self._strip_image(int(max(strip.width(), 1))))
        for x, dark in ((low, True), (high, False)):
            painter.setPen(QPen(QColor(theme.accent), 1.5))
            painter.drawLine(QLineF(x, plot.top(), x, strip.bottom()))
            grip = QPolygonF(
                [
                    QPointF(x, strip.top() - 3),
                    QPointF(x + 6, strip.bottom() + 3),
                    QPointF(x - 6, strip.bottom() + 3),
                ]
            )
            painter.setPen(QPen(QColor(theme.text), 1.2))
            painter.setBrush(QColor("black" if dark else "white"))
            painter.drawPolygon(grip)

    def _strip_image(self, width: int) -> QImage:
        values = np.array([self.value(EDGE + x + 0.5) for x in range(width)])
        rgb = np.ascontiguousarray(self._contrast.colours()[self._contrast.positions(values)])
        return QImage(rgb.data, width, 1, 3 * width, QImage.Format.Format_RGB888).copy()
