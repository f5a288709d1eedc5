"""Leads from "Calibrate..." to a pixel size: the dialog, the line in the image, the images it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QDialog, QWidget

from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.entries import ImageEntry
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tools import Tool

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.calibration_dialog import ApplyTo, CalibrationDialog

LINE_HINT = "Drag along the scale bar. Shift keeps the line level, Esc gives up."


class Calibrating(QObject):
    """Owns the dialog while it is open; it does not block the window, as the line is drawn there."""

    hint_changed = Signal(str)
    """What to do in the image now, or nothing."""

    def __init__(self, session: TemSession, canvas: MicrographCanvas, window: QWidget) -> None:
        super().__init__(window)
        self._session = session
        self._canvas = canvas
        self._window = window
        self._dialog: CalibrationDialog | None = None
        self._key = 0
        canvas.line_drawn.connect(self._line_drawn)
        canvas.line_cleared.connect(self._line_given_up)
        canvas.tool_left.connect(self._line_given_up)
        session.current_changed.connect(self._current_changed)

    @property
    def dialog(self) -> CalibrationDialog | None:
        """The dialog, while it is open."""
        return self._dialog

    def open(self) -> None:
        """Ask for the pixel size of the image shown."""
        from nanoai_gui.gui.tem.calibration_dialog import CalibrationDialog, CalibrationFacts

        if self._dialog is not None:
            self._dialog.show()
            self._dialog.raise_()
            return
        micrograph, entry = self._session.micrograph, self._session.current_entry
        if micrograph is None or entry is None:
            return
        self._key = entry.key
        facts = CalibrationFacts(
            name=micrograph.name,
            shape=micrograph.shape,
            from_file=entry.file_calibration or Calibration.unknown(),
            current=micrograph.calibration,
            n_images=len(self._session),
            n_alike=len(self._alike(micrograph.shape)),
        )
        self._dialog = CalibrationDialog(facts, self._window)
        self._dialog.line_wanted.connect(self._draw_line)
        self._dialog.finished.connect(self._finished)
        self._dialog.show()

    def _draw_line(self) -> None:
        self._canvas.set_tool(Tool.SCALE_LINE)
        self._canvas.setFocus()
        self.hint_changed.emit(LINE_HINT)

    def _line_drawn(self, length_px: float) -> None:
        if self._dialog is not None:
            self._dialog.set_line(length_px)
            self._dialog.show()
            self._dialog.activateWindow()
            self.hint_changed.emit("")

    def _line_given_up(self) -> None:
        if self._dialog is not None:
            self._canvas.set_tool(Tool.SELECT)
            self.hint_changed.emit("")
            self._dialog.set_line(None)
            self._dialog.show()

    def _current_changed(self) -> None:
        if self._dialog is not None and self._session.current != self._key:
            self._dialog.reject()

    def _finished(self, code: int) -> None:
        dialog, self._dialog = self._dialog, None
        self._canvas.set_tool(Tool.SELECT)
        self.hint_changed.emit("")
        if dialog is None:
            return
        if code == QDialog.DialogCode.Accepted and self._key in self._session:
            self._session.set_calibration(self._keys(dialog.apply_to, dialog.shape), dialog.calibration)
        dialog.deleteLater()

    def _keys(self, apply_to: ApplyTo, shape: tuple[int, int]) -> list[int]:
        from nanoai_gui.gui.tem.calibration_dialog import ApplyTo

        if apply_to is ApplyTo.ALL:
            return self._session.keys()
        return self._alike(shape) if apply_to is ApplyTo.ALIKE else [self._key]

    def _alike(self, shape: tuple[int, int]) -> list[int]:
        """Give the image itself and those of one size that have no pixel size, as far as they are known."""
        return [
            entry.key
            for entry in self._session.entries()
            if entry.key == self._key or (entry.shape == shape and _has_none(entry))
        ]


def _has_none(entry: ImageEntry) -> bool:
    calibration = entry.known_calibration
    return calibration is not None and not calibration.is_known
