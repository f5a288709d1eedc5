"""One long particle is not several round ones: pieces whose sides run on straight are put together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.detection.candidates import (
    Candidates,
    Material,
    lie_within,
    pairs_nearby,
    share_inside,
)
from nanoai_gui.core.tem.detection.detections import Detections
from nanoai_gui.core.tem.synthesis.contours import N_ANGLES, directions

NOTCH = np.array([0.72, 0.78, 0.84, 0.9])
"""Where two round particles leave a notch beside their contact: on these shares of the way to the straight
line that touches both."""
BEYOND = np.array([1.25, 1.4])
"""Just outside of that line."""
ALONG = np.array([-0.15, 0.0, 0.15])
"""Shifts along the pair, as shares of its half width: a contact is not found to the pixel."""
FILLED, FREE = 0.85, 0.7
"""Shares of the points in the notch that hold material, and of those outside that hold none."""
LEAST_POINTS = 5
LARGEST_RATIO = 2.5
SURE = 0.65
"""Score of the less sure one of two from which each is a particle of its own, however they meet.

Of what was joined in 40 scenes of each of the mixes of the training (seeds 5501, 5502), 86 were pieces of
one particle and 145 right before; with this and the next two limits 83 and 62."""
LEAST_LENGTH, MOST_FILLED_IN = 1.3, 1.22
"""Pieces lie one behind the other, so that together they are longer along the line of their centres than
across it; and there is little between them, so that what encloses both is hardly larger than they are."""
ROUNDS = 3
WITHIN, LESS_SURE = 0.8, 0.8
"""Share of a particle that lies in a larger one, and its score over that one's, of what may be a band, facet
or dark core of it. Chosen on 14 scenes of each mix of the training (seed 773): among crystals 71 of 1162
wrong ones go for 2 of 2268 right ones, among powders 8 for none; clear spheres lose more than they gain.
"""


def merge_pieces(candidates: Candidates, material: Material) -> Candidates:
    """Join neighbours that have no notch between them on either side.

    Two particles that touch leave a notch of background on both sides of their contact, unless both are
    flat there. Where the silhouette instead runs on along the straight line that touches both, with
    background beyond it, they are pieces of one particle, unless the network is sure of both. Places where
    other particles lie beside the contact say nothing and are left alone.
    """
    for _ in range(ROUNDS):
        pairs = _seamless(candidates, material)
        if not len(pairs):
            break
        candidates = _join(candidates, pairs)
    return candidates


def are_marks(found: Detections) -> NDArray[np.bool_]:
    """Tell which particles are rather marks on a larger one that the network is surer of.

    For particles through which one hardly sees others: among translucent spheres a small one often lies
    wholly before or behind a large one.
    """
    out = np.zeros(len(found), dtype=bool)
    if len(found) < 2:
        return out
    about = np.arange(N_ANGLES) * (2 * np.pi / N_ANGLES)
    radial = np.empty((len(found), N_ANGLES))
    for row, outline, x, y in zip(radial, found.outlines, found.x, found.y, strict=True):
        dx, dy = outline[:, 0] - x, outline[:, 1] - y
        angle = np.arctan2(dy, dx)
        order = np.argsort(angle)
        row[:] = np.interp(about, angle[order], np.hypot(dx, dy)[order], period=2 * np.pi)
    candidates = Candidates(found.x, found.y, radial, found.score, np.zeros(len(found)))
    first, second = pairs_nearby(candidates).T
    is_smaller = found.radius_px[first] < found.radius_px[second]
    small, large = np.where(is_smaller, first, second), np.where(is_smaller, second, first)
    doubtful = found.score[small] < LESS_SURE * found.score[large]
    small, large = small[doubtful], large[doubtful]
    out[small[share_inside(candidates, small, large) >= WITHIN]] = True
    return out


def _seamless(candidates: Candidates, material: Material) -> NDArray[np.intp]:
    """Give the (m, 2) pairs to join, each row in one pair at most, the most certain ones first."""
    pairs = pairs_nearby(candidates)
    if not len(pairs):
        return pairs
    i, j = pairs.T
    radius = candidates.radius
    dx, dy = candidates.x[j] - candidates.x[i], candidates.y[j] - candidates.y[i]
    distance = np.hypot(dx, dy)
    angle = np.arctan2(dy, dx)
    from_i, from_j = _reach(candidates, i, angle), distance - _reach(candidates, j, angle + np.pi)
    # Neighbours along the line of their centres: not apart, and neither deep in the other.
    small = np.minimum(radius[i], radius[j])
    near = (from_j - from_i < 0.5 * small) & (distance > 1.1 * small) & (from_i - from_j < 0.9 * small)
    near &= (np.maximum(radius[i], radius[j]) < LARGEST_RATIO * small) & (small > 2)
    near &= np.minimum(candidates.score[i], candidates.score[j]) < SURE
    if not near.any():
        return pairs[:0]
    i, j, angle, distance = i[near], j[near], angle[near], distance[near]
    place = 0.5 * (from_i + from_j)[near]
    certain = np.full(len(i), np.inf)
    for side in (1.0, -1.0):
        normal = angle + side * np.pi / 2
        width_i, width_j = _support(candidates, i, normal), _support(candidates, j, normal)
        width = width_i + (width_j - width_i) * np.clip(place / distance, 0, 1)
        filled, n_points = _share(candidates, material, i, j, angle, normal, place, width, NOTCH)
        covered, _ = _share(candidates, material, i, j, angle, normal, place, width, BEYOND)
        good = (filled >= FILLED) & (covered <= 1 - FREE) & (n_points >= LEAST_POINTS)
        certain = np.minimum(certain, np.where(good, filled - covered, -1.0))
    seamless = np.flatnonzero(certain >= 0)
    certain[seamless[~_are_one(candidates, i[seamless], j[seamless])]] = -1.0
    chosen, taken = [], np.zeros(len(candidates), dtype=bool)
    for k in np.argsort(-certain, kind="stable").tolist():
        if certain[k] < 0:
            break
        if not taken[i[k]] and not taken[j[k]]:
            taken[i[k]] = taken[j[k]] = True
            chosen.append((int(i[k]), int(j[k])))
    return np.array(chosen, dtype=np.intp).reshape(-1, 2)


def _are_one(candidates: Candidates, i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell whether pairs make one long outline: neither side by side, nor with a gap between them."""
    if not len(i):
        return np.zeros(0, dtype=bool)
    made = _hulls(candidates, np.column_stack([i, j]))
    rows = np.arange(len(made))
    along = np.arctan2(candidates.y[j] - candidates.y[i], candidates.x[j] - candidates.x[i])
    length, width = (
        _support(made, rows, angle) + _support(made, rows, angle + np.pi)
        for angle in (along, along + np.pi / 2)
    )
    area = candidates.radius**2
    both = area[i] + area[j] - share_inside(candidates, i, j) * area[i]
    return np.asarray((length >= LEAST_LENGTH * width) & (made.radius**2 <= MOST_FILLED_IN * both))


