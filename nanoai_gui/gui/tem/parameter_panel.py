"""Which methods measure, and with which parameters: the settings half of the right column."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QLabel, QScrollArea, QToolButton, QWidget

from nanoai_gui.core.tem.agglomerates import Polarity
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.segmentation import SegmentationParameters, ThresholdKind
from nanoai_gui.core.tem.sizing import get_method
from nanoai_gui.gui.tem.methods import IN_ORDER
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button
from nanoai_gui.gui.widgets.numbers import significant
from nanoai_gui.gui.widgets.parameter_form import ParameterForm, Rule
from nanoai_gui.gui.widgets.section import Section

SEGMENTATION_RULES: dict[str, Rule] = {
    "level": lambda values: values.threshold is ThresholdKind.MANUAL,
}
"""Segmentation parameters that only matter together with another choice."""


class ParameterPanel(QScrollArea):
    """Methods, segmentation parameters and the parameters of every ticked method."""

    def __init__(self, session: TemSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QScrollArea.Shape.NoFrame)

        content = QWidget()
        self._layout = column(content, margin=GRID)
        self._layout.addWidget(self._make_methods())
        self.found = QLabel(wordWrap=True)
        self.found.setObjectName("found")
        self.found.setToolTip("What the segmentation found in the image shown")
        self.segmentation_form = ParameterForm(SegmentationParameters, SEGMENTATION_RULES)
        self.segmentation_form.values_changed.connect(self._segmentation_edited)
        self._resets: list[tuple[ParameterForm, QToolButton]] = []
        self._layout.addWidget(self._make_section("Agglomerates", self.segmentation_form, self.found))
        self.method_forms: dict[str, ParameterForm] = {}
        self._method_sections: dict[str, Section] = {}
        self._layout.addStretch(1)
        self.setWidget(content)

        session.settings_changed.connect(self._show_settings)
        session.current_changed.connect(self._show_found)
        session.entry_changed.connect(self._entry_changed)
        self._show_settings()
        self._show_found()

    def reset_button(self, form: ParameterForm) -> QToolButton:
        """Give the button that sets a form back to its defaults."""
        return next(button for other, button in self._resets if other is form)

    def method_tick(self, name: str) -> QCheckBox:
        """Give the tick box of a method."""
        return self._ticks[name]

    def _make_methods(self) -> Section:
        content = QWidget()
        layout = column(content, spacing=HALF)
        layout.setContentsMargins(GRID, 0, 0, 0)
        self._ticks: dict[str, QCheckBox] = {}
        for name in IN_ORDER:
            method = get_method(name)
            tick = QCheckBox(method.TITLE)
            tick.setToolTip(f"{method.SUMMARY}\n\nTick several methods to compare them.")
            tick.setObjectName(name)
            tick.clicked.connect(self._methods_edited)
            layout.addWidget(tick)
            self._ticks[name] = tick
        return Section("Methods", content)

    def _make_section(self, title: str, form: ParameterForm, below: QWidget | None = None) -> Section:
        content = QWidget()
        layout = column(content)
        layout.setContentsMargins(GRID, 0, 0, 0)
        layout.addWidget(form)
        if below is not None:
            layout.addWidget(below)
        reset = flat_button("Defaults", f"Set everything under “{title}” back to its default", name="reset")
        reset.clicked.connect(form.reset)
        self._resets.append((form, reset))
        return Section(title, content, corner=reset)

    def _methods_edited(self) -> None:
        chosen = tuple(name for name, tick in self._ticks.items() if tick.isChecked())
        if chosen:
            self._session.set_settings(dataclasses.replace(self._session.settings, methods=chosen))
        else:
            # One method must measure: the tick just taken away comes back.
            self._show_settings()

    def _segmentation_edited(self, values: SegmentationParameters) -> None:
        self._session.set_settings(dataclasses.replace(self._session.settings, segmentation=values))

    def _method_edited(self, name: str, values: Any) -> None:  # noqa: ANN401
        parameters = {**self._session.settings.method_parameters, name: values}
        self._session.set_settings(dataclasses.replace(self._session.settings, method_parameters=parameters))

    def _show_settings(self) -> None:
        settings = self._session.settings
        for name, tick in self._ticks.items():
            tick.setChecked(name in settings.methods)
        self.segmentation_form.set_values(settings.segmentation)
        for name in settings.methods:
            if name not in self.method_forms:
                self._add_method_form(name)
            parameters = settings.method_parameters.get(name)
            form = self.method_forms[name]
            form.set_values(get_method(name).Parameters() if parameters is None else parameters)
        for name, section in self._method_sections.items():
            section.setVisible(name in settings.methods)
        for form, reset in self._resets:
            reset.setEnabled(not form.is_default())

    def _add_method_form(self, name: str) -> None:
        method = get_method(name)
        form = ParameterForm(method.Parameters)
        form.values_changed.connect(lambda values, name=name: self._method_edited(name, values))
        section = self._make_section(method.TITLE, form)
        section.set_open(False)
        self.method_forms[name] = form
        self._method_sections[name] = section
        self._layout.insertWidget(self._layout.count() - 1, section)

    def _entry_changed(self, key: int) -> None:
        if key == self._session.current:
            self._show_found()

    def _show_found(self) -> None:
        key = self._session.current
        analysis = None if key is None else self._session.entry(key).analysis
        self.found.setText("" if analysis is None else found_text(analysis))
        self.found.setVisible(analysis is not None)


def found_text(analysis: ImageAnalysis) -> str:
    """Say which polarity and threshold the segmentation found or was given."""
    agglomerates = analysis.agglomerates
    automatic = analysis.settings.segmentation.polarity is Polarity.AUTO
    polarity = f"{agglomerates.polarity.value}{' (found)' if automatic else ''}"
    kind = analysis.settings.segmentation.threshold.value
    level = "" if math.isnan(agglomerates.threshold) else f": {significant(agglomerates.threshold)}"
    return f"Particles are {polarity}. Threshold {kind}{level}."
