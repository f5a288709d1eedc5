"""What is done to project files away from the window: opening, saving elsewhere, copying, salvaging."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, overload

from nanoai_gui.core.editing.history import History
from nanoai_gui.core.errors import NanoAIError, ReadError
from nanoai_gui.core.files.atomic import write_error
from nanoai_gui.core.project.connection import connect, is_full, trouble
from nanoai_gui.core.project.errors import ProjectTrouble
from nanoai_gui.core.project.leftovers import sweep
from nanoai_gui.core.project.opening import (
    DAMAGE,
    Opened,
    copy_as_it_is,
    copy_project,
    keep_as_it_was,
    open_project,
    open_store,
    read_histories,
    read_project,
    settle_copy,
)
from nanoai_gui.core.project.records import StoredImage
from nanoai_gui.core.project.salvaging import Salvaged, salvage
from nanoai_gui.core.project.sources import locate
from nanoai_gui.core.project.store import ProjectStore
from nanoai_gui.core.project.writer import ProjectWriter, Write
from nanoai_gui.gui.projects.places import is_unnamed


@dataclass(frozen=True)
class Prepared:
    """An open project with the histories of its images, and all sentences on what could not be read.

    ``damaged`` is the copy that was kept of it where there are any.
    """

    project: Opened
    histories: dict[int, History]
    problems: tuple[str, ...]
    damaged: Path | None = None


def try_open(path: Path, read_only: bool) -> Prepared | NanoAIError:
    """Open a project; why it cannot be opened is a value, for the window to find a way."""
    if not read_only:
        sweep(path.parent)
    try:
        found = read_project(path) if read_only else open_project(path)
    except NanoAIError as error:
        return error
    except MemoryError:
        return ReadError(f"{path.name} holds more than fits into the memory of this computer.")
    try:
        return _prepared(found)
    except BaseException:
        if found.store is not None:
            found.store.close()
        raise


def _prepared(found: Opened) -> Prepared:
    # A project that was moved together with its images finds them before anybody sees that they were gone.
    images = tuple(replace(image, source=locate(image.source, found.path)) for image in found.content.images)
    found = replace(found, content=replace(found.content, images=images))
    problems = list(found.content.problems)
    histories = read_histories(found.content.images, problems)
    damaged = None
    if problems:
        try:
            damaged = keep_as_it_was(found, problems)
        except (NanoAIError, OSError, sqlite3.Error):
            problems.append("There was no room to keep a copy of it as it was.")
    return Prepared(found, histories, tuple(problems), damaged)


def read_removed(
    writer: ProjectWriter, keys: list[int]
) -> tuple[list[StoredImage], dict[int, History], list[str]]:
    """Read images that were taken off the list; sentences on those that cannot be read come with them."""
    images: list[StoredImage] = []
    problems: list[str] = []
    for key in keys:
        try:
            images.append(writer.call(partial(ProjectStore.image, number=key, problems=problems)))
        except NanoAIError as error:
            problems.append(str(error))
        except (KeyError, ValueError, TypeError, sqlite3.Error) as error:
            problems.append(f"Image {key} of the project could not be read ({error}).")
    return images, read_histories(images, problems), problems


def try_salvage(path: Path, folder: Path | None) -> Salvaged | NanoAIError:
    """Save what can be read of a damaged project."""
    try:
        return salvage(path, folder)
    except NanoAIError as error:
        return error
    except (OSError, sqlite3.Error) as error:
        return sentence(path, error)


def save_elsewhere(writer: ProjectWriter, path: Path) -> ProjectStore | NanoAIError | None:
    """Write a project under another name and open it there; ``None`` if the present file is in trouble."""
    if writer.trouble is not None:
        return None

    def write(temporary: Path) -> None:
        try:
            writer.call(lambda store: store.copy_to(temporary))
        except NanoAIError as error:
            raise _Elsewhere from error
        except sqlite3.Error as error:
            if is_full(temporary, error):
                raise
            raise _Elsewhere from error

    try:
        return _settled(path, write)
    except _Elsewhere:
        return None


class _Elsewhere(Exception):
    """What is to be copied cannot be read."""


def write_anew(everything: Write, path: Path, origin: Path | None = None) -> ProjectStore | NanoAIError:
    """Write a project from what the window holds, and open it.

    Parameters
    ----------
    everything
        Writes all of it into an empty project, or over an older state of the same.
    origin
        The project as it was: what the window does not hold (images that were taken off the list, the
        journal) comes from there, as far as it can be read.
    """

    def write(temporary: Path) -> None:
        if origin is not None and _write_over(origin, temporary, everything):
            return
        temporary.unlink(missing_ok=True)
        store = ProjectStore.create(temporary)
        try:
            with store.transaction():
                everything(store)
        finally:
            store.close()

    return _settled(path, write)


def _write_over(origin: Path, temporary: Path, everything: Write) -> bool:
    """Write all there is over a copy of what was; false if that copy is not good for it."""
    try:
        copy_as_it_is(origin, temporary)
        store = ProjectStore(temporary, connect(temporary), None)
        try:
            with store.transaction():
                everything(store)
            return store.is_whole()
        finally:
            store.close()
    except (NanoAIError, OSError, *DAMAGE):
        return False


def write_copy(writer: ProjectWriter | None, origin: Path | None, path: Path) -> NanoAIError | None:
    """Write a copy of a project: of the one that is open, or of a file."""

    def write(temporary: Path) -> None:
        if writer is not None:
            writer.call(lambda store: store.copy_to(temporary))
        elif origin is not None:
            copy_as_it_is(origin, temporary)

    found = _settled(path, write, is_opened=False)
    return found if isinstance(found, NanoAIError) else None


def copy_and_open(origin: Path, path: Path) -> ProjectStore:
    """Copy a project and open the copy; raises what these raise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copy_project(origin, path)
    return open_store(path)[0]


@overload
def _settled(path: Path, write: Callable[[Path], object]) -> ProjectStore | NanoAIError: ...


@overload
def _settled(
    path: Path, write: Callable[[Path], object], *, is_opened: Literal[False]
) -> ProjectStore | NanoAIError | None: ...


def _settled(
    path: Path, write: Callable[[Path], object], *, is_opened: bool = True
) -> ProjectStore | NanoAIError | None:
    """Have a file written, put it in its place and open it there; why that fails is a value."""
    temporary = path.with_name(f".nanoai-{os.urandom(6).hex()}.tmp")
    try:
        if is_unnamed(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        write(temporary)
        settle_copy(temporary, path)
        return open_store(path)[0] if is_opened else None
    except ProjectTrouble as error:
        cause = error.__cause__  # in the words of the place it was to go to
        return sentence(path, cause) if isinstance(cause, OSError | sqlite3.Error) else error
    except NanoAIError as error:
        return error
    except (OSError, sqlite3.Error) as error:
        return sentence(path, error)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sentence(path: Path, error: OSError | sqlite3.Error) -> NanoAIError:
    """Say why a file could not be written."""
    if isinstance(error, OSError):
        return write_error(path, error)
    return write_error(path, OSError(errno.ENOSPC, "")) if is_full(path, error) else trouble(path, error)
