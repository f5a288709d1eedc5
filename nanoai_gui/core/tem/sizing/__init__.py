"""Sizing methods: each takes a micrograph and its agglomerates and returns primary particles.

A method is one module of this package with

``NAME``
    as on the command line (``watershed``), ``TITLE`` as in the window (``Watershed``) and ``SUMMARY``,
    one sentence for the tooltip;
``Parameters``
    a frozen dataclass made with :func:`nanoai_gui.core.parameters.parameter`, every field with a default;
``size(micrograph, agglomerates, parameters, progress, cancelled) -> SizingResult``
    which measures the agglomerates that are not excluded.

It may also have

``size(..., held=None)``
    :class:`Particles` that a person placed and that stay: only the others are looked for, and the result
    holds only those (without it, what covers a particle that stays is left out afterwards);
``size(..., counts=None)``
    a mapping of agglomerates to numbers of particles that a person gave, held ones included;
``size(..., known=None)``
    the :class:`FitReport` of the image, where what is given is only a part of it;
``BY_HAND = True``
    if it never measures by itself;
``why_unavailable() -> str``
    which loads what it needs and says why it cannot measure on this computer, or nothing.

Every method must give the same for an agglomerate whether it is called on the whole image or on a part of it
with that agglomerate and the background around (what it takes from the image as a whole is then given to it,
see :class:`~nanoai_gui.core.tem.agglomerates.Agglomerates`).

Adding a method is adding a module and its name to :data:`METHOD_MODULES`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.particles import Particles

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from nanoai_gui.core.callbacks import Cancelled, Progress
    from nanoai_gui.core.tem.features import FeatureTable
    from nanoai_gui.core.tem.fitting.report import FitReport
    from nanoai_gui.core.tem.micrograph import Micrograph

METHOD_MODULES: dict[str, str] = {
    "watershed": "nanoai_gui.core.tem.sizing.watershed",
    "ultimate-erosion": "nanoai_gui.core.tem.sizing.ultimate_erosion",
    "hough": "nanoai_gui.core.tem.sizing.hough",
    "fit": "nanoai_gui.core.tem.sizing.fit",
    "ann": "nanoai_gui.core.tem.sizing.ann",
    "ann-rich": "nanoai_gui.core.tem.sizing.ann_rich",
}
"""Name of each method that measures by itself, and the module that holds it (imported when first used)."""

HAND_MODULES: dict[str, str] = {"manual": "nanoai_gui.core.tem.sizing.manual"}
"""The same for methods by which a person measures."""

ALL_METHODS: tuple[str, ...] = (*METHOD_MODULES, *HAND_MODULES)
"""Every method whose results can be shown, in the order in which they are."""


@dataclass(frozen=True, eq=False)
class Description:
    """The features by which a trained method judged the agglomerates.

    Parameters
    ----------
    table
        Features of every agglomerate that was described.
    low, high
        (k,) range of each feature that is typical of what the method was trained on.
    """

    table: FeatureTable
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def of(self, agglomerate: int) -> NDArray[np.float64] | None:
        """Give the features of one agglomerate, (k,), or ``None`` if it was not described."""
        row = np.flatnonzero(self.table.ids == agglomerate)
        return self.table.values[row[0]] if row.size else None


@dataclass(frozen=True, eq=False)
class SizingResult:
    """What one method found in one micrograph.

    Parameters
    ----------
    method
        Name of the method.
    particles
        The primary particles.
    agglomerate_ids
        (m,) int32: every agglomerate, measured or not.
    n_particles
        (m,) int32: number of primary particles found, 0 where not measured.
    probabilities
        (m, 5) float64: probability of 1..5 primary particles; NaN where the method gives none.
    excluded
        m texts: why an agglomerate was not measured (by the border rule or by the method), else empty.
    model
        Which trained model measured, for a method that has one: name, origin and fingerprint.
    description
        What a trained method saw of the agglomerates.
    stale
        Ids of agglomerates that a person changed since they were measured.
    fit
        What a physical fit rests on, for a method that makes one.
    """

    method: str
    particles: Particles
    agglomerate_ids: NDArray[np.int32]
    n_particles: NDArray[np.int32]
    probabilities: NDArray[np.float64]
    excluded: tuple[str, ...] = field(default=())
    model: str = ""
    description: Description | None = None
    stale: frozenset[int] = frozenset()
    fit: FitReport | None = None

    @classmethod
    def from_particles(
        cls,
        method: str,
        agglomerates: Agglomerates,
        particles: Particles,
        probabilities: NDArray[np.float64] | None = None,
        excluded: tuple[str, ...] | None = None,
    ) -> SizingResult:
        """Count the particles of each agglomerate and assemble the result."""
        n = len(agglomerates)
        return cls(
            method=method,
            particles=particles,
            agglomerate_ids=agglomerates.ids,
            n_particles=count_particles(agglomerates.ids, particles),
            probabilities=np.full((n, 5), np.nan) if probabilities is None else probabilities,
            excluded=agglomerates.excluded if excluded is None else excluded,
        )


def count_particles(ids: NDArray[np.int32], particles: Particles) -> NDArray[np.int32]:
    """Count the particles of each agglomerate; ``ids`` (m,) ascending. Those of none are not counted."""
    owner = particles.agglomerate
    rows = np.minimum(np.searchsorted(ids, owner), max(len(ids) - 1, 0))
    known = ids[rows] == owner if len(ids) else np.zeros(len(owner), dtype=bool)
    return np.bincount(rows[known], minlength=len(ids)).astype(np.int32)


class SizingMethod(Protocol):
    """The shape of a method module."""

    NAME: str
    TITLE: str
    SUMMARY: str
    Parameters: type[DataclassInstance]

    def size(
        self,
        micrograph: Micrograph,
        agglomerates: Agglomerates,
        parameters: Any,  # noqa: ANN401 - an instance of this module's Parameters
        progress: Progress,
        cancelled: Cancelled,
    ) -> SizingResult:
        """Measure the primary particles."""
        ...


def get_method(name: str) -> SizingMethod:
    """Load a sizing method by name.

    Raises
    ------
    ParameterError
        If there is no such method; names those that exist.
    """
    if name not in ALL_METHODS:
        raise ParameterError(
            f"There is no sizing method {name!r}.", f"Choose one of {', '.join(METHOD_MODULES)}."
        )
    return cast("SizingMethod", importlib.import_module(METHOD_MODULES.get(name) or HAND_MODULES[name]))


def why_unavailable(name: str) -> str:
    """Say why a method cannot measure on this computer: a sentence, empty if it can; loads what it needs."""
    ask = getattr(get_method(name), "why_unavailable", None)
    return str(ask()) if ask is not None else ""


def is_automatic(name: str) -> bool:
    """Whether a method measures by itself; one with ``BY_HAND = True`` holds what a person measured."""
    return name in METHOD_MODULES and not getattr(get_method(name), "BY_HAND", False)
