"""Particle by particle: a network finds each with its outline, a physical fit measures what it describes.

Where particles are spheres or ellipsoids of a translucent or flat material, their places and sizes come from
the fit, with a standard error each. Where the model does not describe the image, the network's outline
stands: for single particles, which are then flagged, or for all of them where they are angular.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress, part
from nanoai_gui.core.parameters import check, parameter
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.detection.detections import DetectionParameters, Detections, Look
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult

if TYPE_CHECKING:
    from nanoai_gui.core.tem.fitting.refine import Refined
    from nanoai_gui.core.tem.fitting.report import FitReport

NAME = "fit"
TITLE = "Network and fit"
SUMMARY = "A network finds every particle and its outline; a physical fit then measures overlapping spheres."

NOTHING_FOUND = "no particle found"
"""Why an agglomerate is left out in which there is none: film, dirt, or a speck above the threshold."""

_LARGEST_CHANGE = 0.35
"""A fit that changes ln r, or moves the centre (in radii), by more has found another particle ..."""
_NETWORK_SD = 4.0
"""... unless the network itself was no surer of the radius than this many of its standard errors."""
_SURE = 0.15
"""Standard error of ln r above which a particle that only the fit found is not believed, nor one that moved
where the number was revised (there, the limits above do not hold)."""
_ADDED_SCORE = 0.6
"""Score of a particle that the network did not find, before its misfit is taken off."""
_CONCENTRIC = 0.1
"""An added particle whose centre is nearer to that of one that stands alone than this share of its radius
makes up for what the model gets wrong in the middle of that one: by chance one in a hundred would lie so."""
_MOST_FLAGGED = 0.2
"""Where the model fails for more than this share of an image's particles, it is the wrong model for it."""


@dataclass(frozen=True, slots=True)
class FitParameters(DetectionParameters):
    """What a person can set of the network and the fit."""

    refine: bool = parameter(
        True, "Physical fit",
        help="Fit spheres or ellipsoids to the grey levels where they describe the image; off: the network's "
        "outlines alone.",
    )  # fmt: skip
    change_number: bool = parameter(
        True, "Find missed particles",
        help="Add particles that the network missed, and drop such as explain nothing, where the grey levels "
        "leave no doubt.",
    )  # fmt: skip
    least_thickness_percent: float = parameter(
        50.0, "Least thickness", unit="%", minimum=0, maximum=100, step=5, advanced=True,
        help="Of what is as thick as it is wide like the other particles. Something fainter beside them of "
        "which the network is not sure is taken for film or dirt; 0: nothing is.",
    )  # fmt: skip
    largest_misfit_percent: float = parameter(
        10.0, "Largest misfit", unit="%", minimum=0.5, maximum=100, step=0.5, advanced=True,
        help="Share of a particle's contrast that the fit may leave unexplained, noise taken off. Above "
        "it the network's outline stands and the particle is marked.",
    )  # fmt: skip


Parameters = FitParameters


