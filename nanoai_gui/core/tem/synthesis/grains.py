"""Particles that are neither spheres nor crystals of one habit: grains, and necks of fused material."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.aggregation import Cluster, random_directions
from nanoai_gui.core.tem.synthesis.projection import Material
from nanoai_gui.core.tem.synthesis.shapes import Body, Ellipsoid, Polyhedron, Rod, Rough, Scaled, rough_table
from nanoai_gui.core.tem.synthesis.spec import ContrastKind, SynthesisSpec

_LOBES = np.arange(2, 5)
"""Harmonics of a lobed outline: as broad as those that two particles in one would have."""


def make_grain(
    diameter: float,
    aspect: float,
    roughness: float,
    rotation: NDArray[np.float64],
    rng: np.random.Generator,
    lobed: float = 0.0,
) -> Body:
    """Cut random facets off an ellipsoid: convex unless lobed, angular or rounded, no two alike.

    ``diameter`` is that of the circle of the projected area, in px; ``aspect`` the longest over the shortest
    axis before the cuts; ``roughness`` as in the spec; ``lobed`` the same of the broadest waves alone, which
    make the outline a little concave.
    """
    axes = np.array([aspect, aspect ** rng.random(), 1.0])
    axes /= np.cbrt(axes.prod())
    n = int(rng.integers(4, 16))
    normals = random_directions(n, rng) / axes
    lengths = np.linalg.norm(normals, axis=1)
    distances = rng.uniform(0.65, 1.05, n)
    rounding = rng.uniform(0.85, 1.35)
    unit: Body = Polyhedron(
        (normals / lengths[:, None]) @ rotation.T,
        distances / lengths,
        Ellipsoid.turned(axes * rounding, rotation),
    )
    if lobed > 0:
        unit = Rough(unit, rough_table(lobed, rng, _LOBES))
    if roughness > 0:
        unit = Rough(unit, rough_table(roughness, rng))
    area = np.pi / 4 * diameter**2
    return Scaled(unit, float(np.sqrt(area / unit.area)), float(area))


def make_necks(
    cluster: Cluster, centres: NDArray[np.float64], bodies: Sequence[Body], share: float
) -> tuple[list[Body], NDArray[np.float64]]:
    """Fill the contacts with material: rods between bonded centres, ``share`` of the smaller radius thick.

    Returns
    -------
    necks
        One body a bond.
    middles
        (n - 1, 3) where they are.
    """
    radius = np.array([np.sqrt(body.area / np.pi) for body in bodies])
    necks: list[Body] = []
    middles = []
    for i, j in cluster.bonds.tolist():
        bond = centres[j] - centres[i]
        length = float(np.linalg.norm(bond))
        thick = share * float(min(radius[i], radius[j]))
        unit = bond / length if length > 0 else np.array([1.0, 0.0, 0.0])
        # It must end inside both, whatever its thickness.
        inside = min(radius[i], radius[j]) * 0.6
        necks.append(Rod(unit, max(0.5 * length - inside, 0.0), thick))
        along = 0.5 * (radius[i] - radius[j])
        middles.append(0.5 * (centres[i] + centres[j]) + 0.5 * along * unit)
    return necks, np.array(middles).reshape(-1, 3)


def crystal_material(
    radii: NDArray[np.float64],
    spec: SynthesisSpec,
    uneven: float,
    banded: float,
    rng: np.random.Generator,
) -> Material:
    """Give particles of these radii (px) absorptions of their own and some of them diffraction bands.

    ``uneven`` is the standard deviation of the logarithm of the absorption, ``banded`` the share of
    particles with bands: from a fraction of a wave (one dark side, or a dark core) to two waves across, up
    to as bright as the film.
    """
    depth = -float(np.log1p(-spec.contrast))
    n = len(radii)
    absorption = depth / spec.gmd_px * np.exp(uneven * rng.standard_normal(n))
    if spec.contrast_kind is ContrastKind.SILHOUETTE:
        return Material(absorption, opaque_depth=depth)
    if banded <= 0:
        return Material(absorption)
    angle = rng.uniform(0, 2 * np.pi, n)
    waves = np.pi * rng.uniform(0.1, 2.0, n) / radii
    bands = np.column_stack(
        [
            np.where(rng.random(n) < banded, rng.uniform(0.1, 1.0, n), 0.0),
            rng.uniform(0, 2 * np.pi, n),
            waves * np.cos(angle),
            waves * np.sin(angle),
            2.5 * rng.standard_normal(n) / radii**2,
        ]
    )
    return Material(absorption, bands)
