"""The pieces the baseline methods are made of: distance maps, basins, outlines, edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from nanoai_gui.core.tem.sizing.edges import find_edges
from nanoai_gui.core.tem.sizing.outlines import trace_outlines
from nanoai_gui.core.tem.sizing.silhouettes import Silhouette
from nanoai_gui.core.tem.sizing.summits import distance_map, find_basins


def disc(radius: float, size: int = 80, x: float = 40.3, y: float = 39.6) -> Silhouette:
    """Disc of contrast 1, blurred as a denoised image is: half at the edge."""
    yy, xx = np.mgrid[:size, :size]
    sharp = np.clip(radius - np.hypot(xx - x, yy - y) + 0.5, 0, 1).astype(np.float32)
    contrast = ndimage.gaussian_filter(sharp, 1)
    return Silhouette(1, contrast > 0.5, contrast, 100, 200)


@pytest.mark.parametrize("radius", [6.0, 9.3, 20.7, 31.1])
def test_distance_map_is_exact_to_a_fraction_of_a_pixel(radius: float) -> None:
    silhouette = disc(radius)
    yy, xx = np.nonzero(silhouette.mask)
    true = radius - np.hypot(xx - 40.3, yy - 39.6)
    got = distance_map(silhouette, 0.5)
    assert np.percentile(np.abs(got[yy, xx] - true), 95) < 0.3
    assert np.abs(got[yy, xx] - true).mean() < 0.12
    assert not got[~silhouette.mask].any()
    without = distance_map(Silhouette(1, silhouette.mask, None, 0, 0), float("nan"))
    assert np.abs(without[yy, xx] - true).mean() < 0.4


def test_basins_of_two_cones_meet_half_way() -> None:
    yy, xx = np.mgrid[:60, :100]
    height = np.maximum(20 - np.hypot(xx - 30, yy - 30), 20 - np.hypot(xx - 62, yy - 30)).astype(np.float32)
    mask = height > 0
    basins = find_basins(height, mask, neck=0.05, step_px=0.2)
    assert sorted(basins.x) == [30, 62]
    assert list(basins.height) == [20, 20]
    left = basins.labels == basins.labels[30, 30]
    assert left[mask & (xx < 46)].all()
    assert not left[mask & (xx > 46)].any()
    assert ((basins.labels > 0) == mask).all()
    # The saddle stands at 4 of 20: a neck of 80 %.
    assert len(find_basins(height, mask, neck=0.79, step_px=0.2).x) == 2
    assert len(find_basins(height, mask, neck=0.85, step_px=0.2).x) == 1
    assert len(find_basins(height, mask, neck=0.05, step_px=17).x) == 1


def test_a_chain_of_shallow_summits_is_one_basin() -> None:
    x = np.arange(200)
    ridge = 10 + 0.05 * np.sin(x / 3)
    height = np.maximum(ridge[None, :] - np.abs(np.arange(41) - 20)[:, None], 0).astype(np.float32)
    height[:, [0, -1]] = 0
    height[[0, -1]] = 0
    assert len(find_basins(height, height > 0, neck=0.03, step_px=0.35).x) == 1


def test_an_empty_mask_has_no_basins_and_no_outlines() -> None:
    nothing = np.zeros((5, 6), bool)
    assert len(find_basins(nothing.astype(np.float32), nothing, 0.1, 0.1).x) == 0
    assert len(trace_outlines(nothing.astype(np.int32)).labels) == 0


def test_outline_of_a_rectangle() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[4:14, 6:26] = 3
    traced = trace_outlines(labels)
    assert list(traced.labels) == [3]
    # The corners are cut: an eighth of a pixel at each.
    assert traced.area_px[0] == pytest.approx(10 * 20 - 4 / 8)
    assert traced.x[0] == pytest.approx(15.5)
    assert traced.y[0] == pytest.approx(8.5)
    assert len(traced.vertices[0]) == 2 * (10 + 20)
    # Neighbours along the outline are neighbours in the image.
    steps = np.diff(np.vstack([traced.vertices[0], traced.vertices[0][:1]]), axis=0)
    assert np.hypot(*steps.T).max() <= 1


def test_outlines_are_those_of_marching_squares() -> None:
    from skimage.measure import find_contours

    rng = np.random.default_rng(3)
    grey = ndimage.gaussian_filter(rng.normal(size=(150, 150)), 5).astype(np.float32)
    level = float(np.percentile(grey, 70))
    grey[[0, 1, -2, -1]] = grey[:, [0, 1, -2, -1]] = level - 1
    labels, n = ndimage.label(grey > level, np.ones((3, 3)))
    traced = trace_outlines(labels.astype(np.int32), grey, level)
    assert len(traced.labels) == n
    for i, label in enumerate(traced.labels):
        own = np.where((labels == label) | (labels == 0), grey, level - 1)
        areas = [
            abs(np.sum(c[:-1, 1] * c[1:, 0] - c[1:, 1] * c[:-1, 0])) / 2
            for c in find_contours(own, level, fully_connected="high")
        ]
        assert traced.area_px[i] == pytest.approx(max(areas), rel=0.002)


def test_a_hole_is_not_the_outline_and_a_cut_is_shared() -> None:
    labels = np.zeros((30, 50), np.int32)
    labels[5:25, 5:25] = 1
    labels[5:25, 25:45] = 2
    labels[10:15, 10:15] = 0
    traced = trace_outlines(labels)
    np.testing.assert_allclose(traced.area_px, 400 - 0.5)
    assert traced.vertices[0][:, 0].max() == traced.vertices[1][:, 0].min() == 24.5


def test_pixels_that_touch_at_a_corner_have_one_outline() -> None:
    labels = np.zeros((8, 8), np.int32)
    labels[2, 2] = labels[3, 3] = labels[4, 2] = 1
    traced = trace_outlines(labels)
    assert len(traced.vertices) == 1
    assert len(traced.vertices[0]) == 12


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_reduced_silhouette_stands_for_the_same_place(factor: int) -> None:
    silhouette = disc(25.0)
    small = silhouette.reduced(factor)
    assert small.reduction == factor
    y, x = (v.astype(float) for v in np.nonzero(small.mask))
    ix, iy = small.to_image(x, y)
    assert ix.mean() == pytest.approx(100 + 40.3, abs=0.1 * factor)
    assert iy.mean() == pytest.approx(200 + 39.6, abs=0.1 * factor)
    assert small.mask.sum() * factor**2 == pytest.approx(silhouette.mask.sum(), rel=0.05)
    assert not small.mask[[0, -1]].any()
    assert not small.mask[:, [0, -1]].any()


def test_edges_lie_on_the_circle_and_point_inwards() -> None:
    silhouette = disc(20.0)
    edges = find_edges(silhouette, distance_map(silhouette, 0.5))
    dx, dy = edges.x - 40.3, edges.y - 39.6
    assert len(edges.x) > 100
    np.testing.assert_allclose(np.hypot(dx, dy), 20, atol=0.4)
    inwards = -(dx * edges.gx + dy * edges.gy) / np.hypot(dx, dy)
    assert inwards.min() > 0.98
    assert abs(edges.depth) < 0.3
