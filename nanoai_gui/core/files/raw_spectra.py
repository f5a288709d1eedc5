"""What a reader of foreign spectra hands over, and how it becomes a :class:`SpectralSet`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.spectra.spectral_set import MapGrid, SpectralSet, WhiteLight

NM_EV = 1239.841984
"""Wavelength in nm times energy in eV of a photon in vacuum: h c / e (CODATA 2018, exact constants)."""
ABSOLUTE_FROM = 5000.0
"""An axis in cm-1 that lies wholly above this is an absolute wavenumber: no Raman band has that shift, and
with lasers up to 1064 nm (9398 cm-1) scattered light of shifts up to 4400 cm-1 lies above it."""
LASER_RANGE_NM = (150.0, 2000.0)
NO_UNIT = "The file does not tell the unit of its axis; it was read as Raman shift in cm⁻¹."
MOST_VALUES = 2**31
"""A header that claims more intensities (8 GB) is damaged."""
_BLOCK_VALUES = 1 << 22


class LaserNeeded(ReadError):
    """The axis is in nm, eV or absolute cm-1 and the file does not name the laser: pass ``laser_nm``."""


class AxisUnit(Enum):
    """What the values of an axis are."""

    RAMAN_SHIFT = "cm⁻¹"
    PER_CM = "cm⁻¹, shift or absolute"
    ABSOLUTE_PER_CM = "absolute cm⁻¹"
    NM = "nm"
    EV = "eV"
    UNSAID = "cm⁻¹, not stated"


@dataclass
class RawSpectra:
    """Spectra as a file holds them.

    Parameters
    ----------
    intensities
        (n, k) float32; may be changed in place.
    axis
        (k,) in ``unit``, rising or falling.
    unit
        ``PER_CM`` is judged by its values (see :data:`ABSOLUTE_FROM`), and so, with a warning, is ``UNSAID``.
    name
        Of the map, series or spectrum within the file; goes into the column ``map``.
    columns
        Further columns of n entries.
    grid, image, laser_nm, warnings, metadata
        As in :class:`~nanoai_gui.core.spectra.spectral_set.SpectralSet`.
    """

    intensities: NDArray[np.float32]
    axis: NDArray[np.float64]
    unit: AxisUnit
    name: str = ""
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    grid: MapGrid | None = None
    image: WhiteLight | None = None
    laser_nm: float | None = None
    warnings: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def finish(raw: RawSpectra, path: Path, laser_nm: float | None = None) -> SpectralSet:
    """Bring the axis to ascending Raman shift and leave out spectra that hold no numbers.

    Parameters
    ----------
    laser_nm
        Used if the file does not name its laser.

    Returns
    -------
    The set; it takes over ``raw.intensities``, which are not copied unless spectra are left out.

    Raises
    ------
    LaserNeeded
        If the axis needs a laser and there is none.
    ReadError
        If the axis is not strictly rising or falling, or no spectrum is left.
    """
    check_size(path, raw.intensities.shape)
    n = raw.intensities.shape[0]
    laser = plausible_laser(raw.laser_nm) or plausible_laser(laser_nm)
    axis = to_raman_shift(np.asarray(raw.axis, dtype=np.float64), raw.unit, laser, path)
    if axis.size < 2 or axis[0] == axis[-1]:
        raise ReadError(
            f"{path.name} holds spectra of a single point.",
            "Export whole spectra, one intensity a Raman shift.",
        )
    intensities = np.ascontiguousarray(raw.intensities, dtype=np.float32)
    if axis[0] > axis[-1]:
        axis = np.ascontiguousarray(axis[::-1])
        _reverse(intensities)
    warnings = list(raw.warnings)
    if raw.unit is AxisUnit.UNSAID:
        warnings.append(NO_UNIT)
    steps = np.diff(axis)
    if (steps >= 0).all() and not (steps > 0).all():
        axis, intensities = _merge_equal(axis, intensities)
        warnings.append(f"Points of {path.name} at the same Raman shift were averaged.")
    check_axis(axis, path)
    columns = {"source": np.full(n, path.name), "map": np.full(n, raw.name), **raw.columns}
    kept = finite_rows(intensities)
    grid = raw.grid
    if not kept.all():
        missing = int(n - kept.sum())
        if missing == n:
            raise ReadError(
                f"{path.name} holds no intensities, only missing values.", "Export the spectra again."
            )
        warnings.append(
            f"{plural(missing, 'spectrum', 'spectra')} with missing values left out of {path.name}."
        )
        columns.setdefault("index", np.arange(n))
        columns = {name: values[kept] for name, values in columns.items()}
        intensities = intensities[kept]
        if grid is not None:
            grid = MapGrid(grid.n_rows, grid.n_columns, grid.index[kept], grid.x0, grid.y0, grid.dx, grid.dy)
    return SpectralSet(
        intensities=intensities,
        axis=axis,
        columns=columns,
        grid=grid,
        image=raw.image,
        laser_nm=laser,
        warnings=tuple(warnings),
        metadata=raw.metadata,
    )


def to_raman_shift(
    values: NDArray[np.float64], unit: AxisUnit, laser_nm: float | None, path: Path
) -> NDArray[np.float64]:
    """Convert an axis to Raman shift, 1e7 / laser - 1e7 / wavelength (nm), in cm-1.

    Wavelengths of axis and laser are taken in the same medium; the refractive index of air, which then
    scales the shift by 1.0003, is not corrected for (below 1 cm-1 everywhere).

    Raises
    ------
    LaserNeeded
        If a laser is needed and ``laser_nm`` is ``None``.
    ReadError
        If values cannot be what they are said to be.
    """
    if values.size == 0 or not np.isfinite(values).all():
        raise ReadError(f"The axis of {path.name} holds missing values.", "Export the spectra again.")
    if unit in (AxisUnit.PER_CM, AxisUnit.UNSAID):
        unit = AxisUnit.ABSOLUTE_PER_CM if values.min() > ABSOLUTE_FROM else AxisUnit.RAMAN_SHIFT
    if unit is AxisUnit.RAMAN_SHIFT:
        return values
    if values.min() <= 0:
        raise ReadError(
            f"The axis of {path.name} is said to be in {unit.value} but holds {values.min():g}.",
            "Export the spectra over their Raman shift.",
        )
    if laser_nm is None:
        raise LaserNeeded(
            f"The axis of {path.name} is in {unit.value}, and the file does not tell the laser's wavelength.",
            "Enter the wavelength in nm (command line: --laser-nm).",
        )
    if unit is AxisUnit.NM:
        scattered = 1e7 / values
    elif unit is AxisUnit.EV:
        scattered = 1e7 * values / NM_EV
    else:
        scattered = values
    return 1e7 / laser_nm - scattered


def plausible_laser(nm: float | None) -> float | None:
    """Give back a wavelength that a Raman laser can have, else ``None`` (0 means unknown in many files)."""
    if nm is None or not LASER_RANGE_NM[0] <= float(nm) <= LASER_RANGE_NM[1]:
        return None
    return float(nm)


def unit_of(words: str) -> AxisUnit | None:
    """Understand how people and programs write the unit of an axis; ``None`` if nothing is said."""
    text = words.lower()
    if re.search(r"raman|shift|\brel(ative|\.|\b)", text):
        return AxisUnit.RAMAN_SHIFT
    if re.search(r"\bnm\b|nanomet|wave ?length", text):
        return AxisUnit.NM
    if re.search(r"\bev\b|electron ?volt", text):
        return AxisUnit.EV
    if re.search(r"cm|wave ?number", text):
        return AxisUnit.PER_CM
    return None


def laser_in(words: str) -> float | None:
    """Find a wavelength in nm in the name of a laser (``532nm_Edge``, ``785``, ``532,02``)."""
    found = re.search(r"(?<![\d.,])(\d{3,4}(?:[.,]\d+)?)(?![\d])", words)
    return plausible_laser(float(found[1].replace(",", "."))) if found else None


def check_size(path: Path, shape: tuple[int, ...], available: int | None = None) -> None:
    """Refuse an empty file, or a header that claims more values than the file can hold, before allocating.

    Parameters
    ----------
    shape
        Number of spectra and points, as the header claims.
    available
        Values there is room for in the file; ``None``: not checked.

    Raises
    ------
    ReadError
        If the claim is impossible.
    """
    count = 1
    for length in shape:
        count *= int(length)
    if count <= 0:
        raise ReadError(f"{path.name} holds no spectra.", "Choose another file.")
    if count > MOST_VALUES or (available is not None and count > available):
        raise ReadError(
            f"{path.name} claims {' x '.join(str(int(length)) for length in shape)} values, more than are in"
            " it: it is damaged or incomplete.",
            "Copy it again from the instrument.",
        )


def _merge_equal(
    axis: NDArray[np.float64], intensities: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Average neighbours on an ascending axis that lie at one place (where scans were stitched, say)."""
    starts = np.flatnonzero(np.concatenate(([True], np.diff(axis) > 0)))
    counts = np.diff(np.append(starts, axis.size)).astype(np.float32)
    merged = np.empty((intensities.shape[0], starts.size), np.float32)
    np.add.reduceat(intensities, starts, axis=1, out=merged)
    merged /= counts
    return axis[starts], merged


