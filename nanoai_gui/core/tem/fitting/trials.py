"""Changes to the number of particles, tried where they are: only what lies beside is fitted with them.

A trial takes one particle away, puts one or two in, or both. The particles whose discs meet the place are
free, everything else of the agglomerate stays as it is and is seen as a depth that does not change: an
agglomerate of fifty is tried as fast as one of five. Particles beside two places belong to the nearer one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled
from nanoai_gui.core.tem.fitting.bodies import LOG_R, N_PARAMETERS, Q1, Q2, X, Y
from nanoai_gui.core.tem.fitting.contacts import Contacts
from nanoai_gui.core.tem.fitting.model import Model
from nanoai_gui.core.tem.fitting.pooled import Physics
from nanoai_gui.core.tem.fitting.scene import kernel
from nanoai_gui.core.tem.fitting.solver import Fit, solve

STEPS, CLOSE_PX = 5, 0.06
"""A trial needs to be fitted only so far that one sees what it is worth."""
BESIDE_PX = 6.0
"""Particles whose discs come so near to the place are fitted with it."""
AROUND_PX = 1.5
"""A new particle is judged by what it explains within its disc and so much beyond."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where something is tried, as columns of length m.

    Parameters
    ----------
    component
        The component.
    x, y, reach
        A circle (px of the scene) that holds what is changed.
    gone
        Row that is taken away, or -1.
    new
        (m, q, 6) particles that are put in.
    """

    component: NDArray[np.intp]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    reach: NDArray[np.float64]
    gone: NDArray[np.intp]
    new: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tried:
    """What came of it.

    Parameters
    ----------
    gain
        (m,) cost that the change saves.
    new
        (m, q, 6) the particles that were put in, fitted.
    rows, place, parameters
        (k,), (k,), (k, 6): rows that were free, the place they were fitted with, and where they are now.
    before, after, n_px
        (m, q) cost in and around each new particle without and with the change, and px there.
    """

    gain: NDArray[np.float64]
    new: NDArray[np.float64]
    rows: NDArray[np.intp]
    place: NDArray[np.intp]
    parameters: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    n_px: NDArray[np.float64]

    def apply(self, p: NDArray[np.float64], good: NDArray[np.bool_]) -> None:
        """Move the neighbours of the good places in the table of parameters (n, 6)."""
        kept = good[self.place]
        p[self.rows[kept]] = self.parameters[kept]


def attempt(
    model: Model,
    fit: Fit,
    places: Places,
    held: NDArray[np.bool_],
    physics: Physics,
    cancelled: Cancelled,
) -> Tried:
    """Try a change at each place and fit what lies beside it."""
    p, optics = fit.state.parameters, fit.optics
    m, q = places.new.shape[:2]
    rows, place = _beside(model, p, places, held)
    gone = np.flatnonzero(places.gone >= 0)
    old_rows = np.concatenate([rows, places.gone[gone]])
    old_place = np.concatenate([place, gone])
    pad = 2 + len(kernel(optics.blur_px)) // 2
    boxes = _boxes(p, old_rows, old_place, places, pad)
    contacts = _inner_contacts(model.contacts, old_rows, old_place)
    depth = fit.state.depth + model.lens_depth(p, optics, places.gone[gone], old_rows)
    few, shift = model.patches(boxes, places.component, pad, depth, fit.state)
    old = p[old_rows]
    old[:, [X, Y]] += shift[old_place]
    few.component, few.prior, few.contacts = old_place, physics.prior(len(old)), contacts
    few.take_out(old, optics)
    before = few.evaluate(old, optics, np.arange(len(old)))
    inner = np.concatenate([old[: len(rows)], places.new.reshape(-1, N_PARAMETERS)])
    few.component = np.concatenate([place, np.repeat(np.arange(m), q)])
    few.prior = physics.prior(len(inner))
    few.contacts = contacts.within(np.arange(len(old)) < len(rows))
    inner[len(rows) :, [X, Y]] += shift[few.component[len(rows) :]]
    found = solve(
        few, inner, optics, physics.columns, np.zeros(len(inner), dtype=bool), most_steps=STEPS,
        close_px=CLOSE_PX, cancelled=cancelled,
    )  # fmt: skip
    after = found.state
    squares = [(few.weight * s.residual) ** 2 for s in (before, after)]
    around = [_around(few, squares, one) for one in after.parameters[len(rows) :]]
    table = np.array(around, dtype=np.float64).reshape(m, q, 3)
    out = after.parameters.copy()
    out[:, [X, Y]] -= shift[few.component]
    return Tried(
        before.cost - after.cost, out[len(rows) :].reshape(m, q, N_PARAMETERS), rows, place,
        out[: len(rows)], table[:, :, 0], table[:, :, 1], table[:, :, 2],
    )  # fmt: skip


def better_of(one: Tried, other: Tried) -> Tried:
    """Take of two tries at the same places the better one of each."""
    better = other.gain > one.gain
    pick = better[:, None]
    kept, taken = ~better[one.place], better[other.place]
    return Tried(
        np.where(better, other.gain, one.gain),
        np.where(pick[:, :, None], other.new, one.new),
        np.concatenate([one.rows[kept], other.rows[taken]]),
        np.concatenate([one.place[kept], other.place[taken]]),
        np.concatenate([one.parameters[kept], other.parameters[taken]]),
        np.where(pick, other.before, one.before),
        np.where(pick, other.after, one.after),
        np.where(pick, other.n_px, one.n_px),
    )


def _beside(
    model: Model, p: NDArray[np.float64], places: Places, held: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows whose discs meet a place, and the nearest such place, (k,) each."""
    from scipy.spatial import cKDTree

    r = np.exp(p[:, LOG_R] + np.hypot(p[:, Q1], p[:, Q2]))
    near = cKDTree(p[:, [X, Y]]).query_ball_point(
        np.column_stack([places.x, places.y]), places.reach + float(r.max(initial=0)) + BESIDE_PX
    )
    place = np.repeat(np.arange(len(places.x)), [len(rows) for rows in near])
    rows = np.array([k for found in near for k in found], dtype=np.intp)
    away = np.hypot(p[rows, X] - places.x[place], p[rows, Y] - places.y[place])
    good = (away < places.reach[place] + r[rows] + BESIDE_PX) & ~held[rows]
    good &= (model.component[rows] == places.component[place]) & ~np.isin(rows, places.gone)
    rows, place, away = rows[good], place[good], away[good]
    order = np.lexsort((away, rows))
    rows, first = np.unique(rows[order], return_index=True)
    return rows, place[order][first]


