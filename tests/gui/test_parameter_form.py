from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QDoubleSpinBox, QSpinBox

from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.core.tem.sizing import METHOD_MODULES, get_method
from nanoai_gui.gui.widgets.layout import FoldButton
from nanoai_gui.gui.widgets.parameter_form import FractionEditor, OptionBox, ParameterForm


class Kind(StrEnum):
    SOFT = "soft"
    HARD = "hard edges"


@dataclass(frozen=True, slots=True)
class Example:
    kind: Kind = parameter(Kind.SOFT, "Kind", help="How it feels.")
    width: float = parameter(1.5, "Width", unit="px", minimum=0, maximum=20, step=0.5)
    level: float = parameter(0.5, "Level", minimum=0, maximum=1, step=0.01)
    n: int = parameter(3, "Count", minimum=1, maximum=9)
    smooth: bool = parameter(True, "Smooth")
    fine: float = parameter(0.125, "Fine", minimum=0, step=0.25, advanced=True)


@pytest.fixture
def form(qtbot):
    form = ParameterForm(Example, {"width": lambda values: values.kind is Kind.HARD})
    qtbot.addWidget(form)
    form.show()
    qtbot.waitExposed(form)
    return form


def spin(form: ParameterForm, name: str) -> QSpinBox | QDoubleSpinBox:
    editor = form.editor(name)
    assert isinstance(editor, QSpinBox | QDoubleSpinBox)
    return editor


def test_shows_the_defaults_with_units_limits_and_help(form):
    assert spin(form, "width").text() == "1.5 px"
    assert (spin(form, "n").minimum(), spin(form, "n").maximum()) == (1, 9)
    assert "How it feels." in form.editor("kind").toolTip()
    assert "Default: 1.5 px" in form.editor("width").toolTip()
    assert [form.editor("kind").itemText(i) for i in range(2)] == ["Soft", "Hard edges"]
    assert spin(form, "fine").text() == "0.125"


def test_typing_announces_once_and_only_when_finished(form, qtbot):
    heard: list[object] = []
    form.values_changed.connect(heard.append)
    box = spin(form, "n")
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "7")
    assert heard == []
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert heard == [Example(n=7)]
    assert form.values() == Example(n=7)


def test_a_choice_keeps_its_type_and_enables_what_depends_on_it(form, qtbot):
    assert not form.editor("width").isEnabled()
    box = form.editor("kind")
    assert isinstance(box, QComboBox)
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Down)
    assert form.values().kind is Kind.HARD
    assert form.editor("width").isEnabled()


def test_clicking_a_tick_box(form, qtbot):
    tick = form.editor("smooth")
    assert isinstance(tick, QCheckBox)
    with qtbot.waitSignal(form.values_changed) as heard:
        qtbot.mouseClick(tick, Qt.MouseButton.LeftButton, pos=QPoint(8, tick.height() // 2))
    assert heard.args == [Example(smooth=False)]


def test_slider_and_spin_box_of_a_fraction_follow_each_other(form, qtbot):
    editor = form.editor("level")
    assert isinstance(editor, FractionEditor)
    editor.slider.setFocus()
    qtbot.keyClick(editor.slider, Qt.Key.Key_Right)
    assert form.values().level == pytest.approx(0.51)
    assert editor.spin_box.value() == pytest.approx(0.51)
    editor.spin_box.setFocus()
    qtbot.keyClick(editor.spin_box, Qt.Key.Key_Down)
    assert editor.slider.value() == 50


def test_setting_values_is_silent_and_reset_is_not(form):
    heard: list[object] = []
    form.values_changed.connect(heard.append)
    form.set_values(Example(kind=Kind.HARD, width=4.0, level=0.2, n=5, smooth=False, fine=2.0))
    assert heard == []
    assert spin(form, "width").value() == 4.0
    assert not form.is_default()
    form.reset()
    assert heard == [Example()]
    assert form.is_default()
    form.reset()
    assert len(heard) == 1


def test_advanced_parameters_hide_behind_more(form, qtbot):
    assert not form.editor("fine").isVisible()
    more = form.findChild(FoldButton, "more")
    qtbot.mouseClick(more, Qt.MouseButton.LeftButton)
    assert form.editor("fine").isVisible()
    qtbot.mouseClick(more, Qt.MouseButton.LeftButton)
    assert not form.editor("fine").isVisible()


def test_the_wheel_changes_only_a_value_that_has_the_focus(form, qtbot):
    box = spin(form, "n")
    form.editor("kind").setFocus()

    def turn() -> bool:
        event = QWheelEvent(
            QPointF(5, 5), QPointF(box.mapToGlobal(QPoint(5, 5))), QPoint(), QPoint(0, 120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(box, event)
        return event.isAccepted()

    assert not turn()  # left to the column, which scrolls
    assert box.value() == 3
    box.setFocus()
    assert turn()
    assert box.value() == 4


def test_refuses_values_of_another_kind(form):
    with pytest.raises(TypeError, match="Example"):
        form.set_values(SegmentationParameters())


@pytest.mark.parametrize(
    "kind", [SegmentationParameters] + [get_method(m).Parameters for m in METHOD_MODULES]
)
def test_every_parameter_set_of_the_core_survives_the_form(kind, qtbot):
    form = ParameterForm(kind)
    qtbot.addWidget(form)
    form.set_values(kind())
    for name in kind.__dataclass_fields__:
        editor = form.editor(name)
        if isinstance(editor, QSpinBox | QDoubleSpinBox):
            # The box shows the default exactly: no rounding, no clipping at a limit.
            assert editor.value() == getattr(kind(), name)


@dataclass(frozen=True, slots=True)
class WithText:
    tool: str = parameter("", "Tool", options=lambda: OFFERED, help="What to use.")


OFFERED: list[tuple[str, str]] = []


@pytest.fixture
def tools(qtbot):
    OFFERED[:] = [("", "The usual one"), ("saw", "saw"), ("axe", "axe")]
    form = ParameterForm(WithText)
    qtbot.addWidget(form)
    form.show()
    qtbot.waitExposed(form)
    return form


def test_texts_are_chosen_from_what_is_on_offer(tools):
    box = tools.editor("tool")
    assert isinstance(box, OptionBox)
    heard: list[object] = []
    tools.values_changed.connect(heard.append)
    assert (box.currentText(), box.value) == ("The usual one", "")
    assert "Default: The usual one" in box.toolTip()
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert heard == [WithText("saw")] and tools.values() == WithText("saw")
    tools.reset()
    assert heard[-1] == WithText("") and box.value == ""


def test_what_comes_and_goes_is_seen_when_the_list_opens(tools, qtbot):
    box = tools.editor("tool")
    tools.set_values(WithText("axe"))
    heard: list[object] = []
    tools.values_changed.connect(heard.append)
    OFFERED[:] = [("", "The usual one"), ("drill", "drill")]
    QTest.mouseClick(box, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: box.view().isVisible())
    assert [box.itemText(i) for i in range(box.count())] == ["The usual one", "drill", "axe (missing)"]
    box.hidePopup()
    assert box.value == "axe" and heard == [] and tools.values() == WithText("axe")
    tools.set_values(WithText("drill"))
    assert [box.itemText(i) for i in range(box.count())] == ["The usual one", "drill"]
