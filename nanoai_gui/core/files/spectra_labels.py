"""Labels (and dishes, cells, ...) of spectra from a CSV or XLSX table, matched by source or place."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.frames import reading
from nanoai_gui.core.files.spectra_table import READ_ADVICE, open_rows
from nanoai_gui.core.spectra.spectral_set import TEXT_COLUMNS, SpectralSet

NAME_KEYS = ("source", "map")
PLACE_KEYS = ("x_um", "y_um")
ADVICE = (
    "Its header names what to match by (source, map, index, or x_um and y_um) and what to fill in (label)."
)


@dataclass(frozen=True)
class LabelTable:
    """A table of labels as read.

    Parameters
    ----------
    keys
        Columns to match by, each with one text a row: some of ``source, map, index, x_um, y_um``.
    values
        Columns to fill in: ``label``, ``dish``, ``cell``, ``roi`` and any other.
    name
        Of the file.
    """

    keys: Mapping[str, tuple[str, ...]]
    values: Mapping[str, tuple[str, ...]]
    name: str

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.keys.values())))


@dataclass(frozen=True)
class Labelling:
    """What came of filling in labels.

    Parameters
    ----------
    spectra
        The set with its new columns.
    n_filled
        Spectra that were found in the table.
    warnings
        Sentences on rows that fit no spectrum and spectra that no row fits.
    """

    spectra: SpectralSet
    n_filled: int
    warnings: tuple[str, ...]


def read_labels(path: Path) -> LabelTable:
    """Read a table of labels.

    Raises
    ------
    ReadError
        If it has nothing to match by, nothing to fill in, or a column twice.
    """
    with reading(path, READ_ADVICE), open_rows(path) as (_, rows):
        header = [str(value or "").strip() for value in next(rows, ())]
        named = [name for name in header if name]
        if len(set(named)) < len(named):
            twice = next(name for name in named if named.count(name) > 1)
            raise ReadError(
                f"Two columns of {path.name} are headed {twice!r}.", "Rename or delete one of them."
            )
        table: dict[str, list[str]] = {name: [] for name in named}
        try:
            for row in rows:
                cells = [_plain(value) for value in row] + [""] * (len(header) - len(row))
                if any(cells):
                    for name, text in zip(header, cells, strict=False):
                        if name:
                            table[name].append(text)
        except csv.Error as error:
            raise ReadError(f"{path.name} is no table: {error}.", "Export it again.") from error
    keys = [name for name in (*NAME_KEYS, "index") if name in table]
    keys += PLACE_KEYS if all(name in table for name in PLACE_KEYS) else ()
    values = [name for name in table if name not in keys and name not in PLACE_KEYS]
    if not keys or not values:
        raise ReadError(f"{path.name} is no table of labels.", ADVICE)
    if not table[keys[0]]:
        raise ReadError(f"{path.name} holds a header but no labels.", ADVICE)
    for name in keys:
        if name not in NAME_KEYS:
            _numbers(name, table[name], path)
    return LabelTable(
        {name: tuple(table[name]) for name in keys}, {name: tuple(table[name]) for name in values}, path.name
    )


def fill_in(spectra: SpectralSet, table: LabelTable) -> Labelling:
    """Fill the columns of a table of labels into a set.

    A row fits a spectrum if all its keys do: ``source`` and ``map`` as texts (a source may be given
    without its folder and, if that is clear, its ending), ``index`` as a number, and places within half
    of the smallest step between spectra. A row with ``source`` only labels all spectra of the file.
    Empty cells change nothing.

    Raises
    ------
    ReadError
        If two rows give one spectrum different values.
    """
    n = spectra.n_spectra
    candidates = _candidates(spectra, table)
    filled = {name: _start(spectra, name) for name in table.values}
    row_of = np.full(n, -1)
    unused = 0
    for row, found in enumerate(candidates):
        if not found.size:
            unused += 1
        for name, texts in table.values.items():
            if not texts[row]:
                continue
            for spectrum in found.tolist():
                before = row_of[spectrum]
                if before >= 0 and table.values[name][before] not in ("", texts[row]):
                    raise ReadError(
                        f"Rows {before + 2} and {row + 2} of {table.name} give one spectrum different values"
                        f" of {name}.",
                        "Delete one of them.",
                    )
                filled[name][spectrum] = texts[row]
        row_of[found] = row
    n_filled = int((row_of >= 0).sum())
    warnings = []
    if unused:
        warnings.append(f"{unused} of {table.n_rows} rows of {table.name} fit no spectrum.")
    if n_filled < n:
        warnings.append(f"{n - n_filled} of {n} spectra are not in {table.name}.")
    columns = {name: _typed(name, texts) for name, texts in filled.items()}
    return Labelling(spectra.with_columns(columns), n_filled, tuple(warnings))


def _candidates(spectra: SpectralSet, table: LabelTable) -> list[NDArray[np.int64]]:
    """Find the spectra that each row fits: by a dictionary of names and index, then by place within those."""
    names = [name for name in NAME_KEYS if name in table.keys]
    own = [_names(spectra.text(name), name) for name in names]
    wanted = [_names(table.keys[name], name) for name in names]
    if "index" in table.keys:
        own.append([str(i) for i in spectra.columns["index"].tolist()])
        wanted.append([f"{float(text):g}" for text in table.keys["index"]])
    groups: dict[tuple[str, ...], list[int]] = {}
    for i in range(spectra.n_spectra):
        groups.setdefault(tuple(texts[i] for texts in own), []).append(i)
    stems = _stems(groups) if "source" in names else {}
    members = {key: np.array(rows, dtype=np.int64) for key, rows in groups.items()}
    nobody = np.zeros(0, np.int64)
    found = []
    nearby = _Nearby(spectra)
    for row in range(table.n_rows):
        key = tuple(texts[row] for texts in wanted)
        key = key if key in groups else stems.get(key, key)
        inside = members.get(key, nobody)
        if "x_um" in table.keys and inside.size:
            place = float(table.keys["x_um"][row]), float(table.keys["y_um"][row])
            inside = nearby.find(key, inside, place)
        found.append(inside)
    return found


class _Nearby:
    """Spectra near a place, with one search tree a group of spectra."""

    def __init__(self, spectra: SpectralSet) -> None:
        self._spectra = spectra
        self._trees: dict[tuple[str, ...], tuple[Any, float, NDArray[np.int64]]] = {}

    def find(
        self, key: tuple[str, ...], rows: NDArray[np.int64], place: tuple[float, float]
    ) -> NDArray[np.int64]:
        """Find those of ``rows`` that lie at ``place`` (um)."""
        if key not in self._trees:
            from scipy.spatial import cKDTree

            places = np.column_stack((self._spectra.x_um[rows], self._spectra.y_um[rows]))
            known = np.isfinite(places).all(axis=1)
            self._trees[key] = cKDTree(places[known]), _tolerance(self._spectra, rows), rows[known]
        tree, tolerance, known_rows = self._trees[key]
        near: NDArray[np.int64] = known_rows[
            np.array(tree.query_ball_point(place, tolerance), dtype=np.int64)
        ]
        return near


def _stems(groups: Mapping[tuple[str, ...], Sequence[int]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Give keys with the source's name without its ending, where only one file has that name."""
    stems: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for key in groups:
        stems.setdefault((Path(key[0]).stem, *key[1:]), []).append(key)
    return {stem: keys[0] for stem, keys in stems.items() if len(keys) == 1}


