"""Plain arrays and one JSON card as a zip: how models and states are kept. Reading runs no code.

Layout: ``card.json`` (UTF-8) and ``arrays/NAME.npy`` (NumPy format, never with pickled objects).
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

CARD = "card.json"
DAMAGE = (
    zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, OSError, RecursionError, SyntaxError,
    TypeError, RuntimeError,
)  # fmt: skip
"""What the readers of zip, JSON and arrays raise on other bytes (RuntimeError if encrypted)."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


class TooLargeError(ValueError):
    """An archive claims to hold more than it may."""


def write_archive(
    card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], uncompressed: Collection[str] = ()
) -> bytes:
    """Put a card and arrays of numbers into the bytes of a zip; the same content gives the same bytes.

    Parameters
    ----------
    card
        JSON values.
    uncompressed
        Names of arrays that are not worth the time, such as noisy intensities.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(card, indent=1, ensure_ascii=False, sort_keys=True)
        archive.writestr(_entry(CARD), text.encode())
        for name in sorted(arrays):
            entry = _entry(f"arrays/{name}.npy")
            if name in uncompressed:
                entry.compress_type = zipfile.ZIP_STORED
            with archive.open(entry, "w") as stream:
                np.save(stream, np.ascontiguousarray(arrays[name]), allow_pickle=False)
    return packed.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    # A fixed date: the same content gives the same bytes.
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def read_archive(
    source: Path | BinaryIO, largest: int, *, card_only: bool = False, finite: bool = True
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a card and its arrays.

    Parameters
    ----------
    largest
        Bytes that all of it may unpack to: a damaged or hostile file cannot fill the memory.
    finite
        Whether NaN and infinity count as damage.

    Raises
    ------
    TooLargeError
        If it claims to hold more.
    Exception
        One of :data:`DAMAGE`, if it is something else.
    """
    with zipfile.ZipFile(source) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > largest:
            raise TooLargeError("more than there may be")
        card = json.loads(archive.read(CARD))
        if not isinstance(card, dict):
            raise ValueError("the card is no table")
        arrays = {
            entry.filename[len("arrays/") : -len(".npy")]: read_array(archive.read(entry), finite=finite)
            for entry in archive.infolist()
            if entry.filename.startswith("arrays/") and entry.filename.endswith(".npy") and not card_only
        }
    return card, arrays


def read_array(raw: bytes, *, finite: bool = True) -> NDArray[Any]:
    """Read an array of numbers as NumPy keeps it.

    Raises
    ------
    ValueError
        If it is something else, does not hold what its head says, or holds NaN or infinity where these
        count as damage.
    """
    stream = io.BytesIO(raw)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an unknown version of the array format")
    try:
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception as error:
        # NumPy takes the head apart as Python's words, and each step of that has errors of its own.
        raise ValueError("not the head of an array") from error
    # Before any memory is taken for it: the header may lie.
    if dtype.kind not in "fiub" or math.prod(shape) * dtype.itemsize != len(raw) - stream.tell():
        raise ValueError("not an array of numbers of the stated size")
    array: NDArray[Any] = np.load(io.BytesIO(raw), allow_pickle=False)
    if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("not an array of finite numbers")
    return array
