"""Label images, ImageJ regions and COCO instances: a round trip keeps ids and outlines."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.exchange.rings import ellipse
from nanoai_gui.core.exchange.shapes import (
    Role,
    Shape,
    particle_labels,
    particle_shapes,
    shapes_of_labels,
    to_labels,
    to_particles,
)
from nanoai_gui.core.files.coco import read_coco, write_coco
from nanoai_gui.core.files.imagej import read_rois, write_rois
from nanoai_gui.core.files.label_images import read_labels, write_labels
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.core.tem.sizing import SizingResult

SHAPE = (40, 52)


@st.composite
def label_images(draw: st.DrawFn, largest: int = 2**31 - 1) -> NDArray[np.int32]:
    """Blobs with holes, islands and bays, their ids far apart."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ids = draw(st.lists(st.integers(1, largest), min_size=1, max_size=6, unique=True))
    labels = np.zeros(SHAPE, dtype=np.int32)
    for ident in ids:
        y, x = rng.integers(0, 32), rng.integers(0, 44)
        part = labels[y : y + 8, x : x + 8]
        part[rng.random(part.shape) < rng.uniform(0.3, 1)] = ident
    return labels


@st.composite
def particles(draw: st.DrawFn) -> Particles:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 8))
    none = np.empty((0, 2), dtype=np.float32)
    x, y = rng.uniform(0, SHAPE[1] - 1, n), rng.uniform(0, SHAPE[0] - 1, n)
    outlines = tuple(
        none if rng.random() < 0.5 else ellipse(x[i], y[i], 5, 3, 0.4, 23).astype(np.float32)
        for i in range(n)
    )
    return Particles(
        ids=np.sort(rng.choice(10**6, n, replace=False) + 1).astype(np.int32),
        agglomerate=rng.integers(1, 4, n).astype(np.int32),
        x=x,
        y=y,
        area_px=rng.uniform(20, 200, n),
        score=np.where(rng.random(n) < 0.5, np.nan, rng.random(n)),
        uncertainty_px=np.where(rng.random(n) < 0.5, np.nan, rng.random(n)),
        status=rng.integers(0, 3, n).astype(np.int8),
        outlines=outlines,
    )


def sized(table: Particles) -> SizingResult:
    none = np.zeros(0, dtype=np.int32)
    return SizingResult("hough", table, none, none, np.zeros((0, 5)))


