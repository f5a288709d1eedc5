"""What a synthetic micrograph should be like: the population, the shapes, the microscope and the camera."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.parameters import check, parameter


class Aggregation(StrEnum):
    """How particles meet, which decides how open an agglomerate is (fractal dimension in brackets)."""

    BALLISTIC_PARTICLE = "particle by particle, ballistic"
    """Straight flights onto one growing cluster: compact (3)."""
    DIFFUSIVE_PARTICLE = "particle by particle, diffusive"
    """Brownian walks onto one growing cluster (2.5)."""
    BALLISTIC_CLUSTER = "cluster by cluster, ballistic"
    """Straight flights of clusters of equal number (1.9)."""
    DIFFUSIVE_CLUSTER = "cluster by cluster, diffusive"
    """Brownian walks of clusters of equal number: open, as soot and pyrogenic oxides (1.8)."""


class Shape(StrEnum):
    """The body of a primary particle."""

    SPHERE = "spheres"
    ELLIPSOID = "ellipsoids"
    POLYHEDRON = "rounded polyhedra"
    ROD = "rods"
    MIXED = "a mixture"
    """Every particle is one of the others."""


class ContrastKind(StrEnum):
    """What makes a particle dark."""

    MASS = "mass-thickness"
    """Beer-Lambert absorption along the true path through the material."""
    SILHOUETTE = "flat silhouette"
    """Opaque: every path through material is equally dark."""
    DIFFRACTION = "per particle (diffraction)"
    """Every crystal darkens by its own amount and with its own bands, as its lattice is turned and bent."""
    FRESNEL = "Fresnel fringe"
    """Mass-thickness seen out of focus: bright and dark fringes along every edge."""


class Caption(StrEnum):
    """What the microscope writes into the picture."""

    NONE = "nothing"
    SCALE_BAR = "scale bar"
    DATA_BAR = "data bar with scale bar"


class BitDepth(StrEnum):
    """Grey levels of the camera."""

    EIGHT = "8 bit"
    SIXTEEN = "16 bit"

    @property
    def largest(self) -> int:
        """The whitest grey level."""
        return 255 if self is BitDepth.EIGHT else 65535


@dataclass(frozen=True, slots=True)
class SynthesisSpec:
    """Everything that decides a synthetic micrograph besides its seed.

    Lengths are in px. The geometric mean diameter and standard deviation are those of the
    area-equivalent diameters of the particles' own projected outlines, number-weighted.
    """

    width_px: int = parameter(1024, "Width", unit="px", minimum=64, maximum=8192, step=64)
    height_px: int = parameter(1024, "Height", unit="px", minimum=64, maximum=8192, step=64)
    vary_population: bool = parameter(
        False, "A new population for every image",
        help="Every image has its own sizes, shapes and overlap, so that nothing can be learned by heart.",
    )  # fmt: skip
    vary_look: bool = parameter(
        False, "A new look for every image",
        help="Every image has its own contrast, background, blur and noise.",
    )  # fmt: skip
    gmd_px: float = parameter(
        30.0, "Geometric mean diameter", unit="px", minimum=2, maximum=500, step=1,
        help="Of the primary particles, number-weighted.",
    )  # fmt: skip
    gsd: float = parameter(1.35, "Geometric standard deviation", minimum=1, maximum=3, step=0.05)
    min_particles: int = parameter(1, "Fewest particles per agglomerate", minimum=1, maximum=1000)
    max_particles: int = parameter(5, "Most particles per agglomerate", minimum=1, maximum=1000)
    coverage_percent: float = parameter(
        10.0, "Area covered", unit="%", minimum=0, maximum=50, step=1,
        help="Agglomerates are added until they cover this share of the image, or no free place is found.",
    )  # fmt: skip
    cut_at_border: bool = parameter(
        False, "Agglomerates are cut by the border", advanced=True,
        help="As in real images; otherwise all lie whole inside.",
    )  # fmt: skip
    aggregation: Aggregation = parameter(Aggregation.DIFFUSIVE_CLUSTER, "Aggregation")
    overlap: float = parameter(
        0.05, "Overlap (sintering)", minimum=0, maximum=0.6, step=0.05,
        help="0: particles touch in a point. 0.5: their centres are half a contact distance closer.",
    )  # fmt: skip
    flatness: float = parameter(
        0.0, "Settled on the film", minimum=0, maximum=1, step=0.1, advanced=True,
        help="0: the agglomerate keeps its three dimensions. 1: its particles lie side by side.",
    )  # fmt: skip
    shape: Shape = parameter(Shape.SPHERE, "Particles are")
    aspect_ratio: float = parameter(
        1.5, "Aspect ratio", minimum=1, maximum=10, step=0.1,
        help="Longest over shortest axis, on average; not of spheres.",
    )  # fmt: skip
    roughness: float = parameter(
        0.0, "Rough outline", minimum=0, maximum=0.3, step=0.01,
        help="Standard deviation of the outline as a share of the radius.",
    )  # fmt: skip
    contrast_kind: ContrastKind = parameter(ContrastKind.MASS, "Contrast kind")
    contrast: float = parameter(
        0.6, "Contrast", minimum=0.01, maximum=0.99, step=0.05,
        help="Share of the beam lost through the middle of a particle of mean diameter.",
    )  # fmt: skip
    stray_percent: float = parameter(
        0.0, "Stray light", unit="%", minimum=0, maximum=90, step=5, advanced=True,
        help="Share of the brightness that reaches the camera whatever lies in the beam: opaque particles "
        "are as bright as that.",
    )  # fmt: skip
    defocused: bool = parameter(
        False, "Out of focus", help="Fresnel fringes with any contrast kind; the kind of that name always is."
    )
    fringe_px: float = parameter(
        3.0, "Fresnel fringe", unit="px", minimum=0.5, maximum=30, step=0.5,
        help="How far the fringes reach: the root of wavelength times defocus. Only out of focus.",
    )  # fmt: skip
    halo_percent: float = parameter(
        0.0, "Bright halo", unit="%", minimum=0, maximum=50, step=1, advanced=True,
        help="Brighter background around agglomerates.",
    )  # fmt: skip
    bright_particles: bool = parameter(
        False, "Bright particles", help="Scattered instead of transmitted electrons (dark field)."
    )
    brightness: float = parameter(
        0.7, "Brightness", minimum=0.05, maximum=1, step=0.05,
        help="Mean background as a share of the grey scale; with bright particles, the brightest particle.",
    )  # fmt: skip
    gradient_percent: float = parameter(
        10.0, "Uneven illumination", unit="%", minimum=0, maximum=80, step=1,
        help="Difference between the brightest and the darkest part of the empty background.",
    )  # fmt: skip
    film_percent: float = parameter(
        1.0, "Film texture", unit="%", minimum=0, maximum=30, step=0.5,
        help="Standard deviation of the carbon film's brightness.",
    )  # fmt: skip
    film_grain_px: float = parameter(
        2.0, "Film grain", unit="px", minimum=0.5, maximum=50, step=0.5, advanced=True
    )
    holes: int = parameter(
        0, "Holes in the film", minimum=0, maximum=20, help="Round, bright, with a darker rim."
    )
    blur_px: float = parameter(
        1.0, "Blur", unit="px", minimum=0, maximum=20, step=0.1, help="Standard deviation, of the optics."
    )
    dose: float = parameter(
        400.0, "Dose", unit="electrons/px", minimum=1, maximum=1e6, step=10,
        help="In the bright background; its noise is Poisson noise.",
    )  # fmt: skip
    read_noise: float = parameter(
        3.0, "Read noise", unit="electrons", minimum=0, maximum=1000, step=0.5, advanced=True
    )
    detector_blur_px: float = parameter(
        0.5, "Detector blur", unit="px", minimum=0, maximum=10, step=0.1, advanced=True,
        help="Standard deviation of the light spread in the scintillator; it smooths the Poisson noise too.",
    )  # fmt: skip
    caption: Caption = parameter(Caption.NONE, "Written into the picture")
    bit_depth: BitDepth = parameter(BitDepth.EIGHT, "Grey levels", advanced=True)
    nm_per_px: float = parameter(
        0.5, "Pixel size", unit="nm", minimum=1e-3, maximum=1e4, step=0.1, advanced=True
    )

    @property
    def has_fringes(self) -> bool:
        """Whether edges have Fresnel fringes."""
        return self.defocused or self.contrast_kind is ContrastKind.FRESNEL


def check_spec(spec: SynthesisSpec) -> None:
    """Raise :class:`ParameterError` if a value, or the values together, make no sense."""
    check(spec)
    if spec.min_particles > spec.max_particles:
        raise ParameterError(
            f"The fewest particles per agglomerate ({spec.min_particles}) are more than the most "
            f"({spec.max_particles}).",
            "Raise the upper or lower the lower number.",
        )
