"""Small sets of spectra whose classes are easy to tell, for window tests that must be quick."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanoai_gui.core.spectra.spectral_set import MapGrid, SpectralSet
from nanoai_gui.gui.spectra.session import SpectraSession

AXIS = np.linspace(600.0, 1800.0, 60)
BANDS = {"early": 800.0, "late": 1200.0, "lysosome": 1600.0}


def made_spectra(classes: list[str], seed: int = 0, noise: float = 0.3) -> np.ndarray:
    """(n, 60) spectra with a band where the class has it, on a common one, with noise."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(8, 12, (len(classes), 1))
    place = np.array([[BANDS[name]] for name in classes])
    shape = height * np.exp(-(((AXIS - place) / 40) ** 2)) + 5 * np.exp(-(((AXIS - 1000) / 30) ** 2))
    made: np.ndarray = (shape + rng.normal(0, noise, shape.shape) + 2).astype(np.float32)
    return made


def labelled_set(
    n_dishes: int = 4, per_class: int = 4, classes: tuple[str, ...] = ("early", "late"), seed: int = 0
) -> SpectralSet:
    """Labelled spectra: every dish holds every class."""
    labels, dishes = [], []
    for dish in range(n_dishes):
        for name in classes:
            labels += [name] * per_class
            dishes += [f"D{dish + 1}"] * per_class
    columns = {
        "label": np.array(labels),
        "dish": np.array(dishes),
        "source": np.full(len(labels), "labelled.csv"),
    }
    return SpectralSet(made_spectra(labels, seed), AXIS, columns)


def map_set(rows: int = 4, columns: int = 5, seed: int = 7, time_h: float = 6.0) -> SpectralSet:
    """An unlabelled map: early on the left half, late on the right; one dead pixel in the corner."""
    index = np.arange(rows * columns)
    classes = ["early" if i % columns < columns / 2 else "late" for i in index]
    spectra = made_spectra(classes, seed)
    spectra[0] = 3.0
    cells = np.where(index < len(index) // 2, "C1", "C2")
    return SpectralSet(
        spectra,
        AXIS,
        {"cell": cells, "time_h": np.full(len(index), time_h), "source": np.full(len(index), "map.csv")},
        grid=MapGrid(rows, columns, index),
    )


def add_set(session: SpectraSession, spectra: SpectralSet, name: str) -> int:
    """Put a set into a session as if it had been read."""
    (key,) = session.add_paths([Path(name)])
    session.accept_sets(key, (spectra,))
    return key
