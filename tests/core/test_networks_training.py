"""Training: honest parts, the same result every time, and networks that learn what there is to learn."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.jobs import JobFailed, WorkerPool
from nanoai_gui.core.tem.networks import make
from nanoai_gui.core.tem.networks.make import LossCurves, TrainingPlan, make_model
from nanoai_gui.core.tem.networks.samples import LARGEST_COUNT, Samples, TrainingPopulation
from nanoai_gui.core.tem.networks.training import GATE_NODES, PAR_NODES, TrainingSettings, split, train
from tests.networks_made import QUICK, plain_samples, quick_training


def test_parts_share_no_image_and_each_has_of_everything() -> None:
    samples = plain_samples(3000)
    parts = split(samples, 1)
    masks = (parts.training, parts.validation, parts.test)
    np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
    images = [set(samples.image[mask]) for mask in masks]
    assert not (images[0] & images[1] or images[0] & images[2] or images[1] & images[2])
    for mask, share in zip(masks, (0.7, 0.15, 0.15), strict=True):
        assert mask.mean() == pytest.approx(share, abs=0.02)
        assert set(np.minimum(samples.count[mask], 6)) == {1, 2, 3, 4, 5, 6}
    np.testing.assert_array_equal(split(samples, 1).test, parts.test)
    assert not np.array_equal(split(samples, 2).test, parts.test)


def test_few_images_of_larger_agglomerates_are_shared_out() -> None:
    """Few images hold them, and each of those holds nothing else: no part may go without."""
    samples = plain_samples(1000)
    count = samples.count.copy()
    count[:] = np.where(samples.image < 225, np.minimum(count, 5), 8)
    parts = split(dataclasses.replace(samples, count=count), 1)
    for mask in (parts.training, parts.validation, parts.test):
        assert (count[mask] > LARGEST_COUNT).any()


def test_what_can_be_learned_is_learned() -> None:
    model, report = quick_training()
    assert report.count_accuracy > 0.85
    assert report.recall_many > 0.9 and report.false_exclusions < 0.1
    assert np.trace(report.confusion) / report.confusion.sum() == pytest.approx(report.count_accuracy)
    assert np.median(np.abs(np.log(report.area_found / report.area_true))) < 0.08
    assert 0.5 < report.inside_1_sigma < 0.9
    assert sum(report.n) == 600
    assert len(report.hidden_nodes) == LARGEST_COUNT and set(report.hidden_nodes) <= set(PAR_NODES)
    assert model.pnc.layer_sizes == (13, QUICK.pnc_nodes, 5)
    assert [net.layer_sizes for net in model.par] == [
        (13, h, n) for n, h in enumerate(report.hidden_nodes, start=1)
    ]
    assert model.card["measured"]["count_accuracy"] == round(report.count_accuracy, 4)


def test_the_same_seed_gives_the_same_networks() -> None:
    quick = dataclasses.replace(QUICK, epochs=3)
    samples = plain_samples()
    first, second = (train(samples, "region-13", quick)[0] for _ in range(2))
    other, _ = train(samples, "region-13", dataclasses.replace(quick, seed=2))
    np.testing.assert_array_equal(first.pnc.weights[0], second.pnc.weights[0])
    np.testing.assert_array_equal(first.par[4].weights[1], second.par[4].weights[1])
    assert not np.array_equal(first.pnc.weights[0], other.pnc.weights[0])


def test_losses_are_told_as_they_come_and_fall() -> None:
    heard: list[tuple[str, int, float, float]] = []
    _, report = train(
        plain_samples(), "region-13", dataclasses.replace(QUICK, epochs=8),
        loss=lambda *point: heard.append(point),
    )  # fmt: skip
    told: LossCurves = {}
    for name, epoch, training, validation in heard:
        assert epoch == len(told.setdefault(name, []))
        told[name].append((training, validation))
    assert told == report.losses
    assert len(told) == 2 + LARGEST_COUNT * (len(PAR_NODES) + 1)
    pnc = np.array(told["PNC"])
    assert np.isfinite(pnc).all() and (pnc[-1] < 0.7 * pnc[0]).all()


def test_several_networks_are_averaged_and_progress_never_goes_back() -> None:
    shares: list[float] = []
    model, report = train(
        plain_samples(), "region-13", dataclasses.replace(QUICK, epochs=2, members=2),
        progress=lambda share, _: shares.append(share),
    )  # fmt: skip
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert model.pnc.layer_sizes == (13, 16, 5)
    assert model.gate.layer_sizes == (len(model.measured.features), 2 * GATE_NODES, 1)
    assert [net.layer_sizes[1] for net in model.par] == [2 * n for n in report.hidden_nodes]
    first, second = report.losses["PNC"], report.losses["PNC, 2"]
    assert len(first) == len(second) == 2 and first != second


def test_too_few_samples_are_said_so() -> None:
    samples = plain_samples()
    with pytest.raises(ParameterError, match="120 agglomerates are too few"):
        train(samples.select(np.arange(600) < 120), "region-13", QUICK)
    no_fives = samples.select(samples.count != 5)
    with pytest.raises(ParameterError, match="hardly occur"):
        train(no_fives, "region-13", QUICK)


def test_cancel() -> None:
    with pytest.raises(OperationCancelled):
        train(plain_samples(), "region-13", QUICK, cancelled=lambda: True)


# ---------------------------------------------------------------------- the whole, in workers


def given_samples(*_: object) -> Samples:
    return plain_samples()


@pytest.fixture
def no_synthesis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples at once, so that only the training runs in the worker."""
    monkeypatch.setattr(make, "gather_samples", given_samples)


