"""An X server without a screen, and a hand that types and clicks on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

TOOLS = ("Xvfb", "xdotool", "import")
PATIENCE = 120.0


def why_not() -> str:
    """Say why there can be none here, or nothing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"there is no {', '.join(missing)}" if missing else ""


class Screen:
    """A running X server; ``name`` is what DISPLAY must be."""

    def __init__(self, width: int, height: int, pictures: Path) -> None:
        self.pictures = pictures
        pictures.mkdir(parents=True, exist_ok=True)
        reader, writer = os.pipe()
        # The server itself chooses a number that is free, and says it here.
        self._server = subprocess.Popen(
            [
                "Xvfb",
                "-displayfd",
                str(writer),
                "-screen",
                "0",
                f"{width}x{height}x24",
                "-ac",
                "-noreset",
                "-nolisten",
                "tcp",
            ],
            pass_fds=[writer],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        with os.fdopen(reader) as answer:
            self.name = f":{answer.readline().strip()}"

    def go_first(self) -> None:
        """Draw before all other work on the machine is done."""
        subprocess.run(["chrt", "-r", "-p", "1", str(self._server.pid)], check=False)

    def close(self) -> None:
        """End the server."""
        self._server.terminate()
        self._server.wait()

    def _tool(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, env={**os.environ, "DISPLAY": self.name}, capture_output=True, text=True, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def window(self, name: str) -> str:
        """Wait for a visible window whose title matches, and give it the keyboard; there is no manager."""

        def find() -> str:
            found = self._tool("xdotool", "search", "--onlyvisible", "--name", name, check=False).split()
            return found[-1] if found else ""

        found = wait_for(find, f"a window called {name!r}")
        self._tool("xdotool", "windowfocus", "--sync", found)
        return found

    def has_window(self, name: str) -> bool:
        """Whether such a window is visible."""
        return bool(self._tool("xdotool", "search", "--onlyvisible", "--name", name, check=False).split())

    def key(self, *keys: str) -> None:
        """Press keys, such as ``ctrl+o``."""
        self._tool("xdotool", "key", "--clearmodifiers", *keys)

    def type(self, text: str) -> None:
        """Type text."""
        self._tool("xdotool", "type", "--delay", "15", text)

    def click(self, x: int, y: int) -> None:
        """Click at a place of the screen."""
        self._tool("xdotool", "mousemove", str(x), str(y), "click", "1")

    def area_of_image(self) -> tuple[float, float, float, float]:
        """Find where an image lies that fits a canvas: left, top, width, height on the screen.

        The canvas is the same neutral grey in both themes, and nothing else in the window is.
        """
        import numpy as np
        from PIL import Image

        with Image.open(self.picture("canvas")) as seen:
            pixels = np.asarray(seen.convert("RGB"))
        grey = (pixels == 0x4A).all(axis=2)
        rows, columns = np.flatnonzero(grey.sum(axis=1) > 40), np.flatnonzero(grey.sum(axis=0) > 40)
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        # The image is what is not grey, in the middle.
        inner = ~grey[top:bottom, left:right]
        xs = np.flatnonzero(inner.mean(axis=0) > 0.5)
        ys = np.flatnonzero(inner.mean(axis=1) > 0.5)
        return (
            float(left + xs[0]), float(top + ys[0]), float(xs[-1] - xs[0] + 1), float(ys[-1] - ys[0] + 1)
        )  # fmt: skip

    def picture(self, name: str) -> Path:
        """Save what is to be seen."""
        path = self.pictures / f"{name}.png"
        self._tool("import", "-window", "root", str(path))
        return path


def wait_for(ask: Callable[[], str | bool], what: str, seconds: float = PATIENCE) -> str:
    """Ask until the answer is not empty."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return str(answer)
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {seconds:.0f} s")
