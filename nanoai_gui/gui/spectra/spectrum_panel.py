"""The spectrum looked at, before and after preprocessing, with the averages of regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QSplitter, QWidget

from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.spectra.preprocessing import Trace
from nanoai_gui.core.spectra.preview import Preview, preview
from nanoai_gui.core.spectra.rois import Rois
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.spectrum_plot import Curve, SpectrumPlot
from nanoai_gui.gui.theme import VERMILLION
from nanoai_gui.gui.widgets.elided_label import ElidedLabel
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button, row
from nanoai_gui.gui.widgets.numbers import count

DEBOUNCE_MS = 120
NEAR_TOP = 4
"""Channels beside a peak that its label keeps clear of."""
KEEP_SCALE = ("crop", "despike", "smooth")
"""Steps after which a baseline may still be drawn over the raw spectrum."""


@dataclass(frozen=True, eq=False)
class _Averages:
    """Averages as measured: (m, k), one a name and colour."""

    values: NDArray[np.float32]
    names: tuple[tuple[str, str], ...]


class SpectrumPanel(QWidget):
    """Two plots on one axis: as measured (or before a step) above, preprocessed (or after it) below."""

    problem_changed = Signal(str)
    """Why the preprocessing does not work, or nothing."""

    def __init__(self, session: SpectraSession, jobs: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._averages = _Averages(np.zeros((0, 0), np.float32), ())
        self._preview: Preview | None = None
        self._of: SpectralSet | None = None
        self._is_asking = self._is_outdated = False
        self.name = ElidedLabel()
        self.name.setObjectName("spectrumName")
        self.with_averages = flat_button(
            "ROI averages", "Draw the average of every region and of the selection", checkable=True
        )
        self.with_averages.setObjectName("roiAverages")
        self.with_peaks = flat_button("Peaks", "Label the clearest peaks", name="peaks", checkable=True)
        self.with_band = flat_button(
            "Band", "Show the band that colours the map", name="band", checkable=True
        )
        for button in (self.with_averages, self.with_peaks, self.with_band):
            button.setChecked(True)
            button.toggled.connect(lambda _: self._draw())
        self.before = SpectrumPlot("spectrumBefore", "As measured")
        self.after = SpectrumPlot("spectrumAfter", "Preprocessed", with_legend=False)
        self.after.setXLink(self.before)
        for plot in (self.before, self.after):
            plot.band_moved.connect(lambda low, high: session.set_band((low, high)))
        self.plots = QSplitter(Qt.Orientation.Vertical)
        self.plots.setChildrenCollapsible(False)
        for plot in (self.before, self.after):
            self.plots.addWidget(plot)
        bar = row(spacing=HALF)
        bar.setContentsMargins(GRID, HALF, GRID, HALF)
        bar.addWidget(self.name, 1)
        for button in (self.with_averages, self.with_peaks, self.with_band):
            bar.addWidget(button)
        layout = column(self, spacing=0)
        layout.addLayout(bar)
        layout.addWidget(self.plots, 1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DEBOUNCE_MS)
        self._timer.timeout.connect(self._ask)
        session.current_changed.connect(self._on_current)
        session.selection_changed.connect(self._show_at_once)
        session.pipeline_changed.connect(self._timer.start)
        session.step_changed.connect(self._draw)
        session.set_changed.connect(lambda key: self._timer.start() if key == session.current else None)
        session.band_changed.connect(self._draw_band)
        self._on_current()

    @property
    def shown(self) -> Preview | None:
        """What preprocessing made of the spectrum looked at."""
        return self._preview

    def shut_down(self) -> None:
        """Ask for nothing more."""
        self._timer.stop()

    # ------------------------------------------------------------------ asking

    def _on_current(self) -> None:
        self._preview = None
        spectra = self._session.spectra
        self._averages = _Averages(np.zeros((0, 0), np.float32), ())
        self._show_at_once()
        if spectra is not None:
            self.before.set_range(float(spectra.axis[0]), float(spectra.axis[-1]))

    def _show_at_once(self) -> None:
        """Draw the spectrum as measured now, and what preprocessing makes of it when that is known."""
        self._preview = None
        self._draw()
        self._timer.start()

    def _spectrum(self) -> NDArray[np.float32] | None:
        spectra, number = self._session.spectra, self._session.spectrum
        if spectra is None or number is None or number >= spectra.n_spectra:
            return None
        found: NDArray[np.float32] = spectra.intensities[number]
        return found

    def _ask(self) -> None:
        spectra = self._session.spectra
        if spectra is None or self._spectrum() is None:
            return
        if self._is_asking:
            # Not cancelled: a worker that is still loading its libraries would be ended, and start anew.
            self._is_outdated = True
            return
        self._is_asking, self._is_outdated = True, False
        rois, selected = self._session.rois, self._session.selected
        self._jobs.run_in_thread(
            lambda: _average(spectra, rois, selected),
            on_done=lambda averages: self._averaged(spectra, averages),
            on_error=self._failed,
        )

    def _averaged(self, asked: SpectralSet, averages: _Averages) -> None:
        spectra, spectrum = self._session.spectra, self._spectrum()
        if spectra is not asked or spectra is None or spectrum is None:
            self._ended()
            return
        self._averages, self._of = averages, spectra
        self._draw()
        number = self._session.spectrum
        self._jobs.run(
            preview, self._session.pipeline, spectrum, averages.values, spectra.axis,
            on_done=lambda found: self._came(asked, number, found), on_error=self._failed,
        )  # fmt: skip

    def _came(self, asked: SpectralSet, number: int | None, found: Preview) -> None:
        if self._session.spectra is asked and self._session.spectrum == number:
            self._preview = found
            self.problem_changed.emit("")
            self._draw()
        self._ended()

    def _failed(self, failure: Failure) -> None:
        self._preview = None
        self._draw()
        self.problem_changed.emit(str(failure))
        self._ended()

    def _ended(self) -> None:
        """Ask again if something has changed while the last answer was made."""
        self._is_asking = False
        if self._is_outdated:
            self._ask()

    # ------------------------------------------------------------------ drawing

    def _draw(self) -> None:
        spectra, spectrum = self._session.spectra, self._spectrum()
        self.name.setText("" if spectra is None else _title(spectra, self._session))
        if spectra is None or spectrum is None:
            for plot in (self.before, self.after):
                plot.set_curves(())
                plot.set_peaks(np.zeros(0), np.zeros(0))
            self.after.setVisible(False)
            self.before.set_axis_shown(True)
            return
        found = self._preview
        if found is not None and len(found.traces) != len(self._session.pipeline):
            found = None  # of the list of steps before
        step = self._session.step_shown
        has_steps = len(self._session.pipeline) > 0
        trace = found.traces[step] if found and step is not None and step < len(found.traces) else None
        own = Curve(spectra.axis, spectrum, "this spectrum" if self._averages.names else "")
        averages = self._average_curves(spectra.axis, self._averages.values) if trace is None else []
        above = [own, *averages]
        if trace is not None:
            above = [Curve(trace.axis_before, trace.before)]
        baseline = trace if trace is not None else _first_baseline(found)
        if baseline is not None and baseline.baseline is not None:
            above.append(Curve(baseline.axis_before, baseline.baseline, "baseline", VERMILLION, 1.5, True))
        # Short, as the plots may be low; the list of steps names the step.
        title = "As measured" if trace is None or step is None else f"Before step {step + 1}"
        self.before.set_title(title)
        self.before.set_curves(above)
        if has_steps and self.after.isHidden():
            self.after.show()
            self.plots.setSizes([1000, 1000])
        self.after.setVisible(has_steps)
        self.before.set_axis_shown(not has_steps)
        self.after.set_axis_shown(True)
        if has_steps:
            self._draw_after(found, trace)
        else:
            self.after.set_curves(())
        self._draw_peaks(found, spectra, has_steps)
        self._draw_band()

    def _draw_after(self, found: Preview | None, trace: Trace | None) -> None:
        if found is None:
            # What was shown before stays until the worker has answered.
            self.after.set_title("Preprocessing…")
            return
        if trace is not None:
            self.after.set_title(f"After step {(self._session.step_shown or 0) + 1}")
            self.after.set_curves([Curve(trace.axis, trace.after)])
            return
        self.after.set_title("Preprocessed")
        own = Curve(found.axis, found.after, "this spectrum" if self._averages.names else "")
        self.after.set_curves([own, *self._average_curves(found.axis, found.averages)])

    def _average_curves(self, axis: NDArray[np.float64], values: NDArray[np.float32]) -> list[Curve]:
        if not self.with_averages.isChecked() or self._of is not self._session.spectra:
            return []
        return [
            Curve(axis, line, name, colour, 2.0)
            for line, (name, colour) in zip(values, self._averages.names, strict=False)
            if line.size == axis.size
        ]

    def _draw_peaks(self, found: Preview | None, spectra: SpectralSet, has_steps: bool) -> None:
        nothing = np.zeros(0)
        for plot in (self.before, self.after):
            plot.set_peaks(nothing, nothing)
        if found is None or not self.with_peaks.isChecked() or self._session.step_shown is not None:
            return
        plot = self.after if has_steps else self.before
        # Above the noise on top of the band, not in it.
        around = found.peaks[:, None] + np.arange(-NEAR_TOP, NEAR_TOP + 1)
        tops = found.after[np.clip(around, 0, found.after.size - 1)].max(axis=1)
        plot.set_peaks(found.axis[found.peaks], tops)

    def _draw_band(self) -> None:
        spectra = self._session.spectra
        if spectra is None:
            return
        ends = float(spectra.axis[0]), float(spectra.axis[-1])
        band = self._session.band if self.with_band.isChecked() else None
        for plot in (self.before, self.after):
            plot.set_band(band, ends)


def _average(spectra: SpectralSet, rois: Rois, selected: NDArray[np.int64]) -> _Averages:
    """Average the spectra of each region, and the selected ones if they are several."""
    groups = [(roi.name, roi.colour, roi.rows) for roi in rois]
    if selected.size > 1:
        groups.append((f"mean of {selected.size} selected", "#888888", selected))
    values = [spectra.intensities[rows].mean(axis=0) for _, _, rows in groups]
    stacked = np.array(values, np.float32).reshape(len(values), spectra.n_points)
    return _Averages(stacked, tuple((name, colour) for name, colour, _ in groups))


def _first_baseline(found: Preview | None) -> Trace | None:
    """Give the first baseline step, if nothing before it has changed the scale."""
    for trace in () if found is None else found.traces:
        if trace.baseline is not None:
            return trace
        if trace.name not in KEEP_SCALE:
            return None
    return None


def _title(spectra: SpectralSet, session: SpectraSession) -> str:
    number = session.spectrum
    if number is None:
        return count(spectra.n_spectra, "spectrum", "spectra")
    words = [f"Spectrum {number + 1} of {spectra.n_spectra}"]
    for name in ("label", "dish", "cell"):
        value = str(spectra.columns[name][number])
        if value:
            words.append(value if name == "label" else f"{name} {value}")
    if session.selected.size > 1:
        words.append(f"{session.selected.size} selected")
    return ", ".join(words)
