from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ParameterError, ReadError
from nanoai_gui.core.spectra.preprocessing import PRESETS, STEPS, Pipeline, get_preset, get_step
from nanoai_gui.core.spectra.preprocessing import pipeline as pipeline_module
from nanoai_gui.core.spectra.preprocessing.pipeline import next_pixels
from nanoai_gui.core.spectra.spectral_set import AxisError, MapGrid, SpectralSet

AXIS = np.arange(100.0, 2750.0, 1.75)


def spectra(n: int = 40, seed: int = 0, axis: np.ndarray = AXIS) -> SpectralSet:
    """Two bands on a slope, with shot noise."""
    random = np.random.default_rng(seed)
    size = random.uniform(500, 2000, (n, 1))
    clean = size * (
        1 / (1 + ((axis - 1591) / 6) ** 2)
        + 0.3 / (1 + ((axis - 2595) / 18) ** 2)
        + np.exp(-(((axis - 900) / 1500) ** 2))
    )
    labels = np.array(["a", "b"])[np.arange(n) % 2]
    return SpectralSet(random.poisson(clean).astype(np.float32), axis.copy(), {"label": labels})


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_presets_survive_json_and_leave_their_input_alone(preset) -> None:
    given = spectra()
    before = given.intensities.copy()
    made = preset.pipeline.apply(given)
    assert Pipeline.from_json(preset.pipeline.to_json()) == preset.pipeline
    assert np.array_equal(given.intensities, before)
    assert made.n_spectra == given.n_spectra
    assert made.intensities.dtype == np.float32
    assert np.isfinite(made.intensities).all()
    assert np.array_equal(made.axis, preset.pipeline.axis_after(given.axis))
    assert made.columns["label"].tolist() == given.columns["label"].tolist()


def test_every_step_names_itself_and_does_nothing_to_no_spectra() -> None:
    empty = np.zeros((0, AXIS.size), np.float32)
    for name, step in STEPS.items():
        assert name == step.NAME
        assert step.TITLE and step.SUMMARY.endswith(".")
        values, axis = step.apply(empty, AXIS, step.Parameters())
        assert values.shape == (0, axis.size)


def test_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    given = spectra(23)
    whole = get_preset("swcnt-cells").pipeline.apply(given).intensities
    monkeypatch.setattr(pipeline_module, "CHUNK_VALUES", 4 * AXIS.size)
    seen: list[float] = []
    pieces = get_preset("swcnt-cells").pipeline.apply(given, lambda fraction, _: seen.append(fraction))
    # Sums are taken in another order, no more.
    assert np.allclose(pieces.intensities, whole, atol=1e-6)
    assert seen == sorted(seen) and len(seen) == 6 and seen[-1] == 1.0


def test_it_stops_when_nobody_wants_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "CHUNK_VALUES", 4 * AXIS.size)
    answers = iter([False, False, True])
    with pytest.raises(OperationCancelled):
        Pipeline.of("normalise").apply(spectra(40), cancelled=lambda: next(answers))


def test_a_slow_baseline_stops_within_its_piece() -> None:
    calls = 0

    def cancelled() -> bool:
        nonlocal calls
        calls += 1
        return calls > 4

    with pytest.raises(OperationCancelled):
        Pipeline.of("baseline").apply(spectra(40), cancelled=cancelled)
    assert calls == 5


def test_steps_look_at_no_other_spectrum() -> None:
    given = spectra(6)
    for preset in PRESETS:
        together = preset.pipeline.apply(given).intensities
        alone = preset.pipeline.apply(given.select([4])).intensities
        assert np.allclose(alone[0], together[4], atol=1e-5 * np.abs(together[4]).max()), preset.name


def test_trace_follows_one_spectrum_and_shows_the_baseline() -> None:
    given = spectra(1)
    steps = Pipeline.of(("crop", {"low": 400}), "baseline", "normalise")
    traces = steps.trace(given.intensities[0], given.axis)
    assert [trace.name for trace in traces] == ["crop", "baseline", "normalise"]
    assert traces[0].axis_before.size == AXIS.size and traces[0].axis[0] >= 400
    assert traces[1].baseline is not None and traces[0].baseline is None
    assert np.allclose(traces[1].before - traces[1].baseline, traces[1].after, atol=1e-3)
    assert np.array_equal(traces[2].after, steps.apply(given).intensities[0])


@pytest.mark.parametrize(
    "text",
    [
        "nothing", "[]", "{}", '{"format": "nanoai-preprocessing", "version": 99, "steps": []}',
        '{"format": "nanoai-preprocessing", "version": 1, "steps": [{"step": "crop"}]}',
        '{"format": "nanoai-preprocessing", "version": 1, "steps": 3}',
    ],
)  # fmt: skip
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(ReadError):
        Pipeline.from_json(text)


def test_unknown_steps_and_impossible_parameters_are_refused() -> None:
    with pytest.raises(ParameterError, match="no preprocessing step"):
        Pipeline.of("sharpen")
    with pytest.raises(ParameterError, match="Window"):
        Pipeline.of(("smooth", {"window": 100_000}))
    with pytest.raises(ParameterError, match="By cannot be"):
        Pipeline.of(("normalise", {"method": "max"}))
    for bad in ({"window": 8}, {"window": 3, "order": 5}, {"window": 501}):
        with pytest.raises(ParameterError):
            Pipeline.of(("crop", {"low": 400, "high": 1000}), ("smooth", bad)).apply(spectra(2))


def test_values_that_are_no_numbers_are_named() -> None:
    given = spectra(5)
    given.intensities[3, 7] = np.nan
    with pytest.raises(ParameterError, match="Spectrum 4 holds"):
        Pipeline.of("normalise").apply(given)


