"""From grey levels to labelled agglomerates: flatten, denoise, threshold, label."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.parameters import check, parameter
from nanoai_gui.core.tem.agglomerates import TOUCHES_BORDER, Agglomerates, Polarity
from nanoai_gui.core.tem.background import estimate_background, find_polarity
from nanoai_gui.core.tem.edge_profile import edge_level
from nanoai_gui.core.tem.gaps import opaque_contrast, part_at_gaps
from nanoai_gui.core.tem.micrograph import Box, Micrograph
from nanoai_gui.core.tem.threshold import local_threshold, noise_level, otsu, thinned, typical_radius

NOISE_FACTOR = 4.0
"""An automatic threshold is at least this many standard deviations of the background above it."""
BEHIND_SCALE_BAR = "partly behind a scale bar"
"""Reason of exclusion: what is drawn into the image hides a part of the agglomerate."""
CLEAR_FACTOR = 6.0
"""Smoothing goes on until Otsu's level is this many standard deviations above the background ..."""
MOST_DENOISE_PX = 4.0
"""... or has this width."""
_ROWS = 128
"""Rows handled at a time, so that no temporary array is as large as the image."""


class ThresholdKind(StrEnum):
    """How the grey level that parts particles from background is found."""

    AUTO = "automatic"
    """Otsu's level, then moved to where the edge of the particles really is; opaque neighbours stay apart."""
    OTSU = "Otsu"
    LOCAL = "local"
    """As the automatic one, but following how strong the particles of the neighbourhood are."""
    MANUAL = "by hand"


