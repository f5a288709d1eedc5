"""Holes joined to the outline around them, for formats that know no holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.exchange.rings import Rings

Ring = NDArray[np.float64]


def join(rings: Rings) -> list[Ring]:
    """Make polygons of rings traced along pixels: one for each outer ring, its holes cut in by seams.

    A seam runs along the edges of pixels, there and back, so that it has no width and meets no centre of a
    pixel: filling the polygons gives the same pixels as filling the rings.

    Parameters
    ----------
    rings
        As from :func:`~nanoai_gui.core.exchange.rings.trace`: outer ones clockwise, holes the other way.
    """
    polygons = [ring for ring in rings if _signed(ring) > 0]
    holes = sorted((ring for ring in rings if _signed(ring) < 0), key=lambda ring: float(ring[:, 0].min()))
    # From left to right: what lies left of a hole has been joined already.
    for hole in holes:
        start = int(np.lexsort((hole[:, 1], hole[:, 0]))[0])
        x, y = hole[start]
        target, edge, at = _to_the_left(polygons, float(x), float(y))
        ring = polygons[target]
        point = np.array([[at, y]])
        way = (point, np.roll(hole, -start, axis=0), hole[start : start + 1], point)
        polygons[target] = np.concatenate([ring[: edge + 1], *way, ring[edge + 1 :]])
    return polygons


def _signed(ring: Ring) -> float:
    following = np.roll(ring, -1, axis=0)
    return float((ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]).sum())


def _to_the_left(polygons: Sequence[Ring], x: float, y: float) -> tuple[int, int, float]:
    """Find the upright edge next to the left of a point: which polygon, after which corner, at which x.

    An edge that only touches the height of the point with an end counts too.
    """
    best: tuple[int, int, float] | None = None
    for number, ring in enumerate(polygons):
        following = np.roll(ring, -1, axis=0)
        upright = ring[:, 0] == following[:, 0]
        low, high = np.minimum(ring[:, 1], following[:, 1]), np.maximum(ring[:, 1], following[:, 1])
        met = np.flatnonzero(upright & (low <= y) & (y <= high) & (ring[:, 0] <= x))
        if len(met):
            edge = int(met[ring[met, 0].argmax()])
            if best is None or ring[edge, 0] > best[2]:
                best = number, edge, float(ring[edge, 0])
    assert best is not None, "a hole lies within an outer ring"
    return best
