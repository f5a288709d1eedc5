"""From the network's answer to particles that might be, and from those to particles that are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.detection.grid import CENTRE, RADIAL, SHIFT_X, SHIFT_Y, SPREAD, STRIDE
from nanoai_gui.core.tem.synthesis.contours import N_ANGLES, directions, star_area

Material = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]

FAINTEST = 0.1
"""Score below which a peak is not even a candidate."""
SAME_OVERLAP = 0.55
"""Two outlines that share this much of their union are one particle, seen twice."""
SAME_DISTANCE = 0.35
"""So are two centres that are closer than this share of the smaller radius, of about the same size."""
PART = 0.6
"""Share of a candidate that must lie within a larger one to be a part of it."""
SAME_PLACE, SAME_SIZE = 0.5, 1.5
"""Centres that are closer than this share of the radius are of one particle, seen on two scales, if the radii
agree within this factor."""
MUCH_SURER = 0.2
"""Difference of scores from which the surer look decides, though the other one measures better."""
UNEXPLAINED = 0.5
"""A candidate that is not sure is accepted if this share of it is material that no other one explains."""
LARGEST_RADIUS_PX = 400.0
_RINGS = np.array([0.3, 0.55, 0.75, 0.9])
"""Where outlines are compared: points on these shares of the way to the edge."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Possible particles, one a row; lengths in px of whatever image ``x`` and ``y`` belong to.

    ``radial`` is (n, 32), distances from the centre to the outline; ``spread`` the expected absolute error
    of the logarithm of the radius.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    radial: NDArray[np.float64]
    score: NDArray[np.float64]
    spread: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def radius(self) -> NDArray[np.float64]:
        """Radius of the circle of the same area."""
        return np.sqrt(star_area(self.radial) / np.pi)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> Candidates:
        """Return the rows of a mask or index array."""
        return Candidates(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def moved(self, dx: float, dy: float, scale: float) -> Candidates:
        """Turn positions j of a scaled image that starts at ``dx``, ``dy`` into those of the whole image.

        A px of the whole is ``scale`` px of the scaled image; pixel centres lie at integers in both.
        """
        return Candidates(
            (self.x + dx + 0.5) / scale - 0.5,
            (self.y + dy + 0.5) / scale - 0.5,
            self.radial / scale,
            self.score,
            self.spread,
        )

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """Put tables below each other."""
        if not parts:
            none = np.empty(0)
            return cls(none, none, np.empty((0, N_ANGLES)), none, none)
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})


def read_answer(answer: NDArray[np.float32]) -> Candidates:
    """Find the peaks of the centre map and what the network says there, in px of what it saw.

    Each value is the mean over the 3 x 3 points about a peak, weighted by how likely a centre each is.
    """
    from scipy import ndimage

    logit = answer[CENTRE]
    peak = (logit == ndimage.maximum_filter(logit, 3)) & (logit > np.log(FAINTEST / (1 - FAINTEST)))
    row, column = np.nonzero(peak)
    if not len(row):
        return Candidates.joined([])
    height, width = logit.shape
    score = _sigmoid(logit[row, column])
    sums = np.zeros((len(row), N_ANGLES + 3))
    total = np.zeros((len(row), 1))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            r, c = np.clip(row + dy, 0, height - 1), np.clip(column + dx, 0, width - 1)
            weight = _sigmoid(logit[r, c])[:, None] ** 2
            at = answer[:, r, c].T
            bias = (STRIDE - 1) / 2
            values = np.concatenate(
                [
                    (c * STRIDE + bias + at[:, SHIFT_X])[:, None],
                    (r * STRIDE + bias + at[:, SHIFT_Y])[:, None],
                    at[:, SPREAD : SPREAD + 1],
                    at[:, RADIAL:],
                ],
                axis=1,
            )
            sums += weight * values
            total += weight
    mean = sums / total
    radial = np.exp(np.clip(mean[:, 3:], -2.0, np.log(LARGEST_RADIUS_PX)))
    return Candidates(mean[:, 0], mean[:, 1], radial, score, np.exp(np.clip(mean[:, 2], -6, 1)))


def _sigmoid(logit: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-logit.astype(np.float64))))


