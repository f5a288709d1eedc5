"""Whole synthetic micrographs with the truth about every particle in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.synthesis.background import film, holes, illumination
from nanoai_gui.core.tem.synthesis.camera import expose
from nanoai_gui.core.tem.synthesis.caption import caption_height, draw_caption, scale_bar_box
from nanoai_gui.core.tem.synthesis.optics import add_stray_light, blur, defocus, halo
from nanoai_gui.core.tem.synthesis.pieces import Piece, pieces
from nanoai_gui.core.tem.synthesis.population import vary
from nanoai_gui.core.tem.synthesis.spec import Caption, SynthesisSpec, check_spec
from nanoai_gui.core.tem.synthesis.truth import SyntheticImage, TrueParticles

TRIES = 60
"""Places tried for an agglomerate before it is given up as not fitting."""
MISSES = 5
"""Agglomerates that may fail to fit before the image counts as full."""
GAP_PX = 4.0
"""Free space between agglomerates, beside what blur and fringes fill."""
DARK_LEVEL = 0.15
"""Background of an image of scattered electrons, as a share of its brightest particles."""


def make_image(spec: SynthesisSpec, seed: int, cancelled: Cancelled = never_cancelled) -> SyntheticImage:
    """Make one whole micrograph of agglomerates that do not touch each other.

    The same spec and seed give the same image, to the byte.

    Raises
    ------
    ParameterError
        If the spec is impossible.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    check_spec(spec)
    rng = np.random.default_rng(seed)
    spec = vary(spec, rng)
    shape = spec.height_px - caption_height(spec), spec.width_px
    transmission, labels, truth = _fill(shape, spec, rng, cancelled)
    checkpoint(cancelled)
    pixels = expose(_light(transmission, spec, rng), spec, rng)
    pixels = draw_caption(pixels, spec)
    if pixels.shape != labels.shape:
        labels = np.pad(labels, ((0, pixels.shape[0] - shape[0]), (0, 0)))
    return SyntheticImage(synthetic_micrograph(pixels, f"synthetic {seed}", seed, spec), truth, labels, spec)


def synthetic_micrograph(
    pixels: NDArray[np.integer], name: str, seed: int, spec: SynthesisSpec
) -> Micrograph:
    """Wrap pixels as a calibrated micrograph that says it is synthetic."""
    return Micrograph(
        pixels,
        name=name,
        calibration=Calibration.typed(spec.nm_per_px),
        data_bar_top=spec.height_px - caption_height(spec) if caption_height(spec) else None,
        metadata={"Origin": "synthetic, made by NanoAI", "Seed": str(seed)},
    )


