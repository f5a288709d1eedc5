"""Results on spectra as figures for a report or a paper, in PNG or SVG, and their numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files.atomic import atomic_file, write_bytes
from nanoai_gui.core.files.figures import COLOURS, DOTS_PER_INCH, SETTINGS
from nanoai_gui.core.spectra.fractions import Fractions
from nanoai_gui.core.spectra.pca import PrincipalComponents

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Sequence[str | int | float]
Floats = NDArray[np.float64]
NOT_CLASSIFIED = "not classified"
MOST_NAMES = 60
"""Bars that are named; of more, only every second, third ... is."""
MOST_NAMED = 12
"""Names in a legend."""
SHARE = 0.95


class Chart(Protocol):
    """What can be drawn, and told in numbers."""

    def draw(self) -> Figure:
        """Draw it without touching a screen."""
        ...

    def rows(self) -> Iterable[Row]:
        """Give the header and the rows of its table."""
        ...


def write_chart(path: Path, chart: Chart) -> None:
    """Write a chart as PNG or SVG, or its numbers as CSV, as the suffix of ``path`` says.

    Raises
    ------
    WriteError
        If the file cannot be written, or the suffix is another.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(_plain(row) for row in chart.rows())
        write_bytes(path, text.getvalue().encode())
        return
    if suffix not in (".png", ".svg"):
        raise WriteError(
            f"A chart cannot be written as {suffix or 'a file without suffix'}.", "Use .png, .svg or .csv."
        )
    import matplotlib

    with matplotlib.rc_context(SETTINGS):
        figure = chart.draw()
        with atomic_file(path) as stream:
            if suffix == ".png":
                figure.savefig(stream, format="png", dpi=DOTS_PER_INCH)
            else:
                figure.savefig(stream, format="svg", metadata={"Date": None})


def _plain(row: Row) -> list[str]:
    # No number (NaN) is an empty cell.
    return [
        "" if value != value else f"{value:.8g}" if isinstance(value, float) else str(value) for value in row
    ]


