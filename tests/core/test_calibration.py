"""The pixel size: units, makers' metadata, doubts, and what is never believed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from nanoai_gui.core.errors import ParameterError, ReadError
from nanoai_gui.core.files.frames import PixelSize
from nanoai_gui.core.files.judgement import judge, stretch
from nanoai_gui.core.files.length_units import is_energy, is_no_unit, is_reciprocal, nm_per_unit
from nanoai_gui.core.files.micrographs import list_frames, read_micrograph
from nanoai_gui.core.tem.calibration import Calibration, CalibrationSource

IMAGE: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 255, (96, 128)).astype(np.uint8)


# Calibration itself


def test_typed_and_drawn_calibrations() -> None:
    typed = Calibration.typed(0.5)
    assert (typed.nm_per_px, typed.source) == (0.5, CalibrationSource.TYPED)
    drawn = Calibration.from_scale_bar(491, 100)
    assert drawn.nm_per_px == pytest.approx(0.2036660)
    assert drawn.source is CalibrationSource.SCALE_BAR
    assert drawn.detail == "bar of 491 px = 100 nm"
    assert not Calibration.unknown("no scale").is_known


@pytest.mark.parametrize("size", [0, -1.0, math.nan, math.inf, 1e-9, 1e9])
def test_absurd_sizes_cannot_be_typed(size: float) -> None:
    with pytest.raises(ParameterError, match="not possible"):
        Calibration.typed(size)


@pytest.mark.parametrize(("pixels", "nm"), [(0, 100), (100, 0), (-5, 100)])
def test_a_line_needs_a_length(pixels: float, nm: float) -> None:
    with pytest.raises(ParameterError, match="zero"):
        Calibration.from_scale_bar(pixels, nm)


def test_a_known_size_needs_a_source() -> None:
    with pytest.raises(ValueError, match="source"):
        Calibration(1.0, CalibrationSource.NONE)
    with pytest.raises(ValueError, match="source"):
        Calibration(None, CalibrationSource.TYPED)


# Units


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("nm", 1), ("n_m", 1), ("[n_m]", 1), (" nm\0", 1), ("NM", 1), ("µm", 1e3), ("μm", 1e3), ("um", 1e3),
        ("micron", 1e3), ("\\u00B5m", 1e3), ("A", 0.1), ("Å", 0.1), ("\u212b", 0.1), ("angstrom", 0.1),
        ("pm", 1e-3), ("m", 1e9), ("cm", 1e7), ("mm", 1e6), ("inch", 2.54e7),
    ],
)  # fmt: skip
def test_units_of_length(unit: str, nm: float) -> None:
    assert nm_per_unit(unit) == pytest.approx(nm)
    assert not is_reciprocal(unit)
    assert not is_no_unit(unit)


@pytest.mark.parametrize(
    "unit", ["1/nm", "1 / nm", "1/m", "nm^-1", "nm^{-1}", "1 / Å", "nm⁻¹", "mrad", "rad", "A^-1"]
)
def test_units_of_diffraction(unit: str) -> None:
    assert is_reciprocal(unit)
    assert nm_per_unit(unit) is None


@pytest.mark.parametrize("unit", ["", None, "px", "pixel", "[]", "<undefined>"])
def test_no_unit(unit: str | None) -> None:
    assert is_no_unit(unit)
    assert nm_per_unit(unit) is None
    assert not is_reciprocal(unit)


def test_other_units_are_no_lengths() -> None:
    for unit in ("µ", "µnn", "s", "eV", "counts"):
        assert nm_per_unit(unit) is None
        assert not is_reciprocal(unit)
    assert is_energy("keV")
    assert not is_energy("nm")


# Judgement


def test_square_and_nearly_square_pixels_stay() -> None:
    square = judge(PixelSize(2.0, 2.0, "here"), Path("a.tif"))
    assert square.calibration == Calibration(2.0, CalibrationSource.METADATA, "here")
    nearly = judge(PixelSize(1.0, 1.01, "here"), Path("a.tif"))
    assert nearly.is_square
    assert nearly.calibration.nm_per_px == pytest.approx(math.sqrt(1.01))
    assert "geometric mean" in nearly.calibration.warnings[0]


def test_stretching_makes_circles_of_ellipses() -> None:
    y, x = np.mgrid[:100, :160]
    disc = ((x - 80) ** 2 + (1.6 * (y - 50)) ** 2 < 60**2).astype(np.float32)  # pixels 1 nm x 1.6 nm
    judgement = judge(PixelSize(1.0, 1.6), Path("a.tif"))
    square = stretch(disc, judgement)
    assert square.shape == (160, 160)
    assert judgement.calibration.nm_per_px == pytest.approx(1.0)
    assert square.sum() == pytest.approx(math.pi * 60**2, rel=0.01)
    rows, columns = np.nonzero(square > 0.5)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)


@pytest.mark.parametrize("size", [-1.0, 0.0, math.nan, math.inf, 4e16, 1e-7])
def test_absurd_claims_count_as_no_scale(size: float) -> None:
    judgement = judge(PixelSize(size, size, "header"), Path("a.mrc"))
    assert not judgement.calibration.is_known
    assert "not possible" in judgement.calibration.warnings[0]


# TIFF of the makers


def _write(path: Path, tags: list[tuple[Any, ...]], image: NDArray[Any] = IMAGE, **more: object) -> Path:
    tifffile.imwrite(path, image, extratags=tags, metadata=None, **more)  # type: ignore[arg-type]
    return path


def _fei(path: Path, text: str, image: NDArray[Any] = IMAGE) -> Path:
    return _write(path, [(34682, "s", 0, text, True)], image)


def test_fei_with_its_data_bar(tmp_path: Path) -> None:
    text = "[Scan]\r\nPixelWidth=2e-9\r\nPixelHeight=2e-9\r\n[Image]\r\nResolutionX=128\r\nResolutionY=80\r\n"
    micrograph = read_micrograph(_fei(tmp_path / "a.tif", text))
    assert micrograph.calibration.nm_per_px == pytest.approx(2.0)
    assert micrograph.calibration.detail == "FEI metadata"
    assert not micrograph.calibration.warnings
    assert micrograph.data_bar_top == 80
    text += "[PrivateFei]\r\nDatabarHeight=10\r\n"
    assert read_micrograph(_fei(tmp_path / "b.tif", text)).data_bar_top == 86


def test_fei_that_contradicts_itself_or_was_scaled_is_doubted(tmp_path: Path) -> None:
    text = (
        "[Scan]\r\nPixelWidth=2e-9\r\nPixelHeight=2e-9\r\nHorFieldsize=5e-7\r\n[Image]\r\nResolutionX=128\r\n"
    )
    found = read_micrograph(_fei(tmp_path / "a.tif", text)).calibration
    assert found.nm_per_px == pytest.approx(2.0)
    assert "3.906" in found.warnings[0]
    text = "[Scan]\r\nPixelWidth=2e-9\r\nPixelHeight=2e-9\r\n[Image]\r\nResolutionX=256\r\n"
    assert "4 nm" in read_micrograph(_fei(tmp_path / "b.tif", text)).calibration.warnings[0]


def _zeiss(path: Path, display: float, entries: str = "", image: NDArray[Any] = IMAGE) -> Path:
    text = f"0\r\n0\r\n0\r\n{display}\r\n50000\r\n6\r\n20000\r\n{entries}"
    return _write(path, [(34118, "s", 0, text, True)], image)


def test_zeiss_size_belongs_to_a_display_of_1024_px(tmp_path: Path) -> None:
    """128 px wide: a pixel is eight times that of the display; hyperspy pull request 2056."""
    stated = (
        "AP_PIXEL_SIZE\r\nPixel Size = 7.344 nm\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 58.75 nm\r\n"
    )
    found = read_micrograph(_zeiss(tmp_path / "a.tif", 7.34375e-9, stated)).calibration
    assert found.nm_per_px == pytest.approx(7.34375 * 8)
    assert not found.warnings


def test_zeiss_with_two_sizes_is_doubted(tmp_path: Path) -> None:
    stated = "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 7.344 nm\r\n"
    found = read_micrograph(_zeiss(tmp_path / "a.tif", 7.34375e-9, stated)).calibration
    assert found.nm_per_px == pytest.approx(7.344)
    assert "two pixel sizes" in found.warnings[0]


def test_olympus(tmp_path: Path) -> None:
    data = tmp_path / "a.tif"
    tifffile.imwrite(data, IMAGE, metadata=None, extratags=[(33560, "B", 400, bytes(400), True)])
    content = bytearray(data.read_bytes())
    with tifffile.TiffFile(data) as tiff:
        at = tiff.pages.first.tags[33560].valueoffset
    import struct

    content[at : at + 60] = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 0, 0, 1, 1, 100, b"x", 1)
    content[at + 60 : at + 68] = struct.pack("<hhI", 1, 0, at + 100)
    content[at + 100 : at + 212] = struct.pack(
        "<10xhdd8xd2x34s32s", -9, 0.75, 0.75, 30000.0, b"camera", b"type"
    )
    data.write_bytes(content)
    found = read_micrograph(data).calibration
    assert found.nm_per_px == pytest.approx(0.75)
    assert "Olympus" in found.detail


def _tvips(path: Path, **values: float) -> Path:
    first = np.zeros((), dtype=tifffile.TIFF.TVIPS_HEADER_V1)
    second = np.zeros((), dtype=tifffile.TIFF.TVIPS_HEADER_V2)
    first["Version"], second["Magic"] = 2, 0xAAAAAAAA
    for name, value in values.items():
        second[name] = value
    raw = first.tobytes() + second.tobytes()
    return _write(path, [(37706, "B", len(raw), raw, True)])


def test_tvips_and_its_magnification(tmp_path: Path) -> None:
    good = {"PixelSizeX": 1.4, "PixelSizeY": 1.4, "PhysicalPixelSizeX": 14000.0, "BinningX": 2}
    found = read_micrograph(_tvips(tmp_path / "a.tif", **good, TemMagnification=20000.0)).calibration
    assert found.nm_per_px == pytest.approx(1.4)
    assert not found.warnings
    wrong = read_micrograph(_tvips(tmp_path / "b.tif", **good, TemMagnification=60000.0)).calibration
    assert wrong.nm_per_px == pytest.approx(1.4)
    assert "magnification of 60000" in wrong.warnings[0]


def test_tescan_and_ome(tmp_path: Path) -> None:
    text = b"[MAIN]\nPixelSizeX=3.5e-9\nPixelSizeY=3.5e-9\n"
    found = read_micrograph(_write(tmp_path / "a.tif", [(50431, "B", len(text), text, True)])).calibration
    assert found.nm_per_px == pytest.approx(3.5)
    tifffile.imwrite(
        tmp_path / "b.ome.tif", IMAGE,
        metadata={"axes": "YX", "PhysicalSizeX": 0.0025, "PhysicalSizeXUnit": "µm",
                  "PhysicalSizeY": 2.5, "PhysicalSizeYUnit": "nm"},
    )  # fmt: skip
    assert read_micrograph(tmp_path / "b.ome.tif").calibration.nm_per_px == pytest.approx(2.5)


def test_thermo_fisher_xml(tmp_path: Path) -> None:
    xml = (
        '<?xml version="1.0"?><Metadata><BinaryResult><PixelSize><X unit="m" unitPrefixPower="1">1.2e-009</X>'
        '<Y unit="m" unitPrefixPower="1">1.2e-009</Y></PixelSize></BinaryResult></Metadata>'
    )
    found = read_micrograph(_write(tmp_path / "a.tif", [(34683, "s", 0, xml, True)])).calibration
    assert found.nm_per_px == pytest.approx(1.2)


@pytest.mark.parametrize("dpi", [72, 96, 150, 300, 2400])
def test_print_resolutions_are_no_scale(tmp_path: Path, dpi: int) -> None:
    path = _write(tmp_path / "a.tif", [], resolution=(dpi, dpi), resolutionunit=2)
    found = read_micrograph(path).calibration
    assert not found.is_known
    assert f"{dpi} dpi" in found.warnings[0]


def test_resolution_tags_that_cannot_be_meant_for_a_printer(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tif", [], resolution=(2e7, 2e7), resolutionunit=3)
    found = read_micrograph(path).calibration
    assert found.nm_per_px == pytest.approx(0.5)
    assert found.detail == "TIFF resolution tags"


def test_digitalmicrograph_tags(tmp_path: Path) -> None:
    def tags(unit: str) -> list[tuple[Any, ...]]:
        return [
            (65003, "s", 0, unit, True), (65004, "s", 0, unit, True),
            (65009, "d", 1, 0.25, True), (65010, "d", 1, 0.25, True),
        ]  # fmt: skip

    assert read_micrograph(_write(tmp_path / "a.tif", tags("nm"))).calibration.nm_per_px == pytest.approx(
        0.25
    )
    with pytest.raises(ReadError, match=r"diffraction pattern \(its pixels are given in 1/nm\)"):
        read_micrograph(_write(tmp_path / "b.tif", tags("1/nm")))
    unknown = read_micrograph(_write(tmp_path / "c.tif", tags("furlong"))).calibration
    assert "no unit of length" in unknown.warnings[0]


@pytest.mark.parametrize(
    ("unit", "nm"), [("nm", 0.5), ("micron", 500.0), ("um", 500.0), ("pixel", None), ("1/nm", "refused")]
)
def test_imagej_units(tmp_path: Path, unit: str, nm: float | str | None) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE, imagej=True, resolution=(2, 2), metadata={"unit": unit})
    if nm == "refused":
        with pytest.raises(ReadError, match="diffraction"):
            read_micrograph(path)
        return
    found = read_micrograph(path).calibration.nm_per_px
    assert found is None if nm is None else found == pytest.approx(nm)


# MRC, EMD, DM5 written here


def _mrc(path: Path, cell: float, image: NDArray[Any], order: str = "<") -> Path:
    header = np.zeros(256, f"{order}i4")
    header[:4] = (image.shape[1], image.shape[0], 1, 2)
    header[7:10] = (image.shape[1], image.shape[0], 1)
    header[10:13] = np.array([cell * image.shape[1], cell * image.shape[0], cell], f"{order}f4").view(
        f"{order}i4"
    )
    header[16:19] = (1, 2, 3)
    path.write_bytes(header.tobytes() + image.astype(f"{order}f4").tobytes())
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_mrc_gives_angstroms(tmp_path: Path, order: str) -> None:
    """Its unit is the angstrom (MRC2014); rosettasciio issue 91 mixed it up with nm."""
    micrograph = read_micrograph(_mrc(tmp_path / "a.mrc", 25.0, IMAGE, order))
    assert micrograph.calibration.nm_per_px == pytest.approx(2.5)
    np.testing.assert_array_equal(micrograph.pixels, IMAGE)


@pytest.mark.parametrize("cell", [0.0, -10.0])
def test_mrc_with_an_absurd_cell_is_uncalibrated(tmp_path: Path, cell: float) -> None:
    found = read_micrograph(_mrc(tmp_path / "a.mrc", cell, IMAGE)).calibration
    assert not found.is_known
    assert found.warnings


def _velox(path: Path, unit: str = "m", size: float = 2e-9, frames: int = 2) -> Path:
    import h5py

    meta = {
        "BinaryResult": {
            "Detector": "HAADF", "PixelUnitX": unit, "PixelUnitY": unit,
            "PixelSize": {"width": str(size), "height": str(size)},
        },
        "Optics": {"AccelerationVoltage": "200000"},
    }  # fmt: skip
    text = np.frombuffer(json.dumps(meta).encode().ljust(3000, b"\0"), np.uint8)
    with h5py.File(path, "w") as file:
        group = file.create_group("Data/Image/0123456789abcdef")
        group["Data"] = np.stack([IMAGE.astype(np.uint16) + i for i in range(frames)], axis=-1)
        group["Metadata"] = np.repeat(text[:, None], frames, axis=1)
        file["Presentation/Displays/ImageDisplay/a"] = json.dumps(
            {"display": {"label": "Wide%20view"}, "dataPath": "/Data/Image/0123456789abcdef"}
        )
    return path


def test_velox_stack(tmp_path: Path) -> None:
    path = _velox(tmp_path / "a.emd")
    assert [frame.label for frame in list_frames(path)] == ["Wide view 1", "Wide view 2"]
    micrograph = read_micrograph(path, frame=1)
    np.testing.assert_array_equal(micrograph.pixels, IMAGE.astype(np.uint16) + 1)
    assert micrograph.calibration.nm_per_px == pytest.approx(2.0)
    assert micrograph.metadata["Voltage"] == "200 kV"


def test_velox_diffraction_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="diffraction pattern"):
        read_micrograph(_velox(tmp_path / "a.emd", "1/m", 1e8))


def test_dm5_counts_axes_from_x(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "a.dm5", "w") as file:
        data = file.create_group("ImageList/[0]/ImageData")
        data["Data"] = IMAGE
        for i, scale in enumerate((0.5, 0.75)):
            axis = data.create_group(f"Calibrations/Dimension/[{i}]")
            axis.attrs["Scale"], axis.attrs["Units"] = scale, np.bytes_("nm")
    micrograph = read_micrograph(tmp_path / "a.dm5")
    assert micrograph.shape == (144, 128)  # rows of 0.75 nm resampled to 0.5 nm
    assert micrograph.calibration.nm_per_px == pytest.approx(0.5)