def _reach(candidates: Candidates, rows: NDArray[np.intp], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from the centres of ``rows`` to their outlines along ``angle``."""
    index = (angle * (N_ANGLES / (2 * np.pi))).round().astype(np.intp) % N_ANGLES
    return np.asarray(candidates.radial[rows, index])


def _support(
    candidates: Candidates, rows: NDArray[np.intp], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far the outlines of ``rows`` extend along a direction, from their centres."""
    cosine, sine = directions()
    along = candidates.radial[rows] * (np.cos(normal)[:, None] * cosine + np.sin(normal)[:, None] * sine)
    return np.asarray(along.max(axis=1))


def _share(
    candidates: Candidates,
    material: Material,
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    angle: NDArray[np.float64],
    normal: NDArray[np.float64],
    place: NDArray[np.float64],
    width: NDArray[np.float64],
    steps: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the points beside the contact, outside of both outlines, that hold material; and how many."""
    along = place[:, None, None] + width[:, None, None] * ALONG[None, :, None]
    across = width[:, None, None] * steps[None, None, :]
    shape = len(i), len(ALONG) * len(steps)
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    x = candidates.x[i, None, None] + along * cosine + across * np.cos(normal)[:, None, None]
    y = candidates.y[i, None, None] + along * sine + across * np.sin(normal)[:, None, None]
    x, y = x.reshape(shape), y.reshape(shape)
    outside = ~lie_within(candidates, i, x, y) & ~lie_within(candidates, j, x, y)
    number = outside.sum(axis=1)
    return (outside & material(x, y)).sum(axis=1) / np.maximum(number, 1), number


def _join(candidates: Candidates, pairs: NDArray[np.intp]) -> Candidates:
    """Replace each pair by the convex hull of both outlines."""
    alone = np.ones(len(candidates), dtype=bool)
    alone[pairs.ravel()] = False
    return Candidates.joined([candidates.select(alone), _hulls(candidates, pairs)])


def _hulls(candidates: Candidates, pairs: NDArray[np.intp]) -> Candidates:
    """Enclose each pair."""
    made = [_hull(candidates, pair) for pair in pairs]
    centres = np.array([m[0] for m in made])
    return Candidates(
        centres[:, 0],
        centres[:, 1],
        np.array([m[1] for m in made]),
        candidates.score[pairs].max(axis=1),
        candidates.spread[pairs].mean(axis=1),
    )


def _hull(candidates: Candidates, pair: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.spatial import ConvexHull

    cosine, sine = directions()
    x = candidates.x[pair, None] + candidates.radial[pair] * cosine
    y = candidates.y[pair, None] + candidates.radial[pair] * sine
    points = np.column_stack([x.ravel(), y.ravel()])
    corners = points[ConvexHull(points).vertices]
    following = np.roll(corners, -1, axis=0)
    cross = corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]
    centre = ((corners + following) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    # Every edge lies on a line n . p = d; a ray from the centre ends at the first of them.
    edge = following - corners
    normal = np.column_stack([edge[:, 1], -edge[:, 0]])
    gap = ((corners - centre) * normal).sum(axis=1)
    facing = normal @ np.stack([cosine, sine])
    with np.errstate(divide="ignore"):
        reach = np.where(facing > 1e-9, gap[:, None] / facing, np.inf)
    return centre, reach.min(axis=0)
