"""The rows of the table of commands that edit: undo, the tools on the image, and what they do by key."""

from __future__ import annotations

from nanoai_gui.gui.action_info import ActionInfo, Gesture, When

EDIT_ACTIONS: tuple[ActionInfo, ...] = (
    ActionInfo(
        "undo", "&Undo", "edit", 0, ("Ctrl+Z",), "undo", 0, "", "Take back the last step of this image",
        when=When.UNDO, tools=1, spectra_tip="Take back the last edit of labels or regions",
    ),
    ActionInfo(
        "redo", "&Redo", "edit", 0, ("Ctrl+Y", "Ctrl+Shift+Z"), "redo", 0, "",
        "Do again what was taken back", when=When.REDO, tools=1,
    ),
    ActionInfo(
        "steps", "&Steps", "edit", 0, ("Ctrl+Shift+Y",), "steps", 0, "",
        "List every step of this image, to go to any of them", when=When.SHOWN, tab="tem", tools=1,
    ),
    ActionInfo(
        "tool_select", "Se&lect", "edit", 1, ("1",), "select", 0, "", "Select, and move the image",
        checkable=True, group="tool", when=When.SHOWN, tab="tem", tools=2,
    ),
    ActionInfo(
        "tool_brush", "&Brush", "edit", 1, ("2", "B", "P"), "brush", 0, "",
        "Paint an agglomerate larger, or a new one on the background", checkable=True, group="tool",
        when=When.SHOWN_MEASURED, tab="tem", tools=2,
    ),
    ActionInfo(
        "tool_eraser", "&Eraser", "edit", 1, ("3", "E"), "eraser", 0, "",
        "Erase parts of an agglomerate; what it cuts through falls apart", checkable=True, group="tool",
        when=When.SHOWN_MEASURED, tab="tem", tools=2,
    ),
    ActionInfo(
        "tool_lasso", "L&asso", "edit", 1, ("4", "L"), "lasso", 0, "",
        "Draw the outline of an agglomerate, by hand or corner by corner", checkable=True, group="tool",
        when=When.SHOWN_MEASURED, tab="tem", tools=2,
    ),
    ActionInfo(
        "tool_cut", "Spl&it by a line", "edit", 1, ("6", "S"), "cut", 0, "",
        "Split agglomerates along a line that you draw", checkable=True, group="tool",
        when=When.SHOWN_MEASURED, tab="tem", tools=2,
    ),
    ActionInfo(
        "tool_circle", "&Circle or ellipse", "edit", 1, ("7", "C"), "circle", 0, "",
        "Add a primary particle: drag across it, or click its edge", checkable=True, group="tool",
        when=When.SHOWN_MEASURED, tab="tem", tools=2,
    ),
    ActionInfo(
        "tool_box", "Segment a bo&x again", "edit", 1, ("8", "G"), "segment_box", 0, "",
        "Find the agglomerates in a rectangle with other settings", checkable=True, group="tool",
        when=When.SHOWN_MEASURED, tab="tem", tools=2,
    ),
    ActionInfo(
        "protect", "&Protect neighbours", "edit", 2, ("Shift+P",), "protect", 0, "",
        "Brush, lasso and growing leave other agglomerates alone", checkable=True, when=When.SHOWN,
        tab="tem", tools=3,
    ),
    ActionInfo(
        "propose_cut", "Pr&opose a cut", "edit", 3, ("W",), "propose", 0, "",
        "Split the selected agglomerate at its narrowest neck; Enter accepts", when=When.SELECTED, tab="tem",
        tools=4,
    ),
    ActionInfo(
        "merge", "&Merge", "edit", 3, ("M",), "merge", 0, "",
        "Merge the selected agglomerates; with fewer than two, the next outline makes a new one",
        when=When.SHOWN_MEASURED, tab="tem", tools=4,
    ),
    ActionInfo(
        "fill_holes", "Fill &holes", "edit", 3, ("5", "H"), "fill", 0, "",
        "Fill the holes of the selected agglomerates, or of all", when=When.SHOWN_MEASURED, tab="tem",
        tools=4,
    ),
    ActionInfo(
        "grow", "&Grow by a pixel", "edit", 3, ("O",), "grow", 0, "",
        "Make the selected agglomerates a pixel larger all round", when=When.SELECTED, tab="tem", tools=4,
    ),
    ActionInfo(
        "shrink", "Shrin&k by a pixel", "edit", 3, ("I",), "shrink", 0, "",
        "Make the selected agglomerates a pixel smaller all round", when=When.SELECTED, tab="tem", tools=4,
    ),
    ActionInfo(
        "delete", "&Delete", "edit", 4, ("Del", "Backspace"), "delete", 0, "",
        "Delete the selected agglomerates, or particles chosen by themselves", when=When.SELECTED, tab="tem",
        tools=4,
    ),
    ActionInfo(
        "delete_agglomerates", "Delete &whole agglomerates", "edit", 4, ("Shift+Del",), "", 0, "",
        "Delete the selected agglomerates with all their particles", when=When.SELECTED, tab="tem",
    ),
    ActionInfo(
        "take_new_id", "&New number", "edit", 4, ("N",), "", 0, "",
        "Give the selected agglomerate a number that was never used", when=When.SELECTED, tab="tem",
    ),
    ActionInfo(
        "accept", "Accep&t", "edit", 5, (), "", 0, "",
        "Mark what is selected as right (Enter); such particles stay when they are measured again",
        when=When.SELECTED, tab="tem",
    ),
    ActionInfo(
        "reject", "Re&ject particles", "edit", 5, ("K",), "", 0, "", "Take the selected particles away",
        when=When.SELECTED, tab="tem",
    ),
    ActionInfo(
        "set_count", "Set the number o&f particles...", "edit", 5, ("T",), "", 0, "",
        "Say how many particles the selected agglomerate holds; it is measured again with that number",
        when=When.SELECTED, tab="tem",
    ),
    ActionInfo(
        "exclude", "Lea&ve out or take in", "edit", 5, ("Y",), "", 0, "",
        "Leave the selected agglomerates out of the results, or take them in again", when=When.SELECTED,
        tab="tem",
    ),
)  # fmt: skip

EDIT_GESTURES: tuple[Gesture, ...] = (
    Gesture("Double click", "Select a whole agglomerate"),
    Gesture("Ctrl + click, Ctrl + drag", "Delete an agglomerate, or all in a rectangle"),
    Gesture("Alt + click", "Merge with the selected one; give selected particles to it"),
    Gesture("Right click, follow, back to the start", "Draw an outline without holding a button"),
    Gesture("Alt + brush, Alt + eraser", "Erase with the brush, paint with the eraser"),
    Gesture("[   ], Alt + wheel", "Size of the brush"),
    Gesture("[   ] on a selected particle", "Make it smaller or larger"),
    Gesture("Ctrl + arrow keys", "Move the selected particle by a pixel (Shift: ten)"),
    Gesture("Drag a particle's handle", "Move it or change its size; Shift: one axis only"),
    Gesture("Enter", "Finish what is drawn; accept what is selected"),
    Gesture("Backspace", "Take back the last corner or point while drawing"),
    Gesture("W, Shift + W", "Propose one part more, or one less"),
)
