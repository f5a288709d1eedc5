from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.tem.agglomerates import Polarity
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.segmentation import segment
from nanoai_gui.core.tem.synthesis import BitDepth, Caption, ContrastKind, SynthesisSpec, make_image
from nanoai_gui.core.tem.synthesis.appearance import estimate_appearance
from nanoai_gui.core.tem.synthesis.noise import LARGEST_LAG, smoothed_white, take_apart
from tests.shared_data import shared_data

# All white noise counts as Poisson noise, so there must be no other.
BASE = SynthesisSpec(width_px=768, height_px=768, read_noise=0)
CASES = {
    "plain": BASE,
    "few electrons": dataclasses.replace(BASE, dose=100, blur_px=2, gradient_percent=25, film_percent=0),
    "silhouettes on a grainy film": dataclasses.replace(
        BASE, contrast_kind=ContrastKind.SILHOUETTE, contrast=0.9, dose=2000, film_percent=3,
        film_grain_px=3, blur_px=1.6,
    ),
    "soft detector, 16 bit": dataclasses.replace(
        BASE, contrast_kind=ContrastKind.SILHOUETTE, contrast=0.5, detector_blur_px=0.8,
        bit_depth=BitDepth.SIXTEEN,
    ),
    "crystals": dataclasses.replace(
        BASE, contrast_kind=ContrastKind.DIFFRACTION, contrast=0.7, max_particles=2, gmd_px=40
    ),
    "out of focus": dataclasses.replace(
        BASE, contrast_kind=ContrastKind.FRESNEL, contrast=0.6, fringe_px=4, gmd_px=40, max_particles=3
    ),
    "bright particles": dataclasses.replace(BASE, bright_particles=True, contrast=0.7, brightness=0.8),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_look_of_a_synthetic_image_is_recovered(case: str) -> None:
    true = CASES[case]
    made = make_image(true, 31)
    found = estimate_appearance(made.micrograph, segment(made.micrograph))
    assert found.contrast_kind is true.contrast_kind
    assert found.defocused is (true.contrast_kind is ContrastKind.FRESNEL)
    assert found.bright_particles is true.bright_particles
    assert found.bit_depth is true.bit_depth
    assert (found.width_px, found.height_px) == (768, 768)
    assert found.nm_per_px == true.nm_per_px
    logs = np.log(made.truth.diameter_px)
    assert found.gmd_px == pytest.approx(np.exp(logs.mean()), rel=0.2)
    assert found.gsd == pytest.approx(np.exp(logs.std()), rel=0.15)
    assert found.coverage_percent == pytest.approx(100 * np.mean(made.labels > 0), rel=0.15)
    assert found.min_particles == 1
    assert abs(found.max_particles - true.max_particles) <= 1
    assert found.brightness == pytest.approx(true.brightness, rel=0.07)
    assert found.gradient_percent == pytest.approx(true.gradient_percent, abs=3)
    assert found.contrast == pytest.approx(true.contrast, abs=0.09)
    assert found.dose == pytest.approx(true.dose, rel=0.1)
    assert found.detector_blur_px == pytest.approx(true.detector_blur_px, abs=0.11)
    assert found.film_percent == pytest.approx(true.film_percent, rel=0.25, abs=0.4)
    if true.film_percent > 0.5:
        assert found.film_grain_px == pytest.approx(true.film_grain_px, rel=0.4)
    if found.defocused:
        assert found.fringe_px == pytest.approx(true.fringe_px, rel=0.25)
    else:
        assert found.blur_px == pytest.approx(true.blur_px, abs=0.4)


def test_the_found_spec_makes_an_image_of_the_same_statistics() -> None:
    first = make_image(
        dataclasses.replace(CASES["silhouettes on a grainy film"], caption=Caption.DATA_BAR), 5
    )
    spec = estimate_appearance(first.micrograph, segment(first.micrograph))
    assert spec.caption is Caption.DATA_BAR
    second = make_image(spec, 6)
    assert second.micrograph.shape == first.micrograph.shape
    for made, other in ((first, second), (second, first)):
        for inside in (False, True):
            here, there = (
                m.micrograph.field_pixels[(m.labels[: m.micrograph.field_pixels.shape[0]] > 0) == inside]
                for m in (made, other)
            )
            assert np.median(here) == pytest.approx(np.median(there), abs=6)


def test_noise_is_taken_apart_exactly_where_it_is_exact() -> None:
    lags = np.arange(LARGEST_LAG + 1)
    covariance = 2e-3 * smoothed_white(0.5, len(lags)) + 1e-3 * np.exp(-(lags**2) / (4 * 3.0**2)) + 1e-4
    parts = take_apart(covariance)
    assert parts.shot == pytest.approx(2e-3, rel=0.05)
    assert parts.detector_blur_px == pytest.approx(0.5, abs=0.051)
    assert parts.film == pytest.approx(1e-3, rel=0.1)
    assert parts.film_grain_px == pytest.approx(3.0, rel=0.1)


def test_smoothed_white_noise_has_the_predicted_autocovariance() -> None:
    from scipy import ndimage

    noise = ndimage.gaussian_filter(
        np.random.default_rng(0).standard_normal((1500, 1500)), 0.8, truncate=3.5, mode="wrap"
    )
    measured = [np.mean(noise * np.roll(noise, k, axis=1)) for k in range(4)]
    assert measured == pytest.approx(smoothed_white(0.8, 4), rel=0.02, abs=5e-4)


def test_an_image_without_particles_is_refused_with_a_sentence() -> None:
    empty = make_image(dataclasses.replace(BASE, coverage_percent=0, width_px=256, height_px=256), 1)
    found = segment(empty.micrograph)
    nothing = dataclasses.replace(
        found, labels=np.zeros_like(found.labels), ids=found.ids[:0], x=found.x[:0], y=found.y[:0],
        area_px=found.area_px[:0], boxes=found.boxes[:0], excluded=(),
    )  # fmt: skip
    with pytest.raises(NanoAIError, match="No particles"):
        estimate_appearance(empty.micrograph, nothing)


def test_an_image_without_background_is_refused_with_a_sentence() -> None:
    small = make_image(dataclasses.replace(BASE, width_px=64, height_px=64, gmd_px=8, coverage_percent=40), 1)
    with pytest.raises(NanoAIError, match="background"):
        estimate_appearance(small.micrograph, segment(small.micrograph))


def test_it_stops_when_no_longer_wanted() -> None:
    made = make_image(dataclasses.replace(BASE, width_px=256, height_px=256), 1)
    with pytest.raises(OperationCancelled):
        estimate_appearance(made.micrograph, segment(made.micrograph), cancelled=lambda: True)


def test_float_images_have_no_given_white() -> None:
    made = make_image(BASE, 31)
    floating = Micrograph(made.micrograph.pixels.astype(np.float32) * 37, name="float")
    found = estimate_appearance(floating, segment(floating))
    assert 0.3 < found.brightness <= 1
    assert found.dose == pytest.approx(BASE.dose, rel=0.1)


@pytest.mark.parametrize(
    ("name", "kinds", "smallest", "largest"),
    [
        ("tem/tio2_tsem/tsem/1908249.tif", {ContrastKind.SILHOUETTE}, 22, 36),
        (
            "tem/gold_bf_tem/40nmAuNP/40nmAuNP_001.jpg",
            {ContrastKind.DIFFRACTION, ContrastKind.FRESNEL, ContrastKind.MASS}, 30, 50,
        ),
    ],
)  # fmt: skip
def test_real_images_give_a_spec_that_can_be_made(
    name: str, kinds: set[ContrastKind], smallest: float, largest: float
) -> None:
    micrograph = read_micrograph(shared_data(name))
    agglomerates = segment(micrograph)
    found = estimate_appearance(micrograph, agglomerates)
    assert agglomerates.polarity is Polarity.DARK
    assert found.contrast_kind in kinds
    assert smallest < found.gmd_px < largest
    small = dataclasses.replace(found, width_px=512, height_px=512, max_particles=5)
    made = make_image(small, 1)
    assert np.median(made.micrograph.field_pixels) == pytest.approx(
        np.median(micrograph.field_pixels), rel=0.05
    )
