"""The menu of recent projects, those without a name too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMenu, QWidget

from nanoai_gui.gui.projects.places import list_unnamed, title_of, unnamed_folder
from nanoai_gui.gui.settings import SettingsStore

if TYPE_CHECKING:
    from nanoai_gui.gui.projects.projects import Projects

MOST_UNNAMED = 8


class RecentProjects:
    """Fills its menu whenever it is opened: files come and go."""

    def __init__(self, projects: Projects, settings: SettingsStore, window: QWidget) -> None:
        self._projects = projects
        self._settings = settings
        self.menu = QMenu("Recent pro&jects", window)
        self.menu.setToolTipsVisible(True)
        self.menu.aboutToShow.connect(self._fill)

    def _fill(self) -> None:
        menu = self.menu
        menu.clear()
        named = [Path(text) for text in self._settings.values.recent_projects]
        for path in named:
            self._add(path)
        unnamed = [path for path in list_unnamed() if path != self._projects.path][:MOST_UNNAMED]
        if named and unnamed:
            menu.addSeparator()
        for path in unnamed:
            self._add(path)
        if unnamed:
            menu.addSeparator()
            menu.addAction("&Show unnamed work in its folder").triggered.connect(_show_unnamed)
        if not named and not unnamed:
            menu.addAction("No projects yet").setEnabled(False)

    def _add(self, path: Path) -> None:
        action = self.menu.addAction(title_of(path).replace("&", "&&"))
        action.setData(str(path))
        action.setToolTip(str(path))
        action.setEnabled(path.is_file())
        action.triggered.connect(lambda: self._projects.open(path))


def _show_unnamed() -> None:
    """Open the folder, where what is no longer wanted can be deleted: NanoAI never does that."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(unnamed_folder())))
