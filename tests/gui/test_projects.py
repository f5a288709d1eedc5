"""Projects as a person meets them: nothing asks, nothing is lost, and every trouble has a way out."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from nanoai_gui.core.editing import labels
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import LabelPatch, with_packed_labels
from nanoai_gui.core.files.spectra_table import write_table
from nanoai_gui.core.project.opening import open_project, read_histories, read_project
from nanoai_gui.core.project.schema import FORMAT
from nanoai_gui.core.project.store import ProjectStore
from nanoai_gui.core.project.writer import ProjectWriter
from nanoai_gui.core.soundness import labels_fit
from nanoai_gui.core.spectra.model import Predictions
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.rejection import Measures
from nanoai_gui.core.spectra.spectral_set import concatenate
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image
from nanoai_gui.gui.main_window import MainWindow
from nanoai_gui.gui.projects import work
from nanoai_gui.gui.projects.places import list_unnamed, unnamed_folder
from nanoai_gui.gui.projects.recorder import entry_of
from nanoai_gui.gui.projects.work import Prepared, try_open
from nanoai_gui.gui.spectra.entries import SetState
from nanoai_gui.gui.spectra.loading import SpectraLoader
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.tem.editing import editor as editor_module
from nanoai_gui.gui.tem.tools import Tool
from nanoai_gui.gui.tem.view import View
from tests.core.test_plain import assert_same
from tests.gui import tasks
from tests.gui.made import quick_settings, running
from tests.gui.test_editing_tools import drag, use
from tests.gui.test_spectra_tab import map_of
from tests.killing import digest_of

SOON = 20_000


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small images."""
    import tifffile

    made = tmp_path_factory.mktemp("Bilder ü")
    for i in (1, 2):
        pixels = make_image(SynthesisSpec(width_px=200, height_px=200, gmd_px=16), i).micrograph.pixels
        tifffile.imwrite(made / f"field {i}.tif", pixels, resolution=(2e7, 2e7), resolutionunit=3)
    return made


@pytest.fixture
def start(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., MainWindow]]:
    """Start the program as a person does, each time with the settings of the last."""
    with ExitStack() as made:

        def begin(*files: Path) -> MainWindow:
            store = quick_settings(tmp_path / "settings" / "settings.json")
            window = made.enter_context(running(qapp, qtbot, store)).window
            made.callback(window.projects.may_close)
            window.begin(files)
            return window

        yield begin


def measure(window: MainWindow, qtbot: QtBot) -> dict[int, ImageAnalysis]:
    """Measure everything; gives the results."""
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    with qtbot.waitSignal(window.batch.finished, timeout=60_000):
        window.batch.start(window.session.keys())
    return results(window)


def results(window: MainWindow) -> dict[int, ImageAnalysis]:
    """What was measured, as it is now."""
    return {e.key: with_packed_labels(e.analysis) for e in window.session.entries() if e.analysis is not None}


def names(window: MainWindow) -> list[str]:
    return [entry.path.name for entry in window.session.entries()]


def question(window: MainWindow, qtbot: QtBot) -> QMessageBox:
    def asked() -> list[QMessageBox]:
        return [box for box in window.findChildren(QMessageBox) if box.isVisible()]

    qtbot.waitUntil(lambda: len(asked()) == 1, timeout=SOON)
    return asked()[0]


def answer(window: MainWindow, qtbot: QtBot, text: str) -> None:
    box = question(window, qtbot)
    (button,) = [b for b in box.buttons() if b.text().replace("&", "") == text]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


# ---------------------------------------------------------------------- nothing is lost, nothing asks


