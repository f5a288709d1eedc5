"""Removing half-written files that a killed program has left beside projects."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

from nanoai_gui.core.project.errors import ProjectInUse
from nanoai_gui.core.project.lock import ProjectLock

OLD_SECONDS = 3600.0
"""What is still being written was written to a moment ago."""
_NAME = re.compile(r"\.nanoai-[0-9a-f]{8,16}\.tmp(-journal|-wal|-shm)?|\.\.nanoai-[0-9a-f]{8,16}\.tmp\.lock")
"""Names that copies have before they are put in their places, and those of their logs and locks."""


def sweep(folder: Path, older_than: float = OLD_SECONDS) -> list[Path]:
    """Remove files with our names for half-written ones that are old and that no window holds.

    Never anything but a copy of what lies elsewhere: what is the only one has another name. What cannot be
    removed stays.

    Parameters
    ----------
    folder
        Where projects are, or are going to be.
    older_than
        Seconds since it was last written to.

    Returns
    -------
    list of Path
        What was removed.
    """
    gone = []
    with contextlib.suppress(OSError), os.scandir(folder) as files:
        old = [Path(file.path) for file in files if _NAME.fullmatch(file.name) and _is_old(file, older_than)]
        for path in old:
            with contextlib.suppress(OSError, ProjectInUse):
                if _remove(path):
                    gone.append(path)
    return gone


def _is_old(file: os.DirEntry[str], older_than: float) -> bool:
    return (
        file.is_file(follow_symlinks=False)
        and time.time() - file.stat(follow_symlinks=False).st_mtime > older_than
    )


def _remove(path: Path) -> bool:
    project = path.name.removeprefix(".").removesuffix(".lock") if path.suffix == ".lock" else path.name
    project = re.sub(r"-(journal|wal|shm)$", "", project)
    lock = ProjectLock(path.with_name(project))
    try:
        if path.suffix != ".lock":
            path.unlink()
    finally:
        lock.release()  # which removes the lock itself
    return not path.exists()