def read_back(path: Path, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    if path.suffix == ".zip":
        write_rois(path, shapes)
        return read_rois(path).shapes
    write_coco(path, "some folder/a.tif", SHAPE, shapes)
    return read_coco(path, "a.tif", SHAPE).shapes


# ---------------------------------------------------------------------- round trips


@pytest.mark.parametrize("name", ["a.zip", "a.json"])
@settings(max_examples=40, deadline=None)
@given(labels=label_images())
def test_agglomerates_keep_ids_and_pixels(
    tmp_path_factory: pytest.TempPathFactory, name: str, labels: NDArray[np.int32]
) -> None:
    shapes = read_back(tmp_path_factory.mktemp("a") / name, shapes_of_labels(labels, Role.AGGLOMERATE))
    assert {shape.role for shape in shapes} == {Role.AGGLOMERATE}
    back, notes = to_labels(shapes, SHAPE)
    assert np.array_equal(back, labels)
    assert notes == ()


@pytest.mark.parametrize("name", ["a.zip", "a.json"])
@settings(max_examples=40, deadline=None)
@given(table=particles())
def test_particles_keep_everything(
    tmp_path_factory: pytest.TempPathFactory, name: str, table: Particles
) -> None:
    shapes = read_back(tmp_path_factory.mktemp("a") / name, particle_shapes(sized(table)))
    assert {shape.method for shape in shapes} == {"hough"}
    back, notes = to_particles(shapes, SHAPE)
    assert notes == ()
    for column in ("ids", "agglomerate", "status"):
        assert np.array_equal(getattr(back, column), getattr(table, column))
    for column in ("area_px", "score", "uncertainty_px"):
        np.testing.assert_array_equal(getattr(back, column), getattr(table, column))
    circles = np.array([not len(outline) for outline in table.outlines])
    np.testing.assert_allclose(back.x[circles], table.x[circles], atol=1e-9)
    np.testing.assert_allclose(back.y[~circles], table.y[~circles], atol=2e-3)
    for mine, theirs in zip(back.outlines, table.outlines, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(labels=label_images())
def test_a_tiff_keeps_ids_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, labels: NDArray[np.int32]
) -> None:
    path = tmp_path_factory.mktemp("a") / "a.tif"
    write_labels(path, labels)
    assert np.array_equal(read_labels(path, SHAPE), labels)
    assert tifffile.imread(path).dtype == (np.uint16 if labels.max() <= 65535 else np.uint32)


@settings(max_examples=20, deadline=None)
@given(labels=label_images(largest=65535))
def test_a_png_keeps_ids_up_to_65535(
    tmp_path_factory: pytest.TempPathFactory, labels: NDArray[np.int32]
) -> None:
    path = tmp_path_factory.mktemp("a") / "a.png"
    write_labels(path, labels)
    assert np.array_equal(read_labels(path, SHAPE), labels)
    with Image.open(path) as image:
        assert image.mode == "I;16"


def test_a_png_refuses_an_id_that_it_cannot_hold(tmp_path: Path) -> None:
    labels = np.full(SHAPE, 65536, dtype=np.int32)
    with pytest.raises(WriteError, match=r"id 65536 is larger.*TIFF"):
        write_labels(tmp_path / "a.png", labels)
    assert not (tmp_path / "a.png").exists()
    with pytest.raises(WriteError, match=r"cannot be written as \.gif"):
        write_labels(tmp_path / "a.gif", labels)


def test_a_label_tiff_tells_imagej_the_pixel_size(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.tif", np.ones(SHAPE, dtype=np.int32), 0.5)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        metadata = tiff.imagej_metadata
        assert metadata is not None and metadata["unit"] == "nm"
        across, of = tiff.pages.first.tags["XResolution"].value
        assert across / of == pytest.approx(2.0)


# ---------------------------------------------------------------------- what others write


def test_regions_drawn_in_imagej(tmp_path: Path) -> None:
    """A wand outline counts from the corner of the first pixel, an oval by its box."""
    from roifile import ROI_SUBTYPE, ROI_TYPE, ImagejRoi

    square = ImagejRoi.frompoints(np.array([(4, 6), (10, 6), (10, 9), (4, 9)]), name="0007-0006")
    oval = ImagejRoi(roitype=ROI_TYPE.OVAL, left=20, top=10, right=30, bottom=20)
    long = ImagejRoi(roitype=ROI_TYPE.OVAL, left=20, top=25, right=40, bottom=31)
    tilted = ImagejRoi(
        roitype=ROI_TYPE.FREEHAND, subtype=ROI_SUBTYPE.ELLIPSE, x1=10.5, y1=20.5, x2=18.5, y2=20.5
    )
    point = ImagejRoi.frompoints([(3.0, 3.0)])
    point.roitype = ROI_TYPE.POINT
    raw = {f"{i}.roi": roi.tobytes() for i, roi in enumerate((square, oval, long, point))}
    aspect = bytearray(tilted.tobytes())
    aspect[52:56] = struct.pack(">f", 0.5)
    raw["4.roi"] = bytes(aspect)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, data in raw.items():
            archive.writestr(name, data)
        archive.writestr("readme.txt", "not a region")

    found = read_rois(tmp_path / "set.zip")
    assert found.notes == ("Left out, because they have no area: 1 x point.",)
    assert {shape.role for shape in found.shapes} == {None}
    labels, _ = to_labels(found.of(Role.AGGLOMERATE, Role.AGGLOMERATE), SHAPE)
    rows, columns = np.nonzero(labels == 1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 8, 4, 9)

    table, _ = to_particles(found.of(Role.PARTICLE, Role.PARTICLE), SHAPE, labels)
    assert table.area_px.tolist() == pytest.approx([18, np.pi * 25, np.pi * 10 * 3, np.pi * 4 * 2], rel=1e-6)
    assert (table.x[1], table.y[1]) == (24.5, 14.5)
    assert not len(table.outlines[1]) and len(table.outlines[2])
    assert (table.x[3], table.y[3]) == pytest.approx((14.0, 20.0))
    assert table.status.tolist() == [Status.ADDED] * 4
    assert table.agglomerate.tolist() == [1, 2, 3, 4], "each lies on the agglomerate made of it"


def test_a_region_that_was_moved_in_imagej_is_measured_anew(tmp_path: Path) -> None:
    table = Particles.from_areas([1], [20.0], [20.0], [80.0], outlines=[ellipse(20, 20, 5, 4).astype("f4")])
    write_rois(tmp_path / "a.zip", particle_shapes(sized(table)))
    rois = roifile.roiread(tmp_path / "a.zip")
    assert isinstance(rois, list)
    (roi,) = rois
    assert roi.name == "P1-A1" and roi.subpixel_coordinates is not None
    roi.subpixel_coordinates *= np.float32(1.1)
    roi.tofile(tmp_path / "b.roi")
    (same,), (other,) = read_rois(tmp_path / "a.zip").shapes, read_rois(tmp_path / "b.roi").shapes
    back, _ = to_particles([same], SHAPE)
    assert (back.area_px[0], back.status[0]) == (80.0, Status.AUTO)
    back, _ = to_particles([other], SHAPE)
    assert (back.ids[0], back.status[0]) == (1, Status.ADDED)
    assert back.area_px[0] == pytest.approx(np.pi * 20 * 1.21, rel=1e-5)


def test_regions_of_other_slices_are_left_out(tmp_path: Path) -> None:
    corners = np.array([(4, 6), (10, 6), (10, 9)])
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for position in (0, 1, 2):
            roi = roifile.ImagejRoi.frompoints(corners + 2 * position, name=f"A{position + 1}")
            roi.position = position
            archive.writestr(f"{position}.roi", roi.tobytes())
    assert [s.ident for s in read_rois(tmp_path / "set.zip", 1).shapes] == [1, 3]
    assert [s.ident for s in read_rois(tmp_path / "set.zip", 6).shapes] == [1, 2, 3]


def compressed(mask: NDArray[np.bool_]) -> str:
    """COCO's text form of run lengths, written after its description."""
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    runs = [0, *runs] if flat[0] else runs
    text = ""
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = not (value == 0 and not bits & 16) and not (value == -1 and bits & 16)
            text += chr(48 + (bits | 32 if more else bits))
    return text


def coco(annotations: list[dict[str, Any]], name: str = "a.png", **image: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 3, "file_name": name, "width": SHAPE[1], "height": SHAPE[0], **image}],
        "categories": [
            {"id": 5, "name": "Nanoparticle"},
            {"id": 6, "name": "aggregates"},
            {"id": 7, "name": "x"},
        ],
        "annotations": [{"id": i + 11, "image_id": 3, **a} for i, a in enumerate(annotations)],
    }


