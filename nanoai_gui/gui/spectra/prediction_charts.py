"""Bars of one spectrum's class probabilities, and of the shares of classes in cells or time points."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from nanoai_gui.core.spectra.fractions import Fractions
from nanoai_gui.gui.spectra.colours import NOT_CLASSIFIED_NAME, class_colours
from nanoai_gui.gui.theme import ThemeTokens, tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF

VCENTRE = Qt.AlignmentFlag.AlignVCenter


class ClassProbabilities(QWidget):
    """One bar for each class; the most probable one in bold, faint where the spectrum is not classified."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes: tuple[str, ...] = ()
        self._values: tuple[float, ...] = ()
        self._least = 0.0
        self._is_classified = True
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def values(self) -> tuple[float, ...]:
        """Probabilities in the order of the classes; empty if there are none to show."""
        return self._values

    def set_classes(self, classes: Sequence[str]) -> None:
        """Name the classes."""
        self._classes, self._values = tuple(classes), ()
        self.updateGeometry()
        self.update()

    def set_values(self, values: Sequence[float], is_classified: bool, least: float) -> None:
        """Show probabilities, and the line below which nothing is classified."""
        self._values, self._is_classified, self._least = tuple(values), is_classified, least
        words = ", ".join(f"{name} {100 * p:.0f} %" for name, p in zip(self._classes, values, strict=False))
        self.setAccessibleName(f"Class probabilities: {words}")
        self.setToolTip(words.replace(", ", "\n"))
        self.update()

    def _line(self) -> int:
        return self.fontMetrics().height() + HALF

    def sizeHint(self) -> QSize:
        """One line a class."""
        return QSize(240, max(len(self._classes), 1) * self._line() + HALF)

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint names on the left, bars, and figures on the right."""
        if not self._classes:
            return
        theme, metrics, line = tokens(self.palette()), self.fontMetrics(), self._line()
        known = class_colours(self._classes)
        names = min(max(metrics.horizontalAdvance(name) for name in self._classes) + GRID, self.width() // 3)
        figures = metrics.horizontalAdvance("100.0 %") + HALF
        track = max(self.width() - names - figures - GRID, 8)
        best = max(range(len(self._values)), key=self._values.__getitem__) if self._values else -1
        painter = QPainter(self)
        plain, bold = painter.font(), painter.font()
        bold.setBold(True)
        for i, name in enumerate(self._classes):
            top = i * line + HALF / 2
            stands_out = i == best and self._is_classified
            painter.setFont(bold if stands_out else plain)
            painter.setPen(QColor(theme.text if stands_out else theme.faint_text))
            elided = metrics.elidedText(name, Qt.TextElideMode.ElideRight, names - HALF)
            painter.drawText(QRectF(0, top, names, line), VCENTRE, elided)
            rail = QRectF(names, top + 3, track, line - 6)
            painter.fillRect(rail, QColor(theme.line if theme.is_dark else theme.raised))
            if not self._values:
                continue
            colour = QColor(known[name])
            colour.setAlphaF(1.0 if self._is_classified else 0.45)
            painter.fillRect(QRectF(names, top + 3, track * self._values[i], line - 6), colour)
            place = QRectF(self.width() - figures, top, figures, line)
            painter.drawText(place, VCENTRE | Qt.AlignmentFlag.AlignRight, f"{100 * self._values[i]:.1f} %")
        if self._least > 0:
            x = names + track * self._least
            painter.setPen(QPen(QColor(theme.text), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(x, 0), QPointF(x, len(self._classes) * line + HALF))
        painter.end()


class FractionBars(QWidget):
    """A bar for each cell or time point, parted by the shares of the classes; hatched: not classified."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fractions: Fractions | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def fractions(self) -> Fractions | None:
        """What is shown."""
        return self._fractions

    def set_fractions(self, fractions: Fractions | None) -> None:
        """Show other shares."""
        self._fractions = fractions
        if fractions is not None:
            self.setAccessibleName("; ".join(self.words(i) for i in range(len(fractions.names))))
        self.updateGeometry()
        self.update()

    def words(self, row: int) -> str:
        """Say in words what a bar shows."""
        f = self._fractions
        if f is None or not 0 <= row < len(f.names):
            return ""
        named = zip((*f.classes, NOT_CLASSIFIED_NAME), f.shares[row], f.counts[row], strict=True)
        parts = ", ".join(f"{name} {100 * share:.0f} % ({n})" for name, share, n in named if n)
        return f"{f.names[row]}: {parts}"

    def _line(self) -> int:
        return self.fontMetrics().height() + HALF

    def _legend_rows(self) -> list[list[tuple[str, int]]]:
        """Names of the classes in lines as wide as the widget, each with its left edge."""
        if self._fractions is None:
            return []
        rows: list[list[tuple[str, int]]] = [[]]
        x = 0
        for name in (*self._fractions.classes, NOT_CLASSIFIED_NAME):
            width = self.fontMetrics().horizontalAdvance(name) + 14 + 2 * GRID
            if x and x + width > max(self.width(), 200):
                rows.append([])
                x = 0
            rows[-1].append((name, x))
            x += width
        return rows

    def sizeHint(self) -> QSize:
        """One line a bar, and the legend above."""
        n = 0 if self._fractions is None else len(self._fractions.names)
        return QSize(240, (n + len(self._legend_rows())) * self._line() + GRID)

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the legend, then names on the left, bars, and counts on the right."""
        f = self._fractions
        if f is None:
            return
        theme, metrics, line = tokens(self.palette()), self.fontMetrics(), self._line()
        painter = QPainter(self)
        legend = self._legend_rows()
        for i, entries in enumerate(legend):
            for name, x in entries:
                swatch = QRectF(x, i * line + (line - 10) / 2, 10, 10)
                _fill(painter, swatch, name, f.classes, theme)
                painter.setPen(QColor(theme.text))
                painter.drawText(QRectF(x + 14, i * line, self.width(), line), VCENTRE, name)
        above = len(legend) * line + HALF
        widest = max((metrics.horizontalAdvance(name) for name in f.names), default=0)
        names = min(widest + GRID, self.width() * 2 // 5)
        figures = metrics.horizontalAdvance(str(int(f.totals.max()) if len(f.names) else 0)) + GRID
        track = max(self.width() - names - figures, 8)
        first = max((event.rect().top() - above) // line, 0)
        last = min((event.rect().bottom() - above) // line + 1, len(f.names))
        for i in range(first, last):
            top = above + i * line
            painter.setPen(QColor(theme.text))
            elided = metrics.elidedText(f.names[i], Qt.TextElideMode.ElideMiddle, names - HALF)
            painter.drawText(QRectF(0, top, names, line), VCENTRE, elided)
            edge = float(names)
            for share, name in zip(f.shares[i], (*f.classes, NOT_CLASSIFIED_NAME), strict=True):
                _fill(painter, QRectF(edge, top + 2, track * share, line - 4), name, f.classes, theme)
                edge += track * share
            painter.setPen(QColor(theme.faint_text))
            place = QRectF(self.width() - figures, top, figures, line)
            painter.drawText(place, VCENTRE | Qt.AlignmentFlag.AlignRight, str(int(f.totals[i])))
        painter.end()

    def event(self, event: QEvent) -> bool:
        """Explain the bar under the pointer."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            above = len(self._legend_rows()) * self._line() + HALF
            QToolTip.showText(event.globalPos(), self.words((event.pos().y() - above) // self._line()), self)
            return True
        return super().event(event)


def _fill(painter: QPainter, area: QRectF, name: str, classes: Sequence[str], theme: ThemeTokens) -> None:
    if area.width() <= 0:
        return
    if name != NOT_CLASSIFIED_NAME:
        painter.fillRect(area, QColor(class_colours(classes)[name]))
        return
    painter.fillRect(area, QBrush(QColor(theme.faint_text), Qt.BrushStyle.BDiagPattern))
    painter.setPen(QPen(QColor(theme.faint_text), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(area.adjusted(0.5, 0.5, -0.5, -0.5))
