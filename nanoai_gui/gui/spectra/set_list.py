"""The list of maps and series: name, what it holds, and its state."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import (
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QColor, QFontMetrics, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from nanoai_gui.gui.spectra.entries import SetEntry, SetState
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.tem.entries import ImageState
from nanoai_gui.gui.tem.file_delegate import BADGE, paint_badge
from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID, HALF, column
from nanoai_gui.gui.widgets.numbers import count

KEY_ROLE = Qt.ItemDataRole.UserRole
WORDS_ROLE = KEY_ROLE + 1
BADGES = {
    SetState.READING: ImageState.RUNNING,
    SetState.READY: ImageState.DONE,
    SetState.NEEDS_LASER: ImageState.OUTDATED,
    SetState.FAILED: ImageState.FAILED,
}
ROW_HEIGHT = 46


class SetList(QWidget):
    """The entries of a session: one is shown, several may be chosen."""

    chosen_changed = Signal()
    laser_wanted = Signal(int)
    """Key of an entry whose laser a person wants to name."""

    def __init__(self, session: SpectraSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._menu_actions: list[QAction] = []
        self.view = _Rows()
        self.view.setObjectName("set_list")
        self.view.setAccessibleName("Spectra and maps")
        self.view.setItemDelegate(_Delegate(session, self.view))
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._open_menu)
        self.summary = QLabel()
        self.summary.setContentsMargins(GRID, HALF, GRID, HALF)
        layout = column(self, spacing=0)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.summary)
        self.view.currentItemChanged.connect(self._on_current)
        self.view.itemSelectionChanged.connect(self.chosen_changed)
        self.view.itemClicked.connect(self._on_clicked)
        session.sets_added.connect(self._fill)
        session.sets_removed.connect(self._fill)
        session.set_changed.connect(self._on_changed)
        session.wanted_changed.connect(self._follow)
        session.current_changed.connect(self._follow)
        session.predictions_changed.connect(self._on_changed)
        self._fill()

    def chosen_keys(self) -> list[int]:
        """Keys of the chosen entries, in the order of the list."""
        chosen = {int(item.data(KEY_ROLE)) for item in self.view.selectedItems()}
        return [entry.key for entry in self._session.entries() if entry.key in chosen]

    def set_menu_actions(self, actions: list[QAction]) -> None:
        """Set what a right click offers."""
        self._menu_actions = list(actions)

    def _fill(self) -> None:
        chosen = set(self.chosen_keys())
        self.view.blockSignals(True)
        self.view.clear()
        for entry in self._session.entries():
            item = QListWidgetItem()
            item.setData(KEY_ROLE, entry.key)
            self._write(item, entry)
            self.view.addItem(item)
        self.view.blockSignals(False)
        self._follow()
        # With another entry shown, such as one just opened, that one alone is chosen.
        if self._session.wanted in chosen:
            self.view.blockSignals(True)
            for i in range(self.view.count()):
                self.view.item(i).setSelected(self.view.item(i).data(KEY_ROLE) in chosen)
            self.view.blockSignals(False)
        self._summarise()
        self.chosen_changed.emit()

    def _write(self, item: QListWidgetItem, entry: SetEntry) -> None:
        words = in_words(entry)
        item.setText(entry.name)
        item.setData(WORDS_ROLE, words)
        item.setToolTip(f"{entry.path}\n{words}")
        item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{entry.name}, {words}")

    def _on_changed(self, key: int) -> None:
        for i in range(self.view.count()):
            item = self.view.item(i)
            if item.data(KEY_ROLE) == key:
                self._write(item, self._session.entry(key))
        self._summarise()
        self.view.viewport().update()

    def _on_current(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._session.set_current(int(item.data(KEY_ROLE)))

    def _on_clicked(self, item: QListWidgetItem) -> None:
        key = int(item.data(KEY_ROLE))
        if self._session.entry(key).state is SetState.NEEDS_LASER:
            self.laser_wanted.emit(key)

    def _follow(self) -> None:
        wanted = self._session.wanted
        for i in range(self.view.count()):
            item = self.view.item(i)
            if item.data(KEY_ROLE) == wanted and item is not self.view.currentItem():
                self.view.blockSignals(True)
                self.view.setCurrentItem(item, QItemSelectionModel.SelectionFlag.ClearAndSelect)
                self.view.blockSignals(False)
                self.chosen_changed.emit()
        self.view.viewport().update()

    def _summarise(self) -> None:
        ready = self._session.ready()
        n = sum(entry.spectra.n_spectra for entry in ready if entry.spectra is not None)
        words = f"{count(len(ready), 'set')}, {count(n, 'spectrum', 'spectra')}"
        self.summary.setText(words if ready else "")

    def _open_menu(self, at: QPoint) -> None:
        if self._menu_actions and self.view.itemAt(at) is not None:
            menu = QMenu(self)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.addActions(self._menu_actions)
            menu.popup(self.view.viewport().mapToGlobal(at))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            palette = self.summary.palette()
            palette.setColor(self.summary.foregroundRole(), tokens(self.palette()).faint_text)
            self.summary.setPalette(palette)


def in_words(entry: SetEntry) -> str:
    """Say what an entry holds, or why it holds nothing."""
    if entry.state is SetState.NEEDS_LASER:
        return "click to name the laser"
    if entry.state is SetState.FAILED:
        return entry.error.removeprefix(entry.path.name).strip()
    spectra = entry.spectra
    if spectra is None:
        return "being read"
    if spectra.grid is not None:
        words = f"map of {spectra.grid.n_columns} × {spectra.grid.n_rows}"
    else:
        words = count(spectra.n_spectra, "spectrum", "spectra")
    assert entry.content is not None
    labelled = int(np.count_nonzero(entry.content.with_region_columns().text("label") != ""))
    if labelled:
        words += ", all labelled" if labelled == spectra.n_spectra else f", {labelled} labelled"
    return words


class _Rows(QListWidget):
    """The rows, with a word of welcome while there are none."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows, or what to do when there are none."""
        super().paintEvent(event)
        if self.count() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().placeholderText().color())
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            box = self.viewport().rect().adjusted(GRID, GRID, -GRID, -GRID)
            painter.drawText(box, flags, "Drop spectra\nor a folder here")
            painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave letters to the window's shortcuts."""
        if event.text().isprintable() and event.text() and not event.modifiers():
            event.ignore()
            return
        super().keyPressEvent(event)


