"""One image of an electron microscope, with what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels: rows ``y0 <= y < y1``, columns ``x0 <= x < x1``."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rectangle as an index into an image."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.y1 - self.y0, self.x1 - self.x0


@dataclass(frozen=True, eq=False)
class Micrograph:
    """An image, its pixel size and the part of it that is analysed.

    Parameters
    ----------
    pixels
        (height, width), the raw values as the microscope wrote them (grey; integer or float32, finite).
        x points right, y down, pixel centres lie at integers.
    name
        Short name for tables and titles (the file name, with the frame where a file holds several).
    path
        The file, or ``None`` for an image made in memory.
    calibration
        Pixel size and its source.
    data_bar_top
        First row of the data bar at the foot of the image, which is kept out of the analysis; ``None``
        if there is no bar.
    frame, n_frames
        Which image of a stack this is.
    warnings
        Sentences the person should see: resampled pixels, non-finite values replaced ...
    metadata
        Facts of the instrument worth showing (voltage, magnification, detector), as text.
    annotations
        Parts of the field of view that something was drawn over (a burned-in scale bar, its text);
        what touches them is no particle.
    """

    pixels: NDArray[Any]
    name: str
    path: Path | None = None
    calibration: Calibration = field(default_factory=Calibration.unknown)
    data_bar_top: int | None = None
    frame: int = 0
    n_frames: int = 1
    warnings: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    annotations: tuple[Box, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2:
            raise ValueError(f"a micrograph has two axes, not {self.pixels.ndim}")
        if self.data_bar_top is not None and not 0 < self.data_bar_top < self.pixels.shape[0]:
            raise ValueError("the data bar must leave a part of the image above it")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px, data bar included."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def field_of_view(self) -> Box:
        """The part that is analysed: everything above the data bar."""
        height, width = self.shape
        return Box(0, 0, height if self.data_bar_top is None else self.data_bar_top, width)

    @property
    def field_pixels(self) -> NDArray[Any]:
        """The raw values of the analysed part, as a view."""
        return self.pixels[self.field_of_view.slices]

    def with_calibration(self, calibration: Calibration) -> Micrograph:
        """Return the same image with another pixel size."""
        return replace(self, calibration=calibration)

    def with_data_bar(self, top: int | None) -> Micrograph:
        """Return the same image with the data bar starting at row ``top`` (``None``: no bar)."""
        return replace(self, data_bar_top=top)


def as_float(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Raw values as float32 (exact for up to 24 bits), without scaling."""
    return np.ascontiguousarray(pixels, dtype=np.float32)
