"""The layers of the canvas: each keeps what it shows and knows how to paint it.

Nothing here is an item of a graphics scene. A scene of thousands of items is what makes such canvases
slow (see tests/benchmarks/bench_canvas.py); these are a handful of objects painted one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QByteArray, QDataStream, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen, QPixmap

from nanoai_gui.gui.tem.display import Contrast, crop, level_shape
from nanoai_gui.gui.tem.outlines import DrawnOutlines, Outlines, path_bytes
from nanoai_gui.gui.tem.view import Size, View

CROP_MARGIN = 0.15
"""Share of the visible width and height kept around it, so that panning need not cut anew each frame."""
MOST_POINTS = 36_000
"""Points times strokes that may be drawn per layer and frame: about 2 ms (60 to 80 ns each)."""


class Raster:
    """An image drawn through a table of 256 colours, from the level of its pyramid that suits the zoom."""

    def __init__(self) -> None:
        self._levels: tuple[NDArray[Any], ...] = ()
        self._contrast: Contrast | None = None
        self._table: list[int] = []
        self._cached: QImage | None = None
        self._cached_values: NDArray[np.uint8] | None = None  # the memory the image shows
        self._cached_level = 0
        self._cached_box = (0, 0, 0, 0)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self._levels

    def set_levels(self, levels: tuple[NDArray[Any], ...]) -> None:
        """Take an image (finest level first); an empty tuple shows nothing."""
        self._levels = levels
        self._cached = None
        self._update_table()

    def refresh(self, box: tuple[int, int, int, int]) -> None:
        """Show that the levels were changed in place within x0, y0, x1, y1 (in px of level 0)."""
        if self._cached is None or self._cached_values is None or self._contrast is not None:
            self._cached = None
            return
        factor = 1 << self._cached_level
        cx0, cy0, cx1, cy1 = self._cached_box
        x0, y0 = max(box[0] // factor, cx0), max(box[1] // factor, cy0)
        x1, y1 = min(-(-box[2] // factor), cx1), min(-(-box[3] // factor), cy1)
        if x0 < x1 and y0 < y1:
            part = crop(self._levels, self._cached_level, (x0, y0, x1, y1))
            self._cached_values[y0 - cy0 : y1 - cy0, x0 - cx0 : x1 - cx0] = part
            self._cached = indexed_image(self._cached_values, self._table)

    def set_contrast(self, contrast: Contrast) -> None:
        """Map raw values to colours by a contrast."""
        self._contrast = contrast
        self._cached = None
        self._update_table()

    def set_colours(self, rgba: NDArray[np.uint8]) -> None:
        """Map uint8 indices to (256, 4) colours with opacity, not premultiplied."""
        self._contrast = None
        self._cached = None
        self._table = argb(rgba)

    def _update_table(self) -> None:
        if self._contrast is None or not self._levels:
            return
        colours = self._contrast.colours()
        if self._levels[0].dtype == np.uint8:
            # Raw values are indices already: a change of contrast is a change of 256 colours.
            colours = colours[self._contrast.positions(np.arange(256))]
        opaque = np.full((256, 1), 255, np.uint8)
        self._table = argb(np.concatenate([colours, opaque], axis=1))

    def paint(self, painter: QPainter, view: View, canvas: Size, ratio: float) -> None:
        """Draw the visible part; ``ratio`` is device pixels per device-independent one."""
        if not self._levels:
            return
        level = max(0, math.floor(-math.log2(max(view.scale * ratio, 1e-6))))
        shape = self._levels[0].shape[0], self._levels[0].shape[1]
        height, width = level_shape(shape, level)
        factor = 1 << level
        x0, y0, x1, y1 = ((edge + 0.5) / factor for edge in view.visible(canvas))
        box = (
            max(math.floor(x0), 0), max(math.floor(y0), 0),
            min(math.ceil(x1), width), min(math.ceil(y1), height),
        )  # fmt: skip
        if box[0] >= box[2] or box[1] >= box[3]:
            return
        image = self._image(level, box, (height, width))
        cx0, cy0, cx1, cy1 = self._cached_box
        # The last pixel of a level may reach beyond the image: only its part inside is drawn.
        wide, high = min(cx1, shape[1] / factor) - cx0, min(cy1, shape[0] / factor) - cy0
        left, top = view.to_screen(cx0 * factor - 0.5, cy0 * factor - 0.5, canvas)
        side = factor * view.scale
        target = QRectF(left, top, max(wide * side, 1.0), max(high * side, 1.0))
        # Averaged levels drawn between their own pixels look best interpolated; magnified pixels must
        # stay visible as pixels, and indices have nothing between them.
        is_smooth = self._contrast is not None and view.scale * ratio < 1.0
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, is_smooth)
        painter.drawImage(target, image, QRectF(0, 0, wide, high))

    def _image(self, level: int, box: tuple[int, int, int, int], shape: tuple[int, int]) -> QImage:
        have = self._cached_box
        if (
            self._cached is not None
            and self._cached_level == level
            and have[0] <= box[0] and have[1] <= box[1] and have[2] >= box[2] and have[3] >= box[3]
        ):  # fmt: skip
            return self._cached
        # More than is seen only where the person moves about, not while a contrast handle is dragged.
        share = CROP_MARGIN if self._cached is not None else 0.0
        more_x, more_y = int(share * (box[2] - box[0])), int(share * (box[3] - box[1]))
        box = (
            max(box[0] - more_x, 0), max(box[1] - more_y, 0),
            min(box[2] + more_x, shape[1]), min(box[3] + more_y, shape[0]),
        )  # fmt: skip
        values = crop(self._levels, level, box)
        if values.dtype != np.uint8:
            assert self._contrast is not None
            values = self._contrast.positions(values)
        self._cached_values = values
        self._cached = indexed_image(values, self._table)
        self._cached_level, self._cached_box = level, box
        return self._cached


def argb(rgba: NDArray[np.uint8]) -> list[int]:
    """(n, 4) red, green, blue, opacity as the numbers Qt's colour tables hold."""
    wide = rgba.astype(np.uint32)
    packed = (wide[:, 3] << 24) | (wide[:, 0] << 16) | (wide[:, 1] << 8) | wide[:, 2]
    return [int(colour) for colour in packed]


