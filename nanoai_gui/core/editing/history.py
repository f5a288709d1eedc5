"""The steps of one image, and where in them it stands. Bounded in steps and in bytes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum

import numpy as np

from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import ParticlePatch, Patch, ValuePatch
from nanoai_gui.core.editing.rows import is_in, particles_equal, swap_result, take_result
from nanoai_gui.core.tem.sizing import SizingResult

MOST_STEPS = 500
MOST_BYTES = 64 * 2**20
FEWEST_STEPS = 1
"""The last step can always be undone, however large."""
GROUP_SECONDS = 2.0
"""Edits of one group are one step if they follow each other within this time."""


class Direction(Enum):
    """What happened to an edit."""

    DONE = "done"
    UNDONE = "undone"
    REDONE = "redone"
    AMENDED = (
        "amended"  # done or not, it was completed by new measurements, or joined with the next of its group
    )


class History:
    """What was done to one image and can be undone or redone.

    It only keeps account: who asks for a step applies it to the document.

    Parameters
    ----------
    most_steps, most_bytes
        The oldest steps are given up beyond either.
    """

    def __init__(self, most_steps: int = MOST_STEPS, most_bytes: int = MOST_BYTES) -> None:
        self._edits: list[Edit] = []
        self._position = 0
        self._most_steps = most_steps
        self._most_bytes = most_bytes
        self._saved: str | None = ""

    @classmethod
    def from_parts(cls, edits: Iterable[Edit], position: int) -> History:
        """Refill a history; ``position`` is the number of edits that are done."""
        history = cls()
        history._edits = list(edits)
        history._position = min(max(position, 0), len(history._edits))
        history.mark_saved()
        return history

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All steps, oldest first, those undone at the end."""
        return tuple(self._edits)

    @property
    def position(self) -> int:
        """How many of them are done."""
        return self._position

    @property
    def n_bytes(self) -> int:
        """Memory that all take, about."""
        return sum(edit.n_bytes for edit in self._edits)

    @property
    def last(self) -> Edit | None:
        """The newest step that is done."""
        return self._edits[self._position - 1] if self._position else None

    @property
    def undo_title(self) -> str:
        """What undo would take back; empty if nothing."""
        return "" if self.last is None else self.last.title

    @property
    def redo_title(self) -> str:
        """What redo would do; empty if nothing."""
        return self._edits[self._position].title if self._position < len(self._edits) else ""

    def push(self, edit: Edit) -> Edit:
        """Add a step that was just done; what was undone before is given up.

        Returns
        -------
        Edit
            The step that is now the newest: ``edit``, or the one before it joined with it (same uid).
        """
        del self._edits[self._position :]
        last = self._step_open_at(edit.time)
        if last is not None and edit.group == last.group:
            patches = _joined(last.patches, edit.patches)
            edit = replace(last, patches=patches, time=edit.time, title=edit.title)
            self._edits[-1] = edit
            return edit
        self._edits.append(edit)
        self._position = len(self._edits)
        self._trim()
        return edit

    @property
    def open_step(self) -> Edit | None:
        """The newest step, if an edit of its group that is made now is joined with it."""
        return self._step_open_at(time.time())

    def _step_open_at(self, moment: float) -> Edit | None:
        last = self.last
        if last is None or not last.group or self._saved == last.uid:
            return None
        return last if 0 <= moment - last.time <= GROUP_SECONDS else None

    def undo(self) -> Edit | None:
        """Step back; the edit is to be applied backwards."""
        if not self._position:
            return None
        self._position -= 1
        return self._edits[self._position]

    def redo(self) -> Edit | None:
        """Step on; the edit is to be applied forwards."""
        if self._position == len(self._edits):
            return None
        self._position += 1
        return self._edits[self._position - 1]

    def steps_to(self, position: int) -> Sequence[tuple[Edit, bool]]:
        """List the edits, and whether forwards, that lead to ``position`` (which does not move)."""
        position = min(max(position, 0), len(self._edits))
        if position < self._position:
            return [(edit, False) for edit in reversed(self._edits[position : self._position])]
        return [(edit, True) for edit in self._edits[self._position : position]]

    def jump(self, position: int) -> Sequence[tuple[Edit, bool]]:
        """Go to ``position``; gives the edits to apply, in order, and whether forwards."""
        steps = self.steps_to(position)
        self._position = min(max(position, 0), len(self._edits))
        return steps

    def clear(self) -> None:
        """Forget everything."""
        self._edits.clear()
        self._position = 0
        self._saved = ""

    # ------------------------------------------------------------------ the saved position

    def mark_saved(self) -> None:
        """Remember that the state as it is now has been saved."""
        self._saved = "" if self.last is None else self.last.uid

    @property
    def is_saved(self) -> bool:
        """Whether the state as it is now is the one that was saved."""
        return self._saved == ("" if self.last is None else self.last.uid)

    # ------------------------------------------------------------------ completing a step

    def amend(self, patches: Sequence[Patch]) -> list[Edit]:
        """Add to the newest step that is done what its change made necessary (new measurements).

        An edit of the same agglomerates that was undone would, if redone, start from what is no longer there:
        what it says was before is brought up to date.

        Returns
        -------
        list of Edit
            Every edit that changed (same uids), the newest done first.
        """
        if not patches:
            return []
        changed = []
        if self._position:
            at = self._position - 1
            self._edits[at] = self._edits[at].with_patches((*self._edits[at].patches, *patches))
            changed.append(self._edits[at])
        for patch in patches:
            if isinstance(patch, ParticlePatch):
                changed += self._rebase(patch)
        self._trim()
        newest = {edit.uid: edit for edit in changed}
        return list(newest.values())

    def _rebase(self, new: ParticlePatch) -> list[Edit]:
        waiting = set(new.after.agglomerate_ids.tolist())
        changed = []
        for at in range(self._position, len(self._edits)):
            edit = self._edits[at]
            patches = list(edit.patches)
            for i, patch in enumerate(patches):
                if not isinstance(patch, ParticlePatch) or patch.method != new.method:
                    continue
                mine = waiting & set(patch.before.agglomerate_ids.tolist())
                if mine:
                    patches[i] = replace(patch, before=_with_rows(patch, new, mine))
                    waiting -= mine
            if any(a is not b for a, b in zip(patches, edit.patches, strict=True)):
                self._edits[at] = edit.with_patches(patches)
                changed.append(self._edits[at])
            if not waiting:
                break
        return changed

    def _trim(self) -> None:
        total = self.n_bytes
        while len(self._edits) > FEWEST_STEPS and (
            len(self._edits) > self._most_steps or total > self._most_bytes
        ):
            if not self._position:
                break  # only undone ones are left: a new edit gives them up
            if self._position == 1 and self.last is self._edits[-1]:
                break
            gone = self._edits.pop(0)
            total -= gone.n_bytes
            self._position -= 1
            if self._saved in ("", gone.uid):
                self._saved = "" if self._saved == gone.uid else None


