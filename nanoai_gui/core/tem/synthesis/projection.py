"""From bodies in space to the optical depth that the beam meets, as a union and not as a sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.shapes import Body


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


def project(
    bodies: Sequence[Body],
    centres: NDArray[np.float64],
    absorption: NDArray[np.float64],
    *,
    opaque_depth: float = 0.0,
    oversampling: int = 2,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Projection:
    """Send the beam through an agglomerate.

    Parameters
    ----------
    bodies, centres
        n particles and their (n, 3) centres in px.
    absorption
        (n,) absorption per px of path in each particle. Where particles overlap, the path counts once,
        for the particle that is met first.
    opaque_depth
        If positive, every ray that meets material has this optical depth instead (a silhouette).
    oversampling
        Rays per px along x and y; the transmitted intensity, not the path, is averaged over them.
    shift
        Part of a px by which the whole is moved.
    """
    half = np.array([b.half_size for b in bodies])
    low = np.floor((centres[:, :2] - half).min(axis=0)) - 1
    high = np.ceil((centres[:, :2] + half).max(axis=0)) + 2
    width, height = (high - low).astype(int)
    origin = -low + shift
    s = oversampling
    rows, columns = height * s, width * s
    pixel, start, stop, owner = _trace(bodies, centres, origin, s, columns)
    hits = np.bincount(pixel, minlength=rows * columns)
    if opaque_depth > 0:
        depth = np.where(hits > 0, np.float32(opaque_depth), np.float32(0))
    else:
        depth = _union(pixel, start, stop, absorption.astype(np.float32)[owner], hits)
    alone = np.bincount(owner, weights=hits[pixel] == 1, minlength=len(bodies))
    rays = np.bincount(owner, minlength=len(bodies))
    transmission = np.exp(-depth).reshape(rows, columns)
    covered = (hits > 0).reshape(rows, columns)
    if s > 1:
        transmission = transmission.reshape(height, s, width, s).mean(axis=(1, 3))
        covered = covered.reshape(height, s, width, s).mean(axis=(1, 3), dtype=np.float32) >= 0.5
    return Projection(
        transmission,
        covered,
        float(origin[0]),
        float(origin[1]),
        # A particle too small to meet a ray hides nothing that could be seen of it.
        np.divide(alone, rays, out=np.ones(len(bodies)), where=rays > 0),
    )


def _trace(
    bodies: Sequence[Body], centres: NDArray[np.float64], origin: NDArray[np.float64], s: int, columns: int
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """List, for every particle and ray that meet: the ray, entry, exit, and the particle."""
    pixels, starts, stops, owners = [], [], [], []
    # Ray i stands at (i + 0.5) / s - 0.5 px, so that pixel centres lie at integers.
    bias = 0.5 / s - 0.5
    for k, body in enumerate(bodies):
        x0, y0 = centres[k, 0] + origin[0], centres[k, 1] + origin[1]
        rx, ry = body.half_size
        first_x, last_x = int((x0 - rx - bias) * s), int((x0 + rx - bias) * s) + 1
        first_y, last_y = int((y0 - ry - bias) * s), int((y0 + ry - bias) * s) + 1
        x = ((np.arange(first_x, last_x + 1) / s + bias) - x0).astype(np.float32)
        y = ((np.arange(first_y, last_y + 1) / s + bias) - y0).astype(np.float32)
        low, high = body.span(x[None, :], y[:, None])
        inside = np.flatnonzero(high > low)
        row, column = np.divmod(inside, len(x))
        pixels.append((row + first_y) * columns + column + first_x)
        z = np.float32(centres[k, 2])
        starts.append(low.ravel()[inside] + z)
        stops.append(high.ravel()[inside] + z)
        owners.append(np.full(len(inside), k, dtype=np.intp))
    return np.concatenate(pixels), np.concatenate(starts), np.concatenate(stops), np.concatenate(owners)


def _union(
    pixel: NDArray[np.intp],
    start: NDArray[np.float32],
    stop: NDArray[np.float32],
    weight: NDArray[np.float32],
    hits: NDArray[np.intp],
) -> NDArray[np.float32]:
    """Sum weight x length over each pixel's union of intervals.

    The intervals of all shared pixels are laid end to end on one line, each pixel at its own stretch,
    so that one sort and one running maximum do for all of them.
    """
    single = hits[pixel] == 1
    depth = np.zeros(len(hits), dtype=np.float32)
    depth[pixel[single]] = weight[single] * (stop[single] - start[single])
    shared = np.flatnonzero(~single)
    if len(shared):
        p = pixel[shared]
        base = p * (2.0 * float(stop.max() - start.min()) + 1.0)
        a, b = base + start[shared], base + stop[shared]
        order = np.argsort(a)
        a, b = a[order], b[order]
        met = np.maximum.accumulate(b)
        a[1:] = np.maximum(a[1:], met[:-1])
        gained = np.maximum(b - a, 0) * weight[shared[order]]
        depth += np.bincount(p[order], weights=gained, minlength=len(hits)).astype(np.float32)
    return depth
