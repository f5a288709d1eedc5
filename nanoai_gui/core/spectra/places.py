"""Find the rectangular grid on which spectra were taken from their coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.spectra.spectral_set import MapGrid

OFF_GRID = 0.25
"""Coordinates may lie this share of a step beside their pixel's centre; stages are not exact."""
GAP_SHARES = (0.2, 0.04, 0.008)
"""Gaps wider than these shares of the widest one are taken for steps between levels, tried in turn."""
LEAST_PER_LINE = 1.25
"""A map has on average this many spectra in every row and column; fewer are a line or scattered points."""


def grid_of(x_um: NDArray[np.float64], y_um: NDArray[np.float64]) -> MapGrid | None:
    """Recognise a map, complete or with missing pixels.

    Parameters
    ----------
    x_um, y_um
        (n,) places in um, in any order.

    Returns
    -------
    The grid, with row 0 at the smallest y and column 0 at the smallest x; ``None`` if the places are
    unknown, lie on one line or one point, two spectra share a pixel, or they are not on a grid.
    """
    if x_um.size < 4 or not (np.isfinite(x_um).all() and np.isfinite(y_um).all()):
        return None
    columns, rows = _levels(x_um), _levels(y_um)
    if columns is None or rows is None:
        return None
    (column, x0, dx, n_columns), (row, y0, dy, n_rows) = columns, rows
    if n_rows < 2 or n_columns < 2 or x_um.size < LEAST_PER_LINE * max(n_rows, n_columns):
        return None
    return grid_from(column, row, (n_rows, n_columns), (x0, y0), (dx, dy))


def grid_from(
    column: NDArray[np.int64],
    row: NDArray[np.int64],
    shape: tuple[int, int],
    origin: tuple[float, float],
    step: tuple[float, float],
) -> MapGrid | None:
    """Make a grid of known pixels; ``None`` if one is used twice or lies outside.

    Parameters
    ----------
    column, row
        (n,) pixel of each spectrum.
    shape
        Rows and columns of the map.
    origin, step
        Centre of the first pixel and step between pixels, x before y, in um.
    """
    n_rows, n_columns = shape
    inside = (column >= 0) & (column < n_columns) & (row >= 0) & (row < n_rows)
    index = row * n_columns + column
    if not inside.all() or np.unique(index).size != index.size:
        return None
    return MapGrid(n_rows, n_columns, index, origin[0], origin[1], step[0], step[1])


def nearest_level(values: NDArray[np.float64], origin: float, step: float) -> NDArray[np.int64] | None:
    """Find the level of each coordinate, counted from ``origin`` in units of ``step`` (um).

    Returns
    -------
    (n,), or ``None`` if a coordinate lies more than a quarter of a step beside its level.
    """
    if step == 0 or not np.isfinite(values).all():
        return None
    position = (values - origin) / step
    level = np.rint(position)
    if np.max(np.abs(position - level), initial=0.0) > OFF_GRID or np.max(np.abs(level), initial=0.0) > 2**31:
        return None
    return level.astype(np.int64)


def _levels(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], float, float, int] | None:
    """Find the regular levels of one coordinate: level of each, the first, the step and how many."""
    ordered = np.sort(values)
    span = float(ordered[-1] - ordered[0])
    if span == 0:
        return np.zeros(values.size, np.int64), float(ordered[0]), 1.0, 1
    gaps = np.diff(ordered)
    widest = float(gaps.max())
    # Gaps between levels are far wider than the jitter of the stage within one; where whole columns are
    # missing, the widest gap is several steps, so thresholds are tried downwards.
    for share in GAP_SHARES:
        step = float(np.median(gaps[gaps > share * widest]))
        count = round(span / step) + 1
        if count > 4 * values.size:
            return None
        step = span / (count - 1)
        level = nearest_level(values, float(ordered[0]), step)
        if level is not None:
            return level, float(ordered[0]), step, count
    return None
