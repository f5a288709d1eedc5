"""Electron micrographs from any instrument's files, read by well-kept libraries and judged here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files import rosetta
from nanoai_gui.core.files.burned_in import find_scale_bar
from nanoai_gui.core.files.data_bar import find_data_bar
from nanoai_gui.core.files.frames import Frame, FrameInfo, check_claimed_size, reading
from nanoai_gui.core.files.judgement import Judgement, judge, stretch
from nanoai_gui.core.files.pixels import to_grey
from nanoai_gui.core.tem.micrograph import Micrograph

__all__ = [
    "READABLE_SUFFIXES",
    "FrameInfo",
    "find_images",
    "list_frames",
    "read_micrograph",
    "read_thumbnail",
]

READABLE_SUFFIXES = frozenset(
    (
        ".tif",
        ".tiff",
        ".png",
        ".jpg",
        ".jpeg",
        ".bmp",
        ".dm5",
        ".h5",
        ".hdf5",
        ".img",
        *rosetta.PLUGINS,
        ".mrc",
        ".mrcs",
    )
)
"""Endings (lower case) of the files that a folder is searched for."""


def read_micrograph(path: Path, frame: int | None = None) -> Micrograph:
    """Read one micrograph.

    Parameters
    ----------
    path
        The file.
    frame
        Which of its images, counted as in :func:`list_frames`; ``None``: the recommended one.

    Raises
    ------
    ReadError
        If the file cannot or should not be read, or has no such frame.
    """
    with reading(path), _open(path) as found:
        frames = _usable(found, path)
        index = _recommended(frames) if frame is None else frame
        if not 0 <= index < len(frames):
            raise ReadError(
                f"{path.name} has no image {index + 1}, only {len(frames)}.", "Choose another one."
            )
        chosen = frames[index]
        pixels, warnings = to_grey(chosen.load(), path)
        n_frames = len(frames)
        judgement = judge(chosen.pixel_size, path)
        pixels = stretch(pixels, judgement)
    bar = _data_bar_top(pixels, chosen, judgement)
    field = pixels if bar is None else pixels[:bar]
    scale_bar = find_scale_bar(field)
    name = path.name if n_frames == 1 else f"{path.name} [{chosen.label or index + 1}]"
    return Micrograph(
        pixels=pixels,
        name=name,
        path=path,
        calibration=judgement.calibration,
        data_bar_top=bar,
        frame=index,
        n_frames=n_frames,
        warnings=(*chosen.warnings, *warnings),
        metadata=chosen.metadata,
        annotations=() if scale_bar is None else scale_bar.covered((field.shape[0], field.shape[1])),
    )


def list_frames(path: Path) -> tuple[FrameInfo, ...]:
    """List the images of a file without decoding them.

    Raises
    ------
    ReadError
        If the file cannot or should not be read.
    """
    with reading(path), _open(path) as found:
        frames = _usable(found, path)
        best = _recommended(frames)
        return tuple(
            FrameInfo(i, frame.label or f"{i + 1}", frame.shape, i == best) for i, frame in enumerate(frames)
        )


def read_thumbnail(path: Path, size: int, frame: int | None = None) -> NDArray[np.uint8]:
    """Read a small picture of a file for the eye: at most ``size`` px high and wide, grey, stretched.

    Raises
    ------
    ReadError
        As :func:`read_micrograph`.
    """
    micrograph = read_micrograph(path, frame)
    step = max(1, -(-max(micrograph.shape) // size))
    pixels = _shrink(micrograph.pixels, step)
    top = micrograph.field_of_view.y1 // step
    low, high = np.percentile(pixels[: max(top, 1)], (0.5, 99.5))
    scale = 255.0 / max(float(high - low), 1e-30)
    small: NDArray[np.uint8] = np.rint(np.clip((pixels - low) * scale, 0, 255)).astype(np.uint8)
    return small


def find_images(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Expand files and folders to image files.

    Parameters
    ----------
    paths
        Files are kept as they are, whatever their ending; folders are searched with all below them.

    Returns
    -------
    images, problems
        The files in natural order within each folder, without repetition; one sentence for each
        folder that holds no image and each path that does not exist.
    """
    images: dict[Path, None] = {}
    problems: list[str] = []
    for path in paths:
        if path.is_dir():
            found = _images_below(path)
            if not found:
                problems.append(f"The folder {path.name or path} holds no image that NanoAI can read.")
            images.update(dict.fromkeys(found))
        elif path.exists():
            images[path] = None
        else:
            problems.append(f"{path.name} is not there.")
    return list(images), problems


def _images_below(folder: Path) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        # A link to a file that was moved is kept: reading it says so, where leaving it out would hide it.
        is_file = path.is_file() or (path.is_symlink() and not path.exists())
        # macOS leaves resource forks "._name" on foreign drives; hidden files are nobody's data.
        if path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith(".") and is_file:
            found.append(path)
    found = _without_parts(found)
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder)))


