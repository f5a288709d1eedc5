"""The dialog that makes synthetic images, with real workers and real clicks."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QSpinBox
from pytestqt.qtbot import QtBot

from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.analysis import ImageRequest
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image
from nanoai_gui.core.tem.synthesis.look import LARGEST_LOOK_PX, look
from nanoai_gui.core.tem.synthesis.presets import PRESETS
from nanoai_gui.core.tem.synthesis.write import write_images, write_tiff
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem import synthesis_dialog
from nanoai_gui.gui.tem.synthesis_dialog import Model, SynthesisDialog
from nanoai_gui.gui.theme import DARK, LIGHT, palette_of
from nanoai_gui.gui.widgets.picture import Picture

LEFT = Qt.MouseButton.LeftButton
SOON = 30_000
SMALL = SynthesisSpec(width_px=128, height_px=128, gmd_px=12)


@pytest.fixture
def runner() -> Iterator[JobRunner]:
    runner = JobRunner(WorkerPool(2, reserve=1))
    yield runner
    runner.close()


@pytest.fixture
def dialog(qtbot: QtBot, runner: JobRunner, tmp_path: Path) -> Iterator[SynthesisDialog]:
    dialog = SynthesisDialog(runner, tmp_path / "made")
    qtbot.addWidget(dialog)
    dialog.set_spec(SMALL)
    dialog.show()
    qtbot.waitExposed(dialog)
    yield dialog
    dialog.close()


def seen(dialog: SynthesisDialog) -> bool:
    return dialog.picture.image is not None and not dialog.picture.is_stale


def grey(dialog: SynthesisDialog) -> np.ndarray:
    image = dialog.picture.image
    assert image is not None
    rows = np.frombuffer(bytes(image.constBits()), dtype=np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width()]


def click(widget: object) -> None:
    QTest.mouseClick(widget, LEFT)  # type: ignore[call-overload]


def type_number(box: QSpinBox, number: int) -> None:
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, str(number))
    QTest.keyClick(box, Qt.Key.Key_Tab)


def test_the_preview_is_the_image_that_is_written(
    dialog: SynthesisDialog, qtbot: QtBot, tmp_path: Path
) -> None:
    import tifffile

    qtbot.waitUntil(lambda: seen(dialog), timeout=SOON)
    first = grey(dialog).copy()
    click(dialog.forth)
    qtbot.waitUntil(lambda: seen(dialog) and dialog.facts.text().startswith("Image 2:"), timeout=SOON)
    paths = write_images(SMALL, 2, dialog.seed.value(), tmp_path)
    np.testing.assert_array_equal(first, tifffile.imread(paths[0]))
    np.testing.assert_array_equal(grey(dialog), tifffile.imread(paths[1]))
    click(dialog.back)
    qtbot.waitUntil(lambda: seen(dialog) and dialog.facts.text().startswith("Image 1:"), timeout=SOON)
    np.testing.assert_array_equal(grey(dialog), first)
    assert not dialog.back.isEnabled()


def test_a_change_is_seen_and_hasty_ones_are_not_all_computed(
    dialog: SynthesisDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: seen(dialog), timeout=SOON)
    asked: list[object] = []
    run = dialog._runner.run

    def counted(task: Callable[..., object], *args: object, **options: object) -> object:
        asked.append(args)
        return run(task, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(dialog._runner, "run", counted)
    box = dialog.form.editor("gmd_px")
    box.setFocus()
    for _ in range(6):
        QTest.keyClick(box, Qt.Key.Key_Up)
    assert dialog.picture.is_stale
    qtbot.waitUntil(lambda: seen(dialog), timeout=SOON)
    assert len(asked) == 1
    assert dialog.spec == dataclasses.replace(SMALL, gmd_px=18)
    np.testing.assert_array_equal(grey(dialog), look(dialog.spec, 1, 0).grey)


def test_presets_fill_the_form_and_own_settings_are_named_so(dialog: SynthesisDialog, qtbot: QtBot) -> None:
    assert dialog.preset.currentIndex() == -1  # nothing is chosen: own settings
    box = dialog.preset
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Down)
    box.activated.emit(box.currentIndex())
    assert dialog.spec == PRESETS[box.currentIndex()].spec
    dialog.set_spec(PRESETS[1].spec)
    assert box.currentText() == PRESETS[1].title
    QTest.keyClick(dialog.form.editor("holes"), Qt.Key.Key_Up)
    assert box.currentIndex() == -1


def test_what_does_not_matter_is_grey(dialog: SynthesisDialog) -> None:
    assert dialog.form.editor("gsd").isEnabled() and not dialog.form.editor("aspect_ratio").isEnabled()
    dialog.set_spec(dataclasses.replace(SMALL, vary_population=True))
    assert not dialog.form.editor("gsd").isEnabled() and dialog.form.editor("contrast").isEnabled()
    dialog.set_spec(dataclasses.replace(SMALL, vary_look=True, defocused=True))
    assert not dialog.form.editor("fringe_px").isEnabled() and dialog.form.editor("gsd").isEnabled()


def test_impossible_settings_say_why_and_cannot_be_made(dialog: SynthesisDialog, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: seen(dialog), timeout=SOON)
    dialog.set_spec(dataclasses.replace(SMALL, min_particles=9, max_particles=3))
    qtbot.waitUntil(lambda: "fewest particles" in dialog.picture.message, timeout=SOON)
    assert not dialog.make_button.isEnabled()
    dialog.set_spec(SMALL)
    qtbot.waitUntil(lambda: seen(dialog) and not dialog.picture.message, timeout=SOON)
    assert dialog.make_button.isEnabled()


def test_images_are_made_and_offered(dialog: SynthesisDialog, qtbot: QtBot, tmp_path: Path) -> None:
    type_number(dialog.number, 3)
    type_number(dialog.seed, 7)
    with qtbot.waitSignal(dialog.images_written, timeout=SOON) as written:
        click(dialog.make_button)
        assert dialog.make_button.text() == "Stop" and not dialog.form.isEnabled()
    paths, are_wanted = written.args
    assert are_wanted and [p.parent for p in paths] == [tmp_path / "made"] * 3
    with (tmp_path / "made" / "truth.csv").open() as stream:
        assert {row["image"] for row in csv.DictReader(stream)} == {p.name for p in paths}
    again = write_images(SMALL, 3, 7, tmp_path / "again")
    assert [p.read_bytes() for p in paths] == [p.read_bytes() for p in again]
    assert "3 images and truth.csv are in" in dialog.state.text()
    assert dialog.make_button.text() == "Make images" and dialog.form.isEnabled()


def test_single_agglomerates_that_nobody_wants_to_open(
    dialog: SynthesisDialog, qtbot: QtBot, tmp_path: Path
) -> None:
    click(dialog.single)
    click(dialog.open_after)
    qtbot.waitUntil(lambda: seen(dialog) and "1 agglomerate," in dialog.facts.text(), timeout=SOON)
    type_number(dialog.number, 2)
    with qtbot.waitSignal(dialog.images_written, timeout=SOON) as written:
        click(dialog.make_button)
    assert written.args[1] is False
    again = write_images(SMALL, 2, 1, tmp_path / "again", single_agglomerates=True)
    assert [p.read_bytes() for p in written.args[0]] == [p.read_bytes() for p in again]


def test_making_can_be_stopped(dialog: SynthesisDialog, qtbot: QtBot, tmp_path: Path) -> None:
    type_number(dialog.number, 5000)
    click(dialog.make_button)
    qtbot.waitUntil(lambda: dialog.bar.value() > 0 or "Image" in dialog.state.text(), timeout=SOON)
    click(dialog.make_button)
    assert "Stopped" in dialog.state.text()
    assert dialog.make_button.text() == "Make images" and dialog.make_button.isEnabled()
    assert not (tmp_path / "made" / "truth.csv").exists()


def test_a_folder_that_cannot_be_written(dialog: SynthesisDialog, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    dialog.folder.selectAll()
    QTest.keyClicks(dialog.folder, str(tmp_path / "file"))
    click(dialog.make_button)
    qtbot.waitUntil(lambda: "is a file" in dialog.state.text(), timeout=SOON)
    dialog.folder.selectAll()
    QTest.keyClick(dialog.folder, Qt.Key.Key_Delete)
    assert not dialog.make_button.isEnabled()


def test_making_it_look_like_an_image(dialog: SynthesisDialog, qtbot: QtBot, tmp_path: Path) -> None:
    assert not dialog.resemble_button.isEnabled()
    true = SynthesisSpec(width_px=512, height_px=512, gmd_px=24, brightness=0.55, contrast=0.7)
    write_tiff(tmp_path / "real.tif", make_image(true, 4))
    dialog.set_model(Model("real.tif", ImageRequest(tmp_path / "real.tif"), SegmentationParameters()))
    click(dialog.resemble_button)
    qtbot.waitUntil(lambda: "choose them by eye" in dialog.state.text(), timeout=SOON)
    assert dialog.spec.gmd_px == pytest.approx(24, rel=0.25)
    assert dialog.spec.brightness == pytest.approx(0.55, abs=0.1)
    assert (dialog.spec.width_px, dialog.spec.height_px) == (128, 128)
    assert dialog.preset.currentIndex() == -1
    dialog.set_model(Model("gone.tif", ImageRequest(tmp_path / "gone.tif"), SegmentationParameters()))
    click(dialog.resemble_button)
    qtbot.waitUntil(lambda: "gone.tif" in dialog.state.text() and dialog.form.isEnabled(), timeout=SOON)


def test_escape_closes_and_stops(dialog: SynthesisDialog, qtbot: QtBot) -> None:
    type_number(dialog.number, 5000)
    click(dialog.make_button)
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible() and dialog.state.text() == "Stopped."


def test_large_images_are_looked_at_in_part(runner: JobRunner) -> None:
    made = look(SynthesisSpec(width_px=4096, height_px=256, gmd_px=20), 1, 0)
    assert made.grey.shape == (256, LARGEST_LOOK_PX) and made.grey.dtype == np.uint8
    deep = dataclasses.replace(SMALL, bit_depth=type(SMALL.bit_depth).SIXTEEN)
    assert abs(float(look(deep, 1, 0).grey.mean()) - float(look(SMALL, 1, 0).grey.mean())) < 2


def test_a_picture_is_never_distorted_and_follows_no_theme(qtbot: QtBot) -> None:
    picture = Picture()
    qtbot.addWidget(picture)
    picture.resize(300, 300)
    picture.set_grey(np.full((50, 100), 255, dtype=np.uint8))
    shots = []
    for theme in (LIGHT, DARK):
        picture.setPalette(palette_of(theme))
        shots.append(picture.grab().toImage())
    assert shots[0] == shots[1]
    white = np.array([[shots[0].pixelColor(x, y).lightness() > 250 for x in range(300)] for y in range(300)])
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    assert (len(rows), len(columns)) == (100, 200)  # twice as large: whole factors only
    assert synthesis_dialog.DEBOUNCE_MS <= 300


def test_no_choice_is_cut_off(dialog: SynthesisDialog) -> None:
    for box in dialog.findChildren(QComboBox):
        assert box.width() >= box.sizeHint().width(), box.currentText()
