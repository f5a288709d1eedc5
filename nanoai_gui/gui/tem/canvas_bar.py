"""The slim bar over the canvas: which image, which method, how large, and what to do now."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QLabel, QWidget

from nanoai_gui.core.tem.sizing import ALL_METHODS, get_method
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.elided_label import ElidedLabel
from nanoai_gui.gui.widgets.layout import GRID, HALF, flat_button, row


class CanvasBar(QWidget):
    """Name and frame of the image, the method whose particles are drawn, tools, zoom."""

    frames_clicked = Signal()
    data_bar_toggled = Signal(bool)
    contrast_toggled = Signal(bool)
    residual_toggled = Signal(bool)

    def __init__(self, session: TemSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._hints: dict[str, str] = {}
        self.name = ElidedLabel()
        self.name.setObjectName("imageName")
        self.frames = flat_button("", "Choose another image of this file", name="frames")
        self.frames.clicked.connect(self.frames_clicked)
        self.method = QComboBox()
        self.method.setObjectName("shownMethod")
        self.method.setToolTip("Method whose particles are drawn, listed and highlighted")
        self.method.activated.connect(self._method_chosen)
        self.data_bar = flat_button(
            "Data bar",
            "Drag the upper edge of the data bar, which is kept out of the analysis;\n"
            "drag it to the foot of the image if there is none",
            name="dataBar",
            checkable=True,
        )
        self.data_bar.toggled.connect(self.data_bar_toggled)
        self.contrast = flat_button(
            "Contrast",
            "Brightness and contrast on the screen; the analysis sees the raw values",
            name="contrast",
            checkable=True,
        )
        self.contrast.toggled.connect(self.contrast_toggled)
        self.residual = flat_button(
            "Residual",
            "Image minus model: what the fit leaves unexplained",
            name="residual",
            checkable=True,
        )
        self.residual.toggled.connect(self.residual_toggled)
        self.residual.hide()
        self._is_blind = False
        self.zoom = QLabel()
        self.zoom.setObjectName("zoom")
        self.zoom.setMinimumWidth(self.fontMetrics().horizontalAdvance("8888 %"))
        layout = row(self)
        layout.setContentsMargins(GRID, HALF, GRID, HALF)
        layout.addWidget(self.name, 1)
        for widget in (self.frames, self.method, self.residual, self.data_bar, self.contrast, self.zoom):
            layout.addWidget(widget)
        session.current_changed.connect(self._show)
        session.settings_changed.connect(self._show)
        session.shown_method_changed.connect(self._show)
        session.entry_changed.connect(self._entry_changed)
        self._show()

    def set_hint(self, hint: str, topic: str = "") -> None:
        """Say what to do in the image now, in place of its name; the last topic that has one wins."""
        self._hints.pop(topic, None)
        if hint:
            self._hints[topic] = hint
        self._show_name()

    def set_blind(self, is_blind: bool) -> None:
        """Offer no other method while somebody measures by hand without seeing their results."""
        self._is_blind = is_blind
        self._show()

    def set_zoom(self, scale: float) -> None:
        """Show the zoom: screen pixels per image pixel."""
        percent = 100 * scale
        self.zoom.setText(f"{percent:.0f} %" if percent >= 9.5 else f"{percent:.1f} %")

    def _entry_changed(self, key: int) -> None:
        if key == self._session.current:
            self._show()

    def _show(self) -> None:
        micrograph, entry = self._session.micrograph, self._session.current_entry
        self._show_name()
        has_frames = micrograph is not None and micrograph.n_frames > 1
        self.frames.setVisible(has_frames)
        if micrograph is not None and has_frames:
            self.frames.setText(f"Image {micrograph.frame + 1} of {micrograph.n_frames}…")
        for button in (self.data_bar, self.contrast):
            button.setEnabled(micrograph is not None)
        self.zoom.setVisible(micrograph is not None)
        self._show_methods({} if entry is None or entry.analysis is None else set(entry.analysis.results))

    def _show_methods(self, measured: set[str] | dict[str, object]) -> None:
        session = self._session
        wanted = {session.shown_method, *session.settings.methods, *measured}
        names = [name for name in ALL_METHODS if name in wanted]
        self.method.blockSignals(True)
        self.method.clear()
        for name in names:
            self.method.addItem(get_method(name).TITLE, name)
        self.method.setCurrentIndex(names.index(session.shown_method))
        self.method.blockSignals(False)
        self.method.setVisible(len(names) > 1 and not self._is_blind)

    def _show_name(self) -> None:
        micrograph = self._session.micrograph
        if self._hints:
            self.name.setText(list(self._hints.values())[-1])
            self.name.set_tip("")
        elif micrograph is None:
            self.name.setText("")
            self.name.set_tip("")
        else:
            height, width = micrograph.shape
            self.name.setText(f"{micrograph.name}   {width} × {height} px")
            facts = [f"{key}: {value}" for key, value in micrograph.metadata.items()]
            self.name.set_tip("\n".join([str(micrograph.path or ""), *facts]).strip())

    def _method_chosen(self, index: int) -> None:
        self._session.set_shown_method(str(self.method.itemData(index)))
