"""Agglomerates before they have a place: sizes, aggregation, bodies, projection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, never_cancelled
from nanoai_gui.core.tem.synthesis.aggregation import Cluster, aggregate, random_rotations, settle
from nanoai_gui.core.tem.synthesis.projection import Material, Projection, project
from nanoai_gui.core.tem.synthesis.shapes import Ball, Body, make_body
from nanoai_gui.core.tem.synthesis.spec import Aggregation, ContrastKind, Shape, SynthesisSpec

DIFFRACTION_SPREAD = 0.45
"""Standard deviation of the logarithm of a crystal's absorption, from one crystal to the next."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One agglomerate: how it looks, where its particles are, how large their outlines are."""

    projection: Projection
    centres: NDArray[np.float64]
    areas: NDArray[np.float64]

    def rows(self, x: float, y: float, label: int) -> NDArray[np.float64]:
        """Give the truth with the window's corner at ``x``, ``y``: label, x, y, z, area, visible."""
        c = self.centres
        return np.column_stack(
            [
                np.full(len(c), float(label)),
                c[:, 0] + (self.projection.origin_x + x),
                c[:, 1] + (self.projection.origin_y + y),
                c[:, 2],
                self.areas,
                self.projection.visible,
            ]
        )


def draw_radii(spec: SynthesisSpec, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the radii (px) of the particles of one agglomerate."""
    count = int(rng.integers(spec.min_particles, spec.max_particles, endpoint=True))
    radii: NDArray[np.float64] = 0.5 * spec.gmd_px * np.exp(np.log(spec.gsd) * rng.standard_normal(count))
    return radii


def grow(
    specs: Sequence[SynthesisSpec],
    radii: Sequence[NDArray[np.float64]],
    rng: np.random.Generator,
    cancelled: Cancelled = never_cancelled,
) -> list[Cluster]:
    """Aggregate each set of radii as its own spec says, all of one kind side by side."""
    clusters: list[Cluster | None] = [None] * len(specs)
    for kind in Aggregation:
        members = [i for i, s in enumerate(specs) if s.aggregation is kind]
        if not members:
            continue
        overlap = np.array([specs[i].overlap for i in members])
        made = aggregate([radii[i] for i in members], kind, overlap, rng, cancelled)
        for i, cluster in zip(members, made, strict=True):
            clusters[i] = cluster
    return [c for c in clusters if c is not None]


def make_piece(cluster: Cluster, spec: SynthesisSpec, rng: np.random.Generator, *, margin: int = 1) -> Piece:
    """Give the spheres of a cluster their true bodies and send the beam through."""
    centres = cluster.centres
    bodies: list[Body]
    plain = spec.shape is Shape.SPHERE and spec.roughness <= 0
    if plain:
        bodies = [Ball(r) for r in cluster.radii.tolist()]
    else:
        turns = random_rotations(len(cluster.radii), rng)
        bodies = [
            make_body(2 * r, turn, spec, rng) for r, turn in zip(cluster.radii.tolist(), turns, strict=True)
        ]
    if not plain or spec.flatness > 0:
        centres = settle(cluster, bodies, spec.overlap, spec.flatness)
    shift_x, shift_y = rng.random(2).tolist()
    projection = project(
        bodies,
        centres,
        make_material(cluster.radii, spec, rng),
        margin=margin,
        # Flat edges are the steepest: at a blur of 1 px the worst pixel is then off by 2 to 4 %.
        oversampling=3 if spec.contrast_kind is ContrastKind.SILHOUETTE else 2,
        shift=(shift_x, shift_y),
    )
    return Piece(projection, centres, np.array([b.area for b in bodies]))


def make_material(radii: NDArray[np.float64], spec: SynthesisSpec, rng: np.random.Generator) -> Material:
    """Give particles of these radii (px) the material of the spec's contrast kind."""
    depth = -float(np.log1p(-spec.contrast))
    n = len(radii)
    absorption = np.full(n, depth / spec.gmd_px)
    if spec.contrast_kind is ContrastKind.SILHOUETTE:
        return Material(absorption, opaque_depth=depth)
    if spec.contrast_kind is not ContrastKind.DIFFRACTION:
        return Material(absorption)
    absorption *= np.exp(DIFFRACTION_SPREAD * rng.standard_normal(n))
    angle = rng.uniform(0, 2 * np.pi, n)
    # From half a wave to one and a half across a particle, more or less bent.
    waves = np.pi * rng.uniform(0.5, 1.5, n) / radii
    bands = np.column_stack(
        [
            rng.uniform(0.1, 0.6, n),
            rng.uniform(0, 2 * np.pi, n),
            waves * np.cos(angle),
            waves * np.sin(angle),
            2.0 * rng.standard_normal(n) / radii**2,
        ]
    )
    return Material(absorption, bands)


def pieces(
    spec: SynthesisSpec,
    n: int,
    room: tuple[int, int],
    rng: np.random.Generator,
    cancelled: Cancelled = never_cancelled,
) -> Iterator[Piece | None]:
    """Make n agglomerates of one spec, the aggregation of all of them at once.

    One that is higher or wider than ``room`` (in px) gives ``None``, at no cost.
    """
    radii = [draw_radii(spec, rng) for _ in range(n)]
    for cluster in grow([spec] * n, radii, rng, cancelled):
        edge = cluster.radii[:, None]
        width, height = np.ptp(
            np.concatenate([cluster.centres[:, :2] - edge, cluster.centres[:, :2] + edge]), axis=0
        )
        yield None if height > room[0] or width > room[1] else make_piece(cluster, spec, rng)
