"""Labels of a file that do not fit their table: made to fit, so that no edit fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nanoai_gui.core.editing import circles, labels
from nanoai_gui.core.editing.circles import Ellipse
from nanoai_gui.core.editing.document import ImageDocument
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.editing.mending import mended
from nanoai_gui.core.editing.patches import LabelPatch
from nanoai_gui.core.editing.remeasure import amendment, measure, remeasurement
from nanoai_gui.core.editing.strokes import Stroke
from nanoai_gui.core.packing import PackingError
from nanoai_gui.core.plain import from_bytes, to_bytes
from nanoai_gui.core.soundness import LARGEST_ID, is_sound, labels_fit
from nanoai_gui.core.tem.agglomerates import PackedLabels
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.core.tem.networks.corrections import collect, load_corrections, save_corrections
from nanoai_gui.core.tem.particles import Status
from tests.core.edited import do, made

Labels = NDArray[np.int32]


def _strangers(image: Labels) -> Labels:
    image[5:30, 5:30] = 77
    return image


def _one_gone(image: Labels) -> Labels:
    image[image == image[150, 150]] = 0
    return image


def _smaller(image: Labels) -> Labels:
    image[:45] = 0
    return image


def _moved(image: Labels) -> Labels:
    return np.roll(image, 40, axis=1)


def _noise(image: Labels) -> Labels:
    return np.random.default_rng(3).integers(0, LARGEST_ID, image.shape).astype(np.int32)


def _nothing(image: Labels) -> Labels:
    return np.zeros_like(image)


def _other_size(image: Labels) -> Labels:
    return image[:-3]


DAMAGES = [_strangers, _one_gone, _smaller, _moved, _noise, _nothing, _other_size]


def spoilt(damage: Callable[[Labels], Labels]) -> tuple[ImageAnalysis, Labels]:
    """An analysis with labels that are not its own."""
    document = made().document()
    do(document, circles.add(document, "watershed", Ellipse(150, 150, 9, 9)))
    assert document.analysis is not None
    image = damage(document.copy_labels())
    return replace(document.analysis, labels=PackedLabels.pack(image)), image


def test_labels_that_fit_are_left_alone() -> None:
    document = made().document()
    assert document.analysis is not None
    assert mended(document.analysis, document.labels) is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_after_mending_labels_fit_and_every_edit_can_be_made(damage: Callable[[Labels], Labels]) -> None:
    analysis, image = spoilt(damage)
    n = len(analysis.agglomerates)
    found = mended(analysis, image)
    assert found is not None
    fitting, image = found
    table = fitting.agglomerates
    assert labels_fit(image, table)
    left = {"_strangers": n, "_one_gone": n - 1, "_nothing": 0, "_noise": 0, "_other_size": 0}
    assert len(table) == left.get(damage.__name__, len(table))
    for row, ident in enumerate(table.ids.tolist()):
        y, x = np.nonzero(image == ident)
        assert (x.mean(), y.mean()) == pytest.approx((table.x[row], table.y[row]))
    assert is_sound(fitting)
    particles = fitting.results["watershed"].particles
    assert np.isin(particles.agglomerate[particles.status == Status.AUTO], table.ids).all()
    assert (particles.status == Status.ADDED).sum() == 1  # what a person drew stays

    document = ImageDocument(fitting)
    for ident in (document.next_agglomerate(), 0):
        stroke = Stroke(document, ident, 12, is_new=bool(ident), protect=False)
        stroke.line(10, 60, 310, 70)
        edit = stroke.edit()
        if edit is not None:
            document.apply(edit)
    ids = document.table.ids.tolist()
    makes: list[Callable[[], Edit | None]] = [
        lambda: labels.fill_holes(document, ids),
        lambda: labels.grow(document, ids),
        lambda: labels.shrink(document, ids),
        lambda: labels.split_by_line(document, np.array([[0, 0], [319, 239]], float)),
        lambda: labels.erase_polygon(document, np.array([[0, 0], [300, 0], [0, 200]], float)),
        lambda: labels.merge(document, ids[:2]),
        lambda: labels.delete(document, ids),
    ]
    for make in makes:
        edit = make()
        if edit is not None:
            document.apply(edit)
        assert labels_fit(document.labels, document.table)


def test_what_mending_changed_is_measured_again() -> None:
    analysis, image = spoilt(_smaller)
    found = mended(analysis, image)
    assert found is not None
    document, base = ImageDocument(found[0]), made()
    stale = document.stale()["watershed"]
    assert stale and stale < set(document.table.ids.tolist())
    task = remeasurement(document, base.micrograph, base.grey_levels)
    assert task is not None
    for patch in amendment(document, measure(task)):
        patch.apply(document, True)
    assert not document.stale()


def test_corrections_leave_out_agglomerates_without_a_pixel(tmp_path: Path) -> None:
    analysis, _ = spoilt(_one_gone)
    found = collect(made().micrograph, analysis, "watershed", analysis.agglomerates.ids.tolist())
    assert found
    save_corrections(tmp_path / "a.npz", found, "watershed")
    assert len(load_corrections(tmp_path / "a.npz")) == len(found)


@pytest.mark.parametrize("ident", [-1, LARGEST_ID + 1])
def test_steps_with_ids_that_cannot_be_are_not_read(ident: int) -> None:
    patch = LabelPatch.to(np.zeros((4, 4), np.int32), np.array([3]), np.array([7], np.int32))
    assert patch is not None
    assert from_bytes(LabelPatch, to_bytes(patch)).new.tolist() == [7]
    object.__setattr__(patch, "new", np.array([ident], np.int32))
    with pytest.raises(PackingError):
        from_bytes(LabelPatch, to_bytes(patch))
