"""The pixel size of a TIFF page: every maker keeps it elsewhere, and print resolutions mean nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.frames import PixelSize
from nanoai_gui.core.files.length_units import is_no_unit, is_reciprocal, nm_per_unit

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

DISAGREEMENT = 0.01
"""Two statements of one file that differ by more than this are worth a warning."""
COARSEST_FROM_RESOLUTION_TAGS = 1000.0
"""nm per px. Print resolutions (72 to 2400 dpi) are ten thousand and more, electron images far below."""


def pixel_size(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize:
    """Find what a TIFF page says about its pixel size.

    Raises
    ------
    ReadError
        If the page says that it is a diffraction pattern.
    """
    for source in _SOURCES:
        found = source(tiff, page, name)
        if found is not None:
            return found
    return PixelSize()


def diffraction(name: str, unit: str = "") -> ReadError:
    """Say that an image is one of angles, not of lengths."""
    of = f" (its pixels are given in {unit})" if unit else ""
    return ReadError(
        f"{name} is a diffraction pattern{of}, not an image of particles.",
        "Open an image taken in imaging mode.",
    )


def disagree(one: float, other: float, tolerance: float = DISAGREEMENT) -> bool:
    """Whether two pixel sizes contradict each other."""
    return abs(one / other - 1) > tolerance


def as_number(value: object) -> float | None:
    """Read a positive finite number, else ``None``."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _tag(page: TiffPage, code: int) -> Any:  # noqa: ANN401 - a tag holds anything
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _fei(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """FEI / Thermo Fisher: sections of text in tag 34680 or 34682, pixel width in metres."""
    meta = _tag(page, 34682) or _tag(page, 34680)
    if not isinstance(meta, Mapping):
        return _thermo_xml(page)
    scan = meta.get("Scan") or meta.get("EScan") or {}
    x, y = as_number(scan.get("PixelWidth")), as_number(scan.get("PixelHeight"))
    across = as_number((meta.get("Image") or {}).get("ResolutionX"))
    beam = meta.get("EBeam") or meta.get("IRBeam") or {}
    field = as_number(scan.get("HorFieldsize")) or as_number(beam.get("HFW"))
    from_field = field / across if field and across else None
    if x is None:
        if from_field is None:
            return PixelSize(warnings=("The FEI metadata holds no pixel size.",))
        return PixelSize(from_field * 1e9, from_field * 1e9, "FEI metadata, field width")
    doubts: list[str] = []
    if from_field is not None and disagree(x, from_field):
        doubts.append(
            f"The FEI metadata give {x * 1e9:.4g} nm per px, but their field of view means "
            f"{from_field * 1e9:.4g} nm."
        )
    if across is not None and across != page.imagewidth:
        scaled = x * across / page.imagewidth
        doubts.append(
            f"The image is {page.imagewidth} px wide but was taken with {across:.0f} px; if it was not "
            f"cropped but scaled, a pixel is {scaled * 1e9:.4g} nm."
        )
    return PixelSize(x * 1e9, (y or x) * 1e9, "FEI metadata", tuple(doubts))


def _thermo_xml(page: TiffPage) -> PixelSize | None:
    """Thermo Fisher's newer files: XML in tag 34683 with a pixel size per axis and its power of ten."""
    text = _tag(page, 34683)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str) or "<PixelSize" not in text:
        return None
    block = text.partition("<PixelSize")[2].partition("</PixelSize>")[0]
    sizes: dict[str, float] = {}
    for axis, attributes, value in re.findall(r"<([XY])\b([^>]*)>([^<]+)<", block):
        unit = re.search(r'unit="([^"]*)"', attributes)
        power = re.search(r'unitPrefixPower="([^"]*)"', attributes)
        factor = nm_per_unit(unit.group(1) if unit else "m")
        number = as_number(value)
        if factor is not None and number is not None:
            sizes[axis] = number * factor * (as_number(power.group(1)) or 1.0 if power else 1.0)
    if "X" not in sizes:
        return None
    return PixelSize(sizes["X"], sizes.get("Y", sizes["X"]), "Thermo Fisher metadata")


