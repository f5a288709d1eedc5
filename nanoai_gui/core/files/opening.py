"""What files a person opened are, images or spectra, and reading them for a window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nanoai_gui.core.callbacks import Cancelled, Progress
from nanoai_gui.core.files.micrographs import READABLE_SUFFIXES, find_images
from nanoai_gui.core.files.spectra import SPECTRA_SUFFIXES, LaserNeeded, find_spectra, read_spectra
from nanoai_gui.core.spectra.spectral_set import SpectralSet, concatenate, same_axis

SPOKEN_FOR = frozenset((".txt", ".csv", ".tsv", ".xlsx", ".xml"))
"""Endings of spectra that also notes and tables of results have."""

LEAST_MAP = 16
"""A few spots of a region lie on some grid by chance; that makes no map of them."""


class DataKind(Enum):
    """What NanoAI works on."""

    IMAGES = "images"
    SPECTRA = "spectra"


@dataclass(frozen=True)
class Opened:
    """Files by kind, and a sentence for each thing that was not found."""

    images: list[Path]
    spectra: list[Path]
    problems: list[str]


@dataclass(frozen=True)
class LaserQuestion:
    """The spectra of a file can only be read once a person names the laser."""

    message: str


def sort_by_kind(paths: Iterable[Path], prefer: DataKind) -> Opened:
    """Expand folders and tell images from spectra by their endings.

    A folder is searched for what is preferred, and only if it holds none of that for the other kind.
    Text and tables opened together with images stay beside these if images are preferred; an unknown ending
    counts as what is preferred, whose reader then says what is wrong.
    """
    paths = list(paths)
    with_images = any(not p.is_dir() and p.suffix.lower() in READABLE_SUFFIXES for p in paths)
    found = Opened([], [], [])
    for path in paths:
        if path.is_dir():
            _add_folder(path, prefer, found)
            continue
        kind = _kind_of(path.suffix.lower(), prefer, with_images)
        files, problems = find_images([path]) if kind is DataKind.IMAGES else find_spectra([path])
        (found.images if kind is DataKind.IMAGES else found.spectra).extend(files)
        found.problems.extend(problems)
    return found


def _kind_of(suffix: str, prefer: DataKind, with_images: bool) -> DataKind:
    if suffix in READABLE_SUFFIXES:
        return DataKind.IMAGES
    if suffix in SPOKEN_FOR and with_images:
        return prefer
    return DataKind.SPECTRA if suffix in SPECTRA_SUFFIXES else prefer


def _add_folder(path: Path, prefer: DataKind, found: Opened) -> None:
    images, no_images = find_images([path])
    spectra, no_spectra = find_spectra([path]) if prefer is DataKind.SPECTRA or not images else ([], [])
    if prefer is DataKind.SPECTRA and spectra:
        found.spectra.extend(spectra)
    elif images:
        found.images.extend(images)
    elif spectra:
        found.spectra.extend(spectra)
    else:
        found.problems.extend(no_images if prefer is DataKind.IMAGES else no_spectra)


def read_or_ask(
    path: Path, laser_nm: float | None, progress: Progress, cancelled: Cancelled
) -> tuple[SpectralSet, ...] | LaserQuestion:
    """Read spectra as :func:`read_spectra` does; a missing laser comes back as a question, not an error.

    Parts of a file that are no maps, such as the regions of many cells in one table, come as one set.
    """
    try:
        return _join_loose(read_spectra(path, laser_nm, progress, cancelled))
    except LaserNeeded as error:
        return LaserQuestion(error.message)


def _join_loose(sets: tuple[SpectralSet, ...]) -> tuple[SpectralSet, ...]:
    loose = [part for part in sets if not _is_map(part)]
    if len(loose) < 2 or not all(same_axis(part.axis, loose[0].axis) for part in loose[1:]):
        return sets
    return (concatenate(loose), *(part for part in sets if _is_map(part)))


def _is_map(part: SpectralSet) -> bool:
    return part.grid is not None and part.n_spectra >= LEAST_MAP
