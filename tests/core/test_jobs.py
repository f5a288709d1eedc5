"""The worker pool with real processes: every promise of nanoai_gui.core.jobs is tried out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanoai_gui.core import jobs
from nanoai_gui.core.callbacks import checkpoint
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.jobs import Job, JobFailed, JobState, Priority, WorkerPool

SOON = 60.0
"""Longest wait in seconds for something that takes far less on an idle machine."""


def pid_of_worker() -> int:
    return os.getpid()


def divide(a: float, b: float) -> float:
    return a / b


def fail_knowingly() -> None:
    raise ReadError("The file is empty.", "Copy it again.")


def run_out_of_memory() -> None:
    raise MemoryError


def crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def count_to_ten_thousand(progress: Callable[[float, str], None]) -> int:
    for i in range(10_000):
        progress(i / 10_000, f"step {i}")
    time.sleep(0.12)
    progress(1.0, "last")
    return 10_000


def polite(marker: Path, cancelled: Callable[[], bool]) -> None:
    marker.touch()
    while True:
        checkpoint(cancelled)
        time.sleep(0.01)


def stubborn(marker: Path) -> None:
    marker.write_text(str(os.getpid()))
    time.sleep(1000)  # longer than any test may take


def note(path: Path, word: str) -> None:
    with path.open("a") as stream:
        stream.write(word + "\n")


def wait_for_file(path: Path) -> None:
    assert until(path.exists)


def make_array(n: int) -> dict[str, Any]:
    return {"big": np.arange(n, dtype=np.uint16).reshape(2, -1), "small": np.arange(3), "name": "pair"}


def threads_of_blas() -> dict[str, str | None]:
    return {"OMP": os.environ.get("OMP_NUM_THREADS"), "BLAS": os.environ.get("OPENBLAS_NUM_THREADS")}


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before, or while it was read
        return False


def until(condition: Callable[[], bool], seconds: float = SOON) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(1) as made:
        yield made


def test_a_value_comes_back_from_another_process(pool: WorkerPool) -> None:
    job = pool.submit(pid_of_worker)
    assert job.result(SOON) != os.getpid()
    assert job.state is JobState.DONE
    assert job.result(SOON) == job.pid


def test_one_process_serves_many_jobs(pool: WorkerPool) -> None:
    assert len({pool.submit(pid_of_worker).result(SOON) for _ in range(5)}) == 1


def test_a_known_error_keeps_its_sentence_and_advice(pool: WorkerPool) -> None:
    job = pool.submit(fail_knowingly)
    with pytest.raises(JobFailed, match=r"The file is empty\. Copy it again\."):
        job.result(SOON)
    assert job.failure is not None
    assert job.failure.is_known


def test_running_out_of_memory_is_a_known_cause(pool: WorkerPool) -> None:
    job = pool.submit(run_out_of_memory)
    job.wait(SOON)
    assert job.failure is not None
    assert job.failure.is_known
    assert "memory" in job.failure.message


def test_an_unknown_error_carries_its_traceback(pool: WorkerPool) -> None:
    job = pool.submit(divide, 1, 0)
    job.wait(SOON)
    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert not job.failure.is_known
    assert "ZeroDivisionError" in job.failure.message
    assert "return a / b" in job.failure.details


def test_a_crash_fails_only_its_own_job(pool: WorkerPool) -> None:
    first, second = pool.submit(crash), pool.submit(divide, 6, 3)
    assert second.result(SOON) == 2
    assert first.state is JobState.FAILED
    assert first.failure is not None
    assert first.failure.is_known
    assert "signal 9" in first.failure.message


def test_progress_is_told_at_most_20_times_a_second(pool: WorkerPool) -> None:
    told: list[tuple[float, str]] = []
    started = time.monotonic()
    job = pool.submit(count_to_ten_thousand, on_progress=lambda f, m: told.append((f, m)))
    assert job.result(SOON) == 10_000
    assert told[0] == (0.0, "step 0")
    assert told[-1] == (1.0, "last")
    assert len(told) <= 2 + 20 * (time.monotonic() - started)


def test_a_polite_task_is_cancelled_and_its_process_stays(
    pool: WorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "GRACE_SECONDS", SOON)  # on a busy machine it may be slow to listen
    pid = pool.submit(pid_of_worker).result(SOON)
    job = pool.submit(polite, tmp_path / "started")
    wait_for_file(tmp_path / "started")
    job.cancel()
    assert job.wait(SOON)
    assert job.state is JobState.CANCELLED
    assert pool.submit(pid_of_worker).result(SOON) == pid


def test_a_stubborn_task_is_killed(pool: WorkerPool, tmp_path: Path) -> None:
    assert jobs.GRACE_SECONDS < 1
    job = pool.submit(stubborn, tmp_path / "pid")
    wait_for_file(tmp_path / "pid")
    until(lambda: (tmp_path / "pid").read_text() != "")
    pid = int((tmp_path / "pid").read_text())
    assert is_alive(pid)
    job.cancel()
    assert job.wait(SOON)
    assert until(lambda: not is_alive(pid))
    assert pool.submit(divide, 1, 2).result(SOON) == 0.5


def test_a_waiting_job_is_cancelled_without_starting(pool: WorkerPool, tmp_path: Path) -> None:
    running = pool.submit(polite, tmp_path / "started")
    waiting = pool.submit(note, tmp_path / "notes", "never")
    wait_for_file(tmp_path / "started")
    waiting.cancel()
    assert waiting.wait(SOON)
    assert waiting.state is JobState.CANCELLED
    running.cancel()
    assert pool.submit(divide, 1, 1).result(SOON) == 1
    assert not (tmp_path / "notes").exists()


def test_a_cancelled_job_never_gives_a_value(pool: WorkerPool) -> None:
    job = pool.submit(divide, 1, 1)
    job.cancel()
    with pytest.raises(TimeoutError):
        job.result(SOON)


def test_what_a_person_waits_for_goes_first(pool: WorkerPool, tmp_path: Path) -> None:
    blocker = pool.submit(polite, tmp_path / "started")
    wait_for_file(tmp_path / "started")
    notes = tmp_path / "notes"
    jobs = [
        pool.submit(note, notes, "batch", priority=Priority.BATCH),
        pool.submit(note, notes, "thumbnail", priority=Priority.BACKGROUND),
        pool.submit(note, notes, "click", priority=Priority.INTERACTIVE),
    ]
    blocker.cancel()
    for job in jobs:
        job.result(SOON)
    assert notes.read_text().split() == ["click", "thumbnail", "batch"]


def test_a_reserved_process_serves_a_click_during_a_batch(tmp_path: Path) -> None:
    with WorkerPool(2, reserve=1) as pool:
        batch = [pool.submit(polite, tmp_path / f"started{i}") for i in range(2)]
        wait_for_file(tmp_path / "started0")
        assert pool.submit(divide, 4, 2, priority=Priority.INTERACTIVE).result(SOON) == 2
        assert batch[0].state is JobState.RUNNING
        assert batch[1].state is JobState.QUEUED


def test_large_arrays_travel_whole_and_leave_no_file(pool: WorkerPool) -> None:
    value = pool.submit(make_array, 1 << 20).result(SOON)
    assert value["name"] == "pair"
    np.testing.assert_array_equal(value["big"].ravel(), np.arange(1 << 20, dtype=np.uint16))
    assert value["big"].flags.writeable
    assert list(pool._options.exchange.iterdir()) == []


def test_workers_compute_with_one_thread(pool: WorkerPool) -> None:
    assert pool.submit(threads_of_blas).result(SOON) == {"OMP": "1", "BLAS": "1"}


SCRIPT = """
import os

