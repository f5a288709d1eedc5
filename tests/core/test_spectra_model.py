import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.spectra.classifier import ClassifierSettings, Method
from nanoai_gui.core.spectra.model import SpectraModel, load_spectra_model, save_spectra_model
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.rejection import (
    HIGH_Q,
    HIGH_T2,
    NO_SIGNAL,
    NOT_NUMBERS,
    UNDECIDED,
    Measures,
    RejectionSettings,
    Thresholds,
    choose_thresholds,
    judge,
    signal_to_noise,
)
from nanoai_gui.core.spectra.spectral_set import AxisError, MapGrid, SpectralSet
from nanoai_gui.core.spectra.training import TrainingSettings, ValidationSettings, gather, train_spectra
from tests.core.made_spectra import AXIS, CLASSES, bands, made_set

STEPS = Pipeline.of("despike", ("smooth", {"window": 5, "order": 2}), ("normalise", {"method": "vector"}))


@pytest.fixture(scope="module")
def model() -> SpectraModel:
    settings = TrainingSettings(
        {"steps": STEPS},
        ClassifierSettings(members=2, epochs=10, method=Method.BOTH),
        validation=ValidationSettings(n_folds=4, n_permutations=0),
    )
    return train_spectra(gather(made_set(noise=0.1), "label", "dish"), settings).model


def test_a_model_comes_back_from_its_file(model: SpectraModel, tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    save_spectra_model(path, model)
    again = load_spectra_model(path)
    fresh = made_set(seed=7)
    one, two = model.predict(fresh), again.predict(fresh)
    np.testing.assert_array_equal(one.probabilities, two.probabilities)
    np.testing.assert_array_equal(one.reason, two.reason)
    assert again.classes == CLASSES and again.thresholds == model.thresholds
    assert again.card["trained_on"]["spectra_per_class"] == dict.fromkeys(CLASSES, 60)
    assert {"nanoai", "numpy", "scikit-learn"} <= set(again.card["versions"])
    first = path.read_bytes()
    save_spectra_model(path, again)
    assert path.read_bytes() == first


def test_new_spectra_of_known_classes_are_classified(model: SpectraModel) -> None:
    fresh = made_set(noise=0.1, seed=5)
    answer = model.predict(fresh)
    np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1, atol=1e-12)
    names = np.array(CLASSES)[answer.best]
    assert (names == fresh.text("label")).mean() > 0.95
    assert answer.rejected.mean() < 0.15


def test_what_was_never_learned_is_rejected(model: SpectraModel) -> None:
    random = np.random.default_rng(8)
    other = bands((500.0, 800.0, 1200.0), random.uniform(1, 3, (50, 3))) + 10
    other += 0.1 * random.normal(size=other.shape)
    answer = model.predict(SpectralSet(other.astype(np.float32), AXIS))
    assert answer.rejected.mean() > 0.95
    opened = answer.with_thresholds(Thresholds())
    assert not opened.rejected.any()
    np.testing.assert_array_equal(opened.probabilities, answer.probabilities)


@pytest.mark.parametrize("on_map", [False, True])
def test_spectra_that_cannot_be_judged_are_rejected_and_the_others_classified(
    model: SpectraModel, on_map: bool
) -> None:
    spectra = made_set(n=24)
    values = spectra.intensities.copy()
    values[3, 5], values[4, 0] = np.nan, np.inf
    values[6] = 77.0
    values[7] = 0.0
    values[8] = np.random.default_rng(0).normal(size=values.shape[1])
    values[9, 40:60] = 65535
    # A map with missing pixels: 24 spectra on 5 x 6.
    grid = MapGrid(5, 6, np.delete(np.arange(30), [0, 7, 8, 20, 28, 29])) if on_map else None
    broken = SpectralSet(values, spectra.axis, spectra.columns, grid)
    answer = model.predict(broken)
    np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1, atol=1e-12)
    assert answer.reason[[3, 4]].tolist() == [NOT_NUMBERS] * 2
    np.testing.assert_allclose(answer.probabilities[[3, 4]], 1 / 3)
    assert answer.reason[[6, 7, 8]].tolist() == [NO_SIGNAL] * 3
    assert answer.reason[9] in (HIGH_Q, HIGH_T2), "a saturated one"
    good = np.setdiff1d(np.arange(24), [3, 4, 6, 7, 8, 9])
    if not on_map:
        alone = model.predict(spectra.select(good))
        np.testing.assert_allclose(answer.probabilities[good], alone.probabilities, atol=1e-5)
    assert (answer.reason[good] == 0).mean() > 0.8


