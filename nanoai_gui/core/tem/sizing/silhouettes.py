"""What the baseline methods share: one agglomerate at a time, cut out with a rim of background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint
from nanoai_gui.core.tem.agglomerates import Agglomerates


@dataclass(frozen=True, eq=False)
class Silhouette:
    """One agglomerate, cut out.

    Parameters
    ----------
    id
        Id of the agglomerate.
    mask
        (h, w), true on the agglomerate; at least ``rim`` px of background all around.
    contrast
        (h, w) float32, grey levels as in :class:`Agglomerates`, or ``None`` if they were dropped.
    x0, y0
        Position of the first pixel of the cut-out in the micrograph, in px.
    reduction
        Each pixel here stands for a square of this many pixels of the micrograph, on either side.
    """

    id: int
    mask: NDArray[np.bool_]
    contrast: NDArray[np.float32] | None
    x0: int
    y0: int
    reduction: int = 1

    def to_image(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Turn positions in the cut-out into positions in the micrograph (both in px, (n,))."""
        f = self.reduction
        return (x + 0.5) * f - 0.5 + self.x0, (y + 0.5) * f - 0.5 + self.y0

    def largest_radius(self) -> float:
        """Radius in px of about the largest disc that fits in (exact for a disc; a few ms per megapixel)."""
        from scipy import ndimage

        return float(ndimage.distance_transform_cdt(self.mask, "taxicab").max(initial=0))

    def reduced(self, factor: int) -> Silhouette:
        """Average squares of ``factor`` pixels: shapes many pixels wide lose nothing but time."""
        if factor <= 1:
            return self
        h, w = self.mask.shape
        pad_y, pad_x = -h % factor, -w % factor
        # One more rim, since averaging may have eaten the old one.
        rim = ((factor, pad_y + factor), (factor, pad_x + factor))
        mask = _block_mean(np.pad(self.mask, rim).astype(np.float32), factor) > 0.5
        contrast = None
        if self.contrast is not None:
            contrast = _block_mean(np.pad(self.contrast, rim, mode="edge"), factor)
        return Silhouette(
            self.id, mask, contrast, self.x0 - factor, self.y0 - factor, self.reduction * factor
        )


def _block_mean(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    h, w = image.shape
    blocks = image.reshape(h // factor, factor, w // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def silhouettes(
    agglomerates: Agglomerates, progress: Progress, cancelled: Cancelled, rim: int = 1
) -> Iterator[Silhouette]:
    """Cut out every agglomerate that is to be measured.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    rows = np.flatnonzero(agglomerates.measured)
    height, width = agglomerates.labels.shape
    total = float(agglomerates.area_px[rows].sum())
    done = 0.0
    for row in rows:
        checkpoint(cancelled)
        progress(done / total, "Measuring particles")
        y0, x0, y1, x1 = (int(v) for v in agglomerates.boxes[row])
        top, left = max(y0 - rim, 0), max(x0 - rim, 0)
        bottom, right = min(y1 + rim, height), min(x1 + rim, width)
        mask = agglomerates.labels[top:bottom, left:right] == agglomerates.ids[row]
        contrast = None
        if agglomerates.contrast is not None:
            contrast = agglomerates.contrast[top:bottom, left:right]
        # At the border of the image the rim is missing: added, so that every silhouette is closed.
        missing = ((top - y0 + rim, y1 + rim - bottom), (left - x0 + rim, x1 + rim - right))
        if any(v for pair in missing for v in pair):
            mask = np.pad(mask, missing)
            contrast = None if contrast is None else np.pad(contrast, missing)
        yield Silhouette(int(agglomerates.ids[row]), mask, contrast, x0 - rim, y0 - rim)
        done += float(agglomerates.area_px[row])
    progress(1.0, "Measuring particles")
