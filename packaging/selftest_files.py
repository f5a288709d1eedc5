"""Write one small file of every kind that NanoAI reads, for the self-test of the standalone program.

    python packaging/selftest_files.py FOLDER

Beside the files stands ``expected.json``: for each file what must be found in it. The files are written
byte by byte from the formats' descriptions, or by libraries that the program's readers do not use.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.core import raman_made  # noqa: E402
from tests.dm4_writer import write_dm4  # noqa: E402

NM_PER_PX = 2.0
SHAPE = (48, 64)
LASER_NM = 785.0
IMAGE = np.random.default_rng(7).integers(1000, 9000, SHAPE).astype(np.uint16)
SPECTRUM = raman_made.bands(1)
AXIS = raman_made.AXIS


# ------------------------------------------------------------------------------------------ images


def tiff(path: Path) -> None:
    import tifffile

    per_cm = round(1e7 / NM_PER_PX)
    tifffile.imwrite(path, IMAGE, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", compression="lzw")


def picture(path: Path) -> None:
    from PIL import Image

    Image.fromarray((IMAGE >> 6).astype(np.uint8)).save(path)


def digital_micrograph(path: Path) -> None:
    write_dm4(path, IMAGE, NM_PER_PX, "nm", version=int(path.suffix[-1]))


def dm5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("ImageList/[0]/ImageData")
        group["Data"] = IMAGE
        for i in range(2):
            tags = group.create_group(f"Calibrations/Dimension/[{i}]")
            tags.attrs.update({"Scale": NM_PER_PX, "Units": "nm"})


def hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("measurement/image", data=IMAGE, compression="gzip")


def emd(path: Path) -> None:
    """Berkeley's EMD: an array with its axes beside it."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs.update({"version_major": 0, "version_minor": 2})
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        group["data"] = IMAGE
        for i, (name, size) in enumerate(zip("yx", SHAPE, strict=True), start=1):
            axis = group.create_dataset(f"dim{i}", data=NM_PER_PX * np.arange(size))
            axis.attrs.update({"name": name, "units": "[n_m]"})
        for name in ("comments", "microscope", "sample", "user"):
            file.create_group(name)


def mrc(path: Path) -> None:
    height, width = SHAPE
    head = bytearray(1024)
    struct.pack_into("<10i", head, 0, width, height, 1, 6, 0, 0, 0, width, height, 1)
    struct.pack_into("<6f", head, 40, 10 * NM_PER_PX * width, 10 * NM_PER_PX * height, 1, 90, 90, 90)
    struct.pack_into("<3i", head, 64, 1, 2, 3)
    head[208:216] = b"MAP \x44\x44\0\0"
    path.write_bytes(bytes(head) + IMAGE[::-1].tobytes())


def ser(path: Path) -> None:
    """One image of FEI's TIA."""
    height, width = SHAPE
    head_bytes, tag = 34 + 32, struct.pack("<HHI", 16722, 0, 0)
    image = struct.pack("<ddIddI", 0, 1e-9 * NM_PER_PX, 0, 0, 1e-9 * NM_PER_PX, 0)
    image += struct.pack("<HII", 2, width, height) + IMAGE[::-1].tobytes()
    at, table = head_bytes, head_bytes + len(image) + len(tag)
    head = struct.pack("<HHHIIII", 0x4949, 0x0197, 544, 16674, 16722, 1, 1)
    head += struct.pack("<QI", table, 1)
    head += struct.pack("<IddIII", 1, 0, 1, 0, 0, 0)
    path.write_bytes(head.ljust(head_bytes, b"\0") + image + tag + struct.pack("<QQ", at, at + len(image)))


def emi(path: Path) -> None:
    """TIA's description of an experiment; its image lies in a file of its own."""
    path.write_bytes(b"JJ\0\x02" + b"<ObjectInfo><Uuid>0</Uuid></ObjectInfo>" + bytes(16))
    ser(path.with_name(f"{path.stem}_1.ser"))


def jeol(path: Path) -> None:
    """A square image: JEOL's description knows one width of the field for both directions."""
    image = IMAGE[:, : SHAPE[0]]
    height, width = image.shape

    def tag(name: str, kind: int, value: bytes) -> bytes:
        key = name.encode() + b"\0"
        return struct.pack("<bi", 1, len(key)) + key + struct.pack("<ii", kind, len(value)) + value

    def group(name: str, *tags: bytes) -> bytes:
        closed = b"".join(part + struct.pack("<b", -1) for part in tags)
        return tag(name, 0, b"") + closed + struct.pack("<b", -1)

    # Height of the scan in mm over magnification is that of the image.
    magnification = height * 1000.0
    body = group(
        "Instrument",
        tag("ScanSize", 5, struct.pack("<d", 1e-6 * NM_PER_PX * height * magnification)),
        tag("Mag", 5, struct.pack("<d", magnification)),
        tag("AccV", 5, struct.pack("<d", 200.0)),
    ) + group(
        "Image",
        tag("Size", 3, struct.pack("<ii", width, height)),
        tag("Bits", 1, (image >> 6).astype(np.uint8).tobytes()),
        tag("Created", 5, struct.pack("<d", 46000.0)),
        tag("Title", 12, b"SEI\0"),
    )
    head = struct.pack("<I32sIII", 52, b"JED-2200:Line\0", 0, 0, 48)
    path.write_bytes(head.ljust(60, b"\0") + body + struct.pack("<b", 0))


