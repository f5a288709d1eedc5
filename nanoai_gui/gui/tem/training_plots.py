"""What a training looks like: loss curves while it runs, confusion matrix and areas when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.gui.theme import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILLION, tokens
from nanoai_gui.gui.widgets.layout import GRID
from nanoai_gui.gui.widgets.numbers import grouped
from nanoai_gui.gui.widgets.still_plot import StillPlot

if TYPE_CHECKING:
    from nanoai_gui.core.tem.networks.training import TrainingReport

NUMBER_HUES = (SKY_BLUE, ORANGE, GREEN, PURPLE, VERMILLION)
MOST_POINTS = 4000
"""Points drawn of a regression; more only hide each other."""


class LossPlot(StillPlot):
    """Training and validation loss of one network against the epoch."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Epoch", "Loss", parent, legend_at=(-GRID, GRID))
        self._training = self.plot([], [], name="Training")
        self._validation = self.plot([], [], name="Validation")
        self.restyle()

    @property
    def points(self) -> int:
        """Epochs drawn."""
        x, _ = self._training.getData()
        return 0 if x is None else len(x)

    def set_curve(self, curve: list[tuple[float, float]]) -> None:
        """Draw other losses, (training, validation) of every epoch."""
        values = np.array(curve, dtype=np.float64).reshape(-1, 2)
        epochs = np.arange(1, len(values) + 1)
        self._training.setData(epochs, values[:, 0])
        self._validation.setData(epochs, values[:, 1])

    def restyle(self) -> None:
        """Take the colours of the palette."""
        super().restyle()
        is_dark = tokens(self.palette()).is_dark
        self._training.setPen(pg.mkPen(SKY_BLUE if is_dark else BLUE, width=2))
        self._validation.setPen(pg.mkPen(VERMILLION, width=2, style=Qt.PenStyle.DashLine))


class AreaPlot(StillPlot):
    """Area shares found against the true ones, of the agglomerates kept for the test."""

    def __init__(self, parent: QWidget | None = None) -> None:
        across, up = "True area / area of the agglomerate", "Area found / area"
        super().__init__(across, up, parent, legend_at=(-GRID, -GRID))
        assert self.legend is not None
        self._line = self.plot([0, 1.1], [0, 1.1])
        self._groups: list[pg.ScatterPlotItem] = []
        for n, hue in enumerate(NUMBER_HUES, start=1):
            colour = QColor(hue)
            colour.setAlphaF(0.55)
            points = pg.ScatterPlotItem(size=5, pen=None, brush=pg.mkBrush(colour), pxMode=True)
            self.addItem(points)
            self.legend.addItem(points, f"of {n} particle{'s' if n > 1 else ''}")
            self._groups.append(points)
        self.setRange(xRange=(0, 1.15), yRange=(0, 1.15), padding=0)
        self.restyle()

    def set_report(self, report: TrainingReport | None) -> None:
        """Draw the areas of a report, an even choice of them if there are very many."""
        for n, points in enumerate(self._groups, start=1):
            if report is None:
                points.setData([], [])
                continue
            step = -(-len(report.area_true) // MOST_POINTS)
            chosen = np.flatnonzero(report.area_count == n)[::step]
            points.setData(report.area_true[chosen], report.area_found[chosen])

    def restyle(self) -> None:
        """Take the colours of the palette."""
        super().restyle()
        self._line.setPen(pg.mkPen(self.palette().color(QPalette.ColorRole.PlaceholderText), width=1))


class ConfusionMatrix(QWidget):
    """True number of particles against the network's: counts, on a shade that is the share of the row."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._matrix: NDArray[np.int64] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def matrix(self) -> NDArray[np.int64] | None:
        """(n, n) counts, true number by row."""
        return self._matrix

    def set_matrix(self, matrix: NDArray[np.int64] | None) -> None:
        """Show other counts."""
        self._matrix = matrix
        if matrix is not None:
            rows = "; ".join(
                f"{i} taken for {', '.join(f'{j}: {v}' for j, v in enumerate(row, start=1))}"
                for i, row in enumerate(matrix, start=1)
            )
            self.setAccessibleName(f"Confusion matrix: {rows}")
        self.update()

    def minimumSizeHint(self) -> QSize:
        """Room for five rows."""
        return QSize(260, 200)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a square table with its titles."""
        theme, line = tokens(self.palette()), self.fontMetrics().height()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.base))
        if self._matrix is None:
            painter.end()
            return
        n = len(self._matrix)
        side = min((self.height() - 3 * line - GRID) / n, (self.width() - 7 * line) / n, 88.0)
        left = (self.width() - n * side + 3 * line) / 2
        top = 2 * line + GRID
        centre = Qt.AlignmentFlag.AlignCenter
        painter.setPen(QColor(theme.faint_text))
        painter.drawText(QRectF(left, 2, n * side, line), centre, "Particles the network counts")
        painter.save()
        painter.translate(left - 2 * line, top + n * side / 2)
        painter.rotate(-90)
        painter.drawText(QRectF(-n * side, -line / 2, 2 * n * side, line), centre, "True particles")
        painter.restore()
        for i, row in enumerate(self._matrix):
            total = max(int(row.sum()), 1)
            painter.setPen(QColor(theme.faint_text))
            painter.drawText(QRectF(left + i * side, top - line, side, line), centre, str(i + 1))
            painter.drawText(QRectF(left - line * 1.4, top + i * side, line, side), centre, str(i + 1))
            for j, value in enumerate(row):
                cell = QRectF(left + j * side, top + i * side, side - 1, side - 1)
                shade = QColor(theme.accent)
                share = int(value) / total
                shade.setAlphaF(0.06 + 0.84 * share)
                painter.fillRect(cell, shade)
                painter.setPen(QColor(theme.accent_text if share > 0.55 else theme.text))
                painter.drawText(cell, centre, f"{grouped(int(value))}\n{100 * share:.0f} %")
        painter.end()
