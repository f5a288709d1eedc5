"""Units in which people state lengths and pixel sizes, as factors to the nanometre."""

from __future__ import annotations

import math
from enum import StrEnum

from nanoai_gui.core.errors import ParameterError


class LengthUnit(StrEnum):
    """Units of a scale bar."""

    NM = "nm"
    UM = "µm"
    ANGSTROM = "Å"

    @property
    def in_nm(self) -> float:
        """How many nanometres one of it is."""
        return {LengthUnit.NM: 1.0, LengthUnit.UM: 1000.0, LengthUnit.ANGSTROM: 0.1}[self]


class PixelSizeUnit(StrEnum):
    """Units of a pixel size, and the two of its inverse that microscopes show."""

    NM_PER_PX = "nm/px"
    ANGSTROM_PER_PX = "Å/px"
    UM_PER_PX = "µm/px"
    PX_PER_NM = "px/nm"
    PX_PER_UM = "px/µm"


def pixel_size_in_nm(value: float, unit: PixelSizeUnit) -> float:
    """Convert a pixel size, or pixels per length, to nm per px.

    Raises
    ------
    ParameterError
        If ``value`` is not a positive number.
    """
    if not (math.isfinite(value) and value > 0):
        raise ParameterError("A pixel size must be larger than zero.", "Enter the size of one pixel.")
    match unit:
        case PixelSizeUnit.NM_PER_PX:
            return value
        case PixelSizeUnit.ANGSTROM_PER_PX:
            return value * LengthUnit.ANGSTROM.in_nm
        case PixelSizeUnit.UM_PER_PX:
            return value * LengthUnit.UM.in_nm
        case PixelSizeUnit.PX_PER_NM:
            return 1 / value
        case PixelSizeUnit.PX_PER_UM:
            return LengthUnit.UM.in_nm / value
