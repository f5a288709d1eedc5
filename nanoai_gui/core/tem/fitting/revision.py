"""Particles that the network missed, and such as are not there: changed only on local and strong evidence.

What is proposed is tried, each with a copy of its neighbours; of changes that concern the same place only the
best one stands, and only if the whole component gains by far more than three more parameters are worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint
from nanoai_gui.core.tem.fitting.bodies import LOG_R, N_PARAMETERS, Kind, X, Y
from nanoai_gui.core.tem.fitting.contacts import Contacts
from nanoai_gui.core.tem.fitting.model import Model
from nanoai_gui.core.tem.fitting.pooled import Physics
from nanoai_gui.core.tem.fitting.proposals import (
    BADLY_FITTED,
    DOUBTFUL,
    WORTHLESS,
    Found,
    Sizes,
    badness,
    births,
    deaths,
    doubled,
    exchanges,
    replacements,
    returns,
    splits,
    worth,
)
from nanoai_gui.core.tem.fitting.solver import Fit, find_contacts, solve
from nanoai_gui.core.tem.fitting.trials import Places, Tried, attempt

WORTH, EXACT = 40.0, 0.01
"""Cost (chi square) that a new particle must save, more where the misfit of the image is no longer small
beside the second: fringes of defocus, which no model explains, would be filled with spheres."""
SHARE, SHARE_SMALL = 0.2, 0.85
"""Share of the cost (beyond noise) around it that a new particle must take away; the second, chance allowed
for, if it is a small one: where larger ones are fitted wrongly, or missing, small ones fill what is left, but
hardly ever explain it. In crowds (seeds 1800 to 1803) 148 of 224 that do were there, 12 of 109 others."""
FEWEST_PX = 300
"""Px beside particles that tell the noise."""
ORDINARY, ORDINARY_FUSED = 3.3, 2.5
"""A new particle may be so many standard deviations smaller or larger (ln r) than the typical one; the second
where the others are not plain spheres that only touch: there, necks and corners look like small ones."""
PROMISING = 20.0
"""Cost that each further particle must save while its neighbours stay, for it to be tried with them."""
RIVALS, SAME_PLACE = 2, 0.5
"""So many changes are tried with their neighbours where circles around them meet, shrunk to this share."""
EXCHANGED = 100.0
"""Cost in a particle, beyond that of noise, from which it and one behind it may be two others."""
ROUNDS = 3
"""How often everything is tried again where something has changed."""
ALIKE = 0.1
"""Spread of ln absorption up to which two particles one behind the other are told from a darker one."""
NEARBY = 2.0
"""A change may show something new within so many typical radii beyond it."""


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


def revise(
    revision: Revision,
    start: NDArray[np.float64],
    physics: Physics,
    sizes: Sizes,
    cancelled: Cancelled,
) -> Revision:
    """Take away what is not there, and add what is.

    Parameters
    ----------
    revision
        The particles as they were fitted.
    start
        (n, 6) the same as they were found.
    sizes
        What radii are ordinary.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    first = revision
    found = Found(start, first.model.component, first.held)
    changed: Places | None = None
    for _ in range(ROUNDS):
        checkpoint(cancelled)
        places = _proposals(revision, found, sizes, changed)
        if not len(places.x):
            break
        places = _promising(revision, physics, places, cancelled)
        if not len(places.x):
            break
        tried = attempt(revision.model, revision.fit, places, revision.held, physics, cancelled)
        chosen = _chosen(revision, physics, sizes, places, tried)
        if not chosen:
            break
        revision = _with(revision, physics, places, tried, chosen)
        changed = places.select(np.array(chosen))
        still = ~np.isin(revision.model.component, changed.component)
        revision = replace(revision, fit=_solved(revision, physics, still, 3, cancelled))
    if revision is first:
        return first
    old, new = first.fit.state.cost, revision.fit.state.cost
    still = (old == new)[revision.model.component]
    return replace(revision, fit=_solved(revision, physics, still, 8, cancelled))


