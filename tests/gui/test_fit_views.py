"""What the window shows of a fit: errors under the mouse, particles to check, the residual, the filter."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from nanoai_gui.core.callbacks import never_cancelled
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.fitting.bodies import Kind
from nanoai_gui.core.tem.fitting.report import FitReport
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.canvas import DOUBTFUL_COLOUR, MicrographCanvas
from nanoai_gui.gui.tem.canvas_items import residual_colours
from nanoai_gui.gui.tem.particle_hint import describe
from nanoai_gui.gui.tem.residual import prepare_residual
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tem_tab import TemTab
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from tests.gui.made import made_agglomerates, made_analysis, made_micrograph, show_image

METHOD = "watershed"


class NoThumbnails(Thumbnails):
    """Needs no files and no workers."""

    def get(self, path: Path, frame: int | None) -> QPixmap | None:
        return None


@pytest.fixture
def jobs() -> Iterator[JobRunner]:
    jobs = JobRunner()
    yield jobs
    jobs.close()


@pytest.fixture
def session() -> TemSession:
    return TemSession()


@pytest.fixture
def tab(qtbot: QtBot, session: TemSession, jobs: JobRunner) -> Iterator[TemTab]:
    tab = TemTab(session, jobs, NoThumbnails(jobs))
    qtbot.addWidget(tab)
    tab.resize(1280, 700)
    tab.show()
    qtbot.waitExposed(tab)
    yield tab
    tab.shut_down()


def report() -> FitReport:
    return FitReport(
        Kind.MASS.value, 0.05, 1.0, 1.1, 0.05, 0.0, 0.0, False, 5.25, np.zeros((0, 2)), np.zeros((0, 3))
    )


def analyse_with_fit(session: TemSession, key: int) -> ImageAnalysis:
    """As if a worker had fitted: errors, scores from 0 to 1, every fourth particle doubtful."""
    entry = session.entry(key)
    assert entry.known_calibration is not None
    analysis = made_analysis(entry.request(), session.settings, entry.known_calibration)
    result = analysis.results[METHOD]
    p = result.particles
    particles = dataclasses.replace(
        p, uncertainty_px=0.02 * p.diameter_px, flagged=np.arange(len(p)) % 4 == 0
    )
    fitted = dataclasses.replace(result, particles=particles, fit=report())
    analysis = dataclasses.replace(analysis, results={METHOD: fitted})
    assert session.accept_analysis(key, analysis, analysis.labels.unpack())
    return analysis


def wait_for_overlay(qtbot: QtBot, tab: TemTab) -> None:
    qtbot.waitUntil(lambda: tab.canvas.picture is not None and len(tab.canvas.picture.particle_ids) > 0)


def particles_of(analysis: ImageAnalysis) -> Particles:
    return analysis.results[METHOD].particles


def test_the_mouse_over_a_particle_tells_size_and_error(
    tab: TemTab, session: TemSession, qtbot: QtBot
) -> None:
    analysis = analyse_with_fit(session, show_image(session))
    wait_for_overlay(qtbot, tab)
    p = particles_of(analysis)
    canvas = tab.canvas
    x, y = canvas.view.to_screen(float(p.x[1]) + 2.0, float(p.y[1]), canvas.size_f)
    at = QPoint(round(x), round(y))
    event = QHelpEvent(QEvent.Type.ToolTip, at, canvas.mapToGlobal(at))
    QApplication.sendEvent(canvas, event)
    text = QToolTip.text()
    QToolTip.hideText()
    assert f"Particle {p.ids[1]} of agglomerate" in text
    assert "± " in text and " nm (" in text and "Score" in text


def test_a_doubtful_particle_says_so_until_a_person_has_changed_it() -> None:
    p = dataclasses.replace(
        Particles.from_circles([1], [5.0], [5.0], [10.0], [0.7]), flagged=np.array([True])
    )
    assert "To check" in describe(p, 1, None) and "±" not in describe(p, 1, None)
    edited = dataclasses.replace(p, status=np.array([Status.EDITED], dtype=np.int8))
    assert "To check" not in describe(edited, 1, None) and "Changed by hand" in describe(edited, 1, 0.5)
    assert describe(p, 99, None) == ""


def test_doubtful_particles_have_a_style_of_their_own(tab: TemTab, session: TemSession, qtbot: QtBot) -> None:
    analysis = analyse_with_fit(session, show_image(session))
    wait_for_overlay(qtbot, tab)
    picture = tab.canvas.picture
    assert picture is not None
    p = particles_of(analysis)
    assert len(picture.drawn_doubtful.levels[0]) == np.count_nonzero(p.flagged)
    assert len(picture.drawn_particles.levels[0]) == np.count_nonzero(~p.flagged)
    tab.canvas.set_masks_visible(False)
    image = tab.canvas.grab().toImage().convertToFormat(tab.canvas.grab().toImage().Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    wanted = np.array([int(DOUBTFUL_COLOUR[i : i + 2], 16) for i in (5, 3, 1)])
    near = np.abs(pixels[:, :, :3].astype(int) - wanted).max(axis=2) < 40
    assert near.sum() > 20
    assert tab.result.facts()["To check"] == str(np.count_nonzero(p.flagged))
    assert tab.result.facts()["Smallest measurable"].endswith("nm (5.2 px)")


def test_the_residual_takes_the_place_of_the_image(tab: TemTab, session: TemSession, qtbot: QtBot) -> None:
    analyse_with_fit(session, show_image(session))
    wait_for_overlay(qtbot, tab)
    button = tab.canvas_bar.residual
    assert button.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tab.canvas.shows_residual)
    assert "Image minus model" in tab.canvas_bar.name.text()
    tab.canvas.set_outlines_visible(False)
    assert tab.canvas.masks_visible, "but not painted: they would hide what the fit leaves"
    image = tab.canvas.grab().toImage()
    tab.canvas.set_masks_visible(False)
    assert tab.canvas.grab().toImage() == image
    # Circles where the image holds only noise: less material than said, so blue in their middle.
    p = session.current_analysis.results[METHOD].particles  # type: ignore[union-attr]
    x, y = tab.canvas.view.to_screen(float(p.x[10]), float(p.y[10]), tab.canvas.size_f)
    colour = image.pixelColor(round(x), round(y))
    assert colour.blue() > colour.red() + 40
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert not tab.canvas.shows_residual
    assert "Image minus model" not in tab.canvas_bar.name.text()


def test_no_residual_without_a_fit(tab: TemTab, session: TemSession, qtbot: QtBot) -> None:
    key = show_image(session)
    entry = session.entry(key)
    assert entry.known_calibration is not None
    tab.residual.set_on(True)
    analysis = made_analysis(entry.request(), session.settings, entry.known_calibration)
    assert session.accept_analysis(key, analysis, analysis.labels.unpack())
    wait_for_overlay(qtbot, tab)
    assert not tab.canvas.shows_residual and not tab.canvas_bar.residual.isVisible()


def test_low_scores_are_left_out_everywhere_at_once(tab: TemTab, session: TemSession, qtbot: QtBot) -> None:
    analysis = analyse_with_fit(session, show_image(session))
    wait_for_overlay(qtbot, tab)
    p = particles_of(analysis)
    tab.score.slider.setFocus()
    tab.score.slider.setValue(50)
    stay = int(np.count_nonzero(p.score >= 0.5))
    assert 0 < stay < len(p)
    assert tab.table.model.rowCount() == stay
    assert tab.score.box.value() == 0.5
    assert tab.score.left_out.text() == f"{len(p) - stay} left out"
    qtbot.waitUntil(lambda: tab.canvas.picture is not None and len(tab.canvas.picture.particle_ids) == stay)

    def n_pooled() -> int:
        state = tab.histogram.plot.state
        curve = None if state is None else state.curve(METHOD)
        return 0 if curve is None else len(curve.sample)

    qtbot.waitUntil(lambda: n_pooled() == stay)  # what was asked for before may come first
    tab.score.set_least(0.0)
    qtbot.waitUntil(lambda: n_pooled() > stay)
    assert tab.table.model.rowCount() == len(p)


def test_the_filter_hides_where_there_are_no_scores(tab: TemTab, session: TemSession) -> None:
    show_image(session)
    assert not tab.score.isVisible()
    tab.score.set_particles(Particles.from_circles([1], [5.0], [5.0], [4.0]))
    assert not tab.score.isVisible()
    tab.score.set_particles(Particles.from_circles([1], [5.0], [5.0], [4.0], [0.4]))
    assert tab.score.isVisible()


def test_an_agglomerate_that_is_new_since_the_residual_was_asked_for_does_not_spoil_it() -> None:
    agglomerates = made_agglomerates(5)
    none, levels = Particles.empty(), dataclasses.replace(report(), levels=np.array([[1.0, 0.1]]))
    before = prepare_residual(made_micrograph(), agglomerates, none, levels, never_cancelled)
    agglomerates.labels[150:170, 150:170] = 9
    after = prepare_residual(made_micrograph(), agglomerates, none, levels, never_cancelled)
    assert np.array_equal(before.levels[0], after.levels[0])
    assert agglomerates.labels[160, 160] == 9


def test_a_residual_of_another_size_is_refused(qtbot: QtBot) -> None:
    canvas = MicrographCanvas()
    qtbot.addWidget(canvas)
    with pytest.raises(ValueError, match="does not fit"):
        canvas.set_residual((np.zeros((3, 4), dtype=np.uint8),))
    canvas.shut_down()


def test_both_ends_of_the_residual_differ_to_every_eye() -> None:
    colours = residual_colours().astype(float)
    light = colours[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light[128:]) > 0).all() and (np.diff(light[1:129]) < 0).all()
    assert light[255] - light[1] > 10 and (colours[:, 3] == 255).all()
