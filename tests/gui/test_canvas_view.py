import math

import pytest

from nanoai_gui.gui.tem.view import LARGEST_SCALE, View, fitted, smallest_scale

CANVAS = (800.0, 600.0)
IMAGE = (2048.0, 1024.0)


def test_screen_and_image_positions_are_inverse():
    view = View(0.37, 812.0, 133.5)
    for at in ((0.0, 0.0), (799.0, 1.0), (123.4, 456.7)):
        assert view.to_screen(*view.to_image(*at, CANVAS), CANVAS) == pytest.approx(at)


@pytest.mark.parametrize("factor", [1.25, 0.8, 3.0, 1e9, 1e-9])
def test_zoom_keeps_what_is_under_the_cursor(factor):
    view, anchor = fitted(CANVAS, IMAGE), (620.0, 111.0)
    before = view.to_image(*anchor, CANVAS)
    after = view.zoomed(factor, anchor, CANVAS, IMAGE)
    assert after.to_image(*anchor, CANVAS) == pytest.approx(before)
    assert smallest_scale(CANVAS, IMAGE) <= after.scale <= LARGEST_SCALE


def test_fitted_image_is_wholly_visible_and_in_the_middle():
    view = fitted(CANVAS, IMAGE)
    left, top = view.to_screen(-0.5, -0.5, CANVAS)
    right, bottom = view.to_screen(IMAGE[0] - 0.5, IMAGE[1] - 0.5, CANVAS)
    assert left == pytest.approx(CANVAS[0] - right) and top == pytest.approx(CANVAS[1] - bottom)
    assert 0 < left < 20 and top > 0


def test_image_cannot_be_lost():
    lost = View(1.0, 1e7, -1e7).limited(CANVAS, IMAGE)
    assert (lost.x, lost.y) == (IMAGE[0] - 0.5, -0.5)
    assert View(1e-9).limited(CANVAS, IMAGE).scale == smallest_scale(CANVAS, IMAGE)


def test_moving_by_screen_pixels_moves_the_image_as_far():
    view = View(2.5, 100.0, 100.0)
    x, y = view.to_screen(40.0, 60.0, CANVAS)
    moved = view.moved(30.0, -12.0)
    assert moved.to_screen(40.0, 60.0, CANVAS) == pytest.approx((x + 30.0, y - 12.0))


def test_degenerate_sizes_give_finite_views():
    for canvas in ((0.0, 0.0), (1.0, 1.0), CANVAS):
        for image in ((1.0, 1.0), (30000.0, 200.0), (0.0, 0.0)):
            view = fitted(canvas, image)
            assert math.isfinite(view.scale) and view.scale > 0