def check_axis(axis: NDArray[np.float64], path: Path) -> None:
    """Refuse an axis that does not ascend strictly.

    Raises
    ------
    ReadError
        Naming the first place.
    """
    steps = np.diff(axis)
    if (steps > 0).all():
        return
    at = int(np.argmax(steps <= 0))
    raise ReadError(
        f"The axis of {path.name} goes up and down (at {axis[at]:g} cm⁻¹).",
        "Export one spectrum a column, or one file a spectrum.",
    )


def finite_rows(intensities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,) whether all values of a spectrum are finite, computed without a copy of all of them."""
    kept = np.empty(intensities.shape[0], dtype=np.bool_)
    rows = max(1, _BLOCK_VALUES // max(intensities.shape[1], 1))
    for start in range(0, intensities.shape[0], rows):
        kept[start : start + rows] = np.isfinite(intensities[start : start + rows]).all(axis=1)
    return kept


def _reverse(intensities: NDArray[np.float32]) -> None:
    """Turn every spectrum around in place."""
    rows = max(1, _BLOCK_VALUES // max(intensities.shape[1], 1))
    for start in range(0, intensities.shape[0], rows):
        intensities[start : start + rows] = intensities[start : start + rows, ::-1].copy()


def plural(count: int, one: str, many: str) -> str:
    """Write ``1 spectrum`` or ``3 spectra``."""
    return f"{count} {one if count == 1 else many}"


class Rows:
    """Spectra that arrive one by one and are never copied as a whole, although nobody knows how many come."""

    def __init__(self, n_points: int) -> None:
        self._values = np.empty((64, n_points), np.float32)
        self.count = 0

    def append(self, row: Any) -> None:  # noqa: ANN401 - any sequence or iterator of numbers
        """Add one spectrum of ``n_points`` values."""
        if self.count == self._values.shape[0]:
            # Grown in place: realloc does not copy blocks of this size on the systems we run on.
            self._values.resize((self.count + self.count // 2, self._values.shape[1]), refcheck=False)
        self._values[self.count] = row
        self.count += 1

    def array(self) -> NDArray[np.float32]:
        """Give (count, n_points); nothing can be added afterwards."""
        self._values.resize((self.count, self._values.shape[1]), refcheck=False)
        return self._values
