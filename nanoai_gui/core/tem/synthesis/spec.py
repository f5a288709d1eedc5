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


class ContrastKind(StrEnum):
    """What makes a particle dark."""

    MASS = "mass-thickness"
    """Beer-Lambert absorption along the true path through the material."""
    SILHOUETTE = "flat silhouette"
    """Opaque: every path through material is equally dark."""


@dataclass(frozen=True, slots=True)
class SynthesisSpec:
    """Everything that decides a synthetic micrograph besides its seed.

    Lengths are in px. The geometric mean diameter and standard deviation are those of the
    area-equivalent diameters of the particles' own projected outlines, number-weighted.
    """

    width_px: int = parameter(1024, "Width", unit="px", minimum=64, maximum=8192, step=64)
    height_px: int = parameter(1024, "Height", unit="px", minimum=64, maximum=8192, step=64)
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
    aggregation: Aggregation = parameter(Aggregation.DIFFUSIVE_CLUSTER, "Aggregation")
    overlap: float = parameter(
        0.05, "Overlap (sintering)", minimum=0, maximum=0.6, step=0.05,
        help="0: particles touch in a point. 0.5: their centres are half a contact distance closer.",
    )  # fmt: skip
    contrast_kind: ContrastKind = parameter(ContrastKind.MASS, "Contrast kind")
    contrast: float = parameter(
        0.6, "Contrast", minimum=0.01, maximum=0.99, step=0.05,
        help="Share of the beam lost through the middle of a particle of mean diameter.",
    )  # fmt: skip
    brightness: float = parameter(
        0.75, "Brightness", minimum=0.05, maximum=1, step=0.05,
        help="Mean background as a share of the grey scale.",
    )  # fmt: skip
    gradient_percent: float = parameter(
        10.0, "Uneven illumination", unit="%", minimum=0, maximum=80, step=1,
        help="Difference between the brightest and the darkest part of the empty background.",
    )  # fmt: skip
    blur_px: float = parameter(
        1.0, "Blur", unit="px", minimum=0, maximum=20, step=0.1, help="Standard deviation."
    )
    dose: float = parameter(
        400.0, "Dose", unit="electrons/px", minimum=1, maximum=1e6, step=10,
        help="In the bright background; its noise is Poisson noise.",
    )  # fmt: skip
    read_noise: float = parameter(
        3.0, "Read noise", unit="electrons", minimum=0, maximum=1000, step=0.5, advanced=True
    )
    nm_per_px: float = parameter(
        0.5, "Pixel size", unit="nm", minimum=1e-3, maximum=1e4, step=0.1, advanced=True
    )


def check_spec(spec: SynthesisSpec) -> None:
    """Raise :class:`ParameterError` if a value, or the values together, make no sense."""
    check(spec)
    if spec.min_particles > spec.max_particles:
        raise ParameterError(
            f"The fewest particles per agglomerate ({spec.min_particles}) are more than the most "
            f"({spec.max_particles}).",
            "Raise the upper or lower the lower number.",
        )
