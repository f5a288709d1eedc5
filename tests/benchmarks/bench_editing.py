"""What editing costs: ``python -m tests.benchmarks.bench_editing [--side 4096] [--agglomerates 1000]``.

Prints, for an image of 1000 agglomerates in the real TEM tab (off screen): the time from an edit to the new
table and to the new histogram, GMD and GSD, what was touched having been measured again in a worker; the time
of a frame of a brush stroke; and the bytes of a stroke in memory and in a project file.

The clock of a machine that does other work says little: beside it stands the processor time (of the window's
thread for frames; of the whole window for edits, painting included), and a fixed piece of arithmetic is
timed by both, whose ratio says how much of a core was to be had.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import tifffile
from PySide6.QtCore import QEventLoop, QPointF, Qt, QTimer
from PySide6.QtWidgets import QApplication

from nanoai_gui.core.editing import circles, labels
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.strokes import Stroke
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.analysis import ImageRequest, analyse
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.editing.gestures import PaintStroke
from nanoai_gui.gui.tem.loading import ImageLoader
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tem_tab import TemTab
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.tem.tools import Tool
from nanoai_gui.gui.tem.view import View


def scene(side: int, n: int) -> np.ndarray:
    """Trios of overlapping dark discs on a noisy ground, ``n`` of them on a grid."""
    rng = np.random.default_rng(3)
    image = rng.normal(180, 4, (side, side)).astype(np.float32)
    per_row = int(np.ceil(np.sqrt(n)))
    pitch = side / per_row
    radius = 0.16 * pitch
    reach = int(0.48 * pitch)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for i in range(n):
        cy, cx = int((i // per_row + 0.5) * pitch), int((i % per_row + 0.5) * pitch)
        part = image[cy - reach : cy + reach + 1, cx - reach : cx + reach + 1]
        inside = np.zeros(y.shape, bool)
        for angle in rng.uniform(0, 0.6) + np.array([0, 2.1, 4.2]):
            dy, dx = 0.9 * radius * np.sin(angle), 0.9 * radius * np.cos(angle)
            inside |= (y - dy) ** 2 + (x - dx) ** 2 < (radius * rng.uniform(0.8, 1.1)) ** 2
        part[inside[: part.shape[0], : part.shape[1]]] -= 80
    return image.clip(0, 255).astype(np.uint8)


def wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Run the event loop until something holds."""
    loop = QEventLoop()
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if condition() else None)
    timer.start(1)
    QTimer.singleShot(int(seconds * 1000), loop.quit)
    if not condition():
        loop.exec()
    timer.stop()
    if not condition():
        raise SystemExit("that never happened")


class Window:
    """The TEM tab with an image that was measured."""

    def __init__(self, path: Path) -> None:
        self.session = TemSession()
        self.runner = JobRunner(WorkerPool(2, reserve=1))
        self.loader = ImageLoader(self.session, self.runner)
        self.tab = TemTab(self.session, self.runner, Thumbnails(self.runner))
        self.tab.resize(1600, 1000)
        self.tab.show()
        (self.key,) = self.session.add_paths([path])
        wait(lambda: self.session.micrograph is not None)
        started = time.perf_counter()
        analysis = analyse(self.session.entry(self.key).request(), self.session.settings)
        self.whole = time.perf_counter() - started
        self.measuring = analysis.seconds["watershed"]
        assert self.session.accept_analysis(self.key, analysis)
        wait(lambda: self.tab.canvas.picture is not None and self.tab.histogram.plot.state is not None)
        self.tab.editing.remeasuring.prepare()
        wait(lambda: self.tab.editing.remeasuring._grey_levels is not None)
        self.document = self.session.entry(self.key).document

    def close(self) -> None:
        """Stop threads and processes."""
        self.tab.shut_down()
        self.runner.close()

    def edit(self, make: Callable[[], Edit | None]) -> tuple[float, float, float]:
        """Make an edit; ms until the table, until the histogram, and of processor time till then."""
        shown: list[float] = []
        histogram = self.tab.histogram
        count = histogram.updated.connect(lambda: shown.append(time.perf_counter()))
        wait(lambda: not histogram._timer.isActive() and not histogram._is_computing)
        time.sleep(0.15)
        shown.clear()
        edit = make()
        assert edit is not None
        spent, began = time.process_time(), time.perf_counter()
        self.session.commit(self.key, edit)

        def is_current() -> bool:
            state = histogram.plot.state
            analysis = self.document.analysis
            return (
                not self.document.stale()
                and state is not None
                and state.request.images[0][1].results is not None
                and analysis is not None
                and state.request.images[0][1].results["watershed"] is analysis.results["watershed"]
            )

        tabled = 0.0

        def is_tabled() -> bool:
            nonlocal tabled
            result = self.document.results["watershed"]
            if (
                not tabled
                and not self.document.stale()
                and self.tab.table.model.particles is result.particles
            ):
                tabled = time.perf_counter()
            return bool(tabled) and is_current()

        wait(is_tabled)
        spent = time.process_time() - spent
        passed = time.perf_counter() - began
        histogram.updated.disconnect(count)
        return 1e3 * (tabled - began), 1e3 * passed, 1e3 * spent


