from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import NanoAIError, ParameterError
from nanoai_gui.core.spectra.accuracy import (
    balanced_accuracy,
    bootstrap_interval,
    confusion_matrix,
    fit_temperature,
    group_results,
    reliability,
)
from nanoai_gui.core.spectra.classifier import ClassifierSettings, Method, with_averages
from nanoai_gui.core.spectra.degenerate import DegenerateRule, distance_ratios, find_degenerate, raw_facts
from nanoai_gui.core.spectra.folds import grouped_folds, random_folds
from nanoai_gui.core.spectra.network import softmax
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.rejection import signal_to_noise
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.core.spectra.training import (
    TrainingSettings,
    ValidationSettings,
    gather,
    make_problem,
    train_spectra,
)
from nanoai_gui.core.spectra.validation import (
    explain_gap,
    fit_rows,
    make_folds,
    permutation_test,
    run_folds,
    shuffle_labels,
)
from tests.core.made_spectra import CLASSES, made_set

QUICK = ClassifierSettings(members=1, epochs=15, n_components=6, learning_rate=0.01)
LINEAR = replace(QUICK, method=Method.LDA)


def settings(**changes: Any) -> TrainingSettings:
    values: dict[str, Any] = {
        "classifier": LINEAR,
        "validation": ValidationSettings(n_folds=4, n_permutations=0),
    } | changes
    return TrainingSettings(**values)


def test_report_holds_what_the_contract_promises() -> None:
    spectra = made_set(dish_effect=0.3, contrast=0.15)
    validation = ValidationSettings(n_folds=4, n_permutations=19, baselines=True)
    seen: list[float] = []
    curve: list[tuple[int, int]] = []
    trained = train_spectra(
        gather(spectra, "label", "dish"),
        settings(classifier=QUICK, validation=validation),
        lambda fraction, message: seen.append(fraction),
        loss=lambda member, epoch, value: curve.append((member, epoch)),
    )
    report = trained.report
    assert (report["n_spectra"], report["n_groups"], report["classes"]) == (180, 12, list(CLASSES))
    assert 0 < report["variance_explained"] <= 1 and report["n_components"] == 6
    for kind in ("random_folds", "grouped_folds"):
        folds = report[kind]
        assert len(folds["per_fold"]) == 4 and np.sum(folds["confusion"]) == 180
        low, high = folds["ci95"]["balanced_accuracy"]
        assert 0 <= low <= folds["balanced_accuracy"] <= high <= 1
        assert set(folds["baselines"]) == {"LDA", "SVM", "random forest"}
    assert 0 <= report["grouped_folds"]["per_group_accuracy"] <= 1
    assert len(report["grouped_folds"]["groups"]) == 12
    assert 0.05 <= report["permutation_p"] <= 1
    assert {"ece", "brier", "temperature"} <= set(report["calibration"])
    assert min(np.diff(seen)) > -1e-9 and seen[-1] == 1
    # Four random folds, four grouped ones and the model itself.
    assert curve[-15:] == [(0, epoch) for epoch in range(15)] and len(curve) == 9 * 15


def test_random_folds_are_better_than_grouped_ones_where_dishes_differ() -> None:
    many = replace(LINEAR, n_components=30)
    trained = train_spectra(
        gather(made_set(dish_effect=0.5, contrast=0.05), "label", "dish"), settings(classifier=many)
    )
    random, grouped = (trained.report[k]["balanced_accuracy"] for k in ("random_folds", "grouped_folds"))
    assert random > 0.95
    assert grouped < random - 0.2
    assert "recognising the dish" in trained.report["gap"]["explanation"]
    assert "no sign" in explain_gap(0.9, 0.9, "dish", (0.85, 0.95))
    assert "within the uncertainty" in explain_gap(0.9, 0.85, "dish", (0.75, 0.95))
    assert "within the uncertainty" in explain_gap(0.9, 0.85, "dish", None)


def test_nothing_outside_of_the_training_rows_is_looked_at() -> None:
    training_set = gather(made_set(), "label", "dish")
    problem = make_problem(training_set, settings(classifier=QUICK))
    rows = np.arange(0, 180, 2)[:80]
    one = fit_rows(problem, problem.candidates[0], rows)
    spoiled = problem.candidates[0].features.copy()
    spoiled[np.setdiff1d(np.arange(180), rows)] = np.nan
    two = fit_rows(problem, replace(problem.candidates[0], features=spoiled), rows)
    np.testing.assert_array_equal(one.classifier.components.components, two.classifier.components.components)
    np.testing.assert_array_equal(
        one.classifier.networks[0].weights[0], two.classifier.networks[0].weights[0]
    )


