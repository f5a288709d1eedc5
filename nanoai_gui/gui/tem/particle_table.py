"""The primary particles of the current image as a sortable table, fast with tens of thousands of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

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
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QStackedLayout, QTableView, QWidget

from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.gui.widgets.keys import keep_navigation_keys
from nanoai_gui.gui.widgets.numbers import DASH

UNCERTAINTY = 8
"""The column of standard errors, shown beside the diameters where the method gives them."""

Index = QModelIndex | QPersistentModelIndex

NUMBER_ALIGNMENT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
TEXT_ALIGNMENT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, eq=False)
class Column:
    """One column: its header, a tooltip, and its values in the order of the particles."""

    title: str
    tip: str
    values: NDArray[np.generic]
    is_text: bool = False
    decimals: int | None = None

    def text(self, row: int) -> str:
        """Write the value of one particle, all of a column with the same decimals."""
        value = self.values[row]
        if self.is_text or self.decimals is None:
            return str(value)
        number = float(value)
        return f"{number:.{self.decimals}f}" if math.isfinite(number) else DASH


def columns_of(
    particles: Particles, nm_per_px: float | None, accepted: frozenset[int] = frozenset()
) -> tuple[Column, ...]:
    """Lay particles out as columns, lengths in nm where the pixel size is known and in px elsewhere."""
    scale = 1.0 if nm_per_px is None else nm_per_px
    unit = "px" if nm_per_px is None else "nm"
    errors = particles.uncertainty_px * scale
    diameters, areas = particles.diameter_px * scale, particles.area_px * scale**2
    statuses = np.array([status.name.lower() for status in Status])[particles.status]
    statuses = np.where(particles.flagged & (particles.status == Status.AUTO), "check", statuses)
    right = np.isin(particles.ids, list(accepted)) & (particles.status == Status.AUTO)
    statuses = np.where(right, "accepted", statuses)
    return (
        Column("Aggl.", "Number of the agglomerate", particles.agglomerate),
        Column("Particle", "Number of the primary particle", particles.ids),
        Column(f"d [{unit}]", "Area-equivalent circle diameter", diameters, decimals=_decimals(diameters)),
        Column(f"Area [{unit}²]", "Projected area", areas, decimals=_decimals(areas)),
        Column("x [px]", "Centre, from the left edge of the image", particles.x, decimals=1),
        Column("y [px]", "Centre, from the upper edge of the image", particles.y, decimals=1),
        Column("Score", "How sure the method is, from 0 to 1", particles.score, decimals=2),
        Column(
            "Status",
            "Who placed the particle; check: the method doubts its own measure; accepted: a person does not",
            statuses, is_text=True,
        ),
        Column(
            f"± [{unit}]", "Standard error of the diameter, as the method estimates it", errors,
            decimals=_decimals(diameters),
        ),
    )  # fmt: skip


def _decimals(values: NDArray[np.float64]) -> int:
    """Give the typical value of a column four significant digits."""
    typical = float(np.median(values)) if len(values) else 1.0
    return min(max(3 - math.floor(math.log10(typical)), 0), 6) if typical > 0 else 3


class ParticleModel(QAbstractTableModel):
    """Particles as rows; sorting permutes an index and never the particles themselves."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._particles = Particles.empty()
        self._columns = columns_of(self._particles, None)
        self._order: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._sorted_by: tuple[int, Qt.SortOrder] = (1, Qt.SortOrder.AscendingOrder)

    def set_particles(
        self, particles: Particles, nm_per_px: float | None, accepted: frozenset[int] = frozenset()
    ) -> None:
        """Show other particles, in the order chosen before."""
        self.beginResetModel()
        self._particles = particles
        self._columns = columns_of(particles, nm_per_px, accepted)
        self._order = self._sorted_order()
        self.endResetModel()
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, self.columnCount() - 1)

    @property
    def particles(self) -> Particles:
        """The particles shown."""
        return self._particles

    @property
    def has_uncertainty(self) -> bool:
        """Whether the method says how sure it is of each diameter."""
        return bool(np.isfinite(self._particles.uncertainty_px).any())

    def ids_at(self, rows: Iterable[int]) -> NDArray[np.int32]:
        """Give the particle ids at some rows."""
        return self._particles.ids[self._order[np.fromiter(rows, dtype=np.int64)]]

    def rows_of(self, ids: Iterable[int]) -> NDArray[np.int64]:
        """Give the rows, ascending, at which particles of some ids stand."""
        wanted = np.fromiter(ids, dtype=np.int64)
        return np.flatnonzero(np.isin(self._particles.ids[self._order], wanted))

    def as_text(self, rows: NDArray[np.int64]) -> str:
        """Write rows as a spreadsheet takes them: a header line, columns parted by tabs, unknown is empty."""
        columns = self._columns if self.has_uncertainty else self._columns[:UNCERTAINTY]
        lines = ["\t".join(column.title for column in columns)]
        for i in self._order[rows]:
            lines.append("\t".join(column.text(int(i)).replace(DASH, "") for column in columns))
        return "\n".join(lines) + "\n"

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Count the particles."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Count the columns."""
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Give the text of a cell and how it is aligned."""
        if not index.isValid():
            return None
        column = self._columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(int(self._order[index.row()]))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return TEXT_ALIGNMENT if column.is_text else NUMBER_ALIGNMENT
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Give the title of a column and what it means."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        column = self._columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tip
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return TEXT_ALIGNMENT if column.is_text else NUMBER_ALIGNMENT
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; equal values keep the order of the particles, unknown ones come last."""
        self._sorted_by = (column, order)
        # A reset, not a change of layout: Qt would move one persistent index for every selected cell.
        self.beginResetModel()
        self._order = self._sorted_order()
        self.endResetModel()

    def _sorted_order(self) -> NDArray[np.int64]:
        column, order = self._sorted_by
        values = self._columns[column].values
        if order is Qt.SortOrder.AscendingOrder:
            return np.argsort(values, kind="stable").astype(np.int64)
        if self._columns[column].is_text:
            return np.argsort(values, kind="stable")[::-1].astype(np.int64)
        return np.argsort(-values.astype(np.float64), kind="stable").astype(np.int64)


