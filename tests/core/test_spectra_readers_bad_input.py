"""Damaged, empty and odd files: one sentence each, and nothing large is allocated."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.spectra import SPECTRA_SUFFIXES, read_spectra
from tests.core import raman_made as made
from tests.core.raman_made import AXIS, bands


def _refused(path: Path, because: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_spectra(path)
    message = caught.value.message
    assert because in message
    assert path.name in message
    assert message.endswith(".")
    assert "\n" not in message
    assert message.count(". ") == 0, "one sentence"
    assert caught.value.advice


@pytest.mark.parametrize("suffix", sorted(SPECTRA_SUFFIXES))
@pytest.mark.parametrize("content", [b"", b"\n\n  \n", bytes(2000)])
def test_empty_files(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    _refused(path, "is empty")


@pytest.mark.parametrize("suffix", sorted(SPECTRA_SUFFIXES))
def test_files_of_another_kind(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + np.random.default_rng(0).bytes(5000))
    _refused(path, "a.")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    _refused(tmp_path / "gone.wdf", "is not there")
    (tmp_path / "folder.wdf").mkdir()
    _refused(tmp_path / "folder.wdf", "is a folder")


def _samples(folder: Path) -> list[Path]:
    row, column = np.divmod(np.arange(12), 4)
    places = np.column_stack((10 + 2.0 * column, 20 - 3.0 * row))
    return [
        made.wdf(folder / "a.wdf", bands(12), places=places, grid=(3, 4)),
        made.spc(folder / "a.spc", bands(5)),
        made.spc(folder / "b.spc", bands(5), own_axes=True, kind="i4"),
        made.jcamp(folder / "a.jdx", ["400ABCCB", "600A@abc"], 10, 400, 760),
    ]


@pytest.mark.parametrize("number", range(4))
def test_truncated_anywhere(tmp_path: Path, number: int) -> None:
    """Every cut is refused in words, or gives only whole spectra that were measured."""
    path = _samples(tmp_path)[number]
    content, whole = path.read_bytes(), read_spectra(path)[0]
    for length in np.unique(np.linspace(1, len(content) - 1, 60).astype(int)):
        path.write_bytes(content[:length])
        try:
            found = read_spectra(path)[0]
        except ReadError as error:
            assert path.name in error.message
        else:
            assert np.array_equal(found.intensities, whole.intensities[: found.n_spectra])


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(number=st.integers(0, 3), place=st.floats(0, 0.999), values=st.binary(min_size=1, max_size=8))
def test_any_bytes_overwritten(tmp_path: Path, number: int, place: float, values: bytes) -> None:
    path = _samples(tmp_path)[number]
    content = bytearray(path.read_bytes())
    start = int(place * len(content))
    content[start : start + len(values)] = values
    path.write_bytes(content)
    try:
        found = read_spectra(path, laser_nm=785.0)
    except ReadError as error:
        assert path.name in error.message
    else:
        assert all(np.isfinite(part.intensities).all() for part in found)


@pytest.mark.parametrize("claimed", [(1000, 800_000), (800_000_000, 1), (2**32 - 1, 2**62), (0, 3), (36, 2)])
def test_wdf_header_that_claims_gigabytes(tmp_path: Path, claimed: tuple[int, int]) -> None:
    path = made.wdf(tmp_path / "a.wdf", bands(1), claimed=claimed)
    tracemalloc.start()
    try:
        _refused(path, "claims" if claimed[0] else "no spectra")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("claimed", [800_000_000, 2**31 - 1, -5, 0])
def test_spc_header_that_claims_gigabytes(tmp_path: Path, claimed: int, even: bool) -> None:
    path = made.spc(tmp_path / "a.spc", bands(2), claimed=claimed, even=even)
    tracemalloc.start()
    try:
        _refused(path, "claims" if claimed > 0 else "no spectra")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6


def test_jcamp_that_claims_gigabytes(tmp_path: Path) -> None:
    _refused(made.jcamp(tmp_path / "a.jdx", ["400 1 2"], 800_000_000, 400, 760), "claims")
    _refused(made.jcamp(tmp_path / "b.jdx", ["400AS99999999"], 10, 400, 760), "claims")


def test_wdf_of_another_byte_in_the_header(tmp_path: Path) -> None:
    path = made.wdf(tmp_path / "a.wdf", bands(1))
    path.write_bytes(b"XXXX" + path.read_bytes()[4:])
    _refused(path, "no WiRE file")


def test_old_spc_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "a.spc"
    path.write_bytes(b"\x00\x4d" + bytes(300) + b"x")
    _refused(path, "old SPC format")
    path.write_bytes(b"\x00\x4b" + bytes(100) + b"x")
    _refused(path, "incomplete")


@pytest.mark.parametrize(
    ("lines", "n_points", "because"),
    [
        (["400 1 2 3"], 10, "promises 10 points but holds 3"),
        (["400 1 2 3 4 5", "900 6 7 8 9 10"], 10, "begins at 900 where 600 is due"),
        (["400AJJ%j", "560Djjjjj"], 10, "fails the check"),
        (["400 1 2 !! 3"], 4, "'!! 3'"),
        (["400 1 2 abc"], 3, "promises"),
        (["400J"], 1, "'400J'"),
    ],
)
def test_jcamp_that_contradicts_itself(tmp_path: Path, lines: list[str], n_points: int, because: str) -> None:
    _refused(made.jcamp(tmp_path / "a.jdx", lines, n_points, 400, 400 + 40 * (n_points - 1)), because)


def test_jcamp_of_another_method(tmp_path: Path) -> None:
    path = made.jcamp(tmp_path / "a.jdx", ["400 1 2 3"], 3, 400, 480, DATA_TYPE="INFRARED SPECTRUM")
    _refused(path, "'Infrared spectrum', not a Raman spectrum")


@pytest.mark.parametrize("suffix", [".xml", ".tvf"])
@pytest.mark.parametrize(
    ("content", "because"),
    [
        ("<html><body>400 1</body></html>", "is XML, but not of"),
        ("plain text", "is XML, but not of"),
        (
            '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><LSX_Tree><XmlMain/>&b;</LSX_Tree>',
            "no file of",
        ),
        ("<?xml version='1.0'?><LSX_Tree><XmlMain><unfinished", "cannot be read"),
    ],
)
def test_other_xml(tmp_path: Path, suffix: str, content: str, because: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text(content)
    _refused(path, because)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("400\t1\n401\t2\n402\tabc\n403\t4\n", "Line 3 of a.txt holds the text 'abc' where a number belongs"),
        ("400\t1\n401\t2\n402\n403\t4\n", "Line 3 of a.txt holds 1 numbers, not 2"),
        ("400\t1\n401\t2\n390\t3\n410\t4\n", "goes up and down (at 401"),
        ("400\t1\n401\t2\nnan\t3\n", "axis of a.txt holds missing values"),
        ("400\tnan\n401\tnan\n402\tnan\n", "holds no intensities"),
        ("400\t1\n401\tinf\n402\t3\n", "holds no intensities"),
        ("400\t1\n", "single point"),
        ("400\t1\n400\t2\n", "single point"),
        ("400\n401\n402\n", "one column of numbers"),
        ("once upon a time\nthere was\n", "no columns of numbers"),
        ("Wavelength (nm)\tI\n-5\t1\n-4\t2\n", "said to be in nm but holds -5"),
    ],
)  # fmt: skip
def test_bad_text(tmp_path: Path, text: str, because: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    _refused(path, because)


def test_bad_maps_of_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    head = "\t\t" + "\t".join(f"{x:g}" for x in AXIS) + "\n"
    row = "\t".join(["1"] * AXIS.size)
    path.write_text(head + f"0\t0\t{row}\n1\t0\t{row[:-4]}\n")
    _refused(path, "Line 3 of a.txt holds 36 numbers, not 38")
    path.write_text(head + f"0\tleft\t{row}\n")
    _refused(path, "Line 2 of a.txt holds the text 'left'")
    path.write_text(head)
    _refused(path, "holds an axis but no spectra")


def test_spectra_with_missing_values_are_left_out_and_keep_their_number(tmp_path: Path) -> None:
    spectra = bands(6).astype(np.float32)
    spectra[1, 4] = np.nan
    spectra[4] = np.inf
    row, column = np.divmod(np.arange(6), 3)
    places = np.column_stack((10 + 2.0 * column, 20 - 3.0 * row))
    found = read_spectra(made.wdf(tmp_path / "a.wdf", spectra, places=places, grid=(2, 3)))[0]
    assert found.columns["index"].tolist() == [0, 2, 3, 5]
    assert found.grid is not None
    assert found.grid.index.tolist() == [0, 2, 3, 5]
    assert found.warnings == ("2 spectra with missing values left out of a.wdf.",)


def test_constant_negative_and_single_spectra_are_read_as_they_are(tmp_path: Path) -> None:
    """Judging them is not a reader's business."""
    spectra = np.stack((np.zeros(AXIS.size), np.full(AXIS.size, -7.0), np.full(AXIS.size, 65535.0)))
    assert np.array_equal(read_spectra(made.wdf(tmp_path / "a.wdf", spectra))[0].intensities, spectra)


