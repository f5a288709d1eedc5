"""What share of the spectra of a cell, dish or time point belongs to each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.spectra.model import Predictions
from nanoai_gui.core.spectra.spectral_set import SpectralSet, code_texts

TIME_COLUMNS = ("time_h", "time", "hours", "time point", "timepoint")
"""Columns that are taken for the time of a sample, in this order."""
IN_HOURS = ("time_h", "hours")
UNNAMED = "–"
"""Stands for an empty entry of a column."""


@dataclass(frozen=True, eq=False)
class Fractions:
    """Counts of classes in groups of spectra.

    Parameters
    ----------
    classes
        Names of the c classes.
    names
        Of the g groups, as shown.
    counts
        (g, c + 1) spectra of each class; the last column counts those that were not classified.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def totals(self) -> NDArray[np.int64]:
        """(g,) spectra of every group."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def shares(self) -> NDArray[np.float64]:
        """(g, c + 1) shares of all spectra of the group, rows sum to 1."""
        return np.asarray(self.counts / np.maximum(self.totals, 1)[:, None])


def time_column(spectra: SpectralSet) -> str | None:
    """Name the column that tells the time of the samples, if there is one."""
    known = {name.casefold(): name for name in spectra.columns}
    return next((known[name] for name in TIME_COLUMNS if name in known), None)


def group_columns(sets: Iterable[SpectralSet]) -> list[str]:
    """Name the columns by which these spectra can be put into groups: text that is not empty everywhere."""
    found: dict[str, None] = {}
    for spectra in sets:
        for name, values in spectra.columns.items():
            if values.dtype.kind == "U" and name != "label" and bool((values != "").any()):
                found[name] = None
        time = time_column(spectra)
        if time is not None:
            found[time] = None
    return list(found)


@dataclass(frozen=True, eq=False)
class Grouping:
    """Which group each of n spectra belongs to.

    Parameters
    ----------
    keys
        Time, dish and name of each of the g groups, as text.
    place
        (n,) number of the group.
    """

    keys: tuple[tuple[str, ...], ...]
    place: NDArray[np.int64]


def group_spectra(spectra: SpectralSet, column: str) -> Grouping:
    """Put spectra into groups by a column, see :func:`class_fractions`."""
    time = time_column(spectra)
    parts = [
        _coded(spectra, time, " h" if time is not None and time.casefold() in IN_HOURS else ""),
        _coded(spectra, "dish" if column == "cell" else None),
        _coded(spectra, None if column == time else column),
    ]
    code = np.zeros(spectra.n_spectra, np.int64)
    for names, own in parts:
        code = code * len(names) + own
    used, place = np.unique(code, return_inverse=True)
    keys = []
    for number in used.tolist():
        key: list[str] = []
        for names, _ in reversed(parts):
            number, i = divmod(number, len(names))
            key.insert(0, names[i])
        keys.append(tuple(key))
    return Grouping(tuple(keys), place.reshape(-1).astype(np.int64))


def _coded(spectra: SpectralSet, column: str | None, unit: str = "") -> tuple[list[str], NDArray[np.int64]]:
    """Texts that occur in a column, and (n,) which of them each spectrum has; numbers get their unit."""
    if column is None or column not in spectra.columns:
        return [""], np.zeros(spectra.n_spectra, np.int64)
    values = spectra.columns[column]
    if values.dtype.kind == "U":
        return code_texts(values)
    found, place = np.unique(values, return_inverse=True)
    known = (~np.isnan(found.astype(np.float64))).tolist()
    return [
        f"{value:.10g}{unit}" if is_known else ""
        for value, is_known in zip(found.tolist(), known, strict=True)
    ], place.reshape(-1).astype(np.int64)


def columns_used(spectra: SpectralSet, column: str) -> tuple[NDArray[Any], ...]:
    """Give all columns that :func:`group_spectra` looks at: while these stay, so does the grouping."""
    names = (column, time_column(spectra), "dish" if column == "cell" else None)
    return tuple(spectra.columns[name] for name in names if name is not None and name in spectra.columns)


def class_fractions(
    classified: Sequence[tuple[SpectralSet, Predictions]],
    column: str,
    groupings: Sequence[Grouping] | None = None,
) -> Fractions:
    """Count the classes in each group, all sets together.

    Parameters
    ----------
    classified
        At least one set with what a model says of it; one model for all.
    column
        What groups are told apart by. Cells are told apart within their dish, and the time is named with
        every group that has one; sets without the column are one group.
    groupings
        That of each set by this column, if already known.

    Returns
    -------
    Groups in the order of their times, then of their names (numbers as numbers).
    """
    classes = classified[0][1].classes
    counts: dict[tuple[str, ...], NDArray[np.int64]] = {}
    for i, (spectra, predictions) in enumerate(classified):
        grouping = group_spectra(spectra, column) if groupings is None else groupings[i]
        kind = np.where(predictions.rejected, len(classes), predictions.best)
        n_groups, n_kinds = len(grouping.keys), len(classes) + 1
        table = np.bincount(grouping.place * n_kinds + kind, minlength=n_groups * n_kinds)
        for key, own in zip(grouping.keys, table.reshape(n_groups, n_kinds), strict=True):
            counts[key] = counts.get(key, 0) + own
    order = sorted(counts, key=lambda key: tuple(_sortable(text) for text in key))
    return Fractions(
        classes,
        tuple(_title(key) for key in order),
        np.array([counts[key] for key in order], np.int64).reshape(len(order), len(classes) + 1),
    )


def _sortable(text: str) -> tuple[float, str]:
    """Numbers at the beginning count as numbers: 6 h before 24 h."""
    head = text.split()[0] if text.split() else ""
    try:
        return float(head), text
    except ValueError:
        return np.inf, text


def _title(key: tuple[str, ...]) -> str:
    time, dish, entry = key
    # A cell that is called after its dish ("D1-C3") needs no second mention of it.
    parts = [time if time and time.replace(" ", "") not in entry else ""]
    parts += [dish if dish not in entry else "", entry]
    return " · ".join(part for part in parts if part) or UNNAMED
