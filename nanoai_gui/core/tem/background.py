"""The grey level of the empty support film under every pixel, also where particles cover it.

The background is estimated on a coarse grid of block means, which takes milliseconds whatever the size
of the image: a low-order polynomial is pulled onto the background side of the grey levels by asymmetric
least squares (the idea of P. H. C. Eilers, Anal. Chem. 75 (2003) 3631), refined on the blocks that carry
no particle, and completed by a smooth correction from those same blocks. It holds while up to about half
of the image is covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Polarity

GRID = 256
"""Blocks along the longer side of the image at most."""
_DEGREE = 3
_ASYMMETRY = 0.02


@dataclass(frozen=True, eq=False)
class Background:
    """A smooth surface, kept as its values at the centres of a coarse grid of blocks.

    Parameters
    ----------
    grid
        (rows, columns) float64, grey level of the background at the centre of each block.
    block
        Side of a block in px.
    shape
        Height and width in px of the image it belongs to.
    """

    grid: NDArray[np.float64]
    block: int
    shape: tuple[int, int]

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Background of the image rows ``start <= y < stop``, (stop - start, width) float32."""
        across = _interpolation(self.shape[1], self.grid.shape[1], self.block)
        left, right, weight = across
        wide = self.grid[:, left] * (1 - weight) + self.grid[:, right] * weight
        upper, lower, down = (part[start:stop] for part in _interpolation(
            self.shape[0], self.grid.shape[0], self.block))  # fmt: skip
        wide32 = wide.astype(np.float32)
        down32 = down.astype(np.float32)[:, None]
        out = wide32[lower]
        out -= wide32[upper]
        out *= down32
        out += wide32[upper]
        return out


