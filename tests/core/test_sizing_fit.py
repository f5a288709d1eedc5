"""The method ``fit``: what it takes from the fit, what from the network, and what a person has decided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nanoai_gui.core.plain import from_bytes, to_bytes
from nanoai_gui.core.tem.detection.detections import Detections
from nanoai_gui.core.tem.detection.merging import are_marks
from nanoai_gui.core.tem.fitting.refine import Starts
from nanoai_gui.core.tem.given import given_agglomerates
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.report import FitFacts, ImageRecord, summarise
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.core.tem.sizing import SizingResult, get_method
from nanoai_gui.core.tem.sizing.fit import NOTHING_FOUND, FitParameters, measure, size
from nanoai_gui.core.tem.synthesis import SynthesisSpec
from nanoai_gui.core.tem.synthesis.spec import ContrastKind, Shape
from tests.core.analyses import Disc, make_analysis
from tests.fits_made import Case, as_detections, near_truth

SPEC = SynthesisSpec(width_px=360, height_px=360, gmd_px=22, gsd=1.25, coverage_percent=14)
NOBODY = Particles.empty()


@pytest.fixture(scope="module")
def spheres() -> Case:
    return near_truth(SPEC, 4100)


def fit(
    case: Case, found: Detections, held: Particles = NOBODY, parameters: FitParameters | None = None
) -> SizingResult:
    return measure(case.image.micrograph, case.agglomerates, found, parameters or FitParameters(), held)


def test_spheres_are_measured_by_the_fit(spheres: Case) -> None:
    result = fit(spheres, as_detections(spheres.starts))
    p = result.particles
    error = np.abs(p.diameter_px / (2 * spheres.true_radius) - 1)
    assert np.median(error) < 0.006
    assert np.mean(p.flagged) < 0.05
    assert np.median(p.uncertainty_px / p.diameter_px) < 0.01
    assert result.fit is not None and not result.fit.outlines_stand
    assert result.fit.detection_limit_px >= 5
    assert np.array_equal(
        result.n_particles, SizingResult.from_particles("fit", spheres.agglomerates, p).n_particles
    )


def test_without_the_fit_the_network_stands(spheres: Case) -> None:
    found = as_detections(spheres.starts)
    parameters = FitParameters(refine=False)
    result = measure(spheres.image.micrograph, spheres.agglomerates, found, parameters, NOBODY)
    assert result.fit is None
    assert np.array_equal(result.particles.area_px, found.area_px)
    assert np.array_equal(result.particles.uncertainty_px, 2 * found.radius_sd_px)


def test_one_circle_where_two_spheres_are_becomes_two_or_keeps_its_outline(spheres: Case) -> None:
    """Where the number must not change, it is flagged, and the network's outline stays."""
    s = spheres.starts
    ids, counts = np.unique(s.agglomerate, return_counts=True)
    pair = np.flatnonzero(s.agglomerate == ids[counts == 2][0])
    rows = np.setdiff1d(np.arange(len(s)), pair[1:])
    merged = replace(
        s,
        x=np.where(np.arange(len(s)) == pair[0], s.x[pair].mean(), s.x),
        y=np.where(np.arange(len(s)) == pair[0], s.y[pair].mean(), s.y),
        radius=np.where(np.arange(len(s)) == pair[0], 1.4 * s.radius[pair].max(), s.radius),
    )
    found = as_detections(merged).select(rows)
    p = fit(spheres, found).particles
    assert len(p) == len(s) and not p.flagged.any()
    for k in pair:
        away = np.hypot(p.x - s.x[k], p.y - s.y[k])
        assert p.diameter_px[away.argmin()] == pytest.approx(2 * spheres.true_radius[k], rel=0.03)
        assert away.min() < 0.1 * spheres.true_radius[k]
    result = fit(spheres, found, parameters=FitParameters(change_number=False))
    row = int(np.flatnonzero(rows == pair[0])[0])
    same = np.flatnonzero(np.isclose(result.particles.x, found.x[row], atol=1e-9))
    assert len(same) == 1 and result.particles.flagged[same[0]]
    assert result.particles.area_px[same[0]] == found.area_px[row]
    assert np.mean(result.particles.flagged) < 0.2


