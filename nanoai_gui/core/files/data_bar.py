"""Finding the data bar: the strip of text at the foot of an image that holds no sample.

A bar is told from an image by its background. In each of its rows a large part of the pixels has the
same value, while the rows above it do not have that value; noise, and the slow changes of a saturated
background, fulfil one of the two only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEARCHED_SHARE = 0.35
"""Share of the height, from the foot, in which a bar may begin."""
BACKGROUND_SHARE = 0.4
"""Share of a row that its background covers at least, text and logos notwithstanding."""
LARGEST_FOOT = 0.03
"""Share of the height that an instrument may leave uncovered below its bar (Zeiss: a few rows)."""
SMALLEST_BAR = 0.012
"""Least height of a bar, as a share of the image's height."""
_COLUMNS = 1024
_SMALLEST_IMAGE = 64


@dataclass(frozen=True, slots=True)
class _Rows:
    """Background of each row searched: its value, and how much the values in it differ."""

    value: NDArray[np.float32]
    width: NDArray[np.float32]


def find_data_bar(pixels: NDArray[Any]) -> int | None:
    """Find the first row of the data bar at the foot of an image.

    Parameters
    ----------
    pixels
        (height, width) grey values of any number type.

    Returns
    -------
    int or None
        First row of the bar (everything from there on is no sample), or ``None`` if there is no bar.
    """
    height, width = pixels.shape
    if height < _SMALLEST_IMAGE or width < _SMALLEST_IMAGE:
        return None
    first = int(height * (1 - SEARCHED_SHARE))
    foot = np.asarray(pixels[first:, :: max(width // _COLUMNS, 1)], dtype=np.float32)
    sample = pixels[:: max(height // 512, 1), :: max(width // 512, 1)]
    low, high = (float(v) for v in np.percentile(sample, (0.5, 99.5)))
    # An image in few values, such as a mask, may be narrower than its percentiles say.
    span = high - low if high > low else float(sample.max()) - float(sample.min())
    if span <= 0:
        return None
    rows = _backgrounds(foot)
    for value in _candidates(rows, span):
        top = _check(foot, rows, value, span, height)
        if top is not None:
            return first + top
    return None


def _backgrounds(foot: NDArray[np.float32]) -> _Rows:
    """Shortest interval that holds the background's share of each row (half-sample mode, Bickel 2002)."""
    ordered = np.sort(foot, axis=1)
    count = max(int(BACKGROUND_SHARE * ordered.shape[1]), 2)
    widths = ordered[:, count - 1 :] - ordered[:, : ordered.shape[1] - count + 1]
    at = widths.argmin(axis=1)
    index = np.arange(len(ordered))
    return _Rows(ordered[index, at + count // 2], widths[index, at])


def _candidates(rows: _Rows, span: float) -> list[float]:
    """Background values that are common among the even rows near the foot, commonest first."""
    near = slice(len(rows.value) * 2 // 3, None)
    even = rows.value[near][rows.width[near] <= 0.04 * span]
    if len(even) == 0:
        return []
    step = max(0.01 * span, 1e-30)
    values, counts = np.unique(np.round(even / step), return_counts=True)
    return [float(values[i] * step) for i in np.argsort(-counts, kind="stable")[:4]]


def _check(foot: NDArray[np.float32], rows: _Rows, value: float, span: float, height: int) -> int | None:
    """First row of a bar whose background is ``value``, if there is such a bar."""
    tolerance = 0.02 * span
    member = (rows.width <= 0.04 * span) & (np.abs(rows.value - value) <= tolerance)
    run = _longest_run(member, gap=max(3, height // 250))
    if run is None:
        return None
    top, end = run
    if len(foot) - end > LARGEST_FOOT * height + 1 or end - top < max(6, SMALLEST_BAR * height):
        return None
    if top < 16:  # the strip goes on above the part searched: it is background, not a bar
        return None
    share_in_bar = np.median(np.mean(np.abs(foot[top:end] - value) <= tolerance, axis=1))
    context = foot[max(top - (end - top) - 8, 0) : top - 2]
    share_above = np.mean(np.abs(context - value) <= tolerance, axis=1)
    if float(np.median(share_above)) > 0.5 * share_in_bar:
        return None
    written = np.abs(foot[top:end] - value) > 0.25 * span
    constant = float(rows.width[top:end].max()) == 0.0
    if not (0.002 <= written.mean() <= 0.6 or (constant and not written.any())):
        return None
    # A bar begins within a row or two, over the whole width; backgrounds change slowly.
    step = max(_change(foot, top + shift) for shift in range(-3, 2))
    usual = float(np.median([_change(foot, row) for row in range(max(top - 24, 3), top - 6, 2)] or [0.0]))
    if step < max(0.06 * span, 2.5 * usual):
        return None
    return _with_frame(foot, top, step)


def _longest_run(member: NDArray[np.bool_], gap: int) -> tuple[int, int] | None:
    """Longest run of true rows, bridging gaps (frame lines, a row of dense text) of at most ``gap`` rows."""
    true = np.flatnonzero(member)
    if len(true) == 0:
        return None
    runs = np.split(true, np.flatnonzero(np.diff(true) > gap + 1) + 1)
    longest = max(runs, key=lambda run: int(run[-1] - run[0]))
    return int(longest[0]), int(longest[-1]) + 1


def _change(foot: NDArray[np.float32], row: int) -> float:
    """How much the columns change, typically, from just above ``row`` to just below it."""
    above, below = foot[row - 3 : row - 1].mean(axis=0), foot[row + 1 : row + 3].mean(axis=0)
    return float(np.median(np.abs(below - above)))


def _with_frame(foot: NDArray[np.float32], top: int, step: float) -> int:
    """Add the frame line above a bar, and rows that an interpolation has blended with it."""
    image = foot[top - 10 : top - 6].mean(axis=0)
    for _ in range(5):
        if float(np.median(np.abs(foot[top - 1] - image))) < 0.35 * step:
            break
        top -= 1
    return top
