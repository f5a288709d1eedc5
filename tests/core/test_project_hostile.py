"""Projects whose checksums are right and whose contents are not: a sentence and a way out, never more."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import ValuePatch
from nanoai_gui.core.packing import Allowance, PackingError, pack, unpack
from nanoai_gui.core.plain import MOST_PIECES, from_bytes, to_bytes
from nanoai_gui.core.project.errors import ProjectTrouble
from nanoai_gui.core.project.opening import Opened, keep_as_it_was, open_project, read_histories, read_project
from nanoai_gui.core.project.records import ImageFacts, StoredEdit
from nanoai_gui.core.project.salvaging import salvage
from nanoai_gui.core.project.store import ProjectStore
from nanoai_gui.core.soundness import is_sound, unpacked
from nanoai_gui.core.tem.agglomerates import PackedLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis
from tests.core.analyses import Disc, make_analysis

SHAPE = (100, 120)


def analysis() -> ImageAnalysis:
    return make_analysis([Disc(1, 30, 40, 12, (7.5, 6.1)), Disc(3, 80, 60, 9, (8.0,))], shape=SHAPE)


def facts(number: int, **changes: object) -> ImageFacts:
    return replace(ImageFacts(Path(f"/images/{number}.tif"), title=f"field {number}", shape=SHAPE), **changes)  # type: ignore[arg-type]


def steps(*patches: ValuePatch) -> list[StoredEdit]:
    edits = [Edit("Set", (patch,), is_by_hand=False) for patch in patches]
    return [StoredEdit(i, e.uid, "2026-01-01T00:00:00", e.title, e.to_bytes()) for i, e in enumerate(edits)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A project of two measured images."""
    file = tmp_path / "a.nanoai"
    store = ProjectStore.create(file)
    with store.transaction():
        for number in (1, 2):
            store.put_image(number, number, facts(number), False)
            store.put_analysis(number, analysis())
            store.put_labels(number, analysis().labels)
    store.close()
    return file


def change(path: Path, do: Callable[[ProjectStore], object]) -> Opened:
    """Write something that no window would, and read it."""
    opened = open_project(path)
    assert opened.store is not None
    with opened.store.transaction():
        do(opened.store)
    opened.store.close()
    return read_project(path)


