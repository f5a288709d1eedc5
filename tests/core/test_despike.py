"""Spikes are found, bands are spared: measured on sharp real shapes with spikes whose place is known."""

from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.preprocessing.despike import Parameters, apply, find_spikes
from nanoai_gui.core.spectra.spectral_set import MapGrid, SpectralSet
from tests.shared_data import shared_data

AXIS = np.arange(100.0, 2750.0, 1.75)
SHARP = ((205, 6, 0.4), (226, 5, 0.6), (234, 5.5, 0.8), (267, 5, 0.3), (1560, 12, 0.3), (1591, 7, 1.0))
"""Position, width and height of bands as sharp as any in solution: 5 cm-1 are 2.9 channels."""


def light(n: int, random: np.random.Generator, shift: float = 2.0) -> np.ndarray:
    """Sharp bands at any place between the channels, on fluorescence: (n, k) counts."""
    height = 2000 * random.lognormal(0, 0.7, (n, 1))
    moved = random.uniform(-shift, shift, (n, 1))
    total = np.full((n, AXIS.size), 0.0)
    for position, width, share in (*SHARP, (1302, 40, 0.08), (2595, 35, 0.3)):
        total += share * height / (1 + ((AXIS - position - moved) * 2 / width) ** 2)
    return total + random.uniform(100, 4000, (n, 1)) * np.exp(-(((AXIS - 1000) / 1200) ** 2))


def camera(expected: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return (random.poisson(expected) + random.normal(0, 5, expected.shape)).astype(np.float32)


def with_spikes(clean: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One spike in each spectrum, one to three channels wide, anywhere: (n, k) and (n,) channels."""
    spiked = clean.copy()
    at = np.asarray(random.integers(3, AXIS.size - 3, clean.shape[0]))
    for row, channel in enumerate(at):
        energy = np.exp(random.normal(np.log(3000), 0.5))
        for offset, share in zip((0, 1, -1), random.dirichlet((4, 0.8, 0.8)), strict=True):
            spiked[row, channel + offset] += energy * share
    return spiked, at


def near_band(channels: np.ndarray, reach: float = 12) -> np.ndarray:
    return np.array([any(abs(AXIS[c] - p) < reach for p, _, _ in SHARP) for c in channels])


def test_spikes_are_found_and_sharp_bands_are_spared() -> None:
    random = np.random.default_rng(1)
    clean = camera(light(600, random), random)
    assert find_spikes(clean, AXIS, Parameters()).sum() <= 5, "no spike: at most 5 of 900 000 channels"
    spiked, at = with_spikes(clean, random)
    marked = find_spikes(spiked, AXIS, Parameters())
    rows = np.arange(600)
    found = marked[rows, at] | marked[rows, at - 1] | marked[rows, at + 1]
    away = ~near_band(at)
    height = (spiked - clean)[rows, at] / np.sqrt(clean[rows, at] + 25)
    assert found[away].mean() >= 0.94
    assert found[away & (height > 20)].mean() >= 0.96, "of those of more than 20 times the noise"
    assert found.mean() >= 0.93, "those upon the flanks of sharp bands counted"
    for offset in range(-3, 4):
        marked[rows, at + offset] = False
    assert marked.sum() <= 5


def test_repaired_spectra_are_as_they_were() -> None:
    random = np.random.default_rng(2)
    clean = camera(light(300, random), random)
    spiked, at = with_spikes(clean, random)
    repaired, _ = apply(spiked, AXIS, Parameters())
    away = ~near_band(at)
    noise = np.sqrt(clean.max(axis=1))
    left = np.abs(repaired - clean).max(axis=1) / noise
    assert np.median(left[away]) < 4 and np.percentile(left[away], 95) < 15
    assert np.percentile(np.abs(spiked - clean).max(axis=1)[away] / noise[away], 50) > 20
    untouched = np.ones(spiked.shape, bool)
    for offset in range(-4, 5):
        untouched[np.arange(300), np.clip(at + offset, 0, AXIS.size - 1)] = False
    assert (repaired[untouched] != spiked[untouched]).mean() < 1e-5


def test_plain_modified_z_scores_would_hit_the_bands() -> None:
    """The reason for more than Whitaker and Hayes' rule: it marks the G band in most of these spectra."""
    random = np.random.default_rng(3)
    clean = camera(light(100, random), random)
    slopes = np.diff(clean, axis=1)
    centred = slopes - np.median(slopes, axis=1, keepdims=True)
    z = 0.6745 * centred / np.median(np.abs(centred), axis=1, keepdims=True)
    g_band = (AXIS[:-1] > 1580) & (AXIS[:-1] < 1602)
    assert (np.abs(z) > 6)[:, g_band].any(axis=1).mean() > 0.5
    assert not find_spikes(clean, AXIS, Parameters())[:, :-1][:, g_band].any()


def test_dead_channels_are_filled_unless_unwanted() -> None:
    random = np.random.default_rng(4)
    dead = camera(light(50, random), random)
    dead[:, [400, 1200]] = 0
    filled, _ = apply(dead, AXIS, Parameters())
    for channel in (400, 1200):
        beside = (dead[:, channel - 1] + dead[:, channel + 1]) / 2
        bright = beside > 800
        assert np.abs(filled[bright, channel] / beside[bright] - 1).max() < 0.2
    kept, _ = apply(dead, AXIS, Parameters(dips=False))
    assert not kept[:, [400, 1200]].any()


def test_on_a_map_a_line_that_the_next_pixels_show_is_spared() -> None:
    random = np.random.default_rng(5)
    expected = np.full((25, AXIS.size), 300.0)
    # As sharp as the slit allows, and sharper than the narrowest band set: one channel and a half.
    expected += 4000 / (1 + ((AXIS - 520.4) * 2 / 2.6) ** 2)
    counts = camera(expected, random)
    counts[12, 900] += 5000
    grid = MapGrid(5, 5, np.arange(25))
    line = int(np.argmin(np.abs(AXIS - 520.4)))
    steps = Pipeline.of("despike")
    on_map = steps.apply(SpectralSet(counts, AXIS, grid=grid)).intensities
    alone = steps.apply(SpectralSet(counts, AXIS)).intensities
    assert np.array_equal(on_map[:, line - 3 : line + 4], counts[:, line - 3 : line + 4])
    assert (alone[:, line] < 0.5 * counts[:, line]).mean() > 0.9, "by itself, it looks like a spike"
    assert on_map[12, 900] < 500


def test_exact_and_short_spectra_do_no_harm() -> None:
    for values in (np.zeros((2, 50)), np.full((2, 50), 7.0), np.ones((2, 1)), np.ones((3, 5))):
        given = values.astype(np.float32)
        made, _ = apply(given, np.arange(given.shape[1], dtype=np.float64), Parameters())
        assert np.array_equal(made, given)


@pytest.mark.parametrize(
    "name", ["raman/chondrocyte_map/chondro.npz", "raman/saliva_covid/covid_dataset.npz"]
)
def test_real_spectra_are_hardly_touched(name: str) -> None:
    with np.load(shared_data(name), allow_pickle=False) as data:
        counts = data["spectra"][:800]
        axis = np.array(data["raman_shift"].reshape(-1, counts.shape[1])[0], np.float64)
    marked = find_spikes(counts, axis, Parameters())
    assert marked.mean() < 4e-4