# ------------------------------------------------------------------------------------------ spectra


def labspec(path: Path) -> None:
    values = " ".join(f"{value:g}" for value in SPECTRUM[0])
    shifts = " ".join(f"{value:.10g}" for value in AXIS)

    def node(identity: str, *inside: str) -> str:
        return f'<LSX Format="9" ID="{identity}" Size="{len(inside)}">{"".join(inside)}</LSX>'

    def axis(identity: str, kind: str, unit: str, numbers: str = "") -> str:
        parts = [f'<LSX Format="7" ID="0x6D707974">{kind}</LSX><LSX Format="7" ID="0x7C696E75">{unit}</LSX>']
        if numbers:
            parts.insert(0, f'<LSX Format="6" ID="0x7D6CD4DB" Size="{len(AXIS)}">{numbers}</LSX>')
        return node(identity, *parts)

    def fact(name: str, *values: str) -> str:
        ids = ("0x7D6C61DB", "0x8736F70")
        parts = [f'<LSX Format="7" ID="0x6D6D616E">{name}</LSX>']
        parts += [f'<LSX Format="7" ID="{i}">{value}</LSX>' for i, value in zip(ids, values, strict=False)]
        return node("0x0", *parts)

    facts = node(
        "0x6C62D4D9",
        node("0x7CECDBD7", fact("Acquired", "01.02.2026 10:00:00")),
        node("0x8716361", fact("Laser (nm)", "785", f"{LASER_NM}"), fact("ND Filter", "100%", "100"),
             fact("Hole", "100"), fact("Accumulations", "1"), fact("Acq. time (s)", "1")),
        node("0x7C73E2D2", fact("Remark", "made here")),
    )  # fmt: skip
    axes = node("0x7A74D9D6", node("0x7B697861", axis("0x0", "Intens", "Cnt"),
                                   axis("0x1", "Spectr", "1/cm", shifts)))  # fmt: skip
    tree = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<LSX_Data><LSX_Tree Format="9" ID="0x69746164" Size="9">'
        '<LSX Format="7" ID="0x6D707974">Spectrum</LSX><LSX Format="8" ID="0x6C7469D9">made here</LSX>'
        f"{facts}{axes}</LSX_Tree>"
        '<LSX_Matrix Format="9" ID="0x0" Size="1"><LSX_Row Size="1">'
        f"{values}</LSX_Row></LSX_Matrix></LSX_Data>\n"
    )
    path.write_text(tree, encoding="utf-8")


def trivista(path: Path) -> None:
    def items(name: str, **values: object) -> str:
        inside = "".join(
            f"<Item><Name>{key}</Name><Value>{value}</Value></Item>" for key, value in values.items()
        )
        return f"<Group><Name>{name}</Name><Items>{inside}</Items><Groups /></Group>"

    spectrometer = items("Spectrometer", Serialnumber="1", Model="made here", Groove_Density="900 g/mm")
    info = (
        "<Info><Groups>"
        + items("Calibration", Laser_Wavelength=LASER_NM, Center_Wavelength=850)
        + f"<Group><Name>Spectrometers</Name><Items /><Groups>{spectrometer}</Groups></Group>"
        + items("Detector", **{"Name": "Camera1", "No_of_Frames": 1, "No_of_Accumulations": 1,
                               "Detector_Temperature": -60, "Exposure_Time_(ms)": 1000})
        + items("Experiment", **{"Used Setup": "made here"})
        + "</Groups></Info>"
    )  # fmt: skip
    wavelengths = 1e7 / (1e7 / LASER_NM - AXIS)
    numbers = "|".join([str(len(AXIS)), *(f"{value:.8f}" for value in wavelengths)])
    values = ";".join(f"{value:g}" for value in SPECTRUM[0])
    gratings = '<Gratings Count="2"><Grating GrooveDensity="900 g/mm" Blaze="550NM" />'
    gratings += '<Grating GrooveDensity="1800 g/mm" Blaze="550NM" /></Gratings>'
    objectives = '<Objectives Count="2"><Objective IsEnabled="True" Magnification="100.000" />'
    objectives += '<Objective IsEnabled="False" Magnification="50.000" /></Objectives>'
    twice = range(1, 3)
    hardware = (
        '<Hardware Version="2"><Spectrometers Count="2">'
        + "".join(f'<Spectrometer Serialnumber="{i}">{gratings}</Spectrometer>' for i in twice)
        + '</Spectrometers><Detectors Count="2">'
        + "".join(f'<Detector Name="Camera{i}" />' for i in twice)
        + '</Detectors><LightSources Count="2">'
        + "".join(f'<LightSource Name="{i}"><Wavelengths Value_0="{i * LASER_NM}" /></LightSource>'
                  for i in twice)
        + '</LightSources><Microscopes Count="2">'
        + "".join(f'<Microscope Name="{i}">{objectives}</Microscope>' for i in twice)
        + "</Microscopes></Hardware>"
    )  # fmt: skip
    document = (
        '<Document Label="Intensity" DataLabel="Counts" RecordTime="10/21/2022 10:39:06.795" '
        f"InfoSerialized={quoteattr(info)}>"
        f'<xDim Count="1"><Calibration Unit="Nanometer" ValueArray={quoteattr(numbers)} /></xDim>'
        f'<Data><Frame TimeStamp="133108079467950000">{values}</Frame></Data><Childs Count="0" /></Document>'
    )
    path.write_text(
        f'<XmlMain Version="1.0.1">{hardware}<Documents Count="1">{document}</Documents></XmlMain>\n',
        encoding="utf-8",
    )


