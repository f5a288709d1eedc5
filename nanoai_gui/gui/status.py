"""The status bar: what is under the pointer, and what is being worked on."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QProgressBar, QStatusBar, QToolButton, QWidget

from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.tem.batch import BatchProgress, seconds_in_words
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.elided_label import ElidedLabel
from nanoai_gui.gui.widgets.layout import GRID, row
from nanoai_gui.gui.widgets.numbers import significant


class Readout(QWidget):
    """Position in px and nm, raw value, and the particle under the pointer; the text can be copied."""

    def __init__(self, session: TemSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._place: tuple[float, float] | None = None
        line = row(self, spacing=2 * GRID)
        self.labels: list[QLabel] = []
        # Wide enough for what they show, so that nothing jumps while the pointer moves.
        for widest in (
            "x 00000, y 00000 px",
            "00000.0, 00000.0 nm",
            "value 0000000",
            "particle 0000, 0000.0 nm",
        ):
            label = QLabel()
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setMinimumWidth(label.fontMetrics().horizontalAdvance(widest))
            line.addWidget(label)
            self.labels.append(label)
        line.addStretch(1)
        session.current_changed.connect(self._update)
        session.entry_changed.connect(lambda key: self._update() if key == session.current else None)
        session.shown_method_changed.connect(self._update)

    def set_place(self, x: float | None, y: float | None = None) -> None:
        """Show the readings at an image position in px, or nothing."""
        self._place = None if x is None or y is None else (x, y)
        self._update()

    def _update(self) -> None:
        for label, text in zip(self.labels, self._texts(), strict=True):
            if label.text() != text:
                label.setText(text)

    def _texts(self) -> tuple[str, str, str, str]:
        micrograph, nothing = self._session.micrograph, ("", "", "", "")
        if self._place is None or micrograph is None:
            return nothing
        x, y = self._place
        column_, row_ = round(x), round(y)
        height, width = micrograph.shape
        if not (0 <= column_ < width and 0 <= row_ < height):
            return nothing
        nm = micrograph.calibration.nm_per_px
        value = micrograph.pixels[row_, column_]
        return (
            f"x {column_}, y {row_} px",
            f"{x * nm:.1f}, {y * nm:.1f} nm" if nm is not None else "no scale",
            f"value {value:.4g}" if isinstance(value, np.floating) else f"value {value}",
            self._particle_text(x, y, nm),
        )

    def _particle_text(self, x: float, y: float, nm: float | None) -> str:
        analysis = self._session.current_analysis
        result = analysis.results.get(self._session.shown_method) if analysis is not None else None
        index = None if result is None else particle_at(result.particles, x, y)
        if result is None or index is None:
            return ""
        diameter = float(result.particles.diameter_px[index])
        size = f"{significant(diameter * nm)} nm" if nm is not None else f"{significant(diameter)} px"
        return f"particle {result.particles.ids[index]}, {size}"


def particle_at(particles: Particles, x: float, y: float) -> int | None:
    """Row of the particle whose circle holds a position, of several the one that is nearest."""
    if not len(particles):
        return None
    distance = np.hypot(particles.x - x, particles.y - y) / (particles.diameter_px / 2).clip(0.5)
    nearest = int(np.argmin(distance))
    return nearest if distance[nearest] <= 1.0 else None


class BusyBox(QWidget):
    """What is being worked on, how far it is, how long it takes, and a button that stops it."""

    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = ElidedLabel()
        self.label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.label.setMinimumWidth(160)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedSize(140, 12)
        self.stop_button = QToolButton()
        self.stop_button.setText("Stop")
        self.stop_button.setToolTip("Stop the analysis; images already measured keep their results")
        self.stop_button.setAutoRaise(True)
        self.stop_button.clicked.connect(self.stop_wanted)
        line = row(self)
        line.addWidget(self.label, 1)
        line.addWidget(self.bar)
        line.addWidget(self.stop_button)
        self.hide()

    def show_progress(self, progress: BatchProgress) -> None:
        """Show how far a batch is."""
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * progress.fraction))
        self.label.setText(in_words(progress))
        self.label.set_tip(progress.message)
        self.stop_button.show()
        self.show()

    def show_busy(self, text: str) -> None:
        """Show that something short goes on, which nobody needs to stop."""
        self.bar.setRange(0, 0)
        self.label.setText(text)
        self.stop_button.hide()
        self.show()


def in_words(progress: BatchProgress) -> str:
    """Say how far a batch is: ``12 of 50 images, 1 failed, about 2 min left``; of one image, what is done."""
    parts = [f"{progress.n_finished} of {progress.n_images} image{'s' if progress.n_images != 1 else ''}"]
    if progress.n_images == 1 and progress.message:
        parts = [progress.message]
    if progress.n_failed:
        parts.append(f"{progress.n_failed} failed")
    if progress.seconds_left is not None:
        parts.append(f"{seconds_in_words(progress.seconds_left)} left")
    return ", ".join(parts)


def make_status_bar(session: TemSession) -> tuple[QStatusBar, Readout, BusyBox]:
    """Build the status bar."""
    bar = QStatusBar()
    bar.setSizeGripEnabled(False)
    bar.setContentsMargins(GRID, 0, GRID, 0)
    readout, busy = Readout(session), BusyBox()
    bar.addWidget(readout, 3)
    bar.addPermanentWidget(busy, 2)
    return bar, readout, busy
