"""Edits of so many agglomerates that the window would stand still: worked out in a thread, one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.jobs import Failure
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.session import TemSession

Make = Callable[[ImageDocument], Edit | None]


class EditsOfMany:
    """Commits edits in the order in which they were asked for, however long each takes.

    Parameters
    ----------
    document
        Gives the document that can be edited now.
    do
        Makes an edit and commits it; gives whether it was one.
    """

    def __init__(
        self,
        session: TemSession,
        jobs: JobRunner,
        document: Callable[[], ImageDocument | None],
        do: Callable[[Make], bool],
    ) -> None:
        self._session = session
        self._jobs = jobs
        self._document = document
        self._do = do
        self._waiting: deque[tuple[ImageDocument, Make, Callable[[bool], None]]] = deque()

    def put(self, document: ImageDocument, make: Make, then: Callable[[bool], None]) -> None:
        """Have an edit of a document made; ``then`` is told whether it was one."""
        self._waiting.append((document, make, then))
        if len(self._waiting) == 1:
            self._start()

    def _start(self) -> None:
        """Work out the first that waits; those of another image than the one shown are given up."""
        while self._waiting and self._waiting[0][0] is not self._document():
            self._waiting.popleft()
        if not self._waiting:
            return
        document, make, then = self._waiting[0]
        revision = document.revision

        def is_outdated() -> bool:
            # Changed under the thread's hands: what came of it fits no longer.
            return self._document() is not document or document.revision != revision

        def made(edit: Edit | None) -> None:
            try:
                if not is_outdated():
                    self._waiting.popleft()
                    then(self._do(lambda _: edit))
            finally:  # whatever became of this one, the others are not to wait for ever
                self._start()

        def failed(failure: Failure) -> None:
            try:
                if not is_outdated():
                    self._waiting.popleft()
                    key = self._session.current
                    if key is None or not self._session.mend(key):
                        self._jobs.failed.emit(failure)
            finally:
                self._start()

        self._jobs.run_in_thread(make, document, on_done=made, on_error=failed)
