"""The one write path of label edits: from changed pixels to an edit with everything that follows from them.

Areas, centres and boxes of the touched agglomerates are brought up to date from the changed pixels alone, in
whole numbers, so that the work is that of the change and not of the image.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import LabelPatch, ParticlePatch, Patch, TablePatch, ValuePatch
from nanoai_gui.core.editing.rows import is_in, particles_equal, statuses, take_agglomerates, take_result
from nanoai_gui.core.exchange.shapes import label_boxes
from nanoai_gui.core.tem.agglomerates import TOUCHES_BORDER, Agglomerates
from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.core.tem.segmentation import BEHIND_SCALE_BAR
from nanoai_gui.core.tem.sizing import SizingResult, count_particles, is_automatic

MANY = 32
"""From so many agglomerates on that lost pixels, one look at the whole image is quicker than one at each."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pixels of the label image and the ids they are to get.

    Parameters
    ----------
    position
        (n,) int64, index in the flattened image, ascending, without doubles.
    new
        (n,) int32.
    """

    position: NDArray[np.int64]
    new: NDArray[np.int32]

    @classmethod
    def none(cls) -> Pixels:
        """No pixels."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32))

    @classmethod
    def where(cls, mask: NDArray[np.bool_], y0: int, x0: int, width: int, ident: int) -> Pixels:
        """Give one id to the pixels of a mask whose corner is at ``y0, x0`` of an image of ``width``."""
        y, x = np.nonzero(mask)
        position = (y + y0) * np.int64(width) + (x + x0)
        return cls(position, np.full(len(position), ident, dtype=np.int32))

    @classmethod
    def differing(cls, labels: NDArray[np.int32], y0: int, x0: int, new: NDArray[np.int32]) -> Pixels:
        """Compare a part of the image with what it is to become."""
        y, x = np.nonzero(labels[y0 : y0 + new.shape[0], x0 : x0 + new.shape[1]] != new)
        return cls((y + y0) * np.int64(labels.shape[1]) + (x + x0), new[y, x])

    @classmethod
    def joined(cls, pieces: Sequence[Pixels]) -> Pixels:
        """Put several together; of doubles the last one counts."""
        pieces = [piece for piece in pieces if len(piece.position)]
        if len(pieces) < 2:
            return pieces[0] if pieces else cls.none()
        position = np.concatenate([piece.position for piece in pieces])
        new = np.concatenate([piece.new for piece in pieces])
        order = np.argsort(position, kind="stable")
        position, new = position[order], new[order]
        last = np.ones(len(position), dtype=bool)
        last[:-1] = position[1:] != position[:-1]
        return cls(position[last], new[last])

    def labels_at(self, labels: NDArray[np.int32], flat: NDArray[np.int64]) -> NDArray[np.int32]:
        """Ids after the change at some pixels (index in the flattened image)."""
        if not len(self.position):
            return labels.reshape(-1)[flat]
        place = np.minimum(np.searchsorted(self.position, flat), len(self.position) - 1)
        changed = self.position[place] == flat
        return np.where(changed, self.new[place], labels.reshape(-1)[flat])

    def crop(self, labels: NDArray[np.int32], y0: int, x0: int, y1: int, x1: int) -> NDArray[np.int32]:
        """Copy a part of the image as it is after the change."""
        width = labels.shape[1]
        part = labels[y0:y1, x0:x1].copy()
        a, b = np.searchsorted(self.position, [y0 * width, y1 * width])
        y, x = np.divmod(self.position[a:b], width)
        inside = (x >= x0) & (x < x1)
        part[y[inside] - y0, x[inside] - x0] = self.new[a:b][inside]
        return part


def write_labels(
    document: ImageDocument,
    title: str,
    pixels: Pixels,
    *,
    added: Collection[int] = (),
    heirs: Mapping[int, int] | None = None,
    extra: Sequence[Patch] = (),
    renamed: Mapping[int, int] | None = None,
) -> Edit | None:
    """Make the edit that changes pixels of the label image, and what follows from that.

    Parameters
    ----------
    document
        Is only looked at.
    title
        For the list of steps.
    pixels
        What is to change; those that hold the id already may be among them.
    added
        Ids that a person drew anew; other ids that are touched count as edited.
    heirs
        For ids that vanish: the one that takes over their particles (merging).
    extra
        Further patches of the same step.
    renamed
        Ids that only take the place of others, which vanish: what was measured and said of those goes with
        them, and nothing is measured again.

    Returns
    -------
    Edit or None
        ``None`` if not a pixel changes.
    """
    patch = LabelPatch.to(document.labels, pixels.position, pixels.new)
    if patch is None:
        return None
    position, old, new = patch.pixels()
    change = Pixels(position, new)
    was = renamed or {}
    table = _table_patch(document, change, old, added, was)
    forget = _forget_values(document, table, was)
    patches: list[Patch] = [patch, table]
    for method in document.results:
        rows = _particle_patch(document, method, table, change, heirs or {}, was)
        if rows is not None:
            patches.append(rows)
    return Edit(title, (*patches, *forget, *extra))


