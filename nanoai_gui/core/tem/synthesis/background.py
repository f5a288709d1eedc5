"""What lies behind and around the particles: uneven light, a grainy film, holes in it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.optics import stretch
from nanoai_gui.core.tem.synthesis.spec import SynthesisSpec

Image = NDArray[np.float32]

FILM_TRANSMISSION = 0.9
"""Share of the beam that an empty film passes, against a hole."""
_TILE = 768
_GRAINS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 20.0, 30.0, 50.0)


def illumination(shape: tuple[int, int], spec: SynthesisSpec, rng: np.random.Generator) -> Image:
    """Light before the specimen, (height, width), mean 1: a slope and a bowl in a random direction."""
    turn, bowl, x0, y0 = rng.random(4).tolist()
    # Sum of a row and a column, each a parabola b s - a s^2 over s in [-1, 1] whose apex is at b / 2a.
    sides = (
        (math.cos(2 * math.pi * turn) + 2 * bowl * (x0 - 0.5), shape[1]),
        (math.sin(2 * math.pi * turn) + 2 * bowl * (y0 - 0.5), shape[0]),
    )
    extent = 0.0
    for b, _ in sides:
        highest = b * b / (4 * bowl) if abs(b) < 2 * bowl else abs(b) - bowl
        extent += highest + abs(b) + bowl
    scale = spec.gradient_percent / 100 / max(extent, 1e-6)
    # The mean of s^2 over the interval is a third.
    row, column = (
        (np.float32(scale * b) - np.float32(scale * bowl) * _across(n)) * _across(n)
        + np.float32(scale * bowl / 3)
        for b, n in sides
    )
    light: Image = row[None, :] + (column + np.float32(1))[:, None]
    return light


@lru_cache(maxsize=1024)
def _across(n: int) -> Image:
    return np.linspace(-1, 1, n, dtype=np.float32)


def film(shape: tuple[int, int], spec: SynthesisSpec, rng: np.random.Generator) -> Image:
    """Brightness of the carbon film, (height, width), mean 1: fine grain, and slow changes of thickness."""
    grain = granules(shape, spec.film_grain_px, rng)
    slow = granules(shape, 12 * spec.film_grain_px, rng)
    share = np.float32(spec.film_percent / 100)
    return np.asarray(np.maximum(1 + share * (grain + np.float32(0.4) * slow), 0.05), dtype=np.float32)


def granules(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Image:
    """Smooth random field of mean 0 and standard deviation 1 whose autocorrelation is Gaussian."""
    from scipy import ndimage

    # A coarse field is drawn coarsely: the same picture in a fraction of the time.
    step = max(int(grain / 3), 1)
    small = -(-shape[0] // step), -(-shape[1] // step)
    sigma = grain / step
    noise = rng.standard_normal(small, dtype=np.float32)
    field = ndimage.gaussian_filter(noise, sigma, mode="wrap", truncate=3)
    field *= np.float32(1 / max(float(field.std()), 1e-12))
    return field if step == 1 else stretch(field, shape)


def cut_film(shape: tuple[int, int], spec: SynthesisSpec, rng: np.random.Generator) -> Image:
    """Film for a small crop: cut at random from one kept tile, which is far quicker than a new one.

    The grain is the nearest of a few; the tile does not depend on any seed, the place of the cut does.
    """
    grain = min(_GRAINS, key=lambda g: abs(np.log(g / spec.film_grain_px)))
    tile = _tile(grain)
    tile = np.tile(tile, (shape[0] // _TILE + 1, shape[1] // _TILE + 1)) if max(shape) > _TILE else tile
    y, x = (int(rng.random() * (have - need + 1)) for have, need in zip(tile.shape, shape, strict=True))
    cut = tile[y : y + shape[0], x : x + shape[1]] * np.float32(spec.film_percent / 100)
    cut += np.float32(1)
    return cut


@lru_cache(maxsize=len(_GRAINS))
def _tile(grain: float) -> Image:
    return granules((_TILE, _TILE), grain, np.random.default_rng(20))


def holes(shape: tuple[int, int], spec: SynthesisSpec, rng: np.random.Generator) -> tuple[Image, Image]:
    """Draw the holes of a holey film.

    Returns
    -------
    amount
        (height, width), 1 where there is film, 0 in a hole, smooth over a px.
    light
        (height, width), what the film passes, 1 in a hole, with the thicker, darker rim that such holes have.
    """
    distance = np.full(shape, 1e6, dtype=np.float32)
    size = min(shape)
    for _ in range(spec.holes):
        radius = size * float(np.exp(rng.normal(np.log(0.12), 0.4)))
        x0, y0 = rng.uniform(-0.1, 1.1, 2) * (shape[1], shape[0])
        y = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(y0)
        x = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(x0)
        squeeze = np.float32(rng.uniform(0.75, 1.0))
        wobble = np.float32(0.04 * radius) * np.cos(
            np.float32(rng.integers(2, 6)) * np.arctan2(y, x) + np.float32(rng.uniform(0, 2 * np.pi))
        )
        np.minimum(distance, np.hypot(x, y / squeeze) - np.float32(radius) + wobble, out=distance)
    amount = np.clip(distance + np.float32(0.5), 0, 1)
    rim = np.exp(-np.maximum(distance, 0) / np.float32(0.02 * size))
    passed = np.float32(FILM_TRANSMISSION) * (1 - np.float32(0.12) * rim)
    return amount, np.asarray(1 - amount * (1 - passed), dtype=np.float32)
