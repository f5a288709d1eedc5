"""Projects as a target: damaged files, and files whose checksums are right and whose contents are not.

What was read is used as a window does: put into the list, undone and redone to both ends, edited, summed up
and written again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtWidgets import QApplication

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.soundness import labels_fit, unpacked

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.session import TemSession

CUT = b"\n--8<--\n"
"""Between the text and the arrays of a piece that is damaged apart from its compression."""
PIECES = {
    ".facts": "UPDATE images SET state = ? WHERE id = 1",
    ".analysis": "UPDATE analyses SET data = ? WHERE image = 1",
    ".edit": "UPDATE edits SET data = ? WHERE image = 1 AND step = 1",
    ".step": "UPDATE edits SET data = ? WHERE image = 1 AND step = 0",
    ".labels": "UPDATE labels SET data = ?, crc = ? WHERE image = 1",
    ".tem": "UPDATE facts SET value = ? WHERE name = 'tem'",
    ".list": "UPDATE spectra SET data = ? WHERE name = 'list'",
    ".columns": "",
}
COLUMNS = (
    ("images", "id"), ("images", "place"), ("images", "frame"), ("images", "size"), ("images", "mtime_ns"),
    ("images", "sha256"), ("images", "relative"), ("images", "position"), ("images", "pending"),
    ("labels", "height"), ("labels", "width"), ("tiles", "row"), ("tiles", "column"), ("edits", "step"),
    ("edits", "uid"), ("edits", "time"), ("edits", "title"), ("facts", "value"), ("spectra", "place"),
)  # fmt: skip
"""What the lines of ``.columns`` are written into."""
SHAPE = (90, 300)


def seeds(folder: Path) -> list[Path]:
    """A project with all there can be in it, and its pieces."""
    path = folder / "small.nanoai"
    _make(path)
    pieces = []
    with sqlite3.connect(path) as connection:

        def take(suffix: str, query: str) -> None:
            (data,) = connection.execute(query).fetchone()
            piece = folder / f"piece{suffix}"
            piece.write_bytes(_open(data) if isinstance(data, bytes) and suffix != ".list" else _plain(data))
            pieces.append(piece)

        take(".facts", "SELECT state FROM images WHERE id = 1")
        take(".analysis", "SELECT data FROM analyses WHERE image = 1")
        take(".step", "SELECT data FROM edits WHERE image = 1 AND step = 0")
        take(".edit", "SELECT data FROM edits WHERE image = 1 AND step = 1")
        take(".labels", "SELECT data FROM labels WHERE image = 1")
        take(".tem", "SELECT value FROM facts WHERE name = 'tem'")
        take(".list", "SELECT data FROM spectra WHERE name = 'list'")
        lines = [
            connection.execute(f"SELECT {column} FROM {table}").fetchone()[0] for table, column in COLUMNS
        ]
    connection.close()
    columns = folder / "piece.columns"
    columns.write_bytes(b"\n".join(_plain(line) for line in lines))
    return [path, *pieces, columns]


def read(path: Path) -> object:
    """Open a project, or one with a piece of it damaged, or what can be saved of it, and use it."""
    from nanoai_gui.gui.projects.work import try_open, try_salvage

    work = path.parent / "project"
    work.mkdir(exist_ok=True)
    project = work / "a.nanoai"
    if path.suffix == ".nanoai":
        shutil.copyfile(path, project)
    else:
        project.write_bytes(_good())
        _put(project, path)
    try:
        found = try_open(project, False)
        if isinstance(found, NanoAIError):
            saved = try_salvage(project, None)
            if isinstance(saved, NanoAIError):
                raise found
            found = try_open(saved.path, False)
            if isinstance(found, NanoAIError):
                raise AssertionError(f"what was salvaged cannot be opened: {found}") from found
        try:
            _use(found, project)
        finally:
            assert found.project.store is not None
            found.project.store.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return None


@cache
def _good() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "good.nanoai"
        _make(path)
        return path.read_bytes()


def _application() -> QApplication:
    """Give the application that timers need."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    known = QApplication.instance()
    return known if isinstance(known, QApplication) else QApplication([])


def _make(path: Path) -> None:
    from nanoai_gui.core.editing import circles, labels
    from nanoai_gui.core.project.store import ProjectStore
    from nanoai_gui.core.tem.calibration import Calibration
    from nanoai_gui.core.tem.micrograph import Micrograph
    from nanoai_gui.gui.projects.recorder import TemRecorder
    from nanoai_gui.gui.tem.session import TemSession
    from tests.core.analyses import Disc, make_analysis

    application = _application()
    session, store = TemSession(), ProjectStore.create(path)
    recorder = TemRecorder(session, lambda write, is_work: True)
    first, second = session.add_paths([Path("/images/a.tif"), Path("/images/b.tif")])
    discs = [Disc(1, 40, 40, 12, (7.5, 6.1)), Disc(2, 200, 40, 20, (11.0,)), Disc(4, 270, 60, 9, (8.0,))]
    session.accept_analysis(first, make_analysis(discs, path="/images/a.tif", shape=SHAPE))
    session.accept_micrograph(first, Micrograph(np.zeros(SHAPE, np.uint8), "a.tif"))
    document = session.entry(first).document
    session.commit(first, labels.delete(document, [1]))
    session.commit(first, labels.set_count(document, [2], 3))
    session.commit(first, circles.add(document, "watershed", circles.Ellipse(200.0, 40.0, 6.0, 5.0, 0.3)))
    session.set_calibration([first, second], Calibration.typed(0.5))
    session.undo(first)
    with store.transaction():
        recorder.everything()(store)
        whole = document.labels
        store.put_tiles(first, {(0, 0): whole[:, :256], (0, 1): whole[:, 256:]})
        head = b'{"sets": [[1, "/s/a.csv", 0, "a", 532.0], [2, "/s/a.csv", 1, "b", null]], "shown": 1, '
        head += b'"project": "/a.nanoai", "files": {"/s/a.csv": [1, 2, "00"]}}'
        store.put_spectra({"list": head, "pipeline": b"none", "model": b"none", "set/0//s/a.csv": b"none"})
    recorder.forget()
    store.close()
    application.processEvents()