def _solved(
    revision: Revision, physics: Physics, still: NDArray[np.bool_], steps: int, cancelled: Cancelled
) -> Fit:
    return solve(
        revision.model, revision.fit.state.parameters, revision.fit.optics, physics.columns,
        revision.held | still, most_steps=steps, cancelled=cancelled,
    )  # fmt: skip


def _proposals(revision: Revision, found: Found, sizes: Sizes, changed: Places | None) -> Places:
    """Everything that is worth a trial, where something has changed since the last one."""
    model, fit, held = revision.model, revision.fit, revision.held
    bad, axis = badness(model, fit)
    p, component = fit.state.parameters, model.component
    suspect = (worth(model, fit) < DOUBTFUL) | doubled(p, component)
    # The only one of its component is never given up.
    suspect &= ~held & (np.bincount(component, minlength=model.n_components)[component] > 1)
    added = revision.origin < 0
    out = Places.joined([
        births(model, fit, sizes, changed),
        *([replacements(model, fit, sizes, changed, added)] if added.any() else []),
        returns(model, fit, found, held),
        splits(model, fit, np.flatnonzero((bad > BADLY_FITTED) & ~held), axis),
        exchanges(model, fit, bad > EXCHANGED, axis, held),
        deaths(model, fit, np.flatnonzero(suspect)),
    ])  # fmt: skip
    if changed is None:
        return out
    near = np.zeros(len(out.x), dtype=bool)
    for c, x, y, reach in zip(changed.component, changed.x, changed.y, changed.reach, strict=True):
        away = np.hypot(out.x - x, out.y - y)
        near |= (out.component == c) & (away < reach + out.reach + NEARBY * sizes.typical)
    return out.select(near)


def _promising(revision: Revision, physics: Physics, places: Places, cancelled: Cancelled) -> Places:
    """Of what is proposed, what does best while all around it stays as it is: a few at each place."""
    alone = attempt(revision.model, revision.fit, places, revision.held, physics, cancelled, alone=True)
    more = places.more
    # One that goes, or is another, needs its neighbours; two for two have only themselves to put right.
    exchanged = (more == 0) & ((places.gone >= 0).sum(axis=1) > 1)
    gain = alone.gain - np.select([more > 0, exchanged], [PROMISING * more, PROMISING], -DOUBTFUL)
    kept: list[int] = []
    for k in np.flatnonzero(gain > 0)[np.argsort(-gain[gain > 0], kind="stable")].tolist():
        if places.meeting(k, kept, SAME_PLACE).sum() < RIVALS:
            kept.append(k)
    rows = np.array(kept, dtype=np.intp)
    # They go on from there.
    return replace(places.select(rows), new=alone.new[rows])


