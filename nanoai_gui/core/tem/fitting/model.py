"""The image that particles would make, its misfit to the real one, and the normal equations of that misfit.

The intensity behind the particles is exp(-depth), depths of overlapping particles adding up; the optics blur
that intensity (not the depth: the two do not commute), and the contrast is

    amplitude (1 - blur(exp(-depth))) + level,

with a level of its own for every component, which takes up what is left of an uneven background and is solved
for at once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.fitting.bodies import LOG_R, N_PARAMETERS, Q1, Kind, X, Y, half_sizes, windows
from nanoai_gui.core.tem.fitting.contacts import Contacts, Lenses, lenses
from nanoai_gui.core.tem.fitting.equations import NormalEquations, products_of_pairs
from nanoai_gui.core.tem.fitting.scene import (
    Image,
    Optics,
    Scene,
    add,
    blur,
    blur_matrix,
    cut_out,
    kernel,
    lay_out,
)  # fmt: skip

LEVEL_SD = 0.02
"""What is expected to be left of the background after flattening, as a share of it."""
GAP_PX = 8
"""Px between components that are laid out side by side."""
LEAST_HALO = 3
"""Px around each component that are its own too, at least."""
DISC_PX = 1.0
"""What a particle covers beyond its half axes: half a px, on a raster that its centre does not lie on."""
FAST_PX = 20_000
"""Px of windows that are worked on at once: what they need fits into the cache of one core."""
WIDTH_STEP = 0.05
"""Change of the blur (px) by which its effect is measured."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Gaussian expectations of the parameters: ``mean`` and ``precision`` (1 / variance), (n, 6) each."""

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class State:
    """The model at one set of parameters.

    Parameters
    ----------
    depth
        (h, w) summed optical depth.
    passed, blurred
        (h, w) exp(-depth), and the same blurred; 0 where it does not matter to any px that counts.
    residual
        (h, w) contrast minus model; 0 there.
    level
        (components,) level of each component.
    cost
        (components,) weighted sum of squares, prior included.
    """

    parameters: NDArray[np.float64]
    depth: Image
    passed: Image
    blurred: Image
    residual: Image
    level: NDArray[np.float64]
    cost: NDArray[np.float64]


