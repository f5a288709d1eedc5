"""Whether a table that was read from a file can be what it says it is: lengths, ids, places.

What a file holds may be damaged or made to do harm. Whoever works with a table relies on what its class
promises, and nobody looks again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates, StoredLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.core.tem.sizing import Description, SizingResult

LARGEST_SIDE = 2**17
LARGEST_PIXEL_COUNT = 2**29
"""No image that was measured is larger (px; its labels take four bytes each)."""
LARGEST_ID = 2**24
"""Of an agglomerate or a particle: there are tables by id."""
_FAR = 1e8
"""Nothing lies further away, in px."""


def is_sound(made: object) -> bool:
    """Whether the parts of a table belong together, where its class does not see to that itself."""
    from nanoai_gui.core.tem.features import FeatureTable
    from nanoai_gui.core.tem.fitting.report import FitReport

    match made:
        case Agglomerates():
            return _are_agglomerates(made)
        case SizingResult():
            return _is_result(made)
        case Particles():
            return _are_particles(made)
        case FeatureTable():
            shape = (len(made.ids), len(made.feature_set.features))
            return made.ids.ndim == 1 and made.values.shape == shape and made.scale_px.shape == shape[:1]
        case Description():
            n_features = made.table.values.shape[1:]
            return made.low.shape == made.high.shape == n_features
        case FitReport():
            return made.levels.ndim == made.extra.ndim == 2 and made.extra.shape[1] == 3
        case ImageAnalysis():
            return _is_analysis(made)
    return True


def _are_agglomerates(made: Agglomerates) -> bool:
    n = len(made.ids)
    columns = (made.ids, made.x, made.y, made.area_px)
    return (
        all(column.shape == (n,) for column in columns)
        and made.boxes.shape == (n, 4)
        and len(made.excluded) == n
        and made.labels.ndim == 2
        and (made.status is None or (made.status.shape == (n,) and _are_statuses(made.status)))
        and _are_ids(made.ids)
        and _are_near(made.x, made.y)
        and bool((made.area_px >= 0).all())
        and bool((made.boxes >= 0).all())
        and bool((made.boxes[:, :2] < made.boxes[:, 2:]).all())
    )


def _is_result(made: SizingResult) -> bool:
    n = len(made.agglomerate_ids)
    return (
        made.agglomerate_ids.shape == made.n_particles.shape == (n,)
        and made.probabilities.shape == (n, 5)
        and len(made.excluded) == n
        and _are_ids(made.agglomerate_ids)
        and bool((made.n_particles >= 0).all())
    )


def _are_particles(made: Particles) -> bool:
    n = len(made.ids)
    columns = (
        made.ids, made.agglomerate, made.x, made.y, made.area_px, made.score, made.uncertainty_px,
        made.status, made.flagged,
    )  # fmt: skip
    return (
        all(column.shape == (n,) for column in columns)
        and all(outline.ndim == 2 and outline.shape[1] == 2 for outline in made.outlines)
        and (_are_ids(made.ids) or _are_ids(np.unique(made.ids), n))
        and _are_statuses(made.status)
        and _are_near(made.x, made.y, *_joined(made.outlines))
        and bool(np.isfinite(made.area_px).all() and (made.area_px >= 0).all())
    )


def _is_analysis(made: ImageAnalysis) -> bool:
    n, (height, width) = len(made.agglomerates), made.shape
    top = made.data_bar_top
    return (
        is_size(made.shape)
        and (top is None or 0 <= top <= height)
        and all(np.array_equal(r.agglomerate_ids, made.agglomerates.ids) for r in made.results.values())
        and all(name == result.method for name, result in made.results.items())
        and (n == 0 or bool((made.agglomerates.boxes[:, 2:] <= (height, width)).all()))
        and made.n_hand_edits >= 0
    )


def unpacked(stored: StoredLabels) -> NDArray[np.int32]:
    """Unpack a label image, (height, width), and see that it is one.

    Raises
    ------
    ValueError
        If it is none.
    """
    labels = stored.unpack()
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= LARGEST_ID:
        raise ValueError("the label image holds ids that cannot be")
    return labels


def labels_fit(labels: NDArray[np.int32], table: Agglomerates) -> bool:
    """Whether a label image, (height, width), holds the agglomerates of a table, and nothing else."""
    if int(np.count_nonzero(labels)) != int(table.area_px.sum()):
        return False
    return all(
        int(np.count_nonzero(labels[y0:y1, x0:x1] == ident)) == area
        for ident, area, (y0, x0, y1, x1) in zip(
            table.ids.tolist(), table.area_px.tolist(), table.boxes.tolist(), strict=True
        )
    )


def is_size(shape: tuple[int, int]) -> bool:
    """Whether an image may have this height and width, in px."""
    return all(0 < side <= LARGEST_SIDE for side in shape) and shape[0] * shape[1] <= LARGEST_PIXEL_COUNT


def _are_ids(ids: NDArray[np.int32], n: int | None = None) -> bool:
    """Whether ids ascend from 1 at least, without doubles (and are ``n``)."""
    if n is not None and len(ids) != n:
        return False
    return not len(ids) or (
        int(ids[0]) > 0 and int(ids[-1]) <= LARGEST_ID and bool((ids[1:] > ids[:-1]).all())
    )


def _are_statuses(values: NDArray[np.integer]) -> bool:
    return bool(np.isin(values, [int(status) for status in Status]).all())


def _are_near(*places: NDArray[np.floating]) -> bool:
    return all(bool((np.abs(place) < _FAR).all()) for place in places)  # which NaN is not


def _joined(outlines: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    drawn = [outline for outline in outlines if len(outline)]
    return [np.concatenate(drawn)] if drawn else []
