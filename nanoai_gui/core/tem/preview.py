"""Which pixels would count as particle: the answer to a threshold while it is being turned.

Runs in a worker process, which keeps the flattened image of its last answer: from then on another
threshold is one comparison.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress, part
from nanoai_gui.core.tem.analysis import ImageRequest, load
from nanoai_gui.core.tem.segmentation import (
    PreparedContrast,
    SegmentationParameters,
    particle_mask,
    prepare,
)


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask (height, width) as compressed bits."""

    shape: tuple[int, int]
    data: bytes

    @classmethod
    def pack(cls, mask: NDArray[np.bool_]) -> PackedMask:
        """Compress a mask."""
        return cls((mask.shape[0], mask.shape[1]), zlib.compress(np.packbits(mask).tobytes(), 1))

    def unpack(self) -> NDArray[np.bool_]:
        """Give the mask back."""
        n = self.shape[0] * self.shape[1]
        bits = np.frombuffer(zlib.decompress(self.data), dtype=np.uint8)
        return np.unpackbits(bits, count=n).reshape(self.shape).view(np.bool_)


_last: tuple[ImageRequest, tuple[object, ...], PreparedContrast] | None = None
"""One image of float32 at most: what the person is looking at."""


def preview_mask(
    request: ImageRequest,
    parameters: SegmentationParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> PackedMask:
    """Threshold one image, without minimum size and holes, which come after the threshold.

    Raises
    ------
    ReadError
        If the file cannot or should not be read.
    """
    global _last
    # What the flattened image depends on; pixel size and threshold are not among it.
    source = replace(request, calibration=None, generation=0)
    cause = parameters.polarity, parameters.flatten, parameters.denoise_px
    if _last is None or _last[:2] != (source, cause):
        _last = None  # Let go of the old image before the new one is made.
        micrograph = load(request)
        _last = source, cause, prepare(micrograph, parameters, part(progress, 0.3, 0.9), cancelled)
    return PackedMask.pack(particle_mask(_last[2], parameters))
