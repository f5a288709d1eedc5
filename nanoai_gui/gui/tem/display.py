"""How raw values become grey on the screen: contrast, colour map, image pyramid (no Qt).

All of it is display only; the analysis sees raw values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled

AUTO_PERCENTILES = (0.35, 99.65)
"""Shares of the pixels (in %) that the automatic contrast lets go black and white."""
SAMPLE = 1 << 16
"""About how many pixels the statistics look at; more changes no percentile visibly."""
HISTOGRAM_BINS = 256
BLOCK = 1 << 16
COARSEST_SIDE = 512
"""The pyramid ends once the image is no wider and higher than this."""


class ColourMap(StrEnum):
    """Colours of grey levels; all are perceptually ordered and safe for colour-blind eyes."""

    GREY = "Grey"
    VIRIDIS = "Viridis"
    CIVIDIS = "Cividis"


# Sixteen evenly spaced colours of each map; straight lines between them stay within 10 of 255 everywhere
# and within 2 on average, and every one of the 256 colours is still lighter than the one before.
_ANCHORS: dict[ColourMap, str] = {
    ColourMap.GREY: "000000 ffffff",
    ColourMap.VIRIDIS: (
        "440154 48196b 462f7c 404387 38568b 30678d 29788e 23888d "
        "1e988a 22a784 35b778 53c567 79d151 a5da35 d2e11b fde724"
    ),
    ColourMap.CIVIDIS: (
        "00224d 002e6b 1d396e 35456c 47516b 575d6d 666970 747575 "
        "848178 948e77 a59b73 b6a96e c8b765 dac65a edd648 fde737"
    ),
}


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a raw value looks like: ``low`` is black, ``high`` white (the reverse when inverted)."""

    low: float = 0.0
    high: float = 255.0
    gamma: float = 1.0
    inverted: bool = False
    colour_map: ColourMap = ColourMap.GREY

    def positions(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Place of raw values on the colour scale, 0 to 255, gamma included."""
        values = np.asarray(values)
        places = np.empty(values.shape, np.uint8)
        # Powers are slow: those of 4096 steps are looked up, finer than the screen can show.
        steps = 255 if self.gamma == 1.0 else 4095
        curve = np.round(255 * (np.arange(steps + 1) / steps) ** self.gamma).astype(np.uint8)
        factor = np.float32(steps / max(self.high - self.low, 1e-30))
        rows = max(1, BLOCK // max(values[:1].size, 1))
        for first in range(0, len(values), rows):  # blocks that stay in the processor's cache
            scaled = values[first : first + rows].astype(np.float32)
            scaled -= np.float32(self.low)
            scaled *= factor
            np.clip(scaled, 0, steps, out=scaled)
            scaled += np.float32(0.5)
            block = places[first : first + rows]
            with np.errstate(invalid="ignore"):  # what is not a number gets any colour
                if steps == 255:
                    block[:] = scaled.astype(np.uint8)
                else:
                    np.take(curve, scaled.astype(np.uint16), mode="clip", out=block)
        return places

    def colours(self) -> NDArray[np.uint8]:
        """(256, 3) red, green, blue along the colour scale."""
        anchors = np.array([list(bytes.fromhex(text)) for text in _ANCHORS[self.colour_map].split()])
        at = np.linspace(0, len(anchors) - 1, 256)
        rgb = np.stack([np.interp(at, np.arange(len(anchors)), anchors[:, i]) for i in range(3)], axis=1)
        table: NDArray[np.uint8] = np.round(rgb).astype(np.uint8)
        return table[::-1] if self.inverted else table


@dataclass(frozen=True, eq=False)
class GreyStatistics:
    """Raw values of an image, from a regular subsample.

    Parameters
    ----------
    minimum, maximum
        Of the subsample.
    auto_low, auto_high
        The percentiles :data:`AUTO_PERCENTILES` of the part above the data bar (a bar of black and white
        letters would spoil them).
    counts, edges
        Histogram of the values the contrast is about; (n,) and (n + 1,), n <= 256.
    """

    minimum: float = 0.0
    maximum: float = 255.0
    auto_low: float = 0.0
    auto_high: float = 255.0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(HISTOGRAM_BINS, dtype=np.int64))
    edges: NDArray[np.float64] = field(default_factory=lambda: np.linspace(0, 255, HISTOGRAM_BINS + 1))


def subsample(pixels: NDArray[Any], n: int = SAMPLE) -> NDArray[Any]:
    """About ``n`` pixels on a regular grid, as a view."""
    step = max(1, int(np.sqrt(pixels.size / n)))
    return pixels[:: min(step, max(1, pixels.shape[0])), :: min(step, max(1, pixels.shape[1]))]


def grey_statistics(pixels: NDArray[Any], field_rows: int | None = None) -> GreyStatistics:
    """Histogram and percentiles of an image in a few milliseconds.

    Parameters
    ----------
    pixels
        (height, width) raw values; values that are not finite are left out.
    field_rows
        Rows above the data bar; ``None`` takes all.
    """
    values = np.asarray(subsample(pixels), dtype=np.float64).ravel()
    values = values[np.isfinite(values)]
    if values.size == 0:
        return GreyStatistics()
    minimum, maximum = float(values.min()), float(values.max())
    seen = values
    if field_rows is not None:
        seen = np.asarray(subsample(pixels[:field_rows]), dtype=np.float64).ravel()
        seen = seen[np.isfinite(seen)]
    low, high = np.percentile(seen if seen.size else values, AUTO_PERCENTILES)
    if not high > low:  # a flat image, or nearly: show something grey rather than noise
        low, high = minimum, maximum
    if not high > low:
        low, high = minimum - 1.0, maximum + 1.0
    # Around what the contrast is about: a few hot pixels must not squeeze all others into one bin.
    span = high - low
    first, last = max(minimum, low - span), min(maximum, high + span)
    n_bins = HISTOGRAM_BINS
    if np.issubdtype(pixels.dtype, np.integer):
        # Whole numbers in bins of whole width, else bins that catch one value more look like structure.
        width = max(1, int(np.ceil((last - first + 1) / HISTOGRAM_BINS)))
        first = np.floor(first) - 0.5
        n_bins = max(1, int(np.ceil((last + 0.5 - first) / width)))
        last = first + n_bins * width
    elif not last > first:
        first, last = low, high
    counts, edges = np.histogram(values, n_bins, (first, last))
    return GreyStatistics(minimum, maximum, float(low), float(high), counts, edges)


def automatic(statistics: GreyStatistics, like: Contrast) -> Contrast:
    """Contrast by percentiles; gamma, inversion and colour map as in ``like``."""
    return Contrast(statistics.auto_low, statistics.auto_high, like.gamma, like.inverted, like.colour_map)


def full_range(statistics: GreyStatistics, like: Contrast) -> Contrast:
    """Contrast from the smallest to the largest value."""
    low, high = statistics.minimum, statistics.maximum
    return Contrast(low, high if high > low else low + 1.0, like.gamma, like.inverted, like.colour_map)


def mean_pyramid(pixels: NDArray[Any], cancelled: Cancelled = never_cancelled) -> tuple[NDArray[Any], ...]:
    """Halve an image again and again by averaging 2 x 2 pixels.

    Drawing a large image small from the level just finer than the screen is fast and, unlike leaving
    pixels out, does not turn lattice fringes or noise into moire.

    Returns
    -------
    tuple
        Level 0 is ``pixels`` itself, level k has its sides divided by 2**k, rounded up. uint8 and uint16
        keep their type, others become float32 from level 1 on.
    """
    levels = [pixels]
    while max(levels[-1].shape) > COARSEST_SIDE:
        checkpoint(cancelled)
        fine = levels[-1]
        if fine.shape[0] % 2 or fine.shape[1] % 2:
            fine = np.pad(fine, ((0, fine.shape[0] % 2), (0, fine.shape[1] % 2)), mode="edge")
        quarters = fine[::2, ::2], fine[::2, 1::2], fine[1::2, ::2], fine[1::2, 1::2]
        if fine.dtype in (np.dtype(np.uint8), np.dtype(np.uint16)):
            wide = np.uint16 if fine.dtype == np.uint8 else np.uint32
            total: NDArray[Any] = quarters[0].astype(wide)
            for quarter in quarters[1:]:
                total += quarter
            total += wide(2)
            total >>= wide(2)
            levels.append(total.astype(fine.dtype))
        else:
            mean = quarters[0].astype(np.float32)
            for quarter in quarters[1:]:
                mean += quarter
            mean *= np.float32(0.25)
            levels.append(mean)
    return tuple(levels)


def decimated_pyramid(index: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    """Halve an index image by leaving pixels out (indices must not be averaged)."""
    levels = [index]
    while max(levels[-1].shape) > COARSEST_SIDE:
        fine = levels[-1]
        levels.append(np.ascontiguousarray(fine[::2, ::2]))
    return tuple(levels)


def crop(levels: tuple[NDArray[Any], ...], level: int, box: tuple[int, int, int, int]) -> NDArray[Any]:
    """Cut x0, y0, x1, y1 (in pixels of ``level``) out of a pyramid, contiguous.

    Levels that do not exist (yet) are made on the fly from the coarsest one there is by leaving pixels
    out, so that an image can be shown before its pyramid is ready.
    """
    x0, y0, x1, y1 = box
    have = min(level, len(levels) - 1)
    step = 1 << (level - have)
    return np.ascontiguousarray(levels[have][y0 * step : y1 * step : step, x0 * step : x1 * step : step])


def level_shape(shape: tuple[int, int], level: int) -> tuple[int, int]:
    """Height and width at a level of the pyramid."""
    return -(-shape[0] >> level), -(-shape[1] >> level)
