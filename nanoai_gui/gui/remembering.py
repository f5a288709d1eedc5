"""Between the settings and the widgets: what the window is to be like as it was left last time."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QByteArray, QObject, QTimer
from PySide6.QtWidgets import QMainWindow, QSplitter

from nanoai_gui.gui.placing import place, place_of
from nanoai_gui.gui.settings import Settings, SettingsStore
from nanoai_gui.gui.tem.display import ColourMap
from nanoai_gui.gui.tem.methods import FIRST_CHOICE, IN_ORDER

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.session import TemSession
    from nanoai_gui.gui.tem.tem_tab import TemTab

SAVE_DELAY_MS = 2000


class Page(Protocol):
    """What has dividers that a person may have moved."""

    @property
    def splitters(self) -> Mapping[str, QSplitter]:
        """The dividers by name; no two pages have one of the same name."""


class Remembering(QObject):
    """Puts the window back as it was left, and writes down how it is.

    Parameters
    ----------
    store
        Where that stands.
    session, tab, window
        What it is taken from.
    """

    def __init__(self, store: SettingsStore, session: TemSession, tab: TemTab, window: QMainWindow) -> None:
        super().__init__(window)
        self._store = store
        self._session = session
        self._tab = tab
        self._window = window
        self._pages: list[Page] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_DELAY_MS)
        self._timer.timeout.connect(self.save)

    def restore(self) -> None:
        """Put the window and the TEM tab back."""
        values, canvas = self._store.values, self._tab.canvas
        canvas.set_masks_visible(values.show_masks)
        canvas.set_outlines_visible(values.show_outlines)
        self.attach(self._tab)
        place(self._window, values.geometry)
        self._tab.contrast.keep.setChecked(values.contrast_kept)
        colours = next((c for c in ColourMap if c.value == values.contrast_colours), ColourMap.GREY)
        canvas.set_contrast(replace(canvas.contrast, colour_map=colours, inverted=values.contrast_inverted))
        self._tab.contrast.set_contrast(canvas.contrast)

    def attach(self, page: Page) -> None:
        """Put the dividers of a page back, and remember them from now on."""
        for name, state in self._store.values.layout.items():
            if name in page.splitters:
                page.splitters[name].restoreState(QByteArray(base64.b64decode(state)))
        self._pages.append(page)

    def save_soon(self) -> None:
        """Write the settings when nothing else changes for a while."""
        self._timer.start()

    def save(self) -> None:
        """Write down how the window is."""
        self._timer.stop()
        values, canvas = self._store.values, self._tab.canvas
        values.geometry = place_of(self._window)
        values.show_masks, values.show_outlines = canvas.masks_visible, canvas.outlines_visible
        values.contrast_colours = canvas.contrast.colour_map.value
        values.contrast_inverted = canvas.contrast.inverted
        values.contrast_kept = self._tab.contrast.keep.isChecked()
        values.methods = list(self._session.settings.methods)
        for page in self._pages:
            for name, splitter in page.splitters.items():
                values.layout[name] = base64.b64encode(splitter.saveState().data()).decode("ascii")
        self._store.save()


def restore_methods(session: TemSession, values: Settings) -> None:
    """Let a session measure with the methods of last time, before anything shows them."""
    known = tuple(name for name in IN_ORDER if name in values.methods)
    session.set_settings(replace(session.settings, methods=known or (FIRST_CHOICE,)))
