"""What the tests of the standalone program need; where something is missing they are skipped, and say why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle import screen
from tests.bundle.clean_root import NOT_POSSIBLE, PLACE, CleanRoot
from tests.bundle.screen import Screen

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "/opt/NanoAI"
"""Where the program lies in the clean root: owned by root, so that who runs it cannot write there."""


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The folder of the standalone program."""
    folder = os.environ.get("NANOAI_BUNDLE", "")
    if not folder:
        pytest.skip("there is no standalone program; packaging/bootstrap.py bundle --test makes and tests it")
    return Path(folder)


@pytest.fixture(scope="session")
def archives() -> list[Path]:
    """What is offered for download."""
    found = [Path(name) for name in os.environ.get("NANOAI_BUNDLE_ARCHIVES", "").split(os.pathsep) if name]
    if not found:
        pytest.skip("no archives were made")
    return found


@pytest.fixture(scope="session")
def root(bundle: Path) -> CleanRoot:
    """A Debian without Python, with the program in it."""
    # In a process of its own: it takes the network, which a test must not.
    command = [sys.executable, "-m", "tests.bundle.clean_root"]
    making = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if making.returncode == NOT_POSSIBLE:
        pytest.skip(f"there can be no clean root here: {making.stderr.strip()}")
    assert making.returncode == 0, making.stderr
    made = CleanRoot(PLACE)
    target = made.path(PROGRAM)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(bundle, target, symlinks=True)
    return made


@pytest.fixture(scope="session")
def display() -> Iterator[Screen]:
    """A screen of a small laptop; its pictures are for people to look at."""
    reason = screen.why_not()
    if reason:
        pytest.skip(f"there can be no screen here: {reason}")
    made = Screen(1280, 800, ROOT / "build" / "bundle-pictures")
    yield made
    made.close()