def test_work_without_a_name_is_there_at_the_next_start(
    start: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = start(images)
    before = measure(window, qtbot)
    assert len(before) == 2
    key = window.session.keys()[1]
    window.session.set_calibration(key, Calibration.typed(0.25))
    window.session.set_data_bar(window.session.keys()[0], 150)
    window.session.set_settings(replace(window.session.settings, methods=("hough", "watershed")))
    window.session.set_current(key)
    qtbot.waitUntil(lambda: window.session.current == key, timeout=SOON)
    kept = results(window)
    states = [entry.state for entry in window.session.entries()]
    assert window.close()
    assert not window.findChildren(QMessageBox)
    (file,) = list_unnamed()
    assert [p.name for p in unnamed_folder().iterdir()] == [file.name]

    again = start()
    qtbot.waitUntil(lambda: len(again.session) == 2, timeout=SOON)
    assert_same(results(again), kept)
    assert [entry.state for entry in again.session.entries()] == states
    assert again.session.entry(key).calibration == Calibration.typed(0.25)
    assert again.session.entry(again.session.keys()[0]).data_bar_top == 150
    assert again.session.settings.methods == ("hough", "watershed")
    qtbot.waitUntil(lambda: again.session.current == key, timeout=SOON)
    qtbot.waitUntil(lambda: again.session.labels is not None, timeout=SOON)
    assert any("is here as you left it" in text for text in again.notices.texts)
    again.projects.new()
    assert names(again) == []
    assert len(list_unnamed()) == 1  # begun anew, and still not lost


def test_an_empty_window_leaves_no_file(start: Callable[..., MainWindow], images: Path, qtbot: QtBot) -> None:
    window = start()
    window.session.set_settings(replace(window.session.settings, methods=("hough",)))
    window.projects.flush()
    assert not unnamed_folder().exists()
    window.open_paths([images])
    qtbot.waitUntil(lambda: len(window.session) == 2, timeout=SOON)
    window.projects.flush()
    assert len(list_unnamed()) == 1
    window.session.remove(window.session.keys())
    window.close()
    assert list_unnamed() == []


def test_what_a_killed_batch_did_not_measure_is_measured_at_the_next_start(
    start: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = start(images)
    first, second = None, None
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    first, second = window.session.keys()
    with qtbot.waitSignal(window.batch.finished, timeout=60_000):
        window.batch.start([first])
    measured = results(window)[first]
    window.batch.start([second])
    window.projects.flush()
    window.close()  # while it runs
    assert [i.is_pending for i in read_project(list_unnamed()[0]).content.images] == [False, True]

    again = start()
    with qtbot.waitSignal(again.batch.finished, timeout=60_000):
        qtbot.waitUntil(lambda: len(again.session) == 2, timeout=SOON)
    assert_same(results(again)[first], measured)
    assert again.session.entry(second).analysis is not None
    assert any("Going on where the analysis was stopped: 1 image" in text for text in again.notices.texts)


# ---------------------------------------------------------------------- names


def test_a_project_is_named_duplicated_and_opened_by_drop(
    start: Callable[..., MainWindow],
    images: Path,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = start(images / "field 1.tif")
    measured = measure(window, qtbot)
    target = tmp_path / "Probe ü 1.nanoai"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target.with_suffix("")), ""))
    window.actions_by_key["save_project"].trigger()  # without a name it asks for one
    qtbot.waitUntil(lambda: window.windowTitle() == "field 1.tif - Probe ü 1 - NanoAI", timeout=SOON)
    assert list_unnamed() == []
    window.open_paths([images / "field 2.tif"])
    qtbot.waitUntil(lambda: len(window.session) == 2, timeout=SOON)
    window.actions_by_key["save_project"].trigger()
    assert any("Probe ü 1.nanoai is saved" in text for text in window.notices.texts)
    assert len(read_project(target).content.images) == 2

    copy = tmp_path / "copy.nanoai"
    window.projects.naming.duplicate(copy)
    qtbot.waitUntil(copy.exists, timeout=SOON)
    qtbot.waitUntil(lambda: any("A copy is in" in text for text in window.notices.texts), timeout=SOON)
    window.session.remove(window.session.keys()[1:])
    assert window.projects.path == target

    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(copy))])
    drop = QDropEvent(
        QPointF(300, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    window.dropEvent(drop)
    qtbot.waitUntil(lambda: window.projects.path == copy, timeout=SOON)
    assert names(window) == ["field 1.tif", "field 2.tif"]
    assert_same(results(window), measured)
    assert [i.facts.path.name for i in read_project(target).content.images] == ["field 1.tif"]

    window.projects.recent.menu.aboutToShow.emit()
    assert [a.data() for a in window.projects.recent.menu.actions()] == [str(copy), str(target)]
    window.projects.recent.menu.actions()[1].trigger()
    qtbot.waitUntil(lambda: window.projects.path == target, timeout=SOON)
    assert names(window) == ["field 1.tif"]


def test_the_commands_of_the_menu_begin_open_name_and_copy(
    start: Callable[..., MainWindow],
    images: Path,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = start(images)
    qtbot.waitUntil(lambda: len(window.session) == 2, timeout=SOON)
    places = iter([tmp_path / "one.nanoai", tmp_path / "two.nanoai"])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(next(places)), ""))
    window.actions_by_key["save_project_as"].trigger()
    qtbot.waitUntil(lambda: window.projects.path == tmp_path / "one.nanoai", timeout=SOON)
    window.actions_by_key["duplicate_project"].trigger()
    qtbot.waitUntil(lambda: any("A copy is in two.nanoai" in t for t in window.notices.texts), timeout=SOON)
    assert window.projects.path == tmp_path / "one.nanoai"
    window.session.remove([1])
    window.actions_by_key["new_project"].trigger()
    assert names(window) == [] and window.projects.writer is None
    assert [i.number for i in read_project(tmp_path / "one.nanoai").content.images] == [2]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "two.nanoai"), ""))
    window.actions_by_key["open_project"].trigger()
    qtbot.waitUntil(lambda: len(window.session) == 2, timeout=SOON)
    assert window.projects.title == "two"


@pytest.mark.parametrize("leave", ["new", "close"])
def test_what_changes_while_a_project_is_written_elsewhere_is_not_lost_by_leaving_it(
    start: Callable[..., MainWindow], images: Path, qtbot: QtBot, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, leave: str,
) -> None:  # fmt: skip
    window = start(images)
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    is_copied, go_on, save_elsewhere = threading.Event(), threading.Event(), work.save_elsewhere

    def slow(writer: ProjectWriter, path: Path) -> object:
        found = save_elsewhere(writer, path)
        is_copied.set()
        assert go_on.wait(SOON / 1000)
        return found

    monkeypatch.setattr(work, "save_elsewhere", slow)
    window.projects.save_as(tmp_path / "a.nanoai")
    assert is_copied.wait(SOON / 1000)
    window.session.set_calibration(window.session.keys(), Calibration.typed(3.0))
    if leave == "new":
        window.projects.new()
        assert len(window.session) == 2 and "try again in a moment" in window.notices.texts[-1]
        go_on.set()
        qtbot.waitUntil(lambda: window.projects.title == "a", timeout=SOON)
        window.projects.new()
        assert len(window.session) == 0
    else:
        assert not window.close()
        assert window.isVisible() and "closes as soon as" in window.notices.texts[-1]
        go_on.set()
        qtbot.waitUntil(lambda: not window.isVisible(), timeout=SOON)
    content = read_project(tmp_path / "a.nanoai").content
    assert [i.facts.calibration for i in content.images] == [Calibration.typed(3.0)] * 2


