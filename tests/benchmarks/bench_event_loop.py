"""How long the window's event loop is held while images are analysed.

    python -m tests.benchmarks.bench_event_loop [--images 50] [--size 2048] [--browse]

The real window, with the real workers, analyses synthetic images while a 10 ms timer repaints the canvas at
each tick (a test without repaints hides the waiting for the interpreter lock). Printed are the gaps between
ticks: 10 ms is perfect, anything above is the time the loop was held. The same window is measured idle first,
which shows what the machine itself adds. "unqueued" (Linux) takes off the time the window's thread was ready
but had to wait for a processor core, which is what other programs on a busy machine add; waiting for the
interpreter lock stays in. "own work" is the processor time the thread itself used. ``--browse`` also goes to
the next image every second, as a person would. Exit code 1 if the gaps miss the targets (99th percentile
20 ms, worst 50 ms).

On a machine that is busy with other things, ``chrt -r 1 python -m ...`` (as root) shuts those out; Linux then
stops the program for 50 ms in some seconds (kernel.sched_rt_runtime_us), which shows in the gaps but not in
"unqueued".
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

P99_MS, WORST_MS = 20.0, 50.0
TICK_MS = 10


def make_images(folder: Path, n: int, size: int) -> list[Path]:
    """Write images that differ, from one synthetic field: shifted, turned, with noise of their own."""
    import tifffile

    from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image

    base = make_image(SynthesisSpec(width_px=size, height_px=size), 1).micrograph.pixels
    rng = np.random.default_rng(1)
    limit = np.iinfo(base.dtype).max
    paths = []
    for i in range(n):
        moved = np.rot90(np.roll(base, rng.integers(0, size, 2), (0, 1)), i % 4)
        noisy = moved + rng.normal(0, 0.01 * limit, moved.shape).astype(np.float32)
        path = folder / f"field {i + 1}.tif"
        tifffile.imwrite(
            path, np.clip(noisy, 0, limit).astype(base.dtype), resolution=(2e7, 2e7), resolutionunit=3
        )
        paths.append(path)
    return paths


def seconds_queued() -> float:
    """Time this thread has waited for a processor core so far; 0 where the system does not tell."""
    try:
        return (
            int(Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]) / 1e9
        )
    except (OSError, IndexError, ValueError):
        return 0.0


class Ticks:
    """Gaps between the ticks of a timer that repaints a widget."""

    def __init__(self, widget: object) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.gaps: list[tuple[float, float, float]] = []
        self._last = time.perf_counter(), seconds_queued(), time.thread_time()
        self._widget = widget
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        self.gaps = []
        self._last = time.perf_counter(), seconds_queued(), time.thread_time()
        self._timer.start()

    def stop(self) -> np.ndarray:
        self._timer.stop()
        return np.array(self.gaps) * 1000

    def _tick(self) -> None:
        now = time.perf_counter(), seconds_queued(), time.thread_time()
        wall, queued, own = (new - old for new, old in zip(now, self._last, strict=True))
        self.gaps.append((wall, wall - queued, own))
        self._last = now
        self._widget.update()  # type: ignore[attr-defined]


def report(name: str, both: np.ndarray) -> bool:
    """Print gaps, unqueued and own work (n, 3) in ms; returns whether the gaps keep to the targets."""
    for what, gaps in zip(("gaps", "unqueued", "own work"), both.T, strict=True):
        p50, p99 = np.percentile(gaps, (50, 99))
        worst = ", ".join(f"{gap:.0f}" for gap in np.sort(gaps)[-6:][::-1])
        print(
            f"{name:10s} {what:9s} {len(gaps):6d} ticks  median {p50:5.1f} ms  p99 {p99:5.1f} ms"
            f"  worst {gaps.max():6.1f} ms  (worst six: {worst})",
            flush=True,
        )
    wall = both[:, 0]
    return bool(np.percentile(wall, 99) <= P99_MS and wall.max() <= WORST_MS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--methods", nargs="+", default=["watershed"])
    parser.add_argument("--browse", action="store_true", help="go to the next image every second")
    options = parser.parse_args()
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as home:
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            os.environ[name] = home
        print(f"making {options.images} images of {options.size} x {options.size} px", flush=True)
        paths = make_images(Path(home), options.images, options.size)
        return measure(paths, options)


def measure(paths: list[Path], options: argparse.Namespace) -> int:
    from PySide6.QtCore import QEventLoop, QTimer

    from nanoai_gui.core.tem.analysis import AnalysisSettings
    from nanoai_gui.gui.app import SWITCH_SECONDS, create_app
    from nanoai_gui.gui.tem.entries import ImageState

    sys.setswitchinterval(SWITCH_SECONDS)
    application = create_app(with_log=False)
    application.reporter.reported.connect(lambda failure: print(failure, failure.details, file=sys.stderr))
    window, qt = application.window, application.qt
    session = window.session
    session.set_settings(AnalysisSettings(methods=tuple(options.methods)))
    window.resize(1280, 800)
    application.show(paths)
    ticks = Ticks(window.tab.canvas)

    def wait_until(condition: object, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:  # type: ignore[operator]
            qt.processEvents()
            time.sleep(0.005)

    wait_until(lambda: len(session) == len(paths) and session.micrograph is not None, 60)
    wait_until(lambda: False, 5)  # thumbnails, pyramid

    def run_for(condition: object, seconds: float) -> np.ndarray:
        """Run the real event loop, not a processEvents loop, until a condition holds."""
        loop, poll = QEventLoop(), QTimer()
        end = time.monotonic() + seconds
        poll.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > end else None)  # type: ignore[operator]
        poll.start(200)
        ticks.start()
        loop.exec()
        poll.stop()
        return ticks.stop()

    report("idle", run_for(lambda: False, 3))
    browse = QTimer()
    browse.timeout.connect(lambda: session.step(1))
    if options.browse:
        browse.start(1000)
    started = time.monotonic()
    window.actions_by_key["analyse_all"].trigger()
    gaps = run_for(lambda: not window.batch.is_running, 1200)
    browse.stop()
    seconds = time.monotonic() - started
    kept = report("analysing", gaps)
    n_done = sum(entry.state is ImageState.DONE for entry in session.entries())
    n_particles = sum(len(r.particles) for a in session.analyses() for r in a.results.values())
    print(f"{n_done} of {len(paths)} images with {n_particles} particles in {seconds:.1f} s")
    print(f"targets p99 {P99_MS:.0f} ms, worst {WORST_MS:.0f} ms: {'kept' if kept else 'MISSED'}")
    window.close()
    application.close()
    return 0 if kept and n_done == len(paths) else 1


if __name__ == "__main__":
    sys.exit(main())
