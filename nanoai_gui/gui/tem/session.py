"""What the TEM tab works on: the images, their state, the settings and the one selection.

Views read from the session and listen to its signals; they never talk to each other. The session does no
work itself: :mod:`nanoai_gui.gui.tem.loading` reads images for it and :mod:`nanoai_gui.gui.tem.batch`
has them analysed, both in a worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.editing.document import rerun_edit
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.history import Direction
from nanoai_gui.core.editing.patches import ValuePatch
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import HAND_MODULES
from nanoai_gui.gui.tem.entries import (
    CALIBRATION,
    DATA_BAR,
    SETTINGS,
    ImageEntry,
    ImageState,
    Selection,
    covers,
    settings_title,
)
from nanoai_gui.gui.tem.entry_list import EntryList
from nanoai_gui.gui.tem.image_edits import ImageEdits
from nanoai_gui.gui.tem.selecting import pruned, selects_whole


class TemSession(ImageEdits):
    """The model of the TEM tab.

    ``wanted`` is the image a person asked for, ``current`` the one that is shown: they differ while a file
    is being read and after it could not be read, so that ``current``, ``micrograph`` and ``labels`` always
    belong together and the last good image stays.
    """

    entries_added = Signal(list)  # keys
    entries_removed = Signal(list)  # keys
    entry_changed = Signal(int)  # key: state, calibration, data bar, analysis or error
    wanted_changed = Signal()  # another image was asked for
    current_changed = Signal()  # another image is shown, or its calibration or data bar changed
    labels_changed = Signal()  # the unpacked labels of the current image came or went
    selection_changed = Signal()
    settings_changed = Signal()
    shown_method_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries = EntryList()
        self._wanted: int | None = None
        self._current: int | None = None
        self._micrograph: Micrograph | None = None
        self._selection = Selection()
        self._selects_whole = False
        self._settings = AnalysisSettings()
        self._shown_method = self._settings.methods[0]

    # ------------------------------------------------------------------ images

    def keys(self) -> list[int]:
        """Every image, in the order of the strip."""
        return list(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def entry(self, key: int) -> ImageEntry:
        """One image; ``KeyError`` if it was removed."""
        return self._entries[key]

    def entries(self) -> list[ImageEntry]:
        """Every image, in the order of the strip."""
        return list(self._entries.values())

    def add_paths(self, paths: Iterable[Path]) -> list[int]:
        """Add files (the image their kind recommends); those already there are not added twice.

        Returns
        -------
        list of int
            A key for each path in order, new or known already.
        """
        return self._add([(path, None) for path in paths])

    def add_frames(self, path: Path, frames: Iterable[int]) -> list[int]:
        """Add images of a stack, each as an entry of its own; returns their keys."""
        return self._add([(path, frame) for frame in frames])

    def _add(self, sources: list[tuple[Path, int | None]]) -> list[int]:
        keys, added = [], []
        for path, frame in sources:
            key, is_new = self._entries.add(Path(path), frame)
            keys.append(key)
            if is_new:
                added.append(key)
        if added:
            self.entries_added.emit(added)
            if self._wanted is None:
                self.set_current(added[0])
        return keys

    def restore(self, entries: Iterable[ImageEntry], wanted: int | None = None) -> None:
        """Put entries with keys of their own back, behind those that are there; ``wanted`` is to be shown.

        Raises
        ------
        ValueError
            If a key is in use.
        """
        added = []
        for entry in entries:
            self._entries.put(entry)
            entry.state = self._settled_state(entry)
            added.append(entry.key)
        if not added:
            return
        self.entries_added.emit(added)
        measured = next((e.analysis for e in self._entries.values() if e.analysis is not None), None)
        if measured is not None and not self._is_measured(self._shown_method):
            self.set_shown_method(next(iter(measured.results), self._shown_method))
        if self._wanted is None:
            self.set_current(wanted if wanted in self._entries else added[0])

    def reserve_keys(self, next_key: int) -> None:
        """Give no new image a key below ``next_key``: a project keeps what was taken off the list."""
        self._entries.reserve(next_key)

    def set_path(self, key: int, path: Path) -> None:
        """Find an image elsewhere from now on: its file was moved."""
        entry = self._entries[key]
        self._entries.move(key, path)
        if entry.is_unreadable:
            entry.error, entry.is_unreadable = "", False
            entry.state = self._settled_state(entry)
        self.entry_changed.emit(key)
        if key == self._wanted != self._current:
            self.wanted_changed.emit()

    def mark_changed(self, key: int) -> None:
        """Note that the file of an image is another one than the one that was measured."""
        entry = self._entries[key]
        entry.has_changed = True
        if entry.state not in (ImageState.QUEUED, ImageState.RUNNING):
            entry.state = self._settled_state(entry)
        self.entry_changed.emit(key)

    def remove(self, keys: Iterable[int]) -> None:
        """Take images off the list (the files stay); the next one is shown if the current one goes."""
        gone = [key for key in keys if key in self._entries]
        if not gone:
            return
        order = self.keys()
        going = set(gone)
        stay = [key for key in order if key not in going]
        following = None
        if self._wanted in going and stay:
            place = order.index(self._wanted) if self._wanted is not None else 0
            following = next((key for key in order[place:] if key not in going), stay[-1])
        for key in gone:
            self._entries.remove(key)
        self.entries_removed.emit(gone)
        if self._current in going:
            self._show(None, None)
        if self._wanted in going:
            self.set_current(following)

    def set_frame(self, key: int, frame: int) -> None:
        """Take another image of the same stack for an entry."""
        had_labels = key == self._current and self.labels is not None
        if not self._entries.take_frame(key, frame):
            return
        self._bump(self._entries[key])
        if had_labels:
            self.labels_changed.emit()
        if key == self._current:
            self.select(Selection())
        self.entry_changed.emit(key)
        if key == self._wanted:
            self.wanted_changed.emit()

    # ------------------------------------------------------------------ the image shown

    @property
    def wanted(self) -> int | None:
        """The image a person asked for."""
        return self._wanted

    @property
    def current(self) -> int | None:
        """The image that is shown."""
        return self._current

    @property
    def current_entry(self) -> ImageEntry | None:
        """The entry of the image that is shown."""
        return None if self._current is None else self._entries[self._current]

    @property
    def current_analysis(self) -> ImageAnalysis | None:
        """What was measured in the image that is shown."""
        entry = self.current_entry
        return None if entry is None else entry.analysis

    @property
    def micrograph(self) -> Micrograph | None:
        """The image that is shown, with a person's calibration and data bar applied."""
        return self._micrograph

    @property
    def labels(self) -> NDArray[np.int32] | None:
        """(height, width) agglomerate ids of the image that is shown; ``None`` until unpacked."""
        entry = self.current_entry
        return entry.document.labels if entry is not None and entry.document.has_labels else None

    def set_current(self, key: int | None) -> None:
        """Ask for an image; it becomes ``current`` once it has been read."""
        if key is not None and key not in self._entries:
            raise KeyError(key)
        if key == self._wanted:
            return
        self._wanted = key
        if key is None:
            self._show(None, None)
        self.wanted_changed.emit()

    def step(self, by: int) -> None:
        """Ask for the next (+1) or previous (-1) image; stays at either end."""
        order = self.keys()
        if not order:
            return
        place = order.index(self._wanted) + by if self._wanted in order else 0
        self.set_current(order[min(max(place, 0), len(order) - 1)])

    def accept_micrograph(self, key: int, micrograph: Micrograph) -> None:
        """Show an image that was read for ``key``; dropped if another one is wanted by now."""
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.file_calibration = micrograph.calibration
        entry.file_data_bar_top = micrograph.data_bar_top
        entry.n_frames = micrograph.n_frames
        entry.shape = micrograph.shape
        entry.title = micrograph.name
        if entry.is_unreadable:
            entry.error, entry.is_unreadable = "", False
            entry.state = self._settled_state(entry)
        self.entry_changed.emit(key)
        if key == self._wanted:
            self._show(key, micrograph)

    def accept_labels(self, key: int, analysis: ImageAnalysis, labels: NDArray[np.int32]) -> None:
        """Take the unpacked labels of an analysis; dropped if it is not the one shown."""
        if key == self._current and self._entries[key].analysis is analysis:
            self._entries[key].document.attach_labels(labels)
            self.labels_changed.emit()

    def _show(self, key: int | None, micrograph: Micrograph | None) -> None:
        other = key != self._current
        before = None if self._current is None else self._entries.get(self._current)
        had_labels = self.labels is not None if before is not None else False
        self._current = key
        self._micrograph = None if key is None or micrograph is None else self._overridden(key, micrograph)
        if other:
            if before is not None:
                before.document.release_labels()
            if had_labels:
                self.labels_changed.emit()
            self.select(Selection())
        self.current_changed.emit()

    def _overridden(self, key: int, micrograph: Micrograph) -> Micrograph:
        """Apply a person's calibration and data bar to an image, or take them off again."""
        entry = self._entries[key]
        calibration = entry.known_calibration
        if calibration is not None and calibration != micrograph.calibration:
            micrograph = micrograph.with_calibration(calibration)
        top = entry.file_data_bar_top if entry.data_bar_top is None else entry.data_bar_top
        top = None if top is None or top < 0 else top
        return micrograph if top == micrograph.data_bar_top else micrograph.with_data_bar(top)

    # ------------------------------------------------------------------ a person's overrides

    def _value_changed(self, entry: ImageEntry, what: str) -> None:
        """Follow a value that an edit set: what else depends on it."""
        if what == CALIBRATION:
            entry.follow_calibration()
            self._refresh_micrograph(entry.key)
        elif what == DATA_BAR:
            self._bump(entry)
            self._refresh_micrograph(entry.key)
        elif what == SETTINGS:
            settings = entry.document.values.get(SETTINGS)
            if isinstance(settings, AnalysisSettings):
                self._take_settings(settings)

    def _document_changed(self, entry: ImageEntry, has_new_labels: bool, has_labels: bool) -> None:
        """Follow an edit: state, selection, and the signals that views listen to."""
        if entry.state not in (ImageState.QUEUED, ImageState.RUNNING):
            entry.state = self._settled_state(entry)
        if entry.key == self._current:
            self._prune_selection(entry)
        else:
            entry.document.release_labels()
        self.entry_changed.emit(entry.key)
        if entry.key == self._current and has_new_labels:
            self.labels_changed.emit()

    def _prune_selection(self, entry: ImageEntry) -> None:
        document = entry.document
        ids = document.table.ids.tolist() if document.is_measured else []
        self.select(pruned(self._selection, self._selects_whole, ids, self._found(entry)))

    def _about_to_change(self, entry: ImageEntry) -> None:
        """Remember whether whole agglomerates are selected, or some particles by themselves."""
        self._selects_whole = selects_whole(self._selection, self._found(entry))

    def _found(self, entry: ImageEntry) -> Particles:
        result = entry.document.results.get(self._shown_method)
        return Particles.empty() if result is None else result.particles

    def _refresh_micrograph(self, key: int) -> None:
        if key == self._current and self._micrograph is not None:
            self._micrograph = self._overridden(key, self._micrograph)
            self.current_changed.emit()

    def _bump(self, entry: ImageEntry) -> None:
        entry.generation += 1
        if entry.state not in (ImageState.QUEUED, ImageState.RUNNING):
            entry.state = self._settled_state(entry)

    # ------------------------------------------------------------------ results

    def analyses(self) -> list[ImageAnalysis]:
        """Every finished analysis, outdated ones too, in the order of the strip."""
        return [entry.analysis for entry in self._entries.values() if entry.analysis is not None]

    def is_outdated(self, key: int) -> bool:
        """Whether there are results, but of other settings, even while newer ones are being made."""
        entry = self._entries[key]
        if entry.analysis is None:
            return False
        return not (entry.is_fresh and covers(entry.analysis, self._settings))

    def set_state(self, key: int, state: ImageState) -> None:
        """Mark an image as waiting or being worked on."""
        entry = self._entries[key]
        if entry.state is not state:
            entry.state = state
            self.entry_changed.emit(key)

    def settle(self, key: int) -> None:
        """Mark an image as no longer waiting: as it stood before, by what is known of it."""
        entry = self._entries.get(key)
        if entry is not None:
            self.set_state(key, self._settled_state(entry))

    def accept_analysis(
        self, key: int, analysis: ImageAnalysis, labels: NDArray[np.int32] | None = None
    ) -> bool:
        """Take a result; returns false, and drops it, if the image was changed or removed since.

        One that replaces an earlier result is a step that can be undone. ``labels`` may be given where they
        are at hand; else they are unpacked when the image is shown.
        """
        entry = self._entries.get(key)
        if entry is None or analysis.request.generation != entry.generation:
            return False
        edit = None if entry.analysis is None else rerun_edit(entry.document, analysis)
        if edit is None:
            entry.document.replace_analysis(analysis)
        else:
            entry.document.apply(edit)
            edit = entry.history.push(edit)
        if labels is not None:
            entry.document.attach_labels(labels)
        entry.shape = analysis.shape
        entry.error, entry.is_unreadable, entry.has_changed = "", False, False
        entry.title = analysis.name
        if entry.file_calibration is None and entry.calibration is None:
            entry.file_calibration = analysis.calibration
        entry.state = self._settled_state(entry)
        if key == self._current:
            self.select(Selection())
        if analysis.results and self._shown_method not in {*analysis.results, *HAND_MODULES}:
            self.set_shown_method(next(iter(analysis.results)))
        self.entry_changed.emit(key)
        if key == self._current:
            self.labels_changed.emit()
        if edit is not None:
            self.edited.emit(key, edit, Direction.DONE)
        return True

    def drop_results(self, key: int, sentence: str) -> None:
        """Give up results that cannot be read after all, and the steps that start from them."""
        entry = self._entries.get(key)
        if entry is None:
            return
        had_labels = key == self._current and self.labels is not None
        entry.document.replace_analysis(None)
        entry.history.clear()
        if key == self._current:
            self.select(Selection())
        self.fail(key, sentence)
        if had_labels:
            self.labels_changed.emit()

    def fail(self, key: int, sentence: str, *, is_unreadable: bool = False) -> None:
        """Mark an image as failed, with the sentence a person is to read; an older result stays."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.error, entry.is_unreadable = sentence, is_unreadable
            entry.state = ImageState.FAILED
            self.entry_changed.emit(key)

    def _settled_state(self, entry: ImageEntry) -> ImageState:
        if entry.error:
            return ImageState.FAILED
        if entry.analysis is None:
            return ImageState.NEW
        return ImageState.OUTDATED if self.is_outdated(entry.key) else ImageState.DONE

    # ------------------------------------------------------------------ selection and settings

    @property
    def selection(self) -> Selection:
        """What is selected in the current image."""
        return self._selection

    def select(self, selection: Selection) -> None:
        """Select agglomerates and particles of the current image."""
        if selection != self._selection:
            self._selection = selection
            self.selection_changed.emit()

    @property
    def settings(self) -> AnalysisSettings:
        """How images are analysed from now on."""
        return self._settings

    def set_settings(self, settings: AnalysisSettings, *, is_step: bool = True) -> None:
        """Change how images are analysed; other results become outdated, and fresh again if undone.

        A step in the history of the image shown, if there is one; not a step where nobody chose it.
        """
        if settings == self._settings:
            return
        if self._current is None or not is_step:
            self._take_settings(settings)
        else:
            what = settings_title(self._settings, settings)
            patch = ValuePatch(SETTINGS, self._settings, settings)
            self.commit(self._current, Edit(what, (patch,), group=what, is_by_hand=False))

    def _take_settings(self, settings: AnalysisSettings) -> None:
        if settings == self._settings:
            return
        self._settings = settings
        self.settings_changed.emit()
        for entry in self._entries.values():
            if entry.state in (ImageState.DONE, ImageState.OUTDATED):
                self.set_state(entry.key, self._settled_state(entry))
        if self._shown_method not in settings.methods and not self._is_measured(self._shown_method):
            self.set_shown_method(settings.methods[0])

    def _is_measured(self, method: str) -> bool:
        return method in HAND_MODULES or any(method in analysis.results for analysis in self.analyses())

    @property
    def shown_method(self) -> str:
        """Name of the method whose particles are shown."""
        return self._shown_method

    def set_shown_method(self, method: str) -> None:
        """Show the particles of another method; the ids of one method mean nothing in another."""
        if method != self._shown_method:
            self._shown_method = method
            self.select(Selection(self._selection.agglomerates))
            self.shown_method_changed.emit()