def test_preprocessing_that_keeps_the_classes_is_chosen() -> None:
    # Cutting away the band that tells the classes leaves nothing to learn from.
    useless = Pipeline.of(("crop", {"low": 1200, "high": 1600}))
    useful = Pipeline.of(("crop", {"low": 800, "high": 1200}))
    trained = train_spectra(
        gather(made_set(contrast=0.3), "label", "dish"),
        settings(pipelines={"useless": useless, "useful": useful}),
    )
    assert trained.report["preprocessing_chosen"] == "useful"
    assert {fold["preprocessing"] for fold in trained.report["grouped_folds"]["per_fold"]} == {"useful"}
    # What lies outside of the cut is never needed: a shorter spectrum can be classified.
    assert trained.model.axis[0] >= 800 and trained.model.axis[-1] <= 1200


def test_settings_of_the_network_are_chosen_in_the_same_way() -> None:
    # One epoch of the smallest steps teaches nothing.
    blind, seeing = replace(QUICK, epochs=1, learning_rate=1e-6), replace(LINEAR, n_components=8)
    trained = train_spectra(
        gather(made_set(contrast=0.3, dish_effect=0.2), "label", "dish"),
        settings(classifier=blind, alternatives={"eight": seeing}),
    )
    assert trained.report["preprocessing_chosen"] == "as measured, eight"
    assert trained.report["n_components"] == 8
    assert trained.model.preprocessing == Pipeline()


def test_folds_keep_groups_together_and_every_class_in_training() -> None:
    labels = np.arange(300) % 3
    groups = labels * 5 + np.arange(300) // 3 % 5
    folds = grouped_folds(labels, groups, CLASSES, 5, seed=1)
    for number in range(folds.n_folds):
        training, test = folds.split(number)
        assert not set(groups[training]) & set(groups[test])
        assert set(labels[training]) == {0, 1, 2}
        assert test.size


def test_fewer_groups_than_folds_are_said() -> None:
    labels = np.arange(60) % 2
    groups = labels * 3 + np.arange(60) // 2 % 3
    folds = grouped_folds(labels, groups, ("a", "b"), 10, seed=1)
    assert folds.n_folds == 3
    assert "3 folds instead of 10" in folds.note


def test_a_class_with_fewer_spectra_than_folds_is_said() -> None:
    labels = np.array([0] * 50 + [1] * 4)
    folds = random_folds(labels, ("many", "few"), 10, seed=1)
    assert folds.n_folds == 4 and "'few' has only 4 spectra" in folds.note
    with pytest.raises(ParameterError, match="only 1 spectrum"):
        random_folds(labels[:51], ("many", "few"), 10, seed=1)


def test_a_class_of_one_group_is_validated_in_random_folds_only_and_says_so() -> None:
    spectra = made_set(dishes_per_class=1)
    trained = train_spectra(gather(spectra, "label", "dish"), settings())
    assert trained.report["grouped_folds"] is None and trained.grouped is None
    assert any("come from one group" in note for note in trained.report["notes"])


def test_one_class_only_is_refused() -> None:
    spectra = made_set().with_column("label", np.full(180, "early"))
    with pytest.raises(ParameterError, match="only one class"):
        gather(spectra)


def test_missing_columns_labels_and_groups_are_named() -> None:
    spectra = made_set()
    with pytest.raises(NanoAIError, match="no column 'patient'"):
        gather(spectra, "label", "patient")
    with pytest.raises(ParameterError, match="180 labelled spectra have nothing in the column 'roi'"):
        gather(spectra, "label", "roi")
    with pytest.raises(ParameterError, match="No spectrum has anything"):
        gather(spectra, "roi")
    some = np.where(np.arange(180) < 100, spectra.text("label"), "")
    taken = gather(spectra.with_column("label", some))
    assert taken.n_unlabelled == 80 and taken.rows.tolist() == list(range(100))


def test_spectra_that_are_no_numbers_are_left_out_and_listed() -> None:
    spectra = made_set()
    values = spectra.intensities.copy()
    values[7, 3], values[9, 0] = np.nan, np.inf
    trained = train_spectra(gather(spectra.with_intensities(values)), settings())
    assert trained.report["n_spectra"] == 178
    listed = [item["row"] for item in trained.report["dropped"] if "not numbers" in item["reason"]]
    assert listed == [7, 9]


