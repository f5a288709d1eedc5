"""Synthetic Raman spectra of DNA-wrapped carbon nanotubes in cells, whose truth is known.

Synthetic and illustrative: bands, noise and batch effects are like those of published spectra, the
differences between the classes are assumed. Accuracies on them say how the program works, not how well
endosomes can be told apart.
"""

from __future__ import annotations

from nanoai_gui.core.spectra.synthesis.experiment import MIXTURES, Made, make_labelled, make_map
from nanoai_gui.core.spectra.synthesis.spec import (
    EMPTY_LABEL,
    LABELS,
    OTHER_LABEL,
    TIMES_H,
    RamanSpec,
    check_spec,
)

__all__ = [
    "EMPTY_LABEL",
    "LABELS",
    "MIXTURES",
    "OTHER_LABEL",
    "TIMES_H",
    "Made",
    "RamanSpec",
    "check_spec",
    "make_labelled",
    "make_map",
]
