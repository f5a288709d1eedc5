"""The TEM tab: images on the left, the micrograph in the middle, settings and results around it.

Puts views together that know only the session. What several of them do together stands in
:mod:`~nanoai_gui.gui.tem.calibrating`, :mod:`~nanoai_gui.gui.tem.overlay_feed` and
:mod:`~nanoai_gui.gui.tem.preview`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QSplitter, QWidget

from nanoai_gui.core.files.frames import FrameInfo
from nanoai_gui.core.files.micrographs import list_frames
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import is_automatic
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.agglomerate_panel import AgglomeratePanel
from nanoai_gui.gui.tem.calibrating import Calibrating
from nanoai_gui.gui.tem.calibration_line import CalibrationLine
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.canvas_bar import CanvasBar
from nanoai_gui.gui.tem.editing.part import EditingPart
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.file_strip import FileStrip
from nanoai_gui.gui.tem.frame_dialog import FrameDialog
from nanoai_gui.gui.tem.histogram_panel import HistogramPanel
from nanoai_gui.gui.tem.manual.bar import ManualBar
from nanoai_gui.gui.tem.manual.measuring import ManualMeasuring
from nanoai_gui.gui.tem.overlay_feed import OverlayFeed
from nanoai_gui.gui.tem.parameter_panel import ParameterPanel
from nanoai_gui.gui.tem.particle_hint import ParticleHint
from nanoai_gui.gui.tem.particle_table import ParticleTable
from nanoai_gui.gui.tem.preview import ThresholdPreview
from nanoai_gui.gui.tem.residual import ResidualFeed
from nanoai_gui.gui.tem.result_panel import ResultPanel
from nanoai_gui.gui.tem.review.review_panel import ReviewPanel
from nanoai_gui.gui.tem.review.reviewing import Reviewing
from nanoai_gui.gui.tem.score_filter import ScoreFilter
from nanoai_gui.gui.tem.selecting import combine, of_agglomerates, of_particles
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.tem.tools import Tool
from nanoai_gui.gui.widgets.contrast import ContrastPanel
from nanoai_gui.gui.widgets.layout import column, row, splitter

STRIP_WIDTH, SIDE_WIDTH = 200, 372
HISTOGRAM_HEIGHT = 256
PREVIEW_HINT = "Preview: the tinted pixels count as particles. Analyse to measure them."
ANALYSE_TO_MEASURE = "Analyse this image (Ctrl+Enter) to see its primary particles."
DRAW_TO_MEASURE = "Particles that you measure by hand are listed here."
CONTRAST_WIDTH = 296
_NOTHING_LISTED: tuple[object, float | None, float, frozenset[int]] = (None, None, 0.0, frozenset())


class TemTab(QWidget):
    """Everything about micrographs.

    Parameters
    ----------
    session
        The model; the tab never changes it except through its methods.
    jobs
        Runs what takes longer than a frame.
    thumbnails
        Small pictures for the file strip.
    """

    def __init__(
        self, session: TemSession, jobs: JobRunner, thumbnails: Thumbnails, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._thumbnails = thumbnails
        self.file_strip = FileStrip(session, thumbnails)
        self.canvas = MicrographCanvas()
        self.canvas_bar = CanvasBar(session)
        self.contrast = ContrastPanel()
        self.calibration_line = CalibrationLine(session)
        self.parameters = ParameterPanel(session)
        self.result = ResultPanel(session)
        self.agglomerate = AgglomeratePanel(session)
        self.table = ParticleTable()
        self.histogram = HistogramPanel(session, jobs)
        self.score = ScoreFilter()
        self._overlay = OverlayFeed(session, jobs, self.canvas, self)
        self.residual = ResidualFeed(session, jobs, self.canvas, self)
        self.hint = ParticleHint(self.canvas, lambda: (self._particles(), self._nm_per_px()))
        self._preview = ThresholdPreview(session, jobs, self._show_preview, self)
        self.calibrating = Calibrating(session, self.canvas, self)
        self.editing = EditingPart(session, jobs, self.canvas, self)
        self._listed = _NOTHING_LISTED
        self.reviewing = Reviewing(session, jobs, self)
        lists = self.histogram.findChildren(QComboBox)
        self.review = ReviewPanel(
            session, self.reviewing, self.canvas, (self, self.canvas_bar.method, *lists)
        )
        self.measuring = ManualMeasuring(
            session, self.editing, self.canvas, self.histogram, self.canvas_bar, self
        )
        self.manual_bar = ManualBar(session, self.measuring)
        remeasuring = self.editing.remeasuring
        self.histogram.follow_measuring(remeasuring.is_under_way, remeasuring.under_way_changed)
        self._lay_out()
        self._connect()
        self._show_image()

    # ------------------------------------------------------------------ what the window asks for

    def calibrate(self) -> None:
        """Ask for the pixel size of the image shown."""
        self.calibrating.open()

    def choose_frame(self) -> None:
        """Offer the images of the file shown."""
        entry = self._session.current_entry
        if entry is None:
            return
        key, path = entry.key, entry.path
        self._jobs.run(
            list_frames, path, on_done=lambda frames: self._offer_frames(key, path, frames), key="frames"
        )

    def show_review(self, is_on: bool = True) -> None:
        """Show the list of what to correct next in the place of the particles, or end it."""
        self.review.setVisible(is_on)
        self._particle_list.setVisible(not is_on)
        self._show_parameters()
        self.reviewing.set_on(is_on)
        self.canvas.setFocus()

    @property
    def splitters(self) -> Mapping[str, QSplitter]:
        """The dividers whose places are remembered, by name."""
        return self._splitters

    def _show_parameters(self) -> None:
        # The lists need the room, and who reviews or measures by hand sets no methods.
        self.parameters.setVisible(self.review.isHidden() and not self.measuring.is_on)

    def shut_down(self) -> None:
        """Stop threads; nothing may be shown after this."""
        if self.calibrating.dialog is not None:
            self.calibrating.dialog.reject()
        self.editing.shut_down()
        self.canvas.shut_down()

    def showEvent(self, event: QShowEvent) -> None:
        """Let keys mean the image, not the filter over the list, until a person clicks elsewhere."""
        super().showEvent(event)
        if self.window().focusWidget() is None:
            self.canvas.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape selects nothing, wherever on the tab the keyboard is, if that part has no use for it."""
        if event.key() == Qt.Key.Key_Escape and not event.modifiers():
            self._session.select(Selection())
        else:
            super().keyPressEvent(event)

    # ------------------------------------------------------------------ how it is put together

    def _lay_out(self) -> None:
        middle = QWidget()
        layout = column(middle, spacing=0)
        layout.addWidget(self.canvas_bar)
        layout.addWidget(self.editing.bar)
        layout.addWidget(self.manual_bar)
        image = row(spacing=0)
        image.addWidget(self.canvas, 1)
        self._contrast_side = QWidget()
        beside = column(self._contrast_side, spacing=0)
        beside.addWidget(self.contrast)
        beside.addStretch(1)
        image.addWidget(self._contrast_side)
        layout.addLayout(image, 1)
        self._contrast_side.setFixedWidth(CONTRAST_WIDTH)
        self._contrast_side.hide()
        centre = splitter(Qt.Orientation.Vertical, (middle, 1), (self.histogram, 0))
        centre.setSizes([10_000, HISTOGRAM_HEIGHT])

        results = QWidget()
        layout = column(results, spacing=0)
        layout.addWidget(self.result)
        layout.addWidget(self.agglomerate)
        self._particle_list = QWidget()
        under = column(self._particle_list, spacing=0)
        under.addWidget(self.score)
        under.addWidget(self.table, 1)
        layout.addWidget(self._particle_list, 1)
        layout.addWidget(self.review, 1)
        self.review.hide()
        halves = splitter(Qt.Orientation.Vertical, (self.parameters, 1), (results, 1))
        side = QWidget()
        layout = column(side, spacing=0)
        layout.addWidget(self.calibration_line)
        layout.addWidget(halves, 1)

        across = splitter(Qt.Orientation.Horizontal, (self.file_strip, 0), (centre, 1), (side, 0))
        across.setSizes([STRIP_WIDTH, 10_000, SIDE_WIDTH])
        self.file_strip.setMinimumWidth(120)
        side.setMinimumWidth(280)
        self._splitters = {"across": across, "centre": centre, "side": halves}
        column(self, spacing=0).addWidget(across)

    def _connect(self) -> None:
        session, canvas = self._session, self.canvas
        session.current_changed.connect(self._show_image)
        session.selection_changed.connect(self._show_selection)
        session.shown_method_changed.connect(self._list_particles)
        session.entry_changed.connect(self._entry_changed)
        self.file_strip.chosen_changed.connect(
            lambda: self.histogram.set_selected_keys(self.file_strip.chosen_keys())
        )
        self.table.particles_chosen.connect(self._chosen_in_table)
        canvas.particle_clicked.connect(
            lambda i, modifiers: self._clicked(of_particles(self._particles(), [i]), modifiers)
        )
        canvas.agglomerate_clicked.connect(
            lambda i, modifiers: self._clicked(of_agglomerates(self._particles(), [i]), modifiers)
        )
        canvas.background_clicked.connect(lambda modifiers: self._clicked(Selection(), modifiers))
        canvas.selection_rectangle.connect(self._selected_by_rectangle)
        canvas.data_bar_moved.connect(self._data_bar_moved)
        canvas.data_bar_reset.connect(lambda: self._data_bar_moved(None))
        canvas.view_changed.connect(self.canvas_bar.set_zoom)
        canvas.tool_left.connect(lambda: self.canvas_bar.data_bar.setChecked(False))
        self.reviewing.shown.connect(canvas.look_at)
        self.review.closed.connect(lambda: self.show_review(False))
        self.measuring.changed.connect(self._show_parameters)
        self.contrast.attach(canvas)
        bar = self.canvas_bar
        bar.contrast_toggled.connect(self._contrast_side.setVisible)
        bar.data_bar_toggled.connect(
            lambda is_on: self.editing.set_tool(Tool.DATA_BAR if is_on else Tool.SELECT)
        )
        bar.frames_clicked.connect(self.choose_frame)
        bar.residual_toggled.connect(self.residual.set_on)
        self.residual.toggled.connect(bar.residual.setChecked)
        self.residual.available_changed.connect(bar.residual.setVisible)
        self.residual.told.connect(lambda text: bar.set_hint(text, "residual"))
        for view in (self.histogram, self._overlay):
            self.score.changed.connect(view.set_least_score)
        self.score.changed.connect(self._list_particles)
        self.calibration_line.calibrate_clicked.connect(self.calibrate)
        self.calibrating.hint_changed.connect(lambda hint: bar.set_hint(hint, "scale bar"))
        self.editing.hint_changed.connect(lambda hint: bar.set_hint(hint, "tool"))

    # ------------------------------------------------------------------ what is shown

    def _show_image(self) -> None:
        micrograph = self._session.micrograph
        self.canvas.set_micrograph(micrograph)
        if micrograph is not None:
            self.canvas.set_nm_per_px(micrograph.calibration.nm_per_px)
            self.canvas.set_data_bar(micrograph.data_bar_top)
        self._list_particles()

    def _show_preview(self, mask: NDArray[np.bool_] | None) -> None:
        if mask is None or mask.shape == self.canvas.image_shape:
            self.canvas.set_preview(mask)
        self.canvas_bar.set_hint("" if mask is None else PREVIEW_HINT, "preview")

    def _entry_changed(self, key: int) -> None:
        if key == self._session.current:
            self._list_particles()

    def _list_particles(self) -> None:
        """Fill the table, or say what to do; nothing happens if it lists them already."""
        analysis = self._session.current_analysis
        if self._session.micrograph is None:
            self._listed = _NOTHING_LISTED
            self.score.set_particles(None)
            self.table.show_message("Open or drop images to begin.")
            return
        result = None if analysis is None else analysis.results.get(self._session.shown_method)
        if analysis is None or result is None:
            self._listed = _NOTHING_LISTED
            self.score.set_particles(None)
            by_hand = not is_automatic(self._session.shown_method)
            self.table.show_message(DRAW_TO_MEASURE if by_hand else ANALYSE_TO_MEASURE)
            return
        nm_per_px = analysis.calibration.nm_per_px
        entry = self._session.current_entry
        accepted = frozenset[int]() if entry is None else entry.document.accepted(result.method)
        if self._listed[0] is not result or self._listed[1:] != (nm_per_px, self.score.least, accepted):
            self._listed = result, nm_per_px, self.score.least, accepted
            self.score.set_particles(result.particles)
            self.table.show_particles(self.score.passes(result.particles), nm_per_px, accepted)
        self.table.select(self._session.selection.particles)

    # ------------------------------------------------------------------ the one selection

    def _particles(self) -> Particles:
        analysis = self._session.current_analysis
        result = None if analysis is None else analysis.results.get(self._session.shown_method)
        return Particles.empty() if result is None else result.particles

    def _nm_per_px(self) -> float | None:
        analysis = self._session.current_analysis
        return None if analysis is None else analysis.calibration.nm_per_px

    def _clicked(self, clicked: Selection, modifiers: Qt.KeyboardModifier) -> None:
        self._session.select(combine(self._session.selection, clicked, modifiers))

    def _selected_by_rectangle(
        self, agglomerates: frozenset[int], particles: frozenset[int], modifiers: Qt.KeyboardModifier
    ) -> None:
        own = of_particles(self._particles(), particles)
        chosen = Selection(own.agglomerates | agglomerates, own.particles)
        self._clicked(chosen, modifiers)

    def _chosen_in_table(self, ids: NDArray[np.int64]) -> None:
        self._session.select(of_particles(self._particles(), ids))
        self.canvas.reveal_selection()

    def _show_selection(self) -> None:
        selection = self._session.selection
        self.canvas.set_selection(selection)
        self.table.select(selection.particles)

    # ------------------------------------------------------------------ what a person sets

    def _data_bar_moved(self, row: int | None) -> None:
        if self._session.current is not None:
            self._session.set_data_bar(self._session.current, row)

    def _offer_frames(self, key: int, path: Path, frames: tuple[FrameInfo, ...]) -> None:
        if key not in self._session:
            return
        micrograph = self._session.micrograph
        current = micrograph.frame if micrograph is not None and self._session.current == key else None
        dialog = FrameDialog(path, frames, current, self._thumbnails, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._use_frames(key, path, dialog.chosen))
        dialog.open()

    def _use_frames(self, key: int, path: Path, chosen: tuple[int, ...]) -> None:
        if key not in self._session or not chosen:
            return
        if len(chosen) == 1:
            self._session.set_frame(key, chosen[0])
        else:
            self._session.add_frames(path, chosen)