class Model:
    """A scene with its particles, ready to be evaluated at any parameters.

    ``component`` (n,) tells which component each particle belongs to. Windows reach no further than ``rim``
    px beyond the scene's edge, so the scene is kept padded.
    """

    def __init__(self, scene: Scene, component: NDArray[np.intp], kind: Kind, prior: Prior, rim: int) -> None:
        self.kind = kind
        self.prior = prior
        self.component = component
        self.rim = rim
        self.contacts = Contacts.none()
        self.base: Image | None = None
        self.halo = 0
        self.shape = scene.shape[0] + 2 * rim, scene.shape[1] + 2 * rim
        self.n_components = scene.n_components
        self._see(
            np.pad(scene.contrast, rim),
            np.pad(scene.weight, rim),
            np.pad(scene.owner, rim, constant_values=-1),
        )

    def _see(self, contrast: Image, weight: Image, owner: NDArray[np.int32]) -> None:
        """Take the padded images, and what follows from them."""
        from scipy import ndimage

        weight[owner < 0] = 0
        self.contrast, self.weight, self.owner = contrast, weight, owner
        self.boxes = np.zeros((self.n_components, 4), dtype=np.intp)
        for k, found in enumerate(ndimage.find_objects(owner + 1)[: self.n_components]):
            if found is not None:
                (rows, columns) = found
                self.boxes[k] = rows.start, columns.start, rows.stop, columns.stop
        counted = np.flatnonzero(self.weight > 0)
        # Component by component, so that sums over one are sums over what lies together.
        number = self.owner.ravel()[counted]
        order = np.argsort(number.astype(np.int16) if self.n_components < 2**15 else number, kind="stable")
        counted, number = counted[order], number[order]
        here = self.boxes[self.boxes[:, 2] > 0]
        low, high = (here[:, :2].min(axis=0), here[:, 2:].max(axis=0)) if len(here) else ([0, 0], [0, 0])
        self._bounds = int(low[0]), int(low[1]), int(high[0]), int(high[1])
        self._counted = counted
        self._counted_weight = self.weight.ravel()[counted]
        self.n_px = np.bincount(number, minlength=self.n_components)
        self._present = np.flatnonzero(self.n_px)
        self._first = np.searchsorted(number, self._present)
        self.ground = self._sums(self._counted_weight**2) + LEVEL_SD**-2.0

    def _sums(self, values: Image) -> NDArray[np.float64]:
        """Sum values of the px that count over each component."""
        out = np.zeros(self.n_components)
        if len(self._present):
            out[self._present] = np.add.reduceat(values, self._first, dtype=np.float64)
        return out

    def with_particles(self, component: NDArray[np.intp], prior: Prior) -> Model:
        """Give the same scene with other particles (and no contacts)."""
        out = copy.copy(self)
        out.component, out.prior, out.contacts = component, prior, Contacts.none()
        return out

    def only(self, numbers: NDArray[np.intp], rows: NDArray[np.intp]) -> tuple[Model, NDArray[np.float64]]:
        """Cut out some components, numbered anew, with their particles.

        Parameters
        ----------
        numbers
            Components wanted, ascending.
        rows
            Their particles, ascending.

        Returns
        -------
        A model of those particles, and what must be added to x and y of each to come to its scene, (m, 2).
        """
        images = () if self.base is None else (self.base,)
        boxes, level = self.boxes[numbers] - self.rim, np.zeros(len(numbers))
        out, shift, cut = self._cut(boxes, numbers, GAP_PX, self.halo, images, level)
        out.base = cut[0] if cut else None
        out.component = np.searchsorted(numbers, self.component[rows])
        out.prior = Prior(self.prior.mean[rows], self.prior.precision[rows])
        out.contacts = self.contacts.among(rows)
        return out, shift[out.component]

    def patches(
        self, boxes: NDArray[np.intp], numbers: NDArray[np.intp], halo: int, state: State
    ) -> tuple[Model, NDArray[np.float64], Image]:
        """Cut out places that overlap, each a component of its own, without particles or a level of its own.

        Parameters
        ----------
        boxes
            (m, 4) y0, x0, y1, x1 in px of the scene.
        numbers
            (m,) component of each, of which alone px count.
        halo
            Px around each box that are seen, but do not count.
        state
            Gives the optical depth of what stays as it is, and the level of each component.

        Returns
        -------
        The model, its ``base`` cut out of that depth; what must be added to x and y in each box, (m, 2); and
        the residual as it is there.
        """
        level = state.level[numbers]
        images = state.depth, state.residual
        out, shift, (base, residual) = self._cut(boxes, numbers, 0, halo, images, level)
        out.base, out.contacts = base, Contacts.none()
        return out, shift, residual

    def _cut(
        self,
        boxes: NDArray[np.intp],
        numbers: NDArray[np.intp],
        gap: int,
        halo: int,
        images: Sequence[Image],
        level: NDArray[np.float64],
    ) -> tuple[Model, NDArray[np.float64], list[Image]]:
        """Lay boxes out side by side, less a level: the model, the shift of each, and further images."""
        rim, (height, width) = self.rim, self.shape
        # In px of the padded scene, with the halo.
        low = np.maximum(boxes[:, :2] + rim - halo, 0)
        high = np.maximum(np.minimum(boxes[:, 2:] + rim + halo, [height, width]), low + 1)
        corners, extent = lay_out(high - low, gap)
        shape = extent[0] + 2 * rim, extent[1] + 2 * rim
        contrast, weight = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        more = [np.zeros(shape, dtype=np.float32) for _ in images]
        owner = np.full(shape, -1, dtype=np.int32)
        for k, ((y0, x0), (y1, x1), (v, u)) in enumerate(
            zip(low.tolist(), high.tolist(), corners.tolist(), strict=True)
        ):
            old = slice(y0, y1), slice(x0, x1)
            new = slice(v + rim, v + rim + y1 - y0), slice(u + rim, u + rim + x1 - x0)
            mine = self.owner[old] == numbers[k]
            if halo:
                mine[:halo] = mine[-halo:] = False
                mine[:, :halo] = mine[:, -halo:] = False
            np.subtract(self.contrast[old], np.float32(level[k]), out=contrast[new])
            weight[new] = self.weight[old] * mine
            owner[new][mine] = k
            for image, whole in zip(more, images, strict=True):
                image[new] = whole[old]
        out = copy.copy(self)
        out.shape, out.n_components, out.halo = shape, len(numbers), halo
        out._see(contrast, weight, owner)
        return out, (corners + rim - low)[:, ::-1].astype(np.float64), more

    @property
    def areas(self) -> NDArray[np.float64]:
        """Px of the box of each component, with the gap to its neighbours."""
        return np.asarray((self.boxes[:, 2:] - self.boxes[:, :2] + GAP_PX).prod(axis=1), dtype=np.float64)

    def _place_of_interest(self, sigma: float) -> tuple[slice, slice]:
        """Rows and columns that hold all px that count, and as far around them as a blur reaches."""
        # The derivative by the blur asks for one that is a little wider.
        reach = len(kernel(sigma + WIDTH_STEP)) // 2
        y0, x0, y1, x1 = self._bounds
        return slice(max(y0 - reach, 0), y1 + reach), slice(max(x0 - reach, 0), x1 + reach)

    def groups(
        self, p: NDArray[np.float64], rows: NDArray[np.intp], optics: Optics
    ) -> list[tuple[int, NDArray[np.intp]]]:
        """Share particles out by the size of their windows, blur included: half width and rows."""
        return self._groups(p, rows, 1.5 + 2.5 * optics.blur_px)

    def _groups(
        self, p: NDArray[np.float64], rows: NDArray[np.intp], reach: float
    ) -> list[tuple[int, NDArray[np.intp]]]:
        half = np.minimum(half_sizes(p[rows], reach), self.rim)
        out = []
        for h in np.flatnonzero(np.bincount(half)).tolist():
            members, most = rows[half == h], max(FAST_PX // (2 * h + 1) ** 2, 1)
            out += [(h, members[k : k + most]) for k in range(0, len(members), most)]
        return out

    def evaluate(self, parameters: NDArray[np.float64], optics: Optics, rows: NDArray[np.intp]) -> State:
        """Compute the image of the particles ``rows`` and its misfit."""
        place, amplitude = self._place_of_interest(optics.blur_px), np.float32(optics.amplitude)
        depth = self.depth(parameters, optics, rows)
        if self.base is not None:
            depth[place] += self.base[place]
        passed, blurred, residual = (_framed(self.shape, place) for _ in range(3))
        np.exp(np.negative(depth[place], out=passed[place]), out=passed[place])
        blurred[place] = blur(passed[place], optics.blur_px)
        left = residual[place]
        np.multiply(blurred[place], amplitude, out=left)
        left += self.contrast[place]
        left -= amplitude
        weight, flat = self._counted_weight, residual.reshape(-1)
        values = flat[self._counted]
        level = np.zeros(self.n_components)
        if self.base is None:
            level = self._sums(weight * weight * values) / self.ground
            values -= np.repeat(level.astype(np.float32), self.n_px)
            flat[self._counted] = values
        values *= weight
        cost = self._sums(values * values) + self.pull(parameters, rows) + LEVEL_SD**-2.0 * level**2
        return State(parameters, depth, passed, blurred, residual, level, cost)

    def pull(self, parameters: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Cost of particles being other than expected, in each component."""
        precision = self.prior.precision[rows]
        away = parameters[rows] - self.prior.mean[rows]
        pull = np.bincount(self.component[rows], (precision * away**2).sum(axis=1), self.n_components)
        return np.asarray(pull, dtype=np.float64)

    def restored(
        self, state: State, before: State, numbers: NDArray[np.intp], parameters: NDArray[np.float64]
    ) -> State:
        """Put components back to what they were ``before``, in the same place of memory."""
        for y0, x0, y1, x1 in self.boxes[numbers].tolist():
            # Boxes lie at least twice that apart.
            top, left = max(y0 - LEAST_HALO, 0), max(x0 - LEAST_HALO, 0)
            box = slice(top, y1 + LEAST_HALO), slice(left, x1 + LEAST_HALO)
            for name in ("depth", "passed", "blurred", "residual"):
                getattr(state, name)[box] = getattr(before, name)[box]
        level, cost = state.level.copy(), state.cost.copy()
        level[numbers], cost[numbers] = before.level[numbers], before.cost[numbers]
        return replace(state, parameters=parameters, level=level, cost=cost)

    def depth(self, parameters: NDArray[np.float64], optics: Optics, rows: NDArray[np.intp]) -> Image:
        """Sum the optical depth of the particles ``rows``, what they share counted once."""
        shifted = self.shifted(parameters)
        out = np.zeros(self.shape, dtype=np.float32)
        for half, members in self._groups(shifted, rows, DISC_PX):
            w = windows(shifted, members, half, self.kind, optics.absorption)
            add(out, w.y0, w.x0, w.depth)
        if len(self.contacts.small):
            wanted = np.zeros(len(parameters), dtype=bool)
            wanted[rows] = True
            for lens in self._lenses(shifted, self.contacts.within(wanted), optics, 0.5):
                add(out, lens.y0, lens.x0, np.negative(lens.depth, out=lens.depth))
            np.maximum(out, 0, out=out)
        return out

    def cost_of(self, residual: Image) -> NDArray[np.float64]:
        """Weighted sum of squares of a residual (h, w) in each component."""
        values = residual.reshape(-1)[self._counted] * self._counted_weight
        return self._sums(values * values)

    def take_out(self, parameters: NDArray[np.float64], optics: Optics) -> None:
        """Take particles, all that there are, out of the depth that does not change."""
        if self.base is not None:
            self.base = np.maximum(self.base - self.depth(parameters, optics, np.arange(len(parameters))), 0)

    def _lenses(
        self, shifted: NDArray[np.float64], contacts: Contacts, optics: Optics, reach: float
    ) -> Iterator[Lenses]:
        return lenses(shifted, contacts, optics.absorption, reach, self.rim)

    def contact_gains(
        self, state: State, optics: Optics, candidates: Contacts, included: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Cost saved by each of some pairs being in contact; ``included`` ones are so in ``state``."""
        gain = np.zeros(len(candidates.small))
        shifted = self.shifted(state.parameters)
        weighted = self.weight * state.residual
        for lens in self._lenses(shifted, candidates, optics, 1.5 + 2.5 * optics.blur_px):
            width = lens.depth.shape[1]
            at = lens.y0, lens.x0, width
            sign = np.where(included[lens.pairs], -1, 1).astype(np.float32)[:, None, None]
            change = (
                -np.float32(optics.amplitude)
                * cut_out(state.passed, *at)
                * sign
                * np.expm1(sign * lens.depth)
            )
            smooth = blur_matrix(width, optics.blur_px)
            change = np.matmul(np.matmul(smooth, change), smooth) * cut_out(self.weight, *at)
            product = 2 * (cut_out(weighted, *at) * change).sum(axis=(1, 2))
            square = (change**2).sum(axis=(1, 2))
            gain[lens.pairs] = np.where(included[lens.pairs], product + square, product - square)
        return gain

    def shifted(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Express parameters in px of the padded scene, windows kept inside it."""
        out = parameters.copy()
        out[:, X] = np.clip(out[:, X] + self.rim, self.rim, self.shape[1] - 1 - self.rim)
        out[:, Y] = np.clip(out[:, Y] + self.rim, self.rim, self.shape[0] - 1 - self.rim)
        return out

    def linearise(
        self,
        state: State,
        optics: Optics,
        rows: NDArray[np.intp],
        columns: tuple[int, ...],
        with_pooled: bool = False,
    ) -> NormalEquations:
        """Build the normal equations of the particles ``rows`` (in that order) for some parameters."""
        n, p = len(rows), len(columns)
        shifted = self.shifted(state.parameters)
        place = np.full(len(state.parameters), -1, dtype=np.intp)
        place[rows] = np.arange(n)
        weighted = self.weight * state.residual
        gradient, own, border = np.zeros((n, p)), np.zeros((n, p, p)), np.zeros((n, p))
        pooled = (
            self._pooled_columns(state, optics) if with_pooled else np.empty((0, *self.shape), np.float32)
        )
        g = len(pooled)
        pooled_border = np.zeros((n, p, g))
        jacobians: list[Image] = [np.empty(0, dtype=np.float32)] * n
        corners = np.zeros((n, 3), dtype=np.intp)
        seen = int(np.ceil(2.5 * optics.blur_px))
        for half, members in self._groups(shifted, rows, DISC_PX):
            # The disc itself, and then what the blur makes of it, in a larger window.
            w = windows(shifted, members, half, self.kind, optics.absorption, columns)
            jacobian = w.slopes
            jacobian *= cut_out(state.passed, w.y0, w.x0, 2 * half + 1)[:, None]
            more = min(seen, self.rim - half)
            smooth = blur_matrix(2 * half + 1, optics.blur_px, more)
            jacobian = np.matmul(np.matmul(smooth, jacobian), smooth.T)
            width = 2 * (half + more) + 1
            box = w.y0 - more, w.x0 - more, width
            mine = cut_out(self.owner, *box) == self.component[members][:, None, None]
            weight = cut_out(self.weight, *box) * mine
            jacobian *= (np.float32(optics.amplitude) * weight)[:, None]
            at = place[members]
            j = jacobian.reshape(len(members), p, -1)
            gradient[at] = np.matmul(j, cut_out(weighted, *box).reshape(len(members), -1, 1))[:, :, 0]
            own[at] = np.matmul(j, j.transpose(0, 2, 1))
            if self.base is None:
                border[at] = np.matmul(j, weight.reshape(len(members), -1, 1))[:, :, 0]
            for k in range(g):
                column = cut_out(pooled[k], *box).reshape(len(members), -1, 1)
                pooled_border[at, :, k] = np.matmul(j, column)[:, :, 0]
            corners[at] = np.column_stack([box[0], box[1], np.full(len(at), width)])
            for i, k in enumerate(at.tolist()):
                jacobians[k] = jacobian[i]
        first, second = self._pairs(shifted[rows], self.component[rows], optics)
        shared = products_of_pairs(jacobians, corners, first, second, p)
        # Priors pull on the own parameters only.
        index_of = list(columns)
        precision = self.prior.precision[rows][:, index_of]
        gradient -= precision * (state.parameters - self.prior.mean)[rows][:, index_of]
        own[:, np.arange(p), np.arange(p)] += precision
        flat = pooled.reshape(g, self.weight.size)[:, self._counted].astype(np.float64)
        level = np.zeros((self.n_components, g))
        for k in range(g):
            level[:, k] = self._sums(flat[k] * self._counted_weight)
        pooled_gradient = flat @ weighted.reshape(-1)[self._counted] if g else np.zeros(0)
        return NormalEquations(
            gradient, own, first, second, shared, border, self.ground,
            pooled_gradient, flat @ flat.T, pooled_border, level,
        )  # fmt: skip

    def _pooled_columns(self, state: State, optics: Optics) -> Image:
        """Weighted derivatives of the model by ln absorption, ln amplitude and blur, (3, h, w)."""
        a = np.float32(optics.amplitude)
        out = np.zeros((3, *self.shape), dtype=np.float32)
        place = self._place_of_interest(optics.blur_px)
        passed, blurred = state.passed[place], state.blurred[place]
        if self.kind is not Kind.FLAT:
            out[0][place] = a * blur(passed * state.depth[place], optics.blur_px)
        out[1][place] = a * (1 - blurred)
        out[2][place] = (a / np.float32(WIDTH_STEP)) * (blurred - blur(passed, optics.blur_px + WIDTH_STEP))
        out *= self.weight
        return out

    def _pairs(
        self, p: NDArray[np.float64], component: NDArray[np.intp], optics: Optics
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs of particles of one component whose blurred discs meet."""
        from scipy.spatial import cKDTree

        none = np.empty(0, dtype=np.intp)
        if len(p) < 2:
            return none, none
        reach = np.exp(p[:, LOG_R] + np.hypot(p[:, Q1], p[:, Q1 + 1])) + 1.5 + 1.5 * optics.blur_px
        # Sorted by reach, each looks only for those no larger than itself.
        pairs = cKDTree(p[:, [X, Y]]).query_pairs(2 * float(reach.max()), output_type="ndarray")
        if not len(pairs):
            return none, none
        a, b = pairs[:, 0], pairs[:, 1]
        near = np.hypot(p[a, X] - p[b, X], p[a, Y] - p[b, Y]) < reach[a] + reach[b]
        near &= component[a] == component[b]
        return a[near].astype(np.intp), b[near].astype(np.intp)


def _framed(shape: tuple[int, int], place: tuple[slice, slice]) -> Image:
    """Make an image that is 0 around a place, which is yet to be filled."""
    rows, columns = place
    out = np.empty(shape, dtype=np.float32)
    out[: rows.start] = out[rows.stop :] = 0
    out[rows, : columns.start] = out[rows, columns.stop :] = 0
    return out


def no_prior(n: int) -> Prior:
    """Expect nothing."""
    return Prior(np.zeros((n, N_PARAMETERS)), np.zeros((n, N_PARAMETERS)))
