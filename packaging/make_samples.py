#!/usr/bin/env python3
"""Make the bundled sample micrographs and their truth again: .venv/bin/python packaging/make_samples.py.

They are synthetic: agglomerates of one to five spheres whose diameters are known, with the blur,
the uneven illumination and the noise of a bright-field image.
"""

from __future__ import annotations

import csv
from pathlib import Path

import tifffile

from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "samples" / "tem"
SPEC = SynthesisSpec(width_px=1024, height_px=768, gmd_px=30.0, gsd=1.35, coverage_percent=12.0)
FIRST_SEED = 20
N_IMAGES = 3


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(N_IMAGES):
        made = make_image(SPEC, seed=FIRST_SEED + i)
        name = f"agglomerates_{i + 1}.tif"
        tifffile.imwrite(
            FOLDER / name,
            made.micrograph.pixels,
            imagej=True,
            compression="zlib",
            resolution=(1 / SPEC.nm_per_px, 1 / SPEC.nm_per_px),
            metadata={"unit": "nm"},
        )
        truth = made.truth
        columns = (truth.agglomerate, truth.particle, truth.x_px, truth.y_px, truth.z_px, truth.diameter_px)
        for agglomerate, particle, *lengths in zip(*columns, strict=True):
            rows.append([name, int(agglomerate), int(particle), *(f"{length:.3f}" for length in lengths)])
    with (FOLDER / "truth.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["image", "agglomerate", "particle", "x_px", "y_px", "z_px", "diameter_px"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
