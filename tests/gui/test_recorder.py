"""Whatever is done to images, the project holds it to the last bit as soon as it was handed over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from nanoai_gui.core.editing import circles, labels
from nanoai_gui.core.editing.history import History
from nanoai_gui.core.project.opening import read_histories
from nanoai_gui.core.project.store import ProjectStore
from nanoai_gui.core.project.writer import Write
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.gui.projects.recorder import TemRecorder, entry_of
from nanoai_gui.gui.tem.session import TemSession
from tests.core.analyses import Disc, make_analysis
from tests.killing import digest_of

SHAPE = (300, 520)
"""Two tiles by three."""


class Kept:
    """A session, and the project that its recorder writes at once."""

    def __init__(self, path: Path) -> None:
        self.session = TemSession()
        self.store = ProjectStore.create(path)
        self.n_writes = 0
        self.recorder = TemRecorder(self.session, self.write)
        self.keys = self.session.add_paths([Path("/images/a.tif"), Path("/images/b.tif")])

    def write(self, write: Write, is_work: bool) -> bool:
        self.n_writes += 1
        with self.store.transaction():
            write(self.store)
        return True

    def measure(self, key: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        places = rng.uniform(40, 260, (6, 2)) * (1.9, 1)
        discs = [Disc(i + 1, x, y, 14, (11.0, 9.0)) for i, (x, y) in enumerate(places)]
        entry = self.session.entry(key)
        made = make_analysis(discs, path=str(entry.path), shape=SHAPE)
        assert self.session.accept_analysis(key, replace(made, request=entry.request()))

    def live(self) -> dict[int, str]:
        return {entry.key: digest_of(entry) for entry in self.session.entries()}

    def held(self) -> dict[int, str]:
        content = self.store.read()
        assert content.problems == ()
        histories = read_histories(content.images)
        return {i.number: digest_of(entry_of(i, histories[i.number])) for i in content.images}


@pytest.fixture
def kept(tmp_path: Path, qtbot: QtBot) -> Iterator[Kept]:
    made = Kept(tmp_path / "a.nanoai")
    yield made
    made.recorder.forget()
    made.store.close()


def some_edit(kept: Kept, key: int, rng: np.random.Generator) -> None:
    """One step of any kind, on one image."""
    session, document = kept.session, kept.session.entry(key).document
    ids = document.table.ids.tolist()
    one = [int(rng.choice(ids))] if ids else []
    match int(rng.integers(0, 9)):
        case 0:
            session.undo(key)
        case 1:
            session.redo(key)
        case 2:
            session.jump(key, int(rng.integers(0, len(session.history(key).edits) + 1)))
        case 3:
            session.set_calibration(key, Calibration.typed(round(float(rng.uniform(0.1, 2)), 2)))
        case 4:
            kept.measure(key, int(rng.integers(100)))
        case 5 if len(ids) > 3:
            session.commit(key, labels.delete(document, one))
        case 6:
            corners = rng.uniform(20, 280, (5, 2)) * (1.8, 1)
            session.commit(key, labels.add_polygon(document, corners))
        case 7:
            session.set_data_bar(key, int(rng.integers(200, 290)))
        case _:
            session.commit(key, labels.grow(document, one))


def test_random_steps_are_held_as_they_are(kept: Kept) -> None:
    # One is shown, whose labels stay unpacked; the other is not.
    kept.session.accept_micrograph(kept.keys[0], Micrograph(np.zeros(SHAPE, np.uint8), "a.tif"))
    for key in kept.keys:
        kept.measure(key, key)
    # The oldest steps are given up, here and in the file.
    kept.session.entry(kept.keys[0]).history = History(most_steps=6)
    rng = np.random.default_rng(4)
    for _ in range(50):
        for _ in range(int(rng.integers(1, 5))):
            some_edit(kept, int(rng.choice(kept.keys)), rng)
        kept.recorder.flush()
        assert kept.held() == kept.live()
    assert kept.store.check() == "ok"
    assert len(kept.session.history(kept.keys[0]).edits) <= 6
    (oldest,) = kept.store._connection.execute("SELECT min(step) FROM edits WHERE image = 1").fetchone()
    assert oldest > 0


def test_what_has_not_changed_is_not_written_again(kept: Kept) -> None:
    kept.measure(kept.keys[0], 1)
    kept.recorder.flush()
    before = kept.n_writes
    kept.session.entry_changed.emit(kept.keys[0])
    kept.recorder.flush()
    assert kept.n_writes == before


def test_only_the_tiles_of_an_edit_are_written(kept: Kept) -> None:
    key = kept.keys[0]
    kept.session.accept_micrograph(key, Micrograph(np.zeros(SHAPE, np.uint8), "a.tif"))
    kept.measure(key, 1)
    kept.recorder.flush()
    document = kept.session.entry(key).document
    kept.session.commit(key, labels.add_polygon(document, np.array([[5.0, 5.0], [30.0, 5.0], [20.0, 30.0]])))
    kept.recorder.flush()
    rows = kept.store._connection.execute("SELECT row, column FROM tiles").fetchall()
    assert rows == [(0, 0)]
    assert kept.held() == kept.live()


def test_steps_of_an_image_that_is_not_measured_yet_are_held(kept: Kept) -> None:
    """What a killed window was found to have lost: settings chosen while the first image was on show."""
    key = kept.keys[0]
    session = kept.session
    session.accept_micrograph(key, Micrograph(np.zeros(SHAPE, np.uint8), "a.tif"))
    segmentation = replace(session.settings.segmentation, denoise_px=0.5)
    session.set_settings(replace(session.settings, segmentation=segmentation))
    session.set_calibration(key, Calibration.typed(0.25))
    session.set_data_bar(key, 200)
    session.undo(key)
    kept.recorder.flush()
    assert len(session.history(key).edits) == 3
    assert kept.held() == kept.live()


def test_ids_are_not_given_again_though_nothing_remembers_them_but_the_project(kept: Kept) -> None:
    key = kept.keys[0]
    session = kept.session
    session.accept_micrograph(key, Micrograph(np.zeros(SHAPE, np.uint8), "a.tif"))
    kept.measure(key, 1)
    session.entry(key).history = History(most_steps=1)
    document = session.entry(key).document
    corner = np.array([[5.0, 5.0], [30.0, 5.0], [20.0, 30.0]])
    session.commit(key, labels.add_polygon(document, corner))
    session.commit(key, circles.add(document, "watershed", circles.Ellipse(15.0, 12.0, 6.0, 6.0, 0.0)))
    newest = int(document.table.ids.max())
    session.commit(key, labels.delete(document, [newest]))
    session.set_calibration(key, Calibration.typed(0.5))
    assert [edit.title for edit in session.history(key).edits] == ["Calibrate"]
    kept.recorder.flush()
    (image, _) = kept.store.read().images
    found = entry_of(image, read_histories([image])[key]).document
    assert found.next_agglomerate() == document.next_agglomerate() == newest + 1
    assert found.next_particle("watershed") == document.next_particle("watershed")
    assert found.next_particle("watershed") > int(found.results["watershed"].particles.ids.max()) + 1


def test_everything_goes_into_an_empty_project(kept: Kept, tmp_path: Path) -> None:
    for key in kept.keys:
        kept.measure(key, key)
    rng = np.random.default_rng(8)
    for _ in range(12):
        some_edit(kept, int(rng.choice(kept.keys)), rng)
    write = kept.recorder.everything()
    kept.store.close()
    kept.store = ProjectStore.create(tmp_path / "b.nanoai")
    kept.write(write, True)
    assert kept.held() == kept.live()


def test_changes_are_handed_over_by_themselves_soon(kept: Kept, qtbot: QtBot) -> None:
    kept.measure(kept.keys[0], 1)
    qtbot.waitUntil(lambda: kept.n_writes > 0 and kept.held() == kept.live(), timeout=2000)
