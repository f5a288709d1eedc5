"""A scale bar whose length follows the zoom."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A bar: its length on the screen and what to write."""

    screen_length: float
    text: str


def round_length(longest: float) -> float:
    """Give the largest of 1, 2, 5 times a power of ten that is not longer than ``longest``.

    Raises
    ------
    ValueError
        If ``longest`` is not positive.
    """
    if not longest > 0:
        raise ValueError("a scale bar needs a positive length")
    power = 10.0 ** math.floor(math.log10(longest))
    # 1e-9: a length that is round up to a rounding error counts as round.
    return power * next(m for m in (10.0, 5.0, 2.0, 1.0) if m * power <= longest * (1 + 1e-9))


def length_text(nm: float) -> str:
    """Write a length of nanometres: µm from 1000 nm on."""
    if nm >= 999.5:
        return f"{nm / 1000:g} µm"
    return f"{nm:g} nm"


def scale_bar(scale: float, nm_per_px: float | None, longest: float) -> ScaleBar:
    """Choose a round length.

    Parameters
    ----------
    scale
        Screen pixels per image pixel.
    nm_per_px
        Pixel size; ``None`` gives a bar in px, at least 1 px long.
    longest
        Screen pixels the bar may take.
    """
    if nm_per_px is None:
        pixels = max(round_length(longest / scale), 1.0)
        return ScaleBar(pixels * scale, f"{pixels:g} px")
    length = round_length(longest / scale * nm_per_px)
    return ScaleBar(length / nm_per_px * scale, length_text(length))


MARGIN = 14.0


def paint_scale_bar(
    painter: QPainter, bar: ScaleBar, canvas: tuple[float, float], font: QFont, text_colour: str
) -> QRectF:
    """Draw a bar on a dark box in the bottom right corner; returns the box."""
    font = QFont(font)
    font.setWeight(QFont.Weight.DemiBold)
    metrics = QFontMetricsF(font)
    width = max(bar.screen_length, metrics.horizontalAdvance(bar.text)) + 20
    height = metrics.height() + 21
    box = QRectF(canvas[0] - MARGIN - width, canvas[1] - MARGIN - height, width, height)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(0, 0, 0, 165))
    painter.drawRoundedRect(box, 4, 4)
    painter.setFont(font)
    painter.setPen(QPen(QColor(text_colour)))
    text_box = QRectF(box.left(), box.top() + 5, width, metrics.height())
    painter.drawText(text_box, Qt.AlignmentFlag.AlignCenter, bar.text)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    left = round(box.center().x() - bar.screen_length / 2)
    painter.fillRect(QRectF(left, round(box.bottom() - 11), bar.screen_length, 4), QColor(text_colour))
    painter.restore()
    return box
