"""`nanoai-gui size --export`: outlines for other programs beside the tables, which stay as they are."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from nanoai_gui import cli
from nanoai_gui.core.exchange.shapes import Role, to_labels, to_particles
from nanoai_gui.core.files.coco import read_coco
from nanoai_gui.core.files.imagej import read_rois
from nanoai_gui.core.files.label_images import read_labels

SHAPE = (200, 240)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    y, x = np.indices(SHAPE)
    for k, name in enumerate(("a.tif", "b.tif")):
        image = np.full(SHAPE, 190.0)
        for cx, cy in ((60, 50), (170, 60), (60, 150), (170, 150)):
            for shift in (-11, 11):
                image[np.hypot(x - cx - shift, y - cy) <= 12] = 70
        noise = np.random.default_rng(k).normal(0, 5, SHAPE)
        tifffile.imwrite(folder / name, np.clip(image + noise, 0, 255).astype(np.uint8))
    return folder


def test_every_format_holds_what_the_tables_say(folder: Path, tmp_path: Path) -> None:
    methods = ("watershed", "hough")
    words = ["size", str(folder), "--out", str(tmp_path), "--nm-per-px", "0.5"]
    for method in methods:
        words += ["--method", method]
    for name in ("coco", "imagej", "labels"):
        words += ["--export", name]
    assert cli.main(words) == 0
    with (tmp_path / "particles.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (tmp_path / "agglomerates.csv").open(encoding="utf-8", newline="") as stream:
        areas = {
            (row["image"], int(row["agglomerate"])): int(row["area_px"]) for row in csv.DictReader(stream)
        }
    assert len(areas) == 8
    for image in ("a.tif", "b.tif"):
        labels = read_labels(tmp_path / "labels" / f"{image}.tif", SHAPE)
        ids, counts = np.unique(labels[labels > 0], return_counts=True)
        mine = {ident: area for (name, ident), area in areas.items() if name == image}
        assert dict(zip(ids.tolist(), counts.tolist(), strict=True)) == mine
        for method in methods:
            own = [row for row in rows if row["image"] == image and row["method"] == method]
            regions = read_rois(tmp_path / "imagej" / f"{image}.{method}.zip")
            annotations = read_coco(tmp_path / f"coco.{method}.json", image, SHAPE)
            for found in (regions, annotations):
                assert np.array_equal(to_labels(found.of(Role.AGGLOMERATE), SHAPE)[0], labels)
                table, _ = to_particles(found.of(Role.PARTICLE), SHAPE, labels)
                assert table.ids.tolist() == [int(row["particle"]) for row in own]
                assert table.agglomerate.tolist() == [int(row["agglomerate"]) for row in own]
                written = [float(row["diameter_px"]) for row in own]
                np.testing.assert_allclose(table.diameter_px, written, rtol=1e-9)
            painted = tifffile.imread(tmp_path / "labels" / f"{image}.{method}.tif")
            assert set(np.unique(painted).tolist()) - {0} <= {int(row["particle"]) for row in own}
    content = json.loads((tmp_path / "coco.hough.json").read_text("utf-8"))
    assert [i["nm_per_px"] for i in content["images"]] == [0.5, 0.5]
    assert len({a["id"] for a in content["annotations"]}) == len(content["annotations"])


def test_files_of_an_earlier_export_are_not_measured(folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(folder, tmp_path / "images")
    out = folder / "results"
    for _ in range(2):
        assert cli.main(["size", str(folder), "--out", str(out), "--export", "labels", "--jobs", "2"]) == 0
        summary = json.loads((out / "summary.json").read_text("utf-8"))
        assert summary["methods"]["watershed"]["pooled"]["n_images"] == 2


def test_an_export_that_cannot_be_written_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "imagej").mkdir()
    (tmp_path / "imagej" / "a.tif.watershed.zip").mkdir()
    words = ["size", str(folder / "a.tif"), "--out", str(tmp_path), "--export", "imagej"]
    assert cli.main(words) == 1
    assert "a.tif.watershed.zip could not be written" in capsys.readouterr().err
    assert (tmp_path / "particles.csv").exists()
    assert cli.main([*words, "--export", "svg"]) == 2


def test_corrections_that_cannot_be_read_are_named_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.zip"
    words = ["train", "tem", "--samples", "100000", "--seed", "1", "--out", str(out), "--corrections"]
    (tmp_path / "b.npz").write_bytes(b"PK")
    assert cli.main([*words, str(tmp_path / "a.npz")]) == 1
    assert "a.npz is not there." in capsys.readouterr().err
    assert cli.main([*words, str(tmp_path / "b.npz")]) == 1
    assert "b.npz holds no corrected agglomerates" in capsys.readouterr().err
    assert not out.exists()
