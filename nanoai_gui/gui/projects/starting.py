"""The first thing after the window is there: go on with the work as it was left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from nanoai_gui.gui.projects.places import is_project, is_unnamed, list_unnamed
from nanoai_gui.gui.projects.projects import Projects
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.widgets.notice import NoticeArea


def go_on(
    projects: Projects,
    settings: SettingsStore,
    notices: NoticeArea,
    files: Iterable[Path],
    open_files: Callable[[Iterable[Path]], object],
) -> None:
    """Open what the program was started with, or else the project of last time.

    Work that a killed window has left is never passed over: it comes first, and what it was started with is
    added to nothing but a project of its own.
    """
    wanted = list(files)
    if wanted:
        open_files(wanted)
        return
    path = find_last(settings)
    if path is None:
        return
    was_left, changed = _was_left_open(path), _changed(path)

    def tell() -> None:
        what = "Your work" if is_unnamed(path) else path.stem
        text = (
            f"NanoAI did not come to close last time. {what} is here as it was at {changed}."
            if was_left
            else f"{what} is here as you left it ({changed})."
        )
        notices.show(text, command=("Begin anew", projects.new))

    projects.open_quietly(path, tell)


def find_last(settings: SettingsStore) -> Path | None:
    """Name the project to go on with: one that a killed window left, else that of last time."""
    last = Path(settings.values.last_project) if settings.values.last_project else None
    if last is not None and last.is_file() and _was_left_open(last):
        return last
    for path in list_unnamed():
        if _was_left_open(path):
            return path
    return last if last is not None and is_project(last) and last.is_file() else None


def _was_left_open(path: Path) -> bool:
    from nanoai_gui.core.project.opening import was_left_open

    return was_left_open(path)


def _changed(path: Path) -> str:
    """Say when a project was last written: its log counts too."""
    times = []
    for file in (path, path.with_name(path.name + "-wal")):
        try:
            times.append(file.stat().st_mtime)
        except OSError:
            continue
    when = datetime.fromtimestamp(max(times, default=0.0))
    today = datetime.now().date()
    return f"{when:%H:%M}" if when.date() == today else f"{when.day} {when:%b %Y, %H:%M}"
