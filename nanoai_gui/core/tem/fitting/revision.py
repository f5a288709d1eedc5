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
from nanoai_gui.core.tem.fitting.scene import blur, blur_matrix
from nanoai_gui.core.tem.fitting.solver import Fit, find_contacts, solve

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
TURNS, ROUNDS = 2, 4
"""How often particles are added and parted in turn, and how often they are added in each."""
TRIAL_STEPS, TRIAL_CLOSE_PX = 5, 0.06
"""A trial needs to be fitted only so far that one sees what it is worth."""
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
    revision = _without_the_worthless(revision, physics, cancelled)
    tried: list[NDArray[np.float64]] = []
    for _ in range(TURNS):
        before = len(revision.origin)
        for _ in range(ROUNDS):
            checkpoint(cancelled)
            places = _places(revision, sizes.typical, tried)
            if not len(places):
                break
            tried.append(places[:, :3])
            n = len(revision.origin)
            revision = _with(revision, physics, places, sizes, cancelled)
            if len(revision.origin) == n:
                break
        revision = _split(revision, physics, sizes, cancelled)
        if len(revision.origin) == before:
            break
    revision = _without_the_worthless(revision, physics, cancelled)
    fit = solve(
        revision.model, revision.fit.state.parameters, revision.fit.optics, physics.columns, revision.held,
        most_steps=8, cancelled=cancelled,
    )  # fmt: skip
    return replace(revision, fit=fit)


def doubtful(revision: Revision, typical: float) -> NDArray[np.intp]:
    """Components in which a particle may be missing, wrong, or one too many."""
    component = revision.model.component
    suspect = (_worth(revision) < 4 * WORTH) | (_badness(revision) > BADLY_FITTED)
    suspect = (suspect | _doubled(revision.fit.state.parameters, component)) & ~revision.held
    missing = _places(revision, typical, [])[:, 0].astype(np.intp)
    return np.union1d(component[suspect], missing).astype(np.intp)