def _open(data: bytes) -> bytes:
    """Take the compression, the mark and the length of the text off a piece."""
    raw = zlib.decompress(data)
    if raw[:4] != b"NAB1":
        return raw
    end = 8 + int.from_bytes(raw[4:8], "little")
    return raw[8:end] + CUT + raw[end:]


def _plain(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _put(project: Path, piece: Path) -> None:
    """Write a damaged piece into a good project, so that nothing but what it says is wrong."""
    data, suffix = piece.read_bytes(), piece.suffix
    connection = sqlite3.connect(project)
    with connection:
        if suffix == ".columns":
            for (table, column), line in zip(COLUMNS, data.split(b"\n"), strict=False):
                _put_column(connection, table, column, line)
        elif suffix == ".labels":
            packed = zlib.compress(data)
            connection.execute("DELETE FROM tiles")
            connection.execute(PIECES[suffix], (packed, zlib.crc32(packed)))
        elif suffix == ".tem":
            connection.execute(PIECES[suffix], (data.decode("utf-8", "replace"),))
        elif suffix == ".list":
            connection.execute(PIECES[suffix], (data,))
        else:
            text, _, arrays = data.partition(CUT)
            raw = b"NAB1" + len(text).to_bytes(4, "little") + text + arrays
            connection.execute(PIECES[suffix], (zlib.compress(raw),))
    connection.close()


def _put_column(connection: sqlite3.Connection, table: str, column: str, line: bytes) -> None:
    text = line.decode("utf-8", "replace")
    value: object = text
    try:
        value = int(text)
    except ValueError:
        value = None if text == "None" else line if line[:1] == b"\xff" else text
    first = f"(SELECT min(rowid) FROM {table})"
    try:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = {first}", (value,))
    except (sqlite3.Error, OverflowError):
        return  # not even SQLite takes it


def _use(found: object, project: Path) -> None:
    from nanoai_gui.core.project.store import ProjectStore
    from nanoai_gui.core.project.writer import Write
    from nanoai_gui.gui.projects.recorder import TemRecorder
    from nanoai_gui.gui.projects.spectra import _files, _head
    from nanoai_gui.gui.projects.work import Prepared
    from nanoai_gui.gui.tem.session import TemSession

    assert isinstance(found, Prepared)
    content, store = found.project.content, found.project.store
    assert store is not None
    for sentence in found.problems:
        assert 10 < len(sentence) < 1000 and "\n\n" not in sentence, sentence
    _head(content.spectra.get("list"))
    _files(content.spectra.get("list"))
    application = _application()
    session = TemSession()

    def write(done: Write, is_work: bool) -> bool:
        assert isinstance(store, ProjectStore)
        with store.transaction():
            done(store)
        return True

    recorder = TemRecorder(session, write)
    session.reserve_keys(content.next_number)
    recorder.install(content.images, found.histories, content.facts.get("tem"))
    try:
        _work(session)
        _sum_up(session.analyses(), project.parent)
        recorder.flush()
        with store.transaction():
            recorder.everything()(store)
    finally:
        recorder.forget()
        application.processEvents()
    assert not store.read().problems


def _work(session: TemSession) -> None:
    """Do what a person may do with the images of a session."""
    from nanoai_gui.core.editing import labels
    from nanoai_gui.core.tem.micrograph import Micrograph

    for key in [*session.keys()]:
        entry = session.entry(key)
        if entry.analysis is not None:
            try:
                unpacked(entry.analysis.labels)
            except ValueError:
                session.drop_results(key, "They cannot be read.")
        session.accept_micrograph(key, Micrograph(np.zeros(SHAPE, np.uint8), "a.tif"))
        for position in (0, 1000, len(entry.history.edits) // 2):
            session.jump(key, position)
            _look(entry)
        document = entry.document
        if document.is_measured:
            corners = np.array([[5.0, 5.0], [30.0, 5.0], [20.0, 30.0]])
            try:
                session.commit(key, labels.add_polygon(document, corners))
                session.commit(key, labels.delete(document, document.table.ids.tolist()[:1]))
                session.undo(key)
            except (LookupError, ValueError):
                # The one who edits is told so.
                if labels_fit(document.labels, document.table):
                    raise
            _look(entry)
    new = session.add_paths([Path("/images/new.tif")])
    assert 0 < new[0] < 2**31


def _look(entry: object) -> None:
    """Ask for what views ask for."""
    from nanoai_gui.core.tem.by_hand import seconds_of
    from nanoai_gui.gui.tem.entries import ImageEntry

    assert isinstance(entry, ImageEntry)
    document = entry.document
    document.counts()
    document.reviewed()
    document.stale()
    for method in document.results:
        document.accepted(method)
        seconds_of(document.values, method)
    for edit in entry.history.edits:
        assert edit.box is None or edit.box.y1 >= edit.box.y0
    document.state_bytes()


def _sum_up(analyses: Sequence[object], folder: Path) -> None:
    from nanoai_gui.core.files.tables import write_agglomerates_csv, write_particles_csv
    from nanoai_gui.core.tem.analysis import ImageAnalysis

    made = [analysis for analysis in analyses if isinstance(analysis, ImageAnalysis)]
    write_particles_csv(folder / "particles.csv", made)
    write_agglomerates_csv(folder / "agglomerates.csv", made)
