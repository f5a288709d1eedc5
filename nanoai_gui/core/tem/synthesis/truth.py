"""A synthetic micrograph and everything that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.synthesis.spec import SynthesisSpec


@dataclass(frozen=True, eq=False)
class TrueParticles:
    """What is really in a synthetic micrograph: one row for each primary particle.

    Parameters
    ----------
    agglomerate
        (n,) int32, as in the label image, from 1.
    particle
        (n,) int32, from 1 through the whole image.
    x_px, y_px, z_px
        (n,) float64, centre; z away from the electron source, 0 at the middle of its agglomerate.
    diameter_px, area_px
        (n,) float64, of the particle's own projected outline, hidden parts included; the diameter is
        that of the circle of the same area.
    visible_fraction
        (n,) float64, share of that outline which no other particle overlaps.
    """

    agglomerate: NDArray[np.int32]
    particle: NDArray[np.int32]
    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    z_px: NDArray[np.float64]
    diameter_px: NDArray[np.float64]
    area_px: NDArray[np.float64]
    visible_fraction: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.particle)

    @classmethod
    def from_rows(cls, rows: Sequence[NDArray[np.float64]]) -> TrueParticles:
        """Join tables of the columns agglomerate, x, y, z, area, visible."""
        table = np.concatenate(rows) if rows else np.empty((0, 6))
        return cls(
            agglomerate=table[:, 0].astype(np.int32),
            particle=np.arange(1, len(table) + 1, dtype=np.int32),
            x_px=table[:, 1],
            y_px=table[:, 2],
            z_px=table[:, 3],
            diameter_px=np.sqrt(4 / np.pi * table[:, 4]),
            area_px=table[:, 4],
            visible_fraction=table[:, 5],
        )


@dataclass(frozen=True, eq=False)
class SyntheticImage:
    """A synthetic micrograph with its truth.

    Parameters
    ----------
    micrograph
        The image, calibrated, its metadata saying that it is synthetic.
    truth
        Its primary particles.
    labels
        (height, width) int32, agglomerates as in ``truth``, 0 is background.
    spec
        The spec of just this image: where the given one asked for variety, what was drawn.
    """

    micrograph: Micrograph
    truth: TrueParticles
    labels: NDArray[np.int32]
    spec: SynthesisSpec
