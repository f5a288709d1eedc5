"""The images of a session, in the order of the strip."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from nanoai_gui.gui.tem.entries import ImageEntry

Source = tuple[str, int | None]


class EntryList(Mapping[int, ImageEntry]):
    """Entries by key; the same image of the same file is never there twice.

    A key is never given to another image, even after its image was taken off the list.
    """

    def __init__(self) -> None:
        self._entries: dict[int, ImageEntry] = {}
        self._keys: dict[Source, int] = {}
        self._next_key = 1

    def __getitem__(self, key: int) -> ImageEntry:
        return self._entries[key]

    def __iter__(self) -> Iterator[int]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, path: Path, frame: int | None) -> tuple[int, bool]:
        """Add an image; give its key and whether it was not there before."""
        # Not Path.resolve: it asks the disk for every part of the path, slow on a network folder.
        path = path.absolute()
        known = self._keys.get(_source(path, frame))
        if known is not None:
            return known, False
        entry = ImageEntry(self._next_key, path, frame)
        self.put(entry)
        return entry.key, True

    def put(self, entry: ImageEntry) -> None:
        """Put an entry with a key of its own behind the others.

        Raises
        ------
        ValueError
            If the key is in use.
        """
        if entry.key in self._entries:
            raise ValueError(f"there is an image {entry.key} already")
        self._entries[entry.key] = entry
        self._keys[_source(entry.path, entry.frame)] = entry.key
        self.reserve(entry.key + 1)

    def reserve(self, next_key: int) -> None:
        """Give no new image a key below ``next_key``."""
        self._next_key = max(self._next_key, next_key)

    def remove(self, key: int) -> None:
        """Take an image off the list."""
        entry = self._entries.pop(key)
        self._keys.pop(_source(entry.path, entry.frame), None)

    def move(self, key: int, path: Path) -> None:
        """Let an entry lead to another file."""
        entry = self._entries[key]
        self._keys.pop(_source(entry.path, entry.frame), None)
        entry.path = path
        self._keys[_source(path, entry.frame)] = key

    def take_frame(self, key: int, frame: int) -> bool:
        """Let an entry lead to another image of its file; not if that is there already."""
        entry = self._entries[key]
        source = _source(entry.path, frame)
        if entry.frame == frame or source in self._keys:
            return False
        self._keys.pop(_source(entry.path, entry.frame), None)
        self._keys[source] = key
        entry.take_frame(frame)
        return True


def _source(path: Path, frame: int | None) -> Source:
    return os.path.normcase(path), frame
