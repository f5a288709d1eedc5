"""Synthetic micrographs with starts for the fit near the truth, as a network would give them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.detection.detections import Detections
from nanoai_gui.core.tem.fitting.refine import Starts
from nanoai_gui.core.tem.segmentation import segment
from nanoai_gui.core.tem.synthesis import SynthesisSpec, SyntheticImage, make_image


@dataclass(frozen=True)
class Case:
    """An image, its agglomerates, and starts; ``true_radius`` (n,) in the order of the starts."""

    image: SyntheticImage
    agglomerates: Agglomerates
    starts: Starts
    true_radius: NDArray[np.float64]


def near_truth(
    spec: SynthesisSpec, seed: int, centre_px: float = 1.0, radius_share: float = 0.05, start_seed: int = 0
) -> Case:
    """Make an image and starts that are off by so much (standard deviations)."""
    image = make_image(spec, seed)
    agglomerates = segment(image.micrograph)
    owner = {}
    for label in np.unique(image.truth.agglomerate):
        counts = np.bincount(agglomerates.labels[image.labels == label], minlength=1)
        counts[0] = 0
        owner[int(label)] = int(counts.argmax()) if counts.any() else 0
    mine = np.array([owner[int(label)] for label in image.truth.agglomerate], dtype=np.int32)
    kept = np.isin(mine, agglomerates.ids[agglomerates.measured])
    rng = np.random.default_rng(start_seed)
    n = len(image.truth)
    radius = image.truth.diameter_px / 2
    starts = Starts(
        mine[kept],
        (image.truth.x_px + rng.normal(0, centre_px, n))[kept],
        (image.truth.y_px + rng.normal(0, centre_px, n))[kept],
        (radius * np.exp(rng.normal(0, radius_share, n)))[kept],
        np.zeros(int(kept.sum()), dtype=bool),
    )
    return Case(image, agglomerates, starts, radius[kept])


def as_detections(starts: Starts) -> Detections:
    """Turn starts into what the network would have given: circles as polygons."""
    t = np.linspace(0, 2 * np.pi, 33)[:-1]
    outlines = tuple(
        np.column_stack([x + r * np.cos(t), y + r * np.sin(t)]).astype(np.float32)
        for x, y, r in zip(starts.x, starts.y, starts.radius, strict=True)
    )
    return Detections(
        agglomerate=starts.agglomerate,
        x=starts.x,
        y=starts.y,
        area_px=np.pi * starts.radius**2,
        radius_px=starts.radius,
        radius_sd_px=0.05 * starts.radius,
        score=np.full(len(starts), 0.9),
        outlines=outlines,
    )
