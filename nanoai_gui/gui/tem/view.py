"""Which part of an image the canvas shows, as plain arithmetic (no Qt)."""

from __future__ import annotations

from dataclasses import dataclass, replace

LARGEST_SCALE = 64.0
"""Screen pixels per image pixel at the closest zoom."""
FIT_MARGIN = 8.0
"""Screen pixels left free on each side when an image is fitted."""

Size = tuple[float, float]
"""Width and height."""


@dataclass(frozen=True, slots=True)
class View:
    """A place in the image and a magnification.

    Parameters
    ----------
    scale
        Screen pixels (device-independent) per image pixel.
    x, y
        Image position in the middle of the canvas, in px with pixel centres at integers. Holding the
        middle, not a corner, keeps the thing one looks at in place when the window is resized.
    """

    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def to_screen(self, x: float, y: float, canvas: Size) -> tuple[float, float]:
        """Image position to canvas position."""
        return canvas[0] / 2 + (x - self.x) * self.scale, canvas[1] / 2 + (y - self.y) * self.scale

    def to_image(self, x: float, y: float, canvas: Size) -> tuple[float, float]:
        """Canvas position to image position."""
        return self.x + (x - canvas[0] / 2) / self.scale, self.y + (y - canvas[1] / 2) / self.scale

    def visible(self, canvas: Size) -> tuple[float, float, float, float]:
        """Give the part of the image plane on show: x0, y0, x1, y1 in px."""
        return *self.to_image(0, 0, canvas), *self.to_image(canvas[0], canvas[1], canvas)

    def moved(self, dx: float, dy: float) -> View:
        """Move the image by a distance on the screen."""
        return replace(self, x=self.x - dx / self.scale, y=self.y - dy / self.scale)

    def zoomed(self, factor: float, anchor: tuple[float, float], canvas: Size, image: Size) -> View:
        """Magnify by ``factor``; what is at ``anchor`` (canvas position) stays there."""
        scale = min(max(self.scale * factor, smallest_scale(canvas, image)), LARGEST_SCALE)
        x, y = self.to_image(*anchor, canvas)
        return View(scale, x - (anchor[0] - canvas[0] / 2) / scale, y - (anchor[1] - canvas[1] / 2) / scale)

    def limited(self, canvas: Size, image: Size) -> View:
        """Give the nearest view that cannot lose the image: its middle lies on the image."""
        return View(
            min(max(self.scale, smallest_scale(canvas, image)), LARGEST_SCALE),
            min(max(self.x, -0.5), image[0] - 0.5),
            min(max(self.y, -0.5), image[1] - 0.5),
        )


def fit_scale(canvas: Size, image: Size) -> float:
    """Magnification at which the whole image is seen."""
    room = max(canvas[0] - 2 * FIT_MARGIN, 1.0), max(canvas[1] - 2 * FIT_MARGIN, 1.0)
    return min(room[0] / max(image[0], 1), room[1] / max(image[1], 1), LARGEST_SCALE)


def smallest_scale(canvas: Size, image: Size) -> float:
    """Farthest zoom: half of what is needed to see the whole image, and at most 50 %."""
    return 0.5 * min(fit_scale(canvas, image), 1.0)


def fitted(canvas: Size, image: Size) -> View:
    """Show the whole image in the middle of the canvas."""
    return View(fit_scale(canvas, image), (image[0] - 1) / 2, (image[1] - 1) / 2)
