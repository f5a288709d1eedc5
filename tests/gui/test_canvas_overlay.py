import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.tem.outlines import Outlines, circles, for_drawing, joined, trace
from nanoai_gui.gui.tem.overlay import (
    EXCLUDED_INDEX,
    Hit,
    OverlayPicture,
    contains,
    fill_colours,
    overlay_index,
    prepare_overlay,
)


def random_labels(seed: int, shape: tuple[int, int] = (17, 23), n: int = 6) -> NDArray[np.int32]:
    """Blobs and single pixels, touching, nested and at the border; ids with gaps."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for i in range(n):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        r = rng.integers(0, 8)
        yy, xx = np.ogrid[: shape[0], : shape[1]]
        labels[(yy - y) ** 2 + (xx - x) ** 2 <= r * r] = 1 + 300 * i
    labels[rng.random(shape) < 0.06] = 0
    labels[rng.random(shape) < 0.03] = 7
    return labels


def crossings(outlines: Outlines, x: float, y: float) -> int:
    """Number of outlines (of one owner) around a point, modulo 2."""
    around = [
        contains(outlines.points[a:b], x, y)
        for a, b in zip(outlines.starts[:-1], outlines.starts[1:], strict=True)
    ]
    return sum(around) % 2


@pytest.mark.parametrize("seed", range(4))
def test_outlines_enclose_exactly_their_pixels(seed):
    labels = random_labels(seed)
    outlines = trace(labels)
    assert set(outlines.owners.tolist()) == set(np.unique(labels).tolist()) - {0}
    for owner in np.unique(outlines.owners):
        own = outlines.select(outlines.owners == owner)
        inside = np.array(
            [[crossings(own, x, y + 1e-3) for x in range(labels.shape[1])] for y in range(labels.shape[0])]
        )
        np.testing.assert_array_equal(inside, labels == owner)


def test_outline_of_one_pixel_and_of_a_ring():
    pixel = trace(np.array([[0, 0, 0], [0, 5, 0], [0, 0, 0]]))
    assert pixel.owners.tolist() == [5]
    assert pixel.points.tolist() == [[1, 0.5], [1.5, 1], [1, 1.5], [0.5, 1]]
    ring = np.ones((5, 5), int)
    ring[1:4, 1:4] = 0
    outlines = trace(ring)
    assert outlines.owners.tolist() == [1, 1]
    areas = []
    for a, b in zip(outlines.starts[:-1], outlines.starts[1:], strict=True):
        x, y = outlines.points[a:b].T.astype(float)
        areas.append(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    # Cut corners take 1/8 px each: clockwise on the screen is positive with y down, the hole is negative.
    assert areas == [25 - 0.5, -(9 - 0.5)]


def test_outlines_agree_with_marching_squares():
    from skimage.measure import find_contours

    labels = random_labels(11, (40, 40), 3)
    owner = int(np.unique(labels)[-1])
    mask = np.pad(labels == owner, 1).astype(float)
    expected = {
        (x - 1, y - 1) for contour in find_contours(mask, 0.5, fully_connected="high") for y, x in contour
    }
    own = trace(labels)
    own = own.select(own.owners == owner)
    assert {tuple(map(float, p)) for p in own.points} <= expected  # we leave out points on straight runs
    assert len(own) == len(find_contours(mask, 0.5, fully_connected="high"))


def test_long_spiral_is_one_outline_in_order():
    labels = np.zeros((61, 61), np.int32)
    labels[::4] = 3
    labels[:, 0] = 3
    outlines = trace(labels)
    assert len(outlines) == 1
    steps = np.abs(np.diff(outlines.points, axis=0))
    assert ((steps[:, 0] == steps[:, 1]) | (steps.min(axis=1) == 0)).all()


def test_nothing_has_no_outline():
    assert len(trace(np.zeros((4, 4), np.int32))) == 0
    assert len(trace(np.zeros((0, 0), np.int32))) == 0
    drawn = for_drawing([Outlines.empty(), Outlines.empty()])
    assert len(drawn.levels[0]) == 0 and len(drawn.chunk_boxes) == 0


def test_cancelled_preparation_stops():
    with pytest.raises(OperationCancelled):
        prepare_overlay(random_labels(0), cancelled=lambda: True)


def test_what_is_edited_meanwhile_does_not_tear_the_picture():
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15] = 1

    def edit() -> bool:
        labels[20:30, 20:30] = 400
        return False

    picture = prepare_overlay(labels, cancelled=edit)
    assert picture.labels is labels
    assert picture.agglomerates.owners.tolist() == [1]
    assert np.unique(picture.fill[0]).tolist() == [0, 2]


def test_circles_stay_within_a_tenth_of_a_pixel():
    outlines = circles(np.array([3.0, 50.0]), np.array([4.0, -2.0]), np.array([2.0, 60.0]), np.array([1, 9]))
    for i, (x, y, r) in enumerate(((3, 4, 2), (50, -2, 60))):
        points = outlines.points[outlines.starts[i] : outlines.starts[i + 1]].astype(float)
        middles = (points + np.roll(points, -1, axis=0)) / 2
        assert np.hypot(points[:, 0] - x, points[:, 1] - y) == pytest.approx(r, abs=1e-4)
        assert (np.hypot(middles[:, 0] - x, middles[:, 1] - y) > r - 0.1).all()


def test_thinned_outlines_keep_their_shape():
    angle = 2 * np.pi * np.arange(400) / 400
    dense = np.stack([60 * np.cos(angle), 60 * np.sin(angle)], axis=1)  # points 0.94 px apart
    outlines = joined(
        [dense.astype(np.float32), (3 * dense[::57] / 60).astype(np.float32), dense[::20].astype(np.float32)],
        np.array([1, 2, 3], np.int32),
    )
    thin = outlines.thinned(5.0)
    assert np.diff(thin.starts).tolist() == [80, 8, 20]  # small and coarse polygons stay whole
    assert {tuple(p) for p in thin.points.tolist()} <= {tuple(p) for p in outlines.points.tolist()}
    assert Outlines.empty().thinned(5.0).points.shape == (0, 2)


@pytest.mark.parametrize("scale", [0.1, 0.35, 0.5, 0.75, 1.0])
def test_simpler_outlines_stray_less_than_half_a_screen_pixel(scale):
    radii = np.array([4.0, 12.0, 35.0, 120.0])
    centres = np.array([20.0, 60.0, 150.0, 400.0])
    particles = Particles.from_circles(np.ones(4, int), centres, centres, radii)
    drawn = prepare_overlay(np.zeros((600, 600), np.int32), (), particles).drawn_particles
    outlines = drawn.levels[drawn.level_for(scale)]
    for owner, centre, radius in zip(particles.ids, centres, radii, strict=True):
        points = outlines.select(outlines.owners == owner).points.astype(float)
        middles = (points + np.roll(points, -1, axis=0)) / 2
        assert (np.abs(np.hypot(*(middles - centre).T) - radius) * scale < 0.5).all()


def test_grouping_for_drawing_keeps_every_polygon():
    rng = np.random.default_rng(3)
    n = 700
    outlines = circles(
        rng.uniform(0, 4000, n),
        rng.uniform(0, 500, n),
        rng.uniform(2, 30, n),
        np.arange(1, n + 1, dtype=np.int32),
    )
    drawn = for_drawing([outlines, outlines.thinned(12.0)])
    fine, thin = drawn.levels
    assert sorted(fine.owners.tolist()) == list(range(1, n + 1))
    assert (thin.owners == fine.owners).all()
    assert len(thin.points) < 0.6 * len(fine.points)
    for i, box in enumerate(drawn.chunk_boxes):
        first, last = drawn.chunk_starts[i], drawn.chunk_starts[i + 1]
        points = fine.points[fine.starts[first] : fine.starts[last]]
        assert [*points.min(axis=0), *points.max(axis=0)] == pytest.approx(box.tolist())


def test_index_tells_background_measured_and_excluded():
    labels = np.array([[0, 1, 254, 255], [509, 300, 2, 0]])
    index = overlay_index(labels, excluded=[2, 99999])
    assert index.dtype == np.uint8
    assert index.tolist() == [[0, 2, 1, 2], [2, 47, EXCLUDED_INDEX, 0]]
    colours = fill_colours()
    assert colours[0, 3] == 0 and (colours[1:, 3] > 0).all()
    # Neighbouring ids must be told apart.
    apart = np.abs(np.diff(colours[1:255, :3].astype(int), axis=0)).sum(axis=1)
    assert apart.min() > 60


def make_picture() -> OverlayPicture:
    labels = np.zeros((100, 120), np.int32)
    labels[20:60, 10:70] = 4
    labels[80:90, 100:110] = 9
    particles = Particles.from_circles([4, 4, 4, 9], [30, 36, 60, 105], [40, 40, 40, 85], [18, 4, 6, 7])
    return prepare_overlay(labels, [9], particles)


def test_hit_finds_agglomerate_and_the_particle_in_front():
    picture = make_picture()
    assert picture.hit(36, 40) == Hit(4, 2)  # the small one inside the large one
    assert picture.hit(25, 40) == Hit(4, 1)
    assert picture.hit(12, 58) == Hit(4, 0)
    assert picture.hit(105, 91.5) == Hit(9, 4)  # the circle reaches beyond its agglomerate
    assert not picture.hit(2, 2)
    for outside in ((-3, 40), (500, 40), (30, -1), (30, 100)):
        assert not picture.hit(*outside)


def test_pixels_reach_half_a_pixel_around_their_centres():
    picture = make_picture()
    assert picture.hit(9.51, 19.51) == Hit(4, 0)
    assert not picture.hit(9.49, 19.51)
    assert picture.hit(69.49, 59.49) == Hit(4, 0)
    assert not picture.hit(69.51, 59.49)


@pytest.mark.parametrize("seed", range(3))
def test_hit_agrees_with_looking_at_every_particle(seed):
    rng = np.random.default_rng(seed)
    n = 60
    particles = Particles.from_circles(
        np.ones(n, int), rng.uniform(0, 100, n), rng.uniform(0, 100, n), rng.uniform(2, 12, n)
    )
    picture = prepare_overlay(np.ones((100, 100), np.int32), (), particles)
    for x, y in rng.uniform(0, 99, (200, 2)):
        away = np.hypot(particles.x - x, particles.y - y) / (particles.diameter_px / 2)
        if (np.abs(away - 1) < 0.05).any():
            continue  # within the polygon's error of a rim
        expected = int(particles.ids[np.argmin(away)]) if (away < 1).any() else 0
        assert picture.hit(x, y).particle == expected


def test_outlines_given_by_a_method_are_used_where_there_are_any():
    square = np.array([[5, 5], [15, 5], [15, 15], [5, 15]], np.float32)
    none = np.zeros((0, 2), np.float32)
    particles = replace(Particles.from_circles([1, 1], [10, 30], [10, 30], [5, 5]), outlines=(square, none))
    picture = prepare_overlay(np.ones((40, 40), np.int32), (), particles)
    assert picture.hit(14.8, 14.8) == Hit(1, 1)  # in the square's corner, outside of the circle
    assert picture.hit(34.8, 34.8) == Hit(1, 0)
    assert picture.hit(34, 30) == Hit(1, 2)


def test_rectangle_takes_what_has_its_middle_inside():
    picture = make_picture()
    assert picture.within(0, 0, 50, 50) == (frozenset({4}), frozenset({1, 2}))
    assert picture.within(0, 0, 20, 20) == (frozenset(), frozenset())
    assert picture.within(-5, -5, 500, 500) == (frozenset({4, 9}), frozenset({1, 2, 3, 4}))


def test_extent_covers_what_is_asked_for():
    picture = make_picture()
    assert picture.extent([], []) is None
    assert picture.extent([9], []) == (99.5, 79.5, 109.5, 89.5)
    assert picture.extent([], [3]) == pytest.approx((54, 34, 66, 46), abs=0.1)


def test_joined_polygons_can_be_selected():
    polygons = [np.full((n, 2), n, np.float32) for n in (3, 5, 4)]
    outlines = joined(polygons, np.array([7, 8, 9], np.int32)).select(np.array([2, 0]))
    assert outlines.owners.tolist() == [9, 7]
    assert outlines.points[:, 0].tolist() == [4] * 4 + [3] * 3


def test_preparing_an_overlay_needs_no_window_library():
    code = (
        "import sys; import nanoai_gui.gui.tem.overlay, nanoai_gui.gui.tem.view\n"
        "sys.exit(any(name.startswith(('PySide6', 'pyqtgraph')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=250, check=False).returncode == 0
