"""Changes to the number of particles, tried where they are: only what lies beside is fitted with them.

A trial takes particles away, puts some in, or both. The particles whose discs meet the place are free,
everything else of the agglomerate stays as it is and is seen as a depth that does not change: an agglomerate
of fifty is tried as fast as one of five. Every trial has its own copy of what lies beside it, so that several
changes at one place can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled
from nanoai_gui.core.tem.fitting.bodies import LOG_R, Q1, Q2, X, Y
from nanoai_gui.core.tem.fitting.contacts import Contacts
from nanoai_gui.core.tem.fitting.model import LEAST_HALO, Model
from nanoai_gui.core.tem.fitting.pooled import Physics
from nanoai_gui.core.tem.fitting.scene import kernel
from nanoai_gui.core.tem.fitting.solver import Fit, solve

STEPS, STEPS_ALONE, CLOSE_PX = 4, 3, 0.06
"""A trial needs to be fitted only so far that one sees what it is worth; with its neighbours it goes on from
where it came to alone."""
BESIDE_PX = 1.0
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
        (m, g) rows that are taken away, -1 for none.
    new
        (m, q, 6) particles that are put in; NaN for none.
    """

    component: NDArray[np.intp]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    reach: NDArray[np.float64]
    gone: NDArray[np.intp]
    new: NDArray[np.float64]

    @property
    def more(self) -> NDArray[np.intp]:
        """By how many particles there are more afterwards, (m,)."""
        return np.asarray(
            np.isfinite(self.new[:, :, LOG_R]).sum(axis=1) - (self.gone >= 0).sum(axis=1), dtype=np.intp
        )

    def meeting(self, k: int, others: list[int], share: float = 1.0) -> NDArray[np.bool_]:
        """Tell which circles of ``others`` meet that of row k in its component, all shrunk to a share."""
        rows = np.array(others, dtype=np.intp)
        apart = np.hypot(self.x[rows] - self.x[k], self.y[rows] - self.y[k])
        near = apart < share * (self.reach[rows] + self.reach[k])
        return np.asarray(near & (self.component[rows] == self.component[k]))

    def select(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> Places:
        """Return the rows of a mask or index array."""
        return Places(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def joined(cls, several: list[Places]) -> Places:
        """Put several tables one below the other."""
        g, q = (max((n.shape[1] for n in table), default=1) for table in
                ([p.gone for p in several], [p.new for p in several]))  # fmt: skip
        gone = [np.pad(p.gone, ((0, 0), (0, g - p.gone.shape[1])), constant_values=-1) for p in several]
        new = [
            np.pad(p.new, ((0, 0), (0, q - p.new.shape[1]), (0, 0)), constant_values=np.nan) for p in several
        ]
        component = np.concatenate([p.component for p in several])
        x, y, reach = (np.concatenate([getattr(p, n) for p in several]) for n in ("x", "y", "reach"))
        return cls(component, x, y, reach, np.concatenate(gone), np.concatenate(new))


@dataclass(frozen=True, eq=False)
class Tried:
    """What came of it.

    Parameters
    ----------
    gain
        (m,) cost that the change saves.
    new
        (m, q, 6) the particles that were put in, fitted; NaN for none.
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

    def apply(self, p: NDArray[np.float64], chosen: list[int]) -> None:
        """Move the neighbours of some places in the table of parameters (n, 6); those of the first win."""
        for k in reversed(chosen):
            mine = self.place == k
            p[self.rows[mine]] = self.parameters[mine]


def attempt(
    model: Model,
    fit: Fit,
    places: Places,
    held: NDArray[np.bool_],
    physics: Physics,
    cancelled: Cancelled,
    *,
    alone: bool = False,
) -> Tried:
    """Try a change at each place and fit what lies beside it.

    Parameters
    ----------
    held
        (n,) rows that do not move.
    alone
        Neighbours stay as they are too: only what is put in is fitted, in fewer steps.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    p, optics = fit.state.parameters, fit.optics
    m, q = places.new.shape[:2]
    rows, place = _touching(model.contacts, places) if alone else _beside(model, p, places)
    fixed = held[rows] | alone
    gone_place, which = np.nonzero(places.gone >= 0)
    old_rows = np.concatenate([rows, places.gone[gone_place, which]])
    old_place = np.concatenate([place, gone_place])
    new_place, slot = np.nonzero(np.isfinite(places.new[:, :, LOG_R]))
    blurred = len(kernel(optics.blur_px)) // 2
    pad = 2 + blurred
    boxes = _boxes(p, old_rows, old_place, places, pad)
    few, shift, residual = model.patches(boxes, places.component, max(blurred, LEAST_HALO), fit.state)
    old = p[old_rows]
    old[:, [X, Y]] += shift[old_place]
    few.component, few.prior = old_place, physics.prior(len(old))
    few.contacts = contacts = _inner_contacts(model.contacts, old_rows, old_place, len(p))
    few.take_out(old, optics)
    before = few.cost_of(residual) + few.pull(old, np.arange(len(old)))
    inner = np.concatenate([old[: len(rows)], places.new[new_place, slot]])
    few.component = np.concatenate([place, new_place])
    few.prior = physics.prior(len(inner))
    few.contacts = contacts.within(np.arange(len(old)) < len(rows))
    inner[len(rows) :, [X, Y]] += shift[new_place]
    still = np.concatenate([fixed, np.zeros(len(new_place), dtype=bool)])
    found = solve(
        few, inner, optics, physics.columns, still, most_steps=STEPS_ALONE if alone else STEPS,
        close_px=CLOSE_PX, cancelled=cancelled,
    )  # fmt: skip
    after = found.state
    squares = [(few.weight * left) ** 2 for left in (residual, after.residual)]
    table = np.zeros((m, q, 3))
    for one, at, k in zip(after.parameters[len(rows) :], new_place, slot, strict=True):
        table[at, k] = _around(few, squares, one)
    out = after.parameters.copy()
    out[:, [X, Y]] -= shift[few.component]
    new = np.full_like(places.new, np.nan)
    new[new_place, slot] = out[len(rows) :]
    free = ~fixed
    return Tried(
        before - after.cost, new, rows[free], place[free], out[: len(rows)][free],
        table[:, :, 0], table[:, :, 1], table[:, :, 2],
    )  # fmt: skip


def _beside(
    model: Model, p: NDArray[np.float64], places: Places
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of rows and the places that their discs meet, (k,) each."""
    from scipy.spatial import cKDTree

    r = np.exp(p[:, LOG_R] + np.hypot(p[:, Q1], p[:, Q2]))
    near = cKDTree(p[:, [X, Y]]).query_ball_point(
        np.column_stack([places.x, places.y]), places.reach + float(r.max(initial=0)) + BESIDE_PX
    )
    place = np.repeat(np.arange(len(places.x)), [len(rows) for rows in near])
    rows = np.array([k for found in near for k in found], dtype=np.intp)
    away = np.hypot(p[rows, X] - places.x[place], p[rows, Y] - places.y[place])
    good = away < places.reach[place] + r[rows] + BESIDE_PX
    good &= model.component[rows] == places.component[place]
    good &= ~(places.gone[place] == rows[:, None]).any(axis=1)
    return rows[good], place[good]


def _touching(contacts: Contacts, places: Places) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of rows and the places where something is taken away that shares room with them, (k,) each."""
    one = np.concatenate([contacts.small, contacts.large])
    order = np.argsort(one, kind="stable")
    one, other = one[order], np.concatenate([contacts.large, contacts.small])[order]
    place, which = np.nonzero(places.gone >= 0)
    gone = places.gone[place, which]
    first = np.searchsorted(one, gone)
    number = np.searchsorted(one, gone, side="right") - first
    step = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    rows, place = other[np.repeat(first, number) + step], np.repeat(place, number)
    stays = ~(places.gone[place] == rows[:, None]).any(axis=1)
    pairs = np.unique(np.stack([place[stays], rows[stays]]), axis=1)
    return pairs[1], pairs[0]


def _inner_contacts(contacts: Contacts, rows: NDArray[np.intp], place: NDArray[np.intp], n: int) -> Contacts:
    """Contacts between rows of one place, as positions in ``rows``."""
    key = place * n + rows
    order = np.argsort(key)
    key = key[order]
    # Every place looks for every contact of its rows.
    by_small = np.argsort(contacts.small, kind="stable")
    first = np.searchsorted(contacts.small[by_small], rows)
    number = np.searchsorted(contacts.small[by_small], rows, side="right") - first
    small = np.repeat(np.arange(len(rows)), number)
    step = np.arange(len(small)) - np.repeat(np.cumsum(number) - number, number)
    wanted = place[small] * n + contacts.large[by_small][np.repeat(first, number) + step]
    at = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
    present = key[at] == wanted
    return Contacts(small[present], order[at[present]], contacts.overlap)


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
