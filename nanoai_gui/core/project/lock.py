"""One window at a time writes a project: a lock that the system takes away with the process that holds it.

The lock lies on a small file beside the project and not on the project itself, whose own locks SQLite takes
and would lose when the file is opened and closed a second time in one process.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from datetime import datetime
from pathlib import Path

from nanoai_gui.core.project.errors import ProjectInUse

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        # Far behind the text, which others are to read: a locked part cannot be read on Windows.
        os.lseek(descriptor, 2**20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""The lock is written into: a link in its place, unpacked with a project, must not lead to another file."""


class ProjectLock:
    """Holds a project for this process until :meth:`release`, or until the process ends in whatever way.

    Raises
    ------
    ProjectInUse
        If another window (or this one) holds it.
    OSError
        If no file can be made beside the project.
    """

    def __init__(self, project: Path) -> None:
        self._path = lock_path(project)
        self._descriptor = self._open(project)
        note = {"pid": os.getpid(), "host": platform.node(), "since": f"{datetime.now():%H:%M}"}
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, json.dumps(note).encode())

    def _open(self, project: Path) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o644)
            try:
                _take(descriptor)
            except OSError:
                os.close(descriptor)
                raise ProjectInUse(project, _holder(self._path)) from None
            # The one who held it may have removed the file between our opening and our locking it.
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == self._path.stat().st_ino:
                    return descriptor
            os.close(descriptor)

    def release(self) -> None:
        """Let others have it."""
        if self._descriptor >= 0:
            # Removed while still held, so that nobody can have locked the file that goes. Windows removes
            # only what nobody holds.
            if sys.platform != "win32":
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1
            if sys.platform == "win32":
                with contextlib.suppress(OSError):
                    self._path.unlink()


def lock_path(project: Path) -> Path:
    """Name the lock of a project."""
    real = Path(os.path.realpath(project))
    return real.with_name(f".{real.name}.lock")


def _holder(path: Path) -> str:
    """Say who holds a lock, as far as the file tells."""
    try:
        note = json.loads(path.read_bytes())
        host, since = str(note["host"]), str(note["since"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f"since {since}" if host == platform.node() else f"on {host} since {since}"
