"""A form made from a parameter dataclass: the core describes its parameters, this shows them."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QWidget,
)

from nanoai_gui.core.parameters import Options, ParameterSpec, describe
from nanoai_gui.gui.widgets.keys import keep_navigation_keys
from nanoai_gui.gui.widgets.layout import GRID, HALF, FoldButton, row

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

UNBOUNDED = 1e9
"""Stands for infinity in a spin box."""

Rule = Callable[[Any], bool]
"""Whether a parameter matters, given all values."""


class ParameterForm(QWidget):
    """Editors for every field of a parameter dataclass.

    Advanced parameters hide behind "More"; help is in the tooltips.

    Parameters
    ----------
    kind
        The dataclass (its fields made with :func:`nanoai_gui.core.parameters.parameter`).
    rules
        For some parameters, whether they matter given all the values; the others are always enabled.
    """

    values_changed = Signal(object)
    """The new parameter set, after a person changed one value (not after :meth:`set_values`)."""

    def __init__(
        self,
        kind: type[DataclassInstance],
        rules: Mapping[str, Rule] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._kind = kind
        self._specs = {spec.name: spec for spec in describe(kind)}
        self._rules = dict(rules or {})
        self._editors: dict[str, QWidget] = {}
        self._labels: dict[str, QLabel] = {}
        self._values: Any = kind()
        self._wheel_guard = _WheelGuard(self)

        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(GRID)
        layout.setVerticalSpacing(HALF)
        layout.setColumnStretch(1, 1)
        self._advanced: list[QWidget] = []
        row = 0
        for spec in sorted(self._specs.values(), key=lambda spec: spec.advanced):
            if spec.advanced and not self._advanced:
                row = self._add_more_button(layout, row)
            self._add_row(layout, row, spec)
            row += 1
        self.set_values(self._values)
        self._show_advanced(False)

    def values(self) -> Any:  # noqa: ANN401 - an instance of the kind given
        """Return the parameter set as it stands."""
        return self._values

    def set_values(self, values: DataclassInstance) -> None:
        """Show a parameter set without announcing it as a change by the person."""
        if not isinstance(values, self._kind):
            raise TypeError(f"this form edits {self._kind.__name__}, not {type(values).__name__}")
        self._values = values
        for name, editor in self._editors.items():
            editor.blockSignals(True)
            _write(editor, getattr(values, name), self._specs[name])
            editor.blockSignals(False)
        self._apply_rules()

    def reset(self) -> None:
        """Go back to the defaults, as a change by the person."""
        if not self.is_default():
            self.set_values(self._kind())
            self.values_changed.emit(self._values)

    def is_default(self) -> bool:
        """Whether every value is the default."""
        return bool(self._values == self._kind())

    def editor(self, name: str) -> QWidget:
        """Give the editor of one parameter."""
        return self._editors[name]

    def _add_row(self, layout: QGridLayout, row: int, spec: ParameterSpec) -> None:
        editor = self._make_editor(spec)
        self._editors[spec.name] = editor
        editor.setObjectName(spec.name)
        editor.setToolTip(_tip(spec))
        editor.setAccessibleName(spec.label)
        if isinstance(editor, QCheckBox):
            layout.addWidget(editor, row, 0, 1, 2)
            shown: tuple[QWidget, ...] = (editor,)
        else:
            label = QLabel(spec.label)
            label.setBuddy(editor)
            label.setToolTip(_tip(spec))
            self._labels[spec.name] = label
            layout.addWidget(label, row, 0)
            layout.addWidget(editor, row, 1)
            shown = (label, editor)
        if spec.advanced:
            self._advanced.extend(shown)

    def _add_more_button(self, layout: QGridLayout, row: int) -> int:
        self._more = FoldButton("More", "Settings that rarely need a change", name="more")
        self._more.folded.connect(self._show_advanced)
        layout.addWidget(self._more, row, 0, 1, 2, Qt.AlignmentFlag.AlignLeft)
        return row + 1

    def _show_advanced(self, shown: bool) -> None:
        for widget in self._advanced:
            widget.setVisible(shown)

    def _make_editor(self, spec: ParameterSpec) -> QWidget:
        changed = partial(self._edited, spec.name)
        editor: QWidget
        if spec.choices:
            box = QComboBox()
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
            for choice in spec.choices:
                text = str(choice.value)
                box.addItem(text[:1].upper() + text[1:])
            box.currentIndexChanged.connect(changed)
            editor = box
        elif spec.options is not None:
            texts = OptionBox(spec.options)
            texts.currentIndexChanged.connect(changed)
            editor = texts
        elif spec.type is bool:
            tick = QCheckBox(spec.label)
            tick.toggled.connect(changed)
            editor = tick
        elif spec.type is int:
            whole = QSpinBox()
            whole.setRange(round(_bounded(spec.minimum)), round(_bounded(spec.maximum)))
            whole.setSingleStep(max(round(spec.step), 1))
            whole.valueChanged.connect(changed)
            editor = whole
        elif spec.minimum == 0 and spec.maximum == 1:
            fraction = FractionEditor(spec.step)
            fraction.value_changed.connect(changed)
            editor = fraction
        else:
            number = QDoubleSpinBox()
            number.setRange(_bounded(spec.minimum), _bounded(spec.maximum))
            number.setSingleStep(spec.step)
            number.setDecimals(_decimals(spec))
            number.valueChanged.connect(changed)
            editor = number
        if isinstance(editor, QAbstractSpinBox):
            assert isinstance(editor, QSpinBox | QDoubleSpinBox)
            # A half-typed number ("1" on the way to "12") must not set off an analysis.
            editor.setKeyboardTracking(False)
            editor.setAlignment(Qt.AlignmentFlag.AlignRight)
            if spec.unit:
                editor.setSuffix(f" {spec.unit}")
            editor.setMinimumWidth(96)
        editor.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if not isinstance(editor, QCheckBox):
            editor.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        editor.installEventFilter(self._wheel_guard)
        return editor

    def _edited(self, name: str, *_: object) -> None:
        value = _read(self._editors[name], self._specs[name])
        if value == getattr(self._values, name):
            return
        changed = {spec: getattr(self._values, spec) for spec in self._specs} | {name: value}
        self._values = self._kind(**changed)
        self._apply_rules()
        self.values_changed.emit(self._values)

    def _apply_rules(self) -> None:
        for name, rule in self._rules.items():
            if name in self._editors:
                matters = rule(self._values)
                self._editors[name].setEnabled(matters)
                if name in self._labels:
                    self._labels[name].setEnabled(matters)


class OptionBox(QComboBox):
    """Offers texts that may come and go: asks for them anew each time it is opened."""

    def __init__(self, options: Options, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._options = options
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.set_value("")

    @property
    def value(self) -> str:
        """The text chosen."""
        return str(self.currentData() or "")

    def set_value(self, value: str) -> None:
        """Choose a text; one that is not on offer any more is shown as missing."""
        was_blocked = self.blockSignals(True)
        self.clear()
        for text, words in self._options():
            self.addItem(words, text)
        place = self.findData(value)
        if place < 0 and value:
            self.addItem(f"{value} (missing)", value)
            place = self.count() - 1
        self.setCurrentIndex(max(place, 0))
        self.blockSignals(was_blocked)

    def showPopup(self) -> None:
        """Offer what there is now."""
        self.set_value(self.value)
        super().showPopup()


class FractionEditor(QWidget):
    """A slider and a spin box for a value between 0 and 1."""

    value_changed = Signal(float)

    def __init__(self, step: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps = max(round(1 / step), 1)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, self._steps)
        self._slider.setPageStep(max(self._steps // 10, 1))
        self._slider.setMinimumWidth(48)
        self._spin = QDoubleSpinBox()
        self._spin.setRange(0, 1)
        self._spin.setSingleStep(step)
        self._spin.setDecimals(max(math.ceil(-math.log10(step) - 1e-9), 1))
        self._spin.setKeyboardTracking(False)
        self._spin.setAlignment(Qt.AlignmentFlag.AlignRight)
        layout = row(self)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spin)
        self.setFocusProxy(self._spin)
        keep_navigation_keys(self._slider)
        guard = _WheelGuard(self)
        self._slider.installEventFilter(guard)
        self._spin.installEventFilter(guard)
        self._slider.valueChanged.connect(self._slid)
        self._spin.valueChanged.connect(self._typed)

    @property
    def value(self) -> float:
        """The fraction."""
        return float(self._spin.value())

    @property
    def slider(self) -> QSlider:
        """The slider."""
        return self._slider

    @property
    def spin_box(self) -> QDoubleSpinBox:
        """The spin box."""
        return self._spin

    def set_value(self, value: float) -> None:
        """Show ``value``."""
        self._spin.setValue(value)

    def _slid(self, position: int) -> None:
        self._spin.setValue(position / self._steps)

    def _typed(self, value: float) -> None:
        self._slider.blockSignals(True)
        self._slider.setValue(round(value * self._steps))
        self._slider.blockSignals(False)
        self.value_changed.emit(value)


class _WheelGuard(QObject):
    """Lets the wheel scroll the column rather than change a value that merely lies under the pointer."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def _bounded(limit: float) -> float:
    return min(max(limit, -UNBOUNDED), UNBOUNDED)


