"""Outlines of any known format, read for one image, and what a person takes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.exchange.shapes import (
    Role,
    Shape,
    check_inside,
    shapes_of_labels,
    to_labels,
    to_particles,
)
from nanoai_gui.core.tem.particles import Particles

SUFFIXES = (".zip", ".roi", ".json", ".tif", ".tiff", ".png")
"""Endings (lower case) of files that may hold outlines."""

LARGEST_KEPT_ID = 1_000_000
"""Agglomerates and particles keep ids up to this one when they are taken into an image."""


@dataclass(frozen=True, eq=False)
class Outlines:
    """What a file holds for one image.

    Parameters
    ----------
    path
        The file.
    shape
        Height and width of the image in px.
    labels
        (height, width) ids, for a label image; else ``None``.
    shapes
        Outlines, for the other formats.
    notes
        Sentences about what was left out.
    """

    path: Path
    shape: tuple[int, int]
    labels: NDArray[np.int32] | None = None
    shapes: tuple[Shape, ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, role: Role | None) -> int:
        """How many shapes have a role (``None``: no role, as all ids of a label image)."""
        if self.labels is not None:
            return 0 if role is not None else int(np.count_nonzero(np.unique(self.labels)))
        return sum(shape.role is role for shape in self.shapes)

    @property
    def method(self) -> str:
        """The method that particles of the file were measured by, if it says so of all of them."""
        methods = {shape.method for shape in self.shapes if shape.role is Role.PARTICLE}
        return methods.pop() if len(methods) == 1 else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person takes of a file.

    Parameters
    ----------
    agglomerates, particles
        Whether these are taken.
    default
        What shapes without a role are.
    method
        Under which sizing method the particles stand.
    replaces
        Whether they take the place of all particles of that method.
    """

    agglomerates: bool
    particles: bool
    default: Role
    method: str = "manual"
    replaces: bool = True


@dataclass(frozen=True, eq=False)
class Taken:
    """What is to be put into the image: labels and particles, ``None`` where they stay as they are."""

    labels: NDArray[np.int32] | None
    particles: Particles | None
    notes: tuple[str, ...]


def read_outlines(
    path: Path, image: str, shape: tuple[int, int], field_height: int | None = None, frame: int | None = None
) -> Outlines:
    """Read the outlines that a file holds for an image.

    Parameters
    ----------
    path
        A label image, ImageJ regions or COCO annotations, by its suffix.
    image, shape, field_height, frame
        Name, height and width of the image, rows above its data bar, and its number in a stack.

    Raises
    ------
    ReadError
        If the file cannot be read, belongs to another image, or is of another kind.
    """
    suffix = path.suffix.lower()
    if suffix in (".zip", ".roi"):
        from nanoai_gui.core.files.imagej import read_rois

        found = read_rois(path, frame)
    elif suffix == ".json":
        from nanoai_gui.core.files.coco import read_coco

        found = read_coco(path, image, shape)
    elif suffix in (".tif", ".tiff", ".png"):
        from nanoai_gui.core.files.label_images import read_labels

        return Outlines(path, shape, read_labels(path, shape, field_height))
    else:
        raise ReadError(
            f"{path.name} is of no kind that outlines are kept in.",
            "Choose a label image (.tif, .png), ImageJ regions (.zip, .roi) or COCO annotations (.json).",
        )
    check_inside(found.shapes, shape, path.name)
    return Outlines(path, shape, None, found.shapes, found.notes)


def take(outlines: Outlines, choice: Choice, labels: NDArray[np.int32] | None) -> Taken:
    """Make labels and particles of what was read.

    Parameters
    ----------
    labels
        (height, width), the agglomerates of the image as it is: particles belong to these, unless
        agglomerates are taken too.
    """
    new: NDArray[np.int32] | None = None
    particles: Particles | None = None
    notes: list[str] = []
    if choice.agglomerates:
        if outlines.labels is not None:
            new = outlines.labels
        else:
            chosen = _chosen(outlines, Role.AGGLOMERATE, choice.default)
            new, said = to_labels(chosen, outlines.shape)
            notes += said
        new, said = _with_small_ids(new)
        notes += said
    if choice.particles:
        shapes = _chosen(outlines, Role.PARTICLE, choice.default)
        particles, said = to_particles(shapes, outlines.shape, labels if new is None else new)
        notes += said
        particles, said = _with_small_particle_ids(particles)
        notes += said
    return Taken(new, particles, tuple(notes))


def _with_small_ids(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Give ids above :data:`LARGEST_KEPT_ID` new ones: tables by id would not fit into memory."""
    if int(labels.max(initial=0)) <= LARGEST_KEPT_ID:
        return labels, ()
    ids = np.unique(labels[labels > 0])
    large = ids[ids > LARGEST_KEPT_ID]
    first = int(ids[ids <= LARGEST_KEPT_ID].max(initial=0)) + 1
    new = np.where(labels > LARGEST_KEPT_ID, first + np.searchsorted(large, labels), labels)
    return new.astype(np.int32), (_renumbered(first),)


def _with_small_particle_ids(particles: Particles) -> tuple[Particles, tuple[str, ...]]:
    """Give particles above :data:`LARGEST_KEPT_ID` new ids: those added later need larger ones."""
    is_large = particles.ids > LARGEST_KEPT_ID
    if not is_large.any():
        return particles, ()
    first = int(particles.ids[~is_large].max(initial=0)) + 1
    ids = particles.ids.copy()
    ids[is_large] = np.arange(first, first + np.count_nonzero(is_large), dtype=np.int32)
    return replace(particles, ids=ids), (_renumbered(first),)


def _renumbered(first: int) -> str:
    return f"Ids above {LARGEST_KEPT_ID} were given new numbers, from {first} on."


def _chosen(outlines: Outlines, role: Role, default: Role) -> list[Shape]:
    if outlines.labels is not None:
        return shapes_of_labels(outlines.labels, role) if default is role else []
    return [replace(s, role=role) for s in outlines.shapes if (s.role or default) is role]
