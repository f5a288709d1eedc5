"""What a click selects: the rules all views of the TEM tab share.

Selecting a particle also selects its agglomerate; selecting an agglomerate also selects the particles
found in it, so that table and histogram can show them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt

from nanoai_gui.gui.tem.entries import Selection

if TYPE_CHECKING:
    from nanoai_gui.core.tem.particles import Particles


def of_particles(particles: Particles, ids: Iterable[int] | NDArray[np.integer]) -> Selection:
    """Select particles by id, and the agglomerates they belong to."""
    wanted = np.fromiter(ids, dtype=np.int64)
    rows = np.isin(particles.ids, wanted)
    return Selection(
        agglomerates=frozenset(np.unique(particles.agglomerate[rows]).tolist()),
        particles=frozenset(particles.ids[rows].tolist()),
    )


def of_agglomerates(particles: Particles, ids: Iterable[int] | NDArray[np.integer]) -> Selection:
    """Select agglomerates by id, and all their particles."""
    wanted = np.fromiter(ids, dtype=np.int64)
    rows = np.isin(particles.agglomerate, wanted)
    return Selection(
        agglomerates=frozenset(wanted.tolist()), particles=frozenset(particles.ids[rows].tolist())
    )


def in_range(particles: Particles, low_px: float, high_px: float) -> Selection:
    """Select the particles whose diameter in px lies in ``[low_px, high_px)``."""
    diameters = particles.diameter_px
    return of_particles(particles, particles.ids[(diameters >= low_px) & (diameters < high_px)])


def combine(before: Selection, clicked: Selection, modifiers: Qt.KeyboardModifier) -> Selection:
    """Join a click with what was selected: Shift or Ctrl adds or takes away, else it replaces."""
    if modifiers & (Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier):
        is_taken_away = (
            clicked.particles <= before.particles
            if clicked.particles
            else clicked.agglomerates <= before.agglomerates
        )
        if not is_taken_away or not clicked.agglomerates | clicked.particles:
            return Selection(before.agglomerates | clicked.agglomerates, before.particles | clicked.particles)
        return Selection(before.agglomerates - clicked.agglomerates, before.particles - clicked.particles)
    return clicked


def selects_whole(selection: Selection, particles: Particles) -> bool:
    """Whether whole agglomerates are selected, and no particles by themselves."""
    whole = of_agglomerates(particles, selection.agglomerates - {0})
    return bool(whole.agglomerates) and whole == selection


def pruned(before: Selection, is_whole: bool, ids: Iterable[int], particles: Particles) -> Selection:
    """Select no longer what is not there any more; of whole agglomerates, all that is in them now.

    Parameters
    ----------
    is_whole
        As :func:`selects_whole` said before the change.
    ids, particles
        The agglomerates and particles that are there now.
    """
    agglomerates = before.agglomerates & frozenset(ids)
    if is_whole:
        return of_agglomerates(particles, agglomerates)
    return Selection(agglomerates, before.particles & frozenset(particles.ids.tolist()))
