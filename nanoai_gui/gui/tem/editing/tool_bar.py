"""The bar of tools over the image, and the settings of the tool that is on."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDoubleSpinBox, QLabel, QToolBar, QWidget

from nanoai_gui.gui.tem.editing.editor import LARGEST_BRUSH, SMALLEST_BRUSH, Editor
from nanoai_gui.gui.tem.tools import Tool
from nanoai_gui.gui.widgets.keys import keep_navigation_keys
from nanoai_gui.gui.widgets.layout import HALF, row

ICON_PX = 18


class EditBar(QWidget):
    """A row of tools; the window puts its actions there (see :func:`nanoai_gui.gui.actions.fill_tools`)."""

    def __init__(self, editor: Editor, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._editor = editor
        self.tools = QToolBar("Editing")
        self.tools.setIconSize(QSize(ICON_PX, ICON_PX))
        self.tools.setMovable(False)
        self.tools.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.tools.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.brush = QDoubleSpinBox()
        self.brush.setObjectName("brushSize")
        self.brush.setRange(2 * SMALLEST_BRUSH, 2 * LARGEST_BRUSH)
        self.brush.setDecimals(0)
        self.brush.setSuffix(" px")
        self.brush.setToolTip("Diameter of brush and eraser: [ and ], or Alt and the wheel")
        self.brush.setAccessibleName("Diameter of the brush")
        self.brush.valueChanged.connect(lambda value: editor.set_brush_radius(value / 2))
        keep_navigation_keys(self.brush)
        self._brush_label = QLabel("Brush")
        self._brush_label.setBuddy(self.brush)
        layout = row(self, spacing=HALF)
        layout.setContentsMargins(HALF, 0, HALF, 0)
        layout.addWidget(self.tools, 1)
        layout.addWidget(self._brush_label)
        layout.addWidget(self.brush)
        editor.options_changed.connect(self._show_options)
        self._show_options()
        self.show_tool(Tool.SELECT)

    def show_tool(self, tool: Tool) -> None:
        """Show the settings of a tool."""
        is_brush = tool in (Tool.BRUSH, Tool.ERASER)
        self._brush_label.setVisible(is_brush)
        self.brush.setVisible(is_brush)

    def _show_options(self) -> None:
        self.brush.blockSignals(True)
        self.brush.setValue(2 * self._editor.brush_radius)
        self.brush.blockSignals(False)
