"""Remove the spikes of cosmic rays, and dead pixels, without touching bands.

As D. A. Whitaker and K. Hayes do (Chemom. Intell. Lab. Syst. 179 (2018) 82), a spike is what changes from
one channel to the next by many times what is usual in the spectrum, in robust units. That alone also hits
sharp bands (the G band of a nanotube rises by thousands of counts within two channels), so a suspect must
further be *sharper than any band can be*: the spectrometer and nature set a least width, and a band of that
width falls off, one channel beside its top, by a known share of its height. What is also there in the next
pixel of the map, and as sharp, is real, as no cosmic ray hits twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.parameters import parameter

NAME = "despike"
TITLE = "Remove spikes"
SUMMARY = "Replaces the spikes of cosmic rays and dead pixels; spares bands, however sharp."

_REACH = 10
"""Channels on both sides that are looked at around a suspect."""
_LEAST_CHANNELS = 6
_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, for normal noise."""
_CURVATURE_NOISE = np.sqrt(6.0)
"""Standard deviation of 2 y_j - y_(j-1) - y_(j+1) over that of y."""
_CLEARLY = 3.0
"""Standard deviations by which a spike must be sharper than the sharpest band."""
_SHARP_DIP = 1.4
"""Fall to both next channels over the depth: 2 for a dead channel."""
_PASSES = 3


@dataclass(frozen=True, slots=True)
class Parameters:
    """How far a spike stands out, and how narrow a band can be."""

    threshold: float = parameter(
        6.0, "Threshold", unit="× noise", minimum=3, maximum=50, step=0.5,
        help="How far a spike must stand out of the noise.",
    )  # fmt: skip
    narrowest: float = parameter(
        5.0, "Narrowest band", unit="cm⁻¹", minimum=0.1, maximum=100, step=0.5,
        help="Full width at half maximum of the sharpest band that can be real here.",
    )  # fmt: skip
    dips: bool = parameter(True, "Dead pixels too", help="Fill channels that are far too low.", advanced=True)
    use_map: bool = parameter(
        True, "Look at the next pixels",
        help="On a map: what the next pixel shows as well is no spike.", advanced=True,
    )  # fmt: skip


