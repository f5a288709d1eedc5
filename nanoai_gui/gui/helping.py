"""What the menu Help leads to, and what the program tells of itself."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QWidget

from nanoai_gui.gui.errors import default_log_path
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea


class Helping(QObject):
    """The commands of the menu Help.

    Parameters
    ----------
    store, notices
        The settings, whose file About names, and where to say something.
    """

    def __init__(self, store: SettingsStore, notices: NoticeArea, parent: QWidget) -> None:
        super().__init__(parent)
        self._window = parent
        self._store = store
        self._notices = notices
        self._guide: QDialog | None = None

    def show_guide(self) -> None:
        """Open the guide beside the window; what is open already comes to the front."""
        from nanoai_gui.gui.guide import GuideWindow

        if self._guide is None:
            self._guide = GuideWindow(self._window)
        self._guide.show()
        self._guide.raise_()
        self._guide.activateWindow()

    def show_shortcuts(self) -> None:
        """Open the sheet of keys and gestures."""
        from nanoai_gui.gui.help import ShortcutSheet

        self._open(ShortcutSheet(parent=self._window))

    def show_log(self) -> None:
        """Open the folder of the log file and of crash reports."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(default_log_path().parent)))

    def show_about(self) -> None:
        """Open versions, licences and folders."""
        from nanoai_gui.gui.help import AboutDialog

        self._open(AboutDialog(self._store.path, default_log_path(), self._window))

    def tell_of_crash(self, report: Path) -> None:
        """Say that the program ended badly last time, and where that was written down."""
        self._notices.show(
            "NanoAI ended unexpectedly last time. What is known of it stands, on this computer only, in "
            f"{report}.",
            Kind.WARNING,
        )

    @staticmethod
    def _open(dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
