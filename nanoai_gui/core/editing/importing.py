"""Agglomerates and particles from other programs, as one edit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import MethodPatch, Patch, ValuePatch
from nanoai_gui.core.editing.rows import join_particles
from nanoai_gui.core.editing.write import Pixels, write_labels
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing.manual import result_of


def import_labels(document: ImageDocument, labels: NDArray[np.int32]) -> Edit | None:
    """Replace the agglomerates of a measured image; those that stay as they are keep what was measured.

    Parameters
    ----------
    labels
        (height, width) of the image; ids are kept, and what lies below the data bar is left out.

    Returns
    -------
    Edit or None
        ``None`` if not a pixel changes.
    """
    new = labels.copy()
    new[document.field_height :] = 0
    ids = set(np.unique(new).tolist()) - {0}
    added = ids - set(document.table.ids.tolist())
    return write_labels(
        document, "Import agglomerates", Pixels.differing(document.labels, 0, 0, new), added=added
    )


def import_particles(
    document: ImageDocument, method: str, particles: Particles, replaces: bool = True
) -> Edit | None:
    """Put particles from elsewhere under a method.

    Parameters
    ----------
    particles
        Their ids are kept if they replace all others, or are not taken.
    replaces
        Whether they take the place of all particles of the method.
    """
    before = document.results.get(method)
    old = Particles.empty() if before is None else before.particles
    if replaces:
        both = particles
    else:
        taken = np.isin(particles.ids, old.ids)
        first = max(document.next_particle(method), int(particles.ids.max(initial=0)) + 1)
        ids = particles.ids.copy()
        ids[taken] = np.arange(first, first + np.count_nonzero(taken), dtype=np.int32)
        both = join_particles(old, replace(particles, ids=ids))
    if before is not None and not len(particles):
        return None
    after = result_of(document.table, both, method)
    if before is not None:
        # What a method says besides the particles stays: probabilities, its model, why it left one out.
        kept = np.array([not n for n in after.n_particles], dtype=bool)
        excluded = tuple(why if k else "" for why, k in zip(before.excluded, kept, strict=True))
        after = replace(before, particles=after.particles, n_particles=after.n_particles, excluded=excluded)
    patches: list[Patch] = [MethodPatch(method, before, after)]
    gone = set(old.ids.tolist()) - set(after.particles.ids.tolist())
    for ident in sorted(gone):
        key = f"accepted/{method}/{ident}"
        if key in document.values:
            patches.append(ValuePatch(key, document.values[key], None))
    n = len(particles)
    return Edit(f"Import {n} particle{'' if n == 1 else 's'}", tuple(patches))
