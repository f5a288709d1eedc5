"""Units of length as instruments write them."""

from __future__ import annotations

import re

_NM = {
    "m": 1e9, "cm": 1e7, "mm": 1e6, "um": 1e3, "nm": 1.0, "pm": 1e-3, "fm": 1e-6,
    "a": 0.1, "å": 0.1, "ang": 0.1, "angstrom": 0.1, "angstroms": 0.1, "ångström": 0.1, "ångstrom": 0.1,
    "meter": 1e9, "metre": 1e9, "centimeter": 1e7, "millimeter": 1e6,
    "micrometer": 1e3, "micrometre": 1e3, "micron": 1e3, "microns": 1e3, "micrometers": 1e3,
    "nanometer": 1.0, "nanometre": 1.0, "nanometers": 1.0, "picometer": 1e-3, "picometre": 1e-3,
    "inch": 2.54e7, "in": 2.54e7,
}  # fmt: skip
_NO_UNIT = {"", "none", "px", "pixel", "pixels", "pix", "[]", "<undefined>", "undefined", "1", "[px]"}
_RECIPROCAL = re.compile(r"^1/|(\^|\*\*)-1$|⁻¹$|^[mu]?rad$|^deg$|^°$|^reciprocal")


def _plain(unit: str) -> str:
    """Bring a unit into one spelling: no blanks, brackets or underscores, one kind of µ, lower case."""
    text = unit.strip().strip("\0").replace("\\u00b5", "u").replace("\\u00B5", "u")
    text = re.sub(r"[\s\[\]()_]", "", text.replace("^{-1}", "^-1"))
    return text.replace("µ", "u").replace("μ", "u").replace("\u212b", "å").replace("Å", "å").lower()


def nm_per_unit(unit: str | None) -> float | None:
    """Nanometres in one ``unit`` (``µm``, ``um``, ``A``, ``n_m`` ...); ``None`` if it is no length."""
    return _NM.get(_plain(unit or ""))


def is_reciprocal(unit: str | None) -> bool:
    """Whether a unit is one of a diffraction pattern: 1/nm, nm^-1, mrad ..."""
    return bool(_RECIPROCAL.search(_plain(unit or "")))


def is_no_unit(unit: str | None) -> bool:
    """Whether a unit says that nothing is calibrated (empty, ``pixel`` ...)."""
    return (unit or "").strip().lower() in _NO_UNIT or _plain(unit or "") in _NO_UNIT


def is_energy(unit: str | None) -> bool:
    """Whether a unit is one of a spectrum's axis: eV, keV ..."""
    return _plain(unit or "") in ("ev", "kev", "mev")
