"""Finding the data bar at the foot of an image, and the scale bar drawn into it."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from nanoai_gui.core.files.burned_in import find_scale_bar
from nanoai_gui.core.files.data_bar import find_data_bar
from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.tem.micrograph import Box
from tests.shared_data import shared_data

TEXT = "EHT = 20.00 kV   WD = 2.8 mm   Signal A = SE2   Mag = 50.00 K X   200 nm"


def field(
    shape: tuple[int, int] = (600, 800), level: float = 150, noise: float = 6, seed: int = 0
) -> NDArray[np.uint8]:
    """An image of discs, darker than their background, some across the lower edge."""
    rng = np.random.default_rng(seed)
    image = rng.normal(level, noise, shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for _ in range(25):
        cy, cx, r = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(8, 40)
        image[(y - cy) ** 2 + (x - cx) ** 2 < r * r] -= 0.5 * level
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def with_bar(image: NDArray[Any], top: int, back: int, ink: int, end: int | None = None) -> NDArray[np.uint8]:
    """Draw a data bar with text over the foot of an image."""
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    height, width = image.shape
    bottom = (height if end is None else end) - 1
    draw.rectangle((0, top, width, bottom), fill=back)
    draw.text((10, top + 4), TEXT, fill=ink)
    draw.text((10, top + 18), TEXT[::-1], fill=ink)
    draw.line((width - 120, top + 10, width - 20, top + 10), fill=ink, width=2)
    return np.asarray(picture)


@pytest.mark.parametrize(("back", "ink"), [(0, 255), (255, 0), (27, 220)])
@pytest.mark.parametrize("height", [34, 60])
def test_bars_of_every_colour(back: int, ink: int, height: int) -> None:
    assert find_data_bar(with_bar(field(), 600 - height, back, ink)) == 600 - height


def test_bar_that_leaves_some_rows_below_it() -> None:
    assert find_data_bar(with_bar(field(), 550, 0, 255, end=597)) == 550


def test_bar_with_a_frame_line() -> None:
    image = with_bar(field(), 550, 255, 0)
    image = image.copy()
    image[549] = 0
    assert find_data_bar(image) == 549


def test_bar_under_a_dark_image() -> None:
    assert find_data_bar(with_bar(field(level=30, noise=5), 550, 0, 200)) == 550


@pytest.mark.parametrize("scale", [200.0, 1e-4])
def test_bar_in_wide_number_types(scale: float) -> None:
    image = with_bar(field(), 550, 0, 255).astype(np.float32) * scale
    assert find_data_bar(image) == 550
    if scale > 1:
        assert find_data_bar(image.astype(np.uint16)) == 550


def test_bar_survives_jpeg(tmp_path: Any) -> None:
    Image.fromarray(with_bar(field(), 550, 0, 255)).save(tmp_path / "a.jpg", quality=80)
    top = find_data_bar(np.asarray(Image.open(tmp_path / "a.jpg")))
    assert top is not None
    assert abs(top - 550) <= 2


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.0, 0.4, 2.0, 10.0])
def test_no_bar_is_invented(seed: int, noise: float) -> None:
    assert find_data_bar(field(noise=noise, seed=seed)) is None
    assert find_data_bar(255 - field(noise=noise, seed=seed)) is None


def test_no_bar_in_gradients_saturation_and_masks() -> None:
    gradient = np.linspace(0, 255, 600)[:, None] + np.zeros(800)
    assert find_data_bar(gradient.astype(np.uint8)) is None
    saturated = np.clip(field().astype(int) + np.linspace(0, 150, 600)[:, None].astype(int), 0, 255)
    assert find_data_bar(saturated.astype(np.uint8)) is None
    assert find_data_bar((field() < 100).astype(np.uint8)) is None
    assert find_data_bar(np.zeros((600, 800), np.uint8)) is None


def test_images_too_small_for_a_bar() -> None:
    for shape in ((2, 2), (1, 500), (63, 800), (800, 10)):
        assert find_data_bar(np.zeros(shape, np.uint8)) is None
        assert find_scale_bar(np.zeros(shape, np.uint8)) is None


def test_rows_that_were_never_scanned_are_kept_out() -> None:
    image = field().copy()
    image[480:] = 0
    assert find_data_bar(image) == 480


BARS = {  # images from papers that have a data bar, and its first row as seen by eye
    "1ecd5c901c": 434, "245e1a4826": 473, "31f17306c8": 480, "555eb05b4c": 476, "7ecd3c2ab9": 516,
}  # fmt: skip


def test_images_from_papers() -> None:
    found = {}
    for path in sorted(shared_data("tem/emps/images").iterdir()):
        top = read_micrograph(path).data_bar_top
        if top is not None:
            found[path.stem] = top
    assert found.keys() == BARS.keys()
    assert all(abs(found[name] - BARS[name]) <= 2 for name in BARS)


def test_no_bar_of_any_kind_in_soot() -> None:
    for path in shared_data("tem/soot_bf_tem/images").iterdir():
        micrograph = read_micrograph(path)
        assert micrograph.data_bar_top is None
        assert micrograph.annotations == ()


# The scale bar drawn into the image


def with_scale_bar(image: NDArray[Any], ink: int, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    x0, y0, x1, y1 = box
    draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=ink)
    draw.text((x0 + 20, y0 - 28), "100 nm", fill=ink, font_size=20)
    return np.asarray(picture)


@pytest.mark.parametrize("ink", [0, 255])
def test_scale_bar_and_its_text(ink: int) -> None:
    found = find_scale_bar(with_scale_bar(field(), ink, (500, 560, 650, 568)))
    assert found is not None
    assert found.length_px == 150
    assert found.bar == Box(560, 500, 568, 650)
    assert found.text is not None
    assert found.text.y1 <= 560
    for box in found.covered((600, 800)):
        assert 0 <= box.y0 < box.y1 <= 600
        assert 0 <= box.x0 < box.x1 <= 800


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("noise", [0.0, 6.0])
def test_no_scale_bar_is_invented(seed: int, noise: float) -> None:
    for image in (field(seed=seed, noise=noise), 255 - field(seed=seed, noise=noise)):
        assert find_scale_bar(image) is None


def test_scale_bars_of_the_gold_images() -> None:
    folder = shared_data("tem/gold_bf_tem")
    with (folder / "scalebars.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            micrograph = read_micrograph(folder / row["file"])
            found = find_scale_bar(micrograph.field_pixels)
            assert found is not None, row["file"]
            assert abs(found.length_px - int(row["bar_px"])) <= 4, row["file"]
            assert found.text is not None
            assert micrograph.data_bar_top is None
            assert micrograph.annotations == found.covered(micrograph.shape)
