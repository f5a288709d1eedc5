"""The measures themselves, one cut-out agglomerate at a time; about 0.6 ms for all of them at 60 x 60 px.

Every function takes a :class:`Cut` and gives a dictionary of numbers. Lengths are in units of the
area-equivalent diameter, optical depths in units of the depth that 95 % of the agglomerate stays below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

N_SUMMITS = 5
"""Summits of the distance map that are described one by one: as many as the networks count."""
_DEEPEST = 6.0
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
        return float(np.count_nonzero(self.mask))

    @cached_property
    def scale(self) -> float:
        """Area-equivalent diameter in px."""
        return float(np.sqrt(4 / np.pi * self.area))

    @cached_property
    def distance(self) -> NDArray[np.float32]:
        """Distance of every pixel of the agglomerate from the background, in px."""
        from scipy import ndimage

        # From the edge between two pixels, not from the centre of the next background pixel.
        full = ndimage.distance_transform_edt(self.mask)
        return np.where(self.mask, full - 0.5, 0.0).astype(np.float32)

    @cached_property
    def rim(self) -> NDArray[np.bool_]:
        """Pixels of the agglomerate that touch background along an edge."""
        m = self.mask
        inner = m[1:-1, 1:-1] & m[:-2, 1:-1] & m[2:, 1:-1] & m[1:-1, :-2] & m[1:-1, 2:]
        rim = m.copy()
        rim[1:-1, 1:-1] &= ~inner
        return rim

    @cached_property
    def depths(self) -> NDArray[np.float32]:
        """Optical depths of the pixels of the agglomerate, ascending."""
        return np.sort(self.depth[self.mask])

    @cached_property
    def full_depth(self) -> float:
        """Optical depth that 95 % of the agglomerate stays below: the unit of depth."""
        return float(max(_quantile(self.depths, 0.95), 1e-6))


def optical_depth(contrast: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn the relative contrast 1 - I / I0 into -ln(I / I0) (Beer-Lambert), limited at opaque pixels."""
    return np.asarray(-np.log(np.maximum(1.0 - contrast, np.exp(-_DEEPEST))), dtype=np.float32)


def _quantile(ascending: NDArray[np.floating], q: float) -> float:
    position = q * (len(ascending) - 1)
    low = int(position)
    high = min(low + 1, len(ascending) - 1)
    return float(ascending[low] + (position - low) * (ascending[high] - ascending[low]))


def shape(cut: Cut) -> dict[str, float]:
    """Second moments and convex hull of the silhouette."""
    y, x = np.nonzero(cut.mask)
    xc, yc = x - x.mean(), y - y.mean()
    # 1/12: second moment of a pixel about its own centre.
    xx, yy = float(np.dot(xc, xc)) / len(x) + 1 / 12, float(np.dot(yc, yc)) / len(x) + 1 / 12
    xy = float(np.dot(xc, yc)) / len(x)
    root = np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    large, small = (xx + yy) / 2 + root, max((xx + yy) / 2 - root, 1 / 12)
    hull_area, hull_perimeter, longest, narrowest = _hull(cut.mask)
    perimeter = _crofton(cut.mask)
    d = cut.scale
    # Third moments along the long axis: lopsided agglomerates (a small particle on a large one).
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    along = xc * np.cos(angle) + yc * np.sin(angle)
    across = yc * np.cos(angle) - xc * np.sin(angle)
    along2, across2, n = along * along, across * across, len(along)
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
    """Area, perimeter, largest and smallest caliper (Feret) diameter of the convex hull, in px."""
    from scipy.spatial import ConvexHull

    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    # The corners of the first and last pixel of each row hold the hull of all pixel squares.
    points = np.empty((4 * len(rows), 2))
    points[:, 0] = np.concatenate([left, left, right, right])
    points[:, 1] = np.concatenate([rows, rows + 1, rows, rows + 1])
    hull = ConvexHull(points)
    corners = points[hull.vertices]
    edges = np.roll(corners, -1, axis=0) - corners
    edges /= np.linalg.norm(edges, axis=1, keepdims=True)
    normal = np.column_stack([-edges[:, 1], edges[:, 0]])
    widths = normal @ corners.T
    gaps = corners[:, None] - corners[None]
    longest = float(np.sqrt((gaps**2).sum(axis=2).max()))
    return float(hull.volume), float(hull.area), longest, float(np.ptp(widths, axis=1).min())


