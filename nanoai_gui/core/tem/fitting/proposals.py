"""Where the number of particles may be wrong, and what might be right instead: to be tried, not believed.

Missing particles show in what is left of the contrast, at every size that is ordinary. A particle that fits
badly may be two, one that hardly explains anything may be none, and what was added in several pieces, or
changed from what the network found, may be one after all. Two that the network found are never made one: of
hundreds of such trials in crowds of spheres one stood.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.fitting.bodies import LOG_R, N_PARAMETERS, Kind, X, Y, windows
from nanoai_gui.core.tem.fitting.model import Model
from nanoai_gui.core.tem.fitting.scene import Image, blur, blur_matrix, cut_out
from nanoai_gui.core.tem.fitting.solver import Fit
from nanoai_gui.core.tem.fitting.trials import Places
from nanoai_gui.core.tem.fitting.verdict import SMOOTHING_PX

SEED = 6.5
"""Standard errors by which a place must stand out to be tried."""
SCALE_STEP = 1.6
"""Ratio of the radii that are looked for."""
LEAST_SPREAD = 0.12
"""Standard deviation of ln r that is allowed for at least."""
SMALL, SMALLER = 1.3, 0.43
"""A particle is small if its ln r is below the typical one by so many standard deviations, and by so much."""
FAR_SMALLER, FAR_LARGER = 3.0, 2.0
"""Radii that are looked for, in standard deviations from the typical one."""
RIVAL = 0.7
"""A size is tried beside another one at the same place if it stands out by such a share of that."""
BADLY_FITTED = 40.0
"""Cost in a particle, beyond that of noise, from which it may be two."""
WORTHLESS, DOUBTFUL = 40.0, 240.0
"""Cost that a particle must save not to be given up, and from which that is not even asked. The first is that
of a new one: at low dose the network takes noise in large particles for tiny ones."""
COVERED, MOST_REPLACED = 0.8, 4
"""Particles whose centres lie within such a share of the radius may be a single one, if they are no more."""
BEHIND, LEAST_RATIO = 0.6, 0.4
"""Two lie one behind the other if their centres are nearer than such a share of the larger radius, and their
radii do not differ by more."""
SAME = 0.6
"""Circles that share so much of their union are one particle."""
SPHERE_PROFILE = 0.45
"""Width (standard deviation) of the Gaussian that resembles a sphere of radius 1 most."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What radii are ordinary, in px of the scene.

    ``typical`` is the median, ``spread`` the standard deviation of ln r, ``smallest`` what the image lets one
    measure.
    """

    typical: float
    spread: float
    smallest: float

    @property
    def scales(self) -> NDArray[np.float64]:
        """Radii that are looked for."""
        spread = max(self.spread, LEAST_SPREAD)
        low = max(self.typical * np.exp(-FAR_SMALLER * spread), self.smallest, 1.5)
        high = max(self.typical * np.exp(FAR_LARGER * spread), low)
        n = int(np.ceil(np.log(high / low) / np.log(SCALE_STEP))) + 1
        return np.geomspace(low, high, n)

    def away(self, radius: NDArray[np.float64]) -> NDArray[np.float64]:
        """Tell how far radii are from the typical one, in standard deviations of ln r; below it negative."""
        return np.log(radius / self.typical) / max(self.spread, LEAST_SPREAD)

    def is_small(self, radius: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which radii are those of small particles."""
        return np.asarray(np.log(radius / self.typical) < -max(SMALL * self.spread, SMALLER))


@dataclass(frozen=True, eq=False)
class Found:
    """Particles as the network found them: (n, 6) parameters, (n,) component and whether they are held."""

    start: NDArray[np.float64]
    component: NDArray[np.intp]
    held: NDArray[np.bool_]


