"""Take the pictures of the guide, light and dark, from the real window on NanoAI's own samples.

    python packaging/make_guide_pictures.py [NAME...]

Writes resources/guide/NAME.png and NAME_dark.png.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QRect
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication, QWidget

from nanoai_gui.gui.app import Application, create_app
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.tabs import TEM
from nanoai_gui.gui.tem.entries import Selection

RESOURCES = Path(__file__).resolve().parent.parent / "resources"
FOLDER = RESOURCES / "guide"
SIZE = (1280, 860)
WIDTH = 960
"""Of the pictures, in px: sharp enough for the guide, and small to ship."""
PATIENCE = 180.0


def main() -> None:
    pictures = {
        "window": window,
        "outlines": outlines,
        "editing": editing,
        "histogram": histogram,
        "spectra": spectra,
    }
    wanted = sys.argv[1:] or list(pictures)
    for mode in ("light", "dark"):
        with tempfile.TemporaryDirectory() as folder:
            store = SettingsStore(Path(folder) / "settings.json")
            store.values.theme = mode
            application = create_app(["nanoai-gui"], store=store, install_hooks=False, with_log=False)
            application.window.resize(*SIZE)
            application.window.show()
            measured = prepare(application)
            for name in wanted:
                if measured or name == "spectra":
                    save(pictures[name](application), f"{name}{'_dark' if mode == 'dark' else ''}")
            application.window.close()
            application.close()
            application.window.deleteLater()


def prepare(application: Application) -> bool:
    """Open and measure the samples."""
    window = application.window
    window.open_paths([RESOURCES / "samples" / "tem"])
    wait(lambda: window.session.current is not None)
    window.actions_by_key["analyse_all"].trigger()
    wait(lambda: all(entry.analysis is not None for entry in window.session.entries()))
    wait_a_moment(1.5)
    window.notices.clear()
    return True


def window(application: Application) -> QPixmap:
    return application.window.grab()


def outlines(application: Application) -> QPixmap:
    canvas = application.window.tab.canvas
    canvas.zoom_to_pixels()
    wait_a_moment(0.5)
    picture = part(canvas)
    canvas.fit()
    return picture


def editing(application: Application) -> QPixmap:
    """The tools, and an agglomerate of several particles selected, as a double click does."""
    window = application.window
    analysis = window.session.current_analysis
    assert analysis is not None
    a = analysis.agglomerates
    largest = int(a.ids[max(range(len(a.ids)), key=lambda i: a.area_px[i] if not a.excluded[i] else 0)])
    window.session.select(Selection(agglomerates=frozenset({largest})))
    wait_a_moment(0.5)
    canvas = window.tab.canvas
    picture = part(canvas.parentWidget() or canvas)
    window.session.select(Selection())
    return picture


def histogram(application: Application) -> QPixmap:
    from nanoai_gui.gui.tem.histogram_panel import HistogramPanel

    panel = application.window.findChild(HistogramPanel)
    assert panel is not None
    return part(panel)


def spectra(application: Application) -> QPixmap:
    window = application.window
    window.open_paths([RESOURCES / "samples" / "raman" / "map_6h.csv"])
    wait(lambda: window.spectra is not None and window.spectra.session.current_entry is not None)
    wait_a_moment(2.0)
    picture = window.grab()
    window.tabs.show_page(TEM)
    return picture


def part(widget: QWidget) -> QPixmap:
    """Grab a widget as it lies in the window."""
    window = widget.window()
    corner = widget.mapTo(window, widget.rect().topLeft())
    return window.grab(QRect(corner, widget.size()))


def wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("the window did not come so far")
        QApplication.processEvents()
        time.sleep(0.01)


def wait_a_moment(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def save(picture: QPixmap, name: str) -> None:
    """Write a PNG of few colours: a third of the size, and the same to the eye."""
    from PIL import Image

    path = FOLDER / f"{name}.png"
    picture.save(str(path))
    with Image.open(path) as whole:
        image: Image.Image = whole.convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(name, image.size, path.stat().st_size)


if __name__ == "__main__":
    main()
