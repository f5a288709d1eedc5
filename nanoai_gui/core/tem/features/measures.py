"""The measures themselves, one cut-out agglomerate at a time; about 1 ms for all, at 60 x 60 px.

Every function takes a :class:`Cut` and gives a dictionary of numbers. Lengths are in units of the
area-equivalent diameter, optical depths in units of the depth that 95 % of the agglomerate stays below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.smoothing import smooth, smooth_small

N_SUMMITS = 5
"""Summits of the distance map that are described one by one: as many as the networks count."""
_ANGLE = 2 * np.pi / 64
_DIRECTIONS = np.stack([np.cos(_ANGLE * np.arange(64)), np.sin(_ANGLE * np.arange(64))])
_DEEPEST = 3.0
"""Optical depth (e-fold) at which the transmitted beam drowns in noise: deeper is cut to it."""


@dataclass(frozen=True, eq=False)
class Cut:
    """One agglomerate with at least two px of background around it.

    Parameters
    ----------
    mask
        (h, w) bool.
    depth
        (h, w) float32, optical depth -ln(I / I0) over the background; noise around 0 outside.
    """

    mask: NDArray[np.bool_]
    depth: NDArray[np.float32]

    @cached_property
    def area(self) -> float:
        """Area in px."""
        return float(len(self.pixels[0]))

    @cached_property
    def scale(self) -> float:
        """Area-equivalent diameter in px."""
        return float(np.sqrt(4 / np.pi * self.area))

    @cached_property
    def distance(self) -> NDArray[np.float32]:
        """Distance of every pixel of the agglomerate from the background, in px."""
        from scipy import ndimage

        nearest = ndimage.distance_transform_edt(self.mask, return_distances=False, return_indices=True)
        y, x = self.pixels
        dy, dx = nearest[0][y, x] - y, nearest[1][y, x] - x
        out = np.zeros(self.mask.shape, dtype=np.float32)
        # From the edge between two pixels, not from the centre of the next background pixel.
        out[y, x] = np.sqrt((dy * dy + dx * dx).astype(np.float32)) - np.float32(0.5)
        return out

    @cached_property
    def pixels(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the pixels of the agglomerate."""
        y, x = np.divmod(np.flatnonzero(self.mask), self.mask.shape[1])
        return y, x

    @cached_property
    def rim(self) -> NDArray[np.bool_]:
        """Pixels of the agglomerate that touch background along an edge."""
        m = self.mask
        inner = m[1:-1, 1:-1] & m[:-2, 1:-1] & m[2:, 1:-1] & m[1:-1, :-2] & m[1:-1, 2:]
        rim = m.copy()
        rim[1:-1, 1:-1] &= ~inner
        return rim

    @cached_property
    def near_or_in(self) -> NDArray[np.bool_]:
        """The agglomerate and the pixels that touch it along an edge."""
        m = self.mask
        near = m.copy()
        near[1:] |= m[:-1]
        near[:-1] |= m[1:]
        near[:, 1:] |= m[:, :-1]
        near[:, :-1] |= m[:, 1:]
        return near

    @cached_property
    def summits(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Separate summits of the distance map, the highest first: x, y and height in px."""
        from scipy import ndimage

        distance, r = self.distance, self.scale / 2
        smoothed = smooth(distance, 0.7)
        peak = (ndimage.maximum_filter(smoothed, size=3) == smoothed) & (distance > 0.15 * r)
        if not peak.any():
            # A thin ring or thread: its widest place is all there is.
            peak = distance == distance.max()
        y, x = np.divmod(np.flatnonzero(peak), peak.shape[1])
        order = np.argsort(-distance[y, x], kind="stable")
        y, x = y[order], x[order]
        radius = distance[y, x]
        chosen: list[int] = []
        for i in range(len(x)):
            # A summit inside the inner half of a larger one is the same particle.
            if all((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 > (0.55 * radius[j]) ** 2 for j in chosen):
                chosen.append(i)
                if len(chosen) == 2 * N_SUMMITS:
                    break
        return x[chosen], y[chosen], radius[chosen]

    @cached_property
    def depths(self) -> NDArray[np.float32]:
        """Optical depths of the pixels of the agglomerate, ascending."""
        return np.sort(self.depth[self.mask])

    @cached_property
    def full_depth(self) -> float:
        """Optical depth that 95 % of the agglomerate stays below: the unit of depth."""
        return float(max(quantile(self.depths, 0.95), 1e-6))


def optical_depth(contrast: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn the relative contrast 1 - I / I0 into -ln(I / I0) (Beer-Lambert), limited at opaque pixels."""
    return np.asarray(-np.log(np.maximum(1.0 - contrast, np.exp(-_DEEPEST))), dtype=np.float32)


def quantile(ascending: NDArray[np.floating], q: float) -> float:
    """Interpolate a quantile of sorted values."""
    position = q * (len(ascending) - 1)
    low = int(position)
    high = min(low + 1, len(ascending) - 1)
    return float(ascending[low] + (position - low) * (ascending[high] - ascending[low]))


def shape(cut: Cut) -> dict[str, float]:
    """Second moments and convex hull of the silhouette."""
    y, x = cut.pixels
    n = len(x)
    xc, yc = x - float(x.sum()) / n, y - float(y.sum()) / n
    # 1/12: second moment of a pixel about its own centre.
    xx, yy = float(np.dot(xc, xc)) / n + 1 / 12, float(np.dot(yc, yc)) / n + 1 / 12
    xy = float(np.dot(xc, yc)) / n
    root = np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    large, small = (xx + yy) / 2 + root, max((xx + yy) / 2 - root, 1 / 12)
    hull_area, hull_perimeter, longest, narrowest = _hull(cut.mask)
    perimeter = _crofton(cut.mask)
    d = cut.scale
    # Third moments along the long axis: lopsided agglomerates (a small particle on a large one).
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    along = xc * np.cos(angle) + yc * np.sin(angle)
    across = yc * np.cos(angle) - xc * np.sin(angle)
    along2, across2 = along * along, across * across
    return {
        "solidity": cut.area / hull_area,
        "eccentricity": float(np.sqrt(1 - small / large)),
        "major axis": 4 * float(np.sqrt(large)) / d,
        "minor axis": 4 * float(np.sqrt(small)) / d,
        "perimeter": perimeter / (np.pi * d),
        "convexity": hull_perimeter / perimeter,
        "maximum Feret": longest / d,
        "minimum Feret": narrowest / d,
        "skewness along": abs(float(np.dot(along2, along))) / n / float(large) ** 1.5,
        "flatness along": float(np.dot(along2, along2)) / n / float(large) ** 2,
        "flatness across": float(np.dot(across2, across2)) / n / float(small) ** 2,
    }


def _crofton(mask: NDArray[np.bool_]) -> float:
    """Perimeter in px from crossings with lines in four directions (Crofton's formula)."""
    horizontal = np.count_nonzero(mask[:, 1:] != mask[:, :-1])
    vertical = np.count_nonzero(mask[1:] != mask[:-1])
    down = np.count_nonzero(mask[1:, 1:] != mask[:-1, :-1])
    up = np.count_nonzero(mask[1:, :-1] != mask[:-1, 1:])
    return float(np.pi / 2 * (horizontal + vertical + (down + up) / np.sqrt(2)) / 4)


def _hull(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Area, perimeter, largest and smallest caliper (Feret) diameter of the convex hull, in px.

    From its support function h in 64 directions: the lines h(t) from the middle enclose a polygon around the
    hull whose sides are (h(t - s) - 2 cos(s) h(t) + h(t + s)) / sin(s) long; a circle's area comes out
    0.1 % too large. Several times quicker than finding the hull's corners.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    # The corners of the first and last pixel of each row hold the hull of all pixel squares.
    points = np.empty((4 * len(rows), 2))
    points[:, 0] = np.concatenate([left, left, right, right])
    points[:, 1] = np.concatenate([rows, rows + 1, rows, rows + 1])
    support = (points @ _DIRECTIONS).max(axis=0)
    around = np.concatenate([support[-1:], support, support[:1]])
    sides = (around[:-2] - 2 * np.cos(_ANGLE) * support + around[2:]) / np.sin(_ANGLE)
    widths = support[: len(support) // 2] + support[len(support) // 2 :]
    return float(support @ sides) / 2, float(sides.sum()), float(widths.max()), float(widths.min())


def distance_map(cut: Cut) -> dict[str, float]:
    """Distribution of the distances from the rim, and the summits of the distance map."""
    r = cut.scale / 2
    distance = cut.distance
    inside = np.sort(distance[cut.mask]) / r
    widest, middle = float(inside[-1]), float(inside.sum()) / len(inside)
    out = {
        "inscribed circle": widest,
        "mean distance": middle,
        "distance spread": math.sqrt(max(float(np.dot(inside, inside)) / len(inside) - middle**2, 0.0)),
    }
    for q in (0.25, 0.5, 0.75, 0.9):
        out[f"distance {q:.0%}"] = quantile(inside, q)
    # Granulometry by erosion: what is left of the area after taking off a share of the widest place.
    for share in (0.3, 0.5, 0.7, 0.85):
        out[f"left after {share:.0%}"] = 1 - float(np.searchsorted(inside, share * widest)) / len(inside)
    x, y, radius = cut.summits
    heights = (radius / r).tolist()
    out["summits"] = float(len(heights))
    found = heights[:N_SUMMITS]
    found += [0.0] * (N_SUMMITS - len(found))
    for k, value in enumerate(found, start=1):
        out[f"summit {k}"] = value
    out["summit area"] = sum(v * v for v in heights)
    depth_at = (cut.depth[y[:N_SUMMITS], x[:N_SUMMITS]] / cut.full_depth).tolist()
    out["summit depth spread"] = float(np.std(depth_at))
    # A sphere is as deep as it is wide: a summit deeper than its width has something above or below it.
    ratio = [v / max(w, 0.05) for v, w in zip(depth_at, found, strict=False)]
    out["depth per width"] = max(ratio) / max(sum(ratio) / len(ratio), 0.05)
    return out


def outline(cut: Cut) -> dict[str, float]:
    """Curvature of the outline, as the share of the neighbourhood of each rim pixel that is material.

    One half on a straight edge, less on a convex one, more in a concave neck (an integral invariant:
    Manay et al., IEEE Trans. Pattern Anal. 28 (2006) 1602); no contour has to be traced.
    """
    out: dict[str, float] = {}
    mask = cut.mask.astype(np.float32)
    for name, width in (("fine", 0.06), ("coarse", 0.14)):
        blurred = smooth_small(mask, max(width * cut.scale, 1.0), "constant", truncate=2.5)
        share = np.sort(blurred[cut.rim])
        for q in (0.1, 0.5, 0.9):
            out[f"{name} curvature {q:.0%}"] = quantile(share, q)
        out[f"{name} concave share"] = 1 - float(np.searchsorted(share, 0.55)) / len(share)
    return out


def intensity(cut: Cut) -> dict[str, float]:
    """Optical depth inside the agglomerate and its steps, which show particles above each other."""
    scaled = cut.depths / cut.full_depth
    mean = float(scaled.sum()) / len(scaled)
    centred = scaled - np.float32(mean)
    spread = math.sqrt(float(np.dot(centred, centred)) / len(centred))
    centred = (centred / max(spread, 1e-6)).astype(np.float64)
    squared = centred * centred
    out = {
        "mean depth": mean,
        "depth spread": spread,
        "depth skewness": float(np.dot(squared, centred)) / len(centred),
        "depth kurtosis": float(np.dot(squared, squared)) / len(centred),
        "maximum depth": min(float(scaled[-1]), 5.0),
        "opacity": float(1 - np.exp(-cut.full_depth)),
    }
    for q in (0.1, 0.25, 0.5, 0.75):
        out[f"depth {q:.0%}"] = quantile(scaled, q)
    inner = cut.distance[1:-1, 1:-1] > max(0.12 * cut.scale / 2, 2.0)
    gx = (cut.depth[1:-1, 2:] - cut.depth[1:-1, :-2])[inner]
    gy = (cut.depth[2:, 1:-1] - cut.depth[:-2, 1:-1])[inner]
    slope = np.sqrt(gx * gx + gy * gy) * (0.5 * cut.scale / cut.full_depth)
    steps = np.sort(slope) if slope.size else np.zeros(1, dtype=np.float32)
    out["inner slope 50%"] = quantile(steps, 0.5)
    out["inner slope 90%"] = quantile(steps, 0.9)
    widest = cut.distance[cut.mask] / max(float(cut.distance.max()), 1e-6)
    depth = cut.depth[cut.mask] / cut.full_depth
    # A single sphere: depth follows sqrt(1 - (1 - distance)^2) exactly.
    sphere = np.sqrt(np.maximum(1 - (1 - widest) ** 2, 0))
    norm = math.sqrt(float(np.dot(sphere, sphere)) * float(np.dot(depth, depth)))
    out["likeness to sphere"] = float(np.dot(sphere, depth)) / max(norm, 1e-6 * len(depth))
    return out
