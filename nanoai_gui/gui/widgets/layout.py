"""The distances everything is laid out on, and the few widgets every panel makes."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

GRID = 8
"""Distance in px that all panels are laid out on."""
HALF = GRID // 2


def column(parent: QWidget | None = None, *, spacing: int = GRID, margin: int = 0) -> QVBoxLayout:
    """Make a vertical layout, the layout of ``parent`` if there is one."""
    layout = QVBoxLayout() if parent is None else QVBoxLayout(parent)
    layout.setSpacing(spacing)
    layout.setContentsMargins(margin, margin, margin, margin)
    return layout


def row(parent: QWidget | None = None, *, spacing: int = GRID, margin: int = 0) -> QHBoxLayout:
    """Make a horizontal layout, the layout of ``parent`` if there is one."""
    layout = QHBoxLayout() if parent is None else QHBoxLayout(parent)
    layout.setSpacing(spacing)
    layout.setContentsMargins(margin, margin, margin, margin)
    return layout


def flat_button(text: str, tip: str = "", *, name: str = "", checkable: bool = False) -> QToolButton:
    """Make a small button without a frame."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setObjectName(name)
    button.setCheckable(checkable)
    button.setAutoRaise(True)
    return button


def fold_button(text: str, tip: str = "", *, name: str = "", is_open: bool = False) -> QToolButton:
    """Make a button with an arrow that says whether what lies below it is folded."""
    button = flat_button(text, tip, name=name, checkable=True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setChecked(is_open)

    def turn(now_open: bool) -> None:
        button.setArrowType(Qt.ArrowType.DownArrow if now_open else Qt.ArrowType.RightArrow)

    turn(is_open)
    button.toggled.connect(turn)
    return button
