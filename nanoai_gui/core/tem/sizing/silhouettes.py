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
    """

    id: int
    mask: NDArray[np.bool_]
    contrast: NDArray[np.float32] | None
    x0: int
    y0: int


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
