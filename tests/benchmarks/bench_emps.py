"""F1 of particles in electron micrographs taken from papers, against masks drawn by hand.

    python -m tests.benchmarks.bench_emps [--method fit --method watershed ...]

The data (Yildirim and Cole, J. Chem. Inf. Model. 61 (2021) 1136) are not part of the project, and nothing
was tuned on them. Only images whose particles are darker than what is around them count, as in transmission;
a particle is found when its outline and a mask share half of their union. Masks in agglomerates that the
border cuts, which NanoAI does not measure, are left out for every method.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import never_cancelled, no_progress
from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.segmentation import SegmentationParameters, segment
from nanoai_gui.core.tem.sizing import get_method
from tests.shared_data import shared_data

Places = tuple[NDArray[np.intp], NDArray[np.intp]]
MINIMUM_IOU = 0.5


def read_masks(path: Path) -> NDArray[np.int32]:
    """Labels of the hand-drawn masks."""
    from PIL import Image

    labels = np.asarray(Image.open(path))
    return np.asarray(labels if labels.ndim == 2 else labels[..., 0], dtype=np.int32)


def is_dark(pixels: NDArray[Any], masks: NDArray[np.int32]) -> bool:
    """Whether the particles are darker than the rest."""
    return float(np.median(pixels[masks > 0])) < float(np.median(pixels[masks == 0]))


def rasterise(
    particles: Particles, shape: tuple[int, int]
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows and columns of the pixels of every particle."""
    from skimage.draw import disk, polygon

    out = []
    for k, outline in enumerate(particles.outlines):
        if len(outline):
            out.append(polygon(outline[:, 1], outline[:, 0], shape))
        else:
            radius = float(particles.diameter_px[k]) / 2
            out.append(disk((particles.y[k], particles.x[k]), max(radius, 0.6), shape=shape))
    return out


def count(masks: NDArray[np.int32], agglomerates: Agglomerates, particles: Particles) -> tuple[int, int, int]:
    """Numbers of true, found and matched particles of one image."""
    areas = np.bincount(masks.ravel())
    excluded = np.isin(agglomerates.labels, agglomerates.ids[~agglomerates.measured])
    cut = np.bincount(masks.ravel(), weights=excluded.ravel(), minlength=len(areas))
    border = np.unique(np.concatenate([masks[0], masks[-1], masks[:, 0], masks[:, -1]]))
    left_out = (cut > 0.5 * areas) | np.isin(np.arange(len(areas)), border)
    true = (areas > 0) & ~left_out
    true[0] = False
    best: list[tuple[float, int, int]] = []
    void = np.zeros(len(particles), dtype=bool)
    for k, (rows, columns) in enumerate(rasterise(particles, (masks.shape[0], masks.shape[1]))):
        if not len(rows):
            continue
        shared = np.bincount(masks[rows, columns], minlength=len(areas))
        shared[0] = 0
        iou = shared / (areas + len(rows) - shared)
        label = int(np.argmax(iou))
        if iou[label] >= MINIMUM_IOU:
            # A mask that does not count makes what is found there not count either.
            void[k] = left_out[label]
            best.append((float(iou[label]), k, label))
    taken: set[int] = set()
    for _, k, label in sorted(best, reverse=True):
        if true[label] and not void[k] and label not in taken:
            taken.add(label)
    return int(true.sum()), int(np.count_nonzero(~void)), len(taken)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", action="append")
    methods = parser.parse_args().method or ["fit", "watershed"]
    folder = shared_data("tem/emps")
    totals: dict[str, list[tuple[int, int, int]]] = {m: [] for m in methods}
    for path in sorted((folder / "images").glob("*.png")):
        masks = read_masks(folder / "segmaps" / path.name)
        micrograph = read_micrograph(path)
        if masks.shape != micrograph.shape or not is_dark(micrograph.pixels, masks):
            continue
        agglomerates = segment(micrograph, SegmentationParameters(polarity=Polarity.DARK))
        for name in methods:
            method = get_method(name)
            result = method.size(micrograph, agglomerates, method.Parameters(), no_progress, never_cancelled)
            totals[name].append(count(masks, agglomerates, result.particles))
    print(
        f"{'method':17s} {'images':>6s} {'true':>6s} {'found':>6s} {'right':>6s}  F1 [95 %], mean of images"
    )
    rng = np.random.default_rng(0)
    for name, rows in totals.items():
        table = np.array(rows, dtype=float)
        table = table[table[:, :2].sum(axis=1) > 0]
        drawn = table[rng.integers(0, len(table), (1000, len(table)))].sum(axis=1)
        low, high = np.percentile(2 * drawn[:, 2] / (drawn[:, 0] + drawn[:, 1]), [2.5, 97.5])
        true, found, right = table.sum(axis=0)
        each = np.mean(2 * table[:, 2] / (table[:, 0] + table[:, 1]))
        print(
            f"{name:17s} {len(table):6d} {true:6.0f} {found:6.0f} {right:6.0f}  "
            f"{2 * right / (true + found):.3f} [{low:.3f}, {high:.3f}]  {each:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
