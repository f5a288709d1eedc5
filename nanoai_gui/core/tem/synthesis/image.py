"""Whole synthetic micrographs with the truth about every particle in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.synthesis.aggregation import aggregate
from nanoai_gui.core.tem.synthesis.background import illumination
from nanoai_gui.core.tem.synthesis.camera import expose
from nanoai_gui.core.tem.synthesis.projection import Projection, project
from nanoai_gui.core.tem.synthesis.shapes import Ball
from nanoai_gui.core.tem.synthesis.spec import ContrastKind, SynthesisSpec, check_spec

TRIES = 60
"""Places tried for an agglomerate before it is given up as not fitting."""
MISSES = 5
"""Agglomerates that may fail to fit before the image counts as full."""
GAP_PX = 4.0
"""Free space between agglomerates, beside what the blur fills."""


@dataclass(frozen=True, eq=False)
class TrueParticles:
    """What is really in a synthetic micrograph: one row for each primary particle.

    Parameters
    ----------
    agglomerate
        (n,) int32, as in the label image, from 1.
    particle
        (n,) int32, from 1 through the whole image.
    x_px, y_px, z_px
        (n,) float64, centre; z towards the viewer, 0 at the middle of its agglomerate.
    diameter_px, area_px
        (n,) float64, of the particle's own projected outline, hidden parts included; the diameter is
        that of the circle of the same area.
    visible_fraction
        (n,) float64, share of that outline which no other particle overlaps.
    """

    agglomerate: NDArray[np.int32]
    particle: NDArray[np.int32]
    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    z_px: NDArray[np.float64]
    diameter_px: NDArray[np.float64]
    area_px: NDArray[np.float64]
    visible_fraction: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.particle)


@dataclass(frozen=True, eq=False)
class SyntheticImage:
    """A synthetic micrograph, its truth, and the label image (int32, 0 background) of its agglomerates."""

    micrograph: Micrograph
    truth: TrueParticles
    labels: NDArray[np.int32]
    spec: SynthesisSpec


@dataclass(frozen=True, eq=False)
class _Piece:
    """One agglomerate before it has a place."""

    projection: Projection
    centres: NDArray[np.float64]
    areas: NDArray[np.float64]


def make_image(spec: SynthesisSpec, seed: int, cancelled: Cancelled = never_cancelled) -> SyntheticImage:
    """Make one whole micrograph of agglomerates that do not touch each other.

    The same spec and seed give the same image, to the byte.

    Raises
    ------
    ParameterError
        If the spec is impossible.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    check_spec(spec)
    rng = np.random.default_rng(seed)
    shape = spec.height_px, spec.width_px
    transmission = np.ones(shape, dtype=np.float32)
    labels = np.zeros(shape, dtype=np.int32)
    occupied = np.zeros(shape, dtype=bool)
    wanted = spec.coverage_percent / 100 * labels.size
    covered, misses = 0.0, 0
    columns: list[NDArray[np.float64]] = []
    while covered < wanted and misses < MISSES:
        for piece in _agglomerates(spec, _expected_number(spec, wanted - covered), rng):
            checkpoint(cancelled)
            place = _find_place(piece.projection.mask, occupied, spec, rng)
            if place is None:
                misses += 1
                if misses >= MISSES:
                    break
                continue
            label = len(columns) + 1
            _put(piece, place, label, transmission, labels, occupied, spec)
            columns.append(_rows(piece, place, label))
            covered += float(piece.projection.mask.sum())
            if covered >= wanted:
                break
    light = illumination(shape, spec, rng)
    checkpoint(cancelled)
    pixels = expose(transmission * light, spec, rng)
    micrograph = Micrograph(
        pixels,
        name=f"synthetic {seed}",
        calibration=Calibration.typed(spec.nm_per_px),
        metadata={"Origin": "synthetic, made by NanoAI", "Seed": str(seed)},
    )
    return SyntheticImage(micrograph, _table(columns), labels, spec)