def pairs_nearby(candidates: Candidates) -> NDArray[np.intp]:
    """List the (m, 2) pairs of rows whose outlines may overlap."""
    from scipy.spatial import cKDTree

    if len(candidates) < 2:
        return np.empty((0, 2), dtype=np.intp)
    reach = candidates.radial.max(axis=1)
    place = np.column_stack([candidates.x, candidates.y])
    found = []
    # One search for each octave of sizes, or the largest particle would have all others as neighbours.
    octave = np.floor(np.log2(np.maximum(reach, 1e-3))).astype(int)
    for level in np.unique(octave):
        small = np.flatnonzero(octave <= level)
        own = np.flatnonzero(octave == level)
        tree = cKDTree(place[small])
        near = tree.query_ball_point(place[own], 2.0 ** (level + 2))
        for i, neighbours in zip(own.tolist(), near, strict=True):
            j = small[np.asarray(neighbours, dtype=np.intp)]
            # Within an octave each pair is found from both ends.
            j = j[(octave[j] < level) | (j > i)]
            if len(j):
                found.append(np.column_stack([np.full(len(j), i), j]))
    if not found:
        return np.empty((0, 2), dtype=np.intp)
    pairs = np.concatenate(found)
    gap = np.hypot(*(place[pairs[:, 0]] - place[pairs[:, 1]]).T)
    touching: NDArray[np.intp] = pairs[gap < reach[pairs].sum(axis=1)]
    return touching


