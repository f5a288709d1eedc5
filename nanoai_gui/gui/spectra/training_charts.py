"""Charts of a training: the loss while it runs, confusion matrix and reliability when it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.core.spectra.tasks import LossCurve
from nanoai_gui.gui.theme import BLUE, SKY_BLUE, VERMILLION, tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF
from nanoai_gui.gui.widgets.numbers import grouped
from nanoai_gui.gui.widgets.still_plot import ColumnPlot

MOST_EARLIER = 40
"""Curves of networks trained before that stay visible."""
TRUE_CLASS = "True class"


class LossPlot(ColumnPlot):
    """Cross-entropy against the epoch: the network that learns now, and faintly those before it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._curves: dict[int, LossCurve] = {}
        self._earlier: pg.PlotDataItem | None = None
        super().__init__("Epoch", "Loss", parent)
        self._earlier = self.plot([], [], connect="finite")
        self._now = self.plot([], [])
        self.restyle()

    @property
    def curves(self) -> Mapping[int, LossCurve]:
        """Losses by network."""
        return self._curves

    def clear_curves(self) -> None:
        """Begin anew."""
        self._curves = {}
        self._draw()

    def set_curve(self, network: int, curve: LossCurve) -> None:
        """Show the losses of a network so far."""
        if curve and self._curves.get(network) != curve:
            self._curves[network] = curve
            self._draw()

    def _draw(self) -> None:
        newest = max(self._curves, default=-1)
        now = self._curves.get(newest, [])
        self._now.setData(np.arange(1, len(now) + 1), np.array(now, dtype=np.float64))
        x: list[NDArray[np.float64]] = []
        y: list[NDArray[np.float64]] = []
        gap = np.array([np.nan])
        for number in sorted(self._curves)[-MOST_EARLIER - 1 : -1]:
            values = np.array(self._curves[number], dtype=np.float64)
            x += [np.arange(1.0, len(values) + 1), gap]
            y += [values, gap]
        assert self._earlier is not None
        empty = np.zeros(0)
        self._earlier.setData(np.concatenate(x) if x else empty, np.concatenate(y) if y else empty)

    def restyle(self) -> None:
        """Take the colours of the palette."""
        super().restyle()
        if self._earlier is not None:
            faint = QColor(self.theme.faint_text)
            faint.setAlphaF(0.35)
            self._earlier.setPen(pg.mkPen(faint, width=1))
            self._now.setPen(pg.mkPen(SKY_BLUE if self.theme.is_dark else BLUE, width=2))


