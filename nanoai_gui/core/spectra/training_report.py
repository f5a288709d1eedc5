"""What the training of a model of spectra says of itself, as plain JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nanoai_gui
from nanoai_gui.core.spectra.accuracy import (
    Reliability,
    balanced_accuracy,
    bootstrap_interval,
    confusion_matrix,
    cross_fitted_probabilities,
    group_results,
    reliability,
)
from nanoai_gui.core.spectra.classifier import Classifier
from nanoai_gui.core.spectra.degenerate import Dropped
from nanoai_gui.core.spectra.network import softmax
from nanoai_gui.core.spectra.pca import Floats
from nanoai_gui.core.spectra.rejection import REASONS
from nanoai_gui.core.spectra.validation import FoldsResult, Problem, explain_gap

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Validation:
    """All results of a training.

    Parameters
    ----------
    permutation
        p, balanced accuracy of the true labels, and of the shuffled ones; ``None`` if not asked for.
    dropped
        What the final model did not learn from; row numbers in the training set.
    held_out_reasons
        (n,) why each spectrum would be rejected when held out, 0 if it would not.
    """

    problem: Problem
    training_set: Any
    random: FoldsResult
    grouped: FoldsResult | None
    permutation: tuple[float, float, Floats] | None
    dropped: tuple[Dropped, ...]
    held_out_reasons: NDArray[np.uint8]
    temperature: float
    n_bootstrap: int
    seed: int


def make_report(
    v: Validation, classifier: Classifier, chosen: str, notes: Iterable[str], seconds: float
) -> dict[str, Any]:
    """Put all into the form that ``train spectra --report`` writes."""
    training = v.training_set
    random = folds_report(v, v.random, None)
    grouped = None if v.grouped is None else folds_report(v, v.grouped, v.problem.groups)
    best = v.grouped or v.random
    gap = None
    if grouped is not None:
        gap = {
            "points": 100 * (random["balanced_accuracy"] - grouped["balanced_accuracy"]),
            "explanation": explain_gap(
                random["balanced_accuracy"],
                grouped["balanced_accuracy"],
                training.group_column,
                grouped["ci95"]["balanced_accuracy"],
            ),
        }
    counts = np.bincount(v.problem.labels, minlength=v.problem.n_classes).tolist()
    components = classifier.components
    return {
        "version": nanoai_gui.__version__,
        "n_spectra": len(v.problem.labels),
        "n_unlabelled": training.n_unlabelled,
        "n_groups": len(training.group_names) or None,
        "group_column": training.group_column,
        "classes": list(v.problem.classes),
        "spectra_per_class": dict(zip(v.problem.classes, counts, strict=True)),
        "preprocessing_chosen": chosen,
        "n_components": components.n_components,
        "variance_explained": components.variance_explained,
        "random_folds": random,
        "grouped_folds": grouped,
        "gap": gap,
        "permutation_p": None if v.permutation is None else v.permutation[0],
        "permutation_test": None
        if v.permutation is None
        else _permutation(v.permutation, grouped is not None),
        "calibration": _calibration(v, best),
        "rejection": _rejection(v, best),
        "dropped": _dropped(v),
        "notes": list(notes),
        "seconds": round(seconds, 2),
    }


def folds_report(v: Validation, result: FoldsResult, groups: Ints | None) -> dict[str, Any]:
    """Report one cross-validation; ``groups`` are those intervals are drawn over."""
    p = v.problem
    c = p.n_classes
    confusion = confusion_matrix(p.labels, result.found, c)
    per_fold = []
    for number in range(result.folds.n_folds):
        rows = result.folds.split(number)[1]
        own = confusion_matrix(p.labels[rows], result.found[rows], c)
        per_fold.append(
            {
                "n": int(rows.size),
                "accuracy": float(np.trace(own) / rows.size),
                "balanced_accuracy": balanced_accuracy(own),
                "n_components": int(result.n_components[number]),
                "variance_explained": float(result.variance_explained[number]),
                "n_dropped": len(result.dropped[number]),
                "preprocessing": result.chosen[number],
            }
        )
    with_all = confusion_matrix(p.labels, result.logits_with_all.argmax(axis=1), c)
    report: dict[str, Any] = {
        "n_folds": result.folds.n_folds,
        "accuracy": float(np.trace(confusion) / confusion.sum()),
        "balanced_accuracy": balanced_accuracy(confusion),
        # Over groups also for random folds, where these are known: their spectra are not independent.
        "ci95": _intervals(p.labels, result.found, c, p.groups, v),
        "ci95_over": "spectra" if p.groups is None else "groups",
        "per_fold": per_fold,
        "confusion": confusion.tolist(),
        "without_dropping": {
            "accuracy": float(np.trace(with_all) / with_all.sum()),
            "balanced_accuracy": balanced_accuracy(with_all),
        },
        "baselines": {
            name: {
                "accuracy": float((found == p.labels).mean()),
                "balanced_accuracy": balanced_accuracy(confusion_matrix(p.labels, found, c)),
            }
            for name, found in result.baselines.items()
        },
    }
    if groups is not None:
        pooled = group_results(
            cross_fitted_probabilities(result.logits, p.labels, result.folds.fold), p.labels, groups
        )
        names = v.training_set.group_names
        report["per_group_accuracy"] = pooled.accuracy
        report["per_group_balanced_accuracy"] = balanced_accuracy(
            confusion_matrix(pooled.labels, pooled.found, c)
        )
        report["per_group_ci95"] = _intervals(pooled.labels, pooled.found, c, pooled.groups, v)
        report["per_group_confusion"] = confusion_matrix(pooled.labels, pooled.found, c).tolist()
        report["groups"] = [
            {
                "group": names[pooled.groups[i]],
                "label": p.classes[pooled.labels[i]],
                "predicted": p.classes[pooled.found[i]],
                "n": int(pooled.n_spectra[i]),
                "probabilities": dict(zip(p.classes, pooled.probabilities[i].tolist(), strict=True)),
            }
            for i in range(pooled.groups.size)
        ]
    return report


def _intervals(
    labels: Ints, found: Ints, c: int, groups: Ints | None, v: Validation
) -> dict[str, list[float] | None]:
    ends = bootstrap_interval(labels, found, c, groups, v.n_bootstrap, v.seed)
    # NaN, where no draw held every class, is no JSON.
    return {name: list(pair) if np.isfinite(pair).all() else None for name, pair in ends.items()}


def _permutation(found: tuple[float, float, Floats], grouped: bool) -> dict[str, Any]:
    p, true, shuffled = found
    return {
        "p": p,
        "statistic": "balanced accuracy of linear discriminant analysis on the same components and folds",
        "shuffled_between": "groups" if grouped else "spectra",
        "true": true,
        "shuffled_mean": float(shuffled.mean()),
        "shuffled_max": float(shuffled.max()),
        "n": int(shuffled.size),
    }


def _calibration(v: Validation, best: FoldsResult) -> dict[str, Any]:
    labels = v.problem.labels
    before = reliability(softmax(best.logits), labels)
    after = reliability(cross_fitted_probabilities(best.logits, labels, best.folds.fold), labels)
    return {
        "temperature": v.temperature,
        "ece": after.ece,
        "brier": after.brier,
        "ece_before": before.ece,
        "brier_before": before.brier,
        "reliability": _curve(after),
        "reliability_before": _curve(before),
        "folds": "random" if v.grouped is None else "grouped",
    }


def _curve(found: Reliability) -> list[dict[str, float]]:
    columns = (found.confidence.tolist(), found.accuracy.tolist(), found.count.tolist())
    return [{"confidence": a, "accuracy": b, "n": n} for a, b, n in zip(*columns, strict=True)]


def _rejection(v: Validation, best: FoldsResult) -> dict[str, Any]:
    accepted = v.held_out_reasons == 0
    right = best.found == v.problem.labels
    return {
        "held_out_rejected": float((~accepted).mean()),
        "by_reason": {
            name: int((v.held_out_reasons == number).sum()) for number, name in enumerate(REASONS) if number
        },
        "accuracy_of_accepted": float(right[accepted].mean()) if accepted.any() else None,
        "accuracy_of_rejected": float(right[~accepted].mean()) if (~accepted).any() else None,
    }


def _dropped(v: Validation) -> list[dict[str, Any]]:
    training = v.training_set
    source, index = training.spectra.text("source"), training.spectra.columns["index"]
    items = [{"row": item.row, "reason": item.reason} for item in training.unusable]
    for item in v.dropped:
        items.append(
            {
                "row": int(training.rows[item.row]),
                "source": str(source[item.row]),
                "index": int(index[item.row]),
                "label": v.problem.classes[v.problem.labels[item.row]],
                "reason": item.reason,
            }
        )
    return items
