from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files import overlay
from nanoai_gui.core.files.overlay import agglomerate_outlines, draw_overlay, grey, scale_bar, write_overlay
from nanoai_gui.core.tem.agglomerates import TOUCHES_BORDER, PackedLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.micrograph import Micrograph
from tests.core.analyses import Disc, make_analysis

SHAPE = (240, 400)
DISCS = [
    Disc(1, 80.0, 60.0, 30, (40.0,)),
    Disc(2, 200.0, 60.0, 30, excluded=TOUCHES_BORDER),
]


def make(
    discs: list[Disc] = DISCS, shape: tuple[int, int] = SHAPE, nm_per_px: float | None = 0.5
) -> tuple[Micrograph, ImageAnalysis]:
    ramp = np.tile(np.linspace(1000, 3000, shape[1]), (shape[0], 1)).astype(np.uint16)
    calibration = Calibration.unknown() if nm_per_px is None else Calibration.typed(nm_per_px)
    return Micrograph(ramp, "a.tif", calibration=calibration), make_analysis(
        discs, shape=shape, nm_per_px=nm_per_px
    )


def coloured(picture: Image.Image, colour: tuple[int, int, int], within: float = 40) -> np.ndarray:
    pixels = np.asarray(picture).astype(float)
    return np.asarray(np.linalg.norm(pixels - colour, axis=2) < within)


def test_the_picture_is_as_large_as_the_image_and_grey_where_nothing_is(tmp_path: Path) -> None:
    micrograph, analysis = make()
    write_overlay(tmp_path / "o.png", micrograph, analysis, "watershed")
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.size == (SHAPE[1], SHAPE[0])
        assert picture.mode == "RGB"
        pixels = np.asarray(picture)
    raw = grey(micrograph)
    for row, column in ((2, 2), (60, 80), (60, 200), (120, 200)):  # corner, both centres, between
        assert pixels[row, column].tolist() == [raw[row, column]] * 3


def test_a_circle_lies_where_the_particle_does() -> None:
    _, analysis = make([Disc(1, 80.25, 60.5, 34, (40.0,))])
    flat = Micrograph(np.zeros(SHAPE, dtype=np.uint8), "flat")
    picture = draw_overlay(flat, analysis, "watershed")
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    radius = np.hypot(x - 80.25, y - 60.5)
    # On black, brightness is the share of the pixel that the line covers.
    weight = np.where(radius < 27, np.asarray(picture)[:, :, 0] / overlay.PARTICLE_COLOUR[0], 0)
    assert np.average(x, weights=weight) == pytest.approx(80.25, abs=0.03)
    assert np.average(y, weights=weight) == pytest.approx(60.5, abs=0.03)
    assert np.average(radius, weights=weight) == pytest.approx(20, abs=0.05)
    assert weight[(radius < 18) | (radius > 22)].max() == 0
    assert weight.sum() == pytest.approx(2 * math.pi * 20 * 1.5, rel=0.02)
    # It goes all the way round.
    lit = weight > 0.5
    assert len(np.unique(np.round(np.arctan2(y - 60.5, x - 80.25)[lit] * 18 / math.pi))) >= 36


def test_lines_are_smooth() -> None:
    micrograph, analysis = make([Disc(1, 80, 60, 34, (40.0,))])
    red = np.asarray(draw_overlay(micrograph, analysis, "watershed"))[:, :, 0].astype(int)
    ring = np.hypot(*np.mgrid[-60:180, -80:320]).round() == 21
    assert len(np.unique(red[ring])) > 20


def test_tiles_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    micrograph, analysis = make()
    whole = np.asarray(draw_overlay(micrograph, analysis, "watershed"))
    monkeypatch.setattr(overlay, "TILE", 37)
    tiled = np.asarray(draw_overlay(micrograph, analysis, "watershed"))
    np.testing.assert_allclose(tiled, whole.astype(float), atol=2)


