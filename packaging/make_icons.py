"""Draw NanoAI's icon in every size and form that a desktop asks for, from one drawing.

    python packaging/make_icons.py FOLDER

The drawing, ``nanoai_gui/gui/icons/nanoai.svg``, is ours: an agglomerate of primary particles, one of them
measured.
"""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

SOURCE = Path(__file__).resolve().parent.parent / "nanoai_gui" / "gui" / "icons" / "nanoai.svg"
SIZES = (16, 24, 32, 48, 64, 128, 256, 512, 1024)
ICO_SIZES = (16, 24, 32, 48, 64, 128, 256)
ICNS_TYPES = {16: b"icp4", 32: b"icp5", 64: b"icp6", 128: b"ic07", 256: b"ic08", 512: b"ic09", 1024: b"ic10"}
"""Apple's names of PNG pictures in an icon file, by size."""


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    application = QGuiApplication([])
    pictures = {size: draw(size, folder / f"nanoai-{size}.png") for size in SIZES}
    (folder / "nanoai.svg").write_bytes(SOURCE.read_bytes())
    (folder / "nanoai.ico").write_bytes(ico({size: pictures[size] for size in ICO_SIZES}))
    (folder / "nanoai.icns").write_bytes(icns({size: pictures[size] for size in ICNS_TYPES}))
    del application


def draw(size: int, target: Path) -> bytes:
    """Draw the icon as PNG."""
    image = QImage(size, size, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(str(SOURCE)).render(painter, QRectF(0, 0, size, size))
    painter.end()
    image.save(str(target))
    return target.read_bytes()


def ico(pictures: dict[int, bytes]) -> bytes:
    """Put PNG pictures into a Windows icon: a head, a table, the pictures."""
    head = struct.pack("<HHH", 0, 1, len(pictures))
    at = len(head) + 16 * len(pictures)
    table = b""
    for size, data in pictures.items():
        table += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(data), at)
        at += len(data)
    return head + table + b"".join(pictures.values())


def icns(pictures: dict[int, bytes]) -> bytes:
    """Put PNG pictures into a macOS icon."""
    body = io.BytesIO()
    for size, data in pictures.items():
        body.write(ICNS_TYPES[size] + struct.pack(">I", 8 + len(data)) + data)
    return b"icns" + struct.pack(">I", 8 + body.tell()) + body.getvalue()


if __name__ == "__main__":
    main()
