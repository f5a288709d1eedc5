"""A plot that stays as it is, in the colours of the window."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.gui.theme import ThemeTokens, tokens
from nanoai_gui.gui.widgets.layout import GRID

HEIGHT = 220


class StillPlot(pg.PlotWidget):
    """A plot that neither zooms nor pans.

    Parameters
    ----------
    across, up
        Titles of the axes.
    legend_at
        Place of the legend in px from the left and the top, or from the right and the bottom if negative;
        ``None``: there is none.
    """

    _is_built = False

    def __init__(
        self, across: str, up: str, parent: QWidget | None = None, *, legend_at: tuple[int, int] | None = None
    ) -> None:
        super().__init__(parent)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMouseEnabled(False, False)
        self.getPlotItem().setContentsMargins(0, GRID, GRID, 0)
        self.setLabel("bottom", across)
        self.setLabel("left", up)
        for side in ("bottom", "left"):
            self.getAxis(side).enableAutoSIPrefix(False)
        self.legend = None if legend_at is None else self.addLegend(offset=legend_at, labelTextSize="8pt")
        StillPlot.restyle(self)  # a derived plot has nothing to style yet
        self._is_built = True

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
        """Leave the wheel to whatever scrolls around the plot."""
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
            for _, label in self.legend.items:
                label.setText(label.text, color=text)
            fill = QColor(base)
            fill.setAlphaF(0.8)
            self.legend.setBrush(pg.mkBrush(fill))


class ColumnPlot(StillPlot):
    """One of a column of plots that scrolls: as high as the others."""

    def __init__(
        self, across: str, up: str, parent: QWidget | None = None, *, legend_at: tuple[int, int] | None = None
    ) -> None:
        super().__init__(across, up, parent, legend_at=legend_at)
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """As wide as the column."""
        return QSize(280, HEIGHT)
