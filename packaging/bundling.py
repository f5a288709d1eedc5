"""``bootstrap.py bundle``: from this checkout to a program that runs where there is no Python.

Leaves in ``dist`` the folder of the program and its archives, and says how large they are.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import installers
from environment import (
    ROOT,
    WINDOW_LIBRARIES,
    Environment,
    SetupError,
    call,
    install_packages,
    provide_libraries,
    say,
)

BUILD = ROOT / "build"
DIST = ROOT / "dist"
PARTS = BUILD / "parts"
LARGEST_FOLDER, LARGEST_ARCHIVE = 350e6, 130e6
"""Bytes: what the program may take unpacked, and to download."""
USUAL_LEVEL = 6
NOT_POSSIBLE = 3
"""What tests/bundle/clean_root.py exits with where there can be no clean root."""
TESTS_FAILED = 1
"""What pytest exits with if tests ran and some failed."""
ROOM = 5e9
"""Bytes on the disk to make and test it, with the packages it is made of."""
TEST_TOOLS = {"debootstrap": "debootstrap", "Xvfb": "xvfb", "xdotool": "xdotool", "import": "imagemagick"}
"""Commands that tests/bundle needs, and the Debian packages that hold them."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bootstrap.py bundle", description=__doc__)
    parser.add_argument(
        "--test", action="store_true", help="test it in a system without Python (Linux, root)"
    )
    parser.add_argument(
        "--if-possible", action="store_true",
        help="with --test: make nothing, say why, and exit with 0 where it cannot be tested",
    )  # fmt: skip
    parser.add_argument(
        "--folder-only", action="store_true", help="make no archives (quicker, to try it out)"
    )
    parser.add_argument("--keep", action="store_true", help="test the program that is there already")
    parser.add_argument(
        "--level", type=int, default=USUAL_LEVEL, choices=range(10),
        help=f"effort of xz ({USUAL_LEVEL}: the usual; 0: quick, to try it out)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.test and options.if_possible:
        reason = why_not_test()
        if reason:
            say(f"SKIPPED: the standalone program cannot be tested here: {reason}")
            return 0
    folder = DIST / folder_name()
    if not (options.keep and folder.is_dir()):
        build(folder)
    archives = [] if options.folder_only else installers.make_archives(folder, DIST, BUILD, options.level)
    status = report(folder, archives, judges_archives=options.level >= USUAL_LEVEL)
    if options.test:
        status = test(folder, archives) or status
    return status


def version() -> str:
    """The version in nanoai_gui/__init__.py, read without importing anything."""
    text = (ROOT / "nanoai_gui" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    assert found is not None
    return found[1]


def folder_name() -> str:
    system = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
    return f"NanoAI-{version()}-{system}-{platform.machine().lower()}"


def build(folder: Path) -> None:
    """Make the folder of the program with PyInstaller, in an environment of its own."""
    started = time.monotonic()
    environment = Environment(BUILD / "bundle-env", "build/bundle-env")
    environment.install("bundle")
    lacking = provide_libraries(WINDOW_LIBRARIES)
    if lacking:
        raise SetupError(f"Libraries that go into the program are missing here. {lacking}")
    say("Making icons, version information and the files of the self-test")
    shutil.rmtree(PARTS, ignore_errors=True)
    for script, *arguments in (("make_icons.py", PARTS), ("selftest_files.py", PARTS / "selftest")):
        if call([environment.python, ROOT / "packaging" / script, *arguments], QT_QPA_PLATFORM="offscreen"):
            raise SetupError(f"packaging/{script} failed; its message stands above.")
    installers.write_windows_version(PARTS / "version_info.txt", version())
    say("Collecting the program with PyInstaller (one to two minutes)")
    log = BUILD / "pyinstaller.log"
    made = BUILD / "pyinstaller"
    shutil.rmtree(made, ignore_errors=True)
    spec = ROOT / "packaging" / "nanoai.spec"
    command: list[str | Path] = [environment.python, "-m", "PyInstaller", spec, "--noconfirm"]
    command += ["--distpath", made, "--workpath", BUILD / "work"]
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "NANOAI_BUNDLE_PARTS": str(PARTS), "PYTHONHASHSEED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-25:])
        raise SetupError(f"PyInstaller failed (all of it in {log}):\n{tail}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    app = made / "NanoAI.app"
    if app.is_dir():
        folder.mkdir()
        shutil.copytree(app, folder / "NanoAI.app", symlinks=True)
    else:
        shutil.copytree(made / "nanoai", folder, symlinks=True)
    installers.complete_folder(folder, PARTS, version())
    say(f"Made {folder.relative_to(ROOT)} in {time.monotonic() - started:.0f} s")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder (what a link points to counts once)."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def report(folder: Path, archives: list[Path], *, judges_archives: bool) -> int:
    """Print the sizes, and what of the system the program needs; 1 if it is larger than it may be."""
    size = size_of(folder)
    say(f"{folder.name}: {size / 1e6:.0f} MB unpacked (at most {LARGEST_FOLDER / 1e6:.0f})")
    too_large = size > LARGEST_FOLDER
    for archive in archives:
        size = size_of(archive)
        too_large = too_large or (judges_archives and size > LARGEST_ARCHIVE)
        say(f"{archive.name}: {size / 1e6:.0f} MB (at most {LARGEST_ARCHIVE / 1e6:.0f})")
    if sys.platform == "linux":
        libraries, glibc = installers.system_needs(folder)
        say(f"Needs glibc {glibc} or newer, and of the system: {' '.join(sorted(libraries))}")
    if too_large:
        say("FAILED: larger than it may be")
    # The limits were set on Linux; elsewhere Qt and Python come in other pieces.
    return 1 if too_large and sys.platform == "linux" else 0


def environment_of_tests() -> Environment:
    environment = Environment(ROOT / ".venv", ".venv")
    environment.install("test")
    return environment


def why_not_test() -> str:
    """See to what tests/bundle needs; give the reason where that cannot be had, which is no failure."""
    free = shutil.disk_usage(ROOT).free
    if free < ROOM:
        return f"the disk has room for {free / 1e9:.1f} GB, and {ROOM / 1e9:.0f} are needed"
    missing = [package for tool, package in TEST_TOOLS.items() if shutil.which(tool) is None]
    if missing:
        install_packages(missing)
    command: list[str | Path] = [environment_of_tests().python, "-m", "tests.bundle.clean_root"]
    say("Making a system without Python to test the program in")
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return ""
    if done.returncode == NOT_POSSIBLE:
        return done.stderr.strip()
    raise SetupError(f"The system to test in cannot be made:\n{done.stderr}")


def test(folder: Path, archives: list[Path]) -> int:
    """Run tests/bundle on the program, with the tests' own environment."""
    environment = environment_of_tests()
    say("Testing the program (tests/bundle)")
    names = {"NANOAI_BUNDLE": str(folder), "NANOAI_BUNDLE_ARCHIVES": os.pathsep.join(map(str, archives))}
    command: list[str | Path] = [environment.python, "-m", "pytest", "-s", "--timeout", "900", "tests/bundle"]
    # The self-test alone takes longer on a busy machine than the time after which pytest shows stacks.
    command += ["-o", "faulthandler_timeout=0"]
    status = call(command, **names)
    if status == TESTS_FAILED:
        say("Once more what failed: a hand on a screen can be too early on a busy machine")
        status = call([*command, "--last-failed"], **names)
    return status
