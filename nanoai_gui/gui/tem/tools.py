"""What the mouse does on the canvas: one small object for each gesture in progress.

Panning works in every tool (Space or the middle button); the left button belongs to the tool.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.canvas import MicrographCanvas

CLICK_SLOP = 4.0
"""Screen pixels the mouse may stray during a click."""
GRAB_DISTANCE = 7.0
"""Screen pixels around a line or a handle in which it can be grabbed."""

Line = tuple[float, float, float, float]
"""x0, y0, x1, y1 in px of the image, pixel centres at integers."""


class Tool(Enum):
    """What the left button does."""

    SELECT = auto()
    DATA_BAR = auto()
    SCALE_LINE = auto()
    BRUSH = auto()
    ERASER = auto()
    LASSO = auto()
    CUT = auto()
    CIRCLE = auto()
    BOX = auto()


EDITING = frozenset((Tool.BRUSH, Tool.ERASER, Tool.LASSO, Tool.CUT, Tool.CIRCLE, Tool.BOX))
"""Tools that change labels or particles."""


class Gesture:
    """Something between a press and a release of the mouse."""

    cursor = Qt.CursorShape.ArrowCursor

    def __init__(self, canvas: MicrographCanvas, at: QPointF) -> None:
        self.canvas = canvas
        self.pressed_at = QPointF(at)

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Follow the mouse."""

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Do it."""

    def cancel(self) -> None:
        """Leave everything as it was before the press (Esc)."""

    def strayed(self, at: QPointF) -> bool:
        """Whether the mouse has moved too far for a click."""
        return (at - self.pressed_at).manhattanLength() > CLICK_SLOP


class Pan(Gesture):
    """Drag the image. Without moving it is a click, if the tool has one."""

    cursor = Qt.CursorShape.ClosedHandCursor

    def __init__(self, canvas: MicrographCanvas, at: QPointF, clicks: bool) -> None:
        super().__init__(canvas, at)
        self._clicks = clicks
        self._before = canvas.view
        self._is_moving = not clicks

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Follow the mouse."""
        self._is_moving = self._is_moving or self.strayed(at)
        if self._is_moving:
            way = at - self.pressed_at
            self.canvas.set_view(self._before.moved(way.x(), way.y()))

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Finish."""
        if self._clicks and not self._is_moving:
            self.canvas.click(at, modifiers)

    def cancel(self) -> None:
        """Restore what was before."""
        self.canvas.set_view(self._before)


class Band(Gesture):
    """Shift-drag: select all in a rectangle. Without moving it is a click."""

    cursor = Qt.CursorShape.CrossCursor

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Follow the mouse."""
        self.canvas.set_band((self.pressed_at, QPointF(at)) if self.strayed(at) else None)

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Finish."""
        self.canvas.set_band(None)
        if self.strayed(at):
            self.canvas.select_rectangle(self.pressed_at, at, modifiers)
        else:
            self.canvas.click(at, modifiers)

    def cancel(self) -> None:
        """Restore what was before."""
        self.canvas.set_band(None)


class MoveDataBar(Gesture):
    """Drag the upper edge of the data bar; down to the foot of the image there is no bar."""

    cursor = Qt.CursorShape.SplitVCursor

    def __init__(self, canvas: MicrographCanvas, at: QPointF) -> None:
        super().__init__(canvas, at)
        self._before = canvas.data_bar_top

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Follow the mouse."""
        row = self.canvas.row_at(at)
        self.canvas.set_data_bar(row if row < self.canvas.image_shape[0] else None)

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Finish."""
        if self.canvas.data_bar_top != self._before:
            top = self.canvas.data_bar_top
            self.canvas.data_bar_moved.emit(-1 if top is None else top)

    def cancel(self) -> None:
        """Restore what was before."""
        self.canvas.set_data_bar(self._before)


class DrawLine(Gesture):
    """Draw a line, or move one of its ends; Shift keeps it horizontal."""

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, canvas: MicrographCanvas, at: QPointF) -> None:
        super().__init__(canvas, at)
        self._before = canvas.scale_line
        x, y = canvas.to_image(at)
        self._fixed = (x, y)
        end = grabbed_end(canvas, at)
        if end is not None:
            assert self._before is not None
            self._fixed = self._before[2:] if end == 0 else self._before[:2]

    def move(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Follow the mouse."""
        x, y = self.canvas.to_image(at)
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            y = self._fixed[1]
        self.canvas.set_scale_line((*self._fixed, x, y))

    def release(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Finish."""
        line = self.canvas.scale_line
        if not self.strayed(at) or line is None:
            self.cancel()
            return
        pixels = self.canvas.pixels
        if pixels is not None:
            line = snap_to_bar(pixels, line, GRAB_DISTANCE / self.canvas.view.scale)
            self.canvas.set_scale_line(line)
        self.canvas.line_drawn.emit(length(line))

    def cancel(self) -> None:
        """Restore what was before."""
        self.canvas.set_scale_line(self._before)


def begin(
    canvas: MicrographCanvas, at: QPointF, button: Qt.MouseButton, modifiers: Qt.KeyboardModifier
) -> Gesture | None:
    """Say which gesture a press begins, if any."""
    if button is Qt.MouseButton.MiddleButton or (
        button is Qt.MouseButton.LeftButton and canvas.is_space_held
    ):
        return Pan(canvas, at, clicks=False)
    if canvas.editing is not None:
        begun = canvas.editing.begin(at, button, modifiers)
        if begun is not None:
            return begun
    if button is not Qt.MouseButton.LeftButton:
        return None
    if canvas.tool is Tool.SCALE_LINE:
        return DrawLine(canvas, at)
    if canvas.tool is Tool.DATA_BAR:
        gesture = MoveDataBar(canvas, at)
        gesture.move(at, modifiers)
        return gesture
    if is_on_data_bar_edge(canvas, at):
        return MoveDataBar(canvas, at)
    if modifiers & Qt.KeyboardModifier.ShiftModifier:
        return Band(canvas, at)
    return Pan(canvas, at, clicks=True)


def hover_cursor(canvas: MicrographCanvas, at: QPointF) -> Qt.CursorShape:
    """Show by the cursor what a press would do."""
    if canvas.is_space_held:
        return Qt.CursorShape.OpenHandCursor
    if canvas.tool is Tool.SCALE_LINE:
        grabbed = grabbed_end(canvas, at) is not None
        return Qt.CursorShape.SizeAllCursor if grabbed else Qt.CursorShape.CrossCursor
    if canvas.tool is Tool.DATA_BAR or is_on_data_bar_edge(canvas, at):
        return Qt.CursorShape.SplitVCursor
    if canvas.editing is not None:
        return canvas.editing.cursor(at)
    return Qt.CursorShape.ArrowCursor


def is_on_data_bar_edge(canvas: MicrographCanvas, at: QPointF) -> bool:
    """Whether the upper edge of the data bar can be grabbed here."""
    top = canvas.data_bar_top
    if top is None or canvas.is_peeking:
        return False
    left, y = canvas.view.to_screen(-0.5, top - 0.5, canvas.size_f)
    right, _ = canvas.view.to_screen(canvas.image_shape[1] - 0.5, 0, canvas.size_f)
    return left <= at.x() <= right and abs(at.y() - y) <= GRAB_DISTANCE


def grabbed_end(canvas: MicrographCanvas, at: QPointF) -> int | None:
    """End of the scale line (0 or 1) that can be grabbed here."""
    line = canvas.scale_line
    if line is None:
        return None
    away = [
        math.dist((at.x(), at.y()), canvas.view.to_screen(line[i], line[i + 1], canvas.size_f))
        for i in (0, 2)
    ]
    nearest = int(away[1] < away[0])
    return nearest if away[nearest] <= GRAB_DISTANCE else None


def length(line: Line) -> float:
    """Length of a line in px."""
    return math.dist(line[:2], line[2:])


def snap_to_bar(pixels: NDArray[np.generic], line: Line, reach: float) -> Line:
    """Move the ends of a nearly horizontal line onto the ends of the scale bar under it.

    A scale bar is a run of equal pixels along a row, quite different from what lies beyond its ends. The
    line is left alone where there is no such run whose ends lie near those drawn.

    Parameters
    ----------
    pixels
        (height, width) raw values.
    line
        As drawn.
    reach
        Distance in px within which an end is moved (at least 3 px, or 3 % of the line's length).

    Returns
    -------
    Line
        From the left edge of the first pixel to the right edge of the last one of the bar, so that its
        length is the number of pixels, in the direction drawn.
    """
    x0, y0, x1, y1 = line
    left, right = min(x0, x1), max(x0, x1)
    if right - left < 8 or abs(y1 - y0) > 0.05 * (right - left):
        return line
    row = round((y0 + y1) / 2)
    if not 0 <= row < pixels.shape[0]:
        return line
    reach = max(reach, 3.0, 0.03 * (right - left))
    values = np.asarray(pixels[row], dtype=np.float64)
    middle = values[max(round(left + reach), 0) : round(right - reach)]
    if middle.size < 3:
        return line
    level = float(np.median(middle))
    spread = float(np.percentile(values, 99) - np.percentile(values, 1))
    same = np.abs(values - level) <= max(0.15 * spread, 0.5)
    centre = round((left + right) / 2)
    if not (0 <= centre < len(values) and same[centre]):
        return line
    others = np.flatnonzero(~same)
    before, after = others[others < centre], others[others > centre]
    if not len(before) or not len(after):
        return line
    start, stop = float(before[-1]) + 0.5, float(after[0]) - 0.5
    if abs(start - left) > reach or abs(stop - right) > reach:
        return line
    y = (y0 + y1) / 2
    return (start, y, stop, y) if x0 <= x1 else (stop, y, start, y)
