"""A whole synthetic experiment: labelled regions of interest, an unknown class, unlabelled maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.spectra.spectral_set import MapGrid, SpectralSet
from nanoai_gui.core.spectra.synthesis.cells import (
    Exposure,
    Sample,
    draw_cell,
    draw_region,
    expose,
    stream,
)
from nanoai_gui.core.spectra.synthesis.spec import (
    EMPTY_LABEL,
    LABELS,
    OTHER_LABEL,
    TIMES_H,
    RamanSpec,
    check_spec,
)

LASER_NM = 785.0
ORIGIN = "synthetic, illustrative"
"""Said of every spectrum, in the column ``origin``."""
STEP_UM = 1.0
FIELD_PX = 24
"""Side of the map of one cell from which regions of interest are taken."""
REGION_RADIUS_UM = 1.5
MIXTURES = ((0.80, 0.15, 0.05), (0.20, 0.60, 0.20), (0.05, 0.20, 0.75))
"""Shares of the classes in a cell of an unlabelled map at 0, 6 and 24 h (illustrative)."""

_LABELLED, _OTHER, _MAP, _LAYOUT = range(4)

Facts = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False, slots=True)
class Made:
    """Spectra as a microscope would give them, and what they truly are.

    Parameters
    ----------
    spectra
        With the columns ``label`` (empty on unlabelled maps), ``dish, cell, map, roi, time_h, x_um, y_um``.
    truth
        By name (n,): ``label`` (the true class, ``none`` where there are no nanotubes), ``empty`` (a region
        without nanotubes although it is labelled), ``g_counts``, ``d_over_g``, ``bundling`` (267 over 234
        cm-1), ``g_shift``, ``g_prime_shift`` (cm-1, calibration of the day included), ``fluorescence``
        (counts), ``spike`` (cm-1, NaN for none), ``saturated`` (channels).
    """

    spectra: SpectralSet
    truth: Facts


def make_labelled(
    spec: RamanSpec, n: int, seed: int, cancelled: Cancelled = never_cancelled, *, other: bool = False
) -> Made:
    """Make spectra from regions of interest with known labels.

    The regions go round the time points, dishes and cells in turn, so that every cell gets its share, and
    spectrum i is the same however many are made.

    Parameters
    ----------
    spec, seed
        What to make.
    n
        How many, at least 1.
    other
        Soot-like carbon with the label "other" instead of the three classes.

    Raises
    ------
    ParameterError
        If the spec, the number or the seed is impossible.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    check_spec(spec)
    check_wish(n, seed)
    parts: list[tuple[Exposure, Facts]] = []
    for number in range(-(-n // spec.per_roi)):
        checkpoint(cancelled)
        parts.append(_region(spec, seed, number, other))
    counts = np.concatenate([e.counts for e, _ in parts])[:n]
    facts = {name: np.concatenate([f[name] for _, f in parts])[:n] for name in parts[0][1]}
    return _assemble(spec, counts, facts, "", facts.pop("true_label"))


def make_map(spec: RamanSpec, seed: int, time: int, cancelled: Cancelled = never_cancelled) -> Made:
    """Make a map of one cell, unlabelled, from a dish of its own.

    Vesicles of all classes lie in it, mixed as the time demands, and one grain of soot; around the cell
    there is only the fluorescence of the medium.

    Parameters
    ----------
    spec, seed
        What to make; the map has ``spec.map_pixels`` pixels a side, 1 um apart.
    time
        Number of the time point: 0, 1, 2 for 0, 6, 24 h.
    """
    check_spec(spec)
    check_wish(1, seed)
    side = spec.map_pixels
    cell = draw_cell(spec, seed, time, spec.dishes, 0)
    layout = stream(seed, _LAYOUT, time)
    y, x = (v.ravel().astype(np.float64) for v in np.mgrid[0:side, 0:side])
    middle = (side - 1) / 2
    inside = np.hypot((x - middle) / (0.46 * side), (y - middle) / (0.36 * side)) <= 1
    # The cell itself: no vesicle, only what it is made of; a twentieth of it around the cell.
    background = draw_region(spec, seed, (_MAP, time, 0), cell, 1, np.zeros(side * side))
    light = background.light * np.where(inside, 1.0, 0.15)[:, None]
    best = np.zeros(side * side)
    label = np.full(side * side, EMPTY_LABEL, dtype="<U14")
    facts = dict(background.facts)
    n_vesicles = max(4, side * side // 25)
    for number in range(1, n_vesicles + 1):
        checkpoint(cancelled)
        angle, radius = layout.uniform(0, 2 * np.pi), np.sqrt(layout.uniform(0, 1))
        x0 = middle + 0.40 * side * radius * np.cos(angle)
        y0 = middle + 0.30 * side * radius * np.sin(angle)
        kind = int(layout.choice(len(LABELS), p=MIXTURES[time]))
        if number == n_vesicles:
            kind = len(LABELS)
        seen = np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2) / layout.uniform(0.7, 1.3) ** 2)
        near = np.nonzero(seen > 0.02)[0]
        vesicle = draw_region(spec, seed, (_MAP, time, number), cell, kind, seen[near])
        dark = draw_region(spec, seed, (_MAP, time, number), cell, kind, np.zeros(near.size))
        light[near] += vesicle.light - dark.light
        wins = (vesicle.facts["g_counts"] > best[near]) & (seen[near] > 0.3)
        at = near[wins]
        best[at] = vesicle.facts["g_counts"][wins]
        label[at] = (*LABELS, OTHER_LABEL)[kind]
        for name in facts:
            if name != "fluorescence":
                facts[name][at] = vesicle.facts[name][wins]
    exposure = expose(spec, seed, (_MAP, time), light)
    cell_name = f"{TIMES_H[time]}h-U"
    facts |= _ids(side * side, TIMES_H[time], f"{cell_name}-D1", 1) | {
        "x_um": x * STEP_UM, "y_um": y * STEP_UM, "roi": np.full(side * side, ""),
        "spike": exposure.spike, "saturated": exposure.saturated, "empty": np.zeros(side * side, np.int64),
        "label": np.full(side * side, ""),
    }  # fmt: skip
    made = _assemble(spec, exposure.counts, facts, f"map_{TIMES_H[time]}h.csv", label)
    grid = MapGrid(side, side, np.arange(side * side), 0.0, 0.0, STEP_UM, STEP_UM)
    spectra = made.spectra
    placed = SpectralSet(
        spectra.intensities, spectra.axis, spectra.columns, grid, laser_nm=LASER_NM, metadata=spectra.metadata
    )
    return Made(placed, made.truth)


def check_wish(n: int, seed: int) -> None:
    """Raise :class:`ParameterError` for an impossible number or seed."""
    if n < 1:
        raise ParameterError(f"{n} spectra cannot be made.", "Ask for at least one.")
    if seed < 0:
        raise ParameterError(f"The seed is {seed}, but it must not be negative.", "Choose 0 or more.")


def _region(spec: RamanSpec, seed: int, number: int, other: bool) -> tuple[Exposure, Facts]:
    """Make the spectra of region ``number`` of the experiment."""
    rest, time = divmod(number, len(TIMES_H))
    rest, dish = divmod(rest, spec.dishes)
    roi, cell_number = divmod(rest, spec.cells)
    series = _OTHER if other else _LABELLED
    layout = stream(seed, _LAYOUT, series, number)
    cell = draw_cell(spec, seed, time, dish, cell_number)
    empty = bool(layout.random() < spec.empty_percent / 100) and not other
    column, row = layout.integers(3, FIELD_PX - 3, 2)
    columns, rows = _around(spec.per_roi)
    brightness = np.exp(-0.5 * (columns**2 + rows**2) / REGION_RADIUS_UM**2)
    kind = len(LABELS) if other else time
    sample: Sample = draw_region(
        spec, seed, (series, number), cell, kind, np.zeros(spec.per_roi) if empty else brightness
    )
    exposure = expose(spec, seed, (series, number), sample.light)
    n = spec.per_roi
    label = OTHER_LABEL if other else LABELS[time]
    dish_name = f"{TIMES_H[time]}h-D{dish + 1}"
    facts = sample.facts | _ids(n, TIMES_H[time], dish_name, cell_number + 1) | {
        "roi": np.full(n, f"{dish_name}-C{cell_number + 1}-{'X' if other else 'R'}{roi + 1}"),
        "x_um": (column + columns) * STEP_UM, "y_um": (row + rows) * STEP_UM,
        "spike": exposure.spike, "saturated": exposure.saturated, "empty": np.full(n, int(empty)),
        "label": np.full(n, label), "true_label": np.full(n, EMPTY_LABEL if empty else label),
    }  # fmt: skip
    return exposure, facts


def _ids(n: int, time_h: int, dish: str, cell: int) -> Facts:
    """Name dish, cell and map so that no two of the experiment share a name."""
    return {
        "dish": np.full(n, dish),
        "cell": np.full(n, f"{dish}-C{cell}"),
        "map": np.full(n, f"{dish}-C{cell}-M1"),
        "time_h": np.full(n, time_h, np.int64),
    }


def _around(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the n pixels nearest to a middle, as columns and rows relative to it, the nearest first."""
    reach = int(np.sqrt(n)) + 1
    rows, columns = (v.ravel() for v in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    order = np.lexsort((columns, rows, columns**2 + rows**2))[:n]
    return columns[order].astype(np.float64), rows[order].astype(np.float64)


def _assemble(
    spec: RamanSpec, counts: NDArray[np.float32], facts: Facts, source: str, label: NDArray[Any]
) -> Made:
    names = ("label", "dish", "cell", "map", "roi", "time_h", "x_um", "y_um")
    n = counts.shape[0]
    columns = {name: facts[name] for name in names} | {
        "source": np.full(n, source), "origin": np.full(n, ORIGIN),
    }  # fmt: skip
    spectra = SpectralSet(counts, spec.axis, columns, laser_nm=LASER_NM, metadata={"title": ORIGIN})
    truth = {"label": label} | {name: values for name, values in facts.items() if name not in names}
    return Made(spectra, truth)
