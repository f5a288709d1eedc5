"""What can be done where a project cannot simply be opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.projects.places import SUFFIX
from nanoai_gui.gui.projects.questions import ask_for_place
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea

if TYPE_CHECKING:
    from nanoai_gui.core.project.salvaging import Salvaged
    from nanoai_gui.gui.projects.projects import Projects


class WaysOut:
    """Offers to read a project that cannot be written, to copy it, or to save what can be read of it."""

    def __init__(self, projects: Projects, runner: JobRunner, notices: NoticeArea, window: QWidget) -> None:
        self._projects = projects
        self._runner = runner
        self._notices = notices
        self._window = window

    def find(self, path: Path, error: NanoAIError, then: Callable[[], object] | None, is_quiet: bool) -> None:
        """Ask what to do about a project that cannot be opened, or say why nothing can be done.

        ``is_quiet``: it is the project of last time, and nobody asked for it.
        """
        from nanoai_gui.core.project.errors import DamagedProject, ProjectInUse, ProjectReadOnly

        if is_quiet and isinstance(error, ProjectInUse):
            return
        if isinstance(error, ProjectInUse | ProjectReadOnly):
            title = "Project in use" if isinstance(error, ProjectInUse) else "Read-only project"
            self._projects.ask(title, error, [
                ("Open for reading", lambda: self._projects.open(path, read_only=True, then=then)),
                ("Work on a copy...", lambda: self._open_copy(path, then)),
            ])  # fmt: skip
        elif isinstance(error, DamagedProject):
            self._projects.ask(
                "Damaged project", error, [("Save what can be read", lambda: self._salvage(path, then))]
            )
        else:
            self._notices.show(str(error), Kind.WARNING)

    def _open_copy(self, path: Path, then: Callable[[], object] | None) -> None:
        from nanoai_gui.gui.projects.work import write_copy

        target = ask_for_place(self._window, "Work on a copy", path.with_name(f"{path.stem} copy{SUFFIX}"))
        if target is None or target == path:
            return

        def done(error: NanoAIError | None) -> None:
            if error is not None:
                self._notices.show(str(error), Kind.WARNING)
            else:
                self._projects.open(target, then=then)

        self._runner.run_in_thread(write_copy, None, path, target, on_done=done)

    def _salvage(self, path: Path, then: Callable[[], object] | None) -> None:
        from nanoai_gui.core.project.salvaging import describe_salvage
        from nanoai_gui.gui.projects.work import try_salvage

        def done(found: Salvaged | NanoAIError) -> None:
            if isinstance(found, NanoAIError):
                self._notices.show(str(found), Kind.WARNING)
                return

            def tell() -> None:
                self._notices.show(describe_salvage(path, found), Kind.WARNING)
                if then is not None:
                    then()

            self._projects.open(found.path, then=tell)

        self._runner.run_in_thread(try_salvage, path, None, on_done=done)
