"""The shape all spectra travel in."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.spectra.places import grid_of
from nanoai_gui.core.spectra.spectral_set import (
    AxisError,
    MapGrid,
    SpectralSet,
    common_axis,
    concatenate,
    same_axis,
)


def line_set(axis: np.ndarray, n: int = 3, **more: object) -> SpectralSet:
    """Spectra that are straight lines, so that linear interpolation is exact."""
    slopes = np.arange(1, n + 1)[:, None]
    return SpectralSet((slopes * axis).astype(np.float32), axis.astype(np.float64), **more)  # type: ignore[arg-type]


AXIS = np.linspace(100.0, 2000.0, 191)


def test_columns_are_always_there() -> None:
    spectra = line_set(AXIS, columns={"label": np.array(["a", "b", "a"]), "time_h": np.array([0, 6, 24])})
    assert list(spectra.columns)[:9] == [
        "source", "label", "dish", "cell", "map", "roi", "index", "x_um", "y_um",
    ]  # fmt: skip
    assert spectra.columns["dish"].tolist() == ["", "", ""]
    assert spectra.columns["index"].tolist() == [0, 1, 2]
    assert np.isnan(spectra.x_um).all()
    assert spectra.columns["time_h"].tolist() == [0, 6, 24]


def test_dishes_called_by_numbers_are_names() -> None:
    spectra = line_set(AXIS, columns={"dish": np.array([1.0, 2.0, np.nan])})
    assert spectra.columns["dish"].tolist() == ["1", "2", ""]


@pytest.mark.parametrize(
    "broken",
    [
        {"axis": AXIS[::-1].copy()},
        {"axis": AXIS[:-1]},
        {"axis": np.where(np.arange(AXIS.size) == 5, np.nan, AXIS)},
        {"intensities": np.zeros((3, AXIS.size))},
        {"columns": {"label": np.array(["a"])}},
        {"columns": {"thing": np.array([None, 1, "a"], dtype=object)}},
        {"grid": MapGrid(2, 2, np.array([0, 1]))},
    ],
)
def test_a_set_cannot_contradict_itself(broken: dict[str, object]) -> None:
    parts: dict[str, object] = {"intensities": np.zeros((3, AXIS.size), np.float32), "axis": AXIS}
    with pytest.raises(ValueError, match=r".+"):
        SpectralSet(**{**parts, **broken})  # type: ignore[arg-type]


def test_selecting_keeps_the_map() -> None:
    spectra = line_set(AXIS, 6, grid=MapGrid(2, 3, np.arange(6)))
    some = spectra.select([5, 1])
    assert some.grid is not None
    assert not some.grid.is_complete
    picture = some.grid.picture(np.array([7.0, 8.0]))
    assert picture[1, 2] == 7
    assert picture[0, 1] == 8
    assert np.isnan(picture).sum() == 4
    assert some.grid.spectrum_at().tolist() == [[-1, 1, -1], [-1, -1, 0]]
    assert spectra.select(np.arange(6) > 3).columns["index"].tolist() == [4, 5]


def test_a_picture_keeps_its_type_and_its_channels() -> None:
    grid = MapGrid(2, 2, np.array([0, 3]))
    colours = grid.picture(np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8), missing=0)
    assert colours.dtype == np.uint8
    assert colours.shape == (2, 2, 3)
    assert colours[1, 1].tolist() == [4, 5, 6]
    assert grid.picture(np.array([1, 2])).dtype == np.float64
    assert grid.picture(np.array([1, 2], np.float32)).dtype == np.float32


def test_extent_is_that_of_the_pixels_edges() -> None:
    assert MapGrid(2, 3, np.arange(6), 10.0, 20.0, 2.0, -1.0).extent == (9.0, 20.5, 15.0, 18.5)


def test_a_column_can_be_edited_and_the_spectra_are_not_copied() -> None:
    spectra = line_set(AXIS)
    labelled = spectra.with_column("label", ["a", "b", "c"])
    assert labelled.columns["label"].tolist() == ["a", "b", "c"]
    assert spectra.columns["label"].tolist() == ["", "", ""]
    assert np.shares_memory(labelled.intensities, spectra.intensities)
    with pytest.raises(NanoAIError, match="no column 'lable'"):
        labelled.text("lable")


def test_a_set_travels_between_processes() -> None:
    spectra = line_set(AXIS, 4, grid=MapGrid(2, 2, np.arange(4)), laser_nm=532.0, metadata={"a": "b"})
    spectra = spectra.with_column("label", ["a", "b", "c", "d"])
    there = pickle.loads(pickle.dumps(spectra))  # noqa: S301 - our own bytes
    assert np.array_equal(there.intensities, spectra.intensities)
    assert {name: values.tolist() for name, values in there.columns.items() if values.dtype.kind == "U"} == {
        name: values.tolist() for name, values in spectra.columns.items() if values.dtype.kind == "U"
    }
    assert there.grid is not None
    assert there.grid.index.tolist() == [0, 1, 2, 3]
    assert (there.laser_nm, there.metadata) == (532.0, {"a": "b"})


def test_resampling_interpolates_and_never_extrapolates() -> None:
    spectra = line_set(AXIS)
    finer = spectra.resample(np.linspace(150.0, 1900.0, 3001))
    assert np.allclose(finer.intensities[1], 2 * finer.axis, rtol=1e-6)
    assert spectra.resample(AXIS + 0.001).intensities is spectra.intensities  # one axis but for rounding
    just = spectra.resample(np.linspace(95.0, 2005.0, 100))  # half a step beyond: the outermost value
    assert just.intensities[0, 0] == 100.0
    for axis in (np.linspace(50.0, 1000.0, 100), np.linspace(200.0, 2050.0, 100)):
        with pytest.raises(AxisError, match="are needed"):
            spectra.resample(axis)


def test_cropping_is_inclusive() -> None:
    part = line_set(AXIS).crop(110.0, 200.0)
    assert (part.axis[0], part.axis[-1]) == (110.0, 200.0)
    with pytest.raises(AxisError, match="between 3000 and 4000"):
        line_set(AXIS).crop(3000.0, 4000.0)


def test_joining_on_the_coarser_axis_of_the_shared_range() -> None:
    fine = line_set(np.linspace(90.0, 1500.0, 1411), 2, columns={"label": np.array(["a", "b"])})
    coarse = line_set(np.linspace(100.0, 2000.0, 191), 1, columns={"score": np.array([0.5])})
    joined = concatenate([fine, coarse])
    assert (joined.axis[0], joined.axis[-1], joined.axis.size) == (100.0, 1500.0, 141)
    assert np.allclose(joined.intensities[2], joined.axis)
    assert np.allclose(joined.intensities[1], 2 * joined.axis, rtol=1e-6)
    assert joined.columns["label"].tolist() == ["a", "b", ""]
    assert np.array_equal(joined.columns["score"], [np.nan, np.nan, 0.5], equal_nan=True)
    assert "linear interpolation" in joined.warnings[0]
    with pytest.raises(AxisError, match="different axes"):
        concatenate([fine, coarse], "same")


def test_joining_equal_axes_changes_no_value() -> None:
    a, b = line_set(AXIS), line_set(AXIS + 1e-4)
    joined = concatenate([a, b])
    assert joined.warnings == ()
    assert np.array_equal(joined.intensities[:3], a.intensities)
    assert np.array_equal(joined.intensities[3:], b.intensities)


@pytest.mark.parametrize(("low", "high"), [(2100.0, 3000.0), (1900.0, 3000.0)])
def test_ranges_that_share_too_little_are_not_joined(low: float, high: float) -> None:
    with pytest.raises(AxisError, match="do not share enough"):
        concatenate([line_set(AXIS), line_set(np.linspace(low, high, 200))])


def test_text_and_numbers_of_one_name_become_text() -> None:
    a = line_set(AXIS, 1, columns={"day": np.array([3.0])})
    b = line_set(AXIS, 1, columns={"day": np.array(["4 (late)"])})
    assert concatenate([a, b]).columns["day"].tolist() == ["3", "4 (late)"]


@given(st.floats(0.0, 0.04), st.integers(2, 40))
def test_axes_are_one_within_a_twentieth_of_a_channel(shift: float, n: int) -> None:
    axis = np.linspace(0.0, 10.0 * n, n + 1)
    assert same_axis(axis, axis + 10.0 * shift)
    assert not same_axis(axis, axis + 10.0 * (shift + 0.06))


def test_one_common_axis_is_nobodys_but_the_coarsest() -> None:
    axes = [np.linspace(0, 100, 101), np.linspace(10, 90, 41), np.linspace(-5, 95, 301)]
    assert np.array_equal(common_axis(axes), np.linspace(10, 90, 41))


@given(
    st.integers(2, 12),
    st.integers(2, 12),
    st.floats(0.05, 100.0),
    st.floats(0.05, 100.0),
    st.integers(0, 2**32 - 1),
)
def test_a_grid_is_found_in_shuffled_jittering_places(
    n_rows: int, n_columns: int, dx: float, dy: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    row, column = np.divmod(rng.permutation(n_rows * n_columns), n_columns)
    jitter = rng.uniform(-0.01, 0.01, (2, row.size))
    x, y = 5000.0 + dx * (column + jitter[0]), -3000.0 + dy * (row + jitter[1])
    grid = grid_of(x, y)
    assert grid is not None
    assert (grid.n_rows, grid.n_columns) == (n_rows, n_columns)
    assert np.array_equal(grid.rows, row)
    assert np.array_equal(grid.columns, column)
    assert grid.dx == pytest.approx(dx, rel=0.02)


def test_a_grid_may_have_missing_pixels() -> None:
    row, column = np.divmod(np.arange(100), 10)
    kept = np.ones(100, bool)
    kept[[0, 1, 37, 99]] = False
    kept[50:60] = False  # a whole row
    grid = grid_of(column[kept] * 0.5, row[kept] * 2.0)
    assert grid is not None
    assert (grid.n_rows, grid.n_columns) == (10, 10)
    assert grid.index.tolist() == np.flatnonzero(kept).tolist()
    assert not grid.is_complete


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([0, 1, 2, 3], [0, 0, 0, 0]),  # a line
        ([0, 1, 0, 1, 1], [0, 0, 1, 1, 1]),  # twice at one place
        ([0, 1, 0, np.nan], [0, 0, 1, 1]),
        ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),  # a slanted line
        ([0.0, 1.0, 2.37, 5.11, 3.3, 8.1], [0.0, 0.71, 1.0, 3.2, 4.4, 9.7]),
        ([3, 3, 3, 3], [5, 5, 5, 5]),
    ],
)
def test_what_is_no_map_gets_no_grid(x: list[float], y: list[float]) -> None:
    assert grid_of(np.array(x, float), np.array(y, float)) is None
