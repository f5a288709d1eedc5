"""What synthetic Raman spectra of DNA-wrapped carbon nanotubes in cells are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.parameters import check, parameter

LABELS = ("early endosome", "late endosome", "lysosome")
"""Where the nanotubes are: the classes to be told apart."""
TIMES_H = (0, 6, 24)
"""Hours after uptake at which each class is recorded. One class a time, as in the experiment."""
OTHER_LABEL = "other"
"""A class that no model is trained on: soot-like carbon, which a model must reject."""
EMPTY_LABEL = "none"
"""In the truth of maps: a pixel without nanotubes."""


@dataclass(frozen=True, slots=True)
class RamanSpec:
    """Size of the experiment, the instrument, and how far the classes are apart."""

    dishes: int = parameter(3, "Dishes per time point", minimum=1, maximum=100)
    cells: int = parameter(6, "Cells per dish", minimum=1, maximum=1000)
    per_roi: int = parameter(5, "Spectra per region of interest", minimum=1, maximum=1000)
    low: float = parameter(100.0, "Axis from", unit="cm⁻¹", minimum=50, maximum=3500, step=50)
    high: float = parameter(2750.0, "Axis to", unit="cm⁻¹", minimum=100, maximum=3600, step=50)
    spacing: float = parameter(
        1.75, "Channel width", unit="cm⁻¹", minimum=0.2, maximum=10, step=0.05,
        help="Maps usually have 1.5 to 1.9 cm⁻¹ a channel.",
    )  # fmt: skip
    g_counts: float = parameter(
        2800.0, "G band of an early endosome", unit="counts", minimum=1, maximum=1e6, step=100,
        help="Height of the G+ band.",
    )  # fmt: skip
    contrast: float = parameter(
        1.0, "Difference of the classes", minimum=0, maximum=5, step=0.1,
        help="1 is the recipe; 0 makes all classes alike, so that nothing can be learned.",
    )  # fmt: skip
    batch: float = parameter(
        1.0, "Difference of dishes and cells", minimum=0, maximum=5, step=0.1,
        help="1 is the recipe; 0 makes all dishes and cells alike.",
    )  # fmt: skip
    electrons_per_count: float = parameter(
        40.0, "Electrons per count", minimum=0.1, maximum=100, step=1,
        help="Of all accumulations: more electrons a count, less shot noise.", advanced=True,
    )  # fmt: skip
    read_noise: float = parameter(
        5.0, "Read noise", unit="counts", minimum=0, maximum=1000, help="4 to 6 counts are usual."
    )
    full_well: float = parameter(
        26000.0, "Saturation at", unit="counts", minimum=10, maximum=1e7, step=1000, advanced=True
    )
    spikes_percent: float = parameter(1.0, "Spectra with a spike", unit="%", minimum=0, maximum=100)
    empty_percent: float = parameter(3.0, "Regions without nanotubes", unit="%", minimum=0, maximum=100)
    dead_pixels: int = parameter(2, "Dead channels of the camera", minimum=0, maximum=50, advanced=True)
    map_pixels: int = parameter(
        16, "Side of an unlabelled map", unit="px", minimum=4, maximum=500, advanced=True
    )

    @property
    def axis(self) -> NDArray[np.float64]:
        """(k,) Raman shifts in cm-1."""
        return np.round(np.arange(self.low, self.high + 1e-9, self.spacing), 6)


def check_spec(spec: RamanSpec) -> None:
    """Raise :class:`ParameterError` for an impossible spec."""
    from nanoai_gui.core.errors import ParameterError

    check(spec)
    if spec.axis.size < 100:
        raise ParameterError(
            f"An axis from {spec.low:g} to {spec.high:g} cm⁻¹ in steps of {spec.spacing:g} cm⁻¹ has"
            f" {spec.axis.size} points, too few for these bands.",
            "Choose a wider range or narrower channels.",
        )
