"""How the image looks: histogram, contrast, gamma, colours. Display only."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QPushButton,
    QSlider,
    QWidget,
)

from nanoai_gui.gui.tem.display import ColourMap, Contrast, GreyStatistics, automatic, full_range
from nanoai_gui.gui.widgets.grey_histogram import GreyHistogram
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.canvas import MicrographCanvas

GAMMA_OCTAVES = 2.0
"""Gamma runs from a quarter to four."""
GAMMA_STEPS = 40
"""Slider steps to either side of 1."""


class ContrastPanel(QWidget):
    """Edits a :class:`Contrast`.

    Stands alone: give it statistics and a contrast and listen to :attr:`levels_changed`, or let
    :meth:`attach` do that with a canvas.
    """

    levels_changed = Signal(object)
    """A :class:`Contrast` a person chose."""
    keep_changed = Signal(bool)
    """Whether another image keeps this contrast."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._statistics = GreyStatistics()
        self._contrast = Contrast()
        self.histogram = GreyHistogram()
        self.low = self._level_box("Black", "Raw value shown black (white when inverted)")
        self.high = self._level_box("White", "Raw value shown white (black when inverted)")
        self.auto = QPushButton("Auto")
        self.auto.setToolTip("Let 0.35 % of the pixels go black and 0.35 % white (data bar left out)")
        self.full = QPushButton("Full range")
        self.full.setToolTip("From the smallest to the largest value")
        self.gamma = QSlider(Qt.Orientation.Horizontal)
        self.gamma.setRange(-GAMMA_STEPS, GAMMA_STEPS)
        self.gamma.setPageStep(5)
        self.gamma.setAccessibleName("Gamma")
        self.gamma.setToolTip("Below 1 the dark parts become brighter, above 1 darker")
        self._gamma_text = QLabel()
        self.colour_map = QComboBox()
        self.colour_map.setAccessibleName("Colours")
        for colour_map in ColourMap:
            self.colour_map.addItem(colour_map.value)
        self.invert = QCheckBox("Invert")
        self.invert.setToolTip("Swap dark and bright")
        self.keep = QCheckBox("Keep for other images")
        self.keep.setToolTip("Show every image with this contrast, instead of finding it for each")
        note = QLabel("Display only: the analysis sees raw values.")
        note.setObjectName("note")
        note.setWordWrap(True)
        self._lay_out(note)

        self.histogram.contrast_changed.connect(self._choose)
        self.histogram.auto_asked.connect(self._choose_auto)
        self.low.valueChanged.connect(self._type_low)
        self.high.valueChanged.connect(self._type_high)
        self.auto.clicked.connect(self._choose_auto)
        self.full.clicked.connect(self._choose_full)
        self.gamma.valueChanged.connect(self._slide_gamma)
        self.colour_map.currentIndexChanged.connect(self._choose_colours)
        self.invert.toggled.connect(self._choose_inverted)
        self.keep.toggled.connect(self.keep_changed)
        self.set_statistics(self._statistics)
        self.set_contrast(self._contrast)

    def _level_box(self, name: str, tip: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setAccessibleName(name)
        box.setToolTip(tip)
        box.setRange(-1e12, 1e12)
        box.setKeyboardTracking(False)
        box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        box.setMinimumWidth(60)
        return box

    def _lay_out(self, note: QLabel) -> None:
        layout = column(self, spacing=HALF)
        layout.setContentsMargins(GRID, HALF, GRID, GRID)
        layout.addWidget(self.histogram)
        levels = row(spacing=HALF)
        levels.addWidget(self.low, 1)
        levels.addWidget(self.auto)
        levels.addWidget(self.full)
        levels.addWidget(self.high, 1)
        layout.addLayout(levels)
        gamma = row(spacing=GRID)
        gamma_name = QLabel("&Gamma")
        gamma_name.setBuddy(self.gamma)
        gamma.addWidget(gamma_name)
        gamma.addWidget(self.gamma, 1)
        self._gamma_text.setMinimumWidth(self.fontMetrics().horizontalAdvance("0.00"))
        gamma.addWidget(self._gamma_text)
        layout.addLayout(gamma)
        colours = row(spacing=GRID)
        colours.addWidget(self.colour_map, 1)
        colours.addWidget(self.invert)
        layout.addLayout(colours)
        layout.addWidget(self.keep)
        layout.addWidget(note)

    def attach(self, canvas: MicrographCanvas) -> None:
        """Show and edit the contrast of a canvas."""
        canvas.statistics_changed.connect(self.set_statistics)
        canvas.contrast_changed.connect(self.set_contrast)
        self.levels_changed.connect(canvas.set_contrast)
        self.keep_changed.connect(canvas.set_keep_contrast)
        canvas.set_keep_contrast(self.keep.isChecked())
        self.set_statistics(canvas.statistics)
        self.set_contrast(canvas.contrast)

    @property
    def contrast(self) -> Contrast:
        """What is chosen."""
        return self._contrast

    def set_statistics(self, statistics: GreyStatistics) -> None:
        """Show the histogram of another image."""
        self._statistics = statistics
        self.histogram.set_statistics(statistics)
        span = max(statistics.auto_high - statistics.auto_low, 1e-12)
        for box in (self.low, self.high):
            with QSignalBlocker(box):
                # Whole numbers where the values are; else enough digits for a hundredth of the range.
                box.setDecimals(0 if span > 50 else 2 if span > 0.5 else 6)
                box.setSingleStep(1.0 if span > 50 else span / 100)
        self._show()

    def set_contrast(self, contrast: Contrast) -> None:
        """Show another contrast, without telling anybody."""
        self._contrast = contrast
        self._show()

    def _show(self) -> None:
        contrast = self._contrast
        self.histogram.set_contrast(contrast)
        widgets = (self.low, self.high, self.gamma, self.colour_map, self.invert)
        blockers = [QSignalBlocker(widget) for widget in widgets]
        self.low.setValue(contrast.low)
        self.high.setValue(contrast.high)
        self.gamma.setValue(gamma_to_slider(contrast.gamma))
        self._gamma_text.setText(f"{contrast.gamma:.2f}")
        self.colour_map.setCurrentIndex(list(ColourMap).index(contrast.colour_map))
        self.invert.setChecked(contrast.inverted)
        for blocker in blockers:
            blocker.unblock()

    def _choose(self, contrast: Contrast) -> None:
        self.set_contrast(contrast)
        self.levels_changed.emit(contrast)

    def _choose_auto(self) -> None:
        self._choose(automatic(self._statistics, self._contrast))

    def _choose_full(self) -> None:
        self._choose(full_range(self._statistics, self._contrast))

    def _type_low(self, value: float) -> None:
        least = 10.0 ** -self.low.decimals()
        self._choose(replace(self._contrast, low=value, high=max(self._contrast.high, value + least)))

    def _type_high(self, value: float) -> None:
        least = 10.0 ** -self.high.decimals()
        self._choose(replace(self._contrast, high=value, low=min(self._contrast.low, value - least)))

    def _slide_gamma(self, position: int) -> None:
        self._choose(replace(self._contrast, gamma=slider_to_gamma(position)))

    def _choose_colours(self, index: int) -> None:
        self._choose(replace(self._contrast, colour_map=list(ColourMap)[index]))

    def _choose_inverted(self, inverted: bool) -> None:
        self._choose(replace(self._contrast, inverted=inverted))


def slider_to_gamma(position: int) -> float:
    """Slider position to gamma: equal steps are equal factors, the middle is 1."""
    return float(2.0 ** (GAMMA_OCTAVES * position / GAMMA_STEPS))


def gamma_to_slider(gamma: float) -> int:
    """Gamma to the nearest slider position."""
    return round(math.log2(max(gamma, 1e-6)) / GAMMA_OCTAVES * GAMMA_STEPS)
