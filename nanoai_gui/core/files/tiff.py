"""TIFF: tifffile decodes, this module chooses pages and finds out what their numbers mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.frames import Frame, PixelSize, check_claimed_size, quieten, truncated
from nanoai_gui.core.files.tiff_calibration import as_number, pixel_size

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_PHOTOMETRIC_MINISWHITE, _PHOTOMETRIC_PALETTE = 0, 3
_NOT_GREY = {5: "CMYK print colours", 8: "CIELAB colours", 9: "CIELAB colours", 10: "CIELAB colours"}


@contextmanager
def open_tiff(path: Path) -> Iterator[list[Frame]]:
    """Open a TIFF file and list its images; they can be decoded until the context ends.

    Raises
    ------
    ReadError
        If it is truncated, or holds no image of particles.
    """
    import tifffile

    quieten("tifffile")
    # Multi-file series (OME, MicroManager, ScanImage ...) would open neighbouring files.
    with tifffile.TiffFile(path, is_ome=False, is_mmstack=False) as tiff:
        yield _frames(tiff, path)


def _frames(tiff: TiffFile, path: Path) -> list[Frame]:
    pages = [page for page in _full_pages(tiff) if page.imagewidth and page.imagelength]
    if not pages:
        raise ReadError(f"{path.name} holds an image without pixels.", "Export the image again.")
    first = pages[0]
    check_claimed_size(path, first.shape)
    if len(pages) == 1 and (virtual := _stack_without_pages(tiff, first)) is not None:
        size = pixel_size(tiff, first, path.name)
        shape = (first.imagelength, first.imagewidth)
        return [Frame("", shape, partial(_slice, virtual, i), size) for i in range(len(virtual))]
    frames: list[Frame] = []
    refused: ReadError | None = None
    for page in pages:
        try:
            frames.append(_frame(tiff, page, path))
        except ReadError as error:
            refused = refused or error
    if not frames:
        assert refused is not None
        raise refused
    return _share_pixel_size(_prefer_clean(frames))


def _prefer_clean(frames: list[Frame]) -> list[Frame]:
    """Of two pages that show the same image, prefer the one without anything burned in.

    Only two pages of one kind have to be decoded for this; where the kinds differ (raw 16-bit values
    and an 8-bit colour copy, as JEOL writes them), the kind decides.
    """
    if len(frames) != 2:
        return frames
    first, second = frames
    if first.shape != second.shape or first.preference != second.preference:
        return frames
    one, other = first.load(), second.load()
    if one.shape != other.shape or one.ndim != 2 or one.dtype != other.dtype:
        return frames
    differing = one != other
    share = float(differing.mean())
    if not 0 < share < 0.3:
        return frames
    # Letters and bars have few values, an image has many.
    if len(np.unique(other[differing])) > len(np.unique(one[differing])):
        return [first, replace(second, preference=second.preference + 1)]
    return frames


def _full_pages(tiff: TiffFile) -> list[TiffPage]:
    """Give the pages that are images of their own: no thumbnails, no transparency masks."""
    import tifffile

    pages = []
    for page in tiff.pages:
        full = page if isinstance(page, tifffile.TiffPage) else page.aspage()
        if not (full.is_reduced or full.is_mask):
            pages.append(full)
    return pages or [tiff.pages.first]


def _frame(tiff: TiffFile, page: TiffPage, path: Path) -> Frame:
    check_claimed_size(path, page.shape)
    photometric = int(page.photometric) if page.photometric is not None else 1
    if photometric in _NOT_GREY:
        raise ReadError(
            f"{path.name} holds {_NOT_GREY[photometric]}.", "Save it as a grey or RGB image first."
        )
    if any(axis not in "YXS" for axis in page.axes):
        raise ReadError(f"{path.name} holds a volume, not an image.", "Save its slices as a stack of pages.")
    _check_complete(page, path)
    size = pixel_size(tiff, page, path.name)
    # A page with an overlay burned in is saved as 8-bit colour; the clean one keeps the raw depth.
    preference = (0 if page.samplesperpixel > 1 else 2) + (1 if page.bitspersample > 8 else 0)
    return Frame(
        label="",
        shape=(page.imagelength, page.imagewidth),
        load=partial(_load, page),
        pixel_size=size,
        preference=preference,
        image_height=_image_height(page),
        metadata=_facts(page),
    )


def _check_complete(page: TiffPage, path: Path) -> None:
    """Refuse a file that ends before its pixels do (libraries fill the gap with zeros)."""
    end = max(
        (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)),
        default=0,
    )
    if not page.dataoffsets or end > page.parent.filehandle.size:
        raise truncated(path)
    if page.compression == 1 and sum(page.databytecounts) * 8 < page.size * page.bitspersample:
        raise truncated(path)


def _load(page: TiffPage) -> NDArray[Any]:
    """Decode a page to (height, width) or (height, width, samples); bright means large."""
    pixels: NDArray[Any] = page.asarray()
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    photometric = int(page.photometric) if page.photometric is not None else 1
    if photometric == _PHOTOMETRIC_PALETTE and page.colormap is not None:
        return _through_palette(pixels, page.colormap)
    if photometric == _PHOTOMETRIC_MINISWHITE:
        if pixels.dtype.kind == "b":
            return ~pixels
        if pixels.dtype.kind == "u":
            return ((1 << page.bitspersample) - 1 - pixels).astype(pixels.dtype)
    return pixels


def _through_palette(indices: NDArray[Any], colormap: NDArray[np.uint16]) -> NDArray[Any]:
    """Look colours up; a palette that is the grey ramp itself (Zeiss) leaves the values as they are."""
    n = colormap.shape[1]
    grey_ramp = np.arange(n) * 257 if n == 256 else np.linspace(0, 65535, n)
    if all(np.abs(channel.astype(np.int64) - grey_ramp).max() <= 257 for channel in colormap):
        return indices
    colours: NDArray[Any] = (colormap.T[indices] // 257).astype(np.uint8)
    return colours


def _stack_without_pages(tiff: TiffFile, first: TiffPage) -> NDArray[Any] | None:
    """Map a large ImageJ stack, which declares its first page only and appends the others bare."""
    if not tiff.is_imagej or first.samplesperpixel != 1:
        return None
    series = tiff.series[0]
    if series.kind != "imagej" or series.size <= first.size or series.dataoffset is None:
        return None
    stack: NDArray[Any] = series.asarray(out="memmap")
    return stack.reshape(-1, first.imagelength, first.imagewidth)


def _slice(stack: NDArray[Any], index: int) -> NDArray[Any]:
    return np.array(stack[index])


def _share_pixel_size(frames: list[Frame]) -> list[Frame]:
    """Let pages without a scale take that of a calibrated page of the same size in px."""
    known = {frame.shape: frame.pixel_size for frame in reversed(frames) if frame.pixel_size.x_nm}
    shared = []
    for frame in frames:
        other = known.get(frame.shape)
        if frame.pixel_size.x_nm is None and other is not None:
            detail = f"{other.detail} of another page of the file"
            frame = replace(frame, pixel_size=PixelSize(other.x_nm, other.y_nm, detail, other.warnings))
        shared.append(frame)
    return shared


def _image_height(page: TiffPage) -> int | None:
    """Rows above the data bar according to FEI's metadata."""
    for code in (34682, 34680):
        tag = page.tags.get(code)
        if tag is None or not isinstance(tag.value, Mapping):
            continue
        bar = as_number((tag.value.get("PrivateFei") or {}).get("DatabarHeight"))
        rows = as_number((tag.value.get("Image") or {}).get("ResolutionY"))
        if bar is not None and bar < page.imagelength:
            return page.imagelength - int(bar)
        if rows is not None and rows < page.imagelength:
            return int(rows)
    return None


