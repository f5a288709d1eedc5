"""Thumbnails of image files, kept on disk so that a folder opened again shows at once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.archive import read_array
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.micrographs import read_thumbnail

MOST_FILES = 4000
"""Files kept (about 16 KB each); half of them, the longest unused, go when there are more."""


def cached_thumbnail(path: Path, frame: int | None, side: int, folder: Path) -> NDArray[np.uint8]:
    """Give the thumbnail of a file, (height, width) of at most ``side`` px, from ``folder`` if it is there.

    A file that was changed since (by time or size) counts as another. A cache that cannot be read or written
    only costs time.

    Raises
    ------
    ReadError
        If the file cannot or should not be read.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise ReadError(f"{path.name} cannot be opened.", "Look whether it is still there.") from error
    source = f"{path}|{facts.st_mtime_ns}|{facts.st_size}|{frame}|{side}"
    name = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    kept = folder / f"{name}.npy"
    try:
        picture: NDArray[np.uint8] = read_array(kept.read_bytes())
        has_size = picture.ndim == 2 and picture.size > 0 and max(picture.shape) <= side
        if picture.dtype == np.uint8 and has_size:
            os.utime(kept)
            return picture
    except (OSError, ValueError):
        pass
    picture = read_thumbnail(path, side, frame)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{name}-{os.getpid()}"
        with part.open("wb") as stream:
            np.save(stream, picture, allow_pickle=False)
        part.replace(kept)
        _prune(folder)
    except OSError:
        pass
    return picture


def _prune(folder: Path) -> None:
    """Keep the folder from growing without end."""
    kept = [entry for entry in os.scandir(folder) if entry.name.endswith(".npy")]
    if len(kept) > MOST_FILES:
        kept.sort(key=lambda entry: entry.stat().st_mtime)
        for entry in kept[: len(kept) // 2]:
            Path(entry.path).unlink(missing_ok=True)
