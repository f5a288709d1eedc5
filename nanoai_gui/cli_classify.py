"""``nanoai-gui classify``: name the class of every spectrum, or say why there is none."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nanoai_gui.core.files.predictions import PredictionTables
    from nanoai_gui.core.spectra.model import SpectraModel


def add_classify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the sub-command."""
    classify = commands.add_parser(
        "classify",
        help="classify Raman spectra and maps with a trained model",
        description="Classify Raman spectra and maps. Writes predictions.csv and summary.json into DIR: the\n"
        "probability of every class, and where a spectrum is not classified, the reason.",
        epilog="example:\n"
        "  nanoai-gui classify maps/ new.wdf --model endosomes.model --out results\n\n"
        "Exit code 0: all done; 1: a file could not be classified (the others were); 2: wrong usage.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    classify.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH",
        help="a file of spectra, or a folder that is searched with all below it",
    )  # fmt: skip
    classify.add_argument("--model", required=True, type=Path, metavar="MODEL", help="a trained model")
    classify.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results")
    classify.add_argument(
        "--laser-nm", type=float, metavar="X",
        help="wavelength of the laser in nm, for files over nm or eV that do not name it",
    )  # fmt: skip
    classify.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from nanoai_gui.cli import INCOMPLETE, OK, WRONG_USAGE, complain
    from nanoai_gui.core.errors import ReadError, WriteError
    from nanoai_gui.core.files.predictions import SUMMARY_FILE, PredictionTables
    from nanoai_gui.core.files.spectra import find_spectra
    from nanoai_gui.core.spectra.model import load_spectra_model

    if options.laser_nm is not None and not 100 <= options.laser_nm <= 3000:
        complain("--laser-nm must be a wavelength in nm between 100 and 3000.")
        return WRONG_USAGE
    try:
        model = load_spectra_model(options.model)
    except ReadError as error:
        complain(str(error))
        return INCOMPLETE
    # Results of an earlier run may lie in a folder that is searched: they are no spectra.
    out = options.out.absolute()
    files, problems = find_spectra(options.paths)
    files = [file for file in files if file.absolute().parent != out or file in options.paths]
    try:
        with PredictionTables(options.out, model, options.model.name) as tables:
            for sentence in problems:
                complain(sentence)
                tables.fail("", sentence)
            for number, file in enumerate(files, start=1):
                if sys.stderr.isatty():
                    print(f"[{number}/{len(files)}] {file.name}", file=sys.stderr, flush=True)
                _classify(file, model, options.laser_nm, tables)
    except WriteError as error:
        complain(str(error))
        return INCOMPLETE
    print(_describe(tables))
    for sentence in tables.warnings:
        complain(sentence)
    if tables.errors:
        n = len(tables.errors)
        complain(f"{n} {'item' if n == 1 else 'items'} could not be done, see {options.out / SUMMARY_FILE}.")
    return INCOMPLETE if tables.errors else OK


def _classify(file: Path, model: SpectraModel, laser_nm: float | None, tables: PredictionTables) -> None:
    from nanoai_gui.cli import complain
    from nanoai_gui.core.errors import WriteError
    from nanoai_gui.core.files.spectra import read_spectra
    from nanoai_gui.core.worker import describe_error

    try:
        # All sets first, so that a file is in the table whole or not at all.
        done = [(spectra, model.predict(spectra)) for spectra in read_spectra(file, laser_nm)]
        for spectra, predictions in done:
            tables.add(spectra, predictions, file.name)
    except WriteError:
        raise
    except Exception as error:
        message, advice, *_ = describe_error(error)
        sentence = f"{message} {advice}".strip()
        complain(f"{file.name}: {sentence}")
        tables.fail(str(file), sentence)


def _describe(tables: PredictionTables) -> str:
    """Put the pooled result into words."""
    s = tables.summary
    n, rejected = s["n_spectra"], s["n_rejected"]
    share = f" ({100 * rejected / n:.1f} %)" if n else ""
    lines = [f"{n} spectra, {rejected} not classified{share}"]
    lines += [f"  {name}: {count}" for name, count in s["rejected"].items() if count]
    lines += [f"{name}: {count}" for name, count in s["counts"].items()]
    if "labelled" in s:
        known = s["labelled"]
        lines.append(
            f"agreement with the labels in the files: {100 * known['accuracy']:.1f} % of {known['n']}, "
            f"balanced {100 * known['balanced_accuracy']:.1f} %"
        )
    return "\n".join(lines)
