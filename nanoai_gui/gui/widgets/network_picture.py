"""A drawing of the layers of a network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF

MOST_DRAWN = 7
"""Nodes drawn of a layer; dots stand for the others."""
NODE = 8


class NetworkPicture(QWidget):
    """Columns of nodes with their connections, the number of nodes below and a name above each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: tuple[tuple[str, int], ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def layers(self) -> tuple[tuple[str, int], ...]:
        """Name and number of nodes of each layer."""
        return self._layers

    def set_layers(self, layers: Sequence[tuple[str, int]]) -> None:
        """Draw other layers."""
        self._layers = tuple(layers)
        sizes = "-".join(str(n) for _, n in layers)
        self.setAccessibleName(f"Layers of the network: {sizes}")
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the nodes and two lines of text."""
        return QSize(240, MOST_DRAWN * (NODE + 5) + 2 * self.fontMetrics().height() + GRID)

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint connections first, nodes over them."""
        if not self._layers:
            return
        theme, line = tokens(self.palette()), self.fontMetrics().height()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(0, line + HALF, self.width(), self.height() - 2 * (line + HALF))
        width = area.width() / len(self._layers)
        places = [self._places(n, width * (i + 0.5), area) for i, (_, n) in enumerate(self._layers)]
        painter.setPen(QPen(QColor(theme.line), 1))
        for left, right in itertools.pairwise(places):
            for a in left:
                for b in right:
                    painter.drawLine(a, b)
        for i, ((name, n), nodes) in enumerate(zip(self._layers, places, strict=True)):
            painter.setPen(QPen(QColor(theme.window), 1))
            painter.setBrush(QColor(theme.accent))
            for node in nodes:
                painter.drawEllipse(node, NODE / 2, NODE / 2)
            painter.setPen(QColor(theme.faint_text))
            if n > len(nodes):
                painter.setBrush(QColor(theme.faint_text))
                middle = (nodes[len(nodes) // 2 - 1] + nodes[len(nodes) // 2]) / 2
                for k in (-1, 0, 1):
                    painter.drawEllipse(middle + QPointF(0, 4 * k), 0.8, 0.8)
            centre = Qt.AlignmentFlag.AlignCenter
            painter.drawText(QRectF(i * width, 0, width, line), centre, name)
            painter.setPen(QColor(theme.text))
            painter.drawText(QRectF(i * width, self.height() - line, width, line), centre, str(n))
        painter.end()

    def _places(self, n: int, x: float, area: QRectF) -> list[QPointF]:
        drawn = n if n <= MOST_DRAWN else MOST_DRAWN - 1
        step = area.height() / MOST_DRAWN
        rows = [k - (drawn - 1) / 2 for k in range(drawn)]
        if n > drawn:
            # A gap in the middle, where the dots stand.
            rows = [row + (0.5 if row > 0 else -0.5) for row in rows]
        return [QPointF(x, area.center().y() + row * step) for row in rows]
