"""The file strip with real clicks and keys, and its thumbnails from real workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from nanoai_gui.core.files.thumbnail_cache import cached_thumbnail
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.entries import ImageState
from nanoai_gui.gui.tem.file_delegate import ROW_HEIGHT, paint_badge, state_in_words
from nanoai_gui.gui.tem.file_strip import FileStrip
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.thumbnails import Thumbnails, to_pixmap
from nanoai_gui.gui.theme import LIGHT
from tests.gui.made import made_analysis

LEFT = Qt.MouseButton.LeftButton
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


class NoThumbnails(Thumbnails):
    """Where the pictures do not matter: nothing is asked of a worker."""

    def get(self, path: Path, frame: int | None) -> None:
        return None


@pytest.fixture
def session(qtbot: QtBot) -> TemSession:
    made = TemSession()
    made.add_paths(Path(f"/images/{name}.tif") for name in ("alpha", "beta", "gamma", "delta"))
    return made


@pytest.fixture
def strip(session: TemSession, qtbot: QtBot, tmp_path: Path) -> FileStrip:
    made = FileStrip(session, NoThumbnails(JobRunner(), tmp_path))
    qtbot.addWidget(made)
    made.resize(220, 500)
    made.show()
    qtbot.waitExposed(made)
    return made


def click(strip: FileStrip, qtbot: QtBot, row: int, modifier: Qt.KeyboardModifier | None = None) -> None:
    place = QPoint(100, ROW_HEIGHT * row + ROW_HEIGHT // 2)
    QTest.mouseClick(strip.view.viewport(), LEFT, modifier or Qt.KeyboardModifier.NoModifier, place)


def test_a_click_asks_for_an_image_and_modifiers_choose_more(
    strip: FileStrip, session: TemSession, qtbot: QtBot
) -> None:
    a, b, c, d = session.keys()
    assert strip.chosen_keys() == [a]
    click(strip, qtbot, 1)
    assert session.wanted == b
    assert strip.chosen_keys() == [b]
    click(strip, qtbot, 3, SHIFT)
    assert strip.chosen_keys() == [b, c, d]
    click(strip, qtbot, 2, CTRL)
    assert strip.chosen_keys() == [b, d]


def test_arrow_keys_go_through_the_list_and_letters_are_left_alone(
    strip: FileStrip, session: TemSession, qtbot: QtBot
) -> None:
    a, b, *_ = session.keys()
    strip.view.setFocus()
    QTest.keyClick(strip.view, Qt.Key.Key_Down)
    assert session.wanted == b
    QTest.keyClick(strip.view, Qt.Key.Key_G)
    assert session.wanted == b
    QTest.keyClick(strip.view, Qt.Key.Key_Up)
    assert session.wanted == a


def test_the_strip_follows_the_session(strip: FileStrip, session: TemSession) -> None:
    a, b, c, d = session.keys()
    session.step(1)
    assert strip.chosen_keys() == [b]
    session.remove([b])
    assert strip.chosen_keys() == [c]
    assert strip.model.rowCount() == 3
    session.add_paths([Path("/images/new.tif")])
    assert strip.model.rowCount() == 4
    assert strip.summary.text() == "4 images"
    session.remove([a, c, d, session.keys()[-1]])
    assert strip.chosen_keys() == []
    assert strip.summary.text() == ""


def test_the_filter_hides_and_forgets_nothing(strip: FileStrip, session: TemSession, qtbot: QtBot) -> None:
    QTest.keyClicks(strip.filter, "ETA")
    assert strip.summary.text() == "1 of 4 images"
    assert len(session) == 4
    click(strip, qtbot, 0)
    assert session.wanted == session.keys()[1]
    session.step(1)  # an image that is filtered out can still be shown
    assert session.wanted == session.keys()[2]
    strip.filter.clear()
    assert strip.summary.text() == "4 images"


def test_names_with_signs_of_regular_expressions_are_found(
    strip: FileStrip, session: TemSession, qtbot: QtBot
) -> None:
    session.add_paths([Path("/images/Größe (1) [中].tif")])
    strip.filter.setText("(1) [")
    assert strip.summary.text() == "1 of 5 images"


def test_words_say_what_the_badge_shows(session: TemSession) -> None:
    entry = session.entry(session.keys()[0])
    assert state_in_words(entry, "watershed") == "not measured"
    session.accept_analysis(entry.key, made_analysis(entry.request(), session.settings, n=5))
    assert state_in_words(entry, "watershed") == "8 particles"
    session.fail(entry.key, "alpha.tif is cut off.")
    assert state_in_words(entry, "watershed") == "is cut off."


def test_states_differ_in_shape_not_only_in_colour(qapp: QApplication) -> None:
    grey = {}
    for state in ImageState:
        image = QImage(20, 20, QImage.Format.Format_ARGB32)
        image.fill(Qt.GlobalColor.white)
        painter = QPainter(image)
        paint_badge(painter, QRectF(2, 2, 16, 16), state, LIGHT)
        painter.end()
        inked = image.convertToFormat(QImage.Format.Format_Grayscale8)
        grey[state] = np.array([[inked.pixelColor(x, y).red() < 240 for x in range(20)] for y in range(20)])
    states = list(ImageState)
    for i, one in enumerate(states):
        assert grey[one].sum() > 12
        for other in states[i + 1 :]:
            assert (grey[one] != grey[other]).sum() > 12, (one, other)


def test_the_context_menu_offers_what_it_was_given(strip: FileStrip, qtbot: QtBot) -> None:
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QMenu

    action = QAction("Remove", strip)
    strip.set_menu_actions([action])
    strip.view.customContextMenuRequested.emit(QPoint(50, 20))
    menu = strip.findChild(QMenu)
    assert isinstance(menu, QMenu)
    assert menu.actions() == [action]
    menu.close()


def test_500_images_paint_and_change_fast(strip: FileStrip, session: TemSession, qtbot: QtBot) -> None:
    started = time.thread_time()
    session.add_paths(Path(f"/images/{i}.tif") for i in range(496))
    for entry in session.entries():
        session.set_state(entry.key, ImageState.QUEUED)
    strip.view.verticalScrollBar().setValue(strip.view.verticalScrollBar().maximum() // 2)
    strip.grab()
    assert time.thread_time() - started < 0.5


@pytest.fixture
def runner(qtbot: QtBot) -> Iterator[JobRunner]:
    made = JobRunner(WorkerPool(1))
    yield made
    made.close()


def picture(path: Path, value: int = 0) -> Path:
    import tifffile

    pixels = np.full((300, 400), 200, dtype=np.uint8)
    pixels[:, :200] = value
    tifffile.imwrite(path, pixels)
    return path


def test_thumbnails_are_made_kept_and_made_anew_for_a_changed_file(tmp_path: Path) -> None:
    path, cache = picture(tmp_path / "ä 中.tif"), tmp_path / "cache"
    first = cached_thumbnail(path, None, 128, cache)
    assert first.dtype == np.uint8
    assert max(first.shape) <= 128
    (kept,) = cache.iterdir()
    written = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(cached_thumbnail(path, None, 128, cache), first)
    assert len(list(cache.iterdir())) == 1
    kept.write_bytes(b"rubbish")
    np.testing.assert_array_equal(cached_thumbnail(path, None, 128, cache), first)
    picture(path, 199)
    cached_thumbnail(path, None, 128, cache)
    assert len(list(cache.iterdir())) == 2
    assert written


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    assert cached_thumbnail(picture(tmp_path / "a.tif"), None, 128, tmp_path / "cache").size


def test_thumbnails_come_later_and_stay(runner: JobRunner, qtbot: QtBot, tmp_path: Path) -> None:
    thumbnails = Thumbnails(runner, tmp_path / "cache")
    good, bad = picture(tmp_path / "a.tif"), tmp_path / "not there.tif"
    assert thumbnails.get(good, None) is None
    assert thumbnails.get(bad, None) is None
    heard: list[object] = []
    thumbnails.ready.connect(lambda path, _: heard.append(path))
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=15_000)
    pixmap = thumbnails.get(good, None)
    assert pixmap is not None
    assert max(pixmap.width(), pixmap.height()) <= 128
    assert thumbnails.get(bad, None) is None
    assert runner.pool.pids()
    assert not thumbnails._running


def test_a_thumbnail_shows_the_grey_levels(qapp: QApplication) -> None:
    grey = np.arange(60, dtype=np.uint8).reshape(6, 10)[:, ::2]
    image = to_pixmap(grey).toImage()
    assert (image.width(), image.height()) == (5, 6)
    assert image.pixelColor(4, 5).red() == grey[5, 4]
