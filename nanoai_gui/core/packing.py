"""JSON and arrays in one compressed run of bytes, for files and between processes. Reading it runs no code.

Layout before compression: the four bytes ``NAB1``, the length of a JSON text (uint32, little endian), the
text, then the arrays one after the other, little endian, in C order. The text is an object with ``meta`` (any
JSON value) and ``arrays`` (a list of name, type and shape). zlib adds a checksum, so that damage is noticed.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_BYTES = 2**30
"""Nothing may unpack to more than this: a damaged or hostile file cannot fill the memory."""
LARGEST_HEAD = 32 * 2**20
MOST_AXES = 8
_MAGIC = b"NAB1"
_LEVEL = 1
"""The fastest: the labels of a micrograph shrink a hundredfold even so."""
_TYPES = frozenset(
    ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8", "<c8", "<c16")
)


class PackingError(ValueError):
    """The bytes are not what :func:`pack` makes: cut short, damaged, or not ours."""


def pack(meta: object, arrays: Mapping[str, NDArray[Any]] | None = None) -> bytes:
    """Put a JSON value and named arrays of numbers into one run of bytes.

    Floats come back to the last bit, not-a-number included (as ``NaN``, which JSON proper does not know).
    The same input gives the same bytes.

    Raises
    ------
    ValueError
        If an array is not one of numbers.
    """
    heads, bodies = [], []
    for name, array in (arrays or {}).items():
        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        if little.dtype.str not in _TYPES:
            raise ValueError(f"{name} is not an array of numbers but of {array.dtype}")
        # ascontiguousarray turns a single number into a row of one.
        heads.append([name, little.dtype.str, list(array.shape)])
        bodies.append(little)
    words = json.dumps({"meta": meta, "arrays": heads}, ensure_ascii=False, separators=(",", ":"))
    text = words.encode("utf-8", "surrogatepass")  # names of files need not be text
    stream = zlib.compressobj(_LEVEL)
    parts = [stream.compress(_MAGIC + len(text).to_bytes(4, "little") + text)]
    parts += [stream.compress(body.data) for body in bodies if body.size]
    parts.append(stream.flush())
    return b"".join(parts)


class Allowance:
    """How much may be unpacked in all, of a file that holds many pieces.

    Parameters
    ----------
    n_bytes
        To begin with.
    """

    def __init__(self, n_bytes: int) -> None:
        self.left = n_bytes

    @classmethod
    def of_file(cls, n_bytes: int) -> Allowance:
        """Give what a file of this size needs at the most: our own pieces grow to a few times their bytes."""
        return cls(2**28 + 64 * n_bytes)

    def take(self, n_bytes: int) -> None:
        """Note what was unpacked."""
        self.left = max(self.left - n_bytes, 0)


def unpack(
    data: bytes, largest: int = LARGEST_BYTES, allowance: Allowance | None = None
) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Give back what :func:`pack` was given; arrays are copies of their own.

    Parameters
    ----------
    data
        From anywhere: all sizes, types and shapes are checked before memory is taken for them.
    largest
        Bytes that it may unpack to.
    allowance
        Bytes that it and others of the same file may unpack to.

    Raises
    ------
    PackingError
        If anything is not as it should be.
    """
    raw = decompress(data, largest if allowance is None else min(largest, allowance.left))
    if allowance is not None:
        allowance.take(len(raw))
    if raw[:4] != _MAGIC or len(raw) < 8:
        raise PackingError("not packed by NanoAI")
    start = 8 + int.from_bytes(raw[4:8], "little")
    if start > min(len(raw), LARGEST_HEAD):
        raise PackingError("the head is longer than the whole")
    try:
        head = json.loads(raw[8:start])
        meta, listed = head["meta"], head["arrays"]
        arrays: dict[str, NDArray[Any]] = {}
        for name, kind, shape in listed:
            array, start = _take(raw, start, kind, shape)
            arrays[str(name)] = array
    except PackingError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PackingError("the head is not readable") from error
    if start != len(raw):
        raise PackingError("there is more than the head says")
    return meta, arrays


def decompress(data: bytes, largest: int = LARGEST_BYTES) -> bytes:
    """Undo zlib's compression, but never into more than ``largest`` bytes.

    Raises
    ------
    PackingError
        If the bytes are damaged, cut short, or would become too large.
    """
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, largest + 1)
    except zlib.error as error:
        raise PackingError("damaged bytes") from error
    if len(raw) > largest:
        raise PackingError("larger than it may be")
    if not stream.eof or stream.unused_data:
        raise PackingError("cut short, or more than one piece")
    return raw


def _take(raw: bytes, start: int, kind: object, shape: object) -> tuple[NDArray[Any], int]:
    if kind not in _TYPES or not isinstance(shape, list) or len(shape) > MOST_AXES:
        raise PackingError("not an array of numbers")
    if not all(type(n) is int and 0 <= n <= LARGEST_BYTES for n in shape):
        raise PackingError("a shape that cannot be")
    dtype = np.dtype(str(kind))
    count = math.prod(shape)
    stop = start + count * dtype.itemsize
    if stop > len(raw):
        raise PackingError("an array longer than the whole")
    array = np.frombuffer(raw, dtype, count, start).reshape(shape)
    # A copy: aligned, writeable, and the whole run of bytes can go.
    return array.astype(dtype.newbyteorder("="), copy=True), stop
