"""Saving what can be read of a damaged project into a new one; the damaged file is only read."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.packing import PackingError
from nanoai_gui.core.plain import from_bytes
from nanoai_gui.core.project import schema
from nanoai_gui.core.project.connection import connect, free_name
from nanoai_gui.core.project.opening import DAMAGE, KEPT, read_histories
from nanoai_gui.core.project.records import ImageFacts
from nanoai_gui.core.project.store import ProjectStore
from nanoai_gui.core.tem.analysis import ImageAnalysis

_OF_IMAGES = ("analyses", "labels", "tiles", "edits")
"""Tables whose rows begin with the number of an image."""
_PAGE = 4096


@dataclass(frozen=True)
class Salvaged:
    """What could be read of a damaged project: the new file, and how many images of how many known ones."""

    path: Path
    n_images: int
    n_lost: int
    problems: tuple[str, ...]


def salvage(path: Path, folder: Path | None = None) -> Salvaged:
    """Read what can be read of a damaged project into a new one.

    Parameters
    ----------
    path
        The damaged project.
    folder
        Where the new one goes; beside the damaged one by default.

    Raises
    ------
    ReadError
        If nothing at all can be read of it.
    ProjectTrouble, OSError, sqlite3.Error
        If the new file cannot be written.
    """
    target = free_name((folder or path.parent) / f"{path.stem} (recovered){schema.SUFFIX}")
    with tempfile.TemporaryDirectory(prefix="nanoai-", ignore_cleanup_errors=True) as work:
        damaged = Path(work) / "damaged.nanoai"
        for end in ("", "-wal"):
            part = path.with_name(path.name + end)
            if part.exists():
                shutil.copyfile(part, damaged.with_name(damaged.name + end))
        for _ in _ways_to_read(damaged, Path(work)):
            store = ProjectStore.create(target)
            try:
                known = _carry_over(damaged, store)
                content = store.read()
                found = {image.number for image in content.images} | set(store.removed_images().values())
            except BaseException:
                store.delete()
                raise
            if known.images:
                # No copy is kept of what is missing here: the damaged file is that.
                problems = list(content.problems)
                read_histories(content.images, problems)
                with store.transaction():
                    store.put_fact(KEPT, problems)
                store.close()
                return Salvaged(target, len(content.images), len(known.numbers - found), content.problems)
            store.delete()
    raise ReadError(f"Nothing of {path.name} can be read any more.", "Go back to a copy of it.")


def describe_salvage(damaged: Path, result: Salvaged) -> str:
    """Say what came of it."""
    images = "1 image" if result.n_images == 1 else f"{result.n_images} images"
    lost = f", {result.n_lost} could not" if result.n_lost else ""
    return (
        f"{images} of {damaged.name} could be read{lost}. They are in {result.path.name}; "
        "the damaged file was kept."
    )


def _ways_to_read(damaged: Path, folder: Path) -> Iterator[None]:
    """Make one after the other of what may be wrong with a file right, until something can be read."""
    yield
    # A log that does not fit may be what is wrong.
    damaged.with_name(damaged.name + "-wal").unlink(missing_ok=True)
    yield
    # The first page holds the list of tables, which stand in the same place in every project.
    _lend_first_page(damaged, folder)
    yield


@dataclass
class _Known:
    """Numbers of images that were read in whatever table, and whether there is anything to make one of."""

    numbers: set[int]
    images: bool = False


def _carry_over(damaged: Path, store: ProjectStore) -> _Known:
    """Write every row that can be read into an empty project, one after the other."""
    connection, known = store._connection, _Known(set())
    # A part may come before the image that it belongs to, or without it.
    connection.execute("PRAGMA foreign_keys = OFF")
    with store.transaction():
        for name, row in _rows_of(damaged):
            if _put(connection, name, row):
                known.images = known.images or name in ("images", "analyses")
            if name in ("images", *_OF_IMAGES) and isinstance(row[0], int):
                known.numbers.add(row[0])
        _stand_in(store)
        for name in _OF_IMAGES:
            connection.execute(f"DELETE FROM {name} WHERE image NOT IN (SELECT id FROM images)")
    connection.execute("PRAGMA foreign_keys = ON")
    return known


def _put(connection: sqlite3.Connection, table: str, row: tuple[object, ...]) -> bool:
    """Write a row; false if it is none of this table, by what it holds or by how many columns."""
    marks = ", ".join("?" * len(row))
    try:
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)
    except (sqlite3.IntegrityError, ValueError):
        return False
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise  # of our own disk, which is full, say
        return False
    return True


def _stand_in(store: ProjectStore) -> None:
    """Make up the rows of images that are lost from what was measured in them, which says it all again.

    Only how many edits were in force is not known, so that their history ends.
    """
    lost = "SELECT image FROM analyses WHERE image NOT IN (SELECT id FROM images)"
    for (number,) in store._connection.execute(lost).fetchall():
        (data,) = store._connection.execute("SELECT data FROM analyses WHERE image = ?", (number,)).fetchone()
        if not isinstance(data, bytes):
            continue
        with contextlib.suppress(PackingError):
            analysis = from_bytes(ImageAnalysis, data)
            request = analysis.request
            facts = ImageFacts(
                request.path, request.frame, request.calibration, request.data_bar_top, request.generation,
                analysis.name, file_calibration=analysis.calibration, shape=analysis.shape,
            )  # fmt: skip
            store.put_image(number, number, facts, False)
            store.drop_edits(number, 2**62)


def _rows_of(damaged: Path) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Give every row of every table that SQLite still reaches, from both ends, with the name of its table."""
    try:
        connection = connect(damaged)
    except DAMAGE:
        return
    try:
        with contextlib.suppress(*DAMAGE):
            # Else a file that is shorter than its head says is refused as a whole.
            connection.execute("PRAGMA writable_schema = ON")
        plain: set[str] = set()
        with contextlib.suppress(*DAMAGE):
            plain = schema.plain_tables(connection)
        for name in schema.TABLES:
            if name not in plain:
                continue
            last, is_whole = -(2**63), False
            with contextlib.suppress(*DAMAGE, OverflowError):
                for number, *row in connection.execute(f"SELECT rowid, * FROM {name} ORDER BY rowid"):
                    last = number
                    yield name, tuple(row)
                is_whole = True
            if is_whole:
                continue
            with contextlib.suppress(*DAMAGE, OverflowError):
                for number, *row in connection.execute(f"SELECT rowid, * FROM {name} ORDER BY rowid DESC"):
                    if number <= last:
                        break
                    yield name, tuple(row)
    finally:
        connection.close()


def _lend_first_page(damaged: Path, folder: Path) -> None:
    """Give a file whose beginning is destroyed the first page of an empty project."""
    fresh = folder / "fresh.nanoai"
    with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
        schema.create(connection)
    page = bytearray(fresh.read_bytes()[:_PAGE])
    n_pages = damaged.stat().st_size // _PAGE
    # The size stated in the head must be that of the file; no list of free pages.
    page[28:32] = n_pages.to_bytes(4, "big")
    page[32:40] = bytes(8)
    with damaged.open("rb+") as stream:
        stream.write(page)
