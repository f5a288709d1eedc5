"""Edits of agglomerates. Each function looks at a document and gives an edit, or ``None`` if it is no change.

Neighbours are protected unless asked otherwise; ids never change but for those that are meant to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.patches import ParticlePatch, Patch, TablePatch, ValuePatch
from nanoai_gui.core.editing.regions import (
    SMALLEST_PART_PX,
    clip,
    parts,
    polygon_box,
    polygon_mask,
    separate_parts,
    thick_line,
)
from nanoai_gui.core.editing.rows import is_in, take_agglomerates, take_result
from nanoai_gui.core.editing.write import Pixels, write_labels
from nanoai_gui.core.tem.agglomerates import TOUCHES_BORDER
from nanoai_gui.core.tem.micrograph import Box
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.segmentation import BEHIND_SCALE_BAR
from nanoai_gui.core.tem.sizing import is_automatic

LEFT_OUT_BY_HAND = "left out by hand"
"""Reason of exclusion."""


def several(n: int, noun: str = "agglomerate") -> str:
    """Say how many: ``agglomerate``, ``3 agglomerates``."""
    return noun if n == 1 else f"{n} {noun}s"


def box_of(document: ImageDocument, ids: Collection[int], margin: int = 0) -> Box | None:
    """Give the rectangle around some agglomerates, within the image; ``None`` if there are none."""
    boxes = document.table.boxes[is_in(document.table.ids, ids)]
    if not len(boxes):
        return None
    low, high = boxes[:, :2].min(axis=0) - margin, boxes[:, 2:].max(axis=0) + margin
    return clip(Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])), document.labels.shape)


def delete(document: ImageDocument, ids: Collection[int]) -> Edit | None:
    """Delete agglomerates and their particles; the ids of all others stay."""
    known = _known(document, ids)
    return write_labels(
        document, f"Delete {several(len(known))}", _renamed(document, dict.fromkeys(known, 0))
    )


def merge(document: ImageDocument, ids: Collection[int], into: int | None = None) -> Edit | None:
    """Make one agglomerate of several; it keeps the id ``into``, by default that of the largest."""
    known = _known(document, ids)
    if len(known) < 2:
        return None
    if into is None or into not in known:
        table = document.table
        rows = np.flatnonzero(is_in(table.ids, known))
        into = int(table.ids[rows[int(np.argmax(table.area_px[rows]))]])
    others = [i for i in known if i != into]
    crops = _renamed(document, dict.fromkeys(others, into))
    return write_labels(
        document, f"Merge {len(known)} agglomerates", crops, heirs=dict.fromkeys(others, into)
    )


def take_new_id(document: ImageDocument, ident: int) -> Edit | None:
    """Give an agglomerate a new id, the next that was never used; it is not measured again."""
    if ident not in document.table.ids:
        return None
    new = document.next_agglomerate()
    crops = _renamed(document, {ident: new})
    return write_labels(document, f"New id for {ident}", crops, heirs={ident: new}, renamed={new: ident})


def _known(document: ImageDocument, ids: Collection[int]) -> list[int]:
    return [int(i) for i in document.table.ids[is_in(document.table.ids, ids)]]


def _renamed(document: ImageDocument, names: Mapping[int, int]) -> Pixels:
    """Write other ids in the place of some."""
    labels, table = document.labels, document.table
    pieces = []
    for row in np.flatnonzero(is_in(table.ids, names)):
        ident = int(table.ids[row])
        y0, x0, y1, x1 = (int(v) for v in table.boxes[row])
        mine = labels[y0:y1, x0:x1] == ident
        pieces.append(Pixels.where(mine, y0, x0, labels.shape[1], names[ident]))
    return Pixels.joined(pieces)


def add_polygon(
    document: ImageDocument,
    points: NDArray[np.floating],
    ident: int | None = None,
    *,
    protect: bool = True,
) -> Edit | None:
    """Fill a closed outline with an id.

    Parameters
    ----------
    points
        (k, 2) of x, y in px.
    ident
        The agglomerate that it adds to; ``None`` makes a new one.
    protect
        Leave the pixels of other agglomerates alone.
    """
    box = polygon_box(points, document.labels.shape)
    mask = polygon_mask(points, box)
    is_new = ident is None
    name = document.next_agglomerate() if ident is None else ident
    if protect:
        here = document.labels[box.slices]
        mask &= (here == 0) | (here == name)
    pixels = Pixels.where(mask, box.y0, box.x0, document.labels.shape[1], name)
    title = "Draw agglomerate" if is_new else f"Add to agglomerate {name}"
    return write_labels(document, title, pixels, added={name} if is_new else ())


def erase_polygon(
    document: ImageDocument, points: NDArray[np.floating], only: Collection[int] = ()
) -> Edit | None:
    """Take everything in a closed outline away (from some agglomerates, or from all)."""
    box = polygon_box(points, document.labels.shape)
    mask = polygon_mask(points, box)
    if only:
        mask &= is_in(document.labels[box.slices], only)
    pixels = Pixels.where(mask, box.y0, box.x0, document.labels.shape[1], 0)
    return write_labels(document, "Erase area", separate_parts(document, pixels))


def fill_holes(document: ImageDocument, ids: Collection[int]) -> Edit | None:
    """Close the holes of agglomerates; what else lies in them stays."""
    from scipy import ndimage

    labels = document.labels
    known = _known(document, ids)
    pieces = []
    for ident in known:
        box = box_of(document, [ident])
        assert box is not None
        crop = labels[box.slices]
        holes = ndimage.binary_fill_holes(crop == ident) & (crop == 0)
        pieces.append(Pixels.where(holes, box.y0, box.x0, labels.shape[1], ident))
    return write_labels(document, f"Fill holes of {several(len(known))}", Pixels.joined(pieces))


def grow(document: ImageDocument, ids: Collection[int], *, protect: bool = True) -> Edit | None:
    """Make agglomerates larger by a pixel all round."""
    from scipy import ndimage

    labels = document.labels
    height = document.field_height
    known = _known(document, ids)
    pieces = []
    for ident in known:
        box = box_of(document, [ident], 1)
        assert box is not None
        box = Box(box.y0, box.x0, min(box.y1, height), box.x1)
        crop = labels[box.slices]
        rim = ndimage.binary_dilation(crop == ident) & (crop != ident)
        if protect:
            rim &= crop == 0
        pieces.append(Pixels.where(rim, box.y0, box.x0, labels.shape[1], ident))
    return write_labels(document, f"Grow {several(len(known))}", Pixels.joined(pieces[::-1]))


def shrink(document: ImageDocument, ids: Collection[int]) -> Edit | None:
    """Make agglomerates smaller by a pixel all round; one that is nothing but rim stays as it is."""
    from scipy import ndimage

    labels = document.labels
    known = _known(document, ids)
    pieces = []
    for ident in known:
        box = box_of(document, [ident])
        assert box is not None
        mine = np.pad(labels[box.slices] == ident, 1)
        core = ndimage.binary_erosion(mine)
        if core.any():
            rim = (mine & ~core)[1:-1, 1:-1]
            pieces.append(Pixels.where(rim, box.y0, box.x0, labels.shape[1], 0))
    pixels = separate_parts(document, Pixels.joined(pieces))
    return write_labels(document, f"Shrink {several(len(known))}", pixels)


def split_by_line(
    document: ImageDocument, points: NDArray[np.floating], ids: Collection[int] = ()
) -> Edit | None:
    """Split agglomerates along a line; no pixel is lost.

    Parameters
    ----------
    points
        (k, 2) of x, y in px: the line.
    ids
        The agglomerates to split; empty means all that the line cuts through.

    Returns
    -------
    Edit or None
        ``None`` if the line cuts nothing through. The largest part keeps the id.
    """
    labels = document.labels
    line_box = polygon_box(points, labels.shape)
    line_box = clip(Box(line_box.y0, line_box.x0, line_box.y1, line_box.x1 + 1), labels.shape)
    under = labels[line_box.slices][thick_line(points, line_box)]
    met = [int(i) for i in np.unique(under) if i > 0 and (not ids or i in ids)]
    pieces = []
    next_id = document.next_agglomerate()
    n_split = 0
    for ident in met:
        box = box_of(document, [ident])
        assert box is not None
        mine = labels[box.slices] == ident
        numbered = _cut(mine, thick_line(points, box))
        sizes = np.bincount(numbered.ravel())
        order = sorted(range(1, len(sizes)), key=lambda i: -int(sizes[i]))
        for part in order[1:]:
            pieces.append(Pixels.where(numbered == part, box.y0, box.x0, labels.shape[1], next_id))
            next_id += 1
        n_split += len(order) > 1
    return write_labels(document, f"Split {several(n_split)}", Pixels.joined(pieces))


def _cut(mine: NDArray[np.bool_], line: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Count out the parts into which a line cuts a mask; the pixels under it go to the nearest part.

    Crumbs that the line cuts off, and parts that were apart before, do not count as parts of their own.
    """
    from scipy import ndimage

    numbered, sizes = parts(mine & ~line)
    before, _ = parts(mine)
    keep = np.zeros(len(sizes), dtype=bool)
    home = np.zeros(len(sizes), dtype=np.int64)
    for i in range(1, len(sizes)):
        home[i] = before[numbered == i][0]
        keep[i] = sizes[i] >= SMALLEST_PART_PX
    names = np.zeros(len(sizes), dtype=np.int32)
    next_name = 2
    for whole in range(1, int(before.max(initial=0)) + 1):
        of_it = [i for i in range(1, len(sizes)) if keep[i] and home[i] == whole]
        of_it.sort(key=lambda i: -int(sizes[i]))
        for n, i in enumerate(of_it):
            names[i] = 1 if n == 0 else next_name
            next_name += n > 0
    out = names[numbered]
    rest = mine & (out == 0)
    if rest.any() and out.any():
        nearest = ndimage.distance_transform_edt(out == 0, return_distances=False, return_indices=True)
        out[rest] = out[nearest[0][rest], nearest[1][rest]]
    elif rest.any():
        out[rest] = 1
    return out


