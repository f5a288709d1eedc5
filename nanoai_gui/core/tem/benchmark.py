"""Table 1: how far every method is off where the truth is known, in the form of the founding paper.

M. Frei, F. E. Kruis, Powder Technology 332 (2018) 120-130 compare methods by the errors of the geometric mean
diameter (GMD) and geometric standard deviation (GSD) against ground truth on 500 images. Here the images are
NanoAI's own synthesis: one population for the table itself, and six more that differ in both, since a method
that has learned its training population shows it only on others. No seed is shared with training or tuning.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nanoai_gui.core.callbacks import (
    Cancelled,
    OperationCancelled,
    Progress,
    checkpoint,
    never_cancelled,
    no_progress,
)
from nanoai_gui.core.tem.evaluation import Accuracy, Comparison, accuracy, compare_with_truth
from nanoai_gui.core.tem.segmentation import segment
from nanoai_gui.core.tem.sizing import get_method

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nanoai_gui.core.jobs import Job, WorkerPool
    from nanoai_gui.core.tem.synthesis import SynthesisSpec, SyntheticImage

FIRST_SEED = 900_000_000
"""Training takes seeds of some millions at most, tuning and tests some thousands."""
LARGEST_SEED = 9999
_PER_SEED, _PER_POPULATION = 100_000, 10_000
LARGEST_NUMBER = _PER_POPULATION
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Population:
    """Agglomerates of 1 to ``max_particles`` spheres with lognormal diameters, in square images."""

    gmd_px: float
    gsd: float
    max_particles: int = 5
    side_px: int = 512

    def spec(self) -> SynthesisSpec:
        """Say what its images look like."""
        from nanoai_gui.core.tem.synthesis import SynthesisSpec

        return SynthesisSpec(
            width_px=self.side_px, height_px=self.side_px, gmd_px=self.gmd_px, gsd=self.gsd,
            max_particles=self.max_particles, coverage_percent=15.0,
        )  # fmt: skip


TABLE_POPULATION = Population(30.0, 1.35)
OTHER_POPULATIONS = tuple(Population(gmd, gsd) for gmd in (20.0, 40.0) for gsd in (1.1, 1.35, 1.6))
CROWDED_POPULATION = Population(20.0, 1.35, max_particles=50, side_px=1024)
"""For the table over the number of particles in an agglomerate."""
POPULATIONS = (TABLE_POPULATION, *OTHER_POPULATIONS, CROWDED_POPULATION)
SIZE_CLASSES = ((1, 1), (2, 5), (6, 15), (16, 50))
"""Numbers of particles in an agglomerate that are told apart, both included."""

PAPER = {
    "ann": (0.041, 0.051),
    "watershed": (-0.116, 0.061),
    "hough": (-0.201, 0.087),
    "manual": (-0.043, -0.010),
}
"""Errors of GMD and GSD in the founding paper, on its own 500 images; its sign for the ANN is not stated."""


@dataclass(frozen=True, eq=False)
class ImageOutcome:
    """What the methods made of one image: for each of them the comparisons and the seconds."""

    comparisons: dict[str, list[Comparison]]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one population; ``seconds`` for each image, segmentation included (NaN: not known)."""

    method: str
    population: Population
    n_images: int
    accuracy: Accuracy
    seconds: float


@dataclass(frozen=True, eq=False)
class Manual:
    """What a person measured: diameters in px, and seconds where they are known, by index of the image."""

    diameters: dict[int, NDArray[np.float64]]
    seconds: dict[int, float]


@dataclass(frozen=True, slots=True)
class SizeRow:
    """One method on agglomerates of ``fewest`` to ``most`` particles."""

    method: str
    fewest: int
    most: int
    accuracy: Accuracy


@dataclass(frozen=True, eq=False)
class Table1:
    """The finished benchmark.

    ``rows`` are on the population of the table, ``others`` on the six others, ``by_size`` on images of
    agglomerates of very different sizes.
    """

    rows: tuple[Row, ...]
    others: tuple[Row, ...]
    seed: int
    by_size: tuple[SizeRow, ...] = ()

    def mean_absolute(self, method: str) -> tuple[float, float, float]:
        """Mean over the other populations of |GMD error|, |GSD error| and the share of exact counts."""
        mine = [r.accuracy for r in self.others if r.method == method]
        n = len(mine)
        return (
            sum(abs(a.gmd_error) for a in mine) / n,
            sum(abs(a.gsd_error) for a in mine) / n,
            sum(a.exact_count for a in mine) / n,
        )


def make_test_image(population: int, index: int, seed: int) -> SyntheticImage:
    """Make image ``index`` of ``POPULATIONS[population]``."""
    from nanoai_gui.core.tem.synthesis import make_image

    own = FIRST_SEED + seed * _PER_SEED + population * _PER_POPULATION + index
    return make_image(POPULATIONS[population].spec(), own)


