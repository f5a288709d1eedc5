"""``nanoai-gui train spectra`` and ``classify`` as a person runs them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanoai_gui.core.files.spectra_table import write_table
from nanoai_gui.core.spectra.model import load_spectra_model
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from tests.core.made_spectra import AXIS, CLASSES, made_set


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "nanoai_gui", *map(str, words)],
        capture_output=True, encoding="utf-8", check=False, timeout=250, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    for word in ("Traceback", "Errno", "site-packages", "Warning:"):
        assert word not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One trained model, its report and what was printed."""
    folder = tmp_path_factory.mktemp("trained")
    write_table(folder / "spectra.csv", made_set(n=120, noise=0.1))
    done = run(
        "train", "spectra", folder / "spectra.csv", "--label", "label", "--group", "dish", "--folds", "4",
        "--out", folder / "made.model", "--report", folder / "report.json", "--permutations", "19",
        "--preset", "none", "--averages", "1", "--networks", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {"folder": folder, "report": report, "printed": done.stdout, "model": folder / "made.model"}


def test_training_reports_what_the_contract_promises(trained: dict[str, Any]) -> None:
    report = trained["report"]
    for name in (
        "n_spectra", "n_groups", "classes", "n_components", "variance_explained", "random_folds",
        "grouped_folds", "permutation_p", "calibration", "dropped",
    ):  # fmt: skip
        assert name in report
    for kind in ("random_folds", "grouped_folds"):
        assert {"accuracy", "balanced_accuracy", "per_fold", "confusion", "ci95"} <= set(report[kind])
    assert report["grouped_folds"]["per_group_accuracy"] == 1
    assert {"ece", "brier"} <= set(report["calibration"])
    assert report["classes"] == list(CLASSES)
    assert "grouped folds: balanced accuracy" in trained["printed"]
    chosen = load_spectra_model(trained["model"]).card["settings"]["classifier"]
    assert (chosen["averages"], chosen["members"]) == (1.0, 2)


def test_classification_writes_a_row_for_every_spectrum(trained: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write_table(tmp_path / "new" / "one.csv", made_set(n=30, noise=0.1, seed=5))
    fresh = made_set(n=6, seed=6)
    values = fresh.intensities.copy()
    values[2] = 5.0
    places = {"x_um": np.arange(6.0), "y_um": np.zeros(6), "label": np.zeros(6, "<U1")}
    write_table(tmp_path / "new" / "two.csv", fresh.with_intensities(values).with_columns(places))
    done = run("classify", tmp_path / "new", "--model", trained["model"], "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "source", "index", "x_um", "y_um", "predicted", "rejected", "reason",
        *(f"p_{name}" for name in CLASSES),
    ]  # fmt: skip
    assert len(rows) == 36
    for row in rows:
        assert sum(float(row[f"p_{name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-6)
        assert (row["rejected"] == "yes") == bool(row["reason"])
    constant = rows[32]
    assert (constant["rejected"], constant["reason"], constant["index"]) == ("yes", "signal too weak", "2")
    assert [row["x_um"] for row in rows[30:]] == ["0", "1", "2", "3", "4", "5"]
    labels = made_set(n=30, noise=0.1, seed=5).text("label")
    assert np.mean([row["predicted"] == label for row, label in zip(rows, labels, strict=False)]) > 0.9
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["n_spectra"] == 36 and summary["errors"] == []
    assert summary["n_rejected"] == sum(row["rejected"] == "yes" for row in rows)
    assert sum(summary["counts"].values()) + summary["n_rejected"] == 36
    assert summary["labelled"]["balanced_accuracy"] > 0.9


def test_files_that_cannot_be_classified_are_named_and_the_others_finished(
    trained: dict[str, Any], tmp_path: Path
) -> None:
    write_table(tmp_path / "good.csv", made_set(n=6))
    short = SpectralSet(made_set(n=6).intensities[:, :60], AXIS[:60])
    write_table(tmp_path / "short.csv", short)
    (tmp_path / "noise.csv").write_text("this is no table\n", encoding="utf-8")
    done = run(
        "classify", *(tmp_path / f"{name}.csv" for name in ("good", "short", "noise", "gone")),
        "--model", trained["model"], "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 1
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["n_spectra"] == 6 and len(summary["errors"]) == 3
    assert "the model needs 400 to 1600 cm⁻¹" in done.stderr
    for name in ("short.csv", "noise.csv", "gone.csv"):
        assert name in done.stderr


@pytest.mark.parametrize("content", [b"\x80\x04\x95.", b""])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.model").write_bytes(content)
    write_table(tmp_path / "good.csv", made_set(n=6))
    done = run("classify", tmp_path / "good.csv", "--model", tmp_path / "a.model", "--out", tmp_path / "out")
    assert done.returncode == 1 and "a.model is not a NanoAI model" in done.stderr
    assert not (tmp_path / "out").exists()


def test_training_that_cannot_be_done_says_why_and_leaves_the_old_model(tmp_path: Path) -> None:
    write_table(tmp_path / "one.csv", made_set(n=30).with_column("label", np.full(30, "early")))
    (tmp_path / "old.model").write_bytes(b"old")
    words = ("train", "spectra", tmp_path / "one.csv", "--out", tmp_path / "old.model", "--label")
    for column, sentence in (("label", "only one class (early)"), ("species", "no column 'species'")):
        done = run(*words, column)
        assert done.returncode == 1 and sentence in done.stderr
    assert (tmp_path / "old.model").read_bytes() == b"old"


def test_wrong_usage_is_said(tmp_path: Path) -> None:
    words = ("train", "spectra", tmp_path / "a.csv", "--label", "label", "--out", tmp_path / "a.model")
    assert run(*words, "--folds", "1").returncode == 2
    assert run(*words, "--preset", "magic").returncode == 2
    assert run(*words, "--averages", "-1").returncode == 2
    assert run(*words, "--networks", "0").returncode == 2
    assert run("train", "spectra", tmp_path / "a.csv").returncode == 2
    assert run("classify", tmp_path / "a.csv").returncode == 2
    for command in (("classify",), ("train", "spectra")):
        done = run(*command, "--help")
        assert done.returncode == 0 and "example:" in done.stdout