def measure_edits(window: Window, repeats: int) -> None:
    """Time edits of every kind."""
    document, ids = window.document, window.document.table.ids.tolist()
    rng = np.random.default_rng(0)

    def some() -> int:
        return int(rng.choice([i for i in ids if i in document.table.ids]))

    def stroke() -> Edit | None:
        ident = some()
        row = int(np.flatnonzero(document.table.ids == ident)[0])
        made = Stroke(document, ident, 6)
        x, y = float(document.table.x[row]), float(document.table.y[row])
        made.line(x, y, x + 60, y + 20)
        return made.edit()

    def split() -> Edit | None:
        ident = some()
        row = int(np.flatnonzero(document.table.ids == ident)[0])
        y0, x0, y1, x1 = document.table.boxes[row].tolist()
        line = np.array([[x0 - 2, (y0 + y1) / 2], [x1 + 2, (y0 + y1) / 2]])
        return labels.split_by_line(document, line, [ident])

    def circle() -> Edit | None:
        row = int(np.flatnonzero(document.table.ids == some())[0])
        shape = circles.Ellipse(float(document.table.x[row]), float(document.table.y[row]), 9, 9)
        return circles.add(document, "watershed", shape)

    def move() -> Edit | None:
        return circles.move(
            document, "watershed", [int(document.results["watershed"].particles.ids[7])], 1, 2
        )

    print(f"\n{'from the edit, ms (median)':<40} {'to table':>9} {'to GMD, GSD':>12} {'worst':>7} {'CPU':>7}")
    kinds: dict[str, Callable[[], Edit | None]] = {
        "delete an agglomerate": lambda: labels.delete(document, [some()]),
        "brush stroke, measured again": stroke,
        "split, both parts measured again": split,
        "count set to 2, measured again": lambda: labels.set_count(document, some(), 2),
        "add a circle": circle,
        "move a circle": move,
    }
    for name, make in kinds.items():
        times = [window.edit(make) for _ in range(repeats)]
        table, histogram, thread = (statistics.median(column) for column in zip(*times, strict=True))
        worst = max(t[1] for t in times)
        print(f"{name:<40} {table:9.0f} {histogram:12.0f} {worst:7.0f} {thread:7.1f}", flush=True)

    session, key = window.session, window.key

    def again() -> float:
        began = time.perf_counter()
        session.undo(key)
        return 1e3 * (time.perf_counter() - began)

    undone = [again() for _ in range(min(20, session.history(key).position))]
    print(f"{'undo (in the window thread, no measuring)':<40} {statistics.median(undone):9.1f}")
    wait(lambda: not window.tab.histogram._is_computing)


def measure_stroke(window: Window) -> None:
    """Time the frames of a brush stroke across the image, and weigh it."""
    canvas, editing = window.tab.canvas, window.tab.editing
    side = canvas.image_shape[0]
    editing.set_tool(Tool.BRUSH)
    print(f"\n{'a frame of a stroke, ms':<40} {'median':>9} {'95 %':>12} {'worst':>7} {'thread':>7}")
    for name, zoom, radius in (("whole image", 0.0, 40.0), ("100 %", 1.0, 12.0), ("400 %", 4.0, 5.0)):
        if zoom:
            canvas.set_view(View(zoom, side / 2, side / 2))
        else:
            canvas.fit()
        editing.editor.set_brush_radius(radius)
        QApplication.processEvents()
        canvas.repaint()
        w, h = canvas.width(), canvas.height()
        stroke = editing.editor.begin_stroke(*canvas.to_image(QPointF(0.1 * w, 0.1 * h)), erases=False)
        assert stroke is not None
        at = QPointF(0.1 * w, 0.1 * h)
        gesture = PaintStroke(canvas, at, editing.on_canvas, stroke)
        clock, thread = [], []
        for i in range(60):
            at = QPointF((0.1 + 0.8 * i / 60) * w, (0.1 + 0.8 * i / 60) * h)
            spent, began = time.thread_time(), time.perf_counter()
            editing.on_canvas.hover(at, is_pressed=True)
            gesture.move(at, Qt.KeyboardModifier.NoModifier)
            QApplication.processEvents()
            clock.append(1e3 * (time.perf_counter() - began))
            thread.append(1e3 * (time.thread_time() - spent))
        kilobytes = stroke.n_bytes / 1024
        began = time.perf_counter()
        edit = stroke.edit()
        made = 1e3 * (time.perf_counter() - began)
        gesture.cancel()
        assert edit is not None
        print(
            f"{name + f', brush of {2 * radius:.0f} px':<40} {np.median(clock):9.1f} "
            f"{np.percentile(clock, 95):12.1f} {max(clock):7.1f} {np.median(thread):7.1f}   "
            f"{kilobytes:.0f} KiB while drawn, {edit.n_bytes / 1024:.1f} KiB in the history, "
            f"{len(edit.to_bytes()) / 1024:.1f} KiB in a file, made in {made:.0f} ms",
            flush=True,
        )
    image = window.document.labels.nbytes / 1024
    print(f"the label image itself: {image:.0f} KiB")


def crowding() -> float:
    """Clock over processor time of some arithmetic: 1 on an idle machine."""
    values = np.random.default_rng(0).random((400, 400))
    spent, began = time.thread_time(), time.perf_counter()
    for _ in range(40):
        np.sort(values, axis=0)
    return (time.perf_counter() - began) / (time.thread_time() - spent)


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--agglomerates", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    app = QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.tif"
        tifffile.imwrite(path, scene(options.side, options.agglomerates))
        assert ImageRequest(path).path == path
        window = Window(path)
        n = len(window.document.results["watershed"].particles)
        print(f"{len(window.document.table)} agglomerates, {n} particles, {options.side} px squared")
        print(f"the whole image analysed: {window.whole:.2f} s; clock over processor time: {crowding():.1f}")
        measure_stroke(window)
        measure_edits(window, options.repeats)
        window.close()
    app.processEvents()


if __name__ == "__main__":
    main()