def propose_cut(document: ImageDocument, ident: int, n_parts: int = 2) -> NDArray[np.int32] | None:
    """Propose how to split an agglomerate: at its narrowest necks (watershed of the distance map).

    Returns
    -------
    (h, w) int32 or None
        Parts 1 (the largest) to at most ``n_parts``, 0 outside, of the agglomerate's box; ``None`` if it has
        no neck.
    """
    from nanoai_gui.core.tem.sizing.silhouettes import Silhouette
    from nanoai_gui.core.tem.sizing.summits import distance_map, find_basins

    box = box_of(document, [ident])
    if box is None:
        return None
    mask = np.pad(document.labels[box.slices] == ident, 1)
    distance = distance_map(Silhouette(ident, mask, None, 0, 0), float("nan"))
    basins = find_basins(distance, mask, 0.0, 0.0, n_parts)
    n = len(basins.x)
    if n < 2:
        return None
    sizes = np.bincount(basins.labels.ravel(), minlength=n + 1)
    names = np.zeros(n + 1, dtype=np.int32)
    names[1 + np.argsort(-sizes[1:], kind="stable")] = np.arange(1, n + 1, dtype=np.int32)
    return names[basins.labels][1:-1, 1:-1]


def split_by_parts(document: ImageDocument, ident: int, proposal: NDArray[np.int32]) -> Edit | None:
    """Split an agglomerate as proposed by :func:`propose_cut`."""
    box = box_of(document, [ident])
    if box is None or box.shape != proposal.shape:
        return None
    mine = document.labels[box.slices] == ident
    first = document.next_agglomerate()
    pieces = [
        Pixels.where(mine & (proposal == part), box.y0, box.x0, document.labels.shape[1], first + part - 2)
        for part in range(2, int(proposal.max(initial=0)) + 1)
    ]
    return write_labels(document, "Split at the neck", Pixels.joined(pieces))


