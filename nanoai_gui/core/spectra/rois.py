"""Regions of interest on Raman maps: named, coloured, grouped sets of spectra of one map.

A region is the spectra in it; how it was marked (a shape on the sample, in um) is kept beside them. So a
region holds what a person saw when it was made, whatever the map shows later, and the same shape can still be
laid on another map of the same place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nanoai_gui.core.errors import NanoAIError, ParameterError, ReadError
from nanoai_gui.core.spectra.spectral_set import SpectralSet, write_texts

ROIS_FORMAT = "nanoai-rois"
ROIS_VERSION = 1
COLOURS = (
    "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#F0E442", "#0072B2",
)  # fmt: skip
"""Told apart by colour-blind people too (M. Okabe, K. Ito, "Color universal design", 2008)."""

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """All places between two corners, edges included; um."""

    KIND: ClassVar[str] = "rectangle"
    x0: float
    y0: float
    x1: float
    y1: float

    def mask(self, spectra: SpectralSet) -> Mask:
        """Tell (n,) which spectra lie inside."""
        x, y = spectra.x_um, spectra.y_um
        low_x, high_x = sorted((self.x0, self.x1))
        low_y, high_y = sorted((self.y0, self.y1))
        return np.asarray((x >= low_x) & (x <= high_x) & (y >= low_y) & (y <= high_y), np.bool_)


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline through corners set one by one; at least three, um."""

    KIND: ClassVar[str] = "polygon"
    points: Points

    def __post_init__(self) -> None:
        if len(self.points) < 3:
            raise ParameterError("An outline needs at least three corners.", "Draw a larger region.")

    def mask(self, spectra: SpectralSet) -> Mask:
        """Tell (n,) which spectra lie inside, by the even-odd rule; those on an edge may fall either way."""
        return inside_polygon(spectra.x_um, spectra.y_um, self.points)


@dataclass(frozen=True, slots=True)
class Lasso(Polygon):
    """A closed outline drawn freehand, um."""

    KIND: ClassVar[str] = "lasso"


@dataclass(frozen=True, slots=True)
class Brush:
    """What was painted over, as far as a number (a band area, say) reached a threshold there.

    Parameters
    ----------
    strokes
        Places of the middle of the brush, um; none at all: the whole map, so that the threshold alone
        decides.
    radius
        Of the brush, um.
    quantity
        What the threshold was on, in words; empty: there was none.
    threshold
        Least value of it.
    """

    KIND: ClassVar[str] = "brush"
    strokes: Points
    radius: float
    quantity: str = ""
    threshold: float = 0.0

    def mask(self, spectra: SpectralSet, values: NDArray[np.float64] | None = None) -> Mask:
        """Tell (n,) which spectra were painted, and reach the threshold if (n,) ``values`` are given."""
        painted = np.zeros(spectra.n_spectra, np.bool_)
        for x, y in self.strokes:
            painted |= np.hypot(spectra.x_um - x, spectra.y_um - y) <= self.radius
        if not self.strokes:
            painted[:] = True
        if values is not None:
            with np.errstate(invalid="ignore"):
                painted &= values >= self.threshold
        return painted


Shape = Rectangle | Polygon | Lasso | Brush
_SHAPES: dict[str, type[Rectangle | Polygon | Lasso | Brush]] = {
    shape.KIND: shape for shape in (Rectangle, Polygon, Lasso, Brush)
}


@dataclass(frozen=True, eq=False, slots=True)
class Roi:
    """One region of interest of a map.

    Parameters
    ----------
    number
        Its identity: unique in its list, and kept when it is renamed.
    name
        As shown, and as written to the column ``roi``; unique in its list.
    rows
        (n,) int64, numbers of its spectra in their set, ascending.
    label
        Class of its spectra for training, empty for none.
    group
        Name of the group it is listed under (a cell, say), empty: it is listed under its label.
    colour
        ``#rrggbb``.
    shape
        How it was marked; ``None`` for one made of chosen spectra.

    Raises
    ------
    ParameterError
        If it has no name or no spectra, or the colour is none.
    """

    number: int
    name: str
    rows: Rows
    label: str = ""
    group: str = ""
    colour: str = COLOURS[0]
    shape: Shape | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ParameterError("A region needs a name.", "Type one.")
        if len(self.colour) != 7 or self.colour[0] != "#" or not _is_hex(self.colour[1:]):
            raise ParameterError(f"{self.colour!r} is no colour.", "Write it as #rrggbb.")
        rows = ascending(self.rows)
        if not rows.size or rows[0] < 0:
            raise ParameterError("A region needs at least one spectrum.", "Draw a larger one.")
        object.__setattr__(self, "rows", rows)

    @property
    def heading(self) -> str:
        """What it is listed under: its group, or else its label."""
        return self.group or self.label

    def mask(self, n: int) -> Mask:
        """Tell (n,) which spectra of its set lie in it."""
        mask = np.zeros(n, np.bool_)
        mask[self.rows] = True
        return mask