def test_crop_keeps_its_limits_and_refuses_what_is_not_there() -> None:
    axis = np.array([0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    given = SpectralSet(np.arange(12, dtype=np.float32).reshape(2, 6), axis)
    made = Pipeline.of(("crop", {"low": 10, "high": 40})).apply(given)
    assert made.axis.tolist() == [10, 20, 30, 40]
    assert made.intensities[1].tolist() == [7, 8, 9, 10]
    with pytest.raises(AxisError, match="reach from 0 to 50"):
        Pipeline.of(("crop", {"low": 60, "high": 70})).apply(given)


def test_resample_follows_a_straight_line_and_extrapolates_nothing() -> None:
    axis = 300 + 1.6 * np.arange(400) + 0.0008 * np.arange(400) ** 2
    given = SpectralSet((3 * axis - 5)[None].astype(np.float32), axis)
    made = Pipeline.of(("resample", {"low": 320, "high": 900, "spacing": 2.5})).apply(given)
    assert made.axis.tolist() == (320 + 2.5 * np.arange(233)).tolist()
    assert np.allclose(made.intensities[0], 3 * made.axis - 5, rtol=1e-5)
    with pytest.raises(AxisError):
        Pipeline.of(("resample", {"low": 200, "high": 900})).apply(given)
    with pytest.raises(ParameterError):
        Pipeline.of(("resample", {"low": 900, "high": 320})).apply(given)


def test_smoothing_keeps_cubics_and_quietens_noise() -> None:
    t = np.linspace(-1, 1, 200)
    cubic = (2 * t**3 - t**2 + 3)[None].astype(np.float32)
    axis = np.arange(200.0)
    smooth = Pipeline.of(("smooth", {"window": 11, "order": 3}))
    assert np.allclose(smooth.apply_to(cubic, axis)[0], cubic, atol=1e-5)
    noise = np.random.default_rng(1).normal(size=(20, 200)).astype(np.float32)
    # Sum of squares of the coefficients of the window in Savitzky and Golay's tables: 0.2075.
    assert smooth.apply_to(noise, axis)[0][:, 10:-10].std() == pytest.approx(np.sqrt(0.2075), rel=0.03)


def test_derivatives_are_those_of_the_axis_even_if_it_is_uneven() -> None:
    axis = 300 + 1.5 * np.arange(300) + 0.001 * np.arange(300) ** 2
    u = (axis - 500) / 100
    given = SpectralSet((u**2 + 2 * u)[None].astype(np.float32), axis)
    first = Pipeline.of(("derivative", {"derivative": 1})).apply(given).intensities[0]
    second = Pipeline.of(("derivative", {"derivative": 2, "window": 21})).apply(given).intensities[0]
    inner = slice(15, -15)
    assert np.allclose(first[inner], (2 * u[inner] + 2) / 100, rtol=1e-3, atol=1e-5)
    assert np.allclose(second[inner], 2e-4, rtol=0.05)


def test_normalising_does_what_its_names_say() -> None:
    given = spectra(8)
    scaled = given.with_intensities(given.intensities * np.linspace(0.5, 20, 8, dtype=np.float32)[:, None])

    def by(method: str, of: SpectralSet) -> np.ndarray:
        return Pipeline.of(("normalise", {"method": method})).apply(of).intensities

    for method in ("vector", "snv", "area", "peak"):
        assert np.allclose(by(method, given), by(method, scaled), rtol=1e-4, atol=1e-6), method
    assert np.allclose(np.linalg.norm(by("vector", given), axis=1), 1, rtol=1e-5)
    assert np.allclose(by("snv", given).mean(axis=1), 0, atol=1e-5)
    assert np.allclose(by("snv", given).std(axis=1, ddof=1), 1, rtol=1e-5)
    assert np.allclose(by("area", given).sum(axis=1) * 1.75, 1, rtol=1e-4)
    band = (AXIS >= 1570) & (AXIS <= 1610)
    assert np.allclose(by("peak", given)[:, band].max(axis=1), 1, rtol=1e-6)
    with pytest.raises(AxisError):
        Pipeline.of(("crop", {"high": 1000}), ("normalise", {"method": "peak"})).apply(given)


def test_spectra_without_signal_become_zero_not_infinite() -> None:
    flat = SpectralSet(np.full((1, AXIS.size), 3e6, np.float32), AXIS)
    dark = SpectralSet(np.zeros((1, AXIS.size), np.float32), AXIS)
    for method in ("vector", "snv", "area", "peak"):
        steps = Pipeline.of(("normalise", {"method": method}))
        assert not steps.apply(dark).intensities.any()
        assert np.isfinite(steps.apply(flat).intensities).all()
    assert not Pipeline.of(("normalise", {"method": "snv"})).apply(flat).intensities.any()
    for preset in PRESETS:
        for strange in (flat, dark):
            assert np.isfinite(preset.pipeline.apply(strange).intensities).all(), preset.name


def test_next_pixels_of_a_map_with_a_gap() -> None:
    # 0 1 .
    # 2 3 4
    grid = MapGrid(2, 3, np.array([0, 1, 3, 4, 5]))
    assert next_pixels(grid).tolist() == [
        [-1, 1, -1, 2], [0, -1, -1, 3], [-1, 3, 0, -1], [2, 4, 1, -1], [3, -1, -1, -1],
    ]  # fmt: skip


def test_parameters_are_checked_when_a_pipeline_is_made() -> None:
    crop = get_step("crop").Parameters()
    with pytest.raises(ParameterError):
        Pipeline((("smooth", crop),))
    wrong = dataclasses.replace(get_step("smooth").Parameters(), window=1)
    with pytest.raises(ParameterError):
        Pipeline((("smooth", wrong),))
