"""The list of images: thumbnail, name, state; filter and choice."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QContextMenuEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QLabel, QLineEdit, QListView, QMenu, QWidget

from nanoai_gui.gui.tem.file_delegate import ROW_HEIGHT, FileDelegate, state_in_words
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF, column

ENTRY_ROLE = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex


class FileModel(QAbstractListModel):
    """The images of a session as rows."""

    def __init__(self, session: TemSession, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._keys = session.keys()
        self._rows = {key: row for row, key in enumerate(self._keys)}
        session.entries_added.connect(self._on_added)
        session.entries_removed.connect(self._on_removed)
        session.entry_changed.connect(self._on_changed)
        thumbnails.ready.connect(self._on_thumbnail)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's
        """Count the images."""
        return 0 if parent.isValid() else len(self._keys)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's
        """Give name, tooltip or entry of an image."""
        if not index.isValid():
            return None
        entry = self._session.entry(self._keys[index.row()])
        if role == Qt.ItemDataRole.DisplayRole:
            return entry.name
        if role == ENTRY_ROLE:
            return entry
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{entry.path}\n{entry.error or state_in_words(entry, self._session.shown_method)}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{entry.name}, {state_in_words(entry, self._session.shown_method)}"
        return None

    def key(self, row: int) -> int:
        """Key of the image in a row."""
        return self._keys[row]

    def row(self, key: int) -> int:
        """Row of an image, or -1."""
        return self._rows.get(key, -1)

    def _on_added(self, keys: list[int]) -> None:
        first = len(self._keys)
        self.beginInsertRows(QModelIndex(), first, first + len(keys) - 1)
        self._keys += keys
        self._rows.update((key, first + i) for i, key in enumerate(keys))
        self.endInsertRows()

    def _on_removed(self, keys: list[int]) -> None:
        gone = set(keys)
        self.beginResetModel()
        self._keys = [key for key in self._keys if key not in gone]
        self._rows = {key: row for row, key in enumerate(self._keys)}
        self.endResetModel()

    def _on_changed(self, key: int) -> None:
        row = self._rows.get(key)
        if row is not None:
            index = self.index(row)
            self.dataChanged.emit(index, index)

    def _on_thumbnail(self, path: object, frame: object) -> None:
        for row, key in enumerate(self._keys):
            entry = self._session.entry(key)
            if entry.path == path and entry.frame == frame:
                index = self.index(row)
                self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])


class _FileView(QListView):
    """The list itself, with a word of welcome while it is empty."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows, or what to do when there are none."""
        super().paintEvent(event)
        model = self.model()
        if model is not None and model.rowCount() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().placeholderText().color())
            is_filtered = isinstance(model, QSortFilterProxyModel) and model.sourceModel().rowCount() > 0
            text = "No name contains this." if is_filtered else "Drop images\nor a folder here"
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect().adjusted(GRID, GRID, -GRID, -GRID), flags, text)
            painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave letters to the window's shortcuts: typing does not search here, the filter does."""
        if event.text().isprintable() and event.text() and not event.modifiers():
            event.ignore()
            return
        super().keyPressEvent(event)


class FileStrip(QWidget):
    """The images of a session: one is shown, several may be chosen.

    The row clicked last becomes the image shown; further ones are chosen with Ctrl and Shift.
    """

    chosen_changed = Signal()

    def __init__(self, session: TemSession, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._menu_actions: list[QAction] = []
        self.filter = QLineEdit()
        self.filter.setObjectName("file_filter")
        self.filter.setPlaceholderText("Filter by name")
        self.filter.setClearButtonEnabled(True)
        self.model = FileModel(session, thumbnails, self)
        self._shown = QSortFilterProxyModel(self)
        self._shown.setSourceModel(self.model)
        self._shown.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.view = _FileView()
        self.view.setObjectName("file_list")
        self.view.setAccessibleName("Images")
        self.view.setModel(self._shown)
        self.view.setItemDelegate(FileDelegate(session, thumbnails, self.view))
        self.view.setUniformItemSizes(True)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.verticalScrollBar().setSingleStep(ROW_HEIGHT // 3)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._open_menu)
        self.summary = QLabel()
        self.summary.setContentsMargins(GRID, HALF, GRID, HALF)
        layout = column(self, spacing=0)
        holder = column(margin=HALF)
        holder.addWidget(self.filter)
        layout.addLayout(holder)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.summary)

        self.filter.textChanged.connect(self._shown.setFilterFixedString)
        self.filter.textChanged.connect(self._summarise)
        selection = self.view.selectionModel()
        selection.currentChanged.connect(self._on_current_row)
        selection.selectionChanged.connect(lambda *_: self.chosen_changed.emit())
        session.wanted_changed.connect(self._follow_wanted)
        for signal in (session.entries_added, session.entries_removed):
            signal.connect(self._summarise)
        session.entries_removed.connect(self._follow_wanted)
        session.shown_method_changed.connect(self.view.viewport().update)
        self._summarise()
        self._follow_wanted()

    def sizeHint(self) -> QSize:
        """Wide enough for thumbnail and most names."""
        return QSize(220, 400)

    def chosen_keys(self) -> list[int]:
        """Keys of the chosen images, in the order of the strip."""
        rows = sorted(
            self._shown.mapToSource(index).row() for index in self.view.selectionModel().selectedIndexes()
        )
        return [self.model.key(row) for row in rows]

    def set_menu_actions(self, actions: list[QAction]) -> None:
        """Set what a right click offers."""
        self._menu_actions = list(actions)

    def _open_menu(self, position: Any) -> None:  # noqa: ANN401 - QPoint
        if self._menu_actions and self.view.indexAt(position).isValid():
            menu = QMenu(self)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.addActions(self._menu_actions)
            menu.popup(self.view.viewport().mapToGlobal(position))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Keep a right click beside the list from reaching the window's own menu."""
        event.accept()

    def _on_current_row(self, index: QModelIndex) -> None:
        if index.isValid():
            self._session.set_current(self.model.key(self._shown.mapToSource(index).row()))

    def _follow_wanted(self) -> None:
        """Mark the wanted image, if the filter lets it show."""
        key = self._session.wanted
        row = -1 if key is None else self.model.row(key)
        index = self._shown.mapFromSource(self.model.index(row)) if row >= 0 else QModelIndex()
        if index.isValid() and index != self.view.currentIndex():
            self.view.selectionModel().setCurrentIndex(
                index, QItemSelectionModel.SelectionFlag.ClearAndSelect
            )
            self.view.scrollTo(index)

    def _summarise(self) -> None:
        n, n_shown = len(self._session), self._shown.rowCount()
        images = "1 image" if n == 1 else f"{n} images"
        self.summary.setText("" if n == 0 else images if n_shown == n else f"{n_shown} of {images}")

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            palette = self.summary.palette()
            palette.setColor(self.summary.foregroundRole(), tokens(self.palette()).faint_text)
            self.summary.setPalette(palette)
