"""Parts of a cross-validation: random ones, and ones that keep a dish, cell or patient together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ParameterError

Ints = NDArray[np.int64]
_ATTEMPTS = 50


@dataclass(frozen=True, eq=False, slots=True)
class Folds:
    """A division of n spectra.

    Parameters
    ----------
    fold
        (n,) int64, the part each spectrum is tested in.
    n_folds
        Number of parts.
    note
        One sentence if there are fewer than wanted, else empty.
    """

    fold: Ints
    n_folds: int
    note: str = ""

    def split(self, number: int) -> tuple[Ints, Ints]:
        """Rows to train on and rows to test on."""
        test = self.fold == number
        return np.flatnonzero(~test), np.flatnonzero(test)


def random_folds(labels: Ints, classes: tuple[str, ...], n_folds: int, seed: int) -> Folds:
    """Divide spectra at random, every class evenly.

    Returns
    -------
    As many folds as the smallest class has spectra, if that is fewer than wanted.

    Raises
    ------
    ParameterError
        If a class has a single spectrum.
    """
    from sklearn.model_selection import StratifiedKFold

    counts = np.bincount(labels, minlength=len(classes))
    least = int(counts.min())
    name = classes[int(counts.argmin())]
    if least < 2:
        raise ParameterError(
            f"The class {name!r} has only {least} {'spectrum' if least == 1 else 'spectra'}, so a model of "
            "it cannot be tested.",
            "Label more of its spectra, or leave the class out.",
        )
    used = min(n_folds, least)
    note = _fewer(n_folds, used, f"the class {name!r} has only {least} spectra")
    fold = np.zeros(len(labels), np.int64)
    parts = StratifiedKFold(used, shuffle=True, random_state=seed)
    for number, (_, test) in enumerate(parts.split(np.zeros(len(labels)), labels)):
        fold[test] = number
    return Folds(fold, used, note)


def grouped_folds(labels: Ints, groups: Ints, classes: tuple[str, ...], n_folds: int, seed: int) -> Folds:
    """Divide spectra so that a group is never both learned from and tested on; classes as evenly as possible.

    Returns
    -------
    Fewer folds than wanted if there are fewer groups, or a class lies in fewer groups.

    Raises
    ------
    ParameterError
        If a class lies in a single group: without that group it could not be learned.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    holders = [np.unique(groups[labels == number]).size for number in range(len(classes))]
    least = min(holders)
    name = classes[holders.index(least)]
    if least < 2:
        raise ParameterError(
            f"All spectra of the class {name!r} come from one group, so nobody can tell class from group.",
            "Measure every class in at least two dishes, cells or patients.",
        )
    used = min(n_folds, least)
    note = _fewer(n_folds, used, f"the class {name!r} comes from only {least} groups")
    for attempt in range(_ATTEMPTS):
        fold = np.zeros(len(labels), np.int64)
        parts = StratifiedGroupKFold(used, shuffle=True, random_state=seed + attempt)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number, (_, test) in enumerate(parts.split(np.zeros(len(labels)), labels, groups)):
                fold[test] = number
        made = Folds(fold, used, note)
        if all(_teachable(labels, fold != number, len(classes)) for number in range(used)) and (
            np.bincount(fold, minlength=used).min() > 0
        ):
            return made
    raise ParameterError(
        "The groups cannot be divided so that every class is always in the training part.",
        "Use fewer folds, or measure every class in more groups.",
    )


def _teachable(labels: Ints, training: NDArray[np.bool_], n_classes: int) -> bool:
    return bool((np.bincount(labels[training], minlength=n_classes) > 0).all())


def _fewer(wanted: int, used: int, why: str) -> str:
    return "" if used == wanted else f"{used} folds instead of {wanted}, because {why}."
