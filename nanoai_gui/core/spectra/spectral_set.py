"""Raman spectra on one axis, with what is known about each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nanoai_gui.core.errors import NanoAIError

TEXT_COLUMNS = ("source", "label", "dish", "cell", "map", "roi")
"""Columns of text that every set has; empty where nothing is known."""
NUMBER_COLUMNS = ("x_um", "y_um")
"""Columns of numbers that every set has; NaN where nothing is known."""
SAME_AXIS = 0.05
"""Axes whose points differ by less than this share of the spacing there are one axis."""
LEAST_OVERLAP = 0.5
"""Sets are brought to one axis only if they share at least this part of the shortest range."""
LEAST_POINTS = 10
"""... and at least this many points of the coarsest axis."""
_BLOCK_VALUES = 1 << 22

AxisPolicy = Literal["overlap", "same"]


class AxisError(NanoAIError):
    """Spectra lie on axes that cannot be brought to one without inventing values."""


@dataclass(frozen=True, eq=False, slots=True)
class MapGrid:
    """The places of spectra on a rectangular map; pixels without a spectrum are allowed.

    Parameters
    ----------
    n_rows, n_columns
        Size of the map in pixels.
    index
        (n,) int64, the pixel of each spectrum as ``row * n_columns + column``; no pixel twice.
    x0, y0
        Centre of the pixel in row 0, column 0, in um.
    dx, dy
        Step from column to column and from row to row, in um; negative where the coordinate falls.
    """

    n_rows: int
    n_columns: int
    index: NDArray[np.int64]
    x0: float = 0.0
    y0: float = 0.0
    dx: float = 1.0
    dy: float = 1.0

    def __post_init__(self) -> None:
        if self.n_rows < 1 or self.n_columns < 1:
            raise ValueError("a map has at least one row and one column")
        if self.index.size and not 0 <= int(self.index.min()) <= int(self.index.max()) < self.n_pixels:
            raise ValueError("a spectrum lies outside of its map")

    @property
    def n_pixels(self) -> int:
        """Number of pixels, those without a spectrum included."""
        return self.n_rows * self.n_columns

    @property
    def is_complete(self) -> bool:
        """Whether every pixel has its spectrum."""
        return self.index.size == self.n_pixels

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) row of each spectrum."""
        return self.index // self.n_columns

    @property
    def columns(self) -> NDArray[np.int64]:
        """(n,) column of each spectrum."""
        return self.index % self.n_columns

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Outer edges ``x0, y0, x1, y1`` in um: of column 0, row 0, the last column, the last row."""
        left, top = self.x0 - self.dx / 2, self.y0 - self.dy / 2
        return left, top, left + self.dx * self.n_columns, top + self.dy * self.n_rows

    def picture(self, values: NDArray[Any], missing: Any = np.nan) -> NDArray[Any]:  # noqa: ANN401
        """Put one value (or vector) a spectrum in its place.

        Parameters
        ----------
        values
            (n, ...), one entry for each spectrum.
        missing
            What stands in pixels without a spectrum.

        Returns
        -------
        (n_rows, n_columns, ...), of the type of ``values`` (float64 for whole numbers if ``missing`` is NaN).
        """
        kind = np.result_type(values.dtype, np.min_scalar_type(missing))
        flat = np.full((self.n_pixels, *values.shape[1:]), missing, dtype=kind)
        flat[self.index] = values
        return flat.reshape(self.n_rows, self.n_columns, *values.shape[1:])

    def spectrum_at(self) -> NDArray[np.int64]:
        """Return (n_rows, n_columns), the number of each pixel's spectrum, -1 where there is none."""
        return self.picture(np.arange(self.index.size, dtype=np.int64), missing=-1)


