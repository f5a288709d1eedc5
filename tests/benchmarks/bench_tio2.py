"""How well every method measures real TiO2 agglomerates, against outlines drawn by hand.

    python -m tests.benchmarks.bench_tio2 [--method NAME ...] [--fields all|validation|test] [--least-score S]

The data (Ruehle et al., Sci. Rep. 11 (2021) 4942) are not part of the project. A silhouette is usable when
it does not touch the border and the hand-drawn outlines cover 80 to 120 % of it. The outlines were drawn on
another kind of image and are wider: single particles give that offset (true diameter over that of NanoAI's
silhouette, median), and all diameters are multiplied by it. They also follow only what shows from above,
while transmission shows a particle whole: hence a second comparison "as drawn", in which no px belongs to
two particles, and a third one by how much of a particle could be drawn. The number found says nothing of
which were found: F1 counts those that share :data:`SAME_IOU` of their union with a drawn one. Two fields
(:data:`VALIDATION`) are looked at while methods are made; the other twelve are the test.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import never_cancelled, no_progress
from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.evaluation import Comparison, accuracy
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.segmentation import segment
from nanoai_gui.core.tem.sizing import METHOD_MODULES, get_method
from nanoai_gui.core.tem.sizing.fit import FitParameters
from tests.benchmarks.bench_emps import rasterise
from tests.shared_data import shared_data

DATA_BAR_TOP = 704
VALIDATION = ("1908249", "1908297")
"""Fields that were looked at during development."""
CLASSES = {"green": "drawn whole", "blue": "partly hidden", "red": "fragments"}
"""What the colours of the drawn particles mean."""
LEAST_DRAWN_PX = 50
"""Smaller drawn areas are not counted, as in the table of silhouettes."""
SAME_IOU = 0.4
"""Least overlap with a drawn particle: of hidden ones only a part was drawn."""


@dataclass(frozen=True)
class Silhouette:
    """One usable silhouette: its box (x0, y0, x1, y1), area and the true areas, in px."""

    image: str
    box: tuple[int, int, int, int]
    area: float
    true_areas: tuple[float, ...]


def usable_silhouettes(folder: Path) -> list[Silhouette]:
    """Read the silhouettes on which methods are compared."""
    out = []
    with (folder / "derived" / "silhouettes_tsem.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            covered = float(row["covered_fraction"] or 0)
            if row["touches_border"] == "1" or not 0.8 <= covered <= 1.2:
                continue
            areas = tuple(float(v) for v in row["primary_areas_px_desc"].split())
            if areas:
                box = (int(row["x0"]), int(row["y0"]), int(row["x1"]), int(row["y1"]))
                out.append(Silhouette(row["tsem_image"], box, float(row["area_px"]), areas))
    return out


def silhouette_labels(pixels: NDArray[np.uint8], level: int) -> NDArray[np.int32]:
    """Label what Otsu's level parts from the background, as in the table of silhouettes."""
    from scipy import ndimage

    labels, _ = ndimage.label(pixels[:DATA_BAR_TOP] <= level, np.ones((3, 3)))
    return np.asarray(labels, dtype=np.int32)


def find_label(labels: NDArray[np.int32], silhouette: Silhouette) -> int:
    """Give the label whose area in the box comes nearest to that of the silhouette; 0 for none."""
    x0, y0, x1, y1 = silhouette.box
    counts = np.bincount(labels[y0:y1, x0:x1].ravel()).astype(float)
    # A small silhouette may lie in the bay of a large one, of which more is in its box.
    counts[0] = np.inf
    best = int(np.argmin(np.abs(counts - silhouette.area)))
    return best if 0.8 * silhouette.area < counts[best] < 1.2 * silhouette.area else 0


