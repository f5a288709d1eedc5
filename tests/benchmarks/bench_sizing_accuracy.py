"""How far every method is off on synthetic images whose particles are known.

    python -m tests.benchmarks.bench_sizing_accuracy [--images 4] [--seed 5000] [--method NAME ...]

Populations: agglomerates of 1..5 spheres, GMD 20 and 40 px, GSD 1.1, 1.35 and 1.6. Parameters were tuned on
seeds 1000 to 1999 of the same generator; seeds from 5000 are for testing and were never tuned on.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass, replace

import numpy as np

from nanoai_gui.core.callbacks import never_cancelled, no_progress
from nanoai_gui.core.tem.evaluation import Accuracy, Comparison, accuracy, compare_with_truth
from nanoai_gui.core.tem.segmentation import SegmentationParameters, segment
from nanoai_gui.core.tem.sizing import METHOD_MODULES, get_method
from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image

GMDS_PX = (20.0, 40.0)
GSDS = (1.1, 1.35, 1.6)


@dataclass(frozen=True)
class Row:
    """One line of the table: a population, a method and its accuracy."""

    spec: SynthesisSpec
    method: str
    accuracy: Accuracy
    seconds: float


def populations(base: SynthesisSpec | None = None) -> list[SynthesisSpec]:
    """Give the six populations of the table."""
    base = base or SynthesisSpec()
    return [replace(base, gmd_px=g, gsd=s) for g, s in itertools.product(GMDS_PX, GSDS)]


def measure(
    spec: SynthesisSpec,
    seeds: range,
    methods: tuple[str, ...],
    segmentation: SegmentationParameters | None = None,
) -> list[Row]:
    """Measure every method on the images of one population."""
    comparisons: dict[str, list[Comparison]] = {m: [] for m in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for seed in seeds:
        image = make_image(spec, seed)
        agglomerates = segment(image.micrograph, segmentation)
        for name in methods:
            method = get_method(name)
            started = time.perf_counter()
            result = method.size(
                image.micrograph, agglomerates, method.Parameters(), no_progress, never_cancelled
            )
            seconds[name] += time.perf_counter() - started
            comparisons[name] += compare_with_truth(image, agglomerates, result)
    return [Row(spec, m, accuracy(comparisons[m]), seconds[m] / len(seeds)) for m in methods]


def line(row: Row) -> str:
    """One line of the printed table."""
    a = row.accuracy
    return (
        f"{row.method:17s} {row.spec.gmd_px:4.0f} {row.spec.gsd:5.2f} {a.n_true:6d} {a.n_found:6d}  "
        f"{100 * a.gmd_error:+6.1f} [{100 * a.gmd_ci95[0]:+5.1f}, {100 * a.gmd_ci95[1]:+5.1f}]  "
        f"{100 * a.gsd_error:+6.1f} [{100 * a.gsd_ci95[0]:+5.1f}, {100 * a.gsd_ci95[1]:+5.1f}]  "
        f"{a.f1:.3f}  {100 * a.exact_count:5.1f}  {100 * a.singles_as_one:5.1f}  {row.seconds:6.2f}"
    )


HEADER = (
    f"{'method':17s} {'GMD':>4s} {'GSD':>5s} {'true':>6s} {'found':>6s}  {'GMD error, %':>22s}  "
    f"{'GSD error, %':>22s}  {'F1':5s}  exact  single    s/image"
)


def summary(rows: list[Row], methods: tuple[str, ...]) -> list[str]:
    """Mean absolute errors of each method over the populations."""
    out = []
    for name in methods:
        mine = [r.accuracy for r in rows if r.method == name]
        out.append(
            f"{name:17s} mean |GMD error| {100 * np.mean([abs(a.gmd_error) for a in mine]):5.2f} %   "
            f"mean |GSD error| {100 * np.mean([abs(a.gsd_error) for a in mine]):5.2f} %   "
            f"mean F1 {np.mean([a.f1 for a in mine]):.3f}   "
            f"exact count {100 * np.mean([a.exact_count for a in mine]):.1f} %"
        )
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4, help="images per population")
    parser.add_argument("--seed", type=int, default=5000, help="first seed")
    parser.add_argument("--method", action="append", choices=list(METHOD_MODULES))
    arguments = parser.parse_args()
    methods = tuple(arguments.method or METHOD_MODULES)
    print(HEADER)
    rows: list[Row] = []
    for number, spec in enumerate(populations()):
        first = arguments.seed + 50 * number
        for row in measure(spec, range(first, first + arguments.images), methods):
            rows.append(row)
            print(line(row), flush=True)
    print()
    print("\n".join(summary(rows, methods)))


if __name__ == "__main__":
    main()
