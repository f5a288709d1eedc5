"""What the fit spends its time on: smoothing, and products of particles that see each other."""

from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.tem.fitting import model as models
from nanoai_gui.core.tem.fitting.bodies import LOG_R, N_PARAMETERS, SPHERE, Kind, X, Y
from nanoai_gui.core.tem.fitting.equations import products_of_pairs
from nanoai_gui.core.tem.fitting.model import Model, no_prior
from nanoai_gui.core.tem.fitting.scene import Optics, Scene, blur, kernel


@pytest.mark.parametrize(
    ("shape", "sigma"), [((1, 1), 0.3), ((3, 50), 1.2), ((17, 16), 4.0), ((150, 333), 1.1), ((40, 41), 20.0)]
)
def test_smoothing_is_a_sum_over_neighbours_that_goes_on_as_the_image_ends(
    shape: tuple[int, int], sigma: float
) -> None:
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    k = kernel(sigma)
    reach = len(k) // 2
    expected = np.pad(image, reach, mode="edge").astype(np.float64)
    for axis in (0, 1):
        expected = np.apply_along_axis(np.convolve, axis, expected, k, mode="valid")
    for seen in (image, np.asfortranarray(image), np.pad(image, 3)[3 : 3 + shape[0], 3 : 3 + shape[1]]):
        assert np.abs(blur(seen, sigma) - expected).max() < 1e-6


def test_products_of_pairs_are_those_of_whole_images() -> None:
    rng = np.random.default_rng(1)
    corners = np.array([[2, 3, 9], [6, 1, 7], [8, 8, 5], [25, 25, 6]])
    jacobians = [rng.random((3, w, w)).astype(np.float32) for w in corners[:, 2]]
    whole = np.zeros((4, 3, 40, 40))
    for k, (y, x, w) in enumerate(corners.tolist()):
        whole[k, :, y : y + w, x : x + w] = jacobians[k]
    first, second = np.triu_indices(4, 1)
    found = products_of_pairs(jacobians, corners, first, second, 3)
    assert np.allclose(found, np.einsum("kpyx,kqyx->kpq", whole[first], whole[second]), rtol=1e-5)
    # Those that do not meet have nothing in common.
    assert (found[second == 3] == 0).all() and (found[(first == 0) & (second == 1)] > 0).all()


def _spheres() -> tuple[Model, np.ndarray, Optics]:
    rng = np.random.default_rng(2)
    owner = np.zeros((90, 130), dtype=np.int32)
    owner[:, 66:] = 1
    owner[:, 64:66] = -1
    contrast = rng.normal(0, 0.02, owner.shape).astype(np.float32)
    p = np.zeros((9, N_PARAMETERS))
    p[:, X] = np.concatenate([rng.uniform(15, 50, 5), rng.uniform(80, 115, 4)])
    p[:, Y] = rng.uniform(15, 75, 9)
    p[:, LOG_R] = np.log(rng.uniform(5, 12, 9))
    component = np.array([0] * 5 + [1] * 4)
    weight = np.full(owner.shape, 40.0, dtype=np.float32)
    model = Model(Scene(contrast, weight, owner, 2), component, Kind.MASS, no_prior(9), 24)
    return model, p, Optics(0.05, 0.98, 1.1)


def test_how_many_windows_are_worked_on_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, p, optics = _spheres()
    rows = np.arange(len(p))
    state = model.evaluate(p, optics, rows)
    equations = model.linearise(state, optics, rows, SPHERE)
    monkeypatch.setattr(models, "FAST_PX", 1)
    again = model.evaluate(p, optics, rows)
    assert np.array_equal(state.residual, again.residual)
    one_by_one = model.linearise(again, optics, rows, SPHERE)
    assert np.allclose(equations.gradient, one_by_one.gradient, rtol=1e-5)
    assert np.allclose(equations.own, one_by_one.own, rtol=1e-5)


def test_costs_are_sums_over_what_counts_of_each_component() -> None:
    model, p, optics = _spheres()
    state = model.evaluate(p, optics, np.arange(len(p)))
    rim = model.rim
    weighted = (model.weight * state.residual)[rim:-rim, rim:-rim].astype(np.float64)
    owner = model.owner[rim:-rim, rim:-rim]
    for k in range(2):
        expected = (weighted[owner == k] ** 2).sum() + (state.level[k] / models.LEVEL_SD) ** 2
        assert state.cost[k] == pytest.approx(expected, rel=1e-5)
        # The level is the best one: what is left pulls on it as much as what is expected of it.
        pull = (model.weight[rim:-rim, rim:-rim] * weighted)[owner == k].sum()
        assert pull == pytest.approx(state.level[k] / models.LEVEL_SD**2, rel=1e-2)
    assert (model.cost_of(state.residual) < state.cost).all()
