"""Make it look like this image: a spec whose synthetic micrographs resemble a real one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.parameters import describe
from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity
from nanoai_gui.core.tem.background import estimate_background
from nanoai_gui.core.tem.edge_profile import mean_profile
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.synthesis.noise import NoiseParts, autocovariance, take_apart
from nanoai_gui.core.tem.synthesis.spec import BitDepth, Caption, ContrastKind, SynthesisSpec

SMOOTHING_PX = 1.0
"""The profile across edges is taken from an image smoothed by this, which is taken off again."""
FLAT_RANGE = 0.1
"""Contrast deep inside that varies by less than this share, noise apart, is that of a flat silhouette."""
SAMPLING = 0.4
"""Blur (px) that reading the profile between pixels adds (measured on a straight edge)."""
NOISE_IN_PROFILE = 0.06
"""Noise left in the image from which edges are taken, as a share of the contrast."""
FRINGE_CONTRAST = 0.01
"""A rim brighter than the background by this share, and by six times its error, is a Fresnel fringe."""
FRINGE_PLACE = 0.35
"""From where an edge has come back to the background to the top of its bright rim, in fringe widths."""
DIFFRACTION_SPREAD = 0.33
"""Single particles whose absorption (its logarithm) spreads more than this are crystals turned any way."""
SPECK_SHARE = 0.25
"""Particles smaller than this share of the area-weighted median are not counted as particles."""
LARGEST_GSD = 1.9
"""A wider spread is rather a sign of particles that were taken together."""
SHARP_BLUR_PX = 0.6
_CLEAR_PX = 12
_FAR_PX = 20


@dataclass(frozen=True, eq=False)
class _Picture:
    """The image in units of its background: 1 = background, 0 = as dark (or bright) as it gets."""

    transmission: NDArray[np.float32]
    residual: NDArray[np.float32]
    inside: NDArray[np.bool_]
    free: NDArray[np.bool_]
    background: float
    brightest: float
    largest: float


@dataclass(frozen=True, slots=True)
class _Edge:
    kind: ContrastKind
    contrast: float
    blur_px: float


def estimate_appearance(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> SynthesisSpec:
    """Take background, noise, blur, contrast and sizes of a micrograph into a spec.

    Sizes come from ultimate erosion; dose, detector blur and film from the autocovariance of the empty
    background (all of its white part counts as Poisson noise); contrast kind, contrast and blur from the
    mean profile across the outlines. Aggregation, overlap, shape and roughness keep their defaults: a
    person has to choose them by eye.

    Parameters
    ----------
    micrograph
        The image to resemble.
    agglomerates
        Its agglomerates as segmentation gives them, with their contrast image.
    progress, cancelled
        As everywhere.

    Raises
    ------
    NanoAIError
        If the image has no agglomerates or hardly any empty background.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    from nanoai_gui.core.tem.sizing import ultimate_erosion

    progress(0.0, "Measuring particles")
    measured = ultimate_erosion.size(
        micrograph, agglomerates, ultimate_erosion.Parameters(), no_progress, cancelled
    )
    if not len(measured.particles):
        raise NanoAIError(
            f"No particles were found in {micrograph.name}, so there is nothing to resemble.",
            "Choose an image with agglomerates, or correct its threshold first.",
        )
    checkpoint(cancelled)
    progress(0.4, "Measuring the background")
    particles = measured.particles.select(_not_specks(measured.particles))
    picture = _flatten(micrograph, agglomerates, np.unique(particles.agglomerate))
    if np.count_nonzero(picture.free) < 1000:
        raise NanoAIError(
            f"Hardly any empty background is left in {micrograph.name}.",
            "Choose an image in which agglomerates lie apart.",
        )
    noise = take_apart(autocovariance(picture.residual, picture.free))
    checkpoint(cancelled)
    progress(0.7, "Measuring the edges")
    logs = np.log(particles.diameter_px)
    gmd, gsd = float(np.exp(np.median(logs))), min(float(np.exp(_spread(logs))), LARGEST_GSD)
    edge = _fit_edge(picture, gmd / 2)
    fringe = _fringe(picture)
    kind = edge.kind
    if kind is ContrastKind.MASS and _absorption_spread(picture, particles) > DIFFRACTION_SPREAD:
        kind = ContrastKind.DIFFRACTION
    # The camera's part of the blur is a parameter of its own.
    blur = math.sqrt(max(edge.blur_px**2 - noise.detector_blur_px**2, 0.0))
    if fringe is not None:
        # Fringes make edges steeper than the blur would leave them, so this is no more than a guess.
        blur = max(blur, SHARP_BLUR_PX)
        kind = ContrastKind.FRESNEL if kind is ContrastKind.MASS else kind
    _, counts = np.unique(particles.agglomerate, return_counts=True)
    values = {
        "width_px": micrograph.shape[1],
        "height_px": micrograph.shape[0],
        "gmd_px": gmd,
        "gsd": gsd,
        "min_particles": int(np.percentile(counts, 2, method="lower")),
        "max_particles": int(np.percentile(counts, 98, method="higher")),
        "coverage_percent": 100 * float(picture.inside.mean()),
        "cut_at_border": any(agglomerates.excluded),
        "contrast_kind": kind,
        "contrast": edge.contrast,
        "defocused": fringe is not None,
        "fringe_px": 3.0 if fringe is None else fringe,
        "bright_particles": agglomerates.polarity is Polarity.BRIGHT,
        "brightness": picture.brightest / picture.largest,
        "gradient_percent": _unevenness(micrograph, agglomerates.polarity),
        "film_percent": 100 * math.sqrt(noise.film),
        "film_grain_px": noise.film_grain_px,
        "blur_px": blur,
        "dose": _dose(noise, picture),
        "read_noise": 0.0,
        "detector_blur_px": noise.detector_blur_px,
        "caption": Caption.NONE if micrograph.data_bar_top is None else Caption.DATA_BAR,
        "bit_depth": BitDepth.EIGHT if picture.largest <= 255 else BitDepth.SIXTEEN,
        "nm_per_px": micrograph.calibration.nm_per_px or SynthesisSpec().nm_per_px,
    }
    progress(1.0, "Done")
    return _within_limits(values)


