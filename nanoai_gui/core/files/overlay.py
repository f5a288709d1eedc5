"""A picture of what was found: the micrograph with outlines, particles and a scale bar, in full resolution.

Lines are drawn tile by tile with matplotlib's rasteriser, smooth and exact to a fraction of a pixel, so that
an image of any size never needs more memory than a tile of lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled
from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files.atomic import atomic_file
from nanoai_gui.core.tem.distribution import Unit, describe, take

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

    from nanoai_gui.core.tem.analysis import ImageAnalysis
    from nanoai_gui.core.tem.micrograph import Micrograph

Line = NDArray[np.float32]
"""(k, 2): x and y of the points of a line, in px, pixel centres at integers."""

# Okabe and Ito's palette, told apart with any colour vision; the dark rim shows them on any grey.
AGGLOMERATE_COLOUR = (86, 180, 233)
PARTICLE_COLOUR = (230, 159, 0)
EXCLUDED_COLOUR = (204, 121, 167)
RIM_COLOUR = (0, 0, 0)
RIM_STRENGTH = 0.6

TILE = 1024
LINES_AT_A_TIME = 200
"""Keeps what the rasteriser must hold of a tile small."""
SATURATED_PERCENT = 0.35
"""Share of pixels at each end that automatic contrast lets saturate."""


@dataclass
class _Layer:
    """Lines of one kind, with the box around each."""

    colour: tuple[int, int, int]
    width: float
    lines: list[Line] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, line: Line) -> None:
        self.lines.append(line)
        low, high = line.min(axis=0), line.max(axis=0)
        self.boxes.append((float(low[0]), float(low[1]), float(high[0]), float(high[1])))

    def within(self, x0: float, y0: float, x1: float, y1: float) -> list[Line]:
        if not self.lines:
            return []
        b = np.array(self.boxes)
        hit = (b[:, 2] >= x0) & (b[:, 0] <= x1) & (b[:, 3] >= y0) & (b[:, 1] <= y1)
        return [self.lines[i] for i in np.flatnonzero(hit)]


def write_overlay(
    path: Path,
    micrograph: Micrograph,
    analysis: ImageAnalysis,
    method: str,
    cancelled: Cancelled = never_cancelled,
) -> None:
    """Write the overlay picture of one image and method as PNG or TIFF (8-bit RGB, size of the image).

    Parameters
    ----------
    path
        Its suffix, ``.png``, ``.tif`` or ``.tiff``, decides the format. A TIFF of a calibrated image
        carries the pixel size.
    micrograph, analysis
        The image and what was found in it.

    Raises
    ------
    WriteError
        If the file cannot be written, or the suffix is another.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".tif", ".tiff"):
        raise WriteError(
            f"An overlay cannot be written as {suffix or 'a file without suffix'}.", "Use .png or .tif."
        )
    picture = draw_overlay(micrograph, analysis, method, cancelled)
    with atomic_file(path) as stream:
        if suffix == ".png":
            picture.save(stream, "PNG", compress_level=4)
        else:
            nm_per_px = analysis.calibration.nm_per_px
            size: dict[str, Any] = {}
            if nm_per_px is not None:
                size = {"resolution": 1e7 / nm_per_px, "resolution_unit": "cm"}
            picture.save(stream, "TIFF", compression="tiff_deflate", **size)


def draw_overlay(
    micrograph: Micrograph, analysis: ImageAnalysis, method: str, cancelled: Cancelled = never_cancelled
) -> Image:
    """Draw the overlay picture: an RGB image of the size of the micrograph."""
    from PIL import Image

    pixels = np.repeat(grey(micrograph)[:, :, None], 3, axis=2)
    layers = _layers(micrograph, analysis, method)
    height, width = micrograph.shape
    for y0 in range(0, height, TILE):
        for x0 in range(0, width, TILE):
            checkpoint(cancelled)
            tile = pixels[y0 : y0 + TILE, x0 : x0 + TILE]
            for layer in layers:
                _draw(layer, tile, x0, y0)
    picture = Image.fromarray(pixels)
    _annotate(picture, micrograph, analysis, method)
    return picture


