"""The canvas: one micrograph with what was found in it.

Everything is painted by the widget itself in one pass, from arrays prepared elsewhere: the image from the
level of its pyramid that suits the zoom, the labels as an image through 256 colours, all outlines as a few
merged paths. No call takes longer than a few milliseconds, whatever the number of particles.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from nanoai_gui.core.tem.micrograph import Box, Micrograph
from nanoai_gui.gui.tem import canvas_decor
from nanoai_gui.gui.tem import view as views
from nanoai_gui.gui.tem.canvas_events import CanvasEvents
from nanoai_gui.gui.tem.canvas_items import (
    DASH_DOTTED,
    DASHED,
    OutlineLayer,
    OutlineStack,
    Raster,
    SelectionLayer,
    owned,
    preview_colours,
    residual_colours,
)
from nanoai_gui.gui.tem.canvas_marks import TickLayer
from nanoai_gui.gui.tem.display import Contrast, GreyStatistics, automatic, grey_statistics, mean_pyramid
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.overlay import OverlayPicture, fill_colours, recolour, refill
from nanoai_gui.gui.tem.tools import Line, Tool
from nanoai_gui.gui.tem.view import View
from nanoai_gui.gui.theme import ORANGE, SKY_BLUE, YELLOW, tokens
from nanoai_gui.gui.widgets.newest import NewestOnly
from nanoai_gui.gui.widgets.scale_bar import paint_scale_bar, scale_bar

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from nanoai_gui.gui.tem.editing.canvas_editing import CanvasEditing

CURSOR_INTERVAL_MS = 16
"""The position under the mouse is told at most 60 times a second."""
UNCALIBRATED_COLOUR = "#F2B54A"
EXCLUDED_COLOUR = "#D0D0D0"
DOUBTFUL_COLOUR = "#FF8AD8"
"""Of particles to check; unlike the colours of all others also to colour-blind eyes, and dashed."""


class MicrographCanvas(CanvasEvents):
    """Shows a micrograph; see :mod:`nanoai_gui.gui.tem.tools` for what the mouse does.

    Keys while the canvas has the focus: X masks, Z outlines, Tab or ` held: nothing but the image, F fit,
    Ctrl+0 100 %, + and - zoom, arrows pan, Space held: drag pans, Esc gives up a gesture or the line.

    All setters may be called at any time; none emits the signal of the gesture that does the same.
    """

    agglomerate_clicked = Signal(int, Qt.KeyboardModifier)
    """Id; the point lies in no particle."""
    particle_clicked = Signal(int, Qt.KeyboardModifier)
    """Id."""
    background_clicked = Signal(Qt.KeyboardModifier)
    """A click on nothing, or Esc: usually ends the selection."""
    selection_rectangle = Signal(object, object, Qt.KeyboardModifier)
    """Ids of agglomerates, ids of particles (frozen sets) in a rubber band."""
    cursor_moved = Signal(object, object)
    """x, y in px (float), or None, None when the mouse leaves the image; at most 60 times a second."""
    data_bar_moved = Signal(int)
    """First row of the data bar, or -1: there is none (as in ``ImageRequest.data_bar_top``)."""
    data_bar_reset = Signal()
    """Double-click on the edge of the bar: back to what was found in the image."""
    line_drawn = Signal(float)
    """Length in px of the line over the burned-in scale bar, each time it was drawn or changed."""
    line_cleared = Signal()
    """Esc removed the line."""
    tool_left = Signal()
    """Esc with nothing else to give up: the tool is Select again."""
    contrast_changed = Signal(object)
    """A :class:`Contrast`, when the canvas chose it itself (a new image)."""
    statistics_changed = Signal(object)
    """The :class:`GreyStatistics` of a new image."""
    masks_toggled = Signal(bool)
    outlines_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self.setAccessibleName("Micrograph")
        self._picture: OverlayPicture | None = None
        self._selection = Selection()
        self._nm_per_px: float | None = None
        self._data_bar_top: int | None = None
        self._line: Line | None = None
        self._band: tuple[QPointF, QPointF] | None = None
        self._contrast = Contrast()
        self._statistics = GreyStatistics()
        self._keep_contrast = False
        self._tool = Tool.SELECT
        self._masks_visible = True
        self._outlines_visible = True
        self._is_blind = False

        self._image = Raster()
        self._residual = Raster()
        self._residual.set_colours(residual_colours())
        self._fill = Raster()
        self._fill.set_colours(fill_colours())
        self._preview = Raster()
        self._preview.set_colours(preview_colours())
        self._measured = OutlineLayer(QColor(SKY_BLUE))
        self._excluded = OutlineLayer(QColor(EXCLUDED_COLOUR), DASHED)
        self._edited = OutlineLayer(QColor(SKY_BLUE), DASH_DOTTED)
        self._particles = OutlineLayer(QColor(YELLOW))
        self._doubtful = OutlineLayer(QColor(DOUBTFUL_COLOUR), DASHED)
        self._edited_particles = OutlineLayer(QColor(YELLOW), DASH_DOTTED)
        self._outlines = OutlineStack()
        self.ticks = TickLayer()
        """What was accepted; whoever changes it calls ``update``."""
        self._selected_agglomerates = SelectionLayer(QColor("white"))
        self._selected_particles = SelectionLayer(QColor(ORANGE))

        self._pyramids = NewestOnly("image pyramid", self)
        self._pyramids.finished.connect(self._take_pyramid)
        self._cursor_timer = QTimer(self)
        self._cursor_timer.setSingleShot(True)
        self._cursor_timer.setInterval(CURSOR_INTERVAL_MS)
        self._cursor_timer.timeout.connect(self._tell_cursor)
        self.editing: CanvasEditing | None = None
        """What the mouse and the keys do to the labels and particles, where that is wanted."""
        self._begin_events()

    # ---- what is shown ------------------------------------------------------------------------------

    def set_micrograph(self, micrograph: Micrograph | None, keep_view: bool = False) -> None:
        """Show an image; overlay, preview, selection and line of another image go.

        Parameters
        ----------
        micrograph
            The image, or ``None`` for the empty canvas.
        keep_view
            Keep place and zoom if the new image has the same size.
        """
        before = self._micrograph
        self._micrograph = micrograph
        self._nm_per_px = None if micrograph is None else micrograph.calibration.nm_per_px
        self._data_bar_top = None if micrograph is None else micrograph.data_bar_top
        if micrograph is not None and before is not None and micrograph.pixels is before.pixels:
            self.update()  # only calibration or data bar differ
            return
        self.cancel_gesture()
        if self.editing is not None:
            self.editing.tool_changed()
        self._line = None
        self._preview.set_levels(())
        self._residual.set_levels(())
        self.set_overlay(None)
        self._pyramids.cancel()
        if micrograph is None:
            self._image.set_levels(())
            self._statistics = GreyStatistics()
        else:
            pixels = micrograph.pixels
            self._image.set_levels((pixels,))
            self._pyramids.submit(functools.partial(_make_pyramid, pixels))
            self._statistics = grey_statistics(pixels, micrograph.data_bar_top)
            if not self._keep_contrast or before is None:
                self._contrast = automatic(self._statistics, self._contrast)
                self.contrast_changed.emit(self._contrast)
            self._image.set_contrast(self._contrast)
            if not (keep_view and before is not None and before.shape == micrograph.shape):
                self.fit()
        self.statistics_changed.emit(self._statistics)
        self.update()

    def _take_pyramid(self, result: object) -> None:
        levels = cast("tuple[NDArray[Any], ...]", result)
        if self._micrograph is not None and levels[0] is self._micrograph.pixels:
            self._image.set_levels(levels)
            self.update()

    def set_overlay(self, picture: OverlayPicture | None) -> None:
        """Show what was found (see :func:`nanoai_gui.gui.tem.overlay.prepare_overlay`).

        Raises
        ------
        ValueError
            If the picture belongs to an image of another size.
        """
        if picture is not None and picture.shape != self.image_shape:
            raise ValueError(f"an overlay of {picture.shape} does not fit an image of {self.image_shape}")
        self._picture = picture
        self._fill.set_levels(() if picture is None else picture.fill)
        self._measured.set_outlines(None if picture is None else picture.drawn_measured)
        self._excluded.set_outlines(None if picture is None else picture.drawn_excluded)
        self._edited.set_outlines(None if picture is None else picture.drawn_edited)
        self._particles.set_outlines(None if picture is None else picture.drawn_particles)
        self._doubtful.set_outlines(None if picture is None else picture.drawn_doubtful)
        self._edited_particles.set_outlines(None if picture is None else picture.drawn_edited_particles)
        self._update_selection()

    def set_selection(self, selection: Selection) -> None:
        """Mark agglomerates and particles."""
        self._selection = selection
        self._update_selection()

    def _update_selection(self) -> None:
        picture = self._picture
        if picture is None:
            self._selected_agglomerates.set_outlines(None)
            self._selected_particles.set_outlines(None)
        else:
            self._selected_agglomerates.set_outlines(
                owned(picture.agglomerates, self._selection.agglomerates)
            )
            self._selected_particles.set_outlines(owned(picture.particles, self._selection.particles))
        self.update()

    def refill(self, box: Box, labels: NDArray[np.int32]) -> None:
        """Colour a part of the image by other labels (of the size of the box), at once."""
        if self._picture is not None:
            refill(self._picture, labels, (box.y0, box.x0), self._picture.excluded)
            self._fill.refresh((box.x0, box.y0, box.x1, box.y1))
            self.update_part(box)

    def recolour(self, box: Box, position: NDArray[np.int64], ids: NDArray[np.int32]) -> None:
        """Colour single pixels (index in the flattened image, all in the box) by other ids, at once."""
        if self._picture is not None:
            recolour(self._picture, position, ids, self._picture.excluded)
            self._fill.refresh((box.x0, box.y0, box.x1, box.y1))
            self.update_part(box)

    def update_part(self, box: Box, margin: float = 4.0) -> None:
        """Paint a part of the image again (px of the image), with a margin in px of the screen."""
        left, top = self._view.to_screen(box.x0 - 0.5, box.y0 - 0.5, self.size_f)
        right, bottom = self._view.to_screen(box.x1 - 0.5, box.y1 - 0.5, self.size_f)
        area = QRectF(left, top, right - left, bottom - top).adjusted(-margin, -margin, margin, margin)
        self.update(area.toAlignedRect())

    def reveal_selection(self) -> None:
        """Move the view, no more than needed, so that what is selected can be seen."""
        if self._picture is None:
            return
        extent = self._picture.extent(self._selection.agglomerates, self._selection.particles)
        if extent is not None:
            self.reveal(*extent)

    def reveal(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Move the view, no more than needed, so that a part of the image can be seen (px)."""
        left, top, right, bottom = self._view.visible(self.size_f)
        if x0 < left or y0 < top or x1 > right or y1 > bottom:
            scale = min(self._view.scale, views.fit_scale(self.size_f, (1.2 * (x1 - x0), 1.2 * (y1 - y0))))
            self.set_view(View(scale, (x0 + x1) / 2, (y0 + y1) / 2))

    def set_preview(self, mask: NDArray[np.bool_] | None) -> None:
        """Tint the pixels that a threshold would take; ``None`` ends the preview.

        Raises
        ------
        ValueError
            If the mask belongs to an image of another size.
        """
        if mask is None:
            self._preview.set_levels(())
        else:
            if mask.shape != self.image_shape:
                raise ValueError(f"a mask of {mask.shape} does not fit an image of {self.image_shape}")
            self._preview.set_levels((np.ascontiguousarray(mask).view(np.uint8),))
        self.update()

    def set_residual(self, levels: tuple[NDArray[np.uint8], ...] | None) -> None:
        """Show a residual in place of the image; ``None``: the image again.

        Raises
        ------
        ValueError
            If it belongs to an image of another size.
        """
        if levels and levels[0].shape != self.image_shape:
            raise ValueError(f"a residual of {levels[0].shape} does not fit an image of {self.image_shape}")
        self._residual.set_levels(levels or ())
        self.update()

    @property
    def shows_residual(self) -> bool:
        """Whether a residual is shown in place of the image."""
        return not self._residual.is_empty

    def set_data_bar(self, top: int | None) -> None:
        """Mark the data bar from row ``top`` on; ``None``: there is none."""
        if top is not None and not 0 < top < max(self.image_shape[0], 1):
            top = None
        self._data_bar_top = top
        self.update()

    def set_nm_per_px(self, nm_per_px: float | None) -> None:
        """Set the pixel size that the scale bar goes by."""
        self._nm_per_px = nm_per_px
        self.update()

    def set_contrast(self, contrast: Contrast) -> None:
        """Change how raw values look (display only)."""
        self._contrast = contrast
        self._image.set_contrast(contrast)
        self.update()

    def set_keep_contrast(self, keep: bool) -> None:
        """Keep the contrast when another image is shown, instead of finding it anew."""
        self._keep_contrast = keep

    def set_tool(self, tool: Tool) -> None:
        """Choose what the left button does; leaving the scale line removes it."""
        self.cancel_gesture()
        if tool is not Tool.SCALE_LINE:
            self._line = None
        self._tool = tool
        if self.editing is not None:
            self.editing.tool_changed()
        self.update_cursor()
        self.update()

    def set_scale_line(self, line: Line | None) -> None:
        """Show a line over the burned-in scale bar (x0, y0, x1, y1 in px)."""
        self._line = line
        self.update()

    def set_band(self, band: tuple[QPointF, QPointF] | None) -> None:
        """Show a rubber band between two positions on the canvas."""
        self._band = band
        self.update()

    def set_masks_visible(self, visible: bool) -> None:
        """Show or hide the coloured areas."""
        if visible != self._masks_visible:
            self._masks_visible = visible
            self.masks_toggled.emit(visible)
            self.update()

    def set_outlines_visible(self, visible: bool) -> None:
        """Show or hide the outlines of agglomerates and particles."""
        if visible != self._outlines_visible:
            self._outlines_visible = visible
            self.outlines_toggled.emit(visible)
            self.update()

    # ---- what one may ask ---------------------------------------------------------------------------

    @property
    def contrast(self) -> Contrast:
        """How raw values look."""
        return self._contrast

    @property
    def statistics(self) -> GreyStatistics:
        """Histogram and percentiles of the image."""
        return self._statistics

    @property
    def picture(self) -> OverlayPicture | None:
        """The overlay on show."""
        return self._picture

    @property
    def tool(self) -> Tool:
        """What the left button does."""
        return self._tool

    @property
    def data_bar_top(self) -> int | None:
        """First row of the data bar."""
        return self._data_bar_top

    @property
    def scale_line(self) -> Line | None:
        """The line over the burned-in scale bar."""
        return self._line

    def set_blind(self, is_blind: bool) -> None:
        """Hide the agglomerates, whatever else is shown: who measures by hand must not be swayed."""
        self._is_blind = is_blind
        self.update()

    @property
    def masks_visible(self) -> bool:
        """Whether the coloured areas are shown."""
        return self._masks_visible

    @property
    def outlines_visible(self) -> bool:
        """Whether the outlines are shown."""
        return self._outlines_visible

    def sizeHint(self) -> QSize:
        """As large as there is room."""
        return QSize(900, 700)

    # ---- painting -----------------------------------------------------------------------------------

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw all layers."""
        painter = QPainter(self)
        try:
            self._paint(painter)
        finally:
            # An error that leaves a painter open would end the whole process.
            painter.end()

    def _paint(self, painter: QPainter) -> None:
        theme = tokens(self.palette())
        size, ratio, view = self.size_f, self.devicePixelRatioF(), self._view
        painter.fillRect(self.rect(), QColor(theme.canvas))
        if self._micrograph is None:
            canvas_decor.paint_empty(painter, size, self.font(), ratio)
        else:
            is_residual = not self._residual.is_empty and not self.is_peeking
            (self._residual if is_residual else self._image).paint(painter, view, size, ratio)
            if not self.is_peeking:
                self._paint_overlay(painter, ratio)
            if self._tool is not Tool.SCALE_LINE:  # it might lie on the burned-in bar
                longest = min(max(0.18 * size[0], 70.0), 260.0)
                bar = scale_bar(view.scale, self._nm_per_px, longest)
                colour = UNCALIBRATED_COLOUR if self._nm_per_px is None else "white"
                paint_scale_bar(painter, bar, size, self.font(), colour)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.accent), 1))
            painter.drawRect(QRectF(0, 0, size[0] - 1, size[1] - 1))

    def _paint_overlay(self, painter: QPainter, ratio: float) -> None:
        size, view = self.size_f, self._view
        self._preview.paint(painter, view, size, ratio)
        # Not over a residual: they would hide what the fit leaves inside of the agglomerates.
        if self._masks_visible and not self._is_blind and self._residual.is_empty:
            self._fill.paint(painter, view, size, ratio)
        if self._outlines_visible:
            agglomerates = () if self._is_blind else (self._excluded, self._measured, self._edited)
            layers = (*agglomerates, self._particles, self._doubtful, self._edited_particles)
            self._outlines.paint(painter, layers, view, size, ratio)
        if not self._is_blind:
            self._selected_agglomerates.paint(painter, view, size, ratio)
        self._selected_particles.paint(painter, view, size, ratio)
        if self._outlines_visible:
            self.ticks.paint(painter, view, size, self._is_blind)
        if self._data_bar_top is not None:
            font = self.font() if self.is_moving_data_bar else None
            canvas_decor.paint_data_bar(painter, view, size, self.image_shape, self._data_bar_top, font)
        if self._line is not None:
            canvas_decor.paint_scale_line(painter, view, size, self._line, self.font())
        if self._band is not None:
            canvas_decor.paint_band(painter, self._band)
        if self.editing is not None:
            self.editing.paint(painter)

    def shut_down(self) -> None:
        """Stop the thread that prepares images; the canvas is not used afterwards."""
        self._cursor_timer.stop()
        self._pyramids.close()


def _make_pyramid(pixels: NDArray[Any], cancelled: Any) -> object:  # noqa: ANN401
    return mean_pyramid(pixels, cancelled)
