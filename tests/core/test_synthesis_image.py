from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.tem.synthesis import (
    Aggregation,
    BitDepth,
    Caption,
    ContrastKind,
    Shape,
    SynthesisSpec,
    SyntheticImage,
    make_crops,
    make_image,
)
from nanoai_gui.core.tem.synthesis.crops import chunk_size
from nanoai_gui.core.tem.synthesis.presets import PRESETS

SMALL = SynthesisSpec(width_px=256, height_px=192, gmd_px=18)
PLAIN = dataclasses.replace(
    SMALL, coverage_percent=0, film_percent=0, gradient_percent=0, detector_blur_px=0, read_noise=10
)


def same(a: SyntheticImage, b: SyntheticImage) -> bool:
    columns = dataclasses.fields(a.truth)
    return (
        a.micrograph.pixels.tobytes() == b.micrograph.pixels.tobytes()
        and a.labels.tobytes() == b.labels.tobytes()
        and all(getattr(a.truth, c.name).tobytes() == getattr(b.truth, c.name).tobytes() for c in columns)
        and a.spec == b.spec
    )


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.name)
def test_the_same_seed_gives_the_same_bytes(preset) -> None:
    spec = dataclasses.replace(preset.spec, width_px=256, height_px=256, holes=2, caption=Caption.SCALE_BAR)
    assert same(make_image(spec, 5), make_image(spec, 5))
    assert not same(make_image(spec, 5), make_image(spec, 6))


def test_the_truth_fits_the_picture() -> None:
    made = make_image(dataclasses.replace(SMALL, overlap=0.0, contrast=0.8), 1)
    truth, pixels, labels = made.truth, made.micrograph.pixels, made.labels
    assert pixels.shape == labels.shape == (192, 256)
    assert pixels.dtype == np.uint8
    assert made.micrograph.calibration.nm_per_px == SMALL.nm_per_px
    assert "synthetic" in made.micrograph.metadata["Origin"]
    assert len(truth) > 10
    assert list(truth.particle) == list(range(1, len(truth) + 1))
    assert set(truth.agglomerate) == set(np.unique(labels)) - {0}
    at = labels[np.rint(truth.y_px).astype(int), np.rint(truth.x_px).astype(int)]
    assert np.array_equal(at, truth.agglomerate)
    assert np.allclose(truth.area_px, np.pi / 4 * truth.diameter_px**2)
    assert np.all((truth.visible_fraction >= 0) & (truth.visible_fraction <= 1))
    background = np.median(pixels[labels == 0])
    assert pixels[labels > 0].mean() < 0.75 * background
    # Where discs of the true sizes lie, and nowhere else, there is material.
    y, x = np.indices(labels.shape)
    drawn = np.zeros(labels.shape, dtype=bool)
    for cx, cy, d in zip(truth.x_px, truth.y_px, truth.diameter_px, strict=True):
        drawn |= (x - cx) ** 2 + (y - cy) ** 2 < d * d / 4
    assert np.mean(drawn != (labels > 0)) < 0.005


def test_agglomerates_do_not_touch() -> None:
    made = make_image(dataclasses.replace(SMALL, coverage_percent=25), 2)
    grown = ndimage.binary_dilation(made.labels > 0, iterations=3)
    _, n = ndimage.label(grown)
    assert n == made.labels.max() > 5


@pytest.mark.parametrize("shape", Shape)
def test_the_population_is_the_one_asked_for(shape: Shape) -> None:
    spec = dataclasses.replace(SMALL, shape=shape, gmd_px=20, gsd=1.4, roughness=0.03, width_px=64)
    diameters = np.concatenate([c.truth.diameter_px for c in make_crops(spec, 256, 3)])
    logs = np.log(diameters)
    n = len(logs)
    assert n > 600
    assert abs(logs.mean() - np.log(20)) < 4 * np.log(1.4) / np.sqrt(n)
    assert abs(logs.std() - np.log(1.4)) < 4 * np.log(1.4) / np.sqrt(2 * n)


