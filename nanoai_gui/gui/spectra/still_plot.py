"""The plot all results of the Spectra tab are drawn on."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.gui.theme import ThemeTokens, tokens
from nanoai_gui.gui.widgets.layout import GRID

HEIGHT = 220


class StillPlot(pg.PlotWidget):
    """A plot that neither zooms nor pans, in the colours of the window, for a column that scrolls."""

    _is_built = False

    def __init__(
        self, across: str, up: str, parent: QWidget | None = None, *, with_legend: bool = False
    ) -> None:
        super().__init__(parent)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMouseEnabled(False, False)
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.getPlotItem().setContentsMargins(0, GRID, GRID, 0)
        self.setLabel("bottom", across)
        self.setLabel("left", up)
        for side in ("bottom", "left"):
            self.getAxis(side).enableAutoSIPrefix(False)
        self.legend = self.addLegend(offset=(-GRID, GRID), labelTextSize="8pt") if with_legend else None
        self._is_built = True
        self.restyle()

    def sizeHint(self) -> QSize:
        """As wide as the column."""
        return QSize(280, HEIGHT)

    @property
    def theme(self) -> ThemeTokens:
        """The colours of the window."""
        return tokens(self.palette())

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._is_built:
            self.restyle()

    def wheelEvent(self, event: QEvent) -> None:
        """Leave the wheel to the column, which scrolls."""
        event.ignore()

    def restyle(self) -> None:
        """Take the colours of the palette."""
        palette = self.palette()
        base, text = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text)
        self.setBackground(base)
        for side in ("bottom", "left"):
            self.getAxis(side).setPen(pg.mkPen(palette.color(QPalette.ColorRole.PlaceholderText)))
            self.getAxis(side).setTextPen(pg.mkPen(text))
        if self.legend is not None:
            self.legend.setLabelTextColor(text)
            fill = QColor(base)
            fill.setAlphaF(0.8)
            self.legend.setBrush(pg.mkBrush(fill))
