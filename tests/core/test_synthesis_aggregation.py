from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.tem.synthesis import aggregation
from nanoai_gui.core.tem.synthesis.aggregation import Cluster, aggregate, settle
from nanoai_gui.core.tem.synthesis.shapes import Ball
from nanoai_gui.core.tem.synthesis.spec import Aggregation


def lognormal_radii(n_agglomerates: int, n: int, gsd: float = 1.3) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [10 * np.exp(np.log(gsd) * rng.standard_normal(n)) for _ in range(n_agglomerates)]


def gaps(cluster: Cluster, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance between surfaces at contact, relative to the contact distance, of all pairs and of bonds."""
    distance = np.linalg.norm(cluster.centres[:, None] - cluster.centres[None], axis=-1)
    contact = (1 - overlap) * (cluster.radii[:, None] + cluster.radii[None])
    relative = distance / contact - 1
    upper = np.triu_indices(len(cluster.radii), 1)
    i, j = cluster.bonds.T
    return relative[upper], relative[i, j]


@pytest.mark.parametrize("kind", Aggregation)
@pytest.mark.parametrize("overlap", [0.0, 0.25])
def test_particles_touch_in_a_tree_and_never_interpenetrate_more(kind: Aggregation, overlap: float) -> None:
    clusters = aggregate(lognormal_radii(8, 17), kind, np.full(8, overlap), np.random.default_rng(1))
    for cluster in clusters:
        pairs, bonds = gaps(cluster, overlap)
        assert pairs.min() > -1e-9
        assert len(bonds) == 16
        assert bonds.max() < 0.02
        assert np.allclose(cluster.centres.mean(axis=0), 0, atol=1e-9)
        joined = {0}
        for _ in cluster.bonds:
            joined |= {b for i, j in cluster.bonds for b in (i, j) if i in joined or j in joined}
        assert joined == set(range(17))


def test_different_sizes_grow_side_by_side() -> None:
    rng = np.random.default_rng(0)
    radii = [rng.uniform(5, 10, n) for n in (1, 2, 5, 30)]
    for kind in Aggregation:
        clusters = aggregate(radii, kind, np.zeros(4), np.random.default_rng(2))
        assert [len(c.radii) for c in clusters] == [1, 2, 5, 30]
        for cluster, wanted in zip(clusters, radii, strict=True):
            assert sorted(cluster.radii) == sorted(wanted)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        # Literature, for very many particles: DLCA 1.8, BCCA 1.9 to 1.95, DLA 2.5, BPCA 3 (Meakin, Rev.
        # Geophys. 29 (1991) 317); up to 128, particle by particle stays a little below.
        (Aggregation.DIFFUSIVE_CLUSTER, 1.6, 2.0),
        (Aggregation.BALLISTIC_CLUSTER, 1.75, 2.15),
        (Aggregation.DIFFUSIVE_PARTICLE, 2.1, 2.7),
        (Aggregation.BALLISTIC_PARTICLE, 2.5, 3.1),
    ],
)
def test_fractal_dimension_is_that_of_the_literature(kind: Aggregation, low: float, high: float) -> None:
    sizes = (16, 32, 64, 128)
    size_of = []
    for n in sizes:
        clusters = aggregate([np.ones(n) for _ in range(40)], kind, np.zeros(40), np.random.default_rng(5))
        size_of.append(np.mean([np.sqrt(np.mean(np.sum(c.centres**2, axis=1))) for c in clusters]))
    slope = np.polyfit(np.log(size_of), np.log(sizes), 1)[0]
    assert low < slope < high


def test_a_stray_walker_comes_back_as_the_exterior_poisson_kernel_says() -> None:
    # For the harmonic function cos(angle) / R^2 outside the sphere: E[cos] = (a / R)^2, those that are
    # lost and replaced by a uniform point adding nothing.
    n, distance, launch = 200_000, 3.0, 2.0
    start = np.tile([0.0, 0.0, distance], (n, 1))
    back = aggregation._return(start, np.full(n, distance), np.full(n, launch), np.random.default_rng(0))
    assert np.allclose(np.linalg.norm(back, axis=1), launch)
    assert np.mean(back[:, 2] / launch) == pytest.approx((launch / distance) ** 2, abs=0.006)


def test_directions_and_rotations_are_uniform() -> None:
    rng = np.random.default_rng(0)
    turned = aggregation.random_rotations(50_000, rng) @ np.array([0.0, 0.0, 1.0])
    for vectors in (turned, aggregation.random_directions(50_000, rng)):
        # The height of a uniform point on the sphere is uniform (Archimedes).
        counts, _ = np.histogram(vectors[:, 2], bins=10, range=(-1, 1))
        assert np.all(np.abs(counts - 5000) < 5 * np.sqrt(5000))


def test_settling_closes_the_bonds_and_lays_the_agglomerate_down() -> None:
    (cluster,) = aggregate(
        lognormal_radii(1, 12), Aggregation.DIFFUSIVE_CLUSTER, np.zeros(1), np.random.default_rng(4)
    )
    bodies = [Ball(float(r)) for r in cluster.radii]
    flat = settle(cluster, bodies, 0.1, 1.0)
    assert np.allclose(flat[:, 2], 0)
    for i, j in cluster.bonds:
        reach = 0.9 * (cluster.radii[i] + cluster.radii[j])
        assert np.linalg.norm(flat[i] - flat[j]) == pytest.approx(reach)
    upright = settle(cluster, bodies, 0.0, 0.0)
    assert np.abs(upright - cluster.centres).max() < 0.02 * cluster.radii.sum()
