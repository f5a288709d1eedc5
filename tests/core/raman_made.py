"""Files of spectra written here byte by byte from the published formats, independently of the readers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

AXIS = np.linspace(400.0, 1800.0, 36)


def bands(n: int, axis: np.ndarray = AXIS, seed: int = 0) -> np.ndarray:
    """(n, k) spectra with a band at 1004 and one at 1450, rounded to whole counts."""
    rng = np.random.default_rng(seed)
    heights = rng.uniform(100, 2000, (n, 2))
    shape = np.exp(-(((axis - np.array([[1004.0], [1450.0]])) / 60.0) ** 2))
    made: np.ndarray = np.rint(50 + heights @ shape)
    return made


def wdf(
    path: Path,
    spectra: np.ndarray,
    axis: np.ndarray = AXIS,
    places: np.ndarray | None = None,
    grid: tuple[int, int] | None = None,
    flags: int = 0,
    unit: int = 1,
    capacity: int | None = None,
    laser_nm: float = 785.0,
    claimed: tuple[int, int] | None = None,
) -> Path:
    """A Renishaw file of blocks WDF1, DATA, XLST, ORGN and, for maps, WMAP; ``claimed``: points, spectra."""
    n, k = spectra.shape
    capacity = n if capacity is None else capacity
    points, count = (k, n) if claimed is None else claimed
    kind = 3 if grid is not None else (1 if n == 1 else 2)
    head = bytearray(496)
    struct.pack_into("<IQQ", head, 44, points, max(capacity, count if claimed else 0), count)
    struct.pack_into("<II", head, 72, 1, points)
    struct.pack_into("<I", head, 116, kind)
    struct.pack_into("<f", head, 140, 1e7 / laser_nm)
    head[224:233] = b"made here"
    blocks = [(b"WDF1", bytes(head)), (b"DATA", np.asarray(spectra, "<f4").tobytes())]
    blocks.append((b"XLST", struct.pack("<II", 1, unit) + np.asarray(axis, "<f4").tobytes()))
    if places is not None:
        origin = struct.pack("<I", places.shape[1])
        for code, values in zip((3, 4, 5), places.T, strict=False):
            padded = np.concatenate((values, np.zeros(capacity - n)))
            origin += struct.pack("<II16s", code | 1 << 31, 5, b"place") + padded.astype("<f8").tobytes()
        blocks.append((b"ORGN", origin))
    if grid is not None:
        rows, columns = grid
        slices = n // (rows * columns) if capacity == n and n > rows * columns else 1
        blocks.append(
            (b"WMAP", struct.pack("<II3f3f3II", flags, 0, 10, 20, 0, 2, -3, 1, columns, rows, slices, 0))
        )
    path.write_bytes(b"".join(struct.pack("<4sIQ", name, 1, 16 + len(c)) + c for name, c in blocks))
    return path


def spc(
    path: Path,
    spectra: np.ndarray,
    axis: np.ndarray = AXIS,
    kind: str = "f4",
    order: str = "<",
    even: bool = False,
    own_axes: bool = False,
    x_code: int = 13,
    log: str = "",
    claimed: int | None = None,
) -> Path:
    """A Galactic file; ``kind`` i4 or i2 stores integers with the exponent 16."""
    n, k = spectra.shape
    flags = (0x01 if kind == "i2" else 0) | (0x04 if n > 1 else 0)
    flags |= 0x40 | 0x80 if own_axes else (0 if even else 0x80)
    exponent = -128 if kind == "f4" else 16
    head = bytearray(512)
    head[0], head[1] = flags, 0x4B if order == "<" else 0x4C
    points = k if claimed is None else claimed
    struct.pack_into(order + "biddi", head, 3, exponent, 0 if own_axes else points, axis[0], axis[-1], n)
    head[28:31] = bytes((x_code, 4, 4))
    body = b"" if even or own_axes else axis.astype(order + "f4").tobytes()
    for i, y in enumerate(spectra):
        body += struct.pack(
            order + "BbhfffiIf4s", 0, exponent, i, 0.5 * i, 0, 0, k if own_axes else 0, 0, 0, b""
        )
        if own_axes:
            body += axis.astype(order + "f4").tobytes()
        values = y if kind == "f4" else y / 2.0 ** (16 - 8 * int(kind[1]))
        body += (
            np.rint(values).astype(order + kind).tobytes()
            if kind != "f4"
            else values.astype(order + kind).tobytes()
        )
    if log:
        struct.pack_into(order + "i", head, 248, 512 + len(body))
        text = log.encode()
        body += struct.pack(order + "5i", 64 + len(text), 4096, 64, 0, 0) + bytes(44) + text
    path.write_bytes(bytes(head) + body)
    return path


def jcamp(path: Path, lines: Sequence[str], n_points: int, first: float, last: float, **labels: str) -> Path:
    """A JCAMP-DX file of the form (X++(Y..Y)) with these lines of data."""
    given = {
        "TITLE": "made here", "JCAMP-DX": "4.24", "DATA TYPE": "RAMAN SPECTRUM", "XUNITS": "1/CM",
        "YUNITS": "ARBITRARY UNITS", "XFACTOR": "1", "YFACTOR": "1", "FIRSTX": f"{first}", "LASTX": f"{last}",
        "NPOINTS": f"{n_points}", **{key.replace("_", " "): value for key, value in labels.items()},
        "XYDATA": "(X++(Y..Y))",
    }  # fmt: skip
    head = [f"##{key}={value}" for key, value in given.items()]
    path.write_text("\n".join([*head, *lines, "##END="]) + "\n")
    return path


def columns(
    path: Path, spectra: np.ndarray, axis: np.ndarray = AXIS, head: str = "", separator: str = "\t"
) -> Path:
    """Text with the axis in the first column and a column for each spectrum."""
    rows = (separator.join(f"{value:.10g}" for value in row) for row in np.column_stack((axis, spectra.T)))
    path.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return path
