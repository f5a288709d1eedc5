"""What every command of bootstrap.py needs: system libraries and environments with the pinned versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"

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


def fingerprint() -> str:
    """What an installation depends on: pins, requirements and entry points, Python, this place."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [
        project["project"], project["build-system"], CONSTRAINTS.read_text(encoding="utf-8"),
        platform.python_version(), platform.machine(), str(ROOT),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


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


# ----------------------------------------------------------------------------- virtual environments


class Environment:
    """A virtual environment of this checkout, with exactly the pinned versions.

    Parameters
    ----------
    folder
        Where it lies.
    name
        What it is called in messages.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.scripts / ("python.exe" if os.name == "nt" else "python")
        self.stamp = folder / "nanoai-installed.json"

    def version(self) -> str:
        """Version of the environment's Python, or nothing if it does not run (moved, its base removed)."""
        try:
            answer = subprocess.run(
                [self.python, "-c", "import platform; print(platform.python_version())"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError):
            return ""
        return answer.stdout.strip()

    def pip_command(self) -> list[str | Path]:
        """The pip that installs into the environment: its own, or else the one of the base Python."""
        if module_exists(self.python, "pip"):
            return [self.python, "-m", "pip"]
        return [sys.executable, "-m", "pip", "--python", self.python]

    def make(self) -> None:
        """Make the environment anew.

        A Debian without python3-venv makes environments that have no pip; its own pip can still fill them.
        """
        if Path(sys.prefix).resolve() == self.folder.resolve():
            raise SetupError(f"Run this with the system's python3, not with the one inside {self.name}.")
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        if not (module_exists(sys.executable, "ensurepip") or has_pip_for_others()):
            install_packages([package])
        has_own_pip = module_exists(sys.executable, "ensurepip")
        if not (has_own_pip or has_pip_for_others()):
            raise SetupError(
                f"This Python has no pip.\nInstall it with: sudo apt-get install --yes python3-pip {package}"
            )
        say(f"Making the virtual environment {self.name}")
        try:
            venv.EnvBuilder(clear=True, symlinks=os.name != "nt", with_pip=has_own_pip).create(self.folder)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SetupError(f"The virtual environment {self.folder} cannot be made: {error}") from error

    def install(self, extra: str) -> None:
        """Bring it to the pinned versions, with the packages of ``extra`` (may be empty) as well."""
        wanted = fingerprint()
        if self.version() == platform.python_version():
            try:
                stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
                if stamp["fingerprint"] == wanted and extra in ("", *stamp["extras"]):
                    return
            except (OSError, ValueError, KeyError):
                pass
        else:
            self.make()
        self.stamp.unlink(missing_ok=True)
        pip = [*self.pip_command(), "install", "-qq", "--no-input", "--disable-pip-version-check"]
        pip += ["--constraint", CONSTRAINTS]
        say(f"Installing the pinned packages into {self.name} (some 300 MB; a few minutes the first time)")
        started = time.monotonic()
        # Our own build is done with the pinned setuptools, not with whatever is newest that day.
        if call([*pip, "setuptools"]) != 0 or (
            call([*pip, "--no-build-isolation", "--editable", f".[{extra}]" if extra else "."]) != 0
        ):
            raise SetupError("pip could not install the packages; its message stands above.")
        stamp = {"fingerprint": wanted, "extras": [extra] if extra else []}
        self.stamp.write_text(json.dumps(stamp), encoding="utf-8")
        say(f"Installed in {time.monotonic() - started:.0f} s")
