"""The grey level of the empty support film under every pixel, also where particles cover it.

The background is estimated on a coarse grid of block means, which takes milliseconds whatever the size
of the image: a low-order polynomial is pulled onto the background side of the grey levels by asymmetric
least squares (the idea of P. H. C. Eilers, Anal. Chem. 75 (2003) 3631), refined on the blocks that carry
no particle, and completed by a smooth correction from those same blocks. It holds while up to about half
of the image is covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Polarity

GRID = 128
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

    def rows(self, start: int, stop: int, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Background of the image rows ``start <= y < stop``, (stop - start, width) float32.

        ``out``, if given, has at least that many rows and is used instead of a new array.
        """
        if self.block == 1 and out is None:
            return self.grid[start:stop].astype(np.float32)
        upper, lower, down = _interpolation(self.shape[0], self.grid.shape[0], self.block)
        left, right, weight = _interpolation(self.shape[1], self.grid.shape[1], self.block)
        top = int(upper[start])
        grid = self.grid[top : int(lower[stop - 1]) + 1]
        wide = (grid[:, left] * (1 - weight) + grid[:, right] * weight).astype(np.float32)
        if out is None:
            out = np.empty((stop - start, self.shape[1]), dtype=np.float32)
        out = out[: stop - start]
        # Rows between the same two block centres are one outer product: no gather of whole rows.
        edges = np.flatnonzero(np.diff(upper[start:stop])) + 1 + start
        for first, last in zip([start, *edges], [*edges, stop], strict=True):
            above = wide[upper[first] - top]
            step = wide[lower[first] - top] - above
            part = out[first - start : last - start]
            np.multiply(down[first:last, None].astype(np.float32), step, out=part)
            part += above
        return out

    def window(self, y0: int, x0: int, y1: int, x1: int) -> NDArray[np.float32]:
        """Background of the rows ``y0 <= y < y1`` and columns ``x0 <= x < x1`` alone, float32."""
        if self.block == 1:
            return self.grid[y0:y1, x0:x1].astype(np.float32)
        upper, lower, down = (v[y0:y1] for v in _interpolation(self.shape[0], self.grid.shape[0], self.block))
        left, right, weight = (
            v[x0:x1] for v in _interpolation(self.shape[1], self.grid.shape[1], self.block)
        )
        top = int(upper[0])
        grid = self.grid[top : int(lower[-1]) + 1]
        wide = grid[:, left] * (1 - weight) + grid[:, right] * weight
        above = wide[upper - top]
        return np.asarray(above + (wide[lower - top] - above) * down[:, None], dtype=np.float32)

    def part(self, y0: int, x0: int, y1: int, x1: int) -> Background:
        """Give the background of a part of the image as one of its own."""
        return Background(self.window(y0, x0, y1, x1).astype(np.float64), 1, (y1 - y0, x1 - x0))


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

    A background is fitted under both assumptions, and what stands out of it is found. The right one is
    that in which the background explains more of the image, particles are the smaller part and keep off
    the border, and the background itself is smooth instead of bending after the particles.

    Parameters
    ----------
    pixels
        (height, width) raw grey levels of the field of view.
    """
    from nanoai_gui.core.tem.threshold import otsu

    coarse = block_means(pixels, block_size((pixels.shape[0], pixels.shape[1])))
    likeness = {}
    for polarity in (Polarity.DARK, Polarity.BRIGHT):
        values = -coarse if polarity is Polarity.DARK else coarse
        surface, free = _fit_polynomial(values, _DEGREE)
        above = values - surface
        particle = above > max(otsu(above), 0.0)
        edge = np.concatenate([particle[0], particle[-1], particle[:, 0], particle[:, -1]])
        bending = min(float(np.ptp(surface)) / max(float(np.ptp(values)), 1e-300), 1.0)
        likeness[polarity] = float(free.mean()) - float(particle.mean()) - float(edge.mean()) - bending
    return max(likeness, key=lambda polarity: likeness[polarity])


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
    # Upside down for dark particles: below, the background is always the lower envelope.
    sign = -1.0 if polarity is Polarity.DARK else 1.0
    values = sign * block_means(pixels, block)
    surface, free = _fit_polynomial(values, _DEGREE if flatten else 0)
    if flatten:
        surface = surface + _smooth_correction(values - surface, free)
    return Background(grid=sign * surface, block=block, shape=shape)


def _fit_polynomial(image: NDArray[np.float64], degree: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Fit the lower envelope of a coarse image; also tells which blocks are free of particles.

    Several starts, of which the one that explains most blocks wins: asymmetric least squares follow a
    strong gradient under half-covered images, but a bright halo or a hole in the film draws them off;
    the commonest grey level does not mind those.
    """
    values = image.ravel()
    band = 2.5 * max(_coarse_noise(image), 0.005 * float(np.ptp(values)))
    starts = [np.full(values.size, _commonest_level(values))]
    starts += [_lower_envelope(values, _polynomial_terms(image.shape, d)) for d in {min(degree, 1), degree}]
    best_fit, best_free = starts[0], np.zeros(values.size, dtype=bool)
    for start in starts:
        fit, free = start, np.ones(values.size, dtype=bool)
        # From a stiff surface in a wide band to the final one.
        for step_degree, width in ((1, 4.0), (2, 2.0), (3, 1.0), (3, 1.0), (3, 1.0), (3, 1.0)):
            terms = _polynomial_terms(image.shape, min(step_degree, degree))
            new_free = np.abs(values - fit) < width * band
            if new_free.sum() < max(4 * terms.shape[1], 0.02 * values.size):
                break
            free = new_free
            fit = terms @ _solve(terms, values, free.astype(float))
        free = np.abs(values - fit) < band
        if free.sum() > best_free.sum():
            best_fit, best_free = fit, free
    return best_fit.reshape(image.shape), best_free.reshape(image.shape)


def _lower_envelope(values: NDArray[np.float64], terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit by asymmetric least squares: what lies above counts for little."""
    weight = np.ones(values.size)
    fit = np.full(values.size, values.mean())
    for _ in range(12):
        fit = terms @ _solve(terms, values, weight)
        new = np.where(values > fit, _ASYMMETRY, 1.0)
        if np.array_equal(new, weight):
            break
        weight = new
    return fit


def _commonest_level(values: NDArray[np.float64]) -> float:
    """Give the densest grey level on the background side of Otsu's (flat particles may be denser still)."""
    from nanoai_gui.core.tem.threshold import otsu

    level = otsu(values)
    below = np.sort(values[values <= level])
    if below.size < 3:
        return float(np.median(values))
    # The shortest interval that holds a quarter of them.
    n = max(2, below.size // 4)
    width = below[n - 1 :] - below[: below.size - n + 1]
    first = int(np.argmin(width))
    return float(np.median(below[first : first + n]))


@lru_cache(maxsize=8)
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
