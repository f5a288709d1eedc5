"""The colour of a warning: readable on light and dark, and never the only sign of one."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QWidget

from nanoai_gui.gui.theme import tokens


def set_warning(widget: QWidget, is_warning: bool) -> None:
    """Write the text of a widget in the colour of a warning, in either theme, or in its own again."""
    keeper = widget.findChild(_Keeper)
    if is_warning and keeper is None:
        keeper = _Keeper(widget)
        widget.installEventFilter(keeper)
    elif not is_warning and keeper is not None:
        widget.removeEventFilter(keeper)
        # Gone at once, not with the next turn of the event loop: findChild must not see it again.
        keeper.setParent(None)
        keeper.deleteLater()
        widget.setPalette(QPalette())
    if is_warning and keeper is not None:
        keeper.colour(widget)


class _Keeper(QObject):
    """Renews the colour when the theme changes."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.PaletteChange and isinstance(watched, QWidget):
            self.colour(watched)
        return False

    def colour(self, widget: QWidget) -> None:
        """Set the colour that suits the background the widget stands on."""
        colour = QColor(tokens(widget.palette()).warning)
        if widget.palette().color(QPalette.ColorRole.WindowText) != colour:
            palette = QPalette()
            palette.setColor(QPalette.ColorRole.WindowText, colour)
            palette.setColor(QPalette.ColorRole.Text, colour)
            widget.setPalette(palette)
