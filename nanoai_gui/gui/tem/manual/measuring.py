"""A session of measuring by hand: what is measured, how long it took, and what is hidden meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.history import Direction
from nanoai_gui.core.editing.patches import ParticlePatch, ValuePatch
from nanoai_gui.core.tem.by_hand import Clock, Pace, seconds_of, value_key
from nanoai_gui.core.tem.sizing.manual import NAME
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tools import Tool

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.canvas import MicrographCanvas
    from nanoai_gui.gui.tem.canvas_bar import CanvasBar
    from nanoai_gui.gui.tem.editing.part import EditingPart
    from nanoai_gui.gui.tem.histogram_panel import HistogramPanel


class ManualMeasuring(QObject):
    """Begins and ends the session; every particle that is added meanwhile gets its seconds.

    Parameters
    ----------
    clock
        Gives seconds; another one for tests.
    """

    changed = Signal()
    """On or off, another image, another number of particles, blind or not."""

    def __init__(
        self,
        session: TemSession,
        editing: EditingPart,
        canvas: MicrographCanvas,
        histogram: HistogramPanel,
        canvas_bar: CanvasBar,
        parent: QObject | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._editing = editing
        self._canvas = canvas
        self._histogram = histogram
        self._canvas_bar = canvas_bar
        self._now = clock
        self._clock = Clock()
        self._method_before = ""
        self.is_on = False
        self.is_blind = True
        session.wanted_changed.connect(self._leave_image)
        session.current_changed.connect(self._arrive)
        session.shown_method_changed.connect(self._method_changed)
        session.entry_changed.connect(lambda _: self.changed.emit())
        session.edited.connect(self._edited)

    # ------------------------------------------------------------------ on and off

    def start(self) -> None:
        """Begin: particles that are drawn from now on were measured by hand."""
        if self.is_on or self._session.current is None:
            return
        self._method_before = self._session.shown_method
        self.is_on = True
        self._session.set_shown_method(NAME)
        self._canvas.fit()
        self._hide()
        self._arrive()

    def stop(self) -> None:
        """End, and show what was shown before."""
        if not self.is_on:
            return
        self.is_on = False
        self._clock.stop()
        self._hide()
        self._editing.set_tool(Tool.SELECT)
        if self._session.shown_method == NAME and not self.counts()[1]:
            self._session.set_shown_method(self._method_before)
        self.changed.emit()

    def set_blind(self, is_blind: bool) -> None:
        """Hide what the automatic methods found, or show it."""
        self.is_blind = is_blind
        self._hide()
        self.changed.emit()

    def _hide(self) -> None:
        is_hidden = self.is_on and self.is_blind
        self._canvas.set_blind(is_hidden)
        self._histogram.set_blind(is_hidden)
        self._canvas_bar.set_blind(is_hidden)

    def _method_changed(self) -> None:
        # Who looks at another method measures no longer.
        if self.is_on and self._session.shown_method != NAME:
            self.stop()

    # ------------------------------------------------------------------ images

    def _leave_image(self) -> None:
        if self._session.wanted != self._session.current:
            self._clock.stop()

    def _arrive(self) -> None:
        """Make the image shown ready to be measured; one that was never analysed has no agglomerates."""
        session = self._session
        key, micrograph = session.current, session.micrograph
        if not self.is_on or key is None or micrograph is None:
            return
        entry = session.entry(key)
        if not entry.document.is_measured:
            from nanoai_gui.core.tem.given import blank_analysis

            blank = blank_analysis(micrograph, entry.request(), session.settings)
            session.accept_analysis(key, blank, np.zeros(micrograph.shape, dtype=np.int32))
        self._editing.set_tool(Tool.CIRCLE)
        self._clock.start(self._now())
        self.changed.emit()

    # ------------------------------------------------------------------ particles

    def _edited(self, key: int, edit: Edit, direction: Direction) -> None:
        if not self.is_on:
            return
        if direction is Direction.DONE and key == self._session.current:
            added = [ident for patch in edit.patches for ident in _added(patch)]
            if added:
                seconds = self._clock.lap(self._now())
                if seconds is not None:
                    each = seconds / len(added)
                    patches = [ValuePatch(value_key(NAME, i), None, each) for i in added]
                    self._session.amend(key, patches)
        self.changed.emit()

    def counts(self) -> tuple[int, int]:
        """Give the number of particles in the image shown, and in all images."""
        per_image = {}
        for entry in self._session.entries():
            result = None if entry.analysis is None else entry.analysis.results.get(NAME)
            per_image[entry.key] = 0 if result is None else len(result.particles)
        current = self._session.current
        return (0 if current is None else per_image.get(current, 0)), sum(per_image.values())

    def pace(self) -> Pace:
        """Say how fast particles were measured, in all images."""
        return Pace.of(
            seconds
            for entry in self._session.entries()
            for seconds in seconds_of(entry.document.values, NAME).values()
        )


def _added(patch: object) -> list[int]:
    """Ids of the particles that a patch adds to the method."""
    if not isinstance(patch, ParticlePatch) or patch.method != NAME:
        return []
    before = set(patch.before.particles.ids.tolist())
    return [i for i in patch.after.particles.ids.tolist() if i not in before]
