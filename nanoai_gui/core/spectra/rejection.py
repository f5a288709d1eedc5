"""When not to trust the network: spectra unlike any it has learned from, too weak, or undecided.

A network must name one of its classes whatever it sees (for Raman: R. Balytskyi et al., 2022), so four
measures stand beside its answer:

Hotelling's T2
    distance from the middle of the training spectra within the space of the components;
Q residual
    what of the spectrum lies outside of that space (J. E. Jackson, G. S. Mudholkar, Technometrics 21 (1979)
    341), here with thresholds from held-out spectra instead of that paper's formula;
signal-to-noise
    of the spectrum as measured;
maximum probability
    of the classes.

Thresholds are quantiles of spectra that the model in question has not seen: those held out in the folds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.parameters import check, parameter
from nanoai_gui.core.spectra.pca import PrincipalComponents

Floats = NDArray[np.float64]
BLOCK = 5
"""Channels averaged before the signal is looked for."""
EMPTY = 4.0
"""Robust standard deviations below the usual signal at which a place counts as empty."""
BACKGROUND_BLOCKS = 21
"""Blocks over which the background is taken to be smooth."""
REASONS = (
    "",
    "not numbers",
    "signal too weak",
    "unlike the training spectra",
    "outside their range",
    "undecided",
)
"""Why a spectrum is not classified, by number; the first that applies is named."""
NOT_NUMBERS, NO_SIGNAL, HIGH_Q, HIGH_T2, UNDECIDED = range(1, 6)


@dataclass(frozen=True, slots=True)
class RejectionSettings:
    """Which measures count, and how many good spectra may be lost."""

    false_rejections_percent: float = parameter(
        3.0, "Known spectra lost", unit="%", minimum=0, maximum=50, step=0.5,
        help="So many held-out spectra of known classes may be taken for unlike those learned from.",
    )  # fmt: skip
    undecided_percent: float = parameter(
        0.5, "Left undecided", unit="%", minimum=0, maximum=50, step=0.5,
        help="So many more may be left unclassified because no class is probable enough.",
    )  # fmt: skip
    use_t2: bool = parameter(True, "Hotelling T²", help="Far from the training spectra, along what varies.")
    use_q: bool = parameter(True, "Q residual", help="Has features that the training spectra have not.")
    use_signal: bool = parameter(True, "Signal-to-noise", help="Too weak to be judged.")
    use_probability: bool = parameter(True, "Maximum probability", help="No class is probable enough.")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where classification ends; infinite (or zero) ones never reject.

    Parameters
    ----------
    t2, q
        Highest values that are accepted.
    signal, probability
        Lowest values that are accepted.
    """

    t2: float = np.inf
    q: float = np.inf
    signal: float = 0.0
    probability: float = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class Measures:
    """The four measures of n spectra, (n,) each: T2, Q, signal-to-noise and maximum probability."""

    t2: Floats
    q: Floats
    signal: Floats
    probability: Floats


def distances(
    components: PrincipalComponents, standardised: NDArray[Any]
) -> tuple[NDArray[Any], Floats, Floats]:
    """Project, and tell how far spectra lie from those of the training.

    Parameters
    ----------
    standardised
        (n, k) centred and scaled spectra.

    Returns
    -------
    Scores (n, m); T2 (n,), the sum of squared scores over their variances, divided by m; Q (n,), the squared
    length of what the components leave over, divided by k. Both are about 1 or below for spectra like those
    of the training.
    """
    scores: NDArray[Any] = standardised @ components.components.T.astype(standardised.dtype)
    m, k = components.components.shape
    weight = (1.0 / (components.variances * m)).astype(scores.dtype)
    t2 = np.einsum("nm,nm,m->n", scores, scores, weight, optimize=False)
    length = np.einsum("nk,nk->n", standardised, standardised)
    inside = np.einsum("nm,nm->n", scores, scores)
    q = np.maximum(length - inside, 0) / k
    return scores, t2.astype(np.float64), q.astype(np.float64)


