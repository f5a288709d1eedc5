"""Areas that people draw, and the parts into which agglomerates fall."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.write import Pixels
from nanoai_gui.core.tem.micrograph import Box

NEIGHBOURHOOD_PX = 512
"""Side of the squares within which what is touched is cut out together."""
SMALLEST_PART_PX = 9
"""Crumbs of fewer pixels stay with the agglomerate they fell off."""
_EIGHT = np.ones((3, 3), dtype=bool)


def clip(box: Box, shape: tuple[int, int]) -> Box:
    """Give the part of a box that lies in an image; may be empty."""
    y0, x0 = min(max(box.y0, 0), shape[0]), min(max(box.x0, 0), shape[1])
    return Box(y0, x0, min(max(box.y1, y0), shape[0]), min(max(box.x1, x0), shape[1]))


def neighbourhoods(boxes: NDArray[np.integer]) -> list[NDArray[np.intp]]:
    """Group boxes that lie near each other, so that none has to be looked at with the image in between.

    Parameters
    ----------
    boxes
        (n, 4) y0, x0, y1, x1.

    Returns
    -------
    list of (k,) intp
        Rows of each group, ascending; every row is in one of them.
    """
    if not len(boxes):
        return []
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    if (high - low).prod() <= NEIGHBOURHOOD_PX**2:
        return [np.arange(len(boxes))]
    cell = (boxes[:, :2].astype(np.int64) + boxes[:, 2:]) // (2 * NEIGHBOURHOOD_PX)
    order = np.lexsort((cell[:, 1], cell[:, 0]))
    breaks = np.flatnonzero((np.diff(cell[order], axis=0) != 0).any(axis=1)) + 1
    return [np.sort(group) for group in np.split(order, breaks)]


def polygon_mask(points: NDArray[np.floating], box: Box) -> NDArray[np.bool_]:
    """Pixels of a box whose centre lies in a closed polygon, by the even-odd rule.

    Parameters
    ----------
    points
        (k, 2) of x, y in px.
    box
        Place and size of the mask.
    """
    x1, y1 = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    mask = np.zeros(box.shape, dtype=bool)
    columns = np.arange(box.x0, box.x1)
    for row, y in enumerate(range(box.y0, box.y1)):
        crosses = (y1 > y) != (y2 > y)
        if not crosses.any():
            continue
        at = np.sort(
            x1[crosses] + (y - y1[crosses]) * (x2[crosses] - x1[crosses]) / (y2[crosses] - y1[crosses])
        )
        mask[row] = np.searchsorted(at, columns, side="right") % 2 == 1
    return mask


def polygon_box(points: NDArray[np.floating], shape: tuple[int, int]) -> Box:
    """Give the pixels around a polygon that lie in the image."""
    x0, y0 = np.floor(points.min(axis=0)).astype(int)
    x1, y1 = np.ceil(points.max(axis=0)).astype(int) + 1
    return clip(Box(int(y0), int(x0), int(y1), int(x1)), shape)


def thick_line(points: NDArray[np.floating], box: Box) -> NDArray[np.bool_]:
    """Pixels of a box under a line through points, wide enough that no eight-connected path crosses it."""
    mask = np.zeros(box.shape, dtype=bool)
    for (x0, y0), (x1, y1) in itertools.pairwise(points.tolist()):
        n = int(2 * max(abs(x1 - x0), abs(y1 - y0))) + 2
        x = np.rint(np.linspace(x0, x1, n)).astype(int)
        y = np.rint(np.linspace(y0, y1, n)).astype(int)
        for dx in (0, 1):  # two pixels side by side leave no diagonal way through
            inside = (y >= box.y0) & (y < box.y1) & (x + dx >= box.x0) & (x + dx < box.x1)
            mask[y[inside] - box.y0, x[inside] + dx - box.x0] = True
    return mask


def parts(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Count out the connected parts of a mask: an image (0 outside) and the pixels of each, from 0."""
    from scipy import ndimage

    numbered, n = ndimage.label(mask, _EIGHT)
    return numbered.astype(np.int32), np.bincount(numbered.ravel(), minlength=n + 1)


def separate_parts(document: ImageDocument, pixels: Pixels) -> Pixels:
    """Give new ids to what an edit cut off: the largest part of each agglomerate keeps its id.

    Parts that were apart before stay one agglomerate, and so do crumbs.
    """
    labels = document.labels
    old = labels.reshape(-1)[pixels.position]
    lost = np.unique(old[(old != pixels.new) & (old > 0)]).tolist()
    pieces = [pixels]
    next_id = max(document.next_agglomerate(), int(pixels.new.max(initial=0)) + 1)
    for ident in lost:
        row = np.flatnonzero(document.table.ids == ident)
        y0, x0, y1, x1 = (int(v) for v in document.table.boxes[row[0]])
        numbered, sizes = parts(pixels.crop(labels, y0, x0, y1, x1) == ident)
        n_before = int(np.count_nonzero(parts(labels[y0:y1, x0:x1] == ident)[1][1:] >= SMALLEST_PART_PX))
        large = [i for i in range(1, len(sizes)) if sizes[i] >= SMALLEST_PART_PX]
        if len(large) <= max(n_before, 1):
            continue
        large.sort(key=lambda i: -int(sizes[i]))
        for part in large[1:]:
            pieces.append(Pixels.where(numbered == part, y0, x0, labels.shape[1], next_id))
            next_id += 1
    return Pixels.joined(pieces)
