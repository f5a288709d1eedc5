"""Spectra in text files: LabSpec, WITec, B&W Tek, WiRE and whatever else writes columns of numbers.

What is told apart, by content and not by name: a column for the axis and one for each spectrum, with any
header; named columns with pixels, several axes and several intensities (B&W Tek, Neegala); one row a spectrum
with its place before it (LabSpec maps); one row a point with its place (WiRE maps); columns in groups of
name, x, y; WITec TrueMatch sections. Where no unit is given, the axis is Raman shift in cm-1, or, if all of
it lies above 5000, absolute wavenumber.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.raw_spectra import ABSOLUTE_FROM, AxisUnit, RawSpectra, Rows, laser_in, unit_of
from nanoai_gui.core.files.text_columns import (
    Dialect,
    dialect_of,
    find_block,
    first_lines,
    header_facts,
    open_text,
    read_lines,
)
from nanoai_gui.core.spectra.places import grid_of

TRUEMATCH = "[WITEC_TRUEMATCH_ASCII_HEADER]"
_INTENSITY_NAMES = (
    r"dark.?subtracted", r"processed", r"subtracted", r"raw.?data", r"intens|counts|signal|\by\b",
)  # fmt: skip
"""Which of several intensity columns is the spectrum: the one from which most has been taken off."""
_FACTS_SHOWN = ("title", "name", "sample", "instrument", "detector", "objective", "date", "names")


def read_text(path: Path, cancelled: Cancelled) -> list[RawSpectra]:
    """Read a text file of any of the layouts above.

    Returns
    -------
    One entry a map, series or group of spectra on one axis.

    Raises
    ------
    ReadError
        If it holds no spectra, or text where a number belongs (with the line).
    """
    head = first_lines(path)
    if any(line.strip() == TRUEMATCH for line in head[:10]):
        return _truematch(read_lines(path), path)
    rows = _rows_start(head)
    if rows is not None:
        return [_one_row_each(path, *rows, head[: rows[0]], cancelled)]
    lines = read_lines(path)
    for i, line in enumerate(head[:400]):
        cells = dialect_of(line).split(line)
        if len(cells) >= 3 and any(re.fullmatch(r"(?i)raman[ _]?shift.*", cell) for cell in cells):
            return [_named_columns(lines, i, path, cancelled)]
        if len(cells) >= 3 and len(cells) % 3 == 0 and _are_triples(cells):
            return _triples(lines, i, path)
    start, dialect = find_block(lines, path)
    names = _column_names(lines[start - 1], dialect) if start else []
    if {"wave", "intensity"} <= {name.lower() for name in names} and len(names) > 2:
        return [_one_row_a_point(lines, start, dialect, names, path, cancelled)]
    return [_columns(lines, start, dialect, names, path, cancelled)]


def _columns(
    lines: Sequence[str], start: int, dialect: Dialect, names: list[str], path: Path, cancelled: Cancelled
) -> RawSpectra:
    """Read a column of the axis and one for each spectrum."""
    values = _block(lines, start, dialect, path, cancelled)
    facts = header_facts(lines[:start])
    n_spectra = values.shape[1] - 1
    columns: dict[str, NDArray[np.str_]] = {}
    if n_spectra > 1 and len(names) == n_spectra + 1:
        columns["name"] = np.array(names[1:])
    raw = _raw(np.array(values[:, 1:].T, dtype=np.float32, order="C"), values[:, 0], names, facts)
    raw.columns.update(columns)
    return raw


def _named_columns(lines: Sequence[str], header: int, path: Path, cancelled: Cancelled) -> RawSpectra:
    """Read the columns ``Raman shift`` and of the intensity; pixels without a shift are no part of it."""
    names = dialect_of(lines[header]).split(lines[header])
    axis_at = next(i for i, name in enumerate(names) if re.fullmatch(r"(?i)raman[ _]?shift.*", name))
    intensity_at = _intensity_column(names, axis_at)
    first = next((line for line in lines[header + 1 :] if line.strip()), "")
    dialect = Dialect(dialect_of(lines[header]).delimiter, dialect_of(first).decimal_comma)
    axis, intensity = [], []
    for i, line in enumerate(lines[header + 1 :], header + 2):
        if i % 20000 == 0:
            checkpoint(cancelled)
        cells = dialect.split(line)
        if len(cells) <= max(axis_at, intensity_at) or not cells[axis_at]:
            continue
        pair = dialect.numbers((cells[axis_at], cells[intensity_at]))
        if pair is None:
            raise _no_number(path, i, next(c for c in (cells[axis_at], cells[intensity_at])
                                           if dialect.numbers([c]) is None))  # fmt: skip
        axis.append(pair[0])
        intensity.append(pair[1])
    if not axis:
        raise ReadError(f"{path.name} holds no Raman shifts.", "Calibrate the spectrometer and export again.")
    facts = header_facts(lines[:header])
    raw = _raw(np.array([intensity], np.float32), np.array(axis), [names[axis_at]], facts)
    raw.metadata = {**raw.metadata, "Column": names[intensity_at]}
    return raw


def _one_row_each(
    path: Path, start: int, n_places: int, header: Sequence[str], cancelled: Cancelled
) -> RawSpectra:
    """Read a LabSpec map or series: a row of the axis, then x and y (or one position) and the intensities."""
    with open_text(path) as file:
        for _ in range(start):
            file.readline()
        first = file.readline()
        dialect = Dialect("\t", dialect_of(first).decimal_comma)
        axis = _row(dialect, first, n_places, path, start + 1)
        spectra, places = Rows(len(axis)), []
        for i, line in enumerate(file, start + 2):
            if i % 200 == 0:
                checkpoint(cancelled)
            if not line.strip():
                continue
            values = _row(dialect, line, 0, path, i)
            if len(values) != n_places + len(axis):
                raise ReadError(
                    f"Line {i} of {path.name} holds {len(values)} numbers, not {n_places + len(axis)}:"
                    " its end is missing.",
                    "Export the map again.",
                )
            spectra.append(values[n_places:])
            places.append(values[:n_places])
    if not spectra.count:
        raise ReadError(f"{path.name} holds an axis but no spectra.", "Export the map again.")
    raw = _raw(spectra.array(), np.array(axis), [], header_facts(header))
    coordinates = np.array(places).T
    if n_places == 2:
        raw.columns.update(x_um=coordinates[0], y_um=coordinates[1])
        raw.grid = grid_of(coordinates[0], coordinates[1])
    elif n_places == 1:
        raw.columns["position"] = coordinates[0]
    return raw


def _one_row_a_point(
    lines: Sequence[str], start: int, dialect: Dialect, names: list[str], path: Path, cancelled: Cancelled
) -> RawSpectra:
    """Read a map or series of WiRE: place, wave and intensity in each row."""
    values = _block(lines, start, dialect, path, cancelled)
    order = {name.lower(): i for i, name in enumerate(names)}
    wave, intensity = values[:, order["wave"]], values[:, order["intensity"]]
    others = {name: values[:, i] for name, i in order.items() if name not in ("wave", "intensity")}
    changes = [np.flatnonzero(np.diff(column)) for column in others.values()]
    ends = [int(found[0]) + 1 for found in changes if found.size]
    # A series whose position never changes (a time series without times) is told by the axis beginning anew.
    again = np.flatnonzero(wave[1:] == wave[0])
    if again.size:
        ends.append(int(again[0]) + 1)
    k = min(ends, default=wave.size)
    if wave.size % k or not (wave.reshape(-1, k) == wave[:k]).all():
        raise ReadError(
            f"The spectra of {path.name} are not all on one axis, or its end is missing.",
            "Export the map again.",
        )
    raw = _raw(intensity.reshape(-1, k).astype(np.float32), wave[:k].copy(), [], header_facts(lines[:start]))
    known = {"x": "x_um", "y": "y_um", "z": "z_um", "time": "time_s"}
    raw.columns.update((known.get(name, name), column[::k].copy()) for name, column in others.items())
    if "x" in others and "y" in others:
        raw.grid = grid_of(raw.columns["x_um"], raw.columns["y_um"])
    return raw


def _triples(lines: Sequence[str], header: int, path: Path) -> list[RawSpectra]:
    """Read columns in groups of name, x, y: spectra that need not share an axis."""
    dialect = dialect_of(lines[header])
    n_groups = len(dialect.split(lines[header])) // 3
    points: list[list[tuple[float, float]]] = [[] for _ in range(n_groups)]
    names = [""] * n_groups
    for i, line in enumerate(lines[header + 1 :], header + 2):
        cells = dialect.split(line)
        for group in range(min(n_groups, len(cells) // 3)):
            name, x, y = cells[3 * group : 3 * group + 3]
            if not x and not y:
                continue
            pair = dialect.numbers((x, y))
            if pair is None:
                raise _no_number(path, i, x if dialect.numbers([x]) is None else y)
            if math.isnan(pair[0]):  # columns of different lengths are filled up
                continue
            names[group] = names[group] or name
            points[group].append((pair[0], pair[1]))
    found = []
    for name, group_points in zip(names, points, strict=True):
        if group_points:
            x, y = np.array(group_points).T
            raw = RawSpectra(y[None].astype(np.float32), x, AxisUnit.UNSAID)
            raw.columns["name"] = np.array([name])
            found.append(raw)
    return found


def _truematch(lines: Sequence[str], path: Path) -> list[RawSpectra]:
    """Read the sections of WITec's TrueMatch export, version 1 (x and y) and 2 (x once, then y)."""
    sections: list[tuple[str, list[str]]] = []
    for line in lines:
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            sections.append((text, []))
        elif text and sections:
            sections[-1][1].append(text)
    found: list[RawSpectra] = []
    facts: dict[str, str] = {}
    shared: list[float] = []
    for title, content in sections:
        if title == "[SpectrumHeader]":
            facts = header_facts(content)
        elif title == "[XData]":
            shared = [_only(line, path) for line in content]
        elif title == "[SpectrumData]":
            rows = [_row(dialect_of(line), line, 0, path, None) for line in content]
            x = np.array(shared if shared else [row[0] for row in rows])
            y = np.array([row[-1] for row in rows], np.float32)
            if x.size != y.size or not x.size:
                raise ReadError(f"A spectrum of {path.name} is incomplete.", "Export it again.")
            unit = unit_of(facts.get("XDataKind", "")) or AxisUnit.UNSAID
            raw = RawSpectra(y[None], x, unit, laser_nm=laser_in(facts.get("ExcitationWavelength", "")))
            raw.columns["name"] = np.array([facts.get("Title", "")])
            found.append(raw)
    if not found:
        raise ReadError(f"{path.name} holds no spectra.", "Export them again from WITec Project.")
    return found


