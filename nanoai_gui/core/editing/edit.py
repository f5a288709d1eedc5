"""One step of the history: what a person did, in a few words, and the patches that do it or take it back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from nanoai_gui.core.editing.patches import ParticlePatch, Patch, TablePatch, union
from nanoai_gui.core.packing import LARGEST_BYTES, Allowance
from nanoai_gui.core.plain import KINDS, from_bytes, to_bytes
from nanoai_gui.core.tem.micrograph import Box


def _new_uid() -> str:
    return os.urandom(16).hex()


@dataclass(frozen=True, eq=False)
class Edit:
    """A change that is done, undone and redone as a whole.

    Parameters
    ----------
    title
        A few words for the list of steps, such as ``Delete 3 agglomerates``.
    patches
        In the order in which they are applied.
    group
        Edits of one group (not empty) that follow each other closely are one step: the keys that move a
        circle, a value that is typed.
    time
        When it was made, seconds since 1970.
    uid
        Tells it from every other edit, also after it was completed by new measurements.
    is_by_hand
        Whether it corrects what was found (counts as a hand edit), unlike a calibration or a new analysis.
    """

    title: str
    patches: tuple[Patch, ...]
    group: str = ""
    time: float = field(default_factory=time.time)
    uid: str = field(default_factory=_new_uid)
    is_by_hand: bool = True

    @cached_property
    def box(self) -> Box | None:
        """Where in the image it changed something: what is repainted, and where the view goes."""
        return union([patch.box for patch in self.patches])

    @cached_property
    def n_bytes(self) -> int:
        """Memory it takes, about."""
        return 200 + sum(patch.n_bytes for patch in self.patches)

    @cached_property
    def agglomerates(self) -> frozenset[int]:
        """Ids of the agglomerates that it changed, before or after."""
        found: set[int] = set()
        for patch in self.patches:
            if isinstance(patch, TablePatch):
                found.update(patch.before.ids.tolist(), patch.after.ids.tolist())
            elif isinstance(patch, ParticlePatch):
                for side in (patch.before, patch.after):
                    found.update(side.agglomerate_ids.tolist(), side.particles.agglomerate.tolist())
        return frozenset(found)

    def with_patches(self, patches: Iterable[Patch]) -> Edit:
        """Return the same step with other patches (same uid)."""
        return replace(self, patches=tuple(patches))

    def to_bytes(self) -> bytes:
        """Write it; reading it back runs no code."""
        return to_bytes(self)

    @classmethod
    def from_bytes(
        cls, data: bytes, largest: int = LARGEST_BYTES, allowance: Allowance | None = None
    ) -> Edit:
        """Read it back, see :func:`~nanoai_gui.core.plain.from_bytes`.

        Raises
        ------
        PackingError
            If the bytes are damaged, or hold what this NanoAI does not know.
        """
        return from_bytes(cls, data, largest, allowance)


KINDS[Edit.__name__] = Edit
