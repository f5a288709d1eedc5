"""How good a measurement is where the truth is known: matching, errors of the distribution, exact counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nanoai_gui.core.tem.agglomerates import Agglomerates
    from nanoai_gui.core.tem.sizing import SizingResult
    from nanoai_gui.core.tem.synthesis import SyntheticImage

MINIMUM_IOU = 0.5
"""A found circle is a true one when they share at least this part of their union."""
MOSTLY = 0.5
"""A circle is mostly covered by another one that covers a larger share of it."""


@dataclass(frozen=True, eq=False)
class Circles:
    """Circles as columns of length n, in px."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    diameter: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is true and what was found in one agglomerate.

    Parameters
    ----------
    true, found
        Diameters in px of the true and of the found particles.
    n_matched
        How many of them are the same ones.
    """

    true: NDArray[np.float64]
    found: NDArray[np.float64]
    n_matched: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Errors of one method on one population.

    ``gmd_error`` and ``gsd_error`` are relative and signed (0.05: found 5 % too large); ``..._ci95`` their
    95 % intervals by bootstrap over agglomerates, true and found particles of one agglomerate drawn
    together. ``f1``, ``precision`` and ``recall`` count particles matched at an IoU of 0.5; ``exact_count``
    is the share of agglomerates with the right number of particles, ``singles_as_one`` the same among
    single particles (NaN without any).
    """

    n_agglomerates: int
    n_true: int
    n_found: int
    gmd_error: float
    gsd_error: float
    gmd_ci95: tuple[float, float]
    gsd_ci95: tuple[float, float]
    precision: float
    recall: float
    f1: float
    exact_count: float
    singles_as_one: float


