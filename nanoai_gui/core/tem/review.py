"""What to correct next: the agglomerates whose correction would move the GMD most."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nanoai_gui.core.tem.analysis import ImageAnalysis
    from nanoai_gui.core.tem.sizing import SizingResult

WHOLLY_UNCERTAIN = 0.25
"""Relative standard error of a diameter from which on it counts as not known at all."""
WHOLLY_DIFFERENT = math.log(2)
"""Methods that differ by a factor of two, in number or in size, agree on nothing."""
_WORTH_SAYING = 0.25
NOTHING_KNOWN = 0.5
"""Uncertainty where a method says nothing of its doubts and no other one measured: then influence decides."""
UNSAID = "doubt not known"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One agglomerate to look at.

    Parameters
    ----------
    image
        Key of its image.
    agglomerate
        Its id.
    x, y
        Its centroid in px.
    n_particles
        How many primary particles the method found.
    priority
        Influence times uncertainty, see :func:`rank`.
    share
        Its part of the priorities of all, in [0, 1].
    influence
        How far ln GMD may move with this agglomerate.
    uncertainty
        In [0, 1].
    reasons
        Why it is uncertain, in a few words each; may be empty.
    """

    image: Hashable
    agglomerate: int
    x: float
    y: float
    n_particles: int
    priority: float
    share: float
    influence: float
    uncertainty: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Facts:
    """What counts of the measured agglomerates of one image: one row each.

    ``total`` is the sum of ln d of its particles; the three doubts are in [0, 1], 0 where not known, and
    ``says_doubt`` tells whether any of them can be.
    """

    image: Hashable
    rows: NDArray[np.intp]
    count: NDArray[np.float64]
    total: NDArray[np.float64]
    entropy: NDArray[np.float64]
    spread: NDArray[np.float64]
    disagreement: NDArray[np.float64]
    reasons: list[tuple[str, ...]]
    says_doubt: bool


def rank(
    analyses: Sequence[ImageAnalysis],
    method: str,
    keys: Sequence[Hashable] | None = None,
    settled: Mapping[Hashable, Collection[int]] | None = None,
    cache: Cache | None = None,
) -> list[Candidate]:
    """Put the agglomerates that ``method`` measured in the order in which correcting them pays.

    With N particles in all, n_g of them in agglomerate g, u = ln d less its mean over all particles and
    s their standard deviation, the sum of u over g being S_g:

    influence    J_g = (|S_g| + s sqrt(n_g)) / (N - n_g)
    uncertainty  U_g = 1 - (1 - H_g) (1 - R_g) (1 - D_g)
    priority     P_g = J_g U_g

    S_g / (N - n_g) is the jackknife influence of g: by so much ln GMD changes when g is left out, and the sum
    of its squares is the jackknife variance, that is the square of what the interval of the GMD rests on
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11). An agglomerate whose particles
    happen to be of mean size would have none, however wrong they are; so the standard deviation of S_g for
    n_g independent particles is added.

    H_g  entropy of the PNC-ANN's probabilities of 1 to 5 particles, over ln 5;
    R_g  root mean square of the relative standard errors of its diameters, over 0.25, at most 1; where the
         method gives no errors, 1 less the mean score of its particles;
    D_g  mean over the other methods that measured g of the larger of |ln| of the ratio of numbers and |ln| of
         the ratio of geometric mean diameters, over ln 2, at most 1.

    Of these three, what is not known counts as 0, that is as no doubt; where none of them is, U_g is 1/2, so
    that the order is that of the influence.

    Parameters
    ----------
    analyses
        Images without a result of ``method`` are passed over.
    method
        Name of the sizing method whose GMD is to become surer.
    keys
        What each image is called; its index in ``analyses`` by default.
    settled
        Ids of the agglomerates of each image that a person has looked at: they count for the GMD, but are
        not listed.
    cache
        Keeps what was worked out of each analysis, for the next call: only those that changed are looked at
        again. Empty to begin with.

    Returns
    -------
    Candidates, the largest priority first; those that nothing speaks against come last, in the order of their
    influence.
    """
    names: Sequence[Hashable] = range(len(analyses)) if keys is None else keys
    pairs = [(n, a) for n, a in zip(names, analyses, strict=True) if method in a.results]
    facts = [_remembered(name, analysis, method, cache) for name, analysis in pairs]
    logs = np.concatenate([np.empty(0), *(_logs(a.results[method]) for _, a in pairs)])
    if not len(logs):
        return []
    n_all, mean, s = len(logs), float(logs.mean()), float(logs.std())
    found: list[Candidate] = []
    for f, (_, analysis) in zip(facts, pairs, strict=True):
        deviation = np.abs(f.total - f.count * mean)
        # One that no particle was found in may hold one.
        influence = (deviation + s * np.sqrt(np.maximum(f.count, 1))) / np.maximum(n_all - f.count, 1)
        doubt = 1 - (1 - f.entropy) * (1 - f.spread) * (1 - f.disagreement)
        if not f.says_doubt:
            doubt = np.full(len(doubt), NOTHING_KNOWN)
        seen = set((settled or {}).get(f.image, ()))
        a = analysis.agglomerates
        where = dict(zip(a.ids.tolist(), zip(a.x.tolist(), a.y.tolist(), strict=True), strict=True))
        ids = analysis.results[method].agglomerate_ids[f.rows].tolist()
        for i, ident in enumerate(ids):
            if ident not in seen and ident in where:
                x, y = where[ident]
                found.append(
                    Candidate(
                        f.image, ident, x, y, int(f.count[i]), float(influence[i] * doubt[i]), 0.0,
                        float(influence[i]), float(doubt[i]), f.reasons[i],
                    )
                )  # fmt: skip
    found.sort(key=lambda c: (-c.priority, -c.influence, str(c.image), c.agglomerate))
    whole = sum(c.priority for c in found) or 1.0
    return [replace(c, share=c.priority / whole) for c in found]


