"""A Debian that has never seen Python, to run the standalone program in.

python -m tests.bundle.clean_root    make it; exit code 3, and why, where that is not possible
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.bundle import screen

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = ("libgl1", "libegl1", "fontconfig-config", "fonts-dejavu-core")
"""What README.md asks of a system to run the program, and nothing else."""
USER, USER_ID = "lab", 1000
HOME = f"/home/{USER}"
PLACE = Path(__file__).resolve().parents[2] / "build" / "clean-root"
ROOM = 2e9
"""Bytes: the system, the program in it, and copies of the program that tests make there."""
ANSWER_SECONDS, MAKE_SECONDS = 15.0, 900.0
"""How long the mirror may take to answer, and the whole to be made."""
NOT_POSSIBLE = 3


class NotPossible(Exception):
    """There can be no clean root here; says why."""


def why_not() -> str:
    """Say why there can be no clean root here, or nothing."""
    if os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root can make and enter one"
    for tool in ("debootstrap", "chroot", "unshare"):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    separate = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]
    if subprocess.run(separate, capture_output=True, check=False).returncode != 0:
        return "processes cannot be given a system of their own (in a container, for instance)"
    return ""


def _why_not_make(folder: Path) -> str:
    """Say why it cannot be made now, without waiting long for a network that is not there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < ROOM:
        return f"the disk has room for {free / 1e9:.1f} GB, and {ROOM / 1e9:.0f} are needed"
    try:
        with urllib.request.urlopen(f"{MIRROR}/dists/{SUITE}/Release", timeout=ANSWER_SECONDS) as answer:
            answer.read(1)
    except (OSError, ValueError) as error:
        return f"{MIRROR} cannot be reached ({error})"
    return ""


def _make(folder: Path) -> None:
    """Make the system; what debootstrap mounts there is seen by nobody else, and goes with it."""
    begin = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    making = subprocess.Popen(
        [*begin, SUITE, folder, MIRROR],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = making.communicate(timeout=MAKE_SECONDS)
    except subprocess.TimeoutExpired as error:
        stop(making)
        raise NotPossible(f"debootstrap was not done after {MAKE_SECONDS:.0f} s") from error
    if making.returncode != 0:
        last = (output.strip().splitlines() or ["it does not say why"])[-1]
        raise NotPossible(f"debootstrap failed: {last}")


class CleanRoot:
    """The root of the clean system; made once and kept, as it takes minutes and the network.

    Raises
    ------
    NotPossible
        If there can be none here, or not now.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        reason = why_not()
        if reason:
            raise NotPossible(reason)
        stamp = folder.with_suffix(".made")
        wanted = " ".join((SUITE, *PACKAGES))
        if not (stamp.exists() and stamp.read_text() == wanted and folder.is_dir()):
            stamp.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            reason = _why_not_make(folder)
            if reason:
                raise NotPossible(reason)
            _make(folder)
            stamp.write_text(wanted)
        self._add_user()

    def _add_user(self) -> None:
        passwd = self.folder / "etc" / "passwd"
        if f"{USER}:" not in passwd.read_text():
            with passwd.open("a") as file:
                file.write(f"{USER}:x:{USER_ID}:{USER_ID}::{HOME}:/bin/sh\n")
        for left in self.path("/tmp").iterdir():
            if left.is_file():
                left.unlink()
            elif left.name != ".X11-unix":
                shutil.rmtree(left)
        home = self.path(HOME)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        os.chown(home, USER_ID, USER_ID)

    def path(self, inside: str) -> Path:
        """Where something inside lies outside."""
        return self.folder / inside.lstrip("/")

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        as_root: bool = False,
        log: Path | None = None,
        goes_first: bool = False,
    ) -> subprocess.Popen[str]:
        """Start a program inside, with no network, no variables but these, and processes of its own.

        Of this machine only the X server's socket is seen, as ``/tmp/.X11-unix``. One that ``goes_first``
        is run before all other work on the machine, as if there were none: to measure how fast it is.
        """
        given = {
            "HOME": "/root" if as_root else HOME,
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
        }
        given |= environment or {}
        script = (
            'set -e; root=$1; shift; mount -t proc proc "$root/proc"; mount -t tmpfs tmpfs "$root/dev/shm"; '
            'mkdir -p "$root/tmp/.X11-unix"; '
            'if [ -d /tmp/.X11-unix ]; then mount --bind /tmp/.X11-unix "$root/tmp/.X11-unix"; fi; exec "$@"'
        )
        first = ["chrt", "-r", "1"] if goes_first and shutil.which("chrt") else []
        who = [] if as_root else [f"--userspec={USER_ID}:{USER_ID}"]
        self.path("/dev/shm").mkdir(exist_ok=True)
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("w")) if log is not None else subprocess.PIPE
            return self._start(first, script, who, given, command, output)

    def _start(
        self,
        first: Sequence[str],
        script: str,
        who: Sequence[str],
        given: Mapping[str, str],
        command: Sequence[str],
        output: IO[str] | int,
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *first, "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script,
                "enter", self.folder, "chroot", *who, self.folder,
                "/usr/bin/env", "-i", *(f"{key}={value}" for key, value in given.items()), *command,
            ],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        as_root: bool = False,
        timeout: float = 300,
    ) -> tuple[int, str]:
        """Run a program inside to its end; give exit code and output."""
        process = self.start(command, environment, as_root=as_root)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            stop(process)
            raise
        return process.returncode, output


def stop(process: subprocess.Popen[str]) -> None:
    """End a program that is still running, with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def main() -> int:
    reason = screen.why_not()
    try:
        if not reason:
            CleanRoot(PLACE)
    except NotPossible as error:
        reason = str(error)
    if reason:
        print(reason, file=sys.stderr)
    return NOT_POSSIBLE if reason else 0


if __name__ == "__main__":
    sys.exit(main())
