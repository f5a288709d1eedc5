"""The window as a person uses it: real keys and clicks, real workers, real files."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog
from pytestqt.qtbot import QtBot

from nanoai_gui.core.files.spectra_table import write_table
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.tem.analysis import AnalysisSettings
from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image
from nanoai_gui.gui.actions import ACTIONS
from nanoai_gui.gui.app import Application
from nanoai_gui.gui.errors import ErrorDialog
from nanoai_gui.gui.main_window import MainWindow
from nanoai_gui.gui.tem.batch import BatchProgress, BatchSummary, batch_messages
from nanoai_gui.gui.tem.display import ColourMap, Contrast
from nanoai_gui.gui.theme import DARK, tokens
from tests.gui import tasks
from tests.gui.made import quick_settings, running
from tests.gui.test_spectra_tab import map_of

SOON = 20_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good images, one that is cut off, and a text that is no image."""
    import tifffile

    made = tmp_path_factory.mktemp("Bilder ü 中 1")
    for i in (1, 2):
        pixels = make_image(SynthesisSpec(width_px=256, height_px=256, gmd_px=16), i).micrograph.pixels
        tifffile.imwrite(made / f"field {i}.tif", pixels, resolution=(2e7, 2e7), resolutionunit=3)
    whole = (made / "field 1.tif").read_bytes()
    (made / "field 3 cut.tif").write_bytes(whole[: len(whole) // 2])
    (made / "notes.txt").write_text("not an image")
    return made


@pytest.fixture
def make(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[[], Application]]:
    """Start the program, as often as wanted."""
    with ExitStack() as made:
        yield lambda: made.enter_context(running(qapp, qtbot, quick_settings(tmp_path / "settings.json")))


@pytest.fixture
def window(make: Callable[[], Application]) -> MainWindow:
    return make().window


def press(
    window: MainWindow, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    QTest.keyClick(window.focusWidget() or window, key, modifier)


def give(window: MainWindow, key: str, qtbot: QtBot) -> None:
    """Give a command as soon as it can be given."""
    qtbot.waitUntil(window.actions_by_key[key].isEnabled, timeout=SOON)
    window.actions_by_key[key].trigger()


def states(window: MainWindow) -> dict[str, str]:
    return {entry.path.name: entry.state.name for entry in window.session.entries()}


def open_folder(window: MainWindow, folder: Path, qtbot: QtBot) -> None:
    window.open_paths([folder])
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---------------------------------------------------------------------- the whole road


def test_a_folder_is_opened_measured_and_exported(
    window: MainWindow, folder: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    open_folder(window, folder, qtbot)
    assert list(states(window)) == ["field 1.tif", "field 2.tif", "field 3 cut.tif"]
    with qtbot.waitSignal(window.batch.finished, timeout=60_000):
        qtbot.waitUntil(window.actions_by_key["analyse_all"].isEnabled)
        press(window, Qt.Key.Key_F5)
    assert states(window) == {"field 1.tif": "DONE", "field 2.tif": "DONE", "field 3 cut.tif": "FAILED"}
    assert any("2 images measured, 1 failed: field 3 cut.tif" in text for text in window.notices.texts)
    qtbot.waitUntil(lambda: window.session.labels is not None, timeout=SOON)
    qtbot.waitUntil(window.actions_by_key["export_tables"].isEnabled)

    # One after the other: a message goes away after some seconds, which a busy machine may need for the next.
    for name, write in (
        ("out", window.exports.write_tables),
        ("overlay.png", window.exports.write_overlay),
        ("sizes.svg", window.exports.write_histogram),
    ):
        window.notices.clear()
        write(tmp_path / name)
        qtbot.waitUntil(lambda: any("written" in text for text in window.notices.texts), timeout=SOON)
        assert (tmp_path / name).exists()
    window.tab.score.changed.emit(0.8)
    window.notices.clear()
    window.exports.write_tables(tmp_path / "out")
    qtbot.waitUntil(lambda: any("score below 0.80" in text for text in window.notices.texts), timeout=SOON)
    for name in ("particles.csv", "agglomerates.csv"):
        assert (tmp_path / "out" / name).is_file()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["errors"][0]["image"].endswith("field 3 cut.tif")


def test_an_export_that_fails_says_so(window: MainWindow, folder: Path, qtbot: QtBot, tmp_path: Path) -> None:
    open_folder(window, folder, qtbot)
    with qtbot.waitSignal(window.batch.finished, timeout=60_000):
        qtbot.waitUntil(window.actions_by_key["analyse_current"].isEnabled)
        press(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    (tmp_path / "a file").touch()
    window.exports.write_tables(tmp_path / "a file" / "out")
    qtbot.waitUntil(lambda: bool(window.notices.texts), timeout=SOON)
    assert "written to" not in window.notices.texts[-1]


# ---------------------------------------------------------------------- opening


def test_files_and_folders_are_taken_by_drop(window: MainWindow, folder: Path, qtbot: QtBot) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder)), QUrl("https://example.org/a.tif")])
    place = QPoint(300, 300)
    entering = QDragEnterEvent(place, Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier)
    window.dragEnterEvent(entering)
    assert entering.isAccepted()
    drop = QDropEvent(QPointF(place), Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier)
    window.dropEvent(drop)
    qtbot.waitUntil(lambda: len(window.session) == 3, timeout=SOON)


def test_text_is_not_taken_by_drop(window: MainWindow) -> None:
    data = QMimeData()
    data.setText("hello")
    entering = QDragEnterEvent(
        QPoint(300, 300), Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier
    )
    entering.ignore()
    window.dragEnterEvent(entering)
    assert not entering.isAccepted()


def test_a_file_that_cannot_be_read_leaves_the_last_good_image(
    window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    open_folder(window, folder, qtbot)
    shown = window.session.micrograph
    qtbot.waitUntil(window.actions_by_key["next"].isEnabled)
    with qtbot.waitSignal(window.loader.failed, timeout=SOON):
        press(window, Qt.Key.Key_D)
        press(window, Qt.Key.Key_D)
    assert states(window)["field 3 cut.tif"] == "FAILED"
    assert window.session.micrograph is not None
    assert window.session.micrograph.name in ("field 1.tif", "field 2.tif")
    assert shown is not None
    assert any("field 3 cut.tif" in text for text in window.notices.texts)
    press(window, Qt.Key.Key_A)
    press(window, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: window.windowTitle() == "field 1.tif - NanoAI", timeout=SOON)
    assert window.notices.texts == []  # it was about another image


def test_a_broken_first_file_does_not_leave_the_window_empty(
    window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    window.open_paths([folder / "field 3 cut.tif", folder / "notes.txt", folder / "field 2.tif"])
    qtbot.waitUntil(lambda: window.windowTitle() == "field 2.tif - NanoAI", timeout=SOON)
    assert states(window) == {"field 3 cut.tif": "FAILED", "notes.txt": "FAILED", "field 2.tif": "NEW"}


def test_a_folder_without_images_and_a_missing_file_are_named(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "empty").mkdir()
    window.open_paths([tmp_path / "empty", tmp_path / "gone.tif"])
    qtbot.waitUntil(lambda: len(window.notices.texts) == 2, timeout=SOON)
    assert "empty" in window.notices.texts[0]
    assert "gone.tif" in window.notices.texts[1]
    assert len(window.session) == 0


def test_samples_come_with_the_program_for_either_tab(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_by_key["open_samples"].trigger()
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    assert [entry.name for entry in window.session.entries()] == [f"synthetic_000{i}.tif" for i in (1, 2, 3)]
    window.tabs.bar.setCurrentIndex(1)
    window.actions_by_key["open_samples"].trigger()
    qtbot.waitUntil(
        lambda: window.spectra is not None and len(window.spectra.session.ready()) == 3, timeout=SOON
    )
    assert len(window.session) == 3


def test_the_dialog_opens_what_was_chosen_and_remembers_the_folder(
    window: MainWindow, folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen = str(folder / "field 2.tif")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([chosen], ""))
    press(window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
    window.opening.recent_menu.aboutToShow.emit()
    recent = [action.data() for action in window.opening.recent_menu.actions()]
    assert recent[0] == chosen
    window.close()
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert kept["open_folder"] == str(folder)
    assert kept["recent"] == [chosen]


# ---------------------------------------------------------------------- commands


def test_every_command_has_a_handler_and_none_is_dead(window: MainWindow) -> None:
    assert set(window._handlers()) == {info.key for info in ACTIONS} == set(window.actions_by_key)


def test_commands_are_enabled_when_they_can_do_something(
    window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    def enabled() -> set[str]:
        return {key for key, action in window.actions_by_key.items() if action.isEnabled()}

    at_start = enabled()
    assert {"open", "open_folder", "shortcuts", "about", "quit"} <= at_start
    assert not at_start & {"analyse_all", "analyse_current", "next", "cancel", "export_tables", "zoom_fit"}
    open_folder(window, folder, qtbot)
    qtbot.waitUntil(lambda: {"analyse_all", "analyse_current", "next", "zoom_fit", "remove"} <= enabled())
    assert not enabled() & {"cancel", "export_tables", "export_overlay"}


@pytest.mark.parametrize("key", ["shortcuts", "about"])
def test_help_opens_and_closes(window: MainWindow, key: str, qtbot: QtBot) -> None:
    window.actions_by_key[key].trigger()
    (dialog,) = [child for child in window.findChildren(QDialog) if child.isVisible()]
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not [c for c in window.findChildren(QDialog) if c.isVisible()])


def test_f1_opens_the_shortcut_sheet(window: MainWindow, qtbot: QtBot) -> None:
    press(window, Qt.Key.Key_F1)
    (dialog,) = [child for child in window.findChildren(QDialog) if child.isVisible()]
    assert dialog.windowTitle() == "Shortcuts and gestures"
    dialog.close()


def test_masks_and_outlines_are_switched_and_remembered(
    window: MainWindow, folder: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    open_folder(window, folder, qtbot)
    press(window, Qt.Key.Key_X)
    assert not window.actions_by_key["show_masks"].isChecked()
    assert not window.tab.canvas.masks_visible
    window.actions_by_key["show_outlines"].trigger()
    assert not window.tab.canvas.outlines_visible
    window.close()
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert (kept["show_masks"], kept["show_outlines"]) == (False, False)


def test_letters_typed_into_the_filter_are_no_commands(
    window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    open_folder(window, folder, qtbot)
    wanted = window.session.wanted
    window.tab.file_strip.filter.setFocus()
    QTest.keyClicks(window.tab.file_strip.filter, "dxa-")
    assert window.tab.file_strip.filter.text() == "dxa-"
    assert window.session.wanted == wanted
    assert window.actions_by_key["show_masks"].isChecked()


def test_images_are_removed_from_the_list_and_not_from_the_disk(
    window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    open_folder(window, folder, qtbot)
    qtbot.waitUntil(window.actions_by_key["remove"].isEnabled)
    press(window, Qt.Key.Key_Backspace, Qt.KeyboardModifier.ControlModifier)
    assert list(states(window)) == ["field 2.tif", "field 3 cut.tif"]
    assert (folder / "field 1.tif").is_file()
    qtbot.waitUntil(lambda: window.windowTitle() == "field 2.tif - NanoAI", timeout=SOON)


def test_the_theme_is_switched_and_remembered(
    make: Callable[[], Application], qtbot: QtBot, tmp_path: Path
) -> None:
    window = make().window
    window.actions_by_key["theme_dark"].trigger()
    qtbot.waitUntil(lambda: tokens(window.tab.palette()) == DARK)
    window.close()
    assert json.loads((tmp_path / "settings.json").read_text())["theme"] == "dark"
    again = make().window
    assert again.actions_by_key["theme_dark"].isChecked()
    assert tokens(again.palette()) == DARK


# ---------------------------------------------------------------------- work and its end


def test_stop_ends_what_runs(
    window: MainWindow, folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nanoai_gui.gui.tem.batch.analyse", tasks.endless)
    open_folder(window, folder, qtbot)
    assert not window.busy.isVisible()
    give(window, "analyse_all", qtbot)
    qtbot.waitUntil(
        lambda: window.busy.isVisible() and window.busy.label.text() == "0 of 3 images", timeout=SOON
    )
    qtbot.waitUntil(lambda: window.busy.bar.value() > 0, timeout=SOON)
    QTest.mouseClick(window.busy.stop_button, LEFT)
    qtbot.waitUntil(lambda: not window.batch.is_running, timeout=SOON)
    assert not window.busy.isVisible()
    assert set(states(window).values()) == {"NEW"}
    assert window.notices.texts[-1] == "Stopped: 0 images measured."


def test_whatever_is_slow_is_shown_until_the_last_of_it_ends(
    window: MainWindow, folder: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    write_table(tmp_path / "spectra.csv", map_of())
    open_folder(window, folder, qtbot)
    workers = [window._runner.run(tasks.endless, None, None) for _ in range(2)]

    def says(text: str) -> None:
        qtbot.waitUntil(lambda: window.busy.isVisible() and window.busy.label.text() == text, timeout=SOON)
        assert not window.busy.stop_button.isVisible()

    qtbot.waitUntil(window.actions_by_key["next"].isEnabled, timeout=SOON)
    press(window, Qt.Key.Key_D)
    says("Reading field 2.tif")
    window._spectra.session.add_paths([tmp_path / "spectra.csv"])
    press(window, Qt.Key.Key_A)  # the image is there still; the spectra are not
    says("Reading spectra")
    give(window, "analyse_current", qtbot)
    qtbot.waitUntil(window.busy.stop_button.isVisible, timeout=SOON)
    QTest.mouseClick(window.busy.stop_button, LEFT)
    qtbot.waitUntil(lambda: not window.batch.is_running, timeout=SOON)
    says("Reading spectra")
    for worker in workers:
        worker.cancel()
    qtbot.waitUntil(lambda: not window.busy.isVisible(), timeout=SOON)
    assert window.spectra is not None and len(window.spectra.session.ready()) == 1


def test_closing_during_work_leaves_no_process_and_no_thread(
    window: MainWindow, folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threading.active_count()
    monkeypatch.setattr("nanoai_gui.gui.tem.batch.analyse", tasks.stubborn)
    open_folder(window, folder, qtbot)
    with qtbot.waitSignal(
        window.batch.progress_changed, timeout=SOON, check_params_cb=lambda p: bool(p.message)
    ):
        give(window, "analyse_all", qtbot)
    pids = window._runner.pool.pids()
    assert pids
    assert all(is_alive(pid) for pid in pids)
    assert window.close()  # which waits for nobody who never listens
    assert not any(is_alive(pid) for pid in pids)
    assert threading.active_count() <= before


def test_an_unknown_failure_opens_the_dialog_and_a_known_one_does_not(
    make: Callable[[], Application],
) -> None:
    application = make()
    window = application.window
    application.reporter.report(Failure("The disk is full.", "Free some space.", "", True))
    assert window.notices.texts == ["The disk is full. Free some space."]
    assert not window.findChildren(ErrorDialog)
    application.reporter.report(Failure("Something unexpected happened.", "", "Traceback", False))
    (dialog,) = window.findChildren(ErrorDialog)
    assert dialog.isVisible()
    dialog.close()


def test_a_notice_is_closed_by_its_button(window: MainWindow) -> None:
    notice = window.notices.show("Read this, all of it, to the last word, " * 12)
    assert window.tab.rect().contains(notice.geometry())
    assert notice.label.height() >= notice.label.heightForWidth(notice.label.width())
    QTest.mouseClick(notice.close_button, LEFT)
    assert window.notices.texts == []
    for i in range(5):
        window.notices.show(f"Number {i}")
    assert window.notices.texts == ["Number 2", "Number 3", "Number 4"]


# ---------------------------------------------------------------------- reading out, remembering


def test_the_status_bar_reads_the_pixel_under_the_pointer(
    window: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    open_folder(window, folder, qtbot)
    pixels = window.session.micrograph.pixels if window.session.micrograph else np.zeros((1, 1))
    window.readout.set_place(20.3, 10.4)
    texts = [label.text() for label in window.readout.labels]
    assert texts == ["x 20, y 10 px", "10.2, 5.2 nm", f"value {pixels[10, 20]}", ""]
    selectable = Qt.TextInteractionFlag.TextSelectableByMouse
    assert all(label.textInteractionFlags() & selectable for label in window.readout.labels)
    window.readout.set_place(-5.0, 10.0)
    assert not any(label.text() for label in window.readout.labels)
    window.readout.set_place(None)
    with qtbot.waitSignal(window.batch.finished, timeout=60_000):
        give(window, "analyse_current", qtbot)
    analysis = window.session.current_analysis
    assert analysis is not None
    particles = analysis.results["watershed"].particles
    window.readout.set_place(float(particles.x[0]), float(particles.y[0]))
    assert window.readout.labels[3].text().startswith(f"particle {particles.ids[0]}, ")
    assert window.readout.labels[3].text().endswith(" nm")


def test_a_window_remembered_on_a_screen_that_is_gone_comes_back_into_sight(
    make: Callable[[], Application], tmp_path: Path
) -> None:
    window = make().window
    window.setWindowState(Qt.WindowState.WindowNoState)
    window.setGeometry(QRect(90_000, 90_000, 700, 500))
    window.close()
    again = make().window
    room = QGuiApplication.primaryScreen().availableGeometry()
    assert room.intersects(again.frameGeometry())


def test_methods_and_display_are_remembered_and_parameters_are_not(make: Callable[[], Application]) -> None:
    window = make().window
    fill = replace(window.session.settings.segmentation, fill_holes=False)
    window.session.set_settings(AnalysisSettings(fill, ("watershed", "hough")))
    window.tab.canvas.set_contrast(Contrast(inverted=True, colour_map=ColourMap.CIVIDIS))
    window.tab.contrast.keep.setChecked(True)
    window.close()
    again = make().window
    assert again.session.settings == AnalysisSettings(methods=("watershed", "hough"))
    assert again.tab.contrast.contrast.inverted
    assert again.tab.canvas.contrast.colour_map is ColourMap.CIVIDIS
    assert again.tab.contrast.keep.isChecked()


def test_settings_that_make_no_sense_do_not_keep_the_window_from_opening(
    make: Callable[[], Application], tmp_path: Path
) -> None:
    bad = {
        "geometry": "!!!",
        "layout": {"across": "???", "centre": "AAAA"},
        "methods": ["magic"],
        "contrast_colours": "pink",
    }
    (tmp_path / "settings.json").write_text(json.dumps(bad))
    window = make().window
    assert window.isVisible()


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        (BatchSummary(1, {}, False, 1.0), []),
        (BatchSummary(3, {}, False, 12.4), ["3 images measured in 12 s."]),
        (BatchSummary(2, {}, True, 1.0), ["Stopped: 2 images measured."]),
        (BatchSummary(1, {7: "It is cut off."}, False, 1.0), ["1 image measured, 1 failed: It is cut off."]),
        (
            BatchSummary(0, {1: "a", 2: "b"}, False, 1.0),
            ["0 images measured, 2 failed. Each says why in the list on the left."],
        ),
    ],
)
def test_the_end_of_a_batch_in_words(summary: BatchSummary, expected: list[str]) -> None:
    assert [text for text, _ in batch_messages(summary)] == expected


def test_progress_in_words() -> None:
    from nanoai_gui.gui.status import in_words

    assert in_words(BatchProgress(1, 0, 0, 0.0, None, "")) == "0 of 1 image"
    of_one = BatchProgress(1, 0, 0, 0.4, 12.0, "a.tif: Fitting particles")
    assert in_words(of_one) == "a.tif: Fitting particles, about 10 s left"
    assert (
        in_words(BatchProgress(50, 12, 1, 0.25, 130.0, "")) == "12 of 50 images, 1 failed, about 2 min left"
    )


def test_the_dialogs_of_trained_methods_stand_beside_the_window_and_go_with_it(
    window: MainWindow, qtbot: QtBot
) -> None:
    for key in ("synthesize", "train"):
        window.actions_by_key[key].trigger()
    tools = window.model_tools
    assert tools.synthesis is not None and tools.training is not None
    synthesis, training = tools.synthesis, tools.training
    assert synthesis.isVisible() and training.isVisible() and not synthesis.isModal()
    window.actions_by_key["train"].trigger()
    assert tools.training is training
    window.close()
    assert not synthesis.isVisible() and not training.isVisible()
