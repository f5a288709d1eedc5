"""What the fit of an image rests on, kept with its result, and the image that its particles would make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.fitting.bodies import LOG_R, N_PARAMETERS, Q1, Q2, H, Kind, X, Y, half_sizes, windows
from nanoai_gui.core.tem.fitting.scene import Image, blur
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles

_SAME_PX = 0.05
_ROUND = 0.01
"""Strain below which an outline counts as a circle."""
ELLIPSE_POINTS = 48


@dataclass(frozen=True, eq=False)
class FitReport:
    """What all particles of an image share, and what the fit says about itself.

    Parameters
    ----------
    contrast_kind
        Value of a :class:`~nanoai_gui.core.tem.fitting.bodies.Kind`.
    absorption, amplitude, blur_px, overlap
        See :mod:`~nanoai_gui.core.tem.fitting.scene` and :mod:`~nanoai_gui.core.tem.fitting.contacts`.
    strain_sd, absorption_sd
        Spread of shape and of absorption from particle to particle; 0: spheres, all alike.
    outlines_stand
        The particles of this image are no spheres or ellipsoids: all outlines are the network's.
    detection_limit_px
        Diameter below which a particle cannot be told from noise, or not be measured to 10 %.
    levels
        (m, 2): agglomerate and the background beside it, as a contrast.
    extra
        (n, 3): x, y and ln absorption of particles that absorb unlike the others.
    misfit
        What the model leaves unexplained of a typical particle.
    noise, typical_contrast
        Of a px of background, and of the middle of a particle; 0: not known (of an older version).
    typical_radius_px, radius_spread
        Median, and standard deviation of the logarithm, of the radii that the network found.
    network_scale, network_contrast
        See :class:`~nanoai_gui.core.tem.detection.detections.Look`.
    """

    contrast_kind: str
    absorption: float
    amplitude: float
    blur_px: float
    overlap: float
    strain_sd: float
    absorption_sd: float
    outlines_stand: bool
    detection_limit_px: float
    levels: NDArray[np.float64]
    extra: NDArray[np.float64]
    misfit: float = 0.0
    noise: float = 0.0
    typical_contrast: float = 0.0
    typical_radius_px: float = 0.0
    radius_spread: float = 0.0
    network_scale: float = 0.0
    network_contrast: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether a part of the image can be measured by it as the image was."""
        return min(self.noise, self.typical_contrast, self.typical_radius_px, self.network_scale) > 0

    def in_short(self) -> str:
        """Say in two or three words what particles were measured as."""
        if self.outlines_stand:
            return "outlines (network)"
        shape = "ellipsoids" if self.strain_sd else "spheres"
        flat = self.contrast_kind == Kind.FLAT
        return f"{shape}, flat" if flat else f"{shape}, translucent"

    def sentence(self) -> str:
        """Say it in words."""
        if self.outlines_stand:
            what = "No spheres or ellipsoids: outlines of the network"
        else:
            shape = "ellipsoids" if self.strain_sd else "spheres"
            alike = ", each absorbing by its own amount" if self.absorption_sd > 0.2 else ""
            what = f"Fitted as {shape} ({self.contrast_kind}{alike}), blur {self.blur_px:.1f} px"
            if self.overlap:
                what += f", contacts {100 * self.overlap:.0f} % sintered"
        return f"{what}; nothing below {self.detection_limit_px:.1f} px is known"


def ellipse(x: float, y: float, r: float, q1: float, q2: float) -> NDArray[np.float32]:
    """Outline of a particle, (k, 2) float32; empty (a circle) without strain."""
    q = float(np.hypot(q1, q2))
    if q < _ROUND:
        return np.empty((0, 2), dtype=np.float32)
    t = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)
    angle = 0.5 * np.arctan2(q2, q1)
    a, b = r * np.exp(q) * np.cos(t), r * np.exp(-q) * np.sin(t)
    c, s = np.cos(angle), np.sin(angle)
    # A polygon through points of the ellipse is a little smaller: the factor gives it the same area.
    swell = np.sqrt(2 * np.pi / ELLIPSE_POINTS / np.sin(2 * np.pi / ELLIPSE_POINTS))
    points = np.column_stack([x + swell * (c * a - s * b), y + swell * (s * a + c * b)])
    return points.astype(np.float32)


