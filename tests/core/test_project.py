"""The project file: what goes in comes out, whatever happens to the file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.errors import NanoAIError, ReadError
from nanoai_gui.core.project import schema
from nanoai_gui.core.project.connection import trouble
from nanoai_gui.core.project.errors import (
    DamagedProject,
    NewerProject,
    NotAProject,
    ProjectBroken,
    ProjectInUse,
    ProjectReadOnly,
    ProjectTrouble,
)
from nanoai_gui.core.project.leftovers import sweep
from nanoai_gui.core.project.lock import ProjectLock, lock_path
from nanoai_gui.core.project.opening import (
    copy_project,
    open_project,
    read_project,
    settle_copy,
)
from nanoai_gui.core.project.records import ImageFacts, StoredEdit
from nanoai_gui.core.project.salvaging import describe_salvage, salvage
from nanoai_gui.core.project.sources import Fingerprint, Source, SourceState, check_source, take_fingerprint
from nanoai_gui.core.project.store import ProjectStore
from nanoai_gui.core.project.writer import Journalled, ProjectWriter
from nanoai_gui.core.tem.agglomerates import PackedLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.calibration import Calibration
from tests.core.analyses import Disc, make_analysis
from tests.core.test_plain import assert_same


def analysis_of(number: int, shape: tuple[int, int] = (300, 520)) -> ImageAnalysis:
    discs = [Disc(1, 40, 40, 12, (7.5, 6.1)), Disc(number + 2, 120, 60, 20, (11.0,))]
    return make_analysis(discs, path=f"images/{number}.tif", shape=shape, methods=("watershed", "hough"))


def put(store: ProjectStore, number: int, analysis: ImageAnalysis | None = None) -> None:
    facts = ImageFacts(
        Path(f"images/{number}.tif").absolute(), None, Calibration.typed(0.5 + number), -1, 3,
        f"field {number}", shape=(300, 520), values={"count/3": 2},
    )  # fmt: skip
    store.put_image(number, number, facts, number % 2 == 0)
    if analysis is not None:
        store.put_analysis(number, analysis)
        store.put_labels(number, analysis.labels)


def edit(step: int, title: str = "Delete") -> StoredEdit:
    return StoredEdit(step, f"uid {step}", "2026-01-01T00:00:00", f"{title} {step}", bytes([step, 1, 2]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A project of three images, two of them measured, as it lies on the disk."""
    file = tmp_path / "Bilder ü.nanoai"
    store = ProjectStore.create(file)
    with store.transaction():
        for number in (1, 2, 3):
            put(store, number, analysis_of(number) if number < 3 else None)
        for step in range(4):
            store.put_edit(1, edit(step))
        store.set_position(1, 2)
        store.put_fact("settings", {"method": "hough"})
        store.put_spectra({"b": b"2", "a": b"1"}, {"b": 0, "a": 1})
        store.put_model("shipped (1)", {"seed": 1})
        store.log("2026-01-01", 1, "done", "Delete 0")
    store.close()
    return file


def digest(file: Path) -> bytes:
    return file.read_bytes()


# ---------------------------------------------------------------------- what goes in comes out


def test_everything_comes_back(path: Path) -> None:
    opened = open_project(path)
    assert opened.store is not None and opened.backup is None
    one, two, three = opened.content.images
    assert (one.number, two.number, three.number) == (1, 2, 3)
    assert_same(one.analysis, analysis_of(1))
    assert_same(two.analysis, analysis_of(2))
    assert three.analysis is None
    assert one.facts.calibration == Calibration.typed(1.5)
    assert one.facts.values == {"count/3": 2}
    assert (one.facts.title, one.facts.generation, one.facts.data_bar_top) == ("field 1", 3, -1)
    assert [i.is_pending for i in opened.content.images] == [False, True, False]
    assert [(e.step, e.title, e.data) for e in one.edits] == [
        (i, f"Delete {i}", bytes([i, 1, 2])) for i in range(4)
    ]
    assert (one.position, two.position) == (2, 0)
    assert opened.content.facts["settings"] == {"method": "hough"}
    assert list(opened.content.spectra.items()) == [("b", b"2"), ("a", b"1")]
    assert opened.store.models() == {"shipped (1)": {"seed": 1}}
    assert opened.store.journal() == [("2026-01-01", 1, "done", "Delete 0")]
    assert opened.content.problems == ()
    assert opened.store.check() == "ok"
    opened.store.close()


