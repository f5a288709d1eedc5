from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.cli import main
from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.files.spectra import find_spectra, read_spectra
from nanoai_gui.core.resources import resource
from nanoai_gui.core.spectra.peaks import fit_bands
from nanoai_gui.core.spectra.preprocessing import Pipeline, get_preset
from nanoai_gui.core.spectra.preprocessing.despike import Parameters, find_spikes
from nanoai_gui.core.spectra.spectral_set import concatenate
from nanoai_gui.core.spectra.synthesis import (
    EMPTY_LABEL,
    LABELS,
    OTHER_LABEL,
    Made,
    RamanSpec,
    make_labelled,
    make_map,
)

SPEC = RamanSpec()
SMALL = RamanSpec(low=1200, high=1800, map_pixels=8)


@pytest.fixture(scope="module")
def made() -> Made:
    return make_labelled(SPEC, 900, seed=4)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_experiment_is_complete_and_every_id_unique(made: Made) -> None:
    columns = made.spectra.columns
    assert made.spectra.n_spectra == 900
    assert made.spectra.axis[0] == 100 and made.spectra.axis[-1] >= 2748
    for label, time in zip(LABELS, (0, 6, 24), strict=True):
        rows = columns["label"] == label
        assert rows.sum() == 300
        assert set(columns["time_h"][rows].tolist()) == {time}
        assert np.unique(columns["dish"][rows]).size == 3
        assert np.unique(columns["cell"][rows]).size == 18
    for inner, outer in (("roi", "cell"), ("cell", "dish"), ("map", "cell")):
        pairs = set(zip(columns[inner].tolist(), columns[outer].tolist(), strict=True))
        assert len(pairs) == len({inner_name for inner_name, _ in pairs})
    assert np.unique(columns["roi"]).size == 180


def test_a_spectrum_does_not_depend_on_how_many_are_made(made: Made) -> None:
    fewer = make_labelled(SPEC, 13, seed=4)
    assert np.array_equal(fewer.spectra.intensities, made.spectra.intensities[:13])
    other_seed = make_labelled(SPEC, 13, seed=5)
    assert not np.array_equal(other_seed.spectra.intensities, fewer.spectra.intensities)


def test_the_recipe_is_met_as_measured_by_fits(made: Made) -> None:
    """Guide: G+ 1590-1599 cm-1, D/G 0.01-0.08 and more, shares of spikes, empty regions, amplitudes."""
    fits = fit_bands(Pipeline.of("despike").apply(made.spectra))
    there = (made.truth["empty"] == 0) & (made.truth["saturated"] == 0)
    g_plus = fits.values["G+", "position"]
    assert np.median(np.abs(g_plus - 1591 - made.truth["g_shift"])[there]) < 0.1
    label = made.spectra.columns["label"]
    median = [np.median(made.truth["g_counts"][there & (label == name)]) for name in LABELS]
    assert 1.2 < median[1] / median[0] < 2.1 and 1.9 < median[2] / median[0] < 3.4
    bundling = [np.mean(made.truth["bundling"][there & (label == name)]) for name in LABELS]
    assert np.allclose(bundling, (0.15, 0.30, 0.50), atol=0.05)
    shift = [np.mean(made.truth["g_shift"][there & (label == name)]) for name in LABELS]
    assert shift[0] > shift[1] > shift[2] and shift[0] - shift[2] == pytest.approx(1.2, abs=0.6)
    d_over_g = made.truth["d_over_g"][there]
    assert np.percentile(d_over_g, 2) > 0.02 and np.percentile(d_over_g, 98) < 0.15
    assert 0.003 <= np.isfinite(made.truth["spike"]).mean() <= 0.02
    assert 0.005 <= made.truth["empty"].mean() <= 0.08
    ratio = made.truth["fluorescence"] / SPEC.g_counts
    assert np.percentile(ratio, 5) > 0.25 and np.percentile(ratio, 95) < 8


def test_standardised_it_needs_some_45_components_as_measured_sets_do(made: Made) -> None:
    values = get_preset("swcnt-cells").pipeline.apply(made.spectra).intensities.astype(np.float64)
    centred = values - values.mean(axis=0)
    scale = centred.std(axis=0)
    standardised = centred / np.where(scale > 0, scale, 1)
    variances = np.linalg.eigvalsh(standardised @ standardised.T)[::-1].cumsum()
    needed = int(np.searchsorted(variances, 0.95 * variances[-1])) + 1
    assert 35 <= needed <= 60


def test_spikes_of_the_truth_are_found(made: Made) -> None:
    spec = dataclasses.replace(SPEC, spikes_percent=100, dead_pixels=0)
    spiked = make_labelled(spec, 200, seed=1)
    marked = find_spikes(spiked.spectra.intensities, spiked.spectra.axis, Parameters())
    channel = np.rint((spiked.truth["spike"] - 100) / 1.75).astype(int)
    near = np.clip(channel[:, None] + np.arange(-1, 2), 0, marked.shape[1] - 1)
    assert np.take_along_axis(marked, near, axis=1).any(axis=1).mean() > 0.9


def test_without_differences_nothing_can_be_told_apart() -> None:
    alike = dataclasses.replace(SPEC, contrast=0, batch=0)
    one = make_labelled(alike, 150, seed=2)
    label = one.spectra.columns["label"]
    means = [one.truth["bundling"][(label == name) & (one.truth["empty"] == 0)].mean() for name in LABELS]
    assert np.ptp(means) < 0.12
    assert np.unique(one.truth["g_shift"][one.truth["empty"] == 0]).size > 100


