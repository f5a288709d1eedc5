"""Scree, scores and loadings of principal components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtWidgets import QRubberBand, QSizePolicy, QWidget

from nanoai_gui.core.spectra.pca import PrincipalComponents
from nanoai_gui.gui.theme import BLUE, SKY_BLUE, VERMILLION
from nanoai_gui.gui.widgets.still_plot import ColumnPlot

SHARE = 0.95
NEAR_PX = 9.0
"""How far from a point a click still means it."""
DRAG_PX = 5
MOST_SCREE = 80
MOST, REACH = 5.0, 1.0
"""So many percent at either end may lie outside, if they are farther from the crowd than its width."""


class ScreePlot(ColumnPlot):
    """Share of the variance of each component, their sum, and the line at 95 %."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._bars: pg.BarGraphItem | None = None
        super().__init__("Component", "Variance (%)", parent)
        self._bars = pg.BarGraphItem(x=[0], height=[0], width=0.8)
        self.addItem(self._bars)
        self._sum = self.plot([], [])
        self._line = pg.InfiniteLine(100 * SHARE, angle=0)
        self._kept = pg.InfiniteLine(1, angle=90)
        for line in (self._line, self._kept):
            self.addItem(line)
        self._word = pg.TextItem("95 %", anchor=(1, 0))
        self.addItem(self._word)
        self.restyle()

    def set_components(self, components: PrincipalComponents) -> None:
        """Show other components."""
        m = components.n_components
        n = min(components.scree.size, max(2 * m, 10), MOST_SCREE + m)
        x = np.arange(1, n + 1)
        shares = 100 * components.scree[:n]
        assert self._bars is not None
        self._bars.setOpts(x=x, height=shares, width=0.8)
        self._sum.setData(x, np.cumsum(shares))
        self._kept.setValue(m + 0.5)
        self._word.setPos(n + 0.5, 100 * SHARE)
        self.setRange(xRange=(0.5, n + 0.5), yRange=(0, 104), padding=0)

    def restyle(self) -> None:
        """Take the colours of the palette."""
        super().restyle()
        if self._bars is None:
            return
        strong = SKY_BLUE if self.theme.is_dark else BLUE
        self._bars.setOpts(brush=pg.mkBrush(SKY_BLUE), pen=None)
        self._sum.setPen(pg.mkPen(strong, width=2))
        self._line.setPen(pg.mkPen(VERMILLION, width=1, style=Qt.PenStyle.DashLine))
        self._kept.setPen(pg.mkPen(self.theme.faint_text, width=1, style=Qt.PenStyle.DotLine))
        self._word.setColor(VERMILLION)


class LoadingsPlot(ColumnPlot):
    """Loadings of two components along the Raman shift."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._curves: tuple[pg.PlotDataItem, ...] = ()
        super().__init__("Raman shift (cm⁻¹)", "Loading", parent)
        self._zero = pg.InfiniteLine(0, angle=0)
        self.addItem(self._zero)
        self._curves = (self.plot([], []), self.plot([], []))
        self.restyle()

    def set_loadings(
        self, axis: NDArray[np.float64], loadings: NDArray[np.float64], components: Sequence[int]
    ) -> None:
        """Show those of two components, numbered from 0, of (m, k) loadings."""
        for curve in self._curves:
            curve.setData([], [])
        for curve, number in zip(self._curves, components, strict=False):
            curve.setData(axis, loadings[number])
        self.setRange(xRange=(float(axis[0]), float(axis[-1])), padding=0.01)
        self.enableAutoRange(y=True)

    def restyle(self) -> None:
        """Take the colours of the palette."""
        super().restyle()
        if self._curves:
            self._zero.setPen(pg.mkPen(self.theme.line, width=1))
            strong = SKY_BLUE if self.theme.is_dark else BLUE
            self._curves[0].setPen(pg.mkPen(strong, width=1.5))
            self._curves[1].setPen(pg.mkPen(VERMILLION, width=1.2))

    @property
    def colours(self) -> tuple[str, str]:
        """``#rrggbb`` of the two curves."""
        return SKY_BLUE if self.theme.is_dark else BLUE, VERMILLION


