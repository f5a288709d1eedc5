"""What files a person opened are, images or spectra, and reading them for a window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nanoai_gui.core.callbacks import Cancelled, Progress
from nanoai_gui.core.files.micrographs import READABLE_SUFFIXES, find_images
from nanoai_gui.core.files.spectra import SPECTRA_SUFFIXES, LaserNeeded, find_spectra, read_spectra
from nanoai_gui.core.spectra.spectral_set import SpectralSet

SPOKEN_FOR = frozenset((".txt", ".csv", ".tsv", ".xlsx", ".xml"))
"""Endings of spectra that also notes and tables of results have."""


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
    """Read spectra as :func:`read_spectra` does; a missing laser comes back as a question, not an error."""
    try:
        return read_spectra(path, laser_nm, progress, cancelled)
    except LaserNeeded as error:
        return LaserQuestion(error.message)
