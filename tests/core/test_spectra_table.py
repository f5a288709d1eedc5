"""The spectra table: a promise to users' scripts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ReadError, WriteError
from nanoai_gui.core.files.spectra import read_spectra
from nanoai_gui.core.files.spectra_labels import fill_in, read_labels
from nanoai_gui.core.files.spectra_table import read_table, write_table
from nanoai_gui.core.spectra.places import grid_of
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from tests.core.raman_made import AXIS, bands
from tests.shared_data import shared_data


def made_set(n: int = 6) -> SpectralSet:
    row, column = np.divmod(np.arange(n), 3)
    return SpectralSet(
        bands(n).astype(np.float32),
        AXIS,
        {
            "source": np.array(["cell 1.wdf"] * n),
            "label": np.array(["early", "late"] * (n // 2)),
            "dish": np.array(["1"] * n),
            "x_um": 10.0 + 0.5 * column,
            "y_um": -3.0 + 2.0 * row,
            "time_h": np.arange(n) * 6.0,
            "remark": np.array(["=1+1", "-5", "ünï", "", "a,b", 'say "a"'])[np.arange(n) % 6],
        },
        laser_nm=785.0,
    )


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    spectra, path = made_set(), tmp_path / f"a{suffix}"
    write_table(path, spectra)
    found = read_table(path)
    assert np.allclose(found.axis, spectra.axis, rtol=1e-9)
    assert np.allclose(found.intensities, spectra.intensities, rtol=1e-6)
    assert found.laser_nm == 785.0
    for name, values in spectra.columns.items():
        if name != "remark":
            assert np.array_equal(found.columns[name], values, equal_nan=values.dtype.kind == "f"), name
    assert found.columns["remark"].tolist()[1:] == ["-5", "ünï", "", "a,b", 'say "a"']
    # Nothing that a spreadsheet would run: CSV marks it as a path, XLSX as text.
    assert found.columns["remark"][0] == ("./=1+1" if suffix == ".csv" else "=1+1")
    maps = read_spectra(path)
    assert len(maps) == 1
    assert maps[0].grid is not None
    assert (maps[0].grid.n_rows, maps[0].grid.n_columns) == (2, 3)


def test_the_header_is_the_promised_one(tmp_path: Path) -> None:
    spectra, path = made_set(), tmp_path / "a.csv"
    write_table(path, spectra, ["label", "dish"])
    first, second = path.read_text(encoding="utf-8").splitlines()[:2]
    assert first.split(",")[:5] == ["label", "dish", "laser_nm", "400", "440"]
    assert second.split(",")[:3] == ["early", "1", "785"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=8, unique=True),
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=8),
        min_size=1,
        max_size=4,
    ),
)
def test_any_numbers_and_texts_survive(tmp_path: Path, axis: list[float], labels: list[str]) -> None:
    shifts: np.ndarray = np.unique(np.round(np.array(axis, dtype=np.float64), 3)).astype(np.float64)
    if shifts.size < 2:
        return
    values = np.linspace(-1, 1, shifts.size * len(labels)).reshape(len(labels), -1).astype(np.float32)
    path = tmp_path / "a.csv"
    write_table(path, SpectralSet(values, shifts, {"label": np.array(labels), "remark": np.array(labels)}))
    found = read_table(path)
    assert np.allclose(found.axis, shifts, rtol=1e-9, atol=1e-9)
    assert np.allclose(found.intensities, values, rtol=1e-6)
    for before, after in zip(labels, found.columns["label"].tolist(), strict=True):
        # What a spreadsheet would run is marked as a path; everything else comes back as it was.
        assert after in ((before, f"./{before}") if before[:1] in ("=", "+", "-", "@") else (before,))


def test_several_maps_in_one_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    spectra = made_set().with_column("map", ["a", "b", "a", "b", "a", "b"])
    write_table(path, spectra)
    first, second = read_spectra(path)
    assert first.columns["map"].tolist() == ["a"] * 3
    assert second.columns["index"].tolist() == [1, 3, 5]
    assert len(read_table(path)) == 6


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("label,dish\na,1\n", "No column of a.csv is headed by a Raman shift"),
        ("label,400,401,402,401\na,1,2,3,4\n", "Two columns of a.csv are headed '401'"),
        ("label,cell,label,400,401,402\na,1,b,1,2,3\n", "Two columns of a.csv are headed 'label'"),
        ("label,400,401,402\na,1,2,3\nb,1,x,3\n", "Row 3, column 401 of a.csv holds the text 'x'"),
        ("x_um,400,401,402\n1,1,2,3\nleft,1,2,3\n", "Row 3, column x_um of a.csv holds the text 'left'"),
        ("index,400,401,402\n1.5,1,2,3\n", "index of a.csv holds more than whole numbers"),
        ("label,400,401,402\n", "holds a header but no spectra"),
        ("label,400,401,402\na,,,\nb,nan,1,2\n", "holds no intensities"),
        ("label,400\na,1\n", "spectra of a single point"),
        ("label,400,450,430,480\na,1,2,3,4\n", "goes up and down"),
    ],
)  # fmt: skip
def test_bad_tables(tmp_path: Path, text: str, because: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ReadError) as caught:
        read_table(path)
    assert because in caught.value.message
    assert caught.value.advice
    with pytest.raises(ReadError, match=r".+"):
        read_spectra(path)


def test_gaps_and_a_falling_axis(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("label,402,401,400\na,3,2,1\nb,3,,1\n\nc,30,20\nd,300,200,100\n")
    found = read_table(path)
    assert found.axis.tolist() == [400, 401, 402]
    assert found.intensities.tolist() == [[1, 2, 3], [100, 200, 300]]
    assert found.columns["label"].tolist() == ["a", "d"]
    assert found.columns["index"].tolist() == [0, 3]
    assert found.warnings == ("2 spectra with missing values left out of a.csv.",)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_of_a_country_with_decimal_commas(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "a.csv"
    rows = ["label x_um 400,5 401,5 402,5", "a 0,25 1,5 2 3", "b 1,25 4,5 5 6"]
    path.write_text("\n".join(row.replace(" ", separator) for row in rows), encoding="latin-1")
    found = read_table(path)
    assert found.axis.tolist() == [400.5, 401.5, 402.5]
    assert found.intensities.tolist() == [[1.5, 2, 3], [4.5, 5, 6]]
    assert found.x_um.tolist() == [0.25, 1.25]


def test_a_table_of_numbers_only(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_table(path, SpectralSet(bands(3).astype(np.float32), AXIS), [])
    assert np.array_equal(read_spectra(path)[0].intensities, bands(3))


def test_spectra_side_by_side_are_no_table(tmp_path: Path) -> None:
    """Although the intensities of the first line ascend."""
    path = tmp_path / "a.csv"
    path.write_text("400,500,600,700\n401,9,8,7\n402,5,5,5\n")
    assert read_spectra(path)[0].intensities.tolist() == [[500, 9, 5], [600, 8, 5], [700, 7, 5]]


def test_an_own_workbook_is_read(tmp_path: Path) -> None:
    """Numbers as headers, whole numbers as names, an empty sheet before."""
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.create_sheet("data")
    for row in (["dish", 400, 401.5, 402], [1, 10, 20, 30], [2, None, 1, 1], [3, 40, 50, "60"]):
        sheet.append(row)
    path = tmp_path / "a.xlsx"
    book.save(path)
    found = read_table(path)
    assert found.axis.tolist() == [400, 401.5, 402]
    assert found.columns["dish"].tolist() == ["1", "3"]
    assert found.intensities.tolist() == [[10, 20, 30], [40, 50, 60]]


def test_formulas_count_with_the_value_the_spreadsheet_gave_them(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain.xlsx", tmp_path / "a.xlsx"
    write_table(plain, SpectralSet(bands(2).astype(np.float32), AXIS), [])
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if "sheet1" in name:
                assert b"<v>400</v>" in content
                content = content.replace(b"<v>400</v>", b"<f>200*2</f><v>400</v>")
            new.writestr(name, content)
    assert np.array_equal(read_table(path).intensities, bands(2))
    assert np.allclose(read_table(path).axis, AXIS)


def test_workbooks_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(ReadError, match="no XLSX workbook"):
        read_table(path)


def test_a_spreadsheet_cannot_hold_everything(tmp_path: Path) -> None:
    wide = SpectralSet(np.zeros((1, 17_000), np.float32), np.arange(17_000.0))
    with pytest.raises(WriteError, match="at most 16384 columns"):
        write_table(tmp_path / "a.xlsx", wide)
    assert not list(tmp_path.iterdir())


def test_reading_can_be_stopped_and_tells_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("label,400,401,402\n" + "a,1,2,3\n" * 500)
    told: list[float] = []
    read_table(path, lambda fraction, message: told.append(fraction))
    assert told == sorted(told)
    assert 0 < told[-1] <= 1
    with pytest.raises(OperationCancelled):
        read_table(path, cancelled=lambda: True)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_writing_can_be_stopped_and_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(OperationCancelled):
        write_table(tmp_path / f"a{suffix}", made_set(), cancelled=lambda: True)
    assert not list(tmp_path.iterdir())


def test_a_table_without_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_table(path, SpectralSet(bands(2).astype(np.float32), AXIS), [])
    assert path.read_text().count(",") == 3 * (AXIS.size - 1)
    assert np.array_equal(read_table(path).intensities, bands(2))


def test_the_real_table_of_sera() -> None:
    found = read_table(shared_data("raman/serum_covid/original_covid_and_healthy_spectra.csv"))
    reference = np.load(shared_data("raman/serum_covid/yin2class.npz"), allow_pickle=False)
    names = {name: reference[name].shape for name in reference.files}
    spectra = next(reference[name] for name, shape in names.items() if shape == found.intensities.shape)
    order = np.lexsort(found.intensities[:, :3].T), np.lexsort(spectra[:, :3].astype(np.float32).T)
    assert np.allclose(found.intensities[order[0]], spectra[order[1]], atol=1e-6)


def _labels(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_by_source_and_index(tmp_path: Path) -> None:
    spectra = made_set()
    table = read_labels(
        _labels(
            tmp_path / "l.csv", "source,index,label,score\nC:\\x\\cell 1.wdf,0,lyso,0.5\ncell 1,3,lyso,\n"
        )
    )
    result = fill_in(spectra, table)
    assert result.n_filled == 2
    assert result.spectra.columns["label"].tolist() == ["lyso", "late", "early", "lyso", "early", "late"]
    assert np.array_equal(result.spectra.columns["score"], [0.5, *[np.nan] * 5], equal_nan=True)
    assert result.warnings == ("4 of 6 spectra are not in l.csv.",)


def test_labels_of_whole_files(tmp_path: Path) -> None:
    table = read_labels(
        _labels(tmp_path / "l.csv", "source;dish;label\ncell 1.wdf;7;late\nother.wdf;8;early\n")
    )
    result = fill_in(made_set(), table)
    assert set(result.spectra.columns["dish"].tolist()) == {"7"}
    assert set(result.spectra.columns["label"].tolist()) == {"late"}
    assert result.warnings == ("1 of 2 rows of l.csv fit no spectrum.",)


def test_labels_by_place(tmp_path: Path) -> None:
    text = "x_um,y_um,roi\n10.1,-3.2,A\n11.0,-1.0,B\n50,50,C\n"
    result = fill_in(made_set(), read_labels(_labels(tmp_path / "l.csv", text)))
    assert result.spectra.columns["roi"].tolist() == ["A", "", "", "", "", "B"]
    assert result.n_filled == 2
    assert len(result.warnings) == 2


def test_labels_on_a_map_hold_within_half_of_its_step(tmp_path: Path) -> None:
    spectra = made_set()
    spectra = spectra.with_grid(grid_of(spectra.x_um, spectra.y_um))
    text = "x_um,y_um,roi\n10.2,-3.0,A\n10.5,-2.74,B\n11.26,-1.0,C\n"
    result = fill_in(spectra, read_labels(_labels(tmp_path / "l.csv", text)))
    assert result.spectra.columns["roi"].tolist() == ["A", "", "", "", "", ""]


def test_labels_of_a_large_map_are_quick(tmp_path: Path) -> None:
    row, column = np.divmod(np.arange(40_000), 200)
    spectra = SpectralSet(
        np.zeros((40_000, 2), np.float32), np.array([1.0, 2.0]), {"x_um": column * 1.0, "y_um": row * 1.0}
    )
    text = "x_um,y_um,label\n" + "\n".join(f"{c},{r},{r}" for r, c in zip(row, column, strict=True))
    result = fill_in(spectra, read_labels(_labels(tmp_path / "l.csv", text)))
    assert result.n_filled == 40_000
    assert result.spectra.columns["label"].tolist() == [str(r) for r in row]


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("name,label\na,b\n", "is no table of labels"),
        ("source,index\na,1\n", "is no table of labels"),
        ("source,label\n", "holds a header but no labels"),
        ("source,label,label\na,b,c\n", "headed 'label'"),
        ("source,index,label\na,one,c\n", "Row 2, column index"),
    ],
)
def test_bad_tables_of_labels(tmp_path: Path, text: str, because: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_labels(_labels(tmp_path / "l.csv", text))
    assert because in caught.value.message


def test_labels_that_contradict_each_other(tmp_path: Path) -> None:
    text = "source,index,label\ncell 1.wdf,0,early\ncell 1.wdf,0,late\n"
    with pytest.raises(
        ReadError, match=r"Rows 2 and 3 of l\.csv give one spectrum different values of label"
    ):
        fill_in(made_set(), read_labels(_labels(tmp_path / "l.csv", text)))
