"""Parts of a scene that are looked at alone: nothing may change by that but the time it takes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import never_cancelled
from nanoai_gui.core.tem.fitting.bodies import SPHERE, Kind, X, Y
from nanoai_gui.core.tem.fitting.contacts import Contacts
from nanoai_gui.core.tem.fitting.model import Model, no_prior
from nanoai_gui.core.tem.fitting.pooled import Physics
from nanoai_gui.core.tem.fitting.scene import Optics, Scene
from nanoai_gui.core.tem.fitting.solver import solve
from nanoai_gui.core.tem.fitting.trials import Places, attempt

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
        np.array([0]), p[1:2, X], p[1:2, Y], np.exp(p[1:2, 2]), np.array([1]), np.empty((1, 0, 6))
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
    places = Places(np.array([0]), new[0, :, X], new[0, :, Y], np.array([7.0]), np.array([-1]), new)
    tried = attempt(few, fit, places, np.zeros(4, dtype=bool), PHYSICS, never_cancelled)
    assert tried.gain[0] > 500
    assert tried.before[0, 0] - tried.after[0, 0] > 300
    assert np.hypot(*(tried.new[0, 0, :2] - TRUTH[1, :2])) < 0.6
    assert np.exp(tried.new[0, 0, 2]) == pytest.approx(8.0, abs=0.4)
    assert set(tried.rows.tolist()) == {0, 1}
    p = fit.state.parameters.copy()
    tried.apply(p, np.array([True]))
    assert np.array_equal(p[2:], fit.state.parameters[2:])
    assert not np.array_equal(p[:2], fit.state.parameters[:2])
