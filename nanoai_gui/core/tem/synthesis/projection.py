"""From bodies in space to the share of the beam that passes: paths count as a union, not as a sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.shapes import Body, Rays


@dataclass(frozen=True, eq=False)
class Material:
    """How n particles take from the beam.

    Parameters
    ----------
    absorption
        (n,) float64, optical depth per px of path in each particle. Where particles overlap, the path
        counts once, for the particle that is met first.
    bands
        (n, 5) float64 or ``None``: diffraction bands of each particle, which multiply its absorption by
        1 + amplitude x sin(phase + qx x + qy y + bend (x^2 + y^2)), x and y in px from its centre;
        columns amplitude, phase, qx, qy, bend.
    opaque_depth
        If positive, every ray that meets material has this optical depth instead (a silhouette).
    """

    absorption: NDArray[np.float64]
    bands: NDArray[np.float64] | None = None
    opaque_depth: float = 0.0


@dataclass(frozen=True, eq=False)
class Projection:
    """One agglomerate as seen along z, in a window of its own.

    Parameters
    ----------
    transmission
        (height, width) float32, share of the beam that passes.
    mask
        (height, width) bool, pixels of which at least half is covered.
    origin_x, origin_y
        Place of the agglomerate's origin in the window, in px.
    visible
        (n,) share of each particle's projected outline that no other particle overlaps.
    """

    transmission: NDArray[np.float32]
    mask: NDArray[np.bool_]
    origin_x: float
    origin_y: float
    visible: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Shadow:
    """One particle in its own box of rays.

    ``window`` places the box in the whole; ``low`` and ``high`` are where each ray enters and leaves, from
    its centre at ``z``, ``inside`` whether it does, ``per_px`` the optical depth per px of path.
    """

    window: tuple[slice, slice]
    low: Rays
    high: Rays
    inside: NDArray[np.bool_]
    z: np.float32
    per_px: Rays | np.float32


def project(
    bodies: Sequence[Body],
    centres: NDArray[np.float64],
    material: Material,
    *,
    margin: int = 1,
    oversampling: int = 2,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Projection:
    """Send the beam through an agglomerate.

    Parameters
    ----------
    bodies, centres
        n particles and their (n, 3) centres in px.
    material
        What they do to the beam.
    margin
        Empty px on every side of the window, at least 1.
    oversampling
        Rays per px along x and y; the transmitted intensity, not the path, is averaged over them.
    shift
        Part of a px in [0, 1) by which the whole is moved along x and y.
    """
    half = np.array([b.half_size for b in bodies])
    low = np.floor((centres[:, :2] - half).min(axis=0)) - margin
    high = np.ceil((centres[:, :2] + half).max(axis=0)) + margin + 1
    width, height = (int(n) for n in high - low)
    origin = shift - low
    rows, columns = height * oversampling, width * oversampling
    # Bytes, where they can count so far, add up without conversion.
    count = np.zeros((rows, columns), dtype=np.uint8 if len(bodies) < 256 else np.uint16)
    shadows = []
    for k, body in enumerate(bodies):
        shadow = _cast(body, k, centres[k], material, origin, oversampling)
        count[shadow.window] += shadow.inside.view(np.uint8)
        shadows.append(shadow)
    crowded = count > 1
    shared = [np.flatnonzero(shadow.inside & crowded[shadow.window]) for shadow in shadows]
    rays = [int(np.count_nonzero(shadow.inside)) for shadow in shadows]
    covered = _bin((count > 0).view(np.uint8), oversampling)
    if material.opaque_depth > 0:
        loss = -np.expm1(-material.opaque_depth) / oversampling**2
        transmission = 1 - np.float32(loss) * covered
    else:
        transmission = _bin(np.exp(-_union(shadows, shared, crowded)), oversampling)
    return Projection(
        transmission,
        covered * 2 >= oversampling**2,
        float(origin[0]),
        float(origin[1]),
        # A particle too small to meet a ray has nothing hidden that could be seen.
        np.array([1 - len(s) / n if n else 1.0 for s, n in zip(shared, rays, strict=True)]),
    )


def _bin(image: NDArray[Any], s: int) -> NDArray[Any]:
    """Average s x s px of a float image, or add them up in one of integers.

    Adding strided views is much quicker than a mean over two short axes.
    """
    if s == 1:
        return image
    total = image[::s, ::s].copy()
    for k in range(1, s * s):
        total += image[k // s :: s, k % s :: s]
    if total.dtype.kind == "f":
        total *= total.dtype.type(1 / s**2)
    return total


def _cast(
    body: Body,
    k: int,
    centre: NDArray[np.float64],
    material: Material,
    origin: NDArray[np.float64],
    s: int,
) -> _Shadow:
    """Find where the rays of a particle's own box enter and leave it."""
    # Ray i stands at (i + 0.5) / s - 0.5 px, so that pixel centres lie at integers.
    bias = 0.5 / s - 0.5
    x0, y0 = float(centre[0] + origin[0]), float(centre[1] + origin[1])
    rx, ry = body.half_size
    columns = slice(int((x0 - rx - bias) * s), int((x0 + rx - bias) * s) + 2)
    rows = slice(int((y0 - ry - bias) * s), int((y0 + ry - bias) * s) + 2)
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) * (1 / s) + (bias - x0))[None, :]
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) * (1 / s) + (bias - y0))[:, None]
    low, high = body.span(x, y)
    per_px: Rays | np.float32 = np.float32(material.absorption[k])
    if material.bands is not None:
        per_px = per_px * _bands(x, y, material.bands[k].astype(np.float32))
    return _Shadow((rows, columns), low, high, high > low, np.float32(centre[2]), per_px)


