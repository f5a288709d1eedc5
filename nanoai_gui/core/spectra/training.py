"""From a labelled set of spectra to a model and an honest report of what it is worth."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nanoai_gui
from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress, part
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.parameters import check, parameter, to_mapping
from nanoai_gui.core.spectra.accuracy import fit_temperature
from nanoai_gui.core.spectra.classifier import ClassifierSettings
from nanoai_gui.core.spectra.degenerate import DegenerateRule, Dropped, raw_facts
from nanoai_gui.core.spectra.model import SpectraModel, input_axis
from nanoai_gui.core.spectra.network import Loss, softmax
from nanoai_gui.core.spectra.pca import Floats
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.rejection import (
    Measures,
    RejectionSettings,
    choose_thresholds,
    judge,
    signal_to_noise,
)
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.core.spectra.training_report import Validation, make_report
from nanoai_gui.core.spectra.validation import (
    BASELINES,
    Candidate,
    FoldsResult,
    Problem,
    choose,
    fit_rows,
    make_folds,
    permutation_test,
    run_folds,
)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ValidationSettings:
    """How the model is tested."""

    n_folds: int = parameter(10, "Folds", minimum=2, maximum=1000)
    n_permutations: int = parameter(
        99, "Permutations", minimum=0, maximum=100_000,
        help="Shuffles of the labels for the permutation test; 0: no test.",
    )  # fmt: skip
    n_bootstrap: int = parameter(2000, "Bootstrap draws", minimum=100, maximum=1_000_000, advanced=True)
    baselines: bool = parameter(
        False, "Compare with LDA, SVM and random forest", help="Trained and tested in the same folds."
    )
    seed: int = parameter(1, "Seed of the folds", minimum=0, maximum=2**31 - 1, advanced=True)


@dataclass(frozen=True)
class TrainingSettings:
    """All that is chosen before training.

    Parameters
    ----------
    pipelines
        Lists of preprocessing steps by name. Of several, one is chosen within every training part.
    alternatives
        Further settings of the classifier, by name, to choose from in the same way.
    """

    pipelines: Mapping[str, Pipeline] = field(default_factory=lambda: {"as measured": Pipeline()})
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    rule: DegenerateRule = field(default_factory=DegenerateRule)
    rejection: RejectionSettings = field(default_factory=RejectionSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    alternatives: Mapping[str, ClassifierSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.pipelines:
            raise ValueError("there is no preprocessing, not even an empty one")
        for choice in (self.classifier, *self.alternatives.values()):
            check(choice)
        check(self.rule)
        check(self.rejection)
        check(self.validation)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The spectra that can be learned from.

    Parameters
    ----------
    spectra
        Those with a label, all finite.
    rows
        (n,) their numbers in the set that was given.
    labels, classes
        (n,) class numbers; names in alphabetical order.
    groups, group_names, group_column
        (n,) numbers of dishes, cells or patients, their names, and the column they came from; ``None`` and
        empty if no column was named.
    unusable
        Labelled spectra that hold values that are no numbers.
    n_unlabelled
        How many had no label.
    """

    spectra: SpectralSet
    rows: Ints
    labels: Ints
    classes: tuple[str, ...]
    groups: Ints | None
    group_names: tuple[str, ...]
    group_column: str
    unusable: tuple[Dropped, ...]
    n_unlabelled: int


@dataclass(frozen=True, eq=False)
class TrainedSpectra:
    """A model, and all that was found on the way.

    Parameters
    ----------
    report
        The JSON of ``train spectra --report``.
    grouped, random
        Held-out answers; ``grouped`` is ``None`` without groups, or where groups and classes coincide.
    training_set
        What was learned from.
    scores
        (n, m) scores of all spectra of the training set, for the plot.
    """

    model: SpectraModel
    report: dict[str, Any]
    grouped: FoldsResult | None
    random: FoldsResult
    training_set: TrainingSet
    scores: Floats