def test_the_unknown_class_looks_like_soot() -> None:
    other = make_labelled(SPEC, 20, seed=4, other=True)
    assert set(other.spectra.columns["label"].tolist()) == {OTHER_LABEL}
    axis, mean = other.spectra.axis, other.spectra.intensities.mean(axis=0)
    disordered = mean[(axis > 1330) & (axis < 1360)].mean() - mean[(axis > 1850) & (axis < 1900)].mean()
    graphitic = mean[(axis > 1580) & (axis < 1600)].mean() - mean[(axis > 1850) & (axis < 1900)].mean()
    assert 0.5 < disordered / graphitic < 1.5


def test_a_map_is_a_grid_with_vesicles_in_a_cell() -> None:
    made = make_map(SPEC, seed=3, time=2)
    assert made.spectra.grid is not None and made.spectra.grid.is_complete
    assert not (made.spectra.columns["label"] != "").any()
    label = made.truth["label"]
    assert {EMPTY_LABEL, LABELS[2], OTHER_LABEL} <= set(label.tolist())
    assert np.isin(label, LABELS).mean() > 0.1
    corner = made.spectra.intensities[0].mean()
    assert corner < 0.5 * np.median(made.spectra.intensities.mean(axis=1)), "outside of the cell it is dark"


def test_the_same_seed_gives_the_same_bytes_and_they_read_back(tmp_path: Path) -> None:
    arguments = ["synthesize", "raman", "-n", "23", "--seed", "6", "--low", "1200", "--high", "1800"]
    arguments += ["--map-pixels", "6"]
    for name in ("a", "b"):
        assert main([*arguments, "--out", str(tmp_path / name)]) == 0
    first = files(tmp_path / "a")
    assert first == files(tmp_path / "b")
    assert set(first) == {
        "spectra.csv", "other.csv", "map_0h.csv", "map_6h.csv", "map_24h.csv", "truth.csv",
    }  # fmt: skip
    assert main([*arguments[:4], "7", *arguments[5:], "--out", str(tmp_path / "c")]) in (0, 2)
    with (tmp_path / "a" / "truth.csv").open(encoding="utf-8", newline="") as stream:
        truth = list(csv.DictReader(stream))
    made = make_labelled(dataclasses.replace(SMALL, map_pixels=6), 23, seed=6)
    read = concatenate(read_spectra(tmp_path / "a" / "spectra.csv"))
    rows = [row for row in truth if row["file"] == "spectra.csv"]
    assert len(rows) == 23 == read.n_spectra
    order = np.argsort(read.columns["index"])
    assert np.array_equal(read.intensities[order], made.spectra.intensities)
    assert [row["roi"] for row in rows] == made.spectra.columns["roi"].tolist()
    assert [row["label"] for row in rows] == made.truth["label"].tolist()
    assert np.allclose([float(row["fluorescence"]) for row in rows], made.truth["fluorescence"], rtol=1e-5)
    assert set(read.columns["origin"].tolist()) == {"synthetic, illustrative"}
    assert read.laser_nm == 785
    unknown = concatenate(read_spectra(tmp_path / "a" / "other.csv"))
    assert set(unknown.columns["label"].tolist()) == {""}, "so that nobody learns it by mistake"
    assert {row["label"] for row in truth if row["file"] == "other.csv"} == {"other"}
    (on_map,) = read_spectra(tmp_path / "a" / "map_6h.csv")
    assert on_map.grid is not None and (on_map.grid.n_rows, on_map.grid.n_columns) == (6, 6)


def test_impossible_wishes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n, seed, spec in (
        (0, 1, SMALL), (1, -1, SMALL), (1, 1, dataclasses.replace(SMALL, high=1210)),
        (1, 1, dataclasses.replace(SMALL, read_noise=-1)),
    ):  # fmt: skip
        with pytest.raises(ParameterError):
            make_labelled(spec, n, seed)
    out = ["--out", str(tmp_path / "x")]
    assert main(["synthesize", "raman", "-n", "0", "--seed", "1", *out]) == 2
    assert main(["synthesize", "raman", "-n", "1", "--seed", "1", "--spacing", "50", *out]) == 2
    assert not (tmp_path / "x").exists()
    assert "Channel width" in capsys.readouterr().err
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert main(["synthesize", "raman", "-n", "1", "--seed", "1", "--out", str(blocked)]) == 1


def test_it_stops() -> None:
    with pytest.raises(OperationCancelled):
        make_labelled(SMALL, 10, 1, cancelled=lambda: True)
    with pytest.raises(OperationCancelled):
        make_map(SMALL, 1, 0, cancelled=lambda: True)


def test_the_bundled_demo_is_small_says_what_it_is_and_opens() -> None:
    folder = resource("samples", "raman")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2e6
    labelled = concatenate(read_spectra(folder / "spectra.csv"))
    assert labelled.n_spectra == 216
    assert np.unique(labelled.columns["cell"]).size == 54
    assert set(labelled.columns["label"].tolist()) == set(LABELS)
    (on_map,) = read_spectra(folder / "map_6h.csv")
    unknown = concatenate(read_spectra(folder / "other.csv"))
    assert unknown.n_spectra == 21 and set(unknown.columns["label"].tolist()) == {""}
    assert [path.name for path in find_spectra([folder])[0]] == ["map_6h.csv", "other.csv", "spectra.csv"]
    assert on_map.grid is not None and on_map.grid.is_complete
    for spectra in (labelled, on_map):
        assert set(spectra.columns["origin"].tolist()) == {"synthetic, illustrative"}
