"""From particles that were found to particles that were fitted: the whole road for one micrograph."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import (
    Cancelled,
    Progress,
    checkpoint,
    never_cancelled,
    no_progress,
)
from nanoai_gui.core.callbacks import (
    part as share,
)
from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity
from nanoai_gui.core.tem.fitting.bodies import LOG_R, N_PARAMETERS, H, Kind, X, Y
from nanoai_gui.core.tem.fitting.groups import Layout, Part, cut
from nanoai_gui.core.tem.fitting.model import Model
from nanoai_gui.core.tem.fitting.pooled import WELL_DESCRIBED, Physics, find_physics, scaled
from nanoai_gui.core.tem.fitting.proposals import Sizes
from nanoai_gui.core.tem.fitting.report import FitReport
from nanoai_gui.core.tem.fitting.revision import Revision, revise
from nanoai_gui.core.tem.fitting.signal import Signal, read_signal
from nanoai_gui.core.tem.fitting.solver import CLOSE_PX, find_contacts, solve
from nanoai_gui.core.tem.fitting.verdict import Judgement, judge
from nanoai_gui.core.tem.micrograph import Micrograph

MARGIN_PX = 6
"""Background around agglomerates that is fitted with them, in px of the scene."""
MODEL_ERROR = 0.02
"""What even a right model is expected to be wrong by, as a share of the typical contrast."""
SMALLEST_PX = 5.0
"""Diameter below which even a fit started from the truth is off (measured on synthetic images)."""
LIMIT_ERROR = 0.1
MOST_MISSED, LITTLE = 0.35, 0.002
"""Share of the particles that may be missing for those there to be spheres, and misfit that means nothing."""
SAMPLE_PARTICLES = 60
SAMPLE_LARGEST = 12
"""Particles in the handful of agglomerates that give the shared parameters, and in one of them at most."""


@dataclass(frozen=True, eq=False)
class Starts:
    """Particles to start from, as columns of length n (px of the micrograph).

    Parameters
    ----------
    agglomerate
        Their agglomerates.
    x, y, radius
        Centre and radius of the circle of their area.
    held
        True where a person has placed the particle: it takes part, unchanged.
    """

    agglomerate: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    radius: NDArray[np.float64]
    held: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True)
class Common:
    """Noise and typical contrast of an image; median and spread (of ln r) of the radii to start from (px)."""

    noise: float
    contrast: float
    radius: float
    spread: float


@dataclass(frozen=True, eq=False)
class Refined:
    """The fit of one micrograph.

    Parameters
    ----------
    parameters
        (n, 6), see :mod:`~nanoai_gui.core.tem.fitting.bodies`, in px of the micrograph.
    judgement
        How good it is, particle by particle.
    physics
        What all of them share; ``None`` where there was nothing to fit.
    levels
        (m, 2): agglomerate and the level of the background there beside the flattened one.
    limit_px
        Diameter below which nothing can be measured in this image.
    dropped
        (n,) true for particles that are not there.
    added, added_agglomerate, added_judgement
        (m, 6), (m,): particles that were missing.
    common
        What else goes for all of them.
    revised
        Whether missing particles were looked for, and such as are not there.
    """

    parameters: NDArray[np.float64]
    judgement: Judgement
    physics: Physics | None
    levels: NDArray[np.float64]
    limit_px: float
    dropped: NDArray[np.bool_]
    added: NDArray[np.float64]
    added_agglomerate: NDArray[np.int32]
    added_judgement: Judgement
    common: Common | None = None
    revised: bool = False

    def report(self, n: int, outlines_stand: bool) -> FitReport | None:
        """Sum up the fit for the result, which holds the first ``n`` particles."""
        physics, common = self.physics, self.common
        if physics is None or common is None:
            return None
        p = np.concatenate([self.parameters[:n], self.added])
        extra = p[:, [X, Y, H]] if physics.absorption_sd else np.empty((0, 3))
        return FitReport(
            contrast_kind=physics.kind.value,
            absorption=float(physics.optics.absorption),
            amplitude=float(physics.optics.amplitude),
            blur_px=float(physics.optics.blur_px),
            overlap=physics.overlap,
            strain_sd=physics.strain_sd,
            absorption_sd=physics.absorption_sd,
            outlines_stand=outlines_stand,
            detection_limit_px=self.limit_px,
            levels=self.levels,
            extra=extra,
            misfit=physics.misfit,
            noise=common.noise,
            typical_contrast=common.contrast,
            typical_radius_px=common.radius,
            radius_spread=common.spread,
        )


def refine(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    starts: Starts,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    *,
    change_number: bool = False,
    known: FitReport | None = None,
) -> Refined:
    """Fit all particles of a micrograph.

    With ``known``, they are a part of those that it tells of, and fitted as those were.

    With ``change_number``, particles that are clearly missing are added and such as clearly are not there
    dropped.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    n = len(starts)
    parameters = np.zeros((n, N_PARAMETERS))
    parameters[:, X], parameters[:, Y] = starts.x, starts.y
    parameters[:, LOG_R] = np.log(np.maximum(starts.radius, 0.5))
    if not n or starts.held.all():
        return Refined(
            parameters, Judgement.nothing(n), None, np.empty((0, 2)), SMALLEST_PX, np.zeros(n, dtype=bool),
            np.empty((0, N_PARAMETERS)), np.empty(0, dtype=np.int32), Judgement.nothing(0),
        )  # fmt: skip
    progress(0.0, "Reading the contrast")
    signal = read_signal(micrograph, agglomerates, None if known is None else known.noise)
    checkpoint(cancelled)
    layout = Layout.of(agglomerates, starts.agglomerate, starts.x, starts.y, np.exp(parameters[:, LOG_R]))
    if known is None:
        middle = float(np.median(starts.radius))
        spread = 1.4826 * float(np.median(np.abs(np.log(starts.radius / middle))))
        common = Common(signal.noise, _typical_contrast(signal, agglomerates, starts), middle, spread)
    else:
        middle, spread = known.typical_radius_px, known.radius_spread
        common = Common(known.noise, known.typical_contrast, middle, spread)
    floor = MODEL_ERROR * common.contrast
    if known is None:
        progress(0.05, "Finding the kind of contrast")
        physics = _physics(signal, agglomerates, starts, parameters, layout, common, change_number, cancelled)
    else:
        physics = Physics.of(known)
    limit = _detection_limit(physics, signal) if known is None else known.detection_limit_px
    outcome = _Outcome(parameters, Judgement.nothing(n), np.zeros(n, dtype=bool), [], [], [], [])
    done = 0
    margin = MARGIN_PX + int(np.ceil(physics.optics.blur_px))
    step = share(progress, 0.2, 1.0)
    revised = change_number and physics.tells_number
    for numbers in layout.schedule(np.arange(len(layout.boxes))):
        checkpoint(cancelled)
        step(done / n, "Fitting particles")
        piece = cut(signal, agglomerates, layout, numbers, floor, margin)
        fitted = _fit_part(piece, parameters, starts.held, physics, cancelled)
        if revised:
            sizes = Sizes(middle / piece.factor, spread, 0.5 * limit / piece.factor)
            start = piece.to_scene(parameters[piece.rows])
            fitted = revise(fitted, start, physics, sizes, cancelled)
        _collect(outcome, piece, fitted, physics, agglomerates, layout)
        done += len(piece.rows)
    progress(1.0, "Fitting particles")
    return Refined(
        parameters=parameters,
        judgement=outcome.judgement,
        physics=physics,
        levels=np.concatenate(outcome.levels),
        limit_px=limit,
        dropped=outcome.dropped,
        added=np.concatenate(outcome.added),
        added_agglomerate=np.concatenate(outcome.added_agglomerate),
        added_judgement=Judgement.joined(outcome.added_judgement),
        common=common,
        revised=revised,
    )


