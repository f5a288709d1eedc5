"""Agglomerates are found whatever polarity, background and noise, and nothing is found in nothing."""

from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.tem.agglomerates import TOUCHES_BORDER, Polarity
from nanoai_gui.core.tem.background import estimate_background, find_polarity
from nanoai_gui.core.tem.micrograph import Box, Micrograph
from nanoai_gui.core.tem.segmentation import (
    BEHIND_SCALE_BAR,
    SegmentationParameters,
    ThresholdKind,
    particle_mask,
    prepare,
    segment,
)
from nanoai_gui.core.tem.synthesis import ContrastKind, SynthesisSpec, make_image
from tests.shared_data import shared_data


def discs(
    centres: list[tuple[float, float, float]],
    shape: tuple[int, int] = (256, 320),
    contrast: float = 100.0,
    noise: float = 3.0,
    slope: float = 0.0,
) -> np.ndarray:
    """Dark discs (x, y, r) on a bright background of 200, with noise and a slope across the image."""
    from scipy import ndimage

    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.full(shape, 200.0)
    dark = np.zeros(shape)
    for cx, cy, r in centres:
        dark = np.maximum(dark, np.clip(r + 0.5 - np.hypot(x - cx, y - cy), 0, 1))
    image -= contrast * ndimage.gaussian_filter(dark, 0.7)
    image += slope * (x / shape[1] - 0.5) + slope * (y / shape[0] - 0.5) ** 2
    return image + np.random.default_rng(1).normal(0, noise, shape)


THREE = [(60.0, 60.0, 20.0), (160.0, 120.0, 30.0), (250.0, 200.0, 12.0)]


def test_discs_are_found_where_and_as_large_as_they_are() -> None:
    found = segment(Micrograph(discs(THREE), "discs"))
    assert len(found) == 3
    assert found.polarity is Polarity.DARK
    assert list(found.ids) == [1, 2, 3]
    for i, (x, y, r) in enumerate(THREE):
        assert found.x[i] == pytest.approx(x, abs=0.3)
        assert found.y[i] == pytest.approx(y, abs=0.3)
        assert found.area_px[i] == pytest.approx(np.pi * r**2, rel=0.03)
        y0, x0, y1, x1 = found.boxes[i]
        inside = found.labels[y0:y1, x0:x1] == found.ids[i]
        assert inside.sum() == found.area_px[i]
        assert (found.labels == found.ids[i]).sum() == found.area_px[i]


def test_bright_particles_give_the_same_as_dark_ones() -> None:
    image = discs(THREE)
    dark, bright = segment(Micrograph(image, "d")), segment(Micrograph(400 - image, "b"))
    assert bright.polarity is Polarity.BRIGHT
    assert len(bright) == len(dark) == 3
    np.testing.assert_allclose(bright.area_px, dark.area_px, rtol=0.04)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_any_kind_of_pixel_gives_the_same_agglomerates(dtype: type) -> None:
    image = np.rint(discs(THREE)).astype(dtype)
    found = segment(Micrograph(image, "t"))
    assert len(found) == 3
    assert found.contrast is not None
    assert found.contrast.dtype == np.float32
    assert found.labels.dtype == np.int32


def test_uneven_illumination_does_not_matter() -> None:
    found = segment(Micrograph(discs(THREE, slope=120.0), "slope"))
    assert len(found) == 3
    np.testing.assert_allclose(found.area_px, [np.pi * r**2 for *_, r in THREE], rtol=0.05)


@pytest.mark.parametrize("kind", list(ContrastKind))
@pytest.mark.parametrize("coverage", [3, 45])
def test_polarity_is_found_on_synthetic_images(kind: ContrastKind, coverage: float) -> None:
    spec = SynthesisSpec(
        width_px=384, height_px=384, gmd_px=24, coverage_percent=coverage, max_particles=20,
        contrast_kind=kind, gradient_percent=30,
    )  # fmt: skip
    pixels = make_image(spec, 11).micrograph.pixels.astype(np.float64)
    assert find_polarity(pixels) is Polarity.DARK
    assert find_polarity(pixels.max() - pixels) is Polarity.BRIGHT


