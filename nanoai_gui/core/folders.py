"""Where NanoAI keeps what is not the program: settings, trained models, the log and caches.

These lie in the platform's folders of the user, apart from the program, which may be read-only and stand
beside other versions of itself. In portable mode, asked for by a file ``portable`` beside the program, all of
it lies in the folder ``data`` there and nothing is left on the computer. The environment variable
``NANOAI_HOME`` names any other folder for all of it, and goes before both.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

APP = "nanoai-gui"
MARKER, PORTABLE_DATA = "portable", "data"
HOME_VARIABLE = "NANOAI_HOME"


def program_folder() -> Path | None:
    """Give the folder of the standalone program; ``None`` when run from an installed package."""
    if not getattr(sys, "frozen", False):
        return None
    program = Path(sys.executable).resolve()
    for parent in program.parents:
        if parent.suffix == ".app":  # on macOS the program is a folder itself
            return parent.parent
    return program.parent


def portable_folder() -> Path | None:
    """Give the folder that holds everything where one was asked for, else ``None``."""
    if os.environ.get(HOME_VARIABLE):
        return Path(os.environ[HOME_VARIABLE]).absolute()
    folder = program_folder()
    return folder / PORTABLE_DATA if folder is not None and (folder / MARKER).exists() else None


def config_folder() -> Path:
    """Name the folder of the settings; like the others, it may not exist yet."""
    import platformdirs

    return _portable("config") or platformdirs.user_config_path(APP, appauthor=False)


def data_folder() -> Path:
    """Name the folder of trained models and of projects being worked on."""
    import platformdirs

    return _portable("data") or platformdirs.user_data_path(APP, appauthor=False)


def log_folder() -> Path:
    """Name the folder of the log and of crash reports."""
    import platformdirs

    return _portable("log") or platformdirs.user_log_path(APP, appauthor=False)


def cache_folder() -> Path:
    """Name the folder of what can be computed again, such as thumbnails."""
    import platformdirs

    return _portable("cache") or platformdirs.user_cache_path(APP, appauthor=False)


def _portable(name: str) -> Path | None:
    folder = portable_folder()
    return None if folder is None else folder / name
