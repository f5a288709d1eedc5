"""What is drawn over several clicks and not yet an edit: an outline, a cut, points on an edge, a proposal.

A draft is the only holder of its state: giving it up is dropping it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from nanoai_gui.core.editing.circles import Ellipse
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.gui.theme import ORANGE, YELLOW

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.canvas import MicrographCanvas
    from nanoai_gui.gui.tem.editing.editor import Editor

CLOSE_DISTANCE = 9.0
"""Screen pixels from its start within which an outline closes ..."""
AWAY_DISTANCE = 25.0
"""... once it has been further away than this."""
FREEHAND_STEP = 2.0
"""Screen pixels between the points of a line drawn by hand."""
_HALO = QColor(0, 0, 0, 170)


class Draft:
    """Something that is drawn over several clicks."""

    hint = ""
    """What to do, for the line above the image."""

    def __init__(self, canvas: MicrographCanvas, editor: Editor) -> None:
        self.canvas = canvas
        self.editor = editor
        self.points: list[tuple[float, float]] = []
        self.pointer: tuple[float, float] | None = None
        self.is_over = False

    def add(self, at: QPointF) -> None:
        """Take a click (or a point of a line drawn by hand)."""
        self.points.append(self.canvas.to_image(at))

    def hover(self, at: QPointF) -> None:
        """Follow the mouse."""
        self.pointer = self.canvas.to_image(at)

    def drop_last(self) -> None:
        """Take the last point back (Backspace); without any the draft is over."""
        if self.points:
            self.points.pop()
        self.is_over = not self.points

    def finish(self, modifiers: Qt.KeyboardModifier) -> None:
        """Make an edit of it (Enter, double click)."""
        self.is_over = True

    def paint(self, painter: QPainter) -> None:
        """Draw it."""

    def screen(self, points: list[tuple[float, float]] | NDArray[np.floating]) -> QPolygonF:
        """Give points of the image as points of the canvas."""
        view, size = self.canvas.view, self.canvas.size_f
        return QPolygonF([QPointF(*view.to_screen(float(x), float(y), size)) for x, y in points])

    def array(self) -> NDArray[np.float64]:
        """Give the points as (k, 2)."""
        return np.array(self.points, dtype=np.float64).reshape(-1, 2)

    def distance(self, at: QPointF, point: tuple[float, float]) -> float:
        """Screen pixels between a position and a point of the image."""
        x, y = self.canvas.view.to_screen(*point, self.canvas.size_f)
        return math.hypot(at.x() - x, at.y() - y)


class OutlineDraft(Draft):
    """A closed outline: clicks make corners, dragging a line by hand; back at the start it closes.

    With ``follows`` the mouse draws without a button held, as after a right click.
    """

    hint = "Click corners or draw; Enter or the start closes; Alt removes."

    def __init__(self, canvas: MicrographCanvas, editor: Editor, follows: bool = False) -> None:
        super().__init__(canvas, editor)
        self.follows = follows
        self._was_away = False

    def hover(self, at: QPointF) -> None:
        """Follow the mouse; draw where that needs no button."""
        super().hover(at)
        if self.points and self.distance(at, self.points[0]) > AWAY_DISTANCE:
            self._was_away = True
        if self.follows:
            self.draw(at)

    def draw(self, at: QPointF) -> None:
        """Add a point of a line drawn by hand."""
        if not self.points or self.distance(at, self.points[-1]) >= FREEHAND_STEP:
            self.add(at)

    def is_back(self, at: QPointF) -> bool:
        """Whether the mouse has come back to the start."""
        if self.points and self.distance(at, self.points[0]) > AWAY_DISTANCE:
            self._was_away = True
        return (
            self._was_away and len(self.points) >= 3 and self.distance(at, self.points[0]) <= CLOSE_DISTANCE
        )

    def finish(self, modifiers: Qt.KeyboardModifier) -> None:
        """Fill it."""
        super().finish(modifiers)
        if len(self.points) >= 3:
            self.editor.add_outline(self.array(), bool(modifiers & Qt.KeyboardModifier.AltModifier))

    def paint(self, painter: QPainter) -> None:
        """Draw the outline and its start."""
        shown = list(self.points) + ([self.pointer] if self.pointer is not None and self.points else [])
        if not shown:
            return
        stroke_polyline(painter, self.screen(shown), QColor("white"))
        paint_points(painter, self.screen(self.points[:1]), QColor(ORANGE), 5.0)


class CutDraft(Draft):
    """A line that splits: drawn by hand, or from click to click."""

    hint = "Draw the cut from edge to edge, or click its ends."

    def finish(self, modifiers: Qt.KeyboardModifier) -> None:
        """Split."""
        super().finish(modifiers)
        if len(self.points) >= 2:
            self.editor.cut(self.array())

    def paint(self, painter: QPainter) -> None:
        """Draw the line."""
        shown = list(self.points) + ([self.pointer] if self.pointer is not None and self.points else [])
        if shown:
            stroke_polyline(painter, self.screen(shown), QColor(ORANGE), Qt.PenStyle.DashLine)
            paint_points(painter, self.screen(self.points[:1]), QColor(ORANGE), 3.5)


class EdgeDraft(Draft):
    """Points on the edge of a particle: three or more make a circle, five or more an ellipse."""

    hint = "3 edge points: a circle; 5: an ellipse. Enter ends, Esc gives up."

    @property
    def shape(self) -> Ellipse | None:
        """What the points make."""
        return self.editor.fitted(self.array()) if len(self.points) >= 3 else None

    def finish(self, modifiers: Qt.KeyboardModifier) -> None:
        """Add the particle."""
        super().finish(modifiers)
        shape = self.shape
        if shape is not None:
            self.editor.add_particle(shape)
        elif self.points:
            self.editor.told.emit("Click at least three places around the edge of the particle.")

    def paint(self, painter: QPainter) -> None:
        """Draw the points and what they make."""
        shape = self.shape
        if shape is not None:
            paint_ellipse(painter, self, shape)
        paint_points(painter, self.screen(self.points), QColor(ORANGE), 3.5)


class CutProposal(Draft):
    """A proposed split of one agglomerate, to be accepted or not."""

    hint = "Enter splits, W: one part more, Shift+W: one less, Esc: whole."

    def __init__(
        self, canvas: MicrographCanvas, editor: Editor, ident: int, parts: NDArray[np.int32], box: Box
    ) -> None:
        super().__init__(canvas, editor)
        self.ident = ident
        self.parts = parts
        self.box = box

    @property
    def n_parts(self) -> int:
        """How many parts it proposes."""
        return int(self.parts.max(initial=0))

    def finish(self, modifiers: Qt.KeyboardModifier) -> None:
        """Split."""
        super().finish(modifiers)
        self.editor.accept_cut(self.ident, self.parts)

    def drop_last(self) -> None:
        """Leave it whole."""
        self.is_over = True

    def paint(self, painter: QPainter) -> None:
        """Draw the edges between the parts."""
        path = QPainterPath()
        view, size = self.canvas.view, self.canvas.size_f
        for first, second, is_row in ((self.parts[:, :-1], self.parts[:, 1:], False),
                                      (self.parts[:-1], self.parts[1:], True)):  # fmt: skip
            y, x = np.nonzero((first != second) & (first > 0) & (second > 0))
            for py, px in zip(y.tolist(), x.tolist(), strict=True):
                if is_row:
                    ends = ((px - 0.5, py + 0.5), (px + 0.5, py + 0.5))
                else:
                    ends = ((px + 0.5, py - 0.5), (px + 0.5, py + 0.5))
                a, b = (view.to_screen(ex + self.box.x0, ey + self.box.y0, size) for ex, ey in ends)
                path.moveTo(*a)
                path.lineTo(*b)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        for width, colour in ((5.0, _HALO), (2.5, QColor(ORANGE))):
            painter.strokePath(path, QPen(colour, width))
        painter.restore()


def stroke_polyline(
    painter: QPainter, line: QPolygonF, colour: QColor, style: Qt.PenStyle = Qt.PenStyle.SolidLine
) -> None:
    """Draw a line of points with a dark halo."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    for width, ink in ((3.5, _HALO), (1.5, colour)):
        pen = QPen(ink, width)
        pen.setStyle(style if ink is colour else Qt.PenStyle.SolidLine)
        painter.setPen(pen)
        painter.drawPolyline(line)
    painter.restore()


def paint_points(painter: QPainter, points: QPolygonF, colour: QColor, radius: float) -> None:
    """Draw dots."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(_HALO, 1.5))
    painter.setBrush(colour)
    for point in points.toList():
        painter.drawEllipse(point, radius, radius)
    painter.restore()


def paint_ellipse(painter: QPainter, draft: Draft, shape: Ellipse) -> None:
    """Draw a circle or an ellipse that is being made."""
    outline = draft.screen(shape.outline())
    outline.append(outline.first())
    stroke_polyline(painter, outline, QColor(YELLOW))