def _table_patch(
    document: ImageDocument,
    change: Pixels,
    old: NDArray[np.int32],
    added: Collection[int],
    was: Mapping[int, int],
) -> TablePatch:
    labels, table = document.labels, document.table
    width = labels.shape[1]
    ids = np.unique(np.concatenate([old, change.new]))
    ids = ids[ids > 0]
    before = take_agglomerates(table, ids.tolist())
    n = len(ids)
    known = np.searchsorted(ids, before.ids)
    area, sum_x, sum_y = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    area[known] = before.area_px
    # Centres are sums of whole numbers over an area: the sums come back exactly.
    sum_x[known] = np.rint(before.x * before.area_px).astype(np.int64)
    sum_y[known] = np.rint(before.y * before.area_px).astype(np.int64)
    boxes = np.tile(np.array([labels.shape[0], width, 0, 0], dtype=np.int32), (n, 1))
    boxes[known] = before.boxes
    y, x = np.divmod(change.position, width)
    for values, sign in ((old, -1), (change.new, 1)):
        real = values > 0
        row = np.searchsorted(ids, values[real])
        area += sign * np.bincount(row, minlength=n)
        sum_x += sign * np.bincount(row, x[real], n).astype(np.int64)
        sum_y += sign * np.bincount(row, y[real], n).astype(np.int64)
        if sign > 0:
            np.minimum.at(boxes[:, 0], row, y[real].astype(np.int32))
            np.minimum.at(boxes[:, 1], row, x[real].astype(np.int32))
            np.maximum.at(boxes[:, 2], row, y[real].astype(np.int32) + 1)
            np.maximum.at(boxes[:, 3], row, x[real].astype(np.int32) + 1)
    lost = np.flatnonzero((area > 0) & np.isin(ids, old))  # lost pixels: the box may have shrunk
    if len(lost) > MANY:
        boxes[lost] = label_boxes(change.crop(labels, 0, 0, *labels.shape), ids[lost])
    else:
        for place in lost:
            boxes[place] = _shrunk(change, labels, int(ids[place]), boxes[place])
    kept = np.flatnonzero(area > 0)
    after = Agglomerates(
        labels=before.labels,
        ids=ids[kept].astype(np.int32),
        x=sum_x[kept] / area[kept],
        y=sum_y[kept] / area[kept],
        area_px=area[kept],
        boxes=boxes[kept],
        excluded=tuple(
            exclusion(document, ident, box, _reason(before, ident))
            for ident, box in ((was.get(int(ids[i]), int(ids[i])), boxes[i]) for i in kept)
        ),
        polarity=before.polarity,
        threshold=before.threshold,
        status=_new_statuses(before, ids[kept], added),
    )
    return TablePatch(before, after)


def _shrunk(
    change: Pixels, labels: NDArray[np.int32], ident: int, box: NDArray[np.int32]
) -> tuple[int, int, int, int]:
    y0, x0, y1, x1 = (int(v) for v in box)
    mine = change.crop(labels, y0, x0, y1, x1) == ident
    rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
    return y0 + int(rows[0]), x0 + int(columns[0]), y0 + int(rows[-1]) + 1, x0 + int(columns[-1]) + 1


def _reason(before: Agglomerates, ident: int) -> str:
    row = np.flatnonzero(before.ids == ident)
    return before.excluded[row[0]] if len(row) else ""


def exclusion(document: ImageDocument, ident: int, box: NDArray[np.integer], before: str) -> str:
    """Say why an agglomerate is not measured, or nothing: what a person decided, else the rules."""
    by_hand = document.values.get(f"excluded/{ident}")
    if by_hand is not None:
        return str(by_hand)
    if before == BEHIND_SCALE_BAR:
        return before
    assert document.analysis is not None
    height, width = document.field_height, document.analysis.shape[1]
    cut = box[0] <= 0 or box[1] <= 0 or box[2] >= height or box[3] >= width
    return TOUCHES_BORDER if cut and not document.analysis.settings.segmentation.include_border else ""


