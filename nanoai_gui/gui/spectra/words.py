"""Words and boxes as all panels of the Spectra tab have them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel


def wordy_label(name: str = "") -> QLabel:
    """Make room for sentences, which can be selected."""
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def choice_box(name: str, tip: str, least: int) -> QComboBox:
    """Make a box that may become as narrow as ``least`` letters, whatever it offers."""
    made = QComboBox()
    made.setObjectName(name)
    made.setToolTip(tip)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(least)
    return made
