"""Where the window stands on the screens, remembered between runs."""

from __future__ import annotations

import base64

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMainWindow

SMALLEST_VISIBLE = 100
"""A remembered place counts only if so many px of the window's head would be seen."""
SMALL_SCREEN = 1600
"""On a screen narrower than this the window fills it, unless a person chose otherwise."""


def place(window: QMainWindow, saved: str) -> None:
    """Put a window where it was (see :func:`place_of`), or where it suits the screen."""
    state = QByteArray(base64.b64decode(saved, validate=False)) if saved else None
    if state is None or not window.restoreGeometry(state) or not _is_on_screen(window):
        _place_by_default(window)


def place_of(window: QMainWindow) -> str:
    """Give the place of a window as a text to remember."""
    return base64.b64encode(window.saveGeometry().data()).decode("ascii")


def _is_on_screen(window: QMainWindow) -> bool:
    head = window.frameGeometry()
    head.setHeight(SMALLEST_VISIBLE)
    return any(
        (seen := screen.availableGeometry().intersected(head)).width() >= SMALLEST_VISIBLE
        and seen.height() >= SMALLEST_VISIBLE // 2
        for screen in QGuiApplication.screens()
    )


def _place_by_default(window: QMainWindow) -> None:
    room = QGuiApplication.primaryScreen().availableGeometry()
    window.resize(min(1800, round(room.width() * 0.92)), min(1100, round(room.height() * 0.9)))
    window.move(room.center() - window.rect().center())
    if room.width() < SMALL_SCREEN:
        window.setWindowState(Qt.WindowState.WindowMaximized)
