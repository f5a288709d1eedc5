"""What preprocessing makes of one spectrum and of a few averages, for looking at while steps are chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.spectra.preprocessing import Pipeline, Trace

N_PEAKS = 12
LEAST_PROMINENCE = 0.05
"""Of the range of the spectrum; smaller tops are not worth a label."""
LEAST_OVER_NOISE = 4.0
SMOOTH_CM = 4.0
NOISE_OF_DIFFERENCES = 1.4826
"""Median absolute deviation to standard deviation, for normal noise."""
PEAK_DISTANCE_CM = 12.0


@dataclass(frozen=True, eq=False)
class Preview:
    """One spectrum and some averages on their way through the steps.

    Parameters
    ----------
    traces
        The spectrum before and after each step.
    averages
        (m, k') averages after all steps, on ``axis``.
    axis, after
        (k',) Raman shift in cm-1 and the spectrum after all steps.
    peaks
        (p,) indices of the clearest tops of ``after``, ascending.
    """

    traces: tuple[Trace, ...]
    averages: NDArray[np.float32]
    axis: NDArray[np.float64]
    after: NDArray[np.float32]
    peaks: NDArray[np.int64]


def preview(
    pipeline: Pipeline,
    spectrum: NDArray[np.float32],
    averages: NDArray[np.float32],
    axis: NDArray[np.float64],
) -> Preview:
    """Follow a spectrum (k,) through all steps, and bring averages (m, k) through them.

    Raises
    ------
    ParameterError, AxisError
        As :meth:`Pipeline.apply`.
    """
    traces = pipeline.trace(spectrum, axis)
    after, new_axis = (traces[-1].after, traces[-1].axis) if traces else (spectrum, axis)
    means, _ = pipeline.apply_to(averages, axis) if len(pipeline) and len(averages) else (averages, axis)
    if not len(averages):
        means = np.zeros((0, new_axis.size), np.float32)
    return Preview(traces, means, new_axis, after, find_peaks(after, new_axis))


def find_peaks(spectrum: NDArray[np.float32], axis: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the clearest tops of a spectrum: the most prominent ones, ascending in Raman shift.

    A top counts if it stands out by 5 % of the range of the spectrum and by four times its noise.
    """
    from scipy.ndimage import gaussian_filter1d

    if axis.size < 5 or not np.isfinite(spectrum).all():
        return np.zeros(0, np.int64)
    step = float(np.median(np.diff(axis)))
    smooth = gaussian_filter1d(spectrum.astype(np.float64), SMOOTH_CM / step)
    noise = NOISE_OF_DIFFERENCES * float(np.median(np.abs(spectrum - smooth)))
    # Of spikes as of noise: the range between percentiles, so that one wild channel hides no band.
    low, high = np.percentile(smooth, (1, 99.5))
    if not high > low:
        return np.zeros(0, np.int64)
    least = max(LEAST_PROMINENCE * float(high - low), LEAST_OVER_NOISE * noise)
    inner = smooth[1:-1]
    tops = np.flatnonzero((inner > smooth[:-2]) & (inner >= smooth[2:])) + 1
    # Not scipy.signal, whose loading takes a new worker longer than all of this.
    found = [(_prominence(smooth, int(top)), int(top)) for top in tops]
    kept: list[int] = []
    for prominence, top in sorted(found, reverse=True):
        near = any(abs(axis[top] - axis[other]) < PEAK_DISTANCE_CM for other in kept)
        if prominence >= least and not near and len(kept) < N_PEAKS:
            kept.append(top)
    return np.sort(np.array(kept, np.int64))


def _prominence(values: NDArray[np.float64], top: int) -> float:
    """Say how far one must go down from a top, at least, before one can go up to a higher one."""
    height = values[top]
    higher = np.flatnonzero(values > height)
    before, after = higher[higher < top], higher[higher > top]
    left = values[before[-1] if before.size else 0 : top + 1].min()
    right = values[top : (after[0] if after.size else values.size - 1) + 1].min()
    return float(height - max(left, right))
