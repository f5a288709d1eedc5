"""From a seed to a trained model: make the samples in several processes, train, fill the card."""

from __future__ import annotations

import dataclasses
import datetime
import platform
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

import nanoai_gui
from nanoai_gui.core.callbacks import Cancelled, OperationCancelled, Progress, never_cancelled, no_progress
from nanoai_gui.core.parameters import check, to_mapping
from nanoai_gui.core.tem.features import get_feature_set
from nanoai_gui.core.tem.networks.samples import Samples, TrainingPopulation, make_samples

if TYPE_CHECKING:
    from nanoai_gui.core.jobs import Job, WorkerPool
    from nanoai_gui.core.tem.networks.training import TrainingSettings

BATCH = 6
"""Training images a job: a second or two of work, so that progress is smooth and cancel is quick."""
_POLL_SECONDS = 0.2


def gather_samples(
    population: TrainingPopulation,
    feature_set_name: str,
    n: int,
    seed: int,
    pool: WorkerPool,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Samples:
    """Make at least ``n`` training samples; the same ones whatever the number of processes.

    Raises
    ------
    JobFailed
        If a worker fails.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    check(population)
    running: deque[Job[Samples]] = deque()
    parts: list[Samples] = []
    made, first = 0, 0
    try:
        while made < n:
            while len(running) < 2 * pool.n_workers:
                images = range(first, first + BATCH)
                first += BATCH
                running.append(pool.submit(make_samples, population, feature_set_name, seed, images))
            # In order: what is taken must not depend on which process was faster.
            while not running[0].wait(_POLL_SECONDS):
                if cancelled():
                    raise OperationCancelled
            parts.append(running.popleft().result())
            made += len(parts[-1])
            progress(min(made / n, 1.0), f"{made} of {n} agglomerates made")
            if cancelled():
                raise OperationCancelled
    finally:
        for job in running:
            job.cancel()
    return Samples.concatenate(parts)


def choose_features(samples: Samples, have: str, want: str) -> Samples:
    """Keep the columns of the feature set ``want``, a part of ``have``."""
    names = get_feature_set(have).names
    columns = [names.index(name) for name in get_feature_set(want).names]
    return dataclasses.replace(samples, features=np.ascontiguousarray(samples.features[:, columns]))


def make_card(
    name: str, population: TrainingPopulation, settings: TrainingSettings, n: int, seed: int, started: float
) -> dict[str, Any]:
    """Say what a model was trained on, for its card; ``started`` as by :func:`time.time`."""
    import scipy
    import sklearn

    return {
        "name": name,
        "made_by": f"NanoAI {nanoai_gui.__version__}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "training_data": {
            "generator": "NanoAI synthetic micrographs, segmented as real ones",
            "seed": seed,
            "n_samples": n,
            "population": to_mapping(population),
        },
        "training": {**to_mapping(settings), "split": [0.7, 0.15, 0.15]},
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "seconds": round(time.time() - started, 1),
    }
