"""Are the images of a project still the files that were measured? Looks in a worker, and offers to search."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QFileDialog, QWidget

from nanoai_gui.core.jobs import Priority
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea

if TYPE_CHECKING:
    from nanoai_gui.core.project.records import ProjectContent
    from nanoai_gui.core.project.sources import Fingerprint, Source, SourceCheck
    from nanoai_gui.core.project.store import ProjectStore
    from nanoai_gui.gui.projects.projects import Projects

AT_A_TIME = 4
PAUSE_MS = 500
"""After images were added: a person looks at the first one, and the disk is better left to that."""


class SourceKeeper(QObject):
    """Takes checksums of images, compares them when a project is opened, and searches for lost ones.

    Parameters
    ----------
    projects, session
        Whose images are looked after.
    runner, notices, window
        What the window lends it.
    """

    def __init__(
        self,
        projects: Projects,
        session: TemSession,
        runner: JobRunner,
        notices: NoticeArea,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._projects = projects
        self._session = session
        self._runner = runner
        self._notices = notices
        self._window = window
        self._known: dict[Path, Fingerprint] = {}
        self._changed: set[int] = set()
        self._lost: dict[int, Source] = {}
        self._waiting: deque[Path] = deque()
        self._late: dict[Path, Fingerprint] = {}
        self._is_busy = False
        self._told = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.timeout.connect(self._take_more)
        session.entries_added.connect(self._on_added)
        session.entry_changed.connect(self._on_changed)
        projects.opened.connect(self._on_opened)
        projects.emptied.connect(self._forget)

    def _forget(self) -> None:
        self._known.clear()
        self._changed.clear()
        self._lost.clear()
        self._waiting.clear()
        self._late.clear()
        # Images of the next project may have the same numbers.
        self._runner.cancel(self)
        self._notices.remove(self._told)

    # ------------------------------------------------------------------ taking checksums

    def _on_added(self, keys: list[int]) -> None:
        self._waiting.extend(self._session.entry(key).path for key in keys)
        self._timer.start()

    def _on_changed(self, key: int) -> None:
        if key in self._lost and key in self._session:
            # That it cannot be read is said already, and what to do about it.
            error = self._session.entry(key).error
            QTimer.singleShot(0, self, lambda: self._notices.remove(error))
        if key in self._changed and key in self._session and not self._session.entry(key).has_changed:
            # Measured anew: the file as it is now is the one that counts.
            self._changed.discard(key)
            path = self._session.entry(key).path
            self._known.pop(path, None)
            self._waiting.append(path)
            self._timer.start()

    def _take_more(self) -> None:
        late, self._late = self._late, {}
        self._remember(late)
        if self._is_busy or self._projects.is_read_only:
            return
        paths: list[Path] = []
        while self._waiting and len(paths) < AT_A_TIME:
            path = self._waiting.popleft()
            if path not in self._known and path not in paths:
                paths.append(path)
        if not paths:
            return
        from nanoai_gui.core.project.sources import take_fingerprints

        self._is_busy = True
        self._runner.run(
            take_fingerprints, paths, on_done=self._took, on_error=lambda _: self._took({}),
            priority=Priority.BACKGROUND,
        )  # fmt: skip

    def _took(self, taken: Mapping[Path, Fingerprint]) -> None:
        self._is_busy = False
        self._remember(taken)
        if self._waiting:
            self._timer.start()

    def _remember(self, taken: Mapping[Path, Fingerprint]) -> None:
        here = {entry.path for entry in self._session.entries()}
        fresh = {path: found for path, found in taken.items() if path in here}
        if fresh and self._projects.recorder.is_held:
            # While the project is written to another file this would stand in the old one only.
            self._late.update(fresh)
            self._timer.start()
            return
        self._known.update(fresh)
        if fresh:
            # After the images themselves, which are handed over first.
            self._projects.recorder.flush()

            def write(store: ProjectStore) -> None:
                for path, found in fresh.items():
                    store.put_fingerprint(path, found)

            if not self._projects.write(write, is_work=False):
                for path in fresh:
                    del self._known[path]

    # ------------------------------------------------------------------ when a project is opened

    def _on_opened(self, content: ProjectContent, project: Path) -> None:
        from nanoai_gui.core.project.sources import check_sources

        sources = {image.number: image.source for image in content.images}
        for source in sources.values():
            if source.fingerprint is not None and source.fingerprint.sha256:
                self._known[source.path] = source.fingerprint
        if sources:
            self._runner.run(
                check_sources, sources, project, priority=Priority.BACKGROUND,
                on_done=lambda found: self._checked(sources, found), key=self,
            )  # fmt: skip

    def _checked(self, sources: Mapping[int, Source], found: Mapping[int, SourceCheck]) -> None:
        from nanoai_gui.core.project.sources import SourceState

        fresh: dict[Path, Fingerprint] = {}
        changed = []
        for key, check in found.items():
            if key not in self._session:
                continue
            if check.state is SourceState.MISSING:
                self._notices.remove(self._session.entry(key).error)
                self._lost[key] = sources[key]
                self._session.fail(
                    key, f"{check.path.name} is no longer in {check.path.parent}.", is_unreadable=True
                )
                continue
            self._lost.pop(key, None)
            if check.path != self._session.entry(key).path:
                self._session.set_path(key, check.path)
            if check.state is SourceState.CHANGED:
                self._changed.add(key)
                self._session.mark_changed(key)
                changed.append(check.path.name)
            elif check.fingerprint is not None and check.fingerprint.sha256:
                fresh[check.path] = check.fingerprint
        self._remember(fresh)
        self._tell(changed)

    def _tell(self, changed: list[str]) -> None:
        self._notices.remove(self._told)
        if changed:
            files = f"{changed[0]} has" if len(changed) == 1 else f"{len(changed)} images have"
            self._notices.show(
                f"{files} changed since being measured. Results are those of the files as they were; "
                "analyse again to renew them.",
                Kind.WARNING,
            )
        if self._lost:
            names = [source.path.name for source in self._lost.values()]
            files = f"{names[0]} is" if len(names) == 1 else f"{names[0]} and {len(names) - 1} more are"
            self._told = f"{files} no longer where the project left them. Their results are kept."
            if len(names) == 1:
                self._told = f"{files} no longer where the project left it. Its results are kept."
            self._notices.show(self._told, Kind.WARNING, ("Search in a folder...", self.ask_for_folder))

    # ------------------------------------------------------------------ searching

    def ask_for_folder(self) -> None:
        """Let a person say where the lost images may be."""
        folder = QFileDialog.getExistingDirectory(self._window, "Where are the images now?", "")
        if folder:
            self.search(Path(folder))

    def search(self, folder: Path) -> None:
        """Look for the lost images in a folder and all below it."""
        from nanoai_gui.core.project.sources import find_again

        sources = dict(self._lost)

        def done(found: Mapping[int, SourceCheck]) -> None:
            n_before = len(self._lost)
            self._checked(sources, found)
            n_found = n_before - len(self._lost)
            if n_found:
                # A person went to look for them: worth a copy of what can only be read.
                self._projects.recorder.flush(is_work=True)
                self._notices.show(
                    "1 image found again." if n_found == 1 else f"{n_found} images found again."
                )
            elif sources:
                self._notices.show(f"None of them is in {folder.name}.", Kind.WARNING)

        self._runner.run(find_again, sources, folder, on_done=done, key=self)