def _decimals(spec: ParameterSpec) -> int:
    """Count the decimals that show both the step and the default exactly (at most six)."""
    for digits in range(6):
        if all(abs(round(value, digits) - value) < 1e-9 for value in (spec.step, float(spec.default))):
            return digits
    return 6


def _tip(spec: ParameterSpec) -> str:
    default = spec.default
    if isinstance(default, bool):
        text = "on" if default else "off"
    elif isinstance(default, enum.Enum):
        text = str(default.value)
    elif spec.options is not None:
        text = dict(spec.options()).get(default, str(default))
    else:
        text = f"{default:g} {spec.unit}".strip()
    return f"{spec.help}\n\nDefault: {text}".strip()


def _read(editor: QWidget, spec: ParameterSpec) -> Any:  # noqa: ANN401 - bool, int, float, text or Enum
    if isinstance(editor, OptionBox):
        return editor.value
    if isinstance(editor, QComboBox):
        # Not from item data: Qt would turn a StrEnum into a plain text.
        return spec.choices[editor.currentIndex()]
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    if isinstance(editor, FractionEditor):
        return editor.value
    assert isinstance(editor, QSpinBox | QDoubleSpinBox)
    return editor.value()


def _write(editor: QWidget, value: Any, spec: ParameterSpec) -> None:  # noqa: ANN401
    if isinstance(editor, OptionBox):
        editor.set_value(value)
    elif isinstance(editor, QComboBox):
        editor.setCurrentIndex(spec.choices.index(value))
    elif isinstance(editor, QCheckBox):
        editor.setChecked(value)
    elif isinstance(editor, FractionEditor):
        editor.set_value(value)
    else:
        assert isinstance(editor, QSpinBox | QDoubleSpinBox)
        editor.setValue(value)