@dataclass(frozen=True, eq=False)
class FractionsChart:
    """Shares of the classes as stacked bars, one a group; what is not classified is hatched.

    Parameters
    ----------
    colours
        ``#rrggbb`` by class; those of the other figures by default.
    """

    fractions: Fractions
    colours: Mapping[str, str] = field(default_factory=dict)
    title: str = ""

    def draw(self) -> Figure:
        """Draw the bars."""
        fractions, g = self.fractions, len(self.fractions.names)
        figure, axes = _figure(min(max(2.6 + 0.42 * g, 4.2), 14.0), 3.8)
        known = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(fractions.classes)} | dict(
            self.colours
        )
        place, floor = np.arange(g), np.zeros(g)
        for i, name in enumerate((*fractions.classes, NOT_CLASSIFIED)):
            shares = 100 * fractions.shares[:, i]
            if i < len(fractions.classes):
                axes.bar(place, shares, 0.8, floor, color=known[name], label=name)
            else:
                axes.bar(place, shares, 0.8, floor, facecolor="white", edgecolor="0.4", hatch="///",
                         linewidth=0.5, label=name)  # fmt: skip
            floor = floor + shares
        every = max(-(-g // MOST_NAMES), 1)
        totals = fractions.totals.tolist()
        words = [f"{name}\n(n = {n})" for name, n in zip(fractions.names, totals, strict=True)]
        longest = max((len(name) for name in fractions.names), default=0)
        turned = longest * g > 60
        size = 7 if turned else 8
        axes.set_xticks(place[::every], words[::every], rotation=90 if turned else 0, fontsize=size)
        axes.set_xlim(-0.6, g - 0.4)
        axes.set_ylim(0, 100)
        axes.set_ylabel("Share of the spectra (%)")
        if self.title:
            axes.set_title(self.title)
        columns = min(len(fractions.classes) + 1, 4)
        figure.legend(loc="outside upper center", ncols=columns, frameon=False)
        return figure

    def rows(self) -> Iterable[Row]:
        """Give group, spectra, then the share of each class in percent."""
        f = self.fractions
        yield ["group", "n", *(f"{name} %" for name in f.classes), f"{NOT_CLASSIFIED} %"]
        for name, n, shares in zip(f.names, f.totals.tolist(), f.shares.tolist(), strict=True):
            yield [name, n, *(100.0 * share for share in shares)]


@dataclass(frozen=True, eq=False)
class ConfusionChart:
    """True class by row, found class by column; counts, shaded by their share of the row.

    Parameters
    ----------
    matrix
        (c, c) counts.
    title
        Which answers are counted.
    """

    classes: tuple[str, ...]
    matrix: NDArray[np.int64]
    title: str = ""

    def draw(self) -> Figure:
        """Draw the table."""
        c = len(self.classes)
        figure, axes = _figure(2.2 + 0.8 * c, 1.8 + 0.7 * c)
        shares = self.matrix / np.maximum(self.matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for i in range(c):
            for j in range(c):
                words = f"{self.matrix[i, j]}\n{100 * shares[i, j]:.0f} %"
                dark = shares[i, j] > 0.55
                axes.text(j, i, words, ha="center", va="center", color="white" if dark else "black")
        turned = max(map(len, self.classes)) > 9
        axes.set_xticks(
            range(c), self.classes, rotation=30 if turned else 0, ha="right" if turned else "center"
        )
        axes.set_yticks(range(c), self.classes)
        axes.set_xlabel("Class found")
        axes.set_ylabel("True class")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if self.title:
            axes.set_title(self.title)
        return figure

    def rows(self) -> Iterable[Row]:
        """Give true class, then the counts of each class found."""
        yield ["true class", *self.classes]
        for name, counts in zip(self.classes, self.matrix.tolist(), strict=True):
            yield [name, *counts]


@dataclass(frozen=True, eq=False)
class ReliabilityChart:
    """How often the class named is right, against how probable it was said to be.

    Parameters
    ----------
    curves
        By name the points of each curve, ``confidence``, ``accuracy`` and ``n`` each.
    """

    curves: Mapping[str, Sequence[Mapping[str, float]]]
    title: str = ""

    def draw(self) -> Figure:
        """Draw the curves and the diagonal."""
        figure, axes = _figure(4.2, 3.8)
        axes.plot([0, 1], [0, 1], "--", color="0.5", linewidth=0.8)
        low = 1.0
        for i, (name, points) in enumerate(self.curves.items()):
            x, y = [p["confidence"] for p in points], [p["accuracy"] for p in points]
            low = min([low, *x, *y])
            axes.plot(
                x, y, "o-" if i == 0 else "v-", color=COLOURS[i], markersize=4, linewidth=1.2, label=name
            )
        axes.set_xlim(low - 0.02, 1.02)
        axes.set_ylim(low - 0.02, 1.02)
        axes.set_xlabel("Probability of the class named")
        axes.set_ylabel("Share that is right")
        axes.legend(frameon=False, loc="lower right")
        if self.title:
            axes.set_title(self.title)
        return figure

    def rows(self) -> Iterable[Row]:
        """Give curve, mean probability, share that is right, spectra."""
        yield ["curve", "probability", "share right", "n"]
        for name, points in self.curves.items():
            for p in points:
                yield [name, float(p["confidence"]), float(p["accuracy"]), int(p["n"])]


@dataclass(frozen=True, eq=False)
class ScreeChart:
    """Share of the variance of each component, their sum, the line at 95 %, and how many are kept."""

    components: PrincipalComponents

    def _shown(self) -> tuple[NDArray[np.int64], Floats]:
        shares = 100 * self.components.scree
        n = min(shares.size, max(2 * self.components.n_components, 10))
        return np.arange(1, n + 1), shares[:n]

    def draw(self) -> Figure:
        """Draw bars and sum."""
        figure, axes = _figure(5.0, 3.4)
        number, shares = self._shown()
        axes.bar(number, shares, 0.8, color=COLOURS[5], label="each")
        axes.plot(number, np.cumsum(shares), color=COLOURS[0], linewidth=1.4, label="sum")
        axes.axhline(100 * SHARE, color=COLOURS[1], linestyle="--", linewidth=0.8, label="95 %")
        m = self.components.n_components
        axes.axvline(m + 0.5, color="0.4", linestyle=":", linewidth=0.9, label=f"{m} in use")
        axes.set_xlim(0.4, number[-1] + 0.6)
        axes.set_ylim(0, 104)
        axes.set_xlabel("Component")
        axes.set_ylabel("Variance (%)")
        axes.legend(frameon=False, loc="center right")
        return figure

    def rows(self) -> Iterable[Row]:
        """Give component, its share and the sum so far in percent, whether it is in use."""
        yield ["component", "variance %", "sum %", "in use"]
        shares = 100 * self.components.scree
        for i, (share, total) in enumerate(zip(shares.tolist(), np.cumsum(shares).tolist(), strict=True)):
            yield [i + 1, share, total, "yes" if i < self.components.n_components else "no"]


@dataclass(frozen=True, eq=False)
class ScoresChart:
    """Scores of two components, coloured by class or group.

    Parameters
    ----------
    scores
        (n, 2).
    titles
        Of the two axes.
    names, which, colours
        Of the classes or groups, (n,) which of them each point is, and their ``#rrggbb``.
    """

    scores: Floats
    titles: tuple[str, str]
    names: tuple[str, ...]
    which: NDArray[np.int64]
    colours: tuple[str, ...]

    def draw(self) -> Figure:
        """Draw the points."""
        figure, axes = _figure(4.8, 4.2)
        for i, name in enumerate(self.names):
            own = self.scores[self.which == i]
            label = name if i < MOST_NAMED else None
            axes.scatter(
                own[:, 0], own[:, 1], 9, color=self.colours[i], alpha=0.75, linewidths=0, label=label
            )
        axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)
        axes.axvline(0, color="0.8", linewidth=0.6, zorder=0)
        axes.set_xlabel(self.titles[0])
        axes.set_ylabel(self.titles[1])
        columns = min(len(self.names), 4)
        figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=8)
        return figure

    def rows(self) -> Iterable[Row]:
        """Give class or group and both scores of every spectrum."""
        yield ["name", *self.titles]
        for i, (x, y) in zip(self.which.tolist(), self.scores.tolist(), strict=True):
            yield [self.names[i], x, y]


@dataclass(frozen=True, eq=False)
class LoadingsChart:
    """Loadings along the Raman shift.

    Parameters
    ----------
    axis
        (k,) cm-1.
    loadings
        (p, k), one a component.
    names
        Of the p components.
    """

    axis: Floats
    loadings: Floats
    names: tuple[str, ...]

    def draw(self) -> Figure:
        """Draw the curves."""
        figure, axes = _figure(6.0, 3.4)
        axes.axhline(0, color="0.8", linewidth=0.6)
        for i, (name, curve) in enumerate(zip(self.names, self.loadings, strict=True)):
            axes.plot(self.axis, curve, color=COLOURS[i % len(COLOURS)], linewidth=1.1, label=name)
        axes.set_xlim(self.axis[0], self.axis[-1])
        axes.set_xlabel("Raman shift (cm⁻¹)")
        axes.set_ylabel("Loading")
        axes.legend(frameon=False)
        return figure

    def rows(self) -> Iterable[Row]:
        """Give the Raman shift and the loading of each component there."""
        yield ["raman_shift_cm-1", *self.names]
        for shift, values in zip(self.axis.tolist(), self.loadings.T.tolist(), strict=True):
            yield [shift, *values]


@dataclass(frozen=True, eq=False)
class MapChart:
    """A coloured map in um, over the white-light image if there is one.

    Parameters
    ----------
    picture
        (n_rows, n_columns, 4) uint8, as on the screen.
    extent
        Outer edges ``x0, y0, x1, y1`` of the map, um: of column 0, row 0, the last column, the last row.
    title
        What the colours mean.
    low, high, ramp
        Ends of the range, and its (256, 3) colours; no ``ramp`` where ``names`` are coloured.
    names
        Names and their ``#rrggbb``.
    photo
        Picture (height, width, 3) and its outer edges, um, drawn below the pixels.
    opacity
        Of the pixels.
    upwards
        Whether y rises towards the top.
    table
        Header and columns (n,) each of what the map shows, for CSV.
    """

    picture: NDArray[np.uint8]
    extent: tuple[float, float, float, float]
    title: str
    low: float = 0.0
    high: float = 1.0
    ramp: NDArray[np.uint8] | None = None
    names: tuple[tuple[str, str], ...] = ()
    photo: tuple[NDArray[np.uint8], tuple[float, float, float, float]] | None = None
    opacity: float = 1.0
    upwards: bool = True
    table: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def draw(self) -> Figure:
        """Draw the pixels with their scale or legend."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize
        from matplotlib.patches import Patch

        x0, y0, x1, y1 = self.extent
        shape = abs(y1 - y0) / max(abs(x1 - x0), 1e-9)
        figure, axes = _figure(5.2, float(np.clip(4.2 * shape, 2.0, 8.0)) + 0.9)
        if self.photo is not None:
            rgb, (left, top, right, bottom) = self.photo
            axes.imshow(rgb, extent=(left, right, bottom, top), origin="upper")
        axes.set_facecolor("0.6")
        axes.imshow(
            self.picture, extent=(x0, x1, y1, y0), origin="upper", alpha=self.opacity, interpolation="nearest"
        )
        axes.set_xlim(min(x0, x1), max(x0, x1))
        low, high = sorted((y0, y1))
        axes.set_ylim((low, high) if self.upwards else (high, low))
        axes.set_aspect("equal")
        axes.set_xlabel("x (µm)")
        axes.set_ylabel("y (µm)")
        if self.ramp is not None:
            colours = ListedColormap(self.ramp / 255.0)
            scale = ScalarMappable(Normalize(self.low, self.high), colours)
            figure.colorbar(scale, ax=axes, label=self.title, shrink=0.85)
        else:
            patches = [Patch(facecolor=colour, label=name) for name, colour in self.names]
            columns = min(max(len(patches), 1), 4)
            figure.legend(handles=patches, loc="outside upper center", ncols=columns, frameon=False)
        return figure

    def rows(self) -> Iterable[Row]:
        """Give the place and the value of every spectrum."""
        yield list(self.table)
        yield from zip(*(column.tolist() for column in self.table.values()), strict=True)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure of so many inches, without frame above and on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
