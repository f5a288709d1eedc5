"""What must be measured again after an edit: the touched agglomerates and nothing else.

A :class:`Remeasurement` holds the parts of an image around them, small enough to travel to a worker process.
What a person placed or accepted there stays as it is.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.editing.covering import covered_by
from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.labels import box_of
from nanoai_gui.core.editing.patches import ParticlePatch
from nanoai_gui.core.editing.regions import neighbourhoods
from nanoai_gui.core.editing.rows import (
    is_in,
    join_particles,
    joined_results,
    take_agglomerates,
    take_result,
)
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.analysis import ImageRequest, load
from nanoai_gui.core.tem.background import Background, estimate_background
from nanoai_gui.core.tem.micrograph import Box, Micrograph
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.core.tem.sizing import SizingResult, count_particles, get_method

if TYPE_CHECKING:
    from nanoai_gui.core.tem.fitting.report import FitReport

MARGIN_PX = 24
"""Of the image around the touched agglomerates."""
LARGEST_MARGIN_PX = 400
"""The same at most, for a network that looks far around."""
MOST_PX = 2_500_000
"""Cut out at a time: more would hold up the window while it is copied."""
NOT_ASKED = "not asked for"
_SAME_PLACE = 0.35
"""A particle found within this share of its radius of an old one is that one, and keeps its id."""


@dataclass(frozen=True, eq=False)
class GreyLevels:
    """What measuring needs besides the labels: made once for an image and its settings.

    ``contrast`` as in :class:`Agglomerates`; ``edge_noise`` and ``background`` likewise.
    """

    contrast: NDArray[np.float32]
    edge_noise: float
    background: Background


def prepare_grey_levels(
    request: ImageRequest,
    parameters: SegmentationParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> GreyLevels:
    """Read an image and prepare it as :func:`nanoai_gui.core.tem.segmentation.segment` does.

    Raises
    ------
    ReadError
        If the file cannot be read any more.
    """
    from nanoai_gui.core.tem.segmentation import label, prepare, threshold_level
    from nanoai_gui.core.tem.sizing.edges import noise_steepness

    micrograph = load(request)
    prepared = prepare(micrograph, parameters, progress, cancelled)
    checkpoint(cancelled)
    found = label(prepared, parameters, threshold_level(prepared, parameters), progress, cancelled)
    background = estimate_background(np.asarray(micrograph.field_pixels), found.polarity)
    return GreyLevels(prepared.contrast, noise_steepness(found), background)


@dataclass(frozen=True, eq=False)
class MethodRequest:
    """What one method is asked for."""

    name: str
    parameters: Any
    agglomerates: frozenset[int]
    held: Particles
    counts: Mapping[int, int]
    known: FitReport | None


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of an image around some agglomerates that must be measured again, and what is asked of it.

    ``x0`` and ``y0`` are its place in the image; everything in it counts from there.
    """

    micrograph: Micrograph
    agglomerates: Agglomerates
    background: Background
    methods: tuple[MethodRequest, ...]
    x0: int
    y0: int


@dataclass(frozen=True, eq=False)
class Remeasurement:
    """Agglomerates that must be measured again, neighbours together and the image in between left out.

    ``revision`` is that of the document: what comes for an agglomerate that was changed since is of no use.
    """

    pieces: tuple[Piece, ...]
    revision: int

    @property
    def agglomerates(self) -> frozenset[int]:
        """Ids of those that are measured."""
        return frozenset(i for piece in self.pieces for m in piece.methods for i in m.agglomerates)


@dataclass(frozen=True, eq=False)
class Remeasured:
    """What the methods found, in px of the whole image."""

    results: Mapping[str, SizingResult]
    revision: int
    seconds: float = field(default=0.0)


def remeasurement(
    document: ImageDocument,
    micrograph: Micrograph,
    grey_levels: GreyLevels,
    without: Collection[int] = (),
    most_px: int = MOST_PX,
) -> Remeasurement | None:
    """Cut out what must be measured again; ``None`` if nothing must.

    Parameters
    ----------
    without
        Ids of agglomerates that somebody is measuring already.
    most_px
        What would take more of the image is left for the next time (one agglomerate is always taken).
    """
    stale = {name: ids - frozenset(without) for name, ids in document.stale().items()}
    wanted = frozenset[int]().union(*stale.values())
    table = take_agglomerates(document.table, wanted)
    pieces: list[Piece] = []
    n_px = 0
    for rows in neighbourhoods(table.boxes):
        here = take_agglomerates(table, table.ids[rows].tolist())
        box = _box_to_see(document, here.ids.tolist(), stale, grey_levels.background.shape)
        n_px += box.shape[0] * box.shape[1]
        if pieces and n_px > most_px:
            break
        pieces.append(_piece(document, micrograph, grey_levels, here, box, stale))
    return Remeasurement(tuple(pieces), document.revision) if pieces else None


