"""The regions of the map shown: named, coloured, grouped by their label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QComboBox,
    QFrame,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from nanoai_gui.gui.spectra.entries import Region
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button, row

NUMBER_ROLE = Qt.ItemDataRole.UserRole
NO_LABEL = "no label"
SWATCH = 12


class RegionList(QWidget):
    """Regions below the label they carry.

    Choosing one frames it thicker and selects its spectra; a double click renames it (or, on a label, all
    regions below it), Delete takes it away.
    """

    def __init__(self, session: SpectraSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.title = QLabel("Regions")
        self.title.setContentsMargins(GRID, HALF, GRID, 0)
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.tree = _Tree()
        self.tree.setObjectName("regions")
        self.tree.setAccessibleName("Regions of interest")
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        self.tree.setIndentation(14)
        self.tree.setFrameShape(QFrame.Shape.NoFrame)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.tree.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.customContextMenuRequested.connect(self._open_menu)
        self.tree.itemSelectionChanged.connect(self._on_chosen)
        self.tree.itemChanged.connect(self._on_edited)
        self.tree.delete_pressed.connect(self.remove_chosen)
        self.label = QComboBox()
        self.label.setObjectName("chosenLabel")
        field = QLineEdit()
        field.setPlaceholderText(NO_LABEL)
        field.editingFinished.connect(self._label_chosen)
        self.label.setEditable(True)
        self.label.setLineEdit(field)
        self.label.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.label.setToolTip("Class of the chosen regions; Enter takes it over")
        self.label.activated.connect(lambda _: self._label_chosen())
        self.colour = flat_button("Colour", "Draw the chosen region in another colour", name="regionColour")
        self.colour.clicked.connect(self._ask_for_colour)
        self.delete = flat_button("Delete", "Take the chosen regions away (Delete)", name="regionDelete")
        self.delete.clicked.connect(self.remove_chosen)
        buttons = row(spacing=HALF)
        buttons.setContentsMargins(GRID, 0, HALF, HALF)
        buttons.addWidget(self.label, 1)
        buttons.addWidget(self.colour)
        buttons.addWidget(self.delete)
        layout = column(self, spacing=HALF)
        layout.addWidget(self.title)
        layout.addWidget(self.tree, 1)
        layout.addLayout(buttons)
        session.current_changed.connect(self._show)
        session.set_changed.connect(lambda key: self._show() if key == session.current else None)
        session.region_changed.connect(self._follow)
        self._show()

    def chosen(self) -> list[Region]:
        """Regions chosen in the list, those below a chosen label too."""
        numbers: set[int] = set()
        for item in self.tree.selectedItems():
            own = item.data(0, NUMBER_ROLE)
            numbers.update([own] if own else [child.data(0, NUMBER_ROLE) for child in _children(item)])
        return [region for region in self._session.regions if region.number in numbers]

    def remove_chosen(self) -> None:
        """Take the chosen regions away."""
        self._session.remove_regions([region.number for region in self.chosen()])

    # ------------------------------------------------------------------ following the session

    def _show(self) -> None:
        chosen = {region.number for region in self.chosen()}
        if self._session.region is not None:
            chosen = {self._session.region.number}
        regions = self._session.regions
        self.tree.blockSignals(True)
        self.tree.clear()
        for label in sorted({region.label for region in regions}, key=lambda text: (not text, text)):
            members = [region for region in regions if region.label == label]
            head = QTreeWidgetItem([label or NO_LABEL, str(sum(r.rows.size for r in members))])
            head.setData(0, NUMBER_ROLE, 0)
            head.setToolTip(0, "Double click to give all regions below another label")
            head.setFlags(head.flags() | Qt.ItemFlag.ItemIsEditable)
            self.tree.addTopLevelItem(head)
            for region in members:
                item = QTreeWidgetItem([region.name, str(region.rows.size)])
                item.setData(0, NUMBER_ROLE, region.number)
                item.setIcon(0, swatch(region.colour))
                item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(1, "Number of spectra")
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                head.addChild(item)
                item.setSelected(region.number in chosen)
            head.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            head.setExpanded(True)
        self.tree.blockSignals(False)
        self._show_chosen()

    def _follow(self) -> None:
        region = self._session.region
        if region is None or [region.number] == [r.number for r in self.chosen()]:
            return
        self.tree.blockSignals(True)
        self.tree.clearSelection()
        for item in self._items():
            if item.data(0, NUMBER_ROLE) == region.number:
                item.setSelected(True)
                self.tree.scrollToItem(item)
        self.tree.blockSignals(False)
        self._show_chosen()

    def _items(self) -> list[QTreeWidgetItem]:
        heads = [self.tree.topLevelItem(i) for i in range(self.tree.topLevelItemCount())]
        return [child for head in heads if head is not None for child in _children(head)]

    def _show_chosen(self) -> None:
        chosen = self.chosen()
        labels = {region.label for region in chosen}
        names = self._session.label_names()
        self.label.blockSignals(True)
        self.label.clear()
        self.label.addItems(names)
        self.label.setEditText(labels.pop() if len(labels) == 1 else "")
        self.label.blockSignals(False)
        for widget in (self.label, self.colour, self.delete):
            widget.setEnabled(bool(chosen))

    # ------------------------------------------------------------------ what a person does

    def _on_chosen(self) -> None:
        chosen = self.chosen()
        self._show_chosen()
        self._session.choose_region(chosen[0].number if len(chosen) == 1 else None)
        if chosen:
            self._session.select(np.concatenate([region.rows for region in chosen]))

    def _on_edited(self, item: QTreeWidgetItem, place: int) -> None:
        if place != 0:
            return
        number, text = item.data(0, NUMBER_ROLE), item.text(0).strip()
        numbers = {number} if number else {child.data(0, NUMBER_ROLE) for child in _children(item)}
        # Later: the list is made anew, which must not happen while Qt still writes to an item of it.
        QTimer.singleShot(0, self, lambda: self._rename(numbers, text, is_label=not number))

    def _rename(self, numbers: set[int], text: str, is_label: bool) -> None:
        own = [region for region in self._session.regions if region.number in numbers]
        if is_label:
            label = "" if text == NO_LABEL else text
            changed = [region.with_label(label) for region in own if region.label != label]
        else:
            changed = [region.with_name(text) for region in own if text and region.name != text]
        if changed:
            self._session.change_regions(changed)
        else:
            self._show()

    def _label_chosen(self) -> None:
        label = self.label.currentText().strip()
        changed = [region.with_label(label) for region in self.chosen() if region.label != label]
        if changed and self.label.isEnabled():
            self._session.change_regions(changed)

    def _ask_for_colour(self) -> None:
        chosen = self.chosen()
        if chosen:
            colour = QColorDialog.getColor(QColor(chosen[0].colour), self, "Colour of the region")
            if colour.isValid():
                self._session.change_regions([replace(r, colour=colour.name()) for r in chosen])

    def _open_menu(self, at: QPoint) -> None:
        item = self.tree.itemAt(at)
        if item is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Rename", lambda: self.tree.editItem(item, 0))
        menu.addAction("Colour...", self._ask_for_colour)
        menu.addAction("Delete", self.remove_chosen)
        menu.popup(self.tree.viewport().mapToGlobal(at))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._show()


class _Tree(QTreeWidget):
    """The tree, with a word on how to begin while it is empty; letters are left to the window."""

    delete_pressed = Signal()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows, or what to do."""
        super().paintEvent(event)
        if self.topLevelItemCount() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(tokens(self.palette()).faint_text))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            box = self.viewport().rect().adjusted(GRID, GRID, -GRID, -GRID)
            painter.drawText(box, flags, "Draw on the map\nto mark a region")
            painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete the chosen ones; leave letters to the window's shortcuts."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_pressed.emit()
        elif event.text().isprintable() and event.text() and not event.modifiers():
            event.ignore()
        else:
            super().keyPressEvent(event)


def _children(item: QTreeWidgetItem) -> list[QTreeWidgetItem]:
    found = [item.child(i) for i in range(item.childCount())]
    return [child for child in found if child is not None]


def swatch(colour: str) -> QIcon:
    """Draw a small square."""
    pixmap = QPixmap(SWATCH, SWATCH)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
