"""The rules of the house that no other tool checks."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "nanoai_gui"
HEAVY = (
    "scipy", "skimage", "sklearn", "rsciio", "matplotlib", "h5py", "tifffile", "imagecodecs", "PIL",
    "dask", "skops", "pandas", "onnxruntime", "torch", "onnx",
)  # fmt: skip
QT = ("PySide6", "shiboken6", "pyqtgraph")


def imported_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after ``statement``."""
    program = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def core_modules() -> list[str]:
    files = sorted((PACKAGE / "core").rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names]


def pins() -> tuple[dict[str, str], dict[str, str]]:
    """Name and version of every line of the constraints; a line of any other form is an error.

    Those that only training the particle network or making the standalone program needs, which need not be
    installed, come second.
    """
    text = (ROOT / "packaging" / "constraints.txt").read_text(encoding="utf-8")
    usual, _, special = text.partition("# --- to train the particle network")
    return _pins(usual), _pins("#" + special)


def _pins(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)", line)
            assert match, f"not an exact pin: {line}"
            found[canonicalize_name(match[1])] = match[2]
    return found


def requirements(name: str, extras: tuple[str, ...] = ()) -> Iterator[Requirement]:
    """What an installed distribution needs here; NanoAI itself may be installed from an older tree."""
    if name == "nanoai-gui":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = [*project["dependencies"], *(t for e in extras for t in project["optional-dependencies"][e])]
    else:
        wanted = importlib.metadata.requires(name) or []
    for text in wanted:
        requirement = Requirement(text)
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        ):
            yield requirement


MADE_BY_TOOLS = {"build", "dist", "scratch", "nanoai_gui.egg-info", "__pycache__"}


def test_top_level_holds_nothing_else() -> None:
    names = {entry.name for entry in ROOT.iterdir() if not entry.name.startswith(".")} - MADE_BY_TOOLS
    assert names == {
        "pyproject.toml", "nanoai_gui", "resources", "tests", "packaging", "README.md", "LICENSE",
    }  # fmt: skip


def test_licence_is_the_one_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "GPL-3.0-or-later"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text and "Version 3, 29 June 2007" in text


def test_no_file_is_longer_than_one_sitting() -> None:
    lengths = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for file in PACKAGE.rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > 500} == {}


def test_files_of_others_can_run_nothing() -> None:
    """No code from files, no shell, no other program, no network (ruff sees to pickle, eval and exec)."""
    means = re.compile(
        r"^\s*(import|from) (subprocess|socket|http|urllib\.request|ssl|marshal)\b|os\.system|extractall"
    )
    used = [
        f"{file.name}: {line.strip()}"
        for file in PACKAGE.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if means.search(line)
    ]
    assert used == []


def test_nothing_is_left_to_do_in_the_code() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    marked = [file.name for file in PACKAGE.rglob("*.py") if marks.search(file.read_text(encoding="utf-8"))]
    assert marked == []


def test_no_lock_files() -> None:
    """The exact versions stand in one place only."""
    own = (e for e in ROOT.iterdir() if not e.name.startswith(".") and e.name not in MADE_BY_TOOLS)
    files = [file for entry in own for file in ([entry] if entry.is_file() else entry.rglob("*"))]
    names = {file.name for file in files}
    assert not {name for name in names if name.endswith(".lock") or name == "package-lock.json"}
    assert not {name for name in names if re.fullmatch(r"requirements.*\.txt", name)}


def test_every_package_in_use_is_pinned_and_has_the_pinned_version() -> None:
    pinned, special = pins()
    open_ends: list[tuple[str, tuple[str, ...]]] = [("nanoai-gui", ("test",))]
    seen: set[str] = set()
    while open_ends:
        name, extras = open_ends.pop()
        for requirement in requirements(name, extras):
            wanted = canonicalize_name(requirement.name)
            if wanted not in seen:
                seen.add(wanted)
                open_ends.append((wanted, tuple(requirement.extras)))
    assert len(seen) > 40
    assert seen - set(pinned) == set(), "add these to packaging/constraints.txt"
    assert set(pinned) - seen - {"setuptools"} == set(), "no longer needed in packaging/constraints.txt"
    wrong = {name: importlib.metadata.version(name) for name in seen}
    assert {name: version for name, version in wrong.items() if version != pinned[name]} == {}
    own = {canonicalize_name(r.name) for r in requirements("nanoai-gui", ("train", "bundle"))}
    assert own - set(pinned) - set(special) == set()
    assert set(special) & seen == set(), "the program needs these: not only to train or to bundle"


def test_core_and_command_line_know_no_qt() -> None:
    statement = "\n".join(f"import {name}" for name in [*core_modules(), "nanoai_gui.cli"])
    assert imported_by(statement) & set(QT) == set()


@pytest.mark.parametrize("module", ["nanoai_gui.cli", "nanoai_gui.__main__", "nanoai_gui.gui.app"])
def test_start_loads_nothing_heavy(module: str) -> None:
    """What is not needed for the first window is imported when first used."""
    assert imported_by(f"import {module}") & set(HEAVY) == set()


def test_importing_any_part_of_the_core_loads_nothing_heavy() -> None:
    """So that a worker, too, pays only for what it uses."""
    statement = "\n".join(f"import {name}" for name in core_modules())
    assert imported_by(statement) & set(HEAVY) == set()
