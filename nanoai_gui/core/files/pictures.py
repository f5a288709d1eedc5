"""PNG, JPEG and BMP: ordinary pictures without a scale."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.files.frames import Frame, PixelSize, check_claimed_size

if TYPE_CHECKING:
    from PIL.Image import Image

MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")


@contextmanager
def open_picture(path: Path) -> Iterator[list[Frame]]:
    """Open a PNG, JPEG or BMP file as its one image."""
    from PIL import Image

    # NanoAI has its own limit (check_claimed_size); micrographs may be larger than Pillow's.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path, formats=("PNG", "JPEG", "BMP")) as image:
        check_claimed_size(path, (image.height, image.width))
        kind = {"PNG": "PNG", "JPEG": "JPEG", "BMP": "BMP"}.get(image.format or "", "picture")
        size = PixelSize(warnings=(f"A {kind} file holds no pixel size.",))
        yield [Frame("", (image.height, image.width), partial(_load, image, path), size)]


def _load(image: Image, path: Path) -> NDArray[Any]:
    """Decode to (height, width) or (height, width, 3 or 4)."""
    if image.format == "PNG" and image.mode in ("RGB", "RGBA", "LA") and _png_depth(path) == 16:
        # Pillow would cut 16-bit colours to 8 bits.
        import imagecodecs

        deep: NDArray[Any] = imagecodecs.png_decode(path.read_bytes())
        return deep
    if image.mode == "P":
        transparent = "transparency" in image.info
        return np.asarray(image.convert("RGBA" if transparent else "RGB"))
    if image.mode not in ("1", "L", "LA", "RGB", "RGBA", "I", "I;16", "F"):
        return np.asarray(image.convert("RGB"))
    return np.asarray(image)


def _png_depth(path: Path) -> int:
    """Bits per channel, from the header chunk."""
    with path.open("rb") as file:
        return file.read(25)[24]
