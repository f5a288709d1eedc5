"""Circles: how well those of the distance map explain the depth, and those that the edges speak for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.features.measures import Cut, quantile
from nanoai_gui.core.tem.smoothing import smooth_small

RINGS = (0.1, 0.14, 0.19, 0.26, 0.36, 0.5)
"""Radii of the circles that are looked for, in area-equivalent diameters, up to a single sphere's."""
N_RINGS = 5
"""Circles that are described one by one."""
_MOST_RINGS = 8
_CELLS = 36
"""Cells along the longer side of the map on which votes are counted."""
_EDGE = 0.4
"""An edge is at least this share as steep as the rim's median."""
_LEAST_SCORE = 0.22
"""Share of a circle's rim that must speak for it."""


def explained(cut: Cut) -> dict[str, float]:
    """Take spheres on the summits of the distance map off the depth, and describe what is left.

    Material above or below other material makes no summit, but it makes depth.
    """
    x, y, radius = cut.summits
    rows, columns = (
        np.arange(cut.mask.shape[0], dtype=np.float32),
        np.arange(cut.mask.shape[1], dtype=np.float32),
    )
    model = np.zeros(cut.mask.shape, dtype=np.float32)
    for cx, cy, r in zip(x.tolist(), y.tolist(), (radius + np.float32(0.5)).tolist(), strict=True):
        y0, y1 = max(int(cy - r), 0), int(cy + r) + 2
        x0, x1 = max(int(cx - r), 0), int(cx + r) + 2
        room = np.float32(r * r) - (rows[y0:y1, None] - np.float32(cy)) ** 2
        room = room - (columns[None, x0:x1] - np.float32(cx)) ** 2
        model[y0:y1, x0:x1] += np.sqrt(np.maximum(room, 0))
    predicted = model[cut.mask]
    depth = np.minimum(cut.depth[cut.mask] / np.float32(cut.full_depth), np.float32(2))
    norm = float(np.dot(predicted, predicted))
    factor = float(np.dot(predicted, depth)) / norm if norm > 0 else 0.0
    residual = np.zeros_like(model)
    residual[cut.mask] = depth - np.float32(factor) * predicted
    left = smooth_small(residual, max(0.04 * cut.scale, 0.7))[cut.mask]
    total = max(float(np.dot(depth, depth)), 1e-6)
    ordered = np.sort(left)
    return {
        "unexplained": float(np.sqrt(np.dot(left, left) / total)),
        "unexplained 5%": quantile(ordered, 0.05),
        "unexplained 95%": quantile(ordered, 0.95),
        "unexplained share": 1 - float(np.searchsorted(ordered, 0.25)) / len(ordered),
    }


