"""What the particle network is taught with: scenes, targets, and how a network is assessed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from nanoai_gui.core.tem.detection import assessment, lessons
from nanoai_gui.core.tem.detection.assessment import assess
from nanoai_gui.core.tem.detection.grid import N_CHANNELS, STRIDE
from nanoai_gui.core.tem.detection.lessons import pack_contrast, shard_path, unpack_contrast, write_shard
from nanoai_gui.core.tem.detection.model import ParticleNetwork
from nanoai_gui.core.tem.detection.training import PATCH_PX, UNIT_PX, Pool
from nanoai_gui.core.tem.detection.view import as_thickness
from nanoai_gui.core.tem.synthesis.contours import contour, deepest, directions, star_area
from nanoai_gui.core.tem.synthesis.grains import make_grain
from nanoai_gui.core.tem.synthesis.recipes import Mix
from nanoai_gui.core.tem.synthesis.scenes import LEAST_SHOWN, Scene, make_scene, push_apart
from tests.core.detection_made import perfect_answer


def test_a_seed_gives_one_scene_and_outlines_cover_its_material() -> None:
    differ = []
    for k, mix in enumerate(Mix):
        scene, again = make_scene([11, k], 224, mix), make_scene([11, k], 224, mix)
        assert np.array_equal(scene.contrast, again.contrast) and np.array_equal(scene.radial, again.radial)
        assert np.isfinite(scene.contrast).all() and ((scene.shown >= 0) & (scene.shown <= 1)).all()
        owner, _ = deepest(scene.x, scene.y, scene.radial, (224, 224), 1)
        # Necks of fused material belong to no particle; cut ones far outside are not listed.
        inner = slice(32, -32), slice(32, -32)
        differ.append(np.mean((owner >= 0)[inner] != scene.covered[inner]))
    assert np.median(differ) < 0.01 and max(differ) < 0.05


def test_scenes_differ_in_kind() -> None:
    scenes = [make_scene([12, k], 160) for k in range(12)]
    sizes = [float(np.median(np.sqrt(star_area(s.radial) / np.pi))) for s in scenes if len(s.x)]
    assert max(sizes) / min(sizes) > 2
    noise = [float(np.std(s.contrast[~s.covered])) for s in scenes]
    assert max(noise) > 4 * min(noise)


def test_crystals_are_of_two_sizes_and_uneven_in_grey() -> None:
    ratios, spreads = [], []
    for k in range(8):
        scene = make_scene([13, k], 320, Mix.CRYSTALS)
        radius = np.sqrt(star_area(scene.radial) / np.pi)
        ratios.append(float(radius.max() / np.median(radius)))
        owner, depth = deepest(scene.x, scene.y, scene.radial, (320, 320), 1)
        core = depth > 0.5
        grey = np.bincount(owner[core], scene.contrast[core]) / np.maximum(np.bincount(owner[core]), 1)
        spreads.append(float(np.std(grey[grey > 0])))
    assert max(ratios) > 2.2 and min(ratios) < 2
    assert np.median(spreads) > 0.1


def test_lobed_grains_are_concave_and_others_are_not() -> None:
    rng = np.random.default_rng(14)
    dents = []
    for lobed in (0.0, 0.09):
        bodies = [make_grain(60.0, 1.4, 0.0, np.eye(3), rng, lobed) for _ in range(12)]
        dents.append([_dent(contour(body)[2]) for body in bodies])
        assert all(star_area(contour(body)[2]) == pytest.approx(body.area, rel=0.03) for body in bodies)
    assert max(dents[0]) < 0.01 and np.median(dents[1]) > 0.02


def _dent(radial: NDArray[np.float64]) -> float:
    """How far an outline of 32 points lies inside the chord over six of them, as a share of its radius."""
    cosine, sine = directions()
    x, y = radial * cosine, radial * sine
    dx, dy = np.roll(x, -3) - np.roll(x, 3), np.roll(y, -3) - np.roll(y, 3)
    inside = (dx * (y - np.roll(y, 3)) - dy * (x - np.roll(x, 3))) / np.hypot(dx, dy)
    return float(inside.max() / radial.mean())


def test_favoured_files_give_their_share_of_the_patches() -> None:
    pool, rng = Pool(), np.random.default_rng(5)
    pool.shards = [{} for _ in range(10)]
    ranges = [pool._range(rng, ((6, 99, 0.5), (2, 4, 0.2))) for _ in range(2000)]
    shares = [np.mean([r == wanted for r in ranges]) for wanted in ((6, 10), (2, 4), (0, 10))]
    assert shares == pytest.approx([0.5, 0.2, 0.3], abs=0.05)
    assert pool._range(rng, ()) == (0, 10)
    files = (0, 40, 69, 98, 99, 132)
    assert {lessons.mix_of(k, scene) for k in files for scene in range(lessons.SCENES_PER_SHARD)} == set(Mix)


def test_every_step_of_the_training_has_a_rate_and_the_files_it_prefers() -> None:
    plan = _training_plan()
    files = 0
    for cycle, steps in plan.plan(1):
        assert plan.rate(steps[0]) <= cycle.rate and plan.rate(steps[-1]) < 0.001 * cycle.rate
        assert max(plan.rate(step) for step in steps[::10]) == pytest.approx(cycle.rate, rel=0.01)
        for step in steps[::10]:
            assert plan.rate(step) > 0
            assert files <= plan.n_shards(step) <= plan.SHARDS
            files = plan.n_shards(step)
            # An empty range of files would end the training, hours after it began.
            assert all(first < min(stop, files) for first, stop, _ in plan.favoured(step))
            assert sum(share for _, _, share in plan.favoured(step)) < 1
    assert files == plan.SHARDS


def _training_plan() -> ModuleType:
    path = Path(__file__).parents[2] / "packaging" / "make_particle_network.py"
    spec = importlib.util.spec_from_file_location("make_particle_network", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where a data class looks for the module it belongs to.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_particles_are_pushed_apart_until_they_hardly_overlap() -> None:
    rng = np.random.default_rng(3)
    centres, radii = rng.uniform(0, 30, (12, 3)), np.full(12, 6.0)
    moved = push_apart(centres, radii, 0.1, rounds=300)
    gaps = np.hypot(*(moved[:, None, :2] - moved[None, :, :2]).transpose(2, 0, 1))
    assert gaps[~np.eye(12, dtype=bool)].min() > 0.85 * 12
    assert np.array_equal(moved[:, 2], centres[:, 2])


def test_contrast_survives_its_byte() -> None:
    contrast = np.linspace(-0.6, 1.6, 500, dtype=np.float32)
    assert np.abs(unpack_contrast(pack_contrast(contrast)) - contrast).max() < 0.005


def test_thickness_tells_dark_from_darker() -> None:
    # Twice and thrice the path through a material that halves the beam each time.
    passed = np.array([1.0, 0.5, 0.25, 0.125, 0.001], dtype=np.float32)
    darkest = 0.875
    thickness = as_thickness((1 - passed) / np.float32(darkest), darkest)
    assert thickness[:4] == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=1e-5)
    # What hardly anything passes has the thickness at which the floor lies.
    assert thickness[4] == pytest.approx(np.log(50) / np.log(8), abs=1e-5)


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(lessons, "SCENE_PX", 320)
    write_shard(tmp_path, 4, 0, 2)
    stamp = shard_path(tmp_path, 4, 0).stat().st_mtime_ns
    write_shard(tmp_path, 4, 0, 2)
    assert shard_path(tmp_path, 4, 0).stat().st_mtime_ns == stamp
    pool = Pool()
    pool.add(shard_path(tmp_path, 4, 0))
    return pool


def test_targets_describe_the_patch_however_it_is_turned(pool: Pool) -> None:
    cosine, sine = directions()
    inside = []
    for seed in range(12):
        batch = pool.batch(2, np.random.default_rng(seed))
        assert batch["image"].shape == (2, 1, PATCH_PX, PATCH_PX)
        half = PATCH_PX // STRIDE
        assert batch["covered"].shape == batch["heat"].shape == (2, 1, half, half)
        k, row, column = batch["point"].T
        x = column * STRIDE + (STRIDE - 1) / 2 + batch["shift"][:, 0]
        y = row * STRIDE + (STRIDE - 1) / 2 + batch["shift"][:, 1]
        radial = np.exp(batch["log"]) * UNIT_PX
        # Just inside of every outline lies material, along all directions, turned or mirrored as it may be.
        px, py = x[:, None] + 0.85 * radial * cosine, y[:, None] + 0.85 * radial * sine
        c, r = np.rint((px - 0.5) / STRIDE).astype(int), np.rint((py - 0.5) / STRIDE).astype(int)
        seen = (c >= 0) & (c < half) & (r >= 0) & (r < half) & (radial > 4)
        value = batch["covered"][k[:, None], 0, np.clip(r, 0, half - 1), np.clip(c, 0, half - 1)]
        inside.append(value[seen])
        peaks = batch["heat"] == 1
        at = np.flatnonzero((x > 0) & (x < PATCH_PX - 1) & (y > 0) & (y < PATCH_PX - 1))
        assert peaks.sum() <= len(at)
        assert (batch["weight"] > 0).all() and (batch["weight"] <= 1).all()
    assert np.concatenate(inside).mean() > 0.98


def test_a_network_that_finds_nothing_is_assessed_all_the_same() -> None:
    class Blind:
        """Sees no centre anywhere."""

        def run(self, _: None, inputs: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
            height, width = inputs["image"].shape[2:]
            return [np.full((1, N_CHANNELS, height // STRIDE, width // STRIDE), -9, dtype=np.float32)]

    facts = assess(ParticleNetwork(Blind(), {}, ""), 1, 77)
    assert facts["particles"] > 0 and set(facts["f1"].values()) == {0.0}
    assert facts["spread_factor"] == 1 and "radius_bias_percent" not in facts


def test_a_perfect_network_is_assessed_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes: list[Scene] = []

    def known(seed: list[int], size: int) -> Scene:
        scenes.append(make_scene(seed, size))
        return scenes[-1]

    class Oracle:
        """Answers by heart."""

        def run(self, _: None, inputs: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
            s = scenes[-1]
            seen = s.shown >= LEAST_SHOWN
            shape = inputs["image"].shape[2], inputs["image"].shape[3]
            return [perfect_answer(s.x[seen], s.y[seen], s.radial[seen].astype(float), shape)[None]]

    monkeypatch.setattr(assessment, "make_scene", known)
    facts = assess(ParticleNetwork(Oracle(), {}, ""), 2, 77)
    assert facts["particles"] > 50
    assert facts["f1"]["0.50"] > 0.93
    assert facts["radius_error_percent"] < 1 and abs(facts["radius_bias_percent"]) < 0.5
