"""The feature sets by name, each feature with its formula and source.

Features are measured in groups. A set that needs one feature of a group has computed them all:
:func:`measured_with` names them, for whoever can use more of them at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.tem.features.circles import N_RINGS, RINGS


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its name, the group of measures it comes from, its formula and where that is from."""

    name: str
    group: str
    formula: str
    source: str = ""


@dataclass(frozen=True)
class FeatureSet:
    """A named, versioned choice of features in a fixed order."""

    name: str
    version: int
    title: str
    features: tuple[Feature, ...]

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups of measures that are needed."""
        return tuple(dict.fromkeys(f.group for f in self.features))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features in order."""
        return tuple(f.name for f in self.features)

    def columns_of(self, part: FeatureSet) -> list[int]:
        """Give the columns of this set that are the features of another, in its order.

        Raises
        ------
        ValueError
            If that one holds features that this one does not.
        """
        return [self.names.index(name) for name in part.names]


_MOMENTS = "R. C. Gonzalez, R. E. Woods, Digital Image Processing, region moments"
_ISO = "ISO 9276-6:2008"
_GRANULE = "G. Matheron, Random Sets and Integral Geometry (1975)"
_INVARIANT = "S. Manay et al., IEEE Trans. Pattern Anal. 28 (2006) 1602"
_BEER = "Beer-Lambert: depth = -ln(I / I0); in units of its 95 % quantile, except the opacity"
_RING = "C. Kimme, D. Ballard, J. Sklansky, Comm. ACM 18 (1975) 120"
_OWN = "NanoAI"

_ALL: tuple[Feature, ...] = (
    Feature("solidity", "shape", "A / A_convex", _ISO),
    Feature("eccentricity", "shape", "sqrt(1 - (b / a)^2) of the ellipse of equal moments", _MOMENTS),
    Feature("major axis", "shape", "4 sqrt(larger principal second moment) / d", _MOMENTS),
    Feature("minor axis", "shape", "4 sqrt(smaller principal second moment) / d", _MOMENTS),
    Feature("perimeter", "shape", "P / (pi d), P by Crofton's formula in four directions", _ISO),
    Feature("convexity", "shape", "P_convex / P", _ISO),
    Feature("maximum Feret", "shape", "largest caliper diameter / d", _ISO),
    Feature("minimum Feret", "shape", "smallest caliper diameter / d", _ISO),
    Feature("skewness along", "shape", "|mean u^3| / (mean u^2)^1.5 along the long axis", _MOMENTS),
    Feature("flatness along", "shape", "mean u^4 / (mean u^2)^2 along the long axis", _MOMENTS),
    Feature("flatness across", "shape", "mean v^4 / (mean v^2)^2 across the long axis", _MOMENTS),
    Feature("inscribed circle", "distance map", "2 max D / d, D the distance from the rim", _ISO),
    Feature("mean distance", "distance map", "2 mean D / d", _GRANULE),
    Feature("distance spread", "distance map", "2 sd D / d", _GRANULE),
    *(Feature(f"distance {q}%", "distance map", f"2 D_{q} / d, quantile of D", _GRANULE)
      for q in (25, 50, 75, 90)),
    *(Feature(f"left after {q}%", "distance map", f"share of the area with D > {q / 100} max D", _GRANULE)
      for q in (30, 50, 70, 85)),
    Feature("summits", "distance map", "number of separate summits of D", _OWN),
    *(Feature(f"summit {k}", "distance map", f"2 D / d of the summit of rank {k}, 0 if there is none", _OWN)
      for k in (1, 2, 3, 4, 5)),
    Feature("summit area", "distance map", "sum of (2 D / d)^2 over the summits", _OWN),
    Feature("summit depth spread", "distance map", "sd of the depth at the summits", _OWN),
    Feature("depth per width", "distance map", "largest / mean of depth / D over the summits", _OWN),
    *(Feature(f"{scale} curvature {q}%", "outline",
              f"quantile {q} % over the rim of the share of material within {width} d", _INVARIANT)
      for scale, width in (("fine", 0.06), ("coarse", 0.14)) for q in (10, 50, 90)),
    Feature("fine concave share", "outline", "share of the rim with over 55 % within 0.06 d", _INVARIANT),
    Feature("coarse concave share", "outline", "share of the rim with over 55 % within 0.14 d", _INVARIANT),
    Feature("mean depth", "intensity", "mean", _BEER),
    Feature("depth spread", "intensity", "standard deviation", _BEER),
    Feature("depth skewness", "intensity", "third standardised moment", _BEER),
    Feature("depth kurtosis", "intensity", "fourth standardised moment", _BEER),
    Feature("maximum depth", "intensity", "maximum", _BEER),
    Feature("opacity", "intensity", "1 - exp(-95 % quantile of the depth)", _BEER),
    *(Feature(f"depth {q}%", "intensity", f"quantile {q} %", _BEER) for q in (10, 25, 50, 75)),
    Feature("inner slope 50%", "intensity", "median of |grad depth| d inside", _OWN),
    Feature("inner slope 90%", "intensity", "90 % quantile of |grad depth| d inside", _OWN),
    Feature("unexplained", "explained", "rms of depth less spheres on the summits of D, over its rms", _OWN),
    *(Feature(f"unexplained {q}%", "explained", f"quantile {q} % of what the spheres leave", _OWN)
      for q in (5, 95)),
    Feature("unexplained share", "explained", "share of the area with more than 0.25 left", _OWN),
    *(Feature(f"ring {r:g}", "rings", f"largest share of a circle of radius {r:g} d by votes of edges", _RING)
      for r in RINGS),
    Feature("rings", "rings", "number of separate circles that edges vote for", _RING),
    Feature("ring score", "rings", "sum of their shares", _RING),
    Feature("ring area", "rings", "sum of (2 r / d)^2 over them", _RING),
    *(Feature(f"ring radius {k}", "rings", f"r / d of the circle of rank {k}, 0 if there is none", _RING)
      for k in range(1, N_RINGS + 1)),
    *(Feature(f"ring score {k}", "rings", f"share of the circle of rank {k} by votes", _RING)
      for k in range(1, N_RINGS + 1)),
    Feature("likeness to sphere", "intensity", "correlation of depth with that of a sphere on D", _OWN),
)  # fmt: skip
_BY_NAME = {f.name: f for f in _ALL}

