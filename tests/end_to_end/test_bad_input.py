"""Bad input: a clear sentence that names the file, nothing lost, exit codes as promised."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from nanoai_gui import cli
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.micrographs import read_micrograph
from tests.dm4_writer import write_dm4
from tests.end_to_end.command import Outcome, assert_speaks_plainly, size

DISC_DIAMETERS = (18.0, 22.0, 26.0, 30.0)


def discs(height: int = 200, width: int = 200, seed: int = 1) -> NDArray[np.uint8]:
    """Four dark discs of known diameters, apart from each other, on a noisy bright ground."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((height, width))
    image = np.full((height, width), 180.0)
    for diameter, cx, cy in zip(DISC_DIAMETERS, (50, 150, 50, 150), (50, 50, 150, 150), strict=True):
        image[np.hypot(x - cx, y - cy) <= diameter / 2] = 60
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def assert_discs_found(diameters: list[float]) -> None:
    assert sorted(diameters) == pytest.approx(DISC_DIAMETERS, rel=0.06)


def tiff_of_size(width: int, height: int) -> bytes:
    """A TIFF whose header claims this size and that holds one byte of pixels."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 4, max(height, 1)), (279, 4, 1)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 10) + b"\x7f\0" + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"


def truncate(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


REFUSED = (
    "empty.tif", "empty.dm4", "truncated.tif", "truncated.dm4", "truncated.png", "text.tif",
    "zero.tif", "only_nan.tif", "moved.tif",
)  # fmt: skip
NOTHING_TO_MEASURE = ("one_pixel.tif", "one_pixel.png", "black.tif", "white.tif")
MEASURED = (
    "good.tif", "good.dm4", "some_nan_and_inf.tif", "wide.tif",
    "Gold 20 nm (2).tif", "Größe äöüß.tif", "金纳米粒子.tif",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything."""
    folder = tmp_path_factory.mktemp("bad input") / "Proben für 王"
    folder.mkdir()
    good = discs()
    (folder / "empty.tif").touch()
    (folder / "empty.dm4").touch()
    tifffile.imwrite(folder / "truncated.tif", good)
    truncate(folder / "truncated.tif", 0.6)
    write_dm4(folder / "truncated.dm4", good, 0.5, "nm")
    truncate(folder / "truncated.dm4", 0.6)
    Image.fromarray(good).save(folder / "truncated.png")
    truncate(folder / "truncated.png", 0.6)
    (folder / "text.tif").write_text("Sample 7: see the folder of Monday.\n", encoding="utf-8")
    (folder / "zero.tif").write_bytes(tiff_of_size(0, 0))
    tifffile.imwrite(folder / "only_nan.tif", np.full((100, 100), np.nan, dtype=np.float32))
    (folder / "moved.tif").symlink_to(folder / "not there.tif")
    tifffile.imwrite(folder / "one_pixel.tif", np.array([[7]], dtype=np.uint8))
    Image.fromarray(np.array([[7]], dtype=np.uint8)).save(folder / "one_pixel.png")
    tifffile.imwrite(folder / "black.tif", np.zeros((200, 200), dtype=np.uint8))
    tifffile.imwrite(folder / "white.tif", np.full((200, 200), 65535, dtype=np.uint16))
    tifffile.imwrite(folder / "good.tif", good)
    write_dm4(folder / "good.dm4", good, 0.5, "nm")
    broken = good.astype(np.float32)
    broken[5, 5], broken[100, 100], broken[101, 100], broken[195, 7] = np.nan, np.inf, -np.inf, np.nan
    tifffile.imwrite(folder / "some_nan_and_inf.tif", broken)
    wide = np.full((200, 30000), 180, dtype=np.uint8)
    wide[:, 15000:15200] = good
    tifffile.imwrite(folder / "wide.tif", wide, compression="zlib")
    for name in MEASURED[4:]:
        tifffile.imwrite(folder / name, good)
    return folder


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Outcome:
    """The whole folder measured in one go."""
    return size([folder], folder.parent / "Ergebnis für 王", "--method", "watershed")


def test_some_could_not_be_done(outcome: Outcome) -> None:
    assert outcome.status == 1
    assert_speaks_plainly(outcome)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_is_named_with_a_reason(name: str, outcome: Outcome) -> None:
    message = outcome.errors[name]
    assert name in message
    assert len(message) > len(name) + 20 and message.endswith(".")
    assert [line for line in outcome.stderr.splitlines() if name in line]
    assert outcome.diameters(name) == []


