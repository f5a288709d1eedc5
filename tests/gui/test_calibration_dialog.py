from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.tem.calibration import Calibration, CalibrationSource
from nanoai_gui.core.tem.units import PixelSizeUnit, pixel_size_in_nm
from nanoai_gui.gui.tem.calibration_dialog import ApplyTo, CalibrationDialog, CalibrationFacts
from nanoai_gui.gui.tem.calibration_line import NOT_CALIBRATED, CalibrationLine
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.theme import DARK, LIGHT, palette_of
from nanoai_gui.gui.widgets.warning import set_warning
from tests.gui.made import IN_FILE, show_image

Make = Callable[..., CalibrationDialog]


@pytest.fixture
def make(qtbot: QtBot) -> Make:
    def made(
        from_file: Calibration = IN_FILE,
        current: Calibration | None = None,
        n_images: int = 3,
        n_alike: int = 2,
    ) -> CalibrationDialog:
        facts = CalibrationFacts("a.tif", (1000, 2000), from_file, current or from_file, n_images, n_alike)
        dialog = CalibrationDialog(facts)
        qtbot.addWidget(dialog)
        dialog.show()
        qtbot.waitExposed(dialog)
        return dialog

    return made


def type_into(dialog: CalibrationDialog, text: str) -> None:
    dialog.typed_value.setFocus()
    dialog.typed_value.selectAll()
    QTest.keyClicks(dialog.typed_value, text)


def test_begins_with_what_the_file_says_and_changes_nothing(make: Make) -> None:
    dialog = make()
    assert dialog.file_choice.isChecked()
    assert "0.5000 nm/px" in dialog.file_text.text()
    assert dialog.calibration is None  # as the file says
    assert dialog.result_text.text().endswith("The image, 2\u202f000 px wide, shows 1.000 µm.")
    assert dialog.apply_to is ApplyTo.THIS
    assert dialog.accept_button.isEnabled()


def test_a_file_without_pixel_size_is_said_so_with_its_warnings(make: Make) -> None:
    dialog = make(Calibration.unknown("Two sizes contradict each other."))
    assert not dialog.file_choice.isEnabled()
    assert dialog.file_text.text() == "The file does not say."
    assert dialog.doubts.isVisible() and "contradict" in dialog.doubts.text()
    assert dialog.unknown_choice.isChecked()
    assert dialog.calibration == Calibration.unknown()


@pytest.mark.parametrize(
    ("text", "unit", "nm"),
    [
        ("0.2", PixelSizeUnit.NM_PER_PX, 0.2),
        ("0,2", PixelSizeUnit.NM_PER_PX, 0.2),
        ("2.5", PixelSizeUnit.ANGSTROM_PER_PX, 0.25),
        ("1e-3", PixelSizeUnit.UM_PER_PX, 1.0),
        ("4", PixelSizeUnit.PX_PER_NM, 0.25),
        ("500", PixelSizeUnit.PX_PER_UM, 2.0),
    ],
)
def test_typed_values_in_any_unit(make: Make, text: str, unit: PixelSizeUnit, nm: float) -> None:
    dialog = make()
    type_into(dialog, text)
    dialog.typed_unit.setCurrentText(unit.value)
    dialog.typed_unit.activated.emit(dialog.typed_unit.currentIndex())
    assert dialog.typed_choice.isChecked()  # typing chooses
    calibration = dialog.calibration
    assert calibration is not None and calibration.nm_per_px == pytest.approx(nm)
    assert calibration.source is CalibrationSource.TYPED
    shown = f"{2000 * nm:.1f} nm" if nm < 0.5 else f"{2 * nm:.3f} µm"
    assert dialog.result_text.text().endswith(f"shows {shown}.")


