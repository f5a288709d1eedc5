from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.preprocessing.baseline import Method, Parameters, estimate
from nanoai_gui.core.spectra.preprocessing.polynomials import modpoly, snip
from nanoai_gui.core.spectra.preprocessing.whittaker import Curves, airpls, arpls, penalty, solve
from nanoai_gui.core.spectra.synthesis.bands import fluorescence, lorentzians

AXIS = np.arange(120.0, 2740.0, 1.75)


def measured(background: np.ndarray, seed: int = 0) -> np.ndarray:
    """Bands of nanotubes on a background, with shot and read noise: (n, k) float32."""
    random = np.random.default_rng(seed)
    n = background.shape[0]
    height = np.asarray(2500 * random.lognormal(0, 0.5, n))
    light: Curves = background.copy()
    for position, width, share in ((234, 7, 0.5), (1302, 40, 0.06), (1591, 12, 1.0), (2595, 38, 0.3)):
        light += lorentzians(AXIS, np.full(n, float(position)), np.full(n, float(width)), share * height)
    return (random.poisson(light * 8) / 8 + random.normal(0, 5, light.shape)).astype(np.float32)


def broad(n: int) -> np.ndarray:
    random = np.random.default_rng(5)
    ones = np.ones(n)
    return fluorescence(AXIS, random.uniform(1500, 14000, n), 1100 + 200 * ones, 900 * ones, 0.8 * ones)


def curved(n: int) -> np.ndarray:
    random = np.random.default_rng(6)
    ones = np.ones(n)
    return fluorescence(AXIS, random.uniform(1500, 14000, n), 1100 * ones, 500 * ones, 0.8 * ones)


def flat(n: int) -> np.ndarray:
    return np.full((n, AXIS.size), 2000.0)


def error(y: np.ndarray, truth: np.ndarray, **parameters) -> float:
    """Median over the spectra of the root mean square error of the baseline, counts."""
    found = estimate(y, AXIS, Parameters(**parameters))
    return float(np.median(np.sqrt(((found - truth) ** 2).mean(axis=1))))


def test_the_banded_solver_solves_the_equations() -> None:
    random = np.random.default_rng(0)
    for k in (3, 4, 5, 30):
        y, weights = random.normal(size=(k, 4)), random.uniform(0.01, 1, (k, 4))
        penalties = np.array([1e-2, 1.0, 1e3, 1e6])
        z = solve(y, weights, penalties)
        second = np.diff(np.eye(k), 2, axis=0)
        for i in range(4):
            matrix = np.diag(weights[:, i]) + penalties[i] * second.T @ second
            assert np.allclose(z[:, i], np.linalg.solve(matrix, weights[:, i] * y[:, i]), atol=1e-6)


def test_the_period_is_where_waves_are_halved() -> None:
    wave = np.cos(2 * np.pi * AXIS / 200)[:, None]
    z = solve(wave, np.ones_like(wave), np.array([penalty(200.0, AXIS)]))
    inner = slice(400, -400)
    assert z[inner].std() / wave[inner].std() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("name", ["arpls", "airpls", "modpoly"])
def test_baselines_agree_with_an_independent_implementation(name: str) -> None:
    pybaselines = pytest.importorskip("pybaselines")
    y = measured(broad(6)).astype(np.float64)
    fitter = pybaselines.Baseline(AXIS)
    stiffness = penalty(600.0, AXIS)
    penalties = np.full(6, stiffness)
    if name == "modpoly":
        ours = modpoly(y.T, 5)
        theirs = [fitter.modpoly(row, poly_order=5)[0] for row in y]
    else:
        columns = np.ascontiguousarray(y.T)
        ours = (arpls(columns, penalties) if name == "arpls" else airpls(columns, penalties))[0]
        theirs = [getattr(fitter, name)(row, lam=stiffness)[0] for row in y]
    # Both stop when the weights change by 1 in 1000, at heights of thousands of counts.
    assert np.abs(ours.T - np.array(theirs)).max() < 0.5


def test_snip_clips_as_its_definition_says() -> None:
    y = measured(broad(1))[0, :200].astype(np.float64)
    v = np.log(np.log(np.sqrt(y + 1) + 1) + 1)
    for p in range(20, 0, -1):
        before = v.copy()
        for i in range(p, 200 - p):
            v[i] = min(before[i], (before[i - p] + before[i + p]) / 2)
    expected = (np.exp(np.exp(v) - 1) - 1) ** 2 - 1
    assert np.allclose(snip(y[:, None].copy(), 20)[:, 0], expected)


@pytest.mark.parametrize("background", [broad, curved, flat])
def test_the_automatic_setting_is_close_to_the_best_fixed_one(background) -> None:
    truth = background(12)
    y = measured(truth)
    fixed = {period: error(y, truth, method=Method.ARPLS, period=period) for period in (150, 300, 600, 1200)}
    automatic = error(y, truth)
    assert automatic < 1.25 * min(fixed.values())
    assert automatic < 40


def test_a_fixed_setting_that_is_too_stiff_fails_where_the_automatic_does_not() -> None:
    truth = curved(12)
    y = measured(truth)
    assert error(y, truth, method=Method.ARPLS, period=1200) > 10 * error(y, truth)


def test_the_automatic_setting_manages_smooth_exact_and_short_spectra() -> None:
    truth = broad(4)
    smooth = Pipeline.of("smooth").apply_to(measured(truth), AXIS)[0]
    assert error(smooth, truth) < 60
    line = np.tile(np.linspace(100, 400, AXIS.size, dtype=np.float32), (2, 1))
    assert np.abs(estimate(line, AXIS, Parameters()) - line).max() < 0.5
    short = estimate(line[:, :12], AXIS[:12], Parameters())
    assert np.allclose(short, line[:, :12], atol=0.5)


@pytest.mark.parametrize("method", list(Method))
def test_no_method_returns_anything_but_numbers(method: Method) -> None:
    strange = np.stack(
        [np.zeros(AXIS.size), np.full(AXIS.size, -50.0), np.eye(1, AXIS.size, 700)[0] * 6e4]
    ).astype(np.float32)
    assert np.isfinite(estimate(strange, AXIS, Parameters(method=method))).all()


@pytest.mark.parametrize("method", list(Method))
def test_every_method_removes_most_of_the_fluorescence(method: Method) -> None:
    truth = broad(8)
    y = measured(truth)
    share = error(y, truth, method=method) / truth.std(axis=1).mean()
    assert share < 0.25


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ParameterError, match="too few"):
        estimate(np.ones((1, 4), np.float32), AXIS[:4], Parameters())
