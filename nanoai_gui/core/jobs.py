"""Work in other processes: with progress, cancel, and errors as values. Knows no screen.

Why processes: a thread that loops in Python over contours holds the window for 150 ms at a time, a process
does not (and it can be stopped for certain, and may crash alone). They are started fresh (``spawn``), live
long, and hand large arrays back through a file, so that the receiving process reads them without holding
its interpreter lock.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nanoai_gui.core import worker
from nanoai_gui.core.errors import NanoAIError

if TYPE_CHECKING:
    from multiprocessing import connection
    from multiprocessing.context import SpawnProcess

T = TypeVar("T")
log = logging.getLogger(__name__)

GRACE_SECONDS = 0.8
"""How long a cancelled computation may take to stop by itself before its process is ended."""


class Priority(IntEnum):
    """What goes first when several jobs wait."""

    INTERACTIVE = 0  # a person waits for it
    BACKGROUND = 1  # thumbnails, previews
    BATCH = 2


class JobState(Enum):
    """Where a job stands."""

    QUEUED = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    CANCELLED = auto()

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Failure:
    """Why a job failed, as plain text that can travel between processes.

    ``message`` is one sentence and ``advice`` what to do; ``details`` the traceback. ``is_known`` is false
    for a defect of the program, which a person can only report.
    """

    message: str
    advice: str = ""
    details: str = ""
    is_known: bool = False

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class JobFailed(NanoAIError):
    """Raised by :meth:`Job.result`; ``failure`` holds the worker's traceback."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, failure.advice)
        self.failure = failure


class Job(Generic[T]):
    """One piece of work handed to a :class:`WorkerPool`.

    Attributes
    ----------
    state
        Where it stands.
    value, failure
        The outcome, once ``DONE`` or ``FAILED``.
    pid
        The process that runs it, once ``RUNNING``.
    """

    def __init__(self, pool: WorkerPool, number: int, priority: Priority, payload: bytes) -> None:
        self.state = JobState.QUEUED
        self.value: T | None = None
        self.failure: Failure | None = None
        self.pid: int | None = None
        self.number = number
        self.priority = priority
        self._payload = payload
        self._pool = pool
        self._cancel_wanted = False
        self._ended = threading.Event()
        self._on_progress: Callable[[float, str], None] | None = None
        self._on_end: list[Callable[[Job[T]], None]] = []

    def __lt__(self, other: Job[Any]) -> bool:
        return (self.priority, self.number) < (other.priority, other.number)

    def cancel(self) -> None:
        """Stop it: it ends as ``CANCELLED`` at once, and its process is free within ``GRACE_SECONDS``."""
        self._cancel_wanted = True
        self._pool._wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; false if it has not come within ``timeout`` seconds."""
        return self._ended.wait(timeout)

    def result(self, timeout: float | None = None) -> T:
        """Wait for the value.

        Raises
        ------
        JobFailed
            If it failed.
        TimeoutError
            If it has not ended in time, or was cancelled and never will give a value.
        """
        if not self.wait(timeout) or self.state is JobState.CANCELLED:
            raise TimeoutError("the job has not ended" if not self._ended.is_set() else "it was cancelled")
        if self.failure is not None:
            raise JobFailed(self.failure)
        return self.value  # type: ignore[return-value]

    def _end(self, state: JobState, value: T | None = None, failure: Failure | None = None) -> None:
        self.state, self.value, self.failure, self._payload = state, value, failure, b""
        with self._pool._lock:
            self._ended.set()
            listeners, self._on_end = self._on_end, []
        for listener in listeners:
            _tell(listener, self)

    def when_ended(self, listener: Callable[[Job[T]], None]) -> None:
        """Call ``listener(job)`` on the pool's thread at the end; at once if it has ended."""
        with self._pool._lock:
            if not self._ended.is_set():
                self._on_end.append(listener)
                return
        listener(self)


class _Process:
    """A worker process as its owner sees it."""

    def __init__(self, process: SpawnProcess, to: connection.Connection, of: connection.Connection) -> None:
        self.process = process
        self.to = to
        self.of = of
        self.job: Job[Any] | None = None
        self.is_ready = False
        self.draining: int | None = None  # number of a cancelled job it is still busy with
        self.kill_at: float | None = None

    @property
    def is_idle(self) -> bool:
        return self.job is None and self.draining is None


