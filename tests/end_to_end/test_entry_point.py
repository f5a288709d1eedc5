"""`python -m nanoai_gui`: the window only when asked for, and no Qt on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nanoai_gui


def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "nanoai_gui"]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=250, env=environment
    )


def test_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert nanoai_gui.__version__ in done.stdout


def test_help_names_the_window_and_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "size" in done.stdout
    assert "window" in done.stdout


def test_an_unknown_option_is_wrong_usage() -> None:
    assert run("--nonsense").returncode == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a screen")
def test_without_a_screen_it_says_so() -> None:
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in screens}
    command = [sys.executable, "-m", "nanoai_gui", "a.tif"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment)
    assert done.returncode == 1
    assert "no screen" in done.stderr


def test_the_command_line_loads_no_qt(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from nanoai_gui.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "print([name for name in sys.modules if 'PySide6' in name or 'pyqtgraph' in name])\n"
        "sys.exit(code)"
    )
    done = run("synthesize", "tem", "-n", "1", "--seed", "1", "--out", str(tmp_path / "out"), code=code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


WINDOW = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from nanoai_gui.__main__ import main

def look():
    (window,) = [w for w in QApplication.topLevelWidgets() if w.isWindow() and hasattr(w, "session")]
    if window.session.micrograph is not None:
        print(window.session.micrograph.name, len(window.session))
        window.close()

if __name__ == "__main__":
    import nanoai_gui.gui.app as app
    show = app.Application.show
    timer = None

    def show_and_look(self, files=()):
        global timer
        timer = QTimer()
        timer.timeout.connect(look)
        timer.start(50)
        QTimer.singleShot(200_000, self.window.close)
        show(self, files)

    app.Application.show = show_and_look
    sys.exit(main(sys.argv[1:]))
"""


def test_files_named_on_the_command_line_are_opened(tmp_path: Path) -> None:
    import numpy as np
    import tifffile

    path = tmp_path / "ein Bild ü.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    script = tmp_path / "start.py"
    script.write_text(WINDOW)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, script, path], capture_output=True, text=True, timeout=250, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "ein Bild ü.tif 1"