def test_the_model_is_not_given_up_for_what_it_put_right() -> None:
    """Two of every agglomerate were found as one: what gives way to them is nothing the model fails at."""
    case = near_truth(SPEC, 4101)
    s = case.starts
    x, y, radius, keep = s.x.copy(), s.y.copy(), s.radius.copy(), np.ones(len(s), dtype=bool)
    ids, counts = np.unique(s.agglomerate, return_counts=True)
    for ident in ids[counts >= 2].tolist():
        one, *rest = np.flatnonzero(s.agglomerate == ident).tolist()
        other = min(rest, key=lambda k: float(np.hypot(s.x[k] - s.x[one], s.y[k] - s.y[one])))
        x[one], y[one] = (s.x[one] + s.x[other]) / 2, (s.y[one] + s.y[other]) / 2
        radius[one], keep[other] = 1.4 * max(s.radius[one], s.radius[other]), False
    found = as_detections(replace(s, x=x, y=y, radius=radius)).select(np.flatnonzero(keep))
    result = fit(case, found)
    assert np.count_nonzero(~keep) > 0.2 * np.count_nonzero(keep)
    assert result.fit is not None and not result.fit.outlines_stand
    assert len(result.particles) == len(s)


def test_angular_opaque_particles_are_not_made_larger_or_smaller() -> None:
    spec = replace(
        SPEC, shape=Shape.POLYHEDRON, contrast_kind=ContrastKind.SILHOUETTE, contrast=0.97, dose=3000,
        aspect_ratio=1.6, flatness=0.9,
    )  # fmt: skip
    case = near_truth(spec, 4101, centre_px=0.3, radius_share=0.02)
    p = fit(case, as_detections(case.starts)).particles
    assert abs(np.log(p.diameter_px).mean() - np.log(2 * case.true_radius).mean()) < 0.02


def test_what_a_person_holds_is_neither_moved_nor_found_again(spheres: Case) -> None:
    found = as_detections(spheres.starts)
    held = Particles.from_circles(
        found.agglomerate[:2], found.x[:2] + 0.4, found.y[:2], found.radius_px[:2] * 1.02
    )
    before = (held.x.copy(), held.area_px.copy())
    parameters = FitParameters()
    result = size(spheres.image.micrograph, spheres.agglomerates, parameters, held=held)
    assert np.array_equal(held.x, before[0]) and np.array_equal(held.area_px, before[1])
    for x, y, d in zip(held.x, held.y, held.diameter_px, strict=True):
        away = np.hypot(result.particles.x - x, result.particles.y - y)
        assert away.min() > 0.25 * d


def test_no_more_particles_than_a_person_counted(spheres: Case) -> None:
    ids = spheres.agglomerates.ids[spheres.agglomerates.measured]
    counts = {int(i): 1 for i in ids}
    result = size(spheres.image.micrograph, spheres.agglomerates, FitParameters(), counts=counts)
    assert result.n_particles.max() <= 1 and result.n_particles.sum() > 0


def test_an_agglomerate_in_which_nothing_is_found_is_left_out_and_says_so(spheres: Case) -> None:
    micrograph = spheres.image.micrograph
    x, y = np.clip(empty_place(spheres), 10, np.array(micrograph.shape[::-1]) - 11)
    labels = spheres.agglomerates.labels.copy()
    mine = int(labels.max()) + 1
    labels[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4] = mine
    a = given_agglomerates(micrograph, SegmentationParameters(), labels)
    parameters = FitParameters(refine=False)
    result = size(micrograph, a, parameters)
    reasons = dict(zip(a.ids.tolist(), result.excluded, strict=True))
    assert reasons.pop(mine) == NOTHING_FOUND
    assert [*reasons.values()] == [*a.excluded[:-1]] and result.n_particles.sum() > 0
    # What a person put there is in it.
    there = np.array([x]), np.array([y])
    held = Particles.from_circles(np.array([mine], dtype=np.int32), *there, np.array([4.0]))
    assert size(micrograph, a, parameters, held=held).excluded == a.excluded


def test_it_runs_as_any_method_and_comes_back_from_a_file(spheres: Case) -> None:
    method = get_method("fit")
    told: list[float] = []
    result = method.size(
        spheres.image.micrograph,
        spheres.agglomerates,
        method.Parameters(),
        lambda fraction, message: told.append(fraction),
        lambda: False,
    )
    assert told == sorted(told) and told[-1] == 1.0
    assert len(result.particles) > 0.7 * len(spheres.starts) and result.model
    back = from_bytes(SizingResult, to_bytes(result))
    assert np.array_equal(back.particles.flagged, result.particles.flagged)
    assert back.fit is not None and result.fit is not None
    assert back.fit.sentence() == result.fit.sentence()


def test_the_summary_says_what_the_fit_cannot_see(spheres: Case) -> None:
    report = fit(spheres, as_detections(spheres.starts)).fit
    assert report is not None
    facts = FitFacts(report.sentence(), report.detection_limit_px, 3)
    made = make_analysis([Disc(1, 30.0, 30.0, 8.0, (16.0,))], methods=("fit",))
    record = replace(ImageRecord.of("a.tif", made), fits={"fit": facts})
    values = summarise([record], [], made.settings)["methods"]["fit"]["pooled"]
    assert values["detection_limit_px"] >= 5 and values["n_to_check"] == 3
    assert "spheres" in values["measured_as"]


