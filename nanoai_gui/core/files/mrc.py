"""MRC images and stacks, read here as the MRC2014 standard lays them out.

RosettaSciIO's reader misreads files of the other byte order and leaves the file open; the format is a
header of 1024 bytes, an optional second one and then the bare values (Cheng et al., J. Struct. Biol. 192
(2015) 146), so that reading it takes less than working around that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.frames import Frame, PixelSize, check_claimed_size, truncated
from nanoai_gui.core.files.tiff_calibration import as_number

SUFFIXES = (".mrc", ".mrcs", ".rec", ".st", ".ali")

_MODES = {1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}
_FEI_RECORD, _FEI_RECORDS, _FEI_PIXEL_SIZE = 128, 1024, 11
_IMOD_STAMP = 1146047817


@contextmanager
def open_mrc(path: Path) -> Iterator[list[Frame]]:
    """Open an MRC file and list its sections as images.

    Raises
    ------
    ReadError
        If it is damaged, or holds the patterns of a scan.
    """
    _refuse_scan(path)
    with path.open("rb") as file:
        header = file.read(1024)
        if len(header) < 1024:
            raise truncated(path)
        order = _byte_order(header)
        columns, rows, sections, mode = (int(n) for n in np.frombuffer(header[:16], f"{order}i4"))
        extended = int(np.frombuffer(header[92:96], f"{order}i4")[0])
        if mode not in (0, *_MODES) or extended < 0:
            raise ReadError(
                f"{path.name} is no MRC file, or of a variant that NanoAI does not know.",
                "Export it as TIFF.",
            )
        if min(columns, rows, sections) <= 0:
            raise ReadError(f"{path.name} holds an image without pixels.", "Export the image again.")
        check_claimed_size(path, (rows, columns))
        dtype = np.dtype(_byte_type(header, order) if mode == 0 else f"{order}{_MODES[mode]}")
        start, length = 1024 + extended, rows * columns * dtype.itemsize
        if start + sections * length > path.stat().st_size:
            raise truncated(path)
        size = _pixel_size(header, file.read(extended), order)
    shape = (rows, columns)
    yield [
        Frame(
            f"{i + 1}" if sections > 1 else "",
            shape,
            partial(_section, path, dtype, start + i * length, shape),
            size,
        )
        for i in range(sections)
    ]


def _section(path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, int]) -> NDArray[Any]:
    pixels = np.fromfile(path, dtype=dtype, count=shape[0] * shape[1], offset=offset)
    if pixels.size < shape[0] * shape[1]:
        raise truncated(path)
    return pixels.reshape(shape)


def _byte_order(header: bytes) -> str:
    """Byte order from the mode, a small number in the right one: the stamp meant for it is often wrong."""
    little, big = int.from_bytes(header[12:16], "little"), int.from_bytes(header[12:16], "big")
    return ">" if big < 256 <= little else "<"


def _byte_type(header: bytes, order: str) -> str:
    """Whether bytes have a sign: by the standard they do, in older files they do not."""
    stamp, flags = (int(n) for n in np.frombuffer(header[152:160], f"{order}i4"))
    if stamp == _IMOD_STAMP:
        return "i1" if flags & 1 else "u1"
    largest = float(np.frombuffer(header[80:84], f"{order}f4")[0])
    return "u1" if largest > 127 else "i1"


def _pixel_size(header: bytes, extended: bytes, order: str) -> PixelSize:
    """Cell divided by its samples, in angstroms; or FEI's extended header, in metres."""
    samples = np.frombuffer(header[28:36], f"{order}i4")
    cell = np.frombuffer(header[40:48], f"{order}f4")
    found = []
    for n, length in zip(samples, cell, strict=True):
        found.append(float(length) / int(n) * 0.1 if n > 0 else 0.0)
    x, y = as_number(found[0]), as_number(found[1])
    if x is not None and y is not None:
        return PixelSize(x, y, "MRC header")
    if len(extended) >= _FEI_RECORD * _FEI_RECORDS:
        metres = as_number(np.frombuffer(extended[: 4 * (_FEI_PIXEL_SIZE + 1)], f"{order}f4")[-1])
        if metres is not None:
            return PixelSize(metres * 1e9, metres * 1e9, "MRC header of FEI")
    if cell[0] == 0:
        return PixelSize(warnings=("The MRC header holds no pixel size.",))
    return PixelSize(warnings=(f"The file claims {found[0]:g} nm per px, which is not possible.",))


def _refuse_scan(path: Path) -> None:
    """Refuse Direct Electron's ``*_movie.mrc`` where a description beside it says that it is a scan."""
    info = path.with_name(path.name.replace("_movie.mrc", "_info.txt"))
    if info == path or not info.is_file():
        return
    text = info.read_text(encoding="utf-8", errors="replace")
    if re.search(r"^Scan - Enable\s*=\s*Enable", text, re.MULTILINE):
        raise ReadError(
            f"{path.name} holds the diffraction patterns of a scan (4D-STEM), not images.",
            "Open an image computed from the scan.",
        )
