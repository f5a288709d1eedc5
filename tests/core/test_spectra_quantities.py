"""Numbers to colour maps by."""

from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.spectra.quantities import Quantity, measure_band, otsu
from nanoai_gui.core.spectra.spectral_set import AxisError, SpectralSet

AXIS = np.linspace(1000.0, 2000.0, 501)


def made() -> SpectralSet:
    """Gaussian bands of area 100, 200 and none, at 1590 and 1600, on a slanting background."""
    sigma, areas, places = 8.0, (100.0, 200.0, 0.0), (1590.0, 1600.0, 1600.0)
    rows = [
        area / (sigma * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((AXIS - place) / sigma) ** 2)
        for area, place in zip(areas, places, strict=True)
    ]
    return SpectralSet((np.array(rows) + 500 - 0.1 * AXIS).astype(np.float32), AXIS)


def test_area_and_height_do_not_count_the_slanting_background() -> None:
    band = (1540.0, 1650.0)
    assert measure_band(made(), Quantity.AREA, band) == pytest.approx([100, 200, 0], abs=0.5)
    top = 200 / (8 * np.sqrt(2 * np.pi))
    assert measure_band(made(), Quantity.HEIGHT, band) == pytest.approx([top / 2, top, 0], abs=0.02)


def test_the_position_is_that_of_the_top() -> None:
    found = measure_band(made(), Quantity.POSITION, (1540.0, 1650.0))
    assert found[:2] == pytest.approx([1590, 1600], abs=2)


def test_the_mean_is_plain_and_needs_no_band() -> None:
    expected = made().intensities.astype(float).mean(axis=1)
    assert measure_band(made(), Quantity.TOTAL) == pytest.approx(expected)


def test_a_band_beside_the_spectra_is_refused() -> None:
    with pytest.raises(AxisError, match="holds no 3 points"):
        measure_band(made(), Quantity.AREA, (2500.0, 2600.0))


def test_otsu_parts_two_heaps_and_bears_what_is_no_number() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(10, 1, 300), rng.normal(50, 3, 100), [np.nan]])
    assert 13 < otsu(values) < 43
    assert np.isnan(otsu(np.array([np.nan])))
    assert otsu(np.full(5, 3.0)) == 3.0