def _bands(x: Rays, y: Rays, band: Rays) -> Rays:
    amplitude, phase, qx, qy, bend = band
    wave = np.sin((phase + qy * y + bend * (y * y)) + (qx * x + bend * (x * x)))
    factor: Rays = np.maximum(1 + amplitude * wave, np.float32(0.05))
    return factor


def _union(
    shadows: Sequence[_Shadow], shared: Sequence[NDArray[np.intp]], crowded: NDArray[np.bool_]
) -> Rays:
    """Sum optical depth over each ray's union of intervals, in the shape of ``crowded``.

    A ray that meets one particle needs no union. The intervals of the others (``crowded``; within each
    shadow's box ``shared``) are laid end to end on one line, each ray on its own stretch, so that one sort
    and one running maximum do for all of them.
    """
    depth = np.zeros(crowded.shape, dtype=np.float32)
    places = np.flatnonzero(crowded)
    number = np.zeros(crowded.shape, dtype=np.int32)
    number.ravel()[places] = np.arange(len(places), dtype=np.int32)
    rays, lows, highs, rates = [], [], [], []
    for shadow, met in zip(shadows, shared, strict=True):
        path = shadow.high - shadow.low
        np.maximum(path, 0, out=path)
        path *= shadow.per_px
        depth[shadow.window] += path
        if len(met):
            rays.append(number[shadow.window].ravel()[met])
            lows.append(shadow.low.ravel()[met] + shadow.z)
            highs.append(shadow.high.ravel()[met] + shadow.z)
            rates.append(np.broadcast_to(shadow.per_px, path.shape).ravel()[met])
    if len(places):
        ray, low, high, rate = (np.concatenate(part) for part in (rays, lows, highs, rates))
        stretch = ray * (float(high.max() - low.min()) + 1.0)
        start, stop = stretch + low, stretch + high
        order = np.argsort(start)
        start, stop = start[order], stop[order]
        reached = np.maximum.accumulate(stop)
        np.maximum(start[1:], reached[:-1], out=start[1:])
        gained = np.maximum(stop - start, 0) * rate[order]
        depth.ravel()[places] = np.bincount(ray[order], weights=gained, minlength=len(places))
    return depth
