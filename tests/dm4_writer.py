"""Write small DigitalMicrograph 3 and 4 files, so that tests of that format need no file of a microscope.

Layout after the description that the readers follow: a header (version, length, byte order), then a tree
of tag groups; names and counts are big-endian, values little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tree = dict[str, Any]

_GROUP, _VALUE = 20, 21
_ARRAY = 20
_TYPES = {"int16": 2, "int32": 3, "uint16": 4, "uint32": 5, "float32": 6, "float64": 7, "uint8": 10}
# DigitalMicrograph's own codes for the kind of pixel.
_PIXEL_KINDS = {"int16": 1, "float32": 2, "uint8": 6, "int32": 7, "uint16": 10, "uint32": 11}


def write_dm4(path: Path, pixels: NDArray[Any], pixel_size: float, unit: str, version: int = 4) -> None:
    """Write one image (height, width) with square pixels of ``pixel_size`` ``unit``.

    Version 3 counts in 32 bits and does not say how long a tag is.
    """
    height, width = pixels.shape
    axis = {"Origin": np.float32(0), "Scale": np.float32(pixel_size), "Units": unit}
    image: Tree = {
        "ImageData": {
            "Calibrations": {
                "Brightness": {"Origin": np.float32(0), "Scale": np.float32(1), "Units": ""},
                "Dimension": [axis, axis],
            },
            "Data": pixels.ravel(),
            "DataType": np.uint32(_PIXEL_KINDS[pixels.dtype.name]),
            "Dimensions": [np.uint32(width), np.uint32(height)],
            "PixelDepth": np.uint32(pixels.dtype.itemsize),
        },
        "ImageTags": {"Microscope Info": {"Voltage": np.float64(200e3)}},
        "Name": "image",
        "UniqueID": [np.uint32(1), np.uint32(2), np.uint32(3), np.uint32(4)],
    }
    shown = {"ImageDisplayType": np.uint32(1), "ImageSource": np.uint32(0)}
    tree: Tree = {
        "DocumentObjectList": [shown],
        "ImageList": [image],
        "ImageSourceList": [{"ClassName": "ImageSource:Simple", "ImageRef": np.uint32(0)}],
    }
    count = "q" if version == 4 else "i"
    body = _group(tree, count)
    path.write_bytes(struct.pack(f">i{count}i", version, len(body), 1) + body + bytes(8))


def _group(entries: Tree | list[Any], count: str) -> bytes:
    named = entries.items() if isinstance(entries, dict) else (("", value) for value in entries)
    tags = [_tag(name, value, count) for name, value in named]
    return struct.pack(f">bb{count}", 1, 0, len(tags)) + b"".join(tags)


def _tag(name: str, value: Any, count: str) -> bytes:
    is_group = isinstance(value, dict | list)
    body = _group(value, count) if is_group else _value(value, count)
    encoded = name.encode("latin-1")
    kind = _GROUP if is_group else _VALUE
    size = struct.pack(">q", len(body)) if count == "q" else b""
    return struct.pack(">bh", kind, len(encoded)) + encoded + size + body


def _value(value: Any, count: str) -> bytes:
    if isinstance(value, str):
        value = np.frombuffer(value.encode("utf-16-le"), dtype=np.uint16)
    code = _TYPES[value.dtype.name]
    info = (code,) if value.ndim == 0 else (_ARRAY, code, value.size)
    little = value.astype(value.dtype.newbyteorder("<"))
    data: bytes = little.tobytes()
    return b"%%%%" + struct.pack(f">{count}{len(info)}{count}", len(info), *info) + data