def test_the_file_says_what_it_is(path: Path) -> None:
    head = path.read_bytes()[:100]
    assert head.startswith(b"SQLite format 3\0")
    assert int.from_bytes(head[68:72], "big") == schema.APPLICATION_ID
    assert int.from_bytes(head[60:64], "big") == schema.FORMAT
    opened = open_project(path)
    assert opened.store is not None
    mode = opened.store._connection.execute("PRAGMA journal_mode").fetchone()
    assert mode == ("wal",)
    opened.store.close()
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # one file is all


def test_changed_tiles_change_only_themselves(path: Path) -> None:
    opened = open_project(path)
    store = opened.store
    assert store is not None
    labels = analysis_of(1).labels.unpack()
    labels[10:20, 500:515] = 77
    labels[290:, :30] = 78
    with store.transaction():
        store.put_tiles(
            1, {(0, 1): labels[:256, 256:512], (0, 2): labels[:256, 512:], (1, 0): labels[256:, :256]}
        )
    found = store.image(1).analysis
    assert found is not None and np.array_equal(found.labels.unpack(), labels)
    with store.transaction():
        store.put_labels(1, analysis_of(2).labels)
    found = store.image(1).analysis
    assert found is not None and found.labels == analysis_of(2).labels
    store.close()


def test_a_new_edit_takes_the_place_of_what_was_undone(path: Path) -> None:
    opened = open_project(path)
    store = opened.store
    assert store is not None
    with store.transaction():
        store.put_edit(1, edit(2, "Merge"))
        store.amend_edit(1, "uid 0", b"more")
    image = store.image(1)
    assert [e.title for e in image.edits] == ["Delete 0", "Delete 1", "Merge 2"]
    assert (image.position, image.edits[0].data) == (3, b"more")
    with store.transaction():
        store.drop_edits(1, 1)
        store.set_position(1, 2)
    image = store.image(1)
    assert ([e.step for e in image.edits], image.position) == ([1, 2], 1)
    store.close()


def test_an_image_taken_off_the_list_keeps_its_results(path: Path) -> None:
    opened = open_project(path)
    store = opened.store
    assert store is not None
    with store.transaction():
        store.remove_image(1)
    assert [i.number for i in store.read().images] == [2, 3]
    assert list(store.removed_images().values()) == [1]
    assert store.image(1).is_removed
    with store.transaction():
        put(store, 1)
    (one, *_) = store.read().images
    assert_same(one.analysis, analysis_of(1))
    assert len(one.edits) == 4
    store.close()


