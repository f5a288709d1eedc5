from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.optimize import curve_fit

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.files.spectra import read_spectra
from nanoai_gui.core.spectra.fitted_bands import FITTED_BANDS, Fit, find_band
from nanoai_gui.core.spectra.peaks import (
    GRAPHENE_WINDOWS,
    NANOTUBE_WINDOWS,
    QUANTITIES,
    Band,
    Window,
    fit_bands,
    within_reach,
)
from nanoai_gui.core.spectra.spectral_set import AxisError, MapGrid, SpectralSet
from tests.shared_data import shared_data

AXIS = np.arange(100.0, 2750.0, 1.75)
G_PAIR = NANOTUBE_WINDOWS[2]


def lorentzian(x: np.ndarray, position: float, height: float, width: float) -> np.ndarray:
    return height / (1 + ((x - position) * 2 / width) ** 2)


def tubes(n: int, seed: int = 0, noise: float = 20.0) -> tuple[SpectralSet, dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    truth = {
        "position": random.uniform(1587, 1595, n), "height": random.uniform(400, 4000, n),
        "width": random.uniform(8, 15, n), "d": random.uniform(0.05, 0.3, n),
    }  # fmt: skip
    y = np.empty((n, AXIS.size))
    for i in range(n):
        height = truth["height"][i]
        y[i] = 500 - 0.05 * AXIS
        y[i] += lorentzian(AXIS, truth["position"][i], height, truth["width"][i])
        y[i] += lorentzian(AXIS, 1561, 0.25 * height, 16) + lorentzian(AXIS, 2595, 0.3 * height, 38)
        y[i] += lorentzian(AXIS, 1302, truth["d"][i] * height, 40)
        for position, share in ((205, 0.2), (234, 0.5), (267, 0.15)):
            y[i] += lorentzian(AXIS, position, share * height, 8)
    y += random.normal(0, noise, y.shape)
    return SpectralSet(y.astype(np.float32), AXIS), truth


def test_fits_find_the_truth_within_their_errors() -> None:
    spectra, truth = tubes(300)
    fits = fit_bands(spectra)
    for quantity in ("position", "height", "width"):
        value, error = fits.values["G+", quantity], fits.errors["G+", quantity]
        pull = (value - truth[quantity]) / error
        assert np.isfinite(pull).all()
        assert 0.8 < 1.4826 * np.median(np.abs(pull)) < 1.25, quantity
        assert abs(np.median(pull)) < 0.5, quantity
    area = np.pi / 2 * truth["height"] * truth["width"]
    assert np.median(np.abs(fits.values["G+", "area"] / area - 1)) < 0.02
    assert np.abs(fits.values["RBM", "position"] - 234).max() < 1
    assert np.median(np.abs(fits.values["G'", "position"] - 2595)) < 0.5


def test_ratio_of_d_to_g_with_its_error() -> None:
    spectra, truth = tubes(300, seed=1)
    value, error = fit_bands(spectra).ratio()
    pull = (value - truth["d"]) / error
    # The far wings of RBM and G' lie under D, a few per mille of G.
    assert np.median(np.abs(value - truth["d"])) < 0.01
    assert 0.7 < 1.4826 * np.median(np.abs(pull)) < 1.5


def test_fits_and_errors_agree_with_scipy() -> None:
    spectra, _ = tubes(5, seed=2)
    fits = fit_bands(spectra, (G_PAIR,))
    low, high = G_PAIR.low, G_PAIR.high
    inside = np.logical_and(low <= AXIS, high >= AXIS)
    x = AXIS[inside]

    def model(x, p0, h0, w0, p1, h1, w1, left, slope):
        return lorentzian(x, p0, h0, w0) + lorentzian(x, p1, h1, w1) + left + slope * (x - x[0])

    for i in range(5):
        start = [1561, 500, 16, 1591, 2000, 12, 400, 0]
        found, covariance = curve_fit(model, x, spectra.intensities[i, inside].astype(float), start)
        errors = np.sqrt(np.diag(covariance))
        for band, first in (("G-", 0), ("G+", 3)):
            for quantity, at in (("position", first), ("height", first + 1), ("width", first + 2)):
                assert fits.values[band, quantity][i] == pytest.approx(found[at], abs=0.03 * errors[at])
                assert fits.errors[band, quantity][i] == pytest.approx(errors[at], rel=0.02)


def test_a_band_that_is_not_there_has_no_position() -> None:
    random = np.random.default_rng(3)
    noise = random.normal(300, 20, (50, AXIS.size)).astype(np.float32)
    fits = fit_bands(SpectralSet(noise, AXIS))
    assert np.isnan(fits.values["G+", "position"]).mean() > 0.9
    assert np.isfinite(fits.values["G+", "height"]).all()
    assert np.isnan(fits.ratio()[0]).mean() > 0.9


def test_strange_spectra_give_no_nonsense() -> None:
    strange = np.stack(
        [np.zeros(AXIS.size), np.full(AXIS.size, 65535.0), np.arange(AXIS.size) * 64.0]
    ).astype(np.float32)
    fits = fit_bands(SpectralSet(strange, AXIS))
    for band in fits.bands:
        there = np.isfinite(fits.values[band, "position"])
        assert np.abs(fits.values[band, "height"][there]).max(initial=0) < 1e-6, "no more than rounding"


def test_maps_and_columns_of_results() -> None:
    spectra, _ = tubes(5)
    fits = fit_bands(spectra)
    grid = MapGrid(2, 3, np.array([0, 1, 2, 3, 5]))
    picture = fits.picture(grid, "G+", "position")
    assert picture.shape == (2, 3) and np.isnan(picture[1, 1])
    assert picture[1, 2] == fits.values["G+", "position"][4]
    columns = fits.columns()
    assert {"G+ position", "G+ position error", "RBM area", "D/G", "D/G error"} <= set(columns)
    assert len(columns) == 2 * len(QUANTITIES) * len(fits.bands) + 2


def test_only_windows_that_the_spectra_cover_are_fitted() -> None:
    spectra, _ = tubes(2)
    fits = fit_bands(spectra.crop(1250, 1800))
    assert fits.bands == ("D", "G-", "G+")
    with pytest.raises(AxisError, match="none of the bands"):
        fit_bands(spectra.crop(700, 1100))


def test_a_window_that_the_spectra_cover_in_part_is_fitted_as_far_as_it_goes() -> None:
    spectra, truth = tubes(100, seed=4)
    whole, cut = fit_bands(spectra), fit_bands(spectra.crop(1262, 1602))
    assert cut.bands == ("D", "G-", "G+")
    assert "is looked for from 1583 to 1596 cm⁻¹ only" in cut.notes["G+"]
    assert "is looked for from 1282 to 1360 cm⁻¹ only" in cut.notes["D"]
    assert "but the spectra reach from" in cut.notes["RBM"] and "2540 and 2680" in cut.notes["G'"]
    inside = truth["position"] < 1593
    error = np.abs(cut.values["G+", "position"] - truth["position"])[inside]
    assert np.nanmedian(error) < 0.3 and np.isfinite(error).mean() > 0.9
    assert np.nanmedian(np.abs(cut.ratio()[0] - truth["d"])[inside]) < 0.03
    less = cut.errors["G+", "width"][inside] > whole.errors["G+", "width"][inside]
    assert less.mean() > 0.9, "less is known, and said to be"
    assert np.isnan(cut.values["G+", "position"][truth["position"] > 1596.5]).all(), "not made up at the edge"
    assert not whole.notes


def test_a_band_whose_range_is_mostly_outside_is_left_out_alone() -> None:
    spectra, _ = tubes(3)
    fits = fit_bands(spectra.crop(205, 400))
    assert fits.bands == ("RBM", "RBM high") and "190 and 214" in fits.notes["RBM low"]
    coarse = SpectralSet(spectra.intensities[:, ::20], AXIS[::20])
    kept, notes = within_reach(coarse.axis, NANOTUBE_WINDOWS)
    assert not kept and "too few points around D (6)" in notes["D"]


def test_fitted_numbers_of_maps() -> None:
    spectra, truth = tubes(60, seed=5)
    axis = np.arange(1250.0, 1800.0)
    reach = {band.title: band.reach(axis) for bands in FITTED_BANDS.values() for band in bands}
    assert {title for title, (can, _) in reach.items() if can} == {
        "D/G⁺", "G⁺", "G⁻", "D", "Graphene D/G", "Graphene D", "Graphene G",
    }  # fmt: skip
    assert "2D lies between" in reach["Graphene 2D/G"][1] and not reach["G⁺"][1]
    fits = fit_bands(spectra)
    ratio, band = find_band("D/G⁺"), find_band("G⁺")
    assert ratio is not None and band is not None and find_band("X") is None
    for fit, truly in ((Fit(ratio, "width"), truth["d"]), (Fit(band, "width"), truth["width"])):
        assert np.nanmedian(np.abs(fit.values(fits) / truly - 1)) < 0.1
    noisy, truth = tubes(60, seed=6, noise=300)
    shown = np.isfinite(Fit(ratio, "width").values(fit_bands(noisy)))
    assert shown[truth["height"] > 2500].mean() > 0.8
    assert shown[truth["height"] < 700].mean() < 0.2, "not where G is hardly there"
    assert (Fit(ratio, "width").unit, Fit(band, "width").unit) == ("", "cm⁻¹")
    assert (Fit(ratio, "width").title, Fit(band, "width").title) == ("D/G⁺", "G⁺ width")


def test_bands_that_make_no_sense_are_refused() -> None:
    spectra, _ = tubes(1)
    with pytest.raises(ParameterError, match="Two bands"):
        fit_bands(spectra, (G_PAIR, G_PAIR))
    with pytest.raises(ParameterError, match="does not lie"):
        fit_bands(spectra, (Window(1200, 1400, (Band("D", 1300, 1500, 40),)),))


def test_it_stops_and_it_is_quick_enough_for_maps() -> None:
    spectra, _ = tubes(600)
    with pytest.raises(OperationCancelled):
        fit_bands(spectra, cancelled=lambda: True)
    start = time.process_time()
    fit_bands(spectra)
    # Measured: 2000 spectra/s, all six bands; a map of 10 000 pixels must not take minutes anywhere.
    assert 600 / (time.process_time() - start) > 200


def test_real_films_of_nanotubes_have_the_bands_of_the_literature() -> None:
    """514 nm: D 1340-1350, G- 1560-1577, G+ 1590-1599 cm-1."""
    (folder,) = shared_data("raman/swcnt_films").iterdir()
    spectra = read_spectra(folder / "RamanFilmSamples_GDBand_514nm.csv")[0]
    fits = fit_bands(spectra)
    for band, low, high in (("D", 1340, 1350), ("G-", 1560, 1577), ("G+", 1590, 1599)):
        position = fits.values[band, "position"]
        there = np.isfinite(position)
        assert there.mean() > 0.6
        assert ((position[there] > low) & (position[there] < high)).all()


def test_a_real_map_of_graphene_gives_complete_maps_of_its_bands() -> None:
    spectra = read_spectra(shared_data("raman/graphene_map/Example_Map.wdf"))[0]
    fits = fit_bands(spectra, GRAPHENE_WINDOWS)
    assert spectra.grid is not None
    for band, middle in (("D", 1345), ("G", 1589), ("2D", 2691)):
        picture = fits.picture(spectra.grid, band, "position")
        assert picture.shape == (23, 23)
        assert np.isfinite(picture).mean() > 0.98
        assert np.nanmedian(picture) == pytest.approx(middle, abs=3)
