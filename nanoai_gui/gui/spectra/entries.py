"""What the Spectra tab lists: maps and series, and the regions a person marked in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from pathlib import Path

import numpy as np

from nanoai_gui.core.spectra.rois import Rois
from nanoai_gui.core.spectra.spectral_set import SpectralSet


class SetState(Enum):
    """Where a file stands."""

    READING = auto()
    READY = auto()
    NEEDS_LASER = auto()
    FAILED = auto()


@dataclass(frozen=True, eq=False)
class SetContent:
    """All of an entry that a person can change, and undo."""

    spectra: SpectralSet
    rois: Rois = field(default_factory=Rois)

    def with_region_columns(self) -> SpectralSet:
        """Give the spectra with names and labels of the regions written into ``roi`` and ``label``."""
        return self._with_regions

    @cached_property
    def _with_regions(self) -> SpectralSet:
        # Several views ask after every edit, and 100 000 spectra take a while.
        return self.rois.assign(self.spectra)

    @cached_property
    def labels(self) -> frozenset[str]:
        """Every label of its spectra and regions."""
        own = frozenset(np.unique(self.spectra.text("label")).tolist())
        return (own | {roi.label for roi in self.rois}) - {""}


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
    def rois(self) -> Rois:
        """Regions a person marked."""
        return Rois() if self.content is None else self.content.rois
