"""Rows of result tables taken out and put back; what patches are made of.

Rows are small tables of the same kind: some rows of :class:`Agglomerates`, and a :class:`SizingResult` of
some agglomerates and some particles. Tables are always sorted by id, so taking rows out and putting them back
gives the very same table.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import Description, SizingResult, count_particles

_COLUMNS = ("ids", "x", "y", "area_px", "boxes")


def is_in(ids: NDArray[np.integer], wanted: Collection[int]) -> NDArray[np.bool_]:
    """Tell which of ``ids`` are wanted."""
    found: NDArray[np.bool_] = np.isin(ids, np.fromiter(wanted, dtype=np.int64, count=len(wanted)))
    return found


def take_agglomerates(table: Agglomerates, ids: Collection[int]) -> Agglomerates:
    """Take some rows of a table, without its images; ids that are not there are passed over."""
    return _pick(table, np.flatnonzero(is_in(table.ids, ids)))


def _pick(table: Agglomerates, index: NDArray[np.intp]) -> Agglomerates:
    return Agglomerates(
        labels=np.zeros((0, 0), dtype=np.int32),
        excluded=tuple(table.excluded[i] for i in index),
        polarity=table.polarity,
        threshold=table.threshold,
        status=None if table.status is None else table.status[index],
        **{name: getattr(table, name)[index] for name in _COLUMNS},
    )


def swap_agglomerates(table: Agglomerates, out: Collection[int], rows: Agglomerates) -> Agglomerates:
    """Take the rows ``out`` away and put ``rows`` in."""
    kept = _pick(table, np.flatnonzero(~is_in(table.ids, out)))
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(kept, name), getattr(rows, name)]) for name in _COLUMNS
    }
    excluded = kept.excluded + rows.excluded
    both = replace(kept, excluded=excluded, status=_joined_status(kept, rows), **columns)
    return replace(
        _pick(both, np.argsort(both.ids, kind="stable")), labels=table.labels, contrast=table.contrast
    )


def _joined_status(one: Agglomerates, other: Agglomerates) -> NDArray[np.int8] | None:
    status = np.concatenate([statuses(one), statuses(other)])
    # None where nobody edited anything, so that undoing the first edit gives the table as it was.
    return status if status.any() else None


def statuses(table: Agglomerates) -> NDArray[np.int8]:
    """Who drew each agglomerate, (n,) int8."""
    return np.zeros(len(table), dtype=np.int8) if table.status is None else table.status


def join_particles(one: Particles, other: Particles) -> Particles:
    """Put two particle tables into one, sorted by id."""
    order = np.argsort(np.concatenate([one.ids, other.ids]), kind="stable")
    outlines = one.outlines + other.outlines
    columns = {
        f.name: np.concatenate([getattr(one, f.name), getattr(other, f.name)])[order]
        for f in fields(Particles)
        if f.name != "outlines"
    }
    return Particles(**columns, outlines=tuple(outlines[i] for i in order))


def particles_equal(one: Particles, other: Particles) -> bool:
    """Whether two tables hold the same, to the last bit."""
    return (
        all(
            getattr(one, f.name).tobytes() == getattr(other, f.name).tobytes()
            for f in fields(Particles)
            if f.name != "outlines"
        )
        and len(one.outlines) == len(other.outlines)
        and all(
            a is b or a.tobytes() == b.tobytes() for a, b in zip(one.outlines, other.outlines, strict=True)
        )
    )


def take_result(
    result: SizingResult, agglomerates: Collection[int], particles: Collection[int] = ()
) -> SizingResult:
    """Take the rows of some agglomerates, and some particles, out of a result."""
    index = np.flatnonzero(is_in(result.agglomerate_ids, agglomerates))
    chosen = result.particles.select(is_in(result.particles.ids, particles))
    ids = result.agglomerate_ids[index]
    return SizingResult(
        method=result.method,
        particles=chosen,
        agglomerate_ids=ids,
        n_particles=count_particles(ids, chosen),
        probabilities=result.probabilities[index],
        excluded=tuple(result.excluded[i] for i in index),
        model=result.model,
        description=_described(result.description, ids),
        stale=frozenset(result.stale & set(ids.tolist())),
    )


def _described(description: Description | None, ids: NDArray[np.int32]) -> Description | None:
    if description is None:
        return None
    rows = np.flatnonzero(np.isin(description.table.ids, ids))
    return _description_rows(description, rows)


def _description_rows(description: Description, rows: NDArray[np.intp]) -> Description:
    table = description.table
    picked = replace(table, ids=table.ids[rows], values=table.values[rows], scale_px=table.scale_px[rows])
    return replace(description, table=picked)


def swap_result(result: SizingResult, out: SizingResult, rows: SizingResult) -> SizingResult:
    """Take the rows ``out`` (agglomerates and particles) away and put ``rows`` in."""
    gone = out.agglomerate_ids
    index = np.flatnonzero(~np.isin(result.agglomerate_ids, gone))
    ids = np.concatenate([result.agglomerate_ids[index], rows.agglomerate_ids])
    order = np.argsort(ids, kind="stable")
    excluded = tuple(result.excluded[i] for i in index) + rows.excluded
    kept = result.particles
    if len(out.particles):
        kept = kept.select(~np.isin(kept.ids, out.particles.ids))
    particles = join_particles(kept, rows.particles) if len(rows.particles) else kept
    ids = ids[order]
    return SizingResult(
        method=result.method,
        particles=particles,
        agglomerate_ids=ids,
        n_particles=count_particles(ids, particles),
        probabilities=np.concatenate([result.probabilities[index], rows.probabilities])[order],
        excluded=tuple(excluded[i] for i in order),
        model=result.model,
        description=_swap_description(result.description, gone, rows.description),
        stale=(result.stale - set(gone.tolist())) | rows.stale,
        fit=result.fit,
    )


def _swap_description(
    description: Description | None, gone: NDArray[np.int32], rows: Description | None
) -> Description | None:
    if description is None:
        return None
    kept = _description_rows(description, np.flatnonzero(~np.isin(description.table.ids, gone)))
    if rows is None or not len(rows.table.ids):
        return kept
    both = replace(
        kept.table,
        ids=np.concatenate([kept.table.ids, rows.table.ids]),
        values=np.concatenate([kept.table.values, rows.table.values]),
        scale_px=np.concatenate([kept.table.scale_px, rows.table.scale_px]),
    )
    order = np.argsort(both.ids, kind="stable")
    return _description_rows(replace(kept, table=both), order)


def joined_results(results: Sequence[SizingResult]) -> SizingResult:
    """Put what a method found in separate agglomerates together; ids of particles need not be their own."""
    first = results[0]
    described = [r.description for r in results if r.description is not None]
    for other in results[1:]:
        first = swap_result(first, take_result(first, ()), other)
    if described:
        description = described[0]
        for more in described[1:]:
            joined = _swap_description(description, np.empty(0, dtype=np.int32), more)
            assert joined is not None
            description = joined
        first = replace(first, description=description)
    return first


def empty_result(method: str, table: Agglomerates) -> SizingResult:
    """Make the result of a method that has found nothing yet."""
    return SizingResult.from_particles(method, table, Particles.empty())