def apply(
    intensities: NDArray[np.float32], axis: NDArray[np.float64], parameters: Parameters
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Replace spikes by straight lines, judging every spectrum by itself."""
    return _repair(intensities, axis, parameters, None, None), axis


def apply_on_map(
    intensities: NDArray[np.float32],
    axis: NDArray[np.float64],
    parameters: Parameters,
    whole: NDArray[np.float32],
    neighbours: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Replace spikes on a map.

    Parameters
    ----------
    intensities
        (n, k), some spectra of the map.
    whole
        (N, k), all of them.
    neighbours
        (n, 4), rows of ``whole`` that are the next pixels of each of the n, -1 where there is none.
    """
    if not parameters.use_map:
        return apply(intensities, axis, parameters)
    return _repair(intensities, axis, parameters, whole, neighbours), axis


def find_spikes(
    intensities: NDArray[np.float32],
    axis: NDArray[np.float64],
    parameters: Parameters,
    whole: NDArray[np.float32] | None = None,
    neighbours: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_]:
    """Mark the channels that belong to spikes or dead pixels: (n, k) bool. See :func:`apply_on_map`."""
    marked = np.zeros(intensities.shape, np.bool_)
    k = axis.size
    if k < _LEAST_CHANNELS or intensities.shape[0] == 0:
        return marked
    noise = _noise(intensities)
    # Twice the curvature is 2 y_j - y_(j-1) - y_(j+1); at the ends the missing neighbour repeats the last.
    bend = np.zeros_like(intensities)
    slopes = np.diff(intensities, axis=1)
    bend[:, :-1] -= slopes
    bend[:, 1:] += slopes
    # A spike of two equal channels bends half as much as it falls.
    limit = (0.5 * parameters.threshold * _CURVATURE_NOISE * noise)[:, None]
    suspects = np.abs(bend) > limit if parameters.dips else bend > limit
    rows, channels = np.nonzero(suspects)
    if not rows.size:
        return marked
    sharpest = _sharpest(float(np.clip(parameters.narrowest / np.median(np.diff(axis)), 2.0, 6.0)))
    sign = np.sign(bend[rows, channels])
    seen = _Surroundings.of(intensities, rows, channels, sign)
    sigma = np.maximum(seen.noise, noise[rows])
    found = seen.sharper_than(sharpest, sigma, upwards=sign > 0) & seen.on_top
    found &= np.maximum(seen.drop, seen.fall) > parameters.threshold * _CURVATURE_NOISE * sigma
    # The channel beside a dip falls steeply too, and that beside a spike is steeply lower, but neither
    # stands out of what lies farther away.
    found &= np.where(sign > 0, seen.height, seen.depth) > parameters.threshold * sigma
    rows, channels, sign = rows[found], channels[found], sign[found]
    seen = _Surroundings.of(intensities, rows, channels, sign)
    if whole is not None and neighbours is not None and rows.size:
        # A dip that repeats is a dead channel and no less wrong for it.
        alone = (sign < 0) | ~_shown_beside(whole, neighbours[rows], channels, sign, sharpest)
        rows, channels, seen = rows[alone], channels[alone], seen.select(alone)
    for offset, belongs in seen.extent().items():
        at = channels + offset
        inside = belongs & (at >= 0) & (at < k)
        marked[rows[inside], at[inside]] = True
    return marked


def _repair(
    intensities: NDArray[np.float32],
    axis: NDArray[np.float64],
    parameters: Parameters,
    whole: NDArray[np.float32] | None,
    neighbours: NDArray[np.int64] | None,
) -> NDArray[np.float32]:
    result = intensities
    todo = np.arange(intensities.shape[0])
    # A small spike beside a large one shows only when that one is gone.
    for _ in range(_PASSES):
        beside = None if neighbours is None else neighbours[todo]
        marked = find_spikes(result[todo], axis, parameters, whole, beside)
        hit = np.nonzero(marked.any(axis=1))[0]
        if not hit.size:
            break
        if result is intensities:
            result = intensities.copy()
        for row in hit:
            bad = marked[row]
            if bad.all():
                continue
            spectrum = result[todo[row]]
            spectrum[bad] = np.interp(axis[bad], axis[~bad], spectrum[~bad])
        todo = todo[hit]
    return result


def _noise(intensities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give (n,), the standard deviation of the noise of each spectrum, from its second differences.

    Of a spectrum of whole counts more than half of whose differences are zero, the mean is taken, that a
    noise of zero does not turn every count into a spike.
    """
    second = np.abs(intensities[:, 2:] - 2 * intensities[:, 1:-1] + intensities[:, :-2])
    thinned = second[:, :: max(1, second.shape[1] // 400)]
    sigma = _TO_SIGMA * np.median(thinned, axis=1) / _CURVATURE_NOISE
    quiet = sigma == 0
    if quiet.any():
        sigma[quiet] = second[quiet].mean(axis=1)
    return np.asarray(sigma, np.float32)


@dataclass(frozen=True, slots=True)
class _Sharpness:
    """How sharp a band can be: its fall over one and over two channels, each over the height."""

    near: float
    far: float


@cache
def _sharpest(width: float) -> _Sharpness:
    """Tell how sharp a Lorentzian of this width (channels) can look, with a little to spare.

    The largest for any place of the band between the channels. A Gaussian of this width is less sharp.
    """
    places = np.linspace(-0.5, 0.5, 41)
    offsets = np.arange(-_REACH, _REACH + 1)
    bands = 1 / (1 + (2 * (offsets - places[:, None]) / width) ** 2)
    seen = _Surroundings.of(
        bands.astype(np.float32), np.arange(places.size), np.full(places.size, _REACH), np.ones(places.size)
    )
    return _Sharpness(
        1.05 * float(np.max(seen.drop / seen.height)), 1.05 * float(np.max(seen.fall / seen.rise))
    )


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What lies around suspects, dips turned upwards.

    Parameters
    ----------
    drop, fall
        (m,) fall to the channels one, and two, before and after, both sides added.
    height, rise
        (m,) above the foot, which is the lower of the medians before and after: of channels 2 to 4 beside
        the top for ``height``, 4 to 6 for ``rise``.
    depth
        (m,) as ``height``, but above the higher of the two medians.
    noise
        (m,) standard deviation of the noise, from the second differences near by.
    on_top
        (m,) whether it is no lower than both next channels.
    near
        (m, 5) height above the foot of channels -2 to 2.
    """

    drop: NDArray[np.float32]
    fall: NDArray[np.float32]
    height: NDArray[np.float32]
    rise: NDArray[np.float32]
    depth: NDArray[np.float32]
    noise: NDArray[np.float32]
    on_top: NDArray[np.bool_]
    near: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        intensities: NDArray[np.float32],
        rows: NDArray[np.int64],
        channels: NDArray[np.int64],
        sign: NDArray[np.floating],
    ) -> _Surroundings:
        k = intensities.shape[1]
        offsets = np.arange(-_REACH, _REACH + 1)
        at = np.clip(channels[:, None] + offsets, 0, k - 1)
        window = intensities[rows[:, None], at] * sign[:, None].astype(np.float32)
        top = window[:, _REACH]
        before, after = window[:, _REACH - 1], window[:, _REACH + 1]
        feet, far_feet = (
            np.stack(
                [
                    np.median(window[:, _REACH - outer : _REACH - inner + 1], axis=1),
                    np.median(window[:, _REACH + inner : _REACH + outer + 1], axis=1),
                ]
            )
            for inner, outer in ((2, 4), (4, 6))
        )
        foot = feet.min(axis=0)
        second = np.abs(window[:, 2:] - 2 * window[:, 1:-1] + window[:, :-2])
        # The suspect itself stays out of the noise around it.
        around = np.delete(second, np.arange(_REACH - 4, _REACH + 3), axis=1)
        noise = _TO_SIGMA * np.median(around, axis=1) / _CURVATURE_NOISE
        return cls(
            drop=2 * top - before - after,
            fall=2 * top - window[:, _REACH - 2] - window[:, _REACH + 2],
            height=top - foot,
            rise=top - far_feet.min(axis=0),
            depth=top - feet.max(axis=0),
            noise=noise,
            on_top=(top >= before) & (top >= after),
            near=window[:, _REACH - 2 : _REACH + 3] - foot[:, None],
        )

    def sharper_than(
        self, limit: _Sharpness, sigma: NDArray[np.float32], upwards: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Tell (m,) what is clearly sharper than any band.

        Dips must be sharper still, as the valley between two sharp bands is no dead channel.
        """
        near = np.where(upwards, limit.near, max(limit.near, _SHARP_DIP))
        excess = self.drop - near * np.maximum(self.height, 0)
        result = excess > _CLEARLY * sigma * np.hypot(_CURVATURE_NOISE, 1.1 * near)
        excess = self.fall - limit.far * np.maximum(self.rise, 0)
        result |= upwards & (excess > _CLEARLY * sigma * np.hypot(_CURVATURE_NOISE, 1.1 * limit.far))
        return np.asarray(result, np.bool_)

    def select(self, rows: NDArray[np.bool_]) -> _Surroundings:
        return _Surroundings(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    def extent(self) -> dict[int, NDArray[np.bool_]]:
        """Tell which channels, by their offset from the top, belong to the spike."""
        floor = np.maximum(0.2 * self.height, 3 * self.noise)
        high = self.near > floor[:, None]
        return {
            -2: high[:, 1] & high[:, 0],
            -1: high[:, 1],
            0: np.ones(self.height.shape, np.bool_),
            1: high[:, 3],
            2: high[:, 3] & high[:, 4],
        }


def _shown_beside(
    whole: NDArray[np.float32],
    neighbours: NDArray[np.int64],
    channels: NDArray[np.int64],
    sign: NDArray[np.floating],
    sharpest: _Sharpness,
) -> NDArray[np.bool_]:
    """Tell (m,) whether a next pixel has something as sharp in the same channel or the one beside."""
    shown = np.zeros(channels.size, np.bool_)
    last = whole.shape[1] - 1
    for rows in neighbours.T:
        for shift in (-1, 0, 1):
            at = np.clip(channels + shift, 0, last)
            seen = _Surroundings.of(whole, np.maximum(rows, 0), at, sign)
            sharp = seen.drop > 0.8 * sharpest.near * seen.height
            sharp |= seen.fall > 0.8 * sharpest.far * seen.rise
            clear = seen.drop > 4 * _CURVATURE_NOISE * np.maximum(seen.noise, 1e-30)
            shown |= (rows >= 0) & sharp & clear & (seen.height > 0)
    return shown
