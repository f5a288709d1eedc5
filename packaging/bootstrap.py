#!/usr/bin/env python3
"""Set NanoAI up in this checkout and run, test or bundle it; needs nothing but Python 3.11 and pip.

    python3 packaging/bootstrap.py run [FILE...]       open the window (headless: measure the sample)
    python3 packaging/bootstrap.py test [PYTEST...]    lint, types, import contract, tests
    python3 packaging/bootstrap.py bundle [--test]     make the standalone program [and test it]

The first two make ``.venv`` with the exact versions of ``packaging/constraints.txt`` and see to the system
libraries; the second time there is nothing left to do, and they start at once. The third has an environment
of its own in ``build``, where it leaves the program too.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from environment import (
    OFFSCREEN_LIBRARIES,
    ROOT,
    WINDOW_LIBRARIES,
    Environment,
    SetupError,
    call,
    provide_libraries,
    say,
)

ENVIRONMENT = Environment(ROOT / ".venv", ".venv")
PYTHON = ENVIRONMENT.python
SAMPLES = ROOT / "resources" / "samples" / "tem"
METHODS = ("fit", "watershed", "ultimate-erosion", "hough", "ann", "ann-rich")


def display_is_named() -> bool:
    """Whether a person seems to sit in front of this (always so on Windows and macOS)."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def display_works() -> bool:
    """Whether Qt can really connect to the display; says why if not."""
    probe = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"
    answer = subprocess.run([PYTHON, "-c", probe], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        # The lines after the first blame a library even where the display itself is gone.
        reason = (answer.stderr.strip().splitlines() or ["Qt gives no reason"])[0]
        say(f"A display is named, but no window can be opened on it: {reason}")
    return answer.returncode == 0


def run(arguments: list[str]) -> int:
    """Open the window on the sample (or the files given); without a display measure it headless."""
    ENVIRONMENT.install("")
    lacking = provide_libraries(WINDOW_LIBRARIES)
    if display_is_named():
        if lacking:
            raise SetupError(f"The window cannot be opened yet. {lacking}")
        if display_works():
            command: list[str | Path] = [PYTHON, "-m", "nanoai_gui", *(arguments or [str(SAMPLES)])]
            return subprocess.run(command, check=False).returncode
    elif lacking:
        say(f"For the window, not needed now: {lacking}")
    say("No display: measuring without a window")
    return measure([Path(name) for name in arguments] or [SAMPLES])


def measure(paths: list[Path]) -> int:
    """Size the primary particles through the command line, which prints GMD and GSD; add a histogram."""
    with tempfile.TemporaryDirectory(prefix="nanoai-") as folder:
        command: list[str | Path] = [PYTHON, "-m", "nanoai_gui", "size", *paths, "--out", folder]
        for method in METHODS:
            command += ["--method", method]
        status = subprocess.run(command, check=False).returncode
        if (Path(folder) / "summary.json").exists():
            print_distribution(Path(folder))
            if paths == [SAMPLES]:
                print_truth(Path(folder))
    return status


def print_distribution(results: Path) -> None:
    """Print the histogram of the first method."""
    with (results / "particles.csv").open(encoding="utf-8", newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["method"] == METHODS[0]]
    unit = "nm" if all(row["diameter_nm"] for row in rows) else "px"
    values = [float(row[f"diameter_{unit}"]) for row in rows]
    print_histogram(values, f"Diameter in {unit} by {METHODS[0]}, number share")


def print_truth(results: Path) -> None:
    """Print what is really in the samples, in the pixel size that was used."""
    summary = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    nm_per_px = summary["methods"][METHODS[0]]["pooled"]["nm_per_px"]
    with (SAMPLES / "truth.csv").open(encoding="utf-8", newline="") as table:
        logs = [math.log(nm_per_px * float(row["diameter_px"])) for row in csv.DictReader(table)]
    gmd, gsd = math.exp(statistics.fmean(logs)), math.exp(statistics.pstdev(logs))
    print(
        f"\nThe samples are synthetic. All {len(logs)} particles in them, hidden ones too: "
        f"GMD {gmd:.2f} nm, GSD {gsd:.3f}."
    )


def print_histogram(values: list[float], title: str, n_bins: int = 16, width: int = 50) -> None:
    """Print the number share of ``values`` in equal bins, as bars of text."""
    if not values:
        return
    low, high = min(values), max(values)
    step = (high - low) / n_bins or 1.0
    counts = [0] * n_bins
    for value in values:
        counts[min(int((value - low) / step), n_bins - 1)] += 1
    print(f"\n{title}")
    for i, count in enumerate(counts):
        bar = "#" * round(width * count / max(counts))
        print(
            f"{low + i * step:8.1f} - {low + (i + 1) * step:6.1f} {100 * count / len(values):5.1f} %  {bar}"
        )


def test(arguments: list[str]) -> int:
    """Check everything; what pytest says comes last."""
    ENVIRONMENT.install("test")
    lacking = provide_libraries(OFFSCREEN_LIBRARIES)
    if lacking:
        raise SetupError(lacking)
    scripts = ENVIRONMENT.scripts
    checks: dict[str, list[str | Path]] = {
        "Lint (ruff check)": [scripts / "ruff", "check", "."],
        "Format (ruff format)": [scripts / "ruff", "format", "--check", "."],
        "Types (mypy)": [scripts / "mypy"],
        "Import contract (import-linter)": [scripts / "lint-imports", "--no-logo"],
        "Tests (pytest)": [PYTHON, "-m", "pytest", *arguments],
    }
    failed = []
    for title, command in checks.items():
        say(title)
        # Tests start hundreds of processes: each would compile NanoAI anew where keeping that is forbidden.
        if call(command, QT_QPA_PLATFORM="offscreen", PYTHONDONTWRITEBYTECODE="") != 0:
            failed.append(title)
    if failed:
        say(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


def bundle(arguments: list[str]) -> int:
    """Make the standalone program."""
    import bundling

    return bundling.main(arguments)


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - said in words to those who start it with an older one
        print(f"NanoAI needs Python 3.11 or newer; this is {platform.python_version()}.", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=("run", "test", "bundle"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="handed on")
    given = parser.parse_args()
    try:
        return {"run": run, "test": test, "bundle": bundle}[given.command](given.arguments)
    except SetupError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
