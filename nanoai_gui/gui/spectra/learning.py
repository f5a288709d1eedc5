"""The three panels about models: Train, PCA and Classify, and what ties them to each other and to the map."""

from __future__ import annotations

from PySide6.QtCore import QObject

from nanoai_gui.core.spectra.training import TrainedSpectra
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.figures import Figures
from nanoai_gui.gui.spectra.pca_view import PcaView
from nanoai_gui.gui.spectra.prediction_panel import PredictionPanel
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.training_panel import TrainingPanel


class Learning(QObject):
    """Owns nothing but the ties; the panels belong to whoever lays them out."""

    def __init__(
        self, session: SpectraSession, jobs: JobRunner, figures: Figures, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.training = TrainingPanel(session, jobs, figures)
        self.components = PcaView(session, figures)
        self.prediction = PredictionPanel(session, jobs, figures)
        self.training.trained.connect(self._show_scores)

    def shut_down(self) -> None:
        """Stop what runs; nothing may be shown after this."""
        self.training.shut_down()
        self.prediction.shut_down()

    def _show_scores(self, trained: TrainedSpectra) -> None:
        if self.training.places is not None:
            self.components.set_trained(trained, self.training.places)