@dataclass(frozen=True, eq=False, slots=True)
class Average:
    """Mean spectrum of a region.

    Parameters
    ----------
    mean, deviation
        (k,), the deviation being the sample's (n - 1), zero for one spectrum.
    n_spectra
        How many lie in it; with none, mean and deviation are NaN.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    n_spectra: int


@dataclass(frozen=True, eq=False)
class Rois:
    """The regions of one map, with unique names and numbers; every change gives a new list.

    Raises
    ------
    ParameterError
        If two have one name.
    """

    rois: tuple[Roi, ...] = field(default=())

    def __post_init__(self) -> None:
        names = [roi.name for roi in self.rois]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ParameterError(f"There are two regions called {twice}.", "Choose another name.")
        if len({roi.number for roi in self.rois}) < len(self.rois):
            raise ValueError("two regions have one number")

    def __len__(self) -> int:
        return len(self.rois)

    def __iter__(self) -> Iterator[Roi]:
        return iter(self.rois)

    def __getitem__(self, number: int) -> Roi:
        for roi in self.rois:
            if roi.number == number:
                return roi
        raise NanoAIError("This region is not there any more.")

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in the order in which they first appear."""
        return tuple(dict.fromkeys(roi.group for roi in self.rois if roi.group))

    @property
    def next_number(self) -> int:
        """The number of the next region."""
        return max((roi.number for roi in self.rois), default=0) + 1

    def add(
        self,
        rows: ArrayLike,
        *,
        shape: Shape | None = None,
        name: str = "",
        label: str = "",
        group: str = "",
        colour: str = "",
    ) -> Rois:
        """Append a region; name and colour are chosen if not given, the colour that of its heading.

        Raises
        ------
        ParameterError
            If there are no rows, or the name is taken.
        """
        if not name:
            taken = {roi.name for roi in self.rois}
            first = len(taken) + 1
            name = next(n for i in range(first, 2 * first + 1) if (n := f"ROI {i}") not in taken)
        if not colour:
            heading = group or label
            same = [roi.colour for roi in self.rois if heading and roi.heading == heading]
            used = {roi.colour for roi in self.rois}
            free = [c for c in COLOURS if c not in used]
            colour = (same or free or [COLOURS[len(self.rois) % len(COLOURS)]])[0]
        number = self.next_number
        made = Roi(number, name, np.asarray(rows, np.int64), label, group, colour, shape)
        return Rois((*self.rois, made))

    def remove(self, numbers: Iterable[int]) -> Rois:
        """Leave out some regions."""
        going = set(numbers)
        return Rois(tuple(roi for roi in self.rois if roi.number not in going))

    def change(self, numbers: Iterable[int], **changes: Any) -> Rois:  # noqa: ANN401 - fields of Roi
        """Change name, rows, label, group, colour or shape of some regions.

        Raises
        ------
        ParameterError
            If a name is empty or taken, a region would be empty, or a colour is none.
        """
        own = set(numbers)
        return Rois(tuple(replace(roi, **changes) if roi.number in own else roi for roi in self.rois))

    def paint(self, number: int, rows: ArrayLike, *, erase: bool = False) -> Rois:
        """Add spectra to a region, or take them out of it; one that is left empty goes."""
        roi = self[number]
        change: Callable[[Rows, Rows], Rows] = np.setdiff1d if erase else np.union1d
        new = change(roi.rows, np.asarray(rows, np.int64))
        return self.change([number], rows=new) if new.size else self.remove([number])

    @staticmethod
    def count(rois: Iterable[Roi]) -> int:
        """Count the spectra of some regions, each once."""
        chosen = list(rois)
        if len(chosen) == 1:
            return int(chosen[0].rows.size)
        mask = np.zeros(max((int(roi.rows[-1]) for roi in chosen), default=-1) + 1, np.bool_)
        for roi in chosen:
            mask[roi.rows] = True
        return int(mask.sum())

    def select(self, number: int, spectra: SpectralSet) -> SpectralSet:
        """Give the spectra of one region."""
        return spectra.select(self[number].rows)

    def average(self, number: int, spectra: SpectralSet) -> Average:
        """Average the spectra of one region."""
        return average(spectra, self[number].rows)

    def group_average(self, heading: str, spectra: SpectralSet) -> Average:
        """Average the spectra of all regions under a heading, each spectrum once."""
        rows = [roi.rows for roi in self.rois if roi.heading == heading]
        return average(spectra, np.unique(np.concatenate(rows)) if rows else np.zeros(0, np.int64))

    def assign(self, spectra: SpectralSet) -> SpectralSet:
        """Write names and labels of the regions into the columns ``roi`` and ``label``.

        Of regions that overlap, the later one holds; a region without a label leaves the spectra's own.
        """
        if not self.rois:
            return spectra
        names = [(roi.rows, roi.name) for roi in self.rois]
        labels = [(roi.rows, roi.label) for roi in self.rois if roi.label]
        return spectra.with_columns(
            {
                "roi": write_texts(spectra.text("roi"), names),
                "label": write_texts(spectra.text("label"), labels),
            }
        )

    def to_mapping(self) -> dict[str, Any]:
        """Give plain JSON values; spectra as runs ``[first, count]``, as regions are mostly runs."""
        return {"format": ROIS_FORMAT, "version": ROIS_VERSION, "rois": [_plain(roi) for roi in self.rois]}

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], n_spectra: int) -> Rois:
        """Read what :meth:`to_mapping` gave.

        Parameters
        ----------
        n_spectra
            Size of the set the regions belong to.

        Raises
        ------
        ReadError
            If it is something else, damaged, of a newer NanoAI, or belongs to a larger set.
        """
        advice = "Choose regions that NanoAI has saved for this map."
        if not isinstance(content, Mapping) or content.get("format") != ROIS_FORMAT:
            raise ReadError("This is no list of regions.", advice)
        if content.get("version") != ROIS_VERSION:
            raise ReadError("These regions were saved by another version of NanoAI.", advice)
        try:
            read = cls(tuple(_roi(entry, n_spectra) for entry in content["rois"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, ParameterError) as error:
            raise ReadError("This list of regions is damaged.", advice) from error
        if any(roi.rows[-1] >= n_spectra for roi in read):
            raise ReadError("These regions belong to a larger map.", advice)
        return read


def ascending(rows: ArrayLike) -> Rows:
    """Bring numbers of spectra into order, each once."""
    given = np.asarray(rows, np.int64)
    # Looking is far quicker than sorting, and most come in order.
    return given if (np.diff(given) > 0).all() else np.unique(given)


def average(spectra: SpectralSet, rows: Rows) -> Average:
    """Average some spectra (m,)."""
    chosen = spectra.intensities[rows]
    n = chosen.shape[0]
    if not n:
        nothing = np.full(spectra.n_points, np.nan)
        return Average(nothing, nothing, 0)
    mean = chosen.mean(axis=0, dtype=np.float64)
    deviation = chosen.std(axis=0, ddof=1, dtype=np.float64) if n > 1 else np.zeros(spectra.n_points)
    return Average(mean, deviation, n)


def inside_polygon(
    x: NDArray[np.float64], y: NDArray[np.float64], points: Sequence[tuple[float, float]]
) -> Mask:
    """Tell (n,) which places lie inside a closed outline.

    A ray to the right crosses the outline an odd number of times (M. Shimrat, "Algorithm 112: Position
    of point relative to polygon", Commun. ACM 5 (1962) 434).
    """
    inside = np.zeros(x.shape, np.bool_)
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        if y0 == y1:
            continue
        crosses = (y0 <= y) != (y1 <= y)
        inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def _is_hex(text: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in text)


def _plain(roi: Roi) -> dict[str, Any]:
    shape = roi.shape
    described = None
    if shape is not None:
        values = {name: getattr(shape, name) for name in shape.__dataclass_fields__ if name != "KIND"}
        described = {"kind": shape.KIND, **values}
    first = np.flatnonzero(np.diff(roi.rows, prepend=-2) != 1)
    counts = np.diff(first, append=roi.rows.size)
    return {
        "number": roi.number, "name": roi.name, "label": roi.label, "group": roi.group, "colour": roi.colour,
        "rows": [[int(roi.rows[i]), int(n)] for i, n in zip(first, counts, strict=True)],
        "shape": described,
    }  # fmt: skip


def _roi(entry: Mapping[str, Any], n_spectra: int) -> Roi:
    runs = [(int(start), int(n)) for start, n in entry["rows"]]
    if any(start < 0 or n < 1 for start, n in runs) or sum(n for _, n in runs) > n_spectra:
        raise ValueError("these are no rows")
    rows = np.concatenate([np.arange(start, start + n, dtype=np.int64) for start, n in runs])
    shape = None
    if entry["shape"] is not None:
        described = dict(entry["shape"])
        kind = _SHAPES[described.pop("kind")]
        shape = kind(**{name: _plain_value(value) for name, value in described.items()})
    texts = {name: str(entry[name]) for name in ("name", "label", "group", "colour")}
    return Roi(int(entry["number"]), rows=rows, shape=shape, **texts)


def _plain_value(value: Any) -> Any:  # noqa: ANN401 - a text, a number, or a list of pairs of numbers
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return tuple((_finite(x), _finite(y)) for x, y in value)
    return _finite(value)


def _finite(value: Any) -> float:  # noqa: ANN401 - whatever the file holds
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number