def test_degenerate_spectra_are_found_each_with_its_reason() -> None:
    spectra = made_set(n=90, noise=0.02)
    values = spectra.intensities.copy()
    values[10] = 500.0
    values[20, 40:44] = 60000.0
    values[30] = values[33]
    values[40] = 10 + np.random.default_rng(0).normal(size=values.shape[1])
    labels = np.arange(90) % 3
    values[50] = values[51] + 0.001 * np.arange(values.shape[1])  # labelled late, looks like a lysosome
    facts = raw_facts(values, signal_to_noise(values))
    rows = np.arange(90)
    scores = values - values.mean(axis=0)
    scores[[10, 20, 40]] = scores[0]
    dropped = find_degenerate(facts, rows, scores, labels, None, DegenerateRule())
    reasons = {item.row: item.reason.split(" (")[0] for item in dropped}
    assert {row: reasons[row] for row in (10, 20, 33, 40, 50)} == {
        10: "constant", 20: "saturated", 33: "duplicate", 40: "weak signal", 50: "closer to another class",
    }  # fmt: skip
    assert 30 not in reasons, "the first of two equal spectra is kept"
    assert not find_degenerate(facts, rows, scores, labels, None, DegenerateRule(use=False))


def test_ambiguous_spectra_are_a_small_part_of_every_class_the_worst_first() -> None:
    random = np.random.default_rng(6)
    scores, labels = random.normal(size=(200, 1)), np.arange(200) % 2
    facts = raw_facts(random.normal(size=(200, 9)), np.full(200, 50.0))
    dropped = find_degenerate(facts, np.arange(200), scores, labels, None, DegenerateRule())
    ratio = distance_ratios(scores, labels, None)
    for name in (0, 1):
        rows = [item.row for item in dropped if labels[item.row] == name]
        assert len(rows) == 10
        kept = np.setdiff1d(np.flatnonzero(labels == name), rows)
        assert ratio[rows].min() >= ratio[kept].max()


def test_neighbours_of_the_own_group_do_not_count() -> None:
    scores = np.array([[0.0], [0.1], [5.0], [1.0], [9.0]])
    labels, groups = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 3])
    assert distance_ratios(scores, labels, None)[0] == pytest.approx(0.1)
    assert distance_ratios(scores, labels, groups)[0] == pytest.approx(5.0)


def test_degenerate_spectra_are_left_out_of_training_but_never_of_the_test() -> None:
    spectra = made_set(contrast=0.3, noise=0.1)
    values = spectra.intensities.copy()
    values[::10, 60:65] = 99.0
    rule = DegenerateRule(distance_ratio=0)
    problem = make_problem(gather(spectra.with_intensities(values), "label", "dish"), settings(rule=rule))
    folds = make_folds(problem, 4, 1, grouped=True)
    result = run_folds(problem, folds, grouped=True)
    for number, dropped in enumerate(result.dropped):
        training, _ = folds.split(number)
        assert {item.row for item in dropped} == set(training[training % 10 == 0])
    assert np.abs(result.logits).sum(axis=1).min() > 0
    assert not np.array_equal(result.logits, result.logits_with_all)


def test_permutation_test_tells_classes_from_chance() -> None:
    cases: tuple[tuple[float, Callable[[float], bool]], ...] = (
        (1.0, lambda p: p <= 0.02),
        (0.0, lambda p: p > 0.05),
    )
    for contrast, expected in cases:
        problem = make_problem(gather(made_set(contrast=contrast), "label", "dish"), settings())
        result = run_folds(problem, make_folds(problem, 4, 1, grouped=True), grouped=True)
        p, true, shuffled = permutation_test(problem, result, 59)
        assert expected(p) and shuffled.shape == (59,)
        assert p == (1 + (shuffled >= true - 1e-12).sum()) / 60


def test_labels_are_shuffled_between_whole_groups() -> None:
    labels = np.repeat([0, 1, 2], 20)
    groups = np.repeat(np.arange(12), 5)
    shuffled = shuffle_labels(labels, groups, np.random.default_rng(0))
    assert not np.array_equal(shuffled, labels)
    assert all(np.unique(shuffled[groups == g]).size == 1 for g in range(12))
    mixed = np.arange(60) % 3
    inside = shuffle_labels(mixed, groups, np.random.default_rng(0))
    assert all(sorted(inside[groups == g]) == sorted(mixed[groups == g]) for g in range(12))


