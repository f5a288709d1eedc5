"""Which particles must be solved together, and which of them fit into one scene."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.fitting.scene import Image, Scene, lay_out
from nanoai_gui.core.tem.fitting.signal import Signal

PARTICLES_PER_SCENE = 150
AREA_PER_SCENE = 2.0e6
"""Px of the boxes of the components in a scene, after reduction."""
RADIUS_KEPT = 8.0
"""Where particles are larger than this (px), squares of px are averaged until they nearly are not."""
MOST_REDUCED = 8
_APART_PX = 8.0


def components(
    agglomerate: NDArray[np.integer], x: NDArray[np.float64], y: NDArray[np.float64], r: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Give each particle a number that all share whose agglomerates touch, or nearly so, (n,)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not len(x):
        return np.empty(0, dtype=np.intp)
    _, owner = np.unique(agglomerate, return_inverse=True)
    n = int(owner.max()) + 1
    links = [np.empty((0, 2), dtype=np.intp)]
    # Class by class of size, as a single large particle must not make neighbours of everything.
    size = np.floor(np.log2(np.maximum(r, 1.0))).astype(int)
    everyone = cKDTree(np.column_stack([x, y]))
    for level in np.unique(size):
        rows = np.flatnonzero(size == level)
        found = everyone.query_ball_point(np.column_stack([x[rows], y[rows]]), 2 * r[rows] + _APART_PX + 2)
        i = np.repeat(rows, [len(f) for f in found])
        j = np.array([k for f in found for k in f], dtype=np.intp)
        near = (owner[i] != owner[j]) & (np.hypot(x[i] - x[j], y[i] - y[j]) < r[i] + r[j] + _APART_PX)
        links.append(np.column_stack([owner[i[near]], owner[j[near]]]))
    pairs = np.concatenate(links)
    graph = coo_matrix((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), (n, n))
    _, group = connected_components(graph, directed=False)
    return np.asarray(group, dtype=np.intp)[owner]


@dataclass(frozen=True, eq=False)
class Part:
    """Components cut out of the micrograph, reduced by ``factor`` and laid out side by side in one scene.

    ``rows`` are the particles in it, ``component`` (m,) their components, numbered from 0 within it
    (``numbers`` are those of the micrograph). ``shift`` (m, 2) is what must be added to x and y of the
    reduced micrograph to come to those of the scene.
    """

    scene: Scene
    rows: NDArray[np.intp]
    component: NDArray[np.intp]
    numbers: NDArray[np.intp]
    shift: NDArray[np.float64]
    factor: int

    def to_scene(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Parameters of the micrograph in px of the scene."""
        out = parameters.copy()
        out[:, :2] = (out[:, :2] + 0.5) / self.factor - 0.5 + self.shift
        out[:, 2] -= np.log(self.factor)
        return out

    def to_image(self, parameters: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
        """And back, with the shift of each."""
        out = parameters.copy()
        out[:, :2] = (out[:, :2] - shift + 0.5) * self.factor - 0.5
        out[:, 2] += np.log(self.factor)
        return out


def reduction(radius: NDArray[np.float64]) -> int:
    """How many px make one where particles have these radii (the smaller ones decide)."""
    return int(np.clip(np.percentile(radius, 25) / RADIUS_KEPT, 1, MOST_REDUCED))


@dataclass(frozen=True, eq=False)
class Layout:
    """The components of a micrograph.

    Parameters
    ----------
    component
        (n,) component of each particle.
    owner_of
        (agglomerates,) component of each agglomerate, -1 where none of its particles is fitted.
    boxes
        (components, 4) y0, x0, y1, x1 around agglomerates and particles, px of the micrograph.
    factor
        (components,) by how much each is reduced.
    """

    component: NDArray[np.intp]
    owner_of: NDArray[np.intp]
    boxes: NDArray[np.intp]
    factor: NDArray[np.intp]
    order: NDArray[np.intp]
    bounds: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        agglomerates: Agglomerates,
        agglomerate: NDArray[np.integer],
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        r: NDArray[np.float64],
    ) -> Layout:
        """Group particles (columns of length n, px of the micrograph)."""
        component = components(agglomerate, x, y, r)
        n = int(component.max()) + 1
        owner_of = np.full(len(agglomerates), -1, dtype=np.intp)
        known = np.isin(agglomerate, agglomerates.ids)
        owner_of[np.searchsorted(agglomerates.ids, agglomerate[known])] = component[known]
        boxes = np.empty((n, 4))
        boxes[:, :2], boxes[:, 2:] = np.inf, -np.inf
        for at, corners in (
            (component, np.column_stack([y - r, x - r, y + r + 1, x + r + 1])),
            (owner_of[owner_of >= 0], agglomerates.boxes[owner_of >= 0].astype(float)),
        ):
            np.minimum.at(boxes[:, :2], at, corners[:, :2])
            np.maximum.at(boxes[:, 2:], at, corners[:, 2:])
        order = np.argsort(component, kind="stable")
        bounds = np.searchsorted(component[order], np.arange(n + 1))
        factor = [reduction(r[order[a:b]]) for a, b in itertools.pairwise(bounds.tolist())]
        rounded = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
        return cls(component, owner_of, rounded.astype(np.intp), np.array(factor), order, bounds)

    def members(self, number: int) -> NDArray[np.intp]:
        """Give the particles of a component."""
        return self.order[self.bounds[number] : self.bounds[number + 1]]

    def schedule(self, numbers: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Share components (ascending) out among scenes of one reduction each."""
        size = np.diff(self.bounds)
        extent = (self.boxes[:, 2:] - self.boxes[:, :2]) / self.factor[:, None] + 16
        area = extent.prod(axis=1)
        out: list[NDArray[np.intp]] = []
        for f in np.unique(self.factor[numbers]):
            chosen: list[int] = []
            particles, px = 0, 0.0
            for k in numbers[self.factor[numbers] == f].tolist():
                full = particles + size[k] > PARTICLES_PER_SCENE or px + area[k] > AREA_PER_SCENE
                if chosen and full:
                    out.append(np.array(chosen, dtype=np.intp))
                    chosen, particles, px = [], 0, 0.0
                chosen.append(k)
                particles, px = particles + int(size[k]), px + float(area[k])
            out.append(np.array(chosen, dtype=np.intp))
        return out


def cut(
    signal: Signal,
    agglomerates: Agglomerates,
    layout: Layout,
    numbers: NDArray[np.intp],
    floor: float,
    margin: int,
) -> Part:
    """Cut some components out of a micrograph.

    Parameters
    ----------
    numbers
        Components wanted, ascending, all of one reduction.
    floor
        What the model is expected to be wrong by, in units of contrast.
    margin
        Background around the agglomerates that counts, in px of the scene.
    """
    from scipy import ndimage

    factor = int(layout.factor[numbers[0]])
    height, width = signal.micrograph.field_pixels.shape
    # Whole squares of the reduced micrograph; what is left over at its border is given up.
    rows_px, columns_px = max(height // factor, 1), max(width // factor, 1)
    boxes = layout.boxes[numbers]
    low = np.maximum(boxes[:, :2] // factor - margin, 0)
    high = np.minimum(-(-boxes[:, 2:] // factor) + margin, [rows_px, columns_px])
    low = np.minimum(low, high - 1)
    corners, shape = lay_out(high - low, margin)
    contrast = np.zeros(shape, dtype=np.float32)
    labels = np.full(shape, -1, dtype=np.int32)
    local = np.full(int(agglomerates.ids.max(initial=0)) + 1, -2, dtype=np.int32)
    chosen = np.isin(layout.owner_of, numbers)
    local[agglomerates.ids[chosen]] = np.searchsorted(numbers, layout.owner_of[chosen])
    local[0] = -1
    for k, ((y0, x0), (y1, x1), (v, u)) in enumerate(
        zip(low.tolist(), high.tolist(), corners.tolist(), strict=True)
    ):
        piece = signal.cut(y0 * factor, x0 * factor, min(y1 * factor, height), min(x1 * factor, width))
        mine = agglomerates.labels[y0 * factor : y1 * factor, x0 * factor : x1 * factor]
        if factor > 1:
            piece = _block_mean(piece, factor)
            mine = mine[factor // 2 :: factor, factor // 2 :: factor]
        h, w = min(piece.shape[0], mine.shape[0]), min(piece.shape[1], mine.shape[1])
        contrast[v : v + h, u : u + w] = piece[:h, :w]
        seen = local[mine[:h, :w]]
        # Another component of this scene that reaches into the box is seen in its own.
        seen[(seen >= 0) & (seen != k)] = -2
        labels[v : v + h, u : u + w] = seen
    around = ndimage.maximum_filter(labels, 2 * margin + 1)
    owner = np.where(labels >= 0, labels, np.where(labels == -1, around, -1)).astype(np.int32)
    # What is not fitted casts its blur some px wide: nothing there can be trusted.
    foreign = ndimage.maximum_filter((labels == -2).view(np.uint8), 7) > 0
    owner[foreign & (labels < 0)] = -1
    owner[owner < 0] = -1
    variance = (signal.noise / factor) ** 2 * signal.brightness(ndimage.gaussian_filter(contrast, 1.5))
    weight = (1 / np.sqrt(variance + floor**2)).astype(np.float32)
    inside = np.zeros(shape, dtype=bool)
    for (v, u), (h, w) in zip(corners.tolist(), (high - low).tolist(), strict=True):
        inside[v : v + h, u : u + w] = True
    weight[(owner < 0) | ~inside] = 0
    rows = np.concatenate([layout.members(k) for k in numbers.tolist()])
    component = np.searchsorted(numbers, layout.component[rows])
    shift = (corners - low)[:, ::-1][component].astype(np.float64)
    return Part(Scene(contrast, weight, owner, len(numbers)), rows, component, numbers, shift, factor)


def _block_mean(image: Image, f: int) -> Image:
    h, w = image.shape[0] // f, image.shape[1] // f
    blocks = image[: h * f, : w * f].reshape(h, f, w, f)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)
