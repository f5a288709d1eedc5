"""What a project holds of each image, as it is handed in and given back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nanoai_gui.core.plain import KINDS
from nanoai_gui.core.project.sources import Source
from nanoai_gui.core.tem.agglomerates import PackedLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.calibration import Calibration


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image besides what was measured in it.

    ``frame``, ``calibration`` and ``data_bar_top`` are a person's choices, ``generation`` counts them; what
    was found when the file was read: ``file_calibration``, ``file_data_bar_top``, ``n_frames``, ``shape``
    (height and width in px). ``error`` is a sentence; ``is_unreadable`` says that it came from reading.
    ``values``: JSON values by name that a person's edits have set. ``given_ids``: the highest id that an
    agglomerate ever had (under ``""``) and a particle of each method, whether or not it is still there.
    """

    path: Path
    frame: int | None = None
    calibration: Calibration | None = None
    data_bar_top: int | None = None
    generation: int = 0
    title: str = ""
    error: str = ""
    is_unreadable: bool = False
    file_calibration: Calibration | None = None
    file_data_bar_top: int | None = None
    n_frames: int | None = None
    shape: tuple[int, int] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    given_ids: Mapping[str, int] = field(default_factory=dict)


KINDS[ImageFacts.__name__] = ImageFacts


@dataclass(frozen=True, eq=False)
class StoredEdit:
    """One step of a history: ``step`` counts from the first one ever, ``data`` is the edit's own bytes."""

    step: int
    uid: str
    time: str
    title: str
    data: bytes


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image as a project gives it back.

    Parameters
    ----------
    number
        Its number, the same for the life of the project.
    facts
        See :class:`ImageFacts`.
    source
        The file, with what it was like.
    is_pending
        Whether it waited in a batch.
    analysis
        What was measured, hand edits included; ``None`` if it was not measured.
    edits, position
        Its history, oldest first, and how many of these are in force.
    is_removed
        Whether it was taken off the list.
    """

    number: int
    facts: ImageFacts
    source: Source
    is_pending: bool
    analysis: ImageAnalysis | None
    edits: tuple[StoredEdit, ...]
    position: int
    is_removed: bool = False


@dataclass(frozen=True, eq=False)
class ProjectContent:
    """Everything a window needs to go on: images in their order, facts by name, parts of the Spectra tab.

    ``problems`` are sentences on what could not be read; ``next_number`` was never the number of an image.
    """

    images: tuple[StoredImage, ...]
    facts: dict[str, object]
    spectra: dict[str, bytes]
    problems: tuple[str, ...] = ()
    next_number: int = 1

    @property
    def is_only_spectra(self) -> bool:
        """Whether there are spectra and no images."""
        return bool(self.spectra) and not self.images


NO_LABELS = PackedLabels((0, 0), b"")


def without_labels(analysis: ImageAnalysis) -> ImageAnalysis:
    """Give an analysis without what a project keeps apart, or not at all."""
    bare = replace(analysis.agglomerates, labels=np.zeros((0, 0), np.int32), contrast=None)
    return replace(analysis, labels=NO_LABELS, agglomerates=bare)