def _interpolation(
    n: int, n_blocks: int, block: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Linear interpolation of ``n`` pixels between block centres; beyond the last centre it is constant."""
    position = np.clip((np.arange(n) + 0.5) / block - 0.5, 0, n_blocks - 1)
    lower = np.minimum(position.astype(np.intp), max(n_blocks - 2, 0))
    upper = np.minimum(lower + 1, n_blocks - 1)
    return lower, upper, position - lower


def block_means(pixels: NDArray[Any], block: int) -> NDArray[np.float64]:
    """Mean grey level of every ``block`` x ``block`` square (the ragged last ones included)."""
    rows = np.arange(0, pixels.shape[0], block)
    columns = np.arange(0, pixels.shape[1], block)
    out = np.empty((len(rows), len(columns)))
    for i, y in enumerate(rows):
        strip = pixels[y : y + block].sum(axis=0, dtype=np.float64) / len(pixels[y : y + block])
        out[i] = np.add.reduceat(strip, columns) / np.diff(np.append(columns, pixels.shape[1]))
    return out


def block_size(shape: tuple[int, int]) -> int:
    """Side of the blocks used for an image of this size."""
    return max(1, -(-max(shape) // GRID))


def find_polarity(pixels: NDArray[Any]) -> Polarity:
    """Find which side of the grey scale the particles are on.

    The two classes of Otsu's threshold on the coarse, de-trended image are compared: the background is
    the one that is larger, that lines the border of the image, and whose grey levels scatter less.

    Parameters
    ----------
    pixels
        (height, width) raw grey levels of the field of view.
    """
    from nanoai_gui.core.tem.threshold import otsu

    coarse = block_means(pixels, max(1, -(-max(pixels.shape) // (2 * GRID))))
    terms = _polynomial_terms(coarse.shape, 2)
    weight = np.ones(coarse.size)
    flat = coarse.ravel()
    for _ in range(4):
        residual = flat - terms @ _solve(terms, flat, weight)
        spread = 1.4826 * float(np.median(np.abs(residual))) + 1e-12
        weight = 1.0 / (1.0 + (residual / (2 * spread)) ** 2)
    residual_image = residual.reshape(coarse.shape)
    level = otsu(residual)
    bright = residual_image > level
    n_bright = int(bright.sum())
    if n_bright in (0, bright.size):
        return Polarity.DARK
    edge = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    high, low = residual[residual > level], residual[residual <= level]
    scatter_high = float(np.median(np.abs(high - np.median(high))))
    scatter_low = float(np.median(np.abs(low - np.median(low))))
    tightness = (scatter_low - scatter_high) / (scatter_low + scatter_high + 1e-12)
    votes = (2 * n_bright / bright.size - 1) + (2 * float(edge.mean()) - 1) + 0.5 * tightness
    return Polarity.DARK if votes >= 0 else Polarity.BRIGHT


def estimate_background(pixels: NDArray[Any], polarity: Polarity, flatten: bool = True) -> Background:
    """Estimate the grey level of the empty support over the whole image.

    Parameters
    ----------
    pixels
        (height, width) raw grey levels of the field of view, finite.
    polarity
        ``DARK`` or ``BRIGHT``: the side on which the particles are.
    flatten
        False gives one level for the whole image.
    """
    shape = (pixels.shape[0], pixels.shape[1])
    block = block_size(shape)
    coarse = block_means(pixels, block)
    # Upside down for dark particles: below, the background is always the lower envelope.
    sign = -1.0 if polarity is Polarity.DARK else 1.0
    values = sign * coarse.ravel()
    terms = _polynomial_terms(coarse.shape, _DEGREE if flatten else 0)
    weight = np.ones(values.size)
    fit = np.full(values.size, values.mean())
    for _ in range(12):
        coefficients = _solve(terms, values, weight)
        fit = terms @ coefficients
        new = np.where(values > fit, _ASYMMETRY, 1.0)
        if np.array_equal(new, weight):
            break
        weight = new
    noise = _coarse_noise(coarse)
    free = np.ones(values.size, dtype=bool)
    for _ in range(8):
        residual = values - fit
        below = residual[residual < 0]
        sigma = max(noise, float(np.sqrt(np.mean(below**2))) if below.size else 0.0)
        new_free = residual < 2.5 * sigma
        if new_free.sum() < max(4 * terms.shape[1], 0.02 * values.size) or np.array_equal(new_free, free):
            break
        free = new_free
        fit = terms @ _solve(terms, values, free.astype(float))
    surface = fit.reshape(coarse.shape)
    if flatten:
        surface = surface + _smooth_correction(
            values.reshape(coarse.shape) - surface, free.reshape(coarse.shape)
        )
    return Background(grid=sign * surface, block=block, shape=shape)


def _polynomial_terms(shape: tuple[int, int], degree: int) -> NDArray[np.float64]:
    """Legendre products up to a total degree, one column a term: (pixels, terms)."""
    y = np.polynomial.legendre.legvander(np.linspace(-1, 1, shape[0]), degree)
    x = np.polynomial.legendre.legvander(np.linspace(-1, 1, shape[1]), degree)
    columns = [
        np.multiply.outer(y[:, i], x[:, j]).ravel() for i in range(degree + 1) for j in range(degree + 1 - i)
    ]
    return np.stack(columns, axis=1)


def _solve(
    terms: NDArray[np.float64], values: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    weighted = terms * weight[:, None]
    normal = weighted.T @ terms
    # A touch of ridge keeps one-pixel-wide images solvable.
    normal[np.diag_indices_from(normal)] += 1e-9 * (np.trace(normal) + 1e-300)
    return np.asarray(np.linalg.solve(normal, weighted.T @ values), dtype=np.float64)


def _coarse_noise(coarse: NDArray[np.float64]) -> float:
    """Give the standard deviation of the block means about their neighbours, robust against edges."""
    if coarse.shape[1] < 2:
        return 0.0
    step = np.diff(coarse, axis=1)
    return float(1.4826 * np.median(np.abs(step)) / np.sqrt(2))


def _smooth_correction(residual: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Slow deviations from the polynomial, known only where no particle is."""
    from scipy import ndimage

    # Blocks beside a particle are mixed: keep off.
    safe = ~ndimage.binary_dilation(~ndimage.binary_opening(free), iterations=1)
    if safe.mean() < 0.1:
        return np.zeros_like(residual)
    sigma = max(residual.shape) / 12
    share = ndimage.gaussian_filter(safe.astype(float), sigma, mode="nearest")
    smooth: NDArray[np.float64] = ndimage.gaussian_filter(
        np.where(safe, residual, 0.0), sigma, mode="nearest"
    )
    # Far from any free block the correction fades out instead of being extrapolated.
    correction: NDArray[np.float64] = smooth / np.maximum(share, 0.05)
    return correction