def parameters_of(particles: Particles) -> NDArray[np.float64]:
    """Give the (n, 6) parameters that come nearest to the outlines of particles."""
    p = np.zeros((len(particles), N_PARAMETERS))
    p[:, X], p[:, Y], p[:, LOG_R] = (
        particles.x,
        particles.y,
        np.log(np.maximum(particles.diameter_px / 2, 0.5)),
    )
    for k, outline in enumerate(particles.outlines):
        if len(outline) >= 5:
            p[k, Q1], p[k, Q2] = _strain(outline.astype(np.float64))
    return p


def _strain(outline: NDArray[np.float64]) -> tuple[float, float]:
    """Strain of the ellipse with the second moments of a polygon."""
    x, y = (outline - outline.mean(axis=0)).T
    u, v = np.roll(x, -1), np.roll(y, -1)
    cross = x * v - u * y
    area = cross.sum() / 2
    if abs(area) < 1e-9:
        return 0.0, 0.0
    cx, cy = ((x + u) * cross).sum() / (6 * area), ((y + v) * cross).sum() / (6 * area)
    xx = ((x * x + x * u + u * u) * cross).sum() / (12 * area) - cx**2
    yy = ((y * y + y * v + v * v) * cross).sum() / (12 * area) - cy**2
    xy = ((x * v + 2 * x * y + 2 * u * v + u * y) * cross).sum() / (24 * area) - cx * cy
    spread = np.hypot(xx - yy, 2 * xy)
    long, short = (xx + yy + spread) / 2, max((xx + yy - spread) / 2, 1e-9)
    # Axes exp(q) and exp(-q): their ratio is exp(2 q).
    q = min(0.25 * float(np.log(max(long, 1e-9) / short)), 0.8)
    if q < _ROUND:
        return 0.0, 0.0
    return q * float((xx - yy) / spread), q * float(2 * xy / spread)


def residual_image(
    micrograph: Micrograph, agglomerates: Agglomerates, particles: Particles, report: FitReport
) -> Image:
    """Give contrast minus model, (height, width) float32; positive where there is more material than said.

    Edited and added particles take part as they are now. Beyond the field of view it is 0.
    """
    from nanoai_gui.core.tem.fitting.signal import read_signal

    height, width = micrograph.field_pixels.shape
    signal = read_signal(micrograph, agglomerates)
    p = parameters_of(particles)
    if len(report.extra) and len(p):
        from scipy.spatial import cKDTree

        away, row = cKDTree(report.extra[:, :2]).query(p[:, [X, Y]], distance_upper_bound=_SAME_PX)
        known = np.isfinite(away)
        p[known, H] = report.extra[row[known], 2]
    kind = Kind(report.contrast_kind)
    depth = np.zeros((height, width), dtype=np.float32)
    half = half_sizes(p, 1.5)
    for size in np.unique(half).tolist():
        rows = np.flatnonzero(half == size)
        for first in range(0, len(rows), 256):
            w = windows(p, rows[first : first + 256], size, kind, report.absorption)
            for x0, y0, one in zip(w.x0.tolist(), w.y0.tolist(), w.depth, strict=True):
                ya, xa, n = max(y0, 0), max(x0, 0), one.shape[0]
                yb, xb = min(y0 + n, height), min(x0 + n, width)
                if ya < yb and xa < xb:
                    depth[ya:yb, xa:xb] += one[ya - y0 : yb - y0, xa - x0 : xb - x0]
    model = np.float32(report.amplitude) * (1 - blur(np.exp(-depth), report.blur_px))
    level = np.zeros(int(agglomerates.ids.max(initial=0)) + 1, dtype=np.float32)
    ids = report.levels[:, 0].astype(np.intp)
    present = ids < len(level)
    level[ids[present]] = report.levels[present, 1]
    out = np.zeros(micrograph.shape, dtype=np.float32)
    for start in range(0, height, 256):
        stop = min(start + 256, height)
        labels = agglomerates.labels[start:stop, :width]
        out[start:stop, :width] = signal.cut(start, 0, stop, width) - model[start:stop] - level[labels]
    return out
