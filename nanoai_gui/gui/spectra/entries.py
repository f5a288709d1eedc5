"""What the Spectra tab lists: maps and series, and the regions a person marked in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.spectra.spectral_set import SpectralSet

REGION_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#F0E442", "#0072B2")
"""Hues of Okabe and Ito, brightest contrast first; regions take them in turn."""


class SetState(Enum):
    """Where a file stands."""

    READING = auto()
    READY = auto()
    NEEDS_LASER = auto()
    FAILED = auto()


@dataclass(frozen=True, eq=False)
class Region:
    """Some spectra of one map that belong together.

    Parameters
    ----------
    number
        Unique in a session.
    name
        As shown, and as written to the column ``roi``.
    label
        Class of the spectra for training, and the group the list shows it in; empty: none.
    colour
        ``#rrggbb``.
    rows
        (n,) int64, numbers of its spectra in their set, ascending.
    outlines
        Closed lines around it in um, each (m, 2); empty for a region marked pixel by pixel.
    """

    number: int
    name: str
    label: str
    colour: str
    rows: NDArray[np.int64]
    outlines: tuple[NDArray[np.float64], ...] = ()

    def with_name(self, name: str) -> Region:
        """Return it under another name."""
        return replace(self, name=name)

    def with_label(self, label: str) -> Region:
        """Return it with another class."""
        return replace(self, label=label)


@dataclass(frozen=True, eq=False)
class SetContent:
    """All of an entry that a person can change, and undo."""

    spectra: SpectralSet
    regions: tuple[Region, ...] = ()

    def with_region_columns(self) -> SpectralSet:
        """Give the spectra with names and labels of the regions written into ``roi`` and ``label``.

        Of regions that overlap, the later one holds; a region without a label leaves the spectra's own.
        """
        if not self.regions:
            return self.spectra
        names = self.spectra.text("roi").astype(object)
        labels = self.spectra.text("label").astype(object)
        for region in self.regions:
            names[region.rows] = region.name
            if region.label:
                labels[region.rows] = region.label
        return self.spectra.with_columns({"roi": names.astype(np.str_), "label": labels.astype(np.str_)})


def new_region(
    others: tuple[Region, ...],
    number: int,
    rows: NDArray[np.int64],
    label: str,
    outlines: tuple[NDArray[np.float64], ...] = (),
    name: str = "",
) -> Region:
    """Make a region with a free name, in the colour of its label or else in one not in use."""
    taken = {region.name for region in others}
    i = len(others) + 1
    while f"ROI {i}" in taken:
        i += 1
    used = [region.colour for region in others]
    same = [region.colour for region in others if label and region.label == label]
    free = [colour for colour in REGION_COLOURS if colour not in used]
    colour = (same or free or [REGION_COLOURS[number % len(REGION_COLOURS)]])[0]
    return Region(number, name or f"ROI {i}", label, colour, rows, outlines)


@dataclass
class SetEntry:
    """One map or series of the list.

    ``key`` is stable and unique in a session. A file that holds several maps becomes several entries of the
    same ``path`` once it has been read. ``error`` is a sentence.
    """

    key: int
    path: Path
    state: SetState = SetState.READING
    title: str = ""
    error: str = ""
    laser_nm: float | None = None
    content: SetContent | None = None
    number: int = 0
    """Which map of its file."""

    @property
    def name(self) -> str:
        """What the list shows."""
        return self.title or self.path.name

    @property
    def spectra(self) -> SpectralSet | None:
        """The spectra, with a person's edits; ``None`` until read."""
        return None if self.content is None else self.content.spectra

    @property
    def regions(self) -> tuple[Region, ...]:
        """Regions a person marked."""
        return () if self.content is None else self.content.regions
