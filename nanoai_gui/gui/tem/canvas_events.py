"""How the canvas turns events of mouse, wheel and keyboard into gestures and commands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QKeySequence, QNativeGestureEvent

from nanoai_gui.gui.tem import tools
from nanoai_gui.gui.tem.canvas_view import CanvasView
from nanoai_gui.gui.tem.overlay import Hit

if TYPE_CHECKING:
    from PySide6.QtCore import QTimer
    from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent

    from nanoai_gui.gui.tem.canvas import MicrographCanvas

WHEEL_FACTOR = 1.25
"""Magnification for one notch of the wheel."""
KEY_FACTOR = 1.5
PAN_SHARE = 0.15
"""Share of the canvas an arrow key moves."""
TAP_SECONDS = 0.25
"""Tab pressed for less moves the focus on, as everywhere; held longer, it shows the bare image."""

_ARROWS = {
    Qt.Key.Key_Left: (1, 0),
    Qt.Key.Key_Right: (-1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


class CanvasEvents(CanvasView):
    """Second third of the canvas: everything that comes from the person."""

    _cursor_timer: QTimer

    def _begin_events(self) -> None:
        self._gesture: tools.Gesture | None = None
        self._cursor_at: QPointF | None = None
        self._is_cursor_inside = False
        self._is_space_held = False
        self._peek_key: int | None = None
        self._peek_began = 0.0

    @property
    def _canvas(self) -> MicrographCanvas:
        return cast("MicrographCanvas", self)

    @property
    def is_space_held(self) -> bool:
        """Whether dragging pans in every tool."""
        return self._is_space_held

    @property
    def is_peeking(self) -> bool:
        """Whether all but the image is hidden for a moment."""
        return self._peek_key is not None

    @property
    def is_moving_data_bar(self) -> bool:
        """Whether the edge of the data bar is being moved, or could be at once."""
        return isinstance(self._gesture, tools.MoveDataBar) or self._canvas.tool is tools.Tool.DATA_BAR

    # ---- mouse --------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a gesture."""
        if self._canvas.pixels is None or self._gesture is not None:
            event.ignore()
            return
        self._gesture = tools.begin(self._canvas, event.position(), event.button(), event.modifiers())
        if self._gesture is None:
            event.ignore()
            return
        self._gesture_button = event.button()
        self.update_cursor()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow a gesture, and tell the position."""
        self._cursor_at = event.position()
        if self._gesture is not None:
            self._gesture.move(event.position(), event.modifiers())
        else:
            self.update_cursor()
        if self._canvas.editing is not None:
            self._canvas.editing.hover(event.position(), is_pressed=self._gesture is not None)
        if not self._cursor_timer.isActive():
            self._cursor_timer.start()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a gesture."""
        if self._gesture is None or event.button() is not self._gesture_button:
            event.ignore()
            return
        gesture, self._gesture = self._gesture, None
        gesture.release(event.position(), event.modifiers())
        self.update_cursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Fit on a double-click on nothing; on the data bar's edge, go back to what was found."""
        canvas = self._canvas
        editing = canvas.editing
        if editing is not None and editing.double_click(event.position(), event.button()):
            return
        if (
            canvas.pixels is None
            or canvas.tool is tools.Tool.SCALE_LINE
            or event.button() is not Qt.MouseButton.LeftButton
        ):
            self.mousePressEvent(event)
        elif tools.is_on_data_bar_edge(canvas, event.position()):
            canvas.data_bar_reset.emit()
        elif canvas.tool is tools.Tool.SELECT and not self._hit(event.position()):
            canvas.fit()
        else:
            self.mousePressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Tell that the mouse is gone."""
        super().leaveEvent(event)
        self._cursor_at = None
        self._tell_cursor()
        if self._canvas.editing is not None:
            self._canvas.editing.leave()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor."""
        notches = event.angleDelta().y() / 120.0
        # With Alt held, Qt tells of a turn of the wheel as one to the side.
        sideways = event.angleDelta().x() / 120.0 or notches
        editing = self._canvas.editing
        if editing is not None and event.modifiers() & Qt.KeyboardModifier.AltModifier:
            editing.wheel(sideways)
        elif notches and self._canvas.pixels is not None:
            self._canvas.zoom(WHEEL_FACTOR**notches, event.position())
        event.accept()

    def event(self, event: QEvent) -> bool:
        """Zoom by pinching on a touch pad."""
        if event.type() is QEvent.Type.NativeGesture:
            pinch = cast("QNativeGestureEvent", event)
            if pinch.gestureType() is Qt.NativeGestureType.ZoomNativeGesture:
                self._canvas.zoom(max(1.0 + pinch.value(), 0.1), pinch.position())
                return True
        return super().event(event)

    def click(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Say what was clicked."""
        hit = self._hit(at)
        if hit is not None and hit.particle:
            self._canvas.particle_clicked.emit(hit.particle, modifiers)
        elif hit is not None and hit.agglomerate:
            self._canvas.agglomerate_clicked.emit(hit.agglomerate, modifiers)
        else:
            self._canvas.background_clicked.emit(modifiers)

    def select_rectangle(self, a: QPointF, b: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Say what lies in a rubber band between two positions of the canvas."""
        picture = self._canvas.picture
        if picture is None:
            return
        (xa, ya), (xb, yb) = self._canvas.to_image(a), self._canvas.to_image(b)
        found = picture.within(min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb))
        self._canvas.selection_rectangle.emit(*found, modifiers)

    def _hit(self, at: QPointF) -> Hit | None:
        picture = self._canvas.picture
        return None if picture is None else picture.hit(*self._canvas.to_image(at))

    def _tell_cursor(self) -> None:
        inside = None
        if self._cursor_at is not None:
            x, y = self._canvas.to_image(self._cursor_at)
            width, height = self._canvas.image_size
            if -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5:
                inside = x, y
        if inside is not None:
            self._canvas.cursor_moved.emit(*inside)
        elif self._is_cursor_inside:
            self._canvas.cursor_moved.emit(None, None)
        self._is_cursor_inside = inside is not None

    def cancel_gesture(self) -> bool:
        """Give up what the mouse is doing; whether there was anything."""
        gesture, self._gesture = self._gesture, None
        if gesture is not None:
            gesture.cancel()
            self.update_cursor()
        return gesture is not None

    def update_cursor(self) -> None:
        """Show what a press would do, or what is being done."""
        if self._canvas.pixels is None:
            self.unsetCursor()
        elif self._gesture is not None:
            self.setCursor(self._gesture.cursor)
        else:
            at = self._cursor_at if self._cursor_at is not None else QPointF(-1e6, -1e6)
            self.setCursor(tools.hover_cursor(self._canvas, at))

    # ---- keyboard -----------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Carry out a key; those that mean nothing here go on to the window."""
        if not (event.isAutoRepeat() and self._is_held_key(event.key())) and not self._carry_out(event):
            event.ignore()

    def _is_held_key(self, key: int) -> bool:
        return key in (Qt.Key.Key_Space, self._peek_key)

    def _carry_out(self, event: QKeyEvent) -> bool:
        canvas, key = self._canvas, event.key()
        if canvas.editing is not None and canvas.editing.key(event):
            return True
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if key == Qt.Key.Key_Escape:
            return self._give_up()
        if event.matches(QKeySequence.StandardKey.ZoomIn) or key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            canvas.zoom(KEY_FACTOR)
        elif event.matches(QKeySequence.StandardKey.ZoomOut) or (key == Qt.Key.Key_Minus):
            canvas.zoom(1 / KEY_FACTOR)
        elif key == Qt.Key.Key_0 and control:
            canvas.zoom_to_pixels()
        elif not plain:
            return False
        elif key == Qt.Key.Key_F:
            canvas.fit()
        elif key == Qt.Key.Key_X:
            canvas.set_masks_visible(not canvas.masks_visible)
        elif key == Qt.Key.Key_Z:
            canvas.set_outlines_visible(not canvas.outlines_visible)
        elif key == Qt.Key.Key_Space:
            self._is_space_held = True
            self.update_cursor()
        elif key in (Qt.Key.Key_Tab, Qt.Key.Key_QuoteLeft):
            self._peek_key, self._peek_began = key, time.monotonic()
            self.update()
        elif key in _ARROWS:
            dx, dy = _ARROWS[Qt.Key(key)]
            step = PAN_SHARE * min(self.width(), self.height())
            canvas.set_view(canvas.view.moved(dx * step, dy * step))
        else:
            return False
        return True

    def _give_up(self) -> bool:
        canvas = self._canvas
        if self.cancel_gesture() or (canvas.editing is not None and canvas.editing.give_up()):
            return True
        if canvas.scale_line is not None:
            canvas.set_scale_line(None)
            canvas.line_cleared.emit()
            return True
        if canvas.tool is not tools.Tool.SELECT:
            canvas.set_tool(tools.Tool.SELECT)
            canvas.tool_left.emit()
            return True
        canvas.background_clicked.emit(Qt.KeyboardModifier.NoModifier)
        return True

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """End what lasts while a key is held."""
        if event.isAutoRepeat():
            return
        if event.key() == Qt.Key.Key_Space and self._is_space_held:
            self._is_space_held = False
            self.update_cursor()
        elif self._peek_key is not None and event.key() == self._peek_key:
            self._peek_key = None
            self.update()
            if event.key() == Qt.Key.Key_Tab and time.monotonic() - self._peek_began < TAP_SECONDS:
                super().focusNextPrevChild(True)
        else:
            event.ignore()

    def focusNextPrevChild(self, next: bool) -> bool:  # noqa: A002 - Qt's names
        """Leave Tab to :meth:`keyPressEvent`; Shift+Tab moves the focus back as everywhere."""
        return False if next else super().focusNextPrevChild(next)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show that keys go here."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Forget held keys: their release will not come here."""
        super().focusOutEvent(event)
        self._is_space_held, self._peek_key = False, None
        self.update_cursor()
        self.update()
