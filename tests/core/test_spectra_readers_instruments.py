"""Every real Raman file is opened or refused knowingly (skips where the files are absent)."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.spectra import SPECTRA_SUFFIXES, LaserNeeded, find_spectra, read_spectra
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from tests.core.raman_files import FILES, JY, PAIRED, WIRE, Asks, Opens, Refused
from tests.shared_data import shared_data

NOT_FOR_READERS = (".npz",)


def _read(name: str, laser_nm: float | None = None) -> SpectralSet:
    return read_spectra(shared_data(f"raman/{name}"), laser_nm)[0]


def test_the_table_is_complete() -> None:
    root = shared_data("raman")
    files = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.suffix not in NOT_FOR_READERS
    }
    assert files == set(FILES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_file_is_opened_or_refused_knowingly(name: str) -> None:
    path, expected = shared_data(f"raman/{name}"), FILES[name]
    if isinstance(expected, Refused):
        with pytest.raises(ReadError) as caught:
            read_spectra(path)
        assert not isinstance(caught.value, LaserNeeded)
        assert expected.because in caught.value.message
        assert path.name in caught.value.message
        assert caught.value.advice
        return
    laser = None
    if isinstance(expected, Asks):
        with pytest.raises(LaserNeeded) as asked:
            read_spectra(path)
        assert expected.unit in asked.value.message
        expected, laser = expected.then, 785.0
    _check(read_spectra(path, laser), expected, path)


def _check(sets: tuple[SpectralSet, ...], expected: Opens, path: Path) -> None:
    assert len(sets) == 1
    spectra = sets[0]
    assert spectra.intensities.shape == (expected.n_spectra, expected.n_points)
    assert spectra.intensities.dtype == np.float32
    assert np.isfinite(spectra.intensities).all()
    assert (np.diff(spectra.axis) > 0).all()
    tolerance = 0.006 if path.suffix != ".xml" else 0.05
    assert (spectra.axis[0], spectra.axis[-1]) == pytest.approx(expected.axis, rel=2e-6, abs=tolerance)
    assert spectra.laser_nm == (None if expected.laser is None else pytest.approx(expected.laser, abs=1e-4))
    if expected.grid is None:
        assert spectra.grid is None
    else:
        assert spectra.grid is not None
        assert (spectra.grid.n_rows, spectra.grid.n_columns) == expected.grid
        assert spectra.grid.is_complete == expected.complete
        _check_places(spectra)
    for column in expected.columns:
        values = spectra.columns[column]
        assert np.isfinite(values).all() if values.dtype.kind == "f" else (values != "").all()
    assert any(expected.warning in sentence for sentence in spectra.warnings) or not expected.warning
    assert bool(spectra.warnings) == bool(expected.warning)
    assert set(spectra.columns["source"].tolist()) == {path.name}


def _check_places(spectra: SpectralSet) -> None:
    """The pixel of every spectrum lies where the spectrum was taken."""
    grid = spectra.grid
    assert grid is not None
    assert np.abs(grid.x0 + grid.columns * grid.dx - spectra.x_um).max() < 0.05 * abs(grid.dx)
    assert np.abs(grid.y0 + grid.rows * grid.dy - spectra.y_um).max() < 0.05 * abs(grid.dy)


def test_folders_are_searched() -> None:
    files, problems = find_spectra([shared_data(f"raman/{WIRE}"), shared_data(f"raman/{JY}")])
    assert len(files) == 20
    assert not problems
    assert all(file.suffix in SPECTRA_SUFFIXES for file in files)


@pytest.mark.parametrize("name", sorted(n for n in FILES if n.startswith((WIRE, "graphene"))))
def test_wdf_agrees_with_rosettasciio(name: str) -> None:
    """Same numbers as the reader whose faults (geometry, averaging) made us write our own."""
    path = shared_data(f"raman/{name}")
    logging.getLogger("rsciio").setLevel(logging.CRITICAL)
    signal = importlib.import_module("rsciio.renishaw").file_reader(str(path))[0]
    ours = read_spectra(path)[0]
    theirs = signal["data"].reshape(-1, signal["data"].shape[-1])
    axis = np.asarray(signal["axes"][-1]["axis"], dtype=np.float64)
    if signal["axes"][-1]["units"] == "nm":
        axis, theirs = 1e7 / ours.laser_nm - 1e7 / axis, theirs  # type: ignore[operator]
    assert np.allclose(ours.axis, axis, rtol=0, atol=1e-3)
    if name.endswith("undefined.wdf"):
        assert np.allclose(ours.intensities.mean(axis=0), theirs[0], rtol=1e-6)
    else:
        assert np.array_equal(ours.intensities, theirs)


@pytest.mark.parametrize(
    ("name", "extent"),
    [
        ("graphene_map/Example_Map.wdf", (-89.58, -57.64, 89.58, 57.64)),
        (f"{WIRE}/renishaw_test_map2.wdf", (4652.362, -106155.134, 5258.762, -105771.067)),
        (f"{WIRE}/renishaw_test_streamline.wdf", (-8325.176, -1334.639, -7879.426, -1063.789)),
        (f"{WIRE}/renishaw_test_linescan.wdf", (-230.441, -107.465, 419.273, 304.035)),
    ],
)
def test_white_light_picture_has_its_extent(name: str, extent: tuple[float, float, float, float]) -> None:
    image = _read(name).image
    assert image is not None
    assert image.rgb.dtype == np.uint8
    assert (image.x0, image.y0, image.x1, image.y1) == pytest.approx(extent, abs=0.01)


@pytest.mark.parametrize("name", [f"{WIRE}/renishaw_test_map2.wdf", f"{WIRE}/renishaw_test_streamline.wdf"])
def test_white_light_picture_is_the_right_way_up(name: str) -> None:
    """Bands are where the picture shows something; in a picture upside down they are not."""
    spectra = _read(name)
    image = spectra.image
    assert image is not None
    height, width = image.rgb.shape[:2]
    brightness = image.rgb.mean(axis=2)
    column = ((spectra.x_um - image.x0) / (image.x1 - image.x0) * width).astype(int)
    row = ((spectra.y_um - image.y0) / (image.y1 - image.y0) * height).astype(int)
    band = spectra.intensities.max(axis=1) - np.median(spectra.intensities, axis=1)
    upright = np.corrcoef(brightness[row, column], band)[0, 1]
    flipped = np.corrcoef(brightness[height - 1 - row, column], band)[0, 1]
    assert abs(upright) > 0.25
    assert abs(flipped) < 0.5 * abs(upright)


def _difference(a: SpectralSet, b: SpectralSet) -> tuple[np.ndarray, np.ndarray]:
    """Difference of a to b interpolated onto its axis, and the slope of b there (a rounded axis costs it)."""
    inside = (a.axis >= b.axis[0]) & (a.axis <= b.axis[-1])
    there = np.interp(a.axis[inside], b.axis, b.intensities[0])
    slope = np.interp(a.axis[inside], b.axis, np.abs(np.gradient(b.intensities[0], b.axis)))
    wide = np.maximum.reduce([np.roll(slope, i) for i in (-2, -1, 0, 1, 2)])
    return np.abs(a.intensities[0][inside] - there), wide


def test_wire_text_and_wdf_are_one_spectrum() -> None:
    """Six decimals in the text."""
    stem = f"{PAIRED}/Renishaw/nCal_Qontor785_z005H12_100_1x3s"
    text, wdf = _read(f"{stem}.txt"), _read(f"{stem}.wdf")
    assert np.abs(text.axis - wdf.axis).max() <= 0.51e-6
    assert np.array_equal(text.intensities, wdf.intensities)


@pytest.mark.parametrize(
    ("stem", "axis_rounding"),
    # The first text has its axis in steps of 1e-6, the second in 6 digits, that is 0.01 above 1000 cm-1.
    [
        ("Renishaw/nCal_Qontor785_z005H12_100_1x3s", 1e-4),
        ("InViaReflex/PST_Reflex532_Z050_010_10000msx2", 0.01),
    ],
)
def test_wire_spc_is_its_text_interpolated(stem: str, axis_rounding: float) -> None:
    """WiRE writes SPC on an even axis, interpolated linearly: the same spectrum within the axis' rounding."""
    difference, slope = _difference(_read(f"{PAIRED}/{stem}.spc"), _read(f"{PAIRED}/{stem}.txt"))
    intensity = _read(f"{PAIRED}/{stem}.txt").intensities[0]
    assert (difference <= axis_rounding * slope + 2e-5 * np.abs(intensity).max()).all()