def saved(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@settings(max_examples=40, deadline=None)
@given(labels=label_images())
def test_run_lengths_plain_and_compressed(
    tmp_path_factory: pytest.TempPathFactory, labels: NDArray[np.int32]
) -> None:
    mask = labels > 0
    flat = mask.T.ravel().astype(int)
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    plain = {"size": list(SHAPE), "counts": [0, *runs] if flat[0] else runs}
    text = {"size": list(SHAPE), "counts": compressed(mask)}
    path = saved(
        tmp_path_factory.mktemp("a") / "a.json",
        coco([{"category_id": 6, "segmentation": plain}, {"category_id": 5, "segmentation": text}]),
    )
    found = read_coco(path, "a.tif", SHAPE).shapes
    assert [(s.role, s.ident) for s in found] == [(Role.AGGLOMERATE, 11), (Role.PARTICLE, 12)]
    for shape in found:
        assert np.array_equal(to_labels([shape], SHAPE)[0] > 0, mask)


def test_a_known_text_of_run_lengths(tmp_path: Path) -> None:
    """4 x 4 px with rows 1, 2 of columns 1, 2 set: runs 5 2 2 2 5, worked out by hand."""
    text = {"size": [4, 4], "counts": "52203"}
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": text}],
    }
    (shape,) = read_coco(saved(tmp_path / "a.json", content), "other.png", (4, 4)).shapes
    mask = np.zeros((4, 4), dtype=bool)
    mask[1:3, 1:3] = True
    assert np.array_equal(to_labels([shape], (4, 4))[0] > 0, mask)


