"""Opening a project: what the file is, and a way where it cannot simply be opened."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.packing import Allowance, PackingError
from nanoai_gui.core.project import schema
from nanoai_gui.core.project.connection import connect, free_name, use_log
from nanoai_gui.core.project.errors import (
    DamagedProject,
    NewerProject,
    NotAProject,
    ProjectError,
    ProjectInUse,
    ProjectReadOnly,
)
from nanoai_gui.core.project.lock import ProjectLock, lock_path
from nanoai_gui.core.project.records import ProjectContent, StoredImage
from nanoai_gui.core.project.store import ProjectStore

if TYPE_CHECKING:
    from nanoai_gui.core.editing.history import History

_MAGIC = b"SQLite format 3\0"
KEPT = "kept_damaged"
"""Fact with the problems of which a copy was kept."""
DAMAGE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file raises: SQLite's words on it hold the damaged bytes, which may be no text."""
_PASSING = {3, 5, 6, 7, 8, 10, 13, 14, 15, 23}
"""SQLite's codes for what is no damage: permission, busy, locked, memory, read only, disk, full, cannot open,
protocol, refused."""


@dataclass(frozen=True)
class Opened:
    """A project that was opened: its store (``None`` if it was only read) and all that it holds.

    ``backup`` is the file as it was before it was brought to the format of today.
    """

    path: Path
    store: ProjectStore | None
    content: ProjectContent
    backup: Path | None = None


def read_histories(images: Iterable[StoredImage], problems: list[str] | None = None) -> dict[int, History]:
    """Read the edits of images; a history that cannot be read is empty, and named in ``problems``."""
    from nanoai_gui.core.editing.edit import Edit
    from nanoai_gui.core.editing.history import History
    from nanoai_gui.core.project.checks import LARGEST_EDIT, check_edits

    found, images = {}, list(images)
    allowance = Allowance.of_file(sum(len(edit.data) for image in images for edit in image.edits))
    for image in images:
        try:
            edits = [Edit.from_bytes(edit.data, LARGEST_EDIT, allowance) for edit in image.edits]
            check_edits(edits, image.analysis is not None)
        except PackingError as error:
            edits = []
            if problems is not None:
                name = image.facts.title or image.facts.path.name
                problems.append(f"The steps of {name} can no longer be undone ({error}).")
        found[image.number] = History.from_parts(edits, image.position)
    return found


def open_project(path: Path) -> Opened:
    """Open a project for work, and read it.

    Raises
    ------
    ProjectInUse, ProjectReadOnly, NewerProject, DamagedProject, NotAProject, ReadError
        As :func:`open_store`.
    """
    store, backup = open_store(path)
    try:
        with _damage(path):
            return Opened(store.path, store, store.read(), backup)
    except BaseException:
        store.close()
        raise


def open_store(path: Path) -> tuple[ProjectStore, Path | None]:
    """Open a project for work without reading it; gives the copy of an older format that was kept.

    Raises
    ------
    ProjectInUse, ProjectReadOnly, NewerProject, DamagedProject, NotAProject
        Where it cannot be opened; the file stands as it stood.
    ReadError
        If it is not there, or the system does not let us read it.
    """
    path = _existing(path)
    _look(path)
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise ProjectReadOnly(path)
    try:
        lock = ProjectLock(path)
    except ProjectInUse:
        raise
    except OSError as error:
        raise ProjectReadOnly(path) from error
    connection: sqlite3.Connection | None = None
    try:
        with _damage(path):
            connection = connect(path)
            backup = _bring_up(path, connection)
            _check(path, connection)
            use_log(connection)
            return ProjectStore(path, connection, lock), backup
    except BaseException:
        if connection is not None:
            connection.close()
        lock.release()
        raise


def read_project(path: Path) -> Opened:
    """Read a project without changing anything of it, even while another window works on it.

    Raises
    ------
    NewerProject, DamagedProject, NotAProject, ReadError
        As :func:`open_project`.
    """
    path = _existing(path)
    _look(path)
    with _damage(path), _reading(path) as connection:
        _bring_up(path, connection, keep=False)
        _check(path, connection)
        return Opened(path, None, ProjectStore(path, connection, None).read())


def keep_as_it_was(opened: Opened, problems: Sequence[str]) -> Path | None:
    """Keep a copy of a project of which parts cannot be read, before anything is written over them.

    Gives the copy; ``None`` if there is one of the same problems already.

    Raises
    ------
    ProjectTrouble, OSError, sqlite3.Error
        If it cannot be written.
    """
    store, known = opened.store, opened.content.facts.get(KEPT)
    if store is None or (isinstance(known, list) and set(problems) <= set(map(str, known))):
        return None
    copy = free_name(opened.path.with_name(f"{opened.path.stem} (damaged){opened.path.suffix}"))
    temporary = copy.with_name(f".nanoai-{os.urandom(6).hex()}.tmp")
    try:
        store.copy_to(temporary)
        temporary.replace(copy)
    finally:
        temporary.unlink(missing_ok=True)
    with store.transaction():
        store.put_fact(KEPT, list(problems))
    return copy


