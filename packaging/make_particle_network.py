"""Train the particle network: resources/models/particles.onnx and its card, particles.json.

    python packaging/make_particle_network.py [--seed 1] [--steps 14800] [--work FOLDER]

Needs the extra ``train``. The scenes (all NanoAI's own synthesis) are made by a second process while training
begins on the first of them. Which scenes a step may see depends on its number only, so that the same options
give the same network, however fast the machine is (bit for bit on the same processor and versions).

The shipped network went through the steps and scenes of the defaults, but not in one go: it was made in
pieces, each going on from the state that the one before had kept, while the later cycles were still being
written. It has not been made again by one run of this command, so whether that gives the same file is not
known. Why there are cycles: the first is on all kinds of scenes and on long opaque particles, the second
favours translucent spheres, the third opaque powders and crystals with diffraction bands (and, from step
13500 on, also shows thickness in place of contrast). What is kept lies half way between the networks after
the second and after the third.
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
from pathlib import Path
from typing import Any

import numpy as np

from nanoai_gui import __version__
from nanoai_gui.core.tem.detection.assessment import assess
from nanoai_gui.core.tem.detection.lessons import (
    FIRST_CLEAR_SHARD,
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
FIRST_SHARDS = 12
"""Files of scenes that must be there before the first step; then one more every few steps."""
STEPS_PER_SHARD = 100
FAST_STEPS = 3000
BATCH = 8
WARM_UP = 200
TOP_RATE = 2e-3
FIRST_CYCLE = 8575
"""Steps after which a second, gentler cycle begins, in which translucent particles are favoured."""
SECOND_RATE = 1e-3
SECOND_CYCLE = 12575
"""Steps after which a third cycle begins, on opaque powders and diffracting crystals."""
THIRD_RATE = 8e-4
THIRD_DECAY = 0.35
"""Share of the third cycle, its end, over which the learning rate falls to nothing."""
FIRST_WITH_THICKNESS = 13500
THICKNESS_SHARE = 0.35
"""Share of the patches that the network sees as thickness instead of contrast, from that step on."""
CLEAR = (FIRST_CLEAR_SHARD, FIRST_POWDER_SHARD)
POWDER = (FIRST_POWDER_SHARD, 1_000_000)
FAVOURED_SECOND = ((*CLEAR, 0.45),)
FAVOURED_THIRD = ((*POWDER, 0.5), (*CLEAR, 0.2))
LAST_PART = 14000
"""Steps after which translucent particles are favoured again, so that what was gained there is kept."""
FAVOURED_LAST = ((*POWDER, 0.4), (*CLEAR, 0.35))
"""Files, from one to before another, and the share of the patches of a cycle that come from them, beside
those that do by chance."""
THIRD_PART = 0.5
"""Part of the way from the network after the second cycle to that after the third at which the one that is
kept lies: half of what spheres lose for most of what powders and crystals gain."""
DECAY = 0.3
"""Share of the first cycle, its end, over which the learning rate falls to nothing.

The statistics of the batch normalisation then stay as they are: the network learns to answer right with
those by which it will be run, instead of with those of eight patches.
"""
AVERAGE = 0.998
"""The network that is kept is a running average of the one that is trained."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=14800)
    parser.add_argument("--shards", type=int, default=132, help="files of 40 scenes at most")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--test-scenes", type=int, default=60)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--work", type=Path, default=Path("scratch") / "particle-network")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    maker = multiprocessing.get_context("spawn").Process(
        target=make_shards, args=(options.work, options.seed, options.shards), daemon=True
    )
    maker.start()
    network = train(options)
    publish(network, options)


def publish(network: Any, options: argparse.Namespace) -> None:  # noqa: ANN401 - torch has no types here
    """Write the ONNX file and, once it has been measured on scenes of another seed, its card."""
    import onnx
    import onnxruntime
    import torch

    path = options.out / "particles.onnx"
    export(network, path)
    n_scenes = SCENES_PER_SHARD * min(options.shards, n_shards(options.steps - 1))
    card = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "trained_on": "scenes of NanoAI's own synthesis, no real images",
        "generator": {"name": "core.tem.synthesis.scenes", "version": VERSION, "scenes": n_scenes,
                      "mixes": [mix.name.lower() for mix in Mix]},
        "seed": options.seed,
        "steps": options.steps,
        "third_cycle_part": THIRD_PART if options.steps > SECOND_CYCLE else 0.0,
        "patches": options.steps * BATCH,
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


def make_shards(folder: Path, seed: int, n: int) -> None:
    """Make all files of scenes that are not there yet, politely."""
    if hasattr(os, "nice"):
        os.nice(5)
    for index in range(n):
        write_shard(folder, seed, index)