def test_pieces_make_no_difference(model: SpectraModel, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = made_set(seed=3)
    whole = model.predict(fresh)
    monkeypatch.setattr("nanoai_gui.core.spectra.model.CHUNK_ROWS", 7)
    seen: list[float] = []
    pieces = model.predict(fresh, lambda fraction, message: seen.append(fraction))
    np.testing.assert_allclose(pieces.probabilities, whole.probabilities, atol=1e-5)
    assert len(seen) == 26 and seen[-1] == 1
    with pytest.raises(OperationCancelled):
        model.predict(fresh, cancelled=lambda: True)


def test_another_axis_is_brought_to_that_of_the_model_if_it_is_long_enough(model: SpectraModel) -> None:
    fine = np.linspace(390.0, 1700.0, 400)
    values = np.stack([np.interp(fine, AXIS, row) for row in made_set(seed=5).intensities])
    answer = model.predict(SpectralSet(values.astype(np.float32), fine))
    assert (np.array(CLASSES)[answer.best] == made_set(seed=5).text("label")).mean() > 0.95


@pytest.mark.parametrize("axis", [np.linspace(400, 1500, 121), np.linspace(450, 1600, 121)])
def test_too_short_a_range_is_refused(model: SpectraModel, axis: np.ndarray) -> None:
    with pytest.raises(AxisError, match=r"the model needs 400 to 1600 cm⁻¹"):
        model.predict(SpectralSet(np.ones((2, axis.size), np.float32), axis))


def test_a_spectrum_of_one_point_is_refused(model: SpectraModel) -> None:
    with pytest.raises(AxisError, match="one point"):
        model.predict(SpectralSet(np.ones((2, 1), np.float32), np.array([1000.0])))


def test_no_spectra_at_all_are_no_trouble(model: SpectraModel) -> None:
    answer = model.predict(SpectralSet(np.zeros((0, AXIS.size), np.float32), AXIS))
    assert answer.probabilities.shape == (0, 3) and answer.reason.shape == (0,)


def test_a_pickle_called_model_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.model"
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (marker,))

    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ReadError, match=r"evil\.model is not a NanoAI model"):
        load_spectra_model(path)
    assert not marker.exists()


def rewritten(path: Path, change, drop: str = "") -> Path:
    """The same file with another card, or without an array."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist() if name != drop}
    card = json.loads(content["card.json"])
    change(card)
    content["card.json"] = json.dumps(card).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.update(format_version=99), "another version"),
        (lambda card: card.update(kind="tem-ann"), "something else"),
        (lambda card: card.update(classes=["a", "b"]), "does not hold"),
        (lambda card: card.update(n_networks=0), "does not hold"),
        (lambda card: card.update(classes=None), "does not hold"),
        (lambda card: card["preprocessing"].update(version=99), "another version"),
        (lambda card: card["preprocessing"]["steps"].append({"step": "no", "parameters": {}}), "not hold"),
        (lambda card: card["preprocessing"]["steps"].append(
            {"step": "crop", "parameters": {"low": 500, "high": 900}}), "not hold"),
    ],
)  # fmt: skip
def test_models_that_do_not_fit_are_refused(
    model: SpectraModel, tmp_path: Path, change, message: str
) -> None:
    path = tmp_path / "a.model"
    save_spectra_model(path, model)
    with pytest.raises(ReadError, match=message):
        load_spectra_model(rewritten(path, change))


def test_a_model_without_one_of_its_arrays_is_refused(model: SpectraModel, tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    for name in ("axis", "pca.components", "network0.bias1", "temperature"):
        save_spectra_model(path, model)
        with pytest.raises(ReadError, match="does not hold"):
            load_spectra_model(rewritten(path, lambda card: None, drop=f"arrays/{name}.npy"))


def test_signal_to_noise_sees_bands_and_neither_noise_nor_slopes() -> None:
    random = np.random.default_rng(1)
    axis = np.linspace(0, 1000, 1001)
    noise = random.normal(size=(200, axis.size))
    band = np.exp(-0.5 * ((axis - 500) / 8) ** 2)
    assert signal_to_noise(noise).max() < 2.5
    assert signal_to_noise(noise + 0.2 * axis + 1e4).max() < 4
    # Its top, less what the band itself adds to the background: 50 (0.98 - 20 / 105).
    np.testing.assert_allclose(np.median(signal_to_noise(noise + 50 * band)), 39, rtol=0.08)
    scaled = signal_to_noise((noise + 50 * band) * 1e-3)
    np.testing.assert_allclose(scaled, signal_to_noise(noise + 50 * band), rtol=1e-6)
    assert signal_to_noise(np.full((2, 1001), 1e6)).tolist() == [0, 0]
    assert signal_to_noise(noise + 50 * band, axis, 700, 900).max() < 3
    assert signal_to_noise(np.zeros((3, 2))).tolist() == [0, 0, 0]


def held_out(n: int = 2000) -> Measures:
    random = np.random.default_rng(2)
    t2, q, signal = (np.exp(random.normal(size=n)) for _ in range(3))
    return Measures(t2, q, 100 * signal, random.uniform(0.4, 1, n))


def test_thresholds_lose_the_share_that_was_asked_for() -> None:
    measures = held_out()
    found = choose_thresholds(measures, RejectionSettings(false_rejections_percent=6, undecided_percent=1))
    reason = judge(measures, found)
    lost = (reason > 0) & (reason != UNDECIDED)
    assert lost.mean() == pytest.approx(0.06, abs=0.002)
    assert (reason == UNDECIDED).mean() == pytest.approx(0.0094, abs=0.002)


def test_empty_places_do_not_widen_the_thresholds() -> None:
    clean = held_out()
    dirty = Measures(*(getattr(clean, name).copy() for name in ("t2", "q", "signal", "probability")))
    dirty.t2[:60], dirty.q[:60], dirty.signal[:60] = 1e4, 1e4, 0.5
    settings = RejectionSettings()
    assert choose_thresholds(dirty, settings).t2 == pytest.approx(
        choose_thresholds(clean, settings).t2, rel=0.2
    )
    assert (judge(dirty, choose_thresholds(dirty, settings))[:60] == NO_SIGNAL).all()


def test_measures_that_are_not_used_never_reject() -> None:
    settings = RejectionSettings(use_t2=False, use_q=False, use_signal=False, use_probability=False)
    found = choose_thresholds(held_out(), settings)
    assert found == Thresholds()
    only_q = choose_thresholds(held_out(), replace(settings, use_q=True))
    assert set(judge(held_out(), only_q)) == {0, HIGH_Q}
