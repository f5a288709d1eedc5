"""The spectrum without noise: nanotube, cell, fluorescence, soot.

Positions, widths and ratios of the nanotube are those read from published spectra of DNA-wrapped and dried
single-walled nanotubes at 785 nm: radial breathing modes after 214.4 / d + 18.7 cm-1, G+ 1590-1599 and G-
1560-1577 cm-1, D 1300-1310 cm-1 at this laser, G' near 2595 cm-1. Values are illustrative: they make spectra
that look and vary like measured ones, and are no measurement of any endosome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

RBM_POSITIONS = (205.0, 226.0, 234.0, 267.0)
RBM_HEIGHTS = (0.22, 0.30, 0.50)
"""Of the first three over G+; the fourth grows with bundling."""
RBM_WIDTHS = (8.0, 7.0, 7.0, 8.0)
D_POSITION, D_WIDTH, D_OVER_G = 1302.0, 40.0, 0.06
G_MINUS_POSITION, G_MINUS_WIDTH, G_MINUS_OVER_PLUS = 1560.0, 15.0, 0.25
G_PLUS_POSITION, G_PLUS_WIDTH = 1591.0, 11.0
G_PRIME_POSITION, G_PRIME_WIDTH, G_PRIME_OVER_G = 2595.0, 38.0, 0.30

PROTEIN, LIPID, NUCLEIC = 0, 1, 2
CELL_BANDS = (
    # position and width in cm-1, height relative to 1448, kind
    (750.0, 14.0, 0.30, PROTEIN),
    (785.0, 13.0, 0.35, NUCLEIC),
    (1004.0, 8.0, 0.60, PROTEIN),
    (1093.0, 24.0, 0.40, NUCLEIC),
    (1268.0, 34.0, 0.50, PROTEIN),
    (1308.0, 22.0, 0.55, LIPID),
    (1448.0, 24.0, 1.00, LIPID),
    (1660.0, 36.0, 0.80, PROTEIN),
    (2852.0, 24.0, 1.60, LIPID),
    (2885.0, 34.0, 1.50, LIPID),
    (2935.0, 44.0, 2.00, PROTEIN),
)

BUMP_SIGMA = 40.0
BUMP_SPACING = BUMP_SIGMA
"""Chosen so that, preprocessed and standardised, 40 to 50 components hold 95 % of the variance, as in
measured sets of tissue and serum (47, 50)."""


@dataclass(frozen=True, eq=False, slots=True)
class Tubes:
    """The nanotubes seen by n spectra; every entry is (n,).

    Parameters
    ----------
    amplitude
        Height of G+ in counts.
    bundling
        Height of the mode at 267 over that at 234 cm-1.
    rbm
        Factor common to all radial breathing modes: the resonance.
    g_shift, g_broadening
        Of G+, cm-1.
    d_over_g
        Ratio of heights.
    g_minus
        Height of G- over G+.
    g_prime_shift
        Of G', cm-1.
    axis_shift
        Error of the calibration of that day, cm-1; moves all bands, those of the cell too.
    """

    amplitude: Values
    bundling: Values
    rbm: Values
    g_shift: Values
    g_broadening: Values
    d_over_g: Values
    g_minus: Values
    g_prime_shift: Values
    axis_shift: Values

    def spectra(self, axis: Values) -> Values:
        """Return (n, k) counts."""
        nothing = np.zeros_like(self.amplitude)
        heights = [self.rbm * height for height in RBM_HEIGHTS]
        heights.append(heights[2] * self.bundling)
        total = np.zeros((self.amplitude.size, axis.size))
        modes = zip(RBM_POSITIONS, RBM_WIDTHS, heights, strict=True)
        bands = (
            *((position + nothing, width + nothing, height) for position, width, height in modes),
            (D_POSITION + nothing, D_WIDTH + nothing, self.d_over_g),
            (G_MINUS_POSITION + self.g_shift, G_MINUS_WIDTH + self.g_broadening, self.g_minus),
            (G_PLUS_POSITION + self.g_shift, G_PLUS_WIDTH + self.g_broadening, 1 + nothing),
            (G_PRIME_POSITION + self.g_prime_shift, G_PRIME_WIDTH + nothing, G_PRIME_OVER_G + nothing),
        )
        for position, width, height in bands:
            total += lorentzians(axis, position + self.axis_shift, width, height)
        return total * self.amplitude[:, None]


def cell_spectra(axis: Values, heights: Values, shift: Values) -> Values:
    """Give the Raman spectrum of the cell around the nanotubes.

    Parameters
    ----------
    axis
        (k,) cm-1.
    heights
        (n, 3) counts of the band at 1448 cm-1 (its equivalent) for proteins, lipids, nucleic acids.
    shift
        (n,) error of the calibration, cm-1.

    Returns
    -------
    (n, k) counts.
    """
    total = np.zeros((shift.size, axis.size))
    for position, width, height, kind in CELL_BANDS:
        total += lorentzians(axis, position + shift, np.full(shift.size, width), height * heights[:, kind])
    return total


def fine_structure(axis: Values, coefficients: Values) -> Values:
    """Give the sum of the many weak bands of a cell, which differ from place to place (n, k).

    Bumps as wide as protein bands stand side by side along the axis, each with a height of its own; the sum
    has mean 0 and, for coefficients of variance 1, variance 1.

    Parameters
    ----------
    axis
        (k,) cm-1.
    coefficients
        (n, :func:`n_bumps`), heights.
    """
    nodes = axis[0] + BUMP_SPACING * np.arange(n_bumps(axis))
    bumps = np.exp(-0.5 * ((axis - nodes[:, None]) / BUMP_SIGMA) ** 2)
    result: Values = coefficients @ (bumps / np.sqrt((bumps**2).sum(axis=0)))
    return result


def n_bumps(axis: Values) -> int:
    """Count the bumps of :func:`fine_structure` on an axis."""
    return int((axis[-1] - axis[0]) / BUMP_SPACING) + 2


def soot_spectra(axis: Values, amplitude: Values, d_over_g: Values, shift: Values) -> Values:
    """Give the two broad bands of disordered carbon (n, k): what a model of nanotubes must not classify."""
    wide = np.ones_like(shift)
    return amplitude[:, None] * (
        lorentzians(axis, 1345 + shift, 170 * wide, d_over_g)
        + lorentzians(axis, 1588 + shift, 85 * wide, wide)
    )


def fluorescence(axis: Values, height: Values, centre: Values, width: Values, slope: Values) -> Values:
    """Give a broad background (n, k): a Gaussian of standard deviation ``width`` on a slope, never negative.

    Parameters
    ----------
    axis
        (k,) cm-1.
    height
        (n,) counts at the top of the Gaussian.
    centre, width
        (n,) cm-1.
    slope
        (n,) share of the height by which a straight line falls over 2650 cm-1.
    """
    hill = np.exp(-0.5 * ((axis - centre[:, None]) / width[:, None]) ** 2)
    line = 0.5 + slope[:, None] * (1425 - axis) / 2650
    return height[:, None] * np.maximum(0.7 * hill + 0.3 * line, 0.0)


def lorentzians(axis: Values, position: Values, width: Values, height: Values) -> Values:
    """Give one band for each of n spectra, (n, k); ``width`` is the full one at half maximum, cm-1."""
    return height[:, None] / (1 + ((axis - position[:, None]) * (2 / width[:, None])) ** 2)
