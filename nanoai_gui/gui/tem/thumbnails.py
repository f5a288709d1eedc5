"""Small pictures for the file strip: made in a worker, kept in memory and on disk.

Only what is on show is made: the strip asks while it paints, and what was asked for last is made first.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QPixmap

from nanoai_gui.core.files.thumbnail_cache import cached_thumbnail
from nanoai_gui.core.folders import cache_folder
from nanoai_gui.core.jobs import Failure, Priority
from nanoai_gui.gui.jobs import JobRunner, Task

SIDE = 128
"""Edge in px, twice what is shown: sharp on a hi-DPI screen."""
MOST_IN_MEMORY = 1000
AT_A_TIME = 2
"""Requests handed to the workers at a time; the rest can still be overtaken by what is scrolled to."""


def default_folder() -> Path:
    """Name the folder of this user's thumbnails."""
    return cache_folder() / "thumbnails"


class Thumbnails(QObject):
    """Gives thumbnails by file and frame, now or later.

    Parameters
    ----------
    folder
        The cache on disk; ``None`` takes that of the user.
    """

    ready = Signal(object, object)  # path, frame

    def __init__(self, runner: JobRunner, folder: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._folder = default_folder() if folder is None else folder
        self._pixmaps: OrderedDict[tuple[Path, int | None], QPixmap | None] = OrderedDict()
        self._wanted: OrderedDict[tuple[Path, int | None], None] = OrderedDict()
        self._running: dict[tuple[Path, int | None], Task] = {}

    def get(self, path: Path, frame: int | None) -> QPixmap | None:
        """Give the thumbnail, or ``None`` and ask for it; ``ready`` tells when it has come.

        A file that cannot be read has none, and is not asked for twice.
        """
        source = path, frame
        if source in self._pixmaps:
            self._pixmaps.move_to_end(source)
            return self._pixmaps[source]
        if source not in self._running:
            self._wanted[source] = None
            self._wanted.move_to_end(source)
            self._fill()
        return None

    def forget(self, path: Path, frame: int | None) -> None:
        """Ask anew for this file next time."""
        self._pixmaps.pop((path, frame), None)

    def _fill(self) -> None:
        while self._wanted and len(self._running) < AT_A_TIME:
            source, _ = self._wanted.popitem()
            self._start(source)

    def _start(self, source: tuple[Path, int | None]) -> None:
        def done(picture: NDArray[np.uint8]) -> None:
            self._finish(source, to_pixmap(picture))

        def failed(_failure: Failure) -> None:
            self._finish(source, None)  # the entry says why when it is opened

        self._running[source] = self._runner.run(
            cached_thumbnail, *source, SIDE, self._folder,
            on_done=done, on_error=failed, priority=Priority.BACKGROUND,
        )  # fmt: skip

    def _finish(self, source: tuple[Path, int | None], pixmap: QPixmap | None) -> None:
        self._running.pop(source, None)
        self._pixmaps[source] = pixmap
        while len(self._pixmaps) > MOST_IN_MEMORY:
            self._pixmaps.popitem(last=False)
        self._fill()
        self.ready.emit(*source)


def to_pixmap(picture: NDArray[np.uint8]) -> QPixmap:
    """Turn a grey picture (height, width) into a pixmap."""
    grey = np.ascontiguousarray(picture, dtype=np.uint8)
    height, width = grey.shape
    # The pixmap copies, so the array need not outlive it.
    return QPixmap.fromImage(QImage(grey.data, width, height, width, QImage.Format.Format_Grayscale8))
