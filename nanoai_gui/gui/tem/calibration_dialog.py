"""The dialog that sets the pixel size: as the file says, typed, or from a line over the scale bar."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QWidget,
)

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.units import LengthUnit, PixelSizeUnit, pixel_size_in_nm
from nanoai_gui.gui.tem.calibration_line import calibration_text
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.numbers import count, significant
from nanoai_gui.gui.widgets.warning import set_warning


class ApplyTo(Enum):
    """The images that a pixel size is set for."""

    THIS = "This image"
    ALL = "All images"
    ALIKE = "Images of the same size that have no pixel size"


@dataclass(frozen=True)
class CalibrationFacts:
    """What the dialog shows of the image, and for how many images the answer can be taken.

    ``from_file`` is what the file itself says (maybe nothing), ``current`` what is in use.
    """

    name: str
    shape: tuple[int, int]
    from_file: Calibration
    current: Calibration
    n_images: int
    n_alike: int


class CalibrationDialog(QDialog):
    """Asks for a pixel size, and shows what it means before it is accepted.

    A line is drawn in the image, not here: the dialog asks for it with ``line_wanted``, is hidden meanwhile,
    and gets the answer through :meth:`set_line`.
    """

    line_wanted = Signal()

    def __init__(self, facts: CalibrationFacts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._facts = facts
        self._line_px: float | None = None
        self._outcome: Calibration | None = None
        self.setWindowTitle(f"Pixel size of {facts.name}")
        self.setMinimumWidth(440)
        layout = column(self, spacing=GRID, margin=2 * GRID)
        layout.addLayout(self._make_choices())
        layout.addSpacing(GRID)
        layout.addLayout(self._make_result())
        layout.addStretch(1)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = self.buttons.addButton("Apply", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout.addWidget(self.buttons)
        self._preset()
        self._update()

    # ------------------------------------------------------------------ the answer

    @property
    def calibration(self) -> Calibration | None:
        """The pixel size chosen; ``None``: as the file says."""
        return None if self.file_choice.isChecked() else self._outcome

    @property
    def apply_to(self) -> ApplyTo:
        """The images it is for."""
        return ApplyTo(self.scope_box.currentData())

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image in px."""
        return self._facts.shape

    def set_line(self, length_px: float | None) -> None:
        """Take the length of the line drawn over the scale bar (``None``: there is none any more)."""
        self._line_px = length_px
        self.bar_choice.setChecked(True)
        self._update()
        if length_px is not None:
            self.bar_length.setFocus()
            self.bar_length.selectAll()

    # ------------------------------------------------------------------ the form

    def _make_choices(self) -> QGridLayout:
        facts = self._facts
        self.file_choice = QRadioButton("From the file")
        self.typed_choice = QRadioButton("Typed")
        self.bar_choice = QRadioButton("From the scale bar")
        self.unknown_choice = QRadioButton("Unknown")
        self._group = QButtonGroup(self)
        self.file_text = QLabel(
            calibration_text(facts.from_file) if facts.from_file.is_known else "The file does not say."
        )
        self.file_text.setToolTip(facts.from_file.detail)
        self.file_choice.setEnabled(facts.from_file.is_known)
        self.doubts = QLabel("\n".join(facts.from_file.warnings))
        self.doubts.setWordWrap(True)
        set_warning(self.doubts, True)
        self.doubts.setVisible(bool(facts.from_file.warnings))

        self.typed_value = _number("pixel size")
        self.typed_unit = _units([unit.value for unit in PixelSizeUnit])
        typed = row()
        typed.addWidget(self.typed_value, 1)
        typed.addWidget(self.typed_unit)

        self.draw_button = QPushButton("Draw a line over it…")
        self.draw_button.setToolTip("Drag along the whole scale bar in the image; Esc gives up")
        self.draw_button.setAutoDefault(False)
        self.line_text = QLabel()
        self.bar_length = _number("length of the bar")
        self.bar_unit = _units([unit.value for unit in LengthUnit])
        drawn = row()
        drawn.addWidget(self.draw_button)
        drawn.addWidget(self.line_text, 1)
        bar = row()
        bar.addWidget(self.bar_length, 1)
        bar.addWidget(self.bar_unit)

        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.file_choice, 0, 0)
        grid.addWidget(self.file_text, 0, 1)
        grid.addWidget(self.doubts, 1, 1)
        grid.addWidget(self.typed_choice, 2, 0)
        grid.addLayout(typed, 2, 1)
        grid.addWidget(self.bar_choice, 3, 0)
        grid.addLayout(drawn, 3, 1)
        grid.addLayout(bar, 4, 1)
        grid.addWidget(self.unknown_choice, 5, 0)
        grid.addWidget(QLabel("All results in px."), 5, 1)
        for choice in (self.file_choice, self.typed_choice, self.bar_choice, self.unknown_choice):
            self._group.addButton(choice)
            choice.toggled.connect(self._update)
        for edit, unit, choice in (
            (self.typed_value, self.typed_unit, self.typed_choice),
            (self.bar_length, self.bar_unit, self.bar_choice),
        ):
            edit.textEdited.connect(lambda _text, choice=choice: self._typed_into(choice))
            unit.activated.connect(lambda _index, choice=choice: self._typed_into(choice))
        self.draw_button.clicked.connect(self._want_line)
        return grid

    def _make_result(self) -> QGridLayout:
        self.result_text = QLabel()
        self.result_text.setObjectName("result")
        self.result_text.setWordWrap(True)
        self.result_text.setMinimumHeight(2 * self.fontMetrics().lineSpacing() + HALF)
        self.result_text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.scope_box = QComboBox()
        self.scope_box.setObjectName("applyTo")
        self.scope_box.addItem(ApplyTo.THIS.value, ApplyTo.THIS.value)
        if self._facts.n_images > 1:
            self.scope_box.addItem(f"{ApplyTo.ALL.value} ({self._facts.n_images})", ApplyTo.ALL.value)
        if self._facts.n_alike > 1:
            self.scope_box.addItem(f"{ApplyTo.ALIKE.value} ({self._facts.n_alike})", ApplyTo.ALIKE.value)
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(1, 1)
        grid.addWidget(QLabel("Pixel size"), 0, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self.result_text, 0, 1)
        grid.addWidget(QLabel("Apply to"), 1, 0)
        grid.addWidget(self.scope_box, 1, 1)
        return grid

    def _preset(self) -> None:
        """Begin with what is in use, so that nothing changes unless a person changes it."""
        current, from_file = self._facts.current, self._facts.from_file
        if current.nm_per_px is not None and current != from_file:
            self.typed_value.setText(f"{current.nm_per_px:.6g}")
            self.typed_choice.setChecked(True)
        elif from_file.is_known:
            self.file_choice.setChecked(True)
        else:
            self.unknown_choice.setChecked(True)

    def _typed_into(self, choice: QRadioButton) -> None:
        choice.setChecked(True)
        self._update()

    def _want_line(self) -> None:
        self.bar_choice.setChecked(True)
        self.hide()
        self.line_wanted.emit()

    def _update(self) -> None:
        self.line_text.setText(
            "" if self._line_px is None else f"{significant(self._line_px, 4)} px long. The bar is:"
        )
        for widget in (self.bar_length, self.bar_unit):
            widget.setEnabled(self._line_px is not None)
        self._outcome = None
        try:
            self._outcome = self._chosen()
        except NanoAIError as error:
            text, is_wrong = str(error), True
        else:
            text, is_wrong = self._explain(self._outcome), not self._outcome.is_known
        self.result_text.setText(text)
        set_warning(self.result_text, is_wrong)
        self.accept_button.setEnabled(self._outcome is not None)

    def _chosen(self) -> Calibration:
        if self.file_choice.isChecked():
            return self._facts.from_file
        if self.typed_choice.isChecked():
            value = _value(self.typed_value, "Enter the size of one pixel.")
            unit = PixelSizeUnit(self.typed_unit.currentText())
            current = self._facts.current
            if current.nm_per_px is not None and self._is_untouched():
                # Opened and accepted without a change: the scale bar stays the source.
                return current
            return Calibration.typed(pixel_size_in_nm(value, unit))
        if self.bar_choice.isChecked():
            if self._line_px is None:
                raise NanoAIError("Draw a line over the scale bar first.")
            length = _value(self.bar_length, "Enter the length that is written at the bar.")
            unit_nm = LengthUnit(self.bar_unit.currentText()).in_nm
            return Calibration.from_scale_bar(self._line_px, length * unit_nm)
        return Calibration.unknown()

    def _is_untouched(self) -> bool:
        return not self.typed_value.isModified() and self.typed_unit.currentIndex() == 0

    def _explain(self, calibration: Calibration) -> str:
        if calibration.nm_per_px is None:
            return "None: results in px."
        width = self._facts.shape[1]
        nm = width * calibration.nm_per_px
        length = f"{significant(nm, 4)} nm" if nm < 1000 else f"{significant(nm / 1000, 4)} µm"
        return (
            f"{significant(calibration.nm_per_px, 4)} nm/px\n"
            f"The image, {count(width, 'px', 'px')} wide, shows {length}."
        )


def _number(name: str) -> QLineEdit:
    edit = QLineEdit()
    edit.setObjectName(name)
    edit.setAccessibleName(name)
    edit.setAlignment(Qt.AlignmentFlag.AlignRight)
    edit.setMaxLength(24)
    return edit


def _units(texts: list[str]) -> QComboBox:
    box = QComboBox()
    box.addItems(texts)
    return box


def _value(edit: QLineEdit, question: str) -> float:
    """Read a typed number; a decimal comma is as good as a point."""
    text = edit.text().strip().replace(",", ".")
    if not text:
        raise NanoAIError(question)
    try:
        return float(text)
    except ValueError:
        raise NanoAIError(f"“{edit.text()}” is not a number.") from None