@dataclass(frozen=True, eq=False, slots=True)
class WhiteLight:
    """The picture of the sample that the instrument took, in the coordinates of its stage.

    Parameters
    ----------
    rgb
        (height, width, 3) uint8.
    x0, y0, x1, y1
        Outer edges in um: left edge of the first column, upper edge of the first row, right edge of the
        last column, lower edge of the last row. ``y1 < y0`` where the stage counts upwards.
    """

    rgb: NDArray[np.uint8]
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, eq=False)
class SpectralSet:
    """Spectra that share one axis.

    Parameters
    ----------
    intensities
        (n, k) float32, counts or arbitrary units, one spectrum a row. Sets that were read from files
        hold finite values only.
    axis
        (k,) float64, Raman shift in cm-1, strictly ascending.
    columns
        What is known of each spectrum, by name, n entries each: text (``<U``) or numbers. Always there:
        ``source`` (file name), ``label``, ``dish``, ``cell``, ``map``, ``roi`` (text, empty if unknown),
        ``x_um``, ``y_um`` (float64, place on the sample in um, NaN if unknown) and ``index`` (int64, which
        spectrum of its source this is, counted from 0). Missing ones are completed.
    grid
        The places of the spectra if they are one map, else ``None``.
    image
        The white-light picture that belongs to the map, if there is one.
    laser_nm
        Wavelength of the exciting laser in nm, if known.
    warnings
        Sentences the person should see: left out spectra, interpolated axes ...
    metadata
        Facts of the instrument worth showing (title, exposure), as text.

    Raises
    ------
    ValueError
        If shapes do not fit each other or the axis does not ascend.
    """

    intensities: NDArray[np.float32]
    axis: NDArray[np.float64]
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    grid: MapGrid | None = None
    image: WhiteLight | None = None
    laser_nm: float | None = None
    warnings: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.intensities.ndim != 2 or self.axis.ndim != 1:
            raise ValueError("spectra have two axes, their Raman shifts one")
        n, k = self.intensities.shape
        if self.axis.size != k:
            raise ValueError(f"{k} intensities a spectrum do not fit {self.axis.size} Raman shifts")
        if self.intensities.dtype != np.float32 or self.axis.dtype != np.float64:
            raise ValueError("intensities are float32 and Raman shifts float64")
        if not bool(np.all(np.isfinite(self.axis))) or not bool(np.all(np.diff(self.axis) > 0)):
            raise ValueError("Raman shifts are finite and ascend")
        if self.grid is not None and self.grid.index.shape != (n,):
            raise ValueError("every spectrum of a map has its pixel")
        object.__setattr__(self, "columns", MappingProxyType(_complete(self.columns, n)))

    def __getstate__(self) -> dict[str, Any]:
        # A read-only view cannot travel between processes; what it shows can.
        return {**self.__dict__, "columns": dict(self.columns)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, columns=MappingProxyType(state["columns"]))

    @property
    def n_spectra(self) -> int:
        """Number of spectra."""
        return int(self.intensities.shape[0])

    @property
    def n_points(self) -> int:
        """Number of points of the axis."""
        return int(self.intensities.shape[1])

    def __len__(self) -> int:
        return self.n_spectra

    @property
    def x_um(self) -> NDArray[np.float64]:
        """(n,) place on the sample, um, NaN if unknown."""
        return self.columns["x_um"]

    @property
    def y_um(self) -> NDArray[np.float64]:
        """(n,) place on the sample, um, NaN if unknown."""
        return self.columns["y_um"]

    def text(self, name: str) -> NDArray[np.str_]:
        """Give a column as text: numbers as people write them, nothing for NaN.

        Raises
        ------
        NanoAIError
            If there is no such column.
        """
        values = self._column(name)
        return values if values.dtype.kind == "U" else _as_text(values)

    def _column(self, name: str) -> NDArray[Any]:
        try:
            return self.columns[name]
        except KeyError:
            known = ", ".join(sorted(self.columns))
            raise NanoAIError(f"There is no column {name!r}.", f"There are: {known}.") from None

    def select(self, rows: ArrayLike) -> SpectralSet:
        """Keep some of the spectra.

        Parameters
        ----------
        rows
            Numbers of the spectra (in the order wanted, none twice on a map) or (n,) bool.
        """
        chosen = np.asarray(rows)
        if chosen.dtype != np.bool_:
            chosen = chosen.astype(np.int64)
        grid = None if self.grid is None else replace(self.grid, index=self.grid.index[chosen])
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return replace(self, intensities=self.intensities[chosen], columns=columns, grid=grid)

    def with_column(self, name: str, values: ArrayLike) -> SpectralSet:
        """Add a column, or put another in its place; the spectra are shared, not copied.

        Parameters
        ----------
        values
            n texts or n numbers.
        """
        return replace(self, columns={**self.columns, name: np.asarray(values)})

    def with_columns(self, columns: Mapping[str, ArrayLike]) -> SpectralSet:
        """Add or replace several columns, see :meth:`with_column`."""
        new = {name: np.asarray(values) for name, values in columns.items()}
        return replace(self, columns={**self.columns, **new})

    def with_intensities(
        self, intensities: NDArray[np.float32], axis: NDArray[np.float64] | None = None
    ) -> SpectralSet:
        """Return the same spectra after a step of preprocessing, (n, k'), on their new axis (k',)."""
        return replace(self, intensities=intensities, axis=self.axis if axis is None else axis)

    def with_grid(self, grid: MapGrid | None) -> SpectralSet:
        """Return the same spectra as a map, or as none."""
        return replace(self, grid=grid)

    def with_warnings(self, *sentences: str) -> SpectralSet:
        """Return the same set with more to tell."""
        return replace(self, warnings=tuple(dict.fromkeys((*self.warnings, *sentences))))

    def crop(self, low: float, high: float) -> SpectralSet:
        """Keep the points with ``low <= Raman shift <= high`` (cm-1), as a view.

        Raises
        ------
        AxisError
            If fewer than two points are left.
        """
        first, last = np.searchsorted(self.axis, (low, np.nextafter(high, np.inf)))
        if last - first < 2:
            raise AxisError(
                f"No spectrum lies between {low:g} and {high:g} cm⁻¹.",
                f"The spectra reach from {self.axis[0]:g} to {self.axis[-1]:g} cm⁻¹.",
            )
        return replace(self, intensities=self.intensities[:, first:last], axis=self.axis[first:last])

    def resample(self, axis: NDArray[np.float64]) -> SpectralSet:
        """Interpolate all spectra linearly onto another axis.

        Parameters
        ----------
        axis
            (m,) Raman shifts in cm-1, strictly ascending. It may reach beyond the spectra by at most
            one of their own steps, where the outermost value is kept; nothing is extrapolated.

        Raises
        ------
        AxisError
            If the axis reaches farther.
        """
        axis = np.ascontiguousarray(axis, dtype=np.float64)
        if same_axis(self.axis, axis):
            return replace(self, axis=axis)
        own = self.axis
        if own.size < 2 or axis.size == 0:
            raise AxisError("A spectrum of one point cannot be brought to another axis.")
        below, above = own[0] - axis[0], axis[-1] - own[-1]
        # A relative hair more than a step, as axes are rounded on their way through text files.
        if below > 1.001 * (own[1] - own[0]) or above > 1.001 * (own[-1] - own[-2]):
            raise AxisError(
                f"The spectra reach from {own[0]:.6g} to {own[-1]:.6g} cm⁻¹, but {axis[0]:.6g} to"
                f" {axis[-1]:.6g} cm⁻¹ are needed.",
                "Use spectra with that range; nothing is invented beyond the measured one.",
            )
        return replace(self, intensities=_interpolate(self.intensities, own, axis), axis=axis)


