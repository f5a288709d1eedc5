"""Why the networks judged the selected agglomerate as they did: probabilities and features."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.bars import FeatureRanges, FeatureRow, ProbabilityBars
from nanoai_gui.gui.widgets.layout import GRID, HALF, column
from nanoai_gui.gui.widgets.numbers import significant
from nanoai_gui.gui.widgets.section import Section

SHOWN_ROWS = 8
"""Features seen at a time; the others are scrolled to."""


class AgglomeratePanel(QWidget):
    """Two folding sections, each there only where the method shown gives what it shows."""

    def __init__(self, session: TemSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.bars = ProbabilityBars()
        self.features = FeatureRanges()
        self.feature_area = QScrollArea()
        self.feature_area.setWidgetResizable(True)
        self.feature_area.setFrameShape(QFrame.Shape.NoFrame)
        self.feature_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.feature_area.setWidget(self.features)
        self.number_section = Section("Number of particles", _indented(self.bars))
        self.feature_section = Section("Features", _indented(self.feature_area))
        self.feature_section.set_open(False)
        layout = column(self, spacing=0)
        layout.setContentsMargins(GRID, 0, GRID, HALF)
        layout.addWidget(self.number_section)
        layout.addWidget(self.feature_section)
        session.current_changed.connect(self.refresh)
        session.selection_changed.connect(self.refresh)
        session.shown_method_changed.connect(self.refresh)
        session.entry_changed.connect(self._entry_changed)
        self.refresh()

    def refresh(self) -> None:
        """Show the one agglomerate selected, or nothing."""
        analysis = self._session.current_analysis
        result = None if analysis is None else analysis.results.get(self._session.shown_method)
        selected = self._session.selection.agglomerates
        chosen = next(iter(selected)) if len(selected) == 1 else None
        has_number = result is not None and chosen is not None and self._show_number(result, chosen)
        has_features = result is not None and chosen is not None and self._show_features(result, chosen)
        self.number_section.setVisible(has_number)
        self.feature_section.setVisible(has_features)
        self.setVisible(has_number or has_features)

    def _show_number(self, result: SizingResult, agglomerate: int) -> bool:
        rows = np.flatnonzero(result.agglomerate_ids == agglomerate)
        if not rows.size or not np.isfinite(result.probabilities[rows[0]]).all():
            return False
        is_measured = not result.excluded[rows[0]]
        self.bars.set_values([float(p) for p in result.probabilities[rows[0]]], is_measured)
        title = "Probability of each number of particles"
        self.number_section.set_title(title if is_measured else "Probability, were it not left out")
        return True

    def _show_features(self, result: SizingResult, agglomerate: int) -> bool:
        description = result.description
        values = None if description is None else description.of(agglomerate)
        if description is None or values is None:
            return False
        rows = []
        features = description.table.feature_set.features
        for feature, value, low, high in zip(
            features, values, description.low, description.high, strict=True
        ):
            tip = (
                f"{feature.name}: {feature.formula}\n{feature.source}\n\n"
                f"{significant(float(value))} here. Of the training agglomerates of up to five, 90 % lie "
                f"between {significant(float(low))} and {significant(float(high))}"
            )
            rows.append(FeatureRow(feature.name, float(value), float(low), float(high), tip))
        self.features.set_rows(rows)
        self.feature_area.setFixedHeight(min(len(rows), SHOWN_ROWS) * self.features.line_height())
        n_odd = sum(not row.is_typical for row in rows)
        self.feature_section.set_title(f"Features ({n_odd} of {len(rows)} untypical)")
        return True

    def _entry_changed(self, key: int) -> None:
        if key == self._session.current:
            self.refresh()


def _indented(widget: QWidget) -> QWidget:
    content = QWidget()
    layout = column(content, spacing=0)
    layout.setContentsMargins(GRID, 0, 0, 0)
    layout.addWidget(widget)
    return content
