"""The shortcut sheet, made from the table of commands, and what the program is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

import nanoai_gui
from nanoai_gui.gui.action_info import ActionInfo, Gesture
from nanoai_gui.gui.actions import ACTIONS, GESTURES, MENUS, shown
from nanoai_gui.gui.diagnostics import diagnostics, folders, licence_notices, versions
from nanoai_gui.gui.errors import environment
from nanoai_gui.gui.widgets.layout import GRID


class ShortcutSheet(QDialog):
    """Every key and gesture, filtered while typing."""

    def __init__(
        self,
        table: Iterable[ActionInfo] = ACTIONS,
        gestures: Iterable[Gesture] = GESTURES,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Shortcuts and gestures")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self._rows: list[tuple[str, list[QWidget], int]] = []
        self._headings: list[QLabel] = []
        rows = list(table)
        left = self._make_block([(key, title.replace("&", "")) for key, title in MENUS], rows)
        right = self._make_gestures(gestures)
        inner = QWidget()
        columns = QHBoxLayout(inner)
        columns.setSpacing(4 * GRID)
        columns.addLayout(left)
        columns.addLayout(right)
        area = QScrollArea()
        area.setWidget(inner)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.search)
        layout.addWidget(area, 1)
        layout.addWidget(buttons)
        self.resize(inner.sizeHint().width() + 6 * GRID, 620)

    def _make_block(self, menus: list[tuple[str, str]], table: list[ActionInfo]) -> QVBoxLayout:
        block, grid = _block()
        for key, title in menus:
            members = [info for info in table if info.menu == key and info.shortcuts]
            if members:
                self._add_heading(grid, title)
            for info in members:
                keys = "   ".join(dict.fromkeys(shown(text) for text in info.shortcuts[:2]))
                self._add_row(grid, keys, info.plain_text)
        return block

    def _make_gestures(self, gestures: Iterable[Gesture]) -> QVBoxLayout:
        block, grid = _block()
        self._add_heading(grid, "On the image")
        for gesture in gestures:
            self._add_row(grid, gesture.how, gesture.what)
        return block

    def _add_heading(self, grid: QGridLayout, title: str) -> None:
        label = QLabel(title)
        font = label.font()
        font.setWeight(QFont.Weight.DemiBold)
        label.setFont(font)
        label.setContentsMargins(0, GRID if grid.rowCount() > 1 else 0, 0, 0)
        grid.addWidget(label, grid.rowCount(), 0, 1, 2)
        self._headings.append(label)

    def _add_row(self, grid: QGridLayout, how: str, what: str) -> None:
        keys, words = QLabel(how), QLabel(what)
        words.setForegroundRole(words.foregroundRole())
        words.setWordWrap(True)
        words.setMinimumWidth(190)
        line = grid.rowCount()
        grid.addWidget(keys, line, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(words, line, 1, Qt.AlignmentFlag.AlignTop)
        self._rows.append((f"{how} {what}".casefold(), [keys, words], len(self._headings) - 1))

    def _filter(self, text: str) -> None:
        wanted = text.casefold()
        with_rows = set()
        for words, widgets, heading in self._rows:
            fits = wanted in words
            for widget in widgets:
                widget.setVisible(fits)
            if fits:
                with_rows.add(heading)
        for i, label in enumerate(self._headings):
            label.setVisible(i in with_rows)


def _block() -> tuple[QVBoxLayout, QGridLayout]:
    block = QVBoxLayout()
    grid = QGridLayout()
    grid.setHorizontalSpacing(2 * GRID)
    grid.setVerticalSpacing(GRID // 2)
    grid.setColumnStretch(1, 1)
    block.addLayout(grid)
    block.addStretch(1)
    return block, grid


class AboutDialog(QDialog):
    """Version, licence, and where things are kept; all of it can be copied for a question."""

    def __init__(self, settings_path: Path, log_path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About NanoAI")
        title = QLabel(f"NanoAI {nanoai_gui.__version__}")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.5)
        title.setFont(font)
        made_of = ", ".join(f"{name} {version}" for name, version in versions().items())
        kept = "\n".join(f"{name}: {folder}" for name, folder in folders().items())
        text = QLabel(
            "Primary particle sizes in electron micrographs, and classes in Raman maps, by point and "
            "click.\n\n"
            "Free software under the GNU General Public License, version 3 or later. It comes without any "
            "warranty.\n\n"
            f"{environment()}\n\nMade with {made_of}.\n\n{kept}"
        )
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        text.setMinimumWidth(520)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.copy_button = buttons.addButton("Copy diagnostics", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy_button.setToolTip("Versions, folders, screens and the end of the log, for a question")
        self.copy_button.clicked.connect(lambda: self._copy(diagnostics(settings_path, log_path)))
        self.notices_button = buttons.addButton("Licences...", QDialogButtonBox.ButtonRole.ActionRole)
        self.notices_button.clicked.connect(self._show_notices)
        self.notices_button.setVisible(bool(licence_notices()))
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setSpacing(2 * GRID)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 2 * GRID)
        for widget in (title, text, buttons):
            layout.addWidget(widget)

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.copy_button.setText("Copied")

    def _show_notices(self) -> None:
        dialog = QDialog(self)
        dialog.setWindowTitle("Licences of the works inside")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        shown = QPlainTextEdit(licence_notices())
        shown.setReadOnly(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(dialog.reject)
        layout = QVBoxLayout(dialog)
        layout.addWidget(shown)
        layout.addWidget(buttons)
        dialog.resize(760, 560)
        dialog.open()
