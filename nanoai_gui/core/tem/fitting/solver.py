"""Levenberg-Marquardt for many components side by side: each has its own damping and stops on its own.

K. Levenberg, Q. Appl. Math. 2 (1944) 164; D. W. Marquardt, J. SIAM 11 (1963) 431.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled
from nanoai_gui.core.tem.fitting.bodies import LOG_R, Q1, Q2, H, X, Y
from nanoai_gui.core.tem.fitting.contacts import Contacts, candidates, choose
from nanoai_gui.core.tem.fitting.equations import NormalEquations
from nanoai_gui.core.tem.fitting.model import Model, State
from nanoai_gui.core.tem.fitting.scene import Optics

CLOSE_PX = 0.01
"""A component is done when no centre and no radius moves by more than this ..."""
LEAST_GAIN = 0.05
"""... or its cost falls by less than this (one standard error squared is 1)."""
LARGEST_STEP = {LOG_R: 0.25, Q1: 0.15, Q2: 0.15, H: 0.4}
LARGEST_MOVE = 0.4
"""Largest step of a centre, as a share of the radius."""
WORTH_CUTTING = 0.6
"""Where active components fill less than this share of a scene, they are cut out of it."""
MOST_FAILED = 2
"""A component is done, too, when so many steps one after the other made it worse: what is left to gain is
less than what the equations leave out."""
_FIRST_DAMPING = 1e-3


@dataclass(frozen=True, eq=False)
class Fit:
    """The end of a fit: the model there, its parameters within, and what all particles share."""

    state: State
    optics: Optics


def solve(
    model: Model,
    start: NDArray[np.float64],
    optics: Optics,
    columns: tuple[int, ...],
    held: NDArray[np.bool_],
    *,
    pooled: tuple[int, ...] = (),
    most_steps: int = 12,
    close_px: float = CLOSE_PX,
    cancelled: Cancelled = never_cancelled,
) -> Fit:
    """Fit the parameters ``columns`` of all particles that are not ``held``.

    Parameters
    ----------
    start
        (n, 6).
    close_px
        A component is done when nothing in it moves by more.
    pooled
        Which of the shared parameters (0: absorption, 1: amplitude, 2: blur) are fitted with them; the scene
        then counts as one component.
    """
    # Components whose every particle is held, or without any, have nothing to do.
    active = np.bincount(model.component[~held], minlength=model.n_components) > 0
    damping = np.full(model.n_components, _FIRST_DAMPING)
    walk = _Walk(model, start, optics, held, active, damping)
    walk.go(most_steps, _Task(columns, pooled, close_px, cancelled))
    everyone = np.arange(len(start))
    state = walk.state if walk.is_whole else None
    return Fit(state or model.evaluate(walk.parameters, walk.optics, everyone), walk.optics)


@dataclass(frozen=True, eq=False)
class _Task:
    """What stays the same while a fit goes on; see :func:`solve`."""

    columns: tuple[int, ...]
    pooled: tuple[int, ...]
    close_px: float
    cancelled: Cancelled


@dataclass(eq=False)
class _Walk:
    """Where a fit stands on its way downhill.

    Parameters
    ----------
    active, damping
        (components,) which are not done yet, and how carefully each of them goes on.
    state
        The model here, once it is known; of components that are done only the cost is.
    is_whole
        Whether ``state`` is right everywhere all the same.
    failed
        (components,) steps one after the other that made each worse.
    """

    model: Model
    parameters: NDArray[np.float64]
    optics: Optics
    held: NDArray[np.bool_]
    active: NDArray[np.bool_]
    damping: NDArray[np.float64]
    state: State | None = None
    is_whole: bool = False
    failed: NDArray[np.intp] = field(init=False)

    def __post_init__(self) -> None:
        """No step has failed; the first may once more than others, as it may start far away."""
        self.failed = np.full(self.model.n_components, -1)

    def go(self, steps: int, task: _Task) -> None:
        """Walk until every component is done, or so many steps."""
        areas = self.model.areas
        for step in range(steps):
            checkpoint(task.cancelled)
            if not self.active.any():
                return
            if not task.pooled and areas[self.active].sum() < WORTH_CUTTING * areas.sum():
                # Few are left: what they are evaluated on is cut out, the rest costs nothing any more.
                self._go_alone(steps - step, task)
                return
            self._step(task)

    def _step(self, task: _Task) -> None:
        model, active = self.model, self.active
        columns, pooled = task.columns, task.pooled
        everyone = np.arange(len(self.parameters))
        if self.state is None:
            self.state, self.is_whole = model.evaluate(self.parameters, self.optics, everyone), True
        state = self.state
        free = everyone[active[model.component] & ~self.held]
        equations = model.linearise(state, self.optics, free, columns, bool(pooled))
        if pooled:
            damping = float(self.damping.max())
            move, shared = _step_with_pooled(model, equations, free, columns, pooled, damping)
            optics = _moved(self.optics, pooled, shared)
        else:
            move, optics = _step(model, equations, free, columns, self.damping), self.optics
        parameters = _limited(self.parameters, free, columns, move)
        going = everyone if pooled else everyone[active[model.component]]
        trial = model.evaluate(parameters, optics, going)
        if pooled:
            better = np.full(model.n_components, trial.cost.sum() < state.cost.sum())
        else:
            # Components that are done keep their cost.
            trial = replace(trial, cost=np.where(active, trial.cost, state.cost))
            better = (trial.cost < state.cost) | ~active
        gain = state.cost - trial.cost
        moved = _largest_move(model, self.parameters, parameters)
        self.damping = np.where(better, self.damping / 10, np.maximum(self.damping, 1e-4) * 10)
        small = (moved < task.close_px) | (np.abs(gain) < LEAST_GAIN)
        if pooled:
            small[...] = bool((moved[active] < task.close_px).all()) or abs(gain.sum()) < LEAST_GAIN
        if better[active].any():
            if not better.all():
                worse = ~better[model.component]
                parameters[worse] = self.parameters[worse]
                trial = model.restored(trial, state, np.flatnonzero(~better), parameters)
            self.state, self.parameters, self.optics = trial, parameters, optics
            self.is_whole = bool(better.all()) and len(going) == len(everyone)
        self.failed = np.where(better, 0, self.failed + 1)
        small |= (self.failed >= MOST_FAILED) & (not pooled)
        self.active = active & ~(small | (self.damping > 1e4))

    def _go_alone(self, steps: int, task: _Task) -> None:
        """Walk on with the active components alone."""
        numbers = np.flatnonzero(self.active)
        rows = np.flatnonzero(self.active[self.model.component])
        few, shift = self.model.only(numbers, rows)
        inner = self.parameters[rows]
        inner[:, [X, Y]] += shift
        every = np.ones(len(numbers), dtype=bool)
        walk = _Walk(few, inner, self.optics, self.held[rows], every, self.damping[numbers])
        walk.go(steps, task)
        out = self.parameters.copy()
        out[rows] = walk.parameters
        out[rows[:, None], [X, Y]] -= shift
        # What did not move keeps its very numbers.
        still = rows[self.held[rows]]
        out[still] = self.parameters[still]
        self.parameters, self.state, self.is_whole = out, None, False


def _moved(optics: Optics, pooled: tuple[int, ...], shared: NDArray[np.float64]) -> Optics:
    out = optics
    for k, value in zip(pooled, shared.tolist(), strict=True):
        if k == 0:
            factor = float(np.exp(np.clip(value, -0.5, 0.5)))
            out = replace(out, absorption=out.absorption * factor)
        elif k == 1:
            out = replace(out, amplitude=out.amplitude * float(np.exp(np.clip(value, -0.2, 0.2))))
        else:
            width = float(np.clip(out.blur_px + np.clip(value, -0.4, 0.4), 0.3, 6.0))
            out = replace(out, blur_px=width)
    return out


def _limited(
    parameters: NDArray[np.float64],
    free: NDArray[np.intp],
    columns: tuple[int, ...],
    move: NDArray[np.float64],
) -> NDArray[np.float64]:
    out = parameters.copy()
    radius = np.exp(parameters[free, LOG_R])
    for k, column in enumerate(columns):
        limit = LARGEST_MOVE * radius if column in (X, Y) else LARGEST_STEP[column]
        out[free, column] += np.clip(move[:, k], -limit, limit)
    return out


def _largest_move(
    model: Model, before: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Largest change in px of a centre or a half axis in each component."""
    change = np.abs(after - before)
    radius = np.exp(after[:, LOG_R])
    px = np.maximum(change[:, [X, Y]].max(axis=1), radius * change[:, [LOG_R, Q1, Q2]].max(axis=1))
    out = np.zeros(model.n_components)
    np.maximum.at(out, model.component, px)
    return out