def test_background_is_right_under_an_image_half_covered() -> None:
    spec = SynthesisSpec(
        width_px=512, height_px=512, gmd_px=30, coverage_percent=45, max_particles=30, gradient_percent=30
    )
    image = make_image(spec, 3)
    empty = make_image(SynthesisSpec(width_px=512, height_px=512, coverage_percent=0, gradient_percent=30), 3)
    pixels = image.micrograph.pixels.astype(float)
    found = estimate_background(pixels, Polarity.DARK).rows(0, 512)
    free = image.labels == 0
    assert np.median(pixels[free] - found[free]) == pytest.approx(0, abs=0.01 * pixels[free].mean())
    assert empty.micrograph.pixels.mean() > 0
    # Under particles, it continues instead of following them.
    assert found[~free].mean() == pytest.approx(found[free].mean(), rel=0.1)


@pytest.mark.parametrize("contrast", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", [ContrastKind.MASS, ContrastKind.SILHOUETTE])
def test_the_automatic_outline_is_that_of_the_particles(kind: ContrastKind, contrast: float) -> None:
    spec = SynthesisSpec(
        width_px=512, height_px=512, gmd_px=30, contrast_kind=kind, contrast=contrast, coverage_percent=12
    )
    image = make_image(spec, 21)
    automatic = segment(image.micrograph)
    otsu = segment(image.micrograph, SegmentationParameters(threshold=ThresholdKind.OTSU))
    true = (image.labels > 0).sum()
    width = np.sqrt((automatic.labels > 0).sum() / true) - 1
    assert abs(width) < 0.02
    assert abs(width) < abs(np.sqrt((otsu.labels > 0).sum() / true) - 1) + 0.01


@pytest.mark.parametrize("dose", [20, 60])
def test_no_speck_of_noise_is_an_agglomerate(dose: float) -> None:
    image = make_image(SynthesisSpec(width_px=512, height_px=512, gmd_px=40, contrast=0.4, dose=dose), 5)
    found = segment(image.micrograph)
    assert len(found) <= image.labels.max() + 3
    assert (found.labels[image.labels == 0] > 0).mean() < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_pure_noise_holds_nothing(seed: int) -> None:
    noise = np.random.default_rng(seed).poisson(40, (512, 512)).astype(np.uint16)
    assert len(segment(Micrograph(noise, "noise"))) == 0


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((64, 64), np.uint8),
        np.full((64, 64), 255, np.uint8),
        np.full((64, 64), -3.5, np.float32),
        np.zeros((1, 1), np.uint8),
        np.arange(2, dtype=np.uint8).reshape(1, 2),
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(200, dtype=np.uint16).reshape(1, 200),
        np.arange(200, dtype=np.uint16).reshape(200, 1),
        np.zeros((30, 3000), np.uint8),
    ],
    ids=lambda a: f"{a.dtype}-{a.shape[0]}x{a.shape[1]}-{a.ravel()[0]}",
)
@pytest.mark.parametrize("kind", list(ThresholdKind))
def test_degenerate_images_hold_nothing(pixels: np.ndarray, kind: ThresholdKind) -> None:
    found = segment(Micrograph(pixels, "nothing"), SegmentationParameters(threshold=kind))
    assert len(found) == 0
    assert found.labels.shape == pixels.shape
    assert found.contrast is not None
    assert np.isfinite(found.contrast).all()


def test_a_dark_half_is_no_crash() -> None:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:, 32:] = 255
    found = segment(Micrograph(pixels, "step"))
    assert all(reason == TOUCHES_BORDER for reason in found.excluded)


def test_what_touches_the_border_is_excluded_and_included_on_request() -> None:
    centres = [(5.0, 100.0, 20.0), (160.0, 120.0, 20.0), (250.0, 250.0, 15.0)]
    micrograph = Micrograph(discs(centres), "border")
    found = segment(micrograph)
    by_x = {round(x / 50): reason for x, reason in zip(found.x, found.excluded, strict=True)}
    assert sorted(by_x.values()) == ["", TOUCHES_BORDER, TOUCHES_BORDER]
    assert by_x[3] == ""
    assert found.measured.sum() == 1
    everything = segment(micrograph, SegmentationParameters(include_border=True))
    assert everything.measured.all()
    assert len(everything) == len(found)


