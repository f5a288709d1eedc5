"""Lists of steps to start from."""

from __future__ import annotations

from dataclasses import dataclass

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.spectra.preprocessing.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Preset:
    """A list of steps for a kind of spectra."""

    name: str
    title: str
    summary: str
    pipeline: Pipeline


PRESETS: tuple[Preset, ...] = (
    Preset(
        "swcnt-cells",
        "DNA-SWCNT in cells",
        "Nanotubes taken up by cells: RBM to G', fluorescence removed, intensities relative to the whole.",
        Pipeline.of(
            "despike",
            ("crop", {"low": 120, "high": 2740}),
            ("baseline", {"method": "auto"}),
            ("smooth", {"window": 9, "order": 3}),
            ("normalise", {"method": "vector"}),
        ),
    ),
    Preset(
        "fingerprint",
        "Cells and tissue, fingerprint region",
        "400 to 1800 cm⁻¹, fluorescence removed, lightly smoothed.",
        Pipeline.of(
            "despike",
            ("crop", {"low": 400, "high": 1800}),
            ("baseline", {"method": "auto"}),
            ("smooth", {"window": 9, "order": 3}),
            ("normalise", {"method": "vector"}),
        ),
    ),
    Preset(
        "biofluid",
        "Dried body fluids",
        "Smooth, take away a polynomial, standard normal variate.",
        Pipeline.of(
            "despike",
            ("smooth", {"window": 11, "order": 3}),
            ("baseline", {"method": "modpoly", "order": 5}),
            ("normalise", {"method": "snv"}),
        ),
    ),
    Preset(
        "derivative",
        "Dried body fluids, derivative",
        "First derivative over 25 points, vector norm: no baseline needs to be guessed.",
        Pipeline.of(
            "despike",
            ("derivative", {"derivative": 1, "window": 25, "order": 2}),
            ("normalise", {"method": "vector"}),
        ),
    ),
    Preset(
        "carbon",
        "Graphene and carbon films",
        "Spikes and baseline only; intensities stay in counts, for D/G and 2D/G.",
        Pipeline.of("despike", ("baseline", {"method": "auto"})),
    ),
    Preset("none", "As measured", "No preprocessing.", Pipeline()),
)


def get_preset(name: str) -> Preset:
    """Give a preset by its name.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    for preset in PRESETS:
        if preset.name == name:
            return preset
    known = ", ".join(preset.name for preset in PRESETS)
    raise ParameterError(f"There is no preset {name!r}.", f"There are: {known}.")
