"""Reading micrographs from files the tests write themselves: kinds of numbers, pages, colours, folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.micrographs import find_images, list_frames, read_micrograph, read_thumbnail
from nanoai_gui.core.tem.calibration import CalibrationSource


def noise(shape: tuple[int, ...], dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    """Values over the middle of a type's range."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("f"):
        return rng.normal(100, 20, shape).astype(dtype)
    top = min(np.iinfo(dtype).max, 2**31 - 1)
    return rng.integers(top // 4, top // 2, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_number_types_are_kept(tmp_path: Path, dtype: str, byteorder: Literal["<", ">"]) -> None:
    image = noise((40, 30), dtype)
    tifffile.imwrite(tmp_path / "a.tif", image, byteorder=byteorder)
    pixels = read_micrograph(tmp_path / "a.tif").pixels
    assert pixels.dtype == np.dtype(dtype)
    assert pixels.dtype.isnative
    np.testing.assert_array_equal(pixels, image)


@pytest.mark.parametrize("dtype", ["uint64", "int64", "float64", "float16"])
def test_wider_types_become_float32(tmp_path: Path, dtype: str) -> None:
    image = np.arange(40 * 30).reshape(40, 30).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", image)
    pixels = read_micrograph(tmp_path / "a.tif").pixels
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, image.astype(np.float32))


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits", "zstd", "lzma"])
def test_compressed_tiff(tmp_path: Path, compression: str) -> None:
    image = noise((64, 48), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", image, compression=compression, predictor=compression == "lzw")
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.tif").pixels, image)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_become_luminance(tmp_path: Path, planar: str) -> None:
    image = noise((20, 30, 3))
    stored = image if planar == "contig" else np.moveaxis(image, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    micrograph = read_micrograph(tmp_path / "a.tif")
    np.testing.assert_array_equal(micrograph.pixels, np.rint(image @ [0.299, 0.587, 0.114]).astype(np.uint8))
    assert any("colours" in warning for warning in micrograph.warnings)


def test_grey_stored_as_rgb_keeps_its_values_in_silence(tmp_path: Path) -> None:
    grey = noise((20, 30), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", np.stack([grey] * 3, axis=-1), photometric="rgb")
    micrograph = read_micrograph(tmp_path / "a.tif")
    np.testing.assert_array_equal(micrograph.pixels, grey)
    assert micrograph.warnings == ()


def test_constant_transparency_is_ignored_and_a_varying_one_shows_white(tmp_path: Path) -> None:
    image = np.zeros((20, 30, 4), dtype=np.uint8)
    image[..., :3] = 90
    Image.fromarray(image).save(tmp_path / "invisible.png")
    assert (read_micrograph(tmp_path / "invisible.png").pixels == 90).all()
    image[:10, :, 3] = 255
    Image.fromarray(image).save(tmp_path / "half.png")
    half = read_micrograph(tmp_path / "half.png")
    assert (half.pixels[:10] == 90).all()
    assert (half.pixels[10:] == 255).all()
    assert any("Transparent" in warning for warning in half.warnings)


def test_bilevel_and_inverted_tiff_show_bright_as_large(tmp_path: Path) -> None:
    mask = noise((20, 30)) > 90
    tifffile.imwrite(tmp_path / "mask.tif", mask, photometric="minisblack")
    np.testing.assert_array_equal(read_micrograph(tmp_path / "mask.tif").pixels, mask.astype(np.uint8))
    tifffile.imwrite(tmp_path / "inverted.tif", noise((20, 30)), photometric="miniswhite")
    np.testing.assert_array_equal(read_micrograph(tmp_path / "inverted.tif").pixels, 255 - noise((20, 30)))


def test_palettes_are_looked_up_unless_they_are_the_grey_ramp(tmp_path: Path) -> None:
    indices = noise((20, 30))
    ramp = np.repeat(np.arange(256, dtype=np.uint16)[None] * 257, 3, axis=0)
    tifffile.imwrite(tmp_path / "ramp.tif", indices, photometric="palette", colormap=ramp)
    np.testing.assert_array_equal(read_micrograph(tmp_path / "ramp.tif").pixels, indices)
    tifffile.imwrite(tmp_path / "back.tif", indices, photometric="palette", colormap=ramp[:, ::-1])
    np.testing.assert_array_equal(read_micrograph(tmp_path / "back.tif").pixels, 255 - indices)


@pytest.mark.parametrize(
    ("name", "mode"), [("a.png", "L"), ("a.bmp", "L"), ("a.png", "RGB"), ("a.bmp", "RGB")]
)
def test_pictures(tmp_path: Path, name: str, mode: str) -> None:
    grey = noise((20, 30))
    Image.fromarray(grey).convert(mode).save(tmp_path / name)
    micrograph = read_micrograph(tmp_path / name)
    np.testing.assert_array_equal(micrograph.pixels, grey)
    assert not micrograph.calibration.is_known
    assert "holds no pixel size" in micrograph.calibration.warnings[0]


def test_deep_png_keeps_sixteen_bits(tmp_path: Path) -> None:
    import imagecodecs

    grey = noise((20, 30), "uint16")
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_micrograph(tmp_path / "grey.png").pixels, grey)
    (tmp_path / "colour.png").write_bytes(imagecodecs.png_encode(np.stack([grey] * 3, axis=-1)))
    np.testing.assert_array_equal(read_micrograph(tmp_path / "colour.png").pixels, grey)


def test_jpeg_under_the_name_of_a_tiff_opens(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 50), 77, np.uint8)).save(tmp_path / "wrong.tif", format="JPEG")
    assert (read_micrograph(tmp_path / "wrong.tif").pixels == 77).all()


