"""Matching with the truth, and what is made of it."""

from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.tem.evaluation import (
    Circles,
    Comparison,
    accuracy,
    circle_iou,
    compare,
    gmd_gsd,
    lens_area,
    match_circles,
)


def circles(*rows: tuple[float, float, float]) -> Circles:
    x, y, d = np.array(rows, dtype=float).reshape(-1, 3).T
    return Circles(x, y, d)


def one(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_lens_area_of_known_circles() -> None:
    assert lens_area(one(3), one(1), one(1))[0] == 0
    assert lens_area(one(0.2), one(5), one(1))[0] == pytest.approx(np.pi)
    # Two unit circles through each other's centres: 2 pi / 3 - sqrt(3) / 2.
    assert lens_area(one(1), one(1), one(1))[0] == pytest.approx(2 * np.pi / 3 - np.sqrt(3) / 2)
    assert circle_iou(one(0), one(1), one(2))[0] == pytest.approx(0.25)


def test_lens_area_agrees_with_pixels() -> None:
    y, x = np.mgrid[:400, :400]
    both = (np.hypot(x - 150, y - 200) < 100) & (np.hypot(x - 270, y - 200) < 60)
    assert lens_area(one(120), one(100), one(60))[0] == pytest.approx(both.sum(), rel=0.01)


def test_each_circle_is_matched_once_and_the_best_one_wins() -> None:
    true = circles((0, 0, 10), (20, 0, 10), (100, 0, 10))
    found = circles((1, 0, 10), (0.2, 0, 10), (20, 0, 14), (103, 0, 5))
    mine, theirs = match_circles(true, found)
    assert dict(zip(mine.tolist(), theirs.tolist(), strict=True)) == {0: 1, 1: 2}


def test_nothing_matches_nothing() -> None:
    empty = circles()
    assert len(match_circles(empty, circles((0, 0, 1)))[0]) == 0
    assert len(match_circles(circles((0, 0, 1)), empty)[0]) == 0


def test_comparison_goes_agglomerate_by_agglomerate() -> None:
    true, found = circles((0, 0, 10), (10, 0, 10), (50, 0, 8)), circles((0, 0, 10), (50, 0, 8), (90, 0, 5))
    result = compare(true, np.array([1, 1, 2]), found, np.array([1, 2, 0]))
    assert [(len(c.true), len(c.found), c.n_matched) for c in result] == [(0, 1, 0), (2, 1, 1), (1, 1, 1)]
    a = accuracy(result, n_bootstrap=200)
    assert (a.n_agglomerates, a.n_true, a.n_found) == (2, 3, 3)
    assert a.precision == a.recall == a.f1 == pytest.approx(2 / 3)
    assert a.exact_count == 0.5
    assert a.singles_as_one == 1


def test_errors_are_signed_and_relative() -> None:
    rng = np.random.default_rng(0)
    true = np.exp(rng.normal(np.log(20), np.log(1.3), (200, 3)))
    wide = [Comparison(t, 1.1 * t, 3) for t in true]
    a = accuracy(wide, n_bootstrap=300)
    assert a.gmd_error == pytest.approx(0.1)
    assert a.gsd_error == pytest.approx(0)
    assert a.gmd_ci95 == pytest.approx((0.1, 0.1))
    fewer = [Comparison(t, t[1:], 2) for t in true]
    b = accuracy(fewer, n_bootstrap=300)
    assert b.gmd_ci95[0] < b.gmd_error < b.gmd_ci95[1]
    assert b.exact_count == 0
    assert np.isnan(b.singles_as_one)
    assert accuracy(fewer, n_bootstrap=300) == b or np.isnan(b.singles_as_one)


def test_the_interval_covers_the_error_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(100):
        sample = [
            Comparison(t, t * np.exp(rng.normal(0, 0.1, len(t))), 0)
            for t in (np.exp(rng.normal(3, 0.3, rng.integers(1, 6))) for _ in range(40))
        ]
        low, high = accuracy(sample, n_bootstrap=200, seed=2).gmd_ci95
        inside += low <= 0 <= high
    assert 86 <= inside <= 100


def test_no_particles_give_no_numbers_and_no_warning() -> None:
    assert all(np.isnan(v) for v in gmd_gsd(np.empty(0)))
    nothing = accuracy([])
    assert nothing.n_true == 0
    assert np.isnan(nothing.gmd_error)
    missed = accuracy([Comparison(np.array([10.0, 12.0]), np.empty(0), 0)], n_bootstrap=20)
    assert missed.recall == 0
    assert np.isnan(missed.gmd_error)
