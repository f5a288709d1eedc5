"""What is known of each spectrum of the set shown: label, dish, cell, map, region; to be edited."""

from __future__ import annotations

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
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFrame,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableView,
    QWidget,
)

from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.gui.spectra.entries import SetContent
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.widgets.keys import keep_navigation_keys
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button, row
from nanoai_gui.gui.widgets.numbers import DASH, count

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
EDITABLE = ("label", "dish", "cell", "map", "roi")
HIDDEN = ("source", "index")
ROWS_LOOKED_AT = 100
WIDEST_COLUMN = 160
NARROWEST_COLUMN = 56
MOST_RANGES = 2000
"""A selection of more separate pieces is not drawn in the table: Qt would take seconds."""


class SpectraModel(QAbstractTableModel):
    """The columns of a set; what a region says goes before what the spectrum says."""

    edited = Signal(int, str, str)
    """Row, column and the new text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spectra: SpectralSet | None = None
        self._by_region: dict[str, NDArray[np.bool_]] = {}
        self.names: list[str] = []

    def set_content(self, content: SetContent | None) -> None:
        """Show another set, or the same one edited."""
        spectra = None if content is None else content.with_region_columns()
        names = [] if spectra is None else _names(spectra)
        same = (
            names == self.names and spectra is not None and self._spectra is not None
            and spectra.n_spectra == self._spectra.n_spectra
        )  # fmt: skip
        if not same:
            self.beginResetModel()
        self._spectra, self.names = spectra, names
        self._by_region = {}
        if content is not None:
            for name in ("label", "roi"):
                fixed = np.zeros(content.spectra.n_spectra, np.bool_)
                for region in content.rois:
                    if name == "roi" or region.label:
                        fixed[region.rows] = True
                self._by_region[name] = fixed
        if not same:
            self.endResetModel()
        elif names:
            self.dataChanged.emit(self.index(0, 0), self.index(self.rowCount() - 1, self.columnCount() - 1))

    def rowCount(self, parent: Index = ROOT) -> int:
        """Count the spectra."""
        return 0 if parent.isValid() or self._spectra is None else self._spectra.n_spectra

    def columnCount(self, parent: Index = ROOT) -> int:
        """Count the columns."""
        return 0 if parent.isValid() else len(self.names)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401 - Qt's
        """Give names of columns and numbers of spectra."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation is Qt.Orientation.Vertical:
            return str(section + 1)
        name = self.names[section]
        return {"x_um": "x [µm]", "y_um": "y [µm]"}.get(name, name)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's
        """Give the text of a cell."""
        if self._spectra is None or not index.isValid():
            return None
        name = self.names[index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            value = self._spectra.columns[name][index.row()]
            if isinstance(value, np.floating):
                return f"{value:.4g}" if np.isfinite(value) else DASH
            return str(value)
        if role == Qt.ItemDataRole.ToolTipRole and self._is_fixed(index):
            return "A region says so: change it in the list of regions"
        if role == Qt.ItemDataRole.TextAlignmentRole and self._spectra.columns[name].dtype.kind != "U":
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Let texts be edited that no region sets."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if self._spectra is None or not index.isValid() or self._is_fixed(index):
            return flags
        is_text = self._spectra.columns[self.names[index.column()]].dtype.kind == "U"
        return flags | Qt.ItemFlag.ItemIsEditable if is_text else flags

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: ANN401
        """Announce what a person typed; the session writes it."""
        if role != Qt.ItemDataRole.EditRole or str(value) == self.data(index):
            return False
        self.edited.emit(index.row(), self.names[index.column()], str(value).strip())
        return True

    def _is_fixed(self, index: Index) -> bool:
        fixed = self._by_region.get(self.names[index.column()])
        return fixed is not None and bool(fixed[index.row()])


class SpectraTable(QWidget):
    """The table, and a line that fills a column of the selected spectra."""

    labels_wanted = Signal()

    def __init__(self, session: SpectraSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._own_widths: dict[str, int] = {}
        self._is_fitting = False
        self.model = SpectraModel(self)
        self.view = QTableView()
        self.view.setObjectName("spectraTable")
        self.view.setAccessibleName("Spectra")
        self.view.setModel(self.model)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.view.setShowGrid(False)
        self.view.setAlternatingRowColors(True)
        self.view.setWordWrap(False)
        self.view.verticalHeader().setDefaultSectionSize(22)
        self.view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.view.horizontalHeader().setDefaultSectionSize(68)
        self.view.horizontalHeader().setHighlightSections(False)
        self.view.horizontalHeader().sectionResized.connect(self._resized)
        keep_navigation_keys(self.view)
        self.column = QComboBox()
        self.column.setObjectName("fillColumn")
        self.column.setToolTip("Column to fill")
        self.column.addItems(EDITABLE)
        self.value = QLineEdit()
        self.value.setObjectName("fillValue")
        self.value.setPlaceholderText("value")
        self.value.returnPressed.connect(self.fill)
        self.fill_button = flat_button("Fill", "", name="fill")
        self.fill_button.clicked.connect(self.fill)
        self.import_button = flat_button(
            "Import labels…", "Fill in labels, dishes and cells from a CSV or XLSX table", name="importLabels"
        )
        self.import_button.clicked.connect(self.labels_wanted)
        self.summary = QLabel()
        line = row(spacing=HALF)
        line.addWidget(self.column)
        line.addWidget(self.value, 1)
        line.addWidget(self.fill_button)
        below = row(spacing=HALF)
        below.addWidget(self.summary, 1)
        below.addWidget(self.import_button)
        head = column(spacing=HALF, margin=GRID)
        head.addLayout(line)
        head.addLayout(below)
        layout = column(self, spacing=0)
        layout.addLayout(head)
        layout.addWidget(self.view, 1)
        self.model.edited.connect(self._edited)
        self.model.modelReset.connect(self._fit_columns)
        self.model.dataChanged.connect(lambda *_: self._fit_columns(only_widen=True))
        self.view.selectionModel().selectionChanged.connect(lambda *_: self._on_selected())
        self.view.selectionModel().currentRowChanged.connect(lambda index, _: self._on_current(index))
        session.current_changed.connect(self._show)
        session.set_changed.connect(lambda key: self._show() if key == session.current else None)
        session.selection_changed.connect(self._follow)
        self._show()

    def _fit_columns(self, *, only_widen: bool = False) -> None:
        """Make columns as wide as what stands in their first rows: names of cells differ at their ends."""
        self._is_fitting = True
        metrics, header = self.view.fontMetrics(), self.view.horizontalHeader()
        n = min(self.model.rowCount(), ROWS_LOOKED_AT)
        for i in range(self.model.columnCount()):
            texts = [str(self.model.data(self.model.index(row_, i))) for row_ in range(n)]
            widest = max((metrics.horizontalAdvance(text) for text in texts), default=0) + 2 * GRID
            wanted = min(max(widest, header.sectionSizeHint(i), NARROWEST_COLUMN), WIDEST_COLUMN)
            own = self._own_widths.get(self.model.names[i])
            if own is not None:
                self.view.setColumnWidth(i, own)
            elif not only_widen or wanted > self.view.columnWidth(i):
                self.view.setColumnWidth(i, wanted)
        self._is_fitting = False

    def _resized(self, column_: int, _before: int, width: int) -> None:
        """Keep the width that a person gave a column, wide or narrow, whatever comes to stand in it."""
        if not self._is_fitting and column_ < len(self.model.names):
            self._own_widths[self.model.names[column_]] = width

    def fill(self) -> None:
        """Write the value into the column of the selected spectra, of all if none is selected."""
        key, spectra = self._session.current, self._session.spectra
        if key is None or spectra is None:
            return
        rows = self._session.selected
        chosen = rows if rows.size else np.arange(spectra.n_spectra)
        self._session.set_column(key, chosen, self.column.currentText(), self.value.text().strip())

    def _edited(self, row_: int, name: str, text: str) -> None:
        key = self._session.current
        if key is not None:
            self._session.set_column(key, [row_], name, text)

    def _show(self) -> None:
        entry = self._session.current_entry
        self.model.set_content(None if entry is None else entry.content)
        names = [name for name in self.model.names if name in EDITABLE or name not in ("x_um", "y_um")]
        offered = list(dict.fromkeys([*EDITABLE, *names])) if names else list(EDITABLE)
        if [self.column.itemText(i) for i in range(self.column.count())] != offered:
            self.column.clear()
            self.column.addItems(offered)
        self._follow()

    def _follow(self) -> None:
        """Select in the table what is selected in the session."""
        selection = self.view.selectionModel()
        rows = self._session.selected
        self._summarise()
        if np.array_equal(rows, self._selected_rows()):
            return
        wanted = QItemSelection()
        breaks = np.flatnonzero(np.diff(rows) > 1)
        starts = rows[np.concatenate([[0], breaks + 1])] if rows.size else rows
        ends = rows[np.concatenate([breaks, [rows.size - 1]])] if rows.size else rows
        last = self.model.columnCount() - 1
        if starts.size <= MOST_RANGES:
            for first, final in zip(starts.tolist(), ends.tolist(), strict=True):
                wanted.select(self.model.index(first, 0), self.model.index(final, last))
        selection.blockSignals(True)
        selection.select(wanted, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        selection.blockSignals(False)
        self.view.viewport().update()
        if rows.size:
            self.view.scrollTo(self.model.index(int(self._session.spectrum or rows[0]), 0))

    def _selected_rows(self) -> NDArray[np.int64]:
        ranges = self.view.selectionModel().selection().toList()
        rows = [np.arange(part.top(), part.bottom() + 1) for part in ranges]
        return np.unique(np.concatenate(rows)).astype(np.int64) if rows else np.zeros(0, np.int64)

    def _on_selected(self) -> None:
        rows = self._selected_rows()
        current = self.view.currentIndex().row()
        self._session.select(rows, look_at=current if current in rows else None)

    def _on_current(self, index: QModelIndex) -> None:
        if index.isValid() and self.view.hasFocus():
            self._session.look_at(index.row())

    def _summarise(self) -> None:
        n, spectra = self._session.selected.size, self._session.spectra
        total = 0 if spectra is None else spectra.n_spectra
        self.summary.setText(f"{n} of {total} selected" if n else count(total, "spectrum", "spectra"))
        where = f"the {n} selected spectra" if n else "all spectra of the set"
        self.fill_button.setText("Fill" if n else "Fill all")
        self.fill_button.setToolTip(f"Write the value into the column for {where}")
        self.fill_button.setEnabled(total > 0)


def _names(spectra: SpectralSet) -> list[str]:
    """Give the columns worth showing: those to edit, places where known, and any other with content."""
    others = []
    for name, values in spectra.columns.items():
        if name in EDITABLE or name in HIDDEN:
            continue
        known = (
            (values != "").any() if values.dtype.kind == "U" else values.size and np.isfinite(values).any()
        )
        if known:
            others.append(name)
    return [*EDITABLE, *others]
