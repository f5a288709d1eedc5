"""`nanoai-gui size`: what it promises to scripts."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import nanoai_gui
from nanoai_gui import cli
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageRequest, analyse
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.distribution import describe, pool
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from tests.end_to_end.command import assert_speaks_plainly, size

METHODS = ("watershed", "ultimate-erosion", "hough")
NAMES = ("Probe 1, Größe.tif", "pair 2.tif", "粒子 3.tif")


def draw(seed: int) -> np.ndarray:
    """Pairs of touching dark discs, one of them cut by the left border."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((260, 320))
    image = np.full(y.shape, 190.0)
    for cx, cy in ((70, 60), (190, 60), (70, 180), (190, 180), (280, 120)):
        for shift in (-11, 11):
            radius = rng.uniform(10, 14)
            image[np.hypot(x - cx - shift, y - cy) <= radius] = 70
    image[np.hypot(x, y - 120) <= 15] = 70
    return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of three images without a pixel size."""
    folder = tmp_path_factory.mktemp("images with spaces")
    for seed, name in enumerate(NAMES):
        tifffile.imwrite(folder / name, draw(seed))
    return folder


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def summary(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "summary.json").read_text("utf-8"))
    return content


def without_seconds(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: without_seconds(value) for key, value in content.items() if key != "seconds"}
    return [without_seconds(value) for value in content] if isinstance(content, list) else content


def test_every_image_and_method_is_measured_and_pooled_as_the_core_does(images: Path, tmp_path: Path) -> None:
    asked = [word for method in METHODS for word in ("--method", method)]
    outcome = size([images], tmp_path, *asked, "--nm-per-px", "0.5")
    assert outcome.status == 0
    assert_speaks_plainly(outcome)
    assert outcome.stderr == ""

    settings = AnalysisSettings(methods=METHODS)
    requests = [ImageRequest(images / name, calibration=Calibration.typed(0.5)) for name in NAMES]
    analyses = [analyse(request, settings) for request in requests]
    found = outcome.summary
    assert list(found["methods"]) == list(METHODS)
    particles = outcome.rows("particles.csv")
    for method in METHODS:
        expected = describe(pool(analyses, method, "nm"))
        pooled = found["methods"][method]["pooled"]
        assert expected.n_particles >= 25
        assert pooled["n_particles"] == expected.n_particles
        assert pooled["n_excluded"] == expected.n_excluded == 3
        assert pooled["gmd_nm"] == pytest.approx(expected.gmd, rel=1e-9)
        assert pooled["gsd"] == pytest.approx(expected.gsd, rel=1e-9)
        assert pooled["gmd_ci95"] == pytest.approx(expected.gmd_ci95, rel=1e-9)
        d = np.log([float(row["diameter_nm"]) for row in particles if row["method"] == method])
        assert np.exp(d.mean()) == pytest.approx(pooled["gmd_nm"], rel=1e-9)
        assert np.exp(d.std()) == pytest.approx(pooled["gsd"], rel=1e-9)
        assert sorted(row["image"] for row in found["methods"][method]["per_image"]) == sorted(NAMES)
        assert re.search(rf"^{method} .* {pooled['n_particles']} .* nm ", outcome.stdout, re.MULTILINE)
    counted = {
        (row["image"], row["method"], row["agglomerate"]): int(row["n_particles"])
        for row in outcome.rows("agglomerates.csv")
    }
    for key, n in counted.items():
        rows = [r for r in particles if (r["image"], r["method"], r["agglomerate"]) == key]
        assert len(rows) == n


def test_without_a_pixel_size_results_are_in_px_and_say_so(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("size", images, "--out", tmp_path) == 0
    printed = capsys.readouterr()
    assert " px " in printed.out
    assert "pixel size is not known" in printed.err
    assert {row["diameter_nm"] for row in table(tmp_path / "particles.csv")} == {""}
    assert {row["area_nm2"] for row in table(tmp_path / "agglomerates.csv")} == {""}
    pooled = summary(tmp_path)["methods"]["watershed"]["pooled"]
    assert pooled["gmd_nm"] is None
    assert pooled["gmd_px"] > 0
    assert "not known" in summary(tmp_path)["notes"][0]


def test_two_processes_write_the_same_bytes_as_one(images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "in")
    (tmp_path / "in" / "broken.tif").write_bytes(b"II*\0")
    options = ("--method", "watershed", "--method", "hough", "--nm-per-px", "2")
    one = size([tmp_path / "in"], tmp_path / "one", *options)
    two = size([tmp_path / "in"], tmp_path / "two", *options, "--jobs", "2")
    assert (one.status, two.status) == (1, 1)
    for name in ("particles.csv", "agglomerates.csv"):
        assert (one.out / name).read_bytes() == (two.out / name).read_bytes()
    assert without_seconds(one.summary) == without_seconds(two.summary)
    assert one.stderr == two.stderr.replace(str(two.out), str(one.out))


def test_a_broken_file_among_good_ones_is_named_and_the_others_are_measured(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_text("this is no image")
    assert run("size", broken, images, tmp_path / "missing.tif", "--out", tmp_path / "out") == 1
    errors = summary(tmp_path / "out")["errors"]
    assert [Path(error["image"]).name for error in errors] == ["missing.tif", "broken.tif"]
    assert all(error["message"].endswith(".") and "\n" not in error["message"] for error in errors)
    said = capsys.readouterr().err
    assert "broken.tif" in said
    assert "missing.tif" in said
    assert summary(tmp_path / "out")["methods"]["watershed"]["pooled"]["n_images"] == len(NAMES)


def test_a_folder_without_images_could_not_be_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert run("size", tmp_path / "empty", "--out", tmp_path / "out") == 1
    assert "empty" in capsys.readouterr().err
    (error,) = summary(tmp_path / "out")["errors"]
    assert error["image"] == str(tmp_path / "empty")
    assert table(tmp_path / "out" / "particles.csv") == []
    assert summary(tmp_path / "out")["methods"]["watershed"]["pooled"]["gsd"] is None


def test_names_come_back_as_they_are(images: Path, tmp_path: Path) -> None:
    assert run("size", images, "--out", tmp_path / "Ergebnis für 粒子") == 0
    rows = table(tmp_path / "Ergebnis für 粒子" / "particles.csv")
    assert {row["image"] for row in rows} == set(NAMES)


def test_images_of_one_name_are_told_apart_by_their_folders(images: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(images / NAMES[1], tmp_path / folder / "x.tif")
    assert run("size", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out") == 0
    assert {row["image"] for row in table(tmp_path / "out" / "particles.csv")} == {"a/x.tif", "b/x.tif"}


def test_the_border_rule_can_be_lifted(images: Path, tmp_path: Path) -> None:
    image = images / NAMES[1]
    assert run("size", image, "--out", tmp_path / "without") == 0
    assert run("size", image, "--out", tmp_path / "with", "--include-border") == 0
    cut = [row for row in table(tmp_path / "without" / "agglomerates.csv") if row["excluded"]]
    assert [row["excluded"] for row in cut] == ["touches border"]
    assert cut[0]["n_particles"] == "0"
    assert not [row for row in table(tmp_path / "with" / "agglomerates.csv") if row["excluded"]]
    assert summary(tmp_path / "with")["settings"]["segmentation"]["include_border"] is True
    expected = analyse(ImageRequest(image), AnalysisSettings(SegmentationParameters(include_border=True)))
    n = len(expected.results["watershed"].particles)
    assert len(table(tmp_path / "with" / "particles.csv")) == n


def test_a_pixel_size_in_the_file_is_used_and_one_given_goes_before_it(images: Path, tmp_path: Path) -> None:
    path = tmp_path / "scaled.tif"
    pixels = tifffile.imread(images / NAMES[1])
    tifffile.imwrite(path, pixels, imagej=True, resolution=(4, 4), metadata={"unit": "nm"})
    for options, nm_per_px, source in (((), 0.25, "metadata"), (("--nm-per-px", "3"), 3, "typed")):
        assert run("size", path, "--out", tmp_path / "out", *options) == 0
        pooled = summary(tmp_path / "out")["methods"]["watershed"]["pooled"]
        assert pooled["nm_per_px"] == pytest.approx(nm_per_px)
        assert pooled["calibration_source"] == source
        assert pooled["gmd_nm"] == pytest.approx(nm_per_px * pooled["gmd_px"])


def test_overlays_are_drawn_on_request_and_not_measured_next_time(images: Path, tmp_path: Path) -> None:
    shutil.copy(images / NAMES[2], tmp_path)
    for _ in range(2):
        assert run("size", tmp_path, "--out", tmp_path / "out", "--overlay", "--method", "hough") == 0
    overlays = list((tmp_path / "out" / "overlays").iterdir())
    assert [path.name for path in overlays] == [f"{NAMES[2]}.hough.png"]
    with Image.open(overlays[0]) as picture:
        assert picture.size == (320, 260)
    assert summary(tmp_path / "out")["methods"]["hough"]["pooled"]["n_images"] == 1


def test_an_overlay_that_cannot_be_written_does_not_cost_the_measurement(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # With ".watershed.png" behind it the name is longer than any file system allows.
    path = tmp_path / ("n" * 245 + ".tif")
    shutil.copy(images / NAMES[1], path)
    assert run("size", path, "--out", tmp_path / "out", "--overlay") == 1
    assert summary(tmp_path / "out")["methods"]["watershed"]["pooled"]["n_images"] == 1
    (error,) = summary(tmp_path / "out")["errors"]
    assert error["image"] == path.name
    assert len(table(tmp_path / "out" / "particles.csv")) > 5
    assert "nnn.tif" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "usage"),
        (["size"], "required"),
        (["size", "a.tif"], "--out"),
        (["size", "--out", "o"], "PATH"),
        (["size", "a.tif", "--out", "o", "--method", "magic"], "magic"),
        (["size", "a.tif", "--out", "o", "--nm-per-px", "0"], "nm per pixel"),
        (["size", "a.tif", "--out", "o", "--nm-per-px", "nan"], "nm"),
        (["size", "a.tif", "--out", "o", "--nm-per-px", "wide"], "'wide' is not a number"),
        (["size", "a.tif", "--out", "o", "--jobs", "0"], "from 1"),
        (["size", "a.tif", "--out", "o", "--frobnicate"], "frobnicate"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_is_told_with_code_2(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.chdir(tmp_path):
        assert run(*words) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", cli.SUB_COMMANDS)
def test_every_sub_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert f"nanoai-gui {command} " in re.split(r"examples?:", capsys.readouterr().out)[1]


def test_a_person_sees_one_line_for_each_image(images: Path, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "nanoai_gui", "size", str(images), "--out", str(tmp_path)]
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        said = b""
        # Read as it comes: a terminal takes in little that nobody reads.
        with contextlib.suppress(OSError):  # how Linux tells of its end
            while more := os.read(ours, 4096):
                said += more
    os.close(ours)
    assert process.returncode == 0
    lines = said.decode()
    for i, name in enumerate(NAMES, start=1):
        assert re.search(rf"\[\d/3\] {re.escape(name)}: watershed \d+ particles \(\d", lines)
        assert f"[{i}/3]" in lines


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"nanoai-gui {nanoai_gui.__version__}\n"


def test_results_that_cannot_be_written_are_told(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file of mine")
    assert run("size", images, "--out", tmp_path / "out") == 1
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "a file of mine"


@pytest.mark.skipif(os.name == "nt", reason="Ctrl+C is sent differently there")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_what_is_measured(images: Path, tmp_path: Path, jobs: int) -> None:
    for i in range(10):
        tifffile.imwrite(tmp_path / f"{i}.tif", np.tile(draw(0), (4, 4)))
    # The others take so long that the run is not over before it is stopped, however slow the one who does it.
    tifffile.imwrite(tmp_path / "10.tif", np.tile(draw(0), (8, 8)))
    for i in range(11, 60):
        (tmp_path / f"{i}.tif").hardlink_to(tmp_path / "10.tif")
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "nanoai_gui",
        "size",
        str(tmp_path),
        "--out",
        str(out),
        "--jobs",
        str(jobs),
    ]
    # A shell lets what it starts in the background ignore it, and that would be handed on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    with process:
        deadline = time.monotonic() + 60
        # So many rows are those of several images.
        while (
            not any(p.stat().st_size > 30_000 for p in out.glob(".nanoai-*")) and time.monotonic() < deadline
        ):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=250)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "stopping" in said
    found = summary(out)
    n_done = found["methods"]["watershed"]["pooled"]["n_images"]
    assert 0 < n_done < 60
    assert len(found["errors"]) == 60 - n_done
    assert "stopped" in found["errors"][-1]["message"]
    assert len({row["image"] for row in table(out / "particles.csv")}) == n_done
    assert sorted(path.name for path in out.iterdir()) == [
        "agglomerates.csv",
        "particles.csv",
        "summary.json",
    ]
