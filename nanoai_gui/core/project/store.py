"""Reading and writing a project file. Knows nothing of windows, threads or waiting: one call, one statement.

A store belongs to one thread at a time. Writing happens within :meth:`ProjectStore.transaction`: all of it
or nothing. SQLite keeps a write-ahead log beside the file while it is open; a process that is killed leaves
both, and whoever opens the file next finds every transaction that had ended.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nanoai_gui
from nanoai_gui.core.packing import Allowance, PackingError
from nanoai_gui.core.plain import from_bytes, to_bytes
from nanoai_gui.core.project import schema
from nanoai_gui.core.project.cards import card_of
from nanoai_gui.core.project.checks import LARGEST_FACTS, LARGEST_NUMBER, checked_facts
from nanoai_gui.core.project.connection import (
    connect,
    connect_with_log,
    free_name,
    identity,
    transaction,
    trouble,
)
from nanoai_gui.core.project.errors import ProjectTrouble
from nanoai_gui.core.project.lock import ProjectLock
from nanoai_gui.core.project.records import (
    NO_LABELS,
    ImageFacts,
    ProjectContent,
    StoredEdit,
    StoredImage,
    without_labels,
)
from nanoai_gui.core.project.schema import TILE
from nanoai_gui.core.project.sources import Fingerprint, Source, relative_to
from nanoai_gui.core.soundness import is_size
from nanoai_gui.core.tem.agglomerates import PackedLabels, StoredLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis

MOST_IMAGES = 100_000
MOST_STEPS = 10_000


class ProjectStore:
    """An open project. Made by :meth:`create` and by :func:`nanoai_gui.core.project.opening.open_project`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: ProjectLock | None) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._identity = identity(path)
        self._cards: set[str] = set()
        self._astray: list[Path] = []

    @classmethod
    def create(cls, path: Path) -> ProjectStore:
        """Make an empty project, which no other file may stand in the way of.

        Raises
        ------
        FileExistsError, OSError, sqlite3.Error
            If it cannot be made.
        ProjectInUse
            If another window is just making it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = ProjectLock(path)
        try:
            schema.create_file(path, {"time": _now(), "version": nanoai_gui.__version__})
            try:
                return cls(path, connect_with_log(path), lock)
            except BaseException:
                path.unlink()
                raise
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Fold the log into the file, so that the one file is all, and let others have it."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def delete(self) -> None:
        """Close it and remove the file: of work that lives elsewhere now, or of none."""
        self._connection.close()
        for path in (self.path, *(self.path.with_name(self.path.name + end) for end in ("-wal", "-shm"))):
            path.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Do what is done inside altogether, or not at all.

        Raises
        ------
        ProjectTrouble
            If it cannot be written now, with the reason.
        """
        try:
            self._stay_here()
            with transaction(self._connection):
                yield
        except sqlite3.Error as error:
            raise trouble(self.path, error) from error
        except OSError as error:
            raise ProjectTrouble(
                f"{self.path.name} cannot be written ({error.strerror or error})."
            ) from error

    def _stay_here(self) -> None:
        """Write the whole project again if its file was moved or deleted under our hands."""
        if identity(self.path) == self._identity:
            return
        # SQLite would go on writing into a file without a name, or apart from its log.
        # By a name that a person finds: if we are killed before it is put in its place, it is all there is.
        fresh = free_name(self.path.with_name(f"{self.path.stem} (rescued){self.path.suffix}"))
        try:
            self.copy_to(fresh)
        except BaseException:
            # It is tried again and again: what is left of each try would fill the disk.
            fresh.unlink(missing_ok=True)
            raise
        self._connection.close()
        try:
            for end in ("-wal", "-shm"):
                self.path.with_name(self.path.name + end).unlink(missing_ok=True)
            if self.path.exists():
                # Another file came in the place of ours: it is not ours to destroy.
                other = self.path.with_name(f"{self.path.stem} (other){self.path.suffix}")
                self.path.rename(free_name(other))
            fresh.replace(self.path)
        except OSError:
            # The copy is all there is now: the next try starts from it.
            self._connection = connect(fresh)
            self._clear_astray()
            self._astray.append(fresh)
            raise
        self._clear_astray()
        self._connection = connect_with_log(self.path)
        self._identity = identity(self.path)

    def _clear_astray(self) -> None:
        while self._astray:
            self._astray.pop().unlink(missing_ok=True)

    def copy_to(self, target: Path) -> None:
        """Write all of it into a new file.

        Raises
        ------
        sqlite3.Error
            If the disk is full, or something can no longer be read.
        """
        self._connection.execute("VACUUM INTO ?", (str(target),))

    def fold(self) -> None:
        """Bring the log into the file as far as nobody reads it: a file that is copied away is up to date."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def rebase(self, project: Path) -> None:
        """Note the places of all sources as seen from another place of the project."""
        rows = self._connection.execute("SELECT id, path FROM images").fetchall()
        self._connection.executemany(
            "UPDATE images SET relative = ? WHERE id = ?",
            [(relative_to(project, Path(path)), number) for number, path in rows],
        )

    def is_whole(self) -> bool:
        """Whether it is undamaged, and holds nothing but what NanoAI puts into a project."""
        return schema.is_ours(self._connection) and self.check() == "ok"

    def check(self) -> str:
        """Have SQLite look through the whole file; ``ok`` or what it found."""
        return str(self._connection.execute("PRAGMA integrity_check").fetchone()[0])

    # ------------------------------------------------------------------ writing images

    def put_image(self, number: int, place: int, facts: ImageFacts, is_pending: bool) -> None:
        """Write what is known of an image, and where it stands in the list; what was measured stays."""
        path = text_of(facts.path)
        self._connection.execute(
            """INSERT INTO images (id, place, path, relative, frame, pending, state)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT (id) DO UPDATE SET place = ?2, path = ?3, relative = ?4, frame = ?5, pending = ?6,
            state = ?7, removed = 0,
            size = CASE WHEN path = ?3 THEN size END, mtime_ns = CASE WHEN path = ?3 THEN mtime_ns END,
            sha256 = CASE WHEN path = ?3 THEN sha256 END""",
            (
                number,
                place,
                path,
                relative_to(self.path, facts.path),
                facts.frame,
                is_pending,
                to_bytes(facts),
            ),
        )

    def put_fingerprint(self, path: Path, taken: Fingerprint) -> None:
        """Remember what a file is like, for every image of it."""
        self._connection.execute(
            "UPDATE images SET size = ?, mtime_ns = ?, sha256 = ? WHERE path = ?",
            (taken.size, taken.mtime_ns, taken.sha256, text_of(path)),
        )

    def begin_anew(self, numbers: Collection[int]) -> None:
        """Forget what these images hold, all of which comes again; any others are no longer on the list."""
        rows = [(number,) for number in numbers]
        for table in ("analyses", "labels", "tiles", "edits"):
            self._connection.executemany(f"DELETE FROM {table} WHERE image = ?", rows)
        self._connection.executemany("UPDATE images SET position = 0 WHERE id = ?", rows)
        here = {number for (number,) in self._connection.execute("SELECT id FROM images").fetchall()}
        for number in here.difference(numbers):
            self.remove_image(number)

    def remove_image(self, number: int) -> None:
        """Take an image off the list; what was measured in it stays in the file."""
        self._connection.execute("UPDATE images SET removed = 1, pending = 0 WHERE id = ?", (number,))

    def put_analysis(self, number: int, analysis: ImageAnalysis | None) -> None:
        """Write what was measured, without the labels; ``None`` takes it away, labels and all."""
        if analysis is None:
            for table in ("analyses", "labels", "tiles"):
                self._connection.execute(f"DELETE FROM {table} WHERE image = ?", (number,))
            return
        self._connection.execute(
            "INSERT OR REPLACE INTO analyses VALUES (?, ?)", (number, to_bytes(without_labels(analysis)))
        )
        for result in analysis.results.values():
            if result.model and result.model not in self._cards:
                self._cards.add(result.model)
                card = card_of(result.model)
                if card is not None:
                    self.put_model(result.model, card)

    def put_labels(self, number: int, labels: StoredLabels) -> None:
        """Write a whole label image."""
        height, width = labels.shape
        self._connection.execute("DELETE FROM tiles WHERE image = ?", (number,))
        self._connection.execute(
            "INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?)",
            (number, height, width, zlib.crc32(labels.data), labels.data),
        )

    def put_tiles(self, number: int, tiles: Mapping[tuple[int, int], NDArray[np.int32]]) -> None:
        """Write the tiles of a label image that were changed, by row and column of the tile."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO tiles VALUES (?, ?, ?, ?)",
            [(number, row, column, PackedLabels.pack(tile).data) for (row, column), tile in tiles.items()],
        )

    # ------------------------------------------------------------------ writing histories

    def put_edit(self, number: int, edit: StoredEdit) -> None:
        """Write the newest edit of an image; what had been undone is no longer to be redone."""
        self.cut_edits(number, edit.step)
        self._connection.execute(
            "INSERT INTO edits VALUES (?, ?, ?, ?, ?, ?)",
            (number, edit.step, edit.uid, edit.time, edit.title, edit.data),
        )
        self.set_position(number, edit.step + 1)

    def amend_edit(self, number: int, uid: str, data: bytes) -> None:
        """Replace an edit by itself with more in it."""
        self._connection.execute("UPDATE edits SET data = ? WHERE image = ? AND uid = ?", (data, number, uid))

    def set_position(self, number: int, position: int) -> None:
        """Note how many edits are in force, counted from the first one ever."""
        self._connection.execute("UPDATE images SET position = ? WHERE id = ?", (position, number))

    def drop_edits(self, number: int, before: int) -> None:
        """Forget the oldest edits, those of a step below ``before``."""
        self._connection.execute("DELETE FROM edits WHERE image = ? AND step < ?", (number, before))

    def cut_edits(self, number: int, at: int) -> None:
        """Forget what can no longer be redone: the edits from step ``at`` on."""
        self._connection.execute("DELETE FROM edits WHERE image = ? AND step >= ?", (number, at))

    def log(self, time: str, number: int | None, what: str, title: str) -> None:
        """Write a line of the journal."""
        self._connection.execute(
            "INSERT INTO journal (time, image, what, title) VALUES (?, ?, ?, ?)", (time, number, what, title)
        )

    # ------------------------------------------------------------------ writing the rest

    def put_fact(self, name: str, value: object) -> None:
        """Write a JSON value under a name."""
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def put_spectra(self, parts: Mapping[str, bytes], order: Mapping[str, int] | None = None) -> None:
        """Write parts of the Spectra tab; with ``order`` those not named in it go."""
        for name, data in parts.items():
            self._connection.execute(
                """INSERT INTO spectra (name, place, data) VALUES (?1, 0, ?2)
                ON CONFLICT (name) DO UPDATE SET data = ?2""",
                (name, data),
            )
        if order is not None:
            for (name,) in self._connection.execute("SELECT name FROM spectra").fetchall():
                if name in order:
                    self._connection.execute(
                        "UPDATE spectra SET place = ? WHERE name = ?", (order[name], name)
                    )
                else:
                    self._connection.execute("DELETE FROM spectra WHERE name = ?", (name,))

    def put_model(self, identity: str, card: Mapping[str, Any]) -> None:
        """Keep the card of a model that measured something here."""
        self._connection.execute(
            "INSERT OR REPLACE INTO models VALUES (?, ?)", (identity, json.dumps(card, ensure_ascii=False))
        )

    # ------------------------------------------------------------------ reading

    def read(self) -> ProjectContent:
        """Read all that a window needs; what cannot be read is left out and named."""
        problems: list[str] = []
        images = []
        rows = self._connection.execute(
            "SELECT id, path FROM images WHERE removed = 0 ORDER BY place, id LIMIT ?", (MOST_IMAGES,)
        ).fetchall()
        allowance = self._allowance()
        for number, path in rows:
            try:
                images.append(self.image(number, problems, allowance))
            except (PackingError, sqlite3.Error, ValueError, TypeError, OverflowError) as error:
                name = Path(str(path)).name[:80]
                problems.append(f"{name} (image {number} of the project) could not be read ({error}).")
        if len(rows) == MOST_IMAGES:
            problems.append(f"Only the first {MOST_IMAGES} images of the project were read.")
        (largest,) = self._connection.execute(
            "SELECT max(id) FROM images WHERE id <= ?", (LARGEST_NUMBER,)
        ).fetchone()
        following = max(largest or 0, 0) + 1
        return ProjectContent(tuple(images), self.facts(), self.spectra(), tuple(problems), following)

    def _allowance(self) -> Allowance:
        (n_pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (page,) = self._connection.execute("PRAGMA page_size").fetchone()
        return Allowance.of_file(int(n_pages) * int(page))

    def image(
        self, number: int, problems: list[str] | None = None, allowance: Allowance | None = None
    ) -> StoredImage:
        """Read one image; sentences on parts that cannot be read are added to ``problems``.

        Raises
        ------
        KeyError
            If there is none of this number.
        PackingError
            If not even what is known of it can be read.
        """
        row = self._connection.execute(
            """SELECT state, relative, size, mtime_ns, sha256, pending, position, removed
            FROM images WHERE id = ?""",
            (number,),
        ).fetchone()
        if row is None:
            raise KeyError(number)
        problems = [] if problems is None else problems
        allowance = self._allowance() if allowance is None else allowance
        state, relative, size, mtime_ns, sha256, pending, position, removed = row
        if not 0 < number <= LARGEST_NUMBER:
            raise PackingError("a number that cannot be")
        facts, bad = checked_facts(from_bytes(ImageFacts, _bytes(state), LARGEST_FACTS, allowance))
        name = facts.title or facts.path.name
        if bad:
            problems.append(f"Something that was set for {name} could not be read ({', '.join(bad)[:100]}).")
        relative = None if relative is None else str(relative)
        taken = None if size is None else Fingerprint(int(size), int(mtime_ns), str(sha256 or ""))
        analysis, is_damaged = None, False
        try:
            analysis = self._analysis(number, allowance)
        except (PackingError, ValueError) as error:
            is_damaged = True
            problems.append(f"The results of {name} could not be read ({error}).")
        edits = tuple(
            StoredEdit(int(step), str(uid), str(time), str(title), _bytes(data))
            for step, uid, time, title, data in self._connection.execute(
                "SELECT step, uid, time, title, data FROM edits WHERE image = ? ORDER BY step LIMIT ?",
                (number, MOST_STEPS),
            )
        )
        steps = [edit.step for edit in edits]
        if steps and (steps != list(range(steps[0], steps[0] + len(steps))) or not 0 <= steps[0] < 2**40):
            problems.append(f"The steps of {name} can no longer be undone (some are missing).")
            edits = ()
        if is_damaged:
            # Steps that start from results which are gone lead nowhere.
            edits = ()
        in_force = sum(edit.step < position for edit in edits)
        return StoredImage(
            number, facts, Source(facts.path, relative, taken), bool(pending), analysis, edits, in_force,
            bool(removed),
        )  # fmt: skip

    def _analysis(self, number: int, allowance: Allowance) -> ImageAnalysis | None:
        row = self._connection.execute("SELECT data FROM analyses WHERE image = ?", (number,)).fetchone()
        if row is None:
            return None
        analysis = from_bytes(ImageAnalysis, _bytes(row[0]), allowance=allowance)
        labels = self._labels(number)
        if labels.shape != analysis.shape:
            raise PackingError("labels of another size than the image")
        return replace(analysis, labels=labels)

    def _labels(self, number: int) -> PackedLabels:
        row = self._connection.execute(
            "SELECT height, width, data, crc FROM labels WHERE image = ?", (number,)
        ).fetchone()
        if row is None:
            return NO_LABELS
        packed = PackedLabels((int(row[0]), int(row[1])), _bytes(row[2]))
        if not is_size(packed.shape):
            raise PackingError("labels of a size that cannot be")
        if zlib.crc32(packed.data) != row[3]:
            # They are unpacked only when they are looked at: too late to find another way.
            raise PackingError("damaged labels")
        tiles = self._connection.execute(
            "SELECT row, column, data FROM tiles WHERE image = ?", (number,)
        ).fetchall()
        if not tiles:
            return packed
        labels = packed.unpack()
        for row_number, column, data in tiles:
            place = labels[row_number * TILE : (row_number + 1) * TILE, column * TILE : (column + 1) * TILE]
            if row_number < 0 or column < 0 or place.size == 0:
                raise PackingError("a tile outside of its image")
            place[...] = PackedLabels((place.shape[0], place.shape[1]), _bytes(data)).unpack()
        return PackedLabels.pack(labels)

    def removed_images(self) -> dict[tuple[str, int | None], int]:
        """Name the images that were taken off the list, by file and frame."""
        rows = self._connection.execute("SELECT path, frame, id FROM images WHERE removed = 1")
        return {(str(path), frame): int(number) for path, frame, number in rows}

    def facts(self) -> dict[str, object]:
        """Read the named values; what is no JSON is left out."""
        found: dict[str, object] = {}
        for name, value in self._connection.execute("SELECT name, value FROM facts"):
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                found[str(name)] = json.loads(value)
        return found

    def spectra(self) -> dict[str, bytes]:
        """Read the parts of the Spectra tab, in order."""
        rows = self._connection.execute("SELECT name, data FROM spectra ORDER BY place, name")
        return {str(name): data for name, data in rows if isinstance(data, bytes)}

    def models(self) -> dict[str, Any]:
        """Read the cards of the models that measured here, by their identity."""
        rows = self._connection.execute("SELECT identity, card FROM models")
        return {str(identity): json.loads(card) for identity, card in rows}

    def journal(self) -> list[tuple[str, int | None, str, str]]:
        """Read the journal, oldest first: time, image, what was done, and to what."""
        return list(self._connection.execute("SELECT time, image, what, title FROM journal ORDER BY id"))


def text_of(path: Path) -> str:
    """Write a path as text, which the names of files need not be: then it still tells one from another."""
    return str(path).encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")


def _bytes(value: object) -> bytes:
    """Give what a column of bytes holds: SQLite lets a file hold anything in it."""
    if not isinstance(value, bytes):
        raise PackingError(f"holds a {type(value).__name__} where bytes belong")
    return value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
