"""Synthetic micrographs as files, with one table of the truth."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.files.atomic import atomic_file, make_folder, write_bytes
from nanoai_gui.core.tem.synthesis.crops import make_crops
from nanoai_gui.core.tem.synthesis.image import make_image
from nanoai_gui.core.tem.synthesis.spec import SynthesisSpec, check_spec
from nanoai_gui.core.tem.synthesis.truth import SyntheticImage, TrueParticles

TRUTH_FILE = "truth.csv"
TRUTH_COLUMNS = ("image", "agglomerate", "particle", "x_px", "y_px", "z_px", "diameter_px")


def image_seed(seed: int, index: int) -> int:
    """Give the seed of image ``index`` of a series, so that no image depends on how many are made."""
    import numpy as np

    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])


def write_images(
    spec: SynthesisSpec,
    n: int,
    seed: int,
    out_dir: Path,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    *,
    single_agglomerates: bool = False,
) -> tuple[Path, ...]:
    """Write n synthetic micrographs as TIFF files and ``truth.csv``.

    Image i depends only on the spec, the seed and i, and the same call writes the same bytes. The pixel
    size is stored as ImageJ does. The table holds every particle: image (file name), agglomerate and
    particle (both numbered from 1 within the image), place and area-equivalent diameter of its own
    projected outline in px, with three decimals.

    Parameters
    ----------
    spec, seed
        What to make.
    n
        How many, at least 1.
    out_dir
        Made if missing; files of the same names are replaced.
    progress, cancelled
        As everywhere; when cancelled, the images written so far stay, without a table.
    single_agglomerates
        One agglomerate per image, in an image just large enough.

    Returns
    -------
    paths
        The images, in order.

    Raises
    ------
    ParameterError
        If the spec, the number or the seed is impossible.
    WriteError
        If the folder cannot be written to or the disk is full.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    if n < 1:
        raise ParameterError(f"{n} images cannot be made.", "Ask for at least one.")
    if seed < 0:
        raise ParameterError(f"The seed is {seed}, but it must not be negative.", "Choose 0 or more.")
    check_spec(spec)
    make_folder(out_dir)
    digits = max(4, len(str(n)))
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(TRUTH_COLUMNS)
    paths = []
    for i, made in enumerate(_make(spec, n, seed, cancelled, single_agglomerates), start=1):
        checkpoint(cancelled)
        path = out_dir / f"synthetic_{i:0{digits}d}.tif"
        write_tiff(path, made)
        writer.writerows(truth_rows(path.name, made.truth))
        paths.append(path)
        progress(i / n, f"Image {i} of {n}")
    write_bytes(out_dir / TRUTH_FILE, table.getvalue().encode())
    return tuple(paths)


def _make(
    spec: SynthesisSpec, n: int, seed: int, cancelled: Cancelled, single: bool
) -> Iterator[SyntheticImage]:
    if single:
        yield from make_crops(spec, n, seed, cancelled=cancelled)
        return
    for i in range(n):
        yield make_image(spec, image_seed(seed, i), cancelled)


def write_tiff(path: Path, image: SyntheticImage) -> None:
    """Write the micrograph losslessly, with its pixel size, marked as synthetic.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    import tifffile

    per_nm = 1 / image.spec.nm_per_px
    with atomic_file(path) as stream:
        tifffile.imwrite(
            stream,
            image.micrograph.pixels,
            imagej=True,
            resolution=(per_nm, per_nm),
            compression="zlib",
            metadata={"unit": "nm", "Info": "Synthetic image made by NanoAI"},
        )


def truth_rows(name: str, truth: TrueParticles) -> list[tuple[str, ...]]:
    """Give the rows of ``truth.csv`` for one image."""
    lengths = zip(truth.x_px, truth.y_px, truth.z_px, truth.diameter_px, strict=True)
    numbers = zip(truth.agglomerate, truth.particle, lengths, strict=True)
    return [(name, str(a), str(p), *(f"{v:.3f}" for v in row)) for a, p, row in numbers]