@pytest.mark.parametrize("name", NOTHING_TO_MEASURE)
def test_no_particles_are_invented(name: str, outcome: Outcome) -> None:
    assert outcome.diameters(name) == []


@pytest.mark.parametrize("name", MEASURED)
def test_everything_else_is_measured_right(name: str, outcome: Outcome) -> None:
    assert name not in outcome.errors
    assert_discs_found(outcome.diameters(name))


def test_only_the_bad_files_are_reported(outcome: Outcome) -> None:
    assert set(outcome.errors) - set(NOTHING_TO_MEASURE) == set(REFUSED)


def test_non_finite_values_are_replaced_and_said_so(folder: Path) -> None:
    micrograph = read_micrograph(folder / "some_nan_and_inf.tif")
    assert np.isfinite(micrograph.pixels).all()
    assert micrograph.warnings


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
@pytest.mark.parametrize(
    "kind", ["plain.tif", "lzw.tif", "tiled.tif", "image.dm4", "image.png", "image.jpg", "image.bmp"]
)
def test_truncated_anywhere_is_refused(kind: str, share: float, tmp_path: Path) -> None:
    """Half an image is not shown as if it were a whole one."""
    path = tmp_path / kind
    good = discs(256, 256)
    match kind:
        case "plain.tif":
            tifffile.imwrite(path, good)
        case "lzw.tif":
            tifffile.imwrite(path, good, compression="lzw", rowsperstrip=32)
        case "tiled.tif":
            tifffile.imwrite(path, good, tile=(64, 64))
        case "image.dm4":
            write_dm4(path, good, 0.5, "nm")
        case _:
            Image.fromarray(good).save(path)
    assert read_micrograph(path).shape == (256, 256)
    truncate(path, share)
    with pytest.raises(ReadError, match=kind):
        read_micrograph(path)


def test_a_header_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    """Neither a crash nor gigabytes of memory for a file of a few bytes."""
    path = tmp_path / "huge.tif"
    path.write_bytes(tiff_of_size(1_000_000, 1_000_000))
    with pytest.raises(ReadError, match=r"huge\.tif"):
        read_micrograph(path)


def test_a_folder_without_images_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("nothing here", encoding="utf-8")
    outcome = size([tmp_path / "in"], tmp_path / "out")
    assert outcome.status == 1
    assert_speaks_plainly(outcome)
    assert str(tmp_path / "in") in outcome.stderr


def test_a_path_that_does_not_exist_does_not_stop_the_others(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "good.tif", discs())
    outcome = size([tmp_path / "absent.tif", tmp_path / "good.tif"], tmp_path / "out")
    assert outcome.status == 1
    assert_speaks_plainly(outcome)
    assert "absent.tif" in outcome.stderr
    assert_discs_found(outcome.diameters("good.tif"))


