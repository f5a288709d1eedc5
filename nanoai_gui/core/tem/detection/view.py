"""The micrograph as the network sees it: contrast over background, at any scale, one tile at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity
from nanoai_gui.core.tem.background import Background, estimate_background
from nanoai_gui.core.tem.detection.grid import ALIGNMENT, HIGHEST, LOWEST
from nanoai_gui.core.tem.micrograph import Micrograph

TILE_PX = 832
"""Side of the part of a tile whose answer is kept (a multiple of the alignment)."""
MARGIN_PX = 96
"""Seen around it, so that no particle is judged by the edge of a tile: as far as the network looks."""
DARKEST_PERCENTILE = 98.0
"""Contrast of this percentile of the agglomerates is 1 for the network."""
_SAMPLE = 1_000_000
OPAQUE = 0.96
"""Share of the beam lost from which contrast hardly tells thick places from thicker ones."""
LEAST_PASSED = 0.02
"""Share of the beam below which noise and stray light decide what thickness would be."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the scaled image: what is kept, and from where to where the network sees.

    All in px of the scaled image, half open; the seen part starts and ends at multiples of the alignment and
    may reach beyond the image.
    """

    y0: int
    x0: int
    y1: int
    x1: int
    top: int
    left: int
    bottom: int
    right: int

    def within(self, y0: int, x0: int, y1: int, x1: int, margin: int = MARGIN_PX) -> Tile:
        """Keep only what lies in a rectangle, as far as blocks of the alignment let it be cut."""
        y0, x0 = (max(a, b // ALIGNMENT * ALIGNMENT) for a, b in ((self.y0, y0), (self.x0, x0)))
        y1, x1 = (min(a, -(-b // ALIGNMENT) * ALIGNMENT) for a, b in ((self.y1, y1), (self.x1, x1)))
        (top, bottom), (left, right) = _seen(y0, y1, margin), _seen(x0, x1, margin)
        return Tile(y0, x0, y1, x1, top, left, bottom, right)


@dataclass(frozen=True, eq=False)
class View:
    """A field of view as contrast: 0 is background, 1 about as much material as the thickest particles show.

    Dark and bright particles look the same here.
    """

    pixels: NDArray[Any]
    background: Background
    polarity: Polarity
    scale: float

    @classmethod
    def of(cls, micrograph: Micrograph, agglomerates: Agglomerates, scale: float = 0.0) -> View:
        """Estimate background and scale, where they are not known."""
        field = micrograph.field_pixels
        background = agglomerates.background or estimate_background(np.asarray(field), agglomerates.polarity)
        view = cls(field, background, agglomerates.polarity, scale or 1.0)
        return view if scale else cls(field, background, agglomerates.polarity, view._darkest(agglomerates))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px of the field of view."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def _darkest(self, agglomerates: Agglomerates) -> float:
        from scipy import ndimage

        height, width = self.shape
        labels = agglomerates.labels[:height, :width]
        step = max(1, height * width // (8 * _SAMPLE))
        values = []
        for y in range(0, height, 256 * step):
            # Bands of rows: enough for a percentile, however large the image.
            stop = min(y + 256, height)
            inside = labels[y:stop] > 0
            if inside.any():
                band = self._contrast(y, stop, 0, width)
                values.append(ndimage.gaussian_filter(band, 1.0)[inside])
        if not values:
            return 1.0
        return max(float(np.percentile(np.concatenate(values), DARKEST_PERCENTILE)), 1e-6)

    def contrast(self, y0: int, y1: int, x0: int, x1: int) -> NDArray[np.float32]:
        """Contrast of a rectangle, (y1 - y0, x1 - x0), as far as the network knows it."""
        return np.clip(self._contrast(y0, y1, x0, x1), np.float32(LOWEST), np.float32(HIGHEST))

    def _contrast(self, y0: int, y1: int, x0: int, x1: int) -> NDArray[np.float32]:
        level = self.background.rows(y0, y1)[:, x0:x1]
        part = np.asarray(self.pixels[y0:y1, x0:x1], dtype=np.float32)
        # Absorption multiplies the light that falls in; scattering adds to what is there.
        dark = self.polarity is Polarity.DARK
        out: NDArray[Any] = 1 - part / np.maximum(level, np.float32(1e-6)) if dark else part - level
        return np.asarray(out / np.float32(self.scale), dtype=np.float32)

    @property
    def is_opaque(self) -> bool:
        """Whether thickness shows what contrast does not."""
        return self.polarity is Polarity.DARK and self.scale > OPAQUE

    def thickness(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn what the network sees of a tile into thickness."""
        return as_thickness(seen, min(self.scale, 1 - LEAST_PASSED))

    def scaled_shape(self, scale: float) -> tuple[int, int]:
        """Height and width in px once every px became ``scale`` px."""
        return max(1, int(np.ceil(self.shape[0] * scale))), max(1, int(np.ceil(self.shape[1] * scale)))

    def see(self, tile: Tile, scale: float) -> NDArray[np.float32]:
        """Give what the network sees of a tile; beyond the image lies empty film."""
        from PIL import Image

        height, width = self.shape
        image = np.zeros((tile.bottom - tile.top, tile.right - tile.left), dtype=np.float32)
        rows, columns = self.scaled_shape(scale)
        top, left = max(tile.top, 0), max(tile.left, 0)
        bottom, right = min(tile.bottom, rows), min(tile.right, columns)
        if bottom <= top or right <= left:
            return image
        # Some px more than the rectangle itself, which the filter reaches into.
        reach = int(np.ceil(3 / min(scale, 1.0))) + 1
        y0, x0 = max(int(top / scale) - reach, 0), max(int(left / scale) - reach, 0)
        y1, x1 = min(int(bottom / scale) + reach, height), min(int(right / scale) + reach, width)
        # The scaled image may end a part of a px later than the image itself.
        more = int(np.ceil(1 / scale)) + 1
        part = np.pad(self.contrast(y0, y1, x0, x1), ((0, more), (0, more)), mode="edge")
        box = (
            left / scale - x0, top / scale - y0, right / scale - x0, bottom / scale - y0,
        )  # fmt: skip
        if scale == 1.0:
            seen = part[top - y0 : bottom - y0, left - x0 : right - x0]
        else:
            picture = Image.fromarray(part)
            size = (right - left, bottom - top)
            seen = np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box=box), dtype=np.float32)
        image[top - tile.top : bottom - tile.top, left - tile.left : right - tile.left] = seen
        return image


