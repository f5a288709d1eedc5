"""What the canvas asks when mouse or keys may edit: which gesture begins, what a key does, what to draw."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPen

from nanoai_gui.core.editing.circles import Ellipse
from nanoai_gui.core.editing.labels import box_of
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.gui.tem.editing.drafts import (
    CutDraft,
    CutProposal,
    Draft,
    EdgeDraft,
    OutlineDraft,
    paint_ellipse,
    paint_points,
)
from nanoai_gui.gui.tem.editing.editor import BRUSH_STEP, RESIZE_STEP, Editor
from nanoai_gui.gui.tem.editing.gestures import (
    GRAB,
    DeleteBand,
    DrawBox,
    DrawCircle,
    DrawCut,
    DrawOutline,
    MergeClick,
    MoveHandle,
    PaintStroke,
    RightClick,
)
from nanoai_gui.gui.tem.tools import Gesture, Tool
from nanoai_gui.gui.theme import ORANGE

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.canvas import MicrographCanvas

_ARROWS = {
    Qt.Key.Key_Left: (-1.0, 0.0),
    Qt.Key.Key_Right: (1.0, 0.0),
    Qt.Key.Key_Up: (0.0, -1.0),
    Qt.Key.Key_Down: (0.0, 1.0),
}
_BRUSHES = (Tool.BRUSH, Tool.ERASER)
_RIGHT_CLICK = (Tool.SELECT, Tool.BRUSH, Tool.ERASER, Tool.LASSO)
_HINTS = {
    Tool.BRUSH: "Extends what you begin on, else a new one; Alt erases, [ ] size.",
    Tool.ERASER: "Erases what you begin on alone; Alt paints, [ ] size.",
    Tool.LASSO: OutlineDraft.hint,
    Tool.CUT: CutDraft.hint,
    Tool.CIRCLE: "Drag across (Shift: ellipse), or click 3 or more edge points.",
    Tool.BOX: "Drag a rectangle to segment it again with other settings.",
}


class CanvasEditing(QObject):
    """The editing half of the canvas."""

    box_drawn = Signal(object)
    """A :class:`Box` that is to be segmented again."""
    hint_changed = Signal(str)

    def __init__(self, canvas: MicrographCanvas, editor: Editor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.canvas = canvas
        self.editor = editor
        self.draft: Draft | None = None
        self._shape: Ellipse | None = None
        self._pointer: QPointF | None = None
        editor.options_changed.connect(canvas.update)

    # ------------------------------------------------------------------ mouse

    def begin(self, at: QPointF, button: Qt.MouseButton, modifiers: Qt.KeyboardModifier) -> Gesture | None:
        """Say which gesture a press begins; ``None`` leaves it to the canvas."""
        canvas, tool = self.canvas, self.canvas.tool
        if tool in (Tool.DATA_BAR, Tool.SCALE_LINE):
            return None
        if button is Qt.MouseButton.RightButton:
            can = self.draft is not None or (tool in _RIGHT_CLICK and not self.editor.tell_if_nothing())
            return RightClick(canvas, at, self) if can else None
        if button is not Qt.MouseButton.LeftButton:
            return None
        if isinstance(self.draft, OutlineDraft):
            return DrawOutline(canvas, at, self)
        grabbed = self._grabbed(at)
        if grabbed is not None:
            handled = self.editor.handled_particle
            assert handled is not None
            return MoveHandle(canvas, at, self, grabbed, *handled)
        if tool is Tool.SELECT:
            return self._begin_select(at, modifiers)
        if self.editor.tell_if_nothing():
            return DrawBox(canvas, at, self) if tool is Tool.BOX else None
        return self._begin_tool(at, modifiers)

    def _begin_select(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> Gesture | None:
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            return DeleteBand(self.canvas, at, self)
        if modifiers & Qt.KeyboardModifier.AltModifier:
            return MergeClick(self.canvas, at, self)
        return None

    def _begin_tool(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> Gesture | None:
        canvas, tool = self.canvas, self.canvas.tool
        if tool in _BRUSHES:
            swapped = bool(modifiers & Qt.KeyboardModifier.AltModifier)
            erases = (tool is Tool.ERASER) != swapped
            canvas.set_masks_visible(True)
            stroke = self.editor.begin_stroke(*canvas.to_image(at), erases)
            return None if stroke is None else PaintStroke(canvas, at, self, stroke)
        if tool is Tool.LASSO:
            return DrawOutline(canvas, at, self)
        if tool is Tool.CUT:
            return DrawCut(canvas, at, self)
        if tool is Tool.CIRCLE:
            return DrawCircle(canvas, at, self)
        return DrawBox(canvas, at, self)

    def hover(self, at: QPointF, is_pressed: bool) -> None:
        """Follow the mouse."""
        before, self._pointer = self._pointer, QPointF(at)
        if self.draft is not None and not is_pressed:
            self.draft.hover(at)
            if isinstance(self.draft, OutlineDraft) and self.draft.follows and self.draft.is_back(at):
                self.finish_draft(Qt.KeyboardModifier.NoModifier)
            self.canvas.update()
        elif self.canvas.tool in _BRUSHES:
            for place in (before, self._pointer):
                if place is not None:
                    self.canvas.update_part(self._brush_box(place))

    def leave(self) -> None:
        """Draw no brush where the mouse is not."""
        self._pointer = None
        self.canvas.update()

    def double_click(self, at: QPointF, button: Qt.MouseButton) -> bool:
        """End what is being drawn, or select a whole agglomerate; whether it was for that."""
        if button is not Qt.MouseButton.LeftButton or self.canvas.tool in (Tool.DATA_BAR, Tool.SCALE_LINE):
            return False
        if self.draft is not None:
            self.finish_draft(Qt.KeyboardModifier.NoModifier)
            return True
        picture = self.canvas.picture
        if self.canvas.tool is Tool.SELECT and picture is not None:
            hit = picture.hit(*self.canvas.to_image(at))
            if hit.agglomerate:
                self.canvas.agglomerate_clicked.emit(hit.agglomerate, Qt.KeyboardModifier.NoModifier)
                return True
        return False

    def wheel(self, notches: float) -> None:
        """Alt and the wheel: the size of the brush."""
        if self.canvas.tool in _BRUSHES:
            self.editor.set_brush_radius(self.editor.brush_radius * BRUSH_STEP**notches)

    def cursor(self, at: QPointF) -> Qt.CursorShape:
        """Show by the cursor what a press would do."""
        if self._grabbed(at) is not None:
            return Qt.CursorShape.SizeAllCursor
        is_drawing = self.canvas.tool is not Tool.SELECT or self.draft is not None
        return Qt.CursorShape.CrossCursor if is_drawing else Qt.CursorShape.ArrowCursor

    # ------------------------------------------------------------------ keys

    def key(self, event: QKeyEvent) -> bool:
        """Carry out a key; whether it means something here now."""
        key, modifiers = event.key(), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if (
            key in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            and not modifiers & Qt.KeyboardModifier.ControlModifier
        ):
            return self._enter(event.modifiers())
        if key == Qt.Key.Key_Backspace and self.draft is not None:
            self.draft.drop_last()
            if self.draft.is_over:
                self.drop_draft()
            self.canvas.update()
            return True
        if key == Qt.Key.Key_W and modifiers == Qt.KeyboardModifier.ShiftModifier:
            self.propose_cut(-1)
            return True
        if key in (Qt.Key.Key_BracketLeft, Qt.Key.Key_BracketRight) and not modifiers:
            return self._size(1 if key == Qt.Key.Key_BracketRight else -1)
        if (
            key in _ARROWS
            and modifiers & Qt.KeyboardModifier.ControlModifier
            and self.editor.selection.particles
        ):
            dx, dy = _ARROWS[Qt.Key(key)]
            step = 10.0 if modifiers & Qt.KeyboardModifier.ShiftModifier else 1.0
            self.editor.move_particles(step * dx, step * dy)
            return True
        return False

    def _enter(self, modifiers: Qt.KeyboardModifier) -> bool:
        if self.draft is not None:
            self.finish_draft(modifiers)
        elif self.editor.selection.agglomerates or self.editor.selection.particles:
            self.editor.accept()
        else:
            return False
        return True

    def _size(self, sign: int) -> bool:
        if self.canvas.tool in _BRUSHES:
            self.editor.set_brush_radius(self.editor.brush_radius * BRUSH_STEP**sign)
        elif self.editor.selection.particles:
            self.editor.resize_particles(RESIZE_STEP**sign)
        else:
            return False
        return True

    def give_up(self) -> bool:
        """Drop what is being drawn (Esc); whether there was anything."""
        if self.draft is None:
            return False
        self.drop_draft()
        return True

    # ------------------------------------------------------------------ drafts

    def outline(self, follows: bool = False) -> OutlineDraft:
        """Give the outline that is being drawn; begin one if there is none."""
        if not isinstance(self.draft, OutlineDraft):
            self.draft = OutlineDraft(self.canvas, self.editor, follows)
        return self.draft

    def cut_line(self) -> CutDraft:
        """Give the cut that is being drawn; begin one if there is none."""
        if not isinstance(self.draft, CutDraft):
            self.draft = CutDraft(self.canvas, self.editor)
        return self.draft

    def edge(self) -> EdgeDraft:
        """Give the points that are being clicked; begin if there are none."""
        if not isinstance(self.draft, EdgeDraft):
            self.draft = EdgeDraft(self.canvas, self.editor)
            self.tell_hint()
        return self.draft

    def propose_cut(self, by: int = 1) -> None:
        """Propose how to split the agglomerate selected; again, with a part more or less."""
        n = 2
        if isinstance(self.draft, CutProposal):
            n = max(self.draft.n_parts + by, 2)
        proposed, document = self.editor.propose_cut(n), self.editor.document
        if proposed is None or document is None:
            return
        box = box_of(document, [proposed[0]])
        assert box is not None
        self.draft = CutProposal(self.canvas, self.editor, *proposed, box)
        self.canvas.reveal(box.x0, box.y0, box.x1, box.y1)
        self.tell_hint()
        self.canvas.update()

    def finish_draft(self, modifiers: Qt.KeyboardModifier) -> None:
        """Make an edit of what is being drawn."""
        draft, self.draft = self.draft, None
        if draft is not None:
            draft.finish(modifiers)
        self.tell_hint()
        self.canvas.update()

    def drop_draft(self) -> None:
        """Forget what is being drawn."""
        self.draft = None
        self._shape = None
        self.tell_hint()
        self.canvas.update()

    def tool_changed(self) -> None:
        """Begin anew with another tool, or another image."""
        self.drop_draft()

    def tell_hint(self) -> None:
        """Say what to do now."""
        hint = self.draft.hint if self.draft is not None else _HINTS.get(self.canvas.tool, "")
        self.hint_changed.emit(hint)

    def show_shape(self, shape: Ellipse | None) -> None:
        """Show a circle or ellipse that is being made or moved."""
        self._shape = shape
        self.canvas.update()

    # ------------------------------------------------------------------ drawing

    def paint(self, painter: QPainter) -> None:
        """Draw what is being drawn, the handles and the brush."""
        if self.draft is not None:
            self.draft.paint(painter)
        frame = Draft(self.canvas, self.editor)
        if self._shape is not None:
            paint_ellipse(painter, frame, self._shape)
        elif self.draft is None and self._has_handles():
            handled = self.editor.handled_particle
            if handled is not None:
                paint_points(painter, frame.screen(handles(handled[1])), QColor(ORANGE), 4.0)
        if self.canvas.tool in _BRUSHES and self._pointer is not None:
            self._paint_brush(painter, self._pointer)

    def _paint_brush(self, painter: QPainter, at: QPointF) -> None:
        radius = self.editor.brush_radius * self.canvas.view.scale
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for width, colour in ((2.5, QColor(0, 0, 0, 150)), (1.2, QColor("white"))):
            painter.setPen(QPen(colour, width))
            painter.drawEllipse(at, radius, radius)
        painter.restore()

    def _brush_box(self, at: QPointF) -> Box:
        x, y = self.canvas.to_image(at)
        r = self.editor.brush_radius
        return Box(math.floor(y - r), math.floor(x - r), math.ceil(y + r) + 1, math.ceil(x + r) + 1)

    def _has_handles(self) -> bool:
        return self.canvas.tool in (Tool.SELECT, Tool.CIRCLE) and self.canvas.outlines_visible

    def _grabbed(self, at: QPointF) -> int | None:
        """Handle of the selected particle that can be grabbed here; 0 is the middle."""
        if self.draft is not None or not self._has_handles() or self.canvas.is_peeking:
            return None
        handled = self.editor.handled_particle
        if handled is None:
            return None
        view, size = self.canvas.view, self.canvas.size_f
        places = [view.to_screen(x, y, size) for x, y in handles(handled[1])]
        if math.dist(places[0], places[1]) < 2 * GRAB:
            return None  # too small on the screen to tell the handles apart
        away = [math.hypot(at.x() - x, at.y() - y) for x, y in places]
        nearest = min(range(len(away)), key=away.__getitem__)
        return nearest if away[nearest] <= GRAB else None


def handles(shape: Ellipse) -> list[tuple[float, float]]:
    """Give the middle and the ends of both axes."""
    c, s = math.cos(shape.angle), math.sin(shape.angle)
    return [
        (shape.x, shape.y),
        (shape.x + shape.a * c, shape.y + shape.a * s),
        (shape.x - shape.a * c, shape.y - shape.a * s),
        (shape.x - shape.b * s, shape.y + shape.b * c),
        (shape.x + shape.b * s, shape.y - shape.b * c),
    ]