_RICH = FeatureSet("rich", 3, f"{len(_ALL)} features", _ALL)

_REGION_13 = FeatureSet(
    "region-13",
    3,
    "13 features",
    tuple(
        _BY_NAME[name]
        for name in (
            "major axis",
            "minor axis",
            "maximum Feret",
            "skewness along",
            "inscribed circle",
            "mean distance",
            "summit 2",
            "summit area",
            "coarse curvature 10%",
            "coarse curvature 90%",
            # Tells opaque particles, of which outlines alone speak, from those that shine through.
            "opacity",
            "depth 75%",
            "likeness to sphere",
        )
    ),
)

FEATURE_SETS: dict[str, FeatureSet] = {s.name: s for s in (_REGION_13, _RICH)}
"""Every feature set by name."""


def get_feature_set(name: str) -> FeatureSet:
    """Give a feature set by name.

    Raises
    ------
    ParameterError
        If there is no such set.
    """
    if name not in FEATURE_SETS:
        raise ParameterError(
            f"There is no feature set {name!r}.", f"Choose one of {', '.join(FEATURE_SETS)}."
        )
    return FEATURE_SETS[name]


@cache
def measured_with(feature_set: FeatureSet) -> FeatureSet:
    """Give all features of the groups that a set needs: its own ones and those that come with them."""
    groups = feature_set.groups
    features = tuple(f for f in _ALL if f.group in groups)
    if set(features) == set(feature_set.features):
        return feature_set
    return FeatureSet(
        f"{feature_set.name}, all measures", feature_set.version, f"{len(features)} features", features
    )
