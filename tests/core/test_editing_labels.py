"""Edits of agglomerates: what they do, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.editing import circles, labels
from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import LabelPatch
from nanoai_gui.core.editing.rows import statuses
from nanoai_gui.core.editing.strokes import Stroke
from nanoai_gui.core.packing import PackingError, pack
from nanoai_gui.core.tem.agglomerates import TOUCHES_BORDER
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.core.tem.particles import Status
from tests.core.edited import SHAPE, do, id_at, made


@pytest.fixture
def document() -> ImageDocument:
    """The discs of the made micrograph."""
    return made().document()


def test_deleting_leaves_the_ids_of_all_others(document: ImageDocument) -> None:
    before = document.labels.copy()
    gone = id_at(document, 250, 60)
    edit = do(document, labels.delete(document, [gone]))
    assert gone not in document.table.ids
    assert np.array_equal(document.labels, np.where(before == gone, 0, before))
    assert gone not in document.results["watershed"].particles.agglomerate
    document.apply(edit, forward=False)
    assert np.array_equal(document.labels, before)
    assert id_at(document, 250, 60) == gone


def test_a_deleted_id_is_never_given_again(document: ImageDocument) -> None:
    last = int(document.table.ids.max())
    do(document, labels.delete(document, [last]))
    do(document, labels.add_polygon(document, np.array([[5.0, 90], [25, 90], [15, 110]])))
    assert id_at(document, 15, 97) == last + 1


def test_a_new_number_changes_no_measurement(document: ImageDocument) -> None:
    old, new = id_at(document, 146, 54), document.next_agglomerate()
    document.set_value(f"reviewed/{old}", True)
    do(document, circles.add(document, "watershed", circles.Ellipse(146, 54, 12, 12, 0)))
    before = document.results["watershed"].particles
    kept = before.select(before.agglomerate == old)
    edit = do(document, labels.take_new_id(document, old))
    after = document.results["watershed"].particles
    mine = after.select(after.agglomerate == new)
    assert id_at(document, 146, 54) == new and old not in document.table.ids
    assert document.stale() == {}, "nothing is measured again: that could find something else"
    assert mine.ids.tolist() == kept.ids.tolist()
    assert mine.diameter_px.tolist() == kept.diameter_px.tolist()
    assert document.reviewed() == {new}
    document.apply(edit, forward=False)
    assert document.reviewed() == {old} and document.stale() == {}


def test_a_new_number_does_not_take_in_what_was_left_out(document: ImageDocument) -> None:
    old, new = id_at(document, 146, 54), document.next_agglomerate()
    do(document, labels.exclude(document, [old]))
    do(document, labels.take_new_id(document, old))
    assert document.table.excluded[document.table.ids.tolist().index(new)] == labels.LEFT_OUT_BY_HAND
    assert document.stale() == {}


def test_merging_keeps_one_id_and_all_particles(document: ImageDocument) -> None:
    large, small = id_at(document, 146, 54), id_at(document, 250, 60)
    particles = document.results["watershed"].particles
    n = int(np.isin(particles.agglomerate, [large, small]).sum())
    do(document, labels.merge(document, [small, large]))
    assert id_at(document, 250, 60) == large
    assert small not in document.table.ids
    assert int((document.results["watershed"].particles.agglomerate == large).sum()) == n
    assert document.stale() == {"watershed": frozenset({large})}


def test_a_cut_from_edge_to_edge_loses_no_pixel(document: ImageDocument) -> None:
    ident = id_at(document, 40, 40)
    was = document.labels == ident
    do(document, labels.split_by_line(document, np.array([[51.0, 15], [51, 70]])))
    left, right = id_at(document, 40, 40), id_at(document, 62, 42)
    assert ident in (left, right)  # the larger part keeps the id
    assert left != right
    assert np.array_equal(np.isin(document.labels, [left, right]), was)
    assert set(document.stale()["watershed"]) == {left, right}


def test_a_line_that_does_not_cut_through_is_no_edit(document: ImageDocument) -> None:
    assert labels.split_by_line(document, np.array([[51.0, 15], [51, 41]])) is None
    assert labels.split_by_line(document, np.array([[5.0, 5], [9, 9]])) is None


def test_a_neck_is_proposed_and_split_there(document: ImageDocument) -> None:
    ident = id_at(document, 146, 54)
    parts = labels.propose_cut(document, ident, 3)
    assert parts is not None
    assert parts.max() == 3
    do(document, labels.split_by_parts(document, ident, parts))
    found = {id_at(document, 120, 50), id_at(document, 146, 54), id_at(document, 170, 46)}
    assert len(found) == 3
    assert ident in found


def test_a_single_disc_has_no_neck(document: ImageDocument) -> None:
    assert labels.propose_cut(document, id_at(document, 250, 60)) is None


def test_a_brush_spares_neighbours_unless_told_otherwise(document: ImageDocument) -> None:
    ident, neighbour = id_at(document, 120, 50), id_at(document, 62, 42)
    area = int((document.labels == neighbour).sum())
    for protect in (True, False):
        stroke = Stroke(document, ident, 5, protect=protect)
        stroke.line(120, 50, 62, 42)
        edit = do(document, stroke.edit())
        assert (int((document.labels == neighbour).sum()) == area) is protect
        document.apply(edit, forward=False)


def test_an_eraser_takes_from_what_it_is_told_only(document: ImageDocument) -> None:
    ident, neighbour = id_at(document, 120, 50), id_at(document, 62, 42)
    stroke = Stroke(document, 0, 6, only=[ident])
    stroke.line(120, 50, 62, 42)
    before = document.labels == neighbour
    do(document, stroke.edit())
    assert np.array_equal(document.labels == neighbour, before)
    assert id_at(document, 120, 50) == 0


def test_what_an_eraser_cuts_through_falls_apart(document: ImageDocument) -> None:
    ident = id_at(document, 40, 40)
    stroke = Stroke(document, 0, 2, only=[ident])
    stroke.line(51, 10, 51, 70)
    do(document, stroke.edit())
    left, right = id_at(document, 40, 40), id_at(document, 62, 42)
    assert left != right
    assert 0 not in (left, right)
    assert ident in (left, right)


def test_a_stroke_leaves_the_document_alone_until_it_is_committed(document: ImageDocument) -> None:
    before = document.state_bytes()
    stroke = Stroke(document, id_at(document, 40, 40), 6)
    stroke.line(40, 40, 90, 90)
    assert document.state_bytes() == before
    assert (stroke.crop(Box(0, 0, *SHAPE)) != document.labels).any()


def test_a_stroke_of_an_older_state_is_refused(document: ImageDocument) -> None:
    stroke = Stroke(document, 1, 6)
    stroke.line(40, 40, 90, 90)
    do(document, labels.delete(document, [2]))
    with pytest.raises(ValueError, match="changed during the stroke"):
        stroke.edit()


def test_a_stroke_costs_kilobytes_and_no_copy_of_the_image() -> None:
    document = made().document()
    stroke = Stroke(document, 1, 10)
    for i in range(20):
        stroke.line(40 + 2 * i, 100, 42 + 2 * i, 100)
    edit = stroke.edit()
    assert edit is not None
    assert edit.n_bytes < 20_000 < document.labels.nbytes
    assert len(edit.to_bytes()) < 10_000


def test_holes_are_filled_but_not_what_lies_in_them(document: ImageDocument) -> None:
    ident = id_at(document, 150, 150)
    stroke = Stroke(document, 0, 5, only=[ident])
    stroke.line(150, 150, 152, 150)
    do(document, stroke.edit())
    do(document, labels.add_polygon(document, np.array([[148.0, 148], [152, 148], [152, 152], [148, 152]])))
    inner = id_at(document, 150, 150)
    assert inner not in (0, ident)
    do(document, labels.fill_holes(document, [ident]))
    assert id_at(document, 150, 150) == inner
    assert id_at(document, 150, 146) == ident


def test_growing_and_shrinking_by_a_pixel(document: ImageDocument) -> None:
    ident = id_at(document, 150, 150)
    area = int((document.labels == ident).sum())
    grown = do(document, labels.grow(document, [ident]))
    more = int((document.labels == ident).sum()) - area
    assert 100 < more < 180  # about the circumference of a disc of radius 22
    document.apply(grown, forward=False)
    do(document, labels.shrink(document, [ident]))
    assert 100 < area - int((document.labels == ident).sum()) < 180


def test_growing_at_a_data_bar_stops_there() -> None:
    document = made().document()
    assert document.analysis is not None
    box = labels.box_of(document, document.table.ids.tolist())
    assert box is not None
    document.analysis = type(document.analysis)(**{**document.analysis.__dict__, "data_bar_top": 212})
    ident = id_at(document, 230, 190)
    for _ in range(20):
        edit = labels.grow(document, [ident])
        if edit is not None:
            document.apply(edit)
    assert not (document.labels[212:] == ident).any()


def test_a_new_agglomerate_is_marked_as_added_and_a_changed_one_as_edited(document: ImageDocument) -> None:
    do(document, labels.add_polygon(document, np.array([[5.0, 90], [25, 90], [15, 110]])))
    do(document, labels.grow(document, [id_at(document, 40, 40)]))
    of = dict(zip(document.table.ids.tolist(), statuses(document.table).tolist(), strict=True))
    assert of[id_at(document, 15, 97)] == Status.ADDED
    assert of[id_at(document, 40, 40)] == Status.EDITED
    assert of[id_at(document, 150, 150)] == Status.AUTO


def test_what_is_drawn_to_the_border_is_left_out(document: ImageDocument) -> None:
    stroke = Stroke(document, id_at(document, 40, 40), 4)
    stroke.line(40, 40, 40, 0)
    do(document, stroke.edit())
    row = int(np.flatnonzero(document.table.ids == id_at(document, 40, 40))[0])
    assert document.table.excluded[row] == TOUCHES_BORDER
    assert id_at(document, 40, 40) not in document.results["watershed"].particles.agglomerate


def test_leaving_out_by_hand_takes_the_particles_out_and_back(document: ImageDocument) -> None:
    ident = id_at(document, 150, 150)
    do(document, labels.exclude(document, [ident]))
    assert ident not in document.results["watershed"].particles.agglomerate
    do(document, labels.exclude(document, [ident], ""))
    assert document.stale() == {"watershed": frozenset({ident})}


def test_a_box_again_spares_what_reaches_out_of_it(document: ImageDocument) -> None:
    outside, inside = id_at(document, 146, 54), id_at(document, 250, 60)
    found = np.zeros((80, 140), np.int32)
    found[40:60, 100:130] = 1  # at x 250..280, y 60..80
    before = document.labels == outside
    do(document, labels.replace_in_box(document, Box(20, 150, 100, 290), found))
    assert np.array_equal(document.labels == outside, before)
    assert inside not in document.table.ids
    assert id_at(document, 265, 70) > 0


def test_an_edit_for_another_state_does_nothing_at_all(document: ImageDocument) -> None:
    edit = labels.delete(document, [1])
    assert edit is not None
    do(document, labels.merge(document, [1, 2]))
    before = document.state_bytes()
    with pytest.raises(ValueError, match="does not fit"):
        document.apply(edit)
    assert document.state_bytes() == before


def test_damaged_edits_are_refused(document: ImageDocument) -> None:
    edit = labels.delete(document, [1])
    assert edit is not None
    data = edit.to_bytes()
    assert Edit.from_bytes(data).title == edit.title
    for bad in (data[:-5], pack({"!d": ["Edit", {"title": 3}]}), b""):
        with pytest.raises(PackingError):
            Edit.from_bytes(bad)
    patch = edit.patches[0]
    assert isinstance(patch, LabelPatch)
    with pytest.raises(ValueError, match="outside of the image"):
        LabelPatch(patch.shape, patch.starts + 10**6, patch.lengths, patch.old, patch.new)
    largest = np.iinfo(np.int64).max
    for starts, message in (([5, largest], "outside"), ([5, 5], "overlap"), ([9, 5], "overlap")):
        one = np.ones(2, dtype=np.int32)
        with pytest.raises(ValueError, match=message):
            LabelPatch(patch.shape, np.array(starts), one, one, one)
