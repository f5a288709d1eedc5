"""Hough transform of circles: every edge pixel votes, along its grey-level gradient, for centres and radii.

A Hough transform that votes along the gradient only (C. Kimme, D. Ballard, J. Sklansky, Comm. ACM 18 (1975)
120) is faster and far less confused by neighbours than one in which every edge pixel votes for a full
circle. The limits of the radius come from the image: the largest circle that fits into any silhouette, and
a share of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.parameters import check, parameter
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.core.tem.sizing.silhouettes import Silhouette, silhouettes

NAME = "hough"
TITLE = "Hough transform"
SUMMARY = "Finds circles whose edges the grey-level gradients point to, also where particles overlap."

_RADIUS_STEP = 0.07
"""Step of ln(radius) between the layers of the accumulator."""


@dataclass(frozen=True, slots=True)
class HoughParameters:
    """What a person can set of the Hough transform."""

    support: float = parameter(
        0.30, "Visible edge", minimum=0.05, maximum=0.95, step=0.01,
        help="Share of the circle's edge that must be seen. Smaller values find more hidden particles, and "
        "more false ones.",
    )  # fmt: skip
    smallest_radius: float = parameter(
        0.25, "Smallest radius", minimum=0.02, maximum=1, step=0.01,
        help="As a share of the largest circle that fits into the silhouette.",
    )  # fmt: skip
    overlap: float = parameter(
        0.6, "Greatest overlap", minimum=0, maximum=1, step=0.05,
        help="A circle of which a larger share lies in another, better one is taken for the same particle.",
    )  # fmt: skip
    minimum_diameter_px: float = parameter(
        4.0, "Smallest particle", unit="px", minimum=1, maximum=10000, step=1,
    )  # fmt: skip


Parameters = HoughParameters


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: HoughParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> SizingResult:
    """Measure the primary particles as circles."""
    check(parameters)
    owner: list[int] = []
    circles: list[NDArray[np.float64]] = []
    for silhouette in silhouettes(agglomerates, progress, cancelled, rim=4):
        found = _circles(silhouette, parameters, cancelled)
        owner += [silhouette.id] * len(found)
        circles.append(found + np.array([silhouette.x0, silhouette.y0, 0, 0]))
    table = np.concatenate(circles) if circles else np.empty((0, 4))
    particles = Particles.from_circles(owner, table[:, 0], table[:, 1], table[:, 2], table[:, 3])
    return SizingResult.from_particles(NAME, agglomerates, particles)


@dataclass(frozen=True, eq=False)
class _Edges:
    """Edge points: sub-pixel position and unit gradient (towards more material), each (n,)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    gx: NDArray[np.float64]
    gy: NDArray[np.float64]


def _find_edges(silhouette: Silhouette) -> _Edges:
    """Points where the gradient is largest along its own direction, strong enough to be no noise."""
    from scipy import ndimage

    mask = silhouette.mask
    grey = silhouette.contrast if silhouette.contrast is not None else mask.astype(np.float32)
    near = ndimage.binary_dilation(mask, iterations=3)
    smooth = ndimage.gaussian_filter(grey, 0.7, truncate=3)
    gy, gx = np.gradient(smooth)
    size_of = np.hypot(gx, gy)
    strong = near & (size_of > 0)
    strong[[0, -1]] = False
    strong[:, [0, -1]] = False
    rim = mask & ~ndimage.binary_erosion(mask)
    typical = float(np.median(size_of[rim])) if rim.any() else 0.0
    yy, xx = np.nonzero(strong & (size_of > 0.3 * typical))
    g = size_of[yy, xx]
    ux, uy = gx[yy, xx] / g, gy[yy, xx] / g
    before = ndimage.map_coordinates(size_of, [yy - uy, xx - ux], order=1)
    after = ndimage.map_coordinates(size_of, [yy + uy, xx + ux], order=1)
    top = (g >= before) & (g > after)
    yy, xx, g, ux, uy, before, after = (v[top] for v in (yy, xx, g, ux, uy, before, after))
    shift = 0.5 * (before - after) / np.minimum(before - 2 * g + after, -1e-12)
    shift = np.clip(shift, -0.5, 0.5)
    return _Edges(xx + shift * ux, yy + shift * uy, ux.astype(np.float64), uy.astype(np.float64))


