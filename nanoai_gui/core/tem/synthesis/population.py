"""A new population and a new look for every image, so that a network cannot learn one by heart."""

from __future__ import annotations

import dataclasses

import numpy as np

from nanoai_gui.core.tem.synthesis.spec import Aggregation, ContrastKind, Shape, SynthesisSpec

SIZE_FACTOR = 2.0
"""The mean diameter of an image lies within this factor of the spec's, uniform in its logarithm."""
GSD_RANGE = 1.05, 1.8
OVERLAP_RANGE = 0.0, 0.3
CONTRAST_RANGE = 0.1, 0.98
DOSE_RANGE = 30.0, 5000.0
LEAST_CONTRAST_TO_NOISE = 3.0
"""Contrast of a mean particle over the noise of one px, and over the texture of the film."""


def vary(spec: SynthesisSpec, rng: np.random.Generator) -> SynthesisSpec:
    """Draw the spec of one image from the mix that ``vary_population`` and ``vary_look`` ask for.

    Sizes keep to a range around the spec's mean diameter; numbers of particles, picture size, brightness,
    caption and pixel size stay as they are. Everything else is drawn from ranges wide enough to hold the
    micrographs we know.
    """
    if spec.vary_population:
        spec = _vary_population(spec, rng)
    if spec.vary_look:
        spec = _vary_look(spec, rng)
    return spec


def _vary_population(spec: SynthesisSpec, rng: np.random.Generator) -> SynthesisSpec:
    shapes = tuple(Shape)
    return dataclasses.replace(
        spec,
        vary_population=False,
        gmd_px=float(spec.gmd_px * SIZE_FACTOR ** rng.uniform(-1, 1)),
        gsd=float(rng.uniform(*GSD_RANGE)),
        aggregation=tuple(Aggregation)[rng.integers(len(Aggregation))],
        overlap=float(rng.uniform(*OVERLAP_RANGE)),
        # Half of the images keep their depth, the others lie more or less flat.
        flatness=float(max(rng.uniform(-1, 1), 0.0)),
        # Spheres are the commonest, so they get half.
        shape=Shape.SPHERE if rng.random() < 0.5 else shapes[rng.integers(1, len(shapes))],
        aspect_ratio=float(1 + rng.exponential(0.5)),
        roughness=float(max(rng.uniform(-0.06, 0.06), 0.0)),
    )


def opaque_powder(spec: SynthesisSpec, rng: np.random.Generator) -> SynthesisSpec:
    """Draw an image of an opaque powder: angular or elongated crystals on the film, many of them single.

    Where nothing shows through, an elongated particle and two that overlap differ by their outlines alone.
    Small agglomerates are commoner than large ones: some images hold nothing but single particles, others
    none of more than two or three.
    """
    most = int(rng.choice((1, 2, 3, spec.max_particles), p=(0.12, 0.12, 0.16, 0.6)))
    if spec.min_particles == 1 and most < spec.max_particles:
        spec = dataclasses.replace(spec, max_particles=most)
    saturated = rng.random() < 0.75
    # From 2.8 to 4.6 e-folds through a mean grain: hardly anything passes it, and nothing a larger one.
    contrast = float(-np.expm1(-rng.uniform(2.8, 4.6)) if saturated else rng.uniform(0.35, 0.99))
    shapes = (Shape.POLYHEDRON, Shape.POLYHEDRON, Shape.MIXED, Shape.ELLIPSOID, Shape.ROD)
    return dataclasses.replace(
        spec,
        shape=shapes[rng.integers(len(shapes))],
        aspect_ratio=float(1.1 + min(rng.exponential(0.45), 2.0)),
        flatness=float(min(rng.uniform(0.6, 1.4), 1.0)),
        overlap=float(rng.uniform(*OVERLAP_RANGE)),
        # Twins and steps of a crystal make notches that are no contact of two particles.
        roughness=float(max(rng.uniform(-0.04, 0.08), 0.0)),
        contrast_kind=ContrastKind.MASS if saturated else ContrastKind.SILHOUETTE,
        contrast=contrast,
        stray_percent=float(max(rng.uniform(-120, 40), 0.0)) if saturated else 0.0,
        defocused=bool(rng.random() < 0.15),
        dose=float(np.exp(rng.uniform(np.log(100), np.log(DOSE_RANGE[1])))),
        film_percent=float(rng.exponential(0.8)),
    )


def _vary_look(spec: SynthesisSpec, rng: np.random.Generator) -> SynthesisSpec:
    contrast = float(rng.uniform(*CONTRAST_RANGE))
    # A person would not keep an image in which nothing can be seen.
    fewest = max(DOSE_RANGE[0], (LEAST_CONTRAST_TO_NOISE / contrast) ** 2)
    most_film = 100 * contrast / LEAST_CONTRAST_TO_NOISE
    return dataclasses.replace(
        spec,
        vary_look=False,
        contrast_kind=tuple(ContrastKind)[rng.integers(len(ContrastKind))],
        contrast=contrast,
        defocused=bool(rng.random() < 0.3),
        fringe_px=float(rng.uniform(1, 5)),
        halo_percent=float(max(rng.uniform(-10, 10), 0.0)),
        brightness=float(rng.uniform(0.45, 0.85)),
        gradient_percent=float(rng.uniform(0, 25)),
        film_percent=min(float(rng.exponential(1.5)), most_film),
        film_grain_px=float(rng.uniform(1, 6)),
        blur_px=float(rng.uniform(0.5, 2.0)),
        dose=float(np.exp(rng.uniform(np.log(fewest), np.log(DOSE_RANGE[1])))),
        read_noise=float(rng.uniform(0, 5)),
        detector_blur_px=float(rng.uniform(0, 0.9)),
    )
