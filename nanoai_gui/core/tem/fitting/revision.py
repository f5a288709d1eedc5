"""Particles that the network missed, and such as are not there: changed only on local and strong evidence.

Where something is left of the contrast that looks like a particle, one is tried there; where a particle
hardly explains anything, it is tried without. A trial is fitted with its neighbours, and stands only if the
whole component gains by far more than three more parameters are worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint
from nanoai_gui.core.tem.fitting.bodies import LOG_R, N_PARAMETERS, Kind, X, Y, windows
from nanoai_gui.core.tem.fitting.contacts import Contacts
from nanoai_gui.core.tem.fitting.model import Model
from nanoai_gui.core.tem.fitting.pooled import Physics
from nanoai_gui.core.tem.fitting.scene import blur, blur_matrix, cut_out
from nanoai_gui.core.tem.fitting.solver import Fit, find_contacts, solve
from nanoai_gui.core.tem.fitting.trials import Places, Tried, attempt, better_of

SEED = 8.0
"""Standard errors by which a place must stand out to be tried."""
WORTH = 60.0
"""Cost (chi square) that a new particle must save."""
WORTHLESS = 12.0
"""Cost that a particle must save not to be given up."""
SHARE = 0.35
"""Share of the cost (beyond noise) around it that a new particle must take away."""
SCALES = (0.5, 0.75, 1.1, 1.6)
"""Radii that are looked for, in typical ones."""
LEAST_SPREAD = 0.12
"""Standard deviation of ln r that is allowed for at least."""
ORDINARY = 3.0
"""A new particle may be so many standard deviations smaller or larger (ln r) than the typical one."""
APART = 2.5
"""Places that are tried at once lie so many typical radii apart."""
TURNS, ROUNDS = 2, 4
"""How often particles are added and parted in turn, and how often they are added in each."""
BADLY_FITTED = 3.0
"""Mean square of the weighted residual in a particle that may be two."""
SPLIT_ANGLES = (0.0, 45.0, 90.0, 135.0)
"""Directions in which two particles are tried in the place of one, in degrees."""
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

    def are_ordinary(self, r: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether particles of radius r may well belong to the others."""
        away = np.abs(np.log(r / self.typical)) / max(self.spread, LEAST_SPREAD)
        return np.asarray((away < ORDINARY) & (r > self.smallest))


@dataclass(frozen=True, eq=False)
class Revision:
    """Particles after the revision.

    Parameters
    ----------
    model, fit
        With the particles as they are now.
    origin
        (n,) row of each before the revision, -1 for new ones.
    held
        (n,) as before; new ones are free.
    """

    model: Model
    fit: Fit
    origin: NDArray[np.intp]
    held: NDArray[np.bool_]


def revise(revision: Revision, physics: Physics, sizes: Sizes, cancelled: Cancelled) -> Revision:
    """Take away what is not there, and add what is.

    Parameters
    ----------
    revision
        The particles as they were fitted.
    sizes
        What radii are ordinary.
    """
    first = revision
    revision = _without_the_worthless(revision, physics, cancelled)
    tried: list[NDArray[np.float64]] = []
    # Nothing new shows where nothing was changed.
    among = np.arange(revision.model.n_components)
    for _ in range(TURNS):
        before = revision
        for _ in range(ROUNDS):
            checkpoint(cancelled)
            places = _places(revision, sizes.typical, tried, among)
            if not len(places):
                break
            tried.append(places[:, :3])
            revision = _with(revision, physics, places, sizes, cancelled)
            # Of places near each other only the best was tried.
            among = np.unique(places[:, 0]).astype(np.intp)
        revision = _split(revision, physics, sizes, cancelled)
        among = _changed(before, revision)
        if not len(among):
            break
    revision = _without_the_worthless(revision, physics, cancelled)
    if revision is first:
        return first
    still = ~np.isin(revision.model.component, _changed(first, revision))
    fit = solve(
        revision.model, revision.fit.state.parameters, revision.fit.optics, physics.columns,
        revision.held | still, most_steps=8, cancelled=cancelled,
    )  # fmt: skip
    return replace(revision, fit=fit)


