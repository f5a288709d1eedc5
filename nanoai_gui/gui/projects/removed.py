"""Measured images that were taken off the list are kept in the project, and can be put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.projects.questions import tell_problems
from nanoai_gui.gui.widgets.notice import NoticeArea

if TYPE_CHECKING:
    from nanoai_gui.core.editing.history import History
    from nanoai_gui.core.project.records import StoredImage
    from nanoai_gui.gui.projects.projects import Projects


class Removed:
    """Offers to put back what was just taken off the list."""

    def __init__(self, projects: Projects, runner: JobRunner, notices: NoticeArea) -> None:
        self._projects = projects
        self._runner = runner
        self._notices = notices
        projects.recorder.removed.connect(self._offer)

    def _offer(self, keys: list[int]) -> None:
        images = "1 measured image was" if len(keys) == 1 else f"{len(keys)} measured images were"
        self._notices.show(f"{images} taken off the list.", command=("Put back", lambda: self.put_back(keys)))

    def put_back(self, keys: list[int]) -> None:
        """Put images back with their results and steps."""
        from nanoai_gui.gui.projects.work import read_removed

        self._projects.recorder.flush()
        writer = self._projects.writer
        if writer is None:
            return

        def done(found: tuple[list[StoredImage], dict[int, History], list[str]]) -> None:
            images, histories, problems = found
            tell_problems(self._notices, problems)
            if self._projects.writer is writer:
                self._projects.recorder.put_back(images, histories)

        self._runner.run_in_thread(read_removed, writer, keys, on_done=done)