def test_the_edge_of_the_data_bar_is_a_border_and_nothing_is_found_below_it() -> None:
    image = discs([(100.0, 100.0, 20.0), (200.0, 190.0, 15.0)])
    image[200:] = 0
    image[210:230, 50:100] = 255
    found = segment(Micrograph(image, "bar", data_bar_top=200))
    assert sorted(found.excluded) == ["", TOUCHES_BORDER]
    assert not found.labels[200:].any()
    assert found.contrast is not None
    assert not found.contrast[200:].any()


def test_a_burned_in_scale_bar_is_no_particle() -> None:
    image = discs([(100.0, 100.0, 20.0), (200.0, 205.0, 15.0)])
    image[220:228, 150:260] = 0
    annotations = (Box(216, 146, 232, 264),)
    found = segment(Micrograph(image, "bar", annotations=annotations))
    assert len(found) == 2
    assert sorted(found.excluded) == ["", BEHIND_SCALE_BAR]


def test_holes_in_particles_are_closed_and_gaps_between_them_stay_open() -> None:
    y, x = np.mgrid[:200, :200]
    hollow = (np.hypot(x - 50, y - 50) < 20) & (np.hypot(x - 50, y - 50) > 1.5)
    ring = (np.hypot(x - 130, y - 130) < 45) & (np.hypot(x - 130, y - 130) > 30)
    image = 200 - 100.0 * (hollow | ring) + np.random.default_rng(0).normal(0, 2, x.shape)
    found = segment(Micrograph(image, "holes"), SegmentationParameters(denoise_px=0))
    assert found.labels[50, 50] == found.labels[50, 40] > 0
    assert found.labels[130, 130] == 0
    open_ = segment(Micrograph(image, "holes"), SegmentationParameters(denoise_px=0, fill_holes=False))
    assert open_.labels[50, 50] == 0


def test_smaller_than_asked_is_left_out() -> None:
    micrograph = Micrograph(discs(THREE), "small")
    found = segment(micrograph, SegmentationParameters(minimum_diameter_px=30))
    assert len(found) == 2
    assert list(found.ids) == [1, 2]


def test_a_threshold_by_hand_is_obeyed_and_previewed() -> None:
    micrograph = Micrograph(discs(THREE), "hand")
    areas = []
    for level in (0.2, 0.5, 0.8):
        p = SegmentationParameters(threshold=ThresholdKind.MANUAL, level=level)
        prepared = prepare(micrograph, p)
        found = segment(micrograph, p)
        assert found.threshold == pytest.approx(level * prepared.full_scale)
        mask = particle_mask(prepared, p)
        assert mask.shape == micrograph.shape
        assert abs(int(mask.sum()) - int((found.labels > 0).sum())) < 30
        areas.append(int(mask.sum()))
    assert areas[0] > areas[1] > areas[2] > 0


def test_a_local_threshold_finds_weak_particles_beside_strong_ones() -> None:
    strong = discs([(60.0, 128.0, 25.0)], shape=(256, 512), noise=1.5)
    weak = discs([(450.0, 128.0, 25.0)], shape=(256, 512), contrast=30.0, noise=0.0)
    image = strong + weak - 200
    local = segment(Micrograph(image, "local"), SegmentationParameters(threshold=ThresholdKind.LOCAL))
    assert np.isnan(local.threshold)
    assert len(local) == 2
    np.testing.assert_allclose(local.area_px, np.pi * 25**2, rtol=0.12)


def test_impossible_parameters_are_named() -> None:
    with pytest.raises(ParameterError, match="Denoise"):
        segment(Micrograph(discs(THREE), "bad"), SegmentationParameters(denoise_px=-1))


def test_it_can_be_stopped_and_tells_how_far_it_is() -> None:
    told: list[float] = []
    segment(Micrograph(discs(THREE), "p"), progress=lambda fraction, _message: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] <= 1
    with pytest.raises(OperationCancelled):
        segment(Micrograph(discs(THREE), "stop"), cancelled=lambda: True)


