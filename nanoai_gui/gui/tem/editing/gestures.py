"""What the mouse does between press and release in the tools that edit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt

from nanoai_gui.core.editing.circles import Ellipse
from nanoai_gui.core.editing.strokes import Stroke
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.gui.tem.tools import Gesture

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.canvas import MicrographCanvas
    from nanoai_gui.gui.tem.editing.canvas_editing import CanvasEditing

GRAB = 8.0
"""Screen pixels around a handle in which it can be grabbed."""


class EditGesture(Gesture):
    """A gesture that edits; ``editing`` lends it the editor and shows what it makes."""

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, canvas: MicrographCanvas, at: QPointF, editing: CanvasEditing) -> None:
        super().__init__(canvas, at)
        self.editing = editing


class PaintStroke(EditGesture):
    """A stroke of the brush or the eraser. The stroke is kept here: giving it up leaves nothing behind."""

    def __init__(self, canvas: MicrographCanvas, at: QPointF, editing: CanvasEditing, stroke: Stroke) -> None:
        super().__init__(canvas, at, editing)
        self._stroke = stroke
        self._last = canvas.to_image(at)
        self._line_to(self._last)

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Paint on to where the mouse is."""
        self._line_to(self.canvas.to_image(at))

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Make an edit of it."""
        self._line_to(self.canvas.to_image(at))
        if not self.editing.editor.finish_stroke(self._stroke):
            self.cancel()

    def cancel(self) -> None:
        """Show the labels as they are."""
        document, box = self.editing.editor.document, self._stroke.box
        if document is not None and box is not None:
            self.canvas.refill(box, document.labels[box.slices])

    def _line_to(self, to: tuple[float, float]) -> None:
        box = self._stroke.line(*self._last, *to)
        self._last = to
        if box is not None:
            self.canvas.refill(box, self._stroke.crop(box))


class DrawOutline(EditGesture):
    """Part of an outline: a corner if the mouse stays, a line by hand if it moves."""

    def __init__(self, canvas: MicrographCanvas, at: QPointF, editing: CanvasEditing) -> None:
        super().__init__(canvas, at, editing)
        self._draft = editing.outline()
        self._n_before = len(self._draft.points)
        self._is_closing = self._draft.is_back(at)
        if not self._is_closing:
            self._draft.add(at)

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Draw by hand."""
        if not self._is_closing and self.strayed(at):
            self._draft.draw(at)
        self.canvas.update()

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Close at the start; a loop drawn by hand in one go closes wherever it ends."""
        by_hand = len(self._draft.points) - self._n_before > 2
        if self._is_closing or self._draft.is_back(at) or (by_hand and self._n_before == 0):
            self.editing.finish_draft(modifiers)
        self.canvas.update()

    def cancel(self) -> None:
        """Give the whole outline up."""
        self.editing.drop_draft()


class DrawCut(EditGesture):
    """A cut: drawn by hand from press to release, or from click to click."""

    def __init__(self, canvas: MicrographCanvas, at: QPointF, editing: CanvasEditing) -> None:
        super().__init__(canvas, at, editing)
        self._draft = editing.cut_line()
        self._is_second = bool(self._draft.points)
        self._draft.add(at)

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Draw by hand."""
        if self.strayed(at):
            self._draft.add(at)
        self._draft.hover(at)
        self.canvas.update()

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Split, unless this was the first of two clicks."""
        if self._is_second or self.strayed(at):
            self.editing.finish_draft(modifiers)
        self.canvas.update()

    def cancel(self) -> None:
        """Give the cut up."""
        self.editing.drop_draft()


class DrawCircle(EditGesture):
    """Drag across a particle, from edge to edge, for a circle; with Shift for an ellipse in the rectangle."""

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Show what would be added."""
        self.editing.show_shape(self._shape(at, modifiers) if self.strayed(at) else None)

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Add it; a click is a point on an edge."""
        self.editing.show_shape(None)
        if self.strayed(at):
            self.editing.editor.add_particle(self._shape(at, modifiers))
        else:
            self.editing.edge().add(at)
            self.canvas.update()

    def cancel(self) -> None:
        """Add nothing."""
        self.editing.show_shape(None)

    def _shape(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> Ellipse:
        (x0, y0), (x1, y1) = self.canvas.to_image(self.pressed_at), self.canvas.to_image(at)
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            a, b = abs(x1 - x0) / 2, abs(y1 - y0) / 2
            return Ellipse(x, y, a, b) if a >= b else Ellipse(x, y, b, a, math.pi / 2)
        radius = math.hypot(x1 - x0, y1 - y0) / 2
        return Ellipse(x, y, radius, radius)


class MoveHandle(EditGesture):
    """Drag a handle of the selected particle: the middle moves it, the others change its size.

    With Shift only the axis of the handle changes, which makes an ellipse.
    """

    cursor = Qt.CursorShape.SizeAllCursor

    def __init__(
        self,
        canvas: MicrographCanvas,
        at: QPointF,
        editing: CanvasEditing,
        handle: int,
        ident: int,
        shape: Ellipse,
    ) -> None:
        super().__init__(canvas, at, editing)
        self._handle, self._ident, self._before = handle, ident, shape
        self._start = canvas.to_image(at)

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Show what it would become."""
        self.editing.show_shape(self._shape(at, modifiers))

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Change it."""
        self.editing.show_shape(None)
        if not self.strayed(at):
            return
        editor, shape, before = self.editing.editor, self._shape(at, modifiers), self._before
        ids = frozenset({self._ident})
        if self._handle == 0:
            editor.move_particles(shape.x - before.x, shape.y - before.y, ids)
        elif modifiers & Qt.KeyboardModifier.ShiftModifier:
            editor.reshape_particle(self._ident, shape)
        else:
            editor.resize_particles(shape.a / before.a, ids)

    def cancel(self) -> None:
        """Leave it as it is."""
        self.editing.show_shape(None)

    def _shape(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> Ellipse:
        x, y = self.canvas.to_image(at)
        before = self._before
        dx, dy = x - self._start[0], y - self._start[1]
        if self._handle == 0:
            return replace(before, x=before.x + dx, y=before.y + dy)
        along = before.angle + (0 if self._handle in (1, 2) else math.pi / 2)
        away = abs((x - before.x) * math.cos(along) + (y - before.y) * math.sin(along))
        away = max(away, 0.5)
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            return replace(before, a=away) if self._handle in (1, 2) else replace(before, b=away)
        factor = away / (before.a if self._handle in (1, 2) else before.b)
        return replace(before, a=before.a * factor, b=before.b * factor)


class DrawBox(EditGesture):
    """A rectangle that is segmented again."""

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Show it."""
        self.canvas.set_band((self.pressed_at, QPointF(at)))

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Ask how."""
        self.canvas.set_band(None)
        (x0, y0), (x1, y1) = self.canvas.to_image(self.pressed_at), self.canvas.to_image(at)
        height, width = self.canvas.image_shape
        box = Box(
            max(round(min(y0, y1)), 0), max(round(min(x0, x1)), 0),
            min(round(max(y0, y1)) + 1, height), min(round(max(x0, x1)) + 1, width),
        )  # fmt: skip
        if self.strayed(at) and min(box.shape) >= 8:
            self.editing.box_drawn.emit(box)

    def cancel(self) -> None:
        """Forget it."""
        self.canvas.set_band(None)


class DeleteBand(EditGesture):
    """Ctrl-drag: delete all agglomerates in a rectangle at once; a Ctrl-click deletes the one clicked."""

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Show the rectangle."""
        self.canvas.set_band((self.pressed_at, QPointF(at)) if self.strayed(at) else None)

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Delete."""
        self.canvas.set_band(None)
        picture, editor = self.canvas.picture, self.editing.editor
        if picture is None:
            return
        if not self.strayed(at):
            hit = picture.hit(*self.canvas.to_image(at))
            editor.delete_hit(hit.agglomerate, hit.particle)
            return
        (x0, y0), (x1, y1) = self.canvas.to_image(self.pressed_at), self.canvas.to_image(at)
        found, _ = picture.within(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        editor.delete_agglomerates(found)

    def cancel(self) -> None:
        """Delete nothing."""
        self.canvas.set_band(None)


class MergeClick(EditGesture):
    """Alt-click: merge what is clicked with what is selected."""

    cursor = Qt.CursorShape.PointingHandCursor

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Merge."""
        picture = self.canvas.picture
        if picture is not None and not self.strayed(at):
            agglomerate = picture.hit(*self.canvas.to_image(at)).agglomerate
            if agglomerate:
                self.editing.editor.merge_with(agglomerate)


class RightClick(EditGesture):
    """A right click: begins an outline that follows the mouse, or ends what is being drawn."""

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Begin or end."""
        if self.editing.draft is not None:
            self.editing.finish_draft(modifiers)
        else:
            self.editing.outline(follows=True).add(at)
            self.editing.tell_hint()
        self.canvas.update()
