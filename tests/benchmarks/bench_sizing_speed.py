"""Seconds and peak memory of every method, beside plain scikit-image code for the same job.

    python -m tests.benchmarks.bench_sizing_speed [--size 1024 --size 2048 --size 4096]

Every run is a process of its own; seconds are those of segmentation and sizing together, without start-up
and reading, on the clock and (in brackets) of the processor, which other work on the machine cannot stretch
so much; the ratio is that of processor seconds. Memory is the greatest of the whole process, interpreter and
image included. Plain Hough finds thousands of false circles; it is there for its time.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

METHODS = ("watershed", "ultimate-erosion", "hough")


def make(size: int, path: Path) -> None:
    """Write a synthetic micrograph: GMD 40 px, agglomerates of 1..30, 15 % covered."""
    from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image

    spec = SynthesisSpec(width_px=size, height_px=size, gmd_px=40, max_particles=30, coverage_percent=15)
    np.save(path, make_image(spec, 3000).micrograph.pixels)


def run_nanoai(pixels: NDArray[Any], method_name: str) -> int:
    """Segment and size as the program does."""
    from nanoai_gui.core.callbacks import never_cancelled, no_progress
    from nanoai_gui.core.tem.micrograph import Micrograph
    from nanoai_gui.core.tem.segmentation import segment
    from nanoai_gui.core.tem.sizing import get_method

    micrograph = Micrograph(pixels, "benchmark")
    method = get_method(method_name)
    agglomerates = segment(micrograph)
    result = method.size(micrograph, agglomerates, method.Parameters(), no_progress, never_cancelled)
    return len(result.particles)


def run_plain(pixels: NDArray[Any], method_name: str) -> int:
    """Do the same job as a scikit-image tutorial does: background, threshold, labels, particles."""
    from scipy import ndimage
    from skimage import feature, filters, measure, segmentation, transform
    from skimage.morphology import h_maxima

    image = pixels.astype(float)
    background = ndimage.gaussian_filter(image, image.shape[0] / 8)
    smooth = filters.gaussian(background - image, 1)
    mask = smooth > filters.threshold_otsu(smooth)
    mask = ndimage.binary_fill_holes(mask)
    mask = segmentation.clear_border(mask)
    labels = measure.label(mask)
    sizes = np.bincount(labels.ravel())
    mask &= sizes[labels] >= 20
    labels = measure.label(mask)
    if method_name == "hough":
        edges = feature.canny(smooth, 2)
        radii = np.arange(10, 41, 2)
        # The accumulator holds one image for each radius: strips keep it within the memory.
        n = 0
        for y in range(0, len(edges), 512):
            spaces = transform.hough_circle(edges[y : y + 512], radii)
            n += len(transform.hough_circle_peaks(spaces, radii, threshold=0.4, min_xdistance=8,
                                                  min_ydistance=8)[0])  # fmt: skip
        return n
    distance = ndimage.distance_transform_edt(mask)
    summits = measure.label(h_maxima(distance, 0.75))
    if method_name == "ultimate-erosion":
        return len(measure.regionprops(summits, distance))
    parts = segmentation.watershed(-distance, summits, mask=mask)
    regions = measure.regionprops(parts)
    for region in regions:
        measure.find_contours(np.pad(region.image, 1).astype(float), 0.5)
    return len(regions)


def child(path: str, kind: str, method_name: str) -> None:
    """Run one job and print its figures as JSON."""
    pixels = np.load(path)
    run = run_nanoai if kind == "NanoAI" else run_plain
    # Imports are not part of the job.
    run(np.ascontiguousarray(pixels[:256, :256]), method_name)
    started, cpu = time.perf_counter(), time.process_time()
    n = run(pixels, method_name)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak, "n": n}))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, action="append")
    parser.add_argument("--method", action="append", choices=METHODS)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    print(
        f"{'px':>5s} {'method':17s} {'NanoAI':>16s} {'plain':>18s} {'ratio':>6s}   "
        f"{'peak MB':>8s} {'plain':>8s} {'found':>6s} {'plain':>6s}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.size or (1024, 2048, 4096):
            path = Path(folder) / f"{size}.npy"
            make(size, path)
            for method in arguments.method or METHODS:
                figures = [
                    json.loads(
                        subprocess.run(
                            [sys.executable, "-m", "tests.benchmarks.bench_sizing_speed",
                             "--child", str(path), kind, method],
                            check=True, capture_output=True, text=True,
                        ).stdout
                    )
                    for kind in ("NanoAI", "plain")
                ]  # fmt: skip
                mine, plain = figures
                print(
                    f"{size:5d} {method:17s} {mine['seconds']:7.2f} ({mine['cpu']:5.2f}) s "
                    f"{plain['seconds']:8.2f} ({plain['cpu']:6.2f}) s {plain['cpu'] / mine['cpu']:5.1f}x   "
                    f"{mine['peak_mb']:8.0f} {plain['peak_mb']:8.0f} {mine['n']:6d} {plain['n']:6d}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
