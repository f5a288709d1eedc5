"""Keeps the overlay of the canvas in step with what was found, without holding up the window."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from nanoai_gui.core.jobs import Failure
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.overlay import OverlayPicture, prepare_overlay
from nanoai_gui.gui.tem.session import TemSession


class OverlayFeed(QObject):
    """Prepares the overlay of the image and method shown, and hands it to the canvas."""

    def __init__(
        self, session: TemSession, jobs: JobRunner, canvas: MicrographCanvas, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._canvas = canvas
        self._least_score = 0.0
        self._fed: tuple[object, object, float] | None = None
        # Several signals come for one change; the overlay is prepared once, after the last of them.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._prepare)
        session.labels_changed.connect(self._timer.start)
        session.shown_method_changed.connect(self._timer.start)
        session.current_changed.connect(self._timer.start)

    def set_least_score(self, least: float) -> None:
        """Draw only particles of which the method is so sure, and those without a score."""
        self._least_score = least
        self._timer.start()

    def _prepare(self) -> None:
        session = self._session
        analysis, labels, micrograph = session.current_analysis, session.labels, session.micrograph
        if analysis is None or labels is None or micrograph is None or labels.shape != micrograph.shape:
            self._fed = None
            self._jobs.cancel(self)
            self._canvas.set_overlay(None)
            return
        result = analysis.results.get(session.shown_method)
        wanted = labels, result, self._least_score
        if self._fed is not None and all(a is b for a, b in zip(self._fed, wanted, strict=True)):
            return
        self._fed = wanted
        reasons = analysis.agglomerates.excluded if result is None else result.excluded
        excluded = [int(i) for i, why in zip(analysis.agglomerates.ids, reasons, strict=True) if why]
        particles = None if result is None else result.particles
        if particles is not None and self._least_score > 0:
            particles = particles.select(~(particles.score < self._least_score))

        def show(picture: OverlayPicture) -> None:
            # Another image may be shown by now, even one of the same size.
            if session.labels is labels:
                self._canvas.set_overlay(picture)

        self._jobs.run_in_thread(
            prepare_overlay, labels, excluded, particles, on_done=show, on_error=self._give_up, key=self
        )

    def _give_up(self, failure: Failure) -> None:
        self._canvas.set_overlay(None)
        self._jobs.failed.emit(failure)
