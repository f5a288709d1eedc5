"""A stroke of the brush or the eraser while it is drawn.

The stroke keeps its own copies of the few tiles it touches; the document does not know of it until it is
committed, so that giving it up (Esc) leaves nothing to put back, and a stroke over a large image costs
kilobytes.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.regions import separate_parts
from nanoai_gui.core.editing.write import Pixels, write_labels
from nanoai_gui.core.tem.micrograph import Box

TILE = 128


class Stroke:
    """One stroke.

    Parameters
    ----------
    document
        What it is drawn on; not changed.
    ident
        Id that is painted; 0 erases.
    radius
        Of the brush, in px.
    protect
        Ids other than ``ident`` are not painted over; an eraser only takes from ``only``.
    only
        Ids that an eraser may take from; empty means all.
    is_new
        Whether ``ident`` is an agglomerate that begins with this stroke.
    """

    def __init__(
        self,
        document: ImageDocument,
        ident: int,
        radius: float,
        *,
        protect: bool = True,
        only: Collection[int] = (),
        is_new: bool = False,
    ) -> None:
        self._labels = document.labels
        self._document = document
        self._revision = document.labels_revision
        self._tiles: dict[tuple[int, int], NDArray[np.int32]] = {}
        self._protect = protect
        self._only = frozenset(only)
        self._is_new = is_new
        self.ident = ident
        self.radius = max(float(radius), 0.5)

    @property
    def n_bytes(self) -> int:
        """Memory the stroke takes now."""
        return sum(tile.nbytes for tile in self._tiles.values())

    def line(self, x0: float, y0: float, x1: float, y1: float) -> Box | None:
        """Draw from one point to another (px; pixel centres at integers); gives what may have changed."""
        height, width = self._labels.shape
        r = self.radius
        top, left = int(np.floor(min(y0, y1) - r)), int(np.floor(min(x0, x1) - r))
        bottom, right = int(np.ceil(max(y0, y1) + r)) + 1, int(np.ceil(max(x0, x1) + r)) + 1
        box = Box(max(top, 0), max(left, 0), min(bottom, height), min(right, width))
        if box.y0 >= box.y1 or box.x0 >= box.x1:
            return None
        for ty in range(box.y0 // TILE, (box.y1 - 1) // TILE + 1):
            for tx in range(box.x0 // TILE, (box.x1 - 1) // TILE + 1):
                part = Box(
                    max(box.y0, ty * TILE), max(box.x0, tx * TILE),
                    min(box.y1, (ty + 1) * TILE), min(box.x1, (tx + 1) * TILE),
                )  # fmt: skip
                mask = capsule(part, x0, y0, x1, y1, r)
                if mask.any():
                    self._paint(ty, tx, part, mask)
        return box

    def _paint(self, ty: int, tx: int, part: Box, mask: NDArray[np.bool_]) -> None:
        tile = self._tiles.get((ty, tx))
        if tile is None:
            whole = self._labels[ty * TILE : (ty + 1) * TILE, tx * TILE : (tx + 1) * TILE]
            tile = self._tiles[ty, tx] = whole.copy()
        inside = tile[part.y0 - ty * TILE : part.y1 - ty * TILE, part.x0 - tx * TILE : part.x1 - tx * TILE]
        if self.ident and self._protect:
            mask &= (inside == 0) | (inside == self.ident)
        elif not self.ident and self._only:
            mask &= np.isin(inside, list(self._only))
        inside[mask] = self.ident

    def crop(self, box: Box) -> NDArray[np.int32]:
        """Copy a part of the label image as it would be, for showing the stroke."""
        out = self._labels[box.slices].copy()
        for (ty, tx), tile in self._tiles.items():
            y0, x0 = max(box.y0, ty * TILE), max(box.x0, tx * TILE)
            y1, x1 = min(box.y1, ty * TILE + tile.shape[0]), min(box.x1, tx * TILE + tile.shape[1])
            if y0 < y1 and x0 < x1:
                out[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0] = tile[
                    y0 - ty * TILE : y1 - ty * TILE, x0 - tx * TILE : x1 - tx * TILE
                ]
        return out

    @property
    def box(self) -> Box | None:
        """Everything it may have changed."""
        if not self._tiles:
            return None
        ys, xs = zip(*self._tiles, strict=True)
        height, width = self._labels.shape
        return Box(
            min(ys) * TILE, min(xs) * TILE,
            min((max(ys) + 1) * TILE, height), min((max(xs) + 1) * TILE, width),
        )  # fmt: skip

    def edit(self) -> Edit | None:
        """Make the edit that does it; ``None`` if nothing changes.

        An agglomerate that an eraser cuts through falls apart into agglomerates.

        Raises
        ------
        ValueError
            If the document was changed since the stroke began.
        """
        if self._document.labels_revision != self._revision or self._document.labels is not self._labels:
            raise ValueError("the labels changed during the stroke")
        pixels = Pixels.joined(
            [
                Pixels.differing(self._labels, ty * TILE, tx * TILE, tile)
                for (ty, tx), tile in self._tiles.items()
            ]
        )
        if not self.ident:
            return write_labels(self._document, "Erase", separate_parts(self._document, pixels))
        return write_labels(self._document, "Brush", pixels, added={self.ident} if self._is_new else ())


def capsule(box: Box, x0: float, y0: float, x1: float, y1: float, radius: float) -> NDArray[np.bool_]:
    """Pixels of a box whose centre is no further than ``radius`` from the line between two points."""
    y = np.arange(box.y0, box.y1, dtype=np.float32)[:, None] - np.float32(y0)
    x = np.arange(box.x0, box.x1, dtype=np.float32)[None, :] - np.float32(x0)
    dx, dy = np.float32(x1 - x0), np.float32(y1 - y0)
    length2 = dx * dx + dy * dy
    if length2 > 0:
        t = np.clip((x * dx + y * dy) / length2, 0, 1)
        inside: NDArray[np.bool_] = (x - t * dx) ** 2 + (y - t * dy) ** 2 <= np.float32(radius**2)
    else:
        inside = x * x + y * y <= np.float32(radius**2)
    return inside
