"""Agglomerates in three dimensions: spheres that meet by straight flight or Brownian motion and stick.

Many collisions are computed side by side as arrays, since each alone is too small for numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled
from nanoai_gui.core.tem.synthesis.shapes import Body
from nanoai_gui.core.tem.synthesis.spec import Aggregation

Floats = NDArray[np.float64]

CONTACT_TOLERANCE = 5e-3
"""A Brownian mover counts as touching when its gap is below this share of the mean contact distance."""


@dataclass(frozen=True, eq=False)
class Cluster:
    """Spheres in contact.

    Parameters
    ----------
    centres
        (n, 3) in px, around their common mean.
    radii
        (n,) in px.
    bonds
        (n - 1, 2) index pairs that touch; they join all spheres (a spanning tree).
    """

    centres: Floats
    radii: Floats
    bonds: NDArray[np.intp]


def random_directions(n: int, rng: np.random.Generator) -> Floats:
    """Draw (n, 3) unit vectors, uniform on the sphere."""
    v = rng.standard_normal((n, 3))
    unit: Floats = v / np.linalg.norm(v, axis=1, keepdims=True)
    return unit


def random_rotations(n: int, rng: np.random.Generator) -> Floats:
    """Draw (n, 3, 3) rotations, uniform: from unit quaternions, which are uniform on their sphere."""
    q = rng.standard_normal((n, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=-1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1),
        ],
        axis=1,
    )


def aggregate(
    radii: Sequence[Floats],
    kind: Aggregation,
    overlap: Floats,
    rng: np.random.Generator,
    cancelled: Cancelled = never_cancelled,
) -> list[Cluster]:
    """Build one agglomerate of each set of radii.

    Parameters
    ----------
    radii
        For each agglomerate, the (n,) radii in px, in random order.
    kind
        How they meet.
    overlap
        For each agglomerate, C in [0, 1): touching centres are (1 - C)(r_i + r_j) apart, which for
        equal spheres is the overlap coefficient of Brasil, Farias and Carvalho (J. Aerosol Sci. 30
        (1999) 1379).
    rng
        Source of all randomness.
    cancelled
        Asked before every generation of collisions.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    if kind in (Aggregation.BALLISTIC_CLUSTER, Aggregation.DIFFUSIVE_CLUSTER):
        return _by_clusters(radii, kind is Aggregation.DIFFUSIVE_CLUSTER, overlap, rng, cancelled)
    return _by_particles(radii, kind is Aggregation.DIFFUSIVE_PARTICLE, overlap, rng, cancelled)


def settle(cluster: Cluster, bodies: Sequence[Body], overlap: float, flatness: float) -> Floats:
    """Give the (n, 3) centres after every bond is closed for the true bodies and laid down on the film.

    The bonds keep their directions, except that ``flatness`` takes this share of their height away;
    along each, the surfaces meet with the overlap coefficient. Particles without a bond may then
    overlap, which the projection counts once.
    """
    n = len(bodies)
    neighbours: list[list[int]] = [[] for _ in range(n)]
    for i, j in cluster.bonds.tolist():
        neighbours[i].append(j)
        neighbours[j].append(i)
    centres = np.zeros((n, 3))
    placed = {0}
    front = [0]
    while front:
        i = front.pop()
        for j in neighbours[i]:
            if j in placed:
                continue
            bond = (cluster.centres[j] - cluster.centres[i]) * (1.0, 1.0, 1.0 - flatness)
            length = float(np.linalg.norm(bond))
            # A bond exactly along the beam has no direction left once it is flat.
            unit = bond / length if length > 0 else np.array([1.0, 0.0, 0.0])
            reach = bodies[i].extent(unit) + bodies[j].extent(-unit)
            centres[j] = centres[i] + (1.0 - overlap) * reach * unit
            placed.add(j)
            front.append(j)
    around_mean: Floats = centres - centres.mean(axis=0)
    return around_mean


