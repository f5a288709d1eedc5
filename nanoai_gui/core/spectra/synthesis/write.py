"""A synthetic Raman experiment as spectra tables, with one table of the truth."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.files.atomic import make_folder, write_bytes
from nanoai_gui.core.files.spectra_table import write_table
from nanoai_gui.core.files.tables import number
from nanoai_gui.core.spectra.synthesis.experiment import Made, check_wish, make_labelled, make_map
from nanoai_gui.core.spectra.synthesis.spec import TIMES_H, RamanSpec, check_spec

SPECTRA_FILE, OTHER_FILE, TRUTH_FILE = "spectra.csv", "other.csv", "truth.csv"
TABLE_COLUMNS = ("label", "dish", "cell", "map", "roi", "time_h", "x_um", "y_um", "origin")
TRUTH_COLUMNS = (
    "file", "index", "label", "time_h", "dish", "cell", "map", "roi", "x_um", "y_um", "empty", "g_counts",
    "d_over_g", "bundling", "g_shift", "g_prime_shift", "fluorescence", "spike", "saturated",
)  # fmt: skip
OTHER_SHARE = 10
"""One spectrum of the unknown class for every ten labelled ones."""


def map_file(time: int) -> str:
    """Name the table of the unlabelled map of a time point."""
    return f"map_{TIMES_H[time]}h.csv"


def write_spectra(
    spec: RamanSpec,
    n: int,
    seed: int,
    out_dir: Path,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    *,
    maps: tuple[int, ...] = (0, 1, 2),
) -> tuple[Path, ...]:
    """Write a synthetic experiment.

    ``spectra.csv`` holds n labelled spectra from regions of interest; ``other.csv`` a tenth as many,
    unlabelled, of a class that no model should know; ``map_0h.csv``, ``map_6h.csv``, ``map_24h.csv`` one
    unlabelled cell each; ``truth.csv`` a row for every spectrum of all of them (see
    :class:`~nanoai_gui.core.spectra.synthesis.experiment.Made`). The same call writes the same bytes, and
    spectrum i does not depend on n.

    Parameters
    ----------
    spec, seed
        What to make.
    n
        How many labelled spectra, at least 1.
    out_dir
        Made if missing; files of the same names are replaced.
    progress, cancelled
        As everywhere; when cancelled, the tables written so far stay, without the one of the truth.
    maps
        Numbers of the time points whose maps are made.

    Returns
    -------
    The spectra tables, in the order above.

    Raises
    ------
    ParameterError
        If the spec, the number or the seed is impossible.
    WriteError
        If the folder cannot be written to or the disk is full.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    check_spec(spec)
    check_wish(n, seed)
    make_folder(out_dir)
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(TRUTH_COLUMNS)
    names = (SPECTRA_FILE, OTHER_FILE, *(map_file(time) for time in maps))
    paths = []
    for done, name in enumerate(names):
        checkpoint(cancelled)
        progress(done / len(names), f"Making {name}")
        if done < 2:
            count = n if name == SPECTRA_FILE else max(1, n // OTHER_SHARE)
            made = make_labelled(spec, count, seed, cancelled, other=name == OTHER_FILE)
        else:
            made = make_map(spec, seed, maps[done - 2], cancelled)
        path = out_dir / name
        spectra = made.spectra
        if name == OTHER_FILE:
            # As in life: nobody knows what it is, so that it is not learned by mistake.
            spectra = spectra.with_column("label", np.full(spectra.n_spectra, ""))
        write_table(path, spectra, TABLE_COLUMNS)
        writer.writerows(truth_rows(name, made))
        paths.append(path)
    write_bytes(out_dir / TRUTH_FILE, table.getvalue().encode())
    progress(1.0, f"{n} spectra made")
    return tuple(paths)


def truth_rows(name: str, made: Made) -> list[tuple[str, ...]]:
    """Give the rows of ``truth.csv`` for one table; numbers carry 6 significant digits."""
    known: dict[str, NDArray[Any]] = {**made.spectra.columns, **made.truth}
    columns = [_texts(known[column]) for column in TRUTH_COLUMNS[2:]]
    return [(name, str(i), *row) for i, row in enumerate(zip(*columns, strict=True))]


def _texts(values: NDArray[Any]) -> list[str]:
    if values.dtype.kind == "f":
        return [number(float(f"{value:.6g}")) for value in values.tolist()]
    return [str(value) for value in values.tolist()]