def signal_to_noise(
    intensities: NDArray[Any], axis: Floats | None = None, low: float = -np.inf, high: float = np.inf
) -> Floats:
    """Height of the strongest band over the noise, without a fit.

    Noise: 1.4826 times the median of the absolute second differences, over the square root of 6 (white noise
    of standard deviation 1 has second differences of that spread), so that bands and slopes count for
    little. Signal: means of 5 channels, less their own mean over 21 neighbours; the highest. Pure noise gives
    1 to 2.

    Parameters
    ----------
    intensities
        (n, k) as measured: smoothing before would hide the noise.
    axis, low, high
        Raman shifts (k,) and the range in cm-1 in which the band is looked for; all by default.

    Returns
    -------
    (n,), 0 for a constant spectrum, infinite for one that has signal and no noise at all.
    """
    n, k = intensities.shape
    if k < 3:
        return np.zeros(n)
    # Every fourth is plenty for a median, and a quarter of the time.
    second = np.abs(intensities[:, :-2:4] + intensities[:, 2::4] - 2 * intensities[:, 1:-1:4])
    half = second.shape[1] // 2
    second.partition(half, axis=1)
    noise = 1.4826 * second[:, half].astype(np.float64) / np.sqrt(6.0)
    size = min(BLOCK, k)
    n_blocks = k // size
    blocks = intensities[:, : n_blocks * size].reshape(n, n_blocks, size).mean(axis=2, dtype=np.float64)
    blocks -= blocks.mean(axis=1, keepdims=True)
    where = np.arange(n_blocks)
    # Narrower towards the ends, so that it stays in the middle and a slope leaves nothing.
    reach = np.minimum(np.minimum(where, where[::-1]), BACKGROUND_BLOCKS // 2)
    first, last = where - reach, where + reach + 1
    sums = np.zeros((n, n_blocks + 1))
    np.cumsum(blocks, axis=1, out=sums[:, 1:])
    bands = blocks - (sums[:, last] - sums[:, first]) / (last - first)
    if axis is not None:
        centres = axis[: n_blocks * size].reshape(n_blocks, size).mean(axis=1)
        inside = (centres >= low) & (centres <= high)
        if inside.any():
            bands = bands[:, inside]
    signal = np.maximum(bands.max(axis=1), 0.0)
    # Rounding of a large constant is no signal.
    signal[signal <= 1e-6 * np.abs(intensities).max(axis=1)] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = signal / noise
    return np.where(signal > 0, ratio, 0.0)


def choose_thresholds(held_out: Measures, settings: RejectionSettings) -> Thresholds:
    """Set the thresholds so that the wanted share of held-out spectra of known classes is lost.

    First, spectra whose logarithm of the signal-to-noise lies more than :data:`EMPTY` robust standard
    deviations (1.4826 times the median absolute deviation) below the median are taken for empty places that
    were labelled by mistake: that is the signal threshold, and they do not widen the others. A quantile would
    not do, as the signal of whole dishes differs for reasons that are no fault. Of the rest, T2 and Q cut off
    the same share of their own tail; that share is found by bisection, so that together, with their overlap,
    they lose ``false_rejections_percent``. The threshold of the probability is a quantile of what is left.

    Parameters
    ----------
    held_out
        Measures of spectra by models that were trained without them (their whole dish or patient, where
        groups are known).
    """
    check(settings)
    floor = 0.0
    if settings.use_signal:
        floor = _empty_below(held_out.signal)
        held_out = _rows(held_out, held_out.signal >= floor)
    target = settings.false_rejections_percent / 100
    if held_out.t2.size == 0:
        return Thresholds(signal=floor)
    low, high = 0.0, target
    for _ in range(30):
        middle = (low + high) / 2
        lost = float((judge(held_out, _at(held_out, middle, settings)) > 0).mean())
        low, high = (middle, high) if lost <= target else (low, middle)
    found = _at(held_out, low, settings)
    probability = 0.0
    if settings.use_probability:
        left = held_out.probability[judge(held_out, found) == 0]
        probability = float(np.quantile(left, settings.undecided_percent / 100)) if left.size else 0.0
    return replace(found, signal=floor, probability=probability)


def _empty_below(signal: Floats) -> float:
    logs = np.log(signal[(signal > 0) & np.isfinite(signal)])
    if not logs.size:
        return 0.0
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    # Without any spread nothing is an outlier but what has no signal at all.
    return float(np.exp(middle - EMPTY * max(spread, 0.1)))


def _rows(measures: Measures, rows: NDArray[np.bool_]) -> Measures:
    return Measures(measures.t2[rows], measures.q[rows], measures.signal[rows], measures.probability[rows])


def _at(held_out: Measures, share: float, settings: RejectionSettings) -> Thresholds:
    """Thresholds of T2 and Q that each cut off a share."""
    none = Thresholds()
    return Thresholds(
        float(np.quantile(held_out.t2, 1 - share)) if settings.use_t2 else none.t2,
        float(np.quantile(held_out.q, 1 - share)) if settings.use_q else none.q,
    )


def judge(measures: Measures, thresholds: Thresholds) -> NDArray[np.uint8]:
    """Tell (n,) why a spectrum is not classified, as numbers of :data:`REASONS`; 0: it is."""
    reason = np.zeros(measures.t2.shape, np.uint8)
    # In reverse order of importance: the last one written is the one that is named.
    reason[measures.probability < thresholds.probability] = UNDECIDED
    reason[measures.t2 > thresholds.t2] = HIGH_T2
    reason[measures.q > thresholds.q] = HIGH_Q
    reason[(measures.signal < thresholds.signal) | (measures.signal <= 0)] = NO_SIGNAL
    reason[~np.isfinite(measures.t2)] = NOT_NUMBERS
    return reason
