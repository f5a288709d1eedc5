"""Short messages over a corner of the window, which interrupt nothing."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from PySide6.QtCore import QEvent, QObject, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row

SECONDS = 8.0
"""How long a message that needs no answer stays."""
MOST = 3
WIDTH = 420


class Kind(Enum):
    """What a message is about."""

    INFORMATION = "i"
    WARNING = "!"


class Notice(QFrame):
    """One message with an optional command; a warning stays until it is closed."""

    def __init__(
        self,
        text: str,
        kind: Kind,
        command: tuple[str, Callable[[], object]] | None,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.kind = kind
        self.label = QLabel(text)
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)  # else wrapped lines are cut off
        self.label.setSizePolicy(policy)
        self.setAccessibleName(text)
        self.close_button = QToolButton()
        self.close_button.setText("×")
        self.close_button.setToolTip("Close this message")
        self.close_button.setAutoRaise(True)
        self.close_button.clicked.connect(self.dismiss)
        line = row(self, spacing=GRID, margin=GRID)
        line.addSpacing(GRID * 4)  # for the sign
        words = column(spacing=HALF)
        words.addWidget(self.label)
        line.addLayout(words, 1)
        if command is not None:
            button = QPushButton(command[0])
            button.clicked.connect(command[1])
            button.clicked.connect(self.dismiss)
            words.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        line.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(round(SECONDS * 1000))
        self._timer.timeout.connect(self.dismiss)
        if kind is Kind.INFORMATION:
            self._timer.start()

    def dismiss(self) -> None:
        """Take the message away."""
        self._timer.stop()
        self.hide()
        self.deleteLater()

    def enterEvent(self, event: QEvent) -> None:
        """Stay while the pointer is on it."""
        self._timer.stop()

    def leaveEvent(self, event: QEvent) -> None:
        """Go on counting."""
        if self.kind is Kind.INFORMATION:
            self._timer.start()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a plate with a sign: a circle for information, a triangle for a warning."""
        theme = tokens(self.palette())
        is_warning = self.kind is Kind.WARNING
        edge = QColor(theme.outdated if is_warning else theme.accent)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.line), 1))
        painter.setBrush(QColor(theme.warning_fill if is_warning else theme.raised))
        plate = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(plate, 6, 6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(edge)
        painter.drawRoundedRect(QRectF(0, 0, 4, self.height()), 2, 2)
        sign = QRectF(GRID * 1.5, GRID * 1.5, 18, 18)
        font = painter.font()
        font.setBold(True)
        painter.setFont(font)
        if is_warning:
            middle = sign.center().x()
            painter.drawPolygon(
                [sign.bottomLeft(), sign.bottomRight(), QRectF(middle, sign.top(), 0, 0).topLeft()]
            )
            sign.translate(0, 2)
        else:
            painter.drawEllipse(sign)
        painter.setPen(QColor(theme.window))
        painter.drawText(sign, Qt.AlignmentFlag.AlignCenter, self.kind.value)
        painter.end()


class NoticeArea(QObject):
    """Stacks messages in the lower right corner of a widget."""

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self._host = host
        self._notices: list[Notice] = []
        host.installEventFilter(self)

    @property
    def texts(self) -> list[str]:
        """The messages on show, oldest first."""
        return [notice.label.text() for notice in self._shown()]

    def show(
        self,
        text: str,
        kind: Kind = Kind.INFORMATION,
        command: tuple[str, Callable[[], object]] | None = None,
    ) -> Notice:
        """Show a message, once; the oldest goes where there are too many."""
        self.remove(text)
        notice = Notice(text, kind, command, self._host)
        notice.show()
        self._notices.append(notice)
        for old in self._shown()[:-MOST]:
            old.dismiss()
        notice.installEventFilter(self)
        self._place()
        return notice

    def remove(self, text: str) -> None:
        """Take a message away, if it is still there."""
        for notice in self._shown():
            if notice.label.text() == text:
                notice.dismiss()

    def clear(self) -> None:
        """Take all messages away."""
        for notice in self._shown():
            notice.dismiss()

    def bring_to_front(self) -> None:
        """Stay above a page that was just raised."""
        for notice in self._shown():
            notice.raise_()

    def _shown(self) -> list[Notice]:
        return [notice for notice in self._notices if not notice.isHidden()]

    def _place(self) -> None:
        width = min(WIDTH, self._host.width() - 2 * GRID)
        bottom = self._host.height() - GRID
        self._notices = self._shown()
        for notice in reversed(self._notices):
            layout = notice.layout()
            height = layout.heightForWidth(width) if layout is not None else notice.sizeHint().height()
            size = QSize(width, max(height, 36))
            notice.resize(size)
            notice.move(self._host.width() - width - GRID, bottom - size.height())
            notice.raise_()
            bottom -= size.height() + GRID

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of the host and close gaps."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Hide) and (
            watched is self._host or event.type() is QEvent.Type.Hide
        ):
            self._place()
        return False
