"""What all particles of an image share, found on a handful of agglomerates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, never_cancelled
from nanoai_gui.core.tem.fitting.bodies import LOG_R, N_PARAMETERS, Q1, Q2, SPHERE, H, Kind
from nanoai_gui.core.tem.fitting.contacts import Contacts
from nanoai_gui.core.tem.fitting.groups import Part
from nanoai_gui.core.tem.fitting.model import Model, Prior, no_prior
from nanoai_gui.core.tem.fitting.report import FitReport
from nanoai_gui.core.tem.fitting.scene import Optics
from nanoai_gui.core.tem.fitting.solver import Fit, covariance, find_contacts, solve
from nanoai_gui.core.tem.fitting.verdict import misfits

SHAPED = (*SPHERE, Q1, Q2, H)
STRAIN_SD = (0.02, 0.3)
"""Least and greatest spread of strain (half the logarithm of the aspect ratio) expected among particles."""
ABSORPTION_SD = (0.02, 1.0)
"""The same for the logarithm of how much a particle absorbs."""
ROUND, WELL_DESCRIBED, EXACTLY_DESCRIBED = 0.045, 0.05, 0.012
"""Particles are spheres if their strain spreads by less than the first and no more than the second is left of
their contrast; ellipsoids, if no more than the third is."""
HARDLY_STRAINED, HARDLY_UNLIKE, HARDLY_SINTERED, HARDLY_WRONG = 0.03, 0.08, 0.1, 0.005
"""Spread of strain and of ln absorption, overlap and misfit up to which nothing speaks against spheres that
only touch."""
BEST, FEWEST = 0.6, 12
"""Share of the handful from which the shared parameters are taken, and its least number of particles."""
OVERLAPS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
"""Degrees of sintering that are tried."""
_FIRST_SD = (0.1, 0.3)
_DECISIVE = 12.0


@dataclass(frozen=True, slots=True)
class Physics:
    """What the particles of an image have in common.

    Parameters
    ----------
    kind
        What makes them dark.
    optics
        In px of the micrograph.
    strain_sd, absorption_sd
        Spread of strain and of ln absorption from one particle to the next; 0: all are spheres, all absorb
        alike.
    overlap
        How far particles in contact grew into each other, as a share of r1 + r2.
    misfit
        What the model leaves unexplained of a typical particle, see
        :class:`~nanoai_gui.core.tem.fitting.verdict.Judgement`.
    """

    kind: Kind
    optics: Optics
    strain_sd: float
    absorption_sd: float
    overlap: float
    misfit: float

    @classmethod
    def of(cls, report: FitReport) -> Physics:
        """Take them from what was found in an image."""
        optics = Optics(report.absorption, report.amplitude, report.blur_px)
        return cls(
            Kind(report.contrast_kind), optics, report.strain_sd, report.absorption_sd, report.overlap,
            report.misfit,
        )  # fmt: skip

    @property
    def columns(self) -> tuple[int, ...]:
        """Parameters that are fitted."""
        shaped = (Q1, Q2) if self.strain_sd else ()
        return (*SPHERE, *shaped, *((H,) if self.absorption_sd else ()))

    @property
    def is_plain(self) -> bool:
        """Whether the particles are spheres that absorb alike and hardly grew into each other."""
        return (
            self.strain_sd < HARDLY_STRAINED
            and self.absorption_sd < HARDLY_UNLIKE
            and self.overlap <= HARDLY_SINTERED
            and self.misfit < HARDLY_WRONG
        )

    def simplified(self) -> Physics:
        """Give the same, all being spheres that absorb alike."""
        return replace(self, strain_sd=0.0, absorption_sd=0.0)

    @property
    def tells_number(self) -> bool:
        """Whether what is left of the image can tell that a particle is missing or one too many.

        Where particles are neither spheres nor ellipsoids, what is left of their corners would be filled
        with small ones.
        """
        if self.strain_sd < ROUND:
            return self.misfit < WELL_DESCRIBED
        return self.kind is Kind.MASS and self.misfit < EXACTLY_DESCRIBED

    def prior(self, n: int) -> Prior:
        """Say what is expected of n particles."""
        precision = np.zeros((n, N_PARAMETERS))
        if self.strain_sd:
            precision[:, [Q1, Q2]] = self.strain_sd**-2.0
        if self.absorption_sd:
            precision[:, H] = self.absorption_sd**-2.0
        return Prior(np.zeros((n, N_PARAMETERS)), precision)


def scaled(optics: Optics, factor: float) -> Optics:
    """Express optics in px that are ``factor`` times as large."""
    # Averaging over a larger px is a blur of its own, which the model's averaging holds already.
    return Optics(optics.absorption * factor, optics.amplitude, max(optics.blur_px / factor, 0.3))


def find_physics(
    part: Part,
    parameters: NDArray[np.float64],
    held: NDArray[np.bool_],
    typical: float,
    rim: int,
    bright: bool,
    cancelled: Cancelled = never_cancelled,
) -> tuple[Physics, Physics]:
    """Choose the contrast kind and fit what is shared.

    Parameters
    ----------
    part
        The handful of agglomerates.
    parameters
        (m, 6) where their particles start, in px of the scene.
    typical
        Contrast in the middle of a particle.
    rim
        See :class:`Model`.
    bright
        Particles are brighter than the background, whose level then says nothing of the amplitude.

    Returns
    -------
    Physics (optics in px of the micrograph); and what they would be if all were spheres that only touch.
    """
    n = len(parameters)
    free_prior = no_prior(n)
    radius = float(np.exp(np.median(parameters[:, LOG_R])))
    model = Model(part.scene, part.component, Kind.MASS, free_prior, rim)
    low = min(typical, 0.95)
    optics = Optics(-float(np.log1p(-low)) / (1.4 * radius), 1.0, 1.0)
    shared: tuple[int, ...] = (0, 2)
    if bright:
        optics, shared = Optics(1 / (1.4 * radius), 1.5 * typical, 1.0), (0, 1, 2)
    mass = solve(model, parameters, optics, SPHERE, held, pooled=shared, most_steps=10, cancelled=cancelled)
    part, held = _ordinary(part, mass, model, held)
    model = Model(part.scene, part.component, Kind.MASS, free_prior, rim)
    mass = solve(
        model,
        mass.state.parameters,
        mass.optics,
        SPHERE,
        held,
        pooled=shared,
        most_steps=6,
        cancelled=cancelled,
    )
    flat_model = Model(part.scene, part.component, Kind.FLAT, free_prior, rim)
    flat = solve(
        flat_model, parameters, Optics(1.0, typical, 1.0), SPHERE, held, pooled=(1, 2), most_steps=10,
        cancelled=cancelled,
    )  # fmt: skip
    overlap, contacts = 0.0, Contacts.none()
    if _cost(flat) < _cost(mass):
        kind, model, fit = Kind.FLAT, flat_model, flat
    else:
        kind = Kind.MASS
        overlap, contacts, fit = _find_overlap(model, mass, held, shared, cancelled)
        if not bright:
            # Black is not always zero in what reaches us: an amplitude of its own, if it clearly helps.
            freed = solve(
                model, fit.state.parameters, fit.optics, SPHERE, held, pooled=(0, 1, 2), most_steps=8,
                cancelled=cancelled,
            )  # fmt: skip
            fit = freed if _cost(freed) < _cost(fit) - _DECISIVE else fit
    strain_sd, absorption_sd, fit = _spreads(part, contacts, fit, kind, held, rim, cancelled)
    if overlap and strain_sd:
        # Before shapes are free, ellipsoids that only touch look like spheres grown into each other.
        apart = _spreads(part, Contacts.none(), mass, kind, held, rim, cancelled)
        if _cost(apart[-1]) < _cost(fit):
            overlap, model.contacts = 0.0, Contacts.none()
            strain_sd, absorption_sd, fit = apart
    optics = scaled(fit.optics, 1 / part.factor)
    found = Physics(kind, optics, strain_sd, absorption_sd, overlap, _typical_misfit(model, fit, held))
    return found, Physics(Kind.MASS, scaled(mass.optics, 1 / part.factor), 0.0, 0.0, 0.0, found.misfit)


def _ordinary(part: Part, fit: Fit, model: Model, held: NDArray[np.bool_]) -> tuple[Part, NDArray[np.bool_]]:
    """Keep the components that are described best: others may lack a particle, or have one too many."""
    cost = fit.state.cost / np.maximum(model.n_px, 1)
    size = np.bincount(part.component, minlength=len(cost))
    order = np.argsort(cost, kind="stable")
    enough = np.cumsum(size[order]) >= max(BEST * len(held), min(len(held), FEWEST))
    kept = order[: int(np.argmax(enough)) + 1]
    gone = ~np.isin(np.arange(len(cost)), kept)
    owner = np.where((part.scene.owner >= 0) & gone[part.scene.owner], -1, part.scene.owner)
    return replace(part, scene=replace(part.scene, owner=owner)), held | gone[part.component]


def _cost(fit: Fit) -> float:
    return float(fit.state.cost.sum())


def _find_overlap(
    model: Model, fit: Fit, held: NDArray[np.bool_], shared: tuple[int, ...], cancelled: Cancelled
) -> tuple[float, Contacts, Fit]:
    """Try degrees of sintering, least first, until it gets worse."""
    best, contacts, chosen = fit, Contacts.none(), 0.0
    worse = 0
    for overlap in OVERLAPS:
        trial = fit
        for _ in range(2):
            model.contacts = find_contacts(model, trial, overlap)
            if not len(model.contacts.small):
                break
            trial = solve(
                model, trial.state.parameters, trial.optics, SPHERE, held, pooled=shared, most_steps=4,
                cancelled=cancelled,
            )  # fmt: skip
        if _cost(trial) < _cost(best):
            best, contacts, chosen, worse = trial, model.contacts, overlap, 0
        else:
            worse += 1
        model.contacts = Contacts.none()
        if worse == 2:
            break
    model.contacts = contacts
    return chosen, contacts, best


def _spreads(
    part: Part,
    contacts: Contacts,
    fit: Fit,
    kind: Kind,
    held: NDArray[np.bool_],
    rim: int,
    cancelled: Cancelled,
) -> tuple[float, float, Fit]:
    """How far particles are from spheres and from absorbing alike: the spread beyond its own errors."""
    n = len(held)
    columns = SHAPED if kind is Kind.MASS else (*SPHERE, Q1, Q2)
    strain_sd, absorption_sd = _FIRST_SD
    free = np.flatnonzero(~held)
    best = fit
    for _ in range(2):
        precision = np.zeros((n, N_PARAMETERS))
        precision[:, [Q1, Q2]] = strain_sd**-2.0
        precision[:, H] = absorption_sd**-2.0
        model = Model(part.scene, part.component, kind, Prior(np.zeros((n, N_PARAMETERS)), precision), rim)
        model.contacts = contacts
        best = solve(
            model, best.state.parameters, best.optics, columns, held,
            pooled=(2,) if kind is Kind.MASS else (1, 2), most_steps=6, cancelled=cancelled,
        )  # fmt: skip
        equations = model.linearise(best.state, best.optics, free, columns)
        variance = covariance(model, equations, free)
        inflation = max(float(best.state.cost.sum()) / max(float(model.n_px.sum()), 1.0), 1.0)
        p = best.state.parameters[free]
        strain_sd = _spread(
            p[:, [Q1, Q2]].ravel(), inflation * variance[:, 3:5].ravel(), strain_sd, *STRAIN_SD
        )
        if kind is Kind.MASS:
            # What all have in common belongs to the absorption that is shared.
            common = float(np.median(p[:, H]))
            moved = best.state.parameters.copy()
            moved[free, H] -= common
            best = replace(
                best,
                state=replace(best.state, parameters=moved),
                optics=replace(best.optics, absorption=best.optics.absorption * float(np.exp(common))),
            )
            p = moved[free]
            absorption_sd = _spread(p[:, H], inflation * variance[:, 5], absorption_sd, *ABSORPTION_SD)
    if kind is Kind.FLAT:
        absorption_sd = 0.0
    return (
        0.0 if strain_sd <= STRAIN_SD[0] else strain_sd,
        0.0 if absorption_sd <= ABSORPTION_SD[0] else absorption_sd,
        best,
    )


def _spread(
    values: NDArray[np.float64], variance: NDArray[np.float64], sd: float, least: float, greatest: float
) -> float:
    """One step of expectation maximisation towards the spread behind estimates that a prior has shrunk."""
    # E[q^2] = shrunk estimate squared + what is left of its variance; the middle of the particles decides,
    # not a few that fit badly.
    second = values**2 + np.minimum(variance, sd**2)
    size = np.sort(second)
    kept = size[: max(int(0.9 * len(size)), 1)]
    # A normal distribution without its largest tenth has 0.62 of its variance.
    found = float(np.sqrt(kept.mean() / 0.62)) if len(kept) else 0.0
    return float(np.clip(found, least, greatest))


def _typical_misfit(model: Model, fit: Fit, held: NDArray[np.bool_]) -> float:
    misfit = misfits(model, fit)[0][~held]
    known = misfit[np.isfinite(misfit)]
    return float(np.median(known)) if len(known) else 1.0
