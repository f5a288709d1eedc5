"""Median diameters of real gold particles of nominal size, measured with untouched defaults.

    python -m tests.benchmarks.bench_gold [--method NAME ...]

The images (pulcovamon/Nanoparticles_app) are not part of the project; pixel sizes come from their burned-in
bars (scalebars.csv). Two sets hold many seeds of about 9 nm besides the nominal particles, so that the
median of the number is that of the seeds: the median without anything below half the nominal diameter, and
the median of the volume, are printed beside it.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict

import numpy as np

from nanoai_gui.core.callbacks import never_cancelled, no_progress
from nanoai_gui.core.files.micrographs import read_micrograph
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.segmentation import segment
from nanoai_gui.core.tem.sizing import METHOD_MODULES, get_method
from tests.shared_data import shared_data

NOMINAL_NM = {"AuNP20nm": 20, "40nmAuNP": 40, "AuNP50nm": 50, "AuNP80nm": 80, "80nmAuNP": 80}


def volume_median(diameters: np.ndarray) -> float:
    """Diameter below which half of the volume lies."""
    order = np.sort(diameters)
    volume = np.cumsum(order**3)
    return float(order[np.searchsorted(volume, volume[-1] / 2)])


def main() -> None:
    """Print one line for each set and method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", action="append", choices=list(METHOD_MODULES))
    methods = tuple(parser.parse_args().method or METHOD_MODULES)
    folder = shared_data("tem/gold_bf_tem")
    with (folder / "scalebars.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    diameters: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for row in rows:
        kind = row["file"].split("/")[0]
        if kind not in NOMINAL_NM:
            continue
        calibration = Calibration.typed(float(row["nm_per_px"]))
        micrograph = read_micrograph(folder / row["file"]).with_calibration(calibration)
        agglomerates = segment(micrograph)
        for name in methods:
            method = get_method(name)
            particles = method.size(
                micrograph, agglomerates, method.Parameters(), no_progress, never_cancelled
            ).particles
            nm = particles.diameter_px * float(row["nm_per_px"])
            diameters[kind, name].append(nm)
            print(f"  {row['file']:30s} {name:17s} {len(nm):5d} particles, median "
                  f"{np.median(nm) if len(nm) else np.nan:6.1f} nm")  # fmt: skip
    print(f"{'set':10s} {'method':17s} {'n':>5s} {'median':>8s} {'error':>7s}   "
          f"{'without seeds':>13s} {'error':>7s}   {'of volume':>9s} {'error':>7s}")  # fmt: skip
    for (kind, name), parts in diameters.items():
        nm, nominal = np.concatenate(parts), NOMINAL_NM[kind]
        values = [np.median(nm), np.median(nm[nm > nominal / 2]), volume_median(nm)]
        columns = [f"{v:8.1f} {100 * (v / nominal - 1):+6.1f}%" for v in values]
        print(f"{kind:10s} {name:17s} {len(nm):5d} " + "        ".join(columns))


if __name__ == "__main__":
    main()