def _facts(page: TiffPage) -> dict[str, str]:
    """Facts of the instrument worth showing."""
    facts: dict[str, str] = {}
    zeiss = page.tags.get(34118)
    if zeiss is not None and isinstance(zeiss.value, Mapping):
        for key, label in (
            ("ap_mag", "Magnification"), ("ap_actualkv", "Voltage"), ("ap_manualkv", "Voltage"),
            ("ap_wd", "Working distance"), ("dp_detector_type", "Detector"),
            ("dp_detector_channel", "Detector"),
        ):  # fmt: skip
            entry = zeiss.value.get(key)
            if isinstance(entry, tuple) and len(entry) > 1:
                facts.setdefault(label, " ".join(str(part) for part in entry[1:]))
    fei = page.tags.get(34682) or page.tags.get(34680)
    if fei is not None and isinstance(fei.value, Mapping):
        system, beam = fei.value.get("System") or {}, fei.value.get("EBeam") or {}
        detectors = fei.value.get("Detectors") or {}
        if system.get("SystemType"):
            facts["Instrument"] = str(system["SystemType"])
        if voltage := as_number(beam.get("HV")):
            facts["Voltage"] = f"{voltage / 1000:g} kV"
        if detectors.get("Name"):
            facts["Detector"] = str(detectors["Name"])
    for code, label in ((271, "Maker"), (272, "Instrument"), (306, "Date")):
        tag = page.tags.get(code)
        if tag is not None and isinstance(tag.value, str) and tag.value.strip():
            facts.setdefault(label, tag.value.strip())
    return facts