def replace_in_box(document: ImageDocument, box: Box, found: NDArray[np.int32]) -> Edit | None:
    """Replace the agglomerates of a box by others; those that reach out of it are protected.

    Parameters
    ----------
    found
        (h, w) int32 of the size of the box, 0 is background; the ids become new ones.
    """
    labels, table = document.labels, document.table
    boxes = table.boxes
    within = (
        (boxes[:, 0] >= box.y0) & (boxes[:, 1] >= box.x0) & (boxes[:, 2] <= box.y1) & (boxes[:, 3] <= box.x1)
    )
    crop = labels[box.slices].copy()
    crop[is_in(crop, table.ids[within].tolist())] = 0
    next_id = document.next_agglomerate()
    added = []
    for i in np.unique(found[found > 0]):
        mine = (found == i) & (crop == 0)
        # What is left of one that overlaps a protected neighbour is a sliver of that neighbour.
        if np.count_nonzero(mine) < 0.5 * np.count_nonzero(found == i):
            continue
        crop[mine] = next_id
        added.append(next_id)
        next_id += 1
    pixels = Pixels.differing(labels, box.y0, box.x0, crop)
    return write_labels(document, "Segment this box again", pixels, added=added)


# ---------------------------------------------------------------------- what is said of agglomerates


def exclude(document: ImageDocument, ids: Collection[int], reason: str = LEFT_OUT_BY_HAND) -> Edit | None:
    """Leave agglomerates out of all results (``reason``), or take them in whatever the rules say (empty)."""
    table = document.table
    rows = [
        row
        for row in np.flatnonzero(is_in(table.ids, ids))
        if document.values.get(f"excluded/{table.ids[row]}") != reason
    ]
    known = [int(table.ids[row]) for row in rows]
    if not known:
        return None
    before = take_agglomerates(table, known)
    after = replace(before, excluded=(reason,) * len(known))
    patches: list[Patch] = [TablePatch(before, after)]
    for method, result in document.results.items():
        own = is_in(result.particles.agglomerate, known) if reason else np.zeros(0, dtype=np.intp)
        out = take_result(result, known, result.particles.ids[own].tolist())
        changed = replace(
            out,
            particles=Particles.empty() if reason else out.particles,
            n_particles=np.zeros(len(known), dtype=np.int32) if reason else out.n_particles,
            excluded=after.excluded,
            stale=frozenset(known) if not reason and is_automatic(method) else frozenset(),
        )
        patches.append(ParticlePatch(method, out, changed))
    for ident in known:
        patches.append(ValuePatch(f"excluded/{ident}", document.values.get(f"excluded/{ident}"), reason))
    title = f"Leave out {several(len(known))}" if reason else f"Take in {several(len(known))}"
    return Edit(title, tuple(patches))


