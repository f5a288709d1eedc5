"""What a model says of spectra, as tables: ``predictions.csv`` and ``summary.json``.

Comma-separated, UTF-8, decimal point, one header line, lines end with a line feed. Columns and their order
are a promise. Probabilities of a row sum to 1; a rejected row keeps them.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

import nanoai_gui
from nanoai_gui.core.files.atomic import atomic_file, make_folder, write_error
from nanoai_gui.core.files.tables import cell, number
from nanoai_gui.core.spectra.accuracy import balanced_accuracy, confusion_matrix
from nanoai_gui.core.spectra.model import Predictions, SpectraModel
from nanoai_gui.core.spectra.rejection import REASONS
from nanoai_gui.core.spectra.spectral_set import SpectralSet

PREDICTIONS_FILE, SUMMARY_FILE = "predictions.csv", "summary.json"
FIRST_COLUMNS = ("source", "index", "x_um", "y_um", "predicted", "rejected", "reason")
GROUP_COLUMNS = ("dish", "cell", "map", "roi")
_BLOCK_ROWS = 5000


class PredictionTables:
    """The two files of a run, filled set by set; on leaving the ``with`` block they appear together.

    If the block is left by an exception, neither is touched.

    Parameters
    ----------
    folder
        Made if missing.
    model, model_name
        What classifies, and the name of its file.

    Raises
    ------
    WriteError
        If the folder cannot be written to or the disk is full (also by :meth:`add` and on leaving).
    """

    def __init__(self, folder: Path, model: SpectraModel, model_name: str) -> None:
        self.folder = folder
        self.model, self.model_name = model, model_name
        self.errors: list[dict[str, str]] = []
        self.warnings: dict[str, None] = {}
        self.summary: dict[str, Any] = {}
        self._tally = _Tally(model.classes)
        self._sources: dict[str, _Tally] = {}
        self._groups: dict[tuple[str, ...], _Tally] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> PredictionTables:
        make_folder(self.folder)
        with contextlib.ExitStack() as stack:
            # Left in reverse order: the summary appears last, as the sign that all is complete.
            self._summary = stack.enter_context(atomic_file(self.folder / SUMMARY_FILE))
            self._rows = stack.enter_context(atomic_file(self.folder / PREDICTIONS_FILE))
            self._write(",".join([*FIRST_COLUMNS, *(_quoted(f"p_{name}") for name in self.model.classes)]))
            self._write("\n")
            self._stack = stack.pop_all()
        return self

    def add(self, spectra: SpectralSet, predictions: Predictions, source: str | None = None) -> None:
        """Append the rows of one set.

        Parameters
        ----------
        source
            Stands for the column ``source`` where that is empty.
        """
        names = spectra.text("source")
        if source is not None:
            names = np.where(names == "", source, names)
        try:
            for start in range(0, spectra.n_spectra, _BLOCK_ROWS):
                self._write(_rows(spectra, predictions, names, start, start + _BLOCK_ROWS))
        except OSError as error:
            raise write_error(self.folder / PREDICTIONS_FILE, error) from error
        labels = spectra.text("label")
        self._tally.add(predictions, labels)
        for name in dict.fromkeys(names.tolist()):
            self._sources.setdefault(name, _Tally(self.model.classes)).add(
                predictions, labels, np.flatnonzero(names == name)
            )
        columns = [spectra.text(name) for name in GROUP_COLUMNS]
        joined = list(zip(*(column.tolist() for column in columns), strict=True))
        where: dict[tuple[str, ...], list[int]] = {}
        for row, key in enumerate(joined):
            if any(key):
                where.setdefault(key, []).append(row)
        for key, rows in where.items():
            self._groups.setdefault(key, _Tally(self.model.classes)).add(predictions, labels, np.array(rows))
        self.warnings.update(dict.fromkeys(spectra.warnings))

    def fail(self, item: str, message: str) -> None:
        """Note that a file could not be classified."""
        self.errors.append({"source": item, "message": message})

    def _write(self, text: str) -> None:
        self._rows.write(text.encode("utf-8", "replace"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with contextlib.suppress(_AbandonedError), self._stack:
                raise _AbandonedError
            return
        with self._stack:
            self.summary = self._summarise()
            text = json.dumps(self.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            self._summary.write(text.encode("utf-8", "replace"))
            for stream in (self._summary, self._rows):
                stream.flush()

    def _summarise(self) -> dict[str, Any]:
        card = self.model.card
        t = self.model.thresholds
        thresholds = {name: getattr(t, name) for name in ("t2", "q", "signal", "probability")}
        return {
            "version": nanoai_gui.__version__,
            "model": {
                "file": self.model_name,
                "classes": list(self.model.classes),
                "axis": [float(self.model.axis[0]), float(self.model.axis[-1])],
                "date": card.get("date"),
                "measured": card.get("measured"),
                "thresholds": {k: v if np.isfinite(v) else None for k, v in thresholds.items()},
            },
            **self._tally.report(),
            "sources": [{"source": name, **tally.report()} for name, tally in self._sources.items()],
            "groups": [
                {**dict(zip(GROUP_COLUMNS, key, strict=True)), **tally.report()}
                for key, tally in sorted(self._groups.items())
            ],
            "warnings": list(self.warnings),
            "errors": self.errors,
        }


class _AbandonedError(Exception):
    """Tells the open files that they are not wanted."""


class _Tally:
    """Counts over some spectra."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        c = len(classes)
        self.classes = classes
        self.reasons = np.zeros(len(REASONS), np.int64)
        self.accepted = np.zeros(c, np.int64)
        self.probability = np.zeros(c)
        self.confusion = np.zeros((c, c), np.int64)

    def add(self, p: Predictions, labels: Any, rows: Any = slice(None)) -> None:  # noqa: ANN401 - an index
        reason, best = p.reason[rows], p.best[rows]
        self.reasons += np.bincount(reason, minlength=len(REASONS))
        self.accepted += np.bincount(best[reason == 0], minlength=len(self.classes))
        self.probability += p.probabilities[rows].sum(axis=0)
        numbers = {name: i for i, name in enumerate(self.classes)}
        known = np.array([numbers.get(label, -1) for label in labels[rows].tolist()], np.int64)
        judged = (known >= 0) & (reason == 0)
        if judged.any():
            self.confusion += confusion_matrix(known[judged], best[judged], len(self.classes))

    def report(self) -> dict[str, Any]:
        n, n_accepted = int(self.reasons.sum()), int(self.accepted.sum())
        found: dict[str, Any] = {
            "n_spectra": n,
            "n_rejected": n - n_accepted,
            "rejected": {name: int(self.reasons[i]) for i, name in enumerate(REASONS) if i},
            "counts": self._named(self.accepted),
            "fractions": self._named(self.accepted / n_accepted) if n_accepted else None,
            "mean_probabilities": self._named(self.probability / n) if n else None,
        }
        if self.confusion.any():
            # Spectra that already carry a label of the model: how often it agrees, rejected ones aside.
            found["labelled"] = {
                "n": int(self.confusion.sum()),
                "accuracy": float(np.trace(self.confusion) / self.confusion.sum()),
                "balanced_accuracy": balanced_accuracy(self.confusion),
                "confusion": self.confusion.tolist(),
            }
        return found

    def _named(self, values: Any) -> Mapping[str, Any]:  # noqa: ANN401 - one number a class
        return dict(zip(self.classes, values.tolist(), strict=True))


