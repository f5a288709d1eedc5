"""How SQLite is spoken to: connections, transactions, and what its errors mean to a person."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from nanoai_gui.core.project.errors import ProjectBroken, ProjectTrouble

_FULL, _READONLY, _CORRUPT, _NOTADB, _BUSY, _IOERR = 13, 8, 11, 26, 5, 10
LEAST_ROOM = 2**18
"""Bytes: with less left on it a disk is full."""
_FOR_EVER = {1, 18, 19, 20, 21, 25}
"""SQLite's codes for what no further try can change: a table that is gone, too big, a constraint, another
type, misuse, out of range."""


def connect(path: Path, query: str = "mode=rw") -> sqlite3.Connection:
    """Open a database that may come from anywhere; transactions are ours to begin and end."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=5,
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def free_name(path: Path) -> Path:
    """Give the path itself, or the next one with a number that is not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem} {number}{path.suffix}")
    return free


def use_log(connection: sqlite3.Connection) -> None:
    """Write ahead, and have every transaction on the disk before it counts: a power cut loses nothing."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def connect_with_log(path: Path) -> sqlite3.Connection:
    """Open a database for work, see :func:`use_log`; it is closed again if that cannot be."""
    connection = connect(path)
    try:
        use_log(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def is_full(path: Path, error: sqlite3.Error) -> bool:
    """Whether there was no room for what was to be written at ``path``."""
    code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    if code != _IOERR:
        return code == _FULL
    # So SQLite says it where there is no room for the files that it keeps beside the project.
    try:
        return shutil.disk_usage(path.parent).free < LEAST_ROOM
    except OSError:
        return False


def trouble(path: Path, error: sqlite3.Error) -> ProjectTrouble:
    """Say in a sentence why a project cannot be written."""
    code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    if is_full(path, error):
        return ProjectTrouble(
            f"The disk is full, so the last changes are not yet in {path.name}.", "Free some space on it."
        )
    if code == _READONLY:
        return ProjectTrouble(
            f"{path.name} may no longer be written, so the last changes are not yet in it.",
            "Give it back its permissions.",
        )
    if code == _BUSY:
        return ProjectTrouble(f"Another program is using {path.name}, so it cannot be written just now.")
    if code in (_CORRUPT, _NOTADB):
        return ProjectBroken(f"{path.name} was damaged by something from outside.")
    if code in _FOR_EVER or isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
        return ProjectBroken(f"{path.name} takes the last changes no more ({error}).")
    return ProjectTrouble(f"{path.name} cannot be written ({error}).")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do what is done inside altogether, or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def identity(path: Path) -> tuple[int, int] | None:
    """Tell a file from another that comes in its place; ``None`` if there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_dev, facts.st_ino
