#!/usr/bin/env python3
"""Make the bundled sample images again: .venv/bin/python packaging/make_samples.py.

All are synthetic, so that every particle in them is known. `tem` holds three plain micrographs, just what
the synthesize sub-command writes; `synthetic_agglomerates.tif` resembles what a microscope stores, with
film, fringes, uneven light and a data bar.
"""

from __future__ import annotations

import csv
from pathlib import Path

from nanoai_gui.core.tem.synthesis import Caption, ContrastKind, SynthesisSpec, make_image
from nanoai_gui.core.tem.synthesis.write import TRUTH_COLUMNS, truth_rows, write_images, write_tiff

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "samples"
PLAIN = SynthesisSpec(width_px=1024, height_px=768, gmd_px=30, gsd=1.35, coverage_percent=12)
LIFELIKE = SynthesisSpec(
    gmd_px=34,
    gsd=1.35,
    max_particles=8,
    overlap=0.08,
    roughness=0.015,
    contrast_kind=ContrastKind.FRESNEL,
    contrast=0.55,
    film_percent=2,
    gradient_percent=14,
    blur_px=0.8,
    dose=500,
    caption=Caption.DATA_BAR,
    nm_per_px=0.7,
)
SEED = 20


def main() -> None:
    write_images(PLAIN, 3, SEED, FOLDER / "tem")
    made = make_image(LIFELIKE, SEED)
    path = FOLDER / "synthetic_agglomerates.tif"
    write_tiff(path, made)
    with (FOLDER / "synthetic_agglomerates_truth.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(TRUTH_COLUMNS)
        writer.writerows(truth_rows(path.name, made.truth))


if __name__ == "__main__":
    main()