def rate(step: int, steps: int) -> float:
    """Learning rate: up within the warm-up, constant, down along a cosine; twice more down."""
    if step >= SECOND_CYCLE:
        begin = steps - THIRD_DECAY * (steps - SECOND_CYCLE)
        if step < begin:
            return THIRD_RATE * min((step + 1 - SECOND_CYCLE) / WARM_UP, 1.0)
        return THIRD_RATE * 0.5 * (1 + math.cos(math.pi * (step - begin) / (steps - begin)))
    if step >= FIRST_CYCLE:
        steps = min(steps, SECOND_CYCLE)
        return SECOND_RATE * 0.5 * (1 + math.cos(math.pi * (step - FIRST_CYCLE) / (steps - FIRST_CYCLE)))
    steps = min(steps, FIRST_CYCLE)
    begin = (1 - DECAY) * steps
    if step < begin:
        return TOP_RATE * min((step + 1) / WARM_UP, 1.0)
    return TOP_RATE * 0.5 * (1 + math.cos(math.pi * (step - begin) / (steps - begin)))


def train(options: argparse.Namespace) -> Any:  # noqa: ANN401 - torch has no types here
    """Train for all steps; the state is kept on disk, so that an interrupted run goes on."""
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    network = make_network().to(memory_format=torch.contiguous_format)
    optimiser = torch.optim.AdamW(network.parameters(), lr=TOP_RATE, weight_decay=1e-3)
    average = copy.deepcopy(network)
    pool = Pool()
    state, before_third = options.work / "state.pt", options.work / "second-cycle.pt"
    first = 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        network.load_state_dict(kept["network"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        first = int(kept["step"])
    history: list[dict[str, float]] = []
    started = time.time()
    for step in range(first, options.steps):
        fill(pool, options, step)
        # Every step has its own stream, so that it does not matter where a run was interrupted.
        network.train(step < int((1 - DECAY) * min(options.steps, FIRST_CYCLE)))
        rng = np.random.default_rng([options.seed, 1, step])
        thickness = THICKNESS_SHARE if step >= FIRST_WITH_THICKNESS else 0.0
        batch = as_tensors(pool.batch(BATCH, rng, favoured(step), thickness))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            answer = network(batch["image"])
        terms = losses(answer, batch)
        loss = sum(terms.values())
        for group in optimiser.param_groups:
            group["lr"] = rate(step, options.steps)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        blend(average, network, min(AVERAGE, (step + 1) / (step + 10)))
        history.append({name: float(value.detach()) for name, value in terms.items()})
        if (step + 1) % 50 == 0:
            told = "  ".join(f"{name} {value:.4f}" for name, value in mean_losses(history).items())
            print(f"{step + 1:6d}  {(time.time() - started) / (step + 1 - first):.2f} s  {told}", flush=True)
            history.clear()
        if (step + 1) % 250 == 0 or step + 1 == options.steps:
            unfinished = state.with_suffix(".part")
            torch.save(
                {
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step + 1,
                },
                unfinished,
            )
            unfinished.replace(state)
        if step + 1 == SECOND_CYCLE:
            torch.save(average.state_dict(), before_third)
    if options.steps > SECOND_CYCLE:
        earlier = make_network()
        earlier.load_state_dict(torch.load(before_third, weights_only=True))
        blend(earlier, average, 1 - THIRD_PART)
        return earlier
    return average


def blend(average: Any, network: Any, keep: float) -> None:  # noqa: ANN401
    """Move the average a little towards the network, its counted statistics included."""
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
    if step < FIRST_CYCLE:
        return ()
    if step < SECOND_CYCLE:
        return FAVOURED_SECOND
    return FAVOURED_THIRD if step < LAST_PART else FAVOURED_LAST


def n_shards(step: int) -> int:
    """How many files of scenes a step may see: about as many as are made while training goes on."""
    if step >= SECOND_CYCLE:
        return FIRST_POWDER_SHARD + 8 + (step - SECOND_CYCLE) // 40
    if step >= FIRST_CYCLE:
        return FIRST_CLEAR_SHARD + 5 + (step - FIRST_CYCLE) // 160
    late = max(step - FAST_STEPS, 0)
    return FIRST_SHARDS + (step - late) // STEPS_PER_SHARD + late // (2 * STEPS_PER_SHARD)


def fill(pool: Pool, options: argparse.Namespace, step: int) -> None:
    """Load the scenes that this step may see, and wait for them if need be."""
    allowed = min(options.shards, n_shards(step))
    while len(pool.shards) < allowed:
        path = shard_path(options.work, options.seed, len(pool.shards))
        while not path.exists():
            time.sleep(0.5)
        pool.add(path)


if __name__ == "__main__":
    main()
