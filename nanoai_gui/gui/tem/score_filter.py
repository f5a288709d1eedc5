"""Leaves out particles of which their method is not sure, while one watches what becomes of the histogram."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QLabel, QSlider, QWidget

from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.widgets.layout import GRID, HALF, row
from nanoai_gui.gui.widgets.numbers import grouped

STEPS = 100


class ScoreFilter(QWidget):
    """A slider from 0 to 1 and the number of particles it leaves out; hidden where there are no scores."""

    changed = Signal(float)
    """The least score of a particle that stays."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scores: NDArray[np.float64] = np.empty(0)
        tip = (
            "Leaves out particles of which the method is less sure: in the image, in the table and in the "
            "histogram.\nTables are exported whole, with the score of each particle."
        )
        label = QLabel("Score at least")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("leastScore")
        self.slider.setRange(0, STEPS)
        self.slider.setMinimumWidth(60)
        self.slider.setAccessibleName("Score at least")
        self.box = QDoubleSpinBox()
        self.box.setRange(0.0, 1.0)
        self.box.setDecimals(2)
        self.box.setSingleStep(0.05)
        self.box.setAccessibleName("Score at least")
        self.left_out = QLabel()
        self.left_out.setEnabled(False)
        widest = self.fontMetrics().horizontalAdvance("8 888 left out")
        self.left_out.setMinimumWidth(widest)
        self.left_out.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        layout = row(self)
        layout.setContentsMargins(GRID, HALF, GRID, HALF)
        layout.addWidget(label)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.box)
        layout.addWidget(self.left_out)
        for widget in (self, self.slider, self.box):
            widget.setToolTip(tip)
        self.slider.valueChanged.connect(lambda step: self.set_least(step / STEPS))
        self.box.valueChanged.connect(self.set_least)
        self._least = 0.0
        self.hide()

    @property
    def least(self) -> float:
        """The least score of a particle that stays."""
        return self._least

    def set_least(self, least: float) -> None:
        """Set it; slider and number follow each other."""
        least = round(float(np.clip(least, 0.0, 1.0)), 2)
        if least == self._least:
            return
        self._least = least
        for widget in (self.slider, self.box):
            widget.blockSignals(True)
        self.slider.setValue(round(STEPS * least))
        self.box.setValue(least)
        for widget in (self.slider, self.box):
            widget.blockSignals(False)
        self._count()
        self.changed.emit(least)

    def set_particles(self, particles: Particles | None) -> None:
        """Tell of which particles it is; ``None``, or none with a score, hides it."""
        scores = np.empty(0) if particles is None else particles.score
        self._scores = scores[np.isfinite(scores)]
        self.setVisible(bool(len(self._scores)))
        self._count()

    def passes(self, particles: Particles) -> Particles:
        """Give the particles that stay: those without a score always do."""
        if self._least <= 0:
            return particles
        return particles.select(~(particles.score < self._least))

    def _count(self) -> None:
        n = int(np.count_nonzero(self._scores < self._least))
        self.left_out.setText(f"{grouped(n)} left out" if n else "none left out")
