"""Where projects lie that nobody has named, and what they are called."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from nanoai_gui.core.folders import data_folder

SUFFIX = ".nanoai"


def is_project(path: Path) -> bool:
    """Whether a file is a project, by its ending."""
    return path.suffix.lower() == SUFFIX


def unnamed_folder() -> Path:
    """Name the folder of the projects that nobody has named (it may not exist yet)."""
    return data_folder() / "unnamed"


def new_unnamed() -> Path:
    """Name a new one by the time, with hundredths: nobody begins two at once."""
    name = f"{datetime.now():%Y-%m-%d %H.%M.%S.%f}"[:-4]
    return unnamed_folder() / f"{name}{SUFFIX}"


def places_beside(path: Path) -> list[Path]:
    """Name where to go on with a project that is written no more: beside it, else among the unnamed."""
    from nanoai_gui.core.project.connection import free_name

    stem = path.stem.split(" (continued)")[0]
    beside = [] if is_unnamed(path) else [free_name(path.with_name(f"{stem} (continued){SUFFIX}"))]
    return [*beside, new_unnamed()]


def list_unnamed() -> list[Path]:
    """List them, those changed last first."""
    try:
        found = [(path.stat().st_mtime, path) for path in unnamed_folder().iterdir() if is_project(path)]
    except OSError:
        return []
    return [path for _, path in sorted(found, reverse=True)]


def is_unnamed(path: Path) -> bool:
    """Whether nobody has named a project yet."""
    return path.parent == unnamed_folder()


def title_of(path: Path) -> str:
    """Say what a project is called; an unnamed one by the time of its last change."""
    if not is_unnamed(path):
        return path.stem
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime)
    except OSError:
        return "Unnamed work"
    return f"Unnamed work of {changed.day} {changed:%b %Y, %H:%M}"
