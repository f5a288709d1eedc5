"""Bodies of primary particles: for any ray along z, where it enters and where it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.spec import Shape, SynthesisSpec

Rays = NDArray[np.float32]
Vector = NDArray[np.float64]

MEASURING_GRID = 40
"""Points across a body whose projected area has no formula (error of the diameter about 0.15 %)."""
ROUGH_ORDERS = np.arange(2, 13)
"""Harmonics of a rough outline: 1 would only move it, more than 12 are finer than a real image shows."""
_TABLE = 1024


class Body(Protocol):
    """A convex (or nearly so) particle around the origin, turned as it will be seen. Lengths in px."""

    @property
    def area(self) -> float:
        """Area of the projected outline in px."""
        ...

    @property
    def half_size(self) -> tuple[float, float]:
        """Half extent of the outline along x and y (or a little more)."""
        ...

    def span(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Lowest and highest z on the rays through ``x`` and ``y`` (broadcast).

        Outside low >= high, both finite.
        """
        ...

    def extent(self, direction: Vector) -> float:
        """Distance from the origin to the surface along a unit vector (3,)."""
        ...


@dataclass(frozen=True, slots=True)
class Ball:
    """A sphere of ``radius`` px."""

    radius: float

    @property
    def area(self) -> float:
        """Area of the projected outline in px."""
        return float(np.pi * self.radius**2)

    @property
    def half_size(self) -> tuple[float, float]:
        """Half extent of the outline along x and y."""
        return self.radius, self.radius

    def span(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Lowest and highest z on the rays; low >= high outside."""
        room = (np.float32(self.radius**2) - y * y) - x * x
        np.maximum(room, 0, out=room)
        high = np.sqrt(room, out=room)
        return -high, high

    def extent(self, direction: Vector) -> float:
        """Distance from the origin to the surface: the radius."""
        return self.radius


@dataclass(frozen=True, slots=True, eq=False)
class Ellipsoid:
    """All points p with p . matrix . p <= 1, with a symmetric positive (3, 3) matrix."""

    matrix: Vector

    @classmethod
    def turned(cls, half_axes: Vector, rotation: Vector) -> Ellipsoid:
        """Turn an ellipsoid of three half axes by a (3, 3) rotation."""
        return cls(rotation @ np.diag(half_axes**-2.0) @ rotation.T)

    @property
    def area(self) -> float:
        """Area of the projected outline, an ellipse, in px."""
        # The outline's matrix is the Schur complement; its determinant is det(A) / A_zz.
        return float(np.pi * np.sqrt(self.matrix[2, 2] / np.linalg.det(self.matrix)))

    @property
    def half_size(self) -> tuple[float, float]:
        """Half extent of the outline along x and y."""
        inverse = np.linalg.inv(self.matrix)
        return float(np.sqrt(inverse[0, 0])), float(np.sqrt(inverse[1, 1]))

    def span(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Lowest and highest z on the rays; low >= high outside."""
        a = self.matrix.astype(np.float32)
        c = a[2, 2]
        middle = -(a[0, 2] * x + a[1, 2] * y) / c
        room = middle * middle + (1 - a[0, 0] * x * x - 2 * a[0, 1] * x * y - a[1, 1] * y * y) / c
        half = np.sqrt(np.maximum(room, 0))
        half[room < 0] = -1
        return middle - half, middle + half

    def extent(self, direction: Vector) -> float:
        """Distance from the origin to the surface along a unit vector."""
        return float((direction @ self.matrix @ direction) ** -0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Polyhedron:
    """The half-spaces ``normals . p <= distances`` inside an ellipsoid that rounds the corners off."""

    normals: Vector
    distances: Vector
    core: Ellipsoid

    @property
    def area(self) -> float:
        """Area of the projected outline in px."""
        return _measure(self)

    @property
    def half_size(self) -> tuple[float, float]:
        """Half extent of the rounding ellipsoid's outline."""
        return self.core.half_size

    def span(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Lowest and highest z on the rays; low >= high outside."""
        low, high = self.core.span(x, y)
        # A facet along the beam bounds no z; leaning it by less than can be seen keeps one formula.
        nz = np.where(np.abs(self.normals[:, 2]) > 1e-4, self.normals[:, 2], 1e-4)
        lines = np.stack([self.distances, *self.normals[:, :2].T]) / nz
        at_0, along_x, along_y = lines.astype(np.float32)[:, :, None, None]
        up = nz > 0
        for side, bound, limit in ((up, np.minimum, high), (~up, np.maximum, low)):
            if side.any():
                # A row and a column for each facet; all facets at once, since each alone is small.
                planes = (at_0[side] - along_x[side] * x) - along_y[side] * y
                bound(limit, bound.reduce(planes, axis=0), out=limit)
        return low, high

    def extent(self, direction: Vector) -> float:
        """Distance from the origin to the surface along a unit vector."""
        facing = self.normals @ direction
        ahead = facing > 1e-9
        flat = np.min(self.distances[ahead] / facing[ahead], initial=np.inf)
        return float(min(flat, self.core.extent(direction)))


@dataclass(frozen=True, slots=True, eq=False)
class Rod:
    """A cylinder with round ends: all within ``radius`` of a line +-``half_length`` long along ``axis``."""

    axis: Vector
    half_length: float
    radius: float

    @property
    def area(self) -> float:
        """Area of the projected outline in px."""
        seen = self.half_length * float(np.hypot(self.axis[0], self.axis[1]))
        return float(np.pi * self.radius**2 + 4 * self.radius * seen)

    @property
    def half_size(self) -> tuple[float, float]:
        """Half extent of the outline along x and y."""
        ends = np.abs(self.axis[:2]) * self.half_length + self.radius
        return float(ends[0]), float(ends[1])

    def span(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Lowest and highest z on the rays; low >= high outside."""
        ux, uy, uz = (np.float32(v) for v in self.axis)
        if abs(uz) < 1e-4:
            uz = np.float32(1e-4)
        length = np.float32(self.half_length)
        along = ux * x + uy * y
        # The endless cylinder, cut by the planes through both ends ...
        c = np.maximum(1 - uz * uz, np.float32(1e-6))
        middle = along * uz / c
        room = middle * middle + (np.float32(self.radius**2) - x * x - y * y + along * along) / c
        half = np.sqrt(np.maximum(room, 0))
        first, second = (-length - along) / uz, (length - along) / uz
        low = np.maximum(middle - half, np.minimum(first, second))
        high = np.minimum(middle + half, np.maximum(first, second))
        outside = (room < 0) | (high < low)
        low[outside], high[outside] = np.inf, -np.inf
        # ... joined with a ball at each end; the whole is convex, so the outermost bounds hold.
        ball = Ball(self.radius)
        for side in (-length, length):
            bottom, top = ball.span(x - side * ux, y - side * uy)
            there = top > bottom
            np.minimum(low, bottom + side * uz, out=low, where=there)
            np.maximum(high, top + side * uz, out=high, where=there)
        missed = high < low
        low[missed] = high[missed] = 0
        return low, high

    def extent(self, direction: Vector) -> float:
        """Distance from the origin to the surface along a unit vector."""
        c = abs(float(self.axis @ direction))
        across = np.sqrt(max(1 - c * c, 1e-12))
        if c * self.radius / across <= self.half_length:
            return float(self.radius / across)
        return float(self.half_length * c + np.sqrt(max(self.radius**2 - self.half_length**2 * across**2, 0)))


@dataclass(frozen=True, slots=True, eq=False)
class Rough:
    """A body whose outline swells and shrinks with the angle by ``table`` (factors over 2 pi)."""

    smooth: Body
    table: Rays

    @property
    def area(self) -> float:
        """Area of the projected outline in px."""
        return _measure(self)

    @property
    def half_size(self) -> tuple[float, float]:
        """A bound of the half extent along x and y."""
        x, y = self.smooth.half_size
        # A bump beside an axis can reach further along it than the swollen end itself.
        largest = float(self.table.max())
        return x * largest, y * largest

    def _factor(self, x: Rays, y: Rays) -> Rays:
        # The table is so fine that the nearest entry will do; a negative angle counts from its end.
        return self.table[(np.arctan2(y, x) * np.float32(_TABLE / (2 * np.pi))).astype(np.intp)]

    def span(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Lowest and highest z on the rays; low >= high outside."""
        factor = self._factor(x, y)
        return self.smooth.span(x / factor, y / factor)

    def extent(self, direction: Vector) -> float:
        """Distance from the origin to the surface along a unit vector."""
        factor = float(self._factor(*direction[:2, None].astype(np.float32))[0])
        inner = direction / np.array([factor, factor, 1.0])
        length = float(np.linalg.norm(inner))
        return self.smooth.extent(inner / length) / length


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """A body ``scale`` times as large, of known area."""

    unit: Body
    scale: float
    area: float

    @property
    def half_size(self) -> tuple[float, float]:
        """Half extent of the outline along x and y."""
        x, y = self.unit.half_size
        return x * self.scale, y * self.scale

    def span(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Lowest and highest z on the rays; low >= high outside."""
        s = np.float32(self.scale)
        low, high = self.unit.span(x / s, y / s)
        return low * s, high * s

    def extent(self, direction: Vector) -> float:
        """Distance from the origin to the surface along a unit vector."""
        return self.unit.extent(direction) * self.scale


def make_body(diameter: float, rotation: Vector, spec: SynthesisSpec, rng: np.random.Generator) -> Body:
    """Make a particle of the spec's shape whose projected outline has this area-equivalent diameter."""
    kind = spec.shape
    if kind is Shape.MIXED:
        kind = (Shape.SPHERE, Shape.ELLIPSOID, Shape.POLYHEDRON, Shape.ROD)[rng.integers(4)]
    if kind is Shape.SPHERE and spec.roughness <= 0:
        return Ball(diameter / 2)
    # Aspect ratios spread around their mean; log-normal, so that none falls below 1.
    aspect = 1 + (spec.aspect_ratio - 1) * float(np.exp(0.3 * rng.standard_normal() - 0.045))
    unit: Body
    if kind is Shape.SPHERE:
        unit = Ball(1.0)
    elif kind is Shape.ELLIPSOID:
        unit = Ellipsoid.turned(_half_axes(aspect, rng), rotation)
    elif kind is Shape.POLYHEDRON:
        unit = _crystal(aspect, rotation, rng)
    else:
        unit = _rod(aspect, rng)
    if spec.roughness > 0:
        unit = Rough(unit, rough_table(spec.roughness, rng))
    area = np.pi / 4 * diameter**2
    return Scaled(unit, float(np.sqrt(area / unit.area)), float(area))


def _half_axes(aspect: float, rng: np.random.Generator) -> Vector:
    """Half axes of product 1: the longest is ``aspect`` times the shortest, the third between."""
    axes = np.array([aspect, aspect ** rng.random(), 1.0])
    return np.asarray(axes / np.cbrt(axes.prod()))


def _crystal(aspect: float, rotation: Vector, rng: np.random.Generator) -> Polyhedron:
    """Cut cube and octahedron facets, each grown a little differently, stretched and rounded."""
    cube = np.concatenate([np.eye(3), -np.eye(3)])
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / np.sqrt(3)
    normals = np.concatenate([cube, signs])
    distances = np.concatenate([np.full(6, rng.uniform(0.8, 1.1)), np.full(8, rng.uniform(0.8, 1.1))])
    distances *= 1 + 0.1 * rng.standard_normal(14)
    axes = _half_axes(aspect, rng)
    normals = normals / axes
    lengths = np.linalg.norm(normals, axis=1)
    rounding = distances.min() * rng.uniform(1.1, 1.45)
    return Polyhedron(
        (normals / lengths[:, None]) @ rotation.T,
        distances / lengths,
        Ellipsoid.turned(axes * rounding, rotation),
    )


def _rod(aspect: float, rng: np.random.Generator) -> Rod:
    """Lay a rod on the film: its tilt out of the image plane has a standard deviation of 10 degrees."""
    angle, tilt = rng.uniform(0, 2 * np.pi), np.radians(10) * rng.standard_normal()
    axis = np.array([np.cos(angle) * np.cos(tilt), np.sin(angle) * np.cos(tilt), np.sin(tilt)])
    return Rod(axis, aspect - 1, 1.0)


def rough_table(roughness: float, rng: np.random.Generator, orders: NDArray[np.intp] = ROUGH_ORDERS) -> Rays:
    """Factors of the radius over the angle, mean 1: harmonics whose amplitude falls with their order."""
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex128)
    parts = rng.standard_normal((2, len(orders))) / orders
    spectrum[orders] = parts[0] + 1j * parts[1]
    waves = np.fft.irfft(spectrum, _TABLE)
    factor: Rays = np.maximum(1 + roughness * waves / waves.std(), 0.3).astype(np.float32)
    return factor


def _measure(body: Body) -> float:
    """Count the outline's area on a grid that is just as large as the body."""
    rx, ry = body.half_size
    step = (np.arange(MEASURING_GRID, dtype=np.float32) + np.float32(0.5)) / MEASURING_GRID * 2 - 1
    low, high = body.span((step[None, :] * rx).astype(np.float32), (step[:, None] * ry).astype(np.float32))
    return float(np.count_nonzero(high > low)) * 4 * rx * ry / MEASURING_GRID**2
