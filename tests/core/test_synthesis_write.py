from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.cli import main
from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.tem.synthesis import BitDepth, SynthesisSpec, make_crops, make_image
from nanoai_gui.core.tem.synthesis.write import image_seed, write_images

SPEC = SynthesisSpec(width_px=192, height_px=128, gmd_px=16, nm_per_px=0.75)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    for depth in BitDepth:
        (path,) = write_images(dataclasses.replace(SPEC, bit_depth=depth), 1, 3, tmp_path / depth.name)
        made = make_image(dataclasses.replace(SPEC, bit_depth=depth), image_seed(3, 0))
        read = read_micrograph(path)
        assert np.array_equal(read.pixels, made.micrograph.pixels)
        assert read.pixels.dtype == made.micrograph.pixels.dtype
        assert read.calibration.nm_per_px == pytest.approx(0.75)


def test_the_table_is_the_one_promised(tmp_path: Path) -> None:
    paths = write_images(SPEC, 2, 3, tmp_path)
    with (tmp_path / "truth.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["image", "agglomerate", "particle", "x_px", "y_px", "z_px", "diameter_px"]
    assert {r["image"] for r in rows} == {p.name for p in paths}
    truth = make_image(SPEC, image_seed(3, 1)).truth
    second = [r for r in rows if r["image"] == paths[1].name]
    assert [int(r["particle"]) for r in second] == truth.particle.tolist()
    assert [int(r["agglomerate"]) for r in second] == truth.agglomerate.tolist()
    for name in ("x_px", "y_px", "z_px", "diameter_px"):
        assert np.allclose([float(r[name]) for r in second], getattr(truth, name), atol=6e-4)


@pytest.mark.parametrize("single", [False, True])
def test_the_same_seed_gives_the_same_bytes_however_many_are_made(tmp_path: Path, single: bool) -> None:
    spec = dataclasses.replace(SPEC, vary_population=True, vary_look=True)
    folders = [tmp_path / name for name in "abc"]
    for folder, n, seed in zip(folders, (3, 3, 2), (5, 5, 5), strict=True):
        write_images(spec, n, seed, folder, single_agglomerates=single)
    first, again, fewer = map(files, folders)
    assert first == again
    assert len(first) == 4
    images = {name: content for name, content in fewer.items() if name != "truth.csv"}
    assert images.items() <= first.items()
    assert first["truth.csv"].startswith(fewer["truth.csv"])
    write_images(spec, 2, 6, tmp_path / "d", single_agglomerates=single)
    assert files(tmp_path / "d")["synthetic_0001.tif"] != first["synthetic_0001.tif"]


def test_single_agglomerates_are_the_crops(tmp_path: Path) -> None:
    paths = write_images(SPEC, 4, 9, tmp_path, single_agglomerates=True)
    for path, crop in zip(paths, make_crops(SPEC, 4, 9), strict=True):
        assert np.array_equal(read_micrograph(path).pixels, crop.micrograph.pixels)


def test_impossible_wishes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for spec, n, seed in ((SPEC, 0, 1), (SPEC, 1, -1), (dataclasses.replace(SPEC, gsd=0.5), 1, 1)):
        with pytest.raises(ParameterError):
            write_images(spec, n, seed, out)
    assert not out.exists()


def test_cancelling_keeps_what_is_done(tmp_path: Path) -> None:
    done: list[float] = []
    with pytest.raises(OperationCancelled):
        write_images(SPEC, 5, 1, tmp_path, lambda f, m: done.append(f), lambda: len(done) >= 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["synthetic_0001.tif", "synthetic_0002.tif"]


def test_the_sub_command_takes_every_parameter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    common = ["synthesize", "tem", "-n", "1", "--seed", "4", "--out", str(out), "--width-px", "128"]
    more = ["--height-px", "128", "--gmd-px", "12", "--contrast-kind", "silhouette", "--no-defocused"]
    assert main([*common, *more, "--preset", "titania", "--bit-depth", "sixteen"]) == 0
    assert "truth.csv" in capsys.readouterr().out
    read = read_micrograph(out / "synthetic_0001.tif")
    assert read.shape == (128, 128)
    assert read.pixels.dtype == np.uint16
    assert read.calibration.nm_per_px == pytest.approx(7.0)


@pytest.mark.parametrize(
    "wrong", [["--gsd", "0.2"], ["-n", "0"], ["--shape", "cubes"], ["--gmd-px", "x"], ["--preset", "rocks"]]
)
def test_wrong_usage_exits_with_2(tmp_path: Path, wrong: list[str]) -> None:
    assert main(["synthesize", "tem", "-n", "1", "--seed", "1", "--out", str(tmp_path), *wrong]) == 2
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    assert main(["synthesize", "tem", "-n", "1", "--seed", "1", "--out", str(taken)]) == 1
    assert str(taken) in capsys.readouterr().err


def test_the_bundled_sample_is_calibrated_and_its_truth_fits() -> None:
    folder = Path(__file__).resolve().parents[2] / "resources" / "samples"
    sample = read_micrograph(folder / "synthetic_agglomerates.tif")
    assert sample.calibration.nm_per_px == pytest.approx(0.7)
    assert sample.data_bar_top == 963
    assert (folder / "synthetic_agglomerates.tif").stat().st_size < 1.5e6
    with (folder / "synthetic_agglomerates_truth.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {r["image"] for r in rows} == {"synthetic_agglomerates.tif"}
    at = tuple(np.rint([[float(r[k]) for r in rows] for k in ("y_px", "x_px")]).astype(int))
    assert np.median(sample.pixels[at]) < 0.6 * np.median(sample.field_pixels)