def _raw(
    intensities: NDArray[np.float32],
    axis: NDArray[np.float64],
    names: Sequence[str],
    facts: Mapping[str, str],
) -> RawSpectra:
    """Put unit, laser and facts from the header to the numbers."""
    lower = {key.lower(): value for key, value in facts.items()}
    said = names[0] if names else ""
    unit = unit_of(said) or unit_of(lower.get("axisunit[1]", "")) or unit_of(lower.get("xdatakind", ""))
    if unit is None:
        # LabSpec writes the unit into the names of other settings: "Spectro (cm-1)", "Range (nm)".
        keys = [key for key in lower if re.match(r"(spectro|range)\s*\(", key)]
        unit = unit_of(keys[0]) if keys else None
    laser, nominal = None, False
    for key, value in lower.items():
        if re.search(r"laser.?wavelength|excitation|^wl$", key):
            laser = laser_in(value)
        elif key == "laser" and laser is None:
            laser, nominal = laser_in(value), True
    unit = unit or AxisUnit.UNSAID
    warnings: tuple[str, ...] = ()
    if nominal and laser is not None and unit is not AxisUnit.RAMAN_SHIFT and axis.min() > 0:
        judged = unit in (AxisUnit.PER_CM, AxisUnit.UNSAID) and axis.min() < ABSOLUTE_FROM
        if not judged:
            warnings = (
                f"Raman shifts follow from the nominal wavelength of the laser ({laser:g} nm) and may be some"
                " cm⁻¹ off.",
            )
    shown = {key: value for key, value in facts.items() if key.lower() in _FACTS_SHOWN and value}
    return RawSpectra(intensities, axis, unit, laser_nm=laser, warnings=warnings, metadata=shown)


