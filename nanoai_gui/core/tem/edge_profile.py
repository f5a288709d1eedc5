"""Where the edge of a particle really is: fitted to the mean grey-level profile across all outlines.

A threshold half-way between background and particle finds the edge of a flat silhouette. A sphere that
absorbs along its thickness is thin at its edge, so half-way lies well inside it (up to a tenth of the
diameter). The mean profile tells the two apart. At depth ``s`` behind the edge of a sphere of radius R the
path through it is ``2 sqrt(2 R s - s^2)``, and Beer and Lambert give the contrast ``1 - exp(-k path)``; the
more opaque it is, the nearer this comes to the step of a flat silhouette. All of it is blurred.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_REACH = 6
"""Depth in px that is looked at on either side of the outline."""
_STEP = 0.5
_N_PROFILES = 4000
_OPACITIES = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 1e6)
_BLURS = np.geomspace(0.6, 5.0, 19)
_SHIFTS = np.arange(-4.0, 1.01, 0.1)


def mean_profile(
    contrast: NDArray[np.float32], level: float, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Median contrast against depth behind the outline at ``level``.

    Parameters
    ----------
    contrast
        (height, width), 0 = background.
    level
        The outline is where the contrast crosses this.

    Returns
    -------
    Depth in px (negative outside) and contrast, each (n,); ``None`` where there is too little outline.
    """
    rim = _REACH + 3
    inner = contrast[rim:-rim, rim:-rim]
    if inner.size == 0:
        return None
    above = inner > level
    edge = above[1:-1, 1:-1] & ~(above[:-2, 1:-1] & above[2:, 1:-1] & above[1:-1, :-2] & above[1:-1, 2:])
    place = np.flatnonzero(edge)
    if len(place) < 50:
        return None
    if len(place) > _N_PROFILES:
        place = np.random.default_rng(seed).choice(place, _N_PROFILES, replace=False)
    y, x = np.divmod(place, edge.shape[1])
    y, x = y + rim + 1, x + rim + 1
    gy = (contrast[y + 2, x] - contrast[y - 2, x]).astype(np.float64)
    gx = (contrast[y, x + 2] - contrast[y, x - 2]).astype(np.float64)
    size = np.hypot(gx, gy)
    good = size > 0
    y, x, gy, gx, size = (v[good] for v in (y, x, gy, gx, size))
    uy, ux = gy / size, gx / size
    # The rim pixel lies up to one pixel inside: slide every profile to its own crossing.
    value = contrast[y, x]
    outside = _sample(contrast, y - uy, x - ux)
    slide = np.clip((value - level) / np.maximum(value - outside, 1e-9), 0, 1)
    depth = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    along = depth[:, None] - slide
    profile = np.median(_sample(contrast, y + along * uy, x + along * ux), axis=1)
    return depth, profile


def edge_level(
    contrast: NDArray[np.float32], level: float, denoise_px: float, typical_radius: float
) -> float:
    """Contrast at the true edge, from the profile across the outlines at a first ``level``.

    Parameters
    ----------
    contrast
        (height, width), flattened and denoised, 0 = background.
    level
        A first threshold, such as Otsu's.
    denoise_px
        Blur that was added on purpose: the fitted one is at least as wide.
    typical_radius
        Of the particles, in px; the profile is not followed beyond two thirds of it.

    Returns
    -------
    A level between a quarter of ``level`` and ``level``.
    """
    measured = mean_profile(contrast, level)
    if measured is None:
        return level
    depth, profile = measured
    depth_limit = max(1.5, min(float(_REACH), 0.67 * typical_radius))
    used = (depth <= depth_limit) & (depth >= -4)
    s, c = depth[used], profile[used]
    best, best_level = np.inf, level
    for blur in _BLURS[min(0.9 * denoise_px, _BLURS[-1]) <= _BLURS]:
        for opacity in _OPACITIES:
            template = _blurred_edge(opacity, float(blur), typical_radius)
            shapes = np.interp(s[None, :] - _SHIFTS[:, None], template[0], template[1])
            scale = shapes @ c / np.maximum((shapes**2).sum(axis=1), 1e-30)
            misfit = ((c[None, :] - scale[:, None] * shapes) ** 2).sum(axis=1)
            k = int(np.argmin(misfit))
            if misfit[k] < best:
                best = float(misfit[k])
                best_level = float(scale[k] * np.interp(0.0, template[0], template[1]))
    return float(np.clip(best_level, 0.25 * level, level))


def _blurred_edge(
    opacity: float, blur: float, radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Contrast behind the edge of a sphere, blurred by a Gaussian: sampled at depths -12..12 px."""
    fine = 0.1
    s = np.arange(-24, 24 + fine / 2, fine)
    inside = np.clip(s / radius, 0, 1)
    shape = -np.expm1(-opacity * np.sqrt(inside * (2 - inside)))
    kernel = np.exp(-0.5 * (np.arange(-4 * blur, 4 * blur + fine / 2, fine) / blur) ** 2)
    blurred = np.convolve(shape, kernel / kernel.sum(), mode="same")
    keep = np.abs(s) <= 12
    return s[keep], blurred[keep]


def _sample(
    image: NDArray[np.float32], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    from scipy import ndimage

    return np.asarray(ndimage.map_coordinates(image, [y, x], order=1, mode="nearest"), dtype=np.float64)