def was_left_open(path: Path) -> bool:
    """Whether the window that worked on a project did not come to close it."""
    return lock_path(path).exists() or path.with_name(path.name + "-wal").exists()


def copy_project(path: Path, target: Path) -> None:
    """Write a project into a new file, even while another window works on it; ``target`` is replaced.

    Raises
    ------
    ProjectInUse
        If another window works on what would be replaced.
    OSError, sqlite3.Error
        If that fails; what stood at ``target`` still stands there.
    """
    temporary = target.with_name(f".nanoai-{os.urandom(6).hex()}.tmp")
    try:
        copy_as_it_is(path, temporary)
        settle_copy(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def copy_as_it_is(path: Path, target: Path) -> None:
    """Write a project into a new file that is not yet in its place; see :func:`settle_copy`.

    Raises
    ------
    OSError, sqlite3.Error
        If that fails.
    """
    with _reading(path) as connection:
        ProjectStore(path, connection, None).copy_to(target)


def settle_copy(temporary: Path, target: Path) -> None:
    """Put a finished copy in its place, with the sources as seen from there.

    Raises
    ------
    ProjectInUse
        If another window works on what would be replaced.
    OSError, sqlite3.Error
        If that fails; what stood at ``target`` still stands there.
    """
    lock = ProjectLock(target)
    try:
        connection = connect(temporary)
        try:
            ProjectStore(temporary, connection, None).rebase(target)
        finally:
            connection.close()
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        # A log left by a killed process belongs to what is replaced, and would spoil what replaces it.
        for end in ("-wal", "-shm"):
            target.with_name(target.name + end).unlink(missing_ok=True)
        temporary.replace(target)
    finally:
        lock.release()


# ---------------------------------------------------------------------- what a file is


def _existing(path: Path) -> Path:
    path = path.absolute()
    if not path.is_file():
        raise ReadError(f"{path.name} is not there.", "It may have been moved or deleted: choose another.")
    return path


def _look(path: Path) -> None:
    """Tell from the first bytes, before SQLite has touched anything, whether we may open it."""
    try:
        with path.open("rb") as stream:
            head = stream.read(100)
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read ({error.strerror or error}).") from error
    if not head.startswith(_MAGIC) or len(head) < 100:
        if path.suffix.lower() == schema.SUFFIX:
            raise DamagedProject(path, "its first bytes are not those of a project")
        raise NotAProject(path)
    if int.from_bytes(head[68:72], "big") != schema.APPLICATION_ID:
        raise NotAProject(path)
    version = int.from_bytes(head[60:64], "big")
    if version > schema.FORMAT:
        raise NewerProject(path, version)


def _bring_up(path: Path, connection: sqlite3.Connection, keep: bool = True) -> Path | None:
    """Turn an older format into that of today; gives the copy that was kept of it."""
    # Not from the file's head: a log left behind may hold a newer one.
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version == schema.FORMAT:
        return None
    if version not in schema.MIGRATIONS:
        raise DamagedProject(path, f"a format {version} that never was")
    backup = None
    if keep:
        backup = free_name(path.with_name(f"{path.stem} (format {version}){path.suffix}"))
        temporary = backup.with_name(f".nanoai-{os.urandom(4).hex()}.tmp")
        try:
            connection.execute("VACUUM INTO ?", (str(temporary),))
            temporary.replace(backup)
        finally:
            temporary.unlink(missing_ok=True)
    connection.execute("BEGIN IMMEDIATE")
    try:
        schema.migrate(connection, version)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return backup


def _check(path: Path, connection: sqlite3.Connection) -> None:
    found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found != "ok":
        raise DamagedProject(path, found.splitlines()[-1].strip())
    if not set(schema.TABLES) <= schema.plain_tables(connection):
        raise DamagedProject(path, "a part of it is missing")
    if schema.has_more(connection):
        # Triggers and views would run on our reading and writing; what is salvaged comes without them.
        raise DamagedProject(path, "it holds what NanoAI never put into it")


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except ProjectError:
        raise
    except (*DAMAGE, PackingError) as error:
        if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in _PASSING:
            raise ReadError(f"{path.name} cannot be opened just now ({error}).", "Try again.") from error
        raise DamagedProject(path, str(error)) from error


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to a snapshot that can be worked on freely, and leave the file as it is."""
    with tempfile.TemporaryDirectory(prefix="nanoai-", ignore_cleanup_errors=True) as folder:
        snapshot = Path(folder) / "project.nanoai"
        try:
            # The usual way: SQLite itself sees to it that a window at work and we do not meet.
            source = connect(path, "mode=ro")
            try:
                source.execute("SELECT count(*) FROM sqlite_master").fetchone()
                with contextlib.closing(sqlite3.connect(snapshot)) as target:
                    source.backup(target)
            finally:
                source.close()
        except DAMAGE:
            # On a medium that cannot be written SQLite cannot read a log: it needs a file for that.
            for end in ("", "-wal"):
                part = path.with_name(path.name + end)
                if part.exists():
                    shutil.copyfile(part, snapshot.with_name(snapshot.name + end))
        connection = connect(snapshot)
        try:
            yield connection
        finally:
            connection.close()