@dataclass(frozen=True, slots=True)
class SegmentationParameters:
    """What a person can set of the segmentation; every default works untouched on most images."""

    polarity: Polarity = parameter(
        Polarity.AUTO, "Particles are", help="Found from the image when automatic."
    )
    flatten: bool = parameter(True, "Flatten background", help="Take out uneven illumination.")
    denoise_px: float = parameter(
        1.0, "Denoise", unit="px", minimum=0, maximum=20, step=0.5,
        help="Width of the smoothing; 0 is off. Images full of noise are smoothed further, up to 4 px.",
    )  # fmt: skip
    threshold: ThresholdKind = parameter(
        ThresholdKind.AUTO, "Threshold",
        help="Automatic finds the edge also of particles that are thin there; Otsu takes the half-way grey "
        "level; local follows the contrast across the image.",
    )  # fmt: skip
    level: float = parameter(
        0.5, "Level", minimum=0, maximum=1, step=0.01,
        help="Only by hand: 0 is the background, 1 the strongest contrast of the image.",
    )  # fmt: skip
    minimum_diameter_px: float = parameter(
        5.0, "Smallest agglomerate", unit="px", minimum=1, maximum=10000, step=1,
        help="Area-equivalent diameter; anything smaller counts as noise.",
    )  # fmt: skip
    fill_holes: bool = parameter(True, "Fill holes")
    include_border: bool = parameter(
        False, "Include agglomerates at the border",
        help="They are cut off, so their particles are not all seen; left out by default.",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class PreparedContrast:
    """The flattened and denoised field of view, from which a threshold is one comparison away.

    Parameters
    ----------
    contrast
        (height, width) float32 of the whole micrograph; see :class:`Agglomerates`.
    field_shape
        Height and width in px of the analysed part, at the top left of the image.
    polarity
        Found or asked for; never ``AUTO``.
    noise
        Standard deviation of the background, in units of ``contrast``.
    full_scale
        The strongest contrast of the image (99.9th percentile): level 1 of a threshold by hand.
    denoise_px
        Width of the smoothing that was needed, in px.
    covered
        Parts of the field of view that something is drawn over; their contrast is 0.
    """

    contrast: NDArray[np.float32]
    field_shape: tuple[int, int]
    polarity: Polarity
    noise: float
    full_scale: float
    denoise_px: float
    covered: tuple[Box, ...] = ()

    @property
    def field(self) -> NDArray[np.float32]:
        """The analysed part of ``contrast``, as a view."""
        return self.contrast[: self.field_shape[0], : self.field_shape[1]]


def prepare(
    micrograph: Micrograph,
    parameters: SegmentationParameters | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> PreparedContrast:
    """Find the polarity, flatten the background and denoise.

    Contrast is the share of the background level that is missing (dark particles) or added (bright
    ones), ``|I - I0| / I0`` with its sign, where the background is clearly above zero; grey levels else.
    """
    p = parameters or SegmentationParameters()
    check(p)
    field = micrograph.field_pixels
    height, width = field.shape
    contrast = np.zeros(micrograph.shape, dtype=np.float32)
    out = contrast[:height]
    polarity: Polarity = p.polarity
    if field.size == 0 or not field.max() > field.min():
        polarity = Polarity.DARK if polarity is Polarity.AUTO else polarity
        return PreparedContrast(contrast, (height, width), polarity, 0.0, 0.0, 0.0)
    if polarity is Polarity.AUTO:
        polarity = find_polarity(field)
    checkpoint(cancelled)
    progress(0.1, "Flattening the background")
    background = estimate_background(field, polarity, p.flatten)
    checkpoint(cancelled)
    lowest, typical = float(background.grid.min()), float(np.median(background.grid))
    # Illumination multiplies; but where the background comes near zero (an offset was taken off), a
    # quotient would blow up, and the difference alone is honest.
    divide = lowest > 0.25 * typical > 0
    # One buffer for all strips: fresh memory costs more than the arithmetic.
    buffer = np.empty((min(_ROWS, height), width), dtype=np.float32)
    for start in range(0, height, _ROWS):
        stop = min(start + _ROWS, height)
        level = background.rows(start, stop, buffer)
        strip = out[start:stop]
        if polarity is Polarity.DARK:
            np.subtract(level, field[start:stop], out=strip, casting="unsafe")
        else:
            np.subtract(field[start:stop], level, out=strip, casting="unsafe")
        if divide:
            strip /= level
        checkpoint(cancelled)
    progress(0.3, "Denoising")
    covered = tuple(_clip(box, (height, width)) for box in micrograph.annotations)
    for box in covered:
        out[box.slices] = 0
    denoise_px = _denoise(out, p.denoise_px, cancelled)
    full_scale = float(np.percentile(thinned(out), 99.9))
    return PreparedContrast(
        contrast, (height, width), polarity, noise_level(out), max(full_scale, 0.0), denoise_px, covered
    )


def _clip(box: Box, shape: tuple[int, int]) -> Box:
    y0, x0 = min(max(box.y0, 0), shape[0]), min(max(box.x0, 0), shape[1])
    return Box(y0, x0, min(max(box.y1, y0), shape[0]), min(max(box.x1, x0), shape[1]))


def _denoise(image: NDArray[np.float32], denoise_px: float, cancelled: Cancelled) -> float:
    """Smooth in place until particles stand clear of the noise; gives the width in px that this took.

    At a low dose Otsu's level falls into the noise, and every speck of it becomes a particle.
    """
    if denoise_px <= 0:
        return 0.0
    _smooth(image, denoise_px, cancelled)
    width, clearness = denoise_px, _clearness(image)
    while clearness < CLEAR_FACTOR and width < MOST_DENOISE_PX:
        wider = min(1.5 * width, MOST_DENOISE_PX)
        smoother = image.copy()
        _smooth(smoother, float(np.sqrt(wider**2 - width**2)), cancelled)
        better = _clearness(smoother)
        # Particles as small as the noise's grain would go with it.
        if better < 1.15 * clearness:
            break
        image[...] = smoother
        width, clearness = wider, better
    return width


def _smooth(image: NDArray[np.float32], width_px: float, cancelled: Cancelled) -> None:
    from scipy import ndimage

    for axis in (0, 1):
        ndimage.gaussian_filter1d(image, width_px, axis=axis, output=image, mode="nearest", truncate=3.0)
        checkpoint(cancelled)


def _clearness(image: NDArray[np.float32]) -> float:
    """Otsu's level in standard deviations of the background."""
    noise = noise_level(image)
    return otsu(image) / noise if noise > 0 else float("inf")


def automatic_threshold(prepared: PreparedContrast) -> float:
    """Level of the particles' edge, see :mod:`nanoai_gui.core.tem.edge_profile`; never within the noise."""
    first = otsu_threshold(prepared)
    return max(
        edge_level(prepared.field, first, prepared.denoise_px, typical_radius(prepared.field, first)),
        NOISE_FACTOR * prepared.noise,
    )


def otsu_threshold(prepared: PreparedContrast) -> float:
    """Otsu's level of the contrast, but never within the noise of the background."""
    return max(otsu(prepared.field), NOISE_FACTOR * prepared.noise)


def threshold_level(prepared: PreparedContrast, parameters: SegmentationParameters) -> float:
    """Level of ``contrast`` that the parameters stand for (the mean level of a local threshold)."""
    if parameters.threshold is ThresholdKind.MANUAL:
        return parameters.level * prepared.full_scale
    if parameters.threshold is ThresholdKind.OTSU:
        return otsu_threshold(prepared)
    return automatic_threshold(prepared)


def particle_mask(
    prepared: PreparedContrast, parameters: SegmentationParameters, level: float | None = None
) -> NDArray[np.bool_]:
    """Pixels above the threshold, (height, width) of the whole micrograph.

    This is the live preview of a threshold by hand: one comparison, no labelling. ``level`` saves finding
    an automatic level again.
    """
    mask = np.zeros(prepared.contrast.shape, dtype=bool)
    if prepared.full_scale <= 0:
        return mask
    level = threshold_level(prepared, parameters) if level is None else level
    field = prepared.field
    if parameters.threshold is not ThresholdKind.LOCAL:
        np.greater(field, level, out=mask[: prepared.field_shape[0]])
        return mask
    surface = local_threshold(field, level, NOISE_FACTOR * prepared.noise)
    buffer = np.empty((min(_ROWS, len(field)), field.shape[1]), dtype=np.float32)
    for start in range(0, len(field), _ROWS):
        stop = min(start + _ROWS, len(field))
        np.greater(field[start:stop], surface.rows(start, stop, buffer), out=mask[start:stop])
    return mask


def segment(
    micrograph: Micrograph,
    parameters: SegmentationParameters | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Agglomerates:
    """Find the agglomerates of a micrograph.

    An image without particles (blank, or nothing but noise) gives no agglomerates.
    """
    p = parameters or SegmentationParameters()
    prepared = prepare(micrograph, p, progress, cancelled)
    progress(0.5, "Finding the threshold")
    level = threshold_level(prepared, p)
    checkpoint(cancelled)
    progress(0.6, "Finding agglomerates")
    return label(prepared, p, level, progress, cancelled)


def label(
    prepared: PreparedContrast,
    parameters: SegmentationParameters,
    level: float,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> Agglomerates:
    """Label what stands out of a prepared image by more than ``level``."""
    from scipy import ndimage

    height = prepared.field_shape[0]
    labels = np.zeros(prepared.contrast.shape, dtype=np.int32)
    mask = particle_mask(prepared, parameters, level)[:height]
    checkpoint(cancelled)
    minimum_area = np.pi / 4 * parameters.minimum_diameter_px**2
    opaque = 0.0
    if parameters.threshold is ThresholdKind.AUTO:
        opaque = opaque_contrast(prepared.field, level, prepared.full_scale)
    if parameters.fill_holes:
        _fill_holes(mask, prepared.field, minimum_area, level, opaque > 0)
        checkpoint(cancelled)
    view = labels[:height]
    n = ndimage.label(mask, np.ones((3, 3), dtype=bool), output=view) if mask.any() else 0
    del mask
    checkpoint(cancelled)
    if n and opaque > 0:
        n = part_at_gaps(view, n, prepared.field, opaque, minimum_area, cancelled)
    area = _areas(view, n)
    keep = area >= minimum_area
    keep[0] = False
    new_ids = np.zeros(n + 1, dtype=np.int32)
    new_ids[keep] = np.arange(1, int(keep.sum()) + 1, dtype=np.int32)
    for start in range(0, height, _ROWS):
        strip = view[start : start + _ROWS]
        strip[...] = new_ids[strip]
    checkpoint(cancelled)
    progress(0.9, "Describing agglomerates")
    return describe(labels, prepared, parameters, level)


def describe(
    labels: NDArray[np.int32], prepared: PreparedContrast, parameters: SegmentationParameters, level: float
) -> Agglomerates:
    """Assemble the table of a label image (ids need not be consecutive)."""
    from scipy import ndimage

    height, width = prepared.field_shape
    n = int(labels.max(initial=0))
    area = _areas(labels, n)
    area[0] = 0
    ids = np.flatnonzero(area).astype(np.int32)
    sum_x, sum_y = np.zeros(n + 1), np.zeros(n + 1)
    for start in range(0, labels.shape[0], _ROWS):
        strip = labels[start : start + _ROWS]
        flat = np.flatnonzero(strip)
        if flat.size:
            y, x = np.divmod(flat, labels.shape[1])
            value = strip.ravel()[flat]
            sum_x += np.bincount(value, weights=x, minlength=n + 1)
            sum_y += np.bincount(value, weights=y + start, minlength=n + 1)
    found = ndimage.find_objects(labels)
    boxes = np.array(
        [(s[0].start, s[1].start, s[0].stop, s[1].stop) for s in (found[i - 1] for i in ids)], dtype=np.int32
    ).reshape(-1, 4)
    cut = (boxes[:, 0] <= 0) | (boxes[:, 1] <= 0) | (boxes[:, 2] >= height) | (boxes[:, 3] >= width)
    excluded = [TOUCHES_BORDER if c and not parameters.include_border else "" for c in cut]
    for row in _beside_covered(labels, ids, prepared.covered):
        excluded[row] = excluded[row] or BEHIND_SCALE_BAR
    return Agglomerates(
        labels=labels,
        ids=ids,
        x=sum_x[ids] / area[ids],
        y=sum_y[ids] / area[ids],
        area_px=area[ids],
        boxes=boxes,
        excluded=tuple(excluded),
        polarity=prepared.polarity,
        threshold=float("nan") if parameters.threshold is ThresholdKind.LOCAL else float(level),
        contrast=prepared.contrast,
    )


def _beside_covered(
    labels: NDArray[np.int32], ids: NDArray[np.int32], covered: tuple[Box, ...]
) -> NDArray[np.intp]:
    """Rows of the agglomerates that reach the edge of a covered part: they may go on behind it."""
    # The smoothing clears a pixel or two around.
    rim = 3
    found = [
        np.unique(labels[max(b.y0 - rim, 0) : b.y1 + rim, max(b.x0 - rim, 0) : b.x1 + rim]) for b in covered
    ]
    touched = np.concatenate(found) if found else np.empty(0, dtype=np.int32)
    return np.flatnonzero(np.isin(ids, touched))


def _areas(labels: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Pixels of every label 0..n, without a 64-bit copy of the whole image."""
    area = np.zeros(n + 1, dtype=np.int64)
    for start in range(0, labels.shape[0], _ROWS):
        area += np.bincount(labels[start : start + _ROWS].ravel(), minlength=n + 1)
    return area


def _fill_holes(
    mask: NDArray[np.bool_],
    contrast: NDArray[np.float32],
    minimum_area: float,
    level: float,
    opaque: bool,
) -> None:
    """Close the holes of a mask in place.

    A gap in a loop of particles that is larger than the smallest agglomerate and as empty as the
    background is not a hole in a particle: it stays open. Where particles are opaque, nothing inside of
    them is as bright as a hole: all but specks stay open.
    """
    from scipy import ndimage

    holes, n = ndimage.label(~mask)
    if n == 0:
        return
    outside = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    close = np.ones(n + 1, dtype=bool)
    close[0] = False
    close[outside] = False
    area = _areas(holes, n)
    if opaque:
        close &= area <= minimum_area / 2
    large = np.flatnonzero(close & (area > minimum_area))
    if large.size:
        objects = ndimage.find_objects(holes)
        for i in large:
            box = objects[i - 1]
            if float(np.median(contrast[box][holes[box] == i])) < 0.5 * level:
                close[i] = False
    for start in range(0, mask.shape[0], _ROWS):
        mask[start : start + _ROWS] |= close[holes[start : start + _ROWS]]