def _box_to_see(
    document: ImageDocument,
    ids: list[int],
    stale: Mapping[str, frozenset[int]],
    field: tuple[int, int],
) -> Box:
    """Give the part of the image that measuring some agglomerates needs to see.

    A network looks far around, and at every so many px of the image it enlarges or reduces: the part begins
    where one of those lies, so that it sees just what it saw in the image.
    """
    margin, scale, step = MARGIN_PX, 0.0, 1
    reports = [document.results[name].fit for name, every in stale.items() if not every.isdisjoint(ids)]
    known = [report for report in reports if report is not None and report.is_whole]
    if known:
        from nanoai_gui.core.tem.detection.grid import ALIGNMENT
        from nanoai_gui.core.tem.detection.view import MARGIN_PX as SEEN_PX

        scale, step = known[0].network_scale, ALIGNMENT
        margin = min(int(2 * SEEN_PX / scale), LARGEST_MARGIN_PX)
    box = box_of(document, ids, margin)
    assert box is not None
    y0, x0 = (_on_grid(start, scale, step) for start in (box.y0, box.x0))
    return Box(y0, x0, min(box.y1, field[0]), box.x1)


def _on_grid(start: int, scale: float, step: int) -> int:
    """Move a start back by no more than a step, to where it lies best on a multiple of it once scaled."""
    if not scale or start <= 0:
        return start
    places = np.arange(max(start - math.ceil(step / scale), 0), start + 1)
    off = (places * scale + step / 2) % step - step / 2
    return int(places[np.argmin(np.abs(off))])


def _piece(
    document: ImageDocument,
    micrograph: Micrograph,
    grey_levels: GreyLevels,
    table: Agglomerates,
    box: Box,
    stale: Mapping[str, frozenset[int]],
) -> Piece:
    analysis = document.analysis
    assert analysis is not None
    asked = frozenset(table.ids.tolist())
    labels = document.labels[box.slices].copy()
    # Neighbours that reach into the part are there too: methods look their labels up.
    table = take_agglomerates(document.table, np.unique(labels[labels > 0]).tolist())
    agglomerates = Agglomerates(
        labels=labels,
        ids=table.ids,
        x=table.x - box.x0,
        y=table.y - box.y0,
        area_px=table.area_px,
        boxes=table.boxes - np.array([box.y0, box.x0, box.y0, box.x0], dtype=np.int32),
        excluded=table.excluded,
        polarity=table.polarity,
        threshold=table.threshold,
        contrast=grey_levels.contrast[box.slices].copy(),
        edge_noise=grey_levels.edge_noise,
    )
    part = Micrograph(micrograph.pixels[box.slices].copy(), micrograph.name, None, micrograph.calibration)
    counts = document.counts()
    methods = []
    for name, every in stale.items():
        ids = every & asked
        if not ids:
            continue
        parameters = analysis.settings.method_parameters.get(name) or get_method(name).Parameters()
        held = _shifted(held_particles(document, name, ids), -box.x0, -box.y0)
        own_counts = {i: n for i, n in counts.items() if i in ids}
        known = document.results[name].fit
        if known is not None:
            known = replace(known, levels=known.levels[:0], extra=known.extra[:0])  # of single particles
        methods.append(MethodRequest(name, parameters, ids, held, own_counts, known))
    return Piece(part, agglomerates, grey_levels.background, tuple(methods), box.x0, box.y0)


def held_particles(document: ImageDocument, method: str, agglomerates: frozenset[int]) -> Particles:
    """Give the particles that stay whatever the method finds: drawn, changed or accepted by a person."""
    particles = document.results[method].particles
    by_hand = (particles.status != Status.AUTO) | is_in(particles.ids, document.accepted(method))
    return particles.select(by_hand & is_in(particles.agglomerate, agglomerates))


def measure(
    task: Remeasurement, progress: Progress = no_progress, cancelled: Cancelled = never_cancelled
) -> Remeasured:
    """Run the methods on what was cut out (anywhere: in a worker process)."""
    started = time.perf_counter()
    found: dict[str, list[SizingResult]] = {}
    for piece in task.pieces:
        for request in piece.methods:
            checkpoint(cancelled)
            result = _measure(piece, request, progress, cancelled)
            found.setdefault(request.name, []).append(result)
    results = {name: joined_results(parts) for name, parts in found.items()}
    return Remeasured(results, task.revision, time.perf_counter() - started)