def indexed_image(index: NDArray[np.uint8], table: list[int]) -> QImage:
    """Wrap contiguous (height, width) uint8 as an image with a colour table; ``index`` must outlive it."""
    height, width = index.shape
    image = QImage(index.data, width, height, width, QImage.Format.Format_Indexed8)
    image.setColorTable(table)
    return image


def to_path(outlines: Outlines, first: int = 0, last: int | None = None) -> QPainterPath:
    """Make one path of the polygons ``first`` to ``last`` (exclusive)."""
    return read_path(path_bytes(outlines, first, len(outlines) if last is None else last))


def read_path(data: bytes) -> QPainterPath:
    """Read a path from the bytes of :func:`nanoai_gui.gui.tem.outlines.path_bytes`."""
    path = QPainterPath()
    if data:
        stream = QDataStream(QByteArray(data))
        stream >> path
    return path


_HALO = QColor(0, 0, 0, 170)


class OutlineLayer:
    """Thousands of outlines as merged thin lines with a dark halo.

    Lines of width 1 take Qt's fast road, at 60 to 80 ns a point; anything wider is first turned into
    polygons and costs twenty to several hundred times as much. Width and halo are therefore made of thin
    lines drawn side by side, and fewer of them the more points there are to draw.
    """

    def __init__(self, colour: QColor, dashes: tuple[float, ...] = ()) -> None:
        self._colour = colour
        self._dashes = dashes
        self._drawn: DrawnOutlines | None = None
        self._paths: dict[tuple[int, int], QPainterPath] = {}

    @property
    def drawn(self) -> DrawnOutlines | None:
        """The outlines; others are another object."""
        return self._drawn

    def set_outlines(self, drawn: DrawnOutlines | None) -> None:
        """Take other outlines; paths are made when first painted."""
        self._drawn = drawn
        self._paths.clear()

    def paint(self, painter: QPainter, view: View, canvas: Size, ratio: float) -> None:
        """Draw what is on show."""
        drawn = self._drawn
        if drawn is None or not len(drawn.levels[0]):
            return
        x0, y0, x1, y1 = view.visible(canvas)
        boxes = drawn.chunk_boxes
        chunks = np.flatnonzero(
            (boxes[:, 0] <= x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] <= y1) & (boxes[:, 3] >= y0)
        )
        if not len(chunks):
            return
        level = drawn.level_for(view.scale * ratio)
        starts = drawn.levels[level].starts[drawn.chunk_starts]
        n_points = int(np.sum(starts[chunks + 1] - starts[chunks]))
        paths = [self._path(drawn, level, int(chunk)) for chunk in chunks]
        origin = QPointF(*view.to_screen(0.0, 0.0, canvas))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for dx, dy, colour in self._strokes(n_points, ratio):
            pen = QPen(colour, 1.0)
            pen.setCosmetic(True)
            if self._dashes and colour is not _HALO:
                pen.setDashPattern([length * ratio for length in self._dashes])  # cosmetic: device pixels
            painter.save()
            painter.setPen(pen)
            painter.translate(origin.x() + dx, origin.y() + dy)
            painter.scale(view.scale, view.scale)
            for path in paths:
                painter.drawPath(path)
            painter.restore()

    def _strokes(self, n_points: int, ratio: float) -> list[tuple[float, float, QColor]]:
        bright, strokes = self._colour, MOST_POINTS / max(n_points, 1)
        if strokes >= 8 and ratio >= 1.4:  # lines of one device pixel are too thin on such screens
            halo = [(-1.2, -0.5), (0.5, -1.2), (1.2, 0.5), (-0.5, 1.2)]
            lines = [(-0.4, 0.0), (0.4, 0.0), (0.0, -0.4), (0.0, 0.4)]
        elif strokes >= 6 and not self._dashes:
            halo = [(-1.2, -0.5), (0.5, -1.2), (1.2, 0.5), (-0.5, 1.2)]
            lines = [(-0.35, -0.35), (0.35, 0.35)]
        elif strokes >= 6:  # dashes cost more
            halo, lines = [(-0.8, -0.8), (0.8, 0.8)], [(-0.35, -0.35), (0.35, 0.35)]
        elif strokes >= 3:
            halo, lines = [(-0.7, -0.7), (0.7, 0.7)], [(0.0, 0.0)]
        else:
            halo, lines = [], [(0.0, 0.0)]
        return [(x, y, _HALO) for x, y in halo] + [(x, y, bright) for x, y in lines]

    def _path(self, drawn: DrawnOutlines, level: int, chunk: int) -> QPainterPath:
        path = self._paths.get((level, chunk))
        if path is None:
            path = self._paths[level, chunk] = read_path(drawn.paths[level][chunk])
        return path


