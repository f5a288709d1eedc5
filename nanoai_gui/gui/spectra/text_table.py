"""A read-only table of texts and numbers, sortable, for results of some hundred thousand rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()


@dataclass(frozen=True, eq=False)
class TableColumn:
    """A title, one value a row, and how a value is written."""

    title: str
    values: NDArray[Any]
    write: Callable[[Any], str] = str
    tip: str = ""
    is_text: bool = False
    """Whether numbers stand for words."""


class _Model(QAbstractTableModel):
    def __init__(self) -> None:
        super().__init__()
        self.columns: tuple[TableColumn, ...] = ()
        self.order: NDArray[np.int64] = np.zeros(0, np.int64)
        self.sorted_by: tuple[int, Qt.SortOrder] = (-1, Qt.SortOrder.AscendingOrder)

    def set_columns(self, columns: Sequence[TableColumn]) -> None:
        self.beginResetModel()
        self.columns = tuple(columns)
        self.order = np.arange(len(columns[0].values) if columns else 0)
        self._sort()
        self.endResetModel()

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else int(self.order.size)

    def columnCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401
        column = self.columns[index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return column.write(column.values[self.order[index.row()]])
        is_number = column.values.dtype.kind != "U" and not column.is_text
        if role == Qt.ItemDataRole.TextAlignmentRole and is_number:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401
        if orientation is Qt.Orientation.Vertical or section >= len(self.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.columns[section].tip or self.columns[section].title
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self.layoutAboutToBeChanged.emit()
        self.sorted_by = (column, order)
        self._sort()
        self.layoutChanged.emit()

    def _sort(self) -> None:
        column, direction = self.sorted_by
        if not 0 <= column < len(self.columns):
            return
        order = np.argsort(self.columns[column].values, kind="stable")
        self.order = order if direction is Qt.SortOrder.AscendingOrder else order[::-1]


class TextTable(QTableView):
    """The table; rows are known by their numbers in the columns given, whatever the order on the screen."""

    rows_chosen = Signal(list)
    """Numbers of the rows a person selected, ascending."""

    def __init__(self, name: str, height: int = 180, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._table = _Model()
        self.setModel(self._table)
        self._is_following = False
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSortingEnabled(True)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setStretchLastSection(True)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setFixedHeight(height)
        self.selectionModel().selectionChanged.connect(self._tell)
        copy = QShortcut(QKeySequence.StandardKey.Copy, self)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)

    def set_columns(self, columns: Sequence[TableColumn]) -> None:
        """Show other rows."""
        self._is_following = True
        self._table.set_columns(columns)
        self._is_following = False
        metrics = self.fontMetrics()
        for i, column in enumerate(columns):
            # A glance at some rows is enough: asking all of them takes seconds.
            texts = [column.title + "  ⌄", *(column.write(value) for value in column.values[:50])]
            self.setColumnWidth(i, min(max(metrics.horizontalAdvance(text) for text in texts) + 16, 220))

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return self._table.rowCount()

    def text(self, row: int, column: int) -> str:
        """Give what stands in the given row as it is on the screen now."""
        return str(self._table.data(self._table.index(row, column)))

    def chosen(self) -> list[int]:
        """Numbers of the selected rows, ascending."""
        places = [index.row() for index in self.selectionModel().selectedRows()]
        return sorted(self._table.order[places].tolist()) if places else []

    def choose(self, rows: NDArray[np.int64]) -> None:
        """Select rows by their numbers, without announcing it."""
        n = self.n_rows
        places = np.empty(n, np.int64)
        places[self._table.order] = np.arange(n)
        found = np.sort(places[rows[(rows >= 0) & (rows < n)]])
        # Neighbours as one range: thousands of single rows would take seconds.
        parts = np.split(found, np.flatnonzero(np.diff(found) > 1) + 1) if found.size else []
        selection = QItemSelection()
        for part in parts:
            first, last = int(part[0]), int(part[-1])
            selection.select(self._table.index(first, 0), self._table.index(last, 0))
        self._is_following = True
        flag = QItemSelectionModel.SelectionFlag
        self.selectionModel().select(selection, flag.ClearAndSelect | flag.Rows)
        self._is_following = False
        if found.size:
            self.scrollTo(self._table.index(int(found[0]), 0))

    def copy(self) -> None:
        """Copy the selected rows with their titles, parted by tabs, for a spreadsheet."""
        columns = self._table.columns
        lines = ["\t".join(column.title for column in columns)]
        lines += ["\t".join(c.write(c.values[row]) for c in columns) for row in self.chosen()]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def _tell(self) -> None:
        if not self._is_following:
            self.rows_chosen.emit(self.chosen())
