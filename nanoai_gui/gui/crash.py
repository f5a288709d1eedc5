"""Reports of what ended the program: written on this computer only, and never sent anywhere.

A crash inside a library leaves no Python exception; ``faulthandler`` then writes where each thread was into
a file that was opened at the start. A file in which nothing of that kind stands is removed at the end, or at
the next start if the program was killed.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from nanoai_gui.core.folders import log_folder
from nanoai_gui.gui.errors import environment

OPEN_PREFIX, REPORT_PREFIX = "running-", "crash-"
MOST_REPORTS = 10
_SIGNS = ("Fatal Python error", "Windows fatal exception")


def watch_for_crashes(folder: Path | None = None) -> Callable[[], None]:
    """Write a report should the program crash; where the folder cannot be written, none is.

    Returns
    -------
    callable
        Ends it, and removes the file.
    """
    where = log_folder() if folder is None else folder
    path = where / f"{OPEN_PREFIX}{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        where.mkdir(parents=True, exist_ok=True)
        stream = path.open("w", encoding="utf-8")
        stream.write(f"{environment()}\nStarted {time.strftime('%Y-%m-%d %H:%M:%S')}\n\n")
        stream.flush()
    except OSError:
        return lambda: None
    faulthandler.enable(stream, all_threads=True)

    def stop() -> None:
        faulthandler.disable()
        _close(stream, path)

    return stop


def _close(stream: TextIO, path: Path) -> None:
    with contextlib.suppress(OSError):
        stream.close()
        path.unlink()


def reports_of_crashes(folder: Path | None = None) -> list[Path]:
    """Give the reports that crashes have left since this was last asked, and tidy up.

    Files of programs that still run are left alone.
    """
    where = log_folder() if folder is None else folder
    found = []
    with contextlib.suppress(OSError):
        for path in sorted(where.glob(f"{OPEN_PREFIX}*.txt")):
            if _is_running(path):
                continue
            # On Windows a file that is open elsewhere can be neither renamed nor removed.
            with contextlib.suppress(OSError):
                if any(sign in path.read_text(encoding="utf-8", errors="replace") for sign in _SIGNS):
                    report = path.with_name(REPORT_PREFIX + path.name.removeprefix(OPEN_PREFIX))
                    path.rename(report)
                    found.append(report)
                else:
                    path.unlink()
        for old in sorted(where.glob(f"{REPORT_PREFIX}*.txt"))[:-MOST_REPORTS]:
            old.unlink()
    return found


def _is_running(path: Path) -> bool:
    """Whether the process that a file is named after lives."""
    number = path.stem.rsplit("-", 1)[-1]
    # In a container each start may have the same number; this one has no file yet.
    if os.name == "nt" or not number.isdecimal() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