class ScorePlot(ColumnPlot):
    """Scores of two components; a click chooses a point, a drag all within a rectangle.

    Ctrl or Shift adds to what is chosen.
    """

    fitted = Signal()
    """Another part of the points is shown."""
    points_chosen = Signal(object, Qt.KeyboardModifier)
    """(p,) numbers of the points, ascending, and the keys held."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._ring: pg.ScatterPlotItem | None = None
        super().__init__("PC 1", "PC 2", parent)
        self.setObjectName("scores")
        self.setMinimumHeight(300)
        self.setToolTip(
            "Click a point to see its spectrum, drag to choose many; Ctrl adds.\n"
            "Double-click: all points, or most of them again"
        )
        self._shows_all = False
        self._places: NDArray[np.float64] = np.zeros((0, 2))
        self._groups: list[pg.ScatterPlotItem] = []
        self._ring = pg.ScatterPlotItem(size=11, brush=None, pxMode=True)
        self._ring.setZValue(10)
        self.addItem(self._ring)
        self._chosen: NDArray[np.int64] = np.zeros(0, np.int64)
        self._from: QPoint | None = None
        self._band = QRubberBand(QRubberBand.Shape.Rectangle, self.viewport())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.restyle()

    def sizeHint(self) -> QSize:
        """Nearly a square."""
        return QSize(280, 300)

    @property
    def chosen(self) -> NDArray[np.int64]:
        """(p,) numbers of the points that are marked."""
        return self._chosen

    @property
    def n_outside(self) -> int:
        """Points beyond the edges of the plot."""
        (left, right), (low, high) = self.getPlotItem().viewRange()
        inside = (self._places >= (left, low)) & (self._places <= (right, high))
        return int((~inside.all(axis=1)).sum())

    def set_scores(
        self,
        places: NDArray[np.float64],
        titles: tuple[str, str],
        which: NDArray[np.int64],
        colours: Sequence[str],
    ) -> None:
        """Draw (n, 2) places, in the colour that ``which`` says of each."""
        self._places = places
        for item in self._groups:
            self.removeItem(item)
        self._groups = []
        for number, hue in enumerate(colours):
            rows = which == number
            colour = QColor(hue)
            colour.setAlphaF(0.75)
            item = pg.ScatterPlotItem(
                x=places[rows, 0], y=places[rows, 1], size=6, pen=None, brush=pg.mkBrush(colour), pxMode=True
            )
            self.addItem(item)
            self._groups.append(item)
        self.setLabel("bottom", titles[0])
        self.setLabel("left", titles[1])
        self._fit()
        self.set_chosen(self._chosen[self._chosen < len(places)])

    def _fit(self) -> None:
        """Show all points, or leave aside the few that would squeeze all others into a corner."""
        if not len(self._places):
            return
        low, high = self._places.min(axis=0), self._places.max(axis=0)
        if not self._shows_all:
            first, last = np.percentile(self._places, (MOST, 100 - MOST), axis=0)
            reach = REACH * (last - first)
            low, high = np.maximum(low, first - reach), np.minimum(high, last + reach)
        self.setRange(
            xRange=(float(low[0]), float(high[0])), yRange=(float(low[1]), float(high[1])), padding=0.05
        )

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show all points, or most of them again."""
        self._shows_all = not self._shows_all
        self._fit()
        self.fitted.emit()

    def set_chosen(self, points: NDArray[np.int64]) -> None:
        """Mark points with a ring."""
        self._chosen = points
        assert self._ring is not None
        self._ring.setData(self._places[points, 0], self._places[points, 1])

    def point_position(self, number: int) -> QPointF:
        """Tell where a point is on the viewport, in px."""
        scene = self.getPlotItem().vb.mapViewToScene(QPointF(*self._places[number]))
        return QPointF(self.mapFromScene(scene))

    def restyle(self) -> None:
        """Take the colours of the palette."""
        super().restyle()
        if self._ring is not None:
            self._ring.setPen(pg.mkPen(self.theme.text, width=1.5))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a click or a rectangle."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._from = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Draw the rectangle."""
        here = event.position().toPoint()
        if self._from is not None and (here - self._from).manhattanLength() > DRAG_PX:
            self._band.setGeometry(QRect(self._from, here).normalized())
            self._band.show()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose the points."""
        if event.button() is not Qt.MouseButton.LeftButton or self._from is None:
            return
        here, start = event.position().toPoint(), self._from
        self._from = None
        self._band.hide()
        corner = self._value(start)
        if (here - start).manhattanLength() > DRAG_PX:
            low, high = np.sort(np.stack([corner, self._value(here)]), axis=0)
            found = np.flatnonzero(((self._places >= low) & (self._places <= high)).all(axis=1))
        else:
            # One px in the units of the axes, so that near means near on the screen.
            step = np.abs(self._value(start + QPoint(1, 1)) - corner)
            distance = np.hypot(*((self._places - corner) / step).T) if len(self._places) else np.zeros(0)
            near = distance.size > 0 and distance.min() <= NEAR_PX
            found = np.array([distance.argmin()] if near else [], np.int64)
        self.points_chosen.emit(found.astype(np.int64), event.modifiers())

    def _value(self, pixel: QPoint) -> NDArray[np.float64]:
        point = self.getPlotItem().vb.mapSceneToView(self.mapToScene(pixel))
        return np.array([point.x(), point.y()])
