"""The numbers of fitted bands that maps can be coloured by: position, width, area, height, and ratios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.spectra.peaks import (
    GRAPHENE_WINDOWS,
    NANOTUBE_WINDOWS,
    QUANTITIES,
    BandFits,
    Window,
    within_reach,
)


@dataclass(frozen=True)
class FittedBand:
    """A band, or the ratio of the heights of two.

    Parameters
    ----------
    title
        As shown; unique.
    windows
        What it is fitted with.
    band
        Its name there.
    below
        The band whose height its own is divided by, empty for none.
    """

    title: str
    windows: tuple[Window, ...]
    band: str
    below: str = ""

    @property
    def is_ratio(self) -> bool:
        """Whether it is a ratio, which has no other quantity."""
        return bool(self.below)

    def reach(self, axis: NDArray[np.float64]) -> tuple[bool, str]:
        """Tell whether spectra on an axis (k,) can show it, and what is to be said about it, if anything."""
        kept, notes = within_reach(axis, self.windows)
        fitted = {band.name for window in kept for band in window.bands}
        needed = [self.band, *([self.below] if self.below else [])]
        said = " ".join(notes[name] for name in needed if name in notes)
        return fitted.issuperset(needed), said


LEAST_DIVISOR = 10.0
"""Standard errors that the lower band of a ratio must be high."""
NANOTUBE, GRAPHENE = "Nanotubes", "Graphene"
FITTED_BANDS: dict[str, tuple[FittedBand, ...]] = {
    NANOTUBE: (
        FittedBand("D/G⁺", NANOTUBE_WINDOWS, "D", "G+"),
        FittedBand("G⁺", NANOTUBE_WINDOWS, "G+"),
        FittedBand("G⁻", NANOTUBE_WINDOWS, "G-"),
        FittedBand("D", NANOTUBE_WINDOWS, "D"),
        FittedBand("G′", NANOTUBE_WINDOWS, "G'"),
        FittedBand("RBM", NANOTUBE_WINDOWS, "RBM"),
        FittedBand("RBM 267/234", NANOTUBE_WINDOWS, "RBM high", "RBM"),
    ),
    GRAPHENE: (
        FittedBand("Graphene D/G", GRAPHENE_WINDOWS, "D", "G"),
        FittedBand("Graphene 2D/G", GRAPHENE_WINDOWS, "2D", "G"),
        FittedBand("Graphene D", GRAPHENE_WINDOWS, "D"),
        FittedBand("Graphene G", GRAPHENE_WINDOWS, "G"),
        FittedBand("Graphene 2D", GRAPHENE_WINDOWS, "2D"),
    ),
}
"""By material; the first one that the spectra reach is offered first."""
FIT_QUANTITIES = ("position", "width", "area", "height")
assert set(FIT_QUANTITIES) == set(QUANTITIES)


@dataclass(frozen=True)
class Fit:
    """One number of a fitted band."""

    band: FittedBand
    quantity: str

    @property
    def title(self) -> str:
        """What a legend says."""
        return self.band.title if self.band.is_ratio else f"{self.band.title} {self.quantity}"

    @property
    def unit(self) -> str:
        """Unit, where there is one worth showing."""
        return "cm⁻¹" if not self.band.is_ratio and self.quantity in ("position", "width") else ""

    def values(self, fits: BandFits) -> NDArray[np.float64]:
        """Take the number (n,) out of fits with its windows, NaN where the band is not there.

        A ratio is one only where the band below is known to a tenth: pixels beside the sample would show
        the highest values of all.
        """
        if self.band.is_ratio:
            ratio = fits.ratio(self.band.band, self.band.below)[0]
            below = self.band.below
            known = fits.values[below, "height"] > LEAST_DIVISOR * fits.errors[below, "height"]
            return np.where(known, ratio, np.nan)
        return fits.values[self.band.band, self.quantity]


def find_band(title: str) -> FittedBand | None:
    """Give the band of a title."""
    return next((band for bands in FITTED_BANDS.values() for band in bands if band.title == title), None)
