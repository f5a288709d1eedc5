"""Every command of the window, in one table: menus, toolbar and shortcut sheet derive from it.

To add a command, add a row here and a handler of the same key in the window (a test checks that no row is
without one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QToolBar

from nanoai_gui.gui.action_info import ActionInfo, Gesture, When
from nanoai_gui.gui.edit_actions import EDIT_ACTIONS, EDIT_GESTURES
from nanoai_gui.gui.theme import ThemeTokens, icon

MENUS: tuple[tuple[str, str], ...] = (
    ("file", "&File"),
    ("edit", "&Edit"),
    ("image", "&Image"),
    ("analyse", "&Analyse"),
    ("spectra", "&Spectra"),
    ("view", "&View"),
    ("help", "&Help"),
)
"""Key and title of each menu, in order."""
TEM_MENUS, SPECTRA_MENUS = ("image", "analyse"), ("spectra",)
"""Menus that only one of the tabs has."""
SHARED = ("previous", "next", "show_in_folder", "remove")
"""Commands of the menu Image that the menu Spectra offers too."""


ACTIONS: tuple[ActionInfo, ...] = (
    *EDIT_ACTIONS,
    ActionInfo(
        "open", "&Open images...", "file", 0, ("Ctrl+O",), "open", 1, "Open", "Add image files to the list",
        spectra_text="&Open spectra...", spectra_tip="Add files of spectra and maps to the list",
    ),
    ActionInfo(
        "open_folder", "Open &folder...", "file", 0, ("Ctrl+Shift+O",), "folder", 1, "Folder",
        "Add every micrograph of a folder, and of the folders in it",
        spectra_tip="Add all spectra of a folder, and of the folders in it",
    ),
    ActionInfo(
        "new_project", "&New project", "file", 1, ("Ctrl+N",), "", 0, "",
        "Begin an empty project; the one that is open is kept",
    ),
    ActionInfo(
        "open_project", "Open pro&ject...", "file", 1, ("Ctrl+Alt+O",), "", 0, "",
        "Go on with a project that was saved",
    ),
    ActionInfo(
        "save_project", "&Save project", "file", 1, ("Ctrl+S",), "", 0, "",
        "Projects save themselves after each change; this asks for a name where there is none",
    ),
    ActionInfo(
        "save_project_as", "Save project &as...", "file", 1, ("Ctrl+Shift+S",), "", 0, "",
        "Go on in a file of another name; the one before stays as it is",
    ),
    ActionInfo(
        "duplicate_project", "&Duplicate project...", "file", 1, (), "", 0, "",
        "Write a copy, and go on in the present file",
    ),
    ActionInfo(
        "export_tables", "&Export results...", "file", 2, ("Ctrl+E",), "export", 4, "Export",
        "Write particles.csv, agglomerates.csv and summary.json to a folder", when=When.MEASURED, tab="tem",
    ),
    ActionInfo(
        "export_overlay", "Export o&verlay picture...", "file", 2, ("Ctrl+Shift+E",), "overlay", 0, "",
        "Save the image with outlines and scale bar at full resolution", when=When.SHOWN_MEASURED, tab="tem",
    ),
    ActionInfo(
        "export_histogram", "Export &histogram...", "file", 2, (), "histogram", 0, "",
        "Save the size distribution as PNG or SVG", when=When.MEASURED, tab="tem",
    ),
    ActionInfo(
        "import_outlines", "&Import outlines...", "file", 2, ("Ctrl+Shift+I",), "", 0, "",
        "Take agglomerates or particles from a label image, ImageJ regions or COCO annotations",
        when=When.SHOWN, tab="tem",
    ),
    ActionInfo(
        "export_outlines", "Export out&lines...", "file", 2, (), "", 0, "",
        "Write agglomerates and particles as ImageJ regions, COCO annotations or label image",
        when=When.SHOWN_MEASURED, tab="tem",
    ),
    ActionInfo(
        "export_corrections", "Export &corrected agglomerates...", "file", 2, (), "", 0, "",
        "Write what you have put right as samples to train networks with", when=When.MEASURED, tab="tem",
    ),
    ActionInfo("quit", "&Quit", "file", 9, ("Ctrl+Q",), tooltip="Close NanoAI"),
    ActionInfo(
        "previous", "&Previous image", "image", 0, ("A", "PgUp"), "previous", 2, "Previous",
        "Show the image above in the list", when=When.IMAGES,
        spectra_text="&Previous map", spectra_tip="Show the map or series above in the list",
    ),
    ActionInfo(
        "next", "&Next image", "image", 0, ("D", "PgDown"), "next", 2, "Next",
        "Show the image below in the list", when=When.IMAGES,
        spectra_text="&Next map", spectra_tip="Show the map or series below in the list",
    ),
    ActionInfo(
        "calibrate", "&Calibrate...", "image", 1, ("Ctrl+K",), "calibrate", 3, "Calibrate",
        "Set the pixel size by typing it or by a line over the scale bar", when=When.SHOWN, tab="tem",
    ),
    ActionInfo(
        "choose_frame", "Choose image of the &stack...", "image", 1, (), "", 0, "",
        "Take another image of a file that holds several, or add more of them", when=When.SHOWN, tab="tem",
    ),
    ActionInfo(
        "show_in_folder", "Show in f&older", "image", 2, (), "", 0, "", "Open the folder of the chosen image",
        when=When.CHOSEN, spectra_tip="Open the folder of the chosen file",
    ),
    ActionInfo(
        "remove", "&Remove from list", "image", 2, ("Ctrl+Backspace",), "remove", 0, "",
        "Take the chosen images off the list; the files stay", when=When.CHOSEN,
        spectra_tip="Take the chosen maps off the list; the files stay",
    ),
    ActionInfo(
        "analyse_current", "Analyse this &image", "analyse", 0, ("Ctrl+Return", "Ctrl+Enter"), "analyse", 3,
        "Analyse", "Measure the image shown", when=When.SHOWN, tab="tem",
    ),
    ActionInfo(
        "analyse_chosen", "Analyse &chosen images", "analyse", 0, ("Ctrl+Shift+Return", "Ctrl+Shift+Enter"),
        "", 0, "", "Measure the images chosen in the list", when=When.CHOSEN, tab="tem",
    ),
    ActionInfo(
        "analyse_all", "Analyse &all images", "analyse", 0, ("F5",), "analyse_all", 3, "Analyse all",
        "Measure every image that has not been measured with these settings", when=When.IMAGES, tab="tem",
    ),
    ActionInfo(
        "measure_by_hand", "Measure by &hand", "analyse", 1, ("Ctrl+M",), "", 0, "",
        "Draw around particles yourself, image after image; the time of each is taken",
        when=When.SHOWN, tab="tem",
    ),
    ActionInfo(
        "review", "What to correct &next", "analyse", 1, ("Ctrl+R",), "", 0, "",
        "Go through the agglomerates that could move the mean diameter most, the most doubtful first",
        when=When.MEASURED, tab="tem",
    ),
    ActionInfo(
        "cancel", "&Stop", "analyse", 1, ("Ctrl+.",), "stop", 3, "Stop",
        "Stop the analysis; images already measured keep their results", when=When.RUNNING, tab="tem",
    ),
    ActionInfo(
        "synthesize", "S&ynthetic images...", "analyse", 2, (), "synthesize", 0, "",
        "Make micrographs whose particles are known, to test methods and to compare with real ones",
        tab="tem",
    ),
    ActionInfo(
        "train", "&Train networks...", "analyse", 2, (), "train", 0, "",
        "Train networks that size primary particles, on synthetic agglomerates", tab="tem",
    ),
    ActionInfo(
        "import_labels", "Import &labels...", "spectra", 2, ("Ctrl+I",), "import_labels", 3, "Labels",
        "Fill in labels, dishes and cells from a CSV or XLSX table", when=When.SPECTRA, tab="spectra",
    ),
    ActionInfo(
        "export_spectra", "E&xport spectra...", "spectra", 2, (), "export", 4, "Export",
        "Write the chosen sets, preprocessed, with labels and regions, to a CSV or XLSX table",
        when=When.SHOWN, tab="spectra",
    ),
    ActionInfo(
        "zoom_fit", "&Fit image", "view", 0, ("F",), "zoom_fit", 5, "Fit", "Show the whole image",
        when=When.SHOWN, spectra_text="&Fit map", spectra_tip="Show the whole map",
    ),
    ActionInfo(
        "zoom_actual", "&Actual pixels (100 %)", "view", 0, ("Ctrl+0",), "zoom_actual", 0, "",
        "One image pixel is one screen pixel", when=When.SHOWN, tab="tem",
    ),
    ActionInfo("zoom_in", "Zoom &in", "view", 0, ("Ctrl++", "Ctrl+=", "+", "="), "zoom_in", 0, "", "Zoom in",
               when=When.SHOWN),
    ActionInfo("zoom_out", "Zoom &out", "view", 0, ("Ctrl+-", "-"), "zoom_out", 0, "", "Zoom out",
               when=When.SHOWN),
    ActionInfo(
        "show_masks", "Show &masks", "view", 1, ("X",), "masks", 5, "Masks", "Colour the agglomerates",
        checkable=True, tab="tem",
    ),
    ActionInfo(
        "show_outlines", "Show ou&tlines", "view", 1, ("Z",), "outlines", 5, "Outlines",
        "Draw the outlines of agglomerates and particles", checkable=True, tab="tem",
    ),
    ActionInfo(
        "show_residual", "Show &residual", "view", 1, ("Shift+R",), "", 0, "",
        "Image minus model: what the physical fit leaves unexplained", checkable=True,
        when=When.SHOWN_MEASURED, tab="tem",
    ),
    ActionInfo("theme_system", "Theme as the &system", "view", 2, checkable=True, group="theme"),
    ActionInfo("theme_light", "&Light theme", "view", 2, checkable=True, group="theme"),
    ActionInfo("theme_dark", "&Dark theme", "view", 2, checkable=True, group="theme"),
    ActionInfo(
        "guide", "&Guide", "help", 0, ("Shift+F1",), "", 0, "", "How to work with NanoAI, with pictures",
    ),
    ActionInfo(
        "open_samples", "&Open samples", "help", 0, (), "", 0, "",
        "Add synthetic images that come with NanoAI, to try it on; what is in them is known",
        spectra_tip="Add synthetic spectra and a map that come with NanoAI, to try it on",
    ),
    ActionInfo(
        "shortcuts", "&Shortcuts and gestures", "help", 0, ("F1", "?"), "", 0, "",
        "Show every key and mouse gesture",
    ),
    ActionInfo("log", "Show &log file", "help", 0, (), "", 0, "", "Open the folder of the log file"),
    ActionInfo("about", "&About NanoAI", "help", 1, (), "", 0, "", "Version, licence and folders"),
)  # fmt: skip

GESTURES: tuple[Gesture, ...] = (
    Gesture("Wheel", "Zoom at the pointer"),
    Gesture("Space + drag, middle drag", "Move the image, whatever the tool"),
    Gesture("Drag", "Move the image; on a data bar's edge: move the edge"),
    Gesture("Click", "Select an agglomerate or particle; table and histogram follow"),
    Gesture("Shift + click", "Add to the selection, or take away from it"),
    Gesture("Shift + drag", "Select everything in a rectangle"),
    Gesture("Double click on background", "Fit the image"),
    Gesture("Double click on the data bar's edge", "Back to the data bar as found"),
    Gesture("Arrow keys", "Move the image"),
    Gesture("Hold Tab or `", "See the raw image without overlay"),
    Gesture("Escape", "Give up what is being drawn; leave a tool; select nothing"),
    *EDIT_GESTURES,
    Gesture("Drop files or folders", "Add them to the list, anywhere on the window"),
)


def make_actions(
    parent: QObject, handlers: Mapping[str, Callable[..., object]], table: Iterable[ActionInfo] = ACTIONS
) -> dict[str, QAction]:
    """Make the actions of a table and lead each to its handler (checkable ones pass on or off)."""
    actions: dict[str, QAction] = {}
    groups: dict[str, QActionGroup] = {}
    for info in table:
        action = QAction(info.text, parent)
        action.setObjectName(info.key)
        action.setShortcuts([QKeySequence(text) for text in info.shortcuts])
        action.setToolTip(tooltip(info))
        action.setStatusTip(info.tooltip)
        action.setCheckable(info.checkable)
        if info.short:
            action.setIconText(info.short)
        if info.group:
            group = groups.setdefault(info.group, QActionGroup(parent))
            group.addAction(action)
        action.triggered.connect(_call(handlers[info.key], info.checkable))
        actions[info.key] = action
    return actions


def _call(handler: Callable[..., object], with_state: bool) -> Callable[[bool], None]:
    def triggered(checked: bool = False) -> None:
        if with_state:
            handler(checked)
        else:
            handler()

    return triggered


def tooltip(info: ActionInfo) -> str:
    """Say what hovering shows: the sentence and the key."""
    text = info.tooltip or info.plain_text
    return f"{text} ({shown(info.shortcuts[0])})" if info.shortcuts else text


def shown(shortcut: str) -> str:
    """Write a key sequence the way this system does."""
    return QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)


def set_icons(
    actions: Mapping[str, QAction], theme: ThemeTokens, table: Iterable[ActionInfo] = ACTIONS
) -> None:
    """Draw the icons of the actions in the colours of a theme."""
    for info in table:
        if info.icon:
            actions[info.key].setIcon(icon(info.icon, theme, 24 if info.toolbar or info.tools else 16))


def fill_menus(
    bar: QMenuBar, actions: Mapping[str, QAction], table: Iterable[ActionInfo] = ACTIONS
) -> dict[str, QMenu]:
    """Put the actions into their menus; returns the menus by key."""
    rows = list(table)
    menus = {}
    for key, title in MENUS:
        menu = bar.addMenu(title)
        menus[key] = menu
        section = None
        for info in (row for row in rows if row.menu == key):
            if section is not None and info.section != section:
                menu.addSeparator()
            section = info.section
            menu.addAction(actions[info.key])
    return menus


def fill_toolbar(
    bar: QToolBar, actions: Mapping[str, QAction], table: Iterable[ActionInfo] = ACTIONS
) -> None:
    """Put the actions that belong there on the toolbar."""
    section = None
    for info in sorted((row for row in table if row.toolbar), key=lambda row: row.toolbar):
        if section is not None and info.toolbar != section:
            bar.addSeparator()
        section = info.toolbar
        bar.addAction(actions[info.key])


def show_for_tab(
    actions: Mapping[str, QAction], is_spectra: bool, table: Iterable[ActionInfo] = ACTIONS
) -> None:
    """Show the commands of one tab, in its words, and hide those of the other."""
    hidden = "tem" if is_spectra else "spectra"
    for info in table:
        action = actions[info.key]
        action.setVisible(info.tab != hidden)
        if info.spectra_text:
            action.setText(info.spectra_text if is_spectra else info.text)
            if info.short:
                action.setIconText(info.short)
        if info.spectra_tip:
            shown_info = replace(info, tooltip=info.spectra_tip) if is_spectra else info
            action.setToolTip(tooltip(shown_info))
            action.setStatusTip(shown_info.tooltip)


def fill_tools(bar: QToolBar, actions: Mapping[str, QAction], table: Iterable[ActionInfo] = ACTIONS) -> None:
    """Put the tools that edit on the bar over the image."""
    section = None
    for info in sorted((row for row in table if row.tools), key=lambda row: row.tools):
        if section is not None and info.tools != section:
            bar.addSeparator()
        section = info.tools
        bar.addAction(actions[info.key])


def fit_separators(bar: QToolBar) -> None:
    """Hide lines of a toolbar that have nothing to part."""
    waiting = None
    something_before = False
    for action in bar.actions():
        if action.isSeparator():
            action.setVisible(False)
            waiting = action if something_before else None
        elif action.isVisible():
            if waiting is not None:
                waiting.setVisible(True)
                waiting = None
            something_before = True


def update_enabled(
    actions: Mapping[str, QAction], held: Iterable[When], table: Iterable[ActionInfo] = ACTIONS
) -> None:
    """Enable the actions whose condition holds."""
    conditions = {When.ALWAYS, *held}
    for info in table:
        actions[info.key].setEnabled(info.when in conditions)