def _rows_start(head: Sequence[str]) -> tuple[int, int] | None:
    """Find a row that begins with one or two empty cells and goes on with numbers: (row, empty cells)."""
    for i, line in enumerate(head):
        if line.startswith("#") or not line.strip():
            continue
        found = re.match(r"(\t{1,2})[^\t]", line)
        if not found or line.count("\t") < 4:
            return None
        # The head may end within this line.
        cells = [cell.strip() for cell in line.strip("\r\n").split("\t")][len(found[1]) : 50]
        dialect = Dialect("\t", dialect_of(line[:2000]).decimal_comma)
        return (i, len(found[1])) if dialect.numbers(cells[:40]) is not None else None
    return None


def _block(
    lines: Sequence[str], start: int, dialect: Dialect, path: Path, cancelled: Cancelled
) -> NDArray[np.float64]:
    """Read all lines of numbers from ``start`` on; empty and comment lines between them are allowed."""
    if not dialect.decimal_comma:
        checkpoint(cancelled)
        try:
            # Five times as fast, but without a word on what is wrong where.
            read: NDArray[np.float64] = np.loadtxt(
                islice(lines, start, None), comments=("#", "//"), delimiter=dialect.delimiter, ndmin=2
            )
            return read
        except ValueError:
            pass
    width = len(dialect.split(lines[start]))
    rows: list[list[float]] = []
    blocks: list[NDArray[np.float64]] = []
    for i, line in enumerate(lines[start:], start + 1):
        if len(rows) == 20000:
            checkpoint(cancelled)
            # As arrays the numbers take a quarter of the memory.
            blocks.append(np.array(rows))
            rows = []
        if not line.strip() or line.startswith(("#", "//")):
            continue
        cells = dialect.split(line)
        values = dialect.numbers(cells)
        if values is None:
            bad = next((cell for cell in cells if dialect.numbers([cell]) is None), "")
            raise _no_number(path, i, bad)
        if len(values) != width:
            raise ReadError(
                f"Line {i} of {path.name} holds {len(values)} numbers, not {width}.",
                "Export the spectra again.",
            )
        rows.append(values)
    return np.concatenate((*blocks, np.array(rows).reshape(-1, width)))


