"""Which particles must be solved together, and which of them fit into one scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.fitting.scene import Image, Scene
from nanoai_gui.core.tem.fitting.signal import Signal

PARTICLES_PER_SCENE = 400
AREA_PER_SCENE = 2.0e6
"""Px of the boxes of the components in a scene, after reduction."""
RADIUS_KEPT = 14.0
"""Where particles are larger than this (px), squares of px are averaged until they nearly are not."""
MOST_REDUCED = 8
_APART_PX = 8.0


def components(
    agglomerate: NDArray[np.integer], x: NDArray[np.float64], y: NDArray[np.float64], r: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Number the components: agglomerates, joined where particles of two of them lie next to each other."""
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
    """A scene cut out of the micrograph, reduced by ``factor``.

    ``rows`` are the particles in it, ``component`` (m,) their components, numbered from 0 within it;
    px (i, j) of the scene are the square of the micrograph that starts at
    ``(y0 + i factor, x0 + j factor)``.
    """

    scene: Scene
    rows: NDArray[np.intp]
    component: NDArray[np.intp]
    numbers: NDArray[np.intp]
    x0: int
    y0: int
    factor: int

    def to_scene(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Parameters of the micrograph in px of the scene."""
        out = parameters.copy()
        f = self.factor
        out[:, 0] = (out[:, 0] - self.x0 + 0.5) / f - 0.5
        out[:, 1] = (out[:, 1] - self.y0 + 0.5) / f - 0.5
        out[:, 2] -= np.log(f)
        return out

    def to_image(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """And back."""
        out = parameters.copy()
        f = self.factor
        out[:, 0] = (out[:, 0] + 0.5) * f - 0.5 + self.x0
        out[:, 1] = (out[:, 1] + 0.5) * f - 0.5 + self.y0
        out[:, 2] += np.log(f)
        return out


def reduction(radius: NDArray[np.float64]) -> int:
    """How many px make one where particles have these radii (the smaller ones decide)."""
    return int(np.clip(np.percentile(radius, 25) / RADIUS_KEPT, 1, MOST_REDUCED))


def plan(
    component: NDArray[np.intp], x: NDArray[np.float64], y: NDArray[np.float64], r: NDArray[np.float64]
) -> list[tuple[int, NDArray[np.intp]]]:
    """Share components out among scenes: (reduction, numbers of the components) of each, neighbours together."""
    n = int(component.max(initial=-1)) + 1
    if not n:
        return []
    order = np.argsort(component, kind="stable")
    bounds = np.searchsorted(component[order], np.arange(n + 1))
    factor = np.ones(n, dtype=int)
    size, top, left, area = np.zeros(n, dtype=int), np.zeros(n), np.zeros(n), np.zeros(n)
    for k in range(n):
        mine = order[bounds[k] : bounds[k + 1]]
        factor[k], size[k] = reduction(r[mine]), len(mine)
        top[k], left[k] = (y[mine] - r[mine]).min(), (x[mine] - r[mine]).min()
        width = (x[mine] + r[mine]).max() - left[k] + 20
        area[k] = width * ((y[mine] + r[mine]).max() - top[k] + 20) / factor[k] ** 2
    out: list[tuple[int, NDArray[np.intp]]] = []
    for f in np.unique(factor).tolist():
        mine = np.flatnonzero(factor == f)
        # Square tiles: the box around a scene's components then holds little else.
        tile = 400.0 * f
        keys = np.lexsort((top[mine], np.floor(left[mine] / tile), np.floor(top[mine] / tile)))
        chosen: list[int] = []
        for k in mine[keys].tolist():
            full = size[chosen].sum() + size[k] > PARTICLES_PER_SCENE or area[chosen].sum() > AREA_PER_SCENE
            far = chosen and np.floor(top[k] / tile) != np.floor(top[chosen[0]] / tile)
            if chosen and (full or far):
                out.append((f, np.array(chosen, dtype=np.intp)))
                chosen = []
            chosen.append(k)
        out.append((f, np.array(chosen, dtype=np.intp)))
    return out


def cut(
    signal: Signal,
    agglomerates: Agglomerates,
    owner_of: NDArray[np.intp],
    component: NDArray[np.intp],
    numbers: NDArray[np.intp],
    factor: int,
    floor: float,
    margin: int,
) -> Part:
    """Cut the scene of some components out of a micrograph.

    Parameters
    ----------
    owner_of
        (agglomerates,) component of each agglomerate, -1 where none of its particles is fitted.
    component
        (n,) component of each particle.
    numbers
        Components wanted.
    floor
        What the model is expected to be wrong by, in units of contrast.
    margin
        Background around the agglomerates that counts, in px of the micrograph.
    """
    from scipy import ndimage

    rows = np.flatnonzero(np.isin(component, numbers))
    members = np.flatnonzero(np.isin(owner_of, numbers))
    height, width = signal.micrograph.field_pixels.shape
    boxes = agglomerates.boxes[members]
    y0, x0 = np.maximum(boxes[:, :2].min(axis=0) - margin, 0).tolist()
    y1 = min(int(boxes[:, 2].max()) + margin, height)
    x1 = min(int(boxes[:, 3].max()) + margin, width)
    # Whole squares only; at the border of the image, what is left over is given up.
    y1, x1 = y0 + max((y1 - y0) // factor, 1) * factor, x0 + max((x1 - x0) // factor, 1) * factor
    y1, x1 = min(y1, height), min(x1, width)
    local = np.full(int(agglomerates.ids.max(initial=0)) + 1, -2, dtype=np.int32)
    local[agglomerates.ids[members]] = np.searchsorted(numbers, owner_of[members])
    local[0] = -1
    labels = local[agglomerates.labels[y0:y1, x0:x1]]
    contrast = signal.cut(y0, x0, y1, x1)
    if factor > 1:
        contrast = _block_mean(contrast, factor)
        labels = labels[factor // 2 :: factor, factor // 2 :: factor][: contrast.shape[0], : contrast.shape[1]]
    rim = 2 * max(margin // factor, 2) + 1
    around = ndimage.maximum_filter(labels, rim)
    owner = np.where(labels >= 0, labels, np.where(labels == -1, around, -1)).astype(np.int32)
    # What is not fitted casts its blur as far as the margin: nothing there can be trusted.
    foreign = ndimage.maximum_filter((labels == -2).view(np.uint8), max(rim // 2, 3)) > 0
    owner[foreign & (labels < 0)] = -1
    smooth = ndimage.gaussian_filter(contrast, 1.5)
    variance = (signal.noise / factor) ** 2 * signal.brightness(smooth) + floor**2
    weight = (1 / np.sqrt(variance)).astype(np.float32)
    weight[owner < 0] = 0
    return Part(
        Scene(contrast, weight, owner, len(numbers)),
        rows, np.searchsorted(numbers, component[rows]), numbers, x0, y0, factor,
    )  # fmt: skip


def _block_mean(image: Image, f: int) -> Image:
    h, w = image.shape[0] // f, image.shape[1] // f
    blocks = image[: h * f, : w * f].reshape(h, f, w, f)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def parts(
    signal: Signal,
    agglomerates: Agglomerates,
    owner_of: NDArray[np.intp],
    component: NDArray[np.intp],
    schedule: list[tuple[int, NDArray[np.intp]]],
    floor: float,
    margin: int,
) -> Iterator[Part]:
    """Cut one scene after the other."""
    for factor, numbers in schedule:
        yield cut(
            signal, agglomerates, owner_of, component, np.sort(numbers), factor, floor, margin * factor
        )
