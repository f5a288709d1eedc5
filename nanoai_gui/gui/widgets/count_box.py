"""A box for large whole numbers, with thousands parted as everywhere in the window."""

from __future__ import annotations

from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QSpinBox

from nanoai_gui.gui.widgets.numbers import grouped


class CountBox(QSpinBox):
    """Writes ``20 000`` and takes what a person types with spaces, commas, or nothing in between.

    Qt's own separator is that of the system's language, which is none of the window's.
    """

    def textFromValue(self, value: int) -> str:
        """Part the thousands."""
        return grouped(value)

    def valueFromText(self, text: str) -> int:
        """Read the digits alone."""
        return int(_digits(text) or 0)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let separators pass wherever they stand; the digits must be a number of the range."""
        digits = _digits(text)
        if any(not (sign in "0123456789" or sign.isspace() or sign in ",.'’") for sign in text):
            return QValidator.State.Invalid, text, position
        if not digits or int(digits) < self.minimum():
            return QValidator.State.Intermediate, text, position
        is_within = int(digits) <= self.maximum()
        return QValidator.State.Acceptable if is_within else QValidator.State.Invalid, text, position


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign in "0123456789")