def _light(
    transmission: NDArray[np.float32], spec: SynthesisSpec, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Give the intensity on the camera, 1 = mean empty background (or brightest particle, if bright)."""
    shape = transmission.shape[0], transmission.shape[1]
    light = illumination(shape, spec, rng)
    texture = film(shape, spec, rng)
    around = halo(transmission, spec.halo_percent / 100, spec.gmd_px)
    if spec.holes:
        amount, passed = holes(shape, spec, rng)
        transmission = transmission * passed
        texture = 1 + amount * (texture - 1)
    if spec.has_fringes:
        transmission = defocus(transmission, spec.fringe_px)
    transmission = add_stray_light(blur(transmission, spec.blur_px), spec)
    if spec.bright_particles:
        scattered = DARK_LEVEL * texture + (1 - DARK_LEVEL) * (1 - transmission)
        return np.asarray(scattered * light, dtype=np.float32)
    return np.asarray(transmission * light * texture * around, dtype=np.float32)


def _fill(
    shape: tuple[int, int], spec: SynthesisSpec, rng: np.random.Generator, cancelled: Cancelled
) -> tuple[NDArray[np.float32], NDArray[np.int32], TrueParticles]:
    """Place agglomerates until enough is covered: transmission, labels, truth."""
    # Where agglomerates may be cut off, they are placed on a larger field of which the middle is kept.
    edge = int(2 * spec.gmd_px) if spec.cut_at_border else 0
    full = shape[0] + 2 * edge, shape[1] + 2 * edge
    transmission = np.ones(full, dtype=np.float32)
    labels = np.zeros(full, dtype=np.int32)
    occupied = np.zeros(full, dtype=bool)
    if spec.caption is Caption.SCALE_BAR:
        y0, x0, y1, x1 = scale_bar_box(spec)
        occupied[y0 + edge : y1 + edge, x0 + edge : x1 + edge] = True
    wanted = spec.coverage_percent / 100 * labels.size
    covered, misses = 0.0, 0
    rows: list[NDArray[np.float64]] = []
    while covered < wanted and misses < MISSES:
        for piece in pieces(spec, _expected_number(spec, wanted - covered), full, rng, cancelled):
            checkpoint(cancelled)
            place = None if piece is None else _find_place(piece.projection.mask, occupied, rng)
            if piece is None or place is None:
                misses += 1
                if misses >= MISSES:
                    break
                continue
            label = len(rows) + 1
            _put(piece, place, label, transmission, labels, occupied, spec)
            rows.append(piece.rows(place[1] - edge, place[0] - edge, label))
            covered += float(piece.projection.mask.sum())
            if covered >= wanted:
                break
    if edge:
        inner = slice(edge, -edge), slice(edge, -edge)
        transmission, labels = transmission[inner], labels[inner]
        rows, labels = _keep_seen(rows, labels)
    return transmission, labels, TrueParticles.from_rows(rows)


def _keep_seen(
    rows: list[NDArray[np.float64]], labels: NDArray[np.int32]
) -> tuple[list[NDArray[np.float64]], NDArray[np.int32]]:
    """Drop what lies outside and number the agglomerates that are left from 1.

    A particle stays if its centre lies in the image.
    """
    height, width = labels.shape
    seen = np.flatnonzero(np.bincount(labels.ravel(), minlength=len(rows) + 1)[1:]) + 1
    number = np.zeros(len(rows) + 1, dtype=np.int32)
    number[seen] = np.arange(1, len(seen) + 1)
    kept = []
    for label in seen:
        table = rows[label - 1].copy()
        table[:, 0] = number[label]
        x, y = table[:, 1], table[:, 2]
        kept.append(table[(x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)])
    return kept, number[labels]


def _expected_number(spec: SynthesisSpec, area: float) -> int:
    """How many agglomerates cover about this area (they overlap, so rather too few)."""
    per_particle = np.pi / 4 * (spec.gmd_px * np.exp(np.log(spec.gsd) ** 2)) ** 2
    per_agglomerate = per_particle * (spec.min_particles + spec.max_particles) / 2
    return int(np.clip(np.ceil(area / per_agglomerate), 1, 200))


def _find_place(
    mask: NDArray[np.bool_], occupied: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Give the upper left corner of a free place inside the image, or nothing."""
    height, width = mask.shape
    room_y, room_x = occupied.shape[0] - height, occupied.shape[1] - width
    if room_y < 0 or room_x < 0:
        return None
    for y, x in zip(rng.integers(0, room_y + 1, TRIES), rng.integers(0, room_x + 1, TRIES), strict=True):
        if not (occupied[y : y + height, x : x + width] & mask).any():
            return int(y), int(x)
    return None


def _put(
    piece: Piece,
    place: tuple[int, int],
    label: int,
    transmission: NDArray[np.float32],
    labels: NDArray[np.int32],
    occupied: NDArray[np.bool_],
    spec: SynthesisSpec,
) -> None:
    from scipy import ndimage

    y, x = place
    mask = piece.projection.mask
    height, width = mask.shape
    window = slice(y, y + height), slice(x, x + width)
    transmission[window] *= piece.projection.transmission
    labels[window][mask] = label
    fringe = 2 * spec.fringe_px if spec.has_fringes else 0.0
    gap = int(np.ceil(GAP_PX + 4 * spec.blur_px + fringe))
    y0, x0 = max(y - gap, 0), max(x - gap, 0)
    wide = slice(y0, y + height + gap), slice(x0, x + width + gap)
    far = ndimage.distance_transform_edt(labels[wide] != label)
    occupied[wide] |= far <= gap