class WorkerPool:
    """A few long-lived processes that work through a queue.

    Tasks are module-level functions; those with parameters named ``progress`` and ``cancelled`` are given
    the two callables of :mod:`nanoai_gui.core.callbacks`. Listeners are called on the pool's own thread.

    Parameters
    ----------
    n_workers
        Most processes at a time; each is started when first needed.
    reserve
        Processes kept for ``INTERACTIVE`` jobs, so that a click never waits for a batch.
    warm_up
        Modules each process imports while it has nothing else to do.
    nice
        Lower the processes' priority by so much (POSIX), to leave the window its share.
    """

    def __init__(
        self, n_workers: int = 1, *, reserve: int = 0, warm_up: Iterable[str] = (), nice: int = 0
    ) -> None:
        import multiprocessing  # not at the top: the window's first paint does not wait for it
        import tempfile

        if not 0 <= reserve < n_workers:
            raise ValueError("at least one worker must be free for any job")
        self.n_workers = n_workers
        self._reserve = reserve
        self._options = worker.Options(tuple(warm_up), nice, Path(tempfile.mkdtemp(prefix="nanoai-")))
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._queue: list[Job[Any]] = []
        self._processes: list[_Process] = []
        self._to_warm = 0
        self._closing = False
        self._wake_reader, self._wake_writer = self._context.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._run, name="nanoai-jobs", daemon=True)
        self._thread.start()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(
        self,
        task: Callable[..., T],
        *args: Any,  # noqa: ANN401 - the task's own
        priority: Priority = Priority.BATCH,
        on_progress: Callable[[float, str], None] | None = None,
        on_end: Callable[[Job[T]], None] | None = None,
    ) -> Job[T]:
        """Queue ``task(*args)``; arguments and value must be picklable, and arguments small."""
        job: Job[T] = Job(self, next(self._numbers), priority, pickle.dumps((task, args), protocol=5))
        job._on_progress = on_progress
        if on_end is not None:
            job._on_end.append(on_end)
        with self._lock:
            if self._closing:
                raise RuntimeError("the pool is closed")
            heapq.heappush(self._queue, job)
        self._wake()
        return job

    def warm(self, n_processes: int = 1) -> None:
        """Start processes now, so that the first job need not wait for them."""
        with self._lock:
            self._to_warm = min(n_processes, self.n_workers)
        self._wake()

    def pids(self) -> list[int]:
        """Ids of the living processes."""
        with self._lock:
            return [p.process.pid for p in self._processes if p.process.pid is not None]

    def close(self) -> None:
        """Cancel everything, end every process and wait until they are gone (about 0.1 s)."""
        with self._lock:
            self._closing = True
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # ------------------------------------------------------------------ on the pool's thread

    def _wake(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            # One unread byte is enough, and more could fill the pipe and block.
            if not self._wake_reader.closed and not self._wake_reader.poll():
                self._wake_writer.send_bytes(b"!")

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    if self._closing:
                        break
                self._stop_cancelled()
                self._kill_overdue()
                self._start_jobs()
                self._receive(self._seconds_to_deadline())
        finally:
            self._shut_down()

    def _seconds_to_deadline(self) -> float | None:
        deadlines = [p.kill_at for p in self._processes if p.kill_at is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _receive(self, timeout: float | None) -> None:
        from multiprocessing import connection

        by_pipe = {p.of: p for p in self._processes}
        for ready in connection.wait([self._wake_reader, *by_pipe], timeout):
            if ready is self._wake_reader:
                self._wake_reader.recv_bytes()
                continue
            process = by_pipe[ready]  # type: ignore[index]
            try:
                message = process.of.recv()
            except (EOFError, OSError, pickle.UnpicklingError):
                self._bury(process)
            else:
                self._handle(process, message)

    def _handle(self, process: _Process, message: tuple[Any, ...]) -> None:
        kind, number, *rest = message
        if kind == "ready":
            process.is_ready = True
            if process.draining is not None:
                process.kill_at = time.monotonic() + GRACE_SECONDS
            return
        if number == process.draining:
            if kind != "progress":
                process.draining = process.kill_at = None
                if kind == "done":
                    worker.discard(rest[0])
            return
        job = process.job
        if job is None or job.number != number:
            return
        if kind == "progress":
            if job._on_progress is not None and not job._cancel_wanted:
                _tell(job._on_progress, *rest)
            return
        process.job = None
        if job._cancel_wanted or kind == "cancelled":
            if kind == "done":
                worker.discard(rest[0])
            job._end(JobState.CANCELLED)
        elif kind == "failed":
            job._end(JobState.FAILED, failure=Failure(*rest))
        else:
            try:
                value = worker.unpack(rest[0])
            except Exception as error:
                job._end(
                    JobState.FAILED,
                    failure=Failure("A result could not be read back from its process.", "", repr(error)),
                )
            else:
                job._end(JobState.DONE, value)

    def _stop_cancelled(self) -> None:
        with self._lock:
            waiting = [job for job in self._queue if job._cancel_wanted]
            if waiting:
                self._queue = [job for job in self._queue if not job._cancel_wanted]
                heapq.heapify(self._queue)
        for job in waiting:
            job._end(JobState.CANCELLED)
        for process in self._processes:
            job_now = process.job
            if job_now is not None and job_now._cancel_wanted:
                process.job, process.draining = None, job_now.number
                # One that is still starting has not begun the job and will see the cancel when it does.
                process.kill_at = time.monotonic() + GRACE_SECONDS if process.is_ready else None
                with contextlib.suppress(OSError):
                    process.to.send(("cancel", job_now.number))
                job_now._end(JobState.CANCELLED)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for process in [p for p in self._processes if p.kill_at is not None and p.kill_at <= now]:
            self._forget(process)

    def _start_jobs(self) -> None:
        while True:
            with self._lock:
                job = self._next_job()
            if job is None:
                break
            process = next((p for p in self._processes if p.is_idle), None)
            try:
                process = process or self._start_process()
                process.to.send(("run", job.number, job._payload))
            except (OSError, RuntimeError) as error:
                if process is not None:
                    self._forget(process)
                sentence = f"A worker process could not be started ({error})."
                job._end(JobState.FAILED, failure=Failure(sentence, "Close other programs.", "", True))
                continue
            process.job = job
            job.pid = process.process.pid
            job.state = JobState.RUNNING
        while len(self._processes) < self._to_warm:
            try:
                self._start_process()
            except (OSError, RuntimeError):
                log.exception("a worker process could not be warmed up")
                self._to_warm = 0

    def _next_job(self) -> Job[Any] | None:
        """Take the first job that may start now off the queue."""
        busy = [p for p in self._processes if not p.is_idle]
        if not self._queue or len(busy) >= self.n_workers:
            return None
        long_ones = sum(1 for p in busy if p.job is None or p.job.priority is not Priority.INTERACTIVE)
        if (
            self._queue[0].priority is not Priority.INTERACTIVE
            and long_ones >= self.n_workers - self._reserve
        ):
            return None
        return heapq.heappop(self._queue)

    def _start_process(self) -> _Process:
        their_orders, orders = self._context.Pipe(duplex=False)
        answers, their_answers = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=worker.main,
            args=(their_orders, their_answers, self._options),
            name="nanoai-worker",
            daemon=True,
        )
        try:
            with worker.one_thread():
                process.start()
        except (OSError, RuntimeError):
            orders.close()
            answers.close()
            raise
        finally:
            # Only then does either side see the end of the pipe when the other dies.
            their_orders.close()
            their_answers.close()
        started = _Process(process, orders, answers)
        with self._lock:
            self._processes.append(started)
        return started

    def _bury(self, process: _Process) -> None:
        """Deal with a process that ended by itself: its job fails, the others go on."""
        job = process.job
        process.process.join(1.0)
        code = process.process.exitcode
        self._forget(process)
        if job is None:
            return
        if job._cancel_wanted:
            job._end(JobState.CANCELLED)
            return
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        failure = Failure(
            f"The process that worked on this stopped unexpectedly ({how}).",
            "It may have run out of memory: close other programs or use a smaller image, then try again.",
            is_known=True,
        )
        job._end(JobState.FAILED, failure=failure)

    def _forget(self, process: _Process) -> None:
        """End a process for certain and take it off the list."""
        with self._lock:
            self._processes.remove(process)
        _end_process(process, wait=0.0)

    def _shut_down(self) -> None:
        import shutil

        with self._lock:
            self._closing = True
            jobs, self._queue = self._queue, []
            processes, self._processes = self._processes, []
        jobs += [p.job for p in processes if p.job is not None]
        for job in jobs:
            job._end(JobState.CANCELLED)
        for process in processes:
            process.to.close()  # a worker ends when its orders end
        for process in processes:
            _end_process(process, wait=0.3)
        with self._lock:
            self._wake_reader.close()
            self._wake_writer.close()
        shutil.rmtree(self._options.exchange, ignore_errors=True)


def _end_process(process: _Process, wait: float) -> None:
    if wait:
        process.process.join(wait)
    if process.process.is_alive():
        process.process.kill()
    process.process.join()
    process.process.close()
    process.to.close()
    process.of.close()


def _tell(listener: Callable[..., None], *args: object) -> None:
    """Call a listener; its mistakes must not stop the pool."""
    try:
        listener(*args)
    except Exception:
        log.exception("a listener of a job failed")


def usable_cores() -> int:
    """Count the processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Windows and macOS
        return os.cpu_count() or 1