def test_numbers_of_particles_are_uniform_between_the_limits() -> None:
    spec = dataclasses.replace(SMALL, min_particles=2, max_particles=5)
    counts = np.array([len(c.truth) for c in make_crops(spec, 512, 0)])
    assert np.array_equal(np.unique(counts), [2, 3, 4, 5])
    assert np.all(np.abs(np.bincount(counts)[2:] - 128) < 5 * np.sqrt(128))


@pytest.mark.parametrize("dose", [20.0, 400.0])
@pytest.mark.parametrize("depth", BitDepth)
def test_brightness_and_noise_are_those_of_the_dose(dose: float, depth: BitDepth) -> None:
    spec = dataclasses.replace(PLAIN, dose=dose, bit_depth=depth, brightness=0.4, read_noise=5.0)
    pixels = make_image(spec, 0).micrograph.pixels.astype(np.float64)
    per_electron = depth.largest * 0.4 / dose
    assert pixels.mean() == pytest.approx(0.4 * depth.largest, rel=0.02)
    # The part that falls below 0 is lost, which narrows the darkest image a little.
    assert pixels.std() == pytest.approx(per_electron * np.sqrt(dose + 25), rel=0.04)


def test_detector_blur_smooths_the_shot_noise() -> None:
    def neighbours(spec: SynthesisSpec) -> float:
        pixels = make_image(spec, 0).micrograph.pixels.astype(np.float64)
        return float(np.corrcoef(pixels[:, 1:].ravel(), pixels[:, :-1].ravel())[0, 1])

    sharp = dataclasses.replace(PLAIN, read_noise=0)
    assert abs(neighbours(sharp)) < 0.03
    # Gaussian smoothing of white noise by s correlates neighbours by exp(-1 / (4 s^2)).
    assert neighbours(dataclasses.replace(sharp, detector_blur_px=1.0)) == pytest.approx(0.78, abs=0.04)


def test_uneven_light_and_film_have_the_strength_asked_for() -> None:
    quiet = dataclasses.replace(PLAIN, dose=1e6, read_noise=0, bit_depth=BitDepth.SIXTEEN, brightness=0.5)
    uneven = make_image(dataclasses.replace(quiet, gradient_percent=30), 1).micrograph.pixels / (0.5 * 65535)
    assert np.ptp(ndimage.gaussian_filter(uneven, 3)) == pytest.approx(0.3, abs=0.02)
    film = make_image(dataclasses.replace(quiet, film_percent=5), 1).micrograph.pixels / (0.5 * 65535)
    assert film.std() == pytest.approx(0.05, rel=0.15)


def test_contrast_is_that_of_a_mean_particle() -> None:
    spec = dataclasses.replace(
        PLAIN, coverage_percent=8, gsd=1.0, gmd_px=40, max_particles=1, contrast=0.6, blur_px=0.5,
        read_noise=0, dose=1e5, bit_depth=BitDepth.SIXTEEN,
    )  # fmt: skip
    made = make_image(spec, 1)
    centre = np.rint(made.truth.y_px).astype(int), np.rint(made.truth.x_px).astype(int)
    background = np.median(made.micrograph.pixels[made.labels == 0])
    assert 1 - made.micrograph.pixels[centre] / background == pytest.approx(0.6, abs=0.02)


def test_fresnel_fringes_are_bright_outside_the_edge() -> None:
    spec = dataclasses.replace(PLAIN, coverage_percent=8, gmd_px=40, dose=1e5, bit_depth=BitDepth.SIXTEEN)

    def overshoot(spec: SynthesisSpec) -> float:
        made = make_image(spec, 3)
        distance = ndimage.distance_transform_edt(made.labels == 0)
        pixels = made.micrograph.pixels
        background = np.median(pixels[distance > 25])
        return float(
            max(np.mean(pixels[(distance > d) & (distance <= d + 1)]) for d in range(6)) / background
        )

    assert overshoot(spec) < 1.005
    for kind in (ContrastKind.MASS, ContrastKind.FRESNEL):
        assert overshoot(dataclasses.replace(spec, contrast_kind=kind, defocused=True)) > 1.03


