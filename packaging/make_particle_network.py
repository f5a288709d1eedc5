"""Train the particle network: resources/models/particles.onnx and its card, particles.json.

    python packaging/make_particle_network.py [--seed 1] [--work FOLDER] [--out FOLDER] [--one-in 1]

Needs the extra ``train``. The scenes (all NanoAI's own synthesis) are made by a second process while training
begins on the first of them. Which scenes a step may see depends on its number only, so that the same options
give the same network, however fast the machine is (bit for bit on the same processor and versions).

Why there are cycles: the first is on all kinds of scenes and on long opaque particles, the second favours
translucent spheres, the third opaque powders and crystals with diffraction bands (and, from step 13500 on,
also shows thickness in place of contrast); what is kept of the third lies half way, since the whole of it
cost spheres too much. The fourth begins there, with an optimiser that knows nothing, and favours crowds of
spheres of very different sizes, single grains that are long or lobed, and strong Fresnel fringes.

The shipped network went through the steps, scenes and learning rates given here, but not in one go: it was
made in pieces, each going on from the state that the one before had kept, while the later cycles were still
being written. From nothing to a card, this command has been run with ``--one-in 300`` only, interrupted and
not, with the same result to the bit; whether one whole run gives the shipped file is not known.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import multiprocessing
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanoai_gui import __version__
from nanoai_gui.core.tem.detection.assessment import assess
from nanoai_gui.core.tem.detection.lessons import (
    FIRST_CLEAR_SHARD,
    FIRST_CROWD_SHARD,
    FIRST_POWDER_SHARD,
    SCENES_PER_SHARD,
    shard_path,
    write_shard,
)
from nanoai_gui.core.tem.detection.model import FORMAT, FORMAT_VERSION, load_network
from nanoai_gui.core.tem.detection.training import (
    PATCH_PX,
    WIDTHS,
    Pool,
    Shares,
    as_tensors,
    export,
    losses,
    make_network,
    mean_losses,
)
from nanoai_gui.core.tem.synthesis.recipes import Mix
from nanoai_gui.core.tem.synthesis.scenes import VERSION

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "models"
SHARDS = 202
"""Files of scenes in all."""
BATCH = 8
WARM_UP = 200


@dataclass(frozen=True)
class Cycle:
    """A part of the training, up to but without step ``stop``.

    ``rate`` is its highest learning rate; over the share ``decay`` of its steps, at its end, it falls to
    nothing. ``kept`` is how far from the network with which the cycle began to the one with which it ended
    the one lies that is kept: less than all where what a cycle costs elsewhere would be too much. A
    ``fresh`` cycle begins with what was kept of the one before and an optimiser that knows nothing; others
    go on from where the one before ended.
    """

    stop: int
    rate: float
    decay: float
    warm_up: int = WARM_UP
    kept: float = 1.0
    fresh: bool = False


ALL_KINDS = Cycle(8575, 2e-3, decay=0.3)
SPHERES = Cycle(12575, 1e-3, decay=1.0, warm_up=0)
CRYSTALS = Cycle(14800, 8e-4, decay=0.35, kept=0.5)
CROWDS = Cycle(23000, 1e-3, decay=0.4, fresh=True)
CYCLES = (ALL_KINDS, SPHERES, CRYSTALS, CROWDS)

FIRST_SHARDS = 12
"""Files of scenes that must be there before the first step; then one more every few steps."""
STEPS_PER_SHARD = 100
FAST_STEPS = 3000
FIRST_WITH_THICKNESS = 13500
THICKNESS_SHARE = 0.35
"""Share of the patches that the network sees as thickness instead of contrast, from that step on."""
CLEAR = (FIRST_CLEAR_SHARD, FIRST_POWDER_SHARD)
POWDER = (FIRST_POWDER_SHARD, FIRST_CROWD_SHARD)
CROWD = (FIRST_CROWD_SHARD, SHARDS)
FIRST_WITH_CROWDS, FIRST_WITH_MORE = 15250, 18500
EARLY_SHARDS = 172
"""Files that there are before the second of these steps."""
FAVOURED: tuple[tuple[int, Shares], ...] = (
    (0, ()),
    (ALL_KINDS.stop, ((*CLEAR, 0.45),)),
    (SPHERES.stop, ((*POWDER, 0.5), (*CLEAR, 0.2))),
    # Translucent particles again, so that what was gained there is kept.
    (14000, ((*POWDER, 0.4), (*CLEAR, 0.35))),
    (CRYSTALS.stop, ((*CLEAR, 0.4), (*POWDER, 0.3))),
    (FIRST_WITH_CROWDS, ((*CROWD, 0.6),)),
)
"""From which step on which files, from one to before another, are preferred: the share of the patches that
come from them, beside those that do by chance."""
WITH_STATISTICS = int((1 - ALL_KINDS.decay) * ALL_KINDS.stop)
"""Steps after which the statistics of the batch normalisation stay as they are.