class OutlineStack:
    """Layers of outlines one over the other, painted once as long as neither they nor the view change.

    They are what costs most of a frame; a canvas that is painted again since something else has changed (what
    is selected, a stroke of the brush, progress told beside it) takes the picture of them.
    """

    def __init__(self) -> None:
        self._kept: QPixmap | None = None
        self._state: tuple[object, ...] = ()

    def paint(
        self, painter: QPainter, layers: Sequence[OutlineLayer], view: View, canvas: Size, ratio: float
    ) -> None:
        """Draw what is on show."""
        state = (view, canvas, ratio, *(layer.drawn for layer in layers))
        if state != self._state:
            # The next frame may be another view again: a picture would be made for nothing.
            self._state, self._kept = state, None
        elif self._kept is None and ratio == int(ratio):
            # With a broken ratio, pixels of the picture would fall between those of the screen.
            self._kept = QPixmap(round(canvas[0] * ratio), round(canvas[1] * ratio))
            self._kept.setDevicePixelRatio(ratio)
            self._kept.fill(Qt.GlobalColor.transparent)
            inner = QPainter(self._kept)
            try:
                self._draw(inner, layers, view, canvas, ratio)
            finally:
                inner.end()
        if self._kept is None:
            self._draw(painter, layers, view, canvas, ratio)
        else:
            painter.drawPixmap(QPointF(0, 0), self._kept)

    @staticmethod
    def _draw(
        painter: QPainter, layers: Sequence[OutlineLayer], view: View, canvas: Size, ratio: float
    ) -> None:
        for layer in layers:
            layer.paint(painter, view, canvas, ratio)


