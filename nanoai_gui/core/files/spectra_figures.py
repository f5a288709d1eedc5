"""Results on spectra as figures for a report or a paper, in PNG or SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files.atomic import atomic_file
from nanoai_gui.core.files.figures import COLOURS, DOTS_PER_INCH, SETTINGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nanoai_gui.core.spectra.fractions import Fractions

NOT_CLASSIFIED = "not classified"
MOST_NAMES = 60
"""Bars that are named; of more, only every second, third ... is."""


def write_fractions(
    path: Path, fractions: Fractions, colours: Mapping[str, str] | None = None, title: str = ""
) -> None:
    """Write the shares of the classes as stacked bars, PNG or SVG as the suffix of ``path`` says.

    Parameters
    ----------
    colours
        ``#rrggbb`` by class; those of the other figures by default.

    Raises
    ------
    WriteError
        If the file cannot be written, or the suffix is another.
    """
    import matplotlib

    suffix = path.suffix.lower()
    if suffix not in (".png", ".svg"):
        raise WriteError(
            f"A chart cannot be written as {suffix or 'a file without suffix'}.", "Use .png or .svg."
        )
    with matplotlib.rc_context(SETTINGS):
        figure = draw_fractions(fractions, colours, title)
        with atomic_file(path) as stream:
            if suffix == ".png":
                figure.savefig(stream, format="png", dpi=DOTS_PER_INCH)
            else:
                figure.savefig(stream, format="svg", metadata={"Date": None})


def draw_fractions(fractions: Fractions, colours: Mapping[str, str] | None = None, title: str = "") -> Figure:
    """Draw stacked bars, one a group, without touching a screen; what is not classified is hatched."""
    from matplotlib.figure import Figure

    g = len(fractions.names)
    figure = Figure(figsize=(min(max(2.6 + 0.42 * g, 4.2), 14.0), 3.8), layout="constrained")
    axes = figure.add_subplot()
    known = dict(colours or {})
    for i, name in enumerate(fractions.classes):
        known.setdefault(name, COLOURS[i % len(COLOURS)])
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
    words = [f"{name}\n(n = {n})" for name, n in zip(fractions.names, fractions.totals.tolist(), strict=True)]
    longest = max((len(name) for name in fractions.names), default=0)
    turned = longest * g > 60
    axes.set_xticks(place[::every], words[::every], rotation=90 if turned else 0, fontsize=7 if turned else 8)
    axes.set_xlim(-0.6, g - 0.4)
    axes.set_ylim(0, 100)
    axes.set_ylabel("Share of the spectra (%)")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if title:
        axes.set_title(title)
    figure.legend(loc="outside upper center", ncols=min(len(fractions.classes) + 1, 4), frameon=False)
    return figure
