"""The Spectra tab: files on the left, map and spectrum in the middle, panels on the right.

Puts views together that know only the session.
"""

from __future__ import annotations

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QSplitter, QTabWidget, QWidget

from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.widgets.layout import column

LIST_WIDTH, SIDE_WIDTH = 200, 392


class SpectraTab(QWidget):
    """Everything about spectra.

    Parameters
    ----------
    session
        The model; the tab never changes it except through its methods.
    jobs
        Runs what takes longer than a frame.
    """

    def __init__(self, session: SpectraSession, jobs: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self.panels = QTabWidget()
        self.panels.setDocumentMode(True)
        self.panels.setObjectName("spectraPanels")
        self._lay_out()

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

    def save_layout(self) -> dict[str, bytes]:
        """Give the positions of the dividers."""
        return {name: bytes(splitter.saveState().data()) for name, splitter in self._splitters.items()}

    def restore_layout(self, state: dict[str, bytes]) -> None:
        """Put the dividers back; what does not fit is ignored."""
        for name, splitter in self._splitters.items():
            if name in state:
                splitter.restoreState(QByteArray(state[name]))

    def shut_down(self) -> None:
        """Stop threads; nothing may be shown after this."""

    def _lay_out(self) -> None:
        across = QSplitter(Qt.Orientation.Horizontal)
        across.addWidget(self.panels)
        self._splitters = {"spectra across": across}
        column(self, spacing=0).addWidget(across)