def _expected_number(spec: SynthesisSpec, area: float) -> int:
    per_particle = np.pi / 4 * (spec.gmd_px * np.exp(np.log(spec.gsd) ** 2)) ** 2
    per_agglomerate = per_particle * (spec.min_particles + spec.max_particles) / 2
    return int(np.clip(np.ceil(area / per_agglomerate), 1, 200))


def _agglomerates(spec: SynthesisSpec, n: int, rng: np.random.Generator) -> list[_Piece]:
    counts = rng.integers(spec.min_particles, spec.max_particles, size=n, endpoint=True)
    radii = [
        0.5 * spec.gmd_px * np.exp(np.log(spec.gsd) * rng.standard_normal(int(count))) for count in counts
    ]
    per_px = -np.log1p(-spec.contrast) / spec.gmd_px
    pieces = []
    for cluster in aggregate(radii, spec.aggregation, np.full(n, spec.overlap), rng):
        bodies = [Ball(float(r)) for r in cluster.radii]
        opaque = spec.contrast_kind is ContrastKind.SILHOUETTE
        projection = project(
            bodies,
            cluster.centres,
            np.full(len(bodies), per_px),
            opaque_depth=-np.log1p(-spec.contrast) if opaque else 0.0,
            shift=(float(rng.random()), float(rng.random())),
        )
        pieces.append(_Piece(projection, cluster.centres, np.array([b.area for b in bodies])))
    return pieces


def _find_place(
    mask: NDArray[np.bool_], occupied: NDArray[np.bool_], spec: SynthesisSpec, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Give the upper left corner of a free place inside the image, or nothing."""
    height, width = mask.shape
    room_y, room_x = occupied.shape[0] - height, occupied.shape[1] - width
    if room_y < 0 or room_x < 0:
        return None
    for y, x in zip(rng.integers(0, room_y + 1, TRIES), rng.integers(0, room_x + 1, TRIES), strict=True):
        if not (occupied[y : y + height, x : x + width] & mask).any():
            return int(y), int(x)
    return None


def _put(
    piece: _Piece,
    place: tuple[int, int],
    label: int,
    transmission: NDArray[np.float32],
    labels: NDArray[np.int32],
    occupied: NDArray[np.bool_],
    spec: SynthesisSpec,
) -> None:
    from scipy import ndimage

    y, x = place
    mask = piece.projection.mask
    height, width = mask.shape
    window = slice(y, y + height), slice(x, x + width)
    transmission[window] *= piece.projection.transmission
    labels[window][mask] = label
    gap = int(np.ceil(GAP_PX + 4 * spec.blur_px))
    y0, x0 = max(y - gap, 0), max(x - gap, 0)
    wide = slice(y0, y + height + gap), slice(x0, x + width + gap)
    far = ndimage.distance_transform_edt(labels[wide] != label)
    occupied[wide] |= far <= gap


def _rows(piece: _Piece, place: tuple[int, int], label: int) -> NDArray[np.float64]:
    y, x = place
    c = piece.centres
    return np.column_stack(
        [
            np.full(len(c), label),
            c[:, 0] + piece.projection.origin_x + x,
            c[:, 1] + piece.projection.origin_y + y,
            c[:, 2],
            piece.areas,
            piece.projection.visible,
        ]
    )


def _table(columns: list[NDArray[np.float64]]) -> TrueParticles:
    rows = np.concatenate(columns) if columns else np.empty((0, 6))
    return TrueParticles(
        agglomerate=rows[:, 0].astype(np.int32),
        particle=np.arange(1, len(rows) + 1, dtype=np.int32),
        x_px=rows[:, 1],
        y_px=rows[:, 2],
        z_px=rows[:, 3],
        diameter_px=np.sqrt(4 / np.pi * rows[:, 4]),
        area_px=rows[:, 4],
        visible_fraction=rows[:, 5],
    )
