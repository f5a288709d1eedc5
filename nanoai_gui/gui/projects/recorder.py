"""Notes what changes in the TEM tab, and hands it to the project a moment later.

What belongs together is written together: an edit never without the labels and particles it left, so that a
project that is cut off at any moment shows the state after one edit or after the next, and none between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.history import Direction, History
from nanoai_gui.core.editing.patches import LabelPatch
from nanoai_gui.core.tem.agglomerates import PackedLabels
from nanoai_gui.core.tem.analysis import AnalysisSettings
from nanoai_gui.gui.tem.entries import ImageEntry, ImageState
from nanoai_gui.gui.tem.session import TemSession

if TYPE_CHECKING:
    from nanoai_gui.core.project.records import ImageFacts, StoredImage
    from nanoai_gui.core.project.store import ProjectStore
    from nanoai_gui.core.project.writer import Line, Write
    from nanoai_gui.core.tem.analysis import ImageAnalysis

DELAY_MS = 250
"""From the first change to its being handed over: far below the two seconds that are promised."""


class _Stored:
    """What a project holds of one image, by identity: things that are changed are replaced by others."""

    def __init__(self) -> None:
        self.facts: tuple[ImageFacts, bool] | None = None
        self.analysis: ImageAnalysis | None = None
        self.labels: object = None
        self.new_labels: PackedLabels | None = None
        self.tiles: set[tuple[int, int]] = set()
        self.first_step = 0
        self.edits: tuple[Edit, ...] = ()
        self.position = 0


class TemRecorder(QObject):
    """Follows a session.

    Parameters
    ----------
    hand_over
        Takes what is to be written, and whether that is work: what is shown, say, is none. False if it is
        not written, as there is no project for it yet: then it is handed over again with the next work.
    """

    removed = Signal(list)
    """Keys of images that were taken off the list together with results."""

    def __init__(
        self, session: TemSession, hand_over: Callable[[Write, bool], bool], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._hand_over = hand_over
        self._is_muted = 0
        self._is_held = False
        self._images: dict[int, ImageEntry] = {}
        self._has_facts = False
        self._stored: dict[int, _Stored] = {}
        self._writes: list[Write] = []
        self._lines: list[Line] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.flush)
        session.entries_added.connect(self._on_images)
        session.entries_removed.connect(self._on_removed)
        session.entry_changed.connect(lambda key: self._on_images([key]))
        session.edited.connect(self._on_edit)
        for signal in (session.settings_changed, session.shown_method_changed, session.wanted_changed):
            signal.connect(self._on_facts)

    # ------------------------------------------------------------------ when to listen

    def forget(self) -> None:
        """Begin anew with another project: what was handed over counts no longer."""
        self._timer.stop()
        self._images.clear()
        self._stored.clear()
        self._writes.clear()
        self._lines.clear()
        self._has_facts = False

    def mute(self) -> None:
        """Take no notice of what happens until :meth:`listen`: it comes from the file."""
        self._is_muted += 1

    def listen(self) -> None:
        """Take notice again."""
        self._is_muted -= 1

    def hold(self) -> None:
        """Keep what changes until :meth:`release`: the file is just being copied."""
        self.flush()
        self._is_held = True

    @property
    def is_held(self) -> bool:
        """Whether the file is just being copied: what is written now is not in the copy."""
        return self._is_held

    def release(self) -> None:
        """Hand over what was kept."""
        self._is_held = False
        self.flush()

    # ------------------------------------------------------------------ what changes

    def _on_images(self, keys: Iterable[int]) -> None:
        if self._is_muted:
            return
        for key in keys:
            if key in self._session:
                self._images[key] = entry = self._session.entry(key)
                self._take_labels(entry)
        self._begin()

    def _take_labels(self, entry: ImageEntry) -> None:
        """Take a label image that is new as a whole, while it is packed: the next edit changes it."""
        stored = self._stored.setdefault(entry.key, _Stored())
        analysis = entry.analysis
        if analysis is None:
            stored.labels = stored.new_labels = None
        elif analysis.labels is not stored.labels:
            stored.labels = analysis.labels
            stored.new_labels = PackedLabels(analysis.labels.shape, analysis.labels.data)
            stored.tiles.clear()

    def _on_edit(self, key: int, edit: Edit, direction: Direction) -> None:
        if self._is_muted:
            return
        self._on_images([key])
        stored = self._stored[key]
        for patch in edit.patches:
            if isinstance(patch, LabelPatch):
                stored.tiles.update(_tiles_of(patch))
        if direction is not Direction.AMENDED:
            self._lines.append((_now(), key, direction.name.lower(), edit.title))

    def _on_removed(self, keys: list[int]) -> None:
        if self._is_muted:
            return
        gone, worth = tuple(keys), []
        for key in keys:
            entry = self._images.pop(key, None)
            if entry is not None:
                # What was done to it a moment before goes into the file too: it may be put back.
                self._writes += self._image_writes(entry)[0]
            stored = self._stored.pop(key, None)
            if stored is not None and stored.analysis is not None:
                worth.append(key)

        def remove(store: ProjectStore) -> None:
            for key in gone:
                store.remove_image(key)

        self._writes.append(remove)
        self._has_facts = True
        self._begin()
        if worth:
            self.removed.emit(worth)

    def _on_facts(self) -> None:
        if not self._is_muted:
            self._has_facts = True
            self._begin()

    def _begin(self) -> None:
        # Not begun anew: a person who never rests must not keep the work from the file.
        if not self._timer.isActive():
            self._timer.start()

    # ------------------------------------------------------------------ handing over

    def flush(self, is_work: bool = False) -> None:
        """Hand over now what has changed; ``is_work``: a person has done it, whatever it is."""
        if self._is_held:
            return
        self._timer.stop()
        images, self._images = self._images, {}
        known = {key: self._stored[key].facts for key in images if key in self._stored}
        found = [self._image_writes(entry) for entry in images.values()]
        is_work = is_work or bool(self._writes or self._lines) or any(is_own for _, is_own in found)
        writes, self._writes = [*self._writes, *(write for some, _ in found for write in some)], []
        has_facts, self._has_facts = self._has_facts, False
        if has_facts:
            writes.append(self._facts_write())
        lines, self._lines = tuple(self._lines), []
        if (writes or lines) and not self._hand_over(_together(writes, lines), is_work):
            # No work, so that nothing but what is known of the images was to be written.
            self._images, self._has_facts = images, has_facts
            for key, facts in known.items():
                self._stored[key].facts = facts

    def everything(self) -> Write:
        """Give what writes all there is into an empty project, or into a copy of the one before."""
        self.flush()
        self._stored.clear()
        keys = self._session.keys()
        writes: list[Write] = [lambda store: store.begin_anew(keys)]
        for entry in self._session.entries():
            self._take_labels(entry)
            writes += self._image_writes(entry)[0]
        return _together([*writes, self._facts_write()])

    def _image_writes(self, entry: ImageEntry) -> tuple[list[Write], bool]:
        """Give what brings the project up to date with an image, and whether a person has done any of it."""
        key = entry.key
        stored = self._stored.setdefault(key, _Stored())
        facts = facts_of(entry), entry.state in (ImageState.QUEUED, ImageState.RUNNING)
        writes: list[Write] = []
        # What is only found when the file is read is found again, and so is where it lies now.
        is_own = stored.facts is None or _own(stored.facts[0]) != _own(facts[0])
        is_own = is_own or (facts[1] and stored.facts is not None and not stored.facts[1])
        if facts != stored.facts:
            stored.facts = facts
            writes.append(lambda store: store.put_image(key, key, *facts))
        n_facts, analysis = len(writes), entry.analysis
        if analysis is not stored.analysis:
            stored.analysis = analysis
            writes.append(lambda store: store.put_analysis(key, analysis))
        self._add_labels(entry, stored, writes)
        self._add_history(entry, stored, writes)
        return writes, is_own or len(writes) > n_facts

    def _add_labels(self, entry: ImageEntry, stored: _Stored, writes: list[Write]) -> None:
        key, document = entry.key, entry.document
        if stored.tiles and not document.has_labels and document.is_measured:
            # Packed again since, and none the worse for it.
            stored.new_labels = document.packed_labels
            stored.tiles.clear()
        labels, stored.new_labels = stored.new_labels, None
        if labels is not None:
            writes.append(lambda store: store.put_labels(key, labels))
        if stored.tiles and document.is_measured:
            from nanoai_gui.core.project.schema import TILE

            image = document.labels
            tiles = {
                (row, column): image[row * TILE :, column * TILE :][:TILE, :TILE].copy()
                for row, column in stored.tiles
            }
            writes.append(lambda store: store.put_tiles(key, tiles))
        stored.tiles.clear()

    def _add_history(self, entry: ImageEntry, stored: _Stored, writes: list[Write]) -> None:
        """Compare the history with the one in the project: edits never change, they are replaced."""
        key, edits = entry.key, entry.history.edits
        if edits != stored.edits:
            known = {edit.uid: i for i, edit in enumerate(stored.edits)}
            n_gone = known.get(edits[0].uid, len(stored.edits)) if edits else len(stored.edits)
            stored.first_step += n_gone
            first, before = stored.first_step, stored.edits[n_gone:]
            if n_gone:
                writes.append(lambda store: store.drop_edits(key, first))
            for i, edit in enumerate(edits):
                if i < len(before) and edit.uid == before[i].uid:
                    if edit is not before[i]:
                        writes.append(_amend(key, edit))
                else:
                    # What was undone after it goes with it.
                    before = before[:i]
                    writes.append(_put(key, first + i, edit))
            if len(before) > len(edits):
                # The newest step was joined with the one before it, and what had been undone is given up.
                end = first + len(edits)
                writes.append(lambda store: store.cut_edits(key, end))
            stored.edits = edits
            stored.position = -1
        position = entry.history.position
        if position != stored.position:
            stored.position = position
            at = stored.first_step + position
            writes.append(lambda store: store.set_position(key, at))

    def _facts_write(self) -> Write:
        from nanoai_gui.core.plain import to_json

        session = self._session
        facts = {
            "settings": to_json(session.settings),
            "shown_method": session.shown_method,
            "shown": session.wanted,
        }
        return lambda store: store.put_fact("tem", facts)

    # ------------------------------------------------------------------ what comes from the file

    def install(
        self, images: Iterable[StoredImage], histories: Mapping[int, History], facts: object
    ) -> list[int]:
        """Put what a project holds into the (empty) session; returns the images that waited in a batch."""
        known = facts if isinstance(facts, dict) else {}
        settings = _settings_from(known.get("settings"))
        shown, method = known.get("shown"), known.get("shown_method")
        self.mute()
        try:
            if settings is not None:
                self._session.set_settings(settings)
            pending = self.put_back(images, histories, shown if isinstance(shown, int) else None)
            if isinstance(method, str) and any(method in a.results for a in self._session.analyses()):
                self._session.set_shown_method(method)
        finally:
            self.listen()
        return pending

    def put_back(
        self, images: Iterable[StoredImage], histories: Mapping[int, History], shown: int | None = None
    ) -> list[int]:
        """Put images of the project into the list; returns those that waited in a batch."""
        entries, pending = [], []
        for image in images:
            entry = entry_of(image, histories.get(image.number))
            stored = self._stored[image.number] = _Stored()
            if not image.is_removed:
                stored.facts = replace(facts_of(entry), path=image.facts.path), image.is_pending
            if image.is_removed or entry.path != image.facts.path:
                self._images[image.number] = entry
            stored.analysis = entry.analysis
            stored.labels = None if entry.analysis is None else entry.analysis.labels
            stored.edits, stored.position = entry.history.edits, entry.history.position
            stored.first_step = image.edits[0].step if image.edits else 0
            entries.append(entry)
            if image.is_pending:
                pending.append(image.number)
        self._session.restore(entries, shown)
        return pending


def _own(known: ImageFacts) -> tuple[object, ...]:
    """Give the part of what is known of an image that a person has chosen."""
    return known.frame, known.calibration, known.data_bar_top, known.values


def _tiles_of(patch: LabelPatch) -> set[tuple[int, int]]:
    """Name the tiles that the runs of a patch lie in."""
    from nanoai_gui.core.project.schema import TILE

    rows, columns = np.divmod(patch.starts, patch.shape[1])
    first, last = columns // TILE, (columns + patch.lengths - 1) // TILE
    places = np.unique(np.stack([rows // TILE, first, last], axis=1), axis=0)
    return {(int(row), column) for row, a, b in places for column in range(int(a), int(b) + 1)}


def _amend(key: int, edit: Edit) -> Write:
    return lambda store: store.amend_edit(key, edit.uid, edit.to_bytes())


def _put(key: int, step: int, edit: Edit) -> Write:
    def write(store: ProjectStore) -> None:
        from nanoai_gui.core.project.records import StoredEdit

        time = datetime.fromtimestamp(edit.time, UTC).isoformat(timespec="milliseconds")
        store.put_edit(key, StoredEdit(step, edit.uid, time, edit.title, edit.to_bytes()))

    return write


def _together(writes: list[Write], lines: tuple[Line, ...] = ()) -> Write:
    """Make one of several that are of one moment, with lines of the journal."""
    from nanoai_gui.core.project.writer import Journalled

    def write(store: ProjectStore) -> None:
        for part in writes:
            part(store)

    return Journalled(write, lines)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def facts_of(entry: ImageEntry) -> ImageFacts:
    """Take from an entry of the list what a project remembers of it."""
    from nanoai_gui.core.project.records import ImageFacts

    return ImageFacts(
        entry.path, entry.frame, entry.calibration, entry.data_bar_top, entry.generation, entry.title,
        entry.error, entry.is_unreadable, entry.file_calibration, entry.file_data_bar_top, entry.n_frames,
        entry.shape, dict(entry.document.values), entry.document.given_ids(),
    )  # fmt: skip


def entry_of(image: StoredImage, history: History | None) -> ImageEntry:
    """Make the entry of the list that a project remembers; its file is where it was found."""
    facts = image.facts
    entry = ImageEntry(
        image.number, image.source.path, facts.frame, facts.calibration, facts.data_bar_top, facts.generation,
        analysis=image.analysis, error="" if facts.is_unreadable else facts.error, title=facts.title,
        file_calibration=facts.file_calibration, file_data_bar_top=facts.file_data_bar_top,
        n_frames=facts.n_frames, shape=facts.shape, values=facts.values, history=history,
    )  # fmt: skip
    entry.document.reserve_ids(facts.given_ids)
    return entry


def _settings_from(value: object) -> AnalysisSettings | None:
    from nanoai_gui.core.packing import PackingError
    from nanoai_gui.core.plain import from_json

    try:
        return None if value is None else from_json(AnalysisSettings, value)
    except PackingError:
        return None
