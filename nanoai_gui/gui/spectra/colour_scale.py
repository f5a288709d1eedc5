"""What the colours of a map mean: a ramp with its ends, or names."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.gui.spectra.colours import Scale
from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF
from nanoai_gui.gui.widgets.numbers import significant

RAMP_WIDTH, NARROWEST_RAMP = 160, 24
SWATCH = 11


class ColourScale(QWidget):
    """One line below a map: the ramp from low to high, or a swatch for each name."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scale: Scale | None = None
        self._note = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def scale(self) -> Scale | None:
        """What is shown."""
        return self._scale

    @property
    def note(self) -> str:
        """What is said beside it."""
        return self._note

    def set_scale(self, scale: Scale | None) -> None:
        """Show another scale."""
        self._scale = scale
        self.setAccessibleName("" if scale is None else _in_words(scale))
        self.setToolTip(self.accessibleName())
        self.update()

    def set_note(self, note: str) -> None:
        """Say something beside it, such as that another one is being measured."""
        if note != self._note:
            self._note = note
            self.update()

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(200, self.fontMetrics().height() + GRID)

    def ramp(self) -> QRectF:
        """Where the ramp is painted: shorter where the number at its high end would be cut off."""
        if self._scale is None or self._scale.colours is None:
            return QRectF()
        wide = self.fontMetrics().horizontalAdvance
        x = float(GRID) + (wide(self._note) + GRID if self._note else 0)
        x += wide(self._scale.title) + GRID + wide(significant(self._scale.low, 4)) + HALF
        room = self.width() - x - HALF - wide(_high_end(self._scale))
        width = min(max(room, NARROWEST_RAMP), RAMP_WIDTH)
        return QRectF(x, (self.height() - SWATCH) / 2, width, SWATCH)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it from the left."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = tokens(self.palette())
        x = float(GRID)
        if self._note:
            x = self._text(painter, x, self._note, theme.text) + GRID
        if self._scale is None:
            return
        x = self._text(painter, x, self._scale.title, theme.faint_text) + GRID
        if self._scale.colours is not None:
            self._text(painter, x, significant(self._scale.low, 4), theme.text)
            box = self.ramp()
            ramp = QLinearGradient(box.topLeft(), box.topRight())
            for i in range(0, 256, 15):
                ramp.setColorAt(i / 255, QColor(*(int(v) for v in self._scale.colours[i])))
            painter.setPen(QColor(theme.line))
            painter.setBrush(ramp)
            painter.drawRect(box)
            self._text(painter, box.right() + HALF, _high_end(self._scale), theme.text)
        for name, colour in self._scale.names:
            painter.setPen(QColor(theme.faint_text))
            painter.setBrush(QColor(colour))
            painter.drawRect(QRectF(x, (self.height() - SWATCH) / 2, SWATCH, SWATCH))
            x = self._text(painter, x + SWATCH + HALF, name, theme.text) + 1.5 * GRID
        painter.end()

    def _text(self, painter: QPainter, x: float, text: str, colour: str) -> float:
        metrics = self.fontMetrics()
        painter.setPen(QColor(colour))
        baseline = (self.height() + metrics.ascent() - metrics.descent()) / 2
        painter.drawText(QPointF(x, baseline), text)
        painter.setPen(Qt.PenStyle.NoPen)
        return x + metrics.horizontalAdvance(text)


def _high_end(scale: Scale) -> str:
    return f"{significant(scale.high, 4)} {scale.unit}".strip()


def _in_words(scale: Scale) -> str:
    if scale.names:
        return f"{scale.title}: {', '.join(name for name, _ in scale.names)}"
    ends = f"{significant(scale.low, 4)} to {significant(scale.high, 4)} {scale.unit}".strip()
    return f"{scale.title}: {ends} (1 % and 99 % of the spectra)"
