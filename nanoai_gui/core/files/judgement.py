"""Judging the pixel size a file claims: believe it, resample for it, or open the image uncalibrated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.frames import PixelSize
from nanoai_gui.core.tem.calibration import Calibration, CalibrationSource, is_plausible

SAME_EDGES = 1.02
"""Up to this ratio of a pixel's edges their geometric mean serves: areas stay exact, shapes nearly so."""
WORTH_SAYING = 1.002
"""Above this ratio of a pixel's edges the person is told."""
LARGEST_EDGE_RATIO = 2.0
"""Beyond this, a resampled image would mostly consist of interpolated values."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a claimed pixel size comes to.

    Parameters
    ----------
    calibration
        Pixel size of the image once it has been stretched.
    stretch_y, stretch_x
        Factors by which the image must be enlarged to get square pixels; 1 where none is needed.
    """

    calibration: Calibration
    stretch_y: float = 1.0
    stretch_x: float = 1.0

    @property
    def is_square(self) -> bool:
        """Whether the image can stay as it is."""
        return self.stretch_y == self.stretch_x == 1.0


def judge(claim: PixelSize, path: Path) -> Judgement:
    """Judge the claim of one image.

    Raises
    ------
    ReadError
        If the pixels are so far from square that resampling would invent most of the image.
    """
    x, y = claim.x_nm, claim.y_nm
    if x is None or y is None:
        reasons = claim.warnings or ("The file holds no pixel size.",)
        return Judgement(Calibration.unknown(*reasons))
    if not (is_plausible(x) and is_plausible(y)):
        absurd = x if not is_plausible(x) else y
        reason = f"The file claims {absurd:g} nm per px, which is not possible; its scale is ignored."
        return Judgement(Calibration.unknown(reason, *claim.warnings))
    ratio = max(x, y) / min(x, y)
    if ratio > LARGEST_EDGE_RATIO:
        raise ReadError(
            f"{path.name} has pixels of {x:.4g} x {y:.4g} nm, too far from square to measure shapes.",
            "Record it with the same step in both directions, or resample it first.",
        )
    if ratio <= SAME_EDGES:
        warnings = claim.warnings
        if ratio > WORTH_SAYING:
            warnings = (
                *warnings,
                f"The pixels are {x:.5g} nm wide and {y:.5g} nm high; their geometric mean is used.",
            )
        nm = math.sqrt(x * y)
        return Judgement(Calibration(nm, CalibrationSource.METADATA, claim.detail, warnings))
    finer = min(x, y)
    warning = (
        f"The pixels are {x:.5g} nm wide and {y:.5g} nm high; "
        f"the image was resampled to squares of {finer:.5g} nm."
    )
    calibration = Calibration(finer, CalibrationSource.METADATA, claim.detail, (*claim.warnings, warning))
    return Judgement(calibration, y / finer, x / finer)


def stretch(pixels: NDArray[Any], judgement: Judgement) -> NDArray[Any]:
    """Enlarge an image to square pixels, linearly and in its own number type."""
    if judgement.is_square:
        return pixels
    from scipy import ndimage

    height, width = pixels.shape
    factors = (
        round(height * judgement.stretch_y) / height,
        round(width * judgement.stretch_x) / width,
    )
    stretched: NDArray[Any] = ndimage.zoom(pixels, factors, order=1, mode="nearest", grid_mode=True)
    return stretched