def test_a_transaction_is_all_or_nothing(path: Path) -> None:
    opened = open_project(path)
    store = opened.store
    assert store is not None

    def fail() -> None:
        with store.transaction():
            store.remove_image(1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(store.read().images) == 3
    store.close()


def test_fingerprints_belong_to_the_file_they_were_taken_of(path: Path) -> None:
    opened = open_project(path)
    store = opened.store
    assert store is not None
    taken = Fingerprint(10, 2**62, "ab")
    with store.transaction():
        store.put_fingerprint(Path("images/1.tif").absolute(), taken)
    assert store.image(1).source.fingerprint == taken
    facts = store.image(1).facts
    with store.transaction():
        store.put_image(1, 1, facts, False)
    assert store.image(1).source.fingerprint == taken
    with store.transaction():
        store.put_image(1, 1, replace(facts, path=facts.path.with_name("other.tif")), False)
    assert store.image(1).source.fingerprint is None
    store.close()


def test_a_copy_knows_the_images_from_its_own_place(path: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    target = tmp_path / "deep" / "copy.nanoai"
    target.write_bytes(b"what stood here")
    copy_project(path, target)
    before, after = read_project(path).content, read_project(target).content
    for one, other in zip(before.images, after.images, strict=True):
        assert_same(one.analysis, other.analysis)
        assert other.source.relative == f"../{one.source.relative}"


# ---------------------------------------------------------------------- who may write


def test_only_one_window_writes(path: Path) -> None:
    opened = open_project(path)
    assert opened.store is not None
    with pytest.raises(
        ProjectInUse, match=r"Bilder ü.nanoai is open in another window of NanoAI since \d\d:\d\d"
    ):
        open_project(path)
    with opened.store.transaction():
        opened.store.remove_image(2)
    # A reader sees what was written last, and the writer goes on.
    assert [i.number for i in read_project(path).content.images] == [1, 3]
    with opened.store.transaction():
        opened.store.remove_image(3)
    opened.store.close()
    again = open_project(path)
    assert again.store is not None
    again.store.close()


def test_a_lock_goes_with_the_process_that_holds_it(path: Path) -> None:
    script = (
        "import sys, os, signal; from pathlib import Path\n"
        "from nanoai_gui.core.project.opening import open_project\n"
        "store = open_project(Path(sys.argv[1])).store\n"
        "with store.transaction(): store.remove_image(1)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ProjectInUse):
            open_project(path)
        process.kill()
        process.wait()
    opened = open_project(path)
    assert opened.store is not None
    assert [i.number for i in opened.content.images] == [2, 3]
    assert opened.store.check() == "ok"
    opened.store.close()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_project_that_may_not_be_written_is_only_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by its real permissions: who runs the tests may be allowed everything.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ProjectReadOnly, match="may not be written"):
        open_project(path)
    assert len(read_project(path).content.images) == 3


def test_nothing_is_written_by_reading(path: Path) -> None:
    before = digest(path)
    read_project(path)
    assert digest(path) == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_project_is_read_from_where_nothing_can_be_written_and_its_log_too(
    path: Path, tmp_path: Path
) -> None:
    opened = open_project(path)
    assert opened.store is not None
    with opened.store.transaction():
        opened.store.remove_image(1)
    # As a killed process leaves it.
    left = tmp_path / "left"
    left.mkdir()
    for part in path.parent.glob("Bilder*"):
        shutil.copy(part, left)
    opened.store.close()
    assert (left / (path.name + "-wal")).stat().st_size > 0
    left.chmod(0o500)
    try:
        assert [i.number for i in read_project(left / path.name).content.images] == [2, 3]
    finally:
        left.chmod(0o700)


def test_a_copy_does_not_replace_what_another_window_works_on(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "open.nanoai"
    copy_project(path, target)
    opened = open_project(target)
    assert opened.store is not None
    with opened.store.transaction():
        opened.store.remove_image(1)
    with pytest.raises(ProjectInUse):
        copy_project(path, target)
    opened.store.close()
    assert [i.number for i in read_project(target).content.images] == [2, 3]
    assert not list(tmp_path.glob(".nanoai-*"))


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links cannot be told apart there")
def test_a_link_in_the_place_of_the_lock_is_not_followed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("of great value")
    lock_path(path).symlink_to(other)
    with pytest.raises(ProjectReadOnly):
        open_project(path)
    assert other.read_text() == "of great value"
    assert len(read_project(path).content.images) == 3


# ---------------------------------------------------------------------- what the file may be


def test_a_format_that_never_was_is_damage_and_leaves_no_copy(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    with pytest.raises(DamagedProject, match="a format 0 that never was"):
        open_project(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE images SET state = 'text' WHERE id = 1",
        "UPDATE images SET state = 10 WHERE id = 1",
        "UPDATE images SET position = 'text' WHERE id = 1",
        "UPDATE images SET size = 1, mtime_ns = NULL WHERE id = 1",
        "UPDATE labels SET data = 1000000 WHERE image = 1",
        "UPDATE analyses SET data = 'text' WHERE image = 1",
        "UPDATE edits SET data = 1000000 WHERE image = 1",
    ],
)
def test_columns_that_hold_something_else_are_named(path: Path, change: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    connection.close()
    content = read_project(path).content
    assert len(content.problems) == 1
    assert_same(next(i for i in content.images if i.number == 2).analysis, analysis_of(2))


def test_a_newer_project_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.FORMAT + 1}")
    connection.close()
    before = digest(path)
    with pytest.raises(NewerProject, match="saved by a newer NanoAI"):
        open_project(path)
    with pytest.raises(NewerProject):
        read_project(path)
    assert digest(path) == before


def test_an_older_project_is_brought_up_and_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_project(path).content

    def add_hue(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE models ADD COLUMN hue INTEGER")

    monkeypatch.setattr(schema, "FORMAT", schema.FORMAT + 1)
    monkeypatch.setitem(schema.MIGRATIONS, schema.FORMAT - 1, add_hue)
    old = digest(path)
    assert len(read_project(path).content.images) == 3
    assert digest(path) == old
    opened = open_project(path)
    assert opened.store is not None and opened.backup is not None
    assert opened.backup.name == f"Bilder ü (format {schema.FORMAT - 1}).nanoai"
    assert_same(opened.content.images[0].analysis, before.images[0].analysis)
    columns = opened.store._connection.execute("SELECT hue FROM models").fetchall()
    assert columns == [(None,)]
    opened.store.close()
    assert open_is_quiet(path)
    monkeypatch.undo()
    assert [i.number for i in read_project(opened.backup).content.images] == [1, 2, 3]


def open_is_quiet(path: Path) -> bool:
    opened = open_project(path)
    assert opened.store is not None
    opened.store.close()
    return opened.backup is None


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE models")
        raise sqlite3.OperationalError("no")

    monkeypatch.setattr(schema, "FORMAT", schema.FORMAT + 1)
    monkeypatch.setitem(schema.MIGRATIONS, schema.FORMAT - 1, fail)
    with pytest.raises(NanoAIError):
        open_project(path)
    monkeypatch.undo()
    assert len(read_project(path).content.images) == 3
    assert open_is_quiet(path)


def test_something_else_is_not_taken_for_a_project(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    for file in (other, tmp_path / "text.txt"):
        if not file.exists():
            file.write_text("hello")
        with pytest.raises(NotAProject, match="is not a NanoAI project"):
            open_project(file)
    with pytest.raises(ReadError, match=r"gone.nanoai is not there"):
        open_project(tmp_path / "gone.nanoai")


def test_triggers_are_not_run(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON facts BEGIN DELETE FROM images; END")
    connection.close()
    for read in (open_project, read_project):
        with pytest.raises(DamagedProject, match="what NanoAI never put into it"):
            read(path)
    # The way out is a project without it.
    result = salvage(path)
    assert (result.n_images, result.n_lost) == (3, 0)
    assert open_is_quiet(result.path)


def test_what_only_looks_like_a_table_is_not_read(path: Path) -> None:
    """A view may be without end, and a column made up of a gigabyte."""
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE spectra")
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, x'00' FROM n"
        connection.execute(f"CREATE VIEW spectra (name, place, data) AS {endless}")
        connection.execute("DROP TABLE models")
        connection.execute("CREATE TABLE models (identity, card AS (zeroblob(1000000000)))")
        connection.execute("INSERT INTO models (identity) VALUES ('a')")
    connection.close()
    with pytest.raises(DamagedProject, match="a part of it is missing"):
        open_project(path)
    result = salvage(path)
    assert (result.n_images, result.n_lost) == (3, 0)
    content = read_project(result.path).content
    assert content.spectra == {} and len(content.images[0].edits) == 4


# ---------------------------------------------------------------------- damage


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A project of many pages, so that damage meets only some of it."""
    file = tmp_path / "large.nanoai"
    store = ProjectStore.create(file)
    rng = np.random.default_rng(1)
    with store.transaction():
        for number in range(1, 13):
            noisy = rng.integers(0, 2**20, (100, 120), dtype=np.int32)
            analysis = replace(analysis_of(number, (100, 120)), labels=PackedLabels.pack(noisy))
            put(store, number, analysis)
    store.close()
    return file


def spoil(file: Path, start: int, stop: int) -> None:
    with file.open("rb+") as stream:
        stream.seek(start)
        stream.write(os.urandom(stop - start))


def test_a_damaged_page_is_noticed_and_the_rest_is_saved(large: Path) -> None:
    size = large.stat().st_size
    spoil(large, size // 2 // 4096 * 4096, size // 2 // 4096 * 4096 + 4096)
    before = digest(large)
    try:
        opened = open_project(large)
    except DamagedProject as error:
        assert "large.nanoai is damaged" in str(error)
        result = salvage(large)
        assert result.path.name == "large (recovered).nanoai"
        content = read_project(result.path).content
        assert result.n_images + result.n_lost == 12
        assert result.n_images >= 10
        assert str(result.n_images) in describe_salvage(large, result)
        assert sum(i.analysis is not None for i in content.images) >= 8  # a page holds parts of up to four
    else:
        # The page was one of packed labels: one image says so, the others are there.
        assert opened.store is not None
        assert len(opened.content.problems) == 1
        assert sum(i.analysis is not None for i in opened.content.images) == 11
        opened.store.close()
        return
    assert digest(large) == before


def test_a_file_that_is_cut_off_gives_what_is_left(large: Path) -> None:
    whole = digest(large)
    large.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(DamagedProject):
        open_project(large)
    result = salvage(large)
    content = read_project(result.path).content
    measured = [i for i in content.images if i.analysis is not None]
    assert 3 <= len(measured) < 12
    for image in measured:
        want = analysis_of(image.number, (100, 120))
        assert image.analysis is not None
        assert_same(image.analysis.results, want.results)
    assert digest(large) == whole[: len(whole) * 2 // 3]


@pytest.mark.parametrize("stop", [100, 4096])
def test_a_file_without_its_beginning_gives_the_rest(large: Path, stop: int) -> None:
    spoil(large, 0, stop)
    with pytest.raises(DamagedProject, match="first bytes"):
        open_project(large)
    result = salvage(large)
    assert result.n_images == 12
    for image in read_project(result.path).content.images:
        assert image.analysis is not None


def test_nothing_is_made_of_nothing(tmp_path: Path) -> None:
    file = tmp_path / "noise.nanoai"
    file.write_bytes(os.urandom(20_000))
    with pytest.raises(ReadError, match=r"Nothing of noise\.nanoai can be read"):
        salvage(file)
    assert [p.name for p in tmp_path.iterdir()] == ["noise.nanoai"]


def test_any_damage_is_survived(path: Path, tmp_path: Path) -> None:
    """Whatever bytes are changed: a sentence or the content, never another error and never a changed file."""
    whole = digest(path)
    rng = np.random.default_rng(7)
    file = tmp_path / "spoilt.nanoai"
    for _ in range(60):
        data = bytearray(whole)
        start = int(rng.integers(0, len(data)))
        stop = min(start + int(rng.integers(1, 600)), len(data))
        data[start:stop] = rng.integers(0, 256, stop - start, dtype=np.uint8).tobytes()
        file.write_bytes(data)
        try:
            read_project(file)
        except DamagedProject:
            try:
                result = salvage(file)
            except ReadError:
                pass
            else:
                assert open_is_quiet(result.path)
                result.path.unlink()
        except NanoAIError:
            pass
        assert digest(file) == bytes(data)


# ---------------------------------------------------------------------- the thread that writes


class Writers:
    """Makes writers, closes them at the end, and keeps what they told."""

    def __init__(self) -> None:
        self.told: list[NanoAIError | None] = []
        self.defects: list[Exception] = []
        self.made: list[ProjectWriter] = []

    def __call__(
        self, store: ProjectStore | Callable[[], ProjectStore] | None, retry_seconds: float = 3.0
    ) -> ProjectWriter:
        assert store is not None
        self.made.append(ProjectWriter(store, self.told.append, self.defects.append, retry_seconds))
        return self.made[-1]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def writers() -> Iterator[Writers]:
    made = Writers()
    yield made
    for writer in made.made:
        writer.close(0.1)


def test_what_is_handed_over_is_written(tmp_path: Path, writers: Writers) -> None:
    file = tmp_path / "a.nanoai"
    writer = writers(lambda: ProjectStore.create(file))
    assert not file.exists()
    for number in range(1, 30):
        writer.put(partial(put, number=number))
    for value in range(100):
        writer.put(partial(ProjectStore.put_fact, name="v", value=value), "v")
    assert writer.flush(60) and writer.is_saved
    assert writer.call(lambda store: len(store.read().images)) == 29
    assert writer.close()
    content = read_project(file).content
    assert (len(content.images), content.facts["v"]) == (29, 99)
    with pytest.raises(ProjectTrouble):  # whoever asks too late is told so in a sentence
        writer.call(lambda store: store.read())


def test_nothing_is_dropped_while_the_disk_is_full(path: Path, writers: Writers) -> None:
    opened = open_project(path)
    store = opened.store
    assert store is not None
    n_pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {n_pages + 2}")
    writer = writers(store, retry_seconds=0.05)
    noise = os.urandom(40_000)
    writer.put(lambda s: s.put_spectra({"noise": noise}))
    writer.put(lambda s: s.remove_image(1))
    waiting = threading.Event()
    until(lambda: writer.trouble is not None)
    assert "The disk is full" in str(writer.trouble) and not writer.is_saved
    with pytest.raises(ProjectTrouble):
        writer.call(lambda s: waiting.set())
    writer.put(lambda s: s.remove_image(2))
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert writer.flush(60)
    assert [type(t) for t in writers.told] == [ProjectTrouble, type(None)]
    writer.close()
    content = read_project(path).content
    assert [i.number for i in content.images] == [3]
    assert content.spectra["noise"] == noise


def test_who_waits_for_the_disk_is_woken_when_it_is_known_how_it_went(path: Path) -> None:
    refusals, saved = [OSError(28, "No space left on device")], []

    def once_refused(store: ProjectStore) -> None:
        if refusals:
            raise refusals.pop()

    store = open_project(path).store
    assert store is not None
    writer = ProjectWriter(store, lambda error: saved.append((error is None, writer.is_saved)), print, 0.02)
    writer.put(once_refused)
    assert writer.flush(60)
    assert saved == [(False, False), (True, False)]
    writer.close()


def test_a_defect_keeps_nothing_else_from_the_disk(path: Path, writers: Writers) -> None:
    opened = open_project(path)
    writer = writers(opened.store)

    def broken(store: ProjectStore) -> None:
        store.remove_image(3)
        raise TypeError("a defect")

    writer.put(lambda s: s.remove_image(1))
    writer.put(broken)
    writer.put(lambda s: s.remove_image(2))
    assert writer.flush(60)
    assert [str(e) for e in writers.defects] == ["a defect"]
    writer.close()
    assert [i.number for i in read_project(path).content.images] == [3]


def test_what_was_written_before_a_disk_error_is_not_written_twice(path: Path, writers: Writers) -> None:
    opened = open_project(path)
    writer = writers(opened.store, retry_seconds=0.02)
    tries = []

    def broken(store: ProjectStore) -> None:
        raise TypeError("a defect")

    def refused(store: ProjectStore) -> None:
        tries.append(1)
        if len(tries) in (2, 3):  # written one by one, and then once more
            raise OSError(28, "No space left on device")
        store.log("then", 1, "done", "last")

    begun = threading.Event()

    def first(store: ProjectStore) -> None:
        begun.wait(60)
        store.log("now", 1, "done", "first")

    writer.put(first)
    writer.put(refused)
    writer.put(broken)
    begun.set()
    assert writer.flush(60)
    writer.close()
    titles = [title for *_, title in lines_of(path)]
    assert titles == ["Delete 0", "first", "last"]
    assert [type(t) for t in writers.told] == [ProjectTrouble, type(None)]


def test_lines_of_a_try_that_takes_long_are_among_the_unwritten_ones(path: Path, writers: Writers) -> None:
    writer = writers(open_project(path).store)
    begun, go_on = threading.Event(), threading.Event()

    def slow(store: ProjectStore) -> None:
        begun.set()
        go_on.wait(60)

    writer.put(Journalled(slow, (("now", 1, "done", "first"),)))
    assert begun.wait(60)
    writer.put(Journalled(lambda store: None, (("then", 1, "done", "last"),)))
    assert [title for *_, title in writer.unwritten_lines(0.0)] == ["first", "last"]
    go_on.set()
    assert writer.flush(60)
    assert writer.unwritten_lines() == ()


def lines_of(path: Path) -> list[tuple[str, int | None, str, str]]:
    opened = open_project(path)
    assert opened.store is not None
    journal = opened.store.journal()
    opened.store.close()
    return journal


@pytest.mark.parametrize("how", ["row", "table", "type"])
def test_what_can_never_be_written_is_told_as_that(path: Path, how: str, writers: Writers) -> None:
    writer = writers(open_project(path).store, retry_seconds=0.02)
    outside = sqlite3.connect(path)
    outside.execute("DROP TABLE spectra" if how == "table" else "DELETE FROM images WHERE id = 3")
    outside.commit()
    outside.close()
    if how == "row":
        writer.put(lambda s: s.put_analysis(3, analysis_of(3)))
    elif how == "table":
        writer.put(lambda s: s.put_spectra({"a": b""}))
    else:
        writer.put(lambda s: s.put_edit(1, replace(edit(9), title=None)))  # type: ignore[arg-type]
    assert not writer.flush(60)  # at once, as there is nothing to wait for
    assert isinstance(writer.trouble, ProjectBroken)
    assert str(writer.trouble).startswith("Bilder ü.nanoai takes the last changes no more (")
    assert [type(t) for t in writers.told] == [ProjectBroken]


def test_a_disk_without_room_for_the_files_beside_a_project_is_full(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a real full disk answers: what SQLite calls an I/O error is no room for its log's index."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    assert "cannot be written (disk I/O error)" in str(trouble(path, error))
    usage = shutil.disk_usage(path.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4096))
    assert str(trouble(path, error)).startswith("The disk is full, so the last changes are not yet in")


def test_another_reason_is_told_anew(path: Path, writers: Writers) -> None:
    writer = writers(open_project(path).store, retry_seconds=0.02)
    reasons = ["No space left on device", "No space left on device", "Input/output error"]
    done = threading.Event()

    def refused(store: ProjectStore) -> None:
        if reasons:
            raise OSError(5, reasons.pop(0))
        done.set()

    writer.put(refused)
    assert writer.flush(60) and done.is_set()
    assert [None if t is None else "space" in str(t) for t in writers.told] == [True, False, None]


def test_only_old_leftovers_of_ours_that_nobody_holds_are_swept(tmp_path: Path) -> None:
    own = [".nanoai-0123456789ab.tmp", ".nanoai-0123456789abcdef.tmp", ".nanoai-01234567.tmp-journal"]
    held, fresh = ".nanoai-ffffffffffff.tmp", ".nanoai-eeeeeeeeeeee.tmp"
    lock = "..nanoai-dddddddddddd.tmp.lock"
    others = [
        ".nanoai-x.tmp",
        "a.nanoai-0123456789ab.tmp",
        ".nanoai-0123456789ab.tmp.txt",
        "a.nanoai",
        "b.tmp",
    ]
    for name in (*own, held, fresh, lock, *others):
        (tmp_path / name).write_bytes(b"1")
        if name != fresh:
            os.utime(tmp_path / name, (1, 1))
    (tmp_path / ".nanoai-cccccccccccc.tmp").mkdir()
    os.utime(tmp_path / ".nanoai-cccccccccccc.tmp", (1, 1))
    mine = ProjectLock(tmp_path / held)
    gone = sweep(tmp_path)
    mine.release()
    assert sorted(p.name for p in gone) == sorted([*own, lock])
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {held, fresh, *others, ".nanoai-cccccccccccc.tmp"}
    assert sweep(tmp_path / "gone") == []


@pytest.mark.skipif(sys.platform == "win32", reason="names are always text there")
def test_a_file_whose_name_is_no_text_is_kept(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(bytes(tmp_path) + b"/probe \xfc.tif"))
    store = ProjectStore.create(tmp_path / "a.nanoai")
    with store.transaction():
        store.put_image(1, 1, ImageFacts(odd, title=odd.name), False)
        store.put_fingerprint(odd, Fingerprint(1, 2, "3"))
        store.rebase(tmp_path / "deep" / "b.nanoai")
    (image,) = store.read().images
    assert (image.facts.path, image.source.fingerprint) == (odd, Fingerprint(1, 2, "3"))
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there")
@pytest.mark.parametrize("fails", ["copying", "replacing"])
def test_writing_again_what_was_deleted_is_tried_until_it_works(
    path: Path, fails: str, writers: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writers(open_project(path).store, retry_seconds=0.02)
    path.unlink()
    tries = []
    copy_to, replace_file = ProjectStore.copy_to, Path.replace

    def copying(self: ProjectStore, target: Path) -> None:
        copy_to(self, target)
        tries.append(target)
        if fails == "copying" and len(tries) < 4:
            raise sqlite3.OperationalError("database or disk is full")

    def replacing(self: Path, target: Path) -> Path:
        if fails == "replacing" and len(tries) < 4:
            raise PermissionError("not now")
        return replace_file(self, target)

    monkeypatch.setattr(ProjectStore, "copy_to", copying)
    monkeypatch.setattr(Path, "replace", replacing)
    writer.put(lambda s: s.remove_image(1))
    assert writer.flush(60) and writer.trouble is None
    writer.close()
    assert len(tries) == 4
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert [i.number for i in read_project(path).content.images] == [2, 3]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there")
@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_project_that_was_moved_or_deleted_while_open_is_written_again(
    path: Path, how: str, writers: Writers
) -> None:
    opened = open_project(path)
    writer = writers(opened.store)
    if how == "deleted":
        path.unlink()
    elif how == "moved":
        path.rename(path.with_name("elsewhere.nanoai"))
    else:
        other = path.with_name("new")
        other.write_bytes(b"another file")
        other.replace(path)
    writer.put(lambda s: s.remove_image(1))
    assert writer.flush(60) and writer.trouble is None
    writer.close()
    assert [i.number for i in read_project(path).content.images] == [2, 3]
    if how == "replaced":
        assert path.with_name("Bilder ü (other).nanoai").read_bytes() == b"another file"


def test_a_project_is_saved_under_another_name(path: Path, tmp_path: Path, writers: Writers) -> None:
    writer = writers(open_project(path).store)
    writer.put(lambda s: s.remove_image(1))
    temporary, target = tmp_path / "t.tmp", tmp_path / "other.nanoai"
    writer.call(lambda s: s.copy_to(temporary))
    settle_copy(temporary, target)
    assert [i.number for i in read_project(target).content.images] == [2, 3]
    assert sorted(p.suffix for p in tmp_path.iterdir() if p.is_file() and not p.name.startswith(".")) == [
        ".nanoai", ".nanoai", ".nanoai-shm", ".nanoai-wal",
    ]  # fmt: skip


def test_a_project_has_its_name_only_once_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window that is killed while it makes one is asked nothing about a damaged one at the next start."""
    file, create = tmp_path / "a.nanoai", schema.create
    there: list[bool] = []

    def interrupted(connection: sqlite3.Connection) -> None:
        create(connection)
        there.append(file.exists())
        if len(there) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(schema, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ProjectStore.create(file)
    assert list(tmp_path.iterdir()) == []
    ProjectStore.create(file).close()
    assert there == [False, False]
    with pytest.raises(FileExistsError):
        ProjectStore.create(file)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert read_project(file).content.images == ()


def test_an_automatic_project_is_made_only_once_needed(tmp_path: Path, writers: Writers) -> None:
    file = tmp_path / "new" / "a.nanoai"
    assert writers(lambda: ProjectStore.create(file)).close()
    assert not file.parent.exists()
    writer = writers(lambda: ProjectStore.create(file))
    writer.put(lambda s: put(s, 1))
    writer.flush(60)
    assert file.exists()
    writer.close(delete=True)
    assert list(file.parent.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, writers: Writers) -> None:
    (tmp_path / "file").touch()
    writer = writers(lambda: ProjectStore.create(tmp_path / "file" / "a.nanoai"), retry_seconds=0.05)
    writer.put(lambda s: put(s, 1))
    until(lambda: writer.trouble is not None)
    assert "No project can be made" in str(writer.trouble)


def test_a_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    taken = take_fingerprint(file)
    assert taken.size == 3
    assert taken.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_what_is_no_file_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "a.tif"
    folder.mkdir()
    for known in (None, Fingerprint(1, 2, "3")):
        found = check_source(Source(folder, None, known), tmp_path / "p.nanoai")
        assert found.state is SourceState.MISSING


def test_a_project_that_rests_is_one_file(path: Path, tmp_path: Path, writers: Writers) -> None:
    writer = writers(open_project(path).store)
    writer.put(lambda s: s.remove_image(1))
    assert writer.flush(60)
    writer.call(lambda s: s.fold())
    copy = tmp_path / "copied by hand.nanoai"
    shutil.copy(path, copy)
    assert [i.number for i in read_project(copy).content.images] == [2, 3]


def test_the_cards_of_the_models_that_measured_are_kept(tmp_path: Path) -> None:
    from nanoai_gui.core.tem.sizing._networks import find_model

    _, identity = find_model("tem-ann", "region-13", "")
    made = analysis_of(1)
    results = {name: replace(result, model=identity) for name, result in made.results.items()}
    results["hough"] = replace(results["hough"], model="gone (trained by the user, 0123456789ab)")
    store = ProjectStore.create(tmp_path / "a.nanoai")
    with store.transaction():
        put(store, 1, replace(made, results=results))
    cards = store.models()
    assert list(cards) == [identity]
    assert cards[identity]["feature_set"]["name"] == "region-13"
    store.close()


def test_damage_that_sqlite_cannot_put_into_words_is_damage(path: Path, tmp_path: Path) -> None:
    """Found by fuzzing: the sentence of SQLite on a broken table held bytes that are no text."""
    whole = path.read_bytes()
    at = whole.index(b"CREATE TABLE")
    path.write_bytes(whole[: at + 9] + b"\xa0" + whole[at + 10 :])
    for read in (read_project, open_project):
        with pytest.raises(DamagedProject):
            read(path)
    assert path.read_bytes()[at + 9] == 0xA0
