"""The particle network as PyTorch sees it, what it is taught, and its way into an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.detection.grid import (
    CENTRE,
    COVERED,
    HIGHEST,
    LOWEST,
    N_CHANNELS,
    RADIAL,
    SHIFT_X,
    SPREAD,
    STRIDE,
)  # fmt: skip
from nanoai_gui.core.tem.detection.lessons import unpack_contrast
from nanoai_gui.core.tem.detection.view import LEAST_PASSED, as_thickness
from nanoai_gui.core.tem.synthesis.contours import N_ANGLES, star_area

WIDTHS = 32, 48, 72, 112
"""Channels at a half, a quarter, an eighth and a sixteenth of the resolution."""
HEAD_WIDTH = 64
UNIT_PX = 10.0
"""Logarithms of radii are about this radius while training, where floating point is finest."""
PATCH_PX = 192
Shares = Sequence[tuple[int, int, float]]
CORE = 0.55
"""Depth in a particle from which on a point must know its outline."""


def make_network() -> Any:  # noqa: ANN401 - torch is not installed where types are checked
    """Make an untrained network: a U-Net whose finest level is half the resolution of the image."""
    import torch
    from torch import nn

    def convolve(n_in: int, n_out: int) -> Any:  # noqa: ANN401
        return nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)
        )

    class ParticleNetwork(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList()
            n_in = STRIDE**2
            for width in WIDTHS:
                self.down.append(nn.Sequential(convolve(n_in, width), convolve(width, width)))
                n_in = width
            self.across = nn.ModuleList(nn.Conv2d(deep, fine, 1) for fine, deep in pairwise(WIDTHS))
            self.up = nn.ModuleList(
                nn.Sequential(convolve(width, width), convolve(width, width)) for width in WIDTHS[:-1]
            )
            self.head = convolve(WIDTHS[0], HEAD_WIDTH)
            self.answer = nn.Conv2d(HEAD_WIDTH, N_CHANNELS, 1)
            nn.init.normal_(self.answer.weight, std=0.01)
            nn.init.zeros_(self.answer.bias)
            with torch.no_grad():
                # Hardly any point is a centre; errors start at about 10 %.
                self.answer.bias[CENTRE] = -4.0
                self.answer.bias[SPREAD] = -2.3

        def forward(self, image: Any) -> Any:  # noqa: ANN401
            x = nn.functional.pixel_unshuffle(image, STRIDE)
            kept = []
            for level, block in enumerate(self.down):
                if level:
                    x = nn.functional.max_pool2d(x, 2)
                x = block(x)
                kept.append(x)
            for level in reversed(range(len(WIDTHS) - 1)):
                x = nn.functional.interpolate(self.across[level](x), scale_factor=2, mode="nearest")
                x = self.up[level](x + kept[level])
            x = self.head(x)
            with torch.autocast("cpu", enabled=False):
                return self.answer(x.float())

    return ParticleNetwork()


class Pool:
    """Scenes in memory, from which patches are cut and changed at random."""

    def __init__(self) -> None:
        self.shards: list[dict[str, NDArray[Any]]] = []

    def add(self, path: Path) -> None:
        """Read one file of scenes."""
        with np.load(path) as file:
            shard = {name: file[name] for name in file.files}
        shard["radius"] = np.sqrt(star_area(shard["radial"]) / np.pi).astype(np.float32)
        shard["log"] = np.log(np.maximum(shard["radial"], 0.5) / UNIT_PX).astype(np.float32)
        self.shards.append(shard)

    def batch(
        self, n: int, rng: np.random.Generator, favoured: Shares = (), thickness: float = 0.0
    ) -> dict[str, NDArray[Any]]:
        """Cut n patches: the image, and targets as maps or, of outlines, at single points.

        ``favoured`` says which share of them comes from which files, beside those that do so by chance:
        (first, first after the last, share) each. ``thickness`` is the share that is turned from contrast
        into thickness.
        """
        parts = [self._cut(rng, favoured, thickness) for _ in range(n)]
        out: dict[str, NDArray[Any]] = {
            name: np.stack([p[name] for p in parts])[:, None]
            for name in ("image", "covered", "heat", "heat_weight")
        }
        out["point"] = np.concatenate(
            [np.column_stack([np.full(len(p["row"]), k), p["row"], p["column"]]) for k, p in enumerate(parts)]
        )
        for name in ("weight", "shift", "log", "radius"):
            out[name] = np.concatenate([p[name] for p in parts])
        return out

    def _range(self, rng: np.random.Generator, favoured: Shares) -> tuple[int, int]:
        """Choose the files from which one patch may come."""
        draw = rng.random() if favoured else 1.0
        for first, stop, share in favoured:
            if draw < share:
                return first, min(stop, len(self.shards))
            draw -= share
        return 0, len(self.shards)

    def _cut(self, rng: np.random.Generator, favoured: Shares, thickness: float) -> dict[str, NDArray[Any]]:
        shard = self.shards[int(rng.integers(*self._range(rng, favoured)))]
        scene = int(rng.integers(len(shard["image"])))
        first, last = (int(v) for v in shard["start"][scene : scene + 2])
        side = shard["image"].shape[1]
        room = (side - PATCH_PX) // STRIDE
        if last > first and rng.random() < 0.9:
            # Empty film teaches little: most patches hold a particle somewhere.
            k = int(rng.integers(first, last))
            at = np.array([shard["y"][k], shard["x"][k]]) - rng.uniform(0, PATCH_PX, 2)
            top, left = np.clip(at // STRIDE, 0, room).astype(int).tolist()
        else:
            top, left = rng.integers(0, room + 1, 2).tolist()
        half = PATCH_PX // STRIDE
        window = slice(top, top + half), slice(left, left + half)
        wide = tuple(slice(s.start * STRIDE, s.stop * STRIDE) for s in window)
        image = unpack_contrast(shard["image"][scene][wide])
        if thickness > 0 and rng.random() < thickness:
            image = as_thickness(image, 1 - np.exp(rng.uniform(np.log(LEAST_PASSED), np.log(0.5))))
        maps = {name: shard[name][scene][window] for name in ("covered", "owner", "depth")}
        x = shard["x"][first:last] - STRIDE * left
        y = shard["y"][first:last] - STRIDE * top
        turn = np.arange(N_ANGLES)
        if rng.random() < 0.5:
            image, maps = image.T, {k: v.T for k, v in maps.items()}
            x, y, turn = y, x, turn[(N_ANGLES // 4 - np.arange(N_ANGLES)) % N_ANGLES]
        if rng.random() < 0.5:
            image, maps = image[:, ::-1], {k: v[:, ::-1] for k, v in maps.items()}
            x, turn = PATCH_PX - 1 - x, turn[(N_ANGLES // 2 - np.arange(N_ANGLES)) % N_ANGLES]
        if rng.random() < 0.5:
            image, maps = image[::-1], {k: v[::-1] for k, v in maps.items()}
            y, turn = PATCH_PX - 1 - y, turn[(-np.arange(N_ANGLES)) % N_ANGLES]
        rows = slice(first, last)
        return {
            "image": vary_grey(np.ascontiguousarray(image), rng),
            "covered": maps["covered"].astype(np.float32) / 255,
            **_targets(maps, x, y, shard["radius"][rows], shard["log"][rows], shard["known"][rows], turn),
        }


def _targets(
    maps: dict[str, NDArray[Any]], x: NDArray[Any], y: NDArray[Any], radius: NDArray[Any],
    log: NDArray[Any], known: NDArray[Any], turn: NDArray[Any],
) -> dict[str, NDArray[Any]]:  # fmt: skip
    owner, depth = maps["owner"], maps["depth"]
    half = owner.shape[0]
    bias = (STRIDE - 1) / 2
    heat = np.zeros(owner.shape, dtype=np.float32)
    heat_weight = np.ones(owner.shape, dtype=np.float32)
    row, column = np.nonzero(owner >= 0)
    k = owner[row, column]
    dx, dy = x[k] - (column * STRIDE + bias), y[k] - (row * STRIDE + bias)
    sigma = np.maximum(0.2 * radius[k], 0.7 * STRIDE)
    value = np.exp(-0.5 * (dx * dx + dy * dy) / (sigma * sigma))
    heat[row, column] = np.where(known[k], np.minimum(value, 0.97), 0)
    heat_weight[row, column] = np.where(known[k] | (value < 0.05), 1, 0)
    # The point next to each centre, if it is in the patch, is what a peak should be.
    cx, cy = np.rint((x - bias) / STRIDE).astype(np.intp), np.rint((y - bias) / STRIDE).astype(np.intp)
    here = (cx >= 0) & (cx < half) & (cy >= 0) & (cy < half) & known
    heat[cy[here], cx[here]] = 1
    heat_weight[cy[here], cx[here]] = 1
    core = (depth[row, column] > CORE * 255) & known[k]
    near = np.flatnonzero(here)
    row = np.concatenate([row[core], cy[near]])
    column = np.concatenate([column[core], cx[near]])
    k = np.concatenate([k[core], near])
    # Large particles have many points, yet count as one.
    n_points = 1 + np.pi * ((1 - CORE) * radius[k] / STRIDE) ** 2
    shift = np.column_stack([x[k] - (column * STRIDE + bias), y[k] - (row * STRIDE + bias)])
    return {
        "heat": heat, "heat_weight": heat_weight, "row": row, "column": column,
        "weight": (1 / n_points).astype(np.float32), "shift": shift.astype(np.float32),
        "log": log[k][:, turn], "radius": radius[k],
    }  # fmt: skip


def vary_grey(grey: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
    """Change grey levels, background and noise, so that none of them is learned by heart."""
    image = grey
    if rng.random() < 0.5:
        bend = np.float32(rng.uniform(-0.6, 0.6))
        kept = np.clip(image, 0, 1)
        image = image + bend * kept * (1 - kept)
    gain, level = np.float32(rng.uniform(0.8, 1.25)), np.float32(rng.normal(0, 0.03))
    image = image * gain + level
    if rng.random() < 0.3:
        ramp = np.linspace(-1, 1, len(image), dtype=np.float32)
        a, b = rng.normal(0, 0.05, 2).astype(np.float32)
        image = image + a * ramp[:, None] + b * ramp[None, :]
    if rng.random() < 0.35:
        noise: NDArray[Any] = rng.standard_normal(image.shape, dtype=np.float32)
        if rng.random() < 0.5:
            noise = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))) / 2
        image = image + np.float32(min(rng.exponential(0.06), 0.3)) * noise
    return np.asarray(np.clip(image, LOWEST, HIGHEST), dtype=np.float32)


def losses(answer: Any, batch: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Terms of the loss, to be minimised as their sum.

    Centres: the focal loss of Zhou, Wang and Kraehenbuehl (arXiv 1904.07850). Outlines: the absolute error of
    the logarithm. Spread: the likelihood of the radius' error as a Laplace deviate.
    """
    import torch
    from torch.nn import functional

    logit, heat = answer[:, CENTRE : CENTRE + 1], batch["heat"]
    p = torch.sigmoid(logit)
    peak = heat >= 1
    positive = functional.softplus(-logit) * (1 - p) ** 2 * peak
    negative = functional.softplus(logit) * p**2 * (1 - heat) ** 4 * ~peak
    n_peaks = peak.sum().clamp(min=1)
    centre = ((positive + negative) * batch["heat_weight"]).sum() / n_peaks
    covered = functional.binary_cross_entropy_with_logits(answer[:, COVERED : COVERED + 1], batch["covered"])
    k, row, column = batch["point"].unbind(1)
    at = answer[k, :, row, column]
    weight = batch["weight"] / batch["weight"].sum().clamp(min=1e-6)
    error = at[:, RADIAL:] - batch["log"]
    radial = (error.abs().mean(1) * weight).sum()
    way = (at[:, SHIFT_X : SHIFT_X + 2] - batch["shift"]).abs().sum(1)
    shift = (way / batch["radius"] * weight).sum()
    with torch.no_grad():
        off = (
            0.5 * torch.log(torch.exp(2 * at[:, RADIAL:]).mean(1)) - torch.log(batch["radius"] / UNIT_PX)
        ).abs()
    spread = at[:, SPREAD].clamp(-6, 1)
    likelihood = ((off * torch.exp(-spread) + spread) * weight).sum()
    return {"centre": centre, "covered": 0.5 * covered, "radial": 2.0 * radial, "shift": shift,
            "spread": 0.05 * likelihood}  # fmt: skip


def as_tensors(batch: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Hand a batch to PyTorch."""
    import torch

    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in batch.items()}


def export(network: Any, path: Path) -> None:  # noqa: ANN401
    """Write the network as one ONNX file; its radii are then in px of the image it sees."""
    import copy

    import torch

    network = copy.deepcopy(network).eval()
    with torch.no_grad():
        # exp(channel) is to be px, not units.
        network.answer.bias[RADIAL:] += float(np.log(UNIT_PX))
    sides = {2: "height", 3: "width"}
    torch.onnx.export(
        network, (torch.zeros(1, 1, 64, 64),), str(path), input_names=["image"], output_names=["answer"],
        dynamic_axes={"image": sides, "answer": {2: "rows", 3: "columns"}}, opset_version=17, dynamo=False,
    )  # fmt: skip


def mean_losses(history: Sequence[dict[str, float]]) -> dict[str, float]:
    """Average each term over some steps."""
    return {name: float(np.mean([h[name] for h in history])) for name in history[0]}