@pytest.mark.parametrize(
    ("folder", "pattern", "polarity"),
    [
        ("tem/tio2_tsem", "tsem/1908303.tif", Polarity.DARK),
        ("tem/tio2_tsem", "sem/1908254.tif", Polarity.BRIGHT),
        ("tem/gold_bf_tem", "80nmAuNP/80nmAuNP_009.jpg", Polarity.DARK),
        ("tem/soot_bf_tem", "images/Case1_E7_025.png", Polarity.DARK),
    ],
)
def test_polarity_of_real_images(folder: str, pattern: str, polarity: Polarity) -> None:
    from nanoai_gui.core.files.micrographs import read_micrograph

    micrograph = read_micrograph(shared_data(folder) / pattern)
    assert find_polarity(micrograph.field_pixels) is polarity


def test_soot_is_found_where_an_operator_outlined_it() -> None:
    from PIL import Image

    from nanoai_gui.core.files.micrographs import read_micrograph

    folder = shared_data("tem/soot_bf_tem")
    image = folder / "images" / "Case1_E7_025.png"
    with Image.open(next((folder / "agglomerate_masks").glob("Case1_E7_025*"))) as file:
        mask = np.asarray(file.convert("L")) > 0
    if mask.mean() > 0.5:
        mask = ~mask
    found = segment(read_micrograph(image)).labels > 0
    shared = (found & mask).sum() / (found | mask).sum()
    assert shared > 0.8


def opaque(*discs_: tuple[float, float, float, float], blur: float = 1.0) -> Micrograph:
    """Discs (x, y, r, contrast) that hide what is behind them, on a bright background."""
    from scipy import ndimage

    y, x = np.mgrid[:128, :256]
    dark = np.zeros(y.shape)
    for cx, cy, r, contrast in discs_:
        dark = np.maximum(dark, contrast * np.clip(r + 0.5 - np.hypot(x - cx, y - cy), 0, 1))
    image = 200 * (1 - ndimage.gaussian_filter(dark, blur))
    return Micrograph(image + np.random.default_rng(1).normal(0, 2, y.shape), "opaque")


FAR = (210.0, 64.0, 25.0, 0.98)


def test_opaque_neighbours_over_a_narrow_gap_stay_apart() -> None:
    # Two px of background between them, less than what blur and denoising spread.
    image = opaque((50, 64, 24, 0.98), (100, 64, 24, 0.98), FAR)
    plain = segment(image, SegmentationParameters(threshold=ThresholdKind.LOCAL))
    assert len(plain) == 2
    found = segment(image)
    assert len(found) == 3
    order = np.argsort(found.x)
    np.testing.assert_allclose(found.x[order], [50, 100, 210], atol=0.7)
    np.testing.assert_allclose(found.area_px[order], np.pi * np.array([24, 24, 25]) ** 2, rtol=0.03)


def test_opaque_particles_that_touch_stay_one_agglomerate() -> None:
    assert len(segment(opaque((50, 64, 24, 0.98), (97, 64, 24, 0.98), FAR))) == 2


def test_a_fainter_particle_holds_opaque_ones_together() -> None:
    image = opaque((50, 64, 24, 0.98), (81, 64, 8, 0.66), (112, 64, 24, 0.98), FAR)
    assert len(segment(image)) == 2


def test_debris_between_opaque_particles_stands_for_itself() -> None:
    image = opaque((50, 64, 24, 0.98), (81, 64, 8, 0.54), (112, 64, 24, 0.98), FAR)
    found = segment(image)
    order = np.argsort(found.x)
    np.testing.assert_allclose(found.x[order], [50, 81, 112, 210], atol=1)
    assert found.area_px[order[0]] == pytest.approx(np.pi * 24**2, rel=0.04)


def test_translucent_particles_are_never_parted_at_thin_places() -> None:
    y, x = np.mgrid[:128, :256]
    depth = np.zeros(y.shape)
    for cx, cy, r in ((50, 64, 24), (98, 64, 24), (210, 64, 25)):
        depth += np.sqrt(np.maximum(r**2 - (x - cx) ** 2 - (y - cy) ** 2, 0)) / 24
    assert len(segment(Micrograph(200 * np.exp(-depth), "spheres"))) == 2


def test_a_loop_of_opaque_particles_keeps_its_hole() -> None:
    # Three discs in a ring leave a triangle of background of some 40 px.
    ring = [(64 + 18 * np.cos(a), 64 + 18 * np.sin(a), 16.0, 0.98) for a in (0.5, 2.594, 4.689)]
    found = segment(opaque(*ring, FAR, blur=0.6))
    assert len(found) == 2
    assert found.labels[64, 64] == 0
