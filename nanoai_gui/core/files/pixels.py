"""From whatever a file stores to grey values: colour, transparency, number types, gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601), as image programs use for grey."""


def to_grey(pixels: NDArray[Any], path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Make one grey value of each pixel, keeping the number type where possible.

    Parameters
    ----------
    pixels
        (height, width), (height, width, 1..4), or structured R, G, B, A records.
    path
        The file, for the sentences.

    Returns
    -------
    pixels, warnings
        (height, width) in a native integer type of at most 32 bits or float32, all finite.

    Raises
    ------
    ReadError
        If the values are complex, no numbers, or none of them is finite.
    """
    warnings: list[str] = []
    if pixels.dtype.names is not None:
        names = [name for name in "RGB" if name in pixels.dtype.names]
        if len(names) < 3:
            raise ReadError(f"{path.name} holds records, not grey values.", "Export it as TIFF.")
        # The fourth byte of a DigitalMicrograph colour is padding, not transparency.
        pixels = np.stack([pixels[name] for name in names], axis=-1)
    if pixels.dtype.kind == "c":
        raise ReadError(
            f"{path.name} holds complex numbers (a Fourier transform), not a micrograph.",
            "Open the image it was computed from.",
        )
    if pixels.dtype.kind not in "biuf":
        raise ReadError(f"{path.name} does not hold numbers.", "Export the image as TIFF.")
    if pixels.ndim == 3:
        pixels, said = _from_colour(pixels)
        warnings += said
    return _plain_numbers(pixels, path, warnings)


def _from_colour(pixels: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """Reduce (height, width, 1..4) to grey; transparency shows white, as on paper."""
    channels = pixels.shape[2]
    alpha = pixels[..., -1] if channels in (2, 4) else None
    colour = pixels[..., : channels - 1] if alpha is not None else pixels
    said: list[str] = []
    if colour.shape[2] == 1 or _equal_channels(colour):
        grey = np.ascontiguousarray(colour[..., 0])
    else:
        mixed = np.zeros(colour.shape[:2], dtype=np.float32)
        for i, weight in enumerate(LUMINANCE):
            mixed += np.float32(weight) * colour[..., i]
        grey = mixed if colour.dtype.kind == "f" else np.rint(mixed).astype(colour.dtype)
        if _is_colourful(colour):
            said.append("The colours were turned into grey values (luminance).")
    if alpha is not None and alpha.size and alpha.min() != alpha.max() and alpha.dtype.kind in "bu":
        full = 1 if alpha.dtype.kind == "b" else np.iinfo(alpha.dtype).max
        share = alpha.astype(np.float32) / full
        grey = np.rint(grey * share + full * (1 - share)).astype(grey.dtype)
        said.append("Transparent parts are shown white.")
    return grey, said


def _equal_channels(colour: NDArray[Any]) -> bool:
    """Whether red, green and blue agree everywhere; a few rows usually tell that they do not."""
    step = max(colour.shape[0] // 16, 1)
    for part in (colour[::step], colour):
        if not (np.array_equal(part[..., 0], part[..., 1]) and np.array_equal(part[..., 0], part[..., 2])):
            return False
    return True


def _is_colourful(colour: NDArray[Any]) -> bool:
    """Whether more than one pixel in a hundred has a colour worth mentioning (compression leaves some)."""
    sample = colour[:: max(colour.shape[0] // 256, 1), :: max(colour.shape[1] // 256, 1)].astype(np.float32)
    span = max(float(sample.max() - sample.min()), 1e-30)
    return float(np.mean(np.ptp(sample, axis=2) > 0.1 * span)) > 0.01


def _plain_numbers(
    pixels: NDArray[Any], path: Path, warnings: list[str]
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Native byte order, at most 32 bits, no gaps."""
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8)
    if pixels.dtype.kind in "iu":
        if pixels.dtype.itemsize > 4:
            pixels = pixels.astype(np.float32)
        native = pixels.dtype.newbyteorder("=")
        return np.ascontiguousarray(pixels, dtype=native), tuple(warnings)
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(pixels, dtype=np.float32)
    finite = np.isfinite(values)
    missing = values.size - int(np.count_nonzero(finite))
    if missing == values.size:
        raise ReadError(f"{path.name} holds no finite value.", "Export the image again.")
    if missing:
        if not values.flags.writeable or np.may_share_memory(values, pixels):
            values = values.copy()
        values[~finite] = np.median(values[finite])
        warnings.append(f"{missing} pixels without a finite value were given the median of the image.")
    return values, tuple(warnings)