SEEN = os.environ.get("OMP_NUM_THREADS")  # what NumPy would read, were it imported here


def seen():
    return SEEN


if __name__ == "__main__":
    from nanoai_gui.core.jobs import WorkerPool

    with WorkerPool(1) as pool:
        print(pool.submit(seen).result(60), SEEN, os.environ.get("OMP_NUM_THREADS"))
"""


def test_workers_of_a_script_have_one_thread_from_their_first_import(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=True,
    )
    assert done.stdout.split() == ["1", "None", "None"]


def test_a_failing_listener_does_not_stop_the_pool(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(job: Job[float]) -> None:
        raise RuntimeError("listener")

    pool.submit(divide, 1, 1, on_end=break_down).wait(SOON)
    assert pool.submit(divide, 1, 4).result(SOON) == 0.25
    assert "listener" in caplog.text


def test_closing_ends_every_process_and_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    pool = WorkerPool(2)
    running = pool.submit(stubborn, tmp_path / "pid")
    waiting = pool.submit(pid_of_worker)
    wait_for_file(tmp_path / "pid")
    pids = pool.pids()
    exchange = pool._options.exchange
    pool.close()  # which waits for nobody who never listens
    assert running.state is JobState.CANCELLED
    assert waiting.state.is_final
    assert pids
    assert not any(is_alive(pid) for pid in pids)
    assert threading.active_count() == before
    assert not exchange.exists()
    with pytest.raises(RuntimeError):
        pool.submit(pid_of_worker)


def test_warming_starts_a_process_before_the_first_job() -> None:
    with WorkerPool(1) as pool:
        assert pool.pids() == []
        pool.warm()
        assert until(lambda: len(pool.pids()) == 1)
        assert pool.submit(pid_of_worker).result(SOON) == pool.pids()[0]


OWNER = """
import sys, time
from pathlib import Path
from nanoai_gui.core.jobs import WorkerPool
from tests.core.test_jobs import stubborn

if __name__ == "__main__":
    pool = WorkerPool(1)
    pool.submit(stubborn, Path(sys.argv[1]))
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_workers_die_with_an_owner_that_was_killed(tmp_path: Path) -> None:
    script, marker = tmp_path / "owner.py", tmp_path / "pid"
    script.write_text(OWNER)
    root = Path(__file__).parents[2]
    owner = subprocess.Popen([sys.executable, script, marker], env={**os.environ, "PYTHONPATH": str(root)})
    try:
        assert until(lambda: marker.exists() and marker.read_text() != "")
        pid = int(marker.read_text())
        assert is_alive(pid)
    finally:
        owner.kill()
        owner.wait()
    assert until(lambda: not is_alive(pid), 2.0)
