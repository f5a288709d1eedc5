"""The list of what to correct next, with keys to go through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedLayout,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.review.reviewing import Reviewing, share_of_next
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tools import Tool
from nanoai_gui.gui.widgets.keys import keep_navigation_keys
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button, row
from nanoai_gui.gui.widgets.numbers import grouped

if TYPE_CHECKING:
    from nanoai_gui.core.tem.review import Candidate

MOST_ROWS = 500
"""Nobody goes through more at a time."""
HEADERS = ("Aggl.", "n", "Weight", "Image", "Why")
IMAGE = 3
"""The column that is shown only where there are several images."""
TIPS = (
    "Number of the agglomerate",
    "Primary particles that the method found in it",
    "Its part of all that could move the mean diameter: influence times doubt",
    "The image it lies in",
    "What speaks against the result",
)
EXPLANATION = "What could move the mean diameter most comes first. Put it right with any tool, or press:"
NOTHING_LEFT = "Nothing is left: every agglomerate was looked at."
NOTHING_OF_METHOD = "The method on show has measured nothing yet: choose another above the image."
NOTHING_MEASURED = "Analyse images first (F5); then the agglomerates worth a look are listed here."
LOOKING = "Looking for doubtful agglomerates …"

Index = QModelIndex | QPersistentModelIndex


class CandidateModel(QAbstractTableModel):
    """Candidates as rows."""

    def __init__(self, session: TemSession, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._rows: list[Candidate] = []

    def set_candidates(self, candidates: list[Candidate]) -> None:
        """Show others."""
        self.beginResetModel()
        self._rows = candidates[:MOST_ROWS]
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Count the candidates on show."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Count the columns."""
        return 0 if parent.isValid() else len(HEADERS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Write a cell."""
        candidate = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            texts = (
                str(candidate.agglomerate), str(candidate.n_particles), _percent(candidate.share),
                self._name(candidate),
                ", ".join(candidate.reasons) or ("" if candidate.priority else "no doubt"),
            )  # fmt: skip
            return texts[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            name = self._name(candidate)
            why = ", ".join(candidate.reasons)
            return f"Agglomerate {candidate.agglomerate} of {name}" + (f"\n{why}" if why else "")
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() < 3:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _name(self, candidate: Candidate) -> str:
        key = candidate.image
        return self._session.entry(key).name if key in self._session else ""  # type: ignore[arg-type]

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Name the columns."""
        if orientation is Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return HEADERS[section]
            if role == Qt.ItemDataRole.ToolTipRole:
                return TIPS[section]
        return None


class _ElidedInTheMiddle(QStyledItemDelegate):
    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Shorten the text in its middle."""
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideMiddle


class ReviewPanel(QWidget):
    """Shows the list and carries out its keys, on itself and on the image.

    Parameters
    ----------
    reviewing
        Leads through the list.
    canvas
        Where Enter, Esc and N mean the same while the panel is open.
    beside
        Others that may have the focus, where they mean the same too: after a choice in a list beside the
        image, N must not give the agglomerate another number.
    """

    closed = Signal()

    def __init__(
        self,
        session: TemSession,
        reviewing: Reviewing,
        canvas: MicrographCanvas,
        beside: Sequence[QWidget] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._reviewing = reviewing
        self._canvas = canvas
        self._session = session
        self._is_marking = False
        title = QLabel("What to correct next")
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        self.state = QLabel()
        self.state.setObjectName("state")
        self.state.setWordWrap(True)
        self.close_button = flat_button("✕", "Close the list; what was accepted stays so", name="close")
        self.close_button.clicked.connect(self.closed)
        head = row(spacing=HALF)
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self.close_button)
        words = QLabel(EXPLANATION)
        words.setWordWrap(True)
        words.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.accept_button = _button("Accept", "Enter", "It is right as it is (now): go on to the next")
        self.skip_button = _button("Skip", "Esc", "Put it at the end of the list")
        self.next_button = _button("Next", "N", "Look at the next one; this one stays where it is")
        keys = row(spacing=HALF)
        for button in (self.accept_button, self.skip_button, self.next_button):
            keys.addWidget(button, 1)
        self.model = CandidateModel(session, self)
        self.view = self._make_view()
        self.message = QLabel()
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setEnabled(False)
        self.message.setMargin(2 * GRID)
        below = QWidget()
        self._stack = QStackedLayout(below)
        self._stack.addWidget(self.message)
        self._stack.addWidget(self.view)
        layout = column(self, spacing=HALF)
        layout.setContentsMargins(GRID, HALF, GRID, HALF)
        layout.addLayout(head)
        layout.addWidget(words)
        layout.addLayout(keys)
        layout.addWidget(self.state)
        layout.addWidget(below, 1)
        self.accept_button.clicked.connect(reviewing.accept)
        self.skip_button.clicked.connect(reviewing.skip)
        self.next_button.clicked.connect(reviewing.next)
        reviewing.listed.connect(self._list)
        reviewing.place_changed.connect(self._mark)
        self.view.selectionModel().currentRowChanged.connect(self._chosen)
        for widget in (self.view, canvas, *beside):
            widget.installEventFilter(self)
        self._list()

    def _make_view(self) -> QTableView:
        view = QTableView()
        view.setModel(self.model)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setShowGrid(False)
        view.setAlternatingRowColors(True)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.setCornerButtonEnabled(False)
        view.verticalHeader().hide()
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        view.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        header = view.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        metrics = header.fontMetrics()
        for i, sample in enumerate(("88888", "88", "Weight", "8888888.tif")):
            view.setColumnWidth(i, metrics.horizontalAdvance(sample) + 2 * GRID)
        # Names of one series differ at their ends.
        view.setItemDelegateForColumn(IMAGE, _ElidedInTheMiddle(view))
        keep_navigation_keys(view)
        return view

    # ------------------------------------------------------------------ what is shown

    def _list(self) -> None:
        candidates = self._reviewing.candidates
        self._is_marking = True
        self.model.set_candidates(candidates)
        self._is_marking = False
        self.view.setColumnHidden(IMAGE, len({candidate.image for candidate in candidates}) < 2)
        self._mark()
        if not candidates:
            measured = any(entry.analysis is not None for entry in self._session.entries())
            if not self._reviewing.is_listed and measured:
                self.message.setText(LOOKING)
            elif measured and not self._reviewing.is_method_measured:
                self.message.setText(NOTHING_OF_METHOD)
            else:
                self.message.setText(NOTHING_LEFT if self._reviewing.n_reviewed else NOTHING_MEASURED)
        self._stack.setCurrentWidget(self.view if candidates else self.message)
        self.state.setText(self._state(candidates))

    def _state(self, candidates: list[Candidate]) -> str:
        reviewed = self._reviewing.n_reviewed
        words = [f"{grouped(len(candidates))} left"] if candidates or reviewed else []
        if reviewed:
            words.append(f"{grouped(reviewed)} accepted")
        if self._reviewing.n_skipped:
            words.append(f"{grouped(self._reviewing.n_skipped)} skipped")
        share = share_of_next(candidates)
        if len(candidates) > 10 and share > 0:
            words.append(f"the next 10 hold {_percent(share)} of the doubt")
        return ", ".join(words)

    def _mark(self) -> None:
        places = [(c.image, c.agglomerate) for c in self._reviewing.candidates[:MOST_ROWS]]
        place = self._reviewing.place
        self._is_marking = True
        if place is not None and place in places:
            index = self.model.index(places.index(place), 0)
            self.view.setCurrentIndex(index)
            self.view.scrollTo(index)
        else:
            self.view.clearSelection()
        self._is_marking = False
        for button in (self.accept_button, self.skip_button, self.next_button):
            button.setEnabled(place is not None)

    def _chosen(self, index: QModelIndex) -> None:
        if not self._is_marking and index.isValid():
            self._reviewing.go(index.row())

    # ------------------------------------------------------------------ keys

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Carry out Enter, Esc and N on the list and on the image, as long as no tool needs them."""
        kinds = (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)
        if event.type() not in kinds or not isinstance(event, QKeyEvent) or not self._reviewing.is_on:
            return False
        if isinstance(QApplication.focusWidget(), (QLineEdit, QAbstractSpinBox)):
            return False  # Enter there ends what is typed
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier or self._reviewing.place is None:
            return False
        act = {
            Qt.Key.Key_Return: self._reviewing.accept,
            Qt.Key.Key_Enter: self._reviewing.accept,
            Qt.Key.Key_Escape: self._reviewing.skip,
            Qt.Key.Key_N: self._reviewing.next,
        }.get(Qt.Key(event.key()))
        if act is not None and self._reviewing.is_coming:
            event.accept()
            return True
        if act is None or (watched is not self.view and self._is_busy(Qt.Key(event.key()))):
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            act()
        return True

    def _is_busy(self, key: Qt.Key) -> bool:
        """Whether a key is about something else on the image: a tool, or what a person has selected there."""
        editing = getattr(self._canvas, "editing", None)
        if getattr(editing, "draft", None) is not None:
            return True
        if key == Qt.Key.Key_Escape:
            return self._canvas.tool is not Tool.SELECT
        selected, place = self._session.selection.agglomerates, self._reviewing.place
        return bool(selected) and place is not None and place[1] not in selected


def _button(text: str, key: str, tip: str) -> QPushButton:
    button = QPushButton(f"{text} ({key})")
    button.setObjectName(text.lower())
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def _percent(share: float) -> str:
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.5 else f"{value:.1f} %"