def _row(dialect: Dialect, line: str, skip: int, path: Path, number: int | None) -> list[float]:
    cells = line.rstrip("\r\n\t ").split(dialect.delimiter)[skip:]
    values = dialect.numbers(cells)
    if values is None:
        raise _no_number(
            path, number, next(cell.strip() for cell in cells if dialect.numbers([cell]) is None)
        )
    return values


def _only(line: str, path: Path) -> float:
    return _row(dialect_of(line), line, 0, path, None)[0]


def _no_number(path: Path, line: int | None, cell: str) -> ReadError:
    where = f"Line {line} of {path.name}" if line is not None else path.name
    what = f"the text {cell[:40]!r}" if cell else "nothing"
    return ReadError(f"{where} holds {what} where a number belongs.", "Correct the file or export it again.")


def _column_names(line: str, dialect: Dialect) -> list[str]:
    """Names above the columns, if that is what the line holds."""
    cells = (
        [cell.lstrip("#").strip() for cell in re.split(r"\t+", line)] if "\t" in line else dialect.split(line)
    )
    return [cell for cell in cells if cell]


def _intensity_column(names: Sequence[str], axis_at: int) -> int:
    for pattern in _INTENSITY_NAMES:
        for i, name in enumerate(names):
            if i != axis_at and re.search(pattern, name, re.IGNORECASE):
                return i
    return axis_at + 1 if axis_at + 1 < len(names) else axis_at - 1


def _are_triples(cells: Sequence[str]) -> bool:
    return all(
        re.fullmatch(pattern, cell, re.IGNORECASE)
        for i, cell in enumerate(cells)
        for pattern in [("name|sample", "x|wave.*|raman.*", "y|intens.*")[i % 3]]
    )
