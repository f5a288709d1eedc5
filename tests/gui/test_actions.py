"""One table: every command has a handler, a unique key, and stands in menu, toolbar and shortcut sheet."""

from __future__ import annotations

from importlib import resources

import pytest
from PySide6.QtCore import QObject
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QMenuBar, QToolBar
from pytestqt.qtbot import QtBot

from nanoai_gui.gui.action_info import When
from nanoai_gui.gui.actions import (
    ACTIONS,
    GESTURES,
    MENUS,
    fill_menus,
    fill_toolbar,
    make_actions,
    set_icons,
    shown,
    tooltip,
    update_enabled,
)
from nanoai_gui.gui.help import ShortcutSheet
from nanoai_gui.gui.theme import DARK, LIGHT


def test_keys_are_unique_and_menus_exist() -> None:
    assert len({info.key for info in ACTIONS}) == len(ACTIONS)
    assert {info.menu for info in ACTIONS} == {key for key, _ in MENUS}


def test_no_key_sequence_is_given_twice() -> None:
    given = [QKeySequence(text).toString() for info in ACTIONS for text in info.shortcuts]
    assert all(given)
    assert len(set(given)) == len(given)


def test_access_keys_are_unique_within_a_menu() -> None:
    for menu, _ in MENUS:
        letters = [info.text.partition("&")[2][0].lower() for info in ACTIONS if info.menu == menu]
        assert len(set(letters)) == len(letters), menu


def test_every_icon_is_a_file() -> None:
    files = {file.name for file in (resources.files("nanoai_gui.gui") / "icons").iterdir()}
    assert {f"{info.icon}.svg" for info in ACTIONS if info.icon} <= files


def test_toolbar_buttons_have_icon_and_tooltip() -> None:
    for info in ACTIONS:
        if info.toolbar:
            assert info.icon, info.key
            assert info.tooltip, info.key


def test_ellipsis_only_where_more_is_asked() -> None:
    asking = {info.key for info in ACTIONS if info.text.endswith("...")}
    assert asking == {
        "open", "open_folder", "export_tables", "export_overlay", "export_histogram", "calibrate",
        "choose_frame", "synthesize", "train", "import_labels", "export_spectra", "import_outlines",
        "export_outlines", "export_corrections", "set_count", "open_project", "save_project_as",
        "duplicate_project",
    }  # fmt: skip


def test_tooltips_carry_the_key() -> None:
    info = next(info for info in ACTIONS if info.key == "open")
    assert tooltip(info) == f"Add image files to the list ({shown('Ctrl+O')})"


def test_a_trigger_reaches_the_handler_of_its_key(qtbot: QtBot) -> None:
    heard: list[object] = []
    owner = QObject()
    handlers = {info.key: lambda *state, key=info.key: heard.append((key, *state)) for info in ACTIONS}
    actions = make_actions(owner, handlers)
    actions["open"].trigger()
    actions["show_masks"].trigger()
    actions["theme_dark"].trigger()
    assert heard == [("open",), ("show_masks", True), ("theme_dark", True)]
    actions["theme_light"].trigger()
    assert not actions["theme_dark"].isChecked()


def test_menus_and_toolbar_hold_exactly_the_table(qtbot: QtBot) -> None:
    menu_bar, toolbar, owner = QMenuBar(), QToolBar(), QObject()
    qtbot.addWidget(menu_bar)
    qtbot.addWidget(toolbar)
    actions = make_actions(owner, {info.key: lambda *_: None for info in ACTIONS})
    menus = fill_menus(menu_bar, actions)
    fill_toolbar(toolbar, actions)
    in_menus = [action.objectName() for menu in menus.values() for action in menu.actions() if action.text()]
    assert sorted(in_menus) == sorted(info.key for info in ACTIONS)
    on_toolbar = [action.objectName() for action in toolbar.actions() if not action.isSeparator()]
    assert sorted(on_toolbar) == sorted(info.key for info in ACTIONS if info.toolbar)


def test_icons_follow_the_theme(qtbot: QtBot) -> None:
    owner = QObject()
    actions = make_actions(owner, {info.key: lambda *_: None for info in ACTIONS})
    pictures = []
    for theme in (LIGHT, DARK):
        set_icons(actions, theme)
        assert all(not actions[info.key].icon().isNull() for info in ACTIONS if info.icon)
        pictures.append(actions["open"].icon().pixmap(24).toImage())
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize("condition", list(When))
def test_conditions_enable_what_they_say(qtbot: QtBot, condition: When) -> None:
    owner = QObject()
    actions = make_actions(owner, {info.key: lambda *_: None for info in ACTIONS})
    update_enabled(actions, {condition})
    enabled = {key for key, action in actions.items() if action.isEnabled()}
    assert enabled == {info.key for info in ACTIONS if info.when in (When.ALWAYS, condition)}


def test_the_shortcut_sheet_shows_every_key_and_gesture_and_can_be_searched(qtbot: QtBot) -> None:
    sheet = ShortcutSheet()
    qtbot.addWidget(sheet)
    sheet.show()

    def texts() -> str:
        return "\n".join(label.text() for label in sheet.findChildren(QLabel) if label.isVisible())

    everything = texts()
    for info in ACTIONS:
        if info.shortcuts:
            assert info.plain_text in everything
            assert shown(info.shortcuts[0]) in everything
    assert all(gesture.what in everything for gesture in GESTURES)
    QTest.keyClicks(sheet.search, "wheel")
    assert "Zoom at the pointer" in texts()
    assert "Open images" not in texts()
    assert "File" not in texts()
    sheet.close()
