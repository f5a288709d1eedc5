"""Files that are damaged or no images: one sentence naming the file, and what to do about it."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files import tiff
from nanoai_gui.core.files.frames import reading
from nanoai_gui.core.files.micrographs import list_frames, read_micrograph, read_thumbnail
from tests.dm4_writer import write_dm4
from tests.shared_data import shared_data


def refusal(path: Path) -> str:
    """Check that a file is refused properly and give the sentence."""
    sentences = set()
    for read in (read_micrograph, list_frames, lambda p: read_thumbnail(p, 64)):
        with pytest.raises(ReadError) as caught:
            read(path)
        sentences.add(caught.value.message)
        assert path.name in caught.value.message
        assert caught.value.message.endswith(".")
        assert "\n" not in str(caught.value)
        assert caught.value.advice
    gc.collect()  # a file left open by a library would speak up here, and warnings are errors
    assert len(sentences) == 1
    return sentences.pop()


def image(shape: tuple[int, ...] = (120, 100), dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize(
    "name", ["a.tif", "a.dm3", "a.dm4", "a.png", "a.jpg", "a.emd", "a.ser", "a.mrc", "a.img"]
)
def test_empty_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert "is empty" in refusal(tmp_path / name)


def test_a_list_of_texts_without_an_end(tmp_path: Path) -> None:
    """Found by fuzzing: the library of HDF5 looks at free space of no size for ever."""
    import h5py

    path = tmp_path / "a.emd"
    with h5py.File(path, "w") as file:
        file.attrs.update({"version_major": 0, "version_minor": 2})
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        group["data"] = image()
        for i, size in enumerate((120, 100), start=1):
            axis = group.create_dataset(f"dim{i}", data=np.arange(size))
            axis.attrs.update({"name": f"axis {i}", "units": "[n_m]"})
        for name in ("comments", "microscope", "sample", "user"):
            file.create_group(name)
    assert len(list_frames(path)) == 1
    whole = path.read_bytes()
    at = whole.index(b"GCOL") + 16
    while whole[at : at + 2] != b"\0\0":  # to the free space behind the texts
        at += 16 + -(-int.from_bytes(whole[at + 8 : at + 16], "little") // 8) * 8
    path.write_bytes(whole[: at + 8] + bytes(8) + whole[at + 16 :])
    assert "one of its lists of texts has no end" in refusal(path)


@pytest.mark.parametrize(
    "name",
    ["a.tif", "a.dm3", "a.dm4", "a.png", "a.jpg", "a.bmp", "a.emd", "a.ser", "a.emi", "a.mrc", "a.img", "a"],
)
def test_text_under_the_name_of_an_image(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Dear diary, today the microscope was down.\n" * 60, encoding="utf-8")
    refusal(tmp_path / name)


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_truncated_tiff(tmp_path: Path, compression: str | None, share: float) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, image(), compression=compression, rowsperstrip=16)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refusal(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_truncated_pictures(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(image(dtype="uint8")).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ReadError, match=path.name):
        read_micrograph(path)


@pytest.mark.parametrize(
    "name",
    [
        "ncempy/dmTest_float32_nonSquare_diffPixelSize.dm4",
        "rosettasciio/digitalmicrograph/2D/test_STEM_image.dm3",
        "ncempy/Camera Ceta Imaging Micro.emd",
        "ncempy/Acquisition_18.emd",
        "ncempy/16_STOimage_1.ser",
        "ncempy/temp.mrc",
        "rosettasciio/jeol/Sample/00_View000/View000_0000000.img",
        "nionswift_io/ref_F_0_2.dm5",
        "fei_helios/granular.tif",
    ],
)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_truncated_instrument_files(tmp_path: Path, name: str, share: float) -> None:
    whole = shared_data(f"tem/instrument_files/{name}")
    path = tmp_path / whole.name
    content = whole.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadError, match=r"incomplete|damaged|not an image|square") as caught:
        read_micrograph(path)
    assert path.name in caught.value.message
    gc.collect()


def test_image_without_pixels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "nil.tif", image((4, 4)))
    content = bytearray((tmp_path / "nil.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "nil.tif") as tiff:
        for code in (256, 257):
            at = tiff.pages.first.tags[code].valueoffset
            content[at : at + 2] = bytes(2)
    (tmp_path / "nil.tif").write_bytes(content)
    assert "without pixels" in refusal(tmp_path / "nil.tif")


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1)])
@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_points_and_lines(tmp_path: Path, shape: tuple[int, int], suffix: str) -> None:
    path = tmp_path / f"dot.{suffix}"
    Image.fromarray(np.full(shape, 9, np.uint8)).save(path)
    assert "not an image" in refusal(path)


@pytest.mark.parametrize("value", [0, 255])
def test_all_black_and_all_white_open(tmp_path: Path, value: int) -> None:
    tifffile.imwrite(tmp_path / "flat.tif", np.full((300, 200), value, np.uint8))
    micrograph = read_micrograph(tmp_path / "flat.tif")
    assert (micrograph.pixels == value).all()
    assert micrograph.data_bar_top is None
    assert micrograph.annotations == ()
    assert read_thumbnail(tmp_path / "flat.tif", 50).max() == 0


def test_nothing_finite(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "nan.tif", np.full((30, 20), np.nan, np.float32))
    with pytest.raises(ReadError, match="no finite value"):
        read_micrograph(tmp_path / "nan.tif")


def test_complex_numbers(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "fft.tif", np.ones((30, 20), np.complex64))
    with pytest.raises(ReadError, match="Fourier"):
        read_micrograph(tmp_path / "fft.tif")


def test_header_that_claims_more_than_any_detector(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "huge.tif", image(), compression="deflate")
    content = bytearray((tmp_path / "huge.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "huge.tif") as tiff:
        for code in (256, 257):
            tag = tiff.pages.first.tags[code]
            at = tag.offset + 2
            content[at : at + 10] = (
                (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + b"\xff\xff\xff\x7f"
            )
    (tmp_path / "huge.tif").write_bytes(content)
    assert "header is damaged" in refusal(tmp_path / "huge.tif")


def test_mrc_header_that_claims_more_than_the_file(tmp_path: Path) -> None:
    header = np.zeros(256, "<i4")
    header[:4] = (4000, 4000, 50, 2)
    (tmp_path / "cut.mrc").write_bytes(header.tobytes() + bytes(5000))
    assert "its end is missing" in refusal(tmp_path / "cut.mrc")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert "not there" in refusal(tmp_path / "gone.tif")
    (tmp_path / "folder.tif").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.tif")


def test_file_that_vanishes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shy.tif"
    tifffile.imwrite(path, image())
    original = tiff.open_tiff

    def vanish(where: Path) -> object:
        where.unlink()
        return original(where)

    monkeypatch.setattr(tiff, "open_tiff", vanish)
    with pytest.raises(ReadError, match=r"shy\.tif is not there"):
        read_micrograph(path)


def test_packed_archives(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.tif.gz").write_bytes(gzip.compress(b"x"))
    assert "packed" in refusal(tmp_path / "a.tif.gz")


def test_print_colours_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cmyk.tif", image((20, 30, 4), "uint8"), photometric="separated")
    assert "CMYK" in refusal(tmp_path / "cmyk.tif")


def test_volume_in_one_page_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "v.tif", image((4, 32, 32)), volumetric=True, tile=(4, 16, 16), photometric=1)
    assert "volume" in refusal(tmp_path / "v.tif")


def test_whatever_a_library_throws_becomes_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    path.touch()
    for thrown in (
        ValueError("bad\nthing"),
        KeyError("tag"),
        MemoryError(),
        OSError("I/O"),
        RecursionError(),
    ):
        with pytest.raises(ReadError) as caught, reading(path):
            raise thrown
        assert caught.value.message.startswith("x.tif")
        assert caught.value.__cause__ is thrown
    with pytest.raises(KeyboardInterrupt), reading(path):
        raise KeyboardInterrupt


def test_warnings_of_libraries_go_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.tif").touch()
    with caplog.at_level("INFO"), reading(tmp_path / "x.tif"):
        warnings.warn("the library is worried", stacklevel=1)
    assert "the library is worried" in caplog.text


def test_every_cut_and_every_broken_count_of_a_dm4_is_seen(tmp_path: Path) -> None:
    """A reader without this check loops for hours over a count of which one byte is wrong."""
    path = tmp_path / "a.dm4"
    write_dm4(path, image((30, 20)), 0.5, "nm")
    whole = path.read_bytes()
    assert read_micrograph(path).calibration.nm_per_px == pytest.approx(0.5)
    for share in np.linspace(0.05, 0.95, 10):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ReadError, match=r"its end is missing"):
            read_micrograph(path)
    outcomes = set()
    for at in range(whole.index(b"%%%%") + 60):
        broken = bytearray(whole)
        broken[at] ^= 0x7F
        path.write_bytes(broken)
        try:
            read_micrograph(path)
            outcomes.add("opened")
        except ReadError:
            outcomes.add("refused")
    assert outcomes == {"opened", "refused"}  # names may be garbled without harm, counts may not
