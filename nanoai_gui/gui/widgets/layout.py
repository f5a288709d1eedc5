"""The distances everything is laid out on, and the few widgets every panel makes."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QToolButton, QVBoxLayout, QWidget

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


def splitter(orientation: Qt.Orientation, *parts: tuple[QWidget, int]) -> QSplitter:
    """Put widgets side by side, each with its share of new room."""
    made = QSplitter(orientation)
    made.setChildrenCollapsible(False)
    made.setHandleWidth(5)
    for i, (widget, stretch) in enumerate(parts):
        made.addWidget(widget)
        made.setStretchFactor(i, stretch)
    return made


def flat_button(text: str, tip: str = "", *, name: str = "", checkable: bool = False) -> QToolButton:
    """Make a small button without a frame."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setObjectName(name)
    button.setCheckable(checkable)
    button.setAutoRaise(True)
    return button


def keep_room(widget: QWidget) -> None:
    """Let a widget take its place also while it is hidden, so that its neighbours stay where they are."""
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    widget.setSizePolicy(policy)


class FoldButton(QToolButton):
    """A button with an arrow that says whether what lies below it is folded.

    Not a checkable button: styles draw those pressed down while they are checked.
    """

    folded = Signal(bool)
    """True when unfolded, false when folded."""

    def __init__(self, text: str, tip: str = "", *, name: str = "", is_open: bool = False) -> None:
        super().__init__()
        self.setText(text)
        self.setToolTip(tip)
        self.setObjectName(name)
        self.setAutoRaise(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._is_open = not is_open
        self.set_open(is_open)
        self.clicked.connect(lambda: self.set_open(not self._is_open))

    @property
    def is_open(self) -> bool:
        """Whether what lies below is shown."""
        return self._is_open

    def set_open(self, is_open: bool) -> None:
        """Fold or unfold."""
        if is_open != self._is_open:
            self._is_open = is_open
            self.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
            self.folded.emit(is_open)