def test_what_was_found_out_of_one_project_is_not_said_of_the_next(
    start: Callable[..., MainWindow], moved: Path, qtbot: QtBot
) -> None:
    other = moved.with_name("b.nanoai")
    shutil.copy(moved, other)
    spoil(moved, "UPDATE images SET size = size + 1, mtime_ns = 1")
    window = start()
    workers = [window._runner.run(tasks.endless, None, None) for _ in range(window._runner.pool.n_workers)]
    window.projects.open(moved)
    qtbot.waitUntil(lambda: window.projects.path == moved, timeout=SOON)
    window.projects.open(other)
    qtbot.waitUntil(lambda: window.projects.path == other, timeout=SOON)
    for worker in workers:
        worker.cancel()
    window.projects.sources._waiting.append(moved)
    window.projects.sources._take_more()  # done after all that was asked for before
    qtbot.waitUntil(lambda: not window.projects.sources._is_busy, timeout=SOON)
    assert [entry.state.name for entry in window.session.entries()] == ["DONE", "DONE"]


# ---------------------------------------------------------------------- trouble


@pytest.fixture
def project(start: Callable[..., MainWindow], images: Path, qtbot: QtBot, tmp_path: Path) -> Path:
    """A project of two images that no window has open."""
    window = start(images)
    qtbot.waitUntil(lambda: len(window.session) == 2, timeout=SOON)
    path = tmp_path / "kept" / "kept.nanoai"
    path.parent.mkdir()
    window.projects.save_as(path)
    qtbot.waitUntil(lambda: window.projects.path == path, timeout=SOON)
    window.projects.new()
    window.close()
    return path


def test_a_project_in_use_is_read_and_changes_go_into_a_copy(
    start: Callable[..., MainWindow], project: Path, qtbot: QtBot
) -> None:
    other = open_project(project)
    assert other.store is not None
    window = start(project)
    assert "is open in another window of NanoAI" in question(window, qtbot).text()
    answer(window, qtbot, "Open for reading")
    qtbot.waitUntil(lambda: len(window.session) == 2, timeout=SOON)
    assert window.projects.title == "kept (read only)"
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    window.session.set_current(window.session.keys()[1])
    window.projects.flush()
    assert list_unnamed() == []
    window.session.set_calibration(window.session.keys(), Calibration.typed(3.0))
    window.projects.flush()
    assert window.projects.title == ""
    assert any("your changes go into a copy" in text for text in window.notices.texts)
    content = read_project(list_unnamed()[0]).content
    assert [i.facts.calibration for i in content.images] == [Calibration.typed(3.0)] * 2
    assert [i.facts.calibration for i in other.store.read().images] == [None, None]
    other.store.close()


def test_a_project_in_use_can_be_copied_or_left(
    start: Callable[..., MainWindow], project: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = open_project(project)
    assert other.store is not None
    window = start(project)
    answer(window, qtbot, "Cancel")
    assert names(window) == []
    copy = project.with_name("another.nanoai")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(copy), ""))
    window.projects.open(project)
    answer(window, qtbot, "Work on a copy...")
    qtbot.waitUntil(lambda: window.projects.path == copy, timeout=SOON)
    assert len(window.session) == 2
    other.store.close()


def test_a_damaged_project_is_saved_as_far_as_it_can_be_read(
    start: Callable[..., MainWindow], project: Path, qtbot: QtBot
) -> None:
    with project.open("rb+") as stream:
        stream.write(b"\0" * 100)
    damaged = project.read_bytes()
    window = start(project)
    assert "kept.nanoai is damaged" in question(window, qtbot).text()
    answer(window, qtbot, "Save what can be read")
    qtbot.waitUntil(lambda: len(window.session) == 2, timeout=SOON)
    assert window.projects.path == project.with_name("kept (recovered).nanoai")
    assert any("2 images of kept.nanoai could be read" in text for text in window.notices.texts)
    assert project.read_bytes() == damaged


def spoil(project: Path, *statements: str) -> None:
    with sqlite3.connect(project) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_labels_that_nobody_can_unpack_are_told_when_they_are_looked_at(
    start: Callable[..., MainWindow], moved: Path, qtbot: QtBot
) -> None:
    data = zlib.compress(b"short")
    # Of the right checksum: no damage of a disk does that.
    spoil(moved, f"UPDATE labels SET data = x'{data.hex()}', crc = {zlib.crc32(data)} WHERE image = 1")
    window = start(moved)
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    first = window.session.keys()[0]
    qtbot.waitUntil(lambda: window.session.entry(first).state.name == "FAILED", timeout=SOON)
    assert any("cannot be read any more: analyse it again" in text for text in window.notices.texts)
    assert not window.findChildren(QMessageBox)
    with qtbot.waitSignal(window.batch.finished, timeout=60_000):
        window.batch.start([first])
    assert window.session.entry(first).state.name == "DONE"


def test_labels_that_are_not_those_of_the_table_are_mended_with_a_sentence(
    start: Callable[..., MainWindow], moved: Path, qtbot: QtBot
) -> None:
    spoil(
        moved,
        "DELETE FROM tiles",
        *(
            f"UPDATE labels SET {c} = (SELECT {c} FROM labels WHERE image = 2) WHERE image = 1"
            for c in ("data", "crc")
        ),
    )
    window = start(moved)
    qtbot.waitUntil(lambda: window.session.labels is not None, timeout=SOON)
    document = window.session.entry(window.session.keys()[0]).document
    assert labels_fit(document.labels, document.table)
    assert any("were not those of its table" in text for text in window.notices.texts)
    qtbot.waitUntil(lambda: not document.stale(), timeout=SOON)
    # It is in the project like that: the next start has nothing to say.
    state = document.state_bytes()
    window.close()
    window = start(moved)
    qtbot.waitUntil(lambda: window.session.labels is not None, timeout=SOON)
    assert window.session.entry(window.session.keys()[0]).document.state_bytes() == state
    assert not any("were not those" in text for text in window.notices.texts)


