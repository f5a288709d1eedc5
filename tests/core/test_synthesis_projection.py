from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.tem.synthesis.optics import defocus
from nanoai_gui.core.tem.synthesis.projection import Material, project
from nanoai_gui.core.tem.synthesis.shapes import Ball

K = 0.01


def total_path(radii: list[float], centres: list[list[float]], shift: float = 0.3) -> float:
    """Sum the path through everything over all rays, in px^3, from the transmission of one ray a px."""
    projection = project(
        [Ball(r) for r in radii],
        np.array(centres),
        Material(np.full(len(radii), K)),
        oversampling=1,
        shift=(shift, 0.6),
    )
    return float(-np.log(projection.transmission.astype(np.float64)).sum() / K)


def ball(radius: float) -> float:
    return 4 / 3 * np.pi * radius**3


def lens(a: float, b: float, d: float) -> float:
    """Volume shared by two spheres (e.g. Weisstein, Sphere-Sphere Intersection)."""
    return np.pi * (a + b - d) ** 2 * (d * d + 2 * d * (a + b) - 3 * (a - b) ** 2) / (12 * d)


def test_one_sphere_has_its_volume() -> None:
    assert total_path([30.0], [[0, 0, 0]]) == pytest.approx(ball(30), rel=2e-3)


@pytest.mark.parametrize("direction", [[1, 0, 0], [0, 0, 1], [0.6, 0, 0.8]])
def test_interpenetrating_spheres_count_their_shared_part_once(direction: list[float]) -> None:
    d = 35.0
    volume = total_path([30.0, 20.0], [[0, 0, 0], [d * c for c in direction]])
    assert volume == pytest.approx(ball(30) + ball(20) - lens(30, 20, d), rel=2e-3)
    assert volume < 0.99 * (ball(30) + ball(20))


def test_spheres_apart_along_the_beam_add_up() -> None:
    assert total_path([30.0, 20.0], [[0, 0, 0], [3, 0, 60]]) == pytest.approx(ball(30) + ball(20), rel=2e-3)


def test_many_overlapping_spheres_match_counting_voxels() -> None:
    rng = np.random.default_rng(2)
    centres = rng.uniform(-18, 18, (6, 3))
    radii = rng.uniform(8, 16, 6)
    axis = np.arange(-36, 36, 0.5) + 0.25
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = np.zeros(x.shape, dtype=bool)
    for (cx, cy, cz), r in zip(centres, radii, strict=True):
        inside |= (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 < r * r
    assert total_path(radii.tolist(), centres.tolist()) == pytest.approx(inside.sum() / 8, rel=5e-3)


def test_a_silhouette_is_equally_dark_everywhere() -> None:
    projection = project(
        [Ball(20.0), Ball(15.0)],
        np.array([[0.0, 0, 0], [10.0, 0, 40]]),
        Material(np.full(2, K), opaque_depth=2.0),
        oversampling=1,
    )
    values = np.unique(projection.transmission)
    assert values == pytest.approx([np.exp(-2.0), 1.0])
    assert np.array_equal(projection.mask, projection.transmission < 0.5)


def test_crystals_darken_by_their_own_amount() -> None:
    projection = project(
        [Ball(20.0), Ball(20.0)], np.array([[-30.0, 0, 0], [30.0, 0, 0]]), Material(np.array([K, 3 * K]))
    )
    row = -np.log(projection.transmission[round(projection.origin_y)])
    x0 = round(projection.origin_x)
    assert row[x0 - 30] == pytest.approx(40 * K, rel=0.02)
    assert row[x0 + 30] == pytest.approx(120 * K, rel=0.02)


def test_bands_change_the_absorption_across_a_particle() -> None:
    bands = np.array([[0.5, 0.0, np.pi / 20, 0.0, 0.0]])
    projection = project([Ball(20.0)], np.zeros((1, 3)), Material(np.array([K]), bands))
    row = -np.log(projection.transmission[round(projection.origin_y)])
    x0 = round(projection.origin_x)
    path = 2 * np.sqrt(400 - 100)
    assert row[x0 + 10] == pytest.approx(1.5 * K * path, rel=0.02)
    assert row[x0 - 10] == pytest.approx(0.5 * K * path, rel=0.02)


def test_visible_fraction_is_what_no_other_particle_overlaps() -> None:
    def visible(*centres: list[float]) -> np.ndarray:
        return project([Ball(20.0), Ball(10.0)], np.array(centres), Material(np.full(2, K))).visible

    assert visible([0, 0, 0], [40, 0, 0]) == pytest.approx([1, 1])
    assert visible([0, 0, 0], [0, 0, 30]) == pytest.approx([0.75, 0], abs=0.01)
    # A circle that passes through the centre of an equal one shares 39.1 % of it.
    equal = project([Ball(20.0), Ball(20.0)], np.array([[0, 0, 0], [20.0, 0, 30]]), Material(np.full(2, K)))
    assert equal.visible == pytest.approx([0.609, 0.609], abs=0.01)


def test_the_window_tells_where_the_origin_is() -> None:
    for s in (1, 2, 3):
        projection = project(
            [Ball(12.0)],
            np.array([[3.0, -2.0, 0.0]]),
            Material(np.array([K])),
            oversampling=s,
            shift=(0.4, 0.7),
        )
        weight = 1 - projection.transmission.astype(np.float64)
        y, x = np.indices(weight.shape)
        assert (x * weight).sum() / weight.sum() == pytest.approx(projection.origin_x + 3, abs=0.03)
        assert (y * weight).sum() / weight.sum() == pytest.approx(projection.origin_y - 2, abs=0.03)


def test_a_particle_smaller_than_a_px_neither_fails_nor_vanishes_from_the_truth() -> None:
    projection = project([Ball(0.05)], np.zeros((1, 3)), Material(np.array([K])), shift=(0.4, 0.4))
    assert projection.visible == pytest.approx([1.0])


def test_fringes_do_not_come_back_on_the_other_side_of_the_picture() -> None:
    transmission = np.ones((120, 160), dtype=np.float32)
    transmission[40:70, 148:158] = 0.3
    seen = defocus(transmission, 4.0)
    assert np.abs(seen[:, :40] - 1).max() < 0.01
    assert seen.max() > 1.1


def test_an_empty_picture_stays_empty_out_of_focus() -> None:
    assert np.abs(defocus(np.ones((33, 47), dtype=np.float32), 3.0) - 1).max() < 1e-5
