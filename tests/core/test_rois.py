from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.errors import NanoAIError, ParameterError, ReadError
from nanoai_gui.core.spectra.quantities import Quantity, measure_band
from nanoai_gui.core.spectra.rois import (
    COLOURS,
    Brush,
    Lasso,
    Polygon,
    Rectangle,
    Roi,
    Rois,
    inside_polygon,
)
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.core.spectra.state import rois_from_bytes, rois_to_bytes

AXIS = np.arange(1000.0, 1800.0, 4.0)


def map_of(side: int = 10, name: str = "m") -> SpectralSet:
    """A band at 1590 cm-1 that grows with x, on a slope; one pixel a um."""
    y, x = (v.ravel().astype(float) for v in np.mgrid[0:side, 0:side])
    values = x[:, None] * 10 * np.exp(-0.5 * ((AXIS - 1590) / 15) ** 2) + AXIS * 0.1
    columns = {"x_um": x, "y_um": y, "map": np.full(x.size, name)}
    return SpectralSet(values.astype(np.float32), AXIS, columns)


def places(mask: np.ndarray, spectra: SpectralSet) -> set[tuple[float, float]]:
    return set(zip(spectra.x_um[mask].tolist(), spectra.y_um[mask].tolist(), strict=True))


def test_rectangles_hold_their_edges_whichever_corner_comes_first() -> None:
    spectra = map_of()
    for shape in (Rectangle(2, 3, 4, 5), Rectangle(4, 5, 2, 3)):
        assert places(shape.mask(spectra), spectra) == {(x, y) for x in (2, 3, 4) for y in (3, 4, 5)}


def test_outlines_agree_with_winding_of_points() -> None:
    random = np.random.default_rng(0)
    points = tuple((float(np.cos(a) * r), float(np.sin(a) * r)) for a, r in zip(
        np.linspace(0, 2 * np.pi, 17)[:-1], random.uniform(0.4, 1.0, 16), strict=True
    ))  # fmt: skip
    x, y = random.uniform(-1.2, 1.2, (2, 3000))
    corners = np.array([complex(*p) for p in points])
    z = x + 1j * y
    turned = np.angle((np.roll(corners, -1)[:, None] - z) / (corners[:, None] - z)).sum(axis=0)
    assert np.array_equal(inside_polygon(x, y, points), np.abs(turned) > np.pi)


def test_a_brush_takes_what_is_painted_and_strong() -> None:
    spectra = map_of()
    heights = measure_band(spectra, Quantity.HEIGHT, (1540, 1640))
    level = float(heights[6]) * 0.999
    everywhere = Brush((), 1, "Band height", level)
    assert places(everywhere.mask(spectra, heights), spectra) == {
        (x, y) for x in range(6, 10) for y in range(10)
    }
    painted = Brush(((6.0, 2.0), (7.0, 2.0)), 1.0, "Band height", level)
    assert places(painted.mask(spectra, heights), spectra) == {
        (6, 1), (6, 2), (6, 3), (7, 1), (7, 2), (7, 3), (8, 2),
    }  # fmt: skip
    assert places(painted.mask(spectra), spectra) == {
        (5, 2), (6, 1), (6, 2), (6, 3), (7, 1), (7, 2), (7, 3), (8, 2),
    }  # fmt: skip


def test_spectra_without_a_place_lie_in_no_shape() -> None:
    nowhere = SpectralSet(map_of(3).intensities, AXIS)
    assert not Rectangle(-9, -9, 9, 9).mask(nowhere).any()
    assert not Polygon(((-9, -9), (9, -9), (0, 9))).mask(nowhere).any()


def test_names_colours_and_groups() -> None:
    rois = Rois().add([1, 0, 1], label="early").add([5], group="cell 2", label="late")
    rois = rois.add([7], label="early", name="bright spot")
    assert [roi.name for roi in rois] == ["ROI 1", "ROI 2", "bright spot"]
    assert [roi.colour for roi in rois] == [COLOURS[0], COLOURS[1], COLOURS[0]]
    assert [roi.heading for roi in rois] == ["early", "cell 2", "early"]
    assert rois.groups == ("cell 2",) and rois[1].rows.tolist() == [0, 1]
    changed = rois.change([2], name="lysosome 1", colour="#123abc")
    assert changed[2].label == "late" and changed[2].colour == "#123abc"
    assert len(changed.remove([1, 3])) == 1 and len(rois) == 3
    assert rois.remove([1]).next_number == 4, "a number is not given twice while it is in use"
    with pytest.raises(ParameterError, match="two regions"):
        rois.change([1], name="ROI 2")
    with pytest.raises(NanoAIError, match="not there any more"):
        rois[9]
    with pytest.raises(ParameterError, match="no colour"):
        Roi(1, "r", np.arange(2), colour="red")
    with pytest.raises(ParameterError, match="needs a name"):
        Roi(1, " ", np.arange(2))
    with pytest.raises(ParameterError, match="at least one"):
        rois.add([])
    with pytest.raises(ParameterError, match="three corners"):
        Polygon(((0, 0), (1, 1)))


