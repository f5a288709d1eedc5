"""Reads the image a person asked for in a worker, and unpacks its labels, for the session."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.editing.mending import mended
from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.soundness import unpacked
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.session import TemSession

IMAGE = "image shown"
LABELS = "labels shown"


class ImageLoader(QObject):
    """Keeps ``session.micrograph`` and ``session.labels`` in step with the wanted image.

    A newer wish overtakes an older one; a file that cannot be read fails its entry and leaves the last good
    image on show.
    """

    busy_changed = Signal(bool)
    failed = Signal(int, object)
    """Key and :class:`Failure` of an image that could not be read."""

    def __init__(self, session: TemSession, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._is_busy = False
        session.wanted_changed.connect(self._read)
        session.current_changed.connect(self._unpack)
        session.entry_changed.connect(self._on_entry_changed)

    @property
    def is_busy(self) -> bool:
        """Whether the wanted image is being read."""
        return self._is_busy

    def _set_busy(self, is_busy: bool) -> None:
        self._is_busy = is_busy
        self.busy_changed.emit(is_busy)

    def _read(self) -> None:
        key = self._session.wanted
        if key is None:
            self._runner.cancel(IMAGE)
            self._set_busy(False)
            return
        entry, shown = self._session.entry(key), self._session.micrograph
        if key == self._session.current and shown is not None and entry.frame in (None, shown.frame):
            # Back before another one came: it is there still, with its overlay and place.
            self._runner.cancel(IMAGE)
            self._set_busy(False)
            return
        self._set_busy(True)

        def done(micrograph: object) -> None:
            self._set_busy(False)
            self._session.accept_micrograph(key, micrograph)  # type: ignore[arg-type]

        def failed(failure: Failure) -> None:
            self._set_busy(False)
            self._session.fail(key, str(failure), is_unreadable=True)
            self.failed.emit(key, failure)

        self._runner.run(read_micrograph, entry.path, entry.frame, on_done=done, on_error=failed, key=IMAGE)

    def _on_entry_changed(self, key: int) -> None:
        if key == self._session.current:
            self._unpack()

    def _on_damage(self, key: int, analysis: ImageAnalysis, failure: Failure) -> None:
        """Labels whose checksum is right, and that are none all the same: nobody but a file can say so."""
        if key in self._session and self._session.entry(key).analysis is analysis:
            name = self._session.entry(key).name
            sentence = f"What was found in {name} cannot be read any more: analyse it again."
            self._session.drop_results(key, sentence)
            self.failed.emit(key, replace(failure, message=sentence, is_known=True))

    def _unpack(self) -> None:
        session = self._session
        key, analysis = session.current, session.current_analysis
        if key is None or analysis is None or session.labels is not None:
            return

        def done(found: tuple[NDArray[np.int32], ImageAnalysis | None]) -> None:
            labels, made = found
            if made is None:
                session.accept_labels(key, analysis, labels)
            elif key in session and session.entry(key).analysis is analysis:
                session.accept_mended(key, made, labels)

        self._runner.run_in_thread(
            _fitting_labels,
            analysis,
            on_done=done,
            on_error=lambda failure: self._on_damage(key, analysis, failure),
            key=LABELS,
        )


def _fitting_labels(analysis: ImageAnalysis) -> tuple[NDArray[np.int32], ImageAnalysis | None]:
    """Unpack labels; if they do not fit their table, give what does in the place of the analysis too."""
    labels = unpacked(analysis.labels)
    made = mended(analysis, labels)
    return (labels, None) if made is None else (made[1], made[0])