def births(model: Model, fit: Fit, sizes: Sizes, changed: Places | None) -> Places:
    """Where particles seem to be missing."""
    state, optics = fit.state, fit.optics
    slope = np.float32(optics.amplitude) * state.blurred
    if model.kind is Kind.MASS:
        slope = slope * np.float32(optics.absorption)
    square = model.weight * model.weight
    left, room = square * state.residual * slope, square * slope * slope
    among = np.arange(model.n_components) if changed is None else np.unique(changed.component)
    found = [_summits(model, left, room, sizes.scales, int(k)) for k in among.tolist()]
    table = np.concatenate(found, axis=1) if found else np.empty((5, 0))
    stands_out, component, x, y, radius = table[:, np.argsort(-table[0], kind="stable")]
    kept: list[int] = []
    for k in range(len(x)):
        old = np.array(kept, dtype=np.intp)
        same = (component[old] == component[k]) & (
            np.hypot(x[old] - x[k], y[old] - y[k]) < 0.6 * np.maximum(radius[old], radius[k])
        )
        if not (same & (stands_out[k] < RIVAL * stands_out[old])).any():
            kept.append(k)
    new = np.zeros((len(kept), 1, N_PARAMETERS))
    new[:, 0, X], new[:, 0, Y], new[:, 0, LOG_R] = x[kept], y[kept], np.log(radius[kept])
    gone = np.full((len(kept), 1), -1, dtype=np.intp)
    return Places(component[kept].astype(np.intp), x[kept], y[kept], radius[kept], gone, new)


def _summits(
    model: Model, left: Image, room: Image, scales: NDArray[np.float64], number: int
) -> NDArray[np.float64]:
    """Where in one component a particle would explain much: (5, k) significance, component, x, y, radius."""
    from scipy import ndimage

    y0, x0, y1, x1 = model.boxes[number]
    box = slice(y0, y1), slice(x0, x1)
    mine = model.owner[box] == number
    left, room = left[box] * mine, room[box] * mine
    out = [np.empty((5, 0))]
    for r in scales.tolist():
        s = SPHERE_PROFILE * r
        seen, known = blur(left, s), blur(room, s / np.sqrt(2))
        found = seen / np.sqrt(np.maximum(known, 1e-12) / (4 * np.pi * s * s))
        if model.kind is Kind.MASS:
            # The path through the middle of a sphere is its diameter: what is too faint is something else.
            path = 2 * seen / np.maximum(known, 1e-12)
            found = np.where((path > 0.6 * r) & (path < 6 * r), found, 0)
        wide = 2 * int(max(r / 2, 2)) + 1
        y, x = np.nonzero((found > SEED) & mine & (found == ndimage.maximum_filter(found, wide)))
        here = found[y, x].astype(np.float64)
        at_x, at_y = x + (x0 - model.rim), y + (y0 - model.rim)
        out.append(np.stack([here, np.full(len(x), float(number)), at_x, at_y, np.full(len(x), r)]))
    return np.concatenate(out, axis=1)


def splits(model: Model, fit: Fit, rows: NDArray[np.intp], axis: NDArray[np.float64]) -> Places:
    """Two particles in the place of one, along and across the direction ``axis`` (n,) of what is left."""
    p = fit.state.parameters
    several = []
    for turn in (0.0, np.pi / 2):
        r = np.exp(p[rows, LOG_R])
        new = np.repeat(p[rows][:, None], 2, axis=1)
        step = 0.6 * r[:, None] * np.stack([np.cos(axis[rows] + turn), np.sin(axis[rows] + turn)], axis=1)
        new[:, 0, [X, Y]] -= step
        new[:, 1, [X, Y]] += step
        new[:, :, LOG_R] += np.log(0.8)
        new[:, :, LOG_R + 1 :] = 0
        several.append(Places(model.component[rows], p[rows, X], p[rows, Y], 1.4 * r, rows[:, None], new))
    return Places.joined(several)


