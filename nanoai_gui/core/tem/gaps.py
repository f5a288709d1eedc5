"""Opaque neighbours kept apart: gaps of a px or two that blur and a threshold at the true edge would close.

The edge of a particle lies where the contrast is low, so two blurred edges that face each other over a
narrow gap join there. Between opaque particles that touch, the contrast stays near that of their middle;
over a gap it falls well below. Translucent particles have no such sign: they are as thin where they touch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint
from nanoai_gui.core.tem.threshold import thinned

OPAQUE_MEDIAN = 0.85
"""An image shows opaque particles if the median contrast inside them is at least this share of the
strongest; half the material of translucent spheres stays below about 0.8 of it."""
GAP_LEVEL = 0.7
"""Contrast, in shares of the median inside, below which a passage between opaque particles is a gap."""
FAINT_PX = 2.5
"""Material below that level but farther than this from anything above it is no blurred edge, but a fainter
particle, which joins the others ..."""
APART_LEVEL = 0.6
"""... or, fainter than this share of the median, debris or a residue: that stands for itself."""


def opaque_contrast(field: NDArray[np.float32], level: float, full_scale: float) -> float:
    """Median contrast inside the particles if they are opaque, else 0.

    Parameters
    ----------
    field
        (height, width) contrast, 0 = background.
    level
        A first threshold, such as Otsu's.
    full_scale
        The strongest contrast of the image.
    """
    sample = thinned(field)
    inside = sample[sample > level]
    if inside.size == 0:
        return 0.0
    median = float(np.median(inside))
    return median if median >= OPAQUE_MEDIAN * full_scale else 0.0


def part_at_gaps(
    labels: NDArray[np.int32],
    n: int,
    field: NDArray[np.float32],
    opaque: float,
    minimum_area: float,
    cancelled: Cancelled,
) -> int:
    """Give every part of an agglomerate that only narrow gaps join, and debris beside it, a label of its own.

    Parameters
    ----------
    labels
        (height, width) of agglomerates 1..n, changed in place.
    field
        (height, width) contrast.
    opaque
        From :func:`opaque_contrast`.
    minimum_area
        Parts smaller than this, in px, are noise and make no label.

    Returns
    -------
    The highest label now.
    """
    from scipy import ndimage

    whole = np.ones((3, 3), dtype=bool)
    dense = field > np.float32(GAP_LEVEL * opaque)
    dense &= labels > 0
    parts, n_parts = ndimage.label(dense, whole)
    del dense
    size = np.bincount(parts.ravel(), minlength=n_parts + 1)
    place = np.zeros(n_parts + 1, dtype=np.int32)
    flat = np.flatnonzero(parts)
    # All px of a part lie in one agglomerate: any of them tells which.
    place[parts.ravel()[flat]] = labels.ravel()[flat]
    real = size >= minimum_area
    real[0] = False
    boxes = ndimage.find_objects(labels)
    for k, agglomerate in enumerate(np.unique(place[real]).tolist()):
        if k % 32 == 0:
            checkpoint(cancelled)
        box = boxes[agglomerate - 1]
        own = labels[box] == agglomerate
        seeds = np.where(own & real[parts[box]], parts[box], 0)
        n = _part_one(labels[box], field[box], own, seeds, opaque, n)
    return n


def _part_one(
    labels: NDArray[np.int32],
    field: NDArray[np.float32],
    own: NDArray[np.bool_],
    seeds: NDArray[np.int32],
    opaque: float,
    n: int,
) -> int:
    """Part one agglomerate, the px ``own`` of a window, between its ``seeds``; gives the highest label."""
    from scipy import ndimage
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    distance, nearest = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
    owner = seeds[nearest[0], nearest[1]]
    ids = np.unique(seeds)
    ids = ids[ids > 0]
    faint, n_faint = ndimage.label(own & (distance > FAINT_PX), np.ones((3, 3), dtype=bool))
    index = np.searchsorted(ids, owner)
    if n_faint:
        strength = np.asarray(ndimage.median(field, faint, np.arange(1, n_faint + 1)))
        apart = np.append(False, strength < APART_LEVEL * opaque)
        for k in np.flatnonzero(apart).tolist():
            n += 1
            labels[faint == k] = n
        own = own & ~apart[faint]
        faint[apart[faint]] = 0
        # A fainter particle belongs to every part it comes near, and holds them together.
        reach = int(np.ceil(FAINT_PX)) + 1
        around = ndimage.grey_dilation(faint, size=(2 * reach + 1, 2 * reach + 1))
        near = own & (around > 0) & (distance <= 1)
        rows = around[near].astype(np.intp) - 1 + len(ids)
        total = len(ids) + n_faint
        links = coo_array((np.ones(len(rows)), (rows, index[near])), shape=(total, total))
        _, group = connected_components(links, directed=False)
        index = group[: len(ids)][index]
    groups = np.unique(index[own])
    for group in groups[1:].tolist():
        n += 1
        labels[own & (index == group)] = n
    return n
