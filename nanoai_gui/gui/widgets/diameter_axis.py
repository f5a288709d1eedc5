"""An axis for lengths: plain numbers at 1, 2, 5 also where the scale is logarithmic."""

from __future__ import annotations

import math

import pyqtgraph as pg

STEPS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9))
"""Labelled multiples of a power of ten, from sparse to dense."""


class DiameterAxis(pg.AxisItem):
    """The lower axis of a size distribution; positions are log10 of the length when ``is_log``."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.is_log = True
        self.enableAutoSIPrefix(False)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """Place labelled ticks at least 40 px apart, and unlabelled ones between them."""
        if not self.is_log:
            return list(super().tickValues(minVal, maxVal, size))
        most = max(size / 48, 2)
        chosen: list[float] = []
        for steps in STEPS:
            ticks = _log_ticks(steps, minVal, maxVal)
            if len(ticks) <= most:
                chosen = ticks
        if len(chosen) < 3:
            # Less than a third of a decade: equal steps of the length itself read best.
            low, high = 10**minVal, 10**maxVal
            spacing = _nice((high - low) / most)
            first = math.ceil(low / spacing)
            return [(0.0, [math.log10(i * spacing) for i in range(max(first, 1), int(high / spacing) + 1)])]
        between = [t for t in _log_ticks(tuple(range(1, 10)), minVal, maxVal) if t not in chosen]
        return [(1.0, chosen), (0.1, between)]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Write lengths, never powers of ten."""
        if not self.is_log:
            return [str(text) for text in super().tickStrings(values, scale, spacing)]
        if spacing == 0.1:
            return [""] * len(values)
        return [f"{10**value:.4g}" for value in values]


def _log_ticks(steps: tuple[float, ...], low: float, high: float) -> list[float]:
    decades = range(math.floor(low), math.ceil(high) + 1)
    ticks = [decade + math.log10(step) for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _nice(step: float) -> float:
    """Round up to the next number of 1, 2, 5 x 10^k."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