def _joined(first: tuple[Patch, ...], second: tuple[Patch, ...]) -> tuple[Patch, ...]:
    """Put the patches of two edits in order; a value or particles changed twice need only the ends."""
    patches = list(first)
    for patch in second:
        last = patches[-1] if patches else None
        if (isinstance(last, ValuePatch) and isinstance(patch, ValuePatch) and last.what == patch.what) or (
            isinstance(last, ParticlePatch) and isinstance(patch, ParticlePatch) and _chained(last, patch)
        ):
            patches[-1] = replace(last, after=patch.after)
        else:
            patches.append(patch)
    return tuple(patches)


def _chained(first: ParticlePatch, second: ParticlePatch) -> bool:
    """Whether one changes just those particles that the other has left."""
    return (
        first.method == second.method
        and np.array_equal(first.after.agglomerate_ids, second.before.agglomerate_ids)
        and particles_equal(first.after.particles, second.before.particles)
    )


def _with_rows(patch: ParticlePatch, new: ParticlePatch, ids: set[int]) -> SizingResult:
    """Put what ``new`` found for some agglomerates in the place of what ``patch`` says was before."""
    old = patch.before
    own = old.particles.ids[is_in(old.particles.agglomerate, ids)].tolist()
    found = new.after.particles
    rows = take_result(new.after, ids, found.ids[is_in(found.agglomerate, ids)].tolist())
    return swap_result(old, take_result(old, ids, own), rows)
