#!/usr/bin/env python3
"""Make the bundled samples again: .venv/bin/python packaging/make_samples.py [tem] [raman].

All are synthetic, so that every particle and every spectrum in them is known. `tem` holds three plain
micrographs, just what the synthesize sub-command writes; `synthetic_agglomerates.tif` resembles what a
microscope stores, with film, fringes, uneven light and a data bar. `raman` holds a small experiment with
nanotubes in cells, of which only the program learns anything: it is illustrative.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from nanoai_gui.core.spectra.synthesis import RamanSpec
from nanoai_gui.core.spectra.synthesis.write import write_spectra
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
# Wider channels and fewer counts than usual keep all of it below 2 MB as text.
RAMAN = RamanSpec(
    spacing=2.5, g_counts=1000, electrons_per_count=100, full_well=9999, per_roi=4, map_pixels=11
)
RAMAN_SPECTRA, RAMAN_SEED, SIX_HOURS = 216, 3, 1


def main() -> None:
    wanted = sys.argv[1:] or ["tem", "raman"]
    if "tem" in wanted:
        make_tem()
    if "raman" in wanted:
        make_raman()


def make_raman() -> None:
    write_spectra(RAMAN, RAMAN_SPECTRA, RAMAN_SEED, FOLDER / "raman", maps=(SIX_HOURS,))


def make_tem() -> None:
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
