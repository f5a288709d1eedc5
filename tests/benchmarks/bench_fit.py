"""How far the network with its physical fit is off, beside the network alone, where the truth is known.

    python -m tests.benchmarks.bench_fit [--part five whole special sizes] [--images 3] [--seed 7000]

``five``: agglomerates of 1..5, six populations. ``whole``: images of agglomerates of 1..50. ``special``:
Fresnel fringes, contacts sintered by 0.25, ellipsoids of aspect ratio 1.3, flat silhouettes, dose 60.
``sizes``: every method over the number of particles of an agglomerate. ``speed``: seconds, memory and the
delay of cancelling of a whole image, segmentation included. Standard errors of the diameter are judged by
the share of true diameters within one of them (68 % if honest). Constants of the fit were chosen on seeds
1000 to 1999 and never from 7000 on.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import never_cancelled, no_progress
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.evaluation import (
    Accuracy,
    Circles,
    Comparison,
    accuracy,
    compare_with_truth,
    match_circles,
)
from nanoai_gui.core.tem.segmentation import segment
from nanoai_gui.core.tem.sizing import METHOD_MODULES, SizingResult, get_method
from nanoai_gui.core.tem.sizing.fit import FitParameters, size
from nanoai_gui.core.tem.synthesis import SynthesisSpec, SyntheticImage, make_image
from nanoai_gui.core.tem.synthesis.spec import ContrastKind, Shape
from nanoai_gui.core.worker import THREADS

BASE = SynthesisSpec()
POPULATIONS = tuple(
    replace(BASE, gmd_px=gmd, gsd=gsd) for gmd, gsd in itertools.product((20.0, 40.0), (1.1, 1.35, 1.6))
)
SPECIAL = {
    "Fresnel": replace(BASE, gmd_px=20, contrast_kind=ContrastKind.FRESNEL),
    "sintering 0.25": replace(BASE, gmd_px=20, overlap=0.25),
    "ellipsoids 1.3": replace(BASE, gmd_px=20, shape=Shape.ELLIPSOID, aspect_ratio=1.3),
    "flat silhouette": replace(BASE, gmd_px=20, contrast_kind=ContrastKind.SILHOUETTE),
    "dose 60": replace(BASE, gmd_px=20, dose=60),
}
SIZE_CLASSES = ((1, 1), (2, 5), (6, 15), (16, 50))


@dataclass
class Tally:
    """What was found in several images."""

    comparisons: list[Comparison] = field(default_factory=list)
    errors: list[NDArray[np.float64]] = field(default_factory=list)
    deviations: list[NDArray[np.float64]] = field(default_factory=list)
    flagged: int = 0
    n: int = 0
    false_in_singles: int = 0
    singles: int = 0

    def add(self, image: SyntheticImage, agglomerates: Agglomerates, result: SizingResult) -> None:
        """Compare one image with its truth."""
        found = compare_with_truth(image, agglomerates, result)
        self.comparisons += found
        for one in found:
            if len(one.true) == 1:
                self.singles += 1
                self.false_in_singles += max(len(one.found) - 1, 0)
        p, truth = result.particles, image.truth
        i, j = match_circles(
            Circles(truth.x_px, truth.y_px, truth.diameter_px), Circles(p.x, p.y, p.diameter_px)
        )
        error = p.diameter_px[j] - truth.diameter_px[i]
        self.errors.append(np.abs(error) / truth.diameter_px[i])
        sure = ~p.flagged[j] & np.isfinite(p.uncertainty_px[j])
        self.deviations.append(error[sure] / p.uncertainty_px[j][sure])
        self.flagged += int(p.flagged.sum())
        self.n += len(p)

    def accuracy(self) -> Accuracy:
        """Sum up."""
        return accuracy(self.comparisons)

    def line(self) -> str:
        """One line of the printed table."""
        a = self.accuracy()
        z = np.concatenate(self.deviations) if self.deviations else np.empty(0)
        inside = 100 * float(np.mean(np.abs(z) < 1)) if len(z) else float("nan")
        low, high = a.gmd_ci95
        low2, high2 = a.gsd_ci95
        return (
            f"{a.n_true:5d} {a.n_found:5d} "
            f"{100 * a.gmd_error:+6.2f} [{100 * low:+5.1f},{100 * high:+5.1f}] "
            f"{100 * a.gsd_error:+6.2f} [{100 * low2:+5.1f},{100 * high2:+5.1f}] {a.f1:.4f} "
            f"{100 * a.exact_count:5.1f} "
            f"{100 * float(np.median(np.concatenate(self.errors))):6.2f} {inside:6.0f} "
            f"{100 * self.flagged / max(self.n, 1):5.1f} {self.false_in_singles / max(self.singles, 1):7.3f}"
        )


HEADER = (
    f"{'':26s} {'true':>5s} {'found':>5s} {'GMD error, %':>21s} {'GSD error, %':>21s} {'F1':>6s} "
    f"{'exact':>5s} {'med r':>6s} {'1 sd,%':>6s} {'flag%':>5s} {'split':>7s}"
)
METHODS = {"network": FitParameters(refine=False), "network + fit": FitParameters()}


def measure(spec: SynthesisSpec, seeds: Sequence[int]) -> dict[str, Tally]:
    """Measure the images of one population with and without the fit."""
    tallies = {name: Tally() for name in METHODS}
    for seed in seeds:
        image = make_image(spec, seed)
        agglomerates = segment(image.micrograph)
        for name, parameters in METHODS.items():
            tallies[name].add(image, agglomerates, size(image.micrograph, agglomerates, parameters))
    return tallies


def table(cases: dict[str, SynthesisSpec], images: int, seed: int) -> None:
    """Print one line for each case and method, and what they are on average and at worst."""
    print(HEADER)
    sums: dict[str, list[tuple[Accuracy, Tally]]] = {name: [] for name in METHODS}
    for number, (case, spec) in enumerate(cases.items()):
        first = seed + 50 * number
        for name, tally in measure(spec, range(first, first + images)).items():
            print(f"{case:16s} {name[:9]:9s} {tally.line()}", flush=True)
            sums[name].append((tally.accuracy(), tally))
    for name, rows in sums.items():
        gmd, gsd = (np.array([abs(v) for v in values]) for values in zip(
            *((a.gmd_error, a.gsd_error) for a, _ in rows), strict=True))  # fmt: skip
        z = np.concatenate([d for _, t in rows for d in t.deviations])
        inside = 100 * float(np.mean(np.abs(z) < 1)) if len(z) else float("nan")
        print(
            f"{name:26s} mean |GMD| {100 * gmd.mean():.2f} %, |GSD| {100 * gsd.mean():.2f} %; worst "
            f"{100 * gmd.max():.2f} / {100 * gsd.max():.2f} %; least F1 {min(a.f1 for a, _ in rows):.4f}, "
            f"mean {np.mean([a.f1 for a, _ in rows]):.4f}; "
            f"within one standard error {inside:.0f} % of {len(z)}"
        )


def sizes(images: int, seed: int, methods: Sequence[str]) -> None:
    """Print every method over the number of particles of an agglomerate."""
    print(f"{'method':18s} " + "".join(f"{f'{a}-{b}':>30s}" for a, b in SIZE_CLASSES))
    print(f"{'':18s} " + "".join(f"{'GMD %    GSD %    F1   exact':>30s}" for _ in SIZE_CLASSES))
    comparisons: dict[str, list[Comparison]] = {m: [] for m in methods}
    for k in range(images):
        image = make_image(replace(BASE, gmd_px=20, max_particles=50, coverage_percent=15), seed + k)
        agglomerates = segment(image.micrograph)
        for name in methods:
            method = get_method(name)
            result = method.size(
                image.micrograph, agglomerates, method.Parameters(), no_progress, never_cancelled
            )
            comparisons[name] += compare_with_truth(image, agglomerates, result)
    for name in methods:
        cells = []
        for low, high in SIZE_CLASSES:
            a = accuracy([c for c in comparisons[name] if low <= len(c.true) <= high], n_bootstrap=0)
            figures = (
                (100 * a.gmd_error, "+8.1f"), (100 * a.gsd_error, "+8.1f"), (a.f1, "6.3f"),
                (100 * a.exact_count, "5.0f"),
            )  # fmt: skip
            cells.append(" ".join(_figure(value, form) for value, form in figures) + "%")
        print(f"{name:18s} " + "".join(f"{c:>30s}" for c in cells), flush=True)


def _figure(value: float, form: str) -> str:
    """Write a figure, or a dash as wide where there is nothing to compare."""
    return f"{value:{form}}" if np.isfinite(value) else f"{'-':>{int(form.lstrip('+').split('.')[0])}s}"


def speed(sides: Sequence[int]) -> None:
    """Print what whole images cost, each in a process of its own."""
    print(f"{'px':>5s} {'found':>6s} {'seconds':>8s} {'processor':>9s} {'peak MB':>8s} {'image MB':>8s} "
          f"{'cancelled within':>16s}")  # fmt: skip
    for side in sides:
        command = [sys.executable, "-m", "tests.benchmarks.bench_fit", "--child", str(side)]
        # As a worker of the window or the command line does it: linear algebra of one thread.
        environment = os.environ | dict.fromkeys(THREADS, "1")
        made = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        print(made.stdout, end="", flush=True)


def speed_of(side: int) -> None:
    """Measure one image: GMD 20 px, agglomerates of 1..50; a large one is a small one repeated.

    The delay of cancelling is the longest time between two questions whether to go on.
    """
    spec = replace(BASE, width_px=1024, height_px=1024, gmd_px=20, max_particles=50, coverage_percent=14)
    image = make_image(spec, 3000).micrograph
    small = make_image(replace(spec, width_px=256, height_px=256), 3001).micrograph
    times = max(side // 1024, 1)
    image = replace(image, pixels=np.tile(image.pixels, (times, times))[:side, :side])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    asked: list[float] = []

    def listening() -> bool:
        asked.append(time.perf_counter())
        return False

    for one in (small, image):  # the first for what is loaded once
        started, cpu = time.perf_counter(), time.process_time()
        agglomerates = segment(one, cancelled=listening)
        result = size(one, agglomerates, FitParameters(), cancelled=listening)
        ended = time.perf_counter()
        seconds, cpu = ended - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    moments = np.array([started, *(t for t in asked if t > started), ended])
    print(f"{side:5d} {len(result.particles):6d} {seconds:8.1f} {cpu:9.1f} {peak:8.0f} {before:8.0f} "
          f"{np.diff(moments).max():14.2f} s")  # fmt: skip


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="+", default=["five", "whole", "special"])
    parser.add_argument("--images", type=int, default=3, help="images of each case")
    parser.add_argument("--seed", type=int, default=7000)
    parser.add_argument("--method", action="append", choices=list(METHOD_MODULES), help="for sizes")
    parser.add_argument("--side", type=int, action="append", help="for speed")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        speed_of(arguments.child)
        return
    named = {f"GMD {s.gmd_px:.0f} GSD {s.gsd}": s for s in POPULATIONS}
    if "five" in arguments.part:
        print("Agglomerates of 1..5")
        table(named, arguments.images, arguments.seed)
    if "whole" in arguments.part:
        print("Whole images of 1..50")
        whole = {n: replace(s, max_particles=50, coverage_percent=15) for n, s in named.items()}
        table(whole, max(arguments.images // 2, 1), arguments.seed + 400)
    if "special" in arguments.part:
        print("Special kinds")
        table(SPECIAL, arguments.images, arguments.seed + 800)
    if "sizes" in arguments.part:
        sizes(arguments.images, arguments.seed + 1200, tuple(arguments.method or METHOD_MODULES))
    if "speed" in arguments.part:
        speed(arguments.side or (1024,))


if __name__ == "__main__":
    main()