@pytest.mark.parametrize("is_stroke", [True, False])
def test_an_edit_of_labels_that_a_step_of_a_file_made_unfit_mends_them(
    start: Callable[..., MainWindow],
    moved: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    is_stroke: bool,
) -> None:
    window = start(moved)
    qtbot.waitUntil(lambda: window.session.labels is not None, timeout=SOON)
    key = window.session.keys()[0]
    document = window.session.entry(key).document
    # A step of which the table does not know: half of an agglomerate is another's that there is not.
    ident = int(document.table.ids[0])
    position = np.flatnonzero(document.labels == ident)[::2]
    patch = LabelPatch.to(document.labels, position, np.full(len(position), 5000, np.int32))
    assert patch is not None
    window.session.commit(key, Edit("Brush", (patch,)))
    window.session.undo(key)
    window.close()

    window = start(moved)
    qtbot.waitUntil(lambda: window.session.labels is not None, timeout=SOON)
    document = window.session.entry(key).document
    window.actions_by_key["redo"].trigger()
    assert not labels_fit(document.labels, document.table)
    tab = window.tab
    if is_stroke:
        y, x = np.divmod(position[len(position) // 2], document.labels.shape[1])
        tab.canvas.set_view(View(3.0, float(x), float(y)))
        use(tab, Tool.ERASER)
        drag(tab, (float(x), float(y)), (float(x) + 5, float(y)))
    else:
        monkeypatch.setattr(editor_module, "MANY", 1)  # in a thread, as an edit of many is
        tab.editing.editor.delete_agglomerates(frozenset({ident}))
    qtbot.waitUntil(lambda: labels_fit(document.labels, document.table), timeout=SOON)
    assert any("were not those of its table" in text for text in window.notices.texts)
    assert not window.findChildren(QMessageBox)
    assert 5000 not in document.labels


def test_steps_that_do_not_fit_are_forgotten_with_a_sentence(
    start: Callable[..., MainWindow], moved: Path, qtbot: QtBot
) -> None:
    window = start(moved)
    qtbot.waitUntil(lambda: window.session.labels is not None, timeout=SOON)
    first = window.session.keys()[0]
    document = window.session.entry(first).document
    window.session.commit(first, labels.delete(document, document.table.ids.tolist()[:1]))
    window.close()
    # What was measured in one image is made that of the other.
    spoil(
        moved,
        "UPDATE analyses SET data = (SELECT data FROM analyses WHERE image = 2) WHERE image = 1",
        "DELETE FROM tiles",
        *(
            f"UPDATE labels SET {c} = (SELECT {c} FROM labels WHERE image = 2) WHERE image = 1"
            for c in ("data", "crc")
        ),
    )
    window = start(moved)
    qtbot.waitUntil(lambda: window.session.labels is not None, timeout=SOON)
    state = window.session.entry(first).document.state_bytes()
    window.actions_by_key["undo"].trigger()
    assert any("do not fit what was measured in it" in text for text in window.notices.texts)
    assert window.session.history(first).edits == ()
    assert window.session.entry(first).document.state_bytes() == state
    assert not window.findChildren(QMessageBox)


def test_a_project_that_does_not_fit_into_the_memory_is_refused_in_a_sentence(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ProjectStore) -> None:
        raise MemoryError

    monkeypatch.setattr(ProjectStore, "read", full)
    found = try_open(project, False)
    assert str(found) == "kept.nanoai holds more than fits into the memory of this computer."
    monkeypatch.undo()
    prepared = try_open(project, False)
    assert isinstance(prepared, Prepared) and prepared.project.store is not None  # not left locked
    prepared.project.store.close()


def test_of_many_parts_that_cannot_be_read_the_first_are_named_and_all_are_kept(
    start: Callable[..., MainWindow], project: Path, qtbot: QtBot
) -> None:
    rows = "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 29) SELECT i"
    spoil(
        project,
        f"INSERT INTO images (id, place, path, state) {rows}, i, 'a', x'00' FROM n",
    )
    window = start(project)
    qtbot.waitUntil(lambda: len(window.session) == 2, timeout=SOON)
    (text,) = [text for text in window.notices.texts if "could not be read" in text]
    assert text.count("could not be read") == 3 and "in 17 more places" in text
    copy = project.with_name("kept (damaged).nanoai")
    assert text.endswith("As it was, it is kept as kept (damaged).nanoai.")
    assert len(read_project(copy).content.problems) == 20
    assert window.session.keys() == [1, 2]
    (new,) = window.session.add_paths([project.with_name("new.tif")])
    assert new == 30


def test_a_newer_project_and_something_else_are_refused_in_a_sentence(
    start: Callable[..., MainWindow], project: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    connection = sqlite3.connect(project)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    window = start(project)
    qtbot.waitUntil(lambda: any("a newer NanoAI" in text for text in window.notices.texts), timeout=SOON)
    window.projects.open(tmp_path / "gone.nanoai")
    qtbot.waitUntil(lambda: any("gone.nanoai is not there" in t for t in window.notices.texts), timeout=SOON)
    assert names(window) == [] and window.projects.writer is None


def test_a_full_disk_is_told_retried_and_asked_about_on_closing(
    start: Callable[..., MainWindow], project: Path, qtbot: QtBot, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("nanoai_gui.gui.projects.projects.LAST_TRY_SECONDS", 0.5)  # it cannot succeed
    window = start(project)
    qtbot.waitUntil(lambda: window.projects.path == project, timeout=SOON)
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    writer = window.projects._writer
    assert writer is not None
    limit = writer.call(lambda s: s._connection.execute("PRAGMA page_count").fetchone()[0])
    writer.call(lambda s: s._connection.execute(f"PRAGMA max_page_count = {limit}"))
    measure(window, qtbot)
    qtbot.waitUntil(lambda: any("The disk is full" in text for text in window.notices.texts), timeout=SOON)
    assert window.windowTitle() == "field 1.tif - kept (not saved) - NanoAI"
    assert not window.close()
    assert "The disk is full" in question(window, qtbot).text()
    answer(window, qtbot, "Cancel")
    assert window.isVisible()
    elsewhere = tmp_path / "elsewhere.nanoai"
    window.projects.save_as(elsewhere)
    qtbot.waitUntil(lambda: window.projects.path == elsewhere, timeout=SOON)
    assert window.windowTitle() == "field 1.tif - elsewhere - NanoAI"
    assert sum(i.analysis is not None for i in read_project(elsewhere).content.images) == 2
    monkeypatch.setattr("nanoai_gui.gui.projects.projects.LAST_TRY_SECONDS", SOON / 1000)
    assert window.close()


def journal(project: Path) -> list[str]:
    """What was done, by the journal of a project that no window has open."""
    opened = open_project(project)
    assert opened.store is not None
    titles = [title for _, _, _, title in opened.store.journal()]
    opened.store.close()
    return titles


@pytest.mark.parametrize("how", ["index", "table"])
def test_work_that_a_project_takes_no_more_goes_on_in_a_new_one(
    start: Callable[..., MainWindow], project: Path, qtbot: QtBot, how: str
) -> None:
    window = start(project)
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    first, second = window.session.keys()
    window.session.set_calibration(second, Calibration.typed(2.0))
    window.session.remove([second])
    assert window.projects.flush()
    outside = sqlite3.connect(project)
    # The index forbids a second line on one image in the journal, and must not go along.
    outside.execute("CREATE UNIQUE INDEX i ON journal (image)" if how == "index" else "DROP TABLE edits")
    outside.commit()
    outside.close()
    for size in (1.0, 1.25):
        window.session.set_calibration(first, Calibration.typed(size))
        window.session.set_data_bar(first, int(100 * size))
    last = project.with_name("kept (continued).nanoai")
    qtbot.waitUntil(lambda: window.projects.path == last, timeout=SOON)
    window.session.set_calibration(first, Calibration.typed(1.5))
    window.session.set_data_bar(first, 160)
    assert any("takes the last changes no more" in t and last.name in t for t in window.notices.texts)
    qtbot.waitUntil(lambda: window.projects.flush() and not window.projects.has_trouble, timeout=SOON)
    assert not window.findChildren(QMessageBox)
    live = digest_of(window.session.entry(first))
    assert window.close()
    assert {p.name for p in project.parent.iterdir()} >= {project.name, last.name}
    # The journal misses nothing of what the old file did not take.
    assert journal(last)[-6:] == ["Calibrate", "Move the data bar"] * 3
    again = start(last)
    qtbot.waitUntil(lambda: again.session.keys() == [first], timeout=SOON)
    assert digest_of(again.session.entry(first)) == live
    assert again.session.history(first).edits


def test_what_was_taken_off_the_list_goes_along_from_a_project_in_trouble(
    start: Callable[..., MainWindow], project: Path, qtbot: QtBot, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    window = start(project)
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    measure(window, qtbot)
    qtbot.waitUntil(lambda: len(window.projects.sources._known) == 2, timeout=SOON)
    first, second = window.session.keys()
    window.session.remove([second])
    assert window.projects.flush()
    writer = window.projects.writer
    assert writer is not None
    limit = writer.call(lambda s: s._connection.execute("PRAGMA page_count").fetchone()[0])
    writer.call(lambda s: s._connection.execute(f"PRAGMA max_page_count = {limit}"))
    document = window.session.entry(first).document
    for _ in range(3):
        window.session.commit(first, labels.grow(document, document.table.ids.tolist()))
    qtbot.waitUntil(lambda: window.projects.has_trouble, timeout=SOON)
    # To where it cannot be written: the file that is open stays the one, and misses nothing later.
    (tmp_path / "file").touch()
    window.projects.save_as(tmp_path / "file" / "elsewhere.nanoai")
    window.session.commit(first, labels.delete(document, document.table.ids.tolist()[:1]))
    qtbot.waitUntil(
        lambda: any("elsewhere.nanoai could not be written" in t for t in window.notices.texts), timeout=SOON
    )
    window.session.commit(first, labels.delete(document, document.table.ids.tolist()[:1]))
    writer._store._connection.execute("PRAGMA max_page_count = 100000")  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: not window.projects.has_trouble, timeout=SOON)
    assert window.projects.flush()
    (image,) = read_project(project).content.images
    assert digest_of(entry_of(image, read_histories([image])[first])) == digest_of(
        window.session.entry(first)
    )

    writer._store._connection.execute(f"PRAGMA max_page_count = {limit}")  # type: ignore[union-attr]
    for _ in range(3):
        window.session.commit(first, labels.grow(document, document.table.ids.tolist()))
    with monkeypatch.context() as patch:
        patch.setattr("nanoai_gui.gui.projects.projects.LAST_TRY_SECONDS", 0.1)  # it cannot succeed
        window.projects.save_as(tmp_path / "elsewhere.nanoai")
        qtbot.waitUntil(lambda: window.projects.path == tmp_path / "elsewhere.nanoai", timeout=SOON)
    assert window.projects.flush()
    live = digest_of(window.session.entry(first))
    assert window.close()
    done = [edit.title for edit in window.session.history(first).edits]
    assert len(done) >= 7 and journal(tmp_path / "elsewhere.nanoai") == done
    opened = open_project(tmp_path / "elsewhere.nanoai")
    assert opened.store is not None
    assert list(opened.store.removed_images().values()) == [second]
    assert opened.store.image(second).analysis is not None
    (image,) = opened.content.images
    assert image.source.fingerprint is not None
    assert digest_of(entry_of(image, read_histories([image])[first])) == live
    opened.store.close()


# ---------------------------------------------------------------------- the images themselves


@pytest.fixture
def moved(start: Callable[..., MainWindow], images: Path, qtbot: QtBot, tmp_path: Path) -> Path:
    """A project beside its two measured images, with their checksums; no window has it open."""
    folder = tmp_path / "one"
    shutil.copytree(images, folder)
    window = start(folder)
    measure(window, qtbot)
    path = folder / "a.nanoai"
    window.projects.save_as(path)
    qtbot.waitUntil(lambda: window.projects.path == path, timeout=SOON)
    qtbot.waitUntil(lambda: len(window.projects.sources._known) == 2, timeout=SOON)
    window.close()
    assert all(i.source.fingerprint is not None for i in read_project(path).content.images)
    return path


def test_checksums_that_come_while_a_project_is_copied_are_in_the_copy(
    start: Callable[..., MainWindow], images: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    window = start(images)
    sources = window.projects.sources
    window.projects.recorder.hold()
    qtbot.waitUntil(lambda: len(sources._late) == 2, timeout=SOON)
    qtbot.wait(100)  # asked for again and again
    assert not sources._known
    window.projects.recorder.release()
    path = tmp_path / "a.nanoai"
    window.projects.save_as(path)
    qtbot.waitUntil(lambda: window.projects.path == path and len(sources._known) == 2, timeout=SOON)
    window.close()
    assert all(i.source.fingerprint is not None for i in read_project(path).content.images)


def test_the_images_of_a_project_that_moved_with_them_are_found(
    start: Callable[..., MainWindow], moved: Path, qtbot: QtBot
) -> None:
    before = {i.number: i.analysis for i in read_project(moved).content.images}
    folder = moved.parent.parent / "two"
    moved.parent.rename(folder)
    window = start(folder / "a.nanoai")
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    assert {entry.path for entry in window.session.entries()} == set(folder.glob("*.tif"))
    assert [entry.state.name for entry in window.session.entries()] == ["DONE", "DONE"]
    assert {k: a.results.keys() for k, a in results(window).items()} == {
        k: a.results.keys() for k, a in before.items() if a is not None
    }
    window.close()
    assert {i.facts.path for i in read_project(folder / "a.nanoai").content.images} == set(
        folder.glob("*.tif")
    )


def test_a_project_that_is_only_read_is_copied_for_what_a_person_does_and_nothing_else(
    start: Callable[..., MainWindow], moved: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(moved) as connection:
        connection.execute("UPDATE images SET pending = 1 WHERE id = 1")
    connection.close()
    folder = moved.parent.parent / "two"
    moved.parent.rename(folder)
    (folder / "field 2.tif").rename(folder.parent / "field 2.tif")
    other = open_project(folder / "a.nanoai")
    assert other.store is not None
    window = start()
    window.projects.open(folder / "a.nanoai", read_only=True)
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    qtbot.waitUntil(lambda: any("field 2.tif is no longer" in t for t in window.notices.texts), timeout=SOON)
    first, second = window.session.keys()
    assert window.session.entry(first).path == folder / "field 1.tif"
    window.session.set_current(second)
    window.projects.flush()
    assert window.projects.is_read_only and list_unnamed() == []
    assert not window.batch.is_running
    # What is found by a person who went to look for it is worth keeping.
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder.parent))
    window.projects.sources.ask_for_folder()
    qtbot.waitUntil(lambda: not window.projects.is_read_only, timeout=SOON)
    assert window.projects.flush()
    other.store.close()
    content = read_project(list_unnamed()[0]).content
    assert [i.facts.path for i in content.images] == [folder / "field 1.tif", folder.parent / "field 2.tif"]
    assert [i.is_pending for i in content.images] == [False, False]
    assert all(i.analysis is not None for i in content.images)
    assert {i.facts.path.parent for i in read_project(folder / "a.nanoai").content.images} == {moved.parent}


def test_lost_and_changed_images_are_named_and_lost_ones_found_again(
    start: Callable[..., MainWindow], moved: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = moved.parent
    elsewhere = folder.parent / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    (folder / "field 1.tif").rename(elsewhere / "field 1.tif")
    whole = (folder / "field 2.tif").read_bytes()
    (folder / "field 2.tif").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    window = start(moved)
    qtbot.waitUntil(lambda: any("field 2.tif has changed" in t for t in window.notices.texts), timeout=SOON)
    qtbot.waitUntil(lambda: any("field 1.tif is no longer" in t for t in window.notices.texts), timeout=SOON)
    assert [entry.state.name for entry in window.session.entries()] == ["FAILED", "OUTDATED"]
    assert len(results(window)) == 2
    # Nor does its reader say so, whichever of the two finds out first.
    window.session.set_current(window.session.keys()[1])
    window.session.set_current(window.session.keys()[0])
    qtbot.waitUntil(lambda: "is not there" in window.session.entries()[0].error, timeout=SOON)
    qtbot.waitUntil(lambda: not any("is not there" in text for text in window.notices.texts), timeout=SOON)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(elsewhere.parent))
    window.projects.sources.ask_for_folder()
    qtbot.waitUntil(lambda: window.session.entries()[0].path == elsewhere / "field 1.tif", timeout=SOON)
    assert window.session.entries()[0].state.name == "DONE"
    assert any("1 image found again" in text for text in window.notices.texts)
    measure(window, qtbot)
    assert [entry.state.name for entry in window.session.entries()] == ["DONE", "DONE"]
    qtbot.waitUntil(lambda: folder / "field 2.tif" in window.projects.sources._known, timeout=SOON)
    window.close()
    again = start(moved)
    qtbot.waitUntil(lambda: len(again.session) == 2, timeout=SOON)
    qtbot.waitUntil(lambda: again.session.micrograph is not None, timeout=SOON)
    assert [entry.state.name for entry in again.session.entries()] == ["DONE", "DONE"]


# ---------------------------------------------------------------------- edits


def test_edits_are_undone_after_a_restart_and_what_was_taken_off_comes_back(
    start: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = start(images)
    measure(window, qtbot)
    session, key = window.session, window.session.keys()[0]
    states = [session.entry(key).document.state_bytes()]
    for n in range(4):
        document = session.entry(key).document
        ids = document.table.ids.tolist()
        session.commit(key, labels.delete(document, ids[:1]) if n % 2 else labels.grow(document, ids[-2:]))
        # What was touched is measured again, which completes the edit.
        qtbot.waitUntil(lambda d=document: not d.stale(), timeout=SOON)  # type: ignore[misc]
        states.append(session.entry(key).document.state_bytes())
    assert len(set(states)) == 5
    session.undo(key)
    window.close()

    again = start()
    qtbot.waitUntil(lambda: len(again.session) == 2, timeout=SOON)
    session = again.session
    history = session.history(key)
    assert (len(history.edits), history.position) == (4, 3)
    assert session.entry(key).document.state_bytes() == states[3]
    session.redo(key)
    assert session.entry(key).document.state_bytes() == states[4]
    session.remove([key])
    assert key not in session
    (notice,) = [n for n in again.notices._shown() if "1 measured image was taken off" in n.label.text()]
    button = next(b for b in notice.findChildren(QPushButton) if b.text() == "Put back")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: key in session, timeout=SOON)
    for n in (3, 2, 1, 0):
        session.undo(key)
        assert session.entry(key).document.state_bytes() == states[n]
    again.close()
    content = read_project(list_unnamed()[0])
    assert [i.number for i in content.content.images] == [key, key + 1]
    assert content.content.images[0].position == 0


# ---------------------------------------------------------------------- spectra


def said_of(n: int) -> Predictions:
    """What a model says of n spectra."""
    probabilities = np.random.default_rng(2).dirichlet(np.ones(2), n)
    measures = Measures(np.zeros(n), np.zeros(n), np.ones(n), probabilities.max(axis=1))
    return Predictions(("early", "late"), probabilities, measures, np.zeros(n, np.uint8))


def spectra_of(window: MainWindow, qtbot: QtBot) -> SpectraSession:
    qtbot.waitUntil(lambda: window.spectra is not None, timeout=SOON)
    assert window.spectra is not None
    return window.spectra.session


def n_read(window: MainWindow) -> int:
    return 0 if window.spectra is None else len(window.spectra.session.ready())


def test_labels_regions_and_preprocessing_of_spectra_are_there_at_the_next_start(
    start: Callable[..., MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    files = [tmp_path / "cells.csv", tmp_path / "series.csv"]
    write_table(files[0], map_of())
    write_table(files[1], map_of("series"))
    window = start(*files)
    qtbot.waitUntil(
        lambda: window.spectra is not None and len(window.spectra.session.ready()) == 2, timeout=SOON
    )
    assert window.spectra is not None
    session = window.spectra.session
    key = session.keys()[0]
    session.set_current(key)
    qtbot.waitUntil(lambda: session.current == key, timeout=SOON)
    session.add_region([0, 1, 2], label="early")
    session.set_column(key, [4, 5], "label", "late")
    pipeline = Pipeline.of(("crop", {"low": 900, "high": 1700}), ("normalise", {"method": "vector"}))
    assert pipeline != session.pipeline
    session.set_pipeline(pipeline)
    content = session.entry(key).content
    assert content is not None
    said = said_of(content.spectra.n_spectra)
    session.set_predictions(key, said)
    window.close()

    again = start()
    qtbot.waitUntil(
        lambda: again.spectra is not None and len(again.spectra.session.ready()) == 2, timeout=SOON
    )
    assert again.tabs.is_spectra
    assert again.spectra is not None and content is not None
    session = again.spectra.session
    assert [entry.path for entry in session.entries()] == files
    qtbot.waitUntil(lambda: session.current == key, timeout=SOON)
    found = session.entry(key).content
    qtbot.waitUntil(lambda: session.predictions(key) is not None, timeout=SOON)
    found = session.entry(key).content
    assert found is not None
    assert [(r.label, r.rows.tolist()) for r in found.rois] == [("early", [0, 1, 2])]
    assert found.spectra.text("label").tolist() == content.spectra.text("label").tolist()
    assert session.pipeline == pipeline
    again_said = session.predictions(key)
    assert again_said is not None and again_said.classes == said.classes
    assert again_said.probabilities.tobytes() == said.probabilities.tobytes()
    qtbot.waitUntil(lambda: again.projects.spectra is not None and len(again.projects.spectra._files) == 2)
    again.projects.new()
    assert len(session) == 0
    assert len(list_unnamed()) == 1
    changed = map_of("series")
    write_table(files[1], changed.with_columns({"operator": np.full(changed.n_spectra, "Z")}))
    files[0].unlink()  # what was marked is not lost with the file
    again.projects.open(list_unnamed()[0])
    qtbot.waitUntil(lambda: len(session.ready()) == 1, timeout=SOON)
    again.projects.flush()
    parts = read_project(list_unnamed()[0]).content.spectra
    qtbot.waitUntil(
        lambda: any("series.csv has changed" in text for text in again.notices.texts), timeout=SOON
    )
    assert f"rois/0/{files[0]}" in parts and f"set/0/{files[0]}" in parts
    write_table(files[0], map_of())
    again.projects.new()
    again.projects.open(list_unnamed()[0])
    qtbot.waitUntil(lambda: len(session.ready()) == 2, timeout=SOON)
    assert len(session.entry(session.keys()[0]).rois) == 1


@pytest.fixture
def two_maps(tmp_path: Path) -> Path:
    """A file that holds two maps."""
    file = tmp_path / "cells.csv"
    write_table(file, concatenate([map_of("one"), map_of("two")]))
    return file


@pytest.fixture
def with_maps(start: Callable[..., MainWindow], two_maps: Path, qtbot: QtBot) -> MainWindow:
    """A window that has read the two maps."""
    window = start(two_maps)
    qtbot.waitUntil(lambda: n_read(window) == 2, timeout=SOON)
    return window


@pytest.mark.parametrize("what", ["both maps", "second map", "fewer maps"])
def test_a_file_of_several_maps_comes_back_as_it_was_left(
    start: Callable[..., MainWindow], with_maps: MainWindow, two_maps: Path, qtbot: QtBot, what: str
) -> None:
    session = spectra_of(with_maps, qtbot)

    def mark(key: int, label: str) -> None:
        session.set_current(key)
        qtbot.waitUntil(lambda: session.current == key, timeout=SOON)
        session.add_region([0, 1], label=label)

    mark(session.keys()[0], "early")
    mark(session.keys()[1], "late")
    if what == "second map":
        session.remove([session.keys()[0]])
    with_maps.close()
    if what == "fewer maps":
        write_table(two_maps, map_of("one"))
    again = start()
    n_maps = 2 if what == "both maps" else 1
    qtbot.waitUntil(lambda: n_read(again) == n_maps, timeout=SOON)
    assert again.spectra is not None
    entries = again.spectra.session.entries()
    labels = {"both maps": ["early", "late"], "second map": ["late"], "fewer maps": ["early"]}[what]
    assert [[roi.label for roi in entry.rois] for entry in entries] == [[label] for label in labels]
    assert any("holds fewer maps" in text for text in again.notices.texts) == (what == "fewer maps")
    again.projects.flush()
    parts = read_project(list_unnamed()[0]).content.spectra
    assert (f"kept/rois/1/{two_maps}" in parts) == (what == "fewer maps")
    assert (f"rois/1/{two_maps}" in parts) == (what != "fewer maps")


def test_a_map_that_was_taken_off_stays_off_even_while_its_file_cannot_be_read(
    start: Callable[..., MainWindow], with_maps: MainWindow, two_maps: Path, qtbot: QtBot
) -> None:
    session = spectra_of(with_maps, qtbot)
    session.remove([session.keys()[0]])
    (left,) = session.entries()
    session.set_current(left.key)
    session.add_region([0, 1], label="late")
    with_maps.close()

    away = two_maps.rename(two_maps.with_name("away.csv"))
    again = start()
    session = spectra_of(again, qtbot)
    qtbot.waitUntil(lambda: any(entry.error for entry in session.entries()), timeout=SOON)
    # Anything that has the list written once more.
    session.set_pipeline(Pipeline.of(("crop", {"low": 900, "high": 1700})))
    again.close()
    away.rename(two_maps)
    third = start()
    qtbot.waitUntil(lambda: n_read(third) == 1, timeout=SOON)
    (entry,) = spectra_of(third, qtbot).entries()
    assert (entry.number, [roi.label for roi in entry.rois]) == (1, ["late"])


def test_maps_of_a_file_that_was_still_being_read_are_all_there(
    start: Callable[..., MainWindow], two_maps: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # A file that takes longer to read than the window lives.
        patch.setattr(SpectraLoader, "_read", lambda loader, key: None)
        window = start(two_maps)
        qtbot.waitUntil(lambda: window.spectra is not None and len(window.spectra.session) == 1, timeout=SOON)
        window.projects.flush()
        assert n_read(window) == 0
        window.close()
    again = start()
    qtbot.waitUntil(lambda: n_read(again) == 2, timeout=SOON)


def test_reading_spectra_of_a_project_makes_no_copy_of_it(
    start: Callable[..., MainWindow], with_maps: MainWindow, two_maps: Path, qtbot: QtBot
) -> None:
    project = two_maps.with_name("kept.nanoai")
    session = spectra_of(with_maps, qtbot)
    session.set_current(session.keys()[0])
    session.add_region([0, 1], label="early")
    session.set_predictions(session.keys()[0], said_of(session.spectra.n_spectra if session.spectra else 0))
    session.set_pipeline(Pipeline.of(("crop", {"low": 900, "high": 1700})))
    with_maps.projects.save_as(project)
    qtbot.waitUntil(lambda: with_maps.projects.path == project, timeout=SOON)
    with_maps.close()
    write_table(two_maps, map_of("one"))  # and what was marked in the other is kept

    other = open_project(project)
    assert other.store is not None
    again = start(project)
    answer(again, qtbot, "Open for reading")
    qtbot.waitUntil(lambda: n_read(again) == 1, timeout=SOON)
    qtbot.waitUntil(lambda: again.projects.spectra is not None and len(again.projects.spectra._files) == 1)
    again.projects.flush()
    assert again.projects.is_read_only and list_unnamed() == []
    spectra_of(again, qtbot).set_pipeline(Pipeline.of(("crop", {"low": 1000, "high": 1700})))
    again.projects.flush()
    assert again.projects.writer is not None
    parts = read_project(list_unnamed()[0]).content.spectra
    assert f"rois/0/{two_maps}" in parts and f"predictions/0/{two_maps}" in parts
    assert f"kept/set/1/{two_maps}" in parts
    other.store.close()


def test_spectra_taken_off_the_list_before_they_are_found_do_not_come_back(
    start: Callable[..., MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    files = [tmp_path / "cells.csv", tmp_path / "series.csv"]
    for file in files:
        write_table(file, map_of(file.stem))
    window = start(*files)
    qtbot.waitUntil(lambda: n_read(window) == 2, timeout=SOON)
    window.close()
    files[0].unlink()
    again = start()
    qtbot.waitUntil(lambda: n_read(again) == 1, timeout=SOON)
    assert again.spectra is not None
    session = again.spectra.session
    gone = session.keys()[0]
    qtbot.waitUntil(lambda: session.entry(gone).state is SetState.FAILED, timeout=SOON)
    session.remove([gone])
    again.projects.flush()
    parts = read_project(list_unnamed()[0]).content.spectra
    assert f"set/0/{files[1]}" in parts
    assert not any(str(files[0]) in name for name in parts)
    assert str(files[0]) not in parts["list"].decode().split('"files"')[0]
