"""``nanoai-gui benchmark``: how good the methods are where the truth is known."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_benchmark(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the sub-command."""
    benchmark = commands.add_parser(
        "benchmark",
        help="measure the methods against known truth",
        description="Measure the methods against known truth.",
        epilog="example:\n  nanoai-gui benchmark table1 --images 500 --out table1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = benchmark.add_subparsers(dest="kind", required=True, metavar="KIND", title="kinds")
    table = kinds.add_parser(
        "table1",
        help="errors of GMD and GSD, in the form of the founding paper",
        description="Make synthetic images with known particles and print the errors of GMD and GSD of\n"
        "every method, beside those of the founding paper; then the same for six other populations.\n"
        "Writes table1.md, table1.csv, table1.png and table1.svg into DIR.",
        epilog="examples:\n  nanoai-gui benchmark table1 --images 500 --out table1 --jobs 2\n"
        "  nanoai-gui benchmark table1 --out by-hand --save-images 20   (then measure them by hand)\n"
        "  nanoai-gui benchmark table1 --out table1 --manual by-hand/particles.csv",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    table.add_argument("--images", type=int, default=500, metavar="N", help="images (default: 500)")
    table.add_argument("--seed", type=int, default=1, metavar="S", help="0 to 9999 (default: 1)")
    table.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    table.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    table.add_argument(
        "--method", action="append", metavar="NAME", dest="methods", help="only this method; may be repeated"
    )
    table.add_argument(
        "--manual", type=Path, metavar="FILE", help="particles.csv that a person measured in those images"
    )
    table.add_argument(
        "--save-images",
        type=int,
        metavar="K",
        help="only write the first K images into DIR, to measure by hand",
    )
    table.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from nanoai_gui.cli import INCOMPLETE, OK, WRONG_USAGE, complain
    from nanoai_gui.core.errors import NanoAIError
    from nanoai_gui.core.files.benchmark import markdown, read_manual, write_table1
    from nanoai_gui.core.jobs import WorkerPool
    from nanoai_gui.core.tem.benchmark import LARGEST_NUMBER, LARGEST_SEED, run, save_images
    from nanoai_gui.core.tem.sizing import METHOD_MODULES, get_method

    methods = tuple(dict.fromkeys(options.methods or METHOD_MODULES))
    count = options.images if options.save_images is None else options.save_images
    if not 1 <= count <= LARGEST_NUMBER or not 0 <= options.seed <= LARGEST_SEED or options.jobs < 1:
        complain(f"images must be 1 to {LARGEST_NUMBER}, the seed 0 to {LARGEST_SEED}, jobs at least 1.")
        return WRONG_USAGE
    try:
        for name in methods:
            get_method(name)
    except NanoAIError as error:
        complain(str(error))
        return WRONG_USAGE
    try:
        if options.save_images is not None:
            save_images(options.out, options.save_images, options.seed)
            print(f"{options.save_images} images written to {options.out}")
            return OK
        manual = None if options.manual is None else read_manual(options.manual)
        with WorkerPool(options.jobs) as pool:
            table = run(options.images, options.seed, methods, pool, manual, _show)
        write_table1(options.out, table)
    except NanoAIError as error:
        complain(str(error))
        return INCOMPLETE
    print(markdown(table))
    return OK


def _show(fraction: float, message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{100 * fraction:3.0f} %  {message:<40}", end="", file=sys.stderr, flush=True)