def _inner_contacts(contacts: Contacts, rows: NDArray[np.intp], place: NDArray[np.intp]) -> Contacts:
    """Contacts between rows of one place, as positions in ``rows``."""
    order = np.argsort(rows)
    inner = contacts.among(rows[order])
    small, large = order[inner.small], order[inner.large]
    same = place[small] == place[large]
    return Contacts(small[same], large[same], contacts.overlap)


def _boxes(
    p: NDArray[np.float64], rows: NDArray[np.intp], place: NDArray[np.intp], places: Places, pad: int
) -> NDArray[np.intp]:
    """Box (y0, x0, y1, x1 in px of the scene) around each place and what changes with it."""
    r = np.exp(p[rows, LOG_R] + np.hypot(p[rows, Q1], p[rows, Q2]))
    x = np.concatenate([places.x, p[rows, X]])
    y = np.concatenate([places.y, p[rows, Y]])
    reach = np.concatenate([places.reach, r]) + pad
    at = np.concatenate([np.arange(len(places.x)), place])
    low = np.full((len(places.x), 2), np.inf)
    high = np.full((len(places.x), 2), -np.inf)
    np.minimum.at(low, at, np.column_stack([y - reach, x - reach]))
    np.maximum.at(high, at, np.column_stack([y + reach, x + reach]))
    return np.column_stack([np.floor(low), np.ceil(high) + 1]).astype(np.intp)


def _around(
    model: Model, squares: list[NDArray[np.float32]], one: NDArray[np.float64]
) -> tuple[float, float, int]:
    """Cost in and around a particle before and after, and the number of px that count there."""
    r = float(np.exp(one[LOG_R])) + AROUND_PX
    x, y = one[X] + model.rim, one[Y] + model.rim
    rows = slice(max(int(y - r), 0), max(int(y + r) + 2, 0))
    columns = slice(max(int(x - r), 0), max(int(x + r) + 2, 0))
    weight = model.weight[rows, columns]
    across = np.arange(columns.start, columns.start + weight.shape[1])[None, :] - x
    down = np.arange(rows.start, rows.start + weight.shape[0])[:, None] - y
    near = (across**2 + down**2 < r * r) & (weight > 0)
    before, after = (float(s[rows, columns][near].sum()) for s in squares)
    return before, after, int(near.sum())