def test_painting_adds_and_takes_away() -> None:
    rois = Rois().add([1, 2]).add([9])
    assert rois.paint(1, [2, 3])[1].rows.tolist() == [1, 2, 3]
    assert rois.paint(1, [2, 5], erase=True)[1].rows.tolist() == [1]
    assert [roi.number for roi in rois.paint(1, [1, 2], erase=True)] == [2], "an empty region goes"


def test_averages_follow_regions_and_groups() -> None:
    spectra = map_of()
    rois = Rois().add([0, 1], label="g").add([1, 2], label="g")
    one = rois.average(1, spectra)
    assert one.n_spectra == 2
    assert np.allclose(one.mean, spectra.intensities[:2].mean(axis=0))
    assert np.allclose(one.deviation, spectra.intensities[:2].std(axis=0, ddof=1), atol=1e-4)
    assert rois.group_average("g", spectra).n_spectra == 3, "the shared spectrum once"
    nothing = rois.group_average("h", spectra)
    assert nothing.n_spectra == 0 and np.isnan(nothing.mean).all()
    assert rois.select(2, spectra).x_um.tolist() == [1, 2]


def test_assigning_writes_names_and_labels() -> None:
    spectra = map_of(3).with_column("label", np.full(9, "old"))
    rois = Rois().add([0, 1], label="a").add([1], label="a long name").add([2])
    named = rois.assign(spectra)
    assert named.columns["roi"].tolist() == ["ROI 1", "ROI 2", "ROI 3"] + [""] * 6
    assert named.columns["label"].tolist() == ["a", "a long name"] + ["old"] * 7
    assert Rois().assign(spectra) is spectra


def test_lists_survive_json() -> None:
    rois = Rois().add([4, 5, 6, 9, 20], shape=Rectangle(0, 0.5, 1, 1), label="früh", group="Zelle 1")
    rois = rois.add([0], shape=Polygon(((0, 0), (1, 0), (0, 1.25)))).add([1], name="x")
    rois = rois.add([2], shape=Lasso(((0, 0), (1, 0), (0, 1.25), (-1, 0.1))), colour="#00ff00")
    rois = rois.add([3], shape=Brush(((1, 2), (3, 4)), 0.5, "Band area", 120.0)).remove([2])
    again = rois_from_bytes(rois_to_bytes(rois), 21)
    assert len(again) == len(rois)
    for a, b in zip(again, rois, strict=True):
        assert a.rows.tolist() == b.rows.tolist()
        assert (a.number, a.name, a.label, a.group, a.colour, a.shape) == (
            b.number, b.name, b.label, b.group, b.colour, b.shape
        )  # fmt: skip
    with pytest.raises(ReadError, match="larger map"):
        rois_from_bytes(rois_to_bytes(rois), 20)


HEAD = '{"format": "nanoai-rois", "version": 1, "rois": [{"number": 1, "name": "r", "label": "", "group": "",'


@pytest.mark.parametrize(
    "text",
    [
        "x", "3", "[" * 100_000, '{"format": "nanoai-rois", "version": 2, "rois": []}',
        '{"format": "nanoai-rois", "version": 1}',
        '{"format": "nanoai-rois", "version": 1, "rois": [{"name": "r"}]}',
        HEAD + '"colour": "#000000", "rows": [[0, 2]], "shape": {"kind": "circle"}}]}',
        HEAD + '"colour": "#000000", "rows": [[0, 2]], "shape": {"kind": "rectangle", "x0": NaN, "y0": 0,'
        ' "x1": 1, "y1": 1}}]}',
        HEAD + '"colour": "red", "rows": [[0, 2]], "shape": null}]}',
        HEAD + '"colour": "#000000", "rows": [], "shape": null}]}',
        HEAD + '"colour": "#000000", "rows": [[0, 99999999999999]], "shape": null}]}',
        HEAD + '"colour": "#000000", "rows": [[-3, 2]], "shape": null}]}',
    ],
)  # fmt: skip
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(ReadError):
        rois_from_bytes(text.encode(), 100)