def execute(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count/abc", 2), ("count/", 2), ("count/1/2", 2), ("count/1", -1), ("count/1", "two"),
        ("count/1", 2**40), ("count/99999999999", 2), ("excluded/1", 5), ("reviewed/x", True),
        ("reviewed/1", 1), ("accepted/1", True), ("accepted/watershed/\u0663", True),
        ("seconds/manual/1", "a"), ("seconds/manual/1", float("nan")), ("calibration", 0.5),
        ("data_bar_top", 2**40), ("settings", "all"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_named_and_left_out(path: Path, name: str, value: object) -> None:
    values = {"count/3": 2, name: value}
    found = change(path, lambda s: s.put_image(1, 1, facts(1, values=values), False))
    one, two = found.content.images
    assert one.facts.values == {"count/3": 2}
    assert one.analysis is not None and two.analysis is not None
    (sentence,) = found.content.problems
    assert sentence.startswith(f"Something that was set for field 1 could not be read ({name}")
    # And as a step, which undoing would set.
    edits = steps(ValuePatch("count/3", None, 2), ValuePatch(name, value, None))

    def put(store: ProjectStore) -> None:
        store.put_image(1, 1, facts(1), False)
        for edit in edits:
            store.put_edit(1, edit)

    found = change(path, put)
    problems: list[str] = []
    assert read_histories(found.content.images, problems)[1].edits == ()
    assert len(problems) == 1 and "field 1 can no longer be undone" in problems[0]


def test_values_of_a_newer_version_stay(path: Path) -> None:
    found = change(path, lambda s: s.put_image(1, 1, facts(1, values={"hue/3": [1]}), False))
    assert found.content.images[0].facts.values == {"hue/3": [1]}
    assert found.content.problems == ()


@pytest.mark.parametrize("number", [2**31, 2**62, -5, 0])
def test_numbers_of_images_that_cannot_be_leave_room_for_new_ones(path: Path, number: int) -> None:
    execute(
        path,
        "PRAGMA foreign_keys = OFF",
        f"UPDATE images SET id = {number} WHERE id = 1",
        f"INSERT INTO images SELECT {2**40}, place, 1, path, '', frame, 1, 1, '', 0, 0, state FROM images "
        "WHERE id = 2",
    )
    content = read_project(path).content
    assert [image.number for image in content.images] == [2]
    assert content.next_number == 3
    assert content.problems == (
        f"1.tif (image {number} of the project) could not be read (a number that cannot be).",
    )


@pytest.mark.parametrize(
    "changes",
    [{"generation": 2**70}, {"generation": -1}, {"frame": -1}, {"n_frames": 2**40}, {"title": "a" * 20_000}],
)
def test_an_image_that_cannot_be_is_named(path: Path, changes: dict[str, object]) -> None:
    content = change(path, lambda s: s.put_image(1, 1, facts(1, **changes), False)).content
    assert [image.number for image in content.images] == [2]
    assert content.problems == (
        "1.tif (image 1 of the project) could not be read (numbers or names that cannot be).",
    )


@pytest.mark.parametrize("at", [(5, 7), (-2, -1), (2**50, 2**50 + 1)])
def test_steps_that_are_not_one_after_the_other_are_not_undone(path: Path, at: tuple[int, int]) -> None:
    def put(store: ProjectStore) -> None:
        for edit in steps(ValuePatch("count/1", None, 2), ValuePatch("count/1", 2, 3)):
            store.put_edit(1, edit)

    change(path, put)
    for step in (1, 0):
        execute(path, f"UPDATE edits SET step = {at[step]} WHERE step = {step}")
    content = read_project(path).content
    assert content.images[0].edits == ()
    assert content.problems == ("The steps of field 1 can no longer be undone (some are missing).",)


def test_the_same_step_twice_is_not_undone(path: Path) -> None:
    one, two = steps(ValuePatch("count/1", None, 2), ValuePatch("count/1", 2, 3))

    def put(store: ProjectStore) -> None:
        store.put_edit(1, one)
        store.put_edit(1, replace(two, data=one.data))

    problems: list[str] = []
    histories = read_histories(change(path, put).content.images, problems)
    assert histories[1].edits == () and "the same step twice" in problems[0]


def test_a_small_file_does_not_become_a_large_one_in_memory(path: Path) -> None:
    # A label image of 64 GB.
    execute(path, f"UPDATE labels SET height = {2**17}, width = {2**17} WHERE image = 1")
    (sentence,) = read_project(path).content.problems
    assert "The results of field 1 could not be read (labels of a size that cannot be)" in sentence
    # A million pieces of nothing, each of which is an object.
    lengths = np.zeros(MOST_PIECES + 1, np.int64)
    data = pack({"!r": ["a", "b"]}, {"a": np.zeros(0, np.float32), "b": lengths})
    assert len(data) < 100_000
    with pytest.raises(PackingError, match="more pieces"):
        from_bytes(tuple, data)
    # Sums that wrap round.
    for bad in ([2**62, 2**62, 2**62, 2**62], [-1, 1], [5, -5]):
        data = pack({"!r": ["a", "b"]}, {"a": np.zeros(0), "b": np.array(bad, np.int64)})
        with pytest.raises(PackingError):
            from_bytes(tuple, data)


def test_many_pieces_share_what_may_be_unpacked() -> None:
    data = pack(None, {"a": np.zeros(10_000)})
    allowance = Allowance(200_000)
    unpack(data, allowance=allowance)
    unpack(data, allowance=allowance)
    with pytest.raises(PackingError, match="larger than it may be"):
        unpack(data, allowance=allowance)


def spoil_box(made: ImageAnalysis) -> ImageAnalysis:
    boxes = made.agglomerates.boxes.copy()
    boxes[0, 3] = 5000
    return replace(made, agglomerates=replace(made.agglomerates, boxes=boxes))


def spoil_particle(made: ImageAnalysis, **columns: object) -> ImageAnalysis:
    result = made.results["watershed"]
    particles = replace(result.particles, **columns)  # type: ignore[arg-type]
    return replace(made, results={"watershed": replace(result, particles=particles)})


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_box,
        lambda a: spoil_particle(a, x=np.array([np.nan, 1.0, 2.0])),
        lambda a: spoil_particle(a, y=np.array([1e300, 1.0, 2.0])),
        lambda a: spoil_particle(a, area_px=np.array([-1.0, 1.0, 2.0])),
        lambda a: spoil_particle(a, ids=np.array([1, 2, 2], np.int32)),
        lambda a: spoil_particle(a, ids=np.array([0, 1, 2], np.int32)),
        lambda a: spoil_particle(a, ids=np.array([1, 2, 2**30], np.int32)),
        lambda a: spoil_particle(a, x=np.zeros((3, 2))),
        lambda a: replace(a, agglomerates=replace(a.agglomerates, ids=np.array([3, 1], np.int32))),
        lambda a: replace(a, agglomerates=replace(a.agglomerates, status=np.zeros(7, np.int8))),
        lambda a: replace(a, data_bar_top=-3),
        lambda a: replace(a, data_bar_top=101),
        lambda a: replace(a, results={"hough": a.results["watershed"]}),
        lambda a: replace(a, shape=(2**16, 2**16)),
    ],
)
def test_tables_that_cannot_be_are_not_read(
    path: Path, spoil: Callable[[ImageAnalysis], ImageAnalysis]
) -> None:
    assert is_sound(analysis())
    assert from_bytes(ImageAnalysis, to_bytes(analysis())) is not None
    data = to_bytes(replace(spoil(analysis()), labels=analysis().labels))
    with pytest.raises(PackingError, match="parts do not belong together"):
        from_bytes(ImageAnalysis, data)


