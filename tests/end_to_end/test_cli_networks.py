"""`train tem` and `benchmark table1` as a person runs them, on the smallest amounts that mean anything."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from nanoai_gui.core.tem.networks.model import load_tem_model, save_tem_model
from tests.networks_made import quick_model


def run(*arguments: object, timeout: float = 250) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nanoai_gui", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=timeout, stdin=subprocess.DEVNULL
    )


def test_train(tmp_path: Path) -> None:
    done = run("train", "tem", "--samples", 2000, "--seed", 1, "--out", tmp_path / "m.zip", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert "number of particles right:" in done.stdout and not done.stderr
    model = load_tem_model(tmp_path / "m.zip")
    card = model.card
    assert card["name"] == "m" and card["training_data"]["seed"] == 1
    assert 2000 <= card["training_data"]["n_samples"] < 2500
    assert card["measured"]["count_accuracy"] > 0.35  # 0.2 by guessing
    assert card["seconds"] > 0 and (model.feature_low < model.feature_high).all()


def test_measuring_with_a_model_of_ones_own(tmp_path: Path) -> None:
    save_tem_model(tmp_path / "mine.zip", quick_model())
    made = run("synthesize", "tem", "-n", 2, "--seed", 1, "--out", tmp_path / "images", "--width-px", 256,
               "--height-px", 256)  # fmt: skip
    assert made.returncode == 0, made.stderr
    size = ("size", tmp_path / "images", "--model", tmp_path / "mine.zip", "--jobs", 2)
    done = run(*size, "--out", tmp_path / "own")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "own" / "summary.json").read_text(encoding="utf-8"))
    assert list(summary["methods"]) == ["ann"]
    assert summary["methods"]["ann"]["pooled"]["model"].startswith("mine (trained by the user, ")
    both = run(*size, "--out", tmp_path / "both", "--method", "hough", "--method", "ann")
    assert both.returncode == 0, both.stderr
    own, beside = ((tmp_path / d / "particles.csv").read_text() for d in ("own", "both"))
    assert [r for r in beside.splitlines() if ",ann," in r] == own.splitlines()[1:]


@pytest.mark.parametrize(
    ("model", "method", "sentence"),
    [
        ("mine.zip", "ann-rich", "is for the method ann,"),
        ("gone.zip", "ann", "gone.zip"),
        ("no such name", "ann", "no such name"),
        ("a:b", "ann", "name"),
    ],
)
def test_models_that_cannot_measure(tmp_path: Path, model: str, method: str, sentence: str) -> None:
    save_tem_model(tmp_path / "mine.zip", quick_model())
    given = tmp_path / model if model.endswith(".zip") else model
    done = run("size", tmp_path, "--model", given, "--method", method, "--out", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--samples", "0", "--seed", "1"], 2, "at least 1"),
        (["--samples", "100", "--seed", "-1"], 2, "at least 0"),
        (["--samples", "100"], 2, "--seed"),
        (["--samples", "60", "--seed", "1"], 1, "too few to train on"),
        (["--samples", "60", "--seed", "1", "--features", "none"], 2, "invalid choice"),
    ],
)
def test_training_that_cannot_be(tmp_path: Path, arguments: list[str], status: int, sentence: str) -> None:
    done = run("train", "tem", *arguments, "--out", tmp_path / "m.zip")
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_benchmark(tmp_path: Path) -> None:
    done = run(
        "benchmark", "table1", "--images", 2, "--seed", 4, "--out", tmp_path / "t", "--method", "watershed",
        "--jobs", 2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| Watershed |" in done.stdout and "Six other populations" in done.stdout
    assert (tmp_path / "t" / "table1.md").read_text(encoding="utf-8").strip() == done.stdout.strip()
    with (tmp_path / "t" / "table1.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 7 and {row["method"] for row in rows} == {"watershed"}
    assert all(abs(float(row["gmd_error"])) < 0.3 for row in rows)


def test_benchmark_by_hand(tmp_path: Path) -> None:
    done = run("benchmark", "table1", "--out", tmp_path / "hand", "--save-images", 2)
    assert done.returncode == 0 and "2 images written" in done.stdout
    assert len(list((tmp_path / "hand").glob("table1_*.tif"))) == 2
    nothing = tmp_path / "p.csv"
    nothing.write_text("image,diameter_px\n")
    done = run("benchmark", "table1", "--images", 1, "--out", tmp_path / "t", "--manual", nothing)
    assert done.returncode == 1 and "no measurement" in done.stderr and not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--images", "0"], ["--images", "20000"], ["--seed", "-1"], ["--method", "magic"], ["--jobs", "0"]],
)
def test_benchmarks_that_cannot_be(tmp_path: Path, arguments: list[str]) -> None:
    done = run("benchmark", "table1", "--out", tmp_path / "t", *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert not (tmp_path / "t").exists()
