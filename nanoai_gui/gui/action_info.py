"""What the table of commands is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class When(Enum):
    """When a command can be given."""

    ALWAYS = "always"
    IMAGES = "when images are open"
    CHOSEN = "when images are chosen in the list"
    SHOWN = "when an image is shown"
    MEASURED = "when something was measured"
    SHOWN_MEASURED = "when the image shown was measured"
    RUNNING = "while an analysis runs"
    SPECTRA = "when spectra have been read"
    SELECTED = "when agglomerates or particles are selected"
    UNDO = "when there is something to undo"
    REDO = "when something was undone"


@dataclass(frozen=True)
class ActionInfo:
    """One command.

    Parameters
    ----------
    key
        Name, also of its handler.
    text
        As in the menu, with ``&`` before the access key; an ellipsis only where more input is needed.
    menu, section
        Key of the menu and number of the section in it (a line stands between sections).
    shortcuts
        Key sequences; the first is shown.
    icon
        Name of an SVG in ``icons``, or empty.
    toolbar
        Section of the toolbar, or 0 for none.
    tools
        Section of the tool bar over the image, or 0 for none.
    short
        Text on the toolbar, where the menu's is too long.
    tooltip
        One sentence; the shortcut is added.
    checkable, group
        On and off; of the checkable ones in one group exactly one is on.
    when
        When it can be given.
    tab
        ``tem`` or ``spectra`` for a command that only one tab has.
    spectra_text, spectra_tip
        Text and tooltip on the Spectra tab, where they differ.
    """

    key: str
    text: str
    menu: str
    section: int = 0
    shortcuts: tuple[str, ...] = ()
    icon: str = ""
    toolbar: int = 0
    short: str = ""
    tooltip: str = ""
    checkable: bool = False
    group: str = ""
    when: When = When.ALWAYS
    tab: str = ""
    tools: int = 0
    spectra_text: str = ""
    spectra_tip: str = ""

    @property
    def plain_text(self) -> str:
        """Text without access key and ellipsis."""
        return self.text.replace("&", "").removesuffix("...")


@dataclass(frozen=True)
class Gesture:
    """What mouse and keys do on the canvas, for the shortcut sheet."""

    how: str
    what: str
