"""Shows at once which pixels a changed threshold would take, before anything is measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer

from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.tem.preview import PackedMask, preview_mask
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.session import TemSession

DEBOUNCE_MS = 150
"""A slider that is still moving is not worth an answer."""


class ThresholdPreview(QObject):
    """Listens to the session and hands masks to the canvas.

    A preview begins when a segmentation parameter is changed while an image is shown, goes on with the next
    image shown, and ends with an image that has been analysed with the parameters, or when the change is
    undone.

    Parameters
    ----------
    show
        Takes a mask (height, width), or ``None`` to end the preview.
    """

    def __init__(
        self,
        session: TemSession,
        jobs: JobRunner,
        show: Callable[[NDArray[np.bool_] | None], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._show = show
        self._seen = session.settings.segmentation
        self._is_on = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DEBOUNCE_MS)
        self._timer.timeout.connect(self._ask)
        session.settings_changed.connect(self._settings_changed)
        session.current_changed.connect(self._current_changed)
        session.entry_changed.connect(self._entry_changed)

    def stop(self) -> None:
        """End the preview."""
        self._is_on = False
        self._clear()

    def _clear(self) -> None:
        self._timer.stop()
        self._jobs.cancel(self)
        self._show(None)

    def _settings_changed(self) -> None:
        now = self._session.settings.segmentation
        if now == self._seen:
            return
        self._seen = now
        if self._session.micrograph is None:
            return
        if self._is_measured_with(now):
            self.stop()
        else:
            self._is_on = True
            self._timer.start()

    def _current_changed(self) -> None:
        self._clear()
        if self._is_on and self._session.micrograph is not None:
            if self._is_measured_with(self._seen):
                self._is_on = False
            else:
                self._timer.start()

    def _entry_changed(self, key: int) -> None:
        if key == self._session.current and self._is_measured_with(self._seen):
            self.stop()

    def _is_measured_with(self, parameters: SegmentationParameters) -> bool:
        entry = self._session.current_entry
        if entry is None or entry.analysis is None:
            return False
        return entry.is_fresh and entry.analysis.settings.segmentation == parameters

    def _ask(self) -> None:
        entry = self._session.current_entry
        if entry is not None:
            self._jobs.run(
                preview_mask, entry.request(), self._seen, on_done=self._came, on_error=self._failed, key=self
            )

    def _came(self, mask: PackedMask) -> None:
        # Some milliseconds for a large image: not in the window's thread.
        self._jobs.run_in_thread(mask.unpack, on_done=self._unpacked, key=self)

    def _unpacked(self, mask: NDArray[np.bool_]) -> None:
        micrograph = self._session.micrograph
        if micrograph is not None and mask.shape == micrograph.shape:
            self._show(mask)

    def _failed(self, failure: Failure) -> None:
        self._show(None)
        self._jobs.failed.emit(failure)