def gather(spectra: SpectralSet, label: str = "label", group: str | None = None) -> TrainingSet:
    """Take what can be learned from out of a set.

    Raises
    ------
    NanoAIError
        If a column is not there.
    ParameterError
        If there are no two classes, or labelled spectra lack a group.
    """
    names = np.char.strip(spectra.text(label))
    labelled = names != ""
    if not labelled.any():
        raise ParameterError(
            f"No spectrum has anything in the column {label!r}.",
            "Label spectra first, or name another column.",
        )
    finite = np.isfinite(spectra.intensities).all(axis=1)
    unusable = tuple(
        Dropped(int(i), "values that are not numbers") for i in np.flatnonzero(labelled & ~finite)
    )
    rows = np.flatnonzero(labelled & finite)
    if not rows.size:
        raise ParameterError("No labelled spectrum holds numbers only.")
    found, labels = np.unique(names[rows], return_inverse=True)
    if found.size < 2:
        raise ParameterError(
            f"There is only one class ({found[0]}), so there is nothing to tell apart.",
            "Label spectra of at least two classes.",
        )
    groups, group_names = None, np.zeros(0, "<U1")
    if group is not None:
        of = np.char.strip(spectra.text(group))[rows]
        missing = int((of == "").sum())
        if missing:
            raise ParameterError(
                f"{missing} labelled spectra have nothing in the column {group!r}.",
                "Fill it in, or name another column: without it they may leak between folds.",
            )
        group_names, groups = np.unique(of, return_inverse=True)
    kept = spectra if rows.size == spectra.n_spectra else spectra.select(rows)
    return TrainingSet(
        replace(kept, grid=None),
        rows,
        labels.astype(np.int64),
        tuple(str(name) for name in found),
        None if groups is None else groups.astype(np.int64),
        tuple(str(name) for name in group_names),
        group or "",
        unusable,
        int((~labelled).sum()),
    )


