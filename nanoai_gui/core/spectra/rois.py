"""Regions of interest on Raman maps: named, coloured, grouped sets of spectra.

A region is a shape on the sample, in um, so that it stays in place whatever is done to the spectra. It
belongs to one map (``""``: to any), and a spectrum lies in it if its place does; a brush also asks whether
a band is strong enough there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import NanoAIError, ParameterError, ReadError
from nanoai_gui.core.spectra.spectral_set import AxisError, SpectralSet

ROIS_FORMAT = "nanoai-rois"
ROIS_VERSION = 1
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#7f7f7f",
)  # fmt: skip
"""Told apart by colour-blind people too (M. Okabe, K. Ito, "Color universal design", 2008), and a grey."""

Mask = NDArray[np.bool_]
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
    """What was painted over, as far as a band exceeds a threshold there.

    Parameters
    ----------
    strokes
        Places of the middle of the brush, um; a stroke is as dense as the mouse reported it. None at all:
        the whole map, so that the threshold alone decides.
    radius
        Of the brush, um.
    low, high
        The band, cm-1.
    threshold
        Least height of the band: its mean above a line through the ends of the range, in counts.
    """

    KIND: ClassVar[str] = "brush"
    strokes: Points
    radius: float
    low: float
    high: float
    threshold: float

    def mask(self, spectra: SpectralSet) -> Mask:
        """Tell (n,) which spectra were painted and show the band.

        Raises
        ------
        AxisError
            If the band lies outside of the spectra.
        """
        strong = np.asarray(band_height(spectra, self.low, self.high) >= self.threshold, np.bool_)
        if not self.strokes:
            return strong
        painted = np.zeros(spectra.n_spectra, np.bool_)
        for x, y in self.strokes:
            painted |= np.hypot(spectra.x_um - x, spectra.y_um - y) <= self.radius
        return painted & strong


Shape = Rectangle | Polygon | Lasso | Brush
_SHAPES: dict[str, type[Rectangle | Polygon | Lasso | Brush]] = {
    shape.KIND: shape for shape in (Rectangle, Polygon, Lasso, Brush)
}


@dataclass(frozen=True, slots=True)
class Roi:
    """One region of interest.

    Parameters
    ----------
    name
        Unique in its list.
    shape
        Where it is.
    colour
        ``#rrggbb``.
    group
        Name of the group it belongs to, empty for none; groups become labels, say.
    map
        Name of the map it was drawn on (column ``map``), empty for any.
    """

    name: str
    shape: Shape
    colour: str = COLOURS[0]
    group: str = ""
    map: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ParameterError("A region needs a name.", "Type one.")
        if len(self.colour) != 7 or self.colour[0] != "#" or not _is_hex(self.colour[1:]):
            raise ParameterError(f"{self.colour!r} is no colour.", "Write it as #rrggbb.")

    def mask(self, spectra: SpectralSet) -> Mask:
        """Tell (n,) which spectra lie in the region; spectra without a place never do."""
        mask = self.shape.mask(spectra)
        return mask & (spectra.columns["map"] == self.map) if self.map else mask


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


@dataclass(frozen=True)
class Rois:
    """A list of regions with unique names; every change gives a new list.

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

    def __len__(self) -> int:
        return len(self.rois)

    def __iter__(self) -> Iterator[Roi]:
        return iter(self.rois)

    def __getitem__(self, name: str) -> Roi:
        for roi in self.rois:
            if roi.name == name:
                return roi
        raise NanoAIError(f"There is no region called {name}.")

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in the order in which they first appear."""
        return tuple(dict.fromkeys(roi.group for roi in self.rois if roi.group))

    def add(self, shape: Shape, *, name: str = "", colour: str = "", group: str = "", map: str = "") -> Rois:  # noqa: A002
        """Append a region; name and colour are chosen if not given, the colour that of its group."""
        if not name:
            taken = {roi.name for roi in self.rois}
            name = next(n for i in range(1, len(taken) + 2) if (n := f"ROI {i}") not in taken)
        if not colour:
            same = [roi.colour for roi in self.rois if group and roi.group == group]
            used = dict.fromkeys(roi.colour for roi in self.rois)
            free = [c for c in COLOURS if c not in used]
            colour = (same or free or [COLOURS[len(self.rois) % len(COLOURS)]])[0]
        return Rois((*self.rois, Roi(name, shape, colour, group, map)))

    def remove(self, name: str) -> Rois:
        """Leave out one region."""
        gone = self[name]
        return Rois(tuple(roi for roi in self.rois if roi is not gone))

    def change(self, name: str, /, **changes: Any) -> Rois:  # noqa: ANN401 - fields of Roi
        """Change name, shape, colour, group or map of one region."""
        old = self[name]
        return Rois(tuple(replace(roi, **changes) if roi is old else roi for roi in self.rois))

    def select(self, name: str, spectra: SpectralSet) -> SpectralSet:
        """Give the spectra of one region."""
        return spectra.select(self[name].mask(spectra))

    def average(self, name: str, spectra: SpectralSet) -> Average:
        """Average the spectra of one region."""
        return average(spectra, self[name].mask(spectra))

    def group_average(self, group: str, spectra: SpectralSet) -> Average:
        """Average the spectra of all regions of a group, each spectrum once."""
        mask = np.zeros(spectra.n_spectra, np.bool_)
        for roi in self.rois:
            if roi.group == group:
                mask |= roi.mask(spectra)
        return average(spectra, mask)

    def assign(self, spectra: SpectralSet, *, labels_from_groups: bool = False) -> SpectralSet:
        """Write the names of the regions into the column ``roi``; where two overlap, the later one wins.

        Parameters
        ----------
        labels_from_groups
            Also write the group of each region that has one into the column ``label``.
        """
        names = spectra.columns["roi"].astype(object)
        labels = spectra.columns["label"].astype(object)
        for roi in self.rois:
            mask = roi.mask(spectra)
            names[mask] = roi.name
            if labels_from_groups and roi.group:
                labels[mask] = roi.group
        columns = {"roi": names.astype(np.str_)}
        if labels_from_groups:
            columns["label"] = labels.astype(np.str_)
        return spectra.with_columns(columns)

    def to_mapping(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {"format": ROIS_FORMAT, "version": ROIS_VERSION, "rois": [_plain(roi) for roi in self.rois]}

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> Rois:
        """Read what :meth:`to_mapping` gave.

        Raises
        ------
        ReadError
            If it is something else, damaged, or of a newer NanoAI.
        """
        advice = "Choose a file of regions that NanoAI has saved."
        if not isinstance(content, Mapping) or content.get("format") != ROIS_FORMAT:
            raise ReadError("This is no list of regions.", advice)
        if content.get("version") != ROIS_VERSION:
            raise ReadError("These regions were saved by another version of NanoAI.", advice)
        try:
            return cls(tuple(_roi(entry) for entry in content["rois"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReadError("This list of regions is damaged.", advice) from error

    def to_json(self) -> str:
        """Write the list as text."""
        return json.dumps(self.to_mapping(), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Rois:
        """Read what :meth:`to_json` wrote; raises as :meth:`from_mapping`."""
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ReadError("This is no list of regions.", "Choose a file that NanoAI has saved.") from error
        return cls.from_mapping(content)


def average(spectra: SpectralSet, mask: Mask) -> Average:
    """Average the spectra that are marked (n,)."""
    chosen = spectra.intensities[mask]
    n = chosen.shape[0]
    if not n:
        nothing = np.full(spectra.n_points, np.nan)
        return Average(nothing, nothing, 0)
    mean = chosen.mean(axis=0, dtype=np.float64)
    deviation = chosen.std(axis=0, ddof=1, dtype=np.float64) if n > 1 else np.zeros(spectra.n_points)
    return Average(mean, deviation, n)


def band_height(spectra: SpectralSet, low: float, high: float) -> NDArray[np.float64]:
    """Give (n,), the mean of a band above a straight line through the ends of its range, counts.

    Raises
    ------
    AxisError
        If fewer than three points lie in the range.
    """
    inside = np.nonzero((spectra.axis >= low) & (spectra.axis <= high))[0]
    if inside.size < 3:
        raise AxisError(
            f"The band from {low:g} to {high:g} cm⁻¹ is not in the spectra.",
            f"They reach from {spectra.axis[0]:.5g} to {spectra.axis[-1]:.5g} cm⁻¹.",
        )
    band = spectra.intensities[:, inside[0] : inside[-1] + 1]
    axis = spectra.axis[inside]
    ends = max(1, inside.size // 10)
    left, right = band[:, :ends].mean(axis=1), band[:, -ends:].mean(axis=1)
    ramp = float(((axis - axis[0]) / (axis[-1] - axis[0])).mean())
    height: NDArray[np.float64] = band.mean(axis=1, dtype=np.float64) - left - (right - left) * ramp
    return height


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
    values = {name: getattr(shape, name) for name in shape.__dataclass_fields__ if name != "KIND"}
    return {
        "name": roi.name, "colour": roi.colour, "group": roi.group, "map": roi.map,
        "shape": {"kind": shape.KIND, **values},
    }  # fmt: skip


def _roi(entry: Mapping[str, Any]) -> Roi:
    described = dict(entry["shape"])
    kind = _SHAPES[described.pop("kind")]
    values = {name: _number_or_points(value) for name, value in described.items()}
    texts = {name: str(entry[name]) for name in ("name", "colour", "group", "map")}
    return Roi(texts["name"], kind(**values), texts["colour"], texts["group"], texts["map"])


def _number_or_points(value: Any) -> Any:  # noqa: ANN401 - a number, or a list of pairs of numbers
    if isinstance(value, list | tuple):
        return tuple((_finite(x), _finite(y)) for x, y in value)
    return _finite(value)


def _finite(value: Any) -> float:  # noqa: ANN401 - whatever the file holds
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number
