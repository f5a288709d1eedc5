"""Walking through the tags of a DM3 or DM4 file, to see that they are whole before anyone reads them.

A damaged count makes a reader loop for hours; here every count is compared with what is left of the file
first. The layout is as described by Digital Micrograph's users (C. Boothroyd, G. Kothleitner): a tree of
tags, each with its type in an array of numbers in front of its data.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.frames import truncated

_BYTES = {2: 2, 3: 4, 4: 2, 5: 4, 6: 4, 7: 8, 8: 1, 9: 1, 10: 1, 11: 8, 12: 8}
_STRUCT, _STRING, _ARRAY = 15, 18, 20
_DIRECTORY, _DATA = 20, 21
_DEEPEST = 64
_MOST_FIELDS = 4096


class _Walker:
    """Position in a file together with the width of its counts."""

    def __init__(self, file: BinaryIO, size: int, wide: bool, path: Path) -> None:
        self.file, self.size, self.wide, self.path = file, size, wide, path

    def integer(self) -> int:
        """Read a count: four bytes in DM3, eight in DM4, big-endian."""
        raw = self.take(8 if self.wide else 4)
        return int.from_bytes(raw, "big")

    def take(self, count: int) -> bytes:
        """Read so many bytes, which must be there."""
        raw = self.file.read(count)
        if len(raw) < count:
            raise truncated(self.path)
        return raw

    def skip(self, count: int) -> None:
        """Pass over so many bytes, which must be there."""
        if count > self.size - self.file.tell():
            raise truncated(self.path)
        self.file.seek(count, 1)

    def broken(self) -> ReadError:
        """Say that the tags make no sense."""
        return ReadError(
            f"{self.path.name} is damaged: its tags make no sense.",
            "Copy it again, or export it as TIFF from the microscope's software.",
        )


def check_dm(path: Path) -> None:
    """Walk through all tags of a DM3 or DM4 file.

    Raises
    ------
    ReadError
        If a tag reaches beyond the end of the file or makes no sense.
    """
    with path.open("rb") as file:
        version = int.from_bytes(file.read(4), "big")
        walker = _Walker(file, path.stat().st_size, version == 4, path)
        walker.integer()  # size of the rest; some programs write it wrong
        walker.take(4)
        _directory(walker, 0)


def _directory(walker: _Walker, depth: int) -> None:
    if depth > _DEEPEST:
        raise walker.broken()
    walker.take(2)
    for _ in range(walker.integer()):
        kind, length = struct.unpack(">BH", walker.take(3))
        walker.skip(length)
        if walker.wide:
            walker.integer()
        if kind == _DIRECTORY:
            _directory(walker, depth + 1)
        elif kind == _DATA:
            _data(walker)
        else:
            raise walker.broken()


def _data(walker: _Walker) -> None:
    if walker.take(4) != b"%%%%":
        raise walker.broken()
    count = walker.integer()
    if not 1 <= count <= _MOST_FIELDS:
        raise walker.broken()
    info = [walker.integer() for _ in range(count)]
    size, used = _size(walker, info)
    if used > count:
        raise walker.broken()
    walker.skip(size)


def _size(walker: _Walker, info: list[int]) -> tuple[int, int]:
    """Bytes of the data that a type stands for, and how many of its numbers were needed to know."""
    try:
        kind = info[0]
        if kind in _BYTES:
            return _BYTES[kind], 1
        if kind == _STRING:
            return 2 * info[1], 2
        if kind == _STRUCT:
            names, fields = info[1], info[2]
            types = info[4 : 4 + 2 * fields : 2]
            if len(types) < fields:
                raise walker.broken()
            lengths = sum(info[3 : 3 + 2 * fields : 2])
            return names + lengths + sum(_BYTES[t] for t in types), 3 + 2 * fields
        if kind == _ARRAY:
            size, used = _size(walker, info[1:])
            return size * info[1 + used], used + 2
    except (KeyError, IndexError) as error:
        raise walker.broken() from error
    raise walker.broken()
