"""Keeps a project file up to date from a thread of its own, so that the window never waits for a disk.

The window hands over what is to be written as small functions of the store, made of things that no longer
change. They are done in order, all that wait at once in one transaction, as soon as the disk takes them. What
cannot be written waits and is tried again: nothing that was handed over is ever dropped.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.project.errors import ProjectBroken, ProjectTrouble
from nanoai_gui.core.project.store import ProjectStore

T = TypeVar("T")
log = logging.getLogger(__name__)

Write = Callable[[ProjectStore], None]
Line = tuple[str, int | None, str, str]
"""Of the journal: time, image, what was done, and to what."""
RETRY_SECONDS = 3.0
IDLE_SECONDS = 2.0
"""A project that rests for so long is folded into its one file."""


@dataclass(frozen=True, eq=False)
class Journalled:
    """A write with lines of the journal that are known by themselves: another file can be given them."""

    write: Write
    lines: tuple[Line, ...]

    def __call__(self, store: ProjectStore) -> None:
        """Write it all."""
        self.write(store)
        for line in self.lines:
            store.log(*line)


class ProjectWriter:
    """The thread that writes one project. From :meth:`__init__` to :meth:`close` the store is its own.

    Parameters
    ----------
    store
        An open project, or the function that makes one, called in the thread: an automatic project needs
        no file before there is something to write.
    on_trouble
        Called in the thread with the error when writing begins to fail or fails for another reason, and with
        ``None`` once everything is written again.
    on_defect
        Called in the thread with an error that cannot be the disk's; what raised it is passed over.
    """

    def __init__(
        self,
        store: ProjectStore | Callable[[], ProjectStore],
        on_trouble: Callable[[NanoAIError | None], None],
        on_defect: Callable[[Exception], None],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._store = store if isinstance(store, ProjectStore) else None
        self._make = None if isinstance(store, ProjectStore) else store
        self._on_trouble = on_trouble
        self._on_defect = on_defect
        self._retry = retry_seconds
        self._waiting: dict[Hashable, Write] = {}
        self._under_way: tuple[Write, ...] = ()
        self._calls: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._is_busy = False
        self._failed: NanoAIError | None = None
        self._is_closing = False
        self._is_unfolded = False
        self._count = 0
        self._slowest = 0.0
        self._thread = threading.Thread(target=self._run, name="nanoai-project", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------ from any thread

    def put(self, write: Write, key: Hashable | None = None) -> None:
        """Have something written; a newer one of the same ``key`` takes the place of one that still waits."""
        with self._changed:
            if key is None:
                self._count += 1
                key = ("once", self._count)
            # To the end: what it relies on was handed over before it.
            self._waiting.pop(key, None)
            self._waiting[key] = write
            self._changed.notify_all()

    @property
    def trouble(self) -> NanoAIError | None:
        """Why writing fails just now."""
        return self._failed

    @property
    def is_saved(self) -> bool:
        """Whether everything handed over is in the file."""
        with self._changed:
            return not self._waiting and not self._is_busy

    def unwritten_lines(self, timeout: float = 1.0) -> tuple[Line, ...]:
        """Give the lines of the journal that are not in the file, oldest first.

        Waits ``timeout`` seconds for a try that is just under way. After that its lines are given too, of
        which some may be in the file by then: a line that stands twice is better than one that is lost.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._is_busy, timeout)
            waiting = [*self._under_way, *self._waiting.values()]
        return tuple(line for write in waiting if isinstance(write, Journalled) for line in write.lines)

    @property
    def slowest_write(self) -> float:
        """The longest that one transaction took so far, in seconds."""
        return self._slowest

    def flush(self, timeout: float) -> bool:
        """Wait until all is written; false if it was not within ``timeout`` seconds, or never will be."""
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: not self._is_busy and (not self._waiting or isinstance(self._failed, ProjectBroken)),
                timeout,
            )
            return not self._waiting and not self._is_busy

    def call(self, task: Callable[[ProjectStore], T]) -> T:
        """Do something with the store after all that waits, and wait for its result; raises what it raises.

        Raises
        ------
        NanoAIError
            If what waits cannot be written, or the project is closed.
        """
        done = threading.Event()
        outcome: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                if self._failed is not None:
                    raise self._failed
                outcome.append(task(self._opened()))
            except BaseException as error:
                errors.append(error)
            finally:
                done.set()

        with self._changed:
            if self._is_closing:
                raise ProjectTrouble("The project was closed before that could be done.")
            self._calls.append(work)
            self._changed.notify_all()
        done.wait()
        if errors:
            raise errors[0]
        return outcome[0]

    def close(self, timeout: float = 10.0, *, delete: bool = False) -> bool:
        """Write what waits, close the store and end the thread.

        Parameters
        ----------
        timeout
            Seconds to try for.
        delete
            Remove the file: what is in it lives elsewhere now.

        Returns
        -------
        bool
            Whether everything was written.
        """
        is_whole = self.flush(timeout) if not delete else True
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()
        if self._store is not None:
            if delete:
                self._store.delete()
            else:
                self._store.close()
            self._store = None
        return is_whole

    # ------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._failed is not None and not self._calls and not self._is_closing:
                    self._changed.wait(self._retry)
                while not self._changed.wait_for(
                    lambda: self._waiting or self._calls or self._is_closing,
                    IDLE_SECONDS if self._is_unfolded else None,
                ):
                    self._fold()
                if self._is_closing and not self._calls:
                    return
                batch, self._waiting = self._waiting, {}
                self._under_way = tuple(batch.values())
                calls, self._calls = self._calls, []
                self._is_busy = True
            error = self._write(batch) if batch else self._failed
            if str(error) != str(self._failed):
                # Before those who wait are woken: they go by it.
                self._failed = error
                self._on_trouble(error)
            with self._changed:
                if error is not None and batch:
                    # What waited stays before what came since, and a newer version of it counts.
                    self._waiting = {k: w for k, w in batch.items() if k not in self._waiting} | self._waiting
                self._is_busy = False
                self._under_way = ()
                self._changed.notify_all()
            for call in calls:
                call()

    def _write(self, batch: dict[Hashable, Write]) -> NanoAIError | None:
        started = time.perf_counter()
        try:
            self._together(batch.values())
        except NanoAIError as error:
            if self._failed is None:  # not at every further try
                log.warning("%s", error)
            return error
        except Exception:
            # A defect in one of them must not keep the others from the disk.
            for key, write in list(batch.items()):
                try:
                    self._together([write])
                except NanoAIError as error:
                    return error
                except Exception as error:
                    self._on_defect(error)
                # Written, or passed over: if the disk refuses the next, this one is not tried again.
                del batch[key]
        self._is_unfolded = True
        self._slowest = max(self._slowest, time.perf_counter() - started)
        return None

    def _fold(self) -> None:
        self._is_unfolded = False
        if self._store is not None:
            self._store.fold()

    def _together(self, writes: Iterable[Write]) -> None:
        store = self._opened()
        with store.transaction():
            for write in writes:
                write(store)

    def _opened(self) -> ProjectStore:
        """Give the store; make it first, if it was not needed before."""
        if self._store is None:
            assert self._make is not None
            try:
                self._store = self._make()
            except OSError as error:
                raise ProjectTrouble(f"No project can be made ({error.strerror or error}).") from error
            except sqlite3.Error as error:
                raise ProjectTrouble(f"No project can be made ({error}).") from error
        return self._store
