"""Draw dishes, cells, regions of interest and their spectra.

Everything that one level shares (the gain of a dish, the focus of a cell, the bundling within a vesicle) is
drawn from a random stream of its own, named by the ids of that level: region 7 is the same however many
others are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.spectra.synthesis.bands import (
    D_OVER_G,
    G_MINUS_OVER_PLUS,
    Tubes,
    Values,
    cell_spectra,
    fine_structure,
    fluorescence,
    n_bumps,
    soot_spectra,
)
from nanoai_gui.core.spectra.synthesis.spec import LABELS, RamanSpec

# What a class adds (illustrative, see bands.py): early endosome, late endosome, lysosome.
AMPLITUDE = (1.0, 1.6, 2.5)
BUNDLING = (0.15, 0.30, 0.50)
G_SHIFT = (0.0, -0.6, -1.2)
G_BROADENING = (0.0, 1.0, 2.0)
D_FACTOR = (1.0, 1.10, 1.25)
G_PRIME_SHIFT = (0.0, -1.5, -3.0)
LIPID_FACTOR = (1.0, 1.15, 1.35)
PROTEIN_FACTOR = (1.0, 0.95, 0.88)

AMPLITUDE_SPREAD = 0.5
BUNDLING_SPREAD = 0.12
G_SHIFT_SPREAD = 0.6
SHARED = 0.64
"""Part of the variance of a vesicle's properties that all its pixels share; the rest differs by pixel."""
STRUCTURE = 0.4
"""Standard deviation of the sum of weak bands of the cell, relative to its band at 1448 cm-1."""
CELLULAR = 0.25
"""Part of its variance that the whole cell shares."""

_DISH, _CELL, _REGION, _CAMERA = range(4)
"""Names of the random streams."""


@dataclass(frozen=True, eq=False, slots=True)
class Sample:
    """n spectra before the camera, and what they were made from.

    Parameters
    ----------
    light
        (n, k) expected counts.
    facts
        By name (n,): what ``truth.csv`` holds of them.
    """

    light: Values
    facts: dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Cell:
    """What all spectra of one cell share.

    Parameters
    ----------
    gain
        Of the dish (laser power, alignment) times that of the focus on this cell.
    shift
        Error of the axis on that day, cm-1.
    matrix
        Height of the cell's band at 1448 cm-1, counts, and the share of lipids and proteins around it.
    fluorescence
        Height in counts, centre and width in cm-1, slope.
    structure
        Heights of the weak bands that the cell has everywhere, of variance 1.
    """

    gain: float
    shift: float
    matrix: float
    lipid: float
    protein: float
    fluorescence: tuple[float, float, float, float]
    structure: Values


def stream(seed: int, *names: int) -> np.random.Generator:
    """Give the random stream of that name."""
    # From 1, as a seed sequence takes missing words for zeros: (3,) and (3, 0) would be one stream.
    return np.random.default_rng(np.random.SeedSequence([seed, *(name + 1 for name in names)]))


def draw_cell(spec: RamanSpec, seed: int, time: int, dish: int, cell: int) -> Cell:
    """Draw what the spectra of a cell share; ``time``, ``dish`` and ``cell`` count from 0."""
    batch = spec.batch
    of_dish = stream(seed, _DISH, time, dish)
    gain = 1 + batch * of_dish.uniform(-0.2, 0.2)
    shift = batch * of_dish.uniform(-0.5, 0.5)
    glow = batch * of_dish.normal(0, 0.3)
    of_cell = stream(seed, _CELL, time, dish, cell)
    focus = np.exp(batch * of_cell.normal(0, 0.2))
    # 0.5 to 5 times the G band, evenly on a logarithmic scale.
    height = np.exp(np.log(0.5 * 5) / 2 + batch * of_cell.uniform(-0.5, 0.5) * np.log(5 / 0.5) + glow)
    return Cell(
        gain=float(max(gain, 0.1) * focus),
        shift=float(shift),
        matrix=float(spec.g_counts * np.exp(np.log(0.01 * 0.05) / 2 + batch * of_cell.uniform(-0.8, 0.8))),
        lipid=float(np.exp(batch * of_cell.normal(0, 0.12))),
        protein=float(np.exp(batch * of_cell.normal(0, 0.08))),
        fluorescence=(
            float(spec.g_counts * np.clip(height, 0.5, 5.0)),
            float(1100 + batch * of_cell.normal(0, 200)),
            float(900 * np.exp(batch * of_cell.normal(0, 0.15))),
            float(0.8 + batch * of_cell.normal(0, 0.25)),
        ),
        structure=batch * of_cell.normal(0, 1, n_bumps(spec.axis)),
    )


