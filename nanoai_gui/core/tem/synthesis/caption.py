"""What the microscope writes into a picture: a scale bar, or a strip at the foot with a scale bar."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.synthesis.spec import Caption, SynthesisSpec

STRIP_SHARE = 0.06
"""Height of the data bar as a share of the width of the image."""


def caption_height(spec: SynthesisSpec) -> int:
    """Height in px of the strip that a data bar takes from the image, 0 without one."""
    return max(round(STRIP_SHARE * spec.width_px), 16) if spec.caption is Caption.DATA_BAR else 0


def bar_length(spec: SynthesisSpec) -> tuple[float, int]:
    """Length of the scale bar in nm, the round number nearest to a sixth of the width, and in px."""
    target = spec.width_px * spec.nm_per_px / 6
    decade = 10.0 ** np.floor(np.log10(target))
    length = float(min((f * decade for f in (1, 2, 5, 10)), key=lambda nm: abs(np.log(nm / target))))
    return length, round(length / spec.nm_per_px)


def bar_text(length_nm: float) -> str:
    """Write a length as microscopes do."""
    return f"{length_nm / 1000:g} µm" if length_nm >= 1000 else f"{length_nm:g} nm"


def scale_bar_box(spec: SynthesisSpec) -> tuple[int, int, int, int]:
    """Rows and columns y0, x0, y1, x1 of the corner that a burned-in scale bar needs."""
    unit = max(round(spec.width_px / 64), 4)
    _, length = bar_length(spec)
    return spec.height_px - 4 * unit, spec.width_px - length - 3 * unit, spec.height_px, spec.width_px


def draw_caption(pixels: NDArray[Any], spec: SynthesisSpec) -> NDArray[Any]:
    """Write the caption into (or below) a picture; the result has the spec's full height."""
    if spec.caption is Caption.NONE:
        return pixels
    from PIL import Image, ImageDraw, ImageFont

    nm, length = bar_length(spec)
    largest = spec.bit_depth.largest
    if spec.caption is Caption.SCALE_BAR:
        y0, x0, y1, x1 = scale_bar_box(spec)
        unit = (y1 - y0) // 4
        canvas = Image.new("L", (x1 - x0, y1 - y0), 255)
        draw = ImageDraw.Draw(canvas)
        draw.rectangle((unit, 3 * unit - unit // 3, unit + length - 1, 3 * unit), fill=0)
        font = ImageFont.load_default(1.5 * unit)
        draw.text((unit + length / 2, 2.4 * unit), bar_text(nm), fill=0, font=font, anchor="ms")
        ink = 1 - np.asarray(canvas, dtype=np.float32) / 255
        pixels = pixels.copy()
        corner = pixels[y0:y1, x0:x1]
        corner[:] = (corner * (1 - ink)).astype(pixels.dtype)
        return pixels
    height = caption_height(spec)
    canvas = Image.new("L", (spec.width_px, height), 0)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(height * 0.32)
    left = height // 2
    draw.text((left, height * 0.34), bar_text(nm), fill=255, font=font, anchor="lm")
    draw.rectangle((left, height * 0.66, left + length - 1, height * 0.78), fill=255)
    draw.text(
        (spec.width_px - left, height * 0.34), "NanoAI  synthetic image", fill=255, font=font, anchor="rm"
    )
    draw.text(
        (spec.width_px - left, height * 0.72),
        f"{spec.nm_per_px:.4g} nm/px   {spec.width_px} x {spec.height_px - height} px",
        fill=255,
        font=font,
        anchor="rm",
    )
    strip = np.asarray(canvas, dtype=np.float64) / 255 * largest
    return np.concatenate([pixels, np.rint(strip).astype(pixels.dtype)])
