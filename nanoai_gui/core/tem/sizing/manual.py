"""What a person measures: circles and ellipses drawn around particles, the "test person" of a comparison.

It never measures by itself; its particles stand beside those of the automatic methods, and stay when an image
is analysed again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult

NAME = "manual"
TITLE = "By hand"
SUMMARY = "Circles and ellipses that a person draws around particles (Analyse, Measure by hand)."
BY_HAND = True


@dataclass(frozen=True, slots=True)
class Parameters:
    """Nothing to set."""


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: Parameters,
    progress: Progress,
    cancelled: Cancelled,
) -> SizingResult:
    """Find nothing: a person does."""
    return result_of(agglomerates, Particles.empty())


def result_of(agglomerates: Agglomerates, particles: Particles, method: str = NAME) -> SizingResult:
    """Assemble what a person measured.

    An agglomerate that was given particles counts as measured, whatever the rules say; particles outside of
    every agglomerate belong to none (0).
    """
    known = np.isin(particles.agglomerate, agglomerates.ids)
    particles = replace(particles, agglomerate=np.where(known, particles.agglomerate, 0).astype(np.int32))
    result = SizingResult.from_particles(method, agglomerates, particles)
    given = result.n_particles > 0
    excluded = tuple("" if g else why for g, why in zip(given, agglomerates.excluded, strict=True))
    return replace(result, excluded=excluded)


def moved_to(result: SizingResult, agglomerates: Agglomerates, labels: NDArray[np.int32]) -> SizingResult:
    """Give the particles of a result to the agglomerates of another analysis of the same image.

    Parameters
    ----------
    result
        What a person measured.
    agglomerates, labels
        The new ones; ``labels`` is (height, width).
    """
    p = result.particles
    height, width = labels.shape
    y = np.clip(np.rint(p.y), 0, height - 1).astype(np.intp)
    x = np.clip(np.rint(p.x), 0, width - 1).astype(np.intp)
    return result_of(agglomerates, replace(p, agglomerate=labels[y, x].astype(np.int32)), result.method)
