"""One step that can be undone: sets with their labels and regions before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from PySide6.QtGui import QUndoCommand

from nanoai_gui.gui.spectra.entries import SetContent


class Restorable(Protocol):
    """What takes contents back: the session."""

    def restore(self, contents: Mapping[int, SetContent]) -> None:
        """Put contents back."""


class SetEdit(QUndoCommand):
    """Contents before and after; sets share their intensities, so that a step costs only its columns."""

    def __init__(
        self, session: Restorable, before: dict[int, SetContent], after: dict[int, SetContent], text: str
    ) -> None:
        super().__init__(text)
        self._session, self._before, self._after = session, before, after

    def undo(self) -> None:
        """Go back."""
        self._session.restore(self._before)

    def redo(self) -> None:
        """Do it."""
        self._session.restore(self._after)
