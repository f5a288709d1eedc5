"""Every kind of edit that a person can make, for :mod:`tests.benchmarks.bench_editing`: one function each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing import circles, labels
from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.importing import import_labels, import_particles
from nanoai_gui.core.editing.strokes import Stroke
from nanoai_gui.core.tem.calibration import Calibration, CalibrationSource
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.core.tem.segmentation import ThresholdKind
from nanoai_gui.gui.tem.entries import Selection
from nanoai_gui.gui.tem.selecting import of_agglomerates, of_particles

if TYPE_CHECKING:
    from tests.benchmarks.bench_editing import Window


@dataclass(frozen=True)
class Kind:
    """A kind of edit: ``prepare`` says what to select, outside of the clock, and gives what to do."""

    name: str
    prepare: Callable[[], Callable[[], object]]
    is_grouped: bool = False
    """Whether it would be one step with the one before that followed closely."""
    is_of_many: bool = False
    """Whether more agglomerates are measured again than could be in the time."""


def kinds_of(window: Window) -> list[Kind]:
    """List them, for an image that was measured; what is edited is drawn by a generator of its own."""
    session, key, editor = window.session, window.key, window.tab.editing.editor
    document: ImageDocument = window.document
    method = window.method
    rng = np.random.default_rng(0)

    def some(n: int = 1) -> list[int]:
        return [int(i) for i in rng.choice(document.table.ids, n, replace=False)]

    def box(ident: int) -> tuple[int, int, int, int]:
        y0, x0, y1, x1 = document.table.boxes[int(np.flatnonzero(document.table.ids == ident)[0])].tolist()
        return y0, x0, y1, x1

    def near(n: int) -> list[int]:
        """Some neighbours."""
        first = int(np.flatnonzero(document.table.ids == some()[0])[0])
        away = np.hypot(
            document.table.x - document.table.x[first], document.table.y - document.table.y[first]
        )
        return [int(i) for i in document.table.ids[np.argsort(away)[:n]]]

    def select(ids: list[int]) -> None:
        session.select(of_agglomerates(document.results[method].particles, ids))

    def select_particles(n: int = 1) -> list[int]:
        ids = [int(i) for i in rng.choice(document.results[method].particles.ids, n, replace=False)]
        session.select(of_particles(document.results[method].particles, ids))
        return ids

    def on(ids: Callable[[], list[int]], act: Callable[[], object]) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            select(ids())
            return act

        return prepare

    def on_particles(act: Callable[[], object], n: int = 1) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            select_particles(n)
            return act

        return prepare

    def stroke(erases: bool) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            ident = some()[0]
            y0, x0, y1, x1 = box(ident)
            made = Stroke(document, 0 if erases else ident, 6, only=(ident,) if erases else ())
            made.line(x0, y0, x1 + 20, y1 + 5)
            return lambda: editor.finish_stroke(made)

        return prepare

    def outline(erases: bool, is_new: bool) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            ident = some()[0]
            y0, x0, y1, x1 = box(ident)
            session.select(Selection())
            if not is_new:
                select([ident])
            shift = -0.6 * (x1 - x0) if is_new else 0.4 * (x1 - x0)
            t = np.linspace(0, 2 * np.pi, 60)[:-1]
            points = np.stack(
                [(x0 + x1) / 2 + shift + 0.4 * (x1 - x0) * np.cos(t), (y0 + y1) / 2 + 20 * np.sin(t)], axis=1
            )
            return lambda: editor.add_outline(points, erases)

        return prepare

    def cut() -> Callable[[], object]:
        ident = some()[0]
        select([ident])
        y0, x0, y1, x1 = box(ident)
        line = np.array([[x0 - 2, (y0 + y1) / 2], [x1 + 2, (y0 + y1) / 2]])
        return lambda: editor.cut(line)

    def proposed() -> Callable[[], object]:
        while True:
            ident = some()[0]
            select([ident])
            parts = labels.propose_cut(document, ident)
            if parts is not None:
                return lambda: editor.accept_cut(ident, parts)

    def holes(every: bool) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            for ident in some(50) if every else some(1):
                row = int(np.flatnonzero(document.table.ids == ident)[0])
                y, x = float(document.table.y[row]), float(document.table.x[row])
                t = np.linspace(0, 2 * np.pi, 20)
                ring = np.stack([x + 5 * np.cos(t), y + 5 * np.sin(t)], axis=1)
                session.commit(key, labels.erase_polygon(document, ring, [ident]))
                select([] if every else [ident])
            window.settle()
            return editor.fill_holes

        return prepare

    def again_box() -> Callable[[], object]:
        ident = some()[0]
        session.select(Selection())
        y0, x0, y1, x1 = box(ident)
        part = Box(max(y0 - 60, 0), max(x0 - 60, 0), y1 + 60, x1 + 60)
        parameters = replace(session.settings.segmentation, threshold=ThresholdKind.OTSU)
        return lambda: window.tab.editing._segment(key, part, parameters)

    def circle(a: float, b: float) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            row = int(np.flatnonzero(document.table.ids == some()[0])[0])
            shape = circles.Ellipse(float(document.table.x[row]), float(document.table.y[row]), a, b, 0.3)
            return lambda: editor.add_particle(shape)

        return prepare

    def reshape() -> Callable[[], object]:
        (ident,) = select_particles()
        handled = editor.handled_particle
        assert handled is not None
        shape = replace(handled[1], a=1.2 * handled[1].a)
        return lambda: editor.reshape_particle(ident, shape)

    def assign() -> Callable[[], object]:
        ids = select_particles()
        target = some()[0]
        return lambda: session.commit(key, circles.assign(document, method, ids, target))

    def accept_particle() -> Callable[[], object]:
        ids = [i for i in select_particles(50) if i not in document.accepted(method)][:1]
        session.select(of_particles(document.results[method].particles, ids))
        return lambda: session.commit(key, circles.accept(document, method, ids))

    def excluded() -> list[int]:
        left = [i for i, why in zip(document.table.ids, document.table.excluded, strict=True) if why]
        return [int(left[-1])]

    def calibrate() -> Callable[[], object]:
        known = Calibration(float(rng.uniform(0.5, 2)), CalibrationSource.TYPED)
        return lambda: session.set_calibration(key, known)

    def bar() -> Callable[[], object]:
        top = document.labels.shape[0] - int(rng.integers(1, 200))
        if top == session.entry(key).data_bar_top:
            top -= 1  # the same again would be no step
        return lambda: session.set_data_bar(key, top)

    def settings() -> Callable[[], object]:
        now = session.settings
        other = replace(
            now, segmentation=replace(now.segmentation, include_border=not now.segmentation.include_border)
        )
        return lambda: session.set_settings(other)

    def imported_labels() -> Callable[[], object]:
        new: NDArray[np.int32] = document.labels.copy()
        for ident in some(20):
            y0, x0, y1, x1 = box(ident)
            new[y0:y1, x0 : (x0 + x1) // 2][new[y0:y1, x0 : (x0 + x1) // 2] == ident] = 0
        edit = import_labels(document, new)  # worked out beside the window, as all imports are
        return lambda: session.commit(key, edit)

    def imported_particles() -> Callable[[], object]:
        some_ids = document.results[method].particles
        found = some_ids.select(rng.random(len(some_ids)) < 0.9)
        edit = import_particles(document, method, found)
        return lambda: session.commit(key, edit)

    def jump(n: int) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            while session.history(key).position < n:
                session.commit(key, labels.grow(document, some()))
                window.settle()
            position = session.history(key).position
            return lambda: editor.jump(position - n)

        return prepare

    def rerun() -> Callable[[], object]:
        made, unpacked = window.analyse_again()
        return lambda: session.accept_analysis(key, made, unpacked)

    one = some
    every_id = lambda: document.table.ids.tolist()  # noqa: E731
    return [
        Kind("delete", on(one, editor.delete_selected_agglomerates)),
        Kind("delete 100 (rubber band)", on(lambda: near(100), editor.delete_selected_agglomerates)),
        Kind("merge two", on(lambda: near(2), editor.merge)),
        Kind("merge ten", on(lambda: near(10), editor.merge)),
        Kind("split by a line", cut),
        Kind("split as proposed", proposed),
        Kind("brush", stroke(erases=False)),
        Kind("eraser", stroke(erases=True)),
        Kind("outline, new", outline(erases=False, is_new=True)),
        Kind("outline, added to one", outline(erases=False, is_new=False)),
        Kind("outline, erased", outline(erases=True, is_new=False)),
        Kind("fill holes of one", holes(every=False)),
        Kind("fill holes of all (50)", holes(every=True), is_of_many=True),
        Kind("grow", on(one, editor.grow)),
        Kind("grow 20, far apart", on(lambda: some(20), editor.grow), is_of_many=True),
        Kind("grow all", on(every_id, editor.grow), is_of_many=True),
        Kind("shrink", on(one, editor.shrink)),
        Kind("take a new id", on(one, editor.take_new_id)),
        Kind("segment a box again", again_box),
        Kind("leave out", on(one, editor.exclude)),
        Kind("take in", on(excluded, editor.exclude)),
        Kind("accept", on(lambda: [i for i in some(50) if i not in document.reviewed()][:1], editor.accept)),
        Kind("count set to 2", on(one, lambda: editor.set_count(2))),
        Kind("add a circle", circle(9, 9)),
        Kind("add an ellipse", circle(12, 8)),
        Kind("move a particle", on_particles(lambda: editor.move_particles(1, 2))),
        Kind("resize a particle", on_particles(lambda: editor.resize_particles(1.1))),
        Kind("reshape by a handle", reshape),
        Kind("assign to another", assign),
        Kind("delete a particle", on_particles(editor.delete_selected)),
        Kind("reject 20 particles", on_particles(editor.reject, 20)),
        Kind("accept a particle", accept_particle),
        Kind("calibrate", calibrate, is_grouped=True),
        Kind("move the data bar", bar, is_grouped=True),
        Kind("settings", settings, is_grouped=True),
        Kind("import labels (20 changed)", imported_labels, is_of_many=True),
        Kind("import particles", imported_particles),
        Kind("jump back by 10", jump(10)),
        Kind("jump back by 50", jump(50), is_of_many=True),
        Kind("a new analysis", rerun),
    ]
