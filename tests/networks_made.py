"""Samples and models made in a moment, of features that tell the number plainly: tiny networks learn it."""

from __future__ import annotations

import functools

import numpy as np

from nanoai_gui.core.tem.features import get_feature_set, measured_with
from nanoai_gui.core.tem.networks.model import TemModel
from nanoai_gui.core.tem.networks.samples import LARGEST_COUNT, Samples
from nanoai_gui.core.tem.networks.training import TrainingReport, TrainingSettings, train

QUICK = TrainingSettings(pnc_nodes=8, epochs=25, patience=6, learning_rate=0.02)


def plain_samples(n: int = 600, feature_set: str = "region-13", seed: int = 0) -> Samples:
    """Agglomerates of 1 to 9: the first feature of the set is about their number, the second a first area."""
    rng = np.random.default_rng(seed)
    own = get_feature_set(feature_set)
    measured = measured_with(own)
    count = np.r_[np.tile(np.arange(1, 6), n), rng.integers(6, 10, n)]
    count = rng.permutation(count)[:n].astype(np.int32)
    areas = np.zeros((n, LARGEST_COUNT))
    for row, c in enumerate(count):
        if c <= LARGEST_COUNT:
            areas[row, :c] = np.sort(rng.dirichlet(np.full(c, 20.0)))[::-1] * 1.05
    features = rng.normal(size=(n, len(measured.features)))
    first, second = measured.columns_of(own)[:2]
    features[:, first] = count + rng.normal(0, 0.15, n)
    features[:, second] = areas[:, 0]
    return Samples(features, rng.uniform(20, 80, n), count, areas, np.arange(n, dtype=np.int64) // 4)


@functools.cache
def quick_training(feature_set: str = "region-13") -> tuple[TemModel, TrainingReport]:
    """Train once for all tests."""
    return train(plain_samples(feature_set=feature_set), feature_set, QUICK, {"name": "quick"})


def quick_model(feature_set: str = "region-13") -> TemModel:
    """A model that works, of which nobody should expect much."""
    return quick_training(feature_set)[0]
