"""How long 100 000 spectra take through the window, and how long its event loop is held meanwhile.

    python -m tests.benchmarks.bench_spectra_window [--rows 250] [--columns 400] [--points 1000]

The real window shows a map of rows x columns spectra and classifies it with its Classify panel in front,
while a 10 ms timer repaints the map at each tick (see :mod:`tests.benchmarks.bench_event_loop`, also for what
"unqueued" means). The same call in the core is timed first: what the window takes beyond it is transport and
painting. Other steps: opening the map, colouring it by another band, moving a limit, marking a region,
selecting half of the map, filling a column. Exit code 1 if classifying takes longer than 3 s or the loop is
held for more than 50 ms.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.benchmarks.bench_event_loop import WORST_MS, Ticks, report

MOST_SECONDS = 3.0
CLASSES = ("early", "late", "lysosome")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=250)
    parser.add_argument("--columns", type=int, default=400)
    parser.add_argument("--points", type=int, default=1000)
    options = parser.parse_args()
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as home:
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            os.environ[name] = home
        return measure(options)


def measure(options: argparse.Namespace) -> int:
    from PySide6.QtCore import QEventLoop, QTimer

    from nanoai_gui.core.spectra.classifier import ClassifierSettings, fit_classifier
    from nanoai_gui.core.spectra.model import SpectraModel
    from nanoai_gui.core.spectra.places import grid_from
    from nanoai_gui.core.spectra.preprocessing import Pipeline
    from nanoai_gui.core.spectra.rejection import Thresholds
    from nanoai_gui.core.spectra.spectral_set import SpectralSet
    from nanoai_gui.gui.app import SWITCH_SECONDS, create_app
    from nanoai_gui.gui.tabs import SPECTRA

    random = np.random.default_rng(1)
    axis = np.linspace(400.0, 1800.0, options.points)
    few = random.normal(size=(2500, options.points)).astype(np.float32)
    bands = np.exp(-0.5 * ((axis - np.array([[700.0], [1000.0], [1300.0]])) / 15) ** 2)
    labels = np.arange(2500) % 3
    few += (4 * bands[labels] * random.uniform(0, 1, (2500, 1))).astype(np.float32)
    n = options.rows * options.columns
    number = np.arange(n)
    row, column = number // options.columns, number % options.columns
    cells = np.array([f"cell {i}" for i in range(20)])[column * 20 // options.columns]
    spectra = SpectralSet(
        few[number % 2500],
        axis,
        {"x_um": column * 0.5, "y_um": row * 0.5, "cell": cells},
        grid_from(column, row, (options.rows, options.columns), (0.0, 0.0), (0.5, 0.5)),
    )
    classifier = fit_classifier(few, labels, CLASSES, ClassifierSettings(n_components=44, epochs=5))
    model = SpectraModel(CLASSES, axis, Pipeline(), axis, classifier, Thresholds(probability=0.4))
    started, busy = time.perf_counter(), time.process_time()
    model.predict(spectra)
    in_core, of_cpu = time.perf_counter() - started, time.process_time() - busy
    print(f"{n} spectra of {options.points} points; in the core, this process: {in_core:.2f} s, "
          f"{of_cpu:.2f} s of one core", flush=True)  # fmt: skip

    sys.setswitchinterval(SWITCH_SECONDS)
    application = create_app(with_log=False)
    application.reporter.reported.connect(lambda failure: print(failure, failure.details, file=sys.stderr))
    window = application.window
    window.resize(1280, 800)
    application.show([])
    window.tabs.show_page(SPECTRA)
    part = window.spectra
    assert part is not None
    session, tab = part.session, part.tab
    ticks = Ticks(tab.map.plot.viewport())

    def run_for(condition: Callable[[], bool], seconds: float) -> np.ndarray:
        """Run the real event loop until a condition holds, and 0.3 s more: what follows counts too."""
        loop, poll = QEventLoop(), QTimer()
        end = [time.monotonic() + seconds]

        def look() -> None:
            if condition():
                end[0] = min(end[0], time.monotonic() + 0.3)
            if time.monotonic() > end[0]:
                loop.quit()

        poll.timeout.connect(look)
        poll.start(50)
        ticks.start()
        loop.exec()
        poll.stop()
        return ticks.stop()

    run_for(lambda: False, 2)
    kept = report("idle", run_for(lambda: False, 2))
    (key,) = session.add_paths([Path("made here")])
    # Its own file is not there; the set comes as a reader would hand it over.
    run_for(lambda: session.entry(key).error != "", 10)

    def step(name: str, act: Callable[[], object], condition: Callable[[], bool]) -> None:
        nonlocal kept
        QTimer.singleShot(100, act)
        kept = report(name, run_for(condition, 60)) and kept

    step("open", lambda: session.accept_sets(key, (spectra,)), lambda: tab.map.values is not None)
    session.set_model(model)
    tab.show_panel("Classify")
    run_for(lambda: False, 1)
    took: list[float] = []
    begun = [0.0]
    session.predictions_changed.connect(lambda _: took.append(time.perf_counter() - begun[0]))

    def classify() -> None:
        begun[0] = time.perf_counter()
        tab.learning.prediction.current_button.click()

    for name in ("classify", "again"):
        session.set_predictions(key, None)
        took.clear()
        step(name, classify, lambda: bool(took) and session.predictions(key) is not None)
        print(f"{name}: {took[0]:.2f} s from the click to the coloured map, core {in_core:.2f} s", flush=True)
    limit = Thresholds(probability=0.5)
    step("limit", lambda: session.set_thresholds(limit), lambda: True)
    step("band", lambda: session.set_band((900.0, 1100.0)), lambda: True)
    half = np.flatnonzero(column < options.columns // 2)
    step("select", lambda: session.select(half), lambda: True)
    step("region", lambda: session.add_region(half, "early"), lambda: len(session.rois) == 1)
    tab.show_panel("Table")
    step("table", lambda: session.set_column(key, half, "dish", "D1"), lambda: True)
    print(
        f"targets {MOST_SECONDS:.0f} s and {WORST_MS:.0f} ms:"
        f" {took[0]:.2f} s, gaps {'kept' if kept else 'MISSED'}"
    )
    window.close()
    application.close()
    return 0 if kept and took[0] <= MOST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
