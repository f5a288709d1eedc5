"""Edits of primary particles, and fitting circles and ellipses to clicked points."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nanoai_gui.core.editing import circles, labels, regions
from nanoai_gui.core.editing.circles import Ellipse
from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.history import History
from nanoai_gui.core.editing.remeasure import amendment, held_particles, measure, remeasurement
from nanoai_gui.core.editing.rows import join_particles
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.core.tem.report import ImageRecord, summarise
from tests.core.edited import Made, do, id_at, made

METHOD = "watershed"


@pytest.fixture
def document() -> ImageDocument:
    """The discs of the made micrograph."""
    return made().document()


def particles(document: ImageDocument) -> Particles:
    return document.results[METHOD].particles


def test_three_points_make_the_circle_through_them() -> None:
    angle = np.array([0.3, 2.0, 4.0])
    points = np.stack([50 + 12 * np.cos(angle), 40 + 12 * np.sin(angle)], axis=1)
    shape = circles.fit_points(points)
    assert shape.is_circle
    assert (shape.x, shape.y, shape.a) == pytest.approx((50, 40, 12))


def test_points_all_around_make_the_ellipse_through_them() -> None:
    wanted = Ellipse(80, 60, 20, 11, 0.7)
    shape = circles.fit_points(wanted.outline(9).astype(np.float64))
    grow = math.sqrt(2 * np.pi / 9 / math.sin(2 * np.pi / 9))
    assert (shape.x, shape.y) == pytest.approx((80, 60), abs=1e-3)
    assert (shape.a, shape.b) == pytest.approx((20 * grow, 11 * grow), rel=1e-3)
    assert math.tan(shape.angle) == pytest.approx(math.tan(0.7), rel=1e-3)


def test_noisy_points_on_a_short_arc_do_not_make_a_long_ellipse() -> None:
    rng = np.random.default_rng(1)
    angle = np.linspace(0, 0.9, 7)
    points = np.stack([50 + 20 * np.cos(angle), 40 + 20 * np.sin(angle)], axis=1) + rng.normal(0, 0.2, (7, 2))
    shape = circles.fit_points(points)
    assert max(shape.a, shape.b) < 4 * min(shape.a, shape.b)


@pytest.mark.parametrize("points", [[[0, 0], [5, 5]], [[0, 0], [5, 5], [10, 10]], [[3, 3]] * 4])
def test_points_that_make_no_circle_are_refused(points: list[list[float]]) -> None:
    with pytest.raises(ParameterError):
        circles.fit_points(np.array(points, dtype=float))


def test_an_outline_of_an_ellipse_has_its_area_and_gives_it_back(document: ImageDocument) -> None:
    wanted = Ellipse(150, 150, 12, 7, 0.5)
    do(document, circles.add(document, METHOD, wanted))
    row = len(particles(document)) - 1
    x, y = particles(document).outlines[row].T.astype(float)
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y)) / 2
    assert area == pytest.approx(wanted.area_px, rel=1e-4)
    found = circles.ellipse_of(particles(document), row)
    assert (found.a, found.b, found.angle) == pytest.approx((12, 7, 0.5), rel=1e-3)


def test_an_added_circle_belongs_to_the_agglomerate_under_it(document: ImageDocument) -> None:
    n = len(particles(document))
    edit = do(document, circles.add(document, METHOD, Ellipse(150, 150, 8, 8)))
    assert len(particles(document)) == n + 1
    assert particles(document).agglomerate[-1] == id_at(document, 150, 150)
    assert particles(document).status[-1] == Status.ADDED
    assert document.stale() == {}
    document.apply(edit, forward=False)
    assert len(particles(document)) == n


def test_adding_to_a_method_that_has_not_measured_makes_it_and_undo_removes_it(
    document: ImageDocument,
) -> None:
    edit = do(document, circles.add(document, "manual", Ellipse(150, 150, 8, 8)))
    assert len(document.results["manual"].particles) == 1
    document.apply(edit, forward=False)
    assert set(document.results) == {METHOD}


def test_moving_resizing_and_assigning_keep_the_id_and_mark_it(document: ImageDocument) -> None:
    first = int(particles(document).ids[0])
    area = float(particles(document).area_px[0])
    do(document, circles.move(document, METHOD, [first], 2.0, -1.0))
    do(document, circles.resize(document, METHOD, [first], 1.1))
    other = id_at(document, 150, 150)
    do(document, circles.assign(document, METHOD, [first], other))
    assert particles(document).ids[0] == first
    assert particles(document).area_px[0] == pytest.approx(1.21 * area)
    assert particles(document).agglomerate[0] == other
    assert particles(document).status[0] == Status.EDITED


def test_a_particle_is_not_made_smaller_than_a_pixel(document: ImageDocument) -> None:
    first = int(particles(document).ids[0])
    assert circles.resize(document, METHOD, [first], 0.01) is None
    assert circles.add(document, METHOD, Ellipse(10, 10, 0.2, 0.2)) is None


def test_deleting_one_particle_leaves_the_ids_of_the_others(document: ImageDocument) -> None:
    ids = particles(document).ids.tolist()
    do(document, circles.delete(document, METHOD, [ids[1]]))
    assert particles(document).ids.tolist() == ids[:1] + ids[2:]


def again(document: ImageDocument, base: Made) -> None:
    task = remeasurement(document, base.micrograph, base.grey_levels)
    assert task is not None
    document.apply(Edit("", amendment(document, measure(task))))


@pytest.mark.parametrize(
    ("method", "n"),
    [
        ("watershed", 1),
        ("watershed", 2),
        ("watershed", 4),
        ("ultimate-erosion", 2),
        ("ultimate-erosion", 4),
        ("hough", 1),
        ("hough", 2),
        ("ann", 2),
        ("ann", 5),
        ("ann-rich", 4),
    ],
)
def test_a_count_set_by_hand_is_what_the_method_finds(method: str, n: int) -> None:
    base = made((method,))
    document = base.document()
    ident = id_at(document, 146, 54)
    do(document, labels.set_count(document, [ident], n))
    again(document, base)
    result = document.results[method]
    found = int(result.n_particles[result.agglomerate_ids == ident].sum())
    assert found == n


def test_a_held_particle_stays_when_its_agglomerate_is_measured_again() -> None:
    base = made()
    document = base.document()
    ident = id_at(document, 146, 54)
    own = particles(document).ids[particles(document).agglomerate == ident].tolist()
    do(document, circles.move(document, METHOD, own[:1], 1.5, 0.0))
    do(document, circles.accept(document, METHOD, own[1:2]))
    held = held_particles(document, METHOD, frozenset({ident}))
    assert held.ids.tolist() == own[:2]
    kept = particles(document).select(np.isin(particles(document).ids, own[:2]))
    do(document, labels.grow(document, [ident]))
    again(document, base)
    after = particles(document).select(np.isin(particles(document).ids, own[:2]))
    assert np.array_equal(after.x, kept.x)
    assert np.array_equal(after.area_px, kept.area_px)
    mine = particles(document).agglomerate == ident
    assert int(mine.sum()) == len(own)  # what they cover was not found a second time


@pytest.mark.parametrize("method", ["watershed", "ultimate-erosion", "hough", "ann", "ann-rich"])
def test_a_part_of_the_image_is_measured_like_the_whole(method: str) -> None:
    base = made((method,))
    document = base.document()
    before = document.results[method]
    measured = [int(i) for i, why in zip(before.agglomerate_ids, before.excluded, strict=True) if not why]
    edit = Edit("again", tuple(labels.measure_again(document, measured[1:4])))
    document.apply(edit)
    assert document.stale() == {method: frozenset(measured[1:4])}
    again(document, base)
    after = document.results[method]
    assert after.particles.ids.tolist() == before.particles.ids.tolist()
    assert after.particles.x == pytest.approx(before.particles.x, abs=1e-6)
    assert after.particles.area_px == pytest.approx(before.particles.area_px, rel=1e-6)
    assert after.probabilities == pytest.approx(before.probabilities, nan_ok=True)


def test_new_measurements_complete_the_edit_that_made_them_necessary() -> None:
    base = made()
    document, history = base.document(), History()
    at_first = document.state_bytes()
    history.push(do(document, labels.grow(document, [id_at(document, 146, 54)])))
    task = remeasurement(document, base.micrograph, base.grey_levels)
    assert task is not None
    patches = amendment(document, measure(task))
    document.apply(Edit("", patches, is_by_hand=False))
    (amended,) = history.amend(patches)
    measured = document.state_bytes()
    assert amended.uid == history.edits[0].uid
    document.apply(amended, forward=False)
    assert document.state_bytes() == at_first
    document.apply(amended)
    assert document.state_bytes() == measured


def test_measurements_between_an_edit_and_one_undone_after_it_fit_both() -> None:
    """Two quick edits of one agglomerate, one undone before it was measured: redo must still fit."""
    base = made()
    document, history = base.document(), History()
    ident = id_at(document, 146, 54)
    history.push(do(document, labels.grow(document, [ident])))
    history.push(do(document, labels.grow(document, [ident])))
    both = document.state_bytes()
    undone = history.undo()
    assert undone is not None
    document.apply(undone, forward=False)
    task = remeasurement(document, base.micrograph, base.grey_levels)
    assert task is not None
    patches = amendment(document, measure(task))
    document.apply(Edit("", patches, is_by_hand=False))
    assert len(history.amend(patches)) == 2
    redone = history.redo()
    assert redone is not None
    document.apply(redone)
    assert document.state_bytes() == both


def test_a_drawn_circle_takes_the_place_of_what_it_covers_in_one_step() -> None:
    base = made()
    document = base.document()
    before = document.state_bytes()
    particles = document.results["watershed"].particles
    row = int(np.argmin(np.hypot(particles.x - 120, particles.y - 50)))
    gone, n = int(particles.ids[row]), len(particles)
    edit = do(document, circles.add(document, "watershed", Ellipse(121, 51, 15, 15)))
    assert edit.title == "Add circle in the place of a particle"
    after = document.results["watershed"].particles
    assert len(after) == n
    assert gone not in after.ids
    drawn = after.select(after.status == Status.ADDED)
    # It is the truth also when its agglomerate is measured again, and counts once.
    do(document, labels.set_count(document, drawn.agglomerate.tolist(), 3))
    task = remeasurement(document, base.micrograph, base.grey_levels)
    assert task is not None
    patches = amendment(document, measure(task))
    document.apply(Edit("", patches, is_by_hand=False))
    again = document.results["watershed"].particles
    mine = again.agglomerate == drawn.agglomerate[0]
    assert np.count_nonzero(mine) == 3
    assert np.count_nonzero(np.hypot(again.x - 121, again.y - 51)[mine] < 12) == 1
    document = base.document()
    edit = do(document, circles.add(document, "watershed", Ellipse(121, 51, 15, 15)))
    document.apply(edit, forward=False)
    assert document.state_bytes() == before


def test_a_drawn_circle_leaves_what_it_hardly_covers_and_what_was_accepted() -> None:
    document = made().document()
    n = len(document.results["watershed"].particles)
    do(document, circles.add(document, "watershed", Ellipse(152, 152, 8, 8)))  # in front of one of radius 22
    assert len(document.results["watershed"].particles) == n + 1
    particles = document.results["watershed"].particles
    row = int(np.argmin(np.hypot(particles.x - 120, particles.y - 50)))
    do(document, circles.accept(document, "watershed", [int(particles.ids[row])]))
    do(document, circles.add(document, "watershed", Ellipse(121, 51, 15, 15)))
    assert len(document.results["watershed"].particles) == n + 2


def found_at(document: ImageDocument, x: float, y: float) -> int:
    """The particle whose centre is nearest."""
    p = particles(document)
    return int(p.ids[int(np.argmin(np.hypot(p.x - x, p.y - y)))])


def test_a_particle_moved_or_resized_over_another_takes_its_place_in_one_step(
    document: ImageDocument,
) -> None:
    gone = found_at(document, 120, 50)
    do(document, circles.add(document, METHOD, Ellipse(100, 100, 15, 15)))
    drawn = int(particles(document).ids[-1])
    before, n = document.state_bytes(), len(particles(document))
    for made_edit in (
        circles.move(document, METHOD, [drawn], 21, -49),
        circles.reshape(document, METHOD, drawn, Ellipse(120, 51, 16, 14)),
        circles.resize(document, METHOD, [drawn], 6.0),
    ):
        edit = do(document, made_edit)
        assert "in the place of" in edit.title
        assert gone not in particles(document).ids
        assert len(particles(document)) == n - circles.taken_away(edit) < n
        document.apply(edit, forward=False)
        assert document.state_bytes() == before
    do(document, circles.accept(document, METHOD, [gone]))
    do(document, circles.move(document, METHOD, [drawn], 21, -49))
    assert gone in particles(document).ids  # a person wants both


def test_what_was_found_in_front_of_a_particle_stays_when_that_is_nudged(document: ImageDocument) -> None:
    large = found_at(document, 150, 150)
    small = replace(
        circles._made(document.next_particle(METHOD), 0, Ellipse(152, 152, 8, 8), Status.AUTO, 1.0),
        agglomerate=particles(document).agglomerate[particles(document).ids == large],
    )
    do(document, Edit("", (circles._patch(document, METHOD, [], small),)))
    edit = do(document, circles.move(document, METHOD, [large], 1.0, 0.0))
    assert circles.taken_away(edit) == 0
    assert small.ids[0] in particles(document).ids


def test_a_circle_moved_across_others_by_keys_takes_only_the_place_it_ends_on(
    document: ImageDocument,
) -> None:
    history = History()
    near, far = found_at(document, 120, 50), found_at(document, 146, 54)
    do(document, circles.add(document, METHOD, Ellipse(80, 50, 16, 16)))
    drawn = int(particles(document).ids[-1])
    before = document.state_bytes()

    def press(n: int) -> None:
        for _ in range(n):
            edit = do(document, circles.move(document, METHOD, [drawn], 2.0, 0.0, history.open_step))
            if history.push(edit) is not edit:
                document.count_hand_edit(-1)  # one step, as the window counts

    press(20)  # on the first
    assert near not in particles(document).ids
    assert far in particles(document).ids
    press(14)  # on the second: the first is back
    assert near in particles(document).ids
    assert far not in particles(document).ids
    assert len(history.edits) == 1
    assert history.undo_title == "Move particle in the place of a particle"
    after = document.state_bytes()
    step = history.undo()
    assert step is not None
    document.apply(step, forward=False)
    assert document.state_bytes() == before
    document.apply(step)
    assert document.state_bytes() == after


def test_a_step_that_is_over_gives_nothing_back(document: ImageDocument) -> None:
    near = found_at(document, 120, 50)
    do(document, circles.add(document, METHOD, Ellipse(100, 100, 15, 15)))
    drawn = int(particles(document).ids[-1])
    step = do(document, circles.move(document, METHOD, [drawn], 20, -50))
    do(document, circles.move(document, METHOD, [drawn], 0, 60))
    assert near not in particles(document).ids
    # One of another group is not that step either.
    document.apply(step, forward=False)
    document.apply(step)
    do(document, circles.resize(document, METHOD, [drawn], 0.2, step))
    assert near not in particles(document).ids


def test_accepting_one_of_two_that_are_the_same_particle_takes_the_other_away(
    document: ImageDocument,
) -> None:
    first = found_at(document, 150, 150)
    row = particles(document).select(particles(document).ids == first)
    double = replace(row, ids=np.array([document.next_particle(METHOD)], dtype=np.int32), x=row.x + 2)
    inside = replace(double, ids=double.ids + 1, area_px=double.area_px / 9)
    do(document, Edit("", (circles._patch(document, METHOD, [], join_particles(double, inside)),)))
    before = document.state_bytes()
    edit = do(document, circles.accept(document, METHOD, [first]))
    assert edit.title == "Accept particle in the place of a particle"
    assert double.ids[0] not in particles(document).ids
    assert inside.ids[0] in particles(document).ids
    document.apply(edit, forward=False)
    assert document.state_bytes() == before
    both = do(document, circles.accept(document, METHOD, [first, int(double.ids[0])]))
    assert circles.taken_away(both) == 0


def test_what_lies_between_two_accepted_ones_is_a_double_of_neither(document: ImageDocument) -> None:
    outer = found_at(document, 150, 150)
    row = particles(document).select(particles(document).ids == outer)
    first = document.next_particle(METHOD)
    between, inner = (
        replace(row, ids=np.array([first + k], dtype=np.int32), area_px=row.area_px * share**2)
        for k, share in enumerate((0.4, 0.23))
    )
    do(document, Edit("", (circles._patch(document, METHOD, [], join_particles(between, inner)),)))
    do(document, circles.accept(document, METHOD, [outer, first + 1]))
    assert first in particles(document).ids


def test_what_comes_for_agglomerates_that_did_not_change_since_is_taken() -> None:
    base = made()
    document = base.document()
    one, other = id_at(document, 146, 54), id_at(document, 150, 150)
    do(document, labels.grow(document, [one, other]))
    task = remeasurement(document, base.micrograph, base.grey_levels)
    assert task is not None
    found = measure(task)
    do(document, labels.grow(document, [one]))
    assert document.changed_since(found.revision, [one, other]) == {one}
    (patch,) = amendment(document, found)
    assert patch.after.agglomerate_ids.tolist() == [other]
    document.apply(Edit("", (patch,), is_by_hand=False))
    assert document.stale() == {"watershed": frozenset({one})}


def test_what_lies_far_apart_is_cut_out_apart_and_measured_as_if_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = made()
    results = []
    for side, n_pieces in ((512, 1), (60, 6)):
        monkeypatch.setattr(regions, "NEIGHBOURHOOD_PX", side)
        document = base.document()
        do(document, labels.grow(document, document.table.ids.tolist()))
        task = remeasurement(document, base.micrograph, base.grey_levels)
        assert task is not None
        assert len(task.pieces) == n_pieces
        document.apply(Edit("", amendment(document, measure(task)), is_by_hand=False))
        assert not document.stale()
        results.append(document.results["watershed"])
    one, other = results
    for name in ("ids", "agglomerate", "status"):
        assert np.array_equal(getattr(one.particles, name), getattr(other.particles, name))
    for name in ("x", "y", "area_px"):  # what is counted from another corner rounds differently
        assert getattr(one.particles, name) == pytest.approx(getattr(other.particles, name), rel=1e-9)
    assert one.excluded == other.excluded
    # Of more than is cut out at a time, the rest waits.
    do(document, labels.grow(document, document.table.ids.tolist()))
    task = remeasurement(document, base.micrograph, base.grey_levels, most_px=1)
    assert task is not None
    assert len(task.pieces) == 1
    busy = task.agglomerates
    rest = remeasurement(document, base.micrograph, base.grey_levels, busy)
    assert rest is not None
    assert busy | rest.agglomerates == document.stale()["watershed"]
    assert not busy & rest.agglomerates


def test_a_result_that_comes_too_late_is_dropped() -> None:
    base = made()
    document = base.document()
    do(document, labels.grow(document, [id_at(document, 146, 54)]))
    task = remeasurement(document, base.micrograph, base.grey_levels)
    assert task is not None
    found = measure(task)
    do(document, labels.grow(document, [id_at(document, 146, 54)]))
    assert amendment(document, found) == ()


def test_a_history_forgets_the_oldest_and_knows_what_was_saved() -> None:
    document = made().document()
    history = History(most_steps=100)
    for i in range(130):
        edit = circles.move(document, METHOD, [int(particles(document).ids[i % 5])], 0.5, 0)
        assert edit is not None
        document.apply(edit)
        history.push(Edit(edit.title, edit.patches))
        if i == 60:
            history.mark_saved()
    assert len(history.edits) == 100
    assert not history.is_saved
    for edit, forward in history.jump(31):
        document.apply(edit, forward)
    assert history.is_saved


def test_the_summary_tells_of_corrections_by_hand() -> None:
    document = made().document()
    do(document, labels.delete(document, [id_at(document, 150, 150)]))
    do(document, circles.add(document, METHOD, Ellipse(146, 54, 8, 8)))
    assert document.analysis is not None
    record = ImageRecord.of("made.tif", document.analysis)
    summary = summarise([record], [], document.analysis.settings)
    pooled = summary["methods"][METHOD]["pooled"]
    assert (pooled["n_hand_edits"], pooled["n_edited"]) == (2, 1)
    assert "2 corrections by hand in made.tif." in summary["notes"]