class ParticleTable(QWidget):
    """The table, or a sentence that says how to get one."""

    particles_chosen = Signal(object)
    """Ids (array) that the person selected in the table."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._selected_ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._is_marking = False
        self.model = ParticleModel(self)
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setShowGrid(False)
        self.view.setAlternatingRowColors(True)
        self.view.setWordWrap(False)
        self.view.setCornerButtonEnabled(False)
        self.view.setTabKeyNavigation(False)
        self.view.verticalHeader().hide()
        keep_navigation_keys(self.view)
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self.view)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)
        # A fixed height: asking every row for its own would cost seconds with tens of thousands.
        self.view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.view.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        header = self.view.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(32)
        header.setStretchLastSection(True)
        # A selection model of its own, always empty: with that of the table the header would look at every
        # row, 5 ms a column with 10 000 of them, each time it is painted.
        header.setSelectionModel(QItemSelectionModel(self.model, header))
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
        header.moveSection(UNCERTAINTY, 3)
        self.view.setColumnHidden(UNCERTAINTY, True)
        self._fit_columns()
        self.view.selectionModel().selectionChanged.connect(self._chosen)
        # Connected after the view's own handling of a reset, so that the marks outlive it.
        self.model.modelReset.connect(self._mark)

        self._empty = QLabel("")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setEnabled(False)
        self._empty.setMargin(16)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.view)
        self.show_message("")

    @property
    def message(self) -> str:
        """What is said in place of the table."""
        return self._empty.text()

    def show_message(self, text: str) -> None:
        """Say why there is nothing to see."""
        self._empty.setText(text)
        self._stack.setCurrentWidget(self._empty)

    def show_particles(
        self, particles: Particles, nm_per_px: float | None, accepted: frozenset[int] = frozenset()
    ) -> None:
        """Show the particles of an image, lengths in nm where ``nm_per_px`` is known."""
        self.model.set_particles(particles, nm_per_px, accepted)
        self.view.setColumnHidden(UNCERTAINTY, not self.model.has_uncertainty)
        self._stack.setCurrentWidget(self.view)

    def select(self, ids: Iterable[int]) -> None:
        """Select particles that were selected elsewhere, and scroll to the first of them."""
        self._selected_ids = np.fromiter(ids, dtype=np.int64)
        self._mark()

    def _mark(self) -> None:
        rows = self.model.rows_of(self._selected_ids)
        if np.array_equal(self.selected_rows(), rows):
            return
        chosen = QItemSelection()
        last = self.model.columnCount() - 1
        # Runs of neighbouring rows become one range each: a selection of thousands stays cheap.
        for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else ():
            chosen.select(self.model.index(int(run[0]), 0), self.model.index(int(run[-1]), last))
        self._is_marking = True
        self.view.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._is_marking = False
        if len(rows):
            self._show_row(int(rows[0]))

    def _show_row(self, row: int) -> None:
        """Bring a row into the middle, unless it can be seen already."""
        place = self.view.visualRect(self.model.index(row, 0))
        if not self.view.viewport().rect().contains(place.center()):
            middle = QAbstractItemView.ScrollHint.PositionAtCenter
            # Column 0 would be scrolled to as well; a person may be looking at the last ones.
            across = self.view.horizontalScrollBar().value()
            self.view.scrollTo(self.model.index(row, 0), middle)
            self.view.horizontalScrollBar().setValue(across)

    def copy(self) -> None:
        """Put the selected rows, or all if none is, on the clipboard."""
        rows = self.selected_rows()
        if not len(rows):
            rows = np.arange(self.model.rowCount())
        QGuiApplication.clipboard().setText(self.model.as_text(rows))

    def selected_rows(self) -> NDArray[np.int64]:
        """Give the selected rows, ascending."""
        ranges = self.view.selectionModel().selection()
        parts = (ranges.at(i) for i in range(ranges.count()))
        rows = [np.arange(part.top(), part.bottom() + 1) for part in parts]
        return np.unique(np.concatenate(rows)).astype(np.int64) if rows else np.empty(0, dtype=np.int64)

    def _chosen(self) -> None:
        if self._is_marking:
            return
        self._selected_ids = self.model.ids_at(self.selected_rows().tolist()).astype(np.int64)
        self.particles_chosen.emit(self._selected_ids)

    def _fit_columns(self) -> None:
        metrics = self.view.horizontalHeader().fontMetrics()
        samples = ("8888", "88888", "888.8", "88888", "888.8", "888.8", "0.88", "accepted", "88.8")
        for i, sample in enumerate(samples):
            title = str(self.model.headerData(i, Qt.Orientation.Horizontal))
            # Room for the arrow of the column sorted by.
            width = max(metrics.horizontalAdvance(title) + 17, metrics.horizontalAdvance(sample) + 10)
            self.view.setColumnWidth(i, width)
