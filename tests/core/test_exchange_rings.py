"""Outlines traced around pixels, filled again, and joined by seams: to the pixel, for any mask."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nanoai_gui.core.exchange.rings import Rings, ellipse, fill, measure, trace
from nanoai_gui.core.exchange.seams import join

SHAPE = (30, 34)


@st.composite
def masks(draw: st.DrawFn) -> NDArray[np.bool_]:
    height, width = draw(st.integers(1, 11)), draw(st.integers(1, 11))
    seed, share = draw(st.integers(0, 2**32 - 1)), draw(st.floats(0.1, 0.97))
    mask = np.random.default_rng(seed).random((height, width)) < share
    mask[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = True
    return mask


def placed(mask: NDArray[np.bool_], y: int, x: int) -> NDArray[np.bool_]:
    whole = np.zeros(SHAPE, dtype=bool)
    whole[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return whole


def filled(rings: Rings) -> NDArray[np.bool_]:
    y, x, mask = fill(rings, SHAPE)
    return placed(mask, y, x)


@settings(max_examples=150, deadline=None)
@given(masks())
def test_filling_what_was_traced_gives_every_pixel_back(mask: NDArray[np.bool_]) -> None:
    rings = trace(mask, 5, 7)
    assert np.array_equal(filled(rings), placed(mask, 7, 5))
    area, x, y = measure(rings)
    rows, columns = np.nonzero(mask)
    assert area == pytest.approx(mask.sum())
    assert (x, y) == pytest.approx((columns.mean() + 5, rows.mean() + 7))


@settings(max_examples=150, deadline=None)
@given(masks())
def test_polygons_joined_by_seams_cover_the_same_pixels_once(mask: NDArray[np.bool_]) -> None:
    rings = trace(mask, 5, 7)
    polygons = join(rings)
    covered = np.sum([filled((polygon,)) for polygon in polygons], axis=0)
    assert np.array_equal(covered, placed(mask, 7, 5).astype(int))
    assert len(polygons) <= len(rings)


@settings(max_examples=60, deadline=None)
@given(masks())
def test_other_programs_fill_the_polygons_to_the_same_pixels(mask: NDArray[np.bool_]) -> None:
    """scikit-image decides for every pixel by itself whether its centre lies inside."""
    from skimage.draw import polygon

    whole = np.zeros(SHAPE, dtype=bool)
    for ring in join(trace(mask, 5, 7)):
        whole[polygon(ring[:, 1], ring[:, 0], SHAPE)] = True
    assert np.array_equal(whole, placed(mask, 7, 5))


def test_a_square_is_four_corners_along_its_pixels() -> None:
    mask = np.zeros((6, 6), dtype=bool)
    mask[2:4, 1:5] = True
    (ring,) = trace(mask)
    assert {tuple(corner) for corner in ring.tolist()} == {(0.5, 1.5), (4.5, 1.5), (4.5, 3.5), (0.5, 3.5)}


def test_an_empty_mask_has_no_outline() -> None:
    assert trace(np.zeros((3, 4), dtype=bool)) == ()
    assert fill((), SHAPE)[2].size == 0


def test_what_lies_outside_of_the_image_is_cut_off() -> None:
    whole = np.array([(-50.0, -50.0), (100.0, -50.0), (100.0, 100.0), (-50.0, 100.0)])
    assert filled((whole,)).all()
    assert fill((whole + 500,), SHAPE)[2].size == 0


def test_a_polygon_for_an_ellipse_has_its_area_and_centre() -> None:
    area, x, y = measure((ellipse(11.25, 7.5, 6, 3, math.radians(30)),))
    assert (area, x, y) == pytest.approx((math.pi * 18, 11.25, 7.5))


def test_a_hole_is_taken_off_whichever_way_it_runs() -> None:
    outer, hole = ellipse(15, 15, 10, 10), ellipse(16, 15, 4, 4)
    expected = math.pi * (100 - 16)
    assert measure((outer, hole))[0] == pytest.approx(expected)
    assert measure((outer, hole[::-1]))[0] == pytest.approx(expected)
    assert measure((outer[::-1], hole))[1] == pytest.approx(15 - 16 / 84)