def _names(texts: NDArray[np.str_] | Sequence[str], name: str) -> list[str]:
    return [
        text.replace("\\", "/").rsplit("/", 1)[-1] if name == "source" else text for text in map(str, texts)
    ]


def _tolerance(spectra: SpectralSet, rows: NDArray[np.int64]) -> float:
    """Half of the smallest distance between places, um; exact places only, if all coincide."""
    steps = [np.diff(np.unique(np.round(column[rows], 6))) for column in (spectra.x_um, spectra.y_um)]
    if spectra.grid is not None:
        return 0.5 * min(abs(spectra.grid.dx), abs(spectra.grid.dy))
    smallest = [float(step.min()) for step in steps if step.size]
    return 0.499 * min(smallest) if smallest else 1e-6


def _start(spectra: SpectralSet, name: str) -> list[str]:
    return list(map(str, spectra.text(name))) if name in spectra.columns else [""] * spectra.n_spectra


def _typed(name: str, texts: Sequence[str]) -> NDArray[np.str_] | NDArray[np.float64]:
    """Keep a column of numbers one, except where numbers are names."""
    if name not in TEXT_COLUMNS and any(texts):
        try:
            return np.array([float(text) if text else np.nan for text in texts])
        except ValueError:
            pass
    return np.array(texts, dtype=np.str_)


def _numbers(name: str, texts: Sequence[str], path: Path) -> None:
    for row, text in enumerate(texts, 2):
        try:
            float(text)
        except ValueError:
            raise ReadError(
                f"Row {row}, column {name} of {path.name} holds {text!r} where a number belongs.",
                "Correct the table and open it again.",
            ) from None


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
