"""Edits through the session: one history an image, for corrections, calibration, settings and re-runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nanoai_gui.core.editing import circles, labels
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.history import Direction
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.session import TemSession
from tests.gui.made import analyse_image, show_image

Told = list[tuple[int, str, Direction]]


@pytest.fixture
def session() -> TemSession:
    """An image that is measured and shown."""
    session = TemSession()
    analyse_image(session, show_image(session))
    return session


def listen(session: TemSession) -> Told:
    told: Told = []

    def note(key: int, edit: Edit, direction: Direction) -> None:
        told.append((key, edit.title, direction))

    session.edited.connect(note)
    return told


def test_each_edit_undo_and_redo_is_told_once(session: TemSession) -> None:
    told, (key,) = listen(session), session.keys()
    document = session.entry(key).document
    session.commit(key, labels.delete(document, [2]))
    session.commit(key, labels.delete(document, [2]))  # is gone already: no edit
    session.undo(key)
    session.undo(key)  # nothing left
    session.redo(key)
    assert told == [
        (key, "Delete agglomerate", Direction.DONE),
        (key, "Delete agglomerate", Direction.UNDONE),
        (key, "Delete agglomerate", Direction.REDONE),
    ]


def test_results_and_selection_follow_an_edit(session: TemSession) -> None:
    (key,) = session.keys()
    session.select(Selection(frozenset({1, 2}), frozenset({1, 3})))
    n = len(session.entry(key).document.results["watershed"].particles)
    session.commit(key, labels.delete(session.entry(key).document, [2]))
    analysis = session.current_analysis
    assert analysis is not None
    assert 2 not in analysis.agglomerates.ids
    assert len(analysis.results["watershed"].particles) == n - 2
    assert analysis.n_hand_edits == 1
    assert session.selection == Selection(frozenset({1}), frozenset({1}))
    session.undo(key)
    assert session.current_analysis is not None
    assert 2 in session.current_analysis.agglomerates.ids
    assert session.current_analysis.n_hand_edits == 0


def test_calibration_data_bar_and_settings_are_steps_too(session: TemSession) -> None:
    (key,) = session.keys()
    entry = session.entry(key)
    settings = session.settings
    session.set_calibration(key, Calibration.typed(2.0))
    session.set_data_bar(key, 200)
    assert session.is_outdated(key)
    session.set_settings(replace(settings, segmentation=SegmentationParameters(denoise_px=2.0)))
    assert [edit.title for edit in entry.history.edits] == ["Calibrate", "Move the data bar", "Set denoise"]
    session.undo(key)
    assert session.settings == settings
    session.undo(key)
    assert entry.data_bar_top is None
    assert not session.is_outdated(key)
    session.undo(key)
    assert session.entry(key).calibration is None
    assert entry.analysis is not None
    assert entry.analysis.calibration.nm_per_px == 0.5
    assert session.micrograph is not None
    assert session.micrograph.calibration.nm_per_px == 0.5
    session.jump(key, 3)
    assert session.entry(key).calibration == Calibration.typed(2.0)
    assert session.settings.segmentation.denoise_px == 2.0
    assert entry.analysis.n_hand_edits == 0  # none of these corrects what was found


def test_values_typed_in_one_go_are_one_step(session: TemSession) -> None:
    told, (key,) = listen(session), session.keys()
    for top in (200, 201, 202):
        session.set_data_bar(key, top)
    assert len(session.history(key).edits) == 1
    assert [direction for *_, direction in told] == [Direction.DONE, Direction.AMENDED, Direction.AMENDED]
    session.undo(key)
    assert session.entry(key).data_bar_top is None


def test_a_run_that_replaces_results_is_one_step(session: TemSession) -> None:
    (key,) = session.keys()
    entry = session.entry(key)
    session.commit(key, labels.delete(entry.document, [3, 4]))
    session.commit(key, labels.set_count(entry.document, [5], 3))
    corrected = entry.document.state_bytes()
    analyse_image(session, key, n=12, seed=9)
    assert len(session.history(key).edits) == 3
    assert len(entry.document.table.ids) == 12
    assert entry.document.counts() == {}
    assert session.labels is not None
    session.undo(key)
    assert entry.document.state_bytes() == corrected
    session.redo(key)
    assert len(entry.document.table.ids) == 12


def test_the_first_run_cannot_be_undone(session: TemSession) -> None:
    (key,) = session.keys()
    assert session.undo(key) is None
    assert session.current_analysis is not None


def test_each_image_has_its_own_history(session: TemSession) -> None:
    (first,) = session.keys()
    second = show_image(session, "b.tif")
    analyse_image(session, second)
    session.commit(first, labels.delete(session.entry(first).document, [1]))
    session.commit(second, labels.delete(session.entry(second).document, [2]))
    session.undo(second)
    assert 1 not in session.entry(first).document.table.ids
    assert 2 in session.entry(second).document.table.ids
    assert not session.entry(first).document.has_labels


def test_labels_of_an_image_that_is_left_are_kept_packed(session: TemSession) -> None:
    (first,) = session.keys()
    document = session.entry(first).document
    session.commit(first, labels.delete(document, [1]))
    show_image(session, "b.tif")
    assert not document.has_labels
    assert document.analysis is not None
    assert 1 not in document.analysis.labels.unpack()


def test_keys_that_move_a_circle_are_one_step_and_one_hand_edit(session: TemSession) -> None:
    (key,) = session.keys()
    document = session.entry(key).document
    before = document.state_bytes()
    for _ in range(5):
        session.commit(key, circles.move(document, "watershed", [7], 1.0, 0.0))
    assert len(session.history(key).edits) == 1
    assert document.analysis is not None
    assert document.analysis.n_hand_edits == 1
    session.undo(key)
    assert document.state_bytes() == before
