"""How long a pixel is, and how we know."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from nanoai_gui.core.errors import ParameterError

SMALLEST_NM_PER_PX = 1e-3
"""A thousandth of a nanometre: far below atomic resolution, so a smaller claim is a mistake."""
LARGEST_NM_PER_PX = 1e4
"""Ten micrometres: no electron micrograph of nanoparticles is coarser."""


class CalibrationSource(StrEnum):
    """Where a pixel size comes from."""

    NONE = "none"
    METADATA = "metadata"
    SCALE_BAR = "scale bar"
    TYPED = "typed"


@dataclass(frozen=True, slots=True)
class Calibration:
    """The pixel size of a micrograph, always together with its source.

    Parameters
    ----------
    nm_per_px
        Edge of a (square) pixel in nanometres; ``None`` when unknown: all results are then in px.
    source
        Where the number comes from.
    detail
        The place in words, such as ``Zeiss tag 34118`` or ``bar of 491 px = 100 nm``.
    warnings
        Sentences about doubts: anisotropy, two different sizes in one file, a magnification conflict.
    """

    nm_per_px: float | None
    source: CalibrationSource
    detail: str = ""
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.nm_per_px is None) != (self.source is CalibrationSource.NONE):
            raise ValueError("a pixel size needs a source, and only an unknown one has none")
        if self.nm_per_px is not None and not is_plausible(self.nm_per_px):
            raise ParameterError(
                f"A pixel of {self.nm_per_px:g} nm is not possible in an electron micrograph.",
                f"Enter a size between {SMALLEST_NM_PER_PX:g} and {LARGEST_NM_PER_PX:g} nm per pixel.",
            )

    @classmethod
    def unknown(cls, *warnings: str) -> Calibration:
        """No pixel size is known; ``warnings`` say why."""
        return cls(None, CalibrationSource.NONE, warnings=warnings)

    @classmethod
    def typed(cls, nm_per_px: float) -> Calibration:
        """Take a pixel size in nm that a person typed."""
        return cls(nm_per_px, CalibrationSource.TYPED, "typed by hand")

    @classmethod
    def from_scale_bar(cls, length_px: float, length_nm: float) -> Calibration:
        """Take the pixel size from a line drawn over a scale bar of known length."""
        if not (length_px > 0 and length_nm > 0):
            raise ParameterError(
                "The line or its length is zero.", "Draw the line along the whole bar and enter its length."
            )
        return cls(
            length_nm / length_px,
            CalibrationSource.SCALE_BAR,
            f"bar of {length_px:.0f} px = {length_nm:g} nm",
        )

    @property
    def is_known(self) -> bool:
        """Whether lengths can be given in nm."""
        return self.nm_per_px is not None


def is_plausible(nm_per_px: float) -> bool:
    """Whether a pixel size can be that of an electron micrograph."""
    return math.isfinite(nm_per_px) and SMALLEST_NM_PER_PX <= nm_per_px <= LARGEST_NM_PER_PX
