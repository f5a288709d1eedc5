"""How long the canvas holds the window's thread: ``python -m tests.benchmarks.bench_canvas``.

Prints milliseconds for a 4096 x 4096 image with 5000 agglomerates and particles, at several zooms and pixel
types, for every thing a person does: processor time of the thread (median and worst), which tells what the
work costs also on a busy machine, and the time by the clock (median). Then the periods of the event loop
while an overlay is prepared in a thread; and, for comparison, the same picture in a pyqtgraph scene.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.display import Contrast
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.overlay import OverlayPicture, fill_colours, prepare_overlay
from nanoai_gui.gui.tem.view import View

WINDOW = (1400, 900)


def scene(side: int, n: int) -> tuple[NDArray[np.uint16], NDArray[np.int32], Particles]:
    """Noise with ``n`` dark discs, their labels, and a circle each."""
    rng = np.random.default_rng(0)
    pixels = rng.normal(30000, 3000, (side, side)).astype(np.uint16)
    labels = np.zeros((side, side), np.int32)
    scale = side / 4096
    x, y = rng.uniform(0, side, n), rng.uniform(0, side, n)
    radius = np.maximum(rng.uniform(10, 25, n) * scale, 3)
    reach = int(26 * scale) + 4
    yy, xx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for i in range(n):
        disc = xx**2 + yy**2 < radius[i] ** 2
        rows, columns = yy[disc] + int(y[i]), xx[disc] + int(x[i])
        inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
        labels[rows[inside], columns[inside]] = i + 1
        pixels[rows[inside], columns[inside]] //= 2
    return pixels, labels, Particles.from_circles(np.arange(1, n + 1), x, y, radius)


def report(name: str, action: Callable[[int], object], repeats: int = 20) -> None:
    """Print what an action costs in ms; it is told the number of the repeat."""
    spent, passed = [], []
    for i in range(repeats):
        started, began = time.thread_time(), time.perf_counter()
        action(i)
        spent.append(1e3 * (time.thread_time() - started))
        passed.append(1e3 * (time.perf_counter() - began))
    print(f"{name:<58} {np.median(spent):7.1f} {max(spent):7.1f} {np.median(passed):7.1f}", flush=True)


def drag(canvas: MicrographCanvas, view: View) -> Callable[[int], None]:
    """Pan a little and paint."""

    def step(i: int) -> None:
        canvas.set_view(view.moved(7.3 * (i % 10), 3.1 * (i % 10)))
        canvas.repaint()

    return step


def measure_canvas(pixels: NDArray[np.uint16], labels: NDArray[np.int32], particles: Particles) -> None:
    """Time everything a person does on the canvas."""
    side = pixels.shape[0]
    excluded = range(1, len(particles), 10)
    started = time.perf_counter()
    picture = prepare_overlay(labels, excluded, particles)
    print(f"prepare_overlay (not in the window's thread): {time.perf_counter() - started:.2f} s")
    canvas = MicrographCanvas()
    canvas.resize(*WINDOW)
    canvas.show()
    QApplication.processEvents()
    print(f"\n{'in the window thread, ms':<58} {'median':>7} {'worst':>7} {'clock':>7}")
    fit = View(0.21, side / 2, side / 2)
    for kind in (np.uint8, np.uint16, np.float32):
        image = (pixels >> 8).astype(kind) if kind is np.uint8 else pixels.astype(kind)
        name = kind.__name__

        def show(i: int, image: NDArray[np.generic] = image) -> None:
            canvas.set_micrograph(Micrograph(image.view(), "bench"))
            canvas.set_overlay(picture)
            canvas.repaint()

        report(f"{name}: show image and overlay, first paint", show, 5)
        wait_for_pyramid(canvas)
        for zoom in (fit, View(0.6, side / 2, side / 2), View(1.0, side / 2, side / 2), View(6.0, 500, 500)):
            canvas.set_view(zoom)
            canvas.repaint()
            report(f"{name}: pan a frame at {100 * zoom.scale:.0f} %", drag(canvas, zoom))
        canvas.set_view(View(0.55, side / 2, side / 2))

        def level(i: int, top: float = float(image.max())) -> None:
            canvas.set_contrast(Contrast(20.0 + i, top))
            canvas.repaint()

        report(f"{name}: drag a contrast handle at 55 % (the largest cut)", level)
    canvas.set_view(fit)

    def select(i: int) -> None:
        canvas.set_selection(Selection(frozenset({i + 1}), frozenset({i + 1})))
        canvas.repaint()

    report("select one particle and paint", select)

    def select_all(i: int) -> None:
        everything = frozenset(range(1, len(particles) + 1)) if i % 2 else frozenset()
        canvas.set_selection(Selection(everything, everything))
        canvas.repaint()

    report("select all, or nothing, and paint", select_all)
    canvas.set_selection(Selection())

    def lay_over(i: int) -> None:
        canvas.set_overlay(picture)
        canvas.repaint()

    report("set_overlay and paint", lay_over)
    rng = np.random.default_rng(1)
    report("1000 hit tests", lambda i: [picture.hit(*at) for at in rng.uniform(0, side, (1000, 2))], 3)
    mask = labels > 0

    def tint(i: int) -> None:
        canvas.set_preview(mask)
        canvas.repaint()

    report("threshold preview and paint", tint)
    measure_gaps(canvas, labels, particles)
    canvas.shut_down()
    canvas.close()


def wait_for_pyramid(canvas: MicrographCanvas) -> None:
    """Let the thread finish."""
    loop = QEventLoop()
    QTimer.singleShot(1500, loop.quit)
    loop.exec()


def measure_gaps(canvas: MicrographCanvas, labels: NDArray[np.int32], particles: Particles) -> None:
    """Run the event loop with a repaint each 16 ms, alone and while a thread prepares overlays."""
    print()
    for what in ("alone", "while a thread prepares overlays"):
        gaps: list[float] = []
        last = time.perf_counter()

        def tick(gaps: list[float] = gaps) -> None:
            nonlocal last
            canvas.repaint()
            now = time.perf_counter()
            gaps.append(1e3 * (now - last))
            last = now

        timer = QTimer()
        timer.setInterval(16)
        timer.timeout.connect(tick)
        loop = QEventLoop()
        is_over = threading.Event()

        def work(is_over: threading.Event = is_over) -> None:
            while not is_over.is_set():
                prepare_overlay(labels, (), particles)

        thread = threading.Thread(target=work)
        timer.start()
        if what != "alone":
            thread.start()
        QTimer.singleShot(4000, loop.quit)
        loop.exec()
        timer.stop()
        is_over.set()
        if thread.is_alive():
            thread.join()
        print(
            f"event loop at 60 Hz repainting all, {what}: period median {np.median(gaps):.1f}, "
            f"99 % {np.percentile(gaps, 99):.1f}, worst {max(gaps):.1f} ms"
        )


def measure_scene(pixels: NDArray[np.uint16], labels: NDArray[np.int32], picture: OverlayPicture) -> None:
    """Time the same picture in a pyqtgraph scene: image item, label image item, two merged curves."""
    import pyqtgraph

    pyqtgraph.setConfigOptions(imageAxisOrder="row-major", antialias=False)
    view = pyqtgraph.GraphicsView()
    view.resize(*WINDOW)
    box = pyqtgraph.ViewBox(enableMenu=False, lockAspect=True, invertY=True)
    view.setCentralItem(box)
    image = pyqtgraph.ImageItem(pixels, levels=(10000, 40000))
    fill = pyqtgraph.ImageItem(picture.fill[0], levels=(0, 255), lut=fill_colours())
    for item in (image, fill):
        box.addItem(item, ignoreBounds=True)
    for outlines in (picture.agglomerates, picture.particles):
        connect = np.ones(len(outlines.points), np.int32)
        connect[outlines.starts[1:] - 1] = 0
        curve = pyqtgraph.PlotCurveItem(
            *outlines.points.T.astype(float),
            connect=connect,
            skipFiniteCheck=True,
            pen=pyqtgraph.mkPen("y", width=1),
        )
        box.addItem(curve, ignoreBounds=True)
    view.show()
    side = pixels.shape[0]
    print(
        f"\n{'pyqtgraph scene, uint16, lines without halo, ms':<58} {'median':>7} {'worst':>7} {'clock':>7}"
    )
    for scale in (0.21, 1.0, 6.0):

        def step(i: int, scale: float = scale) -> None:
            half_x, half_y = WINDOW[0] / 2 / scale, WINDOW[1] / 2 / scale
            x, y = side / 2 - 7.3 * (i % 10) / scale, side / 2 - 3.1 * (i % 10) / scale
            box.setRange(xRange=(x - half_x, x + half_x), yRange=(y - half_y, y + half_y), padding=0)
            QApplication.processEvents()
            view.viewport().repaint()

        step(0)
        report(f"pan a frame at {100 * scale:.0f} %", step)
    view.close()


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--particles", type=int, default=5000)
    parser.add_argument("--no-scene", action="store_true", help="leave the comparison out")
    arguments = parser.parse_args()
    application = QApplication([])
    pixels, labels, particles = scene(arguments.side, arguments.particles)
    print(f"{arguments.side} x {arguments.side} px, {arguments.particles} particles, window {WINDOW}")
    measure_canvas(pixels, labels, particles)
    if not arguments.no_scene:
        measure_scene(pixels, labels, prepare_overlay(labels, (), particles))
    application.quit()


if __name__ == "__main__":
    main()