class _Delegate(QStyledItemDelegate):
    """Paints name and state of an entry."""

    def __init__(self, session: SpectraSession, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Every row is as high as the other."""
        return QSize(160, ROW_HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint one row."""
        key = int(index.data(KEY_ROLE))
        if key not in self._session:
            return
        entry = self._session.entry(key)
        rect, theme = option.rect, tokens(option.palette)
        font = option.font
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if is_chosen:
            fill = QColor(theme.accent)
            fill.setAlphaF(0.28 if theme.is_dark else 0.14)
            painter.fillRect(rect, fill)
        if key == self._session.wanted:
            painter.fillRect(rect.left(), rect.top(), 3, rect.height(), QColor(theme.accent))
        metrics = QFontMetrics(font)
        left, width = rect.left() + GRID + HALF, rect.width() - 2 * GRID
        middle = rect.center().y()
        painter.setFont(font)
        painter.setPen(QColor(theme.text))
        name = metrics.elidedText(entry.name, Qt.TextElideMode.ElideMiddle, width)
        painter.drawText(QPointF(left, middle - metrics.descent() - 1), name)
        badge = QRectF(left, middle + HALF + (metrics.height() - BADGE) / 2, BADGE, BADGE)
        paint_badge(painter, badge, BADGES[entry.state], theme)
        is_bad = entry.state in (SetState.FAILED, SetState.NEEDS_LASER)
        painter.setPen(QColor(theme.error if is_bad else theme.faint_text))
        words = metrics.elidedText(
            str(index.data(WORDS_ROLE)), Qt.TextElideMode.ElideRight, width - BADGE - HALF
        )
        painter.drawText(QPointF(left + BADGE + HALF, middle + HALF + metrics.ascent()), words)
        painter.restore()
