"""Saving, naming and copying projects as a person asks for it, and opening another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.projects.places import SUFFIX
from nanoai_gui.gui.projects.questions import ask_for_place, ask_for_project
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea

if TYPE_CHECKING:
    from nanoai_gui.gui.projects.projects import Projects

LAST_TRY_SECONDS = 2.0


class Naming:
    """Does what the commands of the menu say.

    Parameters
    ----------
    projects, session
        The project of the window, and its images, whose folder is proposed for it.
    runner, settings, notices, window
        What the window lends it.
    """

    def __init__(
        self,
        projects: Projects,
        session: TemSession,
        runner: JobRunner,
        settings: SettingsStore,
        notices: NoticeArea,
        window: QWidget,
    ) -> None:
        self._projects = projects
        self._session = session
        self._runner = runner
        self._settings = settings
        self._notices = notices
        self._window = window

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Give what the commands of the menu do."""
        return {
            "new_project": self._projects.new,
            "open_project": self.ask_to_open,
            "save_project": self.save,
            "save_project_as": self.ask_to_save_as,
            "duplicate_project": self.ask_to_duplicate,
        }

    def ask_to_open(self) -> None:
        """Let a person choose a project."""
        path = ask_for_project(self._window, self._settings.values.project_folder)
        if path is not None:
            self._settings.values.project_folder = str(path.parent)
            self._projects.open(path)

    def save(self) -> None:
        """Write now; ask for a name where there is none."""
        projects = self._projects
        if not projects.is_named or projects.is_read_only:
            self.ask_to_save_as()
        elif projects.flush(LAST_TRY_SECONDS):
            assert projects.path is not None
            self._notices.show(f"{projects.path.name} is saved. It always is, a moment after each change.")

    def ask_to_save_as(self) -> None:
        """Let a person say under which name to go on."""
        path = ask_for_place(self._window, "Save the project as", self._proposal(""))
        if path is not None and path.absolute() == self._projects.path and not self._projects.is_read_only:
            self.save()
        elif path is not None:
            self._projects.save_as(path)

    def ask_to_duplicate(self) -> None:
        """Let a person say where to put a copy."""
        path = ask_for_place(self._window, "Duplicate the project", self._proposal(" copy"))
        if path is not None:
            self.duplicate(path)

    def _proposal(self, more: str) -> Path:
        path = self._projects.path
        if path is not None and self._projects.is_named:
            return path.with_name(f"{path.stem}{more}{SUFFIX}")
        entries = self._session.entries()
        folder = self._settings.values.project_folder or self._settings.values.open_folder
        if entries:
            return Path(folder or entries[0].path.parent) / f"{entries[0].path.parent.name}{SUFFIX}"
        return Path(folder) / f"Project{SUFFIX}"

    def duplicate(self, path: Path) -> None:
        """Write a copy and go on in the present file."""
        from nanoai_gui.gui.projects.work import write_copy

        path, projects = path.absolute(), self._projects
        if path == projects.path:
            self._notices.show("A copy needs another name.", Kind.WARNING)
            return
        if projects.path is None:
            self._notices.show("There is nothing to duplicate yet.", Kind.WARNING)
            return
        projects.hand_over_all()

        def done(error: NanoAIError | None) -> None:
            if error is not None:
                self._notices.show(str(error), Kind.WARNING)
                return
            self._settings.remember_project(path)
            self._settings.values.project_folder = str(path.parent)
            self._notices.show(f"A copy is in {path.name}.", command=("Open it", lambda: projects.open(path)))

        self._runner.run_in_thread(write_copy, projects.writer, projects.path, path, on_done=done)
