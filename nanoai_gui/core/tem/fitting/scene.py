"""A part of a micrograph with agglomerates that are fitted side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

STRIP_PX, BLOCK_PX = 16, 128
"""So many rows or columns are smoothed at once, of such a length: products so small that linear algebra does
them in one thread, and in the same way, however many it may use."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What the fit sees.

    Parameters
    ----------
    contrast
        (h, w) share of the background that is missing, 0 = background, not smoothed.
    weight
        (h, w) one over the standard deviation of ``contrast``; 0 where a px must not count.
    owner
        (h, w) int32, which component (group of particles that are solved together) a px belongs to; -1: none.
    n_components
        How many components there are.
    """

    contrast: Image
    weight: Image
    owner: NDArray[np.int32]
    n_components: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.contrast.shape[0], self.contrast.shape[1]


@dataclass(frozen=True, slots=True)
class Optics:
    """What all particles of an image share.

    Parameters
    ----------
    absorption
        Optical depth per px of path (mass-thickness).
    amplitude
        Contrast of endless thickness: 1 where black is black.
    blur_px
        Standard deviation of the blur, on top of the averaging over a px.
    """

    absorption: float
    amplitude: float
    blur_px: float


def lay_out(sizes: NDArray[np.intp], gap: int) -> tuple[NDArray[np.intp], tuple[int, int]]:
    """Put boxes (n, 2: height, width) on shelves: their upper left corners and the size of the whole."""
    order = np.argsort(-sizes[:, 0], kind="stable")
    room = max(int(1.1 * np.sqrt(((sizes + gap) ** 2).max(axis=1).sum())), int(sizes[:, 1].max()))
    corners = np.zeros_like(sizes)
    top = left = shelf = widest = 0
    for k in order.tolist():
        h, w = (int(v) for v in sizes[k])
        if left and left + w > room:
            top, left, shelf = top + shelf + gap, 0, 0
        corners[k] = top, left
        left += w + gap
        shelf, widest = max(shelf, h), max(widest, left)
    return corners, (top + shelf, widest)


def cut_out(image: NDArray[Any], y0: NDArray[np.intp], x0: NDArray[np.intp], width: int) -> NDArray[Any]:
    """Copy square windows out of an image, (m, width, width)."""
    image = np.ascontiguousarray(image)
    (height, long), (down, across) = image.shape, image.strides
    # What numpy's sliding windows are, without the time they take to be made.
    every: NDArray[Any] = np.ndarray(
        (height - width + 1, long - width + 1, width, width), image.dtype, image,
        strides=(down, across, down, across),
    )  # fmt: skip
    return np.asarray(every[y0, x0])


def add(image: Image, y0: NDArray[np.intp], x0: NDArray[np.intp], squares: Image) -> None:
    """Add square windows (m, width, width) to an image, in place."""
    width = squares.shape[1]
    for y, x, one in zip(y0.tolist(), x0.tolist(), squares, strict=True):
        image[y : y + width, x : x + width] += one


def kernel(sigma: float) -> NDArray[np.float64]:
    """Gaussian of ``sigma`` px, sum 1."""
    reach = max(int(np.ceil(3.3 * sigma)), 1)
    place = np.arange(-reach, reach + 1)
    values = np.exp(-0.5 * (place / max(sigma, 1e-3)) ** 2)
    return np.asarray(values / values.sum())


def blur(image: Image, sigma: float) -> Image:
    """Smooth an image (h, w) by a Gaussian of ``sigma`` px; beyond its edge it goes on as it ends.

    Done strip by strip with a matrix: several times as fast as sums over shifted rows.
    """
    reach = len(kernel(sigma)) // 2
    (height, width), n = image.shape, STRIP_PX
    down, across = -(-height // n), -(-width // n)
    # Whole strips, and around them what they see.
    seen = np.empty((down * n + 2 * reach, across * n + 2 * reach), dtype=np.float32)
    seen[reach : reach + height, reach : reach + width] = image
    seen[:reach, reach : reach + width] = image[0]
    seen[reach + height :, reach : reach + width] = image[-1]
    seen[:, :reach] = seen[:, reach : reach + 1]
    seen[:, reach + width :] = seen[:, reach + width - 1 : reach + width]
    smooth = _strip_matrix(sigma)
    rows, out = (np.empty((down * n, w), dtype=np.float32) for w in (seen.shape[1], across * n))
    above, middle = _strips(seen, down, n + 2 * reach, n), _strips(rows, down, n, n)
    for at in range(0, seen.shape[1], BLOCK_PX):
        block = slice(at, at + BLOCK_PX)
        np.matmul(smooth, above[:, :, block], out=middle[:, :, block])
    beside, end = _strips(rows.T, across, n + 2 * reach, n), _strips(out.T, across, n, n)
    for at in range(0, down * n, BLOCK_PX):
        block = slice(at, at + BLOCK_PX)
        np.matmul(beside[:, :, block].transpose(0, 2, 1), smooth.T, out=end[:, :, block].transpose(0, 2, 1))
    return out[:height, :width]


def _strips(image: Image, number: int, height: int, step: int) -> Image:
    """Show rows of an image (h, w) as (number, height, w), each ``step`` px further down."""
    down, across = image.strides
    shape = number, height, image.shape[1]
    return np.ndarray(shape, image.dtype, image, strides=(step * down, down, across))


@lru_cache(maxsize=64)
def _strip_matrix(sigma: float) -> Image:
    """(n, n + 2 reach) matrix that smooths a strip of n px from what it sees; not to be written to."""
    k = kernel(sigma)
    out = np.zeros((STRIP_PX, STRIP_PX + len(k) - 1), dtype=np.float32)
    for i in range(STRIP_PX):
        out[i, i : i + len(k)] = k
    out.flags.writeable = False
    return out


@lru_cache(maxsize=512)
def blur_matrix(n: int, sigma: float, beyond: int = 0) -> Image:
    """(n + 2 beyond, n) matrix that smooths a row of n px, 0 outside; not to be written to.

    With ``beyond``, so many px on either side of the row are smoothed too.
    """
    k = kernel(sigma)
    reach = len(k) // 2
    away = np.arange(-beyond, n + beyond)[:, None] - np.arange(n)
    out = np.where(np.abs(away) <= reach, k[np.clip(away + reach, 0, 2 * reach)], 0).astype(np.float32)
    out.flags.writeable = False
    return out
