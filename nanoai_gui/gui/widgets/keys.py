"""Keys that belong to the widget in use, although the window has a shortcut for them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

NAVIGATION = frozenset({Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End})


def keep_navigation_keys(*widgets: QWidget) -> None:
    """Let Page Up, Page Down and the like move in these widgets while they have the focus.

    Qt asks the widget in use before it gives a key to a shortcut of the window (where Page Down means the
    next image); tables and sliders do not claim their own keys, unlike fields for text.
    """
    for widget in widgets:
        widget.installEventFilter(_Claim(widget))


class _Claim(QObject):
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
            if plain and event.key() in NAVIGATION:
                event.accept()
                return True
        return False
