"""Entry point: the window, or a sub-command without it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code (0: done, 1: something failed, 2: wrong usage)."""
    if getattr(sys, "frozen", False):
        # First of all: in a bundle a worker process is this very program, and must not open a window.
        import multiprocessing

        multiprocessing.freeze_support()
        # PyInstaller would let matplotlib list the fonts anew at every start.
        from nanoai_gui.core.folders import cache_folder

        os.environ["MPLCONFIGDIR"] = str(cache_folder() / "matplotlib")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in ("--version", "-V"):
        import nanoai_gui

        print(f"nanoai-gui {nanoai_gui.__version__}")
        return 0
    if words and words[0] == "--selftest":
        from nanoai_gui.gui import selftest

        return selftest.main(words[1:])
    if words:
        from nanoai_gui import cli

        if words[0] in cli.SUB_COMMANDS or words[0].startswith("-"):
            return cli.main(words)
    if not has_screen():
        print(
            "nanoai-gui: There is no screen to show the window on. "
            "Measure without it: nanoai-gui size --help",
            file=sys.stderr,
        )
        return 1
    from nanoai_gui.gui.app import run_window

    return run_window([Path(word) for word in words])


def has_screen() -> bool:
    """Whether a window can be shown; without one Qt would not only complain, but abort the process."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


if __name__ == "__main__":
    sys.exit(main())
