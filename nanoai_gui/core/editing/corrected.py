"""Which agglomerates a person has put right, or found right."""

from __future__ import annotations

import numpy as np

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.rows import is_in
from nanoai_gui.core.tem.particles import Status


def put_right(document: ImageDocument, method: str) -> frozenset[int]:
    """Give the agglomerates whose particles of a method can be taken for the truth.

    Those that a person reviewed, gave the number of particles of, or changed or added particles in, and those
    of which every particle was accepted. Not those that are left out, wait to be measured again, or hold
    nothing. Changing an outline alone does not count: nobody may have looked at the particles.
    """
    result = document.results.get(method)
    if result is None:
        return frozenset()
    p = result.particles
    by_hand = p.status != Status.AUTO
    accepted = by_hand | is_in(p.ids, document.accepted(method))
    all_accepted = set(p.agglomerate.tolist()) - set(p.agglomerate[~accepted].tolist())
    found = document.reviewed() | set(document.counts()) | set(p.agglomerate[by_hand].tolist()) | all_accepted
    measured = np.array([not reason for reason in result.excluded], dtype=bool) & (result.n_particles > 0)
    return frozenset(found & set(result.agglomerate_ids[measured].tolist()) - result.stale)
