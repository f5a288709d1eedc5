"""Opening: dialogs, recent files, and which tab a file belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from nanoai_gui.core.files.micrographs import READABLE_SUFFIXES
from nanoai_gui.core.resources import resource
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.projects.places import is_project
from nanoai_gui.gui.projects.questions import FILTER
from nanoai_gui.gui.settings import SettingsStore

if TYPE_CHECKING:
    from nanoai_gui.core.files.opening import Opened

SAMPLE_SPECTRA = ("spectra.csv", "map_6h.csv", "other.csv")
"""Beside a table of what each of them truly is, which is no spectrum."""


class Opening(QObject):
    """Asks for files and folders, and sorts them into images and spectra in a worker.

    Parameters
    ----------
    store
        Holds the last folder and what was opened last.
    is_spectra
        Whether spectra are what a person works on now.
    window
        Parent of the dialogs.
    """

    opened = Signal(list, object)
    """Paths asked for, and the :class:`~nanoai_gui.core.files.opening.Opened` files among them."""
    project_wanted = Signal(object, list)
    """A project, and the paths that are to be opened into it."""
    remembered = Signal()
    """The settings have changed."""

    def __init__(
        self, store: SettingsStore, runner: JobRunner, is_spectra: Callable[[], bool], window: QWidget
    ) -> None:
        super().__init__(window)
        self._store = store
        self._runner = runner
        self._is_spectra = is_spectra
        self._window = window
        self.recent_menu = QMenu("Open &recent", window)
        self.recent_menu.aboutToShow.connect(self._fill_recent)

    def open(self, paths: Iterable[Path]) -> None:
        """Find out what files and folders hold."""
        # Only now: the readers of spectra would slow down the start.
        from nanoai_gui.core.files.opening import DataKind, sort_by_kind

        wanted = [Path(path) for path in paths]
        projects = [path for path in wanted if is_project(path)]
        if projects:
            # A window has one project: of several the first.
            self.project_wanted.emit(projects[0], [path for path in wanted if path not in projects])
            return
        if not wanted:
            return
        prefer = DataKind.SPECTRA if self._is_spectra() else DataKind.IMAGES
        # In a worker: a folder on a network drive may take long to list.
        self._runner.run(sort_by_kind, wanted, prefer, on_done=lambda found: self._sorted(wanted, found))

    def _sorted(self, wanted: list[Path], found: Opened) -> None:
        if found.images or found.spectra:
            self._store.remember_recent(wanted[-1].absolute())
            self.remembered.emit()
        self.opened.emit(wanted, found)

    def ask_for_files(self) -> None:
        """Let a person choose images or spectra, whichever the tab is about."""
        if self._is_spectra():
            from nanoai_gui.core.files.spectra import SPECTRA_SUFFIXES

            title, name, suffixes = "Open spectra", "Spectra", SPECTRA_SUFFIXES
        else:
            title, name, suffixes = "Open images", "Micrographs", READABLE_SUFFIXES
        kinds = " ".join(f"*{suffix}" for suffix in sorted(suffixes))
        files, _ = QFileDialog.getOpenFileNames(
            self._window, title, self._folder(), f"{name} ({kinds});;{FILTER};;All files (*)"
        )
        if files:
            self._store.values.open_folder = str(Path(files[0]).parent)
            self.open(Path(file) for file in files)

    def ask_for_folder(self) -> None:
        """Let a person choose a folder."""
        folder = QFileDialog.getExistingDirectory(self._window, "Open a folder", self._folder())
        if folder:
            self._store.values.open_folder = folder
            self.open([Path(folder)])

    def open_samples(self) -> None:
        """Open what comes with NanoAI, whichever the tab is about."""
        if self._is_spectra():
            self.open(resource("samples", "raman", name) for name in SAMPLE_SPECTRA)
        else:
            self.open(sorted(resource("samples", "tem").glob("*.tif")))

    def _folder(self) -> str:
        """Begin where a person was last, or at home: a program from a menu may be started anywhere."""
        return self._store.values.open_folder or str(Path.home())

    def _fill_recent(self) -> None:
        menu = self.recent_menu
        menu.clear()
        for text in self._store.values.recent:
            action = menu.addAction(text.replace("&", "&&"))
            action.setData(text)
            action.triggered.connect(lambda _=False, path=text: self.open([Path(path)]))
        if not self._store.values.recent:
            menu.addAction("Nothing opened yet").setEnabled(False)
            return
        menu.addSeparator()
        menu.addAction("&Clear this list").triggered.connect(self._clear_recent)

    def _clear_recent(self) -> None:
        self._store.values.recent = []
        self.remembered.emit()