def test_wdf_with_a_damaged_picture_is_read_without_it(tmp_path: Path) -> None:
    path = made.wdf(tmp_path / "a.wdf", bands(1))
    path.write_bytes(path.read_bytes() + struct.pack("<4sIQ", b"WHTL", 0, 16 + 100) + bytes(range(100)))
    found = read_spectra(path)[0]
    assert found.image is None
    assert "picture is damaged" in found.warnings[0]


def test_wdf_places_that_are_no_grid_are_kept_as_places(tmp_path: Path) -> None:
    places = np.random.default_rng(1).uniform(0, 100, (12, 2))
    found = read_spectra(made.wdf(tmp_path / "a.wdf", bands(12), places=places, grid=(3, 4), flags=1))[0]
    assert found.grid is None
    assert np.array_equal(found.x_um, places[:, 0])


def test_a_workbook_that_claims_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 3 << 30)
    path.write_bytes(content)
    _refused(path, "claims to hold 3 GB")


def test_a_map_is_not_copied_while_it_is_read(tmp_path: Path) -> None:
    """A falling axis, the common case of WiRE, is turned in place: once the spectra and a small block."""
    axis = np.linspace(1800, 400, 1000)
    spectra = np.random.default_rng(0).random((20_000, 1000), dtype=np.float32)
    path = made.wdf(tmp_path / "a.wdf", spectra, axis)
    tracemalloc.start()
    try:
        found = read_spectra(path)[0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(found.intensities[:, ::-1], spectra)
    assert peak < 1.5 * spectra.nbytes