def _within_limits(values: dict[str, object]) -> SynthesisSpec:
    """Make a spec, every number moved into its limits (a huge image, say)."""
    limits = {s.name: s for s in describe(SynthesisSpec)}
    kept: dict[str, Any] = {}
    for name, value in values.items():
        spec = limits[name]
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = spec.type(min(max(value, spec.minimum), spec.maximum))
        kept[name] = value
    return SynthesisSpec(**kept)


def _not_specks(particles: Particles) -> NDArray[np.bool_]:
    """Leave out what is tiny against the particles that make up most of the area: dirt, and film grain."""
    diameter = particles.diameter_px
    order = np.argsort(diameter)
    share = np.cumsum(particles.area_px[order]) / particles.area_px.sum()
    middle = diameter[order][int(np.searchsorted(share, 0.5))]
    return np.asarray(diameter >= SPECK_SHARE * middle)


def _spread(values: NDArray[np.float64]) -> float:
    """Estimate the standard deviation from the quartiles, which a few wrong values do not move."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low) / 1.349


def _flatten(micrograph: Micrograph, agglomerates: Agglomerates, ids: NDArray[np.int32]) -> _Picture:
    from scipy import ndimage

    field = np.asarray(micrograph.field_pixels, dtype=np.float32)
    background = estimate_background(field, agglomerates.polarity)
    level = background.rows(0, field.shape[0])
    labels = agglomerates.labels[: field.shape[0]]
    inside = np.isin(labels, ids)
    free = ndimage.distance_transform_edt(labels == 0) > _CLEAR_PX
    middle = float(np.median(level))
    residual = np.asarray(field / np.maximum(level, 1e-6) - 1, dtype=np.float32)
    if agglomerates.polarity is Polarity.BRIGHT:
        # Scattered electrons: the brightest particles stand for a beam that is lost altogether.
        peak = float(np.percentile(field[inside], 99)) if inside.any() else float(field.max())
        transmission = np.asarray(1 - (field - level) / max(peak - middle, 1e-6), dtype=np.float32)
        shown = peak
    else:
        transmission = 1 + residual
        shown = middle
    integer = np.issubdtype(micrograph.pixels.dtype, np.integer)
    top = float(micrograph.pixels.max())
    largest = 255.0 if integer and top <= 255 else 2.0 ** math.ceil(math.log2(max(top, 1.0) + 1)) - 1
    return _Picture(transmission, residual, inside, free, middle, shown, max(largest, shown))


def _dose(noise: NoiseParts, picture: _Picture) -> float:
    """Electrons per px that explain the white noise; grey levels add a twelfth of a level squared."""
    rounding = (1 / 12) / max(picture.background, 1e-6) ** 2
    per_background = 1 / max(noise.shot - rounding, 1e-7)
    # The dose is that of the full beam, which only in a bright field is also the background.
    return per_background * picture.brightest / max(picture.background, 1e-6)


def _unevenness(micrograph: Micrograph, polarity: Polarity) -> float:
    """Range of the background in percent of its mean."""
    grid = estimate_background(np.asarray(micrograph.field_pixels), polarity).grid
    # The corners of the surface are extrapolated; the extremes of what is left are steady.
    low, high = np.percentile(grid, [0.1, 99.9])
    return 100 * float((high - low) / max(float(grid.mean()), 1e-6))


def _is_flat(picture: _Picture, radius: float) -> bool:
    """Whether particles are equally dark everywhere, however much of them lies on top of each other."""
    from scipy import ndimage

    deep = ndimage.distance_transform_edt(picture.inside) > max(3.0, 0.35 * radius)
    if np.count_nonzero(deep) < 50:
        return False
    smooth = ndimage.gaussian_filter(1 - picture.transmission, SMOOTHING_PX)[deep]
    low, middle, high = np.percentile(smooth, [10, 50, 90])
    # What noise alone would spread: 80 % of a normal distribution lie within 2.56 standard deviations.
    noise = 2.56 * float(ndimage.gaussian_filter(picture.residual, SMOOTHING_PX)[picture.free].std())
    return bool(high - low < FLAT_RANGE * middle + 1.5 * noise)


def _fit_edge(picture: _Picture, radius: float) -> _Edge:
    """Fit the profile of a sphere or that of a flat disc, blurred, to the mean profile across outlines."""
    from scipy import ndimage, optimize

    kind = ContrastKind.SILHOUETTE if _is_flat(picture, radius) else ContrastKind.MASS
    typical = float(np.clip(1 - np.median(picture.transmission[picture.inside]), 0.02, 0.98))
    # In noise the outline runs from one noise peak to the next, and edges look sharper than they are.
    noise = float(picture.residual[picture.free].std())
    smoothing = float(
        np.clip(noise / (NOISE_IN_PROFILE * typical) / (2 * math.sqrt(math.pi)), SMOOTHING_PX, 3)
    )
    contrast = np.asarray(ndimage.gaussian_filter(1 - picture.transmission, smoothing), dtype=np.float32)
    measured = mean_profile(contrast, 0.5 * typical)
    if measured is None:
        return _Edge(kind, typical, 1.0)
    # Outside, fringes and halo are none of the edge's business.
    used = (measured[0] > -3.5) & (measured[0] < 0.8 * radius)
    depth, profile = measured[0][used], measured[1][used]

    def misfit(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return _edge_model(depth - p[2], math.exp(p[0]), math.exp(p[1]), radius, kind) - profile

    start = [math.log(-math.log1p(-typical)), math.log(1.2 * smoothing), 0.0]
    bounds = ([math.log(0.01), math.log(0.9 * smoothing), -4.0], [math.log(8.0), math.log(8.0), 4.0])
    fit = optimize.least_squares(misfit, np.clip(start, *bounds), bounds=bounds, max_nfev=60)
    opacity, blur = math.exp(fit.x[0]), math.exp(fit.x[1])
    return _Edge(kind, -math.expm1(-opacity), math.sqrt(max(blur**2 - smoothing**2 - SAMPLING**2, 0.0)))


def _edge_model(
    s: NDArray[np.float64], opacity: float, blur: float, radius: float, kind: ContrastKind
) -> NDArray[np.float64]:
    """Contrast at depth ``s`` behind an edge, blurred; ``opacity`` is the optical depth of a diameter."""
    # One fixed grid: were it to change with the blur, the fit would see steps.
    fine = np.arange(-36.0, 36.05, 0.1)
    inside = np.clip(fine / radius, 0, 1)
    path = np.sqrt(inside * (2 - inside)) if kind is ContrastKind.MASS else (fine > 0).astype(float)
    kernel = np.exp(-0.5 * (np.arange(-24.0, 24.05, 0.1) / blur) ** 2)
    blurred = np.convolve(-np.expm1(-opacity * path), kernel / kernel.sum(), mode="valid")
    return np.interp(s, fine[240:-240], blurred)


def _fringe(picture: _Picture) -> float | None:
    """Find the width of the Fresnel fringe in px, if there is a bright rim outside the edges."""
    from scipy import ndimage

    # From a little inside, so that the profile starts dark wherever the threshold put the outline.
    core = ndimage.binary_erosion(picture.inside, iterations=2)
    distance = np.rint(ndimage.distance_transform_edt(~core)).astype(np.intp)
    near = (distance > 0) & (distance <= _FAR_PX)
    at, values = distance[near], picture.transmission[near].astype(np.float64)
    number = np.bincount(at, minlength=_FAR_PX + 1)[1:]
    if number.min() < 100:
        return None
    mean = np.bincount(at, weights=values, minlength=_FAR_PX + 1)[1:] / number
    far = float(mean[-5:].mean())
    # The first hump: further out, a halo may be brighter still.
    top = int(np.argmax(mean[:-1] >= mean[1:]))
    error = float(picture.residual[picture.free].std()) / math.sqrt(number[top])
    crossing = int(np.argmax(mean > far))
    if crossing == 0 or mean[top] - far < max(FRINGE_CONTRAST, 6 * error):
        return None
    below, peak, above = mean[top - 1 : top + 2]
    place = top + 0.5 * (below - above) / min(below - 2 * peak + above, -1e-9)
    start = crossing - (mean[crossing] - far) / (mean[crossing] - mean[crossing - 1])
    return float(max(place - start, 0.2) / FRINGE_PLACE)


def _absorption_spread(picture: _Picture, particles: Particles) -> float:
    """Give the standard deviation of the logarithm of optical depth per diameter among single particles."""
    ids, counts = np.unique(particles.agglomerate, return_counts=True)
    single = np.isin(particles.agglomerate, ids[counts == 1]) & (particles.diameter_px > 8)
    if np.count_nonzero(single) < 8:
        return 0.0
    rates = []
    for x, y, d in zip(particles.x[single], particles.y[single], particles.diameter_px[single], strict=True):
        reach = max(int(d / 5), 1)
        patch = picture.transmission[
            max(int(y) - reach, 0) : int(y) + reach + 1, max(int(x) - reach, 0) : int(x) + reach + 1
        ]
        rates.append(-math.log(float(np.clip(np.mean(patch), 0.01, 0.98))) / d)
    # By quartiles, as some are really two particles on top of each other.
    return _spread(np.log(rates))
