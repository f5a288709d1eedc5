"""What a scene for training is like: everything about it is drawn anew, around one of a few mixes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from nanoai_gui.core.tem.synthesis.population import vary
from nanoai_gui.core.tem.synthesis.spec import Aggregation, ContrastKind, Shape, SynthesisSpec

GRAIN = "grains"
_OPAQUE_SHARE = 0.6
_OPAQUE_SHARE_LONG = 0.75


class Mix(StrEnum):
    """Which scenes are the commonest."""

    USUAL = "all kinds"
    LONG = "more opaque ones, with longer particles that lie on the film"
    CLEAR = "translucent spheres and ellipsoids that cover each other"
    POWDER = "opaque grains of every shape, some paler than others, mostly single or in few"
    CRYSTALS = "spheres and rods with diffraction bands, small ones beside large ones, halos and shadows"
    CROWDS = "crowds of translucent spheres of very different sizes"
    GRAINS = "opaque grains, most of them single, long or lobed, some with bands, beside true pairs"
    FRINGES = "few translucent spheres and ellipsoids, far out of focus"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a scene is like: a spec, and what a spec does not know of.

    ``uneven`` is the standard deviation of the logarithm of a particle's absorption, ``banded`` the share of
    particles with strong diffraction bands (both only where one of them is positive); ``large`` the share of
    particles that are ``ratio`` times as large as the rest in the agglomerates that hold any; ``shadow`` how
    much darker the film is beside agglomerates; ``lobed`` the standard deviation of a grain's outline by its
    broadest waves, as a share of its radius.
    """

    spec: SynthesisSpec
    kinds: tuple[Shape | str, ...]
    neck: float
    apart: float
    gap: int
    dirt: float
    shaded: float
    written: bool
    lying: bool
    uneven: float = 0.0
    banded: float = 0.0
    large: float = 0.0
    ratio: float = 1.0
    shadow: float = 0.0
    lobed: float = 0.0


def draw_recipe(rng: np.random.Generator, size: int, mix: Mix) -> Recipe:
    """Draw what a scene of ``size`` px of a mix is like."""
    recipe = _draw(rng, size, mix)
    match mix:
        case Mix.POWDER:
            return _powder(recipe, size, rng)
        case Mix.CRYSTALS:
            return _crystals(recipe, size, rng)
        case Mix.CROWDS:
            return _crowds(recipe, size, rng)
        case Mix.GRAINS:
            return _grains(_powder(recipe, size, rng), size, rng)
        case Mix.FRINGES:
            return _fringes(recipe, size, rng)
        case _:
            return recipe


