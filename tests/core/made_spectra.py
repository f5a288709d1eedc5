"""Small sets of spectra with known classes, dishes and noise, made in a moment."""

from __future__ import annotations

import numpy as np

from nanoai_gui.core.spectra.spectral_set import SpectralSet

CLASSES = ("early", "late", "lysosome")
AXIS = np.linspace(400.0, 1600.0, 121)


def bands(centres: tuple[float, ...], heights: np.ndarray, width: float = 25.0) -> np.ndarray:
    """(n, k) sums of Gaussian bands; heights (n, number of bands)."""
    shapes = np.exp(-0.5 * ((AXIS - np.array(centres)[:, None]) / width) ** 2)
    return np.asarray(heights @ shapes)


def made_set(
    n: int = 180,
    *,
    n_classes: int = 3,
    dishes_per_class: int = 4,
    dish_effect: float = 0.0,
    contrast: float = 1.0,
    noise: float = 0.05,
    seed: int = 0,
) -> SpectralSet:
    """Spectra whose second band tells the class, and whose third is the dish's."""
    random = np.random.default_rng(seed)
    label = np.arange(n) % n_classes
    dish = label * dishes_per_class + np.arange(n) // n_classes % dishes_per_class
    heights = np.stack(
        [np.full(n, 2.0), 0.5 + contrast * label, random.normal(size=n_classes * dishes_per_class)[dish]],
        axis=1,
    )
    heights[:, 2] *= dish_effect
    places = tuple(np.linspace(420.0, 1580.0, 24))
    own = bands(places, random.normal(size=(n_classes * dishes_per_class, 24)) * dish_effect)[dish]
    values = 10 + bands((600.0, 1000.0, 1400.0), heights) + own + noise * random.normal(size=(n, AXIS.size))
    names = np.array([*CLASSES, *"defghij"])
    columns = {
        "label": names[label],
        "dish": np.char.add("D", dish.astype(str)),
        "source": np.full(n, "a.csv"),
    }
    return SpectralSet(values.astype(np.float32), AXIS, columns)
