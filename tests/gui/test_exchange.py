"""Import and export in the window: real dialogs, real files, one undoable step."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from nanoai_gui.core.editing import circles
from nanoai_gui.core.editing.circles import Ellipse
from nanoai_gui.core.exchange.rings import ellipse
from nanoai_gui.core.exchange.shapes import Role, Shape, ShapeSet, shapes_of_labels, to_labels, to_particles
from nanoai_gui.core.files.coco import read_coco
from nanoai_gui.core.files.imagej import read_rois, write_rois
from nanoai_gui.core.files.label_images import read_labels, write_labels
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageRequest, analyse, load
from nanoai_gui.core.tem.networks.corrections import load_corrections
from nanoai_gui.core.tem.particles import Status
from nanoai_gui.gui.exchange import exchange as exchange_module
from nanoai_gui.gui.exchange.exchange import Exchange
from nanoai_gui.gui.exchange.export_dialog import FORMATS, ExportChoice, ExportDialog
from nanoai_gui.gui.exchange.import_dialog import ImportDialog
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.tem.entries import ImageEntry
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.notice import NoticeArea
from tests.core.edited import SHAPE, made_micrograph

SOON = 20_000
LEFT = Qt.MouseButton.LeftButton


@dataclasses.dataclass
class Desk:
    """A session with a window to ask in, and what failed."""

    session: TemSession
    exchange: Exchange
    notices: NoticeArea
    window: QWidget
    failures: list[str]
    qtbot: QtBot

    def open(self, path: Path, analysed: bool) -> int:
        (key,) = self.session.add_paths([path])
        self.session.set_current(key)
        micrograph = load(ImageRequest(path))
        self.session.accept_micrograph(key, micrograph)
        if analysed:
            request = self.session.entry(key).request()
            analysis = analyse(request, AnalysisSettings())
            assert self.session.accept_analysis(key, analysis, analysis.labels.unpack())
        return key

    def dialog(self, kind: type[QDialog]) -> QDialog:
        def there() -> list[QDialog]:
            return [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]

        self.qtbot.waitUntil(lambda: bool(there()) or bool(self.failures), timeout=SOON)
        assert not self.failures
        return there()[0]

    def said(self, text: str) -> None:
        self.qtbot.waitUntil(
            lambda: any(text in t for t in self.notices.texts) or bool(self.failures), timeout=SOON
        )
        assert not self.failures


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "made.tif"
    tifffile.imwrite(path, made_micrograph().pixels, resolution=(2e7, 2e7), resolutionunit=3)
    return path


@pytest.fixture
def desk(qtbot: QtBot, tmp_path: Path) -> Iterator[Desk]:
    window = QWidget()
    window.resize(600, 400)
    qtbot.addWidget(window)
    window.show()
    runner = JobRunner(WorkerPool(1))
    session = TemSession()
    notices = NoticeArea(window)
    exchange = Exchange(session, runner, SettingsStore(tmp_path / "s.json"), notices, window)
    made = Desk(session, exchange, notices, window, [], qtbot)
    runner.failed.connect(lambda failure: made.failures.append(str(failure)))
    yield made
    notices.clear()
    runner.close()


def press(dialog: QDialog, text: str) -> None:
    button = next(b for b in dialog.buttons.buttons() if b.text().replace("&", "") == text)  # type: ignore[attr-defined]
    QTest.mouseClick(button, LEFT)


def test_labels_go_into_a_measured_image_as_one_step(desk: Desk, image: Path, tmp_path: Path) -> None:
    key = desk.open(image, analysed=True)
    document = desk.session.entry(key).document
    before = document.state_bytes()
    labels = document.labels.copy()
    labels[labels == labels[150, 150]] = 0
    labels[200:215, 40:60] = 99
    write_labels(tmp_path / "labels.tif", labels)
    desk.exchange.read(tmp_path / "labels.tif")
    dialog = desk.dialog(ImportDialog)
    assert isinstance(dialog, ImportDialog)
    assert dialog.role.currentText() == "agglomerates" and not dialog.method.isEnabled()
    press(dialog, "Import")
    desk.said("7 agglomerates imported from labels.tif.")
    assert np.array_equal(document.labels, labels)
    assert 99 in document.table.ids
    assert desk.session.history(key).undo_title == "Import agglomerates"
    desk.session.undo(key)
    assert document.state_bytes() == before


def test_outlines_do_not_go_into_another_image_of_that_number(
    desk: Desk, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = desk.open(image, analysed=True)
    session, analysis = desk.session, desk.session.analyses()[0]
    labels = session.entry(key).document.labels.copy()
    labels[labels == labels[150, 150]] = 0
    write_labels(tmp_path / "labels.tif", labels)
    desk.exchange.read(tmp_path / "labels.tif")
    dialog = desk.dialog(ImportDialog)
    go_on, work_out = threading.Event(), exchange_module._work_out

    def slow(*what: Any) -> object:
        assert go_on.wait(SOON / 1000)
        return work_out(*what)

    monkeypatch.setattr(exchange_module, "_work_out", slow)
    press(dialog, "Import")
    session.remove([key])
    session.restore([ImageEntry(key, image, analysis=analysis)])  # as another project has one
    before = session.entry(key).document.state_bytes()
    go_on.set()
    desk.qtbot.waitUntil(lambda: not desk.exchange._runner._in_threads, timeout=SOON)
    QApplication.processEvents()
    assert session.entry(key).document.state_bytes() == before
    assert not desk.notices.texts and not desk.failures


def test_labels_make_the_first_analysis_of_an_image(desk: Desk, image: Path, tmp_path: Path) -> None:
    key = desk.open(image, analysed=False)
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[22:62, 22:80] = 70_000
    write_labels(tmp_path / "labels.tif", labels)
    desk.exchange.read(tmp_path / "labels.tif")
    press(desk.dialog(ImportDialog), "Import")
    desk.said("1 agglomerate imported")
    entry = desk.session.entry(key)
    assert entry.analysis is not None and entry.analysis.agglomerates.ids.tolist() == [70_000]
    assert set(entry.analysis.results["watershed"].particles.agglomerate.tolist()) == {70_000}
    desk.session.undo(key)
    assert entry.analysis is None


def test_ids_too_large_to_work_with_are_given_anew(desk: Desk, image: Path, tmp_path: Path) -> None:
    key = desk.open(image, analysed=True)
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[22:62, 22:80], labels[100:120, 100:120], labels[150:160, 30:40] = 2**31 - 1, 999_999, 2**30
    write_labels(tmp_path / "labels.tif", labels)
    desk.exchange.read(tmp_path / "labels.tif")
    press(desk.dialog(ImportDialog), "Import")
    desk.said("Ids above 1000000 were given new numbers, from 1000000 on.")
    document = desk.session.entry(key).document
    assert document.table.ids.tolist() == [999_999, 1_000_000, 1_000_001]
    assert document.labels[155, 35] == 1_000_000 and document.labels[30, 30] == 1_000_001


def test_circles_of_imagej_become_a_measurement_by_hand(desk: Desk, image: Path, tmp_path: Path) -> None:
    """Ovals without names, in an image that was not analysed: a person measured it in ImageJ."""
    import roifile

    key = desk.open(image, analysed=False)
    for i, (x, y, r) in enumerate(((40, 40, 14), (62, 42, 13))):
        oval = roifile.ImagejRoi(
            roitype=roifile.ROI_TYPE.OVAL, left=x - r, top=y - r, right=x + r, bottom=y + r
        )
        oval.tofile(tmp_path / "circles.zip", name=f"{i}-{i}")
    desk.exchange.read(tmp_path / "circles.zip")
    dialog = desk.dialog(ImportDialog)
    assert isinstance(dialog, ImportDialog)
    assert dialog.role.currentText() == "primary particles"
    assert dialog.method.currentText() == "By hand"
    press(dialog, "Import")
    desk.said("2 primary particles imported from circles.zip.")
    entry = desk.session.entry(key)
    assert entry.analysis is not None
    particles = entry.analysis.results["manual"].particles
    assert particles.diameter_px.tolist() == pytest.approx([28, 26])
    assert particles.status.tolist() == [Status.ADDED] * 2
    assert desk.session.shown_method == "manual"
    desk.session.undo(key)
    assert entry.analysis is None


def test_agglomerates_and_particles_of_one_file_are_one_step(desk: Desk, image: Path, tmp_path: Path) -> None:
    key = desk.open(image, analysed=True)
    document = desk.session.entry(key).document
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[20:60, 20:80] = 5
    shapes = shapes_of_labels(labels, Role.AGGLOMERATE)
    shapes += [Shape((ellipse(40, 40, 12, 9),), Role.PARTICLE, 3, 5, method="watershed")]
    write_rois(tmp_path / "both.zip", shapes)
    before = document.state_bytes()
    desk.exchange.read(tmp_path / "both.zip")
    dialog = desk.dialog(ImportDialog)
    assert isinstance(dialog, ImportDialog)
    assert dialog.agglomerates.isChecked() and dialog.particles.isChecked()
    assert not dialog.role.isVisible() and dialog.method.currentData() == "watershed"
    press(dialog, "Import")
    desk.said("1 agglomerate and 1 primary particle imported")
    assert document.table.ids.tolist() == [5]
    assert document.results["watershed"].particles.ids.tolist() == [3]
    desk.session.undo(key)
    assert document.state_bytes() == before


def test_nothing_is_taken_when_nothing_is_ticked_or_cancelled(
    desk: Desk, image: Path, tmp_path: Path
) -> None:
    key = desk.open(image, analysed=True)
    before = desk.session.entry(key).document.state_bytes()
    shapes = shapes_of_labels(np.pad(np.ones((9, 9), dtype=np.int32), 20), Role.AGGLOMERATE)
    write_rois(tmp_path / "one.zip", shapes)
    desk.exchange.read(tmp_path / "one.zip")
    dialog = desk.dialog(ImportDialog)
    assert isinstance(dialog, ImportDialog)
    QTest.keyClick(dialog.agglomerates, Qt.Key.Key_Space)
    assert not dialog.accept_button.isEnabled()
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert desk.session.entry(key).document.state_bytes() == before


def test_a_file_of_another_image_is_refused_in_a_sentence(desk: Desk, image: Path, tmp_path: Path) -> None:
    desk.open(image, analysed=True)
    write_labels(tmp_path / "labels.tif", np.ones((50, 60), dtype=np.int32))
    desk.exchange.read(tmp_path / "labels.tif")
    desk.qtbot.waitUntil(lambda: bool(desk.failures), timeout=SOON)
    assert "has 60 x 50 px, but the image 320 x 240 px" in desk.failures[0]


# ---------------------------------------------------------------------- export


def test_the_dialog_of_exports_leads_to_a_file(
    desk: Desk, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = desk.open(image, analysed=True)
    analysis = desk.session.entry(key).analysis
    assert analysis is not None
    asked: list[str] = []

    def choose(parent: object, title: str, start: str, kinds: str) -> tuple[str, str]:
        asked.append(start)
        return str(tmp_path / "out"), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    readers: dict[str, Callable[[Path], ShapeSet]] = {
        ".zip": read_rois,
        ".json": lambda path: read_coco(path, "made.tif", SHAPE),
    }
    for row, (suffix, read) in enumerate(readers.items()):
        desk.exchange.ask_for_export()
        dialog = desk.dialog(ExportDialog)
        assert isinstance(dialog, ExportDialog)
        for _ in range(row):
            QTest.keyClick(dialog.format, Qt.Key.Key_Down)
        press(dialog, "Export...")
        desk.said(f"out{suffix} written.")
        assert asked[-1].endswith(f"made outlines{suffix}")
        found = read(tmp_path / f"out{suffix}")
        labels = desk.session.entry(key).document.labels
        assert np.array_equal(to_labels(found.of(Role.AGGLOMERATE), SHAPE)[0], labels)
        back, _ = to_particles(found.of(Role.PARTICLE), SHAPE, labels)
        mine = analysis.results["watershed"].particles
        assert back.ids.tolist() == mine.ids.tolist()
        np.testing.assert_allclose(back.area_px, mine.area_px)
        desk.notices.clear()


def test_labels_of_all_images_go_to_a_folder(desk: Desk, image: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tif"
    other.write_bytes(image.read_bytes())
    keys = [desk.open(path, analysed=True) for path in (image, other)]
    png = next(f for f in FORMATS if f.suffix == ".png")
    out = tmp_path / "out"
    out.mkdir()
    desk.exchange.write(out, ExportChoice(png, True, "watershed", True))
    desk.said("2 images written to out.")
    assert sorted(p.name for p in out.iterdir()) == [
        "made.tif.png", "made.tif.watershed.png", "other.tif.png", "other.tif.watershed.png",
    ]  # fmt: skip
    assert np.array_equal(
        read_labels(out / "other.tif.png", SHAPE), desk.session.entry(keys[1]).document.labels
    )


def test_an_export_that_fails_says_why(desk: Desk, image: Path, tmp_path: Path) -> None:
    desk.open(image, analysed=True)
    choice = ExportChoice(FORMATS[0], True, "", False)
    desk.exchange.write(tmp_path / "none" / "a.zip", choice)
    desk.qtbot.waitUntil(lambda: bool(desk.failures), timeout=SOON)
    assert "does not exist" in desk.failures[0]


def test_what_was_put_right_becomes_training_samples(
    desk: Desk, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = desk.open(image, analysed=True)
    desk.exchange.ask_for_corrections()
    desk.said("Nothing has been put right yet")
    document = desk.session.entry(key).document
    desk.session.commit(key, circles.add(document, "watershed", Ellipse(250, 60, 10, 10)))
    owner = int(document.labels[60, 250])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    desk.exchange.ask_for_corrections()
    desk.said("1 corrected agglomerate written to mine.npz.")
    (correction,) = load_corrections(tmp_path / "mine.npz")
    assert (correction.agglomerate, correction.image) == (owner, "made.tif")
    result = document.results["watershed"]
    assert correction.count == np.count_nonzero(result.particles.agglomerate == owner)
    assert correction.nm_per_px == pytest.approx(0.5)
