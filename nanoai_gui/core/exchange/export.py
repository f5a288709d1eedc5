"""What was found in an image, written for other programs: labels, ImageJ regions or COCO annotations."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from nanoai_gui.core.exchange.shapes import Shape, agglomerate_shapes, particle_labels, particle_shapes

if TYPE_CHECKING:
    from nanoai_gui.core.files.coco import CocoWriter
    from nanoai_gui.core.tem.analysis import ImageAnalysis


class Format(StrEnum):
    """Formats of outlines, by their names on the command line."""

    COCO = "coco"
    IMAGEJ = "imagej"
    LABELS = "labels"


def analysis_shapes(analysis: ImageAnalysis, method: str | None = None) -> list[Shape]:
    """Give the agglomerates of an image, excluded ones too, and the particles of a method."""
    a = analysis.agglomerates
    shapes = agglomerate_shapes(analysis.labels.unpack(), a.ids.tolist(), a.boxes.tolist())
    return shapes + (particle_shapes(analysis.results[method]) if method is not None else [])


def write_imagej(path: Path, analysis: ImageAnalysis, method: str | None) -> tuple[str, ...]:
    """Write agglomerates, and the particles of a method, as ImageJ regions.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    from nanoai_gui.core.files.imagej import write_rois

    write_rois(path, analysis_shapes(analysis, method))
    return ()


def write_coco(path: Path, analysis: ImageAnalysis, method: str | None) -> tuple[str, ...]:
    """Write agglomerates, and the particles of a method, as COCO annotations of one image.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    from nanoai_gui.core.files.coco import CocoWriter

    with CocoWriter(path) as writer:
        add_to_coco(writer, analysis.name, analysis, method)
    return ()


def add_to_coco(writer: CocoWriter, name: str, analysis: ImageAnalysis, method: str | None) -> None:
    """Add one image to a file of many.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    writer.add(name, analysis.shape, analysis_shapes(analysis, method), analysis.calibration.nm_per_px)


def write_agglomerate_labels(path: Path, analysis: ImageAnalysis) -> tuple[str, ...]:
    """Write the ids of agglomerates as a label image.

    Raises
    ------
    WriteError
        If an id does not fit into the format, or the file cannot be written.
    """
    from nanoai_gui.core.files.label_images import write_labels

    write_labels(path, analysis.labels.unpack(), analysis.calibration.nm_per_px)
    return ()


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
        for method in analysis.results:
            write_imagej(folder / Format.IMAGEJ / f"{name}.{method}.zip", analysis, method)
