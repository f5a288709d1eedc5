"""Numbers that describe an agglomerate, whatever its size: what the networks see.

A feature set is a named, versioned choice of features in a fixed order; a model stores the name and the
version it was trained with. All features but none of the scale are dimensionless, so a network trained on
one magnification works on another; the scale, the area-equivalent diameter in px, is kept beside them.
"""

from __future__ import annotations

from nanoai_gui.core.tem.features.extraction import FeatureTable, extract
from nanoai_gui.core.tem.features.sets import (
    FEATURE_SETS,
    Feature,
    FeatureSet,
    get_feature_set,
    measured_with,
)

__all__ = [
    "FEATURE_SETS",
    "Feature",
    "FeatureSet",
    "FeatureTable",
    "extract",
    "get_feature_set",
    "measured_with",
]