def _circles(
    silhouette: Silhouette, parameters: HoughParameters, cancelled: Cancelled
) -> NDArray[np.float64]:
    """Circles of one silhouette: (n, 4) of x, y, radius, score in the frame of the cut-out."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(silhouette.mask)
    largest = float(distance.max())
    smallest = max(parameters.smallest_radius * largest, parameters.minimum_diameter_px / 2, 1.5)
    largest = max(1.25 * largest, 1.1 * smallest)
    radii = np.exp(np.arange(np.log(smallest), np.log(largest) + _RADIUS_STEP, _RADIUS_STEP))
    edges = _find_edges(silhouette)
    checkpoint(cancelled)
    free = np.ones(len(edges.x), dtype=bool)
    found: list[tuple[float, float, float, float]] = []
    h, w = silhouette.mask.shape
    layers = np.zeros((len(radii), h, w), dtype=np.float32)
    for layer, r in zip(layers, radii, strict=True):
        cx = np.rint(edges.x + r * edges.gx).astype(np.intp)
        cy = np.rint(edges.y + r * edges.gy).astype(np.intp)
        inside = (cx >= 0) & (cx < w) & (cy >= 0) & (cy < h)
        votes = np.bincount(cy[inside] * w + cx[inside], minlength=h * w).reshape(h, w).astype(np.float32)
        sigma = max(0.8, 0.07 * r)
        blurred = ndimage.gaussian_filter(votes, sigma, truncate=3, mode="constant")
        layer[...] = blurred * (2 * np.pi * sigma**2) / (2 * np.pi * r)
        checkpoint(cancelled)
    layers *= silhouette.mask
    top = ndimage.maximum_filter(layers, size=(3, 5, 5))
    k, y, x = np.nonzero((layers == top) & (layers > 0.5 * parameters.support))
    order = np.argsort(-layers[k, y, x])
    for i in order:
        circle = _refine(edges, free, float(x[i]), float(y[i]), float(radii[k[i]]))
        if circle is None:
            continue
        cx0, cy0, r0, support, used = circle
        if support < parameters.support or not smallest * 0.9 <= r0 <= largest:
            continue
        if any(_share_inside(cx0, cy0, r0, c) > parameters.overlap for c in found):
            continue
        free[used] = False
        found.append((cx0, cy0, r0, support))
    if not found:
        y_all, x_all = np.nonzero(silhouette.mask)
        r_all = float(np.sqrt(len(x_all) / np.pi))
        found.append((float(x_all.mean()), float(y_all.mean()), r_all, 0.0))
    return np.asarray(found, dtype=np.float64)


def _refine(
    edges: _Edges, free: NDArray[np.bool_], x: float, y: float, r: float
) -> tuple[float, float, float, float, NDArray[np.intp]] | None:
    """Fit a circle to the edge points that belong to a candidate (I. Kasa, IEEE Trans. IM 25 (1976) 8)."""
    used = np.empty(0, dtype=np.intp)
    for tolerance in (0.2, 0.12, 0.1):
        dx, dy = edges.x - x, edges.y - y
        rho = np.hypot(dx, dy)
        # The gradient of a particle's own edge points at its centre.
        aligned = -(dx * edges.gx + dy * edges.gy) > 0.85 * rho
        used = np.flatnonzero(free & aligned & (np.abs(rho - r) < max(tolerance * r, 0.8)))
        if len(used) < 5:
            return None
        ex, ey = edges.x[used], edges.y[used]
        matrix = np.stack([ex, ey, np.ones_like(ex)], axis=1)
        try:
            a, b, c = np.linalg.lstsq(matrix, ex**2 + ey**2, rcond=None)[0]
        except np.linalg.LinAlgError:
            return None
        square = c + a * a / 4 + b * b / 4
        if square <= 0 or np.hypot(a / 2 - x, b / 2 - y) > 0.5 * r:
            return None
        x, y, r = float(a / 2), float(b / 2), float(np.sqrt(square))
    angle = np.arctan2(edges.y[used] - y, edges.x[used] - x)
    bins = max(8, min(64, int(2 * np.pi * r / 1.5)))
    seen = np.unique(((angle + np.pi) / (2 * np.pi) * bins).astype(int) % bins)
    return x, y, r, len(seen) / bins, used


def _share_inside(x: float, y: float, r: float, other: tuple[float, float, float, float]) -> float:
    """Share of a circle's area that lies in another one."""
    d = float(np.hypot(x - other[0], y - other[1]))
    big, small = max(r, other[2]), min(r, other[2])
    if d >= big + small:
        return 0.0
    if d <= big - small:
        return (small / r) ** 2
    a = small**2 * np.arccos((d * d + small**2 - big**2) / (2 * d * small))
    b = big**2 * np.arccos((d * d + big**2 - small**2) / (2 * d * big))
    c = 0.5 * np.sqrt((-d + small + big) * (d + small - big) * (d - small + big) * (d + small + big))
    return float((a + b - c) / (np.pi * r * r))