def why_unavailable() -> str:
    """Say why there is no network to find particles with; nothing if there is one."""
    from nanoai_gui.core.errors import ReadError
    from nanoai_gui.core.tem.detection.model import shipped_network

    try:
        shipped_network()
    except ReadError as error:
        return str(error)
    return ""


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: FitParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    held: Particles | None = None,
    counts: Mapping[int, int] | None = None,
    known: FitReport | None = None,
) -> SizingResult:
    """Measure the primary particles.

    Parameters
    ----------
    held
        Particles that a person placed or accepted: they take part in the fit just as they are, what the
        network finds in their place is left out, and they are not part of the result.
    counts
        Number of particles that a person gave for an agglomerate, held ones included: of more, those of
        which the network is surest are kept.
    known
        What was found in the image of which this is a part: it is measured in the same way.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    from nanoai_gui.core.tem.detection.model import describe_network, shipped_network
    from nanoai_gui.core.tem.detection.search import detect

    check(parameters)
    known = known if known is not None and known.is_whole else None
    look = None if known is None else Look(known.network_scale, known.network_contrast)
    agglomerates = _with_background(micrograph, agglomerates)
    checkpoint(cancelled)
    found = detect(micrograph, agglomerates, parameters, part(progress, 0.0, 0.4), cancelled, look=look)
    checkpoint(cancelled)
    held = Particles.empty() if held is None else held
    found = _of_one_material(micrograph, agglomerates, found, parameters, known)
    found = _beside(found, held)
    found = _limited(found, held, counts or {})
    fitting = part(progress, 0.4, 1.0)
    result = measure(
        micrograph, agglomerates, found, parameters, held, fitting, cancelled,
        fixed_number=bool(counts), known=known,
    )  # fmt: skip
    return replace(_without_empty(result, held), model=describe_network(shipped_network()))


def _without_empty(result: SizingResult, held: Particles) -> SizingResult:
    """Leave out, with the reason, the agglomerates that hold no particle: they were not measured."""
    ids = result.agglomerate_ids
    holds = np.isin(ids, np.concatenate([result.particles.agglomerate, held.agglomerate]))
    excluded = [
        why if why or full else NOTHING_FOUND for why, full in zip(result.excluded, holds, strict=True)
    ]
    return replace(result, excluded=tuple(excluded))


def measure(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    found: Detections,
    parameters: FitParameters,
    held: Particles,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    *,
    fixed_number: bool = False,
    known: FitReport | None = None,
) -> SizingResult:
    """Fit what was found, and take from the fit what it describes.

    Parameters
    ----------
    found
        Particles and their outlines.
    held
        Particles that take part unchanged; they are not part of the result.
    fixed_number
        A person gave the number of particles: none is added or dropped.
    known
        See :func:`size`.
    """
    particles = _from_network(found)
    if not len(found) or not parameters.refine:
        return SizingResult.from_particles(NAME, agglomerates, particles)
    from nanoai_gui.core.tem.detection.merging import are_marks
    from nanoai_gui.core.tem.fitting.refine import Starts, refine

    starts = Starts(
        np.concatenate([found.agglomerate, held.agglomerate]).astype(np.int32),
        np.concatenate([found.x, held.x]),
        np.concatenate([found.y, held.y]),
        np.concatenate([found.radius_px, held.diameter_px / 2]),
        np.concatenate([np.zeros(len(found), dtype=bool), np.ones(len(held), dtype=bool)]),
    )
    refined = refine(
        micrograph, agglomerates, starts, progress, cancelled,
        change_number=parameters.change_number and not fixed_number, known=known,
    )  # fmt: skip
    believed = _believed(found, refined, parameters)
    # What was dropped, or gave way to others, is no longer there for the model to fail at.
    there = ~refined.dropped[: len(found)]
    fails = np.count_nonzero(there & ~believed) > _MOST_FLAGGED * np.count_nonzero(there)
    stand = bool(fails) if known is None else known.outlines_stand
    if stand:
        # The model is wrong for this image: what it says of the number of particles counts for nothing.
        if not fixed_number:
            particles = particles.select(~are_marks(found))
            particles = replace(particles, ids=np.arange(1, len(particles) + 1, dtype=np.int32))
        return replace(
            SizingResult.from_particles(NAME, agglomerates, particles), fit=_report(refined, found, stand)
        )
    particles = replace(_from_fit(particles, refined, believed), flagged=~believed)
    particles = _with_added(particles.select(~refined.dropped[: len(found)]), refined, parameters)
    result = SizingResult.from_particles(NAME, agglomerates, particles)
    return replace(result, fit=_report(refined, found, stand))


def _report(refined: Refined, found: Detections, stand: bool) -> FitReport | None:
    report, look = refined.report(len(found), stand), found.look
    if report is None or look is None:
        return report
    return replace(report, network_scale=look.scale, network_contrast=look.darkest)


def _with_background(micrograph: Micrograph, agglomerates: Agglomerates) -> Agglomerates:
    """Estimate the background, if it is not known, once for the network and the fit."""
    from nanoai_gui.core.tem.background import estimate_background

    if agglomerates.background is not None or not agglomerates.measured.any():
        return agglomerates
    field = np.asarray(micrograph.field_pixels)
    return replace(agglomerates, background=estimate_background(field, agglomerates.polarity))


def _of_one_material(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    found: Detections,
    parameters: FitParameters,
    known: FitReport | None,
) -> Detections:
    """Leave out what is too faint to be of the material of the others."""
    if not len(found) or not parameters.least_thickness_percent:
        return found
    from nanoai_gui.core.tem.fitting.foreign import too_faint
    from nanoai_gui.core.tem.fitting.signal import read_signal

    signal = read_signal(micrograph, agglomerates, None if known is None else known.noise)
    usual = None
    if known is not None:
        contrast = known.typical_contrast
        opaque = signal.sign > 0 and not signal.scale
        thickness = -np.log(max(1 - contrast, 0.02)) if opaque else contrast
        usual = float(thickness), known.typical_radius_px
    return found.select(~too_faint(signal, found, parameters.least_thickness_percent / 100, usual))


def _from_network(found: Detections) -> Particles:
    return Particles.from_areas(
        found.agglomerate, found.x, found.y, found.area_px, found.score, found.outlines,
        2 * found.radius_sd_px,
    )  # fmt: skip


def _believed(found: Detections, refined: Refined, parameters: FitParameters) -> NDArray[np.bool_]:
    """Whether the fit of each particle describes what the network found."""
    n = len(found)
    p, judgement = refined.parameters[:n], refined.judgement
    misfit, error = judgement.misfit[:n], judgement.log_r_sd[:n]
    change = np.abs(p[:, 2] - np.log(np.maximum(found.radius_px, 0.5)))
    moved = np.hypot(p[:, 0] - found.x, p[:, 1] - found.y) / np.maximum(found.radius_px, 0.5)
    share = np.nan_to_num(found.radius_sd_px / np.maximum(found.radius_px, 0.5), nan=0.0)
    room = np.maximum(_LARGEST_CHANGE, _NETWORK_SD * share)
    with np.errstate(invalid="ignore"):
        good = (misfit < parameters.largest_misfit_percent / 100) & (error < _LARGEST_CHANGE)
    # Where the number was revised, another one may have been found where this one was.
    surely = refined.revised & (error < _SURE)
    return np.asarray(good & (surely | (change < room) & (moved < room)))


def _from_fit(particles: Particles, refined: Refined, believed: NDArray[np.bool_]) -> Particles:
    """Replace what the network measured by the fit where it is believed."""
    from nanoai_gui.core.tem.fitting.report import ellipse

    n = len(particles)
    p, judgement = refined.parameters[:n], refined.judgement
    radius = np.exp(p[:, 2])
    outlines = list(particles.outlines)
    for k in np.flatnonzero(believed).tolist():
        outlines[k] = ellipse(p[k, 0], p[k, 1], radius[k], p[k, 3], p[k, 4])
    # What the model leaves unexplained makes a particle less sure, whoever measured it.
    trust = 1 - np.clip(np.nan_to_num(judgement.misfit[:n], nan=0.0), 0, 1)
    return replace(
        particles,
        x=np.where(believed, p[:, 0], particles.x),
        y=np.where(believed, p[:, 1], particles.y),
        area_px=np.where(believed, np.pi * radius**2, particles.area_px),
        uncertainty_px=np.where(believed, 2 * radius * judgement.log_r_sd[:n], particles.uncertainty_px),
        score=np.where(believed, particles.score * trust, particles.score),
        outlines=tuple(outlines),
    )


def _with_added(particles: Particles, refined: Refined, parameters: FitParameters) -> Particles:
    """Add what the fit found; what it does not describe well is left out again."""
    from nanoai_gui.core.tem.fitting.report import ellipse

    p, judgement = refined.added, refined.added_judgement
    with np.errstate(invalid="ignore"):
        good = (judgement.misfit < parameters.largest_misfit_percent / 100) & (judgement.log_r_sd < _SURE)
    good &= ~_concentric(p, refined.added_agglomerate, particles)
    p, misfit, error = p[good], judgement.misfit[good], judgement.log_r_sd[good]
    if not len(p):
        return replace(particles, ids=np.arange(1, len(particles) + 1, dtype=np.int32))
    radius = np.exp(p[:, 2])
    new = Particles.from_areas(
        refined.added_agglomerate[good], p[:, 0], p[:, 1], np.pi * radius**2, _ADDED_SCORE * (1 - misfit),
        [ellipse(q[0], q[1], r, q[3], q[4]) for q, r in zip(p, radius, strict=True)], 2 * radius * error,
    )  # fmt: skip
    columns = {
        f.name: np.concatenate([getattr(particles, f.name), getattr(new, f.name)])
        for f in fields(Particles)
        if f.name not in ("ids", "outlines")
    }
    ids = np.arange(1, len(particles) + len(new) + 1, dtype=np.int32)
    return Particles(ids=ids, outlines=particles.outlines + new.outlines, **columns)


def _concentric(
    added: NDArray[np.float64], agglomerate: NDArray[np.int32], particles: Particles
) -> NDArray[np.bool_]:
    """Whether added particles (rows of x, y, ln r) sit in the very middle of one that stands alone."""
    out = np.zeros(len(added), dtype=bool)
    for k, mine in enumerate(agglomerate.tolist()):
        rows = np.flatnonzero(particles.agglomerate == mine)
        if len(rows) == 1:
            away = np.hypot(particles.x[rows[0]] - added[k, 0], particles.y[rows[0]] - added[k, 1])
            out[k] = away < _CONCENTRIC * particles.diameter_px[rows[0]] / 2
    return out


def _beside(found: Detections, held: Particles) -> Detections:
    """Leave out what was found where a held particle is."""
    if not len(held) or not len(found):
        return found
    from nanoai_gui.core.tem.evaluation import Circles, mostly_covered

    there = Circles(held.x, held.y, held.diameter_px)
    return found.select(~mostly_covered(Circles(found.x, found.y, 2 * found.radius_px), there))


def _limited(found: Detections, held: Particles, counts: Mapping[int, int]) -> Detections:
    """Keep the surest particles where a person gave the number."""
    keep = np.ones(len(found), dtype=bool)
    for agglomerate, n in counts.items():
        rows = np.flatnonzero(found.agglomerate == agglomerate)
        room = max(n - int(np.count_nonzero(held.agglomerate == agglomerate)), 0)
        keep[rows[np.argsort(-found.score[rows], kind="stable")][room:]] = False
    return found.select(keep)
