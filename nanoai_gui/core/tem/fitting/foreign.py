"""What is far too faint for its size to be of the material that is measured: film, dirt, residue.

Of one material, a particle is about as thick as it is wide, and the beam feels that thickness. Something
beside the particles that shows much less of it than its size allows is something else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.detection.detections import Detections
from nanoai_gui.core.tem.fitting.signal import Signal

DOUBTFUL = 0.7
"""Score from which the network is believed whatever the thickness: crystals differ in how dark they are."""
SURE = 0.5
"""Score of particles that tell what is usual; of the surest three in ten, if there are too few."""
USUAL = 200
"""So many of them are looked at, at most."""
LEAST_PASSED = 0.02
"""Share of the beam below which thickness cannot be told."""
QUANTILE = 0.35
"""Of the points of a particle: the rest may lie behind others."""
_RINGS = (0.0, 0.3, 0.55, 0.75)


def too_faint(
    signal: Signal, found: Detections, least: float, usual: tuple[float, float] | None = None
) -> NDArray[np.bool_]:
    """Tell which particles are none.

    Parameters
    ----------
    signal
        The contrast of the image.
    found
        What the network found.
    least
        Share of the thickness that its size lets one expect, below which something is none.
    usual
        Thickness and radius (px) of usual particles, where ``found`` is only a part of them.

    Returns
    -------
    (n,) mask.
    """
    out = np.zeros(len(found), dtype=bool)
    doubtful = np.flatnonzero(found.score < DOUBTFUL)
    if not len(doubtful) or least <= 0:
        return out
    thickness, radius = usual or usual_of(signal, found)
    expected = thickness * np.minimum(found.radius_px[doubtful] / radius, 1)
    out[doubtful] = thicknesses(signal, found, doubtful) < least * expected
    return out


def usual_of(signal: Signal, found: Detections) -> tuple[float, float]:
    """Give the thickness and radius (px) of usual particles."""
    sure = np.flatnonzero(found.score >= min(SURE, float(np.quantile(found.score, 0.7))))
    sure = sure[np.linspace(0, len(sure) - 1, min(len(sure), USUAL)).astype(int)]
    return float(np.median(thicknesses(signal, found, sure))), float(np.median(found.radius_px[sure]))


def thicknesses(signal: Signal, found: Detections, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Thickness of particles as the beam feels it: optical depth, or contrast where particles are bright."""
    from scipy import ndimage

    height, width = signal.micrograph.field_pixels.shape
    out = np.zeros(len(rows))
    for place, k in enumerate(rows.tolist()):
        centre = np.array([[found.x[k], found.y[k]]])
        points = np.concatenate([centre + s * (found.outlines[k] - centre) for s in _RINGS])
        column = np.clip(np.rint(points[:, 0]).astype(int), 0, width - 1)
        row = np.clip(np.rint(points[:, 1]).astype(int), 0, height - 1)
        y0, x0 = max(int(row.min()) - 1, 0), max(int(column.min()) - 1, 0)
        contrast = signal.cut(y0, x0, min(int(row.max()) + 2, height), min(int(column.max()) + 2, width))
        smooth = ndimage.uniform_filter(contrast, 3)[row - y0, column - x0]
        if signal.sign > 0 and not signal.scale:
            smooth = -np.log(np.maximum(1 - smooth, LEAST_PASSED))
        out[place] = np.quantile(smooth, QUANTILE)
    return out
