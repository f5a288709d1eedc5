"""Every key that edits, pressed in the real window: tools, commands, undo, and what must not take them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QInputDialog
from pytestqt.qtbot import QtBot

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.analysis import analyse
from nanoai_gui.gui.main_window import MainWindow
from nanoai_gui.gui.tem.selecting import of_agglomerates, of_particles
from nanoai_gui.gui.tem.tools import Tool
from tests.core.edited import made_micrograph
from tests.gui.made import quick_settings, running

NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
Key = Qt.Key
SOON = 30_000


@pytest.fixture
def window(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    """The real window with a measured image."""
    path = tmp_path / "made.tif"
    tifffile.imwrite(path, made_micrograph().pixels)
    with running(qapp, qtbot, quick_settings(tmp_path / "settings.json"), WorkerPool(1)) as application:
        window = application.window
        (key,) = window.session.add_paths([path])
        qtbot.waitUntil(lambda: window.session.micrograph is not None, timeout=SOON)
        made = analyse(window.session.entry(key).request(), window.session.settings)
        assert window.session.accept_analysis(key, made, made.labels.unpack())
        qtbot.waitUntil(lambda: window.tab.canvas.picture is not None, timeout=SOON)
        window.tab.canvas.setFocus()
        yield window


def press(window: MainWindow, key: Qt.Key, keys: Qt.KeyboardModifier = NONE) -> None:
    QTest.keyClick(window.tab.canvas, key, keys)


def document(window: MainWindow) -> ImageDocument:
    assert window.session.current_entry is not None
    return window.session.current_entry.document


def select(window: MainWindow, *ids: int) -> None:
    window.session.select(of_agglomerates(document(window).results["watershed"].particles, ids))


def select_particle(window: MainWindow, row: int = 2) -> int:
    particles = document(window).results["watershed"].particles
    ident = int(particles.ids[row])
    window.session.select(of_particles(particles, [ident]))
    return ident


def last(window: MainWindow) -> str:
    assert window.session.current is not None
    return window.session.history(window.session.current).undo_title


def wait_enabled(window: MainWindow, qtbot: QtBot, command: str) -> None:
    qtbot.waitUntil(window.actions_by_key[command].isEnabled, timeout=SOON)


def test_keys_take_up_tools(window: MainWindow, qtbot: QtBot) -> None:
    wait_enabled(window, qtbot, "tool_brush")
    tools = {
        Tool.SELECT: (Key.Key_1,), Tool.BRUSH: (Key.Key_2, Key.Key_B, Key.Key_P),
        Tool.ERASER: (Key.Key_3, Key.Key_E), Tool.LASSO: (Key.Key_4, Key.Key_L),
        Tool.CUT: (Key.Key_6, Key.Key_S), Tool.CIRCLE: (Key.Key_7, Key.Key_C),
        Tool.BOX: (Key.Key_8, Key.Key_G),
    }  # fmt: skip
    for tool, keys in tools.items():
        for key in keys:
            window.tab.editing.set_tool(Tool.BRUSH if tool is Tool.SELECT else Tool.SELECT)
            press(window, key)
            assert window.tab.canvas.tool is tool, key
    press(window, Key.Key_Escape)
    assert window.tab.canvas.tool is Tool.SELECT


def test_keys_edit_agglomerates_and_undo_takes_all_back(window: MainWindow, qtbot: QtBot) -> None:
    ids = document(window).table.ids.tolist()
    before = document(window).state_bytes()
    select(window, ids[1])
    wait_enabled(window, qtbot, "grow")
    press(window, Key.Key_O)
    assert last(window) == "Grow agglomerate"
    press(window, Key.Key_I)
    assert last(window) == "Shrink agglomerate"
    press(window, Key.Key_Y)
    assert last(window) == "Leave out agglomerate"
    press(window, Key.Key_Y)
    assert last(window) == "Take in agglomerate"
    press(window, Key.Key_Return)
    assert last(window) == "Accept agglomerate"
    press(window, Key.Key_W)
    assert window.tab.editing.on_canvas.draft is not None
    press(window, Key.Key_Return)
    assert last(window) == "Split at the neck"
    press(window, Key.Key_N)
    assert last(window).startswith("New id")
    select(window, *ids[2:4])
    press(window, Key.Key_M)
    assert last(window) == "Merge 2 agglomerates"
    (merged,) = window.session.selection.agglomerates
    press(window, Key.Key_T)
    dialog = window.findChild(QInputDialog)
    assert dialog is not None
    dialog.setIntValue(2)
    dialog.accept()
    qtbot.waitUntil(lambda: last(window) == f"Count of {merged}: 2", timeout=SOON)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=SOON)
    window.tab.canvas.setFocus()
    press(window, Key.Key_Delete, SHIFT)
    assert last(window) == "Delete agglomerate"
    select(window, ids[4])
    press(window, Key.Key_Backspace)
    assert ids[4] not in document(window).table.ids
    assert window.session.current is not None
    n = len(window.session.history(window.session.current).edits)
    assert n == 11
    wait_enabled(window, qtbot, "undo")
    for _ in range(n):
        press(window, Key.Key_Z, CONTROL)
    assert window.session.history(window.session.current).position == 0
    assert document(window).state_bytes() == before
    wait_enabled(window, qtbot, "redo")
    press(window, Key.Key_Y, CONTROL)
    press(window, Key.Key_Z, CONTROL | SHIFT)
    assert window.session.history(window.session.current).position == 2


def test_keys_edit_particles(window: MainWindow, qtbot: QtBot) -> None:
    ident = select_particle(window)
    wait_enabled(window, qtbot, "delete")
    particles = document(window).results["watershed"].particles
    x = float(particles.x[particles.ids == ident][0])
    press(window, Key.Key_Right, CONTROL)
    press(window, Key.Key_Right, CONTROL | SHIFT)
    particles = document(window).results["watershed"].particles
    assert float(particles.x[particles.ids == ident][0]) == pytest.approx(x + 11)
    press(window, Key.Key_BracketRight)
    assert last(window) == "Resize particle"
    press(window, Key.Key_Return)
    assert document(window).accepted("watershed") == {ident}
    press(window, Key.Key_K)
    assert last(window) == "Reject particle"
    assert ident not in document(window).results["watershed"].particles.ids
    other = select_particle(window)
    press(window, Key.Key_Delete)
    assert other not in document(window).results["watershed"].particles.ids
    assert len(document(window).table) == len(np.unique(document(window).labels)) - 1


def test_m_without_a_choice_begins_a_new_one_and_p_with_shift_switches_protection(
    window: MainWindow, qtbot: QtBot
) -> None:
    wait_enabled(window, qtbot, "merge")
    select(window, int(document(window).table.ids[1]))
    with qtbot.waitSignal(window.tab.editing.told) as told:
        press(window, Key.Key_M)
    assert "new agglomerate" in told.args[0]
    assert not window.session.selection.agglomerates
    assert window.tab.editing.editor.protects
    press(window, Key.Key_P, SHIFT)
    assert (window.tab.editing.editor.protects, window.actions_by_key["protect"].isChecked()) == (
        False,
        False,
    )
    with qtbot.waitSignal(window.tab.editing.told) as told:
        press(window, Key.Key_5)
    assert told.args[0] == "There are no holes to fill."


def test_letters_typed_into_a_box_edit_nothing(window: MainWindow, qtbot: QtBot) -> None:
    select(window, int(document(window).table.ids[1]))
    wait_enabled(window, qtbot, "grow")
    window.tab.file_strip.filter.setFocus()
    QTest.keyClicks(window.tab.file_strip.filter, "oimnk")
    assert window.tab.file_strip.filter.text() == "oimnk"
    assert last(window) == ""
