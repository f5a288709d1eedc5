from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nanoai_gui.core.tem.synthesis.aggregation import random_directions, random_rotations
from nanoai_gui.core.tem.synthesis.shapes import Ball, Body, Ellipsoid, Rod, make_body
from nanoai_gui.core.tem.synthesis.spec import Shape, SynthesisSpec

SOLIDS = [s for s in Shape if s is not Shape.MIXED]


def body_of(shape: Shape, seed: int, roughness: float = 0.0, diameter: float = 20.0) -> Body:
    rng = np.random.default_rng(seed)
    spec = SynthesisSpec(shape=shape, roughness=roughness, aspect_ratio=2.0)
    return make_body(diameter, random_rotations(1, rng)[0], spec, rng)


def grid(body: Body, n: int = 400) -> tuple[np.ndarray, np.ndarray, float]:
    """Rays over more than the body's box, and the area of one."""
    rx, ry = (1.2 * h for h in body.half_size)
    x = ((np.arange(n) + 0.5) / n * 2 - 1) * rx
    y = ((np.arange(n) + 0.5) / n * 2 - 1) * ry
    return x.astype(np.float32)[None, :], y.astype(np.float32)[:, None], 4 * rx * ry / n**2


@pytest.mark.parametrize("shape", SOLIDS)
@pytest.mark.parametrize("roughness", [0.0, 0.08])
def test_the_outline_has_the_area_of_the_diameter_asked_for(shape: Shape, roughness: float) -> None:
    for seed in range(4):
        body = body_of(shape, seed, roughness)
        x, y, cell = grid(body)
        low, high = body.span(x, y)
        seen = high > low
        assert body.area == pytest.approx(np.pi * 100)
        assert seen.sum() * cell == pytest.approx(body.area, rel=0.01)
        rx, ry = body.half_size
        columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
        assert np.abs(x[0, columns]).max() <= rx * 1.01
        assert np.abs(y[rows, 0]).max() <= ry * 1.01


@pytest.mark.parametrize("shape", SOLIDS)
@pytest.mark.parametrize("roughness", [0.0, 0.05])
def test_extent_is_where_the_surface_is(shape: Shape, roughness: float) -> None:
    body = body_of(shape, 5, roughness)
    for direction in random_directions(40, np.random.default_rng(1)):
        for factor, expected in ((0.97, True), (1.03, False)):
            point = direction * body.extent(direction) * factor
            x, y, _ = point.astype(np.float32)[:, None, None]
            low, high = body.span(x, y)
            assert bool(low[0, 0] < point[2] < high[0, 0]) is expected


@pytest.mark.parametrize(
    ("body", "volume"),
    [
        (Ball(10.0), 4 / 3 * np.pi * 1000),
        (
            Ellipsoid.turned(np.array([5.0, 8.0, 20.0]), random_rotations(1, np.random.default_rng(2))[0]),
            4 / 3 * np.pi * 800,
        ),
        (Rod(random_directions(1, np.random.default_rng(3))[0], 15.0, 6.0), np.pi * 36 * (30 + 8)),
        (Rod(np.array([0.0, 0.0, 1.0]), 15.0, 6.0), np.pi * 36 * (30 + 8)),
        (Rod(np.array([1.0, 0.0, 0.0]), 15.0, 6.0), np.pi * 36 * (30 + 8)),
    ],
)
def test_the_path_through_a_body_sums_to_its_volume(body: Body, volume: float) -> None:
    x, y, cell = grid(body)
    low, high = body.span(x, y)
    assert np.maximum(high - low, 0).sum() * cell == pytest.approx(volume, rel=0.01)


def test_rods_lie_on_the_film_and_have_the_aspect_ratio_asked_for() -> None:
    ratios = []
    for seed in range(200):
        body = body_of(Shape.ROD, seed)
        half = [body.extent(np.array([np.cos(a), np.sin(a), 0.0])) for a in np.linspace(0, np.pi, 90)]
        ratios.append(max(half) / min(half))
    assert np.mean(ratios) == pytest.approx(2.0, abs=0.1)


def test_rough_outlines_differ_from_smooth_ones_by_the_amount_asked_for() -> None:
    angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    spreads = []
    for seed in range(20):
        body = body_of(Shape.SPHERE, seed, roughness=0.06)
        radii = [body.extent(np.array([np.cos(a), np.sin(a), 0.0])) for a in angles]
        spreads.append(np.std(radii) / np.mean(radii))
    assert np.mean(spreads) == pytest.approx(0.06, rel=0.05)


def test_a_mixture_holds_every_shape() -> None:
    spec = SynthesisSpec(shape=Shape.MIXED, aspect_ratio=2.0)
    rng = np.random.default_rng(0)
    kinds = set()
    for _ in range(60):
        body = make_body(10.0, np.eye(3), spec, rng)
        kinds.add(type(getattr(body, "unit", body)).__name__)
    assert kinds == {"Ball", "Ellipsoid", "Polyhedron", "Rod"}


def test_plain_spheres_stay_exact() -> None:
    body = make_body(12.5, np.eye(3), dataclasses.replace(SynthesisSpec()), np.random.default_rng(0))
    assert body == Ball(6.25)