def circle_iou(
    distance: NDArray[np.float64], radius_1: NDArray[np.float64], radius_2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Intersection over union of circles whose centres are ``distance`` apart (all (n,), one unit)."""
    shared = lens_area(distance, radius_1, radius_2)
    union = np.pi * (radius_1**2 + radius_2**2) - shared
    return np.asarray(shared / np.maximum(union, 1e-300), dtype=np.float64)


def lens_area(
    distance: NDArray[np.float64], radius_1: NDArray[np.float64], radius_2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Area shared by two circles (all (n,), one unit)."""
    d, r, s = (np.asarray(v, dtype=np.float64) for v in (distance, radius_1, radius_2))
    small, big = np.minimum(r, s), np.maximum(r, s)
    apart, inside = d >= r + s, d <= big - small
    safe = np.where(apart | inside, 1.0, d)
    with np.errstate(invalid="ignore", divide="ignore"):
        a = small**2 * np.arccos(np.clip((safe**2 + small**2 - big**2) / (2 * safe * small), -1, 1))
        b = big**2 * np.arccos(np.clip((safe**2 + big**2 - small**2) / (2 * safe * big), -1, 1))
        square = (-safe + r + s) * (safe + r - s) * (safe - r + s) * (safe + r + s)
        area = a + b - 0.5 * np.sqrt(np.maximum(square, 0))
    return np.where(apart, 0.0, np.where(inside, np.pi * small**2, area))


def mostly_covered(circles: Circles, by: Circles) -> NDArray[np.bool_]:
    """Tell of which circles, (n,), any single one of ``by`` covers more than half of the area."""
    covered = np.zeros(len(circles), dtype=bool)
    radius = circles.diameter / 2
    for x, y, r in zip(by.x, by.y, by.diameter / 2, strict=True):
        away = np.hypot(circles.x - x, circles.y - y)
        near = np.flatnonzero(away < radius + r)
        common = lens_area(away[near], radius[near], np.full(len(near), r))
        covered[near] |= common > MOSTLY * np.pi * radius[near] ** 2
    return covered


def match_circles(
    true: Circles, found: Circles, minimum_iou: float = MINIMUM_IOU
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair true and found circles one to one, best overlap first.

    Returns
    -------
    Rows of ``true`` and the rows of ``found`` they are paired with, each (m,).
    """
    from scipy.spatial import cKDTree

    nothing = np.empty(0, dtype=np.intp)
    if not len(true) or not len(found):
        return nothing, nothing
    # Circles that share half of their union have centres closer than the larger radius.
    reach = float(max(true.diameter.max(), found.diameter.max())) / 2
    tree = cKDTree(np.column_stack([found.x, found.y]))
    near = tree.query_ball_point(np.column_stack([true.x, true.y]), reach)
    i = np.repeat(np.arange(len(true)), [len(n) for n in near])
    j = np.array([b for n in near for b in n], dtype=np.intp)
    iou = circle_iou(
        np.hypot(true.x[i] - found.x[j], true.y[i] - found.y[j]), true.diameter[i] / 2, found.diameter[j] / 2
    )
    true_free, found_free = np.ones(len(true), dtype=bool), np.ones(len(found), dtype=bool)
    pairs: list[tuple[int, int]] = []
    for k in np.argsort(-iou, kind="stable"):
        if iou[k] < minimum_iou:
            break
        if true_free[i[k]] and found_free[j[k]]:
            true_free[i[k]] = found_free[j[k]] = False
            pairs.append((int(i[k]), int(j[k])))
    if not pairs:
        return nothing, nothing
    rows = np.array(pairs, dtype=np.intp)
    return rows[:, 0], rows[:, 1]


def compare(
    true: Circles,
    true_agglomerate: NDArray[np.integer],
    found: Circles,
    found_agglomerate: NDArray[np.integer],
) -> list[Comparison]:
    """Compare one image, agglomerate by agglomerate.

    Parameters
    ----------
    true_agglomerate, found_agglomerate
        The same ids for the same agglomerates. Found particles outside of every true agglomerate carry an
        id of their own (0, say): they count as false.
    """
    true_rows, _ = match_circles(true, found)
    matched = np.zeros(len(true), dtype=bool)
    matched[true_rows] = True
    out = []
    for label in np.union1d(true_agglomerate, found_agglomerate):
        mine = true_agglomerate == label
        out.append(
            Comparison(
                true=true.diameter[mine],
                found=found.diameter[found_agglomerate == label],
                n_matched=int(matched[mine].sum()),
            )
        )
    return out


def compare_with_truth(
    image: SyntheticImage, agglomerates: Agglomerates, result: SizingResult
) -> list[Comparison]:
    """Compare what a method found in a synthetic image with its truth.

    A found particle belongs to the true agglomerate that most of its silhouette covers. True particles
    whose silhouette was left out by the border rule are left out as well.
    """
    p = result.particles
    owner: dict[int, int] = {}
    left_out: set[int] = set()
    for row, agglomerate_id in enumerate(agglomerates.ids):
        y0, x0, y1, x1 = agglomerates.boxes[row]
        mine = agglomerates.labels[y0:y1, x0:x1] == agglomerate_id
        beneath = image.labels[y0:y1, x0:x1][mine]
        counts = np.bincount(beneath)
        counts[0] = 0
        owner[int(agglomerate_id)] = int(counts.argmax()) if counts.any() else 0
        if agglomerates.excluded[row]:
            left_out.update(int(v) for v in np.unique(beneath) if v)
    found_owner = np.array([owner[int(a)] for a in p.agglomerate], dtype=np.int64)
    truth = image.truth
    seen = ~np.isin(truth.agglomerate, list(left_out))
    kept = ~np.isin(found_owner, list(left_out))
    return compare(
        Circles(truth.x_px[seen], truth.y_px[seen], truth.diameter_px[seen]),
        truth.agglomerate[seen],
        Circles(p.x[kept], p.y[kept], p.diameter_px[kept]),
        found_owner[kept],
    )


def gmd_gsd(diameters: NDArray[np.floating]) -> tuple[float, float]:
    """Geometric mean diameter, and geometric standard deviation (population); NaN for none."""
    if len(diameters) == 0:
        return float("nan"), float("nan")
    logarithm = np.log(diameters)
    return float(np.exp(logarithm.mean())), float(np.exp(logarithm.std()))


def accuracy(comparisons: Sequence[Comparison], n_bootstrap: int = 1000, seed: int = 0) -> Accuracy:
    """Sum up the comparisons of one population (all its images together)."""
    true = np.concatenate([c.true for c in comparisons]) if comparisons else np.empty(0)
    found = np.concatenate([c.found for c in comparisons]) if comparisons else np.empty(0)
    true_gmd, true_gsd = gmd_gsd(true)
    found_gmd, found_gsd = gmd_gsd(found)
    matched = sum(c.n_matched for c in comparisons)
    precision = matched / len(found) if len(found) else float("nan")
    recall = matched / len(true) if len(true) else float("nan")
    real = [c for c in comparisons if len(c.true)]
    singles = [c for c in real if len(c.true) == 1]
    gmd_ci, gsd_ci = _bootstrap(comparisons, n_bootstrap, seed)
    return Accuracy(
        n_agglomerates=len(real),
        n_true=len(true),
        n_found=len(found),
        gmd_error=found_gmd / true_gmd - 1,
        gsd_error=found_gsd / true_gsd - 1,
        gmd_ci95=gmd_ci,
        gsd_ci95=gsd_ci,
        precision=precision,
        recall=recall,
        f1=2 * matched / (len(true) + len(found)) if len(true) + len(found) else float("nan"),
        exact_count=_share([len(c.true) == len(c.found) for c in real]),
        singles_as_one=_share([len(c.found) == 1 for c in singles]),
    )


def _share(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _bootstrap(
    comparisons: Sequence[Comparison], n_bootstrap: int, seed: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95 % intervals of the relative errors of GMD and GSD."""
    nan = (float("nan"), float("nan"))
    if not comparisons or n_bootstrap < 1:
        return nan, nan
    # Sums of 1, ln d and (ln d)^2 of each agglomerate are all that a resample needs.
    sums = np.array(
        [
            [v for d in (c.true, c.found) for v in (len(d), np.log(d).sum(), (np.log(d) ** 2).sum())]
            for c in comparisons
        ]
    )
    rng = np.random.default_rng(seed)
    n = len(comparisons)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_bootstrap) @ sums
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_true, mean_found = drawn[:, 1] / drawn[:, 0], drawn[:, 4] / drawn[:, 3]
        sd_true = np.sqrt(np.maximum(drawn[:, 2] / drawn[:, 0] - mean_true**2, 0))
        sd_found = np.sqrt(np.maximum(drawn[:, 5] / drawn[:, 3] - mean_found**2, 0))
        gmd, gsd = np.expm1(mean_found - mean_true), np.expm1(sd_found - sd_true)
    return _interval(gmd), _interval(gsd)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)
