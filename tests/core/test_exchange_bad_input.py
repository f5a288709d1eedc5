"""Files of other programs that are damaged, hostile or about something else: one sentence each."""

from __future__ import annotations

import gc
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.exchange.rings import ellipse
from nanoai_gui.core.exchange.shapes import Role, Shape, check_inside, shapes_of_labels
from nanoai_gui.core.files import zips
from nanoai_gui.core.files.coco import CocoWriter, read_coco, write_coco
from nanoai_gui.core.files.imagej import read_rois, write_rois
from nanoai_gui.core.files.label_images import read_labels, write_labels

SHAPE = (40, 52)


def made_labels() -> np.ndarray[Any, np.dtype[np.int32]]:
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[5:20, 6:30] = 3
    labels[10:12, 10:12] = 0
    labels[30:35, 6:30] = 9
    return labels


def read(path: Path) -> object:
    if path.suffix in (".zip", ".roi"):
        return read_rois(path)
    if path.suffix == ".json":
        return read_coco(path, "a.tif", SHAPE)
    return read_labels(path, SHAPE)


def refusal(path: Path) -> str:
    with pytest.raises(ReadError) as caught:
        read(path)
    assert caught.value.message.endswith(".") and caught.value.advice.endswith((".", ")"))
    assert "\n" not in str(caught.value)
    gc.collect()  # a file left open by a library would speak up here, and warnings are errors
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.zip", "a.roi", "a.json"])
@pytest.mark.parametrize("content", [b"", b"Dear diary\n" * 50, b"\0" * 300])
def test_what_is_nothing_of_the_kind(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert name in refusal(tmp_path / name)
    (tmp_path / name).unlink()
    assert "is not there" in refusal(tmp_path / name)


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.tif": lambda path: write_labels(path, made_labels()),
    "a.png": lambda path: write_labels(path, made_labels()),
    "a.zip": lambda path: write_rois(path, shapes_of_labels(made_labels(), Role.AGGLOMERATE)),
    "a.json": lambda path: write_coco(
        path, "a.tif", SHAPE, shapes_of_labels(made_labels(), Role.AGGLOMERATE)
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_damaged_bytes_give_a_refusal_or_something_sound(tmp_path: Path, name: str) -> None:
    """Cut short or with bytes changed: never anything but a :class:`ReadError`."""
    WRITERS[name](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(8)
    refused = 0
    for i in range(150):
        damaged = bytearray(whole)
        if i % 3 == 0:
            damaged = damaged[: rng.integers(0, len(whole))]
        else:
            for at in rng.integers(0, len(whole), rng.integers(1, 6)):
                damaged[at] = rng.integers(0, 256)
        (tmp_path / name).write_bytes(damaged)
        try:
            read(tmp_path / name)
        except ReadError as error:
            refused += 1
            assert "\n" not in str(error)
    gc.collect()
    assert refused > 50


@pytest.mark.parametrize("name", ["a.roi"])
def test_regions_whose_numbers_lie(tmp_path: Path, name: str) -> None:
    write_rois(tmp_path / "a.zip", shapes_of_labels(made_labels(), Role.AGGLOMERATE))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        whole = {info.filename: archive.read(info) for info in archive.infolist()}
    assert sorted(whole) == ["A3.roi", "A9.roi"]
    for data in whole.values():
        for at in range(4, 64, 2):
            for value in (0x7FFF, -1, -0x8000):
                damaged = data[:at] + struct.pack(">h", value) + data[at + 2 :]
                (tmp_path / name).write_bytes(damaged)
                try:
                    read_rois(tmp_path / name)
                except ReadError as error:
                    assert name in str(error)


def archive_of(path: Path, files: dict[str, bytes], **kwargs: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **kwargs) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../a.roi", "/etc/a.roi", "x/../../a.roi", "C:/a.roi", "..\\a.roi"])
def test_a_name_that_leads_out_of_the_archive(tmp_path: Path, name: str) -> None:
    assert "leads out of the archive" in refusal(archive_of(tmp_path / "a.zip", {name: b"Iout"}))


def test_a_small_archive_that_unpacks_to_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = archive_of(tmp_path / "big.zip", {"a.roi": bytes(zips.LARGEST_ENTRY + 1)})
    assert big.stat().st_size < 2**16
    assert "too large" in refusal(big)
    monkeypatch.setattr(zips, "LARGEST_TOTAL", 1000)
    assert "claims to hold more" in refusal(
        archive_of(tmp_path / "many.zip", {f"{i}.roi": bytes(99) for i in range(20)})
    )


def test_archives_of_other_things(tmp_path: Path) -> None:
    assert "holds no ImageJ regions" in refusal(archive_of(tmp_path / "a.zip", {"a.txt": b"hello"}))
    assert "no ImageJ region" in refusal(archive_of(tmp_path / "b.zip", {"a.roi": b"hello" * 30}))


def test_regions_without_area(tmp_path: Path) -> None:
    import roifile

    line = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.LINE, x1=1, y1=1, x2=5, y2=5)
    (tmp_path / "a.roi").write_bytes(line.tobytes())
    assert "holds no outlines, only 1 x line" in refusal(tmp_path / "a.roi")


# ---------------------------------------------------------------------- label images


def test_pictures_that_are_no_label_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tifffile.imwrite(tmp_path / "rgb.tif", rng.integers(0, 255, (*SHAPE, 3)).astype("u1"), photometric="rgb")
    assert "colours" in refusal(tmp_path / "rgb.tif")
    Image.fromarray(np.zeros((*SHAPE, 3), dtype=np.uint8)).save(tmp_path / "rgb.png")
    assert "colours" in refusal(tmp_path / "rgb.png")
    tifffile.imwrite(tmp_path / "half.tif", np.full(SHAPE, 0.5, dtype=np.float32))
    assert "fractions" in refusal(tmp_path / "half.tif")
    tifffile.imwrite(tmp_path / "nan.tif", np.full(SHAPE, np.nan, dtype=np.float32))
    assert "fractions" in refusal(tmp_path / "nan.tif")
    tifffile.imwrite(tmp_path / "large.tif", np.full(SHAPE, 2.0**25, dtype=np.float32))
    assert "not exact" in refusal(tmp_path / "large.tif")
    tifffile.imwrite(tmp_path / "negative.tif", np.full(SHAPE, -4, dtype=np.int16))
    assert "holds the value -4" in refusal(tmp_path / "negative.tif")
    tifffile.imwrite(tmp_path / "huge.tif", np.full(SHAPE, 2**31, dtype=np.uint32))
    assert "holds the value 2147483648" in refusal(tmp_path / "huge.tif")
    tifffile.imwrite(tmp_path / "empty.tif", np.zeros(SHAPE, dtype=np.uint16))
    assert "every pixel is 0" in refusal(tmp_path / "empty.tif")
    tifffile.imwrite(tmp_path / "stack.tif", np.ones((4, *SHAPE), dtype=np.uint16), photometric="minisblack")
    assert "holds 4 images" in refusal(tmp_path / "stack.tif")
    tifffile.imwrite(tmp_path / "other.tif", np.ones((39, 52), dtype=np.uint16))
    assert "has 52 x 39 px, but the image 52 x 40 px" in refusal(tmp_path / "other.tif")
    (tmp_path / "a.bmp").write_bytes(b"BM")
    assert "neither TIFF nor PNG" in refusal(tmp_path / "a.bmp")


def test_label_images_as_other_programs_save_them(tmp_path: Path) -> None:
    labels = made_labels()
    tifffile.imwrite(tmp_path / "float.tif", labels.astype(np.float32))  # ImageJ, 32 bits
    assert np.array_equal(read_labels(tmp_path / "float.tif", SHAPE), labels)
    tifffile.imwrite(tmp_path / "bytes.tif", labels.astype(np.uint8))
    assert np.array_equal(read_labels(tmp_path / "bytes.tif", SHAPE), labels)
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "bytes.png")
    assert np.array_equal(read_labels(tmp_path / "bytes.png", SHAPE), labels)
    tifffile.imwrite(tmp_path / "field.tif", labels[:36].astype(np.uint16))  # cropped above the data bar
    assert np.array_equal(read_labels(tmp_path / "field.tif", SHAPE, 36), labels)
    Image.fromarray(((labels > 0) * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    back = read_labels(tmp_path / "mask.png", SHAPE)
    assert np.array_equal(back > 0, labels > 0) and back.max() == 2


# ---------------------------------------------------------------------- COCO


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = tmp_path / "a.json"
    write_coco(path, "a.tif", SHAPE, shapes_of_labels(made_labels(), Role.AGGLOMERATE))
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def run_lengths(value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["annotations"][0].update(segmentation=value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.pop("images"), "is no COCO file"),
        (lambda c: c.update(annotations={}), "is no COCO file"),
        (lambda c: c.update(annotations=[]), "holds no outlines for a.tif"),
        (lambda c: c.update(annotations=[7, None, {"image_id": 1}]), "holds no outlines for a.tif"),
        (lambda c: c.update(images=[]), "holds no annotations of a.tif."),
        (lambda c: c["images"][0].update(width=99), "made for an image of 99 x 40 px"),
        (lambda c: c["images"].append(c["images"][0]), "holds 2 images called a.tif"),
        (
            lambda c: c.update(images=[{"id": i, "file_name": f"{i}.png"} for i in range(5)]),
            "only of 0.png, 1.png, 2.png ...",
        ),
        (run_lengths({"size": [4, 4], "counts": [16]}), "not of the size of the image"),
        (run_lengths({"size": list(SHAPE), "counts": [16]}), "does not cover the image"),
        (run_lengths({"size": list(SHAPE), "counts": [-1, 2081]}), "mask is damaged"),
        (run_lengths({"size": list(SHAPE), "counts": "\u00e9"}), "mask is damaged"),
        (run_lengths({"size": list(SHAPE), "counts": "o" * 99}), "mask is damaged"),
        (run_lengths({"size": list(SHAPE), "counts": None}), "mask is damaged"),
    ],
)
def test_coco_that_does_not_fit(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    assert sentence in refusal(changed(tmp_path, change))


def test_annotations_without_an_outline_are_counted(tmp_path: Path) -> None:
    def spoil(content: dict[str, Any]) -> None:
        bad = [
            [],
            [[1, 2]],
            [["a"] * 6],
            [[1, 2, 3, 4, 5, float("inf")]],
            [[1, 2, 3, 4, 1e300, 6]],
            "text",
            None,
        ]
        for value in bad:
            content["annotations"].append({"image_id": 1, "category_id": 1, "segmentation": value})

    found = read_coco(changed(tmp_path, spoil), "a.tif", SHAPE)
    assert len(found.shapes) == 2
    assert found.notes == ("7 annotations without an outline left out.",)


def test_json_nested_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000, encoding="utf-8")
    refusal(tmp_path / "a.json")


def test_outlines_of_another_image(tmp_path: Path) -> None:
    far = [Shape((ellipse(500, 500, 4, 4),), Role.PARTICLE, i) for i in (1, 2)]
    near = Shape((ellipse(20, 20, 4, 4),), Role.PARTICLE, 3)
    with pytest.raises(ReadError, match="lie outside of this image of 52 x 40 px"):
        check_inside([*far, near], SHAPE, "a.zip")
    check_inside([far[0], near], SHAPE, "a.zip")


def test_an_export_that_fails_leaves_the_last_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_coco(path, "a.tif", SHAPE, shapes_of_labels(made_labels(), Role.AGGLOMERATE))
    before = path.read_bytes()
    with pytest.raises(KeyError), CocoWriter(path) as writer:
        writer.add("b.tif", SHAPE, [])
        raise KeyError("something else went wrong")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
