"""The command line: the same core as the window, without it.

Exit codes: 0, all done; 1, something could not be done (each item is named on stderr and in the summary,
all others are finished); 2, wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import nanoai_gui
from nanoai_gui.cli_benchmark import add_benchmark
from nanoai_gui.cli_classify import add_classify
from nanoai_gui.cli_synthesize import add_synthesize
from nanoai_gui.cli_train import add_train
from nanoai_gui.core.worker import THREADS

# Nothing heavy here: --help and --version must answer at once, and threads are pinned before NumPy loads.

OK, INCOMPLETE, WRONG_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command.

    Parameters
    ----------
    arguments
        Without the name of the program; those of this process by default.

    Returns
    -------
    The exit code.
    """
    # Small matrices: more threads cost more than they give, up to a factor of eight with --jobs.
    for name in THREADS:
        os.environ.setdefault(name, "1")
    parser = make_parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leaving:  # argparse leaves by itself after --help and wrong usage
        return leaving.code if isinstance(leaving.code, int) else WRONG_USAGE
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except KeyboardInterrupt:
        complain("stopped.")
        return INCOMPLETE


def make_parser() -> argparse.ArgumentParser:
    """Describe every sub-command."""
    parser = argparse.ArgumentParser(
        prog="nanoai-gui",
        description="NanoAI sizes primary particles in electron micrographs and classifies Raman maps.",
        epilog="Without a sub-command the window opens: nanoai-gui [FILE ...]",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {nanoai_gui.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="sub-commands")
    _add_size(commands)
    add_synthesize(commands)
    add_classify(commands)
    add_train(commands)
    add_benchmark(commands)
    return parser


SUB_COMMANDS = ("size", "classify", "synthesize", "train", "benchmark")
"""Words that, as the first argument, mean the command line and not a file for the window."""


def complain(sentence: str) -> None:
    """Say something on stderr."""
    print(f"nanoai-gui: {sentence}", file=sys.stderr, flush=True)


def _add_size(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from nanoai_gui.core.tem.sizing import METHOD_MODULES

    size = commands.add_parser(
        "size",
        help="measure primary particles in electron micrographs",
        description="Find the agglomerates in electron micrographs and measure their primary particles.\n"
        "Writes particles.csv, agglomerates.csv and summary.json into DIR and prints the pooled result.",
        epilog="examples:\n"
        "  nanoai-gui size images/ --out results --method watershed --method hough --jobs 2\n"
        "  nanoai-gui size images/ --out results --model mine.zip\n\n"
        "Without a known pixel size results are in px, and the nm columns stay empty.\n"
        "Exit code 0: all done; 1: an image could not be measured (the others were); 2: wrong usage.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="an image, or a folder that is searched with "
        "all below it",
    )  # fmt: skip
    size.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results")
    size.add_argument(
        "--method", action="append", choices=list(METHOD_MODULES), metavar="NAME", dest="methods",
        help=f"{', '.join(METHOD_MODULES)}; may be given several times to compare "
        f"(default: {next(iter(METHOD_MODULES))})",
    )  # fmt: skip
    size.add_argument(
        "--model", metavar="MODEL",
        help="networks of your own: a file from train tem, or the name of a model trained in the window; "
        "measures with the method it was trained for (ann or ann-rich)",
    )  # fmt: skip
    size.add_argument(
        "--nm-per-px",
        type=_pixel_size,
        metavar="X",
        help="size of a pixel in nm, instead of that in the files",
    )
    size.add_argument(
        "--include-border", action="store_true",
        help="also measure agglomerates that touch the border of the image",
    )  # fmt: skip
    size.add_argument(
        "--jobs", type=_job_count, default=1, metavar="N", help="images measured at a time (default: 1)"
    )
    size.add_argument(
        "--overlay", action="store_true",
        help="also draw what was found over each image, as DIR/overlays/IMAGE.METHOD.png",
    )  # fmt: skip
    size.add_argument(
        "--export", action="append", choices=("coco", "imagej", "labels"), metavar="FORMAT", dest="exports",
        default=[],
        help="also write outlines for other programs: coco (DIR/coco.METHOD.json), imagej "
        "(DIR/imagej/IMAGE.METHOD.zip) or labels (DIR/labels/IMAGE.tif, IMAGE.METHOD.tif); may be repeated",
    )  # fmt: skip
    size.set_defaults(run=_size)


def _size(options: argparse.Namespace) -> int:
    from nanoai_gui.cli_size import run

    return run(options)


def _pixel_size(text: str) -> float:
    from nanoai_gui.core.errors import ParameterError
    from nanoai_gui.core.tem.calibration import Calibration

    try:
        value = float(text)
        Calibration.typed(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    except ParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return value


def _job_count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 256")
    return int(text)