def _physics(
    signal: Signal,
    agglomerates: Agglomerates,
    starts: Starts,
    parameters: NDArray[np.float64],
    layout: Layout,
    common: Common,
    change_number: bool,
    cancelled: Cancelled,
) -> Physics:
    """Find what all particles share on a handful of agglomerates."""
    sample = _sample(signal, agglomerates, starts, layout, MODEL_ERROR * common.contrast)
    inside = sample.to_scene(parameters[sample.rows])
    held = starts.held[sample.rows]
    bright = signal.polarity is Polarity.BRIGHT or bool(signal.scale)
    found, plain = find_physics(sample, inside, held, common.contrast, _rim(inside), bright, cancelled)
    if found.is_plain:
        return found.simplified()
    if not change_number or found.kind is not Kind.MASS or found.misfit > WELL_DESCRIBED:
        return found
    # A missing particle looks like sintering, or like its neighbours being no spheres: once more, with what
    # spheres that only touch would lack.
    whole, p, still = sample, inside, held
    for _ in range(2):
        model = Model(whole.scene, whole.component, plain.kind, plain.prior(len(p)), _rim(p))
        optics = scaled(plain.optics, sample.factor)
        fit = solve(model, p, optics, plain.columns, still, cancelled=cancelled)
        sizes = Sizes(
            common.radius / sample.factor,
            common.spread,
            0.5 * _detection_limit(plain, signal) / sample.factor,
        )
        revised = revise(Revision(model, fit, np.arange(len(p)), still), p, plain, sizes, cancelled)
        if revised.model is model:
            break
        whole = replace(sample, component=revised.model.component)
        p, still = revised.fit.state.parameters, revised.held
        again, plain = find_physics(whole, p, still, common.contrast, revised.model.rim, bright, cancelled)
        few = len(p) <= (1 + MOST_MISSED) * len(inside)
        if again.is_plain:
            return again.simplified()
        if few and again.misfit < found.misfit + LITTLE:
            found = again
    return found


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What comes of the scenes, one after the other."""

    parameters: NDArray[np.float64]
    judgement: Judgement
    dropped: NDArray[np.bool_]
    levels: list[NDArray[np.float64]]
    added: list[NDArray[np.float64]]
    added_agglomerate: list[NDArray[np.int32]]
    added_judgement: list[Judgement]


def _detection_limit(physics: Physics, signal: Signal) -> float:
    """Diameter (px) of the smallest particle that could be measured here.

    The contrast of a sphere grows with its diameter, and so does the number of px it covers: its sum must
    stand out of the noise far enough that the diameter is known to a tenth. However clear the image, what
    is not several px wide and wider than the blur has no shape that could be fitted.
    """
    optics = physics.optics
    for d in np.arange(2.0, 200.0, 0.25).tolist():
        depth = optics.absorption * d * 2 / 3 if physics.kind is Kind.MASS else np.inf
        contrast = optics.amplitude * -np.expm1(-depth)
        # The sum of contrast goes with d^3 (mass) or d^2 (flat): its relative error is that many times that
        # of d.
        power = 3 if physics.kind is Kind.MASS else 2
        spread = np.sqrt(np.pi * (d * d / 4 + 4 * optics.blur_px**2))
        if power * LIMIT_ERROR * contrast * np.pi / 4 * d * d > signal.noise * spread:
            return float(max(d, SMALLEST_PX, 2 * 1.5 * optics.blur_px))
    return 200.0


def _fit_part(
    piece: Part,
    parameters: NDArray[np.float64],
    held: NDArray[np.bool_],
    physics: Physics,
    cancelled: Cancelled,
) -> Revision:
    """Fit the particles of one scene."""
    start = piece.to_scene(parameters[piece.rows])
    fixed = held[piece.rows]
    model = Model(piece.scene, piece.component, physics.kind, physics.prior(len(start)), _rim(start))
    optics = scaled(physics.optics, piece.factor)
    # With contacts still to be found there is no use in going all the way.
    close = 0.05 if physics.overlap else CLOSE_PX
    fit = solve(model, start, optics, physics.columns, fixed, close_px=close, cancelled=cancelled)
    if physics.overlap:
        for close in (0.05, CLOSE_PX):
            model.contacts = find_contacts(model, fit, physics.overlap)
            fit = solve(
                model, fit.state.parameters, optics, physics.columns, fixed, most_steps=4, close_px=close,
                cancelled=cancelled,
            )  # fmt: skip
    return Revision(model, fit, np.arange(len(start)), fixed)


def _collect(
    outcome: _Outcome,
    piece: Part,
    fitted: Revision,
    physics: Physics,
    agglomerates: Agglomerates,
    layout: Layout,
) -> None:
    """Write the fit of one scene into the tables of the micrograph."""
    judgement = judge(fitted.model, fitted.fit, physics, fitted.held)
    p, old = fitted.fit.state.parameters, fitted.origin >= 0
    rows = piece.rows[fitted.origin[old]]
    free = ~fitted.held[old]
    moved = piece.to_image(p[old], piece.shift[fitted.origin[old]])
    # What is held keeps its very numbers.
    outcome.parameters[rows[free]] = moved[free]
    judgement.select(old).into(outcome.judgement, rows)
    outcome.dropped[np.setdiff1d(piece.rows, rows)] = True
    # A new particle lies where the others of its component do.
    component = fitted.model.component[~old]
    first = np.array([int(np.flatnonzero(piece.component == c)[0]) for c in component], dtype=np.intp)
    new = piece.to_image(p[~old], piece.shift[first])
    mine = np.flatnonzero(np.isin(layout.owner_of, piece.numbers))
    local = np.searchsorted(piece.numbers, layout.owner_of[mine])
    outcome.added.append(new)
    outcome.added_agglomerate.append(
        np.array(
            [
                _agglomerate_at(agglomerates, float(q[X]), float(q[Y]), mine[local == c])
                for q, c in zip(new, component, strict=True)
            ],
            dtype=np.int32,
        )
    )
    outcome.added_judgement.append(judgement.select(~old))
    levels = fitted.fit.state.level[local]
    outcome.levels.append(np.column_stack([agglomerates.ids[mine], levels]))


def _agglomerate_at(agglomerates: Agglomerates, x: float, y: float, rows: NDArray[np.intp]) -> int:
    """Give the agglomerate at a place, or else the nearest of some."""
    height, width = agglomerates.labels.shape
    label = int(agglomerates.labels[int(np.clip(y, 0, height - 1)), int(np.clip(x, 0, width - 1))])
    ids = agglomerates.ids[rows]
    if label in ids:
        return label
    return int(ids[np.argmin(np.hypot(agglomerates.x[rows] - x, agglomerates.y[rows] - y))])


def _rim(parameters: NDArray[np.float64]) -> int:
    """Widest half window that a fit may need (px of the scene)."""
    return int(np.ceil(1.6 * np.exp(parameters[:, LOG_R].max()))) + 12


def _typical_contrast(signal: Signal, agglomerates: Agglomerates, starts: Starts) -> float:
    """Median contrast around the middle of particles (their own share of it where they overlap)."""
    values = []
    height, width = signal.micrograph.field_pixels.shape
    rows = np.linspace(0, len(starts) - 1, min(len(starts), 200)).astype(int)
    for k in rows.tolist():
        reach = max(int(starts.radius[k] / 3), 1)
        y, x = int(np.clip(starts.y[k], 0, height - 1)), int(np.clip(starts.x[k], 0, width - 1))
        window = signal.cut(
            max(y - reach, 0), max(x - reach, 0), min(y + reach + 1, height), min(x + reach + 1, width)
        )
        values.append(float(window.mean()))
    return max(float(np.median(values)), 3 * signal.noise / max(float(np.median(starts.radius)), 1.0), 1e-3)


def _sample(signal: Signal, agglomerates: Agglomerates, starts: Starts, layout: Layout, floor: float) -> Part:
    """Cut out a handful of agglomerates: not too crowded, of ordinary particles, from all over the image."""
    component = layout.component
    size = np.bincount(component)
    odd = np.bincount(component, np.abs(np.log(starts.radius) - np.median(np.log(starts.radius)))) / size
    # One reduction only: that of most particles.
    factor = int(np.median(layout.factor[component]))
    factor = int(layout.factor[np.argmin(np.abs(layout.factor - factor))])
    able = np.flatnonzero(layout.factor == factor)
    fewest = max(SAMPLE_LARGEST, int(size[able].min()))
    able = able[size[able] <= fewest]
    able = able[np.argsort(odd[able], kind="stable")[: max(len(able) // 2, 20)]]
    rng = np.random.default_rng(0)
    chosen: list[int] = []
    for k in rng.permutation(able).tolist():
        chosen.append(k)
        if size[chosen].sum() >= SAMPLE_PARTICLES:
            break
    return cut(signal, agglomerates, layout, np.sort(np.array(chosen, dtype=np.intp)), floor, MARGIN_PX + 2)