def _single(radius: float) -> Cluster:
    return Cluster(np.zeros((1, 3)), np.array([radius]), np.empty((0, 2), dtype=np.intp))


def _by_particles(
    radii: Sequence[Floats], diffusive: bool, overlap: Floats, rng: np.random.Generator, cancelled: Cancelled
) -> list[Cluster]:
    clusters = [_single(float(r[0])) for r in radii]
    sizes = np.array([len(r) for r in radii], dtype=np.intp)
    for step in range(1, int(sizes.max(initial=1))):
        checkpoint(cancelled)
        growing = np.flatnonzero(sizes > step).tolist()
        targets = [clusters[k] for k in growing]
        movers = [_single(float(radii[k][step])) for k in growing]
        for k, joined in zip(growing, _join(targets, movers, diffusive, overlap[growing], rng), strict=True):
            clusters[k] = joined
    return clusters


def _by_clusters(
    radii: Sequence[Floats], diffusive: bool, overlap: Floats, rng: np.random.Generator, cancelled: Cancelled
) -> list[Cluster]:
    # Hierarchical: in every generation clusters pair up at random; an odd one out waits.
    pools = [[_single(float(r)) for r in one] for one in radii]
    while True:
        checkpoint(cancelled)
        owners: list[int] = []
        targets: list[Cluster] = []
        movers: list[Cluster] = []
        for k, pool in enumerate(pools):
            n_pairs = len(pool) // 2
            if n_pairs == 0:
                continue
            targets += pool[: 2 * n_pairs : 2]
            movers += pool[1 : 2 * n_pairs : 2]
            owners += [k] * n_pairs
            # The odd one leads the next generation, so that it does not wait again.
            pools[k] = pool[2 * n_pairs :]
        if not owners:
            return [pool[0] for pool in pools]
        joined = _join(targets, movers, diffusive, overlap[owners], rng)
        for k, cluster in zip(owners, joined, strict=True):
            pools[k].append(cluster)


def _pad(clusters: Sequence[Cluster]) -> tuple[Floats, Floats]:
    """Stack clusters to (K, n, 3) centres and (K, n) radii; missing spheres have radius -inf."""
    n = max(len(c.radii) for c in clusters)
    centres = np.zeros((len(clusters), n, 3))
    radii = np.full((len(clusters), n), -np.inf)
    for k, c in enumerate(clusters):
        centres[k, : len(c.radii)] = c.centres
        radii[k, : len(c.radii)] = c.radii
    return centres, radii


def _join(
    targets: Sequence[Cluster],
    movers: Sequence[Cluster],
    diffusive: bool,
    overlap: Floats,
    rng: np.random.Generator,
) -> list[Cluster]:
    """Let each mover, turned at random, hit its target."""
    a, ra = _pad(targets)
    b, rb = _pad(movers)
    if b.shape[1] > 1:
        b = np.einsum("kij,knj->kni", random_rotations(len(b), rng), b)
    contact = (1.0 - overlap)[:, None, None] * (ra[:, :, None] + rb[:, None, :])
    # Beyond this distance of the centres nothing can touch.
    reach = _reach(a, ra) + _reach(b, rb)
    q = a[:, :, None, :] - b[:, None, :, :]
    offset, pair = (_walk if diffusive else _fly)(q, contact, reach, rng)
    made = []
    for k, (target, mover) in enumerate(zip(targets, movers, strict=True)):
        n, m = len(target.radii), len(mover.radii)
        centres = np.concatenate([target.centres, b[k, :m] + offset[k]])
        i, j = divmod(int(pair[k]), b.shape[1])
        made.append(
            Cluster(
                centres - centres.mean(axis=0),
                np.concatenate([target.radii, mover.radii]),
                np.concatenate([target.bonds, mover.bonds + n, np.array([[i, n + j]], dtype=np.intp)]),
            )
        )
    return made


