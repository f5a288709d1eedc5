"""The project of the window: which file it is, and how it is begun, opened, named, copied and left.

Work that was never named lives in a project of its own in the user's data folder, so that nothing can be lost
and leaving asks nothing; the next start goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.jobs import Failure
from nanoai_gui.gui.errors import ErrorReporter
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.projects.menu import RecentProjects
from nanoai_gui.gui.projects.naming import LAST_TRY_SECONDS, Naming
from nanoai_gui.gui.projects.places import is_unnamed, new_unnamed, places_beside, title_of
from nanoai_gui.gui.projects.questions import Choice, Slow, ask, tell_problems
from nanoai_gui.gui.projects.recorder import TemRecorder
from nanoai_gui.gui.projects.removed import Removed
from nanoai_gui.gui.projects.sources import SourceKeeper
from nanoai_gui.gui.projects.ways_out import WaysOut
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.tem.batch import Batch
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea

if TYPE_CHECKING:
    from nanoai_gui.core.project.store import ProjectStore
    from nanoai_gui.core.project.writer import ProjectWriter, Write
    from nanoai_gui.gui.projects.spectra import SpectraRecorder
    from nanoai_gui.gui.projects.work import Prepared
    from nanoai_gui.gui.spectra.session import SpectraSession

SAVED = "Everything is saved again."


class Projects(QObject):
    """Keeps what a person works on in a file.

    Parameters
    ----------
    session, batch
        What is kept, and what goes on by itself after a start.
    runner, store, notices, reporter
        What the window lends it.
    window
        Parent of its questions.
    """

    changed = Signal()
    """Another project, another name, or it is saved or not."""
    opened = Signal(object, object)
    """A project was opened and its images are in the session: what it holds, and its file."""
    emptied = Signal()
    """The project before was left: everything is to be cleared."""
    _trouble = Signal(object, object)
    _defect = Signal(object)

    def __init__(
        self,
        session: TemSession,
        batch: Batch,
        runner: JobRunner,
        store: SettingsStore,
        notices: NoticeArea,
        reporter: ErrorReporter,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session = session
        self._batch = batch
        self._runner = runner
        self._settings = store
        self._notices = notices
        self._window = window
        self._writer: ProjectWriter | None = None
        self._path: Path | None = None
        self._is_read_only = False
        self._is_busy = False
        self._is_left = False
        self._is_to_close = False
        self._has_left_one = False
        self._in_hand: list[Prepared] = []
        self._told = ""
        self._ways_out = WaysOut(self, runner, notices, window)
        self.recorder = TemRecorder(session, self.write, self)
        self.spectra: SpectraRecorder | None = None
        self._spectra_parts: dict[str, bytes] = {}
        self.recent = RecentProjects(self, store, window)
        self.naming = Naming(self, session, runner, store, notices, window)
        self.sources = SourceKeeper(self, session, runner, notices, window)
        self._removed = Removed(self, runner, notices)
        session.unfit.connect(lambda sentence: notices.show(sentence, Kind.WARNING))
        self._trouble.connect(self._on_trouble)
        self._defect.connect(reporter.report_error)

    # ------------------------------------------------------------------ what it is

    @property
    def path(self) -> Path | None:
        """The file; ``None`` while there is nothing to keep."""
        return self._path

    @property
    def writer(self) -> ProjectWriter | None:
        """The thread that writes it; ``None`` while there is nothing to write."""
        return self._writer

    @property
    def is_named(self) -> bool:
        """Whether a person gave it a name."""
        return self._path is not None and not is_unnamed(self._path)

    @property
    def title(self) -> str:
        """The name as the title of the window shows it; empty while there is none."""
        name = title_of(self._path) if self._path is not None and self.is_named else ""
        if self._is_read_only:
            name += " (read only)"
        if self.has_trouble:
            name = f"{name} (not saved)".strip()
        return name

    @property
    def is_read_only(self) -> bool:
        """Whether it was opened for reading, and nothing has been changed since."""
        return self._is_read_only

    @property
    def has_trouble(self) -> bool:
        """Whether writing fails just now."""
        return self._writer is not None and self._writer.trouble is not None

    # ------------------------------------------------------------------ writing

    def write(self, write: Write, is_work: bool = True) -> bool:
        """Have something written; a project is made for it if there is none yet, and it is work.

        False if it is not written, since there is no project and nothing to make one for.
        """
        if self._is_left or (self._writer is None and not is_work):
            return False
        if self._writer is None:
            self._make_unnamed()
        assert self._writer is not None
        self._writer.put(write)
        return True

    def _make_unnamed(self) -> None:
        from nanoai_gui.core.project.store import ProjectStore
        from nanoai_gui.gui.projects.work import copy_and_open

        path, origin = new_unnamed(), self._path if self._is_read_only else None
        if origin is None:
            self._use(self._start(lambda: ProjectStore.create(path)), path)
        else:
            # What was read cannot be written: the work goes on in a copy.
            self._use(self._start(lambda: copy_and_open(origin, path)), path)
            self._notices.show(
                f"{origin.name} was opened for reading only, so your changes go into a copy.",
                command=("Save it as...", self.naming.ask_to_save_as),
            )

    def _start(self, store: ProjectStore | Callable[[], ProjectStore]) -> ProjectWriter:
        from nanoai_gui.core.project.writer import ProjectWriter

        made: list[ProjectWriter] = []
        made.append(ProjectWriter(store, lambda error: self._trouble.emit(made[0], error), self._defect.emit))
        return made[0]

    def _use(self, writer: ProjectWriter | None, path: Path | None, is_read_only: bool = False) -> None:
        self._writer, self._path, self._is_read_only = writer, path, is_read_only
        if path is not None:
            self._settings.values.last_project = str(path)
            if not is_unnamed(path):
                self._settings.remember_project(path)
            # At once: after a kill the next start must know where to go on.
            self._settings.save()
        self.changed.emit()

    def flush(self, timeout: float = 10.0) -> bool:
        """Write now what has changed; false if that fails."""
        self.hand_over_all()
        return self._writer is None or self._writer.flush(timeout)

    def hand_over_all(self) -> None:
        """Hand over what has changed, to be written in a moment."""
        self.recorder.flush()
        if self.spectra is not None:
            self.spectra.flush()

    def attach_spectra(self, session: SpectraSession) -> None:
        """Look after the Spectra tab too, from now on, and fill it with what the project holds for it."""
        from nanoai_gui.gui.projects.spectra import SpectraRecorder

        self.spectra = SpectraRecorder(
            session, self.write, lambda: str(self._path or ""), self._runner, self._notices, self
        )
        parts, self._spectra_parts = self._spectra_parts, {}
        if parts and self._path is not None:
            self.spectra.install(parts, self._path)

    def _on_trouble(self, writer: ProjectWriter, error: NanoAIError | None) -> None:
        from nanoai_gui.core.project.errors import ProjectBroken

        if writer is not self._writer:
            return  # left since
        self._notices.remove(self._told)
        if isinstance(error, ProjectBroken) and self._path is not None:
            self._leave_broken(error, places_beside(self._path))
        elif error is not None:
            self._tell_trouble(error)
        else:
            self._told = ""
            self._notices.show(SAVED)
        self.changed.emit()

    def _tell_trouble(self, error: NanoAIError) -> None:
        self._told = f"{error} NanoAI keeps trying; your work is still here."
        self._notices.show(self._told, Kind.WARNING, ("Save it elsewhere...", self.naming.ask_to_save_as))

    # ------------------------------------------------------------------ beginning and opening

    def new(self) -> None:
        """Leave the project and begin an empty one."""
        if self.recorder.is_held:
            self._notices.show("The project is just being written to another file: try again in a moment.")
            return
        self._leave(self._begin_empty)

    def _begin_empty(self) -> None:
        self._settings.values.last_project = ""
        self._settings.save()
        self._notices.clear()

    def open_quietly(self, path: Path, then: Callable[[], object]) -> None:
        """Open the project of last time; that another window has it open is nothing to be asked about."""
        self.open(path, then=then, is_quiet=True)

    def open(
        self,
        path: Path,
        *,
        read_only: bool = False,
        then: Callable[[], object] | None = None,
        is_quiet: bool = False,
    ) -> None:
        """Open a project in the place of the one that is open; ``then`` is called once it is.

        Where it cannot be opened, a question names the reason and the ways out.
        """
        from nanoai_gui.gui.projects.work import try_open

        path = path.absolute()
        if self._is_busy or (path == self._path and not self._is_read_only):
            if not self._is_busy and then is not None:
                then()
            return
        self._is_busy = True

        def work() -> Prepared | NanoAIError:
            found = try_open(path, read_only)
            if not isinstance(found, NanoAIError):
                self._in_hand.append(found)
            return found

        slow = Slow(self._notices, f"Opening {path.name} ...")

        def done(found: Prepared | NanoAIError) -> None:
            self._is_busy = False
            slow.ended()
            if isinstance(found, NanoAIError):
                self._ways_out.find(path, found, then, is_quiet)
            else:
                self._leave(lambda: self._install(found, then), lambda: self._give_back(found))

        self._runner.run_in_thread(work, on_done=done, on_error=self._on_failure)

    def _on_failure(self, failure: Failure) -> None:
        """Be free for the next try after a defect."""
        self._is_busy = self._is_to_close = False
        self.recorder.release()
        self._runner.failed.emit(failure)

    def _give_back(self, prepared: Prepared) -> None:
        self._in_hand.remove(prepared)
        if prepared.project.store is not None:
            prepared.project.store.close()

    def _install(self, prepared: Prepared, then: Callable[[], object] | None) -> None:
        self._in_hand.remove(prepared)
        found = prepared.project
        writer = None if found.store is None else self._start(found.store)
        self._use(writer, found.path, found.store is None)
        content = found.content
        self._session.reserve_keys(content.next_number)
        pending = self.recorder.install(content.images, prepared.histories, content.facts.get("tem"))
        if self.spectra is not None:
            self.spectra.install(content.spectra, found.path)
        else:
            # The tab, with all it needs, is made when it is first looked at.
            self._spectra_parts = dict(content.spectra)
        self.opened.emit(content, found.path)
        kept = "" if prepared.damaged is None else f"As it was, it is kept as {prepared.damaged.name}."
        tell_problems(self._notices, prepared.problems, kept)
        if found.backup is not None:
            self._notices.show(
                f"{found.path.name} was brought to the format of this version; as it was, it is kept as "
                f"{found.backup.name}."
            )
        if pending and not self._is_read_only:
            images = "1 image" if len(pending) == 1 else f"{len(pending)} images"
            self._notices.show(f"Going on where the analysis was stopped: {images} to measure.")
            self._batch.start(pending)
        if then is not None:
            then()

    def ask(self, title: str, error: NanoAIError, choices: list[Choice]) -> None:
        """Ask a person what to do about an error."""
        ask(self._window, title, error.message, error.advice, choices)

    # ------------------------------------------------------------------ going on elsewhere

    def save_as(self, path: Path) -> None:
        """Go on in a file of another name; the one before stays as it is (an unnamed one goes)."""
        path = path.absolute()
        if self._is_busy or (path == self._path and not self._is_read_only):
            return
        self.hand_over_all()
        if self._writer is None:
            self._make_unnamed()
        self._go_on_in(path, lambda before: self._notices.show(f"The project is {path.name} from now on."))

    def _leave_broken(self, error: NanoAIError, places: list[Path]) -> None:
        """Go on in a new file without being asked: the one there is takes the work no more."""
        if self._is_busy or not places:
            # Asked for already, or nothing more to try: a person may know another disk.
            self._tell_trouble(error)
            return
        path, *others = places

        # What one new file could not take either must not be carried into the next.
        is_copied, self._has_left_one = not self._has_left_one, True

        def tell(before: Path) -> None:
            self._notices.show(
                f"{error} You go on in {path.name}, which holds all that you see; {before.name} is kept as "
                "it was.",
                Kind.WARNING,
                ("Save it as...", self.naming.ask_to_save_as),
            )

        self._go_on_in(path, tell, lambda why: self._leave_broken(error, others), is_copied)

    def _go_on_in(
        self,
        path: Path,
        tell: Callable[[Path], object],
        failed: Callable[[NanoAIError], object] | None = None,
        is_copied: bool = True,
    ) -> None:
        """Write all there is into another file and go on there; then ``tell`` (given the file before)."""
        from nanoai_gui.core.project.errors import ProjectBroken
        from nanoai_gui.core.project.writer import Journalled
        from nanoai_gui.gui.projects.work import save_elsewhere, write_anew

        writer, before = self._writer, self._path
        assert writer is not None and before is not None
        self._is_busy = True
        self.recorder.hold()
        slow = Slow(self._notices, f"Writing {path.name} ...")
        made: list[Write] = []

        def done(found: ProjectStore | NanoAIError | None) -> None:
            if found is None:
                # The file cannot be written: what the window holds counts, and what else the file holds.
                made.append(self._everything())
                self._runner.run_in_thread(
                    write_anew,
                    Journalled(made[0], writer.unwritten_lines()),
                    path,
                    before if is_copied else None,
                    on_done=done,
                    on_error=self._on_failure,
                )
                return
            self._is_busy = False
            slow.ended()
            if isinstance(found, NanoAIError):
                self._is_to_close = False
                for everything in made:
                    # What changes from now on is written as a change of that.
                    writer.put(everything, "everything")
                self.recorder.release()
                if failed is None:
                    self._notices.show(str(found), Kind.WARNING)
                else:
                    failed(found)
                return
            if failed is None:
                self._settings.values.project_folder = str(path.parent)
            self._notices.remove(self._told)
            self._use(self._start(found), path)
            self.recorder.release()
            is_broken = isinstance(writer.trouble, ProjectBroken)
            writer.close(0.0 if is_broken else LAST_TRY_SECONDS, delete=is_unnamed(before) and not is_broken)
            tell(before)
            if self._is_to_close:
                self._window.close()

        self._runner.run_in_thread(save_elsewhere, writer, path, on_done=done, on_error=self._on_failure)

    # ------------------------------------------------------------------ leaving

    def _leave(self, then: Callable[[], object], otherwise: Callable[[], object] | None = None) -> None:
        """Close the project and clear the window, if nothing is lost by that; else ask first."""
        if not self.flush(LAST_TRY_SECONDS):
            assert self._writer is not None
            error = self._writer.trouble or NanoAIError("The disk has not taken the last changes yet.")
            if otherwise is not None:
                otherwise()
            self.ask("Not everything is saved", error, [("Save it elsewhere...", self.naming.ask_to_save_as)])
            return
        self._close()
        self._clear()
        then()

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            assert self._path is not None
            is_empty = is_unnamed(self._path) and len(self._session) == 0 and not self.has_spectra()
            writer.close(0.0, delete=is_empty)
            if is_empty and self._settings.values.last_project == str(self._path):
                self._settings.values.last_project = ""
        self._use(None, None)

    def _clear(self) -> None:
        self.recorder.mute()
        self._batch.cancel()
        self._session.remove(self._session.keys())
        self._spectra_parts = {}
        if self.spectra is not None:
            self.spectra.clear()
        self.emptied.emit()
        self.recorder.listen()
        self.recorder.forget()

    def has_spectra(self) -> bool:
        """Whether the project holds spectra."""
        return bool(self._spectra_parts) or (self.spectra is not None and self.spectra.has_sets)

    def _everything(self) -> Write:
        """Give what writes all there is into an empty project."""
        images, parts = self.recorder.everything(), dict(self._spectra_parts)
        spectra = None if self.spectra is None else self.spectra.everything()

        def write(store: ProjectStore) -> None:
            images(store)
            store.put_spectra(parts)
            if spectra is not None:
                spectra(store)

        return write

    def may_close(self) -> bool:
        """Write the last changes before the window closes; false, and a question, if that fails."""
        if self.recorder.is_held and not self._is_left:
            self._is_to_close = True  # later: what changes now is in no file yet
            self._notices.show("NanoAI closes as soon as the project is written.")
            return False
        if self._is_left or self.flush(LAST_TRY_SECONDS):
            self._is_left = True  # what stops now is to go on at the next start
            return True
        assert self._writer is not None
        error = self._writer.trouble or NanoAIError("The disk has not taken the last changes yet.")

        def leave() -> None:
            self._is_left = True
            self._window.close()

        self.ask("Not everything is saved", error, [
            ("Save it elsewhere...", self.naming.ask_to_save_as), ("Close and lose the last changes", leave),
        ])  # fmt: skip
        return False

    def shut_down(self) -> None:
        """Close the file; the window is closing, and nothing else runs."""
        self._is_left = True
        for prepared in [*self._in_hand]:
            self._give_back(prepared)
        self._close()
