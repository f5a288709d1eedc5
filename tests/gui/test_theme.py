"""Colours can be read in both themes, and everything follows a change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from nanoai_gui.gui.theme import DARK, LIGHT, Theme, ThemeTokens, chosen, draw_icon, palette_of, tokens


@pytest.fixture
def theme(qapp: QApplication) -> Iterator[Theme]:
    before = QPalette(qapp.palette())
    made = Theme(qapp, "light")
    yield made
    qapp.styleHints().unsetColorScheme()
    qapp.setPalette(before)
    made.deleteLater()


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [QColor(colour).redF(), QColor(colour).greenF(), QColor(colour).blueF()]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(colours: ThemeTokens) -> None:
    for ground in (colours.window, colours.base, colours.raised):
        assert contrast(colours.text, ground) >= 10
        for name in ("faint_text", "warning", "error"):
            assert contrast(getattr(colours, name), ground) >= 4.5, (name, ground)
        for name in ("done", "running", "waiting", "outdated", "accent"):
            assert contrast(getattr(colours, name), ground) >= 3.0, (name, ground)
    assert contrast(colours.text, colours.warning_fill) >= 7
    assert contrast(colours.accent_text, colours.accent) >= 3.0


def test_widgets_find_their_colours_from_their_palette(theme: Theme, qtbot: QtBot) -> None:
    widget = QWidget()
    qtbot.addWidget(widget)
    for mode, expected in (("dark", DARK), ("light", LIGHT)):
        theme.set_mode(mode)
        assert theme.tokens == expected
        # Qt tells the widgets with the next round of the event loop.
        qtbot.waitUntil(lambda expected=expected: tokens(widget.palette()) == expected)  # type: ignore[misc]
    assert tokens(palette_of(DARK)) == DARK


def test_a_change_is_told_once(theme: Theme, qtbot: QtBot) -> None:
    heard: list[str] = []
    theme.changed.connect(lambda: heard.append(theme.mode))
    theme.set_mode("dark")
    theme.set_mode("dark")
    assert heard == ["dark"]
    theme.set_mode("nonsense")
    assert theme.mode == "system"


@pytest.mark.parametrize(
    ("mode", "system", "expected"),
    [
        ("system", Qt.ColorScheme.Dark, DARK),
        ("system", Qt.ColorScheme.Light, LIGHT),
        ("system", Qt.ColorScheme.Unknown, LIGHT),
        ("light", Qt.ColorScheme.Dark, LIGHT),
        ("dark", Qt.ColorScheme.Light, DARK),
    ],
)
def test_the_system_is_followed_only_when_asked(
    mode: str, system: Qt.ColorScheme, expected: ThemeTokens
) -> None:
    assert chosen(mode, system) == expected


def test_plots_take_the_colours(theme: Theme) -> None:
    import pyqtgraph

    theme.set_mode("dark")
    assert pyqtgraph.getConfigOption("background") == DARK.base
    theme.set_mode("light")
    assert pyqtgraph.getConfigOption("foreground") == LIGHT.text


def test_icons_are_sharp_on_a_fine_screen(qapp: QApplication) -> None:
    pixmap = draw_icon("open", "#ff0000", "#00ff00", QSize(20, 20), 2.0)
    assert pixmap.size() == QSize(40, 40)
    assert pixmap.devicePixelRatio() == 2.0
    image = pixmap.toImage()
    inks = {image.pixelColor(x, y).name() for x in range(40) for y in range(40)
            if image.pixelColor(x, y).alpha() == 255}  # fmt: skip
    assert "#ff0000" in inks
    assert "#00ff00" in inks
