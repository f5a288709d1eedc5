"""Measuring by hand, image after image: how long each particle took."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nanoai_gui.core.files.atomic import write_bytes

TIMES_FILE = "manual_times.csv"
TIME_COLUMNS = ("image", "particle", "seconds")
BREAK_SECONDS = 60.0
"""Who places no particle for longer has taken a break: that time belongs to no particle."""
_PREFIX = "seconds/"


def value_key(method: str, particle: int) -> str:
    """Name of the value of a document that holds the seconds a particle took."""
    return f"{_PREFIX}{method}/{particle}"


def seconds_of(values: Mapping[str, Any], method: str) -> dict[int, float]:
    """Seconds that particles took, by their ids, from the values of a document."""
    prefix = f"{_PREFIX}{method}/"
    return {int(k[len(prefix) :]): float(v) for k, v in values.items() if k.startswith(prefix)}


@dataclass
class Clock:
    """Counts the time from one particle to the next (seconds on any clock that never goes back)."""

    _mark: float | None = field(default=None, init=False)

    def start(self, now: float) -> None:
        """Begin to count: an image is shown, or a break is over."""
        self._mark = now

    def stop(self) -> None:
        """Count no more: another image is being read."""
        self._mark = None

    def lap(self, now: float) -> float | None:
        """Give the seconds since the last particle; ``None`` if that is not known, or was a break."""
        passed = None if self._mark is None else now - self._mark
        self._mark = now
        return passed if passed is not None and passed <= BREAK_SECONDS else None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast somebody measures.

    Parameters
    ----------
    n_timed
        Particles whose time is known.
    total, median
        Seconds; NaN if none is known.
    """

    n_timed: int
    total: float
    median: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Pace:
        """Sum up the times of particles."""
        values = np.array(list(seconds), dtype=np.float64)
        if not len(values):
            return cls(0, math.nan, math.nan)
        return cls(len(values), float(values.sum()), float(np.median(values)))


def write_times(path: Path, rows: Sequence[tuple[str, int, float]]) -> None:
    """Write image, particle and seconds of every particle whose time is known.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    from nanoai_gui.core.files.tables import cell, number

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TIME_COLUMNS)
    writer.writerows((cell(image), particle, number(seconds)) for image, particle, seconds in rows)
    write_bytes(path, text.getvalue().encode("utf-8", "replace"))


def read_times(path: Path) -> dict[str, float]:
    """Read the seconds each image took, from a file of :func:`write_times`; nothing if there is none.

    A time is a curiosity beside the sizes: what cannot be read is passed over.
    """
    found: dict[str, float] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            for row in csv.DictReader(stream):
                seconds = float(row["seconds"])
                if math.isfinite(seconds) and seconds >= 0:
                    image = str(row["image"]).removeprefix("./")
                    found[image] = found.get(image, 0.0) + seconds
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        return {}
    return found
