"""What was found in an image, written for other programs: labels, ImageJ regions or COCO annotations."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.exchange.shapes import Shape, agglomerate_shapes, particle_labels, particle_shapes

if TYPE_CHECKING:
    from nanoai_gui.core.files.coco import CocoWriter
    from nanoai_gui.core.tem.analysis import ImageAnalysis


class Format(StrEnum):
    """Formats of outlines, by their names on the command line."""

    COCO = "coco"
    IMAGEJ = "imagej"
    LABELS = "labels"


def analysis_shapes(
    analysis: ImageAnalysis, method: str | None = None, with_agglomerates: bool = True
) -> list[Shape]:
    """Give the agglomerates of an image, excluded ones too, and the particles of a method."""
    a = analysis.agglomerates
    shapes: list[Shape] = []
    if with_agglomerates:
        shapes = agglomerate_shapes(analysis.labels.unpack(), a.ids.tolist(), a.boxes.tolist())
    return shapes + (particle_shapes(analysis.results[method]) if method is not None else [])


def export_outlines(
    path: Path,
    kind: Format,
    images: Sequence[tuple[str, ImageAnalysis]],
    with_agglomerates: bool,
    method: str | None,
    suffix: str,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> tuple[str, ...]:
    """Write what was found in images.

    Parameters
    ----------
    path
        The file for one image, or for COCO annotations; else the folder for the files of several.
    images
        Names and analyses.
    method
        Whose particles are written; images that it did not measure get none. ``None``: no particles.
    suffix
        Of the files in a folder.

    Returns
    -------
    Sentences about what a format cannot hold.

    Raises
    ------
    WriteError
        If a file cannot be written, or an id does not fit.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    notes: dict[str, None] = {}
    is_folder = len(images) > 1 and kind is not Format.COCO
    with contextlib.ExitStack() as stack:
        coco = None
        if kind is Format.COCO:
            from nanoai_gui.core.files.coco import CocoWriter

            coco = stack.enter_context(CocoWriter(path))
        for i, (name, analysis) in enumerate(images):
            checkpoint(cancelled)
            progress(i / len(images), "Writing outlines")
            own = method if method in analysis.results else None
            if coco is not None:
                shapes = analysis_shapes(analysis, own, with_agglomerates)
                coco.add(name, analysis.shape, shapes, analysis.calibration.nm_per_px)
                continue
            target = path / f"{file_name(name)}{suffix}" if is_folder else path
            if kind is Format.IMAGEJ:
                from nanoai_gui.core.files.imagej import write_rois

                write_rois(target, analysis_shapes(analysis, own, with_agglomerates))
            else:
                notes |= dict.fromkeys(_write_label_files(target, analysis, with_agglomerates, own))
    return tuple(notes)


def _write_label_files(
    path: Path, analysis: ImageAnalysis, with_agglomerates: bool, method: str | None
) -> tuple[str, ...]:
    """Write one label image, or both: then the method stands in the name of that of the particles."""
    if with_agglomerates:
        write_agglomerate_labels(path, analysis)
    if method is None:
        return ()
    if with_agglomerates:
        path = path.with_name(f"{path.stem}.{method}{path.suffix}")
    return write_particle_labels(path, analysis, method)


def file_name(name: str) -> str:
    """Make the name of an image, which may contain folders, a name that every file system takes."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name)


def add_to_coco(writer: CocoWriter, name: str, analysis: ImageAnalysis, method: str | None) -> None:
    """Add one image, its agglomerates and the particles of a method to a file of many.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    writer.add(name, analysis.shape, analysis_shapes(analysis, method), analysis.calibration.nm_per_px)


def write_agglomerate_labels(path: Path, analysis: ImageAnalysis) -> None:
    """Write the ids of agglomerates as a label image.

    Raises
    ------
    WriteError
        If an id does not fit into the format, or the file cannot be written.
    """
    from nanoai_gui.core.files.label_images import write_labels

    write_labels(path, analysis.labels.unpack(), analysis.calibration.nm_per_px)


def write_particle_labels(path: Path, analysis: ImageAnalysis, method: str) -> tuple[str, ...]:
    """Write the ids of the particles of a method as a label image; small ones lie in front.

    Returns
    -------
    Sentences about what a label image cannot hold.

    Raises
    ------
    WriteError
        If an id does not fit into the format, or the file cannot be written.
    """
    from nanoai_gui.core.files.label_images import write_labels

    labels, notes = particle_labels(particle_shapes(analysis.results[method]), analysis.shape)
    write_labels(path, labels, analysis.calibration.nm_per_px)
    return notes


def write_beside(folder: Path, name: str, analysis: ImageAnalysis, formats: frozenset[Format]) -> None:
    """Write an image's files of the wanted formats into folders of ``folder`` (which exist).

    ``labels/NAME.tif`` holds the agglomerates, ``labels/NAME.METHOD.tif`` the particles of a method,
    ``imagej/NAME.METHOD.zip`` both. COCO annotations of all images share a file, see :func:`add_to_coco`.

    Raises
    ------
    WriteError
        If a file cannot be written.
    """
    if Format.LABELS in formats:
        write_agglomerate_labels(folder / Format.LABELS / f"{name}.tif", analysis)
        for method in analysis.results:
            write_particle_labels(folder / Format.LABELS / f"{name}.{method}.tif", analysis, method)
    if Format.IMAGEJ in formats:
        from nanoai_gui.core.files.imagej import write_rois

        for method in analysis.results:
            write_rois(folder / Format.IMAGEJ / f"{name}.{method}.zip", analysis_shapes(analysis, method))
