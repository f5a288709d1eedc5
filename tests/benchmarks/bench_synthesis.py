"""How many synthetic agglomerates a second, as images.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.bench_synthesis [-n 1024] [--rounds 3]

One process, one thread. The rate is given per second of this process's own CPU time and per second on the
clock; where other programs share the core, the second is lower. The best of a few rounds counts for both.
"""

from __future__ import annotations

import argparse
import time

from nanoai_gui.core.tem.synthesis import ContrastKind, Shape, SynthesisSpec, make_crops, make_image

SPECS = {
    "spheres, GMD 20 px": SynthesisSpec(gmd_px=20),
    "spheres, GMD 30 px": SynthesisSpec(),
    "spheres, GMD 40 px": SynthesisSpec(gmd_px=40),
    "silhouettes, GMD 30 px": SynthesisSpec(contrast_kind=ContrastKind.SILHOUETTE, contrast=0.95),
    "Fresnel fringes, GMD 30 px": SynthesisSpec(contrast_kind=ContrastKind.FRESNEL),
    "polyhedra, GMD 30 px": SynthesisSpec(shape=Shape.POLYHEDRON),
    "training mix, GMD 10..40 px": SynthesisSpec(gmd_px=20, vary_population=True, vary_look=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1024, help="agglomerates per round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("| single agglomerates, n <= 5 | per CPU second | per second | mean image, px |")
    print("|---|---|---|---|")
    for title, spec in SPECS.items():
        list(make_crops(spec, 256, 0))
        cpu = clock = float("inf")
        pixels = 0
        for round_ in range(options.rounds):
            started, began = time.process_time(), time.perf_counter()
            pixels = sum(c.micrograph.pixels.size for c in make_crops(spec, options.n, round_))
            cpu, clock = min(cpu, time.process_time() - started), min(clock, time.perf_counter() - began)
        rate, seen = options.n / cpu, options.n / clock
        print(f"| {title} | {rate:.0f} | {seen:.0f} | {pixels / options.n:.0f} |", flush=True)
    print("\n| whole image, 1024 x 1024 | CPU seconds | particles |")
    print("|---|---|---|")
    for title, spec in {
        "spheres, n <= 5": SynthesisSpec(),
        "soot-like, n <= 100": SynthesisSpec(
            max_particles=100, gmd_px=20, contrast_kind=ContrastKind.FRESNEL
        ),
    }.items():
        cpu = float("inf")
        for seed in range(options.rounds):
            started = time.process_time()
            made = make_image(spec, seed)
            cpu = min(cpu, time.process_time() - started)
        print(f"| {title} | {cpu:.2f} | {len(made.truth)} |", flush=True)


if __name__ == "__main__":
    main()
