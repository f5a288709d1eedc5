"""The drawing of a size distribution: bars, lognormal fit, cumulative curve, selected particles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPalette
from PySide6.QtWidgets import QGraphicsRectItem, QToolTip, QWidget

from nanoai_gui.gui.tem.histogram_data import HistogramState, MethodCurve
from nanoai_gui.gui.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY_BLUE, VERMILLION, YELLOW
from nanoai_gui.gui.widgets.diameter_axis import DiameterAxis
from nanoai_gui.gui.widgets.layout import GRID, HALF
from nanoai_gui.gui.widgets.numbers import count, significant

METHOD_HUES = (SKY_BLUE, ORANGE, GREEN, PURPLE, BLUE, YELLOW, GREY)
"""Colours that colour-blind eyes tell apart too; a method keeps its own."""


@dataclass
class _MethodItems:
    """The items of one method, made once and given new data ever after."""

    outline: pg.PlotCurveItem
    fit: pg.PlotCurveItem
    cumulative: pg.PlotCurveItem


class HistogramPlot(pg.PlotWidget):
    """Bars for the method shown, outlines for the others.

    Clicking a bar, or dragging across several, announces them.
    """

    bars_chosen = Signal(int, int, Qt.KeyboardModifier)
    """First and last bar, both included, and the modifier keys held."""
    _is_built = False

    def __init__(self, parent: QWidget | None = None) -> None:
        self._axis = DiameterAxis()
        super().__init__(parent, axisItems={"bottom": self._axis})
        self.setObjectName("histogramPlot")
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMouseEnabled(False, False)
        self.setMouseTracking(True)
        self.setMinimumSize(160, 96)
        # Room for the upper half of the topmost tick label.
        self.getPlotItem().setContentsMargins(0, GRID, HALF, 0)
        self._state: HistogramState | None = None
        self._shown: MethodCurve | None = None
        self._colours: dict[str, QColor] = {}
        self._items: dict[str, _MethodItems] = {}
        self._pressed: int | None = None
        self._bars = pg.BarGraphItem(x0=[], x1=[], height=[], y0=0)
        self._selected = pg.BarGraphItem(x0=[], x1=[], height=[], y0=0)
        # One particle of thousands is a share too small to see: its bar gets an edge as well.
        self._marked = pg.BarGraphItem(x0=[], x1=[], height=[], y0=0)
        self._range = QGraphicsRectItem()
        self._range.setZValue(5)
        self._range.hide()
        for item in (self._bars, self._selected, self._marked, self._range):
            self.addItem(item, ignoreBounds=True)
        self.showAxis("right")
        right = self.getAxis("right")
        right.unlinkFromView()
        right.setRange(0, 100)
        right.enableAutoSIPrefix(False)
        self.getAxis("left").enableAutoSIPrefix(False)
        self._is_built = True
        self._restyle()

    @property
    def state(self) -> HistogramState | None:
        """What is shown."""
        return self._state

    def colour(self, method: str) -> QColor:
        """Give the colour of a method."""
        return self._colours[method]

    def set_state(self, state: HistogramState, shown_method: str, order: tuple[str, ...]) -> None:
        """Draw another distribution; ``order`` of all methods decides their colours."""
        self._state = state
        self._shown = state.curve(shown_method)
        self._axis.is_log = state.request.scale == "log"
        for i, method in enumerate(order):
            self._colours[method] = QColor(METHOD_HUES[i % len(METHOD_HUES)])
        edges = self._positions(state.edges)
        top = self._top(state)
        for method, items in self._items.items():
            if state.curve(method) is None:
                for item in (items.outline, items.fit, items.cumulative):
                    _empty(item)
        for curve in state.curves:
            self._draw_curve(curve, edges, top)
        shares = self._shown.histogram.fraction * 100 if self._shown else np.zeros(len(edges) - 1)
        self._bars.setOpts(x0=edges[:-1], x1=edges[1:], height=shares)
        self.getViewBox().setRange(xRange=(edges[0], edges[-1]), yRange=(0, top), padding=0)
        weight = "Volume" if state.request.weighting == "volume" else "Number"
        self._axis.setLabel(f"Diameter [{state.unit}]")
        self.getAxis("left").setLabel(f"{weight} share [%]")
        self.getAxis("right").setLabel("Cumulative [%]")
        self._axis.picture = None
        self._axis.update()
        self._restyle()
        self.set_selected(np.zeros(len(edges) - 1))

    def set_selected(self, shares: NDArray[np.float64]) -> None:
        """Draw the share that the selected particles have in each bar over the bars, and mark these bars."""
        if self._state is not None:
            edges = self._positions(self._state.edges)
            self._selected.setOpts(x0=edges[:-1], x1=edges[1:], height=shares * 100)
            held = np.flatnonzero(shares)
            bars = self._shown.histogram.fraction[held] * 100 if self._shown else np.zeros(len(held))
            self._marked.setOpts(x0=edges[:-1][held], x1=edges[1:][held], height=bars)

    def bar_at(self, position: QPointF) -> int | None:
        """Give the bar under a position of the widget; beyond either end the outermost one."""
        if self._state is None:
            return None
        x = self.getViewBox().mapSceneToView(self.mapToScene(position.toPoint())).x()
        edges = self._positions(self._state.edges)
        return int(np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2))

    def bar_centre(self, bar: int) -> QPointF:
        """Give the position, in the widget, of the middle of a bar."""
        assert self._state is not None
        edges = self._positions(self._state.edges)
        view = self.getViewBox()
        middle = view.viewRange()[1][1] / 2
        point = view.mapViewToScene(QPointF((edges[bar] + edges[bar + 1]) / 2, middle))
        return QPointF(self.mapFromScene(point))

    # ------------------------------------------------------------------ the mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to choose bars."""
        if event.button() is Qt.MouseButton.LeftButton and self._is_inside(event.position()):
            self._pressed = self.bar_at(event.position())
            self._show_range(event.position())
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Stretch the choice, or say what lies under the pointer."""
        if self._pressed is not None:
            self._show_range(event.position())
        elif self._is_inside(event.position()):
            self._show_tip(event)
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Announce the bars chosen."""
        if event.button() is Qt.MouseButton.LeftButton and self._pressed is not None:
            bar = self.bar_at(event.position())
            pressed, self._pressed = self._pressed, None
            self._range.hide()
            if bar is not None:
                self.bars_chosen.emit(min(pressed, bar), max(pressed, bar), event.modifiers())
        event.accept()

    def wheelEvent(self, event: QEvent) -> None:
        """Leave the wheel to whatever scrolls around the plot."""
        event.ignore()

    def _is_inside(self, position: QPointF) -> bool:
        view = self.getViewBox()
        return bool(view.sceneBoundingRect().contains(self.mapToScene(position.toPoint())))

    def _show_range(self, position: QPointF) -> None:
        bar = self.bar_at(position)
        if bar is None or self._pressed is None or self._state is None:
            return
        edges = self._positions(self._state.edges)
        left, right = edges[min(bar, self._pressed)], edges[max(bar, self._pressed) + 1]
        self._range.setRect(QRectF(left, 0, right - left, self.getViewBox().viewRange()[1][1]))
        self._range.show()

    def _show_tip(self, event: QMouseEvent) -> None:
        bar = self.bar_at(event.position())
        if bar is None or self._shown is None or self._state is None:
            return
        low, high = self._state.edges[bar : bar + 2]
        n = int(self._shown.histogram.counts[bar])
        share = significant(100 * float(self._shown.histogram.fraction[bar]), 2)
        text = (
            f"{significant(low)} to {significant(high)} {self._state.unit}: {count(n, 'particle')}, {share} %"
        )
        QToolTip.showText(event.globalPosition().toPoint(), text, self)

    # ------------------------------------------------------------------ drawing

    def _positions(self, diameters: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log10(diameters) if self._axis.is_log else diameters

    def _top(self, state: HistogramState) -> float:
        """Leave some air above the highest bar, at a value that does not tremble while results grow."""
        highest = max((float(curve.histogram.fraction.max()) for curve in state.curves), default=0.0)
        highest = max([highest] + [float(curve.fit[1].max()) for curve in state.curves if curve.fit])
        return max(5.0, 5 * float(np.ceil(100 * highest * 1.05 / 5)))

    def _draw_curve(self, curve: MethodCurve, edges: NDArray[np.float64], top: float) -> None:
        items = self._items.get(curve.method)
        if items is None:
            items = _MethodItems(pg.PlotCurveItem(), pg.PlotCurveItem(), pg.PlotCurveItem())
            self._items[curve.method] = items
            for z, item in enumerate((items.outline, items.fit, items.cumulative), start=1):
                item.setZValue(z)
                self.addItem(item, ignoreBounds=True)
        is_shown = curve is self._shown
        if is_shown:
            _empty(items.outline)
        else:
            items.outline.setData(edges, curve.histogram.fraction * 100, stepMode="center")
        if curve.fit is None:
            _empty(items.fit)
        else:
            items.fit.setData(self._positions(curve.fit[0]), curve.fit[1] * 100, stepMode=None)
        diameters, share = curve.cumulative
        items.cumulative.setData(self._positions(diameters), share * top, stepMode=None)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._is_built:
            self._restyle()

    def _restyle(self) -> None:
        palette = self.palette()
        base, text = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text)
        self.setBackground(base)
        for side in ("bottom", "left", "right"):
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(_mixed(text, base, 0.5)))
            axis.setTextPen(pg.mkPen(text))
        own = self._colours.get(self._shown.method) if self._shown else None
        fill = QColor(own or METHOD_HUES[0])
        self._bars.setOpts(brush=pg.mkBrush(_mixed(fill, base, 0.55)), pen=pg.mkPen(base, width=1))
        self._selected.setOpts(brush=pg.mkBrush(VERMILLION), pen=pg.mkPen(base, width=1))
        self._marked.setOpts(brush=pg.mkBrush(None), pen=pg.mkPen(VERMILLION, width=2))
        shade = QColor(text)
        shade.setAlphaF(0.12)
        self._range.setBrush(shade)
        self._range.setPen(pg.mkPen(None))
        is_dark = base.lightnessF() < 0.5
        for method, items in self._items.items():
            colour = self._colours[method]
            line = colour.lighter(130) if is_dark else colour.darker(115)
            items.outline.setPen(pg.mkPen(line, width=1))
            items.fit.setPen(pg.mkPen(line, width=2))
            items.cumulative.setPen(pg.mkPen(line, width=1, style=Qt.PenStyle.DashLine))


def _empty(item: pg.PlotCurveItem) -> None:
    # A curve drawn in steps before would expect one x more than y.
    item.setData([], [], stepMode=None)


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    """Mix two colours: ``share`` of the first."""
    return QColor.fromRgbF(
        share * one.redF() + (1 - share) * other.redF(),
        share * one.greenF() + (1 - share) * other.greenF(),
        share * one.blueF() + (1 - share) * other.blueF(),
    )
