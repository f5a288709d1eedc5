"""The drawing of a map: white-light image, coloured pixels, regions, selection; and what the mouse does."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainterPath, QPalette, QWheelEvent
from PySide6.QtWidgets import QGraphicsPathItem, QWidget

from nanoai_gui.core.spectra.rois import Roi, inside_polygon
from nanoai_gui.core.spectra.spectral_set import MapGrid, WhiteLight
from nanoai_gui.gui.spectra.map_geometry import (
    bounds,
    centres,
    counts_upwards,
    grid_transform,
    image_transform,
    mask_of,
    pixel_at,
    pixel_edges,
)
from nanoai_gui.gui.theme import tokens

CLICK_SLOP = 4.0
CLOSE_ENOUGH = 9.0
"""Screen px from the first corner of a polygon within which a click closes it."""
NO_MODIFIER = Qt.KeyboardModifier.NoModifier


class MapTool(Enum):
    """What the left button does."""

    SELECT = "Select"
    RECTANGLE = "Rectangle"
    POLYGON = "Polygon"
    LASSO = "Lasso"
    BRUSH = "Brush"


class MapPlot(pg.PlotWidget):
    """A map in um.

    Left drag moves the map (Select) or draws (other tools); middle drag always moves it, the wheel zooms at
    the pointer, a double click fits. A polygon is closed by a double click, Enter, or a click on its first
    corner; Escape gives a drawing up, and Backspace its last corner.
    """

    hovered = Signal(int, float, float)
    """Spectrum under the pointer (-1: none) and place in um; NaN when the pointer has left."""
    clicked = Signal(int, Qt.KeyboardModifier)
    """Spectrum clicked on, -1 beside all, and the keys held."""
    outlined = Signal(object, Qt.KeyboardModifier)
    """Corners (m, 2) in um of a closed line that was drawn (Shift + drag in Select is a rectangle)."""
    brushed = Signal(object, object, Qt.KeyboardModifier)
    """Spectra (n,) that a stroke of the brush passed over, the places (m, 2) in um it went through, and the
    keys held: Shift adds to the chosen region, Alt takes away from it."""
    tool_left = Signal()
    _is_built = False

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("mapPlot")
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(200, 140)
        self.setAspectLocked(True)
        self.view_box = self.getViewBox()
        self.view_box.setMouseEnabled(False, False)
        self._grid: MapGrid | None = None
        self._image: WhiteLight | None = None
        self._tool = MapTool.SELECT
        self._is_fitted = True
        self._pressed: QPointF | None = None
        self._has_moved = False
        self._panning: QPointF | None = None
        self._corners: list[tuple[float, float]] = []
        self._stroke: NDArray[np.bool_] | None = None
        self._stroke_places: list[tuple[float, float]] = []
        self.brush_radius = 1.5
        """In pixels of the map."""
        self.allowed: NDArray[np.bool_] | None = None
        """(n,) spectra that the brush takes; ``None``: all."""
        self._photo = pg.ImageItem(axisOrder="row-major")
        self._pixels = pg.ImageItem(axisOrder="row-major")
        self._tint = pg.ImageItem(axisOrder="row-major")
        self._region_items: list[QGraphicsPathItem] = []
        self._selection = self._line(8)
        self._selection_halo = self._line(7)
        self._looked_at = self._line(9)
        self._drawing = self._line(10)
        for z, item in enumerate((self._photo, self._pixels, self._tint)):
            item.setZValue(z)
            self.addItem(item, ignoreBounds=True)
        for side, text in (("bottom", "x [µm]"), ("left", "y [µm]")):
            axis = self.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setLabel(text)
        self._is_built = True
        self._restyle()

    def _line(self, z: int) -> QGraphicsPathItem:
        item = QGraphicsPathItem()
        item.setZValue(z)
        self.addItem(item, ignoreBounds=True)
        return item

    # ------------------------------------------------------------------ what is shown

    def set_map(self, grid: MapGrid | None, image: WhiteLight | None) -> None:
        """Show the geometry of another map, the whole of it."""
        self.give_up()
        self._grid, self._image = grid, image
        self.allowed = None
        self._pixels.clear()
        self._tint.clear()
        if image is None:
            self._photo.clear()
        else:
            self._photo.setImage(image.rgb, autoLevels=False, levels=(0, 255))
            self._photo.setTransform(image_transform(image))
        if grid is not None:
            for item in (self._pixels, self._tint):
                item.setTransform(grid_transform(grid))
            self.view_box.invertY(not counts_upwards(grid, image))
        self.set_regions((), None)
        self.set_selected(np.zeros(0, np.int64), None)
        self.fit()

    def set_colours(self, rgba: NDArray[np.uint8] | None, opacity: float = 1.0) -> None:
        """Colour the pixels: (n, 4), one a spectrum; pixels without a spectrum are transparent."""
        if rgba is None or self._grid is None:
            self._pixels.clear()
            return
        picture = self._grid.picture(rgba, missing=np.uint8(0)).astype(np.uint8)
        self._pixels.setImage(np.ascontiguousarray(picture), autoLevels=False, levels=(0, 255))
        self._pixels.setOpacity(opacity)

    def set_image_visible(self, visible: bool) -> None:
        """Show or hide the white-light image."""
        self._photo.setVisible(visible)

    def set_regions(self, rois: Iterable[Roi], chosen: int | None) -> None:
        """Draw the edges of regions; the chosen one is thicker."""
        regions = list(rois)
        while len(self._region_items) < len(regions):
            self._region_items.append(self._line(4))
        for i, item in enumerate(self._region_items):
            item.setVisible(i < len(regions))
        if self._grid is None:
            return
        for item, region in zip(self._region_items, regions, strict=False):
            item.setPath(self._edges(region.rows))
            pen = pg.mkPen(region.colour, width=4 if region.number == chosen else 2)
            pen.setCosmetic(True)
            item.setPen(pen)

    def set_selected(self, rows: NDArray[np.int64], looked_at: int | None) -> None:
        """Frame the selected spectra and the one looked at."""
        if self._grid is None:
            rows, looked_at = np.zeros(0, np.int64), None
        path = self._edges(rows) if rows.size > 1 else QPainterPath()
        self._selection.setPath(path)
        self._selection_halo.setPath(path)
        one = QPainterPath()
        if self._grid is not None and looked_at is not None and looked_at < self._grid.index.size:
            one = self._edges(np.array([looked_at]))
        self._looked_at.setPath(one)

    def set_marked(self, rows: NDArray[np.int64] | None) -> None:
        """Tint the spectra that a threshold takes."""
        if rows is None or self._grid is None:
            self._tint.clear()
            return
        mask = mask_of(self._grid, rows)
        picture = np.zeros((*mask.shape, 4), np.uint8)
        picture[mask] = (255, 60, 200, 150)
        self._tint.setImage(picture, autoLevels=False, levels=(0, 255))

    def fit(self) -> None:
        """Show the whole map (and what of the white-light image lies around it)."""
        self._is_fitted = True
        if self._grid is not None:
            self.view_box.setRange(bounds(self._grid), padding=0.06)

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Magnify around a place in um (the middle when ``None``)."""
        self._is_fitted = False
        self.view_box.scaleBy((1 / factor, 1 / factor), center=at)

    def _edges(self, rows: NDArray[np.int64]) -> QPainterPath:
        if self._grid is None or not rows.size:
            return QPainterPath()
        x, y = pixel_edges(mask_of(self._grid, rows), self._grid)
        path: QPainterPath = pg.arrayToQPath(x, y, connect="pairs")
        return path

    # ------------------------------------------------------------------ places

    def place(self, at: QPointF) -> tuple[float, float]:
        """Position on the widget to um."""
        point = self.view_box.mapSceneToView(self.mapToScene(at.toPoint()))
        return float(point.x()), float(point.y())

    def position(self, x: float, y: float) -> QPointF:
        """Place in um to a position on the widget."""
        return QPointF(self.mapFromScene(self.view_box.mapViewToScene(QPointF(x, y))))

    def spectrum_at(self, x: float, y: float) -> int:
        """Give the spectrum at a place in um, -1 for none."""
        pixel = None if self._grid is None else pixel_at(self._grid, x, y)
        if self._grid is None or pixel is None:
            return -1
        found = np.flatnonzero(self._grid.index == pixel[0] * self._grid.n_columns + pixel[1])
        return int(found[0]) if found.size else -1

    # ------------------------------------------------------------------ tools

    @property
    def tool(self) -> MapTool:
        """What the left button does."""
        return self._tool

    def set_tool(self, tool: MapTool) -> None:
        """Let the left button do something else."""
        self.give_up()
        self._tool = tool
        select = tool is MapTool.SELECT
        self.viewport().setCursor(Qt.CursorShape.ArrowCursor if select else Qt.CursorShape.CrossCursor)

    @property
    def is_drawing(self) -> bool:
        """Whether something has been begun."""
        return bool(self._corners) or self._stroke is not None

    def give_up(self) -> None:
        """Leave everything as it was before the drawing began."""
        self._corners = []
        self._stroke = None
        self._pressed = None
        self._drawing.setPath(QPainterPath())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to move, or to draw."""
        event.accept()
        at = event.position()
        if event.button() is Qt.MouseButton.MiddleButton:
            self._panning = at
        if event.button() is not Qt.MouseButton.LeftButton or self._grid is None:
            return
        self._pressed, self._has_moved = at, False
        band = self._tool is MapTool.SELECT and event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if self._tool is MapTool.RECTANGLE or band:
            self._corners = [self.place(at)] * 4
        elif self._tool is MapTool.LASSO:
            self._corners = [self.place(at)]
        elif self._tool is MapTool.POLYGON:
            self._add_corner(at)
        elif self._tool is MapTool.BRUSH:
            self._stroke, self._stroke_places = np.zeros(self._grid.index.size, np.bool_), []
            self._brush(at)
        else:
            self._panning = at

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what was begun, or tell what lies under the pointer."""
        event.accept()
        at = event.position()
        # A lasso that comes back to where it began has been drawn all the same.
        self._has_moved = self._has_moved or self._strayed(at)
        x, y = self.place(at)
        self.hovered.emit(self.spectrum_at(x, y), x, y)
        if self._panning is not None and (self._pressed is None or self._strayed(at)):
            x0, y0 = self.place(self._panning)
            self._is_fitted = False
            self.view_box.translateBy(x=x0 - x, y=y0 - y)
            self._panning = at
        elif self._stroke is not None:
            self._brush(at)
        elif self._corners and self._tool is MapTool.LASSO:
            self._corners.append((x, y))
            self._draw()
        elif self._corners and self._tool is MapTool.POLYGON:
            self._draw((x, y))
        elif self._corners and self._pressed is not None:
            x0, y0 = self._corners[0]
            self._corners = [(x0, y0), (x, y0), (x, y), (x0, y)]
            self._draw()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish."""
        event.accept()
        at = event.position()
        moved = self._pressed is not None and (self._has_moved or self._strayed(at))
        was_pressed = self._pressed is not None
        self._panning = None
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        self._pressed = None
        if self._stroke is not None:
            rows, self._stroke = np.flatnonzero(self._stroke), None
            self.set_marked(None)
            self.brushed.emit(rows, np.array(self._stroke_places).reshape(-1, 2), event.modifiers())
        elif self._corners and self._tool is not MapTool.POLYGON:
            corners = self._corners
            self.give_up()
            if moved:
                self.outlined.emit(np.array(corners), event.modifiers())
            elif self._tool is MapTool.SELECT:
                self.clicked.emit(self.spectrum_at(*self.place(at)), event.modifiers())
        elif self._tool is MapTool.SELECT and was_pressed and not moved:
            self.clicked.emit(self.spectrum_at(*self.place(at)), event.modifiers())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Close a polygon, or fit."""
        event.accept()
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        if self._tool is MapTool.POLYGON:
            self._close_polygon()
        elif self._tool is MapTool.SELECT:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the pointer."""
        event.accept()
        if self._grid is not None:
            x, y = self.place(event.position())
            self.zoom(1.0015 ** event.angleDelta().y(), QPointF(x, y))

    def leaveEvent(self, event: QEvent) -> None:
        """Tell that nothing lies under the pointer."""
        super().leaveEvent(event)
        self.hovered.emit(-1, float("nan"), float("nan"))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close, shorten or give up a drawing; leave all other keys to the window."""
        key = event.key()
        if key == Qt.Key.Key_Escape:
            if self.is_drawing:
                self.give_up()
            else:
                self.tool_left.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._corners:
            self._close_polygon()
        elif key == Qt.Key.Key_Backspace and self._corners:
            self._corners.pop()
            self._draw()
        else:
            event.ignore()
            return
        event.accept()

    def _strayed(self, at: QPointF) -> bool:
        return self._pressed is not None and (at - self._pressed).manhattanLength() > CLICK_SLOP

    def _add_corner(self, at: QPointF) -> None:
        if len(self._corners) > 2:
            first = self.position(*self._corners[0])
            if (at - first).manhattanLength() <= CLOSE_ENOUGH:
                self._close_polygon()
                return
        self._corners.append(self.place(at))
        self._draw()

    def _close_polygon(self) -> None:
        corners = self._corners
        self.give_up()
        if len(corners) > 2:
            self.outlined.emit(np.array(corners), NO_MODIFIER)

    def _draw(self, then: tuple[float, float] | None = None) -> None:
        path = QPainterPath()
        if self._corners:
            path.moveTo(*self._corners[0])
            for corner in self._corners[1:]:
                path.lineTo(*corner)
            if then is not None:
                path.lineTo(*then)
            if self._tool is not MapTool.POLYGON:
                path.closeSubpath()
        self._drawing.setPath(path)

    def _brush(self, at: QPointF) -> None:
        assert self._grid is not None
        assert self._stroke is not None
        x, y = self.place(at)
        self._stroke_places.append((x, y))
        own_x, own_y = centres(self._grid)
        near = np.hypot((own_x - x) / self._grid.dx, (own_y - y) / self._grid.dy) <= self.brush_radius
        under = self.spectrum_at(x, y)
        if under >= 0:
            near[under] = True
        self._stroke |= near if self.allowed is None else near & self.allowed
        self.set_marked(np.flatnonzero(self._stroke))

    @property
    def brush_um(self) -> float:
        """Radius of the brush, um."""
        return 0.0 if self._grid is None else self.brush_radius * abs(self._grid.dx)

    def spectra_inside(self, outline: NDArray[np.float64]) -> NDArray[np.int64]:
        """Give the spectra whose pixel centres lie inside of a closed line."""
        if self._grid is None:
            return np.zeros(0, np.int64)
        x, y = centres(self._grid)
        return np.flatnonzero(inside_polygon(x, y, [(float(a), float(b)) for a, b in outline]))

    # ------------------------------------------------------------------ looks

    def resizeEvent(self, event: QEvent) -> None:
        """Keep the whole map in sight, if it was."""
        super().resizeEvent(event)
        if self._is_built and self._is_fitted:
            self.fit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._is_built:
            self._restyle()

    def _restyle(self) -> None:
        theme = tokens(self.palette())
        text = self.palette().color(QPalette.ColorRole.Text)
        self.setBackground(QColor(theme.base))
        # The plane behind the map is the same grey in both themes, as for micrographs.
        self.view_box.setBackgroundColor(QColor(theme.canvas))
        for side in ("bottom", "left"):
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(theme.line))
            axis.setTextPen(pg.mkPen(text))
        for item, colour, width in (
            (self._selection_halo, "#000000", 4.0),
            (self._selection, "#FFFFFF", 2.0),
            (self._looked_at, "#FFFFFF", 2.0),
            (self._drawing, "#FFFFFF", 1.5),
        ):
            pen = pg.mkPen(colour, width=width)
            pen.setCosmetic(True)
            item.setPen(pen)