@dataclass(frozen=True, eq=False)
class Batch:
    """Components of one number of particles: their full matrices, level of the component last.

    ``rows`` (b, m) are rows of the equations, ``matrix`` (b, m p + 1, m p + 1), ``right`` (b, m p + 1).
    """

    components: NDArray[np.intp]
    rows: NDArray[np.intp]
    matrix: NDArray[np.float64]
    right: NDArray[np.float64]


def batches(model: Model, equations: NormalEquations, rows: NDArray[np.intp]) -> Iterator[Batch]:
    """Put the blocks together, components of equal size at once."""
    p = equations.gradient.shape[1]
    component = model.component[rows]
    order = np.argsort(component, kind="stable")
    present, starts, sizes = np.unique(component[order], return_index=True, return_counts=True)
    rank = np.empty(len(rows), dtype=np.intp)
    rank[order] = np.arange(len(rows)) - np.repeat(starts, sizes)
    size_of = np.zeros(model.n_components, dtype=np.intp)
    size_of[present] = sizes
    number = np.zeros(model.n_components, dtype=np.intp)
    for size in np.unique(sizes).tolist():
        mine = present[sizes == size]
        number[mine] = np.arange(len(mine))
        members = np.flatnonzero(size_of[component] == size)
        blocks = np.zeros((len(mine), size, p, size, p))
        at, k = number[component[members]], rank[members]
        blocks[at, k, :, k, :] = equations.own[members]
        pairs = np.flatnonzero(size_of[component[equations.first]] == size)
        a, b = equations.first[pairs], equations.second[pairs]
        at_pair = number[component[a]]
        blocks[at_pair, rank[a], :, rank[b], :] = equations.shared[pairs]
        blocks[at_pair, rank[b], :, rank[a], :] = equations.shared[pairs].transpose(0, 2, 1)
        m = size * p
        matrix = np.zeros((len(mine), m + 1, m + 1))
        matrix[:, :m, :m] = blocks.reshape(len(mine), m, m)
        side = np.zeros((len(mine), size, p))
        side[at, k] = equations.border[members]
        matrix[:, m, :m] = matrix[:, :m, m] = side.reshape(len(mine), m)
        matrix[:, m, m] = equations.ground[mine]
        right = np.zeros((len(mine), size, p))
        right[at, k] = equations.gradient[members]
        full = np.zeros((len(mine), m + 1))
        full[:, :m] = right.reshape(len(mine), m)
        table = np.zeros((len(mine), size), dtype=np.intp)
        table[at, k] = members
        yield Batch(mine, table, matrix, full)