def tiles(shape: tuple[int, int], side: int = TILE_PX, margin: int = MARGIN_PX) -> Iterator[Tile]:
    """Cover an image of this many px by tiles of about equal size."""
    edges = [_cuts(n, side) for n in shape]
    for y0, y1 in zip(edges[0][:-1], edges[0][1:], strict=True):
        for x0, x1 in zip(edges[1][:-1], edges[1][1:], strict=True):
            top, bottom = _seen(y0, y1, margin)
            left, right = _seen(x0, x1, margin)
            yield Tile(y0, x0, y1, x1, top, left, bottom, right)


def _cuts(n: int, side: int) -> list[int]:
    parts = max(1, -(-n // side))
    step = -(-n // (parts * ALIGNMENT)) * ALIGNMENT
    return [*range(0, n, step), n]


def _seen(start: int, stop: int, margin: int) -> tuple[int, int]:
    return start - margin, -(-(stop + margin) // ALIGNMENT) * ALIGNMENT


def as_thickness(contrast: NDArray[np.float32], darkest: float) -> NDArray[np.float32]:
    """Turn contrast into thickness as the beam feels it, 1 where contrast is 1.

    ``darkest`` is the share of the beam that is lost there. What opaque particles let pass differs by little,
    their thickness by much.
    """
    passed = np.maximum(1 - np.float32(darkest) * contrast, np.float32(LEAST_PASSED))
    return np.asarray(np.log(passed) / np.float32(np.log1p(-darkest)), dtype=np.float32)
