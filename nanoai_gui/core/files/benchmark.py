"""The benchmark as Markdown, CSV and a picture; and a person's measurements, read back."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.atomic import make_folder, write_bytes, write_with
from nanoai_gui.core.files.tables import number
from nanoai_gui.core.tem.benchmark import (
    CROWDED_POPULATION,
    OTHER_POPULATIONS,
    PAPER,
    SIZE_CLASSES,
    TABLE_POPULATION,
    Manual,
    Row,
    SizeRow,
    Table1,
    image_name,
)
from nanoai_gui.core.tem.by_hand import TIMES_FILE, read_times
from nanoai_gui.core.tem.evaluation import MINIMUM_IOU

TITLES = {
    "ann": "ANN, 13 features",
    "ann-rich": "ANN, rich features",
    "watershed": "Watershed",
    "ultimate-erosion": "Ultimate erosion",
    "hough": "Hough transform",
    "fit": "Network and fit",
    "manual": "By hand",
}

COLUMNS = (
    "method", "gmd_px", "gsd", "n_images", "n_agglomerates", "n_true", "n_found", "gmd_error", "gmd_low",
    "gmd_high", "gsd_error", "gsd_low", "gsd_high", "exact_count", "singles_as_one", "seconds_per_image",
)  # fmt: skip

SIZE_COLUMNS = (
    "method", "fewest", "most", "n_agglomerates", "n_true", "n_found", "gmd_error", "gmd_low", "gmd_high",
    "gsd_error", "gsd_low", "gsd_high", "f1", "exact_count",
)  # fmt: skip


def title(method: str) -> str:
    """Name of a method in tables and pictures."""
    return TITLES.get(method, method)


def markdown(table: Table1) -> str:
    """Put the benchmark into the paper's form, and below it the six other populations."""
    p = TABLE_POPULATION
    lines = [
        "# Table 1",
        "",
        "Errors of GMD and GSD against ground truth in %, with 95 % intervals (bootstrap over agglomerates): "
        f"{table.rows[0].n_images} synthetic images of agglomerates of 1 to 5 spheres, GMD {p.gmd_px:g} px, "
        f"GSD {p.gsd:g}, seed {table.seed}. Paper: Frei and Kruis, Powder Technology 332 (2018) 120, "
        "on images of its own.",
        "",
        "| method | GMD | GSD | paper GMD / GSD | right number | s / image |",
        "|---|---|---|---|---|---|",
    ]
    for row in table.rows:
        a = row.accuracy
        paper = PAPER.get(row.method)
        of_paper = "" if paper is None else f"{100 * paper[0]:+.1f} / {100 * paper[1]:+.1f}"
        by_hand = row.method == "manual"
        name = f"{title(row.method)} ({row.n_images} images)" if by_hand else title(row.method)
        lines.append(
            f"| {name} | {_error(a.gmd_error, a.gmd_ci95)} | {_error(a.gsd_error, a.gsd_ci95)} "
            f"| {of_paper} | {'' if by_hand else f'{100 * a.exact_count:.1f} %'} "
            f"| {'' if math.isnan(row.seconds) else f'{row.seconds:.2f}'} |"
        )
    methods = list(dict.fromkeys(r.method for r in table.others))
    lines += [
        "",
        "## Six other populations",
        "",
        "GMD error / GSD error / right number, in %; last column: mean of the absolute values.",
        "",
        "| method | " + " | ".join(f"{q.gmd_px:g} px, {q.gsd:g}" for q in OTHER_POPULATIONS) + " | mean |",
        "|---" * (len(OTHER_POPULATIONS) + 2) + "|",
    ]
    for method in methods:
        cells = [
            f"{100 * r.accuracy.gmd_error:+.1f} / {100 * r.accuracy.gsd_error:+.1f} "
            f"/ {100 * r.accuracy.exact_count:.0f}"
            for r in table.others
            if r.method == method
        ]
        gmd, gsd, exact = table.mean_absolute(method)
        cells.append(f"{100 * gmd:.1f} / {100 * gsd:.1f} / {100 * exact:.0f}")
        lines.append(f"| {title(method)} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, *_by_size(table)]) + "\n"


def _by_size(table: Table1) -> list[str]:
    """Lines of the table over the number of particles in an agglomerate."""
    if not table.by_size:
        return []
    p = CROWDED_POPULATION
    lines = [
        "",
        "## By the number of particles in an agglomerate",
        "",
        f"GMD error / GSD error in %, F1 at an overlap (IoU) of {MINIMUM_IOU:g}: images of agglomerates of 1 "
        f"to {p.max_particles}, GMD {p.gmd_px:g} px, GSD {p.gsd:g}; n agglomerates.",
        "",
        "| method | " + " | ".join(_size_title(table, *sizes) for sizes in SIZE_CLASSES) + " |",
        "|---" * (len(SIZE_CLASSES) + 1) + "|",
    ]
    for method in dict.fromkeys(r.method for r in table.by_size):
        cells = [
            f"{_percent(r.accuracy.gmd_error)} / {_percent(r.accuracy.gsd_error)} / "
            + ("–" if math.isnan(r.accuracy.f1) else f"{r.accuracy.f1:.3f}")
            for r in table.by_size
            if r.method == method
        ]
        lines.append(f"| {title(method)} | " + " | ".join(cells) + " |")
    return lines


def _size_title(table: Table1, fewest: int, most: int) -> str:
    """Name a class of agglomerates with how many of them there were."""
    n = next(r.accuracy.n_agglomerates for r in table.by_size if (r.fewest, r.most) == (fewest, most))
    return f"{fewest if fewest == most else f'{fewest}-{most}'} (n {n})"


def _percent(error: float) -> str:
    """Write a relative error; a dash where nothing was found that could have one."""
    return "–" if math.isnan(error) else f"{100 * error:+.1f}"


def _error(value: float, interval: tuple[float, float]) -> str:
    return f"{100 * value:+.1f} ({100 * interval[0]:+.1f} ... {100 * interval[1]:+.1f})"


def write_table1(folder: Path, table: Table1) -> None:
    """Write ``table1.md``, ``table1.csv``, ``table1_sizes.csv``, ``table1.png`` and ``table1.svg``.

    Raises
    ------
    WriteError
        If a file cannot be written.
    """
    make_folder(folder)
    write_bytes(folder / "table1.md", markdown(table).encode())
    write_bytes(folder / "table1.csv", _csv([*table.rows, *table.others]).encode())
    if table.by_size:
        write_bytes(folder / "table1_sizes.csv", _sizes_csv(table.by_size).encode())
    for kind in ("png", "svg"):
        draw_table1(folder / f"table1.{kind}", table)


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        a, p = row.accuracy, row.population
        values = [
            p.gmd_px, p.gsd, row.n_images, a.n_agglomerates, a.n_true, a.n_found, a.gmd_error, *a.gmd_ci95,
            a.gsd_error, *a.gsd_ci95, a.exact_count, a.singles_as_one, row.seconds,
        ]  # fmt: skip
        writer.writerow([row.method, *("" if math.isnan(v) else number(v) for v in values)])
    return text.getvalue()


def _sizes_csv(rows: Sequence[SizeRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SIZE_COLUMNS)
    for row in rows:
        a = row.accuracy
        values = [
            a.n_agglomerates, a.n_true, a.n_found, a.gmd_error, *a.gmd_ci95, a.gsd_error, *a.gsd_ci95, a.f1,
            a.exact_count,
        ]  # fmt: skip
        cells = ("" if math.isnan(v) else number(v) for v in values)
        writer.writerow([row.method, row.fewest, row.most, *cells])
    return text.getvalue()


def draw_table1(path: Path, table: Table1) -> None:
    """Draw the errors of every method with their intervals, and the paper's beside them.

    Raises
    ------
    WriteError
        If the picture cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(
        {"font.family": "DejaVu Sans", "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "nanoai"}
    ):
        figure = Figure(figsize=(7.2, 0.7 + 0.42 * len(table.rows)), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        places = np.arange(len(table.rows))[::-1]
        for k, (axis, name) in enumerate(zip(axes, ("GMD", "GSD"), strict=True)):
            axis.axvline(0, color="0.6", linewidth=0.8)
            for place, row in zip(places, table.rows, strict=True):
                a = row.accuracy
                value, (low, high) = ((a.gmd_error, a.gmd_ci95), (a.gsd_error, a.gsd_ci95))[k]
                axis.plot([100 * low, 100 * high], [place, place], color="#0072B2", linewidth=1.5)
                axis.plot(100 * value, place, "o", color="#0072B2", markersize=5, label="NanoAI")
                if row.method in PAPER:
                    paper = 100 * PAPER[row.method][k]
                    axis.plot(
                        paper, place, "D", color="#D55E00", markersize=4, fillstyle="none", label="paper"
                    )
            axis.set_xlabel(f"Error of the {name} [%]")
            axis.set_yticks(places, [title(r.method) for r in table.rows])
            axis.margins(y=0.1)
            axis.spines[["top", "right"]].set_visible(False)
        handles = {text: line for line, text in zip(*axes[0].get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=2, frameon=False)
        canvas = FigureCanvasSVG(figure) if path.suffix.lower() == ".svg" else FigureCanvasAgg(figure)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": "NanoAI"}
        write_with(
            path,
            lambda stream: canvas.print_figure(
                stream, format=path.suffix[1:].lower(), dpi=200, metadata=metadata
            ),
        )


def read_manual(path: Path) -> Manual:
    """Read a person's measurements of the table's images from a ``particles.csv``.

    Of a file that holds several methods those rows count that were measured by hand. The seconds come from
    ``manual_times.csv`` beside it, if the window wrote one.

    Raises
    ------
    ReadError
        If the file cannot be read or names no image of the table.
    """
    found: dict[int, list[float]] = defaultdict(list)
    others: dict[int, list[float]] = defaultdict(list)
    advice = f"Give a particles.csv whose images are called {image_name(0)}, {image_name(1)} and so on."
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            for row in csv.DictReader(stream):
                stem = Path(row["image"]).stem
                if stem.startswith("table1_") and stem[7:].isdecimal() and len(stem) == 11:
                    diameter = float(row["diameter_px"])
                    if not (math.isfinite(diameter) and diameter > 0):
                        raise ValueError("a diameter is not positive")
                    by_hand = row.get("method") in (None, "", "manual")
                    (found if by_hand else others)[int(stem[7:])].append(diameter)
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ReadError(f"{path.name} holds no measurements that can be read.", advice) from error
    found = found or others
    if not found:
        raise ReadError(f"{path.name} holds no measurement of an image of the table.", advice)
    times = {Path(image).stem: s for image, s in read_times(path.with_name(TIMES_FILE)).items()}
    seconds = {index: times[stem] for index in found if (stem := Path(image_name(index)).stem) in times}
    return Manual({index: np.array(values) for index, values in sorted(found.items())}, seconds)
