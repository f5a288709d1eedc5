"""What the Spectra tab works on: sets, regions, preprocessing, model and predictions, and what is selected.

Views read from the session and listen to its signals; they never talk to each other. The session does no
work itself: :mod:`nanoai_gui.gui.spectra.loading` reads files for it in a worker. Signals are coarse: a view
asks again for what it shows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.spectra.model import Predictions, SpectraModel
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.rejection import Thresholds
from nanoai_gui.core.spectra.rois import Roi, Rois, Shape, ascending
from nanoai_gui.core.spectra.spectral_set import SpectralSet, write_texts
from nanoai_gui.gui.spectra.edits import SetEdit
from nanoai_gui.gui.spectra.entries import SetContent, SetEntry, SetState

NOBODY = np.zeros(0, np.int64)
UNDO_LIMIT = 200


class SpectraSession(QObject):
    """The model of the Spectra tab.

    ``wanted`` is the entry a person asked for, ``current`` the one shown: they differ while a file is being
    read and after it could not be read, so that the last good map stays.

    For training see :mod:`nanoai_gui.gui.spectra.training_data`, for prediction :meth:`set_model` and
    :meth:`set_predictions`.
    """

    sets_added = Signal(list)  # keys
    sets_removed = Signal(list)  # keys
    set_changed = Signal(int)  # key: state or error, spectra, metadata or regions
    wanted_changed = Signal()
    current_changed = Signal()  # another set is shown
    selection_changed = Signal()  # other spectra are selected, or another one is looked at
    region_changed = Signal()  # another region is chosen
    band_changed = Signal()
    pipeline_changed = Signal()
    step_changed = Signal()  # another step of the preprocessing is looked at
    model_changed = Signal()
    predictions_changed = Signal(int)  # key

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries: dict[int, SetEntry] = {}
        self._next_key = 1
        self._wanted: int | None = None
        self._current: int | None = None
        self._rows = NOBODY
        self._spectrum: int | None = None
        self._region: int | None = None
        self._band: tuple[float, float] | None = None
        self._pipeline = Pipeline()
        self._step: int | None = None
        self._model: SpectraModel | None = None
        self._predictions: dict[int, Predictions] = {}
        self.undo_stack = QUndoStack(self)
        self.undo_stack.setUndoLimit(UNDO_LIMIT)

    # ------------------------------------------------------------------ entries

    def keys(self) -> list[int]:
        """Every entry, in the order of the list."""
        return list(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def entry(self, key: int) -> SetEntry:
        """One entry; ``KeyError`` if it was removed."""
        return self._entries[key]

    def entries(self) -> list[SetEntry]:
        """Every entry, in the order of the list."""
        return list(self._entries.values())

    def ready(self) -> list[SetEntry]:
        """Entries that have been read, in the order of the list."""
        return [entry for entry in self._entries.values() if entry.content is not None]

    def add_paths(self, paths: Iterable[Path]) -> list[int]:
        """Add files; those already there are not added twice. Returns the keys of all of them, in order."""
        known = {os.path.normcase(entry.path): entry.key for entry in reversed(self.entries())}
        keys, added = [], []
        for path in paths:
            # Not Path.resolve: it asks the disk for every part of the path, slow on a network folder.
            place = os.path.normcase(Path(path).absolute())
            if place not in known:
                key = known[place] = self._take_key()
                self._entries[key] = SetEntry(key, Path(path).absolute())
                added.append(key)
            keys.append(known[place])
        if added:
            self.sets_added.emit(added)
            if self._wanted is None:
                self.set_current(added[0])
        return keys

    def _take_key(self) -> int:
        self._next_key += 1
        return self._next_key - 1

    def remove(self, keys: Iterable[int]) -> None:
        """Take entries off the list (the files stay); the next one is shown if the current one goes."""
        order = self.keys()
        going = {key for key in keys if key in self._entries}
        if not going:
            return
        following = None
        if self._wanted in going:
            place = order.index(self._wanted)
            rest = [k for k in order[place:] if k not in going] or [k for k in order if k not in going][-1:]
            following = rest[0] if rest else None
        gone = [key for key in order if key in going]
        for key in gone:
            del self._entries[key]
            self._predictions.pop(key, None)
        # Undo steps hold whole sets and lead back to entries that are gone.
        self.undo_stack.clear()
        if self._current in going:
            self._show(None)
        self.sets_removed.emit(gone)
        if self._wanted in going:
            self._wanted = None
            self.set_current(following)

    def restore_entries(
        self, entries: Iterable[SetEntry], predictions: Mapping[int, Predictions], wanted: int | None
    ) -> None:
        """Put entries of a project in the place of all there are, with their keys.

        An entry without content and in the state ``READING`` is read from its file.
        """
        self.remove(self.keys())
        self._entries = {entry.key: entry for entry in entries}
        self._next_key = max(self._entries, default=0) + 1
        self._predictions = {key: found for key, found in predictions.items() if key in self._entries}
        self.sets_added.emit(self.keys())
        self.set_current(wanted if wanted in self._entries else next(iter(self._entries), None))
        for key in self._predictions:
            self.predictions_changed.emit(key)

    # ------------------------------------------------------------------ reading

    def accept_sets(self, key: int, sets: tuple[SpectralSet, ...]) -> None:
        """Take what was read for an entry; further maps of the same file become entries below it."""
        entry = self._entries.get(key)
        if entry is None or not sets:
            return
        added = []
        for number, spectra in enumerate(sets):
            own = entry if number == 0 else SetEntry(self._take_key(), entry.path, number=number)
            own.state, own.error = SetState.READY, ""
            own.content = SetContent(spectra)
            own.title = _title(entry.path, spectra, number, len(sets))
            own.laser_nm = spectra.laser_nm
            if number:
                added.append(own)
        if added:
            self._insert_after(key, added)
        self.set_changed.emit(key)
        if key not in self._entries:
            return  # the project was left without this map, and has taken it away again
        if self._wanted == key or (self._current is None and not self._is_wanted_coming()):
            self._wanted = key
            self._show(key)

    def _is_wanted_coming(self) -> bool:
        return self._wanted is not None and self._entries[self._wanted].state is SetState.READING

    def _insert_after(self, key: int, added: list[SetEntry]) -> None:
        entries = {}
        for k, entry in self._entries.items():
            entries[k] = entry
            if k == key:
                entries.update((new.key, new) for new in added)
        self._entries = entries
        self.sets_added.emit([new.key for new in added])

    def fail(self, key: int, sentence: str, needs_laser: bool = False) -> None:
        """Mark an entry as one that could not be read; what it held before stays."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.error = sentence
            entry.state = SetState.NEEDS_LASER if needs_laser else SetState.FAILED
            self.set_changed.emit(key)

    def set_laser(self, key: int, laser_nm: float) -> None:
        """Name the laser of a file; the loader reads it again."""
        entry = self._entries[key]
        entry.laser_nm, entry.state, entry.error = laser_nm, SetState.READING, ""
        self.set_changed.emit(key)

    # ------------------------------------------------------------------ what is shown

    @property
    def wanted(self) -> int | None:
        """The entry a person asked for."""
        return self._wanted

    @property
    def current(self) -> int | None:
        """The entry that is shown; it has been read."""
        return self._current

    @property
    def current_entry(self) -> SetEntry | None:
        """The entry that is shown."""
        return None if self._current is None else self._entries[self._current]

    @property
    def spectra(self) -> SpectralSet | None:
        """The set that is shown."""
        entry = self.current_entry
        return None if entry is None else entry.spectra

    @property
    def rois(self) -> Rois:
        """Regions of the set that is shown."""
        entry = self.current_entry
        return Rois() if entry is None else entry.rois

    def set_current(self, key: int | None) -> None:
        """Ask for an entry; it becomes ``current`` once it has been read."""
        if key is not None and key not in self._entries:
            raise KeyError(key)
        if key == self._wanted and (key is None or key == self._current):
            return
        self._wanted = key
        self.wanted_changed.emit()
        if key is None or self._entries[key].content is not None:
            self._show(key)

    def step(self, by: int) -> None:
        """Ask for the next (+1) or previous (-1) entry; stays at either end."""
        order = self.keys()
        if order:
            place = order.index(self._wanted) + by if self._wanted in self._entries else 0
            self.set_current(order[min(max(place, 0), len(order) - 1)])

    def _show(self, key: int | None) -> None:
        self._current = key
        self._region = None
        n = 0 if self.spectra is None else self.spectra.n_spectra
        self._rows = NOBODY
        self._spectrum = 0 if n else None
        self.current_changed.emit()
        self.selection_changed.emit()

    # ------------------------------------------------------------------ selection

    @property
    def spectrum(self) -> int | None:
        """The spectrum of the shown set that is looked at (preprocessing preview, probabilities)."""
        return self._spectrum

    @property
    def selected(self) -> NDArray[np.int64]:
        """(m,) selected spectra of the shown set, ascending; empty: none."""
        return self._rows

    def look_at(self, row: int | None) -> None:
        """Look at one spectrum of the shown set, leaving the selection."""
        if row != self._spectrum:
            self._spectrum = row
            self.selection_changed.emit()

    def select(self, rows: ArrayLike, look_at: int | None = None) -> None:
        """Select spectra of the shown set, and look at one of them (the first, if none is named)."""
        chosen = ascending(rows)
        if look_at is None and chosen.size:
            look_at = self._spectrum if self._spectrum in chosen else int(chosen[0])
        if look_at is None:
            look_at = self._spectrum
        if np.array_equal(chosen, self._rows) and look_at == self._spectrum:
            return
        self._rows, self._spectrum = chosen, look_at
        self.selection_changed.emit()

    @property
    def region(self) -> Roi | None:
        """The region that is chosen in the list."""
        return next((roi for roi in self.rois if roi.number == self._region), None)

    def choose_region(self, number: int | None) -> None:
        """Choose a region of the shown set."""
        if number != self._region:
            self._region = number
            self.region_changed.emit()

    @property
    def band(self) -> tuple[float, float] | None:
        """Raman shifts, cm-1, between which the map shows the intensity; ``None``: the whole range."""
        return self._band

    def set_band(self, band: tuple[float, float] | None) -> None:
        """Show another band."""
        if band is not None:
            band = min(band), max(band)
        if band != self._band:
            self._band = band
            self.band_changed.emit()

    # ------------------------------------------------------------------ edits, all of which can be undone

    def set_column(self, key: int, rows: ArrayLike, name: str, value: str) -> None:
        """Write a value into a text column (label, dish, cell, map, roi or a new one) of some spectra."""
        content = self._content(key)
        has = name in content.spectra.columns
        values = content.spectra.text(name) if has else np.zeros(content.spectra.n_spectra, "<U1")
        spectra = content.spectra.with_column(
            name, write_texts(values, [(np.asarray(rows, np.int64), value)])
        )
        self._edit({key: replace(content, spectra=spectra)}, f"Set {name}")

    def replace_spectra(self, spectra: Mapping[int, SpectralSet], text: str) -> None:
        """Put sets with other columns in place of those of some entries, as one step."""
        self._edit({key: replace(self._content(key), spectra=s) for key, s in spectra.items()}, text)

    def add_region(
        self, rows: ArrayLike, label: str = "", shape: Shape | None = None, name: str = ""
    ) -> Roi | None:
        """Make a region of spectra of the shown set, and choose it; nothing is made of no spectra."""
        chosen = np.asarray(rows, dtype=np.int64)
        if self._current is None or not chosen.size:
            return None
        rois = self.rois.add(chosen, shape=shape, name=name, label=label)
        self._region = rois.rois[-1].number
        self._edit_rois(rois, "Mark a region")
        self.region_changed.emit()
        return rois.rois[-1]

    def paint_region(self, number: int, rows: ArrayLike, *, erase: bool = False) -> None:
        """Add spectra to a region of the shown set, or take them out of it."""
        rois = self.rois.paint(number, rows, erase=erase)
        self._edit_rois(rois, "Take from a region" if erase else "Add to a region")

    def change_regions(self, numbers: Iterable[int], **changes: str) -> None:
        """Give regions of the shown set another name, label, group or colour.

        Raises
        ------
        ParameterError
            If the name is empty or taken, or the colour is none.
        """
        own = [
            number for number in numbers if any(getattr(self.rois[number], k) != changes[k] for k in changes)
        ]
        if own:
            self._edit_rois(self.rois.change(own, **changes), "Change regions")

    def remove_regions(self, numbers: Iterable[int]) -> None:
        """Take regions of the shown set away."""
        kept = self.rois.remove(numbers)
        if len(kept) < len(self.rois):
            self._edit_rois(kept, "Remove regions")

    def _edit_rois(self, rois: Rois, text: str) -> None:
        assert self._current is not None
        self._edit({self._current: replace(self._content(self._current), rois=rois)}, text)

    def _content(self, key: int) -> SetContent:
        content = self._entries[key].content
        if content is None:
            raise NanoAIError(f"{self._entries[key].name} has not been read yet.")
        return content

    def _edit(self, after: Mapping[int, SetContent], text: str) -> None:
        before = {key: self._content(key) for key in after}
        self.undo_stack.push(SetEdit(self, before, dict(after), text))

    def restore(self, contents: Mapping[int, SetContent]) -> None:
        """Put contents back (for undo and redo)."""
        for key, content in contents.items():
            entry = self._entries.get(key)
            if entry is not None:
                entry.content = content
                self.set_changed.emit(key)

    # ------------------------------------------------------------------ preprocessing

    @property
    def pipeline(self) -> Pipeline:
        """The list of preprocessing steps."""
        return self._pipeline

    def set_pipeline(self, pipeline: Pipeline) -> None:
        """Preprocess by other steps."""
        if pipeline != self._pipeline:
            self._pipeline = pipeline
            if self._step is not None and self._step >= len(pipeline):
                self._step = None
            self.pipeline_changed.emit()

    @property
    def step_shown(self) -> int | None:
        """The step whose before and after is shown; ``None``: before and after all of them."""
        return self._step

    def show_step(self, number: int | None) -> None:
        """Look at one step, or at all."""
        if number is not None and not 0 <= number < len(self._pipeline):
            number = None
        if number != self._step:
            self._step = number
            self.step_changed.emit()

    # ------------------------------------------------------------------ training and prediction

    def label_names(self) -> list[str]:
        """Every label in use, for offering them."""
        names: set[str] = set()
        for entry in self.ready():
            assert entry.content is not None
            names.update(entry.content.labels)
        return sorted(names - {""})

    @property
    def model(self) -> SpectraModel | None:
        """The model that was trained or opened last."""
        return self._model

    def set_model(self, model: SpectraModel | None) -> None:
        """Use another model; what the one before it said is dropped."""
        self._model = model
        gone, self._predictions = list(self._predictions), {}
        self.model_changed.emit()
        for key in gone:
            self.predictions_changed.emit(key)

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Let the model reject by other thresholds; what it said is judged anew, not classified anew."""
        if self._model is None or self._model.thresholds == thresholds:
            return
        self._model = self._model.with_thresholds(thresholds)
        for key, predictions in self._predictions.items():
            self._predictions[key] = predictions.with_thresholds(thresholds)
            self.predictions_changed.emit(key)

    def predictions(self, key: int) -> Predictions | None:
        """Give what the model says of the spectra of an entry, row by row."""
        return self._predictions.get(key)

    def set_predictions(self, key: int, predictions: Predictions | None) -> None:
        """Take what the model says of an entry; the map is coloured by it."""
        entry = self._entries.get(key)
        if entry is None or entry.spectra is None:
            return
        if predictions is None:
            self._predictions.pop(key, None)
        elif predictions.reason.shape == (entry.spectra.n_spectra,):
            self._predictions[key] = predictions
        else:
            raise ValueError("there is one prediction for each spectrum of a set")
        self.predictions_changed.emit(key)


def _title(path: Path, spectra: SpectralSet, number: int, n: int) -> str:
    if n == 1:
        return path.name
    maps = np.unique(spectra.text("map"))
    own = str(maps[0]) if maps.size == 1 and maps[0] else spectra.metadata.get("title", "") or f"{number + 1}"
    return f"{path.stem} · {own}"