def distance_map(cut: Cut) -> dict[str, float]:
    """Distribution of the distances from the rim, and the summits of the distance map."""
    from scipy import ndimage

    r = cut.scale / 2
    distance = cut.distance
    inside = np.sort(distance[cut.mask]) / r
    widest = float(inside[-1])
    out = {
        "inscribed circle": widest,
        "mean distance": float(inside.mean()),
        "distance spread": float(inside.std()),
    }
    for q in (0.25, 0.5, 0.75, 0.9):
        out[f"distance {q:.0%}"] = _quantile(inside, q)
    # Granulometry by erosion: what is left of the area after taking off a share of the widest place.
    for share in (0.3, 0.5, 0.7, 0.85):
        out[f"left after {share:.0%}"] = 1 - float(np.searchsorted(inside, share * widest)) / len(inside)
    smooth = ndimage.gaussian_filter(distance, 0.7)
    peak = (ndimage.maximum_filter(smooth, size=3) == smooth) & (distance > 0.15 * r)
    if not peak.any():
        # A thin ring or thread: its widest place is all there is.
        peak = distance == distance.max()
    y, x = np.nonzero(peak)
    radius = distance[y, x]
    order = np.argsort(-radius, kind="stable")
    chosen: list[int] = []
    for i in order:
        # A summit inside the inner half of a larger one is the same particle.
        if all(np.hypot(x[i] - x[j], y[i] - y[j]) > 0.55 * radius[j] for j in chosen):
            chosen.append(int(i))
            if len(chosen) == 2 * N_SUMMITS:
                break
    out["summits"] = float(len(chosen))
    found = [float(radius[i]) / r for i in chosen[:N_SUMMITS]]
    found += [0.0] * (N_SUMMITS - len(found))
    for k, value in enumerate(found, start=1):
        out[f"summit {k}"] = value
    covered = sum(v * v for v in (float(radius[i]) / r for i in chosen))
    out["summit area"] = covered
    depth_at = [float(cut.depth[y[i], x[i]]) / cut.full_depth for i in chosen[:N_SUMMITS]]
    out["summit depth spread"] = float(np.std(depth_at))
    # A sphere is as deep as it is wide: a summit deeper than its width has something above or below it.
    ratio = [v / max(w, 0.05) for v, w in zip(depth_at, found, strict=False)]
    out["depth per width"] = float(max(ratio) / max(float(np.mean(ratio)), 0.05))
    return out


def outline(cut: Cut) -> dict[str, float]:
    """Curvature of the outline, as the share of the neighbourhood of each rim pixel that is material.

    One half on a straight edge, less on a convex one, more in a concave neck (an integral invariant:
    Manay et al., IEEE Trans. Pattern Anal. 28 (2006) 1602); no contour has to be traced.
    """
    from scipy import ndimage

    out: dict[str, float] = {}
    for name, width in (("fine", 0.06), ("coarse", 0.14)):
        blurred = ndimage.gaussian_filter(
            cut.mask.astype(np.float32), max(width * cut.scale, 1.0), mode="constant", truncate=2.5
        )
        share = np.sort(blurred[cut.rim])
        for q in (0.1, 0.5, 0.9):
            out[f"{name} curvature {q:.0%}"] = _quantile(share, q)
        out[f"{name} concave share"] = 1 - float(np.searchsorted(share, 0.55)) / len(share)
    return out


def intensity(cut: Cut) -> dict[str, float]:
    """Optical depth inside the agglomerate and its steps, which show particles above each other."""
    scaled = cut.depths / cut.full_depth
    mean, spread = float(scaled.mean()), float(scaled.std())
    centred = ((scaled - mean) / max(spread, 1e-6)).astype(np.float64)
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
        out[f"depth {q:.0%}"] = _quantile(scaled, q)
    inner = cut.distance[1:-1, 1:-1] > max(0.12 * cut.scale / 2, 2.0)
    gx = (cut.depth[1:-1, 2:] - cut.depth[1:-1, :-2])[inner]
    gy = (cut.depth[2:, 1:-1] - cut.depth[:-2, 1:-1])[inner]
    slope = np.sqrt(gx * gx + gy * gy) * (0.5 * cut.scale / cut.full_depth)
    steps = np.sort(slope) if slope.size else np.zeros(1, dtype=np.float32)
    out["inner slope 50%"] = _quantile(steps, 0.5)
    out["inner slope 90%"] = _quantile(steps, 0.9)
    widest = cut.distance[cut.mask] / max(float(cut.distance.max()), 1e-6)
    depth = cut.depth[cut.mask] / cut.full_depth
    # A single sphere: depth follows sqrt(1 - (1 - distance)^2) exactly.
    sphere = np.sqrt(np.maximum(1 - (1 - widest) ** 2, 0))
    norm = float(np.sqrt((sphere * sphere).mean() * (depth * depth).mean()))
    out["likeness to sphere"] = float((sphere * depth).mean()) / max(norm, 1e-6)
    return out
