"""The strip above the image while a person measures by hand."""

from __future__ import annotations

from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QCheckBox, QFrame, QLabel, QPushButton, QWidget

from nanoai_gui.gui.tem.manual.measuring import ManualMeasuring
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.elided_label import ElidedLabel
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.numbers import count, significant

HINT = "Drag across each particle, edge to edge, or click 3 places on its edge and press Enter; Del deletes."


class ManualBar(QFrame):
    """Says how far one is, and leads to the next image."""

    def __init__(
        self, session: TemSession, measuring: ManualMeasuring, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._measuring = measuring
        self.setFrameShape(QFrame.Shape.StyledPanel)
        title = QLabel("By hand")
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        self.state = ElidedLabel()
        self.state.setObjectName("manualState")
        self.blind = QCheckBox("Hide automatic results")
        self.blind.setToolTip("What NanoAI found is hidden, so that it does not sway you")
        self.blind.setChecked(measuring.is_blind)
        self.blind.toggled.connect(measuring.set_blind)
        self.next_button = _button("Next image", "Measure the next image of the list (D)")
        self.next_button.clicked.connect(lambda: session.step(1))
        self.finish_button = _button("Finish", "End measuring by hand; everything is kept")
        self.finish_button.clicked.connect(measuring.stop)
        hint = ElidedLabel(HINT)
        hint.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        both = column(self, spacing=2)
        both.setContentsMargins(GRID, HALF, GRID, HALF)
        line = row(spacing=GRID)
        both.addLayout(line)
        both.addWidget(hint)
        line.addWidget(title)
        line.addWidget(self.state, 1)
        for widget in (self.blind, self.next_button, self.finish_button):
            line.addWidget(widget)
        measuring.changed.connect(self._show)
        session.entries_added.connect(self._show)
        session.entries_removed.connect(self._show)
        self._show()

    def _show(self) -> None:
        measuring, session = self._measuring, self._session
        self.setVisible(measuring.is_on)
        if not measuring.is_on:
            return
        keys = session.keys()
        at = keys.index(session.current) + 1 if session.current in keys else 0
        here, everywhere = measuring.counts()
        words = [f"image {at} of {len(keys)}", count(here, "particle")]
        if everywhere != here:
            words[-1] += f" ({everywhere} in all)"
        pace = measuring.pace()
        if pace.n_timed:
            words.append(f"{significant(pace.median, 2)} s each")
        self.state.setText(", ".join(words))
        self.next_button.setEnabled(0 < at < len(keys))


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    return button