def same_axis(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two axes are one but for rounding (0.05 of a channel)."""
    if a.shape != b.shape:
        return False
    if a.size < 2:
        return bool(np.allclose(a, b))
    return bool(np.all(np.abs(a - b) <= SAME_AXIS * np.gradient(a)))


def common_axis(axes: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Choose the axis several sets are brought to: the coarsest of theirs, cut to the range all share.

    Nothing is extrapolated, and no set is given points between its own that it did not measure, except
    where its steps are the wider ones locally.

    Raises
    ------
    AxisError
        If the shared range is less than half of the shortest one or holds fewer than 10 points.
    """
    if all(same_axis(axes[0], other) for other in axes[1:]):
        return axes[0]
    if any(axis.size < 2 for axis in axes):
        raise AxisError("A spectrum of one point cannot be brought to another axis.")
    low, high = max(float(a[0]) for a in axes), min(float(a[-1]) for a in axes)
    coarsest = max(axes, key=lambda a: float(np.median(np.diff(a))))
    shared = coarsest[(coarsest >= low) & (coarsest <= high)]
    shortest = min(float(a[-1] - a[0]) for a in axes)
    if high - low < LEAST_OVERLAP * shortest or shared.size < LEAST_POINTS:
        overlap = f"{low:.5g} to {high:.5g} cm⁻¹" if high > low else "nothing at all"
        raise AxisError(
            f"The spectra do not share enough of their ranges ({overlap}).",
            "Open spectra of different ranges one after the other, not together.",
        )
    return shared


def concatenate(sets: Sequence[SpectralSet], policy: AxisPolicy = "overlap") -> SpectralSet:
    """Join sets into one.

    Parameters
    ----------
    sets
        At least one. Where only some have a column, the others get empty text or NaN.
    policy
        ``"overlap"``: different axes are brought to one by :func:`common_axis`, with a warning;
        ``"same"``: different axes are an error.

    Returns
    -------
    One set of all spectra in order. The geometry and the picture of a map are kept only if it is the only
    set; places on the sample stay in ``x_um`` and ``y_um``.

    Raises
    ------
    AxisError
        If the axes differ and may not, or cannot, be brought to one.
    """
    if not sets:
        raise ValueError("nothing to join")
    if len(sets) == 1:
        return sets[0]
    axes = [s.axis for s in sets]
    warnings = list(dict.fromkeys(sentence for s in sets for sentence in s.warnings))
    axis = common_axis(axes)
    n_other = sum(not same_axis(axis, other) for other in axes)
    if n_other:
        if policy == "same":
            raise AxisError("The spectra lie on different axes.", "Resample them to one axis first.")
        warnings.append(
            f"Spectra on different axes were brought to one of {axis.size} points from {axis[0]:.5g} to"
            f" {axis[-1]:.5g} cm⁻¹ by linear interpolation."
        )
    starts = np.cumsum([0, *(s.n_spectra for s in sets)])
    # Filled piece by piece: the sets and their union are in memory, nothing else of that size.
    joined = np.empty((int(starts[-1]), axis.size), np.float32)
    for piece, start, stop in zip(sets, starts[:-1], starts[1:], strict=True):
        if same_axis(piece.axis, axis):
            joined[start:stop] = piece.intensities
        else:
            _interpolate(piece.intensities, piece.axis, axis, out=joined[start:stop])
    lasers = {s.laser_nm for s in sets}
    return SpectralSet(
        intensities=joined,
        axis=axis,
        columns=_join_columns(sets),
        laser_nm=lasers.pop() if len(lasers) == 1 else None,
        warnings=tuple(warnings),
    )


def _join_columns(sets: Sequence[SpectralSet]) -> dict[str, NDArray[Any]]:
    names = dict.fromkeys(name for s in sets for name in s.columns)
    joined = {}
    for name in names:
        present = [s.columns[name] for s in sets if name in s.columns]
        as_text = any(values.dtype.kind == "U" for values in present)
        pieces: list[NDArray[Any]] = []
        for s in sets:
            if name not in s.columns:
                pieces.append(np.full(s.n_spectra, "" if as_text else np.nan))
            else:
                pieces.append(s.text(name) if as_text else s.columns[name])
        joined[name] = np.concatenate(pieces)
    return joined


def write_texts(values: NDArray[np.str_], parts: Iterable[tuple[NDArray[np.int64], str]]) -> NDArray[np.str_]:
    """Write a text into some rows (m,) of a column (n,) each, the later ones over the earlier ones."""
    pairs = list(parts)
    width = max([values.dtype.itemsize // 4, 1, *(len(text) for _, text in pairs)])
    written = values.astype(f"<U{width}")
    for rows, text in pairs:
        written[rows] = text
    return written


def code_texts(values: NDArray[np.str_]) -> tuple[list[str], NDArray[np.int64]]:
    """Give the different texts of a column in order, and (n,) which of them each row has."""
    names = np.unique(values)
    # Twice as quick as the inverse that unique can give.
    return names.tolist(), np.searchsorted(names, values).astype(np.int64)


def _complete(columns: Mapping[str, NDArray[Any]], n: int) -> dict[str, NDArray[Any]]:
    """Check every column and add those that a set always has, in a fixed order."""
    complete: dict[str, NDArray[Any]] = {}
    for name in TEXT_COLUMNS:
        complete[name] = np.asarray(columns.get(name, np.zeros(n, "<U1")))
        if complete[name].dtype.kind != "U":
            complete[name] = _as_text(complete[name])
    complete["index"] = np.asarray(columns.get("index", np.arange(n)), dtype=np.int64)
    for name in NUMBER_COLUMNS:
        complete[name] = np.asarray(columns.get(name, np.full(n, np.nan)), dtype=np.float64)
    complete.update((name, np.asarray(v)) for name, v in columns.items() if name not in complete)
    for name, values in complete.items():
        if values.shape != (n,):
            raise ValueError(f"column {name} has the shape {values.shape}, not {(n,)}")
        if values.dtype.kind not in "Uiufb":
            raise ValueError(f"column {name} holds neither text nor numbers")
    return complete


def _as_text(values: NDArray[Any]) -> NDArray[np.str_]:
    """Dishes called 1, 2, 3 are names, not numbers: whole ones without a decimal point, NaN as nothing."""
    if values.dtype.kind == "f":
        return np.array(["" if np.isnan(v) else f"{v:.10g}" for v in values.tolist()], dtype=np.str_)
    return values.astype(np.str_)


def _interpolate(
    intensities: NDArray[np.float32],
    old: NDArray[np.float64],
    new: NDArray[np.float64],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Interpolate linearly (n, k) -> (n, m) in blocks, so that no second copy of all spectra arises."""
    left = np.clip(np.searchsorted(old, new, side="right") - 1, 0, old.size - 2)
    weight = np.clip((new - old[left]) / (old[left + 1] - old[left]), 0.0, 1.0).astype(np.float32)
    result = np.empty((intensities.shape[0], new.size), np.float32) if out is None else out
    rows = max(1, _BLOCK_VALUES // max(new.size, 1))
    for start in range(0, intensities.shape[0], rows):
        block = intensities[start : start + rows]
        lower = block[:, left]
        result[start : start + rows] = lower + weight * (block[:, left + 1] - lower)
    return result