def test_five_hundred_files_of_which_three_are_broken(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    tifffile.imwrite(tmp_path / "one.tif", discs()[118:182, 118:182])
    broken = {"field_007.tif", "field_250.tif", "field_499.tif"}
    for i in range(500):
        path = folder / f"field_{i:03d}.tif"
        if path.name in broken:
            path.write_bytes(b"not an image")
        else:
            shutil.copyfile(tmp_path / "one.tif", path)
    outcome = size([folder], tmp_path / "out", "--jobs", "2")
    assert outcome.status == 1
    assert_speaks_plainly(outcome)
    assert set(outcome.errors) == broken
    of_method = outcome.summary["methods"]["watershed"]
    assert of_method["pooled"]["n_images"] == 497
    diameters = [float(row["diameter_px"]) for row in outcome.rows("particles.csv")]
    assert len(diameters) == 497
    assert diameters == pytest.approx([DISC_DIAMETERS[3]] * 497, rel=0.06)


def test_a_file_that_vanishes_after_the_folder_was_listed(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "0 broken.tif").write_bytes(b"not an image")
    for i in range(1, 13):
        tifffile.imwrite(folder / f"{i}.tif", discs())

    class Screen(io.StringIO):
        """The first sentence is about the first file: all are listed then, and the last is to come."""

        def write(self, text: str) -> int:
            (folder / "12.tif").unlink(missing_ok=True)
            return super().write(text)

    with contextlib.redirect_stderr(Screen()) as screen:
        assert cli.main(["size", str(folder), "--out", str(tmp_path / "out")]) == 1
    outcome = Outcome(1, "", screen.getvalue(), tmp_path / "out")
    assert_speaks_plainly(outcome)
    assert set(outcome.errors) == {"0 broken.tif", "12.tif"}
    assert [line for line in outcome.stderr.splitlines() if "12.tif" in line]
    assert_discs_found(outcome.diameters("11.tif"))
    assert outcome.summary["methods"]["watershed"]["pooled"]["n_images"] == 11


def test_a_file_that_changes_or_vanishes_while_it_is_read(tmp_path: Path) -> None:
    """Every read gives the whole image or a sentence; in a process of its own, for it must not crash.

    A second thread cuts, deletes and rewrites the file all the time.
    """
    path = tmp_path / "shared.tif"
    program = textwrap.dedent(
        """
        import sys, threading, time
        from pathlib import Path
        import numpy as np, tifffile
        from nanoai_gui.core.errors import ReadError
        from nanoai_gui.core.files.micrographs import read_micrograph

        path = Path(sys.argv[1])
        whole = np.random.default_rng(1).integers(1, 255, (1500, 1500), dtype=np.uint8)
        tifffile.imwrite(path, whole)
        content = path.read_bytes()
        stop = threading.Event()

        def disturb():
            rng = np.random.default_rng(2)
            while not stop.is_set():
                time.sleep(rng.uniform(0, 0.01))
                action = rng.integers(3)
                if action == 0 and path.exists():
                    with path.open("r+b") as file:
                        file.truncate(int(rng.integers(0, len(content))))
                elif action == 1:
                    path.unlink(missing_ok=True)
                else:
                    # A new file under the old name, as programs and networks replace one.
                    path.with_suffix(".new").write_bytes(content)
                    path.with_suffix(".new").replace(path)

        thread = threading.Thread(target=disturb)
        thread.start()
        read = refused = 0
        try:
            end = time.monotonic() + 2
            while time.monotonic() < end or not (read and refused):
                try:
                    pixels = read_micrograph(path).pixels
                except ReadError as error:
                    assert path.name in str(error), str(error)
                    refused += 1
                else:
                    assert np.array_equal(pixels, whole), "half an image was taken for a whole one"
                    read += 1
        finally:
            stop.set()
            thread.join()
        print(read, refused)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr
    read, refused = map(int, done.stdout.split())
    assert read > 0 and refused > 0


# ------------------------------------------------------------------------------- output that fails


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "small disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> None:
    """Leave no room at all."""
    with (place / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            pass


def test_a_full_disk_leaves_earlier_results_alone(small_disk: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "good.tif", discs())
    out = small_disk / "out"
    assert size([tmp_path / "good.tif"], out).status == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {"particles.csv", "agglomerates.csv", "summary.json"} <= set(before)
    fill(small_disk)
    outcome = size([tmp_path / "good.tif"], out, "--method", "watershed", "--method", "hough")
    assert outcome.status == 1
    assert_speaks_plainly(outcome)
    assert str(out) in outcome.stderr and "full" in outcome.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_read_only_output_folder_is_named(small_disk: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "good.tif", discs())
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    outcome = size([tmp_path / "good.tif"], small_disk)
    assert outcome.status == 1
    assert_speaks_plainly(outcome)
    assert str(small_disk) in outcome.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_without_permission_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "good.tif", discs())
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    outcome = size([tmp_path / "good.tif"], out)
    assert outcome.status == 1
    assert_speaks_plainly(outcome)
    assert str(out) in outcome.stderr


def test_an_output_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "good.tif", discs())
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    outcome = size([tmp_path / "good.tif"], tmp_path / "out")
    assert outcome.status == 1
    assert_speaks_plainly(outcome)
    assert str(tmp_path / "out") in outcome.stderr
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        ["size"],
        ["size", "x.tif"],
        ["size", "x.tif", "--out", "out", "--method", "guessing"],
        ["size", "x.tif", "--out", "out", "--nm-per-px", "-1"],
        ["size", "x.tif", "--out", "out", "--nm-per-px", "nan"],
        ["size", "x.tif", "--out", "out", "--jobs", "0"],
    ],
)
def test_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nanoai_gui", *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=250,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