def test_excluded_agglomerates_are_dashed_and_have_their_own_colour() -> None:
    picture = draw_overlay(*make(), "watershed")
    angle = np.deg2rad(np.arange(360))
    covered = {}
    for name, colour, x in (
        ("measured", overlay.AGGLOMERATE_COLOUR, 80),
        ("excluded", overlay.EXCLUDED_COLOUR, 200),
    ):
        hit = coloured(picture, colour, 60)
        rings = [
            hit[np.round(60 + r * np.sin(angle)).astype(int), np.round(x + r * np.cos(angle)).astype(int)]
            for r in (29.5, 30, 30.5, 31)
        ]
        covered[name] = np.mean(np.any(rings, axis=0))
    assert covered["measured"] > 0.98
    assert 0.45 < covered["excluded"] < 0.85


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    micrograph, analysis = make([], shape=(480, 800), nm_per_px=0.5)
    pixels = np.asarray(draw_overlay(micrograph, analysis, "watershed"))
    white = (pixels == 255).all(axis=2)[:, :300]
    longest = 0
    for row in white:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        longest = max([longest, *(edges[1::2] - edges[::2]).tolist()])
    assert scale_bar(800, 0.5) == (100, "50 nm")
    assert longest == 100


@pytest.mark.parametrize(
    ("width", "nm_per_px", "expected"),
    [
        (1024, None, (200, "200 px")),
        (1024, 7.34375, (136, "1 µm")),
        (2048, 0.2, (250, "50 nm")),
        (1000, 0.0025, (200, "0.5 nm")),
        (1, 1.0, (1, "0.2 nm")),
    ],
)
def test_scale_bars_have_round_lengths(
    width: int, nm_per_px: float | None, expected: tuple[int, str]
) -> None:
    assert scale_bar(width, nm_per_px) == expected


def test_a_tiff_carries_the_pixel_size(tmp_path: Path) -> None:
    write_overlay(tmp_path / "o.tif", *make(), "watershed")
    with Image.open(tmp_path / "o.tif") as picture:
        assert picture.size == (SHAPE[1], SHAPE[0])
        assert float(picture.tag_v2[282]) == pytest.approx(1e7 / 0.5)  # type: ignore[attr-defined]
        assert picture.tag_v2[296] == 3  # type: ignore[attr-defined]
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(draw_overlay(*make(), "watershed")))
    write_overlay(tmp_path / "u.tiff", *make(nm_per_px=None), "watershed")


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (20, 20), (200, 30)])
def test_small_and_flat_images_are_drawn(tmp_path: Path, shape: tuple[int, int]) -> None:
    flat = Micrograph(np.full(shape, 7, dtype=np.uint8), "flat")
    write_overlay(tmp_path / "o.png", flat, make_analysis([], shape=shape), "watershed")
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.size == (shape[1], shape[0])


def test_holes_have_outlines_too() -> None:
    _, analysis = make([Disc(1, 80, 60, 30)])
    labels = analysis.labels.unpack()
    labels[55:65, 75:85] = 0
    analysis = replace(analysis, labels=PackedLabels.pack(labels))
    lines = [line for _, line in agglomerate_outlines(analysis)]
    assert len(lines) == 2
    assert sorted(float(np.ptp(line[:, 0]).round()) for line in lines) == [10, 61]


def test_the_data_bar_stays_free_of_words() -> None:
    micrograph, analysis = make([], shape=(480, 800))
    below = slice(400, None)
    with_bar = np.asarray(draw_overlay(micrograph.with_data_bar(400), analysis, "watershed"))[below]
    assert (with_bar == grey(micrograph.with_data_bar(400))[below, :, None]).all()


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="gif"):
        write_overlay(tmp_path / "o.gif", *make(), "watershed")
    assert list(tmp_path.iterdir()) == []


def test_drawing_can_be_cancelled(tmp_path: Path) -> None:
    with pytest.raises(OperationCancelled):
        write_overlay(tmp_path / "o.png", *make(), "watershed", cancelled=lambda: True)
    assert list(tmp_path.iterdir()) == []