def draw_region(
    spec: RamanSpec, seed: int, names: tuple[int, ...], cell: Cell, kind: int, brightness: Values
) -> Sample:
    """Draw the spectra of one vesicle.

    Parameters
    ----------
    names
        Numbers that name its random stream.
    cell
        The cell it lies in.
    kind
        Number of its class; ``len(LABELS)`` for soot.
    brightness
        (n,) how much of the vesicle each pixel sees, 1 in its middle; 0 for pixels without nanotubes.
    """
    random = stream(seed, _REGION, *names)
    n = brightness.size
    soot = kind == len(LABELS)
    stage = min(kind, len(LABELS) - 1)

    def of_class(values: tuple[float, ...]) -> float:
        middle = values[1]
        return float(middle + spec.contrast * (values[stage] - middle))

    def spread(deviation: float) -> Values:
        shared = random.normal(0, deviation * np.sqrt(SHARED))
        values: Values = random.normal(shared, deviation * np.sqrt(1 - SHARED), n)
        return values

    amplitude = (
        of_class(AMPLITUDE) * np.exp(spread(AMPLITUDE_SPREAD)) * brightness * spec.g_counts * cell.gain
    )
    shift = np.full(n, cell.shift)
    tubes = Tubes(
        amplitude=amplitude,
        bundling=np.maximum(of_class(BUNDLING) + spread(BUNDLING_SPREAD), 0.0),
        rbm=np.exp(spread(0.15)),
        g_shift=of_class(G_SHIFT) + spread(G_SHIFT_SPREAD),
        g_broadening=of_class(G_BROADENING) + spread(0.5),
        d_over_g=D_OVER_G * of_class(D_FACTOR) * np.exp(spread(0.2)),
        g_minus=G_MINUS_OVER_PLUS * np.exp(spread(0.15)),
        g_prime_shift=of_class(G_PRIME_SHIFT) + spread(1.2),
        axis_shift=shift,
    )
    axis = spec.axis
    soot_ratio = 0.9 * np.exp(spread(0.1))
    light = soot_spectra(axis, amplitude, soot_ratio, shift) if soot else tubes.spectra(axis)
    matrix = cell.gain * cell.matrix * np.exp(random.normal(0, 0.1, (n, 1)))
    kinds = [cell.protein * of_class(PROTEIN_FACTOR), cell.lipid * of_class(LIPID_FACTOR), 1.0]
    light += cell_spectra(axis, matrix * kinds, shift)
    own = random.normal(0, 1, (n, cell.structure.size))
    weak = np.sqrt(CELLULAR) * cell.structure + np.sqrt(1 - CELLULAR) * own
    light += STRUCTURE * matrix * fine_structure(axis, weak)
    height, centre, width, slope = cell.fluorescence
    glow = cell.gain * height * np.exp(random.normal(0, 0.12, n))
    light += fluorescence(
        axis, glow, centre + random.normal(0, 25, n), np.full(n, width), slope + random.normal(0, 0.05, n)
    )
    present = (amplitude > 0) & (not soot)
    facts: dict[str, NDArray[Any]] = {
        "g_counts": amplitude,
        "d_over_g": np.where(soot, soot_ratio, tubes.d_over_g),
        "bundling": tubes.bundling,
        "g_shift": tubes.g_shift + shift,
        "g_prime_shift": tubes.g_prime_shift + shift,
        "fluorescence": glow,
    }
    for name in ("d_over_g", "bundling", "g_shift", "g_prime_shift"):
        keep = (amplitude > 0) if name == "d_over_g" else present
        facts[name] = np.where(keep, facts[name], np.nan)
    return Sample(light, facts)


@dataclass(frozen=True, eq=False, slots=True)
class Exposure:
    """What the camera makes of the light: (n, k) counts, and what went wrong with them.

    Parameters
    ----------
    counts
        (n, k) whole numbers, the camera's offset taken away, so that read noise can make them negative.
    spike
        (n,) Raman shift of the spike of a cosmic ray, NaN for none.
    saturated
        (n,) number of saturated channels.
    """

    counts: NDArray[np.float32]
    spike: Values
    saturated: NDArray[np.int64]


def expose(spec: RamanSpec, seed: int, names: tuple[int, ...], light: Values) -> Exposure:
    """Record light: shot noise, read noise, spikes, saturation, dead channels."""
    random = stream(seed, _CAMERA, *names)
    n, k = light.shape
    gain = spec.electrons_per_count
    counts = random.poisson(np.maximum(light, 0.0) * gain) / gain
    hit = np.less(random.random(n), spec.spikes_percent / 100)
    channel = np.asarray(random.integers(0, k, n))
    energy = np.exp(random.normal(np.log(1500.0), 0.8, n))
    # A ray crosses one to three channels; how its charge is shared depends on the angle.
    shares = random.dirichlet((4.0, 0.8, 0.8), n)
    for offset, share in zip((0, 1, -1), shares.T, strict=True):
        at = channel + offset
        rows = np.nonzero(hit & (at >= 0) & (at < k))[0]
        counts[rows, at[rows]] += energy[rows] * share[rows]
    counts += random.normal(0, spec.read_noise, (n, k)) if spec.read_noise else 0.0
    full = counts >= spec.full_well
    np.minimum(counts, spec.full_well, out=counts)
    dead = stream(seed, _CAMERA).choice(k, min(spec.dead_pixels, k), replace=False)
    counts[:, dead] = np.round(random.normal(0, spec.read_noise, (n, dead.size))) if dead.size else 0.0
    full[:, dead] = False
    return Exposure(
        np.round(counts).astype(np.float32),
        np.where(hit, spec.axis[channel], np.nan),
        full.sum(axis=1),
    )
