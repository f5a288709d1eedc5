from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import StepPatch
from PIL import Image

from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files.figures import draw_histogram, log_ticks, write_histogram
from nanoai_gui.core.tem.distribution import Sample, Scale, Unit, Weighting, describe, histogram

RNG = np.random.default_rng(0)
GROUPS = np.repeat(np.arange(100), 3)
WATERSHED = Sample.of_diameters(RNG.lognormal(3, 0.3, 300), GROUPS, "nm", "watershed")
HOUGH = Sample.of_diameters(RNG.lognormal(3.2, 0.3, 300), GROUPS, "nm", "hough")


def texts(path: Path) -> str:
    return "\n".join("".join(node.itertext()) for node in ET.parse(path).iter() if node.tag.endswith("}text"))


def test_an_svg_says_what_was_measured(tmp_path: Path) -> None:
    write_histogram(tmp_path / "h.svg", [WATERSHED], title="Run 7")
    words = texts(tmp_path / "h.svg")
    d = describe(WATERSHED)
    assert d.gmd_ci95 is not None
    assert f"watershed: n = 300, GMD {d.gmd:.2f} nm ({d.gmd_ci95[0]:.2f}–{d.gmd_ci95[1]:.2f})" in words
    assert f"GSD {d.gsd:.3f}" in words
    assert "Area-equivalent diameter (nm)" in words
    assert "Share of number per bar (%)" in words
    assert "Run 7" in words


def test_methods_are_laid_over_each_other(tmp_path: Path) -> None:
    write_histogram(tmp_path / "h.svg", [WATERSHED, HOUGH], weighting="volume")
    words = texts(tmp_path / "h.svg")
    assert "watershed:" in words
    assert "hough:" in words
    assert "Share of volume per bar (%)" in words


def test_a_png_has_the_promised_resolution(tmp_path: Path) -> None:
    write_histogram(tmp_path / "h.png", [WATERSHED])
    with Image.open(tmp_path / "h.png") as picture:
        assert picture.width == 1200
        assert picture.info["dpi"][0] == pytest.approx(200, abs=0.1)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


@pytest.mark.parametrize("scale", ["log", "linear"])
@pytest.mark.parametrize("weighting", ["number", "volume"])
def test_bars_and_fit_stand_on_one_scale(scale: Scale, weighting: Weighting) -> None:
    figure = draw_histogram([WATERSHED], weighting, scale)
    axes = figure.axes[0]
    bars = histogram(WATERSHED, weighting, scale)
    (drawn,) = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    np.testing.assert_allclose(drawn.get_data()[0], 100 * bars.fraction)
    d, fit = (np.asarray(values, dtype=float) for values in axes.lines[0].get_data())
    step = np.log(bars.edges[1] / bars.edges[0]) if scale == "log" else bars.edges[1] - bars.edges[0]
    area = np.trapezoid(fit, np.log(d) if scale == "log" else d) / step
    # What is missing of 100 % lies beyond the last bar.
    assert 93 < area <= 100.1


@pytest.mark.parametrize("diameters", [[], [20.0], [20.0, 20.0], [20.0, 21.0], [0.5, 5000.0]])
@pytest.mark.parametrize("unit", ["nm", "px"])
def test_few_particles_make_a_figure_too(tmp_path: Path, diameters: list[float], unit: Unit) -> None:
    for suffix in ("png", "svg"):
        path = tmp_path / f"h.{suffix}"
        write_histogram(path, [Sample.of_diameters(diameters, unit=unit, method="hough")])
        assert path.stat().st_size > 1000
    assert ("No particles" in texts(tmp_path / "h.svg")) == (not diameters)


def test_the_same_data_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        write_histogram(tmp_path / name, [WATERSHED])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_other_formats_and_mixed_units_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="pdf"):
        write_histogram(tmp_path / "h.pdf", [WATERSHED])
    with pytest.raises(ValueError, match="one unit"):
        draw_histogram([WATERSHED, Sample.of_diameters([1.0], unit="px")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1, 1000, [1, 10, 100, 1000]),
        (8, 120, [10, 20, 50, 100]),
        (9, 35, [10, 15, 20, 30]),
        (19, 22, [19, 19.5, 20, 20.5, 21, 21.5, 22]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(expected)


def test_no_screen_and_no_global_state_are_touched() -> None:
    code = (
        "import sys, io; from nanoai_gui.core.files.figures import draw_histogram\n"
        "from nanoai_gui.core.tem.distribution import Sample\n"
        "draw_histogram([Sample.of_diameters([1, 2, 3])]).savefig(io.BytesIO(), format='png')\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=250, check=False).returncode == 0