def train_spectra(
    training_set: TrainingSet,
    settings: TrainingSettings | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    loss: Loss | None = None,
) -> TrainedSpectra:
    """Validate in grouped and random folds, train on everything, and set temperature and thresholds.

    Parameters
    ----------
    loss
        ``loss(member, epoch, cross_entropy)`` of every network, those of the folds first; epoch 0 begins
        another one.

    Raises
    ------
    ParameterError
        If a class has too few spectra, or settings do not fit the spectra.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    settings = settings or TrainingSettings()
    started = time.perf_counter()
    problem = make_problem(training_set, settings, part(progress, 0.0, 0.05), cancelled)
    check_v = settings.validation
    compare = BASELINES if check_v.baselines else ()
    notes: list[str] = []
    random_parts = make_folds(problem, check_v.n_folds, check_v.seed, grouped=False)
    grouped_parts = None
    if problem.groups is not None:
        try:
            grouped_parts = make_folds(problem, check_v.n_folds, check_v.seed, grouped=True)
        except ParameterError as error:
            # Not the end: the model can be had, but nobody can tell how it does on new groups.
            notes.append(f"No validation by {training_set.group_column}: {error}")
    else:
        notes.append(
            "No groups were named, so the accuracy may be that of recognising dishes, cells or days."
        )
        if settings.classifier.averages:
            notes.append("Averages of a group could not be learned from either.")
    notes += [folds.note for folds in (random_parts, grouped_parts) if folds is not None and folds.note]
    half = 0.45 if grouped_parts is not None else 0.85
    random_result = run_folds(
        problem, random_parts, grouped=False, compare=compare,
        progress=_named(part(progress, 0.05, 0.05 + half), "Random folds"), cancelled=cancelled,
        loss=loss,
    )  # fmt: skip
    grouped_result = None
    if grouped_parts is not None:
        grouped_result = run_folds(
            problem, grouped_parts, grouped=True, compare=compare,
            progress=_named(part(progress, 0.05 + half, 0.05 + 2 * half), "Grouped folds"),
            cancelled=cancelled, loss=loss,
        )  # fmt: skip
    best = grouped_result or random_result
    permutation = None
    if check_v.n_permutations:
        local = problem if grouped_result is not None else replace(problem, groups=None)
        permutation = permutation_test(
            local, best, check_v.n_permutations, check_v.seed, part(progress, 0.95, 0.97), cancelled
        )
    checkpoint(cancelled)
    everything = np.arange(len(problem.labels))
    final = problem if grouped_result is not None else replace(problem, groups=None)
    candidate = choose(final, everything, part(progress, 0.97, 0.98), cancelled)
    fitted = fit_rows(final, candidate, everything, part(progress, 0.98, 1.0), cancelled, loss)
    temperature = fit_temperature(best.logits, problem.labels)
    classifier = replace(fitted.classifier, temperature=temperature)
    held_out = replace_probability(best.measures, softmax(best.logits / temperature))
    thresholds = choose_thresholds(held_out, settings.rejection)
    validation = Validation(
        problem, training_set, random_result, grouped_result, permutation, tuple(fitted.dropped),
        judge(held_out, thresholds), temperature, check_v.n_bootstrap, check_v.seed,
    )  # fmt: skip
    report = make_report(validation, classifier, candidate.name, notes, time.perf_counter() - started)
    pipeline = candidate.pipeline
    axis = input_axis(training_set.spectra.axis, pipeline)
    model = SpectraModel(
        problem.classes,
        axis,
        pipeline,
        pipeline.axis_after(axis),
        classifier,
        thresholds,
        make_card(training_set, settings, report),
    )
    scores = classifier.components.scores(candidate.features.astype(np.float64))
    progress(1.0, "Trained")
    return TrainedSpectra(model, report, grouped_result, random_result, training_set, scores)


def replace_probability(measures: Measures, probabilities: Floats) -> Measures:
    """Return the measures with the maximum of other probabilities (n, c)."""
    return replace(measures, probability=probabilities.max(axis=1))


def make_problem(
    training_set: TrainingSet,
    settings: TrainingSettings,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Problem:
    """Preprocess the spectra in every way there is to choose from, and look at them as measured."""
    spectra = training_set.spectra
    candidates = []
    for number, (name, pipeline) in enumerate(settings.pipelines.items()):
        share = part(progress, number / len(settings.pipelines), (number + 1) / len(settings.pipelines))
        axis = input_axis(spectra.axis, pipeline)
        cut = spectra if axis is spectra.axis else spectra.crop(float(axis[0]), float(axis[-1]))
        features = pipeline.apply(cut, share, cancelled).intensities
        candidates.append(Candidate(name, features, settings.classifier, pipeline))
        for title, other in settings.alternatives.items():
            candidates.append(Candidate(f"{name}, {title}", features, other, pipeline))
    checkpoint(cancelled)
    facts = raw_facts(spectra.intensities, signal_to_noise(spectra.intensities))
    return Problem(
        tuple(candidates),
        training_set.labels,
        training_set.classes,
        training_set.groups,
        facts,
        settings.classifier,
        settings.rule,
        training_set.groups,
    )


def make_card(
    training_set: TrainingSet, settings: TrainingSettings, report: Mapping[str, Any]
) -> dict[str, Any]:
    """Say what a model was trained on, how, and how well it does."""
    import sklearn

    spectra = training_set.spectra
    counts = np.bincount(training_set.labels, minlength=len(training_set.classes))
    kept = (
        "n_spectra", "n_groups", "n_components", "variance_explained", "preprocessing_chosen", "gap",
        "permutation_p", "calibration", "rejection", "notes",
    )  # fmt: skip
    folds = {
        kind: {key: report[kind][key] for key in ("accuracy", "balanced_accuracy", "ci95")}
        for kind in ("random_folds", "grouped_folds")
        if report[kind] is not None
    }
    return {
        "trained_on": {
            "sources": sorted(set(spectra.text("source").tolist()))[:200],
            "spectra_per_class": dict(zip(training_set.classes, counts.tolist(), strict=True)),
            "group_column": training_set.group_column,
            "laser_nm": spectra.laser_nm,
        },
        "settings": {
            "classifier": to_mapping(settings.classifier),
            "degenerate": to_mapping(settings.rule),
            "rejection": to_mapping(settings.rejection),
            "validation": to_mapping(settings.validation),
        },
        "measured": {**{key: report[key] for key in kept}, **folds},
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": {
            "nanoai": nanoai_gui.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }


def _named(progress: Progress, name: str) -> Progress:
    return lambda fraction, message: progress(fraction, f"{name}. {message}")


def pipelines_by_name(names: Sequence[str]) -> dict[str, Pipeline]:
    """Give presets by their names, in order.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    from nanoai_gui.core.spectra.preprocessing import get_preset

    return {name: get_preset(name).pipeline for name in names}


def default_preset(axis: Floats) -> str:
    """Name the preset that suits a range when nobody chose one."""
    return "swcnt-cells" if axis[0] <= 200 and axis[-1] >= 2600 else "biofluid"
