"""Where a window goes on the screens there are."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

SMALLEST_VISIBLE = 100
"""A remembered place counts only if so many px of the window's head would be seen."""
SMALL_SCREEN = 1600
"""On a screen narrower than this the window fills it, unless a person chose otherwise."""


def is_on_screen(window: QWidget) -> bool:
    """Whether enough of a window's head is seen to grab it."""
    head = window.frameGeometry()
    head.setHeight(SMALLEST_VISIBLE)
    return any(
        (seen := screen.availableGeometry().intersected(head)).width() >= SMALLEST_VISIBLE
        and seen.height() >= SMALLEST_VISIBLE // 2
        for screen in QGuiApplication.screens()
    )


def place_by_default(window: QWidget) -> None:
    """Put a window in the middle of the screen, or over all of a small one."""
    room = QGuiApplication.primaryScreen().availableGeometry()
    window.resize(min(1800, round(room.width() * 0.92)), min(1100, round(room.height() * 0.9)))
    window.move(room.center() - window.rect().center())
    if room.width() < SMALL_SCREEN:
        window.setWindowState(Qt.WindowState.WindowMaximized)
