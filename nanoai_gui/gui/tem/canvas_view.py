"""Which part of the image the canvas shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Signal
from PySide6.QtWidgets import QWidget

from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.gui.tem import view as views
from nanoai_gui.gui.tem.view import View

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

LOOK_AROUND, LARGEST_LOOK = 3.0, 8.0
"""How much of the image is shown with something to look at (in its own sizes), and how large at most."""


class CanvasView(QWidget):
    """First third of the canvas: the image, and the place and zoom it is seen at."""

    view_changed = Signal(float)
    """Screen pixels per image pixel."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._micrograph: Micrograph | None = None
        self._view = View()
        self._is_fitted = True

    @property
    def pixels(self) -> NDArray[Any] | None:
        """Raw values on show."""
        return None if self._micrograph is None else self._micrograph.pixels

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the image; (0, 0) when the canvas is empty."""
        return (0, 0) if self._micrograph is None else self._micrograph.shape

    @property
    def image_size(self) -> views.Size:
        """Width and height of the image."""
        height, width = self.image_shape
        return width, height

    @property
    def size_f(self) -> views.Size:
        """Width and height of the canvas in device-independent pixels."""
        return self.width(), self.height()

    @property
    def view(self) -> View:
        """Place and zoom."""
        return self._view

    def set_view(self, view: View, is_fitted: bool = False) -> None:
        """Show another place; the image cannot be lost."""
        if self._micrograph is None:
            return
        self._view = view if is_fitted else view.limited(self.size_f, self.image_size)
        self._is_fitted = is_fitted
        self.view_changed.emit(self._view.scale)
        self.update()

    def fit(self) -> None:
        """Show the whole image."""
        self.set_view(views.fitted(self.size_f, self.image_size), is_fitted=True)

    def look_at(self, box: tuple[int, int, int, int]) -> None:
        """Show y0, x0, y1, x1 in the middle, with as much around it as it is large."""
        y0, x0, y1, x1 = box
        scale = views.fit_scale(self.size_f, (LOOK_AROUND * (x1 - x0), LOOK_AROUND * (y1 - y0)))
        self.set_view(View(min(scale, LARGEST_LOOK), (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2))

    def zoom_to_pixels(self) -> None:
        """Show one image pixel per screen pixel (100 %)."""
        self.set_view(View(1.0 / self.devicePixelRatioF(), self._view.x, self._view.y))

    def zoom(self, factor: float, anchor: QPointF | None = None) -> None:
        """Magnify around a position of the canvas (the middle when ``None``)."""
        size = self.size_f
        at = (size[0] / 2, size[1] / 2) if anchor is None else (anchor.x(), anchor.y())
        self.set_view(self._view.zoomed(factor, at, size, self.image_size))

    def to_image(self, at: QPointF) -> tuple[float, float]:
        """Position on the canvas to px of the image."""
        return self._view.to_image(at.x(), at.y(), self.size_f)

    def row_at(self, at: QPointF) -> int:
        """Give the pixel edge nearest to a position: rows from it on lie below; 1 to the image's height."""
        return int(min(max(round(self.to_image(at)[1] + 0.5), 1), max(self.image_shape[0], 1)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the middle in the middle, or the whole image in sight."""
        super().resizeEvent(event)
        if self._is_fitted:
            self.fit()
        else:
            self.set_view(self._view)
