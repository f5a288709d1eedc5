"""Finding a scale bar that was drawn into the image itself, with the text that belongs to it.

Unlike a data bar it covers sample, and a black bar looks like a large particle. Here it is found so
that the analysis can leave it out; it also gives the length in px that a person would draw over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.micrograph import Box

SEARCHED_SHARE = 0.25
"""Share of the height, from the foot, in which bars are drawn."""
SHORTEST, LONGEST = 0.06, 0.65
"""Length of a bar as a share of the image's width."""
SHORTEST_WITHOUT_TEXT = 0.1
"""A particle may have level edges, too; shorter bars need a text beside them."""
LEAST_ELONGATION = 4.0
_SHORTEST_PX = 24
_STROKE_DENSITY = 0.015


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A scale bar drawn into the image.

    Parameters
    ----------
    bar
        The bar itself; its width is the length to be told in nm.
    text
        Where its text stands, if it was seen.
    """

    bar: Box
    text: Box | None

    @property
    def length_px(self) -> int:
        """Length of the bar in px."""
        return self.bar.shape[1]

    def covered(self, shape: tuple[int, int]) -> tuple[Box, ...]:
        """Give the parts of an image of ``shape`` that are covered, with the rim a compression leaves."""
        margin = max(4, self.bar.shape[0] // 2)
        parts = (self.bar,) if self.text is None else (self.bar, self.text)
        return tuple(
            Box(
                max(part.y0 - margin, 0),
                max(part.x0 - margin, 0),
                min(part.y1 + margin, shape[0]),
                min(part.x1 + margin, shape[1]),
            )
            for part in parts
        )


def find_scale_bar(field: NDArray[Any]) -> ScaleBar | None:
    """Find a scale bar drawn into an image: a level rectangle in its darkest or brightest value.

    Parameters
    ----------
    field
        (height, width) grey values, without the data bar.

    Returns
    -------
    ScaleBar or None
        Boxes in px of ``field``, or ``None``.
    """
    height, width = field.shape
    if height < 64 or width < 64:
        return None
    low, high = float(field.min()), float(field.max())
    if high <= low:
        return None
    first = int(height * (1 - SEARCHED_SHARE))
    foot = field[first:]
    best: ScaleBar | None = None
    for dark in (True, False):
        # A few levels of slack: compression rings around the bar.
        mask = foot <= low + 0.04 * (high - low) if dark else foot >= high - 0.04 * (high - low)
        if mask.mean() > 0.3:  # saturated: nothing can be told from the background
            continue
        found = _rectangle(mask)
        if found is not None:
            bar = Box(first + found.y0, found.x0, first + found.y1, found.x1)
            text = _text(field, bar, high - low)
            known = text is not None or bar.shape[1] >= SHORTEST_WITHOUT_TEXT * width
            if known and (best is None or bar.shape[1] > best.length_px):
                best = ScaleBar(bar, text)
    return best


def _rectangle(mask: NDArray[np.bool_]) -> Box | None:
    """Largest filled, elongated rectangle with clear surroundings."""
    width = mask.shape[1]
    runs = _runs(mask, max(int(SHORTEST * width), _SHORTEST_PX), int(LONGEST * width))
    best: Box | None = None
    for start, stop, top, bottom in _stacks(runs):
        length, thickness = stop - start, bottom - top
        if thickness < 2 or length < LEAST_ELONGATION * thickness:
            continue
        box = Box(top, start, bottom, stop)
        if _stands_clear(mask, box) and (best is None or length > best.shape[1]):
            best = box
    return best


def _runs(mask: NDArray[np.bool_], shortest: int, longest: int) -> dict[int, list[tuple[int, int]]]:
    """Find the runs of true pixels in each row with a length in the given limits."""
    runs: dict[int, list[tuple[int, int]]] = {}
    for row in np.flatnonzero(np.count_nonzero(mask, axis=1) >= shortest):
        edges = np.diff(mask[row].astype(np.int8), prepend=0, append=0)
        starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        fit = (stops - starts >= shortest) & (stops - starts <= longest)
        if fit.any():
            runs[int(row)] = [(int(a), int(b)) for a, b in zip(starts[fit], stops[fit], strict=True)]
    return runs


def _stacks(runs: dict[int, list[tuple[int, int]]]) -> list[tuple[int, int, int, int]]:
    """Group runs with the same ends in neighbouring rows: (start, stop, first row, last row + 1)."""
    stacks: list[list[int]] = []
    for row in sorted(runs):
        for start, stop in runs[row]:
            for stack in stacks:
                if row - stack[3] <= 2 and abs(start - stack[0]) <= 3 and abs(stop - stack[1]) <= 3:
                    stack[3] = row + 1
                    break
            else:
                stacks.append([start, stop, row, row + 1])
    return [(a, b, c, d) for a, b, c, d in stacks]


def _stands_clear(mask: NDArray[np.bool_], box: Box) -> bool:
    """Whether a rectangle is filled, and what surrounds it is not."""
    if mask[box.slices].mean() < 0.95:
        return False
    height, width = mask.shape
    gap, band = 4, 3
    rows = slice(box.y0, box.y1)
    sides = [
        mask[max(box.y0 - gap - band, 0) : max(box.y0 - gap, 0), box.x0 : box.x1],
        mask[min(box.y1 + gap, height) : box.y1 + gap + band, box.x0 : box.x1],
        mask[rows, max(box.x0 - gap - band, 0) : max(box.x0 - gap, 0)],
        mask[rows, min(box.x1 + gap, width) : box.x1 + gap + band],
    ]
    return all(side.size == 0 or float(side.mean()) < 0.5 for side in sides)


def _text(field: NDArray[Any], bar: Box, span: float) -> Box | None:
    """Where the text of a bar stands: beside, above or below it, wherever strokes are dense."""
    height, width = field.shape
    middle = (bar.y0 + bar.y1) // 2
    tall = max(round(2.5 * (bar.y1 - bar.y0)), round(0.05 * height))
    wide = max(bar.x1 - bar.x0, round(0.12 * width))
    places = (
        Box(middle - tall // 2, bar.x1 + 2, middle + tall // 2, bar.x1 + round(0.15 * width)),
        Box(bar.y0 - tall - 2, (bar.x0 + bar.x1 - wide) // 2, bar.y0 - 2, (bar.x0 + bar.x1 + wide) // 2),
        Box(bar.y1 + 2, (bar.x0 + bar.x1 - wide) // 2, bar.y1 + tall + 2, (bar.x0 + bar.x1 + wide) // 2),
        Box(middle - tall // 2, bar.x0 - round(0.15 * width), middle + tall // 2, bar.x0 - 2),
    )
    best: tuple[float, Box] | None = None
    for place in places:
        inside = Box(max(place.y0, 0), max(place.x0, 0), min(place.y1, height), min(place.x1, width))
        if min(inside.shape) < 6:
            continue
        part = np.asarray(field[inside.slices], dtype=np.float32)
        strokes = np.abs(part[:, 3:] - part[:, :-3]) > 0.35 * span
        density = float(strokes.mean())
        if density > _STROKE_DENSITY and (best is None or density > best[0]):
            best = (density, _tight(inside, strokes))
    return best[1] if best is not None else None


def _tight(box: Box, strokes: NDArray[np.bool_]) -> Box:
    """Shrink a box to where its strokes are."""
    rows, columns = np.flatnonzero(strokes.any(axis=1)), np.flatnonzero(strokes.any(axis=0))
    return Box(
        box.y0 + int(rows[0]),
        box.x0 + int(columns[0]),
        box.y0 + int(rows[-1]) + 1,
        box.x0 + int(columns[-1]) + 4,
    )
