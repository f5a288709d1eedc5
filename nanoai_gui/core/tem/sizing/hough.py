"""Hough transform of circles: every edge pixel votes, along its grey-level gradient, for centres and radii.

A Hough transform that votes along the gradient only (C. Kimme, D. Ballard, J. Sklansky, Comm. ACM 18 (1975)
120) is faster and far less confused by neighbours than one in which every edge pixel votes for a full
circle. The limits of the radius come from the image: the largest circle that fits into any silhouette, and
a share of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.parameters import check, parameter
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.evaluation import lens_area
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.core.tem.sizing.edges import Edges, find_edges, noise_steepness
from nanoai_gui.core.tem.sizing.silhouettes import Silhouette, silhouettes
from nanoai_gui.core.tem.sizing.summits import distance_map

NAME = "hough"
TITLE = "Hough transform"
SUMMARY = "Finds circles whose edges the grey-level gradients point to, also where particles overlap."

_RADIUS_STEP = 0.07
"""Step of ln(radius) between the layers of the accumulator."""
_SPREAD = 0.07
"""Width of the spot in which votes for one centre fall, as a share of the radius."""
_CELLS = 4.0
"""Cells of the accumulator in the smallest radius."""
_LARGEST = 1.25
"""Largest radius looked for, as a share of that of the largest inscribed circle."""


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
    proof: float = parameter(
        0.5, "Proof where covered", minimum=0, maximum=1, step=0.05,
        help="How much more of its edge must be seen of a circle that lies wholly in another one (in part: "
        "in proportion). Larger values keep angular particles from being filled with circles.",
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
    counts: Mapping[int, int] | None = None,
) -> SizingResult:
    """Measure the primary particles as circles."""
    check(parameters)
    owner: list[int] = []
    circles: list[NDArray[np.float64]] = []
    noise = noise_steepness(agglomerates)
    for silhouette in silhouettes(agglomerates, progress, cancelled, rim=4):
        count = (counts or {}).get(silhouette.id)
        found = find_circles(silhouette, agglomerates.threshold, noise, parameters, cancelled)
        if count is not None and len(found) < count:  # look for more hidden ones, then take the best
            bold = replace(parameters, support=0.05, proof=0.0)
            found = find_circles(silhouette, agglomerates.threshold, noise, bold, cancelled)
        if count is not None:
            found = found[np.argsort(-found[:, 3], kind="stable")[:count]]
        owner += [silhouette.id] * len(found)
        circles.append(found + np.array([silhouette.x0, silhouette.y0, 0, 0]))
    table = np.concatenate(circles) if circles else np.empty((0, 4))
    particles = Particles.from_circles(owner, table[:, 0], table[:, 1], table[:, 2], table[:, 3])
    return SizingResult.from_particles(NAME, agglomerates, particles)


def find_circles(
    silhouette: Silhouette, level: float, noise: float, parameters: HoughParameters, cancelled: Cancelled
) -> NDArray[np.float64]:
    """Find the circles of one silhouette; ``level`` is that of its outline, ``noise`` that of gradients.

    Returns
    -------
    (n, 4): x, y, radius in px of the cut-out, and the share of the edge that is seen.
    """
    distance = distance_map(silhouette, level)
    inscribed = float(distance.max())
    smallest = max(parameters.smallest_radius * inscribed, parameters.minimum_diameter_px / 2, 1.5)
    largest = max(_LARGEST * inscribed, 1.1 * smallest)
    edges = find_edges(silhouette, distance, noise)
    checkpoint(cancelled)
    candidates = _vote(edges, silhouette.mask, smallest, largest, 0.5 * parameters.support, cancelled)
    found = _accept(edges, candidates, smallest, largest, parameters, cancelled)
    if found:
        return np.asarray(found, dtype=np.float64)
    # A shape without any round edge is taken as one particle of its own area.
    y, x = np.nonzero(silhouette.mask)
    return np.array([[x.mean(), y.mean(), np.sqrt(len(x) / np.pi), 0.0]])


def _vote(
    edges: Edges,
    mask: NDArray[np.bool_],
    smallest: float,
    largest: float,
    minimum: float,
    cancelled: Cancelled,
) -> NDArray[np.float64]:
    """Let every edge point vote for centres along its gradient.

    One layer of the accumulator for each radius; only the best radius of each place is kept.

    Returns
    -------
    (n, 3): x, y, radius of the candidates, best first.
    """
    from scipy import ndimage

    # The smallest circles need a few cells, not more.
    cell = max(1.0, smallest / _CELLS)
    h, w = (int(np.ceil(n / cell)) for n in mask.shape)
    inside = mask[(np.arange(h) * cell).astype(np.intp)][:, (np.arange(w) * cell).astype(np.intp)]
    best = np.zeros((h, w), dtype=np.float32)
    best_radius = np.zeros((h, w), dtype=np.float32)
    n_layers = 1 + int(np.ceil(np.log(largest / smallest) / _RADIUS_STEP))
    for r in np.geomspace(smallest, largest, n_layers):
        x = np.rint((edges.x + r * edges.gx) / cell).astype(np.intp)
        y = np.rint((edges.y + r * edges.gy) / cell).astype(np.intp)
        hit = (x >= 0) & (x < w) & (y >= 0) & (y < h)
        votes = np.bincount(y[hit] * w + x[hit], minlength=h * w).reshape(h, w).astype(np.float32)
        sigma = max(0.8, _SPREAD * r / cell)
        blurred = ndimage.gaussian_filter(votes, sigma, truncate=3, mode="constant")
        # Edge points in the spot of the Gaussian, as a share of those of a full circle.
        blurred *= np.float32(sigma**2 / r)
        better = blurred > best
        best[better] = blurred[better]
        best_radius[better] = r
        checkpoint(cancelled)
    best *= inside
    top = (best == ndimage.maximum_filter(best, 3)) & (best > minimum)
    y, x = np.nonzero(top)
    order = np.argsort(-best[y, x], kind="stable")
    return np.column_stack([x * cell, y * cell, best_radius[y, x]])[order]


def _accept(
    edges: Edges,
    candidates: NDArray[np.float64],
    smallest: float,
    largest: float,
    parameters: HoughParameters,
    cancelled: Cancelled,
) -> list[tuple[float, float, float, float]]:
    """Take candidates, best first; an edge point that belongs to one circle supports no other."""
    from scipy.spatial import cKDTree

    found: list[tuple[float, float, float, float]] = []
    if not len(edges.x):
        return found
    tree = cKDTree(np.column_stack([edges.x, edges.y]))
    free = np.ones(len(edges.x), dtype=bool)
    for number, (x, y, r) in enumerate(candidates.tolist()):
        if number % 50 == 0:
            checkpoint(cancelled)
        near = np.array(tree.query_ball_point((x, y), 1.7 * r + 2), dtype=np.intp)
        circle = _fit(edges, near[free[near]], x, y, r)
        if circle is None:
            continue
        cx, cy, cr, support, used = circle
        cr += edges.depth
        if support < parameters.support or not 0.9 * smallest <= cr <= largest:
            continue
        covered = max((_share_inside(cx, cy, cr, other) for other in found), default=0.0)
        # The corner of an angular particle is an arc too, but a short one within a circle already found.
        if support < parameters.support + parameters.proof * covered:
            continue
        free[used] = False
        found.append((cx, cy, cr, support))
    return found


def _fit(
    edges: Edges, near: NDArray[np.intp], x: float, y: float, r: float
) -> tuple[float, float, float, float, NDArray[np.intp]] | None:
    """Fit a circle to the edge points that belong to a candidate (I. Kasa, IEEE Trans. IM 25 (1976) 8).

    Returns
    -------
    Centre, radius, the share of the edge that is seen, and the rows of the points used.
    """
    ex, ey, gx, gy = edges.x[near], edges.y[near], edges.gx[near], edges.gy[near]
    used = np.zeros(len(near), dtype=bool)
    for tolerance in (0.2, 0.12, 0.1):
        dx, dy = ex - x, ey - y
        rho = np.hypot(dx, dy)
        # The gradient at a particle's own edge points to its centre.
        aligned = -(dx * gx + dy * gy) > 0.85 * rho
        used = aligned & (np.abs(rho - r) < max(tolerance * r, 0.8))
        if used.sum() < 5:
            return None
        # About the old centre, the normal equations are well conditioned.
        ux, uy = dx[used], dy[used]
        square = ux**2 + uy**2
        matrix = np.array(
            [
                [ux @ ux, ux @ uy, ux.sum()],
                [ux @ uy, uy @ uy, uy.sum()],
                [ux.sum(), uy.sum(), float(len(ux))],
            ]
        )
        try:
            a, b, c = np.linalg.solve(matrix, np.array([ux @ square, uy @ square, square.sum()])).tolist()
        except np.linalg.LinAlgError:
            return None
        radius_2 = c + a * a / 4 + b * b / 4
        if radius_2 <= 0 or a * a + b * b > r * r:
            return None
        x, y, r = x + a / 2, y + b / 2, float(np.sqrt(radius_2))
    angle = np.arctan2(ey[used] - y, ex[used] - x)
    n_bins = int(np.clip(2 * np.pi * r / 1.5, 8, 64))
    seen = np.unique(((angle + np.pi) / (2 * np.pi) * n_bins).astype(int) % n_bins)
    return x, y, r, len(seen) / n_bins, near[used]


def _share_inside(x: float, y: float, r: float, other: tuple[float, float, float, float]) -> float:
    """Share of a circle's area that lies in another one."""
    distance = math.hypot(x - other[0], y - other[1])
    if distance >= r + other[2]:
        return 0.0
    shared = lens_area(np.array([distance]), np.array([r]), np.array([other[2]]))
    return float(shared[0]) / (math.pi * r * r)
