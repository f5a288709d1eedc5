"""A look at the heaps of an HDF5 file before the library reads it.

Texts of any length lie in global heaps ("GCOL", HDF5 File Format Specification, III.E). In a damaged one free
space, which is object number 0, can claim to be 0 bytes long; the library then looks at it for ever, and
nothing can interrupt it.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from nanoai_gui.core.errors import ReadError

_MARK = b"GCOL\x01\0\0\0"
_HEAD, _OBJECT = struct.Struct("<8sQ"), struct.Struct("<HHIQ")
_LOOKED_AT = 64 * 2**20
"""Bytes at either end of a large file that are looked through; between them lie the values."""


def check_hdf5(path: Path) -> None:
    """Refuse a file that would make the library loop.

    Raises
    ------
    ReadError
        If a heap is damaged in this way.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _size_of_lengths(data) != 8:
            return  # written by nobody but tests of the library
        end = len(data)
        parts = [(0, end)] if end <= 2 * _LOOKED_AT else [(0, _LOOKED_AT), (end - _LOOKED_AT, end)]
        for start, stop in parts:
            at = data.find(_MARK, start, stop)
            while at >= 0:
                if _loops(data, at):
                    raise ReadError(
                        f"{path.name} is damaged: one of its lists of texts has no end.",
                        "Copy it again from the microscope.",
                    )
                at = data.find(_MARK, at + 1, stop)


def _size_of_lengths(data: mmap.mmap) -> int:
    if len(data) < 16:
        return 0
    return data[14] if data[8] < 2 else data[10]


def _loops(data: mmap.mmap, at: int) -> bool:
    """Whether the heap that begins here holds an object that leads back to itself."""
    if at + _HEAD.size > len(data):
        return False
    _, size = _HEAD.unpack_from(data, at)
    end = min(at + size, len(data))
    at += _HEAD.size
    while at + _OBJECT.size <= end:
        number, _, _, length = _OBJECT.unpack_from(data, at)
        # Free space counts its own head, an object does not.
        if number == 0 and length < _OBJECT.size:
            return True
        at += length if number == 0 else _OBJECT.size + -(-length // 8) * 8
    return False
