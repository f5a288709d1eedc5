"""What a person can do to the labels and particles of the image shown, whether by mouse, key or menu.

Every method makes one edit and hands it to the session; the way in which a tool is used is known to the
gestures (:mod:`nanoai_gui.gui.tem.editing.gestures`), and what an edit means to the core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.editing import circles, labels
from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.regions import clip
from nanoai_gui.core.editing.strokes import Stroke, capsule
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.editing.many import EditsOfMany
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.selecting import of_agglomerates, of_particles
from nanoai_gui.gui.tem.session import TemSession

SMALLEST_BRUSH, LARGEST_BRUSH = 1.0, 250.0
BRUSH_STEP = 1.2
MANY = 64
"""Agglomerates of one edit from which on it is worked out beside the window."""
RESIZE_STEP = 1.02
NOTHING_TO_EDIT = "Analyse this image (Ctrl+Enter) before correcting it."


class Editor(QObject):
    """The commands of editing.

    Attributes
    ----------
    brush_radius
        In px of the image.
    protects
        Whether neighbours are left alone by brush, lasso and growing.
    """

    told = Signal(str)
    """A sentence the person should read."""
    options_changed = Signal()
    """Size of the brush or protection."""
    revealed = Signal(object)
    """The :class:`Box` of a step that was undone or redone: the view goes there."""

    def __init__(self, session: TemSession, jobs: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._many = EditsOfMany(session, jobs, lambda: self.document, self._do)
        self.brush_radius = 8.0
        self.protects = True

    # ------------------------------------------------------------------ what is edited

    @property
    def document(self) -> ImageDocument | None:
        """The image shown, if it was measured and its labels are at hand."""
        entry = self._session.current_entry
        if entry is None or not entry.document.is_measured or self._session.labels is None:
            return None
        return entry.document

    @property
    def method(self) -> str:
        """The method whose particles are shown, and edited."""
        return self._session.shown_method

    @property
    def particles(self) -> Particles:
        """The particles shown."""
        document = self.document
        result = None if document is None else document.results.get(self.method)
        return Particles.empty() if result is None else result.particles

    @property
    def selection(self) -> Selection:
        """What is selected."""
        return self._session.selection

    @property
    def chosen_particles(self) -> frozenset[int]:
        """Particles that are meant by themselves: some, but not all, of the agglomerates selected."""
        selection = self.selection
        if not selection.particles:
            return frozenset()
        whole = of_agglomerates(self.particles, selection.agglomerates - {0})
        return frozenset() if selection.particles == whole.particles else selection.particles

    def tell_if_nothing(self) -> bool:
        """Say what to do if the image was not measured; whether that is so."""
        entry = self._session.current_entry
        if entry is not None and not entry.document.is_measured:
            self.told.emit(NOTHING_TO_EDIT)
        return self.document is None

    def commit(self, edit: Edit | None) -> bool:
        """Hand an edit to the session; whether it was one."""
        key = self._session.current
        if edit is None or key is None:
            return False
        self._session.commit(key, edit)
        return True

    def _do(self, make: Callable[[ImageDocument], Edit | None]) -> bool:
        if self.tell_if_nothing():
            return False
        document, key = self.document, self._session.current
        assert document is not None and key is not None
        try:
            return self.commit(make(document))
        except (LookupError, ValueError, AssertionError):
            # Steps of a file may lead to other labels than they say: no edit can start from them.
            if not self._session.mend(key):
                raise
            return False

    def _do_to(
        self,
        ids: Collection[int],
        make: Callable[[ImageDocument], Edit | None],
        then: Callable[[bool], None] | None = None,
    ) -> None:
        """Make an edit of some agglomerates; of many, in a thread: the window need not wait for it.

        ``then`` is told whether it was an edit.
        """
        then = then or (lambda _: None)
        if len(ids) < MANY:
            then(self._do(make))
            return
        document = self.document
        if not self.tell_if_nothing() and document is not None:
            self._many.put(document, make, then)

    def _select_agglomerates(self, ids: frozenset[int]) -> None:
        self._session.select(of_agglomerates(self.particles, ids))

    # ------------------------------------------------------------------ history

    def undo(self) -> None:
        """Take the newest step back, and show where."""
        if self._session.current is not None:
            self._reveal(self._session.undo(self._session.current))

    def redo(self) -> None:
        """Do again what was undone, and show where."""
        if self._session.current is not None:
            self._reveal(self._session.redo(self._session.current))

    def jump(self, position: int) -> None:
        """Go to a step of the list, and show where it was."""
        key = self._session.current
        if key is None:
            return
        steps = self._session.history(key).steps_to(position)
        self._session.jump(key, position)
        self._reveal(steps[-1][0] if steps else None)

    def _reveal(self, edit: Edit | None) -> None:
        if edit is not None and edit.box is not None:
            self.revealed.emit(edit.box)

    # ------------------------------------------------------------------ agglomerates

    def delete_selected(self) -> None:
        """Delete the particles chosen by themselves, else the agglomerates selected."""
        chosen = self.chosen_particles
        if chosen:
            self._do(lambda document: circles.delete(document, self.method, chosen))
        else:
            self.delete_agglomerates(self.selection.agglomerates)

    def delete_selected_agglomerates(self) -> None:
        """Delete the agglomerates selected, with all their particles."""
        self.delete_agglomerates(self.selection.agglomerates)

    def delete_agglomerates(self, ids: frozenset[int]) -> None:
        """Delete agglomerates, whether selected or not."""
        if ids:
            self._do_to(ids, lambda document: labels.delete(document, ids))

    def delete_hit(self, agglomerate: int, particle: int) -> None:
        """Delete what was clicked: the agglomerate, or a particle that lies outside of any."""
        if agglomerate:
            self.delete_agglomerates(frozenset({agglomerate}))
        elif particle:
            self._do(lambda document: circles.delete(document, self.method, [particle]))

    def merge(self) -> None:
        """Merge the agglomerates selected; with fewer than two, the next stroke makes a new one."""
        ids = self.selection.agglomerates
        if len(ids) < 2:
            self.begin_new()
        else:
            self._merge(ids)

    def _merge(self, ids: frozenset[int]) -> None:
        def select(is_done: bool) -> None:
            document = self.document
            if is_done and document is not None:
                self._select_agglomerates(ids & frozenset(document.table.ids.tolist()))

        self._do_to(ids, lambda document: labels.merge(document, ids), select)

    def merge_with(self, agglomerate: int) -> None:
        """Merge the agglomerate clicked with those selected; give particles chosen by themselves to it."""
        chosen = self.chosen_particles
        if chosen:
            if self._do(lambda document: circles.assign(document, self.method, chosen, agglomerate)):
                self._session.select(of_particles(self.particles, chosen))
            return
        ids = self.selection.agglomerates | {agglomerate}
        if len(ids) > 1:
            self._merge(ids)

    def begin_new(self) -> None:
        """Select nothing, so that brush and lasso make a new agglomerate."""
        self._session.select(Selection())
        self.told.emit("The next outline makes a new agglomerate; the brush does so on the background.")

    def take_new_id(self) -> None:
        """Give the one agglomerate selected a new id."""
        ids = self.selection.agglomerates
        if len(ids) == 1:
            (ident,) = ids
            document = self.document
            new = 0 if document is None else document.next_agglomerate()
            if self._do(lambda document: labels.take_new_id(document, ident)):
                self._select_agglomerates(frozenset({new}))

    def fill_holes(self) -> None:
        """Fill the holes of the agglomerates selected, of all if none is."""
        document = self.document
        ids = self.selection.agglomerates or frozenset(document.table.ids.tolist() if document else ())

        def tell(is_done: bool) -> None:
            if not is_done:
                self._tell_if_measured("There are no holes to fill.")

        self._do_to(ids, lambda document: labels.fill_holes(document, ids), tell)

    def grow(self) -> None:
        """Make the agglomerates selected a pixel larger all round."""
        ids = self._selected_or_told()
        if ids:
            protects = self.protects
            self._do_to(ids, lambda document: labels.grow(document, ids, protect=protects))

    def shrink(self) -> None:
        """Make the agglomerates selected a pixel smaller all round."""
        ids = self._selected_or_told()
        if ids:
            self._do_to(ids, lambda document: labels.shrink(document, ids))

    def exclude(self) -> None:
        """Leave the agglomerates selected out of the results, or take them in if all are left out."""
        ids = self._selected_or_told()
        document = self.document
        if not ids or document is None:
            return
        rows = np.flatnonzero(np.isin(document.table.ids, list(ids)))
        out = all(document.table.excluded[row] for row in rows)
        self._do(lambda document: labels.exclude(document, ids, "" if out else labels.LEFT_OUT_BY_HAND))

    def set_count(self, n_particles: int | None) -> None:
        """Set the number of particles of the agglomerates selected."""
        ids = self.selection.agglomerates
        if ids:
            self._do(lambda document: labels.set_count(document, ids, n_particles))

    def accept(self) -> None:
        """Accept the particles chosen by themselves, else the agglomerates selected with their particles."""
        chosen, ids = self.chosen_particles, self.selection.agglomerates
        if chosen:
            self._particle_step(lambda document: circles.accept(document, self.method, chosen), set(chosen))
        elif ids:
            self._do(lambda document: labels.accept(document, ids))

    def reject(self) -> None:
        """Reject the particles selected: they are taken away."""
        ids = self.selection.particles
        if ids:
            self._do(lambda document: circles.reject(document, self.method, ids))

    def _selected_or_told(self) -> frozenset[int]:
        if not self.selection.agglomerates:
            self.told.emit("Select an agglomerate first.")
        return self.selection.agglomerates

    def _tell_if_measured(self, sentence: str) -> None:
        if self.document is not None:
            self.told.emit(sentence)

    # ------------------------------------------------------------------ drawn

    def set_brush_radius(self, radius: float) -> None:
        """Set the size of the brush, in px."""
        self.brush_radius = min(max(radius, SMALLEST_BRUSH), LARGEST_BRUSH)
        self.options_changed.emit()

    def set_protects(self, protects: bool) -> None:
        """Protect neighbours, or not."""
        if protects != self.protects:
            self.protects = protects
            self.options_changed.emit()

    def under_brush(self, x: float, y: float) -> int:
        """Find the agglomerate that a stroke from here is about; 0 if there is none under the brush.

        A selected one, if the brush touches it; else the one in its middle; else the one it covers most of.
        """
        document = self.document
        if document is None:
            return 0
        r = self.brush_radius
        box = clip(
            Box(math.floor(y - r), math.floor(x - r), math.ceil(y + r) + 1, math.ceil(x + r) + 1),
            document.labels.shape,
        )
        under = document.labels[box.slices][capsule(box, x, y, x, y, r)]
        ids, areas = np.unique(under[under > 0], return_counts=True)
        if not len(ids):
            return 0
        for ident in sorted(self.selection.agglomerates & set(ids.tolist())):
            return ident
        line, column = math.floor(y + 0.5), math.floor(x + 0.5)
        height, width = document.labels.shape
        middle = int(document.labels[line, column]) if 0 <= line < height and 0 <= column < width else 0
        return middle or int(ids[int(np.argmax(areas))])

    def begin_stroke(self, x: float, y: float, erases: bool) -> Stroke | None:
        """Begin a stroke of the brush or eraser; on the background, a brush begins a new agglomerate."""
        document = self.document
        if document is None:
            self.tell_if_nothing()
            return None
        agglomerate = self.under_brush(x, y)
        if erases:
            only = {agglomerate} if agglomerate else set(self.selection.agglomerates)
            return Stroke(
                document, 0, self.brush_radius, only=only if self.protects else (), protect=self.protects
            )
        target = agglomerate or None
        ident = document.next_agglomerate() if target is None else target
        return Stroke(document, ident, self.brush_radius, protect=self.protects, is_new=target is None)

    def finish_stroke(self, stroke: Stroke) -> bool:
        """Commit a stroke; a new agglomerate is selected, so that the next stroke goes on with it."""
        done = self._do(lambda _: stroke.edit())
        if done and stroke.ident:
            self._select_agglomerates(frozenset({stroke.ident}))
        return done

    def add_outline(self, points: NDArray[np.floating], erases: bool) -> None:
        """Fill a closed outline, or take away what lies in it."""
        document = self.document
        if document is None or len(points) < 3:
            self.tell_if_nothing()
            return
        selected = self.selection.agglomerates - {0}
        if erases:
            only = selected if self.protects else frozenset[int]()
            self._do(lambda document: labels.erase_polygon(document, points, only))
            return
        target = next(iter(selected)) if len(selected) == 1 else None
        new = document.next_agglomerate()
        if self._do(lambda document: labels.add_polygon(document, points, target, protect=self.protects)):
            self._select_agglomerates(frozenset({new if target is None else target}))

    def cut(self, points: NDArray[np.floating]) -> None:
        """Split agglomerates along a line: those selected, if it meets any of them, else all it cuts."""
        selected = self.selection.agglomerates
        if self._do(lambda document: labels.split_by_line(document, points, selected)):
            return
        if not self._do(lambda document: labels.split_by_line(document, points)):
            self._tell_if_measured("The line cuts no agglomerate through: draw it from edge to edge.")

    def propose_cut(self, n_parts: int) -> tuple[int, NDArray[np.int32]] | None:
        """Propose how to split the one agglomerate selected."""
        ids, document = self.selection.agglomerates - {0}, self.document
        if document is None or len(ids) != 1:
            self.told.emit("Select one agglomerate to have a cut proposed.")
            return None
        (ident,) = ids
        parts = labels.propose_cut(document, ident, n_parts)
        if parts is None:
            self.told.emit("This agglomerate has no neck to cut: draw the cut (S).")
            return None
        return ident, parts

    def replace_box(self, box: Box, found: NDArray[np.int32]) -> bool:
        """Replace the agglomerates of a box by others; whether they are others."""
        return self._do(lambda document: labels.replace_in_box(document, box, found))

    def accept_cut(self, ident: int, parts: NDArray[np.int32]) -> None:
        """Split as proposed."""
        self._do(lambda document: labels.split_by_parts(document, ident, parts))

    # ------------------------------------------------------------------ particles

    def add_particle(self, shape: circles.Ellipse) -> None:
        """Add a circle or an ellipse, and select it."""
        document = self.document
        if document is None:
            self.tell_if_nothing()
            return
        ident = document.next_particle(self.method)
        self._particle_step(lambda document: circles.add(document, self.method, shape), {ident})

    def fitted(self, points: NDArray[np.floating]) -> circles.Ellipse | None:
        """Fit a circle or an ellipse to points on an edge; ``None`` if they do not make one."""
        try:
            return circles.fit_points(points)
        except ParameterError:
            return None

    @property
    def handled_particle(self) -> tuple[int, circles.Ellipse] | None:
        """The one particle that has handles, with its shape: when one only is selected."""
        ids = self.selection.particles
        if len(ids) != 1:
            return None
        particles = self.particles
        rows = np.flatnonzero(particles.ids == next(iter(ids)))
        return (
            (int(particles.ids[rows[0]]), circles.ellipse_of(particles, int(rows[0]))) if len(rows) else None
        )

    def reshape_particle(self, ident: int, shape: circles.Ellipse) -> None:
        """Give a particle another shape."""
        step = self._open_step
        self._particle_step(
            lambda document: circles.reshape(document, self.method, ident, shape, step), {ident}
        )

    def move_particles(self, dx: float, dy: float, ids: frozenset[int] | None = None) -> None:
        """Move the particles selected, by px."""
        chosen, step = self.selection.particles if ids is None else ids, self._open_step
        self._particle_step(
            lambda document: circles.move(document, self.method, chosen, dx, dy, step), set(chosen)
        )

    def resize_particles(self, factor: float, ids: frozenset[int] | None = None) -> None:
        """Make the particles selected larger or smaller."""
        chosen, step = self.selection.particles if ids is None else ids, self._open_step
        self._particle_step(
            lambda document: circles.resize(document, self.method, chosen, factor, step), set(chosen)
        )

    @property
    def _open_step(self) -> Edit | None:
        key = self._session.current
        return None if key is None else self._session.history(key).open_step

    def _particle_step(self, make: Callable[[ImageDocument], Edit | None], ids: set[int]) -> None:
        gone = 0

        def counted(document: ImageDocument) -> Edit | None:
            nonlocal gone
            edit = make(document)
            gone = 0 if edit is None else circles.taken_away(edit)
            return edit

        if ids and self._do(counted):
            self._session.select(of_particles(self.particles, ids))
            if gone:
                found = "the particle" if gone == 1 else f"the {gone} particles"
                self.told.emit(
                    f"It takes the place of {found} found there. To keep both, undo (Ctrl+Z), select what "
                    "was found, accept it (Enter) and do it again."
                )
