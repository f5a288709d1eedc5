"""Committing, undoing and redoing edits of the images of a session; the one way in which any is changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.history import Direction, History
from nanoai_gui.core.editing.mending import mended
from nanoai_gui.core.editing.patches import LabelPatch, Patch, ResultPatch, ValuePatch
from nanoai_gui.gui.tem.entries import CALIBRATION, DATA_BAR

if TYPE_CHECKING:
    from nanoai_gui.core.tem.analysis import ImageAnalysis
    from nanoai_gui.core.tem.calibration import Calibration
    from nanoai_gui.gui.tem.entries import ImageEntry


log = logging.getLogger(__name__)


class ImageEdits(QObject):
    """What a session can do with edits; the session says which images there are."""

    edited = Signal(int, object, object)
    """Key, :class:`Edit` and :class:`Direction`, once for each edit that was committed, undone, redone or
    amended; the document is in its new state. Told after the signals that make views follow."""

    unfit = Signal(str)
    """A sentence on an image of which a file holds what does not fit together, and what became of it."""

    def entry(self, key: int) -> ImageEntry:
        """One image of the session."""
        raise NotImplementedError

    def history(self, key: int) -> History:
        """Give the steps of an image."""
        return self.entry(key).history

    def commit(self, key: int, edit: Edit | None) -> Edit | None:
        """Do an edit; ``None``, which is what functions give that change nothing, does nothing.

        Returns
        -------
        Edit or None
            The newest step: the edit itself, or the one before that it was joined with.

        Raises
        ------
        ValueError
            If it was made for another state of the image.
        """
        if edit is None:
            return None
        entry = self.entry(key)
        self._apply(entry, edit)
        newest = entry.history.push(edit)
        if newest is not edit:
            if edit.is_by_hand:
                entry.document.count_hand_edit(-1)
            self._follow(entry, edit.patches)
            self.edited.emit(key, newest, Direction.AMENDED)
        else:
            self._follow(entry, edit.patches)
            self.edited.emit(key, edit, Direction.DONE)
        return newest

    def undo(self, key: int) -> Edit | None:
        """Take the newest step of an image back; gives it."""
        edit = self.entry(key).history.undo()
        return edit if edit is not None and self._step(key, edit, forward=False) else None

    def redo(self, key: int) -> Edit | None:
        """Do again what was undone last; gives it."""
        edit = self.entry(key).history.redo()
        return edit if edit is not None and self._step(key, edit, forward=True) else None

    def jump(self, key: int, position: int) -> None:
        """Undo or redo as many steps as lead to ``position`` (how many are to be done then)."""
        entry = self.entry(key)
        steps: list[tuple[Edit, bool]] = []
        patches: list[Patch] = []
        for edit, forward in entry.history.steps_to(position):
            (entry.history.redo if forward else entry.history.undo)()
            if not self._fits(entry, edit, forward):
                break
            steps.append((edit, forward))
            patches += edit.patches if forward else edit.patches[::-1]
        if steps:
            self._follow(entry, patches)  # once for all: the steps in between are not shown
        for edit, forward in steps:
            self.edited.emit(key, edit, Direction.REDONE if forward else Direction.UNDONE)

    def amend(self, key: int, patches: Sequence[Patch]) -> None:
        """Complete the newest step by what it made necessary: agglomerates that were measured again."""
        if not patches:
            return
        entry = self.entry(key)
        self._apply(entry, Edit("Measure again", tuple(patches), is_by_hand=False))
        changed = entry.history.amend(patches)
        self._follow(entry, patches)
        for edit in changed:
            self.edited.emit(key, edit, Direction.AMENDED)

    def set_calibration(self, keys: int | Iterable[int], calibration: Calibration | None) -> None:
        """Set the pixel size of images, or go back to what the file says with ``None``; can be undone.

        Everything is measured in px, so a measured image needs no new analysis: its result is given the new
        pixel size, and stays traceable by carrying it.
        """
        for key in [keys] if isinstance(keys, int) else list(keys):
            self._set_value(key, CALIBRATION, self.entry(key).calibration, calibration, "Calibrate")

    def set_data_bar(self, key: int, top: int | None) -> None:
        """Set the first row of the data bar; -1: there is none; ``None``: as found; can be undone."""
        self._set_value(key, DATA_BAR, self.entry(key).data_bar_top, top, "Move the data bar")

    def _set_value(self, key: int, what: str, before: object, after: object, title: str) -> None:
        if before != after:
            patch = ValuePatch(what, before, after)
            self.commit(key, Edit(title, (patch,), group=what, is_by_hand=False))

    def _step(self, key: int, edit: Edit, forward: bool) -> bool:
        """Do a step of the history, or take it back; false if it does not fit what is there."""
        entry = self.entry(key)
        if not self._fits(entry, edit, forward):
            return False
        self._follow(entry, edit.patches if forward else edit.patches[::-1])
        self.edited.emit(key, edit, Direction.REDONE if forward else Direction.UNDONE)
        return True

    def _fits(self, entry: ImageEntry, edit: Edit, forward: bool) -> bool:
        """Apply a step, if it can be."""
        try:
            self._apply(entry, edit, forward)
        except (ValueError, LookupError, TypeError):
            # Read from a file that holds other steps than led to its results. None of them leads anywhere.
            log.warning("%s cannot be %s", edit.title, "redone" if forward else "undone", exc_info=True)
            entry.history.clear()
            self._document_changed(entry, False, False)
            self.unfit.emit(
                f"The steps of {entry.name} do not fit what was measured in it, so none can be undone or "
                "redone any more. What you see is as it was."
            )
            return False
        return True

    def mend(self, key: int) -> bool:
        """Make labels and table of an image fit each other; false if they do."""
        entry = self.entry(key)
        if entry.analysis is None:
            return False
        made = mended(entry.analysis, entry.document.labels)
        if made is None:
            return False
        self.accept_mended(key, *made)
        return True

    def accept_mended(self, key: int, analysis: ImageAnalysis, labels: NDArray[np.int32]) -> None:
        """Take an analysis whose labels fit its table in the place of one of which they did not."""
        entry = self.entry(key)
        log.warning("the labels of %s do not fit their table", entry.name)
        entry.document.replace_analysis(analysis)
        entry.document.attach_labels(labels)
        entry.history.clear()
        self._document_changed(entry, True, True)
        self.unfit.emit(
            f"The outlines of {entry.name} were not those of its table, as in a damaged file. They fit now, "
            "and are measured again where that changed them; earlier steps can no longer be undone. Look "
            "through the image, or analyse it again."
        )

    def _apply(self, entry: ImageEntry, edit: Edit, forward: bool = True) -> None:
        self._about_to_change(entry)
        entry.document.apply(edit, forward)

    def _about_to_change(self, entry: ImageEntry) -> None:
        """Remember what must be known of the state before a change."""

    def _follow(self, entry: ImageEntry, patches: Sequence[Patch]) -> None:
        """Bring everything else up to date after a change."""
        for what in dict.fromkeys(patch.what for patch in patches if isinstance(patch, ValuePatch)):
            self._value_changed(entry, what)
        has_new_labels = any(isinstance(patch, ResultPatch) for patch in patches)
        has_labels = has_new_labels or any(isinstance(patch, LabelPatch) for patch in patches)
        self._document_changed(entry, has_new_labels, has_labels)

    def _value_changed(self, entry: ImageEntry, what: str) -> None:
        raise NotImplementedError

    def _document_changed(self, entry: ImageEntry, has_new_labels: bool, has_labels: bool) -> None:
        raise NotImplementedError