DASHED, DASH_DOTTED = (4.0, 3.0), (9.0, 3.0, 2.0, 3.0)
"""Lengths of dashes and gaps in px: what is left out, and what a person edited."""
MANY_SELECTED = 150
"""From so many selected outlines on, thin lines are drawn instead of wide ones."""


class SelectionLayer:
    """The selected agglomerates and particles: filled a little, with a wide light line."""

    def __init__(self, colour: QColor) -> None:
        self._colour = colour
        self._paths: list[QPainterPath] = []
        self._merged = QPainterPath()

    def set_outlines(self, outlines: Outlines | None) -> None:
        """Take the outlines of what is selected; those of one owner follow each other."""
        self._paths, self._merged = [], QPainterPath()
        if outlines is None or not len(outlines):
            return
        if len(outlines) > MANY_SELECTED:
            self._merged = to_path(outlines.thinned(5.0 if len(outlines) < 1000 else 10.0))
            return
        # A path for each owner: holes stay holes, and wide lines are quick on small paths only.
        ends = np.append(np.flatnonzero(np.diff(outlines.owners)) + 1, len(outlines))
        begins = np.concatenate([[0], ends[:-1]])
        self._paths = [to_path(outlines, int(a), int(b)) for a, b in zip(begins, ends, strict=True)]

    def paint(self, painter: QPainter, view: View, canvas: Size, ratio: float) -> None:
        """Draw it; widths of cosmetic pens are device pixels."""
        if not self._paths and self._merged.isEmpty():
            return
        left, top = view.to_screen(0.0, 0.0, canvas)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.translate(left, top)
        painter.scale(view.scale, view.scale)
        fill = QColor(self._colour)
        fill.setAlpha(46)
        if not self._merged.isEmpty():
            pen = QPen(self._colour, 1.0)
            pen.setCosmetic(True)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPath(self._merged)
        for width, colour in ((4.5, _HALO), (2.25, self._colour)):
            pen = QPen(colour, width * ratio)
            pen.setCosmetic(True)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            painter.setBrush(fill if colour is self._colour else Qt.BrushStyle.NoBrush)
            for path in self._paths:
                painter.drawPath(path)
        painter.restore()


def owned(outlines: Outlines, ids: frozenset[int]) -> Outlines:
    """Outlines of some owners, those of one owner together."""
    rows = np.flatnonzero(np.isin(outlines.owners, np.fromiter(ids, dtype=np.int64)))
    return outlines.select(rows[np.argsort(outlines.owners[rows], kind="stable")])


def preview_colours() -> NDArray[np.uint8]:
    """(256, 4) colours of the threshold preview: 0 is clear."""
    table = np.zeros((256, 4), np.uint8)
    table[1:] = (230, 60, 150, 105)  # no grey level and no label looks like this pink
    return table


RESIDUAL_MIDDLE = 128
"""Index of no residual at all."""


def residual_colours() -> NDArray[np.uint8]:
    """(256, 4) colours: blue is less material than fitted, orange more, dark grey neither.

    The middle is dark so that outlines stay visible, and both ends differ in lightness and hue.
    """
    t = (np.arange(256) - RESIDUAL_MIDDLE) / 127.0
    middle, orange, blue = np.array([38, 42, 47]), np.array([255, 183, 77]), np.array([100, 181, 255])
    end = np.where(t[:, None] > 0, orange, blue)
    mixed = middle + np.abs(np.clip(t, -1, 1))[:, None] * (end - middle)
    return np.concatenate([np.rint(mixed), np.full((256, 1), 255)], axis=1).astype(np.uint8)
