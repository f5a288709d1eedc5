"""The principal components of a model: how many are needed, what they look at, where the spectra lie."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from nanoai_gui.core.files.spectra_figures import LoadingsChart, ScoresChart, ScreeChart
from nanoai_gui.core.spectra.model import SpectraModel
from nanoai_gui.core.spectra.rois import COLOURS
from nanoai_gui.core.spectra.training import TrainedSpectra
from nanoai_gui.gui.spectra.colours import class_colours
from nanoai_gui.gui.spectra.figures import Figures, figure_button
from nanoai_gui.gui.spectra.pca_plots import SHARE, LoadingsPlot, ScorePlot, ScreePlot
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.training_data import TrainingParts
from nanoai_gui.gui.spectra.words import choice_box
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.numbers import count
from nanoai_gui.gui.widgets.section import Section

MOST_OFFERED = 60
"""Components offered for the axes; nobody looks at later ones."""
BY_CLASS, BY_GROUP = "class", "group"
MOST_NAMED = 10
"""Classes or groups named in the legend."""
NO_MODEL = "Train a model, or open one, to see its principal components."


class PcaView(QWidget):
    """Scree, scores and loadings of the session's model; scores only of a model that was trained here."""

    def __init__(self, session: SpectraSession, figures: Figures, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._model: SpectraModel | None = None
        self._trained: TrainedSpectra | None = None
        self._places: TrainingParts | None = None
        self._is_selecting = False
        self.words = QLabel(NO_MODEL)
        self.words.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.scree = ScreePlot()
        self.scores = ScorePlot()
        self.loadings = LoadingsPlot()
        self.across = choice_box("across", "Component along the horizontal axis", 5)
        self.up = choice_box("up", "Component along the vertical axis", 5)
        self.colour_box = choice_box("colourBy", "What the colours of the points mean", 5)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.hint.setEnabled(False)

        self._content = QWidget()
        inside = column(self._content, spacing=GRID)
        self.scree_button = figure_button("This chart", "screeFigure")
        self.scores_button = figure_button("These scores", "scoresFigure")
        self.loadings_button = figure_button("These loadings", "loadingsFigure")
        for button, name, chart in (
            (self.scree_button, "scree", self.scree_chart),
            (self.scores_button, "scores", self.scores_chart),
            (self.loadings_button, "loadings", self.loadings_chart),
        ):
            button.clicked.connect(lambda _=False, n=name, c=chart: figures.ask(self, n, c()))
        variance = QWidget()
        layout = column(variance, spacing=HALF)
        layout.addWidget(self.scree)
        layout.addWidget(self.scree_button, 0, Qt.AlignmentFlag.AlignRight)
        inside.addWidget(Section("Variance", variance))
        places = QWidget()
        choices = row(spacing=HALF)
        for text, box in (("x", self.across), ("y", self.up), ("Colour", self.colour_box)):
            label = QLabel(text)
            label.setBuddy(box)
            choices.addWidget(label)
            choices.addWidget(box, 1)
        layout = column(places, spacing=HALF)
        layout.addLayout(choices)
        self.score_legend, self.loading_legend = _legend(), _legend()
        layout.addWidget(self.score_legend)
        layout.addWidget(self.scores)
        below = row(spacing=HALF)
        below.addWidget(self.hint, 1)
        below.addWidget(self.scores_button)
        layout.addLayout(below)
        self._scores_section = Section("Scores", places)
        inside.addWidget(self._scores_section)
        curves = QWidget()
        layout = column(curves, spacing=HALF)
        layout.addWidget(self.loading_legend)
        layout.addWidget(self.loadings)
        layout.addWidget(self.loadings_button, 0, Qt.AlignmentFlag.AlignRight)
        inside.addWidget(Section("Loadings", curves))
        whole = column(self, spacing=GRID, margin=GRID)
        whole.addWidget(self.words)
        whole.addWidget(self._content)
        whole.addStretch(1)
        self._content.hide()

        self.across.currentIndexChanged.connect(self._draw)
        self.up.currentIndexChanged.connect(self._draw)
        self.colour_box.currentIndexChanged.connect(self._draw)
        self.scores.points_chosen.connect(self._choose)
        self.scores.fitted.connect(self._follow_selection)
        session.selection_changed.connect(self._follow_selection)
        session.model_changed.connect(self._model_changed)
        self._model_changed()

    def set_trained(self, trained: TrainedSpectra, places: TrainingParts) -> None:
        """Show the scores of a training; ``places`` tells which spectra of the session they belong to."""
        self._trained, self._places = trained, places
        self._show(trained.model)

    def _model_changed(self) -> None:
        model = self._session.model
        # The same components with other thresholds are the same picture.
        if model is not None and self._model is not None and model.classifier is self._model.classifier:
            return
        if self._trained is None or model is None or self._trained.model.classifier is not model.classifier:
            self._trained = self._places = None
        self._show(model)

    def _show(self, model: SpectraModel | None) -> None:
        self._model = model
        self._content.setVisible(model is not None)
        if model is None:
            self.words.setText(NO_MODEL)
            return
        components = model.classifier.components
        needed = components.needed_for(SHARE)
        reached = components.scree.sum() >= SHARE - 1e-12
        holds = f"{count(needed, 'component')} hold" if needed > 1 else "1 component holds"
        self.words.setText(
            f"{count(components.n_components, 'component')} in use, "
            f"{100 * components.variance_explained:.1f} % of the variance"
            + (f"; {holds} 95 %." if reached else ".")
        )
        self.scree.set_components(components)
        for box, first in ((self.across, 0), (self.up, 1)):
            box.blockSignals(True)
            box.clear()
            for i in range(min(components.n_components, MOST_OFFERED)):
                box.addItem(f"PC {i + 1}", i)
            box.setCurrentIndex(min(first, box.count() - 1))
            box.blockSignals(False)
        self._offer_colours()
        self._scores_section.setVisible(self._trained is not None)
        self._draw()

    def _offer_colours(self) -> None:
        box = self.colour_box
        chosen = box.currentData()
        box.blockSignals(True)
        box.clear()
        box.addItem("Class", BY_CLASS)
        if self._trained is not None and self._trained.training_set.groups is not None:
            box.addItem(self._trained.training_set.group_column.capitalize(), BY_GROUP)
        box.setCurrentIndex(max(box.findData(chosen), 0))
        box.blockSignals(False)

    def _axes(self) -> tuple[int, int]:
        """Components along x and y, counted from 0."""
        return int(self.across.currentData() or 0), int(self.up.currentData() or 0)

    def _draw(self) -> None:
        loadings, scores = self.loadings_chart(), self.scores_chart()
        if loadings is not None:
            x, y = self._axes()
            shown = (x,) if x == y else (x, y)
            whole = loadings.loadings
            self.loadings.set_loadings(loadings.axis, whole, tuple(range(len(shown))))
            _explain(self.loading_legend, loadings.names, self.loadings.colours)
        if scores is not None:
            self.scores.set_scores(scores.scores, scores.titles, scores.which, scores.colours)
            _explain(self.score_legend, scores.names, scores.colours)
            self._follow_selection()

    def scree_chart(self) -> ScreeChart | None:
        """Give the shares of the variance, to be written."""
        return None if self._model is None else ScreeChart(self._model.classifier.components)

    def loadings_chart(self) -> LoadingsChart | None:
        """Give the loadings that are shown, to be drawn or written."""
        if self._model is None:
            return None
        x, y = self._axes()
        shown = [x] if x == y else [x, y]
        loadings = self._model.classifier.components.loadings()[shown]
        return LoadingsChart(self._model.features_axis, loadings, tuple(f"PC {i + 1}" for i in shown))

    def scores_chart(self) -> ScoresChart | None:
        """Give the scores that are shown, to be drawn or written."""
        trained, model = self._trained, self._model
        if trained is None or model is None:
            return None
        learned, components = trained.training_set, model.classifier.components
        if self.colour_box.currentData() == BY_GROUP and learned.groups is not None:
            names, which = learned.group_names, learned.groups
            colours = tuple(COLOURS[i % len(COLOURS)] for i in range(len(names)))
        else:
            names, which = learned.classes, learned.labels
            known = class_colours(names)
            colours = tuple(known[name] for name in names)
        x, y = self._axes()
        titles = (
            f"PC {x + 1} ({100 * components.scree[x]:.1f} %)",
            f"PC {y + 1} ({100 * components.scree[y]:.1f} %)",
        )
        return ScoresChart(trained.scores[:, [x, y]], titles, names, which, colours)

    # ------------------------------------------------------------------ the one selection

    def _choose(self, points: NDArray[np.int64], keys: Qt.KeyboardModifier) -> None:
        """Select the spectra of points, in the set that holds most of them."""
        if self._places is None:
            return
        adds = bool(keys & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier))
        if adds:
            points = np.union1d(points, self.scores.chosen)
        if not points.size:
            self._session.select(points)
            return
        own = self._places.keys[points]
        known = np.array([int(key) in self._session for key in own])
        if not known.any():
            self.hint.setText("These spectra are no longer in the list.")
            return
        found, counts = np.unique(own[known], return_counts=True)
        key = int(found[counts.argmax()])
        self._is_selecting = True
        self._session.set_current(key)
        self._session.select(self._places.rows[points[own == key]])
        self._is_selecting = False
        self._follow_selection()
        elsewhere = int((own != key).sum())
        if elsewhere:
            self.hint.setText(
                f"{count(elsewhere, 'point')} of other files left aside: one file is shown at a time."
            )

    def _follow_selection(self) -> None:
        if self._places is None or self._trained is None or self._is_selecting:
            return
        session = self._session
        rows = session.selected
        if not rows.size and session.spectrum is not None:
            rows = np.array([session.spectrum])
        mine = self._places.keys == (-1 if session.current is None else session.current)
        chosen = np.flatnonzero(mine & np.isin(self._places.rows, rows))
        self.scores.set_chosen(chosen)
        if chosen.size == 1:
            learned, point = self._trained.training_set, int(chosen[0])
            group = "" if learned.groups is None else f", {learned.group_names[learned.groups[point]]}"
            self.hint.setText(f"{learned.classes[learned.labels[point]]}{group}")
        else:
            self.hint.setText(f"{chosen.size} points chosen" if chosen.size else "")
        n = self.scores.n_outside
        if n:
            beyond = f"{count(n, 'point')} outside; double-click to see all"
            self.hint.setText(" – ".join(text for text in (self.hint.text(), beyond) if text))


def _legend() -> QLabel:
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setWordWrap(True)
    return label


def _explain(label: QLabel, names: Sequence[str], colours: Sequence[str]) -> None:
    """Name the colours, above the plot: inside of it they would cover points."""
    parts = [
        f'<span style="color:{colour}">●</span>&nbsp;{html.escape(name).replace(" ", "&nbsp;")}'
        for name, colour in list(zip(names, colours, strict=False))[:MOST_NAMED]
    ]
    if len(names) > MOST_NAMED:
        parts.append(f"and {len(names) - MOST_NAMED} more")
    label.setText(" &nbsp; ".join(parts))
