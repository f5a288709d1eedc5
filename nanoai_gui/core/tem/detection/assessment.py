"""How well a particle network does on scenes it has not seen: what stands on its card."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.detection.candidates import Candidates, read_answer, share_inside, suppress
from nanoai_gui.core.tem.detection.lessons import SCENE_PX, pack_contrast, unpack_contrast
from nanoai_gui.core.tem.detection.model import ParticleNetwork
from nanoai_gui.core.tem.synthesis.scenes import LEAST_SHOWN, Scene, make_scene

MINIMUM_IOU = 0.5
INNER_PX = 24
"""Particles whose centres lie closer to the border of a scene are cut off and do not count."""
SCORES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
WITHIN = 0.683
"""Share of radii that shall lie within one standard error."""


@dataclass(frozen=True, eq=False)
class Matches:
    """What was found in some scenes: for each candidate its score, and the true particle it is, if any.

    ``n_true`` counts particles that can be known; ``error`` is the found over the true logarithmic radius
    (NaN for none), ``spread`` the error the network expected, ``void`` marks particles that nobody can know
    of or that the border cuts.
    """

    n_true: int
    score: NDArray[np.float64]
    error: NDArray[np.float64]
    spread: NDArray[np.float64]
    void: NDArray[np.bool_]

    def f1(self, least: float) -> float:
        """F1 of those with at least this score; those that nobody can know do not count."""
        kept = (self.score >= least) & ~self.void
        right = int(np.count_nonzero(kept & np.isfinite(self.error)))
        return 2 * right / max(self.n_true + int(np.count_nonzero(kept)), 1)


def match_scene(network: ParticleNetwork, scene: Scene) -> Matches:
    """Let a network look at a scene and match what it finds, best overlap first."""
    found = read_answer(network(unpack_contrast(pack_contrast(scene.contrast))))
    found = found.select(suppress(found))
    inner = (np.abs(found.x - SCENE_PX / 2) < SCENE_PX / 2 - INNER_PX) & (
        np.abs(found.y - SCENE_PX / 2) < SCENE_PX / 2 - INNER_PX
    )
    found = found.select(inner)
    n = len(scene.x)
    true = Candidates(scene.x, scene.y, scene.radial.astype(np.float64), np.ones(n), np.ones(n))
    # A margin less: a particle at the very edge of the inner part may be found on its other side.
    counted = (np.abs(scene.x - SCENE_PX / 2) < SCENE_PX / 2 - INNER_PX) & (
        np.abs(scene.y - SCENE_PX / 2) < SCENE_PX / 2 - INNER_PX
    )
    known = scene.shown >= LEAST_SHOWN
    error = np.full(len(found), np.nan)
    void = np.zeros(len(found), dtype=bool)
    missing = counted & known
    if len(found) and n:
        both = Candidates.joined([true, found])
        i = np.repeat(np.arange(n), len(found))
        j = np.tile(np.arange(len(found)), n)
        near = np.hypot(true.x[i] - found.x[j], true.y[i] - found.y[j]) < np.maximum(
            true.radius[i], found.radius[j]
        )
        i, j = i[near], j[near]
        area = both.radius**2
        shared = share_inside(both, i, j + n) * area[i]
        iou = shared / (area[i] + area[j + n] - shared)
        taken_true, taken_found = np.zeros(n, dtype=bool), np.zeros(len(found), dtype=bool)
        for k in np.argsort(-iou, kind="stable").tolist():
            if iou[k] < MINIMUM_IOU:
                break
            a, b = int(i[k]), int(j[k])
            if taken_true[a] or taken_found[b]:
                continue
            taken_true[a] = taken_found[b] = True
            if known[a] and counted[a]:
                error[b] = np.log(found.radius[b] / true.radius[a])
            else:
                void[b] = True
    return Matches(int(np.count_nonzero(missing)), found.score, error, found.spread, void)


def join(matches: Iterable[Matches]) -> Matches:
    """Put the matches of several scenes together."""
    parts = list(matches)
    return Matches(
        sum(m.n_true for m in parts),
        np.concatenate([m.score for m in parts]),
        np.concatenate([m.error for m in parts]),
        np.concatenate([m.spread for m in parts]),
        np.concatenate([m.void for m in parts]),
    )


def assess(network: ParticleNetwork, n_scenes: int, seed: int) -> dict[str, Any]:
    """Measure on scenes of a seed that was not used in training.

    Returns
    -------
    facts
        For the card: numbers of scenes and particles, ``f1`` at each least score, the ``best_score``,
        ``radius_error_percent`` (median, absolute), ``radius_bias_percent`` (median) and ``spread_factor``,
        by which the network's expected error must be multiplied for one standard error. If nothing it found
        is right, all of these but the factor, 1, are left out.
    """
    matches = join(match_scene(network, make_scene([seed, 1, k], SCENE_PX)) for k in range(n_scenes))
    f1 = {f"{s:.2f}": round(matches.f1(s), 4) for s in SCORES}
    best = max(SCORES, key=matches.f1)
    right = np.isfinite(matches.error) & (matches.score >= best)
    error = matches.error[right]
    if not len(error):
        # A network that has hardly learned: nothing it found is right.
        return {"scenes": n_scenes, "seed": seed, "particles": matches.n_true, "f1": f1, "spread_factor": 1.0}
    return {
        "scenes": n_scenes,
        "seed": seed,
        "particles": matches.n_true,
        "f1": f1,
        "best_score": best,
        "radius_error_percent": round(100 * float(np.median(np.abs(error))), 3),
        "radius_bias_percent": round(100 * float(np.median(error)), 3),
        "spread_factor": round(float(np.quantile(np.abs(error) / matches.spread[right], WITHIN)), 4),
    }
