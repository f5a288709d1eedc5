"""The drawing of spectra: one above another, before and after preprocessing, on one axis of Raman shift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPalette
from PySide6.QtWidgets import QWidget

from nanoai_gui.gui.theme import VERMILLION, tokens
from nanoai_gui.gui.widgets.layout import GRID

Floats = NDArray[np.floating]
LABEL_WIDTH, LABEL_HEIGHT = 34, 20
"""Screen px that the label of a peak needs."""
LABEL_RISE = 1.1
"""Heights of a label from the peak up to its top."""
TEXT_MARGIN = 4
"""Empty px around the text of a label."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One line: its points, name, colour (empty: that of text) and looks."""

    axis: Floats
    values: Floats
    name: str = ""
    colour: str = ""
    width: float = 1.0
    is_dashed: bool = False


MOST_NAMED = 8
"""Curves named in the legend: more names would cover the spectra."""


class SpectrumPlot(pg.PlotWidget):
    """Some spectra over one axis; the wheel zooms along it, a drag moves, a double click shows all."""

    band_moved = Signal(float, float)
    """A person has moved the band, cm-1."""
    _is_built = False

    def __init__(
        self, name: str, title: str, parent: QWidget | None = None, *, with_legend: bool = True
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._with_legend = with_legend
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMinimumSize(160, 80)
        self.view_box = self.getViewBox()
        self.view_box.setMouseEnabled(True, False)
        self.view_box.setAutoVisible(y=True)
        self.view_box.enableAutoRange(y=True)
        self.view_box.sigResized.connect(lambda _: self._leave_air())
        self._leave_air()
        self.getPlotItem().setContentsMargins(0, GRID, GRID, 0)
        self.getAxis("left").enableAutoSIPrefix(False)
        self.getAxis("left").setWidth(64)
        self.getAxis("left").setLabel(title)
        self.getAxis("bottom").enableAutoSIPrefix(False)
        self._curves: list[pg.PlotCurveItem] = []
        self._shown: tuple[Curve, ...] = ()
        self._labels: list[pg.TextItem] = []
        self._peaks: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))
        self._legend = pg.LegendItem(offset=(-GRID, 1), verSpacing=-6, labelTextSize="9pt")
        self._legend.setParentItem(self.getPlotItem())
        self._band = pg.LinearRegionItem(movable=True, swapMode="sort")
        self._band.setZValue(-10)
        self._band.hide()
        self._band.sigRegionChangeFinished.connect(self._on_band)
        self.addItem(self._band, ignoreBounds=True)
        self.view_box.sigXRangeChanged.connect(self._place_labels)
        self.view_box.sigYRangeChanged.connect(self._place_labels)
        self._is_built = True
        self._restyle()

    @property
    def curves(self) -> tuple[Curve, ...]:
        """What is shown."""
        return self._shown

    @property
    def peaks(self) -> tuple[Floats, Floats]:
        """Raman shifts and intensities of the labelled peaks."""
        return self._peaks

    def _leave_air(self) -> None:
        """Leave room above the highest band, for its label, however low the plot is."""
        height = float(self.view_box.height())
        self.view_box.setDefaultPadding(min(max(LABEL_HEIGHT / max(height - 2 * LABEL_HEIGHT, 1), 0.1), 0.5))

    def set_title(self, title: str) -> None:
        """Name the vertical axis."""
        self.getAxis("left").setLabel(title)

    def set_axis_shown(self, shown: bool) -> None:
        """Write Raman shifts below, or leave that to the plot underneath."""
        axis = self.getAxis("bottom")
        axis.setStyle(showValues=shown)
        axis.setLabel("Raman shift [cm⁻¹]" if shown else None)

    def set_curves(self, curves: Sequence[Curve]) -> None:
        """Show other spectra; the items are kept, as making them is slow."""
        self._shown = tuple(curves)
        while len(self._curves) < len(curves):
            item = pg.PlotCurveItem(antialias=False)
            self._curves.append(item)
            self.addItem(item)
        for item in self._curves[len(curves) :]:
            item.setData([], [])
            item.hide()
        self._legend.clear()
        for item, curve in zip(self._curves, curves, strict=False):
            item.setData(np.asarray(curve.axis, np.float64), np.asarray(curve.values, np.float64))
            item.show()
        self._restyle()
        named = [(i, c) for i, c in zip(self._curves, curves, strict=False) if c.name]
        if len(named) > 1:
            for item, curve in named[:MOST_NAMED]:
                self._legend.addItem(item, curve.name)
        self._legend.setVisible(self._with_legend and len(named) > 1)

    def set_peaks(self, shifts: Floats, heights: Floats) -> None:
        """Label peaks with their Raman shift."""
        self._peaks = shifts, heights
        while len(self._labels) < shifts.size:
            label = pg.TextItem(anchor=(0.5, LABEL_RISE))
            self._labels.append(label)
            self.addItem(label, ignoreBounds=True)
        colour = self.palette().color(QPalette.ColorRole.Text)
        for label, shift in zip(self._labels, shifts, strict=False):
            label.setText(f"{shift:.0f}", color=colour)
        self._place_labels()

    def _place_labels(self, *_: object) -> None:
        """Show the labels that have room, whole: of two too near each other, that of the higher peak."""
        shifts, heights = self._peaks
        (low, high), (bottom, top) = self.view_box.viewRange()
        per_px = (top - bottom) / max(self.view_box.height(), 1.0)
        apart = LABEL_WIDTH * (high - low) / max(self.view_box.width(), 1.0)
        shown: list[float] = []
        for i in np.argsort(-heights):
            fits = all(abs(float(shifts[i]) - other) >= apart for other in shown)
            self._labels[i].setVisible(fits)
            tall = LABEL_RISE * self._labels[i].boundingRect().height() - TEXT_MARGIN
            height = float(heights[i])
            # In a low plot the label of the highest peak would stick out at the top.
            self._labels[i].setPos(
                float(shifts[i]), min(height, top - tall * per_px) if height <= top else height
            )
            if fits:
                shown.append(float(shifts[i]))
        for label in self._labels[shifts.size :]:
            label.hide()

    def set_range(self, low: float, high: float) -> None:
        """Show a range of Raman shifts."""
        self.view_box.setXRange(low, high, padding=0.01)

    def set_band(self, band: tuple[float, float] | None, bounds: tuple[float, float]) -> None:
        """Show the band that the map is coloured by; a person may drag it."""
        self._band.setVisible(band is not None)
        if band is not None:
            self._band.blockSignals(True)
            self._band.setBounds((min(bounds[0], band[0]), max(bounds[1], band[1])))
            self._band.setRegion(band)
            self._band.blockSignals(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show all."""
        if event.button() is Qt.MouseButton.LeftButton and self._shown:
            axes = [curve.axis for curve in self._shown if curve.axis.size]
            if axes:
                self.set_range(min(float(a[0]) for a in axes), max(float(a[-1]) for a in axes))
        event.accept()

    def _on_band(self) -> None:
        low, high = self._band.getRegion()
        self.band_moved.emit(float(low), float(high))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._is_built:
            self._restyle()
            self.set_peaks(*self._peaks)

    def _restyle(self) -> None:
        theme = tokens(self.palette())
        text = self.palette().color(QPalette.ColorRole.Text)
        self.setBackground(self.palette().color(QPalette.ColorRole.Base))
        for side in ("bottom", "left"):
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(theme.line))
            axis.setTextPen(pg.mkPen(text))
        self._legend.setLabelTextColor(text)
        # Names can be read over curves, which still show through.
        ground = QColor(self.palette().color(QPalette.ColorRole.Base))
        ground.setAlphaF(0.6)
        self._legend.setBrush(ground)
        for item, curve in zip(self._curves, self._shown, strict=False):
            colour = QColor(curve.colour) if curve.colour else text
            if curve.colour:
                colour = colour.lighter(115) if theme.is_dark else colour.darker(115)
            style = Qt.PenStyle.DashLine if curve.is_dashed else Qt.PenStyle.SolidLine
            item.setPen(pg.mkPen(colour, width=curve.width, style=style))
        shade = QColor(VERMILLION)
        shade.setAlphaF(0.14)
        self._band.setBrush(shade)
        shade.setAlphaF(0.25)
        self._band.setHoverBrush(shade)
        for line in self._band.lines:
            line.setPen(pg.mkPen(VERMILLION, width=1))
            line.setHoverPen(pg.mkPen(VERMILLION, width=3))