def centres_within(
    silhouette: Silhouette,
    label: int,
    owner: NDArray[np.int32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Tell which particles lie in a silhouette: by label and box.

    The box matters where silhouettes that the table keeps apart touch by a few pixels here: one label then
    holds them all, and the particles of the others would count as wrong.
    """
    x0, y0, x1, y1 = silhouette.box
    return np.asarray((owner == label) & (x > x0 - 1) & (x < x1) & (y > y0 - 1) & (y < y1))


def single_ratios(
    silhouettes: list[Silhouette], labels: NDArray[np.int32], agglomerates: Agglomerates
) -> list[float]:
    """Give true diameter over that of NanoAI's silhouette for single particles that stand alone in both."""
    out = []
    for s in silhouettes:
        if len(s.true_areas) != 1:
            continue
        beneath = agglomerates.labels[: len(labels)][labels == find_label(labels, s)]
        counts = np.bincount(beneath)
        counts[0] = 0
        if counts.any():
            area = float(agglomerates.area_px[np.searchsorted(agglomerates.ids, counts.argmax())])
            if area < 1.3 * s.area:
                out.append(float(np.sqrt(s.true_areas[0] / area)))
    return out


def seen_areas(particles: Particles, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Give the area of each particle where every px belongs to one, that in which it lies deepest."""
    from scipy import ndimage

    owner = np.full(shape, -1, dtype=np.int32)
    deepest = np.zeros(shape)
    for k, (rows, columns) in enumerate(rasterise(particles, shape)):
        if not len(rows):
            continue
        y0, x0 = int(rows.min()), int(columns.min())
        inside = np.zeros((int(rows.max()) - y0 + 3, int(columns.max()) - x0 + 3), dtype=bool)
        inside[rows - y0 + 1, columns - x0 + 1] = True
        depth = ndimage.distance_transform_edt(inside)
        depth = (depth / depth.max())[rows - y0 + 1, columns - x0 + 1]
        better = depth > deepest[rows, columns]
        owner[rows[better], columns[better]] = k
        deepest[rows[better], columns[better]] = depth[better]
    return np.bincount(owner[owner >= 0], minlength=len(particles)).astype(float)


@dataclass(frozen=True)
class Drawn:
    """What was drawn on one field, moved onto the transmission image.

    ``labels`` are the outlines, filled; ``classes`` tells the colour of each label that is a particle.
    """

    labels: NDArray[np.int32]
    classes: dict[int, str]

    @classmethod
    def read(cls, folder: Path, image: str, shift: dict[str, str], shape: tuple[int, int]) -> Drawn:
        """Read the outlines of a field; ``shift`` is its row of the table of registration."""
        from PIL import Image
        from scipy import ndimage

        mask = np.asarray(Image.open(folder / "masks_manual" / f"{shift['sem_image']}_m.tif").convert("L"))
        dx, dy = int(shift["dx_px"]), int(shift["dy_px"])
        labels = np.roll(ndimage.label(mask > 127)[0], (dy, dx), axis=(0, 1))[: shape[0], : shape[1]]
        classes = {}
        with (folder / "derived" / "particles_manual.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                x, y = round(float(row["x_px"]) + dx), round(float(row["y_px"]) + dy)
                inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
                if row["tsem_image"] == image and inside and float(row["area_px"]) >= LEAST_DRAWN_PX:
                    classes[int(labels[y, x])] = row["class_colour"]
        classes.pop(0, None)
        return cls(labels.astype(np.int32), classes)

    def ratios(
        self, particles: Particles, within: NDArray[np.bool_]
    ) -> tuple[dict[str, list[float]], dict[str, int]]:
        """Give found over drawn diameter by colour, and how many were drawn where ``within`` is true."""
        areas = np.bincount(self.labels.ravel())
        middle = np.bincount(self.labels.ravel(), weights=within.ravel())
        drawn = {k: c for k, c in self.classes.items() if middle[k] > 0.5 * areas[k]}
        pairs = []
        for k, (rows, columns) in enumerate(rasterise(particles, self.labels.shape)):
            shared = np.bincount(self.labels[rows, columns], minlength=len(areas))
            pairs += [
                (shared[label] / (areas[label] + len(rows) - shared[label]), k, label)
                for label in np.flatnonzero(shared).tolist()
                if label in drawn
            ]
        out: dict[str, list[float]] = {c: [] for c in CLASSES}
        taken: set[tuple[str, int]] = set()
        for iou, k, label in sorted(pairs, reverse=True):
            if iou >= SAME_IOU and not {("found", k), ("drawn", label)} & taken:
                taken |= {("found", k), ("drawn", label)}
                ratio = np.sqrt(particles.area_px[k] / areas[label])
                out[drawn[label]].append(float(ratio))
        return out, {c: sum(d == c for d in drawn.values()) for c in CLASSES}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", action="append", choices=list(METHOD_MODULES))
    parser.add_argument("--fields", choices=("all", "validation", "test"), default="all")
    parser.add_argument("--least-score", type=float, help="another one for the method `fit`")
    arguments = parser.parse_args()
    methods = tuple(arguments.method or METHOD_MODULES)
    folder = shared_data("tem/tio2_tsem")
    with (folder / "derived" / "registration_sem_to_tsem.csv").open(newline="") as file:
        registration = {row["tsem_image"]: row for row in csv.DictReader(file)}
    levels = {image: int(row["tsem_otsu_threshold"]) for image, row in registration.items()}
    if arguments.fields != "all":
        wanted = arguments.fields == "validation"
        levels = {image: level for image, level in levels.items() if (image in VALIDATION) == wanted}
    silhouettes = [s for s in usable_silhouettes(folder) if s.image in levels]
    ratios: list[float] = []
    small: dict[str, list[Comparison]] = {m: [] for m in methods}
    large: dict[str, list[Comparison]] = {m: [] for m in methods}
    as_drawn: dict[str, list[Comparison]] = {m: [] for m in methods}
    by_class: dict[str, dict[str, tuple[list[float], int]]] = {
        m: {c: ([], 0) for c in CLASSES} for m in methods
    }
    missed = 0
    for image, level in levels.items():
        mine = [s for s in silhouettes if s.image == image]
        micrograph = read_micrograph(folder / "tsem" / f"{image}.tif").with_data_bar(DATA_BAR_TOP)
        labels = silhouette_labels(micrograph.pixels, level)
        agglomerates = segment(micrograph)
        ratios += single_ratios(mine, labels, agglomerates)
        drawn = Drawn.read(folder, image, registration[image], labels.shape)
        usable = np.isin(labels, [find_label(labels, s) for s in mine]) & (labels > 0)
        for name in methods:
            method = get_method(name)
            parameters = method.Parameters()
            if arguments.least_score is not None and isinstance(parameters, FitParameters):
                parameters = FitParameters(least_score=arguments.least_score)
            p = method.size(micrograph, agglomerates, parameters, no_progress, never_cancelled).particles
            row = np.clip(np.rint(p.y).astype(int), 0, labels.shape[0] - 1)
            column = np.clip(np.rint(p.x).astype(int), 0, labels.shape[1] - 1)
            owner = labels[row, column]
            seen = np.sqrt(4 / np.pi * seen_areas(p, labels.shape))
            of_class, n_drawn = drawn.ratios(p, usable)
            for c, (known, n) in by_class[name].items():
                by_class[name][c] = known + of_class[c], n + n_drawn[c]
            for s in mine:
                label = find_label(labels, s)
                if label == 0:
                    missed += 1
                    continue
                here = centres_within(s, label, owner, p.x, p.y)
                found = p.diameter_px[here]
                true = np.sqrt(4 / np.pi * np.array(s.true_areas))
                (small if len(true) <= 5 else large)[name].append(Comparison(true, found, 0))
                as_drawn[name].append(Comparison(true, seen[here & (seen > 0)], 0))
    offset = float(np.median(ratios))
    print(f"{len(silhouettes)} usable silhouettes, offset of the hand-drawn diameters {offset:.3f} "
          f"({len(ratios)} singles)")  # fmt: skip
    for comparisons in (*small.values(), *large.values(), *as_drawn.values()):
        comparisons[:] = [Comparison(c.true, c.found * offset, 0) for c in comparisons]
    if missed:
        print(f"{missed} silhouettes were not found again")
    print(
        f"{'method':17s} {'single as one':>13s} | 1-5: {'n':>4s} {'exact count':>11s} "
        f"{'GMD, %':>20s} {'GSD, %':>20s} | >5: {'found/true':>10s} {'GMD, %':>7s} {'GSD, %':>7s}"
    )
    for name in methods:
        a, b = accuracy(small[name]), accuracy(large[name])
        print(
            f"{name:17s} {100 * a.singles_as_one:12.1f}% |      {a.n_agglomerates:4d} "
            f"{100 * a.exact_count:10.1f}% {interval(a.gmd_error, a.gmd_ci95)} "
            f"{interval(a.gsd_error, a.gsd_ci95)} |     {100 * b.n_found / b.n_true:9.1f}% "
            f"{100 * b.gmd_error:+7.1f} {100 * b.gsd_error:+7.1f}"
        )
        pooled = accuracy(small[name] + large[name])
        print(f"{'':17s} all usable: n {pooled.n_found} of {pooled.n_true}, GMD "
              f"{100 * pooled.gmd_error:+.1f} %, GSD {100 * pooled.gsd_error:+.1f} %")  # fmt: skip
        parts = accuracy(as_drawn[name])
        print(f"{'':17s} as drawn, no px in two particles: GMD {100 * parts.gmd_error:+.1f} %, "
              f"GSD {100 * parts.gsd_error:+.1f} %")  # fmt: skip
        right = sum(len(known) for known, _ in by_class[name].values())
        drawn_in_all = sum(n for _, n in by_class[name].values())
        print(f"{'':17s} F1 {2 * right / (drawn_in_all + pooled.n_found):.3f}: found and drawn are the same "
              f"for {right}, of {pooled.n_found} and {drawn_in_all}")  # fmt: skip
        print(f"{'':17s} by what could be drawn: " + "; ".join(
            f"{CLASSES[c]} {len(same)} of {n}, diameter "
            f"{100 * (offset * np.exp(np.mean(np.log(same))) - 1 if same else np.nan):+.1f} %"
            for c, (same, n) in by_class[name].items()
        ))  # fmt: skip


def interval(value: float, ci: tuple[float, float]) -> str:
    """A relative error with its interval, in percent."""
    return f"{100 * value:+5.1f} [{100 * ci[0]:+5.1f},{100 * ci[1]:+5.1f}]"


if __name__ == "__main__":
    main()