def test_a_doubtful_outline_inside_a_surer_one_is_a_mark_on_it_where_particles_are_opaque() -> None:
    spec = replace(
        SPEC, shape=Shape.POLYHEDRON, contrast_kind=ContrastKind.SILHOUETTE, contrast=0.97, dose=3000,
        aspect_ratio=1.6, flatness=0.9,
    )  # fmt: skip
    case = near_truth(spec, 4101, centre_px=0.3, radius_share=0.02)
    s = case.starts
    largest = int(np.argmax(s.radius))
    # One in the middle of the largest particle, and one that sticks out of it by half of its width.
    x = s.x[largest] + np.array([0.2, 1.0]) * s.radius[largest]
    both = [np.concatenate([column, np.repeat(column[largest], 2)]) for column in (s.agglomerate, s.y)]
    more = Starts(
        both[0], np.concatenate([s.x, x]), both[1],
        np.concatenate([s.radius, np.full(2, 0.4 * s.radius[largest])]), np.zeros(len(s) + 2, dtype=bool),
    )  # fmt: skip
    found = as_detections(more)
    doubted = np.arange(len(more)) >= len(s)
    found = replace(found, score=np.where(doubted, 0.5, 0.9))
    assert np.flatnonzero(are_marks(found)).tolist() == [len(s)]
    # A misfit that no model keeps to: the outlines stand.
    strict = FitParameters(largest_misfit_percent=0.5)
    result = measure(case.image.micrograph, case.agglomerates, found, strict, NOBODY)
    assert result.fit is not None and result.fit.outlines_stand
    p = result.particles
    assert len(p) == len(more) - 1 and p.ids.tolist() == list(range(1, len(more)))
    # Where the network is as sure of it, it is another particle.
    sure = replace(found, score=np.full(len(found), 0.9))
    assert not are_marks(sure).any() and not are_marks(found.select(np.array([0]))).any()


def test_rings_of_defocus_in_a_large_sphere_are_not_a_sphere_in_front_of_it() -> None:
    spec = replace(SPEC, gmd_px=26, gsd=1.5, max_particles=1, contrast_kind=ContrastKind.FRESNEL)
    case = near_truth(spec, 4107)
    p = fit(case, as_detections(case.starts)).particles
    assert len(p) == len(case.starts.x)
    assert np.median(np.abs(np.sort(p.diameter_px) / np.sort(2 * case.true_radius) - 1)) < 0.02


def test_film_beside_particles_is_no_particle_and_small_ones_are() -> None:
    """Far too faint for its size, and doubtful to the network: something else; small ones are faint too."""
    from nanoai_gui.core.tem.fitting.foreign import too_faint, usual_of
    from nanoai_gui.core.tem.fitting.signal import read_signal

    case = near_truth(replace(SPEC, contrast=0.8), 4102)
    found = as_detections(case.starts)
    signal = read_signal(case.image.micrograph, case.agglomerates)
    thickness, radius = usual_of(signal, found)
    assert thickness > 0.3
    assert radius == pytest.approx(float(np.median(found.radius_px)), rel=0.2)
    doubted = replace(found, score=np.where(np.arange(len(found)) % 2, 0.9, 0.4))
    assert not too_faint(signal, doubted, 0.5).any()
    # As large an outline on the empty film beside it, or of something three times as large as what shows.
    x, y = empty_place(case)
    moved = replace(doubted, x=doubted.x.copy(), y=doubted.y.copy(), outlines=tuple(
        o + np.array([x - a, y - b], dtype=np.float32) if k == 0 else o
        for k, (o, a, b) in enumerate(zip(doubted.outlines, doubted.x, doubted.y, strict=True))
    ))  # fmt: skip
    moved.x[0], moved.y[0] = x, y
    assert np.flatnonzero(too_faint(signal, moved, 0.5)).tolist() == [0]
    sure = replace(moved, score=np.full(len(moved), 0.9))
    assert not too_faint(signal, sure, 0.5).any()
    assert not too_faint(signal, moved, 0.0).any()
    kept = size(case.image.micrograph, case.agglomerates, FitParameters(refine=False))
    every = FitParameters(refine=False, least_thickness_percent=0)
    assert len(kept.particles) == len(size(case.image.micrograph, case.agglomerates, every).particles)


def empty_place(case: Case) -> tuple[float, float]:
    """The px that lies farthest from all agglomerates."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(case.agglomerates.labels == 0)
    y, x = np.unravel_index(int(np.argmax(distance)), distance.shape)
    return float(x), float(y)
