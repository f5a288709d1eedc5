"""From agglomerates to a table of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.tem.features.circles import explained, rings
from nanoai_gui.core.tem.features.measures import Cut, distance_map, intensity, optical_depth, outline, shape

if TYPE_CHECKING:
    from nanoai_gui.core.tem.agglomerates import Agglomerates
    from nanoai_gui.core.tem.features.sets import FeatureSet

_GROUPS = {
    "shape": shape,
    "distance map": distance_map,
    "outline": outline,
    "intensity": intensity,
    "explained": explained,
    "rings": rings,
}
LARGEST_CUT_PX = 96
"""Agglomerates longer than this are described on every second, third ... pixel: the features are
dimensionless, and nothing they tell is finer than that."""


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of some agglomerates.

    Parameters
    ----------
    ids
        (n,) int32, ids of the agglomerates.
    values
        (n, k) float64, one column a feature of the set, in its order; finite.
    scale_px
        (n,) float64, area-equivalent diameter in px: what makes a dimensionless answer a length.
    feature_set
        The set the columns belong to.
    """

    ids: NDArray[np.int32]
    values: NDArray[np.float64]
    scale_px: NDArray[np.float64]
    feature_set: FeatureSet

    def choose(self, feature_set: FeatureSet) -> FeatureTable:
        """Keep the columns of a feature set that is a part of this table's."""
        if feature_set == self.feature_set:
            return self
        values = np.ascontiguousarray(self.values[:, self.feature_set.columns_of(feature_set)])
        return FeatureTable(self.ids, values, self.scale_px, feature_set)


def extract(
    agglomerates: Agglomerates,
    feature_set: FeatureSet,
    rows: NDArray[np.bool_] | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> FeatureTable:
    """Compute the features of agglomerates.

    Parameters
    ----------
    agglomerates
        With their ``contrast``.
    feature_set
        Which features.
    rows
        (n,) mask of the agglomerates wanted; those that are not excluded by default.

    Raises
    ------
    ValueError
        If the contrast has been dropped.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    if agglomerates.contrast is None:
        raise ValueError("features need the contrast image")
    chosen = np.flatnonzero(agglomerates.measured if rows is None else rows)
    groups = feature_set.groups
    values = np.empty((len(chosen), len(feature_set.features)))
    scale = np.sqrt(4 / np.pi * agglomerates.area_px[chosen].astype(np.float64))
    for i, row in enumerate(chosen):
        if i % 64 == 0:
            checkpoint(cancelled)
            progress(i / len(chosen), "Describing agglomerates")
        cut = cut_out(agglomerates, int(row))
        found: dict[str, float] = {}
        for group in groups:
            found |= _GROUPS[group](cut)
        values[i] = [found[f.name] for f in feature_set.features]
    np.nan_to_num(values, copy=False, nan=0.0, posinf=1e3, neginf=-1e3)
    return FeatureTable(agglomerates.ids[chosen], values, scale, feature_set)


def cut_out(agglomerates: Agglomerates, row: int) -> Cut:
    """Cut one agglomerate out, with two px of rim, thinned if it is very large."""
    assert agglomerates.contrast is not None
    y0, x0, y1, x1 = (int(v) for v in agglomerates.boxes[row])
    step = max(1, -(-max(y1 - y0, x1 - x0) // LARGEST_CUT_PX))
    window = slice(y0, y1, step), slice(x0, x1, step)
    height, width = len(range(y0, y1, step)), len(range(x0, x1, step))
    mask = np.zeros((height + 4, width + 4), dtype=bool)
    np.equal(agglomerates.labels[window], agglomerates.ids[row], out=mask[2:-2, 2:-2])
    depth = np.zeros(mask.shape, dtype=np.float32)
    depth[2:-2, 2:-2] = optical_depth(agglomerates.contrast[window])
    return Cut(mask, depth)