def wdf(path: Path) -> None:
    raman_made.wdf(path, SPECTRUM)


def spc(path: Path) -> None:
    raman_made.spc(path, SPECTRUM)


def jcamp(path: Path) -> None:
    step = AXIS[1] - AXIS[0]
    lines = [f"{x:.6f} {y:g}" for x, y in zip(AXIS, SPECTRUM[0], strict=True)]
    raman_made.jcamp(path, lines, len(AXIS), AXIS[0], AXIS[-1], DELTAX=f"{step:.9f}")


def text(path: Path) -> None:
    raman_made.columns(path, SPECTRUM, head="Raman shift\tcounts\n")


def _rows() -> list[list[object]]:
    """A spectra table: the axis as heads of columns."""
    head: list[object] = ["label", *(round(float(value), 6) for value in AXIS)]
    return [head, ["made here", *(float(value) for value in SPECTRUM[0])]]


def table(path: Path) -> None:
    separator = "\t" if path.suffix == ".tsv" else ","
    lines = (separator.join(str(value) for value in row) for row in _rows())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def workbook(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in _rows():
        book.active.append(row)
    book.save(path)
    book.close()


IMAGES: dict[str, tuple[Callable[[Path], None], bool]] = {
    ".tif": (tiff, True), ".tiff": (tiff, True), ".png": (picture, False), ".jpg": (picture, False),
    ".jpeg": (picture, False), ".bmp": (picture, False), ".dm3": (digital_micrograph, True),
    ".dm4": (digital_micrograph, True), ".dm5": (dm5, True), ".h5": (hdf5, False), ".hdf5": (hdf5, False),
    ".emd": (emd, True), ".mrc": (mrc, True), ".mrcs": (mrc, True), ".ser": (ser, True), ".emi": (emi, True),
    ".img": (jeol, True),
}  # fmt: skip
"""Ending, writer, and whether the file holds the pixel size."""
SPECTRA: dict[str, Callable[[Path], None]] = {
    ".wdf": wdf, ".spc": spc, ".jdx": jcamp, ".dx": jcamp, ".jcamp": jcamp, ".txt": text, ".rruf": text,
    ".csv": table, ".tsv": table, ".xlsx": workbook, ".xml": labspec, ".tvf": trivista,
}  # fmt: skip


def write_all(folder: Path) -> None:
    """Write every file and what must be found in it."""
    folder.mkdir(parents=True, exist_ok=True)
    expected: dict[str, dict[str, Any]] = {}
    for suffix, (write, is_calibrated) in IMAGES.items():
        name = f"image{suffix}"
        write(folder / name)
        shape = [SHAPE[0]] * 2 if suffix == ".img" else list(SHAPE)
        size = NM_PER_PX if is_calibrated else None
        expected[name] = {"kind": "image", "shape": shape, "nm_per_px": size}
    for suffix, write_spectrum in SPECTRA.items():
        name = f"spectrum{suffix}"
        write_spectrum(folder / name)
        expected[name] = {
            "kind": "spectra", "n_spectra": 1, "n_points": len(AXIS),
            "axis": [round(float(AXIS[0]), 3), round(float(AXIS[-1]), 3)],
        }  # fmt: skip
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
