"""The pixel size of the image shown: always visible, with its source, and loud when it is missing."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QWidget

from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.elided_label import ElidedLabel
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.numbers import significant
from nanoai_gui.gui.widgets.warning import set_warning

NOT_CALIBRATED = "Not calibrated: results in px"


class CalibrationLine(QFrame):
    """One line with the pixel size and its source, doubts below it, and the way to change it."""

    calibrate_clicked = Signal()

    def __init__(self, session: TemSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.text = ElidedLabel()
        self.text.setObjectName("calibration")
        self.button = QPushButton("Calibrate…")
        self.button.setToolTip("Set the pixel size: typed, or from a line over the scale bar")
        self.button.clicked.connect(self.calibrate_clicked)
        self._doubts = QLabel()
        self._doubts.setWordWrap(True)
        self._doubts.setObjectName("doubts")
        set_warning(self._doubts, True)
        layout = column(self, spacing=HALF)
        layout.setContentsMargins(GRID, GRID, GRID, HALF)
        line = row()
        line.addWidget(self.text, 1)
        line.addWidget(self.button)
        layout.addLayout(line)
        layout.addWidget(self._doubts)
        session.current_changed.connect(self._show)
        self._show()

    @property
    def doubts(self) -> QLabel:
        """The warnings of the calibration and of the file."""
        return self._doubts

    def _show(self) -> None:
        micrograph = self._session.micrograph
        self.button.setEnabled(micrograph is not None)
        if micrograph is None:
            self.text.setText("No image")
            self.text.set_tip("")
            set_warning(self.text, False)
            self._doubts.hide()
            return
        calibration = micrograph.calibration
        self.text.setText(calibration_text(calibration))
        self.text.set_tip(calibration.detail)
        set_warning(self.text, not calibration.is_known)
        doubts = "\n".join((*calibration.warnings, *micrograph.warnings))
        self._doubts.setText(doubts)
        self._doubts.setVisible(bool(doubts))


def calibration_text(calibration: Calibration) -> str:
    """Write a pixel size with its source in one line."""
    if calibration.nm_per_px is None:
        return NOT_CALIBRATED
    return f"{significant(calibration.nm_per_px, 4)} nm/px · {calibration.source.value}"
