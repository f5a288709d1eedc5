"""What the particle network learns from: scenes, and what it should answer on every second px of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.detection.grid import HIGHEST, LOWEST, STRIDE
from nanoai_gui.core.tem.synthesis.contours import deepest
from nanoai_gui.core.tem.synthesis.recipes import Mix
from nanoai_gui.core.tem.synthesis.scenes import LEAST_SHOWN, Scene, make_scene

SCENES_PER_SHARD = 40
SCENE_PX = 512
FIRST_LONG_SHARD, FIRST_CLEAR_SHARD, FIRST_POWDER_SHARD, FIRST_CROWD_SHARD = 40, 69, 98, 132
"""From these files on, scenes are of another mix; powders and crystals take turns by file."""
CROWD_SHARD = (Mix.CROWDS,) * 18 + (Mix.GRAINS,) * 14 + (Mix.FRINGES,) * 5 + (Mix.CRYSTALS,) * 3
"""The mixes of the scenes of each of the last files, one after the other."""


def make_shard(seed: int, index: int, n_scenes: int) -> dict[str, NDArray[Any]]:
    """Make the arrays of one file of scenes; each scene depends on the seed, the index and its place only.

    Returns
    -------
    arrays
        ``image`` (s, h, w) uint8, contrast from :data:`LOWEST` to :data:`HIGHEST`; ``covered``
        (s, h/2, w/2) uint8, material in 255ths; ``owner`` (s, h/2, w/2) int16, particle of the scene in which
        a point lies deepest, -1 none; ``depth`` (s, h/2, w/2) uint8, how deep in 255ths; ``start``
        (s + 1,) int64, first row of each scene in ``x``, ``y`` (n,), ``radial`` (n, 32) and ``shown`` (n,).
    """
    scenes = [make_scene([seed, index, k], SCENE_PX, mix_of(index, k)) for k in range(n_scenes)]
    grids = [deepest(s.x, s.y, s.radial, (SCENE_PX, SCENE_PX), STRIDE) for s in scenes]
    return {
        "image": np.stack([pack_contrast(s.contrast) for s in scenes]),
        "covered": np.stack([_half(s) for s in scenes]),
        "owner": np.stack([owner for owner, _ in grids]),
        "depth": np.stack([np.rint(depth * 255).astype(np.uint8) for _, depth in grids]),
        "start": np.cumsum([0, *(len(s.x) for s in scenes)]),
        "x": np.concatenate([s.x for s in scenes]).astype(np.float32),
        "y": np.concatenate([s.y for s in scenes]).astype(np.float32),
        "radial": np.concatenate([s.radial for s in scenes]).astype(np.float32),
        "known": np.concatenate([s.shown >= LEAST_SHOWN for s in scenes]),
    }


def mix_of(index: int, scene: int) -> Mix:
    """Tell of which mix a scene of a file is."""
    if index < FIRST_LONG_SHARD:
        return Mix.USUAL
    if index < FIRST_CLEAR_SHARD:
        return Mix.LONG
    if index < FIRST_POWDER_SHARD:
        return Mix.CLEAR
    if index >= FIRST_CROWD_SHARD:
        return CROWD_SHARD[scene % len(CROWD_SHARD)]
    return Mix.CRYSTALS if (index - FIRST_POWDER_SHARD) % 2 else Mix.POWDER


def pack_contrast(contrast: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Keep contrast in one byte."""
    scaled = (np.clip(contrast, LOWEST, HIGHEST) - LOWEST) * (255 / (HIGHEST - LOWEST))
    return np.asarray(np.rint(scaled), dtype=np.uint8)


def unpack_contrast(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Undo :func:`pack_contrast`."""
    return packed.astype(np.float32) * np.float32((HIGHEST - LOWEST) / 255) + np.float32(LOWEST)


def _half(scene: Scene) -> NDArray[np.uint8]:
    h, w = scene.covered.shape
    blocks = scene.covered.reshape(h // STRIDE, STRIDE, w // STRIDE, STRIDE)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3)) * 255), dtype=np.uint8)


def shard_path(folder: Path, seed: int, index: int) -> Path:
    """Name the file of a shard."""
    return folder / f"scenes-{seed}-{index:04d}.npz"


def write_shard(folder: Path, seed: int, index: int, n_scenes: int) -> None:
    """Make a shard and write it, unless it is there already."""
    path = shard_path(folder, seed, index)
    if path.exists():
        return
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **make_shard(seed, index, n_scenes))
    unfinished.replace(path)
