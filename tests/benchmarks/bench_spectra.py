"""What the classifier of spectra is worth on real people, how fast it is, and what it rejects.

    python -m tests.benchmarks.bench_spectra [saliva] [saliva-grouped] [serum] [speed] [rejection] [--seed N]

saliva (Carlomagno 2021, 101 people) and serum (Yin 2021, triplets of 103 sera; the groups are inferred) are
not part of the project. Candidates for preprocessing and training are those of CANDIDATES and AVERAGES; one
is chosen in the training part of every fold, by an inner cross-validation that keeps people together, so
that no tested spectrum has a say. Random folds are run the same way.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nanoai_gui.core.spectra.accuracy import (
    balanced_accuracy,
    bootstrap_interval,
    confusion_matrix,
    group_results,
)
from nanoai_gui.core.spectra.classifier import ClassifierSettings, fit_classifier
from nanoai_gui.core.spectra.model import SpectraModel, load_spectra_model, save_spectra_model
from nanoai_gui.core.spectra.network import softmax
from nanoai_gui.core.spectra.preprocessing import Pipeline, get_preset
from nanoai_gui.core.spectra.rejection import Thresholds
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.core.spectra.synthesis.experiment import make_labelled
from nanoai_gui.core.spectra.synthesis.spec import RamanSpec
from nanoai_gui.core.spectra.training import (
    TrainedSpectra,
    TrainingSettings,
    ValidationSettings,
    gather,
    make_problem,
    train_spectra,
)
from nanoai_gui.core.spectra.validation import BASELINES, FoldsResult, make_folds, run_folds
from tests.shared_data import shared_data

SMOOTH = ("smooth", {"window": 11, "order": 3})
VECTOR = ("normalise", {"method": "vector"})
PUBLISHED = Pipeline.of(SMOOTH, ("baseline", {"method": "modpoly", "order": 5}), VECTOR)
"""What Carlomagno et al. did: Savitzky-Golay (11, 3), polynomial of degree 5, vector norm."""
DERIVATIVE = Pipeline.of(("derivative", {"derivative": 1, "window": 25, "order": 2}), VECTOR)
CANDIDATES = {"polynomial": PUBLISHED, "derivative": DERIVATIVE}
AVERAGES = {"averages": ClassifierSettings(averages=2.0, members=6)}
"""Beside the paper's network alone: with averages of a person's spectra among what is learned from."""
EXPLORED = 2026, 0.6
"""Seed and share of the people that were looked at while the candidates were drawn up (cross-validation among
them only); the others are told apart in the figures for saliva."""


def tell(fraction: float, message: str) -> None:
    """Show progress to a person."""
    if sys.stderr.isatty():
        print(f"\r{100 * fraction:3.0f} % {message:<70.70}", end="", file=sys.stderr)


def saliva() -> SpectralSet:
    """2501 spectra of 101 people; axes that differ by less than a tenth of a channel brought to one."""
    data = np.load(shared_data("raman/saliva_covid/covid_dataset.npz"), allow_pickle=False)
    axes = data["raman_shift"].astype(np.float64)
    axis = np.linspace(axes[:, 0].max(), axes[:, -1].min(), axes.shape[1])
    values = np.stack([np.interp(axis, a, s) for a, s in zip(axes, data["spectra"], strict=True)])
    return SpectralSet(values.astype(np.float32), axis, {"label": data["label"], "patient": data["patient"]})


def serum() -> SpectralSet:
    """309 spectra, three of each serum."""
    folder = shared_data("raman/serum_covid")
    data = np.load(folder / "yin2class.npz", allow_pickle=False)
    label = np.where(data["label"] == 1, "COVID-19", "healthy")
    n_points = data["spectra"].shape[1]
    return SpectralSet(
        data["spectra"].astype(np.float32),
        np.linspace(400.0, 2112.0, n_points),
        {"label": label, "patient": data["serum_inferred"].astype(str)},
    )


def settings_of(pipelines: dict[str, Pipeline], seed: int, baselines: bool) -> TrainingSettings:
    """Everything there is to choose from."""
    return TrainingSettings(
        pipelines,
        ClassifierSettings(seed=seed),
        validation=ValidationSettings(seed=seed, baselines=baselines),
        alternatives={n: dataclasses.replace(v, seed=seed) for n, v in AVERAGES.items()},
    )


def train(spectra: SpectralSet, pipelines: dict[str, Pipeline], seed: int, baselines: bool) -> TrainedSpectra:
    """Train with nested choice; the whole report is printed."""
    started, busy = time.perf_counter(), time.process_time()
    settings = settings_of(pipelines, seed, baselines)
    trained = train_spectra(gather(spectra, "label", "patient"), settings, tell)
    report = trained.report
    for name in ("random_folds", "grouped_folds"):
        r = report[name]
        ends = r["ci95"]["balanced_accuracy"]
        print(
            f"  {name:14s} balanced accuracy {r['balanced_accuracy']:.3f} [{ends[0]:.3f}, {ends[1]:.3f}], "
            f"nothing left out {r['without_dropping']['balanced_accuracy']:.3f}; "
            + ", ".join(f"{k} {v['balanced_accuracy']:.3f}" for k, v in r["baselines"].items())
        )
        if "per_group_accuracy" in r:
            ends = r["per_group_ci95"]["accuracy"]
            print(
                f"  {'':14s} per person accuracy {r['per_group_accuracy']:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
            )
        print("  chosen:", ", ".join(fold["preprocessing"] for fold in r["per_fold"]))
    c = report["calibration"]
    print(
        f"  ECE {c['ece_before']:.3f} -> {c['ece']:.3f}, Brier {c['brier_before']:.3f} -> {c['brier']:.3f}, "
        f"temperature {c['temperature']:.2f}, permutation p {report['permutation_p']:.3f}, "
        f"dropped {len(report['dropped'])}"
    )
    print(
        f"  {time.perf_counter() - started:.0f} s, {time.process_time() - busy:.0f} s of one core", flush=True
    )
    return trained


def bench_saliva(seed: int, baselines: bool) -> None:
    """Print accuracy on people never seen."""
    print(f"saliva, seed {seed}")
    spectra = saliva()
    tell_apart(spectra, train(spectra, CANDIDATES, seed, baselines).grouped)


def bench_saliva_grouped(seed: int, baselines: bool) -> None:
    """Print the same without random folds and model: a third of the time."""
    print(f"saliva, grouped folds only, seed {seed}")
    spectra, busy = saliva(), time.process_time()
    settings = settings_of(CANDIDATES, seed, baselines)
    problem = make_problem(gather(spectra, "label", "patient"), settings, tell)
    folds = make_folds(problem, settings.validation.n_folds, seed, grouped=True)
    result = run_folds(problem, folds, grouped=True, compare=BASELINES if baselines else (), progress=tell)
    assert problem.groups is not None
    ends = bootstrap_interval(problem.labels, result.found, problem.n_classes, problem.groups)
    score = balanced_accuracy(confusion_matrix(problem.labels, result.found, problem.n_classes))
    low, high = ends["balanced_accuracy"]
    print(f"  balanced accuracy {score:.3f} [{low:.3f}, {high:.3f}]; chosen: " + ", ".join(result.chosen))
    tell_apart(spectra, result)
    print(f"  {time.process_time() - busy:.0f} s of one core", flush=True)


def tell_apart(spectra: SpectralSet, result: FoldsResult | None) -> None:
    """Print the accuracy per person, of all, and of those who had no part in drawing up the candidates."""
    assert result is not None
    names, people = np.unique(spectra.text("patient"), return_inverse=True)
    classes, labels = np.unique(spectra.text("label"), return_inverse=True)
    random = np.random.default_rng(EXPLORED[0])
    first = np.unique(people, return_index=True)[1]
    was_explored = np.zeros(names.size, np.bool_)
    for number in range(classes.size):
        own = np.flatnonzero(labels[first] == number)
        random.shuffle(own)
        was_explored[own[: round(EXPLORED[1] * own.size)]] = True
    found = group_results(softmax(result.logits), labels, people)
    for title, chosen in (("all", ~np.zeros_like(was_explored)), ("not explored", ~was_explored)):
        kept = chosen[found.groups]
        right = int((found.labels == found.found)[kept].sum())
        ends = bootstrap_interval(found.labels[kept], found.found[kept], classes.size, found.groups[kept])[
            "accuracy"
        ]
        print(
            f"  per person, {title}: {right} of {int(kept.sum())}, {right / kept.sum():.3f}"
            f" [{ends[0]:.3f}, {ends[1]:.3f}]"
        )


def bench_serum(seed: int, baselines: bool) -> None:
    """Print accuracy on sera never seen; the set comes with its baseline taken away."""
    print(f"serum, seed {seed}")
    train(serum(), {"vector": Pipeline.of(VECTOR), "as given": Pipeline()}, seed, baselines)


def bench_speed(seed: int, baselines: bool) -> None:
    """Print time and memory for 100 000 spectra of 1000 points, and for 10-fold training on 2500."""
    random = np.random.default_rng(seed)
    labels = np.arange(2500) % 3
    axis = np.linspace(400.0, 1800.0, 1000)
    shapes = np.exp(-0.5 * ((axis - np.array([[700.0], [1000.0], [1300.0]])) / 15) ** 2)
    values = (random.normal(size=(2500, 1000)) + 4 * shapes[labels] * random.uniform(0, 1, (2500, 1))).astype(
        np.float32
    )
    names = np.array(["a", "b", "c"])
    columns = {"label": names[labels], "dish": (np.arange(2500) // 3 % 50).astype(str)}
    training = gather(SpectralSet(values, axis, columns), "label", None)
    fast = ClassifierSettings(n_components=44)
    settings = TrainingSettings(classifier=fast, validation=ValidationSettings(n_permutations=0))
    started, busy = time.perf_counter(), time.process_time()
    train_spectra(training, settings, tell)
    print(f"speed: 10 folds and the model on 2500 x 1000: {time.perf_counter() - started:.1f} s, "
          f"{time.process_time() - busy:.1f} s of one core (limit 60)")  # fmt: skip
    classifier = fit_classifier(values, labels, ("a", "b", "c"), fast)
    model = SpectraModel(("a", "b", "c"), axis, Pipeline(), axis, classifier, Thresholds())
    many = SpectralSet(np.tile(values, (40, 1)), axis)
    started, busy = time.perf_counter(), time.process_time()
    model.predict(many)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"speed: {many.n_spectra} spectra classified in {time.perf_counter() - started:.2f} s, "
          f"{time.process_time() - busy:.2f} s of one core (limit 3), whole process at most {peak:.2f} GB "
          "(limit 2)", flush=True)  # fmt: skip


def bench_rejection(seed: int, baselines: bool) -> None:
    """Print what is rejected of other dishes, of their empty places, and of a class never learned."""
    spec = RamanSpec()
    pipelines = {"swcnt-cells": get_preset("swcnt-cells").pipeline}
    settings = TrainingSettings(pipelines, validation=ValidationSettings(n_permutations=0))
    trained = train_spectra(gather(make_labelled(spec, 1350, seed).spectra, "label", "dish"), settings, tell)
    with TemporaryDirectory() as folder:
        save_spectra_model(Path(folder) / "made.model", trained.model)
        model = load_spectra_model(Path(folder) / "made.model")
    t = dataclasses.asdict(model.thresholds)
    print("rejection: thresholds", ", ".join(f"{name} {value:.3g}" for name, value in t.items()))
    for fresh in range(seed + 100, seed + 105):
        known, other = make_labelled(spec, 600, fresh), make_labelled(spec, 300, fresh, other=True)
        full = known.truth["empty"] == 0
        answer = model.predict(known.spectra)
        unknown = model.predict(other.spectra).rejected.mean()
        print(
            f"rejection, fresh seed {fresh}: unknown class {100 * unknown:.1f} % (aim 90), known classes "
            f"{100 * answer.rejected[full].mean():.1f} % (limit 5), empty places "
            f"{100 * answer.rejected[~full].mean():.0f} %",
            flush=True,
        )


def main() -> None:
    """Run those named, or all."""
    parts = {
        "saliva": bench_saliva,
        "saliva-grouped": bench_saliva_grouped,
        "serum": bench_serum,
        "speed": bench_speed,
        "rejection": bench_rejection,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *parts])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--baselines", action="store_true", help="LDA, SVM and random forest in the same folds"
    )
    options = parser.parse_args()
    for name in options.parts or [n for n in parts if n != "saliva-grouped"]:
        parts[name](options.seed, options.baselines)


if __name__ == "__main__":
    main()
