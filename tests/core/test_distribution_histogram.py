from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoai_gui.core.tem.distribution import (
    Sample,
    Scale,
    Weighting,
    bin_edges,
    cumulative,
    histogram,
    lognormal_cumulative,
    lognormal_density,
)

GRID = 20 * np.exp(math.log(1.4) * scipy.stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000))


@pytest.mark.parametrize("scale", ["log", "linear"])
@pytest.mark.parametrize("weighting", ["number", "volume"])
def test_bars_follow_the_lognormal_curve(scale: Scale, weighting: Weighting) -> None:
    bars = histogram(Sample.of_diameters(GRID), weighting, scale)
    assert bars.fraction.sum() == pytest.approx(1)
    share = np.diff(lognormal_cumulative(bars.edges, 20, 1.4, weighting))
    np.testing.assert_allclose(bars.fraction, share, atol=1e-3)
    fine = np.linspace(1, 200, 40_001)
    density = lognormal_density(fine, 20, 1.4, weighting, scale)
    assert np.trapezoid(density, np.log(fine) if scale == "log" else fine) == pytest.approx(1, abs=1e-4)
    middle = np.sqrt(bars.edges[:-1] * bars.edges[1:])
    at_middle = lognormal_density(middle, 20, 1.4, weighting, scale)
    assert np.max(np.abs(bars.density - at_middle)) < 0.05 * at_middle.max()


def test_weights_of_two_particles() -> None:
    sample = Sample.of_diameters([10.0, 20.0])
    edges = np.array([5.0, 15.0, 25.0])
    np.testing.assert_allclose(histogram(sample, "number", "linear", edges).fraction, [1 / 2, 1 / 2])
    by_volume = histogram(sample, "volume", "linear", edges)
    np.testing.assert_allclose(by_volume.fraction, [1 / 9, 8 / 9])
    np.testing.assert_array_equal(by_volume.counts, [1, 1])
    np.testing.assert_allclose(by_volume.density, [1 / 90, 8 / 90])


def test_an_edge_belongs_to_the_bar_above_and_outsiders_to_the_ends() -> None:
    bars = histogram(Sample.of_diameters([1.0, 10, 20, 99]), edges=np.array([10.0, 20, 30]))
    np.testing.assert_array_equal(bars.bins, [0, 0, 1, 1])
    np.testing.assert_array_equal(bars.in_bar(1), [2, 3])


@settings(deadline=None, max_examples=80)
@given(st.lists(st.floats(1e-2, 1e5), min_size=1, max_size=80), st.sampled_from(["log", "linear"]))
def test_chosen_edges_hold_every_particle(d: list[float], scale: Scale) -> None:
    sample = Sample.of_diameters(d)
    edges = bin_edges(sample, scale)
    assert np.all(np.diff(edges) > 0)
    assert edges[0] <= min(d) * (1 + 1e-9)
    assert edges[-1] >= max(d) * (1 - 1e-9)
    assert len(edges) < 140
    assert histogram(sample, scale=scale).counts.sum() == len(d)


def test_bars_stay_while_results_grow() -> None:
    rng = np.random.default_rng(0)
    d = rng.lognormal(3, 0.4, 2000)
    held = bin_edges(Sample.of_diameters(d[:200]))
    for n in (300, 700, 2000):
        grown = bin_edges(Sample.of_diameters(d[:n]), held=held)
        first = int(np.argmin(np.abs(grown - held[0])))
        np.testing.assert_allclose(grown[first : first + len(held)], held)
        assert grown[0] <= d[:n].min()
        assert grown[-1] > d[:n].max()
        held = grown
    # What has become far too fine is not kept at any price.
    assert len(bin_edges(Sample.of_diameters([*d, 1e-3, 1e30]), held=held)) < 400


def test_chosen_edges_do_not_depend_on_where_the_sample_starts() -> None:
    rng = np.random.default_rng(1)
    a = bin_edges(Sample.of_diameters(rng.lognormal(3, 0.3, 500)))
    b = bin_edges(Sample.of_diameters(rng.lognormal(3, 0.3, 500)))
    both = np.intersect1d(np.round(a, 9), np.round(b, 9))
    assert len(both) >= min(len(a), len(b)) - 6


@pytest.mark.parametrize("d", [[], [7.0], [7.0, 7.0], [7.0, 9.0], [1e-3, 1e6]])
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_small_and_degenerate_samples(d: list[float], scale: Scale) -> None:
    bars = histogram(Sample.of_diameters(d), scale=scale)
    assert bars.counts.sum() == len(d)
    assert len(bars.edges) == len(bars.counts) + 1


def test_the_cumulative_curve_is_the_undersize() -> None:
    sample = Sample.of_diameters([30.0, 10.0, 20.0])
    d, share = cumulative(sample)
    np.testing.assert_allclose(d, [10, 20, 30])
    np.testing.assert_allclose(share, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(cumulative(sample, "volume")[1], [1 / 36, 9 / 36, 1])
    assert [len(column) for column in cumulative(Sample.of_diameters([]))] == [0, 0]


def test_the_curve_needs_a_width() -> None:
    with pytest.raises(ValueError, match="above 1"):
        lognormal_density(np.array([1.0]), 20, 1.0)
