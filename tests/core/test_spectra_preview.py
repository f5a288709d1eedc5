"""What preprocessing makes of one spectrum, and its clearest peaks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import peak_prominences

from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.preview import _prominence, find_peaks, preview

AXIS = np.linspace(500.0, 1800.0, 651)


def made(noise: float) -> np.ndarray:
    rng = np.random.default_rng(5)
    bands = sum(h * np.exp(-(((AXIS - c) / 12) ** 2)) for c, h in ((1004, 40), (1450, 80), (1660, 60)))
    return (bands + 0.02 * AXIS + rng.normal(0, noise, AXIS.size)).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_bands_are_found_and_noise_is_not(noise: float) -> None:
    found = AXIS[find_peaks(made(noise), AXIS)]
    assert found.size == 3
    assert np.allclose(found, (1004, 1450, 1660), atol=4)


def test_prominence_is_that_of_scipy() -> None:
    values = np.random.default_rng(2).normal(size=200).cumsum()
    tops = np.flatnonzero((values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])) + 1
    expected = peak_prominences(values, tops)[0]
    assert np.allclose([_prominence(values, int(top)) for top in tops], expected)


@pytest.mark.parametrize("values", [np.zeros(651), np.full(651, np.nan)])
def test_nothing_is_found_where_there_is_nothing(values: np.ndarray) -> None:
    assert find_peaks(values.astype(np.float32), AXIS).size == 0


def test_a_preview_follows_the_spectrum_and_the_averages() -> None:
    spectrum = made(1.0)
    pipeline = Pipeline.of(("crop", {"low": 900, "high": 1700}), "normalise")
    found = preview(pipeline, spectrum, np.stack([spectrum, 2 * spectrum]), AXIS)
    assert [trace.name for trace in found.traces] == ["crop", "normalise"]
    assert found.axis[0] >= 900
    assert np.allclose(found.after, found.averages[0])
    assert np.allclose(found.averages[0], found.averages[1], atol=1e-6)
    nothing = preview(Pipeline(), spectrum, np.zeros((0, 651), np.float32), AXIS)
    assert nothing.averages.shape == (0, 651)
    assert np.array_equal(nothing.after, spectrum)
