"""Make the models that ship with NanoAI: resources/models/tem-ann.zip and tem-ann-rich.zip.

    python packaging/make_models.py [--samples 100000] [--seed 1] [--jobs 2]

The same options, on the versions in constraints.txt, give the same models.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nanoai_gui.cli_train import describe_report
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.networks.make import (
    choose_features,
    gather_samples,
    make_card,
    train_from_file,
)
from nanoai_gui.core.tem.networks.model import save_tem_model
from nanoai_gui.core.tem.networks.samples import Samples, TrainingPopulation
from nanoai_gui.core.tem.networks.training import PNC_NODES, TrainingSettings

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "models"
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    # The longest first; the second is the founding method. Rates were chosen on the validation part.
    "tem-ann-rich": (
        "rich",
        {"pnc_nodes": 100, "decay": 0.5, "members": 5, "epochs": 180, "patience": 18, "learning_rate": 0.002},
    ),
    "tem-ann": ("region-13", {"pnc_nodes": PNC_NODES, "learning_rate": 0.01}),
}
"""Name of each model, its features, and how it is trained besides the defaults (those of the founding paper
where it tells them)."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--keep", type=Path, metavar="FILE.npz", help="keep the samples here, or take them from here"
    )
    options = parser.parse_args()
    started = time.time()
    population = TrainingPopulation()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with WorkerPool(options.jobs) as pool, tempfile.TemporaryDirectory(prefix="nanoai-") as folder:
        if options.keep is not None and options.keep.exists():
            samples = Samples.load(options.keep)
        else:
            samples = gather_samples(population, "rich", options.samples, options.seed, pool, _show)
            if options.keep is not None:
                samples.save(options.keep)
        print(f"\n{len(samples)} agglomerates made in {time.time() - started:.0f} s", flush=True)
        jobs = {}
        for name, (features, changes) in MODELS.items():
            settings = dataclasses.replace(TrainingSettings(seed=options.seed), **changes)
            card = make_card(name, population, settings, len(samples), options.seed, started)
            path = Path(folder) / f"{name}.npz"
            choose_features(samples, "rich", features).save(path)
            jobs[name] = pool.submit(train_from_file, path, None, features, settings, card)
        # The quickest first, so that its time is its own.
        for name in reversed(jobs):
            model, report = jobs[name].result()
            card = {**model.card, "seconds": round(time.time() - started, 1)}
            save_tem_model(FOLDER / f"{name}.zip", dataclasses.replace(model, card=card))
            print(f"\n{name}, {time.time() - started:.0f} s\n{describe_report(report)}", flush=True)


def _show(fraction: float, message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{100 * fraction:3.0f} %  {message:<60}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
