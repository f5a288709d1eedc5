from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nanoai_gui.core.tem.agglomerates import TOUCHES_BORDER
from nanoai_gui.core.tem.distribution import Sample, combine, common_unit, describe, histogram, pool, take
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult
from tests.core.analyses import Disc, make_analysis

FIRST = make_analysis(
    [
        Disc(2, 20, 20, 9, (10.0, 12.0)),
        Disc(5, 60, 20, 9, (14.0,)),
        Disc(7, 0, 60, 9, excluded=TOUCHES_BORDER),
    ],
    nm_per_px=2.0,
)
SECOND = make_analysis(
    [Disc(1, 30, 30, 12, excluded="more than 5 particles"), Disc(2, 80, 50, 9, (30.0,))],
    path="images/b.tif",
    nm_per_px=0.5,
)
UNCALIBRATED = make_analysis([Disc(1, 30, 30, 12, (8.0,))], path="images/c.tif")


def test_pooling_converts_every_image_with_its_own_pixel_size() -> None:
    sample = pool([FIRST, SECOND], "watershed", "nm", keys=["a", "b"])
    np.testing.assert_allclose(sample.diameters, [20, 24, 28, 15])
    np.testing.assert_array_equal(sample.groups, [0, 0, 1, 2])
    np.testing.assert_array_equal(sample.image_index, [0, 0, 0, 1])
    np.testing.assert_array_equal(sample.particle_ids, [1, 2, 3, 1])
    assert sample.images == ("a", "b")
    assert sample.excluded_reasons == (TOUCHES_BORDER, "more than 5 particles")
    np.testing.assert_allclose(pool([FIRST, SECOND], "watershed", "px").diameters, [10, 12, 14, 30])


def test_counts_and_excluded_share() -> None:
    d = describe(pool([FIRST, SECOND], "watershed", "nm"))
    assert (d.n_images, d.n_agglomerates, d.n_particles, d.n_excluded) == (2, 3, 4, 2)
    assert d.excluded_reasons == {TOUCHES_BORDER: 1, "more than 5 particles": 1}
    a, b = FIRST.agglomerates.area_px * 4.0, SECOND.agglomerates.area_px * 0.25
    assert d.excluded_area_fraction == pytest.approx((a[2] + b[0]) / (a.sum() + b.sum()))


def test_by_hand_only_agglomerates_that_a_person_drew_in_count() -> None:
    by_hand = replace(FIRST.results["watershed"], method="manual")
    by_hand = replace(
        by_hand, particles=by_hand.particles.select(np.array([2])), n_particles=np.array([0, 1, 0], np.int32)
    )
    d = describe(take(replace(FIRST, results={"manual": by_hand}), "manual", "nm"))
    assert (d.n_agglomerates, d.n_particles, d.n_excluded) == (1, 1, 0)


def test_particles_of_one_size_deviate_by_nothing() -> None:
    d = describe(Sample.of_diameters(np.full(3, 558.4) * (1 + np.array([0, 1e-16, 3e-16]))))
    assert d.sd == 0.0 and d.mean == pytest.approx(558.4)
    assert describe(Sample.of_diameters([1.0, 1.001])).sd > 0


def test_images_of_unknown_pixel_size_are_left_out_of_nm_and_named() -> None:
    sample = pool([FIRST, UNCALIBRATED], "watershed", "nm", keys=["a", "c"])
    assert sample.images == ("a",)
    assert sample.uncalibrated == ("c",)
    assert len(sample) == 3
    assert len(pool([FIRST, UNCALIBRATED], "watershed", "px")) == 4
    assert common_unit([FIRST, SECOND]) == "nm"
    assert common_unit([FIRST, UNCALIBRATED]) == "px"
    assert common_unit([]) == "px"


def test_a_bar_leads_back_to_its_particles() -> None:
    sample = pool([FIRST, SECOND], "watershed", "nm", keys=["a", "b"])
    bars = histogram(sample, edges=np.array([10.0, 18.0, 22.0, 40.0]))
    found = [
        {(sample.images[sample.image_index[row]], int(sample.particle_ids[row])) for row in bars.in_bar(bar)}
        for bar in range(3)
    ]
    assert found == [{("b", 1)}, {("a", 1)}, {("a", 2), ("a", 3)}]


def test_particles_outside_agglomerates_are_groups_of_their_own() -> None:
    p = FIRST.results["watershed"].particles
    free = Particles.from_circles([2, 0, 99, 7], [20, 90, 95, 0], [20, 80, 80, 60], [5.0, 6.0, 7.0, 8.0])
    result = FIRST.results["watershed"]
    edited = SizingResult(
        "watershed", free, result.agglomerate_ids, result.n_particles, result.probabilities, result.excluded
    )
    analysis = make_analysis([Disc(2, 20, 20, 9), Disc(5, 60, 20, 9), Disc(7, 0, 60, 9)])
    analysis = type(analysis)(**{**analysis.__dict__, "results": {"watershed": edited}})
    sample = take(analysis, "watershed", "px")
    # The one in the excluded agglomerate 7 does not count.
    np.testing.assert_allclose(sample.diameters, [10, 12, 14])
    np.testing.assert_array_equal(sample.groups, [0, 2, 3])
    both = combine([sample, take(FIRST, "watershed", "px"), sample])
    np.testing.assert_array_equal(both.groups, [0, 6, 7, 2, 2, 3, 4, 8, 9])
    assert both.n_agglomerates == 6
    assert len(p) == 3


def test_a_minimum_score_keeps_particles_without_score() -> None:
    particles = Particles.from_circles([2, 2, 5], [20, 20, 60], [20, 20, 20], [5, 6, 7], [0.2, np.nan, 0.9])
    result = FIRST.results["watershed"]
    scored = SizingResult(
        "watershed",
        particles,
        result.agglomerate_ids,
        result.n_particles,
        result.probabilities,
        result.excluded,
    )
    analysis = type(FIRST)(**{**FIRST.__dict__, "results": {"watershed": scored}})
    np.testing.assert_allclose(take(analysis, "watershed", "px", minimum_score=0.5).diameters, [12, 14])
    assert len(take(analysis, "watershed", "px")) == 3


def test_nothing_to_pool_is_an_empty_sample() -> None:
    for analyses in ([], [FIRST]):
        sample = pool(analyses, "hough", "nm")
        assert (len(sample), sample.method, sample.unit, sample.images) == (0, "hough", "nm", ())


def test_unlike_samples_are_not_joined() -> None:
    with pytest.raises(ValueError, match="one unit"):
        combine([Sample.of_diameters([1.0], unit="px"), Sample.of_diameters([1.0], unit="nm")])
    with pytest.raises(ValueError, match="px"):
        Sample.of_diameters([1.0], unit="nm").scaled(2)