def exchanges(
    model: Model, fit: Fit, bad: NDArray[np.bool_], axis: NDArray[np.float64], held: NDArray[np.bool_]
) -> Places:
    """Two others in the place of two that lie one behind the other, where one of them is ``bad`` (n,).

    To the second order two spheres look like any two others of the same sums of volumes and moments: two side
    by side like a small one within a large one. A fit finds no way from the one to the other.
    """
    from scipy.spatial import cKDTree

    p, r = fit.state.parameters, np.exp(fit.state.parameters[:, LOG_R])
    if not bad.any():
        return deaths(model, fit, np.empty(0, dtype=np.intp))
    i, j = cKDTree(p[:, [X, Y]]).query_pairs(BEHIND * float(r.max()), output_type="ndarray").T
    larger, smaller = np.maximum(r[i], r[j]), np.minimum(r[i], r[j])
    apart = np.hypot(p[i, X] - p[j, X], p[i, Y] - p[j, Y])
    good = (model.component[i] == model.component[j]) & (bad[i] | bad[j])
    good &= (apart < BEHIND * larger) & (smaller > LEAST_RATIO * larger) & ~held[i] & ~held[j]
    i, j, apart, larger = i[good], j[good], apart[good], larger[good]
    volume = r[[i, j]] ** 3
    x, y = ((volume * p[[i, j], c]).sum(axis=0) / volume.sum(axis=0) for c in (X, Y))
    same = (volume.mean(axis=0)) ** (1 / 3)
    worse = np.where(r[i] > r[j], i, j)
    several = []
    for turn, step, ratio in ((0.0, 0.3, 1.0), (np.pi / 2, 0.3, 1.0), (0.0, 0.0, 0.7)):
        new = np.zeros((len(i), 2, N_PARAMETERS))
        first = (2 / (1 + ratio**3)) ** (1 / 3)
        for k, (sign, factor) in enumerate(((-1, first), (1, first * ratio))):
            new[:, k, X] = x + sign * step * same * np.cos(axis[worse] + turn)
            new[:, k, Y] = y + sign * step * same * np.sin(axis[worse] + turn)
            new[:, k, LOG_R] = np.log(factor * same)
        several.append(Places(model.component[i], x, y, 1.2 * larger, np.column_stack([i, j]), new))
    return Places.joined(several)


def replacements(
    model: Model, fit: Fit, sizes: Sizes, changed: Places | None, added: NDArray[np.bool_]
) -> Places:
    """One particle in the place of some that were ``added`` (n,): several small ones may fill a large one."""
    p = fit.state.parameters
    without = replace(fit, state=model.evaluate(p, fit.optics, np.flatnonzero(~added)))
    places = births(model, without, sizes, changed)
    rows = np.flatnonzero(added)
    inside = np.hypot(p[rows, X] - places.x[:, None], p[rows, Y] - places.y[:, None])
    within = (inside < COVERED * places.reach[:, None]) & (model.component[rows] == places.component[:, None])
    number = within.sum(axis=1)
    alike = within & (np.abs(p[rows, LOG_R] - places.new[:, :1, LOG_R]) < np.log(SCALE_STEP) / 2)
    wanted = (number > 0) & (number <= MOST_REPLACED) & ~((number == 1) & alike.any(axis=1))
    return replace(places.select(wanted), gone=_gone(within[wanted], rows))


def returns(model: Model, fit: Fit, found: Found, held: NDArray[np.bool_]) -> Places:
    """Particles that the network had found where none is any more, in the place of what lies in them."""
    from nanoai_gui.core.tem.evaluation import circle_iou

    p, q = fit.state.parameters, found.start
    rows = np.flatnonzero(~found.held)
    r, radius = np.exp(p[:, LOG_R]), np.exp(q[rows, LOG_R])
    away = np.hypot(q[rows, None, X] - p[:, X], q[rows, None, Y] - p[:, Y])
    same = found.component[rows, None] == model.component
    near = same & (away < r + radius[:, None])
    i, j = np.nonzero(near)
    alike = np.zeros(near.shape, dtype=bool)
    alike[i, j] = circle_iou(away[i, j], radius[i], r[j]) > SAME
    within = same & (away < COVERED * radius[:, None]) & (r < radius[:, None]) & ~held
    lost = ~alike.any(axis=1) & (within.sum(axis=1) <= MOST_REPLACED)
    rows, within = rows[lost], within[lost]
    gone = _gone(within, np.arange(len(p)))
    return Places(found.component[rows], q[rows, X], q[rows, Y], radius[lost], gone, q[rows][:, None].copy())


