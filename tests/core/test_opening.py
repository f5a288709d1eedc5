"""Telling images from spectra, and reading for the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.callbacks import never_cancelled, no_progress
from nanoai_gui.core.files.opening import DataKind, LaserQuestion, read_or_ask, sort_by_kind
from nanoai_gui.core.files.spectra_table import write_table
from nanoai_gui.core.spectra.spectral_set import SpectralSet, concatenate

AXIS = np.linspace(500.0, 1500.0, 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("field.tif", "map.wdf", "notes.txt", "odd.xyz"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_endings_decide(folder: Path) -> None:
    found = sort_by_kind([folder / "field.tif", folder / "map.wdf"], DataKind.SPECTRA)
    assert (names(found.images), names(found.spectra), found.problems) == (["field.tif"], ["map.wdf"], [])


def test_text_is_spectra_unless_it_comes_with_the_images_a_person_works_on(folder: Path) -> None:
    alone = sort_by_kind([folder / "notes.txt"], DataKind.IMAGES)
    assert names(alone.spectra) == ["notes.txt"]
    beside = sort_by_kind([folder / "notes.txt", folder / "field.tif"], DataKind.IMAGES)
    assert names(beside.images) == ["notes.txt", "field.tif"]


@pytest.mark.parametrize("prefer", list(DataKind))
def test_an_unknown_ending_goes_to_the_tab_in_use(folder: Path, prefer: DataKind) -> None:
    found = sort_by_kind([folder / "odd.xyz"], prefer)
    assert names(found.images if prefer is DataKind.IMAGES else found.spectra) == ["odd.xyz"]


def test_a_folder_is_searched_for_what_is_preferred_and_else_for_the_other(folder: Path) -> None:
    assert names(sort_by_kind([folder], DataKind.IMAGES).images) == ["field.tif"]
    assert names(sort_by_kind([folder], DataKind.SPECTRA).spectra) == ["map.wdf", "notes.txt"]
    (folder / "field.tif").unlink()
    only = sort_by_kind([folder], DataKind.IMAGES)
    assert (only.images, names(only.spectra)) == ([], ["map.wdf", "notes.txt"])
    for file in folder.iterdir():
        file.unlink()
    empty = sort_by_kind([folder], DataKind.IMAGES)
    assert len(empty.problems) == 1
    assert "holds no" in empty.problems[0]


def test_regions_of_many_cells_are_one_set_and_a_map_stays_one(tmp_path: Path) -> None:
    index = np.arange(20)
    cells = SpectralSet(
        np.ones((6, 30), np.float32), AXIS,
        {"map": np.repeat(["a", "b", "c"], 2), "x_um": np.tile([0.0, 1.0], 3), "y_um": np.zeros(6)},
    )  # fmt: skip
    grid = SpectralSet(
        np.ones((20, 30), np.float32), AXIS,
        {"map": np.full(20, "d"), "x_um": index % 5 * 1.0, "y_um": index // 5 * 1.0},
    )  # fmt: skip
    write_table(tmp_path / "all.csv", concatenate([cells, grid]))
    found = read_or_ask(tmp_path / "all.csv", None, no_progress, never_cancelled)
    assert not isinstance(found, LaserQuestion)
    assert [part.n_spectra for part in found] == [6, 20]
    assert list(found[0].text("map")) == ["a", "a", "b", "b", "c", "c"]
    assert found[0].grid is None
    assert found[1].grid is not None