def test_polygons_of_one_object_are_joined_not_cancelled(tmp_path: Path) -> None:
    one = [10, 10, 20, 10, 20, 20, 10, 20]
    other = [15, 15, 25, 15, 25, 25, 15, 25]
    path = saved(tmp_path / "a.json", coco([{"category_id": 7, "segmentation": [one, other]}]))
    (shape,) = read_coco(path, "a", SHAPE).shapes
    assert shape.role is None
    labels, _ = to_labels([shape], SHAPE)
    assert np.count_nonzero(labels) == 175


def test_the_image_is_found_among_many(tmp_path: Path) -> None:
    content = coco([{"category_id": 5, "segmentation": [[1, 1, 9, 1, 9, 9]]}])
    content["images"] += [{"id": 4, "file_name": "B/a.png"}, {"id": 5, "file_name": "c.png"}]
    path = saved(tmp_path / "a.json", content)
    assert len(read_coco(path, "a.png", SHAPE).shapes) == 1


# ---------------------------------------------------------------------- shapes


def test_ids_that_are_missing_or_taken_are_given_anew() -> None:
    square = (np.array([(0.5, 0.5), (4.5, 0.5), (4.5, 4.5), (0.5, 4.5)]),)
    shapes = [
        Shape(square, Role.AGGLOMERATE, 7),
        Shape((square[0] + 10,), Role.AGGLOMERATE, 7),
        Shape((square[0] + 20,), Role.AGGLOMERATE, 0),
        Shape((square[0] + 22,), Role.AGGLOMERATE, 3),
        Shape((square[0] + 500,), Role.AGGLOMERATE, 4),
    ]
    labels, notes = to_labels(shapes, SHAPE)
    assert {int(v) for v in np.unique(labels)} == {0, 3, 7, 8, 9}
    assert np.count_nonzero(labels == 3) == 12, "the first keeps shared pixels"
    assert len(notes) == 3


def test_a_particle_belongs_to_what_lies_below_it() -> None:
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[10:20, 10:20] = 4
    circles = [(14.0, 14.0, 2.0), (20.5, 15.0, 3.0), (40.0, 30.0, 3.0), (-3.0, 5.0, 2.0)]
    shapes = [Shape(role=Role.PARTICLE, agglomerate=9, circle=circle) for circle in circles]
    table, notes = to_particles(shapes, SHAPE, labels)
    assert table.agglomerate.tolist() == [4, 4, 0]
    assert table.ids.tolist() == [1, 2, 3]
    assert len(notes) == 1 and "1 shape" in notes[0]


def test_painted_particles_in_front_stay_visible() -> None:
    shapes = [
        Shape(role=Role.PARTICLE, ident=i, circle=c, area_px=np.pi * c[2] ** 2)
        for i, c in ((5, (20.0, 20.0, 4.0)), (9, (20.0, 20.0, 10.0)))
    ]
    labels, notes = particle_labels(shapes, SHAPE)
    assert labels[20, 20] == 5 and labels[20, 28] == 9
    assert len(notes) == 1