def set_count(document: ImageDocument, ids: Collection[int], n_particles: int | None) -> Edit | None:
    """Set the number of particles of agglomerates, which are redone with it; ``None``: as is found."""
    changed = [i for i in _known(document, ids) if document.values.get(f"count/{i}") != n_particles]
    if not changed:
        return None
    patches: list[Patch] = [
        ValuePatch(f"count/{i}", document.values.get(f"count/{i}"), n_particles) for i in changed
    ]
    patches += measure_again(document, changed)
    which = str(changed[0]) if len(changed) == 1 else several(len(changed))
    title = f"Count of {which} as found" if n_particles is None else f"Count of {which}: {n_particles}"
    return Edit(title, tuple(patches))


def measure_again(document: ImageDocument, ids: Collection[int]) -> list[Patch]:
    """Give the patches that mark agglomerates as stale for every method that measures by itself."""
    patches: list[Patch] = []
    for method, result in document.results.items():
        wanted = set(ids) - result.stale
        rows = take_result(result, wanted)
        keep = [
            i for i, why in zip(rows.agglomerate_ids.tolist(), rows.excluded, strict=True) if not _final(why)
        ]
        if not keep or not is_automatic(method):
            continue
        rows = take_result(result, keep)
        patches.append(ParticlePatch(method, rows, replace(rows, stale=frozenset(keep))))
    return patches


def _final(reason: str) -> bool:
    """Whether an agglomerate stays out whatever a method says: by a rule of the image, or by hand."""
    return reason in (TOUCHES_BORDER, BEHIND_SCALE_BAR, LEFT_OUT_BY_HAND)


def accept(document: ImageDocument, ids: Collection[int], is_right: bool = True) -> Edit | None:
    """Mark agglomerates as looked at and found right, or take that back."""
    value = True if is_right else None
    keys = [f"reviewed/{i}" for i in _known(document, ids)]
    patches = [ValuePatch(k, document.values.get(k), value) for k in keys if document.values.get(k) != value]
    if not patches:
        return None
    verb = "Accept" if is_right else "No longer accept"
    return Edit(f"{verb} {several(len(patches))}", tuple(patches), is_by_hand=False)
