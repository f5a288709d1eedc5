"""One line that names the colours of the methods compared, with what each found."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.gui.widgets.layout import GRID, HALF

SWATCH = 10


@dataclass(frozen=True)
class LegendEntry:
    """A colour, a name and a result; the result is left out where there is no room for it."""

    colour: QColor
    name: str
    detail: str


class Legend(QWidget):
    """Draws entries from the right; names are shortened last of all."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[LegendEntry, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    @property
    def entries(self) -> tuple[LegendEntry, ...]:
        """What is shown."""
        return self._entries

    def set_entries(self, entries: tuple[LegendEntry, ...]) -> None:
        """Show other entries."""
        self._entries = entries
        self.setToolTip("\n".join(f"{entry.name}: {entry.detail}" for entry in entries))
        self.setAccessibleName(self.toolTip())
        self.update()

    def sizeHint(self) -> QSize:
        """Give the width that all of it takes."""
        return QSize(sum(self._widths(with_detail=True)), self.fontMetrics().height() + HALF)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the entries."""
        if not self._entries:
            return
        with_detail = sum(self._widths(with_detail=True)) <= self.width()
        widths = narrowed(self._widths(with_detail), self.width())
        spare = max(self.width() - sum(widths), 0)
        painter = QPainter(self)
        metrics, x = self.fontMetrics(), spare
        for entry, width in zip(self._entries, widths, strict=True):
            top = (self.height() - SWATCH) // 2
            painter.fillRect(QRect(x, top, SWATCH, SWATCH), entry.colour)
            text = metrics.elidedText(
                _text(entry, with_detail), Qt.TextElideMode.ElideRight, width - SWATCH - HALF - GRID
            )
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            place = QRect(x + SWATCH + HALF, 0, width - SWATCH - HALF, self.height())
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, text)
            x += width

    def _widths(self, with_detail: bool) -> list[int]:
        metrics = self.fontMetrics()
        return [
            SWATCH + HALF + metrics.horizontalAdvance(_text(entry, with_detail)) + GRID + 2
            for entry in self._entries
        ]


def _text(entry: LegendEntry, with_detail: bool) -> str:
    return f"{entry.name} {entry.detail}" if with_detail else entry.name


def narrowed(widths: list[int], room: int) -> list[int]:
    """Take what is missing from the widest, so that short names stay whole."""
    widths = list(widths)
    while sum(widths) > room and max(widths) > 1:
        widest = max(widths)
        others = [width for width in widths if width < widest]
        n = widths.count(widest)
        missing = -(-(sum(widths) - room) // n)
        lower = max(widest - missing, max(others, default=0), 1)
        widths = [lower if width == widest else width for width in widths]
    return widths