def _rows(spectra: SpectralSet, p: Predictions, names: Any, start: int, stop: int) -> str:  # noqa: ANN401
    text = io.StringIO(newline="")
    rows = slice(start, stop)
    best = [cell(p.classes[i]) for i in p.best[rows].tolist()]
    columns = zip(
        names[rows].tolist(),
        spectra.columns["index"][rows].tolist(),
        spectra.x_um[rows].tolist(),
        spectra.y_um[rows].tolist(),
        best,
        p.reason[rows].tolist(),
        p.probabilities[rows].tolist(),
        strict=True,
    )
    csv.writer(text, lineterminator="\n").writerows(
        (
            cell(source), index, number(x), number(y), predicted, "yes" if reason else "no", REASONS[reason],
            *map(number, probabilities),
        )
        for source, index, x, y, predicted, reason, probabilities in columns
    )  # fmt: skip
    return text.getvalue()


def _quoted(text: str) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow([text])
    return line.getvalue()


def write_predictions_csv(path: Path, spectra: SpectralSet, predictions: Predictions) -> None:
    """Write the rows of one set as a file of its own.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    header = ",".join([*FIRST_COLUMNS, *(_quoted(f"p_{name}") for name in predictions.classes)]) + "\n"
    with atomic_file(path) as stream:
        stream.write(header.encode())
        for start in range(0, spectra.n_spectra, _BLOCK_ROWS):
            rows = _rows(spectra, predictions, spectra.text("source"), start, start + _BLOCK_ROWS)
            stream.write(rows.encode("utf-8", "replace"))
