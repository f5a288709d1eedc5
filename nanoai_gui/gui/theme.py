"""Colours of the window, light and dark, and icons drawn in them.

Widgets ask :func:`tokens` with their own palette and ask again in ``changeEvent`` (``PaletteChange``); so
nothing needs to know the :class:`Theme` object.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from importlib import resources

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication

MODES = ("system", "light", "dark")

# Okabe and Ito, "Color Universal Design" (2008): hues that people with any colour vision tell apart.
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#8A8A8A"


@dataclass(frozen=True)
class ThemeTokens:
    """Named colours (``#rrggbb``) of one theme.

    ``canvas`` is the same neutral grey in both themes, so that a micrograph looks the same in both;
    ``done`` to ``waiting`` mark states together with a shape, never by colour alone.
    """

    is_dark: bool
    window: str
    base: str
    raised: str
    text: str
    faint_text: str
    disabled_text: str
    line: str
    accent: str
    accent_text: str
    warning: str
    warning_fill: str
    error: str
    done: str
    running: str
    waiting: str
    outdated: str
    canvas: str = "#4A4A4A"
    plot_bar: str = SKY_BLUE
    plot_line: str = VERMILLION


LIGHT = ThemeTokens(
    is_dark=False,
    window="#F3F4F5",
    base="#FFFFFF",
    raised="#FAFAFB",
    text="#1C1F23",
    faint_text="#5B626B",
    disabled_text="#A0A6AD",
    line="#D3D7DB",
    accent=BLUE,
    accent_text="#FFFFFF",
    warning="#9A5B00",
    warning_fill="#FFF1D6",
    error="#B34300",
    done=GREEN,
    running=BLUE,
    waiting="#6B727B",
    outdated="#B87A00",
)
DARK = ThemeTokens(
    is_dark=True,
    window="#25282C",
    base="#1C1E21",
    raised="#2D3135",
    text="#E6E8EA",
    faint_text="#A3AAB2",
    disabled_text="#6A7077",
    line="#3D4248",
    accent="#3D9BDC",
    accent_text="#FFFFFF",
    warning="#F2B54A",
    warning_fill="#453513",
    error="#FF8A4C",
    done="#2BC49A",
    running=SKY_BLUE,
    waiting="#9097A0",
    outdated=ORANGE,
)


def tokens(palette: QPalette) -> ThemeTokens:
    """Give the colours that go with a widget's palette."""
    return DARK if palette.color(QPalette.ColorRole.Window).lightness() < 128 else LIGHT


def palette_of(theme: ThemeTokens) -> QPalette:
    """Build the palette of a theme."""
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    palette = QPalette()
    colours = {
        role.Window: theme.window,
        role.WindowText: theme.text,
        role.Base: theme.base,
        role.AlternateBase: theme.raised,
        role.Text: theme.text,
        role.PlaceholderText: theme.faint_text,
        role.Button: theme.raised,
        role.ButtonText: theme.text,
        role.BrightText: theme.error,
        role.ToolTipBase: theme.raised,
        role.ToolTipText: theme.text,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.accent_text,
        role.Accent: theme.accent,
        role.Link: theme.accent,
        role.LinkVisited: theme.accent,
        role.Light: theme.raised,
        role.Midlight: theme.line,
        role.Mid: theme.line,
        role.Dark: theme.line if theme.is_dark else "#B4B9BF",
        role.Shadow: "#000000" if theme.is_dark else "#8A9097",
    }
    for which, colour in colours.items():
        palette.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(group.Disabled, which, QColor(theme.disabled_text))
    palette.setColor(group.Disabled, role.Highlight, QColor(theme.line))
    palette.setColor(group.Disabled, role.HighlightedText, QColor(theme.faint_text))
    return palette


def chosen(mode: str, system: Qt.ColorScheme) -> ThemeTokens:
    """Give the colours of a mode on a system that prefers light or dark, or does not say (light)."""
    if mode == "system":
        return DARK if system is Qt.ColorScheme.Dark else LIGHT
    return DARK if mode == "dark" else LIGHT


class Theme(QObject):
    """The theme of the application: follows the system, or is set to light or dark."""

    changed = Signal()

    def __init__(self, application: QApplication, mode: str = "system") -> None:
        super().__init__(application)
        self._application = application
        self._mode = mode
        self._applied: ThemeTokens | None = None
        # One style on every system: the colours below are tested with it and no other.
        application.setStyle("Fusion")
        application.styleHints().colorSchemeChanged.connect(self._apply)
        self.set_mode(mode)

    @property
    def mode(self) -> str:
        """``system``, ``light`` or ``dark``."""
        return self._mode

    @property
    def tokens(self) -> ThemeTokens:
        """The colours in use."""
        return chosen(self._mode, self._application.styleHints().colorScheme())

    def set_mode(self, mode: str) -> None:
        """Follow the system, or do not."""
        self._mode = mode if mode in MODES else "system"
        hints = self._application.styleHints()
        if self._mode == "system":
            hints.unsetColorScheme()
        else:
            # Title bars and native dialogs follow.
            hints.setColorScheme(Qt.ColorScheme.Dark if self._mode == "dark" else Qt.ColorScheme.Light)
        self._apply()

    def _apply(self) -> None:
        now = self.tokens
        if now == self._applied:
            return
        self._applied = now
        self._application.setPalette(palette_of(now))
        self._application.setStyleSheet(_indicators(now) if now.is_dark else "")
        if "pyqtgraph" in sys.modules:
            configure_plots(now)
        self.changed.emit()


def _indicators(theme: ThemeTokens) -> str:
    """Outline empty boxes: Fusion derives their border from the window's colour, too dark to see on dark."""
    empty = "QCheckBox::indicator:unchecked, QRadioButton::indicator:unchecked"
    return (
        f"{empty} {{ border: 1px solid {theme.waiting}; background: {theme.base}; width: 12px; height: 12px; "
        "border-radius: 2px; } QRadioButton::indicator:unchecked { border-radius: 7px; }"
    )


def configure_plots(theme: ThemeTokens) -> None:
    """Give plots made from now on the colours of a theme (existing ones update themselves)."""
    import pyqtgraph

    pyqtgraph.setConfigOptions(background=theme.base, foreground=theme.text)


@functools.cache
def _source(name: str) -> str:
    return (resources.files("nanoai_gui.gui") / "icons" / f"{name}.svg").read_text(encoding="utf-8")


def icon(name: str, theme: ThemeTokens, size: int = 24) -> QIcon:
    """Draw an icon of ``size`` px (smaller ones are scaled) in the colours of a theme.

    Icons are SVGs that use ``#000000`` for their lines and ``#0072B2`` for one accent. They are drawn at once
    and for one size: an icon engine in Python, which would draw when asked, crashes PySide6 6.11.
    """
    made = QIcon()
    ratio = QGuiApplication.primaryScreen().devicePixelRatio() if QGuiApplication.primaryScreen() else 1.0
    for mode, ink, accent in (
        (QIcon.Mode.Normal, theme.text, theme.accent),
        (QIcon.Mode.Disabled, theme.disabled_text, theme.disabled_text),
    ):
        made.addPixmap(draw_icon(name, ink, accent, QSize(size, size), ratio), mode)
    return made


def window_icon() -> QIcon:
    """Give the program's own icon, the same in both themes, in the sizes that desktops ask for."""
    made = QIcon()
    for size in (16, 32, 64, 256):
        made.addPixmap(draw_icon("nanoai", "#000000", "#0072B2", QSize(size, size)))
    return made


def draw_icon(name: str, ink: str, accent: str, size: QSize, ratio: float = 1.0) -> QPixmap:
    """Draw an icon of ``size`` in device-independent px."""
    from PySide6.QtSvg import QSvgRenderer

    source = _source(name).replace("#000000", ink).replace("#0072B2", accent)
    pixmap = QPixmap(size * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    QSvgRenderer(QByteArray(source.encode())).render(painter, QRectF(0, 0, size.width(), size.height()))
    painter.end()
    return pixmap
