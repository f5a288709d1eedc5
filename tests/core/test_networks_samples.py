"""Training samples: the same whoever makes them, with the truth that belongs to them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.features import get_feature_set, measured_with
from nanoai_gui.core.tem.networks.make import BATCH, choose_features, gather_samples
from nanoai_gui.core.tem.networks.samples import (
    LARGEST_COUNT,
    LEAST_SHOWN,
    Samples,
    TrainingPopulation,
    draw_spec,
    make_samples,
    samples_of,
    shown,
)
from nanoai_gui.core.tem.segmentation import segment
from nanoai_gui.core.tem.synthesis import ContrastKind, Shape, SynthesisSpec, TrueParticles, make_image
from tests.networks_made import plain_samples

SMALL = TrainingPopulation(smallest_gmd_px=10, largest_gmd_px=14)


def assert_same(one: Samples, other: Samples) -> None:
    for name in ("features", "scale_px", "count", "areas", "image"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.fixture(scope="module")
def two_images() -> Samples:
    return make_samples(SMALL, "rich", 3, [0, 1])


def test_an_image_is_the_same_whoever_makes_it(two_images: Samples) -> None:
    alone = make_samples(SMALL, "rich", 3, [1])
    assert_same(two_images.select(two_images.image == 1), alone)
    assert len(np.unique(two_images.image)) == 2
    assert not np.array_equal(alone.features[:3], make_samples(SMALL, "rich", 4, [1]).features[:3])


def test_they_do_not_depend_on_the_number_of_processes() -> None:
    made = []
    for n_workers in (1, 2):
        with WorkerPool(n_workers) as pool:
            made.append(gather_samples(SMALL, "region-13", BATCH * 20, 3, pool))
    assert_same(*made)
    assert len(made[0]) >= BATCH * 20


def test_the_truth_fits_the_silhouettes(two_images: Samples) -> None:
    few = two_images.select(two_images.count <= LARGEST_COUNT)
    assert len(few) > 20 and few.count.min() >= 1
    np.testing.assert_array_equal((few.areas > 0).sum(axis=1), few.count)
    assert (np.diff(few.areas, axis=1) <= 0).all()
    # A silhouette is the union of its particles: no smaller than the largest, no larger than their sum,
    # but for the blurred rim.
    assert (few.areas[:, 0] < 1.35).all()
    # Particles that are hidden but for a rim do not count.
    assert (few.areas.sum(axis=1) > 0.6).all()
    assert np.mean(few.areas.sum(axis=1) > 0.8) > 0.97
    singles = few.areas[few.count == 1, 0]
    assert np.median(singles) == pytest.approx(1, abs=0.15)


def test_an_opaque_particle_counts_only_if_it_shows() -> None:
    silhouette = SynthesisSpec(
        width_px=512, height_px=512, gmd_px=24, gsd=1.6, min_particles=5, coverage_percent=25, overlap=0.3,
        contrast_kind=ContrastKind.SILHOUETTE, contrast=0.9,
    )  # fmt: skip
    counts = []
    for kind in (ContrastKind.SILHOUETTE, ContrastKind.MASS):
        image = make_image(dataclasses.replace(silhouette, contrast_kind=kind, contrast=0.6), 5)
        found = segment(image.micrograph)
        samples = samples_of(image, found, get_feature_set("region-13"), 0)
        hidden = image.truth.visible_fraction < LEAST_SHOWN
        assert hidden.sum() > 5
        counts.append(samples.count)
    silhouettes, translucent = counts
    assert (translucent == 5).all()
    assert silhouettes.min() < 5 and silhouettes.max() == 5


def test_of_particles_that_hide_each_other_the_largest_counts() -> None:
    row = np.array([[1, 50, 50, 0, 400, 0], [1, 51, 50, 9, 420, 0.1], [1, 80, 50, 0, 300, 0.9],
                    [2, 51, 50, 0, 100, 0.0]])  # fmt: skip
    assert shown(TrueParticles.from_rows([row])).tolist() == [False, True, True, True]


def test_features_of_a_part_are_columns_of_the_whole(two_images: Samples) -> None:
    part = choose_features(two_images, "rich", "region-13")
    assert part.features.shape == (len(two_images), len(measured_with(get_feature_set("region-13")).features))
    assert_same(part, make_samples(SMALL, "region-13", 3, [0, 1]))


def test_specs_vary_within_what_was_asked_for() -> None:
    population = TrainingPopulation(smallest_gmd_px=15, largest_gmd_px=30, crowded_share=0.3)
    specs = [draw_spec(population, 1, i) for i in range(300)]
    gmd = np.array([spec.gmd_px for spec in specs])
    assert gmd.min() >= 15 and gmd.max() <= 30 and np.ptp(gmd) > 12
    crowded = np.mean([spec.min_particles > LARGEST_COUNT for spec in specs])
    assert crowded == pytest.approx(0.3, abs=0.09)
    assert {spec.shape for spec in specs} == set(Shape)
    assert len({spec.contrast_kind for spec in specs}) == 4
    spheres = TrainingPopulation(spheres_only=True)
    assert {draw_spec(spheres, 1, i).shape for i in range(50)} == {Shape.SPHERE}
    assert draw_spec(population, 1, 7) == draw_spec(population, 1, 7) != draw_spec(population, 2, 7)


def test_opaque_powders_and_clear_spheres_are_both_shown() -> None:
    specs = [draw_spec(TrainingPopulation(crowded_share=0.05), 1, i) for i in range(400)]
    clear = [s for s in specs if s.shape is Shape.SPHERE and s.contrast_kind is ContrastKind.MASS
             and not s.defocused and s.stray_percent == 0]  # fmt: skip
    opaque = [s for s in specs if s.shape is not Shape.SPHERE
              and (s.contrast > 0.93 or s.contrast_kind is ContrastKind.SILHOUETTE)]  # fmt: skip
    assert len(clear) > 120 and len(opaque) > 80
    assert max(s.aspect_ratio for s in opaque) > 2
    assert any(s.max_particles == 1 for s in opaque) and any(s.max_particles == 5 for s in opaque)


def test_samples_on_disk(tmp_path: Path) -> None:
    samples = plain_samples(50)
    samples.save(tmp_path / "s.npz")
    assert_same(Samples.load(tmp_path / "s.npz"), samples)


def test_cancel_and_impossible_populations() -> None:
    with pytest.raises(OperationCancelled):
        make_samples(SMALL, "region-13", 1, [0], cancelled=lambda: True)
    with WorkerPool(1) as pool:
        with pytest.raises(OperationCancelled):
            gather_samples(SMALL, "region-13", 10_000, 1, pool, cancelled=lambda: True)
        with pytest.raises(ParameterError):
            gather_samples(TrainingPopulation(crowded_share=2), "region-13", 10, 1, pool)
