"""Single agglomerates in small images of their own, many a second: what networks are trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.tem.synthesis.aggregation import Cluster
from nanoai_gui.core.tem.synthesis.background import cut_film, illumination
from nanoai_gui.core.tem.synthesis.camera import expose
from nanoai_gui.core.tem.synthesis.image import DARK_LEVEL, synthetic_micrograph
from nanoai_gui.core.tem.synthesis.optics import add_stray_light, blur, defocus, halo
from nanoai_gui.core.tem.synthesis.pieces import draw_radii, grow, make_piece
from nanoai_gui.core.tem.synthesis.population import vary
from nanoai_gui.core.tem.synthesis.spec import Caption, SynthesisSpec, check_spec
from nanoai_gui.core.tem.synthesis.truth import SyntheticImage, TrueParticles

LARGEST_CHUNK, PARTICLES_PER_CHUNK = 512, 2560
"""Agglomerates that grow side by side at most, and their particles at most."""
MARGIN_PX = 6
"""Background around an agglomerate, beside what blur and fringes fill."""


def make_crops(
    spec: SynthesisSpec,
    n: int,
    seed: int,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    *,
    start: int = 0,
) -> Iterator[SyntheticImage]:
    """Make images of one agglomerate each, just large enough to hold it and some background.

    Crop i depends on the spec, the seed and i only, not on ``n`` or ``start``. The spec's width, height,
    coverage, caption and holes have no meaning here; where it asks for variety, every crop is a draw of
    its own.

    Parameters
    ----------
    spec, seed
        What to make.
    n
        How many.
    progress, cancelled
        Called about every tenth of a second.
    start
        Number of the first crop, so that several processes can share the work; a multiple of
        :func:`chunk_size` wastes nothing.

    Raises
    ------
    ParameterError
        If the spec is impossible.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    check_spec(spec)
    spec = dataclasses.replace(spec, caption=Caption.NONE, holes=0, cut_at_border=False)
    size = chunk_size(spec)
    for chunk in range(start // size, -(-(start + n) // size)):
        specs, clusters = _grow_chunk(spec, seed, chunk, cancelled)
        first = chunk * size
        for i in range(max(start, first), min(start + n, first + size)):
            if i % 64 == 0:
                checkpoint(cancelled)
                progress((i - start) / n, f"Agglomerate {i - start} of {n}")
            yield _shoot(clusters[i - first], specs[i - first], seed, i)


def chunk_size(spec: SynthesisSpec) -> int:
    """Give the number of agglomerates that grow side by side, always all of them.

    It follows from the spec alone and is part of what a seed means: another number gives other crops.
    """
    return max(min(LARGEST_CHUNK, PARTICLES_PER_CHUNK // spec.max_particles), 1)


def _grow_chunk(
    spec: SynthesisSpec, seed: int, chunk: int, cancelled: Cancelled
) -> tuple[list[SynthesisSpec], list[Cluster]]:
    rng = np.random.default_rng([seed, 0, chunk])
    specs = [vary(spec, rng) for _ in range(chunk_size(spec))]
    radii = [draw_radii(one, rng) for one in specs]
    return specs, grow(specs, radii, rng, cancelled)


def _shoot(cluster: Cluster, spec: SynthesisSpec, seed: int, index: int) -> SyntheticImage:
    """Take the picture of one agglomerate."""
    rng = np.random.default_rng([seed, 1, index])
    fringe = 2 * spec.fringe_px if spec.has_fringes else 0.0
    margin = int(MARGIN_PX + np.ceil(3 * spec.blur_px + fringe))
    piece = make_piece(cluster, spec, rng, margin=margin)
    transmission = piece.projection.transmission
    shape = transmission.shape[0], transmission.shape[1]
    light = illumination(shape, spec, rng)
    if spec.film_percent > 0:
        light *= cut_film(shape, spec, rng)
    if spec.halo_percent > 0:
        light *= halo(transmission, spec.halo_percent / 100, spec.gmd_px)
    if spec.has_fringes:
        transmission = defocus(transmission, spec.fringe_px)
    intensity = add_stray_light(blur(transmission, spec.blur_px), spec)
    if spec.bright_particles:
        intensity = np.float32(1) - np.float32(1 - DARK_LEVEL) * intensity
    pixels = expose(intensity * light, spec, rng)
    return SyntheticImage(
        synthetic_micrograph(pixels, f"synthetic {seed}-{index}", seed, spec),
        TrueParticles.from_rows([piece.rows(0, 0, 1)]),
        piece.projection.mask.astype(np.int32),
        spec,
    )
