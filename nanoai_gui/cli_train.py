"""``nanoai-gui train``: make a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanoai_gui.cli_train_spectra import add_train_spectra

if TYPE_CHECKING:
    from nanoai_gui.core.tem.networks.training import TrainingReport


def add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the sub-command."""
    train = commands.add_parser(
        "train",
        help="train a model",
        description="Train a model.",
        epilog="examples:\n  nanoai-gui train tem --samples 20000 --seed 1 --out mine.zip\n"
        "  nanoai-gui train spectra spectra.csv --label label --group dish --out mine.model",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = train.add_subparsers(dest="kind", required=True, metavar="KIND", title="kinds")
    tem = kinds.add_parser(
        "tem",
        help="the networks that size primary particles",
        description="Synthesise agglomerates, describe them by features, and train the networks that tell\n"
        "number and areas of their primary particles. The same options give the same model.",
        epilog="examples:\n  nanoai-gui train tem --samples 20000 --seed 1 --out mine.zip --jobs 2\n"
        "  nanoai-gui train tem --samples 20000 --seed 1 --out mine.zip --corrections mine.npz",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tem.add_argument("--samples", type=int, required=True, metavar="N", help="agglomerates to make")
    tem.add_argument("--seed", type=int, required=True, metavar="S", help="any whole number from 0")
    tem.add_argument("--out", type=Path, required=True, metavar="MODEL", help="model file to write (.zip)")
    tem.add_argument(
        "--features", choices=("region-13", "rich"), default="region-13",
        help="feature set (default: region-13, for the method ann; rich for ann-rich)",
    )  # fmt: skip
    tem.add_argument(
        "--corrections", type=Path, nargs="+", default=[], metavar="FILE",
        help="also train on agglomerates that were corrected and exported in the window",
    )  # fmt: skip
    tem.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    tem.set_defaults(run=_run_tem)
    add_train_spectra(kinds)


def _run_tem(options: argparse.Namespace) -> int:
    from nanoai_gui.cli import INCOMPLETE, OK, WRONG_USAGE, complain
    from nanoai_gui.core.errors import NanoAIError
    from nanoai_gui.core.jobs import WorkerPool
    from nanoai_gui.core.tem.networks.make import TrainingPlan, make_model
    from nanoai_gui.core.tem.networks.model import save_tem_model
    from nanoai_gui.core.tem.networks.samples import TrainingPopulation
    from nanoai_gui.core.tem.networks.training import TrainingSettings

    if options.samples < 1 or options.seed < 0 or options.jobs < 1:
        complain("--samples and --jobs must be at least 1, --seed at least 0.")
        return WRONG_USAGE
    settings = TrainingSettings(seed=options.seed)
    plan = TrainingPlan(
        TrainingPopulation(), settings, options.features, options.samples, tuple(options.corrections)
    )
    try:
        with WorkerPool(options.jobs) as pool:
            model, report = make_model(plan, options.out.stem, pool, _show)
        save_tem_model(options.out, model)
    except NanoAIError as error:
        complain(str(error))
        return INCOMPLETE
    print(describe_report(report))
    if "corrections" in model.card:
        print(describe_corrections(model.card["corrections"]))
    return OK


def _show(fraction: float, message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{100 * fraction:3.0f} %  {message:<60}", end="", file=sys.stderr, flush=True)


def describe_corrections(card: Mapping[str, Any]) -> str:
    """Say how corrected agglomerates were used."""
    text = f"corrected agglomerates: {card['n_training']} in training, each shown {card['shown_each']} times"
    if "count_accuracy_aside" in card:
        text += (
            f"; number right on {100 * card['count_accuracy_aside']:.0f} % of {card['n_aside']} kept aside "
            f"({card['n_images_aside']} images)"
        )
    return text


def describe_report(report: TrainingReport) -> str:
    """Put a training report into words."""
    lines = [
        f"agglomerates: {report.n[0]} training, {report.n[1]} validation, {report.n[2]} test",
        f"number of particles right: {100 * report.count_accuracy:.1f} % of the test part",
        "true number against the network's:",
    ]
    lines += [
        f"  {n}: " + " ".join(f"{v:6d}" for v in row) for n, row in enumerate(report.confusion, start=1)
    ]
    lines += [
        f"left out by mistake (up to 5 particles): {100 * report.false_exclusions:.1f} %",
        f"recognised as more than 5 (8 or more): {100 * report.recall_many:.1f} %",
        f"diameters within one standard error: {100 * report.inside_1_sigma:.0f} %",
        f"hidden nodes of the PAR-ANNs: {', '.join(map(str, report.hidden_nodes))}",
    ]
    return "\n".join(lines)
