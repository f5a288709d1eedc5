from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.errors import NanoAIError, ParameterError, ReadError
from nanoai_gui.core.spectra.rois import (
    COLOURS,
    Brush,
    Lasso,
    Polygon,
    Rectangle,
    Roi,
    Rois,
    band_height,
    inside_polygon,
)
from nanoai_gui.core.spectra.spectral_set import AxisError, SpectralSet

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
    heights = band_height(spectra, 1540, 1640)
    assert np.allclose(heights[:10] / heights[1], np.arange(10), atol=1e-3), "the slope does not count"
    everywhere = Brush((), 1, 1540, 1640, float(heights[6]) * 0.999)
    assert places(everywhere.mask(spectra), spectra) == {(x, y) for x in range(6, 10) for y in range(10)}
    painted = Brush(((6.0, 2.0), (7.0, 2.0)), 1.0, 1540, 1640, float(heights[6]) * 0.999)
    assert places(painted.mask(spectra), spectra) == {
        (6, 1), (6, 2), (6, 3), (7, 1), (7, 2), (7, 3), (8, 2),
    }  # fmt: skip
    with pytest.raises(AxisError):
        Brush((), 1, 2000, 2100, 5).mask(spectra)


def test_regions_belong_to_their_map() -> None:
    first, second = map_of(3, "a"), map_of(3, "b")
    both = SpectralSet(
        np.concatenate([first.intensities, second.intensities]),
        AXIS,
        {k: np.concatenate([first.columns[k], second.columns[k]]) for k in ("x_um", "y_um", "map")},
    )
    assert Roi("r", Rectangle(0, 0, 0, 0), map="b").mask(both).nonzero()[0].tolist() == [9]
    assert Roi("r", Rectangle(0, 0, 0, 0)).mask(both).nonzero()[0].tolist() == [0, 9]
    nowhere = SpectralSet(first.intensities, AXIS)
    assert not Roi("r", Rectangle(-9, -9, 9, 9)).mask(nowhere).any()


def test_names_colours_and_groups() -> None:
    rois = Rois().add(Rectangle(0, 0, 1, 1), group="early").add(Rectangle(5, 5, 6, 6), group="late")
    rois = rois.add(Rectangle(2, 2, 3, 3), group="early", name="bright spot")
    assert [roi.name for roi in rois] == ["ROI 1", "ROI 2", "bright spot"]
    assert [roi.colour for roi in rois] == [COLOURS[0], COLOURS[1], COLOURS[0]]
    assert rois.groups == ("early", "late")
    changed = rois.change("ROI 2", name="lysosome 1", colour="#123abc")
    assert changed["lysosome 1"].group == "late" and changed["lysosome 1"].colour == "#123abc"
    assert len(changed.remove("ROI 1")) == 2 and len(rois) == 3
    with pytest.raises(ParameterError, match="two regions"):
        rois.change("ROI 1", name="ROI 2")
    with pytest.raises(NanoAIError, match="no region called"):
        rois.remove("gone")
    with pytest.raises(ParameterError, match="no colour"):
        Roi("r", Rectangle(0, 0, 1, 1), colour="red")
    with pytest.raises(ParameterError, match="needs a name"):
        Roi(" ", Rectangle(0, 0, 1, 1))
    with pytest.raises(ParameterError, match="three corners"):
        Polygon(((0, 0), (1, 1)))


def test_averages_follow_regions_and_groups() -> None:
    spectra = map_of()
    rois = Rois().add(Rectangle(0, 0, 1, 0), group="g").add(Rectangle(1, 0, 2, 0), group="g")
    rois = rois.add(Rectangle(90, 90, 91, 91))
    one = rois.average("ROI 1", spectra)
    assert one.n_spectra == 2
    assert np.allclose(one.mean, spectra.intensities[:2].mean(axis=0))
    assert np.allclose(one.deviation, spectra.intensities[:2].std(axis=0, ddof=1), atol=1e-4)
    assert rois.group_average("g", spectra).n_spectra == 3, "the shared spectrum once"
    nothing = rois.average("ROI 3", spectra)
    assert nothing.n_spectra == 0 and np.isnan(nothing.mean).all()
    assert rois.select("ROI 2", spectra).x_um.tolist() == [1, 2]


def test_assigning_writes_names_and_labels() -> None:
    spectra = map_of(3).with_column("label", np.full(9, "old"))
    rois = Rois().add(Rectangle(0, 0, 1, 0), group="a").add(Rectangle(1, 0, 1, 0), group="a long name")
    named = rois.assign(spectra)
    assert named.columns["roi"].tolist() == ["ROI 1", "ROI 2"] + [""] * 7
    assert set(named.columns["label"].tolist()) == {"old"}
    labelled = rois.assign(spectra, labels_from_groups=True)
    assert labelled.columns["label"].tolist() == ["a", "a long name"] + ["old"] * 7


def test_lists_survive_json() -> None:
    rois = Rois().add(Rectangle(0, 0.5, 1, 1), group="früh", map="m")
    rois = rois.add(Polygon(((0, 0), (1, 0), (0, 1.25))))
    rois = rois.add(Lasso(((0, 0), (1, 0), (0, 1.25), (-1, 0.1))), colour="#00ff00")
    rois = rois.add(Brush(((1, 2), (3, 4)), 0.5, 1570, 1610, 120.0)).add(Brush((), 1, 200, 300, 4))
    again = Rois.from_json(rois.to_json())
    assert again == rois
    assert [type(roi.shape) for roi in again] == [Rectangle, Polygon, Lasso, Brush, Brush]


@pytest.mark.parametrize(
    "text",
    [
        "x", "3", '{"format": "nanoai-rois", "version": 2, "rois": []}',
        '{"format": "nanoai-rois", "version": 1}',
        '{"format": "nanoai-rois", "version": 1, "rois": [{"name": "r"}]}',
        '{"format": "nanoai-rois", "version": 1, "rois": [{"name": "r", "colour": "#000000", "group": "",'
        ' "map": "", "shape": {"kind": "circle"}}]}',
        '{"format": "nanoai-rois", "version": 1, "rois": [{"name": "r", "colour": "#000000", "group": "",'
        ' "map": "", "shape": {"kind": "rectangle", "x0": NaN, "y0": 0, "x1": 1, "y1": 1}}]}',
    ],
)  # fmt: skip
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(ReadError):
        Rois.from_json(text)
