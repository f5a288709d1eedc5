"""Real events of mouse and wheel, sent to a widget as the window system would."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

Place = tuple[float, float]
LEFT = Qt.MouseButton.LeftButton
MIDDLE = Qt.MouseButton.MiddleButton
NONE = Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
CONTROL = Qt.KeyboardModifier.ControlModifier


def send(
    widget: QWidget, kind: QEvent.Type, at: Place, button: Qt.MouseButton = LEFT,
    buttons: Qt.MouseButton = LEFT, modifiers: Qt.KeyboardModifier = NONE,
) -> None:  # fmt: skip
    """Send one mouse event at a position (x, y) of the widget."""
    place = QPointF(*at)
    event = QMouseEvent(kind, place, QPointF(widget.mapToGlobal(place)), button, buttons, modifiers)
    QApplication.sendEvent(widget, event)


def press(
    widget: QWidget, at: Place, button: Qt.MouseButton = LEFT, modifiers: Qt.KeyboardModifier = NONE
) -> None:
    """Press a button."""
    send(widget, QEvent.Type.MouseButtonPress, at, button, button, modifiers)


def move(
    widget: QWidget, at: Place, button: Qt.MouseButton = LEFT, modifiers: Qt.KeyboardModifier = NONE
) -> None:
    """Move with a button held (or none)."""
    send(widget, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton, button, modifiers)


def release(
    widget: QWidget, at: Place, button: Qt.MouseButton = LEFT, modifiers: Qt.KeyboardModifier = NONE
) -> None:
    """Release a button."""
    send(widget, QEvent.Type.MouseButtonRelease, at, button, Qt.MouseButton.NoButton, modifiers)


def drag(
    widget: QWidget, start: Place, stop: Place, button: Qt.MouseButton = LEFT,
    modifiers: Qt.KeyboardModifier = NONE, steps: int = 4,
) -> None:  # fmt: skip
    """Press, move in steps, release."""
    press(widget, start, button, modifiers)
    for i in range(1, steps + 1):
        x, y = (a + (b - a) * i / steps for a, b in zip(start, stop, strict=True))
        move(widget, (x, y), button, modifiers)
    release(widget, stop, button, modifiers)


def click(widget: QWidget, at: Place, modifiers: Qt.KeyboardModifier = NONE) -> None:
    """Press and release in one place."""
    press(widget, at, LEFT, modifiers)
    release(widget, at, LEFT, modifiers)


def double_click(widget: QWidget, at: Place) -> None:
    """Send what Qt sends for a double-click: press, release, double-click, release."""
    click(widget, at)
    send(widget, QEvent.Type.MouseButtonDblClick, at)
    release(widget, at)


def wheel(widget: QWidget, at: Place, notches: float, modifiers: Qt.KeyboardModifier = NONE) -> None:
    """Turn the wheel; positive is away from the person."""
    place = QPointF(*at)
    event = QWheelEvent(
        place, QPointF(widget.mapToGlobal(place)), QPoint(0, 0), QPoint(0, round(120 * notches)),
        Qt.MouseButton.NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)
