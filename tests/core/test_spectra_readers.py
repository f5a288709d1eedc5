"""Every format and layout, on files made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.spectra import LaserNeeded, find_spectra, read_spectra
from tests.core import raman_made as made
from tests.core.raman_made import AXIS, bands


def test_wdf_map_with_missing_pixels_and_a_column_major_one(tmp_path: Path) -> None:
    row, column = np.divmod(np.arange(12), 4)
    places = np.column_stack((10 + 2.0 * column, 20 - 3.0 * row))
    spectra = bands(12)
    whole = read_spectra(made.wdf(tmp_path / "map.wdf", spectra, places=places, grid=(3, 4)))[0]
    assert np.array_equal(whole.intensities, spectra)
    assert whole.grid is not None
    assert whole.grid.is_complete
    assert (whole.grid.x0, whole.grid.y0, whole.grid.dx, whole.grid.dy) == (10, 20, 2, -3)
    assert whole.grid.index.tolist() == list(range(12))
    assert whole.laser_nm == pytest.approx(785.0)
    assert whole.columns["map"][0] == "made here"
    partly = made.wdf(tmp_path / "p.wdf", spectra[:7], places=places[:7], grid=(3, 4), capacity=12)
    part = read_spectra(partly)[0]
    assert part.grid is not None
    assert part.grid.index.tolist() == list(range(7))
    assert "holds 7 of 12 spectra" in part.warnings[0]
    turned = np.arange(12).reshape(3, 4).T.ravel()
    other = made.wdf(tmp_path / "c.wdf", spectra[turned], places=places[turned], grid=(3, 4), flags=2)
    grid = read_spectra(other)[0].grid
    assert grid is not None
    assert grid.index.tolist() == turned.tolist()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (0, [0, 1, 2, 3, 4, 5]),
        (2, [0, 3, 1, 4, 2, 5]),
        (4, [0, 1, 2, 5, 4, 3]),
        (6, [0, 3, 4, 1, 2, 5]),
    ],
)
def test_wdf_map_without_places_follows_the_order_of_the_header(
    tmp_path: Path, flags: int, expected: list[int]
) -> None:
    grid = read_spectra(made.wdf(tmp_path / "m.wdf", bands(6), grid=(2, 3), flags=flags))[0].grid
    assert grid is not None
    assert grid.index.tolist() == expected


def test_wdf_axis_in_nm_and_falling(tmp_path: Path) -> None:
    wavelengths = 1e7 / (1e7 / 785.0 - AXIS)
    spectra = bands(2)
    path = made.wdf(tmp_path / "nm.wdf", spectra[:, ::-1], wavelengths[::-1], unit=3)
    found = read_spectra(path)[0]
    assert np.allclose(found.axis, AXIS, atol=0.002)
    assert np.array_equal(found.intensities, spectra)


def test_a_volume_becomes_maps(tmp_path: Path) -> None:
    layer, pixel = np.divmod(np.arange(24), 12)
    row, column = np.divmod(pixel, 4)
    places = np.column_stack((column, row, -2.0 * layer))
    path = made.wdf(tmp_path / "v.wdf", bands(24), places=places, grid=(3, 4))
    below, above = read_spectra(path)
    assert (below.columns["map"][0], above.columns["map"][0]) == ("made here z = -2 µm", "made here z = 0 µm")
    assert np.array_equal(np.concatenate((above.intensities, below.intensities)), bands(24))
    for part in (below, above):
        assert part.grid is not None
        assert (part.grid.n_rows, part.grid.n_columns, part.grid.is_complete) == (3, 4, True)


def test_an_axis_without_a_unit_is_doubted(tmp_path: Path) -> None:
    assert "does not tell the unit" in read_spectra(made.columns(tmp_path / "a.txt", bands(1)))[0].warnings[0]
    said = read_spectra(made.columns(tmp_path / "b.txt", bands(1), head="Raman shift\tcounts\n"))[0]
    assert said.warnings == ()


@pytest.mark.parametrize("kind", ["f4", "i4", "i2"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", ["given", "even", "own"])
def test_spc_in_all_its_forms(tmp_path: Path, kind: str, order: str, layout: str) -> None:
    spectra = bands(3)
    path = made.spc(
        tmp_path / "a.spc", spectra, kind=kind, order=order, even=layout == "even", own_axes=layout == "own"
    )
    found = read_spectra(path)[0]
    assert np.allclose(found.axis, AXIS, atol=1e-4)
    assert np.allclose(found.intensities, spectra, atol=0.5 if kind == "i2" else 1e-3)
    assert found.columns["index"].tolist() == [0, 1, 2]
    if layout != "own":
        assert found.columns["time_s"].tolist() == [0.0, 0.5, 1.0]


def test_spc_finds_the_laser_in_its_log(tmp_path: Path) -> None:
    wavelengths = 1e7 / (1e7 / 532.2 - AXIS)
    path = made.spc(
        tmp_path / "a.spc", bands(1), wavelengths, x_code=3, log="TIME = 1\r\nEXCIT_LINE = 532.2\r\n"
    )
    found = read_spectra(path)[0]
    assert found.laser_nm == 532.2
    assert np.allclose(found.axis, AXIS, atol=0.01)


# The same ten values in the four forms of the standard's own table, each line with its X.
JCAMP_FORMS = {
    "plain": ["400 1 2 3 3 2", "600 1 0 -1 -2 -3"],
    "packed": ["400+1+2+3+3+2", "600+1+0-1-2-3"],
    "squeezed": ["400ABCCB", "600A@abc"],
    "differences": ["400AJJ%j", "560Bjjjjj"],
    "differences repeated": ["400AJT%jX"],
    "repeated": ["400ABCTBA@abc"],
}


@pytest.mark.parametrize("form", sorted(JCAMP_FORMS))
def test_jcamp_in_all_its_forms(tmp_path: Path, form: str) -> None:
    found = read_spectra(made.jcamp(tmp_path / "a.jdx", JCAMP_FORMS[form], 10, 400, 760))[0]
    assert found.intensities[0].tolist() == [1, 2, 3, 3, 2, 1, 0, -1, -2, -3]
    assert np.array_equal(found.axis, np.arange(400, 761, 40))


def test_jcamp_factors_falling_axis_and_comments(tmp_path: Path) -> None:
    lines = ["1520 10 20 $$ a comment", "1440 30"]
    found = read_spectra(made.jcamp(tmp_path / "a.dx", lines, 3, 760, 680, XFACTOR="0.5", YFACTOR="0.1"))[0]
    assert found.axis.tolist() == [680, 720, 760]
    assert found.intensities[0].tolist() == pytest.approx([3, 2, 1])


def test_jcamp_compound_file(tmp_path: Path) -> None:
    one = made.jcamp(tmp_path / "1.jdx", JCAMP_FORMS["plain"], 10, 400, 760).read_text()
    two = made.jcamp(tmp_path / "2.jdx", JCAMP_FORMS["squeezed"], 10, 400, 760, TITLE="second").read_text()
    path = tmp_path / "both.jdx"
    path.write_text("##TITLE=both\n##JCAMP-DX=4.24\n##DATA TYPE=LINK\n##BLOCKS=2\n" + one + two + "##END=\n")
    found = read_spectra(path)[0]
    assert found.n_spectra == 2
    assert np.array_equal(found.intensities[0], found.intensities[1])
    assert found.columns["map"].tolist() == ["made here", "second"]


@pytest.mark.parametrize("separator", ["\t", ",", ";", "  "])
@pytest.mark.parametrize(
    "head", ["", "# made here\n", "Raman shift (cm-1){0}Intensity\n", "Date;today\nUser;me\n"]
)
def test_columns_of_text(tmp_path: Path, separator: str, head: str) -> None:
    spectra = bands(1)
    path = made.columns(tmp_path / "a.txt", spectra, head=head.format(separator), separator=separator)
    found = read_spectra(path)[0]
    assert np.allclose(found.axis, AXIS)
    assert np.array_equal(found.intensities, spectra)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("separator", [";", "\t", " "])
def test_decimal_commas_in_any_encoding(tmp_path: Path, encoding: str, separator: str) -> None:
    path = tmp_path / "a.txt"
    rows = [f"{x:.3f}{separator}{y:.2f}".replace(".", ",") for x, y in zip(AXIS, bands(1)[0], strict=True)]
    path.write_text("# Größe µm\n" + "\n".join(rows), encoding=encoding)
    found = read_spectra(path)[0]
    assert np.allclose(found.axis, AXIS)
    assert np.allclose(found.intensities, bands(1))


def test_several_spectra_side_by_side(tmp_path: Path) -> None:
    spectra = bands(3)
    path = made.columns(tmp_path / "a.txt", spectra, head="X-Axis\tSpot 1\tSpot 2\tSpot 3\n")
    found = read_spectra(path)[0]
    assert np.array_equal(found.intensities, spectra)
    assert found.columns["name"].tolist() == ["Spot 1", "Spot 2", "Spot 3"]


def test_units_of_text_are_read_and_the_laser_asked_for(tmp_path: Path) -> None:
    wavelengths = 1e7 / (1e7 / 633.0 - AXIS)
    path = made.columns(tmp_path / "a.txt", bands(1), wavelengths, head="Wavelength (nm)\tIntensity\n")
    with pytest.raises(LaserNeeded, match="in nm"):
        read_spectra(path)
    found = read_spectra(path, laser_nm=633.0)[0]
    assert np.allclose(found.axis, AXIS, atol=1e-4)
    assert found.laser_nm == 633.0
    energies = 1239.841984 / wavelengths
    path = made.columns(
        tmp_path / "b.txt", bands(1), energies, head="Laser wavelength=633\nEnergy (eV)\tcounts\n"
    )
    assert np.allclose(read_spectra(path)[0].axis, AXIS, atol=1e-4)
    path = made.columns(tmp_path / "c.txt", bands(1), 1e7 / wavelengths)
    with pytest.raises(LaserNeeded, match="absolute"):
        read_spectra(path)
    turned = read_spectra(path, laser_nm=633.0)[0]
    assert np.allclose(turned.axis, AXIS, atol=1e-4)
    assert np.array_equal(turned.intensities, bands(1))


def test_what_the_file_says_of_its_laser_goes_first(tmp_path: Path) -> None:
    head = "Excitation wavelength\t532.1\nWavelength (nm)\tIntensity\n"
    wavelengths = 1e7 / (1e7 / 532.1 - AXIS)
    path = made.columns(tmp_path / "a.txt", bands(1), wavelengths, head=head)
    assert np.allclose(read_spectra(path, laser_nm=785.0)[0].axis, AXIS, atol=1e-4)


def test_a_nominal_laser_is_doubted(tmp_path: Path) -> None:
    head = "#Laser=\t532nm_Edge\n#Spectro (nm)=\t550\n"
    wavelengths = 1e7 / (1e7 / 532.0 - AXIS)
    found = read_spectra(made.columns(tmp_path / "a.txt", bands(1), wavelengths, head=head))[0]
    assert np.allclose(found.axis, AXIS, atol=1e-4)
    assert "nominal wavelength" in found.warnings[0]


def _labspec_map(path: Path, spectra: np.ndarray, places: np.ndarray) -> Path:
    lines = ["#Acq. time (s)=\t1", "#Laser=\t785nm", "#Range (cm-1)=\t400..1800"]
    lines.append("\t" * places.shape[1] + "\t".join(f"{x:.3f}" for x in AXIS))
    for place, row in zip(places, spectra, strict=True):
        lines.append("\t".join(f"{value:g}" for value in (*place, *row)))
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")
    return path


def test_labspec_text_map(tmp_path: Path) -> None:
    row, column = np.divmod(np.arange(6), 3)
    places = np.column_stack((-5 + 0.5 * column, 7 + 2.0 * row))
    found = read_spectra(_labspec_map(tmp_path / "m.txt", bands(6), places))[0]
    assert np.array_equal(found.intensities, bands(6))
    assert found.x_um.tolist() == places[:, 0].tolist()
    assert found.grid is not None
    assert (found.grid.n_rows, found.grid.n_columns) == (2, 3)
    some = read_spectra(_labspec_map(tmp_path / "n.txt", bands(5), places[[0, 1, 2, 4, 5]]))[0]
    assert some.grid is not None
    assert some.grid.index.tolist() == [0, 1, 2, 4, 5]


def test_labspec_text_series(tmp_path: Path) -> None:
    found = read_spectra(_labspec_map(tmp_path / "m.txt", bands(3), np.array([[0.0], [1.5], [3.0]])))[0]
    assert found.columns["position"].tolist() == [0, 1.5, 3]
    assert found.grid is None


def test_wire_text_map(tmp_path: Path) -> None:
    spectra = bands(6)
    lines = ["#X\t\t#Y\t\t#Wave\t\t#Intensity"]
    for i, spectrum in enumerate(spectra):
        for x, y in zip(AXIS[::-1], spectrum[::-1], strict=True):
            lines.append(f"{i % 3}.000000\t{i // 3 * 2}.000000\t{x:.6f}\t{y:.6f}")
    path = tmp_path / "map.txt"
    path.write_text("\r\n".join(lines))
    found = read_spectra(path)[0]
    assert np.allclose(found.axis, AXIS, atol=1e-6)
    assert np.array_equal(found.intensities, spectra)
    assert found.grid is not None
    assert (found.grid.n_rows, found.grid.n_columns, found.grid.dy) == (2, 3, 2.0)
    path.write_text("\r\n".join(lines[:-1]))
    with pytest.raises(ReadError, match="its end is missing"):
        read_spectra(path)


@pytest.mark.parametrize("version", [1, 2])
def test_witec_truematch(tmp_path: Path, version: int) -> None:
    spectra = bands(2)
    lines = ["//Exported ASCII-File", "[WITEC_TRUEMATCH_ASCII_HEADER]", f"Version = {version}.0", ""]
    if version == 2:
        lines += ["[XData]", *(f"{x:.4f}" for x in AXIS), ""]
    for i, spectrum in enumerate(spectra):
        lines += ["[SpectrumHeader]", f"Title = Spot {i}", "ExcitationWavelength = 532.18"]
        lines += [
            f"SpectrumSize = {AXIS.size}",
            "XDataKind = rel. 1/cm",
            "",
            "[SampleMetaData]",
            "int n = 1",
            "",
        ]
        pairs = zip(AXIS, spectrum, strict=True)
        lines += ["[SpectrumData]", *(f"{y:g}" if version == 2 else f"{x:.4f}\t{y:g}" for x, y in pairs), ""]
    path = tmp_path / "witec.txt"
    path.write_text("\n".join(lines))
    found = read_spectra(path)[0]
    assert np.array_equal(found.intensities, spectra)
    assert found.laser_nm == 532.18
    assert found.columns["name"].tolist() == ["Spot 0", "Spot 1"]


def test_bwtek_text_takes_the_subtracted_column(tmp_path: Path) -> None:
    lines = ["File Version;BWSpec4.11", "laser_wavelength;784,82", "pixel_num;40"]
    lines.append(
        "Pixel;Wavelength;Wavenumber;Raman Shift;Dark;Reference;Raw data #1;Dark Subtracted #1;%TR #1;"
    )
    lines += [f"{i};   ;   ;   ;1,0;2,0;3,0;4,0;0,0;" for i in range(4)]
    for i, (x, y) in enumerate(zip(AXIS, bands(1)[0], strict=True), 4):
        lines.append(f"{i};800,1;12500,0;{x:.2f};100,0;65535,0;{y + 100:.1f};{y:.1f};0,0;".replace(".", ","))
    path = tmp_path / "a.txt"
    path.write_text("\r\n".join(lines))
    found = read_spectra(path)[0]
    assert np.allclose(found.axis, AXIS)
    assert np.array_equal(found.intensities, bands(1))
    assert found.laser_nm == 784.82
    assert found.metadata["Column"] == "Dark Subtracted #1"


def test_spectra_of_different_ranges_in_one_file_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"low,{100 + i},{i},high,{2000 + i},{2 * i}" for i in range(30)]
    path.write_text("Name,X,Y,Name,X,Y\n" + "\n".join(rows))
    sets = read_spectra(path)
    assert [s.axis[0] for s in sets] == [100, 2000]


def test_folders_and_missing_paths(tmp_path: Path) -> None:
    folder = tmp_path / "day 1"
    folder.mkdir()
    (tmp_path / "empty").mkdir()
    for name in ("cell 10.wdf", "cell 2.wdf", ".hidden.wdf", "notes.docx"):
        (folder / name).write_bytes(b"")
    files, problems = find_spectra(
        [tmp_path / "day 1", tmp_path / "empty", tmp_path / "gone.wdf", folder / "cell 2.wdf"]
    )
    assert [file.name for file in files] == ["cell 2.wdf", "cell 10.wdf"]
    assert problems == ["The folder empty holds no spectra that NanoAI can read.", "gone.wdf is not there."]


def test_tables_of_labels_and_results_in_a_folder_are_passed_over(tmp_path: Path) -> None:
    texts = {
        "labels.csv": "x_um,y_um,label\n1,2,early\n",
        "predictions.csv": "source,index,predicted\na.csv,0,late\n",
        "labelled.csv": "label,500,501.5,503\nearly,1,2,3\n",
        "films.csv": "Name,X,Y\nfilm,500,1\nfilm,501,2\n",
        "two columns.csv": "500,1\n501,2\n",
        "empty.csv": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    files, problems = find_spectra([tmp_path])
    assert [file.name for file in files] == ["empty.csv", "films.csv", "labelled.csv", "two columns.csv"]
    assert not problems
    assert find_spectra([tmp_path / "labels.csv"])[0] == [tmp_path / "labels.csv"], "a file that was chosen"


def test_reading_a_large_text_can_be_stopped(tmp_path: Path) -> None:
    path = _labspec_map(
        tmp_path / "m.txt", bands(400), np.column_stack((np.arange(400) % 20, np.arange(400) // 20))
    )
    with pytest.raises(OperationCancelled):
        read_spectra(path, cancelled=lambda: True)
