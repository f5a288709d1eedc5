"""The networks themselves: their arithmetic, their files, and what they may and may not answer."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.models import StoredModel, load_model, save_model
from nanoai_gui.core.tem.networks.model import KIND, load_tem_model, possible_shares, save_tem_model
from nanoai_gui.core.tem.networks.perceptron import LIMIT, average, softmax
from nanoai_gui.core.tem.networks.placement import place_circles
from nanoai_gui.core.tem.networks.training import _arrays
from tests.networks_made import plain_samples, quick_model

# ---------------------------------------------------------------------- perceptron


@pytest.mark.parametrize("kind", ["classes", "two classes", "areas", "one area"])
def test_the_arithmetic_is_that_of_the_trainer(kind: str) -> None:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, (200, 6))
    y: Any
    mean, scale = x.mean(axis=0), x.std(axis=0)
    z = (x - mean) / scale
    options = {"hidden_layer_sizes": (7,), "activation": "tanh", "max_iter": 30, "random_state": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "classes" in kind:
            y = rng.integers(0, 2 if "two" in kind else 4, 200)
            net = MLPClassifier(**options).fit(z, y)
            made = _arrays(net, mean, scale, np.zeros(4), np.ones(4), True)
            logits = made(x)
            found = (
                softmax(logits)
                if kind == "classes"
                else np.column_stack([1 - 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-logits))])
            )
            np.testing.assert_allclose(found, net.predict_proba(z), atol=1e-10)
        else:
            y = rng.normal(size=(200, 1 if "one" in kind else 3))
            out_mean, out_scale = np.full(y.shape[1], 5.0), np.full(y.shape[1], 0.5)
            net = MLPRegressor(**options).fit(z, y if y.shape[1] > 1 else y[:, 0])
            made = _arrays(net, mean, scale, out_mean, out_scale, False)
            expected = net.predict(z).reshape(200, -1) * 0.5 + 5
            np.testing.assert_allclose(made(x), expected, atol=1e-10)
    assert made.layer_sizes == (6, 7, made(x).shape[1])


def test_the_average_of_networks_is_one_network() -> None:
    model = quick_model()
    one, other = model.pnc, dataclasses.replace(
        model.pnc,
        weights=tuple(w * 0.5 for w in model.pnc.weights),
        biases=tuple(b + 0.1 for b in model.pnc.biases),
    )  # fmt: skip
    x = np.random.default_rng(4).normal(size=(50, 13))
    both = average([one, other, other])
    np.testing.assert_allclose(both(x), (one(x) + 2 * other(x)) / 3)
    assert both.layer_sizes == (13, 3 * one.layer_sizes[1], 5)
    assert average([one]) is one


def test_what_was_never_seen_is_cut_to_the_edge_of_what_was() -> None:
    net = quick_model().pnc
    far = np.zeros((3, 13))
    far[:, 0] = net.input_mean[0] + net.input_scale[0] * np.array([LIMIT, 10 * LIMIT, 1e9])
    out = net(far)
    np.testing.assert_allclose(out[1:], out[[0, 0]])


def test_softmax_of_huge_logits() -> None:
    out = softmax(np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(out, np.array([[1, 0, 0], [1 / 3] * 3]))


# ---------------------------------------------------------------------- possible areas


@given(
    st.lists(st.floats(1e-6, 50), min_size=1, max_size=5), st.floats(0.5, 1.5)
)  # 50: far more than any silhouette
def test_shares_are_physically_possible(shares: list[float], largest: float) -> None:
    (out,) = possible_shares(np.array([shares]), largest)
    assert (out > 0).all()
    assert (np.diff(out) <= 0).all()
    assert out.max() <= max(largest, 1.0) + 1e-12
    # Together they cover the silhouette, unless one alone was limited.
    assert out.sum() >= 1 - 1e-9


def test_possible_shares_are_left_alone() -> None:
    np.testing.assert_allclose(possible_shares(np.array([[0.3, 0.8]]), 1.1), [[0.8, 0.3]])


def test_predictions_are_consistent() -> None:
    samples = plain_samples(200, seed=9)
    model = quick_model()
    free = model.predict(samples.features)
    np.testing.assert_allclose(free.probabilities.sum(axis=1), 1)
    assert ((free.too_many >= 0) & (free.too_many <= 1)).all()
    np.testing.assert_array_equal(free.count, free.probabilities.argmax(axis=1) + 1)
    for count, shares, errors in zip(free.count, free.shares, free.errors, strict=True):
        assert (shares[:count] > 0).all() and (shares[count:] == 0).all()
        assert (errors[:count] > 0).all() and np.isnan(errors[count:]).all()
    given = model.predict(samples.features, np.full(200, 3, dtype=np.int32))
    assert (given.count == 3).all() and ((given.shares > 0).sum(axis=1) == 3).all()


def test_no_agglomerates() -> None:
    model = quick_model()
    empty = model.predict(np.empty((0, len(model.measured.features))))
    assert empty.probabilities.shape == (0, 5) and empty.shares.shape == (0, 5) and not len(empty.count)


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize("features", ["region-13", "rich"])
def test_a_model_is_the_same_after_a_round_trip(tmp_path: Path, features: str) -> None:
    model = quick_model(features)
    save_tem_model(tmp_path / "m.zip", model)
    loaded = load_tem_model(tmp_path / "m.zip")
    x = plain_samples(100, features, seed=3).features
    for name in ("too_many", "probabilities", "count", "shares", "errors"):
        one, other = (getattr(m.predict(x), name) for m in (model, loaded))
        np.testing.assert_array_equal(one, other)
    assert loaded.gate_threshold == model.gate_threshold
    assert loaded.feature_set == model.feature_set
    np.testing.assert_array_equal(loaded.feature_low, model.feature_low)
    np.testing.assert_array_equal(loaded.feature_high, model.feature_high)
    assert loaded.card["name"] == "quick" and loaded.card["measured"] == model.card["measured"]


def test_typical_ranges_hold_nine_tenths() -> None:
    model, samples = quick_model(), plain_samples()
    own = samples.features[:, model.measured.columns_of(model.feature_set)]
    few = own[samples.count <= 5]
    inside = ((few >= model.feature_low) & (few <= model.feature_high)).mean(axis=0)
    np.testing.assert_allclose(inside, 0.9, atol=0.06)


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, StoredModel]:
    path = tmp_path / "m.zip"
    save_tem_model(path, quick_model())
    return path, load_model(path, KIND)


@pytest.mark.parametrize(
    "name",
    ["gate.weight0", "pnc.bias1", "par3.input_mean", "spread5.output_scale", "gate_threshold",
     "largest_share", "feature_low", "feature_high"],
)  # fmt: skip
def test_a_model_that_lacks_something(stored: tuple[Path, StoredModel], name: str) -> None:
    path, model = stored
    assert name in model.arrays
    save_model(path, dataclasses.replace(model, arrays={k: v for k, v in model.arrays.items() if k != name}))
    with pytest.raises(ReadError, match=r"m\.zip does not hold the networks it should"):
        load_tem_model(path)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("gate.weight0", np.zeros((12, 8))),  # other features
        ("gate.weight1", np.zeros((8, 2))),  # other answers
        ("pnc.weight0", np.zeros((13, 9))),  # layers that do not fit
        ("par2.bias1", np.zeros(7)),
        ("par2.input_scale", np.zeros(13)),  # would divide by zero
        ("largest_share", np.ones(4)),
        ("feature_low", np.ones(12)),
        ("gate_threshold", np.ones(2)),
        ("spread1.weight0", np.zeros(13)),
    ],
)
def test_a_model_whose_parts_do_not_fit(
    stored: tuple[Path, StoredModel], name: str, array: np.ndarray
) -> None:
    path, model = stored
    save_model(path, dataclasses.replace(model, arrays={**model.arrays, name: array}))
    with pytest.raises(ReadError):
        load_tem_model(path)


@pytest.mark.parametrize(
    ("feature_set", "message"),
    [
        ({"name": "region-13", "version": 99}, "needs version 99"),
        ({"name": "unheard-of", "version": 1}, "does not hold"),
        ("region-13", "does not hold"),
        (None, "does not hold"),
    ],
)
def test_a_model_of_other_features(
    stored: tuple[Path, StoredModel], feature_set: object, message: str
) -> None:
    path, model = stored
    save_model(path, dataclasses.replace(model, card={**model.card, "feature_set": feature_set}))
    with pytest.raises(ReadError, match=message):
        load_tem_model(path)


# ---------------------------------------------------------------------- placement


def disc(mask: np.ndarray, x: float, y: float, r: float) -> None:
    yy, xx = np.mgrid[: mask.shape[0], : mask.shape[1]]
    mask |= (xx - x) ** 2 + (yy - y) ** 2 <= r**2


@pytest.mark.parametrize("scale", [1, 5])
def test_circles_are_laid_onto_the_discs_they_are(scale: int) -> None:
    mask = np.zeros((60 * scale, 100 * scale), dtype=bool)
    truth = np.array([[30, 30, 22], [65, 30, 15], [86, 38, 9]]) * scale
    for x, y, r in truth:
        disc(mask, x, y, r)
    found = place_circles(mask, truth[:, 2].astype(float))
    off = np.hypot(*(found - truth[:, :2]).T)
    assert (off <= 0.2 * truth[:, 2] + 1).all()


def test_a_circle_larger_than_the_silhouette_lies_in_its_middle() -> None:
    mask = np.zeros((21, 21), dtype=bool)
    disc(mask, 10, 10, 9)
    ((x, y),) = place_circles(mask, np.array([30.0]))
    assert np.hypot(x - 10, y - 10) <= 3


def test_single_pixels_and_no_circles() -> None:
    assert place_circles(np.ones((1, 1), dtype=bool), np.array([0.5])).tolist() == [[0, 0]]
    assert place_circles(np.ones((5, 5), dtype=bool), np.empty(0)).shape == (0, 2)
