"""Agglomerates of known shape, drawn pixel by pixel, with the optical depth of solid spheres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity

Disc = tuple[float, float, float]
"""x, y and radius in px."""


def drawn(*shapes: list[Disc], size: int = 256, absorption: float = 1.0) -> Agglomerates:
    """One agglomerate for each list of discs; contrast is that of spheres with the discs as outlines."""
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), dtype=np.int32)
    depth = np.zeros((size, size))
    for i, discs in enumerate(shapes, start=1):
        for cx, cy, r in discs:
            inside = r**2 - (x - cx) ** 2 - (y - cy) ** 2
            labels[inside > 0] = i
            depth += np.sqrt(np.maximum(inside, 0)) / 20 * absorption
    return labelled(labels, (1 - np.exp(-depth)).astype(np.float32))


def labelled(labels: NDArray[np.int32], contrast: NDArray[np.float32] | None = None) -> Agglomerates:
    """Wrap a label image; every pixel is half opaque unless a contrast is given."""
    ids = np.unique(labels[labels > 0]).astype(np.int32)
    places = [np.nonzero(labels == i) for i in ids]
    boxes = [[y.min(), x.min(), y.max() + 1, x.max() + 1] for y, x in places]
    return Agglomerates(
        labels=labels,
        ids=ids,
        x=np.array([x.mean() for _, x in places]),
        y=np.array([y.mean() for y, _ in places]),
        area_px=np.array([len(x) for _, x in places], dtype=np.int64),
        boxes=np.array(boxes, dtype=np.int32).reshape(-1, 4),
        excluded=("",) * len(ids),
        polarity=Polarity.DARK,
        threshold=0.1,
        contrast=np.where(labels > 0, 0.5, 0).astype(np.float32) if contrast is None else contrast,
    )
