"""Scenes of great variety with the whole outline of every particle: what the particle network learns from.

Unlike :func:`make_image`, which makes the micrograph a person asked for, a scene draws everything anew:
half and more are opaque and angular, as many real images are; others are translucent spheres. The result is
already in the units in which the network sees an image, see :func:`normalise`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.aggregation import Cluster, random_rotations, settle
from nanoai_gui.core.tem.synthesis.background import film, granules, holes, illumination
from nanoai_gui.core.tem.synthesis.camera import expose
from nanoai_gui.core.tem.synthesis.contours import N_ANGLES, contour, deepest, directions
from nanoai_gui.core.tem.synthesis.grains import crystal_material, make_grain, make_necks
from nanoai_gui.core.tem.synthesis.optics import blur, defocus, halo
from nanoai_gui.core.tem.synthesis.pieces import draw_radii, grow, make_material
from nanoai_gui.core.tem.synthesis.projection import Projection, project
from nanoai_gui.core.tem.synthesis.recipes import Mix, Recipe, draw_recipe
from nanoai_gui.core.tem.synthesis.shapes import Ball, Body, make_body
from nanoai_gui.core.tem.synthesis.spec import ContrastKind, Shape, SynthesisSpec

VERSION = 2
"""Part of what a seed means; part of the card of a network."""
EDGE_PX = 48
"""Scenes are cut out of larger ones by this much, so that agglomerates are cut by their border."""
SHOWN = 0.08
"""Transmission above which an edge in front of other particles can still be seen."""
LEAST_SHOWN = 0.18
"""Share of a particle's outline that must be visible in some way for anybody to know of it."""
_TILT = 0.25
"""Standard deviation (rad) of the angle between the film and the long axis of settled particles."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A normalised image and its particles.

    Parameters
    ----------
    contrast
        (height, width) float32: 0 is background, 1 about the darkest (or, bright particles, brightest) ones.
    covered
        (height, width) bool, pixels of material.
    x, y
        (n,) float64, centroid of each particle's own outline, in px.
    radial
        (n, 32) float32, distance from there to the outline in px, at equal angles.
    shown
        (n,) float32, share of the outline that can be seen; below :data:`LEAST_SHOWN` nobody can know of it.
    """

    contrast: NDArray[np.float32]
    covered: NDArray[np.bool_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    radial: NDArray[np.float32]
    shown: NDArray[np.float32]


def make_scene(seed: int | Sequence[int], size: int = 512, mix: Mix = Mix.USUAL) -> Scene:
    """Make one scene, ``size`` px on either side; the same seed and mix give the same scene."""
    rng = np.random.default_rng(seed)
    recipe = draw_recipe(rng, size, mix)
    spec = recipe.spec
    full = size + 2 * EDGE_PX
    spec = dataclasses.replace(spec, width_px=full, height_px=full)
    transmission, covered, rows = _fill(full, spec, recipe, rng)
    light = illumination((full, full), spec, rng)
    seen = _expose(transmission, rows, light, spec, recipe, rng)
    inner = slice(EDGE_PX, -EDGE_PX), slice(EDGE_PX, -EDGE_PX)
    contrast = normalise(seen[inner], covered[inner], spec.bright_particles, rng)
    x, y = rows[:, 0] - EDGE_PX, rows[:, 1] - EDGE_PX
    near = (np.abs(x - size / 2) < size / 2 + 24) & (np.abs(y - size / 2) < size / 2 + 24)
    return Scene(
        contrast, covered[inner], x[near], y[near],
        rows[near, 3:].astype(np.float32), rows[near, 2].astype(np.float32),
    )  # fmt: skip


def normalise(
    relative: NDArray[np.float32], covered: NDArray[np.bool_], bright: bool, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Turn an image in units of its background into contrast, not quite as exactly as could be.

    A background and a scale that are estimated are never those that are true, hence a few percent of chance.
    """
    contrast = (relative - np.float32(1)) if bright else (np.float32(1) - relative)
    smooth = blur(np.ascontiguousarray(contrast), 1.0)
    scale = float(np.percentile(smooth[covered], 98)) if covered.any() else float(np.abs(smooth).max())
    return np.asarray(contrast / np.float32(max(scale, 1e-3) * rng.uniform(0.9, 1.1)), dtype=np.float32)


def _make_bodies(
    radii: NDArray[np.float64],
    spec: SynthesisSpec,
    recipe: Recipe,
    rng: np.random.Generator,
) -> list[Body]:
    kinds, lying = recipe.kinds, recipe.lying
    if tuple(kinds) == (Shape.SPHERE,) and spec.roughness <= 0:
        return [Ball(r) for r in radii.tolist()]
    bodies: list[Body] = []
    of_kind = {kind: dataclasses.replace(spec, shape=kind) for kind in kinds if isinstance(kind, Shape)}
    turns = _lying_rotations(len(radii), rng) if lying else random_rotations(len(radii), rng)
    for r, turn in zip(radii.tolist(), turns, strict=True):
        kind = kinds[int(rng.integers(len(kinds)))]
        if isinstance(kind, Shape):
            bodies.append(make_body(2 * r, turn, of_kind[kind], rng))
        else:
            aspect = min(1 + (spec.aspect_ratio - 1) * float(np.exp(0.3 * rng.standard_normal())), 3.0)
            bodies.append(make_grain(2 * r, aspect, spec.roughness, turn, rng, recipe.lobed))
    return bodies


def _lying_rotations(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw (n, 3, 3) rotations that leave the x axis, the longest, near the plane of the film."""
    roll, turn = rng.uniform(0, 2 * np.pi, (2, n))
    tilt = _TILT * rng.standard_normal(n)
    zero, one = np.zeros(n), np.ones(n)

    def matrix(*entries: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack(entries, axis=-1).reshape(n, 3, 3)

    about_x = matrix(one, zero, zero, zero, np.cos(roll), -np.sin(roll), zero, np.sin(roll), np.cos(roll))
    about_y = matrix(np.cos(tilt), zero, np.sin(tilt), zero, one, zero, -np.sin(tilt), zero, np.cos(tilt))
    about_z = matrix(np.cos(turn), -np.sin(turn), zero, np.sin(turn), np.cos(turn), zero, zero, zero, one)
    return np.asarray(about_z @ about_y @ about_x)


def push_apart(
    centres: NDArray[np.float64], radii: NDArray[np.float64], overlap: float, rounds: int = 40
) -> NDArray[np.float64]:
    """Move (n, 3) centres sideways until hardly two cover each other by more than ``overlap``.

    1 - overlap is the least distance of two centres over the sum of their radii. Each round moves every
    pair that is too close half way apart; bonds may part a little, as they do in a real deposit.
    """
    place = centres.copy()
    least = (1 - overlap) * (radii[:, None] + radii[None, :])
    np.fill_diagonal(least, 0)
    for _ in range(rounds):
        between = place[:, None, :2] - place[None, :, :2]
        distance = np.sqrt(np.square(between).sum(axis=-1)) + 1e-6
        short = np.maximum(least - distance, 0)
        if not (short > 0.02 * least).any():
            break
        place[:, :2] += 0.35 * (between * (short / distance)[..., None]).sum(axis=1)
    return place


def _cast(
    cluster: Cluster, spec: SynthesisSpec, recipe: Recipe, rng: np.random.Generator
) -> tuple[Projection, NDArray[np.float64]]:
    """Project one agglomerate; rows of x, y, shown, radial in px of the projection's window."""
    bodies = _make_bodies(cluster.radii, spec, recipe, rng)
    centres = settle(cluster, bodies, spec.overlap, spec.flatness)
    if recipe.apart < 1 and len(bodies) > 1:
        centres = push_apart(centres, cluster.radii, recipe.apart)
    n = len(bodies)
    radii = cluster.radii
    solid, places = list(bodies), centres
    if recipe.neck > 0 and n > 1:
        necks, middles = make_necks(cluster, centres, bodies, recipe.neck)
        solid += necks
        places = np.concatenate([centres, middles])
        radii = np.concatenate([radii, [neck.half_size[0] + 1 for neck in necks]])
    shift_x, shift_y = rng.random(2).tolist()
    if recipe.uneven > 0 or recipe.banded > 0:
        material = crystal_material(radii, spec, recipe.uneven, recipe.banded, rng)
    else:
        material = make_material(radii, spec, rng)
    projection = project(
        solid, places, material,
        margin=2, oversampling=2, shift=(shift_x, shift_y),
    )  # fmt: skip
    rows = np.empty((n, 3 + N_ANGLES))
    for row, body, centre in zip(rows, bodies, centres, strict=True):
        x, y, row[3:] = contour(body)
        row[0] = x + centre[0] + projection.origin_x
        row[1] = y + centre[1] + projection.origin_y
    rows[:, 2] = _shown(rows, projection.transmission, spec.contrast_kind)
    return projection, rows


def _shown(
    rows: NDArray[np.float64], transmission: NDArray[np.float32], kind: ContrastKind
) -> NDArray[np.float64]:
    """Give the share of each outline beyond which there is background, or matter that is not quite dark."""
    cosine, sine = directions()
    x, y, radial = rows[:, 0], rows[:, 1], rows[:, 3:]
    # Just outside, where this particle itself hides nothing.
    px, py = x[:, None] + 1.08 * radial * cosine, y[:, None] + 1.08 * radial * sine
    if kind is not ContrastKind.SILHOUETTE:
        height, width = transmission.shape
        row = np.clip(np.rint(py), 0, height - 1).astype(np.intp)
        column = np.clip(np.rint(px), 0, width - 1).astype(np.intp)
        free = transmission[row, column] > SHOWN
        return np.asarray(free.mean(axis=1))
    hidden = np.zeros(px.shape, dtype=bool)
    for k in range(len(rows)):
        dx, dy = px - x[k], py - y[k]
        distance = np.hypot(dx, dy)
        near = distance < radial[k].max()
        near[k] = False
        if near.any():
            angle = (np.arctan2(dy[near], dx[near]) * (N_ANGLES / (2 * np.pi))).round().astype(np.intp)
            hidden[near] |= distance[near] < radial[k][angle % N_ANGLES]
    return np.asarray(1 - hidden.mean(axis=1))


def _fill(
    full: int, spec: SynthesisSpec, recipe: Recipe, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]:
    """Place agglomerates: transmission, covered pixels, rows of x, y, shown, radial."""
    from scipy import ndimage

    transmission = np.ones((full, full), dtype=np.float32)
    covered = np.zeros((full, full), dtype=bool)
    occupied = np.zeros((full, full), dtype=bool)
    rows = [np.empty((0, 3 + N_ANGLES))]
    wanted = spec.coverage_percent / 100 * full**2
    area, misses = 0.0, 0
    while area < wanted and misses < 6:
        mean = (spec.min_particles + spec.max_particles) / 2 * 0.8 * spec.gmd_px**2
        batch = int(np.clip((wanted - area) / mean, 1, 60))
        radii = [_two_sizes(draw_radii(spec, rng), recipe, rng) for _ in range(batch)]
        for cluster in grow([spec] * batch, radii, rng):
            projection, found = _cast(cluster, spec, recipe, rng)
            mask = projection.mask
            height, width = mask.shape
            place = _free_place(mask, occupied, rng)
            if place is None:
                misses += 1
                if misses >= 6:
                    break
                continue
            y, x = place
            window = slice(y, y + height), slice(x, x + width)
            transmission[window] *= projection.transmission
            covered[window] |= mask
            grown = np.pad(mask, recipe.gap)
            if recipe.gap:
                grown = ndimage.binary_dilation(grown, iterations=recipe.gap)
            y0, x0 = y - recipe.gap, x - recipe.gap
            cut = slice(max(-y0, 0), full - y0), slice(max(-x0, 0), full - x0)
            grown = grown[cut]
            occupied[max(y0, 0) :, max(x0, 0) :][: grown.shape[0], : grown.shape[1]] |= grown
            found[:, 0] += x
            found[:, 1] += y
            rows.append(found)
            area += float(np.count_nonzero(mask))
            if area >= wanted:
                break
    return transmission, covered, np.concatenate(rows)


def _two_sizes(radii: NDArray[np.float64], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.float64]:
    """Make some particles much larger than the rest, in half of the agglomerates."""
    if recipe.large <= 0 or rng.random() < 0.5:
        return radii
    return np.where(rng.random(len(radii)) < recipe.large, radii * recipe.ratio, radii)


def _free_place(
    mask: NDArray[np.bool_], occupied: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Give the upper left corner of a free place, or nothing."""
    height, width = mask.shape
    room_y, room_x = occupied.shape[0] - height, occupied.shape[1] - width
    if room_y < 0 or room_x < 0:
        return None
    for y, x in zip(rng.integers(0, room_y + 1, 40), rng.integers(0, room_x + 1, 40), strict=True):
        if not (occupied[y : y + height, x : x + width] & mask).any():
            return int(y), int(x)
    return None


def _expose(
    transmission: NDArray[np.float32],
    rows: NDArray[np.float64],
    light: NDArray[np.float32],
    spec: SynthesisSpec,
    recipe: Recipe,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Take the picture and divide it by its background."""
    shape = transmission.shape[0], transmission.shape[1]
    texture = film(shape, spec, rng)
    if recipe.dirt > 0:
        # Faint flakes and smears on the film, which are no particles.
        stain = np.clip(granules(shape, float(rng.uniform(2, 8)), rng) - np.float32(1.6), 0, 1)
        texture *= 1 - np.float32(recipe.dirt) * stain
    around = halo(transmission, spec.halo_percent / 100, spec.gmd_px)
    if recipe.shadow > 0:
        around *= halo(transmission, -recipe.shadow, spec.gmd_px * recipe.ratio)
    if spec.holes:
        amount, passed = holes(shape, spec, rng)
        transmission = transmission * (passed / np.float32(0.9))
        texture = 1 + amount * (texture - 1)
    if recipe.shaded > 0:
        transmission = 1 - (1 - transmission) * _relief(rows, shape, recipe.shaded, rng)
    if spec.has_fringes:
        transmission = defocus(transmission, spec.fringe_px)
    transmission = blur(transmission, spec.blur_px)
    if spec.bright_particles:
        dark = np.float32(rng.uniform(0.05, 0.4))
        electrons = (dark * texture + (1 - dark) * (1 - transmission)) * light
    else:
        dark = np.float32(1)
        electrons = transmission * light * texture * around
    if recipe.written:
        electrons = _write(electrons, float(dark), rng)
    grey = expose(np.asarray(electrons, dtype=np.float32), spec, rng).astype(np.float32)
    return np.asarray(grey / (light * dark * np.float32(255 * spec.brightness)), dtype=np.float32)


def _relief(
    rows: NDArray[np.float64], shape: tuple[int, int], amount: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Brighten the rim of every particle and give each its own shade, as scattered electrons do."""
    owner, depth = deepest(rows[:, 0], rows[:, 1], rows[:, 3:], shape, 1)
    own = rng.uniform(1 - 0.5 * amount, 1, len(rows) + 1).astype(np.float32)
    own[-1] = 1
    rim = np.float32(amount) * np.exp(-depth / np.float32(rng.uniform(0.08, 0.3)))
    flat = np.where(owner < 0, np.float32(1), 1 - np.float32(amount) + rim)
    return np.asarray(own[owner] * flat, dtype=np.float32)


def _write(image: NDArray[np.float32], full: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Burn a scale bar and something like letters into the image."""
    image = image.copy()
    level = np.float32(rng.choice([0.0, 1.4 * full]))
    height, width = image.shape
    y, x = int(rng.integers(EDGE_PX, height - 90)), int(rng.integers(EDGE_PX, width - 220))
    image[y : y + int(rng.integers(3, 9)), x : x + int(rng.integers(40, 160))] = level
    for k in range(int(rng.integers(3, 7))):
        left, top = x + 14 * k, y - 20
        image[top : top + 14, left : left + 3] = level
        image[top + int(rng.integers(0, 12)) :, left : left + 10][:3] = level
        if rng.random() < 0.5:
            image[top : top + 14, left + 8 : left + 11] = level
    return image
