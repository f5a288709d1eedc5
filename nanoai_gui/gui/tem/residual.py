"""The image minus what the fit makes of it, as a view of its own: where a fit is wrong, it shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal

from nanoai_gui.core.callbacks import Cancelled, checkpoint
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.fitting.report import FitReport, residual_image
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.canvas_items import RESIDUAL_MIDDLE
from nanoai_gui.gui.tem.display import mean_pyramid
from nanoai_gui.gui.tem.session import TemSession

NOISE_SHOWN = 3.0
"""Full colour stands for at least so many standard deviations of the noise."""


@dataclass(frozen=True, eq=False)
class ResidualPicture:
    """A residual ready to be drawn: uint8, ``RESIDUAL_MIDDLE`` is none, and what full colour means."""

    levels: tuple[NDArray[np.uint8], ...]
    full: float


def prepare_residual(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    particles: Particles,
    report: FitReport,
    cancelled: Cancelled,
) -> ResidualPicture:
    """Compute the residual and put it on a scale. Runs anywhere; imports no Qt.

    The label image may be edited meanwhile: what is not in the table of agglomerates counts as background.
    """
    labels = agglomerates.labels.copy()
    labels[labels > agglomerates.ids.max(initial=0)] = 0
    agglomerates = replace(agglomerates, labels=labels)
    left = residual_image(micrograph, agglomerates, particles, report)
    checkpoint(cancelled)
    sample = left[::3, ::3]
    inside = agglomerates.labels[::3, ::3] != 0
    noise = 1.4826 * float(np.median(np.abs(sample[~inside]))) if not inside.all() else 0.0
    worst = float(np.percentile(np.abs(sample[inside]), 98)) if inside.any() else 0.0
    full = max(NOISE_SHOWN * noise, worst, 1e-3)
    left *= np.float32(127 / full)
    np.clip(left, -127, 127, out=left)
    left += np.float32(RESIDUAL_MIDDLE)
    index = np.rint(left).astype(np.uint8)
    levels = mean_pyramid(index, cancelled)
    return ResidualPicture(tuple(np.asarray(level).astype(np.uint8) for level in levels), full)


class ResidualFeed(QObject):
    """Shows the residual of the image and method on show, as long as it is wanted and there is one."""

    toggled = Signal(bool)
    """Whether it is wanted."""
    available_changed = Signal(bool)
    """Whether the method on show has fitted the image on show."""
    told = Signal(str)
    """What the colours mean; empty when the plain image is shown."""

    def __init__(
        self, session: TemSession, jobs: JobRunner, canvas: MicrographCanvas, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._canvas = canvas
        self._is_on = False
        self._shown: tuple[object, object] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._refresh)
        for signal in (session.labels_changed, session.shown_method_changed, session.current_changed):
            signal.connect(self._timer.start)
        session.entry_changed.connect(lambda key: self._timer.start() if key == session.current else None)

    @property
    def is_on(self) -> bool:
        """Whether it is wanted."""
        return self._is_on

    @property
    def is_available(self) -> bool:
        """Whether there is a fit to show."""
        analysis = self._session.current_analysis
        result = None if analysis is None else analysis.results.get(self._session.shown_method)
        return result is not None and result.fit is not None and self._session.labels is not None

    def set_on(self, is_on: bool) -> None:
        """Ask for the residual, or for the plain image."""
        if is_on != self._is_on:
            self._is_on = is_on
            self.toggled.emit(is_on)
            self._refresh()

    def _refresh(self) -> None:
        session = self._session
        self.available_changed.emit(self.is_available)
        analysis, labels, micrograph = session.current_analysis, session.labels, session.micrograph
        result = None if analysis is None else analysis.results.get(session.shown_method)
        if (
            not self._is_on or analysis is None or labels is None or micrograph is None
            or result is None or result.fit is None or labels.shape != micrograph.shape
        ):  # fmt: skip
            self._clear()
            return
        wanted = labels, result
        if self._shown is not None and self._shown[0] is labels and self._shown[1] is result:
            return
        self._shown = wanted
        agglomerates = replace(analysis.agglomerates, labels=labels)

        def show(picture: ResidualPicture) -> None:
            if self._shown is wanted and session.labels is labels:
                self._canvas.set_residual(picture.levels)
                self.told.emit(
                    f"Image minus model, ±{100 * picture.full:.1f} %. Orange: more material, blue: less"
                )

        self._jobs.run_in_thread(
            prepare_residual, micrograph, agglomerates, result.particles, result.fit,
            on_done=show, on_error=self._give_up, key=self,
        )  # fmt: skip

    def _clear(self) -> None:
        if self._shown is not None:
            self._shown = None
            self._jobs.cancel(self)
        self._canvas.set_residual(None)
        self.told.emit("")

    def _give_up(self, failure: Failure) -> None:
        self._clear()
        self._jobs.failed.emit(failure)
