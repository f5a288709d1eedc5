"""Primary particles as columns: one row a particle, whatever method found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Status(IntEnum):
    """Who placed a particle (names in lower case are those of the CSV contract)."""

    AUTO = 0
    EDITED = 1
    ADDED = 2


@dataclass(frozen=True, eq=False)
class Particles:
    """Primary particles of one micrograph.

    All columns have length n. Ids are stable within an image and method.

    Parameters
    ----------
    ids
        int32, unique, from 1.
    agglomerate
        int32, id of the agglomerate the particle belongs to.
    x, y
        float64, centre in px.
    area_px
        float64, projected area of the particle (its own, also where another one covers it).
    score
        float64 in [0, 1], how sure the method is; NaN where it does not say.
    uncertainty_px
        float64, standard error of the diameter in px; NaN where the method gives none.
    status
        int8, a :class:`Status`.
    outlines
        n arrays (k, 2) float32 of x, y in px, closed implicitly; an empty array (0, 2) means that the
        particle is the circle of its area around its centre.
    flagged
        bool, true where the method doubts its own measure, so that a person should look; none by default.
    """

    ids: NDArray[np.int32]
    agglomerate: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area_px: NDArray[np.float64]
    score: NDArray[np.float64]
    uncertainty_px: NDArray[np.float64]
    status: NDArray[np.int8]
    outlines: tuple[NDArray[np.float32], ...]
    flagged: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        n = len(self.ids)
        if not len(self.flagged) and n:
            object.__setattr__(self, "flagged", np.zeros(n, dtype=bool))
        if any(len(getattr(self, f.name)) != n for f in fields(self)):
            raise ValueError("the columns of a particle table must have one length")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def diameter_px(self) -> NDArray[np.float64]:
        """Diameter of the circle of the same projected area (ISO 13322-1), in px."""
        return np.sqrt(4.0 / np.pi * self.area_px)

    @classmethod
    def empty(cls) -> Particles:
        """No particles."""
        return cls.from_circles([], [], [], [])

    @classmethod
    def from_circles(
        cls,
        agglomerate: Sequence[int] | NDArray[np.integer],
        x: Sequence[float] | NDArray[np.floating],
        y: Sequence[float] | NDArray[np.floating],
        radius: Sequence[float] | NDArray[np.floating],
        score: Sequence[float] | NDArray[np.floating] | None = None,
    ) -> Particles:
        """Make particles that are circles of ``radius`` px, numbered from 1."""
        r = np.asarray(radius, dtype=np.float64)
        return cls.from_areas(agglomerate, x, y, np.pi * r**2, score)

    @classmethod
    def from_areas(
        cls,
        agglomerate: Sequence[int] | NDArray[np.integer],
        x: Sequence[float] | NDArray[np.floating],
        y: Sequence[float] | NDArray[np.floating],
        area_px: Sequence[float] | NDArray[np.floating],
        score: Sequence[float] | NDArray[np.floating] | None = None,
        outlines: Sequence[NDArray[np.float32]] | None = None,
        uncertainty_px: Sequence[float] | NDArray[np.floating] | None = None,
    ) -> Particles:
        """Make particles from their projected areas in px (and outlines, where known), numbered from 1."""
        n = len(area_px)
        no_outline = np.empty((0, 2), dtype=np.float32)
        return cls(
            ids=np.arange(1, n + 1, dtype=np.int32),
            agglomerate=np.asarray(agglomerate, dtype=np.int32),
            x=np.asarray(x, dtype=np.float64),
            y=np.asarray(y, dtype=np.float64),
            area_px=np.asarray(area_px, dtype=np.float64),
            score=np.full(n, np.nan) if score is None else np.asarray(score, dtype=np.float64),
            uncertainty_px=np.full(n, np.nan)
            if uncertainty_px is None
            else np.asarray(uncertainty_px, dtype=np.float64),
            status=np.zeros(n, dtype=np.int8),
            outlines=(no_outline,) * n if outlines is None else tuple(outlines),
        )

    def select(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> Particles:
        """Return the rows of a mask or index array, ids unchanged."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        columns = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "outlines"}
        return Particles(**columns, outlines=tuple(self.outlines[i] for i in index))