def test_intervals_over_groups_are_wider_than_over_spectra() -> None:
    groups = np.repeat(np.arange(20), 50)
    labels = groups % 2
    found = np.where(np.isin(groups, [0, 1, 2, 3, 4]), 1 - labels, labels)
    over_groups = bootstrap_interval(labels, found, 2, groups)["balanced_accuracy"]
    over_spectra = bootstrap_interval(labels, found, 2, None)["balanced_accuracy"]
    assert over_groups[1] - over_groups[0] > 3 * (over_spectra[1] - over_spectra[0])
    assert over_groups[0] < balanced_accuracy(confusion_matrix(labels, found, 2)) < over_groups[1]


def test_temperature_is_recovered_and_reliability_follows() -> None:
    random = np.random.default_rng(3)
    true_logits = random.normal(scale=1.5, size=(20000, 3))
    labels = (softmax(true_logits).cumsum(axis=1) < random.uniform(size=(20000, 1))).sum(axis=1)
    assert fit_temperature(3 * true_logits, labels) == pytest.approx(3, rel=0.05)
    honest, loud = reliability(softmax(true_logits), labels), reliability(softmax(3 * true_logits), labels)
    assert honest.ece < 0.02 < 0.1 < loud.ece
    assert honest.brier < loud.brier


def test_groups_are_judged_by_their_mean_probability() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.45, 0.55], [0.2, 0.8]])
    result = group_results(probabilities, np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1]))
    assert result.found.tolist() == [0, 1] and result.accuracy == 1
    np.testing.assert_allclose(result.probabilities[0], [1.75 / 3, 1.25 / 3])


def test_training_stops_when_cancelled() -> None:
    calls = iter(range(1000))
    with pytest.raises(OperationCancelled):
        train_spectra(
            gather(made_set(), "label", "dish"),
            settings(classifier=QUICK),
            cancelled=lambda: next(calls) > 30,
        )


def test_the_same_seed_gives_the_same_model_and_another_one_another() -> None:
    training_set = gather(made_set(noise=0.3), "label", "dish")

    def logits(seed: int) -> np.ndarray:
        made = train_spectra(training_set, settings(classifier=replace(QUICK, seed=seed)))
        return made.model.classifier.networks[0].weights[0]

    one = logits(1)
    np.testing.assert_array_equal(one, logits(1))
    assert not np.array_equal(one, logits(2))


def test_negative_intensities_are_ordinary_ones() -> None:
    spectra = made_set(noise=0.1)
    shifted = SpectralSet(spectra.intensities - 1000, spectra.axis, spectra.columns)
    trained = train_spectra(gather(shifted, "label", "dish"), settings())
    assert trained.report["grouped_folds"]["balanced_accuracy"] > 0.95


def test_averages_stay_within_their_group_and_class() -> None:
    groups = np.array([0, 0, 0, 1, 1, 1, 1, 2, 3, 3])
    labels = np.array([0, 0, 0, 1, 1, 0, 0, 2, 2, 2])
    # The first column tells the family, the second is noise around zero.
    family = groups * 10 + labels
    inputs = np.column_stack([family.astype(float), np.tile([1.0, -1.0], 5)])
    learned, of = with_averages(inputs, labels, groups, 4000, np.random.default_rng(0))
    assert np.array_equal(learned[:10], inputs) and np.array_equal(of[:10], labels)
    added, classes = learned[10:], of[10:]
    assert np.allclose(added[:, 0] % 10, classes, atol=1e-9)
    names, counts = np.unique(np.round(added[:, 0]), return_counts=True)
    assert names.tolist() == [0, 10, 11, 32], "a single spectrum has no average"
    assert counts.min() > 800, "groups count alike"
    assert 0.3 < np.abs(added[:, 1]).mean() < 0.6
    alone, same = with_averages(inputs[:2], labels[:2], np.array([0, 1]), 5, np.random.default_rng(0))
    assert np.array_equal(alone, inputs[:2]) and np.array_equal(same, labels[:2])


def test_averages_are_learned_from_where_there_are_groups() -> None:
    training_set = gather(made_set(), "label", "dish")

    def answers(averages: float, group: str | None) -> np.ndarray:
        settings = TrainingSettings(
            classifier=ClassifierSettings(members=1, epochs=3, averages=averages),
            validation=ValidationSettings(n_folds=3, n_permutations=0, n_bootstrap=100),
        )
        given = training_set if group else gather(made_set(), "label", None)
        trained = train_spectra(given, settings)
        if not group:
            assert any("Averages" in note for note in trained.report["notes"]) == (averages > 0)
        return trained.random.logits

    assert not np.array_equal(answers(0.0, "dish"), answers(2.0, "dish")), "in random folds too"
    assert np.array_equal(answers(0.0, None), answers(2.0, None))