def _zeiss(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """Zeiss SEM, tag 34118.

    The tag holds two sizes: that of a display 1024 px wide (unnamed fourth number, in metres, also
    called "Pixel Size") and, in newer versions, the "Image Pixel Size" with four digits. Only the
    first, scaled by 1024 / image width, has full precision (hyperspy pull request 2056).
    """
    meta = _tag(page, 34118)
    if not isinstance(meta, Mapping):
        return None
    unnamed = meta.get("", ())
    display = as_number(unnamed[3]) if len(unnamed) > 3 else None
    exact = display * 1e9 * 1024 / page.imagewidth if display else None
    stated = _zeiss_length(meta.get("ap_image_pixel_size"))
    width = _zeiss_length(meta.get("ap_width"))
    if stated is None and width is not None:
        stated = width / page.imagewidth
    if exact is None and stated is None:
        return PixelSize(warnings=("The Zeiss metadata hold no pixel size.",))
    if exact is None or (stated is not None and disagree(exact, stated)):
        assert stated is not None
        doubts: tuple[str, ...] = ()
        if exact is not None:
            doubts = (
                f"The Zeiss metadata hold two pixel sizes, {stated:.4g} and {exact:.4g} nm; the image was "
                "cropped or scaled after it was taken. Check with the scale bar.",
            )
        return PixelSize(stated, stated, "Zeiss tag 34118, image pixel size", doubts)
    return PixelSize(exact, exact, "Zeiss tag 34118")


def _zeiss_length(entry: object) -> float | None:
    """Give an entry such as ``("Width", 25.24, "µm")`` in nm."""
    if not isinstance(entry, tuple) or len(entry) < 3:
        return None
    factor, number = nm_per_unit(str(entry[2])), as_number(entry[1])
    return None if factor is None or number is None else number * factor


def _tvips(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """TVIPS EM-MENU: nm in the image plane, plus camera pixel and magnification to check it with."""
    meta = _tag(page, 37706)
    if not isinstance(meta, Mapping) or not meta:
        return None
    x, y = as_number(meta.get("PixelSizeX")), as_number(meta.get("PixelSizeY"))
    if x is None:
        return PixelSize(warnings=("The TVIPS header holds no pixel size.",))
    camera = as_number(meta.get("PhysicalPixelSizeX"))
    magnification = as_number(meta.get("TemMagnification"))
    doubts: tuple[str, ...] = ()
    if camera is not None and magnification is not None:
        expected = camera * (as_number(meta.get("BinningX")) or 1.0) / magnification
        expected /= as_number(meta.get("PostMagnification")) or 1.0
        expected /= as_number(meta.get("TemMagnificationCorrection")) or 1.0
        # Lens magnifications are good to some ten per cent only.
        if disagree(x, expected, 0.3):
            doubts = (
                f"The header gives {x:.4g} nm per px, but its magnification of {magnification:.6g} means "
                f"{expected:.4g} nm. Check with the scale bar.",
            )
    return PixelSize(x, y or x, "TVIPS header", doubts)


def _olympus(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """Olympus / EMSIS (SIS), tags 33471 and 33560: metres."""
    for code in (33560, 33471):
        meta = _tag(page, code)
        if isinstance(meta, Mapping):
            x, y = as_number(meta.get("pixelsizex")), as_number(meta.get("pixelsizey"))
            if x is not None:
                return PixelSize(x * 1e9, (y or x) * 1e9, "Olympus SIS metadata")
    return None


def _jeol(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """JEOL SightX: pixels per metre on the screen, divided by the magnification; XML in the description."""
    make = _tag(page, 271)
    if not (isinstance(make, str) and "JEOL" in make) or "<TemReporter" not in page.description:
        return None
    text = page.description
    if "ASID" in (_xml(text, "EosMode") or ""):  # the scanning image device: STEM
        return PixelSize(
            warnings=("The image was taken in STEM mode (a Ronchigram, perhaps), which has no pixel size.",)
        )
    if "DIFF" in (_xml(text, "ModeString") or ""):
        raise diffraction(name)
    density = as_number(_xml(text.partition("<PixelsPerMeter>")[2], "Horizontal"))
    vertical = as_number(_xml(text.partition("<PixelsPerMeter>")[2], "Vertical"))
    magnification = as_number(_xml(text, "SelectorValue"))
    if density is None or magnification is None:
        return PixelSize(warnings=("The JEOL metadata hold no magnification.",))
    x = 1e9 / (density * magnification)
    y = 1e9 / ((vertical or density) * magnification)
    return PixelSize(x, y, f"JEOL metadata, magnification {magnification:.6g}")


def _xml(text: str, element: str) -> str | None:
    """Text of the first element of that name (the files are too sloppy for a strict parser)."""
    found = re.search(rf"<{element}>([^<]*)</{element}>", text)
    return found.group(1).strip() if found else None


def _digital_micrograph(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """DigitalMicrograph: units in tags 65003 and 65004, scales in 65009 and 65010 (x, y)."""
    x, y = as_number(_tag(page, 65009)), as_number(_tag(page, 65010))
    if x is None:
        return None
    return from_axes((x, _text(_tag(page, 65003))), (y or x, _text(_tag(page, 65004))), name, "DM tags")


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def from_axes(x: tuple[float, str], y: tuple[float, str], name: str, detail: str) -> PixelSize:
    """Judge two axes, each a scale with its unit.

    Raises
    ------
    ReadError
        If the unit is that of a diffraction pattern.
    """
    for _, unit in (x, y):
        if is_reciprocal(unit):
            raise diffraction(name, unit)
    sizes: list[float] = []
    for scale, unit in (x, y):
        factor = nm_per_unit(unit)
        if factor is None:
            if is_no_unit(unit):
                return PixelSize(warnings=("The file gives no unit of length, so its scale is unknown.",))
            return PixelSize(warnings=(f"The file gives its scale in {unit!r}, which is no unit of length.",))
        sizes.append(scale * factor)
    return PixelSize(sizes[0], sizes[1], detail)


def _ome(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """OME-TIFF: PhysicalSizeX and its unit (micrometres when not given) in the first description."""
    text = tiff.pages.first.description
    if not text.rstrip().endswith("OME>"):
        return None
    sizes: list[tuple[float, str]] = []
    for axis in "XY":
        size = re.search(rf'\bPhysicalSize{axis}="([^"]+)"', text)
        unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]+)"', text)
        number = as_number(size.group(1)) if size else None
        if number is None:
            return PixelSize(warnings=("The OME metadata hold no pixel size.",))
        sizes.append((number, unit.group(1) if unit else "µm"))
    return from_axes(sizes[0], sizes[1], name, "OME metadata")


def _imagej(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """ImageJ: ``unit=`` in the description, pixels per unit in the resolution tags."""
    text = tiff.pages.first.description
    if not text.startswith("ImageJ="):
        return None
    unit = re.search(r"^unit=(.*)$", text, re.MULTILINE)
    x, y = _resolution(page, 282), _resolution(page, 283)
    if unit is None or x is None or is_no_unit(unit.group(1)):
        return PixelSize(warnings=("ImageJ saved this image without a scale.",))
    return from_axes((1 / x, unit.group(1)), (1 / (y or x), unit.group(1)), name, "ImageJ scale")


def _tescan(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """Tescan, tag 50431: lines such as ``PixelSizeX=1.9e-9`` in metres."""
    raw = _tag(page, 50431)
    text = _text(bytes(raw) if isinstance(raw, bytes | bytearray) else raw)
    found = {axis: as_number(size) for axis, size in re.findall(r"PixelSize([XY])=([0-9.eE+-]+)", text)}
    x = found.get("X")
    if x is None:
        return None
    return PixelSize(x * 1e9, (found.get("Y") or x) * 1e9, "Tescan metadata")


def _resolution(page: TiffPage, code: int) -> float | None:
    """Pixels per unit of a resolution tag."""
    value = _tag(page, code)
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return None
    return as_number(value[0] / value[1])


def _resolution_tags(tiff: TiffFile, page: TiffPage, name: str) -> PixelSize | None:
    """Plain resolution tags, believed only where they cannot be meant for a printer."""
    x, y = _resolution(page, 282), _resolution(page, 283)
    factor = {2: 2.54e7, 3: 1e7}.get(int(_tag(page, 296) or 2))
    if x is None or factor is None:
        return None
    nm = factor / x
    if nm > COARSEST_FROM_RESOLUTION_TAGS:
        return PixelSize(
            warnings=(f"The file's {2.54e7 / nm:.0f} dpi are meant for printing and are no scale.",)
        )
    return PixelSize(nm, factor / (y or x), "TIFF resolution tags")


_SOURCES: tuple[Callable[[TiffFile, TiffPage, str], PixelSize | None], ...] = (
    _fei, _zeiss, _tvips, _olympus, _jeol, _digital_micrograph, _ome, _imagej, _tescan, _resolution_tags,
)  # fmt: skip
