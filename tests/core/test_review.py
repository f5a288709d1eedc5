"""What to correct next: by the formula, and what a person has settled is left out."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.review import NOTHING_KNOWN, WHOLLY_UNCERTAIN, rank
from tests.core.analyses import Disc, make_analysis


def with_errors(analysis: ImageAnalysis, errors: list[float], method: str = "watershed") -> ImageAnalysis:
    """Give the particles relative standard errors."""
    result = analysis.results[method]
    p = result.particles
    uncertain = dataclasses.replace(p, uncertainty_px=np.array(errors) * p.diameter_px)
    results = {**analysis.results, method: dataclasses.replace(result, particles=uncertain)}
    return dataclasses.replace(analysis, results=results)


def three(**kwargs: object) -> ImageAnalysis:
    return make_analysis(
        [Disc(1, 20, 20, 8, (10, 10)), Disc(2, 60, 20, 8, (20,)), Disc(5, 20, 60, 8, (10,), "touches border"),
         Disc(7, 60, 60, 8, (14, 15, 12))],
        **kwargs,  # type: ignore[arg-type]
    )  # fmt: skip


def test_influence_is_the_jackknife_plus_what_its_number_gives() -> None:
    """Against ln GMD computed again without the agglomerate."""
    found = rank([three()], "watershed")
    logs = {1: [10, 10], 2: [20], 7: [14, 15, 12]}
    # The excluded one is left out of the GMD, so that its particle does not count here either.
    everything = np.log([10, 10, 20, 14, 15, 12])
    s = float(everything.std())
    for candidate in found:
        own = np.log(logs[candidate.agglomerate])
        n, n_all = len(own), 6
        deviation = abs(float((own - everything.mean()).sum()))
        assert candidate.influence == pytest.approx((deviation + s * math.sqrt(n)) / (n_all - n))
        # A method that says nothing of its doubts leaves the order to the influence.
        assert candidate.uncertainty == NOTHING_KNOWN
        assert candidate.reasons == ("doubt not known",)
    assert [c.influence for c in found] == sorted((c.influence for c in found), reverse=True)
    assert sum(c.share for c in found) == pytest.approx(1)
    assert {c.agglomerate for c in found} == {1, 2, 7}


def test_entropy_of_the_network_counts() -> None:
    flat, sure = (0.2,) * 5, (0.0, 0.0, 1.0, 0.0, 0.0)
    analysis = three(probabilities={1: flat, 2: (0.5, 0.5, 0, 0, 0), 7: sure})
    found = {c.agglomerate: c for c in rank([analysis], "watershed")}
    assert found[1].uncertainty == pytest.approx(1)
    assert found[2].uncertainty == pytest.approx(math.log(2) / math.log(5))
    assert found[7].uncertainty == pytest.approx(0, abs=1e-9)
    assert found[2].reasons == ("1 or 2 particles",) and found[7].reasons == ()
    assert sum(c.share for c in found.values()) == pytest.approx(1)


def test_errors_of_diameters_count_up_to_wholly_uncertain() -> None:
    errors = [0.0, 0.0, WHOLLY_UNCERTAIN / 2, 0.0, 9.0, 9.0, 9.0]
    found = {c.agglomerate: c for c in rank([with_errors(three(), errors)], "watershed")}
    assert [found[i].uncertainty for i in (1, 2, 7)] == pytest.approx([0, 0.5, 1])
    assert found[7].reasons == ("sizes uncertain",)


def test_disagreement_between_methods_counts() -> None:
    one, other = three(methods=("watershed",)), make_analysis(
        [Disc(1, 20, 20, 8, (10,)), Disc(2, 60, 20, 8, (20 * math.sqrt(2),)), Disc(5, 20, 60, 8),
         Disc(7, 60, 60, 8, (14, 15, 12))],
        methods=("hough",),
    )  # fmt: skip
    both = dataclasses.replace(one, results={**one.results, **other.results})
    found = {c.agglomerate: c for c in rank([both], "watershed")}
    assert [found[i].uncertainty for i in (1, 2, 7)] == pytest.approx([1, 0.5, 0])
    assert found[1].reasons == ("Hough transform: 1",)


def test_what_nobody_measured_by_hand_yet_is_no_disagreement() -> None:
    one = three(methods=("watershed",))
    by_hand = make_analysis(
        [Disc(1, 20, 20, 8), Disc(2, 60, 20, 8, (20, 20)), Disc(5, 20, 60, 8), Disc(7, 60, 60, 8)],
        methods=("manual",),
    )  # fmt: skip
    both = dataclasses.replace(one, results={**one.results, **by_hand.results})
    found = {c.agglomerate: c for c in rank([both], "watershed")}
    assert [found[i].uncertainty for i in (1, 2, 7)] == pytest.approx([0, 1, 0])
    assert [found[i].reasons for i in (1, 2, 7)] == [(), ("By hand: 2",), ()]


def test_the_order_is_influence_times_uncertainty() -> None:
    analyses = [
        make_analysis([Disc(i, 15 * i, 20, 6, (d,)) for i, d in enumerate(sizes, start=1)])
        for sizes in ((10, 11, 40), (12, 9, 10))
    ]
    errors = [[0.05, 0.2, 0.24], [0.01, 0.25, 0.02]]
    analyses = [with_errors(a, e) for a, e in zip(analyses, errors, strict=True)]
    found = rank(analyses, "watershed", ["a", "b"])
    assert [c.priority for c in found] == sorted((c.priority for c in found), reverse=True)
    assert all(c.priority == pytest.approx(c.influence * c.uncertainty) for c in found)
    assert {(c.image, c.agglomerate) for c in found} == {(k, i) for k in "ab" for i in (1, 2, 3)}
    assert (found[0].image, found[0].agglomerate) == ("a", 3), "far from the mean and not sure"


def test_what_is_settled_is_not_listed_but_still_counts() -> None:
    analysis = three(probabilities={1: (0.2,) * 5, 2: (0.5, 0.5, 0, 0, 0)})
    everything = {c.agglomerate: c for c in rank([analysis], "watershed", ["a"])}
    rest = rank([analysis], "watershed", ["a"], {"a": {1}})
    assert {c.agglomerate for c in rest} == {2, 7}
    assert all(c.influence == everything[c.agglomerate].influence for c in rest)
    assert sum(c.share for c in rest) == pytest.approx(1)


def test_nothing_to_rank() -> None:
    assert rank([], "watershed") == []
    assert rank([three()], "hough") == []
    assert rank([make_analysis([])], "watershed") == []
    alone = rank([make_analysis([Disc(1, 20, 20, 8, (10,))])], "watershed")
    assert len(alone) == 1 and math.isfinite(alone[0].influence)


def test_particles_outside_of_agglomerates_do_no_harm() -> None:
    analysis = three()
    result = analysis.results["watershed"]
    owner = result.particles.agglomerate.copy()
    owner[0] = 0
    particles = dataclasses.replace(result.particles, agglomerate=owner)
    results = {"watershed": dataclasses.replace(result, particles=particles)}
    found = rank([dataclasses.replace(analysis, results=results)], "watershed")
    assert {c.agglomerate: c.n_particles for c in found} == {1: 1, 2: 1, 7: 3}
