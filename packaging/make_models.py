"""Make the models that ship with NanoAI: resources/models/tem-ann.zip and tem-ann-rich.zip.

    python packaging/make_models.py [--samples 100000] [--seed 1] [--jobs 2]

The same options, on the versions in constraints.txt, give the same models.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from nanoai_gui.cli_train import describe_report
from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.networks.make import choose_features, gather_samples, make_card
from nanoai_gui.core.tem.networks.model import save_tem_model
from nanoai_gui.core.tem.networks.samples import TrainingPopulation
from nanoai_gui.core.tem.networks.training import PNC_NODES, TrainingSettings, train

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "models"
MODELS = {"tem-ann": ("region-13", PNC_NODES), "tem-ann-rich": ("rich", 100)}
"""Name of each model, its features, and the hidden nodes of its PNC-ANN (39 in the founding paper)."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    started = time.time()
    population = TrainingPopulation()
    with WorkerPool(options.jobs) as pool:
        samples = gather_samples(population, "rich", options.samples, options.seed, pool, _show)
    print(f"\n{len(samples)} agglomerates made in {time.time() - started:.0f} s", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (features, nodes) in MODELS.items():
        settings = TrainingSettings(seed=options.seed, pnc_nodes=nodes)
        card = make_card(name, population, settings, len(samples), options.seed, started)
        model, report = train(choose_features(samples, "rich", features), features, settings, card)
        save_tem_model(FOLDER / f"{name}.zip", model)
        print(f"\n{name}, {time.time() - started:.0f} s\n{describe_report(report)}", flush=True)


def _show(fraction: float, message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{100 * fraction:3.0f} %  {message:<60}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