Cache = dict[Hashable, tuple["ImageAnalysis", str, _Facts]]
"""For each image: the analysis and the method that the facts belong to."""


def _remembered(image: Hashable, analysis: ImageAnalysis, method: str, cache: Cache | None) -> _Facts:
    known = None if cache is None else cache.get(image)
    if known is not None and known[0] is analysis and known[1] == method:
        return known[2]
    facts = _facts(image, analysis, method)
    if cache is not None:
        cache[image] = analysis, method, facts
    return facts


def _logs(result: SizingResult) -> NDArray[np.float64]:
    """Give ln d of the particles that count for the GMD: not those of excluded agglomerates."""
    excluded = result.agglomerate_ids[np.array([bool(reason) for reason in result.excluded], dtype=bool)]
    p = result.particles
    return np.asarray(np.log(p.diameter_px[~np.isin(p.agglomerate, excluded)]))


def _facts(image: Hashable, analysis: ImageAnalysis, method: str) -> _Facts:
    result = analysis.results[method]
    rows = np.flatnonzero(np.array([not reason for reason in result.excluded], dtype=bool))
    ids = result.agglomerate_ids[rows]
    count, total = _sums(result, ids)
    entropy, likely = _entropy(analysis, method, ids)
    spread = _spread(result, ids)
    disagreement, others = _disagreement(analysis, method, ids, count, total)
    says_doubt = _says_doubt(analysis, method)
    reasons = []
    for i in range(len(rows)):
        said = [] if says_doubt else [UNSAID]
        if entropy[i] > _WORTH_SAYING:
            said.append(likely[i])
        if others[i]:
            said.append(others[i])
        if spread[i] > _WORTH_SAYING:
            said.append("sizes uncertain")
        reasons.append(tuple(said))
    return _Facts(image, rows, count, total, entropy, spread, disagreement, reasons, says_doubt)


def _says_doubt(analysis: ImageAnalysis, method: str) -> bool:
    """Whether anything at all is known of how sure the method can be of this image."""
    from nanoai_gui.core.tem.sizing import is_automatic

    own = analysis.results[method]
    p = own.particles
    others = [name for name in analysis.results if name != method]
    return bool(
        any(is_automatic(name) or len(analysis.results[name].particles) for name in others)
        or np.isfinite(own.probabilities).any()
        or np.isfinite(p.uncertainty_px).any()
        or np.isfinite(p.score).any()
    )


