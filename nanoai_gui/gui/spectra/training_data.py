"""What the training panel offers: columns for classes and groups, and the spectra they lead to."""

from __future__ import annotations

import atexit
import functools
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.spectra.spectral_set import SpectralSet, concatenate
from nanoai_gui.core.spectra.tasks import as_training_spectra
from nanoai_gui.core.worker import Packed, pack
from nanoai_gui.gui.spectra.session import SpectraSession

GROUPS_FIRST = ("patient", "subject", "donor", "dish", "cell", "map", "source")
"""The highest level a session knows is the group to keep together, in this order."""
NO_GROUPS = "(none)"


@dataclass(frozen=True, eq=False)
class TrainingParts:
    """Labelled spectra of all sets, not joined yet.

    Parameters
    ----------
    parts
        One set for each entry that has labelled spectra.
    keys, rows
        (n,) entry, and row in it, of every spectrum in the order of the parts.
    """

    parts: tuple[SpectralSet, ...]
    keys: NDArray[np.int64]
    rows: NDArray[np.int64]


def text_columns(session: SpectraSession) -> list[str]:
    """Name the columns that hold anything: ``label`` first, then others that can be classes or groups."""
    found = {"label": True}
    for entry in session.ready():
        assert entry.content is not None
        spectra = entry.content.with_region_columns()
        for name, values in spectra.columns.items():
            if values.dtype.kind == "U":
                has_any = bool((values != "").any())
            else:
                # Numbers that say who or when (patient 7, 24 h), not where on the sample.
                has_any = name not in ("x_um", "y_um", "index") and bool(np.isfinite(values).any())
            if has_any:
                found[name] = True
    return list(found)


def gather_parts(session: SpectraSession, label: str) -> TrainingParts:
    """Take the spectra with an entry in the column ``label``, labels of regions included.

    Raises
    ------
    NanoAIError
        If there are none.
    """
    parts, keys, rows = [], [], []
    for entry in session.ready():
        assert entry.content is not None
        spectra = entry.content.with_region_columns()
        if label not in spectra.columns:
            continue
        chosen = np.flatnonzero(np.char.strip(spectra.text(label)) != "")
        if chosen.size:
            parts.append(spectra if chosen.size == spectra.n_spectra else spectra.select(chosen))
            keys.append(np.full(chosen.size, entry.key, np.int64))
            rows.append(chosen)
    if not parts:
        raise NanoAIError(
            "No spectrum has a label yet." if label == "label" else f"The column {label!r} is empty.",
            "Mark regions in a map and name their class, fill in the table, or import labels.",
        )
    return TrainingParts(tuple(parts), np.concatenate(keys), np.concatenate(rows))


def summary(parts: TrainingParts, label: str, group: str) -> str:
    """Say in a sentence what there is to learn from."""
    labels = _joined(parts.parts, label)
    classes, counts = np.unique(labels, return_counts=True)
    named = ", ".join(f"{name} {n}" for name, n in zip(classes.tolist(), counts.tolist(), strict=True))
    text = f"{labels.size} spectra of {classes.size} {'class' if classes.size == 1 else 'classes'}: {named}"
    if group:
        groups = _joined(parts.parts, group)
        text += f"; {np.unique(groups[groups != '']).size} groups ({group})"
    return text


def doubts(parts: TrainingParts, label: str, group: str, n_folds: int) -> list[str]:
    """Say before the training what it will refuse or regret."""
    found = []
    labels = _joined(parts.parts, label)
    classes = np.unique(labels)
    if classes.size < 2:
        return [f"There is only one class ({classes[0]}): label spectra of at least two."]
    if not group:
        return ["Without groups the accuracy may be that of recognising dishes, cells or patients."]
    groups = _joined(parts.parts, group)
    missing = int((groups == "").sum())
    if missing:
        return [f"{missing} labelled spectra have nothing in the column {group!r}: fill it in."]
    holders = {name: np.unique(groups[labels == name]).size for name in classes.tolist()}
    for name, n in holders.items():
        if n == 1:
            found.append(
                f"All spectra of {name!r} come from one {group}: nobody can tell class from {group}."
            )
    least = min(holders, key=lambda name: holders[name])
    if 1 < holders[least] < n_folds:
        n = holders[least]
        found.append(f"{least!r} comes from {n} groups only, so there will be {n} grouped folds at most.")
    return found


def best_group(columns: Sequence[str], parts: TrainingParts, label: str) -> str:
    """Name the column to keep together: the highest level with two or more groups for every class."""
    labels = _joined(parts.parts, label)
    classes = np.unique(labels)
    for name in GROUPS_FIRST:
        column = next((column for column in columns if column.casefold() == name), None)
        if column is None or column == label:
            continue
        groups = _joined(parts.parts, column)
        if (groups != "").all() and all(np.unique(groups[labels == c]).size > 1 for c in classes):
            return column
    return ""


def join_and_pack(parts: Sequence[SpectralSet]) -> Packed:
    """Join sets and hand them over through a file (in a thread).

    Raises
    ------
    AxisError
        If the sets share too little of their ranges.
    """
    return pack(as_training_spectra(concatenate([as_training_spectra(part) for part in parts])), new_file())


def new_file() -> Path:
    """Name a file for handing arrays to a worker; whoever reads it deletes it."""
    return _exchange_folder() / f"{secrets.token_hex(8)}.bin"


@functools.cache
def _exchange_folder() -> Path:
    # Whatever was packed for a task that a person cancelled goes with the program.
    folder = Path(tempfile.mkdtemp(prefix="nanoai-spectra-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _joined(parts: Sequence[SpectralSet], column: str) -> NDArray[np.str_]:
    texts = [
        np.char.strip(part.text(column)) if column in part.columns else np.full(part.n_spectra, "")
        for part in parts
    ]
    return np.concatenate(texts)
