"""A picture that follows edits must be the one that would be made anew."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from nanoai_gui.core.editing import circles, labels, regions
from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.labels import box_of
from nanoai_gui.core.editing.patches import LabelPatch
from nanoai_gui.core.editing.regions import neighbourhoods
from nanoai_gui.core.editing.rows import take_agglomerates
from nanoai_gui.gui.tem.outlines import CHUNK, DrawnOutlines, Outlines
from nanoai_gui.gui.tem.overlay import OverlayPicture, patch_overlay, prepare_overlay, recolour, refill
from nanoai_gui.gui.tem.overlay_feed import _edited, _excluded
from tests.core.edited import made
from tests.core.test_editing_random import random_edit

LAYERS = (
    "drawn_measured", "drawn_excluded", "drawn_edited", "drawn_particles", "drawn_doubtful",
    "drawn_edited_particles",
)  # fmt: skip


def fresh(document: ImageDocument) -> OverlayPicture:
    analysis = document.analysis
    assert analysis is not None
    particles = document.results["watershed"].particles
    return prepare_overlay(
        document.labels.copy(), _excluded(analysis, "watershed"), particles, _edited(analysis)
    )


def polygons(outlines: Outlines) -> dict[tuple[int, bytes], int]:
    """Polygons as a bag: the order does not matter, nor where each begins."""
    bag: dict[tuple[int, bytes], int] = {}
    for i, owner in enumerate(outlines.owners.tolist()):
        points = outlines.points[outlines.starts[i] : outlines.starts[i + 1]]
        first = int(np.lexsort((points[:, 0], points[:, 1]))[0])
        key = owner, np.roll(points, -first, axis=0).tobytes()
        bag[key] = bag.get(key, 0) + 1
    return bag


def assert_whole(drawn: DrawnOutlines) -> None:
    """Chunks must cover all polygons once, and their boxes must hold them."""
    starts = drawn.chunk_starts
    assert starts[0] == 0 and starts[-1] == len(drawn.levels[0])
    assert len(drawn.chunk_boxes) == len(starts) - 1 == len(drawn.paths[0])
    boxes: NDArray[np.float32] = drawn.levels[0].boxes
    for (a, b), around in zip(itertools.pairwise(starts), drawn.chunk_boxes, strict=True):
        assert b - a > 0
        assert (boxes[a:b, :2] >= around[:2]).all() and (boxes[a:b, 2:] <= around[2:]).all()


@pytest.mark.parametrize(("seed", "side"), [(1, 512), (2, 60)])
def test_a_patched_picture_is_the_one_made_anew(
    seed: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions, "NEIGHBOURHOOD_PX", side)
    rng = np.random.default_rng(seed)
    base = made()
    document = base.document()
    picture = fresh(document)
    n = 0
    while n < 40:
        edit = random_edit(document, rng, base)
        if edit is None or edit.title == "Analyse":
            continue
        n += 1
        document.apply(edit)
        analysis = document.analysis
        assert analysis is not None
        excluded = _excluded(analysis, "watershed")
        for patch in edit.patches:
            if isinstance(patch, LabelPatch):
                position, _, _ = patch.pixels()
                recolour(picture, position, document.labels.reshape(-1)[position], excluded)
        again = edit.agglomerates | (set(excluded) ^ set(picture.excluded))
        table = take_agglomerates(document.table, again)
        crops = []
        for rows in neighbourhoods(table.boxes):
            box = box_of(document, table.ids[rows].tolist())
            assert box is not None
            crops.append((document.labels[box.slices].copy(), (box.y0, box.x0), table.ids[rows]))
            refill(picture, *crops[-1][:2], excluded)
        picture = patch_overlay(
            picture, crops, again, excluded, document.results["watershed"].particles, _edited(analysis)
        )
        wanted = fresh(document)
        assert polygons(picture.agglomerates) == polygons(wanted.agglomerates)
        assert np.array_equal(picture.particles.owners, wanted.particles.owners)
        assert np.array_equal(picture.particles.points, wanted.particles.points)
        assert np.array_equal(picture.particle_boxes, wanted.particle_boxes)
        for mine, theirs in zip(picture.fill, wanted.fill, strict=True):
            assert np.array_equal(mine, theirs)
        for name in LAYERS:
            assert_whole(getattr(picture, name))
            assert polygons(getattr(picture, name).levels[0]) == polygons(getattr(wanted, name).levels[0])


def test_many_edits_do_not_splinter_the_chunks() -> None:
    base = made()
    document = base.document()
    picture = fresh(document)
    first = int(document.results["watershed"].particles.ids[0])
    for _ in range(60):
        edit = circles.move(document, "watershed", [first], 0.5, 0.0)
        assert edit is not None
        document.apply(edit)
        particles = document.results["watershed"].particles
        picture = patch_overlay(picture, (), (), picture.excluded, particles, ())
    drawn = picture.drawn_edited_particles
    assert len(drawn.chunk_starts) - 1 <= 2 * (len(drawn.levels[0]) // CHUNK + 2)
    assert labels.box_of(document, [10**6]) is None
