"""How an image is painted in the file strip: thumbnail, name, and its state as shape, colour and words."""

from __future__ import annotations

import math

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from nanoai_gui.gui.tem.entries import ImageEntry, ImageState
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.theme import ThemeTokens, tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF

THUMBNAIL = 56
ROW_HEIGHT = THUMBNAIL + 2 * HALF
BADGE = 14

WORDS = {
    ImageState.NEW: "not measured",
    ImageState.QUEUED: "waiting",
    ImageState.RUNNING: "measuring",
    ImageState.DONE: "measured",
    ImageState.OUTDATED: "outdated",
    ImageState.FAILED: "failed",
}


def state_in_words(entry: ImageEntry, method: str) -> str:
    """Say where an image stands, in a few words."""
    if entry.state is ImageState.FAILED:
        return entry.error.removeprefix(entry.path.name).strip()  # the name stands above it
    if entry.state is ImageState.DONE and entry.analysis is not None:
        result = entry.analysis.results.get(method)
        if result is not None:
            n = len(result.particles)
            return "1 particle" if n == 1 else f"{n} particles"
    if entry.state is ImageState.OUTDATED and entry.has_changed:
        return "the file has changed since"
    return WORDS[entry.state]


class FileDelegate(QStyledItemDelegate):
    """Paints one row."""

    def __init__(self, session: TemSession, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._thumbnails = thumbnails

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Every row is as high as the other."""
        return QSize(160, ROW_HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint thumbnail, name and state."""
        entry: ImageEntry = index.data(Qt.ItemDataRole.UserRole)
        theme = tokens(option.palette)
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        font: QFont = option.font
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        self._paint_background(painter, rect, theme, is_chosen, entry.key == self._session.wanted)
        picture = QRect(rect.left() + GRID, rect.top() + HALF, THUMBNAIL, THUMBNAIL)
        self._paint_thumbnail(painter, picture, entry, theme)
        left = picture.right() + GRID + HALF
        width = rect.right() - left - HALF
        metrics = QFontMetrics(font)
        middle = rect.center().y()
        painter.setFont(font)
        painter.setPen(QColor(theme.text))
        name = metrics.elidedText(entry.name, Qt.TextElideMode.ElideMiddle, width)
        painter.drawText(QPointF(left, middle - metrics.descent() - 1), name)
        paint_badge(
            painter,
            QRectF(left, middle + HALF + (metrics.height() - BADGE) / 2, BADGE, BADGE),
            entry.state,
            theme,
        )
        painter.setPen(QColor(theme.error if entry.state is ImageState.FAILED else theme.faint_text))
        words = state_in_words(entry, self._session.shown_method)
        room = width - BADGE - HALF
        painter.drawText(
            QPointF(left + BADGE + HALF, middle + HALF + metrics.ascent()),
            metrics.elidedText(words, Qt.TextElideMode.ElideRight, room),
        )
        painter.restore()

    def _paint_background(
        self, painter: QPainter, rect: QRect, theme: ThemeTokens, is_chosen: bool, is_shown: bool
    ) -> None:
        if is_chosen:
            fill = QColor(theme.accent)
            fill.setAlphaF(0.28 if theme.is_dark else 0.14)
            painter.fillRect(rect, fill)
        if is_shown:
            painter.fillRect(QRect(rect.left(), rect.top(), 3, rect.height()), QColor(theme.accent))

    def _paint_thumbnail(self, painter: QPainter, rect: QRect, entry: ImageEntry, theme: ThemeTokens) -> None:
        painter.fillRect(rect, QColor(theme.line))
        pixmap = self._thumbnails.get(entry.path, entry.frame)
        if pixmap is not None:
            size = pixmap.size().scaled(rect.size(), Qt.AspectRatioMode.KeepAspectRatio)
            target = QRect(0, 0, size.width(), size.height())
            target.moveCenter(rect.center())
            painter.drawPixmap(target, pixmap)


def paint_badge(painter: QPainter, rect: QRectF, state: ImageState, theme: ThemeTokens) -> None:
    """Paint the sign of a state; each has a shape of its own, so that colour is not needed to tell them."""
    middle, r = rect.center(), rect.width() / 2 - 1.5
    colour = {
        ImageState.NEW: theme.waiting,
        ImageState.QUEUED: theme.waiting,
        ImageState.RUNNING: theme.running,
        ImageState.DONE: theme.done,
        ImageState.OUTDATED: theme.outdated,
        ImageState.FAILED: theme.error,
    }[state]
    pen = QPen(QColor(colour), 1.8)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if state is ImageState.NEW:  # an empty ring
        painter.drawEllipse(middle, r - 1, r - 1)
    elif state is ImageState.QUEUED:  # a clock
        painter.drawEllipse(middle, r, r)
        painter.drawPolyline(
            [QPointF(middle.x(), middle.y() - r * 0.6), middle, middle + QPointF(r * 0.5, 0)]
        )
    elif state is ImageState.RUNNING:  # a triangle, as on a player
        painter.setBrush(QColor(colour))
        painter.drawPolygon(
            [
                middle + QPointF(r * math.cos(a), r * math.sin(a))
                for a in (0, 2 * math.pi / 3, 4 * math.pi / 3)
            ]
        )
    elif state is ImageState.DONE:  # a tick
        path = QPainterPath(middle + QPointF(-r, 0))
        path.lineTo(middle + QPointF(-r * 0.25, r * 0.7))
        path.lineTo(middle + QPointF(r, -r * 0.7))
        painter.drawPath(path)
    elif state is ImageState.OUTDATED:  # an arrow round
        box = QRectF(middle.x() - r, middle.y() - r, 2 * r, 2 * r)
        painter.drawArc(box, 60 * 16, 270 * 16)
        tip = middle + QPointF(r * 0.5, -r * 0.86)
        painter.drawPolyline([tip + QPointF(-3.2, -1.2), tip, tip + QPointF(-0.6, 3.2)])
    else:  # a cross
        painter.drawLine(middle + QPointF(-r, -r) * 0.8, middle + QPointF(r, r) * 0.8)
        painter.drawLine(middle + QPointF(-r, r) * 0.8, middle + QPointF(r, -r) * 0.8)