def test_a_halo_brightens_the_surroundings() -> None:
    spec = dataclasses.replace(PLAIN, coverage_percent=8, width_px=512, dose=1e5)
    plain, lit = (make_image(dataclasses.replace(spec, halo_percent=h), 3) for h in (0, 20))
    near = ndimage.distance_transform_edt(plain.labels == 0)
    ring = (near > 5) & (near < 12)
    far = near > 60
    ratio = lit.micrograph.pixels / plain.micrograph.pixels.astype(np.float64)
    assert ratio[ring].mean() > 1.08
    assert ratio[far].mean() < 1.03


def test_holes_are_brighter_than_the_film() -> None:
    # No hole at all in this seed would leave the histogram with one peak.
    made = make_image(dataclasses.replace(PLAIN, holes=3, dose=1e5, width_px=512, height_px=512), 4)
    smooth = ndimage.median_filter(made.micrograph.pixels, 5) / (255 * PLAIN.brightness)
    assert np.mean(smooth > 0.98) > 0.02
    assert np.mean(np.abs(smooth - 0.9) < 0.03) > 0.3


def test_bright_particles_on_dark() -> None:
    made = make_image(dataclasses.replace(SMALL, bright_particles=True, contrast=0.8), 1)
    pixels, labels = made.micrograph.pixels, made.labels
    assert pixels[labels > 0].mean() > 2 * pixels[labels == 0].mean()


def test_agglomerates_are_cut_only_if_asked_for() -> None:
    spec = dataclasses.replace(SMALL, coverage_percent=15)
    edge = np.ones((192, 256), dtype=bool)
    edge[1:-1, 1:-1] = False
    assert not make_image(spec, 1).labels[edge].any()
    made = make_image(dataclasses.replace(spec, cut_at_border=True), 1)
    assert made.labels[edge].any()
    assert np.array_equal(np.unique(made.labels), np.arange(made.labels.max() + 1))
    inside = (made.truth.x_px > -0.5) & (made.truth.x_px < 255.5)
    assert inside.all()
    assert set(made.truth.agglomerate) <= set(np.unique(made.labels))


def test_a_data_bar_stands_below_the_field_of_view() -> None:
    made = make_image(dataclasses.replace(SMALL, caption=Caption.DATA_BAR, bit_depth=BitDepth.SIXTEEN), 1)
    top = made.micrograph.data_bar_top
    assert top is not None
    assert made.micrograph.shape == (192, 256)
    bar = made.micrograph.pixels[top:]
    assert not made.labels[top:].any()
    assert np.mean(bar == 0) > 0.5
    assert bar.max() == 65535
    # The scale bar is the longest run of white; 256 px x 0.5 nm / 6 is nearest to 20 nm = 40 px.
    white = np.concatenate([np.zeros((len(bar), 1)), bar > 60000, np.zeros((len(bar), 1))], axis=1)
    runs = [np.diff(np.flatnonzero(np.diff(row)))[::2].max(initial=0) for row in white]
    assert max(runs) == 40


def test_a_burned_in_scale_bar_is_kept_free_of_particles() -> None:
    spec = dataclasses.replace(SMALL, coverage_percent=30, caption=Caption.SCALE_BAR)
    made = make_image(spec, 1)
    black = np.argwhere(made.micrograph.pixels == 0)
    assert len(black) > 50
    assert made.micrograph.data_bar_top is None
    assert not made.labels[tuple(black.T)].any()


def test_impossible_specs_are_refused() -> None:
    for changes in ({"gsd": 0.9}, {"min_particles": 6, "max_particles": 5}, {"contrast": 1.0}):
        with pytest.raises(ParameterError):
            make_image(dataclasses.replace(SMALL, **changes), 1)


def test_particles_too_large_for_the_picture_leave_it_empty() -> None:
    made = make_image(dataclasses.replace(SMALL, gmd_px=500, gsd=1.0), 1)
    assert len(made.truth) == 0
    assert not made.labels.any()


