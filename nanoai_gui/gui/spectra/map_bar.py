"""The bars over a map: what it shows, of which band, and the tools to mark regions with."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QComboBox, QDoubleSpinBox, QLabel, QLineEdit, QToolButton, QWidget

from nanoai_gui.core.spectra.fitted_bands import Fit
from nanoai_gui.core.spectra.quantities import Quantity
from nanoai_gui.gui.spectra.figures import figure_button
from nanoai_gui.gui.spectra.fit_choice import FitChoice
from nanoai_gui.gui.spectra.map_plot import MapTool
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.tem.display import ColourMap
from nanoai_gui.gui.widgets.elided_label import ElidedLabel
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button, row

FITTED, LABELS, CLASSES, PROBABILITY = "Fitted band", "Label", "Class", "Probability"
TIPS = {
    MapTool.SELECT: "Click a pixel to see its spectrum; Shift + drag selects a rectangle",
    MapTool.RECTANGLE: "Drag a rectangle around a region",
    MapTool.POLYGON: "Click corners; a double click, Enter or a click on the first corner closes",
    MapTool.LASSO: "Draw around a region with the button held",
    MapTool.BRUSH: (
        "Paint a region; only pixels above the threshold are taken. Shift adds to the chosen region, Alt"
        " takes away from it"
    ),
}


class MapBar(QWidget):
    """Two slim lines of choices; :attr:`colours` and :attr:`figure` stand beside the scale below the map."""

    shown_changed = Signal()
    """What the map shows, or its colours."""
    tool_changed = Signal(object)
    threshold_changed = Signal()
    take_all = Signal()
    """Everything above the threshold is wanted as a region."""
    figure_wanted = Signal()

    def __init__(self, session: SpectraSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.name = ElidedLabel()
        self.name.setObjectName("mapName")
        self.range = ElidedLabel()
        self.range.setObjectName("mapRange")
        self.range.set_tip("What the spectra reach, and the laser")
        self.shown = QComboBox()
        self.shown.setObjectName("shownQuantity")
        self.shown.setToolTip("What the colours of the map show")
        for quantity in Quantity:
            self.shown.addItem(quantity.value, quantity.name)
        self.shown.addItem(FITTED, FITTED)
        self.shown.addItem(LABELS, LABELS)
        self.shown.activated.connect(lambda _: self.shown_changed.emit())
        self.fit = FitChoice()
        self.fit.changed.connect(self.shown_changed)
        self.low, self.high = _shift_box("Band from"), _shift_box("Band to")
        for box in (self.low, self.high):
            box.valueChanged.connect(self._band_edited)
        self.colours = QComboBox()
        self.colours.setObjectName("mapColours")
        self.colours.setToolTip("Colour map")
        self.colours.addItems([m.value for m in (ColourMap.VIRIDIS, ColourMap.CIVIDIS, ColourMap.GREY)])
        self.colours.activated.connect(lambda _: self.shown_changed.emit())
        self.processed = flat_button(
            "Preprocessed",
            "Measure the band after preprocessing (all spectra of the map are preprocessed for it)",
            name="mapProcessed",
            checkable=True,
        )
        self.processed.toggled.connect(lambda _: self.shown_changed.emit())
        self.photo = flat_button(
            "White light", "Let the white-light image show through the map", name="whiteLight", checkable=True
        )
        self.photo.toggled.connect(lambda _: self.shown_changed.emit())
        self.figure = figure_button("The map as it is coloured", "mapFigure")
        self.figure.clicked.connect(self.figure_wanted)
        self.tools: dict[MapTool, QToolButton] = {}
        self._group = QButtonGroup(self)
        for tool in MapTool:
            button = flat_button(tool.value, TIPS[tool], name=f"tool{tool.value}", checkable=True)
            self._group.addButton(button)
            button.clicked.connect(lambda _=False, tool=tool: self.set_tool(tool))
            self.tools[tool] = button
        self.label = QComboBox()
        self.label.setObjectName("regionLabel")
        field = QLineEdit()
        field.setPlaceholderText("no label")
        self.label.setEditable(True)
        self.label.setLineEdit(field)
        self.label.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.label.setToolTip("Class of the next region; training learns from labelled regions")
        self.label.setMinimumWidth(96)
        self.threshold = QDoubleSpinBox()
        self.threshold.setObjectName("threshold")
        self.threshold.setToolTip("Pixels whose value is at least this are taken by the brush")
        self.threshold.setRange(-1e9, 1e9)
        self.threshold.setKeyboardTracking(False)
        self.threshold.valueChanged.connect(lambda _: self.threshold_changed.emit())
        self.take = flat_button("Take all", "Make a region of all pixels above the threshold", name="takeAll")
        self.take.clicked.connect(self.take_all)
        self._threshold_parts = (QLabel("at least"), self.threshold, self.take)
        self._band_parts = (self.low, QLabel("to"), self.high)
        self._lay_out()
        self.set_tool(MapTool.SELECT)
        session.band_changed.connect(self._show_band)
        session.current_changed.connect(self._show_set)
        session.set_changed.connect(lambda _: self._offer_labels())
        session.predictions_changed.connect(lambda _: self._offer_classes())
        session.current_changed.connect(self._offer_classes)
        self._show_set()

    def _lay_out(self) -> None:
        upper, lower = row(spacing=GRID), row(spacing=HALF)
        upper.addWidget(self.name, 1)
        for widget in (
            self.shown,
            self.fit,
            *self._band_parts,
            self.colours,
            self.processed,
            self.photo,
            self.figure,
        ):
            upper.addWidget(widget)
        for button in self.tools.values():
            lower.addWidget(button)
        for widget in self._threshold_parts:
            lower.addWidget(widget)
        lower.addSpacing(GRID)
        lower.addWidget(self.range, 1)
        lower.addStretch(0)
        lower.addWidget(QLabel("Label"))
        lower.addWidget(self.label)
        layout = column(self, spacing=HALF)
        layout.setContentsMargins(GRID, HALF, GRID, HALF)
        layout.addLayout(upper)
        layout.addLayout(lower)

    # ------------------------------------------------------------------ what is chosen

    @property
    def number(self) -> Quantity | Fit | None:
        """The number shown, or ``None`` for labels, classes and probabilities."""
        name = str(self.shown.currentData())
        if name == FITTED:
            return self.fit.chosen
        return Quantity[name] if name in Quantity.__members__ else None

    @property
    def what(self) -> str:
        """What is shown, as the box says."""
        return self.shown.currentText()

    @property
    def colour_map(self) -> ColourMap:
        """The colour map of numbers."""
        return ColourMap(self.colours.currentText())

    @property
    def region_label(self) -> str:
        """Class of the next region."""
        return self.label.currentText().strip()

    def show_what(self, text: str) -> None:
        """Show labels, classes or a quantity."""
        place = self.shown.findText(text)
        if place >= 0 and place != self.shown.currentIndex():
            self.shown.setCurrentIndex(place)
            self.shown_changed.emit()

    def set_tool(self, tool: MapTool) -> None:
        """Choose a tool."""
        self.tools[tool].setChecked(True)
        for part in self._threshold_parts:
            part.setVisible(tool is MapTool.BRUSH)
        self.range.setVisible(tool is not MapTool.BRUSH)  # there is no room for both
        self.tool_changed.emit(tool)

    def set_threshold(self, value: float, step: float) -> None:
        """Offer a threshold, in fitting steps, without announcing it."""
        self.threshold.blockSignals(True)
        self.threshold.setDecimals(max(0, min(6, 2 - int(f"{step:e}".split("e")[1]))) if step > 0 else 2)
        self.threshold.setSingleStep(step if step > 0 else 1.0)
        self.threshold.setValue(value)
        self.threshold.blockSignals(False)

    # ------------------------------------------------------------------ following the session

    def _show_set(self) -> None:
        spectra, entry = self._session.spectra, self._session.current_entry
        has_map = spectra is not None and spectra.grid is not None
        for button in (*self.tools.values(), self.figure):
            button.setEnabled(has_map)
        self.photo.setVisible(spectra is not None and spectra.image is not None)
        if spectra is not None and spectra.image is not None and not self.photo.isChecked():
            self.photo.blockSignals(True)
            self.photo.setChecked(True)
            self.photo.blockSignals(False)
        if spectra is None or entry is None:
            self.name.setText("")
            self.name.set_tip("")
            self.range.setText("")
        else:
            laser = f", {spectra.laser_nm:g} nm" if spectra.laser_nm else ""
            ends = f"{spectra.axis[0]:.0f} to {spectra.axis[-1]:.0f} cm⁻¹"
            self.name.setText(entry.name)
            self.range.setText(f"{ends}{laser}")
            facts = [f"{key}: {value}" for key, value in spectra.metadata.items()]
            self.name.set_tip("\n".join([str(entry.path), *spectra.warnings, *facts]))
        self._offer_fits()
        self._offer_labels()
        self._show_band()

    def _offer_fits(self) -> None:
        """Offer fitted bands where the spectra reach any."""
        spectra = self._session.spectra
        place = self.shown.findText(FITTED)
        why = "" if spectra is None else self.fit.set_axis(spectra.axis)
        item = self.shown.model().item(place)  # type: ignore[attr-defined]
        item.setEnabled(not why)
        item.setToolTip(why)
        if why and self.shown.currentIndex() == place:
            self.shown.setCurrentIndex(0)

    def _offer_labels(self) -> None:
        names = self._session.label_names()
        if [self.label.itemText(i) for i in range(self.label.count())] != names:
            text = self.label.currentText()
            self.label.blockSignals(True)
            self.label.clear()
            self.label.addItems(names)
            self.label.setEditText(text)
            self.label.blockSignals(False)

    def _offer_classes(self) -> None:
        key = self._session.current
        has_classes = key is not None and self._session.predictions(key) is not None
        for text in (CLASSES, PROBABILITY):
            place = self.shown.findText(text)
            if has_classes and place < 0:
                self.shown.addItem(text, text)
            elif not has_classes and place >= 0:
                was_shown = place == self.shown.currentIndex()
                self.shown.removeItem(place)
                if was_shown:
                    self.shown.setCurrentIndex(0)
                    self.shown_changed.emit()

    def _show_band(self) -> None:
        spectra = self._session.spectra
        ends = (0.0, 4000.0) if spectra is None else (float(spectra.axis[0]), float(spectra.axis[-1]))
        band = self._session.band or ends
        for box, value in zip((self.low, self.high), band, strict=True):
            box.blockSignals(True)
            box.setRange(min(ends[0], band[0]), max(ends[1], band[1]))
            box.setValue(value)
            box.blockSignals(False)
        for part in self._band_parts:
            part.setVisible(isinstance(self.number, Quantity))

    def _band_edited(self) -> None:
        self._session.set_band((self.low.value(), self.high.value()))

    def update_parts(self) -> None:
        """Show the choices that go with what is shown."""
        is_number = self.number is not None
        self.fit.setVisible(self.what == FITTED)
        self.processed.setVisible(is_number)
        for part in self._band_parts:
            part.setVisible(isinstance(self.number, Quantity))
        self.colours.setVisible(is_number or self.what == PROBABILITY)


def _shift_box(name: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(0)
    box.setSingleStep(5)
    box.setKeyboardTracking(False)
    box.setAccessibleName(name)
    box.setToolTip("Limits of the band, cm⁻¹; or drag the band in the spectrum below")
    return box
