"""What the network methods leave out, how they count opaque particles, and how fast features are computed.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.bench_networks [--images 4] [--seed 1]

Seeds lie beyond those of `benchmark table1`, far from training and tuning. The six populations are those of
that benchmark; opaque ones are angular or mixed shapes, flat or saturated, of GMD 20 and 36 px. Rates are of
all that a method measures, per second of this process's own CPU time: on a busy machine they come out lower.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nanoai_gui.core.callbacks import never_cancelled, no_progress
from nanoai_gui.core.tem.benchmark import OTHER_POPULATIONS
from nanoai_gui.core.tem.features import FEATURE_SETS, extract, measured_with
from nanoai_gui.core.tem.networks.samples import true_owner
from nanoai_gui.core.tem.segmentation import segment
from nanoai_gui.core.tem.sizing import get_method
from nanoai_gui.core.tem.sizing._networks import TOO_MANY
from nanoai_gui.core.tem.synthesis import ContrastKind, Shape, SynthesisSpec, make_image

FIRST_SEED = 2_000_000_000
METHODS = ("ann", "ann-rich")


def spheres(fewest: int, most: int) -> list[SynthesisSpec]:
    """Give the six populations with agglomerates of so many particles."""
    return [
        replace(p.spec(), min_particles=fewest, max_particles=most, coverage_percent=25.0)
        for p in OTHER_POPULATIONS
    ]


def opaque() -> list[SynthesisSpec]:
    """Give populations of opaque particles, half of them of single ones only."""
    return [
        SynthesisSpec(
            width_px=512, height_px=512, gmd_px=gmd, gsd=1.4, coverage_percent=20.0, shape=shape,
            aspect_ratio=aspect, flatness=0.8, overlap=0.1, contrast_kind=kind, contrast=0.97, roughness=0.02,
            dose=1500, max_particles=most,
        )
        for kind, shape, gmd, aspect, most in itertools.product(
            (ContrastKind.SILHOUETTE, ContrastKind.MASS), (Shape.POLYHEDRON, Shape.MIXED), (20.0, 36.0),
            (1.3, 1.8), (1, 5),
        )
    ]  # fmt: skip


def outcomes(
    specs: list[SynthesisSpec], images: int, seed: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Give for each method and image: true number, number found, and whether it was taken for too many."""
    for i, (spec, _) in enumerate(itertools.product(specs, range(images))):
        image = make_image(spec, FIRST_SEED + 100_000 * seed + i)
        agglomerates = segment(image.micrograph)
        owner = true_owner(image, agglomerates)
        rows = (owner > 0) & agglomerates.measured
        true = np.array([np.count_nonzero(image.truth.agglomerate == o) for o in owner[rows]])
        for name in METHODS:
            method = get_method(name)
            result = method.size(
                image.micrograph, agglomerates, method.Parameters(), no_progress, never_cancelled
            )
            left_out = np.array([reason == TOO_MANY for reason in result.excluded], dtype=bool)[rows]
            yield name, true, result.n_particles[rows], left_out


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=4, help="of each population")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kinds = {
        "1 to 5 spheres": spheres(1, 5), "8 to 15 spheres": spheres(8, 15), "opaque, 1 to 5": opaque(),
    }  # fmt: skip
    print(
        "| agglomerates | method | n | taken for more than 5 | right number | single as one | 2 to 5 right |"
    )
    print("|---|---|---|---|---|---|---|")
    for title, specs in kinds.items():
        found: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in METHODS}
        for name, *columns in outcomes(specs, options.images, options.seed):
            found[name].append(tuple(columns))
        for name, parts in found.items():
            true, count, left_out = (np.concatenate(column) for column in zip(*parts, strict=True))
            right, one = true == count, true == 1
            shares = [left_out.mean(), right.mean(), right[one].mean() if one.any() else np.nan,
                      right[~one].mean()]  # fmt: skip
            print(f"| {title} | {name} | {len(true)} | "
                  + " | ".join(f"{100 * s:.1f} %" for s in shares) + " |", flush=True)  # fmt: skip
    print("\n| features | agglomerates per CPU second, GMD 20 px | 30 px | 40 px |\n|---|---|---|---|")
    rates: dict[str, list[float]] = {name: [] for name in FEATURE_SETS}
    for gmd in (20.0, 30.0, 40.0):
        spec = SynthesisSpec(gmd_px=gmd, coverage_percent=25.0)
        made = [segment(make_image(spec, FIRST_SEED + i).micrograph) for i in range(3)]
        n = sum(int(a.measured.sum()) for a in made)
        for name, features in FEATURE_SETS.items():
            best = np.inf
            for _ in range(4):
                started = time.process_time()
                for agglomerates in made:
                    extract(agglomerates, measured_with(features))
                best = min(best, time.process_time() - started)
            rates[name].append(n / best)
    for name, values in rates.items():
        print(f"| {name} | " + " | ".join(f"{v:.0f}" for v in values) + " |")


if __name__ == "__main__":
    main()
