"""The editing half of the TEM tab put together: tools on the canvas, commands, measuring again, undo."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QInputDialog, QWidget

from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.history import Direction
from nanoai_gui.core.editing.patches import ResultPatch
from nanoai_gui.core.editing.resegment import segment_box, surroundings
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.gui.action_info import When
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.tem.editing.box_dialog import BoxDialog
from nanoai_gui.gui.tem.editing.canvas_editing import CanvasEditing
from nanoai_gui.gui.tem.editing.drafts import CutProposal
from nanoai_gui.gui.tem.editing.editor import Editor
from nanoai_gui.gui.tem.editing.remeasuring import Remeasuring
from nanoai_gui.gui.tem.editing.tool_bar import EditBar
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tools import EDITING, Tool
from nanoai_gui.gui.undo import StepsDialog
from nanoai_gui.gui.widgets.numbers import count

TOOLS = {
    "tool_select": Tool.SELECT,
    "tool_brush": Tool.BRUSH,
    "tool_eraser": Tool.ERASER,
    "tool_lasso": Tool.LASSO,
    "tool_cut": Tool.CUT,
    "tool_circle": Tool.CIRCLE,
    "tool_box": Tool.BOX,
}
MOST_PARTICLES = 999


class EditingPart(QObject):
    """Everything that corrects, for the window to put its commands on.

    Parameters
    ----------
    session, jobs, canvas
        What is edited, who measures again, and where.
    """

    told = Signal(str)
    """A sentence the person should read."""
    hint_changed = Signal(str)
    """What to do with the tool that is on."""

    def __init__(
        self, session: TemSession, jobs: JobRunner, canvas: MicrographCanvas, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._canvas = canvas
        self._window = parent
        self._actions: dict[str, QAction] = {}
        self._steps: StepsDialog | None = None
        self._box: BoxDialog | None = None
        self.editor = Editor(session, jobs, self)
        self.on_canvas = canvas.editing = CanvasEditing(canvas, self.editor, self)
        self.bar = EditBar(self.editor)
        self.remeasuring = Remeasuring(session, jobs, self)
        self.editor.told.connect(self.told)
        self.editor.revealed.connect(self._reveal)
        self.remeasuring.told.connect(self.told)
        self.on_canvas.hint_changed.connect(self.hint_changed)
        self.on_canvas.box_drawn.connect(self._ask_for_box)
        canvas.tool_left.connect(self._show_tool)
        session.edited.connect(self._on_edit)
        session.current_changed.connect(self._show_steps)

    # ------------------------------------------------------------------ commands

    def handlers(self) -> dict[str, Callable[..., object]]:
        """Give what each command of the table does."""
        editor = self.editor
        chosen: dict[str, Callable[..., object]] = {
            key: (lambda _, tool=tool: self.set_tool(tool)) for key, tool in TOOLS.items()
        }
        return chosen | {
            "steps": self.open_steps,
            "protect": editor.set_protects,
            "propose_cut": self.on_canvas.propose_cut,
            "merge": editor.merge,
            "fill_holes": editor.fill_holes,
            "grow": editor.grow,
            "shrink": editor.shrink,
            "delete": self.delete,
            "delete_agglomerates": editor.delete_selected_agglomerates,
            "take_new_id": editor.take_new_id,
            "accept": editor.accept,
            "reject": editor.reject,
            "set_count": self.ask_for_count,
            "exclude": editor.exclude,
        }

    def use_actions(self, actions: dict[str, QAction]) -> None:
        """Keep the actions of the window in step with the tool and the options."""
        self._actions = actions
        actions["protect"].setChecked(self.editor.protects)
        self.editor.options_changed.connect(lambda: actions["protect"].setChecked(self.editor.protects))
        self._show_tool()

    def conditions(self) -> set[When]:
        """Say which conditions for commands hold."""
        key, selection = self._session.current, self._session.selection
        held = set()
        if selection.agglomerates or selection.particles:
            held.add(When.SELECTED)
        if key is not None and self._session.history(key).undo_title:
            held.add(When.UNDO)
        if key is not None and self._session.history(key).redo_title:
            held.add(When.REDO)
        return held

    def set_tool(self, tool: Tool) -> None:
        """Take up a tool."""
        self._canvas.set_tool(tool)
        self._canvas.setFocus()
        if tool in EDITING:
            self.remeasuring.prepare()
        self._show_tool()

    def delete(self) -> None:
        """Delete what is selected; while something is drawn, take its last point back."""
        if self.on_canvas.draft is not None:
            self.on_canvas.draft.drop_last()
            if self.on_canvas.draft.is_over:
                self.on_canvas.drop_draft()
            self._canvas.update()
        else:
            self.editor.delete_selected()

    def _show_tool(self) -> None:
        tool = self._canvas.tool
        for key, of_action in TOOLS.items():
            action = self._actions.get(key)
            if action is not None and of_action is tool:
                action.setChecked(True)
        self.bar.show_tool(tool)
        self.on_canvas.tell_hint()

    def ask_for_count(self) -> None:
        """Ask how many particles the selected agglomerate holds."""
        ids, document = self._session.selection.agglomerates - {0}, self.editor.document
        if document is None or not ids:
            return
        result = document.results.get(self.editor.method)
        first = min(ids)
        now = 1
        if result is not None:
            now = int(result.n_particles[result.agglomerate_ids == first].sum())
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle("Number of particles")
        dialog.setLabelText("Particles in each selected agglomerate; 0: as the method finds")
        dialog.setInputMode(QInputDialog.InputMode.IntInput)
        dialog.setIntRange(0, MOST_PARTICLES)
        dialog.setIntValue(document.counts().get(first, now))
        dialog.intValueSelected.connect(lambda n: self.editor.set_count(n or None))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # ------------------------------------------------------------------ steps

    def _on_edit(self, key: int, edit: Edit, direction: Direction) -> None:
        # What is drawn on labels that are no longer there (undo by key, with the button held) is given up.
        if key == self._session.current and direction is not Direction.AMENDED:
            self._canvas.cancel_gesture()
            if isinstance(self.on_canvas.draft, CutProposal):
                self.on_canvas.drop_draft()
            self._tell_of_replaced(edit, direction)
        self._show_steps()

    def _tell_of_replaced(self, edit: Edit, direction: Direction) -> None:
        """Say that a new analysis took corrections with it: nobody should have to find out."""
        for patch in edit.patches:
            before = patch.before if isinstance(patch, ResultPatch) else None
            if before is not None and before.n_hand_edits and direction is Direction.DONE:
                n = count(before.n_hand_edits, "correction")
                self.told.emit(f"The new analysis replaced {n} by hand. Undo (Ctrl+Z) brings them back.")

    def open_steps(self) -> None:
        """Show the list of steps."""
        if self._steps is None:
            self._steps = StepsDialog(self._window)
            self._steps.chosen.connect(self.editor.jump)
        self._steps.show()
        self._steps.raise_()
        self._show_steps()

    def _show_steps(self) -> None:
        if self._steps is not None and self._steps.isVisible():
            entry = self._session.current_entry
            self._steps.show_history(None if entry is None else entry.history, entry.name if entry else "")

    def _reveal(self, box: Box) -> None:
        # A change of the whole image needs no other place.
        if box.shape != self._canvas.image_shape:
            self._canvas.reveal(box.x0, box.y0, box.x1, box.y1)

    # ------------------------------------------------------------------ a box again

    def _ask_for_box(self, box: Box) -> None:
        entry = self._session.current_entry
        if entry is None or entry.analysis is None:
            return
        if self._box is not None:
            self._box.reject()
        key = entry.key
        dialog = self._box = BoxDialog(entry.analysis.settings.segmentation, self._window)
        dialog.segment_wanted.connect(lambda parameters: self._segment(key, box, parameters))
        dialog.finished.connect(self._forget_box)
        dialog.show()

    def _forget_box(self) -> None:
        self._box = None

    def _segment(self, key: int, box: Box, parameters: SegmentationParameters) -> None:
        micrograph, document = self._session.micrograph, self.editor.document
        if self._session.current != key or micrograph is None or document is None:
            return
        part, inner = surroundings(micrograph, box)

        def done(found: object) -> None:
            if self._session.current != key or self.editor.document is not document:
                return
            if not self.editor.replace_box(box, found):  # type: ignore[arg-type]
                self.told.emit("These settings find the same agglomerates in the box.")

        self._jobs.run(segment_box, part, inner, parameters, on_done=done, key="segment box")

    def shut_down(self) -> None:
        """Close what is open."""
        for dialog in (self._steps, self._box):
            if dialog is not None:
                dialog.close()
