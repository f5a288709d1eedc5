"""What runs inside a worker process of :class:`nanoai_gui.core.jobs.WorkerPool`.

Orders come through a pipe that a thread listens to, so that a cancel is seen while a computation runs; when
that pipe ends, the owner is gone (even if it was killed), and so is the worker.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import pickle
import queue
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import NanoAIError

if TYPE_CHECKING:
    from multiprocessing import connection

PROGRESS_SECONDS = 0.05
"""Progress is told at most so often (20 Hz): more is only work for the window."""

FILE_FROM_BYTES = 1 << 18
"""Arrays from this size on (256 KiB) are handed over in a file."""


@dataclass(frozen=True)
class Options:
    """How a worker is set up; ``exchange`` is the folder for large arrays."""

    warm_up: tuple[str, ...]
    nice: int
    exchange: Path


@dataclass(frozen=True)
class Packed:
    """A value between processes: pickled, with its large buffers of ``sizes`` bytes in ``file``."""

    data: bytes
    file: Path | None = None
    sizes: tuple[int, ...] = ()


THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
"""How many threads the libraries that compute may use is read from these, once, when they are loaded."""


@dataclass
class _Orders:
    """What the listening thread passes on to the working one."""

    jobs: queue.SimpleQueue[tuple[int, bytes]] = field(default_factory=queue.SimpleQueue)
    cancelled: set[int] = field(default_factory=set)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let processes started meanwhile compute with one thread each; this one stays as it is.

    Several workers with several threads each would leave the window no core. It must be said before they
    start: a script's own imports, NumPy among them, run in its workers before any other line does.
    """
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def main(
    incoming: connection.Connection, outgoing: connection.Connection, options: Options
) -> None:  # pragma: no cover - runs in another process
    """Work until the pipe of orders ends."""
    # Ctrl+C in a terminal reaches the whole group; only the owner decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if options.nice and hasattr(os, "nice"):
        os.nice(options.nice)
    orders = _Orders()
    threading.Thread(target=_listen, args=(incoming, orders, options), daemon=True).start()
    outgoing.send(("ready", 0))
    for module in options.warm_up:
        if not orders.jobs.empty():
            break
        with contextlib.suppress(Exception):  # the job that needs it will say so
            importlib.import_module(module)
    with contextlib.suppress(BrokenPipeError):
        while True:
            number, payload = orders.jobs.get()
            outgoing.send(_work(number, payload, orders, outgoing, options))
            orders.cancelled.discard(number)


def _listen(incoming: connection.Connection, orders: _Orders, options: Options) -> None:
    """Pass orders on; end the process at once when the owner is gone."""
    try:
        while True:
            kind, number, *rest = incoming.recv()
            if kind == "run":
                orders.jobs.put((number, rest[0]))
            else:
                orders.cancelled.add(number)
    except (EOFError, OSError):
        shutil.rmtree(options.exchange, ignore_errors=True)
        os._exit(0)


def _work(
    number: int, payload: bytes, orders: _Orders, outgoing: connection.Connection, options: Options
) -> tuple[Any, ...]:
    """Run one job and say how it ended."""
    last_told = 0.0

    def cancelled() -> bool:
        return number in orders.cancelled

    def progress(fraction: float, message: str) -> None:
        nonlocal last_told
        now = time.monotonic()
        if now - last_told >= PROGRESS_SECONDS:
            last_told = now
            outgoing.send(("progress", number, fraction, message))

    if cancelled():
        return "cancelled", number
    try:
        task, args = pickle.loads(payload)  # noqa: S301 - written by our own process a moment ago
        value = task(*args, **callbacks_for(task, progress, cancelled))
        return "done", number, pack(value, options.exchange / f"{os.getpid()}-{number}")
    except OperationCancelled:
        return "cancelled", number
    except Exception as error:
        return "failed", number, *describe_error(error)


def callbacks_for(task: Callable[..., Any], progress: object, cancelled: object) -> dict[str, Any]:
    """Give a task the callables it has parameters for."""
    offered = {"progress": progress, "cancelled": cancelled}
    names = inspect.signature(task).parameters
    return {name: value for name, value in offered.items() if name in names}


def describe_error(error: BaseException) -> tuple[str, str, str, bool]:
    """Say message, advice, details and whether the cause is known, of an exception."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, NanoAIError):
        return error.message, error.advice, details, True
    if isinstance(error, MemoryError):
        return (
            "There is not enough memory for this.",
            "Close other programs or use a smaller image, then try again.",
            details,
            True,
        )
    return f"Something unexpected happened: {type(error).__name__}: {error}", "", details, False


def pack(value: object, file: Path) -> Packed:
    """Pickle a value; its large arrays go to ``file``, which the receiver deletes."""
    buffers: list[pickle.PickleBuffer] = []

    def stays_inside(buffer: pickle.PickleBuffer) -> bool:
        with buffer.raw() as raw:
            if raw.nbytes < FILE_FROM_BYTES:
                return True
        buffers.append(buffer)
        return False

    data = pickle.dumps(value, protocol=5, buffer_callback=stays_inside)
    if not buffers:
        return Packed(data)
    try:
        with file.open("wb", buffering=0) as stream:
            for buffer in buffers:
                rest = buffer.raw()
                while rest:
                    rest = rest[stream.write(rest) :]
    except OSError:  # a full disk: the pipe is slower but always there
        file.unlink(missing_ok=True)
        return Packed(pickle.dumps(value, protocol=5))
    return Packed(data, file, tuple(buffer.raw().nbytes for buffer in buffers))


def unpack(packed: Packed) -> Any:  # noqa: ANN401 - whatever was packed
    """Give the value back and delete its file."""
    if packed.file is None:
        return pickle.loads(packed.data)  # noqa: S301 - written by our own worker
    import numpy as np

    buffers = []
    try:
        with packed.file.open("rb", buffering=0) as stream:
            for size in packed.sizes:
                # Not initialised and read in one call each, both without the interpreter lock.
                buffer = np.empty(size, dtype=np.uint8)
                view = buffer.data
                while view:
                    n = stream.readinto(view)
                    if not n:
                        raise EOFError(f"{packed.file} is too short")
                    view = view[n:]
                buffers.append(buffer)
    finally:
        discard(packed)
    return pickle.loads(packed.data, buffers=buffers)  # noqa: S301 - written by our own worker


def discard(packed: Packed) -> None:
    """Delete the file of a value nobody wants any more."""
    if packed.file is not None:
        packed.file.unlink(missing_ok=True)
