"""Small changes of an :class:`~nanoai_gui.core.editing.document.ImageDocument` that go both ways.

Each holds what was there before and what is there after, so that it can be undone and redone to the last bit,
and nothing else: kilobytes, never a copy of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.plain import KINDS
from nanoai_gui.core.soundness import LARGEST_ID
from nanoai_gui.core.tem.agglomerates import Agglomerates, PackedLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult

if TYPE_CHECKING:
    from nanoai_gui.core.editing.document import ImageDocument

Value = Any
"""Anything that :mod:`nanoai_gui.core.plain` can write."""


class Patch(Protocol):
    """What all patches can do."""

    @property
    def n_bytes(self) -> int:
        """Memory it takes, about."""
        ...

    @property
    def box(self) -> Box | None:
        """Where in the image it changes something; ``None`` if nowhere in particular."""
        ...

    def apply(self, document: ImageDocument, forward: bool) -> None:
        """Change the document from before to after, or back."""
        ...


@dataclass(frozen=True, eq=False)
class LabelPatch:
    """Pixels of the label image that change their id, as runs along the rows.

    Parameters
    ----------
    shape
        Height and width of the image in px.
    starts, lengths
        (n,) int64 and int32: index of the first pixel of each run in the flattened image, and its pixels.
        Runs are in ascending order and do not overlap.
    old, new
        (n,) int32, the id before and after.
    """

    shape: tuple[int, int]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    old: NDArray[np.int32]
    new: NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.starts)
        if not n or not len(self.lengths) == len(self.old) == len(self.new) == n:
            raise ValueError("runs without their lengths or ids")
        if min(self.shape) < 1 or int(self.starts.min()) < 0 or int(self.lengths.min()) < 1:
            raise ValueError("runs that cannot be")
        n_pixels = self.shape[0] * self.shape[1]
        # The starts alone first: those of a damaged file may be so large that a sum of them wraps round.
        if int(self.starts.max()) >= n_pixels or int((self.starts + self.lengths).max()) > n_pixels:
            raise ValueError("pixels outside of the image")
        ids = np.concatenate([self.old, self.new])
        if not 0 <= int(ids.min()) <= int(ids.max()) <= LARGEST_ID:
            raise ValueError("ids that cannot be")
        if (self.starts[1:] < self.starts[:-1] + self.lengths[:-1]).any():
            raise ValueError("runs that overlap or are not in order")

    @classmethod
    def to(
        cls, labels: NDArray[np.int32], position: NDArray[np.int64], new: NDArray[np.int32]
    ) -> LabelPatch | None:
        """Compare a label image with what some of its pixels are to become.

        Parameters
        ----------
        labels
            (height, width), the image as it is.
        position, new
            (n,) index in the flattened image, ascending and without doubles, and the id it gets.

        Returns
        -------
        LabelPatch or None
            ``None`` if nothing would change.
        """
        before = labels.reshape(-1)[position]
        differs = before != new
        if not differs.any():
            return None
        position, before, new = position[differs], before[differs], new[differs]
        breaks = np.ones(len(position), dtype=bool)
        breaks[1:] = (
            (np.diff(position) != 1)
            | (np.diff(before) != 0)
            | (np.diff(new) != 0)
            | (position[1:] % labels.shape[1] == 0)
        )
        first = np.flatnonzero(breaks)
        return cls(
            (labels.shape[0], labels.shape[1]),
            position[first],
            np.diff(np.append(first, len(position))).astype(np.int32),
            before[first].astype(np.int32),
            new[first].astype(np.int32),
        )

    def pixels(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        """Index in the flattened image, id before and id after of each pixel, in ascending order."""
        lengths = self.lengths.astype(np.int64)
        begin = np.cumsum(lengths) - lengths
        position = np.repeat(self.starts - begin, lengths) + np.arange(int(lengths.sum()))
        return position, np.repeat(self.old, lengths), np.repeat(self.new, lengths)

    @property
    def n_bytes(self) -> int:
        """Memory it takes."""
        return self.starts.nbytes + self.lengths.nbytes + self.old.nbytes + self.new.nbytes

    @property
    def box(self) -> Box:
        """The smallest rectangle around the pixels."""
        y, x = np.divmod(self.starts, self.shape[1])
        return Box(int(y.min()), int(x.min()), int(y.max()) + 1, int((x + self.lengths).max()))

    def apply(self, document: ImageDocument, forward: bool) -> None:
        """Write the pixels.

        Raises
        ------
        ValueError
            If the image does not hold what the patch says it does.
        """
        flat = document.labels.reshape(-1)
        position, old, new = self.pixels()
        before, after = (old, new) if forward else (new, old)
        if self.shape != document.labels.shape or not np.array_equal(flat[position], before):
            raise ValueError("the edit does not fit the labels")
        flat[position] = after


@dataclass(frozen=True, eq=False)
class TablePatch:
    """Rows of the agglomerate table: those that were there, and those that are there instead."""

    before: Agglomerates
    after: Agglomerates

    @property
    def n_bytes(self) -> int:
        """Memory it takes, about."""
        return 80 * (len(self.before) + len(self.after))

    @property
    def box(self) -> Box | None:
        """Around all rows."""
        return _around(np.concatenate([self.before.boxes, self.after.boxes]))

    def apply(self, document: ImageDocument, forward: bool) -> None:
        """Swap the rows."""
        out, into = (self.before, self.after) if forward else (self.after, self.before)
        document.swap_agglomerates(out, into)


@dataclass(frozen=True, eq=False)
class ParticlePatch:
    """What one method says of some agglomerates, and some of its particles: before and after.

    Rows that do not change need not be there, with one exception: where an agglomerate is stale, all its
    particles stand on both sides (see :meth:`~nanoai_gui.core.editing.history.History.amend`).
    """

    method: str
    before: SizingResult
    after: SizingResult

    @property
    def n_bytes(self) -> int:
        """Memory it takes, about."""
        return _result_bytes(self.before) + _result_bytes(self.after)

    @property
    def box(self) -> Box | None:
        """Around the particles."""
        boxes = [_particle_boxes(side.particles) for side in (self.before, self.after)]
        return _around(np.concatenate(boxes))

    def apply(self, document: ImageDocument, forward: bool) -> None:
        """Swap the rows."""
        out, into = (self.before, self.after) if forward else (self.after, self.before)
        document.swap_result(self.method, out, into)


@dataclass(frozen=True, eq=False)
class MethodPatch:
    """Everything one method found: to add a method, take it away or replace it; ``None`` is not there."""

    method: str
    before: SizingResult | None
    after: SizingResult | None
    seconds: float = 0.0

    @property
    def n_bytes(self) -> int:
        """Memory it takes, about."""
        return sum(_result_bytes(side) for side in (self.before, self.after) if side is not None)

    @property
    def box(self) -> Box | None:
        """Nowhere in particular."""
        return None

    def apply(self, document: ImageDocument, forward: bool) -> None:
        """Put one in the place of the other."""
        document.set_result(self.method, self.after if forward else self.before, self.seconds)


@dataclass(frozen=True)
class ValuePatch:
    """A single value of the document: a calibration, a count set by hand, the settings ...

    ``before`` and ``after`` are anything that :mod:`nanoai_gui.core.plain` can write; ``None``: not set.
    """

    what: str
    before: Value
    after: Value

    @property
    def n_bytes(self) -> int:
        """Memory it takes, about."""
        return 2 * len(self.what) + len(repr(self.before)) + len(repr(self.after))

    @property
    def box(self) -> Box | None:
        """Nowhere."""
        return None

    def apply(self, document: ImageDocument, forward: bool) -> None:
        """Set it."""
        document.set_value(self.what, self.after if forward else self.before)


@dataclass(frozen=True, eq=False)
class ResultPatch:
    """A whole analysis in the place of another: a run of the models that replaces labels and results.

    The labels of both are packed.
    """

    before: ImageAnalysis | None
    after: ImageAnalysis | None

    @property
    def n_bytes(self) -> int:
        """Memory it takes, about."""
        return sum(
            len(side.labels.data) + sum(_result_bytes(result) for result in side.results.values())
            for side in (self.before, self.after)
            if side is not None
        )

    @property
    def box(self) -> Box | None:
        """The whole image."""
        side = self.after or self.before
        return None if side is None else Box(0, 0, *side.shape)

    def apply(self, document: ImageDocument, forward: bool) -> None:
        """Put one in the place of the other."""
        document.replace_analysis(self.after if forward else self.before)


for _kind in (LabelPatch, TablePatch, ParticlePatch, MethodPatch, ValuePatch, ResultPatch):
    KINDS[_kind.__name__] = _kind


def with_packed_labels(analysis: ImageAnalysis) -> ImageAnalysis:
    """Return the analysis with labels that no later edit changes."""
    if isinstance(analysis.labels, PackedLabels):
        return analysis
    return replace(analysis, labels=PackedLabels(analysis.labels.shape, analysis.labels.data))


def union(boxes: Sequence[Box | None]) -> Box | None:
    """Give the smallest rectangle around some; ``None`` if there are none."""
    real = [box for box in boxes if box is not None]
    if not real:
        return None
    return Box(
        min(b.y0 for b in real), min(b.x0 for b in real), max(b.y1 for b in real), max(b.x1 for b in real)
    )


def _around(boxes: NDArray[np.integer]) -> Box | None:
    if not len(boxes):
        return None
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _particle_boxes(particles: Particles) -> NDArray[np.int64]:
    """(n, 4) y0, x0, y1, x1 around circles of the particles' areas, with room for elongated ones."""
    reach = particles.diameter_px / 2
    for i, outline in enumerate(particles.outlines):
        if len(outline):
            away = np.abs(outline - np.array([particles.x[i], particles.y[i]])).max()
            reach[i] = max(reach[i], float(away))
    low = np.floor(np.stack([particles.y - reach, particles.x - reach], axis=1))
    high = np.ceil(np.stack([particles.y + reach, particles.x + reach], axis=1)) + 1
    boxes: NDArray[np.int64] = np.concatenate([low, high], axis=1).astype(np.int64)
    return boxes


def _result_bytes(result: SizingResult) -> int:
    columns = 60 * len(result.particles)
    outlines = sum(outline.nbytes for outline in result.particles.outlines)
    described = 0 if result.description is None else result.description.table.values.nbytes
    return columns + outlines + described + 64 * len(result.agglomerate_ids)
