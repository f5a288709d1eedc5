"""Bodies of primary particles: for any ray along z, where it enters and where it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rays = NDArray[np.float32]


class Body(Protocol):
    """A convex particle around the origin, turned as it will be seen. Lengths in px."""

    @property
    def area(self) -> float:
        """Area of the projected outline in px."""
        ...

    @property
    def half_size(self) -> tuple[float, float]:
        """Half extent of the outline along x and y."""
        ...

    def span(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Lowest and highest z on the rays through ``x`` and ``y`` (broadcast); low > high outside."""
        ...

    def extent(self, direction: NDArray[np.float64]) -> float:
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
        """Lowest and highest z on the rays through ``x`` and ``y``; low > high outside."""
        room = np.float32(self.radius**2) - x * x - y * y
        high = np.sqrt(np.maximum(room, 0), dtype=np.float32)
        high[room < 0] = -1
        return -high, high

    def extent(self, direction: NDArray[np.float64]) -> float:
        """Distance from the origin to the surface along a unit vector."""
        return self.radius