def _draw(rng: np.random.Generator, size: int, mix: Mix) -> Recipe:
    long = mix is Mix.LONG
    opaque = rng.random() < (_OPAQUE_SHARE_LONG if long else _OPAQUE_SHARE)
    base = vary(SynthesisSpec(vary_population=True, vary_look=True), rng)
    diameter = float(np.exp(rng.uniform(np.log(9.0), np.log(44.0))))
    gsd = float(1.03 + 0.77 * rng.random() ** 1.3)
    # No more particles than may fit; single ones are as common as crowds.
    room = 0.35 * size**2 / (0.8 * diameter**2)
    most = int(np.clip(np.exp(rng.uniform(np.log(2), np.log(200))), 1, max(room, 2)))
    if rng.random() < 0.08:
        most = 1
    blur_px = float(
        rng.uniform(0.4, 1.2) if rng.random() < 0.6 else rng.uniform(0.5, min(0.17 * diameter, 3.0))
    )
    spec = dataclasses.replace(
        base,
        film_percent=min(base.film_percent, 15 * base.contrast),
        gmd_px=diameter,
        gsd=gsd,
        min_particles=1 if rng.random() < 0.7 else max(1, most // 3),
        max_particles=most,
        coverage_percent=float(rng.uniform(6, 30)),
        aspect_ratio=float(1 + rng.exponential(0.45)),
        roughness=float(rng.exponential(0.025)) if rng.random() < 0.6 else 0.0,
        blur_px=blur_px,
        detector_blur_px=float(rng.uniform(0, 0.9) if rng.random() < 0.7 else rng.uniform(0.5, 2.0)),
        fringe_px=float(rng.uniform(1, 4)),
        bright_particles=bool(rng.random() < 0.12),
        brightness=float(rng.uniform(0.5, 0.85)),
        holes=int(rng.integers(1, 4)) if rng.random() < 0.05 else 0,
        halo_percent=float(max(rng.uniform(-12, 12), 0.0)),
    )
    kinds: tuple[Shape | str, ...]
    draw = rng.random()
    if mix in (Mix.CLEAR, Mix.CROWDS, Mix.FRINGES):
        opaque = False
        spec = _clear(spec, rng)
        kinds = (Shape.SPHERE,) if draw < 0.75 else (Shape.ELLIPSOID,)
    elif opaque:
        spec = _opaque(spec, rng)
        if draw < 0.45:
            kinds = (GRAIN,)
        elif draw < 0.75:
            kinds = (GRAIN, Shape.ELLIPSOID, Shape.POLYHEDRON, GRAIN, Shape.ROD)
        elif draw < 0.9:
            kinds = (Shape.POLYHEDRON, Shape.ELLIPSOID)
        else:
            kinds = (Shape.SPHERE,)
    elif draw < 0.55:
        kinds = (Shape.SPHERE,)
        spec = dataclasses.replace(spec, roughness=spec.roughness if rng.random() < 0.3 else 0.0)
    elif draw < 0.7:
        kinds = (Shape.ELLIPSOID,)
    elif draw < 0.85:
        kinds = (GRAIN, Shape.POLYHEDRON)
    elif draw < 0.92:
        kinds = (Shape.ROD,)
    else:
        kinds = (Shape.SPHERE, Shape.ELLIPSOID, GRAIN, Shape.ROD)
    if kinds == (Shape.ROD,):
        spec = dataclasses.replace(spec, aspect_ratio=float(rng.uniform(1.3, 3.0)))
    elif long and opaque:
        spec = dataclasses.replace(spec, aspect_ratio=float(min(1.05 + rng.exponential(0.7), 3.0)))
    return Recipe(
        spec=spec,
        kinds=kinds,
        neck=float(rng.uniform(0.25, 0.7)) if rng.random() < 0.25 else 0.0,
        # Where particles settled side by side, they cover each other by little.
        apart=float(rng.uniform(0.02, 0.3)) if spec.flatness > 0.4 and rng.random() < 0.75 else 1.0,
        gap=int(rng.integers(0, 6)),
        dirt=float(rng.uniform(0.02, 0.12)) if rng.random() < 0.3 else 0.0,
        shaded=float(rng.uniform(0.3, 1.0))
        if rng.random() < (0.5 if spec.bright_particles else 0.04)
        else 0.0,
        written=bool(rng.random() < 0.05),
        lying=long and opaque and bool(rng.random() < 0.8),
    )


def _clear(spec: SynthesisSpec, rng: np.random.Generator) -> SynthesisSpec:
    """Particles through which others can be seen, in agglomerates that keep their depth."""
    kinds = (ContrastKind.MASS, ContrastKind.MASS, ContrastKind.MASS, ContrastKind.FRESNEL)
    contrast = float(rng.uniform(0.2, 0.85))
    return dataclasses.replace(
        spec,
        contrast_kind=kinds[int(rng.integers(len(kinds)))],
        contrast=contrast,
        flatness=float(max(rng.uniform(-1, 0.6), 0.0)),
        max_particles=max(spec.max_particles, 2),
        min_particles=min(spec.min_particles, max(spec.max_particles, 2)),
        aspect_ratio=float(rng.uniform(1.05, 1.6)),
        roughness=spec.roughness if rng.random() < 0.2 else 0.0,
        film_percent=min(spec.film_percent, 8 * contrast),
        # Grey levels in the dark must not drown in noise, or there is nothing to learn.
        dose=max(spec.dose, 100.0),
    )


def _opaque(spec: SynthesisSpec, rng: np.random.Generator) -> SynthesisSpec:
    """Particles that let hardly anything pass: flat silhouettes, or dark by mass or by diffraction."""
    draw = rng.random()
    if draw < 0.4:
        kind, contrast = ContrastKind.SILHOUETTE, float(rng.uniform(0.3, 0.99))
    elif draw < 0.85:
        kind, contrast = ContrastKind.MASS, 1 - float(np.exp(rng.uniform(np.log(2e-4), np.log(0.15))))
    else:
        kind, contrast = ContrastKind.DIFFRACTION, float(rng.uniform(0.8, 0.99))
    return dataclasses.replace(
        spec,
        contrast_kind=kind,
        contrast=min(contrast, 0.99) if kind is ContrastKind.DIFFRACTION else contrast,
        flatness=float(rng.uniform(0.5, 1.0)),
        film_percent=min(spec.film_percent, 15 * contrast),
    )


def _powder(recipe: Recipe, size: int, rng: np.random.Generator) -> Recipe:
    """Opaque grains on the film: where nothing shows through, a long one and two differ by outline alone."""
    diameter = float(np.exp(rng.uniform(np.log(13.0), np.log(52.0))))
    draw = rng.random()
    most = _most(((0.18, 1, 1), (0.42, 2, 6), (0.27, 7, 30), (0.13, 30, 120)), diameter, size, rng)
    spec = dataclasses.replace(
        _opaque(recipe.spec, rng),
        gmd_px=diameter,
        gsd=float(rng.uniform(1.1, 1.75)),
        min_particles=1,
        max_particles=most,
        aspect_ratio=float(min(1.05 + rng.exponential(0.55), 3.0)),
        roughness=float(rng.exponential(0.035)) if rng.random() < 0.7 else 0.0,
        blur_px=float(
            rng.uniform(0.4, 1.2) if rng.random() < 0.5 else rng.uniform(0.5, min(0.15 * diameter, 3.5))
        ),
        flatness=float(rng.uniform(0.6, 1.0)),
    )
    if spec.contrast_kind is ContrastKind.DIFFRACTION:
        spec = dataclasses.replace(spec, contrast_kind=ContrastKind.MASS)
    kinds: tuple[Shape | str, ...]
    if draw < 0.35:
        kinds = (GRAIN,)
    elif draw < 0.6:
        kinds = (GRAIN, Shape.ELLIPSOID)
    elif draw < 0.75:
        kinds = (Shape.ELLIPSOID,)
    elif draw < 0.9:
        kinds = (GRAIN, Shape.POLYHEDRON, Shape.ELLIPSOID, Shape.ROD)
    else:
        kinds = (Shape.POLYHEDRON,)
    return dataclasses.replace(
        recipe,
        spec=spec,
        kinds=kinds,
        neck=float(rng.uniform(0.25, 0.8)) if rng.random() < 0.3 else 0.0,
        apart=float(rng.uniform(0.02, 0.35)) if rng.random() < 0.8 else 1.0,
        dirt=float(rng.uniform(0.03, 0.2)) if rng.random() < 0.5 else recipe.dirt,
        lying=bool(rng.random() < 0.8),
        uneven=float(rng.uniform(0.1, 0.8)) if rng.random() < 0.5 else 0.0,
        shadow=float(rng.uniform(0.05, 0.3)) if rng.random() < 0.2 else 0.0,
    )


def _crystals(recipe: Recipe, size: int, rng: np.random.Generator) -> Recipe:
    """Spheres, rods and polyhedra, dark or pale as they diffract, large ones among small ones."""
    diameter = float(np.exp(rng.uniform(np.log(10.0), np.log(38.0))))
    most = _most(((0.25, 1, 1), (0.4, 2, 6), (0.25, 7, 40), (0.1, 40, 150)), diameter, size, rng)
    draw = rng.random()
    kinds: tuple[Shape | str, ...]
    if draw < 0.4:
        kinds = (Shape.SPHERE,)
    elif draw < 0.7:
        kinds = (Shape.ROD,)
    elif draw < 0.85:
        kinds = (Shape.POLYHEDRON,)
    else:
        kinds = (Shape.ROD, Shape.SPHERE, Shape.POLYHEDRON)
    two_sizes = rng.random() < 0.35
    settled = rng.random() < 0.7
    spec = dataclasses.replace(
        recipe.spec,
        gmd_px=diameter,
        gsd=float(1.03 + rng.exponential(0.15)),
        min_particles=1,
        max_particles=most,
        contrast_kind=ContrastKind.MASS,
        contrast=float(rng.uniform(0.35, 0.97)),
        aspect_ratio=float(rng.uniform(1.3, 4.3) if Shape.ROD in kinds else 1 + rng.exponential(0.25)),
        roughness=float(rng.exponential(0.015)) if rng.random() < 0.3 else 0.0,
        flatness=float(rng.uniform(0.5, 1.0) if settled else rng.uniform(0.0, 0.5)),
        overlap=min(recipe.spec.overlap, 0.15),
        defocused=bool(rng.random() < 0.6),
        film_percent=float(min(rng.exponential(2.5), 12.0)),
        halo_percent=float(rng.uniform(2, 25)) if rng.random() < 0.35 else 0.0,
    )
    return dataclasses.replace(
        recipe,
        spec=spec,
        kinds=kinds,
        neck=0.0,
        apart=float(rng.uniform(0.02, 0.3)) if settled and rng.random() < 0.8 else 1.0,
        lying=True,
        uneven=float(rng.uniform(0.1, 0.7)),
        banded=float(rng.uniform(0.2, 1.0)),
        large=float(rng.uniform(0.05, 0.6)) if two_sizes else 0.0,
        ratio=float(rng.uniform(2.2, max(2.3, min(5.0, 100 / diameter)))) if two_sizes else 1.0,
        shadow=float(rng.uniform(0.05, 0.35)) if rng.random() < 0.25 else 0.0,
    )


def _crowds(recipe: Recipe, size: int, rng: np.random.Generator) -> Recipe:
    """Large agglomerates that keep their depth: small spheres lie over and under large ones."""
    diameter = float(np.exp(rng.uniform(np.log(9.0), np.log(42.0))))
    most = _most(((0.2, 2, 9), (0.5, 10, 50), (0.3, 40, 110)), diameter, size, rng)
    contrast = float(rng.uniform(0.3, 0.8))
    fresnel = rng.random() < 0.15
    spec = dataclasses.replace(
        recipe.spec,
        gmd_px=diameter,
        gsd=float(rng.uniform(1.2, 1.8)),
        min_particles=1 if rng.random() < 0.4 else max(most // 2, 1),
        max_particles=most,
        coverage_percent=float(rng.uniform(12, 32)),
        aggregation=Aggregation.DIFFUSIVE_CLUSTER if rng.random() < 0.4 else recipe.spec.aggregation,
        overlap=_contact(rng),
        flatness=0.0 if rng.random() < 0.8 else float(rng.uniform(0, 0.5)),
        contrast_kind=ContrastKind.FRESNEL if fresnel else ContrastKind.MASS,
        contrast=contrast,
        aspect_ratio=float(rng.uniform(1.05, 1.3)),
        roughness=0.0,
        bright_particles=bool(rng.random() < 0.05),
        **_good_camera(contrast, diameter, rng),
    )
    return dataclasses.replace(
        recipe,
        spec=spec,
        kinds=(Shape.SPHERE,) if rng.random() < 0.88 else (Shape.ELLIPSOID,),
        neck=0.0,
        apart=1.0,
        shaded=0.0,
        lying=False,
    )


def _grains(recipe: Recipe, size: int, rng: np.random.Generator) -> Recipe:
    """Turn a powder into one of mostly single grains; deposits that are dense leave holes between them."""
    spec = recipe.spec
    most = _most(((0.38, 1, 1), (0.27, 2, 3), (0.25, 4, 30), (0.1, 40, 150)), spec.gmd_px, size, rng)
    dense = most >= 40
    banded = spec.contrast_kind is ContrastKind.MASS and rng.random() < 0.3
    draw = rng.random()
    kinds: tuple[Shape | str, ...]
    if draw < 0.5:
        kinds = (GRAIN,)
    elif draw < 0.75:
        kinds = (GRAIN, GRAIN, Shape.ELLIPSOID, Shape.ROD)
    else:
        kinds = (GRAIN, Shape.POLYHEDRON)
    return dataclasses.replace(
        recipe,
        spec=dataclasses.replace(
            spec,
            gsd=float(rng.uniform(1.15, 1.8)),
            max_particles=most,
            coverage_percent=float(rng.uniform(20, 50)) if dense else spec.coverage_percent,
            flatness=1.0 if dense else spec.flatness,
            aspect_ratio=float(min(1.1 + rng.exponential(0.6), 2.8)),
            roughness=float(min(rng.exponential(0.04), 0.1)) if rng.random() < 0.7 else 0.0,
        ),
        kinds=kinds,
        neck=recipe.neck if rng.random() < 0.6 else 0.0,
        apart=float(rng.uniform(0.02, 0.12) if dense else rng.uniform(0.02, 0.35))
        if rng.random() < 0.85
        else 1.0,
        lobed=float(rng.uniform(0.03, 0.09)) if rng.random() < 0.5 else 0.0,
        banded=float(rng.uniform(0.3, 1.0)) if banded else 0.0,
    )


def _fringes(recipe: Recipe, size: int, rng: np.random.Generator) -> Recipe:
    """Bright and dark rings along every edge, which are neither particles nor their borders."""
    diameter = float(np.exp(rng.uniform(np.log(9.0), np.log(40.0))))
    contrast = float(rng.uniform(0.2, 0.8))
    spec = dataclasses.replace(
        recipe.spec,
        gmd_px=diameter,
        gsd=float(rng.uniform(1.05, 1.6)),
        min_particles=1,
        max_particles=_most(((0.3, 1, 1), (0.5, 2, 5), (0.2, 6, 30)), diameter, size, rng),
        overlap=_contact(rng),
        contrast_kind=ContrastKind.FRESNEL,
        contrast=contrast,
        fringe_px=float(rng.uniform(1.5, min(1.5 + 0.25 * diameter, 7.0))),
        aspect_ratio=float(rng.uniform(1.05, 1.6)),
        roughness=0.0,
        **_good_camera(contrast, diameter, rng),
    )
    kinds = (Shape.SPHERE,) if rng.random() < 0.8 else (Shape.ELLIPSOID,)
    return dataclasses.replace(recipe, spec=spec, kinds=kinds, neck=0.0, apart=1.0, lying=False)


def _contact(rng: np.random.Generator) -> float:
    """Draw how far neighbours are sintered: mostly hardly."""
    return float(rng.uniform(0, 0.1) if rng.random() < 0.8 else rng.uniform(0.1, 0.3))


def _good_camera(contrast: float, diameter: float, rng: np.random.Generator) -> dict[str, Any]:
    """Draw a sharp picture with little noise: what cannot be seen then is hidden by other particles only."""
    return {
        "dose": float(np.exp(rng.uniform(np.log(120), np.log(1500)))),
        "film_percent": float(min(rng.exponential(1.2), 8 * contrast)),
        "blur_px": float(rng.uniform(0.5, min(0.12 * diameter, 2.0))),
        "detector_blur_px": float(rng.uniform(0, 0.9)),
    }


def _most(
    choices: tuple[tuple[float, int, int], ...], diameter: float, size: int, rng: np.random.Generator
) -> int:
    """Draw the most particles of an agglomerate: (probability, least, most) each, no more than may fit."""
    shares = np.array([share for share, _, _ in choices])
    chosen = min(int(np.searchsorted(np.cumsum(shares), rng.random())), len(choices) - 1)
    _, least, most = choices[chosen]
    room = max(int(0.35 * size**2 / (0.8 * diameter**2)), 2)
    return min(int(rng.integers(least, most, endpoint=True)), room)
