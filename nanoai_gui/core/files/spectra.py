"""Raman spectra and maps from any instrument's files, as :class:`SpectralSet`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files import jcamp, spc, spectra_rosetta, spectra_table, spectra_text, wdf
from nanoai_gui.core.files.frames import reading
from nanoai_gui.core.files.micrographs import natural_key
from nanoai_gui.core.files.raw_spectra import LaserNeeded, RawSpectra, finish
from nanoai_gui.core.files.text_columns import first_lines
from nanoai_gui.core.spectra.places import grid_of
from nanoai_gui.core.spectra.spectral_set import AxisError, SpectralSet, concatenate

__all__ = ["SPECTRA_SUFFIXES", "LaserNeeded", "find_spectra", "read_spectra"]

SPECTRA_SUFFIXES = frozenset(
    (".wdf", ".xml", ".tvf", ".spc", ".jdx", ".dx", ".jcamp", ".txt", ".tsv", ".csv", ".xlsx", ".rruf")
)
"""Endings (lower case) of the files that a folder is searched for."""
FACTS = frozenset(("label", "predicted", "agglomerate"))
"""Columns of tables of labels and results, one of which tells them from exported spectra."""
_CLOSED = {
    ".l6s": "LabSpec 6", ".l6m": "LabSpec 6", ".l6v": "LabSpec 6", ".l5s": "LabSpec 5", ".l5m": "LabSpec 5",
    ".ngs": "LabSpec", ".ngc": "LabSpec", ".wip": "WITec Project", ".wid": "WITec Project",
    ".wxd": "WiRE 2", ".wxm": "WiRE 2", ".spe": "Princeton Instruments", ".0": "OPUS", ".xls": "old Excel",
}  # fmt: skip
"""Formats people have that are closed or not read: which program to export them from."""


def read_spectra(
    path: Path,
    laser_nm: float | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> tuple[SpectralSet, ...]:
    """Read all spectra of a file.

    Parameters
    ----------
    path
        Renishaw .wdf, LabSpec .xml and .txt, TriVista .tvf, WITec .txt, Galactic .spc, JCAMP-DX, B&W Tek
        .txt, spectra tables (.csv, .xlsx) and other text with columns of numbers.
    laser_nm
        Wavelength of the laser in nm, for files over nm, eV or absolute wavenumber that do not name it;
        what a file says itself goes first.

    Returns
    -------
    One set a map or series of the file. Single spectra on different axes are brought to the range they
    share (see :func:`~nanoai_gui.core.spectra.spectral_set.common_axis`) with a warning, or stay apart if
    they share too little. A volume is split into maps, one a depth, and a table by its column ``map``;
    each part has its grid if its places are on one.

    Raises
    ------
    LaserNeeded
        If the laser must be known and is not.
    ReadError
        If the file cannot or should not be read; one sentence says why.
    """
    with reading(path, spectra_table.READ_ADVICE):
        if path.is_dir():
            raise ReadError(f"{path.name} is a folder.", "Choose the files in it.")
        with path.open("rb") as file:
            head = file.read(512)
        suffix = path.suffix.lower()
        if not head.strip(b"\0 \r\n\t"):
            raise ReadError(f"{path.name} is empty.", "Choose another file.")
        if _is_table(path, suffix):
            raw = spectra_table.read_raw_table(path, progress, cancelled)
            return _by_map(spectra_table.finish_table(raw, path))
        raws = _read(path, suffix, head, cancelled)
        sets = [finish(raw, path, laser_nm) for raw in raws]
    return tuple(part for found in _joined(sets) for part in _by_depth(found))


def _is_table(path: Path, suffix: str) -> bool:
    if suffix == ".xlsx":
        return True
    return suffix in (".csv", ".tsv", ".txt") and spectra_table.looks_like_table(path)


def _read(path: Path, suffix: str, head: bytes, cancelled: Cancelled) -> list[RawSpectra]:
    """Choose the reader, by content where that is clear."""
    if head.startswith(wdf.MAGIC):
        return wdf.read_wdf(path)
    if suffix == ".wdf":
        raise ReadError(f"{path.name} is no WiRE file, or its beginning is damaged.", "Copy it again.")
    if suffix == ".spc":
        if not spc.is_spc(head):
            raise ReadError(f"{path.name} is no Galactic SPC file.", "Export the spectra as text.")
        return spc.read_spc(path)
    if suffix in spectra_rosetta.PLUGINS:
        return spectra_rosetta.read_xml(path)
    if suffix in _CLOSED:
        raise ReadError(
            f"{path.name} is of a format ({_CLOSED[suffix]}) that NanoAI does not read.",
            "Export the spectra from that program as text, SPC or JCAMP-DX.",
        )
    if suffix in (".jdx", ".dx", ".jcamp") or b"##JCAMP" in head.upper() or b"##TITLE=" in head.upper():
        first_lines(path)  # empty files and binary ones are refused here
        return jcamp.read_jcamp(path)
    return spectra_text.read_text(path, cancelled)


def _joined(sets: list[SpectralSet]) -> tuple[SpectralSet, ...]:
    """Put single spectra of one file into one set, if they share enough of their ranges."""
    if len(sets) > 1 and all(s.n_spectra == 1 and s.grid is None for s in sets):
        try:
            joined = concatenate(sets)
        except AxisError:
            return tuple(sets)
        return (joined.with_column("index", np.arange(len(sets))),)
    return tuple(sets)


def _by_depth(spectra: SpectralSet) -> tuple[SpectralSet, ...]:
    """Split a volume into its maps, one a depth; anything else stays one set."""
    z = spectra.columns.get("z_um")
    if z is None or spectra.grid is not None or not np.isfinite(spectra.x_um).all():
        return (spectra,)
    levels = np.unique(np.round(z, 3) + 0.0)  # without -0
    if not 1 < levels.size <= spectra.n_spectra // 4:
        return (spectra,)
    rows = [np.flatnonzero(np.round(z, 3) == level) for level in levels]
    grids = [grid_of(spectra.x_um[found], spectra.y_um[found]) for found in rows]
    if any(grid is None for grid in grids):
        return (spectra,)
    names = [f"{spectra.columns['map'][0]} z = {level:g} µm".strip() for level in levels]
    return tuple(
        spectra.select(found).with_grid(grid).with_column("map", np.full(found.size, name))
        for found, grid, name in zip(rows, grids, names, strict=True)
    )


def _by_map(spectra: SpectralSet) -> tuple[SpectralSet, ...]:
    """Split a table by its column ``map`` and find the grid of each part."""
    names = spectra.columns["map"]
    parts = []
    for name in dict.fromkeys(names.tolist()):
        rows = np.flatnonzero(names == name)
        part = spectra if rows.size == spectra.n_spectra else spectra.select(rows)
        parts.append(part.with_grid(grid_of(part.x_um, part.y_um)))
    return tuple(parts)


def find_spectra(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Expand files and folders to files of spectra.

    Parameters
    ----------
    paths
        Files are kept as they are, whatever their ending; folders are searched with all below them, and
        tables of labels and results there are passed over.

    Returns
    -------
    files, problems
        The files in natural order within each folder, without repetition; one sentence for each folder
        that holds none and each path that does not exist.
    """
    files: dict[Path, None] = {}
    problems: list[str] = []
    for path in paths:
        if path.is_dir():
            found = [
                file
                for file in path.rglob("*")
                if file.suffix.lower() in SPECTRA_SUFFIXES
                and not file.name.startswith(".")
                and file.is_file()
                and not _holds_facts_only(file)
            ]
            if not found:
                problems.append(f"The folder {path.name or path} holds no spectra that NanoAI can read.")
            files.update(dict.fromkeys(sorted(found, key=lambda file: natural_key(file.relative_to(path)))))
        elif path.exists():
            files[path] = None
        else:
            problems.append(f"{path.name} is not there.")
    return list(files), problems


def _holds_facts_only(path: Path) -> bool:
    """Tell whether a table is one of labels or results: such a column, and no Raman shift in the header."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        return False
    try:
        header = next(iter(first_lines(path)), "")
    except (OSError, ReadError):
        return False  # its reader says what is wrong
    cells = [cell.strip().strip('"').casefold() for cell in re.split("[,;\t]", header)]
    return bool(FACTS.intersection(cells)) and not any(map(_is_number, cells))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
