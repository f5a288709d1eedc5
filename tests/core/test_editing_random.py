"""Thousands of random edits of all kinds, undone and redone to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from nanoai_gui.core.editing import circles, labels
from nanoai_gui.core.editing.document import ImageDocument, rerun_edit
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.history import History
from nanoai_gui.core.editing.patches import ValuePatch
from nanoai_gui.core.editing.remeasure import amendment, measure, remeasurement
from nanoai_gui.core.editing.strokes import Stroke
from nanoai_gui.core.tem.micrograph import Box
from tests.core.edited import SHAPE, Made, made

N_EDITS = 700


def random_edit(document: ImageDocument, rng: np.random.Generator, base: Made) -> Edit | None:
    """One edit of any kind, wherever it falls."""
    ids = document.table.ids
    some = rng.choice(ids, min(len(ids), int(rng.integers(1, 4))), replace=False).tolist() if len(ids) else []
    one = int(some[0]) if some else 0
    method = "watershed"
    particles = document.results[method].particles
    chosen = (
        rng.choice(particles.ids, min(len(particles), 2), replace=False).tolist() if len(particles) else []
    )
    x, y = float(rng.uniform(0, SHAPE[1])), float(rng.uniform(0, SHAPE[0]))
    corners = np.array([x, y]) + rng.normal(0, 20, (int(rng.integers(3, 9)), 2))
    kind = int(rng.integers(0, 24))
    if kind < 5:
        is_new = kind == 0
        ident = document.next_agglomerate() if is_new else one if kind < 3 else 0
        stroke = Stroke(document, ident, float(rng.uniform(1, 8)), protect=kind != 1, is_new=is_new,
                        only=some if kind == 4 else ())  # fmt: skip
        for _ in range(4):
            x2, y2 = x + rng.normal(0, 15), y + rng.normal(0, 15)
            stroke.line(x, y, x2, y2)
            x, y = x2, y2
        return stroke.edit()
    match kind:
        case 5:
            return labels.delete(document, [one]) if rng.random() < 0.3 else None
        case 6:
            return labels.merge(document, some)
        case 7:
            return labels.split_by_line(document, corners[:2])
        case 8:
            parts = labels.propose_cut(document, one, 3)
            return None if parts is None else labels.split_by_parts(document, one, parts)
        case 9:
            return labels.add_polygon(document, corners, protect=bool(rng.integers(2)))
        case 10:
            return labels.erase_polygon(document, corners, some if rng.integers(2) else ())
        case 11:
            return labels.fill_holes(document, some)
        case 12:
            return labels.grow(document, some, protect=bool(rng.integers(2)))
        case 13:
            return labels.shrink(document, some)
        case 14:
            return labels.take_new_id(document, one)
        case 15:
            return labels.exclude(document, some, labels.LEFT_OUT_BY_HAND if rng.integers(2) else "")
        case 16:
            return labels.set_count(document, [one], int(rng.integers(1, 6)) if rng.integers(3) else None)
        case 17:
            box = Box(int(y) // 2, int(x) // 2, int(y) // 2 + 60, int(x) // 2 + 80)
            found = base.document().labels[box.slices]
            return labels.replace_in_box(document, box, found)
        case 18:
            a, b = rng.uniform(2, 15, 2)
            shape = circles.Ellipse(x, y, a, a if rng.integers(2) else b, float(rng.uniform(0, 3)))
            return circles.add(document, rng.choice([method, "manual"]), shape)
        case 19:
            return circles.move(document, method, chosen, *rng.normal(0, 5, 2))
        case 20:
            return circles.resize(document, method, chosen, float(rng.uniform(0.7, 1.4)))
        case 21:
            return circles.delete(document, method, chosen)
        case 22:
            return circles.assign(document, method, chosen, one) or circles.accept(document, method, chosen)
        case _:
            if rng.random() < 0.1:
                return rerun_edit(document, base.analysis)
            before = document.values.get("calibration")
            return Edit("Calibrate", (ValuePatch("calibration", before, {"nm_per_px": float(rng.random())}),))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_edits_are_undone_and_redone_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = made()
    document, history = base.document(), History(most_steps=10**6, most_bytes=10**9)
    states = [document.state_bytes()]
    kinds = set()
    while len(history.edits) < N_EDITS:
        edit = random_edit(document, rng, base)
        if edit is not None:
            kinds.add(edit.title.split()[0])
            edit = Edit.from_bytes(edit.to_bytes())  # what a project file would give back
            document.apply(edit)
            if history.push(edit) is not edit:  # joined with the one before, as the window does
                document.count_hand_edit(-1 if edit.is_by_hand else 0)
                states.pop()
            if rng.random() < 0.1:
                remeasure(document, history, base)
            states.append(document.state_bytes())
    assert len(kinds) >= 15
    check_tables(document)
    for place in range(len(history.edits) - 1, -1, -1):
        undone = history.undo()
        assert undone is not None
        document.apply(undone, forward=False)
        assert document.state_bytes() == states[place]
    for place in range(len(history.edits)):
        redone = history.redo()
        assert redone is not None
        document.apply(redone)
        assert document.state_bytes() == states[place + 1]
    for _ in range(5):
        goal = int(rng.integers(0, len(states)))
        for edit, forward in history.jump(goal):
            document.apply(edit, forward)
        assert document.state_bytes() == states[goal]


def remeasure(document: ImageDocument, history: History, base: Made) -> None:
    """Measure what is stale, as the window does after each edit."""
    task = remeasurement(document, base.micrograph, base.grey_levels)
    if task is None:
        return
    patches = amendment(document, measure(task))
    history.amend(patches)
    document.apply(Edit("Measured again", patches, is_by_hand=False))
    assert not document.stale()


def check_tables(document: ImageDocument) -> None:
    """Tables brought up to date pixel by pixel must say what the labels say."""
    image, table = document.labels, document.table
    assert sorted(np.unique(image[image > 0]).tolist()) == table.ids.tolist()
    for row, ident in enumerate(table.ids):
        y, x = np.nonzero(image == ident)
        assert table.area_px[row] == len(y)
        assert table.x[row] == x.sum() / len(x)
        assert table.y[row] == y.sum() / len(y)
        assert table.boxes[row].tolist() == [y.min(), x.min(), y.max() + 1, x.max() + 1]
    for result in document.results.values():
        assert result.agglomerate_ids.tolist() == table.ids.tolist()
        assert len(np.unique(result.particles.ids)) == len(result.particles)
        owners = result.particles.agglomerate
        assert np.isin(owners[owners > 0], table.ids).all()