def _changed(before: Revision, after: Revision) -> NDArray[np.intp]:
    """Components whose particles are not the same any more."""
    old, new = (r.fit.state for r in (before, after))
    return np.flatnonzero(old.cost != new.cost)


def _places(
    revision: Revision, typical: float, tried: list[NDArray[np.float64]], among: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Find where particles seem to be missing in some components.

    Returns
    -------
    places
        (k, 4) component, x, y, radius; not near each other.
    """
    model, fit = revision.model, revision.fit
    state, optics = fit.state, fit.optics
    slope = np.float32(optics.amplitude) * state.blurred
    if model.kind is Kind.MASS:
        slope = slope * np.float32(optics.absorption)
    square = model.weight * model.weight
    left, room = square * state.residual * slope, square * slope * slope
    found = [_summits(model, left, room, typical, int(k)) for k in among]
    stands_out, component, x, y, radius = np.concatenate(found, axis=1) if found else np.empty((5, 0))
    taken: list[tuple[int, float, float]] = []
    for old in tried:
        taken += [(int(c), px, py) for c, px, py in old.tolist()]
    n_tried = len(taken)
    out = []
    for k in np.argsort(-stands_out, kind="stable").tolist():
        at = float(x[k]), float(y[k])
        # The same place is not tried twice, and places of one round lie so far apart that they do not meet.
        apart = [0.5 if i < n_tried else APART for i in range(len(taken))]
        if any(
            c == component[k] and np.hypot(px - at[0], py - at[1]) < share * typical
            for (c, px, py), share in zip(taken, apart, strict=True)
        ):
            continue
        taken.append((int(component[k]), *at))
        out.append((component[k], *at, float(radius[k])))
    return np.array(out).reshape(-1, 4)


def _summits(
    model: Model, left: NDArray[np.float32], room: NDArray[np.float32], typical: float, number: int
) -> NDArray[np.float64]:
    """Where in one component a particle would explain much: (5, k) significance, component, x, y, radius."""
    from scipy import ndimage

    y0, x0, y1, x1 = model.boxes[number]
    box = slice(y0, y1), slice(x0, x1)
    mine = model.owner[box] == number
    left, room = left[box] * mine, room[box] * mine
    best, radius = np.zeros(mine.shape, dtype=np.float32), np.zeros(mine.shape, dtype=np.float32)
    for share in SCALES:
        r = max(share * typical, 1.5)
        s = SPHERE_PROFILE * r
        seen, known = blur(left, s), blur(room, s / np.sqrt(2))
        found = seen / np.sqrt(np.maximum(known, 1e-12) / (4 * np.pi * s * s))
        if model.kind is Kind.MASS:
            # The path through the middle of a sphere is its diameter: what is too faint is something else.
            path = 2 * seen / np.maximum(known, 1e-12)
            found = np.where((path > 0.6 * r) & (path < 6 * r), found, 0)
        better = found > best
        best[better], radius[better] = found[better], r
    y, x = np.nonzero((best > SEED) & mine & (best == ndimage.maximum_filter(best, 5)))
    return np.stack(
        [best[y, x], np.full(len(x), float(number)), x + (x0 - model.rim), y + (y0 - model.rim), radius[y, x]]
    )


def _with(
    old: Revision,
    physics: Physics,
    places: NDArray[np.float64],
    sizes: Sizes,
    cancelled: Cancelled,
) -> Revision:
    """Try one more particle at some places, and keep those that are worth it."""
    m = len(places)
    new = np.zeros((m, 1, N_PARAMETERS))
    new[:, 0, X], new[:, 0, Y], new[:, 0, LOG_R] = places[:, 1], places[:, 2], np.log(places[:, 3])
    none = np.full(m, -1, dtype=np.intp)
    asked = Places(places[:, 0].astype(np.intp), places[:, 1], places[:, 2], places[:, 3], none, new)
    tried = attempt(old.model, old.fit, asked, old.held, physics, cancelled)
    p = tried.new[:, 0]
    r = np.exp(p[:, LOG_R])
    good = (tried.gain > WORTH) & sizes.are_ordinary(r) & _explains(tried)[:, 0]
    good &= np.hypot(p[:, X] - places[:, 1], p[:, Y] - places[:, 2]) < 1.2 * np.maximum(places[:, 3], r)
    return _kept(old, physics, asked, tried, good)


def _split(old: Revision, physics: Physics, sizes: Sizes, cancelled: Cancelled) -> Revision:
    """Try two particles in the place of one that fits badly, one of each component."""
    badness = _badness(old)
    badness[old.held] = 0
    component = old.model.component
    p = old.fit.state.parameters
    rows = np.flatnonzero(badness > BADLY_FITTED)
    worst = np.full(old.model.n_components, -1, dtype=np.intp)
    rows = rows[np.argsort(badness[rows], kind="stable")]
    worst[component[rows]] = rows
    out = worst[worst >= 0]
    if not len(out):
        return old
    r = np.exp(p[out, LOG_R])
    best: Tried | None = None
    asked = Places(component[out], p[out, X], p[out, Y], 1.4 * r, out, np.empty((len(out), 0, N_PARAMETERS)))
    for angle in np.radians(SPLIT_ANGLES):
        checkpoint(cancelled)
        new = np.repeat(p[out][:, None], 2, axis=1)
        step = 0.6 * r[:, None] * np.array([np.cos(angle), np.sin(angle)])
        new[:, 0, [X, Y]] -= step
        new[:, 1, [X, Y]] += step
        new[:, :, LOG_R] += np.log(0.8)
        new[:, :, LOG_R + 1 :] = 0
        asked = replace(asked, new=new)
        tried = attempt(old.model, old.fit, asked, old.held, physics, cancelled)
        best = tried if best is None else better_of(best, tried)
    assert best is not None
    good = (best.gain > WORTH) & sizes.are_ordinary(np.exp(best.new[:, :, LOG_R])).all(axis=1)
    return _kept(old, physics, asked, best, good)


def _kept(old: Revision, physics: Physics, places: Places, tried: Tried, good: NDArray[np.bool_]) -> Revision:
    """Keep what was put in at the good places, unless it is another particle over again."""
    n = len(old.origin)
    good = good.copy()
    parameters = old.fit.state.parameters.copy()
    tried.apply(parameters, good)
    for k in np.flatnonzero(good).tolist():
        rows = np.flatnonzero(old.model.component == places.component[k])
        others = parameters[rows[rows != places.gone[k]]]
        new = tried.new[k]
        good[k] = all(
            _is_apart(one, np.concatenate([others, np.delete(new, i, axis=0)])) for i, one in enumerate(new)
        )
    if not good.any():
        return old
    parameters = old.fit.state.parameters.copy()
    tried.apply(parameters, good)
    kept = np.ones(n, dtype=bool)
    kept[places.gone[good & (places.gone >= 0)]] = False
    q = tried.new.shape[1]
    component = np.repeat(places.component[good], q)
    return _settled(
        old, physics,
        np.concatenate([parameters[kept], tried.new[good].reshape(-1, N_PARAMETERS)]),
        np.concatenate([old.model.component[kept], component]),
        np.concatenate([old.held[kept], np.zeros(len(component), dtype=bool)]),
        _renumbered(old.model.contacts, kept),
        np.concatenate([old.origin[kept], np.full(len(component), -1, dtype=np.intp)]),
    )  # fmt: skip


def _badness(revision: Revision) -> NDArray[np.float64]:
    """Mean square of the weighted residual in each particle."""
    model, state = revision.model, revision.fit.state
    square = (model.weight * state.residual) ** 2
    shifted = model.shifted(state.parameters)
    out = np.zeros(len(shifted))
    for half, members in model.groups(shifted, np.arange(len(shifted)), revision.fit.optics):
        w = windows(shifted, members, half, Kind.MASS, 1.0)
        inside = (w.depth > 0) & (cut_out(model.weight, w.y0, w.x0, 2 * half + 1) > 0)
        values = cut_out(square, w.y0, w.x0, 2 * half + 1) * inside
        out[members] = values.sum(axis=(1, 2)) / np.maximum(inside.sum(axis=(1, 2)), 1)
    return out


def _explains(tried: Tried) -> NDArray[np.bool_]:
    """Whether new particles take away most of what was wrong around them."""
    gain = tried.before - tried.after
    return np.asarray((gain > 0.5 * WORTH) & (gain > SHARE * (tried.before - 0.5 * tried.n_px)))


def _is_apart(one: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Whether a particle is not simply another one over again."""
    r, theirs = float(np.exp(one[LOG_R])), np.exp(others[:, LOG_R])
    away = np.hypot(others[:, X] - one[X], others[:, Y] - one[Y])
    return not bool(((away < 0.3 * np.maximum(theirs, r)) & (np.abs(np.log(theirs / r)) < 0.5)).any())


def _without_the_worthless(old: Revision, physics: Physics, cancelled: Cancelled) -> Revision:
    """Give up particles whose component does as well without them, one of each at a time."""
    for _ in range(2):
        worth = _worth(old)
        worth[old.held] = np.inf
        p, component = old.fit.state.parameters, old.model.component
        suspect = (worth < 4 * WORTH) | _doubled(p, component) & ~old.held
        number = np.bincount(component, minlength=old.model.n_components)
        suspect &= number[component] > 1
        worst = np.full(old.model.n_components, -1, dtype=np.intp)
        rows = np.flatnonzero(suspect)
        rows = rows[np.argsort(-worth[rows], kind="stable")]
        worst[component[rows]] = rows
        out = worst[worst >= 0]
        if not len(out):
            return old
        asked = Places(
            component[out], p[out, X], p[out, Y], np.exp(p[out, LOG_R]), out,
            np.empty((len(out), 0, N_PARAMETERS)),
        )  # fmt: skip
        tried = attempt(old.model, old.fit, asked, old.held, physics, cancelled)
        good = -tried.gain < WORTHLESS
        if not good.any():
            return old
        old = _kept(old, physics, asked, tried, good)
    return old


def _worth(revision: Revision) -> NDArray[np.float64]:
    """Cost that each particle saves where it stands, its neighbours unmoved."""
    model, fit = revision.model, revision.fit
    state, optics = fit.state, fit.optics
    rows = np.arange(len(revision.origin))
    out = np.zeros(len(rows))
    weighted = model.weight * state.residual
    for half, members in model.groups(state.parameters, rows, optics):
        w = windows(model.shifted(state.parameters), members, half, model.kind, optics.absorption)
        at = w.y0, w.x0, 2 * half + 1
        smooth = blur_matrix(2 * half + 1, optics.blur_px)
        lost = cut_out(state.passed, *at) * np.expm1(np.minimum(w.depth, 20))
        lost = np.float32(optics.amplitude) * np.matmul(np.matmul(smooth, lost), smooth)
        lost *= cut_out(model.weight, *at)
        product = 2 * (cut_out(weighted, *at) * lost).sum(axis=(1, 2))
        out[members] = product + (lost**2).sum(axis=(1, 2))
    return out


def _doubled(p: NDArray[np.float64], component: NDArray[np.intp]) -> NDArray[np.bool_]:
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


def _renumbered(contacts: Contacts, kept: NDArray[np.bool_]) -> Contacts:
    """Contacts among the rows that are kept, numbered anew."""
    number = np.cumsum(kept) - 1
    known = np.zeros(len(kept), dtype=bool)
    known[: len(kept)] = kept
    inner = contacts.within(known)
    return Contacts(number[inner.small], number[inner.large], inner.overlap)


def _settled(
    old: Revision,
    physics: Physics,
    parameters: NDArray[np.float64],
    component: NDArray[np.intp],
    held: NDArray[np.bool_],
    contacts: Contacts,
    origin: NDArray[np.intp],
) -> Revision:
    """Put together what is kept, and evaluate it."""
    model = old.model.with_particles(component, physics.prior(len(parameters)))
    model.contacts = contacts
    state = model.evaluate(parameters, old.fit.optics, np.arange(len(parameters)))
    fit = replace(old.fit, state=state)
    if physics.overlap:
        model.contacts = find_contacts(model, fit, physics.overlap)
        fit = replace(fit, state=model.evaluate(parameters, fit.optics, np.arange(len(parameters))))
    return Revision(model, fit, origin, held)
