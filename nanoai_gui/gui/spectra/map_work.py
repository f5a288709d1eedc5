"""What a helper thread does for the colours of a map: preprocess, measure a band, or fit bands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, OperationCancelled
from nanoai_gui.core.spectra.fitted_bands import Fit
from nanoai_gui.core.spectra.peaks import BandFits, Window, fit_bands
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.quantities import Quantity, measure_band
from nanoai_gui.core.spectra.spectral_set import SpectralSet

N_AVERAGED = 400
HALF_BAND_CM = 30.0
SLOW_CM = 200.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """What need not be made again: spectra after some steps, and bands fitted to them."""

    source: NDArray[np.float32]
    pipeline: Pipeline
    spectra: SpectralSet
    fits: BandFits | None = None
    windows: tuple[Window, ...] = ()


def make_work(
    spectra: SpectralSet,
    ready: Prepared | None,
    pipeline: Pipeline,
    wanted: Quantity | Fit,
    band: tuple[float, float] | None,
    cancelled: Cancelled,
) -> Callable[[], tuple[Prepared, NDArray[np.float64]] | None]:
    """Make the task of a helper thread, which gives one number a spectrum; numpy lets the window run."""

    def work() -> tuple[Prepared, NDArray[np.float64]] | None:
        try:
            prepared = ready
            if prepared is None:
                treated = pipeline.apply(spectra, cancelled=cancelled) if len(pipeline) else spectra
                prepared = Prepared(spectra.intensities, pipeline, treated)
            if isinstance(wanted, Quantity):
                return prepared, measure_band(prepared.spectra, wanted, band, cancelled)
            windows = wanted.band.windows
            fits = prepared.fits if prepared.fits is not None and prepared.windows == windows else None
            if fits is None:
                fits = fit_bands(prepared.spectra, windows, cancelled=cancelled)
            prepared = replace(prepared, fits=fits, windows=windows)
            return prepared, wanted.values(fits)
        except OperationCancelled:
            return None

    return work


def likely_band(spectra: SpectralSet) -> tuple[float, float]:
    """Choose the band to begin with: around what rises most above its slow surroundings in the average."""
    every = max(1, spectra.n_spectra // N_AVERAGED)
    mean = spectra.intensities[::every].mean(axis=0, dtype=np.float64)
    axis = spectra.axis
    if axis.size < 8 or not np.isfinite(mean).all():
        return float(axis[0]), float(axis[-1])
    step = float(np.median(np.diff(axis)))
    width = min(max(3, round(SLOW_CM / step)) | 1, (axis.size - 1) | 1)
    padded = np.pad(mean, width // 2, mode="reflect")
    slow = np.convolve(padded, np.full(width, 1 / width), mode="valid")[: axis.size]
    top = float(axis[np.argmax(mean - slow)])
    return max(float(axis[0]), top - HALF_BAND_CM), min(float(axis[-1]), top + HALF_BAND_CM)
