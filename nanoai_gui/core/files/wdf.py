"""Renishaw WiRE files (.wdf).

Blocks of ``name (4), uid (uint32), size (uint64)`` follow one another, all little-endian; their contents are
as RosettaSciIO, py-wdf-reader and Gwyddion document them. We read them ourselves because RosettaSciIO 0.15
leaves column-major (StreamLine) maps transposed, averages series without a named axis, drops the coordinates
of the single spectra and unfinished lines, and stops at unknown metadata; where it is right, a test compares.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.raw_spectra import AxisUnit, RawSpectra, check_size
from nanoai_gui.core.spectra.places import grid_from, grid_of, nearest_level
from nanoai_gui.core.spectra.spectral_set import MapGrid, WhiteLight

MAGIC = b"WDF1"
_HEADER = struct.Struct("<4sIQ")
_SERIES, _MAPPING = 2, 3
_RANDOM, _COLUMN_MAJOR, _SNAKE, _LINE = 1, 2, 4, 128
_X, _Y, _Z, _TIME, _FOCUS = 3, 4, 5, 11, 14
_UM_PER_UNIT = {3: 1e-3, 5: 1.0, 8: 1e3, 9: 1e6}
"""Codes of units of length: nm, um, mm, m."""
_EXIF_POSITION, _EXIF_FIELD, _EXIF_MAGNIFICATION = 0xFEA0, 0xFEA1, 0xFEA2
"""Renishaw's tags of the white-light picture: its upper left corner on the stage (um), the size (um) it would
have at a magnification of 1, and the magnification."""


@dataclass(frozen=True)
class _Header:
    n_points: int
    capacity: int
    count: int
    kind: int
    laser_nm: float | None
    title: str


def read_wdf(path: Path) -> list[RawSpectra]:
    """Read a spectrum, series, line or map; one that was interrupted as far as it got.

    Returns
    -------
    One entry. Columns ``x_um, y_um, z_um`` (um, stage) and ``time_s`` (s after the first spectrum) where
    the file has them. y of the stage counts downwards on the white-light picture.

    Raises
    ------
    ReadError
        If parts are missing or the header claims more than there is.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        blocks = _blocks(file, size)
        header = _header(file, blocks, path)
        if "DATA" not in blocks or "XLST" not in blocks:
            raise ReadError(
                f"{path.name} holds no spectra: its end is missing.", "Copy it again from the instrument."
            )
        start, length = blocks["DATA"]
        check_size(path, (header.count, header.n_points), min(length, size - start) // 4)
        file.seek(start)
        n_values = header.count * header.n_points
        intensities = np.fromfile(file, "<f4", n_values).reshape(header.count, header.n_points)
        axis, unit = _axis(file, blocks, header, path)
        columns = _origins(file, blocks, header)
        grid = _grid(file, blocks, header, columns) if header.kind == _MAPPING else None
        image, image_warning = _white_light(file, blocks)
    warnings = [*image_warning]
    if header.count < header.capacity:
        warnings.append(
            f"The measurement was interrupted: {path.name} holds {header.count} of {header.capacity} spectra."
        )
    return [
        RawSpectra(
            intensities, axis, unit, header.title, columns, grid, image, header.laser_nm, tuple(warnings),
            {"Title": header.title} if header.title else {},
        )
    ]  # fmt: skip


def _blocks(file: BinaryIO, size: int) -> dict[str, tuple[int, int]]:
    """Find start and length of the first block of each name; what follows a damaged one is not looked at."""
    blocks: dict[str, tuple[int, int]] = {}
    position = 0
    while position + _HEADER.size <= size:
        file.seek(position)
        name, _, length = _HEADER.unpack(file.read(_HEADER.size))
        if length < _HEADER.size:
            break
        blocks.setdefault(
            name.decode("latin-1").strip("\0 "), (position + _HEADER.size, length - _HEADER.size)
        )
        position += length
    return blocks


def _header(file: BinaryIO, blocks: dict[str, tuple[int, int]], path: Path) -> _Header:
    start, _ = blocks.get("WDF1", (16, 0))
    file.seek(start)
    content = file.read(496)
    if len(content) < 400:
        raise ReadError(
            f"{path.name} is incomplete: its end is missing.", "Copy it again from the instrument."
        )
    n_points, capacity, count = struct.unpack_from("<IQQ", content, 44)
    (kind,) = struct.unpack_from("<I", content, 116)
    (laser,) = struct.unpack_from("<f", content, 140)
    title = content[224:384].split(b"\0")[0].decode("utf-8", "replace").strip()
    # Some programs leave the number of spectra written at 0.
    written = count if 0 < count <= capacity or capacity == 0 else capacity
    return _Header(n_points, max(capacity, written), written, kind, 1e7 / laser if laser > 0 else None, title)


def _axis(
    file: BinaryIO, blocks: dict[str, tuple[int, int]], header: _Header, path: Path
) -> tuple[NDArray[np.float64], AxisUnit]:
    start, length = blocks["XLST"]
    if length < 8 + 4 * header.n_points:
        raise ReadError(f"The axis of {path.name} is incomplete.", "Copy it again from the instrument.")
    file.seek(start)
    _, code = struct.unpack("<II", file.read(8))
    axis = np.fromfile(file, "<f4", header.n_points).astype(np.float64)
    if axis.size < header.n_points:
        raise ReadError(f"The axis of {path.name} is incomplete.", "Copy it again from the instrument.")
    if code == 1:
        return axis, AxisUnit.RAMAN_SHIFT
    if code == 4:
        return axis, AxisUnit.EV
    if code == 5:
        return axis * 1e3, AxisUnit.NM
    if code == 3 or (code == 2 and axis.max() < 5000):
        return axis, AxisUnit.NM
    return axis, AxisUnit.ABSOLUTE_PER_CM if code == 2 else AxisUnit.UNSAID


def _origins(file: BinaryIO, blocks: dict[str, tuple[int, int]], header: _Header) -> dict[str, NDArray[Any]]:
    """Read where and when each spectrum was taken (block ORGN, room for ``capacity`` entries an origin)."""
    if "ORGN" not in blocks:
        return {}
    start, length = blocks["ORGN"]
    file.seek(start)
    content = file.read(length)
    if len(content) < 4:
        return {}
    (n_origins,) = struct.unpack_from("<I", content)
    room = (len(content) - 4) // n_origins if n_origins else 0
    n_entries = (room - 24) // 8
    if n_entries < header.count:
        return {}
    columns: dict[str, NDArray[Any]] = {}
    for i in range(n_origins):
        at = 4 + i * room
        code, unit = struct.unpack_from("<II", content, at)
        code &= 0x7FFFFFFF
        if code == _TIME:
            ticks = np.frombuffer(content, "<u8", header.count, at + 24)
            if ticks[0] > 0:
                columns["time_s"] = (ticks - ticks[0]).astype(np.int64) / 1e7  # in units of 100 ns
            continue
        name = {_X: "x_um", _Y: "y_um", _Z: "z_um", _FOCUS: "z_um"}.get(code)
        if name is not None and unit in _UM_PER_UNIT:
            values = np.frombuffer(content, "<f8", header.count, at + 24) * _UM_PER_UNIT[unit]
            if np.isfinite(values).all() and (code != _FOCUS or name not in columns):
                columns[name] = values
    return columns


def _grid(
    file: BinaryIO, blocks: dict[str, tuple[int, int]], header: _Header, columns: dict[str, NDArray[Any]]
) -> MapGrid | None:
    """Find the pixel of each spectrum: from its coordinates, else from the order the header tells."""
    if "WMAP" not in blocks or blocks["WMAP"][1] < 44:
        return grid_of(columns["x_um"], columns["y_um"]) if "x_um" in columns and "y_um" in columns else None
    file.seek(blocks["WMAP"][0])
    content = file.read(44)
    (flags,) = struct.unpack_from("<I", content)
    x0, y0, _ = struct.unpack_from("<3f", content, 8)
    dx, dy, _ = struct.unpack_from("<3f", content, 20)
    n_columns, n_rows, n_slices = struct.unpack_from("<3I", content, 32)
    if flags & _LINE or n_slices > 1 or min(n_columns, n_rows) < 2:
        return None
    shape, origin, step = (n_rows, n_columns), (x0, y0), (dx, dy)
    if "x_um" in columns and "y_um" in columns:
        column = nearest_level(columns["x_um"], x0, dx)
        row = nearest_level(columns["y_um"], y0, dy)
        found = None if column is None or row is None else grid_from(column, row, shape, origin, step)
        found = found or grid_of(columns["x_um"], columns["y_um"])
        if found is not None or flags & _RANDOM:
            return found
    number = np.arange(header.count)
    if flags & _COLUMN_MAJOR:
        column, row = number // n_rows, number % n_rows
        if flags & _SNAKE:
            row = np.where(column % 2, n_rows - 1 - row, row)
    else:
        row, column = number // n_columns, number % n_columns
        if flags & _SNAKE:
            column = np.where(row % 2, n_columns - 1 - column, column)
    return grid_from(column, row, shape, origin, step)


def _white_light(
    file: BinaryIO, blocks: dict[str, tuple[int, int]]
) -> tuple[WhiteLight | None, tuple[str, ...]]:
    """Read the JPEG picture of the sample; one without a place on the stage is of no use here."""
    if "WHTL" not in blocks:
        return None, ()
    from PIL import Image

    start, length = blocks["WHTL"]
    file.seek(start)
    try:
        with Image.open(io.BytesIO(file.read(length)), formats=["JPEG", "BMP", "PNG"]) as picture:
            exif = picture.getexif()
            # Newer files keep the tags in the EXIF directory, older ones beside it.
            tags = {**exif, **exif.get_ifd(0x8769)}
            if _EXIF_POSITION not in tags or _EXIF_FIELD not in tags:
                return None, ()
            x0, y0 = (float(value) for value in tags[_EXIF_POSITION])
            magnification = float(tags.get(_EXIF_MAGNIFICATION, 1.0)) or 1.0
            width, height = (float(value) / magnification for value in tags[_EXIF_FIELD])
            rgb = np.array(picture.convert("RGB"), dtype=np.uint8)
    except Exception:  # the picture is an extra: spectra are worth having without it
        return None, ("The white-light picture is damaged and is not shown.",)
    return WhiteLight(rgb, x0, y0, x0 + width, y0 + height), ()
