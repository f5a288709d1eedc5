"""The regions of the map shown: named, coloured, listed under their group or label."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QComboBox,
    QFrame,
    QHeaderView,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.spectra.rois import Brush, Roi, Rois
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button, row

NUMBER_ROLE = Qt.ItemDataRole.UserRole
HEADING_ROLE = NUMBER_ROLE + 1
"""Whether a heading is a ``group`` or a ``label``."""
NO_LABEL = "no label"
SWATCH = 12


class RegionList(QWidget):
    """Regions below the group they are in, or else the label they carry.

    Choosing one frames it thicker and selects its spectra; a double click renames it (or, on a heading, gives
    all regions below it another group or label), Delete takes it away, the right button puts it in a group.
    """

    problem = Signal(str)

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

    def chosen(self) -> list[Roi]:
        """Regions chosen in the list, those below a chosen heading too."""
        numbers: set[int] = set()
        for item in self.tree.selectedItems():
            own = item.data(0, NUMBER_ROLE)
            numbers.update([own] if own else [child.data(0, NUMBER_ROLE) for child in _children(item)])
        return [roi for roi in self._session.rois if roi.number in numbers]

    def remove_chosen(self) -> None:
        """Take the chosen regions away."""
        self._session.remove_regions(self._chosen_numbers())

    # ------------------------------------------------------------------ following the session

    def _show(self) -> None:
        chosen = {region.number for region in self.chosen()}
        if self._session.region is not None:
            chosen = {self._session.region.number}
        rois = list(self._session.rois)
        self.tree.blockSignals(True)
        self.tree.clear()
        # Groups first, then labels, then what has neither.
        headings = sorted(
            {(not roi.group, roi.heading) for roi in rois}, key=lambda h: (h[0], not h[1], h[1])
        )
        for is_label, heading in headings:
            members = [roi for roi in rois if (not roi.group, roi.heading) == (is_label, heading)]
            head = QTreeWidgetItem([heading or NO_LABEL, str(Rois.count(members))])
            head.setData(0, NUMBER_ROLE, 0)
            head.setData(0, HEADING_ROLE, "label" if is_label else "group")
            what = "label" if is_label else "name of the group"
            head.setToolTip(0, f"{heading}\nDouble click to change the {what} for all below".strip())
            head.setFlags(head.flags() | Qt.ItemFlag.ItemIsEditable)
            self.tree.addTopLevelItem(head)
            for roi in members:
                item = QTreeWidgetItem([roi.name, str(roi.rows.size)])
                item.setData(0, NUMBER_ROLE, roi.number)
                item.setIcon(0, swatch(roi.colour))
                item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(0, _in_words(roi))
                item.setToolTip(1, "Number of spectra")
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                head.addChild(item)
                item.setSelected(roi.number in chosen)
            head.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            head.setToolTip(1, "Number of spectra, each counted once")
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
        numbers = [number] if number else [child.data(0, NUMBER_ROLE) for child in _children(item)]
        field = "name" if number else str(item.data(0, HEADING_ROLE))
        # Later: the list is made anew, which must not happen while Qt still writes to an item of it.
        QTimer.singleShot(0, self, lambda: self._change(numbers, field, "" if text == NO_LABEL else text))

    def _change(self, numbers: list[int], field: str, value: str) -> None:
        """Change one thing of some regions; what cannot be is said, and the list shows again what is."""
        here = {roi.number for roi in self._session.rois}
        try:
            self._session.change_regions([n for n in numbers if n in here], **{field: value})
        except NanoAIError as error:
            self.problem.emit(str(error))
        self._show()

    def _chosen_numbers(self) -> list[int]:
        return [roi.number for roi in self.chosen()]

    def _label_chosen(self) -> None:
        if self.label.isEnabled():
            self._change(self._chosen_numbers(), "label", self.label.currentText().strip())

    def _ask_for_colour(self) -> None:
        chosen = self.chosen()
        if chosen:
            colour = QColorDialog.getColor(QColor(chosen[0].colour), self, "Colour of the region")
            if colour.isValid():
                self._change([roi.number for roi in chosen], "colour", colour.name())

    def _ask_for_group(self) -> None:
        numbers, chosen = self._chosen_numbers(), self.chosen()
        dialog = QInputDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Group regions")
        dialog.setLabelText("Name of the group, such as that of a cell (empty: none):")
        dialog.setComboBoxItems(list(self._session.rois.groups))
        dialog.setComboBoxEditable(True)
        dialog.setTextValue(chosen[0].group if chosen else "")
        dialog.textValueSelected.connect(lambda text: self._change(numbers, "group", text.strip()))
        dialog.open()

    def _open_menu(self, at: QPoint) -> None:
        item = self.tree.itemAt(at)
        if item is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Rename", lambda: self.tree.editItem(item, 0))
        menu.addAction("Colour...", self._ask_for_colour)
        menu.addAction("Group...", self._ask_for_group)
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


def _in_words(roi: Roi) -> str:
    """Say what is known of a region."""
    words = [roi.name, f"label: {roi.label}" if roi.label else NO_LABEL]
    if roi.group:
        words.append(f"group: {roi.group}")
    if roi.shape is not None:
        words.append(f"drawn as: {roi.shape.KIND}")
    if isinstance(roi.shape, Brush) and roi.shape.quantity:
        words.append(f"{roi.shape.quantity} at least {roi.shape.threshold:.4g}")
    return "\n".join(words)


def swatch(colour: str) -> QIcon:
    """Draw a small square."""
    pixmap = QPixmap(SWATCH, SWATCH)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
