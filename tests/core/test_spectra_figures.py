"""Figures of spectra: PNG, SVG with real text, and the same numbers as CSV."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files.spectra_figures import (
    Chart,
    ConfusionChart,
    LoadingsChart,
    MapChart,
    ReliabilityChart,
    ScoresChart,
    ScreeChart,
    write_chart,
)
from nanoai_gui.core.spectra.pca import Scaling, fit_components

RNG = np.random.default_rng(0)
COMPONENTS = fit_components(RNG.normal(size=(40, 12)), Scaling.STANDARDISE, 0.95, 0)
POINTS = [{"confidence": 0.6, "accuracy": 0.5, "n": 10}, {"confidence": 0.9, "accuracy": 0.8, "n": 12}]
RGBA = np.zeros((2, 3, 4), np.uint8)
PLACES = {"x_um": np.array([0.0, 1, 2]), "y_um": np.zeros(3)}
PHOTO = np.full((4, 5, 3), 200, np.uint8)

CHARTS: dict[str, tuple[Chart, list[str], int]] = {
    "confusion": (
        ConfusionChart(("early", "late"), np.array([[8, 2], [1, 9]]), "Spectra, grouped folds"),
        ["true class", "early", "late"],
        2,
    ),
    "reliability": (
        ReliabilityChart({"with temperature": POINTS, "as trained": POINTS[:1]}, "10 folds"),
        ["curve", "probability", "share right", "n"],
        3,
    ),
    "scree": (ScreeChart(COMPONENTS), ["component", "variance %", "sum %", "in use"], 12),
    "scores": (
        ScoresChart(
            RNG.normal(size=(40, 2)), ("PC 1 (20.0 %)", "PC 3 (9.0 %)"), ("early", "late"),
            np.arange(40) % 2, ("#E69F00", "#0072B2"),
        ),
        ["name", "PC 1 (20.0 %)", "PC 3 (9.0 %)"],
        40,
    ),
    "loadings": (
        LoadingsChart(np.linspace(400, 1800, 12), COMPONENTS.loadings()[:2], ("PC 1", "PC 2")),
        ["raman_shift_cm-1", "PC 1", "PC 2"],
        12,
    ),
    "number map": (
        MapChart(
            RGBA, (0, 0, 3, -2), "G⁺ position", 1580, 1595, np.zeros((256, 3), np.uint8),
            photo=(PHOTO, (-1, 1, 4, -3)), opacity=0.6,
            table={**PLACES, "G": np.array([1590.0, np.nan, 1591])},
        ),
        ["x_um", "y_um", "G"],
        3,
    ),
    "class map": (
        MapChart(
            RGBA, (0, 0, 3, 2), "Class", names=(("early", "#E69F00"), ("not classified", "#000000")),
            upwards=False, table={**PLACES, "class": np.array(["early", "late", "not classified"])},
        ),
        ["x_um", "y_um", "class"],
        3,
    ),
}  # fmt: skip
WORDS = {
    "confusion": ("Class found", "True class", "80 %", "Spectra, grouped folds"),
    "reliability": ("Share that is right", "with temperature", "as trained"),
    "scree": ("Variance (%)", "95 %", f"{COMPONENTS.n_components} in use"),
    "scores": ("PC 3 (9.0 %)", "early", "late"),
    "loadings": ("Raman shift (cm⁻¹)", "PC 2"),
    "number map": ("x (µm)", "G⁺ position"),
    "class map": ("not classified", "y (µm)"),
}


@pytest.mark.parametrize("name", CHARTS)
def test_each_chart_is_picture_text_and_table(name: str, tmp_path: Path) -> None:
    chart, header, n_rows = CHARTS[name]
    for suffix in (".png", ".svg", ".csv"):
        write_chart(tmp_path / f"a{suffix}", chart)
        write_chart(tmp_path / f"b{suffix}", chart)
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for word in WORDS[name]:
        assert word in text, word
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        found, *rows = csv.reader(stream)
    assert found == header and len(rows) == n_rows


def test_tables_hold_the_numbers(tmp_path: Path) -> None:
    write_chart(tmp_path / "a.csv", CHARTS["number map"][0])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "0,0,1590",
        "1,0,",
        "2,0,1591",
    ]
    write_chart(tmp_path / "a.csv", CHARTS["scree"][0])
    rows = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert sum(row.endswith("yes") for row in rows) == COMPONENTS.n_components
    assert float(rows[-1].split(",")[2]) == pytest.approx(100)


def test_a_map_that_counts_upwards_is_drawn_so() -> None:
    for name, rises in (("number map", True), ("class map", False)):
        axes = CHARTS[name][0].draw().axes[0]
        low, high = axes.get_ylim()
        assert bool(low < high) is rises
        # The first row of the picture lies at the first y of the extent.
        image = axes.images[-1].get_extent()
        assert image[3] == CHARTS[name][0].extent[1]  # type: ignore[attr-defined]


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="file without suffix"):
        write_chart(tmp_path / "a", CHARTS["scree"][0])
    assert not list(tmp_path.iterdir())
