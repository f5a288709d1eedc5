"""Parts of a scene that are looked at alone: nothing may change by that but the time it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import never_cancelled
from nanoai_gui.core.tem.evaluation import Circles, match_circles
from nanoai_gui.core.tem.fitting.bodies import SPHERE, Kind, X, Y
from nanoai_gui.core.tem.fitting.contacts import Contacts
from nanoai_gui.core.tem.fitting.model import Model, no_prior
from nanoai_gui.core.tem.fitting.pooled import Physics
from nanoai_gui.core.tem.fitting.proposals import Found, Sizes, badness, exchanges, replacements, returns
from nanoai_gui.core.tem.fitting.revision import Revision, revise
from nanoai_gui.core.tem.fitting.scene import Optics, Scene
from nanoai_gui.core.tem.fitting.solver import solve
from nanoai_gui.core.tem.fitting.trials import Places, attempt
from nanoai_gui.core.tem.fitting.verdict import misfits

Parameters = NDArray[np.float64]

OPTICS = Optics(0.05, 0.9, 1.2)
PHYSICS = Physics(Kind.MASS, OPTICS, 0.0, 0.0, 0.1, 0.0)
# Two agglomerates of spheres that overlap, 60 px apart.
TRUTH = np.array(
    [[25.2, 28.7, np.log(10.0), 0, 0, 0], [38.1, 33.4, np.log(8.0), 0, 0, 0],
     [52.0, 30.1, np.log(9.0), 0, 0, 0], [118.3, 30.2, np.log(11.0), 0, 0, 0],
     [131.0, 36.0, np.log(7.5), 0, 0, 0]]
)  # fmt: skip
OWNER = np.array([0, 0, 0, 1, 1])
CONTACTS = Contacts(np.array([1, 1, 4]), np.array([0, 2, 3]), 0.1)


def scene_of(p: NDArray[np.float64], owner: NDArray[np.intp], contacts: Contacts) -> Model:
    """A scene in which particles ``p`` are what the image shows, with noise, weights of a real one."""
    shape = 64, 160
    labels = np.zeros(shape, dtype=np.int32)
    labels[:, 80:] = 1
    empty = Scene(np.zeros(shape, np.float32), np.full(shape, 40.0, np.float32), labels, 2)
    blank = Model(empty, owner, Kind.MASS, no_prior(len(p)), 30)
    blank.contacts = contacts
    seen = -blank.evaluate(p, OPTICS, np.arange(len(p))).residual[30:-30, 30:-30]
    noise = np.random.default_rng(2).normal(0, 1 / 40, shape)
    return Model(Scene((seen + noise).astype(np.float32), empty.weight, labels, 2), owner, Kind.MASS,
                 no_prior(len(p)), 30)  # fmt: skip


@pytest.fixture
def model() -> Model:
    made = scene_of(TRUTH, OWNER, CONTACTS)
    made.contacts = CONTACTS
    return made


def test_a_component_costs_the_same_wherever_it_lies(model: Model) -> None:
    whole = model.evaluate(TRUTH, OPTICS, np.arange(5))
    rows = np.array([3, 4])
    alone, shift = model.only(np.array([1]), rows)
    moved = TRUTH[rows]
    moved[:, [X, Y]] += shift
    state = alone.evaluate(moved, OPTICS, np.arange(2))
    assert state.cost[0] == pytest.approx(whole.cost[1], rel=1e-4)
    assert len(alone.contacts.small) == 1
    assert alone.shape[1] < model.shape[1]


def test_fitting_few_components_is_fitting_them_in_the_whole(model: Model) -> None:
    """Components that are cut out while others are held come to the same end as all together."""
    start = TRUTH.copy()
    start[:, X] += 0.8
    start[:, 2] += 0.06
    together = solve(model, start, OPTICS, SPHERE, np.zeros(5, dtype=bool)).state
    held = OWNER == 0
    alone = solve(model, start, OPTICS, SPHERE, held).state
    assert np.abs(alone.parameters[3:] - together.parameters[3:]).max() < 0.01
    assert np.array_equal(alone.parameters[:3], start[:3])
    assert alone.cost[1] == pytest.approx(together.cost[1], rel=1e-3)


def test_taking_a_particle_away_costs_what_it_costs_in_the_whole(model: Model) -> None:
    """With all others held, the price found beside the place is the difference of the whole costs."""
    fit = solve(model, TRUTH, OPTICS, SPHERE, np.zeros(5, dtype=bool))
    p = fit.state.parameters
    places = Places(
        np.array([0]), p[1:2, X], p[1:2, Y], np.exp(p[1:2, 2]), np.array([[1]]), np.empty((1, 0, 6))
    )
    held = np.ones(5, dtype=bool)
    tried = attempt(model, fit, places, held, PHYSICS, never_cancelled)
    kept = np.array([0, 2, 3, 4])
    without = scene_of(p[kept], OWNER[kept], Contacts.none())
    without.contrast, without.contacts = model.contrast, Contacts(np.array([3]), np.array([2]), 0.1)
    now = without.evaluate(p[kept], OPTICS, np.arange(4)).cost[0]
    # The level of the background may give way in the whole, not beside the place.
    assert -tried.gain[0] == pytest.approx(now - fit.state.cost[0], rel=0.05)
    assert not len(tried.rows)


def test_a_missing_particle_is_put_in_and_only_its_neighbours_move(model: Model) -> None:
    kept = np.array([0, 2, 3, 4])
    few = model.with_particles(OWNER[kept], no_prior(4))
    fit = solve(few, TRUTH[kept], OPTICS, SPHERE, np.zeros(4, dtype=bool))
    new = np.array([[[39.0, 32.5, np.log(7.0), 0, 0, 0]]])
    places = Places(np.array([0]), new[0, :, X], new[0, :, Y], np.array([7.0]), np.array([[-1]]), new)
    tried = attempt(few, fit, places, np.zeros(4, dtype=bool), PHYSICS, never_cancelled)
    assert tried.gain[0] > 500
    assert tried.before[0, 0] - tried.after[0, 0] > 300
    assert np.hypot(*(tried.new[0, 0, :2] - TRUTH[1, :2])) < 0.6
    assert np.exp(tried.new[0, 0, 2]) == pytest.approx(8.0, abs=0.4)
    assert set(tried.rows.tolist()) == {0, 1}
    p = fit.state.parameters.copy()
    tried.apply(p, [0])
    assert np.array_equal(p[2:], fit.state.parameters[2:])
    assert not np.array_equal(p[:2], fit.state.parameters[:2])


def test_without_its_neighbours_moving_a_particle_is_worth_the_same(model: Model) -> None:
    """What it shares with them is theirs alone once it is gone, whether they take part or stay."""
    fit = solve(model, TRUTH, OPTICS, SPHERE, np.zeros(5, dtype=bool))
    for row, component in ((0, 0), (1, 0), (4, 1)):
        places = _nothing(row, component)
        alone = attempt(model, fit, places, np.zeros(5, bool), PHYSICS, never_cancelled, alone=True)
        held = attempt(model, fit, places, np.ones(5, bool), PHYSICS, never_cancelled)
        assert alone.gain[0] == pytest.approx(held.gain[0], rel=1e-4)
        assert not len(alone.rows)


def test_changes_at_one_place_are_tried_side_by_side(model: Model) -> None:
    """Each has its own copy of the neighbours: the right size gains what it gains alone."""
    kept = np.array([0, 2, 3, 4])
    few = model.with_particles(OWNER[kept], no_prior(4))
    few.contacts = Contacts(np.array([3]), np.array([2]), 0.1)
    fit = solve(few, TRUTH[kept], OPTICS, SPHERE, np.zeros(4, dtype=bool))
    held = np.zeros(4, dtype=bool)

    def there(*radii: float) -> Places:
        new = np.array([[[39.0, 32.5, np.log(r), 0, 0, 0]] for r in radii])
        n = len(radii)
        return Places(
            np.zeros(n, dtype=np.intp), new[:, 0, X], new[:, 0, Y], np.array(radii),
            np.full((n, 1), -1, dtype=np.intp), new,
        )  # fmt: skip

    wrong = Places.joined([there(2.0), _nothing(1, 0)])
    together = attempt(few, fit, Places.joined([there(7.5), wrong]), held, PHYSICS, never_cancelled)
    alone = attempt(few, fit, there(7.5), held, PHYSICS, never_cancelled)
    assert together.gain[0] == pytest.approx(alone.gain[0], rel=1e-3)
    assert together.gain[0] > together.gain[1] and together.gain[0] > 500 > together.gain[2]
    assert [set(together.rows[together.place == k].tolist()) for k in (0, 1)] == [{0, 1}, {0, 1}]
    assert np.isnan(together.new[2]).all()
    # With nothing else free it gains less, but the same thing.
    fixed = attempt(few, fit, there(7.5, 2.0), held, PHYSICS, never_cancelled, alone=True)
    assert not len(fixed.rows) and alone.gain[0] > fixed.gain[0] > fixed.gain[1]


def _nothing(row: int, component: int) -> Places:
    p = TRUTH[row]
    return Places(
        np.array([component]), p[None, X], p[None, Y], np.exp(p[None, 2]), np.array([[row]]),
        np.empty((1, 0, 6)),
    )  # fmt: skip


def _revised(truth: Parameters, start: Parameters, physics: Physics = PHYSICS) -> tuple[Parameters, Revision]:
    """Spheres of one agglomerate, and what is made of others that were found instead."""
    made = scene_of(truth, np.zeros(len(truth), dtype=np.intp), Contacts.none())
    made = made.with_particles(np.zeros(len(start), dtype=np.intp), no_prior(len(start)))
    fit = solve(made, start, OPTICS, SPHERE, np.zeros(len(start), dtype=bool))
    old = Revision(made, fit, np.arange(len(start)), np.zeros(len(start), dtype=bool))
    out = revise(old, start, replace(physics, overlap=0.0), Sizes(9.0, 0.3, 2.0), never_cancelled)
    return out.fit.state.parameters, out


def _matches(found: Parameters, truth: Parameters) -> int:
    circles = [Circles(p[:, X], p[:, Y], 2 * np.exp(p[:, 2])) for p in (truth, found)]
    return len(match_circles(circles[0], circles[1], 0.8)[0])


def test_a_sphere_behind_another_one_is_told_from_a_darker_one() -> None:
    truth = TRUTH[:3].copy()
    truth[1, [X, Y]] = TRUTH[0, [X, Y]] + [1.2, 0.8]
    found, _ = _revised(truth, truth[[0, 2]])
    assert len(found) == 3 and _matches(found, truth) == 3
    # Where particles absorb each by its own amount, darkness tells nothing of the number.
    unlike = replace(PHYSICS, absorption_sd=0.4)
    assert len(_revised(truth, truth[[0, 2]], unlike)[0]) == 2


def test_spheres_of_all_sizes_are_added() -> None:
    truth = TRUTH[:3].copy()
    truth[1, 2], truth[2, 2] = np.log(4.2), np.log(17.0)
    truth[2, [X, Y]] = 53.0, 33.0
    found, after = _revised(truth, truth[:1])
    assert len(found) == 3 and _matches(found, truth) == 3
    assert sorted(after.origin.tolist()) == [-1, -1, 0]


def test_two_in_the_place_of_one_become_one_and_one_in_the_place_of_two_becomes_two() -> None:
    truth = TRUTH[:3]
    broken = np.concatenate([truth[[0, 2]], truth[[1, 1]]])
    broken[2:, X] += -3.0, 3.0
    broken[2:, 2] = np.log(6.0)
    found, _ = _revised(truth, broken)
    assert len(found) == 3 and _matches(found, truth) == 3
    apart = np.array([[30.0, 30.0, np.log(9.0), 0, 0, 0], [41.0, 34.0, np.log(9.0), 0, 0, 0]])
    one = np.array([[35.5, 32.0, np.log(12.0), 0, 0, 0]])
    found, _ = _revised(apart, one)
    assert len(found) == 2 and _matches(found, apart) == 2


def test_what_the_network_had_found_comes_back() -> None:
    """A particle that was lost to small ones is put back in their place."""
    truth = TRUTH[:3]
    start = truth.copy()
    made = scene_of(truth, np.zeros(3, dtype=np.intp), Contacts.none())
    shards = np.concatenate([truth[[0, 2]], np.repeat(truth[[1]], 3, axis=0)])
    shards[2:, X] += -3.0, 3.0, 0.0
    shards[2:, Y] += 2.0, 2.0, -3.0
    shards[2:, 2] = np.log(3.0)
    made = made.with_particles(np.zeros(5, dtype=np.intp), no_prior(5))
    fit = solve(made, shards, OPTICS, SPHERE, np.zeros(5, dtype=bool), most_steps=0)
    back = returns(
        made, fit, Found(start, np.zeros(3, dtype=np.intp), np.zeros(3, dtype=bool)), np.zeros(5, dtype=bool)
    )
    assert len(back.x) == 1 and set(back.gone[0].tolist()) == {2, 3, 4, -1}
    assert np.array_equal(back.new[0, 0], truth[1])


def test_nothing_takes_the_place_of_added_particles_that_are_right(model: Model) -> None:
    fit = solve(model, TRUTH, OPTICS, SPHERE, np.zeros(5, dtype=bool))
    added = np.arange(5) == 1
    assert not len(replacements(model, fit, Sizes(7.5, 0.1, 8.0), None, added).x)


def test_two_in_the_place_of_two_find_the_way_that_a_fit_does_not() -> None:
    """A small sphere within a large one is not what two side by side become of themselves."""
    none = np.zeros(3, dtype=bool)
    truth = TRUTH[:3].copy()
    truth[:, [X, Y]] = [[30.0, 30.0], [34.0, 36.0], [60.0, 30.0]]
    truth[:, 2] = np.log([11.0, 10.0, 9.0])
    start = truth.copy()
    start[:2, [X, Y]], start[:2, 2] = [32.0, 33.0], np.log([13.0, 7.0])
    made = scene_of(truth, np.zeros(3, dtype=np.intp), Contacts.none())
    stuck = solve(made, start, OPTICS, SPHERE, none)
    assert _matches(stuck.state.parameters, truth) < 3
    bad, axis = badness(made, stuck)
    places = exchanges(made, stuck, bad > 100, axis, none)
    assert (np.sort(places.gone, axis=1) == [0, 1]).all()
    # Volumes stay.
    assert np.exp(3 * places.new[:, :, 2]).sum(axis=1) == pytest.approx(
        np.exp(3 * stuck.state.parameters[:2, 2]).sum()
    )
    tried = attempt(made, stuck, places, none, replace(PHYSICS, overlap=0.0), never_cancelled)
    best = int(np.argmax(tried.gain))
    right = solve(made, truth, OPTICS, SPHERE, none)
    assert tried.gain[best] > 0.9 * (stuck.state.cost[0] - right.state.cost[0])
    assert _matches(tried.new[best], truth) == 2
    # What a person has placed stays, and what fits well is left alone.
    assert not len(exchanges(made, stuck, bad > 100, axis, ~none).x)
    assert not len(exchanges(made, stuck, none, axis, none).x)


def test_small_ones_do_not_fill_what_larger_ones_leave() -> None:
    """Held where they are wrong, two spheres leave something that a small one makes up for in part."""
    truth = TRUTH[:3].copy()
    truth[2, 2] = np.log(4.0)
    made = scene_of(truth, np.zeros(3, dtype=np.intp), Contacts.none())

    def added(start: Parameters) -> int:
        few = made.with_particles(np.zeros(2, dtype=np.intp), no_prior(2))
        held = np.ones(2, dtype=bool)
        old = Revision(few, solve(few, start, OPTICS, SPHERE, held), np.arange(2), held)
        physics = replace(PHYSICS, overlap=0.0)
        after = revise(old, start, physics, Sizes(9.0, 0.3, 2.0), never_cancelled)
        return len(after.origin) - 2

    wrong = truth[:2].copy()
    wrong[:, X] += 2.0
    assert added(truth[:2]) == 1
    assert added(wrong) == 1


def test_what_noise_leaves_of_a_right_model_is_told_from_an_error_of_it(model: Model) -> None:
    fit = solve(model, TRUTH, OPTICS, SPHERE, np.zeros(5, dtype=bool))
    misfit, _, chance = misfits(model, fit)
    assert (misfit < 2 * chance).all() and (chance > 0).all()
    kept = np.array([0, 2, 3, 4])
    few = model.with_particles(OWNER[kept], no_prior(4))
    wrong = solve(few, TRUTH[kept], OPTICS, SPHERE, np.zeros(4, dtype=bool))
    misfit, _, chance = misfits(few, wrong)
    assert (misfit[:2] > 4 * chance[:2]).all()


def test_a_particle_must_explain_more_where_the_model_is_not_exact() -> None:
    truth = TRUTH[:2].copy()
    truth[1] = 44.0, 33.0, np.log(3.8), 0, 0, 0
    assert len(_revised(truth, truth[:1])[0]) == 2
    assert len(_revised(truth, truth[:1], replace(PHYSICS, misfit=0.5))[0]) == 1
