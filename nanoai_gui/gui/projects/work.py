"""What is done to project files away from the window: opening, saving elsewhere, copying, salvaging."""

from __future__ import annotations

import errno
import os
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

from nanoai_gui.core.editing.history import History
from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.files.atomic import write_error
from nanoai_gui.core.project.connection import is_full, trouble
from nanoai_gui.core.project.errors import ProjectTrouble
from nanoai_gui.core.project.opening import (
    Opened,
    Salvaged,
    copy_project,
    open_project,
    open_store,
    read_histories,
    read_project,
    salvage,
    settle_copy,
)
from nanoai_gui.core.project.records import StoredImage
from nanoai_gui.core.project.sources import locate
from nanoai_gui.core.project.store import ProjectStore
from nanoai_gui.core.project.writer import ProjectWriter, Write


@dataclass(frozen=True)
class Prepared:
    """An open project with the histories of its images, and all sentences on what could not be read."""

    project: Opened
    histories: dict[int, History]
    problems: tuple[str, ...]


def try_open(path: Path, read_only: bool) -> Prepared | NanoAIError:
    """Open a project; why it cannot be opened is a value, for the window to find a way."""
    try:
        found = read_project(path) if read_only else open_project(path)
    except NanoAIError as error:
        return error
    # A project that was moved together with its images finds them before anybody sees that they were gone.
    images = tuple(replace(image, source=locate(image.source, found.path)) for image in found.content.images)
    found = replace(found, content=replace(found.content, images=images))
    problems = list(found.content.problems)
    return Prepared(found, read_histories(found.content.images, problems), tuple(problems))


def read_removed(writer: ProjectWriter, keys: list[int]) -> tuple[list[StoredImage], dict[int, History]]:
    """Read images that were taken off the list."""
    images = writer.call(lambda store: [store.image(key) for key in keys])
    return images, read_histories(images)


def try_salvage(path: Path, folder: Path | None) -> Salvaged | NanoAIError:
    """Save what can be read of a damaged project."""
    try:
        return salvage(path, folder)
    except NanoAIError as error:
        return error
    except (OSError, sqlite3.Error) as error:
        return _sentence(path, error)


def save_elsewhere(writer: ProjectWriter, path: Path) -> ProjectStore | NanoAIError | None:
    """Write a project under another name and open it there; ``None`` if the present file is in trouble."""
    if writer.trouble is not None:
        return None
    temporary = _temporary(path)
    try:
        try:
            writer.call(lambda store: store.copy_to(temporary))
        except sqlite3.Error as error:
            return _sentence(path, error) if is_full(error) else None
        except NanoAIError:
            return None
        settle_copy(temporary, path)
        return open_store(path)[0]
    except NanoAIError as error:
        return error
    except (OSError, sqlite3.Error) as error:
        return _sentence(path, error)
    finally:
        temporary.unlink(missing_ok=True)


def write_anew(everything: Write, path: Path) -> ProjectStore | NanoAIError:
    """Write a project from what the window holds, and open it.

    Parameters
    ----------
    everything
        Writes all of it into an empty project.
    """
    temporary = _temporary(path)
    try:
        store = ProjectStore.create(temporary)
        try:
            with store.transaction():
                everything(store)
        finally:
            store.close()
        settle_copy(temporary, path)
        return open_store(path)[0]
    except ProjectTrouble as error:
        cause = error.__cause__  # in the words of the place it was to go to
        return _sentence(path, cause) if isinstance(cause, OSError | sqlite3.Error) else error
    except NanoAIError as error:
        return error
    except (OSError, sqlite3.Error) as error:
        return _sentence(path, error)
    finally:
        temporary.unlink(missing_ok=True)


def write_copy(writer: ProjectWriter | None, origin: Path | None, path: Path) -> NanoAIError | None:
    """Write a copy of a project: of the one that is open, or of a file."""
    temporary = _temporary(path)
    try:
        if writer is not None:
            writer.call(lambda store: store.copy_to(temporary))
            settle_copy(temporary, path)
        elif origin is not None:
            copy_project(origin, path)
    except NanoAIError as error:
        return error
    except (OSError, sqlite3.Error) as error:
        return _sentence(path, error)
    finally:
        temporary.unlink(missing_ok=True)
    return None


def copy_and_open(origin: Path, path: Path) -> ProjectStore:
    """Copy a project and open the copy; raises what these raise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copy_project(origin, path)
    return open_store(path)[0]


def _temporary(path: Path) -> Path:
    return path.with_name(f".nanoai-{os.urandom(6).hex()}.tmp")


def _sentence(path: Path, error: OSError | sqlite3.Error) -> NanoAIError:
    if isinstance(error, OSError):
        return write_error(path, error)
    return write_error(path, OSError(errno.ENOSPC, "")) if is_full(error) else trouble(path, error)