def test_bwtek_spc_is_its_text_resampled() -> None:
    """B&W Tek resamples to whole cm-1 in a way of its own: same bands, same places, not the same values."""
    stem = f"{PAIRED}/BWTEK/PST10_iR532_Probe_100_3000msx7"
    spc, text = _read(f"{stem}.spc"), _read(f"{stem}.txt")

    def agreement(shift: float) -> float:
        moved = np.interp(spc.axis + shift, text.axis, text.intensities[0])
        return float(np.corrcoef(spc.intensities[0], moved)[0, 1])

    assert agreement(0.0) > 0.999
    assert max((agreement(shift), -abs(shift)) for shift in (-0.5, -0.25, 0.0, 0.25, 0.5))[1] == 0.0


def test_rruff_endings_hold_one_spectrum() -> None:
    stem = f"{PAIRED}/rruf/Anatase__R060277__Broad_Scan____0__unoriented__Raman_Data_RAW__21346"
    first, second = _read(f"{stem}.txt"), _read(f"{stem}.rruf")
    assert np.array_equal(first.axis, second.axis)
    assert np.array_equal(first.intensities, second.intensities)


@pytest.mark.parametrize(("unit", "rounding"), [("abs-cm-1", 0.06), ("eV", 0.06)])
def test_labspec_units_are_one_spectrum(unit: str, rounding: float) -> None:
    """One measurement in three units: six digits of 13872 cm-1 are 0.1, of 1.6 eV 0.1 cm-1."""
    shift, other = (
        _read(f"{JY}/jobinyvon_test_spec_3s_cm-1.xml"),
        _read(f"{JY}/jobinyvon_test_spec_3s_{unit}.xml"),
    )
    assert np.abs(shift.axis - other.axis).max() < rounding
    assert np.array_equal(shift.intensities, other.intensities)


