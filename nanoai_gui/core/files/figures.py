"""The size distribution as a figure for a report or a paper, in PNG or SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files.atomic import atomic_file
from nanoai_gui.core.tem.distribution import (
    Sample,
    Scale,
    SizeDistribution,
    Weighting,
    bin_edges,
    cumulative,
    describe,
    histogram,
    lognormal_density,
)
from nanoai_gui.core.tem.report import significant

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with any colour vision; line styles tell them apart in grey as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
DOTS_PER_INCH = 200
SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "axes.linewidth": 0.8,
    "svg.fonttype": "none",  # text stays text: it can be searched and changed
    "svg.hashsalt": "nanoai",  # the same data give the same file
}


def write_histogram(
    path: Path,
    samples: Sequence[Sample],
    weighting: Weighting = "number",
    scale: Scale = "log",
    title: str = "",
) -> None:
    """Write the distribution of one or several methods as PNG or SVG, as the suffix of ``path`` says.

    Parameters
    ----------
    samples
        One a method, all in one unit.
    weighting, scale
        Share of number or of volume; logarithmic or linear axis of diameters.

    Raises
    ------
    WriteError
        If the file cannot be written, or the suffix is another.
    """
    import matplotlib

    suffix = path.suffix.lower()
    if suffix not in (".png", ".svg"):
        kind = suffix or "a file without suffix"
        raise WriteError(f"A histogram cannot be written as {kind}.", "Use .png or .svg.")
    with matplotlib.rc_context(SETTINGS):
        figure = draw_histogram(samples, weighting, scale, title)
        with atomic_file(path) as stream:
            if suffix == ".png":
                figure.savefig(stream, format="png", dpi=DOTS_PER_INCH)
            else:
                figure.savefig(stream, format="svg", metadata={"Date": None})


def draw_histogram(
    samples: Sequence[Sample],
    weighting: Weighting = "number",
    scale: Scale = "log",
    title: str = "",
) -> Figure:
    """Draw bars, lognormal fit and cumulative curve of every sample, without touching a screen.

    The fit of a volume-weighted figure is the number-weighted one carried over (Hatch and Choate), not a
    fit of its own.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    units = {s.unit for s in samples}
    if len(units) > 1:
        raise ValueError("a figure has one unit")
    figure = Figure(figsize=(6.0, 4.4 + 0.2 * len(samples)), layout="constrained")
    axes = figure.add_subplot()
    edges: NDArray[np.float64] | None = None
    for sample in samples:
        if len(sample):
            edges = bin_edges(sample, scale, edges)
    if edges is not None and len(edges) < 6:
        edges = _with_neighbours(edges, scale)
    axes.set_xlabel(f"Area-equivalent diameter ({units.pop() if units else 'px'})")
    axes.set_ylabel(f"Share of {weighting} per bar (%)")
    if title:
        axes.set_title(title)
    if edges is None:
        axes.text(0.5, 0.5, "No particles", ha="center", va="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return figure
    right = axes.twinx()
    handles: list[Artist] = []
    words: list[str] = []
    for i, sample in enumerate(samples):
        distribution = describe(sample)
        handle = _draw(axes, right, sample, distribution, edges, weighting, scale, i, alone=len(samples) == 1)
        handles.append(handle)
        words.append(_words(distribution))
    _set_axes(axes, right, edges, weighting, scale)
    handles += [Line2D([], [], color="0.4", linewidth=1.6), Line2D([], [], color="0.4", linewidth=0.8)]
    words += ["smooth: lognormal fit", "steps: cumulative"]
    figure.legend(handles, words, loc="outside lower center", frameon=False)
    return figure


def _with_neighbours(edges: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Add an empty bar at both ends, so that very few bars do not fill the figure."""
    if scale == "log":
        step = edges[1] / edges[0]
        return np.concatenate([[edges[0] / step], edges, [edges[-1] * step]])
    step = edges[1] - edges[0]
    return np.concatenate([[edges[0] - step], edges, [edges[-1] + step]])


def _draw(
    axes: Axes,
    right: Axes,
    sample: Sample,
    distribution: SizeDistribution,
    edges: NDArray[np.float64],
    weighting: Weighting,
    scale: Scale,
    index: int,
    *,
    alone: bool,
) -> Artist:
    colour = COLOURS[index % len(COLOURS)]
    style = STYLES[index % len(STYLES)]
    bars = histogram(sample, weighting, scale, edges)
    # Bars of several methods would hide each other: then only the first is filled.
    handle: Artist = axes.stairs(
        100 * bars.fraction, edges, fill=alone, facecolor=(colour, 0.35) if alone else None, edgecolor=colour,
        linewidth=0.8, alpha=None if alone else 0.6,
    )  # fmt: skip
    if distribution.gsd > 1:
        if scale == "log":
            d = np.geomspace(edges[0], edges[-1], 400)
            width = math.log(edges[1] / edges[0])
        else:
            d = np.linspace(max(edges[0], edges[1] * 1e-3), edges[-1], 400)
            width = float(edges[1] - edges[0])
        fit = lognormal_density(d, distribution.gmd, distribution.gsd, weighting, scale) * width
        (curve,) = axes.plot(d, 100 * fit, color=colour, linewidth=1.6, linestyle=style)
        handle = handle if alone else curve
    if len(sample):
        d, share = cumulative(sample, weighting)
        d = np.concatenate([[edges[0]], d, [edges[-1]]])
        share = np.concatenate([[0.0], share, [1.0]])
        # Thousands of steps closer than a dot only make the file large.
        keep = np.unique(np.linspace(0, len(d) - 1, 2000).round().astype(int))
        right.step(d[keep], 100 * share[keep], where="post", color=colour, linewidth=0.8, alpha=0.8)
    return handle


def _set_axes(
    axes: Axes, right: Axes, edges: NDArray[np.float64], weighting: Weighting, scale: Scale
) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if scale == "log":
        axes.set_xscale("log")
        right.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(log_ticks(float(edges[0]), float(edges[-1]))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    right.set_ylim(0, 105)
    right.set_ylabel(f"Cumulative share of {weighting} (%)")
    axes.spines["top"].set_visible(False)
    right.spines["top"].set_visible(False)


def log_ticks(low: float, high: float) -> list[float]:
    """Choose round numbers for a logarithmic axis that may span less than a decade."""
    for digits in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [digit * 10.0**k for k in decades for digit in digits]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) >= 4:
            return ticks
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(k for k in (1, 2, 5, 10) if (high - low) / (k * step) <= 8)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def _words(d: SizeDistribution) -> str:
    """Describe a distribution in one line of the legend."""
    if not d.n_particles:
        return f"{d.method}: no particles"
    gmd, gsd = f"GMD {significant(d.gmd)} {d.unit}", f"GSD {d.gsd:.3f}"
    if d.gmd_ci95 is not None and d.gsd_ci95 is not None:
        gmd += f" ({significant(d.gmd_ci95[0])}\u2013{significant(d.gmd_ci95[1])})"
        gsd += f" ({d.gsd_ci95[0]:.3f}\u2013{d.gsd_ci95[1]:.3f})"
    name = f"{d.method}: " if d.method else ""
    return f"{name}n = {d.n_particles}, {gmd}, {gsd}"
