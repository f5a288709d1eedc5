"""The model of the TEM tab: what belongs together, what becomes outdated, what is dropped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from nanoai_gui.core.tem.analysis import AnalysisSettings
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.gui.tem.entries import ImageState, Selection
from nanoai_gui.gui.tem.session import TemSession
from tests.gui.made import IN_FILE, made_analysis, made_micrograph

A, B, C = (Path(f"/images/{name}.tif") for name in "abc")


@pytest.fixture
def session(qtbot: QtBot) -> TemSession:
    made = TemSession()
    made.add_paths([A, B, C])
    return made


def shown(session: TemSession) -> tuple[int | None, bool, bool]:
    """The image shown, and whether there are pixels and labels of it."""
    return session.current, session.micrograph is not None, session.labels is not None


def data_bar(session: TemSession) -> int | None:
    assert session.micrograph is not None
    return session.micrograph.data_bar_top


def measure(session: TemSession, key: int) -> None:
    assert session.accept_analysis(key, made_analysis(session.entry(key).request(), session.settings))


def test_a_file_is_listed_once(session: TemSession) -> None:
    keys = session.keys()
    assert session.add_paths([B, Path("/images/d.tif")]) == [keys[1], 4]
    assert [entry.path.name for entry in session.entries()] == ["a.tif", "b.tif", "c.tif", "d.tif"]


def test_frames_of_a_stack_are_entries_of_their_own(session: TemSession) -> None:
    keys = session.add_frames(A, [1, 2])
    assert len(session) == 5
    assert session.entry(keys[1]).request().frame == 2
    assert session.entry(keys[1]).name == "a.tif [3]"
    assert session.add_frames(A, [2]) == [keys[1]]


def test_another_frame_begins_anew(session: TemSession, qtbot: QtBot) -> None:
    a = session.keys()[0]
    session.accept_micrograph(a, made_micrograph())
    analysis = made_analysis(session.entry(a).request(), session.settings)
    assert session.accept_analysis(a, analysis, analysis.labels.unpack())
    with qtbot.waitSignal(session.wanted_changed):
        session.set_frame(a, 1)
    assert shown(session) == (a, True, False)
    assert session.entry(a).state is ImageState.NEW
    assert not session.accept_analysis(a, analysis)


def test_the_first_image_added_is_wanted_but_shown_only_once_read(session: TemSession) -> None:
    a = session.keys()[0]
    assert session.wanted == a
    assert shown(session) == (None, False, False)
    session.accept_micrograph(a, made_micrograph())
    assert shown(session) == (a, True, False)
    assert session.entry(a).file_calibration == IN_FILE


def test_the_last_good_image_stays_when_another_cannot_be_read(session: TemSession) -> None:
    a, b, _ = session.keys()
    session.accept_micrograph(a, made_micrograph())
    shown = session.micrograph
    session.set_current(b)
    assert session.micrograph is shown
    session.fail(b, "b.tif is cut off.", is_unreadable=True)
    assert session.current == a
    assert session.micrograph is shown
    assert session.entry(b).state is ImageState.FAILED
    session.accept_micrograph(b, made_micrograph("b.tif"))  # copied again, and opened again
    assert session.entry(b).state is ImageState.NEW
    assert session.current == b


def test_an_image_read_too_late_is_not_shown(session: TemSession) -> None:
    _, b, c = session.keys()
    session.set_current(b)
    session.set_current(c)
    session.accept_micrograph(b, made_micrograph("b.tif"))
    assert session.current is None
    session.accept_micrograph(c, made_micrograph("c.tif"))
    assert session.current == c


def test_removing_the_image_shown_goes_on_to_the_next(session: TemSession) -> None:
    a, b, c = session.keys()
    session.set_current(b)
    session.accept_micrograph(b, made_micrograph("b.tif"))
    session.remove([b])
    assert session.wanted == c
    assert shown(session) == (None, False, False)
    session.remove([a, c])
    assert session.keys() == []
    assert len(session) == 0
    assert session.add_paths([B]) == [4]


def test_steps_stop_at_either_end(session: TemSession) -> None:
    a, b, c = session.keys()
    session.step(-1)
    assert session.wanted == a
    for expected in (b, c, c):
        session.step(1)
        assert session.wanted == expected


def test_a_result_that_comes_too_late_is_dropped(session: TemSession) -> None:
    a = session.keys()[0]
    late = made_analysis(session.entry(a).request(), session.settings)
    session.set_data_bar(a, 200)
    assert not session.accept_analysis(a, late)
    assert session.entry(a).analysis is None
    session.remove([a])
    assert not session.accept_analysis(a, late)


def test_other_settings_make_results_outdated_and_going_back_makes_them_fresh(session: TemSession) -> None:
    a, b, _ = session.keys()
    measure(session, a)
    before = session.settings
    session.set_settings(replace(before, segmentation=SegmentationParameters(fill_holes=False)))
    assert session.entry(a).state is ImageState.OUTDATED
    assert session.entry(b).state is ImageState.NEW
    assert len(session.analyses()) == 1
    session.set_settings(before)
    assert session.entry(a).state is ImageState.DONE


def test_a_further_method_makes_results_outdated_and_one_less_does_not(session: TemSession) -> None:
    a = session.keys()[0]
    session.set_settings(AnalysisSettings(methods=("watershed", "hough")))
    measure(session, a)
    session.set_settings(AnalysisSettings(methods=("hough",)))
    assert session.entry(a).state is ImageState.DONE
    session.set_settings(AnalysisSettings(methods=("hough", "ultimate-erosion")))
    assert session.entry(a).state is ImageState.OUTDATED


def test_defaults_said_aloud_change_nothing(session: TemSession) -> None:
    from nanoai_gui.core.tem.sizing import get_method

    a = session.keys()[0]
    measure(session, a)
    defaults = {"watershed": get_method("watershed").Parameters()}
    session.set_settings(replace(session.settings, method_parameters=defaults))
    assert session.entry(a).state is ImageState.DONE


def test_another_data_bar_makes_a_result_outdated(session: TemSession) -> None:
    a = session.keys()[0]
    session.accept_micrograph(a, made_micrograph())
    measure(session, a)
    session.set_data_bar(a, 200)
    assert session.entry(a).state is ImageState.OUTDATED
    assert data_bar(session) == 200
    session.set_data_bar(a, -1)
    assert data_bar(session) is None
    assert session.entry(a).request().data_bar_top == -1


def test_another_pixel_size_keeps_the_result_and_is_carried_by_it(session: TemSession) -> None:
    a, b, c = session.keys()
    session.accept_micrograph(a, made_micrograph())
    measure(session, a)
    typed = Calibration.typed(2.0)
    session.set_calibration([a, b], typed)
    entry = session.entry(a)
    assert entry.state is ImageState.DONE
    assert entry.analysis is not None
    assert entry.analysis.calibration == typed
    assert entry.analysis.request == entry.request()
    assert session.micrograph is not None
    assert session.micrograph.calibration == typed
    assert session.entry(b).known_calibration == typed
    assert session.entry(c).known_calibration is None
    session.set_calibration(a, None)
    assert session.micrograph.calibration == IN_FILE
    assert entry.analysis.calibration == IN_FILE


def test_a_result_from_before_a_new_data_bar_stays_outdated_when_calibrated(session: TemSession) -> None:
    a = session.keys()[0]
    measure(session, a)
    session.set_data_bar(a, 200)
    session.set_calibration(a, Calibration.typed(2.0))
    assert session.entry(a).state is ImageState.OUTDATED


def test_labels_belong_to_the_analysis_shown(session: TemSession, qtbot: QtBot) -> None:
    a = session.keys()[0]
    session.accept_micrograph(a, made_micrograph())
    measure(session, a)
    first = session.entry(a).analysis
    assert first is not None
    measure(session, a)
    second = session.entry(a).analysis
    assert second is not None
    session.accept_labels(a, first, first.labels.unpack())
    assert shown(session) == (a, True, False)
    with qtbot.waitSignal(session.labels_changed):
        session.accept_labels(a, second, second.labels.unpack())
    assert shown(session) == (a, True, True)
    session.remove([a])
    assert shown(session) == (None, False, False)


def test_the_selection_ends_with_its_image_and_its_method(session: TemSession) -> None:
    a, b, _ = session.keys()
    session.set_settings(AnalysisSettings(methods=("watershed", "hough")))
    session.accept_micrograph(a, made_micrograph())
    measure(session, a)
    chosen = Selection(frozenset({2}), frozenset({3, 4}))
    session.select(chosen)
    session.set_shown_method("hough")
    assert session.selection == Selection(frozenset({2}))
    session.set_current(b)
    assert session.selection == Selection(frozenset({2}))  # the image shown is still the first
    session.accept_micrograph(b, made_micrograph("b.tif"))
    assert session.selection == Selection()


def test_few_signals_for_one_change(session: TemSession) -> None:
    heard: list[str] = []
    session.settings_changed.connect(lambda: heard.append("settings"))
    session.entry_changed.connect(lambda key: heard.append(f"entry {key}"))
    session.shown_method_changed.connect(lambda: heard.append("method"))
    measure(session, 1)
    assert heard == ["entry 1"]
    heard.clear()
    session.set_settings(AnalysisSettings(methods=("hough",)))
    assert heard == ["settings", "entry 1"]
    heard.clear()
    session.set_settings(AnalysisSettings(methods=("hough",)))
    assert heard == []


def test_a_failure_keeps_the_older_result(session: TemSession) -> None:
    measure(session, 1)
    session.fail(1, "It stopped.")
    assert session.entry(1).state is ImageState.FAILED
    assert len(session.analyses()) == 1
    session.accept_micrograph(1, made_micrograph())  # reading it is not measuring it
    assert session.entry(1).error == "It stopped."
    measure(session, 1)
    assert session.entry(1).state is ImageState.DONE