def rings(cut: Cut) -> dict[str, float]:
    """Circles that the edges speak for: every steep pixel votes for centres uphill of it.

    The transform of C. Kimme, D. Ballard and J. Sklansky (Comm. ACM 18 (1975) 120) on a few radii.
    """
    d, depth = cut.scale, cut.depth
    gx = depth[1:-1, 2:] - depth[1:-1, :-2]
    gy = depth[2:, 1:-1] - depth[:-2, 1:-1]
    steep = np.sqrt(gx * gx + gy * gy)
    limit = _EDGE * max(float(np.median(steep[cut.rim[1:-1, 1:-1]])), 1e-6)
    # Just outside of the silhouette the edge is as steep as just inside.
    voters = np.flatnonzero((steep > limit) & cut.near_or_in[1:-1, 1:-1])
    norm = steep.ravel()[voters]
    uy, ux = gy.ravel()[voters] / norm, gx.ravel()[voters] / norm
    y, x = np.divmod(voters.astype(np.int32), np.int32(steep.shape[1]))
    # How many steep pixels a rim has per px of its length.
    at_rim = np.count_nonzero(cut.distance[1:-1, 1:-1].ravel()[voters] < 2.5)
    thickness = max(float(at_rim) / max(float(np.count_nonzero(cut.rim)), 1.0), 0.5)
    cell = max(max(steep.shape) / _CELLS, 1.0)
    # A cell in the middle: mirrored pictures have mirrored cells.
    middle = (steep.shape[0] - 1) / 2, (steep.shape[1] - 1) / 2
    reach = int(middle[0] / cell) + 1, int(middle[1] / cell) + 1
    shape = 2 * reach[0] + 1, 2 * reach[1] + 1
    # One row for each radius, so that all of them are counted at once.
    radii = np.array(RINGS, dtype=np.float32)[:, None] * np.float32(d)
    per_px = np.float32(1 / cell)
    cy = np.rint((y - np.float32(middle[0]) + radii * uy) * per_px).astype(np.int32) + np.int32(reach[0])
    cx = np.rint((x - np.float32(middle[1]) + radii * ux) * per_px).astype(np.int32) + np.int32(reach[1])
    layer = np.arange(len(RINGS), dtype=np.int32)[:, None] * np.int32(shape[0] * shape[1])
    inside = (cy >= 0) & (cx >= 0) & (cy < shape[0]) & (cx < shape[1])
    place = (layer + cy * np.int32(shape[1]) + cx)[inside]
    counts = np.bincount(place, minlength=len(RINGS) * shape[0] * shape[1]).reshape(len(RINGS), *shape)
    lengths = 2 * np.pi * thickness * np.maximum(radii, 1)
    votes = (counts / lengths[:, :, None]).astype(np.float32)
    half = len(RINGS) // 2
    small, large = 1.0, max(0.05 * d / cell, 1.2)
    # Of all votes that fall around a centre, the sum within about two standard deviations.
    votes[:half] = smooth_small(votes[:half], small) * np.float32(4 * np.pi * small**2)
    votes[half:] = smooth_small(votes[half:], large) * np.float32(4 * np.pi * large**2)
    out = {f"ring {ring:g}": float(v.max()) for ring, v in zip(RINGS, votes, strict=True)}
    found, scores = _pick(votes, d / cell)
    out["rings"] = float(len(found))
    out["ring score"] = float(sum(scores))
    out["ring area"] = float(sum(4 * r * r for r in found))
    sizes, shares = (sorted(v, reverse=True) + [0.0] * N_RINGS for v in (found, scores))
    for k in range(N_RINGS):
        out[f"ring radius {k + 1}"], out[f"ring score {k + 1}"] = sizes[k], shares[k]
    return out


def _pick(votes: NDArray[np.float32], d: float) -> tuple[list[float], list[float]]:
    """Take the best circle, blot out what speaks for nearly the same, and so on; ``d`` in cells."""
    places = np.flatnonzero(votes > _LEAST_SCORE)
    score = votes.ravel()[places]
    ring, place = np.divmod(places, votes[0].size)
    y, x = (v.astype(np.float32) for v in np.divmod(place, votes.shape[2]))
    reach = (_REACH * np.float32(d)) ** 2
    radii: list[float] = []
    scores: list[float] = []
    while len(score) and len(radii) < _MOST_RINGS:
        best = int(score.argmax())
        if score[best] <= 0:
            break
        k = int(ring[best])
        radii.append(RINGS[k])
        scores.append(float(score[best]))
        # Smaller circles may lie on top of it, but not around the same centre.
        dy, dx = y - y[best], x - x[best]
        dy *= dy
        dx *= dx
        dy += dx
        score[dy < reach[k][ring]] = 0
    return radii, scores


def _blotted() -> NDArray[np.float32]:
    """Give how far from a chosen circle (row) another (column) must lie, in area-equivalent diameters."""
    own, other = np.meshgrid(RINGS, RINGS, indexing="ij")
    near = np.arange(len(RINGS))[None] >= np.arange(len(RINGS))[:, None] - 1
    return np.maximum(np.where(near, 0.6 * np.maximum(own, other), 0.6 * other), 0.08).astype(np.float32)


_REACH = _blotted()