PLAN = TrainingPlan(TrainingPopulation(), dataclasses.replace(QUICK, epochs=6), "region-13", 600)


@pytest.mark.usefixtures("no_synthesis")
def test_a_model_made_in_a_worker_is_the_one_made_here() -> None:
    told: list[LossCurves] = []
    words: list[tuple[float, str]] = []
    with WorkerPool(1) as pool:
        model, report = make_model(
            PLAN, "mine", pool, lambda *p: words.append(p),
            curves=lambda c: told.append({k: list(v) for k, v in c.items()}),
        )  # fmt: skip
    here, _ = train(plain_samples(), "region-13", PLAN.settings)
    np.testing.assert_allclose(model.pnc.weights[0], here.pnc.weights[0], rtol=1e-6)
    assert model.card["name"] == "mine" and model.card["training_data"]["n_samples"] == 600
    assert model.card["seconds"] > 0
    # The curves came while it ran, and were those of the report as far as they went.
    assert told
    for name, points in told[-1].items():
        np.testing.assert_allclose(points, report.losses[name][: len(points)])
    assert all(not text.startswith("{") for _, text in words)
    assert [share for share, _ in words] == sorted(share for share, _ in words)


@pytest.mark.usefixtures("no_synthesis")
def test_a_worker_that_fails_or_is_not_wanted() -> None:
    with WorkerPool(1) as pool:
        with pytest.raises(OperationCancelled):
            make_model(PLAN, "", pool, cancelled=lambda: True)
        with pytest.raises(JobFailed, match="no feature set"):
            make_model(dataclasses.replace(PLAN, feature_set="none"), "", pool)
        with pytest.raises(ParameterError, match="Epochs"):
            make_model(dataclasses.replace(PLAN, settings=TrainingSettings(epochs=0)), "", pool)


def test_lost_messages_lose_no_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "_TELL_SECONDS", 0.0)
    messages: list[str] = []
    live = make._Live(lambda _, message: messages.append(message))
    live.progress(0.1, "Training")
    for name in ("PNC", "Gate", "PAR 1"):
        for epoch in range(5):
            live.loss(name, epoch, 1.0 / (epoch + 1), 2.0)
    known: LossCurves = {}
    for message in messages[::6]:  # most are lost
        assert make._read_message(message, known) == "Training"
    assert list(known) == ["PNC", "Gate", "PAR 1"]
    assert len(known["PNC"]) == len(known["Gate"]) == 5


def test_messages_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "_TELL_SECONDS", 0.0)
    largest = 0

    def tell(_: float, message: str) -> None:
        nonlocal largest
        largest = max(largest, len(message))
        assert json.loads(message)["curves"].keys() <= live.curves.keys()

    live = make._Live(tell)
    add: Callable[..., None] = live.loss
    for network in range(27):
        for epoch in range(120):
            add(f"network {network}", epoch, 0.123456789012345, 0.123456789012345)
    assert largest < 40_000
