"""The map with its bars, and what leads from the session to its colours and back."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QWidget

from nanoai_gui.core.files.spectra_figures import MapChart
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.spectra.fitted_bands import Fit
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.quantities import Quantity, otsu
from nanoai_gui.core.spectra.rejection import REASONS
from nanoai_gui.core.spectra.rois import Brush, Lasso, Polygon, Rectangle, Shape
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.colour_scale import ColourScale
from nanoai_gui.gui.spectra.colours import (
    NOT_CLASSIFIED_NAME,
    Scale,
    class_colours,
    colour_classes,
    colour_names,
    colour_values,
)
from nanoai_gui.gui.spectra.figures import Figures
from nanoai_gui.gui.spectra.map_bar import CLASSES, LABELS, PROBABILITY, MapBar
from nanoai_gui.gui.spectra.map_geometry import counts_upwards
from nanoai_gui.gui.spectra.map_plot import MapPlot, MapTool
from nanoai_gui.gui.spectra.map_work import Prepared, likely_band, make_work
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.numbers import significant

DEBOUNCE_MS = 60
BUSY_MS = 250
"""After so long a person is told that something is being measured."""
OVER_PHOTO = 0.65
"""Opacity of the map over the white-light image."""


class MapPanel(QWidget):
    """Everything about the map of the set that is shown; sets without places have no map."""

    readout_changed = Signal(str)
    problem = Signal(str)

    def __init__(
        self, session: SpectraSession, jobs: JobRunner, figures: Figures, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._values: NDArray[np.float64] | None = None
        self._geometry: tuple[object, object] = (None, None)
        self._prepared: Prepared | None = None
        self._rgba: NDArray[np.uint8] | None = None
        self._stop = threading.Event()
        self.bar = MapBar(session)
        self.plot = MapPlot()
        self.scale = ColourScale()
        layout = column(self, spacing=0)
        layout.addWidget(self.bar)
        layout.addWidget(self.plot, 1)
        below = row(spacing=HALF)
        below.setContentsMargins(0, 0, GRID, 0)
        below.addWidget(self.scale, 1)
        below.addWidget(self.bar.colours)
        below.addWidget(self.bar.figure)
        layout.addLayout(below)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DEBOUNCE_MS)
        self._timer.timeout.connect(self._measure)
        self._busy = QTimer(self, singleShot=True, interval=BUSY_MS)
        self._busy.timeout.connect(lambda: self.scale.set_note("Measuring…"))
        self._connect(figures)
        self._show_set()

    def _connect(self, figures: Figures) -> None:
        session, plot, bar = self._session, self.plot, self.bar
        session.current_changed.connect(self._show_set)
        session.set_changed.connect(self._on_set)
        session.selection_changed.connect(self._show_selection)
        session.region_changed.connect(self._show_regions)
        session.band_changed.connect(self._timer.start)
        session.pipeline_changed.connect(self._on_pipeline)
        session.predictions_changed.connect(self._on_predictions)
        bar.shown_changed.connect(self._show_colours)
        bar.tool_changed.connect(self._use_tool)
        bar.threshold_changed.connect(self._show_threshold)
        bar.take_all.connect(self._take_all)
        bar.figure_wanted.connect(lambda: figures.ask(self, self._figure_name(), self.chart()))
        plot.clicked.connect(self._clicked)
        plot.outlined.connect(self._outlined)
        plot.brushed.connect(self._brushed)
        plot.hovered.connect(self._hovered)
        plot.tool_left.connect(self._leave)

    def fit(self) -> None:
        """Show the whole map."""
        self.plot.fit()

    def zoom(self, factor: float) -> None:
        """Magnify."""
        self.plot.zoom(factor)

    def shut_down(self) -> None:
        """Stop what runs."""
        self._timer.stop()
        self._busy.stop()
        self._stop.set()

    # ------------------------------------------------------------------ what is shown

    @property
    def values(self) -> NDArray[np.float64] | None:
        """(n,) numbers on show, ``None`` while labels or classes are, or while they are measured."""
        return self._values

    def _show_set(self) -> None:
        spectra = self._session.spectra
        grid = None if spectra is None else spectra.grid
        self._geometry = (grid, None if spectra is None else spectra.image)
        self.plot.set_map(grid, None if spectra is None else spectra.image)
        self.plot.set_tool(self.plot.tool)
        self._prepared = None
        self._begin_with_band(spectra)
        self._show_regions()
        self._show_selection()
        self._show_colours()

    def _begin_with_band(self, spectra: SpectralSet | None) -> None:
        """Keep the band from map to map, unless the new one does not reach there."""
        if spectra is None or spectra.n_spectra == 0:
            return
        band = self._session.band
        if band is None or band[0] < spectra.axis[0] or band[1] > spectra.axis[-1]:
            self._session.set_band(likely_band(spectra))

    def _on_set(self, key: int) -> None:
        if key == self._session.current:
            self._show_regions()
            if self.bar.what == LABELS:
                self._show_colours()

    def _on_predictions(self, key: int) -> None:
        if key == self._session.current and self._session.predictions(key) is not None:
            if self.bar.what not in (CLASSES, PROBABILITY):
                self.bar.show_what(CLASSES)
            else:
                self._show_colours()

    def _on_pipeline(self) -> None:
        self._prepared = None
        if self.bar.processed.isChecked() and self.bar.number is not None:
            self._timer.start()

    def _show_regions(self) -> None:
        chosen = self._session.region
        self.plot.set_regions(self._session.rois, None if chosen is None else chosen.number)

    def _show_selection(self) -> None:
        self.plot.set_selected(self._session.selected, self._session.spectrum)

    def _show_colours(self) -> None:
        self._rest()
        self.bar.update_parts()
        self.plot.set_image_visible(self.bar.photo.isChecked())
        entry, key = self._session.current_entry, self._session.current
        if entry is None or key is None or entry.content is None or entry.content.spectra.grid is None:
            self._values = None
            self.plot.set_colours(None)
            self.scale.set_scale(None)
            return
        predictions = self._session.predictions(key)
        if self.bar.number is not None:
            self._measure()
        elif self.bar.what == LABELS or predictions is None:
            names = entry.content.with_region_columns().text("label")
            self._values = None
            self._paint(colour_names(names, "Label", class_colours(self._session.label_names())))
        elif self.bar.what == CLASSES:
            self._values = None
            self._paint(colour_classes(predictions))
        else:
            self._values = predictions.probabilities.max(axis=1)
            self._paint(colour_values(self._values, "Probability of the class", "", self.bar.colour_map))
        self._show_threshold()

    def _paint(self, made: tuple[NDArray[np.uint8], Scale]) -> None:
        rgba, scale = made
        self._rgba = rgba
        spectra = self._session.spectra
        has_photo = spectra is not None and spectra.image is not None and self.bar.photo.isChecked()
        # A class map brings its own opacity.
        self.plot.set_colours(rgba, OVER_PHOTO if has_photo and self.bar.what != CLASSES else 1.0)
        self.scale.set_scale(scale)

    def _measure(self) -> None:
        spectra, wanted = self._session.spectra, self.bar.number
        if spectra is None or wanted is None or spectra.grid is None:
            return
        self._stop.set()
        stop = self._stop = threading.Event()
        pipeline = self._session.pipeline if self.bar.processed.isChecked() else Pipeline()
        ready = self._prepared
        if ready is not None and (ready.source is not spectra.intensities or ready.pipeline != pipeline):
            ready = None
        self._busy.start()
        work = make_work(spectra, ready, pipeline, wanted, self._session.band, stop.is_set)
        self._jobs.run_in_thread(
            work,
            on_done=lambda found: self._measured(wanted, found),
            on_error=self._failed,
            key=self,
        )

    def _measured(self, wanted: Quantity | Fit, found: tuple[Prepared, NDArray[np.float64]] | None) -> None:
        self._rest()
        now = self._session.spectra
        if found is None or now is None or now.intensities is not found[0].source:
            return
        self._prepared, self._values = found
        self._paint(colour_values(self._values, self._title(wanted), wanted.unit, self.bar.colour_map))
        if not np.isfinite(self._values).any():
            self.scale.set_scale(None)
            self.scale.set_note(f"{self._title(wanted)} was found in no spectrum: choose another band.")
        if self.plot.tool is MapTool.BRUSH:
            self._offer_threshold()
            self._show_threshold()

    def _rest(self) -> None:
        """Measure nothing any more: numbers would come over what is shown since."""
        self._stop.set()
        self._jobs.cancel(self)
        self._busy.stop()
        self.scale.set_note("")

    def _title(self, wanted: Quantity | Fit) -> str:
        band = self._session.band
        if isinstance(wanted, Fit):
            return wanted.title
        return wanted.value if band is None else f"{wanted.value} {band[0]:.0f}–{band[1]:.0f} cm⁻¹"

    # ------------------------------------------------------------------ as a figure

    def chart(self) -> MapChart | None:
        """Give the map as it is coloured now, to be written."""
        spectra, scale, key = self._session.spectra, self.scale.scale, self._session.current
        entry = self._session.current_entry
        if spectra is None or spectra.grid is None or scale is None or self._rgba is None or key is None:
            return None
        if entry is None or entry.content is None or self._rgba.shape[0] != spectra.n_spectra:
            return None
        grid, image = spectra.grid, spectra.image if self.bar.photo.isChecked() else None
        table: dict[str, NDArray[Any]] = {"x_um": spectra.x_um, "y_um": spectra.y_um}
        predictions = self._session.predictions(key)
        title = f"{scale.title} ({scale.unit})" if scale.unit else scale.title
        if self._values is not None:
            table[title] = self._values
        elif self.bar.what == CLASSES and predictions is not None:
            named = np.array(predictions.classes)[predictions.best]
            table["class"] = np.where(predictions.rejected, NOT_CLASSIFIED_NAME, named)
            table["probability"] = predictions.probabilities.max(axis=1)
        else:
            table["label"] = entry.content.with_region_columns().text("label")
        return MapChart(
            grid.picture(self._rgba, missing=np.uint8(0)).astype(np.uint8),
            grid.extent,
            title,
            scale.low,
            scale.high,
            scale.colours,
            scale.names,
            None if image is None else (image.rgb, (image.x0, image.y0, image.x1, image.y1)),
            OVER_PHOTO if image is not None and self.bar.what != CLASSES else 1.0,
            counts_upwards(grid, spectra.image),
            table,
        )

    def _figure_name(self) -> str:
        entry, scale = self._session.current_entry, self.scale.scale
        words = [entry.path.stem if entry is not None else "map", scale.title if scale is not None else ""]
        return " ".join(words).replace("/", "-").strip()

    def _failed(self, failure: Failure) -> None:
        self._rest()
        self._values = None
        self._rgba = None
        self.plot.set_colours(None)
        self.scale.set_scale(None)
        self.problem.emit(str(failure))

    # ------------------------------------------------------------------ what a person does

    def _use_tool(self, tool: MapTool) -> None:
        self.plot.set_tool(tool)
        if tool is MapTool.BRUSH:
            self._offer_threshold()
        self._show_threshold()
        self.plot.setFocus()

    def _leave(self) -> None:
        if self.plot.tool is MapTool.SELECT:
            self._session.select([])
        else:
            self.bar.set_tool(MapTool.SELECT)

    def _clicked(self, spectrum: int, modifiers: Qt.KeyboardModifier) -> None:
        session = self._session
        if spectrum < 0:
            session.select([])
            return
        add = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier
        if modifiers & add:
            own = set(session.selected.tolist())
            own ^= {spectrum} if modifiers & Qt.KeyboardModifier.ControlModifier else {spectrum} - own
            session.select(sorted(own), look_at=spectrum)
        else:
            session.select([spectrum], look_at=spectrum)

    def _outlined(self, outline: NDArray[np.float64], modifiers: Qt.KeyboardModifier) -> None:
        rows = self.plot.spectra_inside(outline)
        if self.plot.tool is MapTool.SELECT:
            adds = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
            self._session.select(np.concatenate([rows, self._session.selected]) if adds else rows)
            return
        if not rows.size:
            self.problem.emit("There is no pixel's centre inside of that line; draw a larger one.")
            return
        self._session.add_region(rows, self.bar.region_label, _shape(self.plot.tool, outline))

    def _brushed(
        self, rows: NDArray[np.int64], places: NDArray[np.float64], modifiers: Qt.KeyboardModifier
    ) -> None:
        self._show_threshold()
        region = self._session.region
        adds = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        erases = bool(modifiers & Qt.KeyboardModifier.AltModifier)
        if (adds or erases) and region is None:
            self.problem.emit("Choose a region in the list first, to paint into it or out of it.")
        elif not rows.size:
            self.problem.emit("Nothing under the brush reaches the threshold; lower it, or paint elsewhere.")
        elif region is not None and (adds or erases):
            self._session.paint_region(region.number, rows, erase=erases)
        else:
            self._session.add_region(rows, self.bar.region_label, self._brush(places))

    def _brush(self, places: NDArray[np.float64]) -> Brush:
        has_threshold = self.plot.allowed is not None
        return Brush(
            tuple((float(x), float(y)) for x, y in places),
            self.plot.brush_um,
            self._threshold_on() if has_threshold else "",
            self.bar.threshold.value() if has_threshold else 0.0,
        )

    def _threshold_on(self) -> str:
        """Say what the threshold of the brush is on."""
        scale = self.scale.scale
        return "" if scale is None else scale.title

    def _take_all(self) -> None:
        if self.plot.allowed is None:
            return
        rows = np.flatnonzero(self.plot.allowed)
        if rows.size:
            self._session.add_region(rows, self.bar.region_label, self._brush(np.zeros((0, 2))))
        else:
            self.problem.emit("No spectrum reaches the threshold; lower it.")

    def _offer_threshold(self) -> None:
        if self._values is not None and np.isfinite(self._values).any():
            spread = float(np.nanpercentile(self._values, 99) - np.nanpercentile(self._values, 1))
            step = 10.0 ** np.floor(np.log10(spread / 50)) if spread > 0 else 1.0
            self.bar.set_threshold(otsu(self._values), float(step))

    def _show_threshold(self) -> None:
        is_on = self.plot.tool is MapTool.BRUSH and self._values is not None
        self.bar.take.setEnabled(is_on)
        self.bar.threshold.setEnabled(is_on)
        if not is_on or self._values is None:
            self.plot.allowed = None
            self.plot.set_marked(None)
            return
        with np.errstate(invalid="ignore"):
            self.plot.allowed = self._values >= self.bar.threshold.value()
        self.plot.set_marked(np.flatnonzero(self.plot.allowed))

    def _hovered(self, spectrum: int, x: float, y: float) -> None:
        key, entry = self._session.current, self._session.current_entry
        if np.isnan(x) or entry is None or key is None or entry.spectra is None:
            self.readout_changed.emit("")
            return
        words = [f"x {x:.1f}, y {y:.1f} µm"]
        if spectrum >= 0:
            words.append(f"spectrum {spectrum + 1}")
            if self._values is not None and spectrum < self._values.size:
                unit = "" if self.bar.number is None else f" {self.bar.number.unit}"
                words.append(f"{self.bar.what.lower()} {significant(float(self._values[spectrum]), 4)}{unit}")
            names = [r.name + (f" ({r.label})" if r.label else "") for r in entry.rois if spectrum in r.rows]
            label = str(entry.spectra.columns["label"][spectrum])
            words += names or ([f"label {label}"] if label else [])
            predictions = self._session.predictions(key)
            if predictions is not None:
                best = int(predictions.best[spectrum])
                share = 100 * float(predictions.probabilities[spectrum, best])
                reason = REASONS[int(predictions.reason[spectrum])]
                said = f"{predictions.classes[best]} {share:.0f} %"
                words.append(f"not classified: {reason}" if reason else said)
        self.readout_changed.emit("   ".join(words))


def _shape(tool: MapTool, outline: NDArray[np.float64]) -> Shape:
    """Say how an outline was drawn."""
    if tool is MapTool.RECTANGLE:
        (x0, y0), (x1, y1) = outline[0], outline[2]
        return Rectangle(float(x0), float(y0), float(x1), float(y1))
    points = tuple((float(x), float(y)) for x, y in outline)
    return Lasso(points) if tool is MapTool.LASSO else Polygon(points)