def _step(
    model: Model,
    equations: NormalEquations,
    rows: NDArray[np.intp],
    columns: tuple[int, ...],
    damping: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Damped Gauss-Newton step, (n, p)."""
    p = len(columns)
    move = np.zeros((len(rows), p))
    for batch in batches(model, equations, rows):
        matrix = batch.matrix
        m = matrix.shape[1]
        diagonal = np.arange(m)
        own = matrix[:, diagonal, diagonal]
        floor = 1e-9 * own.max(axis=1, keepdims=True)
        matrix[:, diagonal, diagonal] = own + damping[batch.components][:, None] * own + floor
        found = np.linalg.solve(matrix, batch.right[:, :, None])[:, : m - 1, 0]
        move[batch.rows.ravel()] = found.reshape(-1, p)
    return move


def _step_with_pooled(
    model: Model,
    equations: NormalEquations,
    rows: NDArray[np.intp],
    columns: tuple[int, ...],
    pooled: tuple[int, ...],
    damping: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Step of everything at once: components are eliminated first, the shared parameters remain."""
    p, g = len(columns), len(pooled)
    keep = list(pooled)
    matrix = equations.pooled_own[np.ix_(keep, keep)].copy()
    matrix[np.diag_indices(g)] *= 1 + damping
    matrix[np.diag_indices(g)] += 1e-9
    right = equations.pooled_gradient[keep].copy()
    parts = []
    for batch in batches(model, equations, rows):
        b, m = batch.matrix.shape[:2]
        border = np.empty((b, m, g))
        border[:, : m - 1] = equations.pooled_border[batch.rows][..., keep].reshape(b, m - 1, g)
        border[:, m - 1] = equations.pooled_level[batch.components][:, keep]
        diagonal = np.arange(m)
        own = batch.matrix[:, diagonal, diagonal]
        floor = 1e-9 * own.max(axis=1, keepdims=True)
        batch.matrix[:, diagonal, diagonal] = own * (1 + damping) + floor
        solved = np.linalg.solve(batch.matrix, np.concatenate([batch.right[:, :, None], border], axis=2))
        matrix -= np.einsum("bmg,bmh->gh", border, solved[:, :, 1:])
        right -= np.einsum("bmg,bm->g", border, solved[:, :, 0])
        parts.append((batch.rows, solved))
    shared = np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    move = np.zeros((len(rows), p))
    for table, solved in parts:
        m = solved.shape[1]
        found = solved[:, : m - 1, 0] - solved[:, : m - 1, 1:] @ shared
        move[table.ravel()] = found.reshape(-1, p)
    return move, shared


def covariance(model: Model, equations: NormalEquations, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """(n, p) variances of the parameters, neighbours and level free to move as well."""
    p = equations.gradient.shape[1]
    out = np.zeros((len(rows), p))
    for batch in batches(model, equations, rows):
        m = batch.matrix.shape[1]
        diagonal = np.arange(m)
        own = batch.matrix[:, diagonal, diagonal]
        batch.matrix[:, diagonal, diagonal] += 1e-9 * own.max(axis=1, keepdims=True)
        inverse = np.linalg.inv(batch.matrix)
        variance = inverse[:, diagonal, diagonal][:, : m - 1]
        out[batch.rows.ravel()] = np.maximum(variance, 0).reshape(-1, p)
    return out


def find_contacts(model: Model, fit: Fit, overlap: float) -> Contacts:
    """Choose which particles are in contact, given that contacts overlap so much."""
    p = fit.state.parameters
    small, large, share = candidates(p, model.component)
    every = Contacts(small, large, overlap)
    n = len(p)
    present = set((model.contacts.small * n + model.contacts.large).tolist())
    included = np.array([k in present for k in (small * n + large).tolist()], dtype=bool)
    gain = model.contact_gains(fit.state, fit.optics, every, included)
    return choose(small, large, share, gain, overlap, n)
