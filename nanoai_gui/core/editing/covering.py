"""Whose place a particle takes that a person draws, moves, resizes or accepts: else both would count."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import ParticlePatch
from nanoai_gui.core.editing.rows import is_in, join_particles
from nanoai_gui.core.tem.evaluation import Circles, mostly_covered
from nanoai_gui.core.tem.particles import Particles, Status


def not_held(document: ImageDocument, method: str, but: Collection[int] = ()) -> Particles:
    """Give the particles that a method found and that nobody changed or accepted."""
    result = document.results.get(method)
    if result is None:
        return Particles.empty()
    p = result.particles
    return p.select((p.status == Status.AUTO) & ~is_in(p.ids, {*but, *document.accepted(method)}))


def covered_by(found: Particles, drawn: Particles) -> NDArray[np.bool_]:
    """Tell of which of ``found`` any of ``drawn`` covers more than half, all taken for circles.

    A small one drawn in front of a large one takes nothing away.
    """
    return mostly_covered(
        Circles(found.x, found.y, found.diameter_px), Circles(drawn.x, drawn.y, drawn.diameter_px)
    )


def place_taken(
    document: ImageDocument, method: str, old: Particles, new: Particles, step: Edit | None = None
) -> tuple[list[int], Particles, int]:
    """Say what goes and what comes back when particles are changed by hand.

    What ``old`` covered stays: the method saw both. A step that this change will be joined with counts as a
    part of it: a circle that is moved across others, key by key, takes only the place of those it ends on.

    Parameters
    ----------
    old, new
        The same particles before and after the change.
    step
        The step that the change will be joined with, if any.

    Returns
    -------
    list of int
        Ids of particles to take away.
    Particles
        Those that ``step`` took away and that are to be put back.
    int
        How many are away in all, those of ``step`` included.
    """
    start, taken = _so_far(document, method, old, step)
    found = not_held(document, method, old.ids.tolist())
    gone = found.ids[covered_by(found, new) & ~covered_by(found, start)]
    back = taken.select(~covered_by(taken, new))
    return gone.tolist(), back, len(gone) + len(taken) - len(back)


def _so_far(
    document: ImageDocument, method: str, old: Particles, step: Edit | None
) -> tuple[Particles, Particles]:
    """Give what the changed particles were before a step, and what it took away for their sake."""
    start, taken = old, Particles.empty()
    if step is None or any(not isinstance(patch, ParticlePatch) for patch in step.patches):
        return start, taken
    patches = [patch for patch in step.patches if isinstance(patch, ParticlePatch)]
    if any(patch.method != method or patch.before.stale != patch.after.stale for patch in patches):
        return start, taken  # what was measured again meanwhile has other particles
    first = patches[0].before.particles
    start = first.select(is_in(first.ids, old.ids.tolist()))
    if not np.array_equal(start.ids, old.ids):
        return old, taken
    present = document.results[method].particles.ids.tolist()
    for patch in patches:
        before = patch.before.particles
        away = ~is_in(before.ids, [*present, *taken.ids.tolist()])
        taken = join_particles(taken, before.select(away & (before.status == Status.AUTO)))
    return start, taken


def doubles_of(document: ImageDocument, method: str, accepted: Particles) -> list[int]:
    """Give the particles that can only be an accepted one, found twice: each covers most of the other."""
    found = not_held(document, method, accepted.ids.tolist())
    is_double = np.zeros(len(found), dtype=bool)
    for i in range(len(accepted)):  # One by one: what lies between two of them is a double of neither.
        one = accepted.select(np.arange(len(accepted)) == i)
        for k in np.flatnonzero(covered_by(found, one)):
            is_double[k] |= bool(covered_by(one, found.select(np.arange(len(found)) == k))[0])
    return [int(i) for i in found.ids[is_double]]
