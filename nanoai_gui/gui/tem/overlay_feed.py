"""Keeps the overlay of the canvas in step with what was found, without holding up the window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer

from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.labels import box_of
from nanoai_gui.core.editing.patches import LabelPatch, ResultPatch, TablePatch
from nanoai_gui.core.editing.regions import neighbourhoods
from nanoai_gui.core.editing.rows import is_in, take_agglomerates
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.overlay import OverlayPicture, patch_overlay, prepare_overlay, refill
from nanoai_gui.gui.tem.session import TemSession

AFTER_EDIT_MS = 100
"""Outlines of what was edited wait so long: the numbers come first, and a series of edits is drawn once."""


class OverlayFeed(QObject):
    """Prepares the overlay of the image and method shown, and hands it to the canvas.

    An edit colours its pixels at once; the outlines of what it touched follow a moment later, those of
    everything else are kept.
    """

    def __init__(
        self, session: TemSession, jobs: JobRunner, canvas: MicrographCanvas, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._canvas = canvas
        self._labels: NDArray[np.int32] | None = None
        self._least_score = 0.0
        self._fed: tuple[object, object, object, float] | None = None
        self._touched: set[int] = set()
        self._uncoloured: list[LabelPatch] = []  # edits made while the first picture is
        self._has_picture = False
        # Several signals come for one change; the overlay is prepared once, after the last of them.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._prepare)
        self._edit_timer = QTimer(self)
        self._edit_timer.setSingleShot(True)
        self._edit_timer.setInterval(AFTER_EDIT_MS)
        self._edit_timer.timeout.connect(self._prepare)
        session.labels_changed.connect(self._timer.start)
        session.shown_method_changed.connect(self._timer.start)
        session.current_changed.connect(self._timer.start)
        session.edited.connect(self._on_edit)

    def _on_edit(self, key: int, edit: Edit) -> None:
        if key != self._session.current:
            return
        for patch in edit.patches:
            if isinstance(patch, TablePatch):
                self._touched.update(patch.before.ids.tolist(), patch.after.ids.tolist())
        labels = self._session.labels
        changed = [patch for patch in edit.patches if isinstance(patch, LabelPatch)]
        replaced = any(isinstance(patch, ResultPatch) for patch in edit.patches)
        if labels is not None and labels is self._labels and not replaced:
            if not self._has_picture:
                self._uncoloured += changed
            for patch in changed:
                self._recolour(labels, patch)
        self._tick()
        self._edit_timer.start()

    def _tick(self) -> None:
        """Mark what a person found right."""
        entry, method = self._session.current_entry, self._session.shown_method
        particles, agglomerates = np.empty((0, 2)), np.empty((0, 2))
        if entry is not None and entry.document.is_measured:
            document = entry.document
            table, result = document.table, document.results.get(method)
            rows = is_in(table.ids, document.reviewed())
            boxes = table.boxes[rows]
            agglomerates = np.stack([table.x[rows], boxes[:, 0].astype(np.float64)], axis=1)
            if result is not None:
                p = result.particles
                p = p.select(is_in(p.ids, document.accepted(method)) & ~(p.score < self._least_score))
                # Beside the middle, where the handles of one that is selected do not lie on it.
                aside = 0.25 * p.diameter_px
                particles = np.stack([p.x + aside, p.y - aside], axis=1)
        if (len(particles), len(agglomerates)) != (0, 0) or self._canvas.ticks.n_ticks != (0, 0):
            self._canvas.ticks.set_places(particles, agglomerates)
            self._canvas.update()

    def _recolour(self, labels: NDArray[np.int32], patch: LabelPatch) -> None:
        position, _, _ = patch.pixels()
        self._canvas.recolour(patch.box, position, labels.reshape(-1)[position])

    def set_least_score(self, least: float) -> None:
        """Draw only particles of which the method is so sure, and those without a score."""
        self._least_score = least
        self._timer.start()

    def _prepare(self) -> None:
        self._tick()
        session = self._session
        analysis, labels, micrograph = session.current_analysis, session.labels, session.micrograph
        if analysis is None or labels is None or micrograph is None or labels.shape != micrograph.shape:
            self._fed, self._labels, self._has_picture = None, None, False
            self._jobs.cancel(self)
            self._canvas.set_overlay(None)
            return
        result = analysis.results.get(session.shown_method)
        fed = labels, result, analysis.agglomerates, self._least_score
        if self._fed is not None and all(a is b for a, b in zip(self._fed, fed, strict=True)):
            return
        self._fed = fed
        particles = None if result is None else result.particles
        if particles is not None and self._least_score > 0:
            particles = particles.select(~(particles.score < self._least_score))
        excluded, edited = _excluded(analysis, session.shown_method), _edited(analysis)
        picture = self._canvas.picture
        if self._has_picture and picture is not None and self._labels is labels:
            self._patch(picture, labels, excluded, particles, edited)
            return
        self._labels, self._has_picture = labels, False
        self._touched.clear()
        self._uncoloured.clear()
        self._jobs.run_in_thread(
            prepare_overlay, labels, excluded, particles, edited,
            on_done=lambda made: self._show(labels, made, frozenset()), on_error=self._give_up, key=self,
        )  # fmt: skip

    def _patch(
        self,
        picture: OverlayPicture,
        labels: NDArray[np.int32],
        excluded: list[int],
        particles: Particles | None,
        edited: list[int],
    ) -> None:
        entry = self._session.current_entry
        assert entry is not None
        # What is left out looks different all over, whether it was touched or not.
        recoloured = set(excluded) ^ set(picture.excluded)
        again = self._touched | recoloured
        table = entry.document.table
        mine = take_agglomerates(table, again)
        crops = []
        for rows in neighbourhoods(mine.boxes):
            ids = mine.ids[rows]
            box = box_of(entry.document, ids.tolist())
            assert box is not None
            crops.append((labels[box.slices].copy(), (box.y0, box.x0), ids))
            if not recoloured.isdisjoint(ids.tolist()):
                refill(picture, crops[-1][0], crops[-1][1], excluded)
        touched = frozenset(self._touched)
        self._jobs.run_in_thread(
            patch_overlay, picture, crops, again, excluded, particles, edited,
            on_done=lambda made: self._show(labels, made, touched), on_error=self._give_up, key=self,
        )  # fmt: skip

    def _show(self, labels: NDArray[np.int32], made: OverlayPicture, touched: frozenset[int]) -> None:
        # Another image may be shown by now, even one of the same size.
        if self._session.labels is not labels:
            return
        pending = set(self._touched)
        self._touched -= touched
        first = not self._has_picture
        self._has_picture = True
        self._canvas.set_overlay(made)
        if first and pending:  # edited while the first picture was being made
            self._fed = None
            for patch in self._uncoloured:
                self._recolour(labels, patch)
            self._timer.start()

    def _give_up(self, failure: Failure) -> None:
        self._has_picture = False
        self._canvas.set_overlay(None)
        self._jobs.failed.emit(failure)


def _excluded(analysis: ImageAnalysis, method: str) -> list[int]:
    result = analysis.results.get(method)
    reasons = analysis.agglomerates.excluded if result is None else result.excluded
    return [int(i) for i, why in zip(analysis.agglomerates.ids, reasons, strict=True) if why]


def _edited(analysis: ImageAnalysis) -> list[int]:
    table = analysis.agglomerates
    if table.status is None:
        return []
    edited: list[int] = table.ids[table.status != Status.AUTO].tolist()
    return edited