def test_it_stops_when_no_longer_wanted() -> None:
    with pytest.raises(OperationCancelled):
        make_image(SMALL, 1, cancelled=lambda: True)
    with pytest.raises(OperationCancelled):
        list(make_crops(SMALL, 10, 1, cancelled=lambda: True))


def test_every_image_of_the_training_mix_is_another_population_and_look() -> None:
    spec = dataclasses.replace(SMALL, vary_population=True, vary_look=True)
    specs = [c.spec for c in make_crops(spec, 200, 1)]
    assert {s.contrast_kind for s in specs} == set(ContrastKind)
    assert {s.aggregation for s in specs} == set(Aggregation)
    assert {s.shape for s in specs} == set(Shape)
    sizes = np.array([s.gmd_px for s in specs]) / SMALL.gmd_px
    assert sizes.min() < 0.6
    assert sizes.max() > 1.7
    assert len({s.dose for s in specs}) == 200
    assert min(s.contrast * s.dose**0.5 for s in specs) > 2.99
    assert max(s.film_percent / s.contrast for s in specs) < 33.4
    only_look = [c.spec for c in make_crops(dataclasses.replace(SMALL, vary_look=True), 20, 1)]
    assert {s.gmd_px for s in only_look} == {SMALL.gmd_px}
    assert make_image(spec, 1).spec != make_image(spec, 2).spec


def test_a_crop_depends_on_its_number_only() -> None:
    spec = dataclasses.replace(SMALL, gmd_px=8, vary_population=True, vary_look=True)
    assert chunk_size(spec) == 512
    many = list(make_crops(spec, 522, 7))
    assert all(same(a, b) for a, b in zip(make_crops(spec, 10, 7), many, strict=False))
    assert all(same(a, b) for a, b in zip(make_crops(spec, 20, 7, start=502), many[502:], strict=False))
    assert not same(many[0], next(make_crops(spec, 1, 8)))


def test_a_crop_holds_its_agglomerate_with_background_around() -> None:
    for kind in ContrastKind:
        for crop in make_crops(dataclasses.replace(SMALL, contrast_kind=kind), 20, 2):
            rows, columns = np.nonzero(crop.labels)
            height, width = crop.labels.shape
            assert rows.min() >= 6
            assert columns.min() >= 6
            assert rows.max() < height - 6
            assert columns.max() < width - 6
            assert set(crop.truth.agglomerate) == {1}
            x, y = crop.truth.x_px, crop.truth.y_px
            assert np.all((x > 0) & (x < width) & (y > 0) & (y < height))


def test_progress_is_reported_up_to_the_end() -> None:
    said: list[float] = []
    list(make_crops(SMALL, 130, 1, progress=lambda fraction, message: said.append(fraction)))
    assert said == sorted(said)
    assert len(said) == 3
    assert 0 <= said[0] <= said[-1] <= 1


def test_stray_light_leaves_the_background_and_lifts_what_is_opaque() -> None:
    plain = dataclasses.replace(
        SMALL, contrast_kind=ContrastKind.SILHOUETTE, contrast=0.99, gradient_percent=0, film_percent=0,
        blur_px=0, detector_blur_px=0, dose=1e6, read_noise=0, brightness=0.8, shape=Shape.SPHERE,
        vary_look=False, vary_population=False,
    )  # fmt: skip
    none, some = (make_image(dataclasses.replace(plain, stray_percent=p), 5) for p in (0, 40))
    np.testing.assert_array_equal(none.labels, some.labels)
    empty, dark = none.labels == 0, ndimage.binary_erosion(none.labels > 0, iterations=2)
    assert np.median(some.micrograph.pixels[empty]) == np.median(none.micrograph.pixels[empty])
    ratio = [
        np.median(i.micrograph.pixels[dark]) / np.median(i.micrograph.pixels[empty]) for i in (none, some)
    ]
    assert ratio == pytest.approx([0.01, 0.4 + 0.6 * 0.01], abs=0.005)
    crop = next(iter(make_crops(dataclasses.replace(plain, stray_percent=40), 1, 1)))
    assert crop.micrograph.pixels.min() / crop.micrograph.pixels.max() == pytest.approx(0.406, abs=0.02)