def grey(micrograph: Micrograph) -> NDArray[np.uint8]:
    """Scale the raw values to 8 bits by percentiles of the analysed part; for display only."""
    view = micrograph.field_pixels
    # Percentiles of every k-th pixel: a million of them are enough.
    step = max(1, math.isqrt(view.size // 1_000_000))
    low, high = np.percentile(view[::step, ::step], (SATURATED_PERCENT, 100 - SATURATED_PERCENT))
    scale = np.float32(255.0 / max(float(high) - float(low), 1e-30))
    scaled = (micrograph.pixels.astype(np.float32) - np.float32(low)) * scale
    return np.asarray(np.clip(scaled + 0.5, 0, 255), dtype=np.uint8)


def _line_width(shape: tuple[int, int]) -> float:
    return max(1.5, max(shape) / 1200)


def _layers(micrograph: Micrograph, analysis: ImageAnalysis, method: str) -> list[_Layer]:
    """Collect all lines, lowest layer first."""
    width = _line_width(micrograph.shape)
    result = analysis.results[method]
    # Wider than particles, so that they show beside the particle lines that run along them.
    agglomerates = _Layer(AGGLOMERATE_COLOUR, 2.5 * width)
    excluded = _Layer(EXCLUDED_COLOUR, 2 * width)
    reasons = dict(zip(result.agglomerate_ids.tolist(), result.excluded, strict=True))
    for ident, line in agglomerate_outlines(analysis):
        if reasons.get(ident, ""):
            for dash in _dashes(line, 8 * width, 5 * width):
                excluded.add(dash)
        else:
            agglomerates.add(line)
    particles = _Layer(PARTICLE_COLOUR, width)
    p = result.particles
    radii = p.diameter_px / 2
    for i in range(len(p)):
        outline = p.outlines[i]
        if not len(outline):
            outline = _circle(float(p.x[i]), float(p.y[i]), float(radii[i]))
        particles.add(np.concatenate([outline, outline[:1]]))
    return [agglomerates, excluded, particles]


def agglomerate_outlines(analysis: ImageAnalysis) -> Iterator[tuple[int, Line]]:
    """Give the closed outlines of every agglomerate, holes included, half way between inside and outside."""
    from skimage.measure import find_contours

    labels = analysis.labels.unpack()
    a = analysis.agglomerates
    for ident, (y0, x0, y1, x1) in zip(a.ids.tolist(), a.boxes.tolist(), strict=True):
        inside = np.zeros((y1 - y0 + 2, x1 - x0 + 2), dtype=np.float32)
        inside[1:-1, 1:-1] = labels[y0:y1, x0:x1] == ident
        for contour in find_contours(inside, 0.5):
            yield ident, (contour[:, ::-1] + (x0 - 1, y0 - 1)).astype(np.float32)


def _circle(x: float, y: float, radius: float) -> Line:
    # Enough corners that the polygon is nowhere 0.05 px from the circle.
    n = max(16, math.ceil(math.pi / math.acos(1 - min(0.05 / max(radius, 0.1), 0.5))))
    angle = np.arange(n) * (2 * math.pi / n)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1).astype(np.float32)


def _dashes(line: Line, dash: float, gap: float) -> Iterator[Line]:
    """Cut a line into dashes."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    total = float(length[-1])
    # Whole periods, so that a closed line shows no seam.
    period = total / max(1, round(total / (dash + gap)))
    for start in np.arange(0, total - period / 2, period):
        stop = min(start + period * dash / (dash + gap), total)
        between = (length > start) & (length < stop)
        at = np.concatenate([[start], length[between], [stop]])
        yield np.stack([np.interp(at, length, line[:, i]) for i in (0, 1)], axis=1).astype(np.float32)


def _draw(layer: _Layer, tile: NDArray[np.uint8], x0: int, y0: int) -> None:
    """Draw the lines of a layer that pass through a tile into it, with a dark rim."""
    height, width = tile.shape[:2]
    rim = layer.width + 1.0
    lines = layer.within(x0 - rim, y0 - rim, x0 + width + rim, y0 + height + rim)
    if lines:
        _blend(tile, RIM_COLOUR, RIM_STRENGTH * _coverage(lines, rim, (height, width), x0, y0))
        _blend(tile, layer.colour, _coverage(lines, layer.width, (height, width), x0, y0))


def _coverage(
    lines: list[Line], width: float, shape: tuple[int, int], x0: int, y0: int
) -> NDArray[np.float32]:
    """Give the share of every pixel of a tile that lines of a width cover, (height, width)."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.path import Path as Curve
    from matplotlib.transforms import Affine2D

    # Lines end just outside of the canvas, so it must be larger than the tile by more than a line.
    margin = math.ceil(width) + 2
    low = np.array([x0 - margin, y0 - margin], dtype=np.float32)
    lines = [piece for line in lines for piece in _pieces(line, low, low + shape[::-1] + 2 * margin)]
    if not lines:
        return np.zeros(shape, dtype=np.float32)
    height, full_width = shape[0] + 2 * margin, shape[1] + 2 * margin
    # matplotlib gives no types here. At 72 dots per inch its points are pixels.
    make_renderer: Any = RendererAgg
    renderer = make_renderer(full_width, height, 72)
    pen = renderer.new_gc()
    pen.set_foreground("white")
    pen.set_linewidth(width)
    pen.set_joinstyle("round")
    pen.set_snap(False)
    # It counts y upwards and puts pixel centres at halves.
    to_tile = Affine2D().translate(margin + 0.5 - x0, margin + 0.5 - y0).scale(1, -1).translate(0, height)
    for first in range(0, len(lines), LINES_AT_A_TIME):
        some = lines[first : first + LINES_AT_A_TIME]
        codes = np.full(sum(map(len, some)), Curve.LINETO, dtype=Curve.code_type)
        codes[np.cumsum([0, *map(len, some[:-1])])] = Curve.MOVETO
        curve = Curve(np.concatenate(some), codes)
        curve.should_simplify = False
        renderer.draw_path(pen, curve, to_tile)
    inner = slice(margin, -margin)
    return np.asarray(renderer.buffer_rgba())[inner, inner, 3].astype(np.float32) / np.float32(255)


def _pieces(line: Line, low: NDArray[np.float32], high: NDArray[np.float32]) -> list[Line]:
    """Cut a line into the pieces that pass through a rectangle.

    No piece leaves the rectangle and comes back: matplotlib, when it clips such a closed line, joins the
    two places by a chord.
    """
    within = (line > low) & (line < high)
    inside: NDArray[np.bool_] = within[:, 0] & within[:, 1]
    if inside.all():
        return [line]
    a, b = line[:-1], line[1:]
    overlaps = (np.maximum(a, b) >= low) & (np.minimum(a, b) <= high)
    near: NDArray[np.bool_] = overlaps[:, 0] & overlaps[:, 1]
    # Segment i goes on where segment i - 1 ended if both are near and their common point is inside.
    starts = near & ~np.concatenate([[False], near[:-1] & inside[1:-1]])
    ends = near & ~np.concatenate([near[1:] & inside[1:-1], [False]])
    return [line[i : j + 2] for i, j in zip(np.flatnonzero(starts), np.flatnonzero(ends), strict=True)]


def _blend(tile: NDArray[np.uint8], colour: tuple[int, int, int], share: NDArray[np.float32]) -> None:
    rows, columns = np.nonzero(share)
    weight = share[rows, columns, None]
    below = tile[rows, columns]
    tile[rows, columns] = (below + (np.array(colour, dtype=np.float32) - below) * weight + 0.5).astype(
        np.uint8
    )


def _annotate(picture: Image, micrograph: Micrograph, analysis: ImageAnalysis, method: str) -> None:
    """Add the scale bar (lower left) and the legend (lower right of the analysed part)."""
    from PIL import ImageDraw

    view = micrograph.field_of_view
    size = max(11.0, min(view.shape[1] / 60, view.shape[0] / 25))
    font = _font(size)
    draw = ImageDraw.Draw(picture, "RGBA")
    pad = round(size * 0.6)
    if view.shape[0] < 8 * size or view.shape[1] < 24 * size:
        return  # A picture too small for words stays free of them.

    length, text = scale_bar(view.shape[1], analysis.calibration.nm_per_px)
    thick = max(2, round(size / 4))
    text_width = draw.textlength(text, font)
    box_width = max(length, text_width) + 2 * pad
    box_height = round(size * 1.3) + thick + 2 * pad
    left, bottom = view.x0 + pad, view.y1 - pad
    _plate(draw, left, bottom - box_height, left + box_width, bottom)
    middle = left + box_width / 2
    draw.text((middle, bottom - pad - thick - size * 0.35), text, "white", font, anchor="ms")
    draw.rectangle(
        (
            round(middle - length / 2),
            bottom - pad - thick,
            round(middle - length / 2) + length - 1,
            bottom - pad - 1,
        ),
        "white",
    )

    entries = _legend(analysis, method)
    sample = round(size * 1.6)
    row = round(size * 1.35)
    box_width = max(draw.textlength(words, font) for _, _, words in entries) + sample + 3 * pad
    box_height = row * len(entries) + 2 * pad - round(size * 0.35)
    right = view.x1 - pad
    left = right - round(box_width)
    _plate(draw, left, bottom - box_height, right, bottom)
    y = bottom - box_height + pad + size * 0.8
    stroke = max(2, round(size / 7))
    for colour, dashed, words in entries:
        if colour is None:
            draw.text((left + pad, y), words, "white", font, anchor="ls")
        else:
            draw.text((left + 2 * pad + sample, y), words, "white", font, anchor="ls")
            level = round(y - size * 0.3)
            pieces = ((0.0, 0.4), (0.6, 1.0)) if dashed else ((0.0, 1.0),)
            for a, b in pieces:
                start, stop = left + pad + round(a * sample), left + pad + round(b * sample)
                draw.line((start, level, stop, level), colour, stroke)
        y += row


def _legend(analysis: ImageAnalysis, method: str) -> list[tuple[tuple[int, int, int] | None, bool, str]]:
    """Lines of the legend: colour of a sample line (``None``: words only), dashed or not, and the words."""
    unit: Unit = "nm" if analysis.calibration.is_known else "px"
    d = describe(take(analysis, method, unit), n_bootstrap=0)
    entries: list[tuple[tuple[int, int, int] | None, bool, str]] = [(None, False, method)]
    if d.n_particles:
        entries.append((None, False, f"GMD {d.gmd:.3g} {unit}, GSD {d.gsd:.3g}"))
    entries.append((PARTICLE_COLOUR, False, _count(d.n_particles, "particle")))
    entries.append((AGGLOMERATE_COLOUR, False, _count(d.n_agglomerates, "agglomerate")))
    if d.n_excluded:
        entries.append((EXCLUDED_COLOUR, True, f"{d.n_excluded} left out"))
    return entries


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def scale_bar(width_px: int, nm_per_px: float | None) -> tuple[int, str]:
    """Choose a scale bar: 1, 2 or 5 x 10^k long and at most a fifth of the width.

    Returns
    -------
    Its length in px and its text, in nm or µm; in px where the pixel size is unknown.
    """
    most = width_px / 5 * (nm_per_px or 1.0)
    decade = 10.0 ** math.floor(math.log10(most))
    length = next(step * decade for step in (5, 2, 1) if step * decade <= most * (1 + 1e-9))
    if nm_per_px is None:
        return round(length), f"{length:g} px"
    text = f"{length / 1000:g} µm" if length >= 1000 else f"{length:g} nm"
    return max(1, round(length / nm_per_px)), text


def _plate(draw: Any, x0: float, y0: float, x1: float, y1: float) -> None:  # noqa: ANN401 - ImageDraw
    draw.rectangle((x0, y0, x1, y1), (0, 0, 0, 180))


def _font(size: float) -> FreeTypeFont:
    import matplotlib
    from PIL import ImageFont

    # The font that matplotlib brings along: the same letters on every system, the micro sign included.
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
