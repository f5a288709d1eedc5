"""The two halves of the program, one at a time: TEM and Spectra; the second is made when it is first used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QStackedWidget, QTabBar, QWidget

from nanoai_gui.gui.widgets.layout import column

TEM, SPECTRA = "TEM", "Spectra"
TIPS = {
    TEM: "Size primary particles in electron micrographs",
    SPECTRA: "Classify Raman spectra and maps",
}


class Zooming(Protocol):
    """What the zoom commands need."""

    def fit(self) -> None:
        """Show all."""

    def zoom(self, factor: float) -> None:
        """Magnify."""


class Undoing(Protocol):
    """What the commands Undo and Redo need."""

    def undo(self) -> None:
        """Take the last step back."""

    def redo(self) -> None:
        """Do it again."""


class Tabs(QWidget):
    """A tab bar over a stack of pages.

    Parameters
    ----------
    tem
        The page that is there from the start.
    make_spectra
        Makes the other one.
    """

    changed = Signal(str)
    """Title of the page that is shown now."""

    def __init__(
        self, tem: QWidget, make_spectra: Callable[[], QWidget], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._make_spectra = make_spectra
        self.bar = QTabBar()
        self.bar.setObjectName("tabBar")
        self.bar.setDrawBase(False)
        self.bar.setExpanding(False)
        self.bar.setAccessibleName("Parts of the program")
        self.bar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # The letters of the window's shortcuts must not end here after a click on a tab.
        self.bar.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for i, title in enumerate((TEM, SPECTRA)):
            self.bar.addTab(title)
            self.bar.setTabToolTip(i, TIPS[title])
        self.stack = QStackedWidget()
        self.stack.addWidget(tem)
        layout = column(self, spacing=0)
        layout.addWidget(self.bar)
        layout.addWidget(self.stack, 1)
        self.bar.currentChanged.connect(self._show)

    @property
    def current(self) -> str:
        """Title of the page that is shown."""
        return self.bar.tabText(self.bar.currentIndex())

    @property
    def is_spectra(self) -> bool:
        """Whether the Spectra tab is shown."""
        return self.current == SPECTRA

    def show_page(self, title: str) -> None:
        """Bring a page to the front."""
        self.bar.setCurrentIndex((TEM, SPECTRA).index(title))

    def _show(self, index: int) -> None:
        if index == 1 and self.stack.count() == 1:
            self.stack.addWidget(self._make_spectra())
        self.stack.setCurrentIndex(index)
        page = self.stack.currentWidget()
        if page is not None:
            page.setFocus()
        self.changed.emit(self.current)