def _without_parts(found: list[Path]) -> list[Path]:
    """Leave out .ser files whose .emi is there too: they would be measured twice."""
    whole = {path.with_suffix("") for path in found if path.suffix.lower() == ".emi"}
    kept = []
    for path in found:
        part = re.fullmatch(r"(.+)_\d", path.stem) if path.suffix.lower() == ".ser" else None
        if part is None or path.with_name(part[1]) not in whole:
            kept.append(path)
    return kept


def natural_key(path: Path) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Sort key that puts ``image 2`` before ``image 10`` and the files of a folder together."""
    return tuple(
        tuple(
            (0, int(part), "") if part.isdecimal() else (1, 0, part)
            for part in re.split(r"(\d+)", name.casefold())
            if part
        )
        for name in path.parts
    )


@contextmanager
def _open(path: Path) -> Iterator[list[Frame]]:
    """Choose the reader by content first, then by ending."""
    # Not at the head: the window asks this module for endings when it starts, and reads nothing yet.
    from nanoai_gui.core.files import hdf5, mrc, pictures, tiff

    if path.is_dir():
        raise ReadError(f"{path.name} is a folder.", "Choose the image files in it.")
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        raise ReadError(f"{path.name} is empty.", "Copy it again from the microscope.")
    if head.startswith(tiff.MAGIC):
        with tiff.open_tiff(path) as frames:
            yield frames
    elif head.startswith(pictures.MAGIC):
        with pictures.open_picture(path) as frames:
            yield frames
    elif head.startswith(hdf5.MAGIC):
        with hdf5.open_hdf5(path) as frames:
            yield frames
    elif path.suffix.lower() in mrc.SUFFIXES:
        with mrc.open_mrc(path) as frames:
            yield frames
    else:
        with rosetta.open_rosetta(path, _plugin(path, head)) as frames:
            yield frames


_ENDS_OF_OTHERS: dict[str, tuple[str, str]] = {
    ".pts": ("a JEOL spectrum image", "Open the electron image (.img) of the same view."),
    ".eds": ("a JEOL spectrum", "Open the electron image (.img) of the same view."),
    ".asw": ("the list of a JEOL project", "Open the electron images (.img) in the folders beside it."),
    ".msa": ("a spectrum", "Open the image that was taken with it."),
}


def _plugin(path: Path, head: bytes) -> str:
    """Choose RosettaSciIO's plugin, or say what the file is instead of an image."""
    suffix = path.suffix.lower()
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!")):
        raise ReadError(f"{path.name} is a packed archive.", "Unpack it and open the image inside.")
    if suffix in _ENDS_OF_OTHERS:
        what, advice = _ENDS_OF_OTHERS[suffix]
        raise ReadError(f"{path.name} is {what}, not an image.", advice)
    if head.startswith(rosetta.JEOL_MAGIC):
        return "jeol"
    if head.startswith(rosetta.SER_MAGIC):
        return "tia"
    if suffix in (".dm3", ".dm4") and head[:4] not in (b"\0\0\0\x03", b"\0\0\0\x04"):
        suffix = ""
    if suffix in rosetta.PLUGINS and suffix not in (".emd", ".ser"):
        return rosetta.PLUGINS[suffix]
    raise ReadError(
        f"{path.name} is not an image that NanoAI can read.",
        "Open the microscope's own file, or export it as TIFF from the microscope's software.",
    )


def _recommended(frames: list[Frame]) -> int:
    return max(range(len(frames)), key=lambda i: (frames[i].preference, -i))


def _usable(frames: list[Frame], path: Path) -> list[Frame]:
    """Keep the frames that can be measured; where none can, say why the first one cannot."""
    kept: list[Frame] = []
    refused: ReadError | None = None
    for frame in frames:
        try:
            check_claimed_size(path, frame.shape)
            if min(frame.shape) < 2:
                height, width = frame.shape
                raise ReadError(
                    f"{path.name} is {width} x {height} px: a single point or line, not an image.",
                    "Open an image with many pixels in both directions.",
                )
            judge(frame.pixel_size, path)
        except ReadError as error:
            refused = refused or error
        else:
            kept.append(frame)
    if not kept:
        raise refused or ReadError(f"{path.name} holds no image.", "Export the image as TIFF.")
    return kept


def _data_bar_top(pixels: NDArray[Any], frame: Frame, judgement: Judgement) -> int | None:
    """First row of the data bar: where the metadata put it, else where it is seen."""
    if frame.image_height is not None:
        top = round(frame.image_height * judgement.stretch_y)
        return top if 0 < top < pixels.shape[0] else None
    return find_data_bar(pixels)


def _shrink(pixels: NDArray[Any], step: int) -> NDArray[np.float32]:
    """Mean of blocks of ``step`` x ``step`` px; what does not fill a block is cut off."""
    height, width = (max(n // step, 1) for n in pixels.shape)
    rows, columns = min(height * step, pixels.shape[0]), min(width * step, pixels.shape[1])
    blocks = pixels[:rows, :columns]
    if step == 1:
        return blocks.astype(np.float32)
    # Narrow images are less than one block across: they keep that axis.
    down, across = rows // height, columns // width
    mean: NDArray[np.float32] = blocks.reshape(height, down, width, across).mean(
        axis=(1, 3), dtype=np.float32
    )
    return mean
