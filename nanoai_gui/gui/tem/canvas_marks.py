"""Ticks on what a person looked at and found right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from nanoai_gui.gui.tem.view import Size, View

COLOUR = "#3DDC97"
"""A light green that also colour-blind eyes see against the dark line around it; the form says it anyway."""
LARGE_PX, SMALL_PX = 13.0, 9.0
"""Widths of a tick at an agglomerate and in a particle."""
TICK = ((-0.5, 0.0), (-0.12, 0.38), (0.5, -0.42))


class TickLayer:
    """Ticks of a fixed size on the screen, at places of the image."""

    def __init__(self) -> None:
        self._particles = np.empty((0, 2))
        self._agglomerates = np.empty((0, 2))

    def set_places(self, particles: NDArray[np.float64], agglomerates: NDArray[np.float64]) -> None:
        """Take other places, (n, 2) x, y in px: in particles, and upper ends of agglomerates."""
        self._particles, self._agglomerates = particles, agglomerates

    @property
    def n_ticks(self) -> tuple[int, int]:
        """How many particles and agglomerates have one."""
        return len(self._particles), len(self._agglomerates)

    def paint(self, painter: QPainter, view: View, canvas: Size, is_blind: bool) -> None:
        """Draw what is on show; without those of agglomerates, who measures by hand sees none of them."""
        path = QPainterPath()
        _add(path, self._particles, SMALL_PX, 0.0, view, canvas)
        if not is_blind:
            _add(path, self._agglomerates, LARGE_PX, -0.6 * LARGE_PX, view, canvas)
        if path.isEmpty():
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((QColor(0, 0, 0, 200), 4.0), (QColor(COLOUR), 2.0)):
            pen = QPen(colour, width)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawPath(path)


def _add(
    path: QPainterPath, places: NDArray[np.float64], size: float, up: float, view: View, canvas: Size
) -> None:
    x0, y0, x1, y1 = view.visible(canvas)
    inside = (places[:, 0] >= x0) & (places[:, 0] <= x1) & (places[:, 1] >= y0) & (places[:, 1] <= y1)
    for x, y in places[inside].tolist():
        left, top = view.to_screen(x, y, canvas)
        corners = [QPointF(left + size * dx, top + up + size * dy) for dx, dy in TICK]
        path.moveTo(corners[0])
        path.lineTo(corners[1])
        path.lineTo(corners[2])
