"""Preprocessing of Raman spectra: an ordered list of steps, each a module of this package.

A step is one module with

``NAME``
    as stored in files (``despike``), ``TITLE`` as in the window (``Remove spikes``) and ``SUMMARY``, one
    sentence for the tooltip;
``Parameters``
    a frozen dataclass made with :func:`nanoai_gui.core.parameters.parameter`, every field with a default;
``apply(intensities, axis, parameters) -> (intensities, axis)``
    which treats every spectrum by itself: (n, k) float32 and (k,) float64, Raman shift in cm-1, ascending.
    It never changes its input. A step that can take longer than 0.3 s for 1000 spectra sets
    ``TAKES_CANCELLED`` and takes ``cancelled`` after its parameters.

Steps learn nothing from other spectra, so that no fold of a cross-validation can leak through them; what
is learned (standardisation, principal components) belongs to the classifier. The one exception looks at
the next pixels of the same map: a module with ``apply_on_map`` (see :mod:`.despike`).

The order that Bocklitz et al. (Anal. Chim. Acta 704 (2011) 47) and most guides give is: spikes, axis,
baseline, smoothing, normalisation.

Adding a step is adding a module and its name to :data:`STEP_MODULES`.
"""

from __future__ import annotations

from nanoai_gui.core.spectra.preprocessing.pipeline import PIPELINE_FORMAT, Pipeline, Trace
from nanoai_gui.core.spectra.preprocessing.presets import PRESETS, Preset, get_preset
from nanoai_gui.core.spectra.preprocessing.steps import STEP_MODULES, STEPS, Step, get_step

__all__ = [
    "PIPELINE_FORMAT",
    "PRESETS",
    "STEPS",
    "STEP_MODULES",
    "Pipeline",
    "Preset",
    "Step",
    "Trace",
    "get_preset",
    "get_step",
]
