"""What classes have in common that carry out commands of the menus on the images of the session."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.notice import NoticeArea


class Commands(QObject):
    """Some commands of the window, with what they need of it.

    Parameters
    ----------
    session, runner, store
        What they work on, who works for them, and the settings, where the last folders are.
    notices
        Where they say what came of it.
    window
        Parent of their dialogs.
    """

    def __init__(
        self,
        session: TemSession,
        runner: JobRunner,
        store: SettingsStore,
        notices: NoticeArea,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session = session
        self._runner = runner
        self._store = store
        self._notices = notices
        self._window = window

    def _tell(self, text: str, folder: Path | None = None) -> None:
        """Say something, and offer to show the folder it is about."""
        if folder is None:
            self._notices.show(text)
            return
        url = QUrl.fromLocalFile(str(folder))
        self._notices.show(text, command=("Show folder", lambda: QDesktopServices.openUrl(url)))
