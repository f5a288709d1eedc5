"""The live size distribution at the foot of the TEM tab."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, SignalInstance
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSplitter, QStackedWidget, QWidget

from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.distribution import SizeDistribution
from nanoai_gui.core.tem.sizing import ALL_METHODS, HAND_MODULES, get_method
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.entries import ImageEntry
from nanoai_gui.gui.tem.histogram_data import HistogramComputer, HistogramRequest, HistogramState
from nanoai_gui.gui.tem.legend import Legend, LegendEntry
from nanoai_gui.gui.tem.selecting import combine, of_particles
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.statistics_panel import StatisticsPanel
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.numbers import count, significant

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.histogram_plot import HistogramPlot

PREPARE_MS = 150
"""How long after the panel is first shown its plot is built."""
THROTTLE_MS = 100
"""While a batch runs the panel is renewed at most ten times a second."""
LONGEST_WAIT = 0.5
"""Seconds for which numbers that are about to change again are put off at most."""


class Scope(Enum):
    """Which images are pooled."""

    CURRENT = "This image"
    SELECTED = "Selected images"
    ALL = "All images"


NOTHING = {
    Scope.CURRENT: "Analyse this image to see its size distribution.",
    Scope.SELECTED: "Choose analysed images in the list (Ctrl or Shift and click) to pool them.",
    Scope.ALL: "The size distribution appears here once an image has been analysed.",
}
"""What to do when there is nothing to show."""


class HistogramPanel(QWidget):
    """Histogram, statistics, and the choice of what is pooled."""

    updated = Signal()
    """A new state is shown."""

    def __init__(self, session: TemSession, jobs: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._selected_keys: tuple[int, ...] = ()
        self._computer = HistogramComputer()
        self._is_under_way: Callable[[int], bool] = lambda _: True
        self._is_computing = False
        self._is_blind = False
        self._is_stale = False
        self._is_awaited = False
        self._submitted = 0.0
        self._put_off = 0.0
        self._epoch = 0
        self._least_score = 0.0
        self._timer = QTimer(self, singleShot=True, interval=THROTTLE_MS)
        self._timer.timeout.connect(self._submit)
        self._caution_timer = QTimer(self, singleShot=True, interval=THROTTLE_MS)
        self._caution_timer.timeout.connect(self._show_caution)

        self._plot: HistogramPlot | None = None
        self.statistics = StatisticsPanel()
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.addWidget(self.statistics)
        self._splitter.setChildrenCollapsible(False)
        self._empty = QLabel(NOTHING[Scope.ALL])
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setEnabled(False)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._splitter)
        layout = column(self, spacing=HALF)
        layout.addLayout(self._make_controls())
        layout.addWidget(self._stack, 1)

        session.entry_changed.connect(self._entry_changed)
        session.entries_removed.connect(self._images_changed)
        session.edited.connect(self._edited)
        session.current_changed.connect(self._current_changed)
        session.shown_method_changed.connect(self.refresh)
        session.settings_changed.connect(self.refresh)
        session.selection_changed.connect(self._show_selection)
        self._known: dict[int, ImageAnalysis | None] = {}

    @property
    def plot(self) -> HistogramPlot:
        """The histogram itself.

        Built when first needed, or a moment after the first paint: loading its library takes 0.15 s, which
        neither the start of the window nor the first result should wait for.
        """
        if self._plot is None:
            from nanoai_gui.gui.tem.histogram_plot import HistogramPlot

            self._plot = HistogramPlot()
            self._plot.bars_chosen.connect(self._bars_chosen)
            self._splitter.insertWidget(0, self._plot)
            self._splitter.setStretchFactor(0, 1)
            self._splitter.setStretchFactor(1, 0)
        return self._plot

    def showEvent(self, event: QShowEvent) -> None:
        """Build the plot soon."""
        super().showEvent(event)
        QTimer.singleShot(PREPARE_MS, self, lambda: self.plot)

    # ------------------------------------------------------------------ what is pooled

    @property
    def scope(self) -> Scope:
        """Which images are pooled."""
        return list(Scope)[self.scope_box.currentIndex()]

    def set_selected_keys(self, keys: list[int]) -> None:
        """Tell which images are selected in the file strip."""
        self._selected_keys = tuple(keys)
        if self.scope is Scope.SELECTED:
            self._images_changed()

    def set_least_score(self, least: float) -> None:
        """Leave out particles of which a method is less sure; the bars stay where they are."""
        self._least_score = least
        self.refresh()

    def refresh(self) -> None:
        """Compute and draw: at once after a pause, else a tenth of a second after the last time."""
        if not self._timer.isActive():
            passed = 1000 * (time.monotonic() - self._submitted)
            self._timer.start(max(0, round(THROTTLE_MS - passed)))

    def _make_controls(self) -> QHBoxLayout:
        line = row(spacing=GRID)
        line.setContentsMargins(GRID, HALF, GRID, 0)
        self.scope_box = _choice("scope", [scope.value for scope in Scope], "Which images are pooled")
        self.scope_box.setCurrentIndex(list(Scope).index(Scope.ALL))
        self.weighting_box = _choice(
            "weighting",
            ["By number", "By volume"],
            "Each particle counts once, or by its volume as a sphere",
        )
        self.scale_box = _choice("scale", ["Log axis", "Linear axis"], "Scale of the diameter axis")
        self.scope_box.currentIndexChanged.connect(self._images_changed)
        self.weighting_box.currentIndexChanged.connect(self.refresh)
        self.scale_box.currentIndexChanged.connect(self.refresh)
        self.legend = Legend()
        for box in (self.scope_box, self.weighting_box, self.scale_box):
            line.addWidget(box)
        line.addWidget(self.legend, 1)
        return line

    def follow_measuring(self, is_under_way: Callable[[int], bool], changed: SignalInstance) -> None:
        """Name images whose numbers are old and that nobody measures again; ``changed`` says look anew."""
        self._is_under_way = is_under_way
        changed.connect(self._caution_timer.start)

    def set_blind(self, is_blind: bool) -> None:
        """Show the chosen method alone: what the others found must not sway who measures by hand."""
        if is_blind != self._is_blind:
            self._is_blind = is_blind
            self.refresh()

    def _pooled_keys(self) -> list[int]:
        if self.scope is Scope.CURRENT:
            return [] if self._session.current is None else [self._session.current]
        if self.scope is Scope.SELECTED:
            return [entry.key for entry in self._session.entries() if entry.key in self._selected_keys]
        return self._session.keys()

    def _request(self) -> HistogramRequest:
        images = []
        for key in self._pooled_keys():
            analysis = self._session.entry(key).analysis
            if analysis is not None:
                images.append((key, analysis))
        shown = self._session.shown_method
        by_hand = {name for _, analysis in images for name in analysis.results if name in HAND_MODULES}
        wanted = {shown} if self._is_blind else {shown, *self._session.settings.methods, *by_hand}
        return HistogramRequest(
            images=tuple(images),
            methods=tuple(name for name in ALL_METHODS if name in wanted),
            weighting="volume" if self.weighting_box.currentIndex() else "number",
            scale="linear" if self.scale_box.currentIndex() else "log",
            epoch=self._epoch,
            least_score=self._least_score,
        )

    # ------------------------------------------------------------------ when to compute

    def _entry_changed(self, key: int) -> None:
        # States come and go by the hundred while a batch runs; only results matter here.
        analysis = self._session.entry(key).analysis
        if self._known.get(key) is not analysis:
            self._known[key] = analysis
            self.refresh()
        elif not self._caution_timer.isActive():
            self._caution_timer.start()

    def _edited(self, key: int) -> None:
        # A person waits for it; and edits come, unlike the results of a batch, a few in a second.
        is_early = False
        if not self._caution_timer.isActive():
            self._caution_timer.start()
        if self._session.shown_method in self._session.entry(key).document.stale():
            # What is measured again comes in a moment: the numbers of now would only be in its way.
            now = time.monotonic()
            self._put_off = self._put_off or now
            is_early = now - self._put_off < LONGEST_WAIT
        self._is_awaited = not is_early
        if self._timer.isActive():
            self._timer.start(THROTTLE_MS if is_early else 0)
            if self._is_awaited and not self._is_computing:
                self._timer.stop()
                self._submit()  # at once: it is computed while the window paints

    def _images_changed(self) -> None:
        self._known = {key: value for key, value in self._known.items() if key in self._session}
        self._epoch += 1
        self.refresh()

    def _current_changed(self) -> None:
        if self.scope is Scope.CURRENT:
            self._images_changed()
        self._show_selection()

    def _submit(self) -> None:
        if self._is_computing:
            # Not overtaken: with results coming in all the time nothing would ever be finished.
            self._is_stale = True
            return
        self._is_stale = self._is_awaited = False
        self._put_off = 0.0
        self._submitted = time.monotonic()
        request = self._request()
        if not request.images:
            self._empty.setText(NOTHING[self.scope])
            self._stack.setCurrentWidget(self._empty)
            self.legend.set_entries(())
            self._epoch += 1
            self.updated.emit()
            return
        self._is_computing = True
        self._jobs.run_in_thread(self._computer.compute, request, on_done=self._show, on_error=self._give_up)

    def _show(self, state: HistogramState) -> None:
        self._is_computing = False
        shown = self._session.shown_method
        self.plot.set_state(state, shown, ALL_METHODS)
        curve = state.curve(shown)
        self.statistics.show_distribution(
            None if curve is None else curve.distribution,
            get_method(shown).TITLE if len(state.curves) > 1 else "",
        )
        corrected = [analysis.n_hand_edits for _, analysis in state.request.images if analysis.n_hand_edits]
        self.statistics.show_corrections(sum(corrected), len(corrected))
        self._show_legend(state)
        self._stack.setCurrentIndex(1)
        self._show_selection()
        self.updated.emit()
        if self._is_stale:
            self.refresh()
            if self._is_awaited:
                self._timer.start(0)

    def _show_legend(self, state: HistogramState) -> None:
        entries = tuple(
            LegendEntry(
                self.plot.colour(curve.method), get_method(curve.method).TITLE, _in_short(curve.distribution)
            )
            for curve in state.curves
        )
        self.legend.set_entries(entries if len(entries) > 1 else ())
        self._show_caution()

    def _show_caution(self) -> None:
        state = None if self._plot is None else self._plot.state
        doubts, is_stale = [], False
        if state is not None and self._stack.currentWidget() is self._splitter:
            keys = [key for key, _ in state.request.images if key in self._session]
            method = self._session.shown_method
            old = [self._session.entry(key) for key in keys]
            old = [entry for entry in old if method in entry.document.stale()]
            is_stale = bool(old)
            doubts += self._why_old(old)
            n = sum(map(self._session.is_outdated, keys))
            if n:
                doubts.append(f"{count(n, 'image')} measured with other settings")
            if state.n_uncalibrated:
                doubts.append(f"{count(state.n_uncalibrated, 'image')} not calibrated, left out")
        self.statistics.show_caution(f"⚠ {'; '.join(doubts)}" if doubts else "")
        self.statistics.set_provisional(is_stale)

    def _why_old(self, old: list[ImageEntry]) -> list[str]:
        """Say of which images numbers are those before an edit, unless they are just being measured again."""
        doubts = []
        stuck = [entry for entry in old if entry.is_stuck]
        if stuck:
            edits, images = ("edit", "image") if len(stuck) == 1 else ("edits", "images")
            doubts.append(
                f"{_named(stuck)} could not be measured again: undo the {edits} or analyse the {images} anew"
            )
        waiting = [
            entry for entry in old
            if not entry.is_stuck and entry.key != self._session.current and not self._is_under_way(entry.key)
        ]  # fmt: skip
        if waiting:
            doubts.append(f"{_named(waiting)} will be measured again when shown")
        return doubts

    def _give_up(self, failure: Failure) -> None:
        self._is_computing = False
        self._jobs.failed.emit(failure)
        if self._is_stale:
            self.refresh()  # what has come since may be without fault

    # ------------------------------------------------------------------ the one selection

    def _show_selection(self) -> None:
        state, key = None if self._plot is None else self._plot.state, self._session.current
        curve = None if state is None else state.curve(self._session.shown_method)
        if curve is not None and key is not None:
            rows = curve.rows_of(key, self._session.selection.particles)
            self.plot.set_selected(curve.share_per_bar(rows))

    def _bars_chosen(self, first: int, last: int, modifiers: Qt.KeyboardModifier) -> None:
        state, key, method = self.plot.state, self._session.current, self._session.shown_method
        curve = None if state is None else state.curve(method)
        analysis = self._session.current_analysis
        if curve is None or key is None or analysis is None or method not in analysis.results:
            return
        chosen = of_particles(analysis.results[method].particles, curve.ids_in_bars(first, last, key))
        self._session.select(combine(self._session.selection, chosen, modifiers))


def _choice(name: str, texts: list[str], tip: str) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.addItems(texts)
    box.setToolTip(tip)
    return box


def _named(entries: list[ImageEntry]) -> str:
    first, *others = (entry.name for entry in entries)
    return f"{first} and {count(len(others), 'more', 'more')}" if others else first


def _in_short(d: SizeDistribution) -> str:
    return f"{significant(d.gmd)} {d.unit} / {significant(d.gsd)}"