def inner_points(
    candidates: Candidates, rows: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Spread points over the inside of outlines.

    Returns
    -------
    x, y
        (m, p), for each of the (m,) ``rows``.
    share
        (m, p), the part of the area that a point stands for; the sum of a row is 1.
    """
    cosine, sine = directions()
    reach = candidates.radial[rows][:, None, :] * _RINGS[None, :, None]
    # Every point stands for the part of the area that its ring and direction have.
    edges = np.concatenate([[0.0], (_RINGS[1:] + _RINGS[:-1]) / 2, [1.0]])
    sector = candidates.radial[rows] ** 2
    sector = sector / sector.sum(axis=1, keepdims=True)
    share = np.diff(edges**2)[None, :, None] * sector[:, None, :]
    shape = len(rows), len(_RINGS) * N_ANGLES
    x = candidates.x[rows, None, None] + reach * cosine
    y = candidates.y[rows, None, None] + reach * sine
    return x.reshape(shape), y.reshape(shape), share.reshape(shape)


def lie_within(
    candidates: Candidates, rows: NDArray[np.intp], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell which of the points ``x``, ``y`` (m, p) lie in the outlines ``rows`` (m,)."""
    dx, dy = x - candidates.x[rows, None], y - candidates.y[rows, None]
    angle = (np.arctan2(dy, dx) * (N_ANGLES / (2 * np.pi))).round().astype(np.intp) % N_ANGLES
    edge = np.take_along_axis(candidates.radial[rows], angle, axis=1)
    return np.asarray(np.hypot(dx, dy) < edge)


def share_inside(
    candidates: Candidates, of: NDArray[np.intp], within: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Give the share of each outline ``of`` (m,) rows that lies in the outline ``within`` (m,) rows."""
    out = np.empty(len(of))
    for start in range(0, len(of), 20_000):
        part = slice(start, start + 20_000)
        x, y, share = inner_points(candidates, of[part])
        out[part] = (lie_within(candidates, within[part], x, y) * share).sum(axis=1)
    return out


def explain(
    candidates: Candidates, least: float, faint: float, material: Material, owner: NDArray[np.int32]
) -> NDArray[np.intp]:
    """Accept what is sure, and of the rest what explains material beside it that nothing else does.

    Where nothing is sure, what is dark may be a letter, film or dirt: there, doubtful ones are none.

    Parameters
    ----------
    candidates
        No two of them the same particle.
    least, faint
        Scores from which a candidate is sure, and from which it may be accepted at all.
    material
        Tells of points x, y whether there is material.
    owner
        (n,) agglomerate of each.

    Returns
    -------
    rows
        Those accepted, best first.
    """
    order = np.argsort(-candidates.score, kind="stable")
    sure = candidates.score >= least
    possible = sure | (candidates.score >= faint) & np.isin(owner, owner[sure])
    order = order[possible[order]]
    unsure = order[~sure[order]]
    if not len(unsure):
        return order
    x, y, share = inner_points(candidates, unsure)
    free = material(x, y)
    neighbours: list[list[int]] = [[] for _ in range(len(candidates))]
    for a, b in pairs_nearby(candidates).tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    accepted = sure.copy()
    for row, k in enumerate(unsure.tolist()):
        rivals = np.array([j for j in neighbours[k] if accepted[j]], dtype=np.intp)
        if len(rivals):
            shape = len(rivals), x.shape[1]
            px, py = np.broadcast_to(x[row], shape), np.broadcast_to(y[row], shape)
            free[row] &= ~lie_within(candidates, rivals, px, py).any(axis=0)
        accepted[k] = bool((share[row] * free[row]).sum() >= UNEXPLAINED)
    return order[accepted[order]]


def suppress(candidates: Candidates) -> NDArray[np.intp]:
    """Keep the best of those that are the same particle: rows to keep, best first."""
    order = np.argsort(-candidates.score, kind="stable")
    if len(order) < 2:
        return order
    pairs = pairs_nearby(candidates)
    radius = candidates.radius
    i, j = pairs.T
    area = radius**2
    shared = share_inside(candidates, i, j) * area[i]
    overlap = shared / (area[i] + area[j] - shared)
    near = np.hypot(candidates.x[i] - candidates.x[j], candidates.y[i] - candidates.y[j])
    small, large = np.minimum(radius[i], radius[j]), np.maximum(radius[i], radius[j])
    same = (overlap > SAME_OVERLAP) | ((near < SAME_DISTANCE * small) & (large < 2 * small))
    rivals: list[list[int]] = [[] for _ in range(len(candidates))]
    for a, b in pairs[same].tolist():
        rivals[a].append(b)
        rivals[b].append(a)
    kept = []
    gone = np.zeros(len(candidates), dtype=bool)
    for k in order.tolist():
        if not gone[k]:
            kept.append(k)
            gone[rivals[k]] = True
    return np.array(kept, dtype=np.intp)


def prefer_whole(large: Candidates, small: Candidates, seen: Candidates) -> Candidates:
    """Join what was seen from afar with what was seen from near, where both are about the same material.

    A large candidate that had been ``seen`` from near too stands, with all that is before or behind it; one
    that was seen from near only is kept; one that is among the ``small`` too, hardly less sure, is better
    measured there. Another one stands if it is surer than the near look is, on average over its area, of
    whatever it found there (nothing counts as 0); what lies within it and is less sure then goes as a part
    of it.
    """
    gone = np.zeros(len(small), dtype=bool)
    stands = np.zeros(len(large), dtype=bool)
    reach = small.radial.max(axis=1) if len(small) else np.empty(0)
    apart: NDArray[np.float64] = np.hypot(large.x[:, None] - seen.x, large.y[:, None] - seen.y)
    same: NDArray[np.bool_] = apart < SAME_PLACE * large.radius[:, None]
    known: NDArray[np.bool_] = np.any(same, axis=1)
    elsewhere: NDArray[np.bool_] = ~np.any(same, axis=0)
    for k in np.argsort(-large.score, kind="stable").tolist():
        gap = np.hypot(small.x - large.x[k], small.y - large.y[k])
        near = np.flatnonzero((gap < large.radial[k].max() + reach) & ~gone)
        x, y, share = inner_points(large, np.array([k]))
        shape = len(near), x.shape[1]
        within = lie_within(small, near, np.broadcast_to(x, shape), np.broadcast_to(y, shape))
        explained = (within * small.score[near, None]).max(axis=0, initial=0.0)
        alike = np.abs(np.log(small.radius[near] / large.radius[k])) < np.log(SAME_SIZE)
        alike &= (gap[near] < SAME_PLACE * large.radius[k]) & (
            small.score[near] > large.score[k] - MUCH_SURER
        )
        stands[k] = known[k] or (not alike.any() and large.score[k] > float(explained @ share[0]))
        if stands[k] and not known[k] and len(near):
            both = Candidates.joined([large.select(np.array([k])), small.select(near)])
            rows = np.arange(1, len(both))
            inside = share_inside(both, rows, np.zeros(len(rows), dtype=np.intp))
            gone[near[(inside >= PART) & (small.score[near] < large.score[k])]] = True
    return Candidates.joined([small.select(~gone), large.select(stands), seen.select(elsewhere)])
