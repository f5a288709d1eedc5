"""Where pixels of a map lie on the screen's plane, in um, and the edges around some of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QTransform

from nanoai_gui.core.spectra.spectral_set import MapGrid, WhiteLight

Floats = NDArray[np.float64]


def grid_transform(grid: MapGrid) -> QTransform:
    """Map columns and rows (edges at whole numbers) to um."""
    left, top, _, _ = grid.extent
    return QTransform(grid.dx, 0, 0, grid.dy, left, top)


def image_transform(image: WhiteLight) -> QTransform:
    """Map px of the white-light image to um."""
    height, width = image.rgb.shape[:2]
    return QTransform((image.x1 - image.x0) / width, 0, 0, (image.y1 - image.y0) / height, image.x0, image.y0)


def bounds(grid: MapGrid) -> QRectF:
    """Give the rectangle a map covers, um."""
    x0, y0, x1, y1 = grid.extent
    return QRectF(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))


def counts_upwards(grid: MapGrid, image: WhiteLight | None) -> bool:
    """Whether y rises towards the top of the screen.

    The image is shown as the camera saw it; without one the first row is the upper one.
    """
    return grid.dy < 0 if image is None else image.y1 < image.y0


def pixel_at(grid: MapGrid, x: float, y: float) -> tuple[int, int] | None:
    """Give row and column of the pixel at a place in um, ``None`` beside the map."""
    left, top, _, _ = grid.extent
    column, row = int(np.floor((x - left) / grid.dx)), int(np.floor((y - top) / grid.dy))
    return (row, column) if 0 <= row < grid.n_rows and 0 <= column < grid.n_columns else None


def pixel_edges(mask: NDArray[np.bool_], grid: MapGrid) -> tuple[Floats, Floats]:
    """Give the edges between pixels inside and outside of a mask.

    Parameters
    ----------
    mask
        (n_rows, n_columns).

    Returns
    -------
    x, y
        (2 m,) um, ends of m lines in pairs.
    """
    padded = np.pad(mask, 1)
    across = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])  # between rows: horizontal lines
    along = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])  # between columns: vertical lines
    rows = np.concatenate([across[:, 0], across[:, 0], along[:, 0], along[:, 0] + 1]).reshape(-1)
    columns = np.concatenate([across[:, 1], across[:, 1] + 1, along[:, 1], along[:, 1]])
    order = np.concatenate([
        np.arange(len(across)) * 2, np.arange(len(across)) * 2 + 1,
        2 * len(across) + np.arange(len(along)) * 2, 2 * len(across) + np.arange(len(along)) * 2 + 1,
    ])  # fmt: skip
    x, y = np.empty(order.size), np.empty(order.size)
    left, top, _, _ = grid.extent
    x[order], y[order] = left + columns * grid.dx, top + rows * grid.dy
    return x, y


def rows_at(grid: MapGrid, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give the spectra in the marked pixels of a map, ascending."""
    return np.flatnonzero(mask.ravel()[grid.index]).astype(np.int64)


def mask_of(grid: MapGrid, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the pixels of some spectra."""
    mask = np.zeros(grid.n_pixels, np.bool_)
    mask[grid.index[rows]] = True
    return mask.reshape(grid.n_rows, grid.n_columns)


def centres(grid: MapGrid) -> tuple[Floats, Floats]:
    """Give the centre of each spectrum's pixel, um."""
    x, y = grid.x0 + grid.columns * grid.dx, grid.y0 + grid.rows * grid.dy
    return x.astype(np.float64), y.astype(np.float64)