def _chosen(old: Revision, physics: Physics, sizes: Sizes, places: Places, tried: Tried) -> list[int]:
    """Of the changes that pay, the best ones that do not meet: their places, best first."""
    more = places.more
    new = tried.new
    present = np.isfinite(new[:, :, LOG_R])
    r = np.exp(new[:, :, LOG_R])
    with np.errstate(invalid="ignore"):
        far = ORDINARY if physics.is_plain else ORDINARY_FUSED
        ordinary = (np.abs(sizes.away(r)) < far) & (r > sizes.smallest)
        pay = WORTH * (1 + physics.misfit / EXACT)
        gain = tried.gain - np.select([more > 0, more == 0], [pay * more, 0.5 * pay], -WORTHLESS)
        left = tried.before - tried.after
        usual = _usual_cost(old.model, old.fit)
        asked = SHARE * (tried.before - 0.5 * tried.n_px)
        of_small = SHARE_SMALL * (tried.before - usual * tried.n_px) - usual * np.sqrt(2 * tried.n_px)
        # Where nothing is described well the usual is much, and the second no longer the stricter one.
        asked = np.where(sizes.is_small(r), np.maximum(asked, of_small), asked)
        explains = (left > 0.5 * WORTH) & (left > asked)
        moved = np.hypot(new[:, :, X] - places.x[:, None], new[:, :, Y] - places.y[:, None])
        at_home = moved < 1.2 * np.maximum(places.reach[:, None], r)
        good = (gain > 0) & (ordinary | ~present).all(axis=1) & (at_home | ~present).all(axis=1)
        good &= (explains | ~present).all(axis=1) | (more <= 0)
    told_apart = physics.kind is Kind.MASS and physics.absorption_sd <= ALIKE
    chosen: list[int] = []
    gone: set[int] = set()
    number = np.bincount(old.model.component, minlength=old.model.n_components)
    for k in np.flatnonzero(good)[np.argsort(-gain[good], kind="stable")].tolist():
        rows = {g for g in places.gone[k].tolist() if g >= 0}
        # What is fitted together holds at least one particle.
        is_last = number[places.component[k]] + more[k] < 1
        if rows & gone or is_last or places.meeting(k, chosen).any():
            continue
        if not told_apart and not _are_apart(old, places, tried, k):
            continue
        chosen.append(k)
        gone |= rows
        number[places.component[k]] += more[k]
    return chosen


def _usual_cost(model: Model, fit: Fit) -> float:
    """Cost of a px where nothing is wrong: beside particles, and no more than that of the usual component."""
    square = (model.weight * fit.state.residual) ** 2
    beside = square[(model.weight > 0) & (fit.state.depth <= 0)]
    # The median of the square of a normal deviate is 0.455.
    noise = float(np.median(beside)) / 0.455 if len(beside) > FEWEST_PX else np.inf
    counted = model.n_px > 0
    return min(noise, float(np.median(fit.state.cost[counted] / model.n_px[counted])))


def _are_apart(old: Revision, places: Places, tried: Tried, k: int) -> bool:
    """Whether new particles are not simply others over again."""
    parameters = old.fit.state.parameters.copy()
    tried.apply(parameters, [k])
    rows = np.flatnonzero(old.model.component == places.component[k])
    others = parameters[rows[~np.isin(rows, places.gone[k])]]
    new = tried.new[k][np.isfinite(tried.new[k, :, LOG_R])]
    for i, one in enumerate(new):
        rest = np.concatenate([others, np.delete(new, i, axis=0)])
        r, theirs = float(np.exp(one[LOG_R])), np.exp(rest[:, LOG_R])
        away = np.hypot(rest[:, X] - one[X], rest[:, Y] - one[Y])
        if ((away < 0.3 * np.maximum(theirs, r)) & (np.abs(np.log(theirs / r)) < 0.5)).any():
            return False
    return True


def _with(old: Revision, physics: Physics, places: Places, tried: Tried, chosen: list[int]) -> Revision:
    """Put in, and take away, what was chosen."""
    parameters = old.fit.state.parameters.copy()
    tried.apply(parameters, chosen)
    kept = np.ones(len(old.origin), dtype=bool)
    gone = places.gone[chosen]
    kept[gone[gone >= 0]] = False
    where, slot = np.nonzero(np.isfinite(tried.new[chosen][:, :, LOG_R]))
    new = tried.new[chosen][where, slot].reshape(-1, N_PARAMETERS)
    component = places.component[chosen][where]
    return _settled(
        old, physics,
        np.concatenate([parameters[kept], new]),
        np.concatenate([old.model.component[kept], component]),
        np.concatenate([old.held[kept], np.zeros(len(new), dtype=bool)]),
        _renumbered(old.model.contacts, kept),
        np.concatenate([old.origin[kept], np.full(len(new), -1, dtype=np.intp)]),
    )  # fmt: skip


def _renumbered(contacts: Contacts, kept: NDArray[np.bool_]) -> Contacts:
    """Contacts among the rows that are kept, numbered anew."""
    number = np.cumsum(kept) - 1
    inner = contacts.within(kept)
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