class ReliabilityPlot(ColumnPlot):
    """How often the most probable class is right, against how probable it was said to be."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._line: pg.PlotDataItem | None = None
        super().__init__(
            "Probability of the class named", "Share that is right", parent, legend_at=(-GRID, GRID)
        )
        self._line = self.plot([0, 1], [0, 1])
        self._before = self.plot([], [], name="as trained", symbol="t", symbolSize=6)
        self._after = self.plot([], [], name="with temperature", symbol="o", symbolSize=7)
        self.setRange(xRange=(0, 1), yRange=(0, 1), padding=0.02)
        assert self.legend is not None
        self.legend.anchor((1, 1), (1, 1), offset=(-GRID, -GRID))
        self.restyle()

    def set_curves(self, after: Sequence[Mapping[str, float]], before: Sequence[Mapping[str, float]]) -> None:
        """Show the curves of a report."""
        for item, curve in ((self._after, after), (self._before, before)):
            item.setData([p["confidence"] for p in curve], [p["accuracy"] for p in curve])
        low = min([p[key] for p in (*after, *before) for key in ("confidence", "accuracy")], default=0.0)
        self.setRange(xRange=(low, 1), yRange=(low, 1), padding=0.04)

    def restyle(self) -> None:
        """Take the colours of the palette."""
        super().restyle()
        if self._line is not None:
            self._line.setPen(pg.mkPen(self.theme.faint_text, width=1, style=Qt.PenStyle.DashLine))
            strong = SKY_BLUE if self.theme.is_dark else BLUE
            for item, hue in ((self._after, strong), (self._before, VERMILLION)):
                item.setPen(pg.mkPen(hue, width=2 if item is self._after else 1))
                item.setSymbolBrush(pg.mkBrush(hue))
                item.setSymbolPen(None)


class ClassConfusion(QWidget):
    """True class (rows) against the class found (columns): counts, shaded by their share of the row."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes: tuple[str, ...] = ()
        self._matrix: NDArray[np.int64] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def matrix(self) -> NDArray[np.int64] | None:
        """(c, c) counts, true class by row."""
        return self._matrix

    def set_matrix(self, classes: Sequence[str], matrix: Any) -> None:  # noqa: ANN401 - nested lists of JSON
        """Show other counts."""
        self._classes, self._matrix = tuple(classes), np.asarray(matrix, np.int64)
        words = [
            f"{self._classes[i]} taken for "
            + ", ".join(f"{self._classes[j]}: {v}" for j, v in enumerate(row.tolist()))
            for i, row in enumerate(self._matrix)
        ]
        self.setAccessibleName("Confusion matrix: " + "; ".join(words))
        self.setToolTip("\n".join(words))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Room for all rows, and the two titles."""
        line = self.fontMetrics().height()
        return QSize(280, len(self._classes) * self._row_height() + 3 * line + HALF)

    minimumSizeHint = sizeHint

    def _row_height(self) -> int:
        return max(2 * self.fontMetrics().height() + HALF, 96 // max(len(self._classes), 1))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a table with its titles."""
        if self._matrix is None:
            return
        theme, metrics = tokens(self.palette()), self.fontMetrics()
        line, height = metrics.height(), self._row_height()
        painter = QPainter(self)
        n = len(self._classes)
        widest = max(metrics.horizontalAdvance(name) for name in (TRUE_CLASS, *self._classes))
        left = min(widest + GRID, self.width() // 3)
        width = (self.width() - left) / n
        centre = Qt.AlignmentFlag.AlignCenter
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(theme.faint_text))
        painter.drawText(QRectF(left, 0, self.width() - left, line), centre, "Class found")
        painter.drawText(QRectF(0, 2 * line, left - HALF, line), right, TRUE_CLASS)
        top = 3 * line + HALF
        wrapped = Qt.TextFlag.TextWordWrap
        for i, row in enumerate(self._matrix.tolist()):
            painter.setPen(QColor(theme.faint_text))
            name = _in_two_lines(self._classes[i], metrics, int(width) - HALF)
            painter.drawText(QRectF(left + i * width, line, width, 2 * line), centre | wrapped, name)
            name = _in_two_lines(self._classes[i], metrics, left - HALF)
            painter.drawText(QRectF(0, top + i * height, left - HALF, height), right | wrapped, name)
            total = max(sum(row), 1)
            for j, value in enumerate(row):
                cell = QRectF(left + j * width, top + i * height, width - 1, height - 1)
                shade = QColor(theme.accent)
                shade.setAlphaF(0.06 + 0.84 * value / total)
                painter.fillRect(cell, shade)
                painter.setPen(QColor(theme.accent_text if value / total > 0.55 else theme.text))
                painter.drawText(cell, centre, f"{grouped(value)}\n{100 * value / total:.0f} %")
        painter.end()


def _in_two_lines(name: str, metrics: QFontMetrics, width: int) -> str:
    """Shorten the words of a name so that it can be wrapped into two lines of ``width`` px."""
    if metrics.horizontalAdvance(name) <= width:
        return name
    first, _, rest = name.partition(" ")
    parts = [metrics.elidedText(part, Qt.TextElideMode.ElideRight, width) for part in (first, rest) if part]
    return "\n".join(parts)
