"""What the particle network finds, as columns: one row a particle."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class DetectionParameters:
    """What a person can set of the search for particles."""

    least_score: float = parameter(
        0.35, "Least score", minimum=0.05, maximum=0.99, step=0.05,
        help="Particles of which the network is less sure are left out. Smaller values find more, also wrong "
        "ones.",
    )  # fmt: skip
    typical_diameter_px: float = parameter(
        0.0, "Typical diameter", unit="px", minimum=0, maximum=10000, step=1, advanced=True,
        help="Sets how far the image is enlarged or reduced for the network; 0: found by itself.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """How the network looks at an image, so that a part of it can be looked at in the same way.

    Parameters
    ----------
    scale
        Px that each px of the image becomes.
    darkest
        Contrast that is 1 for the network.
    """

    scale: float
    darkest: float


@dataclass(frozen=True, eq=False)
class Detections:
    """Particles the network found in one micrograph.

    All columns have length n; lengths are px of the micrograph, pixel centres lie at integers.

    Parameters
    ----------
    agglomerate
        int32, id of the agglomerate the particle belongs to; only those that are to be measured.
    x, y
        float64, centroid of the outline.
    area_px
        float64, area of the whole outline, also where another particle covers it.
    radius_px
        float64, radius of the circle of that area.
    radius_sd_px
        float64, standard error of ``radius_px`` as the network estimates it.
    score
        float64 in [0, 1], how sure the network is that there is a particle.
    outlines
        n arrays (k, 2) float32 of x, y, closed implicitly; star-shaped around a point inside.
    foreground
        (height, width) float32, probability of each pixel of the whole micrograph to be particle, or
        ``None`` where it was not asked for.
    look
        How the image was looked at.
    """

    agglomerate: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area_px: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    radius_sd_px: NDArray[np.float64]
    score: NDArray[np.float64]
    outlines: tuple[NDArray[np.float32], ...]
    foreground: NDArray[np.float32] | None = None
    look: Look | None = None

    def __post_init__(self) -> None:
        n = len(self.x)
        columns = (f.name for f in fields(self) if f.name not in ("foreground", "look"))
        if any(len(getattr(self, name)) != n for name in columns):
            raise ValueError("the columns of a table of detections must have one length")

    def __len__(self) -> int:
        return len(self.x)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> Detections:
        """Return the rows of a mask or index array."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        columns = {f.name: getattr(self, f.name)[index] for f in fields(self)[:7]}
        outlines = tuple(self.outlines[i] for i in index)
        return Detections(**columns, outlines=outlines, foreground=self.foreground, look=self.look)