@pytest.mark.parametrize(
    ("name", "low", "high", "band"),
    # Polystyrene's ring breathing 1001.4 (ASTM E1840), anatase 141-144, silicon 520.5, graphene's G 1583.
    [
        (f"{PAIRED}/BWTEK/PST10_iR532_Probe_100_3000msx7.txt", 900, 1100, 1001.4),
        (f"{PAIRED}/Horiba/PST10_iR785_OP01_8000msx8.txt", 900, 1100, 1001.4),
        (f"{PAIRED}/InViaReflex/PST_Reflex532_Z050_010_10000msx2.spc", 900, 1100, 1001.4),
        (f"{PAIRED}/iRaman/PST02_iRPlus785_Z050_075_3200ms.txt", 900, 1100, 1001.4),
        (f"{PAIRED}/Zolix/PST02_Zolix785_Probe_070_190ms.txt", 900, 1100, 1001.4),
        (f"{PAIRED}/Witec/PST_WiICV532_Z050OP02_075_800msx10.txt", 900, 1100, 1001.4),
        (f"{PAIRED}/LightNovo/polystyrene_aritficially_worsened.tsv", 900, 1100, 1001.4),
        (f"{PAIRED}/Neegala/PST_AfCal_10min_532nm_EZI860.txt", 900, 1100, 1001.4),
        (
            f"{PAIRED}/rruf/Anatase__R060277__Broad_Scan____0__unoriented__Raman_Data_RAW__21346.rruf",
            100,
            200,
            143,
        ),
        ("graphene_map/Example_Map.wdf", 1500, 1650, 1583),
    ],
)
def test_known_bands_are_where_they_belong(name: str, low: float, high: float, band: float) -> None:
    """Within 6 cm-1: some of these spectrometers were exported before their calibration."""
    part = _read(name).crop(low, high)
    found = part.axis[int(np.argmax(part.intensities.mean(axis=0)))]
    assert abs(found - band) < 6.0