def _places(revision: Revision, typical: float, tried: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Find where particles seem to be missing: (k, 4) component, x, y, radius; not near each other."""
    from scipy import ndimage

    model, fit = revision.model, revision.fit
    state, optics = fit.state, fit.optics
    slope = np.float32(optics.amplitude) * state.blurred
    if model.kind is Kind.MASS:
        slope = slope * np.float32(optics.absorption)
    square = model.weight * model.weight
    left, room = square * state.residual * slope, square * slope * slope
    best = np.zeros(model.shape, dtype=np.float32)
    radius = np.zeros(model.shape, dtype=np.float32)
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
    top = (best > SEED) & (model.owner >= 0) & (best == ndimage.maximum_filter(best, 5))
    y, x = np.nonzero(top)
    order = np.argsort(-best[y, x], kind="stable")
    taken: list[tuple[int, float, float]] = []
    for old in tried:
        taken += [(int(c), px, py) for c, px, py in old.tolist()]
    n_tried = len(taken)
    out = []
    for k in order.tolist():
        component = int(model.owner[y[k], x[k]])
        at = float(x[k] - model.rim), float(y[k] - model.rim)
        # The same place is not tried twice, and places of one round lie so far apart that they do not meet.
        apart = [0.5 if i < n_tried else 4.0 for i in range(len(taken))]
        if any(
            c == component and np.hypot(px - at[0], py - at[1]) < share * typical
            for (c, px, py), share in zip(taken, apart, strict=True)
        ):
            continue
        taken.append((component, *at))
        out.append((component, *at, float(radius[y[k], x[k]])))
    return np.array(out).reshape(-1, 4)


def _with(
    old: Revision,
    physics: Physics,
    places: NDArray[np.float64],
    sizes: Sizes,
    cancelled: Cancelled,
) -> Revision:
    """Try one more particle in some components, and keep those that are worth it."""
    n, m = len(old.origin), len(places)
    new = np.zeros((m, N_PARAMETERS))
    new[:, X], new[:, Y], new[:, LOG_R] = places[:, 1], places[:, 2], np.log(places[:, 3])
    component = np.append(old.model.component, places[:, 0].astype(np.intp))
    parameters = np.concatenate([old.fit.state.parameters, new])
    touched = np.isin(component, places[:, 0].astype(np.intp))
    held = np.append(old.held, np.zeros(m, dtype=bool))
    model, fit = _solved(old, physics, parameters, component, held, touched, old.model.contacts, cancelled)
    number = places[:, 0].astype(np.intp)
    p = fit.state.parameters[n:]
    r = np.exp(p[:, LOG_R])
    good = (old.fit.state.cost[number] - fit.state.cost[number] > WORTH) & sizes.are_ordinary(r)
    good &= np.hypot(p[:, X] - places[:, 1], p[:, Y] - places[:, 2]) < 1.2 * np.maximum(places[:, 3], r)
    for k in np.flatnonzero(good):
        good[k] = _explains(old, fit, model, p[k]) and _is_apart(fit.state.parameters, component, n + int(k))
    if not good.any():
        return old
    # Components of which no new particle is kept go back to what they were; of those that keep some, the
    # others are fitted again.
    kept = np.append(np.ones(n, dtype=bool), good)
    back = np.isin(component[:n], np.setdiff1d(number, number[good]))
    parameters = fit.state.parameters.copy()
    parameters[:n][back] = old.fit.state.parameters[back]
    parameters, component, held = parameters[kept], component[kept], held[kept]
    contacts = _renumbered(model.contacts, kept)
    mixed = np.intersect1d(number[good], number[~good])
    if len(mixed):
        touched = np.isin(component, mixed)
        _, fit = _solved(old, physics, parameters, component, held, touched, contacts, cancelled)
        parameters = fit.state.parameters
    origin = np.append(old.origin, np.full(m, -1, dtype=np.intp))[kept]
    return _settled(old, physics, parameters, component, held, contacts, origin)


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
    n, m = len(p), len(out)
    r = np.exp(p[out, LOG_R])
    touched = np.isin(component, component[out])
    both_component = np.append(component, component[out])
    held = np.append(old.held, np.zeros(m, dtype=bool))
    best_gain = np.full(m, -np.inf)
    best = np.concatenate([p, p[out]])
    for angle in np.radians(SPLIT_ANGLES):
        checkpoint(cancelled)
        parameters = np.concatenate([p, p[out]])
        step = 0.6 * r[:, None] * np.array([np.cos(angle), np.sin(angle)])
        parameters[out, :2] -= step
        parameters[n:, :2] += step
        for at in (out, np.arange(n, n + m)):
            parameters[at, LOG_R] += np.log(0.8)
            parameters[at, LOG_R + 1 :] = 0
        _, fit = _solved(
            old, physics, parameters, both_component, held, np.append(touched, np.ones(m, dtype=bool)),
            old.model.contacts, cancelled,
        )  # fmt: skip
        gain = (old.fit.state.cost - fit.state.cost)[component[out]]
        for k in np.flatnonzero(gain > best_gain):
            mine = both_component == component[out[k]]
            best[mine] = fit.state.parameters[mine]
            best_gain[k] = gain[k]
    radii = np.exp(best[:, LOG_R])
    good = (best_gain > WORTH) & sizes.are_ordinary(radii[out]) & sizes.are_ordinary(radii[n:])
    for k in np.flatnonzero(good):
        good[k] = _is_apart(best, both_component, n + int(k)) and _is_apart(best, both_component, int(out[k]))
    if not good.any():
        return old
    back = np.isin(component, component[out[~good]])
    best[:n][back] = p[back]
    kept = np.append(np.ones(n, dtype=bool), good)
    origin = np.append(old.origin, np.full(m, -1, dtype=np.intp))[kept]
    return _settled(old, physics, best[kept], both_component[kept], held[kept], old.model.contacts, origin)


def _badness(revision: Revision) -> NDArray[np.float64]:
    """Mean square of the weighted residual in each particle."""
    model, state = revision.model, revision.fit.state
    square = (model.weight * state.residual) ** 2
    shifted = model.shifted(state.parameters)
    out = np.zeros(len(shifted))
    for half, members in model.groups(shifted, np.arange(len(shifted)), revision.fit.optics):
        w = windows(shifted, members, half, Kind.MASS, 1.0)
        inside = (w.depth > 0) & (model.weight.ravel()[model.index(w.y0, w.x0, 2 * half + 1)] > 0)
        values = square.ravel()[model.index(w.y0, w.x0, 2 * half + 1)] * inside
        out[members] = values.sum(axis=(1, 2)) / np.maximum(inside.sum(axis=(1, 2)), 1)
    return out


def _explains(old: Revision, fit: Fit, model: Model, particle: NDArray[np.float64]) -> bool:
    """Whether a new particle takes away most of what was wrong around it."""
    r = float(np.exp(particle[LOG_R])) + 1.5
    x, y = particle[X] + model.rim, particle[Y] + model.rim
    y0, y1 = max(int(y - r), 0), int(y + r) + 2
    x0, x1 = max(int(x - r), 0), int(x + r) + 2
    weight = model.weight[y0:y1, x0:x1]
    across = np.arange(x0, x0 + weight.shape[1])[None, :] - x
    down = np.arange(y0, y0 + weight.shape[0])[:, None] - y
    near = (across**2 + down**2 < r * r) & (weight > 0)
    before, after = (
        float(((weight * s.residual[y0:y1, x0:x1])[near] ** 2).sum()) for s in (old.fit.state, fit.state)
    )
    gain = before - after
    return gain > 0.5 * WORTH and gain > SHARE * (before - 0.5 * float(near.sum()))


def _is_apart(p: NDArray[np.float64], component: NDArray[np.intp], k: int) -> bool:
    """Whether a particle is not simply another one over again."""
    others = np.flatnonzero(component == component[k])
    others = others[others != k]
    r = np.exp(p[:, LOG_R])
    away = np.hypot(p[others, X] - p[k, X], p[others, Y] - p[k, Y])
    larger = np.maximum(r[others], r[k])
    return not bool(((away < 0.3 * larger) & (np.abs(np.log(r[others] / r[k])) < 0.5)).any())


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
        kept = np.ones(len(p), dtype=bool)
        kept[out] = False
        touched = np.isin(component, component[out])
        _, fit = _solved(
            old, physics, p[kept], component[kept], old.held[kept], touched[kept],
            _renumbered(old.model.contacts, kept), cancelled,
        )  # fmt: skip
        loss = fit.state.cost - old.fit.state.cost
        gone = out[loss[component[out]] < WORTHLESS]
        if not len(gone):
            return old
        kept = np.ones(len(p), dtype=bool)
        kept[gone] = False
        parameters = p.copy()
        rest = np.ones(len(p), dtype=bool)
        rest[out] = False
        changed = np.isin(component, component[gone])
        parameters[rest & changed] = fit.state.parameters[changed[rest]]
        old = _settled(
            old, physics, parameters[kept], component[kept], old.held[kept],
            _renumbered(old.model.contacts, kept), old.origin[kept],
        )  # fmt: skip
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
        index = model.index(w.y0, w.x0, 2 * half + 1)
        smooth = blur_matrix(2 * half + 1, optics.blur_px)
        lost = state.passed.ravel()[index] * np.expm1(np.minimum(w.depth, 20))
        lost = np.float32(optics.amplitude) * np.matmul(np.matmul(smooth, lost), smooth)
        lost *= model.weight.ravel()[index]
        product = 2 * (weighted.ravel()[index] * lost).sum(axis=(1, 2))
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


def _solved(
    old: Revision,
    physics: Physics,
    parameters: NDArray[np.float64],
    component: NDArray[np.intp],
    held: NDArray[np.bool_],
    touched: NDArray[np.bool_],
    contacts: Contacts,
    cancelled: Cancelled,
) -> tuple[Model, Fit]:
    """Fit the touched components; the others stay."""
    model = old.model.with_particles(component, physics.prior(len(parameters)))
    model.contacts = contacts
    optics = old.fit.optics
    fit = solve(
        model, parameters, optics, physics.columns, held | ~touched, most_steps=TRIAL_STEPS,
        close_px=TRIAL_CLOSE_PX, cancelled=cancelled,
    )  # fmt: skip
    return model, fit


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