def _sums(result: SizingResult, ids: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give number of particles and sum of ln d of each agglomerate (ids ascending)."""
    p = result.particles
    row, own = _rows_of(p.agglomerate, ids)
    count = np.bincount(row, minlength=len(ids)).astype(np.float64)
    return count, np.bincount(row, np.log(p.diameter_px[own]), minlength=len(ids)).astype(np.float64)


def _rows_of(owners: NDArray[np.int32], ids: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Row in ``ids`` (ascending) of each owner that is among them, and which ones are."""
    if not len(ids):
        return np.empty(0, dtype=np.intp), np.zeros(len(owners), dtype=bool)
    row = np.clip(np.searchsorted(ids, owners), 0, len(ids) - 1)
    own = ids[row] == owners
    return row[own], own


def _entropy(
    analysis: ImageAnalysis, method: str, ids: NDArray[np.int32]
) -> tuple[NDArray[np.float64], list[str]]:
    """Entropy of the number of particles: by the method itself, else by the first network that measured."""
    value, words = np.zeros(len(ids)), [""] * len(ids)
    results = [analysis.results[method], *(r for m, r in analysis.results.items() if m != method)]
    for result in results:
        if not np.isfinite(result.probabilities).any():
            continue
        row = np.searchsorted(result.agglomerate_ids, ids)
        row = np.clip(row, 0, len(result.agglomerate_ids) - 1)
        p = result.probabilities[row]
        known = (result.agglomerate_ids[row] == ids) & np.isfinite(p).all(axis=1)
        p = np.clip(np.where(known[:, None], p, 1.0), 1e-12, 1.0)
        value = np.where(known, np.clip(-(p * np.log(p)).sum(axis=1) / math.log(p.shape[1]), 0, 1), 0.0)
        for i in np.flatnonzero(known):
            first, second = sorted((np.argsort(p[i])[-2:] + 1).tolist())
            words[i] = f"{first} or {second} particles"
        break
    return value, words


def _spread(result: SizingResult, ids: NDArray[np.int32]) -> NDArray[np.float64]:
    p = result.particles
    row, own = _rows_of(p.agglomerate, ids)
    count = np.maximum(np.bincount(row, minlength=len(ids)), 1)
    error = (p.uncertainty_px / p.diameter_px)[own]
    if np.isfinite(error).any():
        square = np.bincount(row, np.nan_to_num(error, nan=0.0) ** 2, minlength=len(ids)) / count
        return np.minimum(np.sqrt(square) / WHOLLY_UNCERTAIN, 1.0)
    doubt = 1 - np.nan_to_num(p.score[own], nan=1.0)
    return np.asarray(np.clip(np.bincount(row, doubt, minlength=len(ids)) / count, 0, 1))


def _disagreement(
    analysis: ImageAnalysis,
    method: str,
    ids: NDArray[np.int32],
    count: NDArray[np.float64],
    total: NDArray[np.float64],
) -> tuple[NDArray[np.float64], list[str]]:
    from nanoai_gui.core.tem.sizing import get_method, is_automatic

    value, asked, words = np.zeros(len(ids)), np.zeros(len(ids)), [""] * len(ids)
    for name, result in analysis.results.items():
        if name == method:
            continue
        measured = np.array([not reason for reason in result.excluded], dtype=bool)
        both = np.isin(ids, result.agglomerate_ids[measured])
        n, sum_of_logs = _sums(result, ids)
        if not is_automatic(name):
            both &= n > 0  # where a person has measured nothing yet, they do not disagree
        apart = np.abs(np.log(np.maximum(n, 0.5) / np.maximum(count, 0.5)))
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes = np.abs(sum_of_logs / n - total / count)
        apart = np.fmax(apart, sizes)
        value += np.where(both, np.minimum(apart / WHOLLY_DIFFERENT, 1.0), 0.0)
        asked += both
        for i in np.flatnonzero(both & (n != count)):
            words[i] = words[i] or f"{get_method(name).TITLE}: {int(n[i])}"
    return value / np.maximum(asked, 1), words
