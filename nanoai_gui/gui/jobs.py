"""The bridge between worker processes and the window's event loop.

The pool's thread owns queue, progress and cancel; here its news become calls in the thread of the window.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.jobs import Failure, Job, JobState, Priority, WorkerPool, usable_cores
from nanoai_gui.core.worker import PROGRESS_SECONDS, callbacks_for
from nanoai_gui.gui.errors import failure_of

log = logging.getLogger(__name__)

WARM_UP = (
    "nanoai_gui.core.tem.analysis",
    "tifffile",
    "scipy.ndimage",
    "skimage.measure",
    "skimage.segmentation",
)
"""What the first image needs, loaded by the worker while the person looks for a file."""

N_THREADS = 3
"""Helper threads: one may be busy for long, and the others still answer a click."""

NICENESS = 5
"""Workers give way to the window where both want a core."""


def default_workers() -> int:
    """Count the processes to use: one for clicks, and the rest of the cores but one for batches."""
    return max(2, min(usable_cores(), 5))


class Task:
    """A piece of work the window asked for; nothing is called back after :meth:`cancel`."""

    def __init__(self, key: Hashable | None) -> None:
        self.key = key
        self.job: Job[Any] | None = None
        self.is_wanted = True

    def cancel(self) -> None:
        """Stop it and drop its result."""
        self.is_wanted = False
        if self.job is not None:
            self.job.cancel()


class JobRunner(QObject):
    """Runs functions in worker processes, or in threads, and calls back in the window's thread.

    Parameters
    ----------
    pool
        The processes; made with the defaults for a window if ``None``, and closed by :meth:`close`.
    """

    failed = Signal(object)
    """A :class:`Failure` that no ``on_error`` took."""
    _came = Signal(object, object)

    def __init__(self, pool: WorkerPool | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = pool
        self._threads: ThreadPoolExecutor | None = None
        self._newest: dict[Hashable, Task] = {}
        self._in_threads: set[Task] = set()
        self._is_closed = False
        self._lock = threading.Lock()
        # Queued: news comes from other threads and must be told in this one.
        self._came.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def pool(self) -> WorkerPool:
        """The worker processes (made when first needed)."""
        if self._pool is None:
            self._pool = WorkerPool(default_workers(), reserve=1, warm_up=WARM_UP, nice=NICENESS)
        return self._pool

    @property
    def batch_width(self) -> int:
        """How many images of a batch are worked on at a time."""
        return max(1, self.pool.n_workers - 1)

    def warm_up(self) -> None:
        """Start the first worker now, so that the first file opens at once."""
        self.pool.warm(1)

    def run(
        self,
        task: Callable[..., Any],
        *args: Any,  # noqa: ANN401 - the task's own
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[Failure], None] | None = None,
        on_progress: Callable[[float, str], None] | None = None,
        key: Hashable | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> Task:
        """Run ``task(*args)`` in a worker process.

        A newer run with the same ``key`` cancels the older one, whose result is never delivered: what is
        shown can only be what was asked for last.
        """
        made = self._begin(key)
        if self._is_closed:
            return made  # the window is closing, and some timer has come too late

        def ended(job: Job[Any]) -> None:
            if job.state is JobState.DONE:
                self._post(made, lambda: on_done(job.value) if on_done else None)
            elif job.failure is not None:
                failure = job.failure
                self._post(made, lambda: self._tell_failure(failure, on_error))

        def told(fraction: float, message: str) -> None:
            if on_progress is not None:
                self._post(made, lambda: on_progress(fraction, message), is_last=False)

        made.job = self.pool.submit(task, *args, priority=priority, on_progress=told, on_end=ended)
        return made

    def run_in_thread(
        self,
        task: Callable[..., Any],
        *args: Any,  # noqa: ANN401 - the task's own
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[Failure], None] | None = None,
        on_progress: Callable[[float, str], None] | None = None,
        key: Hashable | None = None,
    ) -> Task:
        """Run ``task(*args)`` in one of the few helper threads of this process.

        Only for what releases the interpreter lock (NumPy on large arrays) or is over in a few milliseconds.
        As in a worker, a task with parameters named ``progress`` and ``cancelled`` is given these.
        """
        made = self._begin(key)
        last_told = 0.0

        def told(fraction: float, message: str) -> None:
            nonlocal last_told
            now = time.monotonic()
            if on_progress is not None and now - last_told >= PROGRESS_SECONDS:
                last_told = now
                self._post(made, lambda: on_progress(fraction, message), is_last=False)

        def work() -> None:
            try:
                if not made.is_wanted:
                    return
                value = task(*args, **callbacks_for(task, told, lambda: not made.is_wanted))
            except OperationCancelled:
                return
            except Exception as error:
                failure = failure_of(error)
                self._post(made, lambda: self._tell_failure(failure, on_error))
            else:
                self._post(made, lambda: on_done(value) if on_done else None)
            finally:
                self._in_threads.discard(made)

        if self._is_closed:
            return made  # the window is closing, and some timer has come too late
        self._in_threads.add(made)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="nanoai-window")
        self._threads.submit(work)
        return made

    def cancel(self, key: Hashable) -> None:
        """Stop the run with this key, if there is one."""
        task = self._newest.pop(key, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Cancel everything and wait until threads and processes are gone; nothing is called back after."""
        with self._lock:
            self._is_closed = True
        for task in [*self._newest.values(), *self._in_threads]:
            task.is_wanted = False
        self._newest.clear()
        if self._pool is not None:
            self._pool.close()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def _begin(self, key: Hashable | None) -> Task:
        made = Task(key)
        if key is not None:
            self.cancel(key)
            self._newest[key] = made
        return made

    def _post(self, task: Task, call: Callable[[], None], is_last: bool = True) -> None:
        """Hand a call to the window's thread (from any thread)."""
        with self._lock:
            if not self._is_closed:
                self._came.emit(task, (call, is_last))

    @Slot(object, object)
    def _deliver(self, task: Task, what: tuple[Callable[[], None], bool]) -> None:
        call, is_last = what
        if self._is_closed or not task.is_wanted:
            return
        if is_last and task.key is not None and self._newest.get(task.key) is task:
            del self._newest[task.key]
        call()

    def _tell_failure(self, failure: Failure, on_error: Callable[[Failure], None] | None) -> None:
        if on_error is None:
            self.failed.emit(failure)
            return
        if not failure.is_known:
            log.error("%s\n%s", failure.message, failure.details)
        on_error(failure)