def _gone(within: NDArray[np.bool_], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Put the ``rows`` (n,) marked by a mask (m, n) into columns, as many as may be replaced; -1 for none."""
    return -np.sort(-np.where(within, rows, -1), axis=1)[:, :MOST_REPLACED]


def deaths(model: Model, fit: Fit, rows: NDArray[np.intp]) -> Places:
    """Nothing in the place of one."""
    p = fit.state.parameters
    return Places(
        model.component[rows], p[rows, X], p[rows, Y], np.exp(p[rows, LOG_R]), rows[:, None],
        np.empty((len(rows), 0, N_PARAMETERS)),
    )  # fmt: skip


def badness(model: Model, fit: Fit) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How badly each particle fits.

    Returns
    -------
    badness, axis
        (n,) each: cost in it, beyond that of noise; the direction along which too little is explained, in
        radians.
    """
    p = model.shifted(fit.state.parameters)
    # What noise leaves of this is known, whether its px go together or not.
    weighted = model.weight * fit.state.residual
    square = blur(weighted, SMOOTHING_PX) ** 2
    kept = 1 / (4 * np.pi * SMOOTHING_PX**2)
    out, axis = np.zeros(len(p)), np.zeros(len(p))
    for half, members in model.groups(p, np.arange(len(p)), fit.optics):
        w = windows(p, members, half, Kind.MASS, 1.0)
        at = w.y0, w.x0, 2 * half + 1
        inside = (w.depth > 0) & (cut_out(model.weight, *at) > 0)
        out[members] = ((cut_out(square, *at) - kept) * inside).sum(axis=(1, 2))
        step = np.arange(2 * half + 1)
        dx = step[None, None, :] + (w.x0 - p[members, X])[:, None, None]
        dy = step[None, :, None] + (w.y0 - p[members, Y])[:, None, None]
        near = cut_out(weighted, *at) * (
            dx**2 + dy**2 < (1.3 * np.exp(p[members, LOG_R])[:, None, None]) ** 2
        )
        axis[members] = 0.5 * np.arctan2(
            (near * 2 * dx * dy).sum(axis=(1, 2)), (near * (dx**2 - dy**2)).sum(axis=(1, 2))
        )
    return out, axis


def worth(model: Model, fit: Fit) -> NDArray[np.float64]:
    """Cost that each particle saves where it stands, its neighbours unmoved."""
    state, optics = fit.state, fit.optics
    rows = np.arange(len(state.parameters))
    out = np.zeros(len(rows))
    weighted = model.weight * state.residual
    p = model.shifted(state.parameters)
    for half, members in model.groups(p, rows, optics):
        w = windows(p, members, half, model.kind, optics.absorption)
        at = w.y0, w.x0, 2 * half + 1
        smooth = blur_matrix(2 * half + 1, optics.blur_px)
        lost = cut_out(state.passed, *at) * np.expm1(np.minimum(w.depth, 20))
        lost = np.float32(optics.amplitude) * np.matmul(np.matmul(smooth, lost), smooth)
        lost *= cut_out(model.weight, *at)
        product = 2 * (cut_out(weighted, *at) * lost).sum(axis=(1, 2))
        out[members] = product + (lost**2).sum(axis=(1, 2))
    return out


def doubled(p: NDArray[np.float64], component: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Mark the smaller of two particles that nearly coincide."""
    from scipy.spatial import cKDTree

    out = np.zeros(len(p), dtype=bool)
    if len(p) < 2:
        return out
    r = np.exp(p[:, LOG_R])
    pairs = cKDTree(p[:, [X, Y]]).query_pairs(0.5 * float(r.max()), output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    away = np.hypot(p[a, X] - p[b, X], p[a, Y] - p[b, Y])
    near = (component[a] == component[b]) & (away < 0.5 * np.maximum(r[a], r[b]))
    out[np.where(r[a] < r[b], a, b)[near]] = True
    return out
