"""Ready-made specs for kinds of micrographs that people bring."""

from __future__ import annotations

from dataclasses import dataclass

from nanoai_gui.core.tem.synthesis.spec import Aggregation, ContrastKind, Shape, SynthesisSpec


@dataclass(frozen=True, slots=True)
class Preset:
    """A named spec: ``name`` on the command line, ``title`` in the window."""

    name: str
    title: str
    spec: SynthesisSpec


PRESETS = (
    Preset("spheres", "Spheres", SynthesisSpec()),
    Preset(
        "soot",
        "Soot (translucent, sintered, out of focus)",
        SynthesisSpec(
            gmd_px=36,
            gsd=1.3,
            max_particles=80,
            coverage_percent=8,
            overlap=0.2,
            roughness=0.04,
            contrast_kind=ContrastKind.FRESNEL,
            contrast=0.35,
            blur_px=0.7,
            gradient_percent=15,
            nm_per_px=0.7,
        ),
    ),
    Preset(
        "titania",
        "Titania (opaque, angular, settled on the film)",
        SynthesisSpec(
            gmd_px=28,
            gsd=1.4,
            max_particles=15,
            coverage_percent=12,
            flatness=0.8,
            shape=Shape.POLYHEDRON,
            contrast_kind=ContrastKind.SILHOUETTE,
            contrast=0.97,
            film_percent=0.6,
            film_grain_px=8,
            dose=3000,
            nm_per_px=7.0,
        ),
    ),
    Preset(
        "gold",
        "Gold (crystals with diffraction contrast on a grainy film)",
        SynthesisSpec(
            gmd_px=50,
            gsd=1.15,
            max_particles=4,
            coverage_percent=8,
            aggregation=Aggregation.BALLISTIC_PARTICLE,
            overlap=0.0,
            flatness=0.9,
            shape=Shape.POLYHEDRON,
            aspect_ratio=1.1,
            contrast_kind=ContrastKind.DIFFRACTION,
            contrast=0.8,
            defocused=True,
            film_percent=4,
            brightness=0.6,
            nm_per_px=0.4,
        ),
    ),
    Preset(
        "rods",
        "Rods (lying on the film)",
        SynthesisSpec(
            gmd_px=36,
            gsd=1.15,
            max_particles=5,
            coverage_percent=8,
            flatness=0.9,
            shape=Shape.ROD,
            aspect_ratio=3.0,
            contrast_kind=ContrastKind.DIFFRACTION,
            contrast=0.85,
            film_percent=3,
        ),
    ),
    Preset(
        "dark-field",
        "Dark field (bright particles)",
        SynthesisSpec(bright_particles=True, film_percent=6, dose=150),
    ),
    Preset(
        "training",
        "Training mix (a new population and look for every image)",
        SynthesisSpec(vary_population=True, vary_look=True),
    ),
)


def get_preset(name: str) -> SynthesisSpec:
    """Give the spec of a preset.

    Raises
    ------
    KeyError
        If there is no such preset.
    """
    return {preset.name: preset.spec for preset in PRESETS}[name]