def _measure(piece: Piece, request: MethodRequest, progress: Progress, cancelled: Cancelled) -> SizingResult:
    method = get_method(request.name)
    table = piece.agglomerates
    asked = tuple(
        why or ("" if int(i) in request.agglomerates else NOT_ASKED)
        for i, why in zip(table.ids, table.excluded, strict=True)
    )
    height, width = piece.micrograph.shape
    background = piece.background.part(piece.y0, piece.x0, piece.y0 + height, piece.x0 + width)
    table = replace(table, excluded=asked, background=background)
    offered = inspect.signature(method.size).parameters
    more: dict[str, Any] = {}
    if "held" in offered and len(request.held):
        more["held"] = request.held
    if "counts" in offered and request.counts:
        more["counts"] = request.counts
    if "known" in offered:
        more["known"] = request.known
    found = method.size(piece.micrograph, table, request.parameters, progress, cancelled, **more)
    particles = found.particles
    if "held" not in more and len(request.held):
        particles = _beside(particles, request.held)
        particles = _no_more_than(particles, request)
    particles = _shifted(particles, piece.x0, piece.y0)
    rows = take_result(found, request.agglomerates)
    return replace(rows, particles=particles, n_particles=count_particles(rows.agglomerate_ids, particles))


def _beside(particles: Particles, held: Particles) -> Particles:
    """Leave out what a held particle of the same agglomerate stands in the place of."""
    keep = np.ones(len(particles), dtype=bool)
    for ident in np.unique(held.agglomerate):
        rows = np.flatnonzero(particles.agglomerate == ident)
        keep[rows] = ~covered_by(particles.select(rows), held.select(held.agglomerate == ident))
    return particles.select(keep)


def _no_more_than(particles: Particles, request: MethodRequest) -> Particles:
    """Keep the largest ones where a person gave the number and holds some of them."""
    keep = np.ones(len(particles), dtype=bool)
    for ident, n in request.counts.items():
        rows = np.flatnonzero(particles.agglomerate == ident)
        room = max(n - int(np.count_nonzero(request.held.agglomerate == ident)), 0)
        keep[rows[np.argsort(-particles.area_px[rows], kind="stable")][room:]] = False
    return particles.select(keep)


def _shifted(particles: Particles, dx: int, dy: int) -> Particles:
    shift = np.array([dx, dy], dtype=np.float32)
    return replace(
        particles,
        x=particles.x + dx,
        y=particles.y + dy,
        outlines=tuple(outline + shift if len(outline) else outline for outline in particles.outlines),
    )


def amendment(document: ImageDocument, found: Remeasured) -> tuple[ParticlePatch, ...]:
    """Make patches of what was found, of agglomerates that were not changed since it was asked for."""
    patches = []
    for method, rows in found.results.items():
        result = document.results.get(method)
        if result is None:
            continue
        ids = result.stale & frozenset(rows.agglomerate_ids.tolist())
        ids -= document.changed_since(found.revision, ids)
        if not ids:
            continue
        fresh = rows.particles.select(is_in(rows.particles.agglomerate, ids))
        own = result.particles.select(is_in(result.particles.agglomerate, ids))
        held = held_particles(document, method, ids)
        new = _numbered(fresh, own, held, document.next_particle(method))
        before = take_result(result, ids, own.ids.tolist())
        after = take_result(rows, ids)
        held_here = np.isin(after.agglomerate_ids, held.agglomerate)
        excluded = tuple("" if here else why for why, here in zip(after.excluded, held_here, strict=True))
        particles = join_particles(held, new)
        after = replace(
            after,
            particles=particles,
            n_particles=count_particles(after.agglomerate_ids, particles),
            excluded=excluded,
            stale=frozenset(),
        )
        patches.append(ParticlePatch(method, before, after))
    return tuple(patches)


def _numbered(new: Particles, old: Particles, held: Particles, first: int) -> Particles:
    """Give ids to what was found: that of an old particle in the same place, else new ones."""
    free = old.select(~np.isin(old.ids, held.ids))
    taken = np.zeros(len(free), dtype=bool)
    ids = np.zeros(len(new), dtype=np.int32)
    for i in range(len(new)):
        if not len(free):
            break
        away = np.hypot(free.x - new.x[i], free.y - new.y[i])
        away[taken | (free.agglomerate != new.agglomerate[i])] = np.inf
        j = int(np.argmin(away))
        if away[j] <= _SAME_PLACE * 0.5 * new.diameter_px[i]:
            ids[i] = free.ids[j]
            taken[j] = True
    missing = np.flatnonzero(ids == 0)
    ids[missing] = np.arange(first, first + len(missing), dtype=np.int32)
    order = np.argsort(ids, kind="stable")
    return replace(new, ids=ids).select(order)
