#!/usr/bin/env python3
"""Set NanoAI up in this checkout and run or test it; needs nothing but Python 3.11 and pip.

    python3 packaging/bootstrap.py run [FILE...]       open the window (headless: measure the sample)
    python3 packaging/bootstrap.py test [PYTEST...]    lint, types, import contract, tests

Both make ``.venv`` with the exact versions of ``packaging/constraints.txt`` and see to the system
libraries; the second time there is nothing left to do, and they start at once.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "nanoai-installed.json"
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
SAMPLES = ROOT / "resources" / "samples" / "tem"
METHODS = ("watershed", "ultimate-erosion", "hough")

OFFSCREEN_LIBRARIES = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
}
"""What Qt loads even when it draws into memory, and the Debian packages that hold it."""

WINDOW_LIBRARIES = {
    **OFFSCREEN_LIBRARIES,
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libwayland-cursor.so.0": "libwayland-cursor0",
}
"""What a window on an X or Wayland display needs (ldd on Qt's libqxcb.so and libqwayland.so names them)."""

FONT_PACKAGE = "fonts-dejavu-core"
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")


class SetupError(Exception):
    """Something a person has to do first; the message says what."""


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def call(command: list[str | Path], **environment: str) -> int:
    """Run a command in the checkout, its output shown, and give its exit status."""
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode


# ---------------------------------------------------------------------------------- system libraries


def missing_packages(libraries: dict[str, str]) -> list[str]:
    """Debian packages of the libraries that the loader does not find, and of a font if there is none.

    The loader itself is asked, in a fresh process: it remembers what it did not find.
    """
    if sys.platform != "linux":
        return []
    probe = (
        "import ctypes, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: ctypes.CDLL(name)\n"
        "    except OSError: print(name)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", probe, *libraries], capture_output=True, text=True, check=True
    )
    packages = [libraries[name] for name in answer.stdout.split()]
    folders = [Path(folder).expanduser() for folder in FONT_FOLDERS]
    if not any(True for folder in folders for _ in folder.rglob("*.[to]t[fc]")):
        packages.append(FONT_PACKAGE)
    return packages


def install_packages(packages: list[str]) -> bool:
    """Install Debian packages if that is ours to do (root, apt); otherwise do nothing."""
    if os.name == "nt" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    say(f"Installing system packages: {' '.join(packages)}")
    quiet = ["-qq", "-o", "Dpkg::Use-Pty=0"]
    install: list[str | Path] = ["apt-get", "install", *quiet, "--yes", "--no-install-recommends", *packages]
    log = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - read back below, gone with the process
    for step in (["apt-get", "update", *quiet], install):
        done = subprocess.run(
            step,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        log.seek(0)
        sys.stderr.write(log.read())
    return done.returncode == 0


def provide_libraries(libraries: dict[str, str]) -> str:
    """See to the system libraries; give a sentence saying what is missing and the remedy, or nothing."""
    packages = missing_packages(libraries)
    if packages and install_packages(packages):
        packages = missing_packages(libraries)
    if not packages:
        return ""
    return (
        f"These system packages are missing: {' '.join(packages)}.\n"
        f"Install them with: sudo apt-get update && sudo apt-get install --yes {' '.join(packages)}\n"
        "(On other systems than Debian and Ubuntu the packages have similar names.)"
    )


# ------------------------------------------------------------------------------ virtual environment


def fingerprint() -> str:
    """What an installation depends on: pins, requirements and entry points, Python, this place."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [
        project["project"], project["build-system"], CONSTRAINTS.read_text(encoding="utf-8"),
        platform.python_version(), platform.machine(), str(ROOT),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def venv_version() -> str:
    """Version of the environment's Python, or nothing if it does not run (moved, its base removed)."""
    try:
        answer = subprocess.run(
            [PYTHON, "-c", "import platform; print(platform.python_version())"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


def module_exists(python: str | Path, name: str) -> bool:
    command: list[str | Path] = [python, "-c", f"import {name}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def has_pip_for_others() -> bool:
    """Whether the base Python has a pip that can fill an environment without one (since 22.3)."""
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return False
    return tuple(int(part) for part in version.split(".")[:2]) >= (22, 3)


def pip_command() -> list[str | Path]:
    """The pip that installs into the environment: its own, or else the one of the base Python."""
    if module_exists(PYTHON, "pip"):
        return [PYTHON, "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", PYTHON]


def make_venv() -> None:
    """Make the environment anew.

    A Debian without python3-venv makes environments that have no pip; its own pip can still fill them.
    """
    if Path(sys.prefix).resolve() == VENV.resolve():
        raise SetupError("Run this with the system's python3, not with the one inside .venv.")
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if not (module_exists(sys.executable, "ensurepip") or has_pip_for_others()):
        install_packages([package])
    has_own_pip = module_exists(sys.executable, "ensurepip")
    if not (has_own_pip or has_pip_for_others()):
        raise SetupError(
            f"This Python has no pip.\nInstall it with: sudo apt-get install --yes python3-pip {package}"
        )
    say("Making the virtual environment .venv")
    try:
        venv.EnvBuilder(clear=True, symlinks=os.name != "nt", with_pip=has_own_pip).create(VENV)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"The virtual environment {VENV} cannot be made: {error}") from error


def install(extra: str) -> None:
    """Bring ``.venv`` to the pinned versions, with the packages of ``extra`` (may be empty) as well."""
    wanted = fingerprint()
    version = venv_version()
    if version == platform.python_version():
        try:
            stamp = json.loads(STAMP.read_text(encoding="utf-8"))
            if stamp["fingerprint"] == wanted and extra in ("", *stamp["extras"]):
                return
        except (OSError, ValueError, KeyError):
            pass
    else:
        make_venv()
    STAMP.unlink(missing_ok=True)
    pip = [*pip_command(), "install", "-qq", "--no-input", "--disable-pip-version-check"]
    pip += ["--constraint", CONSTRAINTS]
    say("Installing the pinned packages (some 300 MB; a few minutes the first time)")
    started = time.monotonic()
    # Our own build is done with the pinned setuptools, not with whatever is newest that day.
    if call([*pip, "setuptools"]) != 0 or (
        call([*pip, "--no-build-isolation", "--editable", f".[{extra}]" if extra else "."]) != 0
    ):
        raise SetupError("pip could not install the packages; its message stands above.")
    stamp = {"fingerprint": wanted, "extras": [extra] if extra else []}
    STAMP.write_text(json.dumps(stamp), encoding="utf-8")
    say(f"Installed in {time.monotonic() - started:.0f} s")


# ------------------------------------------------------------------------------------------ commands


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
    install("")
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
    install("test")
    lacking = provide_libraries(OFFSCREEN_LIBRARIES)
    if lacking:
        raise SetupError(lacking)
    scripts = PYTHON.parent
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
        if call(command, QT_QPA_PLATFORM="offscreen") != 0:
            failed.append(title)
    if failed:
        say(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - said in words to those who start it with an older one
        print(f"NanoAI needs Python 3.11 or newer; this is {platform.python_version()}.", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=("run", "test"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="handed on")
    given = parser.parse_args()
    try:
        return {"run": run, "test": test}[given.command](given.arguments)
    except SetupError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