@pytest.mark.parametrize("text", ["", "0", "-3", "abc", "1e9", "nan"])
def test_what_cannot_be_a_pixel_size_cannot_be_applied(make: Make, text: str) -> None:
    dialog = make()
    type_into(dialog, "1")
    assert dialog.accept_button.isEnabled()
    type_into(dialog, text)
    if not text:
        QTest.keyClick(dialog.typed_value, Qt.Key.Key_Backspace)
    assert not dialog.accept_button.isEnabled()
    assert dialog.result_text.text()  # says why
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    assert dialog.isVisible()


def test_a_line_over_the_scale_bar(qtbot: QtBot, make: Make) -> None:
    dialog = make(Calibration.unknown())
    with qtbot.waitSignal(dialog.line_wanted):
        QTest.mouseClick(dialog.draw_button, Qt.MouseButton.LeftButton)
    assert not dialog.isVisible()  # out of the way of the image
    dialog.set_line(491.0)
    dialog.show()
    assert not dialog.accept_button.isEnabled()  # its length is not known yet
    QTest.keyClicks(dialog.bar_length, "100")
    assert "0.2037 nm/px" in dialog.result_text.text()
    QTest.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    assert dialog.calibration == Calibration.from_scale_bar(491.0, 100.0)


def test_a_line_given_up_leaves_nothing_to_apply(make: Make) -> None:
    dialog = make()
    dialog.set_line(491.0)
    dialog.set_line(None)
    assert not dialog.accept_button.isEnabled()
    assert "Draw a line" in dialog.result_text.text()


def test_accepting_without_a_change_keeps_the_source(make: Make) -> None:
    bar = Calibration.from_scale_bar(491.0, 100.0)
    dialog = make(current=bar)
    assert dialog.typed_choice.isChecked()
    assert dialog.calibration == bar
    type_into(dialog, "0.3")
    assert dialog.calibration == Calibration.typed(0.3)


def test_only_useful_scopes_are_offered(make: Make) -> None:
    def scopes(dialog: CalibrationDialog) -> list[str]:
        return [dialog.scope_box.itemText(i) for i in range(dialog.scope_box.count())]

    assert scopes(make(n_images=1, n_alike=1)) == ["This image"]
    assert scopes(make(n_images=3, n_alike=1)) == ["This image", "All images (3)"]
    assert scopes(make(n_images=3, n_alike=2))[2].endswith("(2)")


def test_units_refuse_what_is_not_positive() -> None:
    for value in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ParameterError):
            pixel_size_in_nm(value, PixelSizeUnit.NM_PER_PX)


def test_the_line_always_names_the_source_and_is_loud_without_one(qtbot: QtBot) -> None:
    session = TemSession()
    line = CalibrationLine(session)
    qtbot.addWidget(line)
    line.resize(360, 80)
    line.show()
    assert not line.button.isEnabled()
    key = show_image(session)
    assert line.text.text() == "0.5000 nm/px · metadata"
    plain = line.text.palette().windowText().color()
    session.set_calibration(key, Calibration.unknown("Two sizes contradict each other."))
    assert line.text.text() == NOT_CALIBRATED
    assert line.text.palette().windowText().color() != plain
    assert line.doubts.isVisible() and "contradict" in line.doubts.text()
    session.set_calibration(key, Calibration.typed(0.25))
    assert line.text.text() == "0.2500 nm/px · typed"
    assert line.text.palette().windowText().color() == plain
    assert not line.doubts.isVisible()
    with qtbot.waitSignal(line.calibrate_clicked):
        QTest.mouseClick(line.button, Qt.MouseButton.LeftButton)


def test_a_warning_follows_the_theme(qtbot: QtBot) -> None:
    line = CalibrationLine(TemSession())
    qtbot.addWidget(line)
    set_warning(line.text, True)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    before = application.palette()
    try:
        for theme in (DARK, LIGHT, DARK):
            application.setPalette(palette_of(theme))
            QApplication.processEvents()
            assert line.text.palette().windowText().color().name().upper() == theme.warning
    finally:
        application.setPalette(before)
