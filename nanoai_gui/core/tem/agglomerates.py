"""The agglomerates of a micrograph: a label image and one row of facts for each."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nanoai_gui.core.tem.background import Background

TOUCHES_BORDER = "touches border"
"""Reason of exclusion: an agglomerate cut by the border of the field of view cannot be measured whole."""


class Polarity(StrEnum):
    """Which side of the grey scale the particles are on."""

    AUTO = "automatic"
    DARK = "dark on bright"
    BRIGHT = "bright on dark"


@dataclass(frozen=True, eq=False)
class Agglomerates:
    """Labelled agglomerates of one micrograph.

    Parameters
    ----------
    labels
        (height, width) of the whole micrograph, int32: 0 is background, other values are ids.
        Ids are stable: deleting one never renumbers another, so they need not be consecutive.
    ids
        (n,) int32, ascending.
    x, y
        (n,) float64, centroid in px.
    area_px
        (n,) int64.
    boxes
        (n, 4) int32: y0, x0, y1, x1, half open.
    excluded
        n texts: the reason why an agglomerate is not measured, or an empty text.
    polarity
        What was found or asked for; never ``AUTO``.
    threshold
        Grey level (of ``contrast``) above which a pixel is particle; NaN for a local threshold.
    contrast
        (height, width) float32, background-flattened and denoised, 0 = background, larger = more
        material, whatever the polarity; NaN-free, 0 outside the field of view. ``None`` once dropped
        (it is needed by sizing methods and never sent between processes).
    status
        (n,) int8, a :class:`~nanoai_gui.core.tem.particles.Status`: who drew it; ``None`` where no person did
        anything.
    edge_noise
        Standard deviation of either component of the gradient that noise makes, in contrast per px, where
        only a part of the image is at hand to measure it from; ``None``: measure it.
    background
        That of the image in the place of this, where this is only a part of it; ``None``: estimate it.
    """

    labels: NDArray[np.int32]
    ids: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area_px: NDArray[np.int64]
    boxes: NDArray[np.int32]
    excluded: tuple[str, ...]
    polarity: Polarity
    threshold: float
    contrast: NDArray[np.float32] | None = None
    status: NDArray[np.int8] | None = None
    edge_noise: float | None = None
    background: Background | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(n,) true where the agglomerate is not excluded."""
        return np.array([not reason for reason in self.excluded], dtype=bool)

    def without_contrast(self) -> Agglomerates:
        """Return the same without the grey-level image."""
        return replace(self, contrast=None)


class StoredLabels(Protocol):
    """A label image that is kept small until it is needed."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        ...

    @property
    def data(self) -> bytes:
        """The compressed pixels, as in :class:`PackedLabels`."""
        ...

    def unpack(self) -> NDArray[np.int32]:
        """Give the label image, (height, width) int32; a copy of its own."""
        ...


@dataclass(frozen=True, slots=True)
class PackedLabels:
    """A label image as compressed bytes: kilobytes instead of megabytes between processes and in files."""

    shape: tuple[int, int]
    data: bytes

    @classmethod
    def pack(cls, labels: NDArray[np.int32]) -> PackedLabels:
        """Compress ``labels`` (height, width)."""
        little = np.ascontiguousarray(labels, dtype="<i4")
        return cls((labels.shape[0], labels.shape[1]), zlib.compress(little.data, 1))

    def unpack(self) -> NDArray[np.int32]:
        """Give the label image back, (height, width) int32.

        Raises
        ------
        ValueError
            If the bytes do not hold an image of the stated shape.
        """
        n_bytes = 4 * self.shape[0] * self.shape[1]
        # max_length guards against a small file that claims to be huge.
        stream = zlib.decompressobj()
        try:
            raw = stream.decompress(self.data, n_bytes)
            has_more = bool(stream.decompress(stream.unconsumed_tail, 1))
        except zlib.error as error:
            raise ValueError("the label image is damaged") from error
        if len(raw) != n_bytes or has_more:
            raise ValueError("the label image does not have the stated size")
        return np.frombuffer(raw, dtype="<i4").reshape(self.shape).astype(np.int32)
