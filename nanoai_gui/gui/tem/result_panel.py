"""What was found in the image shown, or in the agglomerates selected in it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.particles import Status
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.layout import GRID, HALF, column
from nanoai_gui.gui.widgets.numbers import count, grouped, significant
from nanoai_gui.gui.widgets.warning import set_warning

OUTDATED = "Measured with other settings than those above. Analyse again to renew it."


class ResultPanel(QWidget):
    """A headline, a few facts, and the reason where something was left out."""

    def __init__(self, session: TemSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.headline = QLabel()
        self.headline.setObjectName("headline")
        font = self.headline.font()
        font.setBold(True)
        self.headline.setFont(font)
        self.headline.setWordWrap(True)
        self.reason = QLabel()
        self.reason.setObjectName("reason")
        self.reason.setWordWrap(True)
        set_warning(self.reason, True)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(2 * GRID)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        self._facts: list[tuple[QLabel, QLabel]] = []
        layout = column(self, spacing=HALF)
        layout.setContentsMargins(GRID, HALF, GRID, HALF)
        layout.addWidget(self.headline)
        layout.addLayout(self._grid)
        layout.addWidget(self.reason)
        session.current_changed.connect(self.refresh)
        session.selection_changed.connect(self.refresh)
        session.shown_method_changed.connect(self.refresh)
        session.entry_changed.connect(self._entry_changed)
        self.refresh()

    def facts(self) -> dict[str, str]:
        """Give the facts as they are shown."""
        return {name.text(): value.text() for name, value in self._facts if name.isVisibleTo(self)}

    def refresh(self) -> None:
        """Show the selection, or the whole image if nothing is selected."""
        entry = self._session.current_entry
        if entry is None:
            self._show("", [], "")
            return
        analysis, method = entry.analysis, self._session.shown_method
        result = None if analysis is None else analysis.results.get(method)
        if analysis is None:
            self._show("Not analysed yet", [], entry.error)
        elif result is None:
            self._show("Not measured with this method yet", [], entry.error)
        else:
            if self._session.selection.agglomerates:
                shown = _of_selection(analysis, result, self._session.selection.agglomerates)
            else:
                shown = _of_image(analysis, result)
            headline, facts, reason = shown
            outdated = OUTDATED if self._session.is_outdated(entry.key) else ""
            self._show(headline, facts, "\n".join(filter(None, (reason, entry.error or outdated))))

    def _entry_changed(self, key: int) -> None:
        if key == self._session.current:
            self.refresh()

    def _show(self, headline: str, facts: list[tuple[str, str]], reason: str) -> None:
        self.headline.setText(headline)
        self.headline.setVisible(bool(headline))
        while len(self._facts) < len(facts):
            name, value = QLabel(), QLabel()
            name.setForegroundRole(QPalette.ColorRole.PlaceholderText)
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(name, len(self._facts), 0)
            self._grid.addWidget(value, len(self._facts), 1)
            self._facts.append((name, value))
        for i, (name, value) in enumerate(self._facts):
            is_used = i < len(facts)
            name.setVisible(is_used)
            value.setVisible(is_used)
            if is_used:
                name.setText(facts[i][0])
                value.setText(facts[i][1])
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))


def area_text(nm2: float) -> str:
    """Write an area in nm², or in µm² where that is the shorter number."""
    return f"{significant(nm2, 4)} nm²" if nm2 < 1e5 else f"{significant(nm2 / 1e6)} µm²"


def _of_image(analysis: ImageAnalysis, result: SizingResult) -> tuple[str, list[tuple[str, str]], str]:
    reasons = Counter(reason for reason in result.excluded if reason)
    measured = len(result.agglomerate_ids) - reasons.total()
    facts = [
        ("Agglomerates measured", grouped(measured)),
        ("Primary particles", grouped(len(result.particles))),
        *((f"Left out: {reason}", grouped(n)) for reason, n in sorted(reasons.items())),
        *_fit_facts(analysis, result),
        *_corrections(analysis, result),
        *((("Model", result.model.partition(" (")[0]),) if result.model else ()),
        ("Time", f"{significant(analysis.seconds[result.method], 2)} s"),
    ]
    nothing = "" if len(result.agglomerate_ids) else "No agglomerates found: check the threshold."
    return analysis.name, facts, nothing


def _fit_facts(analysis: ImageAnalysis, result: SizingResult) -> list[tuple[str, str]]:
    """Say what a physical fit rests on, and what it cannot see."""
    if result.fit is None:
        return []
    p, report = result.particles, result.fit
    n = int(np.count_nonzero(p.flagged & (p.status == Status.AUTO)))
    limit = f"{report.detection_limit_px:.1f} px"
    nm_per_px = analysis.calibration.nm_per_px
    if nm_per_px is not None:
        limit = f"{significant(report.detection_limit_px * nm_per_px, 2)} nm ({limit})"
    return [
        ("Measured as", report.in_short()),
        ("To check", grouped(n)),
        ("Smallest measurable", limit),
    ]


def _corrections(analysis: ImageAnalysis, result: SizingResult) -> list[tuple[str, str]]:
    """Say what a person did, if anything."""
    n, n_particles = analysis.n_hand_edits, int(np.count_nonzero(result.particles.status != Status.AUTO))
    facts = []
    if n:
        facts.append(("Corrections by hand", grouped(n)))
    if n_particles:
        facts.append(("Particles edited or added", grouped(n_particles)))
    return facts


def _of_selection(
    analysis: ImageAnalysis, result: SizingResult, selected: frozenset[int]
) -> tuple[str, list[tuple[str, str]], str]:
    rows = np.flatnonzero(np.isin(result.agglomerate_ids, list(selected)))
    if not len(rows):
        return _of_image(analysis, result)
    area_px = float(analysis.agglomerates.area_px[rows].sum())
    excluded = [result.excluded[row] for row in rows]
    n_measured = excluded.count("")
    facts = [("Primary particles", grouped(int(result.n_particles[rows].sum())) if n_measured else "–")]
    nm_per_px = analysis.calibration.nm_per_px
    area = f"{grouped(round(area_px))} px²"
    if nm_per_px is not None:
        area = f"{area_text(area_px * nm_per_px**2)} ({area})"
    facts.append(("Projected area", area))
    if len(rows) == 1:
        x, y = analysis.agglomerates.x[rows[0]], analysis.agglomerates.y[rows[0]]
        facts.append(("Centre", f"{x:.0f}, {y:.0f} px"))
        reason = f"Left out: {excluded[0]}" if excluded[0] else ""
        return f"Agglomerate {result.agglomerate_ids[rows[0]]}", facts, reason
    reasons = Counter(reason for reason in excluded if reason)
    left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
    return count(len(rows), "agglomerate"), facts, f"Left out: {left_out}" if left_out else ""
