"""The physical fit: derivatives, recovery of what is known, and what it must leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.tem.evaluation import Circles, gmd_gsd, match_circles
from nanoai_gui.core.tem.fitting.bodies import LOG_R, Kind, windows
from nanoai_gui.core.tem.fitting.contacts import choose
from nanoai_gui.core.tem.fitting.model import Model, Prior
from nanoai_gui.core.tem.fitting.refine import Starts, refine
from nanoai_gui.core.tem.fitting.report import ellipse, parameters_of, residual_image
from nanoai_gui.core.tem.fitting.scene import Optics, Scene
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.synthesis import SynthesisSpec
from nanoai_gui.core.tem.synthesis.spec import ContrastKind, Shape
from tests.fits_made import Case, near_truth

SPEC = SynthesisSpec(width_px=400, height_px=400, gmd_px=20, gsd=1.3, coverage_percent=15)


@pytest.fixture(scope="module")
def spheres() -> Case:
    return near_truth(SPEC, 4000)


@pytest.mark.parametrize("kind", list(Kind))
def test_slopes_are_those_of_the_depth(kind: Kind) -> None:
    p = np.array([[0.3, -0.2, np.log(9.0), 0.12, -0.08, 0.2]])
    row = np.array([0])
    columns = (0, 1, 2, 3, 4) if kind is Kind.FLAT else (0, 1, 2, 3, 4, 5)
    exact = windows(p, row, 14, kind, 0.05, columns)
    for k, column in enumerate(columns):
        step = 1e-2
        up, down = p.copy(), p.copy()
        up[0, column] += step
        down[0, column] -= step
        a, b = (np.exp(-windows(q, row, 14, kind, 0.05).depth) for q in (up, down))
        numeric = (a - b) / (2 * step)
        analytic = -np.exp(-exact.depth) * exact.slopes[:, k]
        # The rim of a flat silhouette is a ramp with corners.
        assert np.abs(numeric - analytic).sum() < 0.08 * np.abs(numeric).sum()


def test_depth_of_a_sphere_holds_its_volume() -> None:
    depth = windows(np.array([[0.4, 0.1, np.log(12.0), 0, 0, 0]]), np.array([0]), 16, Kind.MASS, 1.0).depth
    assert depth.sum() == pytest.approx(4 / 3 * np.pi * 12**3, rel=2e-3)


def test_normal_equations_are_those_of_the_cost() -> None:
    """Half the gradient of the cost, by differences, is what the normal equations say."""
    rng = np.random.default_rng(1)
    shape = 60, 80
    scene = Scene(
        rng.normal(0.2, 0.1, shape).astype(np.float32),
        np.full(shape, 10.0, dtype=np.float32),
        np.zeros(shape, dtype=np.int32),
        1,
    )
    p = np.array([[30.2, 28.7, np.log(10.0), 0, 0, 0], [43.1, 33.4, np.log(8.0), 0, 0, 0]])
    prior = Prior(np.zeros((2, 6)), np.zeros((2, 6)))
    model = Model(scene, np.zeros(2, dtype=np.intp), Kind.MASS, prior, 20)
    optics, rows = Optics(0.05, 0.9, 1.2), np.arange(2)
    state = model.evaluate(p, optics, rows)
    equations = model.linearise(state, optics, rows, (0, 1, 2))
    for k, column in ((0, 0), (0, 2), (1, 1), (1, 2)):
        step = 0.02
        up, down = p.copy(), p.copy()
        up[k, column] += step
        down[k, column] -= step
        a, b = (float(model.evaluate(q, optics, rows).cost[0]) for q in (up, down))
        assert -(a - b) / (4 * step) == pytest.approx(equations.gradient[k, column], rel=0.03, abs=2.0)


def test_spheres_are_found_where_and_as_large_as_they_are(spheres: Case) -> None:
    refined = refine(spheres.image.micrograph, spheres.agglomerates, spheres.starts)
    radius = np.exp(refined.parameters[:, LOG_R])
    started = np.median(np.abs(spheres.starts.radius / spheres.true_radius - 1))
    error = np.median(np.abs(radius / spheres.true_radius - 1))
    assert error < 0.006 < started
    (gmd, gsd), (true_gmd, true_gsd) = gmd_gsd(radius), gmd_gsd(spheres.true_radius)
    assert abs(gmd / true_gmd - 1) < 0.006 and abs(gsd / true_gsd - 1) < 0.006
    physics = refined.physics
    assert physics is not None and physics.kind is Kind.MASS and physics.strain_sd == 0
    assert physics.optics.absorption == pytest.approx(-np.log(0.4) / 20, rel=0.05)
    # Blur of the optics and of the detector together.
    assert physics.optics.blur_px == pytest.approx(np.hypot(1.0, 0.5), abs=0.12)
    z = np.log(radius / spheres.true_radius) / refined.judgement.log_r_sd
    assert 0.4 < np.mean(np.abs(z) < 1) < 0.9
    assert np.percentile(refined.judgement.misfit, 95) < 0.05


def test_flat_silhouettes_are_told_from_spheres() -> None:
    case = near_truth(replace(SPEC, contrast_kind=ContrastKind.SILHOUETTE), 4001)
    refined = refine(case.image.micrograph, case.agglomerates, case.starts)
    assert refined.physics is not None and refined.physics.kind is Kind.FLAT
    error = np.abs(np.exp(refined.parameters[:, LOG_R]) / case.true_radius - 1)
    assert np.median(error) < 0.006


def test_ellipsoids_get_axes_and_keep_their_area() -> None:
    case = near_truth(replace(SPEC, shape=Shape.ELLIPSOID, aspect_ratio=1.3), 4002)
    refined = refine(case.image.micrograph, case.agglomerates, case.starts)
    assert refined.physics is not None and refined.physics.strain_sd > 0.03
    # Contacts that have grown together would explain their shapes too, at first.
    assert refined.physics.overlap == 0
    error = np.log(np.exp(refined.parameters[:, LOG_R]) / case.true_radius)
    assert np.median(np.abs(error)) < 0.006
    assert 0.5 < np.mean(np.abs(error) < refined.judgement.log_r_sd) < 0.85


def test_bright_particles_are_fitted_too() -> None:
    case = near_truth(replace(SPEC, bright_particles=True), 4003)
    refined = refine(case.image.micrograph, case.agglomerates, case.starts)
    error = np.abs(np.exp(refined.parameters[:, LOG_R]) / case.true_radius - 1)
    assert np.median(error) < 0.008


def test_what_a_person_placed_stays_to_the_last_bit(spheres: Case) -> None:
    held = np.zeros(len(spheres.starts), dtype=bool)
    held[::5] = True
    starts = replace(spheres.starts, held=held)
    refined = refine(spheres.image.micrograph, spheres.agglomerates, starts)
    assert np.array_equal(refined.parameters[held, 0], starts.x[held])
    assert np.array_equal(refined.parameters[held, 1], starts.y[held])
    assert np.array_equal(refined.parameters[held, LOG_R], np.log(starts.radius[held]))
    assert np.isnan(refined.judgement.log_r_sd[held]).all()
    assert np.isfinite(refined.judgement.log_r_sd[~held]).all()


def test_a_particle_that_is_not_there_fits_badly(spheres: Case) -> None:
    """A circle put over a gap between two particles is told by its misfit or its error."""
    n = len(spheres.starts)
    wrong = Starts(
        np.append(spheres.starts.agglomerate, spheres.starts.agglomerate[0]),
        np.append(spheres.starts.x, spheres.starts.x[0] + 1.3 * spheres.starts.radius[0]),
        np.append(spheres.starts.y, spheres.starts.y[0] + 1.3 * spheres.starts.radius[0]),
        np.append(spheres.starts.radius, spheres.starts.radius[0]),
        np.zeros(n + 1, dtype=bool),
    )
    refined = refine(spheres.image.micrograph, spheres.agglomerates, wrong)
    extra = np.exp(refined.parameters[n, LOG_R])
    assert (
        refined.judgement.misfit[n] > 0.05
        or refined.judgement.log_r_sd[n] > 0.1
        or extra < 0.6 * spheres.starts.radius[0]
    )


def test_the_residual_is_noise_where_the_fit_is_right(spheres: Case) -> None:
    refined = refine(spheres.image.micrograph, spheres.agglomerates, spheres.starts)
    report = refined.report(len(spheres.starts), False)
    assert report is not None
    p = refined.parameters
    particles = Particles.from_circles(spheres.starts.agglomerate, p[:, 0], p[:, 1], np.exp(p[:, LOG_R]))
    left = residual_image(spheres.image.micrograph, spheres.agglomerates, particles, report)
    measured = spheres.agglomerates.ids[spheres.agglomerates.measured]
    inside = np.isin(spheres.agglomerates.labels, measured)
    nothing = residual_image(spheres.image.micrograph, spheres.agglomerates, Particles.empty(), report)
    assert left[inside].std() < 0.06 < 0.2 < nothing[inside].mean()
    assert "spheres" in report.sentence() and "px" in report.sentence()


def test_cancelling_stops_the_fit(spheres: Case) -> None:
    calls = []

    def cancelled() -> bool:
        calls.append(1)
        return len(calls) > 4

    with pytest.raises(OperationCancelled):
        refine(spheres.image.micrograph, spheres.agglomerates, spheres.starts, cancelled=cancelled)


def test_nothing_to_fit_gives_nothing(spheres: Case) -> None:
    none = np.empty(0)
    starts = Starts(np.empty(0, dtype=np.int32), none, none, none, np.empty(0, dtype=bool))
    refined = refine(spheres.image.micrograph, spheres.agglomerates, starts)
    assert refined.physics is None and refined.parameters.shape == (0, 6)


def test_outlines_of_ellipses_are_read_back() -> None:
    q1, q2 = 0.15, -0.1
    outline = ellipse(50.0, 40.0, 12.0, q1, q2)
    particles = Particles.from_areas([1], [50.0], [40.0], [np.pi * 144], outlines=[outline])
    p = parameters_of(particles)[0]
    assert p[3] == pytest.approx(q1, abs=0.005) and p[4] == pytest.approx(q2, abs=0.005)
    assert len(ellipse(0, 0, 5.0, 0, 0)) == 0


def test_the_likeliest_contacts_hold_an_agglomerate_together() -> None:
    small, large = np.array([0, 1, 0]), np.array([1, 2, 2])
    share = np.array([0.95, 0.9, 0.3])
    contacts = choose(small, large, share, np.zeros(3), 0.05, 3)
    assert list(zip(contacts.small, contacts.large, strict=True)) == [(0, 1), (1, 2)]
    # The image may say otherwise.
    contacts = choose(small, large, share, np.array([-50.0, 0, 30.0]), 0.05, 3)
    assert list(zip(contacts.small, contacts.large, strict=True)) == [(1, 2), (0, 2)]


def test_a_missed_particle_is_added_and_one_too_many_dropped(spheres: Case) -> None:
    s = spheres.starts
    ids, counts = np.unique(s.agglomerate, return_counts=True)
    crowded = ids[counts >= 3]
    missing = np.array([int(np.flatnonzero(s.agglomerate == i)[0]) for i in crowded[::2]])
    twice = np.array([int(np.flatnonzero(s.agglomerate == i)[0]) for i in crowded[1::2]])
    rows = np.concatenate([np.setdiff1d(np.arange(len(s)), missing), twice])
    shift = np.concatenate([np.zeros(len(s) - len(missing)), np.full(len(twice), 1.5)])
    starts = Starts(s.agglomerate[rows], s.x[rows] + shift, s.y[rows], s.radius[rows], s.held[rows])
    refined = refine(spheres.image.micrograph, spheres.agglomerates, starts, change_number=True)
    p = np.concatenate([refined.parameters[~refined.dropped], refined.added])
    truth = Circles(s.x, s.y, 2 * spheres.true_radius)
    found = Circles(p[:, 0], p[:, 1], 2 * np.exp(p[:, LOG_R]))
    started = Circles(starts.x, starts.y, 2 * starts.radius)
    before, after = len(match_circles(truth, started)[0]), len(match_circles(truth, found)[0])
    assert before == len(s) - len(missing) and len(missing) >= 4 and len(twice) >= 3
    assert after >= len(s) - 0.4 * len(missing)
    # Of two in one place one goes, whichever.
    assert len(found) - after <= 0.4 * len(twice)
    assert len(refined.added_agglomerate) == len(refined.added)
    assert set(refined.added_agglomerate.tolist()) <= set(ids.tolist())


def test_corners_of_polyhedra_are_not_filled_with_spheres() -> None:
    case = near_truth(replace(SPEC, shape=Shape.POLYHEDRON, aspect_ratio=1.4), 4005, centre_px=0.3)
    refined = refine(case.image.micrograph, case.agglomerates, case.starts, change_number=True)
    assert len(refined.added) == 0 and not refined.dropped.any()
