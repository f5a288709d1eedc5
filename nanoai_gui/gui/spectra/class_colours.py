"""One colour for each class, the same in map, charts and figures."""

from __future__ import annotations

from PySide6.QtGui import QColor

from nanoai_gui.core.files.figures import COLOURS

UNCLASSIFIED = "#8A8F96"
"""Grey for spectra that are not classified; reads on light and dark."""


def class_colour(number: int) -> QColor:
    """Give the colour of a class by its number; they come again where there are many classes."""
    return QColor(COLOURS[number % len(COLOURS)])


def unclassified_colour() -> QColor:
    """Give the colour of what is not classified."""
    return QColor(UNCLASSIFIED)
