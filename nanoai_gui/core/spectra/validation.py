"""Cross-validation in which everything that is learned is learned anew in the training part of every fold.

Preprocessing steps learn nothing, so spectra pass them once, before. Which list of steps is used may be
chosen too: within the training part of each fold, by an inner cross-validation that keeps groups together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress, part
from nanoai_gui.core.spectra.accuracy import (
    balanced_accuracy,
    confusion_matrix,
    cross_fitted_probabilities,
    group_results,
)
from nanoai_gui.core.spectra.classifier import (
    Classifier,
    ClassifierSettings,
    check_labels,
    fit_settings_components,
    network_inputs,
    train_classifier,
)
from nanoai_gui.core.spectra.degenerate import DegenerateRule, Dropped, RawFacts, find_degenerate
from nanoai_gui.core.spectra.folds import Folds, grouped_folds, random_folds
from nanoai_gui.core.spectra.network import Loss, softmax, train_discriminant
from nanoai_gui.core.spectra.pca import Floats
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.rejection import Measures, distances

Ints = NDArray[np.int64]
BASELINES = ("LDA", "SVM", "random forest")
"""Classifiers compared with the network, on the same components of the same folds."""
INNER_FOLDS = 3


@dataclass(frozen=True, eq=False)
class Candidate:
    """All spectra after one list of preprocessing steps.

    Parameters
    ----------
    name
        Shown where the choice is reported.
    features
        (n, k') float32.
    settings
        Of the classifier, if they differ from those of the problem.
    pipeline
        The steps that led to the features.
    """

    name: str
    features: NDArray[np.float32]
    settings: ClassifierSettings | None = None
    pipeline: Pipeline = field(default_factory=Pipeline)


@dataclass(frozen=True, eq=False)
class Problem:
    """Labelled spectra and how they are to be learned from.

    Parameters
    ----------
    candidates
        At least one; several are chosen from within every fold.
    labels, classes
        (n,) class numbers, and the names of the c classes.
    groups
        (n,) numbers of dishes, cells or patients; ``None`` if unknown.
    facts
        Of the spectra as measured.
    settings, rule
        Of the classifier, and of what is left out of training.
    families
        (n,) what averages are taken within (see :attr:`ClassifierSettings.averages`): the groups, also where
        folds do not keep them together.
    """

    candidates: tuple[Candidate, ...]
    labels: Ints
    classes: tuple[str, ...]
    groups: Ints | None
    facts: RawFacts
    settings: ClassifierSettings = field(default_factory=ClassifierSettings)
    rule: DegenerateRule = field(default_factory=DegenerateRule)
    families: Ints | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)


@dataclass(frozen=True, eq=False)
class FoldScores:
    """What a fold's components make of its spectra, kept for the permutation test.

    Parameters
    ----------
    training, test
        Rows; those left out as degenerate are among ``training``, as the labels had a say in that.
    kept
        Which of ``training`` the network learned from.
    training_inputs, test_inputs
        Their scores, scaled as for the networks.
    """

    training: Ints
    test: Ints
    kept: NDArray[np.bool_]
    training_inputs: NDArray[np.float32]
    test_inputs: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FoldsResult:
    """Answers for every spectrum by models that were trained without it.

    Parameters
    ----------
    folds
        The division.
    logits
        (n, c) before the temperature.
    logits_with_all
        The same by models whose training left nothing out; the same array if the rule found nothing.
    baselines
        For each of :data:`BASELINES` that was asked for the class found, (n,).
    measures
        T2, Q, signal-to-noise and maximum probability of the spectra when held out.
    n_components, variance_explained
        (f,) of each fold.
    dropped
        What each fold left out of training.
    chosen
        Name of the preprocessing that each fold chose.
    scores
        Of each fold.
    """

    folds: Folds
    logits: Floats
    logits_with_all: Floats
    baselines: dict[str, Ints]
    measures: Measures
    n_components: Ints
    variance_explained: Floats
    dropped: tuple[tuple[Dropped, ...], ...]
    chosen: tuple[str, ...]
    scores: tuple[FoldScores, ...]

    @property
    def found(self) -> Ints:
        """(n,) most probable class."""
        return np.asarray(self.logits.argmax(axis=1), np.int64)


def make_folds(problem: Problem, n_folds: int, seed: int, grouped: bool) -> Folds:
    """Divide the spectra of a problem.

    Raises
    ------
    ParameterError
        If a class has too few spectra or groups, see :mod:`nanoai_gui.core.spectra.folds`.
    """
    check_labels(problem.labels, problem.classes)
    if grouped and problem.groups is not None:
        return grouped_folds(problem.labels, problem.groups, problem.classes, n_folds, seed)
    return random_folds(problem.labels, problem.classes, n_folds, seed)


def run_folds(
    problem: Problem,
    folds: Folds,
    *,
    grouped: bool,
    compare: Sequence[str] = (),
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    loss: Loss | None = None,
) -> FoldsResult:
    """Train and test in every fold.

    Parameters
    ----------
    grouped
        Whether the folds keep groups together: then neighbours of degenerate spectra and inner folds
        respect them too.
    compare
        Which of :data:`BASELINES` to run in the same folds.

    Raises
    ------
    ParameterError
        If a class loses all its spectra to the rule in some fold, or the training diverges.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    n, c = len(problem.labels), problem.n_classes
    local = problem if grouped else replace(problem, groups=None)
    logits, logits_all = np.zeros((n, c)), np.zeros((n, c))
    t2, q = np.zeros(n), np.zeros(n)
    baselines = {name: np.zeros(n, np.int64) for name in compare}
    numbers, shares, dropped, chosen, kept_scores = [], [], [], [], []
    for fold in range(folds.n_folds):
        checkpoint(cancelled)
        speak = _in_fold(progress, fold, folds.n_folds)
        training, test = folds.split(fold)
        candidate = choose(local, training, part(speak, 0.0, 0.5), cancelled)
        speak = part(speak, 0.5 if len(problem.candidates) > 1 else 0.0, 1.0)
        features = candidate.features
        fitted = fit_rows(local, candidate, training, part(speak, 0.0, 0.6), cancelled, loss)
        standard = fitted.classifier.components.standardised(features[test].astype(np.float64))
        test_scores, t2[test], q[test] = distances(fitted.classifier.components, standard)
        logits[test] = fitted.classifier.logits(test_scores)
        logits_all[test] = logits[test]
        if fitted.dropped:
            whole = replace(local, rule=replace(problem.rule, use=False))
            other = fit_rows(whole, candidate, training, part(speak, 0.6, 0.9), cancelled)
            logits_all[test] = other.classifier.logits(
                other.classifier.components.scores(features[test].astype(np.float64))
            )
        components = fitted.classifier.components
        scale = fitted.classifier.input_scale
        kept = np.isin(training, fitted.rows)
        every = fitted.scores if kept.all() else components.scores(features[training].astype(np.float64))
        scores = FoldScores(
            training,
            test,
            kept,
            network_inputs(components, scale, every).astype(np.float32),
            network_inputs(components, scale, test_scores).astype(np.float32),
        )
        for name in compare:
            checkpoint(cancelled)
            speak(0.95, f"comparing with {name}")
            baselines[name][test] = _baseline(name, scores, problem.labels, c, problem.settings.seed)
        numbers.append(components.n_components)
        shares.append(components.variance_explained)
        dropped.append(tuple(fitted.dropped))
        chosen.append(candidate.name)
        kept_scores.append(scores)
        progress((fold + 1) / folds.n_folds, f"Fold {fold + 1} of {folds.n_folds} done")
    probability = softmax(logits).max(axis=1)
    return FoldsResult(
        folds,
        logits,
        logits_all,
        baselines,
        Measures(t2, q, problem.facts.signal, probability),
        np.array(numbers, np.int64),
        np.array(shares),
        tuple(dropped),
        tuple(chosen),
        tuple(kept_scores),
    )


def _in_fold(progress: Progress, fold: int, n_folds: int) -> Progress:
    inner = part(progress, fold / n_folds, (fold + 1) / n_folds)
    return lambda fraction, message: inner(fraction, f"Fold {fold + 1} of {n_folds}: {message}")


@dataclass(frozen=True, eq=False)
class Fitted:
    """A classifier, the rows it was trained on, their scores, and what was left out."""

    classifier: Classifier
    rows: Ints
    scores: Floats
    dropped: list[Dropped]


def fit_rows(
    problem: Problem,
    candidate: Candidate,
    rows: Ints,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    loss: Loss | None = None,
) -> Fitted:
    """Leave out degenerate spectra of some rows, and train on the others.

    The distances of the rule are taken among components of all of ``rows``; those of the model are found
    again from what is left, so that a spike or a dead detector does not shape them.

    Raises
    ------
    ParameterError
        If a class loses all its spectra.
    """
    settings = candidate.settings or problem.settings
    spectra = candidate.features[rows].astype(np.float64)
    components = fit_settings_components(spectra, settings)
    scores: Floats = components.scores(spectra)
    groups = None if problem.groups is None else problem.groups[rows]
    dropped = find_degenerate(problem.facts, rows, scores, problem.labels[rows], groups, problem.rule)
    if dropped:
        checkpoint(cancelled)
        keep = ~np.isin(rows, [item.row for item in dropped])
        rows, spectra = rows[keep], spectra[keep]
        check_labels(problem.labels[rows], problem.classes)
        components = fit_settings_components(spectra, settings)
        scores = components.scores(spectra)
    classifier = train_classifier(
        components,
        scores,
        problem.labels[rows],
        problem.n_classes,
        settings,
        progress,
        cancelled,
        loss,
        None if problem.families is None else problem.families[rows],
    )
    return Fitted(classifier, rows, scores, dropped)


def choose(
    problem: Problem,
    rows: Ints,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Candidate:
    """Choose the preprocessing by cross-validation within some rows only.

    One network a fold, :data:`INNER_FOLDS` folds that keep groups together where groups are known. The
    candidate of the least mean cross-entropy wins, after the temperature, classes counting alike: it
    feels how right the probabilities are, not only which is the highest, and so is less at the mercy of
    chance than the accuracy.
    """
    if len(problem.candidates) == 1:
        return problem.candidates[0]
    labels = problem.labels[rows]
    groups = None if problem.groups is None else problem.groups[rows]
    seed = problem.settings.seed
    if groups is None:
        folds = random_folds(labels, problem.classes, INNER_FOLDS, seed)
    else:
        folds = grouped_folds(labels, groups, problem.classes, INNER_FOLDS, seed)
    weight = (1.0 / np.bincount(labels, minlength=problem.n_classes))[labels]
    best, least = problem.candidates[0], np.inf
    for number, candidate in enumerate(problem.candidates):
        logits = np.zeros((len(rows), problem.n_classes))
        settings = replace(candidate.settings or problem.settings, members=1)
        alone = replace(candidate, settings=settings)
        for fold in range(folds.n_folds):
            checkpoint(cancelled)
            done = (number + fold / folds.n_folds) / len(problem.candidates)
            progress(done, f"choosing the preprocessing ({candidate.name})")
            training, test = folds.split(fold)
            fitted = fit_rows(problem, alone, rows[training], cancelled=cancelled)
            spectra = candidate.features[rows[test]].astype(np.float64)
            logits[test] = fitted.classifier.logits(fitted.classifier.components.scores(spectra))
        probabilities = cross_fitted_probabilities(logits, labels, folds.fold)
        right = np.maximum(probabilities[np.arange(len(rows)), labels], 1e-12)
        loss = float((-np.log(right) * weight).sum() / weight.sum())
        if loss < least:
            best, least = candidate, loss
    return best


def _baseline(name: str, scores: FoldScores, labels: Ints, n_classes: int, seed: int) -> Ints:
    """Class found for the test part by a comparison, with common settings that nobody tuned."""
    inputs = scores.training_inputs[scores.kept].astype(np.float64)
    known = labels[scores.training[scores.kept]]
    test = scores.test_inputs.astype(np.float64)
    if name == "LDA":
        return np.asarray(train_discriminant(inputs, known, n_classes)(test).argmax(axis=1), np.int64)
    if name == "SVM":
        from sklearn.svm import SVC

        machine = SVC(C=10.0, gamma="scale", class_weight="balanced").fit(inputs, known)
        return np.asarray(machine.predict(test), np.int64)
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(200, class_weight="balanced", random_state=seed).fit(inputs, known)
    return np.asarray(forest.predict(test), np.int64)


def permutation_test(
    problem: Problem,
    result: FoldsResult,
    n_permutations: int = 99,
    seed: int = 0,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> tuple[float, float, Floats]:
    """Ask how often labels that mean nothing are told apart as well.

    Labels are shuffled between groups (between spectra, without groups; within groups where these hold
    several classes), and linear discriminant analysis is trained and tested anew in the same folds on the
    same components, which know no labels. It stands in for the network, as hundreds of those would take
    hours; M. Ojala, G. C. Garriga, J. Mach. Learn. Res. 11 (2010) 1833, test 1.

    Returns
    -------
    p = (1 + number of shuffles at least as good) / (1 + shuffles), the balanced accuracy of the true labels
    with this analysis, and those of the shuffles.
    """
    random = np.random.default_rng(seed)

    def accuracy(labels: Ints) -> float:
        found = np.zeros(len(labels), np.int64)
        for scores in result.scores:
            known = labels[scores.training]
            present, compact = np.unique(known, return_inverse=True)
            if present.size < 2:
                found[scores.test] = present[0]
                continue
            net = train_discriminant(scores.training_inputs.astype(np.float64), compact, present.size)
            found[scores.test] = present[net(scores.test_inputs.astype(np.float64)).argmax(axis=1)]
        return balanced_accuracy(confusion_matrix(labels, found, problem.n_classes))

    true = accuracy(problem.labels)
    shuffled = np.zeros(n_permutations)
    for i in range(n_permutations):
        checkpoint(cancelled)
        progress(i / n_permutations, f"Permutation {i + 1} of {n_permutations}")
        shuffled[i] = accuracy(shuffle_labels(problem.labels, problem.groups, random))
    p = (1 + int((shuffled >= true - 1e-12).sum())) / (1 + n_permutations)
    return p, true, shuffled


def shuffle_labels(labels: Ints, groups: Ints | None, random: np.random.Generator) -> Ints:
    """Shuffle labels between groups; within them if a group holds several classes."""
    if groups is None:
        return np.asarray(random.permutation(labels))
    names, first, place = np.unique(groups, return_index=True, return_inverse=True)
    if (labels[first][place] == labels).all():
        return np.asarray(random.permutation(labels[first])[place])
    out = labels.copy()
    for number in range(names.size):
        rows = np.flatnonzero(place == number)
        out[rows] = random.permutation(labels[rows])
    return out


def explain_gap(
    random_score: float, grouped_score: float, group: str, grouped_ci95: Sequence[float] | None
) -> str:
    """Say in a sentence what the difference between random and grouped folds means.

    Parameters
    ----------
    random_score, grouped_score
        Balanced accuracies in [0, 1].
    group
        What was left out as a whole, such as ``dish``.
    grouped_ci95
        95 % interval over groups of the grouped score: a difference within it proves nothing. ``None``
        where there are too few groups for one, which proves nothing either.
    """
    gap = 100 * (random_score - grouped_score)
    seen = (
        f"{100 * random_score:.1f} % of the spectra are right if others of the same {group} were learned from"
    )
    new = f"{100 * grouped_score:.1f} % for a {group} never seen before"
    if gap >= 2 and (grouped_ci95 is None or random_score <= grouped_ci95[1]):
        return (
            f"{seen}, and {new}: the difference of {gap:.1f} points lies within the uncertainty over so few"
            f" groups, but only the second number tells what to expect of a new {group} (balanced accuracy)."
        )
    if gap >= 2:
        return (
            f"{seen}, but {new}: {gap:.1f} points may come from recognising the {group}, not the class, and"
            " only the lower number tells what to expect of new samples (balanced accuracy)."
        )
    return (
        f"{seen}, and {new}: no sign that the {group} is recognised instead of the class (balanced accuracy)."
    )


__all__ = [
    "BASELINES",
    "Candidate",
    "FoldsResult",
    "Problem",
    "choose",
    "explain_gap",
    "fit_rows",
    "group_results",
    "make_folds",
    "permutation_test",
    "run_folds",
]
