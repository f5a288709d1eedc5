"""What stands in a project file, and how an older one becomes one of today.

``application_id`` says that an SQLite database is a NanoAI project, ``user_version`` which format it has.
To change the format: raise :data:`FORMAT`, change :data:`TABLES`, and add to :data:`MIGRATIONS` the function
that turns the format before into the new one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from nanoai_gui.core.project.connection import connect, transaction

APPLICATION_ID = 0x4E414E4F
"""``NANO``."""
FORMAT = 1
SUFFIX = ".nanoai"
TILE = 256
"""Edge in px of the tiles in which changed labels are written."""

TABLES: Mapping[str, str] = {
    # Small things by name, each a JSON text: when and by what it was made, settings, what is shown.
    "facts": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
    # One row an image of the list. `place` is its order; `removed` ones were taken off the list but keep
    # what was measured, should they come back. `relative` is the path as seen from the project file.
    # `pending`: it waits in a batch. `position`: how many edits of its history are in force. `state`: what
    # is known of it (ImageFacts).
    "images": """id INTEGER PRIMARY KEY, place INTEGER NOT NULL, removed INTEGER NOT NULL DEFAULT 0,
        path TEXT NOT NULL, relative TEXT, frame INTEGER, size INTEGER, mtime_ns INTEGER, sha256 TEXT,
        pending INTEGER NOT NULL DEFAULT 0, position INTEGER NOT NULL DEFAULT 0, state BLOB NOT NULL""",
    # What was measured in an image (ImageAnalysis without its labels), edits included.
    "analyses": "image INTEGER PRIMARY KEY REFERENCES images ON DELETE CASCADE, data BLOB NOT NULL",
    # The label image as it came from the analysis: little-endian int32, row by row, zlib; `crc`
    # is the CRC-32 of the compressed bytes.
    "labels": """image INTEGER PRIMARY KEY REFERENCES images ON DELETE CASCADE,
        height INTEGER NOT NULL, width INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL""",
    # Tiles of it that were changed since, 256 x 256 px (less at the lower and right edge), in the same way.
    "tiles": """image INTEGER NOT NULL REFERENCES images ON DELETE CASCADE, row INTEGER NOT NULL,
        column INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (image, row, column)""",
    # The history of each image, oldest first.
    "edits": """image INTEGER NOT NULL REFERENCES images ON DELETE CASCADE, step INTEGER NOT NULL,
        uid TEXT NOT NULL, time TEXT NOT NULL, title TEXT NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (image, step)""",
    # Everything that was done, undone and redone, for the record: never taken back.
    "journal": """id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, image INTEGER, what TEXT NOT NULL,
        title TEXT NOT NULL""",
    # The Spectra tab, in the parts it is handed over in.
    "spectra": "name TEXT PRIMARY KEY, place INTEGER NOT NULL, data BLOB NOT NULL",
    # Cards of the trained models that measured something here, as JSON.
    "models": "identity TEXT PRIMARY KEY, card TEXT NOT NULL",
}

MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}
"""By the format they start from; each goes one format further."""


def create(connection: sqlite3.Connection) -> None:
    """Lay out an empty project."""
    for name, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({columns})")
    # Numbers of our own, no input: SQLite takes no parameters here.
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def create_file(path: Path, created: Mapping[str, str]) -> None:
    """Make a file that holds an empty project, and remembers when and by what it was made.

    It has its name only once it is whole: whoever kills us on the way leaves no project that is none.

    Raises
    ------
    FileExistsError, OSError, sqlite3.Error
        If there is one, or it cannot be made.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    temporary = path.with_name(f".nanoai-{os.urandom(6).hex()}.tmp")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644))
        with contextlib.closing(connect(temporary)) as connection, transaction(connection):
            create(connection)
            connection.execute("INSERT INTO facts VALUES ('created', ?)", (json.dumps(created),))
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def plain_tables(connection: sqlite3.Connection) -> set[str]:
    """Name the tables that hold rows and nothing else: reading them runs nothing."""
    found = set()
    for name, sql in connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
    ).fetchall():
        if name in TABLES and not str(sql).upper().startswith("CREATE VIRTUAL"):
            columns = connection.execute("SELECT hidden FROM pragma_table_xinfo(?)", (name,)).fetchall()
            if not any(hidden for (hidden,) in columns):
                found.add(str(name))
    return found


def has_more(connection: sqlite3.Connection) -> bool:
    """Whether there are views, triggers, or indexes that somebody has added."""
    kinds = connection.execute("SELECT type, sql FROM sqlite_master").fetchall()
    return any(kind != "table" and not (kind == "index" and sql is None) for kind, sql in kinds)


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether all tables are there, and nothing else that runs."""
    return set(TABLES) <= plain_tables(connection) and not has_more(connection)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a project of an older format to that of today, within one transaction."""
    while version < FORMAT:
        MIGRATIONS[version](connection)
        version += 1
        connection.execute(f"PRAGMA user_version = {version}")
