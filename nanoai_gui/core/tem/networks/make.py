"""From a seed to a trained model: make the samples in several processes, train, fill the card."""

from __future__ import annotations

import dataclasses
import datetime
import json
import platform
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import nanoai_gui
from nanoai_gui.core.callbacks import (
    Cancelled,
    OperationCancelled,
    Progress,
    never_cancelled,
    no_progress,
    part,
)
from nanoai_gui.core.parameters import check, to_mapping
from nanoai_gui.core.tem.features import get_feature_set, measured_with
from nanoai_gui.core.tem.networks.corrections import gather_corrections
from nanoai_gui.core.tem.networks.samples import Samples, TrainingPopulation, make_samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from nanoai_gui.core.jobs import Job, WorkerPool
    from nanoai_gui.core.tem.networks.model import TemModel
    from nanoai_gui.core.tem.networks.training import TrainingReport, TrainingSettings

BATCH = 6
"""Training images a job: a second or two of work, so that progress is smooth and cancel is quick."""
MAKING_SHARE = 0.75
"""Share of the whole time that making the agglomerates takes, for the progress."""
_POLL_SECONDS = 0.1
_TELL_SECONDS = 0.1

LossCurves = dict[str, list[tuple[float, float]]]
"""Training and validation loss of every epoch, by the name of the network."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that decides a model, but its name; ``corrections`` are files of corrected agglomerates."""

    population: TrainingPopulation
    settings: TrainingSettings
    feature_set: str
    n_samples: int
    corrections: tuple[Path, ...] = ()


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
            progress(min(made / n, 1.0), f"{min(made, n)} of {n} agglomerates made")
            if cancelled():
                raise OperationCancelled
    finally:
        for job in running:
            job.cancel()
    return Samples.concatenate(parts)


def choose_features(samples: Samples, have: str, want: str) -> Samples:
    """Turn samples for the feature set ``have`` into those for ``want``, a part of it."""
    columns = measured_with(get_feature_set(have)).columns_of(measured_with(get_feature_set(want)))
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


def make_model(
    plan: TrainingPlan,
    name: str,
    pool: WorkerPool,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    curves: Callable[[LossCurves], object] | None = None,
) -> tuple[TemModel, TrainingReport]:
    """Make samples and train on them, all of it in worker processes; this one only waits.

    Parameters
    ----------
    plan, name
        What to train, and what the card calls it.
    pool
        Makes samples in all its processes, and trains in one.
    curves
        Told the loss curves so far, several times a second while training (on the pool's thread).

    Raises
    ------
    ParameterError
        If the plan makes no sense.
    JobFailed
        If a worker fails, or there are too few samples of some number of particles.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    check(plan.settings)
    started = time.time()
    seed = plan.settings.seed
    making, training = part(progress, 0.0, MAKING_SHARE), part(progress, MAKING_SHARE, 1.0)
    # First, so that a file that cannot be read is found before minutes of work.
    corrected = _gather_corrections(plan, pool, cancelled) if plan.corrections else None
    samples = gather_samples(plan.population, plan.feature_set, plan.n_samples, seed, pool, making, cancelled)
    card = make_card(name, plan.population, plan.settings, len(samples), seed, started)
    if corrected is not None:
        card["training_data"]["corrections"] = [path.name for path in plan.corrections]
    known: LossCurves = {}

    def told(fraction: float, message: str) -> None:
        text = _read_message(message, known)
        training(fraction, text)
        if curves is not None:
            curves(known)

    with tempfile.TemporaryDirectory(prefix="nanoai-") as folder:
        # Through a file: tens of megabytes through a pipe would hold the interpreter of a window.
        path = Path(folder) / "samples.npz"
        samples.save(path)
        beside = None if corrected is None else Path(folder) / "corrected.npz"
        if beside is not None and corrected is not None:
            corrected.save(beside)
        job = pool.submit(
            train_from_file, path, beside, plan.feature_set, plan.settings, card, on_progress=told
        )
        try:
            while not job.wait(_POLL_SECONDS):
                if cancelled():
                    raise OperationCancelled
            model, report = job.result()
        finally:
            job.cancel()
    return dataclasses.replace(model, card={**model.card, "seconds": round(time.time() - started, 1)}), report


def _gather_corrections(plan: TrainingPlan, pool: WorkerPool, cancelled: Cancelled) -> Samples:
    job = pool.submit(gather_corrections, plan.corrections, plan.feature_set)
    try:
        while not job.wait(_POLL_SECONDS):
            if cancelled():
                raise OperationCancelled
        return job.result()
    finally:
        job.cancel()


def train_from_file(
    path: Path,
    corrected: Path | None,
    feature_set: str,
    settings: TrainingSettings,
    card: dict[str, Any],
    progress: Progress,
    cancelled: Cancelled,
) -> tuple[TemModel, TrainingReport]:
    """Train on saved samples (runs in a worker), the loss curves told within the messages of the progress.

    ``corrected`` holds those that a person has put right.
    """
    from nanoai_gui.core.tem.networks.training import train

    live = _Live(progress)
    beside = None if corrected is None else Samples.load(corrected)
    return train(Samples.load(path), feature_set, settings, card, live.progress, cancelled, live.loss, beside)


@dataclass
class _Live:
    """Puts what is new in the curves into messages, which may get lost on the way.

    So each holds the newest networks whole: whatever is lost comes again with the next, and the report
    holds everything in the end.
    """

    tell: Progress
    fraction: float = 0.0
    text: str = ""
    curves: LossCurves = field(default_factory=dict)
    last: float = 0.0

    def progress(self, fraction: float, message: str) -> None:
        self.fraction, self.text = fraction, message
        self._tell()

    def loss(self, network: str, epoch: int, training: float, validation: float) -> None:
        self.curves.setdefault(network, []).append((training, validation))
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self.last >= _TELL_SECONDS:
            self.last = now
            newest = {name: self.curves[name] for name in list(self.curves)[-4:]}
            self.tell(self.fraction, json.dumps({"text": self.text, "curves": newest}))


def _read_message(message: str, known: LossCurves) -> str:
    """Take the curves out of a message of the progress; gives its text."""
    content = json.loads(message)
    for name, points in content["curves"].items():
        known[name] = [(float(a), float(b)) for a, b in points]
    return str(content["text"])
