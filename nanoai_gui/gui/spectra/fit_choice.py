"""Which number of which fitted band colours a map; what the spectra do not reach says so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QWidget

from nanoai_gui.core.spectra.fitted_bands import FIT_QUANTITIES, FITTED_BANDS, Fit, find_band
from nanoai_gui.gui.widgets.layout import HALF, row

NOTHING = "The spectra reach none of the bands that can be fitted."


class FitChoice(QWidget):
    """Two boxes: the band, and what of it."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.band, self.quantity = QComboBox(), QComboBox()
        self.band.setObjectName("fittedBand")
        self.quantity.setObjectName("fittedQuantity")
        for material, bands in FITTED_BANDS.items():
            if self.band.count():
                self.band.insertSeparator(self.band.count())
            for band in bands:
                self.band.addItem(band.title, material)
        self.quantity.addItems(FIT_QUANTITIES)
        self.quantity.setToolTip("Lorentzian bands on a straight line, fitted to every spectrum")
        self.band.currentIndexChanged.connect(lambda _: self._show_parts())
        for box in (self.band, self.quantity):
            box.activated.connect(lambda _: self.changed.emit())
        layout = row(spacing=HALF)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.band)
        layout.addWidget(self.quantity)
        self.setLayout(layout)
        self._show_parts()

    @property
    def chosen(self) -> Fit | None:
        """The number that is chosen."""
        band = find_band(self.band.currentText())
        return None if band is None else Fit(band, self.quantity.currentText())

    def set_axis(self, axis: NDArray[np.float64]) -> str:
        """Offer what spectra on an axis (k,) reach; returns why there is nothing, if so."""
        best = -1
        for place in range(self.band.count()):
            band = find_band(self.band.itemText(place))
            if band is None:
                continue
            can, said = band.reach(axis)
            self.band.model().item(place).setEnabled(can)  # type: ignore[attr-defined]
            self.band.setItemData(place, said, Qt.ItemDataRole.ToolTipRole)
            if can and (best < 0 or place == self.band.currentIndex()):
                best = place
        if best >= 0:
            self.band.setCurrentIndex(best)
        self._show_parts()
        return "" if best >= 0 else NOTHING

    def _show_parts(self) -> None:
        band = find_band(self.band.currentText())
        self.quantity.setVisible(band is not None and not band.is_ratio)
        said = self.band.itemData(self.band.currentIndex(), Qt.ItemDataRole.ToolTipRole)
        self.band.setToolTip(said or "Band, or ratio of the heights of two")
