"""Spectra that are better not learned from, by an explicit rule, each with its reason.

The recipe we follow omits "degenerate" spectra without saying which. Dropping ambiguous spectra before a
cross-validation raises its accuracy by construction, so here it happens in the training part of each fold
only, every spectrum left out is listed, and accuracies are given with and without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.spectra.pca import Floats

KEPT, CONSTANT, SATURATED, WEAK, DUPLICATE, AMBIGUOUS = range(6)
REASONS = ("", "constant", "saturated", "weak signal", "duplicate", "closer to another class")
"""Why a spectrum is left out of training, by number; the first that applies."""
FLAT_TOP = 3
_BLOCK_ROWS = 1024


@dataclass(frozen=True, slots=True)
class DegenerateRule:
    """Which spectra are left out of training."""

    use: bool = parameter(True, "Leave out degenerate spectra", help="Only from training, never from a test.")
    distance_ratio: float = parameter(
        2.0, "Distance ratio", minimum=0, maximum=100, step=0.1,
        help="Left out if the nearest spectrum of its own class is farther than this times the nearest of "
        "another class, among the principal components. 0: not used.",
    )  # fmt: skip
    most_percent: float = parameter(
        10.0, "Ambiguous at most", unit="%", minimum=0, maximum=100, step=5, advanced=True,
        help="No more of each class are left out for their distance ratio, the worst first: otherwise a rule "
        "that finds everything ambiguous would leave nothing to learn from.",
    )  # fmt: skip
    least_signal: float = parameter(
        3.0, "Signal-to-noise at least", minimum=0, maximum=1e6, step=0.5, help="0: not used."
    )
    saturation: bool = parameter(
        True, "Saturated", help="The highest value is that of three or more channels side by side."
    )
    duplicates: bool = parameter(
        True, "Duplicates", help="The same values as an earlier spectrum, which alone is kept."
    )


@dataclass(frozen=True, slots=True)
class Dropped:
    """A spectrum that was left out of training.

    Parameters
    ----------
    row
        Its number in the training set.
    reason
        One of :data:`REASONS`, with the value that decided.
    """

    row: int
    reason: str


@dataclass(frozen=True, eq=False, slots=True)
class RawFacts:
    """What the rule needs of n spectra as measured, found once: none of it is learned from other folds.

    Parameters
    ----------
    signal
        (n,) signal-to-noise.
    flaw
        (n,) uint8, :data:`CONSTANT`, :data:`SATURATED` or 0.
    twin
        (n,) int64, the same number for spectra of the same values.
    """

    signal: Floats
    flaw: NDArray[np.uint8]
    twin: NDArray[np.int64]


def raw_facts(intensities: NDArray[Any], signal: Floats) -> RawFacts:
    """Look at (n, k) spectra as measured.

    A top is flat if :data:`FLAT_TOP` or more channels side by side hold exactly the highest value of the
    spectrum: a detector or a converter that was full.
    """
    top = intensities.max(axis=1, keepdims=True)
    flat = intensities == top
    run = flat.copy()
    for shift in range(1, FLAT_TOP):
        run[:, :-shift] &= flat[:, shift:]
        run[:, -shift:] = False
    flaw = np.zeros(len(intensities), np.uint8)
    flaw[run.any(axis=1)] = SATURATED
    flaw[(intensities == intensities[:, :1]).all(axis=1)] = CONSTANT
    # Hashes of the bytes; 0.0 and -0.0 are the same number.
    plain = np.ascontiguousarray(intensities + 0)
    keys: dict[bytes, int] = {}
    twin = np.array([keys.setdefault(row.tobytes(), i) for i, row in enumerate(plain)], np.int64)
    return RawFacts(signal, flaw, twin)


def find_degenerate(
    facts: RawFacts,
    rows: NDArray[np.int64],
    scores: NDArray[Any],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    rule: DegenerateRule,
) -> list[Dropped]:
    """Find the spectra that the rule leaves out.

    Parameters
    ----------
    facts
        Of all spectra of the set.
    rows
        (t,) numbers of those that are trained on.
    scores
        (t, m) principal components found from these spectra alone.
    labels, groups
        (t,) class and dish (patient ...) of each. Where groups are known, neighbours are sought in other
        groups only: spectra of one cell are alike for reasons that are not the class.

    Returns
    -------
    In the order of ``rows``.
    """
    if not rule.use:
        return []
    code = np.zeros(rows.size, np.uint8)
    if rule.duplicates:
        _, first = np.unique(facts.twin[rows], return_index=True)
        later = np.ones(rows.size, bool)
        later[first] = False
        code[later] = DUPLICATE
    if rule.least_signal > 0:
        code[facts.signal[rows] < rule.least_signal] = WEAK
    flaw = facts.flaw[rows]
    if rule.saturation:
        code[flaw == SATURATED] = SATURATED
    code[flaw == CONSTANT] = CONSTANT
    ratio = np.zeros(rows.size)
    if rule.distance_ratio > 0:
        good = np.flatnonzero(code == KEPT)
        ratio[good] = distance_ratios(scores[good], labels[good], None if groups is None else groups[good])
        for name in np.unique(labels[good]):
            own = good[labels[good] == name]
            worst = own[np.argsort(-ratio[own], kind="stable")][: int(own.size * rule.most_percent / 100)]
            code[worst[ratio[worst] > rule.distance_ratio]] = AMBIGUOUS
    dropped = []
    for i in np.flatnonzero(code):
        reason = REASONS[code[i]]
        if code[i] == WEAK:
            reason += f" (signal-to-noise {facts.signal[rows[i]]:.2g})"
        elif code[i] == AMBIGUOUS:
            reason += f" (distance ratio {ratio[i]:.2f})"
        dropped.append(Dropped(int(rows[i]), reason))
    return dropped


def distance_ratios(
    scores: NDArray[Any], labels: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> Floats:
    """(n,) distance to the nearest spectrum of the own class over that to the nearest of any other.

    With groups, only spectra of other groups count; 0 where a spectrum has no such neighbour of its own
    class or of another one.
    """
    values = scores.astype(np.float64)
    squares = np.einsum("nm,nm->n", values, values)
    out = np.zeros(len(values))
    for start in range(0, len(values), _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, len(values))
        distance = squares[start:stop, None] + squares - 2 * values[start:stop] @ values.T
        np.maximum(distance, 0, out=distance)
        distance[np.arange(stop - start), np.arange(start, stop)] = np.inf
        if groups is not None:
            distance[groups[start:stop, None] == groups] = np.inf
        own = labels[start:stop, None] == labels
        near_own = np.where(own, distance, np.inf).min(axis=1)
        near_other = np.where(own, np.inf, distance).min(axis=1)
        known = np.isfinite(near_own) & np.isfinite(near_other)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.sqrt(near_own / near_other)
        out[start:stop] = np.where(known, np.nan_to_num(ratio, nan=1.0, posinf=np.inf), 0.0)
    return out
