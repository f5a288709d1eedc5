"""The Spectra tab: files and regions on the left, map and spectrum in the middle, panels on the right.

Puts views together that know only the session. A panel for the right column listens to the session by
itself and is plugged in with :meth:`SpectraTab.add_panel`.
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QSplitter, QStackedWidget, QTabWidget, QWidget

from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.figures import Figures
from nanoai_gui.gui.spectra.learning import Learning
from nanoai_gui.gui.spectra.map_panel import MapPanel
from nanoai_gui.gui.spectra.preprocessing_panel import PreprocessingPanel
from nanoai_gui.gui.spectra.region_list import RegionList
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.set_list import SetList
from nanoai_gui.gui.spectra.spectra_table import SpectraTable
from nanoai_gui.gui.spectra.spectrum_panel import SpectrumPanel
from nanoai_gui.gui.widgets.layout import GRID, column, splitter

LIST_WIDTH, SIDE_WIDTH = 216, 392
WELCOME = "Open or drop Raman spectra and maps to begin.\nNone at hand? Help, Open samples"


class SpectraTab(QWidget):
    """Everything about spectra.

    Parameters
    ----------
    session
        The model; the tab never changes it except through its methods.
    jobs
        Runs what takes longer than a frame.
    """

    laser_wanted = Signal(int)
    """Key of an entry whose laser a person wants to name."""
    labels_wanted = Signal()
    problem = Signal(str)
    """A sentence to show."""

    def __init__(self, session: SpectraSession, jobs: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self.figures = Figures(jobs, self)
        self.list = SetList(session)
        self.regions = RegionList(session)
        self.map = MapPanel(session, jobs, self.figures)
        self.spectrum = SpectrumPanel(session, jobs)
        self.preprocessing = PreprocessingPanel(session)
        self.table = SpectraTable(session)
        self.readout = QLabel()
        self.readout.setObjectName("spectraReadout")
        self.panels = QTabWidget()
        self.panels.setDocumentMode(True)
        self.panels.setObjectName("spectraPanels")
        self.panels.tabBar().setExpanding(True)
        self.panels.setUsesScrollButtons(True)
        self.add_panel("Prepare", self.preprocessing)
        self.add_panel("Table", self.table, scrolls=False)
        self.learning = Learning(session, jobs, self.figures, self)
        self.add_panel("Train", self.learning.training)
        self.add_panel("PCA", self.learning.components)
        self.add_panel("Classify", self.learning.prediction)
        self._lay_out()
        self.list.laser_wanted.connect(self.laser_wanted)
        self.table.labels_wanted.connect(self.labels_wanted)
        self.map.problem.connect(self.problem)
        self.regions.problem.connect(self.problem)
        self.map.readout_changed.connect(self.readout.setText)
        self.map.plot.hovered.connect(self.learning.prediction.hover)
        self.preprocessing.problem.connect(self.problem)
        self.spectrum.problem_changed.connect(self.preprocessing.show_problem)
        session.current_changed.connect(self._show_set)
        self._show_set()

    def add_panel(self, title: str, widget: QWidget, *, scrolls: bool = True) -> None:
        """Add a panel to the right column.

        Parameters
        ----------
        title
            One short word: all panels share one row of some 390 px.
        widget
            Listens to the session by itself. With ``scrolls`` it is put into a vertical scroll area and may
            be as tall as it likes; it must get along with 280 px of width.
        """
        if scrolls:
            area = QScrollArea()
            area.setWidget(widget)
            area.setWidgetResizable(True)
            area.setFrameShape(QFrame.Shape.NoFrame)
            area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            self.panels.addTab(area, title)
        else:
            self.panels.addTab(widget, title)

    def show_panel(self, title: str) -> None:
        """Bring a panel to the front."""
        for i in range(self.panels.count()):
            if self.panels.tabText(i) == title:
                self.panels.setCurrentIndex(i)

    @property
    def splitters(self) -> Mapping[str, QSplitter]:
        """The dividers whose places are remembered, by name."""
        return self._splitters

    def shut_down(self) -> None:
        """Stop what runs; nothing may be shown after this."""
        self.map.shut_down()
        self.spectrum.shut_down()
        self.learning.shut_down()

    def _lay_out(self) -> None:
        left = splitter(Qt.Orientation.Vertical, (self.list, 3), (self.regions, 2))
        self._plots = splitter(Qt.Orientation.Vertical, (self.map, 3), (self.spectrum, 2))
        welcome = QLabel(WELCOME)
        welcome.setAlignment(Qt.AlignmentFlag.AlignCenter)
        welcome.setMargin(GRID)
        self._middle = QStackedWidget()
        self._middle.addWidget(welcome)
        self._middle.addWidget(self._plots)
        across = splitter(Qt.Orientation.Horizontal, (left, 0), (self._middle, 1), (self.panels, 0))
        across.setSizes([LIST_WIDTH, 10_000, SIDE_WIDTH])
        self._plots.setSizes([560, 440])
        left.setMinimumWidth(150)
        self.panels.setMinimumWidth(300)
        self._splitters = {"spectra across": across, "spectra left": left, "spectra plots": self._plots}
        column(self, spacing=0).addWidget(across)

    def _show_set(self) -> None:
        spectra = self._session.spectra
        self._middle.setCurrentIndex(0 if spectra is None else 1)
        has_map = spectra is not None and spectra.grid is not None
        self.map.setVisible(has_map)
        self.regions.setVisible(has_map)
        self.readout.setText("")