def test_stack_lets_one_choose_the_frame(tmp_path: Path) -> None:
    stack = noise((5, 20, 30), "uint16")
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    frames = list_frames(tmp_path / "stack.tif")
    assert [(f.index, f.label, f.shape, f.recommended) for f in frames] == [
        (i, str(i + 1), (20, 30), i == 0) for i in range(5)
    ]
    for i in range(5):
        micrograph = read_micrograph(tmp_path / "stack.tif", frame=i)
        np.testing.assert_array_equal(micrograph.pixels, stack[i])
        assert (micrograph.frame, micrograph.n_frames) == (i, 5)
        assert micrograph.name == f"stack.tif [{i + 1}]"
    for wrong in (-1, 5):
        with pytest.raises(ReadError, match="has no image"):
            read_micrograph(tmp_path / "stack.tif", frame=wrong)


def test_large_imagej_stack_with_a_single_page(tmp_path: Path) -> None:
    """ImageJ writes only the first page of a large stack and appends the other images bare."""
    stack = noise((4, 20, 30), "uint16")
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True)
    with tifffile.TiffFile(tmp_path / "stack.tif") as tiff:
        offset, order = tiff.pages.first.offset, "big" if tiff.byteorder == ">" else "little"
    content = bytearray((tmp_path / "stack.tif").read_bytes())
    entries = int.from_bytes(content[offset : offset + 2], order)  # type: ignore[arg-type]
    content[offset + 2 + 12 * entries : offset + 6 + 12 * entries] = bytes(4)  # no further page
    (tmp_path / "stack.tif").write_bytes(content)
    with tifffile.TiffFile(tmp_path / "stack.tif") as tiff:
        assert len(tiff.pages) == 1
    assert len(list_frames(tmp_path / "stack.tif")) == 4
    np.testing.assert_array_equal(read_micrograph(tmp_path / "stack.tif", frame=3).pixels, stack[3])


def test_raw_page_is_preferred_to_its_annotated_colour_copy(tmp_path: Path) -> None:
    raw = noise((64, 80), "uint16")
    copy = np.stack([(raw >> 8).astype(np.uint8)] * 3, axis=-1)
    copy[50:60, 10:60] = (255, 0, 0)
    with tifffile.TiffWriter(tmp_path / "jeol.tif") as tiff:
        tiff.write(copy, photometric="rgb", metadata=None)
        tiff.write(raw, photometric="minisblack", metadata=None, resolution=(1e7, 1e7), resolutionunit=3)
    assert [frame.recommended for frame in list_frames(tmp_path / "jeol.tif")] == [False, True]
    clean = read_micrograph(tmp_path / "jeol.tif")
    np.testing.assert_array_equal(clean.pixels, raw)
    assert clean.calibration.nm_per_px == pytest.approx(1.0)
    annotated = read_micrograph(tmp_path / "jeol.tif", frame=0)
    assert annotated.calibration.nm_per_px == pytest.approx(1.0)
    assert "another page" in annotated.calibration.detail


@pytest.mark.parametrize("clean_first", [True, False])
def test_clean_page_is_preferred_to_the_one_with_a_burned_in_bar(tmp_path: Path, clean_first: bool) -> None:
    clean = noise((64, 80))
    burned = clean.copy()
    burned[52:56, 30:70] = 255
    pages = (clean, burned) if clean_first else (burned, clean)
    tifffile.imwrite(tmp_path / "two.tif", np.stack(pages), photometric="minisblack")
    np.testing.assert_array_equal(read_micrograph(tmp_path / "two.tif").pixels, clean)