def test_steps_on_results_that_are_gone_are_named(path: Path) -> None:
    from nanoai_gui.core.editing import labels
    from nanoai_gui.core.editing.document import ImageDocument

    edit = labels.delete(ImageDocument(analysis()), [1])
    assert edit is not None
    stored = StoredEdit(0, edit.uid, "2026-01-01T00:00:00", edit.title, edit.to_bytes())
    change(path, lambda s: s.put_edit(1, stored))
    execute(path, "DELETE FROM analyses WHERE image = 1")
    problems: list[str] = []
    histories = read_histories(read_project(path).content.images, problems)
    assert histories[1].edits == () and "the results they were made on are gone" in problems[0]


def test_what_cannot_be_read_is_kept_before_anything_is_written_over_it(path: Path) -> None:
    execute(path, "UPDATE labels SET data = x'00' WHERE image = 1")
    opened = open_project(path)
    assert opened.store is not None
    problems = opened.content.problems
    copy = keep_as_it_was(opened, problems)
    assert copy == path.with_name("a (damaged).nanoai")
    assert read_project(copy).content.problems == problems
    opened.store.close()
    # Once is enough.
    opened = open_project(path)
    assert opened.store is not None and opened.content.problems == problems
    assert keep_as_it_was(opened, problems) is None
    assert keep_as_it_was(opened, [*problems, "Another."]) == path.with_name("a (damaged) 2.nanoai")
    opened.store.close()
    # What was salvaged has the damaged file itself beside it.
    opened = open_project(salvage(path).path)
    assert opened.store is not None and opened.content.problems == problems
    assert keep_as_it_was(opened, problems) is None
    opened.store.close()


def test_salvaging_onto_a_full_disk_says_so_and_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = ProjectStore.create

    def small(target: Path) -> ProjectStore:
        store = create(target)
        store._connection.execute("PRAGMA max_page_count = 22")
        return store

    noise = np.random.default_rng(1).integers(0, 255, 200_000, dtype=np.uint8).tobytes()
    change(path, lambda s: s.put_spectra({"noise": noise}))
    monkeypatch.setattr(ProjectStore, "create", small)
    with pytest.raises(ProjectTrouble, match="disk is full"):
        salvage(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_labels_of_the_right_checksum_that_are_none_are_found_when_they_are_unpacked(path: Path) -> None:
    data = zlib.compress(b"short")
    execute(path, f"UPDATE labels SET data = x'{data.hex()}', crc = {zlib.crc32(data)} WHERE image = 1")
    one, _ = read_project(path).content.images
    assert one.analysis is not None
    with pytest.raises(ValueError, match="stated size"):
        unpacked(one.analysis.labels)
    # A table by these ids would not fit into the memory.
    for ident in (-1, 2**30):
        with pytest.raises(ValueError, match="ids that cannot be"):
            unpacked(PackedLabels.pack(np.full((3, 4), ident, np.int32)))
