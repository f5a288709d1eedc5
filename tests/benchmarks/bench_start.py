"""Seconds from the start of Python to the first painted window, against a bare PySide6 window.

    python -m tests.benchmarks.bench_start [--runs 7] [--limit 0.6]

Each run is a process of its own; the clock starts before it is created, so that Python's own start counts.
After a first run that is not counted the files are in the disk cache and compiled, as from a person's second
start on (Python can be forbidden to keep what it compiled: that adds some 0.2 s to each start). Exit code 1
if the median is above the limit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

BARE = """
import sys, time
from PySide6.QtWidgets import QApplication, QMainWindow
from PySide6.QtCore import QEvent, QTimer

class Window(QMainWindow):
    def paintEvent(self, event):
        super().paintEvent(event)
        QTimer.singleShot(0, done)

def done():
    print(time.monotonic(), flush=True)
    QApplication.exit(0)

application = QApplication(sys.argv)
window = Window()
window.resize(1200, 800)
window.show()
application.exec()
"""

NANOAI = """
import time
from pathlib import Path
from nanoai_gui.gui.app import FirstPaint, create_app

def main():
    application = create_app()
    def done():
        print(time.monotonic(), flush=True)
        application.window.close()
    FirstPaint(application.window, done)
    application.window.show()
    application.qt.exec()
    application.close()

if __name__ == "__main__":
    main()
"""


def seconds(script: str, environment: dict[str, str]) -> float:
    """Run a script that prints the time of its first paint."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return float(done.stdout.split()[0]) - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--limit", type=float, default=0.6, help="largest median in seconds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home, "XDG_CACHE_HOME": home}
        environment["PYTHONPYCACHEPREFIX"] = home
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
            environment.setdefault("QT_QPA_PLATFORM", "offscreen")
        medians = {}
        for name, script in (("bare PySide6 window", BARE), ("NanoAI window", NANOAI)):
            seconds(script, environment)
            times = [seconds(script, environment) for _ in range(options.runs)]
            medians[name] = statistics.median(times)
            print(
                f"{name:20s} median {medians[name]:.3f} s, "
                f"fastest {min(times):.3f} s, slowest {max(times):.3f} s"
            )
    is_fast = medians["NanoAI window"] <= options.limit
    print(f"limit {options.limit} s: {'kept' if is_fast else 'EXCEEDED'}")
    return 0 if is_fast else 1


if __name__ == "__main__":
    sys.exit(main())