def _new_statuses(before: Agglomerates, ids: NDArray[np.integer], added: Collection[int]) -> NDArray[np.int8]:
    status = np.full(len(ids), Status.EDITED, dtype=np.int8)
    status[is_in(ids, added)] = Status.ADDED
    was_added = before.ids[statuses(before) == Status.ADDED]
    status[np.isin(ids, was_added)] = Status.ADDED
    return status


def _forget_values(document: ImageDocument, table: TablePatch, was: Mapping[int, int]) -> list[Patch]:
    """Take back what a person said of an agglomerate that changed or is gone; a new name takes it over."""
    names = {old: new for new, old in was.items()}
    gone = set(table.before.ids.tolist()) - set(table.after.ids.tolist())
    touched = set(table.before.ids.tolist())
    forget: list[Patch] = []
    for key in sorted(document.values):
        kind, _, rest = key.partition("/")
        if (kind in ("count", "reviewed") and int(rest) in touched) or (
            kind == "excluded" and int(rest) in gone
        ):
            forget.append(ValuePatch(key, document.values[key], None))
            if int(rest) in names:
                forget.append(ValuePatch(f"{kind}/{names[int(rest)]}", None, document.values[key]))
    return forget


def _particle_patch(
    document: ImageDocument,
    method: str,
    table: TablePatch,
    change: Pixels,
    heirs: Mapping[int, int],
    was: Mapping[int, int],
) -> ParticlePatch | None:
    """Say what it means for a method: rows come and go, particles go with the pixels they stand on."""
    result = document.results[method]
    before_ids, after_ids = set(table.before.ids.tolist()), set(table.after.ids.tolist())
    own = is_in(result.particles.agglomerate, before_ids)
    particles = result.particles.select(own)
    owner = _owners(document, particles, change, after_ids, heirs)
    reasons = dict(zip(table.after.ids.tolist(), table.after.excluded, strict=True))
    measured = np.array([i in after_ids and not reasons[i] for i in owner.tolist()], dtype=bool)
    after_particles = replace(particles, agglomerate=owner).select(measured)
    before = take_result(result, before_ids, particles.ids.tolist())
    after = _rows_after(before, table, after_particles, was)
    if result.stale.isdisjoint(before_ids) and particles_equal(particles, after_particles):
        none = Particles.empty()
        before = replace(before, particles=none, n_particles=np.zeros_like(before.n_particles))
        after = replace(after, particles=none, n_particles=np.zeros_like(after.n_particles))
    return ParticlePatch(method, before, after)


def _owners(
    document: ImageDocument,
    particles: Particles,
    change: Pixels,
    after_ids: set[int],
    heirs: Mapping[int, int],
) -> NDArray[np.int32]:
    """Give each particle the agglomerate under its centre, if that was touched; else its own, or the heir."""
    labels = document.labels
    height, width = labels.shape
    y = np.clip(np.rint(particles.y), 0, height - 1).astype(np.int64)
    x = np.clip(np.rint(particles.x), 0, width - 1).astype(np.int64)
    owner = particles.agglomerate.copy()
    under = change.labels_at(labels, y * width + x)
    for i, (old, here) in enumerate(zip(owner.tolist(), under.tolist(), strict=True)):
        if here in after_ids:
            owner[i] = here
        elif old not in after_ids:
            owner[i] = heirs.get(old, 0)
    return owner


def _rows_after(
    before: SizingResult, table: TablePatch, particles: Particles, was: Mapping[int, int]
) -> SizingResult:
    """Rows of the agglomerates as they are after the change: all that can be measured are stale."""
    ids = table.after.ids
    probabilities = np.full((len(ids), 5), np.nan)
    names = np.array([was.get(i, i) for i in ids.tolist()], dtype=np.int32)
    place = np.searchsorted(before.agglomerate_ids, names)
    for i, row in enumerate(place):
        if row < len(before.agglomerate_ids) and before.agglomerate_ids[row] == names[i]:
            probabilities[i] = before.probabilities[row]
    description = None
    if was and before.description is not None:
        known = before.description.table
        new = {old: name for name, old in was.items()}
        renamed = np.array([new.get(i, i) for i in known.ids.tolist()], dtype=known.ids.dtype)
        description = replace(before.description, table=replace(known, ids=renamed))
    stale = frozenset(
        int(i)
        for i, why in zip(ids, table.after.excluded, strict=True)
        if not why and (int(i) not in was or was[int(i)] in before.stale)
    )
    return SizingResult(
        method=before.method,
        particles=particles,
        agglomerate_ids=ids,
        n_particles=count_particles(ids, particles),
        probabilities=probabilities,
        excluded=table.after.excluded,
        model=before.model,
        description=description,
        stale=stale if is_automatic(before.method) else frozenset(),
    )
