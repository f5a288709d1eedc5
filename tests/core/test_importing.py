"""Agglomerates and particles from elsewhere as one edit; what a person measured by hand stays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tifffile

from nanoai_gui.core.editing import circles
from nanoai_gui.core.editing.circles import Ellipse
from nanoai_gui.core.editing.document import ImageDocument, rerun_edit
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.importing import import_labels, import_particles
from nanoai_gui.core.editing.patches import ValuePatch
from nanoai_gui.core.editing.remeasure import amendment, measure, remeasurement
from nanoai_gui.core.exchange.reading import Choice, Outlines
from nanoai_gui.core.exchange.reading import take as take_outlines
from nanoai_gui.core.exchange.shapes import Role, Shape
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageRequest, load
from nanoai_gui.core.tem.by_hand import seconds_of, value_key
from nanoai_gui.core.tem.distribution import take
from nanoai_gui.core.tem.given import analyse_given, blank_analysis
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.core.tem.report import ImageRecord, summarise
from nanoai_gui.core.tem.sizing import ALL_METHODS, get_method, is_automatic
from tests.core.edited import SHAPE, do, id_at, made, made_micrograph


def undone(document: ImageDocument, edit: Edit, before: bytes) -> None:
    """Back and forth to the last bit, also through bytes."""
    after = document.state_bytes()
    document.apply(edit, forward=False)
    assert document.state_bytes() == before
    document.apply(Edit.from_bytes(edit.to_bytes()))
    assert document.state_bytes() == after


def test_imported_labels_replace_what_differs_and_keep_the_rest() -> None:
    document = made().document()
    before = document.state_bytes()
    labels = document.labels.copy()
    pair, gone, single = id_at(document, 40, 40), id_at(document, 250, 60), id_at(document, 150, 150)
    labels[labels == gone] = 0
    labels[:, 52:][labels[:, 52:] == pair] = 70_000
    kept = document.results["watershed"].particles.select(
        document.results["watershed"].particles.agglomerate == single
    )
    edit = do(document, import_labels(document, labels))
    assert np.array_equal(document.labels, labels)
    table = document.table
    assert gone not in table.ids and 70_000 in table.ids
    statuses = dict(zip(table.ids.tolist(), (table.status if table.status is not None else []), strict=True))
    assert (statuses[70_000], statuses[pair], statuses[single]) == (Status.ADDED, Status.EDITED, Status.AUTO)
    assert document.stale() == {"watershed": {pair, 70_000}}
    task = remeasurement(document, made().micrograph, made().grey_levels)
    assert task is not None
    patches = amendment(document, measure(task))
    document.apply(Edit("Measure again", patches))
    result = document.results["watershed"]
    assert not document.stale()
    assert {pair, 70_000} <= set(result.particles.agglomerate.tolist())
    same = result.particles.select(result.particles.agglomerate == single)
    assert same.ids.tolist() == kept.ids.tolist()
    document.apply(Edit("Measure again", patches), forward=False)
    undone(document, edit, before)


def test_ids_that_change_places_by_the_dozen_are_described_rightly() -> None:
    """As when another program numbers the same agglomerates in another order."""
    rng = np.random.default_rng(3)
    document = made().document()
    first = np.zeros(SHAPE, dtype=np.int32)
    for i, ident in enumerate(rng.permutation(80) + 1):
        y, x = 20 * (i // 16) + 5, 20 * (i % 16)
        first[y : y + rng.integers(3, 15), x : x + rng.integers(3, 15)] = ident
    do(document, import_labels(document, first))
    names = np.concatenate([[0], rng.permutation(80) + 1]).astype(np.int32)
    second = names[first]
    before = document.state_bytes()
    edit = do(document, import_labels(document, second))
    table = document.table
    for row, ident in enumerate(table.ids.tolist()):
        ys, xs = np.nonzero(second == ident)
        assert table.boxes[row].tolist() == [ys.min(), xs.min(), ys.max() + 1, xs.max() + 1]
        assert table.area_px[row] == len(ys)
        assert (table.x[row], table.y[row]) == pytest.approx((xs.mean(), ys.mean()))
    undone(document, edit, before)


def test_the_same_labels_are_no_edit() -> None:
    document = made().document()
    assert import_labels(document, document.labels.copy()) is None


def test_imported_particles_stand_under_a_method_of_their_own() -> None:
    document = made().document()
    before = document.state_bytes()
    pair = id_at(document, 40, 40)
    new = dataclasses.replace(
        Particles.from_circles([pair, pair, 0], [40, 62, 5], [40, 42, 100], [14, 13, 3]),
        ids=np.array([4, 9, 12], dtype=np.int32),
        status=np.full(3, Status.ADDED, dtype=np.int8),
    )
    edit = do(document, import_particles(document, "manual", new))
    result = document.results["manual"]
    assert result.particles.ids.tolist() == [4, 9, 12]
    assert result.n_particles[result.agglomerate_ids == pair].tolist() == [2]
    assert not is_automatic("manual")
    undone(document, edit, before)
    more = do(document, import_particles(document, "manual", new.select(np.array([0])), replaces=False))
    assert document.results["manual"].particles.ids.tolist() == [4, 9, 12, 13]
    assert more.title == "Import 1 particle"


def test_imported_particles_in_the_place_of_those_of_a_method() -> None:
    document = made().document()
    before = document.state_bytes()
    ident = int(document.results["watershed"].particles.ids[0])
    do(document, circles.accept(document, "watershed", [ident]))
    border = int(document.table.ids[np.array([bool(r) for r in document.table.excluded])][0])
    new = Particles.from_circles([border], [300], [8], [14])
    new = dataclasses.replace(new, ids=np.array([ident + 500], dtype=np.int32))
    middle = document.state_bytes()
    edit = do(document, import_particles(document, "watershed", new))
    result = document.results["watershed"]
    assert result.particles.ids.tolist() == [ident + 500]
    row = int(np.flatnonzero(result.agglomerate_ids == border)[0])
    assert result.excluded[row] == "" and result.n_particles[row] == 1
    assert not document.accepted("watershed")
    undone(document, edit, middle)
    assert before != middle


def test_what_was_measured_by_hand_stays_when_the_image_is_analysed_again() -> None:
    document = made().document()
    pair = id_at(document, 40, 40)
    do(document, circles.add(document, "manual", Ellipse(40, 40, 14, 14)))
    do(document, circles.add(document, "manual", Ellipse(10, 200, 5, 5)))
    do(document, Edit("", (ValuePatch(value_key("manual", 1), None, 4.5),)))
    assert document.analysis is not None and document.analysis.seconds["manual"] == 4.5
    before = document.state_bytes()
    edit = do(document, rerun_edit(document, made(("hough",)).analysis))
    assert set(document.results) == {"hough", "manual"}
    particles = document.results["manual"].particles
    assert particles.ids.tolist() == [1, 2] and particles.agglomerate.tolist() == [pair, 0]
    assert document.analysis.seconds["manual"] == 4.5
    assert seconds_of(document.values, "manual") == {1: 4.5}
    undone(document, edit, before)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "made.tif"
    tifffile.imwrite(path, made_micrograph().pixels)
    return path


def test_given_agglomerates_are_measured_as_found_ones(image: Path) -> None:
    """Ids may be as large as they like, and nothing below the data bar counts."""
    found = made().analysis
    labels = found.labels.unpack()
    labels = np.where(labels > 0, labels + 2_000_000_000, 0).astype(np.int32)
    labels[235:, :40] = 7
    request = ImageRequest(image, data_bar_top=235)
    analysis = analyse_given(request, AnalysisSettings(), labels)
    a, b = analysis.agglomerates, found.agglomerates
    assert a.ids.tolist() == [i + 2_000_000_000 for i in b.ids.tolist()]
    np.testing.assert_array_equal(a.area_px, b.area_px)
    np.testing.assert_array_equal(a.boxes, b.boxes)
    assert a.excluded == b.excluded
    assert a.status is not None and (a.status == Status.ADDED).all()
    assert not analysis.labels.unpack()[235:].any()
    mine, theirs = analysis.results["watershed"].particles, found.results["watershed"].particles
    np.testing.assert_allclose(mine.diameter_px, theirs.diameter_px, rtol=0.02)
    everything = analyse_given(request, AnalysisSettings(methods=()), np.full(SHAPE, 3, dtype=np.int32))
    assert everything.agglomerates.ids.tolist() == [3]


def test_an_image_that_nothing_was_found_in_can_be_measured_by_hand(image: Path) -> None:
    request = ImageRequest(image)
    document = ImageDocument(blank_analysis(load(request), request, AnalysisSettings()))
    assert document.results == {} and not document.labels.any()
    do(document, circles.add(document, "manual", Ellipse(40, 40, 14, 14)))
    do(document, circles.add(document, "manual", Ellipse(62, 42, 13, 11)))
    assert document.analysis is not None
    sample = take(document.analysis, "manual", "px")
    assert sample.diameters.tolist() == pytest.approx([28, 2 * np.sqrt(143)], rel=1e-3)
    assert len(set(sample.groups.tolist())) == 2
    summary = summarise([ImageRecord.of("a", document.analysis)], [], AnalysisSettings())
    pooled = summary["methods"]["manual"]["pooled"]
    assert pooled["n_particles"] == 2 and pooled["n_agglomerates"] == 0


def test_every_method_has_a_title_and_says_whether_it_is_automatic() -> None:
    assert [name for name in ALL_METHODS if not is_automatic(name)] == ["manual"]
    assert get_method("manual").TITLE == "By hand"
    method = get_method("manual")
    nothing = method.size(
        made().micrograph, made().analysis.agglomerates, method.Parameters(), lambda f, m: None, lambda: False
    )
    assert len(nothing.particles) == 0 and set(nothing.excluded) >= {""}


def test_particles_of_the_largest_ids_leave_room_for_others() -> None:
    document = made().document()
    known = ((2**31 - 1, 20.0), (7, 40.0), (2**30, 60.0))
    shapes = [Shape(ident=i, circle=(x, 20.0, 5.0)) for i, x in known]
    outlines = Outlines(Path("a.zip"), document.labels.shape, None, tuple(shapes))
    taken = take_outlines(outlines, Choice(False, True, Role.PARTICLE), document.labels)
    assert taken.particles is not None
    assert taken.notes == ("Ids above 1000000 were given new numbers, from 8 on.",)
    assert dict(zip(taken.particles.ids.tolist(), taken.particles.x.tolist(), strict=True)) == {
        7: 40.0, 8: 60.0, 9: 20.0,
    }  # fmt: skip
    do(document, import_particles(document, "manual", taken.particles))
    do(document, circles.add(document, "manual", Ellipse(30.0, 30.0, 4.0, 4.0)))
    assert document.results["manual"].particles.ids.tolist() == [7, 8, 9, 10]
