"""Particles that grew into each other: where two bodies share room, the path through both counts once.

The projection does not show how far apart two particles are along the beam. Those in contact are: their
centres are (1 - overlap) (r1 + r2) apart in space, with one overlap (degree of sintering) for the image,
which leaves one distance along the beam for that seen across it. An agglomerate of n particles holds together
by n - 1 contacts at least: the likeliest ones form its tree; others must show in the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.fitting.bodies import LOG_R, H, X, Y, half_sizes
from nanoai_gui.core.tem.fitting.scene import Image

MOST_GAIN = 20.0
"""Logarithm of the likelihood that one pair may weigh against the habits of contacts."""
MOST_DEPTH = 15.0
"""Optical depth beyond which nothing passes anyhow."""
EXTRA = 3.0
"""The same that a contact beyond those of the tree needs."""


@dataclass(frozen=True, eq=False)
class Contacts:
    """Pairs of rows in contact, the smaller particle first, and the overlap they share."""

    small: NDArray[np.intp]
    large: NDArray[np.intp]
    overlap: float

    @classmethod
    def none(cls) -> Contacts:
        """No contacts."""
        empty = np.empty(0, dtype=np.intp)
        return cls(empty, empty, 0.0)

    def within(self, rows: NDArray[np.bool_]) -> Contacts:
        """Keep the pairs of which both particles are marked in ``rows`` (n,)."""
        kept = rows[self.small] & rows[self.large]
        return Contacts(self.small[kept], self.large[kept], self.overlap)

    def among(self, rows: NDArray[np.intp]) -> Contacts:
        """Keep the pairs among ``rows`` (ascending), as places in it."""
        kept = np.isin(self.small, rows) & np.isin(self.large, rows)
        small, large = self.small[kept], self.large[kept]
        return Contacts(np.searchsorted(rows, small), np.searchsorted(rows, large), self.overlap)


def candidates(
    parameters: NDArray[np.float64], component: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Give pairs of one component that overlap in projection: smaller, larger, distance over r1 + r2."""
    from scipy.spatial import cKDTree

    r = np.exp(parameters[:, LOG_R])
    none = np.empty(0, dtype=np.intp)
    if len(r) < 2:
        return none, none, np.empty(0)
    pairs = cKDTree(parameters[:, [X, Y]]).query_pairs(2.1 * float(r.max()), output_type="ndarray")
    a, b = pairs[:, 0].astype(np.intp), pairs[:, 1].astype(np.intp)
    share = np.hypot(parameters[a, X] - parameters[b, X], parameters[a, Y] - parameters[b, Y]) / (r[a] + r[b])
    near = (share < 1.05) & (component[a] == component[b])
    a, b, share = a[near], b[near], share[near]
    swap = r[a] > r[b]
    return np.where(swap, b, a), np.where(swap, a, b), share


@dataclass(frozen=True, eq=False)
class Lenses:
    """What some pairs share, in windows of one size: ``depth`` (m, w, w) is counted twice by a plain sum."""

    pairs: NDArray[np.intp]
    x0: NDArray[np.intp]
    y0: NDArray[np.intp]
    depth: Image


def lenses(
    parameters: NDArray[np.float64], contacts: Contacts, absorption: float, reach: float, most: int
) -> Iterator[Lenses]:
    """Compute the optical depth that pairs share, windows of one size at a time (``reach`` px around)."""
    if not len(contacts.small):
        return
    small, large = parameters[contacts.small], parameters[contacts.large]
    half = np.minimum(half_sizes(small, reach), most)
    middle = np.rint(small[:, :2]).astype(np.intp) - half[:, None]
    radius, radius_large = np.exp(small[:, LOG_R]), np.exp(large[:, LOG_R])
    across = (small[:, X] - large[:, X]) ** 2 + (small[:, Y] - large[:, Y]) ** 2
    apart = (1 - contacts.overlap) * (radius + radius_large)
    along = np.sqrt(np.maximum(apart**2 - across, 0)).astype(np.float32)[:, None, None]
    rate = (absorption * np.exp(0.5 * (small[:, H] + large[:, H]))).astype(np.float32)[:, None, None]
    both = [
        ((middle - p[:, :2]).astype(np.float32), (r * r).astype(np.float32)[:, None, None])
        for p, r in ((small, radius), (large, radius_large))
    ]
    for size in np.unique(half).tolist():
        pairs = np.flatnonzero(half == size)
        steps = np.arange(2 * size + 1, dtype=np.float32)
        high = []
        for away, r2 in both:
            dx, dy = (steps + away[pairs][:, axis, None] for axis in (X, Y))
            square = (r2[pairs] - np.square(dx)[:, None, :]) - np.square(dy)[:, :, None]
            np.maximum(square, 0, out=square)
            high.append(np.sqrt(square, out=square))
        # From the higher of the two lower ends to the lower of the two upper ones, where there are both.
        depth = along[pairs] + high[1]
        np.minimum(depth, high[0], out=depth)
        start = along[pairs] - high[1]
        depth -= np.maximum(start, -high[0], out=start)
        np.maximum(depth, 0, out=depth)
        depth *= (high[0] > 0) & (high[1] > 0)
        depth *= rate[pairs]
        np.minimum(depth, np.float32(MOST_DEPTH), out=depth)
        yield Lenses(pairs, middle[pairs, X], middle[pairs, Y], depth)


def choose(
    small: NDArray[np.intp],
    large: NDArray[np.intp],
    share: NDArray[np.float64],
    gain: NDArray[np.float64],
    overlap: float,
    n: int,
) -> Contacts:
    """Choose the pairs that are in contact.

    Parameters
    ----------
    small, large, share
        From :func:`candidates`.
    gain
        Cost (chi square) saved by taking the pair as in contact.
    n
        Number of particles.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree

    if not len(small):
        return Contacts(small, large, overlap)
    # Contacts point anywhere in space, so most are seen nearly from the side; beyond the contact distance
    # there is none.
    seen = share / max(1 - overlap, 0.1)
    habit = -0.5 * np.log(np.maximum(1 - np.minimum(seen, 1) ** 2, 0) + 0.03) - 0.7
    habit -= 0.5 * (np.maximum(seen - 1, 0) / 0.03) ** 2
    score = habit + np.clip(0.5 * gain, -MOST_GAIN, MOST_GAIN)
    cost = 1e3 - score
    tree = minimum_spanning_tree(coo_matrix((cost, (small, large)), (n, n))).tocoo()
    linked = set(zip(tree.row.tolist(), tree.col.tolist(), strict=True))
    in_tree = np.array([pair in linked for pair in zip(small.tolist(), large.tolist(), strict=True)])
    kept = (in_tree & (score > -EXTRA)) | (score > EXTRA)
    return Contacts(small[kept], large[kept], overlap)
