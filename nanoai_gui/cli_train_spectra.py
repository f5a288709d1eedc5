"""``nanoai-gui train spectra``: a classifier of Raman spectra from a labelled table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanoai_gui.core.spectra.preprocessing import Pipeline
    from nanoai_gui.core.spectra.spectral_set import SpectralSet


def add_train_spectra(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the kind."""
    spectra = kinds.add_parser(
        "spectra",
        help="a network that tells classes of Raman spectra",
        description="Learn classes of Raman spectra from a labelled table, one spectrum a row: columns\n"
        "with a number as header are the axis, all others facts. The accuracy is measured in random\n"
        "folds and, with --group, in folds that keep every dish, cell or patient together: only that\n"
        "tells what to expect of new samples.",
        epilog="example:\n"
        "  nanoai-gui train spectra spectra.csv --label label --group dish --out endosomes.model \\\n"
        "    --report report.json\n\n"
        "With several --preset the best is chosen within the training part of every fold.\n"
        "Exit code 0: all done; 1: no model could be made; 2: wrong usage.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    spectra.add_argument("table", type=Path, metavar="TABLE", help="CSV or XLSX table of spectra")
    spectra.add_argument("--label", required=True, metavar="COLUMN", help="column of the class")
    spectra.add_argument("--group", metavar="COLUMN", help="column of the dish, cell or patient")
    spectra.add_argument("--out", required=True, type=Path, metavar="MODEL", help="model file to write")
    spectra.add_argument("--folds", type=int, default=10, metavar="N", help="default: 10")
    spectra.add_argument("--report", type=Path, metavar="FILE.json", help="write all that was measured")
    how = spectra.add_mutually_exclusive_group()
    how.add_argument(
        "--preset", action="append", metavar="NAME", dest="presets",
        help="preprocessing, such as swcnt-cells, fingerprint, biofluid, derivative, none; may be given "
        "several times (default: swcnt-cells where the spectra reach that far, else biofluid)",
    )  # fmt: skip
    how.add_argument(
        "--preprocessing", type=Path, metavar="FILE.json", help="preprocessing as saved by the window"
    )
    spectra.add_argument(
        "--components", type=int, default=0, metavar="M",
        help="a fixed number of principal components (default: as many as hold 95 %% of the variance)",
    )  # fmt: skip
    spectra.add_argument(
        "--networks", type=int, default=3, metavar="N",
        help="networks whose probabilities are averaged (default: 3)",
    )  # fmt: skip
    spectra.add_argument(
        "--averages", type=float, default=0.0, metavar="X",
        help="for every spectrum, learn from so many averages of a few spectra of its group too, which "
        "helps to know new patients; needs --group (default: 0)",
    )  # fmt: skip
    spectra.add_argument(
        "--permutations", type=int, default=99, metavar="N",
        help="shuffles of the labels for the permutation test, 0: none (default: 99)",
    )  # fmt: skip
    spectra.add_argument(
        "--baselines", action="store_true", help="compare with LDA, SVM and random forest in the same folds"
    )
    spectra.add_argument(
        "--seed", type=int, default=1, metavar="S", help="of folds and networks (default: 1)"
    )
    spectra.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from nanoai_gui.cli import INCOMPLETE, OK, WRONG_USAGE, complain
    from nanoai_gui.core.errors import NanoAIError, ParameterError
    from nanoai_gui.core.files.atomic import write_bytes
    from nanoai_gui.core.spectra.classifier import ClassifierSettings
    from nanoai_gui.core.spectra.model import save_spectra_model
    from nanoai_gui.core.spectra.preprocessing import get_preset
    from nanoai_gui.core.spectra.training import TrainingSettings, ValidationSettings, gather, train_spectra

    try:
        for name in options.presets or ():
            get_preset(name)
        classifier = ClassifierSettings(
            n_components=options.components,
            members=options.networks,
            averages=options.averages,
            seed=options.seed,
        )
        validation = ValidationSettings(
            n_folds=options.folds,
            n_permutations=options.permutations,
            baselines=options.baselines,
            seed=options.seed,
        )
        TrainingSettings(classifier=classifier, validation=validation)  # judges the numbers
    except ParameterError as error:
        complain(str(error))
        return WRONG_USAGE
    try:
        spectra = _read(options.table)
        for sentence in spectra.warnings:
            complain(sentence)
        settings = TrainingSettings(_pipelines(options, spectra), classifier, validation=validation)
        trained = train_spectra(gather(spectra, options.label, options.group), settings, _show)
        if options.report is not None:
            write_bytes(options.report, _json(trained.report))
        save_spectra_model(options.out, trained.model)
    except NanoAIError as error:
        complain(str(error))
        return INCOMPLETE
    print(describe_report(trained.report))
    for sentence in trained.report["notes"]:
        complain(sentence)
    return OK


def _read(path: Path) -> SpectralSet:
    from nanoai_gui.core.files.spectra import read_spectra
    from nanoai_gui.core.spectra.spectral_set import concatenate

    return concatenate(read_spectra(path))


def _pipelines(options: argparse.Namespace, spectra: SpectralSet) -> dict[str, Pipeline]:
    from nanoai_gui.core.errors import ReadError
    from nanoai_gui.core.spectra.preprocessing import Pipeline
    from nanoai_gui.core.spectra.training import default_preset, pipelines_by_name

    if options.preprocessing is not None:
        path: Path = options.preprocessing
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReadError(f"{path.name} cannot be read.", "Choose a list of steps NanoAI saved.") from error
        return {path.name: Pipeline.from_json(text)}
    return pipelines_by_name(options.presets or [default_preset(spectra.axis)])


def _json(content: dict[str, Any]) -> bytes:
    import json

    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _show(fraction: float, message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{100 * fraction:3.0f} %  {message:<70.70}", end="", file=sys.stderr, flush=True)


def describe_report(report: dict[str, Any]) -> str:
    """Put a training report into words."""
    groups = f" of {report['n_groups']} groups" if report["n_groups"] else ""
    counts = ", ".join(f"{name} {n}" for name, n in report["spectra_per_class"].items())
    lines = [
        f"{report['n_spectra']} spectra{groups}: {counts}",
        f"preprocessing: {report['preprocessing_chosen']}; {report['n_components']} components hold "
        f"{100 * report['variance_explained']:.1f} % of the variance",
    ]
    for title, key in (("random", "random_folds"), ("grouped", "grouped_folds")):
        if report[key] is not None:
            lines += _describe_folds(title, report[key])
    if report["gap"] is not None:
        lines.append(report["gap"]["explanation"])
    if report["permutation_p"] is not None:
        lines.append(f"permutation test: p = {report['permutation_p']:.3g}")
    calibration = report["calibration"]
    lines.append(
        f"calibration: temperature {calibration['temperature']:.2f}, expected error {calibration['ece']:.3f} "
        f"({calibration['ece_before']:.3f} before), Brier {calibration['brier']:.3f}"
    )
    rejected = 100 * report["rejection"]["held_out_rejected"]
    lines.append(f"held-out spectra of known classes not classified: {rejected:.1f} %")
    lines.append(f"left out of training as degenerate: {len(report['dropped'])}")
    return "\n".join(lines)


def _describe_folds(title: str, folds: dict[str, Any]) -> list[str]:
    ends = folds["ci95"]["balanced_accuracy"]
    interval = "" if ends is None else f" (95 % interval over {folds['ci95_over']} {_range(ends)})"
    lines = [f"{title} folds: balanced accuracy {100 * folds['balanced_accuracy']:.1f} %{interval}"]
    if "per_group_accuracy" in folds:
        ends = folds["per_group_ci95"]["accuracy"]
        interval = "" if ends is None else f" (95 % interval {_range(ends)})"
        lines.append(f"  per group: accuracy {100 * folds['per_group_accuracy']:.1f} %{interval}")
    for name, found in folds["baselines"].items():
        lines.append(f"  {name}: balanced accuracy {100 * found['balanced_accuracy']:.1f} %")
    return lines


def _range(ends: list[float]) -> str:
    return f"{100 * ends[0]:.1f}-{100 * ends[1]:.1f} %"
