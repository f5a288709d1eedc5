"""``nanoai-gui --selftest [REPORT]``: the checks of the core, and those that need a window."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QTimer

import nanoai_gui
from nanoai_gui.core import selftest
from nanoai_gui.core.folders import HOME_VARIABLE
from nanoai_gui.core.resources import resource
from nanoai_gui.core.selftest import Check, expect

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

    from nanoai_gui.gui.app import Application

FRAME_SECONDS = 60
FEWEST_COLOURS = 200
"""A window that shows a micrograph has many more; one that was never painted has one."""


def main(arguments: Sequence[str]) -> int:
    """Try everything; give exit code 0 if all of it works, else 1.

    Parameters
    ----------
    arguments
        Possibly the name of a file for the report, which a program without a console needs.
    """
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print("usage: nanoai-gui --selftest [REPORT]", file=sys.stderr)
        return 2
    if not arguments:
        return _run(sys.stdout)
    try:
        with Path(arguments[0]).open("w", encoding="utf-8") as report:
            return _run(report)
    except OSError as error:
        print(f"nanoai-gui: {arguments[0]} cannot be written: {error.strerror}.", file=sys.stderr)
        return 1


def _run(report: TextIO | None) -> int:
    def say(line: str) -> None:
        if report is not None:
            print(line, file=report, flush=True)

    say(f"NanoAI {nanoai_gui.__version__}, Python {platform.python_version()}, {platform.platform()}")
    try:
        say(selftest.versions())
    except ImportError as error:
        say(f"FAILED  {error}")
        return 1
    return 1 if selftest.run([*selftest.core_checks(), *window_checks()], say) else 0


def window_checks() -> Iterator[Check]:
    """List what needs a window; without a screen it is drawn into memory."""
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    yield Check("draw a frame with the sample image", partial(_with_app, _draw_images))
    yield Check("draw the Spectra tab", partial(_with_app, _draw_spectra))
    yield Check("icons and guide", partial(_with_app, _draw_help))


def _with_app(check: Callable[[Application], str], folder: Path) -> str:
    """Run a check on a window of its own, whose settings and log are not those of the person."""
    from nanoai_gui.gui.app import create_app
    from nanoai_gui.gui.settings import SettingsStore

    # What the window keeps by itself, projects too, must not come among the person's own.
    home = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(folder)
    store = SettingsStore(folder / "settings.json")
    application = create_app(["nanoai-gui"], store=store, install_hooks=False, log_to=folder / "log.txt")
    # What goes wrong in a callback of Qt reaches nobody else, and the window may look well all the same.
    uncaught: list[BaseException] = []
    before, sys.excepthook = sys.excepthook, lambda _, error, __: uncaught.append(error)
    try:
        application.window.resize(1200, 800)
        application.window.show()
        found = check(application)
        expect(not uncaught, "; ".join(f"{type(error).__name__}: {error}" for error in uncaught))
        return found
    finally:
        sys.excepthook = before
        application.window.close()
        application.close()
        # Its timers would go on beside the next window.
        application.window.deleteLater()
        QCoreApplication.sendPostedEvents(application.window, QEvent.Type.DeferredDelete.value)
        # Only now: a project that has not been begun yet is begun when the window closes.
        os.environ.pop(HOME_VARIABLE)
        if home is not None:
            os.environ[HOME_VARIABLE] = home


def _wait_for(holds: Callable[[], bool], what: str) -> None:
    """Let the window live until something holds."""
    loop = QEventLoop()
    asking, limit = QTimer(), QTimer()
    limit.setSingleShot(True)
    limit.timeout.connect(loop.quit)
    asking.timeout.connect(lambda: loop.quit() if holds() else None)
    asking.start(20)
    limit.start(FRAME_SECONDS * 1000)
    loop.exec()
    asking.stop()
    expect(holds(), f"{what} did not happen within {FRAME_SECONDS} s")


def _colours(image: QImage) -> int:
    """Count the different colours of a picture, every third pixel looked at."""
    columns, rows = range(0, image.width(), 3), range(0, image.height(), 3)
    return len({image.pixel(x, y) for y in rows for x in columns})


def _draw_images(application: Application) -> str:
    window = application.window
    window.open_paths([resource(*selftest.SAMPLE_IMAGE)])
    analyse = window.actions_by_key["analyse_current"]
    _wait_for(analyse.isEnabled, "showing the sample image")
    analyse.trigger()
    _wait_for(lambda: window.session.current_analysis is not None, "measuring the sample image")
    frame = window.grab().toImage()
    n = _colours(frame)
    expect(n >= FEWEST_COLOURS, f"the window shows only {n} colours")
    return f"{frame.width()} x {frame.height()} px with {n} colours on {application.qt.platformName()}"


def _draw_spectra(application: Application) -> str:
    window = application.window
    window.open_paths([resource(*selftest.SAMPLE_MAP)])
    _wait_for(
        lambda: window.spectra is not None and window.spectra.session.current_entry is not None,
        "showing the sample map",
    )
    frame = window.grab().toImage()
    n = _colours(frame)
    expect(n >= FEWEST_COLOURS // 4, f"the window shows only {n} colours")
    return f"{frame.width()} x {frame.height()} px with {n} colours"


def _draw_help(application: Application) -> str:
    from nanoai_gui.gui.actions import ACTIONS

    actions = application.window.actions_by_key
    without = [info.key for info in ACTIONS if info.icon and actions[info.key].icon().isNull()]
    expect(not without, f"these commands have no icon: {', '.join(without)}")
    return f"{sum(1 for info in ACTIONS if info.icon)} icons"
