"""Features of shapes whose features are known, and of shapes nobody would choose."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.tem.features import FEATURE_SETS, extract, get_feature_set, measured_with
from nanoai_gui.core.tem.features.extraction import LARGEST_CUT_PX
from tests.core.shapes_made import Disc, drawn, labelled

RICH = get_feature_set("rich")


def features(agglomerates: object) -> list[dict[str, float]]:
    values = extract(agglomerates, RICH).values  # type: ignore[arg-type]
    return [dict(zip(RICH.names, row.tolist(), strict=True)) for row in values]


def test_a_disc() -> None:
    (disc,) = features(drawn([(60, 60, 20)]))
    for name in ("solidity", "major axis", "minor axis", "perimeter", "convexity", "maximum Feret",
                 "minimum Feret", "inscribed circle", "summit 1", "summit area"):  # fmt: skip
        assert disc[name] == pytest.approx(1, abs=0.05), name
    assert disc["eccentricity"] == pytest.approx(0, abs=0.05)
    assert disc["skewness along"] == pytest.approx(0, abs=0.02)
    assert disc["flatness along"] == pytest.approx(2, abs=0.05)  # of a uniform disc: exactly 2
    assert disc["mean distance"] == pytest.approx(1 / 3, abs=0.02)  # of a disc: exactly a third
    assert (disc["summits"], disc["summit 2"], disc["coarse concave share"]) == (1, 0, 0)
    # The depth is that of a sphere.
    assert disc["mean depth"] == pytest.approx(2 / 3, abs=0.04)
    assert disc["likeness to sphere"] > 0.99


def test_two_discs_that_touch() -> None:
    (pair,) = features(drawn([(60, 60, 20), (100, 60, 20)]))
    assert pair["summits"] == 2
    for summit in ("summit 1", "summit 2"):
        assert pair[summit] == pytest.approx(math.sqrt(0.5), abs=0.03)
    assert pair["summit 3"] == 0
    assert pair["summit area"] == pytest.approx(1, abs=0.06)
    assert pair["maximum Feret"] == pytest.approx(2 * math.sqrt(0.5), abs=0.04)
    assert pair["minimum Feret"] == pytest.approx(math.sqrt(0.5), abs=0.03)
    # Second moments of two discs of radius r, centres 2r apart: r²/4 across, r²/4 + r² along.
    assert pair["minor axis"] == pytest.approx(math.sqrt(0.5), abs=0.02)
    assert pair["major axis"] == pytest.approx(math.sqrt(0.5 * 5), abs=0.03)
    assert pair["coarse concave share"] > 0.1


def test_two_unlike_discs_that_touch() -> None:
    (pair,) = features(drawn([(60, 60, 24), (96, 60, 12)]))
    d = 2 * math.hypot(24, 12)
    assert pair["summits"] == 2
    assert pair["summit 1"] == pytest.approx(48 / d, abs=0.03)
    assert pair["summit 2"] == pytest.approx(24 / d, abs=0.03)
    assert pair["summit area"] == pytest.approx(1, abs=0.06)
    # Spheres on the summits are all there is.
    assert pair["unexplained"] < 0.1


def three(angle: float, scale: float, centre: tuple[float, float]) -> list[Disc]:
    c, s = math.cos(angle), math.sin(angle)
    return [
        (centre[0] + scale * (x * c - y * s), centre[1] + scale * (x * s + y * c), scale * r)
        for x, y, r in [(-20, 0, 18), (14, 4, 22), (30, 30, 14)]
    ]


@pytest.mark.parametrize(("angle", "scale"), [(0.6, 1.0), (2.1, 1.0), (math.pi, 1.0), (0.0, 1.7), (1.0, 1.4)])
def test_rotation_and_magnification_change_next_to_nothing(angle: float, scale: float) -> None:
    plain, other = (
        features(drawn(three(a, s, (128, 128)), absorption=1 / s))[0] for a, s in ((0.0, 1.0), (angle, scale))
    )
    # These count pixels near the rim, or on one side of a limit that many lie on.
    loose = {
        "distance 25%": 0.03,
        "fine concave share": 0.25,
        "depth skewness": 0.08,
        "coarse concave share": 0.05,
        # Summits sit on whole pixels, so spheres on them fit exactly only by chance.
        "unexplained": 0.07,
        "unexplained 5%": 0.1,
        "unexplained 95%": 0.1,
        "unexplained share": 0.05,
    }
    for name, value in plain.items():
        # Votes fall into cells, and radii into six classes.
        allowed = 0.3 if name.startswith("ring") else loose.get(name, 0.02)
        assert other[name] == pytest.approx(value, rel=0.1, abs=allowed), name


def test_circles_that_the_edges_speak_for() -> None:
    (disc,) = features(drawn([(60, 60, 20)]))
    assert disc["ring radius 1"] == 0.5 and disc["ring 0.5"] == disc["ring score 1"] > 1
    # Nothing else has half as many votes.
    assert max(disc["ring score 2"], disc["ring 0.36"], disc["ring 0.19"]) < 0.5 * disc["ring 0.5"]
    (pair,) = features(drawn([(60, 60, 20), (100, 60, 20)]))
    assert (pair["ring radius 1"], pair["ring radius 2"]) == (0.36, 0.36)
    assert min(pair["ring score 1"], pair["ring score 2"]) > 1 > 2 * pair["ring score 3"]
    assert pair["ring 0.5"] < 0.3


def test_what_the_distance_map_cannot_explain() -> None:
    (flat,) = features(drawn([(60, 60, 20), (95, 60, 20)]))
    # A small sphere in front of a large one shows in the depth and not in the outline.
    (hidden,) = features(drawn([(60, 60, 24), (66, 62, 10)]))
    (alone,) = features(drawn([(60, 60, 24)]))
    assert alone["unexplained"] < 0.1 and flat["unexplained"] < 0.2
    assert hidden["summits"] == alone["summits"] == 1
    assert hidden["unexplained 95%"] > alone["unexplained 95%"] + 0.1
    assert hidden["ring 0.19"] > 2 * alone["ring 0.19"]


def test_mirroring_changes_nothing() -> None:
    agglomerates = drawn(three(0.4, 1.0, (128, 128)))
    assert agglomerates.contrast is not None
    mirrored = labelled(
        np.ascontiguousarray(agglomerates.labels[:, ::-1]),
        np.ascontiguousarray(agglomerates.contrast[:, ::-1]),
    )
    for name, value in features(agglomerates)[0].items():
        assert features(mirrored)[0][name] == pytest.approx(value, rel=1e-3, abs=1e-6), name


def odd_shapes() -> NDArray[np.int32]:
    """A pixel, lines, a ring, a comb, and two blobs that only touch at a corner."""
    labels = np.zeros((120, 160), dtype=np.int32)
    labels[2, 2] = 1
    labels[10, 5:60] = 2
    labels[20:80, 5] = 3
    y, x = np.mgrid[:120, :160]
    labels[(np.hypot(y - 50, x - 60) < 20) & (np.hypot(y - 50, x - 60) > 17)] = 4
    labels[90:110, 10:60:2] = 5
    labels[90, 10:60] = 5
    labels[20:25, 100:105] = 6
    labels[25:30, 105:110] = 6
    labels[0:4, 150:160] = 7
    return labels


@pytest.mark.parametrize("contrast", ["nothing", "opaque", "brighter than the background", "noise"])
def test_always_finite(contrast: str) -> None:
    labels = odd_shapes()
    shape = labels.shape
    values = {
        "nothing": np.zeros(shape),
        "opaque": np.ones(shape),
        "brighter than the background": np.full(shape, -0.5),
        "noise": np.random.default_rng(1).normal(0, 2, shape),
    }[contrast]
    table = extract(labelled(labels, values.astype(np.float32)), RICH)
    assert table.values.shape == (7, len(RICH.features))
    assert np.isfinite(table.values).all()
    assert (table.scale_px > 0).all()


def test_random_blobs_are_finite_and_in_their_limits() -> None:
    from scipy import ndimage

    noise = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(300, 300)), 3)
    labels, n = ndimage.label(noise > 0.12)
    found = features(labelled(labels.astype(np.int32)))
    assert len(found) == n > 20
    for one in found:
        assert all(math.isfinite(value) for value in one.values())
        assert 0 < one["solidity"] <= 1.0001
        assert 0 <= one["eccentricity"] <= 1
        assert one["minor axis"] <= one["major axis"]
        assert one["minimum Feret"] <= one["maximum Feret"]
        assert 0 <= one["fine concave share"] <= 1


def test_large_agglomerates_are_thinned_without_a_change() -> None:
    small, large = (
        features(
            drawn(
                [(s * 100, s * 100, s * 30), (s * 150, s * 100, s * 25)], size=int(s * 220), absorption=1 / s
            )
        )[0]
        for s in (0.5, 3.0)
    )
    assert LARGEST_CUT_PX < 3 * 105
    for name in get_feature_set("region-13").names:
        assert large[name] == pytest.approx(small[name], rel=0.12, abs=0.03), name


def test_left_out_ones_are_not_described_unless_asked_for() -> None:
    agglomerates = drawn([(40, 40, 12)], [(100, 40, 12)], [(160, 40, 12)])
    some = dataclasses.replace(agglomerates, excluded=("", "touches border", ""))
    assert extract(some, RICH).ids.tolist() == [1, 3]
    assert extract(some, RICH, np.array([False, True, False])).ids.tolist() == [2]


def test_the_smaller_set_is_a_part_of_the_larger() -> None:
    agglomerates = drawn(three(0.4, 1.0, (128, 128)))
    small = get_feature_set("region-13")
    assert len(small.features) == 13
    assert set(small.names) <= set(RICH.names)
    everything = features(agglomerates)[0]
    assert extract(agglomerates, small).values[0].tolist() == [everything[name] for name in small.names]


def test_what_is_measured_anyway_is_named() -> None:
    """The set with all that comes with a smaller one costs no further group of measures."""
    small = get_feature_set("region-13")
    wide = measured_with(small)
    assert measured_with(RICH) is RICH
    assert set(small.names) < set(wide.names) < set(RICH.names)
    assert set(wide.groups) == set(small.groups)
    assert [wide.names[i] for i in wide.columns_of(small)] == list(small.names)
    with pytest.raises(ValueError, match="not in"):
        wide.columns_of(RICH)
    agglomerates = drawn(three(0.4, 1.0, (128, 128)))
    table = extract(agglomerates, wide)
    np.testing.assert_array_equal(table.choose(small).values, extract(agglomerates, small).values)
    assert table.choose(small).feature_set == small and table.choose(wide) is table


def test_every_feature_says_what_it_is() -> None:
    for feature_set in FEATURE_SETS.values():
        assert len(set(feature_set.names)) == len(feature_set.names)
        for feature in feature_set.features:
            assert feature.formula and feature.source


def test_problems() -> None:
    agglomerates = drawn([(60, 60, 20)])
    with pytest.raises(ParameterError, match="Choose one of region-13, rich"):
        get_feature_set("region-12")
    with pytest.raises(ValueError, match="contrast"):
        extract(agglomerates.without_contrast(), RICH)
    with pytest.raises(OperationCancelled):
        extract(agglomerates, RICH, cancelled=lambda: True)
