"""Where particles of known size lie in a silhouette.

The networks tell how many particles there are and how large, not where. For the picture, circles of those
sizes are laid where they cover the silhouette best, the largest first; no size comes from this.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COARSE = 48
"""Longest side in px of the silhouette on which places are sought: a drawing needs no more."""


def place_circles(mask: NDArray[np.bool_], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay circles onto a silhouette.

    Parameters
    ----------
    mask
        (h, w) bool.
    radii
        (k,) in px, descending.

    Returns
    -------
    (k, 2) float64: x, y in px of the mask.
    """
    from scipy import signal

    step = max(1, -(-max(mask.shape) // _COARSE))
    # Block means rather than every step-th pixel: thin parts count for what they are.
    height, width = (-(-n // step) * step for n in mask.shape)
    whole = np.zeros((height, width), dtype=np.float32)
    whole[: mask.shape[0], : mask.shape[1]] = mask
    share = whole.reshape(height // step, step, width // step, step).mean(axis=(1, 3))
    open_area = share.copy()
    places = np.empty((len(radii), 2))
    y, x = np.mgrid[: share.shape[0], : share.shape[1]]
    middle = (y * share).sum() / share.sum(), (x * share).sum() / share.sum()
    for i, radius in enumerate(radii / step):
        reach = int(np.ceil(radius))
        span = np.arange(-reach, reach + 1)
        disc = (span[:, None] ** 2 + span[None] ** 2 <= max(radius, 0.5) ** 2).astype(np.float32)
        # Material not covered yet counts once, background under the circle against it.
        gain = signal.fftconvolve(open_area - (1 - share), disc, mode="same")
        # Background beyond the cut-out counts as well.
        gain -= disc.sum() - signal.fftconvolve(np.ones_like(share), disc, mode="same")
        # Of places that are as good as each other, the one nearest to the middle.
        equal = gain >= gain.max() - 1e-4 * disc.sum()
        away = np.where(equal, (y - middle[0]) ** 2 + (x - middle[1]) ** 2, np.inf)
        best = np.unravel_index(int(away.argmin()), gain.shape)
        places[i] = best[1], best[0]
        open_area[(y - best[0]) ** 2 + (x - best[1]) ** 2 <= radius**2] = 0
    return np.asarray(places * step + (step - 1) / 2, dtype=np.float64)