def test_thumbnails_and_masks_of_a_tiff_are_no_frames(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(noise((64, 80)), metadata=None)
        tiff.write(noise((16, 20)), subfiletype=1, metadata=None)
    assert len(list_frames(tmp_path / "a.tif")) == 1


def test_missing_values_get_the_median_and_are_told(tmp_path: Path) -> None:
    image = noise((40, 30), "float32")
    image[3, 4], image[5, 6], image[7, 8] = np.nan, np.inf, -np.inf
    tifffile.imwrite(tmp_path / "a.tif", image)
    micrograph = read_micrograph(tmp_path / "a.tif")
    assert np.isfinite(micrograph.pixels).all()
    assert micrograph.pixels[3, 4] == np.median(image[np.isfinite(image)])
    assert any(warning.startswith("3 pixels") for warning in micrograph.warnings)


@pytest.mark.parametrize("shape", [(30000, 200), (200, 30000)])
@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_very_long_images_open(tmp_path: Path, shape: tuple[int, int], suffix: str) -> None:
    path = tmp_path / f"long.{suffix}"
    image = np.zeros(shape, np.uint8)
    image[::7] = 100
    if suffix == "tif":
        tifffile.imwrite(path, image, compression="deflate")
    else:
        Image.fromarray(image).save(path, compress_level=1)
    np.testing.assert_array_equal(read_micrograph(path).pixels, image)
    small = read_thumbnail(path, 100)
    assert max(small.shape) == 100
    assert min(small.shape) >= 1


def test_thumbnail_stretches_the_contrast_of_the_field(tmp_path: Path) -> None:
    image = np.full((900, 600), 1000, np.uint16)
    image[:, 300:] = 1100
    image[10, 10] = 60000  # one hot pixel
    tifffile.imwrite(tmp_path / "a.tif", image)
    small = read_thumbnail(tmp_path / "a.tif", 90)
    assert small.shape == (90, 60)
    assert small[50, 10] == 0
    assert small[50, 50] == 255


def test_non_square_pixels_are_resampled_and_told(tmp_path: Path) -> None:
    rows = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[:, None], 40, axis=1)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, rows, imagej=True, resolution=(1.0, 2 / 3), metadata={"unit": "nm"})
    micrograph = read_micrograph(path)  # pixels 1 nm wide and 1.5 nm high
    assert micrograph.shape == (30, 40)
    assert micrograph.calibration.nm_per_px == pytest.approx(1.0, rel=1e-6)
    assert any("resampled" in warning for warning in micrograph.calibration.warnings)
    assert micrograph.pixels.dtype == np.uint8
    assert (np.diff(micrograph.pixels[:, 0].astype(int)) >= 0).all()
    assert list_frames(path)[0].shape == (20, 40)


def test_far_from_square_is_refused_with_the_reason(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", noise((20, 30)), imagej=True, resolution=(1.0, 0.2), metadata={"unit": "nm"}
    )
    with pytest.raises(ReadError, match="1 x 5 nm"):
        read_micrograph(tmp_path / "a.tif")


def test_names_in_any_script(tmp_path: Path) -> None:
    folder = tmp_path / "Übersicht 概览"
    folder.mkdir()
    path = folder / "Körner 纳米 1.tif"
    tifffile.imwrite(path, noise((20, 30)))
    Image.fromarray(noise((20, 30))).save(folder / "bild ß 图.png")
    assert read_micrograph(path).name == "Körner 纳米 1.tif"
    images, problems = find_images([folder])
    assert {image.name for image in images} == {"Körner 纳米 1.tif", "bild ß 图.png"}
    assert not problems
    assert all(read_micrograph(image).shape == (20, 30) for image in images)


def test_folders_are_searched_in_natural_order(tmp_path: Path) -> None:
    for name in (
        "b/img10.tif",
        "b/img2.TIF",
        "a/x.png",
        "img1.dm3",
        "notes.txt",
        ".hidden.tif",
        "b/._img2.tif",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    images, problems = find_images([tmp_path, tmp_path / "b" / "img2.TIF"])
    assert [p.relative_to(tmp_path).as_posix() for p in images] == [
        "a/x.png", "b/img2.TIF", "b/img10.tif", "img1.dm3",
    ]  # fmt: skip
    assert not problems


def test_folder_without_images_and_missing_paths_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing", encoding="utf-8")
    images, problems = find_images([tmp_path / "empty", tmp_path / "gone.tif"])
    assert not images
    assert "empty" in problems[0]
    assert "gone.tif" in problems[1]


def test_ser_files_of_an_emi_are_listed_once(tmp_path: Path) -> None:
    for name in ("a.emi", "a_1.ser", "a_2.ser", "b_1.ser"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in find_images([tmp_path])[0]] == ["a.emi", "b_1.ser"]


def test_metadata_of_the_instrument_is_shown(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", noise((20, 30)), datetime="2024:01:02 03:04:05",
        extratags=[(271, "s", 0, "Maker Inc.", True), (272, "s", 0, "Scope 9", True)],
    )  # fmt: skip
    facts = read_micrograph(tmp_path / "a.tif").metadata
    assert facts["Maker"] == "Maker Inc."
    assert facts["Instrument"] == "Scope 9"
    assert read_micrograph(tmp_path / "a.tif").calibration.source is CalibrationSource.NONE