def _reach(centres: Floats, radii: Floats) -> Floats:
    reach: Floats = np.max(np.linalg.norm(centres, axis=2) + radii, axis=1)
    return reach


def _fly(
    q: Floats, contact: Floats, reach: Floats, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.intp]]:
    """Straight flights of uniform direction and uniform impact parameter; misses fly again.

    ``q`` (K, a, b, 3) is target minus mover, both at the origin; ``contact`` (K, a, b).
    """
    n = len(q)
    offset = np.zeros((n, 3))
    pair = np.zeros(n, dtype=np.intp)
    left = np.arange(n)
    while len(left):
        u = random_directions(len(left), rng)
        side = np.cross(u, random_directions(len(left), rng))
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        start = side * (reach[left] * np.sqrt(rng.random(len(left))))[:, None]
        way = q[left] - start[:, None, None, :]
        along = np.einsum("kabi,ki->kab", way, u)
        with np.errstate(invalid="ignore"):
            # A padded sphere has contact -inf: its square must not look like a huge one.
            room = np.square(np.maximum(contact[left], 0)) - np.einsum("kabi,kabi->kab", way, way) + along**2
            time = np.where((room >= 0) & (contact[left] > 0), along - np.sqrt(room), np.inf)
        flat = time.reshape(len(left), -1)
        first = flat.argmin(axis=1)
        when = flat[np.arange(len(left)), first]
        hit = np.isfinite(when)
        done = left[hit]
        offset[done] = start[hit] + when[hit, None] * u[hit]
        pair[done] = first[hit]
        left = left[~hit]
    return offset, pair


def _walk(
    q: Floats, contact: Floats, reach: Floats, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.intp]]:
    """Brownian motion from far away until contact, by walking on spheres.

    A mover whose nearest possible contact is a gap away leaves a sphere of that radius at a uniform
    point (Muller, Ann. Math. Stat. 27 (1956) 569). One that strays outside the launch sphere comes
    back to it with probability a/R, at a point drawn from the exterior Poisson kernel, whose
    distance s to the mover has 1/s uniform in [1/(R + a), 1/(R - a)]; otherwise another comes from
    infinity, which is uniform on the sphere. So no distance is cut off.
    """
    n = len(q)
    position = random_directions(n, rng) * reach[:, None]
    pair = np.zeros(n, dtype=np.intp)
    usable = contact > 0
    tolerance = (
        CONTACT_TOLERANCE * np.sum(np.where(usable, contact, 0), axis=(1, 2)) / usable.sum(axis=(1, 2))
    )
    left = np.arange(n)
    while len(left):
        gaps = np.linalg.norm(q[left] - position[left, None, None, :], axis=-1) - contact[left]
        flat = gaps.reshape(len(left), -1)
        nearest = flat.argmin(axis=1)
        gap = flat[np.arange(len(left)), nearest]
        hit = gap < tolerance[left]
        pair[left[hit]] = nearest[hit]
        left, gap = left[~hit], gap[~hit]
        if not len(left):
            break
        moved = position[left] + gap[:, None] * random_directions(len(left), rng)
        distance = np.linalg.norm(moved, axis=1)
        far = distance > 1.5 * reach[left]
        if far.any():
            moved[far] = _return(moved[far], distance[far], reach[left[far]], rng)
        position[left] = moved
    return position, pair


def _return(position: Floats, distance: Floats, launch: Floats, rng: np.random.Generator) -> Floats:
    n = len(position)
    inverse = rng.uniform(1 / (distance + launch), 1 / (distance - launch))
    cosine = np.clip((distance**2 + launch**2 - inverse**-2) / (2 * distance * launch), -1, 1)
    axis = position / distance[:, None]
    side = np.cross(axis, random_directions(n, rng))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    back = cosine[:, None] * axis + np.sqrt(1 - cosine**2)[:, None] * side
    lost = rng.random(n) > launch / distance
    back[lost] = random_directions(int(lost.sum()), rng)
    return back * launch[:, None]