The network then learns to answer right with those by which it will be run, instead of with those of eight
patches.
"""
AVERAGE = 0.998
"""The network that is kept is a running average of the one that is trained."""
STEPS_PER_STATE = 250


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--one-in",
        type=int,
        default=1,
        help="take only one in so many steps and scenes: whether training, resuming and writing work is then "
        "known in minutes; what comes of it is kept apart and is no network to ship",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--test-scenes", type=int, default=60)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--work", type=Path, default=Path("scratch") / "particle-network")
    options = parser.parse_args()
    if options.one_in > 1:
        # What comes of it must neither be shipped nor be gone on from.
        options.work /= f"one-in-{options.one_in}"
        if options.out == FOLDER:
            options.out = options.work
    options.work.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    maker = multiprocessing.get_context("spawn").Process(
        target=make_shards, args=(options.work, options.seed, scenes_per_shard(options)), daemon=True
    )
    maker.start()
    publish(train(options), options)


def publish(network: Any, options: argparse.Namespace) -> None:  # noqa: ANN401 - torch has no types here
    """Write the ONNX file and, once it has been measured on scenes of another seed, its card."""
    import onnx
    import onnxruntime
    import torch

    path = options.out / "particles.onnx"
    export(network, path)
    steps = sum(len(steps) for _, steps in plan(options.one_in))
    n_scenes = SHARDS * scenes_per_shard(options)
    card = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "trained_on": "scenes of NanoAI's own synthesis, no real images",
        "generator": {"name": "core.tem.synthesis.scenes", "version": VERSION, "scenes": n_scenes,
                      "mixes": [mix.name.lower() for mix in Mix]},
        "seed": options.seed,
        "steps": steps,
        "cycles": [{"until_step": c.stop, "highest_rate": c.rate, "kept": c.kept} for c in CYCLES],
        "patches": steps * BATCH,
        "patch_px": PATCH_PX,
        "widths": list(WIDTHS),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": {"torch": torch.__version__, "onnx": onnx.__version__,
                     "onnxruntime": onnxruntime.__version__, "nanoai": __version__},
    }  # fmt: skip
    write_card(path, card)
    accuracy = assess(load_network(path), options.test_scenes, options.seed + 1000)
    card.update(spread_factor=accuracy["spread_factor"], accuracy=accuracy)
    write_card(path, card)
    print(json.dumps(card, indent=1), flush=True)


def write_card(path: Path, card: dict[str, Any]) -> None:
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def plan(one_in: int) -> list[tuple[Cycle, range]]:
    """Which steps each cycle takes."""
    firsts = (0, *(cycle.stop for cycle in CYCLES[:-1]))
    return [(cycle, range(first, cycle.stop, one_in)) for first, cycle in zip(firsts, CYCLES, strict=True)]


def scenes_per_shard(options: argparse.Namespace) -> int:
    return max(SCENES_PER_SHARD // int(options.one_in), 1)


def make_shards(folder: Path, seed: int, n_scenes: int) -> None:
    """Make all files of scenes that are not there yet, politely."""
    if hasattr(os, "nice"):
        os.nice(5)
    for index in range(SHARDS):
        write_shard(folder, seed, index, n_scenes)


def rate(step: int) -> float:
    """Learning rate: in each cycle up within the warm-up, constant, down along a cosine."""
    first = 0
    for cycle in CYCLES:
        if step < cycle.stop:
            break
        first = cycle.stop
    begin = cycle.stop - cycle.decay * (cycle.stop - first)
    if step < begin:
        return cycle.rate * min((step + 1 - first) / cycle.warm_up, 1.0)
    return cycle.rate * 0.5 * (1 + math.cos(math.pi * (step - begin) / (cycle.stop - begin)))


class Learner:
    """The network in training, its running average, and where the last cycles ended, all kept on disk."""

    def __init__(self, folder: Path) -> None:
        self.network = make_network()
        self.average = copy.deepcopy(self.network)
        self.before = copy.deepcopy(self.network)
        """What was kept of the cycles before the present one."""
        self.refresh()
        self.step = 0
        self.path = folder / "state.pt"

    def refresh(self) -> None:
        """Take an optimiser that knows nothing."""
        import torch

        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=ALL_KINDS.rate, weight_decay=1e-3)

    def load(self) -> None:
        """Go on where an interrupted run had come to."""
        import torch

        if self.path.exists():
            kept = torch.load(self.path, weights_only=True)
            for part in (self.network, self.average, self.before, self.optimiser):
                part.load_state_dict(kept.pop(0))
            self.step = int(kept.pop(0))

    def save(self) -> None:
        """Keep the state; a failure leaves the last one."""
        import torch

        parts = self.network, self.average, self.before, self.optimiser
        unfinished = self.path.with_suffix(".part")
        torch.save([*(part.state_dict() for part in parts), self.step], unfinished)
        unfinished.replace(self.path)

    def begin(self, cycle: Cycle) -> None:
        """Begin a cycle."""
        if cycle.fresh:
            self.network.load_state_dict(self.before.state_dict())
            self.average.load_state_dict(self.before.state_dict())
            self.refresh()

    def end(self, cycle: Cycle) -> None:
        """End a cycle: remember what is kept."""
        blend(self.before, self.average, 1 - cycle.kept)


def train(options: argparse.Namespace) -> Any:  # noqa: ANN401 - torch has no types here
    """Train for all cycles; the state is kept on disk, so that an interrupted run goes on."""
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    learner, pool = Learner(options.work), Pool()
    learner.load()
    for cycle, steps in plan(options.one_in):
        if learner.step >= cycle.stop:
            continue
        if learner.step == steps.start:
            learner.begin(cycle)
        teach(learner, pool, steps, options)
        learner.step = cycle.stop
        learner.end(cycle)
        learner.save()
    return learner.before


def teach(learner: Learner, pool: Pool, steps: range, options: argparse.Namespace) -> None:
    """Take those steps that were not taken yet."""
    import torch

    network, optimiser = learner.network, learner.optimiser
    history: list[dict[str, float]] = []
    started, told_at = time.time(), learner.step
    for step in steps:
        if step < learner.step:
            continue
        fill(pool, options, step)
        network.train(step < WITH_STATISTICS)
        # Every step has its own stream, so that it does not matter where a run was interrupted.
        rng = np.random.default_rng([options.seed, 1, step])
        thickness = THICKNESS_SHARE if step >= FIRST_WITH_THICKNESS else 0.0
        batch = as_tensors(pool.batch(BATCH, rng, favoured(step), thickness))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            answer = network(batch["image"])
        terms = losses(answer, batch)
        loss = sum(terms.values())
        for group in optimiser.param_groups:
            group["lr"] = rate(step)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        blend(learner.average, network, min(AVERAGE, (step + 1) / (step + 10)))
        learner.step = step + options.one_in
        history.append({name: float(value.detach()) for name, value in terms.items()})
        if learner.step // 50 > step // 50:
            told = "  ".join(f"{name} {value:.4f}" for name, value in mean_losses(history).items())
            pace = (time.time() - started) / (learner.step - told_at)
            print(f"{learner.step:6d}  {pace:.2f} s  {told}", flush=True)
            history.clear()
        if learner.step // STEPS_PER_STATE > step // STEPS_PER_STATE and learner.step < steps.stop:
            learner.save()


def blend(average: Any, network: Any, keep: float) -> None:  # noqa: ANN401
    """Move the average a part of the way towards the network, its counted statistics included."""
    import torch

    with torch.no_grad():
        own = average.state_dict()
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                own[name].lerp_(value, 1 - keep)
            else:
                own[name].copy_(value)


def favoured(step: int) -> Shares:
    """Which files a step prefers."""
    return next(shares for first, shares in reversed(FAVOURED) if step >= first)


def n_shards(step: int) -> int:
    """How many files of scenes a step may see: about as many as are made while training goes on."""
    if step >= FIRST_WITH_MORE:
        return min(EARLY_SHARDS + 4 + (step - FIRST_WITH_MORE) // 40, SHARDS)
    if step >= FIRST_WITH_CROWDS:
        return min(FIRST_CROWD_SHARD + 6 + (step - FIRST_WITH_CROWDS) // 20, EARLY_SHARDS)
    if step >= SPHERES.stop:
        return min(FIRST_POWDER_SHARD + 8 + (step - SPHERES.stop) // 40, FIRST_CROWD_SHARD)
    if step >= ALL_KINDS.stop:
        return FIRST_CLEAR_SHARD + 5 + (step - ALL_KINDS.stop) // 160
    late = max(step - FAST_STEPS, 0)
    return FIRST_SHARDS + (step - late) // STEPS_PER_SHARD + late // (2 * STEPS_PER_SHARD)


def fill(pool: Pool, options: argparse.Namespace, step: int) -> None:
    """Load the scenes that this step may see, and wait for them if need be."""
    while len(pool.shards) < n_shards(step):
        path = shard_path(options.work, options.seed, len(pool.shards))
        while not path.exists():
            time.sleep(0.5)
        pool.add(path)


if __name__ == "__main__":
    main()
