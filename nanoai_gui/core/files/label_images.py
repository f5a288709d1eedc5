"""Label images: every pixel holds the id of what it belongs to, 0 for none.

TIFF of 16 or 32 bits or PNG of 16 bits are written; whole numbers of any width are read. A black-and-white
mask is no label image, but often all there is: its connected regions are numbered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError, WriteError
from nanoai_gui.core.files.atomic import write_bytes, write_with
from nanoai_gui.core.files.frames import check_claimed_size, quieten, reading

LABEL_SUFFIXES = (".tif", ".tiff", ".png")
LARGEST_16_BIT = 65535
_EXACT_FLOAT = 2**24
_ADVICE = "Export the labels as TIFF of 16 or 32 bits, one channel, without colours."


def write_labels(path: Path, labels: NDArray[np.int32], nm_per_px: float | None = None) -> None:
    """Write a label image; the suffix decides the format.

    Parameters
    ----------
    path
        ``.tif`` or ``.tiff``: 16 bits as long as every id fits, else 32 bits. ``.png``: 16 bits.
    labels
        (h, w), ids from 0.
    nm_per_px
        Pixel size, which a TIFF of 16 bits carries in ImageJ's way.

    Raises
    ------
    WriteError
        If an id does not fit into the format, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in LABEL_SUFFIXES:
        raise WriteError(
            f"A label image cannot be written as {suffix or 'a file without suffix'}.", "Use .tif or .png."
        )
    largest = int(labels.max(initial=0))
    if suffix == ".png":
        if largest > LARGEST_16_BIT:
            raise WriteError(
                f"A PNG holds ids up to {LARGEST_16_BIT}, and id {largest} is larger.",
                "Export the labels as TIFF, which then has 32 bits.",
            )
        import imagecodecs

        write_bytes(path, bytes(imagecodecs.png_encode(labels.astype(np.uint16))))
        return
    import tifffile

    options: dict[str, Any] = {"compression": "zlib", "photometric": "minisblack", "software": "NanoAI"}
    if largest <= LARGEST_16_BIT:
        pixels = labels.astype(np.uint16)
        if nm_per_px is not None:
            options |= {
                "imagej": True, "resolution": (1 / nm_per_px, 1 / nm_per_px), "metadata": {"unit": "nm"},
            }  # fmt: skip
    else:
        pixels = labels.astype(np.uint32)
        options["metadata"] = None
    write_with(path, lambda stream: tifffile.imwrite(stream, pixels, **options))


def read_labels(path: Path, shape: tuple[int, int], field_height: int | None = None) -> NDArray[np.int32]:
    """Read a label image that belongs to an image of a certain size.

    Parameters
    ----------
    path
        TIFF or PNG.
    shape
        Height and width of the micrograph.
    field_height
        Rows above its data bar: a label image of just these is completed with background.

    Returns
    -------
    (h, w) int32 of the size of the micrograph.

    Raises
    ------
    ReadError
        If it cannot be read, is of another size, or holds no ids.
    """
    with reading(path, _ADVICE):
        if path.suffix.lower() not in LABEL_SUFFIXES:
            raise ReadError(f"{path.name} is neither TIFF nor PNG.", _ADVICE)
        pixels = _read_png(path) if path.suffix.lower() == ".png" else _read_tiff(path)
        labels = _to_ids(pixels, path)
    height, width = shape
    if field_height is not None and labels.shape == (field_height, width):
        labels = np.pad(labels, ((0, height - field_height), (0, 0)))
    if labels.shape != shape:
        raise ReadError(
            f"{path.name} has {labels.shape[1]} x {labels.shape[0]} px, but the image {width} x {height} px.",
            "Choose the label image of this image, in full size.",
        )
    return labels


def _read_tiff(path: Path) -> NDArray[Any]:
    import tifffile

    quieten("tifffile")
    with tifffile.TiffFile(path, is_ome=False, is_mmstack=False) as tiff:
        if len(tiff.pages) != 1:
            raise ReadError(
                f"{path.name} holds {len(tiff.pages)} images, a label image is one.", "Export that one alone."
            )
        page = tiff.pages.first
        check_claimed_size(path, page.shape)
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.samplesperpixel == 1:
            return page.asarray()
        pixels = page.asarray()
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind in "bu":
            pixels = ~pixels
        return pixels


def _read_png(path: Path) -> NDArray[Any]:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path, formats=("PNG",)) as image:
        check_claimed_size(path, (image.height, image.width))
        if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
            raise ReadError(f"{path.name} is a picture in colours, not a label image.", _ADVICE)
        return np.asarray(image)


def _to_ids(pixels: NDArray[Any], path: Path) -> NDArray[np.int32]:
    if pixels.ndim == 3 and 1 in (pixels.shape[0], pixels.shape[2]):
        pixels = pixels.squeeze()
    if pixels.ndim != 2:
        raise ReadError(f"{path.name} is a picture in colours or a stack, not a label image.", _ADVICE)
    if pixels.dtype.kind == "b":
        return _regions(pixels)
    if pixels.dtype.kind == "f":
        # ImageJ keeps ids above 65535 as floating-point numbers.
        if not np.isfinite(pixels).all() or (pixels != np.rint(pixels)).any():
            raise ReadError(f"{path.name} holds fractions, not ids: it is no label image.", _ADVICE)
        if pixels.size and np.abs(pixels).max() > _EXACT_FLOAT:
            raise ReadError(
                f"{path.name} holds ids above {_EXACT_FLOAT} as floating-point numbers, which are not exact.",
                "Export the labels as whole numbers.",
            )
    elif pixels.dtype.kind not in "iu":
        raise ReadError(f"{path.name} does not hold numbers.", _ADVICE)
    low, high = (int(pixels.min()), int(pixels.max())) if pixels.size else (0, 0)
    if low < 0 or high > 2**31 - 1:
        raise ReadError(
            f"{path.name} holds the value {low if low < 0 else high}, which is no id.",
            "Ids are whole numbers from 1, and 0 is the background.",
        )
    if high == 0:
        raise ReadError(f"{path.name} is empty: every pixel is 0.", "Choose a label image with ids.")
    if pixels.dtype == np.uint8 and high == 255 and not np.any((pixels > 0) & (pixels < 255)):
        return _regions(pixels > 0)
    return pixels.astype(np.int32)


def _regions(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give each connected region of a mask an id; pixels that touch at a corner belong together."""
    from scipy import ndimage

    found, _ = ndimage.label(mask, structure=np.ones((3, 3), dtype=int))
    return np.asarray(found, dtype=np.int32)
