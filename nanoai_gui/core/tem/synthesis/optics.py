"""What the objective lens does: Fresnel fringes out of focus, and blur."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.smoothing import smooth
from nanoai_gui.core.tem.synthesis.spec import SynthesisSpec

Image = NDArray[np.float32]

PHASE_PER_DEPTH = 1.5
"""Phase shift (rad) of the exit wave per unit of optical depth: as strong as in images of carbon."""
LARGEST_PHASE = 1.5
"""Where a particle is so thick that hardly anything passes, more phase would only make ripples."""


def defocus(transmission: Image, fringe_px: float) -> Image:
    """Propagate the wave behind the specimen out of focus.

    The wave sqrt(T) exp(i phi), phi following the optical depth, passes the Fresnel propagator
    exp(i pi w^2 q^2), with w the fringe width sqrt(wavelength x defocus) in px, and a Gaussian envelope
    for the limited coherence (Reimer and Kohl, Transmission Electron Microscopy, 5th ed., sections 3.2
    and 6.4). Underfocus: the first fringe outside an edge is bright.

    Parameters
    ----------
    transmission
        (height, width), share of the beam that passes.
    fringe_px
        w.

    Returns
    -------
    intensity
        (height, width), 1 for an empty beam.
    """
    from scipy import fft

    depth = -np.log(np.maximum(transmission, np.float32(1e-4)))
    phase = np.float32(LARGEST_PHASE) * np.tanh(depth * np.float32(PHASE_PER_DEPTH / LARGEST_PHASE))
    amplitude = np.sqrt(transmission)
    wave = np.empty(transmission.shape, dtype=np.complex64)
    wave.real, wave.imag = amplitude * np.cos(phase), amplitude * np.sin(phase)
    height, width = transmission.shape
    # The transform is periodic: mirrored px on every side keep one edge's fringes from the other.
    pad = min(4 + math.ceil(2 * fringe_px), height, width)
    size = fft.next_fast_len(height + 2 * pad), fft.next_fast_len(width + 2 * pad)
    after = size[0] - height - pad, size[1] - width - pad
    wave = np.pad(wave, ((pad, after[0]), (pad, after[1])), mode="symmetric")
    qy = np.fft.fftfreq(size[0]).astype(np.float32)[:, None]
    qx = np.fft.fftfreq(size[1]).astype(np.float32)[None, :]
    w2 = np.float32(fringe_px**2)

    def transfer(q: Image) -> NDArray[np.complex64]:
        # exp(i pi w^2 q^2) and the envelope separate into a row and a column.
        return np.asarray(np.exp((np.float32(-0.5) + 1j * np.float32(np.pi)) * w2 * q * q), np.complex64)

    spectrum = fft.fft2(wave, overwrite_x=True)
    spectrum *= transfer(qy)
    spectrum *= transfer(qx)
    seen = fft.ifft2(spectrum, overwrite_x=True)[pad : pad + height, pad : pad + width]
    return np.asarray(seen.real**2 + seen.imag**2, dtype=np.float32)


def blur(image: Image, sigma: float) -> Image:
    """Smooth by a Gaussian of ``sigma`` px; nothing below 0.2 px, where it would have no effect."""
    return image if sigma < 0.2 else smooth(image, sigma)


def add_stray_light(transmission: Image, spec: SynthesisSpec) -> Image:
    """Mix in the light that comes whatever lies in the beam; an empty beam stays at 1."""
    stray = np.float32(spec.stray_percent / 100)
    return transmission if stray <= 0 else stray + (1 - stray) * transmission


def halo(transmission: Image, strength: float, reach_px: float) -> Image:
    """Brightness around agglomerates, (height, width): 1 far away, up to 1 + ``strength`` beside them.

    Cleaned or charged film around particles looks so in some images; ``reach_px`` is its width. A negative
    strength makes a shadow, as dirt that has run together there does.
    """
    from scipy import ndimage

    if strength == 0:
        return np.ones_like(transmission)
    step = max(int(reach_px / 4), 1)
    # So smooth a field needs few points.
    coarse = 1 - transmission[step // 2 :: step, step // 2 :: step]
    wide = ndimage.gaussian_filter(coarse, 1.5 * reach_px / step, mode="nearest")
    near = np.float32(strength) * np.tanh(12 * wide)
    return 1 + stretch(near, (transmission.shape[0], transmission.shape[1]))


def stretch(coarse: Image, shape: tuple[int, int]) -> Image:
    """Enlarge a smooth field to ``shape`` by linear interpolation, as two small matrix products."""
    return np.asarray(_weights(coarse.shape[0], shape[0]) @ coarse @ _weights(coarse.shape[1], shape[1]).T)


def _weights(coarse: int, fine: int) -> Image:
    """Weights (fine, coarse) of linear interpolation between points in the middle of their cells."""
    place = np.clip((np.arange(fine) + 0.5) * (coarse / fine) - 0.5, 0, coarse - 1)
    below = np.minimum(place.astype(np.intp), max(coarse - 2, 0))
    weights = np.zeros((fine, coarse), dtype=np.float32)
    weights[np.arange(fine), below] = 1 - (place - below)
    if coarse > 1:
        weights[np.arange(fine), below + 1] = place - below
    return weights
