"""How well the particle network alone finds particles in synthetic images, and how long it takes.

    python -m tests.benchmarks.bench_particles [--images 3] [--seed 7000] [--network FILE]
    python -m tests.benchmarks.bench_particles --tio2 [--least-score 0.35]
    python -m tests.benchmarks.bench_particles --speed

Spheres as in bench_sizing_accuracy, and harder kinds. Training uses scenes of other seeds and of another
generator of populations; these images were never trained on. The radius error is the median over matched
particles (IoU of circles >= 0.5). With --tio2, the real agglomerates of bench_tio2: two fields
(:data:`VALIDATION`) were looked at while the network and the reading of its answer were made, the other
twelve are the test. With --speed, seconds and memory of large images, each in a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.tem.detection.detections import DetectionParameters, Detections
from nanoai_gui.core.tem.detection.model import ParticleNetwork, load_network, shipped_network
from nanoai_gui.core.tem.detection.search import detect
from nanoai_gui.core.tem.evaluation import Circles, Comparison, accuracy, compare_with_truth, match_circles
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.segmentation import segment
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.core.tem.synthesis import ContrastKind, Shape, SynthesisSpec, make_image
from tests.benchmarks.bench_sizing_accuracy import populations
from tests.benchmarks.bench_tio2 import (
    DATA_BAR_TOP,
    VALIDATION,
    centres_within,
    find_label,
    interval,
    silhouette_labels,
    single_ratios,
    usable_silhouettes,
)  # fmt: skip
from tests.shared_data import shared_data

HARD = {
    "1..50 spheres": SynthesisSpec(gmd_px=20, gsd=1.35, max_particles=50),
    "Fresnel": SynthesisSpec(gmd_px=20, contrast_kind=ContrastKind.FRESNEL),
    "sintered 0.25": SynthesisSpec(gmd_px=20, overlap=0.25),
    "ellipsoids 1.3": SynthesisSpec(gmd_px=20, shape=Shape.ELLIPSOID, aspect_ratio=1.3),
    "silhouettes": SynthesisSpec(gmd_px=20, contrast_kind=ContrastKind.SILHOUETTE),
    "dose 60": SynthesisSpec(gmd_px=20, dose=60),
    "dark field": SynthesisSpec(gmd_px=20, bright_particles=True, film_percent=3),
    "angular, opaque": SynthesisSpec(
        gmd_px=28, gsd=1.4, max_particles=15, shape=Shape.POLYHEDRON, flatness=0.8, contrast=0.97,
        contrast_kind=ContrastKind.SILHOUETTE,
    ),
    "GMD 8": SynthesisSpec(gmd_px=8, gsd=1.35, coverage_percent=5),
    "GMD 120": SynthesisSpec(gmd_px=120, gsd=1.35),
}  # fmt: skip


def as_result(found: Detections) -> Particles:
    """Detections as a table of particles."""
    return Particles.from_areas(
        found.agglomerate,
        found.x,
        found.y,
        found.area_px,
        found.score,
        found.outlines,
        2 * found.radius_sd_px,
    )


def measure(name: str, spec: SynthesisSpec, seeds: range, network: ParticleNetwork) -> None:
    """Print one line of the table."""
    comparisons: list[Comparison] = []
    errors, within, seconds = [], [], 0.0
    for seed in seeds:
        image = make_image(spec, seed)
        agglomerates = segment(image.micrograph)
        started = time.perf_counter()
        found = detect(image.micrograph, agglomerates, DetectionParameters(), network=network)
        seconds += time.perf_counter() - started
        result = SizingResult.from_particles("network", agglomerates, as_result(found))
        comparisons += compare_with_truth(image, agglomerates, result)
        t = image.truth
        i, j = match_circles(
            Circles(t.x_px, t.y_px, t.diameter_px), Circles(found.x, found.y, 2 * found.radius_px)
        )
        off = found.radius_px[j] - t.diameter_px[i] / 2
        errors.append(np.abs(off) / (t.diameter_px[i] / 2))
        within.append(np.abs(off) < found.radius_sd_px[j])
    a = accuracy(comparisons)
    false = 1 - a.precision
    print(
        f"{name:22s} {a.n_true:5d} {a.n_found:5d}  {100 * a.gmd_error:+5.1f} {100 * a.gsd_error:+5.1f}  "
        f"{a.f1:.3f} {100 * a.exact_count:6.1f} {100 * a.singles_as_one:7.1f} {100 * false:6.1f}  "
        f"{100 * np.median(np.concatenate(errors)):6.2f} {100 * np.mean(np.concatenate(within)):6.0f}  "
        f"{seconds / len(seeds):5.2f}",
        flush=True,
    )


def speed(network: Path | None) -> None:
    """Print seconds and peak memory for a small and a large image, each in a process of its own."""
    for side, gmd in ((1024, 24), (4096, 33)):
        chosen = f"load_network(Path({str(network)!r}))" if network else "shipped_network()"
        program = (
            "import resource, time; from dataclasses import replace\n"
            "from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image\n"
            "from nanoai_gui.core.tem.segmentation import segment\n"
            "from nanoai_gui.core.tem.detection.search import detect\n"
            "from nanoai_gui.core.tem.detection.model import load_network, shipped_network\n"
            "from pathlib import Path\nimport numpy as np\n"
            f"image = make_image(SynthesisSpec(width_px=1024, height_px=1024, gmd_px={gmd}, max_particles=30,"
            " coverage_percent=24), 7100).micrograph\n"
            f"image = replace(image, pixels=np.tile(image.pixels, ({side // 1024}, {side // 1024})))\n"
            "agglomerates = segment(image)\n"
            f"network = {chosen}\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "started = time.perf_counter(); found = detect(image, agglomerates, network=network)\n"
            "seconds = time.perf_counter() - started\n"
            "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            f"print('{side} x {side}:', len(found), 'particles in', round(seconds, 1), 's, peak memory',"
            " round(after / 1024), 'MB, before', round(before / 1024), 'MB')\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True)


def tio2(network: ParticleNetwork, least_score: float) -> None:
    """Print counts and sizes of real agglomerates against outlines drawn by hand."""
    folder = shared_data("tem/tio2_tsem")
    with (folder / "derived" / "registration_sem_to_tsem.csv").open(newline="") as file:
        levels = {row["tsem_image"]: int(row["tsem_otsu_threshold"]) for row in csv.DictReader(file)}
    silhouettes = usable_silhouettes(folder)
    ratios: list[float] = []
    compared: dict[str, list[Comparison]] = {image: [] for image in levels}
    for image, level in levels.items():
        mine = [s for s in silhouettes if s.image == image]
        micrograph = read_micrograph(folder / "tsem" / f"{image}.tif").with_data_bar(DATA_BAR_TOP)
        labels = silhouette_labels(micrograph.pixels, level)
        agglomerates = segment(micrograph)
        ratios += single_ratios(mine, labels, agglomerates)
        parameters = DetectionParameters(least_score=least_score)
        found = detect(micrograph, agglomerates, parameters, network=network)
        row = np.clip(np.rint(found.y).astype(int), 0, labels.shape[0] - 1)
        column = np.clip(np.rint(found.x).astype(int), 0, labels.shape[1] - 1)
        owner = labels[row, column]
        for s in mine:
            label = find_label(labels, s)
            if label:
                true = np.sqrt(4 / np.pi * np.array(s.true_areas))
                mine_too = centres_within(s, label, owner, found.x, found.y)
                compared[image].append(Comparison(true, 2 * found.radius_px[mine_too], 0))
    offset = float(np.median(ratios))
    for title, images in (
        ("validation", VALIDATION), ("test", [i for i in levels if i not in VALIDATION])
    ):  # fmt: skip
        every = [Comparison(c.true, c.found * offset, 0) for i in images for c in compared[i]]
        for size, chosen in (
            ("1-5", [c for c in every if len(c.true) <= 5]),
            ("> 5", [c for c in every if len(c.true) > 5]),
            ("all", every),
        ):
            a = accuracy(chosen)
            print(
                f"{title:10s} {size:4s} n {a.n_agglomerates:4d}  found {a.n_found:5d} of {a.n_true:5d}  "
                f"single as one {100 * a.singles_as_one:5.1f} %  exact {100 * a.exact_count:5.1f} %  GMD "
                f"{interval(a.gmd_error, a.gmd_ci95)}  GSD {interval(a.gsd_error, a.gsd_ci95)}",
                flush=True,
            )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7000)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--least-score", type=float, default=DetectionParameters().least_score)
    parser.add_argument("--tio2", action="store_true", help="only the real agglomerates")
    parser.add_argument("--speed", action="store_true", help="only speed and memory")
    options = parser.parse_args()
    if options.speed:
        speed(options.network)
        return
    network = load_network(options.network) if options.network else shipped_network()
    if options.tio2:
        tio2(network, options.least_score)
        return
    seeds = range(options.seed, options.seed + options.images)
    print(
        f"{'population':22s} {'true':>5s} {'found':>5s}  {'GMD%':>5s} {'GSD%':>5s}  {'F1':5s} {'exact%':>6s} "
        f"{'single%':>7s} {'false%':>6s}  {'dr/r %':>6s} {'in 1sd':>6s}  {'s':>5s}"
    )
    for spec in populations():
        measure(f"spheres {spec.gmd_px:.0f} x {spec.gsd:.2f}", spec, seeds, network)
    for name, spec in HARD.items():
        measure(name, replace(spec), seeds, network)


if __name__ == "__main__":
    main()
