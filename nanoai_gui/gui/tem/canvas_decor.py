"""What is drawn over the image besides the overlay: data bar, scale line, rubber band, the empty canvas."""

from __future__ import annotations

from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPen

from nanoai_gui.gui.tem.tools import Line, length
from nanoai_gui.gui.tem.view import Size, View
from nanoai_gui.gui.theme import ORANGE, SKY_BLUE, draw_icon

_DARK = QColor(0, 0, 0, 170)
# The canvas is the same grey in both themes, and so is the text on it.
_HINT = "#D6D8DA"
_FAINT_HINT = "#A9ADB1"


def paint_data_bar(
    painter: QPainter,
    view: View,
    canvas: Size,
    shape: tuple[int, int],
    top: int,
    font: QFont | None,
) -> None:
    """Shade the data bar and draw its upper edge with a grip; with a ``font``, say what it is."""
    left, y = view.to_screen(-0.5, top - 0.5, canvas)
    right, bottom = view.to_screen(shape[1] - 0.5, shape[0] - 0.5, canvas)
    bar = QRectF(QPointF(left, y), QPointF(right, bottom)) & QRectF(0, 0, *canvas)
    if bar.isEmpty():
        return
    painter.save()
    painter.fillRect(bar, QColor(20, 24, 30, 70))
    painter.fillRect(bar, QBrush(QColor(255, 255, 255, 60), Qt.BrushStyle.BDiagPattern))
    for width, colour in ((3.5, _DARK), (1.5, QColor(ORANGE))):
        painter.setPen(QPen(colour, width))
        painter.drawLine(QLineF(bar.left(), y, bar.right(), y))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    grip = QRectF(bar.center().x() - 17, y - 5, 34, 10)
    painter.setPen(QPen(_DARK, 1))
    painter.setBrush(QColor(ORANGE))
    painter.drawRoundedRect(grip, 4, 4)
    painter.setPen(QPen(QColor(60, 40, 0), 1))
    for dy in (-1.5, 1.5):
        painter.drawLine(QLineF(grip.left() + 9, y + dy, grip.right() - 9, y + dy))
    if font is not None:
        text = f"Data bar from row {top}: not analysed"
        paint_tag(painter, text, QPointF(grip.right() + 12, y - 28), font, canvas)
    painter.restore()


def paint_tag(painter: QPainter, text: str, corner: QPointF, font: QFont, canvas: Size) -> None:
    """Write a short text on a dark plate whose top left corner is ``corner``, kept inside the canvas."""
    metrics = QFontMetricsF(font)
    plate = QRectF(corner.x(), corner.y(), metrics.horizontalAdvance(text) + 12, metrics.height() + 4)
    plate.moveLeft(min(max(plate.left(), 4.0), max(canvas[0] - plate.width() - 4, 4.0)))
    plate.moveTop(min(max(plate.top(), 4.0), max(canvas[1] - plate.height() - 4, 4.0)))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_DARK)
    painter.drawRoundedRect(plate, 3, 3)
    painter.setPen(QColor("white"))
    painter.setFont(font)
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)


def paint_scale_line(painter: QPainter, view: View, canvas: Size, line: Line, font: QFont) -> None:
    """Draw the line over the burned-in scale bar with its handles and its length."""
    start = QPointF(*view.to_screen(line[0], line[1], canvas))
    stop = QPointF(*view.to_screen(line[2], line[3], canvas))
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    for width, colour in ((4.5, _DARK), (2.0, QColor(ORANGE))):
        painter.setPen(QPen(colour, width))
        painter.drawLine(start, stop)
    painter.setPen(QPen(_DARK, 1.5))
    painter.setBrush(QColor(ORANGE))
    for end in (start, stop):
        painter.drawEllipse(end, 5, 5)
    middle = (start + stop) / 2
    paint_tag(painter, f"{length(line):.1f} px", middle + QPointF(-24, 10), font, canvas)
    painter.restore()


def paint_band(painter: QPainter, band: tuple[QPointF, QPointF]) -> None:
    """Draw the rubber band."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    fill = QColor(SKY_BLUE)
    fill.setAlpha(45)
    painter.setPen(QPen(QColor(SKY_BLUE), 1))
    painter.setBrush(fill)
    painter.drawRect(QRectF(band[0], band[1]).normalized())
    painter.restore()


def paint_empty(painter: QPainter, canvas: Size, font: QFont, ratio: float) -> None:
    """Say how to begin."""
    icon = draw_icon("drop_images", _FAINT_HINT, SKY_BLUE, QSize(72, 72), ratio)
    title = QFont(font)
    title.setPointSizeF(font.pointSizeF() * 1.5)
    title.setWeight(QFont.Weight.DemiBold)
    lines = (
        (title, _HINT, "Drop micrographs or a folder here"),
        (font, _FAINT_HINT, "or press Ctrl+O to open files"),
        (font, _FAINT_HINT, "No images at hand? Help, Open samples"),
    )
    height = 72 + 16 + sum(QFontMetricsF(f).height() + 6 for f, _, _ in lines)
    top = max((canvas[1] - height) / 2, 4.0)
    painter.drawPixmap(QPointF((canvas[0] - 72) / 2, top), icon)
    top += 72 + 16
    for used, colour, text in lines:
        metrics = QFontMetricsF(used)
        painter.setFont(used)
        painter.setPen(QColor(colour))
        place = QRectF(8, top, canvas[0] - 16, metrics.height())
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, place.width())
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, shown)
        top += metrics.height() + 6