def measure_image(
    population: int, index: int, seed: int, methods: Sequence[str], cancelled: Cancelled = never_cancelled
) -> ImageOutcome:
    """Measure one test image with every method (runs in a worker)."""
    image = make_test_image(population, index, seed)
    started = time.perf_counter()
    agglomerates = segment(image.micrograph, cancelled=cancelled)
    shared = time.perf_counter() - started
    comparisons, seconds = {}, {}
    for name in methods:
        checkpoint(cancelled)
        method = get_method(name)
        started = time.perf_counter()
        result = method.size(image.micrograph, agglomerates, method.Parameters(), no_progress, cancelled)
        seconds[name] = shared + time.perf_counter() - started
        comparisons[name] = compare_with_truth(image, agglomerates, result)
    return ImageOutcome(comparisons, seconds)


def run(
    n_images: int,
    seed: int,
    methods: Sequence[str],
    pool: WorkerPool,
    manual: Manual | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Table1:
    """Run the benchmark.

    Parameters
    ----------
    n_images
        Of the table's population; each of the six others gets a sixth of it, 10 at least, and the table
        over the size of agglomerates a fiftieth (its images are four times as large), 2 at least.
    manual
        Diameters in px that a person measured, by index of the table's image; they form a row of their own
        on just those images.

    Raises
    ------
    JobFailed
        If a worker fails.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    numbers = [n_images, *[max(10, round(n_images / 6))] * len(OTHER_POPULATIONS), max(2, n_images // 10)]
    wanted = [(p, i) for p, n in enumerate(numbers) for i in range(n)]
    outcomes: dict[tuple[int, int], ImageOutcome] = {}
    running: deque[tuple[tuple[int, int], Job[ImageOutcome]]] = deque()
    todo = iter(wanted)
    try:
        while len(outcomes) < len(wanted):
            while len(running) < 2 * pool.n_workers and (key := next(todo, None)) is not None:
                running.append((key, pool.submit(measure_image, *key, seed, tuple(methods))))
            key, job = running[0]
            while not job.wait(_POLL_SECONDS):
                if cancelled():
                    raise OperationCancelled
            outcomes[key] = job.result()
            running.popleft()
            progress(len(outcomes) / len(wanted), f"{len(outcomes)} of {len(wanted)} images")
    finally:
        for _, job in running:
            job.cancel()
    rows = [
        _row(m, POPULATIONS[p], [outcomes[p, i] for i in range(n)], seed)
        for p, n in enumerate(numbers[:-1])
        for m in methods
    ]
    crowded = [outcomes[len(numbers) - 1, i] for i in range(numbers[-1])]
    by_size = [_size_row(m, *sizes, crowded, seed) for m in methods for sizes in SIZE_CLASSES]
    first = rows[: len(methods)]
    if manual is not None:
        first.append(_manual_row(manual, seed))
    return Table1(tuple(first), tuple(rows[len(methods) :]), seed, tuple(by_size))


def _row(method: str, population: Population, outcomes: Sequence[ImageOutcome], seed: int) -> Row:
    comparisons = [c for o in outcomes for c in o.comparisons[method]]
    seconds = sum(o.seconds[method] for o in outcomes) / len(outcomes)
    return Row(method, population, len(outcomes), accuracy(comparisons, seed=seed), seconds)


def _size_row(method: str, fewest: int, most: int, outcomes: Sequence[ImageOutcome], seed: int) -> SizeRow:
    found = [c for o in outcomes for c in o.comparisons[method] if fewest <= len(c.true) <= most]
    return SizeRow(method, fewest, most, accuracy(found, seed=seed))


def _manual_row(manual: Manual, seed: int) -> Row:
    """Compare image by image: a person's circles are not assigned to agglomerates."""
    comparisons = [
        Comparison(make_test_image(0, index, seed).truth.diameter_px, found, 0)
        for index, found in manual.diameters.items()
    ]
    times = list(manual.seconds.values())
    seconds = sum(times) / len(times) if times else math.nan
    return Row("manual", TABLE_POPULATION, len(comparisons), accuracy(comparisons, seed=seed), seconds)


def save_images(folder: Path, n: int, seed: int, cancelled: Cancelled = never_cancelled) -> None:
    """Write the first images of the table as TIFF, for measuring them by hand.

    Raises
    ------
    WriteError
        If they cannot be written.
    """
    from nanoai_gui.core.files.atomic import make_folder
    from nanoai_gui.core.tem.synthesis.write import write_tiff

    make_folder(folder)
    for index in range(n):
        checkpoint(cancelled)
        write_tiff(folder / image_name(index), make_test_image(0, index, seed))


def image_name(index: int) -> str:
    """Name of the file of a test image."""
    return f"table1_{index:04d}.tif"
