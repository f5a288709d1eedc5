"""When a spectrum is not classified: four limits to switch and to move, with what each costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QGridLayout, QLabel, QWidget

from nanoai_gui.core.spectra.model import Predictions
from nanoai_gui.core.spectra.rejection import HIGH_Q, HIGH_T2, NO_SIGNAL, NOT_NUMBERS, UNDECIDED, Thresholds
from nanoai_gui.gui.widgets.layout import GRID, HALF
from nanoai_gui.gui.widgets.numbers import grouped


@dataclass(frozen=True)
class Limit:
    """One of the thresholds."""

    name: str
    title: str
    tip: str
    reason: int
    largest: float
    decimals: int


LIMITS = (
    Limit("t2", "T² at most", "Far from the training spectra, along what varies among them", HIGH_T2, 1e6, 2),
    Limit("q", "Q at most", "Has features that the training spectra do not have", HIGH_Q, 1e6, 3),
    Limit(
        "signal", "Signal-to-noise at least", "Too weak to be judged, as measured", NO_SIGNAL, 1e5, 1
    ),
    Limit("probability", "Probability at least", "No class is probable enough", UNDECIDED, 1.0, 3),
)  # fmt: skip
AT_MOST = ("t2", "q")


class ThresholdForm(QWidget):
    """A tick, a number and a count for each limit."""

    thresholds_changed = Signal(object)
    """The new :class:`Thresholds`, after a person changed one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._thresholds = Thresholds()
        self._remembered: dict[str, float] = {}
        self.ticks: dict[str, QCheckBox] = {}
        self.numbers: dict[str, QDoubleSpinBox] = {}
        self.counts: dict[str, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(HALF)
        grid.setColumnStretch(0, 1)
        for place, limit in enumerate(LIMITS):
            tick = QCheckBox(limit.title)
            tick.setObjectName(f"use_{limit.name}")
            number = QDoubleSpinBox()
            number.setObjectName(limit.name)
            number.setRange(0, limit.largest)
            number.setDecimals(limit.decimals)
            number.setAlignment(Qt.AlignmentFlag.AlignRight)
            number.setKeyboardTracking(False)
            number.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            number.setMinimumWidth(84)
            cost = QLabel()
            cost.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            cost.setMinimumWidth(self.fontMetrics().horizontalAdvance("−100 000"))
            cost.setToolTip("Spectra for which this is the first reason")
            for widget in (tick, number):
                widget.setToolTip(f"Not classified beyond: {limit.tip}")
            for place_x, shown in enumerate((tick, number, cost)):
                grid.addWidget(shown, place, place_x)
            tick.toggled.connect(lambda on, limit=limit: self._toggled(limit, on))
            number.valueChanged.connect(lambda value, limit=limit: self._moved(limit, value))
            self.ticks[limit.name], self.numbers[limit.name] = tick, number
            self.counts[limit.name] = cost
        self.total = QLabel()
        self.total.setWordWrap(True)
        grid.addWidget(self.total, len(LIMITS), 0, 1, 3)

    @property
    def thresholds(self) -> Thresholds:
        """As they stand."""
        return self._thresholds

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Show thresholds, without announcing it."""
        self._thresholds = thresholds
        for limit in LIMITS:
            value = float(getattr(thresholds, limit.name))
            is_on = _rejects(limit, value)
            tick, number = self.ticks[limit.name], self.numbers[limit.name]
            if is_on:
                self._remembered[limit.name] = value
            tick.blockSignals(True)
            number.blockSignals(True)
            tick.setChecked(is_on)
            number.setEnabled(is_on)
            if is_on:
                number.setValue(value)
                # A tenth of the value is a step that can be seen.
                number.setSingleStep(max(_round_step(value), 10.0**-limit.decimals))
            tick.blockSignals(False)
            number.blockSignals(False)

    def set_predictions(self, predictions: Sequence[Predictions]) -> None:
        """Count what each limit costs."""
        reasons = np.concatenate([p.reason for p in predictions]) if predictions else np.zeros(0, np.uint8)
        for limit in LIMITS:
            n = int((reasons == limit.reason).sum())
            self.counts[limit.name].setText(grouped(n) if reasons.size else "")
        n, unreadable = int((reasons > 0).sum()), int((reasons == NOT_NUMBERS).sum())
        if not reasons.size:
            self.total.setText("")
            return
        share = 100 * n / reasons.size
        words = f"{grouped(n)} of {grouped(reasons.size)} spectra not classified ({share:.1f} %)"
        self.total.setText(words + (f", {unreadable} hold no numbers" if unreadable else ""))

    def _toggled(self, limit: Limit, is_on: bool) -> None:
        off = np.inf if limit.name in AT_MOST else 0.0
        value = self._remembered.get(limit.name, self.numbers[limit.name].value() or 1.0) if is_on else off
        self._announce(limit, float(value))

    def _moved(self, limit: Limit, value: float) -> None:
        self._remembered[limit.name] = value
        self._announce(limit, value)

    def _announce(self, limit: Limit, value: float) -> None:
        changed = replace(self._thresholds, **{limit.name: value})
        if changed != self._thresholds:
            self._thresholds = changed
            self.numbers[limit.name].setEnabled(self.ticks[limit.name].isChecked())
            self.thresholds_changed.emit(changed)


def _rejects(limit: Limit, value: float) -> bool:
    return bool(np.isfinite(value)) if limit.name in AT_MOST else value > 0


def _round_step(value: float) -> float:
    return float(10.0 ** np.floor(np.log10(value / 5))) if value > 0 else 0.1
