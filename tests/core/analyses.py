"""Analyses made by hand, whose every number a test knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanoai_gui.core.tem.agglomerates import Agglomerates, PackedLabels, Polarity
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult


@dataclass(frozen=True)
class Disc:
    """An agglomerate that is one dark disc; its particles are discs of ``diameters`` around its centre."""

    ident: int
    x: float
    y: float
    radius: float
    diameters: tuple[float, ...] = ()
    excluded: str = ""


def make_analysis(
    discs: Sequence[Disc],
    *,
    path: str = "images/a.tif",
    nm_per_px: float | None = None,
    methods: Sequence[str] = ("watershed",),
    shape: tuple[int, int] = (100, 120),
    probabilities: Mapping[int, Sequence[float]] | None = None,
) -> ImageAnalysis:
    """Give every method the same particles."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, dtype=np.int32)
    for disc in discs:
        labels[(columns - disc.x) ** 2 + (rows - disc.y) ** 2 <= disc.radius**2] = disc.ident
    boxes = []
    for disc in discs:
        y, x = np.nonzero(labels == disc.ident)
        boxes.append((y.min(), x.min(), y.max() + 1, x.max() + 1))
    n = len(discs)
    agglomerates = Agglomerates(
        labels=np.zeros((0, 0), dtype=np.int32),
        ids=np.array([disc.ident for disc in discs], dtype=np.int32),
        x=np.array([disc.x for disc in discs], dtype=np.float64),
        y=np.array([disc.y for disc in discs], dtype=np.float64),
        area_px=np.array([np.count_nonzero(labels == disc.ident) for disc in discs], dtype=np.int64),
        boxes=np.array(boxes, dtype=np.int32).reshape(n, 4),
        excluded=tuple(disc.excluded for disc in discs),
        polarity=Polarity.DARK,
        threshold=0.5,
    )
    owners = [(disc, d) for disc in discs for d in disc.diameters]
    particles = Particles.from_circles(
        [disc.ident for disc, _ in owners],
        [disc.x for disc, _ in owners],
        [disc.y for disc, _ in owners],
        [d / 2 for _, d in owners],
    )
    table = np.full((n, 5), np.nan)
    for ident, values in (probabilities or {}).items():
        table[agglomerates.ids == ident] = values
    calibration = Calibration.unknown() if nm_per_px is None else Calibration.typed(nm_per_px)
    return ImageAnalysis(
        request=ImageRequest(Path(path)),
        settings=AnalysisSettings(methods=tuple(methods)),
        version="0",
        name=Path(path).name,
        shape=shape,
        calibration=calibration,
        data_bar_top=None,
        agglomerates=agglomerates,
        labels=PackedLabels.pack(labels),
        results={m: SizingResult.from_particles(m, agglomerates, particles, table) for m in methods},
        seconds=dict.fromkeys(methods, 0.25),
        warnings=(),
    )
