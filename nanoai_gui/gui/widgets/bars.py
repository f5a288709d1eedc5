"""Two small drawings: how probable each number is, and features beside what is typical of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPalette, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF
from nanoai_gui.gui.widgets.numbers import significant

BAR_HEIGHT = 52


class ProbabilityBars(QWidget):
    """One bar for each number; the most probable one stands out by colour and bold figures."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: tuple[float, ...] = ()
        self._is_valid = True
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def values(self) -> tuple[float, ...]:
        """Probabilities of 1, 2, 3 ..."""
        return self._values

    def set_values(self, values: Sequence[float], is_valid: bool = True) -> None:
        """Show probabilities; ``is_valid`` is false where the agglomerate was left out all the same."""
        self._values, self._is_valid = tuple(values), is_valid
        words = ", ".join(f"{i}: {100 * p:.0f} %" for i, p in enumerate(values, start=1))
        self.setAccessibleName(f"Probability of the number of particles: {words}")
        self.setToolTip(f"Probability of each number of primary particles\n{words}")
        self.update()

    def sizeHint(self) -> QSize:
        """Two lines of figures and the bars."""
        return QSize(200, BAR_HEIGHT + 2 * self.fontMetrics().height() + GRID)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bars upwards from a line, with the share above and the number below."""
        if not self._values:
            return
        theme, line = tokens(self.palette()), self.fontMetrics().height()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = self.width() / len(self._values)
        floor = self.height() - line - HALF
        best = max(range(len(self._values)), key=self._values.__getitem__)
        plain, bold = painter.font(), painter.font()
        bold.setBold(True)
        for i, value in enumerate(self._values):
            is_best = i == best and self._is_valid
            painter.setFont(bold if is_best else plain)
            height = value * BAR_HEIGHT
            bar = QRectF(i * width + width * 0.2, floor - height, width * 0.6, height)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.accent if is_best else theme.waiting))
            painter.drawRect(bar)
            painter.setPen(QColor(theme.text if is_best else theme.faint_text))
            above = QRectF(i * width, bar.top() - line, width, line)
            painter.drawText(above, Qt.AlignmentFlag.AlignCenter, f"{100 * value:.0f} %")
            below = QRectF(i * width, floor + HALF / 2, width, line)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, str(i + 1))
        painter.setPen(QColor(theme.line))
        painter.drawLine(QPointF(0, floor), QPointF(self.width(), floor))
        painter.end()


@dataclass(frozen=True)
class FeatureRow:
    """One feature: its value, the range typical of it, and what a tooltip says."""

    name: str
    value: float
    low: float
    high: float
    tip: str

    @property
    def is_typical(self) -> bool:
        """Whether the value lies in the range."""
        return self.low <= self.value <= self.high


class FeatureRanges(QWidget):
    """A line for each feature: name, value, and a mark on a track whose band is the typical range."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[FeatureRow, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def rows(self) -> tuple[FeatureRow, ...]:
        """What is shown."""
        return self._rows

    def set_rows(self, rows: Sequence[FeatureRow]) -> None:
        """Show other features."""
        if len(rows) != len(self._rows):
            self._rows = tuple(rows)
            self.updateGeometry()
        self._rows = tuple(rows)
        odd = [row.name for row in rows if not row.is_typical]
        self.setAccessibleName(f"Features, outside of the typical range: {', '.join(odd) or 'none'}")
        self.update()

    def line_height(self) -> int:
        """Height of a row in px."""
        return self.fontMetrics().height() + 2

    def sizeHint(self) -> QSize:
        """As high as the rows."""
        return QSize(220, max(len(self._rows), 1) * self.line_height())

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows that can be seen."""
        theme, line = tokens(self.palette()), self.line_height()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        names = self.width() * 0.46
        figures = self.fontMetrics().horizontalAdvance("−88.88 ")
        track = QRectF(names + figures + GRID, 0, max(self.width() - names - figures - 2 * GRID, 24), line)
        first, last = event.rect().top() // line, event.rect().bottom() // line
        for i in range(max(first, 0), min(last + 1, len(self._rows))):
            row, top = self._rows[i], i * line
            painter.setPen(QColor(theme.faint_text if row.is_typical else theme.warning))
            name = self.fontMetrics().elidedText(row.name, Qt.TextElideMode.ElideRight, int(names) - HALF)
            sign = Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(0, top, names, line), sign | Qt.AlignmentFlag.AlignLeft, name)
            painter.setPen(QColor(theme.text if row.is_typical else theme.warning))
            place = QRectF(names, top, figures, line)
            painter.drawText(place, sign | Qt.AlignmentFlag.AlignRight, significant(row.value))
            self._paint_track(painter, row, track.translated(0, top))
        painter.end()

    def _paint_track(self, painter: QPainter, row: FeatureRow, track: QRectF) -> None:
        """Paint the band over the middle half of the track, and the mark: a triangle where it is beyond."""
        theme = tokens(self.palette())
        middle = track.center().y()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().color(QPalette.ColorRole.Mid))
        painter.drawRect(QRectF(track.left(), middle - 0.5, track.width(), 1))
        band = QColor(theme.accent)
        band.setAlphaF(0.45)
        painter.setBrush(band)
        painter.drawRect(QRectF(track.left() + track.width() / 4, middle - 3, track.width() / 2, 6))
        width = max(row.high - row.low, 1e-9)
        share = 0.25 + 0.5 * (row.value - row.low) / width
        x = track.left() + min(max(share, 0.0), 1.0) * track.width()
        painter.setBrush(QColor(theme.text if row.is_typical else theme.warning))
        if 0 <= share <= 1:
            painter.drawRect(QRectF(x - 1.5, middle - 5, 3, 10))
        else:
            back = 7 if share < 0 else -7
            tip = [QPointF(x, middle), QPointF(x + back, middle - 5), QPointF(x + back, middle + 5)]
            painter.drawPolygon(QPolygonF(tip))

    def event(self, event: QEvent) -> bool:
        """Explain the feature under the pointer."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            i = event.pos().y() // self.line_height()
            text = self._rows[i].tip if 0 <= i < len(self._rows) else ""
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)
