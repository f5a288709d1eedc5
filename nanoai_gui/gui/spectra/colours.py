"""From numbers and classes to colours of a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from nanoai_gui.core.spectra.model import Predictions
from nanoai_gui.core.spectra.rois import COLOURS
from nanoai_gui.core.spectra.spectral_set import code_texts
from nanoai_gui.gui.tem.display import ColourMap, Contrast

NOT_CLASSIFIED = "#000000"
"""No hue: it must differ from every class, and from the grey that the map lies on."""
NOT_CLASSIFIED_NAME = "not classified"
UNLABELLED = "#6E6E6E"
LEAST_OPACITY = 0.25
"""A class of even the lowest probability can still be seen."""
PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class Scale:
    """What the colours mean: a range of numbers, or names each with a colour."""

    title: str
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    colours: NDArray[np.uint8] | None = None
    """(256, 3) along the range."""
    names: tuple[tuple[str, str], ...] = ()
    """Names and their ``#rrggbb``."""


def class_colours(names: Sequence[str]) -> dict[str, str]:
    """Give every class its colour, the same everywhere: in the order of the names."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(sorted(set(names)))}


def colour_values(
    values: NDArray[np.float64], title: str, unit: str, colour_map: ColourMap
) -> tuple[NDArray[np.uint8], Scale]:
    """Colour numbers between their 1 % and 99 % percentile: (n,) to (n, 4); no number is transparent."""
    finite = np.isfinite(values)
    low, high = np.percentile(values[finite], PERCENTILES) if finite.any() else (0.0, 1.0)
    if not high > low:
        low, high = float(low) - 0.5, float(low) + 0.5
    contrast = Contrast(float(low), float(high), colour_map=colour_map)
    table = contrast.colours()
    rgba = np.zeros((values.size, 4), np.uint8)
    rgba[finite, :3] = table[contrast.positions(values[finite])]
    rgba[finite, 3] = 255
    return rgba, Scale(title, float(low), float(high), unit, table)


def colour_names(
    names: NDArray[np.str_], title: str, known: Mapping[str, str]
) -> tuple[NDArray[np.uint8], Scale]:
    """Colour texts: (n,) to (n, 4); an empty text is faint grey."""
    used, which = code_texts(names)
    table = np.array([rgb(known.get(str(name), UNLABELLED)) for name in used] or [(0, 0, 0)], np.uint8)
    opacity = np.array([255 if name else 60 for name in used] or [0], np.uint8)
    rgba = np.concatenate([table[which], opacity[which][:, None]], axis=1)
    listed = [(str(name), known.get(str(name), UNLABELLED)) for name in sorted(used) if name]
    return rgba, Scale(title, names=tuple(listed))


def colour_classes(predictions: Predictions) -> tuple[NDArray[np.uint8], Scale]:
    """Colour spectra by class, the more probable the more opaque; rejected ones by a colour of their own."""
    known = class_colours(predictions.classes)
    table = np.array([rgb(known[name]) for name in predictions.classes], np.uint8)
    best = predictions.best
    c = max(len(predictions.classes), 2)
    certainty = (predictions.probabilities.max(axis=1) - 1 / c) / (1 - 1 / c)
    opacity = LEAST_OPACITY + (1 - LEAST_OPACITY) * np.clip(certainty, 0, 1)
    rgba = np.empty((best.size, 4), np.uint8)
    rgba[:, :3] = table[best]
    rgba[:, 3] = np.round(255 * opacity)
    rgba[predictions.rejected] = (*rgb(NOT_CLASSIFIED), 255)
    names = [(name, known[name]) for name in predictions.classes]
    return rgba, Scale("Class", names=(*names, (NOT_CLASSIFIED_NAME, NOT_CLASSIFIED)))


def rgb(colour: str) -> tuple[int, int, int]:
    """Split ``#rrggbb``."""
    made = QColor(colour)
    return made.red(), made.green(), made.blue()
