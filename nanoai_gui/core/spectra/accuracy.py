"""How good predictions are, with intervals that respect groups, and how honest their probabilities are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.spectra.network import softmax
from nanoai_gui.core.spectra.pca import Floats

Ints = NDArray[np.int64]
N_BINS = 10


def confusion_matrix(labels: Ints, found: Ints, n_classes: int) -> Ints:
    """(c, c) counts: true class (rows) against found class."""
    return np.bincount(labels * n_classes + found, minlength=n_classes**2).reshape(n_classes, n_classes)


def balanced_accuracy(confusion: NDArray[np.number]) -> float:
    """Mean over the classes that occur of the share of their spectra that is found, from (c, c) counts."""
    totals = confusion.sum(axis=1)
    present = totals > 0
    if not present.any():
        return float("nan")
    return float((np.diagonal(confusion)[present] / totals[present]).mean())


def bootstrap_interval(
    labels: Ints,
    found: Ints,
    n_classes: int,
    groups: Ints | None,
    n_draws: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of accuracy and balanced accuracy.

    Whole groups are drawn with replacement (spectra, if there are none), as spectra of one patient are not
    independent; B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapter 8. Draws in
    which a class is missing do not count.

    Returns
    -------
    ``accuracy`` and ``balanced_accuracy``: lower and upper end.
    """
    unit = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    cell = labels * n_classes + found
    table = np.zeros((n_units, n_classes**2))
    np.add.at(table, (unit, cell), 1)
    random = np.random.default_rng(seed)
    tail = 100 * (1 - confidence) / 2
    plain, balanced = [], []
    for start in range(0, n_draws, 200):
        drawn = random.multinomial(n_units, np.full(n_units, 1 / n_units), size=min(200, n_draws - start))
        counts = (drawn @ table).reshape(-1, n_classes, n_classes)
        hits = np.diagonal(counts, axis1=1, axis2=2)
        totals = counts.sum(axis=2)
        whole = (totals > 0).all(axis=1)
        plain.append((hits.sum(axis=1) / totals.sum(axis=1))[whole])
        balanced.append((hits[whole] / totals[whole]).mean(axis=1))

    def ends(values: list[Floats]) -> tuple[float, float]:
        pooled = np.concatenate(values)
        if not pooled.size:
            return float("nan"), float("nan")
        low, high = np.percentile(pooled, [tail, 100 - tail])
        return float(low), float(high)

    return {"accuracy": ends(plain), "balanced_accuracy": ends(balanced)}


@dataclass(frozen=True, eq=False, slots=True)
class GroupResults:
    """One answer a group: the class of the highest mean probability.

    Parameters
    ----------
    groups
        (g,) numbers of the groups. A group of spectra of two classes counts once for each.
    labels, found
        (g,) true and found class.
    probabilities
        (g, c) mean probabilities.
    n_spectra
        (g,) spectra of each.
    """

    groups: Ints
    labels: Ints
    found: Ints
    probabilities: Floats
    n_spectra: Ints

    @property
    def accuracy(self) -> float:
        """Share of groups whose class is found."""
        return float((self.labels == self.found).mean())


def group_results(probabilities: Floats, labels: Ints, groups: Ints) -> GroupResults:
    """Average the probabilities (n, c) of the spectra of every group."""
    n_classes = probabilities.shape[1]
    keys, place, counts = np.unique(groups * n_classes + labels, return_inverse=True, return_counts=True)
    sums = np.zeros((keys.size, n_classes))
    np.add.at(sums, place, probabilities)
    means = sums / counts[:, None]
    return GroupResults(keys // n_classes, keys % n_classes, means.argmax(axis=1), means, counts)


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Find the temperature of the least cross-entropy on held-out spectra (C. Guo et al., ICML 2017)."""
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        shifted = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def cross_fitted_probabilities(logits: Floats, labels: Ints, fold: Ints) -> Floats:
    """Scale every fold with the temperature of the other folds, so that calibration is judged honestly."""
    out = np.empty_like(logits)
    for number in np.unique(fold):
        test = fold == number
        out[test] = softmax(logits[test] / fit_temperature(logits[~test], labels[~test]))
    return out


@dataclass(frozen=True, eq=False, slots=True)
class Reliability:
    """Whether a probability of 80 % is right in 80 % of the cases.

    Parameters
    ----------
    confidence, accuracy, count
        (b,) mean of the highest probability, share that is right, and number, in bins of equal counts.
    ece
        Expected calibration error: mean distance of the two, weighted by the counts.
    brier
        Mean of the summed squared differences between probabilities and truth (0 to 2).
    """

    confidence: Floats
    accuracy: Floats
    count: Ints
    ece: float
    brier: float


def reliability(probabilities: Floats, labels: Ints, n_bins: int = N_BINS) -> Reliability:
    """Compare (n, c) probabilities of held-out spectra with the truth.

    Bins of equal counts, as bins of equal width are nearly empty where a network is seldom unsure.
    """
    top = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    parts = [p for p in np.array_split(np.argsort(top, kind="stable"), n_bins) if p.size]
    confidence = np.array([top[p].mean() for p in parts])
    accuracy = np.array([right[p].mean() for p in parts])
    count = np.array([p.size for p in parts], np.int64)
    ece = float((np.abs(confidence - accuracy) * count).sum() / max(count.sum(), 1))
    truth = np.eye(probabilities.shape[1])[labels]
    brier = float(((probabilities - truth) ** 2).sum(axis=1).mean())
    return Reliability(confidence, accuracy, count, ece, brier)
