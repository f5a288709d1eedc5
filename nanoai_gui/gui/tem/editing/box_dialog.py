"""How a rectangle of the image is to be segmented again."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QWidget

from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.gui.tem.parameter_panel import SEGMENTATION_RULES
from nanoai_gui.gui.widgets.layout import GRID, column
from nanoai_gui.gui.widgets.parameter_form import ParameterForm


class BoxDialog(QDialog):
    """The settings of the segmentation, for one rectangle; stays open to try others."""

    segment_wanted = Signal(object)
    """:class:`SegmentationParameters`."""

    def __init__(self, parameters: SegmentationParameters, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Segment this box again")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        note = QLabel(
            "Replaces the agglomerates that lie wholly in the rectangle. Those that reach out of it stay. "
            "Other images keep their settings."
        )
        note.setWordWrap(True)
        self.form = ParameterForm(SegmentationParameters, SEGMENTATION_RULES)
        self.form.set_values(parameters)
        buttons = QDialogButtonBox()
        self.segment = buttons.addButton("Segment", QDialogButtonBox.ButtonRole.ApplyRole)
        self.segment.setDefault(True)
        buttons.addButton(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self.segment.clicked.connect(self._apply)
        layout = column(self, spacing=GRID, margin=GRID)
        layout.addWidget(note)
        layout.addWidget(self.form)
        layout.addWidget(buttons)
        self.setMinimumWidth(360)

    def _apply(self) -> None:
        self.segment_wanted.emit(self.form.values())
