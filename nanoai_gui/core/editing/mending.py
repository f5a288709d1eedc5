"""Making the label image and the table of an analysis fit each other, where a file holds what does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing.rows import is_in, take_agglomerates, take_result
from nanoai_gui.core.exchange.shapes import label_boxes
from nanoai_gui.core.soundness import labels_fit
from nanoai_gui.core.tem.agglomerates import Agglomerates, PackedLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.core.tem.sizing import SizingResult, count_particles, is_automatic


def mended(
    analysis: ImageAnalysis, labels: NDArray[np.int32]
) -> tuple[ImageAnalysis, NDArray[np.int32]] | None:
    """Make what was found fit its label image, so that no edit can fail on it.

    Pixels of ids that the table does not know become background. Agglomerates without a pixel go, with what
    methods found in them; particles that a person drew stay and belong to none. Areas, centres and boxes are
    those of the pixels, and agglomerates of which they were others are to be measured again.

    Parameters
    ----------
    labels
        (height, width), unpacked from the analysis; not changed.

    Returns
    -------
    ImageAnalysis and (height, width) int32, or None
        ``None`` if they fit.
    """
    table = analysis.agglomerates
    if labels.shape != analysis.shape:
        labels = np.zeros(analysis.shape, dtype=np.int32)
    elif labels_fit(labels, table):
        return None
    size = int(max(labels.max(initial=0), table.ids.max(initial=0))) + 1
    known = np.zeros(size, dtype=bool)
    known[table.ids] = True
    labels = np.where(known[labels], labels, 0).astype(np.int32)
    fitting, changed = _counted(table, labels)
    results = {
        name: _fitting(result, fitting, is_automatic(name), changed)
        for name, result in analysis.results.items()
    }
    made = replace(analysis, agglomerates=fitting, labels=PackedLabels.pack(labels), results=results)
    return made, labels


def _counted(table: Agglomerates, labels: NDArray[np.int32]) -> tuple[Agglomerates, frozenset[int]]:
    """Give the rows of a table that have pixels, as these say, and the ids of those that were others."""
    y, x = np.nonzero(labels)
    row = np.searchsorted(table.ids, labels[y, x])
    n = len(table)
    area = np.bincount(row, minlength=n)
    there = np.flatnonzero(area > 0)
    rows = take_agglomerates(table, table.ids[there].tolist())
    boxes = label_boxes(labels, rows.ids).astype(np.int32)
    differs = (rows.area_px != area[there]) | (rows.boxes != boxes).any(axis=1)
    return (
        replace(
            rows,
            x=np.bincount(row, x, n)[there] / area[there],
            y=np.bincount(row, y, n)[there] / area[there],
            area_px=area[there].astype(np.int64),
            boxes=boxes,
            labels=table.labels,
        ),
        frozenset(rows.ids[differs].tolist()),
    )


def _fitting(
    result: SizingResult, table: Agglomerates, is_measured: bool, changed: frozenset[int]
) -> SizingResult:
    p = result.particles
    is_owned = is_in(p.agglomerate, table.ids.tolist()) | (p.agglomerate == 0)
    by_hand = p.status != Status.AUTO
    owner = np.where(is_owned, p.agglomerate, 0).astype(np.int32)
    particles: Particles = replace(p, agglomerate=owner).select(is_owned | by_hand)
    rows = take_result(result, table.ids.tolist())
    ids = rows.agglomerate_ids.tolist()
    waiting = {i for i, why in zip(ids, rows.excluded, strict=True) if i in changed and not why}
    return replace(
        rows,
        particles=particles,
        n_particles=count_particles(rows.agglomerate_ids, particles),
        stale=(rows.stale | waiting) if is_measured else frozenset(),
        fit=result.fit,
    )
